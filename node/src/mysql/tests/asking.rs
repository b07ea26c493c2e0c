//! The questions of docs/sql.md, asked of a small plant.

use super::reading;
use crate::mysql::testing::Place;

const PAGE: &str = include_str!("../../../../docs/sql.md");

fn question(title: &str) -> String {
    let part = PAGE.split(&format!("### {title}\n")).nth(1).unwrap_or_else(|| panic!("no question {title}"));
    let query = part.split("```sql\n").nth(1).unwrap().split("```").next().unwrap();
    query.trim().trim_end_matches(';').to_owned()
}

async fn plant() -> Option<Place> {
    let place = Place::shared().await?;
    place.migrated().await.write(&[reading(9, 0, 0)]).await.unwrap();
    place.sql("DELETE FROM reading").await;
    place
        .sql(
            "INSERT INTO meter (meter_id, name, line_id, dialect, address, interval_s, offset_s, enabled, station, \
             community, building, household) VALUES (1, 'a', 1, 'mbus', '1', 900, 0, 1, 'S', 'C1', 'B1', '101'), \
             (2, 'b', 1, 'mbus', '2', 900, 0, 1, 'S', 'C2', 'B2', '102')",
        )
        .await;
    place
        .sql(
            "INSERT INTO reading_day (meter_id, day, readings, first_slot, last_slot, energy_first_joule, \
             energy_last_joule, energy_last_slot, difference_mean_millikelvin, flow_max_millilitre_per_hour, \
             identity_first, identity_last, steps_back, doubts, worst_gap_s) VALUES \
             (1, '2026-01-01', 1, '2026-01-01', '2026-01-01', 3600000, 3600000, '2026-01-01', 20000, 500, '', '', 0, 0, 0), \
             (1, '2026-01-09', 1, '2026-01-09', '2026-01-09', 3600000, 3600000, '2026-01-09', 30000, 500, '', '', 0, 4, 0), \
             (1, '2026-03-31', 1, '2026-03-31', '2026-03-31', 9000000, 10800000, '2026-03-31', 10000, 0, '', '', 0, 0, 0)",
        )
        .await;
    place
        .sql(
            "INSERT INTO reading_month (meter_id, month, days, readings, energy_before_joule, energy_last_joule, \
             identity_before, identity_last, steps_back, doubts) VALUES \
             (1, '2026-03-01', 1, 1, 3600000, 10800000, '', '', 0, 0), (2, '2026-03-01', 1, 1, NULL, 5, '', '', 0, 0)",
        )
        .await;
    place
        .sql(
            "INSERT INTO reading (meter_id, slot, kind, read_at, node_id, line_id, epoch, power_milliwatt, quality, \
             attempts, identity, raw) VALUES (1, '2026-01-09 07:00:00', 1, '2026-01-09', 1, 1, 1, 2000000, 4, 1, '', '')",
        )
        .await;
    place
        .sql(
            "INSERT INTO missed (meter_id, slot, kind, reason, detail, attempts, at, node_id, line_id, epoch) \
             VALUES (2, '2026-01-09 07:00:00', 1, 'no-answer', 'three attempts', 3, '2026-01-09', 1, 1, 1)",
        )
        .await;
    Some(place)
}

#[tokio::test]
async fn the_questions_of_the_page_have_the_answers_this_plant_gives() {
    let Some(place) = plant().await else { return };
    for (title, expected) in [
        (
            "Bill a season per household",
            vec![
                "C1|B1|101|a|2026-01-01 00:00:00.000|2026-03-31 00:00:00.000|2.000000|ok",
                "C2|B2|102|b|NULL|NULL|NULL|no register",
            ],
        ),
        ("Frozen meters", vec!["a|2|3600000"]),
        ("Delta-T by building", vec!["C1|B1|25.000"]),
        ("Worst communities", vec!["C2|0|1|0.0", "C1|1|0|100.0"]),
        ("Meters that did not read, and why", vec!["b|no-answer|1"]),
        ("Peak load of a station by hour", vec!["S|2026-01-09 07:00|2.000000"]),
        ("Consumption by month and building", vec!["2026-03|C1|B1|2.000000|0", "2026-03|C2|B2|NULL|1"]),
        ("Meters with doubts", vec!["a|4|1"]),
    ] {
        assert_eq!(place.sql(&question(title)).await, expected, "{title}");
    }
}
