//! Becoming another program in the same process (`execve(2)`): what stays open, and a note to the
//! successor.
//!
//! Children stay children, locks stay held, and whoever waits for our process number waits on. What
//! is to stay open is marked so one by one; the note says which number is what.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

/// Has a descriptor stay open in the program this process becomes, and says its number.
///
/// # Errors
/// None that a caller could cause.
pub fn leave_open(fd: impl AsFd) -> io::Result<i32> {
    let fd = fd.as_fd();
    fcntl_setfd(fd, FdFlags::empty())?;
    Ok(fd.as_raw_fd())
}

/// Has it closed again in whatever this process becomes: the change did not come about.
pub fn close_on_exec(fd: impl AsFd) {
    // The only error is for a descriptor that is not open.
    let _ = fcntl_setfd(fd, FdFlags::CLOEXEC);
}

/// Takes over a descriptor that the program before left open under this number.
///
/// # Errors
/// `NotFound` when nothing was left there: standard streams and what this program opened itself are
/// not for taking.
pub fn take_over(number: i32) -> io::Result<OwnedFd> {
    let nothing =
        || io::Error::new(io::ErrorKind::NotFound, format!("no descriptor {number} was left"));
    if number <= 2 {
        return Err(nothing());
    }
    // SAFETY: borrowed only to ask whether it is open, which the kernel answers for any number.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    // What this program opened is closed on execve; what was left open is not.
    match fcntl_getfd(borrowed) {
        Ok(flags) if !flags.contains(FdFlags::CLOEXEC) => {}
        Ok(_) | Err(_) => return Err(nothing()),
    }
    fcntl_setfd(borrowed, FdFlags::CLOEXEC)?;
    // SAFETY: it was left for us and is marked as taken, so it is handed out once.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// A note for the successor, kept in memory only, without a name, and never to be changed.
///
/// # Errors
/// No memory.
pub fn note(octets: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("mainstay", flags)?);
    file.write_all(octets)?;
    fcntl_add_seals(
        &file,
        SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL,
    )?;
    Ok(file.into())
}

/// Reads a note.
///
/// # Errors
/// If it is none.
pub fn read_note(note: OwnedFd) -> io::Result<Vec<u8>> {
    let (mut file, mut octets) = (File::from(note), Vec::new());
    file.rewind()?;
    file.read_to_end(&mut octets)?;
    Ok(octets)
}

/// Becomes another program. Comes back only if that failed.
#[must_use]
pub fn become_program(binary: &Path, name: &str, arguments: &[&str]) -> io::Error {
    Command::new(binary).arg0(name).args(arguments).exec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_open_is_taken_once_and_what_was_not_is_refused() {
        let note = note(b"to whom it may concern").unwrap();
        let number = note.as_raw_fd();
        assert!(rustix::io::write(&note, b"!").is_err(), "what is written is written");
        assert!(take_over(number).is_err(), "this program's own");
        assert_eq!(leave_open(&note).unwrap(), number);
        std::mem::forget(note);
        let taken = take_over(number).unwrap();
        assert!(take_over(number).is_err(), "taken already");
        assert_eq!(read_note(taken).unwrap(), b"to whom it may concern");
        assert!(take_over(1).is_err(), "standard output is nobody's to take");
        assert!(take_over(9_999).is_err());
    }
}
