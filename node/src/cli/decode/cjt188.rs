//! A CJ/T 188 telegram as JSON and as a table: current data, past months, settings, requests.
//!
//! Promises: values as the meter shows them, in its units; what a telegram asks or answers is named. Refuses: a
//! meter's refusal, and data in no clear layout.

use protocol::amount::{Amount, Unit};
use protocol::bytes::bcd_byte;
use protocol::cjt188::control;
use protocol::cjt188::digits::Shown;
use protocol::cjt188::frame::Frame;
use protocol::cjt188::heat::{DECIMALS, FLOW_DECIMALS, Heat};
use protocol::cjt188::identifier::{self, Lead, di};
use protocol::cjt188::layout::Layout;
use protocol::cjt188::payload::{self, Current, Data, Past, PayloadFault, Rules};
use protocol::cjt188::prices::Prices;
use protocol::cjt188::reply::{CLOSE, OPEN};
use protocol::cjt188::status::Status;
use protocol::cjt188::total::Total;
use protocol::cjt188::water::Water;
use protocol::meter::{Address, ValveState};

use super::fault::Fault;
use super::hex;
use super::json::Json;

/// Bytes of a frame before its data.
const BEFORE: usize = 11;
/// Bytes of the identifier and SER.
const LEAD: usize = 3;

type Fields = Vec<(&'static str, Json)>;

/// The fields of a telegram, and its rows for people; the layout is the one named, or the one seen.
pub(super) fn reply(frame: &Frame, layout: Option<Layout>) -> Result<(Fields, String), Fault> {
    let fields = fields(frame, layout)?;
    let rows: Vec<String> = fields.iter().flat_map(|(name, value)| rows(name, value)).collect();
    Ok((fields, rows.join("\n")))
}

fn fields(frame: &Frame, layout: Option<Layout>) -> Result<Fields, Fault> {
    if frame.is_refusal() {
        let (ser, status) = frame.data.split_at(frame.data.len().min(1));
        let asked = control::word(frame.control);
        let text = format!("the meter refuses to {asked}: SER {}, status {}", hex(ser), hex(status));
        return Err(Fault::new("refused", text, BEFORE - 2));
    }
    let rules = Rules { layout, slots: &[] };
    let code = Lead::of(frame).map(|(lead, _)| identifier::resolve(lead.di).0);
    let is_read = frame.control == control::FROM_METER | control::READ;
    match code {
        _ if !is_read => Ok(other(frame)),
        Some(di::PRICES) => {
            let prices = payload::prices(frame, rules).map_err(unread)?;
            let seen = Json::maybe(layout, |layout| Json::text(layout.name()));
            Ok([lead(frame, seen, None), vec![("prices", priced(&prices))]].concat())
        }
        Some(code) if identifier::month(code).is_some() => {
            Past::read_as(frame, rules).map(|past| month(frame, &past)).map_err(unread)
        }
        _ => match Current::read_as(frame, rules) {
            Ok(current) => Ok(current_data(frame, &current)),
            Err(PayloadFault::OtherData(_) | PayloadFault::NoLead) => Ok(other(frame)),
            Err(fault) => Err(unread(fault)),
        },
    }
}

fn unread(fault: PayloadFault) -> Fault {
    let (code, offset) = match fault {
        PayloadFault::Ambiguous(_) => ("ambiguous", BEFORE + LEAD),
        PayloadFault::Unread(_) => ("unsupported", BEFORE),
        _ => ("undecodable", BEFORE + LEAD),
    };
    let remedy = if code == "ambiguous" { "; here --layout names it" } else { "" };
    Fault::new(code, format!("{fault}{remedy}"), offset)
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

/// What every telegram has; DI and SER as the meter means them where they are known.
fn lead(frame: &Frame, layout: Json, meant: Option<(u16, u8)>) -> Fields {
    let wire = Lead::of(frame).map(|(lead, _)| (identifier::resolve(lead.di).0, lead.ser));
    let meant = meant.or(wire);
    vec![
        ("protocol", Json::text("cjt188")),
        ("layout", layout),
        ("type", Json::text(format!("{:02X}", frame.meter_type))),
        ("address", Json::text(Address::Cjt188(frame.address).to_string())),
        ("control", Json::text(format!("{:02X}", frame.control))),
        ("di", Json::maybe(meant, |(code, _)| Json::text(format!("{code:04X}")))),
        ("ser", Json::maybe(meant, |(_, ser)| Json::number(ser))),
        ("what", Json::text(what(frame, meant.map(|(code, _)| code)))),
    ]
}

/// What a telegram asks or answers, in words.
pub(super) fn what(frame: &Frame, code: Option<u16>) -> String {
    let side = if frame.is_from_meter() { "answer" } else { "request" };
    let subject = code.map_or("no data", |code| identifier::name(code).unwrap_or("a maker's own data"));
    format!("{side}, {}: {subject}", control::word(frame.control))
}

fn current_data(frame: &Frame, current: &Current) -> Fields {
    let mut fields = lead(frame, Json::text(current.layout.name()), Some((di::CURRENT, current.ser)));
    fields.push(("quantities", quantities(&current.data)));
    fields.push(("meter_time", Json::maybe(current.data.clock(), |clock| Json::text(clock.to_string()))));
    fields.extend(status(current.data.status()));
    fields
}

/// The values of current data, by name.
pub(super) fn quantities(data: &Data) -> Json {
    match data {
        Data::Heat(heat) => of_heat(heat),
        Data::Water(water) => of_water(water),
        // Without a profile's slots layout D has no numbers.
        Data::Binary(_) => Json::Object(Vec::new()),
    }
}

fn status(status: Status) -> Fields {
    vec![
        ("valve", Json::maybe(status.valve().map(ValveState::name), Json::text)),
        ("battery_low", Json::Bool(status.is_battery_low())),
        ("status", Json::text(hex(&status.0))),
    ]
}

fn month(frame: &Frame, past: &Past) -> Fields {
    let meant = identifier::of_month(past.month).map(|code| (code, past.ser));
    let mut fields = lead(frame, Json::text(past.layout.name()), meant);
    fields.push(("month", Json::number(past.month)));
    fields.push(("quantities", Json::Object(vec![total(past.total)])));
    fields
}

fn total(Total(held): Total) -> (&'static str, Json) {
    let is_volume = matches!(held.unit.unit().0, Unit::CubicMetre);
    (if is_volume { "volume" } else { "energy" }, shown(&held, DECIMALS))
}

/// Telegrams that are no readings: settings, requests, what is a maker's own.
fn other(frame: &Frame) -> Fields {
    let mut fields = lead(frame, Json::Null, None);
    let (lead_in, rest) = match Lead::of(frame) {
        Some((lead_in, rest)) => (identifier::resolve(lead_in.di).0, rest),
        None => (0, frame.data.as_slice()),
    };
    let is_answer = frame.is_from_meter();
    fields.extend(identifier::month(lead_in).map(|month| ("month", Json::number(month))));
    match (lead_in, rest) {
        (_, []) => {}
        (di::VALVE, [order]) if !is_answer => fields.push(("order", Json::text(valve_order(*order)))),
        (di::VALVE | di::SET_BASE, [first, second]) if is_answer => fields.extend(status(Status([*first, *second]))),
        (di::SETTLEMENT_DAY | di::READING_DAY | di::SET_SETTLEMENT_DAY | di::SET_READING_DAY, [day]) => {
            fields.push(("day", Json::maybe(bcd_byte(*day), Json::number)));
        }
        (di::KEY_VERSION, [version]) => fields.push(("key_version", Json::number(version))),
        (di::SET_ADDRESS, [a0, a1, a2, a3, a4, a5, a6]) => {
            let address = Address::Cjt188([*a6, *a5, *a4, *a3, *a2, *a1, *a0]);
            fields.push(("new_address", Json::text(address.to_string())));
        }
        (_, rest) => fields.push(("data", Json::text(hex(rest)))),
    }
    fields
}

/// What the byte of a valve command asks for.
pub(super) fn valve_order(order: u8) -> String {
    match order {
        OPEN => "open".to_owned(),
        CLOSE => "close".to_owned(),
        other => format!("maker's order {other:02X}"),
    }
}

fn of_heat(heat: &Heat) -> Json {
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

fn of_water(water: &Water) -> Json {
    let Water { volume, settled, .. } = water;
    Json::Object(vec![("volume", shown(volume, DECIMALS)), ("settlement_volume", shown(settled, DECIMALS))])
}

fn priced(prices: &Prices) -> Json {
    let number = |digits, decimals| Json::maybe(exact(digits, decimals), Json::Number);
    let [(first, up_to), (second, then_up_to)] = prices.steps;
    Json::Object(vec![
        ("price_1", number(first, DECIMALS)),
        ("up_to_1", number(up_to, 0)),
        ("price_2", number(second, DECIMALS)),
        ("up_to_2", number(then_up_to, 0)),
        ("price_3", number(prices.last, DECIMALS)),
    ])
}

fn shown(shown: &Shown, decimals: i32) -> Json {
    amount(shown.digits, decimals, shown.unit.symbol())
}

fn amount(digits: Option<u32>, decimals: i32, unit: &'static str) -> Json {
    Json::Object(vec![("value", Json::maybe(exact(digits, decimals), Json::Number)), ("unit", Json::text(unit))])
}

fn exact(digits: Option<u32>, decimals: i32) -> Option<String> {
    digits.map(|digits| Amount::decimal(digits.into(), -decimals, Unit::Plain).exact())
}
