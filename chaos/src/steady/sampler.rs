//! Looks at a sample of the meters for when its reading can first be seen in the database.
//!
//! ```text
//!   slot begins                 row committed
//!   |------- looks ----x----x----x----|----x seen: first sight
//!                           every LOOK_EVERY, or AGE_PART of the slot's age where that is longer
//! ```
//!
//! What is told is the moment the answer to the look was here: later than the commit by the time from look to look and the
//! look itself, never earlier. Old slots are looked at less often, so that a database that lags is not asked ever more.
//!
//! Promises: a sight is of a committed row. Refuses: looking longer than [`GIVE_UP`] for a slot: those are told as unseen.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::plant::Plant;
use super::tables::Database;
use crate::clock::Stamp;

/// From look to look at fresh slots.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A slot is looked at again after this part of its age: no coarser than what it would tell.
const AGE_PART: u32 = 20;
/// A slot is not looked at any more.
pub const GIVE_UP: Duration = Duration::from_secs(60);

/// A row was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// By its number in the plant.
    pub meter: u32,
    /// Which of its readings.
    pub volume: i64,
    /// Monotonic µs.
    pub seen: i64,
}

/// How the looking itself went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Looks {
    /// Statements.
    pub count: u64,
    /// Time they took in all, s.
    pub took_s: f64,
    /// The longest time between the ends of two rounds of looks, ms.
    pub longest_gap_ms: u64,
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// Every first sight.
    pub sights: Vec<Sight>,
    /// How it went.
    pub looks: Looks,
}

/// Those of one slot that were not seen yet.
struct Group {
    began: Instant,
    next: Instant,
    /// Meters by the product's numbers.
    left: Vec<u64>,
}

/// Looks until the last slot that begins before `until` (Unix ms) is seen or given up; `None` there: not known yet.
pub async fn run(plant: Plant, ids: Vec<u64>, url: String, until: watch::Receiver<Option<i64>>) -> Result<Seen> {
    let mut database = Database::connect(&url).await?;
    let second = |wanted| {
        let due = (0_u32..).zip(&ids).filter(move |(meter, _)| plant.offset_s(*meter) == wanted);
        due.filter(move |(meter, _)| plant.is_sampled(*meter)).map(|(_, id)| *id).collect::<Vec<_>>()
    };
    let seconds: Vec<_> = (0..plant.interval_s).map(second).collect();
    let numbers: HashMap<u64, u32> = ids.iter().copied().zip(0..).collect();
    let mut sampler = Sampler { seconds, numbers, groups: BTreeMap::new(), last: wall_s(), seen: Seen::default() };
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ended = Instant::now();
    loop {
        tick.tick().await;
        let until = *until.borrow();
        sampler.begin(until.map_or(i64::MAX, |until| until / 1000));
        if until.is_some() && sampler.groups.is_empty() {
            return Ok(sampler.seen);
        }
        sampler.look(&mut database).await?;
        let gap = std::mem::replace(&mut ended, Instant::now()).elapsed();
        let longest = &mut sampler.seen.looks.longest_gap_ms;
        *longest = (*longest).max(u64::try_from(gap.as_millis()).unwrap_or(u64::MAX));
    }
}

fn wall_s() -> i64 {
    Stamp::now().wall.div_euclid(crate::clock::MICROS_PER_SECOND)
}

struct Sampler {
    /// The sampled meters due in each second of the interval.
    seconds: Vec<Vec<u64>>,
    numbers: HashMap<u64, u32>,
    /// By the second their slot began in.
    groups: BTreeMap<i64, Group>,
    last: i64,
    seen: Seen,
}

impl Sampler {
    /// Adds the slots that began since the last look, before `until` (Unix s).
    fn begin(&mut self, until: i64) {
        let now = wall_s();
        for second in self.last + 1..=now.min(until - 1) {
            let place = usize::try_from(second.rem_euclid(self.seconds.len() as i64)).unwrap_or(0);
            let left = self.seconds.get(place).cloned().unwrap_or_default();
            if !left.is_empty() {
                self.groups.insert(second, Group { began: Instant::now(), next: Instant::now(), left });
            }
        }
        self.last = self.last.max(now);
    }

    async fn look(&mut self, database: &mut Database) -> Result<()> {
        for (second, group) in &mut self.groups {
            if Instant::now() < group.next {
                continue;
            }
            let asked = Instant::now();
            let found = database.glimpse(second * 1000, &group.left).await?;
            let (seen, numbers) = (Stamp::now().mono, &self.numbers);
            self.seen.looks.count += 1;
            self.seen.looks.took_s += asked.elapsed().as_secs_f64();
            group.next = asked + LOOK_EVERY.max(group.began.elapsed() / AGE_PART);
            group.left.retain(|id| !found.iter().any(|(there, _)| there == id));
            let sight =
                |(id, volume): (u64, Option<i64>)| Some(Sight { meter: *numbers.get(&id)?, volume: volume?, seen });
            self.seen.sights.extend(found.into_iter().filter_map(sight));
        }
        self.groups.retain(|_, group| !group.left.is_empty() && group.began.elapsed() < GIVE_UP);
        Ok(())
    }
}
