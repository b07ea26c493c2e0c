//! One connection of a unit, from its first byte to its last.
//!
//! ```text
//!   asked who it is --within register_limit--> registered --> heard, until idle_limit without a byte
//!        |                                        |              hung up, replaced, let go of by its line
//!        +-- says something else: closed          +-- no line within register_limit: remembered, closed
//!   node may hold no lines: a meter that is being asked is let finish, then closed
//! ```
//!
//! Promises: ends in every case; the connection is closed at once, with what the kernel has not sent. Refuses: reading
//! faster than it hands on: what a unit says costs memory for one piece.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use protocol::dialin::{Heard, Intake, Manner};
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::directory::{Directory, Lines};
use super::unit::Unit;
use crate::config::DialIn;

/// The largest piece taken from a connection at once, bytes.
const PIECE: usize = 1024;

/// What every call on one port has in common.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) settings: DialIn,
    pub(super) manner: Arc<Manner>,
    pub(super) directory: Directory,
}

/// Serves one connection until it ends, or `stop`.
pub(super) async fn serve(port: &Port, stream: TcpStream, peer: SocketAddr, stop: CancellationToken) {
    let mut open = port.directory.is_open();
    let registered = tokio::select! {
        () = stop.cancelled() => return,
        () = closed(&mut open) => return,
        registered = timeout(port.settings.register_limit, register(port, stream, peer)) => registered,
    };
    match registered {
        Ok(Ok((unit, intake, data))) => {
            let ended = Call { port, unit: &unit, intake }.run(data, open, stop).await;
            let why = ended.err().map_or_else(|| "let go".to_owned(), |error| error.to_string());
            tracing::debug!(unit = %unit.id, %peer, %why, "unit gone");
            port.directory.leave(&unit);
        }
        Ok(Err(error)) => refused(port, peer, &error.to_string()),
        Err(_) => refused(port, peer, &format!("not registered within {:?}", port.settings.register_limit)),
    }
}

/// Ends when the node takes no units any more.
async fn closed(open: &mut watch::Receiver<bool>) {
    // The directory that says so is held by the port.
    let _ = open.wait_for(|open| !open).await;
}

fn refused(port: &Port, peer: SocketAddr, why: &str) {
    tracing::debug!(%peer, why, "connection on a dial-in port closed");
    port.directory.metrics().unit_refused();
}

/// Hears who it is; what it said beyond that comes with it.
async fn register(port: &Port, stream: TcpStream, peer: SocketAddr) -> io::Result<(Arc<Unit>, Intake, Vec<Heard>)> {
    let settings = port.directory.settings();
    stream.set_nodelay(true)?;
    stream.set_zero_linger()?;
    let unacked = u32::try_from(settings.unacked_limit.as_millis()).unwrap_or(u32::MAX);
    set_tcp_user_timeout(&stream, unacked)?;
    let mut intake = Intake::new(Arc::clone(&port.manner));
    loop {
        let mut heard = intake.hear(&piece(&stream).await?).into_iter();
        match heard.next() {
            None => {}
            Some(Heard::Registered(id)) => {
                let unit = port.directory.enter(&id, peer, stream, intake.clone());
                return Ok((unit, intake, heard.collect()));
            }
            Some(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "not a registration of this port")),
        }
    }
}

/// The next bytes of a connection.
async fn piece(stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut piece = vec![0; PIECE];
    loop {
        stream.readable().await?;
        match stream.try_read(&mut piece) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed by the other side")),
            Ok(count) => {
                piece.truncate(count);
                return Ok(piece);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// A registered unit's connection.
struct Call<'a> {
    port: &'a Port,
    unit: &'a Unit,
    intake: Intake,
}

impl Call<'_> {
    async fn run(
        mut self,
        heard: Vec<Heard>,
        mut open: watch::Receiver<bool>,
        stop: CancellationToken,
    ) -> io::Result<()> {
        self.act(heard).await?;
        let mut lines = self.port.directory.lines();
        let mut no_line_until = self.note_line(&lines.borrow_and_update(), None);
        let mut idle_until = Instant::now() + self.port.settings.idle_limit;
        loop {
            let without_line = no_line_until.unwrap_or(idle_until);
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.unit.gone.cancelled() => return Ok(()),
                () = closed(&mut open) => return self.let_finish().await,
                changed = lines.changed() => {
                    changed.map_err(io::Error::other)?;
                    no_line_until = self.note_line(&lines.borrow_and_update(), no_line_until);
                }
                bytes = piece(&self.unit.stream) => {
                    let heard = self.intake.hear(&bytes?);
                    self.act(heard).await?;
                    idle_until = Instant::now() + self.port.settings.idle_limit;
                }
                () = self.unit.rested.notified() => self.act(Vec::new()).await?,
                () = tokio::time::sleep_until(idle_until.min(without_line)) => {
                    let why = if no_line_until.is_some() { "it has no line" } else { "it said nothing for too long" };
                    return Err(io::Error::new(io::ErrorKind::TimedOut, why));
                }
            }
        }
    }

    /// Until when the unit may be without a line; `None`: it has one.
    fn note_line(&self, lines: &Lines, until: Option<Instant>) -> Option<Instant> {
        if lines.contains_key(&self.unit.id) {
            return None;
        }
        until.or_else(|| {
            self.port.directory.unknown_called(&self.unit.id, self.unit.peer);
            tracing::warn!(unit = %self.unit.id, peer = %self.unit.peer, "a unit without a line called");
            Some(Instant::now() + self.port.settings.register_limit)
        })
    }

    async fn act(&self, heard: Vec<Heard>) -> io::Result<()> {
        let limit = self.port.directory.settings().answer_limit;
        for word in heard {
            match word {
                Heard::Data(bytes) => self.unit.heard(bytes),
                Heard::Answer(bytes) => self.unit.answer(&bytes, limit).await?,
                Heard::Echo(bytes) => self.unit.echo(bytes, limit).await?,
                Heard::Registered(_) => {}
                Heard::Farewell => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it said goodbye")),
                Heard::Stranger => return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not what it was")),
            }
        }
        if let Some(owed) = self.unit.owed_now() {
            self.unit.answer(&owed, limit).await?;
        }
        Ok(())
    }

    /// Goes on hearing while a meter is being asked, for a bounded time.
    async fn let_finish(mut self) -> io::Result<()> {
        let until = Instant::now() + self.port.directory.settings().leave_limit;
        while self.unit.is_asking() {
            tokio::select! {
                () = self.unit.gone.cancelled() => return Ok(()),
                () = tokio::time::sleep_until(until) => return Ok(()),
                bytes = piece(&self.unit.stream) => {
                    let heard = self.intake.hear(&bytes?);
                    self.act(heard).await?;
                }
                () = tokio::time::sleep(self.port.directory.settings().gather) => {}
            }
        }
        Ok(())
    }
}
