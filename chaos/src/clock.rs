//! The two clocks of every ledger entry.
//!
//! Promises: the wall clock names moments for people and slots, the monotonic clock orders them; both are taken
//! together. Refuses: measuring a distance on the wall clock, which tests are free to turn.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Microseconds in a second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;

/// One moment on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
pub struct Stamp {
    /// Monotonic clock of the machine, µs: comparable between processes until the next boot.
    pub mono: i64,
    /// Unix time, µs.
    pub wall: i64,
}

impl Stamp {
    /// This moment.
    pub fn now() -> Self {
        let mono = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self {
            mono: mono.tv_sec.saturating_mul(MICROS_PER_SECOND).saturating_add(mono.tv_nsec / 1000),
            wall: i64::try_from(wall.as_micros()).unwrap_or(i64::MAX),
        }
    }

    /// The moment `time` later on both clocks.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        let micros = micros(time);
        Self { mono: self.mono.saturating_add(micros), wall: self.wall.saturating_add(micros) }
    }

    /// How long ago on the monotonic clock.
    pub fn elapsed(self) -> Duration {
        let gone = Self::now().mono.saturating_sub(self.mono);
        Duration::from_micros(u64::try_from(gone).unwrap_or(0))
    }
}

/// A duration in whole microseconds.
pub fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
