//! The register maps of models, as the product's profile files have them: what a slave of that model holds.
//!
//! ```text
//!   protocol/profiles/modbus-*.toml --> quantity: table, address, type, order, unit x scale
//!                                       valve: what moves it, what tells its state
//! ```
//!
//! Promises: numbers are put into registers here and not by the code under test. Refuses: profiles of other dialects.

use std::sync::LazyLock;

use protocol::modbus::payload::Table;
use protocol::modbus::slave::Bank;
use serde::Deserialize;

use super::column::{Column, field};
use crate::field::physics::Resolution;
use crate::ledger::{Values, ValveIs};

/// The map of generated meters.
pub const GENERATED: &str = "modbus-onicon-system-10";

const FILES: [&str; 4] = [
    include_str!("../../../../protocol/profiles/modbus-tuf-2000m.toml"),
    include_str!("../../../../protocol/profiles/modbus-onicon-system-10.toml"),
    include_str!("../../../../protocol/profiles/modbus-belimo-energy-valve-4.toml"),
    include_str!("../../../../protocol/profiles/modbus-belimo-uk24mod.toml"),
];

static MAPS: LazyLock<Vec<Map>> =
    LazyLock::new(|| FILES.iter().map(|text| toml::from_str(text).expect("a test reads every map")).collect());

/// The map of one model.
#[derive(Debug, Clone, Deserialize)]
pub struct Map {
    name: String,
    #[serde(rename = "column", default)]
    columns: Vec<Column>,
    valve: Option<Valve>,
}

#[derive(Debug, Clone, Deserialize)]
struct Valve {
    table: Table,
    address: u16,
    open: u16,
    close: u16,
    #[serde(rename = "sign")]
    signs: Vec<Sign>,
}

#[derive(Debug, Clone, Deserialize)]
struct Sign {
    state: ValveIs,
    table: Table,
    address: u16,
    #[serde(default = "all_bits")]
    mask: u16,
    least: u16,
    most: u16,
}

fn all_bits() -> u16 {
    0xFFFF
}

impl Map {
    /// The map of a profile, if it is one of Modbus.
    pub fn named(profile: &str) -> Option<&'static Self> {
        MAPS.iter().find(|map| map.name == profile)
    }

    /// The names of all, for people.
    pub fn names() -> String {
        MAPS.iter().map(|map| map.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Whether the model has a valve.
    pub fn has_valve(&self) -> bool {
        self.valve.is_some()
    }

    /// The steps in which a meter of this model counts: what its registers hold exactly.
    pub fn resolution(&self) -> Resolution {
        let step = |quantity: &str, default: i64| {
            let column = self.columns.iter().find(|column| column.quantity == quantity);
            column.and_then(Column::step).unwrap_or(default)
        };
        Resolution {
            energy: step("energy", 3_600_000),
            volume: step("volume", 1000),
            power: step("power", 1000),
            flow: step("flow", 1000),
            temperature: step("supply_temp", 10),
            time: step("operating_time", 3600),
        }
    }

    /// Puts zeros from the first register of each table to the last, as meters have them that leave places unused.
    pub fn fill(&self, bank: &mut Bank) {
        let columns = self.columns.iter().map(|column| (column.table, column.address, column.width()));
        let signs = self.valve.iter().flat_map(|valve| &valve.signs).map(|sign| (sign.table, sign.address, 1));
        let moved = self.valve.iter().map(|valve| (valve.table, valve.address, 1));
        let places: Vec<_> = columns.chain(signs).chain(moved).collect();
        for table in places.iter().map(|(table, _, _)| *table) {
            let of_table = || places.iter().filter(|place| place.0 == table);
            let first = of_table().map(|(_, address, _)| *address).min().unwrap_or(0);
            let end = of_table().map(|(_, address, width)| address.saturating_add(*width)).max().unwrap_or(0);
            bank.put(table, first, &vec![0; usize::from(end.saturating_sub(first))]);
        }
        if let Some(valve) = &self.valve {
            bank.put(valve.table, valve.address, &[valve.open]);
            valve.put(bank, ValveIs::Open);
        }
    }

    /// Puts what is shown into registers; gives what of it the registers say.
    pub fn put(&self, bank: &mut Bank, values: &Values) -> Values {
        let mut said = Values::default();
        for column in &self.columns {
            let shown = field(&mut values.clone(), &column.quantity).copied().flatten();
            let steps = shown.zip(column.step()).map(|(value, step)| (value / step, step));
            let registers = column.registers(steps.map_or(0, |(steps, _)| steps));
            bank.put(column.table, column.address, &registers);
            if let (Some(place), Some(_)) = (field(&mut said, &column.quantity), steps) {
                *place = shown;
            }
        }
        if let Some((valve, state)) = self.valve.as_ref().zip(values.valve) {
            valve.put(bank, state);
            said.valve = Some(state);
        }
        said
    }

    /// Of what the registers say, that which lies wholly in the `count` registers read from `start` on.
    pub fn within(&self, said: &Values, table: Table, start: u16, count: u16) -> Values {
        let mut within = Values::default();
        let end = u32::from(start) + u32::from(count);
        let is_in = |from: u16, width: u16| start <= from && u32::from(from) + u32::from(width) <= end;
        for column in
            self.columns.iter().filter(|column| column.table == table && is_in(column.address, column.width()))
        {
            let shown = field(&mut said.clone(), &column.quantity).copied().flatten();
            if let Some(place) = field(&mut within, &column.quantity) {
                *place = shown;
            }
        }
        let mut signs = self.valve.iter().flat_map(|valve| &valve.signs);
        let tells = self.has_valve() && signs.all(|sign| sign.table == table && is_in(sign.address, 1));
        Values { valve: said.valve.filter(|_| tells), ..within }
    }

    /// Which way a write moves the valve.
    pub fn ordered(&self, table: Table, address: u16, value: u16) -> Option<ValveIs> {
        let valve = self.valve.as_ref().filter(|valve| valve.table == table && valve.address == address)?;
        match value {
            _ if value == valve.open => Some(ValveIs::Open),
            _ if value == valve.close => Some(ValveIs::Closed),
            _ => None,
        }
    }
}

impl Valve {
    /// Puts the registers by which a valve tells its state.
    fn put(&self, bank: &mut Bank, state: ValveIs) {
        for sign in &self.signs {
            let number = self.number(sign, state);
            bank.put(sign.table, sign.address, &[number]);
        }
    }

    /// The number at the place of `sign` by which no sign but that of `state` applies; none at all while it moves.
    fn number(&self, sign: &Sign, state: ValveIs) -> u16 {
        let here = || self.signs.iter().filter(|other| (other.table, other.address) == (sign.table, sign.address));
        let applies = |other: &Sign, number: u16| (other.least..=other.most).contains(&(number & other.mask));
        let is_right = |number: &u16| here().all(|other| applies(other, *number) == (other.state == state));
        (0..=u16::MAX).find(is_right).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_map_of_the_product_is_read_and_the_generated_one_is_among_them() {
        assert_eq!(MAPS.len(), FILES.len());
        assert!(Map::named(GENERATED).is_some_and(|map| !map.has_valve()));
    }

    #[test]
    fn what_a_meter_shows_is_in_whole_steps_of_its_registers() {
        let map = Map::named("modbus-belimo-energy-valve-4").expect("built in");
        let steps = map.resolution();
        assert_eq!((steps.energy, steps.power, steps.temperature), (3_600_000, 1000, 10));
        let mut bank = Bank::default();
        let shown =
            Values { energy_joule: Some(123_456 * 3_600_000), valve: Some(ValveIs::Closed), ..Values::default() };
        let said = map.put(&mut bank, &shown);
        assert_eq!(said.energy_joule, shown.energy_joule);
        assert_eq!((bank.get(Table::Holding, 71), bank.get(Table::Holding, 72)), (Some(0xE240), Some(1)));
        assert!(bank.get(Table::Holding, 4).is_some_and(|position| position <= 100));
    }
}
