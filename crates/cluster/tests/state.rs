//! The replicated state: every operation, what is refused, and that all nodes come to the same.

use core::time::Duration;

use base::Wall;
use cluster::membership::{Cleared, Role, Standing};
use cluster::operation::{
    CibChange, Entry, Epoch, FenceAction, Fenced, Life, OpKey, OpResult, OpStatus, Operation,
    Record, Verdict, VersionIs,
};
use cluster::{Outcome, Refusal, SnapshotError, State};
use proptest::prelude::*;

const EMPTY: &str = r#"<cib validate-with="pacemaker-3.9" crm_feature_set="3.19.0" admin_epoch="0" epoch="1" num_updates="0">
  <configuration><crm_config/><nodes/><resources/><constraints/></configuration><status/></cib>"#;

struct Cluster {
    state: State,
    index: u64,
}

impl Cluster {
    fn new() -> Self {
        let cib = cib::xml::parse(EMPTY).expect("a CIB").root;
        let mut it = Self { state: State::new(cib), index: 0 };
        for (node, id) in [("a", "1"), ("b", "2"), ("c", "3")] {
            it.done(admit(node, id));
        }
        it
    }

    fn apply_at(&mut self, seconds: u64, operation: Operation) -> Outcome {
        self.index += 1;
        let entry = Entry { at: Wall::new(seconds, 0), by: "a".into(), operation };
        self.state.apply(self.index, &entry)
    }

    fn apply(&mut self, operation: Operation) -> Outcome {
        self.apply_at(100, operation)
    }

    fn done(&mut self, operation: Operation) {
        let text = format!("{operation:?}");
        let outcome = self.apply(operation);
        assert!(matches!(outcome, Outcome::Done(_)), "{text}: {outcome:?}");
    }

    fn standing(&self, node: &str) -> Standing {
        self.state.members().get(&node.into()).expect("a member").standing
    }

    fn epoch(&self, node: &str) -> Epoch {
        self.state.members().get(&node.into()).expect("a member").epoch
    }

    fn node_state(&self, node: &str) -> cib::model::NodeState {
        let cib = cib::Cib::read(self.state.cib());
        cib.node_states.into_iter().find(|it| &*it.name == node).expect("a node state")
    }
}

fn admit(node: &str, id: &str) -> Operation {
    let lease = Duration::from_secs(2);
    Operation::Admit { node: node.into(), id: id.into(), role: Role::Voter, lease }
}

fn verdict(node: &str, life: u64, verdict: Verdict) -> Operation {
    Operation::Verdict { node: node.into(), life: Life(life), verdict }
}

fn fenced(node: &str, epoch: Epoch, error: Option<&str>) -> Operation {
    Operation::Fenced(Fenced {
        node: node.into(),
        epoch,
        action: FenceAction::Off,
        devices: vec!["f".into()],
        origin: "a".into(),
        error: error.map(str::to_owned),
    })
}

fn attribute(node: &str, name: &str, value: Option<&str>, dampen: u64) -> Operation {
    Operation::Attribute {
        node: node.into(),
        name: name.into(),
        value: value.map(str::to_owned),
        dampen: Duration::from_secs(dampen),
    }
}

fn result(operation: &str, interval: u64, rc: i32, expected: i32) -> OpResult {
    OpResult {
        operation: operation.into(),
        interval,
        call: 5,
        rc: Some(rc),
        status: OpStatus::Done,
        key: OpKey { transition: 3, step: 7, expected, walker: "w".into() },
        changed: 90,
        took: Duration::from_millis(12),
        queued: Duration::ZERO,
        digest: "d".into(),
        restart: None,
        reason: String::new(),
        migration: None,
        about: None,
    }
}

/// The same as another call.
fn called(call: u64, result: OpResult) -> OpResult {
    OpResult { call, ..result }
}

fn record(node: &str, life: u64, results: Vec<OpResult>) -> Operation {
    Operation::Record(Record {
        node: node.into(),
        life: Life(life),
        resource: "r:0".into(),
        class: "ocf".into(),
        provider: "heartbeat".into(),
        agent: "Dummy".into(),
        results,
        cancelled: Vec::new(),
    })
}

#[test]
fn a_change_thought_for_another_version_is_a_conflict_and_changes_nothing() {
    let mut it = Cluster::new();
    let change = CibChange::Create {
        scope: "resources".into(),
        xml: "<primitive id='r' class='ocf' provider='heartbeat' type='Dummy'/>".into(),
    };
    let now: VersionIs = it.state.version().into();
    let before = it.state.cib().clone();
    let expect = Some(VersionIs(now.0, now.1 + 1, 0));
    let outcome = it.apply(Operation::Cib { expect, change: change.clone() });
    assert!(matches!(outcome, Outcome::Refused(Refusal::Conflict { .. })), "{outcome:?}");
    assert_eq!(*it.state.cib(), before);
    it.done(Operation::Cib { expect: Some(now), change: change.clone() });
    assert_eq!(it.state.version().epoch, now.1 + 1);
    let twice = it.apply(Operation::Cib { expect: None, change });
    assert!(matches!(twice, Outcome::Refused(Refusal::Bad(_))), "{twice:?}");
}

#[test]
fn what_cannot_be_read_or_would_not_be_valid_is_refused_with_a_reason() {
    let mut it = Cluster::new();
    let xml = |xml: &str| CibChange::Create { scope: "resources".into(), xml: xml.into() };
    let bad = [
        (xml("<primitive"), "cannot be read"),
        (xml("<primitive id='r'/>"), "not be valid"),
        (CibChange::Bump, ""),
        (CibChange::Delete { scope: "nowhere".into(), xml: "<a/>".into() }, "no section"),
        (CibChange::DeleteAt { path: "//a[".into(), all: true }, "path"),
        (CibChange::Patch { xml: "<diff format='2'><change/></diff>".into() }, "patch"),
    ];
    for (change, word) in bad {
        let before = it.state.cib().clone();
        let outcome = it.apply(Operation::Cib { expect: None, change });
        match outcome {
            Outcome::Refused(refusal) => {
                assert!(!word.is_empty() && refusal.to_string().contains(word), "{refusal}");
                assert_eq!(*it.state.cib(), before, "{refusal}");
            }
            other => assert!(word.is_empty(), "{other:?}"),
        }
    }
}

#[test]
fn replacing_the_document_or_erasing_it_leaves_the_status_alone() {
    let mut it = Cluster::new();
    it.done(verdict("a", 1, Verdict::Alive));
    it.done(Operation::Lead { node: "a".into() });
    let status = it.state.cib().child("status").cloned();
    let xml = EMPTY.replace("epoch=\"1\"", "epoch=\"90\"");
    let change = CibChange::Replace { scope: "cib".into(), xml };
    it.done(Operation::Cib { expect: None, change });
    assert_eq!(it.state.cib().child("status").cloned(), status);
    assert_eq!(it.state.cib().get("dc-uuid"), Some("1"));
    it.done(Operation::Cib { expect: None, change: CibChange::Erase });
    assert_eq!(it.state.cib().child("status").cloned(), status);
    assert_eq!(it.state.cib().get("have-quorum"), Some("1"));
}

#[test]
fn a_patch_and_an_xpath_change_the_document() {
    let mut it = Cluster::new();
    let old = it.state.cib().clone();
    let mut new = old.clone();
    new.set("epoch", &(it.state.version().epoch + 1).to_string());
    new.set("num_updates", "0");
    let resources = new.child_mut("configuration").and_then(|it| it.child_mut("resources"));
    let dummy = cib::xml::Element::new("primitive").with("id", "r").with("class", "lsb");
    resources.expect("a section").push(dummy.with("type", "t"));
    let patch = cib::patch::diff(&old, &new, true).expect("a patch").to_xml().to_string();
    it.done(Operation::Cib { expect: None, change: CibChange::Patch { xml: patch } });
    assert!(it.state.cib().descend().any(|it| it.id() == Some("r")));
    let path = "//primitive[@id='r']".to_owned();
    let xml = "<primitive id='s' class='lsb' type='u'/>".to_owned();
    let change = CibChange::ReplaceAt { path, xml };
    it.done(Operation::Cib { expect: None, change });
    let path = "//primitive[@type='u']".to_owned();
    let change = CibChange::DeleteAt { path, all: true };
    it.done(Operation::Cib { expect: None, change });
    assert!(!it.state.cib().descend().any(|it| it.name() == "primitive"));
}

/// Every standing × every verdict, in the same life and in the next.
#[test]
fn verdicts_change_standings_as_the_table_says() {
    let lost = |cleared| Standing::Lost(cleared);
    let reach = |it: &mut Cluster, standing| {
        it.done(verdict("b", 1, Verdict::Alive));
        match standing {
            Standing::Alive => {}
            Standing::Absent => it.done(verdict("b", 1, Verdict::Left)),
            Standing::Lost(cleared) => {
                it.done(verdict("b", 1, Verdict::Lost));
                let epoch = it.epoch("b");
                match cleared {
                    Cleared::No => {}
                    Cleared::LeaseOver => it.done(verdict("b", 1, Verdict::LeaseOver(epoch))),
                    Cleared::Fenced => it.done(fenced("b", epoch, None)),
                }
            }
        }
        assert_eq!(it.standing("b"), standing);
    };
    let (no, over, shot) = (lost(Cleared::No), lost(Cleared::LeaseOver), lost(Cleared::Fenced));
    let (alive, absent) = (Standing::Alive, Standing::Absent);
    // From; then after Alive in this life, Alive in the next, Lost, Left, LeaseOver.
    let table = [
        (alive, [alive, alive, no, absent, alive]),
        (absent, [absent, alive, absent, absent, absent]),
        (no, [alive, alive, no, no, over]),
        (over, [over, alive, over, over, over]),
        (shot, [shot, alive, shot, shot, shot]),
    ];
    for (from, after) in table {
        for (which, expected) in after.into_iter().enumerate() {
            let mut it = Cluster::new();
            reach(&mut it, from);
            let epoch = it.epoch("b");
            let word = match which {
                0 => verdict("b", 1, Verdict::Alive),
                1 => verdict("b", 2, Verdict::Alive),
                2 => verdict("b", 1, Verdict::Lost),
                3 => verdict("b", 1, Verdict::Left),
                _ => verdict("b", 1, Verdict::LeaseOver(epoch)),
            };
            it.apply(word.clone());
            assert_eq!(it.standing("b"), expected, "{from:?} and {word:?}");
        }
    }
}

#[test]
fn a_verdict_on_another_life_or_epoch_is_void() {
    let mut it = Cluster::new();
    it.done(verdict("b", 1, Verdict::Alive));
    it.done(verdict("b", 1, Verdict::Lost));
    let stale = it.epoch("b");
    it.done(verdict("b", 2, Verdict::Alive));
    for late in [
        verdict("b", 1, Verdict::Lost),
        verdict("b", 1, Verdict::LeaseOver(stale)),
        verdict("b", 2, Verdict::LeaseOver(stale)),
        fenced("b", stale, None),
    ] {
        let outcome = it.apply(late.clone());
        assert!(matches!(outcome, Outcome::Refused(_)), "{late:?}: {outcome:?}");
        assert_eq!(it.standing("b"), Standing::Alive, "{late:?}");
    }
    let last = it.state.fencings().next_back().expect("it is remembered all the same");
    assert!(last.stale);
}

#[test]
fn a_lost_node_asks_for_fencing_and_a_fenced_one_does_not() {
    let mut it = Cluster::new();
    it.done(verdict("b", 1, Verdict::Alive));
    it.done(record("b", 1, vec![result("start", 0, 0, 0)]));
    it.done(attribute("b", "pingd", Some("1"), 0));
    it.done(verdict("b", 1, Verdict::Lost));
    let lost = it.node_state("b");
    let words = |it: &cib::model::NodeState| {
        [&it.in_ccm, &it.crmd, &it.expected].map(|word| word.as_deref().unwrap_or("").to_owned())
    };
    assert_eq!(words(&lost), ["false", "offline", "member"]);
    assert_eq!(lost.history.len(), 1, "what it may hold is still known");
    assert_eq!(it.state.transient(&"b".into(), "pingd"), None);
    let failed = fenced("b", it.epoch("b"), Some("no answer"));
    it.apply(failed);
    assert_eq!(it.standing("b"), Standing::Lost(Cleared::No), "failed fencing clears nobody");
    let epoch = it.epoch("b");
    it.done(fenced("b", epoch, None));
    let down = it.node_state("b");
    assert_eq!(words(&down), ["false", "offline", "down"]);
    assert!(down.history.is_empty());
    let late = it.apply(record("b", 1, vec![result("stop", 0, 0, 0)]));
    assert!(matches!(late, Outcome::Refused(Refusal::OtherLife { .. })), "{late:?}");
}

#[test]
fn histories_keep_the_last_the_recurring_and_the_failed() {
    let mut it = Cluster::new();
    it.done(verdict("a", 1, Verdict::Alive));
    it.done(record("a", 1, vec![result("monitor", 0, 7, 7)]));
    let monitor = called(7, result("monitor", 5000, 0, 0));
    it.done(record("a", 1, vec![called(6, result("start", 0, 0, 0)), monitor]));
    it.done(record("a", 1, vec![called(8, result("monitor", 5000, 7, 0))]));
    let ids = |it: &Cluster| -> Vec<String> {
        let ops = it.node_state("a").history[0].operations.clone();
        ops.iter().map(|op| op.id.to_string()).collect()
    };
    assert_eq!(ids(&it), ["r:0_last_0", "r:0_monitor_5000", "r:0_last_failure_0"]);
    let count = |it: &Cluster, op: &str| {
        let name = format!("fail-count-r#{op}");
        it.state.transient(&"a".into(), &name).map(str::to_owned)
    };
    assert_eq!(count(&it, "monitor_5000").as_deref(), Some("1"));
    assert_eq!(count(&it, "monitor_0"), None, "a probe that found nothing is no failure");
    it.done(record("a", 1, vec![called(9, result("start", 0, 1, 0))]));
    assert_eq!(count(&it, "start_0").as_deref(), Some("INFINITY"));
    it.done(Operation::Record(Record {
        node: "a".into(),
        life: Life(1),
        resource: "r:0".into(),
        class: "ocf".into(),
        provider: "heartbeat".into(),
        agent: "Dummy".into(),
        results: Vec::new(),
        cancelled: vec![("monitor".into(), 5000)],
    }));
    assert_eq!(ids(&it), ["r:0_last_0", "r:0_last_failure_0"]);
    it.done(Operation::Forget { node: "a".into(), resource: Some("r:0".into()) });
    assert!(it.node_state("a").history.is_empty());
    assert_eq!(count(&it, "start_0"), None);
}

#[test]
fn a_report_told_twice_or_too_late_changes_nothing() {
    let mut it = Cluster::new();
    it.done(verdict("a", 1, Verdict::Alive));
    let pending = OpResult { rc: None, status: OpStatus::Pending, ..result("start", 0, 0, 0) };
    let started = record("a", 1, vec![result("start", 0, 0, 0)]);
    let stopped = record("a", 1, vec![called(6, result("stop", 0, 0, 0))]);
    it.done(record("a", 1, vec![pending.clone()]));
    it.done(started.clone());
    it.done(stopped);
    let known = it.state.cib().clone();
    for late in [record("a", 1, vec![pending]), started] {
        assert_eq!(it.apply(late), Outcome::Unchanged);
        assert_eq!(*it.state.cib(), known, "it is stopped, and stays so");
    }
    let failed = record("a", 1, vec![called(7, result("monitor", 5000, 7, 0))]);
    it.done(failed.clone());
    let known = it.state.cib().clone();
    assert_eq!(it.apply(failed), Outcome::Unchanged);
    assert_eq!(*it.state.cib(), known, "a failure told twice is counted once");
    it.done(verdict("a", 2, Verdict::Alive));
    it.done(record("a", 2, vec![called(1, result("monitor", 0, 7, 7))]));
}

#[test]
fn a_start_failure_counts_once_where_it_is_not_fatal() {
    let mut it = Cluster::new();
    it.done(verdict("a", 1, Verdict::Alive));
    let xml = "<cluster_property_set id='s'><nvpair id='s-1' name='start-failure-is-fatal' \
               value='false'/></cluster_property_set>";
    let change = CibChange::Create { scope: "crm_config".into(), xml: xml.into() };
    it.done(Operation::Cib { expect: None, change });
    it.done(record("a", 1, vec![result("start", 0, 1, 0)]));
    assert_eq!(it.state.transient(&"a".into(), "fail-count-r#start_0"), Some("1"));
}

#[test]
fn dampened_attributes_wait_for_each_other_and_make_one_change() {
    let mut it = Cluster::new();
    for node in ["a", "b"] {
        it.done(verdict(node, 1, Verdict::Alive));
    }
    let before = it.state.version();
    it.done(attribute("a", "pingd", Some("1"), 5));
    it.done(attribute("b", "pingd", Some("2"), 5));
    assert_eq!(it.state.version(), before, "nothing is written yet");
    let due = it.state.settle_at().expect("a time");
    assert_eq!(due.seconds(), 105);
    it.apply_at(103, attribute("a", "pingd", Some("+=4"), 5));
    assert_eq!(it.state.settle_at(), Some(due), "who comes later does not put it off");
    assert_eq!(it.apply_at(104, Operation::Settle), Outcome::Unchanged);
    it.apply_at(105, Operation::Settle);
    assert_eq!(it.state.transient(&"a".into(), "pingd"), Some("5"));
    assert_eq!(it.state.transient(&"b".into(), "pingd"), Some("2"));
    assert_eq!(it.state.version().num_updates, before.num_updates + 1);
    assert_eq!(it.state.settle_at(), None);
    let late = it.apply(attribute("c", "pingd", Some("1"), 0));
    assert!(matches!(late, Outcome::Refused(_)), "{late:?}");
}

#[test]
fn what_the_document_does_not_say_is_kept_until_its_node_leaves() {
    let mut it = Cluster::new();
    it.done(verdict("a", 1, Verdict::Alive));
    let private = |value: Option<&str>| Operation::Private {
        node: "a".into(),
        name: "gtid".into(),
        value: value.map(str::to_owned),
    };
    let (a, gtid) = ("a".into(), "gtid".into());
    it.done(private(Some("7")));
    assert_eq!(it.state.attribute_of(&a, &gtid).as_deref(), Some("7"));
    assert!(!it.state.cib().to_string().contains("gtid"), "it is nobody's business");
    assert_eq!(it.apply(private(Some("7"))), Outcome::Unchanged);
    it.done(private(Some("++")));
    let copy = State::decode(&it.state.encode()).expect("a snapshot");
    assert_eq!(copy, it.state);
    assert_eq!(copy.attribute_of(&a, &gtid).as_deref(), Some("8"));
    it.done(attribute("a", "gtid", None, 0));
    assert_eq!(it.state.attribute_of(&a, &gtid), None);
    it.done(private(Some("9")));
    it.done(attribute("a", "ping", Some("100"), 30));
    assert_eq!(
        it.state.attribute_of(&a, &"ping".into()).as_deref(),
        Some("100"),
        "though it waits"
    );
    it.done(verdict("a", 1, Verdict::Left));
    assert_eq!(it.state.attribute_of(&a, &gtid), None);
    assert!(matches!(it.apply(private(Some("1"))), Outcome::Refused(Refusal::Bad(_))));
}

#[test]
fn who_is_bound_by_acls_changes_what_they_allow_and_nothing_else() {
    let mut it = Cluster::new();
    it.done(verdict("a", 1, Verdict::Alive));
    let by = |user: &str, operation: Operation| Operation::As {
        user: user.to_owned(),
        groups: vec!["ops".to_owned()],
        operation: Box::new(operation),
    };
    let create = |scope: &str, xml: &str| Operation::Cib {
        expect: None,
        change: CibChange::Create { scope: scope.into(), xml: xml.into() },
    };
    let vip = create("resources", "<primitive id='r' class='ocf' provider='p' type='t'/>");
    it.done(by("eve", vip));
    let acls = "<acls><acl_role id='placer'><acl_permission id='p1' kind='write' \
                xpath='/cib/configuration/constraints'/></acl_role><acl_role id='watcher'>\
                <acl_permission id='p2' kind='write' xpath='//transient_attributes'/></acl_role>\
                <acl_target id='ann'><role id='placer'/></acl_target>\
                <acl_group id='ops'><role id='watcher'/></acl_group></acls>";
    it.done(create("configuration", acls));
    let enable = "<crm_config><cluster_property_set id='s'><nvpair id='e' name='enable-acl' \
                  value='true'/></cluster_property_set></crm_config>";
    let change =
        CibChange::Modify { scope: "crm_config".into(), xml: enable.into(), allow_create: true };
    it.done(Operation::Cib { expect: None, change });
    let before = it.state.cib().clone();
    let ban = |id: &str| {
        let xml = format!("<rsc_location id='{id}' rsc='r' node='a' score='-INFINITY'/>");
        create("constraints", &xml)
    };
    for (user, operation) in [
        ("ann", create("resources", "<primitive id='q' class='ocf' provider='p' type='t'/>")),
        ("eve", ban("b")),
        ("ann", Operation::Expel { node: "b".into() }),
    ] {
        let outcome = it.apply(by(user, operation));
        assert!(matches!(outcome, Outcome::Refused(Refusal::Denied(_))), "{outcome:?}");
        assert_eq!(*it.state.cib(), before, "and nothing has changed");
    }
    it.done(by("ann", ban("b")));
    it.done(by("eve", attribute("a", "ping", Some("1"), 0)));
    it.done(by("eve", attribute("a", "pong", Some("1"), 9)));
    let nobody = Operation::As {
        user: "zoe".into(),
        groups: Vec::new(),
        operation: Box::new(attribute("a", "ping", Some("2"), 9)),
    };
    assert!(matches!(it.apply(nobody), Outcome::Refused(Refusal::Denied(_))));
    assert_eq!(it.state.attribute_of(&"a".into(), &"ping".into()).as_deref(), Some("1"));
    it.done(by(
        "root",
        create("resources", "<primitive id='q' class='ocf' provider='p' type='t'/>"),
    ));
}

#[test]
fn who_may_hold_something_is_not_expelled() {
    let mut it = Cluster::new();
    it.done(verdict("b", 1, Verdict::Alive));
    let out = || Operation::Expel { node: "b".into() };
    assert!(matches!(it.apply(out()), Outcome::Refused(_)));
    it.done(verdict("b", 1, Verdict::Lost));
    assert!(matches!(it.apply(out()), Outcome::Refused(_)));
    let epoch = it.epoch("b");
    it.done(fenced("b", epoch, None));
    it.done(out());
    assert!(!it.state.cib().descend().any(|it| it.get("uname") == Some("b")));
}

#[test]
fn a_lost_node_is_planned_to_be_fenced_where_there_is_a_device() {
    let mut it = Cluster::new();
    for node in ["a", "b"] {
        it.done(verdict(node, 1, Verdict::Alive));
    }
    it.done(Operation::Lead { node: "a".into() });
    let xml = "<primitive id='f' class='stonith' type='fence_lab'/>";
    let change = CibChange::Create { scope: "resources".into(), xml: xml.into() };
    it.done(Operation::Cib { expect: None, change });
    it.done(verdict("b", 1, Verdict::Lost));
    let planned = |it: &Cluster| {
        let cib = cib::Cib::read(it.state.cib());
        let plan = sched::plan(&cib, cib::dates::WallTime(100));
        plan.steps.iter().filter(|step| step.task == sched::Task::Fence).count()
    };
    // Of c nothing has been heard yet at all; b is the one that is lost.
    let before = planned(&it);
    assert!(before >= 1);
    let epoch = it.epoch("b");
    it.done(fenced("b", epoch, None));
    assert_eq!(planned(&it), before - 1);
}

#[test]
fn bytes_that_are_no_snapshot_are_told_apart() {
    let it = Cluster::new();
    let bytes = it.state.encode();
    assert_eq!(State::decode(&bytes).expect("a snapshot"), it.state);
    assert_eq!(State::decode(b"hello"), Err(SnapshotError::Foreign));
    let mut other = bytes.clone();
    other[9] = 77;
    assert_eq!(State::decode(&other), Err(SnapshotError::Form(77)));
    for cut in [10, bytes.len() / 2, bytes.len() - 1] {
        let error = State::decode(&bytes[..cut]).expect_err("cut off");
        assert!(matches!(error, SnapshotError::Damaged(_)), "{error}");
    }
}

fn operations() -> impl Strategy<Value = Operation> {
    let node = prop::sample::select(vec!["a", "b", "c", "x"]);
    let life = 0..3_u64;
    let verdicts = prop_oneof![
        Just(Verdict::Alive),
        Just(Verdict::Lost),
        Just(Verdict::Left),
        (0..6_u64).prop_map(|epoch| Verdict::LeaseOver(Epoch(epoch))),
    ];
    let values = prop::option::of(prop::sample::select(vec!["++", "+=3", "7", "up"]));
    prop_oneof![
        4 => (node.clone(), life.clone(), verdicts).prop_map(|(n, l, v)| verdict(n, l, v)),
        1 => (node.clone(), 0..6_u64).prop_map(|(n, e)| fenced(n, Epoch(e), None)),
        3 => (node.clone(), values, 0..4_u64).prop_map(|(n, v, d)| attribute(n, "p", v, d)),
        1 => Just(Operation::Settle),
        1 => node.clone().prop_map(|n| Operation::Lead { node: n.into() }),
        1 => node.clone().prop_map(|n| Operation::Forget { node: n.into(), resource: None }),
        3 => (node, life, 0..9_i32, prop::bool::ANY).prop_map(|(n, l, rc, again)| {
            record(n, l, vec![result(if again { "monitor" } else { "start" }, u64::from(again) * 9, rc, 0)])
        }),
        1 => Just(Operation::Cib { expect: None, change: CibChange::Bump }),
    ]
}

proptest! {
    /// Two copies, one of which was installed from a snapshot halfway, never differ; the version never
    /// falls, and rises with every change; the document stays valid.
    #[test]
    fn all_copies_are_equal(all in prop::collection::vec((90..120_u64, operations()), 1..40), at in 0..40_usize) {
        let mut first = Cluster::new();
        let mut second = first.state.clone();
        for (place, (time, operation)) in all.iter().enumerate() {
            if place == at {
                second = State::decode(&first.state.encode()).expect("a snapshot");
            }
            let before = (first.state.version(), first.state.cib().clone());
            first.index += 1;
            let entry = Entry { at: Wall::new(*time, 0), by: "a".into(), operation: operation.clone() };
            let outcome = first.state.apply(first.index, &entry);
            prop_assert_eq!(&outcome, &second.apply(first.index, &entry));
            prop_assert_eq!(&first.state, &second);
            prop_assert_eq!(first.state.apply(first.index, &entry), Outcome::Unchanged);
            let version = first.state.version();
            if *first.state.cib() == before.1 {
                prop_assert_eq!(version, before.0);
            } else {
                prop_assert!(version > before.0, "{:?} changed it and not its version", entry);
            }
            if matches!(outcome, Outcome::Refused(_)) {
                prop_assert_eq!(first.state.cib(), &before.1);
            }
        }
        prop_assert!(cib::schema::validate(first.state.cib()).is_valid());
    }
}
