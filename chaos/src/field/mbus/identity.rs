//! Who an M-Bus slave is, and whether a selection means it (EN 13757-3 clause 11.3).
//!
//! ```text
//!   selection   id 4 | manufacturer 2 | version | medium | 0C 78 fabrication 4      F: any digit   FFFF, FF: any
//! ```
//!
//! Promises: the slave's own test, byte by byte, and not the master's under test. Refuses: remembering who is selected.

use protocol::meter::Address;

use crate::field::config::MbusOptions;

/// "CHS" in the 15-bit letters of EN 13757-3 clause 5.6.
const MANUFACTURER: u16 = 0x0D13;
const VERSION: u8 = 1;
/// Heat, sensor in the return pipe.
const MEDIUM: u8 = 0x04;
/// DIF and VIF of a fabrication number.
const FABRICATION: [u8; 2] = [0x0C, 0x78];

/// Who a slave is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    id: u32,
    manufacturer: u16,
    version: u8,
    medium: u8,
    fabrication: u32,
}

impl Identity {
    /// The identity of a secondary address; of a primary one, the configured, or made up from `seed`.
    pub fn new(address: Address, options: &MbusOptions, seed: u64) -> Self {
        let digits = |text: &str| u32::from_str_radix(text, 16).ok();
        let made_up = digits(&format!("{:08}", seed % 100_000_000)).unwrap_or_default();
        let configured = Address::parse(protocol::meter::Dialect::Mbus, &options.secondary).ok();
        let (id, manufacturer, version, medium) = match configured.unwrap_or(address) {
            Address::MbusSecondary { id, manufacturer, version, medium } => (id, manufacturer, version, medium),
            _ => (made_up, MANUFACTURER, VERSION, MEDIUM),
        };
        Self { id, manufacturer, version, medium, fabrication: digits(&options.fabrication).unwrap_or(id) }
    }

    /// The long header up to the medium.
    pub fn header(&self) -> [u8; 8] {
        let [i0, i1, i2, i3] = self.id.to_le_bytes();
        let [m0, m1] = self.manufacturer.to_le_bytes();
        [i0, i1, i2, i3, m0, m1, self.version, self.medium]
    }

    /// The medium.
    pub fn medium(&self) -> u8 {
        self.medium
    }

    /// The fabrication number, as it is sent.
    pub fn fabrication(&self) -> [u8; 4] {
        self.fabrication.to_le_bytes()
    }

    /// Whether the data of a selecting frame mean this slave.
    pub fn is_meant(&self, selection: &[u8]) -> bool {
        let Some((asked, rest)) = selection.split_first_chunk::<8>() else { return false };
        let own = self.header();
        let (id, others) = asked.split_at(4);
        let is_id = id.iter().zip(own).all(|(asked, own)| fits(*asked, own));
        let is_rest = match others {
            [0xFF, 0xFF, version, medium] => is_any_or(*version, self.version) && is_any_or(*medium, self.medium),
            [m0, m1, version, medium] => {
                u16::from_le_bytes([*m0, *m1]) == self.manufacturer
                    && is_any_or(*version, self.version)
                    && is_any_or(*medium, self.medium)
            }
            _ => false,
        };
        let is_number = match rest.strip_prefix(&FABRICATION) {
            Some(number) => number.len() == 4 && number.iter().zip(self.fabrication()).all(|(a, own)| fits(*a, own)),
            None => rest.is_empty(),
        };
        is_id && is_rest && is_number
    }
}

/// Whether both digits of a byte are the asked ones, or any.
fn fits(asked: u8, own: u8) -> bool {
    [4, 0].iter().all(|shift| asked >> shift & 0xF == 0xF || asked >> shift & 0xF == own >> shift & 0xF)
}

fn is_any_or(asked: u8, own: u8) -> bool {
    asked == 0xFF || asked == own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_fields_and_the_fabrication_number_may_be_left_open() {
        let address = Address::parse(protocol::meter::Dialect::Mbus, "123456782C2D0104").expect("an address");
        let options = MbusOptions { fabrication: "87654321".to_owned(), ..MbusOptions::default() };
        let slave = Identity::new(address, &options, 0);
        for meant in [
            &[0x78, 0x56, 0x34, 0x12, 0x2D, 0x2C, 0x01, 0x04][..],
            &[0xF8, 0xFF, 0xFF, 0x1F, 0xFF, 0xFF, 0xFF, 0xFF],
            &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x04, 0x0C, 0x78, 0x21, 0x43, 0x65, 0x8F],
        ] {
            assert!(slave.is_meant(meant), "{meant:02X?}");
        }
        for other in [
            &[0x79, 0x56, 0x34, 0x12, 0x2D, 0x2C, 0x01, 0x04][..],
            &[0xFF, 0xFF, 0xFF, 0xFF, 0x2E, 0x2C, 0xFF, 0xFF],
            &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02, 0xFF],
            &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x0C, 0x78, 0x21, 0x43, 0x65, 0xF6],
            &[0xFF, 0xFF, 0xFF],
        ] {
            assert!(!slave.is_meant(other), "{other:02X?}");
        }
    }
}
