//! One connected unit, and the one line that may speak through it.
//!
//! ```text
//!   Call  --heard--> pieces (bounded) --> Attached::read        the line
//!         <--- gone ------------------    Attached dropped: the connection ends, unsent bytes with it
//!   pen: one writer at a time; a frame is never cut in two by an echo
//! ```
//!
//! Promises: one line at a time; whoever lets go of it closes the connection, so that the kernel speaks for no former
//! owner. Refuses: telling a heartbeat from a meter's byte.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::dialin::{Intake, Pattern};
use rustix::net::connect_unspec;
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// A unit that registered.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) id: String,
    /// Which connection of this life of the node.
    pub(super) connection: u64,
    pub(super) peer: SocketAddr,
    pub(super) stream: TcpStream,
    /// How it spoke when it registered: how frames to it are wrapped, which words it says.
    manner: Intake,
    /// The connection is to end.
    pub(super) gone: CancellationToken,
    pen: tokio::sync::Mutex<()>,
    line: Mutex<Option<mpsc::Sender<Vec<u8>>>>,
    asking: AtomicBool,
    owed: Mutex<Option<Vec<u8>>>,
    /// Told when nobody is being asked any more.
    pub(super) rested: Notify,
}

impl Unit {
    pub(super) fn new(id: String, connection: u64, peer: SocketAddr, stream: TcpStream, manner: Intake) -> Self {
        Self {
            id,
            connection,
            peer,
            stream,
            manner,
            gone: CancellationToken::new(),
            pen: tokio::sync::Mutex::default(),
            line: Mutex::default(),
            asking: AtomicBool::new(false),
            owed: Mutex::default(),
            rested: Notify::new(),
        }
    }

    fn line(&self) -> MutexGuard<'_, Option<mpsc::Sender<Vec<u8>>>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn owed(&self) -> MutexGuard<'_, Option<Vec<u8>>> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a meter of its line is being asked something.
    pub(super) fn is_asking(&self) -> bool {
        self.asking.load(Ordering::SeqCst)
    }

    /// Ends the connection now, whoever still holds it; what the kernel has not sent is thrown away.
    pub(super) fn cut(&self) {
        self.gone.cancel();
        // A connection that fails here has ended already, which is what was wanted.
        let _ = connect_unspec(&self.stream);
    }

    /// Hands bytes to the line; without a line, or with one that does not listen, they are lost.
    pub(super) fn heard(&self, bytes: Vec<u8>) {
        if let Some(line) = &*self.line() {
            // A line that is this far behind asks again.
            let _ = line.try_send(bytes);
        }
    }

    /// Writes all of `bytes`, alone.
    pub(super) async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let _pen = self.pen.lock().await;
        let mut rest = bytes;
        while !rest.is_empty() {
            self.stream.writable().await?;
            match self.stream.try_write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Says a few bytes to the unit itself.
    pub(super) async fn answer(&self, bytes: &[u8], limit: Duration) -> io::Result<()> {
        timeout(limit, self.write(bytes)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    /// Echoes a heartbeat, now or once no meter is being asked; of several only the last is owed.
    pub(super) async fn echo(&self, bytes: Vec<u8>, limit: Duration) -> io::Result<()> {
        if self.is_asking() {
            *self.owed() = Some(bytes);
            return Ok(());
        }
        self.answer(&bytes, limit).await
    }

    /// The echo that had to wait, if its time has come.
    pub(super) fn owed_now(&self) -> Option<Vec<u8>> {
        if self.is_asking() { None } else { self.owed().take() }
    }
}

/// Turns of other tasks in which what has come is handed on, at most.
const HANDING_ON: usize = 16;

/// The unit as its line has it. Dropping it ends the connection.
#[derive(Debug)]
pub(crate) struct Attached {
    unit: Arc<Unit>,
    pieces: mpsc::Receiver<Vec<u8>>,
}

impl Attached {
    /// `None` if another line has it, or had: the connection ends with that.
    pub(super) fn new(unit: &Arc<Unit>, pieces: usize) -> Option<Self> {
        let mut line = unit.line();
        if line.is_some() || unit.gone.is_cancelled() {
            return None;
        }
        let (heard, pieces) = mpsc::channel(pieces);
        *line = Some(heard);
        Some(Self { unit: Arc::clone(unit), pieces })
    }

    /// A second descriptor of the connection.
    pub(crate) fn descriptor(&self) -> io::Result<OwnedFd> {
        self.unit.stream.as_fd().try_clone_to_owned()
    }

    /// What the unit may say into the answers of its meters.
    pub(crate) fn words(&self) -> Vec<Pattern> {
        self.unit.manner.words()
    }

    /// Writes `frame` to the meters behind the unit; they are being asked from now on.
    pub(crate) async fn write(&self, frame: &[u8]) -> io::Result<()> {
        self.unit.asking.store(true, Ordering::SeqCst);
        if self.is_over() {
            return Err(hung_up());
        }
        self.unit.write(&self.unit.manner.wrap(frame)).await
    }

    /// Whether the connection has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.unit.gone.is_cancelled()
    }

    /// Nobody is being asked any more.
    pub(crate) fn rest(&self) {
        self.unit.asking.store(false, Ordering::SeqCst);
        self.unit.rested.notify_one();
    }

    /// The next piece that came.
    pub(crate) async fn read(&mut self) -> io::Result<Vec<u8>> {
        tokio::select! {
            biased;
            piece = self.pieces.recv() => piece.ok_or_else(hung_up),
            () = self.unit.gone.cancelled() => Err(hung_up()),
        }
    }

    /// What has come by the end of a wait, though it was not handed on yet: whoever hands it on may have been stalled as
    /// long. Nothing if nothing did.
    pub(crate) async fn overdue(&mut self) -> io::Result<Vec<u8>> {
        for _ in 0..HANDING_ON {
            // What was read and not handed on is handed on by whoever else has the turn.
            let is_waited_for = rustix::io::ioctl_fionread(&self.unit.stream)? > 0;
            tokio::task::yield_now().await;
            match self.pieces.try_recv() {
                Ok(piece) => return Ok(piece),
                Err(_) if is_waited_for => {}
                Err(_) => break,
            }
        }
        Ok(Vec::new())
    }

    /// Throws away what came so far; `stale` is shown every piece of it.
    pub(crate) fn drain(&mut self, stale: impl Fn(&[u8])) -> io::Result<()> {
        while let Ok(piece) = self.pieces.try_recv() {
            stale(&piece);
        }
        if self.is_over() { Err(hung_up()) } else { Ok(()) }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.rest();
        self.unit.gone.cancel();
    }
}

fn hung_up() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the unit hung up")
}
