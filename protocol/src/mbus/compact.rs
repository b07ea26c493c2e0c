//! Compact frames: values whose DIFs and VIFs were told once (EN 13757-3 annex "compact M-Bus profile").
//!
//! ```text
//!   full frame       header |                                   DIF VIF value | DIF VIF value | ..
//!   format frame     header | length | signature |               DIF VIF       | DIF VIF       | ..
//!   compact frame    header |          signature | CRC of full |         value |         value | ..
//!
//!   signature = CRC of all DIF VIF        CRC of full = CRC of all DIF VIF value
//! ```
//!
//! Promises: a format is learned from a format frame whose signature holds, or from any full frame; what is expanded is
//! the full frame byte for byte, or refused: both CRCs are checked. Keeps at most [`MOST_FORMATS`] formats, the ones
//! last learned. Refuses: guessing at a format nobody told.

use std::collections::VecDeque;

use super::frame::ci;
use super::header;
use super::kind::compact_header;
use super::payload::Payload;
use super::record::skip_block;
use super::value::{fixed_length, variable_length};
use crate::bytes::{Cursor, crc16};

/// The most formats kept, of one line or less.
pub const MOST_FORMATS: usize = 64;
/// The coding whose value begins with its length.
const VARIABLE: u8 = 0xD;

/// Formats by their signatures.
#[derive(Debug, Clone, Default)]
pub struct Formats {
    known: VecDeque<Format>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Format {
    signature: u16,
    /// DIF and VIF of each record.
    blocks: Vec<u8>,
}

/// Why a compact frame is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CompactFault {
    /// Not a compact frame, or cut off in its header.
    #[error("not a whole compact frame")]
    Cut,
    /// Nobody told this format.
    #[error("compact frame of format {0:04X}, which neither a format frame nor a full frame told")]
    UnknownFormat(u16),
    /// The values do not fill the format, or the CRC of the full frame is another.
    #[error("compact frame does not fit its format {0:04X}")]
    Misfit(u16),
}

impl Formats {
    /// None known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Learns the format of a format frame or of a full frame behind control information `kind`; its signature, if
    /// there was one to learn.
    pub fn learn(&mut self, kind: u8, data: &[u8]) -> Option<u16> {
        let blocks = match kind {
            ci::FORMAT => told(data)?,
            ci::FORMAT_SHORT => told(data.get(header::SHORT_LENGTH..)?)?,
            ci::FORMAT_LONG => told(data.get(header::LENGTH..)?)?,
            ci::LONG_HEADER | ci::SHORT_HEADER | ci::NO_HEADER => blocks(data.get(Payload::header_length(kind)..)?)?,
            _ => return None,
        };
        let signature = crc16(&blocks);
        self.known.retain(|format| format.signature != signature);
        self.known.push_back(Format { signature, blocks });
        if self.known.len() > MOST_FORMATS {
            self.known.pop_front();
        }
        Some(signature)
    }

    /// The full frame that the compact frame behind control information `kind` stands for: its control information and
    /// data.
    pub fn expand(&self, kind: u8, data: &[u8]) -> Result<(u8, Vec<u8>), CompactFault> {
        let full_kind = match kind {
            ci::COMPACT => ci::NO_HEADER,
            ci::COMPACT_SHORT => ci::SHORT_HEADER,
            _ => ci::LONG_HEADER,
        };
        let mut cursor = Cursor::new(data);
        let header = compact_header(kind).and_then(|length| cursor.take(length)).ok_or(CompactFault::Cut)?;
        let signature = cursor.array().map(u16::from_le_bytes).ok_or(CompactFault::Cut)?;
        let crc = cursor.array().map(u16::from_le_bytes).ok_or(CompactFault::Cut)?;
        let known = self.known.iter().find(|format| format.signature == signature);
        let format = known.ok_or(CompactFault::UnknownFormat(signature))?;
        let records = fill(&format.blocks, cursor).filter(|records| crc16(records) == crc);
        let records = records.ok_or(CompactFault::Misfit(signature))?;
        Ok((full_kind, [header, &records].concat()))
    }
}

/// The blocks a format frame tells, where its signature is theirs; the length before it may be left out.
fn told(data: &[u8]) -> Option<Vec<u8>> {
    [1, 0].into_iter().find_map(|before| {
        let mut cursor = Cursor::new(data.get(before..)?);
        let signature = cursor.array().map(u16::from_le_bytes)?;
        (crc16(cursor.rest()) == signature).then(|| cursor.rest().to_vec())
    })
}

/// The blocks of a full frame's records; none where maker's data stand behind them, for these have no format.
fn blocks(records: &[u8]) -> Option<Vec<u8>> {
    let (mut cursor, mut blocks) = (Cursor::new(records), Vec::new());
    while !cursor.is_empty() {
        let (coding, block) = skip_block(&mut cursor)?;
        blocks.extend(block);
        cursor.take(value_length(coding, &mut cursor.clone())?)?;
    }
    (!blocks.is_empty()).then_some(blocks)
}

/// Values behind their blocks, in turn; `None` where either has more than the other.
fn fill(blocks: &[u8], mut values: Cursor<'_>) -> Option<Vec<u8>> {
    let (mut blocks, mut records) = (Cursor::new(blocks), Vec::new());
    while !blocks.is_empty() {
        let (coding, block) = skip_block(&mut blocks)?;
        records.extend(block);
        records.extend(values.take(value_length(coding, &mut values.clone())?)?);
    }
    values.is_empty().then_some(records)
}

/// The bytes of a value with its LVAR, where it has one.
fn value_length(coding: u8, values: &mut Cursor<'_>) -> Option<usize> {
    if coding == VARIABLE {
        return variable_length(values.byte()?).ok().map(|length| length + 1);
    }
    fixed_length(coding).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kamstrup Multical 21, id 76348799: the records of a full frame, and a compact frame of the same values.
    const FULL: [u8; 23] = [
        0x02, 0xFF, 0x20, 0x71, 0x00, 0x04, 0x13, 0x08, 0x19, 0x00, 0x00, 0x44, 0x13, 0x08, 0x19, 0x00, 0x00, 0x61,
        0x5B, 0x7F, 0x61, 0x67, 0x13,
    ];
    const COMPACT: [u8; 16] =
        [0xED, 0xA8, 0x6A, 0xB6, 0x71, 0x00, 0x08, 0x19, 0x00, 0x00, 0x08, 0x19, 0x00, 0x00, 0x7F, 0x13];
    const BLOCKS: [u8; 11] = [0x02, 0xFF, 0x20, 0x04, 0x13, 0x44, 0x13, 0x61, 0x5B, 0x61, 0x67];

    #[test]
    fn a_full_frame_tells_the_format_and_the_compact_frame_is_the_full_frame_again() {
        let mut formats = Formats::new();
        assert_eq!(formats.learn(ci::NO_HEADER, &FULL), Some(0xA8ED));
        assert_eq!(formats.expand(ci::COMPACT, &COMPACT), Ok((ci::NO_HEADER, FULL.to_vec())));
        let short = [&[7, 0, 0, 0], &COMPACT[..]].concat();
        let full = [&[7, 0, 0, 0], &FULL[..]].concat();
        assert_eq!(formats.expand(ci::COMPACT_SHORT, &short), Ok((ci::SHORT_HEADER, full)));
        let (long, full) = ([&[7; 12], &COMPACT[..]].concat(), [&[7; 12], &FULL[..]].concat());
        assert_eq!(formats.expand(ci::FIXED, &long), Ok((ci::LONG_HEADER, full)));
    }

    #[test]
    fn a_format_frame_tells_it_too_if_its_signature_holds() {
        let frame = [&[13, 0xED, 0xA8], &BLOCKS[..]].concat();
        let mut formats = Formats::new();
        assert_eq!(formats.learn(ci::FORMAT, &frame), Some(0xA8ED));
        assert!(formats.expand(ci::COMPACT, &COMPACT).is_ok());
        let mut formats = Formats::new();
        assert_eq!(formats.learn(ci::FORMAT_SHORT, &[&[0; 4], &frame[..]].concat()), Some(0xA8ED));
        assert_eq!(formats.learn(ci::FORMAT_LONG, &[&[0; 12], &frame[..]].concat()), Some(0xA8ED));
        for at in 1..frame.len() {
            let mut wrong = frame.clone();
            *wrong.get_mut(at).expect("in the frame") ^= 1;
            assert_eq!(Formats::new().learn(ci::FORMAT, &wrong), None, "{at}");
        }
    }

    #[test]
    fn an_unknown_format_and_a_wrong_crc_are_refused() {
        let mut formats = Formats::new();
        assert_eq!(formats.expand(ci::COMPACT, &COMPACT), Err(CompactFault::UnknownFormat(0xA8ED)));
        formats.learn(ci::NO_HEADER, &FULL);
        for at in 2..COMPACT.len() {
            let mut wrong = COMPACT;
            *wrong.get_mut(at).expect("in the frame") ^= 0x10;
            assert_eq!(formats.expand(ci::COMPACT, &wrong), Err(CompactFault::Misfit(0xA8ED)), "{at}");
        }
        let longer = [&COMPACT[..], &[0]].concat();
        assert_eq!(formats.expand(ci::COMPACT, &longer), Err(CompactFault::Misfit(0xA8ED)));
        assert_eq!(formats.expand(ci::COMPACT, COMPACT.first_chunk::<3>().expect("three")), Err(CompactFault::Cut));
    }

    #[test]
    fn the_formats_kept_are_bounded_and_the_last_ones() {
        let mut formats = Formats::new();
        for nth in 0..=MOST_FORMATS as u8 {
            formats.learn(ci::NO_HEADER, &[0x01, 0xFF, nth, 9]);
        }
        assert_eq!(formats.known.len(), MOST_FORMATS);
        assert!(formats.known.iter().all(|format| format.blocks != [0x01, 0xFF, 0]));
        assert_eq!(formats.learn(ci::NO_HEADER, &[0x0F, 1, 2]), None);
    }

    #[test]
    fn a_value_of_variable_length_brings_its_length_with_it() {
        let full = [0x0D, 0xFD, 0x11, 2, b'b', b'a', 0x01, 0x13, 7];
        let mut formats = Formats::new();
        let signature = formats.learn(ci::NO_HEADER, &full).expect("a format");
        let other = [0x0D, 0xFD, 0x11, 3, b'c', b'b', b'a', 0x01, 0x13, 8];
        let compact = [&signature.to_le_bytes()[..], &crc16(&other).to_le_bytes(), &[3, b'c', b'b', b'a', 8]].concat();
        assert_eq!(formats.expand(ci::COMPACT, &compact), Ok((ci::NO_HEADER, other.to_vec())));
    }
}
