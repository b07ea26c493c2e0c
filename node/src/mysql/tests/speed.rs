use std::time::Instant;

use super::{NINE, QUARTER, reading};
use crate::mysql::testing::Place;

/// Says how fast rows go; fails only where that is absurdly slow. `cargo test --release -p node rows_a_second -- --nocapture`
#[tokio::test]
async fn rows_a_second_are_enough_for_a_hundred_thousand_meters_every_fifteen_minutes() {
    let Some(place) = Place::alone().await else { return };
    let mut database = place.migrated().await;
    let (batches, rows) = (10, 5_000_u64);
    let started = Instant::now();
    for batch in 0..batches {
        let slot = NINE + batch * QUARTER;
        let records: Vec<_> = (0..rows).map(|meter| reading(meter, slot, 7)).collect();
        database.write(&records).await.unwrap();
    }
    let speed = (batches * rows) as f64 / started.elapsed().as_secs_f64();
    println!("{speed:.0} rows a second in batches of {rows}");
    assert!(speed > 112.0, "{speed} rows a second");
}
