//! `hearth serve`: runs a node until it is told to stop.

use std::path::PathBuf;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::config::Config;
use crate::daemon::{self, Permissions};

/// Runs a node until SIGTERM or SIGINT: lines are handed over, the spool drained, leadership passed on.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The node's configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// A folder of meter profiles, beside those built in; give every node the same. Stands in for `node.profiles`.
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,
    /// Listen on an address others can reach, although nobody is asked who they are: whoever reaches the port can
    /// read everything and move every valve.
    #[arg(long)]
    accept_unauthenticated_access: bool,
    /// Stop when standard input closes (for a parent that wants its children gone with it).
    #[arg(long, hide = true)]
    stop_with_stdin: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut config = Config::load(&args.config)?;
    if args.profiles.is_some() {
        config.node.profiles.clone_from(&args.profiles);
    }
    let filter = EnvFilter::try_from_env("HEARTH_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,openraft=error,chunked_wal=warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let permissions = Permissions { unauthenticated_access: args.accept_unauthenticated_access };
    let with_stdin = args.stop_with_stdin;
    let result = runtime.block_on(async move {
        let stop = CancellationToken::new();
        stop_on_signals(&stop)?;
        if with_stdin {
            stop_with_stdin(&stop);
        }
        daemon::run(config, permissions, stop).await.map_err(anyhow::Error::from)
    });
    // A thread that still reads standard input must not keep the process.
    runtime.shutdown_background();
    result
}

fn stop_on_signals(stop: &CancellationToken) -> anyhow::Result<()> {
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind).context("signals cannot be received")?;
        let stop = stop.clone();
        tokio::spawn(async move {
            signals.recv().await;
            stop.cancel();
        });
    }
    Ok(())
}

fn stop_with_stdin(stop: &CancellationToken) {
    let stop = stop.clone();
    std::thread::spawn(move || {
        // Whatever is read or fails: its end is what counts.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        stop.cancel();
    });
}
