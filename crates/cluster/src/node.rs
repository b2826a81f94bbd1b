//! A node's live half, whole: all machines of this room around one replicated state.
//!
//! The driver carries values (an engine's, peers', agents'); what follows from them is decided
//! here, so that the daemon and the simulator run the same node. Who is what:
//!
//! - the engine's leader *directs* once its own [`Operation::Lead`] is applied: from then on, and under
//!   a name made of that entry's index, its controller, fencer and verdicts count;
//! - every node holds under the leader's lease, executes orders, and reports by proposals of its own;
//! - what is proposed is proposed again until it is answered, if it is still wanted.
//!
//! *Obeying.* A decision about this node, or about who leads, makes what was ordered before it void.
//! A node obeys one when it has applied it, has dropped what it had not begun, and all that it did
//! until then is committed; its heartbeats say so. Before each member obeys, a leader begins nothing.
//!
//! *Rebirth.* A life that was declared over releases everything; when nothing is left another begins.
//! Without its engine a node releases everything at once, and has then left.

mod courier;
mod roll;
mod turn;
mod wire;

use std::collections::{BTreeMap, VecDeque};

use base::{Instant, Name, Wall, WallClock};

pub use courier::Parcel;
use courier::{Courier, is_void};
pub use wire::{ByHand, Config, Input, Message, Output, Status};

use crate::controller::{self, Controller};
use crate::executor::{self, Executor};
use crate::fencer::{self, Device, Fencer, Level};
use crate::lease::{Grantor, Holder, May, NoQuorum, Request};
use crate::liveness::{self, Heartbeat, Liveness, Peer};
use crate::membership::{Cleared, Role, Standing};
use crate::operation::{Entry, Life, Operation};
use crate::seam::{Ask, Failure, Leadership, Tell, Ticket};
use crate::state::{Outcome, State, is_left_alone, option};

/// How many outcomes of this node's own proposals are kept until they are asked for: more than are ever
/// under way, since engines tell all of a batch before they answer the first of it.
const OUTCOMES: usize = 4_096;

/// Whose proposal it was.
#[derive(Clone, Debug)]
enum Origin {
    /// The executor's, which offers it again by itself.
    Report(u64),
    /// This leadership's: it is made again as long as it lasts.
    Directing(u64, Operation),
    /// Made again by whoever made it.
    Once,
    /// That this node leads.
    Lead,
    /// Somebody's who waits for the answer.
    Client(u64),
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Node {
    config: Config,
    seed: u64,
    life: Life,
    wall: WallClock,
    state: State,
    liveness: Liveness,
    grantor: Grantor,
    holder: Holder,
    controller: Controller,
    executor: Executor,
    fencer: Fencer,
    courier: Courier,
    leadership: Leadership,
    /// The entry by which this node directs.
    directs: Option<u64>,
    lead_at: Option<Instant>,
    tickets: u64,
    proposed: BTreeMap<Ticket, Origin>,
    again: Vec<(Instant, u64, Operation)>,
    outcomes: BTreeMap<u64, Outcome>,
    /// The decision this node is to obey, and the last report it owes for that.
    decided: (u64, u64),
    knows: u64,
    lease_told: Option<Instant>,
    over_at: Option<Instant>,
    /// The engine's members, once it has told them; by them the cluster's are put right.
    roll: Option<BTreeMap<Name, Role>>,
    roll_at: Option<Instant>,
    leaving: bool,
    part_at: Option<Instant>,
    /// When the next attribute is due, and when that is looked at.
    settling: Option<Wall>,
    settle_at: Option<Instant>,
    gone: bool,
    /// The engine has ended: all here is to end, and nothing begins any more.
    ended: bool,
    void: u64,
    outputs: VecDeque<Output>,
}

impl Node {
    /// A process begins, and with it a life; the state comes from the engine.
    #[must_use]
    pub fn new(now: Instant, config: Config) -> Self {
        let mut seed = config.seed;
        let life = Life(draw(&mut seed));
        let name = config.node.clone();
        Self {
            seed,
            life,
            wall: WallClock::default(),
            state: State::new(config.blank.clone()),
            liveness: Liveness::new(name.clone(), life, config.liveness),
            grantor: Grantor::default(),
            holder: Holder::new(name.clone(), life, config.lease, NoQuorum::Stop),
            controller: Controller::new(name.clone()),
            executor: Executor::new(name, life),
            fencer: Fencer::new(draw(&mut seed)),
            courier: Courier::default(),
            leadership: Leadership::default(),
            directs: None,
            lead_at: None,
            tickets: 0,
            proposed: BTreeMap::new(),
            again: Vec::new(),
            outcomes: BTreeMap::new(),
            decided: (0, 0),
            knows: 0,
            lease_told: None,
            over_at: Some(now),
            roll: None,
            roll_at: None,
            leaving: false,
            part_at: None,
            settling: None,
            settle_at: None,
            gone: false,
            ended: false,
            void: 0,
            outputs: VecDeque::new(),
            config,
        }
    }

    /// The only way in.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Tick => {}
            Input::Engine(tell) => self.told(now, tell),
            Input::Message(from, message) => self.heard(now, from, message),
            Input::Planned(number, plan) => {
                self.direct(now, controller::Input::Planned(number, plan));
            }
            Input::Done(done) => self.executor.handle(now, executor::Input::Done(done)),
            Input::FenceDone(number, result) => {
                self.fencer.handle(now, fencer::Input::Done(number, result));
            }
            Input::Wall(wall) => {
                self.wall = WallClock::new(now, wall);
                self.executor.handle(now, executor::Input::Wall(wall));
            }
            Input::ByHand(wish) => self.by_hand(now, wish),
            Input::Agent(agent) => self.executor.handle(now, executor::Input::Agent(agent)),
            Input::Submit(number, operation) => {
                self.propose(now, operation, Origin::Client(number));
            }
        }
        self.turn(now);
    }

    /// What is to be done; until there is nothing left.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What is agreed on, as far as this node knows.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The life this node is in.
    #[must_use]
    pub fn life(&self) -> Life {
        self.life
    }

    /// Whether this node may go on as it is: it holds nothing, or it may hold what it does. One that may
    /// not is to be reset, where there is a watchdog: it did not let go by itself.
    #[must_use]
    pub fn is_safe(&self, now: Instant) -> bool {
        let over = self.ended || self.is_over();
        match self.holder.may(now) {
            May::Die => false,
            May::Act | May::Keep | May::KeepUnpromoted if !over => true,
            _ => self.executor.is_empty(),
        }
    }

    /// Whether nothing runs here, and nothing is known to be held.
    #[must_use]
    pub fn holds_nothing(&self) -> bool {
        self.executor.is_empty()
    }

    /// For people.
    #[must_use]
    pub fn status(&self, now: Instant) -> Status {
        Status {
            directing: self.directs.is_some(),
            term: self.leadership.term,
            leader: self.leadership.leader.clone(),
            controller: self.controller.status(&self.state),
            executor: self.executor.status(),
            lease: self.holder.ends(now),
            unsettled: self.unsettled().cloned().collect(),
            void: self.void,
        }
    }

    /// Whether what runs here is to be left alone, as an administrator has said.
    #[must_use]
    pub fn is_left_alone(&self) -> bool {
        is_left_alone(self.state.cib(), &self.config.node)
    }

    fn direct(&mut self, now: Instant, input: controller::Input) {
        if self.directs.is_some() {
            self.controller.handle(now, &self.state, input);
        }
    }

    fn propose(&mut self, now: Instant, operation: Operation, origin: Origin) {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.proposed.insert(ticket, origin);
        let entry = Entry { at: self.wall.at(now), by: self.config.node.clone(), operation };
        self.outputs.push_back(Output::Ask(Ask::Propose(ticket, entry)));
    }

    fn told(&mut self, now: Instant, tell: Tell) {
        match tell {
            Tell::Committed { index, entry } => {
                let outcome = self.state.apply(index, &entry);
                if entry.by == self.config.node {
                    self.outcomes.insert(index, outcome.clone());
                    while self.outcomes.len() > OUTCOMES {
                        self.outcomes.pop_first();
                    }
                }
                self.applied(now, entry, outcome);
            }
            Tell::Answered(ticket, answer) => self.answered(now, ticket, answer),
            Tell::Leads(leadership) => self.leads(now, leadership),
            Tell::Confirmed(round) => {
                let round = if base::planted!(ConfirmedAtAnswer) { now } else { round };
                self.grantor.confirmed(round);
            }
            Tell::Members(members) => {
                self.roll = Some(members);
                self.roll_at = Some(now);
            }
            Tell::Take => {
                let (index, bytes) = (self.state.applied(), self.state.encode());
                self.outputs.push_back(Output::Ask(Ask::Snapshot { index, bytes }));
            }
            Tell::Install { bytes, .. } => {
                if let Ok(state) = State::decode(&bytes)
                    && state.applied() > self.state.applied()
                {
                    self.state = state;
                    self.learn(now, true);
                }
            }
            Tell::Ended(_) => {
                self.ended = true;
                self.leads(now, Leadership { leader: None, ..self.leadership.clone() });
            }
        }
    }

    fn answered(&mut self, now: Instant, ticket: Ticket, answer: Result<u64, Failure>) {
        let Some(origin) = self.proposed.remove(&ticket) else { return };
        match (origin, answer) {
            (Origin::Report(number), Ok(_)) => {
                self.executor.handle(now, executor::Input::Reported(number));
            }
            (Origin::Directing(led, operation), Err(_)) if self.directs == Some(led) => {
                self.again.push((now + turn::AGAIN, led, operation));
            }
            (Origin::Lead, Err(_)) => self.lead_at = Some(now + turn::AGAIN),
            (Origin::Client(number), Ok(index)) => {
                let outcome = self.outcomes.get(&index).cloned().ok_or(Failure::Unknown);
                self.outputs.push_back(Output::Answer(number, outcome));
            }
            (Origin::Client(number), Err(failure)) => {
                self.outputs.push_back(Output::Answer(number, Err(failure)));
            }
            _ => {}
        }
    }

    fn leads(&mut self, now: Instant, leadership: Leadership) {
        let mine = leadership.leader.as_ref() == Some(&self.config.node);
        let same = self.leadership == leadership;
        if !(same && mine) {
            self.grantor.lead(now, false);
            self.abdicate(now);
            self.lead_at = mine.then_some(now);
            self.roll_at = Some(now);
            self.grantor.lead(now, mine);
        }
        self.leadership = leadership;
    }

    fn abdicate(&mut self, now: Instant) {
        if self.directs.take().is_none() {
            return;
        }
        self.controller.handle(now, &self.state, controller::Input::Lead(false));
        self.liveness.handle(now, liveness::Input::Leading(false));
        self.courier.clear();
        self.again.clear();
        // What its devices do goes on; what they answer is nobody's news here.
        self.fencer = Fencer::in_place_of(&self.fencer, draw(&mut self.seed));
    }

    fn applied(&mut self, now: Instant, entry: Entry, outcome: Outcome) {
        let configured = matches!(entry.operation.bare(), Operation::Cib { .. });
        if !entry.operation.is_of_status() {
            self.learn(now, configured);
        }
        if let Operation::Lead { node } = &entry.operation {
            let mine = *node == self.config.node
                && entry.by == self.config.node
                && self.leadership.leader.as_ref() == Some(node)
                && !matches!(outcome, Outcome::Refused(_));
            if mine {
                self.begin_directing(now);
                return;
            }
            if matches!(outcome, Outcome::Refused(_)) {
                // Nobody leads by that; this node does once it is a member.
                let own = entry.by == self.config.node && self.is_engines_leader();
                self.lead_at = own.then_some(now + turn::AGAIN).or(self.lead_at);
                return;
            }
            self.abdicate(now);
            // One that led before and has not heard of it yet may say so late: who leads says it again.
            let said = self.proposed.values().any(|it| matches!(it, Origin::Lead));
            if self.is_engines_leader() && !said && self.lead_at.is_none() {
                self.lead_at = Some(now);
            }
        }
        self.direct(now, controller::Input::Applied(entry, outcome));
    }

    fn begin_directing(&mut self, now: Instant) {
        let led = self.state.led();
        self.abdicate(now);
        self.directs = Some(led);
        self.lead_at = None;
        self.controller = Controller::new(walker(&self.config.node, led));
        self.fencer = Fencer::in_place_of(&self.fencer, draw(&mut self.seed));
        self.learn(now, true);
        self.liveness.handle(now, liveness::Input::Leading(true));
        let unsettled = self.unsettled().next().is_some();
        self.direct(now, controller::Input::Unsettled(unsettled));
        self.direct(now, controller::Input::Lead(true));
    }

    /// Takes what the state says into the machines; `configured`: also what the document does.
    fn learn(&mut self, now: Instant, configured: bool) {
        let state = &self.state;
        let mut peers = Vec::new();
        for (node, member) in state.members().iter() {
            let alive = member.standing == Standing::Alive;
            if alive {
                self.grantor.open(node);
            } else {
                self.grantor.close(node, member.life);
            }
            let (life, since) = (member.life, member.since);
            peers.push(Peer { node: node.clone(), links: self.config.links, alive, life, since });
            if self.directs.is_some() {
                self.fencer.handle(now, fencer::Input::Epoch(node.clone(), member.epoch));
            }
        }
        self.liveness.handle(now, liveness::Input::Peers(peers));
        if let Some(leader) = state.leader() {
            let walker = walker(leader, state.led());
            self.executor.handle(now, executor::Input::Walker(walker));
        }
        let member = state.members().get(&self.config.node);
        let since = member.map_or(0, |member| member.since);
        let decided = since.max(state.led());
        if decided > self.decided.0 {
            // Who was taken for lost is ordered anew; who is merely led by another has dropped it above.
            self.executor.handle(now, executor::Input::Forget);
            self.decided = (decided, self.executor.newest_report());
        }
        if configured {
            self.holder.set_policy(policy(state, &self.config.node));
            if self.directs.is_some() {
                let (devices, levels) = (Device::all(state.cib()), Level::all(state.cib()));
                self.fencer.handle(now, fencer::Input::Devices(devices, levels));
            }
        }
    }

    /// Members that serve and have not said that they obey.
    fn unsettled(&self) -> impl Iterator<Item = &Name> {
        self.state.members().iter().filter_map(|(node, member)| {
            if !member.serves() || base::planted!(NoBarrier) {
                return None;
            }
            let decided = member.since.max(self.state.led());
            let knows = if *node == self.config.node {
                (member.life == self.life).then_some(self.knows)
            } else {
                let said = self.liveness.knows(node);
                said.filter(|(life, _)| *life == member.life).map(|(_, knows)| knows)
            };
            (knows.is_none_or(|knows| knows < decided)).then_some(node)
        })
    }

    /// Whether this life was declared over: nothing of it may stay.
    fn is_over(&self) -> bool {
        self.state.members().get(&self.config.node).is_some_and(|member| {
            let over = matches!(
                member.standing,
                Standing::Absent | Standing::Lost(Cleared::Fenced | Cleared::LeaseOver)
            );
            member.life == self.life && over
        })
    }

    fn heard(&mut self, now: Instant, from: Name, message: Message) {
        match message {
            // A member speaks for itself alone, whatever it was made to say.
            Message::Heartbeat(_, Heartbeat { from: who, .. })
            | Message::Request(Request { node: who, .. })
                if who != from =>
            {
                self.void += 1;
            }
            Message::Heartbeat(link, heartbeat) => {
                self.liveness.handle(now, liveness::Input::Heard(link, heartbeat));
            }
            Message::Request(request) => {
                if let Some(grant) = self.grant(now, &request) {
                    self.outputs.push_back(Output::Send(from, Message::Grant(grant)));
                }
            }
            Message::Grant(grant) => {
                if !self.is_over() {
                    self.holder.granted(now, &grant);
                }
            }
            Message::Order(parcel) => self.ordered(now, from, parcel),
            Message::Taken(walker, transition, step) => {
                if self.directs.is_some_and(|led| walker == self::walker(&self.config.node, led)) {
                    self.courier.taken(transition, step);
                }
            }
            Message::Leave => self.leaving = true,
            Message::LeaveLife(life) => self.leaving |= life == self.life,
            // One that was sent to whoever led then is nobody's any more: who asked asks again.
            Message::ByHand(wish) if self.directs.is_some() => self.by_hand(now, wish),
            Message::ByHand(_) => {}
        }
    }

    fn grant(&mut self, now: Instant, request: &Request) -> Option<crate::lease::Grant> {
        let member = self.state.members().get(&request.node)?;
        // Only a life the cluster has agreed on may hold: what one before it left behind would be
        // kept alive by the next.
        let agreed = member.standing == Standing::Alive && member.life == request.life;
        if !agreed {
            return None;
        }
        self.grantor.ask(now, member.lease, request)
    }

    fn ordered(&mut self, now: Instant, from: Name, parcel: Parcel) {
        let begins = matches!(&*parcel.order.operation, "start" | "promote" | "migrate_from");
        let own = parcel.life == self.life || base::planted!(EndedSession);
        if !own || is_void(&self.state, &parcel) {
            self.void += 1;
            return;
        }
        // Without a lease nothing begins; it is offered again, and the lease may come. Nor does
        // anything where all is to end.
        if begins && (self.leaving || self.ended || self.holder.may(now) != May::Act) {
            return;
        }
        let key = parcel.order.key.clone();
        let known = self.state.leader().map(|leader| walker(leader, self.state.led()));
        if known.as_ref() != Some(&key.walker) {
            return;
        }
        let taken = Message::Taken(key.walker, key.transition, key.step);
        if from == self.config.node {
            self.courier.taken(key.transition, key.step);
        } else {
            self.outputs.push_back(Output::Send(from, taken));
        }
        self.executor.handle(now, executor::Input::Order(parcel.order));
    }

    fn is_engines_leader(&self) -> bool {
        self.leadership.leader.as_ref() == Some(&self.config.node)
    }

    fn is_witness(&self) -> bool {
        let member = self.state.members().get(&self.config.node);
        member.is_some_and(|member| member.role == Role::Witness)
    }
}

/// The name of a leadership: no two have the same.
fn walker(node: &Name, led: u64) -> Name {
    Name::from(format!("{node}-{led}"))
}

/// What is done here without quorum. What is to be left alone is, then too; the kernel silences what the
/// lease covers all the same.
fn policy(state: &State, node: &Name) -> NoQuorum {
    if is_left_alone(state.cib(), node) {
        return NoQuorum::Freeze;
    }
    NoQuorum::parse(option(state.cib(), "no-quorum-policy").unwrap_or("stop"))
}

/// SplitMix64 (Steele, Lea, Flood 2014).
fn draw(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
