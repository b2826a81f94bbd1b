//! The controller on real plans: what is begun, in which order, and what ends a walk.

use core::time::Duration;
use std::collections::BTreeSet;

use base::{Instant, Name, Wall};
use cluster::controller::{Controller, Input, Order, Output};
use cluster::membership::Role;
use cluster::operation::{
    CibChange, Entry, Epoch, FenceAction, Fenced, Life, OpResult, OpStatus, Operation, Record,
    Verdict,
};
use cluster::{Outcome, State};
use proptest::prelude::*;

struct Dc {
    state: State,
    it: Controller,
    now: Instant,
    /// Orders and fencings that nobody has answered yet.
    orders: Vec<Order>,
    fencings: Vec<(Name, Epoch)>,
    begun: Vec<String>,
    most: usize,
    settled: usize,
    plans: usize,
}

fn cib(options: &[(&str, &str)], resources: usize, fencing: bool) -> String {
    let pairs: String = options
        .iter()
        .map(|(name, value)| format!("<nvpair id='o-{name}' name='{name}' value='{value}'/>"))
        .collect();
    let dummies: String = (0..resources)
        .map(|at| format!("<primitive id='r{at}' class='ocf' provider='heartbeat' type='Dummy'/>"))
        .collect();
    let device = "<primitive id='f' class='stonith' type='fence_lab'/>";
    format!(
        "<cib validate-with='pacemaker-3.9' crm_feature_set='3.19.0' admin_epoch='0' epoch='1' \
         num_updates='0'><configuration><crm_config><cluster_property_set id='o'>\
         <nvpair id='o-st' name='stonith-enabled' value='{fencing}'/>{pairs}\
         </cluster_property_set></crm_config><nodes/><resources>{}{dummies}</resources>\
         <constraints/></configuration><status/></cib>",
        if fencing { device } else { "" }
    )
}

impl Dc {
    fn new(cib: &str) -> Self {
        let mut it = Self {
            state: State::new(cib::xml::parse(cib).expect("a CIB").root),
            it: Controller::new("w".into()),
            now: Instant::from_nanos(1_000_000_000),
            orders: Vec::new(),
            fencings: Vec::new(),
            begun: Vec::new(),
            most: 0,
            settled: 0,
            plans: 0,
        };
        for (node, id) in [("a", "1"), ("b", "2"), ("c", "3")] {
            let (node, id) = (Name::from(node), Name::from(id));
            let lease = Duration::from_secs(1);
            it.commit(Operation::Admit { node: node.clone(), id, role: Role::Voter, lease });
            it.commit(Operation::Verdict { node, life: Life(1), verdict: Verdict::Alive });
        }
        it.commit(Operation::Lead { node: "a".into() });
        it.tell(Input::Lead(true));
        it
    }

    fn commit(&mut self, operation: Operation) -> Outcome {
        let entry = Entry { at: Wall::new(100, 0), by: "a".into(), operation };
        let outcome = self.state.apply(self.state.applied() + 1, &entry);
        self.tell(Input::Applied(entry, outcome.clone()));
        outcome
    }

    fn tell(&mut self, input: Input) {
        self.it.handle(self.now, &self.state, input);
        while let Some(output) = self.it.poll_output() {
            match output {
                Output::Plan(number) => {
                    self.plans += 1;
                    assert!(self.plans < 500, "it plans without end");
                    let cib = cib::Cib::read(self.state.cib());
                    let plan = sched::plan(&cib, cib::dates::WallTime(100));
                    self.tell(Input::Planned(number, Box::new(plan)));
                }
                Output::Execute(order) => {
                    self.begun
                        .push(format!("{} {} {}", order.operation, order.resource, order.node));
                    self.orders.push(order);
                    self.most = self.most.max(self.orders.len());
                }
                Output::Fence { node, epoch, .. } => {
                    self.begun.push(format!("fence {node}"));
                    self.fencings.push((node, epoch));
                }
                Output::Shutdown(node) => self.begun.push(format!("shutdown {node}")),
                Output::Propose(operation) => {
                    self.commit(operation);
                }
                Output::Settled(_) => self.settled += 1,
            }
        }
    }

    fn answer(&mut self, at: usize, rc: Option<i32>) {
        let order = self.orders.remove(at);
        let life = self.state.members().get(&order.node).expect("a member").life;
        self.commit(Operation::Record(record(&order, life, rc.unwrap_or(order.key.expected))));
    }

    /// Answers everything as hoped for until nothing is asked any more.
    fn run(&mut self) {
        while !self.orders.is_empty() {
            self.answer(0, None);
        }
    }

    fn shot(&mut self, node: &str, epoch: Epoch, error: Option<&str>) -> Outcome {
        self.commit(Operation::Fenced(Fenced {
            node: node.into(),
            epoch,
            action: FenceAction::Reboot,
            devices: vec!["f".into()],
            origin: "a".into(),
            error: error.map(str::to_owned),
        }))
    }

    fn lose(&mut self, node: &str) {
        self.commit(Operation::Verdict {
            node: node.into(),
            life: Life(1),
            verdict: Verdict::Lost,
        });
    }

    fn wait(&mut self, span: Duration) {
        self.now = self.now + span;
        self.tell(Input::Tick);
    }

    fn started(&self) -> usize {
        self.begun.iter().filter(|it| it.starts_with("start")).count()
    }
}

fn record(order: &Order, life: Life, rc: i32) -> Record {
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
            call: order.key.transition * 1000 + u64::from(order.key.step) + 1,
            rc: Some(rc),
            status: OpStatus::Done,
            key: order.key.clone(),
            changed: 100,
            took: Duration::ZERO,
            queued: Duration::ZERO,
            digest: order.digest(),
            restart: None,
            reason: String::new(),
            migration: None,
            about: None,
        }],
        cancelled: Vec::new(),
    }
}

#[test]
fn a_cluster_is_probed_then_started_then_settled() {
    let mut it = Dc::new(&cib(&[], 5, false));
    assert!(it.begun.iter().all(|it| it.starts_with("monitor")), "{:?}", it.begun);
    it.run();
    assert_eq!(it.started(), 5);
    assert_eq!(it.settled, 1);
    let last_probe = it.begun.iter().rposition(|it| it.starts_with("monitor r0"));
    let start = it.begun.iter().position(|it| it.starts_with("start r0"));
    assert!(last_probe < start, "{:?}", it.begun);
    assert!(it.it.status(&it.state).settled);
}

#[test]
fn limits_are_kept() {
    let mut it = Dc::new(&cib(&[("batch-limit", "2")], 6, false));
    it.run();
    assert_eq!((it.started(), it.most), (6, 2));
    let mut it = Dc::new(&cib(&[], 20, false));
    let per_node = |it: &Dc, node: &str| it.orders.iter().filter(|it| &*it.via == node).count();
    assert_eq!(["a", "b", "c"].map(|node| per_node(&it, node)), [4, 4, 4]);
    it.tell(Input::Load("b".into(), 1));
    while per_node(&it, "b") > 0 {
        let at = it.orders.iter().position(|it| &*it.via == "b").expect("there is one");
        it.answer(at, None);
        assert!(per_node(&it, "b") <= 3);
    }
    it.run();
    assert_eq!(it.started(), 20);
}

#[test]
fn fencing_comes_first_and_nothing_starts_before_it_is_confirmed() {
    let mut it = Dc::new(&cib(&[], 6, true));
    it.run();
    it.begun.clear();
    it.lose("b");
    assert_eq!(it.begun.first().map(String::as_str), Some("fence b"), "{:?}", it.begun);
    it.run();
    assert_eq!(it.started(), 0, "{:?}", it.begun);
    let (node, epoch) = it.fencings.remove(0);
    let stale = it.shot(&node, Epoch(epoch.0 + 1), None);
    assert!(matches!(stale, Outcome::Refused(_)));
    it.run();
    assert_eq!(it.started(), 0, "{:?}", it.begun);
    it.shot(&node, epoch, None);
    it.run();
    assert!(it.started() >= 2, "{:?}", it.begun);
    assert!(it.it.status(&it.state).settled);
}

#[test]
fn failed_fencing_is_tried_again_later_and_not_at_once() {
    let mut it = Dc::new(&cib(&[], 3, true));
    it.run();
    it.lose("b");
    for round in 0..5_u32 {
        let (node, epoch) = it.fencings.pop().expect("a fencing");
        it.shot(&node, epoch, Some("the device does not answer"));
        assert_eq!(it.fencings, [], "round {round}");
        it.wait(Duration::from_secs(1 << round));
    }
    let (node, epoch) = it.fencings.pop().expect("a fencing");
    it.begun.clear();
    it.shot(&node, epoch, None);
    it.run();
    assert!(it.started() >= 1);
}

#[test]
fn without_fencing_nothing_starts_while_a_lease_may_run() {
    let mut it = Dc::new(&cib(&[], 6, false));
    it.run();
    it.begun.clear();
    it.lose("b");
    it.run();
    it.wait(Duration::from_secs(5));
    assert_eq!(it.started(), 0, "{:?}", it.begun);
    assert_eq!(it.it.status(&it.state).in_doubt, [Name::from("b")]);
    let epoch = it.state.members().get(&"b".into()).expect("a member").epoch;
    let verdict = Verdict::LeaseOver(epoch);
    it.commit(Operation::Verdict { node: "b".into(), life: Life(1), verdict });
    it.run();
    assert_eq!(it.started(), 2, "{:?}", it.begun);
}

#[test]
fn a_node_that_is_back_makes_its_fencing_void_and_the_walk_goes_on() {
    let mut it = Dc::new(&cib(&[], 3, true));
    it.run();
    it.lose("b");
    let (node, epoch) = it.fencings.pop().expect("a fencing");
    it.commit(Operation::Verdict { node: "b".into(), life: Life(1), verdict: Verdict::Alive });
    assert!(it.it.status(&it.state).settled, "all is as it was");
    assert!(matches!(it.shot(&node, epoch, None), Outcome::Refused(_)));
    assert_eq!(it.fencings, []);
}

#[test]
fn a_failed_start_is_counted_and_the_resource_goes_elsewhere() {
    let mut it = Dc::new(&cib(&[], 1, false));
    let start = loop {
        match it.orders.iter().position(|it| &*it.operation == "start") {
            Some(at) => break at,
            None => it.answer(0, None),
        }
    };
    let first = it.orders[start].node.clone();
    it.answer(start, Some(1));
    it.run();
    let starts: BTreeSet<&String> = it.begun.iter().filter(|it| it.starts_with("start")).collect();
    assert_eq!(starts.len(), 2, "{:?}", it.begun);
    assert_eq!(it.state.transient(&first, "fail-count-r0#start_0"), Some("INFINITY"));
    assert!(it.begun.contains(&format!("stop r0 {first}")), "{:?}", it.begun);
    assert!(it.it.status(&it.state).settled);
}

#[test]
fn an_action_nobody_answers_for_is_put_on_record_as_timed_out() {
    let mut it = Dc::new(&cib(&[("cluster-delay", "10s")], 1, false));
    while !it.orders.iter().any(|it| &*it.operation == "start") {
        it.answer(0, None);
    }
    let order = it.orders.remove(0);
    it.wait(order.timeout + Duration::from_secs(9));
    assert_eq!(it.orders, []);
    it.wait(Duration::from_secs(1));
    it.run();
    assert_eq!(it.state.transient(&order.node, "fail-count-r0#start_0"), Some("INFINITY"));
    assert!(it.it.status(&it.state).settled);
}

#[test]
fn a_new_version_ends_the_walk_and_what_is_under_way_comes_to_its_end() {
    let mut it = Dc::new(&cib(&[("batch-limit", "1")], 3, false));
    let begun = it.begun.len();
    let plans = it.plans;
    it.commit(Operation::Cib { expect: None, change: CibChange::Bump });
    assert!(it.it.status(&it.state).aborted);
    assert_eq!((it.begun.len(), it.plans), (begun, plans), "nothing more, and no plan yet");
    it.answer(0, None);
    assert_eq!((it.begun.len(), it.plans), (begun + 1, plans + 1));
    it.run();
    assert_eq!(it.started(), 3);
}

#[test]
fn who_does_not_lead_does_nothing_and_results_for_others_are_news() {
    let mut it = Dc::new(&cib(&[], 1, false));
    it.tell(Input::Lead(false));
    let begun = it.begun.len();
    it.run();
    assert_eq!(it.begun.len(), begun);
    assert_eq!(it.it.poll_timeout(), None);
    it.tell(Input::Lead(true));
    it.run();
    assert_eq!(it.started(), 1);
}

#[test]
fn time_alone_makes_a_new_plan_now_and_then() {
    let mut it = Dc::new(&cib(&[("cluster-recheck-interval", "2min")], 1, false));
    it.run();
    let plans = it.plans;
    it.wait(Duration::from_secs(119));
    assert_eq!(it.plans, plans);
    it.wait(Duration::from_secs(1));
    assert_eq!(it.plans, plans + 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// Answers in any order, some of them failures, a node lost on the way: it always comes to rest,
    /// and nothing is ever started while somebody is in doubt.
    #[test]
    fn it_comes_to_rest(script in prop::collection::vec((0..50_usize, 0..12_u8), 0..60)) {
        let mut it = Dc::new(&cib(&[], 4, true));
        for (which, what) in script {
            let before = it.started();
            let doubt = it.state.members().in_doubt().next().is_some();
            match what {
                0 => it.lose("b"),
                1 => it.wait(Duration::from_millis(700)),
                _ if it.orders.is_empty() => {}
                2 => it.answer(which % it.orders.len(), Some(1)),
                _ => it.answer(which % it.orders.len(), None),
            }
            let still = it.state.members().in_doubt().next().is_some();
            prop_assert!(!(doubt && still) || it.started() == before);
        }
        for _ in 0..50 {
            it.run();
            for (node, epoch) in std::mem::take(&mut it.fencings) {
                it.shot(&node, epoch, None);
            }
            it.wait(Duration::from_secs(31));
        }
        prop_assert!(it.it.status(&it.state).settled, "{:?}", it.it.status(&it.state));
    }
}

/// A node that was told to leave may be lost before it has, or be back as another at once: nobody will
/// hear then that it has left, and the cluster does not wait for that.
#[test]
fn a_node_that_is_lost_or_back_while_it_leaves_keeps_nobody_waiting() {
    for back in [false, true] {
        let mut it = Dc::new(&cib(&[], 2, false));
        it.run();
        it.commit(Operation::Attribute {
            node: "b".into(),
            name: "shutdown".into(),
            value: Some("1".into()),
            dampen: Duration::ZERO,
        });
        it.run();
        assert_eq!(it.begun.last().map(String::as_str), Some("shutdown b"), "{:?}", it.begun);
        let (plans, settled) = (it.plans, it.settled);
        if back {
            let (life, verdict) = (Life(2), Verdict::Alive);
            it.commit(Operation::Verdict { node: "b".into(), life, verdict });
        } else {
            it.lose("b");
            let epoch = it.state.members().get(&"b".into()).expect("a member").epoch;
            let verdict = Verdict::LeaseOver(epoch);
            it.commit(Operation::Verdict { node: "b".into(), life: Life(1), verdict });
        }
        it.run();
        assert!(it.plans > plans && it.settled > settled, "back {back}: {:?}", it.begun);
    }
}

#[test]
fn a_node_that_has_just_joined_is_not_fenced() {
    let mut dc = Dc::new(&cib(&[], 1, true));
    dc.run();
    let lease = Duration::from_secs(1);
    let (node, id) = (Name::from("d"), Name::from("4"));
    dc.commit(Operation::Admit { node: node.clone(), id, role: Role::Voter, lease });
    dc.run();
    assert_eq!(dc.fencings, [], "{:?}", dc.begun);
    dc.commit(Operation::Verdict { node, life: Life(1), verdict: Verdict::Alive });
    dc.run();
    assert_eq!(dc.fencings, []);
    assert!(dc.begun.iter().any(|it| it == "monitor r0 d"), "{:?}", dc.begun);
}
