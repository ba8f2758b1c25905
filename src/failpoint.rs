//! Places at which a test may delay or end the process; nothing in a release.
//!
//! The crate `fail` has its feature `failpoints` in tests only. There the variable
//! `FAILPOINTS` says what happens where, as in `gate-claimed=return` or
//! `gate-pointed=5%sleep(200)`. `return` is SIGKILL, for that is how a process ends
//! that nobody asked.

/// A step of the protocol that the process may not survive.
macro_rules! failpoint {
    ($name:literal) => {
        // A release drops the closure, and `die` is used all the same.
        const _: fn() -> ! = $crate::failpoint::die;
        fail::fail_point!($name, |_| $crate::failpoint::die())
    };
}

pub(crate) use failpoint;

/// Every failpoint of the protocol, in the order in which a push, a roll-forward (which begins in the
/// background with `gate-reconciling`), an adoption and a delete pass them; and those
/// of each write of the ledger, before and after its commit.
pub const ALL: &[&str] = &[
    "gate-stored",
    "gate-claimed",
    "gate-looked",
    "gate-pointed",
    "gate-confirmed",
    "gate-withdrawing",
    "gate-reconciling",
    "gate-joined",
    "gate-rolled",
    "gate-adopting",
    "gate-deleting",
    "gate-deleted",
    "gate-putting-back",
    "ledger-burnt",
    "ledger-appended",
    "ledger-committing",
    "ledger-committed",
];

/// Reads `FAILPOINTS` for as long as the value lives. Does nothing in a release.
pub fn listen() -> Option<fail::FailScenario<'static>> {
    fail::has_failpoints().then(fail::FailScenario::setup)
}

/// Ends the process at once, as `kill -9` does.
pub fn die() -> ! {
    let own = rustix::process::getpid();
    let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
    std::process::abort()
}
