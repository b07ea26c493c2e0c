//! The cluster as the demo sees it: asked again and again, with what changed told as events.
//!
//! ```text
//!   Console::status --> Seen { status, polls/s, stored } --> a watch for screen and script
//!                        \-- differences from the last --> events
//! ```
//!
//! Promises: a picture is never older than it says; counters that begin again with a new process or a new leader do not
//! make the sums step back; nothing is told twice. Refuses: acting on what it sees.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use protocol::api::admin::{Event, Node, NodeHealth, StatusReply, database_status};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::console::Console;
use super::events::Teller;

/// From picture to picture.
const EVERY: Duration = Duration::from_millis(500);
/// The same until the first reading is stored, for its moment to be known well.
const EVERY_AT_FIRST: Duration = Duration::from_millis(100);
/// Polls per second are counted over this span.
const RATE_SPAN: Duration = Duration::from_secs(5);
/// Told events remembered, so that none is told twice.
const TOLD_KEEP: usize = 500;

/// One picture of the cluster.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// When it was asked for.
    pub(super) asked: Instant,
    /// The same on the wall clock, Unix milliseconds.
    pub(super) asked_wall: u64,
    /// What the cluster said.
    pub(super) status: StatusReply,
    /// Exchanges a second, all nodes.
    pub(super) polls_per_second: f64,
    /// Rows stored since the demo began.
    pub(super) stored: u64,
}

impl Seen {
    /// The node that leads, if one is known.
    pub(super) fn leader(&self) -> Option<&Node> {
        self.status.nodes.iter().find(|node| node.id == self.status.leader)
    }

    /// A node by its name.
    pub(super) fn node(&self, name: &str) -> Option<&Node> {
        self.status.nodes.iter().find(|node| node.name == name)
    }

    /// Readings durable in a node and not yet in the database.
    pub(super) fn backlog(&self) -> u64 {
        self.status.nodes.iter().filter_map(|node| node.report.as_ref()).map(|report| report.spool_records).sum()
    }
}

/// The wall clock, Unix milliseconds.
pub(super) fn wall_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A sum of counters of which each may begin again at zero.
#[derive(Debug, Default)]
struct Sum {
    last: BTreeMap<u64, u64>,
    total: u64,
}

impl Sum {
    /// Counter `of` stands at `value` now.
    fn add(&mut self, of: u64, value: u64) {
        let last = self.last.insert(of, value).unwrap_or(0);
        self.total += if value >= last { value - last } else { value };
    }
}

/// The watcher's memory.
#[derive(Debug)]
pub(super) struct Watcher {
    console: Console,
    teller: Teller,
    exchanges: Sum,
    stored: Sum,
    counted: VecDeque<(Instant, u64)>,
    told: VecDeque<(u64, String)>,
    last: Option<Arc<Seen>>,
}

/// The newest picture, for everyone.
pub(super) type View = watch::Receiver<Option<Arc<Seen>>>;

impl Watcher {
    /// A watcher that has seen nothing yet.
    pub(super) fn new(console: Console, teller: Teller) -> Self {
        let (exchanges, stored) = (Sum::default(), Sum::default());
        Self { console, teller, exchanges, stored, counted: VecDeque::new(), told: VecDeque::new(), last: None }
    }

    /// Starts watching; the view ends with `stop`.
    pub(super) fn start(self, stop: CancellationToken) -> View {
        let (sender, view) = watch::channel(None);
        tokio::task::spawn_local(self.run(sender, stop));
        view
    }

    async fn run(mut self, sender: watch::Sender<Option<Arc<Seen>>>, stop: CancellationToken) {
        while stop.run_until_cancelled(self.look(&sender)).await.is_some() {}
    }

    async fn look(&mut self, sender: &watch::Sender<Option<Arc<Seen>>>) {
        let (asked, asked_wall) = (Instant::now(), wall_now());
        // A cluster that does not answer is shown by its picture growing old.
        if let Ok(status) = self.console.status().await {
            let seen = Arc::new(self.take_in(asked, asked_wall, status));
            self.tell_changes(&seen);
            self.last = Some(seen.clone());
            sender.send_replace(Some(seen));
        }
        sleep(if self.stored.total == 0 { EVERY_AT_FIRST } else { EVERY }).await;
    }

    fn take_in(&mut self, asked: Instant, asked_wall: u64, status: StatusReply) -> Seen {
        for node in &status.nodes {
            if let Some(report) = &node.report {
                self.exchanges.add(node.id, report.exchanges);
            }
        }
        // Rows are counted by the leader of a term; another leader counts anew.
        let rows = status.database.as_ref().map_or(0, |database| database.rows_written);
        if rows > 0 {
            self.stored.add(status.leader, rows);
        }
        self.counted.push_back((asked, self.exchanges.total));
        while self.counted.front().is_some_and(|(then, _)| asked.duration_since(*then) > RATE_SPAN) {
            self.counted.pop_front();
        }
        Seen { asked, asked_wall, status, polls_per_second: self.rate(), stored: self.stored.total }
    }

    fn rate(&self) -> f64 {
        let (Some((from, before)), Some((to, after))) = (self.counted.front(), self.counted.back()) else { return 0.0 };
        let span = to.duration_since(*from).as_secs_f64();
        if span > 0.0 { (after - before) as f64 / span } else { 0.0 }
    }

    fn tell_changes(&mut self, seen: &Seen) {
        for text in changes(self.last.as_deref(), seen) {
            self.teller.tell(text);
        }
        for event in seen.status.events.iter().rev() {
            self.tell_once(event);
        }
    }

    fn tell_once(&mut self, event: &Event) {
        let event = (event.at, event.text.clone());
        if !self.told.contains(&event) {
            self.teller.tell(format!("cluster: {}", event.1));
            self.told.push_front(event);
            self.told.truncate(TOLD_KEEP);
        }
    }
}

/// What a person would want to know of the difference.
fn changes(before: Option<&Seen>, after: &Seen) -> Vec<String> {
    let mut texts = Vec::new();
    let leader = |seen: &Seen| seen.leader().map(|node| (node.name.clone(), seen.status.term));
    if let Some((name, term)) = leader(after)
        && before.and_then(leader) != Some((name.clone(), term))
    {
        texts.push(format!("{name} leads, term {term}"));
    }
    if after.stored > 0 && before.is_none_or(|before| before.stored == 0) {
        texts.push(
            "first reading stored, counted from the start of the first process (promised: within 10 s)".to_owned(),
        );
    }
    if before.map(whole) != Some(whole(after)) && whole(after) {
        texts.push(format!("every line is held: {}", spread(after)));
    }
    if let Some(text) = after.status.database.as_ref().and_then(|after| {
        let known = before.and_then(|seen| seen.status.database.as_ref());
        // Before it was ever there, its absence is no news.
        let is_news = known.map_or(after.state() == database_status::State::Ok, |known| known.state != after.state);
        is_news.then(|| word(after.state())).flatten()
    }) {
        texts.push(format!("the database {text}"));
    }
    texts.extend(after.status.nodes.iter().filter_map(|node| {
        let known = before.and_then(|seen| seen.node(&node.name)).map(|known| known.health);
        let is_news = known.is_some_and(|known| known != node.health) && node.health() == NodeHealth::Dead;
        is_news.then(|| format!("{} counts as dead: its lines move", node.name))
    }));
    texts
}

/// Whether every line has a node that holds it.
pub(super) fn whole(seen: &Seen) -> bool {
    let lines = seen.status.lines.unwrap_or_default();
    lines.total > 0 && lines.held == lines.total
}

/// Who holds how many lines.
pub(super) fn spread(seen: &Seen) -> String {
    let holders = seen.status.nodes.iter().map(|node| format!("{} {}", node.name, node.lines_held));
    holders.collect::<Vec<_>>().join(", ")
}

const fn word(state: database_status::State) -> Option<&'static str> {
    match state {
        database_status::State::Ok => Some("is written to"),
        database_status::State::Unreachable => Some("cannot be reached: readings wait in the spools"),
        database_status::State::Refused => Some("refuses: readings wait in the spools"),
        _ => None,
    }
}

/// Pictures for the tests of those who look at them.
#[cfg(test)]
pub(super) mod samples {
    use super::*;
    use protocol::api::admin::{DatabaseStatus, LineCounts, NodeReport, NodeRole};

    /// Three nodes, of which the first leads, with all lines held.
    pub(in crate::cli::demo) fn seen() -> Seen {
        let node = |id: u64, role: NodeRole, lines_held: u32| Node {
            id,
            name: format!("node-{id}"),
            address: format!("127.0.0.1:2000{id}"),
            role: role.into(),
            health: NodeHealth::Alive.into(),
            lines_held,
            heard_ms_ago: Some(120),
            report: Some(NodeReport { exchanges: 1000 * id, spool_records: id, ..Default::default() }),
            ..Default::default()
        };
        let status = StatusReply {
            leader: 1,
            term: 2,
            nodes: vec![node(1, NodeRole::Leader, 14), node(2, NodeRole::Voter, 13), node(3, NodeRole::Voter, 13)],
            lines: Some(LineCounts { total: 40, held: 40, moving: 0, orphaned: 0 }),
            meters: 800,
            database: Some(DatabaseStatus {
                state: database_status::State::Ok.into(),
                rows_written: 4711,
                ..Default::default()
            }),
            ..Default::default()
        };
        Seen { asked: Instant::now(), asked_wall: wall_now(), status, polls_per_second: 79.6, stored: 4711 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_begins_again_does_not_make_the_sum_step_back() {
        let mut sum = Sum::default();
        for (of, value) in [(1, 10), (2, 5), (1, 15), (1, 3), (2, 5)] {
            sum.add(of, value);
        }
        assert_eq!(sum.total, 10 + 5 + 5 + 3);
    }

    #[test]
    fn a_new_leader_is_told_once() {
        let before = samples::seen();
        let mut after = samples::seen();
        assert!(changes(Some(&before), &after).is_empty());
        assert!(changes(None, &after).iter().any(|text| text.starts_with("first reading stored")));
        after.status.leader = 3;
        after.status.term = 3;
        assert_eq!(changes(Some(&before), &after), ["node-3 leads, term 3"]);
    }

    #[test]
    fn a_database_that_went_away_and_a_dead_node_are_told() {
        let before = samples::seen();
        let mut after = samples::seen();
        if let Some(database) = &mut after.status.database {
            database.state = database_status::State::Unreachable.into();
        }
        if let Some(node) = after.status.nodes.last_mut() {
            node.health = NodeHealth::Dead.into();
        }
        let told = changes(Some(&before), &after);
        assert!(told.iter().any(|text| text.contains("database cannot be reached")), "{told:?}");
        assert!(told.iter().any(|text| text.contains("node-3 counts as dead")), "{told:?}");
    }
}
