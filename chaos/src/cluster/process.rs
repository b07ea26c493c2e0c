//! One `hearth` process: its files, its life, and how it is asked.
//!
//! Promises: the process ends with this program, however that ends. Refuses: knowing of other nodes.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use protocol::api::admin::cluster_client::ClusterClient;
use protocol::api::admin::commands_client::CommandsClient;
use protocol::api::admin::lines_client::LinesClient;
use protocol::api::admin::meters_client::MetersClient;
use protocol::api::admin::{StatusReply, StatusRequest};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};

use crate::clock::Stamp;
use crate::cpu;

/// For a connection to a node to be made.
const CONNECT_LIMIT: Duration = Duration::from_millis(500);
/// For a node's status.
const STATUS_LIMIT: Duration = Duration::from_secs(2);
/// For a command of `hearth` that does not serve.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);
/// Node n has the loopback address that ends in this and n more.
const FIRST_HOST: u8 = 10;

/// A node.
#[derive(Debug)]
pub struct Process {
    /// Its name.
    pub name: String,
    /// Where it listens. An address of its own: no connection can take its port while it is down.
    pub address: SocketAddr,
    hearth: PathBuf,
    config: PathBuf,
    channel: Channel,
    child: Option<Child>,
}

impl Process {
    /// Node number `number`, in a directory within `root`, not running yet; `more` are settings of its own, those
    /// before its first table of `[polling]`.
    pub fn new(hearth: &Path, root: &Path, number: u8, more: &str) -> Result<Self> {
        let name = format!("n{number}");
        let dir = root.join(&name);
        std::fs::create_dir_all(&dir).with_context(|| format!("node directory {}", dir.display()))?;
        let address = free_address(number)?;
        let config = dir.join("hearth.toml");
        let text = settings(&name, &dir, address) + more;
        std::fs::write(&config, text).with_context(|| format!("{}", config.display()))?;
        let endpoint = Endpoint::from_shared(format!("http://{address}")).context("a node's address")?;
        let channel = endpoint.connect_timeout(CONNECT_LIMIT).tcp_nodelay(true).connect_lazy();
        Ok(Self { name, address, hearth: hearth.to_owned(), config, channel, child: None })
    }

    /// Runs `hearth COMMAND --config .. MORE` to its end.
    pub async fn command(&self, command: &str, more: &[&str]) -> Result<()> {
        let mut process = Command::new(&self.hearth);
        process.arg(command).arg("--config").arg(&self.config).args(more).stdin(Stdio::null()).kill_on_drop(true);
        let output = timeout(COMMAND_LIMIT, process.output()).await;
        let output = output.with_context(|| format!("hearth {command} of {}: no end", self.name))?;
        let output = output.with_context(|| format!("hearth binary {}", self.hearth.display()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "hearth {command} of {}: {}", self.name, said.trim());
        Ok(())
    }

    /// Starts it serving.
    pub fn start(&mut self) -> Result<()> {
        let path = self.config.with_file_name("log");
        let log = OpenOptions::new().create(true).append(true).open(&path);
        let log = log.with_context(|| format!("log {}", path.display()))?;
        let mut process = Command::new(&self.hearth);
        process.arg("serve").arg("--config").arg(&self.config).arg("--stop-with-stdin");
        process.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        self.child = Some(process.spawn().with_context(|| format!("hearth binary {}", self.hearth.display()))?);
        Ok(())
    }

    /// kill -9; the moment before it.
    pub async fn kill(&mut self) -> Result<Stamp> {
        let mut child = self.child.take().with_context(|| format!("node {} does not run", self.name))?;
        let ended = child.try_wait().context("a child's state")?;
        ensure!(ended.is_none(), "node {} ended by itself ({ended:?}): see its log", self.name);
        let at = Stamp::now();
        child.kill().await.with_context(|| format!("node {} cannot be killed", self.name))?;
        Ok(at)
    }

    /// Whether it was started and not killed.
    pub const fn is_up(&self) -> bool {
        self.child.is_some()
    }

    /// What the ledger calls it when it speaks: by its address, or by its process.
    pub fn names(&self) -> BTreeSet<String> {
        let pid = self.pid().map(|pid| format!("pid {pid}"));
        pid.into_iter().chain([self.address.ip().to_string()]).collect()
    }

    /// Its process id; none where it does not run.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// The memory it occupies, bytes; none where it does not run.
    pub fn resident_bytes(&self) -> Option<u64> {
        let pid = self.pid()?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?;
        Some(kib.trim().parse::<u64>().ok()? * 1024)
    }

    /// The processor time it took since it was started; none where it does not run.
    pub fn cpu(&self) -> Option<Duration> {
        cpu::spent(self.pid()?)
    }

    /// Its status: its own view, or the cluster's; none while it cannot say.
    pub async fn status(&self, local: bool) -> Option<StatusReply> {
        let request = StatusRequest { local, digest: false };
        Some(timeout(STATUS_LIMIT, self.cluster().status(request)).await.ok()?.ok()?.into_inner())
    }

    /// Asks it of the cluster.
    pub fn cluster(&self) -> ClusterClient<Channel> {
        ClusterClient::new(self.channel.clone())
    }

    /// Asks it of commands.
    pub fn commands(&self) -> CommandsClient<Channel> {
        CommandsClient::new(self.channel.clone())
    }

    /// Asks it of lines.
    pub fn lines(&self) -> LinesClient<Channel> {
        LinesClient::new(self.channel.clone())
    }

    /// Asks it of meters.
    pub fn meters(&self) -> MetersClient<Channel> {
        MetersClient::new(self.channel.clone())
    }
}

/// A free port of node number `number`'s own address, by which the ledger names it.
pub fn free_address(number: u8) -> Result<SocketAddr> {
    let host = Ipv4Addr::new(127, 0, 0, FIRST_HOST + number);
    let listener = TcpListener::bind((host, 0)).with_context(|| format!("a port of {host}"))?;
    listener.local_addr().context("listener's own address")
}

fn settings(name: &str, dir: &Path, address: SocketAddr) -> String {
    let (data, source) = (dir.join("data"), address.ip());
    format!(
        "[node]\nname = \"{name}\"\ndata_dir = \"{}\"\nlisten = \"{address}\"\n\n\
         [membership]\nstable_for = \"1s\"\n\n[polling]\nsource = \"{source}\"\n",
        data.display()
    )
}
