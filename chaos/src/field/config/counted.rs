//! Makes up meters where a line only counts them.
//!
//! Promises: the same line and seed give the same meters; every [`VALVE_EVERY`]th has a valve. Refuses: faults.

use super::line::{Fault, LineConfig, MeterConfig, Mix};

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
    let is_mbus = match line.dialect {
        Mix::Mbus => true,
        Mix::Cjt188 => false,
        Mix::Mixed => index.is_multiple_of(2),
    };
    let serial = (line_index as u64 + 1) * 1000 + u64::from(index) + 1;
    MeterConfig {
        name: format!("{}-m{:03}", line.name, index + 1),
        dialect: if is_mbus { "mbus" } else { "cjt188" }.to_owned(),
        // The maker's four digits first, then a serial number.
        address: if is_mbus { (index + 1).to_string() } else { format!("{:04}{serial:010}", 1111 + seed % 7) },
        profile: String::new(),
        valve: (index + VALVE_SHIFT * line_index as u32).is_multiple_of(VALVE_EVERY),
        fault: Fault::default(),
    }
}
