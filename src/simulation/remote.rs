//! The ledger as replicas see it: across the network, where any message may be lost.
//!
//! A call goes over the wire as its number; what is asked and what comes back stay
//! beside it as values, since a [`Claim`] can be made by a ledger only. A value whose
//! message is lost is never taken.

mod deciding;
mod log;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};
use turmoil::net::{TcpListener, TcpStream};

use super::engine::Asked;
use super::flaw::Flaw;
use super::plan::LEDGER;
use super::world::World;
use crate::clock::AttemptId;
use crate::ledger::event::{Event, Outcome};
use crate::ledger::{
    Act, Begun, Change, Claim, Claimed, Completed, Followed, Ledger, LedgerError, Look, Note, OpenChange, OpenClaim, Origin,
    Record, State, TagKey,
};
use crate::oci::{Digest, RepositoryName, Tag};

const PORT: u16 = 7000;

/// How long a replica waits for the ledger.
const PATIENCE: Duration = Duration::from_millis(1_000);

/// A call that was sent and has not arrived.
pub type Call = Box<dyn FnOnce(&World) + Send>;

/// One replica's way to the ledger.
pub struct RemoteLedger {
    pub world: Arc<World>,
    pub replica: &'static str,
}

/// The host of the ledger. What has arrived is carried out, whoever still waits.
pub async fn host(world: Arc<World>) -> turmoil::Result {
    world.ledger_starts();
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let world = Arc::clone(&world);
        tokio::spawn(async move { answer(&world, stream).await });
    }
}

async fn answer(world: &World, mut stream: TcpStream) -> io::Result<()> {
    let number = stream.read_u64().await?;
    let (before, after) = world.ledger_pauses();
    sleep(before).await;
    if let Some(call) = world.arrived(number) {
        call(world);
    }
    sleep(after).await;
    stream.write_u8(1).await
}

impl RemoteLedger {
    async fn call<T: fmt::Debug + Send + 'static>(
        &self,
        verb: &'static str,
        about: String,
        ask: impl FnOnce(Arc<dyn Ledger>) -> Asked<Result<T, LedgerError>> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let answer = Arc::new(Mutex::new(None));
        let (place, replica) = (Arc::clone(&answer), self.replica);
        let call: Call = Box::new(move |world| {
            let result = world.engine(replica).ask(ask);
            world.say(LEDGER, format!("{replica}: {verb} {about} -> {result:?}"));
            world.count(match &result {
                Ok(_) => verb,
                Err(LedgerError::ClaimLost { .. }) => "claims that were lost",
                Err(_) => "failures of the ledger",
            });
            world.rows_changed();
            *place.lock().expect("the answer") = Some(result);
        });
        let number = self.world.sent(call);
        let exchange = async {
            let mut stream = TcpStream::connect((LEDGER, PORT)).await?;
            stream.write_u64(number).await?;
            stream.read_u8().await
        };
        let outcome = timeout(PATIENCE, exchange).await;
        let answer = match outcome {
            Ok(Ok(_)) => answer.lock().expect("the answer").take(),
            _ => None,
        };
        answer.unwrap_or_else(|| {
            self.world.count("ledger calls without an answer");
            Err(LedgerError::Unavailable("no answer".to_owned()))
        })
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.world.flaw == Some(flaw)
    }
}

#[async_trait]
impl Ledger for RemoteLedger {
    async fn lookup(&self, key: &TagKey) -> Result<Option<Record>, LedgerError> {
        let key = key.clone();
        self.call("lookup", key.to_string(), move |ledger| async move { ledger.lookup(&key).await }.boxed()).await
    }

    async fn records(&self, repository: &RepositoryName) -> Result<Vec<(Tag, Record)>, LedgerError> {
        let repository = repository.clone();
        self.call("records", repository.to_string(), move |ledger| async move { ledger.records(&repository).await }.boxed()).await
    }

    async fn claim(&self, key: &TagKey, digest: &Digest, attempt: AttemptId, note: &Note) -> Result<Claimed, LedgerError> {
        let note = note.clone();
        let (key, digest, runs_out) = (key.clone(), digest.clone(), self.has(Flaw::ClaimsRunOut));
        let claim = move |ledger: Arc<dyn Ledger>| {
            async move {
                let open = if runs_out { ledger.open_claims(None, 100).await? } else { Vec::new() };
                for old in open.iter().filter(|open| open.key == key && note.at.duration_since(open.since).as_millis() > 300) {
                    ledger.release(&old.key, "lease", "it ran out", note.at).await?;
                }
                ledger.claim(&key, &digest, attempt, &note).await
            }
            .boxed()
        };
        self.call("claim", format!("{attempt}"), claim).await
    }

    async fn join(&self, key: &TagKey, digest: &Digest, attempt: AttemptId, now: Timestamp) -> Result<Option<Claim>, LedgerError> {
        let (key, digest) = (key.clone(), digest.clone());
        let what = format!("{key} {}", digest.short());
        let join = move |ledger: Arc<dyn Ledger>| async move { ledger.join(&key, &digest, attempt, now).await }.boxed();
        let joined = self.call("join", what, join).await?;
        if joined.is_some() {
            self.world.count("claims joined");
        }
        Ok(joined)
    }

    async fn confirm(&self, claim: Claim, note: &Note) -> Result<Record, LedgerError> {
        let (note, at) = (note.clone(), note.at);
        let digest = claim.digest().clone();
        let what = format!("{} {}", claim.key(), digest.short());
        let answer = self.call("confirm", what, move |ledger| async move { ledger.confirm(claim, &note).await }.boxed()).await;
        match answer {
            Err(LedgerError::Unavailable(_)) if self.has(Flaw::DoubtIsSuccess) => {
                Ok(Record { digest, state: State::Sealed, origin: Origin::Pushed, since: at })
            }
            answer => answer,
        }
    }

    async fn withdraw(&self, claim: Claim) -> Result<(), LedgerError> {
        let (what, for_all) = (format!("{} {}", claim.key(), claim.attempt()), self.has(Flaw::WithdrawFreesForAll));
        let withdraw = move |ledger: Arc<dyn Ledger>| {
            async move {
                if for_all {
                    ledger.release(claim.key(), "withdraw", "for all", Timestamp::UNIX_EPOCH).await?;
                }
                ledger.withdraw(claim).await
            }
            .boxed()
        };
        self.call("withdraw", what, withdraw).await
    }

    async fn yield_to(&self, claim: Claim, found: &Digest, note: &Note) -> Result<Record, LedgerError> {
        let note = note.clone();
        let found = found.clone();
        let what = format!("{} {}", claim.key(), found.short());
        self.call("yield", what, move |ledger| async move { ledger.yield_to(claim, &found, &note).await }.boxed()).await
    }

    async fn adopt(&self, key: &TagKey, digest: &Digest, note: &Note) -> Result<Record, LedgerError> {
        let note = note.clone();
        let (key, digest) = (key.clone(), digest.clone());
        let what = format!("{key} {}", digest.short());
        self.call("adopt", what, move |ledger| async move { ledger.adopt(&key, &digest, &note).await }.boxed()).await
    }

    async fn burn(&self, key: &TagKey, digest: &Digest, note: &Note) -> Result<bool, LedgerError> {
        let note = note.clone();
        let (key, digest, is_lost) = (key.clone(), digest.clone(), self.has(Flaw::BurnIsNotWritten));
        let what = format!("{key} {}", digest.short());
        let burn = move |ledger: Arc<dyn Ledger>| {
            async move { if is_lost { Ok(true) } else { ledger.burn(&key, &digest, &note).await } }.boxed()
        };
        self.call("burn", what, burn).await
    }

    async fn begin(&self, key: &TagKey, to: Option<&Digest>, attempt: AttemptId, note: &Note) -> Result<Begun, LedgerError> {
        let (key, to, note) = (key.clone(), to.cloned(), note.clone());
        let begin = move |ledger: Arc<dyn Ledger>| async move { ledger.begin(&key, to.as_ref(), attempt, &note).await }.boxed();
        self.call("begin", format!("{attempt}"), begin).await
    }

    async fn complete(&self, change: Change, outcome: Outcome, followed: &Followed, note: &Note) -> Result<Completed, LedgerError> {
        let (what, followed, note) = (change.key().to_string(), followed.clone(), note.clone());
        let complete =
            move |ledger: Arc<dyn Ledger>| async move { ledger.complete(change, outcome, &followed, &note).await }.boxed();
        self.call("complete", what, complete).await
    }

    async fn unreleased(&self, after: Option<&TagKey>, limit: usize) -> Result<Vec<(TagKey, Option<Tag>)>, LedgerError> {
        let after = after.cloned();
        let list = move |ledger: Arc<dyn Ledger>| async move { ledger.unreleased(after.as_ref(), limit).await }.boxed();
        self.call("unreleased", String::new(), list).await
    }

    async fn abandon(&self, change: Change) -> Result<(), LedgerError> {
        let what = change.key().to_string();
        self.call("abandon", what, move |ledger| async move { ledger.abandon(change).await }.boxed()).await
    }

    async fn open_changes(&self, after: Option<&OpenChange>, limit: usize) -> Result<Vec<OpenChange>, LedgerError> {
        let after = after.cloned();
        let open = move |ledger: Arc<dyn Ledger>| async move { ledger.open_changes(after.as_ref(), limit).await }.boxed();
        self.call("open_changes", String::new(), open).await
    }

    async fn version(&self, key: &TagKey) -> Result<u64, LedgerError> {
        let (what, key) = (key.to_string(), key.clone());
        self.call("version", what, move |ledger| async move { ledger.version(&key).await }.boxed()).await
    }

    async fn settle(&self, change: &OpenChange, look: &Look, note: &Note) -> Result<bool, LedgerError> {
        let (what, change, look, note) = (change.key.to_string(), change.clone(), look.clone(), note.clone());
        let world = Arc::clone(&self.world);
        let settle = move |ledger: Arc<dyn Ledger>| {
            async move {
                let settled = ledger.settle(&change, &look, &note).await;
                if matches!(settled, Ok(true)) {
                    world.was_settled(&change.key, look.found.as_ref());
                }
                settled
            }
            .boxed()
        };
        self.call("settle", what, settle).await
    }

    async fn observe(&self, key: &TagKey, look: &Look, note: &Note) -> Result<bool, LedgerError> {
        let (what, key, look, note) = (key.to_string(), key.clone(), look.clone(), note.clone());
        let observe = move |ledger: Arc<dyn Ledger>| async move { ledger.observe(&key, &look, &note).await }.boxed();
        self.call("observe", what, observe).await
    }

    async fn record(&self, events: &[Event]) -> Result<(), LedgerError> {
        let (what, events) = (format!("{} events", events.len()), events.to_vec());
        self.call("record", what, move |ledger| async move { ledger.record(&events).await }.boxed()).await
    }

    async fn count_open(&self) -> Result<u64, LedgerError> {
        self.call("count_open", String::new(), |ledger| async move { ledger.count_open().await }.boxed()).await
    }

    async fn open_claims(&self, after: Option<&TagKey>, limit: usize) -> Result<Vec<OpenClaim>, LedgerError> {
        let after = after.cloned();
        let open = move |ledger: Arc<dyn Ledger>| async move { ledger.open_claims(after.as_ref(), limit).await }.boxed();
        self.call("open_claims", String::new(), open).await
    }

    async fn release(&self, key: &TagKey, who: &str, reason: &str, now: Timestamp) -> Result<Option<Digest>, LedgerError> {
        let (key, who, reason) = (key.clone(), who.to_owned(), reason.to_owned());
        let release = move |ledger: Arc<dyn Ledger>| async move { ledger.release(&key, &who, &reason, now).await }.boxed();
        self.call("release", String::new(), release).await
    }

    async fn acts(&self) -> Result<Vec<Act>, LedgerError> {
        self.call("acts", String::new(), |ledger| async move { ledger.acts().await }.boxed()).await
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        self.call("ping", String::new(), |ledger| async move { ledger.ping().await }.boxed()).await
    }
}

impl fmt::Debug for RemoteLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteLedger").field("replica", &self.replica).finish_non_exhaustive()
    }
}
