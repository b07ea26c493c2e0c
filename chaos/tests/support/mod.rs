//! Where the programs are that the tests run.

use std::path::{Path, PathBuf};

/// The program under test.
pub const CHAOS: &str = env!("CARGO_BIN_EXE_chaos");

/// The product's binary, where it was built; it has to be on a machine that checks everything.
pub fn hearth() -> Option<PathBuf> {
    let path = Path::new(CHAOS).with_file_name("hearth");
    let is_there = path.is_file();
    let is_checked = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(is_there || !is_checked, "{}: build it first (cargo build -p node)", path.display());
    if !is_there {
        eprintln!("not tested: {} was not built", path.display());
    }
    is_there.then_some(path)
}
