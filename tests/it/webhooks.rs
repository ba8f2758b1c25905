//! Webhooks with a real receiver: what it gets, in which order, and what becomes of what it
//! does not take.

mod deliveries;
mod endings;
mod failures;
mod sharing;

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::process::eventually;
use crate::harness::run::run;
use crate::harness::wire::Recorded;
use crate::harness::{Answer, Upstream};

const PATIENCE: Duration = Duration::from_secs(60);

/// In Base64 the bytes `a secret of thirty two bytes !!!`.
const SECRET: &str = "whsec_YSBzZWNyZXQgb2YgdGhpcnR5IHR3byBieXRlcyAhISE=";

/// What stands for "no answer, ever" among the statuses.
const HANGS: u16 = 0;

/// Who receives deliveries, and answers all of them with one status.
pub(crate) struct Receiver {
    server: Upstream,
    status: Arc<AtomicU16>,
    directory: TempDir,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let status = Arc::new(AtomicU16::new(204));
        let shown = Arc::clone(&status);
        let server = Upstream::start(move |_| match shown.load(Ordering::SeqCst) {
            HANGS => Answer::Hang,
            307 => Answer::Respond { status: 307, headers: vec![("Location", "/elsewhere".to_owned())], body: Vec::new() },
            status => Answer::status(status),
        });
        let directory = tempfile::Builder::new().prefix("pushonce-it-hook-").tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join("secret"), format!("{SECRET}\n")).expect("written");
        Self { server, status, directory }
    }

    /// Answers with this status from now on.
    fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    fn url(&self) -> String {
        format!("{}/hook", self.server.url())
    }

    fn secret_file(&self) -> PathBuf {
        self.directory.path().join("secret")
    }

    /// The section of a webhook that comes here.
    pub(crate) fn webhook(&self, name: &str, more: &str) -> String {
        self.webhook_at(&self.url(), name, more)
    }

    fn webhook_at(&self, url: &str, name: &str, more: &str) -> String {
        let secret = self.secret_file();
        format!("[[webhook]]\nname = \"{name}\"\nurl = \"{url}\"\nsecret_file = \"{}\"\n{more}\n", secret.display())
    }

    fn requests(&self) -> Vec<Recorded> {
        self.server.requests()
    }

    /// The bodies of all deliveries so far.
    fn events(&self) -> Vec<Value> {
        self.requests().iter().map(|request| serde_json::from_slice(&request.body).expect("JSON")).collect()
    }

    /// What came so far in short, such as `pushed web:1.4.0`.
    fn told(&self) -> Vec<String> {
        self.events().iter().map(in_short).collect()
    }

    /// Waits until so many deliveries have come, and returns all of them in short.
    #[track_caller]
    pub(crate) fn expect(&self, count: usize) -> Vec<String> {
        eventually(PATIENCE, &format!("{count} deliveries"), || Some(self.told()).filter(|told| told.len() >= count))
    }

    /// Waits for exactly these, and looks once more a while later.
    #[track_caller]
    fn expect_exactly(&self, expected: &[&str]) {
        self.expect(expected.len());
        std::thread::sleep(Duration::from_millis(2_500));
        assert_eq!(self.told(), expected);
    }

    /// Checks the signature of every delivery by another program.
    fn check_signatures(&self) {
        for (number, request) in self.requests().iter().enumerate() {
            let body = self.directory.path().join(format!("body-{number}"));
            std::fs::write(&body, &request.body).expect("written");
            let header = |name| request.header(name).unwrap_or_else(|| panic!("no {name} in {}", request.head));
            let script = "import base64, hashlib, hmac, sys, time\n\
                secret = base64.b64decode(sys.argv[1].removeprefix('whsec_'))\n\
                signed = f'{sys.argv[2]}.{sys.argv[3]}.'.encode() + open(sys.argv[5], 'rb').read()\n\
                expected = 'v1,' + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()\n\
                sys.exit(f'{expected} is not {sys.argv[4]}' if expected != sys.argv[4] else 0)\n";
            let mut python = Command::new("python3");
            python.args(["-c", script, SECRET, header("webhook-id"), header("webhook-timestamp"), header("webhook-signature")]);
            run(
                {
                    python.arg(&body);
                    python
                },
                "python3",
                self.directory.path(),
            )
            .expect_success();
        }
    }
}

fn in_short(event: &Value) -> String {
    let kind = event["type"].as_str().and_then(|kind| kind.strip_prefix("pushonce.tag.")).expect("a type");
    format!("{kind} {}", event["subject"].as_str().unwrap_or("-"))
}
