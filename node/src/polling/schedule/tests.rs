//! The schedule driven through simulated time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use protocol::exchange::LineFault;
use protocol::meter::{Address, LineId, MeterId};
use raft_store::state::UnixMillis;
use raft_store::state::plant::calendar::Calendar;
use raft_store::state::registry::{Meter, Schedule as Interval};

use super::*;
use crate::timetable::{Slot, Timetable, Zone};

const START: u64 = 1_700_000_000_123;

fn rules() -> Rules {
    Rules { spread_percent: 10, ..Rules::from(&config::Polling::default()) }
}

/// 2023-11-14T23:58:00Z: two minutes later it is midnight, and [`heated`].
const EVE: u64 = 1_700_006_280_000;
const MIDNIGHT: u64 = EVE + 120_000;

fn heated() -> Calendar {
    let day = |text: &str| text.parse().unwrap();
    Calendar { yearly: Some((day("11-15"), day("03-15"))), ..Calendar::default() }
}

fn table(schedule: &str) -> Arc<Timetable> {
    Arc::new(Timetable::new(&schedule.parse().unwrap(), &heated(), &Zone::utc()))
}

fn charge(id: u64, table: &Arc<Timetable>) -> Charge {
    let meter = Meter {
        id: MeterId(id),
        name: format!("m{id}"),
        line: LineId(1),
        address: Address::MbusPrimary(1),
        profile: None,
        schedule: Interval { interval_s: 1, offset_s: 0 },
        enabled: true,
    };
    Charge { meter, table: Arc::clone(table), since: UnixMillis(0), identity: None }
}

/// Nothing is spread.
fn at_once() -> Rules {
    Rules { spread_percent: 0, ..rules() }
}

fn meter(id: u64, interval_s: u32, offset_s: u32) -> Charge {
    charge(id, &table(&format!("every {interval_s}s offset {offset_s}s")))
}

fn fresh(rules: Rules, meters: &[Charge], now: u64) -> Schedule {
    let mut schedule = Schedule::new(LineId(1), rules);
    assert_eq!(schedule.set_meters(meters, UnixMillis(now)), []);
    schedule
}

/// What is to be read now.
fn polled(schedule: &Schedule, now: u64) -> Due {
    match schedule.next(UnixMillis(now)) {
        Next::Poll(due) => due,
        other => panic!("nothing is due: {other:?}"),
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Nature {
    Alive,
    Dead,
    Noisy,
    Grumpy,
    Flaky,
}

/// What a simulated meter answers, and how long that takes, ms.
fn answer(nature: Nature, tries: u64) -> (Verdict, u64) {
    match nature {
        Nature::Alive => (Verdict::Read, 150),
        Nature::Dead => (Verdict::Lost(LineFault::Silent), 900),
        Nature::Noisy => (Verdict::Lost(LineFault::BadChecksum), 300),
        Nature::Grumpy => (Verdict::Refused("8: busy".to_owned()), 120),
        Nature::Flaky if tries.is_multiple_of(3) => (Verdict::Setback("reset".to_owned()), 20),
        Nature::Flaky if tries.is_multiple_of(2) => (Verdict::Read, 150),
        Nature::Flaky => (Verdict::Lost(LineFault::Silent), 900),
    }
}

/// A line with simulated meters, and what became of each slot.
struct Line {
    schedule: Schedule,
    meters: Vec<Charge>,
    natures: BTreeMap<MeterId, Nature>,
    begun: u64,
    now: u64,
    tries: u64,
    ends: BTreeMap<(MeterId, u64), Vec<String>>,
    /// How long after its slot began each reading came.
    delays: BTreeMap<(MeterId, u64), u64>,
    /// Time spent on meters known as silent.
    on_silent: u64,
}

impl Line {
    fn new(meters: Vec<(Charge, Nature)>) -> Self {
        Self::at(START, rules(), meters)
    }

    fn at(begun: u64, rules: Rules, meters: Vec<(Charge, Nature)>) -> Self {
        let natures = meters.iter().map(|(charge, nature)| (charge.meter.id, *nature)).collect();
        let meters: Vec<_> = meters.into_iter().map(|(charge, _)| charge).collect();
        let schedule = fresh(rules, &meters, begun);
        let (ends, delays) = (BTreeMap::new(), BTreeMap::new());
        Self { schedule, meters, natures, begun, now: begun, tries: 0, ends, delays, on_silent: 0 }
    }

    fn close(&mut self) {
        for miss in self.schedule.close(UnixMillis(self.now)) {
            self.ends.entry((miss.meter, miss.slot.0)).or_default().push(miss.reason.to_owned());
        }
    }

    fn run_until(&mut self, end: u64) {
        while self.now < end {
            self.close();
            match self.schedule.next(UnixMillis(self.now)) {
                Next::Poll(due) => self.poll(due),
                Next::Wait(Some(at)) => {
                    assert!(at.0 > self.now, "the schedule waits for a moment that has passed");
                    self.now = at.0;
                }
                Next::Wait(None) => self.now = end,
            }
        }
        self.close();
    }

    fn poll(&mut self, due: Due) {
        assert!(self.now < due.until.0, "meter {} is asked after its slot's end", due.meter);
        self.tries += 1;
        let silent = self.schedule.plans[&due.meter].is_silent(&self.schedule.rules);
        let (verdict, spent) = answer(self.natures[&due.meter], self.tries);
        self.now += spent;
        self.on_silent += if silent { spent } else { 0 };
        if verdict == Verdict::Read {
            self.ends.entry((due.meter, due.slot.0)).or_default().push("read".to_owned());
            self.delays.insert((due.meter, due.slot.0), self.now - due.slot.0);
        }
        self.schedule.ended(due, verdict, Duration::from_millis(spent), UnixMillis(self.now));
    }

    /// Every slot of `charge` that ended, with what became of it.
    fn slots(&self, charge: &Charge) -> Vec<(u64, Vec<String>)> {
        let open = charge.table.at(self.begun).map_or(self.begun, |slot| slot.begin);
        let ended = charge.table.between(open, self.now).filter(|slot| slot.end <= self.now);
        ended
            .map(|Slot { begin, .. }| (begin, self.ends.get(&(charge.meter.id, begin)).cloned().unwrap_or_default()))
            .collect()
    }
}

fn natures() -> impl Strategy<Value = Nature> {
    use Nature::{Alive, Dead, Flaky, Grumpy, Noisy};
    prop_oneof![4 => Just(Alive), 2 => Just(Dead), 1 => Just(Noisy), 1 => Just(Grumpy), 1 => Just(Flaky)]
}

const UNIONS: [&str; 7] = [
    "every 20s; cron */3 * * * *",
    "every 90s in season",
    "every 45s off season",
    "every 10s off season; every 1m in season; daily 00:00",
    "cron */2 * * * *; monthly 15 00:01 priority high",
    "daily 23:59; daily 00:00 within 1m",
    "monthly 15 00:00; cron 5-9 0 * * *",
];

proptest! {
    #[test]
    fn every_slot_ends_exactly_once_as_read_or_missed(
        meters in prop::collection::vec((1_u32..40, 0_u32..40, natures()), 1..30),
        seconds in 1_u64..600,
    ) {
        let numbered = meters.into_iter().zip(1..);
        let mut line = Line::new(numbered.map(|((interval, offset, nature), id)| {
            (meter(id, interval, offset % interval), nature)
        }).collect());
        line.run_until(START + seconds * 1_000);
        for charge in &line.meters {
            for (slot, ends) in line.slots(charge) {
                prop_assert_eq!(ends.len(), 1, "meter {} slot {}: {:?}", charge.meter.id, slot, ends);
            }
        }
    }

    #[test]
    fn silent_meters_together_stay_within_their_share_and_one_exchange(
        dead in 1_u64..60, live in 0_u64..10, interval in 5_u32..60,
    ) {
        let all = (1..=dead).map(|id| (meter(id, interval, 0), Nature::Dead))
            .chain((dead + 1..=dead + live).map(|id| (meter(id, interval, 0), Nature::Alive)));
        let mut line = Line::new(all.collect());
        line.run_until(START + 3_600_000);
        let elapsed = line.now - START;
        prop_assert!(line.on_silent * 100 <= elapsed * 20 + 900 * 100, "{} of {elapsed} ms", line.on_silent);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn so_does_every_slot_of_a_union_and_of_a_season_and_no_other(
        meters in prop::collection::vec((prop::sample::select(&UNIONS[..]), natures()), 1..12),
        seconds in 1_u64..1_200,
    ) {
        let numbered = meters.into_iter().zip(1..);
        let meters = numbered.map(|((schedule, nature), id)| (charge(id, &table(schedule)), nature));
        let mut line = Line::at(EVE, rules(), meters.collect());
        line.run_until(EVE + seconds * 1_000);
        let mut told = 0;
        for charge in &line.meters {
            for (slot, ends) in line.slots(charge) {
                prop_assert_eq!(ends.len(), 1, "meter {} slot {}: {:?}", charge.meter.id, slot, ends);
                told += 1;
            }
        }
        let open = |slot: &&(MeterId, u64)| line.schedule.plans[&slot.0].begin() == slot.1;
        prop_assert_eq!(line.ends.len(), told + line.ends.keys().filter(open).count());
    }
}

#[test]
fn live_meters_once_known_wait_for_at_most_one_exchange_of_a_silent_one() {
    let dead = (1..=40).map(|id| (meter(id, 10, 0), Nature::Dead));
    let live = (41..=45).map(|id| (meter(id, 10, 0), Nature::Alive));
    let mut line = Line::new(dead.chain(live).collect());
    line.run_until(START + 1_800_000);
    let live: Vec<_> = line.meters.iter().filter(|charge| charge.meter.id.0 > 40).cloned().collect();
    for meter in &live {
        // Every meter has to be asked once before anyone can know who is silent.
        let known = line.slots(meter).into_iter().filter(|(slot, _)| *slot > START + 60_000);
        known.for_each(|(slot, ends)| assert_eq!(ends, ["read"], "meter {} slot {slot}", meter.meter.id));
    }
    let late = line.delays.iter().filter(|((_, slot), _)| *slot > START + 60_000);
    let worst = late.map(|(_, delay)| *delay).max().unwrap_or(u64::MAX);
    // The spread of 10 %, one exchange, and the live ones themselves.
    assert!(worst <= 1_000 + 900 + 5 * 150, "a live meter waited {worst} ms");
}

#[test]
fn a_silent_meter_is_probed_with_growing_pauses_and_found_when_it_answers_again() {
    let mut line = Line::new(vec![(meter(1, 10, 0), Nature::Dead)]);
    line.run_until(START + 1_000_000);
    let probed: Vec<_> = line.slots(&line.meters[0]).iter().map(|(_, ends)| ends[0] == "no-answer").collect();
    let at: Vec<_> = probed.iter().enumerate().filter(|(_, probed)| **probed).map(|(n, _)| n).collect();
    assert_eq!(at, [0, 1, 2, 4, 8, 16, 32, 48, 64, 80, 96]);
    line.natures.insert(MeterId(1), Nature::Alive);
    line.run_until(START + 1_400_000);
    let last = line.slots(&line.meters[0]).pop().expect("slots ended");
    assert_eq!(last.1, ["read"]);
}

#[test]
fn a_retry_goes_behind_meters_not_tried_yet() {
    let mut schedule = fresh(at_once(), &[meter(1, 900, 0), meter(2, 900, 0)], START);
    let first = polled(&schedule, START);
    assert_eq!((first.meter, first.attempt), (MeterId(1), 1));
    let lost = Verdict::Lost(LineFault::BadChecksum);
    schedule.ended(first, lost, Duration::from_millis(300), UnixMillis(START + 300));
    let second = polled(&schedule, START + 300);
    assert_eq!((second.meter, second.attempt), (MeterId(2), 1));
    schedule.ended(second, Verdict::Read, Duration::from_millis(300), UnixMillis(START + 600));
    let third = polled(&schedule, START + 600);
    assert_eq!((third.meter, third.slot, third.attempt), (MeterId(1), first.slot, 2));
}

#[test]
fn a_read_for_which_the_slot_s_end_came_first_is_not_offered_again_in_it() {
    for (asked, missed) in [(false, ("no-time", "", 0)), (true, ("no-time", "the slot ended between two questions", 1))]
    {
        let mut schedule = fresh(at_once(), &[meter(1, 10, 0)], START);
        let due = polled(&schedule, START);
        let now = UnixMillis(due.until.0 - 3);
        schedule.ended(due, Verdict::TooLate { asked }, Duration::from_millis(1), now);
        assert_eq!(schedule.next(now), Next::Wait(Some(due.until)));
        let [miss] = &schedule.close(due.until)[..] else { panic!("one slot ended") };
        assert_eq!((miss.reason, miss.detail.as_str(), miss.attempts), missed);
        assert_eq!(polled(&schedule, due.until.0).slot, due.until, "the next slot is offered");
    }
}

#[test]
fn what_an_earlier_attempt_heard_is_the_reason_also_where_a_later_one_was_cut_short() {
    let mut schedule = fresh(at_once(), &[meter(1, 10, 0)], START);
    let first = polled(&schedule, START);
    schedule.ended(first, Verdict::Lost(LineFault::BadChecksum), Duration::from_millis(300), UnixMillis(START + 300));
    let second = polled(&schedule, START + 300);
    schedule.ended(second, Verdict::TooLate { asked: true }, Duration::from_millis(1), UnixMillis(second.until.0 - 3));
    let misses = schedule.close(second.until);
    assert_eq!(misses.iter().map(|miss| (miss.reason, miss.attempts)).collect::<Vec<_>>(), [("bad-checksum", 2)]);
}

#[test]
fn slots_that_passed_while_the_line_was_hindered_say_so() {
    let mut schedule = fresh(rules(), &[meter(1, 10, 0)], START);
    schedule.hinder(Some(("no-lease", String::new())));
    let reasons: Vec<_> = schedule.close(UnixMillis(START + 30_000)).into_iter().map(|miss| miss.reason).collect();
    assert_eq!(reasons, ["no-lease"; 3]);
    schedule.hinder(None);
    let reasons: Vec<_> = schedule.close(UnixMillis(START + 40_000)).into_iter().map(|miss| miss.reason).collect();
    assert_eq!(reasons, ["no-time"]);
}

#[test]
fn a_meter_that_is_disabled_or_rescheduled_gives_its_open_slot_up_and_a_removed_one_does_not() {
    let (mut first, mut second) = (meter(1, 900, 0), meter(2, 900, 0));
    let mut schedule = fresh(rules(), &[first.clone(), second.clone(), meter(3, 900, 0)], START);
    first.meter.enabled = false;
    second.table = table("every 1m offset 7s");
    let misses = schedule.set_meters(&[first, second], UnixMillis(START + 1_000));
    let told: Vec<_> = misses.iter().map(|miss| (miss.meter.0, miss.reason)).collect();
    assert_eq!(told, [(1, "disabled"), (2, "rescheduled")]);
}

#[test]
fn a_meter_that_waits_for_its_season_has_no_slot_to_give_up() {
    let waiting = charge(1, &table("every 15m in season"));
    let mut schedule = fresh(at_once(), &[waiting.clone(), charge(2, &waiting.table)], EVE);
    assert_eq!(schedule.next(UnixMillis(EVE)), Next::Wait(Some(UnixMillis(MIDNIGHT))));
    assert_eq!(schedule.close(UnixMillis(EVE + 119_999)), []);
    let moved = Charge { table: table("every 1m"), ..waiting };
    assert_eq!(schedule.set_meters(&[moved], UnixMillis(EVE + 10)), []);
    assert_eq!(polled(&schedule, EVE + 10).slot.0, EVE, "what it is told to do instead begins at once");
}

#[test]
fn a_schedule_that_names_no_moment_any_more_is_waited_for_without_end() {
    let never = Calendar { yearly: None, seasons: BTreeMap::new(), ..heated() };
    let never = Timetable::new(&"every 15m off season".parse().unwrap(), &never, &Zone::utc());
    let mut schedule = fresh(rules(), &[charge(1, &Arc::new(never))], START);
    assert_eq!((schedule.next(UnixMillis(START)), schedule.close(UnixMillis(START * 2))), (Next::Wait(None), vec![]));
}

#[test]
fn a_slot_that_began_before_the_meter_s_duty_is_not_asked_for() {
    let since = UnixMillis(EVE + 1_000);
    let meter = Charge { since, ..charge(1, &table("every 1m")) };
    let mut schedule = fresh(at_once(), &[meter], EVE + 2_000);
    assert_eq!(schedule.next(UnixMillis(EVE + 2_000)), Next::Wait(Some(UnixMillis(EVE + 60_000))));
    assert_eq!(schedule.close(UnixMillis(EVE + 60_000)), []);
    assert_eq!(polled(&schedule, EVE + 60_000).slot.0, EVE + 60_000);
}

#[test]
fn a_clock_set_back_opens_no_slot_again() {
    let mut schedule = fresh(at_once(), &[meter(1, 10, 0)], START);
    let due = polled(&schedule, START);
    schedule.ended(due, Verdict::Read, Duration::from_millis(100), UnixMillis(START + 100));
    assert_eq!(schedule.close(UnixMillis(START + 10_000)), []);
    let earlier = UnixMillis(START - 60_000);
    assert_eq!(schedule.close(earlier), []);
    assert_eq!(schedule.next(earlier), Next::Wait(Some(UnixMillis(due.slot.0 + 10_000))));
    // Nor by another timetable.
    assert_eq!(schedule.set_meters(&[meter(1, 5, 0)], earlier), []);
    assert_eq!(schedule.next(earlier), Next::Wait(Some(UnixMillis(due.slot.0 + 10_000))));
}

#[test]
fn the_higher_priority_goes_first_among_equals_and_never_before_a_live_meter_if_it_is_silent() {
    let names = ["every 1h priority low", "every 1h", "every 1h priority high"];
    let meters: Vec<_> = names.iter().zip(1..).map(|(name, id)| charge(id, &table(name))).collect();
    let mut schedule = fresh(at_once(), &meters, START);
    let order = |schedule: &mut Schedule, begin: u64| {
        let at = |n: u64| UnixMillis(begin + n * 1_000);
        let read = |n: u64| {
            let due = polled(schedule, at(n).0);
            schedule.ended(due, Verdict::Read, Duration::from_millis(100), at(n));
            due.meter.0
        };
        (0..3).map(read).collect::<Vec<_>>()
    };
    assert_eq!(order(&mut schedule, START), [3, 2, 1]);
    let silent = Rules { silent_after: 1, silent_probe_slots: 1, silent_share_percent: 100, ..at_once() };
    let mut schedule = fresh(silent, &meters, START);
    let lost = polled(&schedule, START);
    assert_eq!(lost.meter, MeterId(3));
    for _ in 0..3 {
        let due = Due { attempt: 1, ..lost };
        schedule.ended(due, Verdict::Lost(LineFault::Silent), Duration::from_millis(900), UnixMillis(START));
    }
    schedule.close(lost.until);
    assert_eq!(order(&mut schedule, lost.until.0), [2, 1, 3]);
}

#[test]
fn a_meter_under_which_the_line_fails_keeps_no_other_from_being_read() {
    let meters = [charge(1, &table("every 1h priority high")), charge(2, &table("every 1h priority low"))];
    let mut schedule = fresh(at_once(), &meters, START);
    let due = polled(&schedule, START);
    assert_eq!(due.meter, MeterId(1));
    schedule.ended(due, Verdict::Setback("reset".to_owned()), Duration::ZERO, UnixMillis(START));
    assert_eq!(polled(&schedule, START).meter, MeterId(2));
}

#[test]
fn a_freeze_is_read_within_seconds_where_a_line_has_few_meters_and_as_fast_as_the_line_can_where_many() {
    for (meters, most) in [(1, 10_000 + 150), (250, 10_000 + 250 * 150)] {
        let freeze = table("daily 00:00; monthly 15 00:00 within 4h");
        let all = (1..=meters).map(|id| (charge(id, &freeze), Nature::Alive));
        let mut line = Line::at(EVE, Rules::from(&config::Polling::default()), all.collect());
        line.run_until(MIDNIGHT + 3_600_000);
        let delays: Vec<_> = line.delays.iter().filter(|((_, slot), _)| *slot == MIDNIGHT).map(|(_, ms)| *ms).collect();
        assert_eq!(delays.len() as u64, meters);
        let worst = delays.into_iter().max().unwrap();
        assert!(worst <= most, "{meters} meters: the last is read after {worst} ms");
    }
}

#[test]
fn a_silent_meter_is_asked_at_every_freeze_whatever_its_back_off() {
    let union = table("every 1m; daily 00:00");
    let mut line = Line::at(EVE - 86_400_000 * 3, rules(), vec![(charge(1, &union), Nature::Dead)]);
    line.run_until(MIDNIGHT + 3_600_000);
    let midnights = line.slots(&line.meters[0]).into_iter().filter(|(slot, _)| slot % 86_400_000 == 0);
    let told: Vec<_> = midnights.map(|(_, ends)| ends[0].clone()).collect();
    assert_eq!(told, ["no-answer"; 4]);
}

/// What a read takes at 2400 bit/s, ms.
const READ_MS: u64 = 700;

#[test]
fn every_slot_of_250_meters_at_2400_bit_s_is_met_every_15_minutes() {
    let quarter = table("every 15m");
    let meters: Vec<_> = (1..=250).map(|id| charge(id, &quarter)).collect();
    let begun = EVE - EVE % 3_600_000;
    let mut schedule = fresh(Rules::from(&config::Polling::default()), &meters, begun);
    let (mut now, mut read) = (begun, 0);
    while now < begun + 3_600_000 {
        assert_eq!(schedule.close(UnixMillis(now)), []);
        match schedule.next(UnixMillis(now)) {
            Next::Poll(due) => {
                now += READ_MS;
                assert!(now < due.until.0);
                read += 1;
                schedule.ended(due, Verdict::Read, Duration::from_millis(READ_MS), UnixMillis(now));
            }
            Next::Wait(at) => now = at.unwrap().0,
        }
    }
    assert_eq!(read, 4 * 250);
}

#[test]
fn of_a_thousand_lines_no_more_than_a_few_begin_in_the_same_second() {
    let quarter = table("every 15m");
    let rules = Rules::from(&config::Polling::default());
    for count in [1, 20, 250] {
        let meters: Vec<_> = (1..=count).map(|id| charge(id, &quarter)).collect();
        let mut starts = BTreeMap::<u64, u32>::new();
        for line in 1..=1_000 {
            let mut schedule = Schedule::new(LineId(line), rules.clone());
            schedule.set_meters(&meters, UnixMillis(START));
            schedule.close(UnixMillis(START + 900_000));
            let begin = START + 900_000 - (START + 900_000) % 900_000;
            let Next::Wait(Some(first)) = schedule.next(UnixMillis(begin - 1)) else { panic!("line {line}") };
            *starts.entry((first.0 - begin) / 1_000).or_default() += 1;
        }
        let most = starts.values().max().copied().unwrap_or(u32::MAX);
        // Over five seconds at least: half of `polling.spread_max`.
        assert!(most <= 250, "lines of {count} meters: {starts:?}");
    }
}

#[test]
fn while_the_spool_fills_up_each_meter_is_read_in_one_of_n_slots_and_what_freezes_always() {
    let every_minute = (0..6).map(|id| (charge(id, &table("every 1m")), Nature::Alive));
    let daily = (charge(6, &table("daily 00:00")), Nature::Alive);
    let mut line = Line::at(EVE, at_once(), every_minute.chain([daily]).collect());
    line.schedule.press(Some(Thrift { every: 3, percent: 90 }));
    line.run_until(EVE + 13 * 60_000);
    for id in 0..6 {
        let ends: Vec<_> = line.ends.iter().filter(|((meter, _), _)| meter.0 == id).map(|(_, end)| &end[0]).collect();
        let expected = (id..).take(ends.len()).map(|turn| if turn % 3 == 0 { "read" } else { PASSED_OVER });
        assert_eq!(ends, expected.collect::<Vec<_>>(), "meter {id}");
        assert!(ends.len() >= 12);
    }
    assert!(line.delays.contains_key(&(MeterId(6), MIDNIGHT)), "a freeze is not passed over");
    line.schedule.press(None);
    let due = line.now;
    line.run_until(due + 3 * 60_000);
    let late = line.ends.iter().filter(|((_, slot), _)| *slot > due && *slot < due + 2 * 60_000);
    assert!(late.clone().count() > 0 && late.into_iter().all(|(_, end)| end[0] != PASSED_OVER));
}
