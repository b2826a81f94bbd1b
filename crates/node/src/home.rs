//! The home directory of a node: what makes it the member it is.
//!
//! Three files. `raft.redb` (`corosync.redb`, where that orders changes) is the engine's memory: what
//! this node has voted and acknowledged.
//! `node.json` says what it is called, where it listens, and what the cluster began with. `key` is the
//! private key, by which the others know it. The key is written last, under its own name only when
//! everything before it has reached the disk: a directory without a key is nothing yet, whatever a
//! crash has left there, and one with a key is whole.
//!
//! Therefore what is missing beside a key was lost, and is never begun anew: a node that has forgotten
//! what it voted could vote again, and a change that was acknowledged would be gone. It says so, and has
//! to join again as another node. Both small files carry their length and SHA-256, so that a torn one
//! is told from a whole one.

use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::Name;
use cluster::{Role, State};
use raft::{Key, Peer};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Where it is unless told otherwise.
pub const DEFAULT: &str = "/var/lib/mainstay/cluster";

const KEY: &str = "key";
const NODE: &str = "node.json";
const DATABASE: &str = "raft.redb";
const COROSYNC: &str = "corosync.redb";
/// The key of a node that is about to join: it may have been let in already.
const DRAFT: &str = "key.new";
const MARK: &str = "mainstay-home 1";
const MODE: u32 = 0o600;

/// Who a node is, and what its cluster began with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// Its name.
    pub name: Name,
    /// Where others reach it.
    pub address: SocketAddr,
    /// What it is to the engine.
    pub role: Role,
    /// Whom it knew when it joined; by now the engine's memory knows better.
    pub peers: Vec<Peer>,
    /// What is the same on all nodes.
    pub founding: Founding,
    /// What orders its cluster's changes.
    #[serde(default)]
    pub engine: EngineKind,
}

/// What orders a cluster's changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum EngineKind {
    /// The embedded engine.
    #[default]
    Raft,
    /// The site's Corosync.
    Corosync,
}

impl EngineKind {
    fn database(self) -> &'static str {
        match self {
            Self::Raft => DATABASE,
            Self::Corosync => COROSYNC,
        }
    }
}

/// What a cluster began with: the same on all its nodes, for good.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Founding {
    /// The document before the first change.
    pub document: String,
    /// How long quorum leases are.
    pub lease: Duration,
}

/// A home that is whole.
#[derive(Clone, Debug)]
pub struct Home {
    /// Where it is.
    pub dir: PathBuf,
    /// Who lives there.
    pub identity: Identity,
    /// By what it is known.
    pub key: Key,
}

/// Why a directory is no home that can be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// Nobody lives there.
    #[error(
        "{0} is not the home of a cluster node: begin a cluster with `mainstay cluster init`, or \
         enter one with `mainstay cluster join`"
    )]
    Nobody(PathBuf),
    /// Somebody lives there.
    #[error(
        "{0} is the home of node {1} already: a node belongs to one cluster; `mainstay cluster leave` \
         ends that"
    )]
    Taken(PathBuf, Name),
    /// What a whole home has is not there.
    #[error(
        "{file} is missing, and the home was whole once: {lost}. This node cannot go on under its \
         key; have it removed (`mainstay cluster remove` on another node), move {dir} away, and let \
         it join again"
    )]
    Missing {
        /// The home.
        dir: PathBuf,
        /// What is missing.
        file: PathBuf,
        /// What that means.
        lost: &'static str,
    },
    /// A file is not what was written.
    #[error(
        "{path} is damaged: {what}. Put it back from a backup, or have this node removed from the \
         cluster and let it join again"
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// How.
        what: String,
    },
    /// Others may read or write it.
    #[error("{0} may be read or written by others (user {1}, mode {2:04o}): it is for root alone")]
    Open(PathBuf, u32, u32),
    /// The system said no.
    #[error("{0}: {1}")]
    Failed(PathBuf, io::Error),
    /// The engine's memory.
    #[error(transparent)]
    Disk(#[from] raft::DiskError),
    /// A key.
    #[error(transparent)]
    Key(#[from] raft::KeyError),
    /// The memory of Corosync's engine.
    #[cfg(feature = "corosync")]
    #[error(transparent)]
    Memory(#[from] corosync::DiskError),
    /// It was left out.
    #[error("this mainstay was built without Corosync: use one built with the feature `corosync`")]
    LeftOut,
}

impl Founding {
    /// The state before the first entry.
    ///
    /// # Errors
    /// When the document is none.
    pub fn birth(&self) -> Result<State, String> {
        let document = cib::xml::parse(&self.document).map_err(|error| error.to_string())?;
        Ok(State::new(document.root))
    }

    /// A digest of it, by which nodes see that they began with the same.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let text = format!("{}\n{}", self.lease.as_nanos(), self.document);
        let digest = Sha256::digest(text.as_bytes());
        digest.iter().take(8).fold(0, |all, it| (all << 8) | u64::from(*it))
    }
}

impl Home {
    /// Whether this node began its cluster: then it is the one to begin the engine's log, too. (It
    /// does so once: the engine refuses when there is one, and a log that was lost is no home.)
    #[must_use]
    pub fn is_first(&self) -> bool {
        matches!(&self.identity.peers[..], [only] if only.key == self.key.print())
    }

    /// By what Corosync's engine knows it: a home with another key is another node.
    #[cfg(feature = "corosync")]
    #[must_use]
    pub fn corosync_id(&self) -> corosync::Id {
        corosync::Id(self.key.print().id())
    }
}

/// Looks whether somebody lives in a directory.
#[must_use]
pub fn is_home(dir: &Path) -> bool {
    dir.join(KEY).exists()
}

/// Opens the home in a directory.
///
/// # Errors
/// When nobody lives there, or it is not whole.
pub fn open(dir: &Path) -> Result<Home, HomeError> {
    let key = match read(&dir.join(KEY)) {
        Ok(bytes) => bytes,
        Err(HomeError::Failed(_, error)) if error.kind() == io::ErrorKind::NotFound => {
            return Err(HomeError::Nobody(dir.into()));
        }
        Err(error) => return Err(error),
    };
    let missing = |file: &str, lost| {
        let (dir, file) = (dir.to_owned(), dir.join(file));
        HomeError::Missing { dir, file, lost }
    };
    let damaged = |file: &str, what: String| HomeError::Damaged { path: dir.join(file), what };
    let node = match read(&dir.join(NODE)) {
        Ok(bytes) => bytes,
        Err(HomeError::Failed(_, error)) if error.kind() == io::ErrorKind::NotFound => {
            return Err(missing(NODE, "who this node is and what its cluster began with is lost"));
        }
        Err(error) => return Err(error),
    };
    let identity: Identity =
        serde_json::from_slice(&node).map_err(|error| damaged(NODE, error.to_string()))?;
    let database = identity.engine.database();
    if !dir.join(database).exists() {
        return Err(missing(database, "what this node voted and acknowledged is lost"));
    }
    let key = Key::read(&key).map_err(|error| damaged(KEY, error.to_string()))?;
    Ok(Home { dir: dir.into(), identity, key })
}

/// The key of the node that is to live in a directory: one that is left of an earlier attempt (the
/// cluster may have let it in under that), or another.
///
/// # Errors
/// When somebody lives there, or it cannot be written.
pub fn draft(dir: &Path) -> Result<Key, HomeError> {
    vacant(dir)?;
    let path = dir.join(DRAFT);
    if let Ok(bytes) = read(&path)
        && let Ok(key) = Key::read(&bytes)
    {
        return Ok(key);
    }
    let key = Key::generate()?;
    write(&path, key.bytes())?;
    Ok(key)
}

/// Makes the home of the node that has this key.
///
/// # Errors
/// When somebody lives there, or it cannot be written; then nobody lives there yet.
pub fn make(dir: &Path, key: Key, identity: Identity) -> Result<Home, HomeError> {
    vacant(dir)?;
    let damaged = |what: String| HomeError::Damaged { path: dir.join(NODE), what };
    let birth = identity.founding.birth().map_err(damaged)?;
    // What an attempt left here was never anybody's memory.
    let database = dir.join(identity.engine.database());
    match fs::remove_file(&database) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(HomeError::Failed(database, error));
        }
        _ => {}
    }
    match identity.engine {
        EngineKind::Raft => drop(raft::open(dir, key.print().id(), birth)?),
        #[cfg(feature = "corosync")]
        EngineKind::Corosync => corosync::Disk::make(dir, corosync::Id(key.print().id()))?,
        #[cfg(not(feature = "corosync"))]
        EngineKind::Corosync => return Err(HomeError::LeftOut),
    }
    only_ours(&database)?;
    let text = serde_json::to_vec_pretty(&identity).map_err(|error| damaged(error.to_string()))?;
    write(&dir.join(NODE), &text)?;
    write(&dir.join(KEY), key.bytes())?;
    // It has done its work.
    let _ = fs::remove_file(dir.join(DRAFT));
    Ok(Home { dir: dir.into(), identity, key })
}

/// Nobody lives there any more; the key goes first. What the engine remembered is kept under another
/// name, for whoever wants to look.
///
/// # Errors
/// When it cannot be written.
pub fn quit(home: &Home) -> Result<(), HomeError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| HomeError::Failed(path, error)
    };
    let key = home.dir.join(KEY);
    fs::remove_file(&key).map_err(failed(&key))?;
    sync(&home.dir)?;
    for file in [home.identity.engine.database(), NODE] {
        let path = home.dir.join(file);
        let old = home.dir.join(format!("{file}.left"));
        fs::rename(&path, &old).map_err(failed(&path))?;
    }
    sync(&home.dir)
}

/// Sees to it that the directory is there, is ours alone, and that nobody lives in it.
fn vacant(dir: &Path) -> Result<(), HomeError> {
    let failed = |error| HomeError::Failed(dir.into(), error);
    if is_home(dir) {
        let name = open(dir).map_or_else(|_| "?".into(), |home| home.identity.name);
        return Err(HomeError::Taken(dir.into(), name));
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    let found = fs::symlink_metadata(dir).map_err(failed)?;
    let mode = found.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(HomeError::Open(dir.into(), found.uid(), mode));
    }
    Ok(())
}

fn only_ours(path: &Path) -> Result<(), HomeError> {
    fs::set_permissions(path, fs::Permissions::from_mode(MODE))
        .map_err(|error| HomeError::Failed(path.into(), error))
}

/// Writes a file whole, or not at all; it is on disk when this returns.
fn write(path: &Path, bytes: &[u8]) -> Result<(), HomeError> {
    let failed = |error| HomeError::Failed(path.into(), error);
    let mut digest = String::new();
    for byte in Sha256::digest(bytes) {
        digest += &format!("{byte:02x}");
    }
    let beside = path.with_extension("part");
    let put = || -> io::Result<()> {
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(MODE).open(&beside)?;
        file.write_all(format!("{MARK} {} {digest}\n", bytes.len()).as_bytes())?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    put().map_err(failed)?;
    sync(path.parent().unwrap_or(Path::new("/")))
}

fn sync(dir: &Path) -> Result<(), HomeError> {
    let done = fs::File::open(dir).and_then(|it| it.sync_all());
    done.map_err(|error| HomeError::Failed(dir.into(), error))
}

/// Reads what [`write`] wrote.
fn read(path: &Path) -> Result<Vec<u8>, HomeError> {
    let failed = |error| HomeError::Failed(path.into(), error);
    let damaged = |what: &str| HomeError::Damaged { path: path.into(), what: what.into() };
    let found = fs::metadata(path).map_err(failed)?;
    let mode = found.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(HomeError::Open(path.into(), found.uid(), mode));
    }
    let all = fs::read(path).map_err(failed)?;
    let at = all.iter().position(|it| *it == b'\n').ok_or_else(|| damaged("it is empty"))?;
    let (line, bytes) = (&all[..at], &all[at + 1..]);
    let line = std::str::from_utf8(line).ok().and_then(|it| it.strip_prefix(MARK));
    let (length, digest) = line
        .and_then(|it| it.trim().split_once(' '))
        .ok_or_else(|| damaged("it does not begin as one of mainstay's does"))?;
    if length.parse() != Ok(bytes.len()) {
        return Err(damaged(&format!(
            "{length} octets were written, and {} are there",
            bytes.len()
        )));
    }
    let mut have = String::new();
    for byte in Sha256::digest(bytes) {
        have += &format!("{byte:02x}");
    }
    if have != digest {
        return Err(damaged("it is not what was written"));
    }
    Ok(bytes.to_vec())
}

#[cfg(test)]
mod tests;
