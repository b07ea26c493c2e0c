//! Every fault a meter or line can have, on real sockets and terminals: it is on the wire, the ledger names it, and
//! the product's dialogue ends with the true reading or the right fault, never with a wrong value.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod common;

use std::time::Duration;

use chaos::judge::database::{Row, Tables};
use chaos::judge::{Options, judge};
use chaos::ledger::{Event, ValveIs};
use common::{Master, TIMING, config, end, field, is_true, reading, said, target, values};
use futures::future::join_all;
use protocol::exchange::{Answer, Exchange, LineFault, Target};
use protocol::meter::{Action, Dialect, Quality, ValveState};
use protocol::modbus::Framing;

const MODBUS_PROFILE: &str = "modbus-onicon-system-10";
const DIALECTS: [Dialect; 3] = [Dialect::Mbus, Dialect::Cjt188, Dialect::Modbus];

fn address(dialect: Dialect) -> (&'static str, Option<&'static str>) {
    match dialect {
        Dialect::Mbus => ("5", None),
        Dialect::Cjt188 => ("11110012345678", None),
        Dialect::Modbus => ("5", Some(MODBUS_PROFILE)),
    }
}

fn meter_target(dialect: Dialect) -> Target {
    let (address, profile) = address(dialect);
    target(dialect, address, profile)
}

/// A line of one meter without a speed, and what is special about line and meter.
fn line(name: &str, dialect: Dialect, of_line: &str, of_meter: &str) -> String {
    let (address, profile) = address(dialect);
    let profile = profile.map(|profile| format!("profile = \"{profile}\"\n")).unwrap_or_default();
    format!(
        "[[line]]\nname = \"{name}\"\nbaud = 0\n{of_line}[[line.meter]]\nname = \"{name}-m\"\ndialect = \"{}\"\n\
         address = \"{address}\"\n{profile}{of_meter}\n",
        dialect.name()
    )
}

/// A meter of each dialect with the same fault, each alone on a line, read once: the answers and the ledger.
async fn read_each(of_line: &str, of_meter: &str) -> (Vec<(Dialect, Answer)>, Vec<Event>) {
    let dir = tempfile::tempdir().unwrap();
    let lines: String = DIALECTS.iter().map(|dialect| line(dialect.name(), *dialect, of_line, of_meter)).collect();
    let field = field(dir.path(), &lines).await;
    let asked = DIALECTS.iter().zip(field.endpoints()).map(|(dialect, endpoint)| async move {
        (*dialect, Master::on(endpoint).await.read(&meter_target(*dialect)).await)
    });
    let answers = join_all(asked).await;
    (answers, end(field).await)
}

fn name(dialect: Dialect) -> String {
    format!("{}-m", dialect.name())
}

/// Every dialect reads the truth.
async fn all_true(of_line: &str, of_meter: &str) -> Vec<Event> {
    let (answers, events) = read_each(of_line, of_meter).await;
    for (dialect, answer) in answers {
        let reading = reading(answer);
        assert!(
            is_true(&reading, &events, &name(dialect)),
            "{dialect:?} {reading:?} {:?}",
            said(&events, &name(dialect))
        );
    }
    events
}

/// Every dialect is told one of these faults, and the ledger names the planted one.
async fn all_lost(of_meter: &str, planted: Option<&str>, faults: &[LineFault]) {
    let (answers, events) = read_each("", of_meter).await;
    for (dialect, answer) in answers {
        let Answer::Lost(fault) = answer else { unreachable!("{dialect:?}: {answer:?}") };
        assert!(faults.contains(&fault), "{dialect:?}: {fault:?}");
        let named = said(&events, &name(dialect));
        assert!(named.iter().all(|answer| answer.fault.as_deref() == planted), "{dialect:?}: {named:?}");
    }
}

#[tokio::test]
async fn a_silent_meter_is_told_as_silent() {
    all_lost("fault = { silent = true }", None, &[LineFault::Silent]).await;
}

#[tokio::test]
async fn a_wrong_checksum_is_told_and_a_sound_repeat_is_read() {
    all_lost("fault = { damaged_every = 1 }", Some("damaged"), &[LineFault::BadChecksum]).await;
    // The first answer is sound: a second reading meets the damaged one, and its repeat.
    heals("damaged").await;
}

#[tokio::test]
async fn a_garbled_answer_is_told_and_a_sound_repeat_is_read() {
    let faults = [LineFault::Garbled, LineFault::BadChecksum];
    all_lost("fault = { garbled_every = 1 }", Some("garbled"), &faults).await;
    heals("garbled").await;
}

#[tokio::test]
async fn an_answer_cut_short_is_told_and_a_sound_repeat_is_read() {
    let faults = [LineFault::Garbled, LineFault::BadChecksum];
    all_lost("fault = { truncated_every = 1 }", Some("truncated"), &faults).await;
    heals("truncated").await;
}

#[tokio::test]
async fn a_heartbeat_inside_every_answer_is_a_fault_and_inside_one_is_healed_by_the_repeat() {
    let faults = [LineFault::Garbled, LineFault::BadChecksum];
    all_lost("fault = { heartbeat_inside_every = 1 }", Some("heartbeat-inside"), &faults).await;
    heals("heartbeat-inside").await;
}

/// Two readings, the second of which meets the fault first: both are true, and the fault was there.
async fn heals(planted: &str) {
    let dir = tempfile::tempdir().unwrap();
    let fault = format!("fault = {{ {}_every = 2 }}\n", planted.replace('-', "_"));
    let lines: String = DIALECTS.iter().map(|dialect| line(dialect.name(), *dialect, "", &fault)).collect();
    let field = field(dir.path(), &lines).await;
    let asked = DIALECTS.iter().zip(field.endpoints()).map(|(dialect, endpoint)| async move {
        let mut master = Master::on(endpoint).await;
        let first = reading(master.read(&meter_target(*dialect)).await);
        [first, reading(master.read(&meter_target(*dialect)).await)]
    });
    let readings = join_all(asked).await;
    let events = end(field).await;
    for (dialect, readings) in DIALECTS.into_iter().zip(readings) {
        assert!(readings.iter().all(|reading| is_true(reading, &events, &name(dialect))), "{dialect:?}");
        assert!(said(&events, &name(dialect)).iter().any(|answer| answer.fault.as_deref() == Some(planted)));
    }
}

#[tokio::test]
async fn a_gateway_of_modbus_tcp_that_garbles_or_cuts_is_never_believed() {
    let dir = tempfile::tempdir().unwrap();
    let faults = ["garbled_every = 1", "garbled_every = 2", "truncated_every = 1", "truncated_every = 2"];
    let lines: String = faults
        .iter()
        .enumerate()
        .map(|(place, fault)| {
            let kind = "kind = \"modbus-tcp\"\n";
            line(&format!("n{place}"), Dialect::Modbus, kind, &format!("fault = {{ {fault} }}\n"))
        })
        .collect();
    let field = field(dir.path(), &lines).await;
    let asked = field.endpoints().iter().map(|endpoint| async move {
        let mut master = Master::on(endpoint).await;
        let first = master.ask(&meter_target(Dialect::Modbus), Action::ReadNow, Framing::Tcp).await;
        [first, master.ask(&meter_target(Dialect::Modbus), Action::ReadNow, Framing::Tcp).await]
    });
    let answers = join_all(asked).await;
    let events = end(field).await;
    for (place, answers) in answers.into_iter().enumerate() {
        for answer in answers {
            match answer {
                Answer::Reading(reading) if place % 2 == 1 => {
                    assert!(is_true(&reading, &events, &format!("n{place}-m")), "{reading:?}");
                }
                Answer::Lost(LineFault::Garbled | LineFault::Silent) if place % 2 == 0 => {}
                other => unreachable!("{}: {other:?}", faults[place]),
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_never_the_answer_to_something_else() {
    let (answers, events) = read_each("", "fault = { late_ms = 2500 }").await;
    for (dialect, answer) in answers {
        match answer {
            // The answer to an earlier try, which is still what the meter said.
            Answer::Reading(reading) => assert!(is_true(&reading, &events, &name(dialect)), "{dialect:?}"),
            Answer::Lost(fault) => assert!(matches!(fault, LineFault::Silent | LineFault::Garbled), "{fault:?}"),
            other => unreachable!("{other:?}"),
        }
        assert!(said(&events, &name(dialect)).iter().all(|answer| answer.late), "{dialect:?}");
    }
}

#[tokio::test]
async fn noise_around_every_answer_is_stepped_over() {
    let events = all_true("", "fault = { noise = true }").await;
    assert!(events.iter().any(|event| matches!(event, Event::Said { kind, .. } if kind == "noise")));
}

#[tokio::test]
async fn a_fault_of_the_line_is_that_of_every_meter_without_its_own() {
    let events = all_true("fault = { noise = true }\n", "").await;
    assert!(events.iter().any(|event| matches!(event, Event::Said { kind, .. } if kind == "noise")));
}

#[tokio::test]
async fn a_line_that_echoes_requests_is_read_all_the_same() {
    let events = all_true("echo = true\n", "").await;
    let echoed = events.iter().filter(|event| matches!(event, Event::Said { kind, .. } if kind == "echo")).count();
    assert!(echoed >= 4, "{echoed}");
}

#[tokio::test]
async fn two_meters_with_one_address_are_told_as_a_broken_answer() {
    let dir = tempfile::tempdir().unwrap();
    let twice = |dialect: Dialect| {
        let twin = line("twin", dialect, "", "fault = { shares_address = true }\n");
        let twin = twin.split_once("[[line.meter]]").unwrap().1.replace("twin-m", &format!("{}-twin", dialect.name()));
        line(dialect.name(), dialect, "", "") + "[[line.meter]]" + &twin
    };
    let field = field(dir.path(), &DIALECTS.map(twice).concat()).await;
    let asked = DIALECTS
        .iter()
        .zip(field.endpoints())
        .map(|(dialect, endpoint)| async move { Master::on(endpoint).await.read(&meter_target(*dialect)).await });
    let answers = join_all(asked).await;
    let events = end(field).await;
    for (dialect, answer) in DIALECTS.iter().zip(answers) {
        let faults = [LineFault::Garbled, LineFault::BadChecksum, LineFault::Collision, LineFault::WrongMeter];
        assert!(matches!(answer, Answer::Lost(fault) if faults.contains(&fault)), "{dialect:?}: {answer:?}");
        for meter in ["m", "twin"] {
            let said = said(&events, &format!("{}-{meter}", dialect.name()));
            assert!(!said.is_empty() && said.iter().all(|answer| answer.fault.as_deref() == Some("collision")));
        }
    }
}

#[tokio::test]
async fn a_meter_that_only_acknowledges_gives_no_reading() {
    let dir = tempfile::tempdir().unwrap();
    let field = field(dir.path(), &line("north", Dialect::Mbus, "", "fault = { stuck_ack = true }")).await;
    let answer = Master::on(&field.endpoints()[0]).await.read(&meter_target(Dialect::Mbus)).await;
    assert_eq!(answer, Answer::Lost(LineFault::Garbled));
    assert!(said(&end(field).await, "north-m").is_empty());
}

#[tokio::test]
async fn a_meter_that_repeats_its_last_telegram_for_ever_is_read_once_and_said_to_be_incomplete() {
    let dir = tempfile::tempdir().unwrap();
    let special = "mbus = { telegrams = 3 }\nfault = { repeats_last = true }";
    let field = field(dir.path(), &line("north", Dialect::Mbus, "", special)).await;
    let mut master = Master::on(&field.endpoints()[0]).await;
    let mut readings = Vec::new();
    for _ in 0..2 {
        readings.push(reading(master.read(&meter_target(Dialect::Mbus)).await));
    }
    let events = end(field).await;
    for reading in &readings {
        assert!(reading.quality.has(Quality::INCOMPLETE), "{reading:?}");
        assert!(is_true(reading, &events, "north-m"), "{reading:?}");
    }
    assert_ne!(values(&readings[0]), values(&readings[1]));
}

#[tokio::test]
async fn a_wrong_clock_is_read_as_the_meter_shows_it() {
    let (answers, events) = {
        let dir = tempfile::tempdir().unwrap();
        let fault = "fault = { clock_off_s = -86400 }\n";
        let dialects = [Dialect::Mbus, Dialect::Cjt188];
        let lines: String = dialects.iter().map(|dialect| line(dialect.name(), *dialect, "", fault)).collect();
        let field = field(dir.path(), &lines).await;
        let mut answers = Vec::new();
        for (dialect, endpoint) in dialects.iter().zip(field.endpoints()) {
            let reading = reading(Master::on(endpoint).await.read(&meter_target(*dialect)).await);
            answers.push((*dialect, reading));
        }
        (answers, end(field).await)
    };
    for (dialect, reading) in answers {
        let said = said(&events, &name(dialect));
        let shown = said[0].meter_time.clone().unwrap();
        let read = reading.meter_time.unwrap();
        let text = format!("{:04}-{:02}-{:02}T{:02}:{:02}", read.year, read.month, read.day, read.hour, read.minute);
        assert!(shown.starts_with(&text), "{dialect:?}: {shown} {text}");
        let day = chaos::field::calendar::Civil::of(said[0].at).day;
        assert_ne!(read.day, day, "{dialect:?}");
    }
}

#[tokio::test]
async fn an_index_that_falls_back_is_read_as_the_meter_shows_it() {
    let dir = tempfile::tempdir().unwrap();
    let fault = "fault = { steps_back_every = 2 }\n";
    let lines: String = DIALECTS.iter().map(|dialect| line(dialect.name(), *dialect, "", fault)).collect();
    let field = field(dir.path(), &lines).await;
    let mut pairs = Vec::new();
    for (dialect, endpoint) in DIALECTS.iter().zip(field.endpoints()) {
        let mut master = Master::on(endpoint).await;
        let first = reading(master.read(&meter_target(*dialect)).await);
        pairs.push((*dialect, first, reading(master.read(&meter_target(*dialect)).await)));
    }
    let events = end(field).await;
    for (dialect, first, second) in pairs {
        assert!(values(&second).energy_joule < values(&first).energy_joule, "{dialect:?}");
        assert!([&first, &second].iter().all(|reading| is_true(reading, &events, &name(dialect))), "{dialect:?}");
    }
}

/// The states a valve is read in after it is ordered to close, until it stays in one, and how long that took.
async fn close(dialect: Dialect, fault: &str, wanted: ValveState) -> (Duration, Vec<Event>) {
    let dir = tempfile::tempdir().unwrap();
    let field = field(dir.path(), &line("north", dialect, "", &format!("valve = true\n{fault}"))).await;
    let mut master = Master::on(&field.endpoints()[0]).await;
    let target = meter_target(dialect);
    let begun = std::time::Instant::now();
    let heard = master.talk(Exchange::perform(&target, Action::ValveClose)).await;
    assert!(matches!(heard, Answer::Accepted { .. }), "{dialect:?}: {heard:?}");
    loop {
        let state = reading(master.read(&target).await).valve;
        assert!(state.is_none() || state == Some(wanted), "{dialect:?}: {state:?}");
        if state == Some(wanted) {
            return (begun.elapsed(), end(field).await);
        }
    }
}

#[tokio::test]
async fn a_slow_valve_is_seen_closed_only_after_its_travel() {
    for dialect in [Dialect::Mbus, Dialect::Cjt188] {
        let fault = "fault = { slow_valve_ms = 1500 }\n";
        let (took, _) = close(dialect, fault, ValveState::Closed).await;
        assert!(took >= Duration::from_millis(1500), "{took:?}");
    }
}

#[tokio::test]
async fn a_jammed_valve_is_seen_as_faulty_and_never_as_closed() {
    for dialect in [Dialect::Mbus, Dialect::Cjt188] {
        let (_, events) = close(dialect, "fault = { jammed_valve = true }\n", ValveState::Fault).await;
        assert!(!events.iter().any(|event| matches!(event, Event::Valve { state: ValveIs::Closed, .. })));
    }
}

#[tokio::test]
async fn faults_show_on_a_terminal_as_on_a_socket() {
    let dir = tempfile::tempdir().unwrap();
    let serial = "kind = \"serial\"\necho = true\n";
    let lines = [
        line("mbus", Dialect::Mbus, serial, "fault = { noise = true, damaged_every = 2 }\n"),
        line("cjt188", Dialect::Cjt188, serial, "fault = { garbled_every = 1 }\n"),
        line("modbus", Dialect::Modbus, serial, "fault = { truncated_every = 2 }\n"),
    ];
    let field = field(dir.path(), &lines.concat()).await;
    let asked = DIALECTS.iter().zip(field.endpoints()).map(|(dialect, endpoint)| async move {
        let mut master = Master::on(endpoint).await;
        let first = master.read(&meter_target(*dialect)).await;
        (*dialect, [first, master.read(&meter_target(*dialect)).await])
    });
    let answers = join_all(asked).await;
    let events = end(field).await;
    for (dialect, answers) in answers {
        for answer in answers {
            match answer {
                Answer::Reading(reading) if dialect != Dialect::Cjt188 => {
                    assert!(is_true(&reading, &events, &name(dialect)), "{dialect:?} {reading:?}");
                }
                Answer::Lost(fault) if dialect == Dialect::Cjt188 => {
                    assert!(matches!(fault, LineFault::Garbled | LineFault::BadChecksum), "{fault:?}");
                }
                other => unreachable!("{dialect:?}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn the_judge_asks_for_no_row_of_a_spoiled_answer_and_keeps_one_that_holds_the_truth() {
    let dir = tempfile::tempdir().unwrap();
    let faults = ["damaged_every", "garbled_every", "truncated_every", "heartbeat_inside_every"];
    let lines: String = faults
        .iter()
        .flat_map(|fault| [1, 2].map(|every| (fault, every)))
        .map(|(fault, every)| {
            line(&format!("{fault}-{every}"), Dialect::Cjt188, "", &format!("fault = {{ {fault} = {every} }}\n"))
        })
        .collect();
    let field = field(dir.path(), &lines).await;
    let asked = field.endpoints().iter().map(|endpoint| async move {
        let mut master = Master::on(endpoint).await;
        let mut answers = Vec::new();
        for _ in 0..2 {
            let answer = master.read(&meter_target(Dialect::Cjt188)).await;
            answers.push((answer, chaos::clock::Stamp::now().wall / 1000));
        }
        answers
    });
    let answers = join_all(asked).await;
    let events = end(field).await;
    let names = faults.iter().flat_map(|fault| [1, 2].map(|every| format!("{fault}-{every}-m")));
    let mut tables = Tables::default();
    for (meter, answers) in names.zip(answers) {
        for (answer, read_at_ms) in answers {
            let Answer::Reading(reading) = answer else { continue };
            let values = chaos::ledger::Values { valve: None, ..values(&reading) };
            let valve = reading.valve.map(|_| 1);
            tables.rows.push(Row {
                meter: meter.clone(),
                slot_ms: read_at_ms,
                kind: 2,
                read_at_ms,
                node: 2,
                epoch: 1,
                values,
                valve,
            });
        }
    }
    let report = judge(&events, &tables, Options { clock_tolerance_ms: 10_000 });
    assert_eq!((report.stored, report.wrong, report.missing, report.doubled), (8, 0, 0, 0), "{report:#?}");
}

#[test]
fn faults_that_could_not_show_themselves_are_refused_with_line_or_meter_value_and_remedy() {
    let refused = |text: &str| {
        let whole = format!("dir = \"x\"\n{text}");
        let config = toml::from_str::<chaos::field::config::Config>(&whole).unwrap();
        format!("{:#}", config.completed().unwrap_err())
    };
    let cjt188 = |fault: &str| line("north", Dialect::Cjt188, "", fault);
    let mbus = |fault: &str| line("north", Dialect::Mbus, "", fault);
    for (text, words) in [
        (cjt188("fault = { stuck_ack = true }"), "meter north-m: stuck_ack is for mbus, not cjt188: leave it out"),
        (cjt188("fault = { repeats_last = true }"), "meter north-m: repeats_last is for mbus"),
        (mbus("fault = { jammed_valve = true }"), "meter north-m: a valve fault without a valve: add valve = true"),
        (
            line("north", Dialect::Modbus, "kind = \"modbus-tcp\"\n", "fault = { damaged_every = 3 }"),
            "meter north-m: damaged_every 3 on a modbus-tcp line, which has no checksums: use garbled_every",
        ),
        (
            line("north", Dialect::Modbus, "", "fault = { clock_off_s = 9 }"),
            "clock_off_s 9 for a meter that tells no time",
        ),
        (
            line("north", Dialect::Mbus, "kind = \"modbus-tcp\"\n", ""),
            "line north: meter north-m of dialect \"mbus\" on a modbus-tcp line",
        ),
        (
            line("north", Dialect::Mbus, "kind = \"dialin\"\n", ""),
            "line north: kind dialin without a unit: add [line.unit]",
        ),
        (mbus("mbus = { telegrams = 17 }"), "meter north-m: telegrams 17 is more than masters take: use 1 to 16"),
        (mbus("mbus = { secondary = \"12\" }"), "meter north-m: mbus secondary \"12\": use 16 hex digits"),
        (
            line("north", Dialect::Modbus, "", "").replace(MODBUS_PROFILE, "modbus-unheard-of"),
            "meter north-m: profile \"modbus-unheard-of\" is no register map: use one of modbus-tuf-2000m",
        ),
    ] {
        let error = refused(&text);
        assert!(error.contains(words), "{error}");
    }
    assert_eq!(TIMING.repeats, 2);
    let kept = config(std::path::Path::new("x"), &mbus("fault = { silent = true }"));
    assert!(kept.lines[0].named[0].fault.silent);
}
