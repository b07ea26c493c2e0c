//! Everything the demo has started, and what can be done to it.
//!
//! ```text
//!   open:  database | (field | first node --> others join) --> lines and meters imported
//!   act:   add, kill, restart, stop and start the database, move a valve
//!   close: see the ending
//! ```
//!
//! Promises: dropping the stage at any moment leaves no process. Refuses: hiding a process that ended unasked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::console::Console;
use super::database::Database;
use super::events::Teller;
use super::field::{Field, Size};
use super::nodes::Nodes;
use super::place::Place;
use super::roster::Roster;
use super::script::{ANY, Act};
use super::valve::Valves;
use super::watcher::{Seen, View, Watcher};

/// For the first node to lead.
const LEAD_LIMIT: Duration = Duration::from_secs(30);
/// From look to look while waiting for a leader.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What a demo is made of.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The `hearth` program.
    pub(super) binary: PathBuf,
    /// Nodes at the beginning.
    pub(super) nodes: usize,
    /// The field.
    pub(super) field: Size,
}

/// The running demo. Fields are dropped in this order: processes first, their directory last.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) nodes: Nodes,
    pub(super) field: Field,
    pub(super) database: Database,
    console: Console,
    pub(super) teller: Teller,
    roster: Roster,
    view: View,
    /// What ended badly though nobody asked it to end.
    pub(super) fallen: Vec<String>,
    _watching: DropGuard,
    pub(super) place: Place,
}

impl Stage {
    /// Starts everything.
    pub(super) async fn open(plan: &Plan, place: Place, teller: Teller) -> Result<Self> {
        let roster = Roster::default();
        let console = Console::new(roster.clone());
        let (mut field, mut database) = (Field::plan(&place)?, Database::plan(&place)?);
        let mut nodes = Nodes::new(plan.binary.clone(), database.url(), roster.clone(), place.free_address()?.port());
        let calls = nodes.calls(plan.nodes);
        let stop = CancellationToken::new();
        let view = Watcher::new(console.clone(), teller.clone()).start(stop.clone());
        let _watching = stop.drop_guard();
        tokio::try_join!(
            async {
                database.install().await?;
                database.start().await?;
                teller.tell(format!("a private MariaDB greets, {}", database.url()));
                anyhow::Ok(())
            },
            async {
                let size = plan.field;
                tokio::try_join!(field.start(size, &calls), found(&mut nodes, plan.nodes, &place, &console, &teller))?;
                teller.tell(format!("the simulated field is ready: {} lines, {} meters", size.lines, size.meters));
                console.import_lines(field.lines()?).await?;
                console.import_meters(field.meters()?).await?;
                teller.tell(format!("{} lines and {} meters registered", size.lines, size.meters));
                anyhow::Ok(())
            },
        )?;
        Ok(Self { nodes, field, database, console, teller, roster, view, fallen: Vec::new(), _watching, place })
    }

    /// The newest picture of the cluster, as it changes.
    pub(super) fn view(&self) -> View {
        self.view.clone()
    }

    /// The nodes' processes.
    pub(super) fn roster(&self) -> Roster {
        self.roster.clone()
    }

    /// The way to the cluster.
    pub(super) fn console(&self) -> &Console {
        &self.console
    }

    /// Whether the database runs.
    pub(super) fn has_database(&self) -> bool {
        self.database.pid().is_some()
    }

    /// The names of the lines.
    pub(super) fn lines(&self) -> Result<Vec<String>> {
        Ok(self.field.lines()?.into_iter().map(|line| line.name).collect())
    }

    /// Which line a meter is on, for all meters.
    pub(super) fn meters(&self) -> Result<Vec<(String, String)>> {
        Ok(self.field.meters()?.into_iter().map(|meter| (meter.name, meter.line)).collect())
    }

    /// What moves valves.
    pub(super) fn valves(&self) -> Valves {
        Valves { console: self.console.clone(), teller: self.teller.clone(), ledger: self.field.ledger() }
    }

    /// Notices processes that ended unasked.
    pub(super) fn look_after(&mut self) -> Result<()> {
        if let Some(text) = self.nodes.fallen().or_else(|| self.field.fallen()) {
            self.teller.tell(text.clone());
            self.fallen.push(text.clone());
            bail!(text);
        }
        Ok(())
    }

    /// Does something to the cluster.
    pub(super) async fn act(&mut self, act: Act) -> Result<()> {
        match act {
            Act::Add => self.add().await,
            Act::KillFollower => self.kill_follower().await,
            Act::KillLeader => self.kill_leader().await,
            Act::KillNode(name) => self.kill(&name, "").await,
            Act::RestartAll => self.restart_all(),
            Act::StopDatabase => self.stop_database().await,
            Act::StartDatabase => self.start_database().await,
            Act::Valve { meter, action } => {
                let valves = self.valves();
                let first = || valves.ledger.valves()?.into_iter().next().context("no simulated meter has a valve");
                let meter = if meter == ANY { first()? } else { meter };
                valves.operate(&meter, action).await
            }
        }
    }

    async fn add(&mut self) -> Result<()> {
        let peer = self.roster.running().first().map(|row| row.address);
        let peer = peer.context("no node runs that a new one could join: restart them first")?;
        let (name, twin) = self.nodes.admit(&self.place, Some(peer)).await?;
        self.teller.did(&format!("{name} was let in"), &twin);
        let twin = self.nodes.serve(&name)?;
        self.teller.did(&format!("{name} started"), &twin);
        Ok(())
    }

    async fn kill(&mut self, name: &str, what: &str) -> Result<()> {
        let twin = self.nodes.kill(name).await?;
        self.teller.did(&format!("{name} killed{what}"), &twin);
        Ok(())
    }

    async fn kill_leader(&mut self) -> Result<()> {
        let name = self.leader().await?.context("no leader is known: try again in a second")?;
        self.kill(&name, ", the leader").await
    }

    async fn kill_follower(&mut self) -> Result<()> {
        let leader = self.leader().await?;
        let running = self.roster.running();
        let follower = running.iter().find(|row| Some(&row.name) != leader.as_ref());
        let name = follower.map(|row| row.name.clone()).context("no follower runs: add a node, or restart them")?;
        self.kill(&name, ", a follower").await
    }

    async fn leader(&self) -> Result<Option<String>> {
        let status = self.console.status().await?;
        Ok(status.nodes.iter().find(|node| node.id == status.leader).map(|node| node.name.clone()))
    }

    pub(super) fn restart_all(&mut self) -> Result<()> {
        for name in self.nodes.down() {
            let twin = self.nodes.serve(&name)?;
            self.teller.did(&format!("{name} started again"), &twin);
        }
        Ok(())
    }

    async fn stop_database(&mut self) -> Result<()> {
        let pid = self.database.pid().context("the database does not run")?;
        self.database.stop().await?;
        self.teller.did("the database is stopped", &format!("kill -TERM {pid}"));
        Ok(())
    }

    pub(super) async fn start_database(&mut self) -> Result<()> {
        let twin = self.database.start_twin()?;
        self.database.start().await?;
        self.teller.did("the database greets again", &twin);
        Ok(())
    }

    /// Waits until a picture that is newer than this call fits; the roster is how the demo's processes are.
    pub(super) async fn wait_for(
        &mut self,
        limit: Duration,
        fits: impl Fn(&Seen, &Roster) -> bool,
    ) -> Result<Duration> {
        let began = Instant::now();
        let mut view = self.view();
        loop {
            self.look_after()?;
            let newest: Option<Arc<Seen>> = view.borrow_and_update().clone();
            if newest.as_ref().is_some_and(|seen| seen.asked >= began && fits(seen, &self.roster)) {
                return Ok(began.elapsed());
            }
            let left = limit.checked_sub(began.elapsed());
            let left = left.with_context(|| format!("not within {limit:?}; {}", describe(newest.as_deref())))?;
            // A second without a picture is a second in which a process may have ended.
            let _ = timeout(left.min(Duration::from_secs(1)), view.changed()).await;
        }
    }
}

/// Founds the cluster and lets the others in; whatever order the processes come up in, the first is the founder.
async fn found(nodes: &mut Nodes, count: usize, place: &Place, console: &Console, teller: &Teller) -> Result<()> {
    let mut peer: Option<SocketAddr> = None;
    for _ in 0..count {
        let (name, twin) = nodes.admit(place, peer).await?;
        teller.did(&format!("{name} {}", if peer.is_none() { "founds the cluster" } else { "was let in" }), &twin);
        let twin = nodes.serve(&name)?;
        teller.did(&format!("{name} started"), &twin);
        if peer.is_none() {
            led(nodes, console).await?;
            peer = nodes.all().first().map(|node| node.address);
        }
    }
    Ok(())
}

async fn led(nodes: &mut Nodes, console: &Console) -> Result<()> {
    let leads = async {
        loop {
            if let Some(text) = nodes.fallen() {
                bail!(text);
            }
            // A leader alone is not yet a cluster: its founding is the first thing it commits.
            if console.status().await.is_ok_and(|status| status.leader != 0 && !status.nodes.is_empty()) {
                return Ok(());
            }
            sleep(LOOK_AGAIN).await;
        }
    };
    timeout(LEAD_LIMIT, leads).await.with_context(|| format!("node-1 does not lead within {LEAD_LIMIT:?}"))?
}

fn describe(seen: Option<&Seen>) -> String {
    let Some(seen) = seen else { return "no node said how the cluster is".to_owned() };
    let lines = seen.status.lines.unwrap_or_default();
    format!(
        "leader {}, {} of {} lines held, {} moving, {} orphaned ({}), backlog {}, {} stored, asked {:.1} s ago",
        seen.leader().map_or("unknown", |node| node.name.as_str()),
        lines.held,
        lines.total,
        lines.moving,
        lines.orphaned,
        super::watcher::spread(seen),
        seen.backlog(),
        seen.stored,
        seen.asked.elapsed().as_secs_f64(),
    )
}
