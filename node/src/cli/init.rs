//! `hearth init`: makes the first node of a new cluster.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::cluster::identity::Identity;
use crate::config::Config;

/// Makes the data directory of the first node of a new cluster.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The node's configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The cluster's name for people.
    #[arg(long, default_value = "hearth")]
    cluster_name: String,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let config = Config::load(&args.config)?;
    let identity =
        Identity { cluster_id: random_id()?, cluster_name: args.cluster_name.clone(), node: 1, founder: true };
    identity.create(&config.node.data_dir)?;
    println!(
        "cluster {} ({}) has its first node in {}",
        identity.cluster_id,
        identity.cluster_name,
        config.node.data_dir.display()
    );
    eprintln!("next: hearth serve --config {}", args.config.display());
    Ok(())
}

/// 16 random bytes in hexadecimal.
pub(super) fn random_id() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).context("the system gives no random bytes")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
