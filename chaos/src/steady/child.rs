//! The process of a field of steady load, as the measurement sees it.
//!
//! Promises: it ends with this program, however that ends. Refuses: a field that cannot be reached within [`START_LIMIT`].

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::field::READY;
use super::plant::Plant;

const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// The process.
#[derive(Debug)]
pub struct FieldProcess {
    /// Where its lines are, in the plant's order.
    pub endpoints: Vec<String>,
    child: Child,
}

impl FieldProcess {
    /// Starts it; its notes go into `dir`.
    pub async fn start(plant: &Plant, dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("field directory {}", dir.display()))?;
        let Plant { rate, interval_s, per_line, mbus, seed } = plant;
        let numbers = [("--rate", u64::from(*rate)), ("--interval-s", (*interval_s).into())];
        let numbers = numbers.into_iter().chain([("--per-line", (*per_line).into()), ("--seed", *seed)]);
        let mut command = Command::new(std::env::current_exe().context("this program's own path")?);
        command.arg("steady-field").arg("--dir").arg(dir).args(mbus.then_some("--mbus"));
        command.args(numbers.flat_map(|(name, number)| [name.to_owned(), number.to_string()]));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("the field's process")?;
        let said = BufReader::new(child.stdout.take().context("the field's output")?);
        let endpoints = timeout(START_LIMIT, endpoints(said)).await.context("the field is not ready in time")??;
        Ok(Self { endpoints, child })
    }

    /// Its process id.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Has it answer nothing more and complete its notes.
    pub async fn stop(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        let ended = timeout(STOP_LIMIT, self.child.wait()).await.context("the field does not end")?;
        ensure!(ended.context("the field's end")?.success(), "the field failed: see what it said");
        Ok(())
    }
}

async fn endpoints(said: BufReader<tokio::process::ChildStdout>) -> Result<Vec<String>> {
    let (mut lines, mut endpoints) = (said.lines(), Vec::new());
    loop {
        let line = lines.next_line().await.context("the field's output")?.context("the field ended")?;
        if line == READY {
            return Ok(endpoints);
        }
        endpoints.push(line);
    }
}
