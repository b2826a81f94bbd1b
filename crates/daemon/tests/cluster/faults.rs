//! Two nodes and a witness, and every single fault of them: the VIP is served again, and never twice. And
//! what a node does that is left without quorum, by `no-quorum-policy`.
//!
//! Short here, and slowly paced, as the machine is shared. For figures, alone:
//! `LAB_LEASE=600 LAB_ROUNDS=5 cargo test --release -p daemon --test cluster faults -- --nocapture`.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use base::Instant;
use lab::{CommandLine, ProcessSignal, wait_for};
use linux::clock::monotonic;

use crate::NODES;
use crate::bench::{Bench, PATIENCE};
use crate::vips::native;

const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(193, 168, 0, 70));
const WITNESS: &str = "n3";

/// What befalls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    /// Its process is killed.
    Killed,
    /// Its process stands still.
    Hangs,
    /// It is told to stop, and does so in order.
    Stops,
    /// Its cable is cut.
    Cut,
    /// It hears nothing, and is heard.
    Deaf,
    /// It is not heard, and hears.
    Mute,
}

use Fault::{Cut, Deaf, Hangs, Killed, Mute, Stops};

/// Whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Whom {
    Holder,
    Other,
    Witness,
}

/// Every fault of each; those that ask for the longest come first, should somebody be in a hurry.
const ROWS: [(Whom, Fault); 12] = [
    (Whom::Holder, Cut),
    (Whom::Holder, Deaf),
    (Whom::Holder, Mute),
    (Whom::Holder, Hangs),
    (Whom::Holder, Killed),
    (Whom::Holder, Stops),
    (Whom::Witness, Cut),
    (Whom::Witness, Killed),
    (Whom::Witness, Hangs),
    (Whom::Other, Cut),
    (Whom::Other, Killed),
    (Whom::Other, Deaf),
];
/// In a test's build: one of each kind.
const SHORT: [usize; 5] = [0, 1, 2, 6, 10];

fn nft(bench: &Bench, node: &str, rules: &str) {
    let arguments = ["nft", rules].map(str::to_owned).to_vec();
    let done = bench.lab.node(node).output(&CommandLine { arguments }, PATIENCE).unwrap();
    assert!(done.is_some(), "{node}: nft {rules}");
}

fn befall(bench: &Bench, node: &str, fault: Fault) {
    let hook = |hook: &str| {
        let chain = format!("type filter hook {hook} device eth0 priority -500; policy drop;");
        nft(bench, node, &format!("table netdev fault {{ chain c {{ {chain} }}; }}"));
    };
    match fault {
        Killed => bench.kill(node),
        Hangs => bench.process(node).signal(ProcessSignal::STOP),
        Stops => bench.process(node).signal(ProcessSignal::TERM),
        Cut => bench.lab.cut(node).unwrap(),
        Deaf => hook("ingress"),
        Mute => hook("egress"),
    }
}

fn mend(bench: &mut Bench, node: &str, fault: Fault) {
    match fault {
        Killed => bench.run(node),
        Stops => {
            assert!(bench.process(node).wait(PATIENCE).is_some(), "{}", bench.story());
            bench.run(node);
        }
        Hangs => bench.process(node).signal(ProcessSignal::CONT),
        Cut => bench.lab.mend(node).unwrap(),
        Deaf | Mute => nft(bench, node, "delete table netdev fault"),
    }
}

struct Row {
    outage: Duration,
    overlap: Duration,
    /// Until the node without quorum had let go.
    released: Option<Duration>,
    led: bool,
}

/// One fault, until all is as before.
fn play(bench: &mut Bench, (whom, fault): (Whom, Fault)) -> Row {
    let dc = bench.settled(&NODES);
    let holder = bench.holder(WITNESS, "v");
    let other = if holder == "n1" { "n2" } else { "n1" };
    let victim = match whom {
        Whom::Holder => holder.clone(),
        Whom::Other => other.to_owned(),
        Whom::Witness => WITNESS.to_owned(),
    };
    let probe = bench.lab.probe(VIP, Duration::from_millis(2)).unwrap();
    let asker = bench.lab.asker(VIP, Duration::from_millis(2)).unwrap();
    let answers = wait_for(PATIENCE, || probe.last_answer().is_some_and(|it| *it.node == *holder));
    assert!(answers.is_some(), "{}", bench.story());
    let since = monotonic();
    befall(bench, &victim, fault);
    let mut released = None;
    if whom == Whom::Holder {
        let moved = wait_for(PATIENCE, || {
            if released.is_none() && matches!(fault, Cut | Deaf | Mute) {
                released = (!bench.lab.node(&holder).holds(VIP)).then(|| monotonic().since(since));
            }
            probe.last_answer().is_some_and(|it| *it.node == *other)
        });
        assert!(moved.is_some(), "{whom:?} {fault:?}\n{}", bench.story());
    } else {
        // For longer than it takes to be taken for lost.
        std::thread::sleep(Duration::from_millis(1_500));
    }
    if matches!(fault, Cut | Deaf | Mute) && whom == Whom::Holder {
        let gone = wait_for(PATIENCE, || !bench.lab.node(&holder).holds(VIP));
        assert!(gone.is_some(), "{}", bench.story());
    }
    mend(bench, &victim, fault);
    bench.settled(&NODES);
    let overlap = asker.longest_overlap(since);
    let outcome = probe.finish();
    assert_eq!(outcome.answered_twice, 0, "{whom:?} {fault:?}");
    assert_eq!(overlap, Duration::ZERO, "{whom:?} {fault:?}\n{}", bench.story());
    let outage = outcome.closed_outage().unwrap_or_default();
    // A witness that leads takes leases with it, and then another may take over: but one.
    let one = wait_for(PATIENCE, || bench.lab.holders(VIP).len() == 1);
    assert!(one.is_some(), "{whom:?} {fault:?}\n{}", bench.story());
    Row { outage, overlap, released, led: dc == victim }
}

#[test]
fn two_nodes_and_a_witness_serve_again_after_any_single_fault_and_never_twice() {
    let Some(mut bench) = Bench::new(3) else { return };
    bench.init("n1");
    bench.run("n1");
    bench.dc_among(&["n1"]);
    bench.join("n2", "n1");
    bench.run("n2");
    let token = bench.ok("n1", &["cluster", "invite", "--role", "witness"]);
    bench.ok(WITNESS, &bench.joining(WITNESS, token.trim()));
    bench.run(WITNESS);
    bench.settled(&NODES);
    bench.options("n1", &[("stonith-enabled", "false")]);
    // Whoever is back does not take it back: only the fault moves it.
    let stays = "<meta_attributes id='v-m'><nvpair id='v-ms' name='resource-stickiness' value='1000'/>\
        </meta_attributes><operations>";
    let vip = native("v", VIP).replace("<operations>", stays);
    bench.replace("n1", "resources", &format!("<resources>{vip}</resources>"));
    let rounds = std::env::var("LAB_ROUNDS").ok().and_then(|it| it.parse::<usize>().ok());
    for (at, row) in ROWS.into_iter().enumerate() {
        if rounds.is_none() && !SHORT.contains(&at) {
            continue;
        }
        let rows: Vec<Row> = (0..rounds.unwrap_or(1)).map(|_| play(&mut bench, row)).collect();
        let mut outages: Vec<Duration> = rows.iter().map(|it| it.outage).collect();
        outages.sort_unstable();
        let (whom, fault) = row;
        println!(
            "{whom:?} {fault:?}: longest silence {:?} / {:?} / {:?}, overlap {:?}, {} of {} led{}",
            outages[0],
            outages[outages.len() / 2],
            outages[outages.len() - 1],
            rows.iter().map(|it| it.overlap).max().unwrap_or_default(),
            rows.iter().filter(|it| it.led).count(),
            rows.len(),
            rows.iter()
                .filter_map(|it| it.released)
                .max()
                .map_or(String::new(), |it| format!(", let go by itself after {it:?} at most"))
        );
    }
    // At last one loses its power, and nobody brings it back.
    bench.settled(&NODES);
    let holder = bench.holder(WITNESS, "v");
    let probe = bench.lab.probe(VIP, Duration::from_millis(2)).unwrap();
    let asker = bench.lab.asker(VIP, Duration::from_millis(2)).unwrap();
    let answers = wait_for(PATIENCE, || probe.last_answer().is_some_and(|it| *it.node == *holder));
    assert!(answers.is_some(), "{}", bench.story());
    let since = monotonic();
    bench.lab.crash(&holder).unwrap();
    let moved = wait_for(PATIENCE, || probe.last_answer().is_some_and(|it| *it.node != *holder));
    assert!(moved.is_some(), "{}", bench.story());
    assert_eq!(asker.longest_overlap(since), Duration::ZERO);
    println!("Holder loses power: {:?}", probe.finish().closed_outage());
}

/// The double of a watchdog device: what was written to it.
const WATCHDOG: &str = "/run/lab/watchdog";

fn fed(bench: &Bench, node: &str) -> Vec<u8> {
    bench.lab.node(node).run(|| std::fs::read(WATCHDOG)).unwrap()
}

#[test]
fn a_watchdog_is_fed_while_all_is_well_and_not_by_who_is_to_make_an_end_of_itself() {
    let Some(mut bench) = Bench::new(3) else { return };
    for node in NODES {
        bench.lab.node_mut(node).write(WATCHDOG, "", 0o600).unwrap();
    }
    bench.watchdog(WATCHDOG);
    bench.three();
    let options = [("stonith-enabled", "false"), ("no-quorum-policy", "suicide")];
    bench.options("n1", &options);
    let before = fed(&bench, "n1").len();
    let grows = wait_for(PATIENCE, || fed(&bench, "n1").len() > before + 2);
    assert!(grows.is_some(), "{}", bench.story());
    bench.reads("n1", "//nvpair[@name='no-quorum-policy']/@value", "suicide\n");

    // Told to stop, it puts it away; killed, it does not, and so would be reset.
    bench.process("n3").signal(ProcessSignal::TERM);
    assert!(bench.process("n3").wait(PATIENCE).is_some(), "{}", bench.story());
    assert_eq!(fed(&bench, "n3").last(), Some(&b'V'));
    bench.kill("n2");
    assert_eq!(fed(&bench, "n2").last(), Some(&0));

    // n1 is left without quorum: from the end of its lease on nobody feeds.
    let hungry = wait_for(PATIENCE, || {
        let before = fed(&bench, "n1").len();
        std::thread::sleep(Duration::from_millis(1_500));
        fed(&bench, "n1").len() == before
    });
    assert!(hungry.is_some(), "{}", bench.story());
    assert_eq!(fed(&bench, "n1").last(), Some(&0));
}

/// What a node holds after all others are gone.
fn left_alone(bench: &mut Bench, policy: &str) {
    let options = [("stonith-enabled", "false"), ("no-quorum-policy", policy)];
    bench.options("n1", &options);
    bench.settled(&NODES);
    let holder = bench.holder("n1", "v");
    let held = wait_for(PATIENCE, || bench.lab.holders(VIP) == [&*holder]);
    assert!(held.is_some(), "{}", bench.story());
    let others: Vec<&str> = NODES.into_iter().filter(|it| *it != holder).collect();
    // Whoever has the policy acts by it.
    bench.reads(&holder, "//nvpair[@name='no-quorum-policy']/@value", &format!("{policy}\n"));
    for other in &others {
        bench.kill(other);
    }
    let since = monotonic();
    let alone = wait_for(PATIENCE, || {
        bench.status(&holder).is_some_and(|it| !it.quorum && it.lease_ms.is_none())
    });
    assert!(alone.is_some(), "{policy}: {}", bench.story());
    let probe = bench.lab.probe(VIP, Duration::from_millis(5)).unwrap();
    let heard = |since: Instant| probe.last_answer().is_some_and(|it| it.at > since);
    match policy {
        "freeze" | "ignore" | "demote" => {
            std::thread::sleep(Duration::from_millis(500));
            let later = monotonic();
            let goes_on = wait_for(PATIENCE, || heard(later));
            assert!(goes_on.is_some(), "{policy}: it is kept\n{}", bench.story());
            assert!(bench.lab.node(&holder).holds(VIP), "{policy}: {}", bench.story());
        }
        _ => {
            let gone = wait_for(PATIENCE, || !bench.lab.node(&holder).holds(VIP));
            assert!(gone.is_some(), "{policy}: {}", bench.story());
            println!("{policy}: gone {:?} after the others", monotonic().since(since));
            let later = monotonic();
            std::thread::sleep(Duration::from_millis(100));
            assert!(!heard(later), "{policy}: it is not heard");
        }
    }
    drop(probe);
    for other in others {
        bench.run(other);
    }
    bench.settled(&NODES);
}

#[test]
fn a_node_without_quorum_does_what_the_policy_says() {
    let Some(mut bench) = Bench::new(3) else { return };
    bench.three();
    bench.options("n1", &[("stonith-enabled", "false")]);
    bench.replace("n1", "resources", &format!("<resources>{}</resources>", native("v", VIP)));
    for policy in ["stop", "freeze", "ignore", "demote"] {
        left_alone(&mut bench, policy);
    }
}
