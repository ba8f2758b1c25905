//! The server file, as editors are told of it.
#![expect(dead_code, reason = "the schema is made from the types; nobody makes a value")]

use schemars::JsonSchema;

/// The server. Only `upstream.url` is required; relative paths are relative to the file.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, title = "Server configuration of pushonce")]
pub struct ServerFile {
    /// Where clients push and pull. Default 0.0.0.0:5000.
    listen: Option<String>,
    server: Option<Server>,
    upstream: Upstream,
    ledger: Option<Ledger>,
    admin: Option<Admin>,
    release_log: Option<ReleaseLog>,
    policy: Option<Policy>,
    audit: Option<Audit>,
    pulls: Option<Pulls>,
    log: Option<Log>,
    reload: Option<Reload>,
    #[serde(default)]
    webhook: Vec<Webhook>,
}

/// A number with a unit, such as 500ms, 30s, 1m30s or 2h.
#[derive(JsonSchema)]
struct Duration(#[schemars(regex(pattern = "^([0-9]+(ms|s|m|h))+$"))] String);

/// A number with a unit, such as 64KiB.
#[derive(JsonSchema)]
struct Size(#[schemars(regex(pattern = "^[0-9]+(B|KiB|MiB|GiB)$"))] String);

/// An address that begins with http:// or https://.
#[derive(JsonSchema)]
struct Url(
    #[schemars(regex(pattern = "^https?://"))]
    String,
);

/// Letters, digits and `.`, `_`, `-`.
#[derive(JsonSchema)]
struct Name(#[schemars(regex(pattern = "^[A-Za-z0-9._-]{1,64}$"))] String);

/// What the registry does with the case of tags.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
enum TagCase {
    /// V1.4.0 and v1.4.0 are two tags.
    Keep,
    /// They are one, as in Gitea.
    Fold,
}

/// What a pull gets that the ledger cannot be asked about.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
enum WhenLedgerIsDown {
    /// What memory or else the registry shows.
    Serve,
    /// 503.
    Refuse,
}

/// How log lines are written.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
enum LogFormat {
    Text,
    Json,
}

/// What clients may do.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Server {
    /// For the head of a request to arrive. Default 30s.
    header_timeout: Option<Duration>,
    /// Longest pause in a body, either way. Default 60s.
    body_idle_timeout: Option<Duration>,
    /// How long shutdown waits for running requests. Default 30s.
    drain_timeout: Option<Duration>,
    /// Largest head of a request. Default 64KiB.
    header_limit: Option<Size>,
    /// Largest manifest that is taken. Default 4MiB.
    manifest_limit: Option<Size>,
    /// Client connections at once; more wait. Default 20000.
    max_connections: Option<u32>,
    /// Requests at once on one HTTP/2 connection. Default 100.
    max_streams: Option<u32>,
    /// Requests that an HTTP/2 client may reset before they are accepted. Default 20.
    max_resets: Option<u32>,
    /// Blob uploads at once; 429 above. Default 1000.
    max_uploads: Option<u32>,
    /// PEM file with the certificate that clients see; without, plain HTTP.
    tls_certificate: Option<String>,
    /// PEM file with its private key.
    tls_key: Option<String>,
    /// PEM file with authorities: only clients with a certificate of one are let in.
    tls_client_ca: Option<String>,
    /// PEM file with lists of revoked certificates of clients.
    tls_client_crl: Option<String>,
    /// Believe X-Forwarded-* of clients: only behind your own proxy.
    trust_forwarded: Option<bool>,
    /// Paths outside /v2/ that pass: "/token", or "/auth/" with all below.
    passthrough: Option<Vec<String>>,
}

/// The registry.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Upstream {
    /// The registry, http or https, with a path prefix if it has one, without /v2.
    url: Url,
    /// The registry's name in the ledger: do not change it later. Default default.
    name: Option<String>,
    /// PEM file with the authorities for its certificate; without, the system's.
    ca_file: Option<String>,
    /// PEM file with the certificate that it is shown where it asks for one.
    client_certificate: Option<String>,
    /// PEM file with the private key of that certificate.
    client_key: Option<String>,
    /// A user of pushonce's own.
    username: Option<String>,
    /// Its password; better in a file.
    password: Option<String>,
    /// The file with its password.
    password_file: Option<String>,
    /// Pass on the client's Host header. Default true.
    preserve_host: Option<bool>,
    /// What the registry does with the case of tags. Default keep.
    tag_case: Option<TagCase>,
    /// To open a connection, TLS included. Default 5s.
    connect_timeout: Option<Duration>,
    /// For an answer to begin. Default 60s.
    response_timeout: Option<Duration>,
    /// For one manifest request as a whole. Default 30s.
    manifest_timeout: Option<Duration>,
    /// Connections kept open. Default 64.
    idle_connections: Option<u32>,
    /// How long they are kept. Default 90s.
    idle_timeout: Option<Duration>,
}

/// What the tags mean.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Ledger {
    /// sqlite:FILE, or postgres://USER@HOST/DATABASE for several replicas. Default sqlite:pushonce.db.
    url: Option<String>,
    /// The file with the password of the database's user.
    password_file: Option<String>,
    /// Connections to the database, at most. Default 16.
    pool_size: Option<u32>,
    /// For the database to answer. Default 5s.
    timeout: Option<Duration>,
    /// A small file that remembers the newest state of the ledger; best on another disk.
    witness: Option<String>,
    /// How often claims left open are looked for. Default 1m; 0s: never.
    reconcile_interval: Option<Duration>,
}

/// The second listener, for operators.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Admin {
    /// Health, metrics and the release log. Default 127.0.0.1:9090.
    listen: Option<String>,
    /// The file with the token that whoever looks must give.
    token_file: Option<String>,
    /// The file with the token that whoever grants exceptions must give.
    exceptions_token_file: Option<String>,
}

/// Checkpoints of the release log.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ReleaseLog {
    /// The name of the log in its checkpoints.
    origin: Option<String>,
    /// The key that signs them.
    signing_key_file: Option<String>,
    /// Where the newest checkpoint is kept.
    checkpoint_file: Option<String>,
}

/// The rules.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Policy {
    /// The rules. Default policy.toml.
    file: Option<String>,
}

/// The comparison with the registry in the background.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Audit {
    /// How often the registry is compared with the ledger. Default 0s: never.
    interval: Option<Duration>,
    /// Point immutable tags back that were moved behind pushonce.
    repair: Option<bool>,
    /// Tags that are looked at at once. Default 4.
    concurrency: Option<u32>,
}

/// Pulls of immutable tags.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Pulls {
    /// What a pull gets that the ledger cannot be asked about. Default serve.
    when_ledger_is_down: Option<WhenLedgerIsDown>,
    /// How often a tag that is pulled is compared with the registry. Default 1m; 0s: never.
    drift_check_interval: Option<Duration>,
}

/// Log lines.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Log {
    /// How log lines are written. Default text.
    format: Option<LogFormat>,
    /// Which log lines: info, or pushonce=debug,info.
    filter: Option<String>,
}

/// What is read again while the process runs.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Reload {
    /// How often the policy and the certificates are looked at for changes. Default 1s; 0s: on SIGHUP only.
    interval: Option<Duration>,
}

/// Who is told of events of the release log.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Webhook {
    /// How far it has come is kept under this name.
    name: Name,
    /// Where events are delivered.
    url: Url,
    /// The file with the secret that deliveries are signed with.
    secret_file: String,
    /// Which events; without, all that change what a tag means, and trouble.
    outcomes: Option<Vec<String>>,
    /// Globs: of which repositories; without, all.
    repositories: Option<Vec<String>>,
    /// PEM file with the authorities for the receiver's certificate.
    ca_file: Option<String>,
    /// For one delivery. Default 10s.
    timeout: Option<Duration>,
}
