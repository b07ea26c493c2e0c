//! What a meter kept of the past, from the wire into the spool.

use protocol::api::peer::SpoolRecord;
use protocol::api::peer::spool_record::Content;
use protocol::meter::{Address, CivilTime, Quality};

use super::field::{Field, Sim};
use super::rig::{ME, Rig, value};
use crate::clock::wall_now;
use crate::timetable::Zone;

const ENERGY: u32 = 1;
const DAY_MS: u64 = 86_400_000;

/// The midnight that began yesterday, in universal time, and how a meter writes it.
fn midnight() -> (u64, CivilTime) {
    let slot = (wall_now().0 / DAY_MS - 1) * DAY_MS;
    let shown = Zone::utc().civil(slot).expect("a date");
    let (month, day) = (shown.month().unsigned_abs(), shown.day().unsigned_abs());
    (slot, CivilTime { year: shown.year().unsigned_abs(), month, day, hour: 0, minute: 0, second: 0 })
}

fn quality(record: &SpoolRecord) -> Quality {
    match &record.content {
        Some(Content::Reading(reading)) => Quality(reading.quality),
        _ => Quality::default(),
    }
}

#[tokio::test]
async fn a_freeze_that_the_meter_kept_is_spooled_once_beside_what_it_shows_marked_as_backfilled() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let (slot, shown) = midnight();
    let field = Field::new([(7, Sim { kept: Some((shown, 40)), ..Sim::new(50) })]);
    let line = rig.town.add_line(field.serve_tcp(0), |_| {});
    let meter = rig.town.add_meter_by(line, Address::MbusPrimary(7), "every 1s; daily 00:00");
    rig.town.assign(line, ME);
    rig.start();
    let records = rig.records(4, |r| r.meter == meter.0).await;
    let (kept, polled): (Vec<_>, Vec<_>) = records.iter().partition(|record| record.origin == 1);
    let [kept] = &kept[..] else { panic!("{records:?}") };
    assert_eq!((kept.slot, value(kept, ENERGY)), (slot, Some(40 * 3_600_000)));
    assert_eq!((quality(kept), kept.line, kept.epoch), (Quality::BACKFILLED, line.0, 1));
    for record in polled {
        assert_eq!((value(record, ENERGY), quality(record)), (Some(50 * 3_600_000), Quality::default()));
    }
}
