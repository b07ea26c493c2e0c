//! Simulated meters of one line, written with the protocol's own encoders, each byte of the master's noted.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use protocol::cjt188;
use protocol::cjt188::heat::{Heat, Shown, Status};
use protocol::cjt188::unit::UnitCode;
use protocol::mbus::frame::{Frame, SELECTED, Scanner, ci, control};
use protocol::mbus::header::{self, Header};
use protocol::mbus::reply::{EnergyUnit, ReplyBuilder, ValveCode};
use protocol::mbus::selection::Selection;
use protocol::mbus::time::TimePoint;
use protocol::meter::{CivilTime, ValveState};
use raft_store::state::registry::Endpoint;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use tokio::sync::watch;

use crate::clock::Moment;

/// What a master asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Reset,
    Read,
    Select,
    Valve(ValveState),
    /// To what it kept, or back.
    Turn(bool),
}

/// One request of a master.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) at: Moment,
    pub(super) meter: u8,
    pub(super) what: What,
}

/// One simulated meter.
#[derive(Debug, Clone)]
pub(super) struct Sim {
    /// kWh for M-Bus, hundredths of a kWh for CJ/T 188.
    pub(super) energy: u32,
    pub(super) valve: ValveState,
    /// Does not answer.
    pub(super) mute: bool,
    /// So many data answers carry a wrong checksum.
    pub(super) spoil: u32,
    /// Says that it has this primary address.
    pub(super) answers_as: Option<u8>,
    /// So many reads after a valve command until the valve has arrived.
    pub(super) travel_reads: u32,
    pub(super) target: Option<(ValveState, u32)>,
    /// kWh kept at a moment, under storage number 1.
    pub(super) kept: Option<(CivilTime, u32)>,
    /// Says what it kept only once it was turned to it (50 30), and then nothing else.
    pub(super) turns: bool,
    pub(super) is_turned: bool,
}

impl Sim {
    pub(super) const fn new(energy: u32) -> Self {
        Self {
            energy,
            valve: ValveState::Open,
            mute: false,
            spoil: 0,
            answers_as: None,
            travel_reads: 0,
            target: None,
            kept: None,
            turns: false,
            is_turned: false,
        }
    }

    fn look_at_valve(&mut self) -> ValveState {
        match self.target {
            Some((state, 0)) => (self.valve, self.target) = (state, None),
            Some((state, left)) => self.target = Some((state, left - 1)),
            None => {}
        }
        self.valve
    }
}

/// The simulated meters of one line.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) sims: Mutex<BTreeMap<u8, Sim>>,
    pub(super) requests: watch::Sender<Vec<Request>>,
    /// Bytes that came from masters.
    pub(super) bytes: watch::Sender<usize>,
    pub(super) connections: watch::Sender<usize>,
    /// While set, nothing is answered.
    pub(super) held: AtomicBool,
    /// Bytes take what they take at this speed, bit/s; 0: no time.
    pub(super) baud: AtomicU32,
    /// Pieces of noise sent to a new master.
    pub(super) noise: AtomicU32,
    pub(super) last_noise: Mutex<Moment>,
    /// Where masters came from.
    pub(super) peers: Mutex<Vec<IpAddr>>,
    /// Who was selected by secondary address last.
    selected: Mutex<Option<Selection>>,
    streams: Mutex<Vec<TcpStream>>,
    dead: AtomicBool,
}

/// Between two pieces of noise.
const NOISE_EVERY: Duration = Duration::from_millis(100);

impl Field {
    pub(super) fn new(sims: impl IntoIterator<Item = (u8, Sim)>) -> Arc<Self> {
        Arc::new(Self {
            sims: Mutex::new(sims.into_iter().collect()),
            requests: watch::channel(Vec::new()).0,
            bytes: watch::channel(0).0,
            connections: watch::channel(0).0,
            held: AtomicBool::new(false),
            baud: AtomicU32::new(0),
            noise: AtomicU32::new(0),
            last_noise: Mutex::default(),
            peers: Mutex::default(),
            selected: Mutex::default(),
            streams: Mutex::default(),
            dead: AtomicBool::new(false),
        })
    }

    pub(super) fn change(&self, meter: u8, act: impl FnOnce(&mut Sim)) {
        act(self.sims.lock().unwrap().get_mut(&meter).unwrap());
    }

    /// Serves M-Bus on a new port, or on the one it had.
    pub(super) fn serve_tcp(self: &Arc<Self>, port: u16) -> Endpoint {
        self.dead.store(false, Ordering::SeqCst);
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
        let port = listener.local_addr().unwrap().port();
        let field = Arc::clone(self);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                if field.dead.load(Ordering::SeqCst) {
                    return;
                }
                field.streams.lock().unwrap().push(stream.try_clone().unwrap());
                let field = Arc::clone(&field);
                thread::spawn(move || field.serve_connection(stream));
            }
        });
        Endpoint::Tcp { host: "127.0.0.1".to_owned(), port }
    }

    /// The gateway goes away: connections are cut, and nobody listens.
    pub(super) fn die(&self, port: u16) {
        self.dead.store(true, Ordering::SeqCst);
        for stream in self.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        let _ = TcpStream::connect(("127.0.0.1", port));
    }

    fn serve_connection(self: &Arc<Self>, stream: TcpStream) {
        self.peers.lock().unwrap().extend(stream.peer_addr().map(|peer| peer.ip()));
        self.connections.send_modify(|n| *n += 1);
        let mut noisy = stream.try_clone().unwrap();
        for _ in 0..self.noise.swap(0, Ordering::SeqCst) {
            thread::sleep(NOISE_EVERY);
            *self.last_noise.lock().unwrap() = Moment::now();
            let _ = noisy.write_all(&[0x55, 0xAA]);
        }
        self.serve(stream.try_clone().unwrap(), stream, mbus_answers);
        self.connections.send_modify(|n| *n -= 1);
    }

    /// Serves CJ/T 188 on a new pseudo-terminal.
    pub(super) fn serve_pty(self: &Arc<Self>) -> Endpoint {
        let Terminal { path, master: reader, slave } = Terminal::open();
        let field = Arc::clone(self);
        let writer = reader.try_clone().unwrap();
        thread::spawn(move || {
            field.serve(reader, writer, cjt188_answers);
            drop(slave);
        });
        Endpoint::Serial { path }
    }

    fn serve(
        &self,
        mut reader: impl Read,
        mut writer: impl Write,
        answers: fn(&Self, &mut Ears, &[u8]) -> Vec<Vec<u8>>,
    ) {
        let mut ears = Ears { mbus: Scanner::new(), cjt188: cjt188::frame::Scanner::new() };
        let mut piece = [0; 256];
        while let Ok(count @ 1..) = reader.read(&mut piece) {
            self.bytes.send_modify(|bytes| *bytes += count);
            for answer in answers(self, &mut ears, &piece[..count]) {
                while self.held.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(1));
                }
                thread::sleep(self.line_time(count + answer.len()));
                let _ = writer.write_all(&answer);
            }
        }
    }

    /// How long a request and its answer are on the line, with 33 bit times between.
    fn line_time(&self, bytes: usize) -> Duration {
        match u64::from(self.baud.load(Ordering::SeqCst)) {
            0 => Duration::ZERO,
            baud => Duration::from_micros((bytes as u64 * 11 + 33) * 1_000_000 / baud),
        }
    }

    /// Answers a selection: all that match say E5 at once.
    fn select(&self, selection: Selection) -> Option<Vec<u8>> {
        self.requests.send_modify(|all| all.push(Request { at: Moment::now(), meter: SELECTED, what: What::Select }));
        *self.selected.lock().unwrap() = Some(selection);
        let sims = self.sims.lock().unwrap();
        sims.keys().any(|address| selection.matches(&identity(*address))).then(|| Frame::Ack.encode())
    }

    /// All that are selected answer at once.
    fn selected_reading(&self) -> Option<Vec<u8>> {
        let selection = (*self.selected.lock().unwrap())?;
        let mut sims = self.sims.lock().unwrap();
        let answers = sims.iter_mut().filter(|(address, _)| selection.matches(&identity(**address)));
        let answers: Vec<_> = answers.filter_map(|(address, sim)| mbus_reading(*address, sim)).collect();
        answers.into_iter().reduce(|line, answer| line.iter().zip(&answer).map(|(one, other)| one & other).collect())
    }

    /// Notes a request and answers it, unless the meter is mute or not on this line.
    fn asked(&self, meter: u8, what: What, answer: impl FnOnce(&mut Sim) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
        self.requests.send_modify(|all| all.push(Request { at: Moment::now(), meter, what }));
        let mut sims = self.sims.lock().unwrap();
        let sim = sims.get_mut(&meter).filter(|sim| !sim.mute)?;
        let mut bytes = answer(sim)?;
        if sim.spoil > 0 && what == What::Read {
            sim.spoil -= 1;
            let at = bytes.len() - 2;
            bytes[at] ^= 0x5A;
        }
        Some(bytes)
    }
}

/// A new pseudo-terminal, raw. Its slave is kept open, so that it stays one between two masters.
pub(super) struct Terminal {
    pub(super) path: String,
    pub(super) master: File,
    pub(super) slave: File,
}

impl Terminal {
    pub(super) fn open() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let mut mode = tcgetattr(&master).unwrap();
        mode.make_raw();
        tcsetattr(&master, OptionalActions::Now, &mode).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = File::options().read(true).write(true).open(&path).unwrap();
        Self { path, master: File::from(master), slave }
    }
}

struct Ears {
    mbus: Scanner,
    cjt188: cjt188::frame::Scanner,
}

fn mbus_answers(field: &Field, ears: &mut Ears, bytes: &[u8]) -> Vec<Vec<u8>> {
    ears.mbus.push(bytes);
    let mut answers = Vec::new();
    while let Some(frame) = ears.mbus.next() {
        answers.extend(frame.ok().and_then(|frame| mbus_answer(field, &frame)));
    }
    answers
}

fn mbus_answer(field: &Field, frame: &Frame) -> Option<Vec<u8>> {
    match frame {
        Frame::Short { control: kind, address } if kind & control::KIND == control::SND_NKE => {
            field.asked(*address, What::Reset, |_| Some(Frame::Ack.encode()))
        }
        Frame::Short { address: SELECTED, .. } => field.selected_reading(),
        Frame::Long { ci: ci::SELECT, data, .. } => field.select(Selection::decode(data)?),
        Frame::Short { address, .. } => field.asked(*address, What::Read, |sim| mbus_reading(*address, sim)),
        Frame::Long { address, ci: ci::RESET, data, .. } => {
            let is_turned = *data == [0x30];
            field.asked(*address, What::Turn(is_turned), |sim| {
                sim.is_turned = is_turned;
                Some(Frame::Ack.encode())
            })
        }
        Frame::Long { address, data, .. } => {
            let state = if data.last() == Some(&1) { ValveState::Open } else { ValveState::Closed };
            field.asked(*address, What::Valve(state), |sim| {
                sim.target = Some((state, sim.travel_reads));
                Some(Frame::Ack.encode())
            })
        }
        Frame::Ack => None,
    }
}

/// Who the meter at a primary address is.
pub(super) fn identity(address: u8) -> Header {
    let (manufacturer, status) = (header::manufacturer(*b"KAM"), header::Status(0));
    Header { id: 0x1000_0000 + u32::from(address), manufacturer, version: 1, medium: 4, access: 1, status }
}

pub(super) fn mbus_reading(address: u8, sim: &mut Sim) -> Option<Vec<u8>> {
    let header = identity(address);
    let valve = match sim.look_at_valve() {
        ValveState::Open => ValveCode::Open,
        ValveState::Closed => ValveCode::Closed,
        ValveState::Fault => ValveCode::Fault,
    };
    let reply = ReplyBuilder::new(&header);
    let reply = match sim.is_turned {
        true => reply,
        false => reply.energy(EnergyUnit::KilowattHour, sim.energy.into()).valve(valve),
    };
    let reply = match sim.kept {
        Some((at, value)) if sim.is_turned || !sim.turns => {
            let date = TimePoint::encode(at)?;
            reply.record(0x44, &[0x06], &value.to_le_bytes()).record(0x44, &[0x6D], &date)
        }
        _ => reply,
    };
    Some(reply.frame(sim.answers_as.unwrap_or(address))?.encode())
}

fn cjt188_answers(field: &Field, ears: &mut Ears, bytes: &[u8]) -> Vec<Vec<u8>> {
    ears.cjt188.push(bytes);
    let mut answers = Vec::new();
    while let Some(frame) = ears.cjt188.next() {
        answers.extend(frame.ok().and_then(|frame| cjt188_answer(field, &frame)));
    }
    answers
}

fn cjt188_answer(field: &Field, frame: &cjt188::frame::Frame) -> Option<Vec<u8>> {
    let meter = frame.address[6];
    if frame.address == cjt188::frame::ANYONE {
        let alone = field.sims.lock().unwrap().keys().copied().next()?;
        let answer = cjt188::reply::answer(frame, [0, 0, 0x11, 0x22, 0x33, 0x44, alone], &[])?;
        return Some(answer.encode());
    }
    field.asked(meter, What::Read, |sim| {
        let shown = |digits, unit| Shown { digits: Some(digits), unit };
        let heat = Heat {
            settled: shown(0, UnitCode::KWh),
            energy: shown(sim.energy, UnitCode::KWh),
            power: shown(0, UnitCode::KW),
            flow: shown(0, UnitCode::M3PerHour),
            volume: shown(123_456, UnitCode::M3),
            supply_temp: Some(6_532),
            return_temp: Some(4_105),
            hours: Some(777),
            clock: Some(CivilTime { year: 2026, month: 1, day: 15, hour: 12, minute: 30, second: 5 }),
            status: Status::with_valve(sim.look_at_valve()),
        };
        Some(cjt188::reply::current(frame, frame.address, &heat)?.encode())
    })
}
