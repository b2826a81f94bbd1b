//! Starts a program with nothing of ours in its hands: no shell, no environment but the given one,
//! no open descriptor but the standard three, no blocked signal, a session of its own, and the user
//! it was meant for.
//!
//! The program is started by `execve(2)` itself. The usual detour by `execvp(3)` would hand a file
//! without a `#!` line to a shell, and a truncated binary too.
//!
//! A script that has our rights is started by what was looked at, not by a name that may lead
//! elsewhere by now ([`spawn_checked`]). A native program is executed by its descriptor. One that
//! begins with `#!` cannot be without a loss: its interpreter opens it by name, and would be given
//! `/dev/fd/3` for it, which then is the `$0` of every script and an open descriptor in all its
//! children. So it is executed by its name, and the last thing the child does before is to walk the way
//! again beside the descriptors of the first walk. In the moment left nobody but root could change
//! anything: each directory on the way is root's own at both looks.
//!
//! A child is told apart by a pidfd, which becomes readable when it ends and can be waited on beside
//! everything else. It is a group of its own: a time-out ends the group, not only the child. Should
//! we die first, the kernel kills the child (not its descendants); "we" is there the *thread* that
//! called [`spawn`], so that must be one that stays.

use std::ffi::{CString, c_char};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs::File, ptr};

use base::ScriptResult;
use nix::sys::signal::SigSet;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, PidfdFlags, Signal as Deadly, getppid, kill_process_group, pidfd_open,
    set_parent_process_death_signal, setsid, umask,
};

use crate::script_path::ScriptFile;
use crate::users::Identity;
pub use streams::{Streams, streams};

mod streams;

/// What to start and how.
#[derive(Clone, Debug)]
pub struct Program {
    /// Absolute path of the program.
    pub path: PathBuf,
    /// Its arguments, without the program's own name.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: Vec<(String, String)>,
    /// Whom it runs as; `None`: as we do.
    pub identity: Option<Identity>,
    /// How many octets of standard output and standard error (together) to keep; `None`: both go to
    /// `/dev/null`. What goes beyond is read and forgotten.
    pub keep_output: Option<usize>,
}

/// Why a program did not start.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// Paths are absolute, so that nothing depends on where we run.
    #[error("`{0}` is not an absolute path")]
    NotAbsolute(PathBuf),
    /// No kernel can pass it on.
    #[error("an argument or variable of `{0}` contains a NUL octet, `=` in a name or nothing")]
    Argument(PathBuf),
    /// `ENOEXEC`.
    #[error("`{0}` is neither a program for this machine nor a script that begins with `#!`")]
    NoInterpreter(PathBuf),
    /// `ENOENT` though the file is there.
    #[error("the interpreter that `{0}` asks for does not exist")]
    InterpreterMissing(PathBuf),
    /// Between the look and the start.
    #[error("`{0}` leads to another file than a moment ago, or could be changed by others by now")]
    Changed(PathBuf),
    /// Any other refusal.
    #[error("cannot start `{path}`: {source}")]
    Refused {
        /// The program.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// `argv` or `envp`: the strings, and the array of pointers to them that ends in null.
struct Strings {
    _owned: Vec<CString>,
    pointers: Vec<*const c_char>,
}

// SAFETY: the pointers lead into `_owned`, which moves along, is never changed, and whose contents
// lie on the heap, where a move does not reach them.
unsafe impl Send for Strings {}
// SAFETY: nothing can be changed through a shared reference.
unsafe impl Sync for Strings {}

impl Strings {
    /// `None` if one of them contains a NUL.
    fn new<'a>(strings: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let owned: Vec<CString> = strings.map(|s| CString::new(s).ok()).collect::<Option<_>>()?;
        let pointers = owned.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect();
        Some(Self { _owned: owned, pointers })
    }

    /// The array; it ends in null, so it is never empty.
    fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}

/// Starts a program. See the head of this file for what it starts with; its directory is `/`, its
/// file mode mask 022, its standard input `/dev/null`.
///
/// # Errors
/// See [`SpawnError`]. `EPERM` if we may not become the identity.
pub fn spawn(program: &Program) -> Result<Child, SpawnError> {
    let path = &program.path;
    if !path.is_absolute() {
        return Err(SpawnError::NotAbsolute(path.clone()));
    }
    start(program, None, None).map_err(|failure| failure.told(path))
}

/// Starts the program that `file` is, by the name it was asked for. `program.path` is not looked at.
///
/// # Errors
/// See [`spawn`]; [`SpawnError::Changed`] if the way to it is not what it was.
pub fn spawn_checked(program: &Program, file: ScriptFile) -> Result<Child, SpawnError> {
    start_checked(program, file, None)
}

/// Starts a program that reads and writes these; `program.keep_output` is not looked at. With `file`
/// as [`spawn_checked`], without it as [`spawn`].
///
/// # Errors
/// Those of either.
pub fn spawn_with(
    program: &Program,
    file: Option<ScriptFile>,
    streams: Streams,
) -> Result<Child, SpawnError> {
    if let Some(file) = file {
        return start_checked(program, file, Some(streams));
    }
    let path = &program.path;
    if !path.is_absolute() {
        return Err(SpawnError::NotAbsolute(path.clone()));
    }
    start(program, None, Some(streams)).map_err(|failure| failure.told(path))
}

fn start_checked(
    program: &Program,
    file: ScriptFile,
    streams: Option<Streams>,
) -> Result<Child, SpawnError> {
    let path = file.path().to_owned();
    let program = Program { path: path.clone(), ..program.clone() };
    let by_descriptor = file.is_native() && names_by_descriptor();
    start(&program, Some((file, by_descriptor)), streams).map_err(|failure| failure.told(&path))
}

/// Whether a program started by its descriptor keeps its name in `ps` (Linux 6.14). Before, it is
/// called by the descriptor's number there, and nobody would find it.
fn names_by_descriptor() -> bool {
    let kernel = rustix::system::uname();
    let release = kernel.release().to_string_lossy();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let mut next = || numbers.next().and_then(Result::ok).unwrap_or(0);
    (next(), next()) >= (6, 14)
}

enum Failure {
    Argument,
    Io(io::Error),
}

impl Failure {
    fn told(self, path: &Path) -> SpawnError {
        let path = path.to_owned();
        let Failure::Io(error) = self else { return SpawnError::Argument(path) };
        match error.raw_os_error() {
            Some(libc::ENOEXEC) => SpawnError::NoInterpreter(path),
            Some(libc::ENOENT) if path.exists() => SpawnError::InterpreterMissing(path),
            Some(libc::ESTALE) => SpawnError::Changed(path),
            _ => SpawnError::Refused { path, source: error },
        }
    }
}

impl<E: Into<io::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Io(error.into())
    }
}

/// `checked`: what to start, and whether by its descriptor.
fn start(
    program: &Program,
    checked: Option<(ScriptFile, bool)>,
    streams: Option<Streams>,
) -> Result<Child, Failure> {
    let path_octets = program.path.as_os_str().as_bytes();
    let arguments = program.arguments.iter().map(String::as_bytes);
    let argv = Strings::new([path_octets].into_iter().chain(arguments)).ok_or(Failure::Argument)?;
    let nameless = |name: &String| name.is_empty() || name.contains('=');
    if program.environment.iter().any(|(name, _)| nameless(name)) {
        return Err(Failure::Argument);
    }
    let pairs: Vec<_> = program.environment.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let envp = Strings::new(pairs.iter().map(String::as_bytes)).ok_or(Failure::Argument)?;

    let mut command = Command::new(&program.path);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
    let mut output = None;
    if let Some(streams) = streams {
        command.stdin(streams.input).stdout(streams.output).stderr(streams.errors);
    } else if let Some(limit) = program.keep_output {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        fcntl_setfl(&reader, OFlags::NONBLOCK)?;
        command.stdout(writer.try_clone()?).stderr(writer);
        output = Some(Output { pipe: reader.into(), kept: Vec::new(), limit });
    }

    let identity = program.identity.as_ref().map(|identity| {
        let groups: Vec<Gid> = identity.groups.iter().copied().map(Gid::from_raw).collect();
        (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid), groups)
    });
    let parent = rustix::process::getpid();
    let become_program = move || -> io::Result<()> {
        setsid()?;
        umask(Mode::WGRP | Mode::WOTH);
        if let Some((uid, gid, groups)) = &identity {
            setgroups(groups)?;
            setresgid(*gid, *gid, *gid)?;
            setresuid(*uid, *uid, *uid)?;
        }
        // After the change of user, which clears it.
        set_parent_process_death_signal(Some(Deadly::KILL))?;
        if getppid() != Some(parent) {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        SigSet::empty().thread_set_mask()?;
        // SAFETY: the system call touches no memory. It marks all descriptors but the standard three
        // to be closed by the execve below, among them the pipe by which a failure is reported.
        let marked = unsafe {
            libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)
        };
        if marked != 0 {
            return Err(io::Error::last_os_error());
        }
        if let Some((file, by_descriptor)) = &checked {
            if let (true, Some(fd)) = (by_descriptor, file.fd()) {
                let nothing = c"".as_ptr();
                // SAFETY: as with execve below; the descriptor is held by what this closure owns.
                unsafe {
                    let (argv, envp, fd) = (argv.as_ptr(), envp.as_ptr(), fd.as_raw_fd());
                    libc::syscall(libc::SYS_execveat, fd, nothing, argv, envp, libc::AT_EMPTY_PATH);
                }
                return Err(io::Error::last_os_error());
            }
            file.is_still_so()?;
        }
        // SAFETY: both arrays end in null and all other pointers lead to NUL-terminated strings that
        // live as long as this closure; argv holds at least the path.
        unsafe { libc::execve(*argv.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
        Err(io::Error::last_os_error())
    };
    // SAFETY: the closure runs in the forked child, where only async-signal-safe calls are allowed:
    // it makes system calls only, allocates nothing and takes no lock.
    unsafe { command.pre_exec(become_program) };
    let mut process = command.spawn()?;

    let number = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
    let pid = number.ok_or_else(|| io::Error::other("a process without a number"))?;
    // Not reaped yet, so the number is still its own.
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => Ok(Child { process, pid, pidfd, output, result: None }),
        Err(error) => {
            process.kill()?;
            process.wait()?;
            Err(error.into())
        }
    }
}

#[derive(Debug)]
struct Output {
    pipe: File,
    kept: Vec<u8>,
    limit: usize,
}

/// A started program and its process group. Dropping it before its end was told
/// kills the group.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    pid: Pid,
    pidfd: OwnedFd,
    output: Option<Output>,
    result: Option<ScriptResult>,
}

/// How to end a process group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// `SIGTERM`: asks.
    Ask,
    /// `SIGKILL`: does not ask.
    Kill,
}

impl Child {
    /// Its process number, which is also that of its group and session.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The pipe its output comes by, to wait on; `None` without captured output or after its end.
    #[must_use]
    pub fn output_fd(&self) -> Option<BorrowedFd<'_>> {
        self.output.as_ref().map(|output| output.pipe.as_fd())
    }

    /// Sends a signal to the whole group. Does nothing once [`try_wait`](Self::try_wait) has told
    /// the end, for the number may then be another's. A caller who wants no survivor kills the group
    /// when the descriptor is readable, *before* `try_wait`.
    ///
    /// # Errors
    /// `EPERM` if the group changed its user to one we may not signal.
    pub fn kill_group(&self, end: End) -> io::Result<()> {
        let signal = match end {
            End::Ask => Deadly::TERM,
            End::Kill => Deadly::KILL,
        };
        if self.result.is_some() {
            return Ok(());
        }
        match kill_process_group(self.pid, signal) {
            Err(rustix::io::Errno::SRCH) => Ok(()),
            sent => Ok(sent?),
        }
    }

    /// How it ended, if it has: [`ScriptResult::Exited`] or [`ScriptResult::Signalled`]. Never
    /// blocks.
    ///
    /// # Errors
    /// `ECHILD` if somebody else has taken its end.
    pub fn try_wait(&mut self) -> io::Result<Option<ScriptResult>> {
        if self.result.is_none()
            && let Some(status) = self.process.try_wait()?
        {
            self.result = match (status.code(), status.signal()) {
                (Some(code), _) => Some(ScriptResult::Exited(code)),
                (None, Some(signal)) => Some(ScriptResult::Signalled(signal)),
                (None, None) => None,
            };
        }
        Ok(self.result.clone())
    }

    /// Takes what output there is, without waiting. Must be called while the program runs, or it
    /// stops when the pipe is full. Whether there may be more.
    ///
    /// # Errors
    /// None that a caller could cause.
    pub fn read_output(&mut self) -> io::Result<bool> {
        let Some(output) = &mut self.output else { return Ok(false) };
        let mut piece = [0; 4096];
        // A bounded share of a turn, however fast the program writes.
        for _ in 0..32 {
            match output.pipe.read(&mut piece) {
                Ok(0) => return Ok(false),
                Ok(length) => {
                    let room = output.limit.saturating_sub(output.kept.len());
                    output.kept.extend_from_slice(&piece[..length.min(room)]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// The output kept so far.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.output.as_ref().map_or(&[], |output| &output.kept)
    }
}

impl AsFd for Child {
    /// The pidfd: readable once the program has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.result.is_none() {
            // Nothing sensible can be done if it fails; and one that even SIGKILL cannot end at once
            // (it waits for a dead disk) must not hold us up: it stays a zombie.
            let _ = self.kill_group(End::Kill);
            let mut ended = [PollFd::new(&self.pidfd, PollFlags::IN)];
            let _ = poll(&mut ended, Some(&Timespec { tv_sec: 0, tv_nsec: 200_000_000 }));
            let _ = self.process.try_wait();
        }
    }
}

#[cfg(test)]
mod tests;
