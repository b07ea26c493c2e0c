#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod broken;
mod killed;
mod model;
mod promises;
mod served;
mod sorted;

use std::path::Path;
use std::time::Duration;

use prost::Message;
use protocol::api::peer::spool_record::Content;
use protocol::api::peer::{SpoolRecord, SpooledMiss};

use super::{Pulled, Spool};
use crate::config;
use crate::metrics::Metrics;

/// A record that can be told from every other by its meter.
fn record(meter: u64) -> SpoolRecord {
    let miss = SpooledMiss {
        reason: "no-answer".to_owned(),
        detail: "x".repeat(usize::try_from(meter % 7).unwrap()),
        ..SpooledMiss::default()
    };
    SpoolRecord { meter, at: 1000 + meter, content: Some(Content::Miss(miss)), ..SpoolRecord::default() }
}

fn open(dir: &Path) -> Spool {
    Spool::open(dir, &config::Spool::default(), Metrics::default()).unwrap()
}

async fn pull_all(spool: &Spool, after: u64) -> Pulled {
    spool.pull(after, usize::MAX, u64::MAX, Duration::ZERO).await.unwrap()
}

/// The meters of what was pulled.
fn meters(pulled: &Pulled) -> Vec<u64> {
    pulled.records.iter().map(|(_, bytes)| SpoolRecord::decode(bytes.clone()).unwrap().meter).collect()
}
