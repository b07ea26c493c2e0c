//! The quick form: makes up a field's lines where only numbers are given.
//!
//! Promises: the same numbers and seed give the same field; most lines speak one dialect, every [`MIXED_EVERY`]th both.
//! Refuses: faults, except the silent meters asked for.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::config::{Config, LineConfig, LineKind, MeterConfig, Mix, Registration, UnitConfig};

/// Of so many lines one speaks both dialects.
pub const MIXED_EVERY: u32 = 8;
/// Units have the eight digits from here on.
const FIRST_UNIT: u32 = 10_000_001;
/// The number of every unit's card.
const PHONE: &str = "13800138000";
/// Seconds between a unit's heartbeats.
const HEARTBEAT_S: u32 = 10;
/// The pause before a unit calls again, ms.
const RECONNECT_MS: u64 = 500;

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
    /// How many of the lines, the last ones, are behind units that call.
    pub dialin: u32,
    /// The addresses they call, each unit beginning with another.
    pub call: Vec<SocketAddr>,
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
        kind: kind(numbers, index),
        unit: (kind(numbers, index) == LineKind::DialIn).then(|| unit(numbers, index)),
        baud: numbers.baud,
        dialect: mix(index),
        meters: share + u32::from(index < rest),
        ..LineConfig::default()
    }
}

fn kind(numbers: &Numbers, index: u32) -> LineKind {
    match index {
        _ if index < numbers.serial => LineKind::Serial,
        _ if index >= numbers.lines.saturating_sub(numbers.dialin) => LineKind::DialIn,
        _ => LineKind::Tcp,
    }
}

fn unit(numbers: &Numbers, index: u32) -> UnitConfig {
    let mut connect = numbers.call.clone();
    let first = index as usize % connect.len().max(1);
    connect.rotate_left(first);
    UnitConfig {
        id: (FIRST_UNIT + index).to_string(),
        registration: Registration::Digits,
        phone: PHONE.to_owned(),
        connect,
        heartbeat_s: HEARTBEAT_S,
        reconnect_ms: RECONNECT_MS,
        drop_every_s: 0,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(dialin: u32, call: &[&str]) -> Numbers {
        let call = call.iter().map(|address| address.parse().expect("an address")).collect();
        let dir = PathBuf::from("x");
        Numbers { dir, lines: 5, meters: 10, serial: 2, dialin, call, silent: 0, baud: 9600, interval_s: 10, seed: 1 }
    }

    #[test]
    fn the_last_lines_are_behind_units_that_each_begin_with_another_address() {
        let config = config(&numbers(2, &["127.0.0.11:7500", "127.0.0.12:7500"])).expect("a field");
        let kinds: Vec<_> = config.lines.iter().map(|line| line.kind).collect();
        let (serial, tcp, dialin) = (LineKind::Serial, LineKind::Tcp, LineKind::DialIn);
        assert_eq!(kinds, [serial, serial, tcp, dialin, dialin]);
        let units: Vec<_> = config.lines.iter().filter_map(|line| line.unit.as_ref()).collect();
        let [one, other] = units.as_slice() else { unreachable!("{units:?}") };
        assert_ne!((&one.id, one.connect.first()), (&other.id, other.connect.first()));
        assert_eq!((one.connect.len(), other.connect.len()), (2, 2));
    }

    #[test]
    fn units_that_call_nobody_are_refused() {
        assert!(config(&numbers(1, &[])).is_err());
    }
}
