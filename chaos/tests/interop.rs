//! Foreign masters read the simulated field, and get what the ledger says it told them; the product's dialogues read a
//! foreign slave. `make interop` installs the foreigners and runs this; one that is not to be had is named aloud, and
//! what it would have read is left out.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use chaos::field::Field;
use chaos::ledger::{AnswerKind, Event, Values, ValveIs};
use common::{Master, end, field, reading, said, target, values};
use protocol::exchange::Answer;
use protocol::meter::{Action, Dialect};
use protocol::modbus::Framing;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// No foreign master takes longer over all its meters.
const PATIENCE: Duration = Duration::from_secs(60);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn tools() -> PathBuf {
    root().join(".tools/interop")
}

/// Whether a foreigner is there; if not, why, aloud.
fn is_here(name: &str) -> bool {
    if tools().join("have").join(name).exists() {
        return true;
    }
    let reason = std::fs::read_to_string(tools().join("missing").join(name));
    let reason = reason.unwrap_or_else(|_| panic!("{name} is not installed: run `make interop`"));
    eprintln!("not to be had: {name}: {reason}");
    false
}

fn script(name: &str) -> String {
    root().join("chaos/interop").join(name).display().to_string()
}

fn python(environment: &str) -> PathBuf {
    tools().join(environment).join("bin/python")
}

/// Runs a foreign master to its end; gives what it printed.
async fn run(program: impl AsRef<Path>, arguments: &[&str]) -> String {
    let program = program.as_ref();
    let mut command = Command::new(program);
    command.args(arguments).env("NODE_PATH", tools().join("node/node_modules")).kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await.unwrap().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{} {arguments:?}: {out}{err}", program.display());
    out.into_owned()
}

/// What a master read of one meter, by the ledger's names, in its fixed units.
type Read = BTreeMap<&'static str, i64>;

/// The same of what the ledger says.
fn truth(values: &Values) -> Read {
    let all = [
        ("energy", values.energy_joule),
        ("volume", values.volume_millilitre),
        ("power", values.power_milliwatt),
        ("flow", values.flow_millilitre_per_hour),
        ("supply", values.supply_milli_celsius),
        ("return", values.return_milli_celsius),
        ("difference", values.difference_millikelvin),
        ("hours", values.operating_seconds),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// The last whole answer a meter gave.
fn last(events: &[Event], meter: &str) -> Values {
    let answers = said(events, meter);
    let whole = answers.iter().rev().find(|answer| answer.kind == AnswerKind::Reading);
    whole.unwrap_or_else(|| panic!("{meter} was never read: {answers:?}")).values.clone().unwrap()
}

/// The current values among records, by a table of (unit, name, fixed units of one).
fn current(records: &Value, word: &str, table: &[(&'static str, &'static str, f64)]) -> Read {
    let records = records.as_array().unwrap().iter().filter(|record| record["storage"] == 0);
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
    let known = records.filter_map(|record| {
        let (_, name, factor) = table.iter().find(|(unit, _, _)| record[word] == *unit)?;
        Some((*name, (number(&record["value"]).unwrap() * factor).round() as i64))
    });
    known.collect()
}

/// libmbus's words.
const LIBMBUS: [(&str, &str, f64); 13] = [
    ("Energy (Wh)", "energy", 3.6e3),
    ("Energy (kWh)", "energy", 3.6e6),
    ("Energy (MJ)", "energy", 1e6),
    ("Energy (0.1 GJ)", "energy", 1e8),
    ("kWh", "energy", 3.6e6),
    ("Volume (m m^3)", "volume", 1e3),
    ("l", "volume", 1e3),
    ("Power (W)", "power", 1e3),
    ("Volume flow (m m^3/h)", "flow", 1e3),
    ("Flow temperature (1e-2 deg C)", "supply", 10.0),
    ("Return temperature (1e-2 deg C)", "return", 10.0),
    ("Temperature Difference (1e-2  deg C)", "difference", 10.0),
    ("Operating time (hours)", "hours", 3600.0),
];

/// pyMeterBus's words.
const PYMETERBUS: [(&str, &str, f64); 10] = [
    ("VIFUnit.ENERGY_WH", "energy", 3.6e3),
    ("VIFUnit.ENERGY_J", "energy", 1.0),
    ("Energy", "energy", 1.0),
    ("VIFUnit.VOLUME", "volume", 1e6),
    ("VIFUnit.POWER_W", "power", 1e3),
    ("VIFUnit.VOLUME_FLOW", "flow", 1e6),
    ("VIFUnit.FLOW_TEMPERATURE", "supply", 1e3),
    ("VIFUnit.RETURN_TEMPERATURE", "return", 1e3),
    ("VIFUnit.TEMPERATURE_DIFFERENCE", "difference", 1e3),
    ("VIFUnit.OPERATING_TIME", "hours", 1.0),
];

const MBUS_LINES: &str = r#"
[[line]]
name = "gateway"
[[line.meter]]
name = "kwh"
dialect = "mbus"
address = "1"
mbus = { secondary = "123456780D130104" }
[[line.meter]]
name = "mj"
dialect = "mbus"
address = "2"
valve = true
mbus = { secondary = "123456790D130104", telegrams = 4 }
[[line.meter]]
name = "gj"
dialect = "mbus"
address = "3"
[[line.meter]]
name = "wh"
dialect = "mbus"
address = "4"
[[line.meter]]
name = "fixed"
dialect = "mbus"
address = "5"
mbus = { fixed = true }
[[line.meter]]
name = "secondary"
dialect = "mbus"
address = "876543210D130104"
mbus = { telegrams = 2 }
[[line]]
name = "terminal"
kind = "serial"
[[line.meter]]
name = "one"
dialect = "mbus"
address = "1"
[[line.meter]]
name = "other"
dialect = "mbus"
address = "876543220D130104"
mbus = { telegrams = 3 }
"#;
/// The wire's order of bytes, which foreign masters take.
const KWH: &str = "12345678130D0104";
const SECONDARY: &str = "87654321130D0104";
const OTHER: &str = "87654322130D0104";

fn place(endpoint: &str) -> &str {
    endpoint.split_once("://").unwrap().1
}

fn lines(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Each meter was read once, and the master got what the ledger says.
fn compare(events: &[Event], read: &[(&str, Read)]) {
    for (meter, read) in read {
        let truth = truth(&last(events, meter));
        assert!(truth.len() >= 2 && *read == truth, "{meter}: read {read:?}, told {truth:?}");
    }
}

#[tokio::test]
async fn node_mbus_reads_what_the_ledger_says_by_primary_and_secondary_address_and_over_several_telegrams() {
    if !is_here("node-mbus") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let field = field(dir.path(), MBUS_LINES).await;
    let read = |kind: &'static str, place: String, number: String, addresses: &'static [&'static str]| async move {
        let script = script("mbus_master.js");
        let arguments = [&[script.as_str(), kind, &place, &number], addresses].concat();
        let told = lines(&run("node", &arguments).await);
        told.into_iter().map(|meter| current(&meter["records"], "unit", &LIBMBUS)).collect::<Vec<_>>()
    };
    let (host, port) = place(&field.endpoints()[0]).rsplit_once(':').unwrap();
    let primary = read("tcp", host.to_owned(), port.to_owned(), &["2", "3", "4", "5"]).await;
    let secondary = read("tcp", host.to_owned(), port.to_owned(), &[KWH, SECONDARY]).await;
    let serial = read("serial", place(&field.endpoints()[1]).to_owned(), "9600".to_owned(), &["1", OTHER]).await;
    let events = end(field).await;
    let meters = ["mj", "gj", "wh", "fixed", "kwh", "secondary", "one", "other"];
    let read: Vec<_> = meters.into_iter().zip([primary, secondary, serial].concat()).collect();
    assert_eq!(read.len(), meters.len());
    compare(&events, &read);
}

#[tokio::test]
async fn node_mbus_finds_every_secondary_address_of_a_line_by_wildcards() {
    if !is_here("node-mbus") {
        return;
    }
    let meter = |name: &str, address: &str| {
        format!("[[line.meter]]\nname = \"{name}\"\ndialect = \"mbus\"\naddress = \"{address}\"\n")
    };
    let addresses = ["150000010D130104", "170000020D130104", "830000030D130104"];
    let meters: String = addresses.iter().map(|address| meter(address, address)).collect();
    let dir = tempfile::tempdir().unwrap();
    let field = field(dir.path(), &format!("[[line]]\nname = \"gateway\"\nbaud = 0\n{meters}")).await;
    let (host, port) = place(&field.endpoints()[0]).rsplit_once(':').unwrap();
    let found = run("node", &[&script("mbus_master.js"), "tcp", host, port]).await;
    let mut found: Vec<String> = serde_json::from_str(&found).unwrap();
    found.sort();
    end(field).await;
    assert_eq!(found, ["15000001130D0104", "17000002130D0104", "83000003130D0104"]);
}

#[tokio::test]
async fn pymeterbus_reads_what_the_ledger_says_by_primary_and_secondary_address_and_over_several_telegrams() {
    if !is_here("pymeterbus") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let field = field(dir.path(), MBUS_LINES).await;
    let read = |port: String, addresses: &'static [&'static str]| async move {
        let script = script("mbus_master.py");
        let arguments = [&[script.as_str(), &port], addresses].concat();
        let told = lines(&run(python("pymeterbus"), &arguments).await);
        let records = |meter: &Value| {
            let telegrams = meter["telegrams"].as_array().unwrap().clone();
            Value::from(telegrams.iter().flat_map(|one| one["records"].as_array().unwrap().clone()).collect::<Vec<_>>())
        };
        told.iter().map(|meter| current(&records(meter), "type", &PYMETERBUS)).collect::<Vec<_>>()
    };
    // This library knows no fixed structure.
    let socket = read(format!("socket://{}", place(&field.endpoints()[0])), &["2", "3", "4", KWH, SECONDARY]).await;
    let serial = read(place(&field.endpoints()[1]).to_owned(), &["1", OTHER]).await;
    let events = end(field).await;
    let meters = ["mj", "gj", "wh", "kwh", "secondary", "one", "other"];
    let read: Vec<_> = meters.into_iter().zip([socket, serial].concat()).collect();
    assert_eq!(read.len(), meters.len());
    compare(&events, &read);
}

const MODBUS_LINES: &str = r#"
[[line]]
name = "ethernet"
kind = "modbus-tcp"
[[line.meter]]
name = "onicon"
dialect = "modbus"
address = "17"
profile = "modbus-onicon-system-10"
[[line]]
name = "gateway"
[[line.meter]]
name = "onicon-gateway"
dialect = "modbus"
address = "17"
profile = "modbus-onicon-system-10"
[[line]]
name = "terminal"
kind = "serial"
[[line.meter]]
name = "belimo"
dialect = "modbus"
address = "18"
profile = "modbus-belimo-energy-valve-4"
valve = true
"#;
/// ONICON System-10: floats from 1004 (power) to 1055 (volume).
const ONICON: (u16, u16) = (1004, 52);
/// Belimo Energy Valve: from 0 (setpoint) to 72 (energy).
const BELIMO: (u16, u16) = (0, 73);

/// What the registers of an ONICON say, by its manual.
fn onicon(registers: &[u16]) -> Read {
    let float = |address: u16| {
        let at = usize::from(address - ONICON.0);
        f64::from(f32::from_bits(u32::from(registers[at]) << 16 | u32::from(registers[at + 1])))
    };
    let fixed = |address, factor: f64| (float(address) * factor).round() as i64;
    BTreeMap::from([
        ("energy", fixed(1042, 3.6e6)),
        ("volume", fixed(1054, 1e6)),
        ("power", fixed(1004, 1e6)),
        ("flow", fixed(1020, 1e6)),
        ("supply", fixed(1030, 1e3)),
        ("return", fixed(1032, 1e3)),
    ])
}

/// What the registers of a Belimo say, by its manual: the low word first.
fn belimo(registers: &[u16]) -> Read {
    let long = |at: usize| i64::from(registers[at]) | i64::from(registers[at + 1]) << 16;
    BTreeMap::from([
        ("energy", long(71) * 3_600_000),
        ("power", long(33) * 1000),
        ("supply", i64::from(registers[19] as i16) * 10),
        ("return", i64::from(registers[21] as i16) * 10),
    ])
}

/// The registers mbpoll prints: `[1004]: \t0x4318`.
async fn mbpoll(arguments: &[&str], unit: &str, (start, count): (u16, u16), place: &str) -> Vec<u16> {
    let (start, count) = (start.to_string(), count.to_string());
    let what = ["-a", unit, "-0", "-r", &start, "-c", &count, "-t", "4:hex", "-o", "3", "-1", place];
    let out = run("mbpoll", &[arguments, &what].concat()).await;
    let printed = out.lines().filter(|line| line.starts_with('[')).filter_map(|line| line.split_once("0x"));
    printed.map(|(_, hex)| u16::from_str_radix(hex.trim(), 16).unwrap()).collect()
}

async fn read_modbus(field: &Field, by: &str) -> Vec<(&'static str, Read)> {
    let [ethernet, gateway, terminal] = field.endpoints() else { panic!("{:?}", field.endpoints()) };
    let (ethernet, gateway, terminal) = (place(ethernet), place(gateway), place(terminal));
    if by == "mbpoll" {
        let (host, port) = ethernet.rsplit_once(':').unwrap();
        let tcp = mbpoll(&["-m", "tcp", "-p", port], "17", ONICON, host).await;
        let rtu = mbpoll(&["-m", "rtu", "-b", "9600", "-P", "even"], "18", BELIMO, terminal).await;
        return vec![("onicon", onicon(&tcp)), ("belimo", belimo(&rtu))];
    }
    let read = |kind: &'static str, place: String, unit: &'static str, (start, count): (u16, u16)| async move {
        let (script, start, count) = (script("modbus_master.py"), start.to_string(), count.to_string());
        let out = run(python("pymodbus"), &[&script, kind, &place, unit, &start, &count]).await;
        serde_json::from_str::<Vec<u16>>(&out).unwrap()
    };
    vec![
        ("onicon", onicon(&read("tcp", ethernet.to_owned(), "17", ONICON).await)),
        ("onicon-gateway", onicon(&read("rtu-over-tcp", gateway.to_owned(), "17", ONICON).await)),
        ("belimo", belimo(&read("serial", terminal.to_owned(), "18", BELIMO).await)),
    ]
}

async fn modbus_is_read_by(name: &str) {
    if !is_here(name) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let field = field(dir.path(), MODBUS_LINES).await;
    let read = read_modbus(&field, name).await;
    compare(&end(field).await, &read);
}

#[tokio::test]
async fn mbpoll_reads_what_the_ledger_says_over_tcp_and_on_a_terminal() {
    modbus_is_read_by("mbpoll").await;
}

#[tokio::test]
async fn pymodbus_reads_what_the_ledger_says_over_tcp_through_a_gateway_and_on_a_terminal() {
    modbus_is_read_by("pymodbus").await;
}

/// A slave of pymodbus with these registers, and where it is.
async fn slave(kind: &str, unit: u8, start: u16, registers: &[u16]) -> (Child, String) {
    let mut command = Command::new(python("pymodbus"));
    let registers = serde_json::to_string(registers).unwrap();
    command.args([script("modbus_server.py"), kind.to_owned(), unit.to_string(), start.to_string(), registers]);
    let mut slave = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(slave.stdout.take().unwrap()).lines();
    let place = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
    (slave, place)
}

#[tokio::test]
async fn the_products_dialogues_read_a_slave_of_pymodbus_over_tcp_through_a_gateway_and_on_a_terminal() {
    if !is_here("pymodbus") {
        return;
    }
    // 123456 kWh, 152.5 kW, 65.12 °C, 41.08 °C, fully open; by the Energy Valve's manual.
    let mut registers = vec![0_u16; 73];
    for (address, value) in
        [(0, 10_000), (4, 10_000), (19, 6512), (21, 4108), (33, 0x53B4), (34, 2), (71, 0xE240), (72, 1)]
    {
        registers[address] = value;
    }
    let expected = Values {
        energy_joule: Some(123_456 * 3_600_000),
        cooling_energy_joule: Some(0),
        power_milliwatt: Some(152_500_000),
        supply_milli_celsius: Some(65_120),
        return_milli_celsius: Some(41_080),
        valve: Some(ValveIs::Open),
        ..Values::default()
    };
    for (kind, framing) in [("tcp", Framing::Tcp), ("rtu-over-tcp", Framing::Rtu), ("serial", Framing::Rtu)] {
        let (slave, place) = slave(kind, 18, 0, &registers).await;
        let scheme = if kind == "serial" { "serial" } else { "tcp" };
        let mut master = Master::on(&format!("{scheme}://{place}")).await;
        let target = target(Dialect::Modbus, "18", Some("modbus-belimo-energy-valve-4"));
        let read = reading(master.ask(&target, Action::ReadNow, framing).await);
        assert_eq!(values(&read), expected, "{kind}");
        // A valve is ordered, and the slave holds the order.
        let ordered = master.ask(&target, Action::ValveClose, framing).await;
        assert!(matches!(ordered, Answer::Accepted { .. }), "{kind}: {ordered:?}");
        if kind != "serial" {
            let out = run(python("pymodbus"), &[&script("modbus_master.py"), kind, &place, "18", "0", "1"]).await;
            assert_eq!(out.trim(), "[0]", "{kind}");
        }
        drop(slave);
    }
}
