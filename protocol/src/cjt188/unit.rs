//! The unit byte that stands with every value (CJ/T 188-2004 and -2018, table "units").
//!
//! ```text
//!   05 kWh   06 kWh*10   07 kWh*100     each unit has three codes in a row: times 1, 10 and 100
//! ```
//!
//! Promises: each code is one unit and one power of ten. Refuses: codes the table does not have.

use serde::{Deserialize, Deserializer};

use crate::amount::{Dimension, Unit};
use crate::named::word;

macro_rules! units {
    ($($name:ident = $code:literal, $unit:ident, $exp10:literal, $symbol:literal;)+) => {
        /// A code of the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "each is named by its unit")]
        pub enum UnitCode {
            $($name = $code,)+
        }

        impl UnitCode {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The unit, and the power of ten before it.
            pub const fn unit(self) -> (Unit, i32) {
                match self {
                    $(Self::$name => (Unit::$unit, $exp10),)+
                }
            }

            /// The symbol, with a factor where the code has one.
            pub const fn symbol(self) -> &'static str {
                match self {
                    $(Self::$name => $symbol,)+
                }
            }
        }
    };
}

units! {
    J = 0x01, Joule, 0, "J";
    Wh = 0x02, WattHour, 0, "Wh";
    TenWh = 0x03, WattHour, 1, "Wh*10";
    HundredWh = 0x04, WattHour, 2, "Wh*100";
    KWh = 0x05, WattHour, 3, "kWh";
    TenKWh = 0x06, WattHour, 4, "kWh*10";
    HundredKWh = 0x07, WattHour, 5, "kWh*100";
    MWh = 0x08, WattHour, 6, "MWh";
    TenMWh = 0x09, WattHour, 7, "MWh*10";
    HundredMWh = 0x0A, WattHour, 8, "MWh*100";
    KJ = 0x0B, Joule, 3, "kJ";
    TenKJ = 0x0C, Joule, 4, "kJ*10";
    HundredKJ = 0x0D, Joule, 5, "kJ*100";
    MJ = 0x0E, Joule, 6, "MJ";
    TenMJ = 0x0F, Joule, 7, "MJ*10";
    HundredMJ = 0x10, Joule, 8, "MJ*100";
    GJ = 0x11, Joule, 9, "GJ";
    TenGJ = 0x12, Joule, 10, "GJ*10";
    HundredGJ = 0x13, Joule, 11, "GJ*100";
    W = 0x14, Watt, 0, "W";
    TenW = 0x15, Watt, 1, "W*10";
    HundredW = 0x16, Watt, 2, "W*100";
    KW = 0x17, Watt, 3, "kW";
    TenKW = 0x18, Watt, 4, "kW*10";
    HundredKW = 0x19, Watt, 5, "kW*100";
    MW = 0x1A, Watt, 6, "MW";
    TenMW = 0x1B, Watt, 7, "MW*10";
    HundredMW = 0x1C, Watt, 8, "MW*100";
    L = 0x29, CubicMetre, -3, "L";
    TenL = 0x2A, CubicMetre, -2, "L*10";
    HundredL = 0x2B, CubicMetre, -1, "L*100";
    M3 = 0x2C, CubicMetre, 0, "m3";
    TenM3 = 0x2D, CubicMetre, 1, "m3*10";
    HundredM3 = 0x2E, CubicMetre, 2, "m3*100";
    LPerHour = 0x32, CubicMetrePerHour, -3, "L/h";
    TenLPerHour = 0x33, CubicMetrePerHour, -2, "L/h*10";
    HundredLPerHour = 0x34, CubicMetrePerHour, -1, "L/h*100";
    M3PerHour = 0x35, CubicMetrePerHour, 0, "m3/h";
    TenM3PerHour = 0x36, CubicMetrePerHour, 1, "m3/h*10";
    HundredM3PerHour = 0x37, CubicMetrePerHour, 2, "m3/h*100";
    JPerHour = 0x40, JoulePerHour, 0, "J/h";
    KJPerHour = 0x43, JoulePerHour, 3, "kJ/h";
    TenKJPerHour = 0x44, JoulePerHour, 4, "kJ/h*10";
    HundredKJPerHour = 0x45, JoulePerHour, 5, "kJ/h*100";
    MJPerHour = 0x46, JoulePerHour, 6, "MJ/h";
    TenMJPerHour = 0x47, JoulePerHour, 7, "MJ/h*10";
    HundredMJPerHour = 0x48, JoulePerHour, 8, "MJ/h*100";
    GJPerHour = 0x49, JoulePerHour, 9, "GJ/h";
    TenGJPerHour = 0x4A, JoulePerHour, 10, "GJ/h*10";
    HundredGJPerHour = 0x4B, JoulePerHour, 11, "GJ/h*100";
}

impl UnitCode {
    /// The unit of a code, if the table has it.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|unit| unit.code() == code)
    }

    /// The code.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What it measures.
    pub const fn dimension(self) -> Dimension {
        self.unit().0.dimension()
    }
}

impl<'de> Deserialize<'de> for UnitCode {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        word(from, "unit", Self::ALL, Self::symbol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_one_unit_both_ways_and_a_symbol_of_its_own() {
        let known: Vec<UnitCode> = (0..=255).filter_map(UnitCode::from_code).collect();
        assert_eq!(known, UnitCode::ALL);
        let mut symbols: Vec<&str> = known.iter().map(|unit| unit.symbol()).collect();
        symbols.sort_unstable();
        symbols.dedup();
        assert_eq!(symbols.len(), known.len());
    }

    #[test]
    fn three_codes_in_a_row_are_one_unit_times_one_ten_and_a_hundred() {
        for first in [0x02, 0x05, 0x08, 0x0B, 0x0E, 0x11, 0x14, 0x17, 0x1A, 0x29, 0x2C, 0x32, 0x35, 0x43, 0x46, 0x49] {
            let (unit, exp10) = UnitCode::from_code(first).expect("a unit").unit();
            for times in 1..=2 {
                let shifted = UnitCode::from_code(first + times).expect("a unit").unit();
                assert_eq!(shifted, (unit, exp10 + i32::from(times)));
            }
        }
    }
}
