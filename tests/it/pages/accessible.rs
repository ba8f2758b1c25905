//! Every page in every appearance: checked by axe, for its width and for complaints of the
//! browser, with a picture kept of each.

use std::path::Path;

use super::Stage;
use crate::harness::browser::{Browser, pictures};
use crate::harness::{Pushonce, Registry};

/// Wide as on a desk, and narrow as a phone.
const WIDTHS: [u32; 2] = [1280, 360];

/// Says what axe-core finds wrong with the page.
fn violations(browser: &Browser) -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/axe/axe.min.js");
    let axe = std::fs::read_to_string(&file)
        .unwrap_or_else(|cause| panic!("{}: {cause}; run scripts/install-deps.sh test", file.display()));
    browser.script(&axe);
    let found = browser.script_that_answers(
        "const done = arguments[arguments.length - 1];\n\
         const told = violation => violation.nodes.map(node =>\n\
             `${violation.id}: ${violation.help}: ${node.target.join(' ')}: ${node.failureSummary}`);\n\
         axe.run(document, { resultTypes: ['violations'] }).then(\n\
             results => done(results.passes.length ? results.violations.flatMap(told) : ['axe found nothing to check']),\n\
             cause => done([String(cause)]));",
    );
    found.as_array().expect("a list").iter().map(|one| one.as_str().unwrap_or_default().to_owned()).collect()
}

fn check(browser: &Browser, url: &str, name: &str, status: u16, wrong: &mut Vec<String>) {
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        for width in WIDTHS {
            browser.resize(width);
            browser.open(url);
            let shown = format!("{name}-{scheme}-{width}");
            browser.picture(&shown);
            wrong.extend(violations(browser).into_iter().map(|violation| format!("{shown}: {violation}")));
            let room = browser.script("const page = document.documentElement; return page.scrollWidth - page.clientWidth");
            if room.as_i64() != Some(0) {
                wrong.push(format!("{shown}: it is {room} pixels wider than the window"));
            }
            // The browser complains of the page itself, where that is an error.
            let is_expected = |complaint: &String| status >= 400 && complaint.contains(&format!("status of {status}"));
            wrong.extend(browser.complaints().into_iter().filter(|one| !is_expected(one)).map(|one| format!("{shown}: {one}")));
        }
    }
}

#[test]
fn every_page_is_for_everybody() {
    let stage = Stage::set();
    let browser = Browser::start();
    let mut wrong = Vec::new();
    for (name, path, status) in stage.pages() {
        check(&browser, &format!("{}{path}", stage.proxy.admin().url()), name, status, &mut wrong);
    }
    let registry = Registry::start();
    let empty = Pushonce::start(&registry);
    check(&browser, &empty.admin().url(), "empty", 200, &mut wrong);
    println!("pictures of all pages are in {}", pictures().display());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the check is worth: it finds what is wrong with a page that is.
#[test]
fn axe_finds_what_is_wrong() {
    let browser = Browser::start();
    browser.open("data:text/html,<html><title>x</title><input><img src=x><p style='color:%23ccc'>pale");
    let found = violations(&browser).join("\n");
    for rule in ["html-has-lang", "image-alt", "label", "color-contrast"] {
        assert!(found.contains(&format!("{rule}: ")), "{rule}: {found}");
    }
}
