//! Data identifiers: which data a frame is about, and in which order its two bytes stand on the wire.
//!
//! ```text
//!   wire  90 1F  or  1F 90  -->  901F      makers differ in the order, whatever the edition; SER follows
//! ```
//!
//! Promises: an identifier of the standard is known in either order, and named. Refuses: naming what is a maker's own,
//! and telling the order from an identifier nobody knows.

use serde::Deserialize;

use super::frame::Frame;
use crate::bytes::Cursor;

/// Data identifiers, as the standard writes them.
pub mod di {
    /// Current data.
    pub const CURRENT: u16 = 0x901F;
    /// Current data of heat and cold (2018).
    pub const HEAT_AND_COLD: u16 = 0x911F;
    /// The total at the settlement day of last month; those before follow.
    pub const MONTH: u16 = 0xD120;
    /// Prices.
    pub const PRICES: u16 = 0x8102;
    /// The day of the month on which totals are settled.
    pub const SETTLEMENT_DAY: u16 = 0x8103;
    /// The day of the month on which meters are read.
    pub const READING_DAY: u16 = 0x8104;
    /// Amounts bought ahead.
    pub const PURCHASE: u16 = 0x8105;
    /// The version of the key.
    pub const KEY_VERSION: u16 = 0x8106;
    /// Address.
    pub const ADDRESS: u16 = 0x810A;
    /// New prices.
    pub const SET_PRICES: u16 = 0xA010;
    /// A new settlement day.
    pub const SET_SETTLEMENT_DAY: u16 = 0xA011;
    /// A new reading day.
    pub const SET_READING_DAY: u16 = 0xA012;
    /// An amount bought.
    pub const SET_PURCHASE: u16 = 0xA013;
    /// A new key.
    pub const SET_KEY: u16 = 0xA014;
    /// A new time.
    pub const SET_CLOCK: u16 = 0xA015;
    /// A new base count.
    pub const SET_BASE: u16 = 0xA016;
    /// Valve.
    pub const VALVE: u16 = 0xA017;
    /// A new address.
    pub const SET_ADDRESS: u16 = 0xA018;
    /// Leaving the factory.
    pub const ENABLE: u16 = 0xA019;
    /// A new key (2018).
    pub const CHANGE_KEY: u16 = 0xA107;
}

/// How many months are kept.
pub const MONTHS: u8 = 12;

/// In which order the two bytes of a DI stand on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// 90 1F.
    HighFirst,
    /// 1F 90.
    LowFirst,
}

impl Order {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::HighFirst => Self::LowFirst,
            Self::LowFirst => Self::HighFirst,
        }
    }

    /// The order in which `wire` has `code`.
    pub const fn of(wire: [u8; 2], code: u16) -> Self {
        if u16::from_be_bytes(wire) == code { Self::HighFirst } else { Self::LowFirst }
    }

    /// The bytes of `code` on the wire.
    pub const fn wire(self, code: u16) -> [u8; 2] {
        match self {
            Self::HighFirst => code.to_be_bytes(),
            Self::LowFirst => code.to_le_bytes(),
        }
    }
}

/// The identifier in two bytes as on the wire, with their order where the identifier is known in one.
pub fn resolve(wire: [u8; 2]) -> (u16, Option<Order>) {
    let (high_first, low_first) = (u16::from_be_bytes(wire), u16::from_le_bytes(wire));
    match (name(high_first), name(low_first)) {
        (Some(_), _) => (high_first, Some(Order::HighFirst)),
        (None, Some(_)) => (low_first, Some(Order::LowFirst)),
        (None, None) => (high_first, None),
    }
}

/// Which month an identifier is about: 1 is the last one.
pub fn month(code: u16) -> Option<u8> {
    let back = u8::try_from(code.checked_sub(di::MONTH)?).ok()?;
    (back < MONTHS).then_some(back + 1)
}

/// The identifier of a month, 1 to 12.
pub fn of_month(month: u8) -> Option<u16> {
    (1..=MONTHS).contains(&month).then(|| di::MONTH + u16::from(month) - 1)
}

/// What an identifier of the standard is about, in words; `None` for a maker's own.
pub fn name(code: u16) -> Option<&'static str> {
    Some(match code {
        di::CURRENT => "current data",
        di::HEAT_AND_COLD => "current data of heat and cold (2018)",
        0xD120..=0xD12B => "total of a past month",
        0xD200..=0xD2FF => "past totals (2018)",
        0xD300..=0xD3FF => "data frozen on time (2018)",
        0xD400..=0xD4FF => "data frozen on command (2018)",
        di::PRICES => "prices",
        di::SETTLEMENT_DAY => "settlement day",
        di::READING_DAY => "reading day",
        di::PURCHASE => "amounts bought ahead",
        di::KEY_VERSION => "key version",
        di::ADDRESS => "address",
        di::SET_PRICES => "new prices",
        di::SET_SETTLEMENT_DAY => "new settlement day",
        di::SET_READING_DAY => "new reading day",
        di::SET_PURCHASE => "amount bought",
        di::SET_KEY => "new key",
        di::SET_CLOCK => "new time",
        di::SET_BASE => "new base count",
        di::VALVE => "valve",
        di::SET_ADDRESS => "new address",
        di::ENABLE => "leaving the factory",
        di::CHANGE_KEY => "new key (2018)",
        _ => return None,
    })
}

/// What the data of a frame begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lead {
    /// The two DI bytes as on the wire.
    pub di: [u8; 2],
    /// SER.
    pub ser: u8,
}

impl Lead {
    /// The lead of `frame`, and the data after it.
    pub fn of(frame: &Frame) -> Option<(Self, &[u8])> {
        let mut cursor = Cursor::new(&frame.data);
        let di = cursor.array()?;
        let ser = cursor.byte()?;
        Some((Self { di, ser }, cursor.rest()))
    }

    /// Whether the DI is `wanted` in either order.
    pub const fn asks(&self, wanted: u16) -> bool {
        u16::from_be_bytes(self.di) == wanted || u16::from_le_bytes(self.di) == wanted
    }

    /// The order in which the DI, which is `code`, stands.
    pub const fn order(&self, code: u16) -> Order {
        Order::of(self.di, code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_of_the_standard_is_known_in_either_order_and_a_makers_in_none() {
        assert_eq!(resolve([0x1F, 0x90]), (di::CURRENT, Some(Order::LowFirst)));
        assert_eq!(resolve([0x90, 0x1F]), (di::CURRENT, Some(Order::HighFirst)));
        assert_eq!(resolve([0x0A, 0x81]), (di::ADDRESS, Some(Order::LowFirst)));
        assert_eq!(resolve([0x61, 0x0A]), (0x610A, None));
    }

    #[test]
    fn twelve_months_have_identifiers_both_ways_and_no_other() {
        let all: Vec<Option<u8>> = (0..=13).map(|number| of_month(number).and_then(month)).collect();
        let kept: Vec<Option<u8>> = (0..=13).map(|number| Some(number).filter(|n| (1..=12).contains(n))).collect();
        assert_eq!(all, kept);
        assert_eq!([month(0xD11F), month(0xD12C), month(0xD220)], [None; 3]);
        assert_eq!(of_month(6), Some(0xD125));
    }
}
