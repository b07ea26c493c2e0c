//! Where data goes: stdout, as a table, as JSON or as CSV.
//!
//! Promises: nothing but data is written to stdout; a reader that closes it ends the command quietly. Refuses:
//! knowing what the data is.

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::sync::OnceLock;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::Value;

use super::failure::Failure;
use super::flat::{self, Flat};

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For spreadsheets, and for programs that know no JSON.
    Csv,
}

/// The columns of the stream that this process writes.
static COLUMNS: OnceLock<Vec<String>> = OnceLock::new();

impl Format {
    /// Refuses CSV for what is no table.
    pub fn without_csv(self, what: &str) -> Result<(), Failure> {
        match self {
            Self::Csv => Err(Failure::Usage(format!("{what} is no table: write it with -o json"))),
            Self::Table | Self::Json => Ok(()),
        }
    }
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

    /// Refuses CSV for what is no table.
    pub fn without_csv(self, what: &str) -> Result<(), Failure> {
        self.format.without_csv(what)
    }

    /// One answer.
    pub fn show(self, json: impl FnOnce() -> Value, text: impl FnOnce() -> String) -> Result<(), Failure> {
        match self.format {
            Format::Json => write(&format!("{:#}", json())),
            Format::Table => write(&text()),
            Format::Csv => put(&flat::answer(&json()).lines(true)),
        }
    }

    /// One item of a stream: one line.
    pub fn item(self, json: impl FnOnce() -> Value, text: impl FnOnce() -> String) -> Result<(), Failure> {
        match self.format {
            Format::Json => write(&json().to_string()),
            Format::Table => write(&text()),
            Format::Csv => put(&line(flat::item(&json()))),
        }
    }

    /// One screen after another: on a terminal each replaces the one before.
    pub fn screen(self, json: impl FnOnce() -> Value, text: impl FnOnce() -> String) -> Result<(), Failure> {
        let clears = self.format == Format::Table && std::io::stdout().is_terminal();
        self.item(json, || if clears { format!("\x1b[H\x1b[2J{}", text()) } else { text() })
    }
}

/// An item of a stream: the first has the columns before it.
fn line(item: Flat) -> String {
    match COLUMNS.get() {
        Some(columns) => item.under(columns).lines(false),
        None => {
            let lines = item.lines(true);
            let _ = COLUMNS.set(item.columns);
            lines
        }
    }
}

fn write(text: &str) -> Result<(), Failure> {
    put(&format!("{}\n", text.trim_end_matches('\n')))
}

fn put(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
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
