//! The kinds of durable bytes, with what can be wrong with them.
//!
//! Promises: a kind's number is never reused; every error names the thing and its value.

use super::{ENTRY_LIMIT, RECORD_LIMIT, SMALL_LIMIT, STATE_LIMIT};

/// What the payload of an envelope is. Numbers are durable and only appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A proposed change.
    Entry,
    /// The reply to a change.
    Reply,
    /// What a log entry carries.
    Payload,
    /// A log entry with its position.
    RaftEntry,
    /// Who votes and who listens.
    Membership,
    /// A vote.
    Vote,
    /// A position in the log.
    LogId,
    /// A whole state.
    State,
    /// A snapshot.
    Snapshot,
}

impl Kind {
    /// Every kind, in the order of its number.
    pub const ALL: [Self; 9] = [
        Self::Entry,
        Self::Reply,
        Self::Payload,
        Self::RaftEntry,
        Self::Membership,
        Self::Vote,
        Self::LogId,
        Self::State,
        Self::Snapshot,
    ];

    /// Its durable number.
    pub const fn number(self) -> u16 {
        match self {
            Self::Entry => 1,
            Self::Reply => 2,
            Self::Payload => 3,
            Self::RaftEntry => 4,
            Self::Membership => 5,
            Self::Vote => 6,
            Self::LogId => 7,
            Self::State => 8,
            Self::Snapshot => 9,
        }
    }

    /// Its name in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Reply => "reply",
            Self::Payload => "log payload",
            Self::RaftEntry => "log entry",
            Self::Membership => "membership",
            Self::Vote => "vote",
            Self::LogId => "log position",
            Self::State => "state",
            Self::Snapshot => "snapshot",
        }
    }

    /// The longest payload it may have, bytes.
    pub const fn limit(self) -> usize {
        match self {
            Self::Entry | Self::Reply => ENTRY_LIMIT,
            Self::Payload | Self::RaftEntry | Self::Membership => RECORD_LIMIT,
            Self::Vote | Self::LogId => SMALL_LIMIT,
            Self::State | Self::Snapshot => STATE_LIMIT,
        }
    }

    pub(super) fn from_number(number: u16) -> Result<Self, CodecError> {
        Self::ALL.into_iter().find(|kind| kind.number() == number).ok_or(CodecError::UnknownKind(number))
    }

    pub(super) const fn check_length(self, length: usize) -> Result<(), CodecError> {
        if length <= self.limit() { Ok(()) } else { Err(CodecError::too_long(self, length)) }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Why bytes are not a value, or a value cannot become bytes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// Fewer bytes than a header.
    #[error("{kind} of {found} bytes is shorter than its header")]
    Short {
        /// What was wanted.
        kind: Kind,
        /// How many bytes there were.
        found: usize,
    },
    /// Not one of our envelopes.
    #[error("first bytes {0:02x?} are not those of an envelope")]
    Magic([u8; 4]),
    /// The header was changed after it was written.
    #[error("header checksum {written:08x} does not match its bytes, which give {computed:08x}")]
    HeaderChecksum {
        /// As written.
        written: u32,
        /// As computed.
        computed: u32,
    },
    /// The payload was changed after it was written.
    #[error("{kind} checksum {written:08x} does not match its bytes, which give {computed:08x}")]
    PayloadChecksum {
        /// What it is.
        kind: Kind,
        /// As written.
        written: u32,
        /// As computed.
        computed: u32,
    },
    /// The payload is longer or shorter than its header says.
    #[error("{kind} declares {declared} bytes and has {found}")]
    Length {
        /// What it is.
        kind: Kind,
        /// By its header.
        declared: usize,
        /// In truth.
        found: usize,
    },
    /// Longer than its kind may be.
    #[error("{kind} of {length} bytes is longer than the limit of {limit}: split it")]
    TooLong {
        /// What it is.
        kind: Kind,
        /// Its length, bytes.
        length: usize,
        /// The limit, bytes.
        limit: usize,
    },
    /// A number no kind has.
    #[error("kind {0} is not known to this release")]
    UnknownKind(u16),
    /// A sound envelope of something else.
    #[error("expected {wanted} and found {found}")]
    WrongKind {
        /// What was wanted.
        wanted: Kind,
        /// What it is.
        found: Kind,
    },
    /// Written by a newer release.
    #[error("{kind} version {found} is newer than {newest}, the newest known: upgrade this node")]
    Version {
        /// What it is.
        kind: Kind,
        /// Its version.
        found: u16,
        /// The newest known.
        newest: u16,
    },
    /// The payload is sound but is not a value.
    #[error("{kind} cannot be decoded: {source}")]
    Decode {
        /// What it is.
        kind: Kind,
        /// Why not.
        source: bincode::error::DecodeError,
    },
    /// The value has no bytes.
    #[error("{kind} cannot be encoded: {source}")]
    Encode {
        /// What it is.
        kind: Kind,
        /// Why not.
        source: bincode::error::EncodeError,
    },
    /// A value, and then more.
    #[error("{kind} is followed by {extra} bytes too many")]
    Trailing {
        /// What it is.
        kind: Kind,
        /// How many.
        extra: usize,
    },
    /// Well-formed, but against a rule of the thing itself.
    #[error("{thing} {value} is not possible")]
    Impossible {
        /// What it is.
        thing: &'static str,
        /// What stood there.
        value: String,
    },
}

impl CodecError {
    pub(super) const fn too_long(kind: Kind, length: usize) -> Self {
        Self::TooLong { kind, length, limit: kind.limit() }
    }

    pub(super) fn impossible(thing: &'static str, value: impl std::fmt::Display) -> Self {
        Self::Impossible { thing, value: value.to_string() }
    }
}

impl From<CodecError> for std::io::Error {
    fn from(error: CodecError) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}
