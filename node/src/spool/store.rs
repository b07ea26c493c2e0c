//! The spool's file: which tables it has, and the one transaction that changes them.
//!
//! ```text
//!   spool.redb      redb file, one owner at a time (redb holds a lock on it)
//!     "meta"        name -> u64, little endian
//!        version      1
//!        spool        random, not zero: which spool a cursor belongs to
//!        next         the next sequence to give; only grows, also while the spool is empty
//!        bytes        bytes of all records held
//!     "records"     sequence u64 -> one SpoolRecord (peer.proto), as encoded by its author
//! ```
//!
//! Promises: a batch is durable as a whole or not at all; a file that was not closed opens at once. Refuses: files of
//! a later version, and repairing one that contradicts itself.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use bytes::{Bytes, BytesMut};
use prost::Message;
use protocol::api::peer::SpoolRecord;
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};

use super::SpoolError;
use crate::config;

const FILE: &str = "spool.redb";
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
pub(super) const RECORDS: TableDefinition<u64, &[u8]> = TableDefinition::new("records");
const VERSION: u64 = 1;

/// What the spool holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Holds {
    /// The last sequence given; 0 before the first.
    pub(super) last: u64,
    /// Records not acknowledged.
    pub(super) records: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    /// When the oldest of them was accepted, Unix ms; 0 where there is none.
    pub(super) oldest_at: u64,
}

/// One change of a batch.
#[derive(Debug)]
pub(super) enum Change<'a> {
    Append(&'a [u8], Room),
    Acknowledge(u64),
}

/// Which part of the bound a record may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// What the reserve leaves.
    Readings,
    /// All of it: a mark of a missed slot.
    Marks,
}

/// What became of one change of a batch that was committed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Appended(u64),
    Acknowledged,
    Refused(SpoolError),
}

/// The open file.
#[derive(Debug)]
pub(super) struct Store {
    database: Arc<Database>,
    path: PathBuf,
    spool_id: u64,
    limits: Limits,
    holds: Holds,
}

/// Bytes that may be held.
#[derive(Debug, Clone, Copy)]
struct Limits {
    readings: u64,
    marks: u64,
}

impl Limits {
    const fn of(self, room: Room) -> u64 {
        match room {
            Room::Readings => self.readings,
            Room::Marks => self.marks,
        }
    }
}

impl Store {
    pub(super) fn open(dir: &Path, config: &config::Spool) -> Result<Self, SpoolError> {
        let path = dir.join(FILE);
        let unusable = |cause: String| SpoolError::Unusable { path: path.clone(), cause: Arc::from(cause.as_str()) };
        std::fs::create_dir_all(dir).map_err(|error| unusable(error.to_string()))?;
        let cache = usize::try_from(config.cache_bytes.as_u64()).unwrap_or(usize::MAX);
        let database = Database::builder().set_cache_size(cache).create(&path).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => SpoolError::InUse { path: path.clone() },
            other => unusable(other.to_string()),
        })?;
        sync_dir(dir).map_err(|error| unusable(error.to_string()))?;
        Self::over(database, path.clone(), config)
    }

    /// The store over a database that is open already.
    pub(super) fn over(database: Database, path: PathBuf, config: &config::Spool) -> Result<Self, SpoolError> {
        let unusable = |cause: &str| SpoolError::Unusable { path: path.clone(), cause: Arc::from(cause) };
        let found = begin(&database).map_err(|error| unusable(&error.to_string()))?;
        if found.version != VERSION {
            return Err(unusable(&format!(
                "version {} is not {VERSION}: start the release that wrote it",
                found.version
            )));
        }
        if found.spool_id == 0 || found.holds.records > found.holds.last {
            return Err(unusable("its tables contradict each other: it was damaged or changed by something else"));
        }
        let Found { spool_id, holds, .. } = found;
        let limits = Limits { readings: config.readings_bytes(), marks: config.max_bytes.as_u64() };
        Ok(Self { database: Arc::new(database), path, spool_id, limits, holds })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn spool_id(&self) -> u64 {
        self.spool_id
    }

    pub(super) fn database(&self) -> Weak<Database> {
        Arc::downgrade(&self.database)
    }

    pub(super) const fn holds(&self) -> Holds {
        self.holds
    }

    /// Makes `changes` durable together; what became of each, in order.
    pub(super) fn commit(&mut self, changes: &[Change<'_>]) -> Result<Vec<Effect>, redb::Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_quick_repair(true);
        let mut after = self.holds;
        let mut effects = Vec::with_capacity(changes.len());
        {
            let mut records = transaction.open_table(RECORDS)?;
            for change in changes {
                effects.push(carry_out(change, &mut records, &mut after, self.limits)?);
            }
            after.oldest_at = if after.records == 0 { 0 } else { oldest_at(&records)? };
            let mut meta = transaction.open_table(META)?;
            meta.insert("next", after.last.saturating_add(1))?;
            meta.insert("bytes", after.bytes)?;
        }
        if after == self.holds {
            transaction.abort()?;
        } else {
            transaction.commit()?;
        }
        self.holds = after;
        Ok(effects)
    }
}

type Records<'t> = redb::Table<'t, u64, &'static [u8]>;

fn carry_out(
    change: &Change<'_>,
    records: &mut Records<'_>,
    holds: &mut Holds,
    limits: Limits,
) -> Result<Effect, redb::Error> {
    match change {
        Change::Append(bytes, room) => {
            let max_bytes = limits.of(*room);
            let grown = holds.bytes.saturating_add(bytes.len() as u64);
            if grown > max_bytes {
                return Ok(Effect::Refused(SpoolError::Full { bytes: holds.bytes, max_bytes }));
            }
            let sequence = holds.last.saturating_add(1);
            records.insert(sequence, *bytes)?;
            *holds = Holds { last: sequence, records: holds.records.saturating_add(1), bytes: grown, ..*holds };
            Ok(Effect::Appended(sequence))
        }
        Change::Acknowledge(upto) if *upto > holds.last => {
            Ok(Effect::Refused(SpoolError::Beyond { upto: *upto, last: holds.last }))
        }
        Change::Acknowledge(upto) => {
            for forgotten in records.extract_from_if(..=*upto, |_, _| true)? {
                holds.bytes = holds.bytes.saturating_sub(forgotten?.1.value().len() as u64);
                holds.records = holds.records.saturating_sub(1);
            }
            Ok(Effect::Acknowledged)
        }
    }
}

fn oldest_at(records: &impl ReadableTable<u64, &'static [u8]>) -> Result<u64, redb::Error> {
    let oldest = records.first()?;
    Ok(oldest.and_then(|(_, bytes)| SpoolRecord::decode(bytes.value()).ok()).map_or(0, |record| record.at))
}

struct Found {
    version: u64,
    spool_id: u64,
    holds: Holds,
}

/// What the file says of itself; a new file is given its identity first.
fn begin(database: &Database) -> Result<Found, redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    let found = {
        let records = transaction.open_table(RECORDS)?;
        let mut meta = transaction.open_table(META)?;
        if meta.is_empty()? && records.is_empty()? {
            for (name, value) in [("version", VERSION), ("spool", identity()?), ("next", 1), ("bytes", 0)] {
                meta.insert(name, value)?;
            }
        }
        let number = |name: &str| Ok::<_, redb::Error>(meta.get(name)?.map_or(0, |value| value.value()));
        let holds = Holds {
            last: number("next")?.saturating_sub(1),
            records: records.len()?,
            bytes: number("bytes")?,
            oldest_at: oldest_at(&records)?,
        };
        Found { version: number("version")?, spool_id: number("spool")?, holds }
    };
    transaction.commit()?;
    Ok(found)
}

fn identity() -> Result<u64, redb::Error> {
    getrandom::u64().map(|random| random.max(1)).map_err(|error| redb::Error::Io(std::io::Error::other(error)))
}

fn sync_dir(dir: &Path) -> std::io::Result<()> {
    std::fs::File::open(dir)?.sync_all()
}

/// Records after sequence `after`, oldest first; at least one where `max_records` wants one, however large.
pub(super) fn read(
    database: &Database,
    after: u64,
    max_records: usize,
    max_bytes: u64,
) -> Result<Vec<(u64, Bytes)>, redb::Error> {
    let records = database.begin_read()?.open_table(RECORDS)?;
    let (mut taken, mut all) = (Vec::new(), BytesMut::new());
    for row in records.range(after.saturating_add(1)..)?.take(max_records) {
        let (sequence, bytes) = row?;
        let size = (all.len() as u64).saturating_add(bytes.value().len() as u64);
        if size > max_bytes && !taken.is_empty() {
            break;
        }
        all.extend_from_slice(bytes.value());
        taken.push((sequence.value(), bytes.value().len()));
    }
    // One piece of memory for all of them: each is a part of it.
    let mut all = all.freeze();
    Ok(taken.into_iter().map(|(sequence, length)| (sequence, all.split_to(length))).collect())
}
