//! Which of the days asked about are counted already.
//!
//! ```text
//!   from |----|======== run ========|-- marked --|== run ==|----| to        = added up from slot_tally
//!         gap                             gap               gap              - looked at slot by slot
//! ```
//!
//! Promises: a day of a run is counted as it is now: its slots are closed, and nothing has come for it that is not counted.
//! Refuses: days of which the accounts have only a part.

use std::collections::BTreeSet;
use std::str::FromStr;

use jiff::ToSpan;
use jiff::civil::Date;
use mysql_async::Params;
use raft_store::state::UnixMillis;

use crate::mysql::DatabaseError;
use crate::mysql::ledger::{cell, millis};
use crate::mysql::rollup::{Plant, tally};
use crate::mysql::session::Session;

/// Days of slots from one moment on and before another, Unix ms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) from: u64,
    pub(super) to: u64,
    /// The first and the last civil day.
    pub(super) days: (Date, Date),
}

/// What is counted, and where one has to look.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tallied {
    pub(super) runs: Vec<Run>,
    /// From, and before.
    pub(super) gaps: Vec<(u64, u64)>,
}

impl Tallied {
    /// Nothing is counted.
    pub(super) fn none((from, to): (u64, u64)) -> Self {
        Self { runs: Vec::new(), gaps: vec![(from, to)] }
    }

    /// What is counted of the slots that begin from `from` on and before `to`, Unix ms; nothing where the days have to be
    /// those of `zone`, and are not.
    pub(super) async fn of(
        session: &mut Session,
        (from, to): (u64, u64),
        zone: Option<&str>,
    ) -> Result<Self, DatabaseError> {
        let ask = format!(
            "SELECT DATE_FORMAT(p.day, '%Y-%m-%d'), p.zone, {} FROM keeper_progress p JOIN ledger_horizon h ON h.id = 1 \
             WHERE p.duty = ?",
            millis("h.begins")
        );
        let rows = session.query(&ask, Params::Positional(vec![tally::DUTY.into()])).await?;
        let Some(row) = rows.into_iter().next() else { return Ok(Self::none((from, to))) };
        let wrong = |session: &Session| session.unexpected("table", "keeper_progress");
        let stand = mysql_async::from_row_opt::<(String, String, u64)>(row).ok();
        let stand = stand.and_then(|(day, zone, begins)| Some((Date::from_str(&day).ok()?, zone, begins)));
        let (open, counted_in, begins) = stand.ok_or_else(|| wrong(session))?;
        if zone.is_some_and(|zone| zone != counted_in) {
            return Ok(Self::none((from, to)));
        }
        let ask = "SELECT DISTINCT DATE_FORMAT(day, '%Y-%m-%d') FROM rollup_due WHERE span = 3";
        let rows = session.query(ask, Params::Empty).await?;
        let marked = rows.iter().map(|row| Date::from_str(&cell::<String>(row, 0)?).ok());
        let marked = marked.collect::<Option<BTreeSet<_>>>().ok_or_else(|| wrong(session))?;
        let plant = Plant::new(&counted_in);
        Ok(Self::cut(&plant, (from, to), |day| day < open && plant.bounds(day).0 >= begins && !marked.contains(&day)))
    }

    fn cut(plant: &Plant, (from, to): (u64, u64), is_counted: impl Fn(Date) -> bool) -> Self {
        let mut tallied = Self::default();
        let mut looked = from;
        let mut day = plant.day_of(UnixMillis(from));
        while plant.bounds(day).0 < to && day < Date::MAX {
            let (begin, end) = plant.bounds(day);
            if begin >= from && end <= to && is_counted(day) {
                tallied.add(looked, begin, end, day);
                looked = end;
            }
            day = day.saturating_add(1.day());
        }
        if looked < to {
            tallied.gaps.push((looked, to));
        }
        tallied
    }

    fn add(&mut self, looked: u64, begin: u64, end: u64, day: Date) {
        match self.runs.last_mut() {
            Some(run) if run.to == begin => {
                run.to = end;
                run.days.1 = day;
            }
            _ => self.runs.push(Run { from: begin, to: end, days: (day, day) }),
        }
        if looked < begin {
            self.gaps.push((looked, begin));
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    const HOUR: u64 = 3_600_000;

    #[test]
    fn whole_days_that_are_counted_are_runs_and_everything_else_is_looked_at() {
        let plant = Plant::new("Europe/Berlin");
        let day = |number: i8| plant.bounds(date(2026, 10, number)).0;
        let is_counted = |at: Date| at != date(2026, 10, 3) && at < date(2026, 10, 5);
        let asked = (day(1) + HOUR, day(6) + HOUR);
        let run = |first: i8, last: i8| Run {
            from: day(first),
            to: day(last + 1),
            days: (date(2026, 10, first), date(2026, 10, last)),
        };
        let expected = Tallied {
            runs: vec![run(2, 2), run(4, 4)],
            gaps: vec![(asked.0, day(2)), (day(3), day(4)), (day(5), asked.1)],
        };
        assert_eq!(Tallied::cut(&plant, asked, is_counted), expected);
        let all = Tallied::cut(&plant, (day(24), day(27)), |_| true);
        assert_eq!((all.gaps.len(), all.runs), (0, vec![run(24, 26)]));
        assert_eq!(all_hours(&run(24, 26)), 73, "clocks are put back on the 25th");
    }

    fn all_hours(run: &Run) -> u64 {
        (run.to - run.from) / HOUR
    }

    proptest! {
        #[test]
        fn runs_and_gaps_are_all_of_what_was_asked_and_nothing_twice(
            from in 1_700_000_000_000_u64..1_800_000_000_000,
            hours in 0_u64..2_000,
            counted in proptest::collection::vec(any::<bool>(), 100),
        ) {
            let plant = Plant::new("Asia/Shanghai");
            let to = from + hours * HOUR;
            let first = plant.day_of(UnixMillis(from));
            let place = |day: Date| (day - first).get_days() as usize;
            let tallied = Tallied::cut(&plant, (from, to), |day| counted.get(place(day)).copied().unwrap_or(false));
            let mut spans: Vec<_> = tallied.runs.iter().map(|run| (run.from, run.to)).chain(tallied.gaps).collect();
            spans.sort_unstable();
            prop_assert!(spans.iter().all(|(begin, end)| begin < end));
            prop_assert!(spans.iter().zip(spans.iter().skip(1)).all(|(one, next)| one.1 == next.0));
            let outer = (spans.first().map(|span| span.0), spans.last().map(|span| span.1));
            prop_assert_eq!(outer, if from < to { (Some(from), Some(to)) } else { (None, None) });
        }
    }
}
