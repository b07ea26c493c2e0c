//! When which meter of a line is read: from the meters' schedules, what is done, and the time, to what is next.
//!
//! ```text
//!                     next(now)                  ended(due, verdict)
//!   set_meters --> [ Plan per meter ] --> Poll(due) --------> Read            the slot is done
//!                        |                                    Refused, Lost   again later in the slot, bounded
//!                        | close(now): slots that are over    Setback         again, behind the others
//!                        v                                    TooLate         not again
//!                      Miss (meter, slot, reason, attempts)
//! ```
//!
//! Promises: every slot of every meter in the time it covers ends once, read or missed with a truthful reason; live
//! meters go before silent ones, and among equals slots of higher priority; silent ones together take no more than
//! their share of the line's time, and one exchange. Refuses: a clock, I/O, dice: time is an argument.

mod plan;
mod slots;
mod spread;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::exchange::LineFault;
use protocol::meter::{LineId, MeterId};
use raft_store::state::UnixMillis;

use super::orders::Charge;
use crate::config;
use plan::Plan;
use slots::Slots;
use spread::Spread;

/// The limits of a schedule.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) attempts_per_slot: u32,
    pub(super) silent_after: u32,
    pub(super) silent_probe_slots: u32,
    pub(super) silent_share_percent: u32,
    pub(super) spread_percent: u32,
    pub(super) spread_max_ms: u64,
    pub(super) retry_pause_max_ms: u64,
    pub(super) closed_slots: usize,
    pub(super) thrift: Option<Thrift>,
}

impl From<&config::Polling> for Rules {
    fn from(settings: &config::Polling) -> Self {
        Self {
            attempts_per_slot: settings.attempts_per_slot,
            // A meter is not silent before it was asked.
            silent_after: settings.silent_after.max(1),
            silent_probe_slots: settings.silent_probe_slots,
            silent_share_percent: settings.silent_share_percent.clamp(1, 100),
            spread_percent: settings.spread_percent.min(100),
            spread_max_ms: millis(settings.spread_max),
            retry_pause_max_ms: millis(settings.retry_pause_max),
            closed_slots: settings.closed_slots,
            thrift: None,
        }
    }
}

pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// One read that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) meter: MeterId,
    /// The slot it answers.
    pub(super) slot: UnixMillis,
    /// The slot is over then: nothing is asked for it any more.
    pub(super) until: UnixMillis,
    /// 1 is the first.
    pub(super) attempt: u32,
}

/// What a line does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Read this meter now.
    Poll(Due),
    /// Nothing before this moment; `None`: no meters, or nothing is ever due.
    Wait(Option<UnixMillis>),
}

/// The reason of a slot that was passed over because the spool fills up.
pub(super) const PASSED_OVER: &str = "spool-pressure";

/// How much less is asked of the meters while the spool fills up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Thrift {
    /// One of so many slots of a meter is read; 0: none.
    pub(super) every: u32,
    /// How full the spool is.
    pub(super) percent: u64,
}

impl std::fmt::Display for Thrift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.every {
            0 => write!(f, "the spool is full"),
            every => write!(f, "the spool is {} % full: one of {every} slots is read", self.percent),
        }
    }
}

/// What became of one read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The reading is durable.
    Read,
    /// The meter will not; its words.
    Refused(String),
    /// The line carried no answer.
    Lost(LineFault),
    /// The channel failed under it, which is no word about the meter.
    Setback(String),
    /// The slot's end came first; whether anything was asked, and answered, before.
    TooLate { asked: bool },
}

/// A slot that ended unread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Miss {
    pub(super) meter: MeterId,
    pub(super) slot: UnixMillis,
    /// By name, durable.
    pub(super) reason: &'static str,
    pub(super) detail: String,
    pub(super) attempts: u32,
}

/// The schedule of one line.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    line: LineId,
    rules: Rules,
    plans: BTreeMap<MeterId, Plan>,
    /// What keeps the whole line from being read: reason and detail.
    hindrance: Option<(&'static str, String)>,
    /// When a silent meter was last asked, and when one may be asked again.
    silent: (u64, u64),
}

impl Schedule {
    /// No meters yet.
    pub(super) const fn new(line: LineId, rules: Rules) -> Self {
        Self { line, rules, plans: BTreeMap::new(), hindrance: None, silent: (0, 0) }
    }

    /// These are the line's meters from now on. Slots that were open and now are nobody's are answered as missed;
    /// those of a meter that left the line are its new line's.
    pub(super) fn set_meters(&mut self, meters: &[Charge], now: UnixMillis) -> Vec<Miss> {
        let mut before = std::mem::take(&mut self.plans);
        let (mut misses, mut slots) = (Vec::new(), Slots::default());
        for charge in meters {
            let id = charge.meter.id;
            let (plan, lost) = replan(charge, before.remove(&id), now.0, &mut slots);
            misses.extend(lost.map(|(plan, reason)| Miss { reason, ..plan.miss(id, None, &self.rules) }));
            self.plans.extend(plan.map(|plan| (id, plan)));
        }
        misses
    }

    /// Something keeps the whole line from being read (reason and detail), or nothing any more.
    pub(super) fn hinder(&mut self, hindrance: Option<(&'static str, String)>) {
        self.hindrance = hindrance;
    }

    /// From now on slots are passed over like this, or none are.
    pub(super) const fn press(&mut self, thrift: Option<Thrift>) {
        self.rules.thrift = thrift;
    }

    /// Ends the slots that are over, the oldest of each meter first and a bounded number at once.
    pub(super) fn close(&mut self, now: UnixMillis) -> Vec<Miss> {
        let (mut misses, mut slots) = (Vec::new(), Slots::default());
        let mut left = self.rules.closed_slots;
        for (meter, plan) in &mut self.plans {
            while plan.end() <= now.0 && left > 0 {
                misses.extend(plan.close(*meter, self.hindrance.as_ref(), &self.rules, &mut slots));
                left -= 1;
            }
        }
        misses
    }

    /// What the line does next. Slots that are over are not offered: [`Self::close`] comes first.
    pub(super) fn next(&self, now: UnixMillis) -> Next {
        let ready = self.plans.iter().filter(|(id, plan)| self.is_ready(**id, plan, now.0));
        match ready.min_by_key(|(id, plan)| (plan.rank(&self.rules), **id)) {
            Some((id, plan)) => Next::Poll(plan.to_poll(*id)),
            None => {
                let moments = self.plans.iter().map(|(id, plan)| self.wake(*id, plan, now.0));
                Next::Wait(moments.min().filter(|moment| *moment < u64::MAX).map(UnixMillis))
            }
        }
    }

    fn is_ready(&self, id: MeterId, plan: &Plan, now: u64) -> bool {
        now < plan.end() && self.due(id, plan, now).is_some_and(|due| due <= now)
    }

    /// When a meter is due; silent ones not before their share allows it.
    fn due(&self, id: MeterId, plan: &Plan, now: u64) -> Option<u64> {
        let spread = Spread { line: self.line, meters: self.plans.len() as u64 };
        let due = plan.due(id, spread, &self.rules)?;
        let (asked, free) = self.silent;
        let share_spent = plan.is_silent(&self.rules) && asked <= now;
        Some(if share_spent { due.max(free) } else { due })
    }

    fn wake(&self, id: MeterId, plan: &Plan, now: u64) -> u64 {
        self.due(id, plan, now).map_or(plan.end(), |due| due.min(plan.end()))
    }

    /// A read is over, after `spent` on the line.
    pub(super) fn ended(&mut self, due: Due, verdict: Verdict, spent: Duration, now: UnixMillis) {
        let Some(plan) = self.plans.get_mut(&due.meter).filter(|plan| plan.begin() == due.slot.0) else { return };
        if plan.is_silent(&self.rules) {
            let share = u64::from(self.rules.silent_share_percent);
            self.silent = (now.0, now.0 + millis(spent) * (100 - share) / share);
        }
        plan.record(verdict, now.0, &self.rules);
    }
}

/// A meter's plan from now on, and the plan whose open slot nobody reads any more, with the reason.
fn replan(
    charge: &Charge,
    kept: Option<Plan>,
    now: u64,
    slots: &mut Slots,
) -> (Option<Plan>, Option<(Plan, &'static str)>) {
    let is_enabled = charge.meter.enabled;
    match kept {
        Some(plan) if !is_enabled => (None, plan.is_open(now).then_some((plan, "disabled"))),
        Some(plan) if plan.follows(charge) => (Some(plan), None),
        Some(plan) => {
            let next = plan.replaced(charge, now, slots);
            let lost = plan.is_open(now) && plan.begin() != next.begin();
            (Some(next), lost.then_some((plan, "rescheduled")))
        }
        None => (is_enabled.then(|| Plan::new(charge, now, slots)), None),
    }
}
