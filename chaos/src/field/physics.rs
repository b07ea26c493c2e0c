//! What a heat meter measures: a building's load over the day, and the indexes that only rise.
//!
//! Promises: the same seed and moment give the same load; volume rises by at least one step with every sample, so no
//! two samples of a meter are alike; no index steps back, even if the wall clock does. Refuses: any wire format; values
//! are whole steps of the meter's [`Resolution`], in the tables' fixed units.

use crate::clock::{MICROS_PER_SECOND, Stamp};
use crate::ledger::Values;

/// Where all indexes began: 2025-01-01T00:00:00Z, Unix seconds.
const BIRTH_S: i64 = 1_735_689_600;
const DAY_S: f64 = 86_400.0;
/// How far the load swings over a day, of its mean.
const SWING: f64 = 0.4;
/// Joules that warm one millilitre of water by one kelvin.
const JOULE_PER_ML_K: f64 = 4.13;

/// The smallest step a meter shows of each quantity, in fixed units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolution {
    /// J.
    pub energy: i64,
    /// mL.
    pub volume: i64,
    /// mW.
    pub power: i64,
    /// mL/h.
    pub flow: i64,
    /// m°C and mK.
    pub temperature: i64,
    /// s.
    pub time: i64,
}

/// One meter's measuring.
#[derive(Debug, Clone)]
pub struct Physics {
    resolution: Resolution,
    mean_watt: f64,
    phase: f64,
    spread_kelvin: f64,
    energy: i64,
    volume: i64,
}

impl Physics {
    /// A meter of its own kind for each `seed`.
    pub fn new(seed: u64, resolution: Resolution) -> Self {
        let dice = |salt: u64| unit_interval(mix(seed.wrapping_add(salt)));
        Self {
            resolution,
            mean_watt: 4_000.0 + 26_000.0 * dice(1),
            phase: std::f64::consts::TAU * dice(2),
            spread_kelvin: 8.0 + 14.0 * dice(3),
            energy: 0,
            volume: 0,
        }
    }

    /// What the meter shows at `now`; every call moves the volume on.
    pub fn sample(&mut self, now: Stamp) -> Values {
        let age = (now.wall / MICROS_PER_SECOND - BIRTH_S).max(0);
        let step = self.resolution;
        let (energy, volume) = self.indexes(now);
        self.energy = self.energy.max(energy);
        self.volume = volume.max(self.volume + step.volume);
        let watt = self.load(age as f64);
        let supply = 45.0 + 20.0 * watt / (self.mean_watt * (1.0 + SWING));
        let spread = whole(self.spread_kelvin * 1000.0, step.temperature);
        let supply = whole(supply * 1000.0, step.temperature);
        Values {
            energy_joule: Some(self.energy),
            volume_millilitre: Some(self.volume),
            power_milliwatt: Some(whole(watt * 1000.0, step.power)),
            flow_millilitre_per_hour: Some(whole(watt * 3600.0 / JOULE_PER_ML_K / self.spread_kelvin, step.flow)),
            supply_milli_celsius: Some(supply),
            return_milli_celsius: Some(supply - spread),
            difference_millikelvin: Some(spread),
            operating_seconds: Some(whole(age as f64, step.time)),
            ..Values::default()
        }
    }

    /// Energy and volume as they stood at `then`, before anything that a sample adds.
    pub fn indexes(&self, then: Stamp) -> (i64, i64) {
        let age = (then.wall / MICROS_PER_SECOND - BIRTH_S).max(0);
        let joule = self.energy_after(age as f64);
        let step = self.resolution;
        (whole(joule, step.energy), whole(joule / JOULE_PER_ML_K / self.spread_kelvin, step.volume))
    }

    fn load(&self, age: f64) -> f64 {
        self.mean_watt * (1.0 + SWING * self.angle(age).sin())
    }

    /// The integral of the load: rising, because the swing is below the mean.
    fn energy_after(&self, age: f64) -> f64 {
        let per_radian = DAY_S / std::f64::consts::TAU;
        self.mean_watt * (age + SWING * per_radian * (1.0 - self.angle(age).cos()))
    }

    fn angle(&self, age: f64) -> f64 {
        age * std::f64::consts::TAU / DAY_S + self.phase
    }
}

/// The value rounded down to whole steps.
fn whole(value: f64, step: i64) -> i64 {
    (value as i64).div_euclid(step.max(1)) * step.max(1)
}

/// A number that looks like dice (splitmix64).
pub fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn unit_interval(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEPS: Resolution =
        Resolution { energy: 3_600, volume: 1000, power: 1000, flow: 1000, temperature: 10, time: 3600 };

    proptest! {
        #[test]
        fn volume_always_rises_and_energy_never_falls_even_when_the_clock_steps_back(
            seed: u64,
            moments in prop::collection::vec(1_700_000_000_i64..1_900_000_000, 2..50),
        ) {
            let mut physics = Physics::new(seed, STEPS);
            let samples: Vec<_> =
                moments.iter().map(|s| physics.sample(Stamp { mono: 0, wall: s * MICROS_PER_SECOND })).collect();
            for pair in samples.windows(2) {
                let [before, after] = pair else { continue };
                prop_assert!(after.volume_millilitre > before.volume_millilitre);
                prop_assert!(after.energy_joule >= before.energy_joule);
            }
        }

        #[test]
        fn the_same_seed_and_moment_give_the_same_values(seed: u64, second in 1_750_000_000_i64..1_900_000_000) {
            let now = Stamp { mono: 0, wall: second * MICROS_PER_SECOND };
            prop_assert_eq!(Physics::new(seed, STEPS).sample(now), Physics::new(seed, STEPS).sample(now));
        }
    }
}
