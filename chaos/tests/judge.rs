//! The judge is proven on planted bugs: each is reported, and a clean run is seen as clean.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use chaos::clock::Stamp;
use chaos::judge::database::{Missed, Row, Tables};
use chaos::judge::{Options, Report, judge};
use chaos::ledger::{Answer, AnswerKind, Event, Holder, LineFacts, MeterFacts, Request, Speaker, Values, ValveIs};

/// 2026-01-01T00:00:00Z, µs.
const DAWN: i64 = 1_767_225_600_000_000;
const SECOND: i64 = 1_000_000;

fn at(seconds: f64) -> Stamp {
    let micros = (seconds * SECOND as f64) as i64;
    Stamp { mono: micros, wall: DAWN + micros }
}

fn slot_ms(seconds: i64) -> i64 {
    DAWN / 1000 + seconds * 1000
}

fn tcp(node: u8, connection: u64) -> Speaker {
    Speaker::Tcp { peer: format!("127.0.0.{node}:4000").parse().unwrap(), connection }
}

fn pty(pids: &[i32]) -> Speaker {
    let holders = pids.iter().map(|pid| Holder { pid: *pid, connection: 100 + *pid as u64 });
    Speaker::Pty { holders: holders.collect() }
}

fn values(step: i64) -> Values {
    Values { energy_joule: Some(3_600_000), volume_millilitre: Some(step * 1000), ..Values::default() }
}

/// One line with two meters of ten-second slots, a node that reads meter `a` in every slot, and `b` last.
struct Run {
    events: Vec<Event>,
    tables: Tables,
    ids: u64,
}

impl Run {
    fn new() -> Self {
        let line = LineFacts {
            line: "north".into(),
            endpoint: "tcp://127.0.0.1:1".into(),
            baud: 9600,
            extra_answer_us: 0,
            answer_timeout_us: SECOND / 2,
        };
        let meter = |name: &str| MeterFacts {
            meter: name.into(),
            line: "north".into(),
            dialect: "mbus".into(),
            address: "1".into(),
            interval_s: 10,
            offset_s: 0,
            valve: false,
            faulty: false,
        };
        let events = vec![
            Event::Start { at: at(0.0), seed: 1 },
            Event::Line(line),
            meter_event(meter("a")),
            meter_event(meter("b")),
        ];
        Self { events, tables: Tables::default(), ids: 0 }
    }

    /// A request and its answer a tenth of a second later; without values, the meter stays silent.
    fn speech(&mut self, when: f64, speaker: &Speaker, meter: &str, said: Option<Values>) -> &mut Self {
        self.ids += 1;
        let (id, line) = (self.ids, "north".to_owned());
        self.events.push(Event::Request(Request {
            at: at(when + 0.01),
            first: at(when),
            id,
            line: line.clone(),
            speaker: speaker.clone(),
            hex: "107B017C16".into(),
            kind: "read".into(),
            meter: Some(meter.into()),
        }));
        if let Some(values) = said {
            self.events.push(Event::Answer(Box::new(Answer {
                at: at(when + 0.1),
                id: 10_000 + id,
                request: id,
                line,
                meter: meter.into(),
                kind: AnswerKind::Reading,
                hex: String::new(),
                values: Some(values),
                repeat: false,
                late: false,
                damaged: false,
                disturbed: false,
                fault: None,
                meter_time: None,
                undelivered: false,
            })));
        }
        self
    }

    fn last_answer(&mut self) -> &mut Answer {
        match self.events.last_mut() {
            Some(Event::Answer(answer)) => answer,
            other => unreachable!("the last entry is {other:?}"),
        }
    }

    fn close(&mut self, when: f64, speaker: &Speaker) -> &mut Self {
        self.events.push(Event::Close { at: at(when), line: "north".into(), speaker: speaker.clone() });
        self
    }

    fn row(&mut self, slot: i64, meter: &str, values: Values) -> &mut Self {
        let (slot_ms, read_at_ms) = (slot_ms(slot), slot_ms(slot) + 200);
        let row = Row { meter: meter.into(), slot_ms, kind: 1, read_at_ms, node: 2, epoch: 1, values, valve: None };
        self.tables.rows.push(row);
        self
    }

    fn missed(&mut self, slot: i64, meter: &str, reason: &str) -> &mut Self {
        self.tables.missed.push(Missed { meter: meter.into(), slot_ms: slot_ms(slot), kind: 1, reason: reason.into() });
        self
    }

    fn judge(&self, end: f64) -> Report {
        let mut events = self.events.clone();
        events.push(Event::Stop { at: at(end) });
        judge(&events, &self.tables, Options::default())
    }

    /// Slots 0, 10, 20 of meter `a` read by node 2 over connection 7 and stored.
    fn clean() -> Self {
        let mut run = Self::new();
        for step in 0..3 {
            run.speech(10.0 * step as f64 + 4.0, &tcp(2, 7), "a", Some(values(step + 1)));
            run.row(10 * step, "a", values(step + 1));
        }
        run
    }
}

fn meter_event(facts: MeterFacts) -> Event {
    Event::Meter(facts)
}

#[test]
fn a_clean_run_is_seen_as_clean() {
    let report = Run::clean().judge(30.0);
    assert_eq!(report.verdict, "kept", "{report:?}");
    assert_eq!((report.answered, report.accepted, report.stored, report.unaccounted), (3, 3, 3, 0));
    assert!(report.examples.is_empty());
}

#[test]
fn a_run_that_stored_nothing_is_not_kept() {
    assert_eq!(Run::new().judge(30.0).verdict, "broken");
}

#[test]
fn an_accepted_answer_without_a_row_is_missing() {
    let mut run = Run::clean();
    run.tables.rows.remove(1);
    let report = run.judge(30.0);
    assert_eq!((report.missing, report.unaccounted, report.verdict), (1, 1, "broken"));
    assert_eq!((report.examples[0].kind, report.examples[0].subject.as_str()), ("missing", "a"));
}

#[test]
fn a_row_of_the_slot_before_does_not_excuse_an_answer_given_at_the_beginning_of_its_slot() {
    let mut run = Run::new();
    run.speech(0.2, &tcp(2, 7), "a", Some(values(1))).row(0, "a", values(1));
    let report = run.speech(10.2, &tcp(2, 7), "a", Some(values(2))).judge(30.0);
    assert_eq!(report.missing, 1, "{report:?}");
}

#[test]
fn an_answer_asked_for_again_for_the_slot_before_is_not_missing() {
    let mut run = Run::new();
    run.speech(10.1, &tcp(2, 7), "a", Some(values(1))).speech(10.9, &tcp(2, 7), "a", Some(values(2)));
    assert_eq!(run.row(0, "a", values(2)).judge(30.0).verdict, "kept");
}

#[test]
fn an_accepted_answer_swept_away_as_missed_is_missing() {
    let mut run = Run::clean();
    run.tables.rows.remove(1);
    let report = run.missed(10, "a", "no-owner").judge(30.0);
    assert_eq!((report.missing, report.denied, report.missed), (1, 0, 1));
}

#[test]
fn an_answer_the_node_says_it_could_not_use_is_denied_and_not_missing() {
    let mut run = Run::clean();
    run.tables.rows.remove(1);
    let report = run.missed(10, "a", "bad-checksum").judge(30.0);
    assert_eq!((report.missing, report.denied, report.verdict), (0, 1, "kept"));
}

#[test]
fn what_became_of_an_answer_is_said_by_the_mark_of_the_slot_it_was_asked_for_in() {
    for (asked_in, given_in, missing, denied) in
        [("garbled", "no-time", 0, 1), ("no-answer", "no-owner", 0, 1), ("no-time", "no-answer", 1, 0)]
    {
        let mut run = Run::clean();
        // Asked for 0.05 s before its slot ended, and given 0.05 s after.
        run.speech(39.95, &tcp(2, 7), "b", Some(values(9))).speech(44.0, &tcp(2, 7), "a", None);
        run.missed(30, "b", asked_in).missed(40, "b", given_in);
        let report = run.judge(60.0);
        assert_eq!((report.missing, report.denied), (missing, denied), "{asked_in} {given_in}: {report:?}");
    }
}

#[test]
fn an_answer_in_flight_when_its_node_died_may_be_stored_or_not() {
    for stored in [false, true] {
        let mut run = Run::clean();
        run.speech(34.0, &tcp(2, 7), "b", Some(values(9))).close(34.2, &tcp(2, 7));
        if stored {
            run.row(30, "b", values(9));
        }
        let report = run.judge(60.0);
        assert_eq!((report.in_flight, report.missing, report.verdict), (1, 0, "kept"), "{report:?}");
    }
}

#[test]
fn an_answer_just_before_the_field_ended_is_in_flight() {
    let mut run = Run::clean();
    let report = run.speech(34.0, &tcp(2, 7), "b", Some(values(9))).judge(34.5);
    assert_eq!((report.in_flight, report.missing), (1, 0));
}

#[test]
fn two_answers_in_one_slot_leave_one_row() {
    let mut run = Run::clean();
    let report = run.speech(25.0, &tcp(2, 7), "a", Some(values(9))).judge(60.0);
    assert_eq!((report.accepted, report.stored, report.missing, report.verdict), (4, 3, 0, "kept"));
}

#[test]
fn an_answer_whose_slot_began_a_moment_before_belongs_to_either() {
    let mut run = Run::new();
    run.speech(9.85, &tcp(2, 7), "a", Some(values(1))).speech(12.0, &tcp(2, 7), "b", None);
    let report = run.row(10, "a", values(1)).judge(30.0);
    assert_eq!(report.verdict, "kept", "{report:?}");
}

#[test]
fn one_answer_in_two_slots_is_doubled() {
    let mut run = Run::clean();
    let report = run.row(30, "a", values(3)).judge(60.0);
    assert_eq!((report.doubled, report.verdict), (1, "broken"));
}

#[test]
fn two_rows_for_one_slot_are_doubled() {
    let mut run = Run::clean();
    let report = run.row(20, "a", values(3)).judge(30.0);
    assert!(report.doubled >= 1, "{report:?}");
}

#[test]
fn a_telegram_asked_for_again_is_one_reading() {
    let mut run = Run::clean();
    run.speech(24.5, &tcp(2, 7), "a", Some(values(3))).last_answer().repeat = true;
    let report = run.judge(30.0);
    assert_eq!((report.answered, report.verdict), (3, "kept"));
}

#[test]
fn a_value_no_meter_said_is_wrong() {
    let mut run = Run::clean();
    run.tables.rows[1].values.energy_joule = Some(3_600_001);
    let report = run.judge(30.0);
    assert_eq!((report.wrong, report.verdict), (1, "broken"));
}

#[test]
fn another_meters_value_is_wrong() {
    let mut run = Run::clean();
    let report = run.row(0, "b", values(1)).judge(30.0);
    assert_eq!(report.wrong, 1);
}

#[test]
fn another_moments_value_is_wrong() {
    let mut run = Run::clean();
    run.tables.rows[2].slot_ms = slot_ms(40);
    assert_eq!(run.judge(60.0).wrong, 1);
}

#[test]
fn a_row_that_holds_a_damaged_answer_is_wrong() {
    let mut run = Run::clean();
    run.speech(34.0, &tcp(2, 7), "b", Some(values(9))).last_answer().damaged = true;
    let report = run.row(30, "b", values(9)).judge(60.0);
    assert_eq!((report.wrong, report.answered), (1, 3));
}

#[test]
fn a_row_may_hold_an_answer_with_a_heartbeat_inside_and_need_not() {
    let mut run = Run::clean();
    run.speech(34.0, &tcp(2, 7), "b", Some(values(9))).last_answer().disturbed = true;
    run.speech(36.0, &tcp(2, 7), "a", None);
    assert_eq!(run.judge(60.0).verdict, "kept", "it is nobody's debt");
    let report = run.row(30, "b", values(9)).judge(60.0);
    assert_eq!((report.wrong, report.missing, report.verdict), (0, 0, "kept"), "{report:?}");
}

#[test]
fn a_telegram_that_announces_more_is_no_reading_by_itself() {
    let mut run = Run::clean();
    run.speech(34.0, &tcp(2, 7), "b", Some(values(9))).last_answer().kind = AnswerKind::Part;
    let report = run.speech(36.0, &tcp(2, 7), "a", None).judge(60.0);
    assert_eq!((report.answered, report.missing, report.verdict), (3, 0, "kept"));
    let report = run.row(30, "b", values(9)).judge(60.0);
    assert_eq!(report.wrong, 1, "nobody gave all of it");
}

#[test]
fn a_valve_seen_closed_must_be_stored_closed() {
    for (column, wrong) in [(Some(2), 0), (Some(1), 1), (None, 1)] {
        let mut run = Run::clean();
        let said = Values { valve: Some(ValveIs::Closed), ..values(9) };
        run.speech(34.0, &tcp(2, 7), "b", Some(said)).row(30, "b", values(9));
        run.tables.rows[3].valve = column;
        assert_eq!(run.judge(60.0).wrong, wrong, "valve column {column:?}");
    }
}

#[test]
fn a_late_answer_is_nobodys_debt() {
    let mut run = Run::clean();
    run.speech(34.0, &tcp(2, 7), "b", Some(values(9))).last_answer().late = true;
    let report = run.speech(36.0, &tcp(2, 7), "a", None).judge(60.0);
    assert_eq!((report.late, report.missing, report.verdict), (1, 0, "kept"));
}

#[test]
fn two_nodes_on_a_gateway_at_once_overlap() {
    let mut run = Run::clean();
    let report = run.speech(24.05, &tcp(3, 8), "b", None).judge(30.0);
    assert_eq!((report.overlaps, report.verdict), (1, "broken"));
    assert!(report.examples[0].text.contains("127.0.0.3") && report.examples[0].text.contains("127.0.0.2"));
}

#[test]
fn a_node_that_speaks_while_another_waits_for_a_silent_meter_overlaps() {
    let mut run = Run::clean();
    run.speech(34.0, &tcp(2, 7), "b", None);
    assert_eq!(run.speech(34.8, &tcp(3, 8), "a", None).judge(60.0).overlaps, 1);
}

#[test]
fn a_node_that_closed_the_line_no_longer_speaks() {
    let mut run = Run::clean();
    run.speech(34.0, &tcp(2, 7), "b", None).close(34.6, &tcp(2, 7));
    assert_eq!(run.speech(34.8, &tcp(3, 8), "a", None).judge(60.0).overlaps, 0);
}

#[test]
fn one_node_after_the_other_does_not_overlap() {
    let mut run = Run::clean();
    assert_eq!(run.speech(24.2, &tcp(3, 8), "b", None).judge(30.0).overlaps, 0);
}

#[test]
fn one_node_on_two_connections_does_not_overlap_itself() {
    let mut run = Run::clean();
    assert_eq!(run.speech(24.05, &tcp(2, 8), "b", None).judge(30.0).overlaps, 0);
}

#[test]
fn two_processes_holding_a_terminal_overlap() {
    let mut run = Run::clean();
    let report = run.speech(34.0, &pty(&[41, 42]), "b", None).judge(60.0);
    assert_eq!((report.overlaps, report.verdict), (1, "broken"));
}

#[test]
fn processes_one_after_the_other_on_a_terminal_do_not_overlap() {
    let mut run = Run::new();
    run.speech(4.0, &pty(&[41]), "a", Some(values(1))).speech(5.0, &pty(&[42]), "b", None);
    assert_eq!(run.row(0, "a", values(1)).judge(5.5).overlaps, 0);
}
