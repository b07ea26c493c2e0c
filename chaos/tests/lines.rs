//! The kinds of lines and meters a field has, read by the product's dialogues and by hand-made requests: every
//! layout, every way to address, every way to register, and the speed of the line.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod common;

use std::time::{Duration, Instant};

use chaos::ledger::{AnswerKind, Event};
use common::{Master, TIMING, end, field, is_true, reading, said, target};
use protocol::exchange::{Answer, LineFault, Target, Timing};
use protocol::mbus::frame::{self as mbus, Frame};
use protocol::mbus::selection::Selection;
use protocol::meter::{Action, Dialect};
use protocol::modbus::Framing;
use tokio::net::TcpListener;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

fn tcp(meters: &str) -> String {
    format!("[[line]]\nname = \"north\"\nbaud = 0\n{meters}")
}

fn mbus_meter(name: &str, address: &str, more: &str) -> String {
    format!("[[line.meter]]\nname = \"{name}\"\ndialect = \"mbus\"\naddress = \"{address}\"\n{more}\n")
}

async fn ask(master: &mut Master, request: &Frame) -> Option<Frame> {
    master.send(&request.encode()).await;
    let mut scanner = mbus::Scanner::new();
    loop {
        let heard = master.hear(64, Duration::from_millis(500)).await;
        if heard.is_empty() {
            return None;
        }
        scanner.push(&heard);
        if let Some(found) = scanner.next() {
            return Some(found.unwrap());
        }
    }
}

fn select(selection: Selection) -> Frame {
    Frame::Long { control: 0x53, address: mbus::SELECTED, ci: mbus::ci::SELECT, data: selection.encode().to_vec() }
}

fn request(control: u8) -> Frame {
    Frame::Short { control, address: mbus::SELECTED }
}

#[tokio::test]
async fn a_meter_is_read_by_its_secondary_address_over_all_its_telegrams() {
    let dir = tempfile::tempdir().unwrap();
    let meters = mbus_meter("one", "123456780D130104", "mbus = { telegrams = 4 }")
        + &mbus_meter("other", "123456790D130104", "")
        + &mbus_meter("told", "7", "mbus = { secondary = \"876543210D130104\" }");
    let field = field(dir.path(), &tcp(&meters)).await;
    let mut master = Master::on(&field.endpoints()[0]).await;
    let mut readings = Vec::new();
    for address in ["123456780D130104", "123456790D130104", "876543210D130104", "7", "123456780D130104"] {
        readings.push((address, reading(master.read(&target(Dialect::Mbus, address, None)).await)));
    }
    let events = end(field).await;
    for ((address, reading), meter) in readings.iter().zip(["one", "other", "told", "told", "one"]) {
        assert!(is_true(reading, &events, meter), "{address}: {reading:?}");
        assert_eq!(reading.quality.0, 0, "{address}");
    }
    let kinds: Vec<_> = said(&events, "one").iter().map(|answer| answer.kind).collect();
    let once = [AnswerKind::Part, AnswerKind::Part, AnswerKind::Part, AnswerKind::Reading];
    assert_eq!(kinds, [once, once].concat());
}

#[tokio::test]
async fn wildcards_select_whoever_fits_and_a_fabrication_number_narrows_them() {
    let dir = tempfile::tempdir().unwrap();
    let meters = mbus_meter("one", "123456780D130104", "mbus = { fabrication = \"11111111\" }")
        + &mbus_meter("other", "123456790D130104", "mbus = { fabrication = \"22222222\" }");
    let field = field(dir.path(), &tcp(&meters)).await;
    let mut master = Master::on(&field.endpoints()[0]).await;
    let wild = Selection { id: 0x1234_567F, manufacturer: 0xFFFF, version: 0xFF, medium: 0xFF };
    assert_eq!(ask(&mut master, &select(wild)).await, Some(Frame::Ack), "both at once sound like one");
    master.send(&request(0x7B).encode()).await;
    let both = master.hear(300, PATIENCE).await;
    let mut scanner = mbus::Scanner::new();
    scanner.push(&both);
    scanner.close_gap();
    assert!(!std::iter::from_fn(|| scanner.next()).any(|found| matches!(found, Ok(Frame::Long { .. }))), "{both:02X?}");
    while !master.hear(300, Duration::from_millis(200)).await.is_empty() {}

    let data = wild.encode_enhanced(0x2222_2222);
    let enhanced = Frame::Long { control: 0x73, address: mbus::SELECTED, ci: mbus::ci::SELECT, data };
    assert_eq!(ask(&mut master, &enhanced).await, Some(Frame::Ack));
    let Some(Frame::Long { data, .. }) = ask(&mut master, &request(0x7B)).await else { unreachable!("no RSP_UD") };
    assert_eq!(data[..4], [0x79, 0x56, 0x34, 0x12]);
    // A reset at FD deselects: then nobody is there to be read.
    assert_eq!(ask(&mut master, &request(0x40)).await, Some(Frame::Ack));
    assert_eq!(ask(&mut master, &request(0x7B)).await, None);
    assert_eq!(ask(&mut master, &select(Selection { id: 0x9FFF_FFFF, ..wild })).await, None);
    end(field).await;
}

#[tokio::test]
async fn everyone_answers_the_address_of_everyone_and_is_told_apart_only_when_alone() {
    let dir = tempfile::tempdir().unwrap();
    let lines = tcp(&(mbus_meter("one", "1", "") + &mbus_meter("other", "2", "")))
        + &tcp(&mbus_meter("alone", "1", "")).replace("north", "south");
    let field = field(dir.path(), &lines).await;
    let anyone = Frame::Short { control: 0x7B, address: mbus::ANYONE };
    let mut two = Master::on(&field.endpoints()[0]).await;
    two.send(&anyone.encode()).await;
    let heard = two.hear(300, PATIENCE).await;
    let mut one = Master::on(&field.endpoints()[1]).await;
    let alone = ask(&mut one, &anyone).await;
    let events = end(field).await;
    assert!(matches!(alone, Some(Frame::Long { address: 1, .. })), "{alone:?}");
    assert!(!heard.is_empty());
    let collided = |meter: &str| said(&events, meter)[0].fault.as_deref() == Some("collision");
    assert!(collided("one") && collided("other") && !collided("alone"));
}

#[tokio::test]
async fn a_meter_of_fixed_structure_is_read_for_its_two_counters() {
    let dir = tempfile::tempdir().unwrap();
    let field = field(dir.path(), &tcp(&mbus_meter("old", "9", "mbus = { fixed = true }"))).await;
    let mut master = Master::on(&field.endpoints()[0]).await;
    let reading = reading(master.read(&target(Dialect::Mbus, "9", None)).await);
    let events = end(field).await;
    assert!(is_true(&reading, &events, "old"), "{reading:?} {:?}", said(&events, "old"));
    assert_eq!(common::values(&reading).power_milliwatt, None);
}

#[tokio::test]
async fn a_primary_address_and_a_clock_are_set_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let field = field(dir.path(), &tcp(&mbus_meter("one", "9", ""))).await;
    let mut master = Master::on(&field.endpoints()[0]).await;
    let send = |address, data: &[u8]| Frame::Long { control: 0x73, address, ci: 0x51, data: data.to_vec() };
    assert_eq!(ask(&mut master, &send(9, &[0x01, 0x7A, 42])).await, Some(Frame::Ack));
    // 2031-02-03 04:05, type F.
    assert_eq!(ask(&mut master, &send(42, &[0x04, 0x6D, 5, 0x24, 0xE3, 0x32])).await, Some(Frame::Ack));
    let reading = reading(master.read(&target(Dialect::Mbus, "42", None)).await);
    let time = reading.meter_time.unwrap();
    assert_eq!((time.year, time.month, time.day, time.hour, time.minute), (2031, 2, 3, 4, 5));
    end(field).await;
}

fn cjt(name: &str, options: &str) -> String {
    format!(
        "[[line]]\nname = \"{name}\"\nbaud = 0\n[[line.meter]]\nname = \"{name}-m\"\ndialect = \"cjt188\"\n\
         address = \"11110012345678\"\ncjt188 = {{ {options} }}\n"
    )
}

fn cjt_target() -> Target {
    target(Dialect::Cjt188, "11110012345678", None)
}

#[tokio::test]
async fn every_layout_di_order_and_ser_is_read_or_refused_but_never_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let readable = [
        ("a", "layout = \"A\", di = \"901F\""),
        ("b", "layout = \"B\", di = \"1F90\""),
        ("c", "layout = \"C\", ser = \"12\""),
        ("e", "layout = \"E\""),
        ("zero", "layout = \"A\", ser = \"00\", di = \"901F\""),
    ];
    let unreadable = [("d", "layout = \"D\"")];
    let lines: String = readable.iter().chain(&unreadable).map(|(name, options)| cjt(name, options)).collect();
    let field = field(dir.path(), &lines).await;
    let mut answers = Vec::new();
    for endpoint in field.endpoints() {
        answers.push(Master::on(endpoint).await.read(&cjt_target()).await);
    }
    let events = end(field).await;
    for ((name, _), answer) in readable.iter().zip(&answers) {
        let reading = reading(answer.clone());
        assert!(is_true(&reading, &events, &format!("{name}-m")), "{name}: {reading:?}");
    }
    let binary = answers.last().unwrap();
    assert!(matches!(binary, Answer::Lost(LineFault::Undecodable) | Answer::Refused(_)), "never guessed: {binary:?}");
}

#[tokio::test]
async fn water_and_gas_meters_say_their_volume_and_nobody_reads_it_as_heat() {
    let dir = tempfile::tempdir().unwrap();
    let kinds = [("water", 0x10), ("gas", 0x30)];
    let lines: String = kinds.iter().map(|(name, _)| cjt(name, &format!("measures = \"{name}\""))).collect();
    let field = field(dir.path(), &lines).await;
    let mut heard = Vec::new();
    for endpoint in field.endpoints() {
        let mut master = Master::on(endpoint).await;
        let asked = protocol::cjt188::frame::Frame {
            meter_type: 0x10,
            address: [0x11, 0x11, 0x00, 0x12, 0x34, 0x56, 0x78],
            control: 1,
            data: vec![0x90, 0x1F, 7],
        };
        master.send(&asked.encode()).await;
        // Two FE, 68 to L, DI and SER, 19 bytes of data, CS and 16.
        let raw = master.hear_exactly(2 + 11 + 3 + 19 + 2).await;
        heard.push((raw, master.read(&cjt_target()).await));
    }
    let events = end(field).await;
    for ((name, kind), (raw, answer)) in kinds.iter().zip(heard) {
        let said = said(&events, &format!("{name}-m"));
        let volume = said[0].values.as_ref().unwrap().volume_millilitre.unwrap();
        let digits = protocol::bytes::bcd_decode(&raw[16..20]).unwrap();
        assert_eq!((raw[3], i64::try_from(digits).unwrap() * 10_000, raw[20]), (*kind, volume, 0x2C));
        match answer {
            Answer::Reading(reading) => assert!(is_true(&reading, &events, &format!("{name}-m")), "{reading:?}"),
            other => assert!(matches!(other, Answer::Lost(LineFault::Undecodable) | Answer::Refused(_)), "{other:?}"),
        }
    }
}

fn modbus_line(kind: &str, profile: &str, more: &str) -> String {
    format!(
        "[[line]]\nname = \"{profile}\"\nkind = \"{kind}\"\nbaud = 0\n[[line.meter]]\nname = \"{profile}-m\"\n\
         dialect = \"modbus\"\naddress = \"17\"\nprofile = \"{profile}\"\n{more}"
    )
}

const PROFILES: [(&str, &str); 4] = [
    ("modbus-tuf-2000m", ""),
    ("modbus-onicon-system-10", ""),
    ("modbus-belimo-energy-valve-4", "valve = true\n"),
    ("modbus-belimo-uk24mod", "valve = true\n"),
];

#[tokio::test]
async fn every_register_map_is_read_in_frames_of_the_serial_line_and_of_tcp() {
    for (kind, framing) in [("tcp", Framing::Rtu), ("modbus-tcp", Framing::Tcp)] {
        let dir = tempfile::tempdir().unwrap();
        let lines: String = PROFILES.iter().map(|(profile, more)| modbus_line(kind, profile, more)).collect();
        let field = field(dir.path(), &lines).await;
        let mut readings = Vec::new();
        for ((profile, _), endpoint) in PROFILES.iter().zip(field.endpoints()) {
            assert!(endpoint.starts_with(&format!("{kind}://")));
            let target = target(Dialect::Modbus, "17", Some(profile));
            readings.push(reading(Master::on(endpoint).await.ask(&target, Action::ReadNow, framing).await));
        }
        let events = end(field).await;
        for ((profile, _), reading) in PROFILES.iter().zip(readings) {
            // What is said over several replies is true of each by itself.
            let read = common::values(&reading);
            let said = said(&events, &format!("{profile}-m"));
            assert!(!said.is_empty(), "{profile}");
            for part in said.iter().filter_map(|answer| answer.values.as_ref()) {
                let pairs = [
                    (part.energy_joule, read.energy_joule),
                    (part.volume_millilitre, read.volume_millilitre),
                    (part.power_milliwatt, read.power_milliwatt),
                    (part.flow_millilitre_per_hour, read.flow_millilitre_per_hour),
                    (part.supply_milli_celsius, read.supply_milli_celsius),
                    (part.return_milli_celsius, read.return_milli_celsius),
                ];
                assert!(pairs.iter().all(|(said, read)| said.is_none() || said == read), "{profile}: {pairs:?}");
                assert!(part.valve.is_none() || part.valve == read.valve, "{profile}");
            }
        }
    }
}

/// Takes one call; gives what registered it, and the master's end.
async fn take(listener: &TcpListener, count: usize) -> (Vec<u8>, Master) {
    let (stream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    let mut master = Master::over(stream);
    (master.hear_exactly(count).await, master)
}

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

fn dialin(id: &str, registration: &str, connect: &[&str], more: &str) -> String {
    let phone = if registration == "digits" { "phone = \"13800138000\"\n" } else { "" };
    let unit = format!(
        "[line.unit]\nid = \"{id}\"\nregistration = \"{registration}\"\n{phone}connect = {connect:?}\nreconnect_ms = 50\n{more}"
    );
    format!("[[line]]\nname = \"far\"\nkind = \"dialin\"\nbaud = 0\n{unit}{}", mbus_meter("one", "5", ""))
}

#[tokio::test]
async fn a_unit_registers_is_read_beats_and_calls_the_next_node_when_it_is_hung_up() {
    let dir = tempfile::tempdir().unwrap();
    let ((first, one), (second, two)) = (listener().await, listener().await);
    let field = field(dir.path(), &dialin("12345678", "digits", &[&one, &two], "heartbeat_s = 1\n")).await;
    assert_eq!(field.endpoints(), ["dialin://12345678"]);
    let mut readings = Vec::new();
    for listener in [&first, &second, &first] {
        let (registration, mut master) = take(listener, 19).await;
        assert_eq!(registration, b"1234567813800138000");
        readings.push(reading(master.read(&target(Dialect::Mbus, "5", None)).await));
        assert_eq!(master.hear_exactly(1).await, [0xFE], "a heartbeat");
    }
    let events = end(field).await;
    assert!(readings.iter().all(|reading| is_true(reading, &events, "one")));
    let closes = events.iter().filter(|event| matches!(event, Event::Close { .. })).count();
    assert!(closes >= 2, "{closes}");
}

#[tokio::test]
async fn a_unit_of_a_sim_card_and_one_that_hangs_up_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (listener, address) = listener().await;
    let field = field(dir.path(), &dialin("13800138000", "sim", &[&address], "drop_every_s = 1\n")).await;
    for _ in 0..2 {
        let (registration, mut master) = take(&listener, 14).await;
        assert_eq!(registration, b"\xAA\x0113800138000\x0D");
        reading(master.read(&target(Dialect::Mbus, "5", None)).await);
        assert!(master.hear(1, PATIENCE).await.is_empty(), "the unit hangs up");
    }
    end(field).await;
}

#[tokio::test]
async fn a_unit_that_wraps_takes_and_gives_packets_with_heartbeats_between_their_parts() {
    let dir = tempfile::tempdir().unwrap();
    let (listener, address) = listener().await;
    let text = dialin("13800138000", "wrapped", &[&address], "")
        .replace("[line.unit]", "fault = { heartbeat_inside_every = 1 }\n[line.unit]");
    let field = field(dir.path(), &text).await;
    let (registration, mut master) = take(&listener, 22).await;
    assert!(registration.starts_with(&[0x7B, 0x01, 0x00, 0x16]) && registration.ends_with(&[0x7B]));
    let down = |data: &[u8]| {
        let length = (16 + data.len()) as u16;
        [&[0x7B, 0x89], &length.to_be_bytes()[..], b"13800138000", data, &[0x7B]].concat()
    };
    // The registration is taken; a packet that is none of ours is stepped over.
    master.send(&[0x7B, 0x81, 0x00, 0x10]).await;
    master.send(b"13800138000\x7B").await;
    let request = Frame::Short { control: 0x7B, address: 5 }.encode();
    let (front, rest) = request.split_at(2);
    master.send(&[down(front), down(rest)].concat()).await;
    let (mut data, mut beats) = (Vec::new(), 0);
    let mut scanner = mbus::Scanner::new();
    let frame = loop {
        let head = master.hear_exactly(15).await;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let body = master.hear_exactly(length - 15).await;
        assert_eq!((head[0], body.last()), (0x7B, Some(&0x7B)));
        match head[1] {
            0x09 => data.extend(&body[..body.len() - 1]),
            0x01 => beats += 1,
            other => unreachable!("packet of type {other:02X}"),
        }
        scanner.push(&std::mem::take(&mut data));
        if let Some(found) = scanner.next() {
            break found.unwrap();
        }
    };
    assert!(matches!(frame, Frame::Long { address: 5, .. }) && beats == 1, "{beats}");
    let events = end(field).await;
    assert!(said(&events, "one")[0].disturbed && !said(&events, "one")[0].damaged);
}

#[tokio::test]
async fn a_unit_that_glues_its_name_to_every_answer_is_read_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (listener, address) = listener().await;
    let field = field(dir.path(), &dialin("unit-7", "prefix", &[&address], "")).await;
    let (registration, mut master) = take(&listener, 6).await;
    assert_eq!(registration, b"unit-7");
    master.send(&Frame::Short { control: 0x40, address: 5 }.encode()).await;
    assert_eq!(master.hear_exactly(7).await, b"unit-7\xE5");
    // To a master that does not know the text it is noise before the frame.
    let reading = reading(master.read(&target(Dialect::Mbus, "5", None)).await);
    assert!(is_true(&reading, &end(field).await, "one"));
}

/// Reads one M-Bus meter on a line of this speed: how long it took, beside what the bytes need.
async fn timed(baud: u32, throttle: bool) -> (Duration, Duration) {
    let dir = tempfile::tempdir().unwrap();
    let text = tcp(&mbus_meter("one", "5", "")).replace("baud = 0", &format!("baud = {baud}\nthrottle = {throttle}"));
    let field = field(dir.path(), &text).await;
    let mut master = Master::on(&field.endpoints()[0]).await;
    let timing = Timing { baud, ..TIMING };
    let begun = Instant::now();
    reading(master.read(&Target { timing, ..target(Dialect::Mbus, "5", None) }).await);
    let took = begun.elapsed();
    let events = end(field).await;
    let bytes = |event: &Event| match event {
        Event::Request(request) => request.hex.len() / 2,
        Event::Answer(answer) => answer.hex.len() / 2,
        _ => 0,
    };
    (took, timing.characters(events.iter().map(bytes).sum()))
}

#[tokio::test]
async fn bytes_of_requests_and_answers_take_the_time_they_need_at_the_speed_of_the_line() {
    for baud in [300, 2400, 9600] {
        let (took, needed) = timed(baud, true).await;
        assert!(took >= needed, "{baud}: {took:?} for bytes that need {needed:?}");
        assert!(took <= needed + Duration::from_secs(1), "{baud}: {took:?} for bytes that need {needed:?}");
    }
}

#[tokio::test]
async fn without_throttle_bytes_take_no_time() {
    let (took, needed) = timed(300, false).await;
    assert!(took < needed / 2, "{took:?}, {needed:?}");
}

#[tokio::test]
async fn the_import_files_name_every_line_and_meter_as_the_product_is_to_reach_it() {
    let dir = tempfile::tempdir().unwrap();
    let lines = [
        tcp(&mbus_meter("one", "123456780D130104", "profile = \"mbus-generic\"")),
        "[[line]]\nname = \"port\"\nkind = \"serial\"\nmeters = 1\ndialect = \"cjt188\"\n".to_owned(),
        modbus_line("modbus-tcp", "modbus-onicon-system-10", ""),
        dialin("12345678", "digits", &["127.0.0.1:9"], "").replace("\"one\"", "\"five\""),
    ];
    let field = field(dir.path(), &lines.concat()).await;
    let read = |name: &str| std::fs::read_to_string(field.dir().join(name)).unwrap();
    let lines = read("lines.csv");
    let endpoints: Vec<_> = lines.lines().skip(1).map(|line| line.split(',').nth(1).unwrap()).collect();
    assert!(endpoints[0].starts_with("tcp://127.0.0.1:") && endpoints[2].starts_with("modbus-tcp://127.0.0.1:"));
    assert!(endpoints[1].starts_with("serial:///dev/"), "{endpoints:?}");
    assert_eq!(endpoints[3], "dialin://12345678");
    assert!(lines.lines().nth(1).unwrap().ends_with(",9600,even,300,2"), "a line without a speed is told one");
    let meters = read("meters.csv");
    assert!(meters.contains("one,north,mbus,123456780D130104,mbus-generic,10,0\n"), "{meters}");
    assert!(
        meters.contains("modbus-onicon-system-10-m,modbus-onicon-system-10,modbus,17,modbus-onicon-system-10,10,0\n")
    );
    end(field).await;
}
