//! Profiles of M-Bus models: which record is which quantity, and how the valve is moved.
//!
//! Promises: a word that is not in the vocabulary is an error. Refuses: knowing which profiles there are.

use serde::{Deserialize, Deserializer};

use super::record::Place;
use super::vif::Meaning;
use crate::meter::{Quantity, ValveState};
use crate::named::{quantity, word};

/// The profile of one M-Bus model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name, unique.
    pub name: String,
    /// Which record is which quantity.
    #[serde(rename = "column")]
    pub columns: Vec<Column>,
    /// The valve, where the model may have one.
    pub valve: Option<Valve>,
}

/// One quantity of an M-Bus model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
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

impl Column {
    /// Where the record belongs.
    pub const fn place(&self) -> Place {
        Place { storage: self.storage, tariff: self.tariff, subunit: self.subunit, ..Place::CURRENT }
    }
}

/// How the valve of an M-Bus model is moved and read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Valve {
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

impl Valve {
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

fn meaning<'de, D: Deserializer<'de>>(from: D) -> Result<Meaning, D::Error> {
    word(from, "record", &Meaning::NAMED, Meaning::name)
}
