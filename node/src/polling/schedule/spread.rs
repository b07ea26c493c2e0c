//! When in its slot a meter is asked first: lines and meters whose slots begin together do not begin together.
//!
//! ```text
//!   slot begins        the line                 its meters
//!   |------------------|----------|-------------|---> one after the other, as the line carries them
//!   |<--- lines' part, by line -->|<- meters' part, by meter ->|
//!   |<--------- polling.spread_percent of the time on time, at most polling.spread_max ------------->|
//! ```
//!
//! Promises: the same moment on every node; a line of few meters gives its meters no more than it takes to tell them
//! apart, so that what freezes is read soon after its moment. Refuses: choosing between those that are due.

use protocol::meter::{LineId, MeterId};

use super::Rules;
use crate::timetable::Slot;

/// Less than any read takes: meters further apart than this do not stand in each other's way.
const APART_MS: u64 = 100;

/// What a line's meters have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spread {
    pub(super) line: LineId,
    /// How many meters it has.
    pub(super) meters: u64,
}

impl Spread {
    /// When `meter` is asked first in `slot`, Unix ms.
    pub(super) fn moment(&self, slot: &Slot, meter: MeterId, rules: &Rules) -> u64 {
        let on_time = slot.on_time_until.saturating_sub(slot.begin);
        let whole = (on_time / 100 * u64::from(rules.spread_percent)).min(rules.spread_max_ms);
        let of_meters = self.meters.saturating_mul(APART_MS).min(whole / 2);
        let of_lines = whole - of_meters;
        slot.begin + mixed(self.line.0) % (of_lines + 1) + mixed(meter.0) % (of_meters + 1)
    }
}

/// A number that looks random and is the same on every node (splitmix64).
fn mixed(id: u64) -> u64 {
    let mut z = id.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
