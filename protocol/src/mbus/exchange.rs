//! The master's dialogue with one M-Bus slave (EN 13757-2 clause 5.7, EN 13757-3 clauses 10 and 11).
//!
//! ```text
//!   primary      Reset (SND_NKE -> E5) ----------------------+--> Read (REQ_UD2 -> RSP_UD, again while 1F) --> Reading
//!   secondary    Select (SND_UD CI 52 to FD -> E5) ----------+--> Command (SND_UD CI 51 -> E5) -------------> Accepted
//!   a model that can be turned to its history is turned, to it or back, before each Read (SND_UD CI 50, 51 .. -> E5)
//!   unanswered: the same frame with the same FCB, Timing::repeats times; then one Reset and one last try
//! ```
//!
//! A slave keeps one frame count bit for each of its addresses, and one for FD. A dialogue puts it to a known state before
//! it asks, by the reset or by the selection, so it needs none from the dialogue before.
//!
//! Promises: one's own echo, noise and late frames are stepped over; what is told as lost names the most telling
//! thing that came; a late answer to a repeated frame is never taken for the answer to the next one; a chain of
//! telegrams cut short is said so in the quality. Refuses: an answer from another address, and to join more than
//! [`MOST_TELEGRAMS`] telegrams.

use std::sync::Arc;
use std::time::Duration;

use super::asked::Asked;
use super::compact::Formats;
use super::frame::{self, Frame, FrameFault, Scanner, ci, control};
use super::kind;
use super::patience::{MOST_HEARD, patience};
use super::payload::application_error;
use super::profile::Profile;
use super::reading;
use super::telegram::{Arrival, Telegram};
use crate::choice::Choice;
use crate::dialogue::{Answer, LineFault, Reach, Refusal, Step};
use crate::meter::{Action, Quality};

/// The most telegrams joined into one answer: some meters announce more for ever.
pub const MOST_TELEGRAMS: usize = 16;

/// One dialogue.
#[derive(Debug, Clone)]
pub struct Dialogue {
    target: Reach,
    action: Action,
    /// Whether it is asked for its history.
    of_past: bool,
    profiles: Choice<Profile>,
    stage: Stage,
    phase: Phase,
    /// Repeats left for the frame of this stage.
    repeats: u8,
    recovered: bool,
    fcb: bool,
    scanner: Scanner,
    worst: LineFault,
    telegrams: Vec<Telegram>,
    /// How many format frames came.
    told: usize,
    formats: Formats,
    /// How often the frame of this stage was repeated: so many answers more than one may come, late.
    repeated: u8,
    /// Copies of the last telegram that may still come.
    late: u8,
    raw: Vec<u8>,
}

/// What is being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Reset,
    Select,
    Turn,
    Read,
    Command,
}

/// Whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Speak,
    Listen {
        heard: usize,
    },
    /// Late answers to a repeated frame are let go by before `next` is asked.
    Drain {
        heard: usize,
        next: Stage,
    },
    Over(Answer),
}

impl Dialogue {
    /// A dialogue that asks `action` of `target`, whose answer is read by one of `profiles`.
    pub fn new(target: &Reach, profiles: Choice<Profile>, action: Action) -> Self {
        Self::with(target, profiles, action, false)
    }

    /// A dialogue that asks `target` for its history: the reading's `history` has what it kept; what it measures may be
    /// absent.
    pub fn of_past(target: &Reach, profiles: Choice<Profile>) -> Self {
        Self::with(target, profiles, Action::ReadNow, true)
    }

    fn with(target: &Reach, profiles: Choice<Profile>, action: Action, of_past: bool) -> Self {
        let mut dialogue = Self {
            target: *target,
            action,
            of_past,
            profiles,
            stage: Stage::Reset,
            phase: Phase::Speak,
            repeats: target.timing.repeats,
            recovered: false,
            fcb: true,
            scanner: Scanner::new(),
            worst: LineFault::Silent,
            telegrams: Vec::new(),
            told: 0,
            formats: Formats::new(),
            repeated: 0,
            late: 0,
            raw: Vec::new(),
        };
        if dialogue.asked().is_secondary() {
            dialogue.stage = Stage::Select;
        }
        if let Some(why) = dialogue.impossible() {
            dialogue.finish(Answer::Refused(Refusal { code: 0, text: why }));
        }
        dialogue
    }

    /// What to do next.
    pub fn poll(&mut self) -> Step {
        match &self.phase {
            Phase::Speak => {
                let bytes = self.request().encode();
                self.scanner = Scanner::new();
                self.phase = Phase::Listen { heard: 0 };
                Step::Send(bytes)
            }
            Phase::Listen { .. } | Phase::Drain { .. } => Step::Await(self.patience()),
            Phase::Over(answer) => Step::Done(answer.clone()),
        }
    }

    /// Whether the last question still waits for bytes of its answer.
    pub const fn is_listening(&self) -> bool {
        matches!(self.phase, Phase::Listen { .. })
    }

    /// Bytes came.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        if let Phase::Drain { heard, next } = &mut self.phase {
            let next = *next;
            *heard = heard.saturating_add(bytes.len());
            if *heard > MOST_HEARD {
                self.enter(next);
            }
            return;
        }
        for chunk in bytes.chunks(frame::LONGEST) {
            let Phase::Listen { heard } = &mut self.phase else { return };
            *heard = heard.saturating_add(chunk.len());
            let babbling = *heard > MOST_HEARD;
            self.scanner.push(chunk);
            self.handle_frames();
            if babbling && matches!(self.phase, Phase::Listen { .. }) {
                self.note(LineFault::Garbled);
                self.handle_timeout();
            }
        }
    }

    /// The line was quiet for longer than it may be inside a frame: what comes now is not joined with what came.
    pub fn handle_gap(&mut self) {
        if matches!(self.phase, Phase::Listen { .. }) {
            self.scanner.close_gap();
            self.handle_frames();
        }
    }

    /// The time of the last [`Step::Await`] passed.
    pub fn handle_timeout(&mut self) {
        if let Phase::Drain { next, .. } = self.phase {
            return self.enter(next);
        }
        self.scanner.close_gap();
        self.handle_frames();
        if matches!(self.phase, Phase::Listen { .. }) {
            self.try_again();
        }
    }

    fn handle_frames(&mut self) {
        while matches!(self.phase, Phase::Listen { .. }) {
            match self.scanner.next() {
                None => return,
                Some(Ok(frame)) if frame.is_from_master() => {}
                Some(Ok(frame)) => self.handle_frame(frame),
                Some(Err(FrameFault::BadChecksum)) => self.note(LineFault::BadChecksum),
                Some(Err(FrameFault::Garbage(_))) => self.note(LineFault::Garbled),
            }
        }
    }

    fn handle_frame(&mut self, frame: Frame) {
        match (self.stage, frame) {
            (Stage::Reset, Frame::Ack) => {
                self.pass(if self.asked().is_secondary() { Stage::Select } else { self.asking() });
            }
            (Stage::Select, Frame::Ack) => {
                // What is asked next must not look like a repeat of the selection.
                self.fcb = !self.selects_with_count();
                self.pass(self.asking());
            }
            (Stage::Turn, Frame::Ack) => {
                self.fcb = !self.fcb;
                self.pass(Stage::Read);
            }
            (Stage::Command, Frame::Ack) => self.finish(Answer::Accepted { valve: None }),
            (Stage::Read | Stage::Command | Stage::Turn, Frame::Long { control, address, ci, data })
                if control & control::KIND == control::RSP_UD =>
            {
                self.handle_reply(control, address, ci, data);
            }
            (_, Frame::Long { address, .. }) if !self.asked().speaks_as(address) => self.note(LineFault::WrongMeter),
            (_, Frame::Ack | Frame::Short { .. } | Frame::Long { .. }) => self.note(LineFault::Garbled),
        }
    }

    fn handle_reply(&mut self, control: u8, address: u8, ci: u8, data: Vec<u8>) {
        if !self.asked().speaks_as(address) {
            return self.note(LineFault::WrongMeter);
        }
        if let Some(code) = kind::error_code(ci, &data) {
            let text = application_error(code).to_owned();
            return self.finish(Answer::Refused(Refusal { code: code.into(), text }));
        }
        if matches!(self.stage, Stage::Command | Stage::Turn) {
            return self.note(LineFault::Garbled);
        }
        match Telegram::take(ci, &data, &self.telegrams, &mut self.formats) {
            None => self.finish(Answer::Lost(LineFault::Undecodable)),
            Some(Arrival::Format) => self.handle_format(),
            Some(Arrival::Telegram(telegram)) => {
                self.handle_telegram(telegram, &Frame::Long { control, address, ci, data });
            }
        }
    }

    /// A format frame has no values: the telegrams behind it do.
    fn handle_format(&mut self) {
        self.told += 1;
        if self.told > MOST_TELEGRAMS {
            return self.finish(Answer::Lost(LineFault::Undecodable));
        }
        self.ask_on();
    }

    fn handle_telegram(&mut self, telegram: Telegram, frame: &Frame) {
        if !self.asked().is_sender_of(&telegram) {
            return self.note(LineFault::WrongMeter);
        }
        if self.telegrams.last().is_some_and(|last| last.records() == telegram.records()) {
            return self.handle_same();
        }
        self.raw.extend(frame.encode());
        self.join(telegram);
    }

    /// The last telegram once more: late, where its request was repeated; else the meter has no other.
    fn handle_same(&mut self) {
        match self.late.checked_sub(1) {
            Some(late) => self.late = late,
            None => self.conclude(Quality::INCOMPLETE),
        }
    }

    /// Adds a telegram and asks for the next while there is one.
    fn join(&mut self, telegram: Telegram) {
        let more = telegram.more_follow();
        self.telegrams.push(telegram);
        if !more {
            return self.conclude(Quality::default());
        }
        if self.telegrams.len() >= MOST_TELEGRAMS {
            return self.conclude(Quality::INCOMPLETE);
        }
        self.ask_on();
    }

    fn ask_on(&mut self) {
        self.fcb = !self.fcb;
        self.late = self.repeated;
        self.enter(Stage::Read);
    }

    fn conclude(&mut self, doubt: Quality) {
        let payloads: Vec<_> = self.telegrams.iter().filter_map(Telegram::payload).collect();
        let header = payloads.iter().find_map(|payload| payload.header);
        let profile = self.profiles.pick(|profile| header.is_some_and(|header| profile.knows(&header)));
        let asked = self.target.address.to_string();
        let raw = std::mem::take(&mut self.raw);
        let mut reading = reading::assemble(&payloads, profile, asked, raw);
        reading.quality = reading.quality.with(doubt);
        self.finish(Answer::Reading(reading));
    }

    /// Goes on to `stage`. A second acknowledgement of a repeated frame would look like that of the next one: where
    /// one may come, the line is heard out first.
    fn pass(&mut self, stage: Stage) {
        if self.repeated == 0 && !self.recovered {
            return self.enter(stage);
        }
        self.phase = Phase::Drain { heard: 0, next: stage };
    }

    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.phase = Phase::Speak;
        self.repeated = 0;
        self.repeats = if self.recovered { 0 } else { self.target.timing.repeats };
    }

    fn try_again(&mut self) {
        if self.repeats > 0 {
            self.repeats -= 1;
            self.repeated = self.repeated.saturating_add(1);
            self.phase = Phase::Speak;
        } else if !self.recovered && matches!(self.stage, Stage::Read | Stage::Command | Stage::Turn) {
            self.recover();
        } else if self.recovered && self.stage == Stage::Reset && self.asked().is_secondary() {
            self.enter(Stage::Select);
        } else {
            self.finish(Answer::Lost(self.worst));
        }
    }

    /// Starts over once: the reset puts the frame count bit and the telegrams of the slave back to the first.
    fn recover(&mut self) {
        self.recovered = true;
        self.fcb = true;
        self.telegrams.clear();
        self.told = 0;
        self.late = 0;
        self.raw.clear();
        self.enter(Stage::Reset);
    }

    fn finish(&mut self, answer: Answer) {
        self.phase = Phase::Over(answer);
    }

    /// Keeps the most telling fault.
    fn note(&mut self, fault: LineFault) {
        let wild = self.asked().selection().is_some_and(|selection| selection.is_wild());
        let fault = if wild && fault == LineFault::Garbled { LineFault::Collision } else { fault };
        let weight = |fault: LineFault| match fault {
            LineFault::Silent => 0,
            LineFault::Garbled => 1,
            LineFault::Collision => 2,
            LineFault::BadChecksum => 3,
            LineFault::WrongMeter | LineFault::Undecodable | LineFault::LineDown => 4,
        };
        if weight(fault) > weight(self.worst) {
            self.worst = fault;
        }
    }

    fn request(&self) -> Frame {
        let address = self.asked().primary();
        let count = if self.fcb { control::FCB } else { 0 };
        let send = |control, ci, data| Frame::Long { control, address, ci, data };
        match self.stage {
            Stage::Reset => Frame::Short { control: control::SND_NKE, address },
            Stage::Read => Frame::Short { control: control::REQ_UD2 | count, address },
            // Some slaves take a selection only with the frame count bit clear; the last repeat is for the others.
            Stage::Select => {
                let count = if self.selects_with_count() { control::FCB } else { 0 };
                send(control::SND_UD | count, ci::SELECT, self.asked().selecting())
            }
            Stage::Turn => {
                let (ci, data) = self.turning().and_then(<[u8]>::split_first).unwrap_or((&ci::RESET, &[]));
                send(control::SND_UD | count, *ci, data.to_vec())
            }
            Stage::Command => send(control::SND_UD | count, ci::SEND, self.command().unwrap_or_default()),
        }
    }

    /// The profile before the meter has said what it is: its address may tell.
    fn addressed(&self) -> &Arc<Profile> {
        self.profiles.pick(|profile| profile.knows_address(&self.target.address))
    }

    /// Whether the selection of this try has the frame count bit set.
    const fn selects_with_count(&self) -> bool {
        self.repeated > 1 && self.repeats == 0
    }

    fn command(&self) -> Option<Vec<u8>> {
        let valve = self.addressed().valve.as_ref()?;
        match self.action {
            Action::ReadNow => None,
            Action::ValveOpen => Some(valve.open.clone()),
            Action::ValveClose => Some(valve.close.clone()),
        }
    }

    /// What turns the meter's answer to what is asked for.
    fn turning(&self) -> Option<&[u8]> {
        let turning = self.addressed().history.as_ref()?;
        Some(if self.of_past { &turning.ask } else { &turning.back })
    }

    fn impossible(&self) -> Option<String> {
        if self.of_past && self.turning().is_none() {
            let name = &self.addressed().name;
            return Some(format!("profile \"{name}\" does not say how history is asked for: add [history] to it"));
        }
        let is_command = self.asking() == Stage::Command;
        let name = &self.addressed().name;
        (is_command && self.command().is_none()).then(|| format!("profile \"{name}\" has no valve"))
    }

    fn asking(&self) -> Stage {
        match self.action {
            Action::ReadNow if self.turning().is_some() => Stage::Turn,
            Action::ReadNow => Stage::Read,
            Action::ValveOpen | Action::ValveClose => Stage::Command,
        }
    }

    fn patience(&self) -> Duration {
        patience(&self.target.timing, self.request().encode().len(), &self.scanner)
    }

    const fn asked(&self) -> Asked {
        Asked(self.target.address)
    }
}
