//! What a field is made of: its lines, their meters, their faults.
//!
//! Promises: a file that is accepted describes a field that can be served. Refuses: unknown keys, names given twice,
//! addresses that do not fit their dialect.
//!
//! ```toml
//! dir = "field"            # lines.csv, meters.csv, ledger.jsonl and the ttyN links appear here
//! seed = 1
//! interval_s = 10
//! extra_answer_ms = 300    # told to the product; also what a tired machine may take
//! [[line]]
//! name = "north"
//! kind = "tcp"             # or "serial", "dialin", "modbus-tcp"
//! port = 0                 # 0: any free one
//! baud = 9600              # 0, or throttle = false: bytes take no time
//! dialect = "mixed"        # of the generated meters: mbus, cjt188, modbus, mixed
//! meters = 20              # generated, besides those named below
//! echo = true              # requests come back before the answer
//! fault = { noise = true } # of every meter of the line that has none of its own
//! [[line.meter]]
//! name = "north-boiler"
//! dialect = "mbus"
//! address = "200"          # or a secondary address: 16 hex digits
//! valve = true
//! mbus = { secondary = "123456780D130104", fabrication = "87654321", telegrams = 3 }  # or { fixed = true }
//! fault = { damaged_every = 5, slow_valve_ms = 60000, jammed_valve = true }
//! [[line.meter]]
//! name = "north-flat"
//! dialect = "cjt188"
//! address = "11110000000042"
//! cjt188 = { layout = "B", measures = "heat", di = "901F", ser = "12" }  # A..E; water, gas; both, 1F90; echo, 00
//! fault = { garbled_every = 2, truncated_every = 3, clock_off_s = -86400, steps_back_every = 10 }
//! [[line.meter]]
//! name = "north-flat-twin"
//! dialect = "cjt188"
//! address = "11110000000042"
//! fault = { shares_address = true, late_ms = 0 }   # or { silent = true }, { late_ms = 3000 }, { stuck_ack = true }
//! [[line]]
//! name = "south"
//! kind = "dialin"
//! fault = { heartbeat_inside_every = 4 }
//! [line.unit]
//! id = "12345678"
//! registration = "digits"  # or "sim", "wrapped", "headed", "prefix"
//! phone = "13800138000"
//! connect = ["127.0.0.1:7500", "127.0.0.1:7501"]
//! heartbeat_s = 60
//! reconnect_ms = 1000
//! drop_every_s = 0         # hangs up after so long; 0 never
//! [[line.meter]]
//! name = "south-plant"
//! dialect = "modbus"
//! address = "1"
//! profile = "modbus-onicon-system-10"
//! [[line.meter]]
//! name = "south-old"
//! dialect = "mbus"
//! address = "7"
//! mbus = { telegrams = 2 }
//! fault = { repeats_last = true }
//! ```
//!
//! The words of faults are in [`Fault`], those of meters in [`MeterConfig`], those of units in [`UnitConfig`].

mod counted;
mod fault;
mod kind;
mod line;
mod meter;
mod plantable;
mod unit;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

pub use fault::Fault;
pub use kind::{LineKind, Mix};
pub use line::{LineConfig, MAX_BAUD, MIN_BAUD};
pub use meter::{CjtOptions, DiOrder, Layout, MbusOptions, Measures, MeterConfig, Ser};
pub use unit::{Registration, UnitConfig};

/// A whole field.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where files appear.
    pub dir: PathBuf,
    /// The seed of all physics.
    #[serde(default)]
    pub seed: u64,
    /// Seconds between the slots of each meter.
    #[serde(default = "ten")]
    pub interval_s: u32,
    /// Seconds by which slots lie after the multiples of the interval.
    #[serde(default)]
    pub offset_s: u32,
    /// Extra answer time told to the product, ms.
    #[serde(default = "extra")]
    pub extra_answer_ms: u64,
    /// Repeats told to the product.
    #[serde(default = "two")]
    pub repeats: u8,
    /// How long a valve travels, ms.
    #[serde(default = "travel")]
    pub valve_travel_ms: u64,
    /// The lines.
    #[serde(default, rename = "line")]
    pub lines: Vec<LineConfig>,
}

fn ten() -> u32 {
    10
}
fn two() -> u8 {
    2
}
fn extra() -> u64 {
    300
}
fn travel() -> u64 {
    3000
}

impl Config {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("field config {}", path.display()))?;
        let config: Self = toml::from_str(&text).with_context(|| format!("field config {}", path.display()))?;
        config.completed()
    }

    /// Generates the meters that are only counted, and checks the whole.
    pub fn completed(mut self) -> Result<Self> {
        ensure!(self.interval_s > 0, "interval_s 0 is no schedule: expected at least 1");
        for (index, line) in self.lines.iter_mut().enumerate() {
            counted::fill(index, line, self.seed);
            line.spread_fault();
        }
        self.check()?;
        Ok(self)
    }

    /// How long a valve travels.
    pub fn valve_travel(&self) -> Duration {
        Duration::from_millis(self.valve_travel_ms)
    }

    fn check(&self) -> Result<()> {
        let mut names = HashSet::new();
        for line in &self.lines {
            line.check()?;
            ensure!(names.insert(("line", &line.name)), "line {}: named twice", line.name);
            for meter in &line.named {
                ensure!(names.insert(("meter", &meter.name)), "meter {}: named twice", meter.name);
            }
        }
        ensure!(!self.lines.is_empty(), "field without lines: expected at least one [[line]]");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config> {
        toml::from_str::<Config>(text).map_err(anyhow::Error::from)?.completed()
    }

    #[test]
    fn the_example_of_this_module_is_a_field() {
        let source = include_str!("mod.rs");
        let example: Vec<_> = source.lines().filter_map(|line| line.strip_prefix("//! ")).collect();
        let text = example.join("\n");
        let text = text.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).expect("the example");
        let config = parse(text).expect("a field");
        let [north, south] = config.lines.as_slice() else { unreachable!("{config:?}") };
        assert_eq!((north.named.len(), south.named.len(), config.interval_s), (23, 2, 10));
        assert!(north.named.iter().any(|meter| meter.fault.damaged_every == 5));
        assert!(
            north.named.iter().filter(|meter| meter.fault.noise).count() == 20,
            "those without a fault of their own"
        );
    }

    #[test]
    fn a_word_nobody_knows_and_an_address_given_twice_are_refused() {
        assert!(parse("dir = \"x\"\ncolour = 1").is_err());
        let meter = "[[line.meter]]\ndialect = \"mbus\"\naddress = \"1\"\nname =";
        let twice = format!("dir = \"x\"\n[[line]]\nname = \"n\"\n{meter} \"a\"\n{meter} \"b\"\n");
        let error = parse(&twice).map(drop).expect_err("refused").to_string();
        assert_eq!(error, "line n: address 1 is given to two meters");
    }

    #[test]
    fn more_mbus_meters_than_addresses_are_refused() {
        let many = "dir = \"x\"\n[[line]]\nname = \"n\"\ndialect = \"mbus\"\nmeters = 251\n";
        assert!(parse(many).is_err());
    }
}
