//! The matrix as people read it: a row for each request, a column for each client.

use super::request::Row;
use super::world::{CREDENTIALS, Credential};

/// What came of a cell.
pub struct Outcome {
    /// The status of the registry without a proxy.
    pub alone: u16,
    pub proxied: u16,
    /// The exchange with the proxy, for people.
    pub exchange: String,
    /// What must not be; empty where all is well.
    pub faults: Vec<String>,
}

pub struct Table {
    title: String,
    rows: Vec<(&'static str, Vec<String>)>,
    faults: Vec<String>,
}

impl Table {
    pub fn new(title: String) -> Self {
        Self { title, rows: Vec::new(), faults: Vec::new() }
    }

    /// Cells come row by row.
    pub fn enter(&mut self, row: &Row, credential: &Credential, outcome: Outcome) {
        let Outcome { alone, proxied, exchange, faults } = outcome;
        let mark = if faults.is_empty() { "" } else { " **!**" };
        let cell = if alone == proxied { format!("{proxied}{mark}") } else { format!("{alone} → {proxied}{mark}") };
        match self.rows.last_mut() {
            Some((_, cells)) if cells.len() < CREDENTIALS.len() => cells.push(cell),
            _ => self.rows.push((row.name, vec![cell])),
        }
        for fault in faults {
            self.faults.push(format!("- {} ({}): {fault}\n```\n{exchange}```\n", row.name, credential.name));
        }
    }

    fn markdown(&self) -> String {
        let names: Vec<&str> = CREDENTIALS.iter().map(|credential| credential.name).collect();
        let mut text = format!("{}: alone → proxied\n\n| request | {} |\n|---|", self.title, names.join(" | "));
        text.push_str(&"---|".repeat(names.len()));
        text.push('\n');
        for (name, cells) in &self.rows {
            text.push_str(&format!("| {name} | {} |\n", cells.join(" | ")));
        }
        text
    }

    #[track_caller]
    pub fn expect_no_fault(&self) {
        assert!(self.faults.is_empty(), "{}\n{}", self.markdown(), self.faults.join("\n"));
    }
}
