//! How well a node finds meters nobody told it of: a wildcard search of secondary addresses on a slow line.
//!
//! ```text
//!   meters    addresses scattered by the seed --> field, at the line's speed     needed: the probes of a perfect walk
//!   node      the line, imported without meters <-- scan --> who was found
//!   tally     the field's ledger --> probes, answers to several at once, time by physics / time that passed
//! ```
//!
//! What a silent selection may take is the standard's answer time, 330 bit times and 50 ms: the line is told of no extra
//! time, and a master that waits less than the standard has it would lose slow meters. A machine that stalls for longer
//! than that makes meters late and a search miss them: measure on a quiet one. An answer of several meters at
//! once counts as the time of its bytes; what a master waits after it, to be sure that nobody speaks any more, is a loss.
//!
//! Promises: `kept` means that each meter was found once and nobody else; a wait that reached its limit is a failure by
//! name; no process is left behind. Refuses: setting the node up any different from its defaults; judging efficiency.

pub mod meters;
pub mod report;
pub mod tally;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use protocol::api::admin::{FoundMeter, ScanLineRequest, ScanReport};
use tokio::time::timeout;

use crate::cluster::Cluster;
use crate::efficiency;
use crate::field::Field;
use crate::field::config::{Config, LineConfig};
use crate::ledger;
use report::Report;
use tally::Tally;

/// The line's name.
const LINE: &str = "searched";
/// For a line that was just imported to be held.
const HELD_LIMIT: Duration = Duration::from_secs(30);
/// From word to word of a scan: a probe and a read take a fraction of it on the slowest line.
const WORD_LIMIT: Duration = Duration::from_secs(60);

/// What to measure, and on what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The binary of the product.
    pub hearth: PathBuf,
    /// The line's speed, bit/s.
    pub baud: u32,
    /// How many meters are on it.
    pub meters: u32,
    /// The seed of addresses and physics.
    pub seed: u64,
}

impl Options {
    /// The same, with the binary's whole path. Refuses what cannot be measured.
    pub fn checked(self) -> Result<Self> {
        let Self { hearth, baud, meters, seed } = self;
        ensure!(meters <= meters::MOST, "--meters {meters}: a line carries {} at most", meters::MOST);
        let line = efficiency::Options { hearth, bauds: vec![baud], meters, slots: 1, seed }.checked()?;
        Ok(Self { hearth: line.hearth, baud, meters, seed })
    }
}

/// Measures in `dir`, which must be empty.
pub async fn run(options: &Options, dir: &Path) -> Result<Report> {
    let config = config(options, dir).completed()?;
    let field = Field::open(&config).await?;
    let cluster = Cluster::start(&options.hearth, dir, 1).await?;
    cluster.import_lines(&config, field.endpoints()).await?;
    cluster.until_held(HELD_LIMIT).await?;
    let (told, found) = search(&cluster).await?;
    drop(cluster);
    field.close().await?;
    let events = ledger::reader::read(&config.dir.join(ledger::FILE_NAME))?;
    let addresses: Vec<_> =
        config.lines.iter().flat_map(|line| &line.named).map(|meter| meter.address.clone()).collect();
    let needed = meters::needed(&addresses);
    let tally = Tally::of(&events, LINE, options.baud);
    Ok(Report::new(options, needed, tally, &told, &seen(&addresses, &found)))
}

fn config(options: &Options, dir: &Path) -> Config {
    let line = LineConfig {
        name: LINE.to_owned(),
        baud: options.baud,
        named: meters::scattered(options.meters, options.seed),
        ..LineConfig::default()
    };
    Config {
        dir: dir.join("field"),
        seed: options.seed,
        interval_s: 900,
        offset_s: 0,
        extra_answer_ms: 0,
        repeats: 2,
        valve_travel_ms: 3000,
        lines: vec![line],
    }
}

/// Has the node search; its last word, and whom it found.
async fn search(cluster: &Cluster) -> Result<(ScanReport, Vec<FoundMeter>)> {
    let node = cluster.up().next().context("no node runs")?;
    let methods = vec!["secondary".to_owned()];
    let request = ScanLineRequest { name: LINE.to_owned(), methods, ..ScanLineRequest::default() };
    let mut stream = node.lines().scan(request).await.context("a scan of the line")?.into_inner();
    let mut found = Vec::new();
    loop {
        let word = timeout(WORD_LIMIT, stream.message()).await;
        let word = word.with_context(|| format!("no word of the scan within {WORD_LIMIT:?}"))?;
        let mut report = word.context("the scan")?.context("the scan ended without a word")?;
        found.append(&mut report.found);
        if report.over {
            return Ok((report, found));
        }
    }
}

/// How often each of the meters was found, and how many others.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    once: u32,
    missed: u32,
    again: u32,
    strangers: u32,
}

fn seen(addresses: &[String], found: &[FoundMeter]) -> Seen {
    let mut counts: HashMap<&str, u32> = addresses.iter().map(|address| (address.as_str(), 0)).collect();
    let mut seen = Seen::default();
    for meter in found {
        match counts.get_mut(meter.address.as_str()).filter(|_| meter.fault.is_empty()) {
            Some(count) => *count += 1,
            None => seen.strangers += 1,
        }
    }
    for count in counts.into_values() {
        match count {
            0 => seen.missed += 1,
            1 => seen.once += 1,
            _ => seen.again += 1,
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meters_found_twice_not_at_all_or_by_half_are_told_apart() {
        let found = |address: &str, fault: &str| FoundMeter {
            address: address.to_owned(),
            fault: fault.to_owned(),
            ..FoundMeter::default()
        };
        let (addresses, found) = (
            ["a", "b", "c", "d"].map(str::to_owned),
            [found("a", ""), found("b", ""), found("b", ""), found("d", "collision"), found("e", "")],
        );
        assert_eq!(seen(&addresses, &found), Seen { once: 1, missed: 2, again: 1, strangers: 2 });
    }
}
