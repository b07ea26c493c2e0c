use crate::mysql::project::{LineRow, MeterRow, Whereabouts};
use crate::mysql::testing::Place;
use crate::mysql::{CommandRow, Projection};
use std::collections::BTreeSet;

fn line(id: u64, name: &str) -> LineRow {
    LineRow {
        id,
        name: name.to_owned(),
        endpoint: "tcp://gw:4001".to_owned(),
        baud: 2400,
        parity: "even".to_owned(),
        schedule: String::new(),
        whereabouts: Whereabouts { places: ["north", "S1", "", "", "", ""].map(str::to_owned), labels: None },
    }
}

fn meter(id: u64, name: &str, interval_s: u32) -> MeterRow {
    MeterRow {
        id,
        name: name.to_owned(),
        line: 1,
        dialect: "mbus".to_owned(),
        address: "7".to_owned(),
        interval_s,
        offset_s: 0,
        enabled: true,
        profile: String::new(),
        identity: String::new(),
        schedule: format!("every {interval_s}s"),
        whereabouts: Whereabouts {
            places: ["north", "S1", "阳光花园", "3号楼", "2", "401"].map(str::to_owned),
            labels: Some(r#"{"riser":"east"}"#.to_owned()),
        },
    }
}

#[tokio::test]
async fn a_complete_projection_replaces_what_was_there_and_a_partial_one_changes_only_what_it_names() {
    let Some(place) = Place::shared().await else { return };
    let mut database = place.migrated().await;
    let (lines, meters) = (vec![line(1, "a"), line(2, "b")], vec![meter(1, "m1", 900), meter(2, "m2", 900)]);
    let all = Projection { complete: true, lines, meters, ..Projection::default() };
    for _ in 0..2 {
        database.project(&all).await.unwrap();
        assert_eq!(place.sql("SELECT name FROM line ORDER BY 1").await, ["a", "b"]);
    }
    let some = Projection {
        meters: vec![meter(3, "m2", 60), meter(1, "m1", 300)],
        meters_gone: BTreeSet::from([2]),
        lines_gone: BTreeSet::from([2]),
        ..Projection::default()
    };
    database.project(&some).await.unwrap();
    assert_eq!(place.sql("SELECT name FROM line").await, ["a"]);
    let meters = place.sql("SELECT meter_id, name, interval_s, enabled FROM meter ORDER BY 1").await;
    assert_eq!(meters, ["1|m1|300|1", "3|m2|60|1"], "a name that became free was given again");
    database.project(&Projection { complete: true, ..Projection::default() }).await.unwrap();
    assert_eq!(place.sql("SELECT name FROM meter").await, [""; 0]);
}

#[tokio::test]
async fn lines_and_meters_are_found_by_place_and_by_labels_that_have_no_column() {
    let Some(place) = Place::shared().await else { return };
    let mut database = place.migrated().await;
    let bare = MeterRow { whereabouts: Whereabouts::default(), ..meter(2, "m2", 900) };
    let named = MeterRow { identity: "12345678".to_owned(), profile: "mbus-generic".to_owned(), ..meter(1, "m1", 900) };
    let all = Projection { complete: true, lines: vec![line(1, "a")], meters: vec![named, bare], ..Default::default() };
    database.project(&all).await.unwrap();
    let asked = "SELECT meter, line, community, household, schedule FROM meter_place WHERE station = 'S1' AND building = '3号楼'";
    assert_eq!(place.sql(asked).await, ["m1|a|阳光花园|401|every 900s"]);
    let asked = "SELECT name, identity, profile FROM meter WHERE JSON_EXTRACT(labels, '$.riser') = 'east'";
    assert_eq!(place.sql(asked).await, ["m1|12345678|mbus-generic"]);
    let asked = "SELECT region, station, baud, parity FROM line WHERE labels IS NULL";
    assert_eq!(place.sql(asked).await, ["north|S1|2400|even"]);
    let moved = MeterRow { schedule: "daily 00:00".to_owned(), interval_s: 0, ..meter(2, "m2", 0) };
    database.project(&Projection { meters: vec![moved], ..Default::default() }).await.unwrap();
    let asked = "SELECT interval_s, schedule, unit FROM meter WHERE meter_id = 2";
    assert_eq!(place.sql(asked).await, ["0|daily 00:00|2"]);
}

#[tokio::test]
async fn the_release_before_can_still_write_its_columns() {
    let Some(place) = Place::shared().await else { return };
    place.migrated().await;
    place.sql("INSERT INTO line (line_id, name, endpoint) VALUES (1, 'a', 'tcp://gw:1')").await;
    let old = "INSERT INTO meter (meter_id, name, line_id, dialect, address, interval_s, offset_s, enabled) \
               VALUES (1, 'm', 1, 'mbus', '7', 900, 0, 1)";
    place.sql(old).await;
    assert_eq!(place.sql("SELECT meter, line, station FROM meter_place").await, ["m|a|"]);
}

#[tokio::test]
async fn a_command_is_stored_once_and_never_ends_otherwise() {
    let Some(place) = Place::shared().await else { return };
    let mut database = place.migrated().await;
    let row = CommandRow {
        id: 9,
        meter: 1,
        line: 2,
        action: "valve-open".to_owned(),
        key: "k".to_owned(),
        requested_at: 1_795_424_400_123,
        deadline: 1_795_424_500_000,
        ended_at: 1_795_424_450_000,
        state: "verified".to_owned(),
        detail: "open".to_owned(),
        starts: vec![(1_795_424_401_000, 2, 7)],
    };
    database.write_commands(std::slice::from_ref(&row)).await.unwrap();
    let again = CommandRow { state: "failed".to_owned(), ..row.clone() };
    database.write_commands(&[again]).await.unwrap();
    database.write_commands(&[]).await.unwrap();
    let part = |name: &str| format!("JSON_EXTRACT(starts, '$[0].{name}')");
    let parts = ["at", "epoch", "node"].map(part).join(", ");
    let stored = place.sql(&format!("SELECT command_id, state, requested_at, {parts} FROM command")).await;
    assert_eq!(stored, ["9|verified|2026-11-23 09:00:00.123|1795424401000|7|2"]);
}
