//! Register profiles: which register of a model is which quantity, how its valve is moved and read.
//!
//! ```text
//!   Profile --> plan (what to read together), columns of a Reading, writes
//! ```
//!
//! Promises: a word that is not in the vocabulary is an error, and a unit that cannot be what its column says. Refuses:
//! knowing which profiles there are, and a generic one: Modbus does not say what its registers mean.

use serde::{Deserialize, Deserializer, de};

use super::payload::{Request, Table};
use super::register::{Kind, Named, Order, Scale};
use crate::amount::Dimension;
use crate::meter::{Action, Quantity, ValveState};
use crate::named::{self, columns, quantity, valve};

/// The most signs of a valve.
const MOST_SIGNS: usize = 16;

/// The profile of one model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name, unique.
    pub name: String,
    /// The most registers the model gives at once.
    #[serde(default = "standard_most")]
    pub most: u16,
    /// The most registers nobody wants that are read along to join two reads.
    #[serde(default)]
    pub gap: u16,
    /// Which register is which quantity.
    #[serde(rename = "column", default, deserialize_with = "columns")]
    pub columns: Vec<Column>,
    /// The valve, where the model has one.
    pub valve: Option<Valve>,
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

impl named::Column for Column {
    fn quantity(&self) -> Quantity {
        self.quantity
    }

    fn measures(&self) -> (Option<Dimension>, String) {
        let Named(_, unit) = self.unit;
        // A bit is no amount of anything.
        let dimension = (!self.table.is_bits() || self.kind == Kind::U16).then(|| unit.dimension());
        (dimension, format!("a number in \"{}\"", unit.base().0))
    }
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
    #[serde(rename = "sign", deserialize_with = "signs")]
    pub signs: Vec<Sign>,
}

/// What tells the state of a valve: a register or bit whose masked number lies between two others.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sign {
    /// The state it tells.
    #[serde(deserialize_with = "valve")]
    pub state: ValveState,
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

fn signs<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Sign>, D::Error> {
    let signs = Vec::<Sign>::deserialize(from)?;
    match signs.len() {
        0..=MOST_SIGNS => Ok(signs),
        many => Err(de::Error::custom(format_args!("{many} signs: write at most {MOST_SIGNS}"))),
    }
}

const fn all_bits() -> u16 {
    0xFFFF
}

impl Profile {
    /// What no model can have, with the remedy.
    pub fn fault(&self) -> Option<String> {
        let ends = self.columns.iter().map(|column| u32::from(column.address) + u32::from(column.kind.width()));
        if self.columns.is_empty() && self.valve.is_none() {
            return Some("neither [[column]] nor [valve]: write what is to be read".to_owned());
        }
        let widest = self.columns.iter().map(|column| column.kind.width()).max().unwrap_or(1);
        if self.most < widest {
            let most = self.most;
            return Some(format!("most = {most}: write how many registers the model gives at once, at least {widest}"));
        }
        if let Some(end) = ends.max().filter(|end| *end > 0x1_0000) {
            return Some(format!("a column ends at register {}: the last one is 65535", end - 1));
        }
        let is_written = |valve: &Valve| matches!(valve.table, Table::Coils | Table::Holding);
        let valve = self.valve.as_ref().filter(|valve| !is_written(valve));
        valve.map(|_| "[valve] table cannot be written: write coils or holding".to_owned())
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Profile {
        toml::from_str(text).expect("parses")
    }

    fn column(quantity: &str, table: &str, kind: &str, unit: &str) -> String {
        let place = format!("table = '{table}', address = 65535, type = '{kind}', unit = '{unit}'");
        format!("name = 'p'\ncolumn = [{{ quantity = '{quantity}', {place} }}]")
    }

    #[test]
    fn a_column_has_a_unit_of_its_quantity_and_a_bit_is_no_long_number() {
        let refused = |text: &str| toml::from_str::<Profile>(text).expect_err("refused").message().to_owned();
        assert!(refused(&column("energy", "holding", "u16", "m3")).contains("column 1 (energy)"));
        assert!(refused(&column("energy", "holding", "u16", "cal")).contains("write one of Wh, kWh"));
        assert!(refused(&column("error_flags", "coils", "u32", "")).contains("column 1 (error_flags)"));
        assert!(parse(&column("error_flags", "coils", "u16", "")).fault().is_none());
    }

    #[test]
    fn what_no_model_can_have_is_said_with_the_remedy() {
        let fault = |text: &str| parse(text).fault().unwrap_or_default();
        assert!(fault("name = 'p'").contains("[[column]]"));
        assert!(fault(&(column("volume", "holding", "u16", "L") + "\nmost = 0")).contains("at least 1"));
        assert!(fault(&(column("volume", "holding", "u32", "L") + "\nmost = 1")).contains("at least 2"));
        assert!(fault(&column("volume", "holding", "u32", "L")).contains("the last one is 65535"));
        let valve = "[valve]\ntable = 'inputs'\naddress = 1\nopen = 1\nclose = 0\nsign = []";
        assert!(fault(&format!("name = 'p'\n{valve}")).contains("coils or holding"));
    }
}
