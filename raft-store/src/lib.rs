//! What the cluster agrees on, made durable.
//!
//! ```text
//!        node
//!         |  Raft, MachineHandle, codec
//!   +-----v----------------------------------------------+
//!   |  types      the consensus library's parameters      |
//!   |  machine    applies, publishes, snapshots           |
//!   |  log        votes and entries, durable              |
//!   |  snapshot   the state in a file                     |
//!   |  codec      every durable byte, both directions     |
//!   +-----+----------------------------------------------+
//!         |
//!       state     pure: entries in, replies out
//! ```
//!
//! Promises: what is acknowledged survives; the same entries give the same state on every node, byte for byte.
//! Refuses: networks, clocks and decisions.

pub mod codec;
mod folder;
pub mod log;
pub mod machine;
pub mod snapshot;
pub mod state;
pub mod types;

pub use log::{Limits, LogStore, StoreError};
pub use machine::{Applied, Machine, MachineHandle, Raft};
pub use snapshot::{Snapshot, SnapshotBytes, SnapshotError};
