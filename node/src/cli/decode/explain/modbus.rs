//! What each byte of a Modbus frame is.
//!
//! Promises: bytes that a function does not explain are called its data. Refuses: saying what a register means.

use protocol::modbus::frame::{Direction, Frame};

use super::Cutter;

/// Cuts the frame at the front of `cutter`.
pub(super) fn explain(frame: &Frame, direction: Direction, cutter: &mut Cutter<'_>) {
    let function = frame.pdu.first().copied().unwrap_or_default();
    cutter.cut(1, format!("unit {}", frame.unit));
    cutter.cut(1, format!("function {:02X}, {}", function & 0x7F, word(function)));
    match (direction, function) {
        (Direction::Requests, 0x01..=0x04) => words(cutter, &["first address", "count"]),
        (_, 0x05 | 0x06) => words(cutter, &["address", "value"]),
        (Direction::Requests, 0x0F | 0x10) => {
            words(cutter, &["first address", "count"]);
            cutter.cut(1, "number of data bytes");
        }
        (Direction::Replies, 0x0F | 0x10) => words(cutter, &["first address", "count"]),
        (Direction::Replies, 0x01..=0x04) => cutter.cut(1, "number of data bytes"),
        (Direction::Replies, 0x80..) => cutter.cut(1, "exception code"),
        _ => {}
    }
    let is_registers = matches!(function, 0x03 | 0x04 | 0x10);
    // What is left before the checksum.
    let mut nth = 0;
    while is_registers && cutter.left() >= 4 {
        cutter.cut(2, format!("register {nth} of these"));
        nth += 1;
    }
    cutter.cut(cutter.left().saturating_sub(2), "bits, the first the least significant");
    cutter.cut(2, "CRC-16, low byte first");
}

fn words(cutter: &mut Cutter<'_>, names: &[&str]) {
    names.iter().for_each(|name| cutter.cut(2, *name));
}

const fn word(function: u8) -> &'static str {
    match function {
        0x01 => "read coils",
        0x02 => "read inputs",
        0x03 => "read holding registers",
        0x04 => "read input registers",
        0x05 => "write a coil",
        0x06 => "write a register",
        0x0F => "write coils",
        0x10 => "write registers",
        0x80.. => "refused",
        _ => "other",
    }
}
