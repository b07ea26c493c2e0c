//! Records into rows of the tables.
//!
//! Promises: a value arrives in the table as it was read or not at all: a record that does not fit is an error that
//! names the field and its value. What a later release adds to a reading is kept in `extra`. A row borrows from its
//! record and says its cells as often as it is asked. Refuses: clamping.

use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use mysql_async::Value;
use protocol::api::peer::spool_record::{Content, Kind};
use protocol::api::peer::{SpoolRecord, SpooledMiss, SpooledReading, SpooledValue};
use protocol::meter::Quantity;

/// One slot of one meter: the primary key of `reading` and `missed`, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) meter: u64,
    pub(super) slot: u64,
    pub(super) kind: u8,
}

/// One value of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell<'c> {
    Null,
    Int(i64),
    UInt(u64),
    Moment(DateTime),
    Words(&'c str),
    Bytes(&'c [u8]),
}

/// A row, and which record it came from.
#[derive(Debug, Clone)]
pub(super) struct RecordRow<'r> {
    pub(super) index: usize,
    pub(super) key: Key,
    pub(super) missed: bool,
    /// Whether nothing is in the table, and nothing before it in its batch, that it could meet.
    pub(super) fresh: bool,
    record: &'r SpoolRecord,
    slot: DateTime,
    at: DateTime,
    content: RowContent<'r>,
}

#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "nearly all rows are readings: a box for each costs more than it saves")]
enum RowContent<'r> {
    Reading(ReadingCells<'r>),
    Miss(&'r SpooledMiss),
}

#[derive(Debug, Clone)]
struct ReadingCells<'r> {
    reading: &'r SpooledReading,
    quantities: [Option<i64>; Quantity::ALL.len()],
    meter_time: Option<DateTime>,
    extra: Option<String>,
}

/// The columns of [`Quantity::ALL`].
pub(super) const QUANTITIES: [&str; Quantity::ALL.len()] = [
    "energy_joule",
    "cooling_energy_joule",
    "volume_millilitre",
    "power_milliwatt",
    "flow_millilitre_per_hour",
    "supply_milli_celsius",
    "return_milli_celsius",
    "difference_millikelvin",
    "operating_seconds",
    "on_seconds",
    "error_flags",
];

const BEFORE_QUANTITIES: [&str; 7] = ["meter_id", "slot", "kind", "read_at", "node_id", "line_id", "epoch"];
/// `extra` is the last: the statement that loads a file takes it apart from the others.
const AFTER_QUANTITIES: [&str; 9] =
    ["meter_time", "valve", "quality", "attempts", "command_id", "identity", "raw", "shape", "extra"];
const READING_COLUMNS: usize = BEFORE_QUANTITIES.len() + QUANTITIES.len() + AFTER_QUANTITIES.len();

/// The columns of [`RecordRow::each_cell`] for a reading.
pub(super) const READING: &[&str] = &reading_columns();

const fn reading_columns() -> [&'static str; READING_COLUMNS] {
    let mut columns = [""; READING_COLUMNS];
    let (before, rest) = columns.split_at_mut(BEFORE_QUANTITIES.len());
    let (quantities, after) = rest.split_at_mut(QUANTITIES.len());
    before.copy_from_slice(&BEFORE_QUANTITIES);
    quantities.copy_from_slice(&QUANTITIES);
    after.copy_from_slice(&AFTER_QUANTITIES);
    columns
}

/// The columns of [`RecordRow::each_cell`] for a missed slot.
pub(super) const MISSED: &[&str] = &[
    "meter_id", "slot", "kind", "reason", "detail", "attempts", "at", "node_id", "line_id", "epoch", "raw", "identity",
];

const IDENTITY_CHARS: usize = 32;
const RAW_BYTES: usize = 8192;
const REASON_CHARS: usize = 32;
const DETAIL_CHARS: usize = 255;
const HEARD_BYTES: usize = 1024;
/// The last of the states of a valve; 0 is none.
const VALVE_STATES: u32 = 3;
/// What a number or a moment takes in a command, at most.
const CELL_BYTES: usize = 32;

/// Why a record is no row: a fragment naming the field and its value.
pub(super) type RowError = String;

impl<'r> RecordRow<'r> {
    pub(super) fn new(index: usize, record: &'r SpoolRecord) -> Result<Self, RowError> {
        let kind = match Kind::try_from(record.kind) {
            Ok(Kind::Scheduled) => 1,
            Ok(Kind::OnDemand) => 2,
            Ok(Kind::Unspecified) | Err(_) => return Err(format!("kind {} is none", record.kind)),
        };
        let key = Key { meter: record.meter, slot: record.slot, kind };
        let content = match &record.content {
            Some(Content::Reading(reading)) => RowContent::Reading(ReadingCells::new(reading)?),
            Some(Content::Miss(miss)) => RowContent::Miss(fitting(miss)?),
            None => return Err("it holds neither a reading nor a miss".to_owned()),
        };
        let (slot, at) = (civil_moment("slot", record.slot)?, civil_moment("at", record.at)?);
        let missed = matches!(content, RowContent::Miss(_));
        Ok(Self { index, key, missed, fresh: false, record, slot, at, content })
    }

    /// Says its cells in the order of [`READING`] or [`MISSED`].
    pub(super) fn each_cell(&self, mut take: impl FnMut(Cell<'_>)) {
        let record = self.record;
        let (meter, slot, kind) =
            (Cell::UInt(self.key.meter), Cell::Moment(self.slot), Cell::UInt(self.key.kind.into()));
        let owner = [record.node, record.line, record.epoch].map(Cell::UInt);
        [meter, slot, kind].into_iter().for_each(&mut take);
        let (at, attempts) = (Cell::Moment(self.at), Cell::UInt(record.attempts.into()));
        match &self.content {
            RowContent::Reading(cells) => {
                take(at);
                owner.into_iter().for_each(&mut take);
                cells.each(attempts, record.command, take);
            }
            RowContent::Miss(SpooledMiss { reason, detail, raw, identity }) => {
                [Cell::Words(reason), Cell::Words(detail), attempts, at].into_iter().for_each(&mut take);
                owner.into_iter().for_each(&mut take);
                take(if raw.is_empty() { Cell::Null } else { Cell::Bytes(raw) });
                take(Cell::Words(identity));
            }
        }
    }

    /// The same as the driver takes them.
    pub(super) fn values(&self) -> Vec<Value> {
        let mut values = Vec::with_capacity(READING_COLUMNS);
        self.each_cell(|cell| values.push(cell.into()));
        values
    }

    /// What it takes in a command, at most; in a text every byte may become two.
    pub(super) fn bytes(&self) -> usize {
        match &self.content {
            RowContent::Reading(ReadingCells { reading, extra, .. }) => {
                let long = reading.raw.len() + reading.identity.len() + extra.as_ref().map_or(0, String::len);
                READING_COLUMNS * CELL_BYTES + long * 2
            }
            RowContent::Miss(SpooledMiss { reason, detail, raw, identity }) => {
                let long = reason.len() + detail.len() + raw.len() + identity.len();
                MISSED.len() * CELL_BYTES + long * 2
            }
        }
    }
}

impl<'r> ReadingCells<'r> {
    fn new(reading: &'r SpooledReading) -> Result<Self, RowError> {
        let (quantities, mut extra) = quantities(&reading.values)?;
        let meter_time = civil(&reading.meter_time);
        if meter_time.is_none() && !reading.meter_time.is_empty() {
            extra.insert("meter_time".to_owned(), reading.meter_time.clone().into());
        }
        if reading.valve > VALVE_STATES {
            return Err(format!("valve {} is no state", reading.valve));
        }
        fits("identity", &reading.identity, IDENTITY_CHARS)?;
        holds("raw", &reading.raw, RAW_BYTES)?;
        let extra = (!extra.is_empty()).then(|| serde_json::Value::Object(extra).to_string());
        Ok(Self { reading, quantities, meter_time, extra })
    }

    fn each(&self, attempts: Cell<'_>, command: u64, mut take: impl FnMut(Cell<'_>)) {
        let Self { reading, quantities, meter_time, extra } = self;
        let some = |number: u64| if number == 0 { Cell::Null } else { Cell::UInt(number) };
        quantities.iter().for_each(|value| take(value.map_or(Cell::Null, Cell::Int)));
        take(meter_time.map_or(Cell::Null, Cell::Moment));
        take(some(reading.valve.into()));
        take(Cell::UInt(reading.quality.into()));
        take(attempts);
        take(some(command));
        take(Cell::Words(&reading.identity));
        take(Cell::Bytes(&reading.raw));
        take(Cell::UInt(reading.shape.into()));
        take(extra.as_deref().map_or(Cell::Null, Cell::Words));
    }
}

impl From<Cell<'_>> for Value {
    fn from(cell: Cell<'_>) -> Self {
        match cell {
            Cell::Null => Self::NULL,
            Cell::Int(number) => Self::Int(number),
            Cell::UInt(number) => Self::UInt(number),
            Cell::Moment(time) => date(time),
            Cell::Words(words) => words.into(),
            Cell::Bytes(bytes) => bytes.into(),
        }
    }
}

impl Key {
    pub(super) fn values(self) -> Result<Vec<Value>, RowError> {
        Ok(vec![Value::UInt(self.meter), moment("slot", self.slot)?, Value::UInt(self.kind.into())])
    }
}

type Extra = serde_json::Map<String, serde_json::Value>;

/// The quantities in the order of the columns, and what has no column.
fn quantities(values: &[SpooledValue]) -> Result<([Option<i64>; Quantity::ALL.len()], Extra), RowError> {
    let mut columns = [None; Quantity::ALL.len()];
    let mut extra = Extra::new();
    for SpooledValue { quantity, value } in values {
        let place = quantity.checked_sub(1).ok_or_else(|| format!("quantity {quantity} is none"))?;
        let twice = match columns.get_mut(place as usize) {
            Some(column) => column.replace(*value).is_some(),
            None => extra.insert(format!("quantity_{quantity}"), (*value).into()).is_some(),
        };
        if twice {
            return Err(format!("quantity {quantity} is given twice"));
        }
    }
    Ok((columns, extra))
}

fn fitting(miss: &SpooledMiss) -> Result<&SpooledMiss, RowError> {
    fits("reason", &miss.reason, REASON_CHARS)?;
    fits("detail", &miss.detail, DETAIL_CHARS)?;
    fits("identity", &miss.identity, IDENTITY_CHARS)?;
    holds("raw", &miss.raw, HEARD_BYTES)?;
    Ok(miss)
}

fn holds(field: &str, bytes: &[u8], most: usize) -> Result<(), RowError> {
    if bytes.len() > most {
        return Err(format!("{field} of {} bytes is longer than {most}", bytes.len()));
    }
    Ok(())
}

fn fits(field: &str, text: &str, chars: usize) -> Result<(), RowError> {
    // Characters are never more than bytes.
    let count = if text.len() > chars { text.chars().count() } else { 0 };
    if count > chars {
        return Err(format!("{field} of {count} characters is longer than {chars}"));
    }
    Ok(())
}

/// Unix milliseconds as the DATETIME(3) they name, UTC.
pub(super) fn moment(field: &str, millis: u64) -> Result<Value, RowError> {
    civil_moment(field, millis).map(date)
}

/// Unix milliseconds as civil time, UTC.
pub(super) fn civil_moment(field: &str, millis: u64) -> Result<DateTime, RowError> {
    let out_of_range = || format!("{field} {millis} is no moment of this era");
    let moment = i64::try_from(millis).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    Ok(Offset::UTC.to_datetime(moment.ok_or_else(out_of_range)?))
}

/// The meter's own clock, where it shows a time there is.
fn civil(text: &str) -> Option<DateTime> {
    DateTime::from_str(text).ok().filter(|time| time.year() >= 1000)
}

fn date(time: DateTime) -> Value {
    let small = |n: i8| n.unsigned_abs();
    let micros = time.subsec_nanosecond().unsigned_abs() / 1000;
    let (year, month, day) = (time.year().unsigned_abs(), small(time.month()), small(time.day()));
    Value::Date(year, month, day, small(time.hour()), small(time.minute()), small(time.second()), micros)
}
