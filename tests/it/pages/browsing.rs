//! A person at the pages: with a mouse, with the keyboard alone, and without scripts.

use super::Stage;
use crate::harness::browser::{Browser, ENTER, TAB};

/// Looks up what shipped, and why a tag does not move.
fn look_around(stage: &Stage, browser: &Browser) {
    let (first, second) = (stage.first.digest(), stage.second.digest());
    browser.open(&stage.proxy.admin().url());
    browser.find("#go").keys("driftwood/web:1.4");
    browser.find(".go button").click();
    browser.arrives("/tag?repository=driftwood/web&tag=1.4");
    assert!(browser.find("#now ~ p code").text().ends_with(&format!("@{second}")));

    // The moment at which it meant the first bytes: the first line of its history.
    let since = browser.find("#timeline ~ .scroll tbody tr:last-child time").property("dateTime");
    browser.find("#at").keys(since.as_str().expect("a time"));
    browser.find("#then ~ form button").click();
    browser.arrives("/tag?repository=driftwood%2Fweb&tag=1.4&at=");
    assert!(browser.find("[role=status] code").text().ends_with(&format!("@{first}")), "{}", browser.text());

    browser.find("[role=status] a.digest").click();
    browser.arrives(&format!("/digest?digest={first}"));
    assert!(browser.text().contains("driftwood/web:git-0a1b2c3"));
    browser.link("driftwood/web:1.4.0").click();
    browser.arrives("/tag?repository=driftwood/web&tag=1.4.0");
    assert!(browser.text().contains("It is immutable by rule releases."));
    browser.link("rule releases").click();
    browser.arrives("/policy?reference=driftwood/web:1.4.0");
    assert_eq!(browser.title(), "Policy · pushonce");
    assert!(browser.find("[role=status]").text().starts_with("driftwood/web:1.4.0 is immutable, by rule releases"));
    browser.find("#reference").keys("\u{e009}a\u{e000}driftwood/web:latest");
    browser.find("#explain ~ form button").click();
    browser.arrives("/policy?reference=driftwood%2Fweb%3Alatest");
    assert!(browser.find("[role=status]").text().starts_with("driftwood/web:latest is mutable, by rule shortcuts"));

    browser.open(&format!("{}/log?limit=3", stage.proxy.admin().url()));
    let newest = browser.find("tbody tr").text();
    browser.link("Older").click();
    browser.arrives("/log?limit=3&after=");
    assert_ne!(browser.find("tbody tr").text(), newest);
    browser.link("Overview").click();
    browser.arrives("/");
    browser.link("7 days").click();
    browser.arrives("/?days=7");
    browser.find("details summary").click();
    assert!(browser.find("details table").text().contains("Refusals"));
}

#[test]
fn a_person_finds_what_shipped() {
    let stage = Stage::set();
    look_around(&stage, &Browser::start());
}

#[test]
fn without_scripts_all_is_the_same() {
    let stage = Stage::set();
    look_around(&stage, &Browser::without_scripts());
}

#[test]
fn the_keyboard_reaches_everything_and_shows_where_it_is() {
    let stage = Stage::set();
    let browser = Browser::start();
    browser.open(&stage.proxy.admin().url());
    let next = |browser: &Browser| {
        browser.focused().keys(TAB);
        let focused = browser.focused();
        assert_ne!(focused.css("outline-style"), "none", "no sign of the focus: {}", focused.text());
        focused.text()
    };
    assert_eq!(next(&browser), "Skip to the content");
    let order: Vec<String> = (0..7).map(|_| next(&browser)).collect();
    assert_eq!(order, ["pushonce", "Overview", "Log", "Policy", "Audit", "", "Go"]);

    browser.open(&format!("{}/log", stage.proxy.admin().url()));
    next(&browser);
    browser.focused().keys(ENTER);
    assert!(browser.path().ends_with("#content"));
    // From there on the first field of the form is next, and the table can be scrolled.
    browser.focused().keys(TAB);
    assert_eq!(browser.focused().property("id"), "repository");
    for _ in 0..6 {
        browser.focused().keys(TAB);
    }
    assert_eq!(browser.focused().property("className"), "scroll");
    browser.focused().keys(TAB);
    browser.focused().keys(ENTER);
    browser.arrives("/tag?repository=");
}
