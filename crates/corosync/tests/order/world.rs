//! Members on an imagined CPG that keeps to its promises and to nothing else.
//!
//! A *ring* is all that stay together: messages get their place in it one by one, and each member is
//! handed them in that order, at its own pace. When the ring breaks, those that stay together are
//! handed the same rest: all that one of them had, then perhaps a hole, and after it only what came
//! from among themselves (extended virtual synchrony). What had no place yet goes into the next ring. A
//! crash may come between any two things a member does, and only what was written is there afterwards.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use base::{Instant, Name, Wall};
use cluster::seam::{Ask, Failure, Tell, Ticket};
use cluster::{Entry, Operation, Role};
use corosync::words::{Place, What};
use corosync::{Config, Id, Input, Machine, Memory, Output, Packet, Seat, Word, Write};

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).expect("small")).expect("small")
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }
}

#[derive(Clone)]
#[allow(clippy::large_enum_variant)]
enum Item {
    Group(BTreeSet<Seat>),
    Said(Seat, Packet),
}

pub(crate) struct Node {
    pub(crate) name: Name,
    pub(crate) id: Id,
    pub(crate) role: Role,
    pub(crate) disk: Memory,
    pub(crate) machine: Option<Machine>,
    seat: Seat,
    ring: usize,
    inbox: VecDeque<Item>,
    unsent: VecDeque<Packet>,
    idle: bool,
    /// What was told in this life, by index.
    pub(crate) state: BTreeMap<u64, Entry>,
    pub(crate) last: u64,
    pub(crate) leads: (u64, Option<Name>),
    pub(crate) members: BTreeMap<Name, Role>,
    pub(crate) events: Vec<String>,
    pub(crate) ended: Option<String>,
    open: BTreeMap<Ticket, Entry>,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) random: Random,
    pub(crate) nodes: Vec<Node>,
    /// How many votes Corosync expects.
    pub(crate) expected: usize,
    rings: usize,
    tickets: u64,
    ids: u64,
    /// What was committed, as the first to be told of it was.
    pub(crate) committed: BTreeMap<u64, Entry>,
    pub(crate) acknowledged: BTreeMap<u64, Entry>,
    pub(crate) refused: Vec<Entry>,
    pub(crate) unknown: usize,
    leaders: BTreeMap<u64, Name>,
    /// When, and with which index, a leader of a term began.
    elected: BTreeMap<u64, (Instant, u64)>,
    pub(crate) confirmed: usize,
    /// One in so many outputs is the last one of its life; zero: none.
    pub(crate) frail: usize,
}

pub(crate) const ROUND: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_millis(300);

impl World {
    pub(crate) fn new(seed: u64, roles: &[Role]) -> Self {
        let mut world = Self {
            now: Instant::ZERO + Duration::from_secs(1),
            random: Random(seed),
            nodes: Vec::new(),
            expected: roles.iter().filter(|it| **it != Role::Learner).count(),
            rings: 1,
            tickets: 0,
            ids: 100,
            committed: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            refused: Vec::new(),
            unknown: 0,
            leaders: BTreeMap::new(),
            elected: BTreeMap::new(),
            confirmed: 0,
            frail: 0,
        };
        for role in roles {
            world.add(*role);
        }
        world
    }

    /// Another node, which is off.
    pub(crate) fn add(&mut self, role: Role) -> usize {
        let at = self.nodes.len();
        self.ids += 1;
        self.nodes.push(Node {
            name: Name::from(format!("n{}", at + 1)),
            id: Id(self.ids),
            role,
            disk: Memory::default(),
            machine: None,
            seat: Seat { node: u32::try_from(at + 1).expect("few"), process: 0 },
            ring: 0,
            inbox: VecDeque::new(),
            unsent: VecDeque::new(),
            idle: false,
            state: BTreeMap::new(),
            last: 0,
            leads: (0, None),
            members: BTreeMap::new(),
            events: Vec::new(),
            ended: None,
            open: BTreeMap::new(),
        });
        at
    }

    /// What a node had on its disk is lost: it is another.
    pub(crate) fn lose_disk(&mut self, at: usize) {
        self.crash(at);
        self.ids += 1;
        (self.nodes[at].id, self.nodes[at].disk) = (Id(self.ids), Memory::default());
    }

    pub(crate) fn start(&mut self, at: usize) {
        if self.nodes[at].machine.is_some() {
            return;
        }
        let (chance, now) = (self.random.next(), self.now);
        let node = &mut self.nodes[at];
        node.seat.process += 1;
        let config = Config {
            id: node.id,
            name: node.name.clone(),
            role: node.role,
            founding: 7,
            chance,
            round: ROUND,
            patience: PATIENCE,
            snapshot_after: 40,
            snapshot_octets: 1 << 20,
        };
        node.machine = Some(Machine::new(now, config, node.disk.clone()));
        node.state.clear();
        (node.last, node.leads, node.idle) = (0, (0, None), true);
        self.drain(at);
        self.regroup(self.nodes[at].ring);
    }

    pub(crate) fn crash(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if node.machine.take().is_none() {
            return;
        }
        node.inbox.clear();
        let keep = self.random.below(node.unsent.len() + 1);
        let node = &mut self.nodes[at];
        node.unsent.truncate(keep);
        // Nobody waits any more for what was asked.
        self.unknown += node.open.len();
        node.open.clear();
        while !self.nodes[at].unsent.is_empty() {
            self.place(at);
        }
        self.regroup(self.nodes[at].ring);
    }

    /// All of a ring are told who is in it, at one point of its order.
    fn regroup(&mut self, ring: usize) {
        let seats = self.seats(ring);
        for node in self.nodes.iter_mut().filter(|it| it.ring == ring && it.machine.is_some()) {
            node.inbox.push_back(Item::Group(seats.clone()));
        }
        let expected = u32::try_from(self.expected).expect("few");
        for at in 0..self.nodes.len() {
            if self.nodes[at].ring == ring {
                let votes = self.votes(ring);
                self.tell(at, Input::Quorum(votes * 2 > self.expected, expected));
            }
        }
    }

    fn votes(&self, ring: usize) -> usize {
        let votes =
            |it: &&Node| it.ring == ring && it.machine.is_some() && it.role != Role::Learner;
        self.nodes.iter().filter(votes).count()
    }

    fn seats(&self, ring: usize) -> BTreeSet<Seat> {
        let there = self.nodes.iter().filter(|it| it.ring == ring && it.machine.is_some());
        there.map(|it| it.seat).collect()
    }

    /// Breaks and joins rings: each node goes to the part it is given.
    pub(crate) fn split(&mut self, parts: &[usize]) {
        for part in parts.iter().copied().collect::<BTreeSet<_>>() {
            // Those that were in one ring and stay together are handed the same rest.
            let old: BTreeSet<usize> = self.nodes.iter().map(|it| it.ring).collect();
            for ring in old {
                let stay: Vec<usize> = (0..parts.len())
                    .filter(|at| parts[*at] == part && self.nodes[*at].ring == ring)
                    .filter(|at| self.nodes[*at].machine.is_some())
                    .collect();
                let seats: BTreeSet<Seat> = stay.iter().map(|at| self.nodes[*at].seat).collect();
                // Everyone still has to be handed the end of the same order: the shortest inbox tells
                // what somebody has had already.
                let least = stay.iter().map(|at| self.nodes[*at].inbox.len()).min().unwrap_or(0);
                let hole = self.random.below(least + 1);
                for at in stay {
                    let inbox = &mut self.nodes[at].inbox;
                    let keep = inbox.len() - hole;
                    let mut rest: VecDeque<Item> = inbox.split_off(keep);
                    if !rest.is_empty() {
                        rest.pop_front();
                        rest.retain(|it| match it {
                            Item::Group(_) => false,
                            Item::Said(from, _) => seats.contains(from),
                        });
                    }
                    inbox.extend(rest);
                }
            }
        }
        let base = self.rings;
        for (at, part) in parts.iter().enumerate() {
            self.nodes[at].ring = base + part;
            self.rings = self.rings.max(base + part + 1);
        }
        for ring in base..self.rings {
            self.regroup(ring);
        }
    }

    /// The next of what a node has said gets its place.
    fn place(&mut self, at: usize) {
        let Some(packet) = self.nodes[at].unsent.pop_front() else { return };
        let (seat, ring) = (self.nodes[at].seat, self.nodes[at].ring);
        for node in self.nodes.iter_mut().filter(|it| it.ring == ring && it.machine.is_some()) {
            node.inbox.push_back(Item::Said(seat, packet.clone()));
        }
    }

    pub(crate) fn tell(&mut self, at: usize, input: Input) {
        if let Some(machine) = &mut self.nodes[at].machine {
            machine.handle(self.now, input);
            self.nodes[at].idle = true;
            self.drain(at);
        }
    }

    pub(crate) fn propose(&mut self, at: usize) -> Option<Ticket> {
        self.nodes[at].machine.as_ref()?;
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let node = self.nodes[at].name.clone();
        let operation = Operation::Attribute {
            node: node.clone(),
            name: "n".into(),
            value: Some(self.tickets.to_string()),
            dampen: Duration::ZERO,
        };
        let entry = Entry { at: Wall::new(1, 0), by: node, operation };
        self.nodes[at].open.insert(ticket, entry.clone());
        self.tell(at, Input::Ask(Ask::Propose(ticket, entry)));
        Some(ticket)
    }

    fn drain(&mut self, at: usize) {
        loop {
            let Some(machine) = &mut self.nodes[at].machine else { return };
            let Some(output) = machine.poll_output() else { return };
            if self.frail > 0 && self.random.chance(self.frail) {
                return self.crash(at);
            }
            match output {
                Output::Write(write) => store(&mut self.nodes[at].disk, write),
                Output::Send(packet) => {
                    if let Word::Append { term, slots, before, .. } = &packet.word
                        && slots.iter().any(|it| it.term == *term && it.what == What::Blank)
                    {
                        self.elected.entry(*term).or_insert((self.now, before.index + 1));
                    }
                    self.nodes[at].unsent.push_back(packet);
                }
                Output::Tell(tell) => self.told(at, tell),
                Output::Message(..) => {}
                Output::Event(what) => self.nodes[at].events.push(what),
            }
        }
    }

    fn told(&mut self, at: usize, tell: Tell) {
        let node = &mut self.nodes[at];
        match tell {
            Tell::Committed { index, entry } => {
                assert!(index > node.last, "{}: {index} after {}", node.name, node.last);
                node.last = index;
                let first = self.committed.entry(index).or_insert_with(|| entry.clone());
                assert_eq!(*first, entry, "{} is told another at {index}", node.name);
                node.state.insert(index, entry);
            }
            Tell::Answered(ticket, Ok(index)) => {
                // Some were for members; those are not entries.
                if let Some(entry) = node.open.remove(&ticket) {
                    assert_eq!(node.state.get(&index), Some(&entry), "told before it is answered");
                    self.acknowledged.insert(index, entry);
                }
            }
            Tell::Answered(ticket, Err(Failure::Refused(_))) => {
                self.refused.extend(node.open.remove(&ticket));
            }
            Tell::Answered(ticket, Err(Failure::Unknown)) => {
                self.unknown += usize::from(node.open.remove(&ticket).is_some());
            }
            Tell::Leads(leadership) => {
                assert!(leadership.term >= node.leads.0);
                let mine = leadership.leader.as_ref() == Some(&node.name);
                node.leads = (leadership.term, leadership.leader.clone());
                if mine {
                    let other = self.leaders.insert(leadership.term, node.name.clone());
                    assert!(other.is_none_or(|it| it == node.name), "one leader a term");
                    // Whatever was acknowledged in earlier terms is known here.
                    let (_, began) = self.elected[&leadership.term];
                    let most = self.acknowledged.range(..began).next_back();
                    let most = most.map_or(0, |(index, _)| *index);
                    assert!(node.last >= most, "{} leads, knows {}", node.name, node.last);
                }
            }
            Tell::Confirmed(began) => {
                assert_eq!(node.leads.1.as_ref(), Some(&node.name), "only who leads is confirmed");
                let later = self.elected.range(node.leads.0 + 1..).find(|(_, it)| it.0 < began);
                assert!(later.is_none(), "{later:?} was elected before {began:?}");
                self.confirmed += 1;
            }
            Tell::Members(members) => node.members = members,
            Tell::Take => {
                let index = node.last;
                let bytes = postcard::to_allocvec(&node.state).expect("bytes");
                self.tell(at, Input::Ask(Ask::Snapshot { index, bytes }));
            }
            Tell::Install { index, bytes } => {
                node.state = postcard::from_bytes(&bytes).expect("a snapshot");
                node.last = index;
                for (at, entry) in &node.state {
                    assert_eq!(self.committed.get(at), Some(entry), "{}: {at}", node.name);
                }
            }
            Tell::Ended(why) => node.ended = Some(why),
        }
    }

    /// Something happens somewhere.
    pub(crate) fn step(&mut self) {
        let at = self.random.below(self.nodes.len());
        match self.random.below(8) {
            0..=2 => self.place(at),
            3..=5 => {
                if let Some(item) = self.nodes[at].inbox.pop_front() {
                    let input = match item {
                        Item::Group(seats) => Input::Group(seats),
                        Item::Said(seat, packet) => Input::Heard(seat, packet),
                    };
                    self.tell(at, input);
                }
            }
            6 => {
                if core::mem::take(&mut self.nodes[at].idle) {
                    self.tell(at, Input::Idle);
                    self.nodes[at].idle = false;
                }
            }
            _ => {
                self.now = self.now + Duration::from_micros(self.random.next() % 1_000);
                let due = |it: &Machine| it.poll_timeout().is_some_and(|it| it <= self.now);
                if self.nodes[at].machine.as_ref().is_some_and(due) {
                    self.tell(at, Input::Tick);
                }
            }
        }
    }

    /// Goes on until something is so.
    pub(crate) fn until(&mut self, what: &str, mut is: impl FnMut(&Self) -> bool) {
        let limit = self.now + Duration::from_secs(30);
        while !is(self) {
            for _ in 0..20 {
                self.step();
            }
            assert!(self.now < limit, "{what}: not so\n{}", self.story());
        }
    }

    pub(crate) fn story(&self) -> String {
        let mut text = String::new();
        for node in &self.nodes {
            let status = node.machine.as_ref().map(Machine::status);
            text += &format!(
                "{} last {} inbox {} unsent {} disk {:?} {status:#?}\n",
                node.name,
                node.last,
                node.inbox.len(),
                node.unsent.len(),
                (node.disk.term, node.disk.voted, node.disk.base.0, node.disk.slots.len()),
            );
        }
        text
    }

    /// All are on, in one ring, and follow one leader that has told all of them everything.
    pub(crate) fn calm(&self) -> bool {
        let first = &self.nodes[0];
        first.leads.1.is_some()
            && self.nodes.iter().all(|it| {
                let status = it.machine.as_ref().map(Machine::status);
                it.leads == first.leads
                    && it.last == first.last
                    && it.open.is_empty()
                    && status.is_some_and(|it| it.applied == it.last)
            })
    }

    /// What must hold at the end, once all is well again.
    pub(crate) fn judge(&mut self) {
        self.frail = 0;
        self.split(&vec![0; self.nodes.len()]);
        for at in 0..self.nodes.len() {
            self.start(at);
        }
        self.until("all is well again", Self::calm);
        for at in 0..self.nodes.len() {
            let before = self.acknowledged.len();
            self.propose(at);
            self.until("a change is acknowledged", |it| it.calm());
            assert_eq!(self.acknowledged.len(), before + 1, "{}", self.story());
        }
        for node in &self.nodes {
            for (index, entry) in &self.acknowledged {
                assert_eq!(node.state.get(index), Some(entry), "{} lacks {index}", node.name);
            }
            assert_eq!(node.state, self.nodes[0].state, "all are equal");
        }
        for entry in &self.refused {
            assert!(!self.committed.values().any(|it| it == entry), "refused, and done: {entry:?}");
        }
        let mut once = BTreeSet::new();
        for entry in self.committed.values() {
            assert!(once.insert(format!("{entry:?}")), "done twice: {entry:?}");
        }
    }
}

/// What the disk does with a change.
fn store(disk: &mut Memory, write: Write) {
    let Write { cluster, term, cut, append, snapshot, base } = write;
    disk.cluster = cluster.unwrap_or(disk.cluster);
    if let Some(term) = term {
        assert!(term.0 >= disk.term, "terms rise");
        let same = disk.term == term.0 && disk.voted.is_some();
        assert!(!same || disk.voted == term.1, "one promise a term");
        (disk.term, disk.voted) = term;
    }
    let place =
        |disk: &Memory, index: u64| usize::try_from(index - disk.base.0.index - 1).expect("in it");
    if let Some(cut) = cut {
        let at = place(disk, cut);
        disk.slots.truncate(at);
    }
    if let Some((place, members)) = base {
        let gone = usize::try_from(place.index - disk.base.0.index).expect("forwards");
        disk.slots.drain(..gone.min(disk.slots.len()));
        disk.base = (place, members);
    }
    for (index, slot) in append {
        assert_eq!(place(disk, index), disk.slots.len(), "no gap");
        disk.slots.push(slot);
    }
    if let Some(snapshot) = snapshot {
        assert!(snapshot.at >= disk.base.0, "{:?}", Place::default());
        disk.snapshot = Some(snapshot);
    }
}
