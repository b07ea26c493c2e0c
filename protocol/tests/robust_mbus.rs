//! Whatever bytes come, records show themselves, services and searches end.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use protocol::exchange::Timing;
use protocol::mbus::payload;
use protocol::mbus::record::{Function, Place};
use protocol::mbus::search::Search;
use protocol::mbus::selection::Selection;
use protocol::mbus::service::{Service, ServiceDialogue};
use protocol::mbus::transaction::Turn;

const TIMING: Timing = Timing { baud: 2400, extra: Duration::ZERO, repeats: 1 };

/// Records that are whole by construction: a DIF, a block of VIFs, and enough bytes behind.
fn records() -> impl Strategy<Value = Vec<u8>> {
    let block = prop_oneof![
        (0..0x78_u8).prop_map(|vif| vec![vif]),
        (0..0x7D_u8).prop_map(|vif| vec![0xFD, vif]),
        (0..0x80_u8).prop_map(|vif| vec![0xFB, vif]),
        (0..0x70_u8, 0..0x80_u8).prop_map(|(vif, vife)| vec![0x80 | vif, vife]),
        (0..0x70_u8, vec(0x80..=0xFF_u8, 9)).prop_map(|(vif, chain)| [vec![0x80 | vif], chain, vec![0x70]].concat()),
    ];
    let sized = prop_oneof![Just((1, 1)), Just((2, 2)), Just((4, 4)), Just((5, 4)), Just((7, 8)), Just((0xE, 6))];
    let record = (sized, block).prop_flat_map(|((dif, length), block)| {
        vec(any::<u8>(), length).prop_map(move |value| [vec![dif], block.clone(), value].concat())
    });
    vec(record, 1..20).prop_map(|list| list.concat())
}

proptest! {
    #[test]
    fn every_whole_record_shows_itself(data in records()) {
        let list = payload::records(0x78, &data).expect("whole");
        prop_assert!(!list.is_empty());
        for record in list {
            let text = record.value.to_string();
            prop_assert!(!text.is_empty() && text.len() < 400, "{text}");
        }
    }

    #[test]
    fn any_bytes_are_records_or_a_fault(data in vec(any::<u8>(), 0..253), kind in 0x70..0x80_u8) {
        for record in payload::records(kind, &data).unwrap_or_default() {
            prop_assert!(record.value.to_string().len() < 2000);
        }
    }

    #[test]
    fn a_place_is_encoded_within_eleven_bytes(storage in 0..1_u64 << 41, tariff in 0..1_u32 << 20, subunit in 0..1_u16 << 10) {
        let place = Place { function: Function::Maximum, storage, tariff, subunit };
        let data = [place.encode(0x01), vec![0x06, 1]].concat();
        let list = payload::records(0x78, &data).expect("one record");
        prop_assert_eq!(list.first().map(|record| record.place), Some(place));
    }

    #[test]
    fn services_and_searches_end_whatever_comes(answers in vec(vec(any::<u8>(), 0..40), 1..8)) {
        let mut endless = answers.iter().cycle();
        let mut service = ServiceDialogue::new(5, &Service::Alarms, TIMING);
        let mut turns = 0;
        while !matches!(service.poll(), Turn::Done(_)) {
            service.handle_bytes(endless.next().expect("endless"));
            service.handle_timeout();
            turns += 1;
            prop_assert!(turns < 100);
        }
        let all = Selection { id: 0xFFFF_FFFF, manufacturer: 0xFFFF, version: 0xFF, medium: 0xFF };
        let mut search = Search::new(all, TIMING, 50);
        let mut turns = 0;
        while !matches!(search.poll(), Turn::Done(_)) {
            search.handle_bytes(endless.next().expect("endless"), Duration::ZERO);
            search.handle_timeout();
            turns += 1;
            prop_assert!(turns < 10_000);
        }
    }
}
