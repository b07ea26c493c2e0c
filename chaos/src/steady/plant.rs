//! The plant of a steady load: its lines and meters, when each is due, and what the product is told of them.
//!
//! ```text
//!   second    0         1         2       ..  interval
//!   due    |0 10 20 ..|1 11 21 ..|2 12 ..         meter n in second n mod interval, spread by its node over that
//!                                                 second and the next, so that every moment has its share
//! ```
//!
//! Promises: the same numbers make the same plant in every process. Refuses: faults; lines that would be the limit.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use clap::Args;
use protocol::api::admin::{ImportLinesRequest, ImportMetersRequest, LineSpec, MeterSpec};

use crate::cluster::{Cluster, whole};
use crate::field::config::{Config, LineConfig, MAX_BAUD, Mix};
use crate::field::physics::mix;

/// Milliseconds over which the meters of one second are spread: over two, so that neighbours overlap and none stands out.
const SPREAD_MS: u32 = 2_000;
/// Intervals whose percentages can say that.
const INTERVALS_S: std::ops::RangeInclusive<u32> = 4..=200;
/// M-Bus has no more primary addresses.
const MOST_ON_A_LINE: u32 = 250;
/// Fewer could not be spread over two seconds.
const LEAST_ON_A_LINE: u32 = 10;
/// Of so many meters one is looked at for latency, at most.
const SAMPLED_ONE_OF: u32 = 100;
/// Where so many are looked at.
const SAMPLED: u32 = 400;
/// Meters in one request of an import.
const IMPORT_ROWS: usize = 5_000;
/// Added to the answer time of the standards, ms: a tired machine is no silent meter.
const EXTRA_ANSWER_MS: u32 = 1_000;

/// The numbers it is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Plant {
    /// Readings due in each second, on average
    #[arg(long, default_value_t = 5_000)]
    pub rate: u32,
    /// Seconds between the slots of each meter
    #[arg(long, default_value_t = 10)]
    pub interval_s: u32,
    /// Meters on each line
    #[arg(long, default_value_t = 100)]
    pub per_line: u32,
    /// Every meter speaks M-Bus (two requests a reading) instead of CJ/T 188 (one)
    #[arg(long)]
    pub mbus: bool,
    /// The seed of all physics
    #[arg(skip)]
    pub seed: u64,
}

impl Plant {
    /// Refuses what cannot be spread evenly, or not be on lines.
    pub fn check(&self) -> Result<()> {
        let Self { rate, interval_s, per_line, .. } = *self;
        ensure!(rate > 0, "--rate 0 measures nothing: ask for at least 1");
        let [least, most] = [INTERVALS_S.start(), INTERVALS_S.end()];
        ensure!(
            INTERVALS_S.contains(&interval_s),
            "--interval-s {interval_s} cannot be spread evenly: use {least} to {most}"
        );
        let is_line = (LEAST_ON_A_LINE..=MOST_ON_A_LINE).contains(&per_line);
        ensure!(is_line, "--per-line {per_line} is no line: use {LEAST_ON_A_LINE} to {MOST_ON_A_LINE}");
        let meters = u64::from(rate) * u64::from(interval_s);
        ensure!(meters <= 1_000_000, "--rate {rate} every {interval_s} s takes {meters} meters: use 1000000 at most");
        Ok(())
    }

    /// How many meters there are.
    pub const fn meters(&self) -> u32 {
        self.rate * self.interval_s
    }

    /// Seconds by which the slots of this meter lie after the multiples of the interval.
    pub const fn offset_s(&self, meter: u32) -> u32 {
        meter % self.interval_s
    }

    /// Whether it is one of those looked at for latency.
    pub fn is_sampled(&self, meter: u32) -> bool {
        let one_of = (self.meters() / SAMPLED).clamp(1, SAMPLED_ONE_OF);
        // Not by counting: those would all be due in the same seconds.
        mix(self.seed ^ u64::from(meter)).is_multiple_of(u64::from(one_of))
    }

    /// As a field is described; meters are numbered in its order.
    pub fn config(&self, dir: &Path) -> Result<Config> {
        let meters = self.meters();
        let lines = meters.div_ceil(self.per_line);
        let (share, rest) = (meters / lines, meters % lines);
        let dialect = if self.mbus { Mix::Mbus } else { Mix::Cjt188 };
        let line = |index| LineConfig {
            name: format!("steady-{:04}", index + 1),
            baud: MAX_BAUD,
            throttle: false,
            dialect,
            meters: share + u32::from(index < rest),
            ..LineConfig::default()
        };
        let config = Config {
            dir: dir.to_owned(),
            seed: self.seed,
            interval_s: self.interval_s,
            offset_s: 0,
            extra_answer_ms: u64::from(EXTRA_ANSWER_MS),
            repeats: 2,
            valve_travel_ms: 3_000,
            lines: (0..lines).map(line).collect(),
        };
        config.completed()
    }

    /// The words of `[polling]` by which a node spreads them.
    pub fn settings(&self) -> String {
        format!("spread_percent = {}\n", SPREAD_MS / (self.interval_s * 10))
    }

    /// Tells the cluster of all lines and meters.
    pub async fn import(&self, cluster: &Cluster, config: &Config, endpoints: &[String]) -> Result<()> {
        let node = cluster.up().next().context("no node runs")?;
        let lines = config.lines.iter().zip(endpoints).map(|(line, endpoint)| line_spec(line, endpoint)).collect();
        let request = ImportLinesRequest { lines, key: "lines".to_owned() };
        whole(&node.lines().import(request).await.context("import of lines")?.into_inner())?;
        let meters: Vec<_> = self.meter_specs(config).collect();
        for (number, part) in meters.chunks(IMPORT_ROWS).enumerate() {
            let request = ImportMetersRequest { meters: part.to_vec(), key: format!("meters-{number}") };
            whole(&node.meters().import(request).await.context("import of meters")?.into_inner())?;
        }
        Ok(())
    }

    fn meter_specs<'a>(&'a self, config: &'a Config) -> impl Iterator<Item = MeterSpec> + 'a {
        let meters = config.lines.iter().flat_map(|line| line.named.iter().map(move |meter| (line, meter)));
        (0..).zip(meters).map(|(number, (line, meter))| MeterSpec {
            name: meter.name.clone(),
            line: line.name.clone(),
            dialect: meter.dialect.clone(),
            address: meter.address.clone(),
            interval_s: self.interval_s,
            offset_s: self.offset_s(number),
            ..MeterSpec::default()
        })
    }
}

fn line_spec(line: &LineConfig, endpoint: &str) -> LineSpec {
    LineSpec {
        name: line.name.clone(),
        endpoint: endpoint.to_owned(),
        baud: line.baud,
        extra_answer_ms: EXTRA_ANSWER_MS,
        ..LineSpec::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLANT: Plant = Plant { rate: 500, interval_s: 10, per_line: 100, mbus: false, seed: 1 };

    #[test]
    fn every_second_has_the_same_number_of_meters_and_its_share_of_those_looked_at() {
        let due = |second| (0..PLANT.meters()).filter(move |meter| PLANT.offset_s(*meter) == second);
        for second in 0..PLANT.interval_s {
            assert_eq!(due(second).count(), 500);
            let sampled = due(second).filter(|meter| PLANT.is_sampled(*meter)).count();
            assert!((20..=60).contains(&sampled), "second {second}: {sampled}");
        }
    }

    #[test]
    fn the_lines_hold_all_meters_and_intervals_that_cannot_be_spread_are_refused() {
        let config = PLANT.config(Path::new("x")).expect("a field");
        let counts: Vec<_> = config.lines.iter().map(|line| line.named.len()).collect();
        assert_eq!((counts.len(), counts.iter().sum::<usize>()), (50, 5_000));
        assert_eq!(PLANT.settings(), "spread_percent = 20\n");
        assert!(Plant { interval_s: 900, ..PLANT }.check().is_err());
        assert!(Plant { per_line: 251, ..PLANT }.check().is_err());
    }
}
