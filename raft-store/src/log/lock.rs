//! One process per folder.
//!
//! Promises: while a [`FolderLock`] lives, no other process opens the folder; the kernel releases it with the
//! process, however that ends. Refuses: waiting.

#![expect(clippy::disallowed_methods, reason = "makes the lock file, which names its process")]

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// The file that is locked; it holds the process id of its holder for people.
const LOCK_FILE: &str = "lock";

/// Bytes of the lock file that are looked at.
const PID_LEN: u64 = 20;

/// Why a folder could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("folder {} is in use by process {holder}: stop that process, or give this one another folder", .path.display())]
    Held {
        /// The folder.
        path: PathBuf,
        /// Its process id, or what is known of it.
        holder: String,
    },
    /// The lock file cannot be made or written.
    #[error("lock file {} cannot be used: {source}", .path.display())]
    File {
        /// The lock file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// A locked folder; unlocked when dropped.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Locks `folder`, which exists.
    ///
    /// # Errors
    /// Another process has it, or the lock file cannot be used.
    pub fn take(folder: &Path) -> Result<Self, LockError> {
        let path = folder.join(LOCK_FILE);
        let failed = |source| LockError::File { path: path.clone(), source };
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = options.map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(LockError::Held { path: folder.to_owned(), holder: holder(&mut file) });
            }
            Err(errno) => return Err(failed(errno.into())),
        }
        write_pid(&mut file).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

fn write_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(PID_LEN).read_to_string(&mut text);
    match text.trim() {
        pid if read.is_ok() && !pid.is_empty() => pid.to_owned(),
        _ => "(unknown)".to_owned(),
    }
}
