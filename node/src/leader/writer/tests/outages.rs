use std::time::Duration;

use protocol::api::admin::database_status::State as DatabaseState;

use super::reading;
use super::site::{Leader, Outbox, assert_stored, config};
use crate::config;
use crate::mysql::testing::Place;

#[tokio::test]
async fn a_database_that_dies_and_returns_costs_and_doubles_no_record() {
    let Some(place) = Place::alone().await else { return };
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let outboxes = [Outbox::open(dirs[0].path()).await, Outbox::open(dirs[1].path()).await];
    let leader = Leader::start(&config(place.config()), &[&outboxes[0], &outboxes[1]]);
    // Killed while it makes tables, a MariaDB may not start again: that is not what this is about.
    leader.until_state(DatabaseState::Ok).await;
    let mut all = Vec::new();
    for round in 0..3 {
        let records: Vec<_> = (0..300).map(|n| reading(n, round * 2)).collect();
        outboxes[0].append(&records).await;
        all.extend(records);
        // Killed with writes under way: their outcome is unknown to the writer.
        place.stop();
        let records: Vec<_> = (0..300).map(|n| reading(n, round * 2 + 1)).collect();
        outboxes[1].append(&records).await;
        all.extend(records);
        leader.until_state(DatabaseState::Unreachable).await;
        assert!(outboxes[1].spool.pressure().records > 0, "what is not committed is not forgotten");
        place.resume().await;
        outboxes[0].until_empty().await;
        outboxes[1].until_empty().await;
        leader.until_state(DatabaseState::Ok).await;
    }
    assert_stored(&place, &all).await;
    let events: Vec<_> = leader.board.events().into_iter().rev().map(|event| event.text).collect();
    assert_eq!(events.len(), 6, "one event for each turn: {events:?}");
    assert!(events[0].starts_with("database away: ") && events[0].ends_with("records waiting"), "{}", events[0]);
    assert!(events[1].starts_with("database back after "), "{}", events[1]);
    leader.stop().await;
}

#[tokio::test]
async fn a_wrong_password_is_shown_as_a_person_s_work_and_nothing_is_lost_until_it_is_done() {
    let Some(place) = Place::shared().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path()).await;
    outbox.append(&[reading(1, 0)]).await;
    let (user, created) = ("late:s3cret", "CREATE USER late@'127.0.0.1' IDENTIFIED BY 's3cret'");
    let mysql = config::Mysql { endpoints: vec![place.url(user)], ..place.config() };
    let leader = Leader::start(&config(mysql), &[&outbox]);
    leader.until_state(DatabaseState::Refused).await;
    let status = leader.board.database();
    assert!(status.error.contains("user and password") && !status.error.contains("s3cret"), "{}", status.error);
    let refused = leader.history.store(Vec::new());
    assert!(tokio::time::timeout(Duration::from_millis(100), refused).await.is_err(), "commands wait as well");
    assert_eq!(outbox.spool.pressure().records, 1);
    place.sql(created).await;
    place.sql("GRANT ALL ON *.* TO late@'127.0.0.1'").await;
    outbox.until_empty().await;
    assert_stored(&place, &[reading(1, 0)]).await;
    place.sql("DROP USER late@'127.0.0.1'").await;
    leader.stop().await;
}

#[tokio::test]
async fn a_spool_that_was_away_is_pulled_on_from_where_it_was() {
    let Some(place) = Place::shared().await else { return };
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (one, two) = (Outbox::open(dirs[0].path()).await, Outbox::open(dirs[1].path()).await);
    let leader = Leader::start(&config(place.config()), &[&one, &two]);
    two.append(&[reading(2, 0)]).await;
    two.until_empty().await;
    two.close().await;
    one.append(&[reading(1, 0)]).await;
    one.until_empty().await;
    let two = Outbox::open(dirs[1].path()).await;
    two.append(&[reading(2, 1)]).await;
    leader.members(&[&one, &two]);
    two.until_empty().await;
    assert_stored(&place, &[reading(1, 0), reading(2, 0), reading(2, 1)]).await;
    leader.stop().await;
}
