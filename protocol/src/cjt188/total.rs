//! The total of a past month (DI D120 .. D12B) in standard order, both ways: one value, 5 bytes after DI and SER.
//!
//! ```text
//!   heat, or volume, at the settlement day of that month 4+u          xxxxxx.xx
//! ```
//!
//! Promises: what is not decimal, or neither energy nor volume, is an error, never a value. Refuses: choosing the
//! layout: without a clock nothing in these bytes tells A from C.

use super::body::Body;
use super::digits::{BodyFault, Shown};
use super::layout::Part;
use crate::amount::Dimension;
use crate::bytes::Cursor;

/// The total of a past month, hundredths of its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Total(pub Shown);

impl Body for Total {
    const SHAPE: &'static [Part] = &[Part::Value];

    fn encode(&self) -> Vec<u8> {
        self.0.encode().to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Self, BodyFault> {
        let shown = Shown::decode_any(&mut Cursor::new(bytes))?;
        let is_total = matches!(shown.unit.dimension(), Dimension::Energy | Dimension::Volume);
        is_total.then_some(Self(shown)).ok_or(BodyFault::Unit(shown.unit.code()))
    }
}
