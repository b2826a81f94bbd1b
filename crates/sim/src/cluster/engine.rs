//! A small Raft that keeps the promises of `cluster::seam`, with a disk that syncs later.
//!
//! What is on disk is apart from what is in memory: a crash loses the tail that was not synced. What
//! depends on the disk (votes, acknowledgements) leaves only when it is there. An isolated leader goes
//! on believing that it leads. There is neither pre-vote nor a transfer of leadership; the log is never
//! cut, and the members are all voters from the beginning.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use base::{Instant, Name};
use cluster::Entry;
use cluster::seam::{Ask, Failure, Leadership, Tell, Ticket};

use crate::Random;

const ROUND: Duration = Duration::from_millis(50);
const ELECTION: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(1);

/// A place in the log; `None` is the entry by which a leader begins.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    term: u64,
    entry: Option<Rc<Entry>>,
}

/// What engines tell each other.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    Vote { term: u64, last: (u64, usize) },
    Voted { term: u64 },
    Append { term: u64, before: (u64, usize), places: Vec<Place>, commit: usize, round: Instant },
    Appended { term: u64, matched: Option<usize>, round: Instant },
    Forward { ticket: Ticket, entry: Rc<Entry> },
    Forwarded { ticket: Ticket, answer: Result<u64, Failure> },
}

/// Packets, and to whom.
type Letters = Vec<(Name, Packet)>;

/// What survives a crash.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hard {
    term: u64,
    voted: Option<Name>,
    log: Vec<Place>,
}

impl Hard {
    pub(crate) fn is_empty(&self) -> bool {
        self.log.is_empty()
    }
}

#[derive(Debug)]
struct Peer {
    next: usize,
    matched: usize,
    answered: Option<Instant>,
}

#[derive(Debug)]
enum Post {
    Follower,
    Candidate(Vec<Name>),
    Leader { began: usize, peers: BTreeMap<Name, Peer>, told: bool, confirmed: Option<Instant> },
}

/// One node's engine.
#[derive(Debug)]
pub(crate) struct Engine {
    me: Name,
    others: Vec<Name>,
    disk: Hard,
    hard: Hard,
    /// From here on the log in memory differs from the disk's.
    changed: Option<usize>,
    dirty: bool,
    sync_ends: Option<(Instant, Hard)>,
    /// Wait for the sync under way, and for the one after it.
    waits: (Letters, Letters),
    post: Post,
    leader: Option<Name>,
    commit: usize,
    told: usize,
    election_at: Instant,
    round_at: Instant,
    own: BTreeMap<usize, (Name, Ticket)>,
    asked: BTreeMap<Ticket, (Instant, Option<u64>)>,
    random: Random,
    tells: VecDeque<Tell>,
    packets: VecDeque<(Name, Packet)>,
    /// The disk takes nothing: this engine has ended.
    broken: bool,
    /// Until then a sync takes up to so many milliseconds.
    slow: (Instant, u64),
}

impl Engine {
    /// From what the disk holds.
    pub(crate) fn new(now: Instant, me: Name, others: Vec<Name>, disk: Hard, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let wait = ELECTION + Duration::from_millis(random.below(300));
        Self {
            me,
            others,
            hard: disk.clone(),
            disk,
            changed: None,
            dirty: false,
            sync_ends: None,
            waits: (Vec::new(), Vec::new()),
            post: Post::Follower,
            leader: None,
            commit: 0,
            told: 0,
            election_at: now + wait,
            round_at: now,
            own: BTreeMap::new(),
            asked: BTreeMap::new(),
            random,
            tells: VecDeque::new(),
            packets: VecDeque::new(),
            broken: false,
            slow: (now, 0),
        }
    }

    /// What is on disk.
    pub(crate) fn on_disk(&self) -> Hard {
        self.disk.clone()
    }

    /// The disk takes nothing any more.
    pub(crate) fn break_disk(&mut self, why: &str) {
        self.broken = true;
        self.packets.clear();
        self.tells.push_back(Tell::Ended(why.to_owned()));
    }

    /// Until then the disk takes up to so many milliseconds for a sync.
    pub(crate) fn slow_disk(&mut self, until: Instant, most: u64) {
        self.slow = (until, most);
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// The cluster begins with this entry on every disk.
    pub(crate) fn found(&mut self, entry: Entry) {
        let place = Place { term: 0, entry: Some(Rc::new(entry)) };
        self.hard.log.push(place.clone());
        self.disk.log.push(place);
    }

    /// What a crash leaves.
    pub(crate) fn crash(self) -> Hard {
        self.disk
    }

    pub(crate) fn poll_tell(&mut self) -> Option<Tell> {
        self.tells.pop_front()
    }

    pub(crate) fn poll_packet(&mut self) -> Option<(Name, Packet)> {
        self.packets.pop_front()
    }

    pub(crate) fn ask(&mut self, now: Instant, ask: Ask) {
        let Ask::Propose(ticket, entry) = ask else { return };
        if self.broken {
            let refused = Failure::Refused("the engine has ended".to_owned());
            self.tells.push_back(Tell::Answered(ticket, Err(refused)));
            return;
        }
        match (&self.post, self.leader.clone()) {
            (Post::Leader { .. }, _) => {
                self.append(Some(Rc::new(entry)), Some((self.me.clone(), ticket)));
                self.round_at = now;
            }
            (_, Some(leader)) => {
                self.asked.insert(ticket, (now + PATIENCE, None));
                self.packets.push_back((leader, Packet::Forward { ticket, entry: Rc::new(entry) }));
            }
            _ => {
                let refused = Failure::Refused("nobody leads".to_owned());
                self.tells.push_back(Tell::Answered(ticket, Err(refused)));
            }
        }
    }

    fn append(&mut self, entry: Option<Rc<Entry>>, by: Option<(Name, Ticket)>) {
        let at = self.hard.log.len();
        self.hard.log.push(Place { term: self.hard.term, entry });
        self.touch(Some(at));
        if let Some(by) = by {
            self.own.insert(at + 1, by);
        }
    }

    fn touch(&mut self, at: Option<usize>) {
        self.dirty = true;
        if let Some(at) = at {
            self.changed = Some(self.changed.map_or(at, |it| it.min(at)));
        }
    }

    /// Sends what must not leave before the disk has what it speaks of.
    fn send_durable(&mut self, to: Name, packet: Packet) {
        let entry = matches!(packet, Packet::Appended { .. });
        if entry && base::planted!(UnsyncedEntry) {
            self.packets.push_back((to, packet));
        } else if self.dirty {
            self.waits.1.push((to, packet));
        } else if self.sync_ends.is_some() {
            self.waits.0.push((to, packet));
        } else {
            self.packets.push_back((to, packet));
        }
    }

    fn quorum(&self) -> usize {
        cluster::membership::majority(self.others.len() + 1)
    }

    fn last(&self) -> (u64, usize) {
        (self.hard.log.last().map_or(0, |it| it.term), self.hard.log.len())
    }

    fn rest(&mut self, now: Instant) {
        self.election_at = now + ELECTION + Duration::from_millis(self.random.below(300));
    }

    fn lead_told(&mut self, leader: Option<Name>) {
        self.leader.clone_from(&leader);
        self.tells.push_back(Tell::Leads(Leadership { term: self.hard.term, leader }));
    }

    /// Learns of a term; follows in it.
    fn follow(&mut self, term: u64) {
        if term > self.hard.term {
            (self.hard.term, self.hard.voted) = (term, None);
            self.touch(None);
        }
        self.post = Post::Follower;
        for (_, (by, ticket)) in core::mem::take(&mut self.own) {
            let answer = Err(Failure::Unknown);
            if by == self.me {
                self.tells.push_back(Tell::Answered(ticket, answer));
            } else {
                self.packets.push_back((by, Packet::Forwarded { ticket, answer }));
            }
        }
        self.lead_told(None);
    }

    pub(crate) fn heard(&mut self, now: Instant, from: Name, packet: Packet) {
        if self.broken {
            return;
        }
        match packet {
            Packet::Vote { term, last } => {
                if term > self.hard.term {
                    self.follow(term);
                }
                let free = self.hard.voted.as_ref().is_none_or(|it| *it == from);
                if term == self.hard.term && free && last >= self.last() {
                    self.hard.voted = Some(from.clone());
                    self.touch(None);
                    self.rest(now);
                    self.send_durable(from, Packet::Voted { term });
                }
            }
            Packet::Voted { term } => {
                let ours = term == self.hard.term;
                if let Post::Candidate(votes) = &mut self.post
                    && ours
                    && !votes.contains(&from)
                {
                    votes.push(from);
                    self.count(now);
                }
            }
            Packet::Append { term, before, places, commit, round } => {
                if term < self.hard.term {
                    // It learns of the later term by this.
                    let term = self.hard.term;
                    let packet = Packet::Appended { term, matched: None, round };
                    self.send_durable(from, packet);
                    return;
                }
                if term > self.hard.term || matches!(self.post, Post::Candidate(_)) {
                    self.follow(term);
                }
                self.rest(now);
                if self.leader.as_ref() != Some(&from) {
                    self.lead_told(Some(from.clone()));
                }
                let matched = self.take(before, places);
                if let Some(matched) = matched {
                    self.commit = self.commit.max(commit.min(matched));
                }
                self.send_durable(from, Packet::Appended { term, matched, round });
            }
            Packet::Appended { term, .. } if term > self.hard.term => self.follow(term),
            Packet::Appended { term, matched, round } => {
                let ours = term == self.hard.term;
                if let Post::Leader { peers, .. } = &mut self.post
                    && ours
                    && let Some(peer) = peers.get_mut(&from)
                {
                    peer.answered = peer.answered.max(Some(round));
                    match matched {
                        Some(matched) => {
                            peer.matched = peer.matched.max(matched);
                            peer.next = peer.matched;
                        }
                        None => peer.next = peer.next.saturating_sub(50).max(peer.matched),
                    }
                    self.confirm();
                }
            }
            Packet::Forward { ticket, entry } => {
                if matches!(self.post, Post::Leader { .. }) {
                    self.append(Some(entry), Some((from, ticket)));
                    self.round_at = now;
                } else {
                    let answer = Err(Failure::Refused("it does not lead".to_owned()));
                    self.packets.push_back((from, Packet::Forwarded { ticket, answer }));
                }
            }
            Packet::Forwarded { ticket, answer } => match (self.asked.get_mut(&ticket), answer) {
                (Some(asked), Ok(index)) => asked.1 = Some(index),
                (Some(_), Err(failure)) => {
                    self.asked.remove(&ticket);
                    self.tells.push_back(Tell::Answered(ticket, Err(failure)));
                }
                (None, _) => {}
            },
        }
    }

    /// Takes places behind one that both have; up to where the log is the leader's.
    fn take(&mut self, before: (u64, usize), places: Vec<Place>) -> Option<usize> {
        let known =
            before.1 == 0 || self.hard.log.get(before.1 - 1).is_some_and(|it| it.term == before.0);
        if !known {
            return None;
        }
        let matched = before.1 + places.len();
        for (at, place) in (before.1..).zip(places) {
            match self.hard.log.get(at) {
                Some(it) if it.term == place.term => continue,
                Some(_) => self.hard.log.truncate(at),
                None => {}
            }
            self.hard.log.push(place);
            self.touch(Some(at));
        }
        Some(matched)
    }

    fn count(&mut self, now: Instant) {
        let Post::Candidate(votes) = &self.post else { return };
        if votes.len() < self.quorum() {
            return;
        }
        let next = self.hard.log.len();
        let peer = |name: &Name| (name.clone(), Peer { next, matched: 0, answered: None });
        let peers = self.others.iter().map(peer).collect();
        self.post = Post::Leader { began: next + 1, peers, told: false, confirmed: None };
        self.append(None, None);
        self.round_at = now;
    }

    fn confirm(&mut self) {
        let needed = self.quorum() - 1;
        let synced = self.synced();
        let Post::Leader { began, peers, told, confirmed } = &mut self.post else { return };
        let nth = |mut all: Vec<Option<Instant>>| {
            all.sort();
            all.into_iter().rev().nth(needed.saturating_sub(1)).flatten()
        };
        let mut matched: Vec<usize> = peers.values().map(|it| it.matched).collect();
        matched.push(synced);
        matched.sort_unstable();
        let safe = matched.into_iter().rev().nth(needed).unwrap_or(0);
        if safe >= *began {
            self.commit = self.commit.max(safe);
        }
        if *told && needed > 0 {
            let round = nth(peers.values().map(|it| it.answered).collect());
            if round > *confirmed {
                *confirmed = round;
                self.tells.extend(round.map(Tell::Confirmed));
            }
        }
    }

    fn synced(&self) -> usize {
        if base::planted!(UnsyncedEntry) {
            return self.hard.log.len();
        }
        match &self.sync_ends {
            Some(_) => self.disk.log.len().min(self.hard.log.len()),
            None if self.dirty => self.changed.unwrap_or(self.hard.log.len()),
            None => self.hard.log.len(),
        }
    }

    pub(crate) fn tick(&mut self, now: Instant) {
        if self.broken {
            return;
        }
        if let Some((ends, hard)) = self.sync_ends.take() {
            if ends <= now {
                self.disk = hard;
                let done = core::mem::take(&mut self.waits.0);
                self.packets.extend(done);
            } else {
                self.sync_ends = Some((ends, hard));
            }
        }
        if self.dirty && self.sync_ends.is_none() {
            let most = if now < self.slow.0 { self.slow.1 } else { 12 };
            let took = Duration::from_millis(1 + self.random.below(most));
            self.sync_ends = Some((now + took, self.hard.clone()));
            (self.dirty, self.changed) = (false, None);
            self.waits.0 = core::mem::take(&mut self.waits.1);
        }
        let leads = matches!(self.post, Post::Leader { .. });
        if !leads && now >= self.election_at {
            self.follow(self.hard.term + 1);
            self.hard.voted = Some(self.me.clone());
            self.rest(now);
            // Its own vote counts when it is on disk.
            self.post = Post::Candidate(Vec::new());
            let (term, last) = (self.hard.term, self.last());
            for to in self.others.clone() {
                self.send_durable(to, Packet::Vote { term, last });
            }
        }
        let own = matches!(&self.post, Post::Candidate(votes) if !votes.contains(&self.me));
        if own && self.disk.term == self.hard.term {
            if let Post::Candidate(votes) = &mut self.post {
                votes.push(self.me.clone());
            }
            self.count(now);
        }
        self.confirm();
        if now >= self.round_at {
            self.round(now);
        }
        self.tell(now);
    }

    fn round(&mut self, now: Instant) {
        let Post::Leader { peers, told, .. } = &mut self.post else { return };
        self.round_at = now + ROUND;
        for (to, peer) in peers.iter() {
            let before = peer.next.checked_sub(1).and_then(|at| self.hard.log.get(at));
            let before = (before.map_or(0, |it| it.term), peer.next);
            let places = self.hard.log.iter().skip(peer.next).take(200).cloned().collect();
            let (term, commit, round) = (self.hard.term, self.commit, now);
            let packet = Packet::Append { term, before, places, commit, round };
            self.packets.push_back((to.clone(), packet));
        }
        if *told && peers.is_empty() {
            self.tells.push_back(Tell::Confirmed(now));
        }
    }

    fn tell(&mut self, now: Instant) {
        while self.told < self.commit {
            let place = self.hard.log[self.told].clone();
            self.told += 1;
            let index = u64::try_from(self.told).unwrap_or(u64::MAX);
            if let Some(entry) = place.entry {
                self.tells.push_back(Tell::Committed { index, entry: (*entry).clone() });
            }
            if let Some((by, ticket)) = self.own.remove(&self.told) {
                let answer = Ok(index);
                if by == self.me {
                    self.tells.push_back(Tell::Answered(ticket, answer));
                } else {
                    self.packets.push_back((by, Packet::Forwarded { ticket, answer }));
                }
            }
        }
        let reached = u64::try_from(self.told).unwrap_or(u64::MAX);
        let tells = &mut self.tells;
        self.asked.retain(|ticket, (until, index)| {
            let answer = match index {
                Some(index) if *index <= reached => Ok(*index),
                _ if *until <= now => Err(Failure::Unknown),
                _ => return true,
            };
            tells.push_back(Tell::Answered(*ticket, answer));
            false
        });
        let me = self.me.clone();
        if let Post::Leader { began, told, .. } = &mut self.post
            && !*told
            && self.told >= *began
        {
            *told = true;
            self.lead_told(Some(me));
        }
    }
}
