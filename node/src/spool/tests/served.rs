use bytesize::ByteSize;
use protocol::api::peer::spool_server::Spool as _;
use protocol::api::peer::{AcknowledgeRequest, PullReply, PullRequest};
use tonic::{Code, Request};

use super::*;
use crate::spool::service::SpoolService;

async fn three_records(dir: &Path, config: &config::Spool) -> (Spool, SpoolService) {
    let spool = Spool::open(dir, config, Metrics::default()).unwrap();
    for meter in 1..=3 {
        spool.append(&record(meter)).await.unwrap();
    }
    let service = SpoolService::new(spool.clone(), config);
    (spool, service)
}

async fn pull(service: &SpoolService, spool: u64, after: u64, max_records: u32) -> PullReply {
    let asked = PullRequest { spool, after, max_records, max_bytes: u32::MAX, ..PullRequest::default() };
    service.pull(Request::new(asked)).await.unwrap().into_inner()
}

fn sequences(reply: &PullReply) -> Vec<u64> {
    reply.records.iter().map(|record| record.sequence).collect()
}

#[tokio::test]
async fn a_cursor_counts_only_for_the_spool_it_belongs_to() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, service) = three_records(dir.path(), &config::Spool::default()).await;
    let reply = pull(&service, spool.id(), 2, 9).await;
    assert_eq!((sequences(&reply), reply.spool, reply.backlog_records), (vec![3], spool.id(), 3));
    assert_eq!(reply.records[0].record, record(3).encode_to_vec());
    assert_eq!(sequences(&pull(&service, 0, 2, 9).await), [1, 2, 3]);
    assert_eq!(sequences(&pull(&service, spool.id() ^ 1, 2, 9).await), [1, 2, 3]);
}

#[tokio::test]
async fn a_pull_never_exceeds_the_node_s_own_bounds() {
    let dir = tempfile::tempdir().unwrap();
    let config = config::Spool { pull_records: 2, ..config::Spool::default() };
    let (_spool, service) = three_records(dir.path(), &config).await;
    assert_eq!(sequences(&pull(&service, 0, 0, 9).await), [1, 2]);
    assert_eq!(sequences(&pull(&service, 0, 0, 0).await), [0; 0], "none wanted: only the backlog is told");
    let narrow = config::Spool { pull_bytes: ByteSize(1), ..config::Spool::default() };
    let service = SpoolService::new(_spool, &narrow);
    assert_eq!(sequences(&pull(&service, 0, 0, 9).await), [1]);
}

#[tokio::test]
async fn an_acknowledgement_has_to_name_the_spool() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, service) = three_records(dir.path(), &config::Spool::default()).await;
    let ask = |spool, upto| service.acknowledge(Request::new(AcknowledgeRequest { spool, upto }));
    for (id, upto) in [(0, 3), (spool.id() ^ 1, 3), (spool.id(), 4)] {
        assert_eq!(ask(id, upto).await.unwrap_err().code(), Code::FailedPrecondition);
    }
    assert_eq!(sequences(&pull(&service, 0, 0, 9).await), [1, 2, 3]);
    ask(spool.id(), 2).await.unwrap();
    assert_eq!(sequences(&pull(&service, 0, 0, 9).await), [3]);
}
