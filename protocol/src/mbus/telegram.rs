//! One telegram of an answer, kept as its bytes and known to be readable to its end.
//!
//! ```text
//!   control information, data --> Telegram          variable, fixed; compact, once its format is known
//!                             --> Format            a format frame: nothing to read, one format more
//!                             --> nothing           unreadable, encrypted, of an unknown kind or format
//! ```
//!
//! Promises: what is kept reads without a fault. Refuses: half of a list.

use super::compact::{CompactFault, Formats};
use super::frame::ci;
use super::payload::{Payload, Reader};
use super::selection::Selection;

/// A readable telegram.
#[derive(Debug, Clone)]
pub(super) struct Telegram {
    kind: u8,
    data: Vec<u8>,
    more_follow: bool,
}

/// What came.
#[derive(Debug)]
pub(super) enum Arrival {
    /// Records.
    Telegram(Telegram),
    /// The format of telegrams to come.
    Format,
}

impl Telegram {
    /// Takes the data behind control information `kind`, which came after `earlier`; `None` where they cannot be read.
    pub(super) fn take(kind: u8, data: &[u8], earlier: &[Self], formats: &mut Formats) -> Option<Arrival> {
        if matches!(kind, ci::FORMAT..=ci::FORMAT_LONG) {
            return formats.learn(kind, data).map(|_| Arrival::Format);
        }
        if let Some(whole) = Self::whole(kind, data) {
            return Some(Arrival::Telegram(whole));
        }
        // Full frames tell a format as well, but who learned from each of them would work for hardly anyone.
        if matches!(formats.expand(kind, data), Err(CompactFault::UnknownFormat(_))) {
            for telegram in earlier {
                formats.learn(telegram.kind, &telegram.data);
            }
        }
        let (kind, data) = formats.expand(kind, data).ok()?;
        Self::whole(kind, &data).map(Arrival::Telegram)
    }

    /// Takes the data behind control information `kind`, where nothing that came before is needed to read them.
    pub(super) fn whole(kind: u8, data: &[u8]) -> Option<Self> {
        let mut reader = Reader::open(kind, data).ok()?;
        if reader.any(|record| record.is_err()) {
            return None;
        }
        Some(Self { kind, data: data.to_vec(), more_follow: reader.tail().more_follow })
    }

    /// Whether the meter says that another follows.
    pub(super) const fn more_follow(&self) -> bool {
        self.more_follow
    }

    /// Whether what it says of its sender fits `selection`; one that says nothing of it does.
    pub(super) fn is_from(&self, selection: &Selection) -> bool {
        self.payload().is_some_and(|payload| payload.is_from(selection))
    }

    /// The fabrication number among its records.
    pub(super) fn fabrication(&self) -> Option<i64> {
        self.payload()?.fabrication()
    }

    /// The bytes behind its header: what tells one telegram from the next.
    pub(super) fn records(&self) -> &[u8] {
        self.data.get(Payload::header_length(self.kind)..).unwrap_or_default()
    }

    /// What it says.
    pub(super) fn payload(&self) -> Option<Payload<'_>> {
        Payload::parse(self.kind, &self.data).ok()
    }
}
