//! How well a node uses slow lines: one process of the product, meters on lines of true speed.
//!
//! ```text
//!   busy      one line a speed, all its meters due at once --> account: time by physics / time that passed
//!   dead      two lines alike, one with dead meters beside --> delays: how late is each live meter in its slot
//! ```
//!
//! Promises: times are the simulated meters' own, from the first byte of a question to the last of an answer; a wait that reached
//! its limit is a failure by name; no process is left behind. Refuses: setting the node up any different from its
//! defaults; judging the figures other than that every live meter was read.

pub mod account;
pub mod busy;
pub mod dead;
pub mod report;
pub mod watch;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::field::config::{MAX_BAUD, MIN_BAUD};
use report::Report;

/// What to measure, and on what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The binary of the product.
    pub hearth: PathBuf,
    /// The speeds of the busy lines, bit/s.
    pub bauds: Vec<u32>,
    /// Live meters on each line.
    pub meters: u32,
    /// Slots looked at on the lines with and without dead meters.
    pub slots: u32,
    /// The seed of physics.
    pub seed: u64,
}

impl Options {
    /// The same, with the binary's whole path. Refuses what cannot be measured.
    pub fn checked(self) -> Result<Self> {
        let Self { hearth, bauds, meters, slots, .. } = &self;
        ensure!(hearth.is_file(), "hearth binary {}: no such file: build it, or name it by --hearth", hearth.display());
        ensure!(!bauds.is_empty(), "--baud names no line: name at least one speed");
        let wrong = bauds.iter().find(|baud| !(MIN_BAUD..=MAX_BAUD).contains(*baud));
        ensure!(wrong.is_none(), "--baud {}: expected {MIN_BAUD} to {MAX_BAUD}", wrong.copied().unwrap_or_default());
        ensure!(*meters > 0, "--meters 0 measures nothing: ask for at least 1");
        ensure!(*slots > 0, "--slots 0 measures nothing: ask for at least 1");
        // A bare name would be looked for in the PATH.
        let hearth = hearth.canonicalize().with_context(|| format!("hearth binary {}", hearth.display()))?;
        Ok(Self { hearth, ..self })
    }
}

/// Measures in `dir`, which must be empty.
pub async fn run(options: &Options, dir: &Path) -> Result<Report> {
    let busy = busy::run(options, &dir.join("busy")).await.context("busy lines")?;
    let dead = dead::run(options, &dir.join("dead")).await.context("lines with dead meters")?;
    Ok(Report::new(options, busy, dead))
}
