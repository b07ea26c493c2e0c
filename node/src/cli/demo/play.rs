//! Plays a script: one step after the other, each within its limit.
//!
//! Promises: says of each awaited thing how long it took; the first step that fails ends the script, named with its line.
//! Refuses: going on after a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use protocol::api::admin::{NodeHealth, NodeRole};
use tokio::time::sleep;

use super::events::Teller;
use super::script::{Step, Wait, Written};
use super::stage::Stage;
use super::watcher::{Seen, wall_now, whole};

/// For so many rows to be stored.
const READINGS_LIMIT: Duration = Duration::from_secs(180);
/// For nodes to get a vote.
const VOTERS_LIMIT: Duration = Duration::from_secs(60);
/// For lines to move.
const LINES_LIMIT: Duration = Duration::from_secs(60);
/// For every line to be polled.
const POLLING_LIMIT: Duration = Duration::from_secs(90);
/// For everything to come to rest.
const SETTLED_LIMIT: Duration = Duration::from_secs(120);
/// A spool with nothing older than this is only doing its work.
const FRESH: Duration = Duration::from_secs(5);
/// From look to look at what is stored, and at the processes.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A reading taken now may answer a slot this much older, ms.
const SLOT_BEFORE: u64 = 15_000;

/// Plays the whole script.
pub(super) async fn play(stage: &mut Stage, script: &[Written], teller: &Teller) -> Result<()> {
    for Written { line, text, step } in script {
        teller.tell(format!("> {text}"));
        let began = Instant::now();
        take(stage, step).await.with_context(|| format!("script line {line}: {text}"))?;
        if matches!(step, Step::Await(_)) {
            teller.tell(format!("  {text}: after {:.1} s", began.elapsed().as_secs_f64()));
        }
    }
    Ok(())
}

async fn take(stage: &mut Stage, step: &Step) -> Result<()> {
    match step {
        Step::Act(act) => stage.act(act.clone()).await,
        Step::Pause(span) => pause(stage, *span).await,
        Step::Await(wait) => until(stage, wait).await,
    }
}

/// Lets the demo run so long, or without end.
pub(super) async fn watch(stage: &mut Stage, limit: Option<Duration>) -> Result<()> {
    match limit {
        Some(limit) => pause(stage, limit).await,
        None => loop {
            pause(stage, LOOK_AGAIN).await?;
        },
    }
}

/// Waits, and notices what ends meanwhile.
async fn pause(stage: &mut Stage, span: Duration) -> Result<()> {
    let end = Instant::now() + span;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        stage.look_after()?;
        sleep(left.min(LOOK_AGAIN)).await;
    }
    Ok(())
}

async fn until(stage: &mut Stage, wait: &Wait) -> Result<()> {
    let stored = stage.view().borrow().as_ref().map_or(0, |seen| seen.stored);
    match wait {
        Wait::Readings(count) => stage.wait_for(READINGS_LIMIT, |seen, _| seen.stored >= stored + count).await?,
        Wait::Voters(count) => stage.wait_for(VOTERS_LIMIT, |seen, _| voters(seen) == *count).await?,
        Wait::LinesOn(node, count) => stage.wait_for(LINES_LIMIT, |seen, _| held_by(seen, node) >= *count).await?,
        Wait::Settled => stage.wait_for(SETTLED_LIMIT, |seen, _| is_settled(seen)).await?,
        Wait::Polling => return every_line_polled(stage).await,
    };
    Ok(())
}

fn voters(seen: &Seen) -> usize {
    let votes = |role| matches!(role, NodeRole::Leader | NodeRole::Voter);
    seen.status.nodes.iter().filter(|node| votes(node.role()) && node.health() == NodeHealth::Alive).count()
}

fn held_by(seen: &Seen, node: &str) -> u32 {
    seen.node(node).map_or(0, |node| node.lines_held)
}

/// No line orphaned or moving, everyone who lives heard from, nothing old in any spool.
fn is_settled(seen: &Seen) -> bool {
    let lines = seen.status.lines.unwrap_or_default();
    let fresh = seen.asked_wall.saturating_sub(FRESH.as_millis() as u64);
    let rests = seen.status.nodes.iter().filter(|node| node.health() == NodeHealth::Alive).all(|node| {
        let report = node.report.clone().unwrap_or_default();
        report.spool_records == 0 || report.oldest_spooled_at >= fresh
    });
    let suspects = seen.status.nodes.iter().any(|node| node.health() == NodeHealth::Suspect);
    whole(seen) && lines.moving == 0 && lines.orphaned == 0 && rests && !suspects && seen.leader().is_some()
}

/// Waits until some meter of every line was read, and stored, after this moment.
async fn every_line_polled(stage: &mut Stage) -> Result<()> {
    let (began, since) = (Instant::now(), wall_now());
    let line_of: BTreeMap<String, String> = stage.meters()?.into_iter().collect();
    let mut silent: BTreeSet<String> = stage.lines()?.into_iter().collect();
    while began.elapsed() < POLLING_LIMIT {
        stage.look_after()?;
        // A database that is away has nothing to say; the limit of the whole stays.
        let stored = stage.console().readings(since.saturating_sub(SLOT_BEFORE)).await.unwrap_or_default();
        let read = stored.iter().filter(|reading| reading.missed.is_empty() && reading.read_at >= since);
        for line in read.filter_map(|reading| line_of.get(&reading.meter)) {
            silent.remove(line);
        }
        if silent.is_empty() {
            return Ok(());
        }
        sleep(LOOK_AGAIN).await;
    }
    let names: Vec<&str> = silent.iter().map(String::as_str).collect();
    anyhow::bail!("{} lines without a stored reading within {POLLING_LIMIT:?}: {}", names.len(), names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::watcher::samples;

    #[test]
    fn only_living_voters_count() {
        let mut seen = samples::seen();
        assert_eq!(voters(&seen), 3);
        if let Some(node) = seen.status.nodes.last_mut() {
            node.health = NodeHealth::Dead.into();
        }
        assert_eq!(voters(&seen), 2);
    }

    #[test]
    fn a_cluster_with_a_line_on_its_way_or_an_old_backlog_is_not_settled() {
        let mut seen = samples::seen();
        for node in &mut seen.status.nodes {
            node.report.get_or_insert_default().oldest_spooled_at = seen.asked_wall;
        }
        assert!(is_settled(&seen));

        let mut moving = seen.clone();
        moving.status.lines.get_or_insert_default().moving = 1;
        assert!(!is_settled(&moving));

        let mut behind = seen;
        if let Some(node) = behind.status.nodes.first_mut() {
            node.report.get_or_insert_default().oldest_spooled_at = behind.asked_wall - 60_000;
        }
        assert!(!is_settled(&behind));
    }
}
