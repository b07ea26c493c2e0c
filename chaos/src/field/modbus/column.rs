//! One quantity of a register map: where it stands, and how a number is put there.
//!
//! ```text
//!   steps 0xAABBCCDD      ABCD  AABB CCDD      CDAB  CCDD AABB      BADC  BBAA DDCC      DCBA  DDCC BBAA
//! ```
//!
//! Promises: a value is given in steps that its registers hold exactly. Refuses: units the ledger has no whole number of.

use protocol::modbus::payload::Table;
use serde::Deserialize;

use crate::ledger::Values;

/// A float counts temperatures, powers and flows in so many parts of a unit.
const QUARTERS: i64 = 4;

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Column {
    pub(super) quantity: String,
    pub(super) table: Table,
    pub(super) address: u16,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    order: Order,
    #[serde(default = "one")]
    scale: String,
    unit: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Order {
    #[default]
    Abcd,
    Cdab,
    Badc,
    Dcba,
}

fn one() -> String {
    "1".to_owned()
}

/// The place of a quantity in the ledger's values.
pub(super) fn field<'a>(values: &'a mut Values, quantity: &str) -> Option<&'a mut Option<i64>> {
    Some(match quantity {
        "energy" => &mut values.energy_joule,
        "cooling_energy" => &mut values.cooling_energy_joule,
        "volume" => &mut values.volume_millilitre,
        "power" => &mut values.power_milliwatt,
        "flow" => &mut values.flow_millilitre_per_hour,
        "supply_temp" => &mut values.supply_milli_celsius,
        "return_temp" => &mut values.return_milli_celsius,
        "temp_difference" => &mut values.difference_millikelvin,
        "operating_time" => &mut values.operating_seconds,
        "on_time" => &mut values.on_seconds,
        _ => return None,
    })
}

impl Column {
    /// What one step is in the fixed unit of the quantity, if that is a whole number. A float counts in whole units,
    /// a temperature and a flow in quarters: what it holds exactly.
    pub(super) fn step(&self) -> Option<i64> {
        let unit: i64 = match self.unit.as_str() {
            "Wh" => 3_600,
            "kWh" => 3_600_000,
            "MWh" => 3_600_000_000,
            "J" | "s" => 1,
            "kJ" | "L" | "W" | "L/h" | "°C" | "K" => 1000,
            "MJ" | "m3" | "kW" | "m3/h" => 1_000_000,
            "GJ" | "MW" => 1_000_000_000,
            "L/min" => 60_000,
            "L/s" => 3_600_000,
            "min" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return None,
        };
        if self.kind == "f32" {
            return Some(if self.is_index() { unit } else { unit / QUARTERS });
        }
        let (whole, fraction) = self.scale.split_once('.').unwrap_or((&self.scale, ""));
        let factor: i64 = format!("{whole}{fraction}").parse().ok()?;
        let parts = 10_i64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let step = unit.checked_mul(factor)?;
        (step > 0 && step % parts == 0).then_some(step / parts)
    }

    fn is_index(&self) -> bool {
        matches!(self.quantity.as_str(), "energy" | "cooling_energy" | "volume" | "operating_time" | "on_time")
    }

    pub(super) fn width(&self) -> u16 {
        match self.kind.as_str() {
            "u16" | "i16" | "bcd16" => 1,
            "u64" | "i64" => 4,
            _ => 2,
        }
    }

    pub(super) fn registers(&self, steps: i64) -> Vec<u16> {
        let raw: u64 = match self.kind.as_str() {
            "f32" => {
                let number = if self.is_index() { steps as f32 } else { steps as f32 / QUARTERS as f32 };
                u64::from(number.to_bits())
            }
            "bcd16" | "bcd32" => {
                (0..16)
                    .fold((0, steps.unsigned_abs()), |(bcd, left), digit| (bcd | (left % 10) << (4 * digit), left / 10))
                    .0
            }
            _ => steps as u64,
        };
        let width = usize::from(self.width());
        let high_first: Vec<u16> = (0..width).rev().map(|place| (raw >> (16 * place)) as u16).collect();
        let swapped = |word: &u16| word.swap_bytes();
        match self.order {
            Order::Abcd => high_first,
            Order::Cdab => high_first.into_iter().rev().collect(),
            Order::Badc => high_first.iter().map(swapped).collect(),
            Order::Dcba => high_first.iter().rev().map(swapped).collect(),
        }
    }
}
