//! The columns of an export that people read, and their cells.
//!
//! Promises: a cell is a decimal that is exact, but for kWh: one joule is no finite part of it, and seven digits are finer
//! than a joule, so that none is lost. Refuses: binary floating point.

use std::borrow::Cow;
use std::fmt;

use protocol::api::admin::ExportRow;
use protocol::meter::Quality;

use crate::cli::zone::Zone;

/// A column.
pub(super) struct Column {
    /// Its name, with the unit of its cells.
    header: &'static str,
    /// Its cell of a row.
    pub(super) cell: for<'r> fn(&'r ExportRow) -> Cell<'r>,
}

/// What stands in a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell<'r> {
    /// Nothing.
    Empty,
    /// Words.
    Text(Cow<'r, str>),
    /// Unix ms.
    Moment(u64),
    /// Unix ms, by the clocks of the export's zone.
    Local(u64),
    /// A number.
    Number(Decimal),
}

/// `units` with the point before the last `digits` of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    pub(super) units: i128,
    pub(super) digits: u8,
}

/// In the name of a column: the export's zone.
const LOCAL: &str = "[ZONE]";

/// All of them, in their order.
const COLUMNS: [Column; 23] = [
    Column { header: "meter", cell: |row| text(&row.meter) },
    Column { header: "line", cell: |row| text(&row.line) },
    Column { header: "slot [UTC]", cell: |row| Cell::Moment(row.slot) },
    Column { header: "slot [ZONE]", cell: |row| Cell::Local(row.slot) },
    Column { header: "kind", cell: |row| text(&row.kind) },
    Column { header: "read_at [UTC]", cell: |row| Cell::Moment(row.read_at) },
    Column { header: "read_at [ZONE]", cell: |row| Cell::Local(row.read_at) },
    Column { header: "energy [kWh]", cell: |row| kwh(row.energy_joule) },
    Column { header: "cooling_energy [kWh]", cell: |row| kwh(row.cooling_energy_joule) },
    Column { header: "volume [m3]", cell: |row| scaled(row.volume_millilitre, 6) },
    Column { header: "power [kW]", cell: |row| scaled(row.power_milliwatt, 6) },
    Column { header: "flow [m3/h]", cell: |row| scaled(row.flow_millilitre_per_hour, 6) },
    Column { header: "supply_temp [degC]", cell: |row| scaled(row.supply_milli_celsius, 3) },
    Column { header: "return_temp [degC]", cell: |row| scaled(row.return_milli_celsius, 3) },
    Column { header: "temp_difference [K]", cell: |row| scaled(row.difference_millikelvin, 3) },
    Column { header: "operating_time [s]", cell: |row| scaled(row.operating_seconds, 0) },
    Column { header: "on_time [s]", cell: |row| scaled(row.on_seconds, 0) },
    Column { header: "error_flags", cell: |row| scaled(row.error_flags, 0) },
    Column { header: "meter_time", cell: |row| text(&row.meter_time) },
    Column { header: "valve", cell: |row| text(&row.valve) },
    Column { header: "quality", cell: |row| scaled(row.quality.map(i64::from), 0) },
    Column {
        header: "quality_words",
        cell: |row| words(row.quality).map_or(Cell::Empty, |words| Cell::Text(words.into())),
    },
    Column { header: "missed", cell: |row| text(&row.missed) },
];

/// The columns of an export to `zone`, and each one's name: local times stand beside UTC where they differ from it.
pub(super) fn columns(zone: &Zone) -> Vec<(String, &'static Column)> {
    let local = format!("[{}]", zone.name());
    let shown = COLUMNS.iter().filter(|column| !zone.is_utc() || !column.header.ends_with(LOCAL));
    shown.map(|column| (column.header.replace(LOCAL, &local), column)).collect()
}

/// The marks of `quality` in words, as they are listed elsewhere; `None` where there is none.
pub(super) fn words(quality: Option<u32>) -> Option<String> {
    quality.filter(|marks| *marks != 0).map(|marks| Quality(marks).words().join("+"))
}

fn text(text: &str) -> Cell<'_> {
    if text.is_empty() { Cell::Empty } else { Cell::Text(Cow::Borrowed(text)) }
}

fn scaled(value: Option<i64>, digits: u8) -> Cell<'static> {
    value.map_or(Cell::Empty, |value| Cell::Number(Decimal { units: value.into(), digits }.short()))
}

/// Joules in kWh, rounded to seven digits.
fn kwh(joule: Option<i64>) -> Cell<'static> {
    // 10^7 / 3600000 = 25 / 9, and no multiple of 25 lies in the middle between two of 9.
    let ninths = |joule: i64| i128::from(joule) * 25;
    let rounded = |ninths: i128| (ninths.abs() + 4) / 9 * ninths.signum();
    joule.map_or(Cell::Empty, |joule| Cell::Number(Decimal { units: rounded(ninths(joule)), digits: 7 }.short()))
}

impl Decimal {
    /// Without zeros behind the point.
    fn short(mut self) -> Self {
        while self.digits > 0 && self.units % 10 == 0 {
            (self.units, self.digits) = (self.units / 10, self.digits - 1);
        }
        self
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.units < 0 { "-" } else { "" };
        let (units, scale) = (self.units.unsigned_abs(), 10_u128.pow(self.digits.into()));
        match self.digits {
            0 => write!(f, "{sign}{units}"),
            digits => write!(f, "{sign}{}.{:0width$}", units / scale, units % scale, width = usize::from(digits)),
        }
    }
}

/// A moment as it is written in text, UTC with milliseconds.
pub(super) fn moment(unix_ms: u64) -> String {
    let stamp = i64::try_from(unix_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    stamp.map_or_else(|| unix_ms.to_string(), |stamp| format!("{stamp:.3}"))
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;

    fn shown(cell: &Cell<'_>) -> String {
        match cell {
            Cell::Number(decimal) => decimal.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn decimals_have_every_digit_and_no_zero_too_many() {
        assert_eq!(shown(&scaled(Some(65_120), 3)), "65.12");
        assert_eq!(shown(&scaled(Some(-5), 3)), "-0.005");
        assert_eq!(shown(&scaled(Some(7_000_000), 6)), "7");
        assert_eq!(shown(&scaled(Some(0), 6)), "0");
        assert_eq!(shown(&scaled(Some(i64::MIN), 6)), "-9223372036854.775808");
        assert_eq!(shown(&kwh(Some(7_200_000))), "2");
        assert_eq!(shown(&kwh(Some(-1))), "-0.0000003");
        assert_eq!(scaled(None, 3), Cell::Empty);
    }

    #[test]
    fn the_joule_that_is_stored_can_be_had_back_from_the_kwh() {
        let spread = (0..2_000).flat_map(|n| [n, -n, i64::MAX - n, i64::MIN + n, n * 987_654_321_987]);
        for joule in spread {
            let Cell::Number(Decimal { units, digits }) = kwh(Some(joule)) else { panic!("{joule} is no number") };
            let units = units * 10_i128.pow((7 - digits).into());
            // units * 0.36, rounded
            let back = (units.abs() * 36 + 50) / 100 * units.signum();
            assert_eq!(back, i128::from(joule));
        }
    }

    #[test]
    fn moments_are_written_with_their_milliseconds_and_zone() {
        assert_eq!(moment(1_767_225_600_007), "2026-01-01T00:00:00.007Z");
        assert_eq!(moment(0), "1970-01-01T00:00:00.000Z");
    }
}
