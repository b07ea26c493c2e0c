use super::*;
use crate::spool::SpoolError;
use bytes::Bytes;
use bytesize::ByteSize;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Append(u64),
    AppendTogether(Vec<u64>),
    /// Cursor and bound, both as parts of what was ever stored.
    Pull(u64, usize),
    Acknowledge(u64),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_u64..1000).prop_map(Step::Append),
        2 => prop::collection::vec(0_u64..1000, 1..8).prop_map(Step::AppendTogether),
        4 => (0_u64..60, 0_usize..10).prop_map(|(after, max)| Step::Pull(after, max)),
        3 => (0_u64..60).prop_map(Step::Acknowledge),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..40)
}

/// What the spool has to be: a list.
#[derive(Default)]
struct Model {
    held: Vec<(u64, Bytes)>,
    last: u64,
}

impl Model {
    fn bytes(&self) -> u64 {
        self.held.iter().map(|(_, bytes)| bytes.len() as u64).sum()
    }

    fn append(&mut self, meter: u64, max_bytes: u64) -> Result<u64, SpoolError> {
        let bytes = record(meter).encode_to_vec();
        if self.bytes() + bytes.len() as u64 > max_bytes {
            return Err(SpoolError::Full { bytes: self.bytes(), max_bytes });
        }
        self.last += 1;
        self.held.push((self.last, bytes.into()));
        Ok(self.last)
    }

    fn acknowledge(&mut self, upto: u64) -> Result<(), SpoolError> {
        if upto > self.last {
            return Err(SpoolError::Beyond { upto, last: self.last });
        }
        self.held.retain(|(sequence, _)| *sequence > upto);
        Ok(())
    }

    fn pull(&self, after: u64, max: usize) -> Vec<(u64, Bytes)> {
        self.held.iter().filter(|(sequence, _)| *sequence > after).take(max).cloned().collect()
    }
}

async fn walk(steps: Vec<Step>) {
    let dir = tempfile::tempdir().unwrap();
    let config = config::Spool { max_bytes: ByteSize(400), batch_records: 3, ..config::Spool::default() };
    let open = || Spool::open(dir.path(), &config, Metrics::default()).unwrap();
    let (mut spool, mut model) = (open(), Model::default());
    for step in steps {
        match step {
            Step::Append(meter) => assert_eq!(spool.append(&record(meter)).await, model.append(meter, 400)),
            Step::AppendTogether(meters) => {
                let records: Vec<_> = meters.iter().copied().map(record).collect();
                let got = futures::future::join_all(records.iter().map(|record| spool.append(record))).await;
                let expected: Vec<_> = meters.iter().map(|meter| model.append(*meter, 400)).collect();
                assert_eq!(got, expected);
            }
            Step::Pull(after, max) => {
                let pulled = spool.pull(after, max, u64::MAX, Duration::ZERO).await.unwrap();
                assert_eq!(pulled.records, model.pull(after, max));
                assert_eq!(pulled.backlog_records, model.held.len() as u64);
                assert_eq!(pulled.backlog_bytes, model.bytes());
            }
            Step::Acknowledge(upto) => {
                assert_eq!(spool.acknowledge(spool.id(), upto).await, model.acknowledge(upto));
            }
            Step::Reopen => {
                spool.close().await;
                spool = open();
            }
        }
    }
    assert_eq!(pull_all(&spool, 0).await.records, model.held);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_spool_behaves_like_a_list_whatever_is_asked_of_it(steps in steps()) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(walk(steps));
    }
}
