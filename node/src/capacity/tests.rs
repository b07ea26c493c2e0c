#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use protocol::meter::{Address, LineId, MeterId};
use raft_store::state::State;
use raft_store::state::membership::Labels;
use raft_store::state::plant::calendar::Calendar;
use raft_store::state::registry::{Endpoint, Line, LineSpec, Meter, Parity, Registry, Schedule};

use super::load::Kind;
use super::*;
use crate::timetable::Zone;

/// 2023-11-14T23:58:00Z.
const NOW: u64 = 1_700_006_280_000;
/// Nothing is kept free.
const ALL: Shares = Shares { silent: 0, commands: 0 };

fn spec(baud: u32) -> LineSpec {
    LineSpec {
        name: "L".to_owned(),
        endpoint: Endpoint::Serial { path: "/dev/ttyS0".to_owned() },
        baud,
        parity: Parity::Even,
        extra_answer_ms: 0,
        repeats: 2,
        requires: Labels::new(),
    }
}

fn table(schedule: &str) -> Arc<Timetable> {
    let day = |text: &str| text.parse().unwrap();
    let calendar = Calendar { yearly: Some((day("11-15"), day("03-15"))), ..Calendar::default() };
    Arc::new(Timetable::new(&schedule.parse().unwrap(), &calendar, &Zone::utc()))
}

fn groups(asked: &[(&str, u32)]) -> Vec<Group> {
    let group =
        |(schedule, meters): &(&str, u32)| Group { table: table(schedule), ask: Ask::MbusPrimary, meters: *meters };
    asked.iter().map(group).collect()
}

/// One read takes 1 s at this speed.
fn slow() -> LineSpec {
    let baud = (1_000..3_000).find(|baud| Ask::MbusPrimary.read_ms(&spec(*baud)) == 1_000);
    spec(baud.unwrap())
}

fn rated(asked: &[(&str, u32)], shares: Shares) -> Load {
    load(&slow(), &groups(asked), |ask| ask.read_ms(&slow()), shares, &mut Spans::default(), NOW).unwrap()
}

#[test]
fn a_read_at_2400_bit_s_takes_what_physics_says() {
    let takes = |ask: Ask| ask.read_ms(&spec(2_400));
    // Of an answer of 120 bytes, and of the 62 of CJ/T 188 current data.
    assert!((590..=770).contains(&takes(Ask::MbusPrimary)), "{}", takes(Ask::MbusPrimary));
    assert!(takes(Ask::MbusSecondary) > takes(Ask::MbusPrimary));
    assert!((400..=880).contains(&takes(Ask::Cjt188)), "{}", takes(Ask::Cjt188));
    assert!(Ask::Cjt188.read_ms(&spec(9_600)) < takes(Ask::Cjt188));
    let slow = LineSpec { extra_answer_ms: 2_000, ..spec(2_400) };
    assert_eq!(Ask::Cjt188.read_ms(&slow), takes(Ask::Cjt188) + 500);
    assert!(Ask::Cjt188.read_ms(&LineSpec { parity: Parity::None, ..spec(2_400) }) < takes(Ask::Cjt188));
}

#[test]
fn one_interval_needs_its_reads_of_its_slot() {
    let load = rated(&[("every 15m", 1_152)], ALL);
    assert_eq!((load.permille, load.need_ms, load.span_ms, load.kind), (1_280, 1_152_000, 900_000, Kind::Interval));
    assert_eq!(load.what("L"), "line L needs 19 min 12 s of a slot of 15 min 00 s: 1152 reads of 1.0 s");
    assert_eq!(load.remedy(), "lengthen the interval to 20m, raise the baud rate, or move meters to another line");
    assert!(!rated(&[("every 15m", 900)], ALL).is_over());
    assert!(rated(&[("every 15m", 901)], ALL).is_over());
}

#[test]
fn what_is_kept_free_is_said_where_it_decides() {
    let load = rated(&[("every 15m", 700)], Shares { silent: 20, commands: 5 });
    assert_eq!((load.permille, load.left_ms), (1_038, 675_000));
    let said = "line L needs 11 min 40 s of the 11 min 15 s that a slot of 15 min 00 s leaves beside silent meters and \
                commands: 700 reads of 1.0 s";
    assert_eq!(load.what("L"), said);
}

#[test]
fn intervals_beside_each_other_add_up() {
    let load = rated(&[("every 15m", 450), ("every 30m offset 7m", 900), ("every 1h", 0)], ALL);
    assert_eq!(load.permille, 1_000);
}

#[test]
fn a_freeze_that_falls_on_quarters_of_an_hour_is_seen_though_each_alone_would_fit() {
    let (quarters, months) = (("every 15m", 480), ("monthly 1 00:00", 1_800));
    assert_eq!(rated(&[quarters], ALL).permille, 534);
    let month = rated(&[months], ALL);
    assert_eq!((month.permille, month.span_ms), (500, 3_600_000));
    let both = rated(&[quarters, months], ALL);
    assert_eq!((both.permille, both.span_ms, both.need_ms), (1_034, 3_600_000, (4 * 480 + 1_800) * 1_000));
    let what = both.what("L");
    assert!(what.contains("the 1 h 00 min from 2023-12-01 00:00 UTC on, when slots fall together"), "{what}");
    assert!(both.remedy().contains("other times"), "{}", both.remedy());
    // With more time for the freeze it fits.
    assert!(!rated(&[quarters, ("monthly 1 00:00 within 2h", 1_800)], ALL).is_over());
}

#[test]
fn a_freeze_gives_way_to_what_has_less_time() {
    // 10 minutes of work that has to be done in 10 minutes, beside an hour's work of 40 minutes.
    assert!(!rated(&[("every 1h", 2_400), ("daily 12:00 within 10m", 600)], ALL).is_over());
    assert!(rated(&[("every 1h", 3_001), ("daily 12:00 within 10m", 600)], ALL).is_over());
}

#[test]
fn a_union_is_as_narrow_as_its_narrowest_slot() {
    let load = rated(&[("every 1h; cron 20 7 * * *", 1_200)], ALL);
    assert_eq!((load.permille, load.span_ms), (1_000, 1_200_000), "from 7:00 to 7:20");
    let Kind::Slot(slot) = load.kind else { panic!("{load:?}") };
    assert_eq!(slot.begin % 86_400_000, 7 * 3_600_000);
    let load = rated(&[("daily 00:00; cron 0 12 * * *", 4_000)], ALL);
    assert!(load.remedy().starts_with("let its readings be on time for longer (within 90m), "), "{}", load.remedy());
}

#[test]
fn a_season_counts_although_it_is_months_away() {
    let spring = 1_685_577_600_000;
    let groups = groups(&[("every 15m in season; daily 00:00 off season within 8h", 1_000)]);
    let load = load(&slow(), &groups, |ask| ask.read_ms(&slow()), ALL, &mut Spans::default(), spring).unwrap();
    assert_eq!((load.permille, load.span_ms), (1_112, 900_000));
}

#[test]
fn many_timetables_on_one_line_add_up_as_if_all_were_asked_at_once() {
    let asked: Vec<String> = (0..10).map(|minute| format!("cron {minute} 1 * * *")).collect();
    let asked: Vec<(&str, u32)> = asked.iter().map(|schedule| (schedule.as_str(), 300)).collect();
    let load = rated(&asked, ALL);
    assert!((500..=1_000).contains(&load.permille), "{load:?}");
}

fn town(lines: u64, meters: u64) -> State {
    let mut state = State::default();
    let registry = &mut state.registry;
    for id in 1..=lines {
        let spec = LineSpec { name: format!("l{id}"), ..slow() };
        registry.lines.insert(LineId(id), Line { id: LineId(id), spec });
        for number in 0..meters {
            put(registry, quarterly(id * 1_000 + number, id));
        }
    }
    state
}

fn put(registry: &mut Registry, meter: Meter) {
    registry.addresses.insert((meter.line, meter.address), meter.id);
    registry.meters.insert(meter.id, meter);
}

fn quarterly(id: u64, line: u64) -> Meter {
    Meter {
        id: MeterId(id),
        name: format!("m{id}"),
        line: LineId(line),
        address: Address::MbusSecondary { id: u32::try_from(id).unwrap(), manufacturer: 0, version: 0, medium: 4 },
        profile: None,
        schedule: Schedule { interval_s: 900, offset_s: 0 },
        enabled: true,
    }
}

#[test]
fn the_book_follows_lines_and_meters_that_come_change_and_go() {
    let mut book = Book::new(ALL, Measured::default());
    let mut state = town(2, 400);
    book.follow(&state, NOW);
    let loads = |book: &Book| [1, 2].map(|line| book.of(LineId(line)).map(|load| load.reads));
    assert_eq!(loads(&book), [Some(400), Some(400)]);
    assert_eq!(book.over().len(), 0);
    let registry = &mut state.registry;
    for id in 1_000..1_400 {
        let meter = registry.meters.remove(&MeterId(id)).unwrap();
        registry.addresses.remove(&(meter.line, meter.address));
        put(registry, Meter { line: LineId(2), ..meter });
    }
    for id in 3_000..3_100 {
        put(registry, quarterly(id, 2));
    }
    registry.meters.get_mut(&MeterId(3_000)).unwrap().enabled = false;
    book.follow(&state, NOW);
    assert_eq!(loads(&book), [None, Some(899)]);
    assert_eq!(book.over().map(|(name, load)| (name, load.reads)).collect::<Vec<_>>(), [("l2", 899)]);
    state.registry.lines.get_mut(&LineId(2)).unwrap().spec.baud = 9_600;
    book.follow(&state, NOW);
    assert_eq!(book.over().len(), 0);
    book.follow(&State::default(), NOW);
    assert_eq!(loads(&book), [None, None]);
}

#[test]
fn what_was_measured_on_a_line_goes_before_the_estimate_and_only_news_is_told() {
    let measured = Measured::default();
    let mut book = Book::new(ALL, measured.clone());
    let state = town(2, 450);
    let mut loads = || {
        book.follow(&state, NOW);
        [1, 2].map(|line| book.of(LineId(line)).unwrap().permille)
    };
    let note = |ms| measured.note(LineId(1), Ask::MbusSecondary, Duration::from_millis(ms));
    let [estimated, other] = loads();
    assert_eq!(estimated, other);
    note(9_000);
    assert_eq!(loads(), [estimated, other], "the first may have opened the channel");
    note(3_000);
    assert_eq!(loads(), [1_500, other]);
    let (_, version) = measured.since(0);
    (0..20).for_each(|_| note(3_100));
    assert_eq!(measured.since(version), (BTreeSet::new(), version), "a few percent are no news");
    (0..60).for_each(|_| note(1_500));
    assert!((720..=850).contains(&loads()[0]), "{:?}", loads());
    measured.forget(LineId(1));
    assert_eq!(measured.read_ms(LineId(1), Ask::MbusSecondary), None);
}

/// Not a bound of the product's speed: a machine may be busy. It shows what a look costs beside the first one.
#[test]
fn a_second_look_at_many_lines_costs_next_to_nothing() {
    let mut state = town(300, 100);
    let mut book = Book::new(ALL, Measured::default());
    let took = |book: &mut Book, state: &State| {
        let begun = Instant::now();
        book.follow(state, NOW);
        begun.elapsed()
    };
    let first = took(&mut book, &state);
    let same = took(&mut book, &state);
    state.registry.meters.get_mut(&MeterId(7_000)).unwrap().enabled = false;
    let one = took(&mut book, &state);
    println!(
        "{} meters: first look {first:?}, nothing changed {same:?}, one meter {one:?}",
        state.registry.meters.len()
    );
    assert!(same * 20 < first && one * 5 < first, "{first:?}, {same:?}, {one:?}");
}
