//! A CJ/T 188 answer as JSON and as a table.
//!
//! Promises: values as the meter shows them, in its units. Refuses: requests, refusals, and data in no clear layout.

use protocol::amount::{Amount, Unit};
use protocol::cjt188::frame::Frame;
use protocol::cjt188::heat::{DECIMALS, FLOW_DECIMALS, Heat, Shown};
use protocol::cjt188::payload::{Current, Layout, PayloadFault};
use protocol::cjt188::reply::{Lead, di};
use protocol::cjt188::unit::UnitCode;
use protocol::meter::{Address, ValveState};

use super::fault::Fault;
use super::hex;
use super::json::Json;

/// Bytes of a frame before its data.
const BEFORE: usize = 11;

type Fields = Vec<(&'static str, Json)>;

/// The fields of an answer, and its rows for people.
pub(super) fn reply(frame: &Frame) -> Result<(Fields, String), Fault> {
    if !frame.is_from_meter() {
        return Err(Fault::new("no-answer", "a request: a meter's answer is needed", 9));
    }
    if frame.is_refusal() {
        return Err(Fault::new("refused", format!("the meter refuses: {}", hex(&frame.data)), 9));
    }
    let undecodable = |fault: PayloadFault| Fault::new("undecodable", fault.to_string(), BEFORE);
    let fields = match Current::read(frame) {
        Ok(current) => current_data(frame, &current),
        Err(PayloadFault::OtherData(_)) => other_data(frame),
        Err(fault) => return Err(undecodable(fault)),
    };
    let rows: Vec<String> = fields.iter().flat_map(|(name, value)| rows(name, value)).collect();
    Ok((fields, rows.join("\n")))
}

fn rows(name: &str, value: &Json) -> Vec<String> {
    let plain = |value: &Json| if let Json::Text(text) = value { text.clone() } else { value.to_string() };
    match value {
        Json::Object(quantities) => quantities.iter().map(|(name, shown)| row(name, &amount_text(shown))).collect(),
        other => vec![row(name, &plain(other))],
    }
}

fn row(name: &str, text: &str) -> String {
    format!("{name:<30} {text}")
}

pub(super) fn amount_text(shown: &Json) -> String {
    match shown {
        Json::Object(fields) => match fields.as_slice() {
            [(_, value), (_, Json::Text(unit))] => format!("{value} {unit}"),
            _ => String::new(),
        },
        other => other.to_string(),
    }
}

fn lead(frame: &Frame, layout: Json, identifier: String, ser: u8) -> Fields {
    vec![
        ("protocol", Json::text("cjt188")),
        ("layout", layout),
        ("type", Json::text(format!("{:02X}", frame.meter_type))),
        ("address", Json::text(Address::Cjt188(frame.address).to_string())),
        ("control", Json::text(format!("{:02X}", frame.control))),
        ("di", Json::text(identifier)),
        ("ser", Json::number(ser)),
    ]
}

fn current_data(frame: &Frame, current: &Current) -> Fields {
    let heat = &current.heat;
    let mut fields = lead(frame, Json::text(layout(current.layout)), format!("{:04X}", di::CURRENT), current.ser);
    fields.extend([
        ("quantities", quantities(heat)),
        ("meter_time", Json::maybe(heat.clock, |clock| Json::text(clock.to_string()))),
        ("valve", Json::maybe(heat.status.valve().map(ValveState::name), Json::text)),
        ("battery_low", Json::Bool(heat.status.is_battery_low())),
        ("status", Json::text(hex(&heat.status.0))),
    ]);
    fields
}

/// Other data than the current ones: their bytes.
fn other_data(frame: &Frame) -> Fields {
    let (lead_in, rest) = Lead::of(frame).unwrap_or((Lead { di: [0; 2], ser: 0 }, &[]));
    let known = [di::VALVE, di::ADDRESS].into_iter().find(|known| lead_in.asks(*known));
    let identifier = known.unwrap_or_else(|| u16::from_be_bytes(lead_in.di));
    let mut fields = lead(frame, Json::Null, format!("{identifier:04X}"), lead_in.ser);
    fields.push(("data", Json::text(hex(rest))));
    fields
}

pub(super) const fn layout(layout: Layout) -> &'static str {
    match layout {
        Layout::A => "A",
        Layout::B => "B",
        Layout::C => "C",
        Layout::E => "E",
    }
}

pub(super) fn quantities(heat: &Heat) -> Json {
    let shown = |shown: &Shown, decimals| amount(shown.digits, decimals, symbol(shown.unit));
    Json::Object(vec![
        ("settlement_or_cooling_energy", shown(&heat.settled, DECIMALS)),
        ("energy", shown(&heat.energy, DECIMALS)),
        ("power", shown(&heat.power, DECIMALS)),
        ("flow", shown(&heat.flow, FLOW_DECIMALS)),
        ("volume", shown(&heat.volume, DECIMALS)),
        ("supply_temp", amount(heat.supply_temp, DECIMALS, "°C")),
        ("return_temp", amount(heat.return_temp, DECIMALS, "°C")),
        ("operating_hours", amount(heat.hours, 0, "h")),
    ])
}

fn amount(digits: Option<u32>, decimals: i32, unit: &'static str) -> Json {
    let exact = digits.map(|digits| Amount::decimal(digits.into(), -decimals, Unit::Plain).exact());
    Json::Object(vec![("value", Json::maybe(exact, Json::Number)), ("unit", Json::text(unit))])
}

const fn symbol(unit: UnitCode) -> &'static str {
    match unit {
        UnitCode::J => "J",
        UnitCode::Wh => "Wh",
        UnitCode::KWh => "kWh",
        UnitCode::MWh => "MWh",
        UnitCode::HundredMWh => "MWh*100",
        UnitCode::KJ => "kJ",
        UnitCode::MJ => "MJ",
        UnitCode::GJ => "GJ",
        UnitCode::HundredGJ => "GJ*100",
        UnitCode::W => "W",
        UnitCode::KW => "kW",
        UnitCode::MW => "MW",
        UnitCode::L => "L",
        UnitCode::M3 => "m3",
        UnitCode::LPerHour => "L/h",
        UnitCode::M3PerHour => "m3/h",
    }
}
