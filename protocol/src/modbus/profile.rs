//! Register profiles: which register of a model is which quantity, how its valve is moved and read.
//!
//! ```text
//!   profiles/modbus-*.toml --> Profile --> plan (what to read together), columns of a Reading, writes
//! ```
//!
//! Promises: built in, read once; each names the public document its registers are from, and carries telegrams built
//! from it that a test replays. Refuses: a generic profile: Modbus does not say what its registers mean.

use std::sync::LazyLock;

use serde::Deserialize;

use super::payload::{Request, Table};
use super::register::{Kind, Named, Order, Scale};
use crate::meter::{Action, Quantity, ValveState};
use crate::named::quantity;

/// The profile of one model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Always "modbus".
    pub dialect: String,
    /// Its name, unique.
    pub name: String,
    /// The public document the registers are from.
    pub source: String,
    /// The most registers the model gives at once.
    #[serde(default = "standard_most")]
    pub most: u16,
    /// The most registers nobody wants that are read along to join two reads.
    #[serde(default)]
    pub gap: u16,
    /// Which register is which quantity.
    #[serde(rename = "column", default)]
    pub columns: Vec<Column>,
    /// The valve, where the model has one.
    pub valve: Option<Valve>,
    /// Telegrams built from the map.
    #[serde(rename = "golden", default)]
    pub golden: Vec<Golden>,
}

const fn standard_most() -> u16 {
    125
}

/// One quantity of a model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The quantity.
    #[serde(deserialize_with = "quantity")]
    pub quantity: Quantity,
    /// The table that holds it.
    pub table: Table,
    /// Its first address on the wire: "register 40001" is 0.
    pub address: u16,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The order of its bytes.
    #[serde(default)]
    pub order: Order,
    /// What one step is.
    #[serde(default)]
    pub scale: Scale,
    /// The unit of a step; the quantity's dimension must be the unit's.
    pub unit: Named,
    /// The raw number that says there is no value.
    pub absent: Option<u64>,
}

/// A valve.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Valve {
    /// The table that moves it: coils or holding.
    pub table: Table,
    /// What is written.
    pub address: u16,
    /// The number that opens it.
    pub open: u16,
    /// The number that closes it.
    pub close: u16,
    /// What tells its state; the first that applies does. A valve between its ends says nothing.
    #[serde(rename = "sign")]
    pub signs: Vec<Sign>,
}

/// What tells the state of a valve: a register or bit whose masked number lies between two others.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sign {
    /// The state it tells.
    pub state: State,
    /// The table.
    pub table: Table,
    /// The address.
    pub address: u16,
    /// The bits looked at.
    #[serde(default = "all_bits")]
    pub mask: u16,
    /// The least number that applies.
    pub least: u16,
    /// The greatest number that applies.
    pub most: u16,
}

const fn all_bits() -> u16 {
    0xFFFF
}

/// A state by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Open.
    Open,
    /// Closed.
    Closed,
    /// Faulty.
    Fault,
}

impl State {
    /// The same in the words of a reading.
    pub const fn valve(self) -> ValveState {
        match self {
            Self::Open => ValveState::Open,
            Self::Closed => ValveState::Closed,
            Self::Fault => ValveState::Fault,
        }
    }
}

/// A request and its reply at unit 1, in hex, and what they say.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// What is asked: read-now, valve-open or valve-close.
    pub action: String,
    /// The bytes of each request and its reply.
    pub telegrams: Vec<[String; 2]>,
    /// The values of the reading, in fixed units.
    #[serde(default)]
    pub values: std::collections::BTreeMap<String, i64>,
    /// The state of the valve.
    pub valve: Option<State>,
}

impl Profile {
    /// The write that does `action`; `None` where the model has no valve, or nothing is to be written.
    pub fn write(&self, action: Action) -> Option<Request> {
        let valve = self.valve.as_ref()?;
        let value = match action {
            Action::ReadNow => return None,
            Action::ValveOpen => valve.open,
            Action::ValveClose => valve.close,
        };
        Some(match valve.table.is_bits() {
            true => Request::WriteCoil { address: valve.address, on: value != 0 },
            false => Request::WriteRegister { address: valve.address, value },
        })
    }
}

const FILES: [&str; 4] = [
    include_str!("../../profiles/modbus-tuf-2000m.toml"),
    include_str!("../../profiles/modbus-onicon-system-10.toml"),
    include_str!("../../profiles/modbus-belimo-energy-valve-4.toml"),
    include_str!("../../profiles/modbus-belimo-uk24mod.toml"),
];

static BUILTIN: LazyLock<Vec<Profile>> = LazyLock::new(|| {
    let read = |text: &&str| toml::from_str(text).expect("a test holds every built-in profile to the vocabulary");
    FILES.iter().map(read).collect()
});

/// Every built-in profile.
pub fn all() -> &'static [Profile] {
    &BUILTIN
}

/// The profile of this name.
pub fn named(name: &str) -> Option<&'static Profile> {
    all().iter().find(|profile| profile.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amount::Dimension;
    use crate::modbus::plan;

    const fn dimension(quantity: Quantity) -> Dimension {
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

    #[test]
    fn every_builtin_profile_parses_names_its_source_and_has_telegrams() {
        for text in FILES {
            let profile: Profile = toml::from_str(text).expect("parses");
            assert!(!profile.source.is_empty() && !profile.golden.is_empty(), "{}", profile.name);
            assert!(!profile.columns.is_empty() || profile.valve.is_some(), "{}", profile.name);
            assert!(named(&profile.name).is_some_and(|found| found.source == profile.source));
        }
    }

    #[test]
    fn every_column_has_a_unit_of_its_quantity_and_a_scale_its_type_can_take() {
        for column in all().iter().flat_map(|profile| &profile.columns) {
            assert_eq!(column.unit.1.dimension(), dimension(column.quantity), "{}", column.quantity.name());
            assert!(column.kind != Kind::F32 || column.scale.is_power_of_ten());
            assert!(!column.table.is_bits() || column.kind == Kind::U16);
        }
    }

    #[test]
    fn no_two_reads_of_a_profile_could_be_taken_for_each_other() {
        for profile in all() {
            let mut shapes: Vec<_> = plan::reads(profile).iter().map(|r| (r.function(), r.reply_length())).collect();
            let count = shapes.len();
            shapes.sort_unstable();
            shapes.dedup();
            assert_eq!(shapes.len(), count, "{}", profile.name);
        }
    }
}
