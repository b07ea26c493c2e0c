//! `hearth demo`: a stand-in.

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Not built.
pub fn run(_: Args) -> anyhow::Result<()> {
    anyhow::bail!("not built yet")
}
