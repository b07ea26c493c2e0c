//! A real node is asked who is on the lines of a field: every way of looking, and what a trace shows of it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod common;
mod support;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use chaos::cluster::Cluster;
use chaos::field::Field;
use serde_json::Value;
use support::hearth;

const HELD_LIMIT: Duration = Duration::from_secs(30);
const MODBUS_PROFILE: &str = "modbus-onicon-system-10";

/// A field, and a node that has its lines and knows of no meter.
struct Scene {
    hearth: PathBuf,
    cluster: Cluster,
    _field: Field,
}

impl Scene {
    async fn of(hearth: PathBuf, dir: &Path, lines: &str) -> Self {
        let config = common::config(&dir.join("field"), &format!("extra_answer_ms = 50\n{lines}"));
        let field = Field::open(&config).await.unwrap();
        let cluster = Cluster::start(&hearth, dir, 1).await.unwrap();
        cluster.import_lines(&config, field.endpoints()).await.unwrap();
        cluster.until_held(HELD_LIMIT).await.unwrap();
        Self { hearth, cluster, _field: field }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.hearth);
        command.args(args).arg("--at").arg(self.cluster.nodes()[0].address.to_string()).stdin(Stdio::null());
        command
    }

    /// The field lives in this process: the wait must not hold it up.
    async fn run(&self, args: &[&str]) -> Output {
        let mut command = self.command(args);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// The meters of a scan that looked at everything.
    async fn scan(&self, args: &[&str]) -> Vec<Value> {
        let output = self.run(&[&["scan"], args, &["-o", "json"]].concat()).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let scan: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(scan["complete"], true, "{scan:#}");
        scan["meters"].as_array().unwrap().clone()
    }

    /// A trace that has begun.
    fn trace(&self, line: &str) -> Trace {
        let mut child = self.command(&["line", "trace", line, "-o", "json"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut rows = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = rows.next().unwrap().unwrap();
        assert!(first.contains("owns the line"), "{first}");
        Trace { child, rows: Box::new(rows.map_while(Result::ok)) }
    }
}

/// What is heard of a line.
struct Trace {
    child: Child,
    rows: Box<dyn Iterator<Item = String>>,
}

impl Trace {
    /// The next row that says so.
    fn row(&mut self, text: &str) -> Value {
        let rows = self.rows.by_ref().map(|row| serde_json::from_str::<Value>(&row).unwrap());
        rows.into_iter().find(|row| row["text"].as_str().is_some_and(|told| told.contains(text))).unwrap()
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn meter(name: &str, dialect: &str, address: &str, more: &str) -> String {
    format!("[[line.meter]]\nname = \"{name}\"\ndialect = \"{dialect}\"\naddress = \"{address}\"\n{more}\n")
}

fn line(name: &str, kind: &str) -> String {
    format!("[[line]]\nname = \"{name}\"\nkind = \"{kind}\"\nbaud = 0\n")
}

fn slaves(units: &[u8]) -> String {
    let profile = format!("profile = \"{MODBUS_PROFILE}\"");
    units.iter().map(|unit| meter(&format!("s{unit}-{}", units.len()), "modbus", &unit.to_string(), &profile)).collect()
}

fn told<'a>(meters: &'a [Value], key: &str) -> Vec<&'a str> {
    let mut told: Vec<_> = meters.iter().map(|meter| meter[key].as_str().unwrap_or_default()).collect();
    told.sort_unstable();
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_finds_everybody_with_their_model_and_two_of_one_address_by_their_fabrication_numbers() {
    let Some(hearth) = hearth() else { return };
    let dir = tempfile::tempdir().unwrap();
    let twin = |name: &str, number: &str, fault: &str| {
        meter(name, "mbus", "876543210D130104", &format!("mbus = {{ fabrication = \"{number}\" }}\n{fault}"))
    };
    let lines = line("north", "tcp")
        + &meter("one", "mbus", "123456780D130104", "")
        + &meter("other", "mbus", "223456790D130104", "")
        // SVM, version 8, heat: a model of the catalogue.
        + &meter("model", "mbus", "556677884ECD0804", "")
        + &line("twins", "tcp")
        + &twin("first", "10000000", "")
        + &twin("second", "20000000", "fault = { shares_address = true }");
    let scene = Scene::of(hearth, dir.path(), &lines).await;
    let file = dir.path().join("found.csv");
    let path = file.to_str().unwrap();
    let found = scene.scan(&["north", "--method", "secondary", "--import-file", path]).await;
    assert_eq!(told(&found, "secondary"), ["123456780D130104", "223456790D130104", "556677884ECD0804"]);
    assert_eq!(told(&found, "profile"), ["", "", "mbus-elster-f2"]);
    assert!(found.iter().all(|meter| meter["fault"].is_null()), "{found:?}");
    let rows = std::fs::read_to_string(&file).unwrap();
    assert!(rows.contains("north-55667788,north,mbus,556677884ECD0804,mbus-elster-f2,900,0,false"), "{rows}");
    let imported = scene.run(&["meter", "import", path]).await;
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));

    let twins =
        scene.scan(&["twins", "--method", "secondary", "--mask", "8765432F", "--import-file", path, "-y"]).await;
    assert_eq!(told(&twins, "secondary"), ["876543210D130104-10000000", "876543210D130104-20000000"]);
    assert!(twins.iter().all(|meter| meter["fault"].is_null() && meter["identity"]["id"] == "87654321"), "{twins:?}");
    let imported = scene.run(&["meter", "import", path]).await;
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let known = scene.scan(&["twins", "--method", "secondary", "--mask", "8765432F"]).await;
    assert_eq!(told(&known, "known"), ["twins-87654321-10000000", "twins-87654321-20000000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn modbus_slaves_are_found_in_the_frames_of_their_line_and_a_trace_tells_these_in_words() {
    let Some(hearth) = hearth() else { return };
    let dir = tempfile::tempdir().unwrap();
    let lines = line("rtu", "tcp") + &slaves(&[1, 2, 3, 9]) + &line("mbap", "modbus-tcp") + &slaves(&[1, 2, 4, 6, 8]);
    let scene = Scene::of(hearth, dir.path(), &lines).await;
    for (line, expected, digits) in
        [("rtu", &["1", "2", "3", "9"][..], 2 * 8), ("mbap", &["1", "2", "4", "6", "8"][..], 2 * 12)]
    {
        let mut trace = scene.trace(line);
        let found = scene.scan(&[line, "--method", "modbus", "--to", "10"]).await;
        assert_eq!(told(&found, "address"), expected, "{line}");
        let asked = trace.row(" of unit 2");
        assert_eq!((&asked["asker"]["kind"], &asked["protocol"]), (&"scan".into(), &"modbus".into()), "{asked}");
        assert_eq!(asked["hex"].as_str().map(str::len), Some(digits), "{asked}");
        let answer = trace.row("unit 2: ");
        assert_eq!((&answer["direction"], &answer["protocol"]), (&"heard".into(), &"modbus".into()), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cjt188_meter_alone_on_its_line_tells_its_address_and_its_model() {
    let Some(hearth) = hearth() else { return };
    let dir = tempfile::tempdir().unwrap();
    let lines = line("flat", "tcp") + &meter("alone", "cjt188", "11110000000042", "");
    let scene = Scene::of(hearth, dir.path(), &lines).await;
    let mut trace = scene.trace("flat");
    let found = scene.scan(&["flat", "--method", "cjt188"]).await;
    assert_eq!(told(&found, "address"), ["11110000000042"]);
    assert_eq!(told(&found, "profile"), ["cjt188-maker-1111"]);
    let answer = trace.row("11110000000042");
    assert_eq!((&answer["direction"], &answer["protocol"]), (&"heard".into(), &"cjt188".into()), "{answer}");
    let table = scene.run(&["scan", "flat", "--method", "cjt188"]).await;
    assert!(String::from_utf8_lossy(&table.stdout).contains("cjt188-maker-1111"));
}
