//! What was heard instead of answers, by meter, until their slots end.
//!
//! Promises: at most one piece for each meter of the line, of [`MOST_KEPT`] bytes; it is handed out once, for the slot and the
//! reason it stands for. Refuses: judging it.
//!
//! [`MOST_KEPT`]: super::recorded::MOST_KEPT

use std::collections::BTreeMap;
use std::iter;

use protocol::exchange::LineFault;
use protocol::meter::{Address, Dialect, MeterId};
use protocol::{cjt188, mbus};
use raft_store::state::UnixMillis;

use super::schedule::{Due, Miss};

/// What a missed slot heard.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Evidence {
    /// The bytes as they came.
    pub(super) raw: Vec<u8>,
    /// Who answered instead of the meter; empty where nobody named itself.
    pub(super) identity: String,
}

impl Evidence {
    /// Of an exchange that ended with `fault` after `raw` was heard.
    pub(super) fn of(fault: LineFault, dialect: Dialect, raw: Vec<u8>) -> Self {
        let speaker = if fault == LineFault::WrongMeter { speaker(dialect, &raw) } else { None };
        Self { identity: speaker.unwrap_or_default(), raw }
    }
}

/// Who said the first sound frame of a meter among these bytes, where it says so.
fn speaker(dialect: Dialect, bytes: &[u8]) -> Option<String> {
    match dialect {
        Dialect::Mbus => {
            let mut scanner = mbus::frame::Scanner::new();
            scanner.push(bytes);
            iter::from_fn(|| scanner.next()).flatten().find_map(|frame| match frame {
                mbus::frame::Frame::Long { ci, data, .. } => mbus::payload::Payload::parse(ci, &data).ok()?.identity(),
                mbus::frame::Frame::Ack | mbus::frame::Frame::Short { .. } => None,
            })
        }
        Dialect::Cjt188 => {
            let mut scanner = cjt188::frame::Scanner::new();
            scanner.push(bytes);
            let frame = iter::from_fn(|| scanner.next()).flatten().find(cjt188::frame::Frame::is_from_meter)?;
            Some(Address::Cjt188(frame.address).to_string())
        }
        Dialect::Modbus => None,
    }
}

#[derive(Debug, Default)]
pub(super) struct Drawer(BTreeMap<MeterId, (UnixMillis, LineFault, Evidence)>);

impl Drawer {
    /// An attempt at a slot ended with `fault`: what was heard replaces what was heard before.
    pub(super) fn put(&mut self, due: Due, fault: LineFault, evidence: Evidence) {
        self.0.insert(due.meter, (due.slot, fault, evidence));
    }

    /// The slot of this meter was read.
    pub(super) fn clear(&mut self, meter: MeterId) {
        self.0.remove(&meter);
    }

    /// What is kept of a slot that ended.
    pub(super) fn take(&mut self, miss: &Miss) -> Evidence {
        match self.0.remove(&miss.meter) {
            Some((slot, fault, evidence)) if slot == miss.slot && fault.name() == miss.reason => evidence,
            _ => Evidence::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(slot: u64) -> Due {
        Due { meter: MeterId(7), slot: UnixMillis(slot), until: UnixMillis(slot + 900_000), attempt: 1 }
    }

    fn miss(slot: u64, reason: &'static str) -> Miss {
        Miss { meter: MeterId(7), slot: UnixMillis(slot), reason, detail: String::new(), attempts: 1 }
    }

    fn heard() -> Evidence {
        Evidence { raw: vec![1], identity: String::new() }
    }

    #[test]
    fn what_was_heard_goes_to_its_slot_and_reason_once() {
        let mut drawer = Drawer::default();
        drawer.put(due(900), LineFault::BadChecksum, heard());
        assert_eq!(drawer.take(&miss(900, "bad-checksum")), heard());
        assert_eq!(drawer.take(&miss(900, "bad-checksum")), Evidence::default());
    }

    #[test]
    fn what_was_heard_in_another_slot_or_for_another_reason_is_no_evidence() {
        for wrong in [miss(1_800, "bad-checksum"), miss(900, "line-down")] {
            let mut drawer = Drawer::default();
            drawer.put(due(900), LineFault::BadChecksum, heard());
            assert_eq!(drawer.take(&wrong), Evidence::default());
        }
        let mut drawer = Drawer::default();
        drawer.put(due(900), LineFault::BadChecksum, heard());
        drawer.clear(MeterId(7));
        assert_eq!(drawer.take(&miss(900, "bad-checksum")), Evidence::default());
    }
}
