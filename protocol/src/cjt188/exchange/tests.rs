//! What a profile changes in a dialogue.

use std::sync::Arc;
use std::time::Duration;

use super::super::heat::Heat;
use super::super::profile::sample;
use super::super::reply;
use super::super::slave::{Counts, Slave};
use super::super::testing::talk;
use super::super::unit::UnitCode;
use super::super::{body, layout::Layout};
use super::*;
use crate::cjt188::digits::Shown;
use crate::dialogue::Timing;
use crate::meter::{CivilTime, Quantity, Reading};

const NUMBER: [u8; 7] = [0x11, 0x11, 0x00, 0x12, 0x34, 0x56, 0x78];

fn profile(extra: &str) -> Arc<Profile> {
    let (line, tables) = extra.split_once('\n').unwrap_or((extra, ""));
    Arc::new(sample(line, tables).expect("a profile"))
}

/// The answer, and the requests.
fn ask(profile: Arc<Profile>, repeats: u8, meter: impl FnMut(&Frame) -> Option<Frame>) -> (Answer, Vec<Frame>) {
    let timing = Timing { baud: 2400, extra: Duration::ZERO, repeats };
    let target = Reach { address: Address::Cjt188(NUMBER), timing };
    talk(&mut Dialogue::new(&target, &Choice::Named(profile), Action::ReadNow), meter)
}

fn reading(answer: Answer) -> Reading {
    let Answer::Reading(reading) = answer else { unreachable!("{answer:?}") };
    reading
}

fn heat(clock: Option<CivilTime>) -> Heat {
    let shown = |digits, unit| Shown { digits: Some(digits), unit };
    Heat {
        settled: shown(0, UnitCode::KWh),
        energy: shown(1234, UnitCode::KWh),
        power: shown(0, UnitCode::KW),
        flow: shown(0, UnitCode::M3PerHour),
        volume: shown(1983, UnitCode::M3),
        supply_temp: Some(6514),
        return_temp: Some(4115),
        hours: Some(28),
        clock,
        status: Status([0, 0]),
    }
}

#[test]
fn a_named_layout_is_read_without_a_clock_and_in_no_other_layout() {
    for layout in [Layout::A, Layout::B, Layout::C, Layout::E] {
        let named = profile(&format!("layout = \"{}\"", layout.name()));
        let mut meter = Slave { layout, ..Slave::new(NUMBER, 0x20, Counts::Heat(heat(None))) };
        let read = reading(ask(Arc::clone(&named), 0, |request| meter.answer(request)).0);
        assert_eq!(read.value(Quantity::Energy), Some(44_424_000), "{layout:?}");
    }
    let mut meter = Slave { layout: Layout::B, ..Slave::new(NUMBER, 0x20, Counts::Heat(heat(None))) };
    let (answer, _) = ask(profile("layout = \"A\""), 0, |request| meter.answer(request));
    assert!(matches!(answer, Answer::Refused(refusal) if refusal.text.contains("layout A")));
}

#[test]
fn a_named_order_is_the_only_one_asked_in() {
    for (extra, di) in [("di_order = \"high_first\"", [0x90, 0x1F]), ("di_order = \"low_first\"", [0x1F, 0x90])] {
        let (_, said) = ask(profile(extra), 3, |_| None);
        assert!(said.len() == 4 && said.iter().all(|frame| frame.data.starts_with(&di)), "{said:?}");
    }
}

#[test]
fn a_meter_with_its_address_turned_round_is_asked_and_told_as_people_write_it() {
    let turned = profile("address_high_first = true");
    let mut wire = NUMBER;
    wire.reverse();
    let clock = CivilTime { year: 2026, month: 11, day: 12, hour: 13, minute: 14, second: 15 };
    let mut meter = Slave::new(wire, 0x20, Counts::Heat(heat(Some(clock))));
    assert_eq!(reading(ask(turned, 0, |request| meter.answer(request)).0).identity, "11110012345678");
}

#[test]
fn a_makers_binary_layout_is_read_by_the_slots_a_profile_names() {
    let slots = "layout = \"D\"\n[[slot]]\nfield = \"energy\"\ncoding = \"unsigned\"\nunit = \"kWh\"\n\
                 [[slot]]\nfield = \"supply_temp\"\ncoding = \"unsigned\"\n";
    let mut body = heat(None).encode();
    body.splice(5..10, [0xFF, 0x00, 0x01, 0x00, 0x99]);
    body.splice(25..28, [0x86, 0x0A, 0x00]);
    let named = ask(profile(slots), 0, |request| reply::answer(request, NUMBER, &body)).0;
    let read = reading(named);
    // 65791 hundredths of a kWh, 2694 hundredths of a degree.
    assert_eq!(read.value(Quantity::Energy), Some(2_368_476_000));
    assert_eq!(read.value(Quantity::SupplyTemp), Some(26_940));
    assert_eq!((read.measurements.len(), read.meter_time), (2, None));
}

#[test]
fn ambiguous_answers_without_end_are_left_with_the_reason() {
    let bytes = body::write(&heat(None), Layout::A).expect("not D");
    let (answer, said) = ask(profile(""), 2, |request| reply::answer(request, NUMBER, &bytes));
    assert!(matches!(answer, Answer::Refused(refusal) if refusal.text.contains("ambiguous")));
    assert_eq!(said.len(), 3);
    let timing = Timing { baud: 2400, extra: Duration::ZERO, repeats: 2 };
    let target = Reach { address: Address::Cjt188(NUMBER), timing };
    let mut dialogue = Dialogue::new(&target, &Choice::Named(profile("")), Action::ReadNow);
    let request = Frame { meter_type: 0x20, address: NUMBER, control: control::READ, data: vec![0x1F, 0x90, 0] };
    let answer = reply::answer(&request, NUMBER, &bytes).expect("a request").encode();
    for heard in 0..1000 {
        match dialogue.poll() {
            Step::Send(_) => {}
            Step::Await(_) => dialogue.handle_bytes(&answer),
            Step::Done(answer) => {
                assert!(matches!(answer, Answer::Refused(_)), "{answer:?}");
                return assert!(heard < 200);
            }
        }
    }
    unreachable!("the dialogue does not end");
}
