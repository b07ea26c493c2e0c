//! The task of one line: one channel, one exchange at a time.
//!
//! ```text
//!   orders (meters, ending, bell) --> +------+ --> Channel    bytes, each write permitted by lease and epoch
//!   applied state (commands)      --> | line | --> Spool      durable before the line speaks again
//!   Schedule (what is due)        --> +------+ --> Outlet     Start, Finish
//! ```
//!
//! Promises: a command goes between exchanges and before the next due poll; read-backs take turns with due polls; a scan
//! has its turn where nothing else is due, and the meters' past where there is time for it besides; without a lease the
//! line is silent and keeps its place; an exchange that runs is finished before the line ends. Refuses: deciding which
//! lines are this node's.

mod past;
mod survey;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use protocol::exchange::{LineFault, Timing};
use protocol::meter::{Epoch, LineId, MeterId};
use protocol::modbus::Framing;
use raft_store::state::UnixMillis;
use raft_store::state::registry::{Endpoint, LineSpec};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock::wall_now;
use crate::config::WhenFull;
use crate::spool::Level;
use crate::trace::Asker;

use super::Shared;
use super::backfill::{Chores, Past};
use super::commands::{Desk, Task};
use super::evidence::Drawer;
use super::orders::{Charge, Orders};
use super::outbox::{Outbox, Stored};
use super::permit::{Denied, Permit};
use super::records::Author;
use super::sanity;
use super::schedule::{Due, Miss, Next, PASSED_OVER, Schedule, Thrift};
use super::transport::{LONGEST_FRAME, Link, longest_answer, speak_margin, timing};
use past::Chore;
use survey::Surveyor;

/// One ownership of one line by this node.
#[derive(Debug)]
pub(super) struct Tenure {
    pub(super) line: LineId,
    pub(super) epoch: Epoch,
    pub(super) spec: Arc<LineSpec>,
    /// Whether somebody else may still be speaking: listen first.
    pub(super) listen: bool,
    /// Lines taken at one moment do not start at one moment.
    pub(super) start_after: Duration,
    /// What an earlier task of the same ownership left.
    pub(super) schedule: Option<Schedule>,
}

/// What the line does next.
enum Work {
    Poll(Due),
    Act(Task),
    ReadBack(Task),
    Survey,
    Past(Chore),
}

/// The task of one line.
#[derive(Debug)]
pub(super) struct LineTask {
    shared: Shared,
    author: Author,
    permit: Permit,
    outbox: Outbox,
    timing: Timing,
    orders: watch::Receiver<Orders>,
    link: Link,
    schedule: Schedule,
    desk: Desk,
    surveyor: Surveyor,
    known: Arc<Vec<Charge>>,
    meters: BTreeMap<MeterId, Charge>,
    /// How long the line has to be quiet before it is spoken on.
    quiet: Option<Duration>,
    start_after: Duration,
    /// Whether a read-back had the last turn.
    poll_has_turn: bool,
    framing: Framing,
    /// The number before that of the last dialogue's first request.
    transaction: u16,
    sanity: sanity::Rules,
    /// What was heard instead of answers.
    drawer: Drawer,
    past: Past,
    chores: Chores,
}

impl LineTask {
    pub(super) fn new(shared: Shared, tenure: Tenure, orders: watch::Receiver<Orders>) -> Self {
        let Tenure { line, epoch, spec, listen, start_after, schedule } = tenure;
        let Shared { node, config, metrics, .. } = &shared;
        let author = Author { node: *node, line, epoch };
        let margin = speak_margin(&spec, &config.polling, &config.units);
        let (lease, applied) = (shared.lease.clone(), shared.applied.clone());
        let timing = timing(&spec);
        let framing = if matches!(spec.endpoint, Endpoint::ModbusTcp { .. }) { Framing::Tcp } else { Framing::Rtu };
        let (spool, pause) = (shared.spool.clone(), config.polling.look_every);
        Self {
            author,
            permit: Permit { lease, applied, node: *node, line, epoch, margin },
            outbox: Outbox { spool, line, orders: orders.clone(), pause, when_full: config.spool.when_full },
            timing,
            orders,
            link: Link::new(
                spec,
                Arc::clone(config),
                metrics.clone(),
                shared.descriptors.clone(),
                shared.units.clone(),
            ),
            schedule: schedule.unwrap_or_else(|| Schedule::new(line, (&config.polling).into())),
            desk: Desk::new(author, shared.outlet.clone(), config, metrics.clone()),
            surveyor: Surveyor::new(shared.surveys.open(line, epoch)),
            known: Arc::default(),
            meters: BTreeMap::new(),
            quiet: listen.then(|| longest_answer(&timing)),
            start_after,
            poll_has_turn: false,
            framing,
            transaction: 0,
            sanity: sanity::Rules::new(&config.sanity),
            drawer: Drawer::default(),
            past: Past::new(&config.backfill.within(config.mysql.retention)),
            chores: Chores::new(&config.backfill),
            shared,
        }
    }

    /// Serves the line until it is ordered to end; answers what it knows of its slots.
    pub(super) async fn run(mut self) -> Schedule {
        self.rest_until(Instant::now() + self.start_after).await;
        while !self.is_ending() {
            if let Some(wait) = self.step().await {
                self.rest(wait).await;
            }
        }
        self.link.close();
        self.surveyor.fail(|| "the line is let go: scan it again at its next owner".to_owned());
        self.shared.traces.close(self.author.line);
        self.desk.settle(self.shared.config.commands.attempt_pause).await;
        self.schedule
    }

    /// Whether the task is to end; a task nobody can order any more ends too.
    fn is_ending(&self) -> bool {
        self.orders.borrow().ending || self.orders.has_changed().is_err()
    }

    async fn rest_until(&mut self, moment: Instant) {
        while !self.is_ending() && Instant::now() < moment {
            self.rest(moment.saturating_duration_since(Instant::now())).await;
        }
    }

    /// Until something changes, at most `wait`.
    async fn rest(&mut self, wait: Duration) {
        let wait = wait.min(self.shared.config.polling.look_every);
        tokio::select! {
            // That nobody can change anything any more is seen by `is_ending`.
            _ = self.orders.changed() => {}
            reply = self.desk.next_reply() => self.desk.heard(reply),
            order = self.surveyor.wanted() => self.surveyor.begin(order, self.timing, self.framing),
            () = tokio::time::sleep(wait) => {}
        }
    }

    /// Does one thing, or says how long there is nothing to do.
    async fn step(&mut self) -> Option<Duration> {
        self.take_meters().await;
        let may_speak = self.permit.to_speak(Duration::ZERO, None);
        if may_speak == Err(Denied::NoLease) {
            self.hinder("no-lease", String::new());
            self.shared.traces.close(self.author.line);
            self.step_aside();
        }
        self.heed_pressure();
        self.close_slots().await;
        // That may have waited for the disk.
        let may_speak = self.permit.to_speak(Duration::ZERO, None);
        self.serve_desk(may_speak.is_ok() && !self.link.is_down());
        let work = self.choose();
        if !matches!(work, None | Some(Work::Survey | Work::Past(_))) {
            self.surveyor.stands_back();
        }
        // A line that is down is tried again even if nothing is due: a command may wait for it.
        if work.is_none() && !self.link.is_down() {
            return Some(self.until_next());
        }
        match (self.make_ready(may_speak).await, work) {
            (Ok(()), Some(work)) => self.carry_out(work).await,
            (Ok(()), None) => {}
            (Err(wait), _) => return Some(wait),
        }
        None
    }

    async fn take_meters(&mut self) {
        let meters = Arc::clone(&self.orders.borrow_and_update().meters);
        if Arc::ptr_eq(&meters, &self.known) {
            return;
        }
        self.meters = meters.iter().map(|charge| (charge.meter.id, charge.clone())).collect();
        let Self { past, meters: here, .. } = self;
        past.keep(|meter| here.contains_key(&meter));
        let misses = self.schedule.set_meters(&meters, wall_now());
        self.known = meters;
        self.store_misses(misses).await;
    }

    /// Once the leader may have given the line away, its channel is left to the next owner: a gateway may serve only one.
    fn step_aside(&mut self) {
        let lease = &self.shared.config.lease;
        let given_away_after = lease.dead_after.saturating_sub(lease.length);
        if self.link.is_open() && self.permit.lease.ended_for() >= given_away_after {
            self.link.close();
            self.quiet = Some(longest_answer(&self.timing));
        }
    }

    fn hinder(&mut self, reason: &'static str, detail: String) {
        self.schedule.hinder(Some((reason, detail)));
    }

    /// Asks less of the meters while the spool fills up.
    fn heed_pressure(&mut self) {
        let pressure = self.shared.spool.pressure();
        let settings = &self.shared.config.spool;
        let every = match pressure.level {
            Level::Calm | Level::Near => None,
            Level::Slow => Some(settings.slow_every),
            Level::Full if settings.when_full == WhenFull::Stop => None,
            Level::Full => Some(0),
        };
        self.schedule.press(every.map(|every| Thrift { every, percent: pressure.percent() }));
        if pressure.level > Level::Calm && settings.when_full == WhenFull::SlowDown {
            self.desk.end_reads(|| format!("not read: {pressure}"));
        }
    }

    async fn close_slots(&mut self) {
        let misses = self.schedule.close(wall_now());
        self.store_misses(misses).await;
    }

    async fn store_misses(&mut self, misses: Vec<Miss>) {
        let at = wall_now();
        let Self { outbox, author, drawer, .. } = self;
        let passed = misses.iter().filter(|miss| miss.reason == PASSED_OVER).count();
        let stored = misses.into_iter().map(|miss| {
            let evidence = drawer.take(&miss);
            outbox.clone().store(author.missed(miss, evidence, at))
        });
        let stored: Vec<_> = stored.collect();
        for _ in join_all(stored).await.into_iter().filter(|stored| *stored == Stored::Durable) {
            self.shared.metrics.reading_missed();
        }
        self.shared.metrics.slots_passed_over(passed);
    }

    fn serve_desk(&mut self, able: bool) {
        serve_desk(&mut self.desk, &self.shared, &self.timing, able);
    }

    fn choose(&mut self) -> Option<Work> {
        let due = self.choose_due().or_else(|| self.surveyor.wants_turn().then_some(Work::Survey));
        due.or_else(|| self.choose_past())
    }

    fn choose_due(&mut self) -> Option<Work> {
        if let Some(task) = self.desk.due_action() {
            return Some(Work::Act(task));
        }
        let poll = match self.schedule.next(wall_now()) {
            Next::Poll(due) => Some(due),
            Next::Wait(_) => None,
        };
        match (poll, self.desk.due_read_back()) {
            (Some(due), back) if self.poll_has_turn || back.is_none() => Some(Work::Poll(due)),
            (_, Some(task)) => Some(Work::ReadBack(task)),
            (None, None) | (Some(_), None) => None,
        }
    }

    fn until_next(&self) -> Duration {
        let now = wall_now();
        let poll = match self.schedule.next(now) {
            Next::Wait(Some(UnixMillis(at))) => Duration::from_millis(at.saturating_sub(now.0)),
            Next::Wait(None) => Duration::MAX,
            Next::Poll(_) => Duration::ZERO,
        };
        let desk = self.desk.next_at().map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
        poll.min(desk)
    }

    /// Makes sure that the line can be spoken on now, or says how long that cannot be.
    async fn make_ready(&mut self, may_speak: Result<(), Denied>) -> Result<(), Duration> {
        let settings = &self.shared.config.polling;
        if let Err(why) = may_speak {
            self.surveyor.fail(|| why.to_string());
            return Err(if why == Denied::NoLease { settings.lease_look } else { settings.look_every });
        }
        let mut orders = self.orders.clone();
        let opened = tokio::select! {
            biased;
            _ = orders.wait_for(|orders| orders.ending) => return Err(Duration::ZERO),
            opened = self.link.open() => opened,
        };
        let voice = self.shared.traces.voice(self.author.line, Asker::Nobody);
        let heard = match (opened, self.quiet) {
            (Err(down), _) => {
                self.surveyor.fail(|| format!("line-down: {}", down.why));
                self.hinder(LineFault::LineDown.name(), down.why);
                return Err(down.until.saturating_duration_since(Instant::now()));
            }
            (Ok(_), None) => Ok(0),
            (Ok(channel), Some(quiet)) => channel.listen(quiet, |bytes| voice.heard(bytes)).await,
        };
        self.judge_quiet(heard)
    }

    fn judge_quiet(&mut self, heard: std::io::Result<usize>) -> Result<(), Duration> {
        match heard {
            Ok(0) => {
                self.quiet = None;
                self.schedule.hinder(None);
                Ok(())
            }
            Ok(_) => {
                self.hinder("line-busy", "somebody else speaks on it".to_owned());
                Err(Duration::ZERO)
            }
            Err(error) => {
                self.hinder(LineFault::LineDown.name(), error.to_string());
                self.link.failed(&error);
                Err(Duration::ZERO)
            }
        }
    }
}

fn serve_desk(desk: &mut Desk, shared: &Shared, timing: &Timing, able: bool) {
    desk.refresh(&shared.applied.borrow().state);
    desk.push(able, timing.characters(LONGEST_FRAME));
}
