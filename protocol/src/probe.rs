//! The words of looking for meters on a line: how, what to do next, who was seen.
//!
//! ```text
//!   Method --> a tower's prober --> Step: Send | Await | Rest | Done
//!                      |
//!                      +--> Sighting: an address, who it is, or why it cannot be read
//! ```
//!
//! Promises: plain values that belong to no dialect. Refuses: holding a scan.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::dialogue::LineFault;
use crate::meter::{Address, WordError};

/// A line's extra time is cut to this many times the longest that a meter took.
const HEADROOM: u32 = 3;
/// How many answers must have been timed before.
const TIMED_ENOUGH: u32 = 3;

/// A way of looking for meters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// CJ/T 188: the address of whoever is alone on the line.
    Cjt188,
    /// M-Bus: depth-first over secondary addresses.
    Secondary,
    /// M-Bus: one primary address after the other.
    Primary,
    /// Modbus: one unit after the other.
    Modbus,
}

impl Method {
    /// Every way.
    pub const ALL: [Self; 4] = [Self::Cjt188, Self::Secondary, Self::Primary, Self::Modbus];

    /// The name used on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cjt188 => "cjt188",
            Self::Secondary => "secondary",
            Self::Primary => "primary",
            Self::Modbus => "modbus",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Method {
    type Err = WordError;
    fn from_str(text: &str) -> Result<Self, WordError> {
        let found = Self::ALL.into_iter().find(|method| method.name() == text);
        found.ok_or_else(|| WordError::new("method", text, "one of primary, secondary, cjt188, modbus"))
    }
}

/// What the driver of a scan does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Write these bytes to the line.
    Send(Vec<u8>),
    /// Read from the line; after this long without bytes, tell the scan that the time passed.
    Await(Duration),
    /// A probe is over: others may speak on the line before the scan is asked again.
    Rest,
    /// Over.
    Done,
}

/// Somebody answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// How it was found.
    pub method: Method,
    /// Where it is reached; with wildcards where several are behind it.
    pub address: Address,
    /// The secondary address an M-Bus meter says it has.
    pub identity: Option<Address>,
    /// T of a CJ/T 188 meter: 20..29 heat and cooling, 10..19 water.
    pub meter_type: Option<u8>,
    /// Why it could not be read.
    pub fault: Option<LineFault>,
}

impl Sighting {
    /// Somebody at `address`, of whom nothing more is known.
    pub(crate) const fn at(method: Method, address: Address) -> Self {
        Self { method, address, identity: None, meter_type: None, fault: None }
    }
}

/// How long meters take: a line that allows them seconds costs these at every silent probe.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    slowest: Duration,
    timed: u32,
}

impl Pace {
    /// An answer began after this long.
    pub(crate) fn heard(&mut self, waited: Duration) {
        self.slowest = self.slowest.max(waited);
        self.timed = self.timed.saturating_add(1);
    }

    /// As much of `allowed` as is still worth waiting.
    pub(crate) fn cut(&self, allowed: Duration) -> Duration {
        if self.timed < TIMED_ENOUGH { allowed } else { allowed.min(self.slowest * HEADROOM) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_reads_back_by_its_name_and_another_word_names_them_all() {
        for method in Method::ALL {
            assert_eq!(method.to_string().parse(), Ok(method));
        }
        let refused = "tertiary".parse::<Method>().expect_err("no method").to_string();
        assert!(refused.contains("tertiary") && refused.contains("secondary"), "{refused}");
    }

    #[test]
    fn waiting_is_cut_only_after_enough_answers_were_timed() {
        let (mut pace, allowed) = (Pace::default(), Duration::from_secs(3));
        for _ in 1..TIMED_ENOUGH {
            pace.heard(Duration::from_millis(40));
        }
        assert_eq!(pace.cut(allowed), allowed);
        pace.heard(Duration::from_millis(50));
        assert_eq!(pace.cut(allowed), Duration::from_millis(150));
    }
}
