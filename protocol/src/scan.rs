//! Finding out who is on a line: one grammar for every way of looking.
//!
//! ```text
//!   poll -> Send(bytes)    write these bytes, then poll again
//!        -> Await(time)    read; hand bytes to handle_bytes, or call handle_timeout after `time`
//!        -> Rest           a probe is over: others may speak on the line before the next poll
//!        -> Done           every later poll says the same
//! ```
//!
//! Promises: no I/O, no clock, no dice; nothing is written to a meter; what lies between two rests belongs together and
//! is short: one probe and the read of whoever answered it; at most the given number of probes, and a scan cut short says
//! so. Refuses: registering anybody.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::cjt188::alone::Alone;
use crate::dialogue::Timing;
use crate::mbus::primary::Primary;
use crate::mbus::secondary::Secondary;
use crate::mbus::selection::Selection;
use crate::modbus::Framing;
use crate::modbus::units::Units;

pub use crate::probe::{Method, Sighting, Step};

/// Every primary address a meter may be given.
pub const PRIMARY: RangeInclusive<u8> = 1..=250;
/// Every unit a slave may have.
pub const UNITS: RangeInclusive<u8> = 1..=247;
/// Any secondary address.
pub const ANYBODY: Selection = Selection { id: 0xFFFF_FFFF, manufacturer: 0xFFFF, version: 0xFF, medium: 0xFF };

/// What is looked for, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// In this order.
    pub methods: Vec<Method>,
    /// Primary addresses; 0 is that of meters nobody has given one.
    pub primary: RangeInclusive<u8>,
    /// Modbus units.
    pub units: RangeInclusive<u8>,
    /// Secondary addresses.
    pub within: Selection,
    /// Whether the digits A to E of an identification are tried beside decimal ones; else only where these brought nobody.
    pub hex_digits: bool,
    /// Probes, at most.
    pub most_probes: u32,
}

/// How far a scan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Probes made.
    pub probes: u32,
    /// About how many are to be made.
    pub left: u32,
    /// Meters seen.
    pub seen: u32,
}

#[derive(Debug, Clone)]
enum Prober {
    Primary(Primary),
    Secondary(Box<Secondary>),
    Cjt188(Alone),
    Modbus(Units),
}

/// A scan in progress.
#[derive(Debug, Clone)]
pub struct Scan {
    /// The first is at work.
    probers: VecDeque<Prober>,
    most_probes: u32,
    /// Probes of the probers that are over.
    probes: u32,
    seen: u32,
    news: Vec<Sighting>,
    is_complete: bool,
}

impl Scan {
    /// A scan of a line that behaves like `timing` and carries Modbus in frames of `framing`. Silence is not asked again: `timing.repeats` is not looked at.
    pub fn new(plan: &Plan, timing: Timing, framing: Framing) -> Self {
        let timing = Timing { repeats: 0, ..timing };
        let probers = plan.methods.iter().map(|method| match method {
            Method::Primary => Prober::Primary(Primary::new(plan.primary.clone(), timing)),
            Method::Secondary => {
                Prober::Secondary(Box::new(Secondary::new(plan.within, plan.hex_digits, timing, plan.most_probes)))
            }
            Method::Cjt188 => Prober::Cjt188(Alone::new(timing)),
            Method::Modbus => Prober::Modbus(Units::new(plan.units.clone(), timing, framing)),
        });
        let (most_probes, news) = (plan.most_probes, Vec::new());
        Self { probers: probers.collect(), most_probes, probes: 0, seen: 0, news, is_complete: true }
    }

    /// What to do next.
    pub fn poll(&mut self) -> Step {
        loop {
            let Some(prober) = self.probers.front_mut() else { return Step::Done };
            let step = match prober {
                Prober::Primary(prober) => prober.poll(),
                Prober::Secondary(prober) => prober.poll(),
                Prober::Cjt188(prober) => prober.poll(),
                Prober::Modbus(prober) => prober.poll(),
            };
            match step {
                Step::Done => self.finish_prober(),
                Step::Rest if self.progress().probes >= self.most_probes => self.cut_short(),
                step => return step,
            }
        }
    }

    /// Bytes came, `waited` after the last ones were sent or came.
    pub fn handle_bytes(&mut self, bytes: &[u8], waited: Duration) {
        match self.probers.front_mut() {
            Some(Prober::Primary(prober)) => prober.handle_bytes(bytes, waited),
            Some(Prober::Secondary(prober)) => prober.handle_bytes(bytes, waited),
            Some(Prober::Cjt188(prober)) => prober.handle_bytes(bytes, waited),
            Some(Prober::Modbus(prober)) => prober.handle_bytes(bytes, waited),
            None => {}
        }
    }

    /// The time of the last [`Step::Await`] passed.
    pub fn handle_timeout(&mut self) {
        match self.probers.front_mut() {
            Some(Prober::Primary(prober)) => prober.handle_timeout(),
            Some(Prober::Secondary(prober)) => prober.handle_timeout(),
            Some(Prober::Cjt188(prober)) => prober.handle_timeout(),
            Some(Prober::Modbus(prober)) => prober.handle_timeout(),
            None => {}
        }
    }

    /// Who was seen since the last call.
    pub fn take_news(&mut self) -> Vec<Sighting> {
        self.gather();
        std::mem::take(&mut self.news)
    }

    /// How far the scan is.
    pub fn progress(&self) -> Progress {
        let made = self.probers.front().map_or(0, |prober| prober.probes().0);
        let left = self.probers.iter().fold(0_u32, |left, prober| left.saturating_add(prober.probes().1));
        let probes = self.probes.saturating_add(made);
        Progress { probes, left: left.min(self.most_probes.saturating_sub(probes)), seen: self.seen }
    }

    /// Whether everything that was planned was looked at; said once the scan is over.
    pub const fn is_complete(&self) -> bool {
        self.is_complete
    }

    fn gather(&mut self) {
        let Some(prober) = self.probers.front_mut() else { return };
        let seen = match prober {
            Prober::Primary(prober) => prober.take_seen(),
            Prober::Secondary(prober) => prober.take_seen(),
            Prober::Cjt188(prober) => prober.take_seen(),
            Prober::Modbus(prober) => prober.take_seen(),
        };
        self.seen = self.seen.saturating_add(seen.len() as u32);
        self.news.extend(seen);
    }

    fn finish_prober(&mut self) {
        self.gather();
        let Some(prober) = self.probers.pop_front() else { return };
        self.probes = self.probes.saturating_add(prober.probes().0);
        if let Prober::Secondary(search) = &prober {
            self.is_complete &= search.is_complete();
        }
    }

    fn cut_short(&mut self) {
        // What rests has more to do; what follows was not begun.
        self.is_complete = false;
        while !self.probers.is_empty() {
            self.finish_prober();
        }
    }
}

impl Prober {
    /// Probes made, and about how many are to be made.
    fn probes(&self) -> (u32, u32) {
        match self {
            Self::Primary(prober) => prober.probes(),
            Self::Secondary(prober) => prober.probes(),
            Self::Cjt188(prober) => prober.probes(),
            Self::Modbus(prober) => prober.probes(),
        }
    }
}
