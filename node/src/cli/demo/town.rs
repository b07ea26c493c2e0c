//! The town the demo's meters stand in.
//!
//! ```text
//!   lines     four to a station, two stations to a region; a building for each
//!   meters    six to a unit, two to a floor; those of every second line have their schedule in words
//! ```
//!
//! Promises: slots are those the field planned, whatever words they are asked for in. Refuses: any effect on how the
//! cluster shares the work.

use std::collections::HashMap;

use protocol::api::admin::MeterSpec;

/// Lines of one station.
const STATION_LINES: usize = 4;
/// Stations of one region, and of the other.
const REGION_STATIONS: usize = 2;
/// Meters of one unit, and of one floor of it.
const UNIT_METERS: usize = 6;
const FLOOR_METERS: usize = 2;

/// The place of the line of this number.
pub(super) fn line(number: usize) -> HashMap<String, String> {
    let station = number / STATION_LINES;
    let region = if station % (2 * REGION_STATIONS) < REGION_STATIONS { "north" } else { "south" };
    labels([
        ("region", region.to_owned()),
        ("station", format!("S{}", station + 1)),
        ("community", format!("garden-{}", station + 1)),
        ("building", (number + 1).to_string()),
    ])
}

/// The meters, which stand line by line, with their places and schedules.
pub(super) fn settle(mut meters: Vec<MeterSpec>) -> Vec<MeterSpec> {
    let (mut line, mut lines, mut on_line) = (String::new(), 0_usize, 0);
    for meter in &mut meters {
        if meter.line != line {
            line.clone_from(&meter.line);
            (lines, on_line) = (lines + 1, 0);
        }
        meter.labels = household(on_line);
        if lines.is_multiple_of(2) {
            in_words(meter);
        }
        on_line += 1;
    }
    meters
}

fn household(number: usize) -> HashMap<String, String> {
    let (unit, in_unit) = (number / UNIT_METERS + 1, number % UNIT_METERS);
    let (floor, door) = (in_unit / FLOOR_METERS + 1, in_unit % FLOOR_METERS + 1);
    labels([("unit", unit.to_string()), ("household", format!("{unit}-{floor}0{door}"))])
}

/// The same slots, and one of them a day is the day's.
fn in_words(meter: &mut MeterSpec) {
    let MeterSpec { interval_s, offset_s, .. } = *meter;
    let daily = if is_midnight(interval_s, offset_s) { "; daily 00:00" } else { "" };
    let offset = if offset_s > 0 { format!(" offset {offset_s}s") } else { String::new() };
    meter.schedule = format!("every {interval_s}s{offset}{daily}");
    (meter.interval_s, meter.offset_s) = (0, 0);
}

/// Whether a slot begins at midnight, UTC: the demo's plant is there.
fn is_midnight(interval_s: u32, offset_s: u32) -> bool {
    offset_s == 0 && interval_s > 0 && 86_400_u32.is_multiple_of(interval_s)
}

fn labels<const N: usize>(pairs: [(&str, String); N]) -> HashMap<String, String> {
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(line: &str, interval_s: u32, offset_s: u32) -> MeterSpec {
        MeterSpec { line: line.to_owned(), interval_s, offset_s, ..MeterSpec::default() }
    }

    #[test]
    fn meters_of_every_second_line_have_the_same_slots_in_words() {
        let settled = settle(vec![meter("a", 10, 3), meter("b", 10, 0), meter("b", 7, 3), meter("c", 10, 0)]);
        let told: Vec<_> = settled.iter().map(|m| (m.interval_s, m.offset_s, m.schedule.as_str())).collect();
        let words = ["every 10s; daily 00:00", "every 7s offset 3s"];
        assert_eq!(told, [(10, 3, ""), (0, 0, words[0]), (0, 0, words[1]), (10, 0, "")]);
    }

    #[test]
    fn no_two_meters_of_a_line_share_a_household() {
        let mut homes: Vec<_> = (0..60).map(|number| household(number).remove("household")).collect();
        homes.sort_unstable();
        homes.dedup();
        assert_eq!(homes.len(), 60);
    }
}
