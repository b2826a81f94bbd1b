//! `mainstay check --host` on machines with a real firewall: which of two nodes would not hear the
//! other, or not be heard, is told from the rules in the kernel, before anything has failed.

use std::collections::BTreeSet;

use lab::{Card, CommandLine, Lab, Need, Plan};
use serde_json::Value;

use crate::bench::PATIENCE;
use crate::mainstay::BINARY;

const NODE: &str = "ours";

const MULTICAST: &str = "vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    virtual_ipaddress {
        193.168.0.6/24
    }
}
";

const UNICAST: &str = "vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    unicast_src_ip 193.168.0.2
    unicast_peer {
        193.168.0.3
    }
    virtual_ipaddress {
        193.168.0.6/24
    }
}
";

const OVER_IPV6: &str = "vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    version 3
    virtual_ipaddress {
        fe80::6/64
    }
}
";

/// Rules, a configuration, and in which directions adverts are found to be dropped.
const CASES: &[(&str, &str, &[&str])] = &[
    ("", MULTICAST, &[]),
    ("add chain inet t i { type filter hook input priority 0; policy drop; }", MULTICAST, &["in"]),
    (
        "add chain inet t i { type filter hook input priority 0; policy drop; }
        add rule inet t i ct state established,related accept
        add rule inet t i tcp dport 22 accept",
        MULTICAST,
        &["in"],
    ),
    (
        "add chain inet t i { type filter hook input priority 0; policy drop; }
        add rule inet t i ip daddr 224.0.0.0/24 ip protocol 112 accept",
        MULTICAST,
        &[],
    ),
    (
        "add chain inet t i { type filter hook input priority 0; policy drop; }
        add rule inet t i iifname \"eth1\" accept",
        MULTICAST,
        &["in"],
    ),
    (
        "add chain inet t i { type filter hook input priority 0; }
        add rule inet t i meta l4proto 112 accept
        add rule inet t i drop",
        MULTICAST,
        &[],
    ),
    // An accept in one chain does not save from the next.
    (
        "add chain inet t early { type filter hook input priority -5; }
        add rule inet t early meta l4proto 112 accept
        add chain inet t i { type filter hook input priority 0; }
        add rule inet t i pkttype multicast drop",
        MULTICAST,
        &["in"],
    ),
    (
        "add chain inet t o { type filter hook output priority 0; policy drop; }
        add rule inet t o ct state established accept",
        MULTICAST,
        &["out"],
    ),
    (
        "add chain inet t o { type filter hook output priority 0; }
        add chain inet t vrrp
        add rule inet t vrrp oifname { \"eth0\", \"eth1\" } reject
        add rule inet t o ip protocol vrrp jump vrrp",
        MULTICAST,
        &["out"],
    ),
    (
        "add set inet t peers { type ipv4_addr; flags interval; elements = { 193.168.0.0/29 }; }
        add chain inet t i { type filter hook input priority 0; policy drop; }
        add rule inet t i ip saddr @peers accept",
        UNICAST,
        &[],
    ),
    (
        "add chain inet t i { type filter hook input priority 0; }
        add rule inet t i ip saddr != 193.168.0.9 meta l4proto 112 drop",
        UNICAST,
        &["in"],
    ),
    // What is said of IPv4 is not said of IPv6.
    (
        "add chain inet t i { type filter hook input priority 0; policy drop; }
        add rule inet t i ip protocol 112 accept
        add rule inet t i icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
        OVER_IPV6,
        &["in"],
    ),
    (
        "add chain inet t i { type filter hook input priority 0; policy drop; }
        add rule inet t i ip6 daddr ff02::12 ip6 nexthdr 112 accept",
        OVER_IPV6,
        &[],
    ),
];

/// Puts rules in place of what there is.
fn set(lab: &mut Lab, rules: &str) {
    let text = format!("flush ruleset\nadd table inet t\n{rules}\n");
    let node = lab.node_mut(NODE);
    node.write("/run/lab/rules.nft", text, 0o644).unwrap();
    let done = node.output(&CommandLine::parse("nft -f {dir}/rules.nft"), PATIENCE).unwrap();
    assert!(done.is_some(), "nft refuses:\n{rules}");
}

/// What `check --host --json` finds of the firewall, by severity.
fn found(lab: &mut Lab, conf: &str) -> Vec<(String, String)> {
    let node = lab.node_mut(NODE);
    node.write(lab::CONF, conf, 0o644).unwrap();
    let line = format!("{BINARY} check --host --json {{conf}}");
    let shown = node.output(&CommandLine::parse(&line), PATIENCE).unwrap().expect("it is usable");
    let begin = shown.find('{').expect("JSON");
    let value: Value = serde_json::from_str(&shown[begin..]).expect("JSON");
    let findings = value["files"][0]["findings"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    findings
        .filter(|finding| finding["code"] == "C133")
        .map(|finding| (text(&finding["severity"]), text(&finding["message"])))
        .collect()
}

#[test]
fn check_host_finds_a_firewall_that_eats_adverts() {
    if !lab::requires(&[Need::Root, Need::program("/usr/sbin/nft")]) {
        return;
    }
    let nodes = vec![(NODE.into(), vec![Card::eth0(2)])];
    let mut lab = Lab::build(&Plan { nodes, client: Card::eth0(100) }).unwrap();
    for (rules, conf, directions) in CASES {
        set(&mut lab, rules);
        let found = found(&mut lab, conf);
        let dropped: Vec<&str> = found
            .iter()
            .filter(|(severity, _)| severity == "warning")
            .map(|(_, message)| if message.contains("on their way in ") { "in" } else { "out" })
            .collect();
        assert_eq!(dropped, *directions, "{rules}\n{found:#?}");
    }
    // Who sends is not known beforehand: no alarm, but a word.
    let some = "add chain inet t i { type filter hook input priority 0; policy drop; }
        add rule inet t i ip saddr 193.168.0.3 accept";
    set(&mut lab, some);
    let found = found(&mut lab, MULTICAST);
    assert!(matches!(&found[..], [(severity, _)] if severity == "note"), "{found:#?}");
}

/// The same machine, and a network namespace of it: what is said is said of the one that the file names.
#[test]
fn check_host_looks_into_the_namespace_that_is_named() {
    if !lab::requires(&[Need::Root, Need::program("/usr/sbin/nft")]) {
        return;
    }
    let nodes = vec![(NODE.into(), vec![Card::eth0(2)])];
    let mut lab = Lab::build(&Plan { nodes, client: Card::eth0(100) }).unwrap();
    let node = lab.node_mut(NODE);
    let rules = "add table inet t\nadd chain inet t i { type filter hook input priority 0; policy drop; }\n";
    node.write("/run/lab/rules.nft", rules, 0o644).unwrap();
    for line in [
        "ip netns add blue",
        "ip -n blue link add blue0 type veth peer name blue1",
        "ip -n blue link set blue0 up",
        "ip -n blue link set blue1 up",
        "ip -n blue address add 198.51.100.1/24 dev blue0",
        "ip netns exec blue nft -f {dir}/rules.nft",
    ] {
        let done = node.output(&CommandLine::parse(line), PATIENCE).unwrap();
        assert!(done.is_some(), "{line}");
    }
    let mut codes = |top: &str, interface: &str| -> BTreeSet<String> {
        let conf = format!(
            "{top}\nvrrp_instance A {{\n interface {interface}\n virtual_router_id 5\n priority 100\n \
             virtual_ipaddress {{\n 198.51.100.255\n }}\n}}\n"
        );
        node.write(lab::CONF, conf, 0o644).unwrap();
        let line = format!("{BINARY} check --host --json {{conf}}");
        let shown = node.output(&CommandLine::parse(&line), PATIENCE).unwrap().expect("usable");
        let value: Value = serde_json::from_str(&shown[shown.find('{').unwrap()..]).unwrap();
        let findings = value["files"][0]["findings"].as_array().unwrap().iter();
        findings.map(|one| one["code"].as_str().unwrap().to_owned()).collect()
    };
    let has = |codes: &BTreeSet<String>| ["C108", "C130", "C133"].map(|code| codes.contains(code));
    // The VIP is the broadcast address of its network, the interface is there, the firewall drops.
    assert_eq!(has(&codes("net_namespace blue", "blue0")), [true, false, true]);
    // The node's own interface is not there; nor is that one on the node.
    assert!(codes("net_namespace blue", "eth0").contains("C130"));
    assert_eq!(has(&codes("", "blue0")), [false, true, false]);
    // One that cannot be looked into is told, and nothing is guessed.
    assert_eq!(has(&codes("net_namespace green", "blue0")), [false, true, false]);
}
