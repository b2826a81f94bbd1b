//! The process: one loop around the machines of a node, and what it carries between them and the rest.
//!
//! Everything comes in by one channel (the engine's wake, plans, ends of agents, questions, a signal)
//! and is handled in turn; between two of them the loop sleeps until the node wants to look again.
//! What takes long is elsewhere: the engine and the planner have threads of their own, agents are
//! processes.
//!
//! Who asks for a change is answered when it is committed. While nobody leads, it is proposed again for
//! some time: an election is no error of whoever asks.

use std::collections::{BTreeMap, VecDeque};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use base::{Instant, Name, Wall};
use cluster::lease::NoQuorum;
use cluster::node::{Config, Input, Node, Output};
use cluster::seam::{Failure, Tell, Ticket};
use cluster::{Operation, Role, liveness};
use sched::Transition;
use ui::cluster::{Request, Response};

use crate::ailing;
use crate::engine::{Engine, EngineError, Out};
use crate::hands::{Act, Back, Hands, Lease, Told};
use crate::home::{EngineKind, Home};
use crate::planner::Planner;
use crate::serve::{self, Reply, Who};

/// How long a change is proposed again while nobody leads.
const ELECTION: Duration = Duration::from_secs(15);
const AGAIN: Duration = Duration::from_millis(50);
/// Tickets of this loop's own; the node's count up from one.
const OURS: u64 = 1 << 63;
const NEWS: usize = 20;
/// So many things are taken up before what time brings about is looked at again.
const AT_ONCE: u32 = 256;
/// After so many writes the embedded engine keeps the state they led to instead of them.
const COMPACT_AFTER: u64 = 5_000;
/// So often, at most, a watchdog is fed.
const FEED: Duration = Duration::from_millis(250);

/// What the loop is told.
#[derive(Debug)]
pub enum Event {
    /// The engine has something to say.
    Wake,
    /// A plan.
    Planned(u64, Box<Transition>),
    /// An agent has ended.
    Told(Told),
    /// Somebody asks.
    Asked(Request, Reply),
    /// Stop in good order; again: stop.
    Stop,
}

/// What a process is started with.
pub struct Options {
    /// Where it lives.
    pub home: Home,
    /// Where it listens for questions.
    pub control: PathBuf,
    /// Told what happens, a line each.
    pub log: Arc<dyn Fn(&str) + Send + Sync>,
}

/// Why it ended, other than as it was told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The engine does not begin.
    #[error(transparent)]
    Start(#[from] EngineError),
    /// The home says something that cannot be.
    #[error("the document the cluster began with cannot be read: {0}")]
    Founding(String),
    /// The control socket.
    #[error("the control socket: {0}")]
    Control(#[from] linux::BindError),
    /// A thread.
    #[error("the system gives no thread: {0}")]
    Thread(#[from] std::io::Error),
    /// What calls agents.
    #[error("agents cannot be called: {0}")]
    Hands(std::io::Error),
    /// The engine has ended.
    #[error("the engine ended: {0}")]
    Engine(String),
    /// It left the cluster, but somebody still lives in its home.
    #[error(transparent)]
    Home(#[from] crate::home::HomeError),
}

/// The clock everything here lives by: it goes on while the machine sleeps, as leases do.
#[must_use]
pub fn now() -> Instant {
    linux::clock::boottime()
}

pub(crate) fn wall() -> Wall {
    let (seconds, nanos) = linux::clock::wall();
    Wall::new(u64::try_from(seconds).unwrap_or(0), nanos)
}

/// All times follow from how long quorum leases are: by default another leads about half a second
/// after a crash, and what was lost starts elsewhere as soon as its lease is over.
fn liveness(lease: Duration) -> liveness::Config {
    liveness::Config {
        interval: lease / 12,
        floor: lease / 2,
        ceiling: lease * 4 / 3,
        stall: lease / 4,
    }
}

/// Somebody waits for what becomes of an operation.
pub(crate) struct Wait {
    pub(crate) operation: Operation,
    pub(crate) reply: Option<Reply>,
    pub(crate) until: Instant,
}

/// Whether this process is to end.
pub(crate) enum Goal {
    Stay,
    /// All here is to be stopped first; forever: and then this node is no member any more.
    Stop {
        forever: bool,
        reply: Option<Reply>,
        /// Told to go on regardless, from then on.
        until: Instant,
    },
    End,
}

pub(crate) struct Loop {
    pub(crate) home: Home,
    pub(crate) node: Node,
    pub(crate) engine: Engine,
    pub(crate) hands: Box<dyn Hands>,
    planner: Planner,
    pub(crate) waits: BTreeMap<u64, Wait>,
    again: VecDeque<(Instant, u64)>,
    asked: u64,
    /// Changes of members that somebody waits for.
    pub(crate) changes: BTreeMap<Ticket, Option<Reply>>,
    pub(crate) members: BTreeMap<Name, Role>,
    pub(crate) goal: Goal,
    pub(crate) partings: u32,
    pub(crate) part_at: Option<Instant>,
    /// Since when nobody is there who leads, while this node is to stop.
    pub(crate) alone_since: Option<Instant>,
    pub(crate) lease: Option<Instant>,
    pub(crate) news: VecDeque<String>,
    log: Arc<dyn Fn(&str) + Send + Sync>,
    wall_at: Instant,
    fed_at: Instant,
    /// Why the engine has ended, if it has.
    pub(crate) ended: Option<String>,
    /// And whether nothing is left here since.
    pub(crate) empty: bool,
}

/// Runs a node until it is told to end. One whose engine ends, for its disk has failed, stops what it
/// runs, and goes on as a new life when its disk does.
///
/// # Errors
/// When it cannot begin, or cannot go on.
pub fn run(
    options: Options,
    events: (Sender<Event>, Receiver<Event>),
    hands: impl FnMut(Back) -> std::io::Result<Box<dyn Hands>>,
) -> Result<(), RunError> {
    run_with(options, COMPACT_AFTER, events, hands)
}

/// The same, with a log that is made short after so many writes: the state it led to is kept instead,
/// and whoever was away for longer is given that.
///
/// # Errors
/// When it cannot begin, or cannot go on.
pub fn run_with(
    options: Options,
    compact: u64,
    (send, receive): (Sender<Event>, Receiver<Event>),
    mut hands: impl FnMut(Back) -> std::io::Result<Box<dyn Hands>>,
) -> Result<(), RunError> {
    let Options { mut home, control, log } = options;
    let mut door = Some(serve::bind(&control)?);
    let done = loop {
        let (dir, embedded) = (home.dir.clone(), home.identity.engine == EngineKind::Raft);
        let events = (&send, &receive);
        let ended = match once(home, compact, &control, &log, events, &mut door, &mut hands) {
            // Whoever looks after Corosync starts both again.
            Err(RunError::Engine(why)) if embedded => why,
            // It has lived before: then what fails now is what failed then.
            Err(RunError::Start(error)) if door.is_none() && error.is_of_disk() => {
                error.to_string()
            }
            other => break other,
        };
        match ailing::until_well(&dir, &ended, &receive, &log) {
            Ok(Some(well)) => home = well,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error.into()),
        }
    };
    // A socket nobody listens at would only make the next start wait.
    let _ = std::fs::remove_file(&control);
    done
}

/// One life of the process.
fn once(
    home: Home,
    compact: u64,
    control: &Path,
    log: &Arc<dyn Fn(&str) + Send + Sync>,
    (send, receive): (&Sender<Event>, &Receiver<Event>),
    door: &mut Option<UnixListener>,
    hands: &mut impl FnMut(Back) -> std::io::Result<Box<dyn Hands>>,
) -> Result<(), RunError> {
    let birth = home.identity.founding.birth().map_err(RunError::Founding)?;
    let blank = birth.cib().clone();
    let liveness = liveness(home.identity.founding.lease);
    let rung = Arc::new(AtomicBool::new(false));
    let wake = {
        let (rung, send) = (Arc::clone(&rung), std::sync::Mutex::new(send.clone()));
        Arc::new(move || {
            if !rung.swap(true, Ordering::AcqRel) {
                // Nobody is there to be woken when the process ends.
                let _ = send.lock().unwrap_or_else(PoisonError::into_inner).send(Event::Wake);
            }
        })
    };
    let identity = &home.identity;
    let engine = Engine::start(&home, compact, now, wake, &**log)?;
    let node = Node::new(
        now(),
        Config {
            node: identity.name.clone(),
            seed: linux::clock::chance(),
            lease: identity.founding.lease,
            liveness,
            links: 1,
            blank,
        },
    );
    let planner = Planner::start(send.clone())?;
    if let Some(listener) = door.take() {
        serve::open(listener, send.clone())?;
    }
    log(&format!(
        "node {} ({}) listens at {}, and at {} for questions",
        identity.name,
        home.key.print(),
        identity.address,
        control.display()
    ));
    let hands = hands(Back(send.clone())).map_err(RunError::Hands)?;
    let mut it = Loop {
        home,
        node,
        engine,
        hands,
        planner,
        waits: BTreeMap::new(),
        again: VecDeque::new(),
        asked: 0,
        changes: BTreeMap::new(),
        members: BTreeMap::new(),
        goal: Goal::Stay,
        partings: 0,
        part_at: None,
        alone_since: None,
        lease: None,
        news: VecDeque::new(),
        log: Arc::clone(log),
        wall_at: Instant::ZERO,
        fed_at: Instant::ZERO,
        ended: None,
        empty: false,
    };
    it.live(receive, &rung)
}

fn refused(why: &cluster::Refusal) -> Response {
    let text = why.to_string();
    match why {
        cluster::Refusal::Denied(_) => Response::Denied(text),
        cluster::Refusal::NoMember(_) => Response::NoMember(text),
        _ => Response::Error(text),
    }
}

impl Loop {
    fn live(&mut self, events: &Receiver<Event>, rung: &AtomicBool) -> Result<(), RunError> {
        loop {
            self.turn();
            self.feed();
            if matches!(self.goal, Goal::End) {
                return Ok(());
            }
            if let Some(why) = self.ended.as_ref().filter(|_| self.empty) {
                return match self.goal {
                    Goal::Stop { .. } => Ok(()),
                    Goal::Stay | Goal::End => Err(RunError::Engine(why.clone())),
                };
            }
            let wait = self.next().since(now());
            let mut next = match events.recv_timeout(wait) {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => {
                    self.node.handle(now(), Input::Tick);
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            let mut taken = 0;
            while let Some(event) = next.take() {
                self.take(event, rung)?;
                taken += 1;
                if taken < AT_ONCE {
                    next = events.try_recv().ok();
                }
            }
        }
    }

    /// Has the watchdog wait anew, if all is well here; put away, when this process ends well.
    fn feed(&mut self) {
        let now = now();
        let ends = matches!(self.goal, Goal::End) || self.empty;
        if ends && self.node.holds_nothing() {
            self.hands.act(Act::Rest);
        } else if now.since(self.fed_at) >= FEED && self.node.is_safe(now) {
            self.fed_at = now;
            self.hands.act(Act::Safe);
        }
    }

    /// When to look again, whatever comes.
    fn next(&self) -> Instant {
        let goal = match &self.goal {
            Goal::Stop { until, .. } => Some((*until).min(now() + crate::part::GLANCE)),
            Goal::Stay | Goal::End => None,
        };
        let again = self.again.iter().map(|(at, _)| *at).min();
        let parts = [self.node.poll_timeout(), again, self.part_at, goal];
        let most = now() + Duration::from_secs(1);
        parts.into_iter().flatten().min().map_or(most, |at| at.min(most))
    }

    fn take(&mut self, event: Event, rung: &AtomicBool) -> Result<(), RunError> {
        let now = now();
        match event {
            Event::Wake => {
                rung.store(false, Ordering::Release);
                while let Some(out) = self.engine.poll_out() {
                    self.out(now, out)?;
                    // What is answered now may be what the next question waits for.
                    self.drain(now)?;
                }
            }
            Event::Planned(number, plan) => self.node.handle(now, Input::Planned(number, plan)),
            Event::Told(Told::Done(done)) => self.node.handle(now, Input::Done(done)),
            Event::Told(Told::FenceDone(number, result)) => {
                self.node.handle(now, Input::FenceDone(number, result));
            }
            Event::Told(Told::Agent(agent)) => self.node.handle(now, Input::Agent(agent)),
            Event::Told(Told::Note(what)) => self.tell(what),
            Event::Asked(request, reply) => self.asked(now, request, reply),
            Event::Stop => self.stop(now),
        }
        self.drain(now)
    }

    fn out(&mut self, now: Instant, out: Out) -> Result<(), RunError> {
        match out {
            Out::Tell(Tell::Answered(ticket, answer)) if ticket.0 >= OURS => {
                return self.changed(now, ticket, answer);
            }
            Out::Tell(tell) => {
                match &tell {
                    Tell::Ended(why) => self.engine_ended(why.clone()),
                    Tell::Install { index, .. } => {
                        self.tell(format!("the state as of entry {index}, from a snapshot"));
                    }
                    Tell::Members(members) => self.members.clone_from(members),
                    Tell::Leads(leadership) => {
                        let leader = leadership.leader.as_deref().unwrap_or("nobody");
                        self.tell(format!("{leader} leads (term {})", leadership.term));
                    }
                    _ => {}
                }
                self.node.handle(now, Input::Engine(tell));
            }
            Out::Message(from, message) => self.node.handle(now, Input::Message(from, message)),
            Out::Event(event) => self.tell(event),
        }
        Ok(())
    }

    pub(crate) fn tell(&mut self, what: String) {
        (self.log)(&what);
        self.news.push_back(what);
        while self.news.len() > NEWS {
            self.news.pop_front();
        }
    }

    /// What time brings about here.
    fn turn(&mut self) {
        let now = now();
        if now.since(self.wall_at) >= Duration::from_secs(1) {
            self.wall_at = now;
            self.node.handle(now, Input::Wall(wall()));
        }
        while self.again.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, number)) = self.again.pop_front() else { break };
            if let Some(wait) = self.waits.get(&number) {
                self.node.handle(now, Input::Submit(number, wait.operation.clone()));
            }
        }
        if self.part_at.is_some_and(|at| at <= now) {
            self.part_at = None;
            self.part();
        }
        self.stop_alone(now);
        if matches!(&self.goal, Goal::Stop { until, .. } if *until <= now) {
            self.give_up(now);
        }
        if self.drain(now).is_err() {
            self.goal = Goal::End;
        }
    }

    fn drain(&mut self, now: Instant) -> Result<(), RunError> {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Ask(ask) => self.engine.ask(now, ask),
                Output::Send(to, message) => self.engine.send(to, message),
                Output::Plan(number) => {
                    let root = self.node.state().cib().clone();
                    if !self.planner.plan(number, root) {
                        return Err(RunError::Engine("the planner ended".into()));
                    }
                }
                Output::Call(call) => self.hands.act(Act::Call(call)),
                Output::Kill(number) => self.hands.act(Act::Kill(number)),
                Output::FenceCall(call) => self.hands.act(Act::Fence(call)),
                Output::FenceKill(number) => self.hands.act(Act::FenceKill(number)),
                Output::Lease(ends) => {
                    self.lease = ends;
                    self.tell_lease();
                }
                Output::Answer(number, answer) => self.answered(now, number, answer),
                Output::Reborn => {
                    self.hands.act(Act::Reborn);
                    self.tell("another life has begun: what ran here was stopped".into());
                }
                Output::Left => self.left(),
            }
        }
        Ok(())
    }

    /// Until when what is held here may be heard: as the lease and the cluster's policy say.
    fn tell_lease(&mut self) {
        let policy = cluster::state::option(self.node.state().cib(), "no-quorum-policy");
        let lease = match (NoQuorum::parse(policy.unwrap_or_default()), self.lease) {
            (NoQuorum::Ignore | NoQuorum::Freeze | NoQuorum::Demote, _) => Lease::Needless,
            (_, Some(ends)) => Lease::Until(ends),
            (_, None) => Lease::None,
        };
        self.hands.act(Act::Lease(lease));
    }

    /// Proposes something for whoever waits for the answer.
    pub(crate) fn submit(&mut self, now: Instant, operation: Operation, reply: Option<Reply>) {
        self.asked += 1;
        let number = self.asked;
        let operation = match reply.as_ref().map(Reply::who) {
            Some(Who::Bound { user, groups }) => Operation::As {
                user: user.clone(),
                groups: groups.clone(),
                operation: Box::new(operation),
            },
            Some(Who::Above) | None => operation,
        };
        let wait = Wait { operation: operation.clone(), reply, until: now + ELECTION };
        self.waits.insert(number, wait);
        self.node.handle(now, Input::Submit(number, operation));
    }

    /// Has the engine let a node go, for somebody who waits or for this loop itself.
    pub(crate) fn expel(&mut self, node: Name, reply: Option<Reply>) {
        self.asked += 1;
        let ticket = Ticket(OURS + self.asked);
        self.changes.insert(ticket, reply);
        self.engine.expel(ticket, node);
    }

    pub(crate) fn version(&self) -> String {
        cluster::operation::VersionIs::from(self.node.state().version()).to_string()
    }

    fn answered(&mut self, now: Instant, number: u64, answer: Result<cluster::Outcome, Failure>) {
        let Some(wait) = self.waits.get(&number) else { return };
        if matches!(answer, Err(Failure::Refused(_))) && now < wait.until {
            self.again.push_back((now + AGAIN, number));
            return;
        }
        let Some(wait) = self.waits.remove(&number) else { return };
        let response = match answer {
            Ok(cluster::Outcome::Done(version)) => Response::Done(version.to_string()),
            Ok(cluster::Outcome::Unchanged) => Response::Unchanged,
            Ok(cluster::Outcome::Refused(why)) => refused(&why),
            Err(failure) => Response::Error(failure.to_string()),
        };
        match wait.reply {
            Some(reply) => reply.answer(response),
            // The wish to leave, which this loop made itself.
            None => {
                if let Response::Error(why) = response {
                    self.refuse_parting(format!("the cluster does not let this node stop: {why}"));
                }
            }
        }
    }
}
