//! Planted faults: what they make of an answer's bytes.
//!
//! ```text
//!   damaged     68 .. CS^55 16             garbled     every third byte turned over, and the last
//!   truncated   68 ..                      collision   both at once, the later one a byte late: 0 wins over 1
//! ```
//!
//! Promises: no spoiled answer is a sound frame by chance: checksum and last byte are always among what is turned
//! over. Refuses: choosing which answers are spoiled.

use protocol::meter::Dialect;

use super::config::Fault;
use super::physics::mix;
use super::reply::{Planted, Reply};
use crate::ledger::AnswerKind;

/// What turns a byte over.
const OVER: u8 = 0x55;
/// Of so many bytes of a garbled answer one is turned over.
const GARBLED_EVERY: usize = 3;
/// A colliding answer begins at most so many bytes later.
const LATEST: usize = 3;
/// Bytes of nobody that stand together, at most.
const MOST_NOISE: u64 = 6;
/// The acknowledgement of M-Bus: among noise it would be an answer.
const ACK: u8 = 0xE5;

/// Which fault shows in the `count`th answer with values.
pub fn turn(fault: &Fault, count: u64) -> Option<Planted> {
    let is_turn = |every: u64| every > 0 && count.is_multiple_of(every);
    let planted = [
        (fault.damaged_every, Planted::Damaged),
        (fault.garbled_every, Planted::Garbled),
        (fault.truncated_every, Planted::Truncated),
        (fault.heartbeat_inside_every, Planted::HeartbeatInside),
    ];
    planted.into_iter().find(|(every, _)| is_turn(*every)).map(|(_, planted)| planted)
}

/// Plants a fault in an answer.
pub fn plant(reply: &mut Reply, planted: Planted) {
    reply.fault = Some(planted);
    let length = reply.bytes.len();
    match planted {
        // The checksum is the last byte but one, in every dialect.
        Planted::Damaged => reply.bytes.iter_mut().rev().nth(1).into_iter().for_each(|byte| *byte ^= OVER),
        Planted::Garbled => {
            let places = reply.bytes.iter_mut().enumerate();
            let wrong = places.filter(|(place, _)| place % GARBLED_EVERY == 0 || place + 1 == length);
            wrong.for_each(|(_, byte)| *byte ^= OVER);
        }
        Planted::Truncated => reply.bytes.truncate(length - length / 3),
        Planted::HeartbeatInside | Planted::Collision => {}
    }
}

/// What is on the line when all these answer at once; the same bytes from all are no collision.
pub fn collide(replies: &mut [Reply]) -> Vec<u8> {
    let Some((first, others)) = replies.split_first() else { return Vec::new() };
    if others.iter().all(|other| other.bytes == first.bytes) {
        return first.bytes.clone();
    }
    let mut line = first.bytes.clone();
    for (place, other) in others.iter().enumerate() {
        let late = 1 + place % LATEST;
        line.resize(line.len().max(late + other.bytes.len()), 0xFF);
        line.iter_mut().skip(late).zip(&other.bytes).for_each(|(byte, over)| *byte &= over);
    }
    for reply in
        replies.iter_mut().filter(|reply| reply.dialect != Dialect::Mbus || reply.kind != AnswerKind::Acknowledge)
    {
        reply.fault = Some(Planted::Collision);
    }
    line
}

/// Bytes of nobody, made from `seed`.
pub fn noise(seed: u64) -> Vec<u8> {
    let count = 1 + mix(seed) % MOST_NOISE;
    let bytes = (0..count).map(|place| mix(seed.wrapping_add(place)).to_le_bytes()[0]);
    bytes.map(|byte| if byte == ACK { !byte } else { byte }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::{cjt188, mbus};

    use super::*;

    fn mbus_frames(bytes: &[u8]) -> Vec<mbus::frame::Frame> {
        let mut scanner = mbus::frame::Scanner::new();
        scanner.push(bytes);
        scanner.close_gap();
        std::iter::from_fn(|| scanner.next()).filter_map(Result::ok).collect()
    }

    fn cjt188_frames(bytes: &[u8]) -> Vec<cjt188::frame::Frame> {
        let mut scanner = cjt188::frame::Scanner::new();
        scanner.push(bytes);
        scanner.close_gap();
        std::iter::from_fn(|| scanner.next()).filter_map(Result::ok).collect()
    }

    proptest! {
        #[test]
        fn a_spoiled_answer_is_no_longer_the_frame_it_was(data in prop::collection::vec(any::<u8>(), 20..90)) {
            let mbus = mbus::frame::Frame::Long { control: 8, address: 1, ci: 0x72, data: data.clone() };
            let cjt188 = cjt188::frame::Frame { meter_type: 0x20, address: [1; 7], control: 0x81, data };
            for planted in [Planted::Damaged, Planted::Garbled, Planted::Truncated] {
                let spoiled = |bytes| {
                    let mut reply = Reply::acknowledge(Dialect::Mbus, bytes);
                    plant(&mut reply, planted);
                    reply.bytes
                };
                prop_assert!(!mbus_frames(&spoiled(mbus.encode())).contains(&mbus));
                prop_assert!(!cjt188_frames(&spoiled(cjt188.encode())).contains(&cjt188));
            }
        }

        #[test]
        fn noise_is_short_and_no_acknowledgement(seed: u64) {
            let noise = noise(seed);
            prop_assert!((1..=6).contains(&noise.len()) && !noise.contains(&ACK));
        }
    }

    #[test]
    fn acknowledgements_of_many_meters_at_once_are_one() {
        let mut replies = vec![Reply::acknowledge(Dialect::Mbus, vec![ACK]); 3];
        assert_eq!(collide(&mut replies), [ACK]);
        assert!(replies.iter().all(|reply| reply.fault.is_none()));
    }

    #[test]
    fn two_answers_at_once_are_neither_of_them() {
        let frame =
            |address| mbus::frame::Frame::Long { control: 8, address, ci: 0x72, data: vec![address; 40] }.encode();
        let mut replies: Vec<_> = [1, 2].map(|address| Reply::acknowledge(Dialect::Cjt188, frame(address))).into();
        let line = collide(&mut replies);
        assert!(mbus_frames(&line).is_empty(), "{line:02X?}");
        assert!(replies.iter().all(|reply| reply.fault == Some(Planted::Collision)));
    }
}
