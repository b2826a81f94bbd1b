//! What a member remembers, on disk: one redb file, and what may be believed of it.
//!
//! Every [`Write`] is one transaction that has reached the disk when the call returns. Every value
//! carries a SHA-256 of itself, and all of it is read at the start: what was changed behind our back is
//! said to be damaged. The file gets its name when it is whole: an empty or torn one is damage and never
//! a new node, for a node that has forgotten its promise could give it twice. A write that failed leaves
//! a copy of which nobody knows what reached the disk; after it, every call is refused.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::machine::{Memory, Write};
use crate::words::{Id, Slot};

/// What it is called in a home.
pub const FILE: &str = "corosync.redb";
const FORM: u16 = 1;
const DIGEST: usize = 32;
const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
const FACTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("facts");

/// Why the file cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DiskError {
    /// It was changed, torn or lost in part.
    #[error(
        "{path} is damaged: {what}. Keep it for inspection, have this node removed from the cluster, and \
         begin it anew: what it promised is not known any more"
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
    #[error("{path} is another node's memory: give each node its own home")]
    OtherNode {
        /// Which file.
        path: PathBuf,
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
    failed: Option<DiskError>,
}

impl Disk {
    /// Makes the file of a home that never had one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn make(dir: &Path, id: Id) -> Result<(), DiskError> {
        let (path, draft) = (dir.join(FILE), dir.join("corosync.redb.new"));
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(&draft, error));
            }
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
            fs::rename(&draft, &path)?;
            fs::File::open(dir)?.sync_all()
        };
        settle().map_err(|error: io::Error| failed(&path, error))
    }

    /// Opens the file of a home, and reads all of it.
    ///
    /// # Errors
    /// When it is damaged, another home's, in use, or cannot be read.
    pub fn open(dir: &Path, id: Id) -> Result<(Self, Memory), DiskError> {
        let path = dir.join(FILE);
        match fs::metadata(&path) {
            Ok(it) if it.len() == 0 => return Err(damaged(&path, "it is empty")),
            Ok(_) => {}
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
            let disk = Self { path: path.clone(), db, failed: None };
            let memory = disk.read(id)?;
            Ok((disk, memory))
        }));
        opened.unwrap_or_else(|_| Err(damaged(&path, "its structure contradicts itself")))
    }

    fn read(&self, id: Id) -> Result<Memory, DiskError> {
        let bad = |what: &str| damaged(&self.path, what);
        let (form, whose) =
            self.fact::<(u16, Id)>("form")?.ok_or_else(|| bad("it does not say whose it is"))?;
        if form != FORM {
            return Err(DiskError::Form { path: self.path.clone(), form });
        }
        if whose != id {
            return Err(DiskError::OtherNode { path: self.path.clone() });
        }
        let (term, voted) = self.fact("term")?.unwrap_or_default();
        let mut memory = Memory {
            cluster: self.fact("cluster")?.unwrap_or_default(),
            term,
            voted,
            snapshot: self.fact("snapshot")?,
            base: self.fact("base")?.unwrap_or_default(),
            slots: Vec::new(),
        };
        let kept = memory.snapshot.as_ref().map(|it| it.at).unwrap_or_default();
        if kept < memory.base.0 {
            return Err(bad("entries are gone that no snapshot holds"));
        }
        let transaction = self.db.begin_read().map_err(|error| self.broken(error))?;
        let table = transaction.open_table(LOG).map_err(|error| self.broken(error))?;
        for row in table.iter().map_err(|error| self.broken(error))? {
            let (index, value) = row.map_err(|error| self.broken(error))?;
            let next = memory.base.0.index + 1 + crate::log::count(memory.slots.len());
            if index.value() != next {
                return Err(bad(&format!("entry {next} is missing")));
            }
            let slot: Slot =
                unseal(value.value()).map_err(|it| bad(&format!("entry {next} {it}")))?;
            memory.slots.push(slot);
        }
        if memory.base.0.index + crate::log::count(memory.slots.len()) < kept.index {
            return Err(bad("entries are gone that the snapshot was made of"));
        }
        Ok(memory)
    }

    /// Carries out a change; it is on disk when this returns.
    ///
    /// # Errors
    /// When it cannot be written, or one before could not.
    pub fn write(&mut self, write: &Write) -> Result<(), DiskError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.transact(write).map_err(|error| {
            let error = failed(&self.path, error);
            self.failed = Some(error.clone());
            error
        })
    }

    fn transact(&self, write: &Write) -> Result<(), redb::Error> {
        let transaction = self.db.begin_write()?;
        {
            let mut log = transaction.open_table(LOG)?;
            let mut facts = transaction.open_table(FACTS)?;
            if let Some(cluster) = &write.cluster {
                facts.insert("cluster", seal(cluster).as_slice())?;
            }
            if let Some(term) = &write.term {
                facts.insert("term", seal(term).as_slice())?;
            }
            if let Some(from) = write.cut {
                log.retain_in(from.., |_, _| false)?;
            }
            if let Some(base) = &write.base {
                log.retain_in(..=base.0.index, |_, _| false)?;
                facts.insert("base", seal(base).as_slice())?;
            }
            for (index, slot) in &write.append {
                log.insert(index, seal(slot).as_slice())?;
            }
            if let Some(snapshot) = &write.snapshot {
                facts.insert("snapshot", seal(snapshot).as_slice())?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    fn fact<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, DiskError> {
        let transaction = self.db.begin_read().map_err(|error| self.broken(error))?;
        let table = transaction.open_table(FACTS).map_err(|error| self.broken(error))?;
        let value = table.get(name).map_err(|error| self.broken(error))?;
        value
            .map(|value| unseal(value.value()))
            .transpose()
            .map_err(|what| damaged(&self.path, &format!("its {name} {what}")))
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
        error => failed(path, error),
    }
}

fn damaged(path: &Path, what: &str) -> DiskError {
    DiskError::Damaged { path: path.into(), what: what.into() }
}

fn failed(path: &Path, error: impl ToString) -> DiskError {
    DiskError::Failed { path: path.into(), what: error.to_string() }
}
