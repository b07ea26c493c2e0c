//! Connections to the other nodes, one each, by node id.
//!
//! Promises: a channel connects when it is used, reconnects by itself, follows a node that announced another address,
//! and carries who calls in its metadata. Refuses: waiting without limit for a peer that does not answer a connect.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::meter::NodeId;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// The metadata key that names the caller's cluster.
pub const CLUSTER_KEY: &str = "hearth-cluster";
/// The metadata key that names the calling node.
pub const NODE_KEY: &str = "hearth-node";

/// A channel that says who calls.
pub type Peer = InterceptedService<Channel, Caller>;

/// Puts who calls into every request.
#[derive(Debug, Clone)]
pub struct Caller {
    cluster: MetadataValue<Ascii>,
    node: MetadataValue<Ascii>,
}

impl Caller {
    /// A caller from `cluster`; node 0 has not been admitted yet.
    pub fn new(cluster: &str, node: NodeId) -> Self {
        let ascii = |text: &str| MetadataValue::try_from(text).unwrap_or_else(|_| MetadataValue::from_static("?"));
        Self { cluster: ascii(cluster), node: ascii(&node.to_string()) }
    }
}

impl Interceptor for Caller {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert(CLUSTER_KEY, self.cluster.clone());
        request.metadata_mut().insert(NODE_KEY, self.node.clone());
        Ok(request)
    }
}

/// Refuses a caller that is not of cluster `ours`, by name.
pub fn refuse_strangers(ours: &str, metadata: &MetadataMap) -> Result<(), Status> {
    let theirs = metadata.get(CLUSTER_KEY).and_then(|value| value.to_str().ok()).unwrap_or("");
    // A node that has not applied the founding entry yet knows no cluster: its log is about to tell.
    if ours.is_empty() || theirs == ours {
        return Ok(());
    }
    Err(Status::permission_denied(format!("this is cluster {ours}, the caller is of cluster \"{theirs}\"")))
}

/// An address that is none.
#[derive(Debug, Clone, thiserror::Error)]
#[error("address \"{address}\" of node {node} is not host:port")]
pub struct AddressError {
    node: NodeId,
    address: String,
}

/// A handle to the connections; clones share them.
#[derive(Debug, Clone)]
pub struct Peers {
    caller: Caller,
    connect_timeout: Duration,
    channels: Arc<Mutex<HashMap<NodeId, (String, Channel)>>>,
    /// Where the replicated state says each node is reached.
    addresses: Arc<Mutex<HashMap<NodeId, String>>>,
}

/// A silent connection is asked for a sign of life this often.
const KEEP_ALIVE: Duration = Duration::from_secs(2);
/// And given up after this long without one.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(4);

impl Peers {
    /// No connections yet.
    pub fn new(caller: Caller, connect_timeout: Duration) -> Self {
        Self { caller, connect_timeout, channels: Arc::default(), addresses: Arc::default() }
    }

    /// The channel to `node` at `address`; it connects when first used.
    pub fn channel(&self, node: NodeId, address: &str) -> Result<Peer, AddressError> {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, channel)) = channels.get(&node).filter(|(known, _)| known == address) {
            return Ok(InterceptedService::new(channel.clone(), self.caller.clone()));
        }
        let channel = connect_lazily(address, self.connect_timeout)
            .ok_or_else(|| AddressError { node, address: address.to_owned() })?;
        channels.insert(node, (address.to_owned(), channel.clone()));
        Ok(InterceptedService::new(channel, self.caller.clone()))
    }

    /// The channel to `node` where it is reached now; at `otherwise` as long as nothing was learned of it.
    pub fn now(&self, node: NodeId, otherwise: &str) -> Result<Peer, AddressError> {
        let known = self.addresses.lock().unwrap_or_else(PoisonError::into_inner).get(&node).cloned();
        self.channel(node, known.as_deref().unwrap_or(otherwise))
    }

    /// Learns who the members are and where each is reached; forgets all others.
    pub fn learn(&self, members: impl Iterator<Item = (NodeId, String)>) {
        let members: HashMap<NodeId, String> = members.collect();
        let is_member = |node: &NodeId| members.contains_key(node);
        self.channels.lock().unwrap_or_else(PoisonError::into_inner).retain(|node, _| is_member(node));
        *self.addresses.lock().unwrap_or_else(PoisonError::into_inner) = members;
    }
}

/// A channel to `address` that connects when it is first used; `None` if that is not `host:port`.
pub fn connect_lazily(address: &str, connect_timeout: Duration) -> Option<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).ok()?;
    endpoint.uri().port_u16()?;
    let endpoint = endpoint
        .connect_timeout(connect_timeout)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    Some(endpoint.connect_lazy())
}
