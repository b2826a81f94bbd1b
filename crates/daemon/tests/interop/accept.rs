//! `no_accept` at a real kernel: who asks the VIP gets no answer, who asks for it does, of both
//! families; after a reload without the word, and at a stop, nothing of the filter is left.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use lab::{Card, CommandLine, Lab, Need, Plan, ProcessSignal, wait_for};
use linux::clock::monotonic;

use crate::bench::PATIENCE;
use crate::mainstay::BINARY;

const NODE: &str = "ours";
const PORT: u16 = 7008;
const V4: &str = "193.168.0.6";
const V6: &str = "2001:db8::6";

fn conf(word: &str) -> String {
    format!(
        "vrrp_instance VI_1 {{
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 1
    {word}
    virtual_ipaddress {{
        {V4}/24
    }}
    virtual_ipaddress_excluded {{
        {V6}/64
    }}
}}
"
    )
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Whether the client gets a connection and an answer to a datagram.
fn reaches(lab: &Lab, address: &str) -> [bool; 2] {
    let to = SocketAddr::new(ip(address), PORT);
    let limit = Duration::from_millis(1_500);
    let connects = lab.client().run(move || TcpStream::connect_timeout(&to, limit).is_ok());
    let probe = lab.probe(ip(address), Duration::from_millis(20)).unwrap();
    let answered = wait_for(limit, || probe.last_answer().is_some()).is_some();
    [connects, answered]
}

fn ruleset(lab: &Lab) -> String {
    let list = CommandLine::parse("nft list tables");
    lab.node(NODE).output(&list, PATIENCE).unwrap().unwrap()
}

#[test]
fn a_vip_that_accepts_nothing_is_found_and_gives_no_answer() {
    if !lab::requires(&[Need::Root, Need::program("/usr/sbin/nft")]) {
        return;
    }
    let nodes = vec![(NODE.into(), vec![Card::eth0(2)])];
    let mut lab = Lab::build(&Plan { nodes, client: Card::eth0(100) }).unwrap();
    let run = CommandLine::parse(&format!("{BINARY} run -f {{conf}} --control {{control}}"));
    let daemon = lab.node_mut(NODE).start(&run, &conf("no_accept")).unwrap();
    let listener = lab.node(NODE).run(|| TcpListener::bind(("::", PORT)).unwrap());
    let holds = |lab: &Lab| [V4, V6].iter().all(|vip| lab.node(NODE).holds(ip(vip)));
    assert!(wait_for(PATIENCE, || holds(&lab)).is_some(), "{}", lab.node(NODE).log());

    // It is found: by ARP and by neighbour discovery.
    let mac = lab.node(NODE).mac().unwrap();
    for vip in [V4, V6] {
        let asker = lab.asker(ip(vip), Duration::from_millis(20)).unwrap();
        let since = monotonic();
        let found = wait_for(PATIENCE, || asker.first(mac, since).is_some());
        assert!(found.is_some(), "nobody says where {vip} is");
        assert_eq!(reaches(&lab, vip), [false, false], "{vip}");
    }
    let own = lab.node(NODE).address().unwrap().to_string();
    assert_eq!(reaches(&lab, &own), [true, true], "the node's own address is not filtered");
    assert!(ruleset(&lab).contains("table ip keepalived"), "{}", ruleset(&lab));

    lab.node_mut(NODE).write(lab::CONF, conf("accept"), 0o644).unwrap();
    lab.node(NODE).signal(ProcessSignal::HUP);
    for vip in [V4, V6] {
        let open = wait_for(PATIENCE, || reaches(&lab, vip) == [true, true]);
        assert!(open.is_some(), "{vip}: {:?}\n{}", reaches(&lab, vip), lab.node(NODE).log());
    }
    assert!(!ruleset(&lab).contains("keepalived"), "{}", ruleset(&lab));

    lab.node_mut(NODE).write(lab::CONF, conf("no_accept"), 0o644).unwrap();
    lab.node(NODE).signal(ProcessSignal::HUP);
    let shut = wait_for(PATIENCE, || reaches(&lab, V4) == [false, false]);
    assert!(shut.is_some(), "{}", lab.node(NODE).log());
    // A dead engine's filter is its heir's, and a stop takes it along.
    assert_eq!(lab.node(NODE).signal_named("ms:engine", ProcessSignal::KILL), 1);
    let shut = wait_for(PATIENCE, || holds(&lab) && reaches(&lab, V4) == [false, false]);
    assert!(shut.is_some(), "{}", lab.node(NODE).log());
    lab.node(NODE).signal(ProcessSignal::TERM);
    assert!(daemon.wait(PATIENCE).is_some(), "it does not end");
    assert!(!ruleset(&lab).contains("keepalived"), "{}", ruleset(&lab));
    drop(listener);
}
