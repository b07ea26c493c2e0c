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
                    // Another leader, at its beginning, and in the middle.
                    let after = if given.len() % 2 == 0 { 0 } else { after };
                    let begun = Span { after, upto: last, behind: None };
                    let Rest { last, .. } = spool.pull_sorted(begun, 1, u64::MAX, LONG).await.unwrap().sorted.unwrap();
                    spool.pull_sorted(Span { behind: last, ..begun }, 1, u64::MAX, LONG).await.unwrap();
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

/// One time of leading: five records by sequence, which are acknowledged, then so many pulls of ten by meter; a part is
/// acknowledged when the next is begun. How many records the parts have that were begun.
async fn lead(spool: &Spool, last: u64, pulls: usize) -> Vec<u64> {
    let forgotten = last - spool.pull(0, 0, 0, Duration::ZERO).await.unwrap().backlog_records;
    let first = spool.pull(forgotten, 5, u64::MAX, Duration::ZERO).await.unwrap();
    let Some((after, _)) = first.records.last() else { return Vec::new() };
    spool.acknowledge(spool.id(), *after).await.unwrap();
    let mut span = Span { after: *after, upto: last, behind: None };
    let (mut begun, mut whole) = (Vec::new(), None);
    for _ in 0..pulls {
        let Rest { upto, left, last: behind } =
            spool.pull_sorted(span, 10, u64::MAX, LONG).await.unwrap().sorted.unwrap();
        if span.behind.is_none() {
            begun.push(upto - span.after);
            if let Some(upto) = whole.take() {
                spool.acknowledge(spool.id(), upto).await.unwrap();
            }
        }
        span = Span { upto, behind, ..span };
        if !left {
            whole = Some(upto);
            span = Span { after: upto, upto: last, behind: None };
        }
        if span.after == last {
            spool.acknowledge(spool.id(), last).await.unwrap();
            break;
        }
    }
    begun
}

fn about(found: &[u64], expected: &[u64]) -> bool {
    found.len() == expected.len() && found.iter().zip(expected).all(|(found, expected)| found.abs_diff(*expected) < 4)
}

fn of_many_meters() -> Vec<(u64, u64)> {
    (0..LAST).map(|n| (n % 60, n / 60)).collect()
}

#[tokio::test]
async fn a_part_is_given_twice_and_then_half_of_it_and_what_gets_on_grows_again() {
    let dir = tempfile::tempdir().unwrap();
    let config = config::Spool { sorted_bytes: ByteSize::kib(16), ..config::Spool::default() };
    let spool = holding(dir.path(), &config, &of_many_meters()).await;
    let whole = lead(&spool, LAST, 2).await[0];
    let second = lead(&spool, LAST, 2).await;
    assert!(about(&second, &[whole]), "one leader may be lost: {second:?} after {whole}");
    let third = lead(&spool, LAST, 2).await;
    assert!(about(&third, &[whole / 2]), "{third:?} after {whole}");
    let fourth = lead(&spool, LAST, 2).await;
    assert!(about(&fourth, &[whole / 4]), "{fourth:?} after {whole}");
    // The one after it is begun before it is known that it got on.
    let rest = lead(&spool, LAST, usize::MAX).await;
    assert!(about(&rest[..5], &[whole / 8, whole / 16, whole / 8, whole / 4, whole / 2]), "{rest:?} after {whole}");
    assert!(
        rest.len() > 6 && rest[5..rest.len() - 1].iter().all(|size| size.abs_diff(whole) < 4),
        "{rest:?} after {whole}"
    );
}

#[tokio::test]
async fn a_part_whose_beginning_was_asked_for_again_is_as_large_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let config = config::Spool { sorted_bytes: ByteSize::kib(16), ..config::Spool::default() };
    let spool = holding(dir.path(), &config, &of_many_meters()).await;
    let whole = lead(&spool, LAST, 1).await;
    for _ in 0..5 {
        assert!(about(&lead(&spool, LAST, 1).await, &whole));
    }
}

#[tokio::test]
async fn leaders_that_last_shorter_than_a_part_takes_get_on() {
    let dir = tempfile::tempdir().unwrap();
    let config = config::Spool { sorted_bytes: ByteSize::kib(16), ..config::Spool::default() };
    let spool = holding(dir.path(), &config, &of_many_meters()).await;
    let mut leaders = 0;
    while spool.pull(0, 0, 0, Duration::ZERO).await.unwrap().backlog_records > 0 {
        leaders += 1;
        lead(&spool, LAST, 12).await;
        assert!(leaders < 100, "five records a leader are not what getting on means");
    }
    assert!(leaders > LAST / 125, "{leaders} leaders were given 125 records each");
}
