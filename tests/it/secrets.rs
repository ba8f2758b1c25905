//! Secrets: canaries in every place where somebody can put a password, and none of
//! them in a log, a metric, a page, an answer to somebody, or a message.

mod accounts;
mod clients;
mod mistakes;

use data_encoding::BASE64;

use crate::harness::Pushonce;

/// Stands in every secret, and nowhere else.
const CANARY: &str = "canary";

/// Everything in which a canary could be found, as it is and in Base64.
#[track_caller]
fn expect_no_canary(what: &str, text: &str) {
    let encoded: Vec<String> = (0..3).map(|shift| encoded_inside(CANARY, shift)).collect();
    for needle in encoded.iter().map(String::as_str).chain([CANARY]) {
        let line = text.lines().find(|line| line.contains(needle));
        assert_eq!(line, None, "{what} has {needle}");
    }
}

/// What Base64 makes of a word in the middle of a text, `shift` bytes after a
/// boundary; the ends mix with what stands beside it and are left out.
fn encoded_inside(word: &str, shift: usize) -> String {
    let skipped = (3 - shift) % 3;
    let whole = (word.len() - skipped) / 3 * 3;
    BASE64.encode(&word.as_bytes()[skipped..skipped + whole])
}

/// Looks wherever the proxy writes or shows something.
#[track_caller]
fn expect_no_canary_anywhere(proxy: &Pushonce) {
    expect_no_canary("the log", &proxy.log());
    for page in ["/livez", "/readyz", "/metrics", "/", "/nowhere"] {
        expect_no_canary(page, &proxy.admin().request("GET", page).send().to_string());
    }
    for file in ["ledger.db", "ledger.db-wal"] {
        let bytes = std::fs::read(proxy.directory().join(file)).unwrap_or_default();
        expect_no_canary(file, &String::from_utf8_lossy(&bytes));
    }
    expect_no_canary("the command line", &proxy.command_line());
}

#[test]
fn a_canary_is_found_in_base64_wherever_it_stands() {
    for text in ["canary", "a:canary", "ab:canary", "abc:canary-and-more"] {
        let encoded = BASE64.encode(text.as_bytes());
        assert!((0..3).any(|shift| encoded.contains(&encoded_inside(CANARY, shift))), "{encoded}");
    }
}
