//! One connection's bytes: first who it is, then what its meters say.
//!
//! ```text
//!   plain     register pattern --> Registered --> everything is Data, as it came
//!   packets   7B 01 ---------> Registered --> 7B 09 is Data; every 7B 01 is answered, 7B 02 is a Farewell
//!   neither a registration nor the beginning of one --> Stranger
//! ```
//!
//! A heartbeat is never taken out of the data: FE is a heartbeat, the preamble of CJ/T 188 and a byte of any meter, and
//! a stream does not say which it is, however it is cut into pieces. A piece that is nothing but heartbeats is told
//! beside the data, so that it can be echoed while no meter is being asked.
//!
//! Promises: holds at most one registration or one packet; the first pattern that fits decides, and is waited for while
//! it still may; after a Stranger or Farewell nothing more is told. Refuses: time: who waits for a registration counts it.

use super::packet::{ID, Layout, Packet, Scanner, kind};
use super::pattern::{Fit, Pattern};
use crate::stream::FrameFault;

/// How the units of one port speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manner {
    /// What a plain unit may register with; each names the id.
    pub register: Vec<Pattern>,
    /// What a unit says to show that it lives.
    pub heartbeats: Vec<Heartbeat>,
    /// What a unit puts before its frames.
    pub prefix: Option<Pattern>,
    /// What a unit puts around everything.
    pub wrapper: Wrapper,
}

/// What a unit says to show that it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// Its bytes.
    pub pattern: Pattern,
    /// Whether the unit wants to hear it back.
    pub echo: bool,
}

/// What a unit puts around everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapper {
    /// Nothing.
    Plain,
    /// Packets in 7B.
    Packets(Layout),
}

/// What a connection said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The unit's id; once.
    Registered(String),
    /// Bytes of its meters, or anything else.
    Data(Vec<u8>),
    /// To be written to the unit, now.
    Answer(Vec<u8>),
    /// To be written to the unit once no meter is being asked: a heartbeat it wants to hear back.
    Echo(Vec<u8>),
    /// The unit hangs up.
    Farewell,
    /// It is no unit of this port.
    Stranger,
}

/// The bytes of one connection.
#[derive(Debug, Clone)]
pub struct Intake {
    manner: std::sync::Arc<Manner>,
    stage: Stage,
    /// What it registered with.
    word: Vec<u8>,
}

#[derive(Debug, Clone)]
enum Stage {
    /// Has not registered; what came so far.
    Asked(Vec<u8>),
    Plain,
    Packets {
        scanner: Scanner,
        id: Option<[u8; ID]>,
        noise: usize,
    },
    Over,
}

/// A connection that says so many bytes that are no packet before it registered is a stranger.
const NOISE: usize = 256;

impl Intake {
    /// A connection that has said nothing yet.
    pub fn new(manner: std::sync::Arc<Manner>) -> Self {
        let stage = match manner.wrapper {
            Wrapper::Plain => Stage::Asked(Vec::new()),
            Wrapper::Packets(layout) => Stage::Packets { scanner: Scanner::new(layout), id: None, noise: 0 },
        };
        Self { manner, stage, word: Vec::new() }
    }

    /// What the next bytes say, in order.
    pub fn hear(&mut self, bytes: &[u8]) -> Vec<Heard> {
        match &mut self.stage {
            Stage::Asked(so_far) => {
                so_far.extend_from_slice(bytes);
                self.ask()
            }
            Stage::Plain => self.plain(bytes),
            Stage::Packets { .. } => bytes.chunks(PIECE).flat_map(|piece| self.packets(piece)).collect(),
            Stage::Over => Vec::new(),
        }
    }

    /// The bytes that carry `frame` to the unit's meters.
    pub fn wrap(&self, frame: &[u8]) -> Vec<u8> {
        match (&self.stage, self.manner.wrapper) {
            (Stage::Packets { id: Some(id), .. }, Wrapper::Packets(layout)) => {
                Packet::to(*id, kind::DOWN, frame.to_vec()).encode(layout)
            }
            _ => frame.to_vec(),
        }
    }

    /// What the unit may say into the answers of its meters.
    pub fn words(&self) -> Vec<Pattern> {
        let Manner { heartbeats, prefix, .. } = &*self.manner;
        let own = Some(Pattern::literal(&self.word)).filter(|word| !word.is_empty());
        heartbeats.iter().map(|heartbeat| heartbeat.pattern.clone()).chain(prefix.clone()).chain(own).collect()
    }

    fn ask(&mut self) -> Vec<Heard> {
        let Stage::Asked(so_far) = &mut self.stage else { return Vec::new() };
        while !so_far.is_empty() {
            match first_fit(&self.manner.register, so_far) {
                Some((pattern, Fit::Whole)) => {
                    let id = pattern.id(so_far).unwrap_or_default();
                    let data = so_far.split_off(pattern.len());
                    self.word = std::mem::take(so_far);
                    self.stage = Stage::Plain;
                    return std::iter::once(Heard::Registered(id)).chain(self.plain(&data)).collect();
                }
                Some(_) => return Vec::new(),
                None => match first_fit(self.manner.heartbeats.iter().map(|heartbeat| &heartbeat.pattern), so_far) {
                    // Some say that they live before they say who they are.
                    Some((pattern, Fit::Whole)) => drop(so_far.drain(..pattern.len())),
                    Some(_) => return Vec::new(),
                    None => {
                        self.stage = Stage::Over;
                        return vec![Heard::Stranger];
                    }
                },
            }
        }
        Vec::new()
    }

    fn plain(&self, bytes: &[u8]) -> Vec<Heard> {
        if bytes.is_empty() {
            return Vec::new();
        }
        let echo = self.echo(bytes).filter(|echo| !echo.is_empty()).map(Heard::Echo);
        std::iter::once(Heard::Data(bytes.to_vec())).chain(echo).collect()
    }

    /// What of `bytes` is wanted back, if they are nothing but heartbeats.
    fn echo(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let (mut rest, mut echo) = (bytes, Vec::new());
        while !rest.is_empty() {
            let said = self.manner.heartbeats.iter().find(|heartbeat| heartbeat.pattern.fit(rest) == Fit::Whole)?;
            let (heartbeat, after) = rest.split_at_checked(said.pattern.len())?;
            if said.echo {
                echo.extend_from_slice(heartbeat);
            }
            rest = after;
        }
        Some(echo)
    }

    fn packets(&mut self, bytes: &[u8]) -> Vec<Heard> {
        let mut heard = Vec::new();
        let Stage::Packets { scanner, id, noise } = &mut self.stage else { return heard };
        let Wrapper::Packets(layout) = self.manner.wrapper else { return heard };
        scanner.push(bytes);
        let mut is_over = false;
        while let Some(item) = scanner.next().filter(|_| !is_over) {
            let packet = match item {
                Ok(packet) => packet,
                Err(FrameFault::Garbage(count)) if id.is_none() => {
                    *noise = noise.saturating_add(count);
                    continue;
                }
                Err(_) => continue,
            };
            let is_same = id.is_some_and(|id| id == packet.id);
            match packet.kind {
                kind::REGISTER if is_same || id.is_none() && packet.id_text().is_some() => {
                    if id.replace(packet.id).is_none() {
                        heard.push(Heard::Registered(packet.id_text().unwrap_or_default()));
                    }
                    heard.push(Heard::Answer(Packet::to(packet.id, kind::REGISTERED, vec![]).encode(layout)));
                }
                kind::GOODBYE if is_same => {
                    heard.push(Heard::Answer(Packet::to(packet.id, kind::GONE, vec![]).encode(layout)));
                    heard.push(Heard::Farewell);
                    is_over = true;
                }
                kind::DATA if is_same => heard.push(Heard::Data(packet.data)),
                // Another unit on the same connection, or none at all.
                kind::REGISTER => {
                    heard.push(Heard::Stranger);
                    is_over = true;
                }
                _ => {}
            }
        }
        if *noise > NOISE && !is_over {
            heard.push(Heard::Stranger);
            is_over = true;
        }
        if is_over {
            self.stage = Stage::Over;
        }
        heard
    }
}

/// Bytes looked at in one go, at most.
const PIECE: usize = 1024;

/// The first pattern that the front of `bytes` is, or still may become.
fn first_fit<'a>(patterns: impl IntoIterator<Item = &'a Pattern>, bytes: &[u8]) -> Option<(&'a Pattern, Fit)> {
    patterns.into_iter().map(|pattern| (pattern, pattern.fit(bytes))).find(|(_, fit)| *fit != Fit::No)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).expect("a pattern")
    }

    /// As units are seen to register: eight digits and a phone number, or AA 01 with a phone number; FE each minute.
    fn plain() -> Arc<Manner> {
        Arc::new(Manner {
            register: vec![pattern("{id:8d}{phone:11d}"), pattern("AA 01 {id:11a} 0D")],
            heartbeats: vec![
                Heartbeat { pattern: pattern("FE"), echo: false },
                Heartbeat { pattern: pattern("'ping'"), echo: true },
            ],
            prefix: None,
            wrapper: Wrapper::Plain,
        })
    }

    fn packets() -> Arc<Manner> {
        let wrapper = Wrapper::Packets(Layout::Closed);
        Arc::new(Manner { register: vec![], heartbeats: vec![], prefix: None, wrapper })
    }

    /// What `bytes` say, cut into pieces of `piece` bytes; data joined.
    fn said(manner: Arc<Manner>, bytes: &[u8], piece: usize) -> (Vec<Heard>, Vec<u8>) {
        let mut intake = Intake::new(manner);
        let (mut words, mut data) = (Vec::new(), Vec::new());
        for heard in bytes.chunks(piece).flat_map(|piece| intake.hear(piece)) {
            match heard {
                Heard::Data(bytes) => data.extend(bytes),
                other => words.push(other),
            }
        }
        (words, data)
    }

    #[test]
    fn a_registration_is_heard_however_it_is_cut_and_what_follows_is_data() {
        for piece in 1..40 {
            let (words, data) = said(plain(), b"1234567813800138000\xFE\x68\x1F", piece);
            assert_eq!(words, [Heard::Registered("12345678".to_owned())]);
            assert_eq!(data, b"\xFE\x68\x1F");
            let (words, data) = said(plain(), b"\xFE\xFE\xAA\x0113800138000\x0D\xE5", piece);
            assert_eq!(words, [Heard::Registered("13800138000".to_owned())]);
            assert_eq!(data, b"\xE5");
        }
    }

    #[test]
    fn what_cannot_become_a_registration_is_a_stranger_at_once() {
        for wrong in [&b"GET / HTTP/1.1"[..], b"1234567x", b"\xAA\x02", b"\x00"] {
            assert_eq!(said(plain(), wrong, 1), (vec![Heard::Stranger], vec![]));
        }
    }

    #[test]
    fn a_piece_of_nothing_but_heartbeats_is_echoed_and_still_data() {
        let mut intake = Intake::new(plain());
        intake.hear(b"1234567813800138000");
        let echoed = [Heard::Data(b"pingping".to_vec()), Heard::Echo(b"pingping".to_vec())];
        assert_eq!(intake.hear(b"pingping"), echoed);
        assert_eq!(intake.hear(b"pin"), [Heard::Data(b"pin".to_vec())]);
        assert_eq!(intake.hear(b"\xFE"), [Heard::Data(b"\xFE".to_vec())]);
        let mixed = [Heard::Data(b"\xFEping\xFE".to_vec()), Heard::Echo(b"ping".to_vec())];
        assert_eq!(intake.hear(b"\xFEping\xFE"), mixed);
        assert_eq!(intake.hear(b"ping\x68"), [Heard::Data(b"ping\x68".to_vec())]);
    }

    #[test]
    fn packets_register_carry_data_both_ways_and_say_goodbye() {
        let id = *b"13800138000";
        let packet = |kind, data: &[u8]| Packet::to(id, kind, data.to_vec()).encode(Layout::Closed);
        let mut intake = Intake::new(packets());
        let registered = packet(kind::REGISTERED, &[]);
        let heard = intake.hear(&packet(kind::REGISTER, &[10, 0, 0, 7, 0x13, 0x88]));
        assert_eq!(heard, [Heard::Registered("13800138000".to_owned()), Heard::Answer(registered.clone())]);
        assert_eq!(intake.hear(&packet(kind::REGISTER, &[10, 0, 0, 7, 0x13, 0x88])), [Heard::Answer(registered)]);
        assert_eq!(intake.hear(&packet(kind::DATA, &[0xE5])), [Heard::Data(vec![0xE5])]);
        assert_eq!(intake.wrap(&[0x10, 0x40]), packet(kind::DOWN, &[0x10, 0x40]));
        let heard = intake.hear(&packet(kind::GOODBYE, &[]));
        assert_eq!(heard, [Heard::Answer(packet(kind::GONE, &[])), Heard::Farewell]);
        assert_eq!(intake.hear(&packet(kind::DATA, &[1])), []);
    }

    #[test]
    fn a_second_unit_on_one_connection_is_a_stranger() {
        let register = |id: &[u8; 11]| Packet::to(*id, kind::REGISTER, vec![0; 6]).encode(Layout::Closed);
        let mut intake = Intake::new(packets());
        intake.hear(&register(b"13800138000"));
        assert_eq!(intake.hear(&register(b"13800138001")), [Heard::Stranger]);
    }

    #[test]
    fn what_a_plain_unit_registered_with_is_one_of_its_words() {
        let mut intake = Intake::new(plain());
        intake.hear(b"1234567813800138000");
        assert!(intake.words().contains(&Pattern::literal(b"1234567813800138000")));
    }

    proptest! {
        #[test]
        fn data_is_never_changed_whatever_it_holds(
            data in proptest::collection::vec(prop_oneof![Just(0xFE_u8), Just(b'p'), any::<u8>()], 0..300),
            piece in 1_usize..50,
        ) {
            let bytes = [&b"1234567813800138000"[..], &data].concat();
            prop_assert_eq!(said(plain(), &bytes, piece).1, data);
        }

        #[test]
        fn any_bytes_are_heard_within_bounds(
            bytes in proptest::collection::vec(prop_oneof![Just(0x7B_u8), Just(1), Just(0), any::<u8>()], 0..3000),
            piece in 1_usize..600,
        ) {
            for manner in [plain(), packets()] {
                let (words, data) = said(manner, &bytes, piece);
                let strangers = words.iter().filter(|word| **word == Heard::Stranger).count();
                prop_assert!(strangers <= 1 && data.len() <= bytes.len());
            }
        }
    }
}
