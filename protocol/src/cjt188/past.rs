//! The master's dialogue about a meter's past: the total that stood at one moment, out of its months.
//!
//! ```text
//!   01 901F  current data -->  layout, order of DI, clock --+-- the profile names the day ---------+
//!                                                           +--> 01 8103  settlement day ----------+
//!                                        01 D12x  that month's total  <--  which month holds the moment
//! ```
//!
//! Promises: pure, like a reading's dialogue; ends as a reading of now whose history is that one total, dated to the moment
//! that was asked for; the frames of all answers are kept with it. Refuses: models whose profile does not say how they keep
//! months, and, with the reason, whatever leaves a doubt which month it is.

use std::sync::Arc;

use super::control;
use super::exchange::refused;
use super::frame::Frame;
use super::identifier::{self, Order, di};
use super::layout::Layout;
use super::months::Months;
use super::payload::{Current, Past, PayloadFault, Plain, Rules};
use super::profile::Profile;
use super::reading::{self, COLD, HEAT_AND_COLD};
use super::service::day;
use super::total::Total;
use super::transaction::{Heard, Request, Transaction, Turn};
use crate::amount::Dimension;
use crate::choice::Choice;
use crate::dialogue::{Answer, LineFault, Reach, Step, Timing};
use crate::gather::Gathering;
use crate::meter::{CivilTime, Frozen, Quantity, Reading};

/// One dialogue.
#[derive(Debug, Clone)]
pub struct Dialogue {
    wanted: CivilTime,
    timing: Timing,
    profiles: Choice<Profile>,
    stage: Stage,
    /// Why the last reply could not be read.
    unread: Option<PayloadFault>,
}

#[derive(Debug, Clone)]
enum Stage {
    Now(Box<Transaction>),
    Day(Box<Transaction>, Box<Seen>),
    Month(Box<Transaction>, Box<Seen>),
    Over(Answer),
}

/// What the current data show of the meter.
#[derive(Debug, Clone)]
struct Seen {
    reading: Reading,
    profile: Arc<Profile>,
    months: Months,
    clock: CivilTime,
    layout: Layout,
    order: Order,
    address: [u8; 7],
    meter_type: u8,
}

impl Dialogue {
    /// A dialogue that asks `target` for the total of `wanted`, by the meter's clock.
    pub fn new(target: &Reach, profiles: &Choice<Profile>, wanted: CivilTime) -> Self {
        let address = super::exchange::address(target);
        let profile = profiles.pick(|profile| profile.knows(address, None));
        let stage = match profile.months {
            None => Stage::Over(keeps_none(profile)),
            Some(_) => {
                let request = super::exchange::request(profile, profile.turned(address), crate::meter::Action::ReadNow);
                Stage::Now(Box::new(Transaction::new(request, target.timing)))
            }
        };
        Self { wanted, timing: target.timing, profiles: profiles.clone(), stage, unread: None }
    }

    /// What to do next.
    pub fn poll(&mut self) -> Step {
        loop {
            let current = match &mut self.stage {
                Stage::Now(current) | Stage::Day(current, _) | Stage::Month(current, _) => current,
                Stage::Over(answer) => return Step::Done(answer.clone()),
            };
            match current.poll() {
                Turn::Send(bytes) => return Step::Send(bytes),
                Turn::Await(time) => return Step::Await(time),
                Turn::Done(heard) => self.handle(heard),
            }
        }
    }

    /// Whether the last question still waits for bytes of its answer.
    pub fn is_listening(&self) -> bool {
        match &self.stage {
            Stage::Now(current) | Stage::Day(current, _) | Stage::Month(current, _) => current.is_listening(),
            Stage::Over(_) => false,
        }
    }

    /// Bytes came.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        self.current().into_iter().for_each(|current| current.handle_bytes(bytes));
    }

    /// The line was quiet for longer than it may be inside a frame: what comes now is not joined with what came.
    pub fn handle_gap(&mut self) {
        self.current().into_iter().for_each(Transaction::handle_gap);
    }

    /// The time of the last [`Step::Await`] passed.
    pub fn handle_timeout(&mut self) {
        self.current().into_iter().for_each(Transaction::handle_timeout);
    }

    fn current(&mut self) -> Option<&mut Transaction> {
        match &mut self.stage {
            Stage::Now(current) | Stage::Day(current, _) | Stage::Month(current, _) => Some(current),
            Stage::Over(_) => None,
        }
    }

    fn handle(&mut self, heard: Heard) {
        let next = match heard {
            Heard::Reply(frame, plain) => self.reply(&frame, &plain),
            Heard::Refused(refusal) => Ok(Stage::Over(Answer::Refused(refusal))),
            Heard::Lost(LineFault::Undecodable) => {
                let lost = Answer::Lost(LineFault::Undecodable);
                Ok(Stage::Over(self.unread.map_or(lost, |fault| refused(fault.to_string()))))
            }
            Heard::Lost(fault) => Ok(Stage::Over(Answer::Lost(fault))),
        };
        match next {
            Ok(stage) => self.stage = stage,
            Err(fault) => {
                self.unread = fault.or(self.unread);
                self.current().into_iter().for_each(Transaction::turn_down);
            }
        }
    }

    /// What a reply leads to, or why another is waited for.
    fn reply(&self, frame: &Frame, plain: &Plain) -> Result<Stage, Option<PayloadFault>> {
        match &self.stage {
            Stage::Now(current) => match self.seen(frame, plain) {
                Ok(Ok(seen)) => Ok(self.after_now(seen, current.next_ser())),
                Ok(Err(why)) => Ok(Stage::Over(why)),
                // The next answer may be clearer: a clock moves on.
                Err(fault @ PayloadFault::Ambiguous(_)) => Err(Some(fault)),
                Err(fault) => Ok(Stage::Over(refused(fault.to_string()))),
            },
            Stage::Day(current, seen) => {
                let day = day(&plain.rest).ok_or(None)?;
                Ok(self.after_day(seen.with(frame), day, current.next_ser()))
            }
            Stage::Month(_, seen) => Ok(Stage::Over(self.told(frame, seen))),
            Stage::Over(answer) => Ok(Stage::Over(answer.clone())),
        }
    }

    /// What the current data show; or why there is nothing to be asked.
    fn seen(&self, frame: &Frame, plain: &Plain) -> Result<Result<Seen, Answer>, PayloadFault> {
        let profile = self.profiles.pick(|profile| profile.knows_seen(frame.address, Some(frame.meter_type)));
        let Some(months) = profile.months else { return Ok(Err(keeps_none(profile))) };
        let current = Current::read_as(frame, profile.rules())?;
        let reading = reading::assemble(&current.data, profile, frame);
        let Some(clock) = reading.meter_time else {
            return Ok(Err(refused("its clock shows no date: nobody knows which months it means".to_owned())));
        };
        Ok(Ok(Seen {
            reading,
            profile: Arc::clone(profile),
            months,
            clock,
            layout: current.layout,
            order: plain.lead.order(di::CURRENT),
            address: frame.address,
            meter_type: frame.meter_type,
        }))
    }

    fn after_now(&self, seen: Seen, ser: u8) -> Stage {
        match seen.months.day {
            Some(day) => self.after_day(seen, day, ser),
            None => Stage::Day(Box::new(self.ask(&seen, di::SETTLEMENT_DAY, ser)), Box::new(seen)),
        }
    }

    fn after_day(&self, seen: Seen, day: u8, ser: u8) -> Stage {
        let month = seen.months.holding(self.wanted, seen.clock, day);
        let code = month.and_then(|month| identifier::of_month(month).ok_or_else(|| format!("month {month} is none")));
        match code {
            Ok(code) => Stage::Month(Box::new(self.ask(&seen, code, ser)), Box::new(seen)),
            Err(why) => Stage::Over(refused(why)),
        }
    }

    fn ask(&self, seen: &Seen, code: u16, first_ser: u8) -> Transaction {
        let request = Request {
            meter_type: seen.profile.meter_type,
            address: seen.address,
            or_from: None,
            control: control::READ,
            code,
            order: seen.order,
            has_one_order: true,
            layout: Some(seen.layout),
            tail: Vec::new(),
            first_ser,
        };
        Transaction::new(request, self.timing)
    }

    fn told(&self, frame: &Frame, seen: &Seen) -> Answer {
        let rules = Rules { layout: Some(seen.layout), slots: &[] };
        let frozen = Past::read_as(frame, rules).map_err(|fault| fault.to_string());
        match frozen.and_then(|past| frozen_at(self.wanted, &past.total, seen)) {
            Ok(frozen) => {
                let mut reading = seen.with(frame).reading;
                reading.history = vec![frozen];
                Answer::Reading(reading)
            }
            Err(why) => refused(why),
        }
    }
}

impl Seen {
    /// The same with another answer's frame kept.
    fn with(&self, frame: &Frame) -> Self {
        let mut seen = self.clone();
        seen.reading.raw.extend(frame.encode_after(0));
        seen
    }
}

/// The total as the quantity that the profile has for it.
fn frozen_at(at: CivilTime, total: &Total, seen: &Seen) -> Result<Frozen, String> {
    let quantity = match (total.0.unit.dimension(), seen.meter_type) {
        (Dimension::Volume, _) => Quantity::Volume,
        (_, COLD) => Quantity::CoolingEnergy,
        (_, HEAT_AND_COLD) => return Err("nobody knows whether its total is of heat or of cold".to_owned()),
        _ => Quantity::Energy,
    };
    let columns = &seen.profile.columns;
    let column = columns.iter().find(|column| column.quantity == quantity);
    let column = column.ok_or_else(|| format!("profile \"{}\" has no {}", seen.profile.name, quantity.name()))?;
    let mut gathering = Gathering::default();
    gathering.put(quantity, total.0.amount(column.decimals.into()));
    let (measurements, quality) = gathering.finish();
    if measurements.is_empty() {
        return Err(format!("the meter marks its total of {at} as invalid"));
    }
    if measurements.iter().any(|kept| seen.reading.value(kept.quantity).is_some_and(|shown| kept.value > shown)) {
        return Err(format!("its total of {at} is above what it shows: it is not of this meter's past"));
    }
    Ok(Frozen { at, measurements, quality })
}

fn keeps_none(profile: &Profile) -> Answer {
    refused(format!("profile \"{}\" does not say how months are kept: add [months] to it", profile.name))
}

#[cfg(test)]
mod tests;
