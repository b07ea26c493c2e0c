//! What the ledger says of the field itself: lines, meters, and when it all ended.
//!
//! Promises: the end of a field that was killed is its last entry. Refuses: judging.

use std::collections::HashMap;

use crate::clock::Stamp;
use crate::ledger::{Event, LineFacts, MeterFacts};

/// The field.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// By name.
    pub lines: HashMap<String, LineFacts>,
    /// By name.
    pub meters: HashMap<String, MeterFacts>,
    /// When connections and periods of holding ended, by number.
    pub closed: HashMap<u64, Stamp>,
    /// The last moment of the field.
    pub end: Stamp,
}

impl Facts {
    /// Gathers them.
    pub fn of(events: &[Event]) -> Self {
        let mut facts = Self::default();
        for event in events {
            facts.note(event);
        }
        facts
    }

    /// The length of a meter's slots, ms.
    pub fn interval_ms(&self, meter: &str) -> i64 {
        self.meters.get(meter).map_or(1000, |meter| i64::from(meter.interval_s.max(1)) * 1000)
    }

    /// The slot a moment lies in, Unix ms.
    pub fn slot_ms(&self, meter: &str, moment_ms: i64) -> i64 {
        let offset = self.meters.get(meter).map_or(0, |meter| i64::from(meter.offset_s) * 1000);
        let interval = self.interval_ms(meter);
        (moment_ms - offset).div_euclid(interval) * interval + offset
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::Line(line) => drop(self.lines.insert(line.line.clone(), line.clone())),
            Event::Meter(meter) => drop(self.meters.insert(meter.meter.clone(), meter.clone())),
            Event::Close { at, speaker, .. } => {
                self.closed.extend(speaker.connections().into_iter().map(|number| (number, *at)));
                self.end = self.end.max(*at);
            }
            Event::Start { at, .. }
            | Event::Open { at, .. }
            | Event::Said { at, .. }
            | Event::Valve { at, .. }
            | Event::Stop { at } => {
                self.end = self.end.max(*at);
            }
            Event::Request(request) => self.end = self.end.max(request.at),
            Event::Answer(answer) => self.end = self.end.max(answer.at),
        }
    }
}
