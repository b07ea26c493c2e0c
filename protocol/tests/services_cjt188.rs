//! What a master asks of a CJ/T 188 meter besides its values, against a whole simulated meter in memory.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::heat::{CLOCK, NUMBER, heat, shown};
use proptest::collection::vec;
use proptest::prelude::*;
use protocol::cjt188::frame::{ANYONE, Frame, Scanner};
use protocol::cjt188::heat::Heat;
use protocol::cjt188::identifier::{Lead, Order, di};
use protocol::cjt188::layout::Layout;
use protocol::cjt188::prices::Prices;
use protocol::cjt188::profile::Profile;
use protocol::cjt188::reply;
use protocol::cjt188::service::{Outcome, Service, ServiceDialogue, Turn};
use protocol::cjt188::slave::{Counts, Slave};
use protocol::cjt188::status::Status;
use protocol::cjt188::total::Total;
use protocol::cjt188::unit::UnitCode;
use protocol::cjt188::water::Water;
use protocol::exchange::{LineFault, Timing};
use protocol::meter::{CivilTime, ValveState};

/// The layouts a simulated meter speaks.
const SPOKEN: [Layout; 4] = [Layout::A, Layout::B, Layout::C, Layout::E];

fn slave(layout: Layout) -> Slave {
    let prices = Prices { steps: [(Some(250), Some(100)), (Some(375), Some(2000))], last: Some(512) };
    Slave {
        layout,
        months: (1..=12).map(|back| Total(shown(54_000 - back, UnitCode::KWh))).collect(),
        prices: Some(prices),
        settlement_day: Some(25),
        reading_day: Some(1),
        key_version: Some(7),
        ..Slave::new(NUMBER, 0x25, Counts::Heat(heat(Status::default())))
    }
}

fn parse(wire: &[u8]) -> Frame {
    let mut scanner = Scanner::new();
    scanner.push(wire);
    scanner.next().expect("whole").expect("sound")
}

/// Whom to ask on a quick line, and how often to repeat.
const fn target(address: [u8; 7], repeats: u8) -> ([u8; 7], Timing) {
    (address, Timing { baud: 2400, extra: Duration::ZERO, repeats })
}

/// The dialogue against a meter in memory: nothing is silence. How it ended, and what was said.
fn ask(target: ([u8; 7], Timing), service: Service, mut meter: impl FnMut(&[u8]) -> Vec<u8>) -> (Outcome, Vec<Frame>) {
    let mut dialogue = ServiceDialogue::new(target.0, service, target.1, None);
    let (mut said, mut pending) = (Vec::new(), Vec::new());
    for _ in 0..1000 {
        match dialogue.poll() {
            Turn::Send(bytes) => {
                pending = meter(&bytes);
                said.push(parse(&bytes));
            }
            Turn::Await(_) if pending.is_empty() => dialogue.handle_timeout(),
            Turn::Await(_) => dialogue.handle_bytes(&std::mem::take(&mut pending)),
            Turn::Done(outcome) => return (outcome, said),
        }
    }
    unreachable!("the dialogue does not end")
}

fn ask_slave(slave: &mut Slave, service: Service, repeats: u8) -> Outcome {
    let meter = |request: &[u8]| slave.answer(&parse(request)).map(|answer| answer.encode()).unwrap_or_default();
    ask(target(NUMBER, repeats), service, meter).0
}

const fn accepted(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Accepted { .. })
}

fn words(outcome: Outcome) -> String {
    let Outcome::Refused(refusal) = outcome else { unreachable!("{outcome:?}") };
    refusal.text
}

#[test]
fn every_service_has_the_frame_of_the_standard() {
    for (service, control, data) in [
        (Service::ReadAddress, 0x03, vec![0x0A, 0x81, 1]),
        (Service::ReadSettlementDay, 0x01, vec![0x03, 0x81, 1]),
        (Service::ReadReadingDay, 0x01, vec![0x04, 0x81, 1]),
        (Service::ReadKeyVersion, 0x09, vec![0x06, 0x81, 1]),
        (Service::OpenValve, 0x04, vec![0xA0, 0x17, 1, 0x55]),
        (Service::CloseValve, 0x04, vec![0xA0, 0x17, 1, 0x99]),
        (
            Service::SetAddress([0x59, 0x42, 0x00, 0x12, 0x34, 0x56, 0x79]),
            0x15,
            vec![0x18, 0xA0, 1, 0x79, 0x56, 0x34, 0x12, 0x00, 0x42, 0x59],
        ),
    ] {
        let (_, said) = ask(target(NUMBER, 0), service, |_| Vec::new());
        let said: Vec<_> = said.into_iter().map(|frame| (frame.control, frame.data)).collect();
        assert_eq!(said, [(control, data)], "{service:?}");
    }
}

#[test]
fn what_has_an_order_of_bytes_is_asked_after_the_layout_was_seen() {
    let mut meter = slave(Layout::A);
    for (service, control, data) in [
        (Service::ReadMonth(6), 0x01, vec![0x25, 0xD1, 2]),
        (Service::ReadPrices, 0x01, vec![0x02, 0x81, 2]),
        (Service::SetClock(CLOCK), 0x04, vec![0x15, 0xA0, 2, 0x15, 0x14, 0x13, 0x12, 0x11, 0x26, 0x20]),
        (Service::SetBase(shown(123_456, UnitCode::M3)), 0x16, vec![0x16, 0xA0, 2, 0x56, 0x34, 0x12, 0x00, 0x2C]),
    ] {
        let (_, said) =
            ask(target(NUMBER, 0), service, |request| meter.answer(&parse(request)).expect("an answer").encode());
        let [learn, asked] = said.as_slice() else { unreachable!("{said:?}") };
        assert!(Lead::of(learn).is_some_and(|(lead, _)| lead.asks(di::CURRENT)));
        assert_eq!((asked.control, &asked.data), (control, &data), "{service:?}");
    }
}

#[test]
fn every_service_reads_and_writes_in_every_layout_the_meter_speaks() {
    for layout in SPOKEN {
        let mut meter = slave(layout);
        for back in 1..=12 {
            let past = ask_slave(&mut meter, Service::ReadMonth(back), 0);
            let Outcome::Past(past) = past else { unreachable!("{layout:?}: {past:?}") };
            let held = Total(shown(54_000 - u32::from(back), UnitCode::KWh));
            assert_eq!((past.month, past.total, past.layout), (back, held, layout));
        }
        let prices = meter.prices.expect("prices");
        assert_eq!(ask_slave(&mut meter, Service::ReadPrices, 0), Outcome::Prices(prices), "{layout:?}");
    }
    for layout in [Layout::A, Layout::B, Layout::C] {
        let mut meter = slave(layout);
        assert_eq!(ask_slave(&mut meter, Service::ReadSettlementDay, 0), Outcome::Day(25));
        assert_eq!(ask_slave(&mut meter, Service::ReadReadingDay, 0), Outcome::Day(1));
        assert_eq!(ask_slave(&mut meter, Service::ReadKeyVersion, 0), Outcome::KeyVersion(7));
        assert_eq!(ask_slave(&mut meter, Service::ReadAddress, 0), Outcome::Address(NUMBER, 0x25));
        let time = CivilTime { year: 2027, month: 2, day: 3, ..CLOCK };
        assert_eq!(ask_slave(&mut meter, Service::SetClock(time), 0), Outcome::Accepted { valve: None });
        let closed = Outcome::Accepted { valve: Some(ValveState::Closed) };
        assert_eq!(ask_slave(&mut meter, Service::CloseValve, 0), closed);
        let base = shown(777, UnitCode::GJ);
        assert_eq!(ask_slave(&mut meter, Service::SetBase(base), 0), closed);
        let Counts::Heat(now) = meter.counts else { unreachable!("a heat meter") };
        assert_eq!((now.clock, now.energy, now.status.valve()), (Some(time), base, Some(ValveState::Closed)));
        assert_eq!(ask_slave(&mut meter, Service::SetAddress([1; 7]), 0), Outcome::Accepted { valve: None });
        assert_eq!(meter.address, [1; 7]);
    }
}

#[test]
fn a_meter_that_knows_one_order_is_asked_in_it_from_then_on() {
    for order in [Order::HighFirst, Order::LowFirst] {
        let mut meter = Slave { order: Some(order), ..slave(Layout::A) };
        let (outcome, said) = ask(target(NUMBER, 1), Service::ReadMonth(1), |request| {
            meter.answer(&parse(request)).map(|answer| answer.encode()).unwrap_or_default()
        });
        assert!(matches!(outcome, Outcome::Past(_)), "{outcome:?}");
        let last = said.last().expect("said").data.first_chunk::<2>().copied();
        assert_eq!(last, Some(order.wire(di::MONTH)));
        assert!(said.len() <= 3);
    }
}

#[test]
fn a_profile_that_names_layout_order_and_address_spares_the_look_at_current_data() {
    let text = "name = 'x'\nmeter_type = 0x26\nread_di = [0x1F, 0x90]\nvalve_di = [0xA0, 0x17]\nlayout = 'C'\n\
                di_order = 'high_first'\naddress_high_first = true\ncolumn = []\n";
    let profile: Arc<Profile> = Arc::new(toml::from_str(text).expect("a profile"));
    let mut turned = NUMBER;
    turned.reverse();
    let mut meter = Slave { order: Some(Order::HighFirst), address: turned, ..slave(Layout::C) };
    meter.counts = Counts::Heat(Heat { clock: None, ..heat(Status::default()) });
    let mut ask = |service: Service| {
        let timing = Timing { baud: 2400, extra: Duration::ZERO, repeats: 0 };
        let mut dialogue = ServiceDialogue::new(NUMBER, service, timing, Some(Arc::clone(&profile)));
        let Turn::Send(request) = dialogue.poll() else { unreachable!("something is asked") };
        let request = parse(&request);
        dialogue.handle_bytes(&meter.answer(&request).expect("an answer").encode());
        let Turn::Done(outcome) = dialogue.poll() else { unreachable!("one answer is enough") };
        (request, outcome)
    };
    let (request, outcome) = ask(Service::ReadMonth(2));
    assert_eq!((request.meter_type, request.data), (0x26, vec![0xD1, 0x21, 1]));
    assert!(matches!(outcome, Outcome::Past(past) if past.total == Total(shown(53_998, UnitCode::KWh))));
    assert_eq!(ask(Service::ReadAddress).1, Outcome::Address(NUMBER, 0x25));
    let (request, _) = ask(Service::SetClock(CLOCK));
    assert_eq!(request.data, [0xA0, 0x15, 1, 0x20, 0x26, 0x11, 0x12, 0x13, 0x14, 0x15]);
}

#[test]
fn whoever_is_alone_on_the_line_tells_its_address() {
    let mut meter = slave(Layout::A);
    let (outcome, said) =
        ask(target(ANYONE, 0), Service::ReadAddress, |request| meter.answer(&parse(request)).expect("alone").encode());
    assert_eq!(outcome, Outcome::Address(NUMBER, 0x25));
    assert!(said.iter().all(|frame| frame.address == ANYONE));
}

#[test]
fn an_address_repeated_in_the_data_is_taken_only_where_it_is_the_same() {
    let answered = |from: [u8; 7], repeated: [u8; 7]| {
        let mut wire = repeated;
        wire.reverse();
        ask(target(ANYONE, 0), Service::ReadAddress, |request| {
            reply::answer(&parse(request), from, &wire).expect("a request").encode()
        })
        .0
    };
    assert_eq!(answered(NUMBER, NUMBER), Outcome::Address(NUMBER, 0x20));
    assert_eq!(answered(ANYONE, NUMBER), Outcome::Address(NUMBER, 0x20));
    assert_eq!(answered(NUMBER, [1; 7]), Outcome::Lost(LineFault::Undecodable));
}

#[test]
fn a_new_address_is_acknowledged_under_the_old_or_the_new_one() {
    let new = [0x59, 0x42, 0, 0, 0, 0, 1];
    for (from, outcome) in [
        (NUMBER, Outcome::Accepted { valve: None }),
        (new, Outcome::Accepted { valve: None }),
        ([2; 7], Outcome::Lost(LineFault::WrongMeter)),
    ] {
        let meter = |request: &[u8]| reply::answer(&parse(request), from, &[]).expect("a request").encode();
        assert_eq!(ask(target(NUMBER, 0), Service::SetAddress(new), meter).0, outcome);
    }
}

#[test]
fn what_no_meter_can_have_is_refused_before_a_byte_is_sent() {
    let never = CivilTime { month: 13, ..CLOCK };
    let far = CivilTime { year: 2100, ..CLOCK };
    for (service, word) in [
        (Service::ReadMonth(0), "month 0"),
        (Service::ReadMonth(13), "month 13"),
        (Service::SetClock(never), "13"),
        (Service::SetClock(far), "2100"),
        (Service::SetBase(shown(100_000_000, UnitCode::M3)), "8 digits"),
        (Service::SetBase(shown(1, UnitCode::KW)), "energy or a volume"),
        (Service::SetAddress(ANYONE), "everyone"),
    ] {
        let (outcome, said) = ask(target(NUMBER, 2), service, |_| Vec::new());
        assert!(said.is_empty(), "{service:?}");
        let text = words(outcome);
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn nothing_is_written_to_a_meter_whose_layout_is_not_clear_or_is_e() {
    let mut dark = slave(Layout::A);
    dark.counts = Counts::Heat(Heat { clock: None, ..heat(Status::default()) });
    for service in [Service::SetClock(CLOCK), Service::SetBase(shown(1, UnitCode::KWh)), Service::ReadMonth(1)] {
        let text = words(ask_slave(&mut dark, service, 1));
        assert!(text.contains("ambiguous"), "{text}");
        assert_eq!(dark.counts, Counts::Heat(Heat { clock: None, ..heat(Status::default()) }));
    }
    let text = words(ask_slave(&mut slave(Layout::E), Service::SetClock(CLOCK), 1));
    assert!(text.contains("layout E"), "{text}");
}

#[test]
fn refusals_of_one_two_and_three_bytes_carry_what_they_hold() {
    let refused = |data: Vec<u8>| {
        ask(target(NUMBER, 0), Service::ReadKeyVersion, |request| {
            let frame = parse(request);
            Frame { control: 0xC9, data: data.clone(), ..frame }.encode()
        })
        .0
    };
    for (data, code) in [(vec![1], 0), (vec![0x42], 0x42), (vec![1, 0x03], 3), (vec![1, 0x03, 0x01], 0x0103)] {
        let Outcome::Refused(refusal) = refused(data.clone()) else { unreachable!("{data:?}") };
        assert_eq!(refusal.code, code, "{data:?}");
        assert!(refusal.text.contains("read key version"), "{}", refusal.text);
    }
    for data in [vec![], vec![0x42, 3], vec![1, 2, 3, 4]] {
        assert_eq!(refused(data), Outcome::Lost(LineFault::Undecodable));
    }
}

#[test]
fn a_meter_without_the_thing_refuses_and_one_that_is_not_there_is_silent() {
    let mut bare = Slave::new(NUMBER, 0x20, Counts::Heat(heat(Status::default())));
    for service in [Service::ReadPrices, Service::ReadSettlementDay, Service::ReadKeyVersion, Service::ReadMonth(3)] {
        assert!(matches!(ask_slave(&mut bare, service, 1), Outcome::Refused(_)), "{service:?}");
    }
    bare.address = [3; 7];
    assert_eq!(ask_slave(&mut bare, Service::ReadKeyVersion, 2), Outcome::Lost(LineFault::Silent));
}

#[test]
fn an_answer_with_another_content_than_the_service_has_is_not_taken() {
    for (service, rest) in [
        (Service::ReadSettlementDay, vec![0x32]),
        (Service::ReadSettlementDay, vec![0x1F]),
        (Service::ReadReadingDay, vec![]),
        (Service::ReadKeyVersion, vec![1, 2]),
    ] {
        let meter = |request: &[u8]| reply::answer(&parse(request), NUMBER, &rest).expect("a request").encode();
        assert_eq!(ask(target(NUMBER, 1), service, meter).0, Outcome::Lost(LineFault::Undecodable), "{rest:?}");
    }
}

#[test]
fn a_water_meters_months_are_volumes() {
    let total = Total(shown(1234, UnitCode::M3));
    let counts = Counts::Water(Water { volume: total.0, settled: total.0, clock: Some(CLOCK), status: Status([0, 0]) });
    let mut meter = Slave { months: vec![total], ..Slave::new(NUMBER, 0x10, counts) };
    let outcome = ask_slave(&mut meter, Service::ReadMonth(1), 0);
    assert!(matches!(outcome, Outcome::Past(past) if past.total == total), "{outcome:?}");
}

proptest! {
    #[test]
    fn months_and_prices_come_back_as_the_meter_holds_them(
        layout in prop::sample::select(SPOKEN.to_vec()),
        low_first in any::<Option<bool>>(),
        digits in vec(0_u32..100_000_000, 12),
        parts in vec(prop::option::of(0_u32..1_000_000), 5),
        back in 1_u8..=12,
    ) {
        let mut meter = slave(layout);
        meter.months = digits.iter().map(|digits| Total(shown(*digits, UnitCode::MWh))).collect();
        let [a, b, c, d, last]: [Option<u32>; 5] = parts.try_into().expect("five");
        let prices = Prices { steps: [(a, b), (c, d)], last };
        meter.prices = Some(prices);
        if layout != Layout::E {
            meter.order = low_first.map(|low| if low { Order::LowFirst } else { Order::HighFirst });
        }
        prop_assert_eq!(ask_slave(&mut meter, Service::ReadPrices, 1), Outcome::Prices(prices));
        let held = meter.months.get(usize::from(back) - 1).copied();
        let outcome = ask_slave(&mut meter, Service::ReadMonth(back), 1);
        let Outcome::Past(past) = outcome else { unreachable!("{outcome:?}") };
        prop_assert_eq!((Some(past.total), past.month), (held, back));
    }

    #[test]
    fn what_is_written_is_what_the_meter_then_holds(
        layout in prop::sample::select(vec![Layout::A, Layout::B, Layout::C]),
        digits in 0_u32..100_000_000,
        month in 1_u8..=12, day in 1_u8..=28, hour in 0_u8..24, minute in 0_u8..60, second in 0_u8..60,
        year in 2000_u16..=2099, address in any::<[u8; 7]>(),
    ) {
        prop_assume!(address != ANYONE);
        let mut meter = slave(layout);
        let time = CivilTime { year, month, day, hour, minute, second };
        let base = shown(digits, UnitCode::KWh);
        // The base first: a clock that is set may be one that no longer tells the layout.
        prop_assert!(accepted(&ask_slave(&mut meter, Service::SetBase(base), 0)));
        prop_assert!(accepted(&ask_slave(&mut meter, Service::SetClock(time), 0)));
        prop_assert!(accepted(&ask_slave(&mut meter, Service::SetAddress(address), 0)));
        let Counts::Heat(now) = meter.counts else { unreachable!("a heat meter") };
        prop_assert_eq!((now.clock, now.energy, meter.address), (Some(time), base, address));
    }

    #[test]
    fn services_end_whatever_comes(answers in vec(vec(any::<u8>(), 0..60), 1..8), repeats in 0_u8..4) {
        for service in [
            Service::ReadAddress, Service::ReadMonth(1), Service::ReadPrices, Service::ReadSettlementDay,
            Service::ReadKeyVersion, Service::SetClock(CLOCK), Service::CloseValve, Service::SetAddress([1; 7]),
        ] {
            let mut endless = answers.iter().cycle();
            let (outcome, said) =
                ask(target(NUMBER, repeats), service, |_| endless.next().expect("endless").clone());
            prop_assert!(said.len() <= 2 * (usize::from(repeats) + 1));
            prop_assert!(matches!(outcome, Outcome::Lost(_) | Outcome::Refused(_)), "{outcome:?}");
        }
    }
}
