//! A wired M-Bus slave (EN 13757-2 link layer, EN 13757-3 application).
//!
//! ```text
//!   SND_NKE         -> E5          forgets the frame count bit and begins with the first telegram; at FD: deselects
//!   REQ_UD2         -> RSP_UD      the next telegram; the same frame count bit again: the same telegram again
//!   REQ_UD1         -> E5          no alarm
//!   SND_UD CI 52 FD -> E5          selects by secondary address where it is meant, else deselects in silence
//!   SND_UD          -> E5          01 FD 1F 00|01 closes, opens the valve; 01 7A address; 04 6D clock; 50 reset
//! ```
//!
//! Promises: one frame count bit for its own address and one for FD; FE is answered like its own address, FF is obeyed
//! in silence; a meter that repeats its last telegram does so until it is reset. Refuses: another speed.

pub mod identity;
pub mod telegram;

use std::collections::VecDeque;

use protocol::mbus::frame::{ANYONE, Frame, SELECTED, ci, control};
use protocol::meter::{Address, Dialect};

use super::body::Body;
use super::config::MbusOptions;
use super::physics::Resolution;
use super::reply::{Asked, Reply};
use crate::clock::Stamp;
use crate::ledger::ValveIs;
use identity::Identity;
use telegram::{Content, Shape, VALVE_RECORD, from_type_f};

const FCV: u8 = 0x10;
/// Obeyed by everyone, answered by nobody.
const BROADCAST: u8 = 0xFF;
/// The record of a primary address.
const ADDRESS_RECORD: [u8; 2] = [0x01, 0x7A];
/// The record of a date and time of type F.
const CLOCK_RECORD: [u8; 2] = [0x04, 0x6D];
/// REQ_UD1, REQ_UD2 and SND_UD without the bits FCB and FCV.
const REQ_UD1: u8 = control::REQ_UD1 & control::KIND;
const REQ_UD2: u8 = control::REQ_UD2 & control::KIND;
const SND_UD: u8 = control::SND_UD & control::KIND;

/// One slave.
#[derive(Debug)]
pub struct MbusSlave {
    primary: u8,
    identity: Identity,
    shape: Shape,
    repeats_last: bool,
    is_selected: bool,
    access: u8,
    own: Link,
    selected: Link,
    /// What is left of the answer being given.
    left: VecDeque<Reply>,
    /// The telegram said last.
    said: Option<Reply>,
}

/// The frame count bits seen last through one address.
#[derive(Debug, Default)]
struct Link {
    read: Option<bool>,
    data: Option<bool>,
}

impl MbusSlave {
    /// A slave at a primary or secondary address; the seed makes up what the options leave open.
    pub fn new(address: Address, options: &MbusOptions, repeats_last: bool, seed: u64) -> Self {
        let primary = if let Address::MbusPrimary(primary) = address { primary } else { options.primary };
        let kind = if primary > 0 { primary } else { (seed >> 32) as u8 };
        Self {
            primary,
            identity: Identity::new(address, options, seed),
            shape: if options.fixed { Shape::fixed() } else { Shape::variable(options.telegrams, kind, repeats_last) },
            repeats_last,
            is_selected: false,
            access: 0,
            own: Link::default(),
            selected: Link::default(),
            left: VecDeque::new(),
            said: None,
        }
    }

    /// The steps in which it counts.
    pub fn resolution(&self) -> Resolution {
        self.shape.resolution()
    }

    /// What is said to a frame; `None` where it is for somebody else.
    pub fn ask(&mut self, frame: &Frame, body: &mut Body, now: Stamp) -> Option<Asked> {
        let (control, to) = match frame {
            Frame::Short { control, address } | Frame::Long { control, address, .. } => (*control, *address),
            Frame::Ack => return None,
        };
        if let (SELECTED, Frame::Long { ci: ci::SELECT, data, .. }) = (to, frame) {
            return self.select(data);
        }
        let is_mine = to == self.primary || matches!(to, ANYONE | BROADCAST) || to == SELECTED && self.is_selected;
        is_mine.then(|| {
            let asked = self.obey(frame, control, to == SELECTED, body, now);
            if to == BROADCAST { Asked { reply: None, ..asked } } else { asked }
        })
    }

    fn select(&mut self, data: &[u8]) -> Option<Asked> {
        self.is_selected = self.identity.is_meant(data);
        self.selected = Link::default();
        self.is_selected.then(|| Asked::with("select", ack()))
    }

    fn obey(&mut self, frame: &Frame, control: u8, by_selection: bool, body: &mut Body, now: Stamp) -> Asked {
        let fcb = (control & FCV != 0).then_some(control & control::FCB != 0);
        match (frame, control & control::KIND) {
            (Frame::Short { .. }, control::SND_NKE) => self.reset(by_selection),
            (Frame::Short { .. }, REQ_UD1) => Asked::with("other", ack()),
            (Frame::Short { .. }, REQ_UD2) => Asked::with("read", self.read(fcb, by_selection, body, now)),
            (Frame::Long { ci: ci::SEND, data, .. }, SND_UD) => self.take_data(fcb, by_selection, data, body, now),
            (Frame::Long { ci: ci::RESET, .. }, SND_UD) => {
                self.start_over();
                Asked::with("other", ack())
            }
            _ => Asked::silence("other"),
        }
    }

    fn reset(&mut self, by_selection: bool) -> Asked {
        *self.link(by_selection) = Link::default();
        self.start_over();
        self.is_selected &= !by_selection;
        Asked::with("reset", ack())
    }

    fn start_over(&mut self) {
        self.left.clear();
        self.said = None;
    }

    fn link(&mut self, by_selection: bool) -> &mut Link {
        if by_selection { &mut self.selected } else { &mut self.own }
    }

    fn read(&mut self, fcb: Option<bool>, by_selection: bool, body: &mut Body, now: Stamp) -> Reply {
        let is_repeat = fcb.is_some() && fcb == self.link(by_selection).read;
        let is_first = self.link(by_selection).read.is_none();
        self.link(by_selection).read = fcb;
        match &self.said {
            Some(said) if is_repeat => return Reply { repeat: true, ..said.clone() },
            Some(said) if self.repeats_last && self.left.is_empty() && !is_first => {
                return Reply { repeat: true, ..said.clone() };
            }
            _ => {}
        }
        if self.left.is_empty() || is_first {
            self.left = self.answer(body, now);
        }
        let reply = self.left.pop_front().unwrap_or_else(ack);
        self.said = Some(reply.clone());
        reply
    }

    fn answer(&mut self, body: &mut Body, now: Stamp) -> VecDeque<Reply> {
        let values = body.sample(now);
        let (from, access, clock) = (self.primary, self.access.wrapping_add(1), body.clock(now));
        let content = Content { from, identity: &self.identity, access, values: &values, clock };
        let telegrams = self.shape.telegrams(&content);
        self.access = self.access.wrapping_add(telegrams.len() as u8);
        telegrams.into()
    }

    fn take_data(&mut self, fcb: Option<bool>, by_selection: bool, data: &[u8], body: &mut Body, now: Stamp) -> Asked {
        let is_repeat = fcb.is_some() && fcb == self.link(by_selection).data;
        self.link(by_selection).data = fcb;
        let taken = match data {
            [a, b, primary @ 0..=250] if [*a, *b] == ADDRESS_RECORD => {
                self.primary = *primary;
                true
            }
            [a, b, time @ ..] if [*a, *b] == CLOCK_RECORD => {
                time.first_chunk().map(|time| body.set_clock(now, from_type_f(*time).unix_s())).is_some()
            }
            // All records, or some: this meter always sends the same.
            [0x7F] | [0x08, ..] => true,
            _ => return Self::order_valve(data, is_repeat, body, now),
        };
        if taken { Asked::with("other", ack()) } else { Asked::silence("other") }
    }

    fn order_valve(data: &[u8], is_repeat: bool, body: &mut Body, now: Stamp) -> Asked {
        let (kind, target) = match data.strip_prefix(&VALVE_RECORD) {
            Some([0]) => ("valve-close", ValveIs::Closed),
            Some([1]) => ("valve-open", ValveIs::Open),
            _ => return Asked::silence("other"),
        };
        // A repeat was heard already: acknowledged again, done once.
        let moves = if is_repeat { body.valve.as_ref().map(|_| false) } else { body.order(target, now) };
        match moves {
            Some(moves) => Asked::with(kind, Reply { valve_order: moves.then_some(ValveIs::Moving), ..ack() }),
            None => Asked::silence(kind),
        }
    }
}

fn ack() -> Reply {
    Reply::acknowledge(Dialect::Mbus, Frame::Ack.encode())
}
