//! The releases of a repository, and what its moving tags point to.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::all_meanings;
use super::kind::{Kind, newest_first};
use crate::ledger::{LedgerError, Log};
use crate::oci::{Digest, RepositoryName, Tag};

/// A tag that names a version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Release {
    pub tag: Tag,
    /// Missing where it was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    pub at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// The tags that name a commit, on the same digest. None: nobody can tell what it was
    /// built from.
    pub commits: Vec<Tag>,
    /// Other tags that mean it now, such as `1.4` and `latest`.
    pub pointed_to_by: Vec<Tag>,
}

/// A tag that is neither a release nor a commit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Moving {
    pub tag: Tag,
    pub digest: Digest,
    pub since: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// The release on the same digest; the newest version, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<Tag>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Releases {
    pub repository: RepositoryName,
    /// The newest version first, by the precedence of semver.org.
    pub releases: Vec<Release>,
    pub moving: Vec<Moving>,
}

pub async fn releases(log: &dyn Log, repository: &RepositoryName) -> Result<Releases, LedgerError> {
    let (mut releases, mut moving) = (Vec::new(), Vec::new());
    let mut commits: BTreeMap<Digest, Vec<Tag>> = BTreeMap::new();
    for entry in all_meanings(log, repository, None).await? {
        let event = entry.event;
        let Some(tag) = event.tag else { continue };
        match (Kind::of(&tag), event.digest) {
            (Kind::Release, digest) => {
                releases.push(Release { tag, digest, at: event.at, who: event.who, commits: Vec::new(), pointed_to_by: Vec::new() })
            }
            (Kind::Commit, Some(digest)) => commits.entry(digest).or_default().push(tag),
            (Kind::Other, Some(digest)) => moving.push(Moving { tag, digest, since: event.at, who: event.who, release: None }),
            (_, None) => {}
        }
    }
    releases.sort_by_cached_key(|release| newest_first(&release.tag));
    for release in &mut releases {
        let Some(digest) = &release.digest else { continue };
        release.commits = commits.get(digest).cloned().unwrap_or_default();
        for pointer in moving.iter_mut().filter(|pointer| pointer.digest == *digest) {
            release.pointed_to_by.push(pointer.tag.clone());
            pointer.release.get_or_insert_with(|| release.tag.clone());
        }
    }
    Ok(Releases { repository: repository.clone(), releases, moving })
}
