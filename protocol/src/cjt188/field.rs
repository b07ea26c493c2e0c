//! The fields of current data, by the names profiles use.
//!
//! Promises: a name that is not among them is an error. Refuses: knowing where a field stands.

use serde::Deserialize;

/// A field of the current data, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeatField {
    /// What stands first: heat at the settlement day, or cooling energy; the volume at the settlement day of water.
    Settled,
    /// Energy: heat, unless the meter is of type 21 and counts cold.
    Energy,
    /// Cooling energy: the energy of a meter of type 21, and what stands first in one of type 22.
    Cooling,
    /// Power.
    Power,
    /// Flow.
    Flow,
    /// Volume, also of water and gas.
    Volume,
    /// Supply temperature.
    SupplyTemp,
    /// Return temperature.
    ReturnTemp,
    /// Hours in operation.
    Hours,
}
