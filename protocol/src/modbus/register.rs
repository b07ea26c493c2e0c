//! Numbers in registers: their type, the order of their bytes, their scale and unit.
//!
//! ```text
//!   value 0xAABBCCDD in two registers      ABCD  AABB CCDD       CDAB  CCDD AABB
//!                                          BADC  BBAA DDCC       DCBA  DDCC BBAA
//! ```
//!
//! Promises: exact: integers stay integers, a float goes by its bits. Refuses: units that are not in the vocabulary.

use serde::{Deserialize, Deserializer, de};

use crate::amount::{Amount, Unit};
use crate::bytes::bcd_decode;

pub use crate::scale::Scale;

/// The type of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One register, unsigned.
    U16,
    /// One register, two's complement.
    I16,
    /// Two registers, unsigned.
    U32,
    /// Two registers, two's complement.
    I32,
    /// Two registers, IEEE 754 single.
    F32,
    /// Four registers, unsigned.
    U64,
    /// Four registers, two's complement.
    I64,
    /// One register, four decimal digits.
    Bcd16,
    /// Two registers, eight decimal digits.
    Bcd32,
}

impl Kind {
    /// How many registers it takes.
    pub const fn width(self) -> u16 {
        match self {
            Self::U16 | Self::I16 | Self::Bcd16 => 1,
            Self::U32 | Self::I32 | Self::F32 | Self::Bcd32 => 2,
            Self::U64 | Self::I64 => 4,
        }
    }
}

/// The order of the bytes of a number, A the most significant; longer numbers go on in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Order {
    /// The most significant register first, as the standard's registers themselves.
    #[default]
    Abcd,
    /// The least significant register first.
    Cdab,
    /// The most significant register first, the bytes of each swapped.
    Badc,
    /// The least significant byte first.
    Dcba,
}

impl Order {
    /// The bytes of the number in `registers`, the most significant first.
    pub fn bytes(self, registers: &[u16]) -> Vec<u8> {
        let pair = |register: &u16| match self {
            Self::Abcd | Self::Cdab => register.to_be_bytes(),
            Self::Badc | Self::Dcba => register.to_le_bytes(),
        };
        match self {
            Self::Abcd | Self::Badc => registers.iter().flat_map(pair).collect(),
            Self::Cdab | Self::Dcba => registers.iter().rev().flat_map(pair).collect(),
        }
    }
}

/// The units there are.
const UNITS: &str = "Wh, kWh, MWh, J, kJ, MJ, GJ, L, m3, W, kW, MW, GJ/h, L/h, m3/h, L/min, L/s, °C, K, s, min, h, d";

/// A unit as manuals write it: ten to a power of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named(pub i32, pub Unit);

impl Named {
    /// The unit people write as `kWh` or `L/h`; empty for a number without one.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "" => Self(0, Unit::Plain),
            "Wh" => Self(0, Unit::WattHour),
            "kWh" => Self(3, Unit::WattHour),
            "MWh" => Self(6, Unit::WattHour),
            "J" => Self(0, Unit::Joule),
            "kJ" => Self(3, Unit::Joule),
            "MJ" => Self(6, Unit::Joule),
            "GJ" => Self(9, Unit::Joule),
            "L" => Self(-3, Unit::CubicMetre),
            "m3" => Self(0, Unit::CubicMetre),
            "W" => Self(0, Unit::Watt),
            "kW" => Self(3, Unit::Watt),
            "MW" => Self(6, Unit::Watt),
            "GJ/h" => Self(9, Unit::JoulePerHour),
            "L/h" => Self(-3, Unit::CubicMetrePerHour),
            "m3/h" => Self(0, Unit::CubicMetrePerHour),
            "L/min" => Self(-3, Unit::CubicMetrePerMinute),
            "L/s" => Self(-3, Unit::CubicMetrePerSecond),
            "°C" => Self(0, Unit::Celsius),
            "K" => Self(0, Unit::Kelvin),
            "s" => Self(0, Unit::Second),
            "min" => Self(0, Unit::Minute),
            "h" => Self(0, Unit::Hour),
            "d" => Self(0, Unit::Day),
            _ => return None,
        })
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let wrong = || format!("unit \"{text}\" is not in the vocabulary: write one of {UNITS}, or nothing");
        Self::parse(&text).ok_or_else(|| de::Error::custom(wrong()))
    }
}

/// What registers hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// A number.
    Amount(Amount),
    /// No number: digits above nine, an infinity.
    Invalid,
    /// A number that does not fit.
    TooLarge,
}

/// The amount in `registers`, which are as many as `kind` is wide.
pub fn amount(registers: &[u16], kind: Kind, order: Order, scale: Scale, unit: Named) -> Held {
    let bytes = order.bytes(registers);
    let raw = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let number = match kind {
        Kind::U16 | Kind::U32 | Kind::U64 => i64::try_from(raw).ok(),
        Kind::I16 => Some(i64::from(raw as u16 as i16)),
        Kind::I32 => Some(i64::from(raw as u32 as i32)),
        Kind::I64 => Some(raw as i64),
        Kind::F32 => {
            let Named(exponent, unit) = unit;
            let Some(real) = Amount::real32(raw as u32) else { return Held::Invalid };
            return real.scaled(exponent, unit).times(scale).map_or(Held::TooLarge, Held::Amount);
        }
        Kind::Bcd16 | Kind::Bcd32 => {
            let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
            let Some(digits) = bcd_decode(&reversed) else { return Held::Invalid };
            i64::try_from(digits).ok()
        }
    };
    let Named(exponent, unit) = unit;
    match number.and_then(|number| number.checked_mul(scale.factor)) {
        Some(number) => Held::Amount(Amount::decimal(number, scale.exponent + exponent, unit)),
        None => Held::TooLarge,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(registers: &[u16], kind: Kind, order: Order, scale: &str, unit: &str) -> Option<i64> {
        let (scale, unit) = (Scale::parse(scale).expect("a scale"), Named::parse(unit).expect("a unit"));
        match amount(registers, kind, order, scale, unit) {
            Held::Amount(amount) => amount.fixed().map(|fixed| fixed.value),
            Held::Invalid | Held::TooLarge => None,
        }
    }

    #[test]
    fn the_four_orders_are_four_arrangements_of_one_number() {
        for (order, registers) in [
            (Order::Abcd, [0xAABB, 0xCCDD]),
            (Order::Cdab, [0xCCDD, 0xAABB]),
            (Order::Badc, [0xBBAA, 0xDDCC]),
            (Order::Dcba, [0xDDCC, 0xBBAA]),
        ] {
            assert_eq!(order.bytes(&registers), [0xAA, 0xBB, 0xCC, 0xDD], "{order:?}");
            assert_eq!(fixed(&registers, Kind::U32, order, "1", ""), Some(0xAABB_CCDD));
        }
        assert_eq!(Order::Dcba.bytes(&[0x0807, 0x0605, 0x0403, 0x0201]), [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn every_type_reads_the_same_number_in_each_of_the_four_orders() {
        let orders = [Order::Abcd, Order::Cdab, Order::Badc, Order::Dcba];
        let cases: [(Kind, &str, i64, [&[u16]; 4]); 9] = [
            (Kind::U16, "", 0x1234, [&[0x1234], &[0x1234], &[0x3412], &[0x3412]]),
            (Kind::I16, "", -2, [&[0xFFFE], &[0xFFFE], &[0xFEFF], &[0xFEFF]]),
            (Kind::Bcd16, "", 1234, [&[0x1234], &[0x1234], &[0x3412], &[0x3412]]),
            (Kind::U32, "", 0x1234_5678, [&[0x1234, 0x5678], &[0x5678, 0x1234], &[0x3412, 0x7856], &[0x7856, 0x3412]]),
            (Kind::I32, "", -123_456, [&[0xFFFE, 0x1DC0], &[0x1DC0, 0xFFFE], &[0xFEFF, 0xC01D], &[0xC01D, 0xFEFF]]),
            (Kind::F32, "K", -68_250, [&[0xC288, 0x8000], &[0x8000, 0xC288], &[0x88C2, 0x0080], &[0x0080, 0x88C2]]),
            (Kind::Bcd32, "", 12_345_678, [&[0x1234, 0x5678], &[0x5678, 0x1234], &[0x3412, 0x7856], &[0x7856, 0x3412]]),
            (
                Kind::U64,
                "",
                0x0001_0002_0003_0004,
                [&[1, 2, 3, 4], &[4, 3, 2, 1], &[0x0100, 0x0200, 0x0300, 0x0400], &[0x0400, 0x0300, 0x0200, 0x0100]],
            ),
            (
                Kind::I64,
                "",
                -0x0001_0000_0000_0002,
                [
                    &[0xFFFE, 0xFFFF, 0xFFFF, 0xFFFE],
                    &[0xFFFE, 0xFFFF, 0xFFFF, 0xFFFE],
                    &[0xFEFF, 0xFFFF, 0xFFFF, 0xFEFF],
                    &[0xFEFF, 0xFFFF, 0xFFFF, 0xFEFF],
                ],
            ),
        ];
        for (kind, unit, number, registers) in cases {
            for (order, registers) in orders.into_iter().zip(registers) {
                assert_eq!(registers.len(), usize::from(kind.width()));
                assert_eq!(fixed(registers, kind, order, "1", unit), Some(number), "{kind:?} {order:?}");
            }
        }
    }

    #[test]
    fn every_type_reads_as_it_is() {
        assert_eq!(fixed(&[0xFFFF], Kind::I16, Order::Abcd, "0.01", "°C"), Some(-10));
        assert_eq!(fixed(&[0xFFFF], Kind::U16, Order::Abcd, "0.01", "°C"), Some(655_350));
        assert_eq!(fixed(&[0xFFFF, 0xFFFE], Kind::I32, Order::Abcd, "1", "kWh"), Some(-7_200_000));
        assert_eq!(fixed(&[0, 0, 1, 0], Kind::U64, Order::Abcd, "1", "J"), Some(65_536));
        assert_eq!(fixed(&[0xFFFF; 4], Kind::I64, Order::Abcd, "1", "J"), Some(-1));
        assert_eq!(fixed(&[0xFFFF; 4], Kind::U64, Order::Abcd, "1", "J"), None);
        assert_eq!(fixed(&[0x1234, 0x5678], Kind::Bcd32, Order::Abcd, "1", "L"), Some(12_345_678_000));
        assert_eq!(fixed(&[0x123A], Kind::Bcd16, Order::Abcd, "1", "L"), None);
        assert_eq!(fixed(&[0x4288, 0x8000], Kind::F32, Order::Abcd, "1", "°C"), Some(68_250));
        assert_eq!(fixed(&[0x7FC0, 0], Kind::F32, Order::Abcd, "1", "°C"), None);
    }
}
