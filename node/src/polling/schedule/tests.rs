//! The schedule driven through simulated time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use protocol::exchange::LineFault;
use protocol::meter::{Address, LineId, MeterId};
use raft_store::state::UnixMillis;
use raft_store::state::registry::{Meter, Schedule as Timetable};

use super::plan::{interval_ms, slot_at};
use super::*;

const START: u64 = 1_700_000_000_123;

fn rules() -> Rules {
    Rules { spread_percent: 10, ..Rules::from(&config::Polling::default()) }
}

fn meter(id: u64, interval_s: u32, offset_s: u32) -> Meter {
    Meter {
        id: MeterId(id),
        name: format!("m{id}"),
        line: LineId(1),
        address: Address::MbusPrimary(1),
        profile: None,
        schedule: Timetable { interval_s, offset_s },
        enabled: true,
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
    meters: Vec<Meter>,
    natures: BTreeMap<MeterId, Nature>,
    now: u64,
    tries: u64,
    ends: BTreeMap<(MeterId, u64), Vec<String>>,
    /// How long after its slot began each reading came.
    delays: BTreeMap<(MeterId, u64), u64>,
    /// Time spent on meters known as silent.
    on_silent: u64,
}

impl Line {
    fn new(meters: Vec<(Meter, Nature)>) -> Self {
        let natures = meters.iter().map(|(meter, nature)| (meter.id, *nature)).collect();
        let meters: Vec<_> = meters.into_iter().map(|(meter, _)| meter).collect();
        let mut schedule = Schedule::new(rules());
        assert_eq!(schedule.set_meters(&meters, UnixMillis(START)), []);
        let (ends, delays) = (BTreeMap::new(), BTreeMap::new());
        Self { schedule, meters, natures, now: START, tries: 0, ends, delays, on_silent: 0 }
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

    /// Every slot of `meter` that ended, with what became of it.
    fn slots(&self, meter: &Meter) -> Vec<(u64, Vec<String>)> {
        let interval = interval_ms(&meter.schedule);
        let first = slot_at(&meter.schedule, START);
        let ended = (0..).map(|n| first + n * interval).take_while(|slot| slot + interval <= self.now);
        ended.map(|slot| (slot, self.ends.get(&(meter.id, slot)).cloned().unwrap_or_default())).collect()
    }
}

fn natures() -> impl Strategy<Value = Nature> {
    use Nature::{Alive, Dead, Flaky, Grumpy, Noisy};
    prop_oneof![4 => Just(Alive), 2 => Just(Dead), 1 => Just(Noisy), 1 => Just(Grumpy), 1 => Just(Flaky)]
}

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
        for meter in &line.meters {
            for (slot, ends) in line.slots(meter) {
                prop_assert_eq!(ends.len(), 1, "meter {} slot {}: {:?}", meter.id, slot, ends);
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

#[test]
fn live_meters_once_known_wait_for_at_most_one_exchange_of_a_silent_one() {
    let dead = (1..=40).map(|id| (meter(id, 10, 0), Nature::Dead));
    let live = (41..=45).map(|id| (meter(id, 10, 0), Nature::Alive));
    let mut line = Line::new(dead.chain(live).collect());
    line.run_until(START + 1_800_000);
    let live: Vec<_> = line.meters.iter().filter(|m| m.id.0 > 40).cloned().collect();
    for meter in &live {
        // Every meter has to be asked once before anyone can know who is silent.
        let known = line.slots(meter).into_iter().filter(|(slot, _)| *slot > START + 60_000);
        known.for_each(|(slot, ends)| assert_eq!(ends, ["read"], "meter {} slot {slot}", meter.id));
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
    let mut schedule = Schedule::new(Rules { spread_percent: 0, ..rules() });
    schedule.set_meters(&[meter(1, 900, 0), meter(2, 900, 0)], UnixMillis(START));
    let Next::Poll(first) = schedule.next(UnixMillis(START)) else { panic!("nothing is due") };
    assert_eq!((first.meter, first.attempt), (MeterId(1), 1));
    let lost = Verdict::Lost(LineFault::BadChecksum);
    schedule.ended(first, lost, Duration::from_millis(300), UnixMillis(START + 300));
    let Next::Poll(second) = schedule.next(UnixMillis(START + 300)) else { panic!("nothing is due") };
    assert_eq!((second.meter, second.attempt), (MeterId(2), 1));
    schedule.ended(second, Verdict::Read, Duration::from_millis(300), UnixMillis(START + 600));
    let Next::Poll(third) = schedule.next(UnixMillis(START + 600)) else { panic!("nothing is due") };
    assert_eq!((third.meter, third.slot, third.attempt), (MeterId(1), first.slot, 2));
}

#[test]
fn slots_that_passed_while_the_line_was_hindered_say_so() {
    let mut schedule = Schedule::new(rules());
    schedule.set_meters(&[meter(1, 10, 0)], UnixMillis(START));
    schedule.hinder(Some(("no-lease", String::new())));
    let reasons: Vec<_> = schedule.close(UnixMillis(START + 30_000)).into_iter().map(|miss| miss.reason).collect();
    assert_eq!(reasons, ["no-lease"; 3]);
    schedule.hinder(None);
    let reasons: Vec<_> = schedule.close(UnixMillis(START + 40_000)).into_iter().map(|miss| miss.reason).collect();
    assert_eq!(reasons, ["no-time"]);
}

#[test]
fn a_meter_that_is_disabled_or_rescheduled_gives_its_open_slot_up_and_a_removed_one_does_not() {
    let mut schedule = Schedule::new(rules());
    let (first, second, third) = (meter(1, 900, 0), meter(2, 900, 0), meter(3, 900, 0));
    schedule.set_meters(&[first.clone(), second.clone(), third], UnixMillis(START));
    let disabled = Meter { enabled: false, ..first };
    let rescheduled = Meter { schedule: Timetable { interval_s: 60, offset_s: 7 }, ..second };
    let misses = schedule.set_meters(&[disabled, rescheduled], UnixMillis(START + 1_000));
    let told: Vec<_> = misses.iter().map(|miss| (miss.meter.0, miss.reason)).collect();
    assert_eq!(told, [(1, "disabled"), (2, "rescheduled")]);
}

#[test]
fn a_clock_set_back_opens_no_slot_again() {
    let mut schedule = Schedule::new(Rules { spread_percent: 0, ..rules() });
    schedule.set_meters(&[meter(1, 10, 0)], UnixMillis(START));
    let Next::Poll(due) = schedule.next(UnixMillis(START)) else { panic!("nothing is due") };
    schedule.ended(due, Verdict::Read, Duration::from_millis(100), UnixMillis(START + 100));
    assert_eq!(schedule.close(UnixMillis(START + 10_000)), []);
    let earlier = UnixMillis(START - 60_000);
    assert_eq!(schedule.close(earlier), []);
    assert_eq!(schedule.next(earlier), Next::Wait(Some(UnixMillis(due.slot.0 + 10_000))));
}
