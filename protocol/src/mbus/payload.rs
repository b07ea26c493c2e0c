//! The data of a reply as a whole: who says it, the records, whether more telegrams follow.
//!
//! ```text
//!   CI 72 | id man. ver med acc status signature | records        76: the same, most significant byte first
//!   CI 7A | acc status configuration             | records
//!   CI 78 |                                        records
//!   CI 73 | id acc status units 2 | counter 4 | counter 4         77: the same, most significant byte first
//! ```
//!
//! Promises: a whole list or an error; what is not read is refused by its name. [`Reader`] gives the same record by
//! record and allocates nothing. Refuses: any other CI (70, the application error, is the dialogue's business), and
//! data that are encrypted.

use super::fault::RecordFault;
use super::fixed::{self, Fixed};
use super::frame::ci;
use super::header::{self, Header, Status};
use super::kind;
use super::record::{Place, Record, Records, Tail};
use super::secret;
use super::selection::Selection;
use super::value::Value;
use super::vif::Meaning;
use crate::bytes::Cursor;

/// A record's usual length in bytes: how many to make room for.
const USUAL_RECORD: usize = 4;

/// The data of one reply, borrowed from its telegram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload<'a> {
    /// Who says it, where a long header came.
    pub header: Option<Header>,
    /// The identification number alone, of the fixed structure.
    pub id: Option<u32>,
    /// The medium alone, of the fixed structure.
    pub medium: Option<u8>,
    /// The status byte, where one came.
    pub status: Status,
    /// The records.
    pub records: Vec<Record<'a>>,
    /// The maker's own data behind the records; `None` where no block of them was opened.
    pub makers: Option<&'a [u8]>,
    /// Whether more telegrams follow.
    pub more_follow: bool,
}

/// The records in the data behind control information `kind`: each with its place, its quantity in words, its unit and
/// a value that shows itself as an exact decimal of it.
pub fn records(kind: u8, data: &[u8]) -> Result<Vec<Record<'_>>, PayloadFault> {
    Payload::parse(kind, data).map(|payload| payload.records)
}

/// Who sent the data behind control information `kind`, whether or not the rest can be read.
pub fn sender(kind: u8, data: &[u8]) -> Option<Header> {
    let header = Header::decode(&mut Cursor::new(data))?;
    match kind {
        ci::LONG_HEADER | ci::FORMAT_LONG | ci::ERROR_LONG | ci::ALARM_LONG => Some(header),
        ci::FIXED if data.len() != fixed::LENGTH => Some(header),
        ci::LONG_HEADER_MSB => Some(header.swapped()),
        _ => None,
    }
}

/// Why data cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadFault {
    /// Data of a kind that is not read here.
    #[error("control information {0:02X} is not a reply with data: {name}", name = kind::name(*.0))]
    Kind(u8),
    /// The header is cut off.
    #[error("header cut off")]
    Header,
    /// The records cannot be read.
    #[error("records unreadable: {0}")]
    Records(#[from] RecordFault),
    /// The records are encrypted.
    #[error("records are encrypted, mode {0}: switch the encryption off at the meter, no keys are held here")]
    Encrypted(u8),
    /// A compact frame: values without their DIFs and VIFs.
    #[error("compact frame of format {0:04X}: its format frame or a full frame must come before it")]
    NeedsFormat(u16),
}

/// The data of one reply, read record by record: nothing is allocated.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    /// Who says it, where a long header came.
    pub header: Option<Header>,
    /// The identification number and the medium, of the fixed structure.
    pub fixed: Option<(u32, u8)>,
    /// The status byte, where one came.
    pub status: Status,
    body: Body<'a>,
    secrecy: Option<u8>,
}

#[derive(Debug, Clone)]
enum Body<'a> {
    Variable(Records<'a>),
    Fixed(std::array::IntoIter<Record<'a>, 2>),
}

impl<'a> Reader<'a> {
    /// Opens the data behind control information `kind`.
    pub fn open(kind: u8, data: &'a [u8]) -> Result<Self, PayloadFault> {
        let mut cursor = Cursor::new(data);
        match kind {
            ci::LONG_HEADER | ci::LONG_HEADER_MSB => {
                let msb_first = kind == ci::LONG_HEADER_MSB;
                let header = sender(kind, data).ok_or(PayloadFault::Header)?;
                cursor.take(header::LENGTH);
                let config = data.get(10..header::LENGTH).unwrap_or_default();
                let reader = Self::of_records(cursor.rest(), msb_first, config)?;
                Ok(Self { header: Some(header), status: header.status, ..reader })
            }
            ci::SHORT_HEADER => {
                let [_access, status] = cursor.array().ok_or(PayloadFault::Header)?;
                let config = cursor.array::<2>().ok_or(PayloadFault::Header)?;
                Ok(Self { status: Status(status), ..Self::of_records(cursor.rest(), false, &config)? })
            }
            ci::NO_HEADER => Self::of_records(data, false, &[]),
            ci::FIXED | ci::FIXED_MSB => match fixed::parse(data, kind == ci::FIXED_MSB) {
                Some(fixed) => Ok(Self::of_fixed(fixed)),
                None => Err(Self::signature(kind, data).map_or(PayloadFault::Header, PayloadFault::NeedsFormat)),
            },
            ci::COMPACT | ci::COMPACT_SHORT => {
                Err(Self::signature(kind, data).map_or(PayloadFault::Header, PayloadFault::NeedsFormat))
            }
            _ => Err(PayloadFault::Kind(kind)),
        }
    }

    fn of_records(data: &'a [u8], msb_first: bool, config: &[u8]) -> Result<Self, PayloadFault> {
        if let Some(mode) = secret::certain(config, data) {
            return Err(PayloadFault::Encrypted(mode));
        }
        let body = Body::Variable(Records::new(data, msb_first));
        Ok(Self { header: None, fixed: None, status: Status(0), body, secrecy: secret::mode(config) })
    }

    fn of_fixed(Fixed { id, status, medium, records }: Fixed) -> Self {
        let body = Body::Fixed(records.into_iter());
        Self { header: None, fixed: Some((id, medium)), status, body, secrecy: None }
    }

    /// The format signature of a compact frame.
    fn signature(kind: u8, data: &[u8]) -> Option<u16> {
        let mut cursor = Cursor::new(data);
        cursor.take(kind::compact_header(kind)?)?;
        cursor.array().map(u16::from_le_bytes)
    }

    /// What stands behind the last record: known once it was read.
    pub fn tail(&self) -> Tail<'a> {
        match &self.body {
            Body::Variable(records) => records.tail(),
            Body::Fixed(_) => Tail::default(),
        }
    }

    /// What a record's fault says of the whole.
    fn fault(&self, fault: RecordFault) -> PayloadFault {
        self.secrecy.map_or(PayloadFault::Records(fault), PayloadFault::Encrypted)
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Record<'a>, PayloadFault>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let next = match &mut self.body {
            Body::Variable(records) => records.next()?,
            Body::Fixed(records) => Ok(records.next()?),
        };
        Some(next.map_err(|fault| self.fault(fault)))
    }
}

impl<'a> Payload<'a> {
    /// Reads the data behind control information `kind`.
    pub fn parse(kind: u8, data: &'a [u8]) -> Result<Self, PayloadFault> {
        let mut reader = Reader::open(kind, data)?;
        let mut records = Vec::with_capacity(data.len() / USUAL_RECORD);
        for record in reader.by_ref() {
            records.push(record?);
        }
        let Tail { makers, more_follow } = reader.tail();
        let (id, medium) = reader.fixed.unzip();
        Ok(Self { header: reader.header, id, medium, status: reader.status, records, makers, more_follow })
    }

    /// Bytes before the records behind control information `kind`.
    pub const fn header_length(kind: u8) -> usize {
        match kind {
            ci::LONG_HEADER | ci::LONG_HEADER_MSB => header::LENGTH,
            ci::SHORT_HEADER => header::SHORT_LENGTH,
            _ => 0,
        }
    }

    /// Whether what it says of its sender fits `selection`; one that says nothing of it does.
    pub fn is_from(&self, selection: &Selection) -> bool {
        self.header.is_none_or(|header| selection.matches(&header)) && self.id.is_none_or(|id| selection.matches_id(id))
    }

    /// The fabrication number among its records.
    pub fn fabrication(&self) -> Option<i64> {
        let record = self.records.iter().find(|record| record.is(Meaning::FabricationNumber, Place::CURRENT))?;
        match &record.value {
            Value::Number(amount) => amount.fixed().map(|fixed| fixed.value),
            _ => None,
        }
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
        let short = [&[9, 0x04, 0xAB, 0xCD], records.as_slice()].concat();
        assert_eq!(Payload::parse(ci::SHORT_HEADER, &short), Ok(Payload { status: Status(0x04), ..bare }));
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
        assert_eq!(Payload::parse(ci::FIXED_MSB, &high), Payload::parse(ci::FIXED, &low));
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
