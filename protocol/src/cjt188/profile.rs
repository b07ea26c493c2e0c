//! Profiles of CJ/T 188 models: which field of the current data is which quantity, and how the meter is asked.
//!
//! ```text
//!   [recognise] maker 1111, types [0x25]     against the first four digits of the address, and T of the answer
//!   layout = "A"            absent: recognised from each answer     di_order = "low_first"   absent: learnt
//!   [[column]] quantity, field, decimals                            [[slot]] field, coding   with layout D
//!   [months] settles, first, day                                    absent: months are not asked for
//! ```
//!
//! Promises: a word that is not in the vocabulary is an error, and a field that cannot be what its column says.
//! Refuses: knowing which profiles there are.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

use super::binary::Slot;
use super::identifier::Order;
use super::layout::Layout;
use super::months::Months;
use super::payload::Rules;
use crate::amount::Dimension;
use crate::meter::Quantity;
use crate::named::{self, columns, quantity};

pub use super::field::HeatField;

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
    /// The order of every DI, where the model has but one.
    #[serde(default)]
    pub di_order: Option<Order>,
    /// Whether the meter has its address on the wire with the most significant byte first.
    #[serde(default)]
    pub address_high_first: bool,
    /// The layout of the data; where it is not named, it is recognised from each answer or the answer is refused.
    #[serde(default)]
    pub layout: Option<Layout>,
    /// What the places hold in layout D.
    #[serde(default, rename = "slot")]
    pub slots: Vec<Slot>,
    /// How past months are kept; absent: nobody knows, and they are not asked for.
    #[serde(default)]
    pub months: Option<Months>,
    /// Which field of the current data is which quantity; a field the meter's data do not have is no quantity.
    #[serde(rename = "column", deserialize_with = "columns")]
    pub columns: Vec<Column>,
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
            HeatField::Settled | HeatField::Energy | HeatField::Cooling => Dimension::Energy,
            HeatField::Power => Dimension::Power,
            HeatField::Flow => Dimension::Flow,
            HeatField::Volume => Dimension::Volume,
            HeatField::SupplyTemp | HeatField::ReturnTemp => Dimension::Temperature,
            HeatField::Hours => Dimension::Duration,
        };
        (Some(dimension), format!("field {:?}", self.field))
    }
}

impl Profile {
    /// Whether it knows the meter at `address` as its model; `answered` is T of its answer, once there is one.
    pub fn knows(&self, address: [u8; 7], answered: Option<u8>) -> bool {
        self.recognise.as_ref().is_some_and(|recognise| recognise.fits(address, answered))
    }

    /// The same where the address is as an answer has it.
    pub(crate) fn knows_seen(&self, address: [u8; 7], answered: Option<u8>) -> bool {
        self.knows(self.turned(address), answered)
    }

    /// How answers are to be read.
    pub(super) fn rules(&self) -> Rules<'_> {
        Rules { layout: self.layout, slots: &self.slots }
    }

    /// The address as a frame has it, for the one people write, and the other way round.
    pub(crate) fn turned(&self, mut address: [u8; 7]) -> [u8; 7] {
        if self.address_high_first {
            address.reverse();
        }
        address
    }

    /// Why no meter can be read by it.
    pub fn fault(&self) -> Option<String> {
        let is_binary = self.layout == Some(Layout::D);
        let slot = self.slots.iter().find_map(Slot::fault).map(str::to_owned);
        match (is_binary, self.slots.is_empty()) {
            (true, true) => Some("layout D without slots: name what each place holds".to_owned()),
            (false, false) => Some("slots without layout D: only D needs them".to_owned()),
            _ => slot,
        }
    }
}

/// A profile for tests: the columns of a heat meter, `line` in its head and `tables` at its end.
#[cfg(test)]
pub(super) fn sample(line: &str, tables: &str) -> Result<Profile, toml::de::Error> {
    let head = "name = \"x\"\nmeter_type = 0x20\nread_di = [0x1F, 0x90]\nvalve_di = [0xA0, 0x17]\n";
    let columns = [
        ("energy", "energy", 2),
        ("cooling_energy", "cooling", 2),
        ("volume", "volume", 2),
        ("power", "power", 2),
        ("flow", "flow", 4),
        ("supply_temp", "supply_temp", 2),
        ("return_temp", "return_temp", 2),
        ("operating_time", "hours", 0),
    ];
    let columns = columns.map(|(quantity, field, decimals)| {
        format!("[[column]]\nquantity = \"{quantity}\"\nfield = \"{field}\"\ndecimals = {decimals}\n")
    });
    toml::from_str(&format!("{head}{line}\n{}{tables}", columns.concat()))
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

    #[test]
    fn layout_and_order_are_words_of_the_vocabulary_or_absent() {
        let profile = sample("layout = \"C\"\ndi_order = \"low_first\"", "").expect("parses");
        assert_eq!((profile.layout, profile.di_order), (Some(Layout::C), Some(Order::LowFirst)));
        assert!(sample("", "").is_ok_and(|profile| profile.layout.is_none() && profile.fault().is_none()));
        for wrong in ["layout = \"F\"", "di_order = \"sideways\""] {
            assert!(sample(wrong, "").is_err(), "{wrong}");
        }
    }

    #[test]
    fn layout_d_and_slots_need_each_other() {
        let slot = "[[slot]]\nfield = \"energy\"\ncoding = \"unsigned\"\nunit = \"kWh\"\n";
        let fault = |line: &str, tables: &str| sample(line, tables).expect("parses").fault();
        let binary = "layout = \"D\"";
        assert_eq!(fault(binary, slot), None);
        assert!(fault(binary, "").is_some_and(|why| why.contains("without slots")));
        assert!(fault("", slot).is_some_and(|why| why.contains("without layout D")));
        let real = slot.replace("energy", "hours").replace("unsigned", "real");
        assert!(fault(binary, &real).is_some_and(|why| why.contains("three bytes")));
    }
}
