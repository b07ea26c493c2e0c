//! The four frames of the M-Bus link layer (EN 13757-2; IEC 60870-5-2 format class FT 1.2), both ways.
//!
//! ```text
//!   acknowledge   E5
//!   short         10 C A CS 16
//!   long          68 L L 68 C A CI data.. CS 16      L = 3 + data, CS = sum of C..last data
//! ```
//!
//! Promises: [`Frame::encode`] and [`Scanner`] are each other's inverse; masters and simulated slaves use both.
//! Refuses: knowing what the data say. A control frame is a long frame without data.

use crate::bytes::checksum;
use crate::stream::{Probe, Stream};

pub use crate::stream::FrameFault;

/// Control field values and bits (EN 13757-2 clause 5.3.2).
pub mod control {
    /// Set in every frame a primary station (master) sends.
    pub const FROM_MASTER: u8 = 0x40;
    /// Frame count bit: toggles with every new transaction, stays with a repeat.
    pub const FCB: u8 = 0x20;
    /// Link reset.
    pub const SND_NKE: u8 = 0x40;
    /// Data for the slave (FCV set); add [`FCB`] or not.
    pub const SND_UD: u8 = 0x53;
    /// Request for data of class 1, alarms (FCV set); add [`FCB`] or not.
    pub const REQ_UD1: u8 = 0x5A;
    /// Request for data of class 2 (FCV set); add [`FCB`] or not.
    pub const REQ_UD2: u8 = 0x5B;
    /// Data from the slave; ACD (20) and DFC (10) may be set.
    pub const RSP_UD: u8 = 0x08;
    /// The bits that tell what a frame does: all but FCB and FCV of a master, ACD and DFC of a slave.
    pub const KIND: u8 = 0x4F;
}

/// Control information values: what the data of a long frame are (EN 13757-3 clause 5.1).
pub mod ci {
    /// Application reset.
    pub const RESET: u8 = 0x50;
    /// Records for the slave.
    pub const SEND: u8 = 0x51;
    /// Selection by secondary address.
    pub const SELECT: u8 = 0x52;
    /// Format frame: the DIFs and VIFs of compact frames, without a header.
    pub const FORMAT: u8 = 0x69;
    /// Format frame with the short header.
    pub const FORMAT_SHORT: u8 = 0x6A;
    /// Format frame with the long header.
    pub const FORMAT_LONG: u8 = 0x6B;
    /// Application error with the short header.
    pub const ERROR_SHORT: u8 = 0x6E;
    /// Application error with the long header.
    pub const ERROR_LONG: u8 = 0x6F;
    /// Application error.
    pub const ERROR: u8 = 0x70;
    /// Variable data with the long header, least significant byte first.
    pub const LONG_HEADER: u8 = 0x72;
    /// Alarm.
    pub const ALARM: u8 = 0x71;
    /// The first of the eight that set the speed.
    pub const SPEED: u8 = 0xB8;
    /// Alarm with the short header.
    pub const ALARM_SHORT: u8 = 0x74;
    /// Alarm with the long header.
    pub const ALARM_LONG: u8 = 0x75;
    /// Fixed data structure, least significant byte first; of any length but 16 bytes, a compact frame with the long
    /// header.
    pub const FIXED: u8 = 0x73;
    /// Fixed data structure, most significant byte first.
    pub const FIXED_MSB: u8 = 0x77;
    /// Variable data with the long header, most significant byte first.
    pub const LONG_HEADER_MSB: u8 = 0x76;
    /// Variable data without a header.
    pub const NO_HEADER: u8 = 0x78;
    /// Compact frame without a header.
    pub const COMPACT: u8 = 0x79;
    /// Variable data with the short header.
    pub const SHORT_HEADER: u8 = 0x7A;
    /// Compact frame with the short header.
    pub const COMPACT_SHORT: u8 = 0x7B;
}

/// The address of whoever is selected by secondary address.
pub const SELECTED: u8 = 0xFD;
/// The address everyone answers to: for lines with one meter.
pub const ANYONE: u8 = 0xFE;
/// The most bytes a frame has.
pub const LONGEST: usize = 255 + 6;
/// The most data bytes a long frame carries.
pub const MOST_DATA: usize = 252;

const ACK: u8 = 0xE5;
const SHORT: u8 = 0x10;
const LONG: u8 = 0x68;
const STOP: u8 = 0x16;

/// One frame of the link layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The single character E5.
    Ack,
    /// A short frame.
    Short {
        /// Control field.
        control: u8,
        /// Primary address.
        address: u8,
    },
    /// A long (or control) frame.
    Long {
        /// Control field.
        control: u8,
        /// Primary address.
        address: u8,
        /// Control information: what the data are.
        ci: u8,
        /// The data, at most [`MOST_DATA`] bytes.
        data: Vec<u8>,
    },
}

impl Frame {
    /// The bytes on the wire. Data beyond [`MOST_DATA`] do not fit a frame and are left out.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Ack => vec![ACK],
            Self::Short { control, address } => {
                vec![SHORT, *control, *address, checksum(&[*control, *address]), STOP]
            }
            Self::Long { control, address, ci, data } => {
                let mut body = vec![*control, *address, *ci];
                body.extend(data.iter().take(MOST_DATA));
                let length = body.len() as u8;
                let sum = checksum(&body);
                let mut wire = vec![LONG, length, length, LONG];
                wire.extend(body);
                wire.extend([sum, STOP]);
                wire
            }
        }
    }

    /// Whether a master sent it (an acknowledgement never is): on a line that echoes, one's own frame.
    pub const fn is_from_master(&self) -> bool {
        match self {
            Self::Ack => false,
            Self::Short { control, .. } | Self::Long { control, .. } => *control & control::FROM_MASTER != 0,
        }
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

fn probe(front: &[u8], suspect: bool) -> Probe<Frame> {
    match front {
        [ACK, ..] if !suspect => Probe::Sound(Frame::Ack, 1),
        [SHORT, control, address, sum, STOP, ..] if checksum(&[*control, *address]) == *sum => {
            Probe::Sound(Frame::Short { control: *control, address: *address }, 5)
        }
        [SHORT, _, _, _, STOP, ..] => Probe::Unsound(FrameFault::BadChecksum, 1),
        [SHORT, rest @ ..] if rest.len() < 4 => Probe::Unfinished,
        [LONG] => Probe::Unfinished,
        [LONG, length] if *length >= 3 => Probe::Unfinished,
        [LONG, length, again] if *length >= 3 && length == again => Probe::Unfinished,
        [LONG, length, again, LONG, rest @ ..] if *length >= 3 && length == again => probe_long(*length, rest),
        _ => Probe::Noise,
    }
}

fn probe_long(length: u8, rest: &[u8]) -> Probe<Frame> {
    let span = usize::from(length) + 6;
    let Some((body, tail)) = rest.split_at_checked(usize::from(length)) else { return Probe::Unfinished };
    match (body, tail) {
        ([control, address, ci, data @ ..], [sum, STOP, ..]) if checksum(body) == *sum => {
            let (control, address, ci) = (*control, *address, *ci);
            Probe::Sound(Frame::Long { control, address, ci, data: data.to_vec() }, span)
        }
        (_, [_, STOP, ..]) => Probe::Unsound(FrameFault::BadChecksum, span),
        (_, [_, _, ..]) => Probe::Unsound(FrameFault::Garbage(span), span),
        _ => Probe::Unfinished,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(bytes: &[u8]) -> Vec<Result<Frame, FrameFault>> {
        let mut scanner = Scanner::new();
        scanner.push(bytes);
        let mut seen: Vec<_> = std::iter::from_fn(|| scanner.next()).collect();
        scanner.close_gap();
        seen.extend(std::iter::from_fn(|| scanner.next()));
        seen
    }

    #[test]
    fn link_reset_of_meter_one_has_the_bytes_of_the_standard() {
        let reset = Frame::Short { control: control::SND_NKE, address: 1 };
        assert_eq!(reset.encode(), [0x10, 0x40, 0x01, 0x41, 0x16]);
        assert_eq!(scan(&reset.encode()), [Ok(reset)]);
    }

    #[test]
    fn an_acknowledgement_is_found_between_noise() {
        assert_eq!(
            scan(&[0x00, 0xE5, 0x68]),
            [Err(FrameFault::Garbage(1)), Ok(Frame::Ack), Err(FrameFault::Garbage(1))]
        );
    }

    #[test]
    fn a_start_byte_in_noise_does_not_hide_the_answer_behind_it() {
        assert_eq!(scan(&[0x68, 0xE5]), [Err(FrameFault::Garbage(1)), Ok(Frame::Ack)]);
    }

    #[test]
    fn an_e5_inside_a_broken_frame_is_no_acknowledgement() {
        let mut wire = Frame::Long { control: 8, address: 1, ci: 0x72, data: vec![0xE5, 0xE5] }.encode();
        *wire.get_mut(6).expect("the control information") ^= 1;
        assert_eq!(scan(&wire), [Err(FrameFault::BadChecksum)]);
    }

    #[test]
    fn a_length_below_three_is_noise() {
        assert!(scan(&[0x68, 0x00, 0x00, 0x68, 0x00, 0x16]).iter().all(Result::is_err));
    }

    #[test]
    fn a_frame_cut_short_does_not_swallow_its_repeat() {
        let whole = Frame::Long { control: 8, address: 1, ci: 0x72, data: vec![7; 20] };
        let mut wire = whole.encode();
        wire.truncate(12);
        wire.extend(whole.encode());
        assert_eq!(scan(&wire).last(), Some(&Ok(whole)));
    }
}
