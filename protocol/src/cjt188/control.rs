//! The control field C (CJ/T 188 clause "data link layer"): what a frame asks or answers.
//!
//! ```text
//!   7 from the meter | 6 the meter refuses | 5..0 function: 01 03 04 09 15 16, 20 and above the maker's
//! ```
//!
//! Promises: one word for each function. Refuses: knowing what a maker's function does.

/// Set in every frame a meter sends.
pub const FROM_METER: u8 = 0x80;
/// Set in a meter's refusal.
pub const ERROR: u8 = 0x40;
/// The bits of the function.
pub const FUNCTION: u8 = 0x3F;
/// Functions from here on are the maker's.
pub const MAKERS: u8 = 0x20;
/// Read data.
pub const READ: u8 = 0x01;
/// Read the meter's address.
pub const READ_ADDRESS: u8 = 0x03;
/// Write data: valve, clock.
pub const WRITE: u8 = 0x04;
/// Read the version of the key.
pub const READ_KEY_VERSION: u8 = 0x09;
/// Write the meter's address.
pub const WRITE_ADDRESS: u8 = 0x15;
/// Write the base count: what the mechanical register shows.
pub const WRITE_BASE: u8 = 0x16;

/// Whether anyone sends this function: one of the standard, or a maker's.
pub const fn is_known(control: u8) -> bool {
    let function = control & FUNCTION;
    matches!(function, READ | READ_ADDRESS | WRITE | READ_KEY_VERSION | WRITE_ADDRESS | WRITE_BASE | MAKERS..)
}

/// What a frame with this control field asks or answers, in words.
pub const fn word(control: u8) -> &'static str {
    match control & FUNCTION {
        READ => "read data",
        READ_ADDRESS => "read address",
        WRITE => "write data",
        READ_KEY_VERSION => "read key version",
        WRITE_ADDRESS => "write address",
        WRITE_BASE => "write base count",
        MAKERS.. => "maker's own function",
        _ => "reserved function",
    }
}
