//! What a field is made of: its lines, their meters, their faults.
//!
//! Promises: a file that is accepted describes a field that can be served. Refuses: unknown keys, names given twice,
//! addresses that do not fit their dialect.
//!
#![doc = "```toml"]
#![doc = include_str!("example.toml")]
#![doc = "```"]
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

/// A field with every word there is.
pub const EXAMPLE: &str = include_str!("example.toml");

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
        let config = parse(EXAMPLE).expect("a field");
        let [north, south] = config.lines.as_slice() else { unreachable!("{config:?}") };
        assert_eq!((north.named.len(), south.named.len(), config.interval_s), (24, 2, 10));
        assert!(north.named.iter().any(|meter| meter.fault.damaged_every == 5));
        assert!(
            north.named.iter().filter(|meter| meter.fault.noise).count() == 20,
            "those without a fault of their own"
        );
    }

    /// The words a table may have, as its refusal of another one tells them.
    fn words(table: &str) -> Vec<String> {
        let refusal = parse(&format!("dir = \"x\"\n{table}unheard_of = 1")).expect_err("refused");
        let told = format!("{refusal:#}");
        let words = told.split_once("expected").expect("names what it expects").1;
        words.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn every_word_there_is_stands_in_the_example() {
        let meter = "[[line]]\n[[line.meter]]\n";
        let tables = [
            String::new(),
            "[[line]]\n".to_owned(),
            "[[line]]\n[line.unit]\n".to_owned(),
            meter.to_owned(),
            format!("{meter}[line.meter.mbus]\n"),
            format!("{meter}[line.meter.cjt188]\n"),
            format!("{meter}[line.meter.fault]\n"),
        ];
        for table in tables {
            let words = words(&table);
            assert!(words.len() >= 4, "{table} {words:?}");
            for word in words {
                let stands = EXAMPLE.contains(&format!("{word} ="))
                    || EXAMPLE.contains(&format!("{word}]]"))
                    || EXAMPLE.contains(&format!("{word}]"));
                assert!(stands, "{word} of {table}");
            }
        }
    }

    #[test]
    fn a_word_nobody_knows_and_an_address_given_twice_are_refused() {
        assert!(parse("dir = \"x\"\ncolour = 1").is_err());
        let meter = "[[line.meter]]\ndialect = \"mbus\"\naddress = \"1\"\nname =";
        let twice = format!("dir = \"x\"\n[[line]]\nname = \"n\"\n{meter} \"a\"\n{meter} \"b\"\n");
        let error = parse(&twice).map(drop).expect_err("refused").to_string();
        assert!(error.starts_with("line n: address 1 is given to two meters: change one"), "{error}");
    }

    #[test]
    fn more_mbus_meters_than_addresses_are_refused() {
        let many = "dir = \"x\"\n[[line]]\nname = \"n\"\ndialect = \"mbus\"\nmeters = 251\n";
        assert!(parse(many).is_err());
    }
}
