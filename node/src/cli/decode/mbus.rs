//! An M-Bus reply as JSON and as a table.
//!
//! Promises: every record with its bytes; a value that is marked invalid is null with its error. Refuses: requests and
//! acknowledgements, which carry no values.

use protocol::mbus::compact::Formats;
use protocol::mbus::frame::{Frame, ci};
use protocol::mbus::kind::{error_code, is_compact};
use protocol::mbus::payload::{Payload, PayloadFault, application_error};
use protocol::mbus::record::{Function, Record, dif};
use protocol::mbus::value::Value;

use super::fault::Fault;
use super::json::Json;
use super::walk::{Item, walk};
use super::{hex, words};

/// Bytes of a long frame before its data.
const BEFORE: usize = 7;

/// The fields of an object, in their order.
type Fields = Vec<(&'static str, Json)>;

/// The fields of a reply, and its rows for people.
pub(super) fn reply(frame: &Frame, formats: &mut Formats) -> Result<(Fields, String), Fault> {
    let no_answer = || Fault::new("no-answer", "a request or acknowledgement: a meter's answer is needed", 0);
    let Frame::Long { address, ci: kind, data, .. } = frame else { return Err(no_answer()) };
    if frame.is_from_master() {
        return Err(no_answer());
    }
    if let Some(code) = error_code(*kind, data) {
        return Err(Fault::new("refused", format!("the meter refuses: {}", application_error(code)), BEFORE));
    }
    let expanded = expand(*kind, data, formats)?;
    let (kind, data) = expanded.as_ref().map_or((kind, data), |(kind, data)| (kind, data));
    if let Some(signature) = formats.learn(*kind, data).filter(|_| matches!(*kind, ci::FORMAT..=ci::FORMAT_LONG)) {
        return Ok(told(*address, signature));
    }
    let payload = Payload::parse(*kind, data).map_err(|fault| undecodable(fault, *kind, data))?;
    let raws = raws(*kind, data);
    let records = payload.records.iter().enumerate();
    let records = records.map(|(nth, shown)| record(shown, raws.get(nth).copied().unwrap_or_default()));
    let fields = vec![
        ("protocol", Json::text("mbus")),
        ("address", Json::number(address)),
        ("header", header(*kind, data, &payload)),
        ("records", Json::list(records.chain(payload.makers.map(|bytes| makers(bytes, payload.more_follow))))),
        ("more_records_follow", Json::Bool(payload.more_follow)),
    ];
    Ok((fields, table(*address, &payload)))
}

/// The full frame behind a compact one.
fn expand(kind: u8, data: &[u8], formats: &Formats) -> Result<Option<(u8, Vec<u8>)>, Fault> {
    if !is_compact(kind, data.len()) {
        return Ok(None);
    }
    let expanded = formats.expand(kind, data);
    expanded.map(Some).map_err(|fault| Fault::new("undecodable", fault.to_string(), BEFORE - 1))
}

/// What a format frame tells.
fn told(address: u8, signature: u16) -> (Fields, String) {
    let format = format!("{signature:04X}");
    let text = format!("mbus address {address} tells format {format}");
    (vec![("protocol", Json::text("mbus")), ("address", Json::number(address)), ("format", Json::text(format))], text)
}

fn undecodable(fault: PayloadFault, kind: u8, data: &[u8]) -> Fault {
    let offset = match fault {
        PayloadFault::Kind(_) => BEFORE - 1,
        PayloadFault::Header => BEFORE + data.len(),
        PayloadFault::Encrypted(_) | PayloadFault::NeedsFormat(_) => BEFORE + Payload::header_length(kind),
        PayloadFault::Records(_) => {
            let header = Payload::header_length(kind);
            let walked: usize = walk(data.get(header..).unwrap_or_default()).into_iter().map(Item::length).sum();
            BEFORE + header + walked
        }
    };
    Fault::new("undecodable", fault.to_string(), offset)
}

/// The bytes of each record.
fn raws(kind: u8, data: &[u8]) -> Vec<&[u8]> {
    if is_fixed(kind) {
        return [8, 12].into_iter().filter_map(|first| data.get(first..first + 4)).collect();
    }
    let mut at = Payload::header_length(kind);
    let mut raws = Vec::new();
    for item in walk(data.get(at..).unwrap_or_default()) {
        if matches!(item, Item::Record { .. }) {
            raws.extend(data.get(at..at + item.length()));
        }
        at += item.length();
    }
    raws
}

/// 73, and 77 with the most significant byte first.
pub(super) const fn is_fixed(kind: u8) -> bool {
    kind & !4 == ci::FIXED
}

fn header(kind: u8, data: &[u8], payload: &Payload) -> Json {
    let access = match kind {
        ci::SHORT_HEADER => data.first(),
        _ if is_fixed(kind) => data.get(4),
        _ => None,
    };
    let access = payload.header.map(|header| header.access).or(access.copied());
    if access.is_none() {
        return Json::Null;
    }
    let id = payload.header.map(|header| header.id).or(payload.id);
    let medium = payload.header.map(|header| header.medium).or(payload.medium);
    Json::Object(vec![
        ("id", Json::maybe(id, |id| Json::text(format!("{id:08X}")))),
        ("manufacturer", Json::maybe(payload.header, |h| Json::text(words::manufacturer(h.manufacturer)))),
        ("version", Json::maybe(payload.header, |h| Json::number(h.version))),
        ("medium", Json::maybe(medium, |medium| Json::text(words::medium(medium)))),
        ("access_no", Json::maybe(access, Json::number)),
        ("status", Json::text(format!("{:02X}", payload.status.0))),
    ])
}

/// The block at the end of a list that only its maker understands: a record of the device itself.
fn makers(bytes: &[u8], more_follow: bool) -> Json {
    let lead = if more_follow { dif::MORE_FOLLOW } else { dif::MAKERS };
    Json::Object(vec![
        ("storage", Json::number(0)),
        ("tariff", Json::number(0)),
        ("subunit", Json::number(0)),
        ("function", Json::text(words::function(Function::Instantaneous))),
        ("quantity", Json::text("manufacturer_specific")),
        ("unit", Json::text("")),
        ("value", Json::text(hex(bytes))),
        ("raw", Json::text(format!("{lead:02X}{}", hex(bytes)))),
        ("error", Json::Null),
        ("notes", Json::list([])),
    ])
}

fn record(record: &Record, raw: &[u8]) -> Json {
    let said = record.notes.iter().rfind(|note| note.is_error());
    let error = matches!(record.value, Value::Invalid)
        .then(|| said.map_or_else(|| "invalid value".to_owned(), |note| note.to_string()));
    Json::Object(vec![
        ("storage", Json::number(record.place.storage)),
        ("tariff", Json::number(record.place.tariff)),
        ("subunit", Json::number(record.place.subunit)),
        ("function", Json::text(words::function(record.place.function))),
        ("quantity", Json::text(words::quantity(&record.name))),
        ("unit", Json::text(record.unit)),
        ("value", value(&record.value)),
        ("raw", Json::text(hex(raw))),
        ("error", Json::maybe(error, Json::Text)),
        ("notes", Json::list(record.notes.iter().map(|note| Json::text(note.to_string())))),
    ])
}

fn value(value: &Value) -> Json {
    match value {
        Value::Number(amount) => Json::Number(amount.exact()),
        Value::Time(point) => Json::text(point.to_string()),
        Value::Text(text) => Json::text(text.to_string()),
        Value::Bytes(octets) => Json::text(octets.iter().map(|byte| format!("{byte:02X}")).collect::<String>()),
        Value::Invalid | Value::Nothing => Json::Null,
    }
}

fn table(address: u8, payload: &Payload) -> String {
    let identity = payload.identity().unwrap_or_default();
    let mut rows = vec![format!("mbus address {address} {identity}")];
    rows.extend(payload.records.iter().map(|record| {
        let place = record.place;
        let notes = record.notes;
        let name = words::quantity(&record.name);
        let text = format!(
            "  {:<14} {:>4} {:>3} {:>3}  {name:<28} {} {} {notes}",
            words::function(place.function),
            place.storage,
            place.tariff,
            place.subunit,
            record.value,
            record.unit
        );
        text.trim_end().to_owned()
    }));
    rows.extend(payload.makers.map(|bytes| format!("  manufacturer data {}", hex(bytes))));
    rows.join("\n")
}
