//! `hearth join`: makes a node of a cluster that exists.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use protocol::api::peer::cluster_client::ClusterClient;
use protocol::api::peer::{JoinReply, JoinRequest};
use protocol::meter::NodeId;
use tonic::service::interceptor::InterceptedService;

use super::init::random_id;
use crate::cluster::identity::Identity;
use crate::cluster::peers::{Caller, connect_lazily};
use crate::config::Config;

/// Asks a cluster for a place, and makes this node's data directory.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The node's configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Any node of the cluster.
    #[arg(long, value_name = "HOST:PORT")]
    peer: String,
    /// Refuse any cluster but this one.
    #[arg(long, value_name = "ID", default_value = "")]
    cluster_id: String,
}

/// For the cluster to answer.
const LIMIT: Duration = Duration::from_secs(30);

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let config = Config::load(&args.config)?;
    Identity::refuse_taken(&config.node.data_dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let reply = runtime.block_on(ask(args, &config))?;
    let identity =
        Identity { cluster_id: reply.cluster_id, cluster_name: reply.cluster_name, node: reply.node, founder: false };
    identity.create(&config.node.data_dir)?;
    println!("node {} of cluster {} ({})", identity.node, identity.cluster_id, identity.cluster_name);
    eprintln!("next: hearth serve --config {}", args.config.display());
    Ok(())
}

async fn ask(args: &Args, config: &Config) -> anyhow::Result<JoinReply> {
    let Some(channel) = connect_lazily(&args.peer, config.raft.connect_timeout) else {
        bail!("--peer {}: expected host:port", args.peer);
    };
    let caller = Caller::new(&args.cluster_id, NodeId(0));
    let mut client = ClusterClient::new(InterceptedService::new(channel, caller));
    let request = JoinRequest {
        cluster_id: args.cluster_id.clone(),
        name: config.node.name.clone(),
        address: config.advertise(),
        labels: config.node.labels.clone().into_iter().collect(),
        key: random_id()?,
    };
    let answer = tokio::time::timeout(LIMIT, client.join(request)).await;
    let answer = answer.with_context(|| format!("{} did not answer within {LIMIT:?}", args.peer))?;
    match answer {
        Ok(reply) => Ok(reply.into_inner()),
        Err(status) if status.code() == tonic::Code::Unavailable => {
            bail!("{} cannot be reached: {}: is a node served there?", args.peer, status.message())
        }
        Err(status) => bail!("the cluster at {} refuses: {}", args.peer, status.message()),
    }
}
