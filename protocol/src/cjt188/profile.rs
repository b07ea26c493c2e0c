//! Profiles of CJ/T 188 models: which field of the current data is which quantity, and how the meter is asked.
//!
//! ```text
//!   [recognise] maker 1111, types [0x25]     against the first four digits of the address, and T of the answer
//! ```
//!
//! Promises: a word that is not in the vocabulary is an error, and a field that cannot be what its column says.
//! Refuses: knowing which profiles there are.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

use crate::amount::Dimension;
use crate::meter::Quantity;
use crate::named::{self, columns, quantity};

/// The profile of one CJ/T 188 model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name, unique.
    pub name: String,
    /// By what an unnamed meter is known as this model; absent: by nothing.
    #[serde(default, deserialize_with = "recognise")]
    pub recognise: Option<Recognise>,
    /// T of the requests; what T the answer has is not looked at.
    pub meter_type: u8,
    /// The wire order of the DI of a read that is tried first.
    pub read_di: [u8; 2],
    /// The wire order of the DI of a valve command that is tried first.
    pub valve_di: [u8; 2],
    /// Which field of the current data is which quantity.
    #[serde(rename = "column", deserialize_with = "columns")]
    pub columns: Vec<Column>,
}

impl Profile {
    /// Whether it knows the meter at `address` as its model; `answered` is T of its answer, once there is one.
    pub fn knows(&self, address: [u8; 7], answered: Option<u8>) -> bool {
        self.recognise.as_ref().is_some_and(|recognise| recognise.fits(address, answered))
    }
}

/// What a model says of itself; what is absent may be anything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recognise {
    /// The maker: A6 A5 of the address, the first four digits as people write it.
    #[serde(default, deserialize_with = "maker")]
    pub maker: Option<[u8; 2]>,
    /// What T the answers have; empty: any.
    #[serde(default)]
    pub types: Vec<u8>,
}

impl Recognise {
    /// Whether a meter is of this model, as far as it has said; one that has said nothing is of none.
    pub fn fits(&self, address: [u8; 7], answered: Option<u8>) -> bool {
        let [a6, a5, ..] = address;
        let has_maker = self.maker.is_none_or(|maker| maker == [a6, a5]);
        let has_type = match answered {
            Some(kind) => self.types.is_empty() || self.types.contains(&kind),
            None => self.maker.is_some(),
        };
        has_maker && has_type
    }

    /// How much it asks of a meter: what asks for more is tried first.
    pub fn strictness(&self) -> usize {
        usize::from(self.maker.is_some()) + usize::from(!self.types.is_empty())
    }
}

impl fmt::Display for Recognise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let maker = self.maker.map(|[a6, a5]| format!("address {a6:02X}{a5:02X}.."));
        let types: Vec<_> = self.types.iter().map(|kind| format!("{kind:02X}")).collect();
        let types = (!types.is_empty()).then(|| format!("type {}", types.join(" or ")));
        f.write_str(&maker.into_iter().chain(types).collect::<Vec<_>>().join(", "))
    }
}

fn recognise<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Recognise>, D::Error> {
    let recognise = Recognise::deserialize(from)?;
    match recognise.strictness() {
        0 => Err(de::Error::custom("recognise: every meter fits: write maker or types, or remove it")),
        _ => Ok(Some(recognise)),
    }
}

fn maker<'de, D: Deserializer<'de>>(from: D) -> Result<Option<[u8; 2]>, D::Error> {
    let text = String::deserialize(from)?;
    let is_digits = text.len() == 4 && text.bytes().all(|c| c.is_ascii_hexdigit());
    let code = u16::from_str_radix(&text, 16).ok().filter(|_| is_digits);
    let wrong = || format!("maker \"{text}\" is none: write the first four digits of the address");
    code.map(u16::to_be_bytes).map(Some).ok_or_else(|| de::Error::custom(wrong()))
}

/// One quantity of a CJ/T 188 model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The quantity.
    #[serde(deserialize_with = "quantity")]
    pub quantity: Quantity,
    /// The field that holds it.
    pub field: HeatField,
    /// The digits behind the decimal point.
    pub decimals: u8,
}

impl named::Column for Column {
    fn quantity(&self) -> Quantity {
        self.quantity
    }

    fn measures(&self) -> (Option<Dimension>, String) {
        let dimension = match self.field {
            HeatField::Settled | HeatField::Energy => Dimension::Energy,
            HeatField::Power => Dimension::Power,
            HeatField::Flow => Dimension::Flow,
            HeatField::Volume => Dimension::Volume,
            HeatField::SupplyTemp | HeatField::ReturnTemp => Dimension::Temperature,
            HeatField::Hours => Dimension::Duration,
        };
        (Some(dimension), format!("field {:?}", self.field))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const METER: [u8; 7] = [0x42, 0x59, 0, 0x16, 0x51, 0x08, 0x24];

    #[test]
    fn a_model_is_known_by_its_maker_before_it_answers_and_by_its_type_as_well_after() {
        let text = "maker = '4259'\ntypes = [0x20]";
        let recognise: Recognise = toml::from_str(text).expect("parses");
        assert!(recognise.fits(METER, None) && recognise.fits(METER, Some(0x20)));
        assert!(!recognise.fits(METER, Some(0x25)) && !recognise.fits([0x11; 7], None));
        assert_eq!(recognise.to_string(), "address 4259.., type 20");
        let water = Recognise { types: vec![0x10], ..Recognise::default() };
        assert!(water.fits(METER, Some(0x10)) && !water.fits(METER, None), "it has not said what it is");
        assert_eq!((water.to_string().as_str(), water.strictness()), ("type 10", 1));
    }

    #[test]
    fn what_fits_every_meter_recognises_none() {
        let text = "name = 'p'\nmeter_type = 32\nread_di = [1, 2]\nvalve_di = [1, 2]\ncolumn = []\nrecognise = {}";
        assert!(toml::from_str::<Profile>(text).expect_err("refused").message().contains("every meter fits"));
    }

    #[test]
    fn a_maker_is_four_digits() {
        for wrong in ["425", "42590", "+425", "42 5", "glxy"] {
            let refused = toml::from_str::<Recognise>(&format!("maker = '{wrong}'")).expect_err("refused");
            assert!(refused.message().contains("first four digits"), "{wrong}");
        }
    }
}
