//! The frame at the front of given bytes, with the place of what is wrong with it.
//!
//! ```text
//!   FE..  68 L L 68 C A CI .. CS 16     M-Bus          68 T A0..A6 C L .. CS 16   CJ/T 188
//!                                                  unit function .. CRC-16            Modbus, if the others are not
//!   skipped    ^ truncated: behind the last byte          ^ bad-checksum: at CS
//! ```
//!
//! Promises: a frame is whole and its checksum right, or there is a fault with an offset. Refuses: guessing a start in
//! the middle.

use protocol::bytes::checksum;
use protocol::cjt188::frame as cjt188;
use protocol::cjt188::layout;
use protocol::mbus::frame as mbus;
use protocol::modbus::frame as modbus;
use protocol::modbus::frame::{Direction, FrameFault};

use super::fault::Fault;

/// Which frames are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Protocol {
    /// Whichever is sound.
    Auto,
    /// Wired M-Bus, EN 13757.
    Mbus,
    /// CJ/T 188.
    Cjt188,
    /// Modbus RTU.
    Modbus,
}

/// A layout of CJ/T 188 data that can be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Layout {
    /// The standard's.
    A,
    /// The unit before the value.
    B,
    /// The most significant byte first.
    C,
    /// B with 33h added to every byte.
    E,
}

impl Layout {
    pub(super) const fn named(self) -> layout::Layout {
        match self {
            Self::A => layout::Layout::A,
            Self::B => layout::Layout::B,
            Self::C => layout::Layout::C,
            Self::E => layout::Layout::E,
        }
    }
}

/// A sound frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    /// Of M-Bus.
    Mbus(mbus::Frame),
    /// Of CJ/T 188.
    Cjt188(cjt188::Frame),
    /// Of Modbus, from the master or to it.
    Modbus(modbus::Frame, Direction),
}

/// The frame at the front of `bytes`, and how many of them it and the preamble take.
pub(super) fn front(bytes: &[u8], protocol: Protocol) -> Result<(Frame, usize), Fault> {
    let preamble = preamble(bytes);
    let rest = bytes.get(preamble..).unwrap_or_default();
    let found = match protocol {
        Protocol::Mbus => of_mbus(rest),
        Protocol::Cjt188 => of_cjt188(rest),
        Protocol::Modbus => of_modbus(rest),
        Protocol::Auto => of_mbus(rest)
            .or_else(|mbus| of_cjt188(rest).map_err(|other| more_telling(mbus, other)))
            .or_else(|fault| of_modbus(rest).map_err(|_| fault)),
    };
    found.map(|(frame, length)| (frame, preamble + length)).map_err(|fault| fault.behind(preamble))
}

/// How many FE stand in front.
pub(super) fn preamble(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| **byte == 0xFE).count()
}

fn more_telling(mbus: Fault, cjt188: Fault) -> Fault {
    let rank = |fault: &Fault| ["no-frame", "truncated", "bad-checksum"].iter().position(|code| *code == fault.code);
    if rank(&cjt188) > rank(&mbus) { cjt188 } else { mbus }
}

fn of_mbus(bytes: &[u8]) -> Result<(Frame, usize), Fault> {
    let frame = match bytes {
        [0xE5, ..] => return Ok((Frame::Mbus(mbus::Frame::Ack), 1)),
        [0x10, control, address, ..] => {
            enclosed(bytes, 1, 5)?;
            mbus::Frame::Short { control: *control, address: *address }
        }
        [0x68, length, again, 0x68, rest @ ..] if length == again && *length >= 3 => {
            let span = usize::from(*length) + 6;
            enclosed(bytes, 4, span)?;
            let [control, address, ci, ..] = rest else { return Err(truncated(bytes, span)) };
            let data = bytes.get(7..span - 2).unwrap_or_default().to_vec();
            mbus::Frame::Long { control: *control, address: *address, ci: *ci, data }
        }
        [0x10 | 0x68] | [0x10, _] => return Err(truncated(bytes, 5)),
        [0x68, length] if *length >= 3 => return Err(truncated(bytes, usize::from(*length) + 6)),
        [0x68, length, again] if length == again => return Err(truncated(bytes, usize::from(*length) + 6)),
        _ => return Err(no_frame()),
    };
    let span = frame.encode().len();
    Ok((Frame::Mbus(frame), span))
}

fn of_cjt188(bytes: &[u8]) -> Result<(Frame, usize), Fault> {
    let [0x68, meter_type, a0, a1, a2, a3, a4, a5, a6, control, length, ..] = bytes else {
        return Err(if bytes.first() == Some(&0x68) { truncated(bytes, 13) } else { no_frame() });
    };
    let span = usize::from(*length) + 13;
    if usize::from(*length) > cjt188::MOST_DATA {
        return Err(no_frame());
    }
    enclosed(bytes, 0, span)?;
    let data = bytes.get(11..span - 2).unwrap_or_default().to_vec();
    let address = [*a6, *a5, *a4, *a3, *a2, *a1, *a0];
    Ok((Frame::Cjt188(cjt188::Frame { meter_type: *meter_type, address, control: *control, data }), span))
}

/// A reply, or else a request: what a frame is follows from its length and its checksum alone.
fn of_modbus(bytes: &[u8]) -> Result<(Frame, usize), Fault> {
    let front = bytes.get(..modbus::LONGEST).unwrap_or(bytes);
    let first = |direction| {
        let mut scanner = modbus::Scanner::new(direction);
        scanner.push(front);
        scanner.next()
    };
    let found = [Direction::Replies, Direction::Requests].map(|direction| (first(direction), direction));
    let sound = found.iter().find_map(|(item, direction)| match item {
        Some(Ok(frame)) if front.starts_with(&frame.encode()) => Some((frame.clone(), *direction)),
        _ => None,
    });
    if let Some((frame, direction)) = sound {
        let span = frame.encode().len();
        return Ok((Frame::Modbus(frame, direction), span));
    }
    let is =
        |wanted: fn(&Option<Result<modbus::Frame, FrameFault>>) -> bool| found.iter().any(|(item, _)| wanted(item));
    if is(|item| matches!(item, Some(Err(FrameFault::BadChecksum)))) {
        let offset = bytes.len().saturating_sub(2);
        return Err(Fault::new("bad-checksum", "the CRC-16 of no frame that begins like this is right", offset));
    }
    if is(Option::is_none) { Err(truncated(bytes, 5)) } else { Err(no_frame()) }
}

/// Whether a frame of `span` bytes ends in the sum of its bytes from `first` on and a stop byte.
fn enclosed(bytes: &[u8], first: usize, span: usize) -> Result<(), Fault> {
    let whole = bytes.get(..span).ok_or_else(|| truncated(bytes, span))?;
    let [summed @ .., sum, stop] = whole else { return Err(truncated(bytes, span)) };
    let right = checksum(summed.get(first..).unwrap_or_default());
    match (right == *sum, *stop) {
        (true, 0x16) => Ok(()),
        (_, 0x16) => Err(Fault::new("bad-checksum", format!("the checksum is {sum:02X}, not {right:02X}"), span - 2)),
        (_, other) => Err(Fault::new("no-frame", format!("{other:02X} where the stop byte 16 belongs"), span - 1)),
    }
}

fn truncated(bytes: &[u8], span: usize) -> Fault {
    Fault::new("truncated", format!("{} bytes of at least {span}: is the telegram whole?", bytes.len()), bytes.len())
}

fn no_frame() -> Fault {
    Fault::new("no-frame", "no frame begins here: give whole telegrams", 0)
}
