//! What a meter of a field is made of: its address, its model.
//!
//! Promises: a meter that is accepted can be simulated. Refuses: addresses and models that do not fit its dialect.

use anyhow::{Context, Result, ensure};
use protocol::meter::{Address, Dialect};
use serde::Deserialize;

use super::fault::Fault;
use crate::field::modbus::map::Map;

/// The most telegrams one answer may take: what masters are made for.
const MOST_TELEGRAMS: u8 = 16;

/// The last day that every month has.
const MOST_SETTLED: u8 = 28;

/// One meter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeterConfig {
    /// Its name.
    pub name: String,
    /// `mbus`, `cjt188` or `modbus`.
    pub dialect: String,
    /// M-Bus primary address or the 16 hex digits of the secondary one, the 14 digits of CJ/T 188, or a Modbus unit.
    pub address: String,
    /// The profile told to the product; empty lets it recognise the meter. A Modbus meter is made of its profile.
    #[serde(default)]
    pub profile: String,
    /// Whether it has a valve.
    #[serde(default)]
    pub valve: bool,
    /// What is special about an M-Bus meter.
    #[serde(default)]
    pub mbus: MbusOptions,
    /// What is special about a CJ/T 188 meter.
    #[serde(default)]
    pub cjt188: CjtOptions,
    /// What is wrong with it.
    #[serde(default)]
    pub fault: Fault,
}

/// What is special about an M-Bus meter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MbusOptions {
    /// Its primary address where the product is told the secondary one; 0 is unconfigured.
    pub primary: u8,
    /// Its secondary address, 16 hex digits, where the product is told the primary one; empty makes one up.
    pub secondary: String,
    /// Its fabrication number, eight digits; empty is the identification.
    pub fabrication: String,
    /// Over how many telegrams its answer is spread; 0 and 1 are one.
    pub telegrams: u8,
    /// Fixed data structure: two counters, no more.
    pub fixed: bool,
}

/// What is special about a CJ/T 188 meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CjtOptions {
    /// The order of bytes in its data.
    pub layout: Layout,
    /// What it measures.
    pub measures: Measures,
    /// The order of the two DI bytes it understands.
    pub di: DiOrder,
    /// What it says as SER.
    pub ser: Ser,
    /// On which day of a month, at the midnight that begins it, it puts down its index; 0, the default, is the first.
    pub settlement_day: u8,
}

/// The five orders of bytes that live under one header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Layout {
    /// The standard: the least significant byte first, then the unit.
    #[default]
    A,
    /// The unit before the value.
    B,
    /// The most significant byte first.
    C,
    /// A maker's binary numbers.
    D,
    /// As B, with 33h added to every byte.
    E,
}

/// What a CJ/T 188 meter measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measures {
    /// Type 20.
    #[default]
    Heat,
    /// Type 10, cold water.
    Water,
    /// Type 30.
    Gas,
}

/// Orders of the two DI bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum DiOrder {
    /// It understands both.
    #[default]
    #[serde(rename = "both")]
    Both,
    /// Only 90 1F.
    #[serde(rename = "901F")]
    HighFirst,
    /// Only 1F 90.
    #[serde(rename = "1F90")]
    LowFirst,
}

/// What is said as SER.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Ser {
    /// What was asked with.
    #[default]
    #[serde(rename = "echo")]
    Echo,
    /// Always 12h.
    #[serde(rename = "12")]
    Twelve,
    /// Always 00.
    #[serde(rename = "00")]
    Zero,
}

impl MeterConfig {
    /// The address, if a simulated meter can have it.
    pub fn parsed_address(&self) -> Result<Address> {
        Address::parse(self.parsed_dialect()?, &self.address).with_context(|| format!("meter {}", self.name))
    }

    /// Every address it is reached by, as far as the config says.
    pub(super) fn addresses(&self) -> Result<Vec<Address>> {
        let mut addresses = vec![self.parsed_address()?];
        if !self.mbus.secondary.is_empty() {
            addresses.push(self.secondary(&self.mbus.secondary)?);
        }
        if self.mbus.primary > 0 {
            addresses.push(Address::MbusPrimary(self.mbus.primary));
        }
        Ok(addresses)
    }

    pub(super) fn check(&self) -> Result<()> {
        let Self { name, dialect, profile, .. } = self;
        let parsed = self.parsed_dialect()?;
        ensure!(
            parsed == Dialect::Mbus || self.mbus == MbusOptions::default(),
            "meter {name}: mbus options of a {dialect} meter: leave them out"
        );
        let is_plain = self.cjt188 == CjtOptions::default();
        ensure!(
            parsed == Dialect::Cjt188 || is_plain,
            "meter {name}: cjt188 options of a {dialect} meter: leave them out"
        );
        match parsed {
            Dialect::Mbus => self.check_mbus(),
            Dialect::Cjt188 => {
                let day = self.cjt188.settlement_day;
                ensure!(
                    day <= MOST_SETTLED,
                    "meter {name}: settlement_day {day}: use 1 to {MOST_SETTLED}: every month has it"
                );
                Ok(())
            }
            Dialect::Modbus => {
                let map = Map::named(profile).with_context(|| {
                    format!("meter {name}: profile {profile:?} is no register map: use one of {}", Map::names())
                })?;
                ensure!(
                    map.has_valve() || !self.valve,
                    "meter {name}: valve = true, but {profile} has none: leave it out"
                );
                Ok(())
            }
        }
    }

    fn check_mbus(&self) -> Result<()> {
        let (name, MbusOptions { primary, secondary, fabrication, telegrams, fixed }) = (&self.name, &self.mbus);
        ensure!(*primary <= 250, "meter {name}: mbus primary {primary} is no address: use 0 to 250");
        let is_told = matches!(self.parsed_address()?, Address::MbusSecondary { .. });
        ensure!(
            is_told || *primary == 0,
            "meter {name}: mbus primary {primary} beside address {}: keep one",
            self.address
        );
        ensure!(
            !is_told || secondary.is_empty(),
            "meter {name}: mbus secondary beside address {}: keep one",
            self.address
        );
        ensure!(
            fabrication.is_empty() || fabrication.len() == 8 && fabrication.bytes().all(|c| c.is_ascii_digit()),
            "meter {name}: fabrication {fabrication:?} is no number: use eight digits"
        );
        ensure!(
            *telegrams <= MOST_TELEGRAMS,
            "meter {name}: telegrams {telegrams} is more than masters take: use 1 to {MOST_TELEGRAMS}"
        );
        ensure!(
            !fixed || *telegrams <= 1,
            "meter {name}: fixed structure has one telegram, not {telegrams}: leave telegrams out"
        );
        ensure!(!fixed || !self.valve, "meter {name}: fixed structure has no room for a valve: leave one of them out");
        Ok(())
    }

    fn parsed_dialect(&self) -> Result<Dialect> {
        self.dialect.parse().with_context(|| format!("meter {}", self.name))
    }

    fn secondary(&self, text: &str) -> Result<Address> {
        let named = || format!("meter {}: mbus secondary {text:?}: use 16 hex digits", self.name);
        ensure!(text.len() == 16, named());
        Address::parse(Dialect::Mbus, text).with_context(named)
    }
}
