//! Each kind of channel with its troubles: gateways that misbehave, Modbus TCP, serial pauses, units that call in.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use protocol::mbus::header::{Header, Status};
use protocol::mbus::reply::{EnergyUnit, ReplyBuilder};
use protocol::mbus::selection::Selection;
use protocol::meter::{Action, Address, Dialect, LineId};
use protocol::modbus::mbap;
use protocol::modbus::payload::Table;
use protocol::modbus::slave::Bank;
use protocol::profile::Catalogue;
use protocol::scan::{ANYBODY, Method, Plan, UNITS};
use raft_store::state::command::Outcome;
use raft_store::state::registry::Endpoint;
use tokio_util::sync::CancellationToken;

use super::field::Terminal;
use super::rig::{ME, OTHER, Rig, is_reading, reason, soon, until, value};
use super::scans::{ask, hear_out};
use crate::clock::Moment;
use crate::config::DialIn;
use crate::dialin::Listener;
use crate::trace::Way;

const ENERGY: u32 = 1;

pub(super) fn telegram(address: u8, energy: i64) -> Vec<u8> {
    let header = Header { id: 0x1234_5678, manufacturer: 0x2C2D, version: 1, medium: 4, access: 9, status: Status(0) };
    ReplyBuilder::new(&header).energy(EnergyUnit::KilowattHour, energy).frame(address).unwrap().encode()
}

/// What an M-Bus meter with address 1 says to `request`; nothing if it is for another.
pub(super) fn mbus(request: &[u8], energy: i64) -> Vec<u8> {
    match request {
        [0x10, 0x40, 1, ..] => vec![0xE5],
        [0x10, 0x5B | 0x7B, 1, ..] => telegram(1, energy),
        _ => Vec::new(),
    }
}

/// A server on loopback: `serve` has each connection with its number.
pub(super) fn server(serve: impl Fn(usize, TcpStream) + Send + 'static) -> (String, u16) {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            serve(number, stream.unwrap());
        }
    });
    ("127.0.0.1".to_owned(), port)
}

/// Answers every request with what `answer` makes of it, until the other side closes.
pub(super) fn answers(mut stream: TcpStream, mut answer: impl FnMut(&[u8]) -> Vec<u8>) {
    let mut piece = [0; 512];
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        if stream.write_all(&answer(&piece[..count])).is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_gateway_that_closes_at_once_resets_in_mid_frame_or_babbles_is_read_all_the_same() {
    let (host, port) = server(|number, mut stream| match number {
        // Accepts and closes at once.
        0..3 => {}
        // A reset in the middle of a telegram.
        3 => {
            let mut piece = [0; 64];
            while let Ok(count @ 1..) = stream.read(&mut piece) {
                let answer = mbus(&piece[..count], 77);
                let half = &answer[..answer.len().div_ceil(2)];
                let _ = stream.write_all(half);
                if half.len() > 1 {
                    let _ = rustix::net::connect_unspec(stream.as_fd());
                    return;
                }
            }
        }
        // The telegrams of several other meters and noise come before every answer.
        _ => answers(stream, |request| {
            let others: Vec<u8> =
                (2..20).flat_map(|meter| [telegram(meter, 1), vec![0x68, 0xFF, 0x00]].concat()).collect();
            [others, mbus(request, 4711)].concat()
        }),
    });
    let mut rig = Rig::new(|_| {}).with_lease();
    let line = rig.town.add_line(Endpoint::Tcp { host, port }, |_| {});
    let meter = rig.town.add_meter(line, Address::MbusPrimary(1), 1);
    rig.town.assign(line, ME);
    rig.start();
    let record = rig.record(|r| r.meter == meter.0 && is_reading(r)).await;
    assert_eq!(value(&record, ENERGY), Some(4_711 * 3_600_000));
}

#[tokio::test]
async fn a_gateway_that_takes_everything_and_answers_nothing_gives_missed_slots_and_is_read_once_it_answers() {
    let mute = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let silent = Arc::clone(&mute);
    let (host, port) = server(move |_, stream| {
        let silent = Arc::clone(&silent);
        thread::spawn(move || {
            answers(stream, |request| {
                if silent.load(std::sync::atomic::Ordering::SeqCst) { Vec::new() } else { mbus(request, 4711) }
            });
        });
    });
    let mut rig = Rig::new(|_| {}).with_lease();
    let line = rig.town.add_line(Endpoint::Tcp { host, port }, |_| {});
    let meter = rig.town.add_meter(line, Address::MbusPrimary(1), 1);
    rig.town.assign(line, ME);
    rig.start();
    rig.record(|r| r.meter == meter.0 && reason(r) == "no-answer").await;
    mute.store(false, std::sync::atomic::Ordering::SeqCst);
    rig.record(|r| r.meter == meter.0 && is_reading(r)).await;
}

/// A Modbus TCP slave; `late`: before every reply comes one to the request before, of other values.
fn modbus_tcp(late: bool) -> Endpoint {
    let (host, port) = server(move |_, stream| {
        let mut bank = Bank::default();
        bank.put(Table::Holding, 0, &[0; 200]);
        bank.put(Table::Holding, 19, &[6512, 0, 4108]);
        let mut other = Bank::default();
        other.put(Table::Holding, 0, &[0x1111; 200]);
        let mut scanner = mbap::Scanner::new();
        answers(stream, move |request| {
            scanner.push(request);
            let mut wire = Vec::new();
            while let Some(Ok(frame)) = scanner.next() {
                if late {
                    let transaction = frame.transaction.wrapping_sub(1);
                    wire.extend(mbap::Frame { transaction, pdu: other.answer(&frame.pdu), ..frame.clone() }.encode());
                }
                // What is written to a valve's setpoint is where it stands at once.
                if let [0x06, 0, 0, high, low] = frame.pdu[..] {
                    bank.put(Table::Holding, 4, &[u16::from_be_bytes([high, low])]);
                }
                wire.extend(mbap::Frame { pdu: bank.answer(&frame.pdu), ..frame }.encode());
            }
            wire
        });
    });
    Endpoint::ModbusTcp { host, port }
}

#[tokio::test]
async fn a_meter_behind_modbus_tcp_is_read_and_late_replies_are_dropped() {
    let known = "modbus-belimo-energy-valve-4";
    assert!(Catalogue::builtin().named(known).is_some());
    let mut rig = Rig::new(|_| {}).with_lease();
    let mut readings = Vec::new();
    let lines = [false, true].map(|late| rig.town.add_line(modbus_tcp(late), |_| {}));
    let meters = lines.map(|line| rig.town.add_meter_like(line, Address::ModbusUnit(7), 3_600, Some(known)));
    lines.iter().for_each(|line| rig.town.assign(*line, ME));
    rig.start();
    for meter in meters {
        let record = rig.record(|r| r.meter == meter.0).await;
        let Some(protocol::api::peer::spool_record::Content::Reading(reading)) = record.content else {
            panic!("no reading: {record:?}");
        };
        readings.push(reading.values);
    }
    assert!(!readings[0].is_empty());
    assert_eq!(readings[0], readings[1]);
}

#[tokio::test]
async fn a_valve_behind_modbus_tcp_is_moved_and_read_back() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let line = rig.town.add_line(modbus_tcp(true), |_| {});
    let known = Some("modbus-belimo-energy-valve-4");
    let meter = rig.town.add_meter_like(line, Address::ModbusUnit(7), 3_600, known);
    rig.town.assign(line, ME);
    rig.start();
    for (action, state) in [(Action::ValveOpen, "open"), (Action::ValveClose, "closed")] {
        let command = rig.town.submit(meter, action, 600_000);
        assert_eq!(rig.town.outcome(command).await, Outcome::Verified(state.to_owned()));
    }
}

/// A pseudo-terminal with an M-Bus meter that pauses in the middle of its telegram.
fn pausing_pty(pause: Duration) -> Endpoint {
    let Terminal { path, master: mut port, slave } = Terminal::open();
    thread::spawn(move || {
        let mut piece = [0; 64];
        while let Ok(count @ 1..) = port.read(&mut piece) {
            let answer = mbus(&piece[..count], 4711);
            let (first, second) = answer.split_at(answer.len() / 2);
            let _ = port.write_all(first);
            thread::sleep(if first.is_empty() { Duration::ZERO } else { pause });
            let _ = port.write_all(second);
        }
        drop(slave);
    });
    Endpoint::Serial { path }
}

#[tokio::test]
async fn a_telegram_broken_by_a_pause_on_a_serial_port_is_not_joined() {
    let mut rig = Rig::new(|config| config.polling.gap_allowance = Duration::from_millis(150)).with_lease();
    let slow = |spec: &mut raft_store::state::registry::LineSpec| spec.extra_answer_ms = 600;
    let whole = rig.town.add_line(pausing_pty(Duration::from_millis(10)), slow);
    let broken = rig.town.add_line(pausing_pty(Duration::from_millis(400)), slow);
    let meters = [whole, broken].map(|line| rig.town.add_meter(line, Address::MbusPrimary(1), 5));
    [whole, broken].iter().for_each(|line| rig.town.assign(*line, ME));
    rig.start();
    let record = rig.record(|r| r.meter == meters[0].0 && is_reading(r)).await;
    assert_eq!(value(&record, ENERGY), Some(4_711 * 3_600_000));
    // The first slot may have begun long before its line.
    let record = rig.record(|r| r.meter == meters[1].0 && reason(r) != "no-time").await;
    assert_eq!(reason(&record), "garbled");
}

/// The rig's node takes units; where they call.
async fn with_units(rig: &Rig) -> (SocketAddr, CancellationToken) {
    let section: DialIn =
        toml::from_str("listen = \"127.0.0.1:0\"\nregister = [\"{id:8d}\"]\nheartbeat = [\"FE\"]").unwrap();
    let listener = Listener::bind(section, rig.units.clone()).await.unwrap();
    let address = listener.address();
    rig.units.set_open(true);
    let stop = CancellationToken::new();
    tokio::spawn(listener.run(stop.clone()));
    (address, stop)
}

fn has_line(rig: &Rig, unit: &str, line: LineId) {
    rig.units.set_lines(Arc::new([(unit.to_owned(), line)].into()));
}

/// A unit with one meter; what it was asked is counted. Its thread ends with its connection.
fn unit(address: SocketAddr, word: &'static [u8]) -> (Arc<std::sync::atomic::AtomicUsize>, thread::JoinHandle<()>) {
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let connection = thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(word).unwrap();
        answers(stream, |request| {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let mut answer = mbus(request, 4711);
            if answer.len() > 10 {
                answer.insert(10, 0xFE);
            }
            answer
        });
    });
    (asked, connection)
}

#[tokio::test]
async fn a_unit_is_spoken_to_only_under_lease_and_epoch_and_read_with_heartbeats_in_its_answers() {
    let mut rig = Rig::new(|_| {});
    let (address, _stop) = with_units(&rig).await;
    let line = rig.town.add_line(Endpoint::DialIn { unit: "12345678".to_owned() }, |_| {});
    has_line(&rig, "12345678", line);
    let meter = rig.town.add_meter(line, Address::MbusPrimary(1), 1);
    rig.town.assign(line, ME);
    rig.start();
    let (asked, first) = unit(address, b"12345678");
    until(|| rig.metrics.report().units_connected > 0).await;
    let record = rig.record(|r| r.meter == meter.0).await;
    assert_eq!((reason(&record), asked.load(std::sync::atomic::Ordering::SeqCst)), ("no-lease", 0));
    rig.lease.renew(Moment::now(), Duration::from_secs(3_600));
    let (asked, second) = unit(address, b"12345678");
    let record = rig.record(|r| r.meter == meter.0 && is_reading(r)).await;
    assert_eq!(value(&record, ENERGY), Some(4_711 * 3_600_000));
    rig.town.assign(line, OTHER);
    until(|| rig.metrics.report().lines_open == 0).await;
    // With the line goes the connection: nothing more is asked through it.
    until(|| first.is_finished() && second.is_finished()).await;
    assert!(asked.load(std::sync::atomic::Ordering::SeqCst) > 0);
}

/// A unit with one meter that says its heartbeat again and again, whatever it is asked.
fn restless_unit(address: SocketAddr, word: &'static [u8], pause: Duration) {
    thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(word).unwrap();
        let mut heart = stream.try_clone().unwrap();
        thread::spawn(move || {
            while heart.write_all(b"\xFE").is_ok() {
                thread::sleep(pause);
            }
        });
        answers(stream, |request| mbus(request, 4711));
    });
}

/// A line whose unit says its heartbeat more often than the longest answer takes, taken from an owner that said nothing.
async fn restless_line(rig: &Rig, word: &'static [u8]) -> (LineId, CancellationToken) {
    let (address, stop) = with_units(rig).await;
    let unit = String::from_utf8(word.to_vec()).unwrap();
    let line = rig.town.add_line(Endpoint::DialIn { unit: unit.clone() }, |_| {});
    has_line(rig, &unit, line);
    rig.town.assign(line, OTHER);
    rig.town.assign(line, ME);
    restless_unit(address, word, Duration::from_millis(300));
    until(|| rig.metrics.report().units_connected > 0).await;
    (line, stop)
}

#[tokio::test]
async fn a_line_is_taken_over_from_a_silent_owner_whatever_its_unit_says_meanwhile() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let (line, _stop) = restless_line(&rig, b"12345678").await;
    let meter = rig.town.add_meter(line, Address::MbusPrimary(1), 1);
    rig.start();
    let record = rig.record(|r| r.meter == meter.0 && is_reading(r)).await;
    assert_eq!(value(&record, ENERGY), Some(4_711 * 3_600_000));
}

#[tokio::test]
async fn what_a_unit_says_by_itself_is_no_meter_of_a_scan_and_stands_in_the_trace() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let (line, _stop) = restless_line(&rig, b"12345678").await;
    let mut ear = rig.traces.listen(line).expect("there is room");
    rig.start();
    let plan = Plan {
        methods: vec![Method::Primary],
        primary: 1..=8,
        units: UNITS,
        within: ANYBODY,
        hex_digits: false,
        most_probes: 10,
    };
    let (seen, _) = hear_out(ask(&rig, line, &plan).await).await;
    let seen: Vec<_> = seen.iter().map(|sighting| (sighting.address, sighting.fault)).collect();
    assert_eq!(seen, [(Address::MbusPrimary(1), None)]);
    let piece = soon(ear.next()).await.expect("the line is served");
    assert_eq!((piece.way, piece.bytes), (Way::Heard, vec![0xFE]));
}

/// Twins of one secondary address behind a unit that says its heartbeat inside their answers.
fn unit_with_twins(address: SocketAddr, word: &'static [u8]) {
    thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(word).unwrap();
        let mut selected = None;
        answers(stream, |request| match request {
            [0x68, .., 0x16] => {
                selected = Selection::fabrication(&request[7..request.len() - 2]);
                vec![0xE5]
            }
            [0x10, 0x5B | 0x7B, 0xFD, ..] => {
                let energy = EnergyUnit::KilowattHour;
                let reply = ReplyBuilder::new(&TWINS).energy(energy, i64::from(selected.expect("selected")));
                let mut answer = reply.frame(0).unwrap().encode();
                answer.insert(10, 0xFE);
                answer
            }
            _ => Vec::new(),
        });
    });
}

/// An Elster F2 by its header.
const TWINS: Header =
    Header { id: 0x1234_5678, manufacturer: 0x4ECD, version: 8, medium: 4, access: 1, status: Status(0) };

#[tokio::test]
async fn twins_behind_a_unit_are_each_read_at_their_own_address_and_by_the_profile_of_their_model() {
    assert_eq!(TWINS.manufacturer, protocol::mbus::header::manufacturer(*b"SVM"));
    let mut rig = Rig::new(|_| {}).with_lease();
    let (address, _stop) = with_units(&rig).await;
    let line = rig.town.add_line(Endpoint::DialIn { unit: "12345678".to_owned() }, |_| {});
    has_line(&rig, "12345678", line);
    let twins = ["123456784ECD0804-00004711", "123456784ECD0804-00004712"];
    let twins = twins.map(|text| Address::parse(Dialect::Mbus, text).expect("an address"));
    let meters = twins.map(|twin| rig.town.add_meter(line, twin, 3_600));
    rig.town.assign(line, ME);
    rig.start();
    unit_with_twins(address, b"12345678");
    for (meter, number) in meters.into_iter().zip([0x4711, 0x4712]) {
        let command = rig.town.submit(meter, Action::ReadNow, 600_000);
        let expected = format!("energy {number} kWh (mbus-elster-f2)");
        assert_eq!(rig.town.outcome(command).await, Outcome::Verified(expected));
    }
}

#[tokio::test]
async fn a_line_taken_from_a_dead_node_is_read_though_its_unit_beats_while_it_is_listened_to() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let (address, _stop) = with_units(&rig).await;
    let line = rig.town.add_line(Endpoint::DialIn { unit: "12345678".to_owned() }, |_| {});
    has_line(&rig, "12345678", line);
    let meter = rig.town.add_meter(line, Address::MbusPrimary(1), 1);
    rig.town.assign(line, ME);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"12345678").unwrap();
    let mut beats = stream.try_clone().unwrap();
    thread::spawn(move || {
        while beats.write_all(&[0xFE]).is_ok() {
            thread::sleep(Duration::from_millis(150));
        }
    });
    thread::spawn(move || answers(stream, |request| mbus(request, 4711)));
    until(|| rig.metrics.report().units_connected > 0).await;
    rig.start();
    let record = rig.record(|r| r.meter == meter.0 && is_reading(r)).await;
    assert_eq!(value(&record, ENERGY), Some(4_711 * 3_600_000));
}

#[tokio::test]
async fn slots_of_a_unit_that_is_not_connected_are_missed_in_these_words() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let line = rig.town.add_line(Endpoint::DialIn { unit: "12345678".to_owned() }, |_| {});
    let meter = rig.town.add_meter(line, Address::MbusPrimary(1), 1);
    rig.town.assign(line, ME);
    rig.start();
    let record = rig.record(|r| r.meter == meter.0).await;
    let Some(protocol::api::peer::spool_record::Content::Miss(miss)) = record.content else { panic!("{record:?}") };
    assert_eq!((miss.reason.as_str(), miss.detail.as_str()), ("line-down", "unit 12345678 is not connected"));
}
