//! The vocabulary of metering: who a meter is, where it is reached, what it says and what may be asked of it.
//!
//! Promises: plain values, no I/O, no clock, no binary floating point; every quantity is an exact integer in
//! one fixed unit (below), so that equal displays give equal rows. Refuses: knowing any wire format.
//!
//! | quantity                      | fixed unit | why this one                                            |
//! |-------------------------------|------------|---------------------------------------------------------|
//! | energy, cooling energy        | J          | the only unit in which Wh and J families are both whole |
//! | volume                        | mL         | the finest step EN 13757-3 can say (10^-6 m3)           |
//! | power                         | mW         | the finest step EN 13757-3 can say                      |
//! | flow                          | mL/h       | m3/h, m3/min and m3/s are whole multiples               |
//! | temperatures, difference      | m°C, mK    | the finest step EN 13757-3 can say                      |
//! | operating time, on time       | s          |                                                         |

use std::fmt;
use std::str::FromStr;

/// A node of the cluster. Given by the replicated log, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

/// A line: one half-duplex channel with the meters on it. Given by the replicated log, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineId(pub u64);

/// A meter (or valve) on a line. Given by the replicated log, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MeterId(pub u64);

/// A command accepted by the cluster. Given by the replicated log, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// The number of one ownership of a line; the first is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

macro_rules! shown_as_number {
    ($($name:ident),+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
    )+};
}
shown_as_number!(NodeId, LineId, MeterId, CommandId, Epoch);

/// The language a meter speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// Wired M-Bus, EN 13757-2/-3.
    Mbus,
    /// CJ/T 188-2004 and -2018.
    Cjt188,
    /// Modbus RTU.
    Modbus,
}

impl Dialect {
    /// The name used in files, on the command line and in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mbus => "mbus",
            Self::Cjt188 => "cjt188",
            Self::Modbus => "modbus",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dialect {
    type Err = WordError;
    fn from_str(text: &str) -> Result<Self, WordError> {
        match text {
            "mbus" => Ok(Self::Mbus),
            "cjt188" => Ok(Self::Cjt188),
            "modbus" => Ok(Self::Modbus),
            _ => Err(WordError::new("dialect", text, "one of mbus, cjt188, modbus")),
        }
    }
}

/// A word that is not in the vocabulary: names the thing, the value and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{thing} \"{value}\" is not understood: expected {remedy}")]
pub struct WordError {
    /// What was being read.
    pub thing: &'static str,
    /// What stood there.
    pub value: String,
    /// What may stand there.
    pub remedy: &'static str,
}

impl WordError {
    /// An error about `thing`, which had `value` and should have been `remedy`.
    pub fn new(thing: &'static str, value: &str, remedy: &'static str) -> Self {
        Self { thing, value: value.to_owned(), remedy }
    }
}

/// Where on its line a meter is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// M-Bus primary address, 1..=250.
    MbusPrimary(u8),
    /// M-Bus secondary address: identification (8 hex digits as shown), manufacturer code, version, medium.
    MbusSecondary {
        /// Identification number, most significant digit first (as printed on the meter).
        id: u32,
        /// Manufacturer, the 15-bit code of EN 13757-3 clause 5.6; `FFFF` is the wildcard.
        manufacturer: u16,
        /// Version; `FF` is the wildcard.
        version: u8,
        /// Medium; `FF` is the wildcard.
        medium: u8,
    },
    /// CJ/T 188 address: 14 BCD digits, most significant first (A6 .. A0).
    Cjt188([u8; 7]),
    /// Modbus unit, 1..=247.
    ModbusUnit(u8),
}

impl Address {
    /// The dialect this form of address belongs to.
    pub const fn dialect(&self) -> Dialect {
        match self {
            Self::MbusPrimary(_) | Self::MbusSecondary { .. } => Dialect::Mbus,
            Self::Cjt188(_) => Dialect::Cjt188,
            Self::ModbusUnit(_) => Dialect::Modbus,
        }
    }

    /// Reads an address as people write it in import files.
    ///
    /// M-Bus: `1`..`250`, or a secondary address of 16 hex digits `IIIIIIIIMMMMVVTT`; CJ/T 188: up to 14 digits;
    /// Modbus: `1`..`247`.
    pub fn parse(dialect: Dialect, text: &str) -> Result<Self, WordError> {
        match dialect {
            Dialect::Mbus if text.len() == 16 => Self::parse_secondary(text),
            Dialect::Mbus => match text.parse::<u8>() {
                Ok(primary @ 1..=250) => Ok(Self::MbusPrimary(primary)),
                _ => Err(WordError::new("M-Bus address", text, "1 to 250, or 16 hex digits of a secondary address")),
            },
            Dialect::Cjt188 => Self::parse_cjt188(text),
            Dialect::Modbus => match text.parse::<u8>() {
                Ok(unit @ 1..=247) => Ok(Self::ModbusUnit(unit)),
                _ => Err(WordError::new("Modbus address", text, "a unit from 1 to 247")),
            },
        }
    }

    fn parse_secondary(text: &str) -> Result<Self, WordError> {
        u64::from_str_radix(text, 16)
            .map(|bits| Self::MbusSecondary {
                id: (bits >> 32) as u32,
                manufacturer: (bits >> 16) as u16,
                version: (bits >> 8) as u8,
                medium: bits as u8,
            })
            .map_err(|_| WordError::new("M-Bus secondary address", text, "16 hex digits IIIIIIIIMMMMVVTT"))
    }

    fn parse_cjt188(text: &str) -> Result<Self, WordError> {
        let wrong = || WordError::new("CJ/T 188 address", text, "1 to 14 decimal or hex digits");
        if text.is_empty() || text.len() > 14 {
            return Err(wrong());
        }
        let digits = u64::from_str_radix(text, 16).map_err(|_| wrong())?;
        let [_, address @ ..] = digits.to_be_bytes();
        Ok(Self::Cjt188(address))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MbusPrimary(n) | Self::ModbusUnit(n) => n.fmt(f),
            Self::MbusSecondary { id, manufacturer, version, medium } => {
                write!(f, "{id:08X}{manufacturer:04X}{version:02X}{medium:02X}")
            }
            Self::Cjt188(bytes) => bytes.iter().try_for_each(|b| write!(f, "{b:02X}")),
        }
    }
}

/// What a meter measures. The fixed unit of each is in the module's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quantity {
    /// Heat energy, J.
    Energy,
    /// Cooling energy, J.
    CoolingEnergy,
    /// Volume, mL.
    Volume,
    /// Thermal power, mW.
    Power,
    /// Volume flow, mL/h.
    Flow,
    /// Flow (supply) temperature, m°C.
    SupplyTemp,
    /// Return temperature, m°C.
    ReturnTemp,
    /// Temperature difference, mK.
    TempDifference,
    /// Time in operation, s.
    OperatingTime,
    /// Time powered, s.
    OnTime,
    /// The meter's own error flags, bits as sent.
    ErrorFlags,
}

impl Quantity {
    /// Every quantity, in the order of the table's columns.
    pub const ALL: [Self; 11] = [
        Self::Energy,
        Self::CoolingEnergy,
        Self::Volume,
        Self::Power,
        Self::Flow,
        Self::SupplyTemp,
        Self::ReturnTemp,
        Self::TempDifference,
        Self::OperatingTime,
        Self::OnTime,
        Self::ErrorFlags,
    ];

    /// The name used in profiles, tables and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Energy => "energy",
            Self::CoolingEnergy => "cooling_energy",
            Self::Volume => "volume",
            Self::Power => "power",
            Self::Flow => "flow",
            Self::SupplyTemp => "supply_temp",
            Self::ReturnTemp => "return_temp",
            Self::TempDifference => "temp_difference",
            Self::OperatingTime => "operating_time",
            Self::OnTime => "on_time",
            Self::ErrorFlags => "error_flags",
        }
    }

    /// The fixed unit of the integers that carry this quantity.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Energy | Self::CoolingEnergy => "J",
            Self::Volume => "mL",
            Self::Power => "mW",
            Self::Flow => "mL/h",
            Self::SupplyTemp | Self::ReturnTemp => "m°C",
            Self::TempDifference => "mK",
            Self::OperatingTime | Self::OnTime => "s",
            Self::ErrorFlags => "",
        }
    }
}

/// One value: an exact integer in the quantity's fixed unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measurement {
    /// What was measured.
    pub quantity: Quantity,
    /// How much, in [`Quantity::unit`].
    pub value: i64,
}

/// The meter's own clock, as it shows it: civil time without a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CivilTime {
    /// Four-digit year.
    pub year: u16,
    /// 1..=12.
    pub month: u8,
    /// 1..=31.
    pub day: u8,
    /// 0..=23.
    pub hour: u8,
    /// 0..=59.
    pub minute: u8,
    /// 0..=59.
    pub second: u8,
}

impl CivilTime {
    /// Whether the calendar has this date and the day this time.
    pub const fn is_possible(&self) -> bool {
        let leap = self.year.is_multiple_of(4) && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400));
        let days = match self.month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return false,
        };
        self.day >= 1 && self.day <= days && self.hour <= 23 && self.minute <= 59 && self.second <= 59
    }
}

impl fmt::Display for CivilTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second } = self;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
    }
}

/// Where a valve says it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValveState {
    /// Fully open.
    Open,
    /// Fully closed.
    Closed,
    /// The meter reports the valve as faulty.
    Fault,
}

impl ValveState {
    /// The name used in tables and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Fault => "fault",
        }
    }
}

/// Doubts about a reading: stored with it, never a reason to drop it. Bits are durable and only appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quality(pub u32);

impl Quality {
    /// The value was finer than the table's unit, and was rounded.
    pub const ROUNDED: Self = Self(1);
    /// The meter marked a value as invalid; that value is absent.
    pub const INVALID_VALUE: Self = Self(1 << 1);
    /// The meter reports an error in its status.
    pub const METER_ERROR: Self = Self(1 << 2);
    /// The meter reports a low battery.
    pub const LOW_BATTERY: Self = Self(1 << 3);
    /// A value did not fit the table's integer and is absent.
    pub const OUT_OF_RANGE: Self = Self(1 << 4);
    /// The meter's clock is implausible.
    pub const CLOCK_OFF: Self = Self(1 << 5);

    /// Both sets of doubts.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every doubt of `other` is among these.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What a meter answered to one read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The address or identity the meter gave in its answer, as people write it.
    pub identity: String,
    /// The values, at most one per quantity.
    pub measurements: Vec<Measurement>,
    /// The meter's own clock.
    pub meter_time: Option<CivilTime>,
    /// The valve, where there is one.
    pub valve: Option<ValveState>,
    /// Doubts.
    pub quality: Quality,
    /// The frame or frames as they came, for disputes.
    pub raw: Vec<u8>,
}

impl Reading {
    /// The value of `quantity` in its fixed unit, if the meter gave one.
    pub fn value(&self, quantity: Quantity) -> Option<i64> {
        self.measurements.iter().find(|m| m.quantity == quantity).map(|m| m.value)
    }
}

/// What a command asks of a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Read now, outside the schedule.
    ReadNow,
    /// Open the valve.
    ValveOpen,
    /// Close the valve.
    ValveClose,
}

impl Action {
    /// The name used in tables and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadNow => "read-now",
            Self::ValveOpen => "valve-open",
            Self::ValveClose => "valve-close",
        }
    }

    /// Whether doing it twice leaves the meter as doing it once does.
    pub const fn is_safe_to_repeat(self) -> bool {
        match self {
            Self::ReadNow | Self::ValveOpen | Self::ValveClose => true,
        }
    }

    /// The state in which the valve must be seen before the command counts as verified.
    pub const fn wanted_valve(self) -> Option<ValveState> {
        match self {
            Self::ReadNow => None,
            Self::ValveOpen => Some(ValveState::Open),
            Self::ValveClose => Some(ValveState::Closed),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Action {
    type Err = WordError;
    fn from_str(text: &str) -> Result<Self, WordError> {
        match text {
            "read-now" => Ok(Self::ReadNow),
            "valve-open" => Ok(Self::ValveOpen),
            "valve-close" => Ok(Self::ValveClose),
            _ => Err(WordError::new("action", text, "one of read-now, valve-open, valve-close")),
        }
    }
}
