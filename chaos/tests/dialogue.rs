//! The product's own dialogues against the simulated meters: what they read is what the ledger holds, and a run of a
//! small product over a real field is judged.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chaos::field::Field;
use chaos::field::generate::{Numbers, config};
use chaos::judge::database::{Row, Tables};
use chaos::judge::{Options, judge};
use chaos::ledger::{self, Event, Values};
use protocol::exchange::{Answer, Exchange, Step, Target, Timing};
use protocol::meter::{Action, Address, Quantity, Reading, ValveState};
use protocol::profile::Catalogue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

const TIMING: Timing = Timing { baud: 38_400, extra: Duration::from_secs(5), repeats: 2 };

async fn field(dir: &std::path::Path, lines: u32, meters: u32) -> Field {
    let numbers = Numbers {
        dir: dir.to_owned(),
        lines,
        meters,
        serial: 0,
        dialin: 0,
        call: Vec::new(),
        silent: 0,
        baud: TIMING.baud,
        interval_s: 1,
        seed: 3,
    };
    Field::open(&config(&numbers).unwrap()).await.unwrap()
}

async fn connect(endpoint: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
    socket.connect(endpoint.strip_prefix("tcp://").unwrap().parse().unwrap()).await.unwrap()
}

async fn talk(stream: &mut TcpStream, mut exchange: Exchange) -> Answer {
    let mut buffer = [0; 256];
    loop {
        match exchange.poll() {
            Step::Done(answer) => return answer,
            Step::Send(bytes) => stream.write_all(&bytes).await.unwrap(),
            Step::Await(time) => match timeout(time, stream.read(&mut buffer)).await {
                Ok(count) => exchange.handle_bytes(&buffer[..count.unwrap()]),
                Err(_) => exchange.handle_timeout(),
            },
        }
    }
}

/// The meters of a field by line: name and target.
fn targets(field: &Field) -> HashMap<String, Vec<(String, Target)>> {
    let mut targets: HashMap<_, Vec<_>> = HashMap::new();
    for line in std::fs::read_to_string(field.dir().join("meters.csv")).unwrap().lines().skip(1) {
        let columns: Vec<_> = line.split(',').collect();
        let address = Address::parse(columns[2].parse().unwrap(), columns[3]).unwrap();
        let target = Target { address, timing: TIMING, profile: None, catalogue: Catalogue::builtin() };
        targets.entry(columns[1].to_owned()).or_default().push((columns[0].to_owned(), target));
    }
    targets
}

async fn read(stream: &mut TcpStream, target: &Target) -> Reading {
    match talk(stream, Exchange::read(target)).await {
        Answer::Reading(reading) => reading,
        other => unreachable!("{:?} gave {other:?}", target.address),
    }
}

fn row(meter: &str, reading: &Reading) -> Row {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let valve = reading.valve.map(|valve| match valve {
        ValveState::Open => 1,
        ValveState::Closed => 2,
        ValveState::Fault => 3,
    });
    let values = Values {
        energy_joule: reading.value(Quantity::Energy),
        cooling_energy_joule: reading.value(Quantity::CoolingEnergy),
        volume_millilitre: reading.value(Quantity::Volume),
        power_milliwatt: reading.value(Quantity::Power),
        flow_millilitre_per_hour: reading.value(Quantity::Flow),
        supply_milli_celsius: reading.value(Quantity::SupplyTemp),
        return_milli_celsius: reading.value(Quantity::ReturnTemp),
        difference_millikelvin: reading.value(Quantity::TempDifference),
        operating_seconds: reading.value(Quantity::OperatingTime),
        on_seconds: reading.value(Quantity::OnTime),
        valve: None,
    };
    let slot_ms = now / 1000 * 1000;
    Row { meter: meter.into(), slot_ms, kind: 1, read_at_ms: now, node: 2, epoch: 1, values, valve }
}

async fn end(field: Field) -> Vec<Event> {
    let path = field.dir().join(ledger::FILE_NAME);
    field.close().await.unwrap();
    ledger::reader::read(&path).unwrap()
}

#[tokio::test]
async fn a_product_that_stores_what_it_reads_keeps_its_promises_and_one_that_loses_a_row_does_not() {
    let dir = tempfile::tempdir().unwrap();
    // Eight lines: the last speaks both dialects; eight M-Bus meters a line cover every unit of energy.
    let field = field(dir.path(), 8, 64).await;
    let targets = targets(&field);
    let mut tables = Tables::default();
    for (number, endpoint) in field.endpoints().iter().enumerate() {
        let mut stream = connect(endpoint).await;
        for (name, target) in &targets[&format!("line-{:03}", number + 1)] {
            tables.rows.push(row(name, &read(&mut stream, target).await));
        }
    }
    let events = end(field).await;
    let report = judge(&events, &tables, Options::default());
    assert_eq!((report.answered, report.stored, report.verdict), (64, 64, "kept"), "{report:#?}");
    tables.rows.remove(0);
    assert_eq!(judge(&events, &tables, Options::default()).missing, 1);
}

#[tokio::test]
async fn a_valve_command_of_each_dialect_is_carried_out_and_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let field = field(dir.path(), 2, 20).await;
    let targets = targets(&field);
    // Line n has its valve at the meter of which index + 7 * n is a multiple of ten.
    for (line, meter) in [("line-001", 0), ("line-002", 3)] {
        let number = if line == "line-001" { 0 } else { 1 };
        let mut stream = connect(&field.endpoints()[number]).await;
        let target = &targets[line][meter].1;
        let heard = talk(&mut stream, Exchange::perform(target, Action::ValveClose)).await;
        assert!(matches!(heard, Answer::Accepted { .. }), "{heard:?}");
        while read(&mut stream, target).await.valve != Some(ValveState::Closed) {}
    }
    let moves = end(field).await.iter().filter(|event| matches!(event, Event::Valve { .. })).count();
    assert!((3..=4).contains(&moves), "two began, and arrived: {moves}");
}
