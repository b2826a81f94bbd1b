//! A cluster of three nodes in the lab, by the commands a person types: begun, joined, asked, changed,
//! its leader killed, one taken out of service, one left for good.
//!
//! Each node is a container of its own on one switch; what is said between them passes that switch.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]

mod bench;
mod faults;
mod fencing;
mod figures;
mod resources;
mod scenarios;
mod vips;

use std::time::{Duration, Instant};

use bench::{Bench, Engine, PATIENCE};
use lab::{ProcessSignal, wait_for};

const NODES: [&str; 3] = ["n1", "n2", "n3"];

#[test]
fn three_nodes_agree_lose_their_leader_and_go_on() {
    three_nodes(Engine::Raft);
}

/// The same scenarios on the engine of a site that runs Corosync.
#[cfg(feature = "corosync")]
mod corosync {
    use crate::bench::Engine;

    #[test]
    fn three_nodes_agree_lose_their_leader_and_go_on() {
        crate::three_nodes(Engine::Corosync);
    }

    #[test]
    fn a_resource_starts_is_recovered_leaves_with_its_node_and_survives_its_node() {
        crate::resources::resource(Engine::Corosync);
    }

    #[test]
    fn a_holder_is_off_before_anything_starts_elsewhere_and_lets_go_when_it_is_cut_off() {
        crate::fencing::holder(Engine::Corosync);
    }
}

fn three_nodes(engine: Engine) {
    let Some(mut bench) = Bench::on(engine, 3) else { return };
    let dc = bench.three();

    // A change on any node is read on all, and what it was thought for counts.
    for (at, node) in NODES.iter().enumerate() {
        let set = format!(
            "<cluster_property_set id='set'><nvpair id='mark' name='mark' value='{at}'/>\
             </cluster_property_set>"
        );
        let section = format!("<crm_config>{set}</crm_config>");
        bench.replace(node, "crm_config", &section);
        for other in NODES {
            bench.reads(other, "//nvpair[@id='mark']/@value", &format!("{at}\n"));
        }
    }
    let names = bench.ok("n2", &["cib", "query", "--xpath", "//node/@uname"]);
    let mut names: Vec<&str> = names.lines().collect();
    names.sort_unstable();
    assert_eq!(names, NODES, "all are in the document");
    let page = bench.ok("n3", &["status"]);
    assert!(page.contains("n3: quorum (3 of 3 votes, 2 needed)"), "{page}");
    assert!(
        page.contains(&format!("DC: {dc} ")) && page.contains("* Online: [ n1 n2 n3 ]"),
        "{page}"
    );
    let refused = bench.refused("n3", &["cib", "query", "--scope", "nose"]);
    assert!(refused.contains("there is no scope `nose`"), "{refused}");

    // Out of service and back, asked of a node that is another.
    bench.ok("n1", &["node", "standby", "n2"]);
    bench.reads("n3", "//node[@uname='n2']//nvpair[@name='standby']/@value", "on\n");
    assert_eq!(bench.ok("n1", &["node", "standby", "n2"]), "nothing had to be done\n");
    bench.ok("n3", &["node", "online", "n2"]);
    let unknown = bench.refused("n1", &["node", "standby", "n9"]);
    assert!(unknown.contains("there are: n1, n2, n3"), "{unknown}");

    tools(&bench);

    // The leader is killed: another leads, nothing is lost, and it comes back by its disk.
    let others: Vec<&str> = NODES.into_iter().filter(|node| **node != *dc).collect();
    let began = Instant::now();
    bench.kill(&dc);
    let next = bench.dc_among(&others);
    println!("another led {:?} after kill -9 of {dc}", began.elapsed());
    assert_ne!(next, dc);
    bench.reads(others[0], "//nvpair[@id='mark']/@value", "2\n");
    bench.ok(others[1], &["node", "maintenance", &dc]);
    bench.standing(others[0], &dc, |standing| standing.starts_with("lost"));
    bench.run(&dc);
    bench.settled(&NODES);
    bench.reads(
        &dc,
        &format!("//node[@uname='{dc}']//nvpair[@name='maintenance']/@value"),
        "true\n",
    );

    // All at once, and again.
    for node in NODES {
        bench.kill(node);
    }
    for node in NODES {
        bench.run(node);
    }
    bench.settled(&NODES);
    for node in NODES {
        bench.reads(node, "//nvpair[@id='mark']/@value", "2\n");
    }

    // One leaves for good; what is left is a cluster of two.
    assert_eq!(bench.ok("n2", &["cluster", "leave"]), "this node has left the cluster\n");
    let ended = wait_for(PATIENCE, || bench.process("n2").ended().is_some());
    assert!(ended.is_some(), "{}", bench.process("n2").log());
    let rest = ["n1", "n3"];
    bench.settled(&rest);
    let gone = wait_for(PATIENCE, || {
        bench.ok("n3", &["cib", "query", "--xpath", "//nodes"]).matches("uname").count() == 2
    });
    assert!(gone.is_some(), "{}", bench.story());
    let nobody = bench.refused("n2", &["cluster", "run", "--home", bench::HOME]);
    assert!(nobody.contains("is not the home of a cluster node"), "{nobody}");
    // And it may come back, as another.
    bench.join("n2", "n3");
    bench.run("n2");
    bench.settled(&NODES);
}

/// Pacemaker's tools, by their names, and the same verbs by ours.
fn tools(bench: &Bench) {
    bench.ok("n1", &["cluster", "tools", "/run/lab/tools"]);
    let laid_out = bench.lab.node("n1").run(|| std::fs::read_link("/run/lab/tools/crm_mon"));
    assert!(laid_out.is_ok_and(|it| it.ends_with("mainstay")));
    let id = |node: &str| bench.tool(node, &["crm_node", "-i"]).1.trim().to_owned();
    let mut list: Vec<String> =
        NODES.iter().map(|node| format!("{} {node} member\n", id(node))).collect();
    list.sort();
    bench.tool_says("n2", &["crm_node", "-n"], "n2\n");
    bench.tool_says("n2", &["crm_node", "-l"], &list.concat());
    bench.tool_says("n2", &["crm_node", "-q"], "1\n");
    let (_, members) = bench.tool("n3", &["crm_node", "-p"]);
    assert_eq!(members.split_whitespace().count(), 3, "{members}");

    // Attributes: set here, there when it has returned; read elsewhere.
    let attribute = |words: &'static str| words.split(' ').collect::<Vec<_>>();
    bench.tool_says("n1", &attribute("crm_attribute -N n2 -l reboot -n pingd -v 100"), "");
    bench.tool_says("n1", &attribute("crm_attribute -N n2 -l reboot -n pingd -G -q"), "100\n");
    bench.reads("n3", "//node_state[@uname='n2']//nvpair[@name='pingd']/@value", "100\n");
    bench.tool_says(
        "n2",
        &attribute("attrd_updater -n pingd -Q"),
        "name=\"pingd\" host=\"n2\" value=\"100\"\n",
    );
    bench.tool_says("n2", &attribute("attrd_updater -n pingd -D"), "");
    let (there, _) = bench.tool("n2", &attribute("crm_attribute -N n2 -l reboot -n pingd -G -q"));
    assert!(!there);
    bench.tool_says("n3", &attribute("crm_attribute -N n1 -l forever -n site -v here"), "");
    bench.reads("n2", "//node[@uname='n1']//nvpair[@name='site']/@value", "here\n");
    bench.tool_says(
        "n3",
        &attribute("crm_attribute -N n1 -n site -G"),
        "scope=nodes  name=site value=here\n",
    );

    // Without a fence device nothing would be started.
    bench.tool_says("n2", &attribute("crm_attribute -n stonith-enabled -v false"), "");

    // A resource whose agent nobody has: it fails everywhere, which is told, forgotten, and tried again.
    let xml = "<primitive id='missing' class='ocf' provider='lab' type='Missing'/>";
    bench.tool_says("n1", &["cibadmin", "-C", "-o", "resources", "-X", xml], "");
    let failed = |node: &str| {
        let (_, page) = bench.tool(node, &["crm_mon", "-1"]);
        page.contains("Failed Resource Actions:")
            && page.contains("* missing probe on n1 could not")
    };
    assert!(wait_for(PATIENCE, || failed("n2")).is_some(), "{}", bench.story());
    let (_, xml) = bench.tool("n3", &["crm_mon", "-1", "--output-as=xml"]);
    let root = cib::xml::parse(&xml).expect("XML").root;
    let nodes = root.child("nodes").expect("nodes");
    assert_eq!(nodes.named("node").filter(|it| it.get("online") == Some("true")).count(), 3);
    let page = bench.ok("n1", &["cluster", "status"]);
    assert!(page.contains("Not running, because:") && page.contains("* missing: "), "{page}");
    let said = bench.ok("n2", &["resource", "ban", "missing", "n1", "--for", "PT1H"]);
    assert!(said.contains("Migration will take effect until: "), "{said}");
    let page = bench.ok("n3", &["cluster", "status"]);
    assert!(
        page.contains("missing not on n1, until ") && page.contains("cli-ban-missing-on-n1"),
        "{page}"
    );
    let said = bench.ok("n3", &["resource", "clear", "missing"]);
    assert_eq!(said, "Removing constraint: cli-ban-missing-on-n1\n");
    let nowhere = bench.refused("n1", &["resource", "move", "missing", "n9"]);
    assert!(nowhere.contains("Node 'n9' not found"), "{nowhere}");
    bench.ok("n1", &["resource", "stop", "missing"]);
    // What would be done about it, and whether all is well with the document, is asked as of a file.
    let (ok, page) = bench.tool("n3", &["crm_simulate", "-LS"]);
    assert!(ok && page.contains("missing") && page.contains("Transition Summary:"), "{page}");
    assert!(bench.tool("n3", &["crm_verify", "-L"]).0);
    let (ok, said) = bench.tool("n3", &["crm_simulate", "-LX"]);
    assert!(!ok && said.contains("a running cluster is not changed"), "{said}");

    // What is forgotten is asked again, and is as it was.
    let cleaned = bench.ok("n2", &["resource", "cleanup", "missing"]);
    assert!(cleaned.contains("Cleaned up missing on n"), "{cleaned}");
    let again = wait_for(PATIENCE, || {
        let (_, page) = bench.tool("n2", &["crm_mon", "-1r"]);
        page.contains("* missing probe on n1") && page.contains("(disabled)")
    });
    assert!(again.is_some(), "{}", bench.story());
    bench.tool_says("n1", &["crm_resource", "-D", "-r", "missing", "-t", "primitive"], "");
    let clean = wait_for(PATIENCE, || !bench.tool("n2", &["crm_mon", "-1r"]).1.contains("missing"));
    assert!(clean.is_some(), "{}", bench.story());
}

#[test]
fn a_token_lets_one_node_in_and_a_home_that_lost_something_is_refused() {
    let Some(mut bench) = Bench::new(3) else { return };
    bench.init("n1");
    bench.run("n1");
    bench.dc_among(&["n1"]);
    let token = bench.ok("n1", &["cluster", "invite"]);
    let token = token.trim().to_owned();
    let wrong = format!("{}0", &token[..token.len() - 1]);
    let wrong = if wrong == token { format!("{}1", &token[..token.len() - 1]) } else { wrong };
    let refused = bench.refused("n2", &bench.joining("n2", &wrong));
    assert!(refused.contains("this token is not whole"), "{refused}");
    bench.ok("n2", &bench.joining("n2", &token));
    let used = bench.refused("n3", &bench.joining("n3", &token));
    assert!(used.contains("has let another node in already"), "{used}");
    let short = bench.ok("n1", &["cluster", "invite", "--for", "1"]);
    std::thread::sleep(Duration::from_millis(1_300));
    let late = bench.refused("n3", &bench.joining("n3", short.trim()));
    assert!(late.contains("has expired"), "{late}");
    let taken = bench.refused("n2", &bench.joining("n2", &token));
    assert!(taken.contains("is the home of node n2 already"), "{taken}");

    // What it voted is lost: it says so, and does not begin anew.
    bench.lose("n2", "raft.redb");
    let lost = bench.refused("n2", &["cluster", "run", "--home", bench::HOME]);
    assert!(lost.contains("raft.redb is missing") && lost.contains("voted"), "{lost}");
    // A witness votes and is no node of the document.
    let token = bench.ok("n1", &["cluster", "remove", "n2"]);
    assert!(token.starts_with("done"), "{token}");
    let token = bench.ok("n1", &["cluster", "invite", "--role", "witness"]);
    bench.ok("n3", &bench.joining("n3", token.trim()));
    bench.run("n3");
    bench.settled(&["n1", "n3"]);
    let nodes = bench.ok("n3", &["cib", "query", "--scope", "nodes"]);
    assert!(nodes.contains("\"n1\"") && !nodes.contains("\"n3\""), "{nodes}");

    // Told to stop, it says so first; the other is not left in doubt.
    bench.process("n3").signal(ProcessSignal::TERM);
    let ended = wait_for(PATIENCE, || bench.process("n3").ended().is_some());
    assert!(
        ended.is_some_and(|_| bench.process("n3").ended().unwrap().success()),
        "{}",
        bench.story()
    );
    // One of two is no quorum.
    let alone = wait_for(PATIENCE, || !bench.status("n1").is_some_and(|status| status.quorum));
    assert!(alone.is_some(), "{}", bench.story());
}
