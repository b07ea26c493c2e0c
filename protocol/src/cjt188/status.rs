//! The two status bytes (CJ/T 188 table "status ST").
//!
//! ```text
//!   byte 1: bits 0-1 valve 00 open 01 closed 11 fault | bit 2 battery low | the rest, and byte 2, the maker's
//! ```
//!
//! Promises: the bits of the standard are read, the bytes kept. Refuses: reading a maker's bits.

use crate::meter::ValveState;

/// The two status bytes as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status(pub [u8; 2]);

impl Status {
    /// Status with the valve at `valve`, the rest well.
    pub const fn with_valve(valve: ValveState) -> Self {
        match valve {
            ValveState::Open => Self([0b00, 0]),
            ValveState::Closed => Self([0b01, 0]),
            ValveState::Fault => Self([0b11, 0]),
        }
    }

    /// Where the valve stands: bits 0 and 1 of the first byte; 10 says nothing.
    pub const fn valve(self) -> Option<ValveState> {
        match self.0[0] & 0b11 {
            0b00 => Some(ValveState::Open),
            0b01 => Some(ValveState::Closed),
            0b11 => Some(ValveState::Fault),
            _ => None,
        }
    }

    /// Whether the battery is low: bit 2 of the first byte.
    pub const fn is_battery_low(self) -> bool {
        self.0[0] & 0b100 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_first_byte_says_what_its_three_bits_say() {
        for byte in 0..=255_u8 {
            let status = Status([byte, 0xFF]);
            assert_eq!(status.is_battery_low(), byte & 4 == 4);
            let valve = [Some(ValveState::Open), Some(ValveState::Closed), None, Some(ValveState::Fault)];
            assert_eq!(Some(status.valve()), valve.get(usize::from(byte % 4)).copied());
        }
    }
}
