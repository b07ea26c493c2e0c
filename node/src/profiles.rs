//! The profiles of this node: those built in, and those of a folder.
//!
//! ```text
//!   [node] profiles = DIR, or --profiles DIR --> DIR/*.toml --> Catalogue, with those built in
//! ```
//!
//! Promises: a file that is not understood stops the start, by its name; what stands in for a built-in profile is said.
//! Refuses: folders within the folder, and files that are not called .toml.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use protocol::profile::{Catalogue, MOST_FILES, MOST_TEXT, ProfileFault};

/// Why there are no profiles.
#[derive(Debug, thiserror::Error)]
pub enum ProfilesError {
    /// The folder or one of its files cannot be read.
    #[error("profiles {path}: {source}: name a folder of .toml files that this user can read")]
    Unreadable {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There are too many.
    #[error("profiles {path}: more than {MOST_FILES} files: remove some")]
    TooMany {
        /// The folder.
        path: PathBuf,
    },
    /// A file is not understood.
    #[error(transparent)]
    Fault(#[from] ProfileFault),
}

/// The built-in profiles, and those in `folder`.
pub fn load(folder: Option<&Path>) -> Result<Catalogue, ProfilesError> {
    let Some(folder) = folder else { return Ok(Catalogue::builtin()) };
    let mut texts = Vec::new();
    for path in files(folder)? {
        texts.push((path.display().to_string(), read(&path)?));
    }
    let catalogue = Catalogue::with(texts.iter().map(|(path, text)| (path.as_str(), text.as_str())))?;
    tracing::info!(folder = %folder.display(), profiles = texts.len(), "profiles read");
    for name in catalogue.replaced() {
        let path = catalogue.named(name).and_then(|entry| entry.path.as_deref()).unwrap_or_default();
        tracing::warn!(profile = name, path, "this file stands in for the built-in profile of its name");
    }
    Ok(catalogue)
}

/// The text of a profile file; of one too long, enough to be refused.
pub fn read(path: &Path) -> Result<String, ProfilesError> {
    let mut text = String::new();
    let most = MOST_TEXT as u64 + 1;
    let read = std::fs::File::open(path).and_then(|file| file.take(most).read_to_string(&mut text));
    read.map(|_| text).map_err(|source| ProfilesError::Unreadable { path: path.to_owned(), source })
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, ProfilesError> {
    let unreadable = |source| ProfilesError::Unreadable { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") && path.is_file() {
            files.push(path);
        }
        if files.len() > MOST_FILES {
            return Err(ProfilesError::TooMany { path: folder.to_owned() });
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name = 'users'\ndialect = 'mbus'\nsource = 's'\ncolumn = []\n";

    #[test]
    fn the_files_of_a_folder_are_profiles_and_nothing_else_in_it_is() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        std::fs::write(dir.path().join("users.toml"), TEXT).expect("written");
        std::fs::write(dir.path().join("notes.txt"), "not a profile").expect("written");
        std::fs::create_dir(dir.path().join("old.toml")).expect("made");
        let catalogue = load(Some(dir.path())).expect("sound");
        let path = dir.path().join("users.toml").display().to_string();
        assert_eq!(catalogue.named("users").and_then(|entry| entry.path.as_deref()), Some(path.as_str()));
        assert_eq!(catalogue.entries().count(), Catalogue::builtin().entries().count() + 1);
    }

    #[test]
    fn what_cannot_be_read_or_understood_is_told_by_its_name() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let told = |folder: &Path| load(Some(folder)).expect_err("refused").to_string();
        assert!(told(&dir.path().join("nowhere")).contains("nowhere"));
        std::fs::write(dir.path().join("bad.toml"), TEXT.replace("source", "sauce")).expect("written");
        assert!(told(dir.path()).contains("bad.toml, line 3"));
        std::fs::write(dir.path().join("bad.toml"), [0xFF]).expect("written");
        assert!(told(dir.path()).contains("bad.toml"));
        std::fs::write(dir.path().join("bad.toml"), "#".repeat(MOST_TEXT + 1)).expect("written");
        assert!(told(dir.path()).contains("at most 65536"));
    }
}
