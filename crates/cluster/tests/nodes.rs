//! Whole nodes over an imagined engine: what is proposed within reach of the leader is committed at
//! once, and each node is told the log as far as it is reached. Orders may be held back on their way.

use core::time::Duration;
use std::collections::BTreeMap;

use base::{Instant, Name, Wall};
use cluster::executor::{Call, CallDone};
use cluster::liveness::Heartbeat;
use cluster::node::{ByHand, Config, Input, Message, Node, Output};
use cluster::operation::{CibChange, Entry, FenceAction, Fenced, OpStatus, Operation};
use cluster::seam::{Ask, Leadership, Tell};
use cluster::{Role, Standing};

const LEASE: Duration = Duration::from_millis(600);
const TICK: Duration = Duration::from_millis(5);

struct Seat {
    name: Name,
    node: Node,
    told: usize,
    cut: bool,
    left: bool,
    calls: Vec<(Instant, Call)>,
    started: BTreeMap<Name, bool>,
    lease: Option<Instant>,
}

struct World {
    now: Instant,
    log: Vec<Entry>,
    seats: Vec<Seat>,
    leader: Name,
    term: u64,
    /// Orders to this node are kept back.
    hold: Option<Name>,
    held: Vec<(Name, Name, Message)>,
}

fn blank() -> cib::xml::Element {
    let dummies: String = (0..3)
        .map(|at| format!("<primitive id='r{at}' class='ocf' provider='heartbeat' type='Dummy'/>"))
        .collect();
    let text = format!(
        "<cib validate-with='pacemaker-3.9' crm_feature_set='3.19.0' admin_epoch='0' epoch='1' \
         num_updates='0'><configuration><crm_config><cluster_property_set id='o'><nvpair id='o-s' \
         name='stonith-enabled' value='false'/></cluster_property_set></crm_config><nodes/>\
         <resources>{dummies}</resources><constraints/></configuration><status/></cib>"
    );
    cib::xml::parse(&text).expect("a CIB").root
}

impl World {
    fn new() -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        let seat = |(name, seed): (&str, u64)| {
            let config = Config {
                node: name.into(),
                seed,
                lease: LEASE,
                liveness: cluster::liveness::Config::default(),
                links: 1,
                blank: blank(),
            };
            let mut node = Node::new(now, config);
            node.handle(now, Input::Wall(Wall::new(100, 0)));
            let (calls, started) = (Vec::new(), BTreeMap::new());
            Seat {
                name: name.into(),
                node,
                told: 0,
                cut: false,
                left: false,
                calls,
                started,
                lease: None,
            }
        };
        let mut it = Self {
            now,
            log: Vec::new(),
            seats: [("a", 1), ("b", 2), ("c", 3)].map(seat).into(),
            leader: "a".into(),
            term: 0,
            hold: None,
            held: Vec::new(),
        };
        for (node, id) in [("a", "1"), ("b", "2"), ("c", "3")] {
            let (node, id) = (Name::from(node), Name::from(id));
            let operation = Operation::Admit { node, id, role: Role::Voter, lease: LEASE };
            it.log.push(Entry { at: Wall::new(100, 0), by: "x".into(), operation });
        }
        it.elect("a");
        it
    }

    fn at(&self, name: &str) -> usize {
        self.seats.iter().position(|it| &*it.name == name).expect("a node")
    }

    fn elect(&mut self, name: &str) {
        (self.leader, self.term) = (name.into(), self.term + 1);
        for at in 0..self.seats.len() {
            if !self.seats[at].cut {
                self.catch_up(at);
                self.introduce(at);
            }
        }
    }

    fn introduce(&mut self, at: usize) {
        let leadership = Leadership { term: self.term, leader: Some(self.leader.clone()) };
        self.tell(at, Input::Engine(Tell::Leads(leadership)));
    }

    fn cut(&mut self, name: &str, cut: bool) {
        let at = self.at(name);
        self.seats[at].cut = cut;
        if !cut {
            self.introduce(at);
        }
    }

    fn catch_up(&mut self, at: usize) {
        while let Some(entry) = self.log.get(self.seats[at].told).cloned() {
            self.seats[at].told += 1;
            let index = u64::try_from(self.seats[at].told).expect("small");
            self.tell(at, Input::Engine(Tell::Committed { index, entry }));
        }
    }

    fn tell(&mut self, at: usize, input: Input) {
        let now = self.now;
        self.seats[at].node.handle(now, input);
        while let Some(output) = self.seats[at].node.poll_output() {
            let from = self.seats[at].name.clone();
            let leader = self.at(&self.leader.clone());
            match output {
                Output::Ask(Ask::Propose(ticket, entry)) => {
                    if self.seats[at].cut || self.seats[leader].cut {
                        let lost = Err(cluster::seam::Failure::Unknown);
                        self.tell(at, Input::Engine(Tell::Answered(ticket, lost)));
                        continue;
                    }
                    self.log.push(entry);
                    let index = u64::try_from(self.log.len()).expect("small");
                    self.catch_up(at);
                    self.tell(at, Input::Engine(Tell::Answered(ticket, Ok(index))));
                }
                Output::Ask(_) | Output::Kill(_) | Output::Answer(..) => {}
                Output::Send(to, message) => {
                    let order = matches!(message, Message::Order(_));
                    if order && self.hold.as_ref() == Some(&to) {
                        self.held.push((from, to, message));
                    } else if !self.seats[at].cut && !self.seats[self.at(&to)].cut {
                        let to = self.at(&to);
                        self.tell(to, Input::Message(from, message));
                    }
                }
                Output::Plan(number) => {
                    let cib = cib::Cib::read(self.seats[at].node.state().cib());
                    let plan = Box::new(sched::plan(&cib, cib::dates::WallTime(100)));
                    self.tell(at, Input::Planned(number, plan));
                }
                Output::Call(call) => {
                    self.seats[at].calls.push((now + Duration::from_millis(20), call));
                }
                Output::Lease(ends) => self.seats[at].lease = ends,
                Output::Left => self.seats[at].left = true,
                other => assert!(matches!(other, Output::Reborn), "{other:?}"),
            }
        }
    }

    fn step(&mut self) {
        self.now = self.now + TICK;
        let now = self.now;
        for at in 0..self.seats.len() {
            if !self.seats[at].cut {
                self.catch_up(at);
            }
            let leads = self.seats[at].name == self.leader && !self.seats[at].cut;
            if leads {
                self.tell(at, Input::Engine(Tell::Confirmed(now)));
            }
            let seat = &mut self.seats[at];
            let done: Vec<Call> =
                seat.calls.iter().filter(|it| it.0 <= now).map(|it| it.1.clone()).collect();
            seat.calls.retain(|it| it.0 > now);
            for Call { number, order } in done {
                let known = self.seats[at].started.entry(order.resource).or_insert(false);
                let rc = match &*order.operation {
                    "start" | "stop" => {
                        *known = &*order.operation == "start";
                        0
                    }
                    _ => 7 * i32::from(!*known),
                };
                let (status, reason) = (OpStatus::Done, String::new());
                self.tell(at, Input::Done(CallDone { number, rc, status, reason }));
            }
            self.tell(at, Input::Tick);
        }
        for (resource, holders) in self.served() {
            assert!(holders.len() <= 1, "{now}: {resource} is served by {holders:?}");
        }
    }

    fn served(&self) -> BTreeMap<Name, Vec<Name>> {
        let mut served: BTreeMap<Name, Vec<Name>> = BTreeMap::new();
        for seat in self.seats.iter().filter(|it| it.lease.is_some_and(|at| self.now < at)) {
            for (resource, _) in seat.started.iter().filter(|it| *it.1) {
                served.entry(resource.clone()).or_default().push(seat.name.clone());
            }
        }
        served
    }

    fn run(&mut self, millis: u64) {
        for _ in 0..millis / 5 {
            self.step();
        }
    }

    fn all_served(&self, why: &str) {
        let leader = &self.seats[self.at(&self.leader.clone())].node;
        assert_eq!(self.served().len(), 3, "{why}: {:?}", leader.status(self.now));
    }
}

#[test]
fn three_nodes_serve_and_a_cut_one_is_replaced_and_found_back() {
    let mut it = World::new();
    it.run(2000);
    it.all_served("at first");
    assert!(it.seats.iter().all(|seat| seat.lease.is_some()), "all serve, the leader too");
    it.cut("b", true);
    it.run(3000);
    it.all_served("without b");
    it.cut("b", false);
    it.run(3000);
    it.all_served("healed");
    let state = it.seats[0].node.state();
    assert_eq!(state.members().get(&"b".into()).expect("b").standing, Standing::Alive);
    assert!(it.seats.iter().all(|seat| seat.node.state().cib() == state.cib()), "equal CIBs");
}

#[test]
fn a_leader_that_is_cut_off_is_replaced_without_two_holders() {
    for millis in [5, 300, 600, 1500] {
        let mut it = World::new();
        it.run(2000);
        it.cut("a", true);
        it.run(millis);
        it.elect("b");
        it.run(4000);
        it.all_served("without a");
        it.cut("a", false);
        it.run(4000);
        it.all_served("healed");
        assert!(!it.seats[0].node.status(it.now).directing);
    }
}

#[test]
fn a_leader_of_old_that_says_so_late_does_not_unseat_the_one_that_leads() {
    let mut it = World::new();
    it.run(2000);
    it.elect("b");
    it.run(1000);
    // It began again, believed for a moment what it remembered, and the engine passed its word on.
    let (at, by, node) = (Wall::new(100, 0), Name::from("a"), Name::from("a"));
    it.log.push(Entry { at, by, operation: Operation::Lead { node } });
    it.run(1000);
    let leader = &it.seats[1].node;
    assert!(leader.status(it.now).directing && leader.state().leader() == Some(&"b".into()));
    it.cut("c", true);
    it.run(3000);
    it.all_served("without c");
}

#[test]
fn an_order_held_back_while_its_node_was_lost_and_found_is_void() {
    let mut it = World::new();
    it.hold = Some("b".into());
    for _ in 0..400 {
        if it.held.is_empty() {
            it.step();
        }
    }
    assert!(!it.held.is_empty(), "something was ordered of b");
    let held = std::mem::take(&mut it.held);
    it.hold = None;
    it.cut("b", true);
    it.run(500);
    it.cut("b", false);
    it.run(3000);
    it.all_served("b is back");
    let (at, before) = (it.at("b"), it.served());
    let void = it.seats[at].node.status(it.now).void;
    for (from, _, message) in held {
        it.tell(at, Input::Message(from, message));
    }
    assert!(it.seats[at].node.status(it.now).void > void);
    it.run(500);
    assert_eq!(it.served(), before);
}

#[test]
fn who_leaves_holds_nothing_first_who_went_is_expelled_and_who_comes_is_admitted() {
    let mut it = World::new();
    it.run(2000);
    it.all_served("at first");
    let (a, c) = (it.at("a"), it.at("c"));
    let attribute = |name: &str, value: &str, dampen| Operation::Attribute {
        node: "c".into(),
        name: name.into(),
        value: Some(value.into()),
        dampen,
    };
    // Whoever sets an attribute that may wait does not come again to have it written.
    let dampen = Duration::from_millis(500);
    it.tell(a, Input::Submit(1, attribute("load", "7", dampen)));
    it.run(1500);
    let written = |it: &World| it.seats[c].node.state().cib().to_string().contains("\"load\"");
    assert!(written(&it), "it was settled");
    it.tell(a, Input::Submit(2, attribute("shutdown", "100", Duration::ZERO)));
    it.run(3000);
    it.all_served("c has left");
    assert!(it.seats[c].started.values().all(|started| !started), "{:?}", it.seats[c].started);
    let standing = |it: &World| {
        it.seats[a].node.state().members().get(&"c".into()).map(|member| member.standing)
    };
    assert_eq!(standing(&it), Some(Standing::Absent));
    assert!(it.seats[c].node.status(it.now).lease.is_none());
    // The engine lets it go, and so does the cluster.
    it.cut("c", true);
    let roll = |names: &[&str]| {
        names.iter().map(|name| (Name::from(*name), Role::Voter)).collect::<BTreeMap<_, _>>()
    };
    it.tell(a, Input::Engine(Tell::Members(roll(&["a", "b"]))));
    it.run(1500);
    assert_eq!(standing(&it), None);
    let cib = it.seats[a].node.state().cib().to_string();
    assert!(!cib.contains("uname=\"c\""), "{cib}");
    // And takes another of its name in, under an id that is free.
    it.tell(a, Input::Engine(Tell::Members(roll(&["a", "b", "c"]))));
    it.run(1500);
    let member = it.seats[a].node.state().members().get(&"c".into()).cloned().expect("admitted");
    assert_eq!((&*member.id, member.standing), ("3", Standing::Absent));
}

#[test]
fn who_went_without_a_word_is_expelled_only_when_it_is_certain_to_hold_nothing() {
    let mut it = World::new();
    it.run(2000);
    it.cut("c", true);
    let roll = [("a", Role::Voter), ("b", Role::Voter)].map(|(name, role)| (name.into(), role));
    let a = it.at("a");
    it.tell(a, Input::Engine(Tell::Members(roll.into())));
    let gone = |it: &World| it.seats[a].node.state().members().get(&"c".into()).is_none();
    for _ in 0..1000 {
        it.step();
        if gone(&it) {
            break;
        }
        it.seats[a].node.state().members().get(&"c".into()).expect("asked before it is certain");
    }
    assert!(gone(&it));
    let lease = it.seats[it.at("c")].lease;
    assert!(lease.is_none_or(|ends| ends < it.now), "its lease was over before");
}

#[test]
fn a_leave_that_was_meant_for_an_earlier_life_lets_the_next_one_stay() {
    let mut it = World::new();
    it.run(2000);
    let life = it.seats[2].node.life();
    let standing = |it: &World| {
        it.seats[0].node.state().members().get(&"c".into()).map(|member| member.standing)
    };
    let earlier = Message::LeaveLife(cluster::operation::Life(life.0 ^ 1));
    it.tell(2, Input::Message("a".into(), earlier));
    it.run(3000);
    assert_eq!(standing(&it), Some(Standing::Alive), "it was meant for one that is gone");
    it.all_served("with all three");
    // Told in its own life, it goes: what it held is stopped first, by the end of the lease at the latest.
    let now = it.now;
    let attribute = Operation::Attribute {
        node: "c".into(),
        name: "shutdown".into(),
        value: Some("1".into()),
        dampen: Duration::ZERO,
    };
    it.seats[2].node.handle(now, Input::Submit(1, attribute));
    it.run(3000);
    assert_eq!(standing(&it), Some(Standing::Absent), "it asked for that itself");
    it.all_served("without c");
}

/// In maintenance everything is left alone: also by a node that leaves, also where nobody leads any more.
#[test]
fn what_is_left_alone_stays_when_its_node_leaves_and_when_its_lease_ends() {
    let mut it = World::new();
    it.run(2000);
    let xml = "<cluster_property_set id='o'><nvpair id='o-m' name='maintenance-mode' value='true'/>\
               </cluster_property_set>";
    let (scope, xml) = ("crm_config".to_owned(), xml.to_owned());
    let change = CibChange::Modify { scope, xml, allow_create: true };
    it.tell(0, Input::Submit(1, Operation::Cib { expect: None, change }));
    it.run(1000);
    let runs = |it: &World, at: usize| it.seats[at].started.values().filter(|it| **it).count();
    let before = [0, 1, 2].map(|at| runs(&it, at));
    assert_eq!(before.iter().sum::<usize>(), 3, "all run");
    let attribute = Operation::Attribute {
        node: "c".into(),
        name: "shutdown".into(),
        value: Some("1".into()),
        dampen: Duration::ZERO,
    };
    it.tell(2, Input::Submit(2, attribute));
    it.run(3000);
    let standing = it.seats[0].node.state().members().get(&"c".into()).map(|it| it.standing);
    assert_eq!(standing, Some(Standing::Absent), "it has left");
    // b hears nobody for long: its lease has ended.
    it.cut("b", true);
    it.run(3000);
    assert!(it.seats[1].lease.is_none_or(|ends| ends <= it.now));
    assert_eq!([0, 1, 2].map(|at| runs(&it, at)), before, "nothing was stopped or begun");
}

#[test]
fn what_somebody_wants_about_a_nodes_power_is_done_by_who_leads_wherever_it_is_asked() {
    let mut it = World::new();
    it.run(2000);
    // Its lease is over: whoever swears that it is down does not lie.
    it.cut("c", true);
    it.run(3000);
    let fenced = |it: &World| -> Vec<Fenced> {
        let of = |entry: &Entry| match &entry.operation {
            Operation::Fenced(fenced) => Some(fenced.clone()),
            _ => None,
        };
        it.log.iter().filter_map(of).collect()
    };
    for (by, action) in [("b", Some(FenceAction::Off)), ("a", None), ("b", None)] {
        let before = fenced(&it).len();
        let timeout = Duration::from_secs(1);
        let wish = ByHand { node: "c".into(), action, timeout, by: by.into() };
        let at = it.at(by);
        it.tell(at, Input::ByHand(wish));
        it.run(100);
        let all = fenced(&it);
        assert_eq!(all.len(), before + 1, "{by} {action:?}");
        let last = &all[before];
        assert_eq!((&*last.node, &*last.origin), ("c", by));
        // There is no device; whoever swears needs none.
        assert_eq!(last.error.is_some(), action.is_some(), "{last:?}");
    }
}

#[test]
fn who_lost_its_engine_stops_what_it_runs_at_once_and_begins_nothing_more() {
    for policy in ["stop", "ignore", "freeze"] {
        for leads in [false, true] {
            let mut it = World::new();
            it.run(2_000);
            it.all_served("before");
            let set = |policy: &str| {
                format!(
                    "<cluster_property_set id='o'><nvpair id='o-q' name='no-quorum-policy' \
                         value='{policy}'/></cluster_property_set>"
                )
            };
            let (scope, xml) = ("crm_config".into(), set(policy));
            let change = CibChange::Modify { scope, xml, allow_create: true };
            let operation = Operation::Cib { expect: None, change };
            it.log.push(Entry { at: Wall::new(100, 0), by: "x".into(), operation });
            it.run(500);
            let holds = |it: &World, at: usize| it.seats[at].started.values().any(|it| *it);
            let found =
                (0..3).find(|at| holds(&it, *at) && (it.seats[*at].name == it.leader) == leads);
            let at = found.expect("each holds one");
            let name = it.seats[at].name.clone();
            // Its engine ends: it is heard by nobody, and told nothing more.
            it.cut(&name, true);
            it.tell(at, Input::Engine(Tell::Ended("no space left".into())));
            assert_eq!(it.seats[at].lease, None, "the lease is given up at once");
            it.run(100);
            assert!(
                !holds(&it, at) && it.seats[at].left,
                "{policy} {leads}: {:?}",
                it.seats[at].started
            );
            // Whatever it is still told to do.
            it.run(2_000);
            assert!(!holds(&it, at), "{policy} {leads}");
            if leads {
                let next = it.seats[(at + 1) % 3].name.clone();
                it.elect(&next);
            }
            it.run(4_000);
            it.all_served("by the others");
        }
    }
}

#[test]
fn a_member_speaks_for_itself_alone() {
    let mut it = World::new();
    it.run(2_000);
    let (leader, other) = (it.at("a"), it.at("b"));
    it.cut("c", true);
    let before = it.seats[leader].node.status(it.now).void;
    // As soon as c is silent, b says that it lives, and asks for its lease.
    let c = it.seats[it.at("c")].node.life();
    for sequence in 0..400 {
        let heartbeat = Heartbeat {
            from: "c".into(),
            life: c,
            sequence: 1_000_000 + sequence,
            knows: u64::MAX,
        };
        let from = it.seats[other].name.clone();
        let request = cluster::lease::Request { node: "c".into(), life: c, number: sequence };
        it.tell(leader, Input::Message(from.clone(), Message::Heartbeat(0, heartbeat)));
        it.tell(leader, Input::Message(from, Message::Request(request)));
        it.step();
    }
    assert_eq!(it.seats[leader].node.status(it.now).void, before + 800);
    it.run(4_000);
    let standing =
        it.seats[leader].node.state().members().get(&"c".into()).expect("a member").standing;
    assert!(!matches!(standing, Standing::Alive), "{standing:?}");
    it.all_served("by a and b");
}

#[test]
fn who_holds_what_it_may_not_is_not_safe_until_it_has_let_go() {
    for (policy, kept) in [("stop", false), ("freeze", true), ("ignore", true), ("suicide", false)]
    {
        let mut it = World::new();
        let set = format!(
            "<cluster_property_set id='o'><nvpair id='o-q' name='no-quorum-policy' value='{policy}'/>\
             </cluster_property_set>"
        );
        let change = CibChange::Modify { scope: "crm_config".into(), xml: set, allow_create: true };
        let operation = Operation::Cib { expect: None, change };
        it.log.push(Entry { at: Wall::new(100, 0), by: "x".into(), operation });
        it.run(2_500);
        it.all_served("before");
        let at = (0..3).find(|at| it.seats[*at].started.values().any(|it| *it)).expect("one");
        let name = it.seats[at].name.clone();
        let safe = |it: &World| it.seats[at].node.is_safe(it.now);
        assert!(safe(&it) && !it.seats[at].node.holds_nothing(), "{policy}");
        it.cut(&name, true);
        // Its lease goes on, then ends; what it calls then takes its time.
        let (mut unsafe_for, mut last) = (Duration::ZERO, true);
        for _ in 0..400 {
            it.step();
            last = safe(&it);
            if !last {
                unsafe_for += TICK;
            }
        }
        match policy {
            // A stop takes 20 ms here.
            "stop" => assert!(
                last && (TICK..Duration::from_millis(100)).contains(&unsafe_for),
                "{unsafe_for:?}"
            ),
            "suicide" => assert!(!last, "it is not to be fed again"),
            _ => assert!(kept && unsafe_for == Duration::ZERO, "{policy} {unsafe_for:?}"),
        }
    }
}
