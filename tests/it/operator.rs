//! What operators see and set: commands, health, metrics, logs, timeouts, ends.

mod admin;
mod checking;
mod commands;
mod copies;
mod doctor;
pub(crate) mod ledger_commands;
mod logs;
mod monitoring;
mod moving;
mod proxying;
pub(crate) mod reload;
mod shutdown;
mod timeouts;
mod went_back;
