use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::backends::InMemoryBackend;
use redb::{Database, StorageBackend};

use super::*;
use crate::spool::SpoolError;
use crate::spool::store::Store;

/// A disk that fails when it is told to.
#[derive(Debug)]
struct Disk {
    memory: InMemoryBackend,
    fails: Arc<AtomicBool>,
}

impl Disk {
    fn sound(&self) -> Result<(), io::Error> {
        if self.fails.load(Ordering::SeqCst) { Err(io::Error::other("the disk is gone")) } else { Ok(()) }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, io::Error> {
        self.memory.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.memory.read(offset, out)
    }
    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.sound().and_then(|()| self.memory.set_len(len))
    }
    fn sync_data(&self) -> Result<(), io::Error> {
        self.sound().and_then(|()| self.memory.sync_data())
    }
    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.memory.write(offset, data)
    }
}

#[tokio::test]
async fn after_a_failed_fsync_nothing_is_accepted_any_more_even_if_the_disk_recovers() {
    let fails = Arc::new(AtomicBool::new(false));
    let disk = Disk { memory: InMemoryBackend::new(), fails: Arc::clone(&fails) };
    let database = Database::builder().create_with_backend(disk).unwrap();
    let config = config::Spool::default();
    let store = Store::over(database, PathBuf::from("memory"), &config).unwrap();
    let spool = Spool::start(store, &config, Metrics::default()).unwrap();
    assert_eq!(spool.append(&record(1)).await, Ok(1));

    let watching = {
        let spool = spool.clone();
        tokio::spawn(async move { spool.failed().await })
    };
    fails.store(true, Ordering::SeqCst);
    let broken = spool.append(&record(2)).await.unwrap_err();
    assert!(matches!(&broken, SpoolError::Broken { cause, .. } if cause.contains("the disk is gone")), "{broken}");
    assert_eq!(watching.await.unwrap(), broken, "the daemon is told");

    fails.store(false, Ordering::SeqCst);
    assert_eq!(spool.append(&record(3)).await, Err(broken.clone()));
    assert_eq!(spool.acknowledge(spool.id(), 1).await, Err(broken));
}
