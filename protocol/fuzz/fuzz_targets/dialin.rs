//! Any bytes as what a unit says: no panic, data never changed, and no way of leaving words out changes what is sent.
#![no_main]

use std::sync::Arc;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use protocol::dialin::packet::Layout;
use protocol::dialin::{Heard, Heartbeat, Intake, Manner, Pattern, Sifted, Wrapper};
use protocol::exchange::{Exchange, Step, Target, Timing};
use protocol::meter::Address;

fn manner(wrapper: Wrapper) -> Arc<Manner> {
    let pattern = |text| Pattern::parse(text).expect("a pattern");
    let plain = wrapper == Wrapper::Plain;
    let register = if plain { vec![pattern("{id:2d}"), pattern("AA {id:2a} 0D")] } else { vec![] };
    let heartbeats = vec![Heartbeat { pattern: pattern("FE"), echo: true }];
    Arc::new(Manner { register, heartbeats, prefix: None, wrapper })
}

fuzz_target!(|bytes: &[u8]| {
    for wrapper in [Wrapper::Plain, Wrapper::Packets(Layout::Closed), Wrapper::Packets(Layout::Headed)] {
        let mut intake = Intake::new(manner(wrapper));
        let mut data = 0;
        for piece in bytes.chunks(97) {
            for heard in intake.hear(piece) {
                data += if let Heard::Data(bytes) = heard { bytes.len() } else { 0 };
            }
        }
        assert!(data <= bytes.len());
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        drop(Pattern::parse(text));
    }
    let timing = Timing { baud: 2400, extra: Duration::ZERO, repeats: 1 };
    let target = Target { address: Address::MbusPrimary(1), timing, profile: None };
    let mut talk = Sifted::new(Exchange::read(&target), vec![Pattern::literal(&[0xFE]), Pattern::literal(b"ab")]);
    let mut pieces = bytes.chunks(31);
    for _ in 0..1_000 {
        match talk.poll() {
            Step::Send(_) => {}
            Step::Await(_) => match pieces.next() {
                Some(piece) => talk.handle_bytes(piece, std::time::Duration::ZERO),
                None => talk.handle_timeout(),
            },
            Step::Done(_) => return,
        }
    }
    panic!("the dialogue does not end");
});
