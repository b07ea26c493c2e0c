//! Scans of a line in memory on which three dialects live, and others speak whenever a scan rests.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::Duration;

use proptest::prelude::*;
use protocol::cjt188::frame as cjt188;
use protocol::cjt188::reply;
use protocol::exchange::{LineFault, Timing};
use protocol::mbus::frame::{Frame, Scanner, ci, control};
use protocol::mbus::header::{Header, Status, manufacturer};
use protocol::mbus::reply::ReplyBuilder;
use protocol::mbus::selection::{Selection, digits_match};
use protocol::meter::{Address, Dialect};
use protocol::modbus::Framing;
use protocol::modbus::frame as modbus;
use protocol::modbus::payload::Table;
use protocol::modbus::slave::Bank;
use protocol::scan::{ANYBODY, Method, PRIMARY, Plan, Scan, Sighting, Step, UNITS};

const LATENCY: Duration = Duration::from_millis(40);

/// An M-Bus slave, answering to both kinds of address.
#[derive(Clone)]
struct Slave {
    primary: u8,
    header: Header,
    fabrication: u32,
    /// Whether it says its fabrication number.
    is_open: bool,
    is_selected: bool,
}

impl Slave {
    fn new(primary: u8, id: u32) -> Self {
        let header =
            Header { id, manufacturer: manufacturer(*b"ELS"), version: 1, medium: 4, access: 0, status: Status(0) };
        Self { primary, header, fabrication: id, is_open: false, is_selected: false }
    }

    fn answer(&mut self, request: &Frame) -> Option<Vec<u8>> {
        match request {
            Frame::Long { address: 0xFD, ci: ci::SELECT, data, .. } => {
                let is_number = Selection::fabrication(data).is_none_or(|mask| digits_match(mask, self.fabrication));
                self.is_selected = Selection::decode(data)?.matches(&self.header) && is_number;
                self.is_selected.then(|| Frame::Ack.encode())
            }
            Frame::Short { control: kind, address } if kind & control::KIND == control::SND_NKE => {
                self.is_selected &= *address != 0xFD;
                (*address == self.primary).then(|| Frame::Ack.encode())
            }
            Frame::Short { address, .. } => {
                let is_asked = *address == self.primary || *address == 0xFD && self.is_selected;
                let volume = i64::from(self.fabrication % 99_999_989);
                let reply = ReplyBuilder::new(&self.header).volume_litres(volume);
                let number = self.fabrication.to_le_bytes();
                let reply = if self.is_open { reply.record(0x0C, &[0x78], &number) } else { reply };
                is_asked.then(|| Some(reply.frame(*address)?.encode()))?
            }
            _ => None,
        }
    }
}

#[derive(Default)]
struct Line {
    slaves: Vec<Slave>,
    heat: Vec<[u8; 7]>,
    units: Vec<(u8, Bank)>,
    /// Who asks something else whenever the scan rests.
    stranger: Option<Selection>,
    rests: u32,
}

impl Line {
    fn say(&mut self, request: &[u8]) -> Vec<u8> {
        let mut scanner = Scanner::new();
        scanner.push(request);
        let answers: Vec<Vec<u8>> = match scanner.next() {
            Some(Ok(frame)) => self.slaves.iter_mut().filter_map(|slave| slave.answer(&frame)).collect(),
            _ => self.cjt188(request).into_iter().chain(self.modbus(request)).collect(),
        };
        answers.into_iter().fold(Vec::new(), |mut line, answer| {
            line.resize(line.len().max(answer.len()), 0xFF);
            line.iter_mut().zip(answer).for_each(|(byte, other)| *byte &= other);
            line
        })
    }

    fn cjt188(&self, request: &[u8]) -> Vec<Vec<u8>> {
        let mut scanner = cjt188::Scanner::new();
        scanner.push(request);
        let Some(Ok(frame)) = scanner.next() else { return Vec::new() };
        // Like many meters, silent where DI has the other order.
        if frame.data.first() != Some(&0x81) {
            return Vec::new();
        }
        self.heat.iter().filter_map(|address| Some(reply::answer(&frame, *address, &[])?.encode())).collect()
    }

    fn modbus(&mut self, request: &[u8]) -> Vec<Vec<u8>> {
        let mut scanner = modbus::Scanner::new(modbus::Direction::Requests);
        scanner.push(request);
        let Some(Ok(frame)) = scanner.next() else { return Vec::new() };
        let asked = self.units.iter_mut().filter(|(unit, _)| *unit == frame.unit);
        asked.map(|(unit, bank)| modbus::Frame { unit: *unit, pdu: bank.answer(&frame.pdu) }.encode()).collect()
    }

    fn scan(&mut self, plan: &Plan) -> (Vec<Sighting>, Scan) {
        let timing = Timing { baud: 2400, extra: Duration::from_secs(2), repeats: 2 };
        let (mut scan, mut pending, mut seen) = (Scan::new(plan, timing, Framing::Rtu), Vec::new(), Vec::new());
        for _ in 0..1_000_000 {
            match scan.poll() {
                Step::Send(request) => pending = self.say(&request),
                Step::Await(_) if !pending.is_empty() => scan.handle_bytes(&std::mem::take(&mut pending), LATENCY),
                Step::Await(_) => scan.handle_timeout(),
                Step::Rest => {
                    self.rests += 1;
                    if let Some(wanted) = self.stranger {
                        let (data, address) = (wanted.encode().to_vec(), 0xFD);
                        let select = Frame::Long { control: control::SND_UD, address, ci: ci::SELECT, data };
                        self.say(&select.encode());
                    }
                }
                Step::Done => {
                    seen.extend(scan.take_news());
                    return (seen, scan);
                }
            }
            seen.extend(scan.take_news());
        }
        unreachable!("the scan does not end")
    }
}

fn plan(methods: &[Method]) -> Plan {
    Plan {
        methods: methods.to_vec(),
        primary: PRIMARY,
        units: UNITS,
        within: ANYBODY,
        hex_digits: false,
        most_probes: 10_000,
    }
}

fn id(address: Address) -> Option<u32> {
    match address {
        Address::MbusSecondary { id, .. } => Some(id),
        _ => None,
    }
}

fn addresses(seen: &[Sighting]) -> Vec<String> {
    seen.iter().filter(|s| s.fault.is_none()).map(|s| s.address.to_string()).collect()
}

#[test]
fn every_primary_address_in_use_is_found_with_who_it_is() {
    let slaves = vec![Slave::new(1, 0x1000_0001), Slave::new(17, 0x1000_0017), Slave::new(250, 0x1000_0250)];
    let mut line = Line { slaves, ..Line::default() };
    let (seen, scan) = line.scan(&plan(&[Method::Primary]));
    assert_eq!(addresses(&seen), ["1", "17", "250"]);
    assert_eq!(seen[1].identity.and_then(id), Some(0x1000_0017));
    assert!(scan.is_complete() && scan.progress().probes == 250 && scan.progress().left == 0);
    assert_eq!(line.rests, 250, "others may speak after each address");
}

#[test]
fn two_meters_of_one_primary_address_are_told_as_a_collision() {
    let slaves = vec![Slave::new(5, 0x1234_5671), Slave::new(5, 0x8765_4328)];
    let (seen, _) = Line { slaves, ..Line::default() }.scan(&plan(&[Method::Primary]));
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].address, seen[0].fault), (Address::MbusPrimary(5), Some(LineFault::Collision)));
}

#[test]
fn meters_without_an_address_are_found_where_zero_is_asked_for() {
    let mut line = Line { slaves: vec![Slave::new(0, 0x1234_5678)], ..Line::default() };
    assert!(line.scan(&plan(&[Method::Primary])).0.is_empty());
    let (seen, _) = line.scan(&Plan { primary: 0..=0, ..plan(&[Method::Primary]) });
    assert_eq!(addresses(&seen), ["0"]);
}

#[test]
fn a_search_finds_everybody_although_somebody_else_is_selected_whenever_it_rests() {
    let ids = [0x1234_5678, 0x1234_5679, 0x2234_5678, 0x9999_0000, 0x9999_0001];
    let slaves: Vec<Slave> = (1..).zip(ids).map(|(primary, id)| Slave::new(primary, id)).collect();
    // A poll of one of the very meters that are searched for.
    let stranger = Some(Selection { id: 0x2234_5678, ..ANYBODY });
    let mut line = Line { slaves, stranger, ..Line::default() };
    let (seen, scan) = line.scan(&plan(&[Method::Secondary]));
    let mut found: Vec<u32> = seen.iter().filter_map(|s| id(s.identity?)).collect();
    found.sort_unstable();
    assert_eq!(found, ids);
    assert!(scan.is_complete());
    assert_eq!(line.rests + 1, scan.progress().probes, "others may speak before each selection, and only there");
}

#[test]
fn twins_of_one_secondary_address_are_each_found_at_an_address_that_can_be_registered() {
    let twin = |primary, fabrication| Slave { fabrication, is_open: true, ..Slave::new(primary, 0x1111_1111) };
    let mut line = Line { slaves: vec![twin(1, 0x0012_3456), twin(2, 0x7012_3456)], ..Line::default() };
    let (seen, _) = line.scan(&plan(&[Method::Secondary]));
    assert_eq!(addresses(&seen), ["1111111115930104-00123456", "1111111115930104-70123456"]);
    assert!(seen.iter().all(|s| s.fault.is_none() && s.identity == Some(s.address)), "{seen:?}");
    for text in addresses(&seen) {
        assert!(Address::parse(Dialect::Mbus, &text).is_ok(), "{text}");
    }
}

#[test]
fn twins_that_do_not_say_their_whole_number_are_told_as_a_collision() {
    let twin = |primary, fabrication| Slave { fabrication, ..Slave::new(primary, 0x1111_1111) };
    let mut line = Line { slaves: vec![twin(1, 0x0012_3456), twin(2, 0x7012_3456)], ..Line::default() };
    let (seen, _) = line.scan(&plan(&[Method::Secondary]));
    assert!(!seen.is_empty() && seen.iter().all(|s| s.fault == Some(LineFault::Collision)), "{seen:?}");
}

#[test]
fn a_mask_narrows_the_search() {
    let slaves = vec![Slave::new(1, 0x1234_5678), Slave::new(2, 0x2234_5678)];
    let within = Selection { id: 0x12FF_FFFF, ..ANYBODY };
    let (seen, _) = Line { slaves, ..Line::default() }.scan(&Plan { within, ..plan(&[Method::Secondary]) });
    assert_eq!(seen.len(), 1);
}

#[test]
fn hex_digits_beside_decimal_ones_are_found_where_they_are_asked_for() {
    let slaves = vec![Slave::new(1, 0x1000_0009), Slave::new(2, 0x1000_000A), Slave::new(3, 0x1000_0008)];
    let mut line = Line { slaves, ..Line::default() };
    assert_eq!(line.scan(&plan(&[Method::Secondary])).0.iter().filter(|s| s.fault.is_none()).count(), 2);
    let (seen, _) = line.scan(&Plan { hex_digits: true, ..plan(&[Method::Secondary]) });
    assert_eq!((seen.len(), seen.iter().all(|s| s.fault.is_none())), (3, true));
}

#[test]
fn whoever_is_alone_says_its_cjt188_address_and_several_are_told_as_a_collision() {
    let heat = vec![[0x11, 0x11, 0x00, 0x12, 0x34, 0x56, 0x78]];
    let (seen, scan) = Line { heat: heat.clone(), ..Line::default() }.scan(&plan(&[Method::Cjt188]));
    assert_eq!((addresses(&seen), seen[0].meter_type), (vec!["11110012345678".to_owned()], Some(0x20)));
    assert_eq!(scan.progress().left, 0);
    let two = [heat, vec![[0x11, 0x11, 0x00, 0x12, 0x34, 0x56, 0x81]]].concat();
    let (seen, _) = Line { heat: two, ..Line::default() }.scan(&plan(&[Method::Cjt188]));
    assert_eq!((seen.len(), seen[0].fault), (1, Some(LineFault::Collision)));
}

#[test]
fn a_modbus_slave_is_present_whether_it_gives_a_register_or_refuses() {
    let mut bank = Bank::default();
    bank.put(Table::Holding, 0, &[7]);
    let units = vec![(3, bank), (200, Bank::default())];
    let (seen, scan) = Line { units, ..Line::default() }.scan(&plan(&[Method::Modbus]));
    assert_eq!(addresses(&seen), ["3", "200"]);
    assert!(seen.iter().all(|s| s.address.dialect() == Dialect::Modbus));
    assert_eq!(scan.progress().probes, 247);
}

#[test]
fn a_line_of_three_dialects_is_scanned_in_one_go() {
    let slaves = vec![Slave::new(1, 0x1000_0001)];
    let heat = vec![[0x11, 0x11, 0x00, 0x12, 0x34, 0x56, 0x78]];
    let mut line = Line { slaves, heat, units: vec![(9, Bank::default())], ..Line::default() };
    let (seen, scan) = line.scan(&plan(&Method::ALL));
    let methods: Vec<Method> = seen.iter().map(|s| s.method).collect();
    assert_eq!(methods, Method::ALL);
    assert_eq!((scan.is_complete(), scan.progress().seen), (true, 4));
}

#[test]
fn a_scan_that_ran_out_of_probes_says_so() {
    for method in [Method::Primary, Method::Secondary, Method::Modbus] {
        let slaves = (1..=9).map(|n| Slave::new(n, 0x1000_0000 * u32::from(n))).collect();
        let mut line = Line { slaves, ..Line::default() };
        let (_, scan) = line.scan(&Plan { most_probes: 5, ..plan(&[method, Method::Cjt188]) });
        assert!(!scan.is_complete() && scan.progress().probes <= 6, "{method}: {:?}", scan.progress());
    }
}

#[test]
fn silence_is_not_waited_for_as_long_as_the_line_allows_once_meters_were_timed() {
    let timing = Timing { baud: 2400, extra: Duration::from_secs(2), repeats: 2 };
    let mut scan = Scan::new(&plan(&[Method::Primary]), timing, Framing::Rtu);
    let slaves: Vec<Slave> = (1..=3).map(|n| Slave::new(n, u32::from(n))).collect();
    let (mut line, mut pending, mut waits) = (Line { slaves, ..Line::default() }, Vec::new(), Vec::new());
    while scan.progress().probes < 10 {
        match scan.poll() {
            Step::Send(request) => pending = line.say(&request),
            Step::Await(_) if !pending.is_empty() => scan.handle_bytes(&std::mem::take(&mut pending), LATENCY),
            Step::Await(time) => {
                waits.push(time);
                scan.handle_timeout();
            }
            Step::Rest => {}
            Step::Done => unreachable!("there are 250 addresses"),
        }
    }
    assert!(!waits.is_empty() && waits.iter().all(|wait| *wait < Duration::from_millis(400)), "{waits:?}");
}

#[test]
fn a_line_of_noise_ends_every_scan_within_its_probes() {
    let timing = Timing { baud: 2400, extra: Duration::ZERO, repeats: 1 };
    let mut scan = Scan::new(&Plan { most_probes: 300, ..plan(&Method::ALL) }, timing, Framing::Rtu);
    for _ in 0..100_000 {
        match scan.poll() {
            Step::Send(_) | Step::Rest => {}
            Step::Await(_) => {
                scan.handle_bytes(&[0x55; 3000], LATENCY);
                scan.handle_timeout();
            }
            Step::Done => return assert!(scan.take_news().iter().all(|s| s.identity.is_none())),
        }
    }
    unreachable!("the scan does not end")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_comes_a_scan_ends_within_its_probes_and_never_speaks_twice_in_a_row(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..60),
        most_probes in 1_u32..80,
    ) {
        let timing = Timing { baud: 2400, extra: Duration::from_millis(100), repeats: 1 };
        let mut scan = Scan::new(&Plan { most_probes, ..plan(&Method::ALL) }, timing, Framing::Rtu);
        let (mut pieces, mut has_spoken, mut steps) = (pieces.iter().cycle(), false, 0);
        loop {
            steps += 1;
            prop_assert!(steps < 20_000, "the scan does not end");
            match scan.poll() {
                Step::Send(bytes) => {
                    prop_assert!(!bytes.is_empty() && !std::mem::replace(&mut has_spoken, true));
                }
                Step::Await(time) => {
                    prop_assert!(time < Duration::from_secs(10));
                    let piece = pieces.next().expect("endless");
                    has_spoken = false;
                    if piece.is_empty() { scan.handle_timeout() } else { scan.handle_bytes(piece, LATENCY) }
                    // A line that never falls silent is not waited out.
                    if steps % 7 == 0 { scan.handle_timeout() }
                }
                Step::Rest => has_spoken = false,
                Step::Done => break,
            }
        }
        // A search confirms what it read with a selection of its own.
        prop_assert!(scan.progress().probes <= most_probes.saturating_mul(2) + 1);
        prop_assert_eq!(scan.poll(), Step::Done);
    }
}
