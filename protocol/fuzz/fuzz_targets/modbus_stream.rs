//! Any bytes as a stream of Modbus frames, either way: no panic, and what is sound goes out as it came in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::modbus::frame::{Direction, Scanner};
use protocol::modbus::payload::{Reply, Request};
use protocol::modbus::{mbap, slave::Bank};

fuzz_target!(|bytes: &[u8]| {
    for direction in [Direction::Requests, Direction::Replies] {
        let mut scanner = Scanner::new(direction);
        for piece in bytes.chunks(97) {
            scanner.push(piece);
            while let Some(item) = scanner.next() {
                if let Ok(frame) = item {
                    let wire = frame.encode();
                    assert!(bytes.windows(wire.len()).any(|window| window == wire));
                    if let Some(reply) = Reply::decode(&frame.pdu) {
                        assert_eq!(Reply::decode(&reply.encode()), Some(reply));
                    }
                    if let Some(request) = Request::decode(&frame.pdu) {
                        assert_eq!(Request::decode(&request.encode()), Some(request));
                    }
                }
            }
        }
        scanner.close_gap();
        while scanner.next().is_some() {}
    }
    let mut scanner = mbap::Scanner::new();
    scanner.push(bytes);
    scanner.close_gap();
    while scanner.next().is_some() {}
    Bank::default().answer(bytes);
});
