//! The accounts of due slots: what was due is told to the database, and what nobody accounted for is marked there.
//!
//! ```text
//!   state --> duties --> tell --> make moments --> settle what ended --> sweep up to the hold --> board
//!                         ^ fenced by the log's index                      ^ what a spool may still have is not closed
//! ```
//!
//! Why no slot is forgotten: the state is read through the log before every look. Whatever is decided later names a moment
//! that is at most a clock's error and a proposal's time before it was read, which is less than `ledger.grace`; and slots
//! are closed only when they were over for longer than that.
//!
//! Promises: the horizon passes a slot only after the database knows every duty of that time, and no spool is known to hold
//! a record of it. Refuses: writing readings, and going on beside another leader.

mod duties;
mod hold;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use protocol::api::admin::LedgerStatus;
use protocol::api::admin::database_status::State as DatabaseState;
use raft_store::state::plant::duty::Plan;
use raft_store::state::{Entry, State};
use tokio_util::sync::CancellationToken;

use super::ticks::Ticks;
use crate::clock::{Moment, wall_now};
use crate::cluster::{Applied, Cluster};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::mysql::{self, Book, Bounds, DatabaseError, LedgerError, Made, SlotRow};
use crate::timetable::{NoSuchZone, Timetable, Zone};
use duties::Told;

/// Why a look came to nothing.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Zone(#[from] NoSuchZone),
    #[error("the log cannot be read: {0}")]
    Log(String),
}

/// The duty of keeping the accounts, from election to the loss of leadership.
#[derive(Debug)]
pub struct Ledger {
    cluster: Cluster,
    config: Arc<Config>,
    metrics: Metrics,
    open: Option<Open>,
    status: LedgerStatus,
}

/// The book, as this leader has it open.
#[derive(Debug)]
struct Open {
    ledger: mysql::Ledger,
    book: Book,
    told: Told,
    /// When it has to be looked for moments that are to be made, Unix ms.
    make_at: u64,
    /// All slots that are over by then are made, Unix ms.
    made_to: u64,
    checked: Option<Moment>,
}

impl Ledger {
    /// The duty of this leadership.
    pub fn new(cluster: Cluster, config: Arc<Config>, metrics: Metrics) -> Self {
        Self { cluster, config, metrics, open: None, status: LedgerStatus::default() }
    }

    /// Looks and carries on until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let board = self.cluster.board();
        board.set_ledger(self.status.clone());
        if self.config.mysql.endpoints.is_empty() {
            return stop.cancelled().await;
        }
        let mut ticks = Ticks::every(self.config.ledger.every);
        while ticks.next(&stop).await {
            // Tables are made by the writer, with its connection.
            if board.database().state() != DatabaseState::Ok {
                continue;
            }
            let looked = tokio::select! {
                () = stop.cancelled() => return,
                looked = self.look() => looked,
            };
            self.status.error = looked.err().map(|error| self.given_up(&error)).unwrap_or_default();
            self.metrics.ledger_stands(&self.status, wall_now().0);
            board.set_ledger(self.status.clone());
        }
    }

    /// What people are told of an error; nothing of one that passes by itself.
    fn given_up(&mut self, error: &LookError) -> String {
        tracing::debug!(%error, "the ledger is not carried on");
        if !matches!(error, LookError::Ledger(LedgerError::Database(DatabaseError::Retry(_)))) {
            self.open = None;
        }
        match error {
            LookError::Ledger(LedgerError::Database(DatabaseError::Retry(_))) | LookError::Log(_) => String::new(),
            other => other.to_string(),
        }
    }

    async fn look(&mut self) -> Result<(), LookError> {
        let applied = self.cluster.read().await.map_err(|error| LookError::Log(error.to_string()))?;
        let now = wall_now().0;
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin(&applied, now).await?,
        };
        let carried = self.carry_on(&mut open, &applied, now).await;
        self.open = Some(open);
        carried
    }

    async fn begin(&self, applied: &Applied, now: u64) -> Result<Open, LookError> {
        let cluster = &applied.state.membership.cluster_id;
        let (mut ledger, book) = mysql::Ledger::open(&self.config.mysql, &self.config.ledger, cluster, now).await?;
        let told = Told::new(book.applied, ledger.open_duties().await?);
        Ok(Open { ledger, book, told, make_at: 0, made_to: 0, checked: None })
    }

    async fn carry_on(&mut self, open: &mut Open, applied: &Applied, now: u64) -> Result<(), LookError> {
        self.tell(open, applied, now).await?;
        if open.make_at <= now {
            let plans = duties::plans(&applied.state);
            make(open, &plans, now, &self.config.ledger).await?;
        }
        self.settle(open, &applied.state).await;
        self.sweep(open, applied, now).await?;
        self.check(open, now).await
    }

    async fn tell(&self, open: &mut Open, applied: &Applied, now: u64) -> Result<(), LookError> {
        let Some(telling) = open.told.difference(&applied.state, now) else { return Ok(()) };
        if !telling.duties.is_empty() {
            let known = open.told.applied();
            open.ledger.tell(known, applied.index, &telling.schedules, &telling.duties).await?;
            open.make_at = 0;
            open.told.told(telling, Some(applied.index));
        } else {
            open.told.told(telling, None);
        }
        Ok(())
    }

    /// What ended, is told and has its moments may leave the state.
    async fn settle(&self, open: &Open, state: &State) {
        let Some(upto) = open.told.settled(state).filter(|_| open.make_at > 0) else { return };
        if let Err(error) = self.cluster.propose(Entry::SettleDuties { upto }).await {
            tracing::debug!(%error, "ended duties stay in the state");
        }
    }

    async fn sweep(&mut self, open: &mut Open, applied: &Applied, now: u64) -> Result<(), LookError> {
        let members = applied.state.membership.members.keys().copied();
        let Some((_, silences)) = self.cluster.hearing().silences(members, Moment::now()) else { return Ok(()) };
        let hold = hold::of(&silences, now, self.config.ledger.silent_node_limit);
        let grace = millis(self.config.ledger.grace);
        let limit = hold.until.saturating_sub(grace).min(open.made_to);
        let bounds = Bounds { limit, lost: hold.lost, grace };
        for _ in 0..self.config.ledger.sweeps_per_look {
            let swept = open.ledger.sweep(open.told.applied(), &bounds).await?;
            open.book.horizon = swept.horizon;
            self.status.horizon = swept.horizon;
            self.status.marked += swept.marked;
            if swept.horizon >= bounds.limit {
                break;
            }
        }
        self.status.held_by = hold.by.map_or(0, |node| node.0);
        Ok(())
    }

    async fn check(&mut self, open: &mut Open, now: u64) -> Result<(), LookError> {
        let settings = &self.config.ledger;
        if open.checked.is_some_and(|at| Moment::now().since(at) < settings.check_every) {
            return Ok(());
        }
        let begins = open.ledger.prune(open.told.applied(), now.saturating_sub(millis(settings.keep))).await?;
        let to = open.book.horizon;
        let from = to.saturating_sub(millis(settings.check_span)).max(begins);
        self.status.unaccounted = open.ledger.unaccounted(from, to).await?;
        open.checked = Some(Moment::now());
        Ok(())
    }
}

/// Makes the moments of all schedules that are or were due, as far ahead as asked.
async fn make(
    open: &mut Open,
    plans: &BTreeMap<u64, Arc<Plan>>,
    now: u64,
    settings: &crate::config::Ledger,
) -> Result<(), LookError> {
    let ahead = now.saturating_add(millis(settings.ahead));
    let mut budget = settings.slots_per_look;
    open.made_to = ahead;
    open.make_at = now.saturating_add(millis(settings.ahead / 2));
    for made in open.ledger.made().await? {
        let needed = made.needed_until.unwrap_or(ahead);
        let Some(plan) = plans.get(&made.schedule).filter(|_| made.to < needed) else { continue };
        let (slots, to) = slots(plan, &made, needed, budget)?;
        if to > made.to {
            open.ledger.make(open.told.applied(), made.schedule, (made.to, to), &slots).await?;
        }
        budget -= slots.len();
        if to < needed {
            open.made_to = open.made_to.min(to);
            open.make_at = 0;
        }
    }
    Ok(())
}

/// The next slots of `plan`, at most `budget`, and the moment before which they are all that begin.
fn slots(plan: &Plan, made: &Made, needed: u64, budget: usize) -> Result<(Vec<SlotRow>, u64), NoSuchZone> {
    let calendar = plan.calendar.clone().unwrap_or_default();
    let table = Timetable::new(&plan.schedule, &calendar, &Zone::named(&calendar.zone)?);
    let slots: Vec<_> = table.between(made.to, needed).take(budget).map(duties::slot).collect();
    let to = match slots.last() {
        Some(last) if slots.len() == budget => last.begin + 1,
        None if budget == 0 => made.to,
        _ => needed,
    };
    Ok((slots, to))
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
