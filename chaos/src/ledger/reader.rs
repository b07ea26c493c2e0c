//! Reads a ledger back.
//!
//! Promises: every whole entry, in the file's order; a last line torn by a killed field is left out. Refuses: a damaged
//! entry anywhere else.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result};

use super::Event;

/// Reads the ledger at `path`.
pub fn read(path: &Path) -> Result<Vec<Event>> {
    let file = File::open(path).with_context(|| format!("ledger {}", path.display()))?;
    let mut reader = BufReader::new(file);
    let mut events = Vec::new();
    let mut text = String::new();
    for number in 1_u64.. {
        text.clear();
        reader.read_line(&mut text).with_context(|| format!("ledger {} line {number}", path.display()))?;
        if !text.ends_with('\n') {
            break;
        }
        let event = serde_json::from_str(&text);
        events.push(event.with_context(|| format!("ledger {} line {number}", path.display()))?);
    }
    Ok(events)
}
