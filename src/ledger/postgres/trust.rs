//! Whether the database keeps what it has committed. What may lose a commit is
//! said loudly at the start, with what to do about it; the ledger serves all the
//! same, since only an operator knows what stands behind a setting.

use std::collections::BTreeMap;

use super::address::Address;
use super::connection::{Connection, WEAK_COMMITS};

const SETTINGS: &str = "SELECT name::text, COALESCE(reset_val, setting)::text FROM pg_settings \
     WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'synchronous_standby_names')";
const STANDBYS: &str = "SELECT count(*) FROM pg_stat_replication";

/// A way to lose what was acknowledged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Danger {
    pub(super) setting: &'static str,
    pub(super) value: String,
    pub(super) cause: &'static str,
    pub(super) remedy: &'static str,
}

/// Looks, and writes a warning for each danger.
pub(super) async fn warn(connection: &Connection, place: &Address) -> Result<(), tokio_postgres::Error> {
    for danger in look(connection).await? {
        let Danger { setting, value, cause, remedy } = danger;
        tracing::warn!(ledger = %place, setting, value, cause, remedy, "the ledger's database may lose what was acknowledged");
    }
    Ok(())
}

pub(super) async fn look(connection: &Connection) -> Result<Vec<Danger>, tokio_postgres::Error> {
    // Engines that do not have these tables have other ways to keep what they say.
    let rows = match connection.rows(SETTINGS, &[]).await {
        Ok(rows) => rows,
        Err(error) if error.as_db_error().is_some() => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let settings = rows.iter().filter_map(|row| Some((row.try_get(0).ok()?, row.try_get(1).ok()?))).collect();
    let standbys = match connection.row(STANDBYS, &[]).await {
        Ok(row) => row.and_then(|row| row.try_get::<_, i64>(0).ok()).unwrap_or(0),
        Err(error) if error.as_db_error().is_some() => 0,
        Err(error) => return Err(error),
    };
    Ok(dangers(&settings, standbys))
}

/// `settings` has the session's defaults: those before pushonce changed any.
pub(super) fn dangers(settings: &BTreeMap<String, String>, standbys: i64) -> Vec<Danger> {
    let mut dangers = Vec::new();
    let mut add = |setting, cause, remedy| {
        let value = settings.get(setting).cloned().unwrap_or_default();
        dangers.push(Danger { setting, value, cause, remedy });
    };
    let is = |setting: &str, value: &str| settings.get(setting).is_some_and(|found| found == value);
    if is("fsync", "off") {
        add("fsync", "a crash of the machine loses commits, and may destroy the database", "set fsync = on and restart the server");
    }
    if is("full_page_writes", "off") {
        add("full_page_writes", "a crash of the machine may leave half a page", "set full_page_writes = on and reload the server");
    }
    if settings.get("synchronous_commit").is_some_and(|value| WEAK_COMMITS.contains(&value.as_str())) {
        add(
            "synchronous_commit",
            "a commit may be answered before it is safe; pushonce sets it to on for its own sessions, \
             but a pooler between may undo that",
            "ALTER ROLE … SET synchronous_commit = on for the user of pushonce",
        );
    }
    if standbys > 0 && settings.get("synchronous_standby_names").is_some_and(|names| names.trim().is_empty()) {
        add(
            "synchronous_standby_names",
            "the standbys follow asynchronously, so a failover to one loses the last commits",
            "name standbys in synchronous_standby_names, or never fail over without looking at what is lost",
        );
    }
    dangers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pairs: &[(&str, &str)], standbys: i64) -> Vec<(&'static str, String)> {
        let settings = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        dangers(&settings, standbys).into_iter().map(|danger| (danger.setting, danger.value)).collect()
    }

    #[test]
    fn what_may_lose_a_commit_is_a_danger() {
        let sound = [("fsync", "on"), ("full_page_writes", "on"), ("synchronous_commit", "on"), ("synchronous_standby_names", "")];
        assert_eq!(found(&sound, 0), []);
        assert_eq!(found(&sound, 1), [("synchronous_standby_names", String::new())]);
        assert_eq!(found(&[("synchronous_standby_names", "ANY 1 (a, b)")], 2), []);
        assert_eq!(found(&[("fsync", "off")], 0), [("fsync", "off".to_owned())]);
        assert_eq!(found(&[("full_page_writes", "off")], 0), [("full_page_writes", "off".to_owned())]);
        for weak in WEAK_COMMITS {
            assert_eq!(found(&[("synchronous_commit", weak)], 0), [("synchronous_commit", weak.to_owned())]);
        }
        assert_eq!(found(&[("synchronous_commit", "remote_apply")], 0), []);
    }

    #[test]
    fn an_engine_without_these_settings_has_none_of_these_dangers() {
        assert_eq!(found(&[], 3), []);
    }
}
