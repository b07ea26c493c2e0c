//! A frame in one line.
//!
//! ```text
//!   SND_NKE to 5 | RSP_UD from 5: 12345678 ELS heat_outlet, 23 records, energy 5.123 MWh
//!   cjt188 read 901F of AAAAAAAAAAAAAA | data of 11110012345678: energy 540.6 kWh
//! ```
//!
//! Promises: one line, the current values first, numbers exact. Refuses: more than a few of them.

use protocol::cjt188::control as cjt188;
use protocol::cjt188::frame::{ANYONE, Frame as Cjt188};
use protocol::cjt188::identifier::di;
use protocol::cjt188::payload::Current;
use protocol::cjt188::reply::{CLOSE, Lead, OPEN};
use protocol::mbus::frame::{self, Frame as Mbus, ci, control};
use protocol::mbus::payload::{Payload, application_error};
use protocol::mbus::record::{Place, Record};
use protocol::mbus::selection::Selection;
use protocol::mbus::value::Value;
use protocol::meter::{Address, ValveState};
use protocol::modbus::frame::Frame as Modbus;
use protocol::modbus::payload::{Reply, Request, exception};

use super::json::Json;
use super::{cjt188::quantities, hex, words};

/// Values told, at most.
const VALUES: usize = 4;

/// An M-Bus frame.
pub(in crate::cli) fn mbus(frame: &Mbus) -> String {
    match frame {
        Mbus::Ack => "ACK".to_owned(),
        Mbus::Short { control, address } => format!("{} to {}", request(*control), whom(*address)),
        Mbus::Long { ci: ci::SELECT, address: frame::SELECTED, data, .. } => selection(data),
        Mbus::Long { control, address, ci, data } if frame.is_from_master() => {
            format!("{} to {}: CI {ci:02X}, {}", request(*control), whom(*address), hex(data))
        }
        Mbus::Long { address, ci, data, .. } => format!("RSP_UD from {}: {}", whom(*address), reply(*ci, data)),
    }
}

fn request(kind: u8) -> String {
    match kind & control::KIND {
        control::SND_NKE => "SND_NKE".to_owned(),
        kind if kind == control::REQ_UD2 & control::KIND => "REQ_UD2".to_owned(),
        kind if kind == control::REQ_UD1 & control::KIND => "REQ_UD1".to_owned(),
        kind if kind == control::SND_UD & control::KIND => "SND_UD".to_owned(),
        _ => format!("control {kind:02X}"),
    }
}

fn whom(address: u8) -> String {
    match address {
        frame::SELECTED => "whoever is selected".to_owned(),
        frame::ANYONE => "anyone".to_owned(),
        0xFF => "everyone".to_owned(),
        address => address.to_string(),
    }
}

fn selection(data: &[u8]) -> String {
    let Some(Selection { id, manufacturer, version, medium }) = Selection::decode(data) else {
        return "SELECT, cut off".to_owned();
    };
    let number = Selection::fabrication(data).map(|number| format!(", fabrication number {number:08X}"));
    format!("SELECT {id:08X} {manufacturer:04X} {version:02X} {medium:02X}{}", number.unwrap_or_default())
}

fn reply(kind: u8, data: &[u8]) -> String {
    if kind == ci::ERROR {
        return format!("refuses: {}", application_error(data.first().copied().unwrap_or_default()));
    }
    let payload = match Payload::parse(kind, data) {
        Ok(payload) => payload,
        Err(fault) => return fault.to_string(),
    };
    let identity = payload.header.map(|header| {
        let (letters, medium) = (words::manufacturer(header.manufacturer), words::medium(header.medium));
        format!("{:08X} {letters} {medium}", header.id)
    });
    let identity = identity.or_else(|| payload.id.map(|id| format!("{id:08X}")));
    let count = format!("{} records", payload.records.len());
    let values = payload.records.iter().filter(|record| record.place == Place::CURRENT).filter_map(value);
    let more = payload.more_follow.then(|| "more telegrams follow".to_owned());
    let parts = identity.into_iter().chain([count]).chain(values.take(VALUES)).chain(more);
    parts.collect::<Vec<_>>().join(", ")
}

fn value(record: &Record) -> Option<String> {
    let Value::Number(amount) = &record.value else { return None };
    if record.unit.is_empty() {
        return None;
    }
    let (digits, unit) = in_large(&amount.exact(), record.unit);
    Some(format!("{} {digits} {unit}", words::quantity(&record.name)))
}

/// Energies and powers as people read them.
fn in_large(digits: &str, unit: &str) -> (String, String) {
    let (places, large) = match unit {
        "Wh" => (6, "MWh"),
        "J" => (9, "GJ"),
        "W" => (3, "kW"),
        _ => return (digits.to_owned(), unit.to_owned()),
    };
    (moved(digits, places), large.to_owned())
}

/// The decimal `digits` with its point `places` further to the left.
fn moved(digits: &str, places: usize) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let (whole, rest) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = format!("{whole:0>width$}", width = places + 1);
    let (head, tail) = whole.split_at(whole.len() - places);
    let head = head.trim_start_matches('0');
    let tail = format!("{tail}{rest}");
    let (head, tail) = (if head.is_empty() { "0" } else { head }, tail.trim_end_matches('0'));
    if tail.is_empty() { format!("{sign}{head}") } else { format!("{sign}{head}.{tail}") }
}

/// A CJ/T 188 frame.
pub(in crate::cli) fn cjt188(frame: &Cjt188) -> String {
    let address = match frame.address {
        ANYONE => "whoever is alone".to_owned(),
        address => Address::Cjt188(address).to_string(),
    };
    let known = |lead: &Lead| [di::CURRENT, di::VALVE, di::ADDRESS].into_iter().find(|known| lead.asks(*known));
    let lead = Lead::of(frame);
    let of = lead.map(|(lead, _)| known(&lead).unwrap_or(u16::from_be_bytes(lead.di))).unwrap_or_default();
    let kind = frame.control & !(cjt188::FROM_METER | cjt188::ERROR);
    match (frame.is_from_meter(), kind) {
        (true, _) if frame.is_refusal() => format!("refusal of {address}: {}", hex(&frame.data)),
        (true, cjt188::READ) => format!("data of {address}: {}", current(frame, of)),
        (true, cjt188::READ_ADDRESS) => format!("address of {address}"),
        (true, _) => format!("answer of {address}: {of:04X}, {}", hex(&frame.data)),
        (false, cjt188::READ) => format!("read {of:04X} of {address}"),
        (false, cjt188::READ_ADDRESS) => format!("read address of {address}"),
        (false, cjt188::WRITE) => format!("write {of:04X} of {address}: {}", written(lead.map(|(_, rest)| rest))),
        (false, kind) => format!("control {kind:02X} to {address}: {of:04X}"),
    }
}

fn written(rest: Option<&[u8]>) -> String {
    match rest.unwrap_or_default() {
        [OPEN] => "open".to_owned(),
        [CLOSE] => "close".to_owned(),
        other => hex(other),
    }
}

fn current(frame: &Cjt188, of: u16) -> String {
    match Current::read(frame) {
        Ok(current) => {
            let Json::Object(quantities) = quantities(&current.data) else { return String::new() };
            let told = quantities.iter().skip(1).take(VALUES);
            let valve = current.data.status().valve().map(ValveState::name).map(|valve| format!("valve {valve}"));
            let values = told.map(|(name, shown)| format!("{name} {}", super::cjt188::amount_text(shown)));
            values.chain(valve).collect::<Vec<_>>().join(", ")
        }
        Err(fault) if of == di::CURRENT => fault.to_string(),
        Err(_) => format!("{of:04X}, {}", hex(&frame.data)),
    }
}

/// A Modbus frame.
pub(in crate::cli) fn modbus(frame: &Modbus, is_request: bool) -> String {
    let Modbus { unit, pdu } = frame;
    if is_request {
        let asked = Request::decode(pdu).map_or_else(|| hex(pdu), |request| modbus_request(&request));
        return format!("{asked} of unit {unit}");
    }
    let told = match Reply::decode(pdu) {
        Some(Reply::Exception(_, code)) => exception(code),
        Some(Reply::Registers(_, values)) => {
            let values: Vec<String> = values.iter().map(|value| format!("{value:04X}")).collect();
            format!("{} registers {}", values.len(), values.join(" "))
        }
        Some(Reply::Bits(_, bytes)) => format!("bits {}", hex(&bytes)),
        Some(Reply::Wrote(_, address, value)) => format!("wrote {value} at {address}"),
        None => hex(pdu),
    };
    format!("unit {unit}: {told}")
}

fn modbus_request(request: &Request) -> String {
    match request {
        Request::Read { table, start, count } => format!("read {count} of {table:?} from {start}").to_ascii_lowercase(),
        Request::WriteCoil { address, on } => format!("write coil {address} {}", if *on { "on" } else { "off" }),
        Request::WriteRegister { address, value } => format!("write register {address} = {value}"),
        Request::WriteCoils { start, bits } => format!("write {} coils from {start}", bits.len()),
        Request::WriteRegisters { start, values } => format!("write {} registers from {start}", values.len()),
    }
}

#[cfg(test)]
mod tests {
    use protocol::mbus::header::{Header, Status, manufacturer};
    use protocol::mbus::reply::{EnergyUnit, ReplyBuilder};
    use protocol::modbus::payload::Table;

    use super::*;

    #[test]
    fn an_mbus_dialogue_reads_as_people_say_it() {
        let header = Header {
            id: 0x1234_5678,
            manufacturer: manufacturer(*b"ELS"),
            version: 1,
            medium: 4,
            access: 1,
            status: Status(0),
        };
        let builder = ReplyBuilder::new(&header).energy(EnergyUnit::KilowattHour, 5_123).power_watts(-250);
        let reply = builder.flow_temp_centi(6_543).frame(5).expect("fits");
        assert_eq!(
            mbus(&reply),
            "RSP_UD from 5: 12345678 ELS heat_outlet, 3 records, energy 5.123 MWh, power -0.25 kW, flow_temperature 65.43 °C"
        );
        assert_eq!(mbus(&Mbus::Short { control: 0x7B, address: 5 }), "REQ_UD2 to 5");
        assert_eq!(mbus(&Mbus::Short { control: 0x40, address: 0xFD }), "SND_NKE to whoever is selected");
        let data = Selection { id: 0x12FF_FFFF, manufacturer: 0xFFFF, version: 0xFF, medium: 4 }.encode().to_vec();
        let select = Mbus::Long { control: 0x53, address: 0xFD, ci: ci::SELECT, data };
        assert_eq!(mbus(&select), "SELECT 12FFFFFF FFFF FF 04");
    }

    #[test]
    fn a_point_moves_without_losing_a_digit() {
        let told = ["5123000", "0", "-250", "12.5", "123456789.01"].map(|digits| moved(digits, 6));
        assert_eq!(told, ["5.123", "0", "-0.00025", "0.0000125", "123.45678901"]);
    }

    #[test]
    fn cjt188_and_modbus_are_told_both_ways() {
        let address = [0x11, 0x11, 0x00, 0x12, 0x34, 0x56, 0x78];
        let ask = Cjt188 { meter_type: 0x20, address, control: 0x01, data: vec![0x1F, 0x90, 1] };
        assert_eq!(cjt188(&ask), "read 901F of 11110012345678");
        let who = Cjt188 { address: ANYONE, control: 0x03, data: vec![0x0A, 0x81, 1], ..ask.clone() };
        assert_eq!(cjt188(&who), "read address of whoever is alone");
        let valve = Cjt188 { control: 0x04, data: vec![0xA0, 0x17, 1, 0x99], ..ask.clone() };
        assert_eq!(cjt188(&valve), "write A017 of 11110012345678: close");
        assert_eq!(cjt188(&Cjt188 { control: 0xC1, data: vec![1, 2, 3], ..ask }), "refusal of 11110012345678: 010203");
        let read = Request::Read { table: Table::Holding, start: 0, count: 1 }.encode();
        assert_eq!(modbus(&Modbus { unit: 3, pdu: read }, true), "read 1 of holding from 0 of unit 3");
        assert_eq!(modbus(&Modbus { unit: 3, pdu: vec![3, 2, 0, 7] }, false), "unit 3: 1 registers 0007");
        let refused = modbus(&Modbus { unit: 3, pdu: vec![0x83, 2] }, false);
        assert_eq!(refused, "unit 3: modbus exception 02: illegal data address");
    }
}
