//! Resources that run: Debian's agents on three nodes, as the cluster's document says.

use lab::{Need, ProcessSignal, requires, wait_for};

use crate::NODES;
use crate::bench::{Bench, Engine, PATIENCE};

const DUMMY: &str = "<resources><primitive id='d' class='ocf' provider='heartbeat' type='Dummy'>\
    <operations><op id='d-monitor' name='monitor' interval='300ms' timeout='20s'/></operations>\
    </primitive></resources>";
const STATE: &str = "/run/resource-agents/Dummy-d.state";

fn agents(names: &[&str]) -> bool {
    let needs =
        names.iter().map(|it| Need::file(format!("/usr/lib/ocf/resource.d/heartbeat/{it}")));
    requires(&needs.collect::<Vec<_>>())
}

#[test]
fn a_resource_starts_is_recovered_leaves_with_its_node_and_survives_its_node() {
    resource(Engine::Raft);
}

pub(crate) fn resource(engine: Engine) {
    if !agents(&["Dummy"]) {
        return;
    }
    let Some(mut bench) = Bench::on(engine, 3) else { return };
    bench.three();
    bench.options("n1", &[("stonith-enabled", "false")]);
    bench.replace("n2", "resources", DUMMY);
    let holder = bench.holder("n3", "d");
    assert_eq!(bench.where_is(STATE), [&*holder], "{}", bench.story());
    let started = "//lrm_resource[@id='d']/lrm_rsc_op[@operation='start']/@rc-code";
    bench.reads("n1", started, "0\n");
    let monitored = "//lrm_resource[@id='d']/lrm_rsc_op[@interval='300']/@rc-code";
    bench.reads("n1", monitored, "0\n");

    // What it can take in while it runs is taken in; what it cannot makes it start again.
    let begun = |bench: &Bench| {
        bench.lab.node(&holder).run(|| {
            let meta = std::fs::metadata(STATE).ok()?;
            meta.created().ok()
        })
    };
    let before = begun(&bench);
    let given = |name: &str| {
        let pair = format!("<nvpair id='d-x' name='{name}' value='else'/>");
        DUMMY.replace(
            "<operations>",
            &format!("<instance_attributes id='d-p'>{pair}</instance_attributes><operations>"),
        )
    };
    bench.replace("n1", "resources", &given("fake"));
    let reloaded = wait_for(PATIENCE, || {
        let log = bench.process(&holder).log();
        log.contains("d (reload)") || log.contains("d (reload-agent)")
    });
    assert!(reloaded.is_some(), "{}", bench.story());
    let fixed = "//lrm_resource[@id='d']/lrm_rsc_op[@operation='start']/@op-force-restart";
    bench.reads("n1", fixed, " state \n");
    assert_eq!(begun(&bench), before, "{}", bench.story());
    bench.replace("n1", "resources", DUMMY);

    // By hand: asked here and now, and restarted by the cluster.
    let ask = |node: &str| bench.tool(node, &["crm_resource", "--force-check", "-r", "d"]);
    let (ok, said) = ask(&holder);
    assert!(
        ok && said.contains("force-check for d (ocf:heartbeat:Dummy) returned 0 (ok)"),
        "{said}"
    );
    let elsewhere = NODES.into_iter().find(|it| *it != holder).unwrap();
    let (ok, said) = ask(elsewhere);
    assert!(!ok && said.contains("returned 7 (not running)"), "{said}");
    let before = begun(&bench);
    let (ok, said) = bench.tool("n2", &["crm_resource", "--restart", "-r", "d"]);
    assert!(ok && said.contains("Waiting for 1 resources to start again"), "{said}");
    assert_eq!(bench.holder("n2", "d"), holder);
    assert_ne!(begun(&bench), before, "{}", bench.story());

    // It fails; the monitor sees it, and it is started again.
    bench.lab.node(&holder).run(|| std::fs::remove_file(STATE)).unwrap();
    bench.reads("n1", "//lrm_rsc_op[@id='d_last_failure_0']/@rc-code", "7\n");
    let again = wait_for(PATIENCE, || bench.where_is(STATE) == [&*holder]);
    assert!(again.is_some(), "{}", bench.story());
    assert_eq!(bench.holder("n2", "d"), holder);
    let failures = || bench.tool("n3", &["crm_mon", "-1"]).1.contains("Failed Resource Actions");
    assert!(failures());
    let (_, said) = bench.tool("n2", &["crm_resource", "--cleanup", "-r", "d"]);
    assert!(said.contains(&format!("Cleaned up d on {holder}")) && !failures(), "{said}");

    // Its node is told to stop: what runs there stops first, and begins elsewhere.
    let process = bench.process(&holder).clone();
    process.signal(ProcessSignal::TERM);
    let ended = process.wait(PATIENCE);
    assert!(ended.is_some_and(|it| it.success()), "{}", bench.story());
    assert!(!bench.where_is(STATE).contains(&holder), "{}", process.log());
    let others: Vec<&str> = NODES.into_iter().filter(|it| *it != holder).collect();
    let next = bench.holder(others[0], "d");
    assert_ne!(next, holder);
    bench.run(&holder);
    bench.settled(&NODES);

    // Its node loses power.
    bench.lab.crash(&next).unwrap();
    let others: Vec<&str> = NODES.into_iter().filter(|it| *it != next).collect();
    let moved = wait_for(PATIENCE, || bench.where_is(STATE).len() == 1);
    assert!(moved.is_some(), "{}", bench.story());
    assert_ne!(bench.holder(others[0], "d"), next);
    bench.says(others[0], &format!("OFFLINE: [ {next} ]"));
}
