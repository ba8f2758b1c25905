//! What operators see and set: commands, health, metrics, logs, timeouts, ends.

mod admin;
mod commands;
mod copies;
pub(crate) mod ledger_commands;
mod logs;
mod monitoring;
mod moving;
mod proxying;
mod shutdown;
mod timeouts;
mod went_back;
