//! A Galera cluster of the tests' own: three servers on the loopback that are one database.
//!
//! ```text
//!   first: install -> found the cluster -> stop cleanly --copied--> the others   all stand at one position, so that
//!     +--> found it again <---------------------------- they join                who joins is told only what came after it
//! ```
//!
//! Promises: all three are in step when it is there; nothing is installed but `galera-4`, and no user is needed. Refuses:
//! a server that was killed joining again: it would need all of the data sent.
#![allow(clippy::indexing_slicing)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::{NAMED, Own, Place, START_LIMIT, Server, free_port};

const NODES: usize = 3;
const PROVIDERS: [&str; 2] = ["/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera-4/libgalera_smm.so"];
/// How data is said to be sent to a server that joins; none is.
const METHOD: &str = "in_place";

/// The servers, each with the same empty database.
pub(crate) struct Galera {
    pub(crate) nodes: Vec<Place>,
}

/// Where one server is reached by the others.
struct Ports {
    group: u16,
    increments: u16,
    transfer: u16,
}

impl Galera {
    /// Three servers in step; `None` where Galera is not installed.
    pub(crate) async fn start() -> Option<Self> {
        let mut servers = start().await?.into_iter();
        let first = Place::on(Arc::new(servers.next()?)).await;
        let name = first.name.clone();
        let others = servers.map(|server| Place { server: Arc::new(server), name: name.clone() });
        let nodes: Vec<_> = std::iter::once(first).chain(others).collect();
        for node in &nodes {
            node.server.until("", &format!("SHOW DATABASES LIKE '{name}'"), &name).await;
        }
        Some(Self { nodes })
    }

    /// Where each server is found, beginning with number `first`.
    pub(crate) fn endpoints(&self, first: usize) -> Vec<String> {
        (0..NODES).map(|place| self.nodes[(first + place) % NODES].url("root")).collect()
    }

    /// Cuts server `node` off from the others, or lets it find them again.
    pub(crate) async fn isolate(&self, node: usize, isolated: bool) {
        let isolate = format!("SET GLOBAL wsrep_provider_options='gmcast.isolate={}'", u8::from(isolated));
        self.nodes[node].sql(&isolate).await;
    }

    /// Waits until server `node` has everything and takes part.
    pub(crate) async fn until_in_step(&self, node: usize) {
        self.nodes[node].server.until_in_step().await;
    }
}

async fn start() -> Option<Vec<Server>> {
    let provider = provider()?;
    let ports: Vec<_> = std::iter::repeat_with(Ports::free).take(NODES).collect();
    let args = |node: usize| args(provider, &ports, node);
    let mut first = Own::install(args(0))?;
    let programs = first.dir.path().join("programs");
    std::fs::create_dir(&programs).unwrap();
    first.programs = Some(programs);
    first.resume_with(&["--wsrep-new-cluster"]).await;
    let mut first = Server::of(first);
    first.until_in_step().await;
    first.sql("", "SHUTDOWN").await;
    let own = first.own.as_mut().unwrap();
    own.process.lock().unwrap().take().unwrap().wait().unwrap();
    own.write_method();
    let others: Vec<_> = (1..NODES).map(|node| own.copy(args(node))).collect();
    own.resume_with(&["--wsrep-new-cluster"]).await;
    first.until_in_step().await;
    let mut servers = vec![first];
    for other in others {
        other.resume().await;
        let server = Server::of(other);
        server.until_in_step().await;
        servers.push(server);
    }
    Some(servers)
}

fn provider() -> Option<&'static str> {
    if std::env::var_os(NAMED).is_some() {
        eprintln!("skipped: the server of {NAMED} is no Galera cluster to be broken");
        return None;
    }
    let provider = PROVIDERS.into_iter().find(|path| Path::new(path).exists());
    if provider.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "galera-4 is not installed");
        eprintln!("skipped: galera-4 is not installed");
    }
    provider
}

impl Ports {
    fn free() -> Self {
        Self { group: free_port(), increments: free_port(), transfer: free_port() }
    }
}

impl Own {
    /// Another server with the same files.
    fn copy(&self, args: Vec<String>) -> Self {
        let dir = TempDir::new().unwrap();
        let data = dir.path().join("data");
        let copied = std::process::Command::new("cp").arg("-a").arg(self.dir.path().join("data")).arg(&data).status();
        assert!(copied.unwrap().success());
        let process = std::sync::Mutex::new(None);
        Self { dir, port: free_port(), args, programs: self.programs.clone(), process }
    }

    /// What a server calls to be sent all of the data, and to send it: it says that this was done.
    fn write_method(&self) {
        let state = std::fs::read_to_string(self.dir.path().join("data/grastate.dat")).unwrap();
        let value = |name: &str| state.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
        let position = format!("{}:{}", value("uuid:"), value("seqno:"));
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in\n*joiner*) echo \"ready $4\"; echo \"{position} 0\" ;;\n\
             *donor*) echo \"done {position}\" ;;\nesac\n"
        );
        let path = self.programs.as_ref().unwrap().join(format!("wsrep_sst_{METHOD}"));
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
}

impl Server {
    fn of(own: Own) -> Self {
        Self { root: own.root(), own: Some(own) }
    }

    async fn until_in_step(&self) {
        self.until("", "SHOW STATUS LIKE 'wsrep_local_state_comment'", SYNCED).await;
    }

    /// A server that is sent what it missed hangs up on whoever asks.
    async fn until(&self, database: &str, statement: &str, expected: &str) {
        let says = async {
            while !self.try_sql(database, statement).await.is_ok_and(|said| said.concat() == expected) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(START_LIMIT, says).await.is_err() {
            let log = std::fs::read_to_string(self.own.as_ref().unwrap().dir.path().join("log"));
            panic!("{statement} does not become {expected}: {}", log.unwrap());
        }
    }
}

const SYNCED: &str = "wsrep_local_state_comment|Synced";

fn args(provider: &str, ports: &[Ports], node: usize) -> Vec<String> {
    let others = ports.iter().enumerate().filter(|(other, _)| *other != node);
    let others: Vec<_> = others.map(|(_, ports)| format!("127.0.0.1:{}", ports.group)).collect();
    let Ports { group, increments, transfer } = &ports[node];
    vec![
        "--wsrep-on=ON".to_owned(),
        format!("--wsrep-provider={provider}"),
        "--wsrep-cluster-name=hearth".to_owned(),
        format!("--wsrep-cluster-address=gcomm://{}", others.join(",")),
        format!("--wsrep-node-name=node{node}"),
        "--wsrep-node-address=127.0.0.1".to_owned(),
        format!("--wsrep-sst-method={METHOD}"),
        format!("--wsrep-sst-receive-address=127.0.0.1:{transfer}"),
        format!(
            "--wsrep-provider-options=base_host=127.0.0.1;base_port={group};gmcast.listen_addr=tcp://127.0.0.1:{group};\
             ist.recv_addr=127.0.0.1:{increments};gcache.size=64M"
        ),
        "--binlog-format=ROW".to_owned(),
        "--innodb-autoinc-lock-mode=2".to_owned(),
    ]
}
