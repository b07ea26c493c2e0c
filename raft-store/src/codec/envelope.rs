//! What stands around every durable payload.
//!
//! ```text
//!   0       4      6         8        12           16            20
//!   +-------+------+---------+--------+------------+-------------+-----------
//!   | hrth  | kind | version | length | header crc | payload crc | payload ..
//!   +-------+------+---------+--------+------------+-------------+-----------
//!    bytes   u16     u16       u32      crc32c of    crc32c of     `length`
//!            little-endian              bytes 0..12  the payload   bytes
//! ```
//!
//! Promises: a payload that opens is the one that was sealed; a wrong length is caught before it is believed.
//! Refuses: knowing what a payload means.

use super::{CodecError, Kind};

/// The first bytes of every envelope.
pub const MAGIC: [u8; 4] = *b"hrth";

/// Bytes before the payload.
pub const HEADER_LEN: usize = 20;

/// Bytes of the header that its own checksum covers.
const COVERED_LEN: usize = 12;

/// A header as read, its own checksum verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the payload is.
    pub kind: Kind,
    /// In which version of that kind's layout.
    pub version: u16,
    /// Bytes of payload.
    pub length: u32,
    /// crc32c of the payload.
    pub payload_crc: u32,
}

impl Header {
    /// Reads a header; its checksum, magic and kind must be right, and its length within the kind's limit.
    pub fn parse(bytes: &[u8; HEADER_LEN]) -> Result<Self, CodecError> {
        let [m0, m1, m2, m3, k0, k1, v0, v1, l0, l1, l2, l3, h0, h1, h2, h3, p0, p1, p2, p3] = *bytes;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(CodecError::Magic([m0, m1, m2, m3]));
        }
        let covered = bytes.first_chunk::<COVERED_LEN>().map_or(0, |covered| crc32c::crc32c(covered));
        let written = u32::from_le_bytes([h0, h1, h2, h3]);
        if covered != written {
            return Err(CodecError::HeaderChecksum { written, computed: covered });
        }
        let kind = Kind::from_number(u16::from_le_bytes([k0, k1]))?;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        kind.check_length(length as usize)?;
        let payload_crc = u32::from_le_bytes([p0, p1, p2, p3]);
        Ok(Self { kind, version: u16::from_le_bytes([v0, v1]), length, payload_crc })
    }

    /// Verifies the payload that followed this header.
    pub fn check_payload(&self, payload: &[u8]) -> Result<(), CodecError> {
        if payload.len() != self.length as usize {
            return Err(CodecError::Length { kind: self.kind, declared: self.length as usize, found: payload.len() });
        }
        let computed = crc32c::crc32c(payload);
        if computed == self.payload_crc {
            return Ok(());
        }
        Err(CodecError::PayloadChecksum { kind: self.kind, written: self.payload_crc, computed })
    }
}

/// Puts `payload` into an envelope.
pub(super) fn seal(kind: Kind, version: u16, payload: &[u8]) -> Result<Vec<u8>, CodecError> {
    kind.check_length(payload.len())?;
    let length = u32::try_from(payload.len()).map_err(|_| CodecError::too_long(kind, payload.len()))?;
    let mut out = Vec::with_capacity(HEADER_LEN + payload.len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&kind.number().to_le_bytes());
    out.extend_from_slice(&version.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    let header_crc = crc32c::crc32c(&out);
    out.extend_from_slice(&header_crc.to_le_bytes());
    out.extend_from_slice(&crc32c::crc32c(payload).to_le_bytes());
    out.extend_from_slice(payload);
    Ok(out)
}

/// Takes the payload of a whole envelope of `kind`; nothing may follow it.
pub(super) fn open(kind: Kind, bytes: &[u8]) -> Result<(u16, &[u8]), CodecError> {
    let Some((head, payload)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        return Err(CodecError::Short { kind, found: bytes.len() });
    };
    let header = Header::parse(head)?;
    if header.kind != kind {
        return Err(CodecError::WrongKind { wanted: kind, found: header.kind });
    }
    header.check_payload(payload)?;
    Ok((header.version, payload))
}
