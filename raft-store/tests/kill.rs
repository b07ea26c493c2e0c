//! Processes killed in the middle of writing lose nothing that they acknowledged.
//!
//! The test starts itself again as a child that appends, votes, truncates and purges in a folder, and says what was
//! acknowledged (and what it is about to take back); kills it at a random moment; opens the folder and compares.
//! `HEARTH_KILLS` sets how many times.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may stop")]
#![allow(clippy::disallowed_methods, reason = "a test has processes, switches and dice")]

mod common;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::disk::{append, entry, read_all};
use openraft::RaftLogReader;
use openraft::storage::RaftLogStorage;
use raft_store::state::LogPosition;
use raft_store::types::Vote;
use raft_store::{Limits, LogStore};

/// Tells the child its folder.
const FOLDER: &str = "HEARTH_KILL_FOLDER";

/// Kills without a word in `HEARTH_KILLS`.
const KILLS: u64 = 40;

/// A child that is killed upon a word says at most this many.
const LIFE_WORDS: u64 = 60;

/// A child writes at most this long, ms.
const LIFE_MS: u64 = 100;

/// Small files, so that children also die between two of them.
fn open(folder: &Path) -> LogStore {
    let limits = Limits { file_bytes: 4096, ..Limits::default() };
    LogStore::open(folder, &limits).unwrap_or_else(|error| panic!("{error}"))
}

/// What a child said, as far as it is bound by it.
#[derive(Debug, Default)]
struct Acknowledged {
    /// Terms of entries by index.
    entries: BTreeMap<u64, u64>,
    vote: u64,
    purged: Option<u64>,
}

impl Acknowledged {
    /// A word that was not finished was not said.
    fn hear(&mut self, said: &str) -> usize {
        let words = said.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        words.map(|line| self.hear_line(line.trim())).sum()
    }

    fn hear_line(&mut self, line: &str) -> usize {
        let (word, numbers) = line.split_once(' ').unwrap_or((line, ""));
        let numbers: Vec<u64> = numbers.split(' ').filter_map(|n| n.parse().ok()).collect();
        match (word, numbers.as_slice()) {
            ("appended", [term, from, to]) => self.entries.extend((*from..=*to).map(|index| (index, *term))),
            ("voted", [term]) => self.vote = *term,
            ("truncating", [keep]) => drop(self.entries.split_off(&(keep + 1))),
            ("purging", [upto]) => {
                self.entries = self.entries.split_off(&(upto + 1));
                self.purged = Some(*upto);
            }
            _ => return 0,
        }
        1
    }
}

#[tokio::test(flavor = "current_thread")]
#[ignore = "the child of the other test"]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let mut log = open(Path::new(&folder));
    let state = log.get_log_state().await.unwrap();
    let mut next = state.last_log_id.map_or(0, |last| last.index + 1);
    let mut purged = state.last_purged_log_id.map_or(0, |purged| purged.index);
    let mut term = log.read_vote().await.unwrap().map_or(0, |vote| vote.leader_id.term).max(1);
    say(format_args!("writing"));
    for round in 1_u64.. {
        if round % 2 == 0 {
            term += 1;
            log.save_vote(&Vote::new(term, 1)).await.unwrap();
            say(format_args!("voted {term}"));
        }
        if round % 5 == 0 && next > purged + 4 {
            next -= 2;
            let keep = read_all(&mut log).await.into_iter().find(|entry| entry.log_id.index == next - 1).unwrap();
            say(format_args!("truncating {}", keep.log_id.index));
            log.truncate_after(Some(keep.log_id)).await.unwrap();
        }
        if round % 7 == 0 && next > purged + 30 {
            purged = next - 20;
            let upto = read_all(&mut log).await.into_iter().find(|entry| entry.log_id.index == purged).unwrap();
            say(format_args!("purging {purged}"));
            log.purge(upto.log_id).await.unwrap();
        }
        let count = 1 + round % 3;
        append(&mut log, (next..next + count).map(|index| entry(term, index))).await;
        say(format_args!("appended {term} {next} {}", next + count - 1));
        next += count;
    }
}

/// Past the test harness, which would keep it back.
fn say(line: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_to_a_kill() {
    let kills = std::env::var("HEARTH_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::default();
    let (mut heard, mut dice) = (0, u64::from(std::process::id()));
    for _ in 0..kills {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        heard += acknowledged.hear(&one_life(folder.path(), dice >> 33));
        compare(folder.path(), &mut acknowledged).await;
    }
    println!("{kills} kills, {heard} acknowledgements, last entry {:?}", acknowledged.entries.keys().next_back());
    assert!(heard as u64 > kills, "the children hardly wrote");
}

/// Starts a child and kills it, every other one after a while and the others upon a word; what it said.
fn one_life(folder: &Path, dice: u64) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child", "--exact", "--ignored", "--nocapture"]).env(FOLDER, folder);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut said = String::new();
    hear_until(&mut out, &mut said, |said| said.ends_with("writing\n"));
    if dice.is_multiple_of(2) {
        std::thread::sleep(Duration::from_millis(dice % LIFE_MS));
    } else {
        let lines = said.lines().count() + usize::try_from(dice % LIFE_WORDS).unwrap();
        hear_until(&mut out, &mut said, |said| said.ends_with('\n') && said.lines().count() > lines);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    out.read_to_string(&mut said).unwrap();
    said
}

/// Byte by byte, so that the word is fresh.
fn hear_until(out: &mut impl Read, said: &mut String, is_enough: impl Fn(&str) -> bool) {
    let mut byte = [0];
    while !is_enough(said) && out.read(&mut byte).unwrap() > 0 {
        said.push(char::from(byte[0]));
    }
}

async fn compare(folder: &Path, acknowledged: &mut Acknowledged) {
    let mut log = open(folder);
    let entries = read_all(&mut log).await;
    for (entry, expected) in entries.iter().zip(entries[0].log_id.index..) {
        let LogPosition { term, index } = raft_store::types::position(entry.log_id);
        assert_eq!(index, expected, "the log is contiguous");
        assert_eq!(*entry, common::disk::entry(term, index));
    }
    let found: BTreeMap<u64, u64> =
        entries.iter().map(|e| (e.log_id.index, e.log_id.committed_leader_id().term)).collect();
    for (index, term) in &acknowledged.entries {
        assert_eq!(found.get(index), Some(term), "entry {index} was acknowledged");
    }
    let vote = log.read_vote().await.unwrap().map_or(0, |vote| vote.leader_id.term);
    assert!(vote >= acknowledged.vote, "vote {} was acknowledged, {vote} is there", acknowledged.vote);
    assert!(log.purged().map(|at| at.index) <= acknowledged.purged, "purged beyond what was asked");
    assert_eq!(log.get_log_state().await.unwrap().last_log_id, entries.last().map(|entry| entry.log_id));
    acknowledged.entries = found;
    acknowledged.vote = vote;
}
