//! Where data goes: stdout, as a table or as JSON.
//!
//! Promises: nothing but data is written to stdout; a reader that closes it ends the command quietly. Refuses:
//! knowing what the data is.

use std::io::{ErrorKind, IsTerminal as _, Write as _};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::Value;

use super::failure::Failure;

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// A handle to stdout.
#[derive(Debug, Clone, Copy)]
pub struct Out {
    format: Format,
}

impl Out {
    /// Writes in `format`.
    pub const fn new(format: Format) -> Self {
        Self { format }
    }

    /// One answer.
    pub fn show(self, json: impl FnOnce() -> Value, text: impl FnOnce() -> String) -> Result<(), Failure> {
        match self.format {
            Format::Json => write(&format!("{:#}", json())),
            Format::Table => write(&text()),
        }
    }

    /// One item of a stream: one line.
    pub fn item(self, json: impl FnOnce() -> Value, text: impl FnOnce() -> String) -> Result<(), Failure> {
        match self.format {
            Format::Json => write(&json().to_string()),
            Format::Table => write(&text()),
        }
    }

    /// One screen after another: on a terminal each replaces the one before.
    pub fn screen(self, json: impl FnOnce() -> Value, text: impl FnOnce() -> String) -> Result<(), Failure> {
        let clears = self.format == Format::Table && std::io::stdout().is_terminal();
        self.item(json, || if clears { format!("\x1b[H\x1b[2J{}", text()) } else { text() })
    }
}

fn write(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush());
    written.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::NobodyReads,
        _ => Failure::Refused(format!("stdout: {error}")),
    })
}

/// A table of `rows` under `header`; columns named in `right` are set to the right.
pub fn table<const N: usize>(header: [&str; N], right: &[&str], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    for (column, name) in table.column_iter_mut().zip(header) {
        if right.contains(&name) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.add_rows(rows);
    table.trim_fmt()
}
