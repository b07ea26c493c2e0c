//! Modbus frames on a serial line (Modbus over serial line V1.02, RTU mode), both ways; the same bytes over TCP.
//!
//! ```text
//!   unit  function  data ..  CRC-16 (low byte first)        a pause of 3.5 characters between frames
//!   |     +- 80 set: an exception
//!   +- 1..247, who is asked or who answers
//! ```
//!
//! Promises: [`Frame::encode`] and [`Scanner`] are each other's inverse; masters and simulated slaves use both. A frame
//! has no start byte: what is no frame of the awaited direction is stepped over byte by byte. Refuses: functions other
//! than 01..06, 15 and 16, and to know what registers mean.

use crate::bytes::Cursor;
use crate::stream::{Probe, Stream};

pub use crate::stream::FrameFault;

/// The most bytes a frame has.
pub const LONGEST: usize = 256;
/// The highest unit a slave may have.
pub const LAST_UNIT: u8 = 247;

/// CRC-16/MODBUS: polynomial 8005 reflected, start FFFF.
pub fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 })
    })
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Who is asked, or who answers.
    pub unit: u8,
    /// Function and data.
    pub pdu: Vec<u8>,
}

impl Frame {
    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let mut wire = vec![self.unit];
        wire.extend(&self.pdu);
        wire.extend(crc(&wire).to_le_bytes());
        wire
    }
}

/// Which way the frames of a stream go: the length of a frame follows from its function and its direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the master.
    Requests,
    /// From the slaves.
    Replies,
}

/// Frames out of bytes as they come: split, merged, with noise between.
#[derive(Debug, Clone)]
pub struct Scanner {
    stream: Stream,
    direction: Direction,
}

impl Scanner {
    /// An empty scanner.
    pub fn new(direction: Direction) -> Self {
        Self { stream: Stream::default(), direction }
    }

    /// Adds bytes as they came; take the frames with [`Scanner::next`] before adding more than 4096.
    pub fn push(&mut self, bytes: &[u8]) {
        self.stream.push(bytes);
    }

    /// The next frame or fault; `None` when more bytes are needed.
    #[expect(clippy::should_implement_trait, reason = "None is not the end: more bytes may be pushed")]
    pub fn next(&mut self) -> Option<Result<Frame, FrameFault>> {
        self.stream.next(match self.direction {
            Direction::Requests => probe_request,
            Direction::Replies => probe_reply,
        })
    }

    /// Says that the line went quiet: what is held and unfinished will be searched as noise by [`Scanner::next`].
    pub fn close_gap(&mut self) {
        self.stream.close_gap();
    }

    /// Whether the beginning of a frame is held.
    pub fn is_unfinished(&self) -> bool {
        self.stream.is_unfinished()
    }
}

/// How long a function and its data are, as far as their first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Known(usize),
    Unfinished,
    Impossible,
}

impl Length {
    /// The length of the request that begins `pdu`.
    pub(super) fn of_request(pdu: &[u8]) -> Self {
        match pdu {
            [] => Self::Unfinished,
            [0x01..=0x06, ..] => Self::Known(5),
            [0x0F | 0x10, _, _, _, _, 0, ..] => Self::Impossible,
            [0x0F | 0x10, _, _, _, _, count @ 1..=246, ..] => Self::Known(6 + usize::from(*count)),
            [0x0F | 0x10, rest @ ..] if rest.len() < 5 => Self::Unfinished,
            _ => Self::Impossible,
        }
    }

    /// The length of the reply that begins `pdu`.
    pub(super) fn of_reply(pdu: &[u8]) -> Self {
        match pdu {
            [] | [0x01..=0x04] | [0x81..=0x86 | 0x8F | 0x90] => Self::Unfinished,
            [0x01 | 0x02, count @ 1..=250, ..] => Self::Known(2 + usize::from(*count)),
            [0x03 | 0x04, count @ 2..=250, ..] if count.is_multiple_of(2) => Self::Known(2 + usize::from(*count)),
            [0x05 | 0x06 | 0x0F | 0x10, ..] => Self::Known(5),
            [0x81..=0x86 | 0x8F | 0x90, 1..=0x0B, ..] => Self::Known(2),
            _ => Self::Impossible,
        }
    }
}

fn probe_request(front: &[u8], _suspect: bool) -> Probe<Frame> {
    probe(front, Length::of_request)
}

fn probe_reply(front: &[u8], _suspect: bool) -> Probe<Frame> {
    probe(front, Length::of_reply)
}

fn probe(front: &[u8], length: fn(&[u8]) -> Length) -> Probe<Frame> {
    match front.split_first() {
        Some((0..=LAST_UNIT, pdu)) => match length(pdu) {
            Length::Known(length) => probe_whole(front, length).unwrap_or(Probe::Unfinished),
            Length::Unfinished => Probe::Unfinished,
            Length::Impossible => Probe::Noise,
        },
        _ => Probe::Noise,
    }
}

/// `None` where the frame is not complete yet.
fn probe_whole(front: &[u8], length: usize) -> Option<Probe<Frame>> {
    let summed = front.get(..=length)?;
    let mut cursor = Cursor::new(front);
    let unit = cursor.byte()?;
    let pdu = cursor.take(length)?.to_vec();
    let sum = u16::from_le_bytes(cursor.array()?);
    let span = length + 3;
    Some(match crc(summed) == sum {
        true => Probe::Sound(Frame { unit, pdu }, span),
        false => Probe::Unsound(FrameFault::BadChecksum, span),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_published_requests_is_theirs() {
        // Requests printed in the manuals of the TUF-2000F and the ULTRA-E-F.
        assert_eq!(crc(&[0x01, 0x03, 0x00, 0x00, 0x00, 0x0A]).to_le_bytes(), [0xC5, 0xCD]);
        assert_eq!(crc(&[0x01, 0x03, 0x00, 0x10, 0x00, 0x02]).to_le_bytes(), [0xC5, 0xCE]);
    }

    #[test]
    fn a_lone_byte_before_a_reply_costs_one_closed_gap() {
        let reply = Frame { unit: 1, pdu: vec![0x03, 0x02, 0x12, 0x34] };
        let mut scanner = Scanner::new(Direction::Replies);
        scanner.push(&[0x11, 0x03, 0x40]);
        scanner.push(&reply.encode());
        assert_eq!(scanner.next(), None);
        scanner.close_gap();
        let seen: Vec<_> = std::iter::from_fn(|| scanner.next()).collect();
        assert_eq!(seen.last(), Some(&Ok(reply)));
    }
}
