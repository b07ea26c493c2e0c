use std::time::{Duration, Instant};

use jiff::civil::date;
use protocol::api::peer::SpoolRecord;
use protocol::api::peer::spool_record::{Content, Kind};

use super::{QUARTER, reading};
use crate::clock::wall_now;
use crate::config;
use crate::mysql::testing::Place;
use crate::mysql::{Database, Plant};

/// 2020-01-01 00:00 UTC.
const NEW_YEAR: u64 = 1_577_836_800_000;
const DAY: u64 = 86_400_000;
const DAYS: &str = "SELECT meter_id, day, readings, energy_first_joule, energy_last_joule, worst_gap_s, steps_back \
    FROM reading_day ORDER BY 1, 2";
const MONTHS: &str = "SELECT meter_id, month, days, energy_before_joule, energy_last_joule, steps_back \
    FROM reading_month ORDER BY 1, 2";

fn settings(place: &Place) -> config::Mysql {
    config::Mysql { rollup_settle: Duration::ZERO, rollup_meters: 2, ..place.config() }
}

async fn opened(place: &Place) -> Database {
    let mut database = Database::connect_keeper(&settings(place)).await.unwrap();
    database.migrate().await.unwrap();
    database
}

async fn roll(database: &mut Database) {
    let plant = database.plant().clone();
    while database.roll_up(&plant, wall_now()).await.unwrap() {}
}

#[tokio::test]
async fn late_rows_replayed_rows_and_a_register_that_steps_back_are_in_days_and_months() {
    let Some(place) = Place::shared().await else { return };
    let mut database = opened(&place).await;
    let december = [reading(1, NEW_YEAR - DAY, 100), reading(2, NEW_YEAR - DAY, 50)];
    let january = [reading(1, NEW_YEAR, 110), reading(1, NEW_YEAR + 12 * 3_600_000, 130), reading(3, NEW_YEAR, 7)];
    database.write(&december).await.unwrap();
    database.write(&january).await.unwrap();
    roll(&mut database).await;
    let days = [
        "1|2019-12-31 00:00:00|1|100|100|86400|0",
        "1|2020-01-01 00:00:00|2|110|130|43200|0",
        "2|2019-12-31 00:00:00|1|50|50|86400|0",
        "3|2020-01-01 00:00:00|1|7|7|86400|0",
    ]
    .map(|row| row.replace(" 00:00:00", ""));
    let shown = async |sql: &'static str| -> Vec<String> {
        place.sql(sql).await.into_iter().map(|row| row.replace(" 00:00:00", "")).collect()
    };
    assert_eq!(shown(DAYS).await, days);
    assert_eq!(
        shown(MONTHS).await,
        [
            "1|2019-12-01|1|NULL|100|0",
            "1|2020-01-01|1|100|130|0",
            "2|2019-12-01|1|NULL|50|0",
            "3|2020-01-01|1|NULL|7|0"
        ]
    );
    database.write(&january).await.unwrap();
    roll(&mut database).await;
    assert_eq!(shown(DAYS).await, days, "a replay changes nothing");
    // Late for December: its last register is the one January begins with.
    database.write(&[reading(1, NEW_YEAR - QUARTER, 105), reading(3, NEW_YEAR + QUARTER, 6)]).await.unwrap();
    roll(&mut database).await;
    assert_eq!(shown(MONTHS).await[1], "1|2020-01-01|1|105|130|0");
    assert_eq!(shown(DAYS).await[3], "3|2020-01-01|2|7|6|85500|1", "the register stepped back");
    assert_eq!(place.sql("SELECT COUNT(*) FROM rollup_due").await, ["0"]);
}

#[tokio::test]
async fn a_keeper_lost_between_chunks_and_two_keepers_at_once_leave_the_same_days() {
    let Some(place) = Place::shared().await else { return };
    let mut writer = place.migrated().await;
    let records: Vec<_> = (1..=20).map(|meter| reading(meter, NEW_YEAR, meter as i64)).collect();
    writer.write(&records).await.unwrap();
    let plant = Plant::utc();
    let mut lost = opened(&place).await;
    assert!(lost.roll_up(&plant, wall_now()).await.unwrap());
    drop(lost);
    assert_ne!(place.sql("SELECT COUNT(*) FROM reading_day").await, ["20"], "it was at it");
    let keeper = async || {
        let mut database = opened(&place).await;
        // Two may wait for each other: the server ends one, who asks again.
        while database.roll_up(&plant, wall_now()).await.unwrap_or(true) {}
    };
    let again: Vec<_> = (1..=20).map(|meter| reading(meter, NEW_YEAR + QUARTER, meter as i64 + 5)).collect();
    let (_, _, written) = tokio::join!(keeper(), keeper(), writer.write(&again));
    written.unwrap();
    roll(&mut opened(&place).await).await;
    let good = "SELECT COUNT(*) FROM reading_day WHERE readings = 2 AND energy_last_joule = meter_id + 5";
    assert_eq!(place.sql(good).await, ["20"]);
    assert_eq!(place.sql("SELECT COUNT(*) FROM reading_month WHERE energy_last_joule = meter_id + 5").await, ["20"]);
    assert_eq!(place.sql("SELECT COUNT(*) FROM rollup_due").await, ["0"]);
}

#[tokio::test]
async fn a_day_nobody_was_late_for_is_rolled_up_when_it_has_ended_and_not_before() {
    let Some(place) = Place::shared().await else { return };
    let mut database = opened(&place).await;
    let on_demand = SpoolRecord { kind: Kind::OnDemand.into(), ..reading(1, NEW_YEAR, 10) };
    let mut other = reading(1, NEW_YEAR + QUARTER, 3);
    if let Some(Content::Reading(reading)) = &mut other.content {
        reading.identity = "87654321".to_owned();
    }
    database.write(&[on_demand, other]).await.unwrap();
    place.sql("DELETE FROM rollup_due").await;
    let plant = Plant::utc();
    let at = |millis| raft_store::state::UnixMillis(millis);
    assert!(!database.roll_up(&plant, at(NEW_YEAR + DAY + 60_000)).await.unwrap(), "within the grace time");
    while database.roll_up(&plant, at(NEW_YEAR + DAY + 16 * 60_000)).await.unwrap() {}
    let day = place.sql("SELECT readings, identity_first, identity_last, steps_back FROM reading_day").await;
    assert_eq!(day, ["2|12345678|87654321|1"]);
}

#[test]
fn a_day_of_the_plant_has_as_many_hours_as_its_clocks_say() {
    let plant = Plant::new("Europe/Berlin");
    let hours = |day| {
        let (begin, end) = plant.bounds(day);
        (end - begin) / 3_600_000
    };
    let lengths = [date(2026, 3, 28), date(2026, 3, 29), date(2026, 10, 25)].map(hours);
    assert_eq!(lengths, [24, 23, 25]);
    for day in [date(2026, 3, 29), date(2026, 10, 25)] {
        let (begin, end) = plant.bounds(day);
        assert_eq!([begin, end - 1].map(|at| plant.day_of(raft_store::state::UnixMillis(at))), [day, day]);
    }
}

#[tokio::test]
async fn a_tenth_of_a_large_plant_is_rolled_up_in_seconds() {
    let Some(place) = Place::alone().await else { return };
    let config = config::Mysql { rollup_settle: Duration::ZERO, ..place.config() };
    let mut database = Database::connect_keeper(&config).await.unwrap();
    database.migrate().await.unwrap();
    let meters: u64 = std::env::var("HEARTH_ROLLUP_METERS").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    place
        .sql(&format!(
            "INSERT INTO reading (meter_id, slot, kind, read_at, node_id, line_id, epoch, energy_joule, \
             volume_millilitre, power_milliwatt, flow_millilitre_per_hour, supply_milli_celsius, return_milli_celsius, \
             difference_millikelvin, quality, attempts, identity, raw) \
             SELECT m.n, TIMESTAMPADD(MINUTE, 15 * s.n, '2020-01-01'), 1, '2020-01-01', 1, 1, 1, s.n, s.n, 5, 6, 70000, \
             40000, 30000, 0, 1, '1', REPEAT('x', 80) FROM (SELECT seq AS n FROM seq_1_to_{meters}) m \
             JOIN (SELECT seq AS n FROM seq_0_to_95) s ORDER BY 1, 2"
        ))
        .await;
    let started = Instant::now();
    roll(&mut database).await;
    let seconds = started.elapsed().as_secs_f64();
    println!("{} readings in {seconds:.1} s: {:.0} a second", meters * 96, (meters * 96) as f64 / seconds);
    let good = "SELECT COUNT(*) FROM reading_day WHERE readings = 96 AND energy_last_joule = 95 AND worst_gap_s = 900";
    assert_eq!(place.sql(good).await, [meters.to_string()]);
}
