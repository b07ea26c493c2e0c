//! What a meter kept of the past, from the wire into the spool.

use std::collections::BTreeMap;

use protocol::api::peer::SpoolRecord;
use protocol::api::peer::spool_record::Content;
use protocol::meter::{Address, CivilTime, LineId, MeterId, Quality};
use protocol::profile::Catalogue;
use raft_store::state::UnixMillis;
use raft_store::state::plant::schedule::Freeze;

use super::field::{Field, Sim, What};
use super::rig::{ME, Rig, is_reading, reason, value};
use crate::clock::wall_now;
use crate::cluster::Missing;
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

const TURNED: &str = "name = 'turned'\ndialect = 'mbus'\nsource = 'a test'\n\
                      history = { keeps = 'days', ask = [0x50, 0x30], back = [0x50, 0x00] }\n\
                      [[column]]\nquantity = 'energy'\nrecord = 'energy'\n";

/// A meter, read by `schedule`, that has to be turned to the 40 kWh it kept of the midnight that began yesterday.
struct Turned {
    rig: Rig,
    field: std::sync::Arc<Field>,
    line: LineId,
    meter: MeterId,
    slot: u64,
}

impl Turned {
    fn new(schedule: &str) -> Self {
        Self::on_a_line_that_takes(100, schedule)
    }

    /// The same where answers may come so much later, ms.
    fn on_a_line_that_takes(extra_ms: u32, schedule: &str) -> Self {
        let mut rig = Rig::new(|_| {}).with_lease();
        rig.catalogue = Catalogue::with([("turned.toml", TURNED)]).expect("sound");
        let (slot, shown) = midnight();
        let field = Field::new([(7, Sim { kept: Some((shown, 40)), turns: true, ..Sim::new(50) })]);
        let line = rig.town.add_line(field.serve_tcp(0), |spec| spec.extra_answer_ms = extra_ms);
        let meter = rig.town.add_meter_by_profile(line, Address::MbusPrimary(7), schedule, Some("turned"));
        rig.town.assign(line, ME);
        let turned = Self { rig, field, line, meter, slot };
        turned.lacks(turned.slot);
        turned
    }

    fn lacks(&self, slot: u64) {
        let missing = Missing { meter: self.meter, slot: UnixMillis(slot), freeze: Freeze::Day };
        self.rig.wants.replace(BTreeMap::from([(self.line, vec![missing])]));
    }

    fn asked(&self) -> Vec<What> {
        self.field.requests.borrow().iter().map(|request| request.what).collect()
    }
}

#[tokio::test]
async fn a_missing_freeze_is_asked_for_once_in_the_time_between_polls() {
    let mut turned = Turned::new("every 20s; daily 00:00");
    turned.rig.start();
    let kept = turned.rig.record(|record| record.origin == 1).await;
    assert_eq!((kept.slot, value(&kept, ENERGY)), (turned.slot, Some(40 * 3_600_000)));
    assert_eq!((quality(&kept), kept.line, kept.epoch), (Quality::BACKFILLED, turned.line.0, 1));
    let polled = turned.rig.record(|record| record.origin == 0 && is_reading(record)).await;
    assert_eq!((value(&polled, ENERGY), quality(&polled)), (Some(50 * 3_600_000), Quality::default()));
    let asked = turned.asked();
    let mut turns = asked.iter().filter(|what| matches!(what, What::Turn(_)));
    // A slot that ends meanwhile has a poll of its own.
    assert_eq!(turns.next(), Some(&What::Turn(false)), "the poll came first: {asked:?}");
    assert_eq!(turns.filter(|what| **what == What::Turn(true)).count(), 1, "it was asked once: {asked:?}");
}

#[tokio::test]
async fn where_a_poll_is_due_before_it_would_be_over_nothing_of_the_past_is_asked() {
    let mut turned = Turned::on_a_line_that_takes(600, "every 1s; daily 00:00");
    turned.rig.start();
    let records = turned.rig.records(4, |record| record.meter != 0).await;
    assert!(records.iter().all(|record| record.origin == 0 && reason(record).is_empty()), "{records:?}");
    assert!(!turned.asked().contains(&What::Turn(true)));
}

#[tokio::test]
async fn a_meter_that_keeps_another_moment_is_asked_again_with_each_word_and_given_up() {
    let mut turned = Turned::new("every 30s; daily 00:00");
    let other = turned.slot - DAY_MS;
    turned.lacks(other);
    turned.rig.start();
    let asks = |all: &Vec<super::field::Request>| all.iter().filter(|request| request.what == What::Turn(true)).count();
    let mut requests = turned.field.requests.subscribe();
    for nth in 1..=3 {
        super::rig::soon(requests.wait_for(|all| asks(all) == nth)).await.expect("the field stands");
        turned.lacks(other);
    }
    // What it kept of yesterday came with it.
    let kept = turned.rig.record(|record| record.origin == 1).await;
    assert_eq!(kept.slot, turned.slot);
    // A fourth dialogue would come before what the line does last.
    for energy in [51, 52] {
        turned.field.change(7, |sim| sim.energy = energy);
        turned.rig.town.submit(turned.meter, protocol::meter::Action::ReadNow, u64::from(energy) * 1_000);
        turned.rig.record(|record| value(record, ENERGY) == Some(i64::from(energy) * 3_600_000)).await;
    }
    assert_eq!(asks(&turned.field.requests.borrow()), 3);
}
