//! Two cursors over one spool: what is pulled when, and what may be forgotten.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const BOUNDS: Bounds =
    Bounds { records: 4, unacknowledged: 3, lane_records: 8, fresh_every: Duration::from_millis(500) };

/// A spool whose answers are given at once.
struct Rig {
    lanes: Lanes,
    now: Instant,
    last: u64,
    acknowledged: u64,
    // What another leader acknowledged.
    elsewhere: u64,
    // How many records it sorts at once; none: it gives them by sequence.
    sorts: Option<u64>,
    // It is not done with that.
    sorting: bool,
    // Of each pull, in the order of pulling: its lane, its records, and who is told.
    pulled: Vec<(Lane, BTreeSet<u64>, Option<oneshot::Sender<()>>)>,
}

impl Rig {
    fn holding(last: u64) -> Self {
        let (lanes, now) = (Lanes::new(BOUNDS), Instant::now());
        Self { lanes, now, last, acknowledged: 0, elsewhere: 0, sorts: None, sorting: false, pulled: Vec::new() }
    }

    /// The same, which gives a backlog by meter, so many records at a time.
    fn sorting(last: u64, sorts: u64) -> Self {
        Self { sorts: Some(sorts), ..Self::holding(last) }
    }

    fn sorted(&self, ask: Ask, Part { upto, behind }: Part, sorts: u64) -> (Vec<u64>, (Part, bool)) {
        let key = |sequence: u64| (sequence % 3, sequence / 3, sequence);
        let upto = upto.min(ask.after + sorts);
        let mut rest: Vec<_> = (ask.after.max(self.acknowledged) + 1..=upto.min(self.last)).collect();
        rest.retain(|sequence| behind.is_none_or(|behind| key(*sequence) > behind));
        rest.sort_unstable_by_key(|sequence| key(*sequence));
        if self.sorting {
            return (Vec::new(), (Part { upto, behind }, true));
        }
        let left = rest.len() > ask.records as usize;
        rest.truncate(ask.records as usize);
        let behind = rest.last().map(|sequence| key(*sequence));
        (rest, (Part { upto, behind }, left))
    }

    /// The lane that was pulled and what came; none while nothing may be pulled.
    fn pull(&mut self) -> Option<(Lane, Vec<u64>)> {
        let ask = self.lanes.next(self.now)?;
        let from = ask.after.max(self.acknowledged) + 1;
        let sorted = ask.part.zip(self.sorts).map(|(part, sorts)| self.sorted(ask, part, sorts));
        let (came, part) = match sorted {
            Some((came, part)) => (came, Some(part)),
            None => ((from..=self.last).take(ask.records as usize).collect(), None),
        };
        let (committed, commit) = oneshot::channel();
        let (upto, last) = (came.last().copied().unwrap_or(0), self.last);
        let commit = (!came.is_empty()).then_some(commit);
        let got = Got { spool: 7, upto, records: came.len(), last, commit, part };
        self.lanes.got(ask, got, self.now);
        self.pulled.push((ask.lane, came.iter().copied().collect(), Some(committed)));
        Some((ask.lane, came))
    }

    /// Commits pull number `number`, if it has not been.
    fn commit(&mut self, number: usize) {
        if let Some(committed) = self.pulled.get_mut(number).and_then(|(_, _, committed)| committed.take()) {
            let _ = committed.send(());
        }
    }

    /// Acknowledges what may be; nothing that is not committed goes.
    fn acknowledge(&mut self) {
        while let Some((spool, upto)) = self.lanes.committed().expect("nobody is gone") {
            let done = self.pulled.iter().filter(|(_, _, committed)| committed.is_none());
            let done = done.flat_map(|(_, records, _)| records.iter().copied());
            let done: BTreeSet<u64> = done.chain(1..=self.elsewhere).collect();
            assert!((self.acknowledged + 1..=upto).all(|sequence| done.contains(&sequence)), "{upto} is not committed");
            self.acknowledged = self.acknowledged.max(upto);
            self.lanes.forgotten(spool, upto);
        }
    }

    /// What was pulled, here or by another leader.
    fn seen(&self) -> BTreeSet<u64> {
        let pulled = self.pulled.iter().flat_map(|(_, records, _)| records.iter().copied());
        pulled.chain(1..=self.elsewhere).collect()
    }
}

#[test]
fn a_spool_without_a_backlog_is_pulled_by_one_cursor() {
    let mut rig = Rig::holding(6);
    assert_eq!(rig.pull(), Some((Lane::Backlog, vec![1, 2, 3, 4])));
    assert_eq!(rig.pull(), Some((Lane::Backlog, vec![5, 6])));
    rig.last = 7;
    assert_eq!(rig.pull(), Some((Lane::Backlog, vec![7])));
    assert_eq!(rig.pull(), None, "as much as may be is not acknowledged");
    assert_eq!(rig.lanes.fresh_at(), None);
}

#[test]
fn what_comes_after_a_backlog_was_met_is_pulled_before_it_is_drained() {
    let mut rig = Rig::holding(100);
    assert_eq!(rig.pull(), Some((Lane::Backlog, vec![1, 2, 3, 4])));
    rig.last = 102;
    assert_eq!(rig.pull(), Some((Lane::Backlog, vec![5, 6, 7, 8])), "fresh ones wait until they are due");
    rig.now += BOUNDS.fresh_every;
    assert_eq!(rig.pull(), Some((Lane::Fresh, vec![101, 102])));
    assert_eq!(rig.pull(), Some((Lane::Backlog, vec![9, 10, 11, 12])));
}

#[test]
fn a_backlog_has_its_turn_however_much_is_fresh() {
    let mut rig = Rig::holding(100);
    rig.pull();
    rig.last = 200;
    let mut lanes = Vec::new();
    for number in 0..20 {
        rig.now += BOUNDS.fresh_every;
        lanes.extend(rig.pull().map(|(lane, _)| lane));
        rig.commit(number);
        rig.acknowledge();
    }
    assert!(lanes.windows(2).all(|pair| pair[0] != pair[1]), "{lanes:?}");
}

#[test]
fn a_drained_backlog_leaves_one_cursor_behind_all_that_was_pulled() {
    let mut rig = Rig::holding(20);
    rig.pull();
    rig.last = 22;
    rig.now += BOUNDS.fresh_every;
    assert_eq!(rig.pull(), Some((Lane::Fresh, vec![21, 22])));
    for number in 0..6 {
        rig.commit(number);
        rig.acknowledge();
        rig.pull();
    }
    rig.last = 24;
    let pulls = std::iter::from_fn(|| rig.pull()).map(|(_, came)| came);
    let all: Vec<_> = pulls.take_while(|came| !came.is_empty()).flatten().collect();
    assert_eq!((all, rig.lanes.fresh_at()), (vec![23, 24], None));
    (0..rig.pulled.len()).for_each(|number| rig.commit(number));
    rig.acknowledge();
    assert_eq!(rig.acknowledged, 24);
}

#[test]
fn a_backlog_that_another_leader_had_forgotten_is_not_waited_for() {
    let mut rig = Rig::holding(100);
    rig.pull();
    rig.acknowledged = 100;
    assert_eq!(rig.pull(), Some((Lane::Backlog, vec![])));
    assert_eq!(rig.lanes.fresh_at(), None);
    rig.last = 101;
    assert_eq!(rig.pull(), Some((Lane::Backlog, vec![101])));
}

#[test]
fn another_spool_is_pulled_from_its_beginning() {
    let mut rig = Rig::holding(100);
    rig.pull();
    let ask = rig.lanes.next(rig.now).expect("room");
    rig.lanes.got(ask, Got { spool: 8, upto: 2, records: 2, last: 2, commit: None, part: None }, rig.now);
    assert_eq!(
        rig.lanes.cursor(),
        Ask { lane: Lane::Backlog, spool: 8, after: 2, records: BOUNDS.records, part: None }
    );
    assert_eq!(rig.lanes.fresh_at(), None);
    assert_eq!(rig.lanes.committed(), Ok(Some((8, 2))));
}

#[test]
fn what_was_fresh_and_became_a_backlog_lets_go_before_what_is_fresh_now() {
    let mut rig = Rig::holding(100);
    rig.pull();
    rig.last = 200;
    rig.now += BOUNDS.fresh_every;
    assert_eq!(rig.pull(), Some((Lane::Fresh, vec![101, 102, 103, 104])));
    rig.last = 201;
    rig.pull();
    rig.now += BOUNDS.fresh_every;
    assert_eq!(rig.pull(), Some((Lane::Fresh, vec![201])), "and 101 to 200 are of the backlog");
}

#[test]
fn a_part_by_meter_is_forgotten_only_when_all_of_it_is_committed() {
    let mut rig = Rig::sorting(100, 6);
    assert_eq!(rig.pull(), Some((Lane::Backlog, vec![1, 2, 3, 4])), "that there is a backlog was not known");
    assert_eq!(rig.pull(), Some((Lane::Backlog, vec![6, 9, 7, 10])));
    assert_eq!(rig.pull(), Some((Lane::Backlog, vec![5, 8])));
    rig.commit(0);
    rig.acknowledge();
    assert_eq!(rig.acknowledged, 4);
    rig.commit(2);
    rig.acknowledge();
    assert_eq!(rig.acknowledged, 4, "6, 7, 9 and 10 are not committed");
    rig.commit(1);
    rig.acknowledge();
    assert_eq!(rig.acknowledged, 10);
    assert_eq!(rig.pull(), Some((Lane::Backlog, vec![12, 15, 13, 16])));
}

#[test]
fn a_part_that_another_leader_had_forgotten_in_the_middle_is_forgotten_here_too() {
    let mut rig = Rig::sorting(100, 6);
    rig.pull();
    rig.pull();
    (rig.acknowledged, rig.elsewhere) = (10, 10);
    assert_eq!(rig.pull(), Some((Lane::Backlog, vec![])));
    rig.commit(0);
    rig.commit(1);
    rig.acknowledge();
    assert_eq!(rig.pull(), Some((Lane::Backlog, vec![12, 15, 13, 16])));
}

#[test]
fn a_node_that_does_not_sort_any_more_goes_on_by_sequence() {
    let mut rig = Rig::sorting(100, 6);
    rig.pull();
    rig.pull();
    rig.sorts = None;
    assert_eq!(rig.pull(), Some((Lane::Backlog, vec![5, 6, 7, 8])));
    rig.commit(0);
    rig.acknowledge();
    assert_eq!(rig.pull(), Some((Lane::Backlog, vec![9, 10, 11, 12])));
    (1..4).for_each(|number| rig.commit(number));
    rig.acknowledge();
    assert_eq!(rig.acknowledged, 12);
}

#[test]
fn an_older_copy_of_a_spool_is_pulled_from_its_beginning() {
    let mut rig = Rig::holding(6);
    rig.pull();
    rig.pull();
    rig.commit(0);
    rig.commit(1);
    rig.acknowledge();
    (rig.last, rig.acknowledged) = (3, 0);
    rig.pull();
    assert_eq!(rig.pull(), Some((Lane::Backlog, vec![1, 2, 3])));
}

#[test]
fn an_older_copy_of_a_spool_that_answers_in_the_middle_of_a_part_is_pulled_from_its_beginning() {
    for (last, records, left) in [(2, 0, false), (2, 0, true), (7, 1, false), (7, 1, true)] {
        let mut rig = Rig::sorting(100, 20);
        rig.pull();
        rig.pull();
        let ask = rig.lanes.next(rig.now).expect("room");
        assert_eq!((ask.after, ask.part.map(|part| part.upto)), (4, Some(24)));
        let part = Some((Part { upto: 24, behind: ask.part.and_then(|part| part.behind) }, left));
        let upto = if records > 0 { 7 } else { 0 };
        rig.lanes.got(ask, Got { spool: 7, upto, records, last, commit: None, part }, rig.now);
        assert_eq!(rig.lanes.committed(), Ok(None), "nothing of it may be forgotten");
        assert_eq!(rig.lanes.next(rig.now).map(|ask| (ask.after, ask.part)), Some((0, None)));
    }
}

#[test]
fn a_backlog_that_is_not_answered_keeps_nothing_fresh() {
    let mut rig = Rig::holding(100);
    rig.pull();
    rig.last = 102;
    rig.now += BOUNDS.fresh_every;
    assert_eq!(rig.pull(), Some((Lane::Fresh, vec![101, 102])));
    let ask = rig.lanes.next(rig.now).expect("room");
    assert_eq!(ask.lane, Lane::Backlog);
    rig.lanes.failed(ask);
    rig.now += BOUNDS.fresh_every;
    assert_eq!(rig.lanes.next(rig.now).map(|ask| ask.lane), Some(Lane::Fresh));
}

#[test]
fn pulls_that_overlap_are_forgotten_up_to_the_furthest() {
    let mut lanes = Lanes::new(BOUNDS);
    for upto in [5, 3] {
        let ask = lanes.cursor();
        lanes.got(ask, Got { spool: 7, upto, records: 2, last: 5, commit: None, part: None }, Instant::now());
    }
    assert_eq!(lanes.committed(), Ok(Some((7, 5))));
    lanes.forgotten(7, 5);
    assert!(lanes.is_idle());
}

#[tokio::test]
async fn a_writing_loop_that_is_gone_is_known() {
    let [mut one, mut other] = [Rig::holding(3), Rig::holding(3)];
    for rig in [&mut one, &mut other] {
        rig.pull();
        rig.pulled.clear();
    }
    assert_eq!(one.lanes.committed(), Err(Over));
    assert_eq!(other.lanes.until_committed().await, Err(Over));
}

#[derive(Debug, Clone)]
enum Step {
    Arrive(u64),
    Pull,
    Commit(usize),
    Wait(u64),
    Acknowledge,
    /// Another leader's, of so many records more.
    AcknowledgeElsewhere(u64),
    Sort(Option<u64>),
    Sorting(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1_u64..15).prop_map(Step::Arrive),
        Just(Step::Pull),
        Just(Step::Pull),
        (0_usize..40).prop_map(Step::Commit),
        (0_u64..700).prop_map(Step::Wait),
        Just(Step::Acknowledge),
        Just(Step::Acknowledge),
        (0_u64..20).prop_map(Step::AcknowledgeElsewhere),
        prop::option::of(1_u64..30).prop_map(Step::Sort),
        any::<bool>().prop_map(Step::Sorting),
    ]
}

proptest! {
    #[test]
    fn whatever_comes_in_whatever_order_all_is_pulled_and_at_last_acknowledged(
        held in 0_u64..60,
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut rig = Rig::holding(held);
        for step in steps {
            match step {
                Step::Arrive(records) => rig.last += records,
                Step::Pull => drop(rig.pull()),
                Step::Commit(number) => rig.commit(number),
                Step::Wait(ms) => rig.now += Duration::from_millis(ms),
                Step::Acknowledge => rig.acknowledge(),
                Step::AcknowledgeElsewhere(more) => {
                    rig.acknowledged = rig.last.min(rig.acknowledged + more);
                    rig.elsewhere = rig.acknowledged;
                }
                Step::Sort(sorts) => rig.sorts = sorts,
                Step::Sorting(sorting) => rig.sorting = sorting,
            }
        }
        rig.sorting = false;
        for number in 0..2_000 {
            rig.pull();
            rig.now += BOUNDS.fresh_every;
            rig.commit(number);
            rig.acknowledge();
        }
        prop_assert_eq!(rig.seen().len() as u64, rig.last);
        prop_assert_eq!(rig.acknowledged, rig.last);
    }
}
