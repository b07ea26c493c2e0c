//! What the demo's tests have in common: the programs, a demo as a process, and a look at what it left behind.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The program under test.
pub(crate) const HEARTH: &str = env!("CARGO_BIN_EXE_hearth");

/// One demo at a time: each fills the machine.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The simulated meters, beside the program under test; built if this test was asked for alone.
pub(crate) fn chaos() -> PathBuf {
    let beside = Path::new(HEARTH).with_file_name("chaos");
    if !beside.is_file() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--locked", "-p", "chaos", "--bin", "chaos"]);
        if beside.parent().is_some_and(|folder| folder.ends_with("release")) {
            build.arg("--release");
        }
        let built = build.status().expect("cargo runs");
        assert!(built.success() && beside.is_file(), "chaos is built at {}", beside.display());
    }
    beside
}

/// A demo that keeps its data in `dir`.
pub(crate) fn demo(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(HEARTH);
    command.arg("demo").arg("--keep").arg(dir).args(args).env("HEARTH_CHAOS", chaos()).stdin(Stdio::null());
    command
}

/// What a program printed.
pub(crate) fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The command lines of all processes that were started for the demo in `dir`.
pub(crate) fn left_behind(dir: &Path) -> Vec<String> {
    let mark = dir.display().to_string();
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(&mark)).collect()
}

/// Looks until `is` is so, and fails with `what` where it is not within the limit.
pub(crate) fn eventually(what: &str, limit: Duration, is: impl Fn() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
