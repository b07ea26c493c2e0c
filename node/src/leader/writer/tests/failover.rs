use std::time::Duration;

use super::reading;
use super::site::{Leader, Outbox, config, until};
use crate::config;
use crate::mysql::testing::Place;

fn args(args: &[&str]) -> Vec<String> {
    args.iter().map(|arg| (*arg).to_owned()).collect()
}

/// A server that writes its changes down, and one that follows it and takes none of its own.
async fn primary_and_replica() -> Option<(Place, Place)> {
    let primary = Place::alone_with(args(&["--log-bin=log-bin", "--server-id=1"])).await?;
    let replica = Place::alone_with(args(&["--log-bin=log-bin", "--server-id=2", "--read-only=1"])).await?;
    let follow = format!(
        "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={}, MASTER_USER='root', MASTER_USE_GTID=slave_pos",
        primary.port()
    );
    // What it did itself before would be in the way of what it follows.
    for statement in ["RESET MASTER", "SET GLOBAL gtid_slave_pos=''", &follow, "START SLAVE"] {
        replica.sql(statement).await;
    }
    Some((primary, replica))
}

/// The primary's database on another server.
async fn readings_on(place: &Place, database: &str) -> Vec<String> {
    place.sql(&format!("SELECT energy_joule FROM {database}.reading ORDER BY meter_id, slot")).await
}

async fn follows(replica: &Place, database: &str, count: usize) {
    until("the replica has followed", async || {
        let made = format!(
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '{database}' AND table_name = 'reading'"
        );
        replica.sql(&made).await == ["1"] && readings_on(replica, database).await.len() == count
    })
    .await;
}

#[tokio::test]
async fn when_the_primary_is_gone_for_good_its_promoted_replica_is_written_to_and_has_every_record_once() {
    let Some((primary, replica)) = primary_and_replica().await else { return };
    let name = primary.name().to_owned();
    let endpoints = vec![primary.url("root"), primary.url("root").replace(&port(&primary), &port(&replica))];
    let connect_timeout = Duration::from_millis(500);
    let mysql = config::Mysql { endpoints, connect_timeout, ..primary.config() };
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path()).await;
    let leader = Leader::start(&config(mysql), &[&outbox]);
    outbox.append(&(0..200).map(|n| reading(n, 0)).collect::<Vec<_>>()).await;
    outbox.until_empty().await;
    follows(&replica, &name, 200).await;

    primary.stop();
    outbox.append(&(0..200).map(|n| reading(n, 1)).collect::<Vec<_>>()).await;
    until("the replica is passed over while it follows", async || leader.board.database().error.contains("read-only"))
        .await;
    assert_eq!(outbox.spool.pressure().records, 200, "what nobody took is kept");
    for statement in ["STOP SLAVE", "SET GLOBAL read_only = 0"] {
        replica.sql(statement).await;
    }
    outbox.until_empty().await;
    let expected: Vec<_> = (0..200).flat_map(|meter| [0, 1].map(|slot| (meter * 1000 + slot).to_string())).collect();
    assert_eq!(readings_on(&replica, &name).await, expected);
    let endpoint = leader.board.database().endpoint;
    assert!(endpoint.contains(&port(&replica)), "{endpoint}");
    leader.stop().await;
}

fn port(place: &Place) -> String {
    format!(":{}/", place.port())
}
