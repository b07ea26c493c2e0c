//! The prices a meter charges by (DI 8102) in standard order, both ways: 15 bytes after DI and SER.
//!
//! ```text
//!   price 1 3 | up to 3 | price 2 3 | up to 3 | price 3 3          prices xxxx.xx, amounts whole
//! ```
//!
//! Promises: what is not decimal is an error, never a value. Refuses: knowing the currency, and choosing the layout.

use super::body::Body;
use super::digits::{self, BodyFault};
use super::layout::Part;
use crate::bytes::Cursor;

/// Three prices and the amounts up to which the first two hold; `None` where marked invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prices {
    /// Price, and up to which amount it holds. Price in hundredths, amount in whole units of the meter.
    pub steps: [(Option<u32>, Option<u32>); 2],
    /// The price beyond, in hundredths.
    pub last: Option<u32>,
}

impl Body for Prices {
    const SHAPE: &'static [Part] = &[Part::Short, Part::Short, Part::Short, Part::Short, Part::Short];

    fn encode(&self) -> Vec<u8> {
        let [(first, up_to), (second, then_up_to)] = self.steps;
        [first, up_to, second, then_up_to, self.last].map(digits::encode::<3>).concat()
    }

    fn decode(bytes: &[u8]) -> Result<Self, BodyFault> {
        let mut cursor = Cursor::new(bytes);
        let mut short = || digits::decode(cursor.array::<3>().ok_or(BodyFault::Short)?);
        Ok(Self { steps: [(short()?, short()?), (short()?, short()?)], last: short()? })
    }
}
