//! Frames out of a stream of bytes, whatever the dialect: half a frame waits, noise is stepped over byte by byte.
//!
//! ```text
//!   noise   frame       half a frame
//!   00 7F | 68 .. 16  | 68 1F 1F
//!   Garbage(2)  Ok      None until more comes, or until the gap is declared closed
//! ```
//!
//! Promises: never holds more than [`Stream::LIMIT`] bytes; the work per byte is bounded by one frame; a frame with a
//! wrong checksum is told from noise, and what lies inside it is searched again without taking lone bytes for answers.
//! Refuses: knowing what a frame looks like (the tower's `probe` does).

/// Why a stretch of bytes is no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// A frame's shape with a wrong checksum.
    #[error("frame with a wrong checksum")]
    BadChecksum,
    /// This many bytes that are no frame.
    #[error("{0} bytes that are no frame")]
    Garbage(usize),
}

/// What stands at the front of a buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Probe<F> {
    /// A sound frame of this many bytes.
    Sound(F, usize),
    /// A frame's shape of this many bytes, unsound: a wrong checksum is told as such, anything else counts as garbage.
    Unsound(FrameFault, usize),
    /// Perhaps the beginning of a frame.
    Unfinished,
    /// A byte that cannot begin a frame.
    Noise,
    /// A byte that may stand between frames.
    Padding,
}

/// Looks at the front of a buffer (never empty); the flag says that it lies inside an unsound frame.
pub(crate) type ProbeFn<F> = fn(&[u8], bool) -> Probe<F>;

/// The buffer between bytes and frames.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stream {
    buffer: Vec<u8>,
    garbage: usize,
    /// How many of the next bytes lie inside an unsound frame.
    suspect: usize,
    /// How many of the next bytes belong to a frame whose wrong checksum was told: they are no garbage as well.
    told: usize,
    closed: bool,
}

impl Stream {
    /// The most bytes held, in bytes; beyond it the oldest are dropped and count as garbage.
    pub(crate) const LIMIT: usize = 4096;

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.closed = false;
        self.buffer.extend_from_slice(bytes);
        let excess = self.buffer.len().saturating_sub(Self::LIMIT);
        self.garbage += excess;
        self.skip(excess);
    }

    /// Nothing more will complete what is held: the line went quiet.
    pub(crate) fn close_gap(&mut self) {
        self.closed = true;
    }

    /// Whether the beginning of a frame is held.
    pub(crate) fn is_unfinished(&self) -> bool {
        !self.buffer.is_empty()
    }

    pub(crate) fn next<F>(&mut self, probe: ProbeFn<F>) -> Option<Result<F, FrameFault>> {
        while !self.buffer.is_empty() {
            match probe(&self.buffer, self.suspect > 0) {
                Probe::Unfinished if !self.closed => break,
                Probe::Unfinished | Probe::Noise => self.skip_noise(),
                Probe::Padding => self.skip(1),
                Probe::Unsound(FrameFault::Garbage(_), length) => {
                    self.skip_noise();
                    self.suspect = self.suspect.max(length.saturating_sub(1));
                }
                Probe::Sound(..) | Probe::Unsound(..) if self.garbage > 0 => break,
                Probe::Sound(frame, length) => {
                    self.skip(length);
                    (self.suspect, self.told) = (0, 0);
                    return Some(Ok(frame));
                }
                Probe::Unsound(fault, length) => {
                    let is_told = self.told > 0;
                    self.skip(1);
                    self.suspect = self.suspect.max(length.saturating_sub(1));
                    self.told = self.told.max(length.saturating_sub(1));
                    if !is_told {
                        return Some(Err(fault));
                    }
                }
            }
        }
        let garbage = std::mem::take(&mut self.garbage);
        (garbage > 0).then_some(Err(FrameFault::Garbage(garbage)))
    }

    fn skip_noise(&mut self) {
        if self.told == 0 {
            self.garbage += 1;
        }
        self.skip(1);
    }

    fn skip(&mut self, count: usize) {
        self.buffer.drain(..count.min(self.buffer.len()));
        self.suspect = self.suspect.saturating_sub(count);
        self.told = self.told.saturating_sub(count);
    }
}
