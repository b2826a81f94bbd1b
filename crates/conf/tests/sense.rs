//! What `check` says about a configuration's meaning: each finding where it belongs, and silence
//! where nothing is wrong.

use conf::sense::{compare, findings};
use conf::{Code, Config, Options, Source, load, render};

#[track_caller]
fn meaning(text: &str) -> Config {
    let loaded = load(Source { name: "t", text: text.as_bytes() }, Options::default());
    let shown = render(&loaded, false);
    loaded.config.or(loaded.understood).unwrap_or_else(|| panic!("{shown}"))
}

/// An instance on a bond, so that nothing is said about its one path.
fn instance(name: &str, vrid: u8, lines: &str) -> String {
    format!(
        "vrrp_instance {name} {{\n interface bond0\n virtual_router_id {vrid}\n virtual_ipaddress {{\n  192.0.2.{vrid}/24\n }}\n{lines}\n}}\n"
    )
}

const SCRIPT: &str = "vrrp_script chk {\n script /bin/true\n weight -20\n}\n";
const TRACK: &str = " track_script {\n  chk\n }\n";

#[track_caller]
fn says(text: &str, want: &[Code]) {
    let codes: Vec<_> = findings(&meaning(text)).iter().map(|d| d.code).collect();
    assert_eq!(codes, want, "{text}");
}

#[test]
fn nothing_is_said_about_a_sound_node() {
    says(&instance("A", 5, ""), &[]);
    says(&format!("{SCRIPT}{}", instance("A", 5, &format!(" priority 150\n{TRACK}"))), &[]);
}

#[test]
fn one_node_s_surprises() {
    let script =
        |lines: &str| format!("{SCRIPT}{}", instance("A", 5, &format!("{lines}\n{TRACK}")));
    says(&script(" priority 1"), &[Code::WeightWithoutEffect]);
    says(&script(" priority 150\n nopreempt"), &[Code::WeightKeepsPlace]);
    let up = script(" priority 254").replace("-20", "20");
    says(&up, &[Code::WeightWithoutEffect]);
    says(
        &instance("A", 5, " authentication {\n auth_type PASS\n auth_pass x\n }"),
        &[Code::PlainPassword],
    );
    says(&instance("A", 5, "").replace("bond0", "eth0"), &[Code::OnePath]);
    let ping = "vrrp_script gw {\n script \"/bin/ping -c 1 192.0.2.254\"\n}\n";
    let track = " track_script {\n gw\n }";
    says(&format!("{ping}{}", instance("A", 5, track)), &[Code::FaultEverywhere]);
    let local = ping.replace("192.0.2.254", "127.0.0.1");
    says(&format!("{local}{}", instance("A", 5, track)), &[]);
    says(&instance("A", 5, " smtp_alert"), &[Code::NoMailTo]);
    let vmac = instance("A", 5, " use_vmac") + &instance("B", 5, "").replace("bond0", "bond1");
    says(&vmac.replacen("192.0.2.5", "192.0.2.6", 1), &[Code::SharedVrid]);
}

#[test]
fn members_of_a_group_want_one_thing() {
    let group = "vrrp_sync_group G {\n group {\n A\n B\n }\n}\n";
    let both = |lines: &str| format!("{group}{}{}", instance("A", 5, ""), instance("B", 6, lines));
    says(&both(""), &[]);
    for lines in [" priority 99", " advert_int 2", " nopreempt"] {
        says(&both(lines), &[Code::GroupDisagrees]);
    }
}

#[track_caller]
fn differs(one: &str, two: &str, want: &[Code]) {
    let (one, two) = (meaning(one), meaning(two));
    let found = compare(&[&one, &two]);
    let codes: Vec<_> = found.iter().map(|d| d.code).collect();
    assert_eq!(codes, want, "{found:#?}");
    for difference in found {
        assert!(
            !difference.help.is_empty() && difference.places.iter().all(|(node, ..)| *node < 2)
        );
    }
}

#[test]
fn two_nodes_that_belong_together() {
    let a = instance("A", 5, " priority 150");
    let b = instance("A", 5, " priority 100");
    differs(&a, &b, &[]);
    differs(&a, &b.replace("vrrp_instance A", "vrrp_instance OTHER"), &[]);
    let unicast = |own: &str, peer: &str, priority: u8| {
        instance(
            "A",
            5,
            &format!(" priority {priority}\n unicast_src_ip {own}\n unicast_peer {{\n {peer}\n }}"),
        )
    };
    differs(&unicast("192.0.2.1", "192.0.2.2", 1), &unicast("192.0.2.2", "192.0.2.1", 2), &[]);
    differs(
        &unicast("192.0.2.1", "192.0.2.3", 1),
        &unicast("192.0.2.2", "192.0.2.1", 2),
        &[Code::NodesPeers],
    );
    differs(&unicast("192.0.2.1", "192.0.2.2", 1), &a, &[Code::NodesPeers]);
}

#[test]
fn two_nodes_that_do_not() {
    let a = instance("A", 5, " priority 150");
    let b = |lines: &str| instance("A", 5, &format!(" priority 100\n{lines}"));
    differs(&a, &a, &[Code::NodesPriority]);
    let owner = instance("A", 5, " priority 255");
    differs(&owner, &owner, &[Code::NodesOwners]);
    differs(&a, &b("").replace("router_id 5", "router_id 6"), &[Code::NodesVrid]);
    differs(&a, &b(" version 3"), &[Code::NodesVersion]);
    differs(&a, &b(" advert_int 2"), &[Code::NodesInterval]);
    differs(&a, &b(" authentication {\n auth_type PASS\n auth_pass x\n }"), &[Code::NodesPassword]);
    differs(&a, &b("").replace("/24", "/25"), &[Code::NodesVips]);
    differs(&a, &b(" virtual_ipaddress_excluded {\n 192.0.2.77\n }"), &[Code::NodesVips]);
    differs(&a, &b("").replace("192.0.2.5", "2001:db8::5"), &[Code::NodesFamily]);
    differs(&a, &b(" down_timer_adverts 4"), &[Code::NodesTimers]);
    differs(&a, &(b("") + &instance("B", 6, "")), &[Code::NodesMissing]);
}

#[test]
fn nodes_that_sign_hear_each_other_or_are_told() {
    let node = |lines: &str, priority: u8| {
        instance("A", 5, &format!(" version 3\n priority {priority}\n{lines}"))
    };
    let signs = |key: &str, active: u8, mode: &str| {
        format!(
            " auth_hmac {{\n key 1 hex:{}\n key 2 hex:{}\n active_key {active}\n mode {mode}\n }}",
            key.repeat(32),
            "77".repeat(32)
        )
    };
    let deaf = &[Code::NodesPassword][..];
    let plain = String::new;
    for (one, two, want) in [
        (signs("a5", 1, "enforce"), signs("a5", 1, "enforce"), &[][..]),
        (signs("a5", 1, "enforce"), signs("a5", 2, "permissive"), &[]),
        (signs("a5", 1, "enforce"), signs("b5", 1, "enforce"), deaf),
        (signs("a5", 2, "enforce"), signs("b5", 2, "enforce"), &[]),
        (signs("a5", 1, "enforce"), plain(), deaf),
        (signs("a5", 1, "permissive"), plain(), deaf),
        (signs("a5", 1, "receive-only"), plain(), &[]),
        (signs("a5", 1, "receive-only"), signs("a5", 1, "permissive"), &[]),
        (signs("a5", 1, "receive-only"), signs("a5", 1, "enforce"), deaf),
    ] {
        differs(&node(&one, 150), &node(&two, 100), want);
        differs(&node(&two, 150), &node(&one, 100), want);
    }
    let single =
        signs("a5", 1, "enforce").replace(&format!(" key 2 hex:{}\n", "77".repeat(32)), "");
    differs(&node(&single, 150), &node(&signs("a5", 2, "enforce"), 100), deaf);
}

#[test]
fn a_node_s_own_address_is_its_own() {
    let unicast = |own: &str, peer: &str, priority: u8| {
        let lines =
            format!(" priority {priority}\n unicast_src_ip {own}\n unicast_peer {{\n {peer}\n }}");
        instance("A", 5, &lines)
    };
    says(&unicast("192.0.2.1", "192.0.2.2", 100), &[]);
    says(&unicast("192.0.2.5", "192.0.2.2", 100), &[Code::VipAsNode]);
    says(&unicast("192.0.2.1", "192.0.2.5", 100), &[Code::VipAsNode]);
    // The owner's addresses are its own.
    says(&unicast("192.0.2.5", "192.0.2.2", 255), &[]);
    let from =
        |priority: u8| instance("A", 5, &format!(" priority {priority}\n mcast_src_ip 192.0.2.1"));
    differs(&from(150), &from(100), &[Code::NodesPeers]);
    differs(&from(150), &from(100).replace("192.0.2.1\n", "192.0.2.2\n"), &[]);
}

#[test]
fn a_vip_is_an_address_that_a_host_can_have() {
    let vip = |line: &str| instance("A", 5, "").replace("192.0.2.5/24", line);
    for line in [
        "192.0.2.0/24",
        "192.0.2.255/24",
        "10.1.0.0/16",
        "198.51.100.4/30",
        "198.51.100.7/30",
        "169.254.7.7/16",
        "169.254.7.7",
        "240.0.0.1/24",
        "0.0.0.7/24",
        "2001:db8::/64",
    ] {
        says(&vip(line), &[Code::UnfitVip]);
    }
    for line in [
        "192.0.2.5/24",
        "192.0.2.0",
        "192.0.2.255/32",
        "192.0.2.0/31",
        "10.1.0.0/8",
        "169.254.7.7/16 scope link",
        "2001:db8::1/64",
        "2001:db8::/127",
        "fe80::1/64",
    ] {
        says(&vip(line), &[]);
    }
    let excluded = instance("A", 5, " virtual_ipaddress_excluded {\n 192.0.2.255/24\n }");
    says(&excluded, &[Code::UnfitVip]);
}

#[test]
fn weights_must_reach_the_next_node() {
    let node = |priority: u8| {
        format!("{SCRIPT}{}", instance("A", 5, &format!(" priority {priority}\n{TRACK}")))
    };
    differs(&node(110), &node(100), &[]);
    differs(&node(150), &node(100), &[Code::NodesNeverMove]);
}

#[test]
fn a_group_prefers_one_node() {
    let group = "vrrp_sync_group G {\n group {\n A\n B\n }\n}\n";
    let node = |a: u8, b: u8| {
        let (a, b) = (format!(" priority {a}"), format!(" priority {b}"));
        format!("{group}{}{}", instance("A", 5, &a), instance("B", 6, &b))
    };
    differs(&node(150, 150), &node(100, 100), &[]);
    differs(&node(150, 100), &node(100, 150), &[Code::NodesGroups]);
}

#[test]
fn every_code_of_meaning_and_host_is_in_the_document_or_has_no_clause() {
    let text = include_str!("../../../docs/check.md");
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let named: Vec<_> = words
        .filter(|w| w.len() == 4 && w.starts_with('C') && w[1..].parse::<u16>().is_ok())
        .collect();
    assert!(named.len() > 15, "{named:?}");
    for word in &named {
        assert!(Code::ALL.iter().any(|code| code.as_str() == *word), "there is no {word}");
    }
    // C106 warns of what the list does not name.
    for code in Code::ALL.iter().map(|code| code.as_str()).filter(|code| *code >= "C100") {
        assert!(code == "C106" || named.contains(&code), "docs/check.md does not name {code}");
    }
}
