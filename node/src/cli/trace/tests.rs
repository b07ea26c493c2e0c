//! Streams of bytes as rows, in three dialects and with noise between.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use protocol::cjt188::frame as cjt188;
use protocol::mbus::frame::Frame;
use protocol::modbus::frame as modbus;
use protocol::modbus::mbap;

use super::ears::{Ears, Stretch, Tongue};
use super::*;

fn told(stretches: &[Stretch]) -> Vec<(Option<Tongue>, usize)> {
    stretches.iter().map(|stretch| (stretch.tongue, stretch.bytes.len())).collect()
}

#[test]
fn an_answer_in_pieces_is_one_row_with_the_time_of_its_first_byte() {
    let mut ears = Ears::default();
    assert_eq!(ears.said(&Frame::Short { control: 0x7B, address: 5 }.encode(), 100).text, "REQ_UD2 to 5");
    let answer = Frame::Long { control: 8, address: 5, ci: 0x78, data: vec![0x01, 0x2B, 7] }.encode();
    let (head, tail) = answer.split_at(4);
    assert_eq!(ears.heard(head, 150), []);
    let rows = ears.heard(tail, 160);
    assert_eq!((told(&rows), rows[0].at), (vec![(Some(Tongue::Mbus), answer.len())], 150));
    assert_eq!(rows[0].text, "RSP_UD from 5: 1 records, power 0.007 kW");
}

#[test]
fn dialects_take_turns_on_one_line_and_noise_is_noise() {
    let mut ears = Ears::default();
    let ask = cjt188::Frame { meter_type: 0x20, address: cjt188::ANYONE, control: 3, data: vec![0x0A, 0x81, 1] };
    ears.said(&ask.encode(), 1);
    let answer = cjt188::Frame { address: [0, 0, 0, 0, 0, 0, 7], control: 0x83, ..ask };
    let rows = ears.heard(&[&[0x00, 0xE5][..], &answer.encode()].concat(), 2);
    // E5 is an M-Bus meter's word only where one was asked; the preamble belongs to the frame.
    assert_eq!(told(&rows), [(None, 2), (Some(Tongue::Cjt188), answer.encode().len())]);
    ears.said(&modbus::Frame { unit: 3, pdu: vec![3, 0, 0, 0, 1] }.encode(), 3);
    let reply = modbus::Frame { unit: 3, pdu: vec![3, 2, 0, 7] }.encode();
    assert_eq!(told(&ears.heard(&reply, 4)), [(Some(Tongue::Modbus), 7)]);
    ears.said(&Frame::Short { control: 0x40, address: 5 }.encode(), 5);
    assert_eq!(told(&ears.heard(&[0xE5], 6)), [(Some(Tongue::Mbus), 1)]);
    assert_eq!(told(&ears.heard(&[0x68, 0x01], 7)), []);
    assert_eq!(told(&ears.quiet()), [(None, 2)]);
}

#[test]
fn modbus_tcp_is_told_where_it_was_asked_for_and_is_noise_elsewhere() {
    let frame = |pdu: &[u8]| mbap::Frame { transaction: 9, unit: 3, pdu: pdu.to_vec() }.encode();
    let mut ears = Ears::default();
    let asked = ears.said(&frame(&[3, 0, 0, 0, 1]), 1);
    assert_eq!((asked.tongue, asked.text.as_str()), (Some(Tongue::ModbusTcp), "read 1 of holding from 0 of unit 3"));
    let reply = frame(&[3, 2, 0, 7]);
    assert!(ears.heard(&reply[..4], 2).is_empty());
    let told = ears.heard(&reply[4..], 3);
    assert_eq!(told.iter().map(|stretch| stretch.text.as_str()).collect::<Vec<_>>(), ["unit 3: 1 registers 0007"]);
    let mut unasked = Ears::default();
    unasked.heard(&reply, 1);
    assert_eq!(unasked.quiet().iter().map(|stretch| stretch.tongue).collect::<Vec<_>>(), [None]);
}

#[test]
fn an_echo_is_told_as_such_and_a_modbus_write_said_back_is_an_answer() {
    let mut ears = Ears::default();
    let ask = Frame::Short { control: 0x40, address: 5 }.encode();
    ears.said(&ask, 1);
    let rows = ears.heard(&[&ask[..], &[0xE5]].concat(), 2);
    assert_eq!(rows.iter().map(|row| row.text.as_str()).collect::<Vec<_>>(), ["echo", "ACK"]);
    let write = modbus::Frame { unit: 3, pdu: vec![6, 0, 1, 0, 2] }.encode();
    ears.said(&write, 3);
    assert_eq!(ears.heard(&write, 4)[0].text, "unit 3: wrote 2 at 1");
}

#[test]
fn what_nobody_asked_for_is_read_in_any_dialect_once_the_line_is_quiet() {
    let mut ears = Ears::default();
    let foreign = Frame::Short { control: 0x5B, address: 9 }.encode();
    ears.heard(&foreign, 1);
    assert_eq!(ears.quiet().first().map(|row| row.text.clone()), Some("REQ_UD2 to 9".to_owned()));
}

#[test]
fn a_row_names_its_time_its_way_and_what_asked() {
    let piece = api::TracePiece {
        direction: Direction::Heard.into(),
        asker: "read-back".to_owned(),
        meter: "M1".to_owned(),
        command: 7,
        ..api::TracePiece::default()
    };
    let stretch = Stretch { at: 3_661_005, bytes: vec![0xE5], tongue: Some(Tongue::Mbus), text: "ACK".to_owned() };
    let row = row(&piece, stretch);
    assert_eq!(text_row(&row, false), format!("01:01:01.005 <- read-back 7 M1 {:<40} | E5", "ACK"));
    assert_eq!(text_row(&row, true), "01:01:01.005 <- E5");
    let json = json_row(&row, false);
    assert_eq!((&json["direction"], &json["hex"], &json["protocol"]), (&json!("heard"), &json!("e5"), &json!("mbus")));
    assert_eq!((&json["asker"]["command"], &json["asker"]["slot"]), (&json!(7), &Value::Null));
}
