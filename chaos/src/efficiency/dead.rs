//! What dead meters cost the live ones on their line.
//!
//! ```text
//!   spared     live meters only         delay = from the slot's begin to the meter's reading, in every slot but the
//!   burdened   the same, and dead ones          first ones, in which nobody knows yet who is dead
//! ```
//!
//! Promises: both lines run at the same time under one node; a live meter without a reading in a slot is late, and counted.
//! Refuses: dead meters that answer now and then.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde::Serialize;
use tokio::time::sleep;

use super::Options;
use super::watch::Watch;
use crate::cluster::Cluster;
use crate::field::Field;
use crate::field::config::{Config, LineConfig, Mix};
use crate::judge::facts::Facts;
use crate::ledger::{self, AnswerKind, Event};

/// Line speed, bit/s.
const BAUD: u32 = 9600;
/// Of so many live meters one has a dead one beside it.
const ONE_DEAD_IN: u32 = 10;
/// What a meter has of its slot, s: about twice what a read takes, so that lines are half full.
const SECONDS_A_METER: f64 = 0.5;
/// Slots after which a node knows who is dead.
const LEARNT_AFTER: u32 = 3;
/// For all live meters to be read once.
const FIRST_LIMIT: Duration = Duration::from_secs(120);

/// Delays of the live meters of one line.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Delays {
    /// Slots of live meters looked at.
    pub slots: usize,
    /// Of them without a reading in time.
    pub late: usize,
    /// The middle delay, ms.
    pub median_ms: i64,
    /// 99 of 100 are not longer, ms.
    pub p99_ms: i64,
}

/// Both lines.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Dead {
    /// Live meters on each line.
    pub live: u32,
    /// Dead meters on the burdened one.
    pub dead: u32,
    /// Seconds from slot to slot.
    pub interval_s: u32,
    /// Without dead meters.
    pub spared: Delays,
    /// With them.
    pub burdened: Delays,
}

/// Polls both lines for some slots and compares.
pub(super) async fn run(options: &Options, dir: &Path) -> Result<Dead> {
    let config = config(options, dir)?;
    let field = Field::open(&config).await?;
    let mut watch = Watch::new(&field);
    let cluster = Cluster::start(&options.hearth, dir, 1).await?;
    cluster.import(&config, field.endpoints()).await?;
    let live = |line: &LineConfig| line.named.iter().filter(|m| !m.fault.silent).map(|m| m.name.clone()).collect();
    let names: Vec<HashSet<String>> = config.lines.iter().map(live).collect();
    watch.until_read(names.iter().flatten().cloned().collect(), FIRST_LIMIT).await?;
    let interval = Duration::from_secs(u64::from(config.interval_s));
    let first = slot_after_ms(LEARNT_AFTER, config.interval_s);
    let end = first + i64::from(options.slots) * i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
    sleep(Duration::from_millis(u64::try_from(end - now_ms()).unwrap_or(0))).await;
    drop(cluster);
    field.close().await?;
    let events = ledger::reader::read(&config.dir.join(ledger::FILE_NAME))?;
    let mut delays = names.iter().map(|meters| delays(&events, meters, first, end));
    let (spared, burdened) = (delays.next().unwrap_or_default(), delays.next().unwrap_or_default());
    let dead = dead_count(options);
    Ok(Dead { live: options.meters, dead, interval_s: config.interval_s, spared, burdened })
}

fn dead_count(options: &Options) -> u32 {
    options.meters.div_ceil(ONE_DEAD_IN)
}

fn config(options: &Options, dir: &Path) -> Result<Config> {
    let line = |name: &str, meters| LineConfig {
        name: name.to_owned(),
        baud: BAUD,
        dialect: Mix::Mbus,
        meters,
        ..LineConfig::default()
    };
    let config = Config {
        dir: dir.join("field"),
        seed: options.seed,
        interval_s: (f64::from(options.meters) * SECONDS_A_METER).ceil() as u32,
        offset_s: 0,
        extra_answer_ms: 100,
        repeats: 2,
        valve_travel_ms: 3000,
        lines: vec![line("spared", options.meters), line("burdened", options.meters + dead_count(options))],
    };
    let mut config = config.completed()?;
    // Dead ones among the first addresses: they would go first if nobody cared.
    let burdened = config.lines.iter_mut().filter(|line| line.name == "burdened").flat_map(|line| &mut line.named);
    burdened.take(dead_count(options) as usize).for_each(|meter| meter.fault.silent = true);
    Ok(config)
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// When the slot begins that lies so many slots after the present one, Unix ms.
fn slot_after_ms(slots: u32, interval_s: u32) -> i64 {
    let interval = i64::from(interval_s) * 1000;
    (now_ms() / interval + i64::from(slots)) * interval
}

/// The delays of `meters` in the slots from `first` until `end`, Unix ms.
fn delays(events: &[Event], meters: &HashSet<String>, first: i64, end: i64) -> Delays {
    let facts = Facts::of(events);
    let mut read: HashMap<(&str, i64), i64> = HashMap::new();
    for event in events {
        if let Event::Answer(answer) = event
            && answer.kind == AnswerKind::Reading
            && meters.contains(&answer.meter)
        {
            let moment = answer.at.wall / 1000;
            let slot = facts.slot_ms(&answer.meter, moment);
            read.entry((&answer.meter, slot)).or_insert(moment - slot);
        }
    }
    let interval = meters.iter().next().map_or(1, |meter| facts.interval_ms(meter));
    let due = usize::try_from((end - first) / interval).unwrap_or(0) * meters.len();
    let mut all: Vec<i64> = read.iter().filter(|((_, slot), _)| (first..end).contains(slot)).map(|(_, d)| *d).collect();
    all.sort_unstable();
    let at = |share: f64| all.get(((all.len() as f64 * share) as usize).min(all.len().saturating_sub(1)));
    let (median, p99) = (at(0.5).copied().unwrap_or(0), at(0.99).copied().unwrap_or(0));
    Delays { slots: due, late: due.saturating_sub(all.len()), median_ms: median, p99_ms: p99 }
}
