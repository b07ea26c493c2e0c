//! What must hold of any bytes a unit that calls in may say.
//!
//! ```text
//!   bytes --> Intake (plain, packets) --> no more data than came
//!         --> Pattern                 --> read or refused
//!         --> Sifted                  --> the dialogue ends, whatever is left out of its answers
//! ```
//!
//! Promises: as its neighbours. Refuses: sockets.

use std::sync::Arc;
use std::time::Duration;

use protocol::dialin::packet::Layout;
use protocol::dialin::{Heard, Heartbeat, Intake, Manner, Pattern, Sifted, Wrapper};
use protocol::exchange::{Exchange, Step, Target, Timing};
use protocol::meter::Address;
use protocol::profile::Catalogue;

use super::MOST_STEPS;

/// Any bytes as what a unit says.
pub fn dialin(bytes: &[u8]) {
    for wrapper in [Wrapper::Plain, Wrapper::Packets(Layout::Closed), Wrapper::Packets(Layout::Headed)] {
        hear(bytes, wrapper);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        drop(Pattern::parse(text));
    }
    sift(bytes);
}

fn manner(wrapper: Wrapper) -> Arc<Manner> {
    let pattern = |text| Pattern::parse(text).expect("a pattern");
    let plain = wrapper == Wrapper::Plain;
    let register = if plain { vec![pattern("{id:2d}"), pattern("AA {id:2a} 0D")] } else { vec![] };
    let heartbeats = vec![Heartbeat { pattern: pattern("FE"), echo: true }];
    Arc::new(Manner { register, heartbeats, prefix: None, wrapper })
}

fn hear(bytes: &[u8], wrapper: Wrapper) {
    let mut intake = Intake::new(manner(wrapper));
    let mut data = 0;
    for piece in bytes.chunks(97) {
        for heard in intake.hear(piece) {
            data += if let Heard::Data(bytes) = heard { bytes.len() } else { 0 };
        }
    }
    assert!(data <= bytes.len(), "more data than came");
}

fn sift(bytes: &[u8]) {
    let timing = Timing { baud: 2400, extra: Duration::ZERO, repeats: 1 };
    let target = Target { address: Address::MbusPrimary(1), timing, profile: None, catalogue: Catalogue::builtin() };
    let mut talk = Sifted::new(Exchange::read(&target), vec![Pattern::literal(&[0xFE]), Pattern::literal(b"ab")]);
    let mut pieces = bytes.chunks(31);
    for _ in 0..MOST_STEPS {
        match talk.poll() {
            Step::Send(_) => {}
            Step::Await(_) => match pieces.next() {
                Some(piece) => talk.handle_bytes(piece, Duration::ZERO),
                None => talk.handle_timeout(),
            },
            Step::Done(_) => return,
        }
    }
    panic!("the dialogue does not end");
}
