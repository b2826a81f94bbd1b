//! All machines together, in one process: a leader with its controller, fencer, liveness and leases,
//! and three executors. A node is cut off or stands still; what is served there and elsewhere
//! must never overlap, and all must be served again in the end.
//!
//! The consensus engine is imagined: what the leader's side proposes is committed at once.

use core::time::Duration;
use std::collections::BTreeMap;

use base::{Instant, Name, Wall};
use cluster::controller::{self, Controller};
use cluster::executor::{self, CallDone, Executor};
use cluster::fencer::{self, Ask, Device, Fencer, Level};
use cluster::lease::{Grantor, Holder, NoQuorum};
use cluster::liveness::{self, Heartbeat, Liveness, Peer};
use cluster::operation::{Entry, OpStatus, Operation, Verdict};
use cluster::{Life, Role, Standing, State};
use proptest::prelude::*;

const LEASE: Duration = Duration::from_millis(600);
const TICK: Duration = Duration::from_millis(5);

struct Node {
    name: Name,
    life: u64,
    executor: Executor,
    holder: Holder,
    /// What agents have started.
    started: BTreeMap<Name, bool>,
    calls: Vec<(Instant, executor::Call)>,
    cut: bool,
    paused: bool,
    beat: u64,
}

struct World {
    now: Instant,
    state: State,
    controller: Controller,
    fencer: Fencer,
    liveness: Liveness,
    grantor: Grantor,
    nodes: Vec<Node>,
    shots: Vec<(Instant, u64, Name)>,
    served: BTreeMap<Name, Vec<Name>>,
    leader: Name,
    walker: Name,
    /// The leader was cut off and nobody was elected yet.
    headless: bool,
    /// Who led before and cannot know that it is over, with what it grants itself by.
    former: Option<(Name, Grantor)>,
}

fn cib(fencing: bool) -> String {
    let dummies: String = (0..3)
        .map(|at| format!("<primitive id='r{at}' class='ocf' provider='heartbeat' type='Dummy'/>"))
        .collect();
    let device = if fencing { "<primitive id='f' class='stonith' type='fence_lab'/>" } else { "" };
    format!(
        "<cib validate-with='pacemaker-3.9' crm_feature_set='3.19.0' admin_epoch='0' epoch='1' \
         num_updates='0'><configuration><crm_config><cluster_property_set id='o'><nvpair id='o-s' \
         name='stonith-enabled' value='{fencing}'/></cluster_property_set></crm_config><nodes/>\
         <resources>{device}{dummies}</resources><constraints/></configuration><status/></cib>"
    )
}

impl World {
    fn new(fencing: bool) -> Self {
        let node = |name: &str| {
            let mut it = Node {
                name: name.into(),
                life: 1,
                executor: Executor::new(name.into(), Life(1)),
                holder: Holder::new(name.into(), Life(1), LEASE, NoQuorum::Stop),
                started: BTreeMap::new(),
                calls: Vec::new(),
                cut: false,
                paused: false,
                beat: 0,
            };
            it.executor.handle(Instant::ZERO, executor::Input::Walker("w".into()));
            it
        };
        let mut it = Self {
            now: Instant::from_nanos(1_000_000_000),
            state: State::new(cib::xml::parse(&cib(fencing)).expect("a CIB").root),
            controller: Controller::new("w".into()),
            fencer: Fencer::new(1),
            liveness: Liveness::new("a".into(), Life(1), liveness::Config::default()),
            grantor: Grantor::default(),
            nodes: ["a", "b", "c"].map(node).into(),
            shots: Vec::new(),
            served: BTreeMap::new(),
            leader: "a".into(),
            walker: "w".into(),
            headless: false,
            former: None,
        };
        it.grantor.lead(it.now, true);
        for (node, id) in [("a", "1"), ("b", "2"), ("c", "3")] {
            let (node, id) = (Name::from(node), Name::from(id));
            it.commit(Operation::Admit { node: node.clone(), id, role: Role::Voter, lease: LEASE });
            it.commit(Operation::Verdict { node, life: Life(1), verdict: Verdict::Alive });
        }
        let (devices, levels) = (Device::all(it.state.cib()), Level::all(it.state.cib()));
        it.fencer.handle(it.now, fencer::Input::Devices(devices, levels));
        it.commit(Operation::Lead { node: "a".into() });
        it.liveness.handle(it.now, liveness::Input::Leading(true));
        it.controller.handle(it.now, &it.state, controller::Input::Lead(true));
        it
    }

    fn commit(&mut self, operation: Operation) {
        let at = Wall::new(self.now.as_nanos() / 1_000_000_000, 0);
        let entry = Entry { at, by: "a".into(), operation };
        let outcome = self.state.apply(self.state.applied() + 1, &entry);
        let mut peers = Vec::new();
        for (node, member) in self.state.members().iter() {
            self.fencer.handle(self.now, fencer::Input::Epoch(node.clone(), member.epoch));
            let alive = member.standing == Standing::Alive;
            if alive {
                self.grantor.open(node);
            }
            peers.push(Peer {
                node: node.clone(),
                links: 1,
                alive,
                life: member.life,
                since: member.since,
            });
        }
        self.liveness.handle(self.now, liveness::Input::Peers(peers));
        let input = controller::Input::Applied(entry, outcome);
        self.controller.handle(self.now, &self.state, input);
    }

    fn node(&mut self, name: &str) -> &mut Node {
        self.nodes.iter_mut().find(|it| &*it.name == name).expect("a node")
    }

    fn step(&mut self) {
        self.now = self.now + TICK;
        let now = self.now;
        if !self.headless {
            self.grantor.confirmed(now);
        }
        for at in 0..self.nodes.len() {
            self.step_node(at);
        }
        if self.headless {
            self.check();
            return;
        }
        self.liveness.handle(now, liveness::Input::Tick);
        while let Some(output) = self.liveness.poll_output() {
            if let liveness::Output::Propose { node, life, verdict } = output {
                if verdict == Verdict::Lost {
                    self.grantor.close(&node, life);
                }
                self.commit(Operation::Verdict { node, life, verdict });
            }
        }
        let doubt: Vec<_> = self
            .state
            .members()
            .in_doubt()
            .filter(|(node, it)| self.grantor.over_at(node, it.lease).is_some_and(|at| at <= now))
            .map(|(node, it)| (node.clone(), it.life, it.epoch))
            .collect();
        for (node, life, epoch) in doubt {
            self.commit(Operation::Verdict { node, life, verdict: Verdict::LeaseOver(epoch) });
        }
        self.controller.handle(now, &self.state, controller::Input::Tick);
        self.direct();
        self.shoot();
        self.check();
    }

    fn step_node(&mut self, at: usize) {
        let now = self.now;
        if self.nodes[at].paused {
            return;
        }
        let node = &mut self.nodes[at];
        node.beat += 1;
        let (from, life) = (node.name.clone(), Life(node.life));
        if !node.cut && node.beat.is_multiple_of(10) && from != self.leader {
            let heartbeat =
                Heartbeat { from: from.clone(), life, sequence: node.beat, knows: u64::MAX };
            self.liveness.handle(now, liveness::Input::Heard(0, heartbeat));
        }
        let node = &mut self.nodes[at];
        if let Some(request) = node.holder.ask(now) {
            let grantor = match &mut self.former {
                Some((name, grantor)) if node.cut && *name == from => Some(grantor),
                _ if node.cut || self.headless => None,
                _ => Some(&mut self.grantor),
            };
            if let Some(grant) = grantor.and_then(|it| it.ask(now, LEASE, &request)) {
                node.holder.granted(now, &grant);
            }
        }
        let may = node.holder.may(now);
        node.executor.handle(now, executor::Input::May(may));
        let ended: Vec<executor::Call> =
            node.calls.iter().filter(|(at, _)| *at <= now).map(|(_, call)| call.clone()).collect();
        node.calls.retain(|(at, _)| *at > now);
        for executor::Call { number, order } in ended {
            let known = node.started.entry(order.resource.clone()).or_insert(false);
            let rc = match &*order.operation {
                "start" => {
                    *known = true;
                    0
                }
                "stop" => {
                    *known = false;
                    0
                }
                _ => {
                    if *known {
                        0
                    } else {
                        7
                    }
                }
            };
            let done = CallDone { number, rc, status: OpStatus::Done, reason: String::new() };
            node.executor.handle(now, executor::Input::Done(done));
        }
        node.executor.handle(now, executor::Input::Tick);
        let mut reports = Vec::new();
        while let Some(output) = node.executor.poll_output() {
            match output {
                executor::Output::Call(call) => {
                    node.calls.push((now + Duration::from_millis(20), call));
                }
                executor::Output::Kill(_) => {}
                executor::Output::Report(number, operation) if !node.cut && !self.headless => {
                    reports.push((number, operation));
                }
                executor::Output::Report(..) => {}
            }
        }
        // A life that was declared over ends when nothing of it is left.
        let known = self.state.members().get(&from).is_some_and(|member| member.life == life);
        let over = !node.cut && known && !self.state.counts(&from, life);
        if over && node.executor.is_empty() {
            self.begin_life(at);
        }
        for (number, operation) in reports {
            self.commit(operation);
            self.nodes[at].executor.handle(now, executor::Input::Reported(number));
        }
    }

    fn begin_life(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        node.life += 1;
        node.executor = Executor::new(node.name.clone(), Life(node.life));
        node.executor.handle(self.now, executor::Input::Walker(self.walker.clone()));
        node.holder = Holder::new(node.name.clone(), Life(node.life), LEASE, NoQuorum::Stop);
        node.calls.clear();
    }

    fn direct(&mut self) {
        while let Some(output) = self.controller.poll_output() {
            match output {
                controller::Output::Plan(number) => {
                    let wall = i64::try_from(self.state.time().seconds()).expect("a time");
                    let cib = cib::Cib::read(self.state.cib());
                    let plan = Box::new(sched::plan(&cib, cib::dates::WallTime(wall)));
                    let input = controller::Input::Planned(number, plan);
                    self.controller.handle(self.now, &self.state, input);
                }
                controller::Output::Execute(order) => {
                    // The device is the fencer's matter: it is there.
                    let (now, node) = (self.now, order.via.clone());
                    let node = self.node(&node);
                    if !node.cut && !node.paused {
                        node.executor.handle(now, executor::Input::Order(order));
                    }
                }
                controller::Output::Fence { node, epoch, action, timeout } => {
                    let (delay, origin) = (Duration::ZERO, "a".into());
                    let ask = Ask { node, epoch, action, timeout, delay, origin };
                    self.fencer.handle(self.now, fencer::Input::Ask(ask));
                }
                controller::Output::Propose(operation) => self.commit(operation),
                controller::Output::Shutdown(_) | controller::Output::Settled(_) => {}
            }
        }
    }

    fn shoot(&mut self) {
        let now = self.now;
        let hit: Vec<(Instant, u64, Name)> =
            self.shots.iter().filter(|it| it.0 <= now).cloned().collect();
        self.shots.retain(|it| it.0 > now);
        for (_, number, name) in hit {
            let at = self.nodes.iter().position(|it| it.name == name).expect("a node");
            self.nodes[at].started.clear();
            (self.nodes[at].paused, self.nodes[at].cut) = (false, false);
            self.begin_life(at);
            self.fencer.handle(now, fencer::Input::Done(number, Ok(())));
        }
        while let Some(output) = self.fencer.poll_output() {
            match output {
                fencer::Output::Call(call) => {
                    let node = call.lines.iter().find(|(name, _)| name == "nodename");
                    let node = Name::from(&*node.expect("a node").1);
                    self.shots.push((now + Duration::from_millis(100), call.number, node));
                }
                fencer::Output::Report(operation) => self.commit(operation),
                fencer::Output::Kill(number) => self.shots.retain(|it| it.1 != number),
                fencer::Output::Monitored(..) => {}
            }
        }
    }

    /// What is served: started, and the lease in the kernel alive, whatever the node's processes do.
    fn check(&mut self) {
        self.served.clear();
        for node in &self.nodes {
            for (resource, _) in node.started.iter().filter(|(_, started)| **started) {
                if node.holder.ends(self.now).is_some() && &**resource != "f" {
                    self.served.entry(resource.clone()).or_default().push(node.name.clone());
                }
            }
        }
        for (resource, holders) in &self.served {
            assert!(holders.len() <= 1, "{}: {resource} is served by {holders:?}", self.now);
        }
    }

    /// The leader is cut off; after a while another one is elected by those who hear each other.
    fn depose(&mut self, millis: u64) {
        let leader = self.leader.clone();
        self.node(&leader).cut = true;
        self.headless = true;
        self.former = Some((leader.clone(), std::mem::take(&mut self.grantor)));
        self.run(millis);
        let next = self.nodes.iter().map(|it| it.name.clone()).find(|it| *it != leader);
        self.leader = next.expect("there are three");
        self.headless = false;
        self.grantor.lead(self.now, true);
        let life = Life(self.node(&self.leader.clone()).life);
        self.liveness = Liveness::new(self.leader.clone(), life, liveness::Config::default());
        self.walker = format!("w-{}", self.now).into();
        self.controller = Controller::new(self.walker.clone());
        self.fencer = Fencer::new(2);
        let (devices, levels) = (Device::all(self.state.cib()), Level::all(self.state.cib()));
        self.fencer.handle(self.now, fencer::Input::Devices(devices, levels));
        self.commit(Operation::Lead { node: self.leader.clone() });
        for node in self.nodes.iter_mut().filter(|it| !it.cut) {
            node.executor.handle(self.now, executor::Input::Walker(self.walker.clone()));
        }
        self.liveness.handle(self.now, liveness::Input::Leading(true));
        self.controller.handle(self.now, &self.state, controller::Input::Lead(true));
    }

    fn run(&mut self, millis: u64) {
        for _ in 0..millis / 5 {
            self.step();
        }
    }
}

#[test]
fn a_cut_cable_and_a_hang_never_make_two_and_end_served() {
    for fencing in [false, true] {
        for fault in ["cut", "hang"] {
            let mut it = World::new(fencing);
            it.run(2000);
            assert_eq!(it.served.len(), 3, "{:?}", it.controller.status(&it.state));
            let victim = it.served.values().flatten().find(|it| &***it != "a").cloned();
            let victim = victim.expect("resources are spread");
            let node = it.node(&victim);
            (node.cut, node.paused) = (fault == "cut", fault == "hang");
            it.run(2500);
            assert_eq!(
                it.served.len(),
                3,
                "fencing {fencing}, {fault}: {:?}",
                it.controller.status(&it.state)
            );
            let node = it.node(&victim);
            (node.cut, node.paused) = (false, false);
            it.run(4000);
            assert_eq!(it.served.len(), 3, "fencing {fencing}, {fault}, healed");
            let member = it.state.members().get(&victim).expect("a member");
            assert_eq!(member.standing, Standing::Alive, "fencing {fencing}, {fault}");
        }
    }
}

#[test]
fn an_isolated_leader_steps_down_before_another_one_starts_anything() {
    for fencing in [false, true] {
        // Elections that are faster than any lease, and slower than all of them.
        for millis in [5, 100, 595, 605, 2000] {
            let mut it = World::new(fencing);
            it.run(2000);
            assert!(it.served.values().flatten().any(|it| &**it == "a"), "it holds something");
            it.depose(millis);
            it.run(4000);
            assert_eq!(
                it.served.len(),
                3,
                "{fencing} {millis}: {:?}",
                it.controller.status(&it.state)
            );
            assert!(it.served.values().flatten().all(|it| fencing || &**it != "a"));
            it.node("a").cut = false;
            it.former = None;
            let walker = it.walker.clone();
            let now = it.now;
            it.node("a").executor.handle(now, executor::Input::Walker(walker));
            it.run(4000);
            assert_eq!(it.served.len(), 3, "{fencing} {millis}, healed");
            let member = it.state.members().get(&"a".into()).expect("a member");
            assert_eq!(member.standing, Standing::Alive, "{fencing} {millis}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    /// Faults at any time and of any length, on two nodes: never two holders, and served after healing.
    #[test]
    fn any_faults(
        fencing in prop::bool::ANY,
        script in prop::collection::vec((0..2_usize, 0..3_u8, 5..1500_u64), 1..12),
    ) {
        let mut it = World::new(fencing);
        it.run(1000);
        for (which, what, millis) in script {
            let node = it.node(["b", "c"][which]);
            (node.cut, node.paused) = (what == 1, what == 2);
            it.run(millis);
        }
        for name in ["b", "c"] {
            let node = it.node(name);
            (node.cut, node.paused) = (false, false);
        }
        // An order that was lost with the cable is only noticed by its time-out and cluster-delay.
        it.run(100_000);
        prop_assert_eq!(it.served.len(), 3, "{:?}", it.controller.status(&it.state));
    }
}
