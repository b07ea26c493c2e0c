//! The way to a cluster: the first node of several that answers.
//!
//! Promises: a node that takes connections and answers nothing is passed over; every wait has a limit. Refuses:
//! repeating a change by itself.

use std::time::Duration;

use protocol::api::admin as api;
use protocol::api::admin::cluster_client::ClusterClient;
use protocol::api::admin::commands_client::CommandsClient;
use protocol::api::admin::ledger_client::LedgerClient;
use protocol::api::admin::lines_client::LinesClient;
use protocol::api::admin::meters_client::MetersClient;
use protocol::api::admin::plant_client::PlantClient;
use protocol::api::admin::readings_client::ReadingsClient;
use tonic::transport::{Channel, Endpoint};

use super::failure::Failure;

/// For a node to be connected, and to answer that it is one.
const CONNECT: Duration = Duration::from_secs(2);
/// For a call to be answered; more than a node's own default limit, so that its words arrive.
const CALL: Duration = Duration::from_secs(35);
/// A silent connection is asked for a sign of life this often, and given up after as long without one.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// The largest answer taken, bytes.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// A connection to a node that answered.
#[derive(Debug, Clone)]
pub struct Session {
    channel: Channel,
}

impl Session {
    /// Connects to the first of `addresses` that answers.
    pub async fn open(addresses: &[String]) -> Result<Self, Failure> {
        Self::open_within(addresses, CONNECT * 2).await
    }

    /// The same, with a limit for each address to connect and answer.
    async fn open_within(addresses: &[String], limit: Duration) -> Result<Self, Failure> {
        let endpoints = addresses.iter().map(|at| endpoint(at)).collect::<Result<Vec<_>, _>>()?;
        let mut faults = Vec::new();
        for (at, endpoint) in addresses.iter().zip(endpoints) {
            match tokio::time::timeout(limit, greet(&endpoint)).await {
                Ok(Ok(session)) => return Ok(session),
                Ok(Err(fault)) => faults.push(format!("{at}: {fault}")),
                Err(_) => faults.push(format!("{at}: no answer within {limit:?}")),
            }
        }
        let faults = faults.join("; ");
        Err(Failure::Unreachable(format!("no node answers ({faults}): name one that runs with --at or HEARTH_AT")))
    }

    /// The cluster's status and nodes.
    pub fn cluster(&self) -> ClusterClient<Channel> {
        ClusterClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }

    /// The lines.
    pub fn lines(&self) -> LinesClient<Channel> {
        LinesClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }

    /// The meters.
    pub fn meters(&self) -> MetersClient<Channel> {
        MetersClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }

    /// The plant: its calendar and schedules.
    pub fn plant(&self) -> PlantClient<Channel> {
        PlantClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }

    /// The readings.
    pub fn readings(&self) -> ReadingsClient<Channel> {
        ReadingsClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }

    /// The accounts of due slots.
    pub fn ledger(&self) -> LedgerClient<Channel> {
        LedgerClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }

    /// The commands.
    pub fn commands(&self) -> CommandsClient<Channel> {
        CommandsClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }

    /// The cluster's status, linearizable.
    pub async fn status(&self) -> Result<api::StatusReply, Failure> {
        let reply = self.cluster().status(api::StatusRequest { local: false, digest: false }).await;
        reply.map(tonic::Response::into_inner).map_err(Failure::of_look)
    }
}

fn endpoint(at: &str) -> Result<Endpoint, Failure> {
    let wrong = || Failure::Usage(format!("\"{at}\" is no address of a node: write HOST:PORT"));
    let endpoint = Endpoint::from_shared(format!("http://{at}")).map_err(|_| wrong())?;
    endpoint.uri().port_u16().ok_or_else(wrong)?;
    Ok(endpoint
        .connect_timeout(CONNECT)
        .timeout(CALL)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE))
}

/// Connects, and has the node say that it is one: a stopped process still takes connections.
async fn greet(endpoint: &Endpoint) -> Result<Session, String> {
    let channel = endpoint.connect().await.map_err(|error| innermost(&error))?;
    let session = Session { channel };
    match session.cluster().status(api::StatusRequest { local: true, digest: false }).await {
        Ok(_) => Ok(session),
        Err(status) if status.code() == tonic::Code::PermissionDenied => Ok(session),
        Err(status) => Err(status.message().to_owned()),
    }
}

/// The last cause of an error: the one that says what happened.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fake::Fake;

    #[tokio::test]
    async fn an_address_that_is_none_is_a_usage_error_that_names_it() {
        for bad in ["nowhere", "a b:1", "", "host:"] {
            let failure = Session::open(&[bad.to_owned()]).await.expect_err("no address");
            assert_eq!(failure.code(), 2, "{bad}: {failure}");
            assert!(failure.to_string().contains("HOST:PORT"));
        }
    }

    #[tokio::test]
    async fn a_node_that_takes_connections_and_answers_nothing_is_passed_over() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let stopped = silent.local_addr().expect("it is bound").to_string();
        let answering = Fake::default().serve().await;
        let limit = Duration::from_millis(300);
        let session = Session::open_within(&[stopped.clone(), answering], limit).await.expect("one answers");
        assert_eq!(session.status().await.expect("a status").cluster_name, "demo");
        let failure = Session::open_within(std::slice::from_ref(&stopped), limit).await.expect_err("none answers");
        assert!(failure.code() == 3 && failure.to_string().contains("no answer within 300ms"), "{failure}");
    }

    #[tokio::test]
    async fn nodes_that_do_not_answer_are_all_named_and_exit_with_three() {
        let closed = || {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
            listener.local_addr().expect("it is bound").to_string()
        };
        let addresses = [closed(), closed()];
        let failure = Session::open(&addresses).await.expect_err("nobody listens");
        assert_eq!(failure.code(), 3);
        assert!(addresses.iter().all(|at| failure.to_string().contains(at)), "{failure}");
    }
}
