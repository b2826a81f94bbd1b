//! A named pipe that somebody else reads, or will read.
//!
//! Opened for reading and writing, so that it opens without a reader and a reader that goes away does
//! not make writing fail; never blocking, so that a reader that stands still holds nobody up.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid, fchown, fstat, mknodat, open, unlinkat,
};

/// A pipe in the file system.
#[derive(Debug)]
pub struct Fifo {
    path: PathBuf,
    file: File,
    made: bool,
}

impl Fifo {
    /// Opens the pipe at `path`, and makes it if nothing is there: readable and writable by its owner
    /// (`None`: ourselves) only.
    ///
    /// # Errors
    /// `EEXIST`: something else than a pipe is there. Otherwise whatever `mknod(2)` and `open(2)`
    /// say.
    pub fn open(path: &Path, owner: Option<(u32, u32)>) -> io::Result<Self> {
        let mode = Mode::RUSR | Mode::WUSR;
        let made = match mknodat(CWD, path, FileType::Fifo, mode, 0) {
            Ok(()) => true,
            Err(rustix::io::Errno::EXIST) => false,
            Err(error) => return Err(error.into()),
        };
        // Not through a link: whoever may write to the directory could lead us anywhere.
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = open(path, flags, Mode::empty())?;
        if FileType::from_raw_mode(fstat(&fd)?.st_mode) != FileType::Fifo {
            let text = format!("`{}` is not a pipe", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        if let (true, Some((uid, gid))) = (made, owner) {
            fchown(&fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        }
        Ok(Self { path: path.into(), file: fd.into(), made })
    }

    /// Closes it, and removes it if it was made by us.
    pub fn remove(self) {
        if self.made {
            let _ = unlinkat(CWD, &self.path, AtFlags::empty());
        }
    }

    /// Writes a line at once and whole, or not at all: false when there is no room now.
    ///
    /// # Errors
    /// None that a reader could cause.
    pub fn write(&mut self, line: &str) -> io::Result<bool> {
        // Up to PIPE_BUF octets are written whole or not at all (pipe(7)).
        match self.file.write(line.as_bytes()) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Fifo {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn lines_come_out_as_they_went_in_and_a_full_pipe_takes_none_in_part() {
        let path = std::env::temp_dir().join(format!("mainstay-fifo-{}", std::process::id()));
        let mut fifo = Fifo::open(&path, None).unwrap();
        let mut taken = 0;
        while fifo.write(&format!("{taken:099}\n")).unwrap() {
            taken += 1;
        }
        assert!(taken > 100);
        let mut text = vec![0; taken * 100];
        let mut reader = File::open(&path).unwrap();
        reader.read_exact(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.lines().enumerate().all(|(n, line)| line.parse() == Ok(n)));
        // Made by somebody else: used, and left where it is.
        Fifo::open(&path, None).unwrap().remove();
        assert!(path.exists());
        fifo.remove();
        assert!(!path.exists());
        std::fs::write(&path, "a file").unwrap();
        let error = Fifo::open(&path, None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        std::fs::remove_file(&path).unwrap();
    }
}
