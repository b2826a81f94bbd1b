//! Routes and rules that move with the VIPs and that stay: the same file under Debian's keepalived
//! and under mainstay leaves the same kernel, while it runs and afterwards; and what somebody takes
//! from a holder comes back.

use std::time::Duration;

use lab::{Card, CommandLine, Lab, Need, Plan, ProcessSignal, wait_for};
use serde_json::Value;

use crate::bench::{PATIENCE, keepalived_here};
use crate::mainstay::BINARY;

const NODE: &str = "ours";

const KEEPALIVED: &str =
    "/usr/sbin/keepalived -n -l -D -P -p {dir}/pid -r {dir}/vrrp.pid -f {conf}";

/// Every kind of line that both understand.
const CONF: &str = "
global_defs {
    default_interface eth0
}
static_ipaddress {
    198.51.100.1/24 dev eth0
}
static_routes {
    10.9.0.0/16 via 198.51.100.9 dev eth0
    2001:db8:9::/48 dev eth0
}
static_rules {
    from 10.9.0.0/16 table 109 preference 90
}
vrrp_instance VI_1 {
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 1
    virtual_ipaddress {
        193.168.0.6/24 dev eth0
    }
    virtual_ipaddress_excluded {
        2001:db8:77::6/64 dev eth0
    }
    virtual_routes {
        10.1.0.0/16 dev eth0 src 193.168.0.6
        10.2.0.0/16 via 193.168.0.9 dev eth0 metric 42
        10.3.0.0/16 via 193.168.0.9 dev eth0 table 103 mtu 1400 advmss 1360
        default via 193.168.0.9 dev eth0 table 104
        10.5.0.0/16 scope link dev eth0 tos 0x10
        10.6.0.0/16 nexthop via 193.168.0.9 dev eth0 weight 1 nexthop via 193.168.0.8 dev eth0 weight 3
        10.7.0.0/16 via 203.0.113.1 dev eth0 onlink
        blackhole 10.8.0.0/16
        unreachable 10.10.0.0/16
        prohibit 10.11.0.0/16 metric 7
        2001:db8:1::/48 via 2001:db8:77::9 dev eth0 metric 50
        2001:db8:2::/48 dev eth0 table 200
        unreachable 2001:db8:3::/48
    }
    virtual_rules {
        from 10.1.0.0/16 to 10.2.0.0/16 table 103 preference 100
        iif eth0 fwmark 0x10/0xff table 104 preference 101
        oif eth0 table 104 preference 102
        from 10.4.0.0/16 goto 200 preference 103
        to 10.5.0.0/16 unreachable preference 104
        from 10.6.0.0/16 blackhole preference 105
        from 10.7.0.0/16 prohibit preference 106
        uidrange 1-99 table 103 preference 107
        from 2001:db8:1::/48 table 200 preference 110
    }
}
";

/// What the kernel has: routes and rules of both families, and IPv4 addresses.
fn kernel(lab: &Lab) -> Vec<Value> {
    let lists = [
        "-4 -j -details route show table all",
        "-6 -j -details route show table all",
        "-4 -j -details rule show",
        "-6 -j -details rule show",
        "-4 -j address show dev eth0",
    ];
    lists.iter().flat_map(|list| list_of(lab, list)).collect()
}

fn list_of(lab: &Lab, list: &str) -> Vec<Value> {
    let line = CommandLine::parse(&format!("ip {list}"));
    let text = lab.node(NODE).output(&line, PATIENCE).unwrap().unwrap();
    if text.trim().is_empty() {
        return Vec::new();
    }
    let mut found: Vec<Value> = serde_json::from_str(&text).unwrap();
    if list.contains(" address ") {
        let of_card = |card: &Value| card["addr_info"].as_array().cloned().unwrap_or_default();
        found = found.iter().flat_map(of_card).collect();
    }
    // A routing cache of IPv6's own neighbours, and how long things still live.
    found.retain(|it| it["protocol"] != "redirect");
    for it in &mut found {
        // How long a VIP under a lifetime has left.
        if let Some(it) = it.as_object_mut() {
            for mark in ["expires", "dynamic", "valid_life_time", "preferred_life_time"] {
                it.remove(mark);
            }
        }
    }
    found
}

fn do_it(lab: &Lab, line: &str) {
    let done = lab.node(NODE).output(&CommandLine::parse(line), PATIENCE).unwrap();
    assert!(done.is_some(), "`{line}` failed");
}

fn network() -> Lab {
    let nodes = vec![(NODE.into(), vec![Card::eth0(2)])];
    Lab::build(&Plan { nodes, client: Card::eth0(100) }).unwrap()
}

fn mainstay() -> CommandLine {
    CommandLine::parse(&format!("{BINARY} run -f {{conf}} --control {{control}}"))
}

/// The kernel before, while a daemon holds, and after its end.
fn life(run: &CommandLine, conf: &str) -> [Vec<Value>; 3] {
    let mut lab = network();
    let before = kernel(&lab);
    let daemon = lab.node_mut(NODE).start(run, conf).unwrap();
    let last = |lab: &Lab| list_of(lab, "-6 -j rule show").iter().any(|it| it["priority"] == 110);
    assert!(wait_for(PATIENCE, || last(&lab)).is_some(), "{}", lab.node(NODE).log());
    std::thread::sleep(Duration::from_millis(500));
    let during = kernel(&lab);
    lab.node(NODE).signal(ProcessSignal::TERM);
    assert!(daemon.wait(PATIENCE).is_some(), "it does not end");
    [before, during, kernel(&lab)]
}

fn shown(list: &[Value]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

#[test]
fn the_same_file_leaves_the_same_routes_and_rules_as_under_keepalived() {
    if !keepalived_here() {
        return;
    }
    let [before, during, after] = life(&mainstay(), CONF);
    let [_, theirs, _] = life(&CommandLine::parse(KEEPALIVED), CONF);
    let (ours, theirs) = (shown(&during), shown(&theirs));
    let only = |a: &[String], b: &[String]| -> Vec<String> {
        a.iter().filter(|it| !b.contains(it)).cloned().collect()
    };
    // Routes of the kernel's own to an IPv6 network under a lifetime outlive it by some seconds.
    let left = only(&shown(&after), &shown(&before));
    let ours_left: Vec<_> = left.iter().filter(|it| !it.contains("\"kernel\"")).collect();
    assert!(ours_left.is_empty(), "left behind: {ours_left:#?}");
    let (of_us, of_them) = (only(&ours, &theirs), only(&theirs, &ours));
    assert!(
        of_us.is_empty() && of_them.is_empty(),
        "only with us: {of_us:#?}\nonly with keepalived: {of_them:#?}"
    );
    assert!(ours.len() > shown(&before).len() + 20, "{}", ours.len());
}

#[test]
fn what_is_taken_from_a_holder_comes_back_and_a_reload_changes_only_what_changed() {
    if !lab::requires(&[Need::Root]) {
        return;
    }
    let mut lab = network();
    let daemon = lab.node_mut(NODE).start(&mainstay(), CONF).unwrap();
    let last = |lab: &Lab| list_of(lab, "-6 -j rule show").iter().any(|it| it["priority"] == 110);
    assert!(wait_for(PATIENCE, || last(&lab)).is_some(), "{}", lab.node(NODE).log());
    std::thread::sleep(Duration::from_millis(300));
    let whole = shown(&kernel(&lab));
    let back = |what: &str| {
        let same = || {
            let now = shown(&kernel(&lab));
            now.len() == whole.len() && whole.iter().all(|it| now.contains(it))
        };
        let waited = wait_for(PATIENCE, same);
        let now = shown(&kernel(&lab));
        let missing: Vec<_> = whole.iter().filter(|it| !now.contains(it)).collect();
        assert!(waited.is_some(), "after {what}: {missing:#?}\n{}", lab.node(NODE).log());
    };
    do_it(&lab, "ip route del 10.2.0.0/16 metric 42");
    back("a route was deleted");
    do_it(&lab, "ip rule del preference 101");
    back("a rule was deleted");
    do_it(&lab, "ip -6 route del 2001:db8:2::/48 table 200");
    back("an IPv6 route was deleted");
    do_it(&lab, "ip route del 10.9.0.0/16");
    back("a static route was deleted");
    do_it(&lab, "ip address del 193.168.0.6/24 dev eth0");
    back("the VIP was deleted");
    do_it(&lab, "ip address del 198.51.100.1/24 dev eth0");
    back("a static address was deleted");
    drop(daemon);
}

#[test]
fn a_static_route_that_cannot_be_kept_faults_its_group() {
    if !lab::requires(&[Need::Root]) {
        return;
    }
    let conf = "
static_routes {
    10.9.0.0/16 via 203.0.113.9 dev eth0 track_group G
}
track_group G {
    group {
        VI_1
    }
}
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 1
    virtual_ipaddress {
        193.168.0.6/24
    }
}
";
    let mut lab = network();
    let _daemon = lab.node_mut(NODE).start(&mainstay(), conf).unwrap();
    let vip = "193.168.0.6".parse().unwrap();
    let faulty = || lab.node(NODE).log().contains("the kernel refuses the route 10.9.0.0/16");
    assert!(wait_for(PATIENCE, faulty).is_some(), "{}", lab.node(NODE).log());
    std::thread::sleep(Duration::from_secs(5));
    assert!(!lab.node(NODE).holds(vip), "{}", lab.node(NODE).log());
    // The router becomes reachable: the route comes to be, and the fault is over.
    do_it(&lab, "ip address add 203.0.113.1/24 dev eth0");
    let holds = || lab.node(NODE).holds(vip);
    assert!(wait_for(PATIENCE, holds).is_some(), "{}", lab.node(NODE).log());
}

#[test]
fn routes_and_rules_move_with_the_vip_between_two_nodes() {
    if !lab::requires(&[Need::Root]) {
        return;
    }
    let conf = |priority: u8| {
        format!(
            "vrrp_instance VI_1 {{
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int 1
    virtual_ipaddress {{
        193.168.0.6/24
    }}
    virtual_routes {{
        10.1.0.0/16 via 193.168.0.9 dev eth0 src 193.168.0.6
    }}
    virtual_rules {{
        from 10.1.0.0/16 table 103 preference 100
    }}
}}
"
        )
    };
    const PEER: &str = "peer";
    let nodes = vec![(NODE.into(), vec![Card::eth0(2)]), (PEER.into(), vec![Card::eth0(3)])];
    let mut lab = Lab::build(&Plan { nodes, client: Card::eth0(100) }).unwrap();
    let text = |lab: &Lab, node: &str| {
        let ask = |line: &str| lab.node(node).output(&CommandLine::parse(line), PATIENCE).unwrap();
        ask("ip route show").unwrap() + &ask("ip rule show").unwrap()
    };
    let has = |lab: &Lab, node: &str| {
        let text = text(lab, node);
        [text.contains("10.1.0.0/16 via 193.168.0.9"), text.contains("from 10.1.0.0/16 lookup 103")]
    };
    let at = |lab: &Lab, holder: &str, other: &str| {
        let there = || has(lab, holder) == [true; 2] && has(lab, other) == [false; 2];
        assert!(
            wait_for(PATIENCE, there).is_some(),
            "{holder}: {}\n{other}: {}\n{}",
            text(lab, holder),
            text(lab, other),
            lab.node(holder).log()
        );
    };
    let daemon = lab.node_mut(NODE).start(&mainstay(), &conf(150)).unwrap();
    let _peer = lab.node_mut(PEER).start(&mainstay(), &conf(100)).unwrap();
    at(&lab, NODE, PEER);
    lab.node(NODE).signal(ProcessSignal::TERM);
    assert!(daemon.wait(PATIENCE).is_some(), "it does not end");
    at(&lab, PEER, NODE);
    let _daemon = lab.node_mut(NODE).start(&mainstay(), &conf(150)).unwrap();
    at(&lab, NODE, PEER);
    // Who dies without a word leaves them to its heir only.
    lab.node(NODE).signal_all(ProcessSignal::KILL);
    let taken = || has(&lab, PEER) == [true; 2];
    assert!(wait_for(PATIENCE, taken).is_some(), "{}", lab.node(PEER).log());
}

#[test]
fn a_reload_changes_only_what_changed_of_what_stays() {
    if !lab::requires(&[Need::Root]) {
        return;
    }
    let conf = |addresses: &str, routes: &str, rules: &str| {
        format!(
            "static_ipaddress {{
    198.51.100.1/24 dev eth0
{addresses}}}
static_routes {{
    10.9.0.0/16 via 198.51.100.9 dev eth0
{routes}}}
static_rules {{
    from 10.9.0.0/16 table 109 preference 90
{rules}}}
"
        )
    };
    let old = conf("    198.51.101.1/24 dev eth0\n", "    10.8.0.0/16 dev eth0\n", "");
    let new =
        conf("", "    10.7.0.0/16 dev eth0\n", "    from 10.7.0.0/16 table 107 preference 91\n");
    let mut lab = network();
    let text = |lab: &Lab| {
        ["address show dev eth0", "route show", "rule show"].map(|list| {
            let line = CommandLine::parse(&format!("ip -4 {list}"));
            lab.node(NODE).output(&line, PATIENCE).unwrap().unwrap()
        })
    };
    let has = |lab: &Lab, parts: [&str; 3]| {
        let text = text(lab);
        [0, 1, 2].map(|n| text[n].contains(parts[n]))
    };
    let stays = ["198.51.100.1/24", "10.9.0.0/16 via 198.51.100.9", "from 10.9.0.0/16 lookup 109"];
    let goes = ["198.51.101.1/24", "10.8.0.0/16 dev eth0", "from 10.7.0.0/16 lookup 107"];
    let daemon = lab.node_mut(NODE).start(&mainstay(), &old).unwrap();
    let begun = || has(&lab, stays) == [true; 3] && has(&lab, goes) == [true, true, false];
    assert!(wait_for(PATIENCE, begun).is_some(), "{:?}\n{}", text(&lab), lab.node(NODE).log());
    // What the kernel tells while the reload is taken over.
    let line = CommandLine::parse("ip -4 monitor address route rule");
    let news = lab.node(NODE).spawn(&line).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    lab.node_mut(NODE).write(lab::CONF, new, 0o644).unwrap();
    lab.node(NODE).signal(ProcessSignal::HUP);
    let done = || {
        has(&lab, stays) == [true; 3]
            && has(&lab, goes) == [false, false, true]
            && text(&lab)[1].contains("10.7.0.0/16 dev eth0")
    };
    assert!(wait_for(PATIENCE, done).is_some(), "{:?}\n{}", text(&lab), lab.node(NODE).log());
    let told = news.log();
    for untouched in ["198.51.100.1/24", "10.9.0.0/16"] {
        let gone = |line: &&str| line.contains("Deleted") && line.contains(untouched);
        assert_eq!(told.lines().find(gone), None, "{told}");
    }
    assert!(told.contains("Deleted"), "{told}");
    lab.node(NODE).signal(ProcessSignal::TERM);
    assert!(daemon.wait(PATIENCE).is_some(), "it does not end");
    assert_eq!(has(&lab, stays), [false; 3]);
}

#[test]
fn an_instance_has_its_own_pace_and_its_own_group() {
    if !lab::requires(&[Need::Root]) {
        return;
    }
    let conf = "
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 1
    version 3
    garp_interval 0.4
    gna_interval 0.4
    garp_master_repeat 1
    garp_master_delay 0
    mcast_dst_ip 224.0.0.77
    virtual_ipaddress {
        193.168.0.6/24
        193.168.0.7/24
        193.168.0.8/24
    }
    virtual_ipaddress_excluded {
        2001:db8::66/64
        2001:db8::67/64
    }
}
";
    let mut lab = network();
    let witness = lab.witness(lab::Hear::Election).unwrap();
    let _daemon = lab.node_mut(NODE).start(&mainstay(), conf).unwrap();
    let announced = |v6: bool| {
        let one = |s: lab::Sighting| match s.seen {
            lab::Seen::Announcement { vip, .. } if vip.is_ipv6() == v6 && s.from == NODE => {
                Some(s.at)
            }
            _ => None,
        };
        witness.sightings().into_iter().filter_map(one).collect::<Vec<_>>()
    };
    let all = || announced(false).len() >= 3 && announced(true).len() >= 2;
    assert!(wait_for(PATIENCE, all).is_some(), "{}", lab.node(NODE).log());
    for times in [announced(false), announced(true)] {
        for pair in times.windows(2) {
            let gap = pair[1].since(pair[0]);
            assert!(gap >= Duration::from_millis(300), "{gap:?} of {times:?}");
        }
    }
    let adverts: Vec<lab::Sighting> = witness
        .sightings()
        .into_iter()
        .filter(|s| matches!(s.seen, lab::Seen::Advert { .. }) && s.from == NODE)
        .collect();
    assert!(!adverts.is_empty());
    for advert in adverts {
        assert_eq!(advert.frame[30..34], [224, 0, 0, 77], "{:?}", advert.seen);
    }
}
