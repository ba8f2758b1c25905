//! How many files and connections the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A client connection and the one to the registry on its behalf.
const FOR_A_CONNECTION: u64 = 2;

/// The ledger, the admin listener, what the runtime needs.
const FOR_THE_REST: u64 = 64;

/// Raises the limit on open descriptors as far as the system lets this process:
/// the usual 1,024 would end at about 500 clients. Says where
/// `server.max_connections` is still out of reach.
pub fn raise(max_connections: usize) {
    let before = getrlimit(Resource::Nofile);
    if let Err(cause) = setrlimit(Resource::Nofile, Rlimit { current: before.maximum, maximum: before.maximum }) {
        tracing::warn!(limit = before.current, %cause, "the limit on open descriptors cannot be raised");
    }
    let limit = getrlimit(Resource::Nofile).current;
    tracing::info!(before = before.current, limit, "the limit on open descriptors");
    let needed = needed(max_connections);
    if limit.is_some_and(|limit| limit < needed) {
        tracing::warn!(
            limit,
            needed,
            max_connections,
            "server.max_connections needs more descriptors than this process may open: raise the hard limit (ulimit -Hn, LimitNOFILE)"
        );
    }
}

fn needed(max_connections: usize) -> u64 {
    FOR_A_CONNECTION.saturating_mul(max_connections as u64).saturating_add(FOR_THE_REST)
}
