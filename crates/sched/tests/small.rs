//! One subject each: a small CIB in, the actions out.

use cib::Cib;
use cib::dates::WallTime;
use sched::{Role, Transition};

/// A CIB of online nodes `n1`, `n2`, … where everything has been probed and nothing runs, except
/// what `running` says: (node, resource).
fn document(
    nodes: usize,
    options: &str,
    resources: &str,
    constraints: &str,
    running: &[(&str, &str)],
) -> String {
    let all: Vec<String> = (1..=nodes).map(|n| format!("n{n}")).collect();
    let list: String = all.iter().map(|n| format!("<node id='{n}' uname='{n}'/>")).collect();
    let state = |node: &String| {
        let history: String = running
            .iter()
            .filter(|(at, _)| at == node)
            .map(|(_, rsc)| {
                format!(
                    "<lrm_resource id='{rsc}' class='ocf' provider='p' type='t'><lrm_rsc_op id='{rsc}_last_0' operation='start' interval='0' call-id='1' rc-code='0' op-status='0' transition-key='1:1:0:u' op-digest='f2317cad3d54cec5d7d7aa7d0bf35cf8'/></lrm_resource>"
                )
            })
            .collect();
        format!(
            "<node_state id='{node}' uname='{node}' in_ccm='true' crmd='online' join='member' expected='member'><lrm id='{node}'><lrm_resources>{history}</lrm_resources></lrm></node_state>"
        )
    };
    let states: String = all.iter().map(state).collect();
    format!(
        "<cib have-quorum='1' dc-uuid='n1'><configuration><crm_config><cluster_property_set id='o'><nvpair id='o1' name='stonith-enabled' value='false'/><nvpair id='o2' name='enable-startup-probes' value='false'/>{options}</cluster_property_set></crm_config><nodes>{list}</nodes><resources>{resources}</resources><constraints>{constraints}</constraints></configuration><status>{states}</status></cib>"
    )
}

fn rsc(id: &str, more: &str) -> String {
    format!("<primitive id='{id}' class='ocf' provider='p' type='t'>{more}</primitive>")
}

fn plan(text: &str) -> Transition {
    let transition = sched::plan(&Cib::parse(text).expect("a document"), WallTime(1_700_000_000));
    assert_eq!(sched::check(&transition), Vec::<String>::new());
    transition
}

/// The real actions as `key@node`, sorted.
fn actions(text: &str) -> Vec<String> {
    let transition = plan(text);
    let real = transition.steps.iter().filter(|step| step.kind != sched::StepKind::Pseudo);
    let mut all: Vec<String> = real
        .map(|step| format!("{}@{}", step.key, step.node.as_ref().map_or("", |(name, _)| name)))
        .collect();
    all.sort();
    all
}

/// Whether one action (transitively) waits for another.
fn waits(transition: &Transition, then: &str, first: &str) -> bool {
    let mut pending: Vec<usize> =
        (0..transition.steps.len()).filter(|at| transition.steps[*at].key == then).collect();
    let mut seen = vec![false; transition.steps.len()];
    while let Some(at) = pending.pop() {
        for input in &transition.steps[at].inputs {
            if transition.steps[*input].key == first {
                return true;
            }
            if !std::mem::replace(&mut seen[*input], true) {
                pending.push(*input);
            }
        }
    }
    false
}

#[test]
fn what_is_configured_starts_where_it_is_preferred() {
    let location = "<rsc_location id='l' rsc='a' node='n2' score='10'/>";
    assert_eq!(actions(&document(2, "", &rsc("a", ""), location, &[])), ["a_start_0@n2"]);
    let never = "<rsc_location id='l' rsc='a' node='n1' score='-INFINITY'/>";
    assert_eq!(actions(&document(1, "", &rsc("a", ""), never, &[])), Vec::<String>::new());
}

#[test]
fn what_runs_where_it_shall_run_is_left_alone() {
    assert_eq!(actions(&document(2, "", &rsc("a", ""), "", &[("n2", "a")])), Vec::<String>::new());
}

#[test]
fn stickiness_outweighs_a_smaller_preference_only() {
    let meta = "<meta_attributes id='m'><nvpair id='m1' name='resource-stickiness' value='50'/></meta_attributes>";
    let prefers = |score: &str| format!("<rsc_location id='l' rsc='a' node='n2' score='{score}'/>");
    let at =
        |score: &str| actions(&document(2, "", &rsc("a", meta), &prefers(score), &[("n1", "a")]));
    assert_eq!(at("40"), Vec::<String>::new());
    assert_eq!(at("60"), ["a_start_0@n2", "a_stop_0@n1"]);
}

#[test]
fn a_mandatory_order_holds_both_ways() {
    let both = rsc("a", "") + &rsc("b", "");
    let order = "<rsc_order id='o' first='a' then='b'/>";
    let start = plan(&document(1, "", &both, order, &[]));
    assert!(waits(&start, "b_start_0", "a_start_0"));
    let stopped = "<nvpair id='o3' name='stop-all-resources' value='true'/>";
    let stop = plan(&document(1, stopped, &both, order, &[("n1", "a"), ("n1", "b")]));
    assert!(waits(&stop, "a_stop_0", "b_stop_0"));
}

#[test]
fn colocation_draws_and_drives_away() {
    let both = rsc("a", "") + &rsc("b", "");
    let constraints = |score: &str| {
        format!(
            "<rsc_location id='l' rsc='a' node='n2' score='INFINITY'/><rsc_colocation id='c' rsc='b' with-rsc='a' score='{score}'/>"
        )
    };
    let at = |score: &str| actions(&document(2, "", &both, &constraints(score), &[]));
    assert_eq!(at("INFINITY"), ["a_start_0@n2", "b_start_0@n2"]);
    assert_eq!(at("-INFINITY"), ["a_start_0@n2", "b_start_0@n1"]);
}

#[test]
fn a_group_starts_in_order_on_one_node() {
    let group = format!("<group id='g'>{}{}</group>", rsc("a", ""), rsc("b", ""));
    let text = document(2, "", &group, "", &[]);
    assert_eq!(actions(&text), ["a_start_0@n1", "b_start_0@n1"]);
    assert!(waits(&plan(&text), "b_start_0", "a_start_0"));
}

#[test]
fn a_clone_runs_once_on_every_node() {
    let clone = format!("<clone id='c'>{}</clone>", rsc("a", ""));
    let transition = plan(&document(3, "", &clone, "", &[]));
    let mut nodes: Vec<_> = transition
        .steps
        .iter()
        .filter(|step| step.task == sched::Task::Start && step.node.is_some())
        .filter_map(|step| step.node.clone())
        .collect();
    nodes.sort();
    nodes.dedup();
    assert_eq!(nodes.len(), 3);
}

#[test]
fn a_promotable_clone_promotes_where_its_agent_wants() {
    let meta = "<meta_attributes id='m'><nvpair id='m1' name='promotable' value='true'/></meta_attributes>";
    let clone = format!("<clone id='c'>{meta}{}</clone>", rsc("a", ""));
    let promoted = "<rsc_location id='l' rsc='c'><rule id='r' role='Promoted' score='5'><expression id='e' attribute='#uname' operation='eq' value='n2'/></rule></rsc_location>";
    let transition = plan(&document(2, "", &clone, promoted, &[]));
    let promotes = transition.resources.iter().filter(|it| it.next_role == Role::Promoted).count();
    // Without any promotion score nothing is promoted but by a preference of its administrator.
    assert_eq!(promotes, 1);
}

#[test]
fn a_resource_without_quorum_stops() {
    let text =
        document(1, "", &rsc("a", ""), "", &[]).replace("have-quorum='1'", "have-quorum='0'");
    assert_eq!(actions(&text), Vec::<String>::new());
}

#[test]
fn a_ticket_that_is_not_granted_keeps_things_down() {
    let ticket = "<rsc_ticket id='t' rsc='a' ticket='T' loss-policy='stop'/>";
    let text = document(1, "", &rsc("a", ""), ticket, &[]);
    assert_eq!(actions(&text), Vec::<String>::new());
    let granted = text
        .replace("<status>", "<status><tickets><ticket_state id='T' granted='true'/></tickets>");
    assert_eq!(actions(&granted), ["a_start_0@n1"]);
}

#[test]
fn a_lost_node_is_fenced_before_its_resources_start_elsewhere() {
    let fencing = "<primitive id='f' class='stonith' type='fence_x'/>";
    let text = document(2, "", &(rsc("a", "") + fencing), "", &[("n2", "a"), ("n1", "f")])
        .replace("name='stonith-enabled' value='false'", "name='stonith-enabled' value='true'")
        .replace(
            "<node_state id='n2' uname='n2' in_ccm='true' crmd='online'",
            "<node_state id='n2' uname='n2' in_ccm='false' crmd='offline'",
        );
    let transition = plan(&text);
    assert!(waits(&transition, "a_start_0", "stonith-n2-reboot"));
}

#[test]
fn odd_documents_are_survived() {
    for text in [
        "<cib/>",
        "<cib><configuration/><status/></cib>",
        "<other/>",
        "<cib><status><node_state/></status></cib>",
    ] {
        assert!(plan(text).steps.is_empty(), "{text}");
    }
    let odd = document(
        1,
        "",
        "<clone id='c'/><group id='g'/><bundle id='b'/><primitive/>",
        "<rsc_order id='o' first='x' then='x'/>",
        &[],
    );
    let _ = plan(&odd);
}

#[test]
fn a_mild_aversion_does_not_strand_a_group() {
    let group = format!("<group id='g'>{}{}</group>", rsc("a", ""), rsc("b", ""));
    let constraints = "<rsc_colocation id='c1' rsc='g' with-rsc='x' score='-50'/><rsc_location id='l1' rsc='x' node='n1' score='INFINITY'/><rsc_location id='l2' rsc='b' node='n2' score='-INFINITY'/>";
    let all = actions(&document(2, "", &format!("{}{group}", rsc("x", "")), constraints, &[]));
    assert_eq!(all, ["a_start_0@n1", "b_start_0@n1", "x_start_0@n1"]);
}

/// A start failed for good, with parameters of which the digest is given.
fn failed_start(digest: &str) -> String {
    let counts = "<transient_attributes id='n1'><instance_attributes id='ia'><nvpair id='f1' name='fail-count-a' value='INFINITY'/><nvpair id='f2' name='last-failure-a' value='1600000000'/></instance_attributes></transient_attributes>";
    let record = |id: &str, task: &str, rc: u8, call: u8| {
        format!(
            "<lrm_rsc_op id='a_{id}_0' operation='{task}' interval='0' call-id='{call}' rc-code='{rc}' op-status='{}' transition-key='1:1:0:u' op-digest='{digest}'/>",
            if rc == 0 { 0 } else { 4 }
        )
    };
    let records = [record("last_failure", "start", 1, 2), record("last", "stop", 0, 3)].concat();
    let history = format!(
        "{counts}<lrm id='n1'><lrm_resources><lrm_resource id='a' class='ocf' provider='p' type='t'>{records}</lrm_resource></lrm_resources></lrm>"
    );
    let text = document(1, "", &rsc("a", ""), "", &[]);
    text.replace("<lrm id='n1'><lrm_resources></lrm_resources></lrm>", &history)
}

#[test]
fn failures_with_other_parameters_forbid_nothing() {
    let same = actions(&failed_start("f2317cad3d54cec5d7d7aa7d0bf35cf8"));
    assert_eq!(same, Vec::<String>::new());
    let other = actions(&failed_start("00000000000000000000000000000000"));
    assert_eq!(other, ["a_clear_failcount_0@n1", "a_start_0@n1"]);
}

/// What is under way with one member of an instance on a node makes the whole instance belong
/// there: what other nodes say of its members is about another instance, and known of all members.
#[test]
fn an_instance_with_something_under_way_is_nobody_elses() {
    let meta = "<meta_attributes id='m'><nvpair id='m1' name='target-role' value='Stopped'/></meta_attributes>";
    let clone = format!(
        "<clone id='c'>{meta}<group id='g'>{}{}</group></clone>",
        rsc("a", ""),
        rsc("b", "")
    );
    let text = document(3, "", &clone, "", &[]);
    let text = text.replace("name='enable-startup-probes' value='false'", "name='x' value='y'");
    let record = |rsc: &str, task: &str, interval: i64, call: i64, rc: i64, status: i64| {
        format!(
            "<lrm_rsc_op id='{rsc}_{task}_{interval}' operation='{task}' interval='{interval}' call-id='{call}' rc-code='{rc}' op-status='{status}' transition-key='1:1:{rc}:u' op-digest='f2317cad3d54cec5d7d7aa7d0bf35cf8'/>"
        )
    };
    let history = |rsc: &str, records: String| {
        format!(
            "<lrm_resource id='{rsc}' class='ocf' provider='p' type='t'>{records}</lrm_resource>"
        )
    };
    // On the first node a monitor of `b` was under way when it was stopped.
    let first = history("a", record("a", "stop", 0, 9, 0, 0))
        + &history(
            "b",
            record("b", "monitor", 10_000, 40, 193, -1) + &record("b", "stop", 0, 41, 0, 0),
        );
    let absent = |rsc: &str| history(rsc, record(rsc, "monitor", 0, 5, 7, 0));
    let others = absent("a") + &absent("b");
    let mut told = text;
    for (node, records) in [("n1", &first), ("n2", &others), ("n3", &others)] {
        let empty = format!("<lrm id='{node}'><lrm_resources>");
        told = told.replace(&empty, &format!("{empty}{records}"));
    }
    assert_eq!(actions(&told), Vec::<String>::new());
}

/// A cluster whose `n1` is connected to the remote node `far`, on which `a` runs.
fn with_remote(connection: &str, attribute: &str) -> String {
    let text = document(2, "", &format!("{}{connection}", rsc("a", "")), "", &[]);
    let record = |id: &str, agent: &str| {
        format!(
            "<lrm_resource id='{id}' class='ocf' provider='pacemaker' type='{agent}'><lrm_rsc_op id='{id}_last_0' operation='start' interval='0' call-id='1' rc-code='0' op-status='0' transition-key='1:1:0:u' op-digest='f2317cad3d54cec5d7d7aa7d0bf35cf8'/></lrm_resource>"
        )
    };
    let connected = record("far", "remote");
    let text = text.replacen("<lrm_resources>", &format!("<lrm_resources>{connected}"), 1);
    let runs = record("a", "t").replace("'pacemaker'", "'p'");
    let state = format!(
        "<node_state id='far' uname='far' remote_node='true'><transient_attributes id='far'><instance_attributes id='i'>{attribute}</instance_attributes></transient_attributes><lrm id='far'><lrm_resources>{runs}</lrm_resources></lrm></node_state></status>"
    );
    text.replace("</status>", &state)
}

#[test]
fn a_remote_node_that_wants_to_leave_is_let_go() {
    let far = "<primitive id='far' class='ocf' provider='pacemaker' type='remote'/>";
    assert_eq!(actions(&with_remote(far, "")), Vec::<String>::new());
    let leaves = with_remote(far, "<nvpair id='i1' name='shutdown' value='1700000000'/>");
    let all = actions(&leaves);
    assert!(all.contains(&"far_stop_0@n1".to_owned()), "{all:?}");
    assert!(waits(&plan(&leaves), "far_stop_0", "a_stop_0"), "{all:?}");
}

#[test]
fn what_runs_on_a_remote_node_stops_before_its_orphaned_connection() {
    let text = with_remote("", "");
    let all = actions(&text);
    assert!(all.contains(&"a_stop_0@far".to_owned()), "{all:?}");
    assert!(waits(&plan(&text), "far_stop_0", "a_stop_0"), "{all:?}");
}

/// An instance of which a later member was left alone, because its stop failed, stays as a whole
/// where it is, and the node has its fill: the others start where there is room.
#[test]
fn a_node_that_an_instance_cannot_leave_has_its_fill() {
    let more = "<meta_attributes id='m'><nvpair id='m1' name='resource-stickiness' value='50'/></meta_attributes>";
    let clone = format!(
        "<clone id='c'><meta_attributes id='cm'><nvpair id='cm1' name='notify' value='true'/></meta_attributes><group id='g'>{}{}</group></clone>",
        rsc("a", more),
        rsc("b", "")
    );
    let expected: [&[&str]; 3] = [&[], &["a:1_start_0@n2"], &["a:1_start_0@n2", "a:2_start_0@n3"]];
    for (nodes, expected) in (1..).zip(expected) {
        let text = document(nodes, "", &clone, "", &[("n1", "a"), ("n1", "b")]);
        let start = "id='b_last_0' operation='start' interval='0' call-id='1' rc-code='0'";
        let failed = "id='b_last_0' operation='stop' interval='0' call-id='2' rc-code='1'";
        assert!(text.contains(start));
        let all = actions(&text.replace(start, failed));
        let first: Vec<&String> = all.iter().filter(|it| it.starts_with('a')).collect();
        let first: Vec<&&String> = first.iter().filter(|it| !it.contains("_notify_")).collect();
        assert_eq!(first, expected.iter().collect::<Vec<_>>(), "{all:?}");
        assert!(nodes > 1 || all.is_empty(), "{all:?}");
    }
}

/// Where fencing is wanted and nothing can do it, everything is left alone; a watchdog can.
#[test]
fn a_watchdog_fences_as_well_as_a_device() {
    let document = |watchdog: &str| {
        document(1, "", &rsc("a", ""), "", &[])
            .replace("name='stonith-enabled' value='false'", "name='stonith-enabled' value='true'")
            .replace("<nvpair id='o2'", &format!("{watchdog}<nvpair id='o2'"))
    };
    assert_eq!(actions(&document("")), Vec::<String>::new());
    let watchdog = "<nvpair id='o3' name='have-watchdog' value='true'/>";
    assert_eq!(actions(&document(watchdog)), ["a_start_0@n1"]);
}

/// A migration takes something away before what it depends on stops, and waits for what it depends
/// on to have started: across a restart it would wait for itself.
#[test]
fn nothing_migrates_across_a_restart_that_follows_from_another() {
    let live = "<meta_attributes id='vm'><nvpair id='vm1' name='allow-migrate' value='true'/></meta_attributes>";
    let clone = |id: &str, of: &str| format!("<clone id='{id}'>{}</clone>", rsc(of, ""));
    let resources = format!("{}{}{}", clone("c", "x"), clone("d", "y"), rsc("vm", live));
    let constraints = "<rsc_order id='o1' first='c' then='d'/><rsc_order id='o2' first='d' then='vm'/><rsc_location id='l1' rsc='vm' node='n1' score='-INFINITY'/>";
    let running = [("n1", "x"), ("n2", "x"), ("n1", "y"), ("n2", "y"), ("n1", "vm")];
    let before = actions(&document(2, "", &resources, constraints, &running));
    assert_eq!(before, ["vm_migrate_from_0@n2", "vm_migrate_to_0@n1", "vm_stop_0@n1"]);
    // On a third node the first clone is still to be started, and the second restarts for it.
    let text = document(3, "", &resources, constraints, &running);
    let transition = plan(&text);
    let all = actions(&text);
    assert!(all.contains(&"y_stop_0@n1".to_owned()), "{all:?}");
    assert!(!all.iter().any(|it| it.contains("_migrate_")), "{all:?}");
    assert!(waits(&transition, "y_stop_0", "vm_stop_0"), "{all:?}");
    assert!(waits(&transition, "vm_start_0", "y_start_0"), "{all:?}");
    assert_eq!(transition.warnings, Vec::<String>::new());
}

/// A clone with these settings.
fn cloned(id: &str, inner: &str, settings: &[(&str, &str)]) -> String {
    let list: String = settings
        .iter()
        .map(|(name, value)| format!("<nvpair id='{id}-{name}' name='{name}' value='{value}'/>"))
        .collect();
    format!("<clone id='{id}'><meta_attributes id='{id}-m'>{list}</meta_attributes>{inner}</clone>")
}

fn everywhere<'a>(names: &[&'a str]) -> Vec<(&'static str, &'a str)> {
    names.iter().flat_map(|name| ["n1", "n2", "n3"].map(|node| (node, *name))).collect()
}

#[test]
fn alike_instances_do_not_exchange_nodes() {
    // The one on the fuller n1 would rather be on n2, but another of them fills that.
    let prefers = "<rsc_location id='l' rsc='c' node='n3' score='INFINITY'/>\
                   <rsc_location id='k' rsc='e' node='n1' score='INFINITY'/>";
    let loose = [("resource-stickiness", "0")];
    let group = format!("<group id='g'>{}{}</group>", rsc("a", ""), rsc("b", ""));
    for (inner, names) in [(rsc("a", ""), &["a"][..]), (group, &["a", "b"])] {
        let resources = rsc("e", "") + &cloned("c", &inner, &loose);
        let mut running = everywhere(names);
        running.push(("n1", "e"));
        let text = document(3, "", &resources, prefers, &running);
        assert_eq!(actions(&text), Vec::<String>::new(), "{names:?}");
    }
    // Where there is room on the better node, one goes.
    let text = document(
        3,
        "",
        &(rsc("e", "") + &cloned("c", &rsc("a", ""), &[("clone-max", "2"), loose[0]])),
        prefers,
        &[("n1", "e"), ("n1", "a"), ("n2", "a")],
    );
    assert_eq!(actions(&text), ["a_start_0@n3", "a_stop_0@n1"]);
}

#[test]
fn instances_do_not_go_round_among_those_they_would_rather_avoid() {
    for interleave in ["false", "true"] {
        let clone =
            |id: &str, inner: &str| cloned(id, &rsc(inner, ""), &[("interleave", interleave)]);
        let resources = clone("c", "a") + &clone("d", "b");
        let averse = "<rsc_colocation id='l' rsc='d' with-rsc='c' score='-100'/>";
        let text = document(3, "", &resources, averse, &everywhere(&["a", "b"]));
        assert_eq!(actions(&text), Vec::<String>::new(), "interleave={interleave}");
    }
}

#[test]
fn an_instance_that_has_nowhere_to_go_while_others_stay_is_asked_again() {
    // Those drawn to n2 and n3 leave one of them for n4, where another is and may stay.
    let at = |id: &str, rsc: &str, node: &str, score: &str| {
        format!("<rsc_location id='{id}' rsc='{rsc}' node='{node}' score='{score}'/>")
    };
    let constraints = at("l1", "c", "n2", "INFINITY")
        + &at("l2", "c", "n3", "INFINITY")
        + &at("l3", "d", "n2", "INFINITY")
        + &at("l4", "d", "n4", "100")
        + "<rsc_colocation id='l5' rsc='d' with-rsc='c' score='-INFINITY'/>";
    let resources = cloned("c", &rsc("a", ""), &[("interleave", "true")])
        + &cloned("d", &rsc("b", ""), &[("interleave", "false")]);
    let running = ["n1", "n2", "n3", "n4"].map(|node| (node, "a"));
    let text = document(4, "", &resources, &constraints, &running);
    assert_eq!(actions(&text), Vec::<String>::new());
}

#[test]
fn a_stop_that_is_stuck_is_not_announced() {
    let (a, b) = (rsc("a", ""), rsc("b", ""));
    let both = [("n1", "a"), ("n1", "b"), ("n2", "a"), ("n2", "b")];
    let cases: [(String, &[(&str, &str)]); 2] = [
        (format!("<group id='g'>{a}{b}</group>"), &both),
        (b.clone(), &[("n1", "b"), ("n2", "b")]),
    ];
    for (inner, running) in cases {
        let clone = format!(
            "<clone id='c'><meta_attributes id='m'><nvpair id='m1' name='notify' value='true'/>\
             </meta_attributes>{inner}</clone>"
        );
        let leaving = document(2, "", &clone, "", running).replacen(
            "<node id='n1' uname='n1'/>",
            "<node id='n1' uname='n1'><instance_attributes id='i'><nvpair id='i1' \
             name='standby' value='true'/></instance_attributes></node>",
            1,
        );
        let free = actions(&leaving);
        assert!(free.contains(&"b_stop_0@n1".to_owned()), "{free:?}");
        assert!(free.iter().any(|key| key.contains("notify_stop")), "{free:?}");
        // What failed to stop is left alone where there is no fencing.
        let failed = leaving.replacen(
            "id='b_last_0' operation='start' interval='0' call-id='1' rc-code='0'",
            "id='b_last_0' operation='stop' interval='0' call-id='2' rc-code='1'",
            1,
        );
        assert_eq!(actions(&failed), Vec::<String>::new(), "{running:?}");
    }
}
