//! Finding the meters of a line by primary address: one after the other, asked as every reading asks.
//!
//! ```text
//!   SND_NKE n --silence--> n + 1
//!             --E5-------> REQ_UD2 n --RSP_UD--> seen, with its identity
//!             --noise----+           --silence, noise--> seen, and cannot be read (noise, then silence: nobody)
//! ```
//!
//! Promises: no I/O, no clock; a silent address costs one time-out; who is found can be polled. Refuses: telling
//! two meters of one address apart.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::frame::{Frame, control};
use super::payload::Payload;
use super::transaction::{Heard, Transaction, Turn};
use crate::dialogue::{LineFault, Timing};
use crate::meter::Address;
use crate::probe::{Method, Pace, Sighting, Step};

/// Repeats of a read of somebody who answered already.
const READ_REPEATS: u8 = 1;

#[derive(Debug, Clone, Copy)]
enum Asking {
    Reset(u8),
    Read { address: u8, is_certain: bool },
}

/// A scan in progress.
#[derive(Debug, Clone)]
pub(crate) struct Primary {
    left: RangeInclusive<u8>,
    timing: Timing,
    pace: Pace,
    current: Option<(Asking, Transaction)>,
    rested: bool,
    probes: u32,
    seen: Vec<Sighting>,
}

impl Primary {
    /// A scan of these addresses.
    pub(crate) fn new(addresses: RangeInclusive<u8>, timing: Timing) -> Self {
        let (pace, seen) = (Pace::default(), Vec::new());
        Self { left: addresses, timing, pace, current: None, rested: true, probes: 0, seen }
    }

    pub(crate) fn poll(&mut self) -> Step {
        loop {
            let Some((asking, transaction)) = &mut self.current else {
                if !std::mem::replace(&mut self.rested, true) {
                    return Step::Rest;
                }
                let Some(address) = self.left.next() else { return Step::Done };
                (self.probes, self.rested) = (self.probes.saturating_add(1), false);
                self.ask(Asking::Reset(address));
                continue;
            };
            match transaction.poll() {
                Turn::Send(bytes) => return Step::Send(bytes),
                Turn::Await(time) => return Step::Await(time),
                Turn::Done(heard) => {
                    let asking = *asking;
                    self.current = None;
                    self.handle(asking, &heard);
                }
            }
        }
    }

    pub(crate) fn handle_bytes(&mut self, bytes: &[u8], waited: Duration) {
        self.pace.heard(waited);
        if let Some((_, transaction)) = &mut self.current {
            transaction.handle_bytes(bytes);
        }
    }

    pub(crate) fn handle_timeout(&mut self) {
        if let Some((_, transaction)) = &mut self.current {
            transaction.handle_timeout();
        }
    }

    pub(crate) fn take_seen(&mut self) -> Vec<Sighting> {
        std::mem::take(&mut self.seen)
    }

    /// Probes made, and to be made.
    pub(crate) fn probes(&self) -> (u32, u32) {
        (self.probes, self.left.len() as u32)
    }

    fn ask(&mut self, asking: Asking) {
        let (control, address, repeats) = match asking {
            Asking::Reset(address) => (control::SND_NKE, address, 0),
            Asking::Read { address, .. } => (control::REQ_UD2 | control::FCB, address, READ_REPEATS),
        };
        let timing = Timing { extra: self.pace.cut(self.timing.extra), repeats, ..self.timing };
        self.current = Some((asking, Transaction::new(Frame::Short { control, address }, timing)));
    }

    fn handle(&mut self, asking: Asking, heard: &Heard) {
        match (asking, heard) {
            (Asking::Reset(_), Heard::Lost(LineFault::Silent)) => {}
            (Asking::Reset(address), heard) => {
                self.ask(Asking::Read { address, is_certain: matches!(heard, Heard::Ack) });
            }
            (Asking::Read { is_certain: false, .. }, Heard::Lost(LineFault::Silent)) => {}
            (Asking::Read { address, .. }, heard) => {
                let seen = Sighting::at(Method::Primary, Address::MbusPrimary(address));
                self.seen.push(Sighting { fault: fault(heard), identity: identity(heard), ..seen });
            }
        }
    }
}

fn identity(heard: &Heard) -> Option<Address> {
    let Heard::Reply { ci, data } = heard else { return None };
    Payload::parse(*ci, data).ok()?.header.map(|header| header.address())
}

const fn fault(heard: &Heard) -> Option<LineFault> {
    match heard {
        Heard::Reply { .. } => None,
        Heard::Ack => Some(LineFault::Undecodable),
        Heard::Lost(LineFault::Silent) => Some(LineFault::Silent),
        // Whoever acknowledged a moment ago is heard badly now: two of one address answer like that.
        Heard::Lost(_) => Some(LineFault::Collision),
    }
}
