//! The words of every dialogue between a node and a meter: whom it asks, what its driver does next, how it ends.
//!
//! ```text
//!   Reach (Address, Timing) --> dialogue --> Step: Send | Await | Done(Answer)
//!                                                                      |
//!                                  Reading | Accepted | Refused(Refusal) | Lost(LineFault)
//! ```
//!
//! Promises: plain values that belong to no dialect. Refuses: holding a dialogue.

use std::time::Duration;

use crate::meter::{Address, Reading, ValveState};

/// How a meter is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Where; decides the dialect.
    pub address: Address,
    /// How the line behaves.
    pub timing: Timing,
}

/// How a line behaves, in the terms of its standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Line speed, bit/s. One character is 11 bits (8E1, EN 13757-2).
    pub baud: u32,
    /// Added to the standard's answer time: gateways and radio links may need seconds.
    pub extra: Duration,
    /// How often an unanswered request is repeated, at most.
    pub repeats: u8,
}

impl Timing {
    /// The time `count` characters of 11 bits occupy the line.
    pub fn characters(&self, count: usize) -> Duration {
        Duration::from_micros((count as u64).saturating_mul(11_000_000) / u64::from(self.baud.max(1)))
    }
}

/// What the driver of a dialogue does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Write these bytes to the line.
    Send(Vec<u8>),
    /// Read from the line; after this long without bytes, tell the dialogue that the time passed.
    Await(Duration),
    /// Over.
    Done(Answer),
}

/// The same for what ends in something of its own: one request, a search, a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn<T> {
    /// Write these bytes to the line.
    Send(Vec<u8>),
    /// Read from the line; after this long without bytes, tell that the time passed.
    Await(Duration),
    /// Over.
    Done(T),
}

/// The meter answered (a value or a refusal), or the line did not carry an answer: never one variant for both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The meter answered a read.
    Reading(Reading),
    /// The meter accepted an action; where it said so, what its valve is doing.
    Accepted {
        /// The state the meter claims; travel may still go on.
        valve: Option<ValveState>,
    },
    /// The meter answered that it will not.
    Refused(Refusal),
    /// The line carried no usable answer.
    Lost(LineFault),
}

/// Why a meter will not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The meter's own code: M-Bus application error, CJ/T 188 status, Modbus exception; 0 where there is none.
    pub code: u16,
    /// The same in words.
    pub text: String,
}

/// Why no usable answer came. Names are durable: they become reasons of missed slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LineFault {
    /// Nothing came.
    Silent,
    /// Something came, and its checksum was wrong.
    BadChecksum,
    /// Something came that is no frame of the dialect.
    Garbled,
    /// Several meters answered at once.
    Collision,
    /// A sound frame came from another meter than the one asked.
    WrongMeter,
    /// A sound frame came whose content cannot be read without guessing.
    Undecodable,
    /// The channel itself failed (closed, unplugged, gateway gone). Said by the driver, never by a dialogue.
    LineDown,
}

impl LineFault {
    /// This fault, or `other` where that tells more of what happened to one answer: a sound frame tells more than an
    /// unsound one, and that more than noise.
    pub(crate) const fn or_more_telling(self, other: Self) -> Self {
        if other.tells() > self.tells() { other } else { self }
    }

    const fn tells(self) -> u8 {
        match self {
            Self::Silent => 0,
            Self::Garbled | Self::Collision => 1,
            Self::BadChecksum => 2,
            Self::WrongMeter => 3,
            Self::Undecodable | Self::LineDown => 4,
        }
    }

    /// The name used in tables and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Silent => "no-answer",
            Self::BadChecksum => "bad-checksum",
            Self::Garbled => "garbled",
            Self::Collision => "collision",
            Self::WrongMeter => "wrong-meter",
            Self::Undecodable => "undecodable",
            Self::LineDown => "line-down",
        }
    }
}
