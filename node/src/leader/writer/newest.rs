//! The last reading of each meter, as far as it is known here.
//!
//! ```text
//!   batch -> unknown meters? --ask--> table -> learn ---+
//!                                                       v
//!   written -> newer than the last? -> known, and to be told -> told: a row of reading_latest for each meter
//! ```
//!
//! Promises: what it says of a meter is what the tables said when it was asked, and every reading written here since; what
//! was not told is kept, whatever is forgotten. Holds one entry for each meter that was heard of. Refuses: SQL.

use std::collections::{BTreeMap, HashMap};

use protocol::api::peer::SpoolRecord;
use protocol::api::peer::spool_record::Content;

use crate::mysql::Last;

/// The last readings.
#[derive(Debug, Default)]
pub(super) struct Newest {
    // None: the meter has no reading.
    known: HashMap<u64, Option<Last>>,
    // Slot and kind by meter.
    untold: BTreeMap<u64, (u64, u8)>,
}

impl Newest {
    /// Those of `meters` that nobody asked the tables about, each once.
    pub(super) fn unknown(&self, meters: impl Iterator<Item = u64>) -> Vec<u64> {
        let mut unknown: Vec<_> = meters.collect();
        unknown.dedup();
        unknown.retain(|meter| !self.known.contains_key(meter));
        unknown.sort_unstable();
        unknown.dedup();
        unknown
    }

    /// The tables were asked about `asked`, and said `found`.
    pub(super) fn learn(&mut self, asked: Vec<u64>, found: Vec<(u64, Last)>) {
        self.known.extend(asked.into_iter().map(|meter| (meter, None)));
        self.known.extend(found.into_iter().map(|(meter, last)| (meter, Some(last))));
    }

    /// The last reading of `meter`; none where it has none or is not known.
    pub(super) fn last(&self, meter: u64) -> Option<&Last> {
        self.known.get(&meter)?.as_ref()
    }

    /// Whether no row of its slot can be in the tables, as far as is known.
    pub(super) fn is_fresh(&self, record: &SpoolRecord) -> bool {
        self.known.get(&record.meter).is_some_and(|last| last.as_ref().is_none_or(|last| record.slot > last.slot))
    }

    /// `record` is in the tables.
    pub(super) fn written(&mut self, record: &SpoolRecord) {
        let is_reading = matches!(record.content, Some(Content::Reading(_)));
        if !is_reading || self.last(record.meter).is_some_and(|last| record.slot <= last.slot) {
            return;
        }
        if let Some(last) = Last::of(record) {
            self.untold.insert(record.meter, (last.slot, last.kind));
            self.known.insert(record.meter, Some(last));
        }
    }

    /// `records` are in the tables: each meter's from its last slot to its first, so that only the first of them counts.
    pub(super) fn written_last_first<'r>(&mut self, records: impl Iterator<Item = &'r SpoolRecord>) {
        let mut before = None;
        for record in records.filter(|record| matches!(record.content, Some(Content::Reading(_)))) {
            if before != Some(record.meter) {
                self.written(record);
            }
            before = Some(record.meter);
        }
    }

    /// What `reading_latest` has not been told: meter, slot and kind, by meter.
    pub(super) fn untold(&self) -> Vec<(u64, u64, u8)> {
        self.untold.iter().map(|(meter, (slot, kind))| (*meter, *slot, *kind)).collect()
    }

    /// It was told all of it.
    pub(super) fn told(&mut self) {
        self.untold.clear();
    }

    /// The next connection may lead to another server.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::reading;
    use super::*;

    #[test]
    fn only_what_is_newer_than_the_last_is_fresh_and_told() {
        let mut newest = Newest::default();
        let old = reading(1, 5);
        assert!(!newest.is_fresh(&old), "nobody asked the tables yet");
        assert_eq!(newest.unknown([1, 2, 1].into_iter()), [1, 2]);
        newest.learn(vec![1], Last::of(&old).map(|last| (1, last)).into_iter().collect());
        newest.written(&reading(1, 4));
        newest.written(&old);
        assert!(newest.untold().is_empty() && !newest.is_fresh(&old) && newest.is_fresh(&reading(1, 6)));
        newest.written(&reading(1, 7));
        newest.written(&reading(1, 6));
        assert_eq!(newest.untold(), [(1, reading(1, 7).slot, 1)]);
        assert_eq!(newest.last(1).map(|last| (last.slot, last.energy)), Some((reading(1, 7).slot, Some(1007))));
    }

    #[test]
    fn what_was_not_told_outlives_the_connection_it_was_written_by() {
        let mut newest = Newest::default();
        newest.written(&reading(1, 5));
        newest.forget();
        assert_eq!((newest.untold().len(), newest.unknown([1].into_iter())), (1, vec![1]));
        newest.told();
        assert!(newest.untold().is_empty());
    }
}
