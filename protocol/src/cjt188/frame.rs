//! The one frame of CJ/T 188 (2004 and 2018, clause "data link layer"), both ways.
//!
//! ```text
//!   FE.. 68 T A0..A6 C L data(L) CS 16      CS = sum from 68 to the last data byte
//!           |  |     |     |
//!           |  |     |     +- DI (2) SER (1) and what belongs to them
//!           |  |     +- bit 7 from the meter, bit 6 error, 01 read, 04 write
//!           |  +- least significant byte first
//!           +- kind of meter
//! ```
//!
//! Promises: [`Frame::encode`] and [`Scanner`] are each other's inverse; masters and simulated meters use both.
//! Refuses: frames of more than [`MOST_DATA`] data bytes or with a C no one sends (a request with the error bit, a
//! reserved function): in noise they come up by chance; and to know what the data say.

use crate::bytes::{Cursor, checksum};
use crate::stream::{Probe, Stream};

pub use super::control;
pub use crate::stream::FrameFault;

/// The address everyone answers to: for lines with one meter.
pub const ANYONE: [u8; 7] = [0xAA; 7];
/// The most data bytes a frame carries (reads 64h, writes 32h).
pub const MOST_DATA: usize = 0x64;
/// The most bytes a frame has, without the preamble.
pub const LONGEST: usize = MOST_DATA + 13;

const PREAMBLE: u8 = 0xFE;
const START: u8 = 0x68;
const STOP: u8 = 0x16;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// T: 10..19 water, 20..29 heat and cooling, 30..39 gas, 40..49 other.
    pub meter_type: u8,
    /// The address as shown on the meter, most significant byte first; the wire has it the other way round.
    pub address: [u8; 7],
    /// C.
    pub control: u8,
    /// DI, SER and what belongs to them, as on the wire; at most [`MOST_DATA`] bytes.
    pub data: Vec<u8>,
}

impl Frame {
    /// The bytes on the wire after a preamble of two FE. Data beyond [`MOST_DATA`] do not fit and are left out.
    pub fn encode(&self) -> Vec<u8> {
        self.encode_after(2)
    }

    /// The bytes on the wire after a preamble of `preamble` FE.
    pub fn encode_after(&self, preamble: usize) -> Vec<u8> {
        let length = self.data.len().min(MOST_DATA);
        let mut body = vec![START, self.meter_type];
        body.extend(self.address.iter().rev());
        body.extend([self.control, length as u8]);
        body.extend(self.data.iter().take(length));
        let sum = checksum(&body);
        let mut wire = vec![PREAMBLE; preamble];
        wire.extend(body);
        wire.extend([sum, STOP]);
        wire
    }

    /// Whether a meter sent it; if not it is a request: on a line that echoes, one's own.
    pub const fn is_from_meter(&self) -> bool {
        self.control & control::FROM_METER != 0
    }

    /// Whether a meter refuses with it.
    pub const fn is_refusal(&self) -> bool {
        self.is_from_meter() && self.control & control::ERROR != 0
    }
}

/// Frames out of bytes as they come: split, merged, with noise between.
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
        [PREAMBLE, ..] => Probe::Padding,
        [START, START | PREAMBLE, ..] => Probe::Noise,
        [START, rest @ ..] => probe_body(front, rest).unwrap_or(Probe::Unfinished),
        _ => Probe::Noise,
    }
}

/// `None` where the frame is not complete yet.
fn probe_body(front: &[u8], rest: &[u8]) -> Option<Probe<Frame>> {
    let mut cursor = Cursor::new(rest);
    let meter_type = cursor.byte()?;
    let mut address = cursor.array::<7>()?;
    address.reverse();
    let control = cursor.byte()?;
    let length = usize::from(cursor.byte()?);
    let is_refused_request = control & (control::FROM_METER | control::ERROR) == control::ERROR;
    if length > MOST_DATA || is_refused_request || !control::is_known(control) {
        return Some(Probe::Noise);
    }
    let data = cursor.take(length)?;
    let [sum, stop] = cursor.array::<2>()?;
    let span = length + 13;
    let sound = front.get(..span.saturating_sub(2)).is_some_and(|summed| checksum(summed) == sum);
    Some(match (stop == STOP, sound) {
        (true, true) => Probe::Sound(Frame { meter_type, address, control, data: data.to_vec() }, span),
        (true, false) => Probe::Unsound(FrameFault::BadChecksum, span),
        (false, _) => Probe::Unsound(FrameFault::Garbage(span), span),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_request_has_the_bytes_makers_publish() {
        // Read current data of 11110012345678, as in the makers' protocol papers.
        let request = Frame {
            meter_type: 0x20,
            address: [0x11, 0x11, 0x00, 0x12, 0x34, 0x56, 0x78],
            control: control::READ,
            data: vec![0x1F, 0x90, 0x01],
        };
        let wire = [
            0xFE, 0xFE, 0x68, 0x20, 0x78, 0x56, 0x34, 0x12, 0x00, 0x11, 0x11, 0x01, 0x03, 0x1F, 0x90, 0x01, 0x72, 0x16,
        ];
        assert_eq!(request.encode(), wire);
        let mut scanner = Scanner::new();
        scanner.push(&wire);
        assert_eq!(scanner.next(), Some(Ok(request)));
        assert_eq!(scanner.next(), None);
    }

    #[test]
    fn a_start_byte_in_noise_does_not_hide_the_frame_behind_it() {
        let frame = Frame { meter_type: 0x20, address: ANYONE, control: 0x01, data: vec![0x90, 0x1F, 0x00] };
        let mut scanner = Scanner::new();
        scanner.push(&[0x68, 0x20, 0x00]);
        scanner.push(&frame.encode());
        let mut seen: Vec<_> = std::iter::from_fn(|| scanner.next()).collect();
        scanner.close_gap();
        seen.extend(std::iter::from_fn(|| scanner.next()));
        assert_eq!(seen.last(), Some(&Ok(frame)));
    }
}
