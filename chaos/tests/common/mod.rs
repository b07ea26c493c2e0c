//! What tests of a field need: a config from text, a master on its lines that speaks the product's dialogues, and the
//! ledger's truth to hold answers against.
#![allow(dead_code, reason = "each test uses its part")]

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use chaos::field::Field;
use chaos::field::config::Config;
use chaos::ledger::{self, Answer as Said, AnswerKind, Event, Values, ValveIs};
use protocol::exchange::{Answer, Exchange, Reach, Step, Target, Timing};
use protocol::meter::{Action, Address, Dialect, Quantity, Reading, ValveState};
use protocol::modbus::Framing;
use protocol::modbus::exchange::Dialogue;
use protocol::profile::Catalogue;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Patient enough for a busy machine, impatient enough for faults that time out.
pub const TIMING: Timing = Timing { baud: 9600, extra: Duration::from_millis(400), repeats: 2 };

/// A config in `dir` of the lines in `text`.
pub fn config(dir: &Path, text: &str) -> Config {
    let head = format!("dir = \"{}\"\nseed = 5\nvalve_travel_ms = 300\n", dir.display());
    toml::from_str::<Config>(&(head + text)).unwrap().completed().unwrap()
}

pub async fn field(dir: &Path, text: &str) -> Field {
    Field::open(&config(dir, text)).await.unwrap()
}

pub async fn end(field: Field) -> Vec<Event> {
    let path = field.dir().join(ledger::FILE_NAME);
    field.close().await.unwrap();
    ledger::reader::read(&path).unwrap()
}

pub fn target(dialect: Dialect, address: &str, profile: Option<&str>) -> Target {
    let address = Address::parse(dialect, address).unwrap();
    Target { address, timing: TIMING, profile: profile.map(str::to_owned), catalogue: Catalogue::builtin() }
}

/// A master's end of a line.
pub struct Master {
    reader: Box<dyn AsyncRead + Unpin + Send>,
    writer: Box<dyn AsyncWrite + Unpin + Send>,
    _bridge: Option<Child>,
}

impl Master {
    pub async fn on(endpoint: &str) -> Self {
        match endpoint.split_once("://").unwrap() {
            ("serial", link) => Self::on_terminal(link),
            (_, address) => Self::over(TcpStream::connect(address).await.unwrap()),
        }
    }

    pub fn over(stream: TcpStream) -> Self {
        let (reader, writer) = stream.into_split();
        Self { reader: Box::new(reader), writer: Box::new(writer), _bridge: None }
    }

    /// Another process holds the terminal: the field leaves itself out when it looks for holders. What is left of it
    /// ends with the terminal.
    fn on_terminal(link: &str) -> Self {
        let script = "exec 3<>\"$0\"; cat <&3 2>/dev/null & exec cat >&3";
        let mut bridge = Command::new("bash");
        bridge.args(["-c", script, link]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut bridge = bridge.spawn().unwrap();
        let (reader, writer) = (bridge.stdout.take().unwrap(), bridge.stdin.take().unwrap());
        Self { reader: Box::new(reader), writer: Box::new(writer), _bridge: Some(bridge) }
    }

    /// Carries a dialogue of the product to its end.
    pub async fn talk(&mut self, exchange: Exchange) -> Answer {
        let mut exchange = exchange;
        let mut buffer = [0; 256];
        loop {
            match exchange.poll() {
                Step::Done(answer) => return answer,
                Step::Send(bytes) => self.send(&bytes).await,
                Step::Await(time) => match timeout(time, self.reader.read(&mut buffer)).await {
                    Ok(count) => exchange.handle_bytes(&buffer[..count.unwrap()]),
                    Err(_) => exchange.handle_timeout(),
                },
            }
        }
    }

    /// The same with a Modbus slave in frames of either kind.
    pub async fn ask(&mut self, target: &Target, action: Action, framing: Framing) -> Answer {
        if framing == Framing::Rtu {
            return self.talk(Exchange::perform(target, action)).await;
        }
        let Target { address, timing, profile, catalogue } = target;
        let profile = catalogue.modbus(profile.as_deref().unwrap()).unwrap();
        let mut dialogue = Dialogue::framed(&Reach { address: *address, timing: *timing }, profile, action, framing);
        loop {
            match dialogue.poll() {
                Step::Done(answer) => return answer,
                Step::Send(bytes) => self.send(&bytes).await,
                Step::Await(time) => match self.hear(256, time).await {
                    heard if heard.is_empty() => dialogue.handle_timeout(),
                    heard => dialogue.handle_bytes(&heard),
                },
            }
        }
    }

    pub async fn read(&mut self, target: &Target) -> Answer {
        self.talk(Exchange::read(target)).await
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.writer.write_all(bytes).await.unwrap();
        self.writer.flush().await.unwrap();
    }

    /// The next bytes, at most so many; none after so long.
    pub async fn hear(&mut self, most: usize, within: Duration) -> Vec<u8> {
        let mut heard = vec![0; most];
        let count = timeout(within, self.reader.read(&mut heard)).await.map_or(0, Result::unwrap);
        heard.truncate(count);
        heard
    }

    /// Exactly so many bytes.
    pub async fn hear_exactly(&mut self, count: usize) -> Vec<u8> {
        let mut heard = vec![0; count];
        timeout(Duration::from_secs(30), self.reader.read_exact(&mut heard)).await.unwrap().unwrap();
        heard
    }
}

/// The reading of an answer.
pub fn reading(answer: Answer) -> Reading {
    match answer {
        Answer::Reading(reading) => reading,
        other => unreachable!("no reading: {other:?}"),
    }
}

/// What a reading holds, in the ledger's words.
pub fn values(reading: &Reading) -> Values {
    Values {
        energy_joule: reading.value(Quantity::Energy),
        cooling_energy_joule: reading.value(Quantity::CoolingEnergy),
        volume_millilitre: reading.value(Quantity::Volume),
        power_milliwatt: reading.value(Quantity::Power),
        flow_millilitre_per_hour: reading.value(Quantity::Flow),
        supply_milli_celsius: reading.value(Quantity::SupplyTemp),
        return_milli_celsius: reading.value(Quantity::ReturnTemp),
        difference_millikelvin: reading.value(Quantity::TempDifference),
        operating_seconds: reading.value(Quantity::OperatingTime),
        on_seconds: reading.value(Quantity::OnTime),
        valve: reading.valve.map(|valve| match valve {
            ValveState::Open => ValveIs::Open,
            ValveState::Closed => ValveIs::Closed,
            ValveState::Fault => ValveIs::Fault,
        }),
    }
}

/// All answers of a meter with values.
pub fn said<'a>(events: &'a [Event], meter: &str) -> Vec<&'a Said> {
    let answers = events.iter().filter_map(|event| match event {
        Event::Answer(answer) if answer.meter == meter && answer.kind != AnswerKind::Acknowledge => Some(&**answer),
        _ => None,
    });
    answers.collect()
}

/// Whether a reading holds exactly what one sound answer of the meter said, and nothing that it did not say.
pub fn is_true(reading: &Reading, events: &[Event], meter: &str) -> bool {
    let read = values(reading);
    let sound = said(events, meter).into_iter().filter(|answer| !answer.damaged && answer.kind == AnswerKind::Reading);
    sound.filter_map(|answer| answer.values.as_ref()).any(|said| {
        let valve = said.valve.filter(|valve| *valve != ValveIs::Moving);
        // A meter without a valve may still have a place for its state.
        let valve = if said.valve.is_none() { read.valve } else { valve };
        Values { valve, ..said.clone() } == read
    })
}
