//! Generates the gRPC modules from `proto/` without an external compiler.
#![allow(clippy::disallowed_methods, reason = "a build script works on files")]

use std::path::PathBuf;

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = protox::compile(["proto/admin.proto", "proto/peer.proto"], ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), files.encode_to_vec())?;
    tonic_prost_build::configure().build_transport(false).include_file("hearth.rs").compile_fds(files)?;
    Ok(())
}
