//! Real meters go wrong, a real node reads them, and the tables say what is the matter: needs MariaDB's own programs and the
//! product's binary, and says so where they are missing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod common;
mod mariadb;
mod support;

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use chaos::cluster::Cluster;
use common::{config, field};
use mariadb::Server;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use serde_json::Value;
use support::hearth;

/// For every meter to have its row; slots are six seconds.
const ROWS_WITHIN: Duration = Duration::from_secs(60);

const LINES: &str = r#"
interval_s = 6
[[line]]
name = "north"
[[line.meter]]
name = "sound"
dialect = "mbus"
address = "1"
[[line.meter]]
name = "hasty"
dialect = "mbus"
address = "2"
fault = { clock_off_s = 3600 }
[[line.meter]]
name = "broken"
dialect = "mbus"
address = "3"
fault = { damaged_every = 1 }
"#;

async fn rows(conn: &mut Conn, ask: &str) -> BTreeMap<String, (String, String)> {
    let found: Vec<(String, String, String)> = conn.query(ask).await.unwrap_or_default();
    found.into_iter().map(|(meter, why, raw)| (meter, (why, raw))).collect()
}

#[tokio::test]
async fn a_clock_that_is_off_and_a_frame_that_is_damaged_stand_in_the_tables_with_their_bytes() {
    let (Some(hearth), Some(server)) = (hearth(), Server::start()) else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut conn = server.connect().await;
    conn.query_drop("CREATE DATABASE hearth").await.unwrap();
    let lines = config(&dir.path().join("field"), LINES);
    let field = field(&dir.path().join("field"), LINES).await;
    let settings = format!("\n[mysql]\nendpoints = [\"{}\"]\n", server.url);
    let cluster = Cluster::start_with(&hearth, dir.path(), &[settings]).await.unwrap();
    cluster.import(&lines, field.endpoints()).await.unwrap();

    let read = "SELECT m.name, '', HEX(r.raw) FROM hearth.reading r JOIN hearth.meter m USING (meter_id)";
    let flagged = "SELECT meter, doubts, raw FROM hearth.reading_flagged";
    let missed = "SELECT m.name, t.reason, HEX(t.raw) FROM hearth.missed t JOIN hearth.meter m USING (meter_id) \
                  WHERE t.raw IS NOT NULL";
    let begun = Instant::now();
    let (flagged, missed) = loop {
        let is_read = rows(&mut conn, read).await.contains_key("sound");
        let found = (rows(&mut conn, flagged).await, rows(&mut conn, missed).await);
        if is_read && found.0.contains_key("hasty") && found.1.contains_key("broken") {
            break found;
        }
        assert!(begun.elapsed() < ROWS_WITHIN, "the tables lack a meter: {found:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(flagged.keys().collect::<Vec<_>>(), ["hasty"]);
    assert_eq!(flagged["hasty"].0, "clock-off");
    assert!(flagged["hasty"].1.starts_with("68"), "{flagged:?}");
    assert_eq!(missed.keys().collect::<Vec<_>>(), ["broken"]);
    assert_eq!(missed["broken"].0, "bad-checksum");
    assert!(missed["broken"].1.starts_with("68"), "{missed:?}");

    let node = cluster.nodes()[0].address.to_string();
    let listed = |flag: &[&str]| {
        let listing = ["--at", &node, "-o", "json", "reading", "list"];
        let output = Command::new(&hearth).args(listing).args(flag).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
        listed["readings"].as_array().unwrap().clone()
    };
    let off = listed(&["--flag", "clock-off"]);
    assert!(!off.is_empty());
    for reading in &off {
        assert_eq!((&reading["meter"], &reading["doubts"]), (&"hasty".into(), &serde_json::json!(["clock-off"])));
        assert!(!reading["raw"].as_str().unwrap().is_empty());
    }
    let every = listed(&["--flagged"]);
    assert!(every.iter().any(|reading| reading["meter"] == "broken" && reading["missed"] == "bad-checksum"));
    assert!(every.iter().all(|reading| reading["meter"] != "sound"));
    field.close().await.unwrap();
}
