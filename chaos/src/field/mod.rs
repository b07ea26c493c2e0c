//! A field of simulated lines, served until it is told to stop.
//!
//! ```text
//!   config ---> lines (tcp | pty | dial-in | modbus-tcp) of meters (mbus | cjt188 | modbus: physics, valve, faults)
//!      |             |
//!      |             +--> ledger.jsonl     every byte heard and said
//!      +--> lines.csv, meters.csv          what the product imports
//! ```
//!
//! Promises: when [`Field::open`] returns, every endpoint of the import files can be reached; when [`Field::close`]
//! returns, the ledger is whole. Refuses: a directory that holds the ledger of an earlier field.

pub mod config;
pub mod generate;

pub mod body;
pub mod calendar;
pub mod cjt188;
pub mod descriptor;
pub mod dialects;
pub mod ears;
pub mod holders;
pub mod import;
pub mod line;
pub mod line_dialin;
pub mod line_pty;
pub mod line_tcp;
pub mod mbus;
pub mod meter;
pub mod modbus;
pub mod pace;
pub mod physics;
pub mod reply;
pub mod speech;
pub mod spoil;
pub mod valve;
pub mod wrapper;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use protocol::meter::Dialect;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::{Stamp, micros};
use crate::ledger::writer::{Ledger, Writer};
use crate::ledger::{Event, FILE_NAME, LineFacts, MeterFacts};
use config::{Config, LineConfig, LineKind};
use holders::Holders;
use line::{Line, Shared};
use meter::{Bank, Meter};
use pace::Pace;

/// A running field.
#[derive(Debug)]
pub struct Field {
    dir: PathBuf,
    endpoints: Vec<String>,
    shared: Shared,
    writer: Writer,
}

impl Field {
    /// Opens all lines and writes the import files.
    pub async fn open(config: &Config) -> Result<Self> {
        let dir = prepare(&config.dir)?;
        let config = &Config { dir: dir.clone(), ..config.clone() };
        let (ledger, writer) = Ledger::create(&dir.join(FILE_NAME)).await?;
        ledger.write(Event::Start { at: Stamp::now(), seed: config.seed });
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let shared = Shared { ledger: Arc::new(ledger), stop, tasks };
        let mut field = Self { dir, endpoints: Vec::new(), shared, writer };
        field.open_lines(config).await?;
        import::write(config, &field.endpoints)?;
        Ok(field)
    }

    /// Where its files are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The endpoints of its lines, in the config's order.
    pub fn endpoints(&self) -> &[String] {
        &self.endpoints
    }

    /// Every entry of its ledger from now on, until it is closed.
    pub fn follow(&self) -> mpsc::UnboundedReceiver<Event> {
        self.shared.ledger.follow()
    }

    /// Fails when the ledger can no longer be written.
    pub fn check(&self) -> Result<()> {
        if self.writer.has_failed() {
            bail!("ledger in {}: cannot be written any more", self.dir.display())
        } else {
            Ok(())
        }
    }

    /// Stops all lines and completes the ledger.
    pub async fn close(self) -> Result<()> {
        let Self { shared, writer, .. } = self;
        shared.stop.cancel();
        shared.tasks.close();
        shared.tasks.wait().await;
        shared.ledger.write(Event::Stop { at: Stamp::now() });
        drop(shared);
        writer.close().await
    }

    async fn open_lines(&mut self, config: &Config) -> Result<()> {
        let holders = Arc::new(Holders::new(self.shared.clone())?);
        for (index, line) in config.lines.iter().enumerate() {
            let endpoint = match line.kind {
                LineKind::Tcp => self.open_tcp(config, line, "tcp").await?,
                LineKind::ModbusTcp => self.open_tcp(config, line, "modbus-tcp").await?,
                LineKind::Serial => self.open_pty(config, line, index, &holders)?,
                LineKind::DialIn => self.open_dialin(config, line)?,
            };
            self.endpoints.push(endpoint);
        }
        if config.lines.iter().any(|line| line.kind == LineKind::Serial) {
            self.shared.spawn(async move { holders.run().await });
        }
        Ok(())
    }

    async fn open_tcp(&self, config: &Config, line: &LineConfig, scheme: &str) -> Result<String> {
        let listener = line_tcp::bind(line.port).await.with_context(|| format!("line {}", line.name))?;
        let endpoint = format!("{scheme}://{}", listener.local_addr().context("listener's own address")?);
        let line = self.build(config, line, &endpoint)?;
        self.shared.spawn(line_tcp::serve(line, listener));
        Ok(endpoint)
    }

    fn open_pty(&self, config: &Config, line: &LineConfig, index: usize, holders: &Arc<Holders>) -> Result<String> {
        let link = self.dir.join(format!("tty{index}"));
        let endpoint = format!("serial://{}", link.display());
        let terminal = line_pty::open(&line.name, &link, holders)?;
        let line = self.build(config, line, &endpoint)?;
        self.shared.spawn(line_pty::serve(line, terminal));
        Ok(endpoint)
    }

    fn open_dialin(&self, config: &Config, line: &LineConfig) -> Result<String> {
        let unit = line.unit.clone().with_context(|| format!("line {}: no unit", line.name))?;
        let endpoint = format!("dialin://{}", unit.id);
        let line = self.build(config, line, &endpoint)?;
        self.shared.spawn(line_dialin::serve(line, unit));
        Ok(endpoint)
    }

    /// Builds a line's meters and tells the ledger of both.
    fn build(&self, config: &Config, line: &LineConfig, endpoint: &str) -> Result<Arc<Line>> {
        let extra = Duration::from_millis(config.extra_answer_ms);
        let told = Pace::new(line.told_baud(), extra);
        let pace = if line.is_throttled() { told } else { told.unthrottled() };
        let facts = line_facts(line, endpoint, extra, told);
        self.shared.ledger.write(Event::Line(facts.clone()));
        let mut meters = Vec::with_capacity(line.named.len());
        for meter in &line.named {
            meters.push(Meter::new(config, meter)?);
            self.shared.ledger.write(Event::Meter(meter_facts(config, line, meter)));
        }
        let bank = Bank::new(meters, line.kind == LineKind::ModbusTcp);
        Ok(Line::new(facts, pace, line.echo, bank, self.shared.clone()))
    }
}

fn prepare(dir: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(dir).with_context(|| format!("field directory {}", dir.display()))?;
    dir.canonicalize().with_context(|| format!("field directory {}", dir.display()))
}

fn line_facts(line: &LineConfig, endpoint: &str, extra: Duration, told: Pace) -> LineFacts {
    let longest = told.answer_time(Dialect::Mbus).max(told.answer_time(Dialect::Cjt188));
    LineFacts {
        line: line.name.clone(),
        endpoint: endpoint.to_owned(),
        baud: line.told_baud(),
        extra_answer_us: micros(extra),
        answer_timeout_us: micros(longest + told.characters(protocol::mbus::frame::LONGEST)),
    }
}

fn meter_facts(config: &Config, line: &LineConfig, meter: &config::MeterConfig) -> MeterFacts {
    MeterFacts {
        meter: meter.name.clone(),
        line: line.name.clone(),
        dialect: meter.dialect.clone(),
        address: meter.address.clone(),
        interval_s: config.interval_s,
        offset_s: config.offset_s,
        valve: meter.valve,
        faulty: meter.fault != config::Fault::default(),
    }
}
