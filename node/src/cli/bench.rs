//! `hearth bench`: what a measurement needs from inside a node.
//!
//! Promises: a spool is filled only where it is empty, and only with readings of meters whose numbers begin far above
//! those a cluster gives. Refuses: measuring: a stranger does that (`chaos drain`).

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use futures::future::try_join_all;
use protocol::api::peer::spool_record::{Content, Kind};
use protocol::api::peer::{SpoolRecord, SpooledReading, SpooledValue};

use crate::config::{self, Config};
use crate::metrics::Metrics;
use crate::spool::Spool;

/// The number before the first meter's.
const METERS_FROM: u64 = 1 << 40;
const SLOT_MS: u64 = 15 * 60 * 1000;
/// Records in one durable commit.
const COMMIT: usize = 5_000;
/// Bytes of a telegram.
const RAW_BYTES: u64 = 60;

/// What a measurement needs.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The node's configuration; the node must not run.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Puts readings of meters there are none of into this node's spool, slot after slot.
    FillSpool(FillArgs),
}

#[derive(Debug, clap::Args)]
struct FillArgs {
    /// The number of the first meter.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// How many meters.
    #[arg(long)]
    meters: u64,
    /// Readings of each, 15 minutes apart.
    #[arg(long)]
    slots: u64,
    /// The first slot, Unix ms.
    #[arg(long)]
    from: u64,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let config = Config::load(&args.config)?;
    let Command::FillSpool(fill) = &args.command;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(fill_spool(&config, fill))
}

async fn fill_spool(config: &Config, fill: &FillArgs) -> anyhow::Result<()> {
    let limits = config::Spool { batch_records: COMMIT, queue: COMMIT, ..config.spool.clone() };
    let spool = Spool::open(&config.node.data_dir, &limits, Metrics::default())?;
    let held = spool.pressure().records;
    ensure!(
        held == 0,
        "the spool in {} holds {held} records: only an empty one is filled",
        config.node.data_dir.display()
    );
    let meters: Vec<_> = (fill.first..fill.first + fill.meters).collect();
    for slot in (0..fill.slots).map(|number| fill.from + number * SLOT_MS) {
        for meters in meters.chunks(COMMIT) {
            let records: Vec<_> = meters.iter().map(|meter| record(*meter, slot)).collect();
            try_join_all(records.iter().map(|record| spool.append(record))).await.context("the spool")?;
        }
    }
    spool.close().await;
    Ok(())
}

/// What a heat meter says every 15 minutes.
fn record(meter: u64, slot: u64) -> SpoolRecord {
    let number = slot / SLOT_MS + meter * 7919;
    let value = |quantity: u32, value: u64| SpooledValue { quantity, value: i64::try_from(value).unwrap_or(i64::MAX) };
    let reading = SpooledReading {
        values: vec![
            value(1, number * 3_600_000),
            value(3, number * 1_000),
            value(4, 4_000_000 + number % 1_000_000),
            value(5, 350_000 + number % 50_000),
            value(6, 65_000 + number % 9_000),
            value(7, 40_000 + number % 7_000),
            value(8, 25_000 + number % 2_000),
            value(9, number * 900),
        ],
        meter_time: "2026-11-26T10:00:00".to_owned(),
        valve: 1,
        quality: 0,
        raw: (0..RAW_BYTES).map(|place| (number.wrapping_mul(place + 31) >> 3) as u8).collect(),
        identity: format!("{:08}", meter % 100_000_000),
        shape: 1,
    };
    SpoolRecord {
        meter: METERS_FROM + meter,
        line: 1 + meter / 50,
        epoch: 1,
        node: 1,
        slot,
        kind: Kind::Scheduled.into(),
        at: slot + 1_000 + meter % 20_000,
        attempts: 1,
        content: Some(Content::Reading(reading)),
        command: 0,
        origin: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_spool_that_is_not_empty_is_not_filled() {
        let dir = tempfile::tempdir().expect("a folder");
        let text = format!("[node]\nname = \"a\"\ndata_dir = \"{}\"", dir.path().display());
        let config: Config = toml::from_str(&text).expect("sound");
        let fill = FillArgs { first: 0, meters: 7, slots: 3, from: 1_795_424_400_000 };
        fill_spool(&config, &fill).await.expect("filled");
        let spool = Spool::open(dir.path(), &config.spool, Metrics::default()).expect("open");
        assert_eq!(spool.pressure().records, 21);
        spool.close().await;
        let error = fill_spool(&config, &fill).await.expect_err("not empty").to_string();
        assert!(error.contains("holds 21 records"), "{error}");
    }
}
