//! One conformance suite, run on every ledger.
