//! What any data under an identifier have in common: a shape, standard bytes both ways, and what can be judged of them.
//!
//! ```text
//!   bytes in some layout --layout--> bytes in standard order --Body::decode--> Heat | Water | Total
//! ```
//!
//! Promises: [`fn@write`] puts data into any layout but D. Refuses: telling which layout bytes have.

use super::digits::BodyFault;
use super::layout::{Layout, Part, veil};
use crate::meter::CivilTime;

/// Data under an identifier.
pub trait Body: Copy + PartialEq {
    /// Their parts in order.
    const SHAPE: &'static [Part];

    /// The bytes in standard order.
    fn encode(&self) -> Vec<u8>;

    /// The data in bytes of standard order.
    fn decode(bytes: &[u8]) -> Result<Self, BodyFault>;

    /// The meter's clock, where the data have one.
    fn clock(&self) -> Option<CivilTime> {
        None
    }

    /// Whether no value is beyond what such a meter is made for.
    fn is_plausible(&self) -> bool {
        true
    }
}

/// How many bytes data of this kind have.
pub(crate) fn length<B: Body>() -> usize {
    B::SHAPE.iter().map(|part| part.length()).sum()
}

/// The data in a layout, veiled for E; `None` for D, which is a maker's.
pub fn write<B: Body>(body: &B, layout: Layout) -> Option<Vec<u8>> {
    let arranged = layout.lay_out(&body.encode(), B::SHAPE)?;
    match layout {
        Layout::A | Layout::B | Layout::C => Some(arranged),
        Layout::E => Some(veil(&arranged)),
        Layout::D => None,
    }
}
