use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use protocol::meter::NodeId;

use super::reading;
use super::site::{Outbox, config, until};
use crate::cluster::peers::{Caller, Peers};
use crate::config::{self, Config};
use crate::leader::writer::backlog::Backlog;
use crate::leader::writer::hand_over::{Batch, hand_over};
use crate::leader::writer::history::{History, HistoryError};
use crate::leader::writer::lanes::Lane;
use crate::leader::writer::puller::{Limits, Puller};

/// Settings under which every pull carries one record.
fn one_by_one() -> Arc<Config> {
    let config = config(config::Mysql { batch_rows: 1, pulls_ahead: 2, ..config::Mysql::default() });
    Arc::new(Config {
        mysql: config::Mysql { retry_max: Duration::from_millis(20), ..config.mysql.clone() },
        ..(*config).clone()
    })
}

#[tokio::test]
async fn while_nothing_is_committed_no_more_is_pulled_than_the_limit_and_nothing_is_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path()).await;
    outbox.append(&(0..5).map(|n| reading(n, 0)).collect::<Vec<_>>()).await;
    let peers = Peers::new(Caller::new("test", NodeId(1)), Duration::from_secs(1));
    let peer = peers.channel(NodeId(1), &outbox.address).unwrap();
    let (giving, mut batches) = hand_over(100);
    let backlog = Backlog::default();
    let puller = tokio::spawn(Puller::new(NodeId(1), peer, Limits::of(&one_by_one()), giving, backlog.clone()).run());

    let meter = |batch: &Batch| batch.records.iter().map(|record| record.meter).collect::<Vec<_>>();
    let (first, second) = (batches.next().await.unwrap().1, batches.next().await.unwrap().1);
    assert_eq!((meter(&first), meter(&second)), (vec![0], vec![1]));
    // It goes on asking how much waits, and for nothing else.
    outbox.append(&[reading(9, 0)]).await;
    until("the backlog is heard", async || backlog.records() == 6).await;
    assert!(batches.take_within(Lane::Backlog, usize::MAX).is_none());

    let [(committed_first, place), (committed_second, _held)] =
        [first, second].map(|Batch { committed, place, .. }| (committed, place));
    committed_second.send(()).unwrap();
    outbox.append(&[reading(10, 0)]).await;
    until("the backlog is heard", async || backlog.records() == 7).await;
    assert!(batches.take_within(Lane::Backlog, usize::MAX).is_none(), "a later commit acknowledges no earlier record");

    committed_first.send(()).unwrap();
    until("both are acknowledged", async || outbox.spool.pressure().records == 5).await;
    assert!(batches.take_within(Lane::Backlog, usize::MAX).is_none(), "both are in memory still");
    drop(place);
    assert_eq!(meter(&batches.next().await.unwrap().1), [2]);
    drop(batches);
    puller.await.unwrap();
}

#[tokio::test]
async fn a_backlog_that_nothing_takes_costs_no_processor_while_fresh_readings_are_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path()).await;
    outbox.append(&(0..20).map(|n| reading(n, 0)).collect::<Vec<_>>()).await;
    let peers = Peers::new(Caller::new("test", NodeId(1)), Duration::from_secs(1));
    let peer = peers.channel(NodeId(1), &outbox.address).unwrap();
    let one_by_one = (*one_by_one()).clone();
    let mysql = config::Mysql { lane_records: 3, fresh_every: Duration::from_millis(5), ..one_by_one.mysql.clone() };
    let limits = Limits::of(&Config { mysql, ..one_by_one });
    let ((giving, batches), backlog) = (hand_over(100), Backlog::default());
    let mut running = Box::pin(Puller::new(NodeId(1), peer, limits, giving, backlog.clone()).run());
    let polls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&polls);
    let puller = tokio::spawn(std::future::poll_fn(move |context| {
        counted.fetch_add(1, Ordering::Relaxed);
        running.as_mut().poll(context)
    }));
    // More than both lanes have places for.
    for more in 1..=10 {
        outbox.append(&[reading(100 + more, 0)]).await;
        until("the backlog is heard", async || backlog.records() == 20 + more).await;
    }
    let polls = polls.load(Ordering::Relaxed);
    assert!(polls < 2_000, "polled {polls} times");
    drop(batches);
    puller.await.unwrap();
}

#[tokio::test]
async fn without_a_database_commands_are_told_so_at_once() {
    let (history, _jobs) = History::new(&config::Mysql::default());
    assert_eq!(history.store(Vec::new()).await, Err(HistoryError::NoDatabase));
}

#[tokio::test]
async fn commands_do_not_wait_longer_than_a_statement_may_take() {
    let endpoints = vec!["mysql://nobody@127.0.0.1:1/none".to_owned()];
    let limit = Duration::from_millis(20);
    let config = config::Mysql { endpoints, statement_timeout: limit, ..config::Mysql::default() };
    let (history, _jobs) = History::new(&config);
    assert!(matches!(history.store(Vec::new()).await, Err(HistoryError::Unavailable(_))));
}
