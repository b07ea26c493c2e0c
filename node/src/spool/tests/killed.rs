use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use super::*;

const CHILD: &str = "HEARTH_TEST_SPOOL_CHILD";
const ROUNDS: u32 = 20;

#[test]
fn nothing_acknowledged_to_the_author_is_lost_when_the_process_is_killed() {
    if let Ok(dir) = std::env::var(CHILD) {
        return runtime().block_on(append_until_killed(Path::new(&dir)));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut told = Told::default();
    for round in 0..ROUNDS {
        let lines = getrandom::u32().unwrap() % 200;
        told.follow(start_child(dir.path()), lines);
        runtime().block_on(told.check(dir.path(), round));
    }
    assert!(told.records.len() > 50, "the killed processes stored next to nothing: {}", told.records.len());
    assert!(told.forgotten > 0, "nothing was ever acknowledged to the spool");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Says on stdout what the spool said, and what it is about to ask of it.
fn say(word: &str, one: u64, two: u64) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{word} {one} {two}").unwrap();
    out.flush().unwrap();
}

async fn append_until_killed(dir: &Path) {
    let spool = open(dir);
    let writer = |task: u64| {
        let spool = spool.clone();
        tokio::spawn(async move {
            for count in 0.. {
                let meter = u64::from(std::process::id()) * 1_000_000 + task * 100_000 + count;
                let sequence = spool.append(&record(meter)).await.unwrap();
                say("stored", sequence, meter);
                if sequence % 16 == 0 {
                    say("forget", sequence - 8, 0);
                    spool.acknowledge(spool.id(), sequence - 8).await.unwrap();
                }
            }
        })
    };
    futures::future::join_all((0..4).map(writer)).await;
}

fn start_child(dir: &Path) -> Child {
    let name = "spool::tests::killed::nothing_acknowledged_to_the_author_is_lost_when_the_process_is_killed";
    Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What the killed processes said before they died.
#[derive(Default)]
struct Told {
    records: BTreeMap<u64, u64>,
    forgotten: u64,
    last: u64,
}

impl Told {
    fn follow(&mut self, mut child: Child, lines: u32) {
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        for _ in 0..lines {
            self.hear(&out.next().unwrap().unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What was said before the kill counts; a torn last line does not.
        out.map_while(Result::ok).for_each(|line| self.hear(&line));
    }

    fn hear(&mut self, line: &str) {
        let mut words = line.split(' ');
        let (word, one, two) = (words.next(), words.next(), words.next());
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok());
        match (word, number(one), number(two)) {
            (Some("stored"), Some(sequence), Some(meter)) if meter >= 1_000_000 => {
                assert_eq!(self.records.insert(sequence, meter), None, "sequence {sequence} was given twice");
            }
            (Some("forget"), Some(upto), Some(0)) => self.forgotten = self.forgotten.max(upto),
            _ => {}
        }
    }

    async fn check(&mut self, dir: &Path, round: u32) {
        let spool = open(dir);
        let pulled = pull_all(&spool, 0).await;
        let meters = meters(&pulled);
        let held: BTreeMap<_, _> = pulled.records.iter().map(|(sequence, _)| *sequence).zip(meters).collect();
        for (sequence, meter) in self.records.range(self.forgotten + 1..) {
            assert_eq!(held.get(sequence), Some(meter), "round {round}: record {sequence} is not what was stored");
        }
        let bytes: u64 = pulled.records.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        assert_eq!((pulled.backlog_records, pulled.backlog_bytes), (held.len() as u64, bytes), "round {round}");
        let highest = self.records.keys().chain(held.keys()).max().copied().unwrap_or(0).max(self.last);
        self.last = spool.append(&record(1)).await.unwrap();
        assert!(self.last > highest, "round {round}: sequence {} was used again", self.last);
        spool.close().await;
    }
}
