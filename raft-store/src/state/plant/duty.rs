//! Since when each meter is due as it is, and how it was due before.
//!
//! ```text
//!   enabled ----- rescheduled ----- disabled        moments of the entries that said so
//!      |--- duty 1 ---|--- duty 2 -----|            a slot is due if it begins within one of them
//!                          ended ones are kept until the ledger has them: SettleDuties
//! ```
//!
//! Promises: the duties of a meter follow each other without overlap, whatever clock their moments came from. Refuses:
//! growing without bound: with nobody to settle them the oldest ended duties are forgotten.

use std::sync::Arc;

use imbl::OrdMap;
use protocol::meter::{LineId, MeterId};

use super::calendar::Calendar;
use super::schedule::Schedule;
use crate::state::UnixMillis;
use crate::state::registry::{Meter, Registry};

/// Ended duties kept, at most.
pub const ENDED_KEPT: usize = 1_000_000;

/// What is due since when.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Duties {
    /// How each meter stands.
    pub current: OrdMap<MeterId, Standing>,
    /// How meters were due before, in the order in which that ended.
    pub ended: OrdMap<u64, Ended>,
    /// The number of the next one that ends; they grow and are never used again.
    pub next_ended: u64,
}

/// How a meter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Since when it is due as it is, or is not due at all.
    pub since: UnixMillis,
    /// Whether it is due.
    pub due: bool,
}

/// How a meter was due for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The meter.
    pub meter: MeterId,
    /// Its line then.
    pub line: LineId,
    /// Slots that began at this moment or later ..
    pub since: UnixMillis,
    /// .. and before this one.
    pub until: UnixMillis,
    /// What made the slots.
    pub plan: Arc<Plan>,
}

/// What makes slots: a schedule, in its plant's calendar where that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The schedule.
    pub schedule: Schedule,
    /// `None` where no rule goes by the plant's time or season.
    pub calendar: Option<Calendar>,
}

impl Plan {
    pub(super) fn new(schedule: Schedule, calendar: &Calendar) -> Self {
        let calendar = schedule.needs_calendar().then(|| calendar.clone());
        Self { schedule, calendar }
    }
}

impl Duties {
    /// Meters stand as they do since before anybody said when.
    pub(super) fn of(registry: &Registry) -> Self {
        let standing = |meter: &Meter| (meter.id, Standing { since: UnixMillis(0), due: meter.enabled });
        Self { current: registry.meters.values().map(standing).collect(), ..Self::default() }
    }

    /// A meter is due, or not, from `at` on: as `plan` says it was until then.
    pub(super) fn turn(&mut self, at: UnixMillis, meter: &Meter, due: bool, plan: impl FnOnce() -> Plan) {
        let was = self.current.get(&meter.id).copied().unwrap_or_default();
        // The clock of whoever proposed this may be behind the one that proposed the last change.
        let at = at.max(was.since);
        self.current.insert(meter.id, Standing { since: at, due });
        if was.due && was.since < at {
            self.keep(Ended { meter: meter.id, line: meter.line, since: was.since, until: at, plan: Arc::new(plan()) });
        }
    }

    /// A meter is no more.
    pub(super) fn forget(&mut self, at: UnixMillis, meter: &Meter, plan: impl FnOnce() -> Plan) {
        self.turn(at, meter, false, plan);
        self.current.remove(&meter.id);
    }

    fn keep(&mut self, mut ended: Ended) {
        // Most changes end many duties of one plan: it is kept once.
        if let Some(last) = self.ended.values().next_back().filter(|last| last.plan == ended.plan) {
            ended.plan = Arc::clone(&last.plan);
        }
        self.ended.insert(self.next_ended, ended);
        self.next_ended += 1;
        if self.ended.len() > ENDED_KEPT {
            self.ended = self.ended.without_min().1;
        }
    }

    /// The ledger has those up to and including `upto`. How many these were.
    pub(super) fn settle(&mut self, upto: u64) -> u32 {
        let before = self.ended.len();
        self.ended = self.ended.split_lookup(&upto).2;
        u32::try_from(before - self.ended.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn check(&self, registry: &Registry) -> Result<(), String> {
        let due = |meter: &Meter| (meter.id, meter.enabled);
        let stand = self.current.iter().map(|(meter, standing)| (*meter, standing.due));
        if !stand.eq(registry.meters.values().map(due)) {
            return Err("the meters that are enabled and those that are due differ".to_owned());
        }
        if let Some((number, ended)) = self.ended.iter().find(|(_, ended)| ended.since >= ended.until) {
            return Err(format!("ended duty {number} of meter {} lasted no time", ended.meter));
        }
        match self.ended.keys().next_back() {
            Some(last) if *last >= self.next_ended => Err(format!("ended duty {last} is not before the next")),
            _ => Ok(()),
        }
    }
}
