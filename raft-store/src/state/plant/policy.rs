//! A schedule for all meters that a selector names.
//!
//! ```text
//!   station=S1,building=12*      both have to hold; * at the end stands for anything
//!   region, station ..           labels of the meter, or else of its line
//!   name, line, profile, dialect what it is
//! ```
//!
//! Promises: of several policies that select a meter, the one of the lowest rank counts, then the first by name. Refuses:
//! a selector of nothing: what is for all meters says `name=*`.

use std::fmt;
use std::str::FromStr;

use protocol::meter::WordError;

use super::Plant;
use super::schedule::Schedule;
use crate::state::registry::{Meter, Registry};

/// Terms of one selector, at most.
const TERMS: usize = 16;

/// A schedule for all meters that a selector names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name for people; unique.
    pub name: String,
    /// Lower ones count first.
    pub rank: u32,
    /// Which meters.
    pub selector: Selector,
    /// When they are read.
    pub schedule: Schedule,
}

/// Which meters: those for which every term holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector {
    terms: Vec<(String, String)>,
}

impl Selector {
    /// Whether a meter is among them.
    pub fn selects(&self, plant: &Plant, registry: &Registry, meter: &Meter) -> bool {
        self.terms.iter().all(|(name, wanted)| {
            let value = match name.as_str() {
                "name" => Some(meter.name.as_str()),
                "line" => registry.lines.get(&meter.line).map(|line| line.spec.name.as_str()),
                "profile" => meter.profile.as_deref(),
                "dialect" => Some(meter.address.dialect().name()),
                label => plant.label(meter, label),
            };
            value.is_some_and(|value| matches(wanted, value))
        })
    }
}

fn matches(wanted: &str, value: &str) -> bool {
    wanted.strip_suffix('*').map_or(value == wanted, |start| value.starts_with(start))
}

impl FromStr for Selector {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let wrong = || WordError::new("selector", text, "terms such as station=S1,building=12*, at most 16, or name=*");
        let term = |term: &str| {
            let (name, value) = term.split_once('=').ok_or_else(wrong)?;
            let (name, value) = (name.trim(), value.trim());
            let possible = !name.is_empty() && !value.is_empty();
            possible.then(|| (name.to_owned(), value.to_owned())).ok_or_else(wrong)
        };
        let terms = text.split(',').map(term).collect::<Result<Vec<_>, _>>()?;
        if terms.len() > TERMS {
            return Err(wrong());
        }
        Ok(Self { terms })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, value)) in self.terms.iter().enumerate() {
            write!(f, "{}{name}={value}", if place == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}
