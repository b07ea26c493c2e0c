//! The search for secondary addresses as a scan that shares its line.
//!
//! ```text
//!   select  read | select  read | select | select ..        | others may speak here
//! ```
//!
//! Promises: a selection and what is asked of the selected are never set apart: whoever is selected between them would
//! answer instead. Refuses: choosing what is asked ([`Search`] does).

use std::time::Duration;

use super::frame::ci;
use super::header::Header;
use super::search::{Search, free_place};
use super::selection::Selection;
use super::transaction::Turn;
use crate::dialogue::{LineFault, Timing};
use crate::meter::Address;
use crate::probe::{Method, Sighting, Step};

/// A scan in progress.
#[derive(Debug, Clone)]
pub(crate) struct Secondary {
    search: Search,
    /// The selection that begins the next turn.
    held: Option<Vec<u8>>,
    is_begun: bool,
    told_meters: usize,
    told_unresolved: usize,
}

impl Secondary {
    /// A scan among the meters `within` matches.
    pub(crate) fn new(within: Selection, hex_digits: bool, timing: Timing, most_probes: u32) -> Self {
        let search = Search::new(within, timing, most_probes);
        let search = if hex_digits { search.with_hex_digits() } else { search };
        Self { search, held: None, is_begun: false, told_meters: 0, told_unresolved: 0 }
    }

    pub(crate) fn poll(&mut self) -> Step {
        if let Some(selection) = self.held.take() {
            return Step::Send(selection);
        }
        match self.search.poll() {
            Turn::Send(bytes) if std::mem::replace(&mut self.is_begun, true) && is_selection(&bytes) => {
                self.held = Some(bytes);
                Step::Rest
            }
            Turn::Send(bytes) => Step::Send(bytes),
            Turn::Await(time) => Step::Await(time),
            Turn::Done(_) => Step::Done,
        }
    }

    pub(crate) fn handle_bytes(&mut self, bytes: &[u8], waited: Duration) {
        self.search.handle_bytes(bytes, waited);
    }

    pub(crate) fn handle_timeout(&mut self) {
        self.search.handle_timeout();
    }

    pub(crate) fn take_seen(&mut self) -> Vec<Sighting> {
        let found = self.search.found();
        let meters = found.meters.iter().skip(self.told_meters).map(|(header, number)| Sighting {
            identity: Some(*header),
            ..Sighting::at(Method::Secondary, address(*header, *number))
        });
        let unresolved = found.unresolved.iter().skip(self.told_unresolved).map(|selection| {
            let Selection { id, manufacturer, version, medium } = *selection;
            let address = Address::MbusSecondary { id, manufacturer, version, medium };
            Sighting { fault: Some(LineFault::Collision), ..Sighting::at(Method::Secondary, address) }
        });
        let seen = meters.chain(unresolved).collect();
        (self.told_meters, self.told_unresolved) = (found.meters.len(), found.unresolved.len());
        seen
    }

    /// Probes made, and about how many are to be made.
    pub(crate) fn probes(&self) -> (u32, u32) {
        let made = self.search.found().probes;
        let done = self.search.done_permille();
        let left = made.saturating_mul(1_000 - done).checked_div(done).unwrap_or(1);
        (made, left)
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.search.found().is_complete
    }
}

/// Where a meter is reached: with its fabrication number where it took one, and the meter said all of it.
fn address(header: Header, number: Option<u32>) -> Address {
    let Header { id, manufacturer, version, medium, .. } = header;
    match number {
        Some(fabrication) if free_place(fabrication).is_none() => {
            Address::MbusEnhanced { id, manufacturer, version, medium, fabrication }
        }
        _ => header.address(),
    }
}

/// Whether a request selects, and so begins what belongs together.
fn is_selection(request: &[u8]) -> bool {
    request.first() == Some(&0x68) && request.get(6) == Some(&ci::SELECT)
}
