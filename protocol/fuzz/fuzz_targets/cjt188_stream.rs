//! Any bytes as a stream of CJ/T 188 frames: no panic, and what is sound goes out as it came in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::cjt188::frame::Scanner;
use protocol::cjt188::payload::Current;

fuzz_target!(|bytes: &[u8]| {
    let mut scanner = Scanner::new();
    for piece in bytes.chunks(97) {
        scanner.push(piece);
        while let Some(item) = scanner.next() {
            if let Ok(frame) = item {
                let wire = frame.encode_after(0);
                assert!(bytes.windows(wire.len()).any(|window| window == wire));
                let _ = Current::read(&frame);
            }
        }
    }
    scanner.close_gap();
    while scanner.next().is_some() {}
});
