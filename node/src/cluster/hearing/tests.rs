//! Who is heard, answered, condemned and absolved, by example.

use super::*;

const FRESH: Duration = Duration::from_millis(800);
const NODE: NodeId = NodeId(2);

fn moment(ms: u64) -> Moment {
    Moment::from_nanos(ms * 1_000_000)
}

fn answer(term: u64, applied: u64) -> Option<Answer> {
    Some(Answer { term, applied })
}

fn beat() -> Heartbeat {
    Heartbeat { node: NODE, wall_clock: UnixMillis(5_000), report: NodeReport::default() }
}

#[test]
fn a_heartbeat_is_answered_only_while_the_quorum_is_fresh() {
    let hearing = Hearing::default();
    let hear = |at| hearing.hear(beat(), moment(at), UnixMillis(5_000));
    assert_eq!(hear(900), None, "a follower does not answer");
    hearing.lead(7);
    assert_eq!(hear(1_001), None, "the quorum has not confirmed this leader yet");
    hearing.quorum_confirmed(7, moment(1_000), FRESH, 5);
    assert_eq!(hear(1_799), answer(7, 5));
    assert_eq!(hear(1_800), None, "the confirmation is too old");
}

#[test]
fn a_confirmation_counts_from_the_question_and_only_for_its_term() {
    let hearing = Hearing::default();
    hearing.lead(7);
    hearing.quorum_confirmed(6, moment(1_000), FRESH, 9);
    assert_eq!(hearing.hear(beat(), moment(1_001), UnixMillis(0)), None);
    hearing.quorum_confirmed(7, moment(1_000), FRESH, 5);
    hearing.quorum_confirmed(7, moment(900), FRESH, 4);
    assert_eq!(hearing.hear(beat(), moment(1_750), UnixMillis(0)), answer(7, 5), "an older answer takes nothing back");
}

#[test]
fn giving_up_ends_every_answer_at_once() {
    let hearing = Hearing::default();
    hearing.lead(7);
    hearing.quorum_confirmed(7, moment(1_000), FRESH, 5);
    hearing.give_up();
    assert_eq!(hearing.hear(beat(), moment(1_001), UnixMillis(0)), None);
}

#[test]
fn a_leadership_counts_every_node_as_heard_when_it_first_knows_of_it() {
    let hearing = Hearing::default();
    hearing.lead(7);
    hearing.hear(beat(), moment(2_000), UnixMillis(0));
    hearing.lead(8);
    let silence = |at, node| {
        let (term, silences) = hearing.silences([node].into_iter(), moment(at)).expect("it leads");
        (term, silences.get(&node).map(|silence| silence.span))
    };
    assert_eq!(silence(9_000, NODE), (8, Some(Duration::ZERO)), "what another leadership heard does not count");
    assert_eq!(silence(9_500, NODE), (8, Some(Duration::from_millis(500))));
    assert_eq!(silence(9_500, NodeId(3)), (8, Some(Duration::ZERO)), "a newcomer was silent before it came");
}

#[test]
fn the_clock_offset_is_the_senders_minus_the_leaders() {
    let hearing = Hearing::default();
    hearing.lead(7);
    hearing.hear(beat(), moment(2_000), UnixMillis(8_000));
    let (_, silences) = hearing.silences([NODE].into_iter(), moment(2_000)).expect("it leads");
    let report = silences.get(&NODE).and_then(|silence| silence.report.as_ref()).expect("it was heard");
    assert_eq!(report.clock_offset_ms, -3_000);
}

#[test]
fn a_condemned_node_is_not_answered_until_what_followed_is_in_the_log_it_must_have_applied() {
    let hearing = Hearing::default();
    let limit = Duration::from_secs(5);
    hearing.lead(7);
    hearing.hear(beat(), moment(2_000), UnixMillis(0));
    let condemn = |at| hearing.condemn(7, [NODE].into_iter(), moment(at), limit);
    assert!(condemn(6_999).is_empty());
    let condemned = condemn(7_000);
    assert_eq!(condemned, BTreeSet::from([NODE]));
    hearing.quorum_confirmed(7, moment(7_000), FRESH, 5);
    assert_eq!(hearing.hear(beat(), moment(7_001), UnixMillis(0)), None, "its lines are being given away");
    assert_eq!(condemn(7_002), condemned, "being heard does not absolve");
    hearing.absolve(7, &condemned, 12);
    assert_eq!(hearing.hear(beat(), moment(7_003), UnixMillis(0)), answer(7, 12));
}

#[test]
fn a_judgement_of_another_term_condemns_and_absolves_nobody() {
    let hearing = Hearing::default();
    hearing.lead(7);
    let nodes = BTreeSet::from([NODE]);
    assert!(hearing.condemn(6, [NODE].into_iter(), moment(9_000), Duration::ZERO).is_empty());
    hearing.condemn(7, [NODE].into_iter(), moment(9_000), Duration::ZERO);
    hearing.absolve(6, &nodes, 3);
    hearing.quorum_confirmed(7, moment(9_000), FRESH, 1);
    assert_eq!(hearing.hear(beat(), moment(9_001), UnixMillis(0)), None);
}
