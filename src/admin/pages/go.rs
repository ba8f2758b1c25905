//! Leads to the page of whatever is written into the field.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::{IntoResponse, Redirect};
use serde::Deserialize;

use super::Answer;
use super::parts::{repository_path, tag_path};
use crate::admin::asked::Refused;
use crate::oci::{Digest, RepositoryName};
use crate::questions::reference;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    q: String,
}

pub(super) async fn go(asked: Result<Query<Asked>, QueryRejection>) -> Answer {
    let path = path(asked?.q.trim()).map_err(Refused::mistaken)?;
    Ok(Redirect::to(&path).into_response())
}

/// The page of a digest, of what `docker pull` takes, or of a repository.
fn path(text: &str) -> Result<String, String> {
    let digest = text.rsplit_once('@').map_or(text, |(_, digest)| digest);
    let forms = "write a repository, REPOSITORY:TAG, or a whole digest such as sha256:…";
    match Digest::parse(digest) {
        Ok(digest) => return Ok(format!("/digest?digest={digest}")),
        Err(mistake) if digest.starts_with("sha256:") || text.contains('@') => {
            return Err(format!("`{text}`: {mistake}; {forms}"));
        }
        Err(_) => {}
    }
    if text.contains(':') {
        return reference::parse(text).map(|(repository, tag)| tag_path(&repository, &tag));
    }
    RepositoryName::parse(text).map(|name| repository_path(&name)).map_err(|mistake| format!("`{text}`: {mistake}; {forms}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_it_leads_somewhere() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (text, expected) in [
            ("driftwood/web", "/repository?repository=driftwood/web".to_owned()),
            ("driftwood/web:1.4", "/tag?repository=driftwood/web&tag=1.4".to_owned()),
            (digest.as_str(), format!("/digest?digest={digest}")),
            (&format!("driftwood/web@{digest}"), format!("/digest?digest={digest}")),
        ] {
            assert_eq!(path(text), Ok(expected), "{text}");
        }
        for text in ["", "Driftwood", "web:", "localhost:5000/web:1", "sha256:abc", "//evil.example", "web:1.4@x"] {
            assert!(path(text).is_err(), "{text}: {:?}", path(text));
        }
    }
}
