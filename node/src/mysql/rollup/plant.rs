//! Where the plant's days begin.
//!
//! Promises: a day lasts from its first moment to the first moment of the next, 23 or 25 hours where clocks are changed.
//! Refuses: the zone of this machine.

use jiff::civil::{Date, DateTime};
use raft_store::state::UnixMillis;

use crate::timetable::Zone;

/// The plant's time zone.
#[derive(Debug, Clone)]
pub struct Plant {
    zone: Zone,
    name: String,
}

impl Plant {
    /// The plant in the zone of this IANA name; in UTC where this release does not know it.
    pub fn new(name: &str) -> Self {
        Self { zone: Zone::or_utc(name), name: name.to_owned() }
    }

    /// A plant whose days are those of UTC.
    pub fn utc() -> Self {
        Self::new("UTC")
    }

    /// The zone's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether its days begin and end as those of `other` do.
    pub fn has_days_of(&self, other: &Self) -> bool {
        self.zone == other.zone
    }

    /// The civil day of a moment.
    pub fn day_of(&self, moment: UnixMillis) -> Date {
        self.zone.civil(moment.0).map_or(Date::MAX, DateTime::date)
    }

    /// The same moments in stretches within which no clock is changed: from, before, and seconds ahead of UTC.
    pub fn stretches(&self, from: u64, to: u64) -> Vec<(u64, u64, i32)> {
        self.zone.stretches(from, to)
    }

    /// The first moment of a day, and of the next, Unix ms.
    pub fn bounds(&self, day: Date) -> (u64, u64) {
        self.zone.day(day).unwrap_or_default()
    }
}
