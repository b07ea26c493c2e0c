//! The dialects a line may carry.
//!
//! Promises: a frame bears the dialect it is sound in. Refuses: finding frames, and answering them.

use protocol::{cjt188, mbus};

/// The dialects spoken on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dialects {
    /// M-Bus.
    pub mbus: bool,
    /// CJ/T 188.
    pub cjt188: bool,
}

/// A sound frame of some dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// M-Bus.
    Mbus(mbus::frame::Frame),
    /// CJ/T 188.
    Cjt188(cjt188::frame::Frame),
}
