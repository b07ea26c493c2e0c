//! Packets in 7B, which some units put around everything they say, both ways.
//!
//! ```text
//!   7B  type  length (2, MSB first, of all)  id (11 ASCII)  ..  7B
//!
//!   unit  01 registers, again and again   + address (4), port (2)     22 bytes
//!         02 says goodbye                                             16 bytes
//!         09 data of its meters           closed: id data 7B          headed: id 7B data
//!   we    81 acknowledges 01, 82 acknowledges 02                      16 bytes
//!         89 data for its meters          as 09
//! ```
//!
//! Two makers differ in where the second 7B of data stands: behind the data ([`Layout::Closed`]) or behind the id
//! ([`Layout::Headed`]). Nothing in a packet says which, so it is configured.
//!
//! Promises: [`Packet::encode`] and [`Scanner`] are each other's inverse; a packet is at most [`LONGEST`] bytes. Refuses:
//! trusting them: there is no checksum, the meters' own frames have one.

use crate::stream::{FrameFault, Probe, Stream};

/// The most bytes of a packet; units send at most 1024 of data.
pub const LONGEST: usize = 1040 + 1;
/// Bytes of an id.
pub const ID: usize = 11;
const MARK: u8 = 0x7B;
/// Mark, type, length, id.
const HEAD: usize = 4 + ID;
const SHORTEST: usize = HEAD + 1;

/// Types of packets.
pub mod kind {
    /// A unit registers.
    pub const REGISTER: u8 = 0x01;
    /// A unit says goodbye.
    pub const GOODBYE: u8 = 0x02;
    /// Data of a unit's meters.
    pub const DATA: u8 = 0x09;
    /// Acknowledges [`REGISTER`].
    pub const REGISTERED: u8 = 0x81;
    /// Acknowledges [`GOODBYE`].
    pub const GONE: u8 = 0x82;
    /// Data for a unit's meters.
    pub const DOWN: u8 = 0x89;
}

/// Where the second mark of a packet with data stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Behind the data.
    Closed,
    /// Behind the id.
    Headed,
}

/// One packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// See [`kind`].
    pub kind: u8,
    /// The unit's id, ASCII; shorter ones are filled with 00.
    pub id: [u8; ID],
    /// What follows the id: of [`kind::REGISTER`] its address and port.
    pub data: Vec<u8>,
}

impl Packet {
    /// The packet that acknowledges or carries something to the same unit.
    pub const fn to(id: [u8; ID], kind: u8, data: Vec<u8>) -> Self {
        Self { kind, id, data }
    }

    /// Whether its data stands behind its second mark.
    fn is_headed(kind: u8, layout: Layout) -> bool {
        layout == Layout::Headed && matches!(kind, kind::DATA | kind::DOWN)
    }

    /// The bytes on the wire; data beyond [`LONGEST`] is cut.
    pub fn encode(&self, layout: Layout) -> Vec<u8> {
        let data = self.data.get(..LONGEST - SHORTEST).unwrap_or(&self.data);
        let length = (SHORTEST + data.len()) as u16;
        let mut wire = vec![MARK, self.kind];
        wire.extend(length.to_be_bytes());
        wire.extend(self.id);
        if Self::is_headed(self.kind, layout) {
            wire.push(MARK);
            wire.extend(data);
        } else {
            wire.extend(data);
            wire.push(MARK);
        }
        wire
    }

    /// The unit's id as text in capitals; `None` if it is none.
    pub fn id_text(&self) -> Option<String> {
        let filled = self.id.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let id = self.id.get(..filled).filter(|id| !id.is_empty() && id.iter().all(u8::is_ascii_graphic))?;
        Some(id.iter().map(|byte| char::from(byte.to_ascii_uppercase())).collect())
    }
}

/// Packets out of bytes as they come: split and merged.
#[derive(Debug, Clone)]
pub struct Scanner {
    stream: Stream,
    layout: Layout,
}

impl Scanner {
    /// An empty scanner.
    pub fn new(layout: Layout) -> Self {
        Self { stream: Stream::default(), layout }
    }

    /// Adds bytes as they came; take the packets with [`Scanner::next`] before adding more than 2048.
    pub fn push(&mut self, bytes: &[u8]) {
        self.stream.push(bytes);
    }

    /// The next packet, or bytes that are none; `None` when more bytes are needed.
    #[expect(clippy::should_implement_trait, reason = "None is not the end: more bytes may be pushed")]
    pub fn next(&mut self) -> Option<Result<Packet, FrameFault>> {
        self.stream.next(match self.layout {
            Layout::Closed => |front, _| probe(front, Layout::Closed),
            Layout::Headed => |front, _| probe(front, Layout::Headed),
        })
    }
}

const fn is_kind(kind: u8) -> bool {
    matches!(kind, 0x01..=0x0F | 0x81..=0x8F)
}

fn probe(front: &[u8], layout: Layout) -> Probe<Packet> {
    match *front {
        [MARK, kind, high, low, ..] if is_kind(kind) => {
            let length = usize::from(u16::from_be_bytes([high, low]));
            if !(SHORTEST..=LONGEST).contains(&length) {
                return Probe::Noise;
            }
            front.get(..length).map_or(Probe::Unfinished, |packet| whole(kind, packet, layout))
        }
        [MARK] => Probe::Unfinished,
        [MARK, kind] | [MARK, kind, _] if is_kind(kind) => Probe::Unfinished,
        _ => Probe::Noise,
    }
}

fn whole(kind: u8, packet: &[u8], layout: Layout) -> Probe<Packet> {
    let Some((head, rest)) = packet.split_at_checked(HEAD) else { return Probe::Noise };
    let Some(id) = head.last_chunk::<ID>().copied() else { return Probe::Noise };
    let (mark, data) = if Packet::is_headed(kind, layout) {
        (rest.first(), rest.get(1..))
    } else {
        (rest.last(), rest.get(..rest.len().saturating_sub(1)))
    };
    match (mark, data) {
        (Some(&MARK), Some(data)) => Probe::Sound(Packet { kind, id, data: data.to_vec() }, packet.len()),
        _ => Probe::Noise,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID_BYTES: [u8; ID] = *b"13800138000";

    fn scan(bytes: &[u8], layout: Layout) -> Vec<Packet> {
        let mut scanner = Scanner::new(layout);
        scanner.push(bytes);
        std::iter::from_fn(|| scanner.next()).flatten().collect()
    }

    #[test]
    fn a_registration_has_22_bytes_and_its_acknowledgement_16() {
        let mut wire = vec![0x7B, 0x01, 0x00, 0x16];
        wire.extend(ID_BYTES);
        wire.extend([10, 0, 0, 7, 0x13, 0x88, 0x7B]);
        let packets = scan(&wire, Layout::Headed);
        assert_eq!(packets.iter().map(Packet::id_text).collect::<Vec<_>>(), [Some("13800138000".to_owned())]);
        assert_eq!(packets, scan(&wire, Layout::Closed));
        let answer = Packet::to(ID_BYTES, kind::REGISTERED, vec![]).encode(Layout::Closed);
        assert_eq!(answer, [&[0x7B, 0x81, 0x00, 0x10][..], &ID_BYTES, &[0x7B]].concat());
    }

    #[test]
    fn data_that_looks_like_marks_is_data_all_the_same() {
        for layout in [Layout::Closed, Layout::Headed] {
            let packet = Packet::to(ID_BYTES, kind::DATA, vec![0x7B, 0x09, 0x00, 0x10, 0x7B]);
            assert_eq!(
                scan(&[packet.encode(layout), packet.encode(layout)].concat(), layout),
                [packet.clone(), packet]
            );
        }
    }

    proptest! {
        #[test]
        fn packets_come_back_however_they_are_split(
            packets in proptest::collection::vec(
                (prop_oneof![Just(1_u8), Just(2), Just(9), Just(0x89)], proptest::collection::vec(any::<u8>(), 0..60)), 0..6
            ),
            headed in any::<bool>(),
            piece in 1_usize..40,
        ) {
            let layout = if headed { Layout::Headed } else { Layout::Closed };
            let packets: Vec<_> = packets.into_iter().map(|(kind, data)| Packet::to(ID_BYTES, kind, data)).collect();
            let wire: Vec<u8> = packets.iter().flat_map(|packet| packet.encode(layout)).collect();
            let mut scanner = Scanner::new(layout);
            let mut seen = Vec::new();
            for piece in wire.chunks(piece) {
                scanner.push(piece);
                seen.extend(std::iter::from_fn(|| scanner.next()).flatten());
            }
            prop_assert_eq!(seen, packets);
        }

        #[test]
        fn any_bytes_are_scanned_without_end_or_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            drop(scan(&bytes, Layout::Closed));
            drop(scan(&bytes, Layout::Headed));
        }
    }
}
