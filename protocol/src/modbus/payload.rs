//! What is asked of a slave and what it answers (Modbus application protocol V1.1b3, clause 6), both ways.
//!
//! ```text
//!   01 02  read coils, inputs        start count        -> bytes, least significant bit first
//!   03 04  read holding, input       start count        -> registers, most significant byte first
//!   05 06  write one coil, register  address value      -> the same
//!   15 16  write several             start count bytes  -> start count
//!   80+f   exception                                    -> code
//! ```
//!
//! Promises: encode and decode are each other's inverse; a reply is told to fit its request or not. Refuses: other
//! functions, and counts beyond the standard's.

use crate::bytes::Cursor;

const COIL_ON: u16 = 0xFF00;
const EXCEPTION: u8 = 0x80;

/// The four tables of a slave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Table {
    /// Single bits, read (01) and written (05, 15).
    Coils,
    /// Single bits, read (02).
    Inputs,
    /// 16-bit registers, read (03) and written (06, 16).
    Holding,
    /// 16-bit registers, read (04).
    InputRegisters,
}

impl Table {
    const ALL: [Self; 4] = [Self::Coils, Self::Inputs, Self::Holding, Self::InputRegisters];

    /// The function that reads it.
    pub const fn function(self) -> u8 {
        match self {
            Self::Coils => 1,
            Self::Inputs => 2,
            Self::Holding => 3,
            Self::InputRegisters => 4,
        }
    }

    /// Whether it holds single bits.
    pub const fn is_bits(self) -> bool {
        matches!(self, Self::Coils | Self::Inputs)
    }

    /// The most that may be asked of it at once.
    pub const fn most_at_once(self) -> u16 {
        match self {
            Self::Coils | Self::Inputs => 2000,
            Self::Holding | Self::InputRegisters => 125,
        }
    }

    fn of(function: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.function() == function)
    }
}

/// What is asked. Addresses are those on the wire: "register 40001" of a manual is holding register 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Read `count` from `start` on.
    Read {
        /// Where.
        table: Table,
        /// From which address on.
        start: u16,
        /// How many.
        count: u16,
    },
    /// Write one coil (05).
    WriteCoil {
        /// Which.
        address: u16,
        /// What.
        on: bool,
    },
    /// Write one holding register (06).
    WriteRegister {
        /// Which.
        address: u16,
        /// What.
        value: u16,
    },
    /// Write several coils (15).
    WriteCoils {
        /// From which address on.
        start: u16,
        /// What.
        bits: Vec<bool>,
    },
    /// Write several holding registers (16).
    WriteRegisters {
        /// From which address on.
        start: u16,
        /// What.
        values: Vec<u16>,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The bits of a read, filled up to whole bytes.
    Bits(Table, Vec<u8>),
    /// The registers of a read.
    Registers(Table, Vec<u16>),
    /// A write was done: its function, address, and value or count.
    Wrote(u8, u16, u16),
    /// The slave will not: the function and the code.
    Exception(u8, u8),
}

/// How a reply stands to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fit {
    /// It answers: one value for each that was asked (bits as 0 and 1), none after a write.
    Values(Vec<u16>),
    /// It refuses with this code.
    Exception(u8),
    /// It answers something else.
    Other,
}

impl Request {
    /// Its function.
    pub const fn function(&self) -> u8 {
        match self {
            Self::Read { table, .. } => table.function(),
            Self::WriteCoil { .. } => 5,
            Self::WriteRegister { .. } => 6,
            Self::WriteCoils { .. } => 15,
            Self::WriteRegisters { .. } => 16,
        }
    }

    /// Function and data.
    pub fn encode(&self) -> Vec<u8> {
        let mut pdu = vec![self.function()];
        let word = |value: u16| pdu.extend(value.to_be_bytes());
        match self {
            Self::Read { start, count, .. } => [*start, *count].into_iter().for_each(word),
            Self::WriteCoil { address, on } => {
                [*address, if *on { COIL_ON } else { 0 }].into_iter().for_each(word);
            }
            Self::WriteRegister { address, value } => [*address, *value].into_iter().for_each(word),
            Self::WriteCoils { start, bits } => {
                [*start, bits.len() as u16].into_iter().for_each(word);
                let bytes = pack(bits);
                pdu.push(bytes.len() as u8);
                pdu.extend(bytes);
            }
            Self::WriteRegisters { start, values } => {
                [*start, values.len() as u16].into_iter().for_each(word);
                pdu.push((values.len() * 2) as u8);
                pdu.extend(values.iter().flat_map(|value| value.to_be_bytes()));
            }
        }
        pdu
    }

    /// The request in `pdu`, if it is a possible one.
    pub fn decode(pdu: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(pdu);
        let function = cursor.byte()?;
        let first = u16::from_be_bytes(cursor.array()?);
        let second = u16::from_be_bytes(cursor.array()?);
        let request = match (function, second) {
            (5, 0 | COIL_ON) => Self::WriteCoil { address: first, on: second == COIL_ON },
            (6, value) => Self::WriteRegister { address: first, value },
            (15, count) => {
                let bytes = counted(&mut cursor)?;
                let fits = bytes.len() == usize::from(count).div_ceil(8);
                Self::WriteCoils { start: first, bits: fits.then(|| unpack(bytes, count))? }
            }
            (16, count) => {
                let bytes = counted(&mut cursor)?;
                let fits = bytes.len() == usize::from(count) * 2;
                Self::WriteRegisters { start: first, values: fits.then(|| words(bytes))? }
            }
            (function, count) => {
                let table = Table::of(function)?;
                (1..=table.most_at_once()).contains(&count).then_some(Self::Read { table, start: first, count })?
            }
        };
        cursor.is_empty().then_some(request)
    }

    /// How many bytes of function and data answer it.
    pub fn reply_length(&self) -> usize {
        match self {
            Self::Read { table, count, .. } if table.is_bits() => 2 + usize::from(*count).div_ceil(8),
            Self::Read { count, .. } => 2 + usize::from(*count) * 2,
            Self::WriteCoil { .. }
            | Self::WriteRegister { .. }
            | Self::WriteCoils { .. }
            | Self::WriteRegisters { .. } => 5,
        }
    }

    /// How `reply` stands to this request.
    pub fn fit(&self, reply: &Reply) -> Fit {
        match (self, reply) {
            (_, Reply::Exception(function, code)) if *function == self.function() => Fit::Exception(*code),
            (Self::Read { table, count, .. }, Reply::Registers(from, values))
                if table == from && values.len() == usize::from(*count) =>
            {
                Fit::Values(values.clone())
            }
            (Self::Read { table, count, .. }, Reply::Bits(from, bytes))
                if table == from && bytes.len() == usize::from(*count).div_ceil(8) =>
            {
                Fit::Values(unpack(bytes, *count).into_iter().map(u16::from).collect())
            }
            (_, Reply::Wrote(function, first, second)) if (*function, *first, *second) == self.written() => {
                Fit::Values(vec![])
            }
            _ => Fit::Other,
        }
    }

    /// What a slave returns of a write that was done.
    fn written(&self) -> (u8, u16, u16) {
        let (first, second) = match self {
            Self::Read { start, count, .. } => (*start, *count),
            Self::WriteCoil { address, on } => (*address, if *on { COIL_ON } else { 0 }),
            Self::WriteRegister { address, value } => (*address, *value),
            Self::WriteCoils { start, bits } => (*start, bits.len() as u16),
            Self::WriteRegisters { start, values } => (*start, values.len() as u16),
        };
        (self.function(), first, second)
    }

    /// The reply to a write that was done.
    pub fn done(&self) -> Reply {
        let (function, first, second) = self.written();
        Reply::Wrote(function, first, second)
    }
}

impl Reply {
    /// Function and data.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Bits(table, bytes) => [&[table.function(), bytes.len() as u8], bytes.as_slice()].concat(),
            Self::Registers(table, values) => {
                let mut pdu = vec![table.function(), (values.len() * 2) as u8];
                pdu.extend(values.iter().flat_map(|value| value.to_be_bytes()));
                pdu
            }
            Self::Wrote(function, first, second) => {
                let mut pdu = vec![*function];
                pdu.extend(first.to_be_bytes());
                pdu.extend(second.to_be_bytes());
                pdu
            }
            Self::Exception(function, code) => vec![function | EXCEPTION, *code],
        }
    }

    /// The reply in `pdu`, if it is a possible one.
    pub fn decode(pdu: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(pdu);
        let reply = match cursor.byte()? {
            function @ (1 | 2) => Self::Bits(Table::of(function)?, counted(&mut cursor)?.to_vec()),
            function @ (3 | 4) => {
                let bytes = counted(&mut cursor)?;
                Self::Registers(Table::of(function)?, bytes.len().is_multiple_of(2).then(|| words(bytes))?)
            }
            function @ (5 | 6 | 15 | 16) => {
                let first = u16::from_be_bytes(cursor.array()?);
                Self::Wrote(function, first, u16::from_be_bytes(cursor.array()?))
            }
            function if function & EXCEPTION != 0 => Self::Exception(function & !EXCEPTION, cursor.byte()?),
            _ => return None,
        };
        cursor.is_empty().then_some(reply)
    }
}

/// The bytes after a byte that counts them.
fn counted<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let count = cursor.byte()?;
    cursor.take(usize::from(count))
}

fn words(bytes: &[u8]) -> Vec<u16> {
    bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect()
}

/// Bits into bytes, the first the least significant.
pub(super) fn pack(bits: &[bool]) -> Vec<u8> {
    let byte = |eight: &[bool]| eight.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    bits.chunks(8).map(byte).collect()
}

fn unpack(bytes: &[u8], count: u16) -> Vec<bool> {
    let bits = bytes.iter().flat_map(|byte| (0..8).map(move |place| byte >> place & 1 == 1));
    bits.take(usize::from(count)).collect()
}

/// An exception in words (clause 7).
pub fn exception(code: u8) -> String {
    let words = match code {
        1 => "illegal function",
        2 => "illegal data address",
        3 => "illegal data value",
        4 => "slave device failure",
        5 => "acknowledge: still working",
        6 => "slave device busy",
        7 => "negative acknowledge",
        8 => "memory parity error",
        10 => "gateway path unavailable",
        11 => "gateway target device failed to respond",
        _ => "exception without a name",
    };
    format!("modbus exception {code:02X}: {words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_standard_encode_to_its_bytes() {
        // Modbus application protocol V1.1b3, the examples of clauses 6.1, 6.3, 6.5, 6.6, 6.11, 6.12.
        let read = |table, start, count| Request::Read { table, start, count };
        let bits = [true, false, true, true, false, false, true, true, true, false].to_vec();
        for (request, wire) in [
            (read(Table::Coils, 0x13, 0x13), vec![0x01, 0x00, 0x13, 0x00, 0x13]),
            (read(Table::Holding, 0x6B, 3), vec![0x03, 0x00, 0x6B, 0x00, 0x03]),
            (Request::WriteCoil { address: 0xAC, on: true }, vec![0x05, 0x00, 0xAC, 0xFF, 0x00]),
            (Request::WriteRegister { address: 1, value: 3 }, vec![0x06, 0x00, 0x01, 0x00, 0x03]),
            (Request::WriteCoils { start: 0x13, bits }, vec![0x0F, 0x00, 0x13, 0x00, 0x0A, 0x02, 0xCD, 0x01]),
            (
                Request::WriteRegisters { start: 1, values: vec![0x000A, 0x0102] },
                vec![0x10, 0x00, 0x01, 0x00, 0x02, 0x04, 0x00, 0x0A, 0x01, 0x02],
            ),
        ] {
            assert_eq!(request.encode(), wire);
            assert_eq!(Request::decode(&wire), Some(request));
        }
    }

    #[test]
    fn a_reply_fits_only_the_table_and_the_count_that_were_asked() {
        let request = Request::Read { table: Table::Holding, start: 0x6B, count: 3 };
        let reply = Reply::decode(&[0x03, 0x06, 0x02, 0x2B, 0x00, 0x00, 0x00, 0x64]).expect("clause 6.3");
        assert_eq!(request.fit(&reply), Fit::Values(vec![0x022B, 0, 0x64]));
        for other in [
            Reply::Registers(Table::Holding, vec![1, 2]),
            Reply::Registers(Table::InputRegisters, vec![1, 2, 3]),
            Reply::Wrote(6, 0x6B, 3),
            Reply::Exception(4, 2),
        ] {
            assert_eq!(request.fit(&other), Fit::Other, "{other:?}");
        }
        assert_eq!(request.fit(&Reply::Exception(3, 2)), Fit::Exception(2));
    }
}
