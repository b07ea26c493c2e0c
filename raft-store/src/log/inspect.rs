//! A look at the log's files before they are opened for writing.
//!
//! ```text
//!   sound records .. | a record that ends early, nothing after it      torn by a crash: will be cut
//!   sound records .. | a bad record | .. a sound record ..             damaged: refuse
//!   sound records .. | a bad record, all its bytes there               damaged: refuse
//! ```
//!
//! Why: the write-ahead log cuts any record of its last file that ends early, also one whose damaged bytes only make
//! it look so while sound, acknowledged records stand behind it. Promises: such a file is named, with the offset and
//! the remedy. Refuses: repairing anything.

#![expect(clippy::disallowed_methods, reason = "reads the files of the log")]

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use raft_log::codeq::{Decode, OffsetReader};
use raft_log::{RaftWalTypes, WALRecord};

use super::wal::Wal;

/// Read at once, bytes.
const READ_BUFFER: usize = 1 << 20;

/// Damage found in a file of the log.
#[derive(Debug, thiserror::Error)]
#[error(
    "log file {} is damaged at offset {offset}: {reason}; nothing was changed; restore the file from a backup, or \
     remove this node from the cluster and let it join anew with an empty folder",
    .file.display()
)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// Where in it.
    pub offset: u64,
    /// What is wrong there.
    pub reason: String,
}

/// Why the files could not be looked at, or what was found.
#[derive(Debug, thiserror::Error)]
pub(super) enum InspectError {
    #[error(transparent)]
    Damage(#[from] Damage),
    #[error("{} cannot be read: {source}", .path.display())]
    Read { path: PathBuf, source: io::Error },
}

/// Looks at every log file in `folder`, oldest first.
pub(super) fn inspect(folder: &Path) -> Result<(), InspectError> {
    let files = log_files(folder).map_err(|source| InspectError::Read { path: folder.to_owned(), source })?;
    for (file, is_last) in files.iter().zip((0..files.len()).rev().map(|left| left == 0)) {
        inspect_file(file, is_last)?;
    }
    Ok(())
}

/// The names sort as the files follow each other.
fn log_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wal") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn inspect_file(path: &Path, is_last: bool) -> Result<(), InspectError> {
    let unreadable = |source| InspectError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let Some((offset, error)) = first_bad_record(&file, length) else { return Ok(()) };
    let damage = |reason: String| Err(Damage { file: path.to_owned(), offset, reason }.into());
    if !is_last {
        return damage(format!("{error}; a newer file follows it"));
    }
    let rest = read_from(&file, offset).map_err(unreadable)?;
    if rest.iter().all(|byte| *byte == 0) {
        return Ok(());
    }
    if error.kind() != io::ErrorKind::UnexpectedEof {
        return damage(error.to_string());
    }
    match sound_record(&rest) {
        Some(at) => damage(format!("{error}, yet a sound record stands {at} bytes further")),
        None => Ok(()),
    }
}

/// The offset of the first record that cannot be read, and why.
fn first_bad_record(file: &File, length: u64) -> Option<(u64, io::Error)> {
    let mut reader = OffsetReader::new(BufReader::with_capacity(READ_BUFFER, file));
    loop {
        let offset = reader.offset() as u64;
        if offset >= length {
            return None;
        }
        if let Err(error) = decode_record(&mut reader) {
            return Some((offset, error));
        }
    }
}

fn read_from(mut file: &File, offset: u64) -> io::Result<Vec<u8>> {
    let mut rest = Vec::new();
    file.seek(SeekFrom::Start(offset))?;
    file.read_to_end(&mut rest)?;
    Ok(rest)
}

/// Where in `bytes`, after its first, a whole and sound record stands.
fn sound_record(bytes: &[u8]) -> Option<usize> {
    (1..bytes.len()).find(|at| bytes.get(*at..).is_some_and(|rest| decode_record(rest).is_ok()))
}

fn decode_record(reader: impl Read) -> io::Result<()> {
    WALRecord::<RaftWalTypes<Wal>>::decode(reader).map(drop)
}
