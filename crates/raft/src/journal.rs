//! Vote and log, as openraft asks for them.
//!
//! Nothing is answered before it is on disk: an append is told flushed when its transaction is, and
//! a vote returns when it is. The disk is waited for on a thread that may block, so heartbeats and
//! answers to others go on meanwhile.

use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::sync::Arc;
use std::time::Duration;

use openraft::storage::{LogFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader, StorageIOError};

use crate::disk::{Change, Disk, DiskError};
use crate::types::{LogId, Logged, StorageError, Types, Vote};

/// Vote and log of this node; clones share the file.
#[derive(Clone, Debug)]
pub struct Journal {
    disk: Arc<Disk>,
    /// Entries go only when a snapshot holds them.
    careful: bool,
}

impl Journal {
    /// The one in this file.
    #[must_use]
    pub fn new(disk: Arc<Disk>) -> Self {
        Self { disk, careful: true }
    }

    /// The same for openraft's own suite of tests, which has entries go that no snapshot holds.
    #[must_use]
    pub fn careless(self) -> Self {
        Self { careful: false, ..self }
    }

    /// The file itself.
    #[must_use]
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    pub(crate) fn shared(&self) -> Arc<Disk> {
        Arc::clone(&self.disk)
    }

    async fn write(&self, work: impl FnOnce(&Disk) -> Done + Send + 'static) -> Done {
        blocking(&self.disk, work).await
    }
}

/// How often it is looked whether a snapshot is on disk, and for how long at most.
const LOOK: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(60);

type Done = Result<(), DiskError>;

/// Runs `work` where it may wait for the disk.
pub(crate) async fn blocking<T: Send + 'static>(
    disk: &Arc<Disk>,
    work: impl FnOnce(&Disk) -> Result<T, DiskError> + Send + 'static,
) -> Result<T, DiskError> {
    let shared = Arc::clone(disk);
    match tokio::task::spawn_blocking(move || work(&shared)).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(DiskError::Failed {
                path: "raft.redb".into(),
                what: "mainstay is being stopped".into(),
            }),
        },
    }
}

impl RaftLogReader<Types> for Journal {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<Logged>, StorageError> {
        let range = (range.start_bound().cloned(), range.end_bound().cloned());
        blocking(&self.disk, move |disk| disk.entries(range))
            .await
            .map_err(|error| StorageIOError::read_logs(&error).into())
    }
}

impl RaftLogStorage<Types> for Journal {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, StorageError> {
        let read = blocking(&self.disk, |disk| Ok((disk.purged()?, disk.extent()?))).await;
        let (purged, last) = read.map_err(|error| StorageIOError::read_logs(&error))?;
        Ok(LogState { last_purged_log_id: purged, last_log_id: last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        let vote = *vote;
        self.write(move |disk| disk.write(&Change { vote: Some(&vote), ..Change::default() }))
            .await
            .map_err(|error| StorageIOError::write_vote(&error).into())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        blocking(&self.disk, Disk::vote)
            .await
            .map_err(|error| StorageIOError::read_vote(&error).into())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), StorageError> {
        self.disk.set_committed(committed);
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, StorageError> {
        Ok(self.disk.committed())
    }

    async fn append<I>(
        &mut self,
        entries: I,
        flushed: LogFlushed<Types>,
    ) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Logged> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Logged> = entries.into_iter().collect();
        let written = self
            .write(move |disk| disk.write(&Change { append: &entries, ..Change::default() }))
            .await;
        match written {
            Ok(()) => {
                flushed.log_io_completed(Ok(()));
                Ok(())
            }
            Err(error) => {
                flushed.log_io_completed(Err(io::Error::other(error.clone())));
                Err(StorageIOError::write_logs(&error).into())
            }
        }
    }

    async fn truncate(&mut self, from: LogId) -> Result<(), StorageError> {
        self.write(move |disk| {
            disk.write(&Change { truncate: Some(from.index), ..Change::default() })
        })
        .await
        .map_err(|error| StorageIOError::write_logs(&error).into())
    }

    /// A snapshot that a leader has sent is written by another task, and openraft does not wait for that
    /// one: were entries gone before the snapshot that holds them is on disk, a crash in between would
    /// leave neither.
    async fn purge(&mut self, upto: LogId) -> Result<(), StorageError> {
        let kept = async {
            while self.careful && !self.disk.keeps(upto) {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(PATIENCE, kept).await.is_err() {
            let error = self.disk.bad("entries are to go that no snapshot holds");
            return Err(StorageIOError::write_logs(&error).into());
        }
        self.write(move |disk| disk.write(&Change { purge: Some(upto), ..Change::default() }))
            .await
            .map_err(|error| StorageIOError::write_logs(&error).into())
    }
}
