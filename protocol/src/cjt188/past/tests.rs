//! A meter in memory is asked for its past.

use std::sync::Arc;
use std::time::Duration;

use super::super::digits::Shown;
use super::super::frame::Scanner;
use super::super::profile::sample;
use super::super::slave::{Counts, Slave};
use super::super::testing::{heat, shown, talk};
use super::super::unit::UnitCode;
use super::*;
use crate::meter::{Address, Quality};

const NUMBER: [u8; 7] = [0x11, 0x11, 0x00, 0x12, 0x34, 0x56, 0x78];
const CLOCK: CivilTime = CivilTime { year: 2026, month: 11, day: 26, hour: 13, minute: 14, second: 15 };
const MONTHS: &str = "[months]\nsettles = \"begins\"\nfirst = \"latest\"\n";

fn settlement(month: u8, day: u8) -> CivilTime {
    CivilTime { month, day, hour: 0, minute: 0, second: 0, ..CLOCK }
}

/// A heat meter that settles on the fifth: 3.00, 2.00 and 1.00 kWh at the last three.
fn meter() -> Slave {
    let months = [300, 200, 100].map(|digits| Total(shown(digits, UnitCode::KWh))).to_vec();
    Slave { months, settlement_day: Some(5), ..Slave::new(NUMBER, 0x20, Counts::Heat(heat(300, 400, CLOCK))) }
}

/// How it ends, and what was asked.
fn ask(meter: &mut Slave, tables: &str, wanted: CivilTime) -> (Answer, Vec<u16>) {
    let profile = sample("", tables).expect("a profile");
    let timing = Timing { baud: 2400, extra: Duration::ZERO, repeats: 1 };
    let target = Reach { address: Address::Cjt188(NUMBER), timing };
    let mut dialogue = Dialogue::new(&target, &Choice::Named(Arc::new(profile)), wanted);
    let (answer, said) = talk(&mut dialogue, |request| meter.answer(request));
    let code = |request: &Frame| identifier::resolve(*request.data.first_chunk().expect("an identifier")).0;
    (answer, said.iter().map(code).collect())
}

fn frames(raw: &[u8]) -> usize {
    let mut scanner = Scanner::new();
    scanner.push(raw);
    std::iter::from_fn(|| scanner.next()).filter(Result::is_ok).count()
}

fn words(answer: Answer) -> String {
    match answer {
        Answer::Refused(refusal) => refusal.text,
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn a_total_comes_from_the_month_that_settled_at_the_moment_in_every_layout() {
    for layout in [Layout::A, Layout::B, Layout::C, Layout::E] {
        for (month, kwh, code) in [(11, 3, 0xD120), (10, 2, 0xD121), (9, 1, 0xD122)] {
            let wanted = settlement(month, 5);
            let (answer, asked) = ask(&mut Slave { layout, ..meter() }, MONTHS, wanted);
            let Answer::Reading(reading) = answer else { unreachable!("{layout:?} {answer:?}") };
            let [Frozen { at, measurements, quality }] = reading.history.as_slice() else { unreachable!("one") };
            let value = measurements.iter().map(|m| (m.quantity, m.value)).collect::<Vec<_>>();
            assert_eq!((*at, value, *quality), (wanted, vec![(Quantity::Energy, kwh * 3_600_000)], Quality(0)));
            assert_eq!((reading.value(Quantity::Energy), reading.meter_time), (Some(4 * 3_600_000), Some(CLOCK)));
            assert_eq!(asked, [di::CURRENT, di::SETTLEMENT_DAY, code], "{layout:?}");
            assert_eq!(frames(&reading.raw), 3, "every answer is kept");
        }
    }
}

#[test]
fn a_day_that_the_profile_names_is_not_asked_for() {
    let (answer, asked) = ask(&mut meter(), &format!("{MONTHS}day = 5\n"), settlement(10, 5));
    assert!(matches!(answer, Answer::Reading(reading) if reading.history.len() == 1));
    assert_eq!(asked, [di::CURRENT, 0xD121]);
}

#[test]
fn a_moment_that_no_month_holds_is_not_asked_for() {
    let (answer, asked) = ask(&mut meter(), MONTHS, settlement(11, 6));
    assert!(words(answer).contains("none of its months"));
    assert_eq!(asked, [di::CURRENT, di::SETTLEMENT_DAY]);
}

#[test]
fn a_model_whose_profile_says_nothing_of_months_is_not_spoken_to() {
    let (answer, asked) = ask(&mut meter(), "", settlement(11, 5));
    assert!(words(answer).contains("add [months]"));
    assert!(asked.is_empty(), "{asked:?}");
}

#[test]
fn what_the_meter_refuses_or_marks_as_invalid_is_no_total() {
    let (answer, _) = ask(&mut meter(), MONTHS, settlement(8, 5));
    assert!(words(answer).contains("meter refuses"), "it keeps three");
    let mut lost = meter();
    lost.months = vec![Total(Shown { digits: None, unit: UnitCode::KWh })];
    assert!(words(ask(&mut lost, MONTHS, settlement(11, 5)).0).contains("invalid"));
    let mut dateless = meter();
    if let Counts::Heat(heat) = &mut dateless.counts {
        heat.clock = None;
    }
    dateless.layout = Layout::B;
    assert!(words(ask(&mut dateless, MONTHS, settlement(11, 5)).0).contains("no date"));
}

#[test]
fn a_total_above_what_the_meter_shows_is_not_of_its_past() {
    let mut other = meter();
    other.months = vec![Total(shown(401, UnitCode::KWh))];
    assert!(words(ask(&mut other, MONTHS, settlement(11, 5)).0).contains("above what it shows"));
    other.months = vec![Total(shown(400, UnitCode::KWh))];
    assert!(matches!(ask(&mut other, MONTHS, settlement(11, 5)).0, Answer::Reading(_)));
}

#[test]
fn cold_is_cold_and_a_total_of_a_meter_of_both_is_of_nobody_knows_what() {
    let of = |meter_type| ask(&mut Slave { meter_type, ..meter() }, MONTHS, settlement(11, 5)).0;
    assert!(words(of(0x22)).contains("heat or of cold"));
    let Answer::Reading(reading) = of(0x21) else { unreachable!("it is read") };
    let of_cold = |frozen: &Frozen| frozen.measurements.iter().all(|m| m.quantity == Quantity::CoolingEnergy);
    assert!(reading.history.iter().all(of_cold));
}
