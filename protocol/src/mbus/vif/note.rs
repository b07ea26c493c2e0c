//! What VIFEs say of a value (EN 13757-3 tables 15 and 17), kept as their codes and told in words when asked.
//!
//! Promises: holds every note a record can have without memory of its own. Refuses: codes that only scale.

use std::fmt;

use crate::mbus::fault::MOST_EXTENSIONS;

/// What one VIFE says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Note(pub(super) u8);

/// What the VIFEs of one record say, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Notes {
    codes: [u8; MOST_EXTENSIONS],
    count: u8,
}

impl Notes {
    /// Nothing is said.
    pub const NONE: Self = Self { codes: [0; MOST_EXTENSIONS], count: 0 };

    pub(super) fn push(&mut self, note: Note) {
        if let Some(place) = self.codes.get_mut(usize::from(self.count)) {
            *place = note.0;
            self.count += 1;
        }
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether nothing is said.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Each of them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Note> + '_ {
        self.codes.iter().take(self.len()).copied().map(Note)
    }

    /// The last one.
    pub fn last(&self) -> Option<Note> {
        self.iter().next_back()
    }
}

impl Note {
    /// Whether it says that the record has no valid value.
    pub const fn is_error(self) -> bool {
        is_error(self.0)
    }
}

impl fmt::Display for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().enumerate().try_for_each(|(nth, note)| write!(f, "{}{note}", if nth == 0 { "" } else { ", " }))
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.0;
        match code {
            0x00..=0x1F => f.write_str(record_code(code)),
            0x20..=0x3F => f.write_str(rate(code)),
            0x40..=0x6F => write_limit(code, f),
            0x78..=0x7B => write!(f, "10^{} of the unit to be added", i32::from(code & 0b11) - 3),
            0x7E => f.write_str("future value"),
            0x7F => f.write_str("manufacturer specific"),
            _ => f.write_str(RESERVED),
        }
    }
}

/// Bit 3 of the code: upper, not lower. Bit 2: the last, not the first. Bit 0, or bits 1-0: what of it.
fn write_limit(code: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let bound = if code & 0x08 == 0 { "lower" } else { "upper" };
    let nth = if code & 0x04 == 0 { "first" } else { "last" };
    let end = if code & 0x01 == 0 { "begin" } else { "end" };
    match code {
        0x40 | 0x48 => write!(f, "{bound} limit"),
        0x41 | 0x49 => write!(f, "number of exceeds of the {bound} limit"),
        0x42 | 0x43 | 0x46 | 0x47 | 0x4A | 0x4B | 0x4E | 0x4F => {
            write!(f, "{end} of the {nth} exceed of the {bound} limit")
        }
        0x50..=0x5F => write!(f, "duration of the {nth} exceed of the {bound} limit"),
        0x60..=0x67 => write!(f, "duration of the {nth}"),
        0x68 => f.write_str("while below the limit"),
        0x6C => f.write_str("while above the limit"),
        0x69 => f.write_str("leakage"),
        0x6D => f.write_str("overflow"),
        0x6A | 0x6B | 0x6E | 0x6F => write!(f, "{end} of the {nth}"),
        _ => f.write_str(RESERVED),
    }
}

const RESERVED: &str = "reserved extension";

/// Whether the code says that the record has no valid value.
pub(super) const fn is_error(code: u8) -> bool {
    matches!(code, 0x01..=0x07 | 0x0B..=0x0F | 0x15..=0x18 | 0x1C)
}

/// EN 13757-3 table 17, "codes for record errors", and those of table 15 among them that are none.
const fn record_code(code: u8) -> &'static str {
    match code {
        0x01 => "too many DIFEs",
        0x02 => "storage number not implemented",
        0x03 => "unit number not implemented",
        0x04 => "tariff number not implemented",
        0x05 => "function not implemented",
        0x06 => "data class not implemented",
        0x07 => "data size not implemented",
        0x0B => "too many VIFEs",
        0x0C => "illegal VIF group",
        0x0D => "illegal VIF exponent",
        0x0E => "VIF and DIF do not fit",
        0x0F => "action not implemented",
        0x12 => "average",
        0x13 => "inverse compact profile",
        0x14 => "relative deviation",
        0x15 => "no data available",
        0x16 => "data overflow",
        0x17 => "data underflow",
        0x18 => "data error",
        0x1C => "premature end of record",
        0x1E => "compact profile with registers",
        0x1F => "compact profile",
        _ => RESERVED,
    }
}

const fn rate(code: u8) -> &'static str {
    match code {
        0x20 => "per second",
        0x21 => "per minute",
        0x22 => "per hour",
        0x23 => "per day",
        0x24 => "per week",
        0x25 => "per month",
        0x26 => "per year",
        0x27 => "per revolution or measurement",
        0x28 => "increment per input pulse on channel 0",
        0x29 => "increment per input pulse on channel 1",
        0x2A => "increment per output pulse on channel 0",
        0x2B => "increment per output pulse on channel 1",
        0x2C => "per litre",
        0x2D => "per m3",
        0x2E => "per kg",
        0x2F => "per K",
        0x30 => "per kWh",
        0x31 => "per GJ",
        0x32 => "per kW",
        0x33 => "per K l",
        0x34 => "per V",
        0x35 => "per A",
        0x36 => "multiplied by s",
        0x37 => "multiplied by s/V",
        0x38 => "multiplied by s/A",
        0x39 => "start of",
        0x3A => "uncorrected",
        0x3B => "positive contributions only",
        0x3C => "negative contributions only",
        0x3D => "in the other than metric unit system",
        0x3E => "at base conditions",
        _ => "as OBIS declares",
    }
}
