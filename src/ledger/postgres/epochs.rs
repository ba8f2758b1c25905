//! The witness of this replica: what it has seen of the database, and whether the
//! database still knows it.
//!
//! A second at most after a change, and before a burnt or released tag is answered, the
//! replica appends a head and writes its witness. Every new connection is asked for the
//! head that was seen last: a database that was restored, or a standby that lacks the
//! last commits, is noticed before anything is written through it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::address::Address;
use super::connection::Connection;
use super::heads;
use super::pool::{Pool, Session};
use super::retry::Failure;
use super::tree;
use crate::failpoint::failpoint;
use crate::ledger::LedgerError;
use crate::ledger::witness::{Heads, Keeper, Witness, compare};

/// The pause between two heads that nobody waits for.
const PAUSE: Duration = Duration::from_secs(1);

/// How often a head is appended again after another replica had its number.
const TRIES: u32 = 100;

#[derive(Debug)]
pub(super) struct Epochs {
    place: Address,
    file: PathBuf,
    keeper: Arc<Keeper>,
    /// The newest heads that this replica knows to be in the database.
    known: Mutex<Heads>,
    /// One head at a time.
    turn: tokio::sync::Mutex<()>,
    changed: Notify,
    /// The last look at the database found that it went back.
    is_doubtful: AtomicBool,
}

impl Epochs {
    pub(super) fn new(place: Address, file: PathBuf, keeper: Keeper, known: Heads) -> Self {
        Self {
            place,
            file,
            keeper: Arc::new(keeper),
            known: Mutex::new(known),
            turn: tokio::sync::Mutex::new(()),
            changed: Notify::new(),
            is_doubtful: AtomicBool::new(false),
        }
    }

    fn known(&self) -> Heads {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was committed that no head follows yet.
    pub(super) fn touch(&self) {
        self.changed.notify_one();
    }

    /// Appends a head after each change, a second apart; does not end.
    pub(super) async fn keep(&self, pool: &Pool) {
        let mut is_told = false;
        loop {
            self.changed.notified().await;
            match self.advance(pool).await {
                Ok(()) => {
                    is_told = false;
                    plant(pool).await;
                }
                Err(failure) => {
                    if !is_told {
                        is_told = true;
                        let cause = LedgerError::from(failure).to_string();
                        tracing::warn!(cause, "no head could be appended to the ledger; it is tried again");
                    }
                    self.touch();
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Appends a head and writes the witness: what was committed before is known to it.
    pub(super) async fn witness(&self, pool: &Pool) -> Result<(), Failure> {
        self.advance(pool).await?;
        self.write().await
    }

    /// Whether this connection may be written through.
    pub(super) async fn admit(&self, connection: &Connection) -> Result<(), Failure> {
        if self.keeper.is_failing() {
            self.write().await?;
        }
        match self.is_doubtful.load(Ordering::Relaxed) {
            true => self.check(connection).await,
            false => Ok(()),
        }
    }

    /// Whether the database knows what this replica has seen.
    pub(super) async fn check(&self, connection: &Connection) -> Result<(), Failure> {
        // Read first: what others append meanwhile is no doubt.
        let known = self.known();
        let standing = heads::standing(connection, Some(&known)).await?;
        let witness = || Box::new(Witness { file: self.file.clone(), heads: known, written: None });
        let doubt = match &standing {
            None => Some(format!("the ledger {} has lost its heads", self.place)),
            Some(standing) => match compare(&known, standing) {
                None => None,
                Some(difference) => {
                    let doubt = heads::differs(connection, &self.place, difference, standing.heads, witness()).await?;
                    Some(doubt.to_string())
                }
            },
        };
        let was_doubtful = self.is_doubtful.swap(doubt.is_some(), Ordering::Relaxed);
        let Some(cause) = doubt else { return Ok(()) };
        if !was_doubtful {
            tracing::error!(cause, "the ledger went back under this process and takes no writes");
        }
        Err(LedgerError::Unavailable(cause).into())
    }

    async fn write(&self) -> Result<(), Failure> {
        let keeper = Arc::clone(&self.keeper);
        let written = tokio::task::spawn_blocking(move || keeper.write_now()).await;
        let unavailable = |words: String| Failure::Answer(LedgerError::Unavailable(words));
        match written {
            Ok(written) => written.map_err(|error| unavailable(error.to_string())),
            Err(error) => Err(unavailable(error.to_string())),
        }
    }

    async fn advance(&self, pool: &Pool) -> Result<(), Failure> {
        let _one = self.turn.lock().await;
        for _ in 0..TRIES {
            let mut session = pool.get().await.map_err(Failure::Pool)?;
            match self.append(&mut session).await {
                Ok(Some(heads)) => {
                    *self.known.lock().unwrap_or_else(PoisonError::into_inner) = heads;
                    failpoint!("ledger-appended");
                    self.keeper.note(heads);
                    return Ok(());
                }
                Ok(None) => session.roll_back().await,
                Err(failure) => {
                    session.roll_back().await;
                    if !failure.may_be_tried_again() {
                        return Err(failure);
                    }
                }
            }
        }
        Err(LedgerError::Unavailable("other replicas were faster each time".to_owned()).into())
    }

    /// One try; `None` where another replica had the number.
    async fn append(&self, session: &mut Session) -> Result<Option<Heads>, Failure> {
        session.begin().await?;
        self.check(session).await?;
        let Some(standing) = heads::standing(session, None).await? else { return Ok(None) };
        let heads = standing.heads.advanced();
        if !heads::append(session, &heads).await? {
            return Ok(None);
        }
        session.commit().await?;
        Ok(Some(heads))
    }
}

/// The leaves of the log's tree follow the heads. Whoever asks for the tree plants too.
async fn plant(pool: &Pool) {
    if let Err(failure) = tree::plant_all(pool).await {
        let cause = LedgerError::from(failure).to_string();
        tracing::warn!(cause, "events could not be made leaves of the log's tree; it is tried again");
    }
}
