//! What a member does with a leader's words, and what follows when a quorum has something on disk.

use base::Instant;
use cluster::seam::{Failure, Tell, Ticket};

use super::{Machine, Output, Post};
use crate::log::weight;
use crate::words::{Id, Place, Slot, Snapshot, What, Word};

impl Machine {
    /// Whether this member follows whoever said something as this term's leader.
    pub(super) fn follow(&mut self, now: Instant, cluster: u64, from: Id, term: u64) -> bool {
        if from == self.config.id || term < self.term {
            return false;
        }
        self.adopt(cluster);
        self.rise(term);
        if self.leads() {
            // A term has one leader: somebody uses this member's home as well, or is no member at all.
            return false;
        }
        self.post = Post::Follower;
        self.leader = Some((from, now));
        self.stood_at = None;
        self.tell_leadership();
        true
    }

    /// The leader's entries.
    pub(super) fn append(&mut self, now: Instant, before: Place, slots: Vec<Slot>, last: u64) {
        let base = self.log.base();
        let (before, slots) = if before.index < base.index {
            // What is before the base is committed, and therefore the same.
            let known = usize::try_from(base.index - before.index).unwrap_or(usize::MAX);
            (base, slots.into_iter().skip(known).collect())
        } else {
            (before, slots)
        };
        if !self.log.agrees(before) {
            return self.lacks(now, last);
        }
        let mut index = before.index;
        for slot in slots {
            index += 1;
            match self.log.term(index) {
                Some(term) if term == slot.term => {}
                Some(_) => {
                    assert!(index > self.commit, "what a quorum has is in every leader's log");
                    self.cut(index);
                    self.put(slot);
                }
                None => {
                    self.put(slot);
                }
            }
        }
        if self.matched.is_none_or(|it| it < index) {
            (self.matched, self.lacked) = (Some(index), None);
            self.owes = true;
        }
        self.lacks(now, last);
    }

    /// Asks for what is missing up to this index of the leader's, once in a while.
    pub(super) fn lacks(&mut self, now: Instant, last: u64) {
        if self.matched.is_some_and(|it| it >= last) || self.lacked.is_some() {
            return;
        }
        self.lacked = Some(now);
        let (term, base, runs) = (self.term, self.log.base(), self.log.runs());
        self.say(Word::Lack { term, base, runs });
    }

    /// The leader's snapshot, for whoever needs it.
    pub(super) fn install(&mut self, now: Instant, snapshot: Snapshot) {
        let at = snapshot.at;
        if at.index <= self.commit {
            return;
        }
        if self.log.agrees(at) {
            self.log.trim(at.index);
        } else {
            self.log = crate::log::Log::new(at, snapshot.members.clone(), Vec::new());
            self.write.append.clear();
            self.write.cut = Some(at.index + 1);
        }
        self.write.append.retain(|(index, _)| *index > at.index);
        self.write.base = Some((at, snapshot.members.clone()));
        self.write.snapshot = Some(snapshot.clone());
        self.commit = at.index;
        self.matched = self.matched.max(Some(at.index));
        (self.octets, self.taking, self.lacked, self.owes) = (0, false, None, true);
        self.flush();
        let (index, bytes) = (at.index, snapshot.bytes.clone());
        self.snapshot = Some(snapshot);
        self.outputs.push_back(Output::Tell(Tell::Install { index, bytes }));
        self.tell_members(index);
        // What was asked for here may be in it, or not.
        let open: Vec<Ticket> = self.asked.keys().copied().collect();
        for ticket in open {
            self.answer(ticket, Err(Failure::Unknown));
        }
        self.advance(now);
    }

    pub(super) fn put(&mut self, slot: Slot) {
        let index = self.log.push(slot.clone());
        self.write.append.push((index, slot));
    }

    pub(super) fn cut(&mut self, from: u64) {
        self.log.cut(from);
        self.write.append.retain(|(index, _)| *index < from);
        self.write.cut = Some(self.write.cut.map_or(from, |cut| cut.min(from)));
    }

    /// All that had arrived was handed over: what was collected goes together.
    pub(super) fn idle(&mut self, now: Instant) {
        self.offer();
        if self.leads() {
            self.dispatch(now);
        }
        if core::mem::take(&mut self.owes)
            && let Some(matched) = self.matched
        {
            self.swear(Word::Have(self.term, matched));
            self.have.insert(self.config.id, matched);
            self.advance(now);
        }
        self.flush();
    }

    /// Somebody has the leader's log on disk up to this index.
    pub(super) fn has(&mut self, now: Instant, from: Id, term: u64, index: u64) {
        if term != self.term || from == self.config.id {
            return;
        }
        let before = self.have.entry(from).or_insert(0);
        if index > *before {
            *before = index;
            self.advance(now);
        }
    }

    /// Looks what a quorum has.
    pub(super) fn advance(&mut self, now: Instant) {
        let own = self.have.get(&self.config.id).copied().unwrap_or(0);
        let Some(matched) = self.matched.map(|it| it.min(own)) else { return };
        let members = self.log.members(matched);
        let reached = members.reached(|id| self.have.get(&id).copied().unwrap_or(0)).min(matched);
        // An entry of an earlier term counts by one of this term after it, never by itself: a later
        // leader might not have it.
        if reached > self.commit && self.log.term(reached) == Some(self.term) {
            self.commit(now, reached);
        }
    }

    fn commit(&mut self, now: Instant, upto: u64) {
        let mut answers = Vec::new();
        while self.commit < upto {
            self.commit += 1;
            let index = self.commit;
            let Some(slot) = self.log.get(index).cloned() else { break };
            self.octets += weight(&slot);
            match slot.what {
                What::Entry(entry) => {
                    self.outputs.push_back(Output::Tell(Tell::Committed { index, entry }));
                }
                What::Members(_) => self.tell_members(index),
                What::Blank => {
                    // Whatever an earlier leader was asked for is before this, or nowhere.
                    let lost = self.asked.iter().filter(|(_, it)| it.term < slot.term);
                    let lost = lost.map(|(ticket, _)| *ticket);
                    let why = || Failure::Refused("the leader it was given to was lost".into());
                    answers.extend(lost.map(|ticket| (index, ticket, Err(why()))));
                }
            }
            if let Some(mark) = slot.mark
                && (mark.id, mark.life) == (self.config.id, self.config.chance)
            {
                answers.retain(|(_, ticket, _)| *ticket != Ticket(mark.ticket));
                answers.push((index, Ticket(mark.ticket), Ok(index)));
            }
        }
        if let Post::Leading(leading) = &mut self.post
            && leading.began <= upto
        {
            leading.told = true;
            self.tell_leadership();
        }
        for (_, ticket, answer) in answers {
            if self.asked.contains_key(&ticket) {
                self.answer(ticket, answer);
            }
        }
        let since = upto - self.snapshot.as_ref().map_or(0, |it| it.at.index);
        let long =
            since >= self.config.snapshot_after || self.octets >= self.config.snapshot_octets;
        if long && !self.taking {
            self.taking = true;
            self.outputs.push_back(Output::Tell(Tell::Take));
        }
        if self.leads() && !self.log.members(upto).is_voter(self.config.id) {
            // It has led its own leave-taking.
            self.lose(now);
        }
    }

    /// The state after an entry: the log before it may go.
    pub(super) fn keep(&mut self, index: u64, bytes: Vec<u8>) {
        self.taking = false;
        let older = self.snapshot.as_ref().is_some_and(|it| it.at.index >= index);
        let Some(term) = self.log.term(index).filter(|_| !older && index <= self.commit) else {
            return;
        };
        let members = self.log.members(index).clone();
        let snapshot = Snapshot { at: Place { term, index }, members, bytes };
        self.write.snapshot = Some(snapshot.clone());
        self.snapshot = Some(snapshot);
        self.octets = 0;
        // Some is kept for those that were away for a moment.
        let floor = index.saturating_sub(self.config.snapshot_after / 4);
        if floor > self.log.base().index {
            self.log.trim(floor);
            let base = self.log.base();
            self.write.append.retain(|(index, _)| *index > base.index);
            self.write.base = Some((base, self.log.members(base.index).clone()));
        }
        self.flush();
    }
}
