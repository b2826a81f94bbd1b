//! The engine's sockets: one to hear and one to speak for each interface and family, and one for
//! frames.
//!
//! The machine says which it needs; here they are opened and closed until it is so. What cannot be
//! opened now (an interface that has just gone) is tried again, and what cannot be sent is counted:
//! the next advert is at most an interval away.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use base::{Family, IfIndex, Instant, Mac, Transmit};
use linux::FrameSender;
use linux::{Incoming, Interest, Outgoing, Poll, Receiver, Sender};
use vrrp::SocketSpec;

use super::WIRES;
use crate::adverts;

/// How soon to try again what could not be opened.
const RETRY: Duration = Duration::from_millis(500);

type Key = (IfIndex, Family);

struct Wire {
    spec: SocketSpec,
    token: u64,
    receiver: Receiver,
    sender: Sender,
    outgoing: Outgoing,
}

pub(super) struct Wires {
    queue: usize,
    open: BTreeMap<Key, Wire>,
    by_token: BTreeMap<u64, Key>,
    tokens: u64,
    wanted: Vec<SocketSpec>,
    retry_at: Option<Instant>,
    frames: FrameSender,
    /// For adverts from a virtual MAC.
    adverts: FrameSender,
    /// Whether an advert waits for [`Wires::flush`].
    queued: bool,
    /// Reused for every datagram, and every frame around one.
    datagram: Vec<u8>,
    frame: Vec<u8>,
    identification: u16,
    send_errors: u64,
    receive_errors: u64,
    frame_errors: u64,
    open_errors: u64,
    /// Adverts that found no room in sockets now closed.
    dropped: u64,
}

impl Wires {
    /// None yet; each will have room for `queue` octets.
    pub(super) fn new(queue: usize) -> io::Result<Self> {
        Ok(Self {
            queue,
            open: BTreeMap::new(),
            by_token: BTreeMap::new(),
            tokens: WIRES,
            wanted: Vec::new(),
            retry_at: None,
            frames: FrameSender::open()?,
            adverts: FrameSender::urgent()?,
            queued: false,
            datagram: Vec::new(),
            frame: Vec::new(),
            identification: 0,
            send_errors: 0,
            receive_errors: 0,
            frame_errors: 0,
            open_errors: 0,
            dropped: 0,
        })
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Makes the open sockets agree with `wanted`.
    pub(super) fn open(&mut self, now: Instant, poll: &Poll, wanted: Vec<SocketSpec>) {
        self.wanted = wanted;
        self.reconcile(now, poll);
    }

    /// Tries again what failed, if it is time to.
    pub(super) fn retry(&mut self, now: Instant, poll: &Poll) {
        if self.retry_at.is_some_and(|at| at <= now) {
            self.reconcile(now, poll);
        }
    }

    fn reconcile(&mut self, now: Instant, poll: &Poll) {
        self.retry_at = None;
        let wanted = self.wanted.clone();
        let serves = |wire: &Wire, spec: &SocketSpec| {
            let of = |spec: &SocketSpec| (spec.interface.clone(), spec.beside);
            of(&wire.spec) == of(spec) && wire.spec.groups == spec.groups
        };
        let keep = |key: &Key, wire: &Wire| {
            wanted.iter().any(|spec| (spec.index, spec.family) == *key && serves(wire, spec))
        };
        let gone: Vec<Key> =
            self.open.iter().filter(|(key, wire)| !keep(key, wire)).map(|(key, _)| *key).collect();
        for key in gone {
            self.close(poll, key);
        }
        for spec in wanted {
            let done = match self.open.get_mut(&(spec.index, spec.family)) {
                Some(wire) => wire.follow(&spec),
                None => self.open_one(poll, &spec),
            };
            if done.is_err() {
                self.open_errors += 1;
                self.retry_at = Some(now + RETRY);
            }
        }
    }

    fn open_one(&mut self, poll: &Poll, spec: &SocketSpec) -> io::Result<()> {
        let (index, only_from) = (spec.index, spec.beside.map(|beside| beside.mac));
        let (name, groups) = (&spec.interface, &spec.groups);
        let receiver = Receiver::open_for(index, name, spec.family, groups, only_from, self.queue)?;
        let sender = Sender::open(spec.index, &spec.interface, spec.family)?;
        let token = self.tokens;
        poll.add(&receiver, token, Interest::Read)?;
        self.tokens += 1;
        let key = (spec.index, spec.family);
        self.by_token.insert(token, key);
        let wire =
            Wire { spec: spec.clone(), token, receiver, sender, outgoing: Outgoing::default() };
        self.open.insert(key, wire);
        Ok(())
    }

    fn close(&mut self, poll: &Poll, key: Key) {
        if let Some(wire) = self.open.remove(&key) {
            self.by_token.remove(&wire.token);
            self.dropped += wire.dropped();
            // Closing takes it out of the set anyway.
            let _ = poll.remove(&wire.receiver);
        }
    }

    /// The next packets of the socket `token`, the interface they came through, and whether there
    /// may be more.
    pub(super) fn recv(&mut self, token: u64, into: &mut Incoming) -> Option<(IfIndex, bool)> {
        let key = self.by_token.get(&token)?;
        let wire = self.open.get(key)?;
        match wire.receiver.recv_all(into) {
            Ok(more) => Some((wire.spec.beside.map_or(key.0, |beside| beside.parent), more)),
            Err(_) => {
                self.receive_errors += 1;
                None
            }
        }
    }

    /// Sends an advert, with others before long: see [`Wires::flush`].
    pub(super) fn queue(&mut self, transmit: &Transmit) {
        let key = (transmit.index, Family::of(&transmit.source));
        let Some(wire) = self.open.get_mut(&key) else {
            self.send_errors += 1;
            return;
        };
        adverts::queue(&mut wire.outgoing, transmit, &mut self.datagram);
        self.queued = true;
        if wire.outgoing.len() >= linux::DATAGRAMS_AT_ONCE {
            self.send_errors += wire.sender.send_all(&mut wire.outgoing);
        }
    }

    /// Every advert has left.
    pub(super) fn flush(&mut self) {
        if !std::mem::take(&mut self.queued) {
            return;
        }
        for wire in self.open.values_mut().filter(|wire| !wire.outgoing.is_empty()) {
            self.send_errors += wire.sender.send_all(&mut wire.outgoing);
        }
    }

    /// Sends an advert from another MAC than the interface's own.
    pub(super) fn send_as(&mut self, mac: Mac, transmit: &Transmit) {
        self.identification = self.identification.wrapping_add(1);
        let (datagram, frame) = (&mut self.datagram, &mut self.frame);
        let made = adverts::frame(mac, transmit, self.identification, datagram, frame);
        if made.and_then(|()| self.adverts.send(transmit.index, frame)).is_err() {
            self.send_errors += 1;
        }
    }

    /// Sends an announcement.
    pub(super) fn send_frame(&mut self, index: IfIndex, bytes: &[u8]) {
        if self.frames.send(index, bytes).is_err() {
            self.frame_errors += 1;
        }
    }

    pub(super) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("advert-send-errors", self.send_errors),
            ("advert-receive-errors", self.receive_errors),
            ("announcement-send-errors", self.frame_errors),
            ("socket-open-errors", self.open_errors),
            ("adverts-dropped", self.dropped + self.open.values().map(Wire::dropped).sum::<u64>()),
        ]
        .into_iter()
    }
}

impl Wire {
    fn dropped(&self) -> u64 {
        self.receiver.dropped()
    }

    /// Follows the interface: a link that came up again may be plugged into another switch, which
    /// has not heard of our groups (ND-006).
    fn follow(&mut self, spec: &SocketSpec) -> io::Result<()> {
        if spec.running && !self.spec.running {
            self.receiver.rejoin()?;
        }
        self.spec.running = spec.running;
        Ok(())
    }
}
