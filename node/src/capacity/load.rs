//! What a line is asked, of what it can give.
//!
//! Promises: the worst span decides. Intervals count as often as they fit whole into a span, wherever they begin.
//! Refuses: trusting that what comes rarely comes alone.

use std::cmp::Reverse;
use std::sync::Arc;

use raft_store::state::registry::LineSpec;

use super::spans::{Span, Spans};
use super::{Ask, Group, Shares};
use crate::timetable::{Slot, Timetable};

/// Timetables of one line that are laid beside each other; the time of others counts as if it were always asked.
const BESIDE: usize = 4;

/// A line's worst span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// What is needed of what is left, a thousandth; above 1000 slots are missed or late.
    pub permille: u32,
    /// What the reads in it take, ms.
    pub need_ms: u64,
    /// How long it is, ms.
    pub span_ms: u64,
    /// What is left of it when what is kept free is taken away, ms.
    pub left_ms: u64,
    /// How many reads.
    pub reads: u64,
    /// What it is.
    pub kind: Kind,
    /// The line's speed, bit/s.
    pub baud: u32,
}

/// Which span is the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One slot of an interval, as every other.
    Interval,
    /// This slot.
    Slot(Slot),
    /// Slots of several timetables that fall together from this moment on, Unix ms.
    Together(u64),
}

impl Load {
    /// Whether it is more than the line can give.
    pub const fn is_over(&self) -> bool {
        self.permille > 1_000
    }
}

/// The needs of one timetable: ms for one slot of all its meters, and their number.
struct Need {
    table: Arc<Timetable>,
    ms: u64,
    meters: u64,
}

/// What `groups` ask of a line like `spec` on which a read takes `read_ms`; `None`: nothing.
pub fn load(
    spec: &LineSpec,
    groups: &[Group],
    read_ms: impl Fn(Ask) -> u64,
    shares: Shares,
    spans: &mut Spans,
    now: u64,
) -> Option<Load> {
    let (mut regular, mut rare) = (Vec::new(), Vec::new());
    for need in needs(groups, read_ms) {
        match need.table.interval_ms() {
            Some(every) => regular.push((every, need)),
            None => rare.push(need),
        }
    }
    rare.sort_by_key(|need| Arc::as_ptr(&need.table).addr());
    let always = rare.split_off(rare.len().min(BESIDE));
    regular.extend(always.into_iter().filter_map(|need| Some((shortest(&need, spans, now)?, need))));
    let tables: Vec<_> = rare.iter().map(|need| Arc::clone(&need.table)).collect();
    let spans = if tables.is_empty() { Arc::default() } else { spans.of(&tables, now) };
    let beside = spans.iter().flat_map(|span| lengths(span, &regular).map(move |length| (span, length)));
    let rated = beside.map(|(span, length)| rated(span, length, &regular, &rare, shares));
    let worst =
        steady(&regular, shares).into_iter().chain(rated).max_by_key(|load| (load.permille, Reverse(load.span_ms)))?;
    Some(Load { baud: spec.baud, ..worst })
}

fn needs(groups: &[Group], read_ms: impl Fn(Ask) -> u64) -> Vec<Need> {
    let mut needs: Vec<Need> = Vec::new();
    for Group { table, ask, meters } in groups {
        let (ms, meters) = (read_ms(*ask) * u64::from(*meters), u64::from(*meters));
        match needs.iter_mut().find(|need| Arc::ptr_eq(&need.table, table)) {
            Some(need) => (need.ms, need.meters) = (need.ms + ms, need.meters + meters),
            None => needs.push(Need { table: Arc::clone(table), ms, meters }),
        }
    }
    needs
}

/// Intervals alone: they fit if what they ask for on average fits.
fn steady(regular: &[(u64, Need)], shares: Shares) -> Option<Load> {
    let longest = regular.iter().map(|(every, _)| *every).max()?;
    let (mut need_ms, mut reads) = (0, 0);
    for (every, need) in regular {
        need_ms += need.ms * longest / every;
        reads += need.meters * longest / every;
    }
    Some(of(need_ms, reads, longest, Kind::Interval, shares))
}

/// The shortest time on time of a timetable.
fn shortest(need: &Need, spans: &mut Spans, now: u64) -> Option<u64> {
    spans.of(std::slice::from_ref(&need.table), now).iter().map(|span| span.length).min()
}

/// A span as it is, and until the next slots of each interval are over, too.
fn lengths(span: &Span, regular: &[(u64, Need)]) -> impl Iterator<Item = u64> {
    let until = regular.iter().map(|(every, _)| span.length.div_ceil(*every) * every);
    std::iter::once(span.length).chain(until)
}

fn rated(span: &Span, length: u64, regular: &[(u64, Need)], rare: &[Need], shares: Shares) -> Load {
    let often = regular.iter().map(|(every, need)| (length / every, need));
    let counted = span.slots.iter().map(|count| u64::from(*count)).zip(rare);
    let (mut need_ms, mut reads) = (0, 0);
    for (count, need) in often.clone().chain(counted) {
        need_ms += count * need.ms;
        reads += count * need.meters;
    }
    let others = often.clone().any(|(count, _)| count > 0);
    let kind = span.one.filter(|_| !others).map_or(Kind::Together(span.begin), Kind::Slot);
    of(need_ms, reads, length, kind, shares)
}

fn of(need_ms: u64, reads: u64, span_ms: u64, kind: Kind, shares: Shares) -> Load {
    let left_ms = shares.left(span_ms);
    let permille = u32::try_from(need_ms.saturating_mul(1_000).div_ceil(left_ms)).unwrap_or(u32::MAX);
    Load { permille, need_ms, span_ms, left_ms, reads, kind, baud: 0 }
}
