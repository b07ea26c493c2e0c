//! What an answer to a read says: current data of a heat, water or gas meter, or a past month's total, in its layout.
//!
//! ```text
//!   frame --DI, veil--> 901F, 43 bytes --> Heat, Binary      D12x, 5 bytes --> Total
//!                       901F, 19 bytes --> Water             911F D2xx D3xx D4xx --> refused by name
//! ```
//!
//! Promises: what is not read is refused with its reason, in words. Refuses: data of a length no identifier has in
//! plain: they are secured (2018 edition, clause 7) or a maker's own, and the edition marks neither; and guessing.

use super::binary::{self, Binary, Slot};
use super::frame::Frame;
use super::heat::Heat;
use super::identifier::{self, Lead, di};
use super::layout::{Layout, unveil};
use super::prices::Prices;
use super::recognise;
use super::status::Status;
use super::total::Total;
use super::water::Water;
use super::{body, water};
use crate::meter::CivilTime;

pub use super::fault::PayloadFault;

/// How a profile says data are to be read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules<'a> {
    /// The layout; `None` recognises it.
    pub layout: Option<Layout>,
    /// What layout D holds.
    pub slots: &'a [Slot],
}

/// Current data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// Of a heat meter.
    Heat(Heat),
    /// Of a water or gas meter.
    Water(Water),
    /// Of a heat meter in layout D.
    Binary(Binary),
}

/// Current data, and what they were read by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    /// The data.
    pub data: Data,
    /// The layout recognised, or named.
    pub layout: Layout,
    /// SER as the meter means it.
    pub ser: u8,
}

/// A past month's total, and what it was read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    /// 1 is the last month.
    pub month: u8,
    /// The total.
    pub total: Total,
    /// The layout.
    pub layout: Layout,
    /// SER as the meter means it.
    pub ser: u8,
}

/// Reads the prices of a meter.
pub fn prices(frame: &Frame, rules: Rules<'_>) -> Result<Prices, PayloadFault> {
    let plain = plain(frame, di::PRICES, rules)?;
    recognise::read(&plain.rest, plain.named(rules)).map(|(prices, _)| prices)
}

/// The data of a frame in plain: E is unveiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plain {
    pub(super) lead: Lead,
    pub(super) rest: Vec<u8>,
    is_veiled: bool,
}

impl Plain {
    /// The data of `frame`, which are `code`: veiled where the layout is E, or where C352 shows it.
    pub(super) fn of(frame: &Frame, code: u16, layout: Option<Layout>) -> Option<Self> {
        let (lead, rest) = Lead::of(frame)?;
        if lead.asks(code) {
            return Some(Self { lead, rest: rest.to_vec(), is_veiled: false });
        }
        let may_be_veiled = layout == Some(Layout::E) || layout.is_none() && code == di::CURRENT;
        let opened = Frame { data: unveil(&frame.data), ..frame.clone() };
        let (lead, rest) = Lead::of(&opened).filter(|(lead, _)| may_be_veiled && lead.asks(code))?;
        Some(Self { lead, rest: rest.to_vec(), is_veiled: true })
    }

    /// The layout that is named for what is left once the veil is off.
    fn named(&self, rules: Rules<'_>) -> Option<Layout> {
        if self.is_veiled {
            Some(Layout::B)
        } else {
            rules.layout.map(|layout| if layout == Layout::E { Layout::B } else { layout })
        }
    }

    fn seen(&self, layout: Layout) -> Layout {
        if self.is_veiled { Layout::E } else { layout }
    }
}

impl Current {
    /// Reads the answer to a read of current data in the layout it is seen to have.
    pub fn read(frame: &Frame) -> Result<Self, PayloadFault> {
        Self::read_as(frame, Rules::default())
    }

    /// Reads the answer to a read of current data as a profile says.
    pub fn read_as(frame: &Frame, rules: Rules<'_>) -> Result<Self, PayloadFault> {
        let plain = plain(frame, di::CURRENT, rules)?;
        let named = plain.named(rules);
        let is_water = plain.rest.len() == body::length::<Water>();
        let (data, layout) = match named {
            Some(Layout::D) => (Data::Binary(binary::read(&plain.rest, rules.slots)?), Layout::D),
            _ if is_water => {
                let (water, layout): (water::Water, _) = recognise::read(&plain.rest, named)?;
                (Data::Water(water), layout)
            }
            _ => {
                let (heat, layout) = recognise::read(&plain.rest, named)?;
                (Data::Heat(heat), layout)
            }
        };
        Ok(Self { data, layout: plain.seen(layout), ser: plain.lead.ser })
    }

    /// The heat meter's data, where it is one in a decimal layout.
    pub const fn heat(&self) -> Option<&Heat> {
        match &self.data {
            Data::Heat(heat) => Some(heat),
            Data::Water(_) | Data::Binary(_) => None,
        }
    }
}

impl Data {
    /// The meter's clock; `None` where it shows no date.
    pub const fn clock(&self) -> Option<CivilTime> {
        match self {
            Self::Heat(heat) => heat.clock,
            Self::Water(water) => water.clock,
            Self::Binary(binary) => binary.clock,
        }
    }

    /// Status.
    pub const fn status(&self) -> Status {
        match self {
            Self::Heat(heat) => heat.status,
            Self::Water(water) => water.status,
            Self::Binary(binary) => binary.status,
        }
    }
}

impl Past {
    /// Reads the answer to a read of a past month, whichever it is.
    pub fn read_as(frame: &Frame, rules: Rules<'_>) -> Result<Self, PayloadFault> {
        let (lead, _) = Lead::of(frame).ok_or(PayloadFault::NoLead)?;
        let wire = if rules.layout == Some(Layout::E) { opened(lead.di) } else { lead.di };
        let (code, _) = identifier::resolve(wire);
        let month = identifier::month(code).ok_or_else(|| other(wire))?;
        if rules.layout == Some(Layout::D) {
            return Err(PayloadFault::Unread(code));
        }
        let plain = plain(frame, code, rules)?;
        let (total, layout) = recognise::read(&plain.rest, plain.named(rules))?;
        Ok(Self { month, total, layout: plain.seen(layout), ser: plain.lead.ser })
    }
}

fn opened(wire: [u8; 2]) -> [u8; 2] {
    unveil(&wire).try_into().unwrap_or(wire)
}

fn plain(frame: &Frame, code: u16, rules: Rules<'_>) -> Result<Plain, PayloadFault> {
    let (lead, _) = Lead::of(frame).ok_or(PayloadFault::NoLead)?;
    Plain::of(frame, code, rules.layout).ok_or_else(|| other(lead.di))
}

/// Why data under another identifier are not read.
fn other(wire: [u8; 2]) -> PayloadFault {
    match identifier::resolve(wire) {
        (code @ (di::HEAT_AND_COLD | 0xD200..=0xD4FF), Some(_)) => PayloadFault::Unread(code),
        (code, _) => PayloadFault::OtherData(code),
    }
}
