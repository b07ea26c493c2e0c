//! What is known of lines and meters beside how they are reached, as entries and states of version 3 have it. Frozen.
//!
//! Promises: schedules and selectors are their own words: whatever was ever written is read for ever. Refuses: words
//! that are none, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::CodecError;
use super::mirror::{Mirror, mirror_enum, mirror_struct, unique};
use super::seq::Seq;
use crate::state::plant::calendar;
use crate::state::plant::policy::{self, Selector};
use crate::state::plant::schedule::Schedule;
use crate::state::plant::{self, detail, duty};

macro_rules! words {
    ($($type:ty, $name:literal);+) => {$(
        impl Mirror for $type {
            type Stored = String;
            fn store(&self) -> String { self.to_string() }
            fn restore(stored: String) -> Result<Self, CodecError> {
                stored.parse().map_err(|error| CodecError::impossible($name, error))
            }
        }
    )+};
}
words!(Schedule, "schedule"; Selector, "selector");

mirror_struct!(MonthDay = calendar::MonthDay { month: u8, day: u8 });

mirror_struct!(Date = calendar::Date { year: u16, day: MonthDay });

mirror_struct!(Calendar = calendar::Calendar {
    zone: String,
    yearly: Option<(MonthDay, MonthDay)>,
    seasons: Seq<(u16, (Date, Date))>,
});

impl Mirror for BTreeMap<u16, (calendar::Date, calendar::Date)> {
    type Stored = Seq<(u16, (Date, Date))>;

    fn store(&self) -> Self::Stored {
        Seq(self.iter().map(|(year, season)| (*year, season.store())).collect())
    }

    fn restore(stored: Self::Stored) -> Result<Self, CodecError> {
        unique("season", Mirror::restore(stored)?, u16::to_string)
    }
}

mirror_struct!(LineDetail = detail::LineDetail { labels: Seq<(String, String)>, schedule: Option<String> });

mirror_struct!(MeterDetail = detail::MeterDetail {
    labels: Seq<(String, String)>,
    identity: Option<String>,
    schedule: Own,
});

mirror_enum!(#[derive(Debug, Clone, PartialEq, bincode::Encode, bincode::Decode)] Own = detail::Own {
    Interval,
    Words(schedule: String),
    Inherited,
});

mirror_struct!(Policy = policy::Policy { name: String, rank: u32, selector: String, schedule: String });

/// Duties: how meters stand, those that ended, and the plans of these, each once.
#[derive(Debug, Clone, PartialEq, bincode::Encode, bincode::Decode)]
pub(super) struct Duties {
    current: Seq<(u64, Standing)>,
    plans: Seq<Plan>,
    ended: Seq<(u64, Ended)>,
    next_ended: u64,
}

mirror_struct!(Standing = duty::Standing { since: u64, due: bool });

mirror_struct!(Plan = duty::Plan { schedule: String, calendar: Option<Calendar> });

/// A duty that ended; its plan is a place in the list of plans.
#[derive(Debug, Clone, PartialEq, bincode::Encode, bincode::Decode)]
pub(super) struct Ended {
    meter: u64,
    line: u64,
    since: u64,
    until: u64,
    plan: u64,
}

impl Mirror for duty::Duties {
    type Stored = Duties;

    fn store(&self) -> Duties {
        let mut plans: Vec<Arc<duty::Plan>> = Vec::new();
        let mut ended = Vec::with_capacity(self.ended.len());
        for (number, duty) in &self.ended {
            // Neighbours mostly share one: the last plans are looked at first.
            let known = plans.iter().rposition(|plan| Arc::ptr_eq(plan, &duty.plan) || *plan == duty.plan);
            let plan = known.unwrap_or_else(|| {
                plans.push(Arc::clone(&duty.plan));
                plans.len() - 1
            }) as u64;
            let duty::Ended { meter, line, since, until, plan: _ } = duty;
            let duty = Ended { meter: meter.0, line: line.0, since: since.0, until: until.0, plan };
            ended.push((*number, duty));
        }
        let plans = Seq(plans.iter().map(|plan| plan.store()).collect());
        Duties { current: self.current.store(), plans, ended: Seq(ended), next_ended: self.next_ended }
    }

    fn restore(stored: Duties) -> Result<Self, CodecError> {
        let plans: Vec<duty::Plan> = Mirror::restore(stored.plans)?;
        let plans: Vec<_> = plans.into_iter().map(Arc::new).collect();
        let restore = |(number, duty): (u64, Ended)| {
            let Ended { meter, line, since, until, plan } = duty;
            let named = usize::try_from(plan).ok().and_then(|place| plans.get(place));
            let plan = named.ok_or_else(|| CodecError::impossible("plan", format!("{plan} of duty {number}")))?;
            let (meter, line) = (Mirror::restore(meter)?, Mirror::restore(line)?);
            let (since, until) = (Mirror::restore(since)?, Mirror::restore(until)?);
            Ok((number, duty::Ended { meter, line, since, until, plan: Arc::clone(plan) }))
        };
        let ended = stored.ended.0.into_iter().map(restore).collect::<Result<Vec<_>, CodecError>>()?;
        Ok(Self {
            current: Mirror::restore(stored.current)?,
            ended: unique("ended duty", ended, u64::to_string)?,
            next_ended: stored.next_ended,
        })
    }
}

mirror_struct!(Plant = plant::Plant {
    calendar: Calendar,
    policies: Seq<(String, Policy)>,
    lines: Seq<(u64, LineDetail)>,
    meters: Seq<(u64, MeterDetail)>,
    duties: Duties,
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_no_schedule_or_selector_are_named() {
        let schedule = <Schedule as Mirror>::restore("Every 15m".to_owned()).expect_err("refused").to_string();
        assert!(schedule.contains("Every 15m"), "{schedule}");
        let selector = <Selector as Mirror>::restore("station".to_owned()).expect_err("refused").to_string();
        assert!(selector.contains("\"station\""), "{selector}");
    }

    #[test]
    fn an_ended_duty_of_a_plan_that_is_not_there_is_refused() {
        let ended = Ended { meter: 1, line: 1, since: 1, until: 2, plan: 0 };
        let duties = Duties { current: Seq(vec![]), plans: Seq(vec![]), ended: Seq(vec![(0, ended)]), next_ended: 1 };
        let error = <duty::Duties as Mirror>::restore(duties).expect_err("refused").to_string();
        assert!(error.contains("0 of duty 0"), "{error}");
    }
}
