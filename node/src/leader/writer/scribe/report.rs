//! What the writing loop tells people.
//!
//! Promises: the board shows every change of the database's state; going away and coming back are one event each, however
//! often it is tried between. Refuses: deciding anything.

use protocol::api::admin::DatabaseStatus;
use protocol::api::admin::database_status::State;
use protocol::api::peer::SpoolRecord;
use tokio::time::Instant;

use super::Backlog;
use crate::clock::wall_now;
use crate::cluster::board::Board;
use crate::mysql::{DatabaseError, Writer};

pub(super) struct Report {
    board: Board,
    backlog: Backlog,
    status: DatabaseStatus,
    away_since: Option<Instant>,
}

impl Report {
    pub(super) fn new(board: Board, backlog: Backlog) -> Self {
        let status = DatabaseStatus { state: State::Connecting.into(), ..DatabaseStatus::default() };
        board.set_database(status.clone());
        Self { board, backlog, status, away_since: None }
    }

    pub(super) fn away(&mut self, error: &DatabaseError) {
        let state = if error.needs_person() { State::Refused } else { State::Unreachable };
        let (endpoint, text) = (error.fault().endpoint.to_string(), error.to_string());
        if self.away_since.is_none() {
            self.away_since = Some(Instant::now());
            self.board.event(format!("database away: {text}; {} records waiting", self.backlog.records()));
        } else if self.status.error != text {
            tracing::warn!(error = %text, "database still away");
        }
        self.show(DatabaseStatus { state: state.into(), endpoint, error: text, ..self.status.clone() });
    }

    pub(super) fn back(&mut self, endpoint: &str, writer: Writer) {
        tracing::info!(endpoint, writer = writer.name(), "database takes rows");
        if let Some(since) = self.away_since.take() {
            let seconds = since.elapsed().as_secs();
            self.board.event(format!("database back after {seconds} s; {} records waiting", self.backlog.records()));
        }
        let (state, endpoint, writer) = (State::Ok.into(), endpoint.to_owned(), writer.name().to_owned());
        self.show(DatabaseStatus { state, endpoint, writer, error: String::new(), ..self.status.clone() });
    }

    /// `stored` are in the tables, `rows` rows; `set_aside` never will be.
    pub(super) fn committed<'r>(&mut self, stored: impl Iterator<Item = &'r SpoolRecord>, rows: u64, set_aside: u64) {
        if set_aside > 0 {
            self.note(format!("{set_aside} records were set aside: see table rejected"));
        }
        self.show(DatabaseStatus {
            rows_written: self.status.rows_written.saturating_add(rows),
            rows_rejected: self.status.rows_rejected.saturating_add(set_aside),
            last_commit_at: wall_now().0,
            ..self.status.clone()
        });
        self.board.committed(stored);
    }

    pub(super) fn note(&self, text: String) {
        self.board.event(text);
    }

    fn show(&mut self, status: DatabaseStatus) {
        self.status = status.clone();
        self.board.set_database(status);
    }
}
