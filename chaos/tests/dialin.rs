//! Units of every kind call real nodes, and are read wherever they call: past a killed node, past a draining one, and
//! never by two.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod mariadb;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chaos::clock::Stamp;
use chaos::cluster::process::{Process, free_address};
use chaos::cluster::{Cluster, LOOK_EVERY};
use chaos::field::Field;
use chaos::field::config::Config;
use chaos::judge::facts::Facts;
use chaos::judge::{self, database, overlap};
use chaos::ledger::{self, AnswerKind, Event, Speaker};
use mariadb::Server;
use mysql_async::prelude::Queryable;
use protocol::api::admin::{DrainRequest, Line, StatusReply};
use support::hearth;

const NODES: u8 = 3;
/// How units register, and what a node's port for them is told.
const KINDS: [(&str, &str); 5] = [
    ("digits", "register = [\"{id:8d}{phone:11d}\"]\nheartbeat = [\"FE\"]"),
    ("sim", "register = [\"AA 01 {id:11a} 0D\"]\nheartbeat = [\"FE\"]"),
    ("wrapped", "wrapper = \"7b\""),
    ("headed", "wrapper = \"7b-head\""),
    ("prefix", "register = [\"{id:8a}\"]"),
];
const UNITS: usize = 2 * KINDS.len();
/// For all meters to be read again, whatever happened.
const PATIENCE: Duration = Duration::from_secs(40);
/// An exchange that was under way when the meters fell silent is over by then.
const SILENCE: Duration = Duration::from_secs(2);

/// The ports of one node, a kind of units on each.
type Ports = Vec<SocketAddr>;

fn settings(ports: &Ports, database: Option<&str>) -> String {
    let sections =
        KINDS.iter().zip(ports).map(|((_, words), port)| format!("[[dialin]]\nlisten = \"{port}\"\n{words}\n"));
    let database = database.map(|url| format!("[mysql]\nendpoints = [\"{url}\"]\n"));
    database.into_iter().chain(sections).collect()
}

/// A TCP line, and units that call one node after another and beat every second; heartbeats fall into their answers.
fn field(dir: &Path, nodes: &[Ports]) -> Config {
    let mut text = format!("dir = {dir:?}\nseed = 5\ninterval_s = 3\nextra_answer_ms = 600\n");
    text += "[[line]]\nname = \"north\"\nmeters = 4\n";
    for unit in 0..UNITS {
        let kind = unit % KINDS.len();
        let name = KINDS[kind].0;
        let id = match name {
            "digits" => format!("{:08}", 12_345_000 + unit),
            "prefix" => format!("unit-{unit:03}"),
            _ => format!("{}", 13_800_138_000_u64 + unit as u64),
        };
        let phone = if name == "digits" { "phone = \"13900139000\"\n" } else { "" };
        let ports: Vec<String> = (0..nodes.len()).map(|n| nodes[(unit + n) % nodes.len()][kind].to_string()).collect();
        text += &format!(
            "[[line]]\nname = \"{name}-{unit}\"\nkind = \"dialin\"\nmeters = 4\nfault = {{ heartbeat_inside_every = 3 }}\n\
             [line.unit]\nid = \"{id}\"\nregistration = \"{name}\"\n{phone}connect = {ports:?}\nheartbeat_s = 1\n\
             reconnect_ms = 200\n"
        );
    }
    toml::from_str::<Config>(&text).unwrap().completed().unwrap()
}

/// What the field heard and said so far.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Event>>>);

impl Heard {
    fn of(field: &Field) -> Self {
        let (heard, mut events) = (Self::default(), field.follow());
        let own = heard.clone();
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                own.0.lock().unwrap().push(event);
            }
        });
        heard
    }

    /// Who read which meter since.
    fn readers(&self, since: Stamp) -> BTreeMap<String, BTreeSet<String>> {
        let events = self.0.lock().unwrap();
        let mut speakers = BTreeMap::new();
        let mut readers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for event in events.iter() {
            match event {
                Event::Request(request) => drop(speakers.insert(request.id, request.speaker.names())),
                Event::Answer(answer) if answer.kind == AnswerKind::Reading && answer.at.mono > since.mono => {
                    let names = speakers.get(&answer.request).cloned().unwrap_or_default();
                    readers.entry(answer.meter.clone()).or_default().extend(names);
                }
                _ => {}
            }
        }
        readers
    }

    /// From each call to what is first asked on it, of those calls that came since.
    fn first_words(&self, since: Stamp) -> Vec<Duration> {
        let events = self.0.lock().unwrap();
        let number = |speaker: &Speaker| speaker.connections()[0];
        let mut calls: BTreeMap<u64, i64> = BTreeMap::new();
        let mut waits = Vec::new();
        for event in events.iter() {
            match event {
                Event::Open { at, line, speaker } if line != "north" && at.mono > since.mono => {
                    calls.insert(number(speaker), at.mono);
                }
                Event::Request(request) => {
                    let call = calls.remove(&number(&request.speaker));
                    waits.extend(call.map(|at| Duration::from_micros(u64::try_from(request.first.mono - at).unwrap())));
                }
                _ => {}
            }
        }
        waits.sort();
        waits
    }
}

struct Site {
    cluster: Cluster,
    config: Config,
    heard: Heard,
}

impl Site {
    /// Waits until every line is held by a node that is not `gone` and that has read all its meters since.
    async fn all_read(&self, what: &str, since: Stamp, gone: &str) -> Vec<Line> {
        let began = Instant::now();
        loop {
            let missing = match self.look(since, gone).await {
                Ok(lines) => return lines,
                Err(missing) => missing,
            };
            assert!(began.elapsed() < PATIENCE, "{what}: {missing}");
            tokio::time::sleep(LOOK_EVERY * 4).await;
        }
    }

    async fn look(&self, since: Stamp, gone: &str) -> Result<Vec<Line>, String> {
        let status = self.cluster.status().await.ok_or("no status")?;
        let lines = self.cluster.lines().await.ok_or("no lines")?;
        let readers = self.heard.readers(since);
        for line in &lines {
            let name = name(line);
            let owner = owner(&status, line).filter(|owner| owner != gone && line.to == 0);
            let owner = owner.ok_or_else(|| format!("{name} is not held: {}", line.why))?;
            let names = self.process(&owner).names();
            let config = self.config.lines.iter().find(|config| config.name == name).unwrap();
            let unread = config
                .named
                .iter()
                .find(|meter| readers.get(&meter.name).is_none_or(|readers| readers.is_disjoint(&names)));
            unread.map_or(Ok(()), |meter| Err(format!("{} is not read by {owner}: {}", meter.name, line.why)))?;
        }
        Ok(lines)
    }

    fn process(&self, name: &str) -> &Process {
        self.cluster.nodes().iter().find(|node| node.name == name).unwrap()
    }

    /// The node that holds most units' lines, as the cluster names and as it numbers it.
    async fn fullest(&self, lines: &[Line]) -> (String, u64) {
        let status = self.cluster.status().await.unwrap();
        let count = |id: u64| lines.iter().filter(|line| line.node == id && name(line) != "north").count();
        let node = status.nodes.iter().max_by_key(|node| count(node.id)).unwrap();
        assert!(count(node.id) > 0);
        (node.name.clone(), node.id)
    }

    /// Waits until nothing that was read before the silence is left in a spool.
    async fn drained(&self) {
        let (began, silent) = (Instant::now(), Stamp::now());
        loop {
            let asked = Instant::now();
            let status = self.cluster.status().await.unwrap_or_default();
            let is_drained = status.nodes.iter().all(|node| {
                let ago = Duration::from_millis(node.heard_ms_ago.unwrap_or(u64::MAX / 2));
                let report = node.report.clone().unwrap_or_default();
                let after = u64::try_from(silent.wall / 1000).unwrap() + 2000;
                asked.duration_since(began) > SILENCE + ago
                    && (report.spool_records == 0 || report.oldest_spooled_at > after)
            });
            if is_drained && !status.nodes.is_empty() {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "the spools are not empty: {:?}", status.nodes);
            tokio::time::sleep(LOOK_EVERY * 4).await;
        }
    }
}

fn name(line: &Line) -> String {
    line.spec.as_ref().unwrap().name.clone()
}

fn owner(status: &StatusReply, line: &Line) -> Option<String> {
    Some(status.nodes.iter().find(|node| node.id == line.node)?.name.clone())
}

/// Every line that was at `node` is elsewhere, at a higher epoch.
fn assert_moved(node: u64, before: &[Line], after: &[Line]) {
    for line in before.iter().filter(|line| line.node == node) {
        let now = after.iter().find(|now| now.id == line.id).unwrap();
        assert!(now.epoch > line.epoch && now.node != node, "{line:?} {now:?}");
    }
}

fn tell(what: &str, waits: &[Duration]) {
    let ms: Vec<_> = waits.iter().map(Duration::as_millis).collect();
    println!("{what}: from a call to the first poll, median {:?} ms of {ms:?}", ms.get(ms.len() / 2));
}

#[tokio::test]
async fn lines_follow_their_units_past_a_killed_and_a_draining_node_and_nothing_is_lost_or_said_twice() {
    let Some(hearth) = hearth() else { return };
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start();
    if let Some(server) = &server {
        server.connect().await.query_drop("CREATE DATABASE hearth").await.unwrap();
    }
    let url = server.as_ref().map(|server| server.url.as_str());
    let ports = |node| KINDS.iter().map(|_| free_address(node).unwrap()).collect();
    let nodes: Vec<Ports> = (1..=NODES).map(ports).collect();
    let settings: Vec<String> = nodes.iter().map(|ports| settings(ports, url)).collect();
    let config = field(&dir.path().join("field"), &nodes);
    let field = Field::open(&config).await.unwrap();
    let heard = Heard::of(&field);
    let cluster = Cluster::start_with(&hearth, dir.path(), &settings).await.unwrap();
    cluster.import(&config, field.endpoints()).await.unwrap();
    let mut site = Site { cluster, config, heard };
    let at_first = site.all_read("at first", Stamp::now(), "").await;
    assert_eq!(at_first.len(), UNITS + 1);

    let (victim, id) = site.fullest(&at_first).await;
    let killed = site.cluster.node(&victim).unwrap().kill().await.unwrap();
    let rescued = site.all_read("after the kill", killed, &victim).await;
    println!("all read {} ms after the kill", killed.elapsed().as_millis());
    assert_moved(id, &at_first, &rescued);
    tell("killed", &site.heard.first_words(killed));
    site.cluster.node(&victim).unwrap().start().unwrap();
    let back = Stamp::now();
    let rescued = site.all_read("once it is back", back, "").await;

    let (leaving, id) = site.fullest(&rescued).await;
    let draining = Stamp::now();
    let request = DrainRequest { node: id, key: String::new() };
    site.process(&leaving).cluster().drain(request).await.unwrap();
    let drained = site.all_read("after the drain", draining, &leaving).await;
    println!("all read {} ms after the drain", draining.elapsed().as_millis());
    assert_moved(id, &rescued, &drained);
    tell("drained", &site.heard.first_words(draining));

    let path = field.dir().join(ledger::FILE_NAME);
    field.close().await.unwrap();
    let events = ledger::reader::read(&path).unwrap();
    assert_eq!(overlap::check(&events, &Facts::of(&events)), []);
    let speakers: BTreeSet<_> = events.iter().filter_map(speaker_on_units).flatten().collect();
    assert_eq!(speakers.len(), usize::from(NODES), "{speakers:?}");
    let Some(url) = url else { return };
    site.drained().await;
    let tables = database::read(url).await.unwrap();
    let report = judge::judge(&events, &tables, judge::Options::default());
    println!("{}", report.table());
    assert!(report.is_kept() && report.foreign == 0, "{}", report.table());
}

/// Whom the ledger names as the speaker of a request on a unit's line.
fn speaker_on_units(event: &Event) -> Option<BTreeSet<String>> {
    match event {
        Event::Request(request) if request.line != "north" => Some(request.speaker.names()),
        _ => None,
    }
}
