//! What a program reads and where what it writes goes, when the two outputs are to be told apart.
//!
//! The input is a file in memory, not a pipe: it is there whole before the program begins, whoever
//! reads it slowly holds nobody up, and what it holds (a password, say) is on no disk.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, OFlags, fcntl_setfl, memfd_create};
use rustix::pipe::{PipeFlags, pipe_with};

/// The program's ends.
#[derive(Debug)]
pub struct Streams {
    pub(super) input: OwnedFd,
    pub(super) output: OwnedFd,
    pub(super) errors: OwnedFd,
}

/// A program's ends, and ours of its standard output and standard error; reading them never waits.
///
/// # Errors
/// `EMFILE` and the like.
pub fn streams(input: &[u8]) -> io::Result<(Streams, File, File)> {
    let mut memory = File::from(memfd_create("input", MemfdFlags::CLOEXEC)?);
    memory.write_all(input)?;
    memory.seek(SeekFrom::Start(0))?;
    let (output, writes_output) = pipe_with(PipeFlags::CLOEXEC)?;
    let (errors, writes_errors) = pipe_with(PipeFlags::CLOEXEC)?;
    fcntl_setfl(&output, OFlags::NONBLOCK)?;
    fcntl_setfl(&errors, OFlags::NONBLOCK)?;
    let theirs = Streams { input: memory.into(), output: writes_output, errors: writes_errors };
    Ok((theirs, output.into(), errors.into()))
}
