//! Everything a span of slots has in the tables, page after page.
//!
//! ```text
//!   span (as the table is cut) -> some meters at once, or all -> page, page .. by the primary key -> next span
//!
//!   misses  ####|........                 misses are looked at first, and readings no further than that: a slot that
//!   readings ###########|....             is read meanwhile is in both, and is a reading; it is never in neither
//! ```
//!
//! Promises: no question asks for more than a page; between two of them nothing is held but the connection; one that was
//! lost is made again and the page asked for again, within the limits of the configuration; no row comes twice; a question
//! whose asker is gone is ended on the server. Refuses: one moment for all of it: what is written while it runs may be in
//! it or not.

mod asked;
mod page;
mod spans;

use std::collections::VecDeque;
use std::sync::Arc;

use protocol::meter::Quantity;

use super::rows::Key;
use super::session::{Purpose, Session};
use super::writer::Flavour;
use super::{DatabaseError, Reader};
use crate::config;
use asked::Asked;
use page::Page;
use spans::Span;

/// What is to be exported.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExportQuery {
    /// Of these meters; `None`: of all.
    pub meters: Option<Vec<u64>>,
    /// How many meters there are, from which follows about how many rows those named have.
    pub registered: u64,
    /// Slots from this moment on, Unix ms.
    pub from: Option<u64>,
    /// Slots before this moment, Unix ms.
    pub to: Option<u64>,
    /// Missed slots, too.
    pub missed: bool,
}

/// A reading, or a slot that was missed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExportedRow {
    /// The meter.
    pub meter_id: u64,
    /// The slot, Unix ms.
    pub slot: u64,
    /// 1 scheduled, 2 on-demand.
    pub kind: u8,
    /// When it was accepted or given up, Unix ms.
    pub at: u64,
    /// The line it was read on.
    pub line_id: u64,
    /// The values, in the order of [`Quantity::ALL`].
    pub values: [Option<i64>; Quantity::ALL.len()],
    /// The meter's own clock, ISO 8601; empty where it gave none.
    pub meter_time: String,
    /// 1 open, 2 closed, 3 fault; 0: no valve.
    pub valve: u8,
    /// Doubts; `None` for a missed slot.
    pub quality: Option<u32>,
    /// Why the slot was missed; `None` for a reading.
    pub missed: Option<String>,
}

impl ExportedRow {
    const fn key(&self) -> Key {
        Key { meter: self.meter_id, slot: self.slot, kind: self.kind }
    }
}

/// An export under way, with a connection of its own.
#[derive(Debug)]
pub struct Export {
    config: Arc<config::Mysql>,
    session: Session,
    /// Meters that are named in one question together, ascending; one `None` for all of them.
    groups: Vec<Option<Vec<u64>>>,
    missed: bool,
    /// The first is the one under way.
    spans: VecDeque<Span>,
    place: Place,
    given: u64,
    given_of_span: u64,
}

/// How far the span under way is.
#[derive(Debug, Default)]
struct Place {
    group: usize,
    after: Option<Key>,
    /// Misses that lie beyond the readings looked at.
    misses: VecDeque<ExportedRow>,
    no_more_misses: bool,
}

impl Reader {
    /// Begins an export on a connection of its own.
    pub async fn export(&self, query: ExportQuery) -> Result<Export, DatabaseError> {
        let config = self.settings();
        let mut session = open(&config).await?;
        let spans = spans::of(&mut session, &query).await?;
        let groups = match query.meters {
            None => vec![None],
            Some(mut meters) => {
                meters.sort_unstable();
                meters.dedup();
                meters.chunks(config.export_meters).map(|some| Some(some.to_vec())).collect()
            }
        };
        let (place, missed) = (Place::default(), query.missed);
        let spans = if groups.is_empty() { VecDeque::new() } else { spans };
        Ok(Export { config, session, groups, missed, spans, place, given: 0, given_of_span: 0 })
    }
}

async fn open(config: &config::Mysql) -> Result<Session, DatabaseError> {
    let mut session = Session::open_any(config, Purpose::Read).await?;
    // Whoever asked may be gone: the server ends the question by itself.
    let limit = config.statement_timeout;
    let set = match session.flavour() {
        Flavour::MariaDb => format!("SET SESSION max_statement_time = {}", limit.as_secs().max(1)),
        Flavour::MySql => format!("SET SESSION max_execution_time = {}", limit.as_millis().max(1)),
    };
    session.execute(&set).await?;
    Ok(session)
}

impl Export {
    /// Rows of the whole export, about; exact once everything was given.
    pub fn about(&self) -> u64 {
        let mut rest = self.spans.iter().map(|span| span.about);
        let under_way = rest.next().unwrap_or(0).saturating_sub(self.given_of_span);
        self.given + under_way + rest.sum::<u64>()
    }

    /// The rows that follow, at least one and about a page; `None` where no more do.
    pub async fn next(&mut self) -> Result<Option<Vec<ExportedRow>>, DatabaseError> {
        while let Some(span) = self.spans.front().copied() {
            let (rows, is_last) = self.step(span).await?;
            let count = rows.len() as u64;
            (self.given, self.given_of_span) = (self.given + count, self.given_of_span + count);
            if is_last {
                self.turn();
            }
            if !rows.is_empty() {
                return Ok(Some(rows));
            }
        }
        Ok(None)
    }

    /// To the next meters, or after the last of them to the next span.
    fn turn(&mut self) {
        let group = self.place.group + 1;
        self.place = Place::default();
        if group < self.groups.len() {
            self.place.group = group;
        } else {
            self.spans.pop_front();
            self.given_of_span = 0;
        }
    }

    /// One page of readings with the misses between them, and whether it was the last of these meters in this span.
    async fn step(&mut self, span: Span) -> Result<(Vec<ExportedRow>, bool), DatabaseError> {
        let full = self.config.export_page_rows;
        if self.missed && self.place.misses.is_empty() && !self.place.no_more_misses {
            let misses = self.ask("missed", span, None).await?;
            self.place.no_more_misses = misses.len() < full;
            self.place.misses = misses.into();
        }
        let looked_at = !self.missed || self.place.no_more_misses;
        let bound = self.place.misses.back().filter(|_| !looked_at).map(ExportedRow::key);
        let readings = self.ask("reading", span, bound).await?;
        let upto = if readings.len() < full { bound } else { readings.last().map(ExportedRow::key) };
        let beyond =
            upto.map_or(self.place.misses.len(), |upto| self.place.misses.partition_point(|miss| miss.key() <= upto));
        let misses: Vec<_> = self.place.misses.drain(..beyond).collect();
        self.place.after = upto;
        Ok((merged(readings, misses), upto.is_none()))
    }

    async fn ask(
        &mut self,
        table: &'static str,
        span: Span,
        upto: Option<Key>,
    ) -> Result<Vec<ExportedRow>, DatabaseError> {
        let meters = self.groups.get(self.place.group).and_then(Option::as_deref);
        let page = Page { table, span, meters, after: self.place.after, upto, rows: self.config.export_page_rows };
        let mut failed = 0;
        loop {
            let asked = Asked::of(&self.session, &self.config);
            let answer = page.ask(&mut self.session).await;
            asked.was_answered();
            match answer {
                Err(DatabaseError::Lost(_) | DatabaseError::Retry(_)) if failed < self.config.retries => {
                    failed += 1;
                    tokio::time::sleep(self.config.retry_min.saturating_mul(failed)).await;
                    match open(&self.config).await {
                        Ok(session) => self.session = session,
                        Err(error) if failed == self.config.retries => return Err(error),
                        Err(error) => tracing::debug!(%error, "an export has no connection"),
                    }
                }
                answer => return answer,
            }
        }
    }
}

/// Both in the order of their keys; where a slot is in both it is a reading.
fn merged(readings: Vec<ExportedRow>, misses: Vec<ExportedRow>) -> Vec<ExportedRow> {
    if misses.is_empty() {
        return readings;
    }
    let mut rows = readings;
    rows.extend(misses);
    rows.sort_by_key(|row| (row.key(), row.missed.is_some()));
    rows.dedup_by_key(|row| row.key());
    rows
}
