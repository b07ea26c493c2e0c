//! XLSX: a workbook whose sheets are continued by the next one.
//!
//! Promises: one row is in memory, the others wait on disk; a number is shown to the digit it has, and what a spreadsheet
//! would round is text. Refuses: a second header line for people; each sheet has the one.

use std::io::{Seek, Write};
use std::path::Path;

use anyhow::Result;
use protocol::api::admin::ExportRow;
use rust_xlsxwriter::{Format, Workbook, Worksheet};

use super::columns::{Cell, Column, Decimal, columns, moment};
use crate::cli::zone::Zone;

/// Rows of a sheet, with its header: as many as spreadsheets read.
pub(super) const SHEET_ROWS: u32 = 1_048_576;
/// Decimal digits a number of a spreadsheet keeps.
const DIGITS: u32 = 15;
/// The last moment a spreadsheet knows, Unix ms: the end of 9999.
const LAST_MOMENT: u64 = 253_402_300_799_999;
const MILLIS_A_DAY: f64 = 86_400_000.0;
/// 1970-01-01 as spreadsheets count days.
const UNIX_EPOCH: f64 = 25_569.0;

/// A workbook that is being written.
pub(super) struct Xlsx {
    workbook: Workbook,
    zone: Zone,
    columns: Vec<(String, &'static Column)>,
    sheet_rows: u32,
    sheets: usize,
    /// Of the sheet under way, with the header.
    rows: u32,
    moment: Format,
    whole: Format,
    decimal: Format,
}

impl std::fmt::Debug for Xlsx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Xlsx").field("sheets", &self.sheets).field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl Xlsx {
    /// Rows wait in `dir`; a sheet has at most `sheet_rows`.
    pub(super) fn new(dir: &Path, zone: &Zone, sheet_rows: u32) -> Result<Self> {
        let mut workbook = Workbook::new();
        workbook.set_tempdir(dir)?.use_zip_large_file(true);
        let format = |text| Format::new().set_num_format(text);
        let mut xlsx = Self {
            workbook,
            zone: zone.clone(),
            columns: columns(zone),
            sheet_rows,
            sheets: 0,
            rows: 0,
            moment: format("yyyy-mm-dd hh:mm:ss.000"),
            whole: format("0"),
            decimal: format("0.000"),
        };
        xlsx.next_sheet()?;
        Ok(xlsx)
    }

    fn next_sheet(&mut self) -> Result<()> {
        self.sheets += 1;
        self.rows = 1;
        let bold = Format::new().set_bold();
        let sheet = self.workbook.add_worksheet_with_constant_memory()?;
        sheet.set_name(format!("readings {}", self.sheets))?.set_freeze_panes(1, 0)?;
        for (at, (name, _)) in (0..).zip(&self.columns) {
            let is_long = ["slot", "read_at", "meter"].iter().any(|word| name.starts_with(word));
            sheet.set_column_width(at, if is_long { 24 } else { 16 })?;
            sheet.write_string_with_format(0, at, name, &bold)?;
        }
        Ok(())
    }

    pub(super) fn rows(&mut self, rows: &[ExportRow]) -> Result<()> {
        for row in rows {
            if self.rows >= self.sheet_rows {
                self.next_sheet()?;
            }
            let sheet = self.workbook.worksheet_from_index(self.sheets - 1)?;
            for (at, (name, column)) in (0..).zip(&self.columns) {
                match (column.cell)(row) {
                    Cell::Empty => {}
                    Cell::Text(text) => drop(sheet.write_string(self.rows, at, text)?),
                    Cell::Moment(unix_ms) => write_moment(sheet, self.rows, at, unix_ms, &self.moment)?,
                    Cell::Local(unix_ms) => {
                        let shown = self.zone.civil_ms(unix_ms).and_then(|shown| u64::try_from(shown).ok());
                        write_moment(sheet, self.rows, at, shown.unwrap_or(unix_ms), &self.moment)?;
                    }
                    Cell::Number(decimal) => {
                        let format =
                            if decimal.digits == 0 && !name.contains('[') { &self.whole } else { &self.decimal };
                        write_number(sheet, self.rows, at, decimal, format)?;
                    }
                }
            }
            self.rows += 1;
        }
        Ok(())
    }

    pub(super) fn end(mut self, file: impl Write + Seek + Send) -> Result<()> {
        Ok(self.workbook.save_to_writer(file)?)
    }
}

fn write_moment(sheet: &mut Worksheet, row: u32, column: u16, unix_ms: u64, format: &Format) -> Result<()> {
    if unix_ms > LAST_MOMENT {
        sheet.write_string(row, column, moment(unix_ms))?;
    } else {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds up to the year 9999 are exact")]
        let days = unix_ms as f64 / MILLIS_A_DAY + UNIX_EPOCH;
        sheet.write_number_with_format(row, column, days, format)?;
    }
    Ok(())
}

fn write_number(sheet: &mut Worksheet, row: u32, column: u16, decimal: Decimal, format: &Format) -> Result<()> {
    let text = decimal.to_string();
    // Up to 15 digits a number is read back as the decimal it was made of.
    match text.parse::<f64>() {
        Ok(number) if decimal.units.unsigned_abs() < 10_u128.pow(DIGITS) => {
            sheet.write_number_with_format(row, column, number, format)?;
        }
        _ => drop(sheet.write_string(row, column, text)?),
    }
    Ok(())
}
