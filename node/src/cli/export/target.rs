//! Where an export goes: a file that is there once it is complete, or stdout.
//!
//! ```text
//!   .NAME-random.partial --written, on disk--> NAME
//!            +-- anything else: removed
//! ```
//!
//! Promises: whoever finds NAME finds all of it, after a loss of power, too. Refuses: an existing file, unless told so.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::cli::failure::Failure;

/// Where it goes.
#[derive(Debug)]
pub(super) enum Target {
    /// To whoever reads stdout.
    Stdout,
    /// To `path`.
    File {
        /// The name it gets.
        path: PathBuf,
        /// The one it has until then.
        temporary: NamedTempFile,
        /// Whatever is there is overwritten.
        force: bool,
    },
}

impl Target {
    /// Refuses what cannot be written before anything is asked of the cluster.
    pub(super) fn open(path: &Path, force: bool) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        let refused = |why: String| Failure::Refused(format!("{}: {why}", path.display()));
        if path.symlink_metadata().is_ok() && !force {
            return Err(exists(path));
        }
        let name = path.file_name().ok_or_else(|| refused("names no file".to_owned()))?;
        let prefix = format!(".{}-", name.to_string_lossy());
        let mode = std::fs::Permissions::from_mode(0o666);
        let mut builder = tempfile::Builder::new();
        let temporary = builder.prefix(&prefix).suffix(".partial").permissions(mode).tempfile_in(beside(path));
        let temporary = temporary.map_err(|error| refused(error.to_string()))?;
        Ok(Self::File { path: path.to_owned(), temporary, force })
    }

    /// The name people know it by.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Stdout => "stdout".to_owned(),
            Self::File { path, .. } => path.display().to_string(),
        }
    }

    /// Where what belongs to it may lie meanwhile.
    pub(super) fn dir(&self) -> PathBuf {
        match self {
            Self::Stdout => std::env::temp_dir(),
            Self::File { path, .. } => beside(path).to_owned(),
        }
    }

    /// What is written to.
    pub(super) fn writer(&self) -> Result<File, Failure> {
        let file = match self {
            Self::Stdout => std::io::stdout().as_fd().try_clone_to_owned().map(File::from),
            Self::File { temporary, .. } => temporary.as_file().try_clone(),
        };
        file.map_err(|error| Failure::Refused(format!("{}: {error}", self.name())))
    }

    /// Why it could not be written; a reader that closed stdout has had enough.
    pub(super) fn fault(&self, error: &anyhow::Error) -> Failure {
        let is_closed = |cause: &(dyn std::error::Error + 'static)| {
            cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
        };
        match self {
            Self::Stdout if error.chain().any(is_closed) || format!("{error:#}").contains("Broken pipe") => {
                Failure::NobodyReads
            }
            _ => Failure::Refused(format!("{}: {error:#}", self.name())),
        }
    }

    /// Not all of it came, and why.
    pub(super) fn incomplete(&self, why: &str) -> Failure {
        Failure::Refused(match self {
            Self::Stdout => format!("what was written to stdout is not complete: {why}: export it again"),
            Self::File { path, .. } => format!("{} was not written: {why}: export it again", path.display()),
        })
    }

    /// It is complete.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let Self::File { path, temporary, force } = self else { return Ok(()) };
        let refused = |error: std::io::Error| Failure::Refused(format!("{}: {error}", path.display()));
        temporary.as_file().sync_all().map_err(refused)?;
        let named = if force { temporary.persist(&path) } else { temporary.persist_noclobber(&path) };
        named.map_err(|fault| match fault.error.kind() {
            ErrorKind::AlreadyExists => exists(&path),
            _ => refused(fault.error),
        })?;
        File::open(beside(&path)).and_then(|dir| dir.sync_all()).map_err(refused)
    }
}

fn exists(path: &Path) -> Failure {
    Failure::Refused(format!("{} exists: name another file, or overwrite it with --force", path.display()))
}

fn beside(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}
