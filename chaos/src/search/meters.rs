//! Whom there is to find, and how many probes that takes at least.
//!
//! ```text
//!   FFFFFFFF several --> 0FFFFFFF nobody   1FFFFFFF one: found   2FFFFFFF several --> 20FFFFFF ..
//!   needed   1 for the beginning, 10 for each mask with several behind it
//! ```
//!
//! Promises: the same seed scatters the same addresses, no identification twice. Refuses: hex digits in identifications,
//! and identifications in a row, which no installation has.

use std::collections::{BTreeMap, BTreeSet};

use crate::field::config::{MbusOptions, MeterConfig};
use crate::field::physics::mix;

/// The most meters on one line.
pub const MOST: u32 = 1_000;
/// Makers on one line: ELS, KAM, SEN, LUG, in the letters of EN 13757-3 clause 5.6.
const MAKERS: [u16; 4] = [0x1593, 0x2C2D, 0x4CAE, 0x32A7];
/// Identifications there are.
const IDENTIFICATIONS: u64 = 100_000_000;
/// Digits of one.
const DIGITS: usize = 8;

/// `count` heat meters with secondary addresses only.
pub fn scattered(count: u32, seed: u64) -> Vec<MeterConfig> {
    let mut ids = BTreeSet::new();
    let mut throws = (0_u64..).map(|nth| mix(seed.wrapping_mul(0x1_0000).wrapping_add(nth)));
    let mut meters = Vec::new();
    while meters.len() < count as usize {
        let Some(throw) = throws.next() else { break };
        let id = throw % IDENTIFICATIONS;
        if ids.insert(id) {
            let maker = MAKERS.iter().cycle().nth((throw >> 60) as usize % MAKERS.len()).unwrap_or(&0x1593);
            meters.push(meter(format!("{id:08}{maker:04X}0104")));
        }
    }
    meters
}

fn meter(address: String) -> MeterConfig {
    let mbus = MbusOptions { primary: 0, ..MbusOptions::default() };
    MeterConfig { name: format!("m-{address}"), dialect: "mbus".to_owned(), address, mbus, ..MeterConfig::default() }
}

/// The probes of a walk over the digits that never asks for nothing: one for the beginning, ten for each mask that several
/// of `addresses` are behind.
pub fn needed(addresses: &[String]) -> u32 {
    let mut behind: BTreeMap<&str, u32> = BTreeMap::new();
    for address in addresses {
        for length in 0..DIGITS {
            *behind.entry(address.get(..length).unwrap_or_default()).or_default() += 1;
        }
    }
    let several = behind.values().filter(|count| **count > 1).count();
    1 + 10 * u32::try_from(several).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_scattered_by_the_seed_and_no_identification_is_given_twice() {
        let addresses = |seed| scattered(250, seed).into_iter().map(|meter| meter.address).collect::<Vec<_>>();
        assert_eq!(addresses(1), addresses(1));
        assert_ne!(addresses(1), addresses(2));
        let ids: BTreeSet<_> = addresses(1).iter().filter_map(|a| a.get(..DIGITS).map(str::to_owned)).collect();
        assert_eq!(ids.len(), 250);
    }

    #[test]
    fn a_walk_needs_ten_probes_for_each_mask_that_several_are_behind() {
        let needed = |ids: &[&str]| needed(&ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>());
        assert_eq!(needed(&["12345678"]), 1);
        assert_eq!(needed(&["12345678", "22345678"]), 11);
        assert_eq!(needed(&["12345678", "13345678", "22345678"]), 21);
        assert_eq!(needed(&["12345678", "12345679"]), 81);
    }
}
