//! Waiting: an epoll with numbered descriptors, and a timer that is one more descriptor.
//!
//! A loop sleeps in [`Poll::wait`] and nowhere else. Its deadline goes into a [`Timer`]
//! (`timerfd_create(2)`, absolute, `CLOCK_MONOTONIC`), which is late by some ten microseconds where
//! a timeout of the wait itself may be late by milliseconds. Everything is level-triggered: what was
//! not read this turn is ready in the next.

use std::cell::Cell;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use crate::clock;
use base::Instant;
use rustix::event::epoll;
use rustix::event::epoll::{CreateFlags, EventData, EventFlags};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// Descriptors reported by one wait at most; others follow in the next.
const PER_WAIT: usize = 256;

/// Two looks at two clocks differ by less than this, unless the machine slept between them.
const APART: Duration = Duration::from_micros(100);

/// What to wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interest {
    /// Something to read, or the other end has gone.
    Read,
    /// Room to write, or the other end has gone.
    Write,
    /// Both.
    Both,
}

/// A descriptor that is ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ready {
    /// The number it was added under.
    pub token: u64,
    /// It can be read from.
    pub readable: bool,
    /// It can be written to.
    pub writable: bool,
    /// An error or the end: a read will tell.
    pub closed: bool,
}

/// A set of descriptors to wait on (`epoll(7)`). A closed descriptor leaves the set by itself, if no
/// duplicate of it is open.
pub struct Poll {
    epoll: OwnedFd,
    ready: Vec<Ready>,
}

impl Poll {
    /// An empty set.
    ///
    /// # Errors
    /// `EMFILE` and the like.
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, ready: Vec::with_capacity(PER_WAIT) })
    }

    /// Adds a descriptor under a number of the caller's choice.
    ///
    /// # Errors
    /// `EEXIST` if it is in the set, `EPERM` if it cannot be waited on (a regular file).
    pub fn add(&self, fd: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, EventData::new_u64(token), flags(interest))?)
    }

    /// Changes what a descriptor is waited on for.
    ///
    /// # Errors
    /// `ENOENT` if it is not in the set.
    pub fn modify(&self, fd: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, fd, EventData::new_u64(token), flags(interest))?)
    }

    /// Takes a descriptor out.
    ///
    /// # Errors
    /// `ENOENT` if it is not in the set.
    pub fn remove(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, fd)?)
    }

    /// Sleeps until a descriptor is ready, the time is up (`None`: never) or a signal came, and
    /// gives what is ready: perhaps nothing.
    ///
    /// # Errors
    /// None that a caller could cause.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<impl Iterator<Item = Ready>> {
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut events = [const { MaybeUninit::<epoll::Event>::uninit() }; PER_WAIT];
        let (events, _) = match epoll::wait(&self.epoll, &mut events, timeout.as_ref()) {
            Ok(filled) => filled,
            Err(rustix::io::Errno::INTR) => return Ok(self.ready.drain(..)),
            Err(error) => return Err(error.into()),
        };
        self.ready.extend(events.iter().map(|event| {
            let flags = event.flags;
            Ready {
                token: event.data.u64(),
                readable: flags.contains(EventFlags::IN),
                writable: flags.contains(EventFlags::OUT),
                closed: flags.intersects(EventFlags::HUP | EventFlags::ERR),
            }
        }));
        Ok(self.ready.drain(..))
    }
}

/// Readable while something in it is ready: a set can be waited on in another.
impl AsFd for Poll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl std::fmt::Debug for Poll {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Poll").field("epoll", &self.epoll).finish_non_exhaustive()
    }
}

fn flags(interest: Interest) -> EventFlags {
    match interest {
        Interest::Read => EventFlags::IN,
        Interest::Write => EventFlags::OUT,
        Interest::Both => EventFlags::IN | EventFlags::OUT,
    }
}

/// One deadline as a descriptor: readable from that instant on, and at once when the machine wakes
/// from a sleep in which that much time has passed outside.
#[derive(Debug)]
pub struct Timer {
    timer: OwnedFd,
    /// The deadline it is set to and how the clocks stood apart then, if it is set.
    set_to: Cell<Option<(Option<Instant>, Duration)>>,
}

impl Timer {
    /// A timer that is not set.
    ///
    /// # Errors
    /// `EMFILE` and the like.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Boottime, flags)?;
        Ok(Self { timer, set_to: Cell::new(None) })
    }

    /// Sets it to this instant, or to never. Forgets an earlier expiry, so a loop that sets its
    /// deadline anew each turn needs to read nothing. An instant in the past expires at once.
    ///
    /// # Errors
    /// None that a caller could cause.
    pub fn set(&self, deadline: Option<Instant>) -> io::Result<()> {
        let now = clock::monotonic();
        let ahead = clock::suspended();
        let pending = deadline.is_none_or(|at| at > now);
        if let Some((known, then)) = self.set_to.get()
            && pending
            && known == deadline
            && ahead.abs_diff(then) < APART
        {
            return Ok(());
        }
        // Zero would switch it off.
        let nanos = deadline.map_or(0, |at| (at + ahead).as_nanos().max(1));
        let value = Timespec {
            tv_sec: i64::try_from(nanos / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(nanos % 1_000_000_000).unwrap_or(0),
        };
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let spec = Itimerspec { it_interval: never, it_value: value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &spec)?;
        self.set_to.set(Some((deadline, ahead)));
        Ok(())
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::clock;

    /// What is ready within this time, or soon after if a wait ended early.
    fn ready(poll: &mut Poll, timeout: Duration) -> Vec<Ready> {
        let end = clock::monotonic() + timeout;
        loop {
            let left = end.since(clock::monotonic());
            let ready: Vec<_> = poll.wait(Some(left)).unwrap().collect();
            if !ready.is_empty() || left.is_zero() {
                return ready;
            }
        }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_timer_fires_at_its_instant_and_not_before() {
        let mut poll = Poll::new().unwrap();
        let timer = Timer::new().unwrap();
        poll.add(&timer, 7, Interest::Read).unwrap();
        let mut least = Duration::MAX;
        for _ in 0..10 {
            let at = clock::monotonic() + ms(10);
            timer.set(Some(at)).unwrap();
            // A wait may end early with nothing.
            let ready = std::iter::repeat_with(|| poll.wait(None).unwrap().next());
            let first = ready.flatten().next().unwrap();
            let now = clock::monotonic();
            assert!(now >= at, "{:?} early", at.since(now));
            assert_eq!((first.token, first.readable), (7, true));
            least = least.min(now.since(at));
        }
        assert!(least < ms(5), "at best {least:?} late");
    }

    #[test]
    fn setting_forgets_an_expiry_and_never_is_never() {
        let mut poll = Poll::new().unwrap();
        let timer = Timer::new().unwrap();
        poll.add(&timer, 1, Interest::Read).unwrap();
        timer.set(Some(Instant::ZERO)).unwrap();
        assert_eq!(ready(&mut poll, ms(1000)).len(), 1, "the past expires at once");
        timer.set(None).unwrap();
        assert_eq!(ready(&mut poll, ms(20)), []);
        timer.set(Some(Instant::ZERO)).unwrap();
        assert_eq!(ready(&mut poll, ms(1000)).len(), 1);
        timer.set(Some(Instant::from_nanos(u64::MAX))).unwrap();
        assert_eq!(ready(&mut poll, ms(20)), [], "the end of the clock is far");
    }

    #[test]
    fn descriptors_are_told_apart_and_stay_ready_until_read() {
        let mut poll = Poll::new().unwrap();
        let (one, mut other) = UnixStream::pair().unwrap();
        let (quiet, _kept) = UnixStream::pair().unwrap();
        poll.add(&one, 1, Interest::Read).unwrap();
        poll.add(&quiet, 2, Interest::Read).unwrap();
        assert_eq!(ready(&mut poll, ms(0)), []);
        other.write_all(b"x").unwrap();
        let heard = Ready { token: 1, readable: true, writable: false, closed: false };
        assert_eq!(ready(&mut poll, ms(1000)), [heard]);
        assert_eq!(ready(&mut poll, ms(1000)), [heard]);
        poll.modify(&one, 3, Interest::Both).unwrap();
        assert_eq!(ready(&mut poll, ms(1000)), [Ready { token: 3, writable: true, ..heard }]);
        poll.remove(&one).unwrap();
        assert_eq!(ready(&mut poll, ms(0)), []);
        poll.add(&one, 4, Interest::Read).unwrap();
        drop(other);
        assert!(ready(&mut poll, ms(1000))[0].closed);
    }
}
