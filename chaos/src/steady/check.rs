//! Is every reading of a steady load in the database once, and how long did it take?
//!
//! The judge's rules, on notes instead of a ledger. A reading is *accepted* unless it was in flight. A scheduled row
//! *holds* the reading of its meter that has its volume and all other values; it is *wrong* where there is none, or where
//! that one was not given within its slot, widened by the clocks' tolerance; it is *doubled* where an earlier row holds the same.
//! An accepted reading is *missing* where no row holds it, none is there for the slot its moment lies in, and none
//! holds one that the same meter gave shortly after; where that slot, or the one before, has a mark by which the line carried
//! nothing usable, it is *denied*. A slot that was over at the end with neither row nor mark, after its meter's first, is
//! *unaccounted*: told, and no verdict.
//!
//! Promises: a pure function of notes and rows. Refuses: rows of meters that are not the plant's, which are told as foreign.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use super::notes::{Given, Note};
use super::plant::Plant;
use super::tables::{Mark, Row};
use crate::judge::CLOCK_TOLERANCE_MS;
use crate::judge::stored::{LINE_FAULTS, REPEATED_WITHIN};

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Different readings that meters gave.
    pub answered: u64,
    /// Of these, in flight when their connection or the field ended.
    pub in_flight: u64,
    /// Rows that hold a reading.
    pub stored: u64,
    /// Accepted readings that are nowhere.
    pub missing: u64,
    /// Accepted by their timing, but the product says itself that the line carried nothing usable.
    pub denied: u64,
    /// Rows beyond the first for one reading.
    pub doubled: u64,
    /// Rows no meter said, or not then.
    pub wrong: u64,
    /// Rows of other meters, or that answer no slot.
    pub foreign: u64,
    /// Slots that were over with neither row nor mark.
    pub unaccounted: u64,
    /// Slots marked as missed while it was measured, by reason.
    pub missed: BTreeMap<String, u64>,
}

/// A reading and what became of it.
#[derive(Debug, Clone, Copy)]
struct Kept {
    given: Given,
    is_in_flight: bool,
    is_held: bool,
}

/// Everything the meters gave and the database holds.
#[derive(Debug)]
pub struct Book {
    plant: Plant,
    /// By meter, in the order of their volumes.
    readings: Vec<Vec<Kept>>,
    /// Slots with a row or a mark, by meter.
    slots: Vec<HashSet<i64>>,
    rows: Vec<HashSet<i64>>,
    end_ms: i64,
    counts: Counts,
}

impl Book {
    /// Nothing yet.
    pub fn new(plant: Plant) -> Self {
        let meters = plant.meters() as usize;
        let (readings, slots) = (vec![Vec::new(); meters], vec![HashSet::new(); meters]);
        Self { plant, readings, rows: slots.clone(), slots, end_ms: i64::MAX, counts: Counts::default() }
    }

    /// What was noted, in its order.
    pub fn note(&mut self, note: Note) {
        match note {
            Note::Given(given) => self.give(given),
            Note::InFlight { meter, volume } => {
                if let Some(kept) = self.find(meter, volume) {
                    kept.is_in_flight = true;
                }
            }
            Note::End(at) => self.end_ms = at.wall / 1000,
        }
    }

    /// A telegram that is repeated is the same reading, given again.
    fn give(&mut self, given: Given) {
        let Some(readings) = self.readings.get_mut(given.meter as usize) else { return };
        match readings.last_mut() {
            Some(last) if last.given.volume == given.volume => {
                (last.given.at, last.is_in_flight) = (given.at, false);
            }
            _ => readings.push(Kept { given, is_in_flight: false, is_held: false }),
        }
    }

    fn find(&mut self, meter: u32, volume: i64) -> Option<&mut Kept> {
        let readings = self.readings.get_mut(meter as usize)?;
        let place = readings.binary_search_by_key(&volume, |kept| kept.given.volume).ok()?;
        readings.get_mut(place)
    }

    /// Readings of sampled meters that a row holds, given from `from` to `to` (monotonic µs).
    pub fn sampled(&self, from: i64, to: i64) -> impl Iterator<Item = Given> + '_ {
        let sampled = (0..).zip(&self.readings).filter(|(meter, _)| self.plant.is_sampled(*meter));
        let held = sampled.flat_map(|(_, readings)| readings).filter(|kept| kept.is_held).map(|kept| kept.given);
        held.filter(move |given| (from..to).contains(&given.at.mono))
    }

    /// How many readings were given from `from` to `to` (monotonic µs).
    pub fn given(&self, from: i64, to: i64) -> u64 {
        let all = self.readings.iter().flatten();
        all.filter(|kept| (from..to).contains(&kept.given.at.mono)).count() as u64
    }

    /// A row, of this meter if it is the plant's.
    pub fn row(&mut self, meter: Option<u32>, row: &Row) {
        let Some(meter) = meter.filter(|_| row.is_scheduled) else {
            self.counts.foreign += 1;
            return;
        };
        for slots in [&mut self.rows, &mut self.slots] {
            if let Some(slots) = slots.get_mut(meter as usize) {
                slots.insert(row.slot_ms);
            }
        }
        let window = row.slot_ms - CLOCK_TOLERANCE_MS..=row.slot_ms + self.interval_ms() + CLOCK_TOLERANCE_MS;
        let kept = self.find(meter, row.volume.unwrap_or(0));
        let Some(kept) = kept.filter(|kept| kept.given.is_in(&row.columns)) else {
            self.counts.wrong += 1;
            return;
        };
        let (was_held, is_then) = (kept.is_held, window.contains(&(kept.given.at.wall / 1000)));
        kept.is_held = true;
        self.counts.stored += 1;
        self.counts.doubled += u64::from(was_held);
        self.counts.wrong += u64::from(!was_held && !is_then);
    }

    /// The counts, with the marks of all meters; those of slots that began from `from` to `to` (Unix ms) are told by reason.
    pub fn close(&mut self, marks: &[(u32, Mark)], from: i64, to: i64) -> &Counts {
        let mut faults: HashSet<(u32, i64)> = HashSet::new();
        for (meter, mark) in marks.iter().filter(|(_, mark)| mark.is_scheduled) {
            if let Some(slots) = self.slots.get_mut(*meter as usize) {
                slots.insert(mark.slot_ms);
            }
            if LINE_FAULTS.contains(&mark.reason.as_str()) {
                faults.insert((*meter, mark.slot_ms));
            }
            if (from..to).contains(&mark.slot_ms) {
                *self.counts.missed.entry(mark.reason.clone()).or_default() += 1;
            }
        }
        self.counts.answered = self.readings.iter().map(|readings| readings.len() as u64).sum();
        self.counts.in_flight = self.readings.iter().flatten().filter(|kept| kept.is_in_flight).count() as u64;
        for meter in 0..self.plant.meters() {
            let (missing, denied) = self.unstored(meter, &faults);
            self.counts.missing += missing;
            self.counts.denied += denied;
            self.counts.unaccounted += self.gaps(meter);
        }
        &self.counts
    }

    fn interval_ms(&self) -> i64 {
        i64::from(self.plant.interval_s) * 1000
    }

    fn slot_ms(&self, meter: u32, moment_ms: i64) -> i64 {
        let (interval, offset) = (self.interval_ms(), i64::from(self.plant.offset_s(meter)) * 1000);
        (moment_ms - offset).div_euclid(interval) * interval + offset
    }

    /// Accepted readings without a row, lost and denied.
    fn unstored(&self, meter: u32, faults: &HashSet<(u32, i64)>) -> (u64, u64) {
        let (Some(readings), Some(rows)) = (self.readings.get(meter as usize), self.rows.get(meter as usize)) else {
            return (0, 0);
        };
        let repeated = REPEATED_WITHIN.min(self.interval_ms() / 2);
        let (mut missing, mut denied) = (0, 0);
        for (place, kept) in readings.iter().enumerate().filter(|(_, kept)| !kept.is_held && !kept.is_in_flight) {
            let moment = kept.given.at.wall / 1000;
            let slot = self.slot_ms(meter, moment);
            let after =
                readings.iter().skip(place + 1).take_while(|later| later.given.at.wall / 1000 <= moment + repeated);
            if rows.contains(&slot) || after.into_iter().any(|later| later.is_held) {
                continue;
            }
            let earlier = self.slot_ms(meter, moment - repeated);
            let is_denied = faults.contains(&(meter, slot)) || faults.contains(&(meter, earlier));
            (missing, denied) = (missing + u64::from(!is_denied), denied + u64::from(is_denied));
        }
        (missing, denied)
    }

    fn gaps(&self, meter: u32) -> u64 {
        let Some(slots) = self.slots.get(meter as usize) else { return 0 };
        let interval = self.interval_ms();
        let first = slots.iter().min().copied().unwrap_or(self.end_ms);
        let over = (self.end_ms - first).div_euclid(interval);
        (0..over).filter(|step| !slots.contains(&(first + step * interval))).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Stamp;
    use crate::ledger::Values;
    use crate::steady::notes::columns;

    const PLANT: Plant = Plant { rate: 1, interval_s: 10, per_line: 10, mbus: false, seed: 1 };

    fn values(volume: i64) -> Values {
        Values { volume_millilitre: Some(volume), energy_joule: Some(volume * 3), ..Values::default() }
    }

    fn given(second: i64, volume: i64) -> Note {
        let at = Stamp { mono: second * 1_000_000, wall: second * 1_000_000 };
        Note::Given(Given::new(2, at, &values(volume)))
    }

    fn row(slot_s: i64, volume: i64) -> Row {
        let (volume, columns) = (Some(volume), columns(&values(volume)));
        Row { meter_id: 7, slot_ms: slot_s * 1000, is_scheduled: true, volume, columns }
    }

    fn mark(slot_s: i64, reason: &str) -> (u32, Mark) {
        (2, Mark { meter_id: 7, slot_ms: slot_s * 1000, is_scheduled: true, reason: reason.to_owned() })
    }

    /// Meter 2 has its slots at 2, 12, 22 ..
    fn judged(notes: &[Note], rows: &[Row], marks: &[(u32, Mark)]) -> Counts {
        let mut book = Book::new(PLANT);
        notes.iter().for_each(|note| book.note(*note));
        book.note(Note::End(Stamp { mono: 50_000_000, wall: 50_000_000 }));
        rows.iter().for_each(|row| book.row(Some(2), row));
        book.close(marks, 0, i64::MAX).clone()
    }

    #[test]
    fn readings_that_are_all_there_once_leave_nothing_to_tell() {
        let notes = [given(3, 10), given(13, 20), given(23, 30), given(33, 40), given(43, 50)];
        let counts = judged(&notes, &[row(2, 10), row(12, 20), row(22, 30), row(32, 40), row(42, 50)], &[]);
        assert_eq!(counts, Counts { answered: 5, stored: 5, ..Counts::default() });
    }

    #[test]
    fn a_reading_that_is_nowhere_is_missing_unless_it_was_in_flight_or_its_slot_has_a_row() {
        assert_eq!(judged(&[given(3, 10)], &[], &[mark(2, "no-owner")]).missing, 1);
        let counts = judged(&[given(3, 10), Note::InFlight { meter: 2, volume: 10 }], &[], &[]);
        assert_eq!((counts.missing, counts.in_flight), (0, 1));
        assert_eq!(judged(&[given(3, 10), given(4, 20)], &[row(2, 20)], &[]).missing, 0);
        // Asked again for a slot that began before.
        assert_eq!(judged(&[given(12, 10), given(14, 20)], &[row(2, 20)], &[]).missing, 0);
        let counts = judged(&[given(3, 10)], &[], &[mark(2, "no-answer")]);
        assert_eq!((counts.missing, counts.denied, counts.missed.get("no-answer")), (0, 1, Some(&1)));
    }

    #[test]
    fn rows_that_nobody_said_or_not_then_are_wrong_and_one_that_repeats_another_is_doubled() {
        let other = Row { columns: columns(&values(11)), ..row(2, 10) };
        let notes = [given(3, 10)];
        assert_eq!(judged(&notes, &[other], &[]).wrong, 1);
        assert_eq!(judged(&notes, &[row(2, 11)], &[]).wrong, 1);
        assert_eq!(judged(&notes, &[row(22, 10)], &[]).wrong, 1);
        let counts = judged(&notes, &[row(2, 10), row(12, 10)], &[]);
        assert_eq!((counts.doubled, counts.wrong), (1, 0));
    }

    #[test]
    fn a_slot_that_was_over_with_neither_row_nor_mark_is_unaccounted() {
        // Those that began at 12 and 32; the one of 42 was not over.
        assert_eq!(judged(&[given(3, 10)], &[row(2, 10)], &[mark(22, "no-owner")]).unaccounted, 2);
    }
}
