//! What listeners hear of a line that polls, is scanned and is let go.

use protocol::meter::Address;

use super::field::{Field, Sim};
use super::rig::{ME, Rig, soon};
use crate::trace::{Asker, Way};

#[tokio::test]
async fn every_byte_of_a_poll_is_heard_with_what_asked_for_it() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let field = Field::new([(7, Sim::new(5_406))]);
    let line = rig.town.add_line(field.serve_tcp(0), |_| {});
    let meter = rig.town.add_meter(line, Address::MbusPrimary(7), 3_600);
    rig.town.assign(line, ME);
    let mut ear = rig.traces.listen(line).expect("there is room");
    rig.start();
    let (mut said, mut heard) = (Vec::new(), Vec::new());
    // SND_NKE, E5, REQ_UD2, RSP_UD.
    while heard.len() < 30 {
        let piece = soon(ear.next()).await.expect("the line is served");
        assert!(matches!(piece.asker, Asker::Poll { meter: asked, .. } if asked == meter), "{piece:?}");
        match piece.way {
            Way::Said => said.extend(piece.bytes),
            Way::Heard => heard.extend(piece.bytes),
        }
    }
    assert_eq!(said, [0x10, 0x40, 7, 0x47, 0x16, 0x10, 0x7B, 7, 0x82, 0x16]);
    assert_eq!((heard[0], heard[1], heard.last()), (0xE5, 0x68, Some(&0x16)));
}

#[tokio::test]
async fn bytes_that_nobody_asked_for_are_heard_too() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let field = Field::new([(1, Sim::new(1))]);
    field.noise.store(1, std::sync::atomic::Ordering::SeqCst);
    let line = rig.town.add_line(field.serve_tcp(0), |_| {});
    // Whoever takes a line without an acknowledgement listens first.
    rig.town.assign(line, super::rig::OTHER);
    rig.town.assign(line, ME);
    rig.town.add_meter(line, Address::MbusPrimary(1), 3_600);
    let mut ear = rig.traces.listen(line).expect("there is room");
    rig.start();
    let piece = soon(ear.next()).await.expect("the line is served");
    assert_eq!((piece.way, piece.asker, piece.bytes), (Way::Heard, Asker::Nobody, vec![0x55, 0xAA]));
}

#[tokio::test]
async fn a_line_that_is_let_go_ends_its_listeners() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let field = Field::new([(1, Sim::new(1))]);
    let line = rig.town.add_line(field.serve_tcp(0), |_| {});
    rig.town.add_meter(line, Address::MbusPrimary(1), 3_600);
    rig.town.assign(line, ME);
    let mut ear = rig.traces.listen(line).expect("there is room");
    rig.start();
    soon(ear.next()).await.expect("the line is served");
    rig.town.revoke(line, None);
    soon(async { while ear.next().await.is_some() {} }).await;
}
