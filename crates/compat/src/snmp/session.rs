//! A conversation with a master agent (RFC 2741 §7): octets in, octets out.
//!
//! Opening comes first, then one registration for each part of the tree; what is asked meanwhile or
//! later waits until [`Session::answer`] brings the objects, so that whoever has them may take a
//! moment. Whatever the other side says that makes no sense ends the conversation, and nothing else:
//! the daemon begins another one later.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use base::Instant;

use super::codec::{self, Envelope, Found, Range, Said, Wrong};
use super::{Answers, KEEPALIVED, Oid, RFC_V2, RFC_V3, Trap, View, below};

/// No answer is longer; what would follow is asked for again.
const ANSWER: usize = 32 << 10;
/// Questions that wait at most: a master agent asks one at a time for each of its own.
const WAITING: usize = 256;
/// Traps that wait for a session at most, and how long.
const TRAPS: usize = 256;
const STALE: Duration = Duration::from_secs(30);
/// How often it is looked whether anybody is there, and how long an answer may take.
const PING: Duration = Duration::from_secs(15);
/// SNMP's own error for what cannot be written.
const NOT_WRITABLE: u16 = 17;
/// SNMP's own error for what went wrong otherwise.
const GENERAL: u16 = 5;
/// AgentX's error for a context that there is not.
const NO_CONTEXT: u16 = 262;
/// AgentX's error for what cannot be done.
const DENIED: u16 = 267;

/// What became of the conversation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    /// Everything is registered.
    Stands,
    /// This part of the tree is somebody else's; the rest is answered.
    Refused {
        /// Which.
        root: Oid,
        /// The master agent's number for why.
        status: u16,
    },
    /// Somebody wants to know something: [`Session::answer`].
    Asked,
}

/// Why there is no conversation any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Over {
    /// What was said makes no sense.
    Wrong(Wrong),
    /// It does not want us: its number for why.
    Refused(u16),
    /// It has ended the session.
    Closed,
    /// It does not answer.
    Silent,
}

impl std::fmt::Display for Over {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Over::Wrong(wrong) => write!(f, "{wrong}"),
            Over::Refused(status) => write!(f, "it refuses a session (error {status})"),
            Over::Closed => f.write_str("it has ended the session"),
            Over::Silent => f.write_str("it does not answer"),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Question {
    Get(Envelope, Vec<Range>),
    Next(Envelope, Vec<Range>),
    Bulk { envelope: Envelope, once: usize, times: usize, ranges: Vec<Range> },
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Asked {
    Open,
    Register(Oid),
    Other,
}

/// The conversation.
#[derive(Debug)]
pub struct Session {
    roots: Vec<Oid>,
    description: String,
    /// Nothing before somebody is connected.
    connected: bool,
    /// The master agent's number for it, once it is open.
    number: Option<u32>,
    packets: u32,
    /// What we said that is not answered yet.
    expected: BTreeMap<u32, Asked>,
    incoming: Vec<u8>,
    outgoing: VecDeque<Vec<u8>>,
    questions: VecDeque<Question>,
    traps: VecDeque<(Instant, Trap)>,
    last_heard: Instant,
    last_said: Instant,
    /// When the master agent's clock began, by ours: what it said and when.
    uptime: Option<(u32, Instant)>,
}

impl Session {
    /// One that answers `answers`, not connected yet.
    #[must_use]
    pub fn new(answers: Answers, description: &str) -> Self {
        let mut roots = Vec::new();
        if answers.vrrp {
            roots.extend([below(KEEPALIVED, &[1]), below(KEEPALIVED, &[2])]);
        }
        roots.extend(answers.rfc_v2.then(|| RFC_V2.to_vec()));
        roots.extend(answers.rfc_v3.then(|| RFC_V3.to_vec()));
        Self {
            roots,
            description: description.to_owned(),
            connected: false,
            number: None,
            packets: 0,
            expected: BTreeMap::new(),
            incoming: Vec::new(),
            outgoing: VecDeque::new(),
            questions: VecDeque::new(),
            traps: VecDeque::new(),
            last_heard: Instant::ZERO,
            last_said: Instant::ZERO,
            uptime: None,
        }
    }

    /// Somebody listens now: the conversation begins.
    pub fn connected(&mut self, now: Instant) {
        self.disconnected();
        self.connected = true;
        self.last_heard = now;
        let packet = self.expect(Asked::Open);
        self.say(now, codec::open(packet, KEEPALIVED, &self.description.clone()));
    }

    /// Nobody listens any more; what was to be told waits.
    pub fn disconnected(&mut self) {
        self.connected = false;
        self.number = None;
        self.expected.clear();
        self.incoming.clear();
        self.outgoing.clear();
        self.questions.clear();
        self.uptime = None;
    }

    /// Takes what has arrived.
    ///
    /// # Errors
    /// The conversation is over.
    pub fn hear(&mut self, now: Instant, octets: &[u8]) -> Result<Vec<Heard>, Over> {
        if !octets.is_empty() {
            self.last_heard = now;
        }
        self.incoming.extend_from_slice(octets);
        let mut heard = Vec::new();
        let mut taken = 0;
        while let Some(rest) = self.incoming.get(taken..)
            && let Some(length) = codec::length(rest).map_err(Over::Wrong)?
            && let Some(message) = rest.get(..length)
        {
            taken += length;
            let said = codec::read(message).map_err(Over::Wrong)?;
            self.take(now, said, &mut heard)?;
        }
        self.incoming.drain(..taken);
        Ok(heard)
    }

    fn take(&mut self, now: Instant, said: Said, heard: &mut Vec<Heard>) -> Result<(), Over> {
        let question = match said {
            Said::Answer { session, packet, uptime, status } => {
                self.uptime = Some((uptime, now));
                return self.answered(now, session, packet, status, heard);
            }
            Said::Close => return Err(Over::Closed),
            Said::SetOver => return Ok(()),
            Said::Set(to) => {
                self.say(now, codec::reply(&to, NOT_WRITABLE, Vec::new()));
                return Ok(());
            }
            Said::Elsewhere(to) => {
                self.say(now, codec::reply(&to, NO_CONTEXT, Vec::new()));
                return Ok(());
            }
            Said::Stranger(to) => {
                self.say(now, codec::reply(&to, DENIED, Vec::new()));
                return Ok(());
            }
            Said::Get(to, ranges) => Question::Get(to, ranges),
            Said::Next(to, ranges) => Question::Next(to, ranges),
            Said::Bulk { envelope, once, times, ranges } => {
                Question::Bulk { envelope, once, times, ranges }
            }
        };
        if self.questions.len() >= WAITING {
            let (Question::Get(to, _) | Question::Next(to, _)) = &question else { return Ok(()) };
            self.say(now, codec::reply(to, GENERAL, Vec::new()));
            return Ok(());
        }
        self.questions.push_back(question);
        heard.push(Heard::Asked);
        Ok(())
    }

    fn answered(
        &mut self,
        now: Instant,
        session: u32,
        packet: u32,
        status: u16,
        heard: &mut Vec<Heard>,
    ) -> Result<(), Over> {
        match self.expected.remove(&packet) {
            Some(Asked::Open) => {
                if status != 0 {
                    return Err(Over::Refused(status));
                }
                self.number = Some(session);
                for root in self.roots.clone() {
                    let packet = self.expect(Asked::Register(root.clone()));
                    self.say(now, codec::register(session, packet, &root));
                }
            }
            Some(Asked::Register(root)) => {
                if status != 0 {
                    heard.push(Heard::Refused { root, status });
                }
                let pending = |asked: &Asked| matches!(asked, Asked::Register(_));
                if !self.expected.values().any(pending) {
                    heard.push(Heard::Stands);
                    self.tell_traps(now);
                }
            }
            // What it answers to a trap changes nothing; nor does what nobody asked for.
            Some(Asked::Other) | None => {}
        }
        Ok(())
    }

    /// Whether somebody waits for [`Session::answer`].
    #[must_use]
    pub fn is_asked(&self) -> bool {
        !self.questions.is_empty()
    }

    /// Answers everything that was asked by what `view` shows.
    pub fn answer(&mut self, now: Instant, view: &View) {
        while let Some(question) = self.questions.pop_front() {
            let (to, objects) = match question {
                Question::Get(to, ranges) => {
                    let objects = ranges.into_iter().flat_map(|range| get(view, range));
                    (to, objects.collect())
                }
                Question::Next(to, ranges) => {
                    let objects = ranges.into_iter().flat_map(|range| next(view, &range).0);
                    (to, objects.collect())
                }
                Question::Bulk { envelope, once, times, ranges } => {
                    (envelope, bulk(view, once, times, ranges))
                }
            };
            self.say(now, codec::reply(&to, 0, objects));
        }
    }

    /// Tells of something, now or as soon as there is somebody to tell.
    pub fn tell(&mut self, now: Instant, trap: Trap) {
        if self.traps.len() >= TRAPS {
            self.traps.pop_front();
        }
        self.traps.push_back((now, trap));
        self.tell_traps(now);
    }

    fn tell_traps(&mut self, now: Instant) {
        let pending = |asked: &Asked| matches!(asked, Asked::Register(_));
        let Some(session) = self.number.filter(|_| !self.expected.values().any(pending)) else {
            return;
        };
        while let Some((since, trap)) = self.traps.pop_front() {
            if now.since(since) <= STALE {
                let packet = self.expect(Asked::Other);
                self.say(now, codec::notify(session, packet, trap.bindings()));
            }
        }
    }

    /// When [`Session::look`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let awaits = !self.expected.is_empty();
        self.connected.then(|| if awaits { self.last_said + PING } else { self.last_heard + PING })
    }

    /// Does what is due.
    ///
    /// # Errors
    /// The conversation is over.
    pub fn look(&mut self, now: Instant) -> Result<(), Over> {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return Ok(());
        }
        let Some(session) = self.number.filter(|_| self.expected.is_empty()) else {
            return Err(Over::Silent);
        };
        let packet = self.expect(Asked::Other);
        self.say(now, codec::ping(session, packet));
        Ok(())
    }

    /// Says that it is over, if there is somebody to say it to.
    pub fn part(&mut self, now: Instant) {
        if let Some(session) = self.number.take() {
            let packet = self.expect(Asked::Other);
            self.say(now, codec::close(session, packet));
        }
    }

    /// The messages to be sent, in order: each leaves as a whole.
    pub fn outgoing(&mut self) -> &mut VecDeque<Vec<u8>> {
        &mut self.outgoing
    }

    /// How long the master agent's clock has run; zero as long as it has not said so.
    #[must_use]
    pub fn uptime(&self, now: Instant) -> Duration {
        let said = |(ticks, at): (u32, Instant)| {
            Duration::from_millis(u64::from(ticks) * 10) + now.since(at)
        };
        self.uptime.map(said).unwrap_or_default()
    }

    fn expect(&mut self, asked: Asked) -> u32 {
        self.packets = self.packets.wrapping_add(1);
        self.expected.insert(self.packets, asked);
        self.packets
    }

    fn say(&mut self, now: Instant, message: Vec<u8>) {
        if self.connected {
            self.last_said = now;
            self.outgoing.push_back(message);
        }
    }
}

fn get(view: &View, range: Range) -> Vec<u8> {
    codec::found(&match view.get(&range.start) {
        Some(value) => Found::Is(range.start, value.clone()),
        None => Found::NoSuch(range.start),
    })
}

/// What follows, and its name if there is something.
fn next(view: &View, range: &Range) -> (Vec<u8>, Option<Oid>) {
    match view.next(&range.start, range.include, &range.end) {
        Some((name, value)) => {
            (codec::found(&Found::Is(name.clone(), value.clone())), Some(name.clone()))
        }
        None => (codec::found(&Found::NothingBehind(range.start.clone())), None),
    }
}

/// Ranges before `once` once, the others row by row until there is nothing behind any, or no room.
fn bulk(view: &View, once: usize, times: usize, mut ranges: Vec<Range>) -> Vec<u8> {
    let mut objects = Vec::new();
    let mut repeated = ranges.split_off(once.min(ranges.len()));
    for range in &ranges {
        objects.extend(next(view, range).0);
    }
    for _ in 0..times {
        let mut more = false;
        let before = objects.len();
        for range in &mut repeated {
            let (octets, name) = next(view, range);
            objects.extend(octets);
            if let Some(name) = name {
                more = true;
                range.start = name;
                range.include = false;
            }
        }
        if objects.len() > ANSWER {
            objects.truncate(before);
            break;
        }
        if !more {
            break;
        }
    }
    objects
}

#[cfg(test)]
mod tests;
