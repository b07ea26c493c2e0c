//! Profiles of CJ/T 188 models: which field of the current data is which quantity, and how the meter is asked.
//!
//! ```text
//!   layout = "A"            absent: recognised from each answer     di_order = "low_first"   absent: learnt
//!   [[column]] quantity, field, decimals                            [[slot]] field, coding   with layout D
//! ```
//!
//! Promises: a word that is not in the vocabulary is an error. Refuses: knowing which profiles there are.

use serde::Deserialize;

use super::binary::Slot;
use super::identifier::Order;
use super::layout::Layout;
use super::payload::Rules;
use crate::meter::Quantity;
use crate::named::quantity;

/// The profile of one CJ/T 188 model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name, unique.
    pub name: String,
    /// T of the requests; what T the answer has is not looked at.
    pub meter_type: u8,
    /// The wire order of the DI of a read that is tried first.
    pub read_di: [u8; 2],
    /// The wire order of the DI of a valve command that is tried first.
    pub valve_di: [u8; 2],
    /// The order of every DI, where the model has but one.
    #[serde(default)]
    pub di_order: Option<Order>,
    /// The layout of the data; where it is not named, it is recognised from each answer or the answer is refused.
    #[serde(default)]
    pub layout: Option<Layout>,
    /// What the places hold in layout D.
    #[serde(default, rename = "slot")]
    pub slots: Vec<Slot>,
    /// Which field of the current data is which quantity; a field the meter's data do not have is no quantity.
    #[serde(rename = "column")]
    pub columns: Vec<Column>,
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

/// A field of the current data, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeatField {
    /// What stands first: heat at the settlement day, or cooling energy; the volume at the settlement day of water.
    Settled,
    /// Energy: heat, unless the meter is of type 21 and counts cold.
    Energy,
    /// Cooling energy: the energy of a meter of type 21, and what stands first in one of type 22.
    Cooling,
    /// Power.
    Power,
    /// Flow.
    Flow,
    /// Volume, also of water and gas.
    Volume,
    /// Supply temperature.
    SupplyTemp,
    /// Return temperature.
    ReturnTemp,
    /// Hours in operation.
    Hours,
}

impl Profile {
    /// How answers are to be read.
    pub(super) fn rules(&self) -> Rules<'_> {
        Rules { layout: self.layout, slots: &self.slots }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(extra: &str) -> Result<Profile, toml::de::Error> {
        let columns = "[[column]]\nquantity = \"energy\"\nfield = \"energy\"\ndecimals = 2\n";
        let head = "name = \"x\"\nmeter_type = 0x20\nread_di = [0x1F, 0x90]\nvalve_di = [0xA0, 0x17]\n";
        toml::from_str(&format!("{head}{extra}{columns}"))
    }

    #[test]
    fn layout_and_order_are_words_of_the_vocabulary_or_absent() {
        let profile = parse("layout = \"C\"\ndi_order = \"low_first\"\n").expect("parses");
        assert_eq!((profile.layout, profile.di_order), (Some(Layout::C), Some(Order::LowFirst)));
        assert!(parse("").is_ok_and(|profile| profile.layout.is_none() && profile.fault().is_none()));
        for wrong in ["layout = \"F\"\n", "di_order = \"sideways\"\n"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn layout_d_and_slots_need_each_other() {
        let slot = "[[slot]]\nfield = \"energy\"\ncoding = \"unsigned\"\nunit = \"kWh\"\n";
        let fault = |extra: &str| parse(extra).expect("parses").fault();
        assert_eq!(fault(&format!("layout = \"D\"\n{slot}")), None);
        assert!(fault("layout = \"D\"\n").is_some_and(|why| why.contains("without slots")));
        assert!(fault(slot).is_some_and(|why| why.contains("without layout D")));
        let real = slot.replace("energy", "hours").replace("unsigned", "real");
        assert!(fault(&format!("layout = \"D\"\n{real}")).is_some_and(|why| why.contains("three bytes")));
    }
}
