//! The plant's zone: civil times into moments, and back.
//!
//! Promises: the rules of zones are those this release carries, whatever the machine has: nodes of one release agree.
//! Refuses: names that are none.

use jiff::civil::{self, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan};

/// A name that is no zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("zone \"{0}\" is not known: write an IANA name such as Asia/Shanghai, Europe/Helsinki or UTC")]
pub struct NoSuchZone(pub String);

/// A time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// The moments, Unix ms, at which a civil time is shown: the first, and another where it comes twice.
pub type Shown = (u64, Option<u64>);

impl Zone {
    /// The zone that never changes.
    pub const fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The zone of an IANA name.
    pub fn named(name: &str) -> Result<Self, NoSuchZone> {
        if name == "UTC" {
            return Ok(Self::utc());
        }
        TimeZoneDatabase::bundled().get(name).map(Self).map_err(|_| NoSuchZone(name.to_owned()))
    }

    /// The zone of an IANA name, universal time where this release does not know it.
    pub fn or_utc(name: &str) -> Self {
        Self::named(name).unwrap_or_else(|_| Self::utc())
    }

    /// The civil date and time at a moment.
    pub fn civil(&self, moment: u64) -> Option<DateTime> {
        Some(self.0.to_datetime(timestamp(moment)?))
    }

    /// When a civil time is shown. One that is left out counts as moved by what is left out.
    pub fn shown(&self, time: DateTime) -> Option<Shown> {
        let moment = |offset: jiff::tz::Offset| {
            let millis = offset.to_timestamp(time).ok()?.as_millisecond();
            u64::try_from(millis).ok()
        };
        match self.0.to_ambiguous_timestamp(time).offset() {
            AmbiguousOffset::Unambiguous { offset } => Some((moment(offset)?, None)),
            AmbiguousOffset::Gap { before, .. } => Some((moment(before)?, None)),
            AmbiguousOffset::Fold { before, after } => Some((moment(before)?, moment(after))),
        }
    }

    /// The first moment of a civil day.
    pub fn day_begins(&self, day: civil::Date) -> Option<u64> {
        self.shown(day.at(0, 0, 0, 0)).map(|(first, _)| first)
    }

    /// `from` until `to` in stretches within which no clock is changed: from, before, and seconds ahead of UTC.
    pub fn stretches(&self, from: u64, to: u64) -> Vec<(u64, u64, i32)> {
        let (mut stretches, mut begin) = (Vec::new(), from);
        if let Some(first) = timestamp(from) {
            let mut ahead = self.0.to_offset(first).seconds();
            for change in self.0.following(first) {
                let at = u64::try_from(change.timestamp().as_millisecond()).unwrap_or(0);
                if at >= to {
                    break;
                }
                if at > begin && change.offset().seconds() != ahead {
                    stretches.push((begin, at, ahead));
                    (begin, ahead) = (at, change.offset().seconds());
                }
            }
            stretches.push((begin, to, ahead));
        }
        stretches.retain(|(begin, end, _)| begin < end);
        stretches
    }

    /// First moment of a civil day, and of the next.
    pub fn day(&self, day: civil::Date) -> Option<(u64, u64)> {
        Some((self.day_begins(day)?, self.day_begins(day.checked_add(1.day()).ok()?)?))
    }
}

fn timestamp(moment: u64) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(moment).ok()?).ok()
}
