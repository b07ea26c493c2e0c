//! One node's spool, pulled in order and acknowledged after the commit.
//!
//! ```text
//!   cursor -> pull -> hand over -> (pull ahead, bounded) -> committed? -> acknowledge
//!     ^                                                        |
//!     +--------- a call failed: back off, same cursor ---------+
//! ```
//!
//! Promises: never more than `mysql.pulls_ahead` pulls of a node in memory, beside a backlog `mysql.fresh_pulls` more, and
//! in each lane never more than `mysql.pulls_unacknowledged` that its spool still keeps; an acknowledgement never passes a
//! record that is not committed. Refuses: choosing what to pull next: its lanes do.

use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use protocol::api::peer::spool_client::SpoolClient;
use protocol::api::peer::{AcknowledgeRequest, PullReply, PullRequest, SortedKey, SpoolRecord, SpooledRecord};
use protocol::meter::NodeId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tonic::{Code, Request, Status};

use super::backlog::Backlog;
use super::hand_over::{Batch, Giving, Room};
use super::lanes::{Ask, Bounds, Got, Lane, Lanes, Over, Part};
use crate::cluster::peers::Peer;
use crate::config::Config;
use crate::mysql::Strange;

/// The bounds of pulling.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    lanes: Bounds,
    bytes: u32,
    message_bytes: usize,
    wait: Duration,
    call: Duration,
    ahead: usize,
    fresh: usize,
    retry_min: Duration,
    pub(super) retry_max: Duration,
}

impl Limits {
    pub(super) fn of(config: &Config) -> Self {
        let narrow = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let mysql = &config.mysql;
        let lanes = Bounds {
            records: config.spool.pull_records.min(narrow(mysql.batch_rows as u64)),
            unacknowledged: mysql.pulls_unacknowledged,
            lane_records: mysql.lane_records,
            fresh_every: mysql.fresh_every,
        };
        Self {
            lanes,
            bytes: narrow(config.spool.pull_bytes.as_u64()),
            message_bytes: usize::try_from(config.raft.message_bytes.as_u64()).unwrap_or(usize::MAX),
            wait: mysql.pull_wait,
            call: mysql.pull_timeout,
            ahead: mysql.pulls_ahead,
            fresh: mysql.fresh_pulls,
            retry_min: mysql.retry_min,
            retry_max: mysql.retry_max,
        }
    }
}

pub(super) struct Puller {
    node: NodeId,
    client: SpoolClient<Peer>,
    limits: Limits,
    out: Giving,
    backlog: Backlog,
    lanes: Lanes,
    places: Arc<Semaphore>,
    // A backlog never takes the place of what is fresh.
    fresh_places: Arc<Semaphore>,
}

/// Why a puller stops for a while, or for good.
enum Pause {
    Failed(Status),
    /// The writing loop is gone.
    Over,
}

impl From<Status> for Pause {
    fn from(status: Status) -> Self {
        Self::Failed(status)
    }
}

impl From<Over> for Pause {
    fn from(Over: Over) -> Self {
        Self::Over
    }
}

impl Puller {
    pub(super) fn new(node: NodeId, peer: Peer, limits: Limits, out: Giving, backlog: Backlog) -> Self {
        let client = SpoolClient::new(peer).max_decoding_message_size(limits.message_bytes);
        let (lanes, places) = (Lanes::new(limits.lanes), Arc::new(Semaphore::new(limits.ahead)));
        let fresh_places = Arc::new(Semaphore::new(limits.fresh));
        Self { node, client, limits, out, backlog, lanes, places, fresh_places }
    }

    /// Pulls until the writing loop is gone.
    pub(super) async fn run(mut self) {
        let mut pause = None;
        loop {
            match self.step().await {
                Ok(()) if pause.take().is_some() => tracing::info!(node = %self.node, "spool answers again"),
                Ok(()) => {}
                Err(Pause::Over) => return,
                Err(Pause::Failed(status)) => {
                    if pause.is_none() {
                        tracing::warn!(node = %self.node, error = %status.message(), "spool cannot be pulled");
                    }
                    let span = pause.map_or(self.limits.retry_min, |last: Duration| last * 2);
                    let span = span.min(self.limits.retry_max);
                    pause = Some(span);
                    sleep(span).await;
                }
            }
        }
    }

    async fn step(&mut self) -> Result<(), Pause> {
        if let Some((spool, upto)) = self.lanes.committed()? {
            self.acknowledge(spool, upto).await?;
        }
        let now = Instant::now();
        let Some(ask) = self.lanes.next(now) else { return self.wait(None).await };
        // What is fresh has its turn where a backlog has no place.
        let asks = [Some(ask), self.lanes.fresh(now)].into_iter().flatten();
        let mut placed = None;
        for ask in asks {
            placed = self.place(ask.lane)?.map(|(place, room)| (ask, place, room));
            if placed.is_some() {
                break;
            }
        }
        let Some((ask, place, room)) = placed else { return self.wait(Some(ask.lane)).await };
        let came = self.pull(ask, place, room).await?;
        if came || ask.lane == Lane::Fresh || self.lanes.is_idle() { Ok(()) } else { self.wait(None).await }
    }

    /// A place in memory and room in the hand-over, if there are both.
    fn place(&self, lane: Lane) -> Result<Option<(OwnedSemaphorePermit, Room)>, Over> {
        let place = Arc::clone(self.places(lane)).try_acquire_owned().ok();
        Ok(place.zip(self.out.room(lane)?))
    }

    const fn places(&self, lane: Lane) -> &Arc<Semaphore> {
        match lane {
            Lane::Fresh => &self.fresh_places,
            Lane::Backlog => &self.places,
        }
    }

    /// Pulls and hands over; whether anything came.
    async fn pull(&mut self, ask: Ask, place: OwnedSemaphorePermit, room: Room) -> Result<bool, Pause> {
        let wait = if self.lanes.is_idle() { self.limits.wait } else { Duration::ZERO };
        let reply = self.call(ask, wait).await.inspect_err(|_| self.lanes.failed(ask))?;
        let PullReply { spool, records, last, sorted_upto, sorted_left, sorted_last, .. } = reply;
        let behind = sorted_last.map(|SortedKey { meter, slot, sequence }| (meter, slot, sequence));
        let part = (sorted_upto > 0).then_some((Part { upto: sorted_upto, behind }, sorted_left));
        let (upto, count) = (records.last().map_or(0, |record| record.sequence), records.len());
        let (records, strange) = self.read(spool, &records);
        let (committed, commit) = oneshot::channel();
        let got = Got { spool, upto, records: count, last, commit: (count > 0).then_some(commit), part };
        if count > 0 {
            room.send(Batch { records, strange, committed, place });
        }
        self.lanes.got(ask, got, Instant::now());
        Ok(count > 0)
    }

    /// The records, and what cannot be read as one: it would hold up everything behind it.
    fn read(&self, spool: u64, records: &[SpooledRecord]) -> (Vec<SpoolRecord>, Vec<Strange>) {
        let (mut read, mut strange) = (Vec::with_capacity(records.len()), Vec::new());
        for SpooledRecord { sequence, record } in records {
            match SpoolRecord::decode(record.clone()) {
                Ok(record) => read.push(record),
                Err(error) => {
                    let why = format!("record {sequence} of spool {spool} cannot be read: {error}");
                    tracing::error!(node = %self.node, %why, "set aside");
                    strange.push(Strange { node: self.node.0, bytes: record.clone(), why });
                }
            }
        }
        (read, strange)
    }

    async fn call(&mut self, ask: Ask, wait: Duration) -> Result<PullReply, Status> {
        let Ask { spool, after, records: max_records, part, .. } = ask;
        let wait_ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
        let behind = part.and_then(|part| part.behind);
        let request = PullRequest {
            spool,
            after,
            max_records,
            max_bytes: self.limits.bytes,
            wait_ms,
            sorted_upto: part.map_or(0, |part| part.upto),
            behind: behind.map(|(meter, slot, sequence)| SortedKey { meter, slot, sequence }),
        };
        let reply = within(wait + self.limits.call, self.client.pull(Request::new(request))).await?;
        self.backlog.heard(self.node, reply.backlog_records);
        Ok(reply)
    }

    async fn acknowledge(&mut self, spool: u64, upto: u64) -> Result<(), Pause> {
        let request = AcknowledgeRequest { spool, upto };
        match within(self.limits.call, self.client.acknowledge(Request::new(request))).await {
            Ok(_) => {}
            // It is not that spool any more: there is nothing left to forget.
            Err(status) if status.code() == Code::FailedPrecondition => {}
            Err(status) => return Err(status.into()),
        }
        self.lanes.forgotten(spool, upto);
        Ok(())
    }

    /// Waits for what there is to do next: the oldest pull is committed, what is fresh is due and has a place, or there is a
    /// place for a pull of the lane that is `wanted`.
    async fn wait(&mut self, wanted: Option<Lane>) -> Result<(), Pause> {
        let (out, fresh_places) = (self.out.clone(), Arc::clone(&self.fresh_places));
        let places = wanted.map(|lane| (lane, Arc::clone(self.places(lane))));
        let fresh_at = self.lanes.fresh_at().filter(|_| wanted != Some(Lane::Fresh));
        let fresh = async {
            let Some(at) = fresh_at else { return std::future::pending().await };
            sleep_until(at).await;
            until_place(&fresh_places, &out, Lane::Fresh).await;
        };
        let place = async {
            let Some((lane, places)) = places else { return std::future::pending().await };
            until_place(&places, &out, lane).await;
        };
        tokio::select! {
            committed = self.lanes.until_committed() => Ok(committed?),
            () = place => Ok(()),
            () = fresh => Ok(()),
            () = sleep(self.limits.retry_max) => self.say_how_much_waits().await,
        }
    }

    /// The database is away: at least that is known.
    async fn say_how_much_waits(&mut self) -> Result<(), Pause> {
        self.call(Ask { records: 0, ..self.lanes.cursor() }, Duration::ZERO).await?;
        Ok(())
    }
}

async fn until_place(places: &Semaphore, out: &Giving, lane: Lane) {
    // Never closed; the permit is given back at once.
    let _ = places.acquire().await;
    out.until_room(lane).await;
}

async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<tonic::Response<T>, Status>>,
) -> Result<T, Status> {
    let late = |_| Status::deadline_exceeded(format!("no answer within {limit:?}"));
    timeout(limit, call).await.map_err(late)?.map(tonic::Response::into_inner)
}
