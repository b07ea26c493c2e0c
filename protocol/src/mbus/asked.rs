//! Whom a dialogue asks: how it is addressed, and by what its answer is known.
//!
//! ```text
//!   1..250, FE              primary                  the address in the answer
//!   id man. ver med         at FD, once selected     the long header in the answer
//!   .. fabrication number   at FD, selected by both  these, and the record of the fabrication number
//! ```
//!
//! Promises: an answer that says it is another's is never taken; one that says nothing of its sender is, for the
//! address or the selection stands for it. Refuses: speaking.

use super::frame;
use super::selection::Selection;
use super::telegram::Telegram;
use crate::bytes::packed_bcd;
use crate::meter::Address;

/// Who is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked(pub(super) Address);

impl Asked {
    /// The address of the link layer.
    pub(super) const fn primary(self) -> u8 {
        match self.0 {
            Address::MbusPrimary(primary) => primary,
            _ => frame::SELECTED,
        }
    }

    /// Whether it must be selected first.
    pub(super) const fn is_secondary(self) -> bool {
        self.selection().is_some()
    }

    /// What selects it, without its fabrication number.
    pub(super) const fn selection(self) -> Option<Selection> {
        match self.0 {
            Address::MbusSecondary { id, manufacturer, version, medium }
            | Address::MbusEnhanced { id, manufacturer, version, medium, .. } => {
                Some(Selection { id, manufacturer, version, medium })
            }
            _ => None,
        }
    }

    /// The data of the selecting frame, with the fabrication number where its address names one.
    pub(super) fn selecting(self) -> Vec<u8> {
        match (self.selection(), self.0) {
            (Some(selection), Address::MbusEnhanced { fabrication, .. }) => selection.encode_enhanced(fabrication),
            (selection, _) => selection.map(|selection| selection.encode().to_vec()).unwrap_or_default(),
        }
    }

    /// Whether an answer with this address in its frame may be its.
    pub(super) const fn speaks_as(self, address: u8) -> bool {
        address == self.primary() || matches!(self.primary(), frame::ANYONE | frame::SELECTED)
    }

    /// Whether what a telegram says of its sender fits.
    pub(super) fn is_sender_of(self, telegram: &Telegram) -> bool {
        let number = match self.0 {
            Address::MbusEnhanced { fabrication, .. } => packed_bcd(fabrication.into()).map(u64::cast_signed),
            _ => None,
        };
        let is_other = number.zip(telegram.fabrication()).is_some_and(|(asked, said)| asked != said);
        !is_other && self.selection().is_none_or(|selection| telegram.is_from(&selection))
    }
}
