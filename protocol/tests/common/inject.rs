//! Answers as a disturbed line brings them: bytes that nobody sent at every place, and bytes lost or changed.
//!
//! Promises: a reading equal to the undisturbed one, or none, whatever was injected where. Refuses: knowing a dialect.

use std::collections::BTreeMap;

use protocol::exchange::{Answer, Exchange};
use protocol::meter::Reading;

use super::converse;

/// What is injected: start and stop bytes, acknowledgements, preambles, wrappers, and what modems and dial-in units say
/// between and inside answers.
pub(crate) const INJECTED: [&[u8]; 16] = [
    &[0x00],
    &[0x10],
    &[0x16],
    &[0x68],
    &[0x7B],
    &[0xE5],
    &[0xFE],
    &[0xFF],
    b"A",
    b"\r\n",
    &[0xFE, 0xFE],
    &[0x00, 0x00],
    &[0xE5, 0xE5],
    b"HB",
    b"OK\r\n",
    &[0x7B, 0x01, 0x00, 0x16, 0x7B],
];

/// Every answer that `wire` may become with one thing injected into it, and where.
pub(crate) fn injected(wire: &[u8]) -> impl Iterator<Item = (usize, &'static [u8], Vec<u8>)> + '_ {
    (0..=wire.len()).flat_map(move |at| {
        let (front, back) = wire.split_at(at);
        INJECTED.into_iter().map(move |bytes| (at, bytes, [front, bytes, back].concat()))
    })
}

/// Every answer that `wire` may become with one byte lost.
pub(crate) fn lost(wire: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..wire.len()).map(|at| {
        let (front, back) = wire.split_at(at);
        [front, back.get(1..).unwrap_or_default()].concat()
    })
}

/// How dialogues ended, by the kind of end.
pub(crate) type Ends = BTreeMap<&'static str, usize>;

/// Holds that the dialogue `begin` starts, with `slave` answering, ends in `truth` or in no reading.
pub(crate) fn never_wrong(
    what: &dyn std::fmt::Debug,
    truth: &Reading,
    ends: &mut Ends,
    begin: &dyn Fn() -> Exchange,
    slave: impl FnMut(&[u8]) -> Vec<u8>,
) {
    let end = match converse(&mut begin(), slave).0 {
        Answer::Reading(reading) => {
            let same = (&reading.measurements, &reading.identity, reading.meter_time, reading.valve)
                == (&truth.measurements, &truth.identity, truth.meter_time, truth.valve);
            assert!(same, "{what:02X?}: {reading:?} is not {truth:?}");
            "true"
        }
        Answer::Lost(fault) => fault.name(),
        Answer::Refused(_) => "refused",
        Answer::Accepted { .. } => "accepted",
    };
    *ends.entry(end).or_default() += 1;
}
