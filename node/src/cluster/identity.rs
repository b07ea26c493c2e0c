//! Who this node is, on disk: `identity.toml` in its data directory, written once by `init` or `join`.
//!
//! Promises: a directory belongs to one node of one cluster for good; the file is written whole or not at all.
//! Refuses: starting without it, and overwriting it. Certificates and keys will stand beside it.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use protocol::meter::NodeId;
use serde::{Deserialize, Serialize};

const FILE: &str = "identity.toml";

/// Who a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The cluster's id; no other cluster has it.
    pub cluster_id: String,
    /// The cluster's name for people.
    pub cluster_name: String,
    /// The node's id in it.
    pub node: u64,
    /// Whether this node founded the cluster.
    pub founder: bool,
}

/// Why the identity cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// There is none.
    #[error("{path} does not exist: make the first node with `hearth init`, or enter a cluster with `hearth join`")]
    Absent {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There is one already.
    #[error(
        "{path} says this is node {node} of cluster {cluster}: choose another data_dir, or remove it if that node is gone for good"
    )]
    Taken {
        /// Where it stands.
        path: PathBuf,
        /// Whose it is.
        node: u64,
        /// Of which cluster.
        cluster: String,
    },
    /// It cannot be understood.
    #[error("{path}: {reason}: restore it from a backup, or remove data_dir and join again as a new node")]
    Damaged {
        /// Where it stands.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The disk failed.
    #[error("{path}: {source}")]
    Io {
        /// What was touched.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Identity {
    /// This node's id.
    pub const fn node_id(&self) -> NodeId {
        NodeId(self.node)
    }

    /// Reads the identity of the node whose directory is `dir`.
    pub fn load(dir: &Path) -> Result<Self, IdentityError> {
        let path = dir.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(IdentityError::Absent { path }),
            Err(source) => return Err(IdentityError::Io { path, source }),
        };
        toml::from_str(&text).map_err(|error| IdentityError::Damaged { path, reason: error.message().to_owned() })
    }

    /// Refuses a directory that belongs to a node already.
    pub fn refuse_taken(dir: &Path) -> Result<(), IdentityError> {
        match Self::load(dir) {
            Err(IdentityError::Absent { .. }) => Ok(()),
            Err(error) => Err(error),
            Ok(Self { node, cluster_id, .. }) => {
                Err(IdentityError::Taken { path: dir.join(FILE), node, cluster: cluster_id })
            }
        }
    }

    /// Makes `dir` the directory of this node.
    pub fn create(&self, dir: &Path) -> Result<(), IdentityError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| IdentityError::Io { path, source }
        };
        fs::create_dir_all(dir).map_err(failed(dir))?;
        Self::refuse_taken(dir)?;
        let text = toml::to_string(self).expect("three words and a number are valid TOML");
        let whole = dir.join(FILE);
        let draft = dir.join(format!("{FILE}.tmp"));
        let written = File::create(&draft).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(failed(&draft))?;
        fs::rename(&draft, &whole).map_err(failed(&whole))?;
        File::open(dir).and_then(|folder| folder.sync_all()).map_err(failed(dir))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn someone() -> Identity {
        Identity { cluster_id: "c1".to_owned(), cluster_name: "north".to_owned(), node: 3, founder: false }
    }

    #[test]
    fn what_was_created_is_what_is_loaded() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        someone().create(dir.path()).expect("created");
        assert_eq!(Identity::load(dir.path()).expect("loaded"), someone());
    }

    #[test]
    fn a_directory_belongs_to_one_node_for_good() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        someone().create(dir.path()).expect("created");
        let other = Identity { node: 4, ..someone() };
        let error = other.create(dir.path()).expect_err("it is taken").to_string();
        assert!(error.contains("node 3 of cluster c1"), "{error}");
        assert_eq!(Identity::load(dir.path()).expect("loaded"), someone());
    }

    #[test]
    fn a_missing_or_damaged_identity_is_named_with_a_remedy() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let absent = Identity::load(dir.path()).expect_err("there is none").to_string();
        assert!(absent.contains("hearth init") && absent.contains("hearth join"), "{absent}");
        fs::write(dir.path().join(FILE), "cluster_id = 7").expect("written");
        let damaged = Identity::load(dir.path()).expect_err("it is damaged").to_string();
        assert!(damaged.contains(FILE) && damaged.contains("join again"), "{damaged}");
    }
}
