//! What meters measure, each as an exact integer in one fixed unit, so that equal displays give equal rows.
//!
//! | quantity                      | fixed unit | why this one                                            |
//! |-------------------------------|------------|---------------------------------------------------------|
//! | energy, cooling energy        | J          | the only unit in which Wh and J families are both whole |
//! | volume                        | mL         | the finest step EN 13757-3 can say (10^-6 m3)           |
//! | power                         | mW         | the finest step EN 13757-3 can say                      |
//! | flow                          | mL/h       | m3/h, m3/min and m3/s are whole multiples               |
//! | temperatures, difference      | m°C, mK    | the finest step EN 13757-3 can say                      |
//! | operating time, on time       | s          |                                                         |
//!
//! Promises: no binary floating point; the order is that of the table's columns. Refuses: other units.

/// What a meter measures. The fixed unit of each is in the module's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quantity {
    /// Heat energy, J.
    Energy,
    /// Cooling energy, J.
    CoolingEnergy,
    /// Volume, mL.
    Volume,
    /// Thermal power, mW.
    Power,
    /// Volume flow, mL/h.
    Flow,
    /// Flow (supply) temperature, m°C.
    SupplyTemp,
    /// Return temperature, m°C.
    ReturnTemp,
    /// Temperature difference, mK.
    TempDifference,
    /// Time in operation, s.
    OperatingTime,
    /// Time powered, s.
    OnTime,
    /// The meter's own error flags, bits as sent.
    ErrorFlags,
}

impl Quantity {
    /// Every quantity, in the order of the table's columns.
    pub const ALL: [Self; 11] = [
        Self::Energy,
        Self::CoolingEnergy,
        Self::Volume,
        Self::Power,
        Self::Flow,
        Self::SupplyTemp,
        Self::ReturnTemp,
        Self::TempDifference,
        Self::OperatingTime,
        Self::OnTime,
        Self::ErrorFlags,
    ];

    /// The name used in profiles, tables and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Energy => "energy",
            Self::CoolingEnergy => "cooling_energy",
            Self::Volume => "volume",
            Self::Power => "power",
            Self::Flow => "flow",
            Self::SupplyTemp => "supply_temp",
            Self::ReturnTemp => "return_temp",
            Self::TempDifference => "temp_difference",
            Self::OperatingTime => "operating_time",
            Self::OnTime => "on_time",
            Self::ErrorFlags => "error_flags",
        }
    }

    /// The fixed unit of the integers that carry this quantity.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Energy | Self::CoolingEnergy => "J",
            Self::Volume => "mL",
            Self::Power => "mW",
            Self::Flow => "mL/h",
            Self::SupplyTemp | Self::ReturnTemp => "m°C",
            Self::TempDifference => "mK",
            Self::OperatingTime | Self::OnTime => "s",
            Self::ErrorFlags => "",
        }
    }
}

/// One value: an exact integer in the quantity's fixed unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measurement {
    /// What was measured.
    pub quantity: Quantity,
    /// How much, in [`Quantity::unit`].
    pub value: i64,
}
