//! What the meters of a steady load note of their answers, in a file.
//!
//! ```text
//!   kind 1   meter(4) mono(8) wall(8) volume(8) said(2) digest(8)     an answer: its last byte goes out at that moment
//!   kind 2   meter(4) mono(8) wall(8) volume(8)   0       0           that one was the last its speaker got
//!   kind 3     0      mono(8) wall(8)   0         0       0           nothing is answered after
//! ```
//!
//! A note takes 39 bytes where the ledger of a field takes a thousand, and no text is made while the load runs: the
//! meters share their processors with what is measured. The numbers are little-endian; the file does not outlive its run.
//!
//! Promises: what is read back is what was noted; a file that was cut, or has no end, is refused. Refuses: what was asked.

use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::clock::Stamp;
use crate::field::physics::mix;
use crate::ledger::Values;

/// The name of the file within the field's directory.
pub const FILE_NAME: &str = "answers";
const BYTES: usize = 39;
/// In a digest, a column that holds nothing.
const NOTHING: u64 = 0x6E6F_7468_696E_6721;

/// The columns of a reading that are compared; a valve is not.
pub type Columns = [Option<i64>; 9];

/// One note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// A meter answered with a reading.
    Given(Given),
    /// The last thing a speaker got before it went, or short before the end: stored or not, both are fine.
    InFlight {
        /// The meter.
        meter: u32,
        /// Which of its readings.
        volume: i64,
    },
    /// Nothing is answered any more.
    End(Stamp),
}

/// A reading that a meter gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Given {
    /// By its number in the plant.
    pub meter: u32,
    /// Taken before the last byte was handed to the system.
    pub at: Stamp,
    /// Millilitres: no two readings of a meter share it, and it only rises.
    pub volume: i64,
    /// Which columns the answer speaks of, a bit each.
    pub said: u16,
    /// Of what it says in them.
    pub digest: u64,
}

impl Given {
    /// Of an answer with these values.
    pub fn new(meter: u32, at: Stamp, values: &Values) -> Self {
        let columns = columns(values);
        let said = (0..).zip(columns).filter(|(_, value)| value.is_some()).map(|(place, _)| 1 << place).sum();
        Self { meter, at, volume: values.volume_millilitre.unwrap_or(0), said, digest: digest(&columns, said) }
    }

    /// Whether a row holds exactly what was said.
    pub fn is_in(&self, row: &Columns) -> bool {
        digest(row, self.said) == self.digest
    }
}

/// The columns of these values.
pub const fn columns(values: &Values) -> Columns {
    [
        values.energy_joule,
        values.cooling_energy_joule,
        values.power_milliwatt,
        values.flow_millilitre_per_hour,
        values.supply_milli_celsius,
        values.return_milli_celsius,
        values.difference_millikelvin,
        values.operating_seconds,
        values.on_seconds,
    ]
}

fn digest(columns: &Columns, said: u16) -> u64 {
    let said = (0..).zip(columns).filter(|(place, _)| said & (1 << place) != 0);
    said.fold(0, |sum, (_, value)| mix(sum ^ value.map_or(NOTHING, i64::cast_unsigned)))
}

/// Appends notes.
#[derive(Debug)]
pub struct Writer {
    file: BufWriter<File>,
}

impl Writer {
    /// Into a file of that directory, which must not have one.
    pub fn create(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE_NAME);
        let file = File::create_new(&path).with_context(|| format!("notes {}", path.display()))?;
        Ok(Self { file: BufWriter::new(file) })
    }

    /// Appends one.
    pub fn write(&mut self, note: Note) -> Result<()> {
        self.file.write_all(&encode(note)).context("notes of answers: append")
    }

    /// Appends the last one.
    pub fn end(mut self, at: Stamp) -> Result<()> {
        self.write(Note::End(at))?;
        self.file.flush().context("notes of answers: flush")
    }
}

/// Reads what was noted in a directory, up to the end.
pub fn read(dir: &Path, mut each: impl FnMut(Note)) -> Result<()> {
    let path = dir.join(FILE_NAME);
    let mut file = BufReader::new(File::open(&path).with_context(|| format!("notes {}", path.display()))?);
    loop {
        let mut bytes = [0; BYTES];
        match file.read_exact(&mut bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                bail!("notes {}: no end: the field was killed", path.display());
            }
            Err(error) => return Err(error).with_context(|| format!("notes {}", path.display())),
        }
        let note = decode(&bytes).with_context(|| format!("notes {}", path.display()))?;
        each(note);
        if matches!(note, Note::End(_)) {
            return Ok(());
        }
    }
}

fn encode(note: Note) -> Vec<u8> {
    let empty = Given { meter: 0, at: Stamp::default(), volume: 0, said: 0, digest: 0 };
    let (kind, given) = match note {
        Note::Given(given) => (1_u8, given),
        Note::InFlight { meter, volume } => (2, Given { meter, volume, ..empty }),
        Note::End(at) => (3, Given { at, ..empty }),
    };
    let Given { meter, at, volume, said, digest } = given;
    let mut bytes = Vec::with_capacity(BYTES);
    bytes.push(kind);
    bytes.extend(meter.to_le_bytes());
    bytes.extend([at.mono, at.wall, volume].iter().flat_map(|number| number.to_le_bytes()));
    bytes.extend(said.to_le_bytes());
    bytes.extend(digest.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8; BYTES]) -> Result<Note> {
    let mut rest = bytes.as_slice();
    let [kind] = take(&mut rest)?;
    let meter = u32::from_le_bytes(take(&mut rest)?);
    let mono = i64::from_le_bytes(take(&mut rest)?);
    let wall = i64::from_le_bytes(take(&mut rest)?);
    let volume = i64::from_le_bytes(take(&mut rest)?);
    let said = u16::from_le_bytes(take(&mut rest)?);
    let digest = u64::from_le_bytes(take(&mut rest)?);
    let at = Stamp { mono, wall };
    ensure!((1..=3).contains(&kind), "kind {kind} of a note: nobody knows it");
    Ok(match kind {
        1 => Note::Given(Given { meter, at, volume, said, digest }),
        2 => Note::InFlight { meter, volume },
        _ => Note::End(at),
    })
}

fn take<const COUNT: usize>(rest: &mut &[u8]) -> Result<[u8; COUNT]> {
    let (front, behind) = rest.split_first_chunk().context("a note that is cut")?;
    *rest = behind;
    Ok(*front)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        Values { energy_joule: Some(-5), volume_millilitre: Some(7_000), on_seconds: Some(9), ..Values::default() }
    }

    #[test]
    fn notes_are_read_as_they_were_written_and_a_file_without_an_end_is_refused() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let mut writer = Writer::create(dir.path()).expect("a file");
        let at = Stamp { mono: 1 << 40, wall: -3 };
        let notes = [Note::Given(Given::new(4_000_000_000, at, &values())), Note::InFlight { meter: 2, volume: 7 }];
        notes.iter().for_each(|note| writer.write(*note).expect("written"));
        writer.file.flush().expect("flushed");
        assert!(read(dir.path(), |_| {}).expect_err("refused").to_string().contains("no end"));
        writer.end(at).expect("ended");
        let mut found = Vec::new();
        read(dir.path(), |note| found.push(note)).expect("whole");
        assert_eq!(found, [notes[0], notes[1], Note::End(at)]);
    }

    #[test]
    fn a_row_that_lacks_or_changes_what_was_said_does_not_hold_it_and_other_columns_do_not_matter() {
        let given = Given::new(1, Stamp::default(), &values());
        let row = columns(&Values { power_milliwatt: Some(1), ..values() });
        assert!(given.is_in(&row));
        assert!(!given.is_in(&columns(&Values { energy_joule: Some(-4), ..values() })));
        assert!(!given.is_in(&columns(&Values { on_seconds: None, ..values() })));
    }
}
