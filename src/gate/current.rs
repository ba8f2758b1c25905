//! The gate of whatever begins from now on: it changes with the policy.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Gate;
use crate::policy::Policy;

/// Hands out the gate with the newest policy. What runs keeps the one that it was given.
#[derive(Debug)]
pub struct CurrentGate(ArcSwap<Gate>);

impl CurrentGate {
    pub fn new(gate: Gate) -> Self {
        Self(ArcSwap::from_pointee(gate))
    }

    pub fn get(&self) -> Arc<Gate> {
        self.0.load_full()
    }

    /// Lets this policy decide over whatever begins after.
    pub fn follow(&self, policy: Policy) {
        self.0.store(Arc::new(self.0.load().under(Arc::new(policy))));
    }
}
