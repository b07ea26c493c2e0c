//! What a line of a field is made of: what carries it, how fast, its meters.
//!
//! Promises: a line that is accepted can be served. Refuses: addresses given twice, and meters that cannot live on it.

use std::collections::HashSet;

use anyhow::{Result, bail, ensure};
use serde::Deserialize;

use super::fault::Fault;
use super::kind::{LineKind, Mix};
use super::meter::MeterConfig;
use super::plantable;
use super::unit::UnitConfig;

/// The fastest line a gateway offers, bit/s.
pub const MAX_BAUD: u32 = 115_200;
/// The slowest line of the standards, bit/s.
pub const MIN_BAUD: u32 = 300;
/// What the product is told of a line without a speed, bit/s.
const TOLD_BAUD: u32 = 9600;

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
    /// Line speed, bit/s; 0 is no speed at all: bytes take no time, and the product is told 9600.
    #[serde(default = "baud")]
    pub baud: u32,
    /// Whether bytes take their time.
    #[serde(default = "yes")]
    pub throttle: bool,
    /// Whether requests come back before the answer, as some level converters do.
    #[serde(default)]
    pub echo: bool,
    /// The unit that calls; only of `dialin`.
    #[serde(default)]
    pub unit: Option<UnitConfig>,
    /// Dialect of the generated meters.
    #[serde(default)]
    pub dialect: Mix,
    /// How many meters to generate.
    #[serde(default)]
    pub meters: u32,
    /// What is wrong with every meter that has no fault of its own.
    #[serde(default)]
    pub fault: Fault,
    /// Meters named one by one; generated ones are appended here.
    #[serde(default, rename = "meter")]
    pub named: Vec<MeterConfig>,
}

impl Default for LineConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            kind: LineKind::default(),
            port: 0,
            baud: baud(),
            throttle: yes(),
            echo: false,
            unit: None,
            dialect: Mix::default(),
            meters: 0,
            fault: Fault::default(),
            named: Vec::new(),
        }
    }
}

fn baud() -> u32 {
    9600
}
fn yes() -> bool {
    true
}

impl LineConfig {
    /// Line speed as the product is told it, bit/s.
    pub fn told_baud(&self) -> u32 {
        if self.baud == 0 { TOLD_BAUD } else { self.baud }
    }

    /// Whether bytes take their time.
    pub fn is_throttled(&self) -> bool {
        self.throttle && self.baud > 0
    }

    /// Meters without a fault of their own take the line's.
    pub(super) fn spread_fault(&mut self) {
        for meter in &mut self.named {
            if meter.fault == Fault::default() {
                meter.fault = self.fault;
            }
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let Self { name, baud, .. } = self;
        let is_speed = *baud == 0 || (MIN_BAUD..=MAX_BAUD).contains(baud);
        ensure!(is_speed, "line {name}: baud {baud} is no speed: use {MIN_BAUD} to {MAX_BAUD}, or 0 for none");
        self.check_unit()?;
        for meter in &self.named {
            let is_modbus = meter.dialect == "modbus";
            ensure!(
                is_modbus || self.kind != LineKind::ModbusTcp,
                "line {name}: meter {} of dialect {:?} on a modbus-tcp line: use modbus",
                meter.name,
                meter.dialect
            );
            meter.check()?;
            plantable::check(meter, self.kind)?;
        }
        self.check_addresses()
    }

    fn check_unit(&self) -> Result<()> {
        let name = &self.name;
        match (self.kind, &self.unit) {
            (LineKind::DialIn, Some(unit)) => unit.check(name),
            (LineKind::DialIn, None) => bail!("line {name}: kind dialin without a unit: add [line.unit]"),
            (_, Some(_)) => bail!("line {name}: a unit is only for kind dialin: leave it out"),
            (_, None) => Ok(()),
        }?;
        ensure!(
            self.kind == LineKind::Tcp || self.kind == LineKind::ModbusTcp || self.port == 0,
            "line {name}: port {} is only for kinds tcp and modbus-tcp: leave it out",
            self.port
        );
        Ok(())
    }

    fn check_addresses(&self) -> Result<()> {
        let name = &self.name;
        let mut addresses = HashSet::new();
        for meter in &self.named {
            for address in meter.addresses()? {
                let is_new = addresses.insert(address) || meter.fault.shares_address;
                ensure!(
                    is_new,
                    "line {name}: address {address} is given to two meters: change one, or plant shares_address in the later one"
                );
            }
        }
        Ok(())
    }
}
