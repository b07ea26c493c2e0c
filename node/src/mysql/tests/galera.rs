use std::time::Duration;

use super::{NINE, QUARTER, reading};
use crate::config;
use crate::mysql::testing::{Galera, Place};
use crate::mysql::{Database, DatabaseError};

const LIMIT: Duration = Duration::from_secs(30);

async fn connect(node: &Place) -> Database {
    Database::connect(&node.config()).await.unwrap()
}

/// Waits until a server that follows says `expected`.
async fn until(node: &Place, statement: &str, expected: &str) {
    let said = async {
        while node.sql(statement).await.concat() != expected {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(LIMIT, said).await.is_ok(), "{statement}: not {expected}");
}

/// As a leader does it: again where that may help.
async fn migrate(node: &Place) {
    let migrated = async {
        while let Err(error) = connect(node).await.migrate().await {
            assert!(matches!(error, DatabaseError::Retry(_)), "{error:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(LIMIT, migrated).await.is_ok(), "the tables are not made");
}

#[tokio::test]
async fn two_leaders_at_two_galera_nodes_migrate_once_and_try_again_what_met_or_was_too_large() {
    let Some(galera) = Galera::start().await else { return };
    let [one, two, three] = &galera.nodes[..] else { panic!("three nodes") };
    migrate_at_once(one, two, three).await;
    lock(one, two).await;
    meet(one, two, three).await;
    go_in_parts(one, three).await;
}

async fn migrate_at_once(one: &Place, two: &Place, three: &Place) {
    tokio::join!(migrate(one), migrate(two));
    let left = "SELECT COUNT(*), SUM(statements - done) FROM hearth_migration WHERE version > 0";
    until(three, left, &format!("{}|0", crate::mysql::migrate::MIGRATIONS.len())).await;
    let days = "SELECT COUNT(*) FROM information_schema.partitions \
                WHERE table_schema = DATABASE() AND table_name = 'reading'";
    let expected = one.sql(days).await.concat();
    assert!(expected.parse::<u32>().unwrap() > 10, "{expected}");
    for node in [two, three] {
        until(node, days, &expected).await;
        until(node, left, &one.sql(left).await.concat()).await;
    }
}

async fn lock(one: &Place, two: &Place) {
    let (mut first, mut second) = (connect(one).await, connect(two).await);
    // Who migrated may have given it back at the other server.
    until(one, "SELECT name <> '' FROM hearth_migration WHERE version = 0", "0").await;
    first.lock_schema().await.unwrap();
    until(two, "SELECT name <> '' FROM hearth_migration WHERE version = 0", "1").await;
    let held = second.lock_schema().await.unwrap_err();
    assert!(held.to_string().contains("another node is changing the tables"), "{held}");
    second.migrate().await.expect("with nothing to do nobody waits for it");
    first.renew_schema_lock().await.unwrap();
    first.unlock_schema(Ok(())).await.unwrap();
    until(two, "SELECT name <> '' FROM hearth_migration WHERE version = 0", "0").await;
    second.lock_schema().await.unwrap();
    second.unlock_schema(Ok(())).await.unwrap();

    let brief = config::Mysql { migrate_timeout: Duration::from_secs(1), ..one.config() };
    let mut dead = Database::connect(&brief).await.unwrap();
    dead.lock_schema().await.unwrap();
    let expired = "SELECT changed_at < UTC_TIMESTAMP(3) AND name <> '' FROM hearth_migration WHERE version = 0";
    until(two, expired, "1").await;
    second.lock_schema().await.expect("who died does not hold it for ever");
    until(one, expired, "0").await;
    dead.renew_schema_lock().await.expect_err("it is another's");
    second.unlock_schema(Ok(())).await.unwrap();
}

async fn meet(one: &Place, two: &Place, three: &Place) {
    let (mut first, mut second) = (connect(one).await, connect(two).await);
    let insert = "INSERT INTO reading_latest (meter_id, slot, kind) VALUES (1, '2026-11-23', 1) \
                  ON DUPLICATE KEY UPDATE kind = 2";
    for database in [&mut first, &mut second] {
        database.session.execute("START TRANSACTION").await.unwrap();
        database.session.execute(insert).await.unwrap();
    }
    second.session.execute("COMMIT").await.unwrap();
    let lost = first.session.execute("COMMIT").await.unwrap_err();
    assert!(matches!(&lost, DatabaseError::Retry(fault) if fault.code == 1213), "{lost:?}");

    let mut met = 0;
    for round in 0..5 {
        let records: Vec<_> = (1..=2_000).map(|meter| reading(meter, NINE + round * QUARTER, 5)).collect();
        let (one, two) = tokio::join!(first.write(&records), second.write(&records));
        for (database, mut written) in [(&mut first, one), (&mut second, two)] {
            while let Err(error) = written {
                assert!(matches!(error, DatabaseError::Retry(_)), "{error:?}");
                met += 1;
                written = database.write(&records).await;
            }
            assert_eq!(written.unwrap().rejected, Vec::<usize>::new());
        }
    }
    println!("{met} batches were tried again");
    until(three, "SELECT COUNT(*), COUNT(DISTINCT meter_id, slot) FROM reading", "10000|10000").await;
}

async fn go_in_parts(one: &Place, three: &Place) {
    let mut database = connect(one).await;
    for (number, setting) in (1..).zip(["wsrep_max_ws_rows = 300", "wsrep_max_ws_size = 65536"]) {
        one.sql(&format!("SET GLOBAL {setting}")).await;
        let slots = (20 * number..).take(20).map(|slot| NINE + slot * QUARTER);
        let records: Vec<_> = slots.flat_map(|slot| (1..=100).map(move |meter| reading(meter, slot, 5))).collect();
        let written = database.write(&records).await.unwrap();
        assert_eq!((written.rows, written.rejected.len()), (2_000, 0));
        one.sql("SET GLOBAL wsrep_max_ws_rows = DEFAULT, wsrep_max_ws_size = DEFAULT").await;
    }
    until(three, "SELECT COUNT(*) FROM reading", "14000").await;
}
