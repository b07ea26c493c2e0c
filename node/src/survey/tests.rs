//! Boxes of lines: who may scan, and what ends a scan.

use protocol::scan::{ANYBODY, Method, PRIMARY, UNITS};

use super::*;

const LINE: LineId = LineId(1);
const EPOCH: Epoch = Epoch(3);

fn surveys(at_once: usize) -> Surveys {
    Surveys::new(&config::Survey { at_once, ..config::Survey::default() })
}

fn plan() -> Plan {
    let (methods, hex_digits, most_probes) = (vec![Method::Primary], false, 10);
    Plan { methods, primary: PRIMARY, units: UNITS, within: ANYBODY, hex_digits, most_probes }
}

#[tokio::test]
async fn a_line_has_one_scan_at_a_time_and_the_next_once_that_is_over() {
    let surveys = surveys(8);
    let mut mailbox = surveys.open(LINE, EPOCH);
    let _reports = surveys.ask(LINE, EPOCH, plan()).expect("the line is free");
    let order = mailbox.next().await;
    assert_eq!(surveys.ask(LINE, EPOCH, plan()).err(), Some(SurveyError::Busy));
    drop(order);
    surveys.ask(LINE, EPOCH, plan()).expect("the line is free again");
}

#[tokio::test]
async fn only_the_epoch_under_which_a_line_is_served_may_be_asked() {
    let surveys = surveys(8);
    assert_eq!(surveys.ask(LINE, EPOCH, plan()).err(), Some(SurveyError::NotHere(EPOCH)));
    let mailbox = surveys.open(LINE, EPOCH);
    assert_eq!(surveys.ask(LINE, Epoch(4), plan()).err(), Some(SurveyError::NotHere(Epoch(4))));
    drop(mailbox);
    assert_eq!(surveys.ask(LINE, EPOCH, plan()).err(), Some(SurveyError::NotHere(EPOCH)));
}

#[tokio::test]
async fn a_line_that_is_let_go_ends_the_scan_that_waits_in_its_box() {
    let surveys = surveys(8);
    let mailbox = surveys.open(LINE, EPOCH);
    let mut reports = surveys.ask(LINE, EPOCH, plan()).expect("the line is free");
    drop(mailbox);
    assert!(reports.recv().await.is_none());
}

#[tokio::test]
async fn an_old_box_that_goes_away_late_leaves_the_new_one() {
    let surveys = surveys(8);
    let old = surveys.open(LINE, EPOCH);
    let mut new = surveys.open(LINE, Epoch(4));
    drop(old);
    let _reports = surveys.ask(LINE, Epoch(4), plan()).expect("the line is served");
    assert_eq!(new.next().await.plan, plan());
}

#[tokio::test]
async fn a_node_scans_no_more_lines_at_once_than_it_may() {
    let surveys = surveys(1);
    let _boxes = [surveys.open(LINE, EPOCH), surveys.open(LineId(2), EPOCH)];
    let _reports = surveys.ask(LINE, EPOCH, plan()).expect("there is room");
    assert_eq!(surveys.ask(LineId(2), EPOCH, plan()).err(), Some(SurveyError::Crowded(1)));
}
