//! Where each record of M-Bus data begins and ends.
//!
//! ```text
//!   DIF DIFE.. | VIF VIFE.. | LVAR | data      0F maker's data to the end     2F filler
//! ```
//!
//! Promises: the records of [`protocol::mbus::record::Records`] in the same order. Refuses: what lies behind a fault.

use protocol::bytes::Cursor;
use protocol::mbus::vif::{TextPlace, Vif};

/// A stretch of the data, by its lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    /// 2F.
    Filler,
    /// 0F or 1F and so many bytes.
    Makers(usize),
    /// A record.
    Record {
        /// DIF and DIFEs.
        dif: usize,
        /// VIF and VIFEs, with a plain text.
        vif: usize,
        /// LVAR, where there is one.
        lvar: usize,
        /// The value.
        data: usize,
    },
}

impl Item {
    pub(super) const fn length(self) -> usize {
        match self {
            Self::Filler => 1,
            Self::Makers(length) => 1 + length,
            Self::Record { dif, vif, lvar, data } => dif + vif + lvar + data,
        }
    }
}

/// The stretches of `data`, up to the first that cannot be read.
pub(super) fn walk(data: &[u8]) -> Vec<Item> {
    let clean = [TextPlace::BeforeExtensions, TextPlace::BehindExtensions].into_iter().find_map(|texts| {
        let (items, is_clean) = walk_with(data, texts);
        is_clean.then_some(items)
    });
    clean.unwrap_or_else(|| walk_with(data, TextPlace::Either).0)
}

fn walk_with(data: &[u8], texts: TextPlace) -> (Vec<Item>, bool) {
    let mut cursor = Cursor::new(data);
    let (mut items, mut is_clean) = (Vec::new(), true);
    while !cursor.is_empty() {
        let Some((item, is_odd)) = step(&mut cursor, texts) else { return (items, false) };
        is_clean &= !is_odd;
        items.push(item);
    }
    (items, is_clean)
}

fn step(cursor: &mut Cursor<'_>, texts: TextPlace) -> Option<(Item, bool)> {
    let dif = cursor.byte()?;
    match dif {
        0x2F => return Some((Item::Filler, false)),
        0x0F | 0x1F => {
            let length = cursor.rest().len();
            cursor.take(length)?;
            return Some((Item::Makers(length), false));
        }
        _ if dif & 0x0F == 0x0F => return None,
        _ => {}
    }
    let (mut last, mut difs) = (dif, 1);
    while last & 0x80 != 0 {
        last = cursor.byte()?;
        difs += 1;
    }
    let before = cursor.rest().len();
    let block = Vif::read(cursor, texts).ok()?;
    let vif = before - cursor.rest().len();
    let (lvar, data) = value_length(dif & 0x0F, cursor)?;
    cursor.take(data)?;
    Some((Item::Record { dif: difs, vif, lvar, data }, block.is_odd_text))
}

fn value_length(coding: u8, cursor: &mut Cursor<'_>) -> Option<(usize, usize)> {
    let length = match coding {
        0x0 | 0x8 => 0,
        0x5 => 4,
        0x7 => 8,
        0xD => return variable_length(cursor.byte()?).map(|length| (1, length)),
        0xE => 6,
        0x9..=0xC => usize::from(coding) - 8,
        _ => usize::from(coding),
    };
    Some((0, length))
}

fn variable_length(lvar: u8) -> Option<usize> {
    match lvar {
        0x00..=0xBF => Some(usize::from(lvar)),
        0xC0..=0xC9 | 0xD0..=0xD9 | 0xE0..=0xEF => Some(usize::from(lvar & 0x0F)),
        0xF0..=0xF4 => Some(4 * usize::from(lvar - 0xEC)),
        0xF5 | 0xF6 => Some(16 * usize::from(lvar - 0xF2)),
        _ => None,
    }
}
