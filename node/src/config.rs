//! Every setting and every limit of a node, by name and unit, from one TOML file.
//!
//! Promises: an unknown key, a wrong unit or a contradiction between settings is refused before anything starts,
//! naming file, key, value and remedy. Every loop, queue, batch, wait and retry of the node has its limit here.
//! Refuses: reading anything but the one file; a default hidden elsewhere.

macro_rules! settings {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $field:ident : $type:ty = $default:expr),+ $(,)? }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name { $($(#[$inner])* pub $field: $type),+ }
        impl Default for $name {
            fn default() -> Self { Self { $($field: $default),+ } }
        }
    };
}

mod backfill;
mod cluster;
mod console;
mod contradiction;
mod dialin;
mod ledger;
mod mysql;
mod polling;
mod sanity;
mod spool;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use backfill::Backfill;
pub use cluster::{Assigner, Lease, Membership, Raft};
pub use console::{Admin, Commands, Survey, Trace};
pub use dialin::DialIn;
pub use ledger::Ledger;
pub use mysql::Mysql;
pub use polling::{Polling, Units};
pub use sanity::Sanity;
pub use spool::{Spool, WhenFull};

/// A node's settings.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Who this node is and where it is reached.
    pub node: Node,
    /// The database the readings go to.
    #[serde(default)]
    pub mysql: Mysql,
    /// The consensus.
    #[serde(default)]
    pub raft: Raft,
    /// The right to speak on lines.
    #[serde(default)]
    pub lease: Lease,
    /// Who votes.
    #[serde(default)]
    pub membership: Membership,
    /// Which node gets which line.
    #[serde(default)]
    pub assigner: Assigner,
    /// The lines of this node.
    #[serde(default)]
    pub polling: Polling,
    /// The ports on which units call in.
    #[serde(default)]
    pub dialin: Vec<DialIn>,
    /// The units that called in.
    #[serde(default)]
    pub units: Units,
    /// What puts a reading in doubt.
    #[serde(default)]
    pub sanity: Sanity,
    /// How missed freezes are filled from meters' own history.
    #[serde(default)]
    pub backfill: Backfill,
    /// The outbox of this node.
    #[serde(default)]
    pub spool: Spool,
    /// What is asked of meters.
    #[serde(default)]
    pub commands: Commands,
    /// The console.
    #[serde(default)]
    pub admin: Admin,
    /// Listening to lines.
    #[serde(default)]
    pub trace: Trace,
    /// Looking for meters.
    #[serde(default)]
    pub survey: Survey,
    /// The accounts of due slots.
    #[serde(default)]
    pub ledger: Ledger,
}

/// Who this node is and where it is reached.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// The node's name for people; unique in the cluster.
    pub name: String,
    /// Where everything durable of this node is kept.
    pub data_dir: PathBuf,
    /// The one port, for nodes and consoles.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Where others reach this node, `host:port`; the listening address if absent.
    pub advertise: Option<String>,
    /// What lines may require of their node.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// A folder of meter profiles, beside those built in; the same on every node.
    #[serde(default)]
    pub profiles: Option<PathBuf>,
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 7400))
}

const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 3600)
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not understood; the text names line, key and value.
    #[error("configuration {path}: {source}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A setting contradicts another or its own bounds.
    #[error("configuration {path}: {key} = {value}: {remedy}")]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// The setting.
        key: &'static str,
        /// What it is.
        value: String,
        /// What it has to be.
        remedy: String,
    },
}

impl Config {
    /// Reads and checks the file at `path`.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let config: Self = toml::from_str(&text)
            .map_err(|source| ConfigError::Malformed { path: path.to_owned(), source: Box::new(source) })?;
        config.contradiction().map_or(Ok(config), |(key, value, remedy)| {
            Err(ConfigError::Contradiction { path: path.to_owned(), key, value, remedy })
        })
    }

    /// Where others reach this node, `host:port`.
    pub fn advertise(&self) -> String {
        self.node.advertise.clone().unwrap_or_else(|| self.node.listen.to_string())
    }
}
