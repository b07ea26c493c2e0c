//! The generated gRPC modules, nothing else. The words of each message are in `proto/`.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

mod generated {
    include!(concat!(env!("OUT_DIR"), "/hearth.rs"));
}

/// Console <-> cluster.
pub use generated::hearth::admin::v1 as admin;
/// Node <-> node.
pub use generated::hearth::peer::v1 as peer;

/// The encoded descriptor set of both, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
