//! Generates the gRPC modules from `proto/` without an external compiler; nothing without the feature `api`.
#![allow(clippy::disallowed_methods, reason = "a build script works on files")]

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    #[cfg(feature = "api")]
    generate()?;
    Ok(())
}

#[cfg(feature = "api")]
fn generate() -> Result<(), Box<dyn std::error::Error>> {
    use prost::Message as _;

    let files = protox::compile(["proto/admin.proto", "proto/peer.proto"], ["proto"])?;
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), files.encode_to_vec())?;
    tonic_prost_build::configure()
        .build_transport(false)
        .bytes(".hearth.peer.v1.SpooledRecord.record")
        .include_file("hearth.rs")
        .compile_fds(files)?;
    Ok(())
}
