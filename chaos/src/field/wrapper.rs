//! What a dial-in unit puts around bytes: its registration, its heartbeats, its packets.
//!
//! ```text
//!   digits    12345678 13800138000                        then raw bytes, FE as heartbeat
//!   sim       AA 01 13800138000 0D                        then raw bytes, FE as heartbeat
//!   wrapped   7B type length(2) id(11) data.. 7B          length counts all bytes, both 7B too
//!               up: 01 registers and is the heartbeat, 09 data        down: 81 registered, 89 data
//!   headed    the same, but of 09 and 89 the data stand behind the last 7B
//!   prefix    id answer.. id answer..                     the id alone registers and is the heartbeat
//! ```
//!
//! Promises: data that come in packets are given as they were put in, however the stream cuts them. Refuses: packets
//! for another unit, which are stepped over.

use super::config::{Registration, UnitConfig};
use super::speech::HEARTBEAT;

/// Begins and ends a packet.
const MARK: u8 = 0x7B;
const REGISTER: u8 = 0x01;
const DATA_UP: u8 = 0x09;
const DATA_DOWN: u8 = 0x89;
/// Bytes of a packet around its data: mark, type, length, id, mark.
const AROUND: usize = 16;
/// Bytes of a packet before its data, or before the last mark.
const HEAD: usize = AROUND - 1;
/// The most bytes of a packet: what a unit takes at once.
const LONGEST: usize = 1040;
/// The unit's own address and port, which a registration carries; nobody needs them.
const OWN_ADDRESS: [u8; 6] = [0; 6];

/// One unit's way to speak.
#[derive(Debug, Clone)]
pub struct Wrapper {
    registration: Registration,
    id: String,
    phone: String,
}

impl Wrapper {
    /// The way of a configured unit.
    pub fn new(unit: &UnitConfig) -> Self {
        Self { registration: unit.registration, id: unit.id.clone(), phone: unit.phone.clone() }
    }

    /// What is said first on a connection.
    pub fn registration(&self) -> Vec<u8> {
        match self.registration {
            Registration::Digits => [self.id.as_bytes(), self.phone.as_bytes()].concat(),
            Registration::Sim => [&[0xAA, 0x01], self.id.as_bytes(), &[0x0D]].concat(),
            Registration::Wrapped | Registration::Headed => self.packet(REGISTER, &OWN_ADDRESS),
            Registration::Prefix => self.id.clone().into_bytes(),
        }
    }

    /// What is said to be known alive.
    pub fn heartbeat(&self) -> Vec<u8> {
        match self.registration {
            Registration::Digits | Registration::Sim => vec![HEARTBEAT],
            Registration::Wrapped | Registration::Headed | Registration::Prefix => self.registration(),
        }
    }

    /// Bytes of the line as they go out; whether they begin an answer.
    pub fn wrap(&self, bytes: &[u8], begins: bool) -> Vec<u8> {
        match self.registration {
            Registration::Digits | Registration::Sim => bytes.to_vec(),
            Registration::Wrapped | Registration::Headed => self.packet(DATA_UP, bytes),
            Registration::Prefix if begins => [self.id.as_bytes(), bytes].concat(),
            Registration::Prefix => bytes.to_vec(),
        }
    }

    /// Takes what came off `held`, and gives what of it is for the line.
    pub fn unwrap(&self, held: &mut Vec<u8>) -> Vec<u8> {
        if !matches!(self.registration, Registration::Wrapped | Registration::Headed) {
            return std::mem::take(held);
        }
        let mut data = Vec::new();
        while let Some(length) = self.packet_length(held) {
            let packet: Vec<u8> = held.drain(..length).collect();
            if let Some([MARK, DATA_DOWN, _, _, id @ ..]) = packet.get(..HEAD)
                && id == self.id.as_bytes()
            {
                let from = if self.is_headed(DATA_DOWN) { AROUND } else { HEAD };
                data.extend(packet.get(from..from + length - AROUND).unwrap_or_default());
            }
        }
        data
    }

    fn packet(&self, kind: u8, data: &[u8]) -> Vec<u8> {
        let length = (AROUND + data.len()) as u16;
        let head = [&[MARK, kind], &length.to_be_bytes()[..], self.id.as_bytes()].concat();
        if self.is_headed(kind) { [&head, &[MARK][..], data].concat() } else { [&head, data, &[MARK]].concat() }
    }

    fn is_headed(&self, kind: u8) -> bool {
        self.registration == Registration::Headed && matches!(kind, DATA_UP | DATA_DOWN)
    }

    /// How many bytes the packet (or the noise) at the front has; `None` where it is not whole yet.
    fn packet_length(&self, held: &[u8]) -> Option<usize> {
        let [mark, rest @ ..] = held else { return None };
        if *mark != MARK {
            return Some(1);
        }
        let [kind, high, low, ..] = rest else { return None };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if !(AROUND..=LONGEST).contains(&length) {
            return Some(1);
        }
        let packet = held.get(..length)?;
        let mark = if self.is_headed(*kind) { packet.get(HEAD) } else { packet.last() };
        Some(if mark == Some(&MARK) { length } else { 1 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wrapper(registration: Registration, id: &str) -> Wrapper {
        Wrapper { registration, id: id.to_owned(), phone: "13800138000".to_owned() }
    }

    #[test]
    fn registrations_have_the_bytes_units_send() {
        assert_eq!(wrapper(Registration::Digits, "12345678").registration(), b"1234567813800138000");
        assert_eq!(wrapper(Registration::Sim, "13800138000").registration(), b"\xAA\x0113800138000\x0D");
        let registers = wrapper(Registration::Wrapped, "13800138000").registration();
        assert_eq!(registers.len(), 22);
        assert!(registers.starts_with(&[0x7B, 0x01, 0x00, 0x16]));
        let headed = wrapper(Registration::Headed, "13800138000").wrap(&[0xE5], false);
        assert_eq!(headed, b"\x7B\x09\x00\x1113800138000\x7B\xE5");
        assert_eq!(wrapper(Registration::Prefix, "unit-7").wrap(&[0xE5], true), b"unit-7\xE5");
    }

    proptest! {
        #[test]
        fn packets_give_their_data_however_the_stream_is_cut(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..5),
            cut in 1_usize..20,
            is_headed: bool,
        ) {
            let registration = if is_headed { Registration::Headed } else { Registration::Wrapped };
            let unit = wrapper(registration, "13800138000");
            let stream: Vec<u8> = parts.iter().flat_map(|part| unit.packet(DATA_DOWN, part)).collect();
            let (mut held, mut got) = (Vec::new(), Vec::new());
            for piece in stream.chunks(cut) {
                held.extend(piece);
                got.extend(unit.unwrap(&mut held));
            }
            prop_assert_eq!(got, parts.concat());
            prop_assert!(held.is_empty());
        }
    }
}
