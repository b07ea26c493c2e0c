//! The shapes in which the write-ahead log keeps positions, votes and payloads.
//!
//! ```text
//!   record of the write-ahead log:  type u32 | position (16) and payload envelope, or vote envelope, .. | crc32
//! ```
//!
//! Promises: everything of variable length carries an envelope, whose header has a checksum of its own. A damaged
//! length is therefore seen as damage, never as a record that merely ended too early (which would be cut).

use std::cmp::Ordering;
use std::io::{self, Read, Write};
use std::sync::{Arc, OnceLock};

use raft_log::codeq::{Decode, Encode};
use tokio::sync::oneshot;

use crate::codec::envelope::{HEADER_LEN, Header};
use crate::codec::{self, Kind};
use crate::state::LogPosition;
use crate::types::{IoFlushed, Vote};

/// Type parameters of the write-ahead log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Wal;

impl raft_log::Types for Wal {
    type LogId = WalPosition;
    type LogPayload = WalPayload;
    type Vote = WalVote;
    type Callback = Flushed;
    type UserData = NoUserData;

    fn log_index(log_id: &WalPosition) -> u64 {
        log_id.0.index
    }

    fn payload_size(payload: &WalPayload) -> u64 {
        payload.0.len() as u64
    }
}

/// A position: term and index, each a big-endian u64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WalPosition(pub(super) LogPosition);

impl Encode for WalPosition {
    fn encode<W: Write>(&self, mut writer: W) -> io::Result<usize> {
        Ok(self.0.term.encode(&mut writer)? + self.0.index.encode(&mut writer)?)
    }
}

impl Decode for WalPosition {
    fn decode<R: Read>(mut reader: R) -> io::Result<Self> {
        let term = u64::decode(&mut reader)?;
        Ok(Self(LogPosition { term, index: u64::decode(&mut reader)? }))
    }
}

/// What an entry carries, sealed. Cheap to clone: readers share the bytes.
#[derive(Debug, Clone)]
pub(super) struct WalPayload(pub(super) Arc<[u8]>);

impl Encode for WalPayload {
    fn encode<W: Write>(&self, mut writer: W) -> io::Result<usize> {
        writer.write_all(&self.0).map(|()| self.0.len())
    }
}

impl Decode for WalPayload {
    fn decode<R: Read>(reader: R) -> io::Result<Self> {
        read_envelope(reader, Kind::Payload).map(|bytes| Self(bytes.into()))
    }
}

/// A vote, sealed in the log and open in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WalVote(pub(super) Vote);

/// As votes supersede each other: two candidates of one term are not comparable.
impl PartialOrd for WalVote {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.0.partial_cmp(&other.0)
    }
}

impl Encode for WalVote {
    fn encode<W: Write>(&self, mut writer: W) -> io::Result<usize> {
        let bytes = codec::encode_vote(&self.0)?;
        writer.write_all(&bytes).map(|()| bytes.len())
    }
}

impl Decode for WalVote {
    fn decode<R: Read>(reader: R) -> io::Result<Self> {
        let bytes = read_envelope(reader, Kind::Vote)?;
        Ok(Self(codec::decode_vote(&bytes)?))
    }
}

/// The write-ahead log offers a place for data of the application: not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoUserData {}

impl Encode for NoUserData {
    fn encode<W: Write>(&self, _: W) -> io::Result<usize> {
        match *self {}
    }
}

impl Decode for NoUserData {
    fn decode<R: Read>(_: R) -> io::Result<Self> {
        Err(io::Error::new(io::ErrorKind::InvalidData, "user data where none is ever written"))
    }
}

/// Reads one whole envelope; its length is believed only after its header's checksum.
fn read_envelope<R: Read>(mut reader: R, kind: Kind) -> io::Result<Vec<u8>> {
    let mut head = [0; HEADER_LEN];
    reader.read_exact(&mut head)?;
    let header = Header::parse(&head)?;
    if header.kind != kind {
        return Err(codec::CodecError::WrongKind { wanted: kind, found: header.kind }.into());
    }
    let mut bytes = head.to_vec();
    let length = u64::from(header.length);
    reader.take(length).read_to_end(&mut bytes)?;
    let payload = bytes.get(HEADER_LEN..).unwrap_or_default();
    if payload.len() as u64 != length {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("{kind} ends early")));
    }
    header.check_payload(payload)?;
    Ok(bytes)
}

/// Why the first write failed that did: what fails after it names only what follows from it.
pub(super) type Cause = Arc<OnceLock<String>>;

/// Who is told that a write is durable, or that it never will be: also where the writing thread ended before it.
pub(super) struct Flushed {
    // Absent once told.
    told: Option<Told>,
    cause: Cause,
}

pub(super) enum Told {
    /// The consensus library.
    Raft(IoFlushed),
    /// A task that waits here.
    Waiter(oneshot::Sender<io::Result<()>>),
}

impl Flushed {
    pub(super) fn new(told: Told, cause: &Cause) -> Self {
        Self { told: Some(told), cause: Arc::clone(cause) }
    }

    fn tell(&mut self, result: io::Result<()>) {
        match self.told.take() {
            Some(Told::Raft(callback)) => callback.io_completed(result),
            // A waiter that has gone no longer cares.
            Some(Told::Waiter(sender)) => drop(sender.send(result)),
            None => {}
        }
    }
}

impl raft_log::Callback for Flushed {
    fn send(mut self, result: io::Result<()>) {
        if let Err(error) = &result {
            self.cause.get_or_init(|| error.to_string());
        }
        self.tell(result);
    }
}

/// A failed write ends the writing thread, and with it what waits behind that write.
impl Drop for Flushed {
    fn drop(&mut self) {
        let why = self.cause.get().map_or("its writing thread has stopped", String::as_str);
        let error = io::Error::other(format!("the log cannot be written: {why}"));
        self.tell(Err(error));
    }
}
