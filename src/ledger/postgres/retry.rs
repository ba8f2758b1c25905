//! What failed, and whether it may be tried again.
//!
//! Only whole transactions are tried again, and only those of which the server has
//! said that nothing of them is there.

use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::error::SqlState;

use super::pool::PoolError;
use crate::causes::with_causes;
use crate::ledger::LedgerError;

/// The first pause; each is twice the one before, up to `LONGEST_PAUSE`.
const PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Why an operation has no result.
#[derive(Debug)]
pub(super) enum Failure {
    /// There was no connection.
    Pool(PoolError),
    /// The server did not begin the transaction, or broke off in a read: nothing was
    /// done.
    NothingDone(tokio_postgres::Error),
    Statement(tokio_postgres::Error),
    /// The server said that it committed, and that this may not last.
    Doubt(String),
    /// The operation's own answer, which is an error.
    Answer(LedgerError),
}

impl Failure {
    /// Whether nothing was done, and another try may succeed: the server rolled the
    /// transaction back for the sake of another one (40001, 40P01), or the
    /// connection had ended before it began, as after a restart.
    pub(super) fn may_be_tried_again(&self) -> bool {
        const CONFLICTS: [SqlState; 2] = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
        match self {
            Self::NothingDone(_) => true,
            Self::Statement(error) => error.code().is_some_and(|code| CONFLICTS.contains(code)),
            Self::Pool(_) | Self::Doubt(_) | Self::Answer(_) => false,
        }
    }

    /// Whether the server takes no writes any more, as after a failover.
    pub(super) fn is_read_only(&self) -> bool {
        matches!(self, Self::Statement(error) if error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION))
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Statement(error)
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self::Answer(error)
    }
}

impl From<Failure> for LedgerError {
    /// Everything but the operation's own answer is "unknown".
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Answer(error) => error,
            Failure::Pool(PoolError::Backend(error)) => Self::Unavailable(error.to_string()),
            Failure::Pool(error) => Self::Unavailable(with_causes(&error)),
            Failure::NothingDone(error) | Failure::Statement(error) => Self::Unavailable(with_causes(&error)),
            Failure::Doubt(warning) => Self::Unavailable(format!("a commit may not last: {warning}")),
        }
    }
}

/// The tries of one operation, as many as its time allows: where many change one
/// row at a strict isolation, each commit ends all who wait for it.
pub(super) struct Tries {
    until: Instant,
    pause: Duration,
}

impl Tries {
    pub(super) fn within(limit: Duration) -> Self {
        Self { until: Instant::now() + limit, pause: PAUSE }
    }

    /// The outcome, if it counts; `None` after a pause, where it is to be tried again.
    pub(super) async fn accept<T>(&mut self, outcome: Result<T, Failure>) -> Option<Result<T, Failure>> {
        match outcome {
            Err(failure) if failure.may_be_tried_again() && Instant::now() + self.pause < self.until => {
                tracing::debug!(?failure, "a transaction of the ledger is tried again");
                tokio::time::sleep(self.pause).await;
                self.pause = LONGEST_PAUSE.min(2 * self.pause);
                None
            }
            outcome => Some(outcome),
        }
    }
}

/// Tries `attempt`, a block, until it succeeds or must not be tried again. A macro,
/// because the compiler cannot tell yet that what an async closure gives is `Send`.
macro_rules! retried {
    ($limit:expr, $attempt:expr) => {{
        let mut tries = $crate::ledger::postgres::retry::Tries::within($limit);
        loop {
            let outcome = async { $attempt }.await;
            if let Some(outcome) = tries.accept(outcome).await {
                break outcome;
            }
        }
    }};
}

pub(super) use retried;
