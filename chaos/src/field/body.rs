//! What a meter is besides its language: what it measures, and its valve.
//!
//! Promises: a sample shows the valve as it stands at that moment. Refuses: time; moments are arguments.

use super::physics::Physics;
use super::valve::Valve;
use crate::clock::Stamp;
use crate::ledger::{Values, ValveIs};

/// What a meter is besides its language.
#[derive(Debug)]
pub struct Body {
    physics: Physics,
    /// Its valve.
    pub valve: Option<Valve>,
}

impl Body {
    /// What measures with `physics`, and perhaps moves `valve`.
    pub fn new(physics: Physics, valve: Option<Valve>) -> Self {
        Self { physics, valve }
    }

    /// What it shows at `now`.
    pub fn sample(&mut self, now: Stamp) -> Values {
        Values { valve: self.valve.as_ref().map(|valve| valve.state(now)), ..self.physics.sample(now) }
    }

    /// Orders the valve; `None` where there is none, else whether it moves.
    pub fn order(&mut self, target: ValveIs, now: Stamp) -> Option<bool> {
        self.valve.as_mut().map(|valve| valve.order(target, now))
    }
}
