//! The dialects a line may carry.
//!
//! Promises: a frame bears the dialect it is sound in. Refuses: finding frames, and answering them.

use protocol::{cjt188, mbus, modbus};

/// The dialects spoken on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dialects {
    /// M-Bus.
    pub mbus: bool,
    /// CJ/T 188.
    pub cjt188: bool,
    /// Modbus, in frames of the serial line.
    pub modbus_rtu: bool,
    /// Modbus, in frames of TCP.
    pub modbus_tcp: bool,
}

/// A sound frame of some dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// M-Bus.
    Mbus(mbus::frame::Frame),
    /// CJ/T 188.
    Cjt188(cjt188::frame::Frame),
    /// Modbus, in frames of the serial line.
    ModbusRtu(modbus::frame::Frame),
    /// Modbus, in frames of TCP.
    ModbusTcp(modbus::mbap::Frame),
}
