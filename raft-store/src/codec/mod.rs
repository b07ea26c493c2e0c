//! Durable bytes: the one address of every layout that outlives the process.
//!
//! ```text
//!   state::Entry  <-- mirror -->  v1::Entry  <-- bincode -->  payload  <-- envelope -->  bytes
//!   (free to change)              (frozen)                              magic, kind, version, length, checksums
//! ```
//!
//! Promises: both directions for everything; equal values give equal bytes; bytes from anywhere give a value or a
//! [`CodecError`], never a panic, and never use more memory than a fixed multiple of their own length; a version
//! once written is read for ever. Refuses: I/O, and any type of the consensus library reaching the disk.

pub mod envelope;
mod error;
mod mirror;
mod seq;
mod v1_entry;
mod v1_raft;
mod v1_state;
mod v2_state;
mod v3_plant;
mod v3_state;

use bincode::config;
use sha2::{Digest as _, Sha256};

use crate::state::{Entry, Reply, State};
use crate::types::{Image, LogId, Membership, Payload, RaftEntry, Vote};

pub use error::{CodecError, Kind};
use mirror::Mirror;

/// The newest layout version of most kinds; states and snapshots have [`STATE_VERSION`]. A value that an older version
/// can say is written in that one.
pub const VERSION: u16 = 1;

/// The newest layout version of states and snapshots.
pub const STATE_VERSION: u16 = 3;

/// An encoded entry is at most this long, bytes. Larger imports are split by whoever proposes them.
pub const ENTRY_LIMIT: usize = 8 << 20;

/// An entry with what the log adds to it is at most this long, bytes: every entry within its limit fits the log.
pub const RECORD_LIMIT: usize = ENTRY_LIMIT + SMALL_LIMIT;

/// An encoded state, and a snapshot with it, is at most this long, bytes.
pub const STATE_LIMIT: usize = 512 << 20;

/// Small kinds (votes, positions) are at most this long, bytes.
pub const SMALL_LIMIT: usize = 64;

/// A decoded integer claims at most this many times its encoded length, so every payload within its own limit is
/// within the decoder's.
const CLAIM: usize = 8;

/// SHA-256 of the canonical bytes of a state: replicas that applied the same entries have the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The digest of `state`.
///
/// # Errors
/// The state is longer than [`STATE_LIMIT`].
pub fn digest(state: &State) -> Result<Digest, CodecError> {
    encode_state(state).map(|bytes| Digest(Sha256::digest(bytes).into()))
}

/// What a value of some kind looks like in the payload, version by version.
trait Layout: Sized {
    const KIND: Kind;
    const NEWEST: u16;
    /// The version in which this value is written, and its payload.
    fn freeze(&self) -> Result<(u16, Vec<u8>), CodecError>;
    /// The value of a payload of a version up to the newest.
    fn thaw(version: u16, payload: &[u8]) -> Result<Self, CodecError>;
}

fn encode<T: Layout>(value: &T) -> Result<Vec<u8>, CodecError> {
    let (version, payload) = value.freeze()?;
    envelope::seal(T::KIND, version, &payload)
}

fn decode<T: Layout>(bytes: &[u8]) -> Result<T, CodecError> {
    let (version, payload) = envelope::open(T::KIND, bytes)?;
    if (1..=T::NEWEST).contains(&version) {
        return T::thaw(version, payload);
    }
    Err(CodecError::Version { kind: T::KIND, found: version, newest: T::NEWEST })
}

fn encode_payload_bytes<V: bincode::Encode>(kind: Kind, value: V) -> Result<Vec<u8>, CodecError> {
    bincode::encode_to_vec(value, config::standard()).map_err(|source| CodecError::Encode { kind, source })
}

/// The decoder's own limit is a constant of its type, hence one arm per class of kinds.
fn decode_payload_bytes<V: bincode::Decode<()>>(kind: Kind, payload: &[u8]) -> Result<V, CodecError> {
    let limited = config::standard();
    let decoded = match kind.limit() {
        SMALL_LIMIT => bincode::decode_from_slice(payload, limited.with_limit::<{ SMALL_LIMIT * CLAIM }>()),
        ENTRY_LIMIT | RECORD_LIMIT => {
            bincode::decode_from_slice(payload, limited.with_limit::<{ RECORD_LIMIT * CLAIM }>())
        }
        _ => bincode::decode_from_slice(payload, limited.with_limit::<{ STATE_LIMIT * CLAIM }>()),
    };
    let (value, consumed) = decoded.map_err(|source| CodecError::Decode { kind, source })?;
    if consumed == payload.len() {
        return Ok(value);
    }
    Err(CodecError::Trailing { kind, extra: payload.len() - consumed })
}

macro_rules! both_directions {
    (@newest) => { VERSION };
    (@newest $v3:ty) => { STATE_VERSION };
    ($($what:literal, $kind:ident: $type:ty = $v1:ty $(, $v2:ty, $v3:ty)? => $encode:ident, $decode:ident;)+) => {$(
        impl Layout for $type {
            const KIND: Kind = Kind::$kind;
            const NEWEST: u16 = both_directions!(@newest $($v3)?);
            fn freeze(&self) -> Result<(u16, Vec<u8>), CodecError> {
                $(if let Some(frozen) = <$v3>::freeze(self) {
                    return Ok((3, encode_payload_bytes(Self::KIND, frozen)?));
                }
                if let Some(frozen) = <$v2>::freeze(self) {
                    return Ok((2, encode_payload_bytes(Self::KIND, frozen)?));
                })?
                Ok((1, encode_payload_bytes(Self::KIND, self.store())?))
            }
            fn thaw(version: u16, payload: &[u8]) -> Result<Self, CodecError> {
                match version {
                    $(2 => decode_payload_bytes::<$v2>(Self::KIND, payload)?.thaw(),
                    3 => decode_payload_bytes::<$v3>(Self::KIND, payload)?.thaw(),)?
                    _ => Mirror::restore(decode_payload_bytes::<$v1>(Self::KIND, payload)?),
                }
            }
        }

        #[doc = concat!("The durable bytes of ", $what, ".")]
        ///
        /// # Errors
        /// It is longer than its kind may be.
        pub fn $encode(value: &$type) -> Result<Vec<u8>, CodecError> { encode(value) }

        #[doc = concat!("The value of bytes that are ", $what, ".")]
        ///
        /// # Errors
        /// The bytes are damaged, of another kind, or of a version this release does not know.
        pub fn $decode(bytes: &[u8]) -> Result<$type, CodecError> { decode(bytes) }
    )+};
}

both_directions! {
    "a proposed change", Entry: Entry = v1_entry::Entry => encode_entry, decode_entry;
    "the reply to a change", Reply: Reply = v1_entry::Reply => encode_reply, decode_reply;
    "what a log entry carries", Payload: Payload = v1_raft::Payload => encode_payload, decode_payload;
    "a log entry with its position", RaftEntry: RaftEntry = v1_raft::RaftEntry => encode_raft_entry, decode_raft_entry;
    "a membership", Membership: Membership = v1_raft::Membership => encode_membership, decode_membership;
    "a vote", Vote: Vote = v1_raft::Vote => encode_vote, decode_vote;
    "a position in the log", LogId: LogId = v1_raft::Position => encode_log_id, decode_log_id;
    "a whole state", State: State = v1_state::State, v2_state::State, v3_state::State => encode_state, decode_state;
    "a snapshot", Snapshot: Image = v1_raft::Image, v2_state::Image, v3_state::Image => encode_snapshot, decode_snapshot;
}
