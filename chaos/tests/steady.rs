//! The field of a steady load, in its own process: every meter answers, and every answer is noted.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use protocol::cjt188::frame::{ANYONE, Frame, Scanner, control};

const CHAOS: &str = env!("CARGO_BIN_EXE_chaos");
const METERS: usize = 10;
const NOTE_BYTES: u64 = 39;

#[test]
fn every_meter_of_a_line_answers_and_each_answer_is_noted_before_the_field_ends() {
    let dir = tempfile::tempdir().unwrap();
    let numbers = ["--rate", "5", "--interval-s", "4", "--per-line", "10", "--seed", "1", "--dir"];
    let mut field = Command::new(CHAOS);
    field.arg("steady-field").args(numbers).arg(dir.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut field = field.spawn().unwrap();
    let said: Vec<_> = BufReader::new(field.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .take_while(|line| line != "ready")
        .collect();
    let [first, _] = said.as_slice() else { unreachable!("{said:?}") };

    let mut line = TcpStream::connect(first.strip_prefix("tcp://").unwrap()).unwrap();
    line.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let request = Frame { meter_type: 0x20, address: ANYONE, control: control::READ, data: vec![0x90, 0x1F, 1] };
    line.write_all(&request.encode()).unwrap();
    let (mut scanner, mut answers, mut buffer) = (Scanner::new(), 0, [0; 1024]);
    while answers < METERS {
        let count = line.read(&mut buffer).unwrap();
        scanner.push(buffer.get(..count).unwrap());
        answers += std::iter::from_fn(|| scanner.next()).filter(Result::is_ok).count();
    }
    drop(field.stdin.take());
    assert!(field.wait().unwrap().success());
    // Beside the answers: that the last was in flight, and the end.
    let noted = std::fs::metadata(dir.path().join("answers")).unwrap().len();
    assert_eq!(noted, (METERS as u64 + 2) * NOTE_BYTES);
}

#[test]
fn a_load_that_cannot_be_spread_evenly_is_refused_by_name() {
    for wrong in [["--rate", "0"], ["--interval-s", "900"], ["--per-line", "5"]] {
        let output =
            Command::new(CHAOS).arg("steady").args(wrong).arg("--hearth").arg(Path::new(CHAOS)).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(&wrong.join(" ")), "{said}");
    }
}
