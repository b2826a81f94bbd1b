//! What a leader does: it puts what is proposed into the log, asks whether it still leads, gives what
//! others lack, and has members come and go, one at a time.

use std::collections::{BTreeMap, BTreeSet};

use base::{Instant, Name};
use cluster::Entry;
use cluster::seam::{Failure, Tell, Ticket};

use super::{ANSWER, Asked, Machine, Output, Post};
use crate::log::weight;
use crate::words::{Id, Mark, Members, Peer, Place, Slot, What, Word};

/// How many entries, and about how many octets, go in one message.
const MANY: usize = 256;
const LONG: usize = 512 << 10;
/// No single entry is longer than this.
const LONGEST: usize = 4 << 20;
/// Who lacks no more than this is let in.
const NEAR: u64 = 64;

/// A leader's own.
#[derive(Clone, Debug)]
pub(super) struct Leading {
    /// The index of the entry by which it began.
    pub(super) began: u64,
    /// Whether that is committed, and said.
    pub(super) told: bool,
    pub(super) round_at: Instant,
    number: u64,
    rounds: BTreeMap<u64, (Instant, BTreeSet<Id>)>,
    queue: Vec<Slot>,
    wishes: Vec<(Mark, Name)>,
}

impl Machine {
    pub(super) fn begin_leading(&mut self, now: Instant) {
        let last = self.log.last();
        self.leader = Some((self.config.id, now));
        self.matched = Some(last.index);
        self.have.clear();
        self.have.insert(self.config.id, last.index);
        let blank = Slot { term: self.term, mark: None, what: What::Blank };
        self.post = Post::Leading(Leading {
            began: last.index + 1,
            told: false,
            round_at: now,
            number: 0,
            rounds: BTreeMap::new(),
            queue: vec![blank],
            wishes: Vec::new(),
        });
        self.dispatch(now);
        self.round(now);
    }

    /// Puts what waits into the log. It is said before it is written here: the others write meanwhile.
    pub(super) fn dispatch(&mut self, now: Instant) {
        let Post::Leading(leading) = &mut self.post else { return };
        let mut queue = core::mem::take(&mut leading.queue).into_iter().peekable();
        if queue.peek().is_none() {
            return;
        }
        while queue.peek().is_some() {
            let before = self.log.last();
            let (mut slots, mut octets) = (Vec::new(), 0);
            while let Some(slot) = queue.peek() {
                octets += weight(slot);
                if !slots.is_empty() && (slots.len() >= MANY || octets > LONG) {
                    break;
                }
                slots.extend(queue.next());
            }
            for slot in &slots {
                self.put(slot.clone());
            }
            let last = self.log.last().index;
            self.say(Word::Append { term: self.term, before, slots, last });
        }
        self.flush();
        let last = self.log.last().index;
        self.matched = Some(last);
        self.have.insert(self.config.id, last);
        // The others have to hear it even if they know what all have by then.
        self.say(Word::Have(self.term, last));
        self.advance(now);
    }

    /// Asks whether it still leads, when that is due.
    pub(super) fn round(&mut self, now: Instant) {
        self.change_members();
        let last = self.log.last().index;
        let (id, term) = (self.config.id, self.term);
        let (round, patience) = (self.config.round, self.config.patience);
        let Post::Leading(leading) = &mut self.post else { return };
        if leading.round_at > now {
            return;
        }
        leading.round_at = now + round;
        leading.number += 1;
        let number = leading.number;
        leading.rounds.retain(|_, (began, _)| now.since(*began) < patience * 4);
        leading.rounds.insert(number, (now, BTreeSet::new()));
        self.say(Word::Round(term, number, last));
        self.here(id, term, number);
    }

    /// Somebody follows.
    pub(super) fn here(&mut self, from: Id, term: u64, number: u64) {
        let quorate = self.quorum.0;
        let members = self.log.members(self.log.last().index).clone();
        let Post::Leading(leading) = &mut self.post else { return };
        let Some((began, with)) = leading.rounds.get_mut(&number).filter(|_| term == self.term)
        else {
            return;
        };
        with.insert(from);
        let began = *began;
        if members.is_quorum(|id| with.contains(&id)) && quorate {
            leading.rounds.retain(|it, _| *it > number);
            if leading.told {
                self.outputs.push_back(Output::Tell(Tell::Confirmed(began)));
            }
        }
    }

    /// Gives somebody what it lacks.
    pub(super) fn supply(&mut self, from: Id, term: u64, base: Place, runs: &[Place]) {
        if !self.leads() || term != self.term || from == self.config.id {
            return;
        }
        let common = self.log.common(base, runs);
        match common.and_then(|at| Some(Place { term: self.log.term(at)?, index: at })) {
            Some(before) => {
                let slots = self.log.some(before.index, MANY, LONG);
                let last = self.log.last().index;
                self.say(Word::Append { term, before, slots, last });
            }
            None => {
                if let Some(snapshot) = self.snapshot.clone() {
                    self.say(Word::Install(term, snapshot));
                }
            }
        }
    }

    /// The node wants something committed.
    pub(super) fn propose(&mut self, now: Instant, ticket: Ticket, entry: Entry) {
        let octets = postcard::experimental::serialized_size(&entry).unwrap_or(usize::MAX);
        if octets > LONGEST {
            let why = format!("it is {octets} octets long, and {LONGEST} are allowed: split it");
            return self.answer(ticket, Err(Failure::Refused(why)));
        }
        if self.leader.is_none() {
            return self.answer(ticket, Err(nobody()));
        }
        self.asked.insert(ticket, Asked { term: self.term, until: now + ANSWER });
        self.proposals.push((ticket.0, entry));
    }

    /// Hands what this node wants to whoever leads.
    pub(super) fn offer(&mut self) {
        let mut entries = core::mem::take(&mut self.proposals);
        if entries.is_empty() {
            return;
        }
        let (term, life, id) = (self.term, self.config.chance, self.config.id);
        let Some((to, _)) = self.leader else {
            for (ticket, _) in entries {
                self.answer(Ticket(ticket), Err(nobody()));
            }
            return;
        };
        // It may have waited while another began to lead.
        for (ticket, _) in &entries {
            if let Some(asked) = self.asked.get_mut(&Ticket(*ticket)) {
                asked.term = term;
            }
        }
        if to == id {
            return self.take_up(term, to, (id, life), entries);
        }
        while !entries.is_empty() {
            let rest = entries.split_off(entries.len().min(MANY));
            self.say(Word::Propose { term, to, life, entries });
            entries = rest;
        }
    }

    /// Somebody wants something committed.
    pub(super) fn take_up(
        &mut self,
        term: u64,
        to: Id,
        (id, life): (Id, u64),
        entries: Vec<(u64, Entry)>,
    ) {
        let ours = term == self.term && to == self.config.id;
        let Post::Leading(leading) = &mut self.post else { return };
        if ours {
            leading.queue.extend(entries.into_iter().map(|(ticket, entry)| Slot {
                term,
                mark: Some(Mark { id, life, ticket }),
                what: What::Entry(entry),
            }));
        }
    }

    /// The node wants a member gone.
    pub(super) fn ask_out(&mut self, now: Instant, ticket: Ticket, name: Name) {
        let Some((to, _)) = self.leader else { return self.answer(ticket, Err(nobody())) };
        let members = self.members();
        let others =
            members.voters().any(|id| members.all.get(&id).is_some_and(|it| it.name != name));
        if !others {
            let why = "a cluster needs a voter: keep one";
            return self.answer(ticket, Err(Failure::Refused(why.into())));
        }
        self.asked.insert(ticket, Asked { term: self.term, until: now + ANSWER });
        let mark = Mark { id: self.config.id, life: self.config.chance, ticket: ticket.0 };
        let term = self.term;
        if to == self.config.id {
            self.expel(term, to, mark, &name);
        } else {
            self.say(Word::Expel { term, to, mark, name });
        }
    }

    /// Somebody wants a member gone.
    pub(super) fn expel(&mut self, term: u64, to: Id, mark: Mark, name: &Name) {
        let ours = term == self.term && to == self.config.id;
        if let Post::Leading(leading) = &mut self.post
            && ours
        {
            leading.wishes.push((mark, name.clone()));
        }
    }

    /// Has members come and go, one at a time, on a leader that has committed something.
    fn change_members(&mut self) {
        let pending = self.log.named().is_some_and(|at| at > self.commit);
        let members = self.members().clone();
        let arrivals = self.arrivals(&members);
        let term = self.term;
        let Post::Leading(leading) = &mut self.post else { return };
        let under_way = leading.queue.iter().any(|it| matches!(it.what, What::Members(_)));
        if !leading.told || pending || under_way {
            return;
        }
        if !leading.wishes.is_empty() {
            let (mark, name) = leading.wishes.remove(0);
            let gone = members.all.iter().find(|(_, it)| it.name == name).map(|(id, _)| *id);
            let mut next = members;
            let what = match gone {
                Some(id) => {
                    next.all.remove(&id);
                    next.gone.insert(id);
                    if next.voters().next().is_none() {
                        return;
                    }
                    What::Members(next)
                }
                None => What::Blank,
            };
            leading.queue.push(Slot { term, mark: Some(mark), what });
            return;
        }
        if let Some((id, peer)) = arrivals {
            let mut next = members;
            next.all.insert(id, peer);
            leading.queue.push(Slot { term, mark: None, what: What::Members(next) });
        }
    }

    /// Somebody who is there, follows closely, and is no member yet.
    fn arrivals(&self, members: &Members) -> Option<(Id, Peer)> {
        self.group.values().flatten().find_map(|(id, hello)| {
            let known = members.all.contains_key(id) || members.gone.contains(id);
            let taken = members.all.values().any(|it| it.name == hello.name);
            let near = self.have.get(id).is_some_and(|have| have + NEAR >= self.commit);
            let peer = || Peer { name: hello.name.clone(), role: hello.role };
            (!known && !taken && near).then(|| (*id, peer()))
        })
    }
}

fn nobody() -> Failure {
    Failure::Refused("nobody leads, as far as this node knows: try again".into())
}
