//! What a line puts into the spool, and what a person is told of a reading.
//!
//! Promises: values stay the exact integers the meter's frame gave; a missed slot carries what was heard. Refuses: judging them.

use protocol::api::peer::spool_record::{Content, Kind};
use protocol::api::peer::{SpoolRecord, SpooledMiss, SpooledReading, SpooledValue};
use protocol::meter::{CommandId, Epoch, LineId, MeterId, NodeId, Quantity, Reading, ValveState};
use raft_store::state::UnixMillis;

use super::backfill::Earlier;
use super::evidence::Evidence;
use super::schedule::{Due, Miss};

/// What the table of missed slots holds of a detail.
const DETAIL_CHARACTERS: usize = 255;

/// The origin of what a meter kept itself.
const BACKFILLED: u32 = 1;

/// Who speaks: the fields that every record of one ownership shares.
#[derive(Debug, Clone, Copy)]
pub(super) struct Author {
    pub(super) node: NodeId,
    pub(super) line: LineId,
    pub(super) epoch: Epoch,
}

impl Author {
    fn record(self, kind: Kind, at: UnixMillis, content: Content) -> SpoolRecord {
        SpoolRecord {
            line: self.line.0,
            epoch: self.epoch.0,
            node: self.node.0,
            kind: kind.into(),
            at: at.0,
            content: Some(content),
            ..SpoolRecord::default()
        }
    }

    /// The answer to a slot.
    pub(super) fn scheduled(self, due: Due, reading: &Reading, at: UnixMillis) -> SpoolRecord {
        let record = self.record(Kind::Scheduled, at, Content::Reading(spooled(reading)));
        SpoolRecord { meter: due.meter.0, slot: due.slot.0, attempts: due.attempt, ..record }
    }

    /// What the meter kept for an earlier slot.
    pub(super) fn backfilled(self, meter: MeterId, earlier: &Earlier, at: UnixMillis) -> SpoolRecord {
        let record = self.record(Kind::Scheduled, at, Content::Reading(spooled(&earlier.reading)));
        SpoolRecord { meter: meter.0, slot: earlier.slot.0, origin: BACKFILLED, ..record }
    }

    /// A slot that ended unread, with what was heard instead.
    pub(super) fn missed(self, miss: Miss, evidence: Evidence, at: UnixMillis) -> SpoolRecord {
        let Evidence { raw, identity } = evidence;
        let mut detail = if identity.is_empty() { miss.detail } else { format!("{identity} answered") };
        if let Some((end, _)) = detail.char_indices().nth(DETAIL_CHARACTERS) {
            detail.truncate(end);
        }
        let content = Content::Miss(SpooledMiss { reason: miss.reason.to_owned(), detail, raw, identity });
        let record = self.record(Kind::Scheduled, at, content);
        SpoolRecord { meter: miss.meter.0, slot: miss.slot.0, attempts: miss.attempts, ..record }
    }

    /// The answer to a read-now.
    pub(super) fn on_demand(self, asked: &OnDemand, reading: &Reading, at: UnixMillis) -> SpoolRecord {
        let record = self.record(Kind::OnDemand, at, Content::Reading(spooled(reading)));
        let OnDemand { meter, command, requested_at, attempts } = *asked;
        SpoolRecord { meter: meter.0, slot: requested_at.0, attempts, command: command.0, ..record }
    }
}

/// What a read-now asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnDemand {
    pub(super) meter: MeterId,
    pub(super) command: CommandId,
    pub(super) requested_at: UnixMillis,
    pub(super) attempts: u32,
}

fn spooled(reading: &Reading) -> SpooledReading {
    let number =
        |wanted| Quantity::ALL.iter().zip(1..).find(|(quantity, _)| **quantity == wanted).map_or(0, |(_, n)| n);
    let values = reading.measurements.iter();
    SpooledReading {
        values: values.map(|m| SpooledValue { quantity: number(m.quantity), value: m.value }).collect(),
        meter_time: reading.meter_time.map(|time| time.to_string()).unwrap_or_default(),
        valve: valve_number(reading.valve),
        quality: reading.quality.0,
        raw: reading.raw.clone(),
        identity: reading.identity.clone(),
        shape: reading.shape.0,
    }
}

/// 0 where the meter names no valve.
const fn valve_number(valve: Option<ValveState>) -> u32 {
    match valve {
        None => 0,
        Some(ValveState::Open) => 1,
        Some(ValveState::Closed) => 2,
        Some(ValveState::Fault) => 3,
    }
}

/// A reading in a few words, with the profile it was read by: `energy 540.6 kWh, volume 12.3 m3 (mbus-generic)`.
pub(super) fn in_words(reading: &Reading) -> String {
    let shown = [
        (Quantity::Energy, 3_600_000, "kWh"),
        (Quantity::Volume, 1_000_000, "m3"),
        (Quantity::Power, 1_000_000, "kW"),
        (Quantity::SupplyTemp, 1_000, "°C"),
    ];
    let words: Vec<_> = shown
        .into_iter()
        .filter_map(|(quantity, unit, name)| {
            let value = reading.value(quantity)?;
            Some(format!("{} {} {name}", quantity.name(), decimal(value, unit)))
        })
        .collect();
    let words = if words.is_empty() { "read".to_owned() } else { words.join(", ") };
    format!("{words} ({})", reading.profile)
}

/// `value / unit` with at most three decimals, cut off.
fn decimal(value: i64, unit: u64) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let thousandths = u128::from(value.unsigned_abs()) * 1_000 / u128::from(unit);
    let text = format!("{sign}{}.{:03}", thousandths / 1_000, thousandths % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
