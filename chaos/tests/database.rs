//! The judge reads a real database: needs MariaDB's own programs, and says so where they are missing.
#![allow(clippy::unwrap_used, missing_docs)]

mod mariadb;

use std::net::TcpListener;

use chaos::judge::database::{Missed, Row, read};
use chaos::ledger::Values;
use mariadb::Server;
use mysql_async::prelude::Queryable;

const TABLES: [&str; 6] = [
    "CREATE DATABASE hearth",
    "CREATE TABLE hearth.meter (meter_id BIGINT PRIMARY KEY, name VARCHAR(128) UNIQUE, line_id BIGINT)",
    "CREATE TABLE hearth.reading (meter_id BIGINT, slot DATETIME(3), kind TINYINT, read_at DATETIME(3), node_id BIGINT, \
     line_id BIGINT, epoch BIGINT, energy_joule BIGINT NULL, cooling_energy_joule BIGINT NULL, \
     volume_millilitre BIGINT NULL, power_milliwatt BIGINT NULL, flow_millilitre_per_hour BIGINT NULL, \
     supply_milli_celsius BIGINT NULL, return_milli_celsius BIGINT NULL, difference_millikelvin BIGINT NULL, \
     operating_seconds BIGINT NULL, on_seconds BIGINT NULL, error_flags BIGINT NULL, meter_time DATETIME NULL, \
     valve TINYINT NULL, quality INT UNSIGNED, identity VARCHAR(32), raw VARBINARY(1024), extra JSON, \
     PRIMARY KEY (meter_id, slot, kind))",
    "CREATE TABLE hearth.missed (meter_id BIGINT, slot DATETIME(3), kind TINYINT, reason VARCHAR(32), detail TEXT, \
     attempts INT, at DATETIME(3), node_id BIGINT, PRIMARY KEY (meter_id, slot, kind))",
    "INSERT INTO hearth.meter VALUES (7, 'north-m007', 1)",
    "SET time_zone = '+08:00'",
];

#[tokio::test]
async fn rows_and_marks_are_read_exactly_whatever_the_zone() {
    let Some(server) = Server::start() else { return };
    let mut conn = server.connect().await;
    for statement in TABLES {
        conn.query_drop(statement).await.unwrap();
    }
    conn.query_drop(
        "INSERT INTO hearth.reading (meter_id, slot, kind, read_at, node_id, epoch, energy_joule, volume_millilitre, \
         valve, quality) VALUES (7, '2026-01-01 00:00:10.000', 1, '2026-01-01 00:00:10.250', 3, 2, \
         9000000000000000000, NULL, 2, 4294967295)",
    )
    .await
    .unwrap();
    conn.query_drop(
        "INSERT INTO hearth.missed (meter_id, slot, kind, reason) VALUES (7, '2026-01-01 00:00:20', 1, 'no-answer'), \
         (8, '2026-01-01 00:00:20', 1, 'no-owner')",
    )
    .await
    .unwrap();
    let tables = read(&server.url).await.unwrap();
    let values = Values { energy_joule: Some(9_000_000_000_000_000_000), ..Values::default() };
    let (slot_ms, read_at_ms) = (1_767_225_610_000, 1_767_225_610_250);
    let row =
        Row { meter: "north-m007".into(), slot_ms, kind: 1, read_at_ms, node: 3, epoch: 2, values, valve: Some(2) };
    assert_eq!(tables.rows, [row]);
    let mark = |meter: &str, reason: &str| Missed {
        meter: meter.into(),
        slot_ms: slot_ms + 10_000,
        kind: 1,
        reason: reason.into(),
    };
    assert_eq!(tables.missed, [mark("north-m007", "no-answer"), mark("#8", "no-owner")]);
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_an_error_and_not_a_verdict() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = read(&format!("mysql://root@127.0.0.1:{port}/hearth")).await.unwrap_err();
    assert!(format!("{error:#}").starts_with("database: connect"), "{error:#}");
}
