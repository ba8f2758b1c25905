//! Answers of the release log as tables.

use crate::cli::table::{or_dash, plain, table};
use crate::oci::Tag;
use crate::questions::{Change, Difference, Kind, Known, Releases};

pub(super) fn known(known: &Known) -> String {
    let mut rows = Vec::new();
    for meant in &known.tags {
        let kind = match meant.kind {
            Kind::Release => "release",
            Kind::Commit => "commit",
            Kind::Other => "other",
        };
        for time in &meant.times {
            let until = time.until.map_or_else(|| "now".to_owned(), |until| until.to_string());
            let tag = format!("{}:{}", meant.repository, meant.tag);
            rows.push(vec![tag, kind.to_owned(), time.from.to_string(), until, or_dash(time.who.as_deref().map(plain))]);
        }
    }
    let more = if known.more { "\nthere are older times, which are left out\n" } else { "" };
    table(&["TAG", "KIND", "FROM", "UNTIL", "WHO"], &rows) + more
}

pub(super) fn releases(found: &Releases) -> String {
    let rows: Vec<Vec<String>> = found
        .releases
        .iter()
        .map(|release| {
            let digest = release.digest.as_ref().map_or_else(|| "deleted".to_owned(), ToString::to_string);
            let commits = match release.digest {
                Some(_) if release.commits.is_empty() => "no commit tag".to_owned(),
                _ => names(&release.commits),
            };
            let who = or_dash(release.who.as_deref().map(plain));
            vec![release.tag.to_string(), digest, commits, release.at.to_string(), who, names(&release.pointed_to_by)]
        })
        .collect();
    let mut text = table(&["RELEASE", "DIGEST", "COMMIT", "WHEN", "WHO", "ALSO"], &rows);
    if !found.moving.is_empty() {
        let rows: Vec<Vec<String>> = found
            .moving
            .iter()
            .map(|moving| {
                let release = moving.release.as_ref().map_or_else(|| "no release".to_owned(), ToString::to_string);
                let who = or_dash(moving.who.as_deref().map(plain));
                vec![moving.tag.to_string(), release, moving.digest.to_string(), moving.since.to_string(), who]
            })
            .collect();
        text += "\n";
        text += &table(&["TAG", "RELEASE", "DIGEST", "SINCE", "WHO"], &rows);
    }
    text
}

pub(super) fn differences(found: &[Difference]) -> String {
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|one| {
            let change = match one.change {
                Change::Appeared => "appeared",
                Change::Moved => "moved",
                Change::Went => "went",
            };
            let (from, to) = (or_dash(one.from.as_ref()), or_dash(one.to.as_ref()));
            vec![one.tag.to_string(), change.to_owned(), from, to, one.at.to_string(), or_dash(one.who.as_deref().map(plain))]
        })
        .collect();
    table(&["TAG", "CHANGE", "FROM", "TO", "WHEN", "WHO"], &rows)
}

fn names(tags: &[Tag]) -> String {
    if tags.is_empty() {
        return "-".to_owned();
    }
    tags.iter().map(Tag::as_str).collect::<Vec<_>>().join(" ")
}
