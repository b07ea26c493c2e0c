//! Who wants to hear a line's bytes: taps on the lines of this node.
//!
//! ```text
//!   a line's task --said, heard--> is anybody listening? --no--> nothing
//!                                        |  (one load)
//!                                        +--yes--> [ queue, trace.queue ] --> Ear
//!                                                    full: lost, counted, told with the next piece
//! ```
//!
//! Promises: a line never waits for a listener, and pays nothing where there is none; a listener learns how many pieces
//! it lost, and that its line was let go. Refuses: keeping anything for listeners to come, and understanding the bytes.

pub mod service;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::meter::{CommandId, LineId, MeterId};
use raft_store::state::UnixMillis;
use tokio::sync::mpsc;

use crate::clock::wall_now;
use crate::config;

/// What asked for what is said and heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// Nobody: the line is only listened to.
    Nobody,
    /// A due slot.
    Poll {
        /// Of this meter.
        meter: MeterId,
        /// The slot.
        slot: UnixMillis,
    },
    /// A command.
    Command {
        /// Which.
        command: CommandId,
        /// For this meter.
        meter: MeterId,
    },
    /// A look at what a command has done.
    ReadBack {
        /// Which command.
        command: CommandId,
        /// At this meter.
        meter: MeterId,
    },
    /// A freeze that nobody read.
    History {
        /// Of this meter.
        meter: MeterId,
        /// Its slot.
        slot: UnixMillis,
    },
    /// A scan.
    Scan,
}

/// Which way bytes went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the line.
    Said,
    /// From the line.
    Heard,
}

/// Bytes that were written or read in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// When they were handed over, or came.
    pub at: UnixMillis,
    /// Which way they went.
    pub way: Way,
    /// What asked.
    pub asker: Asker,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Pieces lost before this one.
    pub lost: u64,
}

/// A handle to the taps of a node; clones share them.
#[derive(Debug, Clone)]
pub struct Traces {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// How many ears there are: looked at before every piece.
    listening: AtomicUsize,
    ears: Mutex<Vec<Tap>>,
    room: usize,
    most: usize,
}

#[derive(Debug)]
struct Tap {
    line: LineId,
    pieces: mpsc::Sender<Piece>,
    lost: u64,
}

/// As many listen as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} listeners are served by the line's node already (trace.listeners): try again later")]
pub struct Crowded(usize);

impl Traces {
    /// Taps within the limits of `config`.
    pub fn new(config: &config::Trace) -> Self {
        let (listening, ears) = (AtomicUsize::new(0), Mutex::default());
        Self { shared: Arc::new(Shared { listening, ears, room: config.queue.max(1), most: config.listeners }) }
    }

    /// Listens to `line` from now on.
    pub fn listen(&self, line: LineId) -> Result<Ear, Crowded> {
        let mut ears = self.shared.ears();
        if ears.len() >= self.shared.most {
            return Err(Crowded(self.shared.most));
        }
        let (sender, pieces) = mpsc::channel(self.shared.room);
        ears.push(Tap { line, pieces: sender, lost: 0 });
        self.shared.listening.store(ears.len(), Ordering::Relaxed);
        Ok(Ear { pieces, shared: Arc::clone(&self.shared) })
    }

    /// The way of what `asker` says and hears on `line` to whoever listens.
    pub const fn voice(&self, line: LineId, asker: Asker) -> Voice<'_> {
        Voice { traces: self, line, asker }
    }

    /// `line` is let go: whoever listens hears that nothing more comes.
    pub fn close(&self, line: LineId) {
        if self.is_heard() {
            self.shared.keep(|tap| tap.line != line);
        }
    }

    fn is_heard(&self) -> bool {
        self.shared.listening.load(Ordering::Relaxed) > 0
    }
}

impl Shared {
    fn ears(&self) -> MutexGuard<'_, Vec<Tap>> {
        self.ears.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, wanted: impl Fn(&Tap) -> bool) {
        let mut ears = self.ears();
        ears.retain(wanted);
        self.listening.store(ears.len(), Ordering::Relaxed);
    }
}

impl Tap {
    fn hand_over(&mut self, piece: Piece) {
        let piece = Piece { lost: self.lost, ..piece };
        match self.pieces.try_send(piece) {
            Ok(()) => self.lost = 0,
            Err(_) => self.lost = self.lost.saturating_add(1),
        }
    }
}

/// What one asker says and hears on one line.
#[derive(Debug, Clone, Copy)]
pub struct Voice<'a> {
    traces: &'a Traces,
    line: LineId,
    asker: Asker,
}

impl Voice<'_> {
    /// These bytes go to the line.
    pub fn said(&self, bytes: &[u8]) {
        self.publish(Way::Said, bytes);
    }

    /// These bytes came from the line.
    pub fn heard(&self, bytes: &[u8]) {
        self.publish(Way::Heard, bytes);
    }

    fn publish(&self, way: Way, bytes: &[u8]) {
        if bytes.is_empty() || !self.traces.is_heard() {
            return;
        }
        let at = wall_now();
        for tap in self.traces.shared.ears().iter_mut().filter(|tap| tap.line == self.line) {
            tap.hand_over(Piece { at, way, asker: self.asker, bytes: bytes.to_vec(), lost: 0 });
        }
    }
}

/// A listener's end.
#[derive(Debug)]
pub struct Ear {
    pieces: mpsc::Receiver<Piece>,
    shared: Arc<Shared>,
}

impl Ear {
    /// The next piece; nothing once the line was let go.
    pub async fn next(&mut self) -> Option<Piece> {
        self.pieces.recv().await
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.pieces.close();
        self.shared.keep(|tap| !tap.pieces.is_closed());
    }
}
