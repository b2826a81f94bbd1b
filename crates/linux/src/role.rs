//! Starting another process of this same program, with one line to it.
//!
//! A role begins as a copy of our own binary, whatever has become of the file it was started from
//! (`/proc/self/exe`), with our output, and with one descriptor beside the standard three: its end
//! of the line, number 3. It must not outlive us: the kernel sends it a signal of its choice
//! when the thread that started it ends, and the line closes.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::sys::signal::SigSet;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, getpid, getppid, pidfd_open, pidfd_send_signal,
    set_parent_process_death_signal, waitid,
};

/// The descriptor a role finds its line at.
const LINE: i32 = 3;

/// The file this program was started from. Still this program after the file was replaced.
const OWN_BINARY: &str = "/proc/self/exe";

/// A running role.
#[derive(Debug)]
pub struct Role {
    pid: Pid,
    pidfd: OwnedFd,
    ended: bool,
}

impl Role {
    /// Starts this program again as `arguments`, holding `line`. `binary`: another file than our
    /// own, which is how a new version is begun.
    ///
    /// # Errors
    /// What `fork` and `execve` say, `EAGAIN` above all.
    pub fn start(
        binary: Option<PathBuf>,
        name: &str,
        arguments: &[&str],
        line: &OwnedFd,
    ) -> io::Result<Self> {
        let mut command = Command::new(binary.unwrap_or_else(|| OWN_BINARY.into()));
        command.arg0(name).args(arguments).stdin(Stdio::null());
        let line = line.as_raw_fd();
        let guardian = getpid();
        let prepare = move || -> io::Result<()> {
            // Until it chose its own, what ends us ends it, and nothing that we act on touches it.
            set_parent_process_death_signal(Some(Signal::KILL))?;
            if getppid() != Some(guardian) {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            SigSet::all().thread_set_mask()?;
            // SAFETY: system calls on numbers only. `dup2` leaves the copy open across execve, also
            // where both numbers are the same after the flag is cleared; everything above is closed
            // there.
            let done = unsafe {
                if line == LINE {
                    libc::fcntl(line, libc::F_SETFD, 0)
                } else {
                    libc::dup2(line, LINE)
                }
            };
            // SAFETY: as above.
            let marked = unsafe {
                libc::syscall(libc::SYS_close_range, 4u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)
            };
            if done < 0 || marked != 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
        };
        // SAFETY: the closure makes system calls only, allocates nothing and takes no lock.
        unsafe { command.pre_exec(prepare) };
        let mut process = command.spawn()?;
        let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("a process without a number"))?;
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => Ok(Self { pid, pidfd, ended: false }),
            Err(error) => {
                process.kill()?;
                process.wait()?;
                Err(error.into())
            }
        }
    }

    /// A role that this process started before it became another program (`execve` keeps children).
    ///
    /// # Errors
    /// `ESRCH` when there is no such child.
    pub fn adopt(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))?;
        Ok(Self { pid, pidfd: pidfd_open(pid, PidfdFlags::empty())?, ended: false })
    }

    /// Lets it live on without us: for [`Role::adopt`] by the program this process becomes.
    pub fn leave(mut self) {
        self.ended = true;
    }

    /// Its process number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        u32::try_from(self.pid.as_raw_nonzero().get()).unwrap_or(0)
    }

    /// Ends it without asking. Does nothing once it has ended.
    ///
    /// # Errors
    /// None that a caller could cause.
    pub fn kill(&self) -> io::Result<()> {
        match pidfd_send_signal(&self.pidfd, Signal::KILL) {
            Err(rustix::io::Errno::SRCH) => Ok(()),
            sent => Ok(sent?),
        }
    }

    /// How it ended, in words, and its exit status if it had one; `None` while it runs.
    ///
    /// # Errors
    /// `ECHILD` if somebody else has taken its end.
    pub fn ended(&mut self) -> io::Result<Option<(String, Option<i32>)>> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let Some(status) = waitid(WaitId::PidFd(self.pidfd.as_fd()), options)? else {
            return Ok(None);
        };
        self.ended = true;
        let how = match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => format!("exit status {code}"),
            (None, Some(signal)) => format!("killed by signal {signal}"),
            (None, None) => "it ended".into(),
        };
        Ok(Some((how, status.exit_status())))
    }
}

impl AsFd for Role {
    /// The pidfd: readable once it has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.kill();
            let _ = waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED);
        }
    }
}

/// The line this process was started with. Only a role has one.
///
/// # Errors
/// `NotFound` when there is none; a second call finds none.
pub fn take_line() -> io::Result<OwnedFd> {
    use std::sync::atomic::{AtomicBool, Ordering};
    static TAKEN: AtomicBool = AtomicBool::new(false);
    // SAFETY: asks about a number.
    let is_open = unsafe { libc::fcntl(LINE, libc::F_GETFD) } >= 0;
    if TAKEN.swap(true, Ordering::Relaxed) || !is_open {
        return Err(io::Error::new(io::ErrorKind::NotFound, "this process was given no line"));
    }
    // SAFETY: a role is given this number to own, and it is handed out once.
    let line = unsafe { OwnedFd::from_raw_fd(LINE) };
    rustix::io::fcntl_setfd(&line, rustix::io::FdFlags::CLOEXEC)?;
    Ok(line)
}

/// From now on the end of our parent sends us this signal; a parent other than `parent` has ended
/// already. To be called after the last change of user or capabilities, which forgets it.
///
/// # Errors
/// `NotFound` when the parent is gone.
pub fn die_with(parent: u32, signal: Signal) -> io::Result<()> {
    set_parent_process_death_signal(Some(signal))?;
    let is = getppid().map(|pid| pid.as_raw_nonzero().get());
    if is.and_then(|pid| u32::try_from(pid).ok()) == Some(parent) {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::NotFound, "the guardian is gone"))
    }
}
