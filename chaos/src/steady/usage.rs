//! What processes take of the machine: time of its processors, and memory.
//!
//! Promises: time is what the kernel booked, from the first look to the last; memory is looked at every [`LOOK_EVERY`].
//! Refuses: processes that came or went in between.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

/// From look to look at memory.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The first and the last part of a run, whose memory is compared.
const PART: Duration = Duration::from_secs(60);
const KIB: u64 = 1024;

/// A process that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// What it is called in the report.
    pub name: String,
    /// Its id.
    pub pid: u32,
}

/// What one process took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Taken {
    /// What it is called.
    pub name: String,
    /// Seconds of a processor.
    pub cpu_s: f64,
    /// Memory in the first minute, bytes: the median of the looks.
    pub first_bytes: u64,
    /// Memory in the last minute.
    pub last_bytes: u64,
    /// By how much the second is more, percent.
    pub growth_percent: f64,
}

/// What everything took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Usage {
    /// How long it was looked at, s.
    pub passed_s: f64,
    /// Each process.
    pub processes: Vec<Taken>,
    /// Processors of the machine.
    pub processors: usize,
    /// Seconds of a processor that anybody used.
    pub busy_s: f64,
}

impl Usage {
    /// Seconds of a processor that others used.
    pub fn others_s(&self) -> f64 {
        (self.busy_s - self.processes.iter().map(|process| process.cpu_s).sum::<f64>()).max(0.0)
    }
}

/// Watches until `until`.
pub async fn watch(processes: &[Watched], until: Instant) -> Result<Usage> {
    let began = Instant::now();
    let before = Look::now(processes)?;
    let mut memory: Vec<(Duration, Vec<u64>)> = Vec::new();
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while Instant::now() < until {
        tokio::select! {
            _ = tick.tick() => {
                memory.push((began.elapsed(), memory_of(processes)?));
            }
            () = sleep_until(until) => {}
        }
    }
    let (after, passed) = (Look::now(processes)?, began.elapsed());
    memory.push((passed, memory_of(processes)?));
    let part = PART.min(passed / 3);
    let taken = processes.iter().enumerate().map(|(place, process)| {
        let of = |wanted: &dyn Fn(Duration) -> bool| {
            let looks = memory.iter().filter(|(at, _)| wanted(*at)).filter_map(|(_, all)| all.get(place).copied());
            median(looks.collect())
        };
        let (first_bytes, last_bytes) = (of(&|at| at <= part), of(&|at| at + part >= passed));
        let growth_percent = (last_bytes as f64 / first_bytes.max(1) as f64 - 1.0) * 100.0;
        let cpu_s = after.cpu_s(place) - before.cpu_s(place);
        Taken { name: process.name.clone(), cpu_s, first_bytes, last_bytes, growth_percent }
    });
    Ok(Usage {
        passed_s: passed.as_secs_f64(),
        processes: taken.collect(),
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        busy_s: after.machine_s - before.machine_s,
    })
}

fn median(mut looks: Vec<u64>) -> u64 {
    looks.sort_unstable();
    looks.get(looks.len() / 2).copied().unwrap_or(0)
}

/// Seconds of a processor so far.
struct Look {
    processes: Vec<f64>,
    machine_s: f64,
}

impl Look {
    fn now(processes: &[Watched]) -> Result<Self> {
        Ok(Self { processes: processes.iter().map(cpu).collect::<Result<_>>()?, machine_s: machine()? })
    }

    fn cpu_s(&self, place: usize) -> f64 {
        self.processes.get(place).copied().unwrap_or(0.0)
    }
}

fn seconds(ticks: u64) -> f64 {
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

fn cpu(process: &Watched) -> Result<f64> {
    let spent = crate::cpu::spent(process.pid).with_context(|| format!("{} is gone", process.name))?;
    Ok(spent.as_secs_f64())
}

fn memory_of(processes: &[Watched]) -> Result<Vec<u64>> {
    processes.iter().map(resident).collect()
}

fn resident(process: &Watched) -> Result<u64> {
    let Watched { name, pid } = process;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("{name} is gone"))?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    let kib = kib.and_then(|kib| kib.parse::<u64>().ok());
    Ok(kib.with_context(|| format!("{name} holds no memory: it ended"))? * KIB)
}

/// Of all processors together, what was neither idle nor waiting.
fn machine() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/stat").context("/proc/stat")?;
    busy_of(&stat).map(seconds).context("/proc/stat: no first line about all processors")
}

fn busy_of(stat: &str) -> Option<u64> {
    let ticks: Vec<u64> = stat.lines().next()?.split_whitespace().skip(1).map_while(|one| one.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; what guests take is in user already.
    let [user, nice, system, _, _, irq, softirq, ..] = ticks.as_slice() else { return None };
    Some(user + nice + system + irq + softirq)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_idles_or_waits_is_not_busy() {
        assert_eq!(busy_of("cpu  10 1 5 9999 8888 2 3 77 0 0\ncpu0 1"), Some(21));
        assert_eq!(busy_of(""), None);
    }

    #[tokio::test]
    async fn this_process_has_memory_and_a_gone_one_is_named() {
        let own = Watched { name: "this".to_owned(), pid: std::process::id() };
        let usage =
            watch(std::slice::from_ref(&own), Instant::now() + Duration::from_millis(50)).await.expect("looked");
        assert!(usage.processes.iter().all(|taken| taken.first_bytes > 0 && taken.last_bytes > 0));
        let gone = Watched { name: "ghost".to_owned(), pid: u32::MAX };
        assert!(format!("{:#}", watch(&[gone], Instant::now()).await.expect_err("gone")).starts_with("ghost is gone"));
    }
}
