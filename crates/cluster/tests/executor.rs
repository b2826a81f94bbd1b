//! The executor: order, time-outs, monitors, cancelling, and what it does without a lease.

use core::time::Duration;

use base::{Instant, Name, Wall};
use cluster::Life;
use cluster::controller::Order;
use cluster::executor::{Call, CallDone, Executor, Held, Input, Output};
use cluster::lease::May;
use cluster::operation::{OpKey, OpResult, OpStatus, Operation, Record};
use proptest::prelude::*;

struct Node {
    it: Executor,
    now: Instant,
    calls: Vec<Call>,
    killed: Vec<u64>,
    records: Vec<Record>,
    /// What was not committed at once: numbers, and how many records.
    offered: Vec<(u64, usize)>,
    /// Reports are committed at once.
    quorum: bool,
    step: u32,
    transition: u64,
}

impl Node {
    fn new() -> Self {
        let mut it = Self {
            it: Executor::new("a".into(), Life(1)),
            now: Instant::from_nanos(1_000_000_000),
            calls: Vec::new(),
            killed: Vec::new(),
            records: Vec::new(),
            offered: Vec::new(),
            quorum: true,
            step: 0,
            transition: 1,
        };
        it.tell(Input::Wall(Wall::new(500, 0)));
        it.tell(Input::Walker("w".into()));
        it.tell(Input::May(May::Act));
        it
    }

    fn tell(&mut self, input: Input) {
        self.it.handle(self.now, input);
        while let Some(output) = self.it.poll_output() {
            match output {
                Output::Call(call) => self.calls.push(call),
                Output::Kill(number) => self.killed.push(number),
                Output::Report(number, Operation::Record(record)) if self.quorum => {
                    self.records.push(record);
                    self.it.handle(self.now, Input::Reported(number));
                }
                Output::Report(number, Operation::Records(records)) if self.quorum => {
                    self.records.extend(records);
                    self.it.handle(self.now, Input::Reported(number));
                }
                Output::Report(number, _) if self.quorum => {
                    self.it.handle(self.now, Input::Reported(number));
                }
                Output::Report(number, Operation::Records(records)) => {
                    self.offered.push((number, records.len()));
                }
                Output::Report(number, _) => self.offered.push((number, 1)),
            }
        }
    }

    fn order(&mut self, resource: &str, operation: &str, interval: u64) -> Order {
        self.step += 1;
        let (transition, step) = (self.transition, self.step);
        let order = order(resource, operation, interval, transition, step);
        self.tell(Input::Order(order.clone()));
        order
    }

    fn end(&mut self, rc: i32) {
        let number = self.calls.remove(0).number;
        self.finish(number, rc);
    }

    fn finish(&mut self, number: u64, rc: i32) {
        let (status, reason) = (OpStatus::Done, String::new());
        self.tell(Input::Done(CallDone { number, rc, status, reason }));
    }

    fn wait(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
        self.tell(Input::Tick);
    }

    /// Operations under way.
    fn under_way(&self) -> Vec<String> {
        let text = |it: &Call| format!("{} {}", it.order.operation, it.order.resource);
        self.calls.iter().map(text).collect()
    }

    /// Results told, but for pending ones, and forgets them.
    fn told(&mut self) -> Vec<OpResult> {
        let all = std::mem::take(&mut self.records).into_iter().flat_map(|it| it.results);
        all.filter(|it| it.status != OpStatus::Pending).collect()
    }

    fn held(&self, resource: &str) -> Held {
        let all = self.it.status().resources;
        all.iter().find(|it| &*it.resource == resource).map_or(Held::No, |it| it.held)
    }
}

fn order(resource: &str, operation: &str, interval: u64, transition: u64, step: u32) -> Order {
    Order {
        key: OpKey { transition, step, expected: 0, walker: "w".into() },
        node: "a".into(),
        via: "a".into(),
        resource: resource.into(),
        class: "ocf".into(),
        provider: "heartbeat".into(),
        agent: "Dummy".into(),
        operation: operation.into(),
        interval,
        timeout: Duration::from_secs(20),
        parameters: vec![
            ("CRM_meta_operation".into(), "monitor".into()),
            ("CRM_meta_timeout".into(), "20000".into()),
            ("state".into(), "/run/x".into()),
        ],
    }
}

#[test]
fn a_resource_does_one_thing_at_a_time_and_others_do_not_wait() {
    let mut it = Node::new();
    for (resource, operation) in [("r", "stop"), ("r", "start"), ("s", "start")] {
        it.order(resource, operation, 0);
    }
    assert_eq!(it.under_way(), ["stop r", "start s"]);
    it.end(0);
    assert_eq!(it.under_way(), ["start s", "start r"]);
    it.end(0);
    it.end(0);
    let told = it.told();
    assert_eq!(told.len(), 3);
    assert_eq!(told[2].changed, 500);
    let digest = sched::parameter_digest([("state", "/run/x")].into_iter());
    assert!(told.iter().all(|it| *it.digest == *digest), "meta attributes are not part of it");
    assert_eq!((it.held("r"), it.held("s")), (Held::Started, Held::Started));
}

#[test]
fn what_changes_something_and_takes_its_time_is_told_while_it_runs() {
    let pending = |it: &Node| {
        it.records
            .iter()
            .flat_map(|it| &it.results)
            .filter(|it| it.status == OpStatus::Pending)
            .count()
    };
    let mut it = Node::new();
    it.order("r", "start", 0);
    it.wait(49);
    assert_eq!(it.records, [], "it may end at once");
    it.wait(1);
    assert_eq!((pending(&it), it.records[0].results[0].rc), (1, None));
    it.wait(100);
    it.end(0);
    assert_eq!((pending(&it), it.records.len()), (1, 2), "once");

    let mut it = Node::new();
    it.order("r", "start", 0);
    it.end(0);
    assert_eq!((pending(&it), it.records.len()), (0, 1));
    it.order("r", "monitor", 0);
    it.wait(1000);
    assert_eq!(it.records.len(), 1, "a probe changes nothing");

    // Whoever directs from now on knows what is under way before anything else is asked for.
    for news in [Input::Walker("x".into()), Input::Forget] {
        let mut it = Node::new();
        it.order("r", "start", 0);
        it.order("s", "monitor", 0);
        it.tell(news);
        assert_eq!((pending(&it), it.records.len()), (1, 1));
    }
}

#[test]
fn results_of_many_leave_together_while_others_are_under_way() {
    let mut it = Node::new();
    it.quorum = false;
    for at in 0..30 {
        it.order(&format!("r{at}"), "monitor", 0);
    }
    for _ in 0..30 {
        it.end(7);
    }
    assert_eq!((it.it.status().unreported, it.offered.len()), (30, 2));
    // The first is committed: all others leave.
    it.tell(Input::Reported(1));
    let sizes: Vec<usize> = it.offered.iter().map(|(_, many)| *many).collect();
    assert_eq!(sizes, [1, 1, 28]);
    // Whoever wants to know when all is told needs no more than a number.
    it.order("s", "monitor", 0);
    it.end(7);
    assert_eq!(it.offered.len(), 3);
    it.tell(Input::Forget);
    let newest = it.it.newest_report();
    assert_eq!((newest, it.offered.len()), (4, 4));
    for number in 2..=4 {
        assert!(it.it.owes(newest));
        it.tell(Input::Reported(number));
    }
    assert!(!it.it.owes(newest));
}

#[test]
fn monitors_are_repeated_and_tell_only_what_is_new() {
    let mut it = Node::new();
    it.order("r", "monitor", 1000);
    it.end(0);
    assert_eq!(it.told().len(), 1);
    for _ in 0..5 {
        it.wait(999);
        assert_eq!(it.under_way(), Vec::<String>::new());
        it.wait(1);
        it.end(0);
    }
    assert_eq!(it.told(), []);
    it.wait(1000);
    it.end(7);
    let told = it.told();
    assert_eq!((told.len(), told[0].rc, told[0].interval), (1, Some(7), 1000));
    it.wait(1000);
    it.end(7);
    assert_eq!(it.told(), []);
    it.wait(1000);
    it.end(0);
    assert_eq!(it.told().len(), 1, "well again is news, too");
}

#[test]
fn what_changes_a_resource_ends_its_monitors_and_says_so() {
    let mut it = Node::new();
    it.order("r", "monitor", 1000);
    it.end(0);
    it.records.clear();
    it.order("r", "stop", 0);
    it.end(0);
    assert_eq!(it.records[0].cancelled, [(Name::from("monitor"), 1000)]);
    it.wait(5000);
    assert_eq!(it.under_way(), Vec::<String>::new());
}

#[test]
fn a_cancelled_monitor_is_not_heard_of_again_even_if_it_runs() {
    let mut it = Node::new();
    it.order("r", "monitor", 1000);
    it.end(0);
    it.wait(1000);
    it.records.clear();
    it.order("r", "cancel", 1000);
    assert_eq!(it.records.remove(0).cancelled, [(Name::from("monitor"), 1000)]);
    it.end(1);
    assert_eq!(it.told(), []);
    it.wait(9000);
    assert_eq!(it.under_way(), Vec::<String>::new());
}

#[test]
fn an_agent_that_hangs_is_ended_and_its_result_is_a_time_out_whatever_it_says() {
    let mut it = Node::new();
    it.order("r", "start", 0);
    it.wait(19_999);
    assert_eq!(it.killed, []);
    it.wait(1);
    assert_eq!(it.killed, [1]);
    it.wait(1);
    assert_eq!(it.killed.len(), 1, "once");
    it.end(0);
    assert_eq!(it.told()[0].status, OpStatus::TimedOut);
    assert_eq!(it.held("r"), Held::Started, "it may have got anywhere");
    // One that cannot even be ended does not keep the resource for ever.
    it.order("r", "stop", 0);
    it.wait(20_000);
    it.wait(5_000);
    assert_eq!(it.told()[0].status, OpStatus::TimedOut);
    it.finish(2, 0);
    assert_eq!(it.told(), [], "what comes later is too late");
}

#[test]
fn orders_that_are_old_or_come_twice_or_from_another_do_not_count() {
    let mut it = Node::new();
    let first = it.order("r", "start", 0);
    it.end(0);
    it.transition = 2;
    it.order("r", "stop", 0);
    it.end(0);
    it.tell(Input::Order(first));
    let second = order("r", "start", 0, 2, 2);
    it.tell(Input::Order(second));
    let mut other = order("r", "start", 0, 9, 9);
    other.key.walker = "x".into();
    it.tell(Input::Order(other));
    assert_eq!(it.under_way(), Vec::<String>::new());
    assert_eq!(it.it.status().refused, 3);
    it.tell(Input::Walker("x".into()));
    let mut other = order("r", "start", 0, 1, 1);
    other.key.walker = "x".into();
    it.tell(Input::Order(other));
    assert_eq!(it.under_way(), ["start r"]);
}

#[test]
fn without_a_lease_it_does_what_the_policy_says() {
    for (may, expected) in [
        (May::Act, vec![]),
        (May::Keep, vec![]),
        (May::KeepUnpromoted, vec!["demote p"]),
        (May::Release, vec!["stop p", "stop r"]),
    ] {
        let mut it = Node::new();
        it.order("r", "start", 0);
        it.end(0);
        it.order("p", "start", 0);
        it.end(0);
        it.order("p", "promote", 0);
        it.end(0);
        it.tell(Input::May(may));
        assert_eq!(it.under_way(), expected, "{may:?}");
        it.order("n", "start", 0);
        let refused = it.it.status().refused;
        assert_eq!(refused, u64::from(may != May::Act), "{may:?}");
    }
}

#[test]
fn a_start_under_way_when_the_lease_ends_is_ended_and_stopped() {
    let mut it = Node::new();
    it.order("r", "start", 0);
    it.tell(Input::May(May::Release));
    assert_eq!(it.killed, [1]);
    it.end(0);
    assert_eq!(it.under_way(), ["stop r"]);
    it.end(0);
    assert!(it.it.is_empty());
    // A probe that finds something after the end of the lease: it is stopped as well.
    it.tell(Input::May(May::Act));
    it.order("s", "monitor", 0);
    it.tell(Input::May(May::Release));
    it.end(0);
    assert_eq!(it.under_way(), ["stop s"]);
    it.end(1);
    assert_eq!(it.under_way(), Vec::<String>::new(), "a stop that failed is not tried for ever");
}

#[test]
fn reports_are_offered_until_they_are_committed() {
    let mut it = Node::new();
    it.quorum = false;
    it.order("r", "start", 0);
    it.wait(50);
    it.end(0);
    assert_eq!(it.it.status().unreported, 2);
    it.wait(440);
    it.quorum = true;
    it.wait(60);
    assert_eq!(it.it.status().unreported, 0);
    let told = it.records.iter().flat_map(|it| &it.results).map(|it| it.status);
    assert_eq!(told.collect::<Vec<_>>(), [OpStatus::Pending, OpStatus::Done], "in their order");
}

proptest! {
    /// Whatever is ordered and however agents answer: never two calls at once for a resource; every
    /// order that was taken and not cancelled is told of once; and after release nothing is held.
    #[test]
    fn one_at_a_time_and_each_told_once(
        script in prop::collection::vec((0..3_usize, 0..6_usize, 0..10_i32), 1..60),
    ) {
        let mut it = Node::new();
        let mut asked = Vec::new();
        for (resource, what, rc) in script {
            let name = ["r", "s", "t"][resource];
            match what {
                0 => asked.push(it.order(name, "start", 0).key),
                1 => asked.push(it.order(name, "stop", 0).key),
                2 => asked.push(it.order(name, "monitor", 3000).key),
                3 => it.wait(1000),
                _ if it.calls.is_empty() => {}
                _ => it.end(rc),
            }
            let mut busy: Vec<&Name> = it.calls.iter().map(|it| &it.order.resource).collect();
            busy.sort();
            let all = busy.len();
            busy.dedup();
            prop_assert_eq!(busy.len(), all);
        }
        while !it.calls.is_empty() {
            it.end(0);
        }
        let results: Vec<OpResult> = it.told();
        for key in asked {
            let told = results.iter().filter(|it| it.key == key && it.interval == 0).count();
            let once = results.iter().filter(|it| it.key == key).count();
            prop_assert!(told == 1 || (told == 0 && once >= 1), "{key} told {once} times");
        }
        it.tell(Input::May(May::Release));
        while !it.calls.is_empty() {
            it.end(0);
        }
        prop_assert!(it.it.is_empty());
    }
}
