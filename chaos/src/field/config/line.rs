//! What a line of a field is made of: its meters, their faults.
//!
//! Promises: a line that is accepted can be served. Refuses: addresses that do not fit their dialect or are given twice.

use std::collections::HashSet;

use anyhow::{Context, Result, bail, ensure};
use protocol::meter::{Address, Dialect};
use serde::Deserialize;

/// The fastest line a gateway offers, bit/s.
pub const MAX_BAUD: u32 = 115_200;
/// The slowest line of the standards, bit/s.
pub const MIN_BAUD: u32 = 300;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineConfig {
    /// Its name.
    pub name: String,
    /// What carries it.
    #[serde(default)]
    pub kind: LineKind,
    /// TCP port; 0 takes a free one.
    #[serde(default)]
    pub port: u16,
    /// Line speed, bit/s.
    #[serde(default = "baud")]
    pub baud: u32,
    /// Dialect of the generated meters.
    #[serde(default)]
    pub dialect: Mix,
    /// How many meters to generate.
    #[serde(default)]
    pub meters: u32,
    /// Meters named one by one; generated ones are appended here.
    #[serde(default, rename = "meter")]
    pub named: Vec<MeterConfig>,
}

/// What carries a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineKind {
    /// A transparent serial gateway on TCP.
    #[default]
    Tcp,
    /// A pseudo-terminal.
    Serial,
}

/// The dialects of a line's generated meters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mix {
    /// M-Bus only.
    Mbus,
    /// CJ/T 188 only.
    Cjt188,
    /// In turn.
    #[default]
    Mixed,
}

/// One meter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeterConfig {
    /// Its name.
    pub name: String,
    /// `mbus` or `cjt188`.
    pub dialect: String,
    /// M-Bus primary address, or the 14 digits of CJ/T 188.
    pub address: String,
    /// The profile told to the product; empty lets it recognise the meter.
    #[serde(default)]
    pub profile: String,
    /// Whether it has a valve.
    #[serde(default)]
    pub valve: bool,
    /// What is wrong with it.
    #[serde(default)]
    pub fault: Fault,
}

/// What is wrong with a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fault {
    /// It never answers.
    pub silent: bool,
    /// Every so many answers carry a wrong checksum; 0 none.
    pub damaged_every: u64,
    /// Answers come this much later, ms.
    pub late_ms: u64,
}

fn baud() -> u32 {
    9600
}

impl LineConfig {
    pub(super) fn check(&self) -> Result<()> {
        let Self { name, baud, .. } = self;
        ensure!((MIN_BAUD..=MAX_BAUD).contains(baud), "line {name}: baud {baud} is not in {MIN_BAUD}..{MAX_BAUD}");
        let mut addresses = HashSet::new();
        for meter in &self.named {
            let address = meter.parsed_address()?;
            ensure!(addresses.insert(address), "line {name}: address {address} is given to two meters");
        }
        Ok(())
    }
}

impl MeterConfig {
    /// The address, if a simulated meter can have it.
    pub fn parsed_address(&self) -> Result<Address> {
        let named = || format!("meter {}", self.name);
        let dialect: Dialect = self.dialect.parse().with_context(named)?;
        let address = Address::parse(dialect, &self.address).with_context(named)?;
        match address {
            Address::MbusPrimary(_) | Address::Cjt188(_) => Ok(address),
            _ => bail!("meter {}: address {} is of a kind no simulated meter has", self.name, self.address),
        }
    }
}
