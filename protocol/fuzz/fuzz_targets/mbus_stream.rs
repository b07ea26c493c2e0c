//! Any bytes as a stream of M-Bus frames: no panic, and what is sound goes out as it came in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::mbus::frame::{Frame, Scanner};
use protocol::mbus::payload::Payload;

fuzz_target!(|bytes: &[u8]| {
    let mut scanner = Scanner::new();
    for piece in bytes.chunks(97) {
        scanner.push(piece);
        while let Some(item) = scanner.next() {
            if let Ok(frame) = item {
                let wire = frame.encode();
                assert!(bytes.windows(wire.len()).any(|window| window == wire));
                if let Frame::Long { ci, data, .. } = frame {
                    let _ = Payload::parse(ci, &data);
                }
            }
        }
    }
    scanner.close_gap();
    while scanner.next().is_some() {}
});
