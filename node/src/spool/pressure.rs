//! How full the spool is, and what that means for those who fill it.
//!
//! ```text
//!   fill, percent of bytes or of age, whichever is more
//!   0 ........ pressure_percent ...... slow_percent ........ 100
//!     calm     |  near: no reads       |  slow: fewer slots   |  full: nothing but marks
//!              `- each is left relief_percent below where it begins
//! ```
//!
//! Promises: with `stop` there is nothing between calm and full; a level does not flutter. Refuses: a clock: time is an
//! argument; doing anything about it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::config;

use super::store::Holds;

/// What is still accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// Everything.
    #[default]
    Calm,
    /// No reads that people ask for.
    Near,
    /// And readings of fewer slots.
    Slow,
    /// Marks of missed slots only.
    Full,
}

impl Level {
    /// Its number in reports, 0 to 3.
    pub const fn number(self) -> u32 {
        match self {
            Self::Calm => 0,
            Self::Near => 1,
            Self::Slow => 2,
            Self::Full => 3,
        }
    }
}

/// How full the spool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pressure {
    /// Records it holds.
    pub records: u64,
    /// Bytes it holds.
    pub bytes: u64,
    /// Bytes of readings it may hold.
    pub max_bytes: u64,
    /// How long its oldest record has waited.
    pub age: Duration,
    /// How long it may.
    pub max_age: Duration,
    /// What is still accepted.
    pub level: Level,
}

impl Pressure {
    /// The worse of bytes and age, percent of its bound.
    pub fn percent(&self) -> u64 {
        let share = |part: u128, whole: u128| u64::try_from(part * 100 / whole.max(1)).unwrap_or(u64::MAX);
        let bytes = share(self.bytes.into(), self.max_bytes.into());
        bytes.max(share(self.age.as_millis(), self.max_age.as_millis()))
    }
}

impl std::fmt::Display for Pressure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { bytes, max_bytes, age, max_age, .. } = self;
        let whole =
            |span: &Duration| humantime_serde::re::humantime::format_duration(Duration::from_secs(span.as_secs()));
        write!(
            f,
            "the spool holds {bytes} of {max_bytes} bytes, the oldest record for {} of {} (spool.max_age): bring the \
             database back, or raise spool.max_bytes where the disk has room",
            whole(age),
            whole(max_age)
        )
    }
}

/// Where the levels begin, and which one it is.
#[derive(Debug)]
pub(super) struct Gauge {
    /// Percent; the first of each level after calm.
    begins: Vec<(Level, u64)>,
    relief: u64,
    max_bytes: u64,
    max_age: Duration,
    level: Mutex<Level>,
}

impl Gauge {
    pub(super) fn new(config: &config::Spool) -> Self {
        let near = (Level::Near, u64::from(config.pressure_percent));
        let begins = match config.when_full {
            config::WhenFull::SlowDown => {
                vec![near, (Level::Slow, u64::from(config.slow_percent)), (Level::Full, 100)]
            }
            config::WhenFull::Stop => vec![(Level::Full, 100)],
        };
        let (relief, max_age) = (u64::from(config.relief_percent), config.max_age);
        Self { begins, relief, max_bytes: config.readings_bytes(), max_age, level: Mutex::default() }
    }

    /// How full it is with what it holds, at `now` (Unix ms).
    pub(super) fn read(&self, holds: Holds, now: u64) -> Pressure {
        let age_ms = if holds.records == 0 { 0 } else { now.saturating_sub(holds.oldest_at) };
        let (max_bytes, max_age) = (self.max_bytes, self.max_age);
        let (age, level) = (Duration::from_millis(age_ms), Level::Calm);
        let pressure = Pressure { records: holds.records, bytes: holds.bytes, max_bytes, age, max_age, level };
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        *level = self.next(*level, pressure.percent());
        Pressure { level: *level, ..pressure }
    }

    /// A reading did not fit any more.
    pub(super) fn refused(&self) {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner) = Level::Full;
    }

    /// The highest level that begins at or below `percent`, or that was reached and is not left yet.
    fn next(&self, before: Level, percent: u64) -> Level {
        let holds = |(level, begins): &&(Level, u64)| {
            let begins = if *level <= before { begins.saturating_sub(self.relief) } else { *begins };
            percent >= begins
        };
        self.begins.iter().filter(holds).map(|(level, _)| *level).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use bytesize::ByteSize;

    use super::*;

    fn gauge(change: impl FnOnce(&mut config::Spool)) -> Gauge {
        let mut config = config::Spool { max_bytes: ByteSize(1_000), reserve_percent: 0, ..config::Spool::default() };
        change(&mut config);
        Gauge::new(&config)
    }

    fn level(gauge: &Gauge, bytes: u64) -> Level {
        gauge.read(Holds { last: 9, records: 9, bytes, oldest_at: 1_000 }, 1_000).level
    }

    #[test]
    fn levels_come_in_order_and_each_is_left_only_well_below_where_it_began() {
        let gauge = gauge(|_| {});
        let seen = [0, 699, 700, 849, 850, 999, 1_000, 960, 949, 810, 799, 660, 649, 699, 700];
        let levels = seen.map(|bytes| level(&gauge, bytes).number());
        assert_eq!(levels, [0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 1, 1, 0, 0, 1]);
    }

    #[test]
    fn with_stop_everything_goes_on_up_to_the_bound() {
        let gauge = gauge(|config| config.when_full = config::WhenFull::Stop);
        assert_eq!([0, 700, 999, 1_000, 960, 949].map(|bytes| level(&gauge, bytes).number()), [0, 0, 0, 3, 3, 0]);
    }

    #[test]
    fn an_old_record_presses_like_many_bytes_and_an_empty_spool_never_does() {
        let gauge = gauge(|config| config.max_age = Duration::from_secs(100));
        let old = Holds { last: 1, records: 1, bytes: 1, oldest_at: 1_000 };
        let at = |seconds: u64| gauge.read(old, 1_000 + seconds * 1_000).level;
        assert_eq!([at(69), at(70), at(85), at(100)], [Level::Calm, Level::Near, Level::Slow, Level::Full]);
        let empty = Holds { last: 1, records: 0, bytes: 0, oldest_at: 0 };
        assert_eq!(gauge.read(empty, u64::MAX).level, Level::Calm);
        assert_eq!(gauge.read(old, 0).age, Duration::ZERO, "a clock that was set back makes nothing old");
    }

    #[test]
    fn what_presses_is_told_in_numbers_with_a_remedy() {
        let gauge = gauge(|_| {});
        let text = gauge.read(Holds { last: 1, records: 1, bytes: 900, oldest_at: 0 }, 86_400_000).to_string();
        assert!(text.contains("900 of 1000 bytes") && text.contains("1day of"), "{text}");
        assert!(text.contains("bring the database back"), "{text}");
    }
}
