//! Who is heard: the machine that detects failures, and only proposes what follows from them.
//!
//! Each node sends heartbeats to every other over every link there is, and judges each peer by the
//! longest silence it can explain. The bound adapts: it is the mean gap plus four mean deviations
//! (the estimator of RFC 6298 §2, on gaps instead of round trips), and never outside `floor` and
//! `ceiling`. A peer is silent when it is so on *all* links. Margins are visible: how close each
//! peer has ever come to its bound is part of the status, so that an administrator sees a bound
//! that is too tight before it costs a service.
//!
//! A verdict is a proposal, made by the leader alone, and nothing is done about it here. It names
//! the peer's life, so that it is void for the next one. After a gap in this node's own time all
//! silences begin anew: whoever did not listen cannot tell who did not speak.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use base::{Instant, Name};
use serde::{Deserialize, Serialize};

use crate::operation::{Life, Verdict};

/// One of the ways to a peer, in the order they are configured.
pub type Link = u8;

/// How silence is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Config {
    /// How often heartbeats are sent.
    pub interval: Duration,
    /// No silence shorter than this counts.
    pub floor: Duration,
    /// Every silence longer than this counts.
    pub ceiling: Duration,
    /// A gap in this node's own time that is longer than this makes it begin anew.
    pub stall: Duration,
}

impl Default for Config {
    /// A crash is noticed within 300 to 800 ms; a node may stand still for 300 ms.
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(50),
            floor: Duration::from_millis(300),
            ceiling: Duration::from_millis(800),
            stall: Duration::from_millis(150),
        }
    }
}

/// What nodes tell each other: I live.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Who.
    pub from: Name,
    /// In which life.
    pub life: Life,
    /// Counts up, on each link; an old one that comes late says nothing.
    pub sequence: u64,
    /// The last decision about itself, or about who leads, that it obeys: it takes no older order, and
    /// has told what it did before.
    pub knows: u64,
}

/// What the machine is told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Input {
    /// Time passed.
    Tick,
    /// A heartbeat came over a link.
    Heard(Link, Heartbeat),
    /// These are the members, this node as well, each with the links to it and what is agreed of it.
    Peers(Vec<Peer>),
    /// This node leads, or does not any more.
    Leading(bool),
    /// This node obeys the decision of this index.
    Knows(u64),
}

/// A member, as far as it matters here.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Peer {
    /// Its name.
    pub node: Name,
    /// How many links there are to it.
    pub links: u8,
    /// Whether the cluster has agreed that it takes part.
    pub alive: bool,
    /// In which life.
    pub life: Life,
    /// The index of what was agreed last: in the same life it is only back when it obeys that.
    pub since: u64,
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Output {
    /// Send this to a peer over a link.
    Send {
        /// To whom.
        to: Name,
        /// Over which.
        link: Link,
        /// What.
        heartbeat: Heartbeat,
    },
    /// Propose a verdict.
    Propose {
        /// About whom.
        node: Name,
        /// In which life.
        life: Life,
        /// What.
        verdict: Verdict,
    },
}

/// Heartbeats that said nothing, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Discards {
    /// From nobody who is a peer.
    pub stranger: u64,
    /// Not newer than the last on that link.
    pub old: u64,
    /// Over a link that is not configured.
    pub no_link: u64,
}

/// What is known of a peer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PeerStatus {
    /// Its name.
    pub node: Name,
    /// Whether it is heard.
    pub heard: bool,
    /// Its life, as far as was heard.
    pub life: Option<Life>,
    /// Each link to it.
    pub links: Vec<LinkStatus>,
}

/// What is known of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LinkStatus {
    /// The silence that would count now.
    pub bound: Duration,
    /// The silence so far; `None`: nothing was ever heard.
    pub silence: Option<Duration>,
    /// The longest silence that ended before it counted.
    pub longest: Duration,
    /// Heartbeats heard.
    pub heard: u64,
    /// Heartbeats that were sent, by their numbers, and did not come.
    pub missed: u64,
}

/// The machine's state, for people.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Every peer.
    pub peers: Vec<PeerStatus>,
    /// What said nothing.
    pub discards: Discards,
    /// How often this node stood still for too long to judge others.
    pub stalls: u64,
}

/// Mean gap and mean deviation, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Gaps {
    mean: u64,
    deviation: u64,
}

impl Gaps {
    fn take(&mut self, gap: Duration) {
        let gap = nanos(gap);
        let off = gap.abs_diff(self.mean);
        // RFC 6298 §2: beta = 1/4, alpha = 1/8.
        self.deviation = self.deviation - self.deviation / 4 + off / 4;
        self.mean = self.mean - self.mean / 8 + gap / 8;
    }

    fn bound(self, config: &Config) -> Duration {
        let sum = self.mean.saturating_add(self.deviation.saturating_mul(4));
        Duration::from_nanos(sum).clamp(config.floor, config.ceiling.max(config.floor))
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[derive(Clone, Debug)]
struct LinkState {
    /// When the silence began that goes on.
    since: Instant,
    gaps: Gaps,
    last: Option<u64>,
    longest: Duration,
    heard: u64,
    missed: u64,
}

#[derive(Clone, Debug)]
struct PeerState {
    agreed_alive: bool,
    agreed_life: Life,
    since: u64,
    heard_life: Option<Life>,
    knows: u64,
    links: Vec<LinkState>,
    /// What was proposed last, so that it is not proposed with every tick.
    proposed: Option<(Life, Verdict, Instant)>,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Liveness {
    node: Name,
    life: Life,
    config: Config,
    leading: bool,
    peers: BTreeMap<Name, PeerState>,
    /// What is agreed of this node itself: as a leader it is the one to say that it is alive.
    own: Option<Peer>,
    /// When it last said so.
    told_own: Option<Instant>,
    sequence: u64,
    knows: u64,
    send_at: Option<Instant>,
    seen: Option<Instant>,
    discards: Discards,
    stalls: u64,
    outputs: VecDeque<Output>,
}

impl Liveness {
    /// This node's, in this life.
    #[must_use]
    pub fn new(node: Name, life: Life, config: Config) -> Self {
        Self {
            node,
            life,
            config,
            leading: false,
            peers: BTreeMap::new(),
            own: None,
            told_own: None,
            sequence: 0,
            knows: 0,
            send_at: None,
            seen: None,
            discards: Discards::default(),
            stalls: 0,
            outputs: VecDeque::new(),
        }
    }

    /// The only way in.
    pub fn handle(&mut self, now: Instant, input: Input) {
        self.notice_stall(now);
        match input {
            Input::Tick => {}
            Input::Heard(link, heartbeat) => self.heard(now, link, &heartbeat),
            Input::Peers(peers) => self.take_peers(now, peers),
            Input::Leading(leading) => {
                if leading && !self.leading {
                    // What others would have noticed meanwhile is not known here: begin anew.
                    self.begin_anew(now);
                }
                self.leading = leading;
            }
            Input::Knows(index) => {
                // Somebody waits for this.
                if index != self.knows {
                    (self.knows, self.send_at) = (index, None);
                }
            }
        }
        if self.send_at.is_none_or(|at| at <= now) {
            self.speak();
            self.send_at = Some(now + self.config.interval);
        }
        self.judge(now);
    }

    /// What is to be done; until there is nothing left.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to look again.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let judged = self.peers.values().filter(|_| self.leading).filter_map(|peer| {
            let silent = self.silent_at(peer)?;
            match peer.proposed {
                Some((_, Verdict::Lost, at)) => Some(silent.max(at + self.config.ceiling)),
                _ => Some(silent),
            }
            .filter(|_| peer.agreed_alive)
        });
        self.send_at.into_iter().chain(judged).min()
    }

    /// What it knows.
    #[must_use]
    pub fn status(&self, now: Instant) -> Status {
        let link = |it: &LinkState| LinkStatus {
            bound: it.gaps.bound(&self.config),
            silence: it.last.map(|_| now.since(it.since)),
            longest: it.longest,
            heard: it.heard,
            missed: it.missed,
        };
        let peers = self.peers.iter().map(|(node, peer)| PeerStatus {
            node: node.clone(),
            heard: self.is_heard(peer, now),
            life: peer.heard_life,
            links: peer.links.iter().map(link).collect(),
        });
        Status { peers: peers.collect(), discards: self.discards, stalls: self.stalls }
    }

    /// Which decision a peer obeys, as it has said, in the life it was heard in.
    #[must_use]
    pub fn knows(&self, node: &Name) -> Option<(Life, u64)> {
        let peer = self.peers.get(node)?;
        Some((peer.heard_life?, peer.knows))
    }

    fn fresh_link(&self, now: Instant) -> LinkState {
        LinkState {
            since: now,
            gaps: Gaps { mean: nanos(self.config.interval), deviation: 0 },
            last: None,
            longest: Duration::ZERO,
            heard: 0,
            missed: 0,
        }
    }

    fn take_peers(&mut self, now: Instant, peers: Vec<Peer>) {
        let mut before = core::mem::take(&mut self.peers);
        let own = peers.iter().find(|peer| peer.node == self.node).cloned();
        if own != self.own {
            (self.own, self.told_own) = (own, None);
        }
        for peer in peers.into_iter().filter(|peer| peer.node != self.node) {
            let known = before.remove(&peer.node);
            let mut state = known.unwrap_or(PeerState {
                agreed_alive: peer.alive,
                agreed_life: peer.life,
                since: peer.since,
                heard_life: None,
                knows: 0,
                links: Vec::new(),
                proposed: None,
            });
            if (state.agreed_alive, state.agreed_life) != (peer.alive, peer.life) {
                state.proposed = None;
            }
            (state.agreed_alive, state.agreed_life) = (peer.alive, peer.life);
            state.since = peer.since;
            state.links.resize_with(usize::from(peer.links), || self.fresh_link(now));
            self.peers.insert(peer.node, state);
        }
    }

    fn notice_stall(&mut self, now: Instant) {
        let gap = self.seen.map_or(Duration::ZERO, |seen| now.since(seen));
        if gap > self.config.stall.max(self.config.interval * 2) {
            self.stalls += 1;
            self.begin_anew(now);
        }
        self.seen = Some(self.seen.map_or(now, |seen| seen.max(now)));
    }

    fn begin_anew(&mut self, now: Instant) {
        for link in self.peers.values_mut().flat_map(|peer| &mut peer.links) {
            link.since = now;
        }
    }

    fn heard(&mut self, now: Instant, link: Link, heartbeat: &Heartbeat) {
        let Some(peer) = self.peers.get_mut(&heartbeat.from) else {
            self.discards.stranger += 1;
            return;
        };
        let known = peer.heard_life == Some(heartbeat.life);
        let Some(link) = peer.links.get_mut(usize::from(link)) else {
            self.discards.no_link += 1;
            return;
        };
        if known && link.last.is_some_and(|last| heartbeat.sequence <= last) {
            self.discards.old += 1;
            return;
        }
        let gap = now.since(link.since);
        if let (true, Some(last)) = (known, link.last) {
            link.missed += heartbeat.sequence - last - 1;
            // A silence that counted is no gap to learn from: it would make the next one count later.
            if gap < link.gaps.bound(&self.config) {
                link.longest = link.longest.max(gap);
                link.gaps.take(gap);
            }
        }
        link.since = now;
        link.last = Some(heartbeat.sequence);
        link.heard += 1;
        if known {
            peer.knows = peer.knows.max(heartbeat.knows);
        }
        if !known {
            (peer.heard_life, peer.knows) = (Some(heartbeat.life), heartbeat.knows);
            // Numbers begin anew with a life, on every link.
            for link in &mut peer.links {
                if link.since != now {
                    link.last = None;
                }
            }
        }
    }

    /// When a peer counts as silent: when it does so on the last of its links. Without any link it
    /// cannot be judged.
    fn silent_at(&self, peer: &PeerState) -> Option<Instant> {
        peer.links.iter().map(|link| link.since + link.gaps.bound(&self.config)).max()
    }

    fn is_heard(&self, peer: &PeerState, now: Instant) -> bool {
        peer.links
            .iter()
            .any(|it| it.last.is_some() && now < it.since + it.gaps.bound(&self.config))
    }

    fn speak(&mut self) {
        self.sequence += 1;
        for (to, peer) in &self.peers {
            for link in 0..u8::try_from(peer.links.len()).unwrap_or(u8::MAX) {
                self.outputs.push_back(Output::Send {
                    to: to.clone(),
                    link,
                    heartbeat: Heartbeat {
                        from: self.node.clone(),
                        life: self.life,
                        sequence: self.sequence,
                        knows: self.knows,
                    },
                });
            }
        }
    }

    /// Whether the cluster does not know yet that this node takes part, by the rules for a peer that
    /// is heard. Nobody else would say so of a leader.
    fn is_unknown(&self, now: Instant) -> bool {
        let back = |own: &Peer| own.life != self.life || (!own.alive && self.knows >= own.since);
        self.own.as_ref().is_some_and(back)
            && self.told_own.is_none_or(|at| now >= at + self.config.ceiling)
    }

    fn judge(&mut self, now: Instant) {
        if !self.leading {
            return;
        }
        let mut news = Vec::new();
        for (node, peer) in &self.peers {
            let heard = self.is_heard(peer, now);
            let silent = self.silent_at(peer).is_some_and(|at| at <= now);
            let verdict = match (peer.heard_life, peer.agreed_alive) {
                // Another life than the agreed one is alive in any case: the old one is over.
                (Some(life), true) if heard && life != peer.agreed_life => (life, Verdict::Alive),
                (Some(life), false)
                    if heard && (life != peer.agreed_life || peer.knows >= peer.since) =>
                {
                    (life, Verdict::Alive)
                }
                (_, true) if silent => (peer.agreed_life, Verdict::Lost),
                _ => continue,
            };
            // A proposal may get lost; it is made again, but not with every tick.
            let again = match peer.proposed {
                Some((life, word, at)) if (life, word) == verdict => {
                    now >= at + self.config.ceiling
                }
                _ => true,
            };
            if again {
                news.push((node.clone(), verdict));
            }
        }
        if self.is_unknown(now) {
            self.told_own = Some(now);
            news.push((self.node.clone(), (self.life, Verdict::Alive)));
        }
        for (node, (life, verdict)) in news {
            if let Some(peer) = self.peers.get_mut(&node) {
                peer.proposed = Some((life, verdict, now));
            }
            self.outputs.push_back(Output::Propose { node, life, verdict });
        }
    }
}
