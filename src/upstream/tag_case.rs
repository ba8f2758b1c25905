//! Finds out what the registry does with the case of tags, by reading alone.
//!
//! A tag that is there is asked for by a name that differs in case alone and that the
//! registry does not list. The same digest says that both are one tag; 404 says that they
//! are two.

use std::collections::HashSet;

use http::{HeaderMap, StatusCode};

use super::{Access, Listed, Resolved, Trust, Upstream, UpstreamError};
use crate::ledger::TagKey;
use crate::oci::{RepositoryName, Tag, TagCase};

/// How many repositories are looked at, at most.
const MOST_REPOSITORIES: usize = 20;

/// How many tags are tried, at most; and of one repository.
const MOST_TAGS: usize = 6;
const MOST_TAGS_OF_ONE: usize = 2;

/// What was found out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CaseSeen {
    /// Every tag that was tried says so; the first is the example.
    Told(TagCase, SeenBy),
    /// Nothing could be told: why, and what to do.
    Untold(String),
}

/// A tag that is there, and the other name that it was asked for by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeenBy {
    pub tag: TagKey,
    pub other: TagKey,
}

impl Upstream {
    /// Asks the registry, with the gate's own account where it has one. Looks at the
    /// repositories that are `named`, or at the first that the registry lists.
    pub async fn see_tag_case(&self, named: &[RepositoryName]) -> Result<CaseSeen, UpstreamError> {
        let repositories = match named {
            [] => match self.first_repositories(MOST_REPOSITORIES).await {
                Ok(repositories) => repositories,
                Err(UpstreamError::NoCatalog(status @ (400..=499 | 501))) => return Ok(CaseSeen::Untold(no_catalog(status))),
                Err(cause) => return Err(cause),
            },
            named => named.to_vec(),
        };
        let (mut seen, mut tried, mut denied) = (Vec::new(), 0, None);
        for repository in &repositories {
            if tried == MOST_TAGS {
                break;
            }
            let own = self.own_headers(repository, Access::Pull).await?;
            let tags = match self.tags_as_listed(&own, repository).await {
                Ok(Listed::Tags(tags)) => tags,
                Ok(Listed::Unknown(_)) => continue,
                Ok(Listed::Denied(answer)) => {
                    denied = Some(answer.status().as_u16());
                    continue;
                }
                Err(UpstreamError::ServiceDenied(status)) => {
                    denied = Some(status);
                    continue;
                }
                Err(cause) => return Err(cause),
            };
            for by in with_other_names(repository, &tags).take(MOST_TAGS_OF_ONE.min(MOST_TAGS - tried)) {
                seen.extend(self.compare(&own, by).await?);
                tried += 1;
            }
        }
        Ok(told(&seen).unwrap_or_else(|| CaseSeen::Untold(nothing_seen(repositories.len(), denied))))
    }

    /// What one tag says; nothing where it moved or went while it was looked at. The other
    /// name is asked for first: a tag that is there after that was there before.
    async fn compare(&self, own: &HeaderMap, by: SeenBy) -> Result<Option<(TagCase, SeenBy)>, UpstreamError> {
        let other = match self.resolve(own, &by.other, Trust::Client).await {
            Ok(Resolved::Found(digest)) => Some(digest),
            Ok(Resolved::Absent) => None,
            Ok(Resolved::Denied(_)) => return Ok(None),
            // It takes no such name at all.
            Err(UpstreamError::Unexpected { status: StatusCode::BAD_REQUEST, .. }) => None,
            Err(cause) => return Err(cause),
        };
        let Resolved::Found(means) = self.resolve(own, &by.tag, Trust::Client).await? else { return Ok(None) };
        Ok(match other {
            None => Some((TagCase::Keep, by)),
            Some(other) if other == means => Some((TagCase::Fold, by)),
            Some(_) => None,
        })
    }
}

/// The tags that have a letter, each with another name for it that is not listed.
fn with_other_names(repository: &RepositoryName, tags: &[Tag]) -> impl Iterator<Item = SeenBy> {
    let listed: HashSet<&str> = tags.iter().map(Tag::as_str).collect();
    let key = |tag: Tag| TagKey { repository: repository.clone(), tag };
    tags.iter().filter_map(move |tag| {
        let others = [str::to_ascii_uppercase, str::to_ascii_lowercase, with_its_first_letter_changed];
        let other = others.into_iter().map(|change| change(tag.as_str())).find(|other| !listed.contains(other.as_str()))?;
        Some(SeenBy { tag: key(tag.clone()), other: key(Tag::parse(&other).ok()?) })
    })
}

fn with_its_first_letter_changed(text: &str) -> String {
    let at = text.find(|letter: char| letter.is_ascii_alphabetic());
    let change = |(index, letter): (usize, char)| match letter {
        letter if Some(index) != at => letter,
        letter if letter.is_ascii_uppercase() => letter.to_ascii_lowercase(),
        letter => letter.to_ascii_uppercase(),
    };
    text.char_indices().map(change).collect()
}

/// What all of them say together; `None` where there is none.
fn told(seen: &[(TagCase, SeenBy)]) -> Option<CaseSeen> {
    let (first, by) = seen.first()?;
    Some(match seen.iter().find(|(case, _)| case != first) {
        None => CaseSeen::Told(*first, by.clone()),
        Some((_, otherwise)) => {
            let (folds, keeps) = if *first == TagCase::Fold { (by, otherwise) } else { (otherwise, by) };
            CaseSeen::Untold(format!(
                "`{}` is answered as `{}`, but `{}` is not answered as `{}`; ask whoever runs the registry, and write \
                 `tag_case = \"fold\"` under `[upstream]` where in doubt",
                folds.other, folds.tag, keeps.other, keeps.tag
            ))
        }
    })
}

fn no_catalog(status: u16) -> String {
    let account = if matches!(status, 401 | 403) { "set `upstream.username`, or " } else { "" };
    format!("the registry gives no list of its repositories: it answered {status}; {account}name one with --repository")
}

fn nothing_seen(repositories: usize, denied: Option<u16>) -> String {
    if let Some(status) = denied {
        return format!(
            "the registry lets nobody list its tags: it answered {status}; set `upstream.username` to a user that may pull"
        );
    }
    let looked_at = match repositories {
        0 => "the registry lists no repository".to_owned(),
        1 => "the repository that was looked at has no tag with a letter in it".to_owned(),
        number => format!("none of the {number} repositories that were looked at has a tag with a letter in it"),
    };
    format!("{looked_at}; push one, such as `latest`, and ask again")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn others(tags: &[&str]) -> Vec<String> {
        let repository = RepositoryName::parse("web").expect("a name");
        let tags: Vec<Tag> = tags.iter().map(|tag| Tag::parse(tag).expect(tag)).collect();
        with_other_names(&repository, &tags).map(|by| format!("{} {}", by.tag.tag, by.other.tag)).collect()
    }

    #[test]
    fn the_other_name_is_one_that_is_not_listed() {
        assert_eq!(others(&["1.4.0", "latest", "V2"]), ["latest LATEST", "V2 v2"]);
        assert_eq!(others(&["edge", "EDGE"]), ["edge Edge", "EDGE eDGE"]);
        assert!(others(&["rc", "RC", "Rc", "rC", "1.4", "_"]).is_empty());
    }

    #[test]
    fn tags_that_say_different_things_say_nothing() {
        let by = |tag: &str, other: &str| {
            let key = |tag| TagKey { repository: RepositoryName::parse("web").expect("a name"), tag: Tag::parse(tag).expect(tag) };
            SeenBy { tag: key(tag), other: key(other) }
        };
        let (edge, latest) = (by("edge", "EDGE"), by("latest", "LATEST"));
        assert_eq!(told(&[]), None);
        let both_fold = [(TagCase::Fold, edge.clone()), (TagCase::Fold, latest.clone())];
        assert_eq!(told(&both_fold), Some(CaseSeen::Told(TagCase::Fold, edge.clone())));
        let expected = "`web:LATEST` is answered as `web:latest`, but `web:EDGE` is not answered as `web:edge`; ";
        for seen in
            [[(TagCase::Keep, edge.clone()), (TagCase::Fold, latest.clone())], [(TagCase::Fold, latest), (TagCase::Keep, edge)]]
        {
            assert!(matches!(told(&seen), Some(CaseSeen::Untold(why)) if why.starts_with(expected)), "{seen:?}");
        }
    }

    #[test]
    fn what_is_missing_is_said_with_the_way_to_it() {
        assert!(no_catalog(401).ends_with("it answered 401; set `upstream.username`, or name one with --repository"));
        assert!(no_catalog(404).ends_with("it answered 404; name one with --repository"));
        assert!(nothing_seen(3, Some(403)).ends_with("it answered 403; set `upstream.username` to a user that may pull"));
        assert!(nothing_seen(0, None).starts_with("the registry lists no repository; push one"));
        assert!(nothing_seen(1, None).starts_with("the repository that was looked at"));
        assert!(nothing_seen(20, None).starts_with("none of the 20 repositories"));
    }
}
