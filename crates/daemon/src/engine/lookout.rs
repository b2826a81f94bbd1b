//! The engine's sockets for what neighbours say about our VIPs: one for each interface and family
//! that the machine wants watched.
//!
//! Anybody on the link can make these ready, so they may cost only so much: after each look a socket
//! rests for some milliseconds, in which nobody is woken for it, and each look takes a handful of
//! frames. What comes meanwhile waits in a short queue or is dropped and counted.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use base::{Family, IfIndex, Instant, Neighbour};
use linux::{Interest, NeighbourWatch, Poll};
use vrrp::WatchSpec;

/// Tokens from here on are this room's.
pub(super) const TOKENS: u64 = 1 << 32;

/// Frames taken in one look.
const AT_ONCE: usize = 16;
/// How long a socket rests after a look.
const REST: Duration = Duration::from_millis(20);
/// How soon to try again what could not be opened.
const RETRY: Duration = Duration::from_millis(500);

type Place = (IfIndex, Family);

struct Watch {
    spec: WatchSpec,
    token: u64,
    socket: NeighbourWatch,
    rests_until: Option<Instant>,
}

#[derive(Default)]
pub(super) struct Lookout {
    open: BTreeMap<Place, Watch>,
    opened: u64,
    wanted: Vec<WatchSpec>,
    retry_at: Option<Instant>,
    heard: u64,
    dropped: u64,
    errors: u64,
}

impl Lookout {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.open.values().filter_map(|watch| watch.rests_until).chain(self.retry_at).min()
    }

    /// Watches exactly `wanted` from now on.
    pub(super) fn watch(&mut self, now: Instant, poll: &Poll, wanted: Vec<WatchSpec>) {
        self.wanted = wanted;
        self.reconcile(now, poll);
    }

    /// Has rested sockets looked at again, and tries again what failed.
    pub(super) fn wake(&mut self, now: Instant, poll: &Poll) {
        if self.retry_at.is_some_and(|at| at <= now) {
            self.reconcile(now, poll);
        }
        for watch in self.open.values_mut() {
            if watch.rests_until.is_some_and(|until| until <= now) {
                watch.rests_until = None;
                if poll.add(&watch.socket, watch.token, Interest::Read).is_err() {
                    self.errors += 1;
                    watch.rests_until = Some(now + RETRY);
                }
            }
        }
    }

    fn reconcile(&mut self, now: Instant, poll: &Poll) {
        self.retry_at = None;
        let wanted = self.wanted.clone();
        let place = |spec: &WatchSpec| (spec.index, spec.family);
        // Closing takes a socket out of the set.
        self.open.retain(|at, _| wanted.iter().any(|spec| place(spec) == *at));
        for spec in wanted {
            let done = match self.open.get_mut(&place(&spec)) {
                Some(watch) if watch.spec == spec => Ok(()),
                Some(watch) => watch.socket.about(&spec.addresses).map(|()| watch.spec = spec),
                None => self.open_one(poll, spec),
            };
            if done.is_err() {
                self.errors += 1;
                self.retry_at = Some(now + RETRY);
            }
        }
    }

    fn open_one(&mut self, poll: &Poll, spec: WatchSpec) -> io::Result<()> {
        let socket = NeighbourWatch::open(spec.index, spec.family, &spec.addresses)?;
        let token = TOKENS + self.opened;
        poll.add(&socket, token, Interest::Read)?;
        self.opened += 1;
        let place = (spec.index, spec.family);
        self.open.insert(place, Watch { spec, token, socket, rests_until: None });
        Ok(())
    }

    /// What there is on the socket `token`, which then rests.
    pub(super) fn look(&mut self, now: Instant, poll: &Poll, token: u64) -> Vec<Neighbour> {
        let mut claims = Vec::new();
        let Some(watch) = self.open.values_mut().find(|watch| watch.token == token) else {
            return claims;
        };
        let mut buffer = [0; 512];
        for _ in 0..AT_ONCE {
            match watch.socket.recv(&mut buffer) {
                Ok(Some(length)) => {
                    self.heard += 1;
                    let frame = buffer.get(..length).unwrap_or_default();
                    claims.extend(vip::claim::read(watch.spec.index, frame));
                }
                Ok(None) => break,
                Err(_) => self.errors += 1,
            }
        }
        self.dropped += u64::from(watch.socket.dropped());
        if poll.remove(&watch.socket).is_ok() {
            watch.rests_until = Some(now + REST);
        }
        claims
    }

    pub(super) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("neighbour-claims-heard", self.heard),
            ("neighbour-claims-dropped", self.dropped),
            ("neighbour-watch-errors", self.errors),
        ]
        .into_iter()
    }
}
