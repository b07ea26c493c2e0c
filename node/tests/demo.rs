//! The demo as a person runs it: real processes, a real MariaDB, simulated meters with a ledger of their own.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use support::{alone, chaos, demo, eventually, left_behind, printed};

const SMALL: [&str; 8] = ["--nodes", "1", "--lines", "2", "--meters", "4", "--serial", "1"];
/// For a small demo to start, or to end.
const LIMIT: Duration = Duration::from_secs(120);

/// What the valve of a meter did last, by the field's own ledger.
fn valve(dir: &Path, meter: &str) -> Option<String> {
    let ledger = std::fs::read_to_string(dir.join("field/ledger.jsonl")).expect("a ledger");
    let entries = ledger.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let text = |entry: &serde_json::Value, key: &str| Some(entry.get(key)?.as_str()?.to_owned());
    let of_meter = |entry: &serde_json::Value| {
        text(entry, "event").as_deref() == Some("valve") && text(entry, "meter").as_deref() == Some(meter)
    };
    entries.filter(of_meter).filter_map(|entry| text(&entry, "state")).next_back()
}

#[test]
fn a_cluster_that_grows_loses_nodes_leader_and_database_loses_doubles_and_garbles_no_reading() {
    let _alone = alone();
    let outer = tempfile::tempdir().expect("a directory");
    let dir = outer.path().join("demo");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/demo.script");
    let output = demo(&dir, &["--script", script]).output().expect("the demo runs");
    let text = printed(&output);
    println!("{text}");
    assert!(output.status.success(), "{}", output.status);
    for part in ["node-4 started", "a follower", "the leader", "the database greets again", "\nas promised"] {
        assert!(text.contains(part), "\"{part}\" is told");
    }
    for promised in ["missing", "doubled", "wrong value", "overlapping speakers"] {
        let line = text.lines().find(|line| line.trim_start().starts_with(promised)).expect(promised);
        assert_eq!(
            line.trim_start_matches(|c: char| !c.is_ascii_digit()).split_whitespace().next(),
            Some("0"),
            "{line}"
        );
    }
    let verified =
        text.lines().find_map(|line| line.split_once("valve-close for ")?.1.split_once(" verified")).expect("a valve");
    assert_eq!(valve(&dir, verified.0).as_deref(), Some("closed"), "the meter itself closed its valve");
    assert_eq!(left_behind(&dir), Vec::<String>::new());
}

#[test]
fn a_failing_step_ends_the_demo_with_its_name_and_code_1_and_leaves_nothing() {
    let _alone = alone();
    let outer = tempfile::tempdir().expect("a directory");
    let (dir, script) = (outer.path().join("demo"), outer.path().join("script"));
    std::fs::write(&script, "await readings 1\nkill node 7\n").expect("a script");
    let mut args = SMALL.to_vec();
    args.extend(["--script", script.to_str().expect("a plain path")]);
    let output = demo(&dir, &args).output().expect("the demo runs");
    let text = printed(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("script line 2: kill node 7: there is no node-7: the demo has node-1"), "{text}");
    assert_eq!(left_behind(&dir), Vec::<String>::new());
}

/// Starts a small demo and reads what it says until a line contains `word`.
fn started(dir: &Path, word: &str) -> (std::process::Child, BufReader<std::process::ChildStdout>) {
    let mut child = demo(dir, &SMALL).stdout(Stdio::piped()).spawn().expect("the demo starts");
    let mut said = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut heard = String::new();
    while !heard.contains(word) {
        assert_ne!(said.read_line(&mut heard).expect("a line"), 0, "ended before \"{word}\": {heard}");
    }
    (child, said)
}

#[test]
fn a_demo_that_is_killed_takes_its_processes_with_it() {
    let _alone = alone();
    let outer = tempfile::tempdir().expect("a directory");
    let dir = outer.path().join("demo");
    let (mut child, _said) = started(&dir, "registered");
    assert!(left_behind(&dir).len() >= 3, "database, field and node: {:?}", left_behind(&dir));
    child.kill().expect("killed");
    child.wait().expect("gone");
    eventually("no process is left", LIMIT, || left_behind(&dir).is_empty());
}

#[test]
fn a_demo_that_is_asked_to_end_judges_what_it_has_and_leaves_nothing() {
    let _alone = alone();
    let outer = tempfile::tempdir().expect("a directory");
    let dir = outer.path().join("demo");
    let (mut child, mut said) = started(&dir, "first reading stored");
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("an id")).expect("an id");
    kill_process(pid, Signal::TERM).expect("asked");
    let mut rest = String::new();
    said.read_to_string(&mut rest).expect("its last words");
    assert!(child.wait().expect("gone").success(), "{rest}");
    assert!(rest.contains("nothing is left running") && rest.contains("as promised"), "{rest}");
    assert_eq!(left_behind(&dir), Vec::<String>::new());
}

#[test]
fn on_a_terminal_there_is_a_screen_that_quits_on_q() {
    let _alone = alone();
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&master).and_then(|()| unlockpt(&master)).expect("a terminal");
    tcsetwinsize(&master, Winsize { ws_row: 30, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 }).expect("a size");
    let name = ptsname(&master, Vec::new()).expect("a name").into_string().expect("a plain name");
    let slave = || Stdio::from(std::fs::File::options().read(true).write(true).open(&name).expect("the terminal"));
    let mut command = Command::new(support::HEARTH);
    command.arg("demo").args(SMALL).env("HEARTH_CHAOS", chaos()).env("TERM", "xterm");
    let mut child = command.stdin(slave()).stdout(slave()).stderr(slave()).spawn().expect("the demo starts");
    drop(command);

    let mut terminal = std::fs::File::from(master);
    let mut shown = String::new();
    let mut bytes = [0; 4096];
    let mut has_quit = false;
    // The terminal's end is an error once nobody holds its other side.
    while let Ok(count) = terminal.read(&mut bytes) {
        shown.push_str(&String::from_utf8_lossy(bytes.get(..count).unwrap_or_default()));
        if !has_quit && shown.contains("polls/s") && shown.contains("quit") {
            terminal.write_all(b"q").expect("a key");
            has_quit = true;
        }
    }
    assert!(has_quit, "{shown}");
    let status = child.wait().expect("gone");
    assert!(shown.contains("nothing is left running") && shown.contains("is gone"), "{status}: {shown}");
}
