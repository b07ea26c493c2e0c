//! `hearth status`: one screen, once or again and again.
//!
//! Promises: exit code 1 where something is critical; where nobody leads, the asked node's own memory is shown, and the
//! exit code is 3. Refuses: going quiet while watching: a lost node is said, and the
//! next one asked.

use std::time::Duration;

use protocol::api::admin as api;

use super::client::Session;
use super::failure::Failure;
use super::output::Out;
use super::{json, screen};

/// Pause before another node is asked while watching.
const AGAIN: Duration = Duration::from_secs(1);

/// Arguments of `hearth status`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show it again whenever something changes.
    #[arg(long)]
    watch: bool,
    /// From the asked node's own memory, without the leader.
    #[arg(long, conflicts_with = "watch")]
    local: bool,
}

/// Carries it out.
pub async fn run(args: Args, at: &[String], out: Out) -> Result<(), Failure> {
    let session = Session::open(at).await?;
    if args.watch {
        return watch(session, at, out).await;
    }
    match ask(&session, args.local).await {
        Ok(status) => {
            show(&status, out)?;
            if screen::is_critical(&status) { Err(Failure::Told) } else { Ok(()) }
        }
        Err(failure @ Failure::Unreachable(_)) if !args.local => {
            show(&ask(&session, true).await?, out)?;
            Err(failure)
        }
        Err(failure) => Err(failure),
    }
}

async fn ask(session: &Session, local: bool) -> Result<api::StatusReply, Failure> {
    let reply = session.cluster().status(api::StatusRequest { local, digest: false }).await;
    reply.map(tonic::Response::into_inner).map_err(Failure::of_look)
}

fn show(status: &api::StatusReply, out: Out) -> Result<(), Failure> {
    out.show(|| json::status(status), || screen::render(status))
}

/// Without end, through the loss of any node.
async fn watch(first: Session, at: &[String], out: Out) -> Result<(), Failure> {
    let mut session = Ok(first);
    loop {
        let lost = match &session {
            Ok(session) => follow(session, out).await?,
            Err(failure) => format!("{failure}"),
        };
        eprintln!("hearth: {lost}: asking again");
        tokio::time::sleep(AGAIN).await;
        session = Session::open(at).await;
    }
}

/// Shows what one node says until it stops, and why it stopped.
async fn follow(session: &Session, out: Out) -> Result<String, Failure> {
    let request = api::WatchStatusRequest { max_per_second: 0 };
    let mut stream = match session.cluster().watch_status(request).await {
        Ok(reply) => reply.into_inner(),
        Err(status) => return Ok(status.message().to_owned()),
    };
    loop {
        match stream.message().await {
            Ok(Some(status)) => out.screen(|| json::status(&status), || screen::render(&status))?,
            Ok(None) => return Ok("the node ended the stream".to_owned()),
            Err(status) => return Ok(status.message().to_owned()),
        }
    }
}
