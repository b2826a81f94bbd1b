//! Who is there, how far each one's log goes, and who leads: once that is known, one stands.
//!
//! Whoever comes into the group, or loses its leader, says how far its log goes and asks the others
//! to. When all have answered, all see the same best: the longest log, and of several the lowest seat.
//! That one stands; a voter that is promised to nobody in the term, hears no leader, and whose own log
//! ends no later, promises itself. Who does not answer in time is not waited for for ever.

use std::collections::{BTreeMap, BTreeSet};

use base::Instant;
use cluster::Role;
use cluster::seam::Tell;

use super::{Machine, Output, Post};
use crate::words::{Hello, Id, Members, Packet, Peer, Place, Seat, Slot, What, Word};

impl Machine {
    /// These are in the group now.
    pub(super) fn regroup(&mut self, now: Instant, seats: &BTreeSet<Seat>) {
        let came = seats.iter().any(|it| !self.group.contains_key(it));
        self.group.retain(|seat, _| seats.contains(seat));
        for seat in seats {
            self.group.entry(*seat).or_insert(None);
        }
        self.fresh.clear();
        let left =
            self.leader.is_some_and(|(id, _)| id != self.config.id && self.seat(id).is_none());
        if left || !self.has_quorum() {
            self.lose(now);
        }
        if came || self.leader.is_none() {
            self.retry_at = now + self.config.patience;
            self.greet(true);
        }
    }

    /// What Corosync says of quorum.
    pub(super) fn counted(&mut self, now: Instant, quorate: bool, expected: u32) {
        let before = core::mem::replace(&mut self.quorum, (quorate, expected));
        if before != self.quorum {
            self.fresh.clear();
            self.greet(true);
        }
        if !quorate {
            self.lose(now);
        }
    }

    fn seats(&self) -> u64 {
        let number = |it: &Seat| (u64::from(it.node) << 32) | u64::from(it.process);
        // FNV-1a, a word at a time.
        self.group.keys().fold(0xcbf2_9ce4_8422_2325, |digest: u64, seat| {
            (digest ^ number(seat)).wrapping_mul(0x0100_0000_01b3)
        })
    }

    fn greet(&mut self, asks: bool) {
        if self.group.is_empty() {
            return;
        }
        let hello = Hello {
            name: self.config.name.clone(),
            role: self.config.role,
            term: self.term,
            last: self.log.last(),
            founding: self.config.founding,
            expected: self.quorum.1,
            asks,
            seats: self.seats(),
        };
        // A promise or an entry that is not on disk yet must not be counted on.
        self.swear(Word::Hello(hello));
    }

    /// Somebody's words.
    pub(super) fn heard(&mut self, now: Instant, seat: Seat, packet: Packet) {
        let Packet { cluster, from, word } = packet;
        if !self.group.contains_key(&seat) {
            return;
        }
        if let Word::Hello(hello) = word {
            return self.met(now, seat, (cluster, from), hello);
        }
        if let Word::Found(number, members) = word {
            return self.found(number, members);
        }
        let known =
            self.group.get(&seat).and_then(Option::as_ref).is_some_and(|(id, _)| *id == from);
        // Who has promised nothing in its cluster follows the leader of any; nobody else's words count.
        let leads = matches!(
            word,
            Word::Stand(..) | Word::Append { .. } | Word::Install(..) | Word::Round(..)
        );
        let ours = cluster != 0 && (cluster == self.cluster || (self.untouched() && leads));
        if !known || !ours {
            return;
        }
        match word {
            Word::Hello(_) | Word::Found(..) => {}
            Word::Stand(term, last) => self.stands(now, (cluster, from), term, last),
            Word::Promise(term, to) => self.promised(now, from, term, to),
            Word::Append { term, before, slots, last } => {
                if self.follow(now, cluster, from, term) {
                    self.append(now, before, slots, last);
                }
            }
            Word::Install(term, snapshot) => {
                if self.follow(now, cluster, from, term) {
                    self.install(now, snapshot);
                }
            }
            Word::Round(term, number, last) => {
                if self.follow(now, cluster, from, term) {
                    let have = self.have.get(&self.config.id).copied().unwrap_or(0);
                    self.swear(Word::Here(term, number, have));
                    // A leader has written what it says.
                    self.has(now, from, term, last);
                    self.lacks(now, last);
                } else if term < self.term && from != self.config.id {
                    // It cannot know that somebody here is promised to a later term.
                    self.greet(false);
                }
            }
            Word::Here(term, number, index) => {
                self.here(from, term, number);
                self.has(now, from, term, index);
            }
            Word::Have(term, index) => self.has(now, from, term, index),
            Word::Lack { term, base, runs } => self.supply(from, term, base, &runs),
            Word::Propose { term, to, life, entries } => {
                self.take_up(term, to, (from, life), entries)
            }
            Word::Expel { term, to, mark, name } => self.expel(term, to, mark, &name),
            Word::Note(to, message) => {
                if to == self.config.name
                    && let Some(name) = self.called(from)
                {
                    self.outputs.push_back(Output::Message(name, message));
                }
            }
        }
    }

    fn met(&mut self, now: Instant, seat: Seat, (cluster, from): (u64, Id), hello: Hello) {
        let own = from == self.config.id;
        let twice = self.seat(from).is_some_and(|it| it != seat);
        if own && twice {
            let why = "another process of this group lives by the same home: end one, and give each node \
                       a home of its own";
            self.ended = true;
            return self.outputs.push_back(Output::Tell(Tell::Ended(why.into())));
        }
        let untouched = self.untouched() || (hello.term == 0 && hello.last.term == 0);
        let foreign = cluster != self.cluster && !untouched;
        if foreign || hello.founding != self.config.founding {
            // It has spoken, and is not waited for.
            self.fresh.insert(seat);
            if self.strangers.insert(from.0) {
                self.event(format!(
                    "{} belongs to another cluster, or to one that began otherwise (document or lease): \
                     it is not listened to",
                    hello.name
                ));
            }
            return;
        }
        let namesake = |(id, it): &(Id, Hello)| *id != from && it.name == hello.name;
        if self.group.values().flatten().any(namesake) && self.strangers.insert(from.0) {
            self.event(format!("two nodes call themselves {}: rename one", hello.name));
        }
        let (asks, term) = (hello.asks, hello.term);
        // What was said before its group was this one may be true no more.
        let fresh = hello.seats == self.seats();
        let name = hello.name.clone();
        let before = self.group.insert(seat, Some((from, hello)));
        if before.flatten().is_none() && !own {
            self.event(format!("{name} is reached"));
        }
        if fresh {
            self.fresh.insert(seat);
        }
        if asks && !own {
            self.greet(false);
        }
        // Somebody has promised itself to a later term: this one's leader cannot reach it any more.
        if term > self.term && self.leads() {
            self.rise(term);
            self.lose(now);
            self.tell_leadership();
        }
    }

    /// Has somebody stand, or a cluster begin, when it is clear who and which.
    pub(super) fn elect(&mut self, now: Instant) {
        if self.leader.is_some() || self.leads() || self.ended {
            return;
        }
        let late = self.retry_at <= now;
        let able = !self.group.is_empty() && self.quorum.0;
        let all = self.group.keys().all(|seat| self.fresh.contains(seat));
        let stood = self.stood_at.is_some_and(|at| now < at + self.config.patience);
        if able && all && self.begins() {
            // All wait for the one who says so.
        } else if able && (all || late) && !stood && self.has_quorum() && self.is_best() {
            return self.stand(now);
        }
        if late {
            // Whoever was silent may speak now; and of two that stood one is first the next time.
            self.retry_at = now + self.config.patience + self.config.round * self.rank();
            self.fresh.clear();
            self.greet(true);
        }
    }

    fn voters(&self) -> impl Iterator<Item = (Seat, Id, &Hello)> {
        let members = self.members();
        self.group.iter().filter_map(move |(seat, it)| {
            let (id, hello) = it.as_ref()?;
            (self.fresh.contains(seat) && members.is_voter(*id)).then_some((*seat, *id, hello))
        })
    }

    /// Whether this member is the one to stand, by what was said lately.
    fn is_best(&self) -> bool {
        let best =
            self.voters().max_by_key(|(seat, _, hello)| (hello.last, core::cmp::Reverse(*seat)));
        best.is_some_and(|(_, id, _)| id == self.config.id)
    }

    fn rank(&self) -> u32 {
        let own = self.seat(self.config.id);
        let before = self.group.keys().filter(|seat| own.is_some_and(|own| **seat < own)).count();
        u32::try_from(before).unwrap_or(u32::MAX).min(16)
    }

    fn stand(&mut self, now: Instant) {
        let known = self.group.values().flatten().map(|(_, hello)| hello.term).max();
        self.rise(self.term.max(known.unwrap_or(0)) + 1);
        self.stood_at = Some(now);
        self.retry_at = now + self.config.patience + self.config.round * self.rank();
        self.voted = Some(self.config.id);
        self.write.term = Some((self.term, self.voted));
        self.post = Post::Standing(BTreeSet::from([self.config.id]));
        let last = self.log.last();
        self.swear(Word::Stand(self.term, last));
        self.tell_leadership();
        self.tally(now);
    }

    fn stands(&mut self, now: Instant, (cluster, from): (u64, Id), term: u64, last: Place) {
        if from == self.config.id || term < self.term || cluster == 0 {
            return;
        }
        // Whoever is led stays so: one that came back has to follow, not to lead.
        if self.leader.is_some() {
            return;
        }
        self.adopt(cluster);
        self.rise(term);
        let free = self.voted.is_none_or(|it| it == from);
        if !free || last < self.log.last() || matches!(self.post, Post::Standing(_)) {
            return self.flush();
        }
        self.voted = Some(from);
        self.write.term = Some((term, self.voted));
        self.retry_at = now + self.config.patience + self.config.round * self.rank();
        self.swear(Word::Promise(term, from));
        self.tell_leadership();
    }

    /// Whether this member has promised nothing and has at most been told who founds its cluster: that may
    /// have been lost on the way to others, who then began another.
    fn untouched(&self) -> bool {
        self.term == 0 && self.log.last().term == 0 && self.log.base().index == 0
    }

    /// Belongs to the cluster of whoever leads.
    pub(super) fn adopt(&mut self, cluster: u64) {
        if self.cluster != cluster {
            self.cluster = cluster;
            self.write.cluster = Some(cluster);
            self.cut(1);
        }
    }

    fn promised(&mut self, now: Instant, from: Id, term: u64, to: Id) {
        if term != self.term || to != self.config.id {
            return;
        }
        if let Post::Standing(with) = &mut self.post {
            with.insert(from);
            self.tally(now);
        }
    }

    fn tally(&mut self, now: Instant) {
        let Post::Standing(with) = &self.post else { return };
        if self.members().is_quorum(|id| with.contains(&id)) && self.has_quorum() {
            self.begin_leading(now);
        }
    }

    /// Nobody who is there has ever belonged to a cluster, and all are there that Corosync expects: one
    /// of them says that these are its members.
    fn begins(&mut self) -> bool {
        let told: Vec<(&Seat, &Id, &Hello)> = self
            .group
            .iter()
            .filter_map(|(seat, it)| it.as_ref().map(|(id, hello)| (seat, id, hello)))
            .collect();
        // A voter that was told who founds its cluster stands for that one; of others it does not matter.
        let told_before = |it: &Hello| it.last.index > 0 && it.role != Role::Learner;
        let fresh = |it: &Hello| it.term == 0 && it.last.term == 0 && !told_before(it);
        let expected = self.quorum.1;
        let same = told.iter().all(|(_, _, it)| fresh(it) && it.expected == expected);
        let votes = told.iter().filter(|(_, _, it)| it.role != Role::Learner);
        let lowest = votes.clone().map(|(seat, id, _)| (**seat, **id)).min();
        let names: BTreeSet<_> = told.iter().map(|(_, _, it)| &it.name).collect();
        let whole = told.len() == self.group.len()
            && names.len() == told.len()
            && u32::try_from(votes.count()) == Ok(expected);
        if self.cluster != 0 || !same || !whole || expected == 0 || self.log.last().index > 0 {
            return false;
        }
        if lowest.is_none_or(|(_, id)| id != self.config.id) {
            return true;
        }
        let peer = |it: &Hello| Peer { name: it.name.clone(), role: it.role };
        let all: BTreeMap<Id, Peer> = told.iter().map(|(_, id, it)| (**id, peer(it))).collect();
        let number = self.config.chance | 1;
        self.say(Word::Found(number, Members { all, gone: BTreeSet::new() }));
        // Said once: whoever hears it, this member as well, has a cluster then.
        self.fresh.clear();
        true
    }

    fn found(&mut self, number: u64, members: Members) {
        let virgin = self.cluster == 0 && self.log.last().index == 0 && self.term == 0;
        if !virgin || !members.all.contains_key(&self.config.id) || number == 0 {
            return;
        }
        self.cluster = number;
        self.write.cluster = Some(number);
        let slot = Slot { term: 0, mark: None, what: What::Members(members) };
        self.put(slot);
        self.fresh.clear();
        // As all who are there do: then it is clear who stands.
        self.greet(false);
    }
}
