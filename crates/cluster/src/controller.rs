//! The controller: on the DC, makes the cluster what its document says, one plan after the other.
//!
//! It asks for a plan, walks its graph (fencing first), and takes a step for done only when its
//! result has been *committed*: what another DC would not know has not happened. Whatever else is
//! committed and changes the picture (a new version, a lost node, a failed action, a result nobody
//! asked for) ends the walk: nothing further is begun, what is under way comes to its end, and the
//! next plan is made from what is known then.
//!
//! One rule stands above every plan: while the cluster is in doubt about a member (lost, neither
//! fenced nor past its quorum lease), nothing is started or promoted anywhere. Nor is it while a
//! member has not said that it obeys this leader and what was decided about it last: until then an
//! order of before may still be carried out there.
//!
//! Plans are pure, so a plan is not recorded but its number and the state it was made from.

mod order;
mod walk;

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use base::{Instant, Name};
use sched::{StepKind, Task, Transition};
use serde::{Deserialize, Serialize};

use crate::operation::{Entry, Epoch, FenceAction, OpResult, OpStatus, Operation, Record, Verdict};
use crate::state::{Outcome, State, option};
pub use order::Order;
use order::meta;
use walk::{Limits, Stand, Walk, place_of};

/// How many actions a node does at once if it has told nothing of its load.
const JOBS: usize = 4;
/// After fencing failed (or nothing could be done): when to try again, doubled each time.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MOST: Duration = Duration::from_secs(30);

/// What the machine is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// Time passed.
    Tick,
    /// This node leads now, or does not any more.
    Lead(bool),
    /// An entry was applied to the state, with this outcome.
    Applied(Entry, Outcome),
    /// The plan that was asked for under this number.
    Planned(u64, Box<Transition>),
    /// How many actions at once a node's load allows.
    Load(Name, usize),
    /// Whether some member may still do what an earlier leader ordered, or has not told yet what it
    /// did: nothing is begun meanwhile.
    Unsettled(bool),
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Output {
    /// Make a plan of the state as it is now.
    Plan(u64),
    /// Have an executor do this.
    Execute(Order),
    /// Make sure that a node holds nothing.
    Fence {
        /// Which.
        node: Name,
        /// The epoch this is asked for in.
        epoch: Epoch,
        /// How.
        action: FenceAction,
        /// How long it may take in all.
        timeout: Duration,
    },
    /// Tell a node that it may leave now.
    Shutdown(Name),
    /// Propose this.
    Propose(Operation),
    /// A plan has been walked, and nothing has changed meanwhile that asks for another.
    Settled(u64),
}

/// The machine's state, for people.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Whether this node is the DC.
    pub leading: bool,
    /// The number of the last plan.
    pub number: u64,
    /// Steps: all, done, under way, failed.
    pub steps: (usize, usize, usize, usize),
    /// Whether the walk was ended by news.
    pub aborted: bool,
    /// Whether all is as the document says.
    pub settled: bool,
    /// Members that nothing is started for, since they may hold it.
    pub in_doubt: Vec<Name>,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Controller {
    walker: Name,
    leading: bool,
    /// The last plan's number.
    number: u64,
    /// Something is not in any plan yet.
    dirty: bool,
    planning: bool,
    walk: Option<Walk>,
    settled: bool,
    failures: u32,
    retry_at: Option<Instant>,
    recheck_at: Option<Instant>,
    jobs: BTreeMap<Name, usize>,
    unsettled: bool,
    outputs: VecDeque<Output>,
}

impl Controller {
    /// Walks plans under this name, which no other controller has, nor this one had before.
    #[must_use]
    pub fn new(walker: Name) -> Self {
        Self {
            walker,
            leading: false,
            number: 0,
            dirty: false,
            planning: false,
            walk: None,
            settled: false,
            failures: 0,
            retry_at: None,
            recheck_at: None,
            jobs: BTreeMap::new(),
            unsettled: false,
            outputs: VecDeque::new(),
        }
    }

    /// The only way in; `state` is as it is after what is told.
    pub fn handle(&mut self, now: Instant, state: &State, input: Input) {
        match input {
            Input::Tick => {}
            Input::Lead(leading) => {
                if leading != self.leading {
                    self.leading = leading;
                    (self.walk, self.planning, self.settled) = (None, false, false);
                    (self.dirty, self.failures, self.retry_at) = (leading, 0, None);
                }
            }
            Input::Applied(entry, outcome) if self.leading => self.applied(now, &entry, &outcome),
            Input::Applied(..) => {}
            Input::Planned(number, plan) => {
                // A plan made from what is not so any more is not begun.
                if self.leading && self.planning && number == self.number {
                    self.planning = false;
                    if !self.dirty {
                        self.walk = Some(Walk::new(number, *plan));
                    }
                }
            }
            Input::Unsettled(unsettled) => self.unsettled = unsettled,
            Input::Load(node, jobs) => {
                self.jobs.insert(node, jobs.max(1));
            }
        }
        if self.leading {
            self.look(now, state);
        }
    }

    /// What is to be done; until there is nothing left.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to look again.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.leading {
            return None;
        }
        let steps = self.walk.iter().flat_map(Walk::running).map(|(_, until)| until);
        steps.chain(self.retry_at).chain(self.recheck_at).min()
    }

    /// How far it is.
    #[must_use]
    pub fn status(&self, state: &State) -> Status {
        let stands = || self.walk.iter().flat_map(Walk::stands);
        let count = |which: fn(&Stand) -> bool| stands().filter(|it| which(it)).count();
        Status {
            leading: self.leading,
            number: self.number,
            steps: (
                stands().count(),
                count(|it| *it == Stand::Done),
                count(|it| matches!(it, Stand::Running(_))),
                count(|it| *it == Stand::Failed),
            ),
            aborted: self.walk.as_ref().is_some_and(|walk| walk.aborted),
            settled: self.settled,
            in_doubt: state.members().in_doubt().map(|(name, _)| name.clone()).collect(),
        }
    }

    fn abort(&mut self) {
        self.dirty = true;
        self.settled = false;
        if let Some(walk) = &mut self.walk {
            walk.aborted = true;
        }
    }

    fn applied(&mut self, now: Instant, entry: &Entry, outcome: &Outcome) {
        let done = match outcome {
            Outcome::Done(_) => true,
            Outcome::Unchanged => false,
            Outcome::Refused(_) => return,
        };
        match entry.operation.bare() {
            Operation::Record(record) => self.recorded(record),
            Operation::Records(records) => records.iter().for_each(|it| self.recorded(it)),
            Operation::Fenced(fenced) => {
                let step = self.step_of(|step| {
                    step.task == Task::Fence && place_of(step) == Some(&*fenced.node)
                });
                match (step, &fenced.error) {
                    (Some(at), None) => {
                        self.failures = 0;
                        self.set(at, Stand::Done);
                    }
                    (Some(at), Some(_)) => {
                        self.set(at, Stand::Failed);
                        self.retry_later(now);
                    }
                    // Somebody else's: news, if it changed anything.
                    (None, None) => self.abort(),
                    (None, Some(_)) => {}
                }
            }
            Operation::Forget { node, resource } => {
                let is = |step: &sched::Step| {
                    matches!(step.task, Task::Delete | Task::LrmDelete)
                        && step.node.as_ref().is_some_and(|(name, _)| **name == **node)
                        && resource.as_deref() == step.resource.as_ref().map(|it| &*it.id)
                };
                match self.step_of(is) {
                    Some(at) => self.set(at, Stand::Done),
                    None if done => self.abort(),
                    None => {}
                }
            }
            Operation::Absolve { node, resource } => {
                let is = |step: &sched::Step| {
                    step.task == Task::ClearFailCount
                        && step.node.as_ref().is_some_and(|(name, _)| **name == **node)
                        && step.resource_id.as_deref() == Some(&**resource)
                };
                match self.step_of(is) {
                    Some(at) => self.set(at, Stand::Done),
                    None if done => self.abort(),
                    None => {}
                }
            }
            Operation::Verdict { node, verdict, .. } if done => {
                let left = self.step_of(|step| {
                    step.task == Task::Shutdown
                        && *verdict == Verdict::Left
                        && place_of(step) == Some(&**node)
                });
                if let Some(at) = left {
                    self.set(at, Stand::Done);
                }
                if !matches!(verdict, Verdict::LeaseOver(_)) {
                    self.fail_all_on(node, *verdict != Verdict::Lost);
                }
                self.abort();
            }
            Operation::Cib { .. }
            | Operation::Settle
            | Operation::Attribute { .. }
            | Operation::Admit { .. }
            | Operation::Expel { .. }
            | Operation::Lead { .. }
                if done =>
            {
                self.abort();
            }
            _ => {}
        }
    }

    /// The step under way that something is the answer to.
    fn step_of(&self, is: impl Fn(&sched::Step) -> bool) -> Option<usize> {
        let walk = self.walk.as_ref()?;
        walk.running().map(|(at, _)| at).find(|at| is(&walk.plan.steps[*at]))
    }

    fn set(&mut self, at: usize, stand: Stand) {
        if let Some(walk) = &mut self.walk {
            walk.set(at, stand);
        }
    }

    /// Whatever was under way on a node will not be heard of, nor that it has left as it was told to; if
    /// it is back (or gone in good order), its fencing is void, too.
    fn fail_all_on(&mut self, node: &Name, back: bool) {
        let Some(walk) = &mut self.walk else { return };
        let gone: Vec<usize> = walk
            .running()
            .map(|(at, _)| at)
            .filter(|at| {
                let step = &walk.plan.steps[*at];
                let void = step.kind == StepKind::Resource
                    || step.task == Task::Shutdown
                    || (back && step.task == Task::Fence);
                void && place_of(step) == Some(&**node)
            })
            .collect();
        for at in gone {
            walk.set(at, Stand::Failed);
        }
    }

    fn recorded(&mut self, record: &Record) {
        for result in &record.results {
            if result.status == OpStatus::Pending {
                continue;
            }
            let ours = result.key.walker == self.walker;
            let place =
                self.walk.as_ref().filter(|walk| ours && walk.number == result.key.transition);
            let running = place.and_then(|walk| walk.place(result.key.step)).filter(|at| {
                self.walk.as_ref().is_some_and(|it| matches!(it.stand(*at), Stand::Running(_)))
            });
            // Nobody asked for it, or not any more: news.
            let Some(at) = running else {
                self.abort();
                continue;
            };
            let hoped = result.status == OpStatus::Done && result.rc == Some(result.key.expected);
            if hoped || result.about.is_some() {
                self.set(at, Stand::Done);
            } else {
                self.set(at, Stand::Failed);
                self.abort();
            }
        }
        for (operation, interval) in &record.cancelled {
            let cancelled = self.step_of(|step| {
                step.task == Task::Cancel
                    && step.node.as_ref().is_some_and(|(name, _)| **name == *record.node)
                    && step.resource.as_ref().is_some_and(|it| *it.id == *record.resource)
                    && meta(step, "operation") == Some(&**operation)
                    && meta(step, "interval") == Some(&*interval.to_string())
            });
            if let Some(at) = cancelled {
                self.set(at, Stand::Done);
            }
        }
    }

    fn retry_later(&mut self, now: Instant) {
        let wait = RETRY.saturating_mul(1 << self.failures.min(6)).min(RETRY_MOST);
        self.failures += 1;
        self.retry_at = Some(now + wait);
    }

    fn look(&mut self, now: Instant, state: &State) {
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            self.abort();
        }
        if self.recheck_at.is_some_and(|at| at <= now) {
            self.recheck_at = None;
            self.abort();
        }
        self.expire(now, state);
        self.begin(now, state);
        let under_way = self.walk.as_ref().is_some_and(|walk| walk.running().next().is_some());
        if under_way || self.planning {
            return;
        }
        if self.dirty {
            (self.dirty, self.planning, self.walk) = (false, true, None);
            self.number += 1;
            self.recheck_at = recheck(state).map(|every| now + every);
            self.outputs.push_back(Output::Plan(self.number));
            return;
        }
        let waits_for_doubt = self.unsettled || state.members().in_doubt().next().is_some();
        if let Some(walk) = &self.walk
            && !self.settled
        {
            if walk.is_complete() {
                self.settled = true;
                self.failures = 0;
                self.outputs.push_back(Output::Settled(walk.number));
            } else if !waits_for_doubt && self.retry_at.is_none() {
                // A step failed and nothing that was committed speaks of it.
                self.retry_later(now);
            }
        }
    }

    /// Steps whose time is up have failed, and that is put on record.
    fn expire(&mut self, now: Instant, state: &State) {
        let Some(walk) = &self.walk else { return };
        let late: Vec<usize> =
            walk.running().filter(|(_, until)| *until <= now).map(|(at, _)| at).collect();
        for at in late {
            let Some(walk) = &mut self.walk else { return };
            walk.set(at, Stand::Failed);
            let order = Order::new(&walk.plan.steps[at], walk.number, &self.walker);
            if let (StepKind::Resource, Some(order)) = (walk.plan.steps[at].kind, order)
                && let Some(member) = state.members().get(&order.node)
            {
                let record = timed_out(&order, member.life, state);
                self.outputs.push_back(Output::Propose(Operation::Record(record)));
            }
            self.abort();
        }
    }

    fn begin(&mut self, now: Instant, state: &State) {
        let doubt = self.unsettled || state.members().in_doubt().next().is_some();
        let Some(walk) = &self.walk else { return };
        let number = |text: &str| text.parse::<usize>().ok().filter(|it| *it > 0);
        let limits = Limits {
            batch: number(&walk.plan.options.batch_limit),
            migrations: number(&walk.plan.options.migration_limit),
            jobs: self.jobs.clone(),
            jobs_default: JOBS,
        };
        let delay = span(&walk.plan.options.cluster_delay).unwrap_or(Duration::from_secs(60));
        loop {
            let Some(walk) = &self.walk else { return };
            let steps = &walk.plan.steps;
            let may = |at: usize| {
                let begins =
                    matches!(steps[at].task, Task::Start | Task::Promote | Task::MigrateFrom);
                !(doubt && begins && steps[at].kind == StepKind::Resource)
            };
            let Some(at) = walk.next(&limits, may) else { return };
            let step = walk.plan.steps[at].clone();
            let number = walk.number;
            let stand = match step.kind {
                StepKind::Pseudo => Stand::Done,
                StepKind::Resource if step.cib_only => self.ask(now, delay, &step),
                StepKind::Cluster => self.ask_cluster(now, delay, &step, state),
                StepKind::Resource => match Order::new(&step, number, &self.walker) {
                    Some(order) => {
                        let until = now + order.timeout + delay;
                        self.outputs.push_back(Output::Execute(order));
                        Stand::Running(until)
                    }
                    None => Stand::Failed,
                },
            };
            self.set(at, stand);
        }
    }

    /// A step that is a proposal.
    fn ask(&mut self, now: Instant, delay: Duration, step: &sched::Step) -> Stand {
        let (Some((node, _)), Some(resource)) = (&step.node, &step.resource_id) else {
            return Stand::Failed;
        };
        let node = Name::from(&**node);
        let operation = if step.task == Task::ClearFailCount {
            Operation::Absolve { node, resource: Name::from(&**resource) }
        } else {
            let resource = step.resource.as_ref().map(|it| Name::from(&*it.id));
            Operation::Forget { node, resource }
        };
        self.outputs.push_back(Output::Propose(operation));
        Stand::Running(now + delay)
    }

    fn ask_cluster(
        &mut self,
        now: Instant,
        delay: Duration,
        step: &sched::Step,
        state: &State,
    ) -> Stand {
        let Some((node, _)) = &step.node else { return Stand::Failed };
        let node = Name::from(&**node);
        match step.task {
            Task::Fence => {
                let Some(member) = state.members().get(&node) else { return Stand::Failed };
                let action = meta(step, "stonith_action").and_then(FenceAction::parse);
                let timeout =
                    self.walk.as_ref().and_then(|it| span(&it.plan.options.fencing_timeout));
                let timeout = timeout.unwrap_or(Duration::from_secs(60));
                self.outputs.push_back(Output::Fence {
                    node,
                    epoch: member.epoch,
                    action: action.unwrap_or(FenceAction::Reboot),
                    timeout,
                });
                if base::planted!(StartBeforeFenced) {
                    return Stand::Done;
                }
                Stand::Running(now + timeout + delay)
            }
            Task::Shutdown => {
                self.outputs.push_back(Output::Shutdown(node));
                Stand::Running(now + delay * 20)
            }
            // Executors need not be told: what is not to be done there is not ordered.
            Task::MaintenanceNodes => Stand::Done,
            _ => self.ask(now, delay, step),
        }
    }
}

/// A time as cluster options have it.
fn span(text: &str) -> Option<Duration> {
    let millis = cib::value::milliseconds(text)?;
    Some(Duration::from_millis(u64::try_from(millis).ok()?))
}

/// How often to plan although nothing happened: rules depend on the time.
fn recheck(state: &State) -> Option<Duration> {
    let told = option(state.cib(), "cluster-recheck-interval").and_then(span);
    Some(told.unwrap_or(Duration::from_secs(900))).filter(|every| !every.is_zero())
}

/// What is put on record of an action nobody answered for.
fn timed_out(order: &Order, life: crate::operation::Life, state: &State) -> Record {
    Record {
        node: order.node.clone(),
        life,
        resource: order.resource.clone(),
        class: order.class.clone(),
        provider: order.provider.clone(),
        agent: order.agent.clone(),
        results: vec![OpResult {
            operation: order.operation.clone(),
            interval: order.interval,
            call: 0,
            rc: Some(1),
            status: OpStatus::TimedOut,
            key: order.key.clone(),
            changed: state.time().seconds(),
            took: order.timeout,
            queued: Duration::ZERO,
            digest: order.digest(),
            restart: None,
            reason: format!("no answer from {} in time", order.via),
            migration: None,
            about: None,
        }],
        cancelled: Vec::new(),
    }
}
