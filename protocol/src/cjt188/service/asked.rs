//! What is asked of a meter besides its values: C, DI, and the bytes behind SER.
//!
//! ```text
//!   clock ss mm hh DD MM YY CC | base count value, unit | valve 55, 99 | address A0 .. A6       in layout A
//! ```
//!
//! Promises: the bytes are those of the meter's layout. Refuses: what no meter can have, and layouts in which it is not
//! known how to write.

use super::super::body::{self, Body};
use super::super::control;
use super::super::digits::{self, Shown};
use super::super::frame::ANYONE;
use super::super::identifier::{self, di};
use super::super::layout::Layout;
use super::super::reply::{CLOSE, OPEN};
use super::super::total::Total;
use crate::meter::CivilTime;

/// Years a meter's clock can be set to.
const YEARS: std::ops::RangeInclusive<u16> = 2000..=2099;
/// The most digits a base count has.
const MOST_DIGITS: u32 = 99_999_999;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Its address: asked of whoever is alone on the line, or of one to see that it is there.
    ReadAddress,
    /// The total of a past month, 1 (the last) to 12.
    ReadMonth(u8),
    /// Prices.
    ReadPrices,
    /// The day of the month on which totals are settled.
    ReadSettlementDay,
    /// The day of the month on which meters are read.
    ReadReadingDay,
    /// The version of its key.
    ReadKeyVersion,
    /// A new time.
    SetClock(CivilTime),
    /// A new base count: what the mechanical register shows.
    SetBase(Shown),
    /// Opens the valve.
    OpenValve,
    /// Closes the valve.
    CloseValve,
    /// A new address, most significant byte first.
    SetAddress([u8; 7]),
}

impl Service {
    /// C and DI.
    pub(super) fn asks(self) -> Result<(u8, u16), String> {
        let month = |month| format!("month {month} is not kept: 1 (the last) to {}", identifier::MONTHS);
        Ok(match self {
            Self::ReadAddress => (control::READ_ADDRESS, di::ADDRESS),
            Self::ReadMonth(back) => (control::READ, identifier::of_month(back).ok_or_else(|| month(back))?),
            Self::ReadPrices => (control::READ, di::PRICES),
            Self::ReadSettlementDay => (control::READ, di::SETTLEMENT_DAY),
            Self::ReadReadingDay => (control::READ, di::READING_DAY),
            Self::ReadKeyVersion => (control::READ_KEY_VERSION, di::KEY_VERSION),
            Self::SetClock(_) => (control::WRITE, di::SET_CLOCK),
            Self::SetBase(_) => (control::WRITE_BASE, di::SET_BASE),
            Self::OpenValve | Self::CloseValve => (control::WRITE, di::VALVE),
            Self::SetAddress(_) => (control::WRITE_ADDRESS, di::SET_ADDRESS),
        })
    }

    /// Whether bytes of it have an order that differs between layouts.
    pub(super) const fn needs_layout(self) -> bool {
        matches!(self, Self::ReadMonth(_) | Self::ReadPrices | Self::SetClock(_) | Self::SetBase(_))
    }

    /// What follows SER in a known layout, or why nothing can.
    pub(super) fn tail(self, layout: Option<Layout>) -> Result<Vec<u8>, String> {
        let is_writing = matches!(self, Self::SetClock(_) | Self::SetBase(_) | Self::SetAddress(_));
        if is_writing && layout == Some(Layout::E) {
            return Err("layout E: it is not known whether such a meter wants requests with 33h added".to_owned());
        }
        match self {
            Self::SetClock(time) if !time.is_possible() || !YEARS.contains(&time.year) => {
                Err(format!("time {time} is not one a meter can have"))
            }
            Self::SetClock(time) => {
                let mut bytes = digits::encode_clock(Some(time)).to_vec();
                if layout == Some(Layout::C) {
                    bytes.reverse();
                }
                Ok(bytes)
            }
            Self::SetBase(shown) => base(shown, layout.unwrap_or(Layout::A)),
            Self::OpenValve => Ok(vec![OPEN]),
            Self::CloseValve => Ok(vec![CLOSE]),
            Self::SetAddress(ANYONE) => Err("address AAAAAAAAAAAAAA is everyone's: give one of 14 digits".to_owned()),
            Self::SetAddress(address) => Ok(address.iter().rev().copied().collect()),
            _ => Ok(Vec::new()),
        }
    }
}

fn base(shown: Shown, layout: Layout) -> Result<Vec<u8>, String> {
    let fits = shown.digits.is_some_and(|digits| digits <= MOST_DIGITS);
    let total = Total(shown);
    if !fits || Total::decode(&total.encode()).is_err() {
        return Err("a base count is an energy or a volume of at most 8 digits".to_owned());
    }
    body::write(&total, layout).ok_or_else(|| "layout D: a maker's binary base count is not written".to_owned())
}
