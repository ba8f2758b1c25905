//! What only the shared engine promises; the rest is in the common suite.
