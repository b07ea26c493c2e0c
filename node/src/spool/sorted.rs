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
    places: Vec<Place>,
    bytes: Bytes,
}

/// Where the bytes of a record lie.
#[derive(Debug, Clone, Copy)]
struct Place {
    key: Key,
    from: usize,
    length: usize,
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
    /// The records after `after` up to `upto`, or so many of them that they take `max_bytes` of memory, but at least one;
    /// there are `held_bytes` at most.
    pub(super) fn read(
        database: &Database,
        after: u64,
        upto: u64,
        max_bytes: u64,
        held_bytes: u64,
    ) -> Result<Self, redb::Error> {
        let records = database.begin_read()?.open_table(RECORDS)?;
        let whole = usize::try_from(max_bytes.min(held_bytes)).unwrap_or(0);
        let (mut places, mut bytes, mut end) = (Vec::new(), BytesMut::with_capacity(whole), upto);
        if after < upto {
            for row in records.range(after.saturating_add(1)..=upto)? {
                let (sequence, record) = row?;
                let (sequence, record) = (sequence.value(), record.value());
                let taken = bytes.len() + record.len() + (places.len() + 1) * size_of::<Place>();
                if taken as u64 > max_bytes && !places.is_empty() {
                    end = sequence.saturating_sub(1);
                    break;
                }
                let Head { meter, slot } = Head::decode(record).unwrap_or_default();
                let key = Key { meter, slot, sequence };
                places.push(Place { key, from: bytes.len(), length: record.len() });
                bytes.extend_from_slice(record);
            }
        }
        places.sort_unstable_by_key(|place| place.key);
        // One piece of memory for all of them: each is a part of it.
        Ok(Self { after, upto: end, places, bytes: bytes.freeze() })
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
        let from = behind.map_or(0, |behind| self.places.partition_point(|place| place.key <= behind));
        let rest = self.places.get(from..).unwrap_or_default();
        let (mut records, mut bytes, mut last) = (Vec::new(), 0_u64, None);
        for Place { key, from, length } in rest.iter().take(max_records) {
            bytes = bytes.saturating_add(*length as u64);
            if bytes > max_bytes && !records.is_empty() {
                break;
            }
            records.push((key.sequence, self.bytes.slice(*from..*from + *length)));
            last = Some(*key);
        }
        let left = records.len() < rest.len();
        Part { records, last, left }
    }
}
