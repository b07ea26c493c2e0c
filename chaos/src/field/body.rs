//! What a meter is besides its language: what it measures, its clock, and its valve.
//!
//! ```text
//!   physics --> falls back by FALL steps with every Nth sample --> what it shows       now + off --> its clock
//! ```
//!
//! Promises: a sample shows the valve as it stands at that moment; volume stays unlike that of the sample before, even
//! where it falls back. Refuses: time; moments are arguments.

use super::calendar::Civil;
use super::physics::{Physics, Resolution};
use super::valve::Valve;
use crate::clock::{MICROS_PER_SECOND, Stamp};
use crate::ledger::{Values, ValveIs};

/// How many steps an index falls back at once.
const FALL: i64 = 1000;

/// What a meter is besides its language.
#[derive(Debug)]
pub struct Body {
    physics: Physics,
    resolution: Resolution,
    clock_off_s: i64,
    steps_back_every: u64,
    samples: u64,
    falls: i64,
    /// Its valve.
    pub valve: Option<Valve>,
}

impl Body {
    /// What measures by `seed` in steps of `resolution`, and perhaps moves `valve`.
    pub fn new(seed: u64, resolution: Resolution, valve: Option<Valve>) -> Self {
        let physics = Physics::new(seed, resolution);
        Self { physics, resolution, clock_off_s: 0, steps_back_every: 0, samples: 0, falls: 0, valve }
    }

    /// The same with a clock that goes ahead, and indexes that fall back with every so many samples (0 never).
    #[must_use]
    pub fn with_faults(self, clock_off_s: i64, steps_back_every: u64) -> Self {
        Self { clock_off_s, steps_back_every, ..self }
    }

    /// What it shows at `now`.
    pub fn sample(&mut self, now: Stamp) -> Values {
        self.samples += 1;
        self.falls += i64::from(self.steps_back_every > 0 && self.samples.is_multiple_of(self.steps_back_every));
        let valve = self.valve.as_ref().map(|valve| valve.state(now));
        let shown = self.physics.sample(now);
        let fallen = |value: Option<i64>, step: i64| value.map(|value| (value - self.falls * FALL * step).max(0));
        Values {
            valve,
            energy_joule: fallen(shown.energy_joule, self.resolution.energy),
            volume_millilitre: fallen(shown.volume_millilitre, self.resolution.volume),
            ..shown
        }
    }

    /// What its clock shows at `now`.
    pub fn clock(&self, now: Stamp) -> Civil {
        Civil::of(Stamp { wall: now.wall.saturating_add(self.clock_off_s.saturating_mul(MICROS_PER_SECOND)), ..now })
    }

    /// Energy and volume when its clock, as it goes now, showed `shown`.
    pub fn indexes(&self, shown: Civil) -> (i64, i64) {
        let then = shown.unix_s().saturating_sub(self.clock_off_s);
        self.physics.indexes(Stamp { mono: 0, wall: then.saturating_mul(MICROS_PER_SECOND) })
    }

    /// Sets its clock, `now`, to so many seconds of Unix time.
    pub fn set_clock(&mut self, now: Stamp, unix_s: i64) {
        self.clock_off_s = unix_s.saturating_sub(now.wall.div_euclid(MICROS_PER_SECOND));
    }

    /// Orders the valve; `None` where there is none, else whether it moves.
    pub fn order(&mut self, target: ValveIs, now: Stamp) -> Option<bool> {
        self.valve.as_mut().map(|valve| valve.order(target, now))
    }
}
