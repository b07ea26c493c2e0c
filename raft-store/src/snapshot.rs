//! Snapshots: the state at one position, in one checksummed file.
//!
//! ```text
//!   <folder>/snapshots/00000000000000004711-7.snapshot      position 4711 of term 7
//!   write .. .tmp -> fsync -> rename -> fsync of the folder -> remove older ones
//! ```
//!
//! Promises: under its name a snapshot is whole; a newer one never gives way to an older one; a damaged one is named
//! and refused, and an older one takes its place only where the log still reaches back to it.
//! Refuses: deciding when a snapshot is taken.

#![expect(clippy::disallowed_methods, reason = "reads and writes snapshot files")]

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::codec::{self, CodecError};
use crate::folder;
use crate::state::LogPosition;
use crate::types::{Image, SnapshotMeta, TypeConfig};

/// The folder of the snapshots within the store's folder.
const SNAPSHOT_FOLDER: &str = "snapshots";

/// The end of a snapshot's name.
const SNAPSHOT_END: &str = ".snapshot";

/// The end of the name of one that is being written.
const UNFINISHED_END: &str = ".tmp";

/// A snapshot with what it covers.
pub type Snapshot = openraft::type_config::alias::SnapshotOf<TypeConfig, SnapshotBytes>;

/// The bytes of a snapshot file, as they travel from node to node. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotBytes(Arc<Vec<u8>>);

impl SnapshotBytes {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What they hold.
    ///
    /// # Errors
    /// They are damaged or of a version this release does not know.
    pub fn decode(&self) -> Result<Image, CodecError> {
        codec::decode_snapshot(&self.0)
    }
}

impl From<Vec<u8>> for SnapshotBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Arc::new(bytes))
    }
}

/// Why snapshots cannot be loaded or saved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// A file or folder cannot be used.
    #[error("{} cannot be used: {source}", .path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The state cannot be encoded, or the received bytes cannot be decoded.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A snapshot that is not the one announced with it.
    #[error("received snapshot {found} where {announced} was announced")]
    Other {
        /// What the sender said.
        announced: String,
        /// What it sent.
        found: String,
    },
    /// Nothing sound from which the log goes on.
    #[error(
        "no sound snapshot from which the log goes on: {damaged}; the log begins after entry {purged}: restore the \
         snapshot from a backup, or remove this node from the cluster and let it join anew with an empty folder"
    )]
    NoneSound {
        /// The damaged ones, or that there are none.
        damaged: String,
        /// The last purged entry.
        purged: u64,
    },
}

/// The snapshots of one node.
#[derive(Debug)]
pub struct SnapshotStore {
    folder: PathBuf,
    /// The position of the newest; one writer at a time.
    newest: Mutex<Option<LogPosition>>,
}

/// A snapshot that could not be used, and why.
type Unusable = (PathBuf, CodecError);

impl SnapshotStore {
    /// Opens the snapshots of the store in the folder `store` and loads the newest sound one from which the log goes on, given the last
    /// entry that was `purged` from it. Without any, and with a log that begins at its beginning: an empty image.
    ///
    /// # Errors
    /// A file cannot be read, or no snapshot meets the log.
    pub fn open(store: &Path, purged: Option<LogPosition>) -> Result<(Self, Image), SnapshotError> {
        let folder = store.join(SNAPSHOT_FOLDER);
        folder::make(&folder).map_err(|source| SnapshotError::File { path: folder.clone(), source })?;
        remove_unfinished(&folder)?;
        let (image, damaged) = newest_sound(&folder)?;
        let image = image.unwrap_or_default();
        if image.applied.map(|at| at.index) < purged.map(|at| at.index) {
            return Err(SnapshotError::NoneSound {
                damaged: describe(&damaged),
                purged: purged.map_or(0, |at| at.index),
            });
        }
        for (path, error) in &damaged {
            tracing::error!(path = %path.display(), %error, "damaged snapshot passed over: the log still reaches back");
        }
        let newest = Mutex::new(image.applied);
        Ok((Self { folder, newest }, image))
    }

    /// Saves `image`, unless a newer one is there.
    ///
    /// # Errors
    /// The image cannot be encoded or the file not written.
    pub fn save(&self, image: &Image) -> Result<Snapshot, SnapshotError> {
        let bytes = SnapshotBytes::from(codec::encode_snapshot(image)?);
        self.write(image.applied, &bytes)?;
        Ok(Snapshot { meta: image.meta(), snapshot: bytes })
    }

    /// Keeps received bytes, once they are known to hold the snapshot that was announced.
    ///
    /// # Errors
    /// The bytes are damaged or hold another snapshot, or the file cannot be written.
    pub fn receive(&self, announced: &SnapshotMeta, bytes: &SnapshotBytes) -> Result<Image, SnapshotError> {
        let image = bytes.decode()?;
        if image.meta() != *announced {
            return Err(SnapshotError::Other { announced: announced.to_string(), found: image.meta().to_string() });
        }
        self.write(image.applied, bytes)?;
        Ok(image)
    }

    /// The newest snapshot, if there is one.
    ///
    /// # Errors
    /// Its file cannot be read or is damaged.
    pub fn newest(&self) -> Result<Option<Snapshot>, SnapshotError> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = *newest else { return Ok(None) };
        let path = self.folder.join(file_name(at));
        let bytes = fs::read(&path).map_err(|source| SnapshotError::File { path, source })?;
        let bytes = SnapshotBytes::from(bytes);
        Ok(Some(Snapshot { meta: bytes.decode()?.meta(), snapshot: bytes }))
    }

    fn write(&self, applied: Option<LogPosition>, bytes: &SnapshotBytes) -> Result<(), SnapshotError> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = applied.filter(|at| Some(*at) >= *newest) else { return Ok(()) };
        let path = self.folder.join(file_name(at));
        write_durably(&self.folder, &path, bytes.as_slice())
            .map_err(|source| SnapshotError::File { path: path.clone(), source })?;
        *newest = Some(at);
        self.remove_others(&path);
        Ok(())
    }

    /// An old snapshot that stays costs space and nothing else.
    fn remove_others(&self, keep: &Path) {
        let Ok(files) = snapshot_files(&self.folder) else { return };
        for path in files.iter().filter(|path| *path != keep) {
            if let Err(error) = fs::remove_file(path) {
                tracing::warn!(path = %path.display(), %error, "old snapshot cannot be removed");
            }
        }
    }
}

/// Names sort as positions do.
fn file_name(at: LogPosition) -> String {
    format!("{:020}-{}{SNAPSHOT_END}", at.index, at.term)
}

fn write_durably(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension(UNFINISHED_END.trim_start_matches('.'));
    let mut file = File::create(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    folder::sync(folder)
}

fn files_ending(folder: &Path, end: &str) -> Result<Vec<PathBuf>, SnapshotError> {
    let unreadable = |source| SnapshotError::File { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.to_string_lossy().ends_with(end) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn snapshot_files(folder: &Path) -> Result<Vec<PathBuf>, SnapshotError> {
    files_ending(folder, SNAPSHOT_END)
}

fn remove_unfinished(folder: &Path) -> Result<(), SnapshotError> {
    for path in files_ending(folder, UNFINISHED_END)? {
        fs::remove_file(&path).map_err(|source| SnapshotError::File { path, source })?;
    }
    Ok(())
}

/// The newest sound image, with the damaged ones that are newer.
fn newest_sound(folder: &Path) -> Result<(Option<Image>, Vec<Unusable>), SnapshotError> {
    let mut damaged = Vec::new();
    for path in snapshot_files(folder)?.into_iter().rev() {
        let bytes = fs::read(&path).map_err(|source| SnapshotError::File { path: path.clone(), source })?;
        match codec::decode_snapshot(&bytes) {
            Ok(image) => return Ok((Some(image), damaged)),
            Err(error) => damaged.push((path, error)),
        }
    }
    Ok((None, damaged))
}

fn describe(damaged: &[Unusable]) -> String {
    let each: Vec<_> = damaged.iter().map(|(path, error)| format!("{} is damaged: {error}", path.display())).collect();
    if each.is_empty() { "there is none".to_owned() } else { each.join("; ") }
}
