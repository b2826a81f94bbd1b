//! Signals as something to read (`signalfd(2)`), so that a loop meets them where it meets the rest.
//!
//! They are blocked for the thread that opens [`Signals`] and for all threads it starts afterwards:
//! open it first in `main`. Children get a clean mask from [`spawn`](crate::spawn()).
//!
//! Real-time signals nobody asked for are taken and passed over: each of them would end the process,
//! and to keepalived's operators they are questions (`SIGRTMAX` asks builds for debugging what their
//! threads do).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// A signal mainstay acts on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Signal {
    /// `SIGTERM`.
    Terminate,
    /// `SIGINT`.
    Interrupt,
    /// `SIGHUP`.
    HangUp,
    /// `SIGUSR1`.
    User1,
    /// `SIGUSR2`.
    User2,
    /// `SIGCHLD`: some child changed its state. Several may be told as one.
    Child,
    /// `SIGRTMIN+2`, which keepalived dumps JSON at.
    Json,
    /// `SIGRTMAX-1`, which keepalived dumps counters at, and clears them.
    StatsClear,
}

impl Signal {
    /// All of them.
    pub const ALL: [Signal; 8] = [
        Signal::Terminate,
        Signal::Interrupt,
        Signal::HangUp,
        Signal::User1,
        Signal::User2,
        Signal::Child,
        Signal::Json,
        Signal::StatsClear,
    ];

    /// Its number here. Those of real-time signals are the C library's choice.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Signal::Terminate => libc::SIGTERM,
            Signal::Interrupt => libc::SIGINT,
            Signal::HangUp => libc::SIGHUP,
            Signal::User1 => libc::SIGUSR1,
            Signal::User2 => libc::SIGUSR2,
            Signal::Child => libc::SIGCHLD,
            Signal::Json => libc::SIGRTMIN() + 2,
            Signal::StatsClear => libc::SIGRTMAX() - 1,
        }
    }
}

/// The descriptor signals are read from. Never blocks.
#[derive(Debug)]
pub struct Signals {
    fd: SignalFd,
    wanted: Vec<Signal>,
}

impl Signals {
    /// Blocks these signals in the calling thread, and all real-time ones, and opens the descriptor that
    /// tells of these.
    ///
    /// # Errors
    /// `EMFILE` and the like.
    pub fn open(signals: &[Signal]) -> io::Result<Self> {
        let set = set_of(signals);
        set.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Self { fd: SignalFd::with_flags(&set, flags)?, wanted: signals.to_vec() })
    }

    /// The next signal, if one is pending.
    ///
    /// # Errors
    /// None that a caller could cause.
    pub fn read(&self) -> io::Result<Option<Signal>> {
        loop {
            let Some(info) = self.fd.read_signal()? else { return Ok(None) };
            let number = i32::try_from(info.ssi_signo).unwrap_or(0);
            let found = self.wanted.iter().find(|signal| signal.number() == number);
            if let Some(found) = found {
                return Ok(Some(*found));
            }
        }
    }
}

/// All that the C library leaves to programs.
fn real_time() -> impl Iterator<Item = i32> {
    libc::SIGRTMIN()..=libc::SIGRTMAX()
}

/// nix knows no names for real-time signals, but sets of them are sets like others.
fn set_of(signals: &[Signal]) -> SigSet {
    let mut set = std::mem::MaybeUninit::uninit();
    // SAFETY: sigemptyset(3) fills the set in, so it is initialised for what follows; the numbers
    // are signals', which sigaddset(3) only sets bits for.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for number in signals.iter().map(|signal| signal.number()).chain(real_time()) {
            libc::sigaddset(set.as_mut_ptr(), number);
        }
        SigSet::from_sigset_t_unchecked(set.assume_init())
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::thread::JoinHandleExt;
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn a_blocked_signal_is_read_once() {
        let (ready, is_ready) = mpsc::channel();
        let (go, may_go) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            let wanted = [Signal::User1, Signal::HangUp, Signal::Json];
            let signals = Signals::open(&wanted).unwrap();
            assert_eq!(signals.read().unwrap(), None);
            ready.send(()).unwrap();
            may_go.recv().unwrap();
            assert_eq!(signals.read().unwrap(), Some(Signal::User1));
            assert_eq!(signals.read().unwrap(), Some(Signal::Json));
            assert_eq!(signals.read().unwrap(), None);
        });
        is_ready.recv().unwrap();
        let unasked = [libc::SIGRTMIN(), libc::SIGRTMAX(), libc::SIGRTMAX() - 1];
        for number in [Signal::User1, Signal::Json].map(Signal::number).into_iter().chain(unasked) {
            // SAFETY: the thread lives until it is joined below.
            let sent = unsafe { libc::pthread_kill(thread.as_pthread_t(), number) };
            assert_eq!(sent, 0);
        }
        go.send(()).unwrap();
        thread.join().unwrap();
    }
}
