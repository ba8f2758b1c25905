//! A gate at which a request waits until the test lets it go on.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Where requests wait, and the test for them.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Default)]
struct GateState {
    waiting: usize,
    is_open: bool,
}

impl Gate {
    /// Waits until a request stands at the gate.
    #[track_caller]
    pub fn wait_until_reached(&self) {
        let (state, changed) = &*self.0;
        let limit = Duration::from_secs(30);
        let state = state.lock().expect("the gate");
        let (state, _) = changed.wait_timeout_while(state, limit, |state| state.waiting == 0).expect("the gate");
        assert!(state.waiting > 0, "no request reached the gate within {limit:?}");
    }

    pub fn open(&self) {
        let (state, changed) = &*self.0;
        state.lock().expect("the gate").is_open = true;
        changed.notify_all();
    }

    /// Called by the request: says that it is here, and waits.
    pub fn pass(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().expect("the gate");
        state.waiting += 1;
        changed.notify_all();
        drop(changed.wait_while(state, |state| !state.is_open).expect("the gate"));
    }
}
