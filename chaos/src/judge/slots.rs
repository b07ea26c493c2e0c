//! Is every closed slot accounted for?
//!
//! The rule in words. From a meter's first row or mark to the field's end, each slot that is over must have a scheduled
//! row or a scheduled slot's missed mark; those that have neither are *unaccounted*. This informs, and decides nothing: the product may
//! have learnt of the meter at any moment, and may still be closing slots.
//!
//! Promises: a pure function. Refuses: guessing when a meter was imported.

use std::collections::{HashMap, HashSet};

use super::database::{SCHEDULED, Tables};
use super::facts::Facts;

/// The most slots looked at for one meter: a ledger of years is a mistake in its clock.
const MOST_SLOTS: usize = 1_000_000;

/// The count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Slots {
    /// Marked as missed.
    pub missed: usize,
    /// Neither row nor mark.
    pub unaccounted: usize,
}

/// Counts the slots of all meters of the ledger.
pub fn count(tables: &Tables, facts: &Facts) -> Slots {
    let rows = tables.rows.iter().map(|row| (row.meter.as_str(), row.slot_ms, row.kind));
    let marks = tables.missed.iter().map(|mark| (mark.meter.as_str(), mark.slot_ms, mark.kind));
    let is_due = |(meter, _, kind): &(&str, i64, u8)| *kind == SCHEDULED && facts.meters.contains_key(*meter);
    let missed = marks.clone().filter(is_due).count();
    let mut known: HashMap<&str, HashSet<i64>> = HashMap::new();
    for (meter, slot, _) in rows.chain(marks).filter(is_due) {
        known.entry(meter).or_default().insert(slot);
    }
    Slots { missed, unaccounted: known.iter().map(|(meter, slots)| gaps(meter, slots, facts)).sum() }
}

fn gaps(meter: &str, slots: &HashSet<i64>, facts: &Facts) -> usize {
    let interval = facts.interval_ms(meter);
    let end = facts.end.wall / 1000;
    let first = slots.iter().min().copied().unwrap_or(end);
    let all = (0_i64..).map(|step| first + step * interval).take_while(|slot| slot + interval <= end);
    all.take(MOST_SLOTS).filter(|slot| !slots.contains(slot)).count()
}
