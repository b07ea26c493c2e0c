//! Which lines are this node's, and a task for each of them.
//!
//! ```text
//!   applied state             task of the line              then
//!   Held{me}, epoch e         started, or kept on e         new meters are handed over, a new channel restarts it
//!   Revoking{me}              ordered to end                channel closed --> Release is proposed
//!   epoch moved by others     cancelled at once             nothing is said
//!   stop                      all are ordered to end        every line is released, within polling.stop_limit
//! ```
//!
//! Promises: one task per line, and the next starts only after the last has closed its channel; an ownership is let go
//! of only then. Refuses: speaking on lines.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use protocol::meter::{Epoch, LineId};
use raft_store::state::assignment::Phase;
use raft_store::state::registry::{LineSpec, Meter};
use raft_store::state::{State, UnixMillis};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::changes::Changes;
use super::line::{LineTask, Tenure};
use super::loads::Loads;
use super::orders::{Charge, Orders};
use super::release::Releases;
use super::schedule::Schedule;
use crate::timetable::{Timetable, Timetables};

/// A line's running task.
#[derive(Debug)]
struct Running {
    epoch: Epoch,
    spec: Arc<LineSpec>,
    orders: watch::Sender<Orders>,
    gone: CancellationToken,
}

/// What a task left: nothing, if it was cancelled.
type Left = Option<Schedule>;

/// The lines of this node.
pub(super) struct Roster {
    shared: Shared,
    state: State,
    running: BTreeMap<LineId, Running>,
    tasks: JoinSet<Left>,
    lines: HashMap<Id, LineId>,
    releases: Releases,
    timetables: Timetables,
    loads: Loads,
    begun: Instant,
    /// Set once the node stops: when it gives up waiting.
    stop_by: Option<Instant>,
    /// Lines started in the present pass.
    started: u32,
}

impl Roster {
    pub(super) fn new(shared: Shared) -> Self {
        let settings = &shared.config.polling;
        let outlet = shared.outlet.clone();
        let releases = Releases::new(shared.node, outlet, settings.releases_per_entry, settings.release_retry);
        let loads = Loads::new(settings.into(), shared.metrics.clone(), shared.measured.clone());
        Self {
            shared,
            state: State::default(),
            running: BTreeMap::new(),
            tasks: JoinSet::new(),
            lines: HashMap::new(),
            releases,
            timetables: Timetables::default(),
            loads,
            begun: Instant::now(),
            stop_by: None,
            started: 0,
        }
    }

    /// Follows the applied state until `stop`, then lets go of every line.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut applied = self.shared.applied.clone();
        applied.mark_changed();
        let mut follows = true;
        while !self.is_over() {
            tokio::select! {
                () = stop.cancelled(), if self.stop_by.is_none() => self.begin_stop(),
                changed = applied.changed(), if follows => match changed {
                    Ok(()) => {
                        let state = applied.borrow_and_update().state.clone();
                        self.follow(state);
                    }
                    // No state comes any more; what is held is held until the stop.
                    Err(_) => follows = false,
                },
                Some(ended) = self.tasks.join_next_with_id() => self.task_ended(ended),
                () = self.releases.drive() => {}
                () = self.loads.follow() => {}
                () = tokio::time::sleep_until(self.stop_by.unwrap_or(self.begun)), if self.stop_by.is_some() => {}
            }
        }
        self.tasks.shutdown().await;
    }

    /// Whether a stop is complete, or out of time.
    fn is_over(&self) -> bool {
        let Some(stop_by) = self.stop_by else { return false };
        let idle = self.running.is_empty() && self.releases.is_empty();
        if !idle && Instant::now() >= stop_by {
            tracing::warn!(lines = self.running.len(), "lines could not be let go of in time");
        }
        idle || Instant::now() >= stop_by
    }

    fn begin_stop(&mut self) {
        self.stop_by = Some(Instant::now() + self.shared.config.polling.stop_limit);
        for running in self.running.values() {
            running.orders.send_modify(|orders| orders.ending = true);
        }
    }

    fn follow(&mut self, state: State) {
        let changes = Changes::between(&self.state, &state);
        self.state = state;
        self.started = 0;
        self.releases.follow(&self.state);
        for line in changes.lines {
            self.decide(line, None);
        }
        self.loads.tell();
        for running in changes.commands.iter().filter_map(|line| self.running.get(line)) {
            running.orders.send_modify(|orders| orders.bell += 1);
        }
    }

    /// Brings one line in order with the state. `left`: what its last task knew.
    fn decide(&mut self, line: LineId, left: Left) {
        let me = self.shared.node;
        let Some(ownership) = self.state.assignment.lines.get(&line) else { return self.drop_line(line) };
        let (epoch, listen) = (ownership.epoch, !ownership.acknowledged);
        match ownership.phase {
            Phase::Held { node } if node == me && self.stop_by.is_none() => self.hold(line, epoch, listen, left),
            Phase::Held { node } | Phase::Revoking { node, .. } if node == me => self.let_go(line, epoch),
            _ => self.drop_line(line),
        }
    }

    fn drop_line(&self, line: LineId) {
        if let Some(running) = self.running.get(&line) {
            running.gone.cancel();
        }
    }

    fn let_go(&mut self, line: LineId, epoch: Epoch) {
        match self.running.get(&line) {
            Some(running) if running.epoch == epoch => running.orders.send_modify(|orders| orders.ending = true),
            Some(running) => running.gone.cancel(),
            None => self.releases.add(line, epoch),
        }
    }

    fn hold(&mut self, line: LineId, epoch: Epoch, listen: bool, left: Left) {
        let Some(spec) = self.state.registry.lines.get(&line).map(|line| line.spec.clone()) else { return };
        match self.running.get(&line) {
            Some(running) if running.epoch != epoch => running.gone.cancel(),
            // Its end comes back here, and it starts anew.
            Some(running) if *running.spec != spec => running.orders.send_modify(|orders| orders.ending = true),
            Some(running) => {
                let meters = charges(&self.state, line, &mut self.timetables);
                if *running.orders.borrow().meters != meters {
                    self.loads.set(line, &running.spec, &meters);
                    running.orders.send_modify(|orders| orders.meters = Arc::new(meters));
                }
            }
            None => {
                let spec = Arc::new(spec);
                let meters = charges(&self.state, line, &mut self.timetables);
                self.loads.set(line, &spec, &meters);
                let orders = Orders { meters: Arc::new(meters), ..Orders::default() };
                self.start(Tenure { line, epoch, spec, listen, start_after: Duration::ZERO, schedule: left }, orders);
            }
        }
    }

    fn start(&mut self, tenure: Tenure, orders: Orders) {
        let settings = &self.shared.config.polling;
        let start_after = (settings.start_pace * self.started).min(settings.start_spread);
        // An earlier life of this process may have asked something that is still being answered.
        let listen = tenure.listen || self.begun.elapsed() < self.shared.config.lease.dead_after;
        self.started += 1;
        let Tenure { line, epoch, ref spec, .. } = tenure;
        let spec = Arc::clone(spec);
        let (orders, heard) = watch::channel(orders);
        let gone = CancellationToken::new();
        let task = LineTask::new(self.shared.clone(), Tenure { listen, start_after, ..tenure }, heard);
        let running = gone.clone().run_until_cancelled_owned(task.run());
        let id = self.tasks.spawn(running).id();
        self.lines.insert(id, line);
        self.running.insert(line, Running { epoch, spec, orders, gone });
    }

    fn task_ended(&mut self, ended: Result<(Id, Left), JoinError>) {
        let (id, left) = match ended {
            Ok((id, left)) => (id, left),
            Err(error) => {
                tracing::error!(%error, "a line's task failed");
                (error.id(), None)
            }
        };
        let Some(line) = self.lines.remove(&id) else { return };
        let Some(running) = self.running.remove(&line) else { return };
        self.started = 0;
        let same = self.state.assignment.is_held(line, self.shared.node, running.epoch);
        self.loads.forget(line);
        self.decide(line, left.filter(|_| same));
        self.loads.tell();
    }
}

/// The meters of a line, each with when it is read.
fn charges(state: &State, line: LineId, timetables: &mut Timetables) -> Vec<Charge> {
    let charge = |meter: &Meter| {
        let table = timetables.of(state, meter);
        let identity = state.plant.identity(meter.id).map(str::to_owned);
        Charge { meter: meter.clone(), since: first_asked(state, meter, &table), table, identity }
    };
    state.registry.meters_of(line).map(charge).collect()
}

/// The first slot that a meter is asked for. It is due from the next one on, but whoever set it up wants to see it answer:
/// the slot that was open then is asked for as well, unless it is a freeze, whose moment is over.
fn first_asked(state: &State, meter: &Meter, table: &Timetable) -> UnixMillis {
    let due = state.plant.duties.current.get(&meter.id).map_or(UnixMillis(0), |standing| standing.since);
    let open = table.at(due.0).filter(|slot| slot.freeze.is_none());
    open.map_or(due, |slot| UnixMillis(slot.begin))
}
