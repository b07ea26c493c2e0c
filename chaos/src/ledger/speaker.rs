//! Who spoke on a line.
//!
//! Promises: a name stands for one node wherever it can be told. Refuses: telling apart the processes that hold one
//! terminal at once.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Who spoke.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// The other end of a connection.
    Tcp {
        /// Its address; the IP names the node.
        peer: SocketAddr,
        /// The connection's own number.
        connection: u64,
    },
    /// The running processes that held the terminal.
    Pty {
        /// All of them; empty where the holder was gone before it could be seen.
        holders: Vec<Holder>,
    },
}

/// A process that holds a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id.
    pub pid: i32,
    /// The number of this period of holding.
    pub connection: u64,
}

impl Speaker {
    /// The connections the bytes may have come through.
    pub fn connections(&self) -> Vec<u64> {
        match self {
            Self::Tcp { connection, .. } => vec![*connection],
            Self::Pty { holders } => holders.iter().map(|holder| holder.connection).collect(),
        }
    }

    /// The names of the nodes that may have spoken. The plain loopback address names nobody: there each connection
    /// is a speaker of its own.
    pub fn names(&self) -> BTreeSet<String> {
        match self {
            Self::Tcp { peer, connection } if peer.ip().to_string() == "127.0.0.1" => {
                BTreeSet::from([format!("127.0.0.1#{connection}")])
            }
            Self::Tcp { peer, .. } => BTreeSet::from([peer.ip().to_string()]),
            Self::Pty { holders } => holders.iter().map(|holder| format!("pid {}", holder.pid)).collect(),
        }
    }
}
