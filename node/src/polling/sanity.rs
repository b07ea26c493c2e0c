//! Judges an answer by itself: who gave it, its clock, and what such a meter can show at all.
//!
//! ```text
//!   identity   expected 11110059, answered 22220000     -> another meter: nothing is stored under the one asked
//!   clock      18:47 in the meters' zone, heard at 18:00 -> clock-off
//!   values     supply 999 °C                             -> implausible
//! ```
//!
//! Promises: pure: moment and zone are arguments; only marks are added, no value is changed. Refuses: comparing with an
//! earlier answer: that is the leader's, who knows it.

use std::time::Duration;

use jiff::civil::date;
use protocol::meter::{Address, CivilTime, Quality, Quantity, Reading};
use raft_store::state::UnixMillis;

use super::evidence::Evidence;
use super::recorded::MOST_KEPT;
use crate::timetable::Zone;

/// Digits of an identification: what a secondary address begins with, and what is printed on the meter.
const IDENTIFICATION: usize = 8;
/// Digits of a secondary address without the fabrication number.
const SECONDARY: usize = 16;

/// What an answer is judged by.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// Where the meters' clocks are set.
    pub(super) zone: Zone,
    /// The plant's zone, where that is theirs.
    plant: Option<String>,
    /// How far a clock may be off.
    pub(super) clock_limit: Duration,
}

impl Rules {
    /// In the zone of the settings, or in UTC until [`Self::stand_in`] says where the plant is.
    pub(super) fn new(settings: &crate::config::Sanity) -> Self {
        let own = settings.meter_zone.as_deref();
        let zone = Zone::or_utc(own.unwrap_or("UTC"));
        Self { zone, plant: own.is_none().then(|| "UTC".to_owned()), clock_limit: settings.clock_limit }
    }

    /// The plant is in this zone: so are its meters' clocks, unless the settings say otherwise.
    pub(super) fn stand_in(&mut self, zone: &str) {
        if let Some(plant) = self.plant.as_mut().filter(|plant| *plant != zone) {
            zone.clone_into(plant);
            self.zone = Zone::or_utc(zone);
        }
    }
}

/// The marks of a reading accepted at `at`.
fn doubts(reading: &Reading, at: UnixMillis, rules: &Rules) -> Quality {
    let is_off = reading.meter_time.is_some_and(|shown| is_off(shown, at, rules));
    let is_strange = reading.measurements.iter().any(|m| !plausible(m.quantity).contains(&m.value));
    let marks = [(is_off, Quality::CLOCK_OFF), (is_strange, Quality::IMPLAUSIBLE)];
    marks.into_iter().filter(|(is_so, _)| *is_so).fold(Quality::default(), |all, (_, mark)| all.with(mark))
}

/// Whether a meter's clock is further off than it may be, read as either hour where clocks were put back.
fn is_off(shown: CivilTime, at: UnixMillis, rules: &Rules) -> bool {
    let limit = rules.clock_limit.as_millis();
    !meant(shown, &rules.zone).into_iter().flatten().any(|meant| u128::from(meant.abs_diff(at.0)) <= limit)
}

/// The moments that a clock's time may mean.
pub(super) fn meant(shown: CivilTime, zone: &Zone) -> [Option<u64>; 2] {
    if !shown.is_possible() || shown.year > 9999 {
        return [None, None];
    }
    let small = |n: u8| n.cast_signed();
    let day = date(shown.year.cast_signed(), small(shown.month), small(shown.day));
    let time = day.at(small(shown.hour), small(shown.minute), small(shown.second), 0);
    zone.shown(time).map_or([None, None], |(first, second)| [Some(first), second])
}

/// What a meter's clock shows at a moment.
pub(super) fn shown(moment: u64, zone: &Zone) -> Option<CivilTime> {
    let time = zone.civil(moment)?;
    let small = |n: i8| n.unsigned_abs();
    let (year, month, day) = (u16::try_from(time.year()).ok()?, small(time.month()), small(time.day()));
    Some(CivilTime {
        year,
        month,
        day,
        hour: small(time.hour()),
        minute: small(time.minute()),
        second: small(time.second()),
    })
}

/// What a heat, cold or water meter can show, in the quantity's fixed unit.
const fn plausible(quantity: Quantity) -> std::ops::RangeInclusive<i64> {
    match quantity {
        // A counter does not begin below nothing. 10^10 kWh, or 10^10 m3, is more than a city's in a lifetime.
        Quantity::Energy | Quantity::CoolingEnergy => 0..=36_000_000_000_000_000,
        Quantity::Volume => 0..=10_000_000_000_000_000,
        // 1 GW is more than a power station's main; below nothing where a meter counts heat and cold.
        Quantity::Power => -1_000_000_000_000..=1_000_000_000_000,
        // 20,000 m3/h fills a main of 1.4 m at 3.6 m/s. Backwards runs what a check valve lets through, or a meter that is
        // built in the wrong way round: a house's, not a city's.
        Quantity::Flow => -1_000_000_000..=20_000_000_000,
        // Sensors of EN 1434 end at 180 °C, those for superheated water at 200 °C; a broken one shows 327 or 999.
        Quantity::SupplyTemp | Quantity::ReturnTemp => -50_000..=250_000,
        Quantity::TempDifference => -250_000..=250_000,
        // A century.
        Quantity::OperatingTime | Quantity::OnTime => 0..=3_155_760_000,
        Quantity::ErrorFlags => i64::MIN..=i64::MAX,
    }
}

/// Whether another meter than the `expected` one answered at the address `asked`: `expected` is an identification of eight
/// digits, a secondary address, or the whole identity as the meter's dialect writes it. An answer that says nothing of who
/// gave it is nobody else's.
fn is_stranger(expected: Option<&str>, asked: &Address, identity: &str) -> bool {
    let Some(expected) = expected.map(str::trim).filter(|expected| !expected.is_empty()) else { return false };
    if identity.is_empty() || identity == asked.to_string() {
        return false;
    }
    // One of the two may say less than the other: what both say has to be the same.
    let (expected, said) = match expected.len().min(identity.len()) {
        length @ (IDENTIFICATION | SECONDARY) => (expected.get(..length), identity.get(..length)),
        _ => (Some(expected), Some(identity)),
    };
    !expected.zip(said).is_some_and(|(expected, said)| expected.eq_ignore_ascii_case(said))
}

/// A reading with the doubts about it; where another meter than the expected one gave it, what is kept of that.
pub(super) fn check(
    expected: Option<&str>,
    asked: &Address,
    mut reading: Reading,
    at: UnixMillis,
    rules: &Rules,
) -> Result<Reading, Evidence> {
    if is_stranger(expected, asked, &reading.identity) {
        let Reading { mut raw, identity, .. } = reading;
        raw.truncate(MOST_KEPT);
        return Err(Evidence { raw, identity });
    }
    reading.quality = reading.quality.with(doubts(&reading, at, rules));
    Ok(reading)
}

#[cfg(test)]
mod tests {
    use protocol::meter::{Measurement, Shape};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(600);

    fn clock(month: u8, day: u8, hour: u8, minute: u8) -> CivilTime {
        CivilTime { year: 2026, month, day, hour, minute, second: 0 }
    }

    fn at(text: &str) -> UnixMillis {
        UnixMillis(text.parse::<jiff::Timestamp>().expect("a moment").as_millisecond().unsigned_abs())
    }

    fn reading(meter_time: Option<CivilTime>, values: &[(Quantity, i64)]) -> Reading {
        let measurements = values.iter().map(|(quantity, value)| Measurement { quantity: *quantity, value: *value });
        Reading {
            identity: String::new(),
            profile: String::new(),
            measurements: measurements.collect(),
            meter_time,
            valve: None,
            quality: Quality::default(),
            shape: Shape::default(),
            history: Vec::new(),
            raw: Vec::new(),
        }
    }

    fn is_off_in(zone: &str, shown: CivilTime, moment: &str) -> bool {
        let rules = Rules { zone: Zone::named(zone).expect("a zone"), plant: None, clock_limit: LIMIT };
        doubts(&reading(Some(shown), &[]), at(moment), &rules).has(Quality::CLOCK_OFF)
    }

    #[test]
    fn a_clock_is_off_beyond_the_limit_and_not_at_it() {
        assert!(!is_off_in("UTC", clock(1, 15, 18, 10), "2026-01-15T18:00:00Z"));
        assert!(!is_off_in("UTC", clock(1, 15, 17, 50), "2026-01-15T18:00:00Z"));
        assert!(is_off_in("UTC", clock(1, 15, 18, 11), "2026-01-15T18:00:00Z"));
        assert!(is_off_in("UTC", clock(1, 14, 18, 0), "2026-01-15T18:00:00Z"));
    }

    #[test]
    fn clocks_are_where_the_plant_is_unless_the_settings_say_otherwise() {
        let zone = |meter_zone: Option<&str>| {
            let settings = crate::config::Sanity { meter_zone: meter_zone.map(str::to_owned), ..Default::default() };
            let mut rules = Rules::new(&settings);
            rules.stand_in("Asia/Shanghai");
            rules.stand_in("Asia/Shanghai");
            rules.zone
        };
        assert_eq!(zone(None), Zone::or_utc("Asia/Shanghai"));
        assert_eq!(zone(Some("Etc/GMT-1")), Zone::or_utc("Etc/GMT-1"));
    }

    #[test]
    fn a_clock_is_read_in_the_zone_of_its_meters() {
        assert!(!is_off_in("Asia/Shanghai", clock(1, 15, 18, 0), "2026-01-15T10:00:00Z"));
        assert!(is_off_in("Asia/Shanghai", clock(1, 15, 10, 0), "2026-01-15T10:00:00Z"));
        assert!(!is_off_in("Europe/Berlin", clock(7, 1, 12, 0), "2026-07-01T10:00:00Z"));
    }

    #[test]
    fn in_the_hour_that_comes_twice_either_is_meant() {
        for moment in ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"] {
            assert!(!is_off_in("Europe/Berlin", clock(10, 25, 2, 30), moment), "{moment}");
        }
        // The hour that is left out: a meter that was not put forward yet.
        assert!(!is_off_in("Europe/Berlin", clock(3, 29, 2, 5), "2026-03-29T01:05:00Z"));
    }

    #[test]
    fn a_clock_that_shows_no_time_is_off_and_a_meter_without_one_is_not() {
        assert!(is_off_in("UTC", clock(2, 30, 0, 0), "2026-03-02T00:00:00Z"));
        let rules = Rules { zone: Zone::utc(), plant: None, clock_limit: LIMIT };
        assert_eq!(doubts(&reading(None, &[]), at("2026-03-02T00:00:00Z"), &rules), Quality::default());
        let never = CivilTime { year: u16::MAX, ..clock(1, 1, 0, 0) };
        assert!(doubts(&reading(Some(never), &[]), UnixMillis(u64::MAX), &rules).has(Quality::CLOCK_OFF));
    }

    #[test]
    fn what_no_such_meter_can_show_is_implausible() {
        let rules = Rules { zone: Zone::utc(), plant: None, clock_limit: LIMIT };
        let marks = |quantity, value| doubts(&reading(None, &[(quantity, value)]), UnixMillis(0), &rules).words();
        for (quantity, value) in [
            (Quantity::SupplyTemp, 250_000),
            (Quantity::ReturnTemp, -50_000),
            (Quantity::Flow, -1_000_000_000),
            (Quantity::Energy, 0),
            (Quantity::ErrorFlags, -1),
        ] {
            assert!(marks(quantity, value).is_empty(), "{quantity:?} {value}");
        }
        for (quantity, value) in [
            (Quantity::SupplyTemp, 250_001),
            (Quantity::ReturnTemp, -50_001),
            (Quantity::TempDifference, 250_001),
            (Quantity::Flow, -1_000_000_001),
            (Quantity::Energy, -1),
            (Quantity::Volume, i64::MAX),
            (Quantity::Power, i64::MIN),
            (Quantity::OnTime, -1),
        ] {
            assert_eq!(marks(quantity, value), ["implausible"], "{quantity:?} {value}");
        }
    }

    #[test]
    fn a_stranger_is_known_by_identification_by_secondary_address_or_by_all_it_says() {
        let asked = Address::MbusPrimary(5);
        let said = "123456782C2D0104-00412345";
        for expected in ["12345678", "123456782C2D0104", "123456782c2d0104", "123456782C2D0104-00412345", " 12345678 "]
        {
            assert!(!is_stranger(Some(expected), &asked, said), "{expected}");
        }
        for expected in ["12345679", "123456782C2D0105", "123456782C2D0104-00412346", "1234"] {
            assert!(is_stranger(Some(expected), &asked, said), "{expected}");
        }
    }

    #[test]
    fn a_meter_that_says_its_identification_only_is_known_by_it() {
        let asked = Address::MbusPrimary(5);
        assert!(!is_stranger(Some("123456782C2D0104"), &asked, "12345678"));
        assert!(is_stranger(Some("123456782C2D0104"), &asked, "12345679"));
    }

    #[test]
    fn what_a_stranger_said_is_evidence_and_never_a_reading() {
        let rules = Rules { zone: Zone::utc(), plant: None, clock_limit: LIMIT };
        let said = Reading {
            identity: "222200002C2D0104".to_owned(),
            raw: vec![0x68; 4_000],
            ..reading(None, &[(Quantity::SupplyTemp, 999_000)])
        };
        let (asked, now) = (Address::MbusPrimary(5), UnixMillis(0));
        let kept = Evidence { raw: vec![0x68; MOST_KEPT], identity: said.identity.clone() };
        assert_eq!(check(Some("12345678"), &asked, said.clone(), now, &rules), Err(kept));
        let taken = check(Some("22220000"), &asked, said, now, &rules).expect("it is who was expected");
        assert_eq!(taken.quality, Quality::IMPLAUSIBLE);
    }

    #[test]
    fn where_nobody_is_expected_or_nobody_is_named_nobody_is_a_stranger() {
        let asked = Address::MbusPrimary(5);
        assert!(!is_stranger(None, &asked, "22220000"));
        assert!(!is_stranger(Some(""), &asked, "22220000"));
        assert!(!is_stranger(Some("12345678"), &asked, "5"));
        assert!(!is_stranger(Some("12345678"), &asked, ""));
    }
}
