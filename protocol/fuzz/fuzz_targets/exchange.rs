//! A meter that answers anything: every dialogue ends, within its limits.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use protocol::exchange::{Exchange, Step, Target, Timing};
use protocol::meter::{Action, Address};
use protocol::profile::Catalogue;

fuzz_target!(|bytes: &[u8]| {
    let wild = Address::MbusSecondary { id: 0xFFFF_FFFF, manufacturer: 0xFFFF, version: 0xFF, medium: 0xFF };
    for address in [Address::MbusPrimary(5), wild, Address::Cjt188([0xAA; 7])] {
        for action in [Action::ReadNow, Action::ValveOpen] {
            let timing = Timing { baud: 2400, extra: Duration::ZERO, repeats: 2 };
            let target = Target { address, timing, profile: None, catalogue: Catalogue::builtin() };
            let mut exchange = Exchange::perform(&target, action);
            let mut pieces = bytes.chunks(61);
            let mut steps = 0;
            loop {
                steps += 1;
                assert!(steps < 10_000 + bytes.len());
                match exchange.poll() {
                    Step::Send(_) => {}
                    Step::Await(_) => match pieces.next() {
                        Some(piece) => exchange.handle_bytes(piece),
                        None => exchange.handle_timeout(),
                    },
                    Step::Done(_) => break,
                }
            }
        }
    }
});
