//! Finds requests in bytes: split, merged, in any dialect.
//!
//! Promises: every byte is reported once, in a frame or as noise; a frame bears the moment of its first byte, and the
//! speaker with the most holders seen while it came. Refuses: answering.

use protocol::modbus::frame::Direction;
use protocol::{cjt188, mbus, modbus};

use super::dialects::{Dialects, Frame};
use crate::clock::Stamp;
use crate::ledger::Speaker;

/// Bytes that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// When the first came.
    pub first: Stamp,
    /// When the last came.
    pub at: Stamp,
    /// Who spoke.
    pub speaker: Speaker,
    /// All of them.
    pub bytes: Vec<u8>,
    /// What they are; none for noise.
    pub frame: Option<Frame>,
}

/// The ears of one line for one channel of bytes.
#[derive(Debug)]
pub struct Ears {
    mbus: Option<mbus::frame::Scanner>,
    cjt188: Option<cjt188::frame::Scanner>,
    modbus_rtu: Option<modbus::frame::Scanner>,
    modbus_tcp: Option<modbus::mbap::Scanner>,
    held: Option<Heard>,
}

impl Ears {
    /// Ears for these dialects.
    pub fn new(dialects: Dialects) -> Self {
        Self {
            mbus: dialects.mbus.then(mbus::frame::Scanner::new),
            cjt188: dialects.cjt188.then(cjt188::frame::Scanner::new),
            modbus_rtu: dialects.modbus_rtu.then(requests),
            modbus_tcp: dialects.modbus_tcp.then(modbus::mbap::Scanner::new),
            held: None,
        }
    }

    /// Whether bytes are held that are no frame yet.
    pub fn is_waiting(&self) -> bool {
        self.held.is_some()
    }

    /// Takes bytes; gives the frames they complete.
    pub fn hear(&mut self, bytes: &[u8], at: Stamp, speaker: &Speaker) -> Vec<Heard> {
        // Byte by byte, so that each frame ends where it ends: requests are short and rare.
        bytes.iter().filter_map(|byte| self.hear_byte(*byte, at, speaker)).collect()
    }

    /// The line went quiet: what is held is noise.
    pub fn give_up(&mut self) -> Option<Heard> {
        self.forget();
        self.held.take()
    }

    fn hear_byte(&mut self, byte: u8, at: Stamp, speaker: &Speaker) -> Option<Heard> {
        let held = self.held.get_or_insert_with(|| Heard::new(at, speaker.clone()));
        held.at = at;
        held.bytes.push(byte);
        if speaker.connections().len() > held.speaker.connections().len() {
            held.speaker = speaker.clone();
        }
        let frame = self.scan(byte)?;
        self.forget();
        self.held.take().map(|heard| Heard { frame: Some(frame), ..heard })
    }

    fn scan(&mut self, byte: u8) -> Option<Frame> {
        let mbus = self.mbus.as_mut().and_then(|scanner| {
            scanner.push(&[byte]);
            scanner.next()?.ok().filter(mbus::frame::Frame::is_from_master).map(Frame::Mbus)
        });
        let cjt188 = self.cjt188.as_mut().and_then(|scanner| {
            scanner.push(&[byte]);
            scanner.next()?.ok().filter(|frame| !frame.is_from_meter()).map(Frame::Cjt188)
        });
        let rtu = self.modbus_rtu.as_mut().and_then(|scanner| {
            scanner.push(&[byte]);
            scanner.next()?.ok().map(Frame::ModbusRtu)
        });
        let tcp = self.modbus_tcp.as_mut().and_then(|scanner| {
            scanner.push(&[byte]);
            scanner.next()?.ok().map(Frame::ModbusTcp)
        });
        mbus.or(cjt188).or(rtu).or(tcp)
    }

    /// A frame of one dialect ends whatever the other one hoped for.
    fn forget(&mut self) {
        if let Some(scanner) = &mut self.mbus {
            *scanner = mbus::frame::Scanner::new();
        }
        if let Some(scanner) = &mut self.cjt188 {
            *scanner = cjt188::frame::Scanner::new();
        }
        if let Some(scanner) = &mut self.modbus_rtu {
            *scanner = requests();
        }
        if let Some(scanner) = &mut self.modbus_tcp {
            *scanner = modbus::mbap::Scanner::new();
        }
    }
}

fn requests() -> modbus::frame::Scanner {
    modbus::frame::Scanner::new(Direction::Requests)
}

impl Heard {
    fn new(at: Stamp, speaker: Speaker) -> Self {
        Self { first: at, at, speaker, bytes: Vec::new(), frame: None }
    }
}
