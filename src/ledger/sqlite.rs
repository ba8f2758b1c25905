//! The embedded ledger: SQLite.
