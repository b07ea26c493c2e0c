//! CSV: UTF-8, commas, quotes where they are needed, a line of headers.
//!
//! Promises: every cell is read back as it was. Refuses: guessing what a spreadsheet of some country wants.

use std::fs::File;
use std::io::{BufWriter, Write as _};

use anyhow::Result;
use protocol::api::admin::ExportRow;

use super::columns::{Cell, Column, columns, moment};
use crate::cli::zone::Zone;

/// A file that is being written.
pub(super) struct Comma {
    csv: csv::Writer<BufWriter<File>>,
    zone: Zone,
    columns: Vec<(String, &'static Column)>,
}

impl std::fmt::Debug for Comma {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Comma").field("zone", &self.zone).finish_non_exhaustive()
    }
}

impl Comma {
    pub(super) fn new(file: BufWriter<File>, zone: &Zone) -> Result<Self> {
        let mut csv = csv::Writer::from_writer(file);
        let columns = columns(zone);
        csv.write_record(columns.iter().map(|(name, _)| name))?;
        Ok(Self { csv, zone: zone.clone(), columns })
    }

    pub(super) fn rows(&mut self, rows: &[ExportRow]) -> Result<()> {
        for row in rows {
            for (_, column) in &self.columns {
                match (column.cell)(row) {
                    Cell::Empty => self.csv.write_field("")?,
                    Cell::Text(text) => self.csv.write_field(&*text)?,
                    Cell::Moment(at) => self.csv.write_field(moment(at))?,
                    Cell::Local(at) => match self.zone.civil(at) {
                        Some(time) => self.csv.write_field(time.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string())?,
                        None => self.csv.write_field(at.to_string())?,
                    },
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
