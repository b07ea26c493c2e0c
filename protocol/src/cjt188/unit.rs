//! The unit byte that stands with every value (CJ/T 188-2004 table "units").
//!
//! Promises: each code is one unit and one power of ten. Refuses: codes the table does not have.

use crate::amount::{Dimension, Unit};

/// A code of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "each is named by its unit")]
pub enum UnitCode {
    J = 0x01,
    Wh = 0x02,
    KWh = 0x05,
    MWh = 0x08,
    HundredMWh = 0x0A,
    KJ = 0x0B,
    MJ = 0x0E,
    GJ = 0x11,
    HundredGJ = 0x13,
    W = 0x14,
    KW = 0x17,
    MW = 0x1A,
    L = 0x29,
    M3 = 0x2C,
    LPerHour = 0x32,
    M3PerHour = 0x35,
}

impl UnitCode {
    const ALL: [Self; 16] = [
        Self::J,
        Self::Wh,
        Self::KWh,
        Self::MWh,
        Self::HundredMWh,
        Self::KJ,
        Self::MJ,
        Self::GJ,
        Self::HundredGJ,
        Self::W,
        Self::KW,
        Self::MW,
        Self::L,
        Self::M3,
        Self::LPerHour,
        Self::M3PerHour,
    ];

    /// The unit of a code, if the table has it.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.code() == code)
    }

    /// The code.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The unit, and the power of ten before it.
    pub const fn unit(self) -> (Unit, i32) {
        match self {
            Self::J => (Unit::Joule, 0),
            Self::Wh => (Unit::WattHour, 0),
            Self::KWh => (Unit::WattHour, 3),
            Self::MWh => (Unit::WattHour, 6),
            Self::HundredMWh => (Unit::WattHour, 8),
            Self::KJ => (Unit::Joule, 3),
            Self::MJ => (Unit::Joule, 6),
            Self::GJ => (Unit::Joule, 9),
            Self::HundredGJ => (Unit::Joule, 11),
            Self::W => (Unit::Watt, 0),
            Self::KW => (Unit::Watt, 3),
            Self::MW => (Unit::Watt, 6),
            Self::L => (Unit::CubicMetre, -3),
            Self::M3 => (Unit::CubicMetre, 0),
            Self::LPerHour => (Unit::CubicMetrePerHour, -3),
            Self::M3PerHour => (Unit::CubicMetrePerHour, 0),
        }
    }

    /// What it measures.
    pub const fn dimension(self) -> Dimension {
        self.unit().0.dimension()
    }
}
