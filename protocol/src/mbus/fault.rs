//! Where the reading of records ends (EN 13757-3 clause 6.3).
//!
//! Promises: the same fault whichever part of a record was being read. Refuses: a value that is merely invalid: its
//! length is known, and what follows can be read.

/// The most DIFEs a record may have, and the most VIFEs (EN 13757-3 clause 6.3).
pub const MOST_EXTENSIONS: usize = 10;

/// Why a list of records cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// The data end inside a record.
    #[error("data end inside a record")]
    Cut,
    /// More than ten DIFEs or VIFEs.
    #[error("more than {MOST_EXTENSIONS} extensions in a record")]
    TooManyExtensions,
    /// A code the standard reserves: its length is unknown.
    #[error("reserved code in a record")]
    Reserved,
}
