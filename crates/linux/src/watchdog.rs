//! A watchdog device (`/dev/watchdog`, Documentation/watchdog/watchdog-api.rst): it resets the machine
//! when nobody has written to it for as long as it waits.
//!
//! Whoever has it open and ends without a word has the machine reset; only [`Watchdog::put_away`] ends that
//! in peace, where the device allows it at all. A file that is no device (a double in a test) takes what is
//! written, and resets nobody.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::ioctl::{Updater, ioctl, opcode};

/// The number of the request that sets how long it waits, in seconds (`_IOWR('W', 6, int)`).
const SET_TIMEOUT: rustix::ioctl::Opcode = opcode::read_write::<i32>(b'W', 6);
/// The one octet that means: the machine is not to be reset.
const PEACE: &[u8] = b"V";

/// An open watchdog.
#[derive(Debug)]
pub struct Watchdog {
    path: PathBuf,
    file: File,
    timeout: Duration,
}

impl Watchdog {
    /// Opens it, and has it wait for that long, in whole seconds. From now on it waits.
    ///
    /// # Errors
    /// When it is not there, another has it open (`EBUSY`), or it does not wait for that long.
    pub fn open(path: &Path, timeout: Duration) -> io::Result<Self> {
        let file = File::options().write(true).open(path)?;
        let asked = i32::try_from(timeout.as_secs()).unwrap_or(i32::MAX);
        let mut seconds = asked;
        // SAFETY: the request reads and writes one `int`, which `seconds` is for as long as it takes.
        let set = unsafe { ioctl(&file, Updater::<SET_TIMEOUT, i32>::new(&mut seconds)) };
        let mut it = Self { path: path.to_owned(), file, timeout };
        match set {
            Ok(()) if seconds == asked => {}
            Ok(()) => {
                it.put_away()?;
                let text = format!("it waits for {seconds} s, not {asked}");
                return Err(io::Error::other(text));
            }
            // No device: it waits for nobody.
            Err(rustix::io::Errno::NOTTY | rustix::io::Errno::INVAL) => {}
            Err(error) => {
                it.put_away()?;
                return Err(error.into());
            }
        }
        it.feed()?;
        Ok(it)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How long it waits.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// It waits anew.
    ///
    /// # Errors
    /// What the device says.
    pub fn feed(&mut self) -> io::Result<()> {
        self.file.write_all(b"\0")
    }

    /// Closed next, it resets nobody.
    ///
    /// # Errors
    /// What the device says.
    pub fn put_away(&mut self) -> io::Result<()> {
        self.file.write_all(PEACE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Directory;

    #[test]
    fn a_double_is_fed_and_put_away_and_what_is_not_there_is_an_error() {
        let directory = Directory::new();
        let path = directory.path().join("watchdog");
        let wait = Duration::from_secs(5);
        assert!(Watchdog::open(&path, wait).is_err_and(|it| it.kind() == io::ErrorKind::NotFound));
        std::fs::write(&path, b"").unwrap();
        let mut it = Watchdog::open(&path, wait).unwrap();
        it.feed().unwrap();
        assert_eq!((it.timeout(), it.path()), (wait, &*path));
        assert_eq!(std::fs::read(&path).unwrap(), b"\0\0");
        drop(it);
        assert_eq!(std::fs::read(&path).unwrap(), b"\0\0", "whoever ends without a word is reset");
        let mut it = Watchdog::open(&path, wait).unwrap();
        it.put_away().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"\0V");
    }

    #[test]
    fn the_request_has_the_number_the_kernel_knows() {
        assert_eq!(SET_TIMEOUT, 0xc004_5706);
    }
}
