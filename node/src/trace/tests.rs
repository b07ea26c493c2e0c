//! Taps, listeners that are slow, and lines that are let go.

use super::*;

const LINE: LineId = LineId(1);
const OTHER: LineId = LineId(2);

fn traces(queue: usize, listeners: usize) -> Traces {
    Traces::new(&config::Trace { queue, listeners, ..config::Trace::default() })
}

#[tokio::test]
async fn a_listener_hears_its_line_and_no_other() {
    let traces = traces(4, 4);
    let mut ear = traces.listen(LINE).expect("there is room");
    traces.voice(OTHER, Asker::Scan).said(&[9]);
    traces.voice(LINE, Asker::Scan).said(&[1, 2]);
    traces.voice(LINE, Asker::Nobody).heard(&[]);
    traces.voice(LINE, Asker::Scan).heard(&[3]);
    let pieces = [ear.next().await.expect("said"), ear.next().await.expect("heard")];
    assert_eq!(pieces.each_ref().map(|p| (p.way, p.bytes.as_slice())), [(Way::Said, &[1, 2][..]), (Way::Heard, &[3])]);
}

#[tokio::test]
async fn a_slow_listener_loses_pieces_and_is_told_how_many() {
    let traces = traces(2, 4);
    let mut ear = traces.listen(LINE).expect("there is room");
    for byte in 0..5 {
        traces.voice(LINE, Asker::Scan).said(&[byte]);
    }
    assert_eq!((ear.next().await.expect("the first").lost, ear.next().await.expect("the second").lost), (0, 0));
    traces.voice(LINE, Asker::Scan).said(&[5]);
    let piece = ear.next().await.expect("the sixth");
    assert_eq!((piece.bytes, piece.lost), (vec![5], 3));
}

#[tokio::test]
async fn a_line_that_is_let_go_ends_its_listeners_after_what_it_said_last() {
    let traces = traces(4, 4);
    let (mut ear, mut other) = (traces.listen(LINE).expect("room"), traces.listen(OTHER).expect("room"));
    traces.voice(LINE, Asker::Scan).said(&[1]);
    traces.close(LINE);
    traces.voice(OTHER, Asker::Scan).said(&[2]);
    assert!(ear.next().await.is_some() && ear.next().await.is_none());
    assert!(other.next().await.is_some());
}

#[test]
fn a_listener_that_went_away_frees_its_place_and_costs_nothing() {
    let traces = traces(4, 1);
    let ear = traces.listen(LINE).expect("there is room");
    assert_eq!(traces.listen(OTHER).expect_err("there is none"), Crowded(1));
    drop(ear);
    assert!(!traces.is_heard());
    traces.listen(OTHER).expect("there is room again");
}
