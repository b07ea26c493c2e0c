//! Whether a line can carry what the schedules of its meters ask of it, said before it happens.
//!
//! ```text
//!   speed, parity, answer time + how a meter is asked  -->  time of one read               read_time
//!   timetables of the meters                           -->  spans: so many slots within     spans
//!                                                           so long, where they are closest
//!   reads x time of a read / (span - what is kept free), of the worst span  -->  Load       load
//!   all lines, those that changed since the last look                       -->  Book       book
//! ```
//!
//! A node that measured how long reads take on its lines uses that instead of the estimate (measured).
//!
//! Promises: what is left out makes a load too high rather than too low; what did not change is not worked out again.
//! Refuses: a clock, and deciding: a line that is asked too much is asked all the same.

mod book;
mod load;
mod measured;
mod read_time;
mod spans;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;

use crate::config;
use crate::timetable::Timetable;

pub use book::Book;
pub use load::{Load, load};
pub use measured::Measured;
pub use read_time::Ask;
pub use spans::Spans;

/// Meters of one line that are asked alike, at the same moments.
#[derive(Debug, Clone)]
pub struct Group {
    /// When.
    pub table: Arc<Timetable>,
    /// How.
    pub ask: Ask,
    /// How many.
    pub meters: u32,
}

/// What of a line's time is kept free, percent.
#[derive(Debug, Clone, Copy)]
pub struct Shares {
    /// For repeats and silent meters.
    pub silent: u32,
    /// For commands.
    pub commands: u32,
}

impl From<&config::Polling> for Shares {
    fn from(settings: &config::Polling) -> Self {
        Self { silent: settings.silent_share_percent, commands: settings.command_share_percent }
    }
}

impl Shares {
    /// What is left of `span`, at least a little.
    fn left(self, span: u64) -> u64 {
        let kept = u64::from(self.silent.saturating_add(self.commands)).min(99);
        (span / 100 * (100 - kept)).max(1)
    }
}
