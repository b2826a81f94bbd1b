//! The executor: a node's part of the work, resource by resource.
//!
//! Of one resource one action runs at a time, in the order they were asked for; different resources
//! do not wait for each other. A recurring monitor runs again one interval after it ended and is
//! reported when its result is not the one reported last. Stopping, starting, promoting, demoting or
//! moving a resource ends its monitors of old: they would report the change as a failure.
//!
//! What is reported is proposed as a [`Record`]; it is offered again until it was committed, since a
//! result that nobody knows is an action the cluster waits for. An action that changes something and
//! takes its time is told of while it runs, as *pending*; so is every one when somebody else directs from
//! now on, who must know what is under way. What ends sooner is told once. Should this life end
//! meanwhile, its successor finds no history at all and the cluster probes what it left behind.
//!
//! Without a quorum lease the machine acts on its own, as the policy says ([`May`]): it refuses to
//! start, and stops (or demotes) what it runs. The results are told when there is quorum again.

mod queue;
mod reports;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use base::{Instant, Name, Wall};
use serde::{Deserialize, Serialize};

use crate::controller::Order;
use crate::lease::May;
use crate::operation::{Life, OpKey, OpResult, OpStatus, Operation, Record};
pub use queue::Held;
use queue::{Resource, Running};
use reports::Reports;

/// An agent's call, as the runner is asked for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Call {
    /// Which; comes back with the result.
    pub number: u64,
    /// What to do.
    pub order: Order,
}

/// How a call ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CallDone {
    /// Which.
    pub number: u64,
    /// The exit code.
    pub rc: i32,
    /// How it ended.
    pub status: OpStatus,
    /// What the agent gave as its reason.
    pub reason: String,
}

/// What is known of an agent: whether, and how, it takes in changed parameters while it runs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Agent {
    /// Its class, provider and type.
    pub id: (Name, Name, Name),
    /// The parameters of which a change needs a restart all the same; `None`: any change does.
    pub fixed: Option<Vec<Name>>,
}

/// What the machine is told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Input {
    /// Time passed.
    Tick,
    /// The controller wants this done.
    Order(Order),
    /// An agent's call has ended.
    Done(CallDone),
    /// A report was committed (or refused for good).
    Reported(u64),
    /// What the quorum lease allows.
    May(May),
    /// What the wall clock says; for records only.
    Wall(Wall),
    /// Only this controller's orders count from now on: it leads, as is committed.
    Walker(Name),
    /// What was ordered and not begun does not count: this node was taken for lost.
    Forget,
    /// What an agent says of itself.
    Agent(Agent),
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Output {
    /// Call an agent.
    Call(Call),
    /// End a call and everything it started; its `Done` is still to come.
    Kill(u64),
    /// Propose this; say under this number when it is committed.
    Report(u64, Operation),
}

/// What is known of a resource.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ResourceStatus {
    /// Its name.
    pub resource: Name,
    /// Whether it may be running here.
    pub held: Held,
    /// What runs, since when.
    pub running: Option<(Name, Instant)>,
    /// What waits.
    pub queued: usize,
    /// Its monitors: interval and last exit code.
    pub monitors: Vec<(u64, Option<i32>)>,
}

/// The machine's state, for people.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Each resource.
    pub resources: Vec<ResourceStatus>,
    /// Reports not committed yet.
    pub unreported: usize,
    /// Orders refused, for there was no lease.
    pub refused: u64,
}

/// What changes something and takes longer than this is told of while it runs.
const PENDING: Duration = Duration::from_millis(50);
/// How long beyond its time a call may take to be ended.
const GRACE: Duration = Duration::from_secs(5);

/// The machine.
#[derive(Clone, Debug)]
pub struct Executor {
    node: Name,
    life: Life,
    may: May,
    wall: (Instant, Wall),
    resources: BTreeMap<Name, Resource>,
    calls: u64,
    /// Call number to resource.
    running: BTreeMap<u64, Name>,
    reports: Reports,
    /// Resources that something happened to, and when to look at the others.
    touched: BTreeSet<Name>,
    look_at: Option<Instant>,
    refused: u64,
    walker: Option<Name>,
    /// The transition of the last order, and the steps of it that were taken.
    taken: (u64, BTreeSet<u32>),
    agents: BTreeMap<(Name, Name, Name), Vec<Name>>,
    outputs: VecDeque<Output>,
}

impl Executor {
    /// This node's, in a life that begins with nothing known.
    #[must_use]
    pub fn new(node: Name, life: Life) -> Self {
        Self {
            node,
            life,
            may: May::Release,
            wall: (Instant::ZERO, Wall::default()),
            resources: BTreeMap::new(),
            calls: 0,
            running: BTreeMap::new(),
            reports: Reports::default(),
            touched: BTreeSet::new(),
            look_at: None,
            refused: 0,
            walker: None,
            taken: (0, BTreeSet::new()),
            agents: BTreeMap::new(),
            outputs: VecDeque::new(),
        }
    }

    /// The next life's. Calls of the one before may still be answered: their numbers are not used again.
    #[must_use]
    pub fn in_place_of(before: &Self, node: Name, life: Life) -> Self {
        let agents = before.agents.clone();
        Self { calls: before.calls, agents, ..Self::new(node, life) }
    }

    /// The only way in.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Tick => {}
            Input::Wall(wall) => self.wall = (now, wall),
            Input::Walker(walker) => {
                if self.walker.as_ref() != Some(&walker) {
                    self.walker = Some(walker);
                    self.taken = (0, BTreeSet::new());
                    self.drop_waiting();
                    self.tell_all(now);
                }
            }
            Input::Forget => {
                self.drop_waiting();
                self.tell_all(now);
            }
            Input::Agent(Agent { id, fixed: Some(fixed) }) => {
                self.agents.insert(id, fixed);
            }
            Input::Agent(Agent { id, fixed: None }) => {
                self.agents.remove(&id);
            }
            Input::Order(order) => {
                if self.counts(&order.key) {
                    self.ordered(now, order);
                } else {
                    self.refused += 1;
                }
            }
            Input::Done(done) => self.done(now, done),
            Input::Reported(number) => self.reports.taken(number),
            Input::May(may) => {
                if may != self.may {
                    self.may = may;
                    self.obey(now);
                }
            }
        }
        self.look(now);
    }

    /// What is to be done; until there is nothing left.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to look again.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.look_at, self.reports.poll_timeout()].into_iter().flatten().min()
    }

    /// What it does.
    #[must_use]
    pub fn status(&self) -> Status {
        let status = |(name, it): (&Name, &Resource)| ResourceStatus {
            resource: name.clone(),
            held: it.held,
            running: it.running.as_ref().map(|run| (run.order.operation.clone(), run.since)),
            queued: it.queue.len(),
            monitors: it
                .monitors
                .iter()
                .map(|(at, it)| (at.1, it.told.map(|told| told.0)))
                .collect(),
        };
        Status {
            resources: self.resources.iter().map(status).collect(),
            unreported: self.reports.open(),
            refused: self.refused,
        }
    }

    /// Whether nothing runs here, and nothing is known to be held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.resources.values().all(|it| it.held == Held::No && it.running.is_none())
    }

    /// Whether nothing is under way that changes what is held here.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let looks = |it: &Running| matches!(&*it.order.operation, "monitor" | "notify");
        self.resources.values().all(|it| it.running.as_ref().is_none_or(looks))
    }

    /// Whether nothing is being done and nothing waits: all that could be stopped is.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.resources.values().all(|it| it.running.is_none() && it.queue.is_empty())
    }

    /// The number of the last report; with [`Self::owes`] it tells when all until now are committed.
    #[must_use]
    pub fn newest_report(&self) -> u64 {
        self.reports.newest()
    }

    /// Whether a report up to this number is not committed yet.
    #[must_use]
    pub fn owes(&self, number: u64) -> bool {
        self.reports.owes(number)
    }

    /// Who ordered it takes it for failed; what this node wants of itself stays.
    fn drop_waiting(&mut self) {
        for resource in self.resources.values_mut() {
            resource.queue.retain(|(order, _)| order.key.walker == self.node);
        }
    }

    /// Whether an order is one of the DC's newest plan, and none that was taken already: one that comes
    /// late, or twice, would undo what was done since.
    fn counts(&mut self, key: &OpKey) -> bool {
        if self.walker.as_ref() != Some(&key.walker) || key.transition < self.taken.0 {
            return false;
        }
        if key.transition > self.taken.0 {
            self.taken = (key.transition, BTreeSet::new());
        }
        self.taken.1.insert(key.step)
    }

    /// Tells what was kept back: what is under way, and what was gathered.
    fn tell_all(&mut self, now: Instant) {
        let runs = |it: &Resource| it.running.as_ref().is_some_and(|run| run.untold.is_some());
        let untold = self.resources.iter().filter(|(_, it)| runs(it));
        let untold: Vec<Name> = untold.map(|(name, _)| name.clone()).collect();
        for name in untold {
            self.tell_pending(now, &name);
        }
        self.reports.leave_all(now);
    }

    /// Tells that something is under way, if it was not told.
    fn tell_pending(&mut self, now: Instant, name: &Name) {
        let run = self.resources.get_mut(name).and_then(|it| it.running.as_mut());
        let Some(run) = run else { return };
        if run.untold.take().is_none() || run.forget {
            return;
        }
        let (number, order) = (run.number, run.order.clone());
        let done = CallDone { number, rc: 0, status: OpStatus::Pending, reason: String::new() };
        let result = self.result(now, &order, &done, Duration::ZERO, Duration::ZERO);
        self.report(&order, vec![result], Vec::new());
    }

    fn ordered(&mut self, now: Instant, order: Order) {
        self.touched.insert(order.resource.clone());
        let known = self.resources.entry(order.resource.clone()).or_default();
        match &*order.operation {
            "cancel" => {
                let of: Name = order.meta("operation").unwrap_or("monitor").into();
                let at = (of.clone(), order.interval);
                known.monitors.remove(&at);
                known.queue.retain(|(it, _)| (it.operation.clone(), it.interval) != at);
                if let Some(run) = &mut known.running {
                    let same = (&run.order.operation, run.order.interval) == (&at.0, at.1);
                    run.forget |= same && run.order.interval > 0;
                }
                self.report(&order, Vec::new(), vec![at]);
            }
            "delete" => {
                known.monitors.clear();
                known.queue.clear();
                match &mut known.running {
                    Some(run) => run.forget = true,
                    None => {
                        self.resources.remove(&order.resource);
                    }
                }
                let (node, resource) = (order.node.clone(), Some(order.resource.clone()));
                self.reports.offer(now, Operation::Forget { node, resource });
            }
            operation if begins(operation) && self.may != May::Act => {
                self.refused += 1;
                let reason = "this node has no quorum lease".to_owned();
                let done = CallDone { number: 0, rc: 1, status: OpStatus::Error, reason };
                let result = self.result(now, &order, &done, Duration::ZERO, Duration::ZERO);
                self.report(&order, vec![result], Vec::new());
            }
            _ => known.queue.push_back((order, now)),
        }
    }

    /// Does on its own what the policy asks for when the lease has ended.
    fn obey(&mut self, now: Instant) {
        let operation = match self.may {
            May::Act | May::Keep => return,
            May::KeepUnpromoted => "demote",
            May::Release | May::Die => "stop",
        };
        for resource in self.resources.values_mut() {
            let concerned = match operation {
                "demote" => resource.held == Held::Promoted,
                _ => resource.held != Held::No,
            };
            let runs = |which: &dyn Fn(&str) -> bool| {
                resource.running.as_ref().is_some_and(|it| which(&it.order.operation))
            };
            let starting = runs(&begins);
            let same = |it: &str| it == operation || it == "stop";
            if runs(&same) || resource.queue.iter().any(|(it, _)| same(&it.operation)) {
                continue;
            }
            resource.queue.retain(|(order, _)| !begins(&order.operation));
            if !(concerned || starting) {
                continue;
            }
            // What is being started is not waited for; the stop comes right behind its end.
            if let Some(run) = resource.running.as_ref().filter(|_| starting) {
                self.outputs.push_back(Output::Kill(run.number));
            }
            let Some(like) = &resource.like else { continue };
            let mut order = like.clone();
            order.operation = operation.into();
            order.interval = 0;
            order.key = OpKey { transition: 0, step: 0, expected: 0, walker: self.node.clone() };
            resource.queue.push_front((order, now));
        }
        self.touched.extend(self.resources.keys().cloned());
    }

    fn look(&mut self, now: Instant) {
        let mut names = core::mem::take(&mut self.touched);
        if self.look_at.is_some_and(|at| at <= now) {
            let due = self.resources.iter().filter(|(_, it)| it.due().is_some_and(|at| at <= now));
            names.extend(due.map(|(name, _)| name.clone()));
        }
        if !names.is_empty() {
            for name in &names {
                self.look_at(now, name);
            }
            self.look_at = self.resources.values().filter_map(Resource::due).min();
        }
        self.reports.leave(now);
        for (number, operation) in self.reports.due(now) {
            self.outputs.push_back(Output::Report(number, operation));
        }
    }

    fn look_at(&mut self, now: Instant, name: &Name) {
        let Some(resource) = self.resources.get_mut(name) else { return };
        if let Some(run) = &mut resource.running {
            if run.untold.is_some_and(|at| at <= now) {
                return self.tell_pending(now, name);
            }
            if !run.killed && run.until <= now {
                run.killed = true;
                self.outputs.push_back(Output::Kill(run.number));
            } else if run.killed && run.until + GRACE <= now {
                // The runner does not even end it: what it left behind is not known.
                let number = run.number;
                let reason = "the agent could not be ended".to_owned();
                let status = OpStatus::TimedOut;
                self.done(now, CallDone { number, rc: 1, status, reason });
            }
            return;
        }
        let Some((order, since)) = resource.next(now) else { return };
        let changes = order.interval == 0
            && !matches!(&*order.operation, "monitor" | "notify" | "reload" | "reload-agent");
        if changes {
            resource.end_monitors();
            resource.like = Some(order.clone());
            if begins(&order.operation) {
                resource.held = resource.held.max(Held::Started);
            }
        }
        self.calls += 1;
        let number = self.calls;
        resource.running = Some(Running {
            number,
            until: now + order.timeout,
            since: now,
            queued: now.since(since),
            order: order.clone(),
            killed: false,
            forget: false,
            untold: changes.then(|| now + PENDING),
        });
        self.running.insert(number, name.clone());
        self.outputs.push_back(Output::Call(Call { number, order }));
    }

    fn done(&mut self, now: Instant, mut done: CallDone) {
        // One that was given up already has nothing to say any more.
        let Some(name) = self.running.remove(&done.number) else { return };
        self.touched.insert(name.clone());
        let Some(resource) = self.resources.get_mut(&name) else { return };
        let Some(run) = resource.running.take() else { return };
        if run.killed && done.status == OpStatus::Done {
            done.status = OpStatus::TimedOut;
        }
        resource.learn(&run.order, &done);
        let news = !run.forget && resource.keep(now, &run.order, &done);
        let took = now.since(run.since);
        let result = self.result(now, &run.order, &done, took, run.queued);
        if news {
            self.report(&run.order, vec![result], Vec::new());
        }
        if self.may != May::Act {
            self.obey_late(now, &name);
        }
    }

    /// Something turned out to be held after the lease had ended.
    fn obey_late(&mut self, now: Instant, name: &Name) {
        let Some(resource) = self.resources.get(name) else { return };
        let stopping =
            resource.queue.iter().any(|(it, _)| matches!(&*it.operation, "stop" | "demote"));
        let failed = resource.gave_up;
        if !stopping && !failed && resource.held != Held::No {
            self.obey(now);
        }
    }

    fn result(
        &self,
        now: Instant,
        order: &Order,
        done: &CallDone,
        took: Duration,
        queued: Duration,
    ) -> OpResult {
        let pair = |one: &str, other: &str| {
            Some((Name::from(order.meta(one)?), Name::from(order.meta(other)?)))
        };
        let about = pair("notify_type", "notify_operation");
        let well = done.status == OpStatus::Done && done.rc == 0;
        OpResult {
            // What was reloaded runs as if it had been started so.
            operation: match &*order.operation {
                "reload" | "reload-agent" if well => "start".into(),
                "reload" | "reload-agent" => "monitor".into(),
                _ => order.operation.clone(),
            },
            interval: order.interval,
            call: done.number,
            rc: (done.status != OpStatus::Pending).then_some(done.rc),
            status: done.status,
            key: order.key.clone(),
            changed: self.wall.1.seconds().saturating_add(now.since(self.wall.0).as_secs()),
            took,
            queued,
            digest: order.digest(),
            restart: self.restart(order),
            reason: done.reason.clone(),
            migration: pair("migrate_source", "migrate_target"),
            about: about.filter(|_| &*order.operation == "notify"),
        }
    }

    /// What of the parameters needs a restart, and its digest, if the agent can do without for others.
    fn restart(&self, order: &Order) -> Option<(Name, Name)> {
        let of = (order.class.clone(), order.provider.clone(), order.agent.clone());
        let fixed = self.agents.get(&of).filter(|_| order.interval == 0)?;
        let is = |name: &str| fixed.iter().any(|it| &**it == name);
        let given = order.parameters.iter().filter(|(name, _)| is(name));
        let digest = sched::parameter_digest(given.map(|(name, value)| (&**name, &**value)));
        let names: String = fixed.iter().map(|name| format!(" {name} ")).collect();
        Some((Name::from(&*digest), Name::from(names)))
    }

    fn report(&mut self, order: &Order, results: Vec<OpResult>, mut cancelled: Vec<(Name, u64)>) {
        if let Some(resource) = self.resources.get_mut(&order.resource) {
            cancelled.append(&mut resource.ended);
        }
        self.reports.gather(Record {
            node: order.node.clone(),
            life: self.life,
            resource: order.resource.clone(),
            class: order.class.clone(),
            provider: order.provider.clone(),
            agent: order.agent.clone(),
            results,
            cancelled,
        });
    }
}

/// Whether an operation brings something here, or makes it more than it was.
fn begins(operation: &str) -> bool {
    matches!(operation, "start" | "promote" | "migrate_from")
}
