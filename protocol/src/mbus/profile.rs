//! Profiles of M-Bus models: how a model is recognised, which record is which quantity, how the valve is moved.
//!
//! ```text
//!   [recognise] manufacturer SEN, versions [11], media [4]   against the header of the answer, or a secondary address
//!   [[column]]  quantity = "energy"   record = "energy" at storage 0, tariff 0, subunit 0, instantaneous
//!   [history]   ask, back             what turns its answer to what it kept, and back to what it measures
//! ```
//!
//! Promises: a word that is not in the vocabulary is an error, and a record that cannot be what its column says.
//! Refuses: knowing which profiles there are.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

use super::frame::MOST_DATA;
use super::header::{self, Header};
use super::record::{Function, Place};
use super::vif::Meaning;
use crate::amount::Dimension;
use crate::meter::{Address, Kept, Quantity, SetDay, ValveState};
use crate::named::{self, columns, quantity, word};
use crate::scale::{Correction, Scale};

/// The profile of one M-Bus model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name, unique.
    pub name: String,
    /// By what an unnamed meter is known as this model; absent: by nothing.
    #[serde(default, deserialize_with = "recognise")]
    pub recognise: Option<Recognise>,
    /// Which record is which quantity.
    #[serde(rename = "column", deserialize_with = "columns")]
    pub columns: Vec<Column>,
    /// Which end of a day the model means by a date without a time of day; absent: nobody knows.
    pub set_day: Option<SetDay>,
    /// How its answer is turned to what it kept, where an ordinary one does not have it; absent: it cannot be.
    pub history: Option<Turning>,
    /// The valve, where the model may have one.
    pub valve: Option<Valve>,
}

impl Profile {
    /// Whether it knows the meter with this header as its model.
    pub fn knows(&self, header: &Header) -> bool {
        let Header { manufacturer, version, medium, .. } = *header;
        self.recognise.as_ref().is_some_and(|recognise| recognise.fits(manufacturer, version, medium))
    }

    /// The same by what a secondary address tells.
    pub fn knows_address(&self, address: &Address) -> bool {
        let (Address::MbusSecondary { manufacturer, version, medium, .. }
        | Address::MbusEnhanced { manufacturer, version, medium, .. }) = *address
        else {
            return false;
        };
        self.recognise.as_ref().is_some_and(|recognise| recognise.fits(manufacturer, version, medium))
    }
}

/// What the header of a model says; what is absent may be anything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recognise {
    /// The manufacturer's three letters, as a number.
    #[serde(default, deserialize_with = "manufacturer")]
    pub manufacturer: Option<u16>,
    /// The versions; empty: any.
    #[serde(default)]
    pub versions: Vec<u8>,
    /// The media; empty: any.
    #[serde(default)]
    pub media: Vec<u8>,
}

impl Recognise {
    /// Whether a header may be of this model.
    pub fn fits(&self, manufacturer: u16, version: u8, medium: u8) -> bool {
        let allows = |list: &[u8], code| list.is_empty() || list.contains(&code);
        self.manufacturer.is_none_or(|wanted| wanted == manufacturer)
            && allows(&self.versions, version)
            && allows(&self.media, medium)
    }

    /// How much it asks of a header: what asks for more is tried first.
    pub fn strictness(&self) -> usize {
        let asks = [self.manufacturer.is_some(), !self.versions.is_empty(), !self.media.is_empty()];
        asks.into_iter().filter(|asks| *asks).count()
    }
}

impl fmt::Display for Recognise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |code: u16, shift: u32| char::from((code >> shift & 0x1F) as u8 + 0x40);
        let letters = |code| [10, 5, 0].map(|shift| letter(code, shift)).iter().collect::<String>();
        let codes = |thing: &str, codes: &[u8]| {
            let words: Vec<_> = codes.iter().map(ToString::to_string).collect();
            (!codes.is_empty()).then(|| format!("{thing} {}", words.join(" or ")))
        };
        let parts = [self.manufacturer.map(letters), codes("version", &self.versions), codes("medium", &self.media)];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
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
    /// ... tariff, ...
    #[serde(default)]
    pub tariff: u32,
    /// ... subunit ...
    #[serde(default)]
    pub subunit: u16,
    /// ... and function.
    #[serde(default = "instantaneous", deserialize_with = "function")]
    pub function: Function,
    /// What is multiplied where the maker errs.
    #[serde(default)]
    pub scale: Scale,
    /// What is added where the maker errs, in the quantity's fixed unit.
    #[serde(default)]
    pub offset: i64,
}

impl Column {
    /// Where the record belongs.
    pub const fn place(&self) -> Place {
        Place { storage: self.storage, tariff: self.tariff, subunit: self.subunit, function: self.function }
    }

    /// What is put right.
    pub const fn correction(&self) -> Correction {
        Correction { scale: self.scale, offset: self.offset }
    }
}

impl named::Column for Column {
    fn quantity(&self) -> Quantity {
        self.quantity
    }

    fn measures(&self) -> (Option<Dimension>, String) {
        (dimension(self.record), format!("record \"{}\"", self.record.name()))
    }
}

/// What a record measures; nothing where it holds no amount.
const fn dimension(record: Meaning) -> Option<Dimension> {
    Some(match record {
        Meaning::Energy => Dimension::Energy,
        Meaning::Volume => Dimension::Volume,
        Meaning::Power => Dimension::Power,
        Meaning::Flow => Dimension::Flow,
        Meaning::FlowTemp | Meaning::ReturnTemp => Dimension::Temperature,
        Meaning::TempDifference => Dimension::Difference,
        Meaning::OnTime | Meaning::OperatingTime => Dimension::Duration,
        Meaning::ErrorFlags => Dimension::Plain,
        _ => return None,
    })
}

/// How the valve of an M-Bus model is moved and read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Valve {
    /// The data of the SND_UD (CI 51) that opens it.
    #[serde(deserialize_with = "command")]
    pub open: Vec<u8>,
    /// The data of the SND_UD (CI 51) that closes it.
    #[serde(deserialize_with = "command")]
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

/// How the answer of a model is turned to what it kept: which of its logs, or which storage numbers, it says next.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turning {
    /// What it keeps.
    pub keeps: Kept,
    /// Control information and data of the SND_UD before it is asked for its history: 50h and a subcode, 51h and a
    /// selection of records, or a maker's own.
    #[serde(deserialize_with = "command")]
    pub ask: Vec<u8>,
    /// The same before each ordinary read: nobody knows whether an earlier dialogue came to its end.
    #[serde(deserialize_with = "command")]
    pub back: Vec<u8>,
}

const fn instantaneous() -> Function {
    Function::Instantaneous
}

const fn function_name(function: Function) -> &'static str {
    match function {
        Function::Instantaneous => "instantaneous",
        Function::Maximum => "maximum",
        Function::Minimum => "minimum",
        Function::DuringError => "error",
    }
}

fn function<'de, D: Deserializer<'de>>(from: D) -> Result<Function, D::Error> {
    let all = [Function::Instantaneous, Function::Maximum, Function::Minimum, Function::DuringError];
    word(from, "function", &all, function_name)
}

fn meaning<'de, D: Deserializer<'de>>(from: D) -> Result<Meaning, D::Error> {
    word(from, "record", &Meaning::NAMED, Meaning::name)
}

fn command<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let data = Vec::<u8>::deserialize(from)?;
    match data.len() {
        1..=MOST_DATA => Ok(data),
        length => Err(de::Error::custom(format_args!("a command of {length} bytes: write 1 to {MOST_DATA}"))),
    }
}

fn recognise<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Recognise>, D::Error> {
    let recognise = Recognise::deserialize(from)?;
    match recognise.strictness() {
        0 => Err(de::Error::custom("recognise: every meter fits: write manufacturer, versions or media, or remove it")),
        _ => Ok(Some(recognise)),
    }
}

fn manufacturer<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u16>, D::Error> {
    let text = String::deserialize(from)?;
    match text.as_bytes() {
        [a, b, c] if [a, b, c].into_iter().all(u8::is_ascii_uppercase) => Ok(Some(header::manufacturer([*a, *b, *c]))),
        _ => Err(de::Error::custom(format_args!("manufacturer \"{text}\" is none: write three capital letters"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Profile, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    fn recognise(rest: &str) -> Recognise {
        let text = format!("name = 'p'\ncolumn = []\nrecognise = {{ manufacturer = 'SEN'{rest} }}");
        parse(&text).ok().and_then(|profile| profile.recognise).expect("parses")
    }

    #[test]
    fn what_is_not_said_of_a_model_may_be_anything_and_what_says_more_is_stricter() {
        let (any, one) = (recognise(""), recognise(", versions = [11], media = [4, 12]"));
        let sen = header::manufacturer(*b"SEN");
        assert!(any.fits(sen, 99, 7) && !any.fits(sen + 1, 99, 7));
        assert!(one.fits(sen, 11, 12) && !one.fits(sen, 10, 12) && !one.fits(sen, 11, 7));
        assert!(one.strictness() > any.strictness());
        assert_eq!(one.to_string(), "SEN, version 11, medium 4 or 12");
        let heat = Recognise { media: vec![4], ..Recognise::default() };
        assert!(heat.fits(1, 2, 4) && !heat.fits(1, 2, 7));
        assert_eq!((heat.to_string().as_str(), heat.strictness()), ("medium 4", 1));
    }

    #[test]
    fn what_fits_every_meter_recognises_none() {
        let refused = parse("name = 'p'\ncolumn = []\nrecognise = {}").map(|_| ()).expect_err("refused");
        assert!(refused.contains("every meter fits"), "{refused}");
    }

    #[test]
    fn a_secondary_address_tells_the_model_and_a_primary_one_does_not() {
        let text = "name = 'p'\ncolumn = []\nrecognise = { manufacturer = 'SEN' }";
        let profile = parse(text).expect("parses");
        let address = Address::MbusSecondary { id: 1, manufacturer: 0x4CAE, version: 1, medium: 4 };
        assert!(profile.knows_address(&address) && !profile.knows_address(&Address::MbusPrimary(1)));
    }

    #[test]
    fn a_column_holds_what_its_record_measures_and_each_quantity_once() {
        let column = |quantity: &str, record: &str| format!("{{ quantity = '{quantity}', record = '{record}' }}");
        let with = |columns: &[String]| parse(&format!("name = 'p'\ncolumn = [{}]", columns.join(", ")));
        let refused = |columns: &[String]| with(columns).map(|_| ()).expect_err("refused");
        let energy = column("energy", "energy");
        assert!(with(&[energy.clone(), column("cooling_energy", "energy")]).is_ok());
        assert!(refused(&[energy.clone(), energy.clone()]).contains("column 2 (energy)"));
        assert!(refused(&[energy, column("volume", "flow")]).contains("record \"flow\" is no volume"));
        assert!(refused(&[column("on_time", "date")]).contains("record \"date\" is no on_time"));
    }

    #[test]
    fn letters_of_a_manufacturer_are_three_capitals() {
        for wrong in ["sen", "SE", "SENS", "S3N"] {
            let text = format!("name = 'p'\ncolumn = []\nrecognise = {{ manufacturer = '{wrong}' }}");
            assert!(parse(&text).map(|_| ()).expect_err("refused").contains("three capital letters"), "{wrong}");
        }
    }
}
