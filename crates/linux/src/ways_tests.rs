//! What `ip` makes of what was installed, beside what `ip` itself installs by the same words.

use base::Ticket;
use serde_json::Value;

use super::*;
use crate::Monitor;
use crate::testing::{in_namespace, index, ip};

fn pair() {
    ip("link add va type veth peer name vb");
    ip("link set va up");
    ip("link set vb up");
    ip("address add 192.0.2.1/24 dev va");
    ip("address add 2001:db8::1/64 dev va nodad");
}

fn plain(to: &str, length: u8) -> Route {
    let to: IpAddr = to.parse().unwrap();
    Route {
        kind: 1,
        family: Family::of(&to),
        to: (to, length),
        hops: vec![],
        source: None,
        table: 254,
        metric: None,
        scope: 0,
        tos: 0,
        protocol: 18,
        append: false,
        metrics: vec![],
        congestion: None,
        realms: None,
        preference: None,
        expires: None,
        ttl_propagate: None,
    }
}

fn hop(via: Option<&str>) -> Hop {
    let via = via.map(|via| via.parse().unwrap());
    Hop { via, interface: Some("va".into()), weight: 1, ..Hop::default() }
}

fn bare(family: Family, preference: u32, action: RuleDoes) -> Rule {
    Rule {
        family,
        inverted: false,
        from: None,
        to: None,
        input: None,
        output: None,
        mark: None,
        preference: Some(preference),
        action,
        tos: 0,
        protocol: 18,
        realms: None,
        suppress_prefix: None,
        suppress_group: None,
        users: None,
        ip_protocol: None,
        source_ports: None,
        target_ports: None,
        tunnel: None,
        l3mdev: false,
    }
}

/// Does it; the outcome.
fn run(add: bool, way: Way) -> OpDone {
    let links = vec![("va".into(), index("va"))];
    let batch = WayBatch { ticket: Ticket::new(1), ops: vec![WayOp { add, way, links }] };
    Ways::open().unwrap().execute(batch).outcomes[0]
}

fn shown(command: &str) -> Vec<Value> {
    serde_json::from_str(&ip(command)).unwrap()
}

/// Whether what we install is what `ip` installs by `words`, and goes by our removal.
fn alike(way: Way, words: &str) {
    let (list, what) = match (&way, way.family()) {
        (Way::Route(_), Family::V4) => ("-j -details route show table all", "-4 route"),
        (Way::Route(_), Family::V6) => ("-6 -j -details route show table all", "-6 route"),
        (Way::Rule(_), Family::V4) => ("-j -details rule", "-4 rule"),
        (Way::Rule(_), Family::V6) => ("-6 -j -details rule", "-6 rule"),
    };
    let before = shown(list);
    ip(&format!("{what} add {words}"));
    let theirs = shown(list);
    assert_ne!(before, theirs, "{words}");
    ip(&format!("{what} del {words}"));
    assert_eq!(shown(list), before);
    assert_eq!(run(true, way.clone()), Ok(()), "{words}");
    assert_eq!(shown(list), theirs, "{words}");
    assert_eq!(run(true, way.clone()), Err(Errno::EXIST), "{words}");
    assert_eq!(shown(list), theirs, "{words}: a repeat changes nothing");
    assert_eq!(run(false, way.clone()), Ok(()), "{words}");
    assert_eq!(shown(list), before, "{words}");
    assert!(run(false, way).is_err(), "{words}");
}

#[test]
fn routes_are_what_ip_makes_of_the_same_words() {
    in_namespace(|| {
        pair();
        let route = |route: Route, words: &str| alike(Way::Route(Box::new(route)), words);
        let to = || plain("10.1.0.0", 16);
        let linked = |to: Route| Route { hops: vec![hop(None)], scope: 253, ..to };
        route(linked(to()), "10.1.0.0/16 dev va proto 18");
        let via = |to: Route, via| Route { hops: vec![hop(Some(via))], ..to };
        route(via(to(), "192.0.2.9"), "10.1.0.0/16 via 192.0.2.9 dev va proto 18");
        route(
            Route {
                source: Some("192.0.2.1".parse().unwrap()),
                metric: Some(77),
                table: 1000,
                tos: 16,
                ..via(plain("0.0.0.0", 0), "192.0.2.9")
            },
            "default via 192.0.2.9 dev va src 192.0.2.1 metric 77 table 1000 tos 0x10 proto 18",
        );
        route(
            Route {
                metrics: vec![(2, 1400, true), (8, 1360, false), (11, 20, false)],
                congestion: Some("reno".into()),
                ..via(to(), "192.0.2.9")
            },
            "10.1.0.0/16 via 192.0.2.9 dev va mtu lock 1400 advmss 1360 initcwnd 20 congctl reno proto 18",
        );
        let onlink = Hop { onlink: true, ..hop(Some("198.51.100.1")) };
        route(
            Route { hops: vec![onlink], ..to() },
            "10.1.0.0/16 via 198.51.100.1 dev va onlink proto 18",
        );
        let heavy = Hop { weight: 3, ..hop(Some("192.0.2.8")) };
        route(
            Route { hops: vec![hop(Some("192.0.2.9")), heavy], ..to() },
            "10.1.0.0/16 proto 18 nexthop via 192.0.2.9 dev va weight 1 nexthop via 192.0.2.8 dev va weight 3",
        );
        for (kind, name) in [(6, "blackhole"), (7, "unreachable"), (8, "prohibit"), (9, "throw")] {
            route(Route { kind, ..to() }, &format!("{name} 10.1.0.0/16 proto 18"));
        }
        let six = || plain("2001:db8:1::", 48);
        route(linked6(six()), "2001:db8:1::/48 dev va proto 18");
        route(
            Route { metric: Some(50), preference: Some(1), ..via(six(), "2001:db8::9") },
            "2001:db8:1::/48 via 2001:db8::9 dev va metric 50 pref high proto 18",
        );
        let over = via(to(), "fe80::9");
        route(over, "10.1.0.0/16 via inet6 fe80::9 dev va proto 18");
    });
}

fn linked6(to: Route) -> Route {
    Route { hops: vec![hop(None)], ..to }
}

#[test]
fn rules_are_what_ip_makes_of_the_same_words() {
    in_namespace(|| {
        pair();
        let rule = |rule: Rule, words: &str| alike(Way::Rule(Box::new(rule)), words);
        let net = |text: &str, length| Some((text.parse().unwrap(), length));
        let table = || bare(Family::V4, 500, RuleDoes::Table(1000));
        rule(
            Rule { from: net("192.0.2.0", 24), to: net("198.51.100.7", 32), ..table() },
            "from 192.0.2.0/24 to 198.51.100.7 table 1000 preference 500 protocol 18",
        );
        rule(
            Rule {
                inverted: true,
                input: Some("va".into()),
                output: Some("nowhere".into()),
                mark: Some((0x10, 0xff)),
                tos: 16,
                ..table()
            },
            "not iif va oif nowhere fwmark 0x10/0xff tos 0x10 table 1000 preference 500 protocol 18",
        );
        rule(
            Rule {
                users: Some((1, 99)),
                ip_protocol: Some(6),
                source_ports: Some((1, 2)),
                target_ports: Some((80, 80)),
                suppress_prefix: Some(8),
                suppress_group: Some(5),
                ..table()
            },
            "uidrange 1-99 ipproto tcp sport 1-2 dport 80 suppress_prefixlength 8 suppress_ifgroup 5 table 1000 preference 500 protocol 18",
        );
        let does = |action| bare(Family::V4, 500, action);
        rule(does(RuleDoes::Goto(600)), "goto 600 preference 500 protocol 18");
        rule(does(RuleDoes::Nothing), "nop preference 500 protocol 18");
        rule(does(RuleDoes::Blackhole), "blackhole preference 500 protocol 18");
        rule(does(RuleDoes::Unreachable), "unreachable preference 500 protocol 18");
        rule(does(RuleDoes::Prohibit), "prohibit preference 500 protocol 18");
        rule(
            Rule { from: net("2001:db8::", 32), ..bare(Family::V6, 500, RuleDoes::Table(200)) },
            "from 2001:db8::/32 table 200 preference 500 protocol 18",
        );
    });
}

#[test]
fn what_somebody_else_made_is_not_removed() {
    in_namespace(|| {
        pair();
        ip("route add 10.1.0.0/16 dev va proto static");
        let ours = Route { hops: vec![hop(None)], scope: 253, ..plain("10.1.0.0", 16) };
        assert_eq!(run(false, Way::Route(Box::new(ours))), Err(Errno(libc::ESRCH)));
        ip("rule add from 192.0.2.0/24 table 7 preference 500 protocol static");
        let ours = bare(Family::V4, 500, RuleDoes::Table(7));
        assert_eq!(run(false, Way::Rule(Box::new(ours))), Err(Errno::NOENT));
    });
}

#[test]
fn what_goes_leaves_a_trace_of_itself() {
    in_namespace(|| {
        pair();
        let mut monitor = Monitor::open(Monitor::QUEUE).unwrap();
        let four = Way::Route(Box::new(Route {
            hops: vec![hop(None)],
            scope: 253,
            table: 1000,
            ..plain("10.1.0.0", 16)
        }));
        let six = Way::Route(Box::new(linked6(plain("2001:db8:1::", 48))));
        let rule = Way::Rule(Box::new(bare(Family::V6, 500, RuleDoes::Table(7))));
        let all = [four, six, rule];
        let turn = || {
            for way in &all {
                assert_eq!(run(true, way.clone()), Ok(()));
            }
            for way in &all {
                assert_eq!(run(false, way.clone()), Ok(()));
            }
        };
        turn();
        monitor.read().unwrap();
        assert_eq!(monitor.take_gone(), [], "not asked for");
        monitor.hear_ways().unwrap();
        turn();
        monitor.read().unwrap();
        let traces: Vec<_> = all.iter().map(Way::trace).collect();
        assert_eq!(monitor.take_gone(), traces);
    });
}

#[test]
fn wrappings_are_laid_out_as_the_kernel_reads_them() {
    let labels = Encap::Mpls { labels: vec![100, 200], ttl: Some(9) };
    let (kind, bytes) = encap(&labels);
    assert_eq!(kind, ENCAP_MPLS);
    let mut wanted = nested(1, &[0x00, 0x06, 0x40, 0x00, 0x00, 0x0c, 0x81, 0x00]);
    wanted.extend(nested(2, &[9]));
    assert_eq!(bytes, wanted);
    let to = "192.0.2.7".parse().unwrap();
    let tunnel = Encap::Ip {
        family: Family::V4,
        id: Some(42),
        to: Some(to),
        from: None,
        ttl: None,
        tos: None,
    };
    let (kind, bytes) = encap(&tunnel);
    assert_eq!(kind, ENCAP_IP);
    let mut wanted = nested(1, &[0, 0, 0, 0, 0, 0, 0, 42]);
    wanted.extend(nested(2, &[192, 0, 2, 7]));
    assert_eq!(bytes, wanted);
}
