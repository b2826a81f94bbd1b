//! What makes a replicated log of ordered messages: the protocol above CPG, without any input or output.
//!
//! Corosync promises a lot: one order of messages for all who stay together (virtual synchrony), who is
//! there, and whether these are enough (votequorum). It does not promise what the seam does, for it
//! remembers nothing: what was delivered is gone with the power, two parts of a cluster may each have
//! delivered something the other has not, and a message sent before a change of members may arrive
//! after it. So nothing here is believed because it was delivered:
//!
//! - A change counts when a quorum of voters has said, in the stream, that it has it *on disk*. The
//!   stream brings these words to all, so all know at the same point; nobody has to be told again.
//! - Each *term* has one leader: a voter promises itself once a term, on disk, and to none whose log
//!   ends before its own. The leader alone puts entries into the log, in the order in which CPG brought
//!   them to it. So what a quorum has is never lost, whatever CPG did (Ongaro, Ousterhout 2014, §5.4,
//!   whose argument this is); what a minority had alone is cut off when it comes back.
//! - Who stands is not left to chance: as soon as all who are there have said how far their logs go, the
//!   one of the longest log and lowest seat stands, and no other. A leader that stays is never replaced
//!   because others come: a heal costs no service.
//! - A node whose disk was lost is another node ([`Id`]), and votes when the members have agreed to it.
//!
//! The driver does what comes out in order: a [`Write`] is on disk before anything after it is done.

mod elect;
mod follow;
mod lead;
mod say;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use base::{Instant, Name};
use cluster::node::Message;
use cluster::seam::{Ask, Failure, Leadership, Tell, Ticket};
use cluster::{Entry, Role};

use crate::log::Log;
use crate::words::{Hello, Id, Members, Packet, Place, Seat, Slot, Snapshot, Word};
use lead::Leading;

/// What this member is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Its home.
    pub id: Id,
    /// What it is called.
    pub name: Name,
    /// What it is to be, if it is not a member yet.
    pub role: Role,
    /// A digest of what its cluster began with.
    pub founding: u64,
    /// Random, and another each time: it names this life, and the cluster, should one begin.
    pub chance: u64,
    /// How often a leader asks whether it still is one.
    pub round: Duration,
    /// Who is there, and silent for so long, leads no more.
    pub patience: Duration,
    /// After that many entries a snapshot is asked for.
    pub snapshot_after: u64,
    /// Or after that many octets.
    pub snapshot_octets: usize,
}

/// What a member remembers across crashes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Memory {
    /// The number of its cluster; zero: it never belonged to one.
    pub cluster: u64,
    /// The highest term it knows of.
    pub term: u64,
    /// To whom it has promised itself in that.
    pub voted: Option<Id>,
    /// The last snapshot.
    pub snapshot: Option<Snapshot>,
    /// After which place the log begins, and the members as of then.
    pub base: (Place, Members),
    /// The entries after that.
    pub slots: Vec<Slot>,
}

/// A change of the memory: all of it or nothing, on disk before anything else is done.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Write {
    /// Number of the cluster.
    pub cluster: Option<u64>,
    /// Term and promise.
    pub term: Option<(u64, Option<Id>)>,
    /// The entry of this index and all after it go, before others are appended.
    pub cut: Option<u64>,
    /// These come at the end: the index of the first, and all.
    pub append: Vec<(u64, Slot)>,
    /// A snapshot; the one before goes.
    pub snapshot: Option<Snapshot>,
    /// The log begins after this place now, with these members.
    pub base: Option<(Place, Members)>,
}

impl Write {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What the machine is told.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Input {
    /// Time passed.
    Tick,
    /// All that had arrived was handed over.
    Idle,
    /// The node asks.
    Ask(Ask),
    /// It says something to another.
    Note(Name, Message),
    /// A member is to go; answered under the ticket.
    Expel(Ticket, Name),
    /// These are in the group now.
    Group(BTreeSet<Seat>),
    /// What Corosync says of quorum: whether there is one, and how many votes it expects.
    Quorum(bool, u32),
    /// Somebody's words.
    Heard(Seat, Packet),
}

/// What the machine wants.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Output {
    /// Have this on disk before going on.
    Write(Write),
    /// Say this to all.
    Send(Packet),
    /// Tell the node.
    Tell(Tell),
    /// Give it what another said to it.
    Message(Name, Message),
    /// Let an administrator know.
    Event(String),
}

/// The machine, for people.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// Who leads.
    pub leadership: Leadership,
    /// The last entry applied.
    pub applied: u64,
    /// The last entry of the log.
    pub last: u64,
    /// Each member but this one, whether it is in the group, and what it is.
    pub peers: BTreeMap<Name, (bool, Role)>,
    /// Who votes.
    pub voters: BTreeSet<Name>,
    /// The seat and the home of each member that is there.
    pub seats: BTreeMap<Name, (Option<Seat>, Id)>,
    /// Whether Corosync says that there is quorum.
    pub quorate: bool,
}

/// What this member is at present.
#[derive(Clone, Debug)]
enum Post {
    Follower,
    /// It stands, and these have promised themselves.
    Standing(BTreeSet<Id>),
    Leading(Leading),
}

/// Something asked for here that is not answered yet.
#[derive(Clone, Copy, Debug)]
struct Asked {
    term: u64,
    until: Instant,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Machine {
    config: Config,
    cluster: u64,
    term: u64,
    voted: Option<Id>,
    log: Log,
    snapshot: Option<Snapshot>,
    /// Octets of the log since the last snapshot.
    octets: usize,
    write: Write,
    /// Up to where the log is certain to be committed, and told.
    commit: u64,
    post: Post,
    /// Who leads this term, and when it was heard last.
    leader: Option<(Id, Instant)>,
    /// Up to where this log is the leader's of this term.
    matched: Option<u64>,
    /// And that of others, on disk.
    have: BTreeMap<Id, u64>,
    owes: bool,
    lacked: Option<Instant>,
    /// Who is in the group, and what each has said of itself since it is.
    group: BTreeMap<Seat, Option<(Id, Hello)>>,
    /// Those that have said it since the group or the leader changed.
    fresh: BTreeSet<Seat>,
    quorum: (bool, u32),
    retry_at: Instant,
    stood_at: Option<Instant>,
    asked: BTreeMap<Ticket, Asked>,
    proposals: Vec<(u64, Entry)>,
    told: Option<Leadership>,
    taking: bool,
    strangers: BTreeSet<u64>,
    ended: bool,
    outputs: VecDeque<Output>,
}

/// After this, what became of something asked for is said to be unknown.
const ANSWER: Duration = Duration::from_secs(5);

impl Machine {
    /// A process begins, with what it remembers.
    #[must_use]
    pub fn new(now: Instant, config: Config, memory: Memory) -> Self {
        let Memory { cluster, term, voted, snapshot, base, slots } = memory;
        let log = Log::new(base.0, base.1, slots);
        let commit = snapshot.as_ref().map_or(0, |it| it.at.index);
        let mut it = Self {
            cluster,
            term,
            voted,
            commit,
            octets: 0,
            write: Write::default(),
            post: Post::Follower,
            leader: None,
            matched: None,
            have: BTreeMap::new(),
            owes: false,
            lacked: None,
            group: BTreeMap::new(),
            fresh: BTreeSet::new(),
            quorum: (false, 0),
            retry_at: now,
            stood_at: None,
            asked: BTreeMap::new(),
            proposals: Vec::new(),
            told: None,
            taking: false,
            strangers: BTreeSet::new(),
            ended: false,
            outputs: VecDeque::new(),
            config,
            log,
            snapshot,
        };
        if let Some(snapshot) = &it.snapshot {
            let (index, bytes) = (snapshot.at.index, snapshot.bytes.clone());
            it.outputs.push_back(Output::Tell(Tell::Install { index, bytes }));
            it.tell_members(commit);
        }
        it
    }

    /// The only way in.
    pub fn handle(&mut self, now: Instant, input: Input) {
        if self.ended {
            return;
        }
        match input {
            Input::Tick => self.tick(now),
            Input::Idle => self.idle(now),
            Input::Ask(ask) => self.ask(now, ask),
            Input::Note(to, message) => self.say(Word::Note(to, message)),
            Input::Expel(ticket, name) => self.ask_out(now, ticket, name),
            Input::Group(seats) => self.regroup(now, &seats),
            Input::Quorum(quorate, expected) => self.counted(now, quorate, expected),
            Input::Heard(seat, packet) => self.heard(now, seat, packet),
        }
        self.elect(now);
    }

    /// What is to be done, in order; until there is nothing left.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to look again.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let round = match &self.post {
            Post::Leading(leading) => Some(leading.round_at),
            Post::Follower | Post::Standing(_) => None,
        };
        let silent = self.leader.filter(|(id, _)| *id != self.config.id);
        let parts = [
            round,
            silent.map(|(_, heard)| heard + self.config.patience),
            self.leader.is_none().then_some(self.retry_at),
            self.lacked.map(|at| at + self.config.round),
            self.asked.values().map(|it| it.until).min(),
        ];
        parts.into_iter().flatten().min().filter(|_| !self.ended)
    }

    /// For people.
    #[must_use]
    pub fn status(&self) -> Status {
        let members = self.log.members(self.commit);
        let seat = |id: &Id| self.seat(*id);
        let all = || members.all.iter();
        Status {
            leadership: self.told.clone().unwrap_or_default(),
            applied: self.commit,
            last: self.log.last().index,
            peers: all()
                .filter(|(id, _)| **id != self.config.id)
                .map(|(id, it)| (it.name.clone(), (seat(id).is_some(), it.role)))
                .collect(),
            voters: all()
                .filter(|(_, it)| it.role != Role::Learner)
                .map(|(_, it)| it.name.clone())
                .collect(),
            seats: all().map(|(id, it)| (it.name.clone(), (seat(id), *id))).collect(),
            quorate: self.quorum.0,
        }
    }

    /// The members as this log has them, committed or not: by them votes are counted.
    fn members(&self) -> &Members {
        self.log.members(self.log.last().index)
    }

    fn seat(&self, id: Id) -> Option<Seat> {
        let said = |(seat, it): (&Seat, &Option<(Id, Hello)>)| {
            it.as_ref().is_some_and(|(it, _)| *it == id).then_some(*seat)
        };
        self.group.iter().find_map(said)
    }

    fn leads(&self) -> bool {
        matches!(self.post, Post::Leading(_))
    }

    /// Whether a quorum of the voters is in the group, and Corosync says so as well.
    fn has_quorum(&self) -> bool {
        self.quorum.0
            && self.members().is_quorum(|id| id == self.config.id || self.seat(id).is_some())
    }

    fn tick(&mut self, now: Instant) {
        let late: Vec<Ticket> =
            self.asked.iter().filter(|(_, it)| it.until <= now).map(|(it, _)| *it).collect();
        for ticket in late {
            self.answer(ticket, Err(Failure::Unknown));
        }
        if let Some((id, heard)) = self.leader
            && id != self.config.id
            && heard + self.config.patience <= now
        {
            self.lose(now);
        }
        if self.lacked.is_some_and(|at| at + self.config.round <= now) {
            self.lacked = None;
        }
        self.round(now);
    }

    fn ask(&mut self, now: Instant, ask: Ask) {
        match ask {
            Ask::Propose(ticket, entry) => self.propose(now, ticket, entry),
            Ask::Members(ticket, _) => {
                let why = "members come by themselves here, as Corosync's list of nodes has them, and \
                           are removed one at a time";
                self.answer(ticket, Err(Failure::Refused(why.into())));
            }
            Ask::Snapshot { index, bytes } => self.keep(index, bytes),
        }
    }

    fn answer(&mut self, ticket: Ticket, answer: Result<u64, Failure>) {
        self.asked.remove(&ticket);
        self.outputs.push_back(Output::Tell(Tell::Answered(ticket, answer)));
    }

    fn event(&mut self, what: String) {
        self.outputs.push_back(Output::Event(what));
    }

    /// Goes to a later term, in which nothing is promised yet.
    fn rise(&mut self, term: u64) {
        if term > self.term {
            (self.term, self.voted) = (term, None);
            self.write.term = Some((term, None));
            self.post = Post::Follower;
            self.forget();
        }
    }

    fn forget(&mut self) {
        (self.leader, self.matched, self.owes, self.lacked) = (None, None, false, None);
        self.have.clear();
    }

    /// Nobody leads any more, as far as this member knows.
    fn lose(&mut self, now: Instant) {
        if self.leader.is_some() || self.leads() {
            self.leader = None;
            self.post = Post::Follower;
            self.fresh.clear();
            self.retry_at = now;
            self.tell_leadership();
        }
    }
}
