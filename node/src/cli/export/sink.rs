//! Rows into a file of some format.
//!
//! Promises: what was not ended in words is no complete file: its last bytes are missing. Refuses: keeping more than its
//! format makes it.

use std::fs::File;
use std::io::{BufWriter, Seek as _, Write as _};
use std::path::Path;

use anyhow::Result;
use protocol::api::admin::ExportRow;
use tokio::sync::mpsc::Receiver;

use super::comma::Comma;
use super::parquet::Parquet;
use super::xlsx::Xlsx;
use super::{Format, xlsx};
use crate::cli::zone::Zone;

/// What the writing thread is sent.
#[derive(Debug)]
pub(super) enum Job {
    /// These follow.
    Rows(Vec<ExportRow>),
    /// That was all.
    End,
}

/// A file that is being written.
#[derive(Debug)]
enum Sink {
    Csv(Box<Comma>),
    Xlsx(Box<Xlsx>, BufWriter<File>),
    Parquet(Box<Parquet>),
}

/// Writes what comes into `file`; what does not fit into memory meanwhile goes to `dir`. The rows that are written;
/// `None` where it was not ended in words.
pub(super) fn write(
    format: Format,
    file: File,
    dir: &Path,
    zone: &Zone,
    mut jobs: Receiver<Job>,
) -> Result<Option<u64>> {
    let mut sink = Sink::new(format, file, dir, zone)?;
    let mut written = 0;
    while let Some(job) = jobs.blocking_recv() {
        match job {
            Job::Rows(rows) => {
                sink.rows(&rows)?;
                written += rows.len() as u64;
            }
            Job::End => return sink.end().map(|()| Some(written)),
        }
    }
    Ok(None)
}

impl Sink {
    fn new(format: Format, file: File, dir: &Path, zone: &Zone) -> Result<Self> {
        let file = BufWriter::new(file);
        Ok(match format {
            Format::Csv => Self::Csv(Box::new(Comma::new(file, zone)?)),
            Format::Xlsx => Self::Xlsx(Box::new(Xlsx::new(dir, zone, xlsx::SHEET_ROWS)?), file),
            Format::Parquet => Self::Parquet(Box::new(Parquet::new(file, zone)?)),
        })
    }

    fn rows(&mut self, rows: &[ExportRow]) -> Result<()> {
        match self {
            Self::Csv(csv) => csv.rows(rows),
            Self::Xlsx(xlsx, _) => xlsx.rows(rows),
            Self::Parquet(parquet) => parquet.rows(rows),
        }
    }

    fn end(self) -> Result<()> {
        match self {
            Self::Csv(csv) => csv.end()?,
            Self::Xlsx(xlsx, file) => pack(*xlsx, file)?,
            Self::Parquet(parquet) => parquet.end()?,
        }
        Ok(())
    }
}

/// A workbook is packed going back and forth, which a pipe does not take.
fn pack(xlsx: Xlsx, mut file: BufWriter<File>) -> Result<()> {
    if file.stream_position().is_ok() {
        xlsx.end(&mut file)?;
    } else {
        let mut whole = tempfile::tempfile()?;
        xlsx.end(&mut whole)?;
        whole.rewind()?;
        std::io::copy(&mut whole, &mut file)?;
    }
    Ok(file.flush()?)
}
