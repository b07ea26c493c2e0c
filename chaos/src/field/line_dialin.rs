//! A line behind a unit that calls: it connects to one address after another, and says who it is.
//!
//! ```text
//!   call --> registration --> bytes both ways, heartbeats between --> hung up --> pause --> the next address
//! ```
//!
//! Promises: at most one connection at a time; a call that fails, is hung up or is too old is followed by one to the
//! next address. Refuses: a second line.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Mutex;
use tokio::time::{interval_at, sleep, timeout};

use super::config::UnitConfig;
use super::line::{Ear, Line};
use super::speech::{Mouth, SAY_WITHIN};
use super::wrapper::Wrapper;
use crate::clock::Stamp;
use crate::ledger::{Event, Speaker};

/// A call that is not taken within this time has failed.
const CALL_WITHIN: Duration = Duration::from_secs(5);
/// Bytes taken from the connection at once.
const READ_BYTES: usize = 512;

/// Serves a line by calling until the field stops.
pub async fn serve(line: Arc<Line>, unit: UnitConfig) {
    for address in unit.connect.iter().cycle() {
        if let Ok(Ok(stream)) = timeout(CALL_WITHIN, TcpStream::connect(address)).await {
            let call = connection(Arc::clone(&line), &unit, stream, *address);
            match unit.drop_every_s {
                0 => call.await,
                seconds => drop(timeout(Duration::from_secs(seconds.into()), call).await),
            }
        }
        sleep(Duration::from_millis(unit.reconnect_ms)).await;
    }
}

async fn connection(line: Arc<Line>, unit: &UnitConfig, stream: TcpStream, peer: SocketAddr) {
    // Without it the kernel gathers small pieces: slower, never wrong.
    let _ = stream.set_nodelay(true);
    let (bytes, out) = stream.into_split();
    let wrapper = Wrapper::new(unit);
    let speaker = Speaker::Tcp { peer, connection: line.shared().ledger.number() };
    let call = Call { line: Arc::clone(&line), speaker: speaker.clone() };
    call.note_open();
    let mouth = CallMouth { out: Arc::new(Mutex::new(out)), wrapper: wrapper.clone(), begins: false };
    line.voice().note_said("registration", &wrapper.registration());
    if !mouth.send(&wrapper.registration()).await {
        return;
    }
    let ear = CallEar { bytes, held: Vec::new(), ready: Vec::new(), wrapper, call };
    tokio::select! {
        () = Arc::clone(&line).converse(ear, mouth.clone()) => {}
        () = beat(&line, unit, mouth) => {}
    }
}

/// Heartbeats until one is not taken.
async fn beat(line: &Line, unit: &UnitConfig, mouth: CallMouth) {
    if unit.heartbeat_s == 0 {
        return std::future::pending().await;
    }
    let every = Duration::from_secs(unit.heartbeat_s.into());
    let mut ticks = interval_at(tokio::time::Instant::now() + every, every);
    loop {
        ticks.tick().await;
        let beat = mouth.wrapper.heartbeat();
        line.voice().note_said("heartbeat", &beat);
        if !mouth.send(&beat).await {
            return;
        }
    }
}

/// One call in the ledger: closed when it is dropped, in whatever way it ends.
struct Call {
    line: Arc<Line>,
    speaker: Speaker,
}

impl Call {
    fn note_open(&self) {
        let (at, line, speaker) = (Stamp::now(), self.line.name().to_owned(), self.speaker.clone());
        self.line.shared().ledger.write(Event::Open { at, line, speaker });
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let (at, line, speaker) = (Stamp::now(), self.line.name().to_owned(), self.speaker.clone());
        // A field that stops closes its connections by itself: these are not closed by their speakers.
        if !self.line.shared().stop.is_cancelled() {
            self.line.shared().ledger.write(Event::Close { at, line, speaker });
        }
    }
}

struct CallEar {
    bytes: OwnedReadHalf,
    held: Vec<u8>,
    ready: Vec<u8>,
    wrapper: Wrapper,
    call: Call,
}

impl Ear for CallEar {
    async fn hear(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut room = [0; READ_BYTES];
        while self.ready.is_empty() {
            let count = self.bytes.read(&mut room).await?;
            if count == 0 {
                return Ok(0);
            }
            self.held.extend(room.get(..count).unwrap_or_default());
            self.ready = self.wrapper.unwrap(&mut self.held);
        }
        let count = self.ready.len().min(buffer.len());
        buffer.iter_mut().zip(self.ready.drain(..count)).for_each(|(place, byte)| *place = byte);
        Ok(count)
    }

    fn speaker(&self) -> Speaker {
        self.call.speaker.clone()
    }
}

#[derive(Clone)]
struct CallMouth {
    out: Arc<Mutex<OwnedWriteHalf>>,
    wrapper: Wrapper,
    begins: bool,
}

impl CallMouth {
    async fn send(&self, bytes: &[u8]) -> bool {
        let mut out = self.out.lock().await;
        matches!(timeout(SAY_WITHIN, out.write_all(bytes)).await, Ok(Ok(())))
    }
}

impl Mouth for CallMouth {
    fn begin(&mut self) {
        self.begins = true;
    }

    async fn say(&mut self, bytes: &[u8]) -> bool {
        let begins = std::mem::take(&mut self.begins);
        self.send(&self.wrapper.wrap(bytes, begins)).await
    }

    async fn beat(&mut self) -> Vec<u8> {
        let beat = self.wrapper.heartbeat();
        self.send(&beat).await;
        beat
    }
}
