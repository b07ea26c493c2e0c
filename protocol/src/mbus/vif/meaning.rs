//! What a value stands for, as far as a profile can name it.
//!
//! Promises: names are words of profiles and do not change. Refuses: units (see [`crate::amount::Unit`]).

/// What a value stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// Energy.
    Energy,
    /// Volume.
    Volume,
    /// Power.
    Power,
    /// Volume flow.
    Flow,
    /// Flow temperature.
    FlowTemp,
    /// Return temperature.
    ReturnTemp,
    /// Temperature difference.
    TempDifference,
    /// Time powered.
    OnTime,
    /// Time in operation.
    OperatingTime,
    /// Date.
    Date,
    /// Date and time, or time of day.
    DateTime,
    /// Fabrication number.
    FabricationNumber,
    /// Error flags (FD 17).
    ErrorFlags,
    /// Remote control (FD 1F).
    RemoteControl,
    /// Something no column has.
    Other,
}

impl Meaning {
    /// Every meaning a profile can name.
    pub const NAMED: [Self; 14] = [
        Self::Energy,
        Self::Volume,
        Self::Power,
        Self::Flow,
        Self::FlowTemp,
        Self::ReturnTemp,
        Self::TempDifference,
        Self::OnTime,
        Self::OperatingTime,
        Self::Date,
        Self::DateTime,
        Self::FabricationNumber,
        Self::ErrorFlags,
        Self::RemoteControl,
    ];

    /// The name used in profiles.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Energy => "energy",
            Self::Volume => "volume",
            Self::Power => "power",
            Self::Flow => "flow",
            Self::FlowTemp => "flow_temp",
            Self::ReturnTemp => "return_temp",
            Self::TempDifference => "temp_difference",
            Self::OnTime => "on_time",
            Self::OperatingTime => "operating_time",
            Self::Date => "date",
            Self::DateTime => "date_time",
            Self::FabricationNumber => "fabrication_number",
            Self::ErrorFlags => "error_flags",
            Self::RemoteControl => "remote_control",
            Self::Other => "other",
        }
    }
}
