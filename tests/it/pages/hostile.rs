//! What comes from outside is shown, and nothing more; and who may look.

use super::Stage;
use crate::harness::browser::Browser;
use crate::harness::{Image, Pushonce, Registry};

const SCRIPT: &str = "<script>window.pwned = 1</script><img src=x onerror=\"window.pwned = 1\">";

/// A push whose client and user are markup.
fn hostile(proxy: &Pushonce) {
    let image = Image::random();
    let user = proxy.signed_in("\"><script>window.pwned = 1</script>", "secret");
    user.push("web:latest", &image).expect_created();
    let draft = user.request("PUT", "/v2/web/manifests/1.4.0").header("Content-Type", &image.manifest.media_type);
    draft.header("User-Agent", SCRIPT).body(&image.manifest.bytes).send().expect_created();
}

#[test]
fn markup_from_outside_is_text() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    hostile(&proxy);
    let admin = proxy.admin();
    let paths = [
        "/",
        "/log",
        "/tag?repository=web&tag=1.4.0",
        "/tag?repository=web&tag=1.4.0&at=%22%3E%3Cscript%3Ewindow.pwned%3C/script%3E",
        "/go?q=%22%3E%3Cscript%3Ewindow.pwned%3C/script%3E",
        "/policy?reference=%22%3E%3Cscript%3Ewindow.pwned%3C/script%3E",
        "/log?outcome=%3Cscript%3E",
        "/%3Cscript%3E",
    ];
    for path in paths {
        let page = admin.request("GET", path).send().text();
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("\"&gt;\""), "{path}: {page}");
    }
    let browser = Browser::start();
    for path in paths {
        browser.open(&format!("{}{path}", admin.url()));
        assert!(browser.script("return window.pwned === undefined").as_bool().expect("a truth"), "{path}");
    }
    browser.open(&format!("{}/log", admin.url()));
    assert!(browser.text().contains(SCRIPT), "it is shown as it is: {}", browser.text());
}

#[test]
fn a_browser_is_told_to_load_nothing_else() {
    let stage = Stage::set();
    let pages = stage.pages();
    let others = [("style", "/style.css".to_owned(), 200), ("icon", "/icon.svg".to_owned(), 200)];
    for (_, path, status) in pages.iter().chain(&others) {
        let answer = stage.page(path);
        answer.expect(*status);
        let header = |name: &str| answer.header(name).unwrap_or_else(|| panic!("{path} has no {name}")).to_owned();
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"), "{policy}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin");
        assert_eq!(header("cache-control"), "no-store");
        let text = answer.text();
        assert!(!text.contains(" style=") && !text.contains("<script"), "{path}");
        assert!(path == "/icon.svg" || !text.contains("http://"), "{path}");
    }
}

#[test]
fn whoever_looks_gives_the_token() {
    let registry = Registry::start();
    let token = "a-token-of-at-least-thirty-two-letters";
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), token).expect("written");
    let setting = format!("admin.token_file = \"{}\"", file.path().display());
    let proxy = Pushonce::in_front_of(&registry.url()).setting(&setting).start();
    let admin = proxy.admin();
    for path in ["/", "/log", "/style.css", "/nowhere"] {
        admin.request("GET", path).send().expect(401);
    }
    admin.with_token(token).request("GET", "/").send().expect_ok();

    let browser = Browser::start();
    browser.open(&format!("http://anybody:{token}@{}/", admin.address()));
    assert_eq!(browser.title(), "Overview · pushonce", "{}: {} {:?}", browser.path(), browser.text(), browser.complaints());
    browser.link("Log").click();
    browser.arrives("/log");
}
