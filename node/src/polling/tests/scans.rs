//! Scans on lines with and without meters that are polled.

use std::collections::BTreeSet;
use std::time::Duration;

use protocol::mbus::selection::Selection;
use protocol::meter::{Action, Address, LineId};
use protocol::scan::{ANYBODY, Method, PRIMARY, Plan, Sighting, UNITS};
use raft_store::state::command::Outcome;

use super::field::{Field, Sim, What, identity};
use super::rig::{ME, OTHER, Rig, is_reading, reason, soon, until};
use crate::clock::{Moment, wall_now};
use crate::survey::{Report, Reports, SurveyError};

/// Between the standard's answer time and this a simulated meter of a busy machine gets its turn, ms.
const SLACK_MS: u32 = 100;

/// The identifications 1000_0000 to 1000_0099: two digits of silence to wait for.
const HUNDRED: Selection = Selection { id: 0x1000_00FF, ..ANYBODY };

fn plan(methods: &[Method]) -> Plan {
    let (methods, hex_digits, most_probes) = (methods.to_vec(), false, 10_000);
    Plan { methods, primary: PRIMARY, units: UNITS, within: ANYBODY, hex_digits, most_probes }
}

/// Asks until the line's task is there.
pub(super) async fn ask(rig: &Rig, line: LineId, plan: &Plan) -> Reports {
    let epoch = rig.town.epoch(line);
    soon(async {
        loop {
            match rig.surveys.ask(line, epoch, plan.clone()) {
                Err(SurveyError::NotHere(_)) => tokio::time::sleep(Duration::from_millis(1)).await,
                answered => return answered.expect("the line is free"),
            }
        }
    })
    .await
}

/// Everything that was told, to the end.
pub(super) async fn hear_out(mut reports: Reports) -> (Vec<Sighting>, Vec<Report>) {
    let (mut seen, mut told) = (Vec::new(), Vec::new());
    while let Some(report) = soon(reports.recv()).await {
        let report = report.expect("the scan goes on");
        seen.extend(report.news.clone());
        told.push(report);
    }
    (seen, told)
}

fn found(seen: &[Sighting], method: Method) -> Vec<Address> {
    seen.iter().filter(|s| s.method == method && s.fault.is_none()).map(|s| s.address).collect()
}

#[tokio::test]
async fn a_line_without_registered_meters_is_scanned_by_both_kinds_of_address() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let field = Field::new([3, 5, 0x15].map(|n| (n, Sim::new(u32::from(n)))));
    let line = rig.town.add_line(field.serve_tcp(0), |spec| spec.extra_answer_ms = SLACK_MS);
    rig.town.assign(line, ME);
    rig.start();
    let plan = Plan { primary: 1..=22, within: HUNDRED, ..plan(&[Method::Secondary, Method::Primary]) };
    let (seen, told) = hear_out(ask(&rig, line, &plan).await).await;
    assert_eq!(found(&seen, Method::Primary), [3, 5, 0x15].map(Address::MbusPrimary));
    let secondary: BTreeSet<_> = found(&seen, Method::Secondary).into_iter().collect();
    assert_eq!(secondary, [3, 5, 0x15].map(|n| identity(n).address()).into());
    let last = told.last().expect("a last report");
    assert_eq!((last.over, last.progress.left, last.progress.seen), (Some(true), 0, 6));
}

#[tokio::test]
async fn whoever_is_alone_on_a_serial_line_is_found_between_its_polls() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let field = Field::new([(0x55, Sim::new(1))]);
    let line = rig.town.add_line(field.serve_pty(), |_| {});
    let address = Address::Cjt188([0, 0, 0x11, 0x22, 0x33, 0x44, 0x55]);
    rig.town.add_meter(line, address, 1);
    rig.town.assign(line, ME);
    rig.start();
    let (seen, told) = hear_out(ask(&rig, line, &plan(&[Method::Cjt188])).await).await;
    assert_eq!(found(&seen, Method::Cjt188), [address]);
    assert_eq!(told.last().and_then(|report| report.over), Some(true));
    let polled = rig.records(3, |_| true).await;
    assert!(polled.iter().all(is_reading));
}

#[tokio::test]
async fn a_scan_of_a_busy_line_finds_everybody_and_no_slot_is_missed() {
    let mut rig = Rig::new(|_| {}).with_lease();
    // Identifications in decimal digits: 1000_0001 .. 1000_0009, 1000_0010 .. 1000_0012.
    let all: Vec<u8> = (1..=9).chain(0x10..=0x12).collect();
    let field = Field::new(all.iter().map(|n| (*n, Sim::new(u32::from(*n)))));
    let line = rig.town.add_line(field.serve_tcp(0), |spec| spec.extra_answer_ms = SLACK_MS);
    // Eight are polled every two seconds, two of them by secondary address: what they select is not what the scan selected.
    for n in 1..=6 {
        rig.town.add_meter(line, Address::MbusPrimary(n), 2);
    }
    for n in 7..=8 {
        rig.town.add_meter(line, identity(n).address(), 2);
    }
    rig.town.assign(line, ME);
    let begun = wall_now();
    rig.start();
    // Thirty who are silent for 100 ms each: a slot of two seconds begins meanwhile.
    let plan = Plan { primary: 0..=42, within: HUNDRED, ..plan(&[Method::Secondary, Method::Primary]) };
    let (seen, told) = hear_out(ask(&rig, line, &plan).await).await;
    let secondary: BTreeSet<_> = found(&seen, Method::Secondary).into_iter().collect();
    assert_eq!(secondary, all.iter().map(|n| identity(*n).address()).collect());
    assert_eq!(found(&seen, Method::Primary), all.into_iter().map(Address::MbusPrimary).collect::<Vec<_>>());
    assert!(told.iter().any(|report| report.waiting.is_some()), "that polls go first is told");
    // The first slot may have begun long before its line.
    let polled = rig.records(20, |record| record.slot > begun.0).await;
    assert!(polled.iter().all(is_reading), "{:?}", polled.iter().map(reason).collect::<BTreeSet<_>>());
}

#[tokio::test]
async fn a_command_is_done_while_its_line_is_scanned() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let field = Field::new([(1, Sim::new(1))]);
    let line = rig.town.add_line(field.serve_tcp(0), |spec| spec.extra_answer_ms = 20);
    let meter = rig.town.add_meter(line, Address::MbusPrimary(1), 3_600);
    rig.town.assign(line, ME);
    rig.start();
    let mut reports = ask(&rig, line, &plan(&[Method::Primary])).await;
    soon(reports.recv()).await.expect("a report").expect("it goes on");
    let command = rig.town.submit(meter, Action::ReadNow, 60_000);
    assert!(matches!(rig.town.outcome(command).await, Outcome::Verified(_)));
    let told = soon(reports.recv()).await.expect("a report").expect("it goes on");
    assert!(told.over.is_none(), "the scan was still under way");
}

#[tokio::test]
async fn a_scan_whose_asker_goes_away_stops_within_one_probe_and_the_line_is_free() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let field = Field::new([(1, Sim::new(1))]);
    let line = rig.town.add_line(field.serve_tcp(0), |spec| spec.extra_answer_ms = 20);
    rig.town.assign(line, ME);
    rig.start();
    let mut reports = ask(&rig, line, &plan(&[Method::Primary])).await;
    assert_eq!(rig.surveys.ask(line, rig.town.epoch(line), plan(&[Method::Primary])).err(), Some(SurveyError::Busy));
    soon(reports.recv()).await.expect("a report").expect("it goes on");
    drop(reports);
    let after = field.requests.borrow().len();
    // The next one may begin once that one is over.
    until(|| !matches!(rig.surveys.ask(line, rig.town.epoch(line), plan(&[])), Err(SurveyError::Busy))).await;
    assert!(field.requests.borrow().len() <= after + 2);
}

#[tokio::test]
async fn a_scan_whose_reports_nobody_takes_rests_and_the_line_goes_on() {
    let mut rig = Rig::new(|config| config.survey.queue = 2).with_lease();
    let field = Field::new([(1, Sim::new(1))]);
    let line = rig.town.add_line(field.serve_tcp(0), |spec| spec.extra_answer_ms = SLACK_MS);
    rig.town.add_meter(line, Address::MbusPrimary(1), 1);
    rig.town.assign(line, ME);
    rig.start();
    let reports = ask(&rig, line, &Plan { primary: 1..=12, ..plan(&[Method::Primary]) }).await;
    rig.records(4, is_reading).await;
    assert!(field.requests.borrow().iter().all(|request| request.meter < 4), "the scan rests");
    let (seen, told) = hear_out(reports).await;
    assert_eq!(found(&seen, Method::Primary), [Address::MbusPrimary(1)]);
    assert_eq!(told.last().and_then(|report| report.over), Some(true), "and goes on where it stood");
}

#[tokio::test]
async fn a_scan_that_takes_too_long_ends_as_incomplete() {
    let mut rig = Rig::new(|config| config.survey.longest = Duration::from_secs(1)).with_lease();
    let field = Field::new([(1, Sim::new(1))]);
    let line = rig.town.add_line(field.serve_tcp(0), |spec| spec.extra_answer_ms = SLACK_MS);
    rig.town.assign(line, ME);
    rig.start();
    // Whoever is there is asked first, and silence fills the rest.
    let plan = Plan { primary: 1..=250, ..plan(&[Method::Primary]) };
    let (seen, told) = hear_out(ask(&rig, line, &plan).await).await;
    assert_eq!(found(&seen, Method::Primary), [Address::MbusPrimary(1)]);
    assert_eq!(told.last().and_then(|report| report.over), Some(false));
}

#[tokio::test]
async fn a_scan_ends_in_words_when_its_line_moves() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let field = Field::new([(1, Sim::new(1))]);
    let line = rig.town.add_line(field.serve_tcp(0), |spec| spec.extra_answer_ms = 20);
    rig.town.assign(line, ME);
    rig.start();
    let mut reports = ask(&rig, line, &plan(&[Method::Primary])).await;
    soon(reports.recv()).await.expect("a report").expect("it goes on");
    rig.town.revoke(line, Some(OTHER));
    let last = soon(async {
        loop {
            match reports.recv().await {
                Some(Ok(_)) => {}
                end => return end,
            }
        }
    })
    .await;
    assert!(matches!(last, Some(Err(SurveyError::Failed(_)))), "{last:?}");
}

#[tokio::test]
async fn when_the_lease_ends_a_scan_ends_in_words_and_listeners_hear_that_nothing_more_comes() {
    let mut rig = Rig::new(|_| {});
    let (begun, length) = (Moment::now(), Duration::from_secs(2));
    rig.lease.renew(begun, length);
    let field = Field::new([(1, Sim::new(1))]);
    let line = rig.town.add_line(field.serve_tcp(0), |spec| spec.extra_answer_ms = 20);
    rig.town.assign(line, ME);
    let mut ear = rig.traces.listen(line).expect("there is room");
    rig.start();
    let mut reports = ask(&rig, line, &plan(&[Method::Primary])).await;
    let why = soon(async {
        loop {
            match reports.recv().await {
                Some(Ok(report)) => assert!(report.over.is_none(), "the lease ends first"),
                Some(Err(why)) => return why,
                None => panic!("it ended without a word"),
            }
        }
    })
    .await;
    assert!(why.to_string().contains("lease"), "{why}");
    soon(async { while ear.next().await.is_some() {} }).await;
    let last = field.requests.borrow().last().map(|request| request.at.since(begun));
    assert!(last.is_some_and(|last| last < length), "{last:?}: it was silent before the lease ended");
}

#[tokio::test]
async fn a_scan_of_a_line_that_is_down_or_without_a_lease_says_so_at_once() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let field = Field::new([]);
    let endpoint = field.serve_tcp(0);
    if let raft_store::state::registry::Endpoint::Tcp { port, .. } = &endpoint {
        field.die(*port);
    }
    let line = rig.town.add_line(endpoint, |_| {});
    rig.town.assign(line, ME);
    rig.start();
    let mut reports = ask(&rig, line, &plan(&[Method::Primary])).await;
    let told = soon(reports.recv()).await.expect("words").expect_err("it is down");
    assert!(told.to_string().contains("line-down"), "{told}");

    let mut rig = Rig::new(|_| {});
    let field = Field::new([(1, Sim::new(1))]);
    let line = rig.town.add_line(field.serve_tcp(0), |_| {});
    rig.town.assign(line, ME);
    rig.start();
    let mut reports = ask(&rig, line, &plan(&[Method::Primary])).await;
    let told = soon(reports.recv()).await.expect("words").expect_err("there is no lease");
    assert!(told.to_string().contains("lease"), "{told}");
    assert!(field.requests.borrow().iter().all(|request| request.what != What::Reset), "nothing was said");
}
