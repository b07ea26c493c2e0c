//! A serial port of this node.
//!
//! Promises: eight data bits, one stop bit, the line's speed and parity, and nobody else on the port; what an earlier
//! channel left in the port's queues is gone. Refuses: modem lines and flow control: meters have none.

use std::io;

use raft_store::state::registry::Parity;
use rustix::fs::{Mode, OFlags};
use rustix::termios::{Action, QueueSelector, tcflow, tcflush};
use tokio_serial::{DataBits, FlowControl, SerialPortBuilderExt, SerialStream, StopBits};

use crate::polling::watchdog::Brake;

pub(super) fn open(path: &str, baud: u32, parity: Parity) -> io::Result<(SerialStream, Brake)> {
    // The brake comes first: once the port is exclusive it cannot be opened again.
    let brake =
        rustix::fs::open(path, OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    let mut port = tokio_serial::new(path, baud)
        .data_bits(DataBits::Eight)
        .stop_bits(StopBits::One)
        .flow_control(FlowControl::None)
        .parity(named(parity))
        .open_native_async()?;
    port.set_exclusive(true)?;
    tcflush(&brake, QueueSelector::IOFlush)?;
    tcflow(&brake, Action::OOn)?;
    Ok((port, Brake::Serial(brake)))
}

const fn named(parity: Parity) -> tokio_serial::Parity {
    match parity {
        Parity::None => tokio_serial::Parity::None,
        Parity::Even => tokio_serial::Parity::Even,
        Parity::Odd => tokio_serial::Parity::Odd,
    }
}
