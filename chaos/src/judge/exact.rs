//! Does every row hold what its meter said, then, and once?
//!
//! The rule in words. A row *matches* a reading of its own meter when each value the meter said is in the row exactly;
//! a valve under way is no state and leaves the column empty; columns the meter did not speak of are not compared. A
//! row is *wrong* when no sound reading matches, or none that was sent within the row's slot (scheduled: from the slot
//! to the slot plus the meter's interval; on demand: around `read_at`), widened on both sides by the clocks' tolerance.
//! A row is *doubled* when an earlier row of the same kind holds the same reading in another slot, or the same meter,
//! slot and kind.
//!
//! Promises: a pure function. Refuses: rows of unknown meters, which are counted as foreign.

use std::collections::{HashMap, HashSet};

use super::answers::Given;
use super::database::{Row, SCHEDULED, Tables};
use super::facts::Facts;
use super::{Finding, Options};
use crate::ledger::{Values, ValveIs};

/// Rows put to readings.
#[derive(Debug, Clone, Default)]
pub struct Matched {
    /// The readings that are in a row, by their place in the list of readings.
    pub held: HashSet<usize>,
    /// Rows beyond the first.
    pub doubled: Vec<Finding>,
    /// Rows no meter said, or not then.
    pub wrong: Vec<Finding>,
    /// Rows of meters the ledger does not know.
    pub foreign: usize,
    matched: usize,
    seen: HashSet<(usize, u8)>,
    slots: HashSet<(String, i64, u8)>,
}

impl Matched {
    /// Puts every row to a reading.
    pub fn of(tables: &Tables, given: &[Given], facts: &Facts, options: Options) -> Self {
        let index = Index::of(given);
        let mut matched = Self::default();
        for row in &tables.rows {
            if facts.meters.contains_key(&row.meter) {
                matched.note(row, &index.matching(row, given), given, facts, options);
            } else {
                matched.foreign += 1;
            }
        }
        matched
    }

    /// How many rows hold a reading.
    pub fn stored(&self) -> usize {
        self.matched
    }

    fn note(&mut self, row: &Row, candidates: &[usize], given: &[Given], facts: &Facts, options: Options) {
        if !self.slots.insert((row.meter.clone(), row.slot_ms, row.kind)) {
            self.doubled.push(finding("doubled", row, "a second row for this slot"));
        }
        let (from, to) = window(row, facts, options);
        let was_sent = |place: &&usize| given.get(**place).is_some_and(|one| one.sent_within(from, to));
        match candidates.iter().find(was_sent).or(candidates.first()) {
            None => self.wrong.push(finding("wrong", row, "no sound answer of this meter has these values")),
            Some(place) => {
                self.held.insert(*place);
                self.matched += 1;
                if !self.seen.insert((*place, row.kind)) {
                    self.doubled.push(finding("doubled", row, "another row holds the same answer"));
                } else if !candidates.iter().any(|place| was_sent(&place)) {
                    let sent = given.get(*place).map(|one| one.sent_ms.clone()).unwrap_or_default();
                    self.wrong.push(finding("wrong", row, &format!("the answer was given at {sent:?} ms")));
                }
            }
        }
    }
}

impl Given {
    fn sent_within(&self, from: i64, to: i64) -> bool {
        self.sent_ms.iter().any(|sent| (from..=to).contains(sent))
    }
}

fn window(row: &Row, facts: &Facts, options: Options) -> (i64, i64) {
    let tolerance = options.clock_tolerance_ms;
    if row.kind == SCHEDULED {
        (row.slot_ms - tolerance, row.slot_ms + facts.interval_ms(&row.meter) + tolerance)
    } else {
        (row.read_at_ms - tolerance, row.read_at_ms + tolerance)
    }
}

fn finding(kind: &'static str, row: &Row, why: &str) -> Finding {
    let Row { meter, slot_ms, kind: row_kind, read_at_ms, node, epoch, values, .. } = row;
    let text = format!(
        "row of slot {slot_ms} ms kind {row_kind} read at {read_at_ms} ms by node {node} epoch {epoch}: {why} \
         (energy {:?} volume {:?})",
        values.energy_joule, values.volume_millilitre
    );
    Finding { kind, subject: meter.clone(), text }
}

/// Readings by meter and volume, which no two readings of a meter share.
struct Index<'a> {
    places: HashMap<(&'a str, Option<i64>), Vec<usize>>,
}

impl<'a> Index<'a> {
    fn of(given: &'a [Given]) -> Self {
        let mut places: HashMap<_, Vec<_>> = HashMap::new();
        for (place, one) in given.iter().enumerate().filter(|(_, one)| one.sound) {
            places.entry((one.meter.as_str(), one.values.volume_millilitre)).or_default().push(place);
        }
        Self { places }
    }

    fn matching(&self, row: &Row, given: &[Given]) -> Vec<usize> {
        let places = self.places.get(&(row.meter.as_str(), row.values.volume_millilitre));
        let places = places.map(Vec::as_slice).unwrap_or_default().iter().copied();
        places.filter(|place| given.get(*place).is_some_and(|one| matches(&one.values, row))).collect()
    }
}

/// Whether a row holds each value the meter said.
fn matches(said: &Values, row: &Row) -> bool {
    let columns = |v: &Values| {
        [
            v.energy_joule,
            v.cooling_energy_joule,
            v.volume_millilitre,
            v.power_milliwatt,
            v.flow_millilitre_per_hour,
            v.supply_milli_celsius,
            v.return_milli_celsius,
            v.difference_millikelvin,
            v.operating_seconds,
            v.on_seconds,
        ]
    };
    let values_agree = columns(said).iter().zip(columns(&row.values)).all(|(said, row)| said.is_none() || *said == row);
    values_agree && (said.valve.is_none() || said.valve.and_then(valve_column) == row.valve)
}

fn valve_column(valve: ValveIs) -> Option<u8> {
    match valve {
        ValveIs::Open => Some(1),
        ValveIs::Closed => Some(2),
        ValveIs::Fault => Some(3),
        ValveIs::Moving => None,
    }
}
