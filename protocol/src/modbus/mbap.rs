//! Modbus frames over TCP with their own header (Modbus messaging on TCP/IP V1.0b), both ways.
//!
//! ```text
//!   transaction (2)  protocol 0000 (2)  length (2)  unit  function  data ..
//!                                       +- of what follows it
//! ```
//!
//! Promises: [`Frame::encode`] and [`Scanner`] are each other's inverse; the transaction tells replies apart. Refuses:
//! another protocol number. There is no checksum: TCP carries one.

use super::frame::FrameFault;
use crate::bytes::Cursor;
use crate::stream::{Probe, Stream};

/// The most bytes a frame has.
pub const LONGEST: usize = 260;
const MOST_AFTER_LENGTH: usize = 254;
const HEADER: usize = 6;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Chosen by the master, returned by the slave.
    pub transaction: u16,
    /// Who is asked, or who answers, behind a gateway.
    pub unit: u8,
    /// Function and data.
    pub pdu: Vec<u8>,
}

impl Frame {
    /// The bytes on the wire. A function with data beyond 253 bytes does not fit and is cut.
    pub fn encode(&self) -> Vec<u8> {
        let pdu = self.pdu.get(..MOST_AFTER_LENGTH - 1).unwrap_or(&self.pdu);
        let mut wire = self.transaction.to_be_bytes().to_vec();
        wire.extend([0, 0]);
        wire.extend((pdu.len() as u16 + 1).to_be_bytes());
        wire.push(self.unit);
        wire.extend(pdu);
        wire
    }
}

/// Frames out of bytes as they come: split and merged.
#[derive(Debug, Clone, Default)]
pub struct Scanner {
    stream: Stream,
}

impl Scanner {
    /// An empty scanner.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes as they came; take the frames with [`Scanner::next`] before adding more than 4096.
    pub fn push(&mut self, bytes: &[u8]) {
        self.stream.push(bytes);
    }

    /// The next frame or fault; `None` when more bytes are needed.
    #[expect(clippy::should_implement_trait, reason = "None is not the end: more bytes may be pushed")]
    pub fn next(&mut self) -> Option<Result<Frame, FrameFault>> {
        self.stream.next(probe)
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

fn probe(front: &[u8], _suspect: bool) -> Probe<Frame> {
    match front {
        [_, _, 1..=255, ..] | [_, _, _, 1..=255, ..] => Probe::Noise,
        _ => probe_body(front).unwrap_or(Probe::Unfinished),
    }
}

/// `None` where the frame is not complete yet.
fn probe_body(front: &[u8]) -> Option<Probe<Frame>> {
    let mut cursor = Cursor::new(front);
    let transaction = u16::from_be_bytes(cursor.array()?);
    let [_, _] = cursor.array()?;
    let length = usize::from(u16::from_be_bytes(cursor.array()?));
    if !(3..=MOST_AFTER_LENGTH).contains(&length) {
        return Some(Probe::Noise);
    }
    let unit = cursor.byte()?;
    let pdu = cursor.take(length - 1)?.to_vec();
    Some(Probe::Sound(Frame { transaction, unit, pdu }, HEADER + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_has_the_bytes_of_the_messaging_guide() {
        // Modbus messaging on TCP/IP, clause 4.4.1: transaction 15 01, read one register at 4 from unit FF.
        let wire = [0x15, 0x01, 0x00, 0x00, 0x00, 0x06, 0xFF, 0x03, 0x00, 0x04, 0x00, 0x01];
        let frame = Frame { transaction: 0x1501, unit: 0xFF, pdu: vec![0x03, 0x00, 0x04, 0x00, 0x01] };
        assert_eq!(frame.encode(), wire);
        let mut scanner = Scanner::new();
        let (first, second) = wire.split_at(7);
        scanner.push(first);
        assert_eq!(scanner.next(), None);
        scanner.push(second);
        assert_eq!(scanner.next(), Some(Ok(frame)));
    }

    #[test]
    fn another_protocol_number_is_noise() {
        let mut scanner = Scanner::new();
        scanner.push(&[0x15, 0x01, 0x00, 0x01, 0x00, 0x06, 0xFF, 0x03, 0x00, 0x04, 0x00, 0x01]);
        scanner.close_gap();
        let seen: Vec<_> = std::iter::from_fn(|| scanner.next()).collect();
        assert!(seen.iter().all(Result::is_err), "{seen:?}");
    }
}
