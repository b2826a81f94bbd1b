//! The one file of the engine: vote, log and snapshot, and what may be believed of them.
//!
//! Every write is one redb transaction that has reached the disk when the call returns. Every value
//! carries a SHA-256 of itself, since redb looks at its own checksums only after a crash: what was
//! changed behind our back is found when it is read, and all of it is read at the start.
//!
//! The file begins under another name and gets its own when it is whole, so that one that is there
//! was once complete: an empty or torn file is damage, never a new node. Starting empty would be the
//! worst of answers, because a node that has forgotten its vote can vote twice.
//!
//! A write that failed leaves a copy of which nobody knows what reached the disk; after it, every
//! call is refused until the file is opened (and so checked) again. Before that it is written anew as a
//! whole ([`renew`]): what the kernel believes to be on disk after a failed fsync need not be.

use std::fs;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::types::{LogId, Logged, NodeId, SnapshotMeta, Vote};

const FILE: &str = "raft.redb";
const FORM: u16 = 1;
const DIGEST: usize = 32;
const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
const FACTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("facts");

/// Why the file cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DiskError {
    /// It was changed, torn or lost in part.
    #[error(
        "{path} is damaged: {what}. Keep it for inspection, and let this node join anew under another id: what it voted is not known any more"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// It is of another form.
    #[error("{path} has form {form}, and this mainstay reads {FORM}: upgrade this node")]
    Form {
        /// Which file.
        path: PathBuf,
        /// Its form.
        form: u16,
    },
    /// It belongs to another node.
    #[error(
        "{path} is the memory of node {have}, and this is node {asked}: give each its own directory"
    )]
    OtherNode {
        /// Which file.
        path: PathBuf,
        /// Whose it is.
        have: NodeId,
        /// Who asked.
        asked: NodeId,
    },
    /// Somebody else has it open.
    #[error("{0} is in use by another process: end it first")]
    Busy(PathBuf),
    /// It cannot be read or written.
    #[error("{path}: {what}: make room or make it writable, then start this node's mainstay again")]
    Failed {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        what: String,
    },
}

/// The file, open.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    db: Database,
    failed: Mutex<Option<DiskError>>,
    /// How far is committed; written along with whatever is written next, since it is a hint.
    committed: Mutex<Option<LogId>>,
    /// The last entry, unless it has to be looked up.
    last: Mutex<Option<LogId>>,
    /// How far the snapshot goes.
    kept: Mutex<Option<LogId>>,
}

/// One table's worth of changes, done together or not at all.
#[derive(Default)]
pub(crate) struct Change<'a> {
    pub(crate) vote: Option<&'a Vote>,
    pub(crate) append: &'a [Logged],
    /// Entries from this index on go.
    pub(crate) truncate: Option<u64>,
    /// Entries up to this one go, and it is remembered.
    pub(crate) purge: Option<LogId>,
    pub(crate) snapshot: Option<(&'a SnapshotMeta, &'a [u8])>,
}

impl Disk {
    /// Opens the file of node `id` in `dir`, or makes it; then reads all of it.
    ///
    /// # Errors
    /// When it is damaged, another node's, in use, or cannot be written.
    pub fn open(dir: &Path, id: NodeId) -> Result<Self, DiskError> {
        let path = dir.join(FILE);
        match fs::metadata(&path) {
            Ok(it) if it.len() == 0 => return Err(damaged(&path, "it is empty")),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => begin(dir, &path, id)?,
            Err(error) => return Err(failed(&path, error)),
        }
        // redb takes a file it wrote for sound, and some damage meets an assertion of its own.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let mut db = Database::open(&path).map_err(|error| of_open(&path, error))?;
            match db.check_integrity() {
                Ok(true) => {}
                Ok(false) => return Err(damaged(&path, "its checksums do not fit")),
                Err(error) => return Err(of_open(&path, error)),
            }
            let disk = Self {
                path: path.clone(),
                db,
                failed: Mutex::new(None),
                committed: Mutex::new(None),
                last: Mutex::new(None),
                kept: Mutex::new(None),
            };
            let kept = disk.inspect(id)?;
            *lock(&disk.kept) = kept;
            *lock(&disk.committed) = disk.fact("committed")?;
            Ok(disk)
        }));
        opened.unwrap_or_else(|_| Err(damaged(&path, "its structure contradicts itself")))
    }

    /// Reads all of it; how far the snapshot goes.
    fn inspect(&self, id: NodeId) -> Result<Option<LogId>, DiskError> {
        let (form, have) = self
            .fact::<(u16, NodeId)>("form")?
            .ok_or_else(|| self.bad("it does not say whose it is"))?;
        if form != FORM {
            return Err(DiskError::Form { path: self.path.clone(), form });
        }
        if have != id {
            return Err(DiskError::OtherNode { path: self.path.clone(), have, asked: id });
        }
        self.vote()?;
        let purged = self.purged()?;
        let snapshot = self.snapshot()?.and_then(|(meta, _)| meta.last_log_id);
        if purged > snapshot {
            return Err(self.bad("entries are gone that no snapshot holds"));
        }
        let mut next = purged.map(|it| it.index + 1);
        for logged in self.entries(..)? {
            let index = logged.log_id.index;
            if next.is_some_and(|next| next != index) {
                return Err(self.bad(&format!("entry {} is missing", next.unwrap_or_default())));
            }
            next = Some(index + 1);
        }
        Ok(snapshot)
    }

    /// What was voted last.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn vote(&self) -> Result<Option<Vote>, DiskError> {
        self.fact("vote")
    }

    /// The last entry that is gone.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn purged(&self) -> Result<Option<LogId>, DiskError> {
        self.fact("purged")
    }

    /// The snapshot.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn snapshot(&self) -> Result<Option<(SnapshotMeta, Vec<u8>)>, DiskError> {
        self.fact("snapshot")
    }

    /// How far is known to be committed; may be behind after a restart.
    #[must_use]
    pub fn committed(&self) -> Option<LogId> {
        *lock(&self.committed)
    }

    pub(crate) fn set_committed(&self, committed: Option<LogId>) {
        *lock(&self.committed) = committed;
    }

    /// Entries of the log.
    ///
    /// # Errors
    /// When they cannot be read, or one is not what was written.
    pub fn entries(&self, range: impl RangeBounds<u64>) -> Result<Vec<Logged>, DiskError> {
        let range = (range.start_bound().cloned(), range.end_bound().cloned());
        if is_empty(range) {
            return Ok(Vec::new());
        }
        self.guard()?;
        let transaction = self.db.begin_read().map_err(|error| self.broken(error))?;
        let table = transaction.open_table(LOG).map_err(|error| self.broken(error))?;
        let mut entries = Vec::new();
        for row in table.range(range).map_err(|error| self.broken(error))? {
            let (index, value) = row.map_err(|error| self.broken(error))?;
            let index = index.value();
            let logged: Logged =
                unseal(value.value()).map_err(|what| self.bad(&format!("entry {index} {what}")))?;
            if logged.log_id.index != index {
                return Err(self.bad(&format!("entry {index} stands in another's place")));
            }
            entries.push(logged);
        }
        Ok(entries)
    }

    /// Whether a snapshot on disk holds all up to this entry; of a disk that has failed, its next
    /// write says what there is to say.
    pub(crate) fn keeps(&self, upto: LogId) -> bool {
        *lock(&self.kept) >= Some(upto) || lock(&self.failed).is_some()
    }

    /// The last entry there is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn last(&self) -> Result<Option<LogId>, DiskError> {
        self.guard()?;
        let mut known = lock(&self.last);
        if known.is_some() {
            return Ok(*known);
        }
        let transaction = self.db.begin_read().map_err(|error| self.broken(error))?;
        let table = transaction.open_table(LOG).map_err(|error| self.broken(error))?;
        let Some((_, value)) = table.last().map_err(|error| self.broken(error))? else {
            return Ok(None);
        };
        let logged: Logged =
            unseal(value.value()).map_err(|what| self.bad(&format!("the last entry {what}")))?;
        *known = Some(logged.log_id);
        Ok(*known)
    }

    /// How far the log goes, entries that are gone counted.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn extent(&self) -> Result<Option<LogId>, DiskError> {
        match self.last()? {
            Some(last) => Ok(Some(last)),
            None => self.purged(),
        }
    }

    /// Carries out a change; it is on disk when this returns.
    pub(crate) fn write(&self, change: &Change<'_>) -> Result<(), DiskError> {
        self.guard()?;
        let forget = change.truncate.is_some() || change.purge.is_some();
        if let Some(logged) = change.append.last() {
            *lock(&self.last) = Some(logged.log_id);
        }
        let written = self.transact(change).map_err(|error| {
            let error = failed(&self.path, error);
            *lock(&self.failed) = Some(error.clone());
            error
        });
        if let (Ok(()), Some((meta, _))) = (&written, &change.snapshot) {
            *lock(&self.kept) = meta.last_log_id;
        }
        if forget {
            // Only now: who looks it up meanwhile would find what was there before.
            *lock(&self.last) = None;
        }
        written
    }

    fn transact(&self, change: &Change<'_>) -> Result<(), redb::Error> {
        let transaction = self.db.begin_write()?;
        {
            let mut log = transaction.open_table(LOG)?;
            let mut facts = transaction.open_table(FACTS)?;
            if let Some(vote) = change.vote {
                facts.insert("vote", seal(vote).as_slice())?;
            }
            if let Some(from) = change.truncate {
                log.retain_in(from.., |_, _| false)?;
            }
            if let Some(upto) = change.purge {
                log.retain_in(..=upto.index, |_, _| false)?;
                facts.insert("purged", seal(&upto).as_slice())?;
            }
            for logged in change.append {
                log.insert(logged.log_id.index, seal(logged).as_slice())?;
            }
            if let Some(snapshot) = &change.snapshot {
                facts.insert("snapshot", seal(snapshot).as_slice())?;
            }
            if let Some(committed) = *lock(&self.committed) {
                facts.insert("committed", seal(&committed).as_slice())?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    fn fact<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, DiskError> {
        self.guard()?;
        let transaction = self.db.begin_read().map_err(|error| self.broken(error))?;
        let table = transaction.open_table(FACTS).map_err(|error| self.broken(error))?;
        let value = table.get(name).map_err(|error| self.broken(error))?;
        value
            .map(|value| unseal(value.value()))
            .transpose()
            .map_err(|what| self.bad(&format!("its {name} {what}")))
    }

    fn guard(&self) -> Result<(), DiskError> {
        lock(&self.failed).clone().map_or(Ok(()), Err)
    }

    pub(crate) fn bad(&self, what: &str) -> DiskError {
        damaged(&self.path, what)
    }

    fn broken(&self, error: impl Into<redb::Error>) -> DiskError {
        match error.into() {
            redb::Error::Corrupted(what) => damaged(&self.path, &what),
            error @ (redb::Error::TableDoesNotExist(_) | redb::Error::TableTypeMismatch { .. }) => {
                damaged(&self.path, &error.to_string())
            }
            error => failed(&self.path, error),
        }
    }
}

/// Makes the file under another name first: what bears its own was whole once.
fn begin(dir: &Path, path: &Path, id: NodeId) -> Result<(), DiskError> {
    let draft = dir.join("raft.redb.new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&draft, error)),
        _ => {}
    }
    let make = || -> Result<(), redb::Error> {
        let db = Database::create(&draft)?;
        let transaction = db.begin_write()?;
        transaction.open_table(LOG)?;
        transaction.open_table(FACTS)?.insert("form", seal(&(FORM, id)).as_slice())?;
        transaction.commit()?;
        Ok(())
    };
    make().map_err(|error| failed(&draft, error))?;
    let settle = || {
        fs::File::open(&draft)?.sync_all()?;
        fs::rename(&draft, path)?;
        fs::File::open(dir)?.sync_all()
    };
    settle().map_err(|error: io::Error| failed(path, error))
}

/// Puts a copy in the place of the file in `dir`, another inode that is on disk when this returns. For
/// one that a write has failed on, and nobody has open.
///
/// # Errors
/// When it cannot be read or written; then it is left as it is.
pub fn renew(dir: &Path) -> Result<(), DiskError> {
    let (path, copy) = (dir.join(FILE), dir.join("raft.redb.copy"));
    let write = || {
        let mut from = fs::File::open(&path)?;
        let mut to = fs::OpenOptions::new().write(true).create(true).truncate(true).open(&copy)?;
        to.set_permissions(from.metadata()?.permissions())?;
        io::copy(&mut from, &mut to)?;
        to.sync_all()?;
        fs::rename(&copy, &path)?;
        fs::File::open(dir)?.sync_all()
    };
    write().map_err(|error: io::Error| {
        // It would only take the room that is missing.
        let _ = fs::remove_file(&copy);
        failed(&path, error)
    })
}

fn seal(value: &impl Serialize) -> Vec<u8> {
    let bytes = match postcard::to_allocvec(value) {
        Ok(bytes) => bytes,
        Err(error) => unreachable!("memory takes whatever is written: {error}"),
    };
    let mut sealed = Sha256::digest(&bytes).to_vec();
    sealed.extend(bytes);
    sealed
}

fn unseal<T: DeserializeOwned>(sealed: &[u8]) -> Result<T, &'static str> {
    let (digest, bytes) = sealed.split_at_checked(DIGEST).ok_or("is cut short")?;
    if Sha256::digest(bytes).as_slice() != digest {
        return Err("is not what was written");
    }
    postcard::from_bytes(bytes).map_err(|_| "cannot be read")
}

fn of_open(path: &Path, error: DatabaseError) -> DiskError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => DiskError::Busy(path.into()),
        DatabaseError::Storage(redb::StorageError::Corrupted(what)) => damaged(path, &what),
        DatabaseError::Storage(redb::StorageError::Io(error))
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            damaged(path, &error.to_string())
        }
        error => failed(path, error),
    }
}

fn damaged(path: &Path, what: &str) -> DiskError {
    DiskError::Damaged { path: path.into(), what: what.into() }
}

fn failed(path: &Path, error: impl ToString) -> DiskError {
    DiskError::Failed { path: path.into(), what: error.to_string() }
}

fn is_empty(range: (Bound<u64>, Bound<u64>)) -> bool {
    match range {
        (Bound::Included(from), Bound::Excluded(to)) => from >= to,
        (Bound::Included(from), Bound::Included(to)) => from > to,
        _ => false,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_as_it_was_written_or_not_at_all() {
        let sealed = seal(&(7_u64, "seven"));
        assert_eq!(unseal::<(u64, String)>(&sealed), Ok((7, "seven".into())));
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.clone();
                changed[at] ^= 1 << bit;
                assert_eq!(unseal::<(u64, String)>(&changed), Err("is not what was written"));
            }
            assert!(unseal::<(u64, String)>(&sealed[..at]).is_err(), "{at} bytes of it");
        }
        assert_eq!(unseal::<String>(&seal(&u64::MAX)), Err("cannot be read"));
    }
}
