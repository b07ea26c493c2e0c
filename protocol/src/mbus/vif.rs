//! What a record's value is: the value information block (EN 13757-3 clause 6.3 ff., tables 10, 12, 14, 15).
//!
//! ```text
//!   VIF [VIFE ..]      bit 7: another byte follows
//!   06                 energy, 10^3 Wh               FB 01   energy, 10^0 MWh: the FB table
//!   FC 03 'C' 'b' 'A'  plain text, unit unknown      FD 17   error flags: the FD table
//! ```
//!
//! Promises: every chain is stepped over as the standard builds it, known or not. Refuses: more than
//! [`MOST_EXTENSIONS`] extensions, and to interpret anything behind a maker's own code (7F/FF).

use super::fault::{MOST_EXTENSIONS, RecordFault};
use crate::amount::Unit;
use crate::bytes::Cursor;

/// The longest plain-text unit believed, in characters.
const MOST_TEXT: u8 = 32;

/// What a value stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// Energy.
    Energy,
    /// Volume.
    Volume,
    /// Power.
    Power,
    /// Volume flow.
    Flow,
    /// Flow temperature.
    FlowTemp,
    /// Return temperature.
    ReturnTemp,
    /// Temperature difference.
    TempDifference,
    /// Time powered.
    OnTime,
    /// Time in operation.
    OperatingTime,
    /// Date.
    Date,
    /// Date and time, or time of day.
    DateTime,
    /// Fabrication number.
    FabricationNumber,
    /// Error flags (FD 17).
    ErrorFlags,
    /// Remote control (FD 1F).
    RemoteControl,
    /// Something no column has.
    Other,
}

impl Meaning {
    /// Every meaning a profile can name.
    pub const NAMED: [Self; 14] = [
        Self::Energy,
        Self::Volume,
        Self::Power,
        Self::Flow,
        Self::FlowTemp,
        Self::ReturnTemp,
        Self::TempDifference,
        Self::OnTime,
        Self::OperatingTime,
        Self::Date,
        Self::DateTime,
        Self::FabricationNumber,
        Self::ErrorFlags,
        Self::RemoteControl,
    ];

    /// The name used in profiles.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Energy => "energy",
            Self::Volume => "volume",
            Self::Power => "power",
            Self::Flow => "flow",
            Self::FlowTemp => "flow_temp",
            Self::ReturnTemp => "return_temp",
            Self::TempDifference => "temp_difference",
            Self::OnTime => "on_time",
            Self::OperatingTime => "operating_time",
            Self::Date => "date",
            Self::DateTime => "date_time",
            Self::FabricationNumber => "fabrication_number",
            Self::ErrorFlags => "error_flags",
            Self::RemoteControl => "remote_control",
            Self::Other => "other",
        }
    }
}

/// A value information block, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vif {
    /// What the value stands for.
    pub meaning: Meaning,
    /// Its unit.
    pub unit: Unit,
    /// The power of ten before the unit.
    pub exp10: i32,
    /// A VIFE says that there is no valid value (error codes 01..1C).
    pub is_error: bool,
    /// A VIFE makes it something else than the plain quantity: a limit, a rate, a backward count, a maker's own.
    pub is_altered: bool,
}

impl Vif {
    const fn new(meaning: Meaning, unit: Unit, exp10: i32) -> Self {
        Self { meaning, unit, exp10, is_error: false, is_altered: false }
    }

    const OTHER: Self = Self::new(Meaning::Other, Unit::Plain, 0);

    /// Reads the block at `cursor`.
    pub fn read(cursor: &mut Cursor<'_>) -> Result<Self, RecordFault> {
        let first = cursor.byte().ok_or(RecordFault::Cut)?;
        match first {
            0xFB | 0xFD => {
                let second = cursor.byte().ok_or(RecordFault::Cut)?;
                let code = second & 0x7F;
                let vif = if first == 0xFB { extension_fb(code) } else { extension_fd(code) };
                vif.read_extensions(second, cursor)
            }
            0x7C => Self::OTHER.skip_text(cursor),
            0xFC => Self::OTHER.read_text_and_extensions(cursor),
            _ => primary(first & 0x7F).read_extensions(first, cursor),
        }
    }

    /// Applies the VIFEs behind `previous`, while bit 7 says that there is another.
    fn read_extensions(mut self, previous: u8, cursor: &mut Cursor<'_>) -> Result<Self, RecordFault> {
        let mut last = previous;
        let mut is_makers = previous == 0xFF;
        for _ in 0..MOST_EXTENSIONS {
            if last & 0x80 == 0 {
                return Ok(self);
            }
            last = cursor.byte().ok_or(RecordFault::Cut)?;
            if !is_makers {
                self.apply(last & 0x7F);
            }
            is_makers |= last & 0x7F == 0x7F;
        }
        if last & 0x80 == 0 { Ok(self) } else { Err(RecordFault::TooManyExtensions) }
    }

    /// EN 13757-3 table 15, "combinable (orthogonal) VIFE".
    fn apply(&mut self, code: u8) {
        match code {
            0x00 | 0x1D | 0x3B => {}
            0x12 | 0x13 | 0x1E | 0x1F => self.is_altered = true,
            0x01..=0x1C => self.is_error = true,
            0x70..=0x77 => self.exp10 += i32::from(code & 0b111) - 6,
            0x7D => self.exp10 += 3,
            _ => self.is_altered = true,
        }
    }

    fn skip_text(self, cursor: &mut Cursor<'_>) -> Result<Self, RecordFault> {
        let length = cursor.byte().ok_or(RecordFault::Cut)?;
        cursor.take(length.into()).map(|_| self).ok_or(RecordFault::Cut)
    }

    /// Meters differ in what comes first behind FC: the text where its place looks like text, else the VIFEs.
    fn read_text_and_extensions(self, cursor: &mut Cursor<'_>) -> Result<Self, RecordFault> {
        let mut ahead = *cursor;
        if is_text(&mut ahead) {
            *cursor = ahead;
            return self.read_extensions(0x80, cursor);
        }
        self.read_extensions(0x80, cursor)?.skip_text(cursor)
    }
}

fn is_text(cursor: &mut Cursor<'_>) -> bool {
    let Some(length @ 1..=MOST_TEXT) = cursor.byte() else { return false };
    cursor.take(length.into()).is_some_and(|text| text.iter().all(|c| matches!(c, 0x20..=0x7E | 0xA0..=0xFF)))
}

/// EN 13757-3 table 10, "primary VIF codes".
fn primary(code: u8) -> Vif {
    let n = i32::from(code & 0b111);
    let nn = i32::from(code & 0b11);
    match code {
        0x00..=0x07 => Vif::new(Meaning::Energy, Unit::WattHour, n - 3),
        0x08..=0x0F => Vif::new(Meaning::Energy, Unit::Joule, n),
        0x10..=0x17 => Vif::new(Meaning::Volume, Unit::CubicMetre, n - 6),
        0x20..=0x23 => Vif::new(Meaning::OnTime, duration(nn), 0),
        0x24..=0x27 => Vif::new(Meaning::OperatingTime, duration(nn), 0),
        0x28..=0x2F => Vif::new(Meaning::Power, Unit::Watt, n - 3),
        0x30..=0x37 => Vif::new(Meaning::Power, Unit::JoulePerHour, n),
        0x38..=0x3F => Vif::new(Meaning::Flow, Unit::CubicMetrePerHour, n - 6),
        0x40..=0x47 => Vif::new(Meaning::Flow, Unit::CubicMetrePerMinute, n - 7),
        0x48..=0x4F => Vif::new(Meaning::Flow, Unit::CubicMetrePerSecond, n - 9),
        0x58..=0x5B => Vif::new(Meaning::FlowTemp, Unit::Celsius, nn - 3),
        0x5C..=0x5F => Vif::new(Meaning::ReturnTemp, Unit::Celsius, nn - 3),
        0x60..=0x63 => Vif::new(Meaning::TempDifference, Unit::Kelvin, nn - 3),
        0x6C => Vif::new(Meaning::Date, Unit::Plain, 0),
        0x6D => Vif::new(Meaning::DateTime, Unit::Plain, 0),
        0x78 => Vif::new(Meaning::FabricationNumber, Unit::Plain, 0),
        _ => Vif::OTHER,
    }
}

const fn duration(code: i32) -> Unit {
    match code {
        0 => Unit::Second,
        1 => Unit::Minute,
        2 => Unit::Hour,
        _ => Unit::Day,
    }
}

/// EN 13757-3 table 12, "alternate extended VIF codes" behind FB.
fn extension_fb(code: u8) -> Vif {
    let n = i32::from(code & 1);
    match code {
        0x00 | 0x01 => Vif::new(Meaning::Energy, Unit::WattHour, n + 5),
        0x08 | 0x09 => Vif::new(Meaning::Energy, Unit::Joule, n + 8),
        0x10 | 0x11 => Vif::new(Meaning::Volume, Unit::CubicMetre, n + 2),
        0x28 | 0x29 => Vif::new(Meaning::Power, Unit::Watt, n + 5),
        0x30 | 0x31 => Vif::new(Meaning::Power, Unit::JoulePerHour, n + 8),
        _ => Vif::OTHER,
    }
}

/// EN 13757-3 table 14, "main VIFE-code extension" behind FD.
fn extension_fd(code: u8) -> Vif {
    match code {
        0x17 => Vif::new(Meaning::ErrorFlags, Unit::Plain, 0),
        0x1F => Vif::new(Meaning::RemoteControl, Unit::Plain, 0),
        _ => Vif::OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (Result<Vif, RecordFault>, usize) {
        let mut cursor = Cursor::new(bytes);
        (Vif::read(&mut cursor), cursor.rest().len())
    }

    #[test]
    fn the_heat_meter_set_has_the_standards_exponents() {
        for (bytes, meaning, unit, exp10) in [
            (&[0x06][..], Meaning::Energy, Unit::WattHour, 3),
            (&[0x0F], Meaning::Energy, Unit::Joule, 7),
            (&[0xFB, 0x01], Meaning::Energy, Unit::WattHour, 6),
            (&[0xFB, 0x09], Meaning::Energy, Unit::Joule, 9),
            (&[0x14], Meaning::Volume, Unit::CubicMetre, -2),
            (&[0x2D], Meaning::Power, Unit::Watt, 2),
            (&[0x3B], Meaning::Flow, Unit::CubicMetrePerHour, -3),
            (&[0x47], Meaning::Flow, Unit::CubicMetrePerMinute, 0),
            (&[0x4F], Meaning::Flow, Unit::CubicMetrePerSecond, -2),
            (&[0x5A], Meaning::FlowTemp, Unit::Celsius, -1),
            (&[0x5F], Meaning::ReturnTemp, Unit::Celsius, 0),
            (&[0x61], Meaning::TempDifference, Unit::Kelvin, -2),
            (&[0x22], Meaning::OnTime, Unit::Hour, 0),
            (&[0x27], Meaning::OperatingTime, Unit::Day, 0),
        ] {
            assert_eq!(read(bytes), (Ok(Vif::new(meaning, unit, exp10)), 0), "{bytes:02X?}");
        }
    }

    #[test]
    fn a_factor_moves_the_point_and_a_limit_alters_the_meaning() {
        assert_eq!(read(&[0x86, 0x77]).0.map(|v| (v.exp10, v.is_altered)), Ok((4, false)));
        assert_eq!(read(&[0x86, 0x7D]).0.map(|v| (v.exp10, v.is_altered)), Ok((6, false)));
        assert!(read(&[0xBB, 0x40]).0.is_ok_and(|v| v.is_altered));
        assert!(read(&[0x86, 0x3C]).0.is_ok_and(|v| v.is_altered));
        assert!(read(&[0x86, 0x15]).0.is_ok_and(|v| v.is_error));
    }

    #[test]
    fn nothing_behind_a_makers_own_code_is_interpreted() {
        let (vif, left) = read(&[0x86, 0xFF, 0xF7, 0x15]);
        assert_eq!(left, 0);
        assert!(vif.is_ok_and(|v| v.is_altered && !v.is_error && v.exp10 == 3));
    }

    #[test]
    fn plain_text_is_stepped_over_before_or_behind_the_extensions() {
        assert_eq!(read(&[0x7C, 0x02, b'l', b'k', 0x99]).1, 1);
        assert_eq!(read(&[0xFC, 0x03, b'H', b'R', b'%', 0x74, 0x99]).1, 1);
        assert_eq!(read(&[0xFC, 0x74, 0x03, b'H', b'R', b'%', 0x99]).1, 1);
    }

    #[test]
    fn more_than_ten_extensions_are_refused() {
        assert_eq!(read(&[0x86; 20]).0, Err(RecordFault::TooManyExtensions));
        assert_eq!(read(&[0x86]).0, Err(RecordFault::Cut));
    }
}
