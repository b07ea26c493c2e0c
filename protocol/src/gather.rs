//! Values gathered into a reading: at most one per quantity, each doubt kept.
//!
//! Promises: the first valid value of a quantity stays; a value that is invalid, finer than its unit or too large
//! leaves its mark in the quality. Refuses: knowing where values come from.

use crate::amount::Amount;
use crate::meter::{Measurement, Quality, Quantity};

/// Measurements and doubts of a reading in the making.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gathering {
    measurements: Vec<Measurement>,
    quality: Quality,
}

impl Gathering {
    /// Adds the amount a meter gave for `quantity`; `None` where it marked it as invalid.
    pub(crate) fn put(&mut self, quantity: Quantity, amount: Option<Amount>) {
        if self.measurements.iter().any(|m| m.quantity == quantity) {
            return;
        }
        let Some(amount) = amount else { return self.doubt(Quality::INVALID_VALUE) };
        let Some(fixed) = amount.fixed() else { return self.doubt(Quality::OUT_OF_RANGE) };
        if fixed.rounded {
            self.doubt(Quality::ROUNDED);
        }
        self.measurements.push(Measurement { quantity, value: fixed.value });
    }

    /// Adds a doubt.
    pub(crate) fn doubt(&mut self, doubt: Quality) {
        self.quality = self.quality.with(doubt);
    }

    /// The measurements in the order of the table's columns, and the doubts.
    pub(crate) fn finish(mut self) -> (Vec<Measurement>, Quality) {
        self.measurements.sort_by_key(|m| m.quantity);
        (self.measurements, self.quality)
    }
}
