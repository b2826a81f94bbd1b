//! The pid file: proof that one daemon runs, and which.
//!
//! The proof is the lock (`flock(2)`), not the number: the kernel lets go of it when the process
//! ends, however it ends, so a file that is left over stops nobody. The number is for people and
//! init scripts. The file is never opened through a symbolic link, is not writable for others, and
//! is removed at an orderly end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// How often to begin again when the file is removed under us by a predecessor on its way out.
const TRIES: u32 = 16;

/// Why the pid file is not ours.
#[derive(Debug, thiserror::Error)]
pub enum PidFileError {
    /// Another daemon holds it.
    #[error("the daemon is already running{}, says `{path}`", number(*pid))]
    Running {
        /// The file.
        path: PathBuf,
        /// The number in it, if one could be read.
        pid: Option<u32>,
    },
    /// It is a directory, a device, or belongs to somebody else.
    #[error("`{0}` is not a file of ours")]
    NotOurs(PathBuf),
    /// Anything else; `ELOOP` for a symbolic link.
    #[error("`{path}`: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn number(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" as process {pid}")).unwrap_or_default()
}

/// A pid file we hold. Dropping it removes it.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    /// Holds the lock.
    file: File,
}

impl PidFile {
    /// Takes the pid file and writes our process number into it.
    ///
    /// # Errors
    /// [`PidFileError::Running`] if another process holds it.
    pub fn take(path: &Path) -> Result<Self, PidFileError> {
        let io = |source: io::Error| PidFileError::Io { path: path.to_owned(), source };
        for _ in 0..TRIES {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o644)
                // A FIFO in the way must not hold us up.
                .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
                .open(path)
                .map_err(io)?;
            let opened = file.metadata().map_err(io)?;
            if !opened.is_file() || opened.uid() != rustix::process::geteuid().as_raw() {
                return Err(PidFileError::NotOurs(path.to_owned()));
            }
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    let pid = read_number(&mut file);
                    return Err(PidFileError::Running { path: path.to_owned(), pid });
                }
                Err(error) => return Err(io(error.into())),
            }
            // Whoever held it may have removed it between our open and our lock: then we hold a lock
            // on a file that nobody will find.
            let there = fs::symlink_metadata(path);
            if !there.is_ok_and(|t| (t.dev(), t.ino()) == (opened.dev(), opened.ino())) {
                continue;
            }
            file.set_permissions(fs::Permissions::from_mode(0o644)).map_err(io)?;
            file.set_len(0).map_err(io)?;
            writeln!(file, "{}", std::process::id()).map_err(io)?;
            return Ok(Self { path: path.to_owned(), file });
        }
        Err(io(io::ErrorKind::ResourceBusy.into()))
    }

    /// The pid file that this process took before it became another program.
    #[must_use]
    pub fn adopt(path: PathBuf, lock: OwnedFd) -> Self {
        Self { path, file: lock.into() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl AsFd for PidFile {
    /// What holds the lock.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Only while it is ours that lies there; the lock is still held.
        let ours = self.file.metadata().and_then(|ours| {
            let there = fs::symlink_metadata(&self.path)?;
            Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino()))
        });
        if ours.unwrap_or(false) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn read_number(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Directory;

    #[test]
    fn one_holds_it_and_the_second_is_told_who() {
        let directory = Directory::new();
        let path = directory.path().join("pid");
        let held = PidFile::take(&path).unwrap();
        let ours = std::process::id();
        assert_eq!(fs::read_to_string(held.path()).unwrap(), format!("{ours}\n"));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o644);
        match PidFile::take(&path).unwrap_err() {
            PidFileError::Running { pid, .. } => assert_eq!(pid, Some(ours)),
            other => panic!("{other}"),
        }
        drop(held);
        assert!(!path.exists());
        assert!(PidFile::take(&path).is_ok());
    }

    #[test]
    fn a_file_left_over_stops_nobody() {
        let directory = Directory::new();
        let path = directory.path().join("pid");
        fs::write(&path, "4194000 and a long rest of something else\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let _held = PidFile::take(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o644);
    }

    #[test]
    fn a_link_is_not_followed_and_its_target_not_touched() {
        let directory = Directory::new();
        let target = directory.path().join("target");
        let path = directory.path().join("pid");
        fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        match PidFile::take(&path).unwrap_err() {
            PidFileError::Io { source, .. } => {
                assert_eq!(source.raw_os_error(), Some(libc::ELOOP));
            }
            other => panic!("{other}"),
        }
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    }

    #[test]
    fn a_successors_file_is_not_removed() {
        let directory = Directory::new();
        let path = directory.path().join("pid");
        let first = PidFile::take(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let second = PidFile::take(&path).unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let directory = Directory::new();
        let path = directory.path().join("pid");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        assert!(matches!(PidFile::take(&path), Err(PidFileError::NotOurs(_))));
    }
}
