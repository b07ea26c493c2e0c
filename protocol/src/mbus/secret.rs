//! Whether records are encrypted (EN 13757-7 clause 7, configuration field), told from the junk that old wired meters
//! leave in the same two bytes.
//!
//! ```text
//!   configuration   bits 12-8 mode | modes 5 and 7: bits 7-4 number of encrypted blocks of 16 bytes
//!   records         2F 2F ..       two fillers in front: this is what decrypted data begin with
//! ```
//!
//! Promises: data that are whole encrypted blocks by their configuration are never read as records; a configuration
//! alone never refuses a telegram that reads as records. Refuses: decrypting: no keys are held.

use crate::bytes::Cursor;

/// What stands before decrypted records.
const DECRYPTED: [u8; 2] = [0x2F, 0x2F];
/// Bytes of one encrypted block.
const BLOCK: usize = 16;
/// Mode 7 has one more byte of configuration before the records.
const EXTENSION: usize = 1;

/// The mode a configuration field may mean; `None` where it means none that exists.
pub(super) fn mode(config: &[u8]) -> Option<u8> {
    let mode = (Cursor::new(config).array().map(u16::from_le_bytes)? >> 8 & 0x1F) as u8;
    matches!(mode, 2..=10 | 13).then_some(mode)
}

/// The mode, where `data` are exactly the encrypted blocks that the configuration announces.
pub(super) fn certain(config: &[u8], data: &[u8]) -> Option<u8> {
    let mode = mode(config).filter(|mode| matches!(mode, 5 | 7))?;
    let blocks = usize::from(config.first()? >> 4) * BLOCK;
    let is_whole = blocks > 0 && (data.len() == blocks || mode == 7 && data.len() == blocks + EXTENSION);
    let is_decrypted = data.starts_with(&DECRYPTED) || data.get(EXTENSION..).is_some_and(|d| d.starts_with(&DECRYPTED));
    (is_whole && !is_decrypted).then_some(mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_blocks_are_encrypted_unless_they_begin_with_two_fillers() {
        let config = [0x20, 0x05];
        assert_eq!(certain(&config, &[0x04; 32]), Some(5));
        assert_eq!(certain(&config, &[0x2F; 32]), None);
        assert_eq!(certain(&config, &[0x04; 33]), None);
        assert_eq!(certain(&[0x20, 0x07], &[0x04; 33]), Some(7));
    }

    #[test]
    fn junk_is_no_encryption() {
        // Signatures of wired meters that encrypt nothing: AMT Calec MB of two generations, and the rule.
        for junk in [[0xFF, 0xFF], [0x27, 0xB6], [0x00, 0x00]] {
            assert_eq!((certain(&junk, &[0x04; 32]), mode(&junk)), (None, None), "{junk:02X?}");
        }
        assert_eq!((certain(&[], &[4; 16]), mode(&[])), (None, None));
    }
}
