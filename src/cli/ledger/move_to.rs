//! `pushonce ledger move`: an embedded ledger becomes one of PostgreSQL.

use std::fs;
use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;

use crate::cli::operator::{block_on, embedded};
use crate::cli::progress::Bar;
use crate::cli::{Ended, Environment};
use crate::config;
use crate::ledger::carry::{Carried, CarryError, Step, carry};
use crate::ledger::postgres::{Address, Settings, Target};
use crate::ledger::sqlite::Source;

pub(super) const ABOUT: &str = "\
Carry the embedded ledger over to PostgreSQL

Stop the proxy first: the file must not change meanwhile. Every row of every registry in the
file is entered at the target where it is missing, and compared where it is not; tags that were
deleted stay deleted. Cut off at any moment, the same command goes on where it was. At the end
both sides are read once more from end to end, and only if they are equal is it done. The file
stays as it is, and no configuration is changed: what to write there is printed.

The password of the target may stand in the URL, where others on this machine can read it, in
the variable PGPASSWORD, or in the file of --password-file.";

pub(super) const EXAMPLE: &str = "\
Example:
  pushonce ledger move --to postgres://pushonce@db.example.com/pushonce --password-file /etc/pushonce/ledger-password

Exit codes:
  0  everything is at the target
  1  not everything is; nothing is lost, and the words say what to do
  2  mistakes in the command line or the configuration";

/// For one page of rows, on a server that is busy.
const TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn move_to(url: &str, password_file: Option<&Path>, file: &Path, environment: &Environment) -> Result<String, Ended> {
    let config = config::load(file, environment)?;
    let remedy = "to move an embedded one, let `ledger.url` name its file, as in `sqlite:/var/lib/pushonce/pushonce.db`";
    let ledger = embedded(&config, remedy)?;
    let directory = file.parent().unwrap_or(Path::new(""));
    let address = Address::parse(url, directory)
        .map_err(|mistake| Ended::Mistaken(format!("the URL of --to {mistake}; write postgres://USER@HOST/DATABASE")))?;
    let password = password(&address, password_file, environment)?;
    let settings = Settings { address, password, pool_size: 1, timeout: TIMEOUT };
    let carried = block_on(async {
        let witness = config.ledger.witness.as_deref();
        let source = Source::open(ledger, &config.upstream.name, witness).map_err(|cause| Ended::failed(&cause))?;
        let target = Target::open(&settings).await.map_err(|cause| Ended::failed(&cause))?;
        shown(&source, &target).await.map_err(|cause| Ended::failed(&cause))
    })?;
    Ok(done(ledger, url, &settings, config.ledger.witness.is_some(), carried))
}

async fn shown(source: &Source, target: &Target) -> Result<Carried, CarryError> {
    let mut bar = (Step::Carrying, Bar::new("carrying", "rows"));
    let mut tell = |step, done, of| {
        if bar.0 != step {
            bar = (step, Bar::new("comparing", "rows"));
        }
        bar.1.set(done, of);
    };
    carry(source, target, &mut tell).await
}

/// The password, unless the URL has it.
fn password(address: &Address, file: Option<&Path>, environment: &Environment) -> Result<Option<SecretString>, Ended> {
    let Some(file) = file else {
        let variable = environment.iter().find(|(name, value)| name == "PGPASSWORD" && !value.is_empty());
        return Ok(variable.filter(|_| !address.has_password()).map(|(_, value)| SecretString::from(value.as_str())));
    };
    if address.has_password() {
        return Err(Ended::Mistaken("the URL of --to has a password already; leave it out, or --password-file".to_owned()));
    }
    let text = fs::read_to_string(file)
        .map_err(|cause| Ended::Mistaken(format!("--password-file {}: it cannot be read ({cause})", file.display())))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(Ended::Mistaken(format!("--password-file {}: it is empty", file.display()))),
        password => Ok(Some(SecretString::from(password))),
    }
}

fn done(ledger: &Path, url: &str, settings: &Settings, has_witness: bool, carried: Carried) -> String {
    let Carried { tags, attempts, acts, events, new } = carried;
    let before = match (tags + attempts + acts + events) - new {
        0 => String::new(),
        before => format!(" ({before} of these rows were there already)"),
    };
    let password = match settings.password.is_some() || settings.address.has_password() {
        true => "\nledger.password_file = \"FILE\"    # with the password in it",
        false => "",
    };
    // That of the file knows another ledger, and would refuse this one.
    let witness = if has_witness { "\nledger.witness = \"FILE\"    # another one than before, for each proxy" } else { "" };
    format!(
        "{} is carried over to {}, and both sides are equal: {tags} tags, {attempts} attempts, {acts} acts, {events} events{before}\n\
         Write into the configuration of every proxy, in place of its ledger.url:\n\n\
         ledger.url = \"{}\"{password}{witness}\n\n\
         Then start them. Keep {} as a backup, and let no proxy use it again.\n",
        ledger.display(),
        settings.address,
        without_password(url),
        ledger.display(),
    )
}

/// The URL as it was given, its password left out.
fn without_password(url: &str) -> String {
    let (base, options) = url.split_once('?').map_or((url, None), |(base, options)| (base, Some(options)));
    let mut shown = match base.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?))) {
        Some((scheme, (user, rest))) => format!("{scheme}://{}@{rest}", user.split(':').next().unwrap_or_default()),
        None => base.to_owned(),
    };
    let kept: Vec<&str> =
        options.unwrap_or_default().split('&').filter(|option| !option.is_empty() && !option.starts_with("password=")).collect();
    if !kept.is_empty() {
        shown += "?";
        shown += &kept.join("&");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::without_password;

    #[test]
    fn a_password_is_left_out() {
        for (url, shown) in [
            ("postgres://ledger:hunter2@db/tags?sslmode=require", "postgres://ledger@db/tags?sslmode=require"),
            ("postgres://ledger:hun@ter2@db/tags", "postgres://ledger@db/tags"),
            ("postgres://ledger@a,b:5433/tags?password=hunter2&user=ledger", "postgres://ledger@a,b:5433/tags?user=ledger"),
            ("postgres://db/tags?password=hunter2", "postgres://db/tags"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }
}
