//! Values gathered into a reading: at most one per quantity, each doubt kept.
//!
//! Promises: the first valid value of a quantity stays; a value that is invalid, finer than its unit or too large
//! leaves its mark in the quality. Refuses: knowing where values come from.

use crate::amount::{Amount, Dimension};
use crate::meter::{Measurement, Quality, Quantity, Shape};
use crate::scale::Correction;

/// Measurements and doubts of a reading in the making.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gathering {
    measurements: Vec<Measurement>,
    quality: Quality,
    shape: Shape,
}

impl Gathering {
    /// Adds the amount a meter gave for `quantity`; `None` where it marked it as invalid.
    pub(crate) fn put(&mut self, quantity: Quantity, amount: Option<Amount>) {
        self.put_corrected(quantity, amount, &Correction::default());
    }

    /// The same, after it was put right.
    pub(crate) fn put_corrected(&mut self, quantity: Quantity, amount: Option<Amount>, correction: &Correction) {
        if self.measurements.iter().any(|m| m.quantity == quantity) {
            return;
        }
        let Some(amount) = amount else { return self.doubt(Quality::INVALID_VALUE) };
        let fixed = amount.times(correction.scale).and_then(|amount| amount.fixed());
        let value = fixed.and_then(|fixed| fixed.value.checked_add(correction.offset));
        let (Some(fixed), Some(value)) = (fixed, value) else { return self.doubt(Quality::OUT_OF_RANGE) };
        if fixed.rounded {
            self.doubt(Quality::ROUNDED);
        }
        self.shape = self.shape.with(quantity, amount.unit().number(), amount.exponent());
        self.measurements.push(Measurement { quantity, value });
    }

    /// The form of the counters, of a reading by the profile of this name.
    pub(crate) fn shape(&self, profile: &str) -> Shape {
        Shape(Shape::of_profile(profile).0 | self.shape.0)
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

/// What the unit of an amount must measure to become `quantity`.
pub(crate) const fn dimension(quantity: Quantity) -> Dimension {
    match quantity {
        Quantity::Energy | Quantity::CoolingEnergy => Dimension::Energy,
        Quantity::Volume => Dimension::Volume,
        Quantity::Power => Dimension::Power,
        Quantity::Flow => Dimension::Flow,
        Quantity::SupplyTemp | Quantity::ReturnTemp => Dimension::Temperature,
        Quantity::TempDifference => Dimension::Difference,
        Quantity::OperatingTime | Quantity::OnTime => Dimension::Duration,
        Quantity::ErrorFlags => Dimension::Plain,
    }
}
