//! The state machine that the consensus library drives, and the view of it that the node follows.
//!
//! ```text
//!   committed entries --> apply --> State --publish, once a batch--> MachineHandle (watch)
//!                           |                                            then the replies go out
//!                           +-- clone (cheap) --> snapshot, in its own thread
//! ```
//!
//! Promises: whoever has a reply finds its effect in the handle; the handle never goes back; a snapshot never holds
//! up applying. Refuses: deciding anything; [`crate::state::apply`] does.

use std::io;
use std::path::Path;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder};
use tokio::sync::watch;

use crate::log::LogStore;
use crate::snapshot::{Snapshot, SnapshotBytes, SnapshotError, SnapshotStore};
use crate::state::{self, LogPosition, Reply, State};
use crate::types::{Image, LogId, RaftEntry, SnapshotMeta, StoredMembership, TypeConfig, log_id, position};

/// A running member of the consensus.
pub type Raft = openraft::Raft<TypeConfig, Machine>;

/// Entries applied between two publications, at most.
const APPLY_BATCH: usize = 256;

/// The state after an entry.
#[derive(Debug, Clone, Default)]
pub struct Applied {
    /// The index of the last entry applied; 0 before the first.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// The state.
    pub state: State,
}

/// The node's view of the applied state.
#[derive(Debug, Clone)]
pub struct MachineHandle {
    applied: watch::Receiver<Applied>,
}

impl MachineHandle {
    /// The latest applied state.
    pub fn applied(&self) -> Applied {
        self.applied.borrow().clone()
    }

    /// The latest applied state, without its position.
    pub fn state(&self) -> State {
        self.applied.borrow().state.clone()
    }

    /// Follows the state; sees the latest one, not every one.
    pub fn subscribe(&self) -> watch::Receiver<Applied> {
        self.applied.clone()
    }

    /// Waits until the entry at `index` is applied. `None`: the state machine is gone.
    pub async fn wait_for(&self, index: u64) -> Option<Applied> {
        let mut applied = self.applied.clone();
        let reached = applied.wait_for(|applied| applied.index >= index).await;
        reached.ok().map(|applied| applied.clone())
    }
}

/// The state machine.
#[derive(Debug)]
pub struct Machine {
    image: Image,
    snapshots: Arc<SnapshotStore>,
    publisher: watch::Sender<Applied>,
}

impl Machine {
    /// Opens the state machine of the store in `folder`: the newest snapshot that meets the `log`. What was committed
    /// after it is applied again when the consensus starts.
    ///
    /// # Errors
    /// No sound snapshot meets the log, or a file cannot be used.
    pub fn open(folder: &Path, log: &LogStore) -> Result<(Self, MachineHandle), SnapshotError> {
        let (snapshots, image) = SnapshotStore::open(folder, log.purged())?;
        let (publisher, applied) = watch::channel(applied(&image));
        let machine = Self { image, snapshots: Arc::new(snapshots), publisher };
        Ok((machine, MachineHandle { applied }))
    }

    fn apply_one(&mut self, entry: &RaftEntry) -> Reply {
        let at = position(entry.log_id);
        self.image.applied = Some(at);
        match &entry.payload {
            EntryPayload::Blank => Reply::Done,
            EntryPayload::Normal(change) => state::apply(&mut self.image.state, at, change),
            EntryPayload::Membership(membership) => {
                self.image.membership = StoredMembership::new(Some(entry.log_id), membership.clone());
                Reply::Done
            }
        }
    }

    fn publish(&self) {
        self.publisher.send_replace(applied(&self.image));
    }

    fn apply_batch(&mut self, batch: Vec<Result<EntryResponder<TypeConfig>, io::Error>>) -> io::Result<()> {
        let mut answers = Vec::new();
        for item in batch {
            let (entry, responder) = item?;
            let reply = self.apply_one(&entry);
            answers.extend(responder.map(|responder| (responder, reply)));
        }
        self.publish();
        for (responder, reply) in answers {
            responder.send(reply);
        }
        Ok(())
    }
}

fn applied(image: &Image) -> Applied {
    let LogPosition { term, index } = image.applied.unwrap_or_default();
    Applied { index, term, state: image.state.clone() }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = SnapshotBytes;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        Ok((self.image.applied.map(log_id), self.image.membership.clone()))
    }

    async fn apply<S>(&mut self, entries: S) -> io::Result<()>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let mut batches = entries.ready_chunks(APPLY_BATCH);
        while let Some(batch) = batches.next().await {
            self.apply_batch(batch)?;
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder { image: self.image.clone(), snapshots: Arc::clone(&self.snapshots) }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotBytes) -> io::Result<()> {
        let snapshots = Arc::clone(&self.snapshots);
        let meta = meta.clone();
        self.image = in_a_thread(move || snapshots.receive(&meta, &snapshot)).await?;
        self.publish();
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        let snapshots = Arc::clone(&self.snapshots);
        in_a_thread(move || snapshots.newest()).await
    }
}

/// Builds one snapshot, of the moment it was made.
#[derive(Debug)]
pub struct Builder {
    image: Image,
    snapshots: Arc<SnapshotStore>,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = SnapshotBytes;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        let (image, snapshots) = (self.image.clone(), Arc::clone(&self.snapshots));
        in_a_thread(move || snapshots.save(&image)).await
    }
}

/// Encoding and the disk take their time: not in the threads that serve tasks.
async fn in_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SnapshotError> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?;
    done.map_err(io::Error::other)
}
