//! Noticing that a file was written, replaced, created or removed (`inotify(7)`).
//!
//! The directory is watched, not the file: a file that does not exist yet, or that is replaced by
//! renaming another over it, has no watch of its own to tell of it. What is told is that a name was
//! *finished with* (closed after writing, moved in, moved away, deleted); a file in the middle of
//! being rewritten is empty for a moment and must not be read then.
//!
//! Events can be lost (`IN_Q_OVERFLOW`) and a directory can vanish: both are told, and whoever reads
//! owes a fresh look.

use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};

/// Names a watched directory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct WatchId(i32);

/// What was noticed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Noticed {
    /// Something was finished with this name in this directory.
    Name(WatchId, OsString),
    /// The directory is gone or is another one now; its watch is void.
    Gone(WatchId),
    /// Something was lost: look at everything.
    Lost,
}

/// Watches on directories. Its descriptor is readable when there is something to tell.
#[derive(Debug)]
pub struct FileWatch {
    inotify: OwnedFd,
}

impl FileWatch {
    /// No watches yet.
    ///
    /// # Errors
    /// `EMFILE`: the user has too many of them (sysctl `fs.inotify.max_user_instances`).
    pub fn new() -> io::Result<Self> {
        Ok(Self { inotify: init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)? })
    }

    /// Watches a directory. Watching the same one again answers with the same id.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EACCES`; `ENOSPC`: too many watches (`fs.inotify.max_user_watches`).
    pub fn add(&self, directory: &Path) -> io::Result<WatchId> {
        let flags = WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVED_FROM
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        Ok(WatchId(add_watch(&self.inotify, directory, flags)?))
    }

    /// What was noticed since this was last asked.
    ///
    /// # Errors
    /// None that a caller could cause.
    pub fn read(&mut self) -> io::Result<Vec<Noticed>> {
        let mut noticed = Vec::new();
        let mut buffer = [MaybeUninit::uninit(); 8192];
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(noticed),
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let (flags, id) = (event.events(), WatchId(event.wd()));
            let gone = ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::UNMOUNT;
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                noticed.push(Noticed::Lost);
            } else if flags.intersects(gone | ReadFlags::IGNORED) {
                noticed.push(Noticed::Gone(id));
            } else if let Some(name) = event.file_name() {
                // A file that was created is empty until it is closed; a link is whole at once.
                let created = flags.contains(ReadFlags::CREATE);
                if !created || !flags.contains(ReadFlags::ISDIR) {
                    let name = OsStr::from_bytes(name.to_bytes()).to_os_string();
                    noticed.push(Noticed::Name(id, name));
                }
            }
        }
    }
}

impl AsFd for FileWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Reads until all these were told. A child of another test, just forked, may keep a file open for
    /// a moment: what its closing tells comes late then.
    fn tells(watch: &mut FileWatch, wanted: &[&str]) {
        let name = |noticed: Noticed| match noticed {
            Noticed::Name(_, name) => name.to_string_lossy().into_owned(),
            Noticed::Gone(_) => "gone".into(),
            Noticed::Lost => "lost".into(),
        };
        let mut told: Vec<String> = Vec::new();
        let begun = std::time::Instant::now();
        while !wanted.iter().all(|name| told.iter().any(|it| it == name)) {
            assert!(begun.elapsed().as_secs() < 10, "{told:?}, not {wanted:?}");
            told.extend(watch.read().unwrap().into_iter().map(name));
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        assert!(!told.iter().any(|name| name == "lost"), "{told:?}");
    }

    #[test]
    fn every_way_a_file_changes_is_noticed() {
        let directory = std::env::temp_dir().join(format!("mainstay-watch-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        let file = directory.join("file");
        let mut watch = FileWatch::new().unwrap();
        let id = watch.add(&directory).unwrap();
        assert_eq!(watch.add(&directory).unwrap(), id);
        assert!(watch.read().unwrap().is_empty());
        fs::write(&file, "1").unwrap();
        tells(&mut watch, &["file"]);
        fs::write(directory.join("new"), "2").unwrap();
        fs::rename(directory.join("new"), &file).unwrap();
        tells(&mut watch, &["new", "file"]);
        fs::File::options().write(true).open(&file).unwrap().set_len(0).unwrap();
        tells(&mut watch, &["file"]);
        fs::remove_file(&file).unwrap();
        tells(&mut watch, &["file"]);
        fs::remove_dir(&directory).unwrap();
        tells(&mut watch, &["gone"]);
    }
}
