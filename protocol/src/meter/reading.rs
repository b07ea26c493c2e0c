//! What a meter answers to one read: values, its clock, its valve, and doubts about them.
//!
//! Promises: a doubt is stored beside the values, never a reason to drop them. Refuses: choosing among values.

use super::civil::CivilTime;
use super::frozen::Frozen;
use super::quality::Quality;
use super::quantity::{Measurement, Quantity};
use super::shape::Shape;

/// Where a valve says it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValveState {
    /// Fully open.
    Open,
    /// Fully closed.
    Closed,
    /// The meter reports the valve as faulty.
    Fault,
}

impl ValveState {
    /// The name used in tables and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Fault => "fault",
        }
    }
}

/// What a meter answered to one read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The address or identity the meter gave in its answer, as people write it.
    pub identity: String,
    /// The profile it was read by.
    pub profile: String,
    /// The values, at most one per quantity.
    pub measurements: Vec<Measurement>,
    /// The meter's own clock.
    pub meter_time: Option<CivilTime>,
    /// The valve, where there is one.
    pub valve: Option<ValveState>,
    /// Doubts.
    pub quality: Quality,
    /// In what form the counters came.
    pub shape: Shape,
    /// What the meter kept of earlier moments, where the answer says so.
    pub history: Vec<Frozen>,
    /// The frame or frames as they came, for disputes.
    pub raw: Vec<u8>,
}

impl Reading {
    /// The value of `quantity` in its fixed unit, if the meter gave one.
    pub fn value(&self, quantity: Quantity) -> Option<i64> {
        self.measurements.iter().find(|m| m.quantity == quantity).map(|m| m.value)
    }
}
