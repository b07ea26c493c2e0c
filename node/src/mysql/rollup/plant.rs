//! Where the plant's days begin.
//!
//! Promises: a day lasts from its first moment to the first moment of the next, 23 or 25 hours where clocks are changed.
//! Refuses: the zone of this machine.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use raft_store::state::UnixMillis;

/// The plant's time zone.
#[derive(Debug, Clone)]
pub struct Plant {
    zone: TimeZone,
    name: String,
}

/// The zone has no such name.
#[derive(Debug, thiserror::Error)]
#[error("zone {0} is none: name one as Europe/Berlin or Asia/Shanghai")]
pub struct PlantError(String);

impl Plant {
    /// The plant in the zone of this IANA name.
    pub fn new(name: &str) -> Result<Self, PlantError> {
        let zone = TimeZone::get(name).map_err(|_| PlantError(name.to_owned()))?;
        Ok(Self { zone, name: name.to_owned() })
    }

    /// A plant whose days are those of UTC.
    pub fn utc() -> Self {
        Self { zone: TimeZone::UTC, name: "UTC".to_owned() }
    }

    /// The zone's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The civil day of a moment.
    pub fn day_of(&self, moment: UnixMillis) -> Date {
        let moment = i64::try_from(moment.0).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
        self.zone.to_datetime(moment.unwrap_or(Timestamp::MAX)).date()
    }

    /// The first moment of a day, and of the next, Unix ms.
    pub fn bounds(&self, day: Date) -> (u64, u64) {
        (self.begin(day), self.begin(day.saturating_add(1.day())))
    }

    fn begin(&self, day: Date) -> u64 {
        let begin = day.to_zoned(self.zone.clone()).and_then(|noon| noon.start_of_day());
        begin.map_or(0, |begin| u64::try_from(begin.timestamp().as_millisecond()).unwrap_or(0))
    }
}
