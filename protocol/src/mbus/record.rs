//! One data record (EN 13757-3 clause 6.3): DIF [DIFE..] VIF [VIFE..] value, and the list of them.
//!
//! ```text
//!   DIF   bit 7 extension | bit 6 storage 2^0 | bits 5-4 function | bits 3-0 coding
//!   DIFE  bit 7 extension | bit 6 subunit | bits 5-4 tariff | bits 3-0 storage, from 2^1 on
//!   0F maker's data to the end   1F the same, more telegrams follow   2F filler
//! ```
//!
//! Promises: a value that is invalid does not end the list. Refuses: a record cut off, more than
//! [`MOST_EXTENSIONS`] DIFEs, reserved codes; then the whole list, for nothing behind can be trusted.

use super::fault::{MOST_EXTENSIONS, RecordFault};
use super::value::{self, Value};
use super::vif::{Meaning, Name, Notes, TextPlace, Vif};
use crate::bytes::Cursor;

/// The VIF whose text stands before or behind its extensions.
const PLAIN_TEXT: u8 = 0xFC;

/// DIFs that begin no record.
pub mod dif {
    /// Maker's data to the end.
    pub const MAKERS: u8 = 0x0F;
    /// The same, and more telegrams follow.
    pub const MORE_FOLLOW: u8 = 0x1F;
    /// Nothing.
    pub const FILLER: u8 = 0x2F;
}

/// Which of its values over time a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// The value now, or at the time the storage number stands for.
    Instantaneous,
    /// The largest.
    Maximum,
    /// The smallest.
    Minimum,
    /// The value while there was an error.
    DuringError,
}

/// Where a record belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// Which value over time.
    pub function: Function,
    /// Storage number; 0 is the current value.
    pub storage: u64,
    /// Tariff; 0 is the sum.
    pub tariff: u32,
    /// Subunit of the device.
    pub subunit: u16,
}

impl Place {
    /// The current value of the device itself.
    pub const CURRENT: Self = Self { function: Function::Instantaneous, storage: 0, tariff: 0, subunit: 0 };

    /// The DIF of `coding` with the DIFEs that name this place.
    pub fn encode(&self, coding: u8) -> Vec<u8> {
        let function = match self.function {
            Function::Instantaneous => 0b00,
            Function::Maximum => 0b01,
            Function::Minimum => 0b10,
            Function::DuringError => 0b11,
        };
        let mut bytes = vec![coding & 0x0F | function << 4 | (self.storage as u8 & 1) << 6];
        let (mut storage, mut tariff, mut subunit) = (self.storage >> 1, self.tariff, self.subunit);
        while (storage, tariff, subunit) != (0, 0, 0) && bytes.len() <= MOST_EXTENSIONS {
            bytes.iter_mut().last().into_iter().for_each(|last| *last |= 0x80);
            bytes.push((storage & 0xF) as u8 | (tariff as u8 & 0b11) << 4 | (subunit as u8 & 1) << 6);
            (storage, tariff, subunit) = (storage >> 4, tariff >> 2, subunit >> 1);
        }
        bytes
    }
}

/// A record, borrowed from its telegram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Where it belongs.
    pub place: Place,
    /// What it stands for, as far as a profile can name it.
    pub meaning: Meaning,
    /// Its quantity in words.
    pub name: Name<'a>,
    /// The unit its value shows itself in.
    pub unit: &'static str,
    /// Whether a VIFE makes it something else than the plain quantity.
    pub is_altered: bool,
    /// What the VIFEs say.
    pub notes: Notes,
    /// Its value.
    pub value: Value<'a>,
}

impl<'a> Record<'a> {
    /// The record of `value` that `vif` describes, at `place`.
    pub(super) const fn new(place: Place, vif: Vif<'a>, value: Value<'a>) -> Self {
        let Vif { meaning, name, symbol: unit, is_altered, notes, .. } = vif;
        Self { place, meaning, name, unit, is_altered, notes, value }
    }

    /// Whether it is the plain quantity `meaning` at `place`.
    pub fn is(&self, meaning: Meaning, place: Place) -> bool {
        self.meaning == meaning && self.place == place && !self.is_altered
    }
}

/// The records of a telegram, one by one as they are asked for.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    cursor: Cursor<'a>,
    msb_first: bool,
    texts: TextPlace,
    has_odd_text: bool,
    tail: Tail<'a>,
}

/// What stands behind the last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tail<'a> {
    /// The maker's own data behind 0F or 1F; `None` where there was neither.
    pub makers: Option<&'a [u8]>,
    /// Whether more telegrams follow (DIF 1F).
    pub more_follow: bool,
}

impl<'a> Records<'a> {
    /// The records in `data`; in mode 2 (`msb_first`) with the most significant byte first.
    ///
    /// Where plain-text VIFs hold their text is found out by trying: the first place that reads cleanly to the end.
    pub fn new(data: &'a [u8], msb_first: bool) -> Self {
        let with =
            |texts| Self { cursor: Cursor::new(data), msb_first, texts, has_odd_text: false, tail: Tail::default() };
        if !data.contains(&PLAIN_TEXT) {
            return with(TextPlace::BeforeExtensions);
        }
        let places = [TextPlace::BeforeExtensions, TextPlace::BehindExtensions];
        with(places.into_iter().find(|place| with(*place).reads_cleanly()).unwrap_or(TextPlace::Either))
    }

    /// What stands behind the last record: known once it was read.
    pub const fn tail(&self) -> Tail<'a> {
        self.tail
    }

    /// Whether all is readable and every plain text looks like text.
    fn reads_cleanly(mut self) -> bool {
        self.all(|record| record.is_ok()) && !self.has_odd_text
    }

    /// The DIF of the next record.
    #[inline]
    fn dif(&mut self) -> Option<u8> {
        loop {
            match self.cursor.byte()? {
                dif::FILLER => {}
                dif @ (dif::MAKERS | dif::MORE_FOLLOW) => {
                    self.tail = Tail { makers: Some(self.cursor.rest()), more_follow: dif == dif::MORE_FOLLOW };
                    self.cursor = Cursor::new(&[]);
                }
                dif => return Some(dif),
            }
        }
    }

    #[inline]
    fn read(&mut self, dif: u8) -> Result<Record<'a>, RecordFault> {
        if dif & 0x0F == 0x0F {
            return Err(RecordFault::Reserved);
        }
        let place = read_place(dif, &mut self.cursor)?;
        let vif = Vif::read(&mut self.cursor, self.texts)?;
        let value = value::read(dif & 0x0F, &vif, self.msb_first, &mut self.cursor)?;
        self.has_odd_text |= vif.is_odd_text;
        Ok(Record::new(place, vif, value))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordFault>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let dif = self.dif()?;
        let read = self.read(dif);
        if read.is_err() {
            self.cursor = Cursor::new(&[]);
        }
        Some(read)
    }
}

/// Steps over the DIFs and VIFs of one record: its coding and these bytes; `None` for what is no record. A plain text
/// is taken for what it is where it looks like one.
pub(super) fn skip_block<'a>(cursor: &mut Cursor<'a>) -> Option<(u8, &'a [u8])> {
    let from = cursor.rest();
    let dif = cursor.byte().filter(|dif| dif & 0x0F != 0x0F)?;
    read_place(dif, cursor).ok()?;
    Vif::read(cursor, TextPlace::Either).ok()?;
    Some((dif & 0x0F, from.get(..from.len() - cursor.rest().len())?))
}

#[inline]
fn read_place(dif: u8, cursor: &mut Cursor<'_>) -> Result<Place, RecordFault> {
    let mut place = Place { function: function(dif), storage: u64::from(dif >> 6 & 1), ..Place::CURRENT };
    let mut last = dif;
    for nth in 0..=MOST_EXTENSIONS {
        if last & 0x80 == 0 {
            return Ok(place);
        }
        last = cursor.byte().ok_or(RecordFault::Cut)?;
        place.storage |= u64::from(last & 0x0F) << (1 + 4 * nth);
        place.tariff |= u32::from(last >> 4 & 0b11) << (2 * nth);
        place.subunit |= u16::from(last >> 6 & 1) << nth;
    }
    Err(RecordFault::TooManyExtensions)
}

const fn function(dif: u8) -> Function {
    match dif >> 4 & 0b11 {
        0b00 => Function::Instantaneous,
        0b01 => Function::Maximum,
        0b10 => Function::Minimum,
        _ => Function::DuringError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole list and what stands behind it.
    fn read(data: &[u8]) -> Result<(Vec<Record<'_>>, Tail<'_>), RecordFault> {
        let mut records = Records::new(data, false);
        let list = records.by_ref().collect::<Result<_, _>>()?;
        Ok((list, records.tail()))
    }

    #[test]
    fn extensions_add_storage_tariff_and_subunit_from_the_low_bits_up() {
        let (list, _) = read(&[0xC4, 0xD2, 0x01, 0x06, 1, 0, 0, 0]).expect("one record");
        let place =
            Place { function: Function::Instantaneous, storage: 1 + (2 << 1) + (1 << 5), tariff: 1, subunit: 1 };
        assert_eq!(list.first().map(|r| r.place), Some(place));
    }

    #[test]
    fn a_place_reads_back_from_its_bytes() {
        for (storage, tariff, subunit) in [(0, 0, 0), (1, 0, 0), (2, 0, 0), (510, 3, 1), (37, 0, 2), (0, 17, 0)] {
            let place = Place { function: Function::Minimum, storage, tariff, subunit };
            let bytes = place.encode(0x04);
            let mut cursor = Cursor::new(&bytes);
            let dif = cursor.byte().expect("a DIF");
            assert_eq!((dif & 0x0F, read_place(dif, &mut cursor)), (0x04, Ok(place)));
            assert!(cursor.is_empty());
        }
    }

    #[test]
    fn an_error_pattern_is_one_invalid_value_and_the_list_goes_on() {
        let (list, _) = read(&[0x0C, 0x06, 0xEE, 0xEE, 0xEE, 0xEE, 0x0C, 0x14, 0x01, 0, 0, 0]).expect("two records");
        let invalid: Vec<_> = list.iter().map(|r| r.value == Value::Invalid).collect();
        assert_eq!(invalid, [true, false]);
    }

    #[test]
    fn a_time_of_day_takes_three_bytes_and_an_invalid_time_its_four_and_the_list_goes_on() {
        let list = read(&[0x03, 0x6D, 30, 15, 22, 0x04, 0x6D, 0x80, 0, 0, 0, 0x01, 0x13, 7]).expect("three").0;
        let shown: Vec<_> = list.iter().map(|r| r.value.to_string()).collect();
        assert_eq!(shown, ["22:15:30", "invalid", "0.007"]);
    }

    #[test]
    fn fillers_are_stepped_over_and_makers_data_end_the_list() {
        let (list, tail) = read(&[0x2F, 0x01, 0x06, 1, 0x2F, 0x1F, 0xDE, 0xAD]).expect("one record");
        assert_eq!((list.len(), tail.more_follow), (1, true));
        assert_eq!(read(&[0x0F, 0x01]).map(|r| r.1.more_follow), Ok(false));
    }

    #[test]
    fn the_text_of_a_plain_text_vif_stands_where_the_list_reads_cleanly() {
        // "%RH", x 10^-2, 54.10; then a volume. The same with the text behind the extension.
        let before = [0x02, 0xFC, 3, b'H', b'R', b'%', 0x74, 0x22, 0x15, 0x01, 0x13, 7];
        let behind = [0x02, 0xFC, 0x74, 3, b'H', b'R', b'%', 0x22, 0x15, 0x01, 0x13, 7];
        for data in [before, behind] {
            let list = read(&data).expect("two records").0;
            let shown: Vec<_> = list.iter().map(|r| format!("{} {} {}", r.name, r.value, r.unit)).collect();
            assert_eq!(shown, ["%RH 54.1 ", "Volume 0.007 m3"]);
        }
    }

    #[test]
    fn an_extension_that_could_be_a_length_does_not_mislead() {
        // FC, "per hour" (A2 22: bit 7 set, then last), text "ab". Read from the front, 22 would be no text's length.
        let data = [0x01, 0xFC, 0x22, 2, b'b', b'a', 5];
        let list = read(&data).expect("one record").0;
        assert_eq!(list.first().map(|r| (r.name.to_string(), r.notes.len())), Some(("ab".to_owned(), 1)));
    }

    #[test]
    fn makers_data_are_kept_as_they_came() {
        assert_eq!(read(&[0x0F, 1, 2]).map(|r| r.1), Ok(Tail { makers: Some(&[1, 2]), more_follow: false }));
        assert_eq!(read(&[0x1F]).map(|r| r.1), Ok(Tail { makers: Some(&[]), more_follow: true }));
        assert_eq!(read(&[0x01, 0x06, 1]).map(|r| r.1), Ok(Tail::default()));
    }

    #[test]
    fn a_record_cut_off_refuses_the_list() {
        assert_eq!(read(&[0x04, 0x06, 1, 2, 3]), Err(RecordFault::Cut));
        assert_eq!(read(&[0x84]), Err(RecordFault::Cut));
        assert_eq!(read(&[0x80; 20]), Err(RecordFault::TooManyExtensions));
        assert_eq!(read(&[0x3F]), Err(RecordFault::Reserved));
    }
}
