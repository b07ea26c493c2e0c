//! A backlog by meter: what is given of it, whoever asks and whatever is forgotten meanwhile.

use bytesize::ByteSize;
use proptest::prelude::*;
use protocol::api::peer::spool_server::Spool as _;
use protocol::api::peer::{PullReply, PullRequest, SortedKey};
use tonic::Request;

use super::*;
use crate::spool::service::SpoolService;
use crate::spool::{Holds, Key, Rest, Span};

const LONG: Duration = Duration::from_secs(60);
/// Records of a backlog.
const LAST: u64 = 1_000;

fn of(meter: u64, slot: u64) -> SpoolRecord {
    SpoolRecord { slot, ..record(meter) }
}

async fn holding(dir: &Path, config: &config::Spool, records: &[(u64, u64)]) -> Spool {
    let spool = Spool::open(dir, config, Metrics::default()).unwrap();
    let mut sequences = Vec::new();
    // Not more at once than are polled in their order.
    for some in records.chunks(50) {
        let appended = some.iter().map(|(meter, slot)| {
            let (spool, record) = (spool.clone(), of(*meter, *slot));
            async move { spool.append(&record).await.unwrap() }
        });
        sequences.extend(futures::future::join_all(appended).await);
    }
    assert!(sequences.is_sorted());
    spool
}

fn keys(pulled: &Pulled) -> Vec<Key> {
    let key = |(sequence, bytes): &(u64, bytes::Bytes)| {
        let SpoolRecord { meter, slot, .. } = SpoolRecord::decode(bytes.clone()).unwrap();
        Key { meter, slot, sequence: *sequence }
    };
    pulled.records.iter().map(key).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn all_of_a_part_is_given_by_meter_however_often_it_is_sorted_anew(
        records in prop::collection::vec((0_u64..6, 0_u64..4), 1..60),
        after in 0_u64..20,
        most in 1_usize..9,
        bytes in 1_u64..2_000,
        acknowledged in prop::collection::vec(prop::option::weighted(0.2, 0_u64..60), 80),
        disturbed in prop::collection::vec(any::<bool>(), 80),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let config = config::Spool { sorted_bytes: ByteSize(bytes), ..config::Spool::default() };
            let spool = holding(dir.path(), &config, &records).await;
            let last = records.len() as u64;
            let after = after.min(last);
            let mut span = Span { after, upto: last, behind: None };
            let (mut given, mut forgotten) = (Vec::new(), 0);
            for (acknowledge, disturb) in acknowledged.iter().zip(disturbed) {
                let pulled = spool.pull_sorted(span, most, u64::MAX, LONG).await.unwrap();
                let rest = pulled.sorted.unwrap();
                assert!(rest.upto <= span.upto && (rest.upto > after || after == last), "{rest:?} of {span:?}");
                given.extend(keys(&pulled));
                span = Span { upto: rest.upto, behind: rest.last.or(span.behind), ..span };
                if !rest.left {
                    break;
                }
                assert!(!pulled.records.is_empty());
                if let Some(upto) = acknowledge {
                    forgotten = forgotten.max((*upto).min(last));
                    spool.acknowledge(spool.id(), forgotten).await.unwrap();
                }
                if disturb {
                    // Another leader, at its beginning.
                    spool.pull_sorted(Span { after: 0, upto: last, behind: None }, 1, u64::MAX, LONG).await.unwrap();
                }
            }
            assert!(given.is_sorted() && given.windows(2).all(|pair| pair[0] != pair[1]), "{given:?}");
            let given: std::collections::BTreeSet<_> = given.iter().map(|key| key.sequence).collect();
            for sequence in after + 1..=span.upto {
                assert!(given.contains(&sequence) || sequence <= forgotten, "{sequence} of {span:?}");
            }
            spool.close().await;
        });
    }
}

#[tokio::test]
async fn a_part_that_is_given_in_whole_is_not_kept_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let spool = holding(dir.path(), &config::Spool::default(), &[(2, 1), (1, 1), (2, 0)]).await;
    let span = Span { after: 0, upto: 3, behind: None };
    let part = spool.pull_sorted(span, 2, u64::MAX, LONG).await.unwrap();
    assert_eq!(meters(&part), [1, 2]);
    assert!(spool.facts.sorting.held().is_some());
    let rest = spool.pull_sorted(Span { behind: part.sorted.unwrap().last, ..span }, 2, u64::MAX, LONG).await.unwrap();
    assert_eq!((meters(&rest), rest.sorted.unwrap().left), (vec![2], false));
    assert!(spool.facts.sorting.held().is_none());

    spool.pull_sorted(span, 1, u64::MAX, LONG).await.unwrap();
    spool.acknowledge(spool.id(), 3).await.unwrap();
    assert!(spool.facts.sorting.held().is_none(), "another leader has written all of it");
}

#[test]
fn much_is_forgotten_in_steps_and_what_was_never_stored_in_none() {
    let steps = |last, records, upto| {
        super::super::steps(Holds { last, records, ..Holds::default() }, upto).collect::<Vec<_>>()
    };
    assert_eq!(steps(70_000, 60_000, 65_000), [30_000, 50_000, 65_000]);
    assert_eq!(steps(70_000, 60_000, 30_000), [30_000]);
    assert_eq!(steps(70_000, 60_000, 5), [5]);
    assert_eq!(steps(70_000, 60_000, 70_001), [70_001]);
    assert_eq!(steps(0, 0, 0), [0]);
}

#[tokio::test]
async fn whoever_does_not_wait_for_the_sorting_finds_it_done_later() {
    let dir = tempfile::tempdir().unwrap();
    let spool = holding(dir.path(), &config::Spool::default(), &[(2, 1), (1, 1), (2, 0)]).await;
    let behind = Some(Key { meter: 1, slot: 1, sequence: 2 });
    let span = Span { after: 0, upto: 3, behind };
    // Somebody sorts.
    let turn = spool.facts.sorting.turn().await;
    let none = spool.pull_sorted(span, 9, u64::MAX, Duration::ZERO).await.unwrap();
    assert_eq!((meters(&none), none.sorted), (vec![], Some(Rest { upto: 3, left: true, last: behind })));
    drop(turn);
    let pulled = spool.pull_sorted(span, 1, u64::MAX, LONG).await.unwrap();
    assert_eq!((meters(&pulled), pulled.sorted.unwrap().left), (vec![2], true));
    let held = spool.facts.sorting.held().unwrap();
    // Given up at once, and sorted anew all the same.
    spool.pull_sorted(Span { after: 1, behind: None, ..span }, 1, u64::MAX, Duration::ZERO).await.unwrap();
    let sorted = async {
        while spool.facts.sorting.held().as_ref().is_none_or(|now| std::sync::Arc::ptr_eq(now, &held)) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, sorted).await.unwrap();
}

#[tokio::test]
async fn a_pull_by_meter_counts_only_for_the_spool_it_names_and_where_the_node_sorts() {
    let dir = tempfile::tempdir().unwrap();
    let config = config::Spool { pull_records: 2, ..config::Spool::default() };
    let spool = holding(dir.path(), &config, &[(2, 1), (1, 1), (2, 0)]).await;
    let pull = async |config: &config::Spool, spool_id, behind| -> PullReply {
        let service = SpoolService::new(spool.clone(), config);
        let bounds = PullRequest { max_records: 9, max_bytes: u32::MAX, ..PullRequest::default() };
        let asked = PullRequest { spool: spool_id, after: 0, sorted_upto: 3, behind, ..bounds };
        service.pull(Request::new(asked)).await.unwrap().into_inner()
    };
    let given = |reply: &PullReply| reply.records.iter().map(|record| record.sequence).collect::<Vec<_>>();
    let first = pull(&config, spool.id(), None).await;
    assert_eq!((given(&first), first.sorted_upto, first.sorted_left), (vec![2, 3], 3, true));
    assert_eq!(first.sorted_last, Some(SortedKey { meter: 2, slot: 0, sequence: 3 }));
    let second = pull(&config, spool.id(), first.sorted_last).await;
    assert_eq!((given(&second), second.sorted_upto, second.sorted_left), (vec![1], 3, false));

    let other = pull(&config, spool.id() ^ 1, first.sorted_last).await;
    assert_eq!((given(&other), other.sorted_upto, other.sorted_last), (vec![1, 2], 0, None));
    let unsorted = config::Spool { sorted_bytes: ByteSize(0), ..config };
    let reply = pull(&unsorted, spool.id(), None).await;
    assert_eq!((given(&reply), reply.sorted_upto), (vec![1, 2], 0));
}

/// One time of leading: from the first record that is not forgotten, so many pulls of ten records. The last sequence of the
/// part it began, and whether it came in whole.
async fn lead(spool: &Spool, last: u64, pulls: usize) -> (u64, bool) {
    let forgotten = last - spool.pull(0, 0, 0, Duration::ZERO).await.unwrap().backlog_records;
    let mut span = Span { after: forgotten, upto: last, behind: None };
    for _ in 0..pulls {
        let Rest { upto, left, last } = spool.pull_sorted(span, 10, u64::MAX, LONG).await.unwrap().sorted.unwrap();
        if !left {
            spool.acknowledge(spool.id(), upto).await.unwrap();
            return (upto, true);
        }
        span = Span { upto, behind: last, ..span };
    }
    (span.upto, false)
}

#[tokio::test]
async fn a_part_is_begun_twice_in_whole_and_then_in_half_and_what_gets_on_grows_again() {
    let dir = tempfile::tempdir().unwrap();
    let config = config::Spool { sorted_bytes: ByteSize::kib(16), ..config::Spool::default() };
    let records: Vec<_> = (0..LAST).map(|n| (n % 60, n / 60)).collect();
    let spool = holding(dir.path(), &config, &records).await;
    let (whole, _) = lead(&spool, LAST, 1).await;
    assert_eq!(lead(&spool, LAST, 1).await, (whole, false), "one leader may be lost");
    let (half, _) = lead(&spool, LAST, 1).await;
    assert!(half.abs_diff(whole / 2) < 3, "{half} of {whole}");
    let (quarter, is_whole) = lead(&spool, LAST, usize::MAX).await;
    assert!(is_whole && quarter.abs_diff(half / 2) < 3, "{quarter} of {half}");
    let (second, _) = lead(&spool, LAST, usize::MAX).await;
    let (third, _) = lead(&spool, LAST, usize::MAX).await;
    let (fourth, _) = lead(&spool, LAST, usize::MAX).await;
    let sizes = [second - quarter, third - second, fourth - third];
    assert!(sizes[1].abs_diff(half) < 3 && sizes[2].abs_diff(whole) < 3, "{sizes:?} after {quarter}");
}

#[tokio::test]
async fn leaders_that_last_shorter_than_a_part_takes_get_on() {
    let dir = tempfile::tempdir().unwrap();
    let config = config::Spool { sorted_bytes: ByteSize::kib(16), ..config::Spool::default() };
    let records: Vec<_> = (0..LAST).map(|n| (n % 60, n / 60)).collect();
    let spool = holding(dir.path(), &config, &records).await;
    let mut leaders = 0;
    while spool.pull(0, 0, 0, Duration::ZERO).await.unwrap().backlog_records > 0 {
        leaders += 1;
        assert!(leaders < 200, "no end");
        lead(&spool, LAST, 5).await;
    }
    assert!(leaders > LAST / 50, "each of {leaders} was given 50 records at most");
}
