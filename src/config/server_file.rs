//! The server file, section by section.

pub(super) mod password;
mod tls;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::diagnostic::{Diagnostic, Diagnostics, Place, Source};
use super::environment::Environment;
use super::raw::{Document, KEYS, Report, Section};
use super::valid::{
    Admin, Audit, Config, Ledger, Log, LogFormat, Pulls, ReleaseLog, Reload, Server, Service, Upstream, WhenLedgerIsDown,
};
use super::{policy_file, webhooks, words};
use crate::ledger::Engine;
use crate::ledger::postgres::Settings;
use crate::oci::TagCase;
use crate::policy::Policy;

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 5000);
const ADMIN_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);

/// A timeout of nothing would fail every request.
const SHORTEST: Duration = Duration::from_millis(1);

/// Reads a file that the server file names.
pub(super) type ReadFile<'a> = &'a dyn Fn(&Path, Role<'_>, Place, &Report) -> Option<Source>;

/// What a file is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role<'a> {
    Configuration,
    /// The secret of this key. The file's name is not shown: it may be the secret itself,
    /// written in its place.
    Secret(&'a str),
}

/// Reads the whole configuration; `None` where something needed is missing. The
/// report tells of every mistake, also where a value comes back.
pub(super) fn read(
    source: &Arc<Source>,
    path: &Path,
    variables: &[(String, String)],
    files: ReadFile<'_>,
    report: &Report,
) -> Option<Config> {
    let environment = Environment::new(variables, report);
    let document = Document::parse(source, report);
    let top = Section::top(&document, Some(&environment), report);
    let names: Vec<&str> = KEYS
        .iter()
        .flat_map(|(section, keys)| if section.is_empty() { keys.to_vec() } else { vec![*section] })
        .chain(["webhook"])
        .collect();
    top.refuse_unknown(&names);
    let section = |name| top.section(name, KEYS.iter().find(|(section, _)| *section == name).map_or(&[], |(_, keys)| *keys));

    let directory = path.parent().unwrap_or(Path::new(""));
    let listen = top.read("listen", words::listen).unwrap_or(LISTEN);
    let server = server(&section("server"), directory, report);
    let upstream = upstream(&section("upstream"), directory, files, report);
    let ledger = ledger(&section("ledger"), directory, files, report);
    let admin = admin(&section("admin"), listen, directory, files, report);
    let default_origin = upstream.as_ref().map_or_else(String::new, |upstream| format!("pushonce/{}", upstream.name));
    let release_log = release_log(&section("release_log"), directory, default_origin);
    let webhooks = webhooks::webhooks(&top, directory, files, report);
    let audit = audit(&section("audit"));
    let pulls = pulls(&section("pulls"));
    let log = log(&section("log"));
    let reload = Reload { interval: section("reload").duration("interval", Duration::ZERO).unwrap_or(Duration::from_secs(1)) };
    let tag_case = upstream.as_ref().map_or(TagCase::Keep, |upstream| upstream.tag_case);
    let (policy_file, policy) = policy(&section("policy"), directory, path, tag_case, files, report);
    Some(Config {
        listen,
        server,
        upstream: upstream?,
        ledger,
        admin,
        release_log,
        webhooks,
        audit,
        pulls,
        log,
        reload,
        policy: policy?,
        policy_file,
        warnings: Diagnostics::default(),
    })
}

fn server(section: &Section<'_>, directory: &Path, report: &Report) -> Server {
    Server {
        header_timeout: section.duration("header_timeout", SHORTEST).unwrap_or(Duration::from_secs(30)),
        body_idle_timeout: section.duration("body_idle_timeout", SHORTEST).unwrap_or(Duration::from_secs(60)),
        manifest_limit: section.read("manifest_limit", words::size).unwrap_or(4 << 20),
        drain_timeout: section.duration("drain_timeout", Duration::ZERO).unwrap_or(Duration::from_secs(30)),
        trust_forwarded: section.boolean("trust_forwarded").unwrap_or(false),
        tls: tls::listener(section, directory, report),
        header_limit: section.read("header_limit", words::size).unwrap_or(64 << 10),
        max_connections: section.integer("max_connections", 1..=1_000_000).unwrap_or(20_000),
        max_streams: section.integer("max_streams", 1..=10_000).and_then(|number| number.try_into().ok()).unwrap_or(100),
        max_resets: section.integer("max_resets", 0..=10_000).unwrap_or(20),
        max_uploads: section.integer("max_uploads", 1..=1_000_000).unwrap_or(1_000),
        passthrough: section.list("passthrough", words::passthrough).map(|(paths, _)| paths).unwrap_or_default(),
    }
}

fn upstream(section: &Section<'_>, directory: &Path, files: ReadFile<'_>, report: &Report) -> Option<Upstream> {
    let address = section.read("url", words::registry);
    if address.is_none() {
        section.missing("url", r#"url = "http://127.0.0.1:5001""#);
    }
    let upstream = |address: words::Address| Upstream {
        authority: address.authority,
        prefix: address.prefix,
        name: section.read("name", words::name).unwrap_or_else(|| "default".to_owned()),
        ca_file: section.read("ca_file", words::path).map(|file| directory.join(file)),
        identity: tls::identity(section, directory, &address.scheme, report),
        scheme: address.scheme,
        service: service(section, directory, files, report),
        preserve_host: section.boolean("preserve_host").unwrap_or(true),
        tag_case: section.word("tag_case", &TagCase::ALL.map(|case| (case.as_str(), case))).unwrap_or(TagCase::Keep),
        connect_timeout: section.duration("connect_timeout", SHORTEST).unwrap_or(Duration::from_secs(5)),
        response_timeout: section.duration("response_timeout", SHORTEST).unwrap_or(Duration::from_secs(60)),
        manifest_timeout: section.duration("manifest_timeout", SHORTEST).unwrap_or(Duration::from_secs(30)),
        idle_connections: section.integer("idle_connections", 0..=65_535).unwrap_or(64),
        idle_timeout: section.duration("idle_timeout", Duration::ZERO).unwrap_or(Duration::from_secs(90)),
    };
    // The other keys are read in any case, so that their mistakes are told too.
    let is_usable = address.is_some();
    let stand_in = || words::registry("http://127.0.0.1").ok();
    address.or_else(stand_in).map(upstream).filter(|_| is_usable)
}

/// A user with a password, which may stand in a file of its own.
fn service(section: &Section<'_>, directory: &Path, files: ReadFile<'_>, report: &Report) -> Option<Service> {
    let username = section.read("username", words::username);
    let written = section.read("password", words::secret);
    let is_written = section.is_given("password").then_some("upstream.password");
    let in_file = password::in_file((section, "password_file"), directory, is_written, files, report);
    if is_written.is_some() && section.is_given("password_file") {
        return None;
    }
    match (username, written.or(in_file)) {
        (Some(username), Some(password)) => return Some(Service { username, password }),
        (Some(_), None) if !section.is_given("password_file") => section.missing("password", "password_file = \"password\""),
        (None, Some(_)) => section.missing("username", "username = \"pushonce\""),
        _ => {}
    }
    None
}

fn ledger(section: &Section<'_>, directory: &Path, files: ReadFile<'_>, report: &Report) -> Ledger {
    let default = || words::LedgerUrl::Sqlite(PathBuf::from("pushonce.db"));
    let url = section.read("url", |text| words::ledger(text, directory)).unwrap_or_else(default);
    let pool_size = section.integer("pool_size", 1..=1_000).unwrap_or(16);
    let timeout = section.duration("timeout", SHORTEST).unwrap_or(Duration::from_secs(5));
    let witness = section.read("witness", words::path).map(|file| directory.join(file));
    let reconcile_interval = section.duration("reconcile_interval", Duration::ZERO).unwrap_or(Duration::from_secs(60));
    let is_written = matches!(&url, words::LedgerUrl::Postgres(address) if address.has_password()).then_some("ledger.url");
    let password = password::in_file((section, "password_file"), directory, is_written, files, report);
    let engine = match url {
        words::LedgerUrl::Sqlite(file) => Engine::Sqlite(directory.join(file)),
        words::LedgerUrl::Postgres(address) => Engine::Postgres(Box::new(Settings { address, password, pool_size, timeout })),
    };
    let witness = match engine {
        // Beside the file, which the ledger finds.
        Engine::Sqlite(_) => witness,
        Engine::Postgres(_) => Some(witness.unwrap_or_else(|| directory.join("pushonce.head"))),
    };
    Ledger { engine, witness, reconcile_interval }
}

/// The shortest token that nobody guesses, in characters.
const SHORTEST_TOKEN: usize = 32;

fn admin(section: &Section<'_>, data_listen: SocketAddr, directory: &Path, files: ReadFile<'_>, report: &Report) -> Admin {
    let listen = section.read("listen", words::listen).unwrap_or(ADMIN_LISTEN);
    if listen == data_listen && listen.port() != 0 {
        let place = section.place_of("listen").unwrap_or_else(|| section.header_place());
        let diagnostic = Diagnostic::new(place, format!("`admin.listen` is the address of the data listener, {listen}"));
        report.push(diagnostic.label("taken").hint("give each listener its own port"));
    }
    let token = token(section, "token_file", directory, files, report);
    if token.is_none() && !listen.ip().is_loopback() && !section.is_given("token_file") {
        let place = section.place_of("listen").unwrap_or_else(|| section.header_place());
        let message = format!("`admin.listen` is {listen}, which others can reach, and nobody has to say who they are");
        let hint = "write `token_file = \"admin-token\"` under `[admin]`, with a token in it, or listen on 127.0.0.1";
        report.push(Diagnostic::new(place, message).label("open to all").hint(hint));
    }
    let exceptions_token = self::token(section, "exceptions_token_file", directory, files, report);
    let texts = [&token, &exceptions_token].map(|token| token.as_ref().map(ExposeSecret::expose_secret));
    if texts[0].is_some() && texts[0] == texts[1] {
        let place = section.place_of("exceptions_token_file").unwrap_or_else(|| section.header_place());
        let diagnostic = Diagnostic::new(place, "whoever may look could grant exceptions as well: both tokens are the same");
        report.push(diagnostic.label("the token of `admin.token_file`").hint("make another one with `openssl rand -hex 32`"));
    }
    Admin { listen, token, exceptions_token }
}

/// The token in a file, without the space around it.
fn token(section: &Section<'_>, key: &str, directory: &Path, files: ReadFile<'_>, report: &Report) -> Option<SecretString> {
    let token = password::in_file((section, key), directory, None, files, report)?;
    let token = SecretString::from(token.expose_secret().trim());
    if token.expose_secret().len() < SHORTEST_TOKEN {
        let place = section.place_of(key).unwrap_or_else(|| section.header_place());
        let diagnostic = Diagnostic::new(place, format!("the token that `admin.{key}` names is too short"));
        report.push(diagnostic.label("at least 32 characters").hint("make one with `openssl rand -hex 32`"));
    }
    Some(token)
}

fn release_log(section: &Section<'_>, directory: &Path, default_origin: String) -> ReleaseLog {
    ReleaseLog {
        origin: section.read("origin", words::origin).unwrap_or(default_origin),
        signing_key_file: section.read("signing_key_file", words::path).map(|file| directory.join(file)),
        checkpoint_file: section.read("checkpoint_file", words::path).map(|file| directory.join(file)),
    }
}

fn audit(section: &Section<'_>) -> Audit {
    Audit {
        interval: section.duration("interval", Duration::ZERO).unwrap_or(Duration::ZERO),
        repair: section.boolean("repair").unwrap_or(false),
        concurrency: section.integer("concurrency", 1..=100).unwrap_or(4),
    }
}

fn pulls(section: &Section<'_>) -> Pulls {
    let words = [("serve", WhenLedgerIsDown::Serve), ("refuse", WhenLedgerIsDown::Refuse)];
    Pulls {
        when_ledger_is_down: section.word("when_ledger_is_down", &words).unwrap_or(WhenLedgerIsDown::Serve),
        drift_check_interval: section.duration("drift_check_interval", Duration::ZERO).unwrap_or(Duration::from_secs(60)),
    }
}

fn log(section: &Section<'_>) -> Log {
    Log {
        format: section.word("format", &[("text", LogFormat::Text), ("json", LogFormat::Json)]).unwrap_or(LogFormat::Text),
        filter: section.read("filter", words::log_filter).unwrap_or_else(|| "info".to_owned()),
    }
}

/// The policy file, and what it says. A file that cannot be read is a mistake of
/// the key that names it.
fn policy(
    section: &Section<'_>,
    directory: &Path,
    path: &Path,
    tag_case: TagCase,
    files: ReadFile<'_>,
    report: &Report,
) -> (PathBuf, Option<Policy>) {
    let given = section.read("file", words::path);
    let is_mistaken = section.is_given("file") && given.is_none();
    let file = directory.join(given.unwrap_or_else(|| PathBuf::from("policy.toml")));
    if is_mistaken {
        return (file, None);
    }
    let place = section.place_of("file").unwrap_or_else(|| Place::File(path.to_owned()));
    let source = files(&file, Role::Configuration, place, report);
    (file, source.and_then(|source| policy_file::read(&Arc::new(source), tag_case, report)))
}
