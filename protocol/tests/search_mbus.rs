//! The search for secondary addresses on a bus in memory, where answers overlay each other as on the wire.

use std::collections::BTreeSet;
use std::time::Duration;

use protocol::exchange::Timing;
use protocol::mbus::frame::{Frame, Scanner, ci, control};
use protocol::mbus::header::{Header, Status};
use protocol::mbus::reply::ReplyBuilder;
use protocol::mbus::search::{Found, Search};
use protocol::mbus::selection::{Selection, digits_match};
use protocol::mbus::transaction::Turn;
use protocol::meter::Address;

const ALL: Selection = Selection { id: 0xFFFF_FFFF, manufacturer: 0xFFFF, version: 0xFF, medium: 0xFF };
const LATENCY: Duration = Duration::from_millis(40);

struct Meter {
    header: Header,
    fabrication: u32,
    volume: i64,
    selected: bool,
}

impl Meter {
    /// The meter of this identification; everything else is some function of it.
    fn new(id: u32) -> Self {
        let header = Header { id, manufacturer: 0x2C2D, version: 1, medium: 4, access: 0, status: Status(0) };
        Self { header, fabrication: id, volume: i64::from(id % 99_999_989), selected: false }
    }

    fn answer(&self) -> Vec<u8> {
        ReplyBuilder::new(&self.header).volume_litres(self.volume).frame(0xFD).expect("fits").encode()
    }
}

/// Slaves of one line.
struct Bus {
    meters: Vec<Meter>,
    /// Whether the meters look at the fabrication number of an enhanced selection.
    is_enhanced: bool,
}

impl Bus {
    fn of(ids: impl IntoIterator<Item = u32>) -> Self {
        Self { meters: ids.into_iter().map(Meter::new).collect(), is_enhanced: true }
    }

    fn handle(&mut self, request: &[u8]) -> Vec<u8> {
        let mut scanner = Scanner::new();
        scanner.push(request);
        match scanner.next().expect("whole").expect("sound") {
            Frame::Long { control: control::SND_UD, address: 0xFD, ci: ci::SELECT, data } => self.select(&data),
            Frame::Short { control: 0x7B, address: 0xFD } => {
                overlay(self.meters.iter().filter(|meter| meter.selected).map(Meter::answer))
            }
            other => unreachable!("{other:?}"),
        }
    }

    fn select(&mut self, data: &[u8]) -> Vec<u8> {
        let selection = Selection::decode(data).expect("a selection");
        let number = Selection::fabrication(data).filter(|_| self.is_enhanced);
        for meter in &mut self.meters {
            let is_number = number.is_none_or(|mask| digits_match(mask, meter.fabrication));
            meter.selected = selection.matches(&meter.header) && is_number;
        }
        overlay(self.meters.iter().filter(|meter| meter.selected).map(|_| vec![0xE5]))
    }
}

/// Answers at the same time: a bit is a one only where all send a one.
fn overlay(answers: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    answers.fold(Vec::new(), |mut line, answer| {
        line.resize(line.len().max(answer.len()), 0xFF);
        line.iter_mut().zip(answer).for_each(|(byte, other)| *byte &= other);
        line
    })
}

/// The search's result, and the longest it waited for nobody once meters had been timed.
fn search(bus: &mut Bus, within: Selection, most: u32) -> (Found, Duration) {
    let timing = Timing { baud: 2400, extra: Duration::from_secs(3), repeats: 0 };
    run(bus, Search::new(within, timing, most))
}

fn run(bus: &mut Bus, mut search: Search) -> (Found, Duration) {
    let (mut pending, mut patience) = (Vec::new(), Duration::ZERO);
    for _ in 0..2_000_000 {
        match search.poll() {
            Turn::Send(request) => pending = bus.handle(&request),
            Turn::Await(_) if !pending.is_empty() => search.handle_bytes(&std::mem::take(&mut pending), LATENCY),
            Turn::Await(time) => {
                patience = time;
                search.handle_timeout();
            }
            Turn::Done(found) => return (found, patience),
        }
    }
    unreachable!("the search does not end")
}

fn addresses(found: &Found) -> BTreeSet<Address> {
    found.meters.iter().map(|(header, _)| header.address()).collect()
}

fn expected(bus: &Bus) -> BTreeSet<Address> {
    bus.meters.iter().map(|meter| meter.header.address()).collect()
}

/// Eight decimal digits as an identification, scattered by a multiplicative generator.
fn scattered(seed: u64, count: usize) -> BTreeSet<u32> {
    let mut state = seed;
    let mut ids = BTreeSet::new();
    while ids.len() < count {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let number = (state >> 33) % 100_000_000;
        ids.insert(u32::from_str_radix(&format!("{number:08}"), 16).expect("digits"));
    }
    ids
}

#[test]
fn all_of_two_hundred_and_fifty_scattered_meters_are_found() {
    for seed in 1..=5 {
        let mut bus = Bus::of(scattered(seed, 250));
        let (found, _) = search(&mut bus, ALL, 100_000);
        println!("seed {seed}: {} meters with {} probes", found.meters.len(), found.probes);
        assert_eq!(addresses(&found), expected(&bus), "seed {seed}");
        assert!(found.is_complete && found.unresolved.is_empty() && found.meters.len() == 250);
        assert!(found.probes < 250 * 8, "{} probes", found.probes);
    }
}

#[test]
fn meters_of_one_batch_that_differ_in_their_last_digits_are_found() {
    let mut bus = Bus::of((0..10_u32).flat_map(|ten| (0..10_u32).map(move |one| 0x6712_3400 | ten << 4 | one)));
    let (found, _) = search(&mut bus, ALL, 100_000);
    println!("one batch: {} meters with {} probes", found.meters.len(), found.probes);
    assert_eq!(addresses(&found), expected(&bus));
}

#[test]
fn one_meter_takes_two_probes_and_none_takes_one() {
    assert_eq!(search(&mut Bus::of([0x1234_5678]), ALL, 10).0.probes, 2);
    let (found, _) = search(&mut Bus::of([]), ALL, 10);
    assert_eq!((found.probes, found.is_complete, found.meters.len()), (1, true, 0));
}

#[test]
fn hex_digits_are_tried_where_the_decimal_ones_brought_nobody() {
    let mut bus = Bus::of([0xA123_4567, 0xB123_4567, 0xE000_0000]);
    assert_eq!(addresses(&search(&mut bus, ALL, 1000).0), expected(&bus));
}

#[test]
fn hex_digits_beside_decimal_ones_are_found_where_they_are_asked_for() {
    let timing = Timing { baud: 2400, extra: Duration::ZERO, repeats: 0 };
    let mut bus = Bus::of([0x1123_4567, 0x1123_4568, 0xB123_4567, 0x11E3_4567]);
    let (found, _) = run(&mut bus, Search::new(ALL, timing, 1000).with_hex_digits());
    assert_eq!(addresses(&found), expected(&bus));
}

#[test]
fn meters_of_one_identification_are_told_apart_by_their_fabrication_number() {
    let mut bus = Bus::of([0x1111_1111, 0x1111_1111, 0x2222_2222]);
    bus.meters.iter_mut().zip([0x0000_0041, 0x0000_0042]).for_each(|(meter, number)| {
        meter.fabrication = number;
        meter.volume = i64::from(number) * 1_234_567;
    });
    let (found, _) = search(&mut bus, ALL, 1000);
    assert_eq!(found.meters.len(), 3, "{found:?}");
    assert_eq!(found.meters.iter().filter(|(_, number)| number.is_some()).count(), 2);
    assert!(found.unresolved.is_empty());
}

#[test]
fn twins_that_ignore_the_fabrication_number_are_told_once_as_unresolved() {
    let mut bus = Bus::of([0x1111_1111, 0x1111_1111, 0x2222_2222]);
    bus.is_enhanced = false;
    bus.meters.iter_mut().zip([77, 98_765_432]).for_each(|(meter, volume)| meter.volume = volume);
    let (found, _) = search(&mut bus, ALL, 1000);
    let unresolved: Vec<u32> = found.unresolved.iter().map(|selection| selection.id).collect();
    assert_eq!((found.meters.len(), unresolved, found.is_complete), (1, vec![0x1111_1111], true));
}

#[test]
fn two_answers_that_overlay_into_a_third_meters_are_not_believed() {
    // Same length, and the sum of what is left happens to be what is left of the sums: 5 AND 6 is 4.
    let phantom = (0..0x1000_u32).find_map(|volume| {
        let pair = [0x0000_0005, 0x0000_0006].map(|id| {
            let mut meter = Meter::new(id);
            meter.volume = i64::from(volume);
            meter
        });
        let line = overlay(pair.iter().map(Meter::answer));
        let mut scanner = Scanner::new();
        scanner.push(&line);
        let is_sound = matches!(scanner.next(), Some(Ok(Frame::Long { .. })));
        is_sound.then(|| Bus { meters: Vec::from(pair), is_enhanced: true })
    });
    let mut bus = phantom.expect("one of the volumes makes a phantom");
    let (found, _) = search(&mut bus, ALL, 1000);
    assert_eq!(addresses(&found), expected(&bus));
}

#[test]
fn a_search_within_a_part_of_the_addresses_finds_that_part() {
    let mut bus = Bus::of([0x1234_5678, 0x1299_9999, 0x2234_5678]);
    let within = Selection { id: 0x12FF_FFFF, ..ALL };
    assert_eq!(search(&mut bus, within, 1000).0.meters.len(), 2);
}

#[test]
fn a_search_that_ran_out_of_probes_says_so() {
    let (found, _) = search(&mut Bus::of(scattered(9, 50)), ALL, 20);
    assert!(!found.is_complete && found.probes <= 22, "{}", found.probes);
}

#[test]
fn once_meters_were_timed_nobody_is_waited_for_as_long_as_the_line_allows() {
    let (_, patience) = search(&mut Bus::of(scattered(3, 20)), ALL, 10_000);
    assert!(patience < Duration::from_millis(500), "{patience:?}");
    let (_, patience) = search(&mut Bus::of([]), ALL, 10);
    assert!(patience > Duration::from_secs(3), "{patience:?}");
}

#[test]
fn once_answers_were_whole_several_at_once_are_over_after_a_pause_and_not_after_the_longest_frame() {
    let timing = Timing { baud: 2400, extra: Duration::ZERO, repeats: 0 };
    let (mut bus, mut search) = (Bus::of(scattered(3, 40)), Search::new(ALL, timing, 10_000));
    let (mut pending, mut is_heard, mut ends) = (Vec::new(), false, Vec::new());
    let found = loop {
        match search.poll() {
            Turn::Send(request) => (pending, is_heard) = (bus.handle(&request), false),
            Turn::Await(_) if !pending.is_empty() => {
                is_heard = true;
                search.handle_bytes(&std::mem::take(&mut pending), LATENCY);
            }
            Turn::Await(time) => {
                ends.extend(is_heard.then_some(time));
                search.handle_timeout();
            }
            Turn::Done(found) => break found,
        }
    };
    assert_eq!(addresses(&found), expected(&bus));
    let (first, last) = (ends.first().copied(), ends.last().copied());
    assert!(first > Some(Duration::from_millis(200)) && last < Some(Duration::from_millis(70)), "{ends:?}");
}

#[test]
fn a_meter_that_pauses_longer_than_all_before_it_is_found() {
    let slow = 0x9876_5432;
    let ids: BTreeSet<u32> = scattered(3, 20).into_iter().chain([slow]).collect();
    let (pause, timing) = (Duration::from_millis(150), Timing { baud: 2400, extra: Duration::ZERO, repeats: 0 });
    let (mut bus, mut search) = (Bus::of(ids), Search::new(ALL, timing, 10_000));
    let (mut pending, mut rest) = (Vec::new(), Vec::new());
    let found = loop {
        match search.poll() {
            Turn::Send(request) => {
                pending = bus.handle(&request);
                let is_slow = bus.meters.iter().any(|meter| meter.selected && meter.header.id == slow);
                rest = if is_slow && pending.len() > 25 { pending.split_off(25) } else { Vec::new() };
            }
            Turn::Await(_) if !pending.is_empty() => search.handle_bytes(&std::mem::take(&mut pending), LATENCY),
            Turn::Await(time) if !rest.is_empty() && time > pause => {
                search.handle_bytes(&std::mem::take(&mut rest), pause);
            }
            Turn::Await(_) => {
                rest.clear();
                search.handle_timeout();
            }
            Turn::Done(found) => break found,
        }
    };
    assert_eq!((addresses(&found), found.unresolved.len()), (expected(&bus), 0), "{} probes", found.probes);
}

#[test]
fn an_acknowledgement_that_comes_late_is_nobodys_and_whose_it_was_is_asked_again() {
    let ids: BTreeSet<u32> = scattered(3, 20);
    let timing = Timing { baud: 2400, extra: Duration::ZERO, repeats: 0 };
    let mut tried = 0;
    for late in 2..150 {
        let (mut bus, mut search) = (Bus::of(ids.clone()), Search::new(ALL, timing, 10_000));
        let (mut pending, mut held, mut selections, mut is_apart) = (Vec::new(), Vec::new(), 0, false);
        let found = loop {
            match search.poll() {
                Turn::Send(request) => {
                    pending = bus.handle(&request);
                    selections += u32::from(request.first() == Some(&0x68));
                    if selections == late && pending == [0xE5] {
                        held = std::mem::take(&mut pending);
                    } else if !held.is_empty() {
                        is_apart = pending.is_empty();
                        pending.append(&mut held);
                    }
                }
                Turn::Await(_) if !pending.is_empty() => {
                    search.handle_bytes(&std::mem::take(&mut pending), LATENCY);
                }
                Turn::Await(_) => search.handle_timeout(),
                Turn::Done(found) => break found,
            }
        };
        // Two acknowledgements in a row cannot be told from one.
        if is_apart {
            tried += 1;
            assert_eq!((addresses(&found), found.unresolved.len()), (expected(&bus), 0), "probe {late}");
        }
    }
    assert!(tried > 5, "{tried}");
}

#[test]
fn noise_where_nobody_is_costs_one_probe_and_is_nobody() {
    let timing = Timing { baud: 2400, extra: Duration::ZERO, repeats: 0 };
    let quiet = search(&mut Bus::of([0x1234_5678, 0x2345_6789]), ALL, 1000).0;
    for noisy in 1..=quiet.probes {
        let mut bus = Bus::of([0x1234_5678, 0x2345_6789]);
        let (mut search, mut pending, mut requests) = (Search::new(ALL, timing, 1000), Vec::new(), 0);
        let found = loop {
            match search.poll() {
                Turn::Send(request) => {
                    pending = bus.handle(&request);
                    requests += u32::from(request.first() == Some(&0x68));
                    if requests == noisy && request.first() == Some(&0x68) && pending.is_empty() {
                        pending = vec![0xFE];
                    }
                }
                Turn::Await(_) if !pending.is_empty() => {
                    search.handle_bytes(&std::mem::take(&mut pending), LATENCY);
                }
                Turn::Await(_) => search.handle_timeout(),
                Turn::Done(found) => break found,
            }
        };
        assert_eq!((addresses(&found), &found.unresolved), (expected(&bus), &quiet.unresolved), "probe {noisy}");
        assert!(found.probes <= quiet.probes + 1, "probe {noisy}: {} probes", found.probes);
    }
}

#[test]
fn a_line_of_noise_ends_the_search_within_its_probes() {
    let timing = Timing { baud: 2400, extra: Duration::ZERO, repeats: 1 };
    let mut search = Search::new(ALL, timing, 300);
    for _ in 0..1_000_000 {
        match search.poll() {
            Turn::Send(_) => {}
            Turn::Await(_) => {
                search.handle_bytes(&[0x55; 3000], LATENCY);
                search.handle_timeout();
            }
            Turn::Done(found) => {
                assert!(!found.is_complete && found.meters.is_empty());
                return;
            }
        }
    }
    unreachable!("the search does not end")
}
