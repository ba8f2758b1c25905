//! The release log of a target.

use futures_util::future::try_join_all;
use uuid::Uuid;

use super::{Target, place_of};
use crate::ledger::LedgerError;
use crate::ledger::carry::{EventRow, TurnRow, Waiting, WaitingRow};
use crate::ledger::event::Outcome;
use crate::ledger::postgres::connection::given;
use crate::ledger::postgres::events::{event_row, note_row};
use crate::ledger::postgres::statements::column;
use crate::ledger::row::Place;
use crate::ledger::row::event::{event_columns, note_columns};

const ENTER: &str = "INSERT INTO events (registry, at, repository, tag, action, outcome, digest, previous, \
     media_type, size, who, client, rule, request, detail, points) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
const COUNT: &str = "SELECT count(*) FROM events";
const EVENTS: &str = concat!("SELECT ", event_columns!(), " FROM events WHERE number > $1 ORDER BY number LIMIT $2");

const ENTER_NOTE: &str = concat!(
    "INSERT INTO notes (registry, repository, tag, attempt, ",
    note_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING"
);
const ENTER_CHANGE: &str = concat!(
    "INSERT INTO changes (registry, repository, tag, attempt, ",
    note_columns!(),
    ", digest, told) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING"
);
const NOTES: &str = concat!(
    "SELECT registry, repository, tag, attempt, NULL::text, FALSE, ",
    note_columns!(),
    " FROM notes ORDER BY registry, repository, tag, attempt"
);
const CHANGES: &str = concat!(
    "SELECT registry, repository, tag, attempt, digest, told, ",
    note_columns!(),
    " FROM changes ORDER BY registry, repository, tag, attempt"
);

const ENTER_TURN: &str = "INSERT INTO turns (name, position) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const TURNS: &str = "SELECT name, position FROM turns ORDER BY name";

const PLACE: Place<'_> = Place { registry: "*", row: &"a row of the target" };

impl Target {
    /// Writes events behind those that are there, in this order.
    pub async fn enter_events(&self, page: &[EventRow]) -> Result<(), LedgerError> {
        self.write(async |connection| {
            let entering = page.iter().map(async |row| {
                let points = Outcome::parse(&row.outcome).is_some_and(Outcome::points);
                let parameters = given![
                    row.registry => TEXT, row.at => INT8, row.repository => TEXT, row.tag => TEXT, row.action => TEXT,
                    row.outcome => TEXT, row.digest => TEXT, row.previous => TEXT, row.media_type => TEXT, row.size => INT8,
                    row.who => TEXT, row.client => TEXT, row.rule => TEXT, row.request => TEXT, row.detail => TEXT, points => BOOL,
                ];
                connection.change(ENTER, &parameters).await
            });
            try_join_all(entering).await?;
            Ok(())
        })
        .await
    }

    pub async fn count_events(&self) -> Result<u64, LedgerError> {
        self.read(async |connection| {
            let row = connection.row(COUNT, &[]).await?;
            Ok(row.map_or(Ok(0), |row| column::<i64>(&row, 0, PLACE))?.unsigned_abs())
        })
        .await
    }

    /// Events behind this number, in the order of their numbers.
    pub async fn events(&self, after: i64, limit: u32) -> Result<Vec<EventRow>, LedgerError> {
        self.read(async |connection| {
            let rows = connection.rows(EVENTS, &given![after => INT8, i64::from(limit) => INT8]).await?;
            rows.iter().map(|row| Ok(event_row(row, 0, PLACE)?)).collect()
        })
        .await
    }

    pub async fn enter_waiting(&self, kind: Waiting, page: &[WaitingRow]) -> Result<(), LedgerError> {
        self.write(async |connection| {
            for WaitingRow { place, attempt, digest, told, note } in page {
                let parameters = given![
                    place.registry => TEXT, place.repository => TEXT, place.tag => TEXT, Uuid::from_bytes(*attempt) => UUID,
                    note.at => INT8, note.media_type => TEXT, note.size => INT8, note.who => TEXT, note.client => TEXT,
                    note.rule => TEXT, note.request => TEXT, note.detail => TEXT, digest => TEXT, told => BOOL,
                ];
                match kind {
                    Waiting::Notes => connection.change(ENTER_NOTE, &parameters[..12]).await?,
                    Waiting::Changes => connection.change(ENTER_CHANGE, &parameters).await?,
                };
            }
            Ok(())
        })
        .await
    }

    pub async fn enter_turns(&self, turns: &[TurnRow]) -> Result<(), LedgerError> {
        self.write(async |connection| {
            for TurnRow { name, position } in turns {
                connection.change(ENTER_TURN, &given![name => TEXT, position => INT8]).await?;
            }
            Ok(())
        })
        .await
    }

    /// How far the log was handed on, under each name.
    pub async fn turns(&self) -> Result<Vec<TurnRow>, LedgerError> {
        self.read(async |connection| {
            let rows = connection.rows(TURNS, &[]).await?;
            rows.iter().map(|row| Ok(TurnRow { name: column(row, 0, PLACE)?, position: column(row, 1, PLACE)? })).collect()
        })
        .await
    }

    /// Everything that waits for its end.
    pub async fn waiting(&self, kind: Waiting) -> Result<Vec<WaitingRow>, LedgerError> {
        self.read(async |connection| {
            let rows = connection.rows(if kind == Waiting::Notes { NOTES } else { CHANGES }, &[]).await?;
            let waiting = |row| {
                let attempt: Uuid = column(row, 3, PLACE)?;
                let (digest, told, note) = (column(row, 4, PLACE)?, column(row, 5, PLACE)?, note_row(row, 6, PLACE)?);
                Ok(WaitingRow { place: place_of(row)?, attempt: attempt.into_bytes(), digest, told, note })
            };
            rows.iter().map(waiting).collect()
        })
        .await
    }
}
