//! Lines whose meters are all due at once: is there a moment in which nobody speaks?
//!
//! Promises: each meter is read once, in one go, however slow its line. Refuses: repeated slots: the interval is longer than
//! the run.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde::Serialize;

use super::Options;
use super::account::Account;
use super::watch::Watch;
use crate::cluster::Cluster;
use crate::field::Field;
use crate::field::config::{Config, LineConfig, Mix};
use crate::field::pace::Pace;
use crate::ledger;

/// A slot that is neither just begun nor soon over: two days, s.
const INTERVAL_S: u32 = 2 * 24 * 3600;
/// The extra answer time told to the product, ms.
const EXTRA_ANSWER_MS: u64 = 100;
/// What one meter may take: an exchange on the slowest line of all takes less than half of it.
const METER_LIMIT: Duration = Duration::from_secs(20);

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Busy {
    /// Its speed, bit/s.
    pub baud: u32,
    /// What its time went to.
    pub account: Account,
    /// Time by physics / time that passed without the meters' lag.
    pub efficiency: f64,
}

/// Reads all meters once and accounts for each line's time.
pub(super) async fn run(options: &Options, dir: &Path) -> Result<Vec<Busy>> {
    let config = config(options, dir).completed()?;
    let field = Field::open(&config).await?;
    let mut watch = Watch::new(&field);
    let cluster = Cluster::start(&options.hearth, dir, 1).await?;
    cluster.import(&config, field.endpoints()).await?;
    let meters: HashSet<String> = config.lines.iter().flat_map(|line| &line.named).map(|m| m.name.clone()).collect();
    watch.until_read(meters, METER_LIMIT * options.meters).await?;
    drop(cluster);
    field.close().await?;
    let events = ledger::reader::read(&config.dir.join(ledger::FILE_NAME))?;
    let busy = config.lines.iter().map(|line| {
        let account = Account::of(&events, &line.name, Pace::new(line.baud, Duration::ZERO));
        Busy { baud: line.baud, account, efficiency: account.efficiency() }
    });
    Ok(busy.collect())
}

fn config(options: &Options, dir: &Path) -> Config {
    let line = |baud: &u32| LineConfig {
        name: format!("busy-{baud}"),
        baud: *baud,
        dialect: Mix::Mbus,
        meters: options.meters,
        ..LineConfig::default()
    };
    Config {
        dir: dir.join("field"),
        seed: options.seed,
        interval_s: INTERVAL_S,
        offset_s: half_an_interval_ago(),
        extra_answer_ms: EXTRA_ANSWER_MS,
        repeats: 2,
        valve_travel_ms: 3000,
        lines: options.bauds.iter().map(line).collect(),
    }
}

/// The offset of slots that began half an interval ago.
fn half_an_interval_ago() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let interval = u64::from(INTERVAL_S);
    u32::try_from((now + interval / 2) % interval).unwrap_or(0)
}
