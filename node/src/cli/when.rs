//! Moments as people write them.
//!
//! Promises: what is no moment is refused with an example. Refuses: guessing a zone.

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};

/// A moment as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// One that is the same everywhere.
    Stamp(Timestamp),
    /// One of some zone's clocks.
    Civil(civil::DateTime),
}

/// A moment as people write it, whatever the zone.
pub fn when(text: &str) -> Result<When, String> {
    let stamp = text
        .parse::<Timestamp>()
        .ok()
        .or_else(|| text.parse::<SignedDuration>().ok().and_then(|ago| Timestamp::now().checked_sub(ago).ok()));
    let midnight = || text.parse::<civil::Date>().map(|date| date.at(0, 0, 0, 0));
    let civil = || text.parse::<civil::DateTime>().or_else(|_| midnight()).ok();
    let when = stamp.map(When::Stamp).or_else(|| civil().map(When::Civil));
    when.ok_or_else(|| "write 2026-01-31, 2026-01-31T06:00:00Z, or a time ago such as 2h".to_owned())
}

impl When {
    /// Unix ms, by the clocks of `zone` where it is one of some zone's; `None` before 1970.
    pub fn millis(self, zone: &TimeZone) -> Option<u64> {
        let stamp = match self {
            Self::Stamp(stamp) => stamp,
            Self::Civil(time) => zone.to_timestamp(time).ok()?,
        };
        u64::try_from(stamp.as_millisecond()).ok()
    }
}

/// A moment as people write it, Unix ms; one of some zone's clocks is of UTC.
pub fn moment_ms(text: &str) -> Result<u64, String> {
    when(text)?.millis(&TimeZone::UTC).ok_or_else(|| format!("{text} is before 1970: write a later moment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_may_be_written_as_dates_times_or_spans_ago() {
        assert_eq!(moment_ms("2026-01-01"), Ok(1_767_225_600_000));
        assert_eq!(moment_ms("2026-01-01T01:00:00"), Ok(1_767_229_200_000));
        assert_eq!(moment_ms("2026-01-01T08:00:00+08:00"), Ok(1_767_225_600_000));
        let ago = moment_ms("2h").expect("a span");
        let now = u64::try_from(Timestamp::now().as_millisecond()).expect("after 1970");
        assert!((7_199_000..=7_201_000).contains(&(now - ago)));
        assert!(moment_ms("yesterday").is_err_and(|text| text.contains("2026-01-31")));
    }
}
