//! What tests of dialogues and readings share: a heat meter, and a talk with one.

use super::digits::Shown;
use super::frame::{Frame, Scanner};
use super::heat::Heat;
use super::status::Status;
use super::unit::UnitCode;
use super::{exchange, past};
use crate::dialogue::{Answer, Step};
use crate::meter::CivilTime;

/// A dialogue of either kind.
pub(super) trait Talk {
    fn poll(&mut self) -> Step;
    fn handle_bytes(&mut self, bytes: &[u8]);
    fn handle_timeout(&mut self);
}

macro_rules! talks {
    ($($dialogue:ty),+) => { $(
        impl Talk for $dialogue {
            fn poll(&mut self) -> Step {
                Self::poll(self)
            }
            fn handle_bytes(&mut self, bytes: &[u8]) {
                Self::handle_bytes(self, bytes);
            }
            fn handle_timeout(&mut self) {
                Self::handle_timeout(self);
            }
        }
    )+ };
}
talks!(exchange::Dialogue, past::Dialogue);

/// The answer, and the requests.
pub(super) fn talk(dialogue: &mut impl Talk, mut meter: impl FnMut(&Frame) -> Option<Frame>) -> (Answer, Vec<Frame>) {
    let (mut said, mut pending) = (Vec::new(), None);
    loop {
        match dialogue.poll() {
            Step::Send(bytes) => {
                let mut scanner = Scanner::new();
                scanner.push(&bytes);
                let request = scanner.next().expect("whole").expect("sound");
                pending = meter(&request).map(|answer| answer.encode());
                said.push(request);
            }
            Step::Await(_) => match pending.take() {
                Some(bytes) => dialogue.handle_bytes(&bytes),
                None => dialogue.handle_timeout(),
            },
            Step::Done(answer) => return (answer, said),
        }
    }
}

/// Digits that are shown.
pub(super) const fn shown(digits: u32, unit: UnitCode) -> Shown {
    Shown { digits: Some(digits), unit }
}

/// A heat meter at rest: what it settled and counted, in hundredths of a kWh.
pub(super) const fn heat(settled: u32, energy: u32, clock: CivilTime) -> Heat {
    Heat {
        settled: shown(settled, UnitCode::KWh),
        energy: shown(energy, UnitCode::KWh),
        power: shown(0, UnitCode::KW),
        flow: shown(0, UnitCode::M3PerHour),
        volume: shown(0, UnitCode::M3),
        supply_temp: Some(6514),
        return_temp: Some(4115),
        hours: Some(28),
        clock: Some(clock),
        status: Status([0, 0]),
    }
}
