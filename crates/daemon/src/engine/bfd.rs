//! BFD in the engine: the sockets of all sessions, and what the sessions say of their paths.
//!
//! The sessions run on the protocol thread, in the same turn as VRRP and by the same rules: what is
//! due leaves before anything is read, and silence is judged when everything was read. What is said
//! of a path is a tracker's verdict to the router, as a script's is.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;

use base::{Family, Instant, Name, Tracker, TrackerKind, Verdict};
use bfd::{Datagram, Health, Input, Output, SessionStatus, Settings};
use linux::{BfdReceiver, BfdSender, Interest, Poll};

/// Tokens from here on are this room's.
pub(super) const TOKENS: u64 = 1 << 33;

/// How soon to try again what could not be opened.
const RETRY: Duration = Duration::from_millis(500);

/// Packets read from one socket in one turn at most.
const READ_AT_ONCE: usize = 1024;

/// Room for a packet with any authentication; what is longer is none of ours.
const LARGEST: usize = 256;

/// What is heard on one socket: the family, and whether over several hops.
type Ear = (Family, bool);

/// All sessions and their sockets.
pub(super) struct Sessions {
    machine: bfd::Sessions,
    ears: BTreeMap<Ear, (u64, BfdReceiver)>,
    mouths: BTreeMap<Name, BfdSender>,
    verdicts: VecDeque<(Tracker, Verdict)>,
    retry_at: Option<Instant>,
    open_errors: u64,
    send_errors: u64,
    receive_errors: u64,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            machine: bfd::Sessions::new(linux::clock::monotonic().as_nanos()),
            ears: BTreeMap::new(),
            mouths: BTreeMap::new(),
            verdicts: VecDeque::new(),
            retry_at: None,
            open_errors: 0,
            send_errors: 0,
            receive_errors: 0,
        }
    }
}

impl Sessions {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.machine.poll_timeout(), self.retry_at].into_iter().flatten().min()
    }

    /// Runs exactly these from now on.
    pub(super) fn configure(&mut self, now: Instant, poll: &Poll, settings: Vec<Settings>) {
        let known: Vec<Name> = self.machine.settings().map(|one| one.name.clone()).collect();
        self.machine.handle(now, Input::Configure(settings));
        let all: Vec<_> = self.machine.status().map(|one| (one.name, one.health)).collect();
        for (name, health) in all.into_iter().filter(|(name, _)| !known.contains(name)) {
            self.say(name, health);
        }
        // The last words of those that go leave through the sockets they had.
        self.drain();
        self.mouths.clear();
        self.reconcile(now, poll);
        self.drain();
    }

    /// Says good-bye everywhere.
    pub(super) fn stop(&mut self, now: Instant) {
        self.machine.handle(now, Input::Stop);
        self.drain();
    }

    /// Whether every good-bye is said.
    pub(super) fn is_over(&self) -> bool {
        self.machine.is_over()
    }

    /// Lets due packets leave; judges silence when everything is `drained`.
    pub(super) fn wake(&mut self, now: Instant, poll: &Poll, drained: bool) {
        if self.retry_at.is_some_and(|at| at <= now) {
            self.reconcile(now, poll);
        }
        if self.machine.poll_timeout().is_some_and(|at| at <= now) {
            self.machine.handle(now, Input::Wake { drained });
            self.drain();
        }
    }

    /// Hears what there is on the socket `token`.
    pub(super) fn read(&mut self, now: Instant, token: u64) {
        let Some((ear, (_, receiver))) = self.ears.iter().find(|(_, ear)| ear.0 == token) else {
            return;
        };
        let mut buffer = [0; LARGEST];
        for _ in 0..READ_AT_ONCE {
            match receiver.recv(&mut buffer) {
                Ok(Some(datagram)) => {
                    let payload = buffer.get(..datagram.length).unwrap_or_default().to_vec();
                    let (source, ttl) = (datagram.source, datagram.ttl);
                    let heard = Datagram { source, ttl, multihop: ear.1, payload };
                    self.machine.handle(now, Input::Heard(heard));
                }
                Ok(None) => break,
                Err(_) => self.receive_errors += 1,
            }
        }
        self.drain();
    }

    /// The next thing a session says of its path.
    pub(super) fn verdict(&mut self) -> Option<(Tracker, Verdict)> {
        self.verdicts.pop_front()
    }

    /// All sessions as they are.
    pub(super) fn status(&self) -> Vec<SessionStatus> {
        self.machine.status().collect()
    }

    /// What went wrong, by name.
    pub(super) fn counts(&self) -> impl Iterator<Item = (String, u64)> {
        let own = [
            ("bfd-open-errors", self.open_errors),
            ("bfd-send-errors", self.send_errors),
            ("bfd-receive-errors", self.receive_errors),
        ];
        let refused = self.machine.refusals();
        let refused = refused.map(|(why, count)| (format!("bfd-refused-{why}"), count));
        own.into_iter().map(|(name, count)| (name.to_string(), count)).chain(refused)
    }

    fn drain(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Transmit { session, payload } => {
                    // Without a socket there is no path, and the session finds that out.
                    let sent = self.mouths.get(&session).map(|mouth| mouth.send(&payload));
                    self.send_errors += u64::from(matches!(sent, Some(Err(_))));
                }
                Output::Changed { session, change } => self.say(session, change.health),
            }
        }
    }

    fn say(&mut self, session: Name, health: Health) {
        let verdict = match health {
            Health::Unknown | Health::Good | Health::Closed => Verdict::Good,
            Health::Failed => Verdict::Bad,
        };
        let tracker = Tracker { kind: TrackerKind::Bfd, name: session };
        self.verdicts.push_back((tracker, verdict));
    }

    /// Opens what is missing and closes what nobody needs.
    fn reconcile(&mut self, now: Instant, poll: &Poll) {
        self.retry_at = None;
        let wanted: Vec<Settings> = self.machine.settings().cloned().collect();
        let ear = |one: &Settings| (Family::of(&one.neighbor), one.multihop);
        // Closing takes a socket out of the set.
        self.ears.retain(|have, _| wanted.iter().any(|one| ear(one) == *have));
        for one in &wanted {
            let heard = self.listen(poll, ear(one));
            let spoken = self.mouths.contains_key(&one.name) || {
                let port = port(one.multihop);
                let from = bfd::LEAST_SOURCE_PORT;
                let opened = BfdSender::open(one.source, from, one.neighbor, port, one.ttl);
                opened.is_ok_and(|mouth| {
                    self.mouths.insert(one.name.clone(), mouth);
                    true
                })
            };
            if heard.is_err() || !spoken {
                self.open_errors += 1;
                self.retry_at = Some(now + RETRY);
            }
        }
    }

    fn listen(&mut self, poll: &Poll, ear: Ear) -> io::Result<()> {
        if self.ears.contains_key(&ear) {
            return Ok(());
        }
        let receiver = BfdReceiver::open(ear.0, port(ear.1))?;
        let family = u64::from(ear.0 == Family::V6);
        let token = TOKENS + 2 * family + u64::from(ear.1);
        poll.add(&receiver, token, Interest::Read)?;
        self.ears.insert(ear, (token, receiver));
        Ok(())
    }
}

const fn port(multihop: bool) -> u16 {
    if multihop { bfd::PORT_MULTIHOP } else { bfd::PORT }
}
