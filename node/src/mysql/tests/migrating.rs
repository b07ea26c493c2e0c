use jiff::civil::date;
use raft_store::state::UnixMillis;

use super::{NINE, reading};
use crate::mysql::partitions::plan;
use crate::mysql::testing::Place;
use crate::mysql::{Database, DatabaseError};

#[tokio::test]
async fn migrating_twice_or_from_two_nodes_at_once_leaves_one_schema() {
    let Some(place) = Place::shared().await else { return };
    let connect = async || Database::connect(&place.config()).await.unwrap();
    let (mut one, mut two) = (connect().await, connect().await);
    let (first, second) = tokio::join!(one.migrate(), two.migrate());
    first.unwrap();
    second.unwrap();
    one.migrate().await.unwrap();
    let marks = place.sql("SELECT name, statements - done FROM hearth_migration ORDER BY version").await;
    let all = ["readings|0", "projections|0", "views|0", "rollups|0", "sanity|0", "ledger|0", "places|0", "tallies|0"];
    assert_eq!(marks, all);
    let tables = place.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()").await;
    for table in ["reading", "missed", "reading_latest", "rejected", "line", "meter", "command", "reading_kwh"] {
        assert!(tables.iter().any(|name| name == table), "{table} is not among {tables:?}");
    }
}

#[tokio::test]
async fn a_migration_that_was_interrupted_goes_on_where_it_stopped() {
    let Some(place) = Place::shared().await else { return };
    let mut database = Database::connect(&place.config()).await.unwrap();
    // The last statement fails until `later` exists; the first would fail if it were run again.
    place.sql("CREATE TABLE once (other INT)").await;
    let text = "ALTER TABLE once ADD COLUMN n INT;\nINSERT INTO once (n) VALUES (1);\n-- a remark;\nINSERT INTO later\n  VALUES (2);\n";
    let migrations = [(1, "first", text)];
    let error = database.migrate_to(&migrations).await.unwrap_err();
    assert!(error.needs_person(), "{error}");
    assert_eq!(place.sql("SELECT statements, done FROM hearth_migration").await, ["3|2"]);
    place.sql("CREATE TABLE later (n INT)").await;
    database.migrate_to(&migrations).await.unwrap();
    assert_eq!(place.sql("SELECT n FROM once").await, ["1"]);
    assert_eq!(place.sql("SELECT n FROM later").await, ["2"]);

    // A crash between a statement and its mark.
    place.sql("UPDATE hearth_migration SET done = 0").await;
    place.sql("DELETE FROM later").await;
    database.migrate_to(&migrations).await.unwrap();
    assert_eq!(place.sql("SELECT statements, done FROM hearth_migration").await, ["3|3"]);
}

#[tokio::test]
async fn files_of_a_table_whose_creation_a_kill_ended_do_not_stand_for_the_table() {
    let Some(place) = Place::alone().await else { return };
    let mut database = Database::connect(&place.config()).await.unwrap();
    let text = "CREATE TABLE IF NOT EXISTS days (n INT)\nPARTITION BY RANGE (n) (\n  \
                PARTITION p_first VALUES LESS THAN (5),\n  PARTITION p_future VALUES LESS THAN (MAXVALUE)\n);\n";
    let migrations = [(1, "first", text)];
    database.migrate_to(&migrations).await.unwrap();
    // As a server leaves it that was killed before the table had its description.
    place.sql("FLUSH TABLES").await;
    for name in ["days.frm", "days.par"] {
        std::fs::remove_file(place.files().join(name)).unwrap();
    }
    place.sql("UPDATE hearth_migration SET done = 0").await;
    database.migrate_to(&migrations).await.unwrap();
    place.sql("INSERT INTO days VALUES (1), (9)").await;
    assert_eq!(place.sql("SELECT n FROM days ORDER BY n").await, ["1", "9"]);
}

#[tokio::test]
async fn days_that_cannot_be_made_keep_no_row_from_being_written() {
    let Some(place) = Place::shared().await else { return };
    place.migrated().await;
    place.sql("ALTER TABLE reading REMOVE PARTITIONING").await;
    let mut database = Database::connect(&place.config()).await.unwrap();
    database.migrate().await.unwrap();
    database.write(&[reading(1, NINE, 5)]).await.unwrap();
    let error = database.make_partitions(UnixMillis(NINE)).await.unwrap_err();
    assert!(error.needs_person(), "the keeper tells: {error:?}");
}

#[tokio::test]
async fn a_migration_edited_after_it_was_applied_is_refused_by_name() {
    let Some(place) = Place::shared().await else { return };
    let mut database = Database::connect(&place.config()).await.unwrap();
    database.migrate_to(&[(1, "first", "CREATE TABLE one (n INT);\n")]).await.unwrap();
    let error = database.migrate_to(&[(1, "first", "CREATE TABLE two (n INT);\n")]).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("migration 1 first was edited"), "{error}");
    database.migrate_to(&[(1, "first", "CREATE TABLE one (n INT);\n")]).await.unwrap();
}

#[tokio::test]
async fn tables_of_a_later_release_are_left_as_they_are() {
    let Some(place) = Place::shared().await else { return };
    let mut database = place.migrated().await;
    place.sql("INSERT INTO hearth_migration VALUES (99, 'later', 'x', 1, 1, NOW(3))").await;
    database.migrate().await.unwrap();
    database.write(&[reading(1, NINE, 5)]).await.unwrap();
}

#[test]
fn days_are_made_from_yesterday_to_as_far_ahead_as_asked_and_only_those_missing() {
    let today = date(2026, 12, 31);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let first = plan("reading", &names(&["p_future"]), today, 1).unwrap();
    let expected = "ALTER TABLE reading REORGANIZE PARTITION p_future INTO \
        (PARTITION p20261230 VALUES LESS THAN ('2026-12-31 00:00:00'), \
        PARTITION p20261231 VALUES LESS THAN ('2027-01-01 00:00:00'), \
        PARTITION p20270101 VALUES LESS THAN ('2027-01-02 00:00:00'), \
        PARTITION p_future VALUES LESS THAN (MAXVALUE))";
    assert_eq!(first, expected);
    let next = plan("reading", &names(&["p20261231", "p20270101", "p_future"]), date(2027, 1, 1), 1).unwrap();
    assert!(next.contains("p20270102") && !next.contains("p20270101 "), "{next}");
    assert_eq!(plan("reading", &names(&["p20270101", "p_future"]), today, 1), None);
    let after_a_gap = plan("reading", &names(&["p20250101", "p_future"]), today, 0).unwrap();
    assert!(after_a_gap.contains("INTO (PARTITION p20261230 "), "one partition takes the gap: {after_a_gap}");
}

#[tokio::test]
async fn rows_beyond_the_days_made_have_a_place_and_move_when_their_day_is_made() {
    let Some(place) = Place::shared().await else { return };
    let mut database = place.migrated().await;
    let day = 86_400_000;
    let (past, far) = (NINE - 4000 * day, NINE + 4000 * day);
    let written = database.write(&[reading(1, past, 1), reading(1, far, 2)]).await.unwrap();
    assert_eq!((written.rows, written.rejected), (2, vec![]));
    assert_eq!(place.sql("SELECT energy_joule FROM reading PARTITION (p_future)").await, ["2"]);
    database.make_partitions(UnixMillis(far)).await.unwrap();
    database.make_partitions(UnixMillis(far)).await.unwrap();
    assert_eq!(place.sql("SELECT energy_joule FROM reading PARTITION (p_future)").await, [""; 0]);
    assert_eq!(place.sql("SELECT energy_joule FROM reading ORDER BY slot").await, ["1", "2"]);
}
