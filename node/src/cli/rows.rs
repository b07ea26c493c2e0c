//! Lines and meters from CSV files.
//!
//! ```text
//!   name,endpoint,baud,requires            the header names the columns, in any order
//!   l1,tcp://gw:4001,2400,site=north       row 1
//! ```
//!
//! Promises: an unknown column is refused by its name, a malformed cell by file, row and column, all of them at once.
//! Refuses: judging what a well-formed cell means: the cluster does.

use std::collections::HashMap;
use std::io::Read;
use std::str::FromStr;

use csv::{ReaderBuilder, StringRecord, Trim};
use protocol::api::admin::{LineSpec, MeterSpec, RowError};
use raft_store::state::plant::detail::PLACES;

/// The columns of a file of lines.
#[rustfmt::skip]
pub const LINE_COLUMNS: [&str; 15] = [
    "name", "endpoint", "baud", "parity", "extra_answer_ms", "repeats", "requires", "schedule",
    "region", "station", "community", "building", "unit", "household", "labels",
];
/// The columns of a file of meters.
#[rustfmt::skip]
pub const METER_COLUMNS: [&str; 17] = [
    "name", "line", "dialect", "address", "profile", "interval_s", "offset_s", "disabled", "schedule", "identity",
    "region", "station", "community", "building", "unit", "household", "labels",
];

/// Why a file cannot be imported.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RowsError {
    /// The file itself is not understood.
    #[error("{0}")]
    File(String),
    /// Cells are malformed.
    #[error("{} cells are malformed", .0.len())]
    Cells(Vec<RowError>),
}

/// The lines of a file.
pub fn lines(file: &str, input: impl Read) -> Result<Vec<LineSpec>, RowsError> {
    read(file, input, &LINE_COLUMNS, &["name", "endpoint"], |row| LineSpec {
        name: row.text("name"),
        endpoint: row.text("endpoint"),
        baud: row.number("baud", "write bit/s such as 2400").unwrap_or_default(),
        parity: row.text("parity"),
        extra_answer_ms: row.number("extra_answer_ms", "write milliseconds").unwrap_or_default(),
        repeats: row.number("repeats", "write 0 to 5"),
        requires: row.pairs("requires"),
        schedule: row.text("schedule"),
        labels: row.labels(),
    })
}

/// The meters of a file.
pub fn meters(file: &str, input: impl Read) -> Result<Vec<MeterSpec>, RowsError> {
    read(file, input, &METER_COLUMNS, &["name", "line", "dialect", "address"], |row| MeterSpec {
        name: row.text("name"),
        line: row.text("line"),
        dialect: row.text("dialect"),
        address: row.text("address"),
        profile: row.text("profile"),
        interval_s: row.number("interval_s", "write seconds such as 900").unwrap_or_default(),
        offset_s: row.number("offset_s", "write seconds").unwrap_or_default(),
        disabled: row.flag("disabled"),
        schedule: row.text("schedule"),
        labels: row.labels(),
        identity: row.text("identity"),
    })
}

fn read<T>(
    file: &str,
    input: impl Read,
    known: &[&'static str],
    needed: &[&str],
    make: impl Fn(&mut Row<'_>) -> T,
) -> Result<Vec<T>, RowsError> {
    let mut reader = ReaderBuilder::new().trim(Trim::All).flexible(true).from_reader(input);
    let header = reader.headers().map_err(|error| RowsError::File(format!("{file}: {error}")))?.clone();
    let places = places(file, &header, known, needed)?;
    let (mut taken, mut faults) = (Vec::new(), Vec::new());
    for (number, record) in (1..).zip(reader.records()) {
        let record = record.map_err(|error| RowsError::File(format!("{file}: row {number}: {error}")))?;
        if record.len() != header.len() {
            let text = format!("{} cells, and the header has {}: quote cells with commas", record.len(), header.len());
            faults.push(RowError { row: number, column: "-".to_owned(), message: text });
            continue;
        }
        taken.push(make(&mut Row { number, places: &places, record: &record, faults: &mut faults }));
    }
    if faults.is_empty() { Ok(taken) } else { Err(RowsError::Cells(faults)) }
}

/// Where each column stands.
fn places(
    file: &str,
    header: &StringRecord,
    known: &[&'static str],
    needed: &[&str],
) -> Result<HashMap<&'static str, usize>, RowsError> {
    let refuse = |text: String| Err(RowsError::File(format!("{file}: {text}")));
    let mut places = HashMap::new();
    for (place, name) in header.iter().enumerate() {
        // Spreadsheets put a byte order mark before the first name.
        let name = name.trim_start_matches('\u{FEFF}');
        let Some(column) = known.iter().find(|column| **column == name) else {
            let hint = if name.contains(';') { "separate columns by commas, and " } else { "" };
            return refuse(format!("column \"{name}\" is not known: {hint}use {}", known.join(", ")));
        };
        if places.insert(*column, place).is_some() {
            return refuse(format!("column \"{name}\" stands twice: keep one"));
        }
    }
    match needed.iter().find(|column| !places.contains_key(**column)) {
        Some(column) => refuse(format!("column \"{column}\" is missing: the first row has to name the columns")),
        None => Ok(places),
    }
}

/// One row while it is read.
struct Row<'a> {
    number: u32,
    places: &'a HashMap<&'static str, usize>,
    record: &'a StringRecord,
    faults: &'a mut Vec<RowError>,
}

impl Row<'_> {
    /// The cell; empty where the column is absent.
    fn cell(&self, column: &str) -> &str {
        self.places.get(column).and_then(|place| self.record.get(*place)).unwrap_or_default()
    }

    fn text(&self, column: &str) -> String {
        self.cell(column).to_owned()
    }

    fn fault(&mut self, column: &str, message: String) {
        self.faults.push(RowError { row: self.number, column: column.to_owned(), message });
    }

    /// A whole number; `None` where the cell is empty.
    fn number<T: FromStr>(&mut self, column: &str, remedy: &str) -> Option<T> {
        let cell = self.text(column);
        let number = cell.parse().ok();
        if number.is_none() && !cell.is_empty() {
            self.fault(column, format!("\"{cell}\" is no such number: {remedy}"));
        }
        number
    }

    fn flag(&mut self, column: &str) -> bool {
        let cell = self.text(column);
        match cell.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => true,
            "" | "false" | "no" | "0" => false,
            _ => {
                self.fault(column, format!("\"{cell}\" is neither: write true or false"));
                false
            }
        }
    }

    /// Those that have a column, and others.
    fn labels(&mut self) -> HashMap<String, String> {
        let mut labels = self.pairs("labels");
        for place in PLACES {
            let cell = self.text(place);
            if cell.is_empty() {
                continue;
            }
            if let Some(other) = labels.insert(place.to_owned(), cell.clone()) {
                self.fault(place, format!("\"{cell}\" here and \"{other}\" among the labels: keep one"));
            }
        }
        labels
    }

    /// `k=v;k=v`
    fn pairs(&mut self, column: &str) -> HashMap<String, String> {
        let cell = self.text(column);
        let mut pairs = HashMap::new();
        for word in cell.split(';').map(str::trim).filter(|word| !word.is_empty()) {
            match word.split_once('=') {
                Some((key, value)) => drop(pairs.insert(key.trim().to_owned(), value.trim().to_owned())),
                None => self.fault(column, format!("\"{word}\" is no label: write name=value;name=value")),
            }
        }
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_error<T: std::fmt::Debug>(read: Result<Vec<T>, RowsError>) -> String {
        match read.expect_err("a bad file") {
            RowsError::File(text) => text,
            RowsError::Cells(cells) => format!("{cells:?}"),
        }
    }

    #[test]
    fn columns_stand_in_any_order_and_optional_ones_may_be_absent() {
        let text = "\u{feff}endpoint, name ,requires\ntcp://gw:1,l1,site=north; rack = 2\ntcp://gw:2,l2,\n";
        let read = lines("lines.csv", text.as_bytes()).expect("a sound file");
        let first = read.first().expect("two rows");
        assert_eq!((first.name.as_str(), first.endpoint.as_str(), first.baud), ("l1", "tcp://gw:1", 0));
        assert_eq!(first.requires.get("rack").map(String::as_str), Some("2"));
        assert_eq!((read.len(), first.repeats), (2, None));
    }

    #[test]
    fn every_column_of_a_meter_is_read() {
        let text = "name,line,dialect,address,profile,interval_s,offset_s,disabled,schedule,identity,\
                    region,station,community,building,unit,household,labels\n\
                    m,l,mbus,7,p,60,5,yes,daily 00:00,12,N,S1,C,3,2,401,riser = east\n";
        let places = [("region", "N"), ("station", "S1"), ("community", "C"), ("building", "3"), ("unit", "2")];
        let labels = places.into_iter().chain([("household", "401"), ("riser", "east")]);
        let wanted = MeterSpec {
            name: "m".to_owned(),
            line: "l".to_owned(),
            dialect: "mbus".to_owned(),
            address: "7".to_owned(),
            profile: "p".to_owned(),
            interval_s: 60,
            offset_s: 5,
            disabled: true,
            schedule: "daily 00:00".to_owned(),
            labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            identity: "12".to_owned(),
        };
        assert_eq!(meters("meters.csv", text.as_bytes()), Ok(vec![wanted]));
    }

    #[test]
    fn a_place_that_is_said_twice_is_refused_by_its_column() {
        let text = "name,endpoint,station,labels\nl1,e,S1,station=S2;riser=east\nl2,e,,station=S2\n";
        let Err(RowsError::Cells(cells)) = lines("lines.csv", text.as_bytes()) else {
            unreachable!("the first row says two stations")
        };
        let places: Vec<_> = cells.iter().map(|cell| (cell.row, cell.column.as_str())).collect();
        assert_eq!(places, [(1, "station")]);
    }

    #[test]
    fn an_unknown_column_is_refused_by_its_name() {
        let said = file_error(lines("lines.csv", "name,endpoint,speed\n".as_bytes()));
        assert!(said.starts_with("lines.csv: column \"speed\" is not known: use name, endpoint, baud"), "{said}");
        let said = file_error(lines("lines.csv", "name;endpoint\n".as_bytes()));
        assert!(said.contains("separate columns by commas"), "{said}");
    }

    #[test]
    fn a_missing_and_a_repeated_column_are_named() {
        let said = file_error(meters("m.csv", "name,line,dialect\n".as_bytes()));
        assert!(said.contains("column \"address\" is missing"), "{said}");
        let said = file_error(lines("l.csv", "name,name\n".as_bytes()));
        assert!(said.contains("\"name\" stands twice"), "{said}");
        assert!(file_error(lines("l.csv", "".as_bytes())).contains("is missing"));
    }

    #[test]
    fn every_malformed_cell_is_named_by_row_and_column() {
        let text = "name,endpoint,baud,repeats,requires\nl1,e,fast,-1,\nl2,e,2400,2,north\nl3,e\n";
        let Err(RowsError::Cells(cells)) = lines("lines.csv", text.as_bytes()) else {
            unreachable!("the cells are malformed")
        };
        let places: Vec<_> = cells.iter().map(|cell| (cell.row, cell.column.as_str())).collect();
        assert_eq!(places, [(1, "baud"), (1, "repeats"), (2, "requires"), (3, "-")]);
        let first = cells.first().expect("four faults");
        assert!(first.message.contains("\"fast\"") && first.message.contains("2400"));
    }

    #[test]
    fn a_cell_with_a_comma_is_quoted_as_everywhere() {
        let read = lines("l.csv", "name,endpoint\n\"a, b\",tcp://gw:1\n".as_bytes()).expect("a sound file");
        assert_eq!(read.first().map(|line| line.name.as_str()), Some("a, b"));
    }

    #[test]
    fn text_that_is_not_unicode_is_refused() {
        assert!(lines("l.csv", b"name,endpoint\n\xff,e\n".as_slice()).is_err());
    }
}
