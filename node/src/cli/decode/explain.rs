//! What each byte of a telegram is.
//!
//! ```text
//!   offset  bytes     what
//!        0  68        start
//!        1  3C        length 60
//! ```
//!
//! Promises: every byte stands in exactly one part, in order, sound telegram or not. Refuses: naming what a fault
//! hides.

mod cjt188;
mod modbus;

use protocol::bytes::Cursor;
use protocol::cjt188::layout::Layout;
use protocol::mbus::frame::{self as mbus, ci};
use protocol::mbus::kind;
use protocol::mbus::payload::Payload;
use protocol::mbus::record::Record;
use protocol::mbus::vif::{TextPlace, Vif};

use super::frame::{self, Frame, Protocol};
use super::json::Json;
use super::mbus::is_fixed;
use super::walk::{Item, walk};
use super::{hex, words};

/// Bytes with one meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    offset: usize,
    bytes: Vec<u8>,
    what: String,
}

impl Part {
    pub(super) fn json(&self) -> Json {
        Json::Object(vec![
            ("offset", Json::number(self.offset)),
            ("hex", Json::text(hex(&self.bytes))),
            ("what", Json::text(self.what.as_str())),
        ])
    }

    pub(super) fn row(&self) -> String {
        format!("{:>5}  {:<24} {}", self.offset, hex(&self.bytes), self.what)
    }
}

/// Cuts bytes into parts, front to back.
struct Cutter<'a> {
    rest: Cursor<'a>,
    at: usize,
    parts: Vec<Part>,
}

impl Cutter<'_> {
    fn cut(&mut self, count: usize, what: impl Into<String>) {
        let count = count.min(self.rest.rest().len());
        let bytes = self.rest.take(count).unwrap_or_default().to_vec();
        if !bytes.is_empty() {
            self.parts.push(Part { offset: self.at, bytes, what: what.into() });
            self.at += count;
        }
    }

    fn left(&self) -> usize {
        self.rest.rest().len()
    }
}

/// The parts of one telegram that begins at `offset` of its line.
pub(super) fn parts(bytes: &[u8], protocol: Protocol, layout: Option<Layout>, offset: usize) -> Vec<Part> {
    let mut cutter = Cutter { rest: Cursor::new(bytes), at: offset, parts: Vec::new() };
    cutter.cut(frame::preamble(bytes), "preamble");
    match frame::front(bytes, protocol) {
        Ok((Frame::Mbus(frame), _)) => explain_mbus(&frame, &mut cutter),
        Ok((Frame::Cjt188(frame), _)) => cjt188::explain(&frame, layout, &mut cutter),
        Ok((Frame::Modbus(frame, direction), _)) => modbus::explain(&frame, direction, &mut cutter),
        Err(fault) => {
            let before = fault.offset.saturating_sub(cutter.at - offset);
            cutter.cut(before, "not read");
            cutter.cut(1, format!("{}: {}", fault.code, fault.message));
        }
    }
    cutter.cut(bytes.len(), "not read");
    cutter.parts
}

fn explain_mbus(frame: &mbus::Frame, cutter: &mut Cutter<'_>) {
    match frame {
        mbus::Frame::Ack => cutter.cut(1, "acknowledgement"),
        mbus::Frame::Short { control, address } => {
            cutter.cut(1, "start of a short frame");
            cutter.cut(1, format!("C, {}", control_word(*control)));
            cutter.cut(1, format!("A, primary address {address}"));
            end(cutter);
        }
        mbus::Frame::Long { control, address, ci, data } => {
            let length = data.len() + 3;
            for what in ["start".to_owned(), format!("length {length}"), "length again".to_owned()] {
                cutter.cut(1, what);
            }
            cutter.cut(1, "start again");
            cutter.cut(1, format!("C, {}", control_word(*control)));
            cutter.cut(1, format!("A, primary address {address}"));
            cutter.cut(1, format!("CI, {}", kind::name(*ci)));
            explain_data(*ci, data, cutter);
            cutter.cut(cutter.left().saturating_sub(2), "data, not read");
            end(cutter);
        }
    }
}

fn end(cutter: &mut Cutter<'_>) {
    cutter.cut(1, "checksum");
    cutter.cut(1, "stop");
}

const fn control_word(control: u8) -> &'static str {
    match control & mbus::control::KIND {
        mbus::control::SND_NKE => "link reset",
        0x43 => "data for the meter",
        0x4B => "request for data",
        0x4A => "request for alarms",
        mbus::control::RSP_UD => "data from the meter",
        _ => "other",
    }
}

fn explain_data(kind: u8, data: &[u8], cutter: &mut Cutter<'_>) {
    let payload = Payload::parse(kind, data).ok();
    match kind {
        ci::LONG_HEADER | ci::LONG_HEADER_MSB if data.len() >= Payload::header_length(kind) => {
            long_header(kind, data, cutter);
        }
        ci::SHORT_HEADER if data.len() >= 4 => {
            for (length, what) in [(1, "access number"), (1, "status"), (2, "configuration")] {
                cutter.cut(length, what);
            }
        }
        ci::NO_HEADER => {}
        _ if is_fixed(kind) && payload.is_some() => return explain_fixed(payload.as_ref(), cutter),
        _ => return,
    }
    let records = payload.map(|payload| payload.records).unwrap_or_default();
    explain_records(data.get(Payload::header_length(kind)..).unwrap_or_default(), &records, cutter);
}

fn long_header(kind: u8, data: &[u8], cutter: &mut Cutter<'_>) {
    let header = protocol::mbus::header::Header::decode(&mut Cursor::new(data));
    let Some(header) = header.map(|h| if kind == ci::LONG_HEADER_MSB { h.swapped() } else { h }) else { return };
    cutter.cut(4, format!("identification {:08X}", header.id));
    cutter.cut(2, format!("manufacturer {}", words::manufacturer(header.manufacturer)));
    cutter.cut(1, format!("version {}", header.version));
    cutter.cut(1, format!("medium {}", words::medium(header.medium)));
    cutter.cut(1, format!("access number {}", header.access));
    cutter.cut(1, format!("status {:02X}", header.status.0));
    cutter.cut(2, "signature");
}

fn explain_fixed(payload: Option<&Payload<'_>>, cutter: &mut Cutter<'_>) {
    for (length, what) in [(4, "identification"), (1, "access number"), (1, "status")] {
        cutter.cut(length, what);
    }
    cutter.cut(1, "unit of counter 1, with bits of the medium");
    cutter.cut(1, "unit of counter 2, with bits of the medium");
    for record in payload.map(|payload| payload.records.as_slice()).unwrap_or_default() {
        cutter.cut(4, format!("counter: {}", shown(record)));
    }
}

fn explain_records(data: &[u8], records: &[Record<'_>], cutter: &mut Cutter<'_>) {
    let (mut at, mut records) = (0, records.iter());
    for item in walk(data) {
        let bytes = data.get(at..at + item.length()).unwrap_or_default();
        match item {
            Item::Filler => cutter.cut(1, "filler"),
            Item::Makers(length) => {
                let more = if bytes.first() == Some(&0x1F) { ", more telegrams follow" } else { "" };
                cutter.cut(1, format!("DIF, manufacturer data to the end{more}"));
                cutter.cut(length, "manufacturer data");
            }
            Item::Record { dif, vif, lvar, data } => {
                explain_dif(dif, bytes, cutter);
                explain_vif(bytes.get(dif..dif + vif).unwrap_or_default(), cutter);
                cutter.cut(lvar, "LVAR, length of the value");
                cutter.cut(data, records.next().map_or_else(|| "value".to_owned(), |r| format!("value: {}", shown(r))));
            }
        }
        at += item.length();
    }
}

fn shown(record: &Record<'_>) -> String {
    let text = format!("{} {} {}", words::quantity(&record.name), record.value, record.unit);
    text.trim_end().to_owned()
}

fn explain_dif(count: usize, bytes: &[u8], cutter: &mut Cutter<'_>) {
    let first = bytes.first().copied().unwrap_or_default();
    let function = ["instantaneous", "maximum", "minimum", "error"].get(usize::from(first >> 4 & 3)).unwrap_or(&"");
    cutter.cut(1, format!("DIF, {function}, {}, storage bit {}", coding(first), first >> 6 & 1));
    for byte in bytes.get(1..count).unwrap_or_default() {
        let (subunit, tariff, storage) = (byte >> 6 & 1, byte >> 4 & 3, byte & 0xF);
        cutter.cut(1, format!("DIFE, storage bits {storage}, tariff bits {tariff}, subunit bit {subunit}"));
    }
}

const fn coding(dif: u8) -> &'static str {
    match dif & 0x0F {
        0x0 => "no data",
        0x1 => "8 bit integer",
        0x2 => "16 bit integer",
        0x3 => "24 bit integer",
        0x4 => "32 bit integer",
        0x5 => "32 bit real",
        0x6 => "48 bit integer",
        0x7 => "64 bit integer",
        0x8 => "selection for readout",
        0x9 => "2 digit BCD",
        0xA => "4 digit BCD",
        0xB => "6 digit BCD",
        0xC => "8 digit BCD",
        0xD => "variable length",
        0xE => "12 digit BCD",
        _ => "special",
    }
}

fn explain_vif(block: &[u8], cutter: &mut Cutter<'_>) {
    match block {
        [0x7C | 0xFC, ..] => cutter.cut(block.len(), "VIF, plain text with its extensions"),
        [table @ (0xFB | 0xFD), _, ..] => {
            let name = if *table == 0xFB { "alternate" } else { "main" };
            cutter.cut(1, format!("VIF, {name} extension table"));
            cutter.cut(1, format!("VIFE, {}", quantity(block.get(..2).unwrap_or_default())));
            extensions(block, 2, cutter);
        }
        _ => {
            cutter.cut(1, format!("VIF, {}", quantity(block.get(..1).unwrap_or_default())));
            extensions(block, 1, cutter);
        }
    }
}

fn extensions(block: &[u8], first: usize, cutter: &mut Cutter<'_>) {
    for count in first..block.len() {
        let [before, with] = [count, count + 1].map(|count| ended(block.get(..count).unwrap_or_default()));
        let [before, with] = [prefix(&before), prefix(&with)];
        let what = match (before, with) {
            (Some(before), Some(with)) if with.notes.len() > before.notes.len() => {
                with.notes.last().map(|note| note.to_string()).unwrap_or_default()
            }
            (Some(before), Some(with)) if with.exp10 != before.exp10 => format!("x 10^{}", with.exp10 - before.exp10),
            _ => "extension".to_owned(),
        };
        cutter.cut(1, format!("VIFE, {what}"));
    }
}

fn quantity(block: &[u8]) -> String {
    let block = ended(block);
    let Some(vif) = prefix(&block) else { return "unknown".to_owned() };
    let unit = if vif.symbol.is_empty() { String::new() } else { format!(", 10^{} {}", vif.exp10, vif.symbol) };
    format!("{}{unit}", words::quantity(&vif.name))
}

/// The block as if its last byte here were its last.
fn ended(block: &[u8]) -> Vec<u8> {
    let Some((last, front)) = block.split_last() else { return Vec::new() };
    let last = if front.is_empty() || last & 0x80 != 0 { last & 0x7F } else { *last };
    [front, &[last]].concat()
}

fn prefix(block: &[u8]) -> Option<Vif<'_>> {
    Vif::read(&mut Cursor::new(block), TextPlace::Either).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_byte_stands_in_exactly_one_part(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let parts = parts(&bytes, Protocol::Auto, None, 0);
            let again: Vec<u8> = parts.iter().flat_map(|part| part.bytes.clone()).collect();
            prop_assert_eq!(again, bytes);
        }

        #[test]
        fn every_byte_of_a_cjt188_telegram_stands_in_exactly_one_part(
            control in any::<u8>(),
            di in prop_oneof![Just([0x90, 0x1F]), Just([0xD1, 0x21]), Just([0x02, 0x81]), Just([0xA0, 0x17]), any::<[u8; 2]>()],
            rest in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let data = [&di[..], &[1], &rest].concat();
            let frame = protocol::cjt188::frame::Frame { meter_type: 0x20, address: [0x11; 7], control, data };
            let bytes = frame.encode();
            for layout in [None, Some(Layout::A), Some(Layout::C)] {
                let parts = parts(&bytes, Protocol::Cjt188, layout, 0);
                let again: Vec<u8> = parts.iter().flat_map(|part| part.bytes.clone()).collect();
                prop_assert_eq!(&again, &bytes);
            }
        }

        #[test]
        fn every_byte_of_a_modbus_frame_stands_in_exactly_one_part(
            unit in 1_u8..=247,
            pdu in prop_oneof![
                Just(vec![3, 0, 0, 0, 10]), Just(vec![3, 4, 1, 2, 3, 4]), Just(vec![1, 1, 0xFF]), Just(vec![0x83, 2]),
                Just(vec![16, 0, 1, 0, 1, 2, 0xA, 0xB]), Just(vec![16, 0, 1, 0, 1]), Just(vec![5, 0, 1, 0xFF, 0]),
            ],
        ) {
            let bytes = protocol::modbus::frame::Frame { unit, pdu }.encode();
            let parts = parts(&bytes, Protocol::Modbus, None, 0);
            let again: Vec<u8> = parts.iter().flat_map(|part| part.bytes.clone()).collect();
            prop_assert_eq!(again, bytes);
            prop_assert!(parts.last().is_some_and(|part| part.what.starts_with("CRC-16")));
        }

        #[test]
        fn every_byte_of_a_reply_stands_in_exactly_one_part(
            kind in prop_oneof![Just(0x72), Just(0x73), Just(0x78), Just(0x7A), Just(0x70)],
            data in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let bytes = mbus::Frame::Long { control: 8, address: 1, ci: kind, data }.encode();
            let parts = parts(&bytes, Protocol::Mbus, None, 0);
            let again: Vec<u8> = parts.iter().flat_map(|part| part.bytes.clone()).collect();
            prop_assert_eq!(again, bytes);
        }
    }
}
