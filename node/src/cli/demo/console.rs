//! The demo's way to the cluster: the public gRPC API, as any console has it.
//!
//! ```text
//!   a call --> the node that answered last --fails--> the next running node --> .. --> the last error
//! ```
//!
//! Promises: every call has a limit; a node that is gone or cannot answer is passed over; what the cluster itself
//! refuses is not asked twice; a repeated import or command carries the same key and acts once.
//! Refuses: anything a stranger could not do.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use protocol::api::admin::{
    Command, GetCommandRequest, ImportLinesRequest, ImportMetersRequest, ImportReply, LineSpec, ListReadingsRequest,
    MeterSpec, Reading, StatusReply, StatusRequest, SubmitCommandRequest, cluster_client::ClusterClient,
    commands_client::CommandsClient, lines_client::LinesClient, meters_client::MetersClient,
    readings_client::ReadingsClient,
};
use protocol::meter::Action;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};

use super::place::random_hex;
use super::roster::Roster;

/// For a node to be connected.
const CONNECT_LIMIT: Duration = Duration::from_millis(500);
/// For one node to say how the cluster is.
const STATUS_LIMIT: Duration = Duration::from_secs(1);
/// For one node to answer any other call.
const CALL_LIMIT: Duration = Duration::from_secs(20);
/// Readings asked for at once; the most a node gives.
const READINGS_MAX: u32 = 10_000;

/// A handle to the cluster as a stranger sees it; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Console {
    roster: Roster,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Debug, Default)]
struct Memory {
    channels: HashMap<SocketAddr, Channel>,
    answered: Option<SocketAddr>,
}

/// What another node might answer better.
const fn is_passed_over(code: Code) -> bool {
    !matches!(
        code,
        Code::InvalidArgument | Code::NotFound | Code::AlreadyExists | Code::FailedPrecondition | Code::Unimplemented
    )
}

impl Console {
    /// A console to the nodes of the roster that run.
    pub(super) fn new(roster: Roster) -> Self {
        Self { roster, memory: Arc::default() }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Memory) -> T) -> T {
        act(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn channel(&self, address: SocketAddr) -> Result<Channel> {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).with_context(|| address.to_string())?;
        let connect = || endpoint.connect_timeout(CONNECT_LIMIT).connect_lazy();
        Ok(self.with(|memory| memory.channels.entry(address).or_insert_with(connect).clone()))
    }

    /// The nodes to ask, in turn.
    fn turn(&self) -> Vec<SocketAddr> {
        let mut nodes: Vec<SocketAddr> = self.roster.running().iter().map(|row| row.address).collect();
        let answered = self.with(|memory| memory.answered);
        nodes.sort_by_key(|address| Some(*address) != answered);
        nodes
    }

    async fn ask<T>(&self, what: &str, limit: Duration, call: impl AsyncFn(Channel) -> Reply<T>) -> Result<T> {
        let mut last = Status::unavailable("no node runs");
        for address in self.turn() {
            let answer = timeout(limit, call(self.channel(address)?)).await;
            match answer
                .unwrap_or_else(|_| Err(Status::deadline_exceeded(format!("{address}: no answer in {limit:?}"))))
            {
                Ok(reply) => {
                    self.with(|memory| memory.answered = Some(address));
                    return Ok(reply.into_inner());
                }
                Err(status) if is_passed_over(status.code()) => last = status,
                Err(status) => bail!("{what}: {}", status.message()),
            }
        }
        bail!("{what}: {}: {}", last.code(), last.message())
    }

    /// The address of a node that would be asked first, for command lines shown to people.
    pub(super) fn at(&self) -> String {
        self.turn().first().map_or_else(|| "HOST:PORT".to_owned(), ToString::to_string)
    }

    /// How the cluster is; from a node's own memory where no leader answers.
    pub(super) async fn status(&self) -> Result<StatusReply> {
        match self.status_of(false).await {
            Ok(status) => Ok(status),
            Err(_) => self.status_of(true).await,
        }
    }

    async fn status_of(&self, local: bool) -> Result<StatusReply> {
        let call =
            async |channel| ClusterClient::new(channel).status(StatusRequest { local, ..Default::default() }).await;
        self.ask("status", STATUS_LIMIT, call).await
    }

    /// Registers lines.
    pub(super) async fn import_lines(&self, lines: Vec<LineSpec>) -> Result<()> {
        let request = ImportLinesRequest { lines, key: random_hex(16)? };
        let call = async |channel| LinesClient::new(channel).import(request.clone()).await;
        accepted("lines", &self.ask("import of lines", CALL_LIMIT, call).await?)
    }

    /// Registers meters.
    pub(super) async fn import_meters(&self, meters: Vec<MeterSpec>) -> Result<()> {
        let request = ImportMetersRequest { meters, key: random_hex(16)? };
        let call = async |channel| MetersClient::new(channel).import(request.clone()).await;
        accepted("meters", &self.ask("import of meters", CALL_LIMIT, call).await?)
    }

    /// The stored readings of slots from `from` on, Unix milliseconds; the newest first.
    pub(super) async fn readings(&self, from: u64) -> Result<Vec<Reading>> {
        let request = ListReadingsRequest { from, limit: READINGS_MAX, ..ListReadingsRequest::default() };
        let call = async |channel| {
            let mut client = ReadingsClient::new(channel).max_decoding_message_size(usize::MAX);
            client.list(request.clone()).await
        };
        Ok(self.ask("readings", CALL_LIMIT, call).await?.readings)
    }

    /// Asks for something to be done to a meter.
    pub(super) async fn submit(&self, meter: &str, action: Action) -> Result<Command> {
        let (meter, action) = (meter.to_owned(), action.name().to_owned());
        let request = SubmitCommandRequest { meter, action, deadline_ms: 0, key: random_hex(16)? };
        let call = async |channel| CommandsClient::new(channel).submit(request.clone()).await;
        self.ask("command", CALL_LIMIT, call).await
    }

    /// What became of a command so far.
    pub(super) async fn command(&self, id: u64) -> Result<Command> {
        let call = async |channel| CommandsClient::new(channel).get(GetCommandRequest { id }).await;
        self.ask("command", CALL_LIMIT, call).await
    }
}

type Reply<T> = Result<Response<T>, Status>;

fn accepted(what: &str, reply: &ImportReply) -> Result<()> {
    match reply.errors.first() {
        None => Ok(()),
        Some(error) => bail!(
            "{what} refused, {} rows; the first: row {}, column {}: {}",
            reply.errors.len(),
            error.row,
            error.column,
            error.message
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::roster::Row;

    #[tokio::test]
    async fn a_cluster_of_which_nobody_runs_is_named_as_such() {
        let console = Console::new(Roster::default());
        let text = console.status().await.expect_err("an error").to_string();
        assert!(text.contains("no node runs"), "{text}");
    }

    #[tokio::test]
    async fn a_node_that_is_gone_is_passed_over_within_the_limit() {
        let place = crate::cli::demo::place::Place::make(None).expect("a place");
        let roster = Roster::default();
        for name in ["node-1", "node-2"] {
            let address = place.free_address().expect("an address");
            roster.set(Row { name: name.to_owned(), address, pid: Some(1) });
        }
        let console = Console::new(roster);
        let failed = timeout(2 * STATUS_LIMIT, console.status()).await.expect("an answer in time");
        assert!(failed.is_err());
    }
}
