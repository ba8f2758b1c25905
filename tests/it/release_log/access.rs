//! Who may look at the second listener.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::harness::{Pushonce, Registry};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn with_a_token_everything_but_the_probes_asks_for_it() {
    let registry = Registry::start();
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), format!("{TOKEN}\n")).expect("written");
    let proxy =
        Pushonce::in_front_of(&registry.url()).setting(&format!("admin.token_file = \"{}\"", file.path().display())).start();
    for path in ["/metrics", "/api/v1/log", "/nothing"] {
        let answer = proxy.admin().request("GET", path).send();
        let challenges: Vec<&str> = answer.expect(401).headers.all("www-authenticate").collect();
        assert!(challenges[0].starts_with("Bearer realm=") && challenges[1].starts_with("Basic realm="), "{answer}");
        assert!(answer.text().contains("admin.token_file"), "{answer}");
        proxy.admin().request("GET", path).header("Authorization", "Bearer wrong").send().expect(401);
    }
    for path in ["/livez", "/readyz"] {
        proxy.admin().request("GET", path).send().expect_ok();
    }
    let basic = format!("Basic {}", data_encoding::BASE64.encode(format!("ann:{TOKEN}").as_bytes()));
    for value in [format!("Bearer {TOKEN}"), basic] {
        proxy.admin().request("GET", "/metrics").header("Authorization", &value).send().expect_ok();
    }
}

#[test]
fn on_loopback_a_page_of_another_name_reads_nothing() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    proxy.admin().request("GET", "/api/v1/log").send().expect_ok();
    for path in ["/api/v1/log", "/", "/log", "/style.css"] {
        let mut stream = TcpStream::connect(proxy.admin().address()).expect("a connection");
        let request = format!("GET {path} HTTP/1.1\r\nHost: rebound.example.com\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 421 ") && answer.contains("ask for it as 127.0.0.1"), "{answer}");
    }
}

#[test]
fn elsewhere_than_on_loopback_it_does_not_start_without_one() {
    let refused = |settings: &str| {
        Pushonce::in_front_of("http://127.0.0.1:1")
            .environment("PUSHONCE_ADMIN__LISTEN", "0.0.0.0:0")
            .setting(settings)
            .start_and_fail()
    };
    let open = refused("");
    assert_eq!(open.status.code(), Some(2), "{open}");
    assert!(open.stderr.contains("which others can reach") && open.stderr.contains("token_file = "), "{open}");
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), "short").expect("written");
    let short = refused(&format!("admin.token_file = \"{}\"", file.path().display()));
    assert!(short.stderr.contains("is too short") && short.stderr.contains("openssl rand -hex 32"), "{short}");
    fs::write(file.path(), "").expect("written");
    let empty = refused(&format!("admin.token_file = \"{}\"", file.path().display()));
    assert!(empty.stderr.contains("the file that `admin.token_file` names is empty"), "{empty}");
}
