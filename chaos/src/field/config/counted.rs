//! Makes up meters where a line only counts them.
//!
//! Promises: the same line and seed give the same meters; every [`VALVE_EVERY`]th has a valve, those of Modbus
//! never. Refuses: faults.

use super::kind::Mix;
use super::line::LineConfig;
use super::meter::MeterConfig;
use crate::field::modbus::map;

/// Of so many meters one has a valve.
const VALVE_EVERY: u32 = 10;
/// Valves begin at another meter of each line, so that short lines have some too.
const VALVE_SHIFT: u32 = 7;

/// Appends the meters a line only counts.
pub(super) fn fill(line_index: usize, line: &mut LineConfig, seed: u64) {
    for index in 0..std::mem::take(&mut line.meters) {
        let meter = meter(line, line_index, index, seed);
        line.named.push(meter);
    }
}

fn meter(line: &LineConfig, line_index: usize, index: u32, seed: u64) -> MeterConfig {
    let dialect = match line.dialect {
        Mix::Mbus => "mbus",
        Mix::Cjt188 => "cjt188",
        Mix::Modbus => "modbus",
        Mix::Mixed if index.is_multiple_of(2) => "mbus",
        Mix::Mixed => "cjt188",
    };
    let serial = (line_index as u64 + 1) * 1000 + u64::from(index) + 1;
    let is_modbus = dialect == "modbus";
    MeterConfig {
        name: format!("{}-m{:03}", line.name, index + 1),
        dialect: dialect.to_owned(),
        // The maker's four digits first, then a serial number.
        address: if dialect == "cjt188" {
            format!("{:04}{serial:010}", 1111 + seed % 7)
        } else {
            (index + 1).to_string()
        },
        profile: if is_modbus { map::GENERATED } else { "" }.to_owned(),
        valve: !is_modbus && (index + VALVE_SHIFT * line_index as u32).is_multiple_of(VALVE_EVERY),
        ..MeterConfig::default()
    }
}
