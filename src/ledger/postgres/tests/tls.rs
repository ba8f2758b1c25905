//! TLS to the server: verified wherever it is used.

use std::os::unix::fs::{PermissionsExt, chown};

use super::*;

/// A server with a certificate for `localhost`, and the file of who signed it.
fn server_with_tls() -> (Server, std::path::PathBuf) {
    let server = Server::start(&[]);
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let owner = std::fs::metadata(server.file("PG_VERSION")).expect("a file");
    for (name, text) in [("server.crt", pair.cert.pem()), ("server.key", pair.signing_key.serialize_pem())] {
        use std::os::unix::fs::MetadataExt;
        std::fs::write(server.file(name), text).expect("written");
        std::fs::set_permissions(server.file(name), std::fs::Permissions::from_mode(0o600)).expect("permissions");
        chown(server.file(name), Some(owner.uid()), Some(owner.gid())).expect("the server's");
    }
    server.set("ssl", "on");
    let authorities = server.file("server.crt");
    (server, authorities)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_verified_wherever_there_is_one() {
    let (server, authorities) = server_with_tls();
    let database = server.database();
    let url = |host: &str, options: &str| format!("postgres://postgres@{host}:{}/{database}?{options}", server.port());
    let trusted = format!("&sslrootcert={}", authorities.display());
    eventually("TLS is on", || server.sql("postgres", "SHOW ssl") == "on").await;

    for mode in ["prefer", "require", "verify-full"] {
        let ledger = open(&url("localhost", &format!("sslmode={mode}{trusted}"))).await;
        sealed(&ledger, &format!("web:{mode}"), "a", 1).await;
        let used = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'pushonce'";
        assert_eq!(server.sql(&database, used), "t", "{mode}");
        drop(ledger);
        for wrong in [url("localhost", &format!("sslmode={mode}")), url("127.0.0.1", &format!("sslmode={mode}{trusted}"))] {
            let error = PostgresLedger::open(&settings(&wrong), "default").await.expect_err("refused").to_string();
            assert!(error.contains("invalid peer certificate"), "{wrong}: {error}");
        }
    }
    drop(open(&url("localhost", "sslmode=disable")).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_tls_is_required_nothing_goes_without() {
    let url = Server::shared().url("postgres").replace("sslmode=disable", "sslmode=require");
    let error = PostgresLedger::open(&settings(&url), "default").await.expect_err("refused").to_string();
    assert!(error.contains("server does not support TLS"), "{error}");
}
