use super::*;
use crate::spool::SpoolError;
use bytesize::ByteSize;
use protocol::api::peer::spool_record::Kind;
use protocol::api::peer::{SpooledReading, SpooledValue};

#[tokio::test]
async fn a_record_comes_back_as_it_was_stored_also_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    assert_eq!(spool.append(&record(7)).await, Ok(1));
    let id = spool.id();
    spool.close().await;
    let spool = open(dir.path());
    let pulled = pull_all(&spool, 0).await;
    assert_eq!((spool.id(), pulled.spool_id), (id, id));
    assert_eq!(pulled.records, [(1, record(7).encode_to_vec().into())]);
}

#[tokio::test]
async fn sequences_are_never_used_again_even_after_everything_was_acknowledged_and_the_file_reopened() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    assert_eq!(spool.append(&record(1)).await, Ok(1));
    assert_eq!(spool.append(&record(2)).await, Ok(2));
    spool.acknowledge(spool.id(), 2).await.unwrap();
    spool.close().await;
    let spool = open(dir.path());
    assert_eq!(spool.append(&record(3)).await, Ok(3));
    assert_eq!(meters(&pull_all(&spool, 0).await), [3]);
}

#[tokio::test]
async fn an_acknowledgement_is_idempotent_and_an_older_one_brings_nothing_back() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    for meter in 1..=5 {
        spool.append(&record(meter)).await.unwrap();
    }
    for upto in [3, 3, 1] {
        spool.acknowledge(spool.id(), upto).await.unwrap();
        assert_eq!(meters(&pull_all(&spool, 0).await), [4, 5]);
    }
}

#[tokio::test]
async fn an_acknowledgement_of_another_spool_or_of_what_was_never_stored_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    spool.append(&record(1)).await.unwrap();
    let (own, asked) = (spool.id(), spool.id() ^ 1);
    assert_eq!(spool.acknowledge(asked, 1).await, Err(SpoolError::WrongSpool { asked, own }));
    assert_eq!(spool.acknowledge(own, 2).await, Err(SpoolError::Beyond { upto: 2, last: 1 }));
    assert_eq!(meters(&pull_all(&spool, 0).await), [1]);
}

#[tokio::test]
async fn every_new_spool_has_an_identity_of_its_own() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, two) = (open(one.path()).id(), open(two.path()).id());
    assert!(one != 0 && two != 0 && one != two, "{one} {two}");
}

#[tokio::test]
async fn a_full_spool_refuses_and_accepts_again_after_an_acknowledgement() {
    let dir = tempfile::tempdir().unwrap();
    let size = record(7).encoded_len() as u64;
    let config = config::Spool { max_bytes: ByteSize(2 * size), ..config::Spool::default() };
    let spool = Spool::open(dir.path(), &config, Metrics::default()).unwrap();
    spool.append(&record(7)).await.unwrap();
    assert_eq!(percent(&spool), 50);
    spool.append(&record(7)).await.unwrap();
    let full = SpoolError::Full { bytes: 2 * size, max_bytes: 2 * size };
    assert_eq!(spool.append(&record(7)).await, Err(full));
    assert_eq!(percent(&spool), 100);
    spool.acknowledge(spool.id(), 1).await.unwrap();
    assert_eq!(spool.append(&record(7)).await, Ok(3));
}

#[tokio::test]
async fn a_record_that_no_pull_could_carry_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = config::Spool { pull_bytes: ByteSize(10), ..config::Spool::default() };
    let spool = Spool::open(dir.path(), &config, Metrics::default()).unwrap();
    let refused = spool.append(&record(6)).await;
    assert!(matches!(refused, Err(SpoolError::TooLarge { limit: 10, .. })), "{refused:?}");
}

#[tokio::test]
async fn a_pull_is_oldest_first_within_its_bounds_and_after_its_cursor() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    for meter in 1..=6 {
        spool.append(&record(meter)).await.unwrap();
    }
    let some = spool.pull(1, 3, u64::MAX, Duration::ZERO).await.unwrap();
    assert_eq!((meters(&some), some.backlog_records), (vec![2, 3, 4], 6));
    let narrow = spool.pull(1, 3, 1, Duration::ZERO).await.unwrap();
    assert_eq!(meters(&narrow), [2], "one record is carried however large");
    let two = (record(1).encoded_len() + record(2).encoded_len()) as u64;
    assert_eq!(meters(&spool.pull(0, 9, two, Duration::ZERO).await.unwrap()), [1, 2]);
    assert_eq!(meters(&spool.pull(0, 0, u64::MAX, Duration::ZERO).await.unwrap()), [0; 0]);
}

#[tokio::test]
async fn a_waiting_pull_returns_when_the_first_record_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    let waiting = {
        let spool = spool.clone();
        tokio::spawn(async move { spool.pull(0, 9, 9999, Duration::from_secs(60)).await })
    };
    tokio::task::yield_now().await;
    spool.append(&record(1)).await.unwrap();
    assert_eq!(meters(&waiting.await.unwrap().unwrap()), [1]);
    let none = spool.pull(1, 9, 9999, Duration::from_millis(1)).await.unwrap();
    assert_eq!(none.records, [], "the wait is bounded");
}

#[tokio::test]
async fn what_waits_together_is_numbered_without_gaps() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    let records: Vec<_> = (0..500).map(record).collect();
    let sequences = futures::future::join_all(records.iter().map(|record| spool.append(record))).await;
    let mut sequences: Vec<_> = sequences.into_iter().map(Result::unwrap).collect();
    sequences.sort_unstable();
    assert_eq!(sequences, (1..=500).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_second_owner_of_the_file_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    let second = Spool::open(dir.path(), &config::Spool::default(), Metrics::default());
    assert!(matches!(second, Err(SpoolError::InUse { .. })), "{second:?}");
    spool.close().await;
    open(dir.path());
}

#[tokio::test]
async fn a_closed_spool_says_so_to_every_handle() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    let other = spool.clone();
    spool.close().await;
    assert_eq!(other.append(&record(1)).await, Err(SpoolError::Closed));
    assert_eq!(other.pull(0, 1, 1, Duration::from_secs(60)).await, Err(SpoolError::Closed));
    assert_eq!(other.acknowledge(other.id(), 0).await, Err(SpoolError::Closed));
}

#[tokio::test]
async fn the_node_s_numbers_show_what_the_spool_holds_and_since_when() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = Metrics::default();
    let spool = Spool::open(dir.path(), &config::Spool::default(), metrics.clone()).unwrap();
    spool.append(&record(1)).await.unwrap();
    spool.append(&record(2)).await.unwrap();
    let report = metrics.report();
    let bytes = (record(1).encoded_len() + record(2).encoded_len()) as u64;
    assert_eq!((report.spool_records, report.spool_bytes, report.oldest_spooled_at), (2, bytes, 1001));
    spool.acknowledge(spool.id(), 1).await.unwrap();
    assert_eq!(metrics.report().oldest_spooled_at, 1002);
    spool.acknowledge(spool.id(), 2).await.unwrap();
    let report = metrics.report();
    assert_eq!((report.spool_records, report.spool_bytes, report.oldest_spooled_at), (0, 0, 0));
}

#[tokio::test]
async fn a_file_of_a_later_version_is_refused_by_its_number() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).close().await;
    let database = redb::Database::open(dir.path().join("spool.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    let meta = redb::TableDefinition::<&str, u64>::new("meta");
    transaction.open_table(meta).unwrap().insert("version", 2).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let refused = Spool::open(dir.path(), &config::Spool::default(), Metrics::default()).unwrap_err();
    assert!(refused.to_string().contains("version 2 is not 1"), "{refused}");
}

const READING_BYTES: &str = "08011002180320042880e588bda034300238e8ec88bda03440024a340a04080110090a05080b10d804\
    1213323032362d31312d32335431303a30303a3031180120092a0268ff3208313233343536373858ac02";
const MISS_BYTES: &str = "08011002180320042880e588bda034300138e8ec88\
    bda0344002520e0a096e6f2d616e73776572120164";

#[test]
fn the_bytes_of_a_stored_record_are_the_same_in_every_release() {
    let values = vec![SpooledValue { quantity: 1, value: -5 }, SpooledValue { quantity: 11, value: 300 }];
    let reading = SpooledReading {
        values,
        meter_time: "2026-11-23T10:00:01".to_owned(),
        valve: 1,
        quality: 9,
        raw: vec![0x68, 0xFF],
        identity: "12345678".to_owned(),
        shape: 0,
    };
    let stored = SpoolRecord {
        meter: 1,
        line: 2,
        epoch: 3,
        node: 4,
        slot: 1_795_424_400_000,
        kind: Kind::OnDemand.into(),
        at: 1_795_424_401_000,
        attempts: 2,
        origin: 0,
        content: Some(Content::Reading(reading)),
        command: 300,
    };
    let missed = SpoolRecord {
        kind: Kind::Scheduled.into(),
        content: Some(Content::Miss(SpooledMiss {
            reason: "no-answer".to_owned(),
            detail: "d".to_owned(),
            ..SpooledMiss::default()
        })),
        command: 0,
        ..stored.clone()
    };
    let golden = [(stored, READING_BYTES), (missed, MISS_BYTES)];
    for (record, hex) in golden {
        let bytes = record.encode_to_vec();
        assert_eq!(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), hex);
        assert_eq!(SpoolRecord::decode(bytes.as_slice()), Ok(record));
    }
}

fn percent(spool: &Spool) -> u64 {
    let pressure = spool.pressure();
    pressure.bytes * 100 / pressure.max_bytes
}
