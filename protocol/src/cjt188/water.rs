//! The current data (DI 901F) of a water or gas meter in standard order, both ways: 19 bytes after DI and SER.
//!
//! ```text
//!   volume 4+u | volume at the settlement day 4+u | clock 7 | status 2          xxxxxx.xx
//! ```
//!
//! Promises: what is not decimal or no volume is an error, never a value. Refuses: choosing the layout.

use super::body::Body;
use super::digits::{self, BodyFault, Shown};
use super::layout::Part;
use super::status::Status;
use crate::amount::Dimension;
use crate::bytes::Cursor;
use crate::meter::CivilTime;

/// The current data of a water or gas meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Water {
    /// Volume, hundredths of the unit.
    pub volume: Shown,
    /// Volume at the settlement day, hundredths of the unit.
    pub settled: Shown,
    /// The meter's clock; `None` where it shows no date.
    pub clock: Option<CivilTime>,
    /// Status.
    pub status: Status,
}

impl Body for Water {
    const SHAPE: &'static [Part] = &[Part::Value, Part::Value, Part::Clock, Part::Status];

    fn encode(&self) -> Vec<u8> {
        let volumes = [self.volume, self.settled].map(|shown| shown.encode());
        [&volumes.concat(), &digits::encode_clock(self.clock)[..], &self.status.0].concat()
    }

    fn decode(bytes: &[u8]) -> Result<Self, BodyFault> {
        let mut cursor = Cursor::new(bytes);
        let volume = Shown::decode(&mut cursor, Dimension::Volume)?;
        let settled = Shown::decode(&mut cursor, Dimension::Volume)?;
        let clock = digits::decode_clock(cursor.array().ok_or(BodyFault::Short)?);
        let status = Status(cursor.array().ok_or(BodyFault::Short)?);
        Ok(Self { volume, settled, clock, status })
    }

    fn clock(&self) -> Option<CivilTime> {
        self.clock
    }
}
