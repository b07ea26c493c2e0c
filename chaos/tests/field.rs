//! A field on real sockets and terminals, read by a small raw client; the ledger holds all of it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use chaos::field::Field;
use chaos::field::config::Config;
use chaos::judge::{Options, database::Tables, judge};
use chaos::ledger::{self, Answer, AnswerKind, Event, Request, Speaker, ValveIs};
use protocol::cjt188::frame as cjt;
use protocol::mbus::frame as mbus;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

/// No answer of a sound meter takes longer here.
const PATIENCE: Duration = Duration::from_secs(20);
const CJT_ADDRESS: [u8; 7] = [0x11, 0x11, 0x00, 0x12, 0x34, 0x56, 0x78];

fn config(dir: &Path, kind: &str, meters: &str) -> Config {
    let text = format!(
        "dir = \"{}\"\nseed = 5\nvalve_travel_ms = 300\n[[line]]\nname = \"north\"\nkind = \"{kind}\"\n{meters}",
        dir.display()
    );
    toml::from_str::<Config>(&text).unwrap().completed().unwrap()
}

fn two_meters() -> &'static str {
    "[[line.meter]]\nname = \"m\"\ndialect = \"mbus\"\naddress = \"5\"\nvalve = true\n\
     [[line.meter]]\nname = \"c\"\ndialect = \"cjt188\"\naddress = \"11110012345678\"\nvalve = true\n"
}

async fn connect(field: &Field, node: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, node], 0))).unwrap();
    let to = field.endpoints()[0].strip_prefix("tcp://").unwrap().parse().unwrap();
    socket.connect(to).await.unwrap()
}

async fn ask_mbus(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin), request: mbus::Frame) -> mbus::Frame {
    stream.write_all(&request.encode()).await.unwrap();
    let mut scanner = mbus::Scanner::new();
    let mut buffer = [0; 64];
    loop {
        if let Some(frame) = scanner.next() {
            return frame.unwrap();
        }
        let count = timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap().unwrap();
        scanner.push(&buffer[..count]);
    }
}

async fn ask_cjt(stream: &mut TcpStream, control: u8, data: &[u8]) -> cjt::Frame {
    let request = cjt::Frame { meter_type: 0x20, address: CJT_ADDRESS, control, data: data.to_vec() };
    stream.write_all(&request.encode()).await.unwrap();
    let mut scanner = cjt::Scanner::new();
    let mut buffer = [0; 64];
    loop {
        if let Some(frame) = scanner.next() {
            return frame.unwrap();
        }
        let count = timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap().unwrap();
        scanner.push(&buffer[..count]);
    }
}

fn short(control: u8) -> mbus::Frame {
    mbus::Frame::Short { control, address: 5 }
}

fn data_of(frame: mbus::Frame) -> Vec<u8> {
    match frame {
        mbus::Frame::Long { control: 0x08, address: 5, ci: 0x72, data } => data,
        other => unreachable!("no RSP_UD of meter 5: {other:?}"),
    }
}

/// The little-endian value after a record's DIF and VIF.
fn record(data: &[u8], head: &[u8], width: usize) -> i64 {
    let place = data.windows(head.len()).position(|window| window == head).unwrap() + head.len();
    data[place..place + width].iter().rev().fold(0, |value, byte| value << 8 | i64::from(*byte))
}

async fn end(field: Field) -> Vec<Event> {
    let path = field.dir().join(ledger::FILE_NAME);
    field.close().await.unwrap();
    ledger::reader::read(&path).unwrap()
}

fn readings(events: &[Event]) -> Vec<&Answer> {
    let answers = events.iter().filter_map(|event| match event {
        Event::Answer(answer) if answer.kind == AnswerKind::Reading => Some(&**answer),
        _ => None,
    });
    answers.collect()
}

fn requests(events: &[Event]) -> Vec<&Request> {
    let requests = events.iter().filter_map(|event| match event {
        Event::Request(request) => Some(request),
        _ => None,
    });
    requests.collect()
}

fn valve_moves(events: &[Event]) -> Vec<ValveIs> {
    let moves = events.iter().filter_map(|event| match event {
        Event::Valve { state, .. } => Some(*state),
        _ => None,
    });
    moves.collect()
}

#[tokio::test]
async fn an_mbus_meter_says_what_the_ledger_says_and_repeats_when_asked_again() {
    let dir = tempfile::tempdir().unwrap();
    let field = Field::open(&config(dir.path(), "tcp", two_meters())).await.unwrap();
    let mut stream = connect(&field, 2).await;
    assert_eq!(ask_mbus(&mut stream, short(0x40)).await, mbus::Frame::Ack);
    let first = data_of(ask_mbus(&mut stream, short(0x7B)).await);
    let again = data_of(ask_mbus(&mut stream, short(0x7B)).await);
    let next = data_of(ask_mbus(&mut stream, short(0x5B)).await);
    assert_eq!(first, again, "the same frame count bit gives the same telegram");
    assert_ne!(first, next);
    let events = end(field).await;
    let answers = readings(&events);
    assert_eq!(answers.iter().map(|answer| answer.repeat).collect::<Vec<_>>(), [false, true, false]);
    for (answer, data) in answers.iter().zip([&first, &again, &next]) {
        let values = answer.values.clone().unwrap();
        // Address 5 counts in kWh.
        assert_eq!(values.energy_joule, Some(record(data, &[0x04, 0x06], 4) * 3_600_000));
        assert_eq!(values.volume_millilitre, Some(record(data, &[0x04, 0x13], 4) * 1000));
        assert_eq!(values.supply_milli_celsius, Some(record(data, &[0x02, 0x59], 2) * 10));
        assert_eq!(values.valve, Some(ValveIs::Open));
        assert_eq!(record(data, &[0x01, 0xFD, 0x1F], 1), 1);
    }
}

#[tokio::test]
async fn a_cjt188_meter_says_what_the_ledger_says_and_no_two_answers_are_alike() {
    let dir = tempfile::tempdir().unwrap();
    let field = Field::open(&config(dir.path(), "tcp", two_meters())).await.unwrap();
    let mut stream = connect(&field, 2).await;
    let mut heats = Vec::new();
    for di in [[0x1F, 0x90, 1], [0x90, 0x1F, 2]] {
        let reply = ask_cjt(&mut stream, cjt::control::READ, &di).await;
        assert_eq!((reply.control, &reply.data[..3]), (0x81, di.as_slice()));
        heats.push(protocol::cjt188::heat::Heat::decode(&reply.data[3..]).unwrap());
    }
    assert_ne!(heats[0].volume, heats[1].volume);
    let events = end(field).await;
    for (answer, heat) in readings(&events).iter().zip(heats) {
        let values = answer.values.clone().unwrap();
        assert_eq!(values.energy_joule, heat.energy.digits.map(|digits| i64::from(digits) * 36_000));
        assert_eq!(values.volume_millilitre, heat.volume.digits.map(|digits| i64::from(digits) * 10_000));
        assert_eq!(values.flow_millilitre_per_hour, heat.flow.digits.map(|digits| i64::from(digits) * 100));
        assert_eq!(values.return_milli_celsius, heat.return_temp.map(|digits| i64::from(digits) * 10));
        assert_eq!(values.operating_seconds, heat.hours.map(|hours| i64::from(hours) * 3600));
    }
}

#[tokio::test]
async fn valves_of_both_dialects_travel_and_are_seen_closed() {
    let dir = tempfile::tempdir().unwrap();
    let field = Field::open(&config(dir.path(), "tcp", two_meters())).await.unwrap();
    let mut stream = connect(&field, 2).await;
    let close = mbus::Frame::Long { control: 0x73, address: 5, ci: 0x51, data: vec![0x01, 0xFD, 0x1F, 0x00] };
    assert_eq!(ask_mbus(&mut stream, close).await, mbus::Frame::Ack);
    let mut fcb = 0;
    let mut seen = Vec::new();
    while seen.last() != Some(&0) {
        fcb ^= mbus::control::FCB;
        seen.push(record(&data_of(ask_mbus(&mut stream, short(0x5B | fcb)).await), &[0x01, 0xFD, 0x1F], 1));
    }
    assert_eq!(seen[0], 3, "moving first: {seen:?}");
    let heard = ask_cjt(&mut stream, cjt::control::WRITE, &[0xA0, 0x17, 9, 0x99]).await;
    assert_eq!((heard.control, heard.data), (0x84, vec![0xA0, 0x17, 9, 0b10, 0]));
    let mut status = 0b10;
    while status == 0b10 {
        status = ask_cjt(&mut stream, cjt::control::READ, &[0x90, 0x1F, 3]).await.data[44];
    }
    assert_eq!(status, 0b01);
    // The ledger's own timer may fire a moment after the meter already says so.
    sleep(Duration::from_millis(50)).await;
    let moves = valve_moves(&end(field).await);
    assert_eq!(moves, [ValveIs::Moving, ValveIs::Closed, ValveIs::Moving, ValveIs::Closed]);
}

#[tokio::test]
async fn silence_for_strangers_and_bad_checksums_and_the_ledger_holds_every_byte() {
    let dir = tempfile::tempdir().unwrap();
    let field = Field::open(&config(dir.path(), "tcp", two_meters())).await.unwrap();
    let mut stream = connect(&field, 2).await;
    let mut wire = mbus::Frame::Short { control: 0x7B, address: 99 }.encode();
    wire.extend([0x10, 0x7B, 0x05, 0x00, 0x16]);
    stream.write_all(&wire).await.unwrap();
    // The next answer is the first that comes.
    sleep(Duration::from_millis(300)).await;
    assert_eq!(ask_mbus(&mut stream, short(0x40)).await, mbus::Frame::Ack);
    let events = end(field).await;
    let heard: Vec<_> = requests(&events).iter().map(|one| (one.kind.as_str(), one.hex.as_str())).collect();
    assert_eq!(heard, [("other", "107B63DE16"), ("noise", "107B050016"), ("reset", "1040054516")]);
}

#[tokio::test]
async fn planted_faults_are_on_the_wire_and_in_the_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let meters = "[[line.meter]]\nname = \"m\"\ndialect = \"mbus\"\naddress = \"5\"\nfault = { damaged_every = 2 }\n\
                  [[line.meter]]\nname = \"s\"\ndialect = \"mbus\"\naddress = \"6\"\nfault = { silent = true }\n";
    let field = Field::open(&config(dir.path(), "tcp", meters)).await.unwrap();
    let mut stream = connect(&field, 2).await;
    stream.write_all(&mbus::Frame::Short { control: 0x7B, address: 6 }.encode()).await.unwrap();
    data_of(ask_mbus(&mut stream, short(0x7B)).await);
    stream.write_all(&short(0x5B).encode()).await.unwrap();
    let mut scanner = mbus::Scanner::new();
    let mut buffer = [0; 64];
    let found = loop {
        if let Some(found) = scanner.next() {
            break found;
        }
        let count = timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap().unwrap();
        scanner.push(&buffer[..count]);
    };
    assert_eq!(found, Err(mbus::FrameFault::BadChecksum));
    let events = end(field).await;
    assert_eq!(readings(&events).iter().map(|answer| answer.damaged).collect::<Vec<_>>(), [false, true]);
    assert_eq!(requests(&events)[0].meter.as_deref(), Some("s"));
}

#[tokio::test]
async fn a_meter_alone_on_its_line_answers_to_everyone() {
    let dir = tempfile::tempdir().unwrap();
    let meters = "[[line.meter]]\nname = \"m\"\ndialect = \"mbus\"\naddress = \"5\"\n";
    let field = Field::open(&config(dir.path(), "tcp", meters)).await.unwrap();
    let mut stream = connect(&field, 2).await;
    let anyone = mbus::Frame::Short { control: 0x7B, address: mbus::ANYONE };
    data_of(ask_mbus(&mut stream, anyone).await);
    end(field).await;
}

#[tokio::test]
async fn two_nodes_speaking_at_once_on_a_gateway_are_found_by_the_judge() {
    let dir = tempfile::tempdir().unwrap();
    let field = Field::open(&config(dir.path(), "tcp", two_meters())).await.unwrap();
    let (mut one, mut other) = (connect(&field, 2).await, connect(&field, 3).await);
    tokio::join!(ask_mbus(&mut one, short(0x7B)), ask_mbus(&mut other, short(0x5B)));
    let events = end(field).await;
    let report = judge(&events, &Tables::default(), Options::default());
    assert_eq!((report.answered, report.overlaps), (2, 1), "{report:?}");
}

#[tokio::test]
async fn a_terminal_is_read_like_a_serial_port_and_names_its_holders() {
    let dir = tempfile::tempdir().unwrap();
    let field = Field::open(&config(dir.path(), "serial", two_meters())).await.unwrap();
    let link = field.endpoints()[0].strip_prefix("serial://").unwrap().to_owned();
    // Another process, alone: the field leaves itself out when it looks for holders.
    let talk = "export LC_ALL=C; printf '\\020\\100\\005\\105\\026' >&3; read -r -n 1 -u 3 x; exec 3>&-; printf %s \"$x\" | od -An -tx1";
    for _ in 0..2 {
        let script = format!("exec 3<>{link}; {talk}");
        let output = timeout(PATIENCE, tokio::process::Command::new("bash").args(["-c", &script]).output()).await;
        assert_eq!(String::from_utf8(output.unwrap().unwrap().stdout).unwrap().trim(), "e5");
    }
    let events = end(field).await;
    let speakers: Vec<_> = requests(&events).iter().map(|request| request.speaker.clone()).collect();
    assert_eq!(speakers.len(), 2);
    for speaker in &speakers {
        assert!(matches!(speaker, Speaker::Pty { holders } if holders.len() == 1), "{speaker:?}");
    }
    assert_ne!(speakers[0].names(), speakers[1].names());
    assert!(events.iter().any(|event| matches!(event, Event::Close { .. })));
}

#[tokio::test]
async fn two_processes_that_hold_a_terminal_are_found_by_the_judge() {
    let dir = tempfile::tempdir().unwrap();
    let field = Field::open(&config(dir.path(), "serial", two_meters())).await.unwrap();
    let link = field.endpoints()[0].strip_prefix("serial://").unwrap().to_owned();
    // The outer shell holds it and says nothing; the inner one opens it too, and speaks.
    let inner = format!("exec 3<>{link}; printf '\\020\\100\\005\\105\\026' >&3; head -c 1 <&3");
    let script = format!("exec 4<>{link}; sh -c \"{inner}\" 4>&-; true");
    timeout(PATIENCE, tokio::process::Command::new("sh").args(["-c", &script]).output()).await.unwrap().unwrap();
    let events = end(field).await;
    let report = judge(&events, &Tables::default(), Options::default());
    assert_eq!(report.overlaps, 1, "{report:?}");
}

#[tokio::test]
async fn a_stopped_process_that_holds_a_terminal_is_no_speaker() {
    let dir = tempfile::tempdir().unwrap();
    let field = Field::open(&config(dir.path(), "serial", two_meters())).await.unwrap();
    let link = field.endpoints()[0].strip_prefix("serial://").unwrap().to_owned();
    let mut stopped = tokio::process::Command::new("bash");
    stopped.args(["-c", &format!("exec 4<>{link}; kill -STOP $$")]).kill_on_drop(true);
    let stopped = stopped.spawn().unwrap();
    let stat = format!("/proc/{}/stat", stopped.id().unwrap());
    while !std::fs::read_to_string(&stat).unwrap().contains(") T ") {
        sleep(Duration::from_millis(5)).await;
    }
    let speak =
        format!("export LC_ALL=C; exec 3<>{link}; printf '\\020\\100\\005\\105\\026' >&3; read -r -n 1 -u 3 x; true");
    timeout(PATIENCE, tokio::process::Command::new("bash").args(["-c", &speak]).output()).await.unwrap().unwrap();
    let events = end(field).await;
    let report = judge(&events, &Tables::default(), Options::default());
    assert_eq!((requests(&events).len(), report.overlaps), (1, 0), "{report:?}");
}

#[tokio::test]
async fn a_second_field_in_the_same_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), "tcp", two_meters());
    let field = Field::open(&config).await.unwrap();
    end(field).await;
    let refused = Field::open(&config).await.unwrap_err();
    assert!(format!("{refused:#}").contains("ledger.jsonl"), "{refused:#}");
}
