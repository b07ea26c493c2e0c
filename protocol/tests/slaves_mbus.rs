//! The master's dialogues with slaves that keep their frame count bit as IEC 60870-5-2 wants it: a frame whose bit did
//! not change is a repeat, and is answered by what was answered before, without looking at it.

mod common;

use common::{converse, target};
use protocol::bytes::crc16;
use protocol::exchange::{Answer, Exchange, LineFault};
use protocol::mbus::frame::{Frame, SELECTED, Scanner, ci, control};
use protocol::mbus::header::{Header, Status, manufacturer};
use protocol::mbus::reply::ReplyBuilder;
use protocol::mbus::selection::{Selection, digits_match};
use protocol::meter::{Action, Address, Quantity, Reading};

const ID: u32 = 0x1234_5678;
const KAM: u16 = manufacturer(*b"KAM");
const SECONDARY: Address = Address::MbusSecondary { id: ID, manufacturer: KAM, version: 1, medium: 4 };

/// A slave reached by secondary address, with a fabrication number.
struct Slave {
    fabrication: u32,
    /// Which selecting frames it understands.
    takes: fn(u8) -> bool,
    is_selected: bool,
    count_bit: Option<u8>,
    said: Vec<u8>,
    /// Grows with each answer that is not a repeat: its power in watts.
    answers: i64,
}

impl Slave {
    fn new(fabrication: u32) -> Self {
        Self { fabrication, takes: |_| true, is_selected: false, count_bit: None, said: Vec::new(), answers: 0 }
    }

    fn header(&self) -> Header {
        Header { id: ID, manufacturer: KAM, version: 1, medium: 4, access: self.answers as u8, status: Status(0) }
    }

    fn hear(&mut self, request: &[u8]) -> Vec<u8> {
        let mut scanner = Scanner::new();
        scanner.push(request);
        match scanner.next() {
            Some(Ok(Frame::Short { control: control::SND_NKE, address: SELECTED })) => {
                (self.is_selected, self.count_bit) = (false, None);
                Vec::new()
            }
            Some(Ok(Frame::Long { control, address: SELECTED, ci: ci::SELECT, data })) if (self.takes)(control) => {
                let named = Selection::decode(&data).is_some_and(|selection| selection.matches(&self.header()));
                let numbered = Selection::fabrication(&data).is_none_or(|mask| digits_match(mask, self.fabrication));
                self.is_selected = named && numbered;
                self.answer(control, |_| vec![0xE5])
            }
            Some(Ok(Frame::Short { control, address: SELECTED })) => self.answer(control, |slave| {
                slave.answers += 1;
                let number = slave.fabrication.to_le_bytes();
                let builder = ReplyBuilder::new(&slave.header()).power_watts(slave.answers);
                builder.record(0x0C, &[0x78], &number).frame(9).expect("fits").encode()
            }),
            _ => Vec::new(),
        }
    }

    fn answer(&mut self, control: u8, answer: impl FnOnce(&mut Self) -> Vec<u8>) -> Vec<u8> {
        if !self.is_selected {
            return Vec::new();
        }
        let bit = Some(control & control::FCB);
        if self.count_bit != bit {
            self.said = answer(self);
        }
        self.count_bit = bit;
        self.said.clone()
    }
}

fn read(address: Address, repeats: u8, slave: impl FnMut(&[u8]) -> Vec<u8>) -> Answer {
    converse(&mut Exchange::read(&target(address, repeats)), slave).0
}

fn reading(answer: Answer) -> Reading {
    let Answer::Reading(reading) = answer else { unreachable!("{answer:?}") };
    reading
}

#[test]
fn every_reading_of_a_selected_meter_is_a_fresh_one_and_never_its_last_answer_again() {
    let mut slave = Slave::new(1);
    for watts in 1..=3 {
        let reading = reading(read(SECONDARY, 2, |request| slave.hear(request)));
        assert_eq!(reading.value(Quantity::Power), Some(1000 * watts));
    }
}

#[test]
fn a_meter_that_takes_a_selection_only_with_the_count_bit_clear_is_selected_at_once() {
    let mut slave = Slave { takes: |control| control == 0x53, ..Slave::new(1) };
    let mut said = 0;
    let answer = read(SECONDARY, 2, |request| {
        said += 1;
        slave.hear(request)
    });
    assert_eq!((reading(answer).value(Quantity::Power), said), (Some(1000), 2));
}

#[test]
fn a_meter_that_takes_a_selection_only_with_the_count_bit_set_is_selected_by_the_last_repeat() {
    let mut slave = Slave { takes: |control| control == 0x73, ..Slave::new(1) };
    for watts in 1..=2 {
        let reading = reading(read(SECONDARY, 2, |request| slave.hear(request)));
        assert_eq!(reading.value(Quantity::Power), Some(1000 * watts));
    }
}

#[test]
fn of_two_meters_with_one_secondary_address_the_fabrication_number_selects_one() {
    let mut slaves = [Slave::new(0x0000_0001), Slave::new(0x0000_0002)];
    for fabrication in [1, 2] {
        let address = Address::MbusEnhanced { id: ID, manufacturer: KAM, version: 1, medium: 4, fabrication };
        let reading = reading(read(address, 0, |request| {
            let answers: Vec<_> = slaves.iter_mut().map(|slave| slave.hear(request)).collect();
            let mut spoken = answers.into_iter().filter(|answer| !answer.is_empty());
            let first = spoken.next().unwrap_or_default();
            assert!(spoken.next().is_none(), "both answer at once");
            first
        }));
        let number = [&[0x0C, 0x78][..], &fabrication.to_le_bytes()].concat();
        assert!(reading.raw.windows(number.len()).any(|bytes| bytes == number), "{fabrication}");
    }
    let address = Address::MbusEnhanced { id: ID, manufacturer: KAM, version: 1, medium: 4, fabrication: 3 };
    let nobody = read(address, 0, |request| slaves.iter_mut().flat_map(|slave| slave.hear(request)).collect());
    assert_eq!(nobody, Answer::Lost(LineFault::Silent));
}

#[test]
fn a_meter_that_does_not_look_at_the_fabrication_number_is_told_by_the_one_it_says() {
    let mut slave = Slave::new(2);
    let address = Address::MbusEnhanced { id: ID, manufacturer: KAM, version: 1, medium: 4, fabrication: 1 };
    // It takes the selection for the plain one.
    let answer = read(address, 0, |request| match request {
        [0x68, 17, 17, 0x68, ..] => {
            let plain = Selection { id: ID, manufacturer: KAM, version: 1, medium: 4 }.encode().to_vec();
            slave.hear(&Frame::Long { control: 0x53, address: SELECTED, ci: ci::SELECT, data: plain }.encode())
        }
        _ => slave.hear(request),
    });
    assert_eq!(answer, Answer::Lost(LineFault::WrongMeter));
}

/// A slave at primary address 5 that acknowledges and then says these telegrams in turn.
fn says(telegrams: Vec<(u8, Vec<u8>)>) -> impl FnMut(&[u8]) -> Vec<u8> {
    let (mut next, mut count_bit) = (telegrams.into_iter().cycle(), None);
    let mut said = Vec::new();
    move |request| {
        let asked = request.get(1).copied().unwrap_or_default();
        if asked == control::SND_NKE || request.len() > 5 {
            return vec![0xE5];
        }
        if count_bit.replace(asked & control::FCB) != Some(asked & control::FCB) {
            let (ci, data) = next.next().expect("endless");
            said = Frame::Long { control: control::RSP_UD, address: 5, ci, data }.encode();
        }
        said.clone()
    }
}

const METER: Address = Address::MbusPrimary(5);

/// Kamstrup Multical 21, id 76348799: a compact frame, and DIF and VIF of its records.
const COMPACT: [u8; 16] =
    [0xED, 0xA8, 0x6A, 0xB6, 0x71, 0x00, 0x08, 0x19, 0x00, 0x00, 0x08, 0x19, 0x00, 0x00, 0x7F, 0x13];
const BLOCKS: [u8; 11] = [0x02, 0xFF, 0x20, 0x04, 0x13, 0x44, 0x13, 0x61, 0x5B, 0x61, 0x67];

#[test]
fn a_compact_frame_is_read_by_the_format_frame_before_it() {
    assert_eq!(crc16(&BLOCKS).to_le_bytes(), [0xED, 0xA8]);
    let format = [&[13, 0xED, 0xA8], &BLOCKS[..]].concat();
    let telegrams = vec![(ci::FORMAT, format.clone()), (ci::COMPACT, COMPACT.to_vec())];
    let reading = reading(read(METER, 0, says(telegrams)));
    assert_eq!(reading.value(Quantity::Volume), Some(6_408_000));
    let only_formats = says(vec![(ci::FORMAT, format)]);
    assert_eq!(read(METER, 0, only_formats), Answer::Lost(LineFault::Undecodable));
}

#[test]
fn a_compact_frame_of_a_format_nobody_told_or_with_a_wrong_crc_is_undecodable() {
    let compact = |data: Vec<u8>| read(METER, 0, says(vec![(ci::COMPACT, data)]));
    assert_eq!(compact(COMPACT.to_vec()), Answer::Lost(LineFault::Undecodable));
    let format = [&[13, 0xED, 0xA8], &BLOCKS[..]].concat();
    let wrong = COMPACT.iter().enumerate().map(|(at, byte)| if at == 6 { byte ^ 1 } else { *byte }).collect();
    let telegrams = vec![(ci::FORMAT, format), (ci::COMPACT, wrong)];
    assert_eq!(read(METER, 0, says(telegrams)), Answer::Lost(LineFault::Undecodable));
}

#[test]
fn encrypted_blocks_are_undecodable_and_a_junk_signature_is_no_encryption() {
    // Mode 5, two blocks; what an AES of them left.
    let config = [0x20, 0x05];
    let blocks = [0x0C, 0x06, 0x34, 0x12, 0x00, 0x00].into_iter().chain((0..26).map(|n| n * 7 + 3));
    let header = [0x78, 0x56, 0x34, 0x12, 0x2D, 0x2C, 1, 4, 1, 0];
    let encrypted = [&header[..], &config, &blocks.collect::<Vec<_>>()].concat();
    let answer = read(METER, 0, says(vec![(ci::LONG_HEADER, encrypted)]));
    assert_eq!(answer, Answer::Lost(LineFault::Undecodable));
    for junk in [[0x20, 0x05], [0xFF, 0xFF], [0x27, 0xB6]] {
        let plain = [&header[..], &junk, &[0x0C, 0x06, 0x34, 0x12, 0x00, 0x00]].concat();
        let reading = reading(read(METER, 0, says(vec![(ci::LONG_HEADER, plain)])));
        assert_eq!(reading.value(Quantity::Energy), Some(1234 * 3_600_000));
    }
}

#[test]
fn an_application_error_behind_any_header_is_a_refusal_with_its_code() {
    let long = [&[0; 12][..], &[8]].concat();
    for (ci, data) in [(ci::ERROR, vec![8]), (ci::ERROR_SHORT, vec![1, 0, 0, 0, 8]), (ci::ERROR_LONG, long)] {
        let Answer::Refused(refusal) = read(METER, 0, says(vec![(ci, data)])) else { unreachable!("{ci:02X}") };
        assert_eq!((refusal.code, refusal.text.as_str()), (8, "application too busy"), "{ci:02X}");
    }
}

#[test]
fn what_is_no_reply_with_data_is_undecodable_whatever_it_is() {
    let read_kinds = [0x6E, 0x6F, 0x70, 0x72, 0x73, 0x76, 0x77, 0x78, 0x7A];
    for ci in (0..=0xFF).filter(|ci| !read_kinds.contains(ci)) {
        let answer = read(METER, 0, says(vec![(ci, vec![0x01, 0x2B, 7, 0, 0, 0, 0, 0])]));
        assert_eq!(answer, Answer::Lost(LineFault::Undecodable), "{ci:02X}");
    }
}

#[test]
fn a_command_for_a_meter_told_apart_by_its_fabrication_number_reaches_that_one() {
    let address = Address::MbusEnhanced { id: ID, manufacturer: KAM, version: 1, medium: 4, fabrication: 0x77 };
    let mut said = Vec::new();
    let (answer, _) = converse(&mut Exchange::perform(&target(address, 0), Action::ValveClose), |request| {
        said.push(request.to_vec());
        vec![0xE5]
    });
    assert_eq!(answer, Answer::Accepted { valve: None });
    let selection = said.first().and_then(|frame| frame.get(7..21)).expect("a selecting frame");
    assert_eq!(selection.get(8..), Some(&[0x0C, 0x78, 0x77, 0, 0, 0][..]));
}
