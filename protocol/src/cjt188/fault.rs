//! Why data are not read, in words that reach the user.
//!
//! Promises: every refusal names what was seen and, where there is one, the remedy. Refuses: deciding what is read.

use super::digits::BodyFault;
use super::identifier;

/// Why an answer is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadFault {
    /// No DI and SER.
    #[error("data without DI and SER")]
    NoLead,
    /// Other data than asked for.
    #[error("data identifier {0:04X} is not what was asked for")]
    OtherData(u16),
    /// Data of the 2018 edition that are known by name only.
    #[error("{name} ({code:04X}) is not read: its layout is not known well enough", name = identifier::name(*.0).unwrap_or("data"), code = .0)]
    Unread(u16),
    /// As many bytes as no data under this identifier have in plain.
    #[error(
        "{0} bytes where plain data have 43 (heat), 19 (water, gas) or 5 (a month): secured (2018) or a maker's own"
    )]
    Length(usize),
    /// In no layout do the bytes make sense; the fault is the standard layout's.
    #[error("no known layout, perhaps a maker's binary one (D), which only a profile with slots can read: {0}")]
    NoLayout(BodyFault),
    /// They make no sense in the layout a profile names.
    #[error("not in layout {0}, which the profile names: {1}")]
    NotAsNamed(&'static str, BodyFault),
    /// They make sense in more than one.
    #[error("layout ambiguous: {0}")]
    Ambiguous(&'static str),
}
