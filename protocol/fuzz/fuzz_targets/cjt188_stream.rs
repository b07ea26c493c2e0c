//! Any bytes as a stream of CJ/T 188 frames: no panic, what is sound goes out as it came in, what is read in a layout lays
//! itself out again, a simulated meter answers anything, and every service ends.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use protocol::cjt188::body;
use protocol::cjt188::frame::{Frame, Scanner};
use protocol::cjt188::layout::Layout;
use protocol::cjt188::payload::{self, Current, Data, Past, Rules};
use protocol::cjt188::service::{Service, ServiceDialogue, Turn};
use protocol::cjt188::slave::{Counts, Slave};
use protocol::exchange::Timing;

fuzz_target!(|bytes: &[u8]| {
    let mut scanner = Scanner::new();
    for piece in bytes.chunks(97) {
        scanner.push(piece);
        while let Some(item) = scanner.next() {
            if let Ok(frame) = item {
                let wire = frame.encode_after(0);
                assert!(bytes.windows(wire.len()).any(|window| window == wire));
                read(&frame);
            }
        }
    }
    scanner.close_gap();
    while scanner.next().is_some() {}
    for service in [Service::ReadAddress, Service::ReadMonth(1), Service::ReadPrices, Service::CloseValve] {
        ask(service, bytes);
    }
});

fn ask(service: Service, bytes: &[u8]) {
    let timing = Timing { baud: 2400, extra: Duration::ZERO, repeats: 2 };
    let mut dialogue = ServiceDialogue::new([0xAA; 7], service, timing, None);
    let mut pieces = bytes.chunks(61);
    for _ in 0..10_000 + bytes.len() {
        match dialogue.poll() {
            Turn::Send(_) => {}
            Turn::Await(_) => match pieces.next() {
                Some(piece) => dialogue.handle_bytes(piece),
                None => dialogue.handle_timeout(),
            },
            Turn::Done(_) => return,
        }
    }
    panic!("{service:?} does not end");
}

fn read(frame: &Frame) {
    for layout in [None, Some(Layout::A), Some(Layout::B), Some(Layout::C), Some(Layout::D), Some(Layout::E)] {
        let rules = Rules { layout, slots: &[] };
        let _ = payload::prices(frame, rules);
        let _ = Past::read_as(frame, rules);
        let counts = match Current::read_as(frame, rules).map(|current| (current.data, current.layout)) {
            Ok((Data::Heat(heat), layout)) => {
                assert!(body::write(&heat, layout).is_some());
                Counts::Heat(heat)
            }
            Ok((Data::Water(water), layout)) => {
                assert!(body::write(&water, layout).is_some());
                Counts::Water(water)
            }
            Ok((Data::Binary(_), _)) | Err(_) => continue,
        };
        let _ = Slave::new(frame.address, frame.meter_type, counts).answer(frame);
    }
}
