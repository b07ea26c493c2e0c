//! What each byte of a CJ/T 188 telegram is.
//!
//! Promises: every byte stands in exactly one part, in order. Refuses: naming bytes of a layout that is not clear.

use protocol::cjt188::body::Body;
use protocol::cjt188::control;
use protocol::cjt188::frame::Frame;
use protocol::cjt188::heat::Heat;
use protocol::cjt188::identifier::{self, Lead, di};
use protocol::cjt188::layout::{Layout, Part};
use protocol::cjt188::payload::{Current, Data, Past, Rules};
use protocol::cjt188::prices::Prices;
use protocol::cjt188::total::Total;
use protocol::cjt188::water::Water;
use protocol::meter::Address;

use super::super::cjt188::valve_order;
use super::{Cutter, end};

const HEAT: [&str; 8] = [
    "settlement or cooling energy",
    "energy",
    "power",
    "flow",
    "volume",
    "supply temperature",
    "return temperature",
    "operating hours",
];
const WATER: [&str; 2] = ["volume", "volume at the settlement day"];
const PRICES: [&str; 5] = ["price 1", "up to which price 1 holds", "price 2", "up to which price 2 holds", "price 3"];
const STATUS: &str = "status: valve in bits 0 and 1, low battery in bit 2 of the first byte";

pub(super) fn explain(frame: &Frame, layout: Option<Layout>, cutter: &mut Cutter<'_>) {
    cutter.cut(1, "start");
    cutter.cut(1, format!("T, {}", kind_word(frame.meter_type)));
    cutter.cut(7, format!("address {}, least significant byte first", Address::Cjt188(frame.address)));
    let side = if frame.is_from_meter() { "from the meter" } else { "request" };
    cutter.cut(1, format!("C, {side}, {}", control::word(frame.control)));
    cutter.cut(1, format!("length {}", frame.data.len()));
    match Lead::of(frame) {
        _ if frame.is_refusal() => refusal(frame.data.len(), cutter),
        Some((lead, rest)) => data(frame, lead, rest, layout, cutter),
        None => {}
    }
    cutter.cut(cutter.left().saturating_sub(2), "data");
    end(cutter);
}

fn refusal(length: usize, cutter: &mut Cutter<'_>) {
    cutter.cut(length.min(1), "SER");
    cutter.cut(length.saturating_sub(1), "status with which the meter refuses");
}

fn data(frame: &Frame, lead: Lead, rest: &[u8], layout: Option<Layout>, cutter: &mut Cutter<'_>) {
    let rules = Rules { layout, slots: &[] };
    let (code, _) = identifier::resolve(lead.di);
    let is_read = frame.control == control::FROM_METER | control::READ;
    let current = Current::read_as(frame, rules).ok().filter(|_| is_read);
    let past = Past::read_as(frame, rules).ok().filter(|_| is_read);
    let meant = if current.is_some() { di::CURRENT } else { code };
    let name = identifier::name(meant).unwrap_or("a maker's own data");
    let veiled = if current.as_ref().is_some_and(|current| current.layout == Layout::E) { ", 33h added" } else { "" };
    cutter.cut(2, format!("DI, data identifier {meant:04X}, {name}{veiled}"));
    cutter.cut(1, format!("SER, serial number of the dialogue{veiled}"));
    match (current, past) {
        (Some(Current { data: Data::Heat(_), layout, .. }), _) => parts::<Heat>(&HEAT, layout, cutter),
        (Some(Current { data: Data::Water(_), layout, .. }), _) => parts::<Water>(&WATER, layout, cutter),
        (_, Some(past)) => {
            parts::<Total>(&[&format!("total {} month(s) back", past.month)], past.layout, cutter);
        }
        _ => setting(code, frame.is_from_meter(), rest, layout, cutter),
    }
}

/// Data whose parts have no layout of their own to be recognised by.
fn setting(code: u16, is_answer: bool, rest: &[u8], layout: Option<Layout>, cutter: &mut Cutter<'_>) {
    match (code, rest) {
        (di::VALVE, [order]) if !is_answer => cutter.cut(1, format!("order: {}", valve_order(*order))),
        (di::VALVE | di::SET_BASE, [_, _]) if is_answer => cutter.cut(2, STATUS),
        (di::SETTLEMENT_DAY | di::READING_DAY | di::SET_SETTLEMENT_DAY | di::SET_READING_DAY, [_]) => {
            cutter.cut(1, "day of the month, BCD");
        }
        (di::KEY_VERSION, [_]) => cutter.cut(1, "version of the key"),
        (di::ADDRESS | di::SET_ADDRESS, [_, _, _, _, _, _, _]) => {
            cutter.cut(7, "address, least significant byte first");
        }
        (di::SET_CLOCK, [_, _, _, _, _, _, _]) => cutter.cut(7, "clock, BCD"),
        (di::PRICES, _) if is_answer && layout.is_some() => {
            parts::<Prices>(&PRICES, layout.unwrap_or(Layout::A), cutter);
        }
        _ if identifier::name(code).is_none() => cutter.cut(rest.len(), "a maker's own data"),
        _ => {}
    }
}

const fn kind_word(kind: u8) -> &'static str {
    match kind {
        0x10 => "cold water meter",
        0x11 => "hot water meter",
        0x12 => "drinking water meter",
        0x13 => "reclaimed water meter",
        0x14..=0x1F => "water meter",
        0x20 => "heat meter",
        0x21 => "cooling meter",
        0x22 => "heat and cooling meter",
        0x23..=0x2F => "heat or cooling meter",
        0x30..=0x3F => "gas meter",
        0xAA => "any meter",
        _ => "other meter",
    }
}

/// The parts of data in a layout; `names` are those of the values and numbers in their order.
fn parts<B: Body>(names: &[&str], layout: Layout, cutter: &mut Cutter<'_>) {
    let order = match layout {
        Layout::C => "high byte first",
        Layout::E => "low byte first, 33h added",
        Layout::A | Layout::B | Layout::D => "low byte first",
    };
    let mut names = names.iter();
    for part in B::SHAPE {
        match part {
            Part::Clock => cutter.cut(7, format!("clock, BCD {order}")),
            Part::Status => cutter.cut(2, STATUS),
            Part::Short => cutter.cut(3, format!("{}, BCD {order}", names.next().unwrap_or(&"number"))),
            Part::Value => {
                let name = names.next().unwrap_or(&"value");
                let digits = (4, format!("{name}, BCD {order}"));
                let unit = (1, format!("unit of {name}"));
                let is_unit_first = matches!(layout, Layout::B | Layout::E);
                let both = if is_unit_first { [unit, digits] } else { [digits, unit] };
                both.into_iter().for_each(|(length, what)| cutter.cut(length, what));
            }
        }
    }
}
