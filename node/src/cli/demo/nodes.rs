//! The demo's `hearth serve` processes: a directory, a port and a voice on the lines for each.
//!
//! ```text
//!   add --> config.toml --> hearth init (the first) | hearth join (the others) --> hearth serve
//!   kill -9 --> its data stays --> restart: hearth serve again
//! ```
//!
//! Promises: node N is `node-N` everywhere, speaks on TCP lines from 127.0.0.(10+N) and is called there by units, so that
//! the simulated meters can tell who speaks; a node that ends unasked is noticed. Refuses: deciding which node is killed.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::place::Place;
use super::processes::{Process, Program};
use super::roster::{Roster, Row};
use crate::config::{Config, DialIn, Membership, Mysql, Node as Identity, Polling};

/// For `hearth init` and `hearth join`.
const ADMIT_LIMIT: Duration = Duration::from_secs(60);
/// For a node to hand over its lines and end.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// A demo's node may vote after this long: people are watching.
const STABLE_FOR: Duration = Duration::from_secs(2);
/// Nodes that have an address of their own to speak from.
const NODES_MAX: usize = 200;

/// One node.
#[derive(Debug)]
pub(super) struct Node {
    /// `node-1` ..
    pub(super) name: String,
    /// Its one port.
    pub(super) address: SocketAddr,
    dir: PathBuf,
    process: Option<Process>,
}

/// All nodes.
#[derive(Debug)]
pub(super) struct Nodes {
    binary: PathBuf,
    database_url: String,
    roster: Roster,
    all: Vec<Node>,
    /// Where every node is called by units, at its own address.
    units: u16,
}

impl Node {
    fn config(&self) -> PathBuf {
        self.dir.join("config.toml")
    }

    fn program(&self, binary: &Path, verb: &str, more: &[&str]) -> Program {
        let mut args: Vec<OsString> = vec![verb.into(), "--config".into(), self.config().into()];
        args.extend(more.iter().map(Into::into));
        let name = format!("hearth {verb} of {}", self.name);
        Program { name, path: binary.to_owned(), args, log: self.dir.join("log") }
    }

    fn row(&self) -> Row {
        let pid = self.process.as_ref().map(Process::pid);
        Row { name: self.name.clone(), address: self.address, pid }
    }

    /// Whether its process is there.
    pub(super) const fn is_running(&self) -> bool {
        self.process.is_some()
    }
}

/// What a person types for a program.
fn twin(program: &Program) -> String {
    let file = program.path.file_name().unwrap_or(program.path.as_os_str()).to_string_lossy().into_owned();
    let args = program.args.iter().map(|arg| arg.to_string_lossy().into_owned());
    std::iter::once(file).chain(args).collect::<Vec<_>>().join(" ")
}

/// From where node `number` speaks.
fn voice(number: usize) -> Option<IpAddr> {
    let host = u8::try_from(number).ok().filter(|_| number <= NODES_MAX)? + 10;
    Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, host)))
}

/// Eight digits and a phone number, then FE from time to time: what the demo's units say.
fn dialin(listen: SocketAddr) -> Result<DialIn> {
    let text = format!("listen = \"{listen}\"\nregister = [\"{{id:8d}}{{phone:11d}}\"]\nheartbeat = [\"FE\"]");
    toml::from_str(&text).context("the port for units")
}

fn settings(name: &str, address: SocketAddr, data_dir: PathBuf, units: DialIn, database_url: &str) -> Config {
    Config {
        node: Identity {
            name: name.to_owned(),
            data_dir,
            listen: address,
            advertise: None,
            labels: Default::default(),
            profiles: None,
        },
        mysql: Mysql { endpoints: vec![database_url.to_owned()], ..Default::default() },
        raft: Default::default(),
        lease: Default::default(),
        membership: Membership { stable_for: STABLE_FOR, ..Default::default() },
        assigner: Default::default(),
        polling: Polling { source: Some(units.listen.ip()), ..Default::default() },
        dialin: vec![units],
        units: Default::default(),
        sanity: Default::default(),
        backfill: Default::default(),
        spool: Default::default(),
        commands: Default::default(),
        admin: Default::default(),
        trace: Default::default(),
        survey: Default::default(),
        ledger: Default::default(),
    }
}

impl Nodes {
    /// None yet; each will be `binary` and write to the database.
    pub(super) fn new(binary: PathBuf, database_url: String, roster: Roster, units: u16) -> Self {
        Self { binary, database_url, roster, all: Vec::new(), units }
    }

    /// Where units call the first `count` nodes.
    pub(super) fn calls(&self, count: usize) -> Vec<SocketAddr> {
        (1..=count).filter_map(voice).map(|voice| SocketAddr::new(voice, self.units)).collect()
    }

    /// Every node, in the order in which they were added.
    pub(super) fn all(&self) -> &[Node] {
        &self.all
    }

    /// Prepares one more node: the first founds the cluster, the others ask `peer` to be let in. Answers its name and
    /// the command line that did it.
    pub(super) async fn admit(&mut self, place: &Place, peer: Option<SocketAddr>) -> Result<(String, String)> {
        let number = self.all.len() + 1;
        let Some(voice) = voice(number) else {
            bail!("the demo has {NODES_MAX} nodes already: each needs an address of its own");
        };
        let name = format!("node-{number}");
        let dir = place.folder(&name)?;
        let address = place.free_address()?;
        let units = dialin(SocketAddr::new(voice, self.units))?;
        let settings = settings(&name, address, dir.join("data"), units, &self.database_url);
        let node = Node { name: name.clone(), address, dir, process: None };
        let text = toml::to_string(&settings).context("the settings of a node")?;
        std::fs::write(node.config(), text).with_context(|| format!("{}", node.config().display()))?;
        let program = match peer {
            None => node.program(&self.binary, "init", &["--cluster-name", "demo"]),
            Some(peer) => node.program(&self.binary, "join", &["--peer", &peer.to_string()]),
        };
        program.run(ADMIT_LIMIT).await?;
        self.all.push(node);
        Ok((name, twin(&program)))
    }

    fn node(&mut self, name: &str) -> Result<&mut Node> {
        let known = self.all.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(", ");
        let node = self.all.iter_mut().find(|node| node.name == name);
        node.with_context(|| format!("there is no {name}: the demo has {known}"))
    }

    /// Starts a node's process; answers the command line that did it.
    pub(super) fn serve(&mut self, name: &str) -> Result<String> {
        let (binary, roster) = (self.binary.clone(), self.roster.clone());
        let node = self.node(name)?;
        if let Some(running) = &node.process {
            bail!("{name} runs already, pid {}", running.pid());
        }
        let program = node.program(&binary, "serve", &[]);
        node.process = Some(program.start()?);
        roster.set(node.row());
        Ok(twin(&program))
    }

    /// Kills a node's process, as `kill -9` does; answers the command line that would have.
    pub(super) async fn kill(&mut self, name: &str) -> Result<String> {
        let roster = self.roster.clone();
        let node = self.node(name)?;
        let process = node.process.take().with_context(|| format!("{name} does not run: `restart` starts it"))?;
        roster.set(node.row());
        let twin = format!("kill -9 {}", process.pid());
        process.kill().await?;
        Ok(twin)
    }

    /// The names of the nodes that do not run.
    pub(super) fn down(&self) -> Vec<String> {
        self.all.iter().filter(|node| !node.is_running()).map(|node| node.name.clone()).collect()
    }

    /// A node whose process ended unasked, with what it said last; it counts as down from then on.
    pub(super) fn fallen(&mut self) -> Option<String> {
        for node in &mut self.all {
            if let Some(process) = &mut node.process
                && let Some(status) = process.ended()
            {
                let text = format!("{} ended by itself, {status}{}", node.name, process.log_tail());
                node.process = None;
                self.roster.set(node.row());
                return Some(text);
            }
        }
        None
    }

    /// Asks all nodes to stop; answers the names of those that had to be killed.
    pub(super) async fn stop_all(&mut self) -> Result<Vec<String>> {
        let running = self.all.iter_mut().filter_map(|node| Some((node.name.clone(), node.process.take()?)));
        let stopping = running.map(|(name, process)| async move {
            let obeyed = process.stop(STOP_LIMIT).await?;
            Ok((!obeyed).then_some(name))
        });
        let stopped: Result<Vec<_>> = futures::future::join_all(stopping).await.into_iter().collect();
        self.all.iter().for_each(|node| self.roster.set(node.row()));
        Ok(stopped?.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_of_a_demo_node_are_accepted_by_the_node() {
        let dir = tempfile::tempdir().expect("a directory");
        let voice = voice(1).expect("the first");
        let units = dialin(SocketAddr::new(voice, 20_002)).expect("a port for units");
        let address = SocketAddr::from(([127, 0, 0, 1], 20_001));
        let settings =
            settings("node-1", address, dir.path().join("data"), units, "mysql://hearth:x@127.0.0.1:1/hearth");
        let file = dir.path().join("config.toml");
        std::fs::write(&file, toml::to_string(&settings).expect("text")).expect("a file");
        let read = Config::load(&file).expect("accepted settings");
        assert_eq!(read.polling.source, Some(voice));
        assert_eq!(read.membership.stable_for, STABLE_FOR);
    }
}
