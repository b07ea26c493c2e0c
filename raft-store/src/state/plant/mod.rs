//! What the plant is to people: where its lines and meters stand, when they are read, and since when that is due.
//!
//! ```text
//!   calendar   zone and seasons        schedule   rules in words
//!   detail     of a line, of a meter   policy     a schedule for all meters of a selector
//!   duty       since when a meter is due as it is, and how it was due before
//!
//!   a meter's schedule:  its own, else that of the first policy that selects it, else its line's, else every 15 minutes
//! ```
//!
//! Promises: every enabled meter has one schedule and one duty; whatever changes what is due ends the duty and begins the
//! next at the same moment. Refuses: working out moments: that takes the rules of time zones, which change with releases.

pub mod calendar;
pub mod detail;
pub mod duty;
pub mod policy;
pub mod schedule;

use std::borrow::Cow;

use imbl::OrdMap;
use protocol::meter::{LineId, MeterId};

use super::registry::{Meter, Registry};
use super::{Refused, UnixMillis};
use calendar::Calendar;
use detail::{LineDetail, MeterDetail, Own};
use duty::{Duties, Plan};
use policy::Policy;
use schedule::Schedule;

/// What the plant is to people.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plant {
    /// Its zone and seasons.
    pub calendar: Calendar,
    /// Schedules by selector, by name.
    pub policies: OrdMap<String, Policy>,
    /// Of lines that have any.
    pub lines: OrdMap<LineId, LineDetail>,
    /// Of meters that have any.
    pub meters: OrdMap<MeterId, MeterDetail>,
    /// What is due since when.
    pub duties: Duties,
}

impl Plant {
    /// The plant of a registry of which nothing else was ever said.
    pub(crate) fn of(registry: &Registry) -> Self {
        Self { duties: Duties::of(registry), ..Self::default() }
    }

    /// The label `name` of a meter: its own, or its line's.
    pub fn label(&self, meter: &Meter, name: &str) -> Option<&str> {
        let own = self.meters.get(&meter.id).and_then(|detail| detail.labels.get(name));
        own.or_else(|| self.lines.get(&meter.line)?.labels.get(name)).map(String::as_str)
    }

    /// The identity a meter has to give in its answers.
    pub fn identity(&self, meter: MeterId) -> Option<&str> {
        self.meters.get(&meter)?.identity.as_deref()
    }

    /// By what a meter is read, and whose word that is: `meter`, `line`, `default`, or a policy's name.
    pub fn schedule_of<'a>(&'a self, registry: &Registry, meter: &'a Meter) -> (Cow<'a, Schedule>, &'a str) {
        match self.meters.get(&meter.id).map(|detail| &detail.schedule) {
            None | Some(Own::Interval) => {
                let own = Schedule::every(meter.schedule.interval_s, meter.schedule.offset_s);
                (Cow::Owned(own.unwrap_or_default()), "meter")
            }
            Some(Own::Words(schedule)) => (Cow::Borrowed(schedule), "meter"),
            Some(Own::Inherited) => self.inherited(registry, meter),
        }
    }

    fn inherited<'a>(&'a self, registry: &Registry, meter: &'a Meter) -> (Cow<'a, Schedule>, &'a str) {
        let selecting = self.policies.values().filter(|policy| policy.selector.selects(self, registry, meter));
        if let Some(policy) = selecting.min_by_key(|policy| policy.rank) {
            return (Cow::Borrowed(&policy.schedule), &policy.name);
        }
        match self.lines.get(&meter.line).and_then(|line| line.schedule.as_ref()) {
            Some(schedule) => (Cow::Borrowed(schedule), "line"),
            None => (Cow::Owned(Schedule::default()), "default"),
        }
    }

    /// What makes the slots of a meter.
    pub fn plan_of(&self, registry: &Registry, meter: &Meter) -> Plan {
        Plan::new(self.schedule_of(registry, meter).0.into_owned(), &self.calendar)
    }

    pub(super) fn set_line(&mut self, line: LineId, detail: &LineDetail) -> bool {
        set(&mut self.lines, line, detail)
    }

    pub(super) fn set_meter(&mut self, meter: MeterId, detail: &MeterDetail) -> bool {
        set(&mut self.meters, meter, detail)
    }

    pub(super) fn forget_line(&mut self, line: LineId) {
        self.lines.remove(&line);
    }

    pub(super) fn forget_meter(&mut self, meter: MeterId) {
        self.meters.remove(&meter);
    }

    pub(super) fn set_policy(&mut self, policy: &Policy) {
        self.policies.insert(policy.name.clone(), policy.clone());
    }

    pub(super) fn remove_policy(&mut self, name: &str) -> Result<(), Refused> {
        self.policies.remove(name).map(drop).ok_or_else(|| Refused::missing("schedule policy", name))
    }

    pub(super) fn settle(&mut self, upto: u64) -> u32 {
        self.duties.settle(upto)
    }

    /// Brings the duties of `meters` in order with what is due, after `before`.
    pub(super) fn follow(
        &mut self,
        at: UnixMillis,
        before: (&Registry, &Self),
        registry: &Registry,
        meters: impl Iterator<Item = MeterId>,
    ) {
        let mut duties = std::mem::take(&mut self.duties);
        for id in meters {
            let (was, is) = (before.0.meters.get(&id), registry.meters.get(&id));
            match (was, is) {
                (Some(was), Some(is)) if self.is_due_alike(registry, is, before, was) => {}
                (Some(was), Some(is)) => duties.turn(at, was, is.enabled, || before.1.plan_of(before.0, was)),
                (None, Some(is)) => duties.turn(at, is, is.enabled, || self.plan_of(registry, is)),
                (Some(was), None) => duties.forget(at, was, || before.1.plan_of(before.0, was)),
                (None, None) => {}
            }
        }
        self.duties = duties;
    }

    fn is_due_alike(&self, registry: &Registry, is: &Meter, before: (&Registry, &Self), was: &Meter) -> bool {
        let alike = || {
            let (old, new) = (before.1.schedule_of(before.0, was).0, self.schedule_of(registry, is).0);
            old == new && (!new.needs_calendar() || self.calendar == before.1.calendar)
        };
        was.enabled == is.enabled && (!is.enabled || was.line == is.line && alike())
    }

    pub(super) fn check(&self, registry: &Registry) -> Result<(), String> {
        if let Some(line) = self.lines.keys().find(|line| !registry.lines.contains_key(*line)) {
            return Err(format!("details of line {line}, which does not exist"));
        }
        if let Some(meter) = self.meters.keys().find(|meter| !registry.meters.contains_key(*meter)) {
            return Err(format!("details of meter {meter}, which does not exist"));
        }
        if let Some((name, policy)) = self.policies.iter().find(|(name, policy)| **name != policy.name) {
            return Err(format!("policy {} is filed as {name}", policy.name));
        }
        self.duties.check(registry)
    }
}

/// Whether that changed anything. What says nothing is not kept.
fn set<K: Ord + Clone, D: PartialEq + Default + Clone>(all: &mut OrdMap<K, D>, key: K, detail: &D) -> bool {
    let before = if *detail == D::default() { all.remove(&key) } else { all.insert(key, detail.clone()) };
    before.unwrap_or_default() != *detail
}
