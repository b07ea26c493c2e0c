//! Real `hearth` processes on loopback, each with its own directory and port, gone when the test is.

#![allow(dead_code, reason = "every test binary uses its own part")]

use std::future::Future;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use protocol::api::admin::cluster_client::ClusterClient;
use protocol::api::admin::commands_client::CommandsClient;
use protocol::api::admin::lines_client::LinesClient;
use protocol::api::admin::meters_client::MetersClient;
use protocol::api::admin::{
    ImportLinesRequest, ImportMetersRequest, LineSpec, MeterSpec, NodeRole, StatusReply, StatusRequest,
};
use tonic::transport::{Channel, Endpoint};

/// Whatever a test waits for comes within this, or the test has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// From look to look.
const LOOK: Duration = Duration::from_millis(25);

/// The binary under test.
pub fn hearth() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hearth"));
    command.env_remove("HEARTH_AT").stdin(Stdio::null());
    command
}

/// Runs `hearth` to its end.
pub fn run(args: &[&str]) -> Output {
    hearth().args(args).output().expect("hearth runs")
}

/// What a command wrote to standard error.
pub fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Waits until `probe` gives something, asking again and again.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut probe: impl FnMut() -> F) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(LOOK).await;
    }
}

/// A port nobody uses now and nobody else in this process was given, below those the system gives to outgoing
/// connections: while a node is down, a peer that tries to reach it could be given its very port.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let (first, count) = (20_000, 6_000);
    let offset = (std::process::id() % 97 * 61) as u16;
    let candidates = std::iter::repeat_with(|| first + (NEXT.fetch_add(1, Ordering::Relaxed) + offset) % count);
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    candidates.take(usize::from(count)).find(free).expect("loopback has a free port")
}

/// A node: its files, and its process while it runs.
pub struct Node {
    pub name: String,
    pub port: u16,
    pub config: PathBuf,
    pub data_dir: PathBuf,
    extra: String,
    process: Option<Child>,
}

impl Node {
    /// A node called `name` in `root`, with more settings in `extra` (TOML).
    pub fn new(root: &Path, name: &str, extra: &str) -> Self {
        let dir = root.join(name);
        std::fs::create_dir_all(&dir).expect("a directory can be made");
        let node = Self {
            name: name.to_owned(),
            port: free_port(),
            config: dir.join("hearth.toml"),
            data_dir: dir.join("data"),
            extra: extra.to_owned(),
            process: None,
        };
        node.write_config();
        node
    }

    fn write_config(&self) {
        let (name, port, dir) = (&self.name, self.port, self.data_dir.display());
        let text = format!(
            "[node]\nname = \"{name}\"\ndata_dir = \"{dir}\"\nlisten = \"127.0.0.1:{port}\"\n\n\
             [membership]\nstable_for = \"500ms\"\n\n{}\n",
            self.extra
        );
        std::fs::write(&self.config, text).expect("the configuration can be written");
    }

    /// Gives a stopped node another port.
    pub fn change_port(&mut self) {
        self.port = free_port();
        self.write_config();
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn config_arg(&self) -> &str {
        self.config.to_str().expect("paths in tests are text")
    }

    pub fn init(&self) {
        let output = run(&["init", "--config", self.config_arg(), "--cluster-name", "test"]);
        assert!(output.status.success(), "{}", complaint(&output));
    }

    /// Like [`Node::init`], whatever comes of it.
    pub fn init_unchecked(&self) {
        run(&["init", "--config", self.config_arg()]);
    }

    pub fn join(&self, peer: &Self) -> Output {
        run(&["join", "--config", self.config_arg(), "--peer", &peer.address()])
    }

    pub fn start(&mut self) {
        self.start_with(&[]);
    }

    /// Starts the node with more arguments.
    pub fn start_with(&mut self, more: &[&str]) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log()).expect("a log can be opened");
        let child = hearth()
            .args(["serve", "--config", self.config_arg(), "--stop-with-stdin"])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.process = Some(child.expect("hearth starts"));
    }

    /// Starts the node so that none of its files can grow beyond `bytes`, as on a disk that is full there.
    pub fn start_with_file_limit(&mut self, bytes: u64) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log()).expect("a log can be opened");
        // A write beyond the limit shall fail, not kill.
        let limited = "trap '' XFSZ; exec prlimit --fsize=\"$0\" \"$@\"";
        let child = Command::new("sh")
            .args(["-c", limited, &bytes.to_string(), env!("CARGO_BIN_EXE_hearth")])
            .args(["serve", "--config", self.config_arg(), "--stop-with-stdin"])
            .env_remove("HEARTH_AT")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.process = Some(child.expect("hearth starts"));
    }

    /// How the process ended, if it did.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.process.as_mut().and_then(|child| child.try_wait().expect("it can be waited for"))
    }

    pub fn log(&self) -> PathBuf {
        self.config.with_file_name("log")
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.process.take() {
            child.kill().expect("it can be killed");
            child.wait().expect("it can be waited for");
        }
    }

    /// Asks the node to stop and waits until it has.
    pub fn stop(&mut self) -> std::process::ExitStatus {
        let mut child = self.process.take().expect("it runs");
        drop(child.stdin.take());
        child.wait().expect("it can be waited for")
    }

    pub fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address())).expect("an address").connect_lazy()
    }

    /// The node's status, or nothing while it cannot say.
    pub async fn status(&self, local: bool) -> Option<StatusReply> {
        let mut client = ClusterClient::new(self.channel());
        let request = StatusRequest { local, digest: true };
        let reply = tokio::time::timeout(Duration::from_secs(2), client.status(request)).await;
        Some(reply.ok()?.ok()?.into_inner())
    }

    pub fn commands(&self) -> CommandsClient<Channel> {
        CommandsClient::new(self.channel())
    }

    /// Waits until this node answers for the cluster.
    pub async fn ready(&self) -> StatusReply {
        eventually(&format!("{} answers", self.name), || self.status(false)).await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.log()).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("--- {} (newest first)\n{}", self.name, tail.join("\n"));
        }
    }
}

/// `count` nodes that run, and vote if they are at least three.
pub async fn cluster(root: &Path, count: usize, extra: &str) -> Vec<Node> {
    cluster_of(root, &vec![extra.to_owned(); count]).await
}

/// The same, each node with settings of its own.
pub async fn cluster_of(root: &Path, extras: &[String]) -> Vec<Node> {
    let count = extras.len();
    let named = |(n, extra): (usize, &String)| Node::new(root, &format!("n{}", n + 1), extra);
    let mut nodes: Vec<Node> = extras.iter().enumerate().map(named).collect();
    nodes[0].init();
    nodes[0].start();
    nodes[0].ready().await;
    for n in 1..count {
        let output = nodes[n].join(&nodes[0]);
        assert!(output.status.success(), "{}", complaint(&output));
        nodes[n].start();
    }
    let voters = if count < 3 { 1 } else { count };
    eventually("all nodes vote", || voting(&nodes[0], voters)).await;
    nodes
}

/// The status of a cluster in which `count` nodes vote.
pub async fn voting(node: &Node, count: usize) -> Option<StatusReply> {
    let status = node.status(false).await?;
    let votes = |role| role == NodeRole::Leader as i32 || role == NodeRole::Voter as i32;
    (status.nodes.iter().filter(|node| votes(node.role)).count() == count).then_some(status)
}

/// Imports `lines` lines to nowhere (a port where nobody listens), each with one meter `M0`, `M1` ..
pub async fn import_lines(node: &Node, lines: u16) {
    let line = |n: u16| LineSpec {
        name: format!("L{n}"),
        endpoint: format!("tcp://127.0.0.1:{}", 1 + n),
        ..LineSpec::default()
    };
    let request = ImportLinesRequest { lines: (0..lines).map(line).collect(), key: String::new() };
    let reply = LinesClient::new(node.channel()).import(request).await.expect("imported").into_inner();
    assert_eq!((reply.created, reply.errors.len()), (u32::from(lines), 0));
    let meter = |n: u16| MeterSpec {
        name: format!("M{n}"),
        line: format!("L{n}"),
        dialect: "mbus".to_owned(),
        address: "1".to_owned(),
        interval_s: 3600,
        ..MeterSpec::default()
    };
    let request = ImportMetersRequest { meters: (0..lines).map(meter).collect(), key: String::new() };
    let reply = MetersClient::new(node.channel()).import(request).await.expect("imported").into_inner();
    assert_eq!((reply.created, reply.errors.len()), (u32::from(lines), 0));
}
