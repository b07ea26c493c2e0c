//! Where the slots of several timetables are closest together.
//!
//! ```text
//!   table a   |--on time--|        |--on time--|            a span begins where a slot begins and ends where one has
//!   table b        |---------on time----------|             to be read by then; what counts is what lies in it whole
//!             `------------- span: 2 of a, 1 of b --------'
//! ```
//!
//! A line meets its schedules if what every span asks for fits into it. Looked at is the surroundings of each rule's next
//! moment, and of its next moment after each other rule's: regular days, freezes, the ends of seasons.
//!
//! Promises: of equal counts the shortest span; each combination of timetables is worked out once. Refuses: moments that
//! fall together by three rare coincidences.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::timetable::{Slot, Timetable};

/// Moments looked at for one combination, at most.
const OCCASIONS: usize = 64;
/// Slots of one timetable looked at around one moment, at most.
const SLOTS: usize = 200;
/// Combinations remembered; then all are forgotten.
const REMEMBERED: usize = 4_096;
/// How far around a moment, at most, ms.
const AROUND_MS: u64 = 24 * 3_600_000;

/// A stretch of time, and how many slots of each timetable lie in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) begin: u64,
    pub(super) length: u64,
    pub(super) slots: Vec<u32>,
    /// The slot that it is, if it is no more than one.
    pub(super) one: Option<Slot>,
}

type Known = (Vec<Arc<Timetable>>, Arc<Vec<Span>>);

/// The spans that were worked out.
#[derive(Debug, Default)]
pub struct Spans {
    known: HashMap<Vec<usize>, Known>,
}

impl Spans {
    /// The spans of these timetables from `now` on; counts are in their order.
    pub(super) fn of(&mut self, tables: &[Arc<Timetable>], now: u64) -> Arc<Vec<Span>> {
        let key: Vec<usize> = tables.iter().map(|table| Arc::as_ptr(table).addr()).collect();
        if let Some((_, spans)) = self.known.get(&key) {
            return Arc::clone(spans);
        }
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        let spans = Arc::new(worked_out(tables, now));
        // Who is kept here keeps its address.
        self.known.insert(key, (tables.to_vec(), Arc::clone(&spans)));
        spans
    }
}

fn worked_out(tables: &[Arc<Timetable>], now: u64) -> Vec<Span> {
    let firsts = |moment: u64| tables.iter().flat_map(move |table| table.firsts(moment));
    let next: BTreeSet<u64> = firsts(now).collect();
    let mut occasions = next.clone();
    occasions.extend(next.iter().flat_map(|moment| firsts(*moment)));
    let mut shortest = BTreeMap::<Vec<u32>, Span>::new();
    for occasion in occasions.into_iter().take(OCCASIONS) {
        for span in spans_of(tables.len(), &slots_around(tables, occasion)) {
            let best = shortest.entry(span.slots.clone()).or_insert_with(|| span.clone());
            if span.length < best.length {
                *best = span;
            }
        }
    }
    shortest.into_values().collect()
}

/// The slots around a moment, each with the number of its timetable; those to be read first come first.
fn slots_around(tables: &[Arc<Timetable>], moment: u64) -> Vec<(usize, Slot)> {
    let slots = tables.iter().filter_map(|table| table.after(moment.saturating_sub(1)));
    let longest = slots.map(|slot| slot.on_time_until - slot.begin).max().unwrap_or(0).min(AROUND_MS);
    let (from, to) = (moment.saturating_sub(longest), moment.saturating_add(longest).saturating_add(1));
    let mut slots = Vec::new();
    for (number, table) in tables.iter().enumerate() {
        slots.extend(table.between(from, to).take(SLOTS).map(|slot| (number, slot)));
    }
    slots.sort_by_key(|(number, slot)| (slot.on_time_until, *number));
    slots
}

fn spans_of(tables: usize, slots: &[(usize, Slot)]) -> Vec<Span> {
    let begins: BTreeSet<u64> = slots.iter().map(|(_, slot)| slot.begin).collect();
    let mut spans = Vec::new();
    for begin in begins {
        let mut counts = vec![0; tables];
        for (number, slot) in slots.iter().filter(|(_, slot)| slot.begin >= begin) {
            let one = counts.iter().all(|count| *count == 0).then_some(*slot);
            if let Some(count) = counts.get_mut(*number) {
                *count += 1;
            }
            spans.push(Span { begin, length: slot.on_time_until - begin, slots: counts.clone(), one });
        }
    }
    spans
}
