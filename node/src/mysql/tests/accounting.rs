use std::time::{Duration, Instant};

use super::{NINE, QUARTER, miss, reading};
use crate::clock::wall_now;
use crate::config;
use crate::mysql::testing::Place;
use crate::mysql::{
    Accounts, Bounds, Counts, Database, DatabaseError, DutyRow, GROUPS, Group, Ledger, LedgerError, Plant, ScheduleRow,
    SlotRow, Span,
};
use protocol::api::peer::spool_record::Content;

const HOUR: u64 = 4 * QUARTER;
const DOC: &str = include_str!("../../../../docs/ledger.md");
const OUTCOMES: &str = "SELECT outcome, COUNT(*) FROM slot_ledger GROUP BY outcome ORDER BY outcome";
const MARKS: &str = "SELECT meter_id, (TIMESTAMPDIFF(SECOND, '2026-11-23 09:00:00', slot)) DIV 900, reason FROM missed \
                     ORDER BY meter_id, slot";

/// The query of that name in the document.
fn query(name: &str) -> &'static str {
    let behind = DOC.split_once(&format!("<!-- query: {name} -->\n```sql\n")).unwrap().1;
    behind.split_once("\n```").unwrap().0
}

async fn unaccounted(place: &Place) -> String {
    place.sql(query("unaccounted")).await.concat()
}

fn settings() -> config::Ledger {
    config::Ledger::default()
}

async fn opened(place: &Place, settings: &config::Ledger) -> Ledger {
    Ledger::open(&place.config(), settings, "plant", NINE).await.unwrap().0
}

fn duty(meter: u64, from: u64, until: Option<u64>) -> DutyRow {
    DutyRow { meter, from, until, schedule: 5, line: 3, model: "pulse".to_owned() }
}

fn quarters() -> ScheduleRow {
    ScheduleRow { id: 5, expression: "every 15m".to_owned(), calendar: String::new() }
}

fn slot(begin: u64) -> SlotRow {
    SlotRow { begin, end: begin + QUARTER, on_time_until: begin + 600_000, priority: 2, freeze: None }
}

/// These duties told as entry 7 of the log, and the quarters from nine on.
async fn plant(place: &Place, settings: &config::Ledger, duties: &[DutyRow], slots: u64) -> (Database, Ledger) {
    let database = place.migrated().await;
    let mut ledger = opened(place, settings).await;
    ledger.tell(0, 7, &[quarters()], duties).await.unwrap();
    let made: Vec<_> = (0..slots).map(|n| slot(NINE + n * QUARTER)).collect();
    ledger.make(7, 5, (NINE, NINE + slots * QUARTER), &made).await.unwrap();
    (database, ledger)
}

fn until(limit: u64) -> Bounds {
    Bounds { limit, ..Bounds::default() }
}

/// To the end of what may be closed.
async fn sweep(ledger: &mut Ledger, bounds: &Bounds) -> u64 {
    let mut marked = 0;
    loop {
        let swept = ledger.sweep(7, bounds).await.unwrap();
        marked += swept.marked;
        if swept.horizon >= bounds.limit {
            return marked;
        }
    }
}

#[tokio::test]
async fn every_due_slot_has_one_outcome_and_the_documented_query_finds_what_has_none() {
    let Some(place) = Place::shared().await else { return };
    let duties: Vec<_> = (1..=2).map(|meter| duty(meter, 0, None)).collect();
    let (mut database, mut ledger) = plant(&place, &settings(), &duties, 4).await;
    let now = wall_now().0;
    ledger.make(7, 5, (now - 60_000, now), &[slot(now - 60_000)]).await.unwrap();
    let mut late = reading(1, NINE + QUARTER, 6);
    late.at = NINE + QUARTER + 700_000;
    let mut filled = reading(1, NINE + 2 * QUARTER, 7);
    if let Some(Content::Reading(reading)) = &mut filled.content {
        reading.quality = 4096;
    }
    let failed = miss(1, NINE + 3 * QUARTER, "no-answer");
    database.write(&[reading(1, NINE, 5), late, filled, failed]).await.unwrap();
    assert_eq!(place.sql(OUTCOMES).await.join(" "), "backfilled|1 late|1 missed|1 on-time|1 open|2 waiting|4");

    assert_eq!(sweep(&mut ledger, &until(NINE + 2 * QUARTER)).await, 2);
    assert_eq!(place.sql(OUTCOMES).await.join(" "), "backfilled|1 late|1 missed|3 on-time|1 open|2 waiting|2");
    assert_eq!(place.sql(MARKS).await, ["1|3|no-answer", "2|0|no-owner", "2|1|no-owner"]);
    assert_eq!(unaccounted(&place).await, "0");

    place.sql("DELETE FROM missed WHERE meter_id = 2").await;
    assert_eq!(unaccounted(&place).await, "2");
    assert_eq!(ledger.unaccounted(NINE, NINE + QUARTER).await.unwrap(), 1);
    for name in ["success by line and hour", "unread"] {
        place.sql(query(name)).await;
    }
}

#[tokio::test]
async fn a_sweep_repeated_or_beside_another_changes_nothing_more() {
    let Some(place) = Place::shared().await else { return };
    let duties: Vec<_> = (1..=300).map(|meter| duty(meter, 0, None)).collect();
    let settings = config::Ledger { batch_rows: 100, moments_per_sweep: 1, ..settings() };
    let (_, mut one) = plant(&place, &settings, &duties, 3).await;
    let mut two = opened(&place, &settings).await;
    let bounds = until(NINE + 3 * QUARTER);
    let (first, second) = tokio::join!(sweep(&mut one, &bounds), sweep(&mut two, &bounds));
    assert_eq!(first + second, 900);
    assert_eq!(sweep(&mut one, &bounds).await, 0);
    assert_eq!(place.sql("SELECT COUNT(*) FROM missed").await, ["900"]);
    assert_eq!(unaccounted(&place).await, "0");
    assert_eq!(sweep(&mut one, &until(NINE)).await, 0);
    assert_eq!(place.sql("SELECT horizon = '2026-11-23 09:45:00' FROM ledger_horizon").await, ["1"]);
}

#[tokio::test]
async fn readings_written_while_it_sweeps_win_and_no_slot_is_lost_between() {
    let Some(place) = Place::shared().await else { return };
    let duties: Vec<_> = (1..=2_000).map(|meter| duty(meter, 0, None)).collect();
    let settings = config::Ledger { batch_rows: 200, ..settings() };
    let (mut database, mut ledger) = plant(&place, &settings, &duties, 2).await;
    let write = async {
        let all: Vec<_> = (1..=2_000).map(|meter| reading(meter, NINE, 5)).collect();
        for part in all.chunks(250) {
            while let Err(DatabaseError::Retry(_)) = database.write(part).await {}
        }
    };
    let bounds = until(NINE + QUARTER);
    let close = async {
        loop {
            match ledger.sweep(7, &bounds).await {
                Ok(swept) if swept.horizon >= bounds.limit => return,
                Ok(_) | Err(LedgerError::Database(DatabaseError::Retry(_))) => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::join!(write, close);
    assert_eq!(place.sql(OUTCOMES).await, ["on-time|2000", "waiting|2000"]);
    let beside = "SELECT COUNT(*) FROM missed m JOIN reading r ON r.meter_id = m.meter_id AND r.slot = m.slot";
    assert_eq!(place.sql(beside).await, ["0"]);
}

#[tokio::test]
async fn a_late_reading_takes_the_mark_of_the_sweep_away() {
    let Some(place) = Place::shared().await else { return };
    let (mut database, mut ledger) = plant(&place, &settings(), &[duty(1, 0, None)], 1).await;
    assert_eq!(sweep(&mut ledger, &until(NINE + QUARTER)).await, 1);
    let mark = "SELECT reason, node_id, line_id, attempts, epoch, kind FROM missed";
    assert_eq!(place.sql(mark).await, ["no-owner|0|3|0|0|1"]);
    let mut late = reading(1, NINE, 5);
    late.at = NINE + 8 * QUARTER;
    database.write(&[late]).await.unwrap();
    assert_eq!(place.sql(OUTCOMES).await, ["late|1"]);
    assert_eq!(place.sql("SELECT COUNT(*) FROM missed").await, ["0"]);
}

#[tokio::test]
async fn a_duty_that_ended_in_the_middle_of_a_slot_has_it_and_not_the_next() {
    let Some(place) = Place::shared().await else { return };
    let middle = NINE + QUARTER + 60_000;
    let moved = DutyRow { line: 4, ..duty(1, middle, None) };
    let rows = [duty(1, 0, Some(middle)), moved, duty(2, 0, Some(NINE + QUARTER))];
    let (_, mut ledger) = plant(&place, &settings(), &rows, 3).await;
    sweep(&mut ledger, &until(NINE + 3 * QUARTER)).await;
    assert_eq!(place.sql(MARKS).await, ["1|0|no-owner", "1|1|duty-ended", "1|2|no-owner", "2|0|no-owner"]);
    assert_eq!(place.sql("SELECT line_id FROM missed WHERE meter_id = 1 ORDER BY slot").await, ["3", "3", "4"]);
    assert_eq!(unaccounted(&place).await, "0");
}

#[tokio::test]
async fn slots_that_a_lost_node_may_have_read_say_so() {
    let Some(place) = Place::shared().await else { return };
    let (_, mut ledger) = plant(&place, &settings(), &[duty(1, 0, None)], 3).await;
    let bounds = Bounds { lost: vec![NINE + QUARTER + 30_000], grace: 20_000, ..until(NINE + 3 * QUARTER) };
    sweep(&mut ledger, &bounds).await;
    assert_eq!(place.sql(MARKS).await, ["1|0|no-owner", "1|1|node-lost", "1|2|no-owner"]);
}

#[tokio::test]
async fn whoever_knows_an_older_entry_of_the_log_tells_and_closes_nothing() {
    let Some(place) = Place::shared().await else { return };
    let (_, mut old) = plant(&place, &settings(), &[duty(1, 0, None)], 2).await;
    let (mut new, book) = Ledger::open(&place.config(), &settings(), "plant", NINE + 1).await.unwrap();
    assert_eq!((book.applied, book.begins), (7, NINE));
    assert_eq!(new.open_duties().await.unwrap(), [duty(1, 0, None)]);
    new.tell(7, 9, &[], &[duty(1, 0, Some(NINE + QUARTER))]).await.unwrap();
    let overtaken = |done: Result<(), LedgerError>| matches!(done, Err(LedgerError::Overtaken { .. }));
    assert!(overtaken(old.tell(7, 8, &[], &[duty(1, 0, None)]).await));
    assert!(overtaken(old.sweep(7, &until(NINE + QUARTER)).await.map(drop)));
    assert!(overtaken(old.make(7, 5, (NINE, NINE), &[]).await));
    assert!(overtaken(new.tell(9, 8, &[], &[duty(1, 0, None)]).await));
    assert_eq!(place.sql("SELECT COUNT(*) FROM duty WHERE due_until IS NULL").await, ["0"]);
    assert_eq!(new.sweep(9, &until(NINE + QUARTER)).await.unwrap().marked, 1);
}

#[tokio::test]
async fn another_clusters_book_is_begun_anew() {
    let Some(place) = Place::shared().await else { return };
    let (_, mut old) = plant(&place, &settings(), &[duty(1, 0, None)], 1).await;
    let (_, book) = Ledger::open(&place.config(), &settings(), "other", NINE + QUARTER).await.unwrap();
    assert_eq!((book.applied, book.begins, book.horizon), (0, NINE + QUARTER, NINE + QUARTER));
    assert!(matches!(old.sweep(7, &until(NINE + QUARTER)).await, Err(LedgerError::Overtaken { .. })));
}

#[tokio::test]
async fn moments_are_made_from_the_horizon_on_as_long_as_somebody_is_due() {
    let Some(place) = Place::shared().await else { return };
    let database = place.migrated().await;
    let mut ledger = opened(&place, &settings()).await;
    let other = ScheduleRow { id: 6, ..quarters() };
    let past = DutyRow { schedule: 6, ..duty(2, 0, Some(NINE + 5)) };
    ledger.tell(0, 7, &[quarters(), other], &[duty(1, 0, None), past]).await.unwrap();
    let made = |made: &crate::mysql::Made| (made.schedule, made.to, made.needed_until);
    let all = ledger.made().await.unwrap();
    assert_eq!(all.iter().map(made).collect::<Vec<_>>(), [(5, NINE, None), (6, NINE, Some(NINE + 5))]);
    ledger.make(7, 5, (NINE, NINE + QUARTER), &[slot(NINE)]).await.unwrap();
    assert_eq!(ledger.made().await.unwrap().first().map(made), Some((5, NINE + QUARTER, None)));
    drop(database);
}

#[tokio::test]
async fn what_is_old_is_dropped_with_the_days_of_the_readings_and_is_not_unaccounted_for() {
    let Some(place) = Place::shared().await else { return };
    let rows = [duty(1, 0, None), duty(2, 0, Some(NINE + 1))];
    let (_, mut ledger) = plant(&place, &settings(), &rows, 2).await;
    ledger.prune(7, NINE + QUARTER).await.unwrap();
    assert_eq!(place.sql("SELECT COUNT(*) FROM schedule_slot").await, ["2"], "not closed, and dropped");
    sweep(&mut ledger, &until(wall_now().0)).await;
    // The readings of that day are gone: its partition never was.
    ledger.prune(7, 0).await.unwrap();
    assert_eq!(place.sql("SELECT COUNT(*) FROM schedule_slot").await, ["0"]);
    assert_eq!(place.sql("SELECT meter_id FROM duty").await, ["1"]);
    assert_eq!(unaccounted(&place).await, "0");
    assert_eq!(place.sql("SELECT begins > '2026-11-24' FROM ledger_horizon").await, ["1"]);
}

#[tokio::test]
async fn the_tables_of_the_release_before_take_the_ledger_with_their_rows() {
    let Some(place) = Place::shared().await else { return };
    let mut database = Database::connect(&place.config()).await.unwrap();
    database.migrate_to(crate::mysql::migrate::MIGRATIONS.get(..3).unwrap()).await.unwrap();
    // As the release before wrote them: its statements, not this one's.
    let read = "INSERT INTO reading (meter_id, slot, kind, read_at, node_id, line_id, epoch, quality, attempts, identity, raw) \
                VALUES (1, '2026-11-23 09:00:00', 1, '2026-11-23 09:00:01.5', 1, 3, 2, 0, 1, '', '')";
    let missed =
        "INSERT INTO missed VALUES (1, '2026-11-23 09:15:00', 1, 'no-answer', '', 3, '2026-11-23 09:30:00', 1, 3, 2)";
    for statement in [read, missed] {
        place.sql(statement).await;
    }
    drop(database);
    plant(&place, &settings(), &[duty(1, 0, None)], 2).await;
    assert_eq!(place.sql(OUTCOMES).await, ["missed|1", "on-time|1"]);
}

fn group(name: &str) -> Group {
    GROUPS.into_iter().find(|group| group.name == name).unwrap()
}

async fn with_places(place: &Place) {
    place.sql("INSERT INTO line (line_id, name, endpoint) VALUES (3, 'l3', 'tcp://gw:1')").await;
    let row = |n: u64, region: &str| format!("({n}, 'm{n}', 3, 'mbus', '{n}', 900, 0, 1, '{region}')");
    let rows = [row(1, "north"), row(2, "north"), row(3, "south")].join(", ");
    let columns = "meter_id, name, line_id, dialect, address, interval_s, offset_s, enabled, region";
    place.sql(&format!("INSERT INTO meter ({columns}) VALUES {rows}")).await;
}

#[tokio::test]
async fn slots_are_counted_by_every_group_there_is_and_add_up() {
    let Some(place) = Place::shared().await else { return };
    let duties: Vec<_> = (1..=4).map(|meter| duty(meter, 0, None)).collect();
    let (mut database, mut ledger) = plant(&place, &settings(), &duties, 4).await;
    with_places(&place).await;
    database.write(&[reading(1, NINE, 5), reading(3, NINE, 5), miss(2, NINE, "no-answer")]).await.unwrap();
    sweep(&mut ledger, &until(NINE + 2 * QUARTER)).await;
    let accounts = Accounts::new(&place.config(), &settings());
    let span = Span { from: NINE, to: NINE + 4 * QUARTER, only: Vec::new() };
    for by in GROUPS {
        let counts = accounts.summary(&span, &[by], &Plant::utc(), 100).await.unwrap();
        assert_eq!(counts.iter().map(|count| count.due).sum::<u64>(), 16, "{}", by.name);
        for c in counts {
            let sum = c.on_time + c.late + c.backfilled + c.missed + c.waiting + c.open + c.unaccounted;
            assert_eq!(c.due, sum, "{}", by.name);
        }
    }
    let by = [group("region"), group("hour")];
    let counts = accounts.summary(&span, &by, &Plant::utc(), 100).await.unwrap();
    let shown: Vec<_> = counts.iter().map(|c| (c.names.join(" "), c.due, c.on_time, c.missed, c.waiting)).collect();
    let row =
        |name: &str, due, on_time, missed, waiting| (format!("{name} 2026-11-23 09:00"), due, on_time, missed, waiting);
    assert_eq!(shown, [row("", 4, 0, 2, 2), row("north", 8, 1, 3, 4), row("south", 4, 1, 1, 2)]);
    let south = Span { only: vec![(group("region"), "south".to_owned())], ..span.clone() };
    assert_eq!(accounts.summary(&south, &[], &Plant::utc(), 2).await.unwrap().first().map(|count| count.due), Some(4));
    assert_eq!(accounts.horizon().await.unwrap(), (NINE, NINE + 2 * QUARTER));
}

/// What the view says, in the order of the counts.
const VIEW: &str = "COUNT(*), SUM(v.outcome = 'on-time'), SUM(v.outcome = 'late'), SUM(v.outcome = 'backfilled'), \
    SUM(v.outcome = 'missed'), SUM(v.outcome = 'waiting'), SUM(v.outcome = 'open'), SUM(v.outcome = 'unaccounted') \
    FROM slot_ledger v LEFT JOIN meter m ON m.meter_id = v.meter_id LEFT JOIN line l ON l.line_id = v.line_id";

#[tokio::test]
async fn counts_are_those_of_the_view_whatever_they_are_grouped_by_and_however_duties_lie() {
    let Some(place) = Place::shared().await else { return };
    let middle = NINE + QUARTER + 60_000;
    let duties = [
        duty(1, 0, None),
        duty(2, 0, Some(middle)),
        DutyRow { line: 4, model: "other".to_owned(), ..duty(2, middle, None) },
        duty(3, NINE + 3 * QUARTER, None),
        duty(4, 0, Some(NINE)),
        duty(5, 0, None),
        DutyRow { line: 9, ..duty(6, 0, None) },
    ];
    let (mut database, mut ledger) = plant(&place, &settings(), &duties, 6).await;
    with_places(&place).await;
    let now = wall_now().0;
    ledger.make(7, 5, (now - 60_000, now), &[slot(now - 60_000)]).await.unwrap();
    let mut late = reading(1, NINE + QUARTER, 6);
    late.at = NINE + QUARTER + 700_000;
    let mut filled = reading(5, NINE, 7);
    if let Some(Content::Reading(reading)) = &mut filled.content {
        reading.quality = 4096 + 1;
    }
    let undue = [reading(4, NINE, 1), reading(3, NINE, 1), reading(1, NINE + 60_000, 1), miss(3, NINE, "no-answer")];
    let seen = [reading(1, NINE, 5), late, filled, miss(2, NINE, "no-answer"), miss(6, NINE + 4 * QUARTER, "garbled")];
    database.write(&seen).await.unwrap();
    database.write(&undue).await.unwrap();
    sweep(&mut ledger, &until(NINE + 3 * QUARTER)).await;
    // A mark beside its reading, and a slot that nobody accounts for.
    place.sql("INSERT INTO missed SELECT meter_id, slot, 1, 'garbled', '', 1, slot, 1, 3, 1, NULL, '' FROM reading WHERE meter_id = 1").await;
    place.sql("DELETE FROM missed WHERE meter_id = 5 AND slot = '2026-11-23 09:15:00'").await;

    let spans = [(NINE, now + 1), (NINE + QUARTER, NINE + 4 * QUARTER), (NINE + 60_000, NINE + 2 * QUARTER), (0, NINE)];
    assert!(as_the_view_says(&place, &spans, &Plant::utc(), 0).await > 200);
    let shanghai = Plant::new("Asia/Shanghai");
    as_the_view_says(&place, &spans, &shanghai, 8).await;

    // The same once the days gone by are counted, and when something comes for them after that.
    place.sql("UPDATE ledger_horizon SET begins = '2026-11-20', horizon = '2026-11-26 00:30:00'").await;
    let mut keeper = keeper(&place).await;
    roll(&mut keeper).await;
    assert!(place.sql("SELECT * FROM slot_tally").await.len() > 8, "{:?}", place.sql("SELECT * FROM slot_tally").await);
    assert_eq!(place.sql("SELECT day FROM keeper_progress WHERE duty = 'tallied'").await, ["2026-11-26"]);
    let midnight = NINE - 9 * HOUR;
    let spans =
        [spans[0], (0, now + 1), (midnight, midnight + 24 * HOUR), (midnight + HOUR, now), (NINE, NINE + 20 * HOUR)];
    assert!(as_the_view_says(&place, &spans, &Plant::utc(), 0).await > 200);
    place.sql("UPDATE slot_tally SET on_time = on_time + 1").await;
    let wrong = summary(&place, (0, now + 1)).await;
    place.sql("UPDATE slot_tally SET on_time = on_time - 1").await;
    let right = summary(&place, (0, now + 1)).await;
    assert!(wrong.on_time > right.on_time, "what is counted is what is told");

    database.write(&[reading(6, NINE + 4 * QUARTER, 3), miss(5, NINE + QUARTER, "garbled")]).await.unwrap();
    assert_eq!(place.sql("SELECT meter_id FROM rollup_due WHERE span = 3 ORDER BY meter_id").await, ["5", "6"]);
    // Of meters that are marked nothing that was counted is told.
    place.sql("UPDATE slot_tally SET on_time = on_time + 100 WHERE meter_id IN (5, 6)").await;
    as_the_view_says(&place, &spans, &Plant::utc(), 0).await;
    roll(&mut keeper).await;
    assert_eq!(place.sql("SELECT day FROM rollup_due WHERE span = 3").await.len(), 0);
    as_the_view_says(&place, &spans, &Plant::utc(), 0).await;
    let after = summary(&place, (0, now + 1)).await;
    assert_eq!(
        (after.due, after.on_time + after.late, after.missed),
        (right.due, right.on_time + right.late + 1, right.missed)
    );

    // And where the plant turns out to be elsewhere.
    as_the_view_says(&place, &spans, &shanghai, 8).await;
    keeper.stand_in("Asia/Shanghai");
    roll(&mut keeper).await;
    let spans = [spans[0], spans[1], (midnight - 8 * HOUR, midnight + 40 * HOUR)];
    as_the_view_says(&place, &spans, &shanghai, 8).await;
    place.sql("UPDATE slot_tally SET on_time = on_time + 1").await;
    assert!(summary(&place, spans[2]).await.on_time > after.on_time, "days of Shanghai are counted");

    // And where the accounts begin within a day that was counted.
    place.sql("UPDATE ledger_horizon SET begins = '2026-11-23 09:40:00'").await;
    as_the_view_says(&place, &[(0, now + 1), (NINE, NINE + 2 * QUARTER), spans[2]], &shanghai, 8).await;
}

async fn keeper(place: &Place) -> Database {
    let settings = config::Mysql { rollup_settle: Duration::ZERO, rollup_meters: 2, batch_rows: 2, ..place.config() };
    Database::connect_keeper(&settings).await.unwrap()
}

async fn roll(keeper: &mut Database) {
    let plant = keeper.plant().clone();
    while keeper.roll_up(&plant, wall_now()).await.unwrap() {}
}

async fn summary(place: &Place, (from, to): (u64, u64)) -> Counts {
    let accounts = Accounts::new(&place.config(), &settings());
    let counts = accounts.summary(&Span { from, to, only: Vec::new() }, &[], &Plant::utc(), 1).await.unwrap();
    counts.into_iter().next().unwrap()
}

/// Compares what is told of `spans` with the view, in every way to group it, by clocks that are `ahead` hours; how many groups
/// there were.
async fn as_the_view_says(place: &Place, spans: &[(u64, u64)], plant: &Plant, ahead: u32) -> usize {
    let accounts = Accounts::new(&place.config(), &settings());
    let by = [
        ("region", "COALESCE(m.region, '')"),
        ("line", "COALESCE(l.name, CONCAT('#', v.line_id))"),
        ("model", "v.model"),
        ("meter", "COALESCE(m.name, CONCAT('#', v.meter_id))"),
        ("node", "COALESCE(CAST(NULLIF(v.node_id, 0) AS CHAR), '')"),
        ("reason", "COALESCE(v.reason, '')"),
        ("hour", &format!("DATE_FORMAT(v.slot + INTERVAL {ahead} HOUR, '%Y-%m-%d %H:00')")),
        ("day", &format!("DATE_FORMAT(v.slot + INTERVAL {ahead} HOUR, '%Y-%m-%d')")),
    ];
    let mut compared = 0;
    for (from, to) in spans {
        for (first, second) in by.iter().flat_map(|first| by.iter().map(move |second| (first, second))) {
            let sql = format!(
                "SELECT {}, {}, {VIEW} WHERE v.slot >= FROM_UNIXTIME({from} / 1000) AND v.slot < FROM_UNIXTIME({to} / 1000) \
                 GROUP BY 1, 2 ORDER BY 1, 2",
                first.1, second.1
            );
            let span = Span { from: *from, to: *to, only: Vec::new() };
            let counts = accounts.summary(&span, &[group(first.0), group(second.0)], plant, 100).await.unwrap();
            let shown = counts.iter().map(|c| {
                let numbers = [c.due, c.on_time, c.late, c.backfilled, c.missed, c.waiting, c.open, c.unaccounted];
                format!("{}|{}", c.names.join("|"), numbers.map(|number| number.to_string()).join("|"))
            });
            assert_eq!(shown.collect::<Vec<_>>(), place.sql(&sql).await, "{} {} {from} {to}", first.0, second.0);
            compared += counts.len();
        }
    }
    compared
}

#[tokio::test]
async fn meters_that_were_not_read_are_listed_by_reason_page_by_page() {
    let Some(place) = Place::shared().await else { return };
    let duties: Vec<_> = (1..=4).map(|meter| duty(meter, 0, None)).collect();
    let (mut database, mut ledger) = plant(&place, &settings(), &duties, 2).await;
    with_places(&place).await;
    database.write(&[reading(1, NINE, 5), reading(3, NINE, 5), miss(2, NINE, "no-answer")]).await.unwrap();
    database.write(&[reading(3, NINE + QUARTER, 5)]).await.unwrap();
    database.write_latest(&[(1, NINE, 1)]).await.unwrap();
    sweep(&mut ledger, &until(NINE + 2 * QUARTER)).await;
    let unread = async || {
        let accounts = Accounts::new(&place.config(), &settings());
        let span = Span { from: NINE - 9 * HOUR, to: NINE + 15 * HOUR, only: Vec::new() };
        let (mut rows, mut after) = (Vec::new(), None);
        loop {
            let page = accounts.unread(&span, after, 1).await.unwrap();
            let Some(row) = page.into_iter().next() else { break };
            after = Some((row.meter_id, row.reason.clone()));
            rows.push((row.meter, row.line, row.reason, row.slots, row.first - NINE, row.last_read));
        }
        rows
    };
    let row = |meter: &str, reason: &str, slots, first, read| {
        (meter.to_owned(), "l3".to_owned(), reason.to_owned(), slots, first, read)
    };
    let expected = [
        row("m1", "no-owner", 1, QUARTER, NINE),
        row("m2", "no-answer", 1, 0, 0),
        row("m2", "no-owner", 1, QUARTER, 0),
        row("", "no-owner", 2, 0, 0),
    ];
    assert_eq!(unread().await, expected);
    place.sql("UPDATE ledger_horizon SET begins = '2026-11-20', horizon = '2026-11-24 00:30:00'").await;
    roll(&mut keeper(&place).await).await;
    assert_eq!(unread().await, expected, "the same once the day is counted");
    place.sql("DELETE FROM slot_tally WHERE reason = 'no-answer'").await;
    assert_eq!(unread().await.len(), expected.len() - 1, "from what is counted");
}

/// Says how fast slots are closed; fails only where that is absurdly slow.
#[tokio::test]
async fn a_slot_of_twenty_thousand_meters_is_closed_in_a_moment() {
    let Some(place) = Place::alone().await else { return };
    let meters = 20_000;
    let duties: Vec<_> = (1..=meters).map(|meter| duty(meter, 0, None)).collect();
    let (mut database, mut ledger) = plant(&place, &settings(), &duties, 2).await;
    let all: Vec<_> = (1..=meters).map(|meter| reading(meter, NINE, 5)).collect();
    for part in all.chunks(5_000) {
        database.write(part).await.unwrap();
    }
    let started = Instant::now();
    assert_eq!(sweep(&mut ledger, &until(NINE + QUARTER)).await, 0);
    let read = started.elapsed();
    let started = Instant::now();
    assert_eq!(sweep(&mut ledger, &until(NINE + 2 * QUARTER)).await, meters);
    let marked = started.elapsed();
    let started = Instant::now();
    let accounts = Accounts::new(&place.config(), &settings());
    let span = Span { from: NINE, to: NINE + 2 * QUARTER, only: Vec::new() };
    let counts = accounts.summary(&span, &[group("model"), group("hour")], &Plant::utc(), 10).await.unwrap();
    assert_eq!(counts.first().map(|count| (count.on_time, count.missed)), Some((meters, meters)));
    println!("{meters} read: {read:?}, {meters} marked: {marked:?}, counted: {:?}", started.elapsed());
    assert!(read.as_secs() < 10 && marked.as_secs() < 30, "read {read:?}, marked {marked:?}");
}

/// Says how fast a month of counted days is added up; fails only where that is absurdly slow.
#[tokio::test]
async fn a_month_of_ten_thousand_meters_is_added_up_in_a_moment() {
    let Some(place) = Place::alone().await else { return };
    place.migrated().await;
    let digits = "(SELECT 0 AS n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION \
                  SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)";
    let numbers = format!(
        "(SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n AS n FROM {digits} a, {digits} b, {digits} c, {digits} d)"
    );
    let days = format!("(SELECT a.n + 10 * b.n AS n FROM {digits} a, {digits} b WHERE a.n + 10 * b.n < 31)");
    let day = "'2026-10-01' + INTERVAL d.n DAY";
    for sql in [
        "INSERT INTO schedule (schedule_id, expression, calendar) VALUES (5, 'every 15m', '')".to_owned(),
        "INSERT INTO ledger_horizon VALUES (1, 'plant', 7, '2026-10-01', '2026-11-01')".to_owned(),
        "INSERT INTO keeper_progress VALUES ('tallied', '2026-11-01', 0, 'UTC')".to_owned(),
        format!(
            "INSERT INTO schedule_slot SELECT 5, t.slot, t.slot + INTERVAL 15 MINUTE, t.slot + INTERVAL 15 MINUTE, 2, NULL \
                 FROM (SELECT '2026-10-01' + INTERVAL 15 * n MINUTE AS slot FROM {numbers} d WHERE n < 31 * 96) t"
        ),
        format!("INSERT INTO duty SELECT n, '2026-10-01', NULL, 5, n DIV 100, 'pulse' FROM {numbers} d"),
        format!(
            "INSERT IGNORE INTO meter (meter_id, name, region) SELECT n, CONCAT('m', n), CONCAT('r', n DIV 1000) FROM {numbers} d"
        ),
        format!(
            "INSERT INTO slot_tally SELECT m.n, '2026-10-01', {day}, 1, '', 95, 0, 0, 0, {day}, {day} \
                 FROM {numbers} m, {days} d"
        ),
        format!(
            "INSERT INTO slot_tally SELECT m.n, '2026-10-01', {day}, 1, 'no-answer', 0, 0, 0, 1, {day}, {day} \
                 FROM {numbers} m, {days} d"
        ),
    ] {
        place.sql(&sql).await;
    }
    let accounts = Accounts::new(&place.config(), &settings());
    let october = Span { from: 1_790_812_800_000, to: 1_790_812_800_000 + 31 * 24 * HOUR, only: Vec::new() };
    for by in [&[][..], &[group("region")], &[group("region"), group("reason")]] {
        let began = Instant::now();
        let counts = accounts.summary(&october, by, &Plant::utc(), 1_000).await.unwrap();
        let took = began.elapsed();
        eprintln!("31 days of 10,000 meters by {:?}: {took:?}", by.iter().map(|group| group.name).collect::<Vec<_>>());
        let due: u64 = counts.iter().map(|counts| counts.due).sum();
        let read: u64 = counts.iter().map(|counts| counts.on_time).sum();
        assert_eq!((due, read), (31 * 96 * 10_000, 31 * 95 * 10_000));
        assert!(took < Duration::from_secs(15), "{took:?}");
    }
    let began = Instant::now();
    let unread = accounts.unread(&october, None, 100).await.unwrap();
    eprintln!("who was not read: {:?}", began.elapsed());
    assert_eq!((unread.len(), unread[0].slots), (100, 31));
}
