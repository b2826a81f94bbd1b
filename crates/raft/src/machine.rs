//! The replicated state, as openraft drives it: entries in, snapshots out and in.
//!
//! The state lives in memory and is rebuilt at the start from the last snapshot and the log after
//! it; only snapshots are written here. What an entry does is decided by [`State::apply`] alone.
//! Entries have indices of their own, as the seam counts them: one more than the state's last,
//! since an entry of the engine's log holds many, or none. What is applied is told as it is.

use std::io::Cursor;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cluster::State;
use cluster::seam::Tell;
use openraft::storage::{RaftStateMachine, Snapshot};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder, StorageIOError};

use crate::disk::{Change, Disk, DiskError};
use crate::journal::blocking;
use crate::outlet::Outlet;
use crate::types::{
    Batch, LogId, Logged, Membership, Peer, Reply, SnapshotMeta, StorageError, Types,
};

/// The state and how far it is; clones share it.
#[derive(Clone, Debug)]
pub struct Machine {
    disk: Arc<Disk>,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    state: State,
    applied: Option<LogId>,
    members: Membership,
    /// How many snapshots were built since the start: their names have to differ.
    built: u64,
    outlet: Option<Outlet>,
}

impl Machine {
    /// The state of the last snapshot in this file, or `birth` if there is none.
    ///
    /// # Errors
    /// When the snapshot cannot be read.
    pub fn new(disk: Arc<Disk>, birth: State) -> Result<Self, DiskError> {
        let inner = match disk.snapshot()? {
            None => Inner {
                state: birth,
                applied: None,
                members: Membership::default(),
                built: 0,
                outlet: None,
            },
            Some((meta, bytes)) => {
                let state = State::decode(&bytes).map_err(|error| disk.bad(&error.to_string()))?;
                Inner {
                    state,
                    applied: meta.last_log_id,
                    members: meta.last_membership,
                    built: 0,
                    outlet: None,
                }
            }
        };
        Ok(Self { disk, inner: Arc::new(Mutex::new(inner)) })
    }

    /// Looks at the state.
    pub fn look<T>(&self, at: impl FnOnce(&State) -> T) -> T {
        at(&self.inner().state)
    }

    /// From now on what is applied is told there; first what the snapshot holds.
    pub(crate) fn tell(&self, outlet: Outlet) {
        let mut inner = self.inner();
        if inner.state.applied() > 0 {
            outlet.tell(installed(&inner.state));
        }
        outlet.applied(inner.state.applied());
        inner.outlet = Some(outlet);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn keep(&self, meta: &SnapshotMeta, bytes: &[u8]) -> Result<(), StorageError> {
        let (meta, bytes) = (meta.clone(), bytes.to_vec());
        let signature = meta.signature();
        blocking(&self.disk, move |disk| {
            disk.write(&Change { snapshot: Some((&meta, &bytes)), ..Change::default() })
        })
        .await
        .map_err(|error| StorageIOError::write_snapshot(Some(signature), &error).into())
    }
}

impl RaftSnapshotBuilder<Types> for Machine {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>, StorageError> {
        let (meta, bytes) = {
            let mut inner = self.inner();
            inner.built += 1;
            let last = inner.applied.map_or_else(|| "0".into(), |it| it.to_string());
            let meta = SnapshotMeta {
                last_log_id: inner.applied,
                last_membership: inner.members.clone(),
                snapshot_id: format!("{last}-{}", inner.built),
            };
            (meta, inner.state.encode())
        };
        self.keep(&meta, &bytes).await?;
        Ok(Snapshot { meta, snapshot: Box::new(Cursor::new(bytes)) })
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, Membership), StorageError> {
        let inner = self.inner();
        Ok((inner.applied, inner.members.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Reply>, StorageError>
    where
        I: IntoIterator<Item = Logged> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut inner = self.inner();
        let inner = &mut *inner;
        let mut replies = Vec::new();
        for logged in entries {
            inner.applied = Some(logged.log_id);
            match logged.payload {
                EntryPayload::Blank => {}
                EntryPayload::Normal(Batch(entries)) => {
                    for entry in entries {
                        let index = inner.state.applied() + 1;
                        inner.state.apply(index, &entry);
                        if let Some(outlet) = &inner.outlet {
                            outlet.tell(Tell::Committed { index, entry });
                        }
                    }
                }
                EntryPayload::Membership(members) => {
                    inner.members = Membership::new(Some(logged.log_id), members);
                }
            }
            replies.push(Reply(inner.state.applied()));
        }
        if let Some(outlet) = &inner.outlet {
            outlet.applied(inner.state.applied());
        }
        Ok(replies)
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &openraft::SnapshotMeta<u64, Peer>,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError> {
        let bytes = snapshot.into_inner();
        let state = State::decode(&bytes)
            .map_err(|error| StorageIOError::read_snapshot(Some(meta.signature()), &error))?;
        self.keep(meta, &bytes).await?;
        let mut inner = self.inner();
        inner.state = state;
        inner.applied = meta.last_log_id;
        inner.members = meta.last_membership.clone();
        if let Some(outlet) = &inner.outlet {
            outlet.tell(installed(&inner.state));
            outlet.applied(inner.state.applied());
        }
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types>>, StorageError> {
        let read = blocking(&self.disk, Disk::snapshot).await;
        let snapshot = read.map_err(|error| StorageIOError::read_snapshot(None, &error))?;
        Ok(snapshot.map(|(meta, bytes)| Snapshot { meta, snapshot: Box::new(Cursor::new(bytes)) }))
    }
}

fn installed(state: &State) -> Tell {
    Tell::Install { index: state.applied(), bytes: state.encode() }
}
