//! Numbers the replicated log gives: nodes, lines, meters, commands, and ownerships of lines.
//!
//! Promises: a number is of one kind only, and never used twice. Refuses: arithmetic.

use std::fmt;

/// A node of the cluster. Given by the replicated log, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

/// A line: one half-duplex channel with the meters on it. Given by the replicated log, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineId(pub u64);

/// A meter (or valve) on a line. Given by the replicated log, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MeterId(pub u64);

/// A command accepted by the cluster. Given by the replicated log, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// The number of one ownership of a line; the first is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

macro_rules! shown_as_number {
    ($($name:ident),+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
    )+};
}
shown_as_number!(NodeId, LineId, MeterId, CommandId, Epoch);
