//! The field of a steady load: the same meters as ever on lines that take no time, noted in few bytes.
//!
//! ```text
//!   connection --bytes--> ears --frame--> meters of the line --answer--> connection
//!                                                 +--> notes: which reading, when
//! ```
//!
//! One thread serves all lines: the meters must not take from the processors what is to be measured.
//!
//! Promises: a moment is taken before its answer is handed to the system; an answer is noted after it was taken; when
//! standard input closes, what was the last thing on a connection is noted as such, and the end. Refuses: watching who
//! speaks: that is what a field with a ledger is for.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local};

use super::notes::{Given, Note, Writer};
use super::plant::Plant;
use crate::clock::{Stamp, micros};
use crate::field::config::{Config, LineConfig};
use crate::field::ears::Ears;
use crate::field::line_tcp;
use crate::field::meter::{Bank, Meter};
use crate::field::reply::Reply;
use crate::judge::answers::SETTLED;
use crate::ledger::{AnswerKind, Speaker};

/// What is said when every line can be reached, after one line of text with each endpoint.
pub const READY: &str = "ready";
/// Bytes taken from a connection at once.
const READ_BYTES: usize = 512;

/// Serves the plant until standard input closes; says where, line by line.
pub fn serve(plant: &Plant, dir: &Path) -> Result<()> {
    let config = plant.config(dir)?;
    let notes = Rc::new(RefCell::new(Notes::new(Writer::create(dir)?)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("a runtime")?;
    LocalSet::new().block_on(&runtime, async {
        open(&config, &notes).await?;
        input_closed().await;
        notes.borrow_mut().end()
    })
}

async fn open(config: &Config, notes: &Rc<RefCell<Notes>>) -> Result<()> {
    let (mut first, mut told) = (0, String::new());
    for line in &config.lines {
        let listener = line_tcp::bind(0).await?;
        told += &format!("tcp://{}\n", listener.local_addr().context("a listener's own address")?);
        let line = Line::new(config, line, first)?;
        first += u32::try_from(line.numbers.len()).context("so many meters on a line")?;
        spawn_local(accept(listener, Rc::new(line), Rc::clone(notes)));
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{told}{READY}").and_then(|()| out.flush()).context("standard output")
}

/// Waits on a thread of its own: a read of standard input cannot be cancelled.
async fn input_closed() {
    let (closed, wait) = oneshot::channel();
    std::thread::spawn(move || {
        // An input that cannot be read is as good as closed.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = closed.send(());
    });
    let _ = wait.await;
}

/// A line's meters.
struct Line {
    bank: RefCell<Bank>,
    numbers: HashMap<String, u32>,
}

impl Line {
    fn new(config: &Config, line: &LineConfig, first: u32) -> Result<Self> {
        let meters = line.named.iter().map(|meter| Meter::new(config, meter)).collect::<Result<_>>()?;
        let numbers = (first..).zip(&line.named).map(|(number, meter)| (meter.name.clone(), number)).collect();
        Ok(Self { bank: RefCell::new(Bank::new(meters, false)), numbers })
    }
}

async fn accept(listener: TcpListener, line: Rc<Line>, notes: Rc<RefCell<Notes>>) {
    // A connection that is gone before it was taken is its speaker's affair.
    loop {
        if let Ok((stream, peer)) = listener.accept().await {
            spawn_local(connection(stream, peer, Rc::clone(&line), Rc::clone(&notes)));
        }
    }
}

async fn connection(mut stream: TcpStream, peer: SocketAddr, line: Rc<Line>, notes: Rc<RefCell<Notes>>) {
    // Without it the kernel gathers small pieces: slower, never wrong.
    let _ = stream.set_nodelay(true);
    let number = notes.borrow_mut().opened();
    let speaker = Speaker::Tcp { peer, connection: number };
    let mut ears = Ears::new(line.bank.borrow().dialects());
    let mut buffer = [0; READ_BYTES];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        for heard in ears.hear(buffer.get(..count).unwrap_or_default(), Stamp::now(), &speaker) {
            let asked = heard.frame.map(|frame| line.bank.borrow_mut().ask(&frame, heard.at));
            for asked in asked.into_iter().flatten() {
                let (Some(meter), Some(reply)) = (asked.meter, asked.reply) else { continue };
                let at = Stamp::now();
                if stream.write_all(&reply.bytes).await.is_ok() {
                    notes.borrow_mut().answered(number, line.numbers.get(&meter).copied(), at, &reply);
                }
            }
        }
    }
    notes.borrow_mut().closed(number);
}

/// What was answered, and what each connection got last.
struct Notes {
    writer: Option<Writer>,
    connections: u64,
    last: BTreeMap<u64, Given>,
    failed: Option<anyhow::Error>,
}

impl Notes {
    const fn new(writer: Writer) -> Self {
        Self { writer: Some(writer), connections: 0, last: BTreeMap::new(), failed: None }
    }

    fn opened(&mut self) -> u64 {
        self.connections += 1;
        self.connections
    }

    fn answered(&mut self, connection: u64, meter: Option<u32>, at: Stamp, reply: &Reply) {
        let (Some(meter), Some(values), AnswerKind::Reading) = (meter, &reply.values, reply.kind) else { return };
        let given = Given::new(meter, at, values);
        self.last.insert(connection, given);
        self.write(Note::Given(given));
    }

    fn closed(&mut self, connection: u64) {
        if let Some(Given { meter, volume, .. }) = self.last.remove(&connection) {
            self.write(Note::InFlight { meter, volume });
        }
    }

    fn write(&mut self, note: Note) {
        let written = self.writer.as_mut().map_or(Ok(()), |writer| writer.write(note));
        self.failed = self.failed.take().or(written.err());
    }

    fn end(&mut self) -> Result<()> {
        let end = Stamp::now();
        let fresh =
            std::mem::take(&mut self.last).into_values().filter(|last| end.mono - last.at.mono < micros(SETTLED));
        for Given { meter, volume, .. } in fresh {
            self.write(Note::InFlight { meter, volume });
        }
        let writer = self.writer.take().context("notes that were ended before")?;
        self.failed.take().map_or(Ok(()), Err)?;
        writer.end(end)
    }
}
