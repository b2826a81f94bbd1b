//! The quorum lease: why a holder may hold, and until when nobody else may.
//!
//! A node may hold while it has a lease from the leader. It asks, noting its own clock; the leader
//! answers with the *age* of its last quorum acknowledgement, that is how long ago it began the last
//! round which a majority has answered. The holder's lease then ends `length − age` after its own
//! request. Since the request left before the answer was made, the end lies, in anybody's time, no
//! later than `length` after the start of that round; and whoever else leads was elected after it.
//! From this follows what the leader needs to wait for:
//!
//! - a leader that granted leases: until `length` after the last round it granted them by;
//! - a new leader: until `length` after its own election, for it cannot know what the one before
//!   granted.
//!
//! Clocks only need to run at about the same rate, for one lease: the holder ends by [`drift`] early,
//! the leader waits by it longer. A clock that stands still while its machine sleeps must not be used
//! (`CLOCK_BOOTTIME` goes on).
//!
//! Nothing here is replicated: a grant is worth less than the round it is based on. What is agreed
//! on is that a lost node's lease is over ([`Verdict::LeaseOver`](crate::operation::Verdict)).

use core::time::Duration;
use std::collections::BTreeMap;

use base::{Instant, Name};
use serde::{Deserialize, Serialize};

use crate::operation::Life;

/// By how much clocks may differ over a span: one per cent.
#[must_use]
pub fn drift(span: Duration) -> Duration {
    span / 100
}

/// A node asks for its lease.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Who.
    pub node: Name,
    /// In which life.
    pub life: Life,
    /// Which request of this life.
    pub number: u64,
}

/// The leader answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Grant {
    /// Which request of which life.
    pub life: Life,
    /// Its number.
    pub number: u64,
    /// How long leases are.
    pub length: Duration,
    /// How long before the answer the leader began the last round that a quorum has answered.
    pub age: Duration,
}

/// The leader's side.
#[derive(Clone, Debug, Default)]
pub struct Grantor {
    leading: Option<Leading>,
}

#[derive(Clone, Debug)]
struct Leading {
    elected: Instant,
    /// When the last round began that a quorum has answered.
    confirmed: Option<Instant>,
    /// For each node: by which round it has been granted a lease last.
    granted: BTreeMap<Name, Instant>,
    /// Nodes that get no more: their end is being waited for.
    closed: BTreeMap<Name, Life>,
}

impl Grantor {
    /// This node was elected, or leads no more.
    pub fn lead(&mut self, now: Instant, leading: bool) {
        match (leading, &self.leading) {
            (true, None) => {
                self.leading = Some(Leading {
                    elected: now,
                    confirmed: None,
                    granted: BTreeMap::new(),
                    closed: BTreeMap::new(),
                });
            }
            (false, Some(_)) => self.leading = None,
            _ => {}
        }
    }

    /// A quorum has answered the round that began at this instant.
    pub fn confirmed(&mut self, round: Instant) {
        if let Some(leading) = &mut self.leading {
            // A round that began before the election proves nothing about this leadership.
            if round >= leading.elected {
                leading.confirmed = leading.confirmed.max(Some(round));
            }
        }
    }

    /// Answers a request: a grant, if a quorum has confirmed this leadership lately enough.
    pub fn ask(&mut self, now: Instant, length: Duration, request: &Request) -> Option<Grant> {
        let leading = self.leading.as_mut()?;
        if leading.closed.get(&request.node) == Some(&request.life) {
            return None;
        }
        let confirmed = leading.confirmed?;
        let age = now.since(confirmed);
        if age >= length {
            return None;
        }
        let last = leading.granted.entry(request.node.clone()).or_insert(confirmed);
        *last = (*last).max(confirmed);
        let (life, number) = (request.life, request.number);
        Some(Grant { life, number, length, age })
    }

    /// From now on this life of a node gets no lease: it is about to be declared lost.
    pub fn close(&mut self, node: &Name, life: Life) {
        if let Some(leading) = &mut self.leading {
            leading.closed.insert(node.clone(), life);
        }
    }

    /// It turned out to be alive after all.
    pub fn open(&mut self, node: &Name) {
        if let Some(leading) = &mut self.leading {
            leading.closed.remove(node);
        }
    }

    /// When no lease of a node can be in force any more, whoever granted it; `None`: it cannot be
    /// said, since it may still be granted one, or this node does not lead.
    #[must_use]
    pub fn over_at(&self, node: &Name, length: Duration) -> Option<Instant> {
        let leading = self.leading.as_ref()?;
        leading.closed.get(node)?;
        let base =
            leading.granted.get(node).map_or(leading.elected, |it| (*it).max(leading.elected));
        Some(base + length + drift(length))
    }

    /// Whether a quorum has confirmed this leadership within this span.
    #[must_use]
    pub fn is_confirmed(&self, now: Instant, within: Duration) -> bool {
        let confirmed = self.leading.as_ref().and_then(|it| it.confirmed);
        confirmed.is_some_and(|at| now.since(at) < within)
    }
}

/// What a node does with its resources when it has no quorum lease.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum NoQuorum {
    /// Stop all.
    Stop,
    /// Keep what runs, start nothing.
    Freeze,
    /// Go on.
    Ignore,
    /// Demote what is promoted, stop nothing else; start nothing.
    Demote,
    /// Make an end of itself: the watchdog is not fed any more.
    Suicide,
}

impl NoQuorum {
    /// Reads `no-quorum-policy`; what is not understood means the safest, which is the default.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "freeze" => Self::Freeze,
            "ignore" => Self::Ignore,
            "demote" => Self::Demote,
            "suicide" | "fence" => Self::Suicide,
            _ => Self::Stop,
        }
    }
}

/// What a node may do at present.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum May {
    /// Everything it is told.
    Act,
    /// Keep what runs; start and promote nothing.
    Keep,
    /// Keep what runs, but nothing promoted.
    KeepUnpromoted,
    /// Nothing: release all.
    Release,
    /// Nothing, and the watchdog shall see to it.
    Die,
}

/// The holder's side.
#[derive(Clone, Debug)]
pub struct Holder {
    node: Name,
    life: Life,
    length: Duration,
    policy: NoQuorum,
    number: u64,
    /// Requests on their way: number and when each left.
    asked: BTreeMap<u64, Instant>,
    ends: Option<Instant>,
    ask_at: Option<Instant>,
    /// Grants that nobody had asked for, or whose lease was over already.
    void: u64,
}

/// What the holder's side knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HolderStatus {
    /// When the lease ends; `None`: there is none.
    pub ends: Option<Instant>,
    /// Grants that were worth nothing.
    pub void: u64,
    /// What may be done.
    pub may: May,
}

impl Holder {
    /// Without a lease.
    #[must_use]
    pub fn new(node: Name, life: Life, length: Duration, policy: NoQuorum) -> Self {
        Self {
            node,
            life,
            length,
            policy,
            number: 0,
            asked: BTreeMap::new(),
            ends: None,
            ask_at: None,
            void: 0,
        }
    }

    /// What is done without one.
    pub fn set_policy(&mut self, policy: NoQuorum) {
        self.policy = policy;
    }

    /// A request, if it is time for one: every quarter of a lease.
    pub fn ask(&mut self, now: Instant) -> Option<Request> {
        if self.ask_at.is_some_and(|at| now < at) {
            return None;
        }
        self.ask_at = Some(now + self.length / 4);
        self.number += 1;
        self.asked.insert(self.number, now);
        let length = self.length;
        self.asked.retain(|_, at| now.since(*at) < length);
        Some(Request { node: self.node.clone(), life: self.life, number: self.number })
    }

    /// The leader has answered.
    pub fn granted(&mut self, now: Instant, grant: &Grant) {
        let asked = self.asked.remove(&grant.number).filter(|_| grant.life == self.life);
        let Some(asked) = asked else {
            self.void += 1;
            return;
        };
        let asked = if base::planted!(LeaseFromGrant) { now } else { asked };
        let rest = grant.length.saturating_sub(grant.age);
        let ends = asked + rest.saturating_sub(drift(rest));
        if ends <= now {
            self.void += 1;
            return;
        }
        self.ends = self.ends.max(Some(ends));
    }

    /// The lease is given back: this node knows that it is declared lost, or leaves.
    pub fn surrender(&mut self) {
        self.ends = None;
        self.asked.clear();
    }

    /// When the lease ends, if it has not.
    #[must_use]
    pub fn ends(&self, now: Instant) -> Option<Instant> {
        self.ends.filter(|ends| now < *ends)
    }

    /// What may be done now.
    #[must_use]
    pub fn may(&self, now: Instant) -> May {
        if self.ends(now).is_some() {
            return May::Act;
        }
        match self.policy {
            NoQuorum::Ignore => May::Act,
            NoQuorum::Stop => May::Release,
            NoQuorum::Freeze => May::Keep,
            NoQuorum::Demote => May::KeepUnpromoted,
            NoQuorum::Suicide => May::Die,
        }
    }

    /// When to look again: to ask, or because the lease ends.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let ask = self.ask_at.unwrap_or(Instant::ZERO);
        Some(self.ends.map_or(ask, |ends| ends.min(ask)))
    }

    /// For people.
    #[must_use]
    pub fn status(&self, now: Instant) -> HolderStatus {
        HolderStatus { ends: self.ends(now), void: self.void, may: self.may(now) }
    }
}
