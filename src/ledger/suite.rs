//! One conformance suite, run on every ledger.
//!
//! A new engine implements [`Store`] and adds one line at the end of this file.

mod claims;
mod deciding;
mod endings;
mod followed;
mod log;
mod log_questions;
pub(super) mod races;
mod random;

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::memory::MemoryLedger;
use super::postgres::PostgresLedger;
use super::postgres::server::Postgres as Server;
use super::sqlite::{OpenError, SqliteLedger};
use super::{Act, Claim, Claimed, Ledger, LedgerError, OpenClaim, Origin, Record, State, TagKey};
use crate::clock::AttemptId;
use crate::oci::{Algorithm, Digest, RepositoryName, Tag};

/// A place that holds the ledgers of several registries, empty at first.
pub(super) trait Store {
    fn new() -> Self;

    /// The ledger of a registry. The one handed out before was dropped.
    fn open(&self, registry: &str) -> impl Future<Output = Box<dyn Ledger>> + Send;
}

/// Memory keeps registries apart by keeping them in ledgers of their own.
struct Memory {
    ours: MemoryLedger,
    theirs: MemoryLedger,
}

impl Store for Memory {
    fn new() -> Self {
        Self { ours: MemoryLedger::of("ours"), theirs: MemoryLedger::of("theirs") }
    }

    async fn open(&self, registry: &str) -> Box<dyn Ledger> {
        Box::new(if registry == "ours" { self.ours.clone() } else { self.theirs.clone() })
    }
}

struct Sqlite {
    directory: tempfile::TempDir,
}

impl Store for Sqlite {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory") }
    }

    async fn open(&self, registry: &str) -> Box<dyn Ledger> {
        let file = self.directory.path().join("ledger.db");
        drop(SqliteLedger::open(&file, "ours").expect("the ledger opens"));
        // A file of one registry speaks of a second on an operator's word only.
        let accept = "INSERT OR IGNORE INTO registries (name) VALUES ('theirs')";
        rusqlite::Connection::open(&file).and_then(|raw| raw.execute_batch(accept)).expect("accepted");
        Box::new(open_again(&file, registry))
    }
}

/// A process that another test starts holds every open file for a moment, and with it the
/// lock of a ledger that was closed meanwhile.
fn open_again(file: &Path, registry: &str) -> SqliteLedger {
    for _ in 0..500 {
        match SqliteLedger::open(file, registry) {
            Err(OpenError::InUse { .. }) => std::thread::sleep(Duration::from_millis(10)),
            opened => return opened.expect("the ledger opens"),
        }
    }
    panic!("{} is in use for five seconds", file.display());
}

/// A schema of its own on the server that the tests share.
struct Postgres {
    url: String,
}

impl Store for Postgres {
    fn new() -> Self {
        Self { url: Server::shared().schema() }
    }

    async fn open(&self, registry: &str) -> Box<dyn Ledger> {
        let settings = super::postgres::settings(&self.url);
        Box::new(PostgresLedger::open(&settings, registry).await.expect("the ledger opens"))
    }
}

pub(super) fn key(text: &str) -> TagKey {
    let (repository, tag) = text.split_once(':').expect("repository:tag");
    TagKey { repository: RepositoryName::parse(repository).expect("a name"), tag: Tag::parse(tag).expect("a tag") }
}

pub(super) fn digest(content: &str) -> Digest {
    Digest::of(Algorithm::Sha256, content.as_bytes())
}

/// A moment, told from others by its number.
pub(super) fn at(moment: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + moment).expect("a time")
}

pub(super) fn record(content: &str, state: State, origin: Origin, since: i64) -> Record {
    Record { digest: digest(content), state, origin, since: at(since) }
}

pub(super) async fn claim(ledger: &dyn Ledger, tag: &str, content: &str, now: i64) -> Claimed {
    ledger.claim(&key(tag), &digest(content), AttemptId::random(), &at(now).into()).await.expect("an answer")
}

pub(super) async fn granted(ledger: &dyn Ledger, tag: &str, content: &str, now: i64) -> Claim {
    match claim(ledger, tag, content, now).await {
        Claimed::Granted(claim) => claim,
        other => panic!("{tag} was not granted for {content}: {other:?}"),
    }
}

pub(super) async fn sealed(ledger: &dyn Ledger, tag: &str, content: &str, now: i64) -> Record {
    let claim = granted(ledger, tag, content, now).await;
    ledger.confirm(claim, &at(now).into()).await.expect("sealed")
}

async fn lookup(ledger: &dyn Ledger, tag: &str) -> Option<Record> {
    ledger.lookup(&key(tag)).await.expect("an answer")
}

async fn burn(ledger: &dyn Ledger, tag: &str, content: &str, now: i64) -> bool {
    ledger.burn(&key(tag), &digest(content), &at(now).into()).await.expect("an answer")
}

pub(super) async fn lift(ledger: &dyn Ledger, tag: &str, now: i64) -> bool {
    let begun = ledger.begin(&key(tag), None, AttemptId::random(), &at(now).into()).await.expect("an answer");
    ledger.abandon(begun.change).await.expect("an answer");
    begun.lifted
}

async fn adopt(ledger: &dyn Ledger, tag: &str, content: &str, now: i64) -> Record {
    ledger.adopt(&key(tag), &digest(content), &at(now).into()).await.expect("an answer")
}

fn expect_lost<T: std::fmt::Debug>(outcome: Result<T, LedgerError>) {
    assert!(matches!(outcome, Err(LedgerError::ClaimLost { .. })), "{outcome:?}");
}

macro_rules! each_case {
    ($store:ty; $($file:ident::$case:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            $file::$case(&<$store as Store>::new()).await;
        }
    )*};
}

macro_rules! run_on {
    ($engine:ident, $store:ty) => {
        mod $engine {
            use super::*;

            each_case! {
                $store;
                claims::a_free_tag_is_granted,
                claims::equal_bytes_join_and_other_bytes_find_it_taken,
                claims::joining_adds_an_attempt_to_an_open_claim_and_claims_nothing,
                claims::a_sealed_tag_takes_its_own_bytes_only,
                claims::withdrawing_frees_the_tag_when_nobody_else_tries,
                claims::a_claim_whose_attempt_never_ended_stays,
                claims::withdrawing_does_nothing_where_the_claim_has_ended,
                claims::repositories_do_not_touch_each_other,
                claims::registries_do_not_touch_each_other,
                claims::records_are_ordered_and_leave_lifted_rows_out,
                claims::open_claims_are_paged_in_order,
                endings::confirming_seals_and_ends_every_attempt,
                endings::confirming_fails_where_the_row_lets_go,
                endings::yielding_seals_what_was_found,
                endings::yielding_keeps_what_was_decided_before,
                endings::adopting_enters_what_is_there,
                endings::adopting_never_changes_a_decision,
                endings::a_burnt_tag_refuses_everything,
                endings::a_lifted_tag_starts_afresh,
                endings::a_lift_ends_the_attempts_of_before,
                endings::releasing_ends_an_open_claim_and_is_written_down,
                endings::a_ping_changes_nothing,
                deciding::an_exception_is_used_once,
                deciding::only_what_is_sealed_is_replaced,
                deciding::of_two_uses_at_once_one_is_first,
                followed::what_a_tag_has_followed_is_kept,
                followed::of_two_changes_at_once_the_later_one_sees_the_other,
                log::each_operation_leaves_its_event,
                log::who_finishes_speaks_in_the_words_of_who_pushed,
                log::a_change_is_open_until_it_is_ended,
                log::changes_of_one_tag_at_once_are_noticed,
                log::what_nobody_ended_is_settled_by_what_is_shown,
                log::what_is_shown_is_written_down_once,
                log::time_never_goes_back_for_a_tag,
                log_questions::pages_follow_each_other_under_every_filter,
                log_questions::what_a_tag_meant_at_a_time,
                log_questions::every_time_in_which_a_tag_meant_a_digest,
                log_questions::events_are_counted_in_steps,
                log_questions::the_tree_is_that_of_all_events,
                log_questions::one_at_a_time_hands_the_log_on,
                log_questions::registries_have_logs_of_their_own,
                races::one_digest_wins_each_tag,
                races::the_last_to_withdraw_frees_the_tag,
            }

            #[test]
            fn any_sequence_ends_as_in_memory() {
                random::agrees_with_memory::<$store>();
            }
        }
    };
}

run_on!(memory, Memory);
run_on!(sqlite, Sqlite);
run_on!(postgres, Postgres);
