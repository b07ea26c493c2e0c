//! The two framings behind one face: what a dialogue sends and hears, whichever of them the line carries.
//!
//! Promises: a reply to another transaction is never handed on. Refuses: choosing the framing.

use super::frame::{self, Direction, FrameFault};
use super::mbap;

/// What carries function and data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Unit, function, data, CRC-16: serial lines, and the same bytes over TCP.
    Rtu,
    /// The header of Modbus TCP, no checksum.
    Tcp,
}

/// One request's worth of line.
#[derive(Debug, Clone)]
pub(super) enum Link {
    Rtu(frame::Scanner),
    Tcp(mbap::Scanner, u16),
}

impl Link {
    /// A link that has heard nothing, for the request of this `transaction`.
    pub(super) fn new(framing: Framing, transaction: u16) -> Self {
        match framing {
            Framing::Rtu => Self::Rtu(frame::Scanner::new(Direction::Replies)),
            Framing::Tcp => Self::Tcp(mbap::Scanner::new(), transaction),
        }
    }

    pub(super) fn encode(&self, unit: u8, pdu: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Rtu(_) => frame::Frame { unit, pdu }.encode(),
            Self::Tcp(_, transaction) => mbap::Frame { transaction: *transaction, unit, pdu }.encode(),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Rtu(scanner) => scanner.push(bytes),
            Self::Tcp(scanner, _) => scanner.push(bytes),
        }
    }

    /// The next frame of this transaction, with its bytes as they came.
    pub(super) fn next(&mut self) -> Option<Result<(frame::Frame, Vec<u8>), FrameFault>> {
        match self {
            Self::Rtu(scanner) => scanner.next().map(|item| {
                item.map(|frame| {
                    let raw = frame.encode();
                    (frame, raw)
                })
            }),
            Self::Tcp(scanner, ours) => loop {
                match scanner.next()? {
                    Ok(frame) if frame.transaction != *ours => {}
                    Ok(frame) => {
                        let raw = frame.encode();
                        return Some(Ok((frame::Frame { unit: frame.unit, pdu: frame.pdu }, raw)));
                    }
                    Err(fault) => return Some(Err(fault)),
                }
            },
        }
    }

    pub(super) fn close_gap(&mut self) {
        match self {
            Self::Rtu(scanner) => scanner.close_gap(),
            Self::Tcp(scanner, _) => scanner.close_gap(),
        }
    }

    pub(super) fn is_unfinished(&self) -> bool {
        match self {
            Self::Rtu(scanner) => scanner.is_unfinished(),
            Self::Tcp(scanner, _) => scanner.is_unfinished(),
        }
    }
}
