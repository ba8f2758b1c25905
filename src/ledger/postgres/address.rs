//! Where a PostgreSQL ledger is: `postgres://user@host:port,host/database?option=…`.
//!
//! The options are those of libpq that have a meaning here; any other is refused,
//! since whoever wrote it meant it to change something.

use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::causes::with_causes;

const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Options that tokio-postgres reads.
const PASSED_ON: [&str; 7] = ["host", "port", "user", "password", "application_name", "options", "channel_binding"];

/// Options that are read here.
const OURS: [&str; 3] = ["sslmode", "sslrootcert", "target_session_attrs"];

/// What is wrong with a URL. No text has any of its password in it.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum AddressError {
    #[error("does not begin with `postgres://`")]
    Scheme,
    #[error("names no host")]
    NoHost,
    #[error("names no database")]
    NoDatabase,
    #[error("has the option `{0}`, which means nothing here")]
    UnknownOption(String),
    #[error("says `{0}` twice")]
    Twice(String),
    #[error("has another `sslmode` than `disable`, `prefer`, `require` and `verify-full`")]
    SslMode,
    #[error("has another `target_session_attrs` than `read-write`: a ledger must be written to")]
    ReadOnly,
    #[error("is not understood: {0}")]
    Other(String),
}

/// Whether the connection has TLS. The certificate is verified wherever it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tls {
    Never,
    /// Where the server offers it.
    IfOffered,
    Always,
}

/// A database, and how it is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub(super) config: Box<Config>,
    pub(super) tls: Tls,
    /// PEM file with the authorities that sign the server's certificate; `None`
    /// trusts those of the system.
    pub(super) authorities: Option<PathBuf>,
}

impl Address {
    /// Whether a URL asks for this engine.
    pub fn is_meant_by(text: &str) -> bool {
        SCHEMES.iter().any(|scheme| text.starts_with(scheme))
    }

    /// Reads a URL; `directory` is what the path of `sslrootcert` is relative to.
    pub fn parse(text: &str, directory: &Path) -> Result<Self, AddressError> {
        if !Self::is_meant_by(text) {
            return Err(AddressError::Scheme);
        }
        let (base, options) = text.split_once('?').unwrap_or((text, ""));
        let mut url = base.to_owned();
        let mut seen: Vec<&str> = Vec::new();
        let (mut tls, mut authorities, mut separator) = (Tls::IfOffered, None, '?');
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            if seen.contains(&name) {
                return Err(AddressError::Twice(name.to_owned()));
            }
            seen.push(name);
            match name {
                "sslmode" => tls = mode(value)?,
                "sslrootcert" => authorities = Some(directory.join(decoded(value)?)),
                "target_session_attrs" if value == "read-write" => {}
                "target_session_attrs" => return Err(AddressError::ReadOnly),
                _ if PASSED_ON.contains(&name) => {
                    url.push(separator);
                    url.push_str(option);
                    separator = '&';
                }
                _ => return Err(AddressError::UnknownOption(name.to_owned())),
            }
        }
        let config: Config = url.parse().map_err(|error| AddressError::Other(with_causes(&error)))?;
        if config.get_hosts().is_empty() {
            return Err(AddressError::NoHost);
        }
        if config.get_dbname().is_none_or(str::is_empty) {
            return Err(AddressError::NoDatabase);
        }
        let (hosts, ports) = (config.get_hosts().len(), config.get_ports().len());
        if ports > 1 && ports != hosts {
            return Err(AddressError::Other(format!("{hosts} hosts have {ports} ports")));
        }
        Ok(Self { config: Box::new(config), tls, authorities })
    }

    /// The options that a URL may have.
    pub fn options() -> String {
        OURS.iter().chain(&PASSED_ON).copied().collect::<Vec<_>>().join(", ")
    }

    /// Whether the URL itself has the password.
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    pub(super) fn hosts(&self) -> usize {
        self.config.get_hosts().len()
    }

    /// `host:port`, for people.
    pub(super) fn host(&self, number: usize) -> String {
        let port = self.port(number);
        match self.config.get_hosts().get(number) {
            Some(Host::Tcp(host)) if host.contains(':') => format!("[{host}]:{port}"),
            Some(Host::Tcp(host)) => format!("{host}:{port}"),
            Some(Host::Unix(path)) => format!("{}/.s.PGSQL.{port}", path.display()),
            None => String::new(),
        }
    }

    pub(super) fn port(&self, number: usize) -> u16 {
        let ports = self.config.get_ports();
        ports.get(number).or(ports.first()).copied().unwrap_or(5432)
    }
}

fn mode(value: &str) -> Result<Tls, AddressError> {
    match value {
        "disable" => Ok(Tls::Never),
        "prefer" => Ok(Tls::IfOffered),
        "require" | "verify-ca" | "verify-full" => Ok(Tls::Always),
        _ => Err(AddressError::SslMode),
    }
}

/// Takes the percent signs out.
fn decoded(value: &str) -> Result<String, AddressError> {
    let broken = || AddressError::Other("`sslrootcert` is no path".to_owned());
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next().ok_or_else(broken)?, rest.next().ok_or_else(broken)?];
        let digits = std::str::from_utf8(&digits).map_err(|_| broken())?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| broken())?);
    }
    String::from_utf8(bytes).map_err(|_| broken()).and_then(|path| if path.is_empty() { Err(broken()) } else { Ok(path) })
}

/// Without the password and the options.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SCHEMES[0])?;
        if let Some(user) = self.config.get_user() {
            write!(f, "{user}@")?;
        }
        for number in 0..self.hosts() {
            if number > 0 {
                f.write_char(',')?;
            }
            f.write_str(&self.host(number))?;
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, AddressError> {
        Address::parse(text, Path::new("/etc/pushonce"))
    }

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (text, shown) in [
            ("postgres://ledger:hunter2@db/tags", "postgres://ledger@db:5432/tags"),
            ("postgresql://ledger@a:1,b:2/tags?password=hunter2", "postgres://ledger@a:1,b:2/tags"),
            ("postgres://a,b:5433/tags?port=5433", "postgres://a:5432,b:5433/tags"),
            ("postgres://ledger@%2Frun%2Fpostgresql/tags", "postgres://ledger@/run/postgresql/.s.PGSQL.5432/tags"),
            ("postgres:///tags?host=/run/postgresql&user=ledger", "postgres://ledger@/run/postgresql/.s.PGSQL.5432/tags"),
        ] {
            match parse(text) {
                Ok(address) => {
                    assert_eq!(address.to_string(), shown);
                    assert_eq!(format!("{address:?}"), shown);
                    assert_eq!(address.has_password(), text.contains("hunter2"), "{text}");
                }
                Err(error) => assert!(text.contains("port=5433"), "{text}: {error}"),
            }
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (text, error) in [
            ("mysql://db/tags", AddressError::Scheme),
            ("postgres:///tags", AddressError::NoHost),
            ("postgres://db", AddressError::NoDatabase),
            ("postgres://db/", AddressError::NoDatabase),
            ("postgres://db/tags?sslcert=a", AddressError::UnknownOption("sslcert".to_owned())),
            ("postgres://db/tags?sslmode=on", AddressError::SslMode),
            ("postgres://db/tags?sslmode=allow", AddressError::SslMode),
            ("postgres://db/tags?sslmode=require&sslmode=disable", AddressError::Twice("sslmode".to_owned())),
            ("postgres://db/tags?target_session_attrs=any", AddressError::ReadOnly),
            ("postgres://db/tags?sslrootcert=%2", AddressError::Other("`sslrootcert` is no path".to_owned())),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_url_makes_the_reader_panic(rest in "[a-z0-9:@/?&=%,.\\[\\]_ -]{0,60}|.{0,40}") {
            let address = parse(&format!("postgres://{rest}"));
            let _ = address.map(|address| (address.to_string(), address.hosts()));
        }
    }

    #[test]
    fn options_have_their_meaning() {
        let address = parse("postgres://db/tags?sslmode=verify-full&sslrootcert=a%20b.pem&target_session_attrs=read-write");
        let address = address.expect("an address");
        assert_eq!((address.tls, address.authorities), (Tls::Always, Some(PathBuf::from("/etc/pushonce/a b.pem"))));
        assert_eq!(parse("postgres://db/tags").expect("an address").tls, Tls::IfOffered);
        assert_eq!(parse("postgres://db/tags?sslmode=disable").expect("an address").tls, Tls::Never);
    }
}
