//! Signals as something to read (`signalfd(2)`), so that a loop meets them where it meets the rest.
//!
//! They are blocked for the thread that opens [`Signals`] and for all threads it starts afterwards:
//! open it first in `main`. Children get a clean mask from [`spawn`](crate::spawn()).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal as Number};
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
}

impl Signal {
    /// All of them.
    pub const ALL: [Signal; 6] = [
        Signal::Terminate,
        Signal::Interrupt,
        Signal::HangUp,
        Signal::User1,
        Signal::User2,
        Signal::Child,
    ];

    fn number(self) -> Number {
        match self {
            Signal::Terminate => Number::SIGTERM,
            Signal::Interrupt => Number::SIGINT,
            Signal::HangUp => Number::SIGHUP,
            Signal::User1 => Number::SIGUSR1,
            Signal::User2 => Number::SIGUSR2,
            Signal::Child => Number::SIGCHLD,
        }
    }
}

/// The descriptor signals are read from. Never blocks.
#[derive(Debug)]
pub struct Signals {
    fd: SignalFd,
}

impl Signals {
    /// Blocks these signals in the calling thread and opens the descriptor that tells of them.
    ///
    /// # Errors
    /// `EMFILE` and the like.
    pub fn open(signals: &[Signal]) -> io::Result<Self> {
        let set: SigSet = signals.iter().map(|signal| signal.number()).collect();
        set.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Self { fd: SignalFd::with_flags(&set, flags)? })
    }

    /// The next signal, if one is pending.
    ///
    /// # Errors
    /// None that a caller could cause.
    pub fn read(&self) -> io::Result<Option<Signal>> {
        loop {
            let Some(info) = self.fd.read_signal()? else { return Ok(None) };
            let number = i32::try_from(info.ssi_signo).unwrap_or(0);
            let found = Signal::ALL.into_iter().find(|signal| signal.number() as i32 == number);
            if found.is_some() {
                return Ok(found);
            }
        }
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
            let signals = Signals::open(&[Signal::User1, Signal::HangUp]).unwrap();
            assert_eq!(signals.read().unwrap(), None);
            ready.send(()).unwrap();
            may_go.recv().unwrap();
            assert_eq!(signals.read().unwrap(), Some(Signal::User1));
            assert_eq!(signals.read().unwrap(), None);
        });
        is_ready.recv().unwrap();
        nix::sys::pthread::pthread_kill(thread.as_pthread_t(), Number::SIGUSR1).unwrap();
        go.send(()).unwrap();
        thread.join().unwrap();
    }
}
