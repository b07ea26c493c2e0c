//! Frames out of what is heard on a line on which three dialects may live.
//!
//! ```text
//!   said: a whole frame            --> its dialect is what is expected back
//!   heard: half a frame, noise ..  --> the expected dialect's scanner; once the line is quiet, the others' too
//! ```
//!
//! Promises: every byte is shown once, in order, as part of a frame or as noise; one's own echo is told. Refuses: holding
//! more than [`MOST_HELD`] bytes.

use protocol::cjt188::frame as cjt188;
use protocol::mbus::frame as mbus;
use protocol::modbus::frame::{self as modbus, Direction};
use protocol::modbus::mbap;

use crate::cli::decode::brief;

/// The most bytes held while a frame is not complete.
const MOST_HELD: usize = 4096;
const PREAMBLE: u8 = 0xFE;

/// What a frame speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tongue {
    Mbus,
    Cjt188,
    Modbus,
    /// In frames without a checksum: believed only where they were asked for.
    ModbusTcp,
}

impl Tongue {
    const ALL: [Self; 4] = [Self::Mbus, Self::Cjt188, Self::Modbus, Self::ModbusTcp];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Mbus => "mbus",
            Self::Cjt188 => "cjt188",
            Self::Modbus | Self::ModbusTcp => "modbus",
        }
    }
}

/// A stretch of bytes that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    /// When its first byte came, Unix ms.
    pub(super) at: u64,
    pub(super) bytes: Vec<u8>,
    /// Whose frame it is; noise where absent.
    pub(super) tongue: Option<Tongue>,
    /// In words.
    pub(super) text: String,
}

/// A frame in some bytes: where it begins, its bytes, what it says.
type Found = (usize, usize, Tongue, String);

/// What is heard and not told yet.
#[derive(Debug, Default)]
pub(super) struct Ears {
    held: Vec<u8>,
    at: u64,
    expected: Option<Tongue>,
    /// What was said last, until it was heard back.
    echo: Vec<u8>,
}

impl Ears {
    /// A whole frame was said.
    pub(super) fn said(&mut self, bytes: &[u8], at: u64) -> Stretch {
        let found = Tongue::ALL.into_iter().find_map(|tongue| first(bytes, tongue, Direction::Requests, true));
        self.expected = found.as_ref().map(|(_, _, tongue, _)| *tongue);
        self.echo = bytes.to_vec();
        let text = found.map_or_else(|| "no frame".to_owned(), |(_, _, _, text)| text);
        Stretch { at, bytes: bytes.to_vec(), tongue: self.expected, text }
    }

    /// Bytes came.
    pub(super) fn heard(&mut self, bytes: &[u8], at: u64) -> Vec<Stretch> {
        if self.held.is_empty() {
            self.at = at;
        }
        self.held.extend_from_slice(bytes);
        let told = self.take(self.held.len() > MOST_HELD);
        if !told.is_empty() {
            self.at = at;
        }
        told
    }

    /// The line is quiet: nothing more completes what is held.
    pub(super) fn quiet(&mut self) -> Vec<Stretch> {
        self.take(true)
    }

    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    fn take(&mut self, is_closed: bool) -> Vec<Stretch> {
        let mut told = Vec::new();
        while !self.held.is_empty() {
            if let Some(echo) = self.take_echo() {
                told.push(echo);
                continue;
            }
            match self.next(is_closed) {
                Some((start, length, tongue, text)) => {
                    self.noise(start, &mut told);
                    let bytes = self.held.drain(..length.min(self.held.len())).collect();
                    told.push(Stretch { at: self.at, bytes, tongue: Some(tongue), text });
                }
                None if is_closed => self.noise(self.held.len(), &mut told),
                None => break,
            }
        }
        told
    }

    /// A level converter may say back what it was told; a Modbus slave says a write back, and that is its answer.
    fn take_echo(&mut self) -> Option<Stretch> {
        let is_write = self.expected == Some(Tongue::Modbus) && matches!(self.echo.get(1), Some(5 | 6));
        if self.echo.is_empty() || is_write || !self.held.starts_with(&self.echo) {
            return None;
        }
        let bytes: Vec<u8> = self.held.drain(..self.echo.len()).collect();
        self.echo.clear();
        Some(Stretch { at: self.at, bytes, tongue: self.expected, text: "echo".to_owned() })
    }

    fn next(&self, is_closed: bool) -> Option<Found> {
        let others = Tongue::ALL.into_iter().filter(|tongue| *tongue != Tongue::ModbusTcp);
        let rest = others.filter(|tongue| is_closed && Some(*tongue) != self.expected);
        let tried = self.expected.into_iter().chain(rest);
        tried.filter_map(|tongue| first(&self.held, tongue, Direction::Replies, is_closed)).find(
            |(_, length, tongue, _)| {
                // Where M-Bus was not asked, a lone E5 is noise like any other.
                *length > 1 || *tongue == self.expected.unwrap_or(Tongue::Mbus)
            },
        )
    }

    fn noise(&mut self, count: usize, told: &mut Vec<Stretch>) {
        let bytes: Vec<u8> = self.held.drain(..count.min(self.held.len())).collect();
        if !bytes.is_empty() {
            let text = format!("noise, {} bytes", bytes.len());
            told.push(Stretch { at: self.at, bytes, tongue: None, text });
        }
    }
}

/// The first sound frame a tower's scanner finds; the scanners are of one shape and of no common type.
macro_rules! sound {
    ($scanner:expr, $bytes:expr, $is_closed:expr) => {{
        let mut scanner = $scanner;
        scanner.push($bytes);
        let open = std::iter::from_fn(|| scanner.next()).find_map(Result::ok);
        open.or_else(|| {
            $is_closed.then(|| scanner.close_gap());
            std::iter::from_fn(|| scanner.next()).find_map(Result::ok)
        })
    }};
}

/// The first sound frame of `tongue` in `bytes`.
fn first(bytes: &[u8], tongue: Tongue, direction: Direction, is_closed: bool) -> Option<Found> {
    let (frame, text) = match tongue {
        Tongue::Mbus => {
            let frame = sound!(mbus::Scanner::new(), bytes, is_closed)?;
            (frame.encode(), brief::mbus(&frame))
        }
        Tongue::Cjt188 => {
            let frame = sound!(cjt188::Scanner::new(), bytes, is_closed)?;
            (frame.encode_after(0), brief::cjt188(&frame))
        }
        Tongue::Modbus => {
            let frame = sound!(modbus::Scanner::new(direction), bytes, is_closed)?;
            (frame.encode(), brief::modbus(&frame, direction == Direction::Requests))
        }
        Tongue::ModbusTcp => {
            let frame = sound!(mbap::Scanner::new(), bytes, is_closed)?;
            let wire = frame.encode();
            let frame = modbus::Frame { unit: frame.unit, pdu: frame.pdu };
            (wire, brief::modbus(&frame, direction == Direction::Requests))
        }
    };
    let start = bytes.windows(frame.len()).position(|window| window == frame)?;
    // The preamble belongs to the frame.
    let before = bytes.get(..start).unwrap_or_default();
    let preamble = before.iter().rev().take_while(|byte| tongue == Tongue::Cjt188 && **byte == PREAMBLE).count();
    Some((start - preamble, preamble + frame.len(), tongue, text))
}
