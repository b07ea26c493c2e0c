//! Parquet: the integers that are stored, in columns whose names have their unit.
//!
//! Promises: at most [`GROUP_ROWS`] rows are in memory; what is absent is null. Refuses: floating point.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::sync::Arc;

use anyhow::Result;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use protocol::api::admin::ExportRow;

use super::columns::words;
use crate::cli::zone::Zone;

/// Rows of a row group.
pub(super) const GROUP_ROWS: usize = 50_000;

const SCHEMA: &str = "message reading {
  REQUIRED BYTE_ARRAY meter (UTF8);
  REQUIRED BYTE_ARRAY line (UTF8);
  REQUIRED INT64 slot (TIMESTAMP(MILLIS,true));
  OPTIONAL INT64 slot_local (TIMESTAMP(MILLIS,false));
  REQUIRED BYTE_ARRAY kind (UTF8);
  REQUIRED INT64 read_at (TIMESTAMP(MILLIS,true));
  OPTIONAL INT64 read_at_local (TIMESTAMP(MILLIS,false));
  OPTIONAL INT64 energy_joule;
  OPTIONAL INT64 cooling_energy_joule;
  OPTIONAL INT64 volume_millilitre;
  OPTIONAL INT64 power_milliwatt;
  OPTIONAL INT64 flow_millilitre_per_hour;
  OPTIONAL INT64 supply_milli_celsius;
  OPTIONAL INT64 return_milli_celsius;
  OPTIONAL INT64 difference_millikelvin;
  OPTIONAL INT64 operating_seconds;
  OPTIONAL INT64 on_seconds;
  OPTIONAL INT64 error_flags;
  OPTIONAL BYTE_ARRAY meter_time (UTF8);
  OPTIONAL BYTE_ARRAY valve (UTF8);
  OPTIONAL INT32 quality (INTEGER(32,false));
  OPTIONAL BYTE_ARRAY quality_words (UTF8);
  OPTIONAL BYTE_ARRAY missed (UTF8);
}";

/// A file that is being written.
pub(super) struct Parquet {
    file: SerializedFileWriter<BufWriter<File>>,
    zone: Zone,
    columns: Vec<Column>,
    /// Of the row group under way.
    rows: usize,
}

impl std::fmt::Debug for Parquet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parquet").field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// The values of one column, and for each row 1 where it has one.
#[derive(Debug)]
enum Column {
    Text(Vec<ByteArray>, Vec<i16>),
    Long(Vec<i64>, Vec<i16>),
    Bits(Vec<i32>, Vec<i16>),
}

/// One row's part of a column.
enum Field<'r> {
    Text(Cow<'r, str>),
    Long(Option<i64>),
    Bits(Option<u32>),
    Nothing,
}

impl Parquet {
    pub(super) fn new(file: BufWriter<File>, zone: &Zone) -> Result<Self> {
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let created_by = format!("hearth {}", env!("CARGO_PKG_VERSION"));
        let said = vec![KeyValue::new("hearth.zone".to_owned(), zone.name().to_owned())];
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).set_created_by(created_by);
        let properties = properties.set_key_value_metadata(Some(said));
        let file = SerializedFileWriter::new(file, schema, Arc::new(properties.build()))?;
        let columns = fields(&ExportRow::default(), zone)?.iter().map(Field::column).collect();
        Ok(Self { file, zone: zone.clone(), columns, rows: 0 })
    }

    pub(super) fn rows(&mut self, rows: &[ExportRow]) -> Result<()> {
        for row in rows {
            for (column, field) in self.columns.iter_mut().zip(fields(row, &self.zone)?) {
                column.push(&field);
            }
            self.rows += 1;
            if self.rows >= GROUP_ROWS {
                self.group()?;
            }
        }
        Ok(())
    }

    /// Writes the row group under way.
    fn group(&mut self) -> Result<()> {
        let mut group = self.file.next_row_group()?;
        for column in &mut self.columns {
            let Some(mut writer) = group.next_column()? else { break };
            // Levels are not looked at where a column has a value in every row.
            match column {
                Column::Text(values, levels) => {
                    writer.typed::<ByteArrayType>().write_batch(values, Some(levels), None)?
                }
                Column::Long(values, levels) => writer.typed::<Int64Type>().write_batch(values, Some(levels), None)?,
                Column::Bits(values, levels) => writer.typed::<Int32Type>().write_batch(values, Some(levels), None)?,
            };
            writer.close()?;
            column.clear();
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }

    pub(super) fn end(mut self) -> Result<()> {
        if self.rows > 0 {
            self.group()?;
        }
        Ok(self.file.into_inner()?.flush()?)
    }
}

/// A row in the order of [`SCHEMA`].
fn fields<'r>(row: &'r ExportRow, zone: &Zone) -> Result<[Field<'r>; 23]> {
    let text = |text: &'r str| Field::Text(Cow::Borrowed(text));
    let optional = |words: &'r str| if words.is_empty() { Field::Nothing } else { text(words) };
    Ok([
        text(&row.meter),
        text(&row.line),
        Field::Long(Some(i64::try_from(row.slot)?)),
        Field::Long(zone.civil_ms(row.slot)),
        text(&row.kind),
        Field::Long(Some(i64::try_from(row.read_at)?)),
        Field::Long(zone.civil_ms(row.read_at)),
        Field::Long(row.energy_joule),
        Field::Long(row.cooling_energy_joule),
        Field::Long(row.volume_millilitre),
        Field::Long(row.power_milliwatt),
        Field::Long(row.flow_millilitre_per_hour),
        Field::Long(row.supply_milli_celsius),
        Field::Long(row.return_milli_celsius),
        Field::Long(row.difference_millikelvin),
        Field::Long(row.operating_seconds),
        Field::Long(row.on_seconds),
        Field::Long(row.error_flags),
        optional(&row.meter_time),
        optional(&row.valve),
        Field::Bits(row.quality),
        words(row.quality).map_or(Field::Nothing, |words| Field::Text(words.into())),
        optional(&row.missed),
    ])
}

impl Field<'_> {
    fn column(&self) -> Column {
        match self {
            Self::Text(_) | Self::Nothing => Column::Text(Vec::new(), Vec::new()),
            Self::Long(_) => Column::Long(Vec::new(), Vec::new()),
            Self::Bits(_) => Column::Bits(Vec::new(), Vec::new()),
        }
    }
}

impl Column {
    fn push(&mut self, field: &Field<'_>) {
        match (&mut *self, field) {
            (Self::Text(values, levels), Field::Text(text)) => {
                // Rows of one meter follow each other: they share one copy of its name.
                let same = values.last().filter(|last| last.data() == text.as_bytes()).cloned();
                values.push(same.unwrap_or_else(|| ByteArray::from(&**text)));
                levels.push(1);
            }
            (Self::Long(values, levels), Field::Long(Some(value))) => {
                values.push(*value);
                levels.push(1);
            }
            (Self::Bits(values, levels), Field::Bits(Some(bits))) => {
                values.push(bits.cast_signed());
                levels.push(1);
            }
            (Self::Text(_, levels) | Self::Long(_, levels) | Self::Bits(_, levels), _) => levels.push(0),
        }
    }

    fn clear(&mut self) {
        match self {
            Self::Text(values, levels) => (values.clear(), levels.clear()),
            Self::Long(values, levels) => (values.clear(), levels.clear()),
            Self::Bits(values, levels) => (values.clear(), levels.clear()),
        };
    }
}
