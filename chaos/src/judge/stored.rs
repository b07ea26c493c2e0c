//! Is every accepted reading somewhere?
//!
//! The rule in words. Several readings of a meter in one slot leave one row, and a read on demand or a read-back after
//! a command may leave none of its own. So an accepted reading is *missing* only when no row holds it, and the slots its
//! moment lies in have no row at all, of either kind, and no row of any slot holds a reading the same meter gave within
//! [`REPEATED_WITHIN`] (at most half an interval) after it: that one was asked for again, for a slot that began before.
//! Where the mark of the slot it was asked for in says that the line carried nothing usable (`no-answer`, `bad-checksum`
//! ..), the node never took the reading as one: its time for the answer was over, or the answer came in pieces that
//! belong to no frame. It is *denied*, not missing; any other mark (`no-owner`, a sweep's) beside an accepted reading is
//! a loss. What the slot after it says, in which the answer may have ended, is about another question.
//!
//! Promises: a pure function. Refuses: excusing what a later slot holds.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::Finding;
use super::answers::{Fate, Given};
use super::database::Tables;
use super::exact::Matched;
use super::facts::Facts;

/// Marks by which a node says that it heard nothing it could use.
pub const LINE_FAULTS: [&str; 7] =
    ["no-answer", "bad-checksum", "garbled", "collision", "wrong-meter", "undecodable", "line-down"];

/// A request that is repeated within one dialogue is repeated within this time, ms.
pub const REPEATED_WITHIN: i64 = 3000;

/// Accepted readings without a row.
#[derive(Debug, Clone, Default)]
pub struct Unstored {
    /// Lost.
    pub missing: Vec<Finding>,
    /// Not taken as readings, by the node's own word.
    pub denied: Vec<Finding>,
}

/// Looks for every accepted reading.
pub fn check(given: &[Given], rows: &Matched, tables: &Tables, facts: &Facts) -> Unstored {
    let taken: HashSet<_> =
        tables.rows.iter().map(|row| (row.meter.as_str(), facts.slot_ms(&row.meter, row.slot_ms))).collect();
    let marks: HashMap<_, _> =
        tables.missed.iter().map(|mark| ((mark.meter.as_str(), mark.slot_ms), mark.reason.as_str())).collect();
    let held = held_moments(given, rows);
    let mut unstored = Unstored::default();
    for (place, one) in given.iter().enumerate() {
        let slots = slots(one, facts);
        let has_row = slots.iter().any(|slot| taken.contains(&(one.meter.as_str(), *slot)));
        let is_held = rows.held.contains(&place) || was_repeated(one, &held, facts);
        if one.fate != Fate::Accepted || is_held || has_row {
            continue;
        }
        let asked = one.asked_ms.iter().map(|asked| facts.slot_ms(&one.meter, *asked));
        let earlier = one.asked_ms.iter().map(|asked| facts.slot_ms(&one.meter, asked - repeated_within(one, facts)));
        let mut marked = asked.chain(earlier);
        match marked.find_map(|slot| marks.get(&(one.meter.as_str(), slot)).copied()) {
            Some(reason) if LINE_FAULTS.contains(&reason) => unstored.denied.push(finding("denied", one, reason)),
            reason => unstored.missing.push(finding("missing", one, reason.unwrap_or("none"))),
        }
    }
    unstored
}

fn slots(one: &Given, facts: &Facts) -> BTreeSet<i64> {
    one.asked_ms.iter().chain(&one.sent_ms).map(|moment| facts.slot_ms(&one.meter, *moment)).collect()
}

/// For each meter the moments of the readings that are in a row.
fn held_moments<'a>(given: &'a [Given], rows: &Matched) -> HashMap<&'a str, BTreeSet<i64>> {
    let mut moments: HashMap<_, BTreeSet<_>> = HashMap::new();
    for one in rows.held.iter().filter_map(|place| given.get(*place)) {
        moments.entry(one.meter.as_str()).or_default().extend(&one.sent_ms);
    }
    moments
}

fn was_repeated(one: &Given, held: &HashMap<&str, BTreeSet<i64>>, facts: &Facts) -> bool {
    let within = repeated_within(one, facts);
    let held = held.get(one.meter.as_str());
    held.is_some_and(|held| one.sent_ms.iter().any(|sent| held.range(sent..=&(sent + within)).next().is_some()))
}

fn repeated_within(one: &Given, facts: &Facts) -> i64 {
    REPEATED_WITHIN.min(facts.interval_ms(&one.meter) / 2)
}

fn finding(kind: &'static str, one: &Given, mark: &str) -> Finding {
    let Given { meter, values, sent_ms, request, .. } = one;
    let text = format!(
        "answer given at {sent_ms:?} ms to request {request} has no row, missed mark: {mark} (energy {:?} volume {:?})",
        values.energy_joule, values.volume_millilitre
    );
    Finding { kind, subject: meter.clone(), text }
}
