//! The small languages inside strings: durations, sizes, addresses, names.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Uri;
use http::uri::{Authority, Scheme};
use secrecy::SecretString;
use tracing_subscriber::EnvFilter;

use crate::ledger::postgres::{self, AddressError};

/// What is wrong with a string; `message` follows the name of the key.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) message: String,
    pub(super) label: String,
    pub(super) hint: Option<String>,
    /// The bytes of the string that are wrong, where only some are.
    pub(super) span: Option<Range<usize>>,
}

impl Mistake {
    pub(super) fn new(message: impl Into<String>, label: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), label: label.into(), hint: Some(hint.into()), span: None }
    }
}

/// Where the registry is.
pub(super) struct Address {
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    pub(super) prefix: String,
}

/// The nearest of `known`, as a hint, if one is near.
pub(super) fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let near = |word: &&str| strsim::damerau_levenshtein(&given.to_ascii_lowercase(), &word.to_ascii_lowercase());
    let nearest = known.into_iter().min_by_key(near)?;
    (near(&nearest) <= 1 + nearest.len() / 4).then(|| format!("did you mean `{nearest}`?"))
}

pub(super) fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, Mistake> {
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let quoted: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        let known = quoted.join(", ");
        let hint = did_you_mean(text, words.iter().map(|(word, _)| *word)).unwrap_or_else(|| "choose one of them".to_owned());
        Mistake::new(format!("is none of {known}"), "unknown word", hint)
    })
}

/// The longest duration: no timeout is meant to last longer, and far greater ones
/// overflow the clock.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// `500ms`, `30s`, `1m30s`, `2h`.
pub(super) fn duration(text: &str, shortest: Duration) -> Result<Duration, Mistake> {
    let wrong = |label: &str| {
        Mistake::new("is no duration", label, "write numbers with the unit `ms`, `s`, `m` or `h`, such as `30s` or `1m30s`")
    };
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        let number: u64 = rest[..digits].parse().map_err(|_| wrong("no number"))?;
        let milliseconds = match &rest[digits..digits + letters] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "" => return Err(wrong("no unit")),
            _ => return Err(wrong("unknown unit")),
        };
        total = total.saturating_add(Duration::from_millis(number.saturating_mul(milliseconds)));
        rest = &rest[digits + letters..];
    }
    match total {
        _ if text.is_empty() => Err(wrong("empty")),
        _ if total > LONGEST => Err(Mistake::new("is too long a time", "more than 24 hours", "write at most `24h`")),
        _ if total < shortest => {
            Err(Mistake::new("is too short a time", "too short", format!("write at least `{}ms`", shortest.as_millis())))
        }
        _ => Ok(total),
    }
}

/// `512KiB`, `4MiB`, `1GiB`, `4194304B`, from 1 KiB to 1 GiB.
pub(super) fn size(text: &str) -> Result<usize, Mistake> {
    let hint = "write a number with the unit `B`, `KiB`, `MiB` or `GiB`, such as `4MiB`";
    let (number, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    let number: usize = number.parse().map_err(|_| Mistake::new("is no size", "no number", hint))?;
    let shift = match unit.trim_start() {
        "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "" => return Err(Mistake::new("is no size", "no unit", hint)),
        "kB" | "KB" | "MB" | "GB" | "k" | "K" | "M" | "G" => return Err(Mistake::new("is no size", "sizes count in 1024", hint)),
        _ => return Err(Mistake::new("is no size", "unknown unit", hint)),
    };
    let size = number.checked_mul(1 << shift).filter(|size| (1 << 10..=1 << 30).contains(size));
    size.ok_or_else(|| Mistake::new("is out of range", "less than 1 KiB, or more than 1 GiB", "registries take manifests of 4 MiB"))
}

/// A user of a registry; Basic has no `:` in it (RFC 7617, section 2).
pub(super) fn username(text: &str) -> Result<String, Mistake> {
    let fits = !text.is_empty() && !text.contains(|letter: char| letter == ':' || letter.is_control());
    let mistake =
        || Mistake::new("is no user name", "empty, or with `:`", "write the name alone, and the password under its own key");
    fits.then(|| text.to_owned()).ok_or_else(mistake)
}

pub(super) fn secret(text: &str) -> Result<SecretString, Mistake> {
    let mistake = || Mistake::new("is empty", "empty", "write the password, or leave the key out");
    if text.is_empty() { Err(mistake()) } else { Ok(SecretString::from(text)) }
}

/// An IP address and a port.
pub(super) fn listen(text: &str) -> Result<SocketAddr, Mistake> {
    text.parse().map_err(|_| {
        let hint = match text.rsplit_once(':') {
            Some(("" | "*", port)) if port.parse::<u16>().is_ok() => {
                format!("write `0.0.0.0:{port}`, or `[::]:{port}` for IPv6 as well")
            }
            Some(("localhost", port)) if port.parse::<u16>().is_ok() => format!("write `127.0.0.1:{port}`, or `[::1]:{port}`"),
            Some((host, port)) if host.contains(':') && port.parse::<u16>().is_ok() => {
                format!("write IPv6 addresses as `[{host}]:{port}`")
            }
            _ => "write an IP address and a port, such as `0.0.0.0:5000` or `[::]:5000`".to_owned(),
        };
        Mistake::new("is no address to listen on", "not `IP:PORT`", hint)
    })
}

/// The address of the registry: scheme, host, port, and a path above `/v2/`.
pub(super) fn registry(text: &str) -> Result<Address, Mistake> {
    let wrong = |label: &str, hint: &str| Mistake::new("is no address of a registry", label, hint);
    let example = "write the address such as `https://registry.example.com`";
    if !text.contains("://") {
        return Err(wrong(
            "neither `http://` nor `https://` in front",
            &format!("write `https://{text}`, or `http://{text}` if it has no TLS"),
        ));
    }
    let parts = text.parse::<Uri>().map_err(|_| wrong("not a URL", example))?.into_parts();
    let scheme = parts.scheme.filter(|scheme| [Scheme::HTTP, Scheme::HTTPS].contains(scheme));
    let scheme = scheme.ok_or_else(|| wrong("neither `http` nor `https`", example))?;
    let authority = parts.authority.ok_or_else(|| wrong("no host", example))?;
    let path = parts.path_and_query.as_ref().map_or("", |path| path.as_str()).trim_end_matches('/');
    let port = authority.as_str().rsplit_once(']').map_or(authority.as_str(), |(_, port)| port).split_once(':');
    match (authority.as_str(), authority.host(), port) {
        (whole, _, _) if whole.contains('@') => Err(wrong("credentials in a URL end up in logs", "remove the part before `@`")),
        (_, "", _) => Err(wrong("no host", example)),
        (_, _, Some((_, port))) if port.parse::<u16>().is_err() => Err(wrong("the port is no number from 0 to 65535", example)),
        _ if text.contains(['?', '#']) => Err(wrong("a query or a fragment", "remove everything from `?` or `#` on")),
        _ if path == "/v2" || path.ends_with("/v2") => Err(wrong("ends in `/v2`", "leave out `/v2`: every request has it already")),
        _ if !path.is_empty() && !is_plain_path(path) => {
            Err(wrong("an unusual path", "write only letters, digits, `.`, `_`, `~`, `-` between single `/`"))
        }
        _ => Ok(Address { scheme, authority, prefix: path.to_owned() }),
    }
}

/// Absolute, with nothing that a registry could read in two ways.
fn is_plain_path(path: &str) -> bool {
    let is_plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte));
    let mut parts = path.strip_prefix('/').unwrap_or("//").split('/');
    parts.all(|part| !["", ".", ".."].contains(&part) && is_plain(part))
}

/// A path outside `/v2/`: exact, or a prefix that ends in `/`.
pub(super) fn passthrough(text: &str) -> Result<String, Mistake> {
    let wrong = |label: &str, hint: &str| Mistake::new("names a path that cannot pass", label, hint);
    let path = text.strip_suffix('/').unwrap_or(text);
    match path {
        "" => Err(wrong("would let everything pass", "name a path such as `/token`")),
        _ if path == "/v2" || path.starts_with("/v2/") => Err(wrong("below `/v2/`", "requests below `/v2/` are judged one by one")),
        _ if !is_plain_path(path) => {
            Err(wrong("no plain path", "write a path such as `/token` or `/auth/`, without `%`, `//` or `..`"))
        }
        _ => Ok(text.to_owned()),
    }
}

/// Where a ledger is.
pub(super) enum LedgerUrl {
    Sqlite(PathBuf),
    Postgres(postgres::Address),
}

/// `sqlite:FILE`, or the URL of a database; `directory` is what the file of
/// certificates in the latter is relative to.
pub(super) fn ledger(text: &str, directory: &Path) -> Result<LedgerUrl, Mistake> {
    let wrong = |label: &str, hint: &str| Mistake::new("is no ledger", label, hint);
    if postgres::Address::is_meant_by(text) {
        return postgres::Address::parse(text, directory).map(LedgerUrl::Postgres).map_err(database);
    }
    match text.strip_prefix("sqlite:") {
        None => Err(wrong(
            "begins with neither `sqlite:` nor `postgres://`",
            "write `sqlite:FILE`, such as `sqlite:/var/lib/pushonce/pushonce.db`, or `postgres://USER@HOST/DATABASE`",
        )),
        Some("") => Err(wrong("no file", "write `sqlite:FILE`, such as `sqlite:pushonce.db`")),
        Some(file) if file.starts_with("//") => {
            Err(wrong("begins with `//`", "write the path alone, such as `sqlite:/var/lib/pushonce/pushonce.db`"))
        }
        Some(":memory:") => Err(wrong("forgets every tag when it stops", "write a file that outlives the process")),
        Some(file) if file.contains(['?', '\0']) => Err(wrong("options are not taken", "write the path alone")),
        Some(file) => Ok(LedgerUrl::Sqlite(PathBuf::from(file))),
    }
}

fn database(error: AddressError) -> Mistake {
    let hint = match &error {
        AddressError::UnknownOption(_) => format!("the options are {}", postgres::Address::options()),
        AddressError::SslMode => "`require` verifies the certificate as `verify-full` does; `prefer` is the default".to_owned(),
        AddressError::ReadOnly => "leave the option out".to_owned(),
        AddressError::Twice(_) => "keep one of the two".to_owned(),
        _ => "write `postgres://USER@HOST/DATABASE`, with `%40` for `@` and `%3A` for `:` inside a part".to_owned(),
    };
    Mistake::new("is no address of a database", error.to_string(), hint)
}

pub(super) fn path(text: &str) -> Result<PathBuf, Mistake> {
    if text.is_empty() {
        return Err(Mistake::new("is no path", "empty", "write the path of a file"));
    }
    // As where somebody wrote what should be in the file.
    if text.contains(char::is_control) {
        return Err(Mistake::new("is no path", "has several lines, or other control characters", "write the path of a file"));
    }
    Ok(PathBuf::from(text))
}

/// The name of a registry or a rule: 1 to 64 letters, digits, `.`, `_`, `-`.
pub(super) fn name(text: &str) -> Result<String, Mistake> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if text.is_empty() {
        return Err(Mistake::new("is empty", "no name", "write a name of letters, digits, `.`, `_`, `-`"));
    }
    if text.len() > 64 || !text.bytes().all(is_legal) {
        return Err(Mistake::new("is no name", "not a plain name", "write 1 to 64 letters, digits, `.`, `_`, `-`"));
    }
    Ok(text.to_owned())
}

/// The name of a log: a word that may stand in the line of a signature, and in a URL.
pub(super) fn origin(text: &str) -> Result<String, Mistake> {
    let is_legal = |letter: char| letter.is_ascii_alphanumeric() || "-._~:/@".contains(letter);
    if text.is_empty() || text.len() > 200 || !text.chars().all(is_legal) {
        let hint = "write 1 to 200 letters, digits or `-._~:/@`, such as `registry.example.com/log`";
        return Err(Mistake::new("is no name of a log", "not a plain name", hint));
    }
    Ok(text.to_owned())
}

/// A link for refusals, which are one line and stand in headers.
pub(super) fn help_url(text: &str) -> Result<String, Mistake> {
    let hint = "write a link of at most 200 characters, such as `https://wiki.example.com/tags`";
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\<>^`{|}".contains(&byte));
    let is_link = text.starts_with("https://") || text.starts_with("http://");
    match text.parse::<Uri>() {
        _ if text.len() > 200 => Err(Mistake::new("is too long", "more than 200 bytes", hint)),
        _ if !is_link => Err(Mistake::new("is no link", "neither `https://` nor `http://` in front", hint)),
        Ok(uri) if is_plain && uri.host().is_some_and(|host| !host.is_empty()) => Ok(text.to_owned()),
        _ => Err(Mistake::new("is no link", "not a URL", hint)),
    }
}

pub(super) fn log_filter(text: &str) -> Result<String, Mistake> {
    match EnvFilter::try_new(text) {
        Ok(_) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(Mistake::new("is no log filter", "not understood", "write a level such as `info`, or `pushonce=debug,info`")),
    }
}
