//! What a search asked and what it heard, from the line's ledger.
//!
//! ```text
//!   68 0B 0B 68 53 FD 52 ..   a probe      nobody: silent
//!   10 7B FD ..               a readout    several at once: collided
//! ```
//!
//! Promises: a pure function. Refuses: taking the node's word for anything.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use crate::efficiency::account::Account;
use crate::field::pace::Pace;
use crate::field::reply::Planted;
use crate::ledger::Event;

/// Address and CI of a selection, and where they stand in it.
const SELECTION: (&str, std::ops::Range<usize>) = ("FD52", 10..14);

/// What was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Tally {
    /// Selections sent.
    pub probes: u32,
    /// Of them those that nobody acknowledged.
    pub silent: u32,
    /// Requests for data.
    pub readouts: u32,
    /// Of them those that several answered at once.
    pub collided: u32,
    /// Where the line's time went.
    pub account: Account,
    /// Time by physics / time that passed without the meters' lag.
    pub efficiency: f64,
}

impl Tally {
    /// What happened on `line`, which runs at `baud`.
    pub fn of(events: &[Event], line: &str, baud: u32) -> Self {
        let (mut answered, mut collided) = (BTreeSet::new(), BTreeSet::new());
        for event in events {
            if let Event::Answer(answer) = event {
                answered.insert(answer.request);
                if answer.fault.as_deref() == Some(Planted::Collision.name()) {
                    collided.insert(answer.request);
                }
            }
        }
        let account = Account::of(events, line, Pace::new(baud, Duration::ZERO));
        let mut tally = Self { account, efficiency: account.efficiency(), ..Self::default() };
        for event in events {
            match event {
                Event::Request(request) if request.line == line && is_selection(&request.hex) => {
                    tally.probes += 1;
                    tally.silent += u32::from(!answered.contains(&request.id));
                }
                Event::Request(request) if request.line == line => {
                    tally.readouts += 1;
                    tally.collided += u32::from(collided.contains(&request.id));
                }
                _ => {}
            }
        }
        tally
    }
}

fn is_selection(hex: &str) -> bool {
    let (said, place) = SELECTION;
    hex.starts_with("68") && hex.get(place) == Some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_is_told_from_a_request_for_data_and_from_other_data_sent_to_the_selected() {
        assert!(is_selection("680B0B6853FD52FFFFFFFFFFFFFFFF9A16"));
        assert!(!is_selection("107BFD7816") && !is_selection("68030368 53FD50A016"));
    }
}
