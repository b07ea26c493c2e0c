//! The data of a reply as a whole: who says it, the records, whether more telegrams follow.
//!
//! ```text
//!   CI 72 | id man. ver med acc status signature | records        76: the same, most significant byte first
//!   CI 7A | acc status configuration             | records
//!   CI 78 |                                        records
//!   CI 73 | id acc status units 2 | counter 4 | counter 4         77: the same, most significant byte first
//! ```
//!
//! Promises: a whole list or an error. Refuses: any other CI (70, the application error, is the dialogue's business).

use super::fault::RecordFault;
use super::fixed::{self, Fixed};
use super::frame::ci;
use super::header::{self, Header, Status};
use super::record::{Record, Records};
use super::selection::Selection;
use crate::bytes::Cursor;

/// Fixed structure, most significant byte first.
const FIXED_MSB: u8 = ci::FIXED + 4;

/// The data of one reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Who says it, where a long header came.
    pub header: Option<Header>,
    /// The identification number alone, of the fixed structure.
    pub id: Option<u32>,
    /// The status byte, where one came.
    pub status: Status,
    /// The records.
    pub records: Vec<Record>,
    /// The maker's own data behind the records; `None` where no block of them was opened.
    pub makers: Option<Vec<u8>>,
    /// Whether more telegrams follow.
    pub more_follow: bool,
}

/// The records in the data behind control information `kind`: each with its place, its quantity in words, its unit and
/// a value that shows itself as an exact decimal of it.
pub fn records(kind: u8, data: &[u8]) -> Result<Vec<Record>, PayloadFault> {
    Payload::parse(kind, data).map(|payload| payload.records)
}

/// Why data cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadFault {
    /// Data of a kind that is not read here.
    #[error("control information {0:02X} is not a reply with data")]
    Kind(u8),
    /// The header is cut off.
    #[error("header cut off")]
    Header,
    /// The records cannot be read.
    #[error("records unreadable: {0}")]
    Records(#[from] RecordFault),
}

impl Payload {
    /// Reads the data behind control information `kind`.
    pub fn parse(kind: u8, data: &[u8]) -> Result<Self, PayloadFault> {
        let mut cursor = Cursor::new(data);
        match kind {
            ci::LONG_HEADER => Self::with_header(Header::decode(&mut cursor), false, &cursor),
            ci::LONG_HEADER_MSB => Self::with_header(Header::decode(&mut cursor).map(Header::swapped), true, &cursor),
            ci::SHORT_HEADER => {
                let [_access, status, _, _] = cursor.array().ok_or(PayloadFault::Header)?;
                Self::build(None, Status(status), Records::read(cursor.rest(), false)?)
            }
            ci::NO_HEADER => Self::build(None, Status(0), Records::read(data, false)?),
            ci::FIXED | FIXED_MSB => {
                fixed::parse(data, kind == FIXED_MSB).map(Self::of_fixed).ok_or(PayloadFault::Header)
            }
            _ => Err(PayloadFault::Kind(kind)),
        }
    }

    fn with_header(header: Option<Header>, msb_first: bool, cursor: &Cursor<'_>) -> Result<Self, PayloadFault> {
        let header = header.ok_or(PayloadFault::Header)?;
        Self::build(Some(header), header.status, Records::read(cursor.rest(), msb_first)?)
    }

    #[expect(clippy::unnecessary_wraps, reason = "the shape of its callers' answers")]
    fn build(header: Option<Header>, status: Status, records: Records) -> Result<Self, PayloadFault> {
        let Records { list, makers, more_follow } = records;
        Ok(Self { header, id: None, status, records: list, makers, more_follow })
    }

    fn of_fixed(fixed: Fixed) -> Self {
        let Fixed { id, status, records } = fixed;
        Self { header: None, id: Some(id), status, records, makers: None, more_follow: false }
    }

    /// Bytes before the records behind control information `kind`.
    pub const fn header_length(kind: u8) -> usize {
        match kind {
            ci::LONG_HEADER | ci::LONG_HEADER_MSB => header::LENGTH,
            ci::SHORT_HEADER => 4,
            _ => 0,
        }
    }

    /// Whether what it says of its sender fits `selection`; one that says nothing of it does.
    pub fn is_from(&self, selection: &Selection) -> bool {
        self.header.is_none_or(|header| selection.matches(&header)) && self.id.is_none_or(|id| selection.matches_id(id))
    }

    /// The identity the meter gave, as people write it.
    pub fn identity(&self) -> Option<String> {
        let header = self.header.map(|header| header.to_string());
        header.or_else(|| self.id.map(|id| format!("{id:08X}")))
    }
}

/// What an application error says (EN 13757-3 clause 10, table "application errors").
pub const fn application_error(code: u8) -> &'static str {
    match code {
        0x00 => "unspecified error",
        0x01 => "control information not implemented",
        0x02 => "buffer too long, cut",
        0x03 => "too many records",
        0x04 => "premature end of record",
        0x05 => "more than 10 data information extensions",
        0x06 => "more than 10 value information extensions",
        0x08 => "application too busy",
        0x09 => "too many readouts",
        _ => "reserved code",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mode_two_says_the_same_with_the_most_significant_byte_first() {
        // EN 13757-3 clause 5.1: bit 2 of CI turns the bytes of every number round.
        let low = [
            0x78, 0x56, 0x34, 0x12, 0x2D, 0x2C, 1, 4, 0, 0, 0, 0, 0x0C, 0x06, 0x34, 0x12, 0, 0, 0x02, 0x59, 0x8F, 0x19,
        ];
        let high = [
            0x12, 0x34, 0x56, 0x78, 0x2C, 0x2D, 1, 4, 0, 0, 0, 0, 0x0C, 0x06, 0, 0, 0x12, 0x34, 0x02, 0x59, 0x19, 0x8F,
        ];
        let payload = Payload::parse(ci::LONG_HEADER, &low);
        assert!(payload.as_ref().is_ok_and(|payload| payload.identity().as_deref() == Some("123456782C2D0104")));
        assert_eq!(Payload::parse(ci::LONG_HEADER_MSB, &high), payload);
    }

    #[test]
    fn a_short_header_and_none_hold_the_same_records() {
        let records = [0x01, 0x2B, 0x07];
        let bare = Payload::parse(ci::NO_HEADER, &records).expect("records");
        let short = Payload::parse(ci::SHORT_HEADER, &[&[9, 0x04, 0xAB, 0xCD], records.as_slice()].concat());
        assert_eq!(short, Ok(Payload { status: Status(0x04), ..bare }));
    }

    #[test]
    fn the_fixed_structure_gives_its_number_as_people_write_it() {
        // SEN PolluSonic 2, id 90919293.
        let data = [0x93, 0x92, 0x91, 0x90, 0x10, 0x00, 0x05, 0x69, 0x31, 0x65, 0x00, 0x00, 0x69, 0x00, 0x00, 0x00];
        let payload = Payload::parse(ci::FIXED, &data).expect("whole");
        assert_eq!((payload.identity().as_deref(), payload.records.len()), (Some("90919293"), 2));
    }

    #[test]
    fn every_application_error_has_words_and_the_rest_are_told_as_reserved() {
        let told = [0, 1, 2, 3, 4, 5, 6, 8, 9];
        let known: Vec<u8> = (0..=0xFF).filter(|code| application_error(*code) != "reserved code").collect();
        assert_eq!(known, told);
        let mut words: Vec<_> = told.iter().map(|code| application_error(*code)).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), told.len());
    }

    #[test]
    fn the_fixed_structure_of_mode_two_says_the_same_the_other_way_round() {
        let low = [0x93, 0x92, 0x91, 0x90, 0x10, 0x00, 0x05, 0x69, 0x31, 0x65, 0x00, 0x00, 0x69, 0x00, 0x00, 0x00];
        let high = [0x90, 0x91, 0x92, 0x93, 0x10, 0x00, 0x05, 0x69, 0x00, 0x00, 0x65, 0x31, 0x00, 0x00, 0x00, 0x69];
        assert_eq!(Payload::parse(FIXED_MSB, &high), Payload::parse(ci::FIXED, &low));
    }

    #[test]
    fn a_hex_identification_and_a_junk_signature_refuse_nothing() {
        let data = [0x7F, 0xCA, 0x0B, 0xE1, 0x2D, 0x2C, 1, 4, 0, 0, 0xB6, 0x27, 0x01, 0x2B, 7];
        let payload = Payload::parse(ci::LONG_HEADER, &data).expect("readable");
        assert_eq!((payload.identity().as_deref(), payload.records.len()), (Some("E10BCA7F2C2D0104"), 1));
    }

    #[test]
    fn an_alarm_is_no_reply_with_data_and_a_header_cut_off_is_none() {
        assert_eq!(Payload::parse(0x71, &[0]), Err(PayloadFault::Kind(0x71)));
        assert_eq!(Payload::parse(ci::LONG_HEADER, &[0; 11]), Err(PayloadFault::Header));
    }
}
