//! Profiles: which record or field of a meter model is which quantity, and how its valve is moved.
//!
//! ```text
//!   profiles/*.toml --> MbusProfile | Cjt188Profile --> columns of a Reading
//! ```
//!
//! Promises: the built-in profiles are data, read once; a word in them that is not in the vocabulary is an error.
//! Refuses: choosing a profile nobody named other than the generic one of the dialect.

use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, de};

use crate::mbus::record::Place;
use crate::mbus::vif::Meaning;
use crate::meter::{Quantity, ValveState};

/// The profile of one M-Bus model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MbusProfile {
    /// Its name, unique.
    pub name: String,
    /// Which record is which quantity.
    #[serde(rename = "column")]
    pub columns: Vec<MbusColumn>,
    /// The valve, where the model may have one.
    pub valve: Option<MbusValve>,
}

/// One quantity of an M-Bus model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MbusColumn {
    /// The quantity.
    #[serde(deserialize_with = "quantity")]
    pub quantity: Quantity,
    /// The record that holds it, ...
    #[serde(deserialize_with = "meaning")]
    pub record: Meaning,
    /// ... under this storage number, ...
    #[serde(default)]
    pub storage: u64,
    /// ... tariff ...
    #[serde(default)]
    pub tariff: u32,
    /// ... and subunit.
    #[serde(default)]
    pub subunit: u16,
}

impl MbusColumn {
    /// Where the record belongs.
    pub const fn place(&self) -> Place {
        Place { storage: self.storage, tariff: self.tariff, subunit: self.subunit, ..Place::CURRENT }
    }
}

/// How the valve of an M-Bus model is moved and read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MbusValve {
    /// The data of the SND_UD (CI 51) that opens it.
    pub open: Vec<u8>,
    /// The data of the SND_UD (CI 51) that closes it.
    pub close: Vec<u8>,
    /// The record that tells its state.
    #[serde(deserialize_with = "meaning")]
    pub record: Meaning,
    /// The record's number when open.
    pub says_open: i64,
    /// The record's number when closed.
    pub says_closed: i64,
    /// The record's number when faulty.
    pub says_fault: i64,
}

impl MbusValve {
    /// What the record's number says; any other number (moving) says nothing.
    pub const fn state(&self, says: i64) -> Option<ValveState> {
        match says {
            _ if says == self.says_open => Some(ValveState::Open),
            _ if says == self.says_closed => Some(ValveState::Closed),
            _ if says == self.says_fault => Some(ValveState::Fault),
            _ => None,
        }
    }
}

/// The profile of one CJ/T 188 model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cjt188Profile {
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
    pub columns: Vec<Cjt188Column>,
}

/// One quantity of a CJ/T 188 model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cjt188Column {
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

/// A profile of any dialect, as its file has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "dialect", rename_all = "lowercase")]
enum Profile {
    Mbus(MbusProfile),
    Cjt188(Cjt188Profile),
}

const FILES: [&str; 2] =
    [include_str!("../profiles/mbus-generic.toml"), include_str!("../profiles/cjt188-generic.toml")];

static BUILTIN: LazyLock<Vec<Profile>> = LazyLock::new(|| {
    FILES
        .iter()
        .map(|text| toml::from_str(text).expect("a test holds every built-in profile to the vocabulary"))
        .collect()
});

/// The M-Bus profile of this name, or the generic one where none is named; `None` for a name nobody knows.
pub fn mbus(name: Option<&str>) -> Option<&'static MbusProfile> {
    let wanted = name.unwrap_or("mbus-generic");
    BUILTIN.iter().find_map(|profile| match profile {
        Profile::Mbus(profile) if profile.name == wanted => Some(profile),
        _ => None,
    })
}

/// The CJ/T 188 profile of this name, or the generic one where none is named; `None` for a name nobody knows.
pub fn cjt188(name: Option<&str>) -> Option<&'static Cjt188Profile> {
    let wanted = name.unwrap_or("cjt188-generic");
    BUILTIN.iter().find_map(|profile| match profile {
        Profile::Cjt188(profile) if profile.name == wanted => Some(profile),
        _ => None,
    })
}

pub(crate) fn quantity<'de, D: Deserializer<'de>>(from: D) -> Result<Quantity, D::Error> {
    word(from, "quantity", &Quantity::ALL, Quantity::name)
}

fn meaning<'de, D: Deserializer<'de>>(from: D) -> Result<Meaning, D::Error> {
    word(from, "record", &Meaning::NAMED, Meaning::name)
}

fn word<'de, D, T>(from: D, thing: impl fmt::Display, all: &[T], name: fn(T) -> &'static str) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Copy,
{
    let word = String::deserialize(from)?;
    let found = all.iter().copied().find(|candidate| name(*candidate) == word);
    found.ok_or_else(|| de::Error::custom(format_args!("{thing} \"{word}\" is not in the vocabulary")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_profile_parses_and_names_no_quantity_twice() {
        for text in FILES {
            let quantities: Vec<Quantity> = match toml::from_str(text).expect("parses") {
                Profile::Mbus(profile) => profile.columns.iter().map(|c| c.quantity).collect(),
                Profile::Cjt188(profile) => profile.columns.iter().map(|c| c.quantity).collect(),
            };
            let mut unique = quantities.clone();
            unique.sort();
            unique.dedup();
            assert_eq!(unique.len(), quantities.len());
        }
    }

    #[test]
    fn each_dialect_has_its_generic_profile_and_an_unknown_name_has_none() {
        assert!(mbus(None).is_some_and(|profile| profile.valve.is_some()));
        assert!(cjt188(None).is_some());
        assert!(mbus(Some("cjt188-generic")).is_none());
    }

    #[test]
    fn a_word_outside_the_vocabulary_is_named() {
        let text =
            include_str!("../profiles/mbus-generic.toml").replacen("quantity = \"energy\"", "quantity = \"warmth\"", 1);
        let error = toml::from_str::<Profile>(&text).expect_err("refused").to_string();
        assert!(error.contains("quantity \"warmth\""), "{error}");
    }
}
