//! Due slots by outcome, counted without looking each of them up.
//!
//! ```text
//!   whole   duties that cover the span: as many slots as the schedule has   due + n
//!   partly  duties that begin or end within it, slot by slot                due + 1
//!   counted days gone by, as they were counted                              on time, late, backfilled, missed
//!   read    readings of other days as they lie, meter by meter              on time, late, backfilled
//!   missed  marks of other days that no reading stands beside               missed
//!           what is due and neither read nor missed                         open, waiting, unaccounted: by its end
//! ```
//!
//! Each is counted by numbers (meter, line, hour) first, and named afterwards. All see one moment of the database.
//!
//! Promises: the counts are those of the view `slot_ledger`. Refuses: one statement for all of it: each has its own limit.

use std::collections::BTreeMap;

use mysql_async::{Params, Row, Value};

use super::tallied::{Run, Tallied};
use super::{Accounts, Counts, Group, Span};
use crate::mysql::DatabaseError;
use crate::mysql::ledger::cell;
use crate::mysql::rollup::{Plant, tally};
use crate::mysql::rows::moment;
use crate::mysql::session::Session;

/// Ends of slots: before the horizon, behind it, and not yet.
const CLASSES: usize = 3;
const CLASS: &str = "CASE WHEN s.ends > ? THEN 2 WHEN s.ends > ? THEN 1 ELSE 0 END";

const DUTIES: &str = "duty d";

/// A statement.
#[derive(Debug)]
struct Part {
    /// Tables that the others are joined to, with duties `d` among them.
    first: &'static str,
    /// What a row has of hour, day, node, reason, and the end of its slot.
    hour: String,
    day: String,
    node: &'static str,
    reason: &'static str,
    class: &'static str,
    /// Due, on time, late, backfilled, missed.
    counts: [&'static str; 5],
    /// Behind them.
    from: String,
    condition: String,
    /// In the order of their places.
    values: Vec<Value>,
}

/// The moments all parts go by.
#[derive(Debug, Clone)]
struct Moments {
    now: Value,
    horizon: Value,
    from: Value,
    to: Value,
    /// How far clocks are ahead of UTC meanwhile, seconds.
    ahead: i32,
}

#[derive(Debug, Default)]
struct Sum {
    /// Due, and neither read nor missed, by the end of the slot.
    rest: [i64; CLASSES],
    on_time: u64,
    late: u64,
    backfilled: u64,
    missed: u64,
}

type Sums = BTreeMap<Vec<String>, Sum>;

impl Accounts {
    /// Due slots by outcome, one for each group of `by`, at most `limit`.
    /// Hours and days are those of `plant`.
    pub async fn summary(
        &self,
        span: &Span,
        by: &[Group],
        plant: &Plant,
        limit: u32,
    ) -> Result<Vec<Counts>, DatabaseError> {
        let sums = self.at_once(async |session| count(session, span, by, plant, limit).await).await?;
        let counts = sums.into_iter().map(|(names, sum)| sum.counts(names));
        let mut counts: Vec<_> = counts.filter(|counts| counts.due > 0).take(limit as usize).collect();
        if by.is_empty() && counts.is_empty() {
            counts.push(Counts::default());
        }
        Ok(counts)
    }
}

async fn count(
    session: &mut Session,
    span: &Span,
    by: &[Group],
    plant: &Plant,
    limit: u32,
) -> Result<Sums, DatabaseError> {
    let mut sums = Sums::new();
    let Some(moments) = moments(session, span).await? else { return Ok(sums) };
    let parts = match by.iter().any(is_by_time) {
        false => parts(session, &moments, by, (span.from, span.to), None).await?,
        true => {
            let mut all = Vec::new();
            for (from, to, ahead) in plant.stretches(span.from, span.to) {
                let moments = Moments { ahead, ..moments.clone() };
                all.extend(parts(session, &moments, by, (from, to), Some(plant)).await?);
            }
            all
        }
    };
    for part in parts {
        let sql = part.sql(span, by, limit);
        let only = span.only.iter().map(|(_, name)| name.as_str().into());
        let values = part.values.into_iter().chain(only).collect();
        let rows = session.query(&sql, Params::Positional(values)).await?;
        let added = rows.iter().try_for_each(|row| add(&mut sums, by, row));
        added.ok_or_else(|| session.unexpected("table", "slot_ledger"))?;
    }
    Ok(sums)
}

fn is_by_time(group: &Group) -> bool {
    matches!(group.name, "hour" | "day")
}

/// The statements of a stretch.
async fn parts(
    session: &mut Session,
    moments: &Moments,
    by: &[Group],
    (from, to): (u64, u64),
    plant: Option<&Plant>,
) -> Result<Vec<Part>, DatabaseError> {
    let tallied = match by.iter().any(|group| group.name == "hour") {
        true => Tallied::none((from, to)),
        false => Tallied::of(session, (from, to), plant).await?,
    };
    let moments = moments.within(from, to);
    let mut parts = vec![whole(&moments, by), partly(&moments)];
    parts.extend(tallied.runs.iter().map(|run| counted(run.counted(&tallied.marked))));
    for day in &tallied.marked {
        let moments = moments.within(day.from, day.to);
        parts.extend([read(&moments), missed(&moments)].map(|part| part.of_marked(day)));
    }
    for (from, to) in tallied.gaps {
        let moments = moments.within(from, to);
        parts.extend([read(&moments), missed(&moments)]);
    }
    Ok(parts)
}

/// `None` where the accounts have not begun.
async fn moments(session: &mut Session, span: &Span) -> Result<Option<Moments>, DatabaseError> {
    let at = |millis| moment("slot", millis).unwrap_or(Value::NULL);
    let sql = "SELECT UTC_TIMESTAMP(3), horizon FROM ledger_horizon WHERE id = 1";
    let rows = session.query(sql, Params::Empty).await?;
    let stand = rows.first().and_then(|row| Some((row.as_ref(0)?.clone(), row.as_ref(1)?.clone())));
    Ok(stand.map(|(now, horizon)| Moments { now, horizon, from: at(span.from), to: at(span.to), ahead: 0 }))
}

impl Moments {
    fn within(&self, from: u64, to: u64) -> Self {
        let at = |millis| moment("slot", millis).unwrap_or(Value::NULL);
        Self { from: at(from), to: at(to), ..self.clone() }
    }

    /// The number of the hour in which the slot begins.
    fn hour(&self) -> String {
        let begins = self.begins();
        format!("TO_DAYS({begins}) * 24 + HOUR({begins})")
    }

    /// The number of its day.
    fn day(&self) -> String {
        format!("TO_DAYS({})", self.begins())
    }

    fn begins(&self) -> String {
        format!("s.slot + INTERVAL {} SECOND", self.ahead)
    }
}

/// Slots of the span that have begun: from, to, now.
fn begun(slot: &str) -> String {
    format!("{slot} >= ? AND {slot} < ? AND {slot} <= ?")
}

/// Due at a slot.
fn due(slot: &str) -> String {
    format!("d.due_from <= {slot} AND (d.due_until IS NULL OR {slot} < d.due_until)")
}

const COVERS: &str = "d.due_from <= ? AND (d.due_until IS NULL OR d.due_until >= ?)";
const OVERLAPS: &str = "d.due_from < ? AND (d.due_until IS NULL OR d.due_until > ?)";

fn values<const N: usize>(values: [&Value; N]) -> Vec<Value> {
    values.into_iter().cloned().collect()
}

fn whole(moments: &Moments, by: &[Group]) -> Part {
    let Moments { now, horizon, from, to, .. } = moments;
    // A row for each hour is many where nobody asks for hours.
    let wanted = |name, sql: String| if by.iter().any(|group| group.name == name) { sql } else { "0".to_owned() };
    let (hour, day) = (wanted("hour", moments.hour()), wanted("day", moments.day()));
    Part {
        first: DUTIES,
        hour: "s.hour".to_owned(),
        day: "s.day".to_owned(),
        node: "0",
        reason: "''",
        class: "s.class",
        counts: ["SUM(s.n)", "0", "0", "0", "0"],
        from: format!(
            "JOIN (SELECT s.schedule_id, {hour} AS hour, {day} AS day, {CLASS} AS class, COUNT(*) AS n \
             FROM schedule_slot s WHERE {} GROUP BY 1, 2, 3, 4) s ON s.schedule_id = d.schedule_id",
            begun("s.slot")
        ),
        condition: COVERS.to_owned(),
        values: values([now, horizon, from, to, now, from, to]),
    }
}

fn partly(moments: &Moments) -> Part {
    let Moments { now, horizon, from, to, .. } = moments;
    Part {
        first: DUTIES,
        hour: moments.hour(),
        day: moments.day(),
        node: "0",
        reason: "''",
        class: CLASS,
        counts: ["COUNT(*)", "0", "0", "0", "0"],
        from: "JOIN schedule_slot s ON s.schedule_id = d.schedule_id".to_owned(),
        condition: format!("{OVERLAPS} AND NOT ({COVERS}) AND {} AND {}", begun("s.slot"), due("s.slot")),
        values: values([now, horizon, to, from, from, to, from, to, now]),
    }
}

/// Days whose slots are all closed.
fn counted(condition: String) -> Part {
    Part {
        first: "slot_tally t JOIN duty d ON d.meter_id = t.meter_id AND d.due_from = t.due_from",
        hour: "0".to_owned(),
        day: "TO_DAYS(t.day)".to_owned(),
        node: "t.node_id",
        reason: "t.reason",
        class: "0",
        counts: ["0", "SUM(t.on_time)", "SUM(t.late)", "SUM(t.backfilled)", "SUM(t.missed)"],
        from: String::new(),
        condition,
        values: Vec::new(),
    }
}

/// As they lie: to look each one up takes several times as long.
fn read(moments: &Moments) -> Part {
    let Moments { now, horizon, from, to, .. } = moments;
    Part {
        first: DUTIES,
        hour: moments.hour(),
        day: moments.day(),
        node: "r.node_id",
        reason: "''",
        class: CLASS,
        counts: ["0", tally::ON_TIME, tally::LATE, tally::BACKFILLED, "0"],
        from: "JOIN reading r FORCE INDEX (PRIMARY) ON r.meter_id = d.meter_id AND r.kind = 1 \
               JOIN schedule_slot s ON s.schedule_id = d.schedule_id AND s.slot = r.slot"
            .to_owned(),
        condition: format!("{OVERLAPS} AND {} AND {}", begun("r.slot"), due("r.slot")),
        values: values([now, horizon, to, from, from, to, now]),
    }
}

fn missed(moments: &Moments) -> Part {
    let Moments { now, horizon, from, to, .. } = moments;
    Part {
        first: DUTIES,
        hour: moments.hour(),
        day: moments.day(),
        node: "x.node_id",
        reason: "x.reason",
        class: CLASS,
        counts: ["0", "0", "0", "0", "COUNT(*)"],
        from: "JOIN missed x FORCE INDEX (PRIMARY) ON x.meter_id = d.meter_id AND x.kind = 1 \
               JOIN schedule_slot s ON s.schedule_id = d.schedule_id AND s.slot = x.slot \
               LEFT JOIN reading r ON r.meter_id = x.meter_id AND r.slot = x.slot AND r.kind = 1"
            .to_owned(),
        condition: format!("{OVERLAPS} AND {} AND {} AND r.meter_id IS NULL", begun("x.slot"), due("x.slot")),
        values: values([now, horizon, to, from, from, to, now]),
    }
}

impl Part {
    /// The same of the meters that are marked on `day`.
    fn of_marked(self, day: &Run) -> Self {
        let first = "rollup_due u JOIN duty d ON d.meter_id = u.meter_id";
        Self { first, condition: format!("{} AND {}", self.condition, day.marked()), ..self }
    }

    /// Rows of a name for each of `by`, the end of the slots, and the counts.
    fn sql(&self, span: &Span, by: &[Group], limit: u32) -> String {
        let names: String = by.iter().map(|group| format!("{}, ", group.sql)).collect();
        let order = places(by.len() + 1);
        // A group has a row for each class.
        let limit = u64::from(limit) * CLASSES as u64;
        format!(
            "SELECT {names}v.class, CAST(SUM(v.due) AS SIGNED), CAST(SUM(v.on_time) AS SIGNED), \
             CAST(SUM(v.late) AS SIGNED), CAST(SUM(v.backfilled) AS SIGNED), CAST(SUM(v.missed) AS SIGNED) \
             FROM ({}) v{} GROUP BY {order} ORDER BY {order} LIMIT {limit}",
            self.by_number(span, by),
            joined(by, "v")
        )
    }

    /// By what names are looked up by afterwards.
    fn by_number(&self, span: &Span, by: &[Group]) -> String {
        let mut keys: Vec<_> = by.iter().map(|group| self.key(group)).collect();
        keys.sort_unstable();
        keys.dedup();
        let shown: String = keys.iter().map(|(sql, name)| format!("{sql} AS {name}, ")).collect();
        let only: String = span.only.iter().map(|(group, _)| format!(" AND {} = ?", group.sql)).collect();
        let wanted: Vec<_> = span.only.iter().map(|(group, _)| *group).collect();
        let [due, on_time, late, backfilled, missed] = self.counts;
        format!(
            "SELECT STRAIGHT_JOIN {shown}{} AS class, {due} AS due, {on_time} AS on_time, {late} AS late, \
             {backfilled} AS backfilled, {missed} AS missed FROM {}{} {} WHERE {}{} GROUP BY {}",
            self.class,
            self.first,
            joined(&wanted, "d"),
            self.from,
            self.condition,
            only.replace("v.", "d."),
            places(keys.len() + 1)
        )
    }

    /// The number that a name of `group` is looked up by.
    fn key(&self, group: &Group) -> (&str, &'static str) {
        match group.name {
            "line" => ("d.line_id", "line_id"),
            "model" => ("d.model", "model"),
            "schedule" => ("d.schedule_id", "schedule_id"),
            "node" => (self.node, "node_id"),
            "reason" => (self.reason, "reason"),
            "hour" => (&self.hour, "hour"),
            "day" => (&self.day, "day"),
            _ => ("d.meter_id", "meter_id"),
        }
    }
}

/// The tables that names of `groups` are looked up in.
fn joined(groups: &[Group], of: &str) -> String {
    let named = |table: &str| groups.iter().any(|group| group.sql.contains(table));
    let tables = [("m.", "meter m", "meter_id"), ("l.", "line l", "line_id"), ("c.", "schedule c", "schedule_id")];
    let tables = tables.iter().filter(|(short, ..)| named(&format!("({short}")));
    tables.map(|(short, table, id)| format!(" LEFT JOIN {table} ON {short}{id} = {of}.{id}")).collect()
}

/// `1, 2, 3`
fn places(count: usize) -> String {
    (1..=count).map(|place| place.to_string()).collect::<Vec<_>>().join(", ")
}

/// Adds a row; `None` where it is not as expected.
fn add(sums: &mut Sums, by: &[Group], row: &Row) -> Option<()> {
    let names: Vec<String> = (0..by.len()).map(|place| cell(row, place)).collect::<Option<_>>()?;
    let number = |place: usize| cell::<i64>(row, by.len() + place);
    let count = |place: usize| number(place).and_then(|number| u64::try_from(number).ok());
    let class = usize::try_from(number(0)?).ok()?;
    let (due, missed) = (number(1)?, count(5)?);
    let (on_time, late, backfilled) = (count(2)?, count(3)?, count(4)?);
    let accounted = on_time + late + backfilled + missed;
    // What nobody read or gave up has neither node nor reason.
    let is_nobodys = |(group, name): (&Group, &String)| match group.name {
        "node" | "reason" => String::new(),
        _ => name.clone(),
    };
    let rest = by.iter().zip(&names).map(is_nobodys).collect();
    *sums.entry(rest).or_default().rest.get_mut(class)? += due - i64::try_from(accounted).ok()?;
    if accounted > 0 {
        let sum = sums.entry(names).or_default();
        sum.on_time += on_time;
        sum.late += late;
        sum.backfilled += backfilled;
        sum.missed += missed;
    }
    Some(())
}

impl Sum {
    fn counts(self, names: Vec<String>) -> Counts {
        let Self { rest, on_time, late, backfilled, missed } = self;
        let [unaccounted, waiting, open] = rest.map(|slots| u64::try_from(slots).unwrap_or(0));
        let due = on_time + late + backfilled + missed + waiting + open + unaccounted;
        Counts { names, due, on_time, late, backfilled, missed, waiting, open, unaccounted }
    }
}
