//! How large the buffers of a connection may grow: a few connections take what makes
//! each byte cheapest, many take what memory allows.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What each connection beyond the first ones buffers at most, in bytes. A slow client
/// makes its connections hold about three times that.
pub const TIGHT: usize = 64 << 10;

/// How many connections keep one core busy, so that more of them gain nothing from buffers.
const PER_CORE: usize = 4;

/// The connections of one side that are open, by the size of their buffers.
#[derive(Debug)]
pub struct Buffers {
    wide: Arc<AtomicUsize>,
    most: usize,
}

/// A place among the connections with wide buffers, given back when it is dropped.
#[derive(Debug)]
pub struct Wide(Arc<AtomicUsize>);

impl Default for Buffers {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Self { wide: Arc::default(), most: PER_CORE * cores }
    }
}

impl Buffers {
    /// `None` where as many as are worth it have wide buffers.
    pub fn wide(&self) -> Option<Wide> {
        let one_more = |wide| (wide < self.most).then_some(wide + 1);
        let taken = self.wide.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        taken.is_ok().then(|| Wide(Arc::clone(&self.wide)))
    }
}

impl Drop for Wide {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_once_its_connection_ended() {
        let buffers = Buffers { wide: Arc::default(), most: 2 };
        let (first, second) = (buffers.wide(), buffers.wide());
        assert!(first.is_some() && second.is_some() && buffers.wide().is_none());
        drop(first);
        assert!(buffers.wide().is_some_and(|_| buffers.wide().is_none()));
        assert!(buffers.wide().is_some());
    }

    #[test]
    fn every_core_has_some() {
        assert!(Buffers::default().most >= PER_CORE);
    }
}
