//! The configuration as the program runs it: checked, complete, no options left.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::uri::{Authority, Scheme};
use secrecy::{SecretSlice, SecretString};

use super::diagnostic::Diagnostics;
use crate::ledger::Engine;
use crate::ledger::event::Outcome;
use crate::oci::TagCase;
use crate::policy::{Policy, RepositoryPattern};

/// Everything `serve` needs.
#[derive(Debug)]
pub struct Config {
    /// The data listener.
    pub listen: SocketAddr,
    pub server: Server,
    pub upstream: Upstream,
    pub ledger: Ledger,
    pub admin: Admin,
    pub release_log: ReleaseLog,
    pub webhooks: Vec<Webhook>,
    pub audit: Audit,
    pub pulls: Pulls,
    pub log: Log,
    pub reload: Reload,
    pub policy: Policy,
    /// Where the policy was read from; for log lines.
    pub policy_file: PathBuf,
    /// What may not do what was meant.
    pub warnings: Diagnostics,
}

/// `[server]`: what clients may do.
#[derive(Debug)]
pub struct Server {
    /// Time for a request's head to arrive. Default 30 s.
    pub header_timeout: Duration,
    /// Longest pause in a body, either way. Default 60 s.
    pub body_idle_timeout: Duration,
    /// Largest manifest, in bytes. Default 4 MiB.
    pub manifest_limit: usize,
    /// How long shutdown waits for running requests. Default 30 s.
    pub drain_timeout: Duration,
    /// Whether `X-Forwarded-*` of clients is believed. Default false.
    pub trust_forwarded: bool,
    /// Certificate and key of the data listener; `None` for plain HTTP.
    pub tls: Option<Tls>,
    /// Largest head of a request, in bytes. Default 64 KiB.
    pub header_limit: usize,
    /// How many client connections are open at once. Default 20,000.
    pub max_connections: usize,
    /// How many requests one HTTP/2 connection has at once. Default 100.
    pub max_streams: u32,
    /// How many requests an HTTP/2 client may reset before they were answered; more
    /// end the connection (CVE-2023-44487). Default 20.
    pub max_resets: usize,
    /// How many blob uploads run at once. Default 1,000.
    pub max_uploads: usize,
    /// Paths outside `/v2/` that pass, such as a token endpoint: exact, or a
    /// prefix where they end in `/`.
    pub passthrough: Vec<String>,
}

/// PEM files of the data listener.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The certificate, its issuers after it.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Which clients are let in; `None` asks no client for a certificate.
    pub clients: Option<Clients>,
}

/// Clients with a certificate, and nobody else.
#[derive(Clone, Debug)]
pub struct Clients {
    /// The authorities that sign their certificates.
    pub ca: PathBuf,
    /// Lists of certificates that count no more, one for each authority.
    pub crl: Option<PathBuf>,
}

impl Tls {
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let clients = self.clients.iter().flat_map(|clients| std::iter::once(&clients.ca).chain(&clients.crl));
        [&self.certificate, &self.key].into_iter().chain(clients).map(PathBuf::as_path)
    }
}

/// `[upstream]`: the registry.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// `http` or `https`.
    pub scheme: Scheme,
    pub authority: Authority,
    /// Path prefix without trailing slash, such as `/registry`; empty for none.
    pub prefix: String,
    /// The registry's name in the ledger. Default `default`.
    pub name: String,
    /// PEM file with the authorities that sign the registry's certificate;
    /// `None` trusts those of the system.
    pub ca_file: Option<PathBuf>,
    /// What the registry is shown where it asks for a certificate; `None` shows none.
    pub identity: Option<Identity>,
    /// How the gate signs in by itself; `None` uses clients' credentials only.
    pub service: Option<Service>,
    /// Whether the client's `Host` is passed on. Default true.
    pub preserve_host: bool,
    /// What the registry does with the case of tags. Default keep.
    pub tag_case: TagCase,
    /// Time to open a connection, TLS included. Default 5 s.
    pub connect_timeout: Duration,
    /// Time for an answer to begin once the request is sent. Default 60 s.
    pub response_timeout: Duration,
    /// Time for one manifest request, whole. Default 30 s.
    pub manifest_timeout: Duration,
    /// How many idle connections are kept. Default 64.
    pub idle_connections: usize,
    /// How long an idle connection is kept. Default 90 s.
    pub idle_timeout: Duration,
}

/// PEM files of a client certificate.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate, its issuers after it.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// A user of the registry that the gate may act as.
#[derive(Clone, Debug)]
pub struct Service {
    pub username: String,
    pub password: SecretString,
}

/// `[ledger]`.
#[derive(Debug)]
pub struct Ledger {
    /// Where it is; the settings of a database are with it.
    pub engine: Engine,
    /// The file that remembers the newest head of the ledger. `None` is beside an embedded
    /// one; for a database it is `pushonce.head` beside the configuration.
    pub witness: Option<PathBuf>,
    /// How often claims that were left open are looked for and finished. Default 1
    /// minute; zero never does.
    pub reconcile_interval: Duration,
}

/// `[admin]`: the second listener.
#[derive(Debug)]
pub struct Admin {
    pub listen: SocketAddr,
    /// Whoever looks must know it; `None` on loopback only.
    pub token: Option<SecretString>,
    /// Whoever grants exceptions must know it; `None` grants none over HTTP.
    pub exceptions_token: Option<SecretString>,
}

/// `[release_log]`.
#[derive(Debug)]
pub struct ReleaseLog {
    /// The name of the log in its checkpoints. Default `pushonce/` and `upstream.name`.
    pub origin: String,
    /// The private key that signs checkpoints; `None` leaves them unsigned.
    pub signing_key_file: Option<PathBuf>,
    /// Where `serve` keeps the newest checkpoint; `None` does not.
    pub checkpoint_file: Option<PathBuf>,
}

/// `[audit]`: the comparison with the registry in the background.
#[derive(Clone, Copy, Debug)]
pub struct Audit {
    /// How often. Default zero: never.
    pub interval: Duration,
    /// Whether pointers of immutable tags are put right. Default false.
    pub repair: bool,
    /// How many tags are looked at at once. Default 4.
    pub concurrency: usize,
}

/// One `[[webhook]]`: who is told of events.
#[derive(Debug)]
pub struct Webhook {
    /// How far it has come is kept in the ledger under this name.
    pub name: String,
    pub url: String,
    /// What deliveries are signed with.
    pub secret: SecretSlice<u8>,
    /// Which events are delivered.
    pub outcomes: Vec<Outcome>,
    /// Of which repositories; empty for all, and for events without one.
    pub repositories: Vec<RepositoryPattern>,
    /// PEM file with the authorities that sign the receiver's certificate; `None` trusts
    /// those of the system.
    pub ca_file: Option<PathBuf>,
    /// How long one delivery may take. Default 10 s.
    pub timeout: Duration,
}

/// `[pulls]`.
#[derive(Debug)]
pub struct Pulls {
    /// What a pull by an immutable tag gets when the ledger gives no answer and
    /// memory does not know the tag. Default serve.
    pub when_ledger_is_down: WhenLedgerIsDown,
    /// How often a pinned tag is compared with the registry's own pointer while
    /// it is being pulled. Default 1 minute; zero never does.
    pub drift_check_interval: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhenLedgerIsDown {
    /// Serve what the registry's pointer says.
    Serve,
    /// Answer 503.
    Refuse,
}

/// `[reload]`: what is read again while the process runs.
#[derive(Clone, Copy, Debug)]
pub struct Reload {
    /// How often the files are looked at. Default 1 s; zero never does.
    pub interval: Duration,
}

/// `[log]`.
#[derive(Debug)]
pub struct Log {
    pub format: LogFormat,
    /// A tracing filter such as `info` or `pushonce=debug`.
    pub filter: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    Text,
    Json,
}
