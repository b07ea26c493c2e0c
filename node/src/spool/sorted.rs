//! A part of a backlog by meter: rows of one meter side by side are less work for the database (docs/decisions/writers.md).
//!
//! ```text
//!   sequence   after ............................. upto        read once, sorted, kept until it was given
//!   given      m1 m1 m1 m2 m2 ... behind | m7 m7 m8 ...         by meter, slot, sequence
//! ```
//!
//! Promises: what lies behind a key is the same however often it is made anew, but for what was acknowledged meanwhile;
//! bounded in bytes. Refuses: judging records: what cannot be read comes first.

use bytes::{Bytes, BytesMut};
use prost::Message;
use redb::{Database, ReadableDatabase};

use super::store::RECORDS;

/// Where a record stands among others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Its meter.
    pub meter: u64,
    /// Its slot, Unix ms.
    pub slot: u64,
    /// Its place in the spool.
    pub sequence: u64,
}

/// The fields of a `SpoolRecord` that decide.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct Head {
    #[prost(uint64, tag = "1")]
    meter: u64,
    #[prost(uint64, tag = "5")]
    slot: u64,
}

/// The records of a range, sorted.
#[derive(Debug)]
pub(super) struct Sorted {
    after: u64,
    upto: u64,
    records: Vec<(Key, Bytes)>,
}

/// Some of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) records: Vec<(u64, Bytes)>,
    pub(super) last: Option<Key>,
    /// Whether there are more behind them.
    pub(super) left: bool,
}

impl Sorted {
    /// The records after `after` up to `upto`, or so many of them that they have `max_bytes`, but at least one.
    pub(super) fn read(database: &Database, after: u64, upto: u64, max_bytes: u64) -> Result<Self, redb::Error> {
        let records = database.begin_read()?.open_table(RECORDS)?;
        let (mut taken, mut all, mut end) = (Vec::new(), BytesMut::new(), upto);
        if after < upto {
            for row in records.range(after.saturating_add(1)..=upto)? {
                let (sequence, bytes) = row?;
                let (sequence, bytes) = (sequence.value(), bytes.value());
                if (all.len() as u64).saturating_add(bytes.len() as u64) > max_bytes && !taken.is_empty() {
                    end = sequence.saturating_sub(1);
                    break;
                }
                all.extend_from_slice(bytes);
                let Head { meter, slot } = Head::decode(bytes).unwrap_or_default();
                taken.push((Key { meter, slot, sequence }, bytes.len()));
            }
        }
        // One piece of memory for all of them: each is a part of it.
        let mut all = all.freeze();
        let mut records: Vec<_> = taken.into_iter().map(|(key, length)| (key, all.split_to(length))).collect();
        records.sort_unstable_by_key(|(key, _)| *key);
        Ok(Self { after, upto: end, records })
    }

    /// Whether this is what begins after `after` and is asked for up to `upto`.
    pub(super) const fn is_of(&self, after: u64, upto: u64) -> bool {
        self.after == after && self.upto <= upto
    }

    pub(super) const fn upto(&self) -> u64 {
        self.upto
    }

    /// Those behind `behind`, within the bounds but at least one.
    pub(super) fn part(&self, behind: Option<Key>, max_records: usize, max_bytes: u64) -> Part {
        let from = behind.map_or(0, |behind| self.records.partition_point(|(key, _)| *key <= behind));
        let rest = self.records.get(from..).unwrap_or_default();
        let (mut records, mut bytes) = (Vec::new(), 0_u64);
        for (key, record) in rest.iter().take(max_records) {
            bytes = bytes.saturating_add(record.len() as u64);
            if bytes > max_bytes && !records.is_empty() {
                break;
            }
            records.push((key.sequence, record.clone()));
        }
        let last = records.len().checked_sub(1).and_then(|last| rest.get(last)).map(|(key, _)| *key);
        let left = records.len() < rest.len();
        Part { records, last, left }
    }
}
