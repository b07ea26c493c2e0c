//! What a meter kept of the past.
//!
//! Promises: exact values of a moment the meter itself dated, or that its profile and its clock name together. Refuses:
//! undated values, and moments that are guessed.

use serde::Deserialize;

use super::civil::CivilTime;
use super::quality::Quality;
use super::quantity::{Measurement, Quantity};

/// The counters of one moment, as the meter kept them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// The moment by the meter's clock; the end of a day is the midnight that begins the next.
    pub at: CivilTime,
    /// Counters in fixed units, at most one per quantity, at least one.
    pub measurements: Vec<Measurement>,
    /// Doubts about these values.
    pub quality: Quality,
}

/// At which end of a day that has no time of day a model keeps its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SetDay {
    /// At the midnight that begins it.
    Begins,
    /// At the midnight that ends it.
    Ends,
}

/// What a meter that has to be asked for its history keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kept {
    /// A value of each month.
    Months,
    /// A value of each day, and so of each month.
    Days,
}

impl SetDay {
    /// The midnight at that end of the day of `time`, if the calendar has it.
    pub fn of(self, time: &CivilTime) -> Option<CivilTime> {
        let midnight = CivilTime { hour: 0, minute: 0, second: 0, ..*time };
        match self {
            Self::Begins => midnight.is_possible().then_some(midnight),
            Self::Ends => midnight.day_end(),
        }
    }
}

impl Frozen {
    /// What of a meter's history means something without the rest of its moment: what it counts.
    pub const COUNTERS: [Quantity; 3] = [Quantity::Energy, Quantity::CoolingEnergy, Quantity::Volume];
}
