//! One open channel of a line: bytes out, bytes in.
//!
//! Promises: every wait has a limit, and what came before it was over is found though the runtime was told of the time
//! first: a node that was stalled is no silence of a meter; end of stream, an unplugged port and a cut by the watchdog are
//! errors; closing throws away what was not sent. Refuses: deciding whether to speak, and opening itself again.

mod link;
mod serial;
mod tcp;

pub(super) use link::Link;

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use protocol::dialin::Pattern;
use protocol::exchange::Timing;
use raft_store::state::registry::{Endpoint, LineSpec};
use rustix::io::Errno;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_serial::SerialStream;

use crate::config;
use crate::dialin::{Attached, Directory};

use super::watchdog::{Brake, Descriptors, Registered};

/// The largest piece taken from a channel at once; any frame of any dialect fits.
const PIECE: usize = 512;

/// A line's behaviour in the terms of its standard.
pub(super) fn timing(spec: &LineSpec) -> Timing {
    let extra = Duration::from_millis(u64::from(spec.extra_answer_ms));
    Timing { baud: spec.baud, extra, repeats: spec.repeats }
}

/// What a transmission on this channel may take beyond the time of its bytes.
pub(super) fn speak_margin(spec: &LineSpec, settings: &config::Polling, units: &config::Units) -> Duration {
    match spec.endpoint {
        // The kernel repeats what a gateway did not acknowledge for as long as this.
        Endpoint::Tcp { .. } | Endpoint::ModbusTcp { .. } => settings.speak_margin + settings.unacked_limit,
        Endpoint::DialIn { .. } => settings.speak_margin + units.unacked_limit,
        Endpoint::Serial { .. } => settings.speak_margin,
    }
}

/// The longest frame of any dialect, bytes.
pub(super) const LONGEST_FRAME: usize = 261;

/// The time after which nothing can still be answering: the longest answer time of any dialect and a whole frame.
pub(super) fn longest_answer(timing: &Timing) -> Duration {
    let bit_times = Duration::from_micros(330_000_000 / u64::from(timing.baud.max(1)));
    let mbus = bit_times + Duration::from_millis(50);
    let cjt188 = Duration::from_millis(500) + timing.characters(30);
    mbus.max(cjt188) + timing.extra + timing.characters(LONGEST_FRAME)
}

/// Bit times of quiet that end a frame.
const GAP_BITS: u64 = 33;

#[derive(Debug)]
enum Wire {
    Tcp(TcpStream),
    /// The port, and a descriptor of it by which it is read whether or not the runtime was told of anything.
    Serial(SerialStream, OwnedFd),
    Unit {
        unit: Attached,
        piece: Vec<u8>,
    },
}

/// An open channel.
#[derive(Debug)]
pub(super) struct Channel {
    wire: Wire,
    registered: Registered,
    piece: [u8; PIECE],
    gap_allowance: Duration,
}

impl Channel {
    /// Opens the channel of a line.
    async fn open(
        spec: &LineSpec,
        settings: &config::Polling,
        open: &Descriptors,
        units: &Directory,
    ) -> io::Result<Self> {
        let (wire, brake) = match &spec.endpoint {
            Endpoint::Tcp { host, port } | Endpoint::ModbusTcp { host, port } => {
                let opened = timeout(settings.connect_timeout, tcp::open(host, *port, settings)).await;
                let (stream, brake) = opened.map_err(|_| late(settings.connect_timeout))??;
                (Wire::Tcp(stream), brake)
            }
            Endpoint::Serial { path } => {
                let (port, brake) = serial::open(path, spec.baud, spec.parity)?;
                let second = brake.descriptor().try_clone()?;
                (Wire::Serial(port, second), brake)
            }
            Endpoint::DialIn { unit: id } => {
                let unit = units.attach(id).ok_or_else(|| not_connected(id))?;
                let brake = Brake::Socket(unit.descriptor()?);
                (Wire::Unit { unit, piece: Vec::new() }, brake)
            }
        };
        Ok(Self { wire, registered: open.register(brake), piece: [0; PIECE], gap_allowance: settings.gap_allowance })
    }

    fn check_whole(&self) -> io::Result<()> {
        if self.registered.is_cut() { Err(io::Error::other("the watchdog cut it")) } else { Ok(()) }
    }

    /// Writes all of `bytes` within `limit`.
    pub(super) async fn write(&mut self, bytes: &[u8], limit: Duration) -> io::Result<()> {
        self.check_whole()?;
        let written = match &mut self.wire {
            Wire::Tcp(stream) => timeout(limit, stream.write_all(bytes)).await,
            Wire::Serial(port, _) => timeout(limit, port.write_all(bytes)).await,
            Wire::Unit { unit, .. } => timeout(limit, unit.write(bytes)).await,
        };
        written.map_err(|_| late(limit))?
    }

    /// What comes within `wait`; nothing if nothing does.
    pub(super) async fn read(&mut self, wait: Duration) -> io::Result<&[u8]> {
        self.check_whole()?;
        let Self { wire, piece, .. } = self;
        let read = match wire {
            Wire::Tcp(stream) => timeout(wait, stream.read(piece)).await,
            Wire::Serial(port, _) => timeout(wait, port.read(piece)).await,
            Wire::Unit { unit, piece } => {
                let came = timeout(wait, unit.read()).await;
                *piece = match came {
                    Ok(came) => came?,
                    Err(_) => unit.overdue().await?,
                };
                return Ok(piece);
            }
        };
        let count = match read {
            Err(_) => take(wire, piece)?,
            Ok(Ok(0)) => return Err(ended()),
            Ok(count) => count?,
        };
        Ok(piece.get(..count).unwrap_or_default())
    }

    /// Waits until the line was quiet for `quiet`; or the first bytes of somebody who speaks on it, as many as came. What a
    /// unit says for itself is nobody's speech. `heard` is shown every piece.
    pub(super) async fn listen(&mut self, quiet: Duration, heard: impl Fn(&[u8])) -> io::Result<usize> {
        let (words, until) = (self.words(), Instant::now() + quiet);
        loop {
            let piece = self.read(until.saturating_duration_since(Instant::now())).await?;
            heard(piece);
            if !piece.is_empty() && !Pattern::are_all(&words, piece) {
                return Ok(piece.len());
            }
            if Instant::now() >= until {
                return Ok(0);
            }
        }
    }

    /// How long the line may be quiet inside a frame, where that can be seen: a gateway or unit cuts as it likes. The
    /// standard of wired M-Bus allows no pause at all and takes 33 bit times for the end (EN 13757-2).
    pub(super) fn longest_gap(&self, timing: &Timing) -> Option<Duration> {
        let bits = Duration::from_micros(GAP_BITS * 1_000_000 / u64::from(timing.baud.max(1)));
        matches!(self.wire, Wire::Serial(..)).then_some(bits + self.gap_allowance)
    }

    /// Whether it has ended while nobody was looking.
    fn is_over(&self) -> bool {
        matches!(&self.wire, Wire::Unit { unit, .. } if unit.is_over())
    }

    /// Nobody is being asked any more: who shares the channel may speak.
    pub(super) fn rest(&self) {
        if let Wire::Unit { unit, .. } = &self.wire {
            unit.rest();
        }
    }

    /// What may stand in the stream that no meter said.
    pub(super) fn words(&self) -> Vec<Pattern> {
        match &self.wire {
            Wire::Unit { unit, .. } => unit.words(),
            Wire::Tcp(_) | Wire::Serial(..) => Vec::new(),
        }
    }

    /// Throws away what came so far: it answers nothing that will be asked. `stale` is shown every piece of it.
    pub(super) fn drain(&mut self, stale: impl Fn(&[u8])) -> io::Result<()> {
        self.check_whole()?;
        // More pieces than any kernel keeps: a line that babbles without end is not drained, and is answered as noise.
        for _ in 0..DRAINED_PIECES {
            if let Wire::Unit { unit, .. } = &mut self.wire {
                return unit.drain(stale);
            }
            match take(&self.wire, &mut self.piece)? {
                0 => return Ok(()),
                count => stale(self.piece.get(..count).unwrap_or_default()),
            }
        }
        Ok(())
    }
}

/// Takes what lies in the kernel, also what the runtime was not told of: how many bytes of `piece` it is.
fn take(wire: &Wire, piece: &mut [u8]) -> io::Result<usize> {
    let taken = match wire {
        Wire::Tcp(stream) => rustix::io::read(stream, piece),
        Wire::Serial(_, second) => rustix::io::read(second, piece),
        Wire::Unit { .. } => return Ok(0),
    };
    match taken {
        Ok(0) => Err(ended()),
        Err(Errno::WOULDBLOCK) => Ok(0),
        taken => Ok(taken?),
    }
}

/// Pieces thrown away before one transmission, at most.
const DRAINED_PIECES: usize = 1_024;

fn not_connected(unit: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, format!("unit {unit} is not connected"))
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "closed by the other side")
}

fn late(limit: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("nothing within {limit:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_answer_at_2400_baud_is_that_of_cjt188_and_a_whole_frame() {
        let timing = Timing { baud: 2400, extra: Duration::ZERO, repeats: 2 };
        let expected = Duration::from_micros(500_000 + 137_500 + 1_196_250);
        assert_eq!(longest_answer(&timing), expected);
        assert_eq!(longest_answer(&timing).as_millis(), 1_833);
    }
}
