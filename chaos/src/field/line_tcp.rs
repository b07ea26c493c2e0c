//! A line behind a transparent serial gateway: bytes in, bytes out, no handshake.
//!
//! Promises: any number of masters may connect, as many gateways allow: that they do not speak together is their
//! promise, and the ledger says whether they kept it. An answer goes to the connection that asked. Refuses: echo.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::line::{Ear, Line};
use super::speech::{Mouth, SAY_WITHIN};
use crate::clock::Stamp;
use crate::ledger::{Event, Speaker};

/// The pause after a connection that could not be accepted.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// Takes the port of a line; 0 takes a free one.
pub async fn bind(port: u16) -> Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).await.with_context(|| format!("tcp port {port} on 127.0.0.1"))
}

/// Serves a line on its port until the field stops.
pub async fn serve(line: Arc<Line>, listener: TcpListener) {
    loop {
        // Accepting fails for a connection that is gone already, or for want of descriptors: a later one may do.
        match listener.accept().await {
            Ok((stream, peer)) => line.shared().spawn(connection(Arc::clone(&line), stream, peer)),
            Err(_) => sleep(ACCEPT_AGAIN).await,
        }
    }
}

async fn connection(line: Arc<Line>, stream: TcpStream, peer: SocketAddr) {
    let speaker = Speaker::Tcp { peer, connection: line.shared().ledger.number() };
    // Without it the kernel gathers small pieces: slower, never wrong.
    let _ = stream.set_nodelay(true);
    let (bytes, mouth) = stream.into_split();
    let ear = TcpEar { bytes, speaker, line: Arc::clone(&line) };
    ear.note_open();
    line.converse(ear, mouth).await;
}

struct TcpEar {
    bytes: OwnedReadHalf,
    speaker: Speaker,
    line: Arc<Line>,
}

impl TcpEar {
    fn note_open(&self) {
        let (at, line, speaker) = (Stamp::now(), self.line.name().to_owned(), self.speaker.clone());
        self.line.shared().ledger.write(Event::Open { at, line, speaker });
    }

    fn note_close(&self) {
        let (at, line, speaker) = (Stamp::now(), self.line.name().to_owned(), self.speaker.clone());
        self.line.shared().ledger.write(Event::Close { at, line, speaker });
    }
}

impl Ear for TcpEar {
    async fn hear(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let heard = self.bytes.read(buffer).await;
        if !matches!(heard, Ok(1..)) {
            self.note_close();
        }
        heard
    }

    fn speaker(&self) -> Speaker {
        self.speaker.clone()
    }
}

impl Mouth for OwnedWriteHalf {
    async fn say(&mut self, bytes: &[u8]) -> bool {
        matches!(timeout(SAY_WITHIN, self.write_all(bytes)).await, Ok(Ok(())))
    }
}
