//! The import files of the product: `lines.csv` and `meters.csv`.
//!
//! ```text
//!   name,endpoint,baud,parity,extra_answer_ms,repeats
//!   line-001,serial:///dev/pts/3,9600,even,300,2
//!   line-002,tcp://127.0.0.1:40123,9600,even,300,2
//!   line-003,dialin://12345678,9600,even,300,2
//!   line-004,modbus-tcp://127.0.0.1:40124,9600,even,300,2
//!   name,line,dialect,address,profile,interval_s,offset_s
//!   line-001-m001,line-001,mbus,1,,10,0
//!   line-001-m002,line-001,mbus,123456780D130104,,10,0
//!   line-004-m001,line-004,modbus,1,modbus-onicon-system-10,10,0
//! ```
//!
//! Promises: each file appears whole, under its name, or not at all. Refuses: quoting: names are checked not to need it.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::config::Config;

const LINES_HEAD: &str = "name,endpoint,baud,parity,extra_answer_ms,repeats\n";
const METERS_HEAD: &str = "name,line,dialect,address,profile,interval_s,offset_s\n";

/// Writes both files; `endpoints` belong to the config's lines in order.
pub fn write(config: &Config, endpoints: &[String]) -> Result<()> {
    write_whole(&config.dir.join("lines.csv"), &lines(config, endpoints)?)?;
    write_whole(&config.dir.join("meters.csv"), &meters(config)?)
}

fn lines(config: &Config, endpoints: &[String]) -> Result<String> {
    let mut text = LINES_HEAD.to_owned();
    for (line, endpoint) in config.lines.iter().zip(endpoints) {
        check(&line.name)?;
        let (extra, repeats) = (config.extra_answer_ms, config.repeats);
        let endpoint = device(endpoint);
        writeln!(text, "{},{endpoint},{},even,{extra},{repeats}", line.name, line.told_baud())?;
    }
    Ok(text)
}

/// A terminal by the device's own name: the product takes no other for a serial port.
fn device(endpoint: &str) -> String {
    let terminal = endpoint.strip_prefix("serial://").and_then(|link| std::fs::canonicalize(link).ok());
    terminal.map_or_else(|| endpoint.to_owned(), |terminal| format!("serial://{}", terminal.display()))
}

fn meters(config: &Config) -> Result<String> {
    let mut text = METERS_HEAD.to_owned();
    let (interval, offset) = (config.interval_s, config.offset_s);
    for line in &config.lines {
        for meter in &line.named {
            check(&meter.name)?;
            let (name, dialect, address, profile) = (&meter.name, &meter.dialect, &meter.address, &meter.profile);
            writeln!(text, "{name},{},{dialect},{address},{profile},{interval},{offset}", line.name)?;
        }
    }
    Ok(text)
}

fn check(name: &str) -> Result<()> {
    let is_plain = !name.is_empty() && !name.contains([',', '"', '\n', '\r']);
    ensure!(is_plain, "name {name:?} does not fit a table: expected no comma, quote or line break");
    Ok(())
}

fn write_whole(path: &Path, text: &str) -> Result<()> {
    let beside = path.with_extension("csv.new");
    std::fs::write(&beside, text).with_context(|| format!("import file {}", beside.display()))?;
    std::fs::rename(&beside, path).with_context(|| format!("import file {}", path.display()))
}
