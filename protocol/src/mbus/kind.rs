//! What the data of a long frame are: control information by name (EN 13757-7 table of CI fields).
//!
//! Promises: every value has a name, so that what is refused is refused by it. Refuses: reading the data.

use super::frame::ci;
use super::header;

/// The name of control information `kind`.
pub const fn name(kind: u8) -> &'static str {
    match kind {
        0x00..=0x1F | 0x60..=0x65 | 0x7C | 0x7D => "DLMS/COSEM data",
        ci::RESET => "application reset",
        ci::SEND | 0x5A | 0x5B => "records for the meter",
        ci::SELECT => "selection by secondary address",
        0x53..=0x59 => "application selection",
        0x5C => "synchronisation of an action",
        0x5F | 0x66..=0x68 => "transfer of security information",
        ci::FORMAT..=ci::FORMAT_LONG => "format frame",
        0x6C | 0x6D => "clock synchronisation",
        ci::ERROR_SHORT | ci::ERROR_LONG | ci::ERROR => "application error",
        ci::ALARM | ci::ALARM_SHORT | ci::ALARM_LONG => "alarm",
        ci::LONG_HEADER => "variable data, long header",
        ci::LONG_HEADER_MSB => "variable data, long header, most significant byte first",
        ci::NO_HEADER => "variable data, no header",
        ci::SHORT_HEADER => "variable data, short header",
        ci::FIXED | ci::FIXED_MSB => "fixed data",
        ci::COMPACT | ci::COMPACT_SHORT => "compact frame",
        0x7E | 0x7F => "OBIS data",
        0x80 | 0x8A | 0x8B => "transport layer without data",
        0x81..=0x89 => "network layer",
        0x8C..=0x8F => "extended link layer",
        0x90 => "authentication and fragmentation layer",
        0xA0..=0xB7 => "manufacturer specific data",
        ci::SPEED..=0xBF => "speed",
        0xC0..=0xC7 => "image transfer",
        _ => "reserved",
    }
}

/// The code of an application error, where `kind` is one (EN 13757-3 clause 10); without a code it is unspecified.
pub fn error_code(kind: u8, data: &[u8]) -> Option<u8> {
    let header = match kind {
        ci::ERROR => 0,
        ci::ERROR_SHORT => header::SHORT_LENGTH,
        ci::ERROR_LONG => header::LENGTH,
        _ => return None,
    };
    Some(data.get(header).copied().unwrap_or(0))
}

/// The bits of an alarm, where `kind` is one.
pub fn alarm_bits(kind: u8, data: &[u8]) -> Option<u8> {
    let header = match kind {
        ci::ALARM => 0,
        ci::ALARM_SHORT => header::SHORT_LENGTH,
        ci::ALARM_LONG => header::LENGTH,
        _ => return None,
    };
    Some(data.get(header).copied().unwrap_or(0))
}

/// Whether data of this kind and length are a compact frame.
pub const fn is_compact(kind: u8, length: usize) -> bool {
    matches!(kind, ci::COMPACT | ci::COMPACT_SHORT) || kind == ci::FIXED && length != super::fixed::LENGTH
}

/// Bytes of header in a compact frame of this kind.
pub(super) const fn compact_header(kind: u8) -> Option<usize> {
    match kind {
        ci::COMPACT => Some(0),
        ci::COMPACT_SHORT => Some(header::SHORT_LENGTH),
        // The same value as that of the fixed structure, which has 16 bytes and never another length.
        ci::FIXED => Some(header::LENGTH),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_alarms_are_found_behind_any_header() {
        assert_eq!(error_code(0x70, &[8]), Some(8));
        assert_eq!(error_code(0x70, &[]), Some(0));
        assert_eq!(error_code(0x6E, &[1, 0, 0, 0, 8]), Some(8));
        assert_eq!(error_code(0x6F, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8]), Some(8));
        assert_eq!(error_code(0x72, &[8]), None);
        assert_eq!((alarm_bits(0x71, &[4]), alarm_bits(0x74, &[1, 0, 0, 0, 4])), (Some(4), Some(4)));
        assert_eq!((alarm_bits(0x75, &[0; 13]), alarm_bits(0x70, &[4])), (Some(0), None));
    }
}
