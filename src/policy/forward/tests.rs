use proptest::prelude::*;

use super::*;
use crate::policy::{Enforcement, Mutability, Rule};

fn tag(text: &str) -> Tag {
    Tag::parse(text).expect(text)
}

fn release(text: &str) -> Release {
    Release::of(&tag(text)).expect(text)
}

fn verdict(channel: Channel, unreleased: Unreleased) -> Verdict {
    let rule = Rule::new("shortcuts", &[], &["*"], Mutability::ForwardOnly).expect("a rule");
    Rule { channel, unreleased, ..rule }.verdict(Enforcement::Enforce)
}

fn said(to: &str, channel: Channel, followed: Option<&str>, offered: &[&str]) -> String {
    let offered: Vec<Release> = offered.iter().map(|text| release(text)).collect();
    let followed = followed.map(release);
    match forward(&tag(to), &verdict(channel, Unreleased::Allow), followed.as_ref(), &offered) {
        Ok(motion) => format!(
            "{}{}",
            motion.followed().map_or("-".to_owned(), Release::to_string),
            if motion.is_unreleased() { "?" } else { "" }
        ),
        Err(backward) => backward.to_string(),
    }
}

#[test]
fn a_line_is_read_from_the_spelling() {
    for (text, line) in [
        ("1.4", Line::Minor(1, 4)),
        ("v1.4", Line::Minor(1, 4)),
        ("0.0", Line::Minor(0, 0)),
        ("1", Line::Major(1)),
        ("v10", Line::Major(10)),
        ("latest", Line::Every),
        ("01.4", Line::Every),
        ("1.4.0", Line::Every),
        ("1.4-alpine", Line::Every),
        ("v", Line::Every),
        ("1.", Line::Every),
        ("99999999999999999999", Line::Every),
    ] {
        assert_eq!(Line::of(&tag(text)), line, "{text}");
    }
}

#[test]
fn a_tag_follows_the_newest_release_of_its_line() {
    use Channel::{All, Stable};
    for (to, channel, followed, offered, expected) in [
        ("1.4", All, None, &["1.4.0"][..], "1.4.0"),
        ("1.4", All, Some("1.4.2"), &["1.4.10"], "1.4.10"),
        ("1.4", All, Some("1.4.2"), &["v1.4.2"], "v1.4.2"),
        ("1.4", All, Some("1.4.2"), &[], "1.4.2?"),
        ("latest", All, Some("1.4.2"), &["1.3.9", "1.5.0", "git-abc"], "1.5.0"),
        ("latest", All, Some("1.5.0-rc.1"), &["1.5.0"], "1.5.0"),
        ("latest", Stable, Some("1.4.2"), &["1.5.0-rc.1", "1.5.0"], "1.5.0"),
        (
            "latest",
            All,
            Some("1.4.2"),
            &["1.3.9"],
            "it follows 1.4.2, and these bytes are 1.3.9, which is older; push a release newer than 1.4.2",
        ),
        (
            "latest",
            All,
            Some("1.5.0"),
            &["1.5.0-rc.2"],
            "it follows 1.5.0, and these bytes are 1.5.0-rc.2, which is older; push a release newer than 1.5.0",
        ),
        (
            "1.4",
            All,
            Some("1.4.2"),
            &["1.5.0"],
            "it follows the releases 1.4.x (1.4.2 now), and these bytes are 1.5.0; push them to the tag of their own line",
        ),
        (
            "1",
            All,
            None,
            &["2.0.0"],
            "it follows the releases 1.x.y, and these bytes are 2.0.0; push them to the tag of their own line",
        ),
        (
            "latest",
            Stable,
            None,
            &["1.5.0-rc.1"],
            "it follows stable releases, and these bytes are the pre-release 1.5.0-rc.1; push a release",
        ),
    ] {
        let offered: Vec<&str> = offered.iter().copied().filter(|text| Release::of(&tag(text)).is_some()).collect();
        assert_eq!(said(to, channel, followed, &offered), expected, "{to} from {followed:?} to {offered:?}");
    }
}

#[test]
fn unreleased_bytes_are_refused_only_where_the_rule_says_so() {
    for (unreleased, followed, expected) in [
        (Unreleased::Allow, Some("1.4.2"), None),
        (Unreleased::Warn, None, None),
        (Unreleased::Refuse, None, Some("these bytes are no known release; push their release tag first")),
        (
            Unreleased::Refuse,
            Some("1.4.2"),
            Some("it follows 1.4.2, and these bytes are no known release; push their release tag first"),
        ),
    ] {
        let followed = followed.map(release);
        let judged = forward(&tag("1.4"), &verdict(Channel::All, unreleased), followed.as_ref(), &[]);
        assert_eq!(judged.err().map(|backward| backward.to_string()).as_deref(), expected);
    }
}

fn any_release() -> impl Strategy<Value = Release> {
    "v?[0-2]\\.[0-2]\\.[0-2](-(rc|beta)\\.[0-2])?".prop_map(|text| release(&text))
}

proptest! {
    /// A tag that keeps what it followed never moves to an older release.
    #[test]
    fn a_forward_only_tag_never_goes_back(
        to in "v?[0-2](\\.[0-2])?|latest",
        is_stable in any::<bool>(),
        pushes in proptest::collection::vec(proptest::collection::vec(any_release(), 0..3), 0..20),
    ) {
        let channel = if is_stable { Channel::Stable } else { Channel::All };
        let (mut followed, mut meant): (Option<Release>, Vec<Release>) = (None, Vec::new());
        for offered in pushes {
            if let Ok(motion) = forward(&tag(&to), &verdict(channel, Unreleased::Allow), followed.as_ref(), &offered) {
                followed = motion.followed().cloned();
                if !motion.is_unreleased() {
                    meant.push(followed.clone().expect("a release"));
                }
            }
        }
        prop_assert!(meant.is_sorted(), "{to} went back: {meant:?}");
        prop_assert!(meant.iter().all(|release| Line::of(&tag(&to)).holds(release)));
        prop_assert!(!is_stable || meant.iter().all(|release| !release.is_pre_release()));
    }
}
