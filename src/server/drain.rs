//! Shutdown: stop accepting, finish what runs, up to a limit.

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The one shutdown of the process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    begun: CancellationToken,
    connections: TaskTracker,
    writes: TaskTracker,
}

/// How a shutdown went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Drained {
    /// Everything finished.
    Whole,
    /// The limit came first: what was open ends unanswered. Claims among it stay
    /// open and are rolled forward by whoever comes next.
    CutOff { connections: usize, writes: usize },
}

impl Drain {
    pub fn begin(&self) {
        self.begun.cancel();
    }

    pub fn has_begun(&self) -> bool {
        self.begun.is_cancelled()
    }

    pub async fn begun(&self) {
        self.begun.cancelled().await;
    }

    /// Ends when the shutdown begins, for what runs in the background.
    pub fn token(&self) -> CancellationToken {
        self.begun.clone()
    }

    /// Runs client connections.
    pub fn connections(&self) -> &TaskTracker {
        &self.connections
    }

    /// Runs writes, which go on when their client hangs up, and what writes in the
    /// background.
    pub fn writes(&self) -> &TaskTracker {
        &self.writes
    }

    /// Waits until everything has finished, at most for `limit`.
    pub async fn finish(&self, limit: Duration) -> Drained {
        self.connections.close();
        self.writes.close();
        let everything = async {
            self.connections.wait().await;
            self.writes.wait().await;
        };
        match timeout(limit, everything).await {
            Ok(()) => Drained::Whole,
            Err(_) => Drained::CutOff { connections: self.connections.len(), writes: self.writes.len() },
        }
    }
}
