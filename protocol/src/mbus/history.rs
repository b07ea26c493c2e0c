//! What an answer says of the past: the values of a storage number with the date of the same storage number.
//!
//! ```text
//!   42 6C  01.11.26        date of storage 1        -->  2026-11-01 00:00   energy 4711 kWh
//!   44 06  4711 kWh        energy of storage 1
//! ```
//!
//! A date with a time of day names its moment; the last minute of a day (23:59) is its end, for which the type has no
//! code. A date alone is of no moment unless the profile says at which end of its day the model keeps its values: makers
//! differ.
//!
//! Promises: only counters that the profile reads as current values, at the device itself, dated by one whole valid date.
//! Refuses: storage numbers without a date, with an invalid one, with "every" in it, or with two that differ.

use std::collections::BTreeSet;

use super::profile::Profile;
use super::record::{Place, Record};
use super::time::{Parts, TimePoint};
use super::value::Value;
use super::vif::Meaning;
use crate::gather::Gathering;
use crate::meter::{CivilTime, Frozen, SetDay};

/// Moments taken of one answer, at most.
const MOST_FROZEN: usize = 64;

/// What the meter kept, in the order of its storage numbers.
pub(super) fn frozen(records: &[&Record<'_>], profile: &Profile) -> Vec<Frozen> {
    let dated = records.iter().filter(|record| is_date(record));
    let storages: BTreeSet<u64> = dated.map(|record| record.place.storage).collect();
    storages.into_iter().filter_map(|storage| of_storage(records, storage, profile)).take(MOST_FROZEN).collect()
}

fn is_date(record: &Record<'_>) -> bool {
    record.place.storage > 0
        && [Meaning::Date, Meaning::DateTime].iter().any(|of| record.is(*of, at(record.place.storage)))
}

const fn at(storage: u64) -> Place {
    Place { storage, ..Place::CURRENT }
}

fn of_storage(records: &[&Record<'_>], storage: u64, profile: &Profile) -> Option<Frozen> {
    let at = moment(records, at(storage), profile.set_day)?;
    let mut gathering = Gathering::default();
    for column in profile.columns.iter().filter(|column| column.place() == Place::CURRENT) {
        if !Frozen::COUNTERS.contains(&column.quantity) {
            continue;
        }
        for record in records.iter().filter(|record| record.is(column.record, self::at(storage))) {
            match &record.value {
                Value::Number(amount) => {
                    gathering.put_corrected(column.quantity, Some(*amount), &column.correction());
                }
                Value::Invalid => gathering.put(column.quantity, None),
                Value::Time(_) | Value::Text(_) | Value::Bytes(_) | Value::Nothing => {}
            }
        }
    }
    let (measurements, quality) = gathering.finish();
    (!measurements.is_empty()).then_some(Frozen { at, measurements, quality })
}

/// The one moment that all dates at `place` name.
fn moment(records: &[&Record<'_>], place: Place, set_day: Option<SetDay>) -> Option<CivilTime> {
    let of = |meaning| records.iter().filter(move |record| record.is(meaning, place));
    let meaning = if of(Meaning::DateTime).next().is_some() { Meaning::DateTime } else { Meaning::Date };
    let mut moments = of(meaning).map(|record| match &record.value {
        Value::Time(point) => named(point, set_day),
        _ => None,
    });
    let first = moments.next()??;
    moments.all(|other| other == Some(first)).then_some(first)
}

/// The moment that a date names, if it is one.
fn named(point: &TimePoint, set_day: Option<SetDay>) -> Option<CivilTime> {
    if point.parts == Parts::Date {
        let midnight = TimePoint { hour: Some(0), minute: Some(0), ..*point }.civil()?;
        return set_day?.of(&midnight);
    }
    let time = point.civil()?;
    if (time.hour, time.minute) == (23, 59) { time.day_end() } else { Some(time) }
}

#[cfg(test)]
mod tests {
    use super::super::record::Records;
    use super::*;
    use crate::meter::Quantity;

    /// 1 November 2026 and 31 October 2026 as type G.
    const FIRST: [u8; 2] = [0x41, 0x3B];
    const LAST: [u8; 2] = [0x5F, 0x3A];

    fn kept(set_day: &str, data: &[&[u8]]) -> Vec<(String, Vec<i64>)> {
        let text = "name = 'p'\ncolumn = [{ quantity = 'energy', record = 'energy' }, \
                    { quantity = 'power', record = 'power' }]\n";
        let profile: Profile = toml::from_str(&format!("{text}{set_day}")).expect("a profile");
        let data = data.concat();
        let records: Vec<_> = Records::new(&data, false).collect::<Result<_, _>>().expect("records");
        let frozen = frozen(&records.iter().collect::<Vec<_>>(), &profile);
        assert!(frozen.iter().all(|kept| kept.measurements.iter().all(|m| m.quantity == Quantity::Energy)));
        let values = |kept: &Frozen| kept.measurements.iter().map(|m| m.value / 3_600_000).collect();
        frozen.iter().map(|kept| (kept.at.to_string(), values(kept))).collect()
    }

    /// Energy of a storage number, kWh.
    fn energy(storage: u64, value: u32) -> Vec<u8> {
        [at(storage).encode(0x04), vec![0x06], value.to_le_bytes().to_vec()].concat()
    }

    fn day(storage: u64, date: [u8; 2]) -> Vec<u8> {
        [at(storage).encode(0x02), vec![0x6C], date.to_vec()].concat()
    }

    fn time(storage: u64, minute: u8, hour: u8, date: [u8; 2]) -> Vec<u8> {
        [at(storage).encode(0x04), vec![0x6D, minute, hour], date.to_vec()].concat()
    }

    #[test]
    fn values_belong_to_the_date_of_their_storage_number() {
        let data = [&energy(0, 9), &energy(1, 5), &energy(2, 7), &time(2, 0, 0, LAST), &time(1, 0, 0, FIRST)];
        let shown = kept("", &data.map(|record| &record[..]));
        let expected = [("2026-11-01T00:00:00".to_owned(), vec![5]), ("2026-10-31T00:00:00".to_owned(), vec![7])];
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_last_minute_of_a_day_is_its_end() {
        let shown = kept("", &[&energy(1, 5), &time(1, 59, 23, LAST)]);
        assert_eq!(shown, [("2026-11-01T00:00:00".to_owned(), vec![5])]);
    }

    #[test]
    fn a_date_alone_is_of_no_moment_unless_the_profile_says_which() {
        let moment = |set_day| {
            let kept = kept(set_day, &[&energy(1, 5), &day(1, LAST)]);
            kept.into_iter().map(|(at, _)| at).next()
        };
        assert_eq!(moment(""), None);
        assert_eq!(moment("set_day = 'begins'").as_deref(), Some("2026-10-31T00:00:00"));
        assert_eq!(moment("set_day = 'ends'").as_deref(), Some("2026-11-01T00:00:00"));
    }

    #[test]
    fn values_without_one_whole_valid_date_are_nothing() {
        let energy = energy(1, 5);
        for date in [
            Vec::new(),
            time(1, 0x80, 0, FIRST),
            time(1, 0, 31, FIRST),
            time(1, 0, 0, [0xE1, 0xFB]),
            time(2, 0, 0, FIRST),
            [time(1, 0, 0, FIRST), time(1, 0, 0, LAST)].concat(),
            // A date that is still to come, as some say: 7E.
            vec![0x44, 0xED, 0x7E, 0, 0, FIRST[0], FIRST[1]],
        ] {
            assert_eq!(kept("set_day = 'ends'", &[&energy, &date]), [], "{date:02X?}");
        }
        assert_eq!(kept("", &[&time(1, 0, 0, FIRST)]), [], "a date without values");
    }

    #[test]
    fn a_largest_value_or_a_tariffs_is_no_counter_of_the_device() {
        let date = time(1, 0, 0, FIRST);
        assert_eq!(kept("", &[&[0x54, 0x06, 5, 0, 0, 0], &date]), []);
        assert_eq!(kept("", &[&[0xC4, 0x10, 0x06, 5, 0, 0, 0], &date]), []);
        assert_eq!(kept("", &[&[0x44, 0x2B, 5, 0, 0, 0], &date]), [], "power is no counter");
    }
}
