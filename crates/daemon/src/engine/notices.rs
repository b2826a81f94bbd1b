//! The engine's sockets for planned moves (`vrrp::moves`): one for each family, opened when there is
//! something to say or to hear.
//!
//! They are a convenience: where the port is somebody else's, a stop takes Skew_Time, as without.

use std::io;
use std::time::Duration;

use base::{Family, Instant, Transmit};
use linux::{DATAGRAMS_AT_ONCE, IncomingWords, Interest, NoticeSocket, OutgoingWords, Poll};

/// Tokens from here on are this room's.
pub(super) const TOKENS: u64 = 1 << 34;

/// How soon to try again what could not be opened.
const RETRY: Duration = Duration::from_secs(10);

/// The sockets, and what went wrong.
#[derive(Default)]
pub(super) struct Notices {
    sockets: [Option<NoticeSocket>; 2],
    /// What is to be said, by family: many with one call.
    outgoing: [OutgoingWords; 2],
    wanted: [bool; 2],
    retry_at: Option<Instant>,
    open_errors: u64,
    errors: u64,
}

impl Notices {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Listens for these families.
    pub(super) fn listen(&mut self, now: Instant, poll: &Poll, families: [bool; 2]) {
        self.wanted = families;
        self.reconcile(now, poll);
    }

    /// Tries again what failed, if it is time to.
    pub(super) fn retry(&mut self, now: Instant, poll: &Poll) {
        if self.retry_at.is_some_and(|at| at <= now) {
            self.reconcile(now, poll);
        }
    }

    /// The next datagrams of the socket `token`; whether there may be more. None if it is broken or
    /// not there.
    pub(super) fn recv(&mut self, token: u64, into: &mut IncomingWords) -> Option<bool> {
        let place = usize::try_from(token - TOKENS).ok()?;
        let more = self.sockets.get(place)?.as_ref()?.recv_all(into);
        self.errors += u64::from(more.is_err());
        more.ok()
    }

    /// Says something, with others before long: see [`Notices::flush`].
    pub(super) fn queue(&mut self, transmit: &Transmit) {
        let Transmit { index, source, destination, payload, .. } = transmit;
        let at = place(Family::of(source));
        self.outgoing[at].push(*index, *source, *destination, payload);
        if self.outgoing[at].len() >= DATAGRAMS_AT_ONCE {
            self.flush();
        }
    }

    /// Everything has been said.
    pub(super) fn flush(&mut self) {
        for (socket, outgoing) in self.sockets.iter().zip(&mut self.outgoing) {
            match socket {
                _ if outgoing.is_empty() => {}
                Some(socket) => self.errors += socket.send_all(outgoing),
                None => self.errors += outgoing.forget(),
            }
        }
    }

    pub(super) fn counts(&self) -> [(&'static str, u64); 2] {
        [("notice-open-errors", self.open_errors), ("notice-errors", self.errors)]
    }

    fn reconcile(&mut self, now: Instant, poll: &Poll) {
        self.retry_at = None;
        for family in [Family::V4, Family::V6] {
            let at = place(family);
            if !self.wanted[at] {
                // Closing takes it out of the set.
                self.sockets[at] = None;
            } else if self.sockets[at].is_none() && self.open(poll, family).is_err() {
                self.open_errors += 1;
                self.retry_at = Some(now + RETRY);
            }
        }
    }

    fn open(&mut self, poll: &Poll, family: Family) -> io::Result<()> {
        let socket = NoticeSocket::open(family, vrrp::moves::PORT)?;
        let at = place(family);
        poll.add(&socket, TOKENS + u64::from(family == Family::V6), Interest::Read)?;
        self.sockets[at] = Some(socket);
        Ok(())
    }
}

const fn place(family: Family) -> usize {
    match family {
        Family::V4 => 0,
        Family::V6 => 1,
    }
}
