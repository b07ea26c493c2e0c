//! Records into rows of the tables.
//!
//! Promises: a value arrives in the table as it was read or not at all: a record that does not fit is an error that
//! names the field and its value. What a later release adds to a reading is kept in `extra`. Refuses: clamping.

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

/// A row, and which record it came from.
#[derive(Debug, Clone)]
pub(super) struct RecordRow {
    pub(super) index: usize,
    pub(super) key: Key,
    pub(super) at: u64,
    pub(super) missed: bool,
    pub(super) values: Vec<Value>,
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
const AFTER_QUANTITIES: [&str; 9] =
    ["meter_time", "valve", "quality", "attempts", "command_id", "identity", "raw", "extra", "shape"];
const READING_COLUMNS: usize = BEFORE_QUANTITIES.len() + QUANTITIES.len() + AFTER_QUANTITIES.len();

/// The columns of [`RecordRow::values`] for a reading.
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

/// The columns of [`RecordRow::values`] for a missed slot.
pub(super) const MISSED: &[&str] = &[
    "meter_id", "slot", "kind", "reason", "detail", "attempts", "at", "node_id", "line_id", "epoch", "raw", "identity",
];

const IDENTITY_CHARS: usize = 32;
const RAW_BYTES: usize = 8192;
const REASON_CHARS: usize = 32;
const DETAIL_CHARS: usize = 255;
const HEARD_BYTES: usize = 1024;

/// Why a record is no row: a fragment naming the field and its value.
pub(super) type RowError = String;

impl RecordRow {
    pub(super) fn new(index: usize, record: &SpoolRecord) -> Result<Self, RowError> {
        let kind = match Kind::try_from(record.kind) {
            Ok(Kind::Scheduled) => 1,
            Ok(Kind::OnDemand) => 2,
            Ok(Kind::Unspecified) | Err(_) => return Err(format!("kind {} is none", record.kind)),
        };
        let key = Key { meter: record.meter, slot: record.slot, kind };
        let (missed, values) = match &record.content {
            Some(Content::Reading(reading)) => (false, reading_values(key, record, reading)?),
            Some(Content::Miss(miss)) => (true, missed_values(key, record, miss)?),
            None => return Err("it holds neither a reading nor a miss".to_owned()),
        };
        Ok(Self { index, key, at: record.at, missed, values })
    }
}

impl Key {
    pub(super) fn values(self) -> Result<Vec<Value>, RowError> {
        Ok(vec![Value::UInt(self.meter), moment("slot", self.slot)?, Value::UInt(self.kind.into())])
    }
}

fn reading_values(key: Key, record: &SpoolRecord, reading: &SpooledReading) -> Result<Vec<Value>, RowError> {
    let (quantities, mut extra) = quantities(&reading.values)?;
    let meter_time = civil(&reading.meter_time);
    if meter_time.is_none() && !reading.meter_time.is_empty() {
        extra.insert("meter_time".to_owned(), reading.meter_time.clone().into());
    }
    let valve = match reading.valve {
        0 => Value::NULL,
        state @ 1..=3 => Value::UInt(state.into()),
        state => return Err(format!("valve {state} is no state")),
    };
    let command = if record.command == 0 { Value::NULL } else { Value::UInt(record.command) };
    let mut values = key.values()?;
    values.push(moment("at", record.at)?);
    values.extend([record.node, record.line, record.epoch].map(Value::UInt));
    values.extend(quantities);
    values.extend([meter_time.map_or(Value::NULL, date), valve]);
    values.extend([Value::UInt(reading.quality.into()), Value::UInt(record.attempts.into()), command]);
    values.push(words("identity", &reading.identity, IDENTITY_CHARS)?);
    values.push(raw(&reading.raw, RAW_BYTES)?);
    values.push(if extra.is_empty() { Value::NULL } else { serde_json::Value::Object(extra).to_string().into() });
    values.push(Value::UInt(reading.shape.into()));
    Ok(values)
}

type Extra = serde_json::Map<String, serde_json::Value>;

/// The quantities in the order of the columns, and what has no column.
fn quantities(values: &[SpooledValue]) -> Result<([Value; Quantity::ALL.len()], Extra), RowError> {
    let mut columns = [const { Value::NULL }; Quantity::ALL.len()];
    let mut extra = Extra::new();
    for SpooledValue { quantity, value } in values {
        let place = quantity.checked_sub(1).ok_or_else(|| format!("quantity {quantity} is none"))?;
        let twice = match columns.get_mut(place as usize) {
            Some(column) => std::mem::replace(column, Value::Int(*value)) != Value::NULL,
            None => extra.insert(format!("quantity_{quantity}"), (*value).into()).is_some(),
        };
        if twice {
            return Err(format!("quantity {quantity} is given twice"));
        }
    }
    Ok((columns, extra))
}

fn missed_values(key: Key, record: &SpoolRecord, miss: &SpooledMiss) -> Result<Vec<Value>, RowError> {
    let mut values = key.values()?;
    values.push(words("reason", &miss.reason, REASON_CHARS)?);
    values.push(words("detail", &miss.detail, DETAIL_CHARS)?);
    values.extend([Value::UInt(record.attempts.into()), moment("at", record.at)?]);
    values.extend([record.node, record.line, record.epoch].map(Value::UInt));
    values.push(if miss.raw.is_empty() { Value::NULL } else { raw(&miss.raw, HEARD_BYTES)? });
    values.push(words("identity", &miss.identity, IDENTITY_CHARS)?);
    Ok(values)
}

fn words(field: &str, text: &str, chars: usize) -> Result<Value, RowError> {
    let count = text.chars().count();
    if count > chars {
        return Err(format!("{field} of {count} characters is longer than {chars}"));
    }
    Ok(text.into())
}

fn raw(bytes: &[u8], most: usize) -> Result<Value, RowError> {
    if bytes.len() > most {
        return Err(format!("raw of {} bytes is longer than {most}", bytes.len()));
    }
    Ok(bytes.into())
}

/// Unix milliseconds as the DATETIME(3) they name, UTC.
pub(super) fn moment(field: &str, millis: u64) -> Result<Value, RowError> {
    let out_of_range = || format!("{field} {millis} is no moment of this era");
    let moment = i64::try_from(millis).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    Ok(date(Offset::UTC.to_datetime(moment.ok_or_else(out_of_range)?)))
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
