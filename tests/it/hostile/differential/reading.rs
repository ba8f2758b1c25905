//! What the proxy and the registry each say of a request, read from their logs.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::harness::process::eventually;

/// A log from where it ends now.
pub type Tail = BufReader<File>;

pub fn tail_of(log: &Path) -> Tail {
    let mut file = File::open(log).expect("a log");
    file.seek(SeekFrom::End(0)).expect("the end of the log");
    BufReader::new(file)
}

/// The lines that have come since and name `what`.
fn lines_about(tail: &mut Tail, what: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut line = String::new();
    while tail.read_line(&mut line).expect("a line of the log") > 0 {
        if line.contains(what) {
            found.extend(serde_json::from_str(&line).ok());
        }
        line.clear();
    }
    found
}

fn text(line: &Value, field: &str) -> Option<String> {
    line[field].as_str().map(str::to_owned)
}

/// The proxy's one line about a request.
#[derive(Debug)]
pub struct Decision {
    kind: String,
    verdict: String,
    repository: Option<String>,
    reference: Option<String>,
}

/// One request as the registry understood it.
#[derive(Debug, PartialEq, Eq)]
pub struct Understood {
    pub method: String,
    path: String,
    pub repository: Option<String>,
    pub reference: Option<String>,
    digest: Option<String>,
    upload: Option<String>,
}

impl Decision {
    pub fn wait_for(log: &mut Tail, request_id: &str) -> Self {
        let id = format!("\"{request_id}\"");
        let mut decisions = || lines_about(log, &id).into_iter().find(|line| line["target"] == "pushonce::decision");
        let line = eventually(Duration::from_secs(10), "the proxy logs its decision", &mut decisions);
        let said = |field: &str| text(&line, field).unwrap_or_else(|| panic!("no {field} in {line}"));
        Self {
            kind: said("kind"),
            verdict: said("verdict"),
            repository: text(&line, "repository"),
            reference: text(&line, "reference"),
        }
    }

    /// Whether the registry was to carry the request out. A pull that a registry
    /// does not find, or a push that it rejects, was carried out as well.
    pub fn lets_pass(&self) -> bool {
        ["passed", "pinned", "pushed", "repeated", "moved", "deleted", "relayed", "unknown"].contains(&self.verdict.as_str())
    }

    /// Whether `understood` is part of what was decided: about the same repository,
    /// about the same tag where it is about one, and of the same kind.
    pub fn covers(&self, understood: &Understood) -> bool {
        if understood.repository.is_none() {
            // The registry found nothing to do, or what has no repository.
            return true;
        }
        if self.repository != understood.repository {
            return false;
        }
        let is_same_tag = understood.tag().is_none_or(|tag| self.reference.as_deref() == Some(tag));
        match self.kind.as_str() {
            "push" | "pull" => is_same_tag && understood.reference.is_some(),
            // Before a manifest is deleted, the tags of its repository are looked at.
            "delete" => match understood.method.as_str() {
                "DELETE" => understood.reference == self.reference,
                method => matches!(method, "GET" | "HEAD"),
            },
            "manifest" => understood.tag().is_none() && understood.reference.is_some() && !understood.is_write(),
            "blob" => understood.digest.is_some() && !understood.is_write(),
            "upload" => {
                understood.digest.is_none() && understood.reference.is_none() && understood.path.contains("/blobs/uploads/")
            }
            "tags" => !understood.is_write() && understood.path.ends_with("/tags/list"),
            "referrers" => !understood.is_write() && understood.reference.is_none(),
            _ => false,
        }
    }
}

impl Understood {
    /// Everything that the registry has understood of requests by `agent`.
    pub fn all(log: &mut Tail, agent: &str) -> Vec<Self> {
        let agent = format!("\"{agent}\"");
        let mut all: Vec<Self> = lines_about(log, &agent).iter().map(Self::read).collect();
        all.dedup();
        all
    }

    fn read(line: &Value) -> Self {
        let uri = text(line, "http.request.uri").unwrap_or_default();
        Self {
            method: text(line, "http.request.method").unwrap_or_default(),
            path: uri.split('?').next().unwrap_or_default().to_owned(),
            repository: text(line, "vars.name"),
            reference: text(line, "vars.reference"),
            digest: text(line, "vars.digest"),
            upload: text(line, "vars.uuid"),
        }
    }

    pub fn tag(&self) -> Option<&str> {
        self.reference.as_deref().filter(|reference| !reference.contains(':'))
    }

    /// Whether it changes a manifest, a tag, a blob or an upload.
    pub fn is_write(&self) -> bool {
        self.repository.is_some() && !matches!(self.method.as_str(), "GET" | "HEAD")
    }
}
