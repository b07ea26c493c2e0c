//! Profiles of CJ/T 188 models: which field of the current data is which quantity, and how the meter is asked.
//!
//! Promises: a word that is not in the vocabulary is an error. Refuses: knowing which profiles there are.

use serde::Deserialize;

use crate::meter::Quantity;
use crate::named::quantity;

/// The profile of one CJ/T 188 model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name, unique.
    pub name: String,
    /// T of the requests; what T the answer has is not looked at.
    pub meter_type: u8,
    /// The wire order of the DI of a read that is tried first.
    pub read_di: [u8; 2],
    /// The wire order of the DI of a valve command that is tried first.
    pub valve_di: [u8; 2],
    /// Which field of the current data is which quantity.
    #[serde(rename = "column")]
    pub columns: Vec<Column>,
}

/// One quantity of a CJ/T 188 model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The quantity.
    #[serde(deserialize_with = "quantity")]
    pub quantity: Quantity,
    /// The field that holds it.
    pub field: HeatField,
    /// The digits behind the decimal point.
    pub decimals: u8,
}

/// A field of the current data, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeatField {
    /// Heat at the settlement day, or cooling energy.
    Settled,
    /// Heat energy.
    Energy,
    /// Power.
    Power,
    /// Flow.
    Flow,
    /// Volume.
    Volume,
    /// Supply temperature.
    SupplyTemp,
    /// Return temperature.
    ReturnTemp,
    /// Hours in operation.
    Hours,
}
