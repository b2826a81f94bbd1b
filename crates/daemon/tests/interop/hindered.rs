//! A holder to which the kernel refuses a VIP (decision 0025): whoever is ready follows, and it comes
//! back when the kernel takes the VIP; where nobody else is, it serves the rest.

use std::net::IpAddr;
use std::time::Duration;

use base::{Priority, State, What};
use lab::{Need, Seen, wait_for};
use linux::clock::monotonic;

use crate::bench::{Bench, OURS, PATIENCE, PEER, keepalived_here};
use crate::keepalived::Keepalived;
use crate::mainstay::Mainstay;
use crate::mode::{Mode, Part, V3_IPV4, VRID};
use crate::pairs::pair;
use crate::speaker::Speaker;

const SIX: &str = "2001:db8::6";
/// A hindrance lasts ten seconds at least, and the kernel is asked every five.
const RETURNS: Duration = Duration::from_secs(40);

fn six() -> IpAddr {
    SIX.parse().unwrap()
}

fn dual(mode: Mode, priority: u8) -> Part {
    let excluded = format!("virtual_ipaddress_excluded {{\n  {SIX}/64\n }}");
    Part::new(mode, priority).with(excluded)
}

/// Has the kernel of `node` refuse IPv6 addresses, or take them again.
fn refuse_ipv6(bench: &Bench, node: &str, refuse: bool) {
    let value = if refuse { "1" } else { "0" };
    let path = "/proc/sys/net/ipv6/conf/eth0/disable_ipv6";
    bench.lab.node(node).run(move || std::fs::write(path, value)).unwrap();
}

#[test]
fn a_holder_that_is_refused_a_vip_is_followed_and_comes_back_when_it_is_not() {
    let Some((bench, us, peer)) = pair(V3_IPV4, |priority| dual(V3_IPV4, priority)) else {
        return;
    };
    us.wait(&bench, |instance| !instance.ready.is_empty());
    let both = wait_for(PATIENCE, || bench.lab.node("ours").holds(six()));
    assert!(both.is_some(), "{}", bench.story());
    let refused = monotonic();
    refuse_ipv6(&bench, "ours", true);
    bench.resignation("ours", refused);
    bench.sole_holder(&peer, &[&us]);
    bench.served_by("peer");
    assert!(bench.lab.node("peer").holds(six()), "{}", bench.story());
    us.wait(&bench, |instance| {
        let missing = instance.missing.as_ref().is_some_and(|it| it.vip == six());
        missing && instance.state == State::Backup && instance.priority == 1
    });
    let asked = us.ask_for(&bench, "status");
    assert!(asked.contains(&format!("cannot serve {SIX}")), "{asked}");
    refuse_ipv6(&bench, "ours", false);
    let back = wait_for(RETURNS, || us.holds(&bench) && bench.lab.node("ours").holds(six()));
    assert!(back.is_some(), "{}", bench.story());
    bench.sole_holder(&us, &[&peer]);
    bench.served_by("ours");
    assert!(us.instance(&bench).missing.is_none());
    assert!(us.told(&bench, |what| *what == What::VipNotMissing { vip: six() }));
    let moves = [State::Backup, State::Active, State::Backup, State::Active];
    assert_eq!(us.states(&bench), moves, "no flapping\n{}", bench.story());
}

#[test]
fn alone_it_serves_the_rest_until_somebody_preempts() {
    if !(keepalived_here() && lab::requires(&[Need::program("/usr/sbin/nft")])) {
        return;
    }
    let mut bench = Bench::new(V3_IPV4, &[OURS, PEER]);
    let (mut us, mut peer) = (Mainstay::on("ours"), Keepalived::on("peer"));
    us.start(&mut bench, &dual(V3_IPV4, 150));
    bench.sole_holder(&us, &[]);
    refuse_ipv6(&bench, "ours", true);
    us.wait(&bench, |instance| instance.missing.is_some());
    let hindered = monotonic();
    let lowest = |seen: &Seen| matches!(seen, Seen::Advert { vrid: VRID, priority, .. } if *priority == Priority::LOWEST);
    let said = wait_for(PATIENCE, || {
        let seen = bench.witness().first(hindered, |s| s.from == "ours" && lowest(&s.seen));
        seen.is_some()
    });
    assert!(said.is_some(), "{}", bench.story());
    bench.sole_holder(&us, &[]);
    bench.served_by("ours");
    assert_eq!(us.states(&bench), [State::Backup, State::Active], "{}", bench.story());
    peer.start(&mut bench, &dual(V3_IPV4, 100));
    bench.sole_holder(&peer, &[&us]);
    bench.served_by("peer");
    assert!(bench.lab.node("peer").holds(six()));
}
