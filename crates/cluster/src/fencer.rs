//! The fencer: makes sure that a node holds nothing, by whatever device can.
//!
//! A request names the node, the *epoch* of what is known about it, and the action. It goes through
//! the levels of the node's topology (or, without one, through every device that can fence it, one
//! after the other) until all devices of one level have done it; a reboot by several devices is an
//! `off` of all and then an `on` of all, since only then was it without power for a moment.
//!
//! Requests for the same node and epoch are one. A node that is back has another epoch: what was
//! asked for under the old one is called off, also while it waits out its delay, and an answer that
//! comes all the same is void in the state. Delays (static, random from a seed, and what the asker
//! adds for nodes that matter) keep two halves from shooting each other at the same instant.
//!
//! Only success is believed: a device that fails, hangs or answers late has not fenced anybody.

mod device;

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use base::{Instant, Name};
use serde::{Deserialize, Serialize};

use crate::operation::{Epoch, FenceAction, Fenced, Operation};
pub use device::{Check, Device, Level};

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ask {
    /// Whom.
    pub node: Name,
    /// In which of its epochs.
    pub epoch: Epoch,
    /// How.
    pub action: FenceAction,
    /// How long each device may take, unless it says otherwise.
    pub timeout: Duration,
    /// What is added to every delay.
    pub delay: Duration,
    /// Who asks.
    pub origin: Name,
}

/// What the machine is told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Input {
    /// Time passed.
    Tick,
    /// These are the devices and levels now.
    Devices(Vec<Device>, Vec<Level>),
    /// Fence somebody.
    Ask(Ask),
    /// Somebody swears that a node is down.
    Confirmed {
        /// Which.
        node: Name,
        /// Who.
        by: Name,
    },
    /// A node has this epoch now.
    Epoch(Name, Epoch),
    /// An agent has ended: whether it did it, and what it said.
    Done(u64, Result<(), String>),
    /// Check that a device works, and answer under this number.
    Monitor(u64, Name, Duration),
}

/// An agent's call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Call {
    /// Comes back with the answer.
    pub number: u64,
    /// The device.
    pub device: Name,
    /// Its agent.
    pub agent: Name,
    /// What it reads.
    pub lines: Vec<(String, String)>,
    /// The node it is about; `None`: the device itself.
    pub node: Option<Name>,
    /// How to find out first whether the device can reach that node.
    pub check: Check,
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Output {
    /// Call an agent.
    Call(Call),
    /// End a call.
    Kill(u64),
    /// Propose what came of a request.
    Report(Operation),
    /// What came of a check.
    Monitored(u64, Result<(), String>),
}

/// One request, for people.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RequestStatus {
    /// What was asked for.
    pub ask: Ask,
    /// How many asked for the same.
    pub askers: u32,
    /// At which level it is, from 1 on, and how many there are.
    pub level: (usize, usize),
    /// By which device it is tried.
    pub device: Name,
}

#[derive(Clone, Debug)]
struct Step {
    device: Name,
    action: FenceAction,
    /// The node is off already: this one is wished for, not needed.
    optional: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Delayed(Instant),
    Queued,
    Calling(u64, Instant),
}

#[derive(Clone, Debug)]
struct Request {
    ask: Ask,
    askers: u32,
    levels: Vec<Vec<Step>>,
    level: usize,
    step: usize,
    tries: u32,
    phase: Phase,
    error: String,
}

impl Request {
    fn current(&self) -> Option<&Step> {
        self.levels.get(self.level)?.get(self.step)
    }
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Fencer {
    seed: u64,
    devices: BTreeMap<Name, Device>,
    order: Vec<Name>,
    levels: Vec<Level>,
    epochs: BTreeMap<Name, Epoch>,
    requests: Vec<Request>,
    calls: u64,
    /// Checks under way: call to (asked under, until).
    checks: BTreeMap<u64, (u64, Instant)>,
    outputs: VecDeque<Output>,
}

impl Fencer {
    /// Without devices; random delays come from the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            devices: BTreeMap::new(),
            order: Vec::new(),
            levels: Vec::new(),
            epochs: BTreeMap::new(),
            requests: Vec::new(),
            calls: 0,
            checks: BTreeMap::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Begins anew in the place of another. Calls of that one may still be answered: their numbers are
    /// not used again.
    #[must_use]
    pub fn in_place_of(before: &Self, seed: u64) -> Self {
        Self { calls: before.calls, ..Self::new(seed) }
    }

    /// The only way in.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Tick => {}
            Input::Devices(devices, levels) => {
                self.order = devices.iter().map(|it| it.id.clone()).collect();
                self.devices = devices.into_iter().map(|it| (it.id.clone(), it)).collect();
                self.levels = levels;
            }
            Input::Ask(ask) => self.ask(now, ask),
            Input::Confirmed { node, by } => self.confirmed(&node, &by),
            Input::Epoch(node, epoch) => self.epoch(node, epoch),
            Input::Done(number, result) => self.done(now, number, result),
            Input::Monitor(number, device, timeout) => self.monitor(now, number, &device, timeout),
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
        let requests = self.requests.iter().filter_map(|it| match it.phase {
            Phase::Delayed(at) | Phase::Calling(_, at) => Some(at),
            Phase::Queued => None,
        });
        requests.chain(self.checks.values().map(|(_, until)| *until)).min()
    }

    /// What is under way.
    #[must_use]
    pub fn status(&self) -> Vec<RequestStatus> {
        let status = |it: &Request| RequestStatus {
            ask: it.ask.clone(),
            askers: it.askers,
            level: (it.level + 1, it.levels.len()),
            device: it.current().map_or_else(|| "".into(), |step| step.device.clone()),
        };
        self.requests.iter().map(status).collect()
    }

    fn ask(&mut self, now: Instant, ask: Ask) {
        if self.epochs.get(&ask.node).is_some_and(|known| *known > ask.epoch) {
            let error = "the node is back: this was asked for before".to_owned();
            self.report(&ask, Vec::new(), Some(error));
            return;
        }
        self.epochs.insert(ask.node.clone(), ask.epoch);
        // Off and reboot both make sure of it; whoever asks second gets the answer of the first.
        let on = |action| action == FenceAction::On;
        let same = |it: &&mut Request| {
            (&it.ask.node, it.ask.epoch) == (&ask.node, ask.epoch)
                && on(it.ask.action) == on(ask.action)
        };
        if let Some(known) = self.requests.iter_mut().find(same) {
            known.askers += 1;
            return;
        }
        let levels = self.levels_for(&ask);
        if levels.is_empty() {
            let error = format!("no fence device can reach {}", ask.node);
            self.report(&ask, Vec::new(), Some(error));
            return;
        }
        let mut request = Request {
            ask,
            askers: 1,
            levels,
            level: 0,
            step: 0,
            tries: 0,
            phase: Phase::Queued,
            error: String::new(),
        };
        self.delay(now, &mut request);
        self.requests.push(request);
    }

    fn levels_for(&self, ask: &Ask) -> Vec<Vec<Step>> {
        let step =
            |device: &Name, action, optional| Step { device: device.clone(), action, optional };
        let topology: Vec<&Level> = self.levels.iter().filter(|it| it.target == ask.node).collect();
        if topology.is_empty() {
            let able = self.order.iter().filter(|it| {
                self.devices.get(*it).is_some_and(|device| device.port(&ask.node).is_some())
            });
            return able.map(|it| vec![step(it, ask.action, false)]).collect();
        }
        let level = |level: &&Level| -> Vec<Step> {
            let all = || level.devices.iter();
            if ask.action == FenceAction::Reboot && level.devices.len() > 1 {
                let off = all().map(|it| step(it, FenceAction::Off, false));
                return off.chain(all().map(|it| step(it, FenceAction::On, true))).collect();
            }
            all().map(|it| step(it, ask.action, false)).collect()
        };
        topology.iter().map(level).filter(|it| !it.is_empty()).collect()
    }

    /// Sets how long a request waits before its present step.
    fn delay(&mut self, now: Instant, request: &mut Request) {
        let (mut least, mut most) = (Duration::ZERO, Duration::ZERO);
        if let Some(step) = request.current().filter(|it| it.action != FenceAction::On)
            && let Some(device) = self.devices.get(&step.device)
        {
            (least, most) = device.delay(&request.ask.node);
            least += request.ask.delay;
            most += request.ask.delay;
        }
        let range = u64::try_from((most - least).as_millis()).unwrap_or(0);
        let extra = if range == 0 { 0 } else { self.draw() % (range + 1) };
        let wait = least + Duration::from_millis(extra);
        request.phase = if wait.is_zero() { Phase::Queued } else { Phase::Delayed(now + wait) };
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn draw(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn confirmed(&mut self, node: &Name, by: &Name) {
        let is = |it: &Request| it.ask.node == *node && it.ask.action != FenceAction::On;
        if let Some(at) = self.requests.iter().position(is) {
            let request = self.requests.remove(at);
            self.kill(&request);
            let ask = Ask { origin: by.clone(), ..request.ask };
            self.report(&ask, Vec::new(), None);
        } else if let Some(epoch) = self.epochs.get(node).copied() {
            let ask = Ask {
                node: node.clone(),
                epoch,
                action: FenceAction::Off,
                timeout: Duration::ZERO,
                delay: Duration::ZERO,
                origin: by.clone(),
            };
            self.report(&ask, Vec::new(), None);
        }
    }

    fn epoch(&mut self, node: Name, epoch: Epoch) {
        let stale = |it: &Request| it.ask.node == node && it.ask.epoch < epoch;
        while let Some(at) = self.requests.iter().position(stale) {
            let request = self.requests.remove(at);
            self.kill(&request);
            let error = "the node is back: called off".to_owned();
            self.report(&request.ask, Vec::new(), Some(error));
        }
        self.epochs.insert(node, epoch);
    }

    fn kill(&mut self, request: &Request) {
        if let Phase::Calling(number, _) = request.phase {
            self.outputs.push_back(Output::Kill(number));
        }
    }

    fn done(&mut self, now: Instant, number: u64, result: Result<(), String>) {
        if let Some((asked, _)) = self.checks.remove(&number) {
            self.outputs.push_back(Output::Monitored(asked, result));
            return;
        }
        let is = |it: &Request| matches!(it.phase, Phase::Calling(known, _) if known == number);
        let Some(at) = self.requests.iter().position(is) else { return };
        let mut request = self.requests.remove(at);
        if self.advance(now, &mut request, result) {
            self.requests.insert(at, request);
        }
    }

    /// Goes on after an answer; whether there is something to go on with.
    fn advance(&mut self, now: Instant, request: &mut Request, result: Result<(), String>) -> bool {
        let Some(step) = request.current().cloned() else { return false };
        if let Err(error) = result {
            request.error = format!("{}: {error}", step.device);
            request.tries += 1;
            let tries = self.devices.get(&step.device).map_or(1, |it| it.tries(step.action));
            if !step.optional && request.tries < tries {
                request.phase = Phase::Queued;
                return true;
            }
            if !step.optional {
                (request.level, request.step, request.tries) = (request.level + 1, 0, 0);
                if request.level == request.levels.len() {
                    self.report(&request.ask, Vec::new(), Some(request.error.clone()));
                    return false;
                }
                self.delay(now, request);
                return true;
            }
        }
        (request.step, request.tries) = (request.step + 1, 0);
        match request.current() {
            Some(_) => {
                self.delay(now, request);
                true
            }
            None => {
                let steps = request.levels.get(request.level).into_iter().flatten();
                let mut devices: Vec<Name> = Vec::new();
                for step in steps.filter(|it| !it.optional) {
                    devices.push(step.device.clone());
                }
                self.report(&request.ask, devices, None);
                false
            }
        }
    }

    fn report(&mut self, ask: &Ask, devices: Vec<Name>, error: Option<String>) {
        self.outputs.push_back(Output::Report(Operation::Fenced(Fenced {
            node: ask.node.clone(),
            epoch: ask.epoch,
            action: ask.action,
            devices,
            origin: ask.origin.clone(),
            error,
        })));
    }

    fn monitor(&mut self, now: Instant, asked: u64, device: &Name, timeout: Duration) {
        let Some(known) = self.devices.get(device) else {
            let error = format!("there is no fence device {device}");
            self.outputs.push_back(Output::Monitored(asked, Err(error)));
            return;
        };
        self.calls += 1;
        self.checks.insert(self.calls, (asked, now + timeout));
        self.outputs.push_back(Output::Call(Call {
            number: self.calls,
            device: device.clone(),
            agent: known.agent.clone(),
            lines: known.lines("monitor", None),
            node: None,
            check: Check::Needless,
        }));
    }

    fn look(&mut self, now: Instant) {
        let late: Vec<u64> =
            self.checks.iter().filter(|(_, it)| it.1 <= now).map(|(it, _)| *it).collect();
        for number in late {
            self.outputs.push_back(Output::Kill(number));
            self.done(now, number, Err("it did not answer in time".to_owned()));
        }
        let late: Vec<u64> = self
            .requests
            .iter()
            .filter_map(|it| match it.phase {
                Phase::Calling(number, until) if until <= now => Some(number),
                _ => None,
            })
            .collect();
        for number in late {
            self.outputs.push_back(Output::Kill(number));
            self.done(now, number, Err("it did not answer in time".to_owned()));
        }
        let mut at = 0;
        while at < self.requests.len() {
            if matches!(self.requests[at].phase, Phase::Delayed(until) if until <= now) {
                self.requests[at].phase = Phase::Queued;
            }
            if self.requests[at].phase != Phase::Queued || self.call(now, at) {
                at += 1;
            }
        }
    }

    /// Begins the present step of a request if its device is free; whether the request goes on.
    fn call(&mut self, now: Instant, at: usize) -> bool {
        let Some(step) = self.requests[at].current().cloned() else { return true };
        let Some(device) = self.devices.get(&step.device).cloned() else {
            let mut request = self.requests.remove(at);
            let goes_on =
                self.advance(now, &mut request, Err("there is no such device".to_owned()));
            if goes_on {
                self.requests.insert(at, request);
            }
            return false;
        };
        let busy = self.requests.iter().filter(|it| {
            matches!(it.phase, Phase::Calling(..))
                && it.current().is_some_and(|other| other.device == step.device)
        });
        if device.limit().is_some_and(|most| busy.count() >= most) {
            return true;
        }
        self.calls += 1;
        let request = &mut self.requests[at];
        let until = now + device.timeout(step.action).unwrap_or(request.ask.timeout);
        request.phase = Phase::Calling(self.calls, until);
        self.outputs.push_back(Output::Call(Call {
            number: self.calls,
            device: step.device,
            agent: device.agent.clone(),
            lines: device.lines(device.word(step.action), Some(&request.ask.node)),
            node: Some(request.ask.node.clone()),
            check: device.check(),
        }));
        true
    }
}
