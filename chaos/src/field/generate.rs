//! The quick form: makes up a field's lines where only numbers are given.
//!
//! Promises: the same numbers and seed give the same field; most lines speak one dialect, every [`MIXED_EVERY`]th both.
//! Refuses: faults, except the silent meters asked for.

use std::path::PathBuf;

use super::config::{Config, LineConfig, LineKind, MeterConfig, Mix};

/// Of so many lines one speaks both dialects.
pub const MIXED_EVERY: u32 = 8;

/// The numbers of the quick form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers {
    /// Where files appear.
    pub dir: PathBuf,
    /// How many lines.
    pub lines: u32,
    /// How many meters in all.
    pub meters: u32,
    /// How many of the lines are pseudo-terminals.
    pub serial: u32,
    /// How many meters never answer.
    pub silent: u32,
    /// Line speed, bit/s.
    pub baud: u32,
    /// Seconds between slots.
    pub interval_s: u32,
    /// The seed of all physics.
    pub seed: u64,
}

/// The config of the quick form.
pub fn config(numbers: &Numbers) -> anyhow::Result<Config> {
    let lines = (0..numbers.lines).map(|index| line(numbers, index)).collect();
    let config = Config {
        dir: numbers.dir.clone(),
        seed: numbers.seed,
        interval_s: numbers.interval_s,
        offset_s: 0,
        extra_answer_ms: 300,
        repeats: 2,
        valve_travel_ms: 3000,
        lines,
    };
    let mut config = config.completed()?;
    silence(&mut config, numbers.silent);
    Ok(config)
}

fn line(numbers: &Numbers, index: u32) -> LineConfig {
    let share = numbers.meters / numbers.lines.max(1);
    let rest = numbers.meters % numbers.lines.max(1);
    LineConfig {
        name: format!("line-{:03}", index + 1),
        kind: if index < numbers.serial { LineKind::Serial } else { LineKind::Tcp },
        baud: numbers.baud,
        dialect: mix(index),
        meters: share + u32::from(index < rest),
        ..LineConfig::default()
    }
}

fn mix(index: u32) -> Mix {
    match index {
        _ if index % MIXED_EVERY == MIXED_EVERY - 1 => Mix::Mixed,
        _ if index.is_multiple_of(2) => Mix::Mbus,
        _ => Mix::Cjt188,
    }
}

/// Silences meters spread over all lines: the last of each, then the last but one of each.
fn silence(config: &mut Config, count: u32) {
    let mut left = count;
    let longest = config.lines.iter().map(|line| line.named.len()).max().unwrap_or(0);
    for from_end in 1..=longest {
        for meter in config.lines.iter_mut().filter_map(|line| from_last(line, from_end)) {
            if left == 0 {
                return;
            }
            meter.fault.silent = true;
            left -= 1;
        }
    }
}

fn from_last(line: &mut LineConfig, from_end: usize) -> Option<&mut MeterConfig> {
    line.named.iter_mut().rev().nth(from_end - 1)
}
