//! CSV: UTF-8, commas, quotes where they are needed, a line of headers.
//!
//! Promises: every cell is read back as it was. Refuses: guessing what a spreadsheet of some country wants.

use std::fs::File;
use std::io::{BufWriter, Write as _};

use anyhow::Result;
use protocol::api::admin::ExportRow;

use super::columns::{COLUMNS, Cell, moment};

/// A file that is being written.
#[derive(Debug)]
pub(super) struct Comma {
    csv: csv::Writer<BufWriter<File>>,
}

impl Comma {
    pub(super) fn new(file: BufWriter<File>) -> Result<Self> {
        let mut csv = csv::Writer::from_writer(file);
        csv.write_record(COLUMNS.map(|column| column.header))?;
        Ok(Self { csv })
    }

    pub(super) fn rows(&mut self, rows: &[ExportRow]) -> Result<()> {
        for row in rows {
            for column in &COLUMNS {
                match (column.cell)(row) {
                    Cell::Empty => self.csv.write_field("")?,
                    Cell::Text(text) => self.csv.write_field(text)?,
                    Cell::Moment(at) => self.csv.write_field(moment(at))?,
                    Cell::Number(decimal) => self.csv.write_field(decimal.to_string())?,
                }
            }
            self.csv.write_record(None::<&[u8]>)?;
        }
        Ok(())
    }

    pub(super) fn end(self) -> Result<()> {
        let mut file = self.csv.into_inner().map_err(csv::IntoInnerError::into_error)?;
        Ok(file.flush()?)
    }
}
