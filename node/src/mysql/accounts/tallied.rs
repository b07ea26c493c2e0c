//! Which of the days asked about are counted already.
//!
//! ```text
//!   from |----|========== run ==========|----| to        = added up from slot_tally, but for meters that are marked
//!         gap       `- marked day        gap             - looked at slot by slot, as are the marked meters of such a day
//! ```
//!
//! Promises: a day of a run is counted: its slots are closed, and what came later for a meter is counted, or the meter is
//! marked on that day. Refuses: days of which the accounts have only a part.

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
    /// Days of the runs on which meters are marked.
    pub(super) marked: Vec<Run>,
    /// From, and before.
    pub(super) gaps: Vec<(u64, u64)>,
}

impl Run {
    /// Of a row `t` of `slot_tally`: it is of these days, and says what is. `marked` are days on which some do not.
    pub(super) fn counted(&self, marked: &[Self]) -> String {
        let (first, last) = self.days;
        let days = format!("t.day BETWEEN '{first}' AND '{last}'");
        // To look for the marks of every row costs as much as the rows do.
        if !marked.iter().any(|day| self.from <= day.from && day.to <= self.to) {
            return days;
        }
        let mark = format!("u.span = {} AND u.day = t.day AND u.meter_id = t.meter_id", tally::SPAN);
        format!("{days} AND NOT EXISTS (SELECT 1 FROM rollup_due u WHERE {mark})")
    }

    /// Of a row `u` of `rollup_due`: its meter is marked on this day, the first of the run.
    pub(super) fn marked(&self) -> String {
        format!("u.span = {} AND u.day = '{}'", tally::SPAN, self.days.0)
    }
}

impl Tallied {
    /// Nothing is counted.
    pub(super) fn none((from, to): (u64, u64)) -> Self {
        Self { gaps: vec![(from, to)], ..Self::default() }
    }

    /// What is counted of the slots that begin from `from` on and before `to`, Unix ms; nothing where the days have to be
    /// those of a plant, and are not.
    pub(super) async fn of(
        session: &mut Session,
        (from, to): (u64, u64),
        plant: Option<&Plant>,
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
        let (open, zone, begins) = stand.ok_or_else(|| wrong(session))?;
        let counted_in = Plant::new(&zone);
        if begins >= to || plant.is_some_and(|plant| !plant.has_days_of(&counted_in)) {
            return Ok(Self::none((from, to)));
        }
        let ask = "SELECT DISTINCT DATE_FORMAT(day, '%Y-%m-%d') FROM rollup_due WHERE span = ?";
        let rows = session.query(ask, Params::Positional(vec![tally::SPAN.into()])).await?;
        let marked = rows.iter().map(|row| Date::from_str(&cell::<String>(row, 0)?).ok());
        let marked = marked.collect::<Option<BTreeSet<_>>>().ok_or_else(|| wrong(session))?;
        Ok(Self::cut(&counted_in, (from.max(begins), to), open, &marked).before(from))
    }

    fn cut(plant: &Plant, (from, to): (u64, u64), open: Date, marked: &BTreeSet<Date>) -> Self {
        let mut tallied = Self::default();
        let mut looked = from;
        let mut day = plant.day_of(UnixMillis(from));
        while day < open && plant.bounds(day).0 < to {
            let (begin, end) = plant.bounds(day);
            if begin >= from && end <= to {
                tallied.add(looked, Run { from: begin, to: end, days: (day, day) }, marked.contains(&day));
                looked = end;
            }
            day = day.saturating_add(1.day());
        }
        if looked < to {
            tallied.gaps.push((looked, to));
        }
        tallied
    }

    fn add(&mut self, looked: u64, day: Run, is_marked: bool) {
        if looked < day.from {
            self.gaps.push((looked, day.from));
        }
        if is_marked {
            self.marked.push(day.clone());
        }
        match self.runs.last_mut() {
            Some(run) if run.to == day.from => {
                run.to = day.to;
                run.days.1 = day.days.1;
            }
            _ => self.runs.push(day),
        }
    }

    /// The same from `from` on, which is not later.
    fn before(mut self, from: u64) -> Self {
        let firsts = [self.runs.first().map(|run| run.from), self.gaps.first().map(|gap| gap.0)];
        if let Some(first) = firsts.into_iter().flatten().min().filter(|first| *first > from) {
            match self.gaps.first_mut() {
                Some(gap) if gap.0 == first => gap.0 = from,
                _ => self.gaps.insert(0, (from, first)),
            }
        }
        self
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
        let asked = (day(1) + HOUR, day(6) + HOUR);
        let run = |first: i8, last: i8| Run {
            from: day(first),
            to: day(last + 1),
            days: (date(2026, 10, first), date(2026, 10, last)),
        };
        let marked = BTreeSet::from([date(2026, 10, 3), date(2026, 10, 5)]);
        let expected = Tallied {
            runs: vec![run(2, 4)],
            marked: vec![run(3, 3)],
            gaps: vec![(asked.0, day(2)), (day(5), asked.1)],
        };
        assert_eq!(Tallied::cut(&plant, asked, date(2026, 10, 5), &marked), expected);
        let none = BTreeSet::new();
        let all = Tallied::cut(&plant, (day(24), day(27)), date(2026, 11, 1), &none);
        assert_eq!((all.gaps.len(), &all.runs), (0, &vec![run(24, 26)]));
        assert_eq!((day(27) - day(24)) / HOUR, 73, "clocks are put back on the 25th");
        assert_eq!(all.before(day(20)).gaps, [(day(20), day(24))]);
        let nothing = Tallied::cut(&plant, (day(1), u64::MAX), date(2026, 9, 1), &none);
        assert_eq!((nothing.runs.len(), nothing.gaps), (0, vec![(day(1), u64::MAX)]));
    }

    proptest! {
        #[test]
        fn runs_and_gaps_are_all_of_what_was_asked_and_nothing_twice(
            from in 1_700_000_000_000_u64..1_800_000_000_000,
            earlier in 0_u64..500,
            hours in 0_u64..2_000,
            open in 0_i64..100,
            marked in proptest::collection::btree_set(0_i64..100, 0..20),
        ) {
            let plant = Plant::new("Asia/Shanghai");
            let to = from + hours * HOUR;
            let first = plant.day_of(UnixMillis(from));
            let day = |number: i64| first.saturating_add(number.days());
            let marked: BTreeSet<_> = marked.into_iter().map(day).collect();
            let begin = from - earlier * HOUR;
            let tallied = Tallied::cut(&plant, (from, to), day(open), &marked).before(begin);
            let is_in_a_run = |day: &Run| tallied.runs.iter().any(|run| run.from <= day.from && day.to <= run.to);
            prop_assert!(tallied.marked.iter().all(|day| is_in_a_run(day) && marked.contains(&day.days.0)));
            let mut spans: Vec<_> = tallied.runs.iter().map(|run| (run.from, run.to)).chain(tallied.gaps).collect();
            spans.sort_unstable();
            prop_assert!(spans.iter().all(|(begin, end)| begin < end));
            prop_assert!(spans.iter().zip(spans.iter().skip(1)).all(|(one, next)| one.1 == next.0));
            let outer = (spans.first().map(|span| span.0), spans.last().map(|span| span.1));
            prop_assert_eq!(outer, if from < to { (Some(begin), Some(to)) } else { (None, None) });
        }
    }
}
