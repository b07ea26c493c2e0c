//! A valve that takes its time.
//!
//! ```text
//!   Open <--travel--> Moving <--travel--> Closed        a new order while moving starts a new travel
//! ```
//!
//! Promises: an order to where it already stands moves nothing. Refuses: knowing who ordered.

use std::time::Duration;

use crate::clock::{Stamp, micros};
use crate::ledger::ValveIs;

/// A motor valve.
#[derive(Debug, Clone)]
pub struct Valve {
    target: ValveIs,
    /// Monotonic µs at which it arrives.
    arrives: i64,
    travel: Duration,
    is_jammed: bool,
}

impl Valve {
    /// An open valve.
    pub fn open(travel: Duration) -> Self {
        Self { target: ValveIs::Open, arrives: i64::MIN, travel, is_jammed: false }
    }

    /// The same, but it never arrives anywhere: after its travel it reports a fault.
    #[must_use]
    pub fn jammed(self) -> Self {
        Self { is_jammed: true, ..self }
    }

    /// What it is doing at `now`.
    pub fn state(&self, now: Stamp) -> ValveIs {
        match now.mono < self.arrives {
            true => ValveIs::Moving,
            false if self.is_jammed && self.arrives > i64::MIN => ValveIs::Fault,
            false => self.target,
        }
    }

    /// Orders it somewhere; true where it began to move.
    pub fn order(&mut self, target: ValveIs, now: Stamp) -> bool {
        let moves = self.target != target;
        if moves {
            self.target = target;
            self.arrives = now.mono.saturating_add(micros(self.travel));
        }
        moves
    }

    /// How long it travels.
    pub fn travel(&self) -> Duration {
        self.travel
    }
}
