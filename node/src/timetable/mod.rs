//! From a schedule and the plant's calendar to slots.
//!
//! ```text
//!   every 15m in season; daily 00:00      + zone, seasons  -->  .. 23:45  00:00  00:15 ..      in season
//!                                                               .. 00:00 (day before)  00:00 ..    off season
//!   slot:  begin ---------- on time until ---------- end = the next begin, or the rule's length is over
//! ```
//!
//! Promises: pure: the same schedule, calendar and moment give the same slots on every node of a release; slots never
//! overlap; a moment that two rules name is one slot, with the wider limit, the higher priority and the rarer freeze of
//! both. An hour that is left out in spring moves what falls into it by that hour; of an hour that comes twice in autumn
//! the first counts, and for rules through all hours both. Refuses: asking for the time.

mod rule;
mod shared;
#[cfg(test)]
mod tests;
mod words;
mod zone;

use raft_store::state::plant::calendar::Calendar;
use raft_store::state::plant::schedule::{Freeze, Priority, Rule, Schedule};

use rule::Moments;
pub use shared::{Timetables, replanned};
pub use words::calendar;
pub use zone::{NoSuchZone, Zone};

/// One slot. All times are Unix ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// What it is called by.
    pub begin: u64,
    /// It is over then.
    pub end: u64,
    /// Answered until then it is on time.
    pub on_time_until: u64,
    /// Whether it goes before others.
    pub priority: Priority,
    /// What is asked of it beside the moment's values.
    pub freeze: Option<Freeze>,
}

/// The slots of a schedule in a plant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timetable {
    rules: Vec<Moments>,
}

impl Timetable {
    /// The slots of `schedule` by `calendar`, whose zone is `zone`.
    pub fn new(schedule: &Schedule, calendar: &Calendar, zone: &Zone) -> Self {
        let moments = |rule: &Rule| Moments::new(rule.clone(), calendar.clone(), zone.clone());
        Self { rules: schedule.rules().iter().map(moments).collect() }
    }

    /// The slot that `now` lies in; `None` where nothing is due.
    pub fn at(&self, now: u64) -> Option<Slot> {
        let begin = self.rules.iter().filter_map(|rule| rule.last_until(now)).max()?;
        self.slot(begin).filter(|slot| slot.end > now)
    }

    /// The first slot that begins after `moment`; `None`: there is none for years.
    pub fn after(&self, moment: u64) -> Option<Slot> {
        self.slot(self.begin_after(moment)?)
    }

    /// Milliseconds from slot to slot, where it is one interval and all of it is on time.
    pub fn interval_ms(&self) -> Option<u64> {
        match self.rules.as_slice() {
            [one] => one.interval_ms(),
            _ => None,
        }
    }

    /// The first moment of each rule from `moment` on.
    pub fn firsts(&self, moment: u64) -> impl Iterator<Item = u64> + '_ {
        self.rules.iter().filter_map(move |rule| rule.first_after(moment.saturating_sub(1)))
    }

    /// The slots that begin from `from` on and before `to`, in order.
    pub fn between(&self, from: u64, to: u64) -> impl Iterator<Item = Slot> + '_ {
        let mut begin = match from.checked_sub(1) {
            Some(before) => self.begin_after(before),
            None => self.rules.iter().any(|rule| rule.names(0)).then_some(0).or_else(|| self.begin_after(0)),
        };
        std::iter::from_fn(move || {
            let slot = self.slot(begin.filter(|begin| *begin < to)?)?;
            begin = self.begin_after(slot.begin);
            Some(slot)
        })
    }

    fn begin_after(&self, moment: u64) -> Option<u64> {
        self.rules.iter().filter_map(|rule| rule.first_after(moment)).min()
    }

    /// The slot that begins at `begin`, by all rules that name this moment.
    fn slot(&self, begin: u64) -> Option<Slot> {
        let named: Vec<&Rule> = self.rules.iter().filter(|rule| rule.names(begin)).map(|rule| &rule.rule).collect();
        let named = || named.iter().copied();
        let after = |seconds: u32| begin.saturating_add(u64::from(seconds) * 1_000);
        let length = named().map(Rule::length_s).max()?;
        let end = self.begin_after(begin).unwrap_or(u64::MAX).min(after(length));
        let within = named().map(Rule::within_s).max()?;
        let priority = named().map(|rule| rule.priority).max()?;
        let freeze = named().filter_map(Rule::freeze).max();
        Some(Slot { begin, end, on_time_until: after(within).min(end), priority, freeze })
    }
}
