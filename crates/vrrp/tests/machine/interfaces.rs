//! Interfaces that come late, go, come back with another number, or change their name.

use base::{KernelFact, LinkFact, Name, Reason, State, What};

use crate::bench::{
    Bench, HIGHER, OWN, VIP, address, config, index, ip, link, nanos, saying, secs,
};

const DOWN: u64 = 3_609_375_000;

#[test]
fn vrrp_064_an_interface_may_come_later() {
    let (mut bench, _) = Bench::silent(vec![config(100)]);
    bench.addresses.clear();
    let outs = bench.snapshot(vec![link(1, "lo")]);
    assert!(outs.sockets().is_none());
    assert_eq!(bench.only().fault, Some(Reason::LinkMissing));
    bench.pass(secs(3600));
    assert!(bench.wake().is_empty());

    let outs = bench.link_is(link(9, "eth0"));
    assert!(outs.has(&What::LinkUp));
    assert_eq!(outs.sockets().unwrap()[0].index, index(9));
    let outs = bench.fact(KernelFact::Address(address(9, OWN)));
    assert_eq!(outs.changes(), [(State::Initialize, State::Backup, Reason::FaultCleared)]);
    assert_eq!(bench.left(), Some(nanos(DOWN)));
    assert_eq!(bench.sleep().advert().index, index(9));
}

#[test]
fn vrrp_064_an_interface_made_anew_has_another_number() {
    let mut bench = Bench::active(config(100));
    bench.addresses.clear();
    let outs = bench.fact(KernelFact::LinkGone(index(2)));
    assert_eq!(outs.sockets(), Some(&[][..]));
    bench.link_is(LinkFact { index: index(12), ..link(2, "eth0") });
    bench.fact(KernelFact::Address(address(12, OWN)));
    assert_eq!(bench.state(), State::Backup);
    // Packets through the old number are nobody's.
    bench.hear(saying(HIGHER, 200));
    assert_eq!(bench.only().traffic.received, 0);
    let mut through = saying(HIGHER, 200);
    through.index = index(12);
    bench.hear(through);
    assert_eq!(bench.only().traffic.received, 1);
    let outs = bench.sleep();
    assert_eq!(outs.advert().index, index(12));
    assert_eq!(outs.ops(), ["+192.0.2.100"]);
    let outs = bench.kernel();
    assert_eq!(outs.announced(), [ip(VIP)]);
    assert!(matches!(outs.0[0], crate::seen::Seen::Frame { index: on, .. } if on == index(12)));
}

#[test]
fn vrrp_064_the_new_interface_may_be_told_before_the_end_of_the_old() {
    let mut bench = Bench::new(config(100));
    bench.link_is(LinkFact { index: index(12), ..link(2, "eth0") });
    bench.fact(KernelFact::Address(address(12, OWN)));
    bench.fact(KernelFact::LinkGone(index(2)));
    assert_eq!(bench.state(), State::Backup);
    assert_eq!(bench.sleep().advert().index, index(12));
}

#[test]
fn vrrp_062_vrrp_064_a_renamed_interface_is_another_interface() {
    let mut bench = Bench::active(config(100));
    let outs = bench.link_is(LinkFact { name: Name::from("lan0"), ..link(2, "eth0") });
    assert_eq!(outs.spoken(), [0]);
    assert_eq!(outs.changes(), [(State::Active, State::Initialize, Reason::LinkMissing)]);
    assert_eq!(outs.ops(), ["-192.0.2.100"]);
    bench.kernel();
    assert!(!bench.has(VIP));
    let outs = bench.link_up();
    assert_eq!(outs.changes(), [(State::Initialize, State::Backup, Reason::FaultCleared)]);
}

#[test]
fn vrrp_064_two_interfaces_may_change_their_names_with_each_other() {
    let (mut bench, _) = Bench::silent(vec![config(100)]);
    bench.addresses.push(address(3, "192.0.2.6"));
    bench.snapshot(vec![link(2, "eth0"), link(3, "eth1")]);
    bench.link_is(LinkFact { name: Name::from("x"), ..link(2, "eth0") });
    bench.link_is(LinkFact { name: Name::from("eth0"), ..link(3, "eth1") });
    bench.link_is(LinkFact { name: Name::from("eth1"), ..link(2, "eth0") });
    let outs = bench.sleep();
    assert_eq!((outs.advert().index, outs.advert().source), (index(3), ip("192.0.2.6")));
}

#[test]
fn vrrp_064_an_own_address_may_come_back_or_be_replaced() {
    let mut bench = Bench::new(config(100));
    bench.taken(OWN);
    assert_eq!(bench.only().fault, Some(Reason::NoSourceAddress));
    bench.pass(secs(5));
    bench.fact(KernelFact::Address(address(2, OWN)));
    assert_eq!((bench.state(), bench.left()), (State::Backup, Some(nanos(DOWN))));

    // Another one takes over as source: no reason to stop.
    let mut bench = Bench::active(config(100));
    let spare = address(2, "192.0.2.6");
    bench.addresses.push(spare);
    bench.fact(KernelFact::Address(spare));
    let outs = bench.taken(OWN);
    assert!(outs.is_quiet() && outs.changes().is_empty());
    assert!(outs.has(&What::SourceFound { source: ip("192.0.2.6") }));
    assert_eq!(bench.sleep().advert().source, ip("192.0.2.6"));
}

#[test]
fn a_vip_of_another_instance_is_no_source_either() {
    let other = vrrp::InstanceConfig {
        name: "other".into(),
        vrid: base::Vrid::new(52).unwrap(),
        vips: vec![crate::bench::vip("192.0.2.3")],
        ..config(100)
    };
    let (mut bench, _) = Bench::silent(vec![config(100), other]);
    bench.addresses.insert(0, address(2, "192.0.2.3"));
    bench.snapshot(vec![link(2, "eth0")]);
    assert_eq!(bench.one("VI").source, Some(ip(OWN)));
}

#[test]
fn a_snapshot_in_mid_life_changes_what_it_must_and_nothing_else() {
    let mut bench = Bench::active(config(100));
    // The same again, as after a netlink overrun.
    let left = bench.left();
    let outs = bench.snapshot(vec![link(2, "eth0")]);
    assert!(outs.is_empty(), "{outs:?}");
    assert_eq!(bench.left(), left);
    // The VIP got lost meanwhile.
    bench.addresses.retain(|known| known.address != ip(VIP));
    let outs = bench.snapshot(vec![link(2, "eth0")]);
    assert_eq!(outs.ops(), ["+192.0.2.100"]);
    assert!(outs.changes().is_empty());
    bench.kernel();
    assert!(bench.has(VIP));
    // So did the interface.
    bench.addresses.clear();
    let outs = bench.snapshot(vec![link(1, "lo")]);
    assert_eq!(outs.changes(), [(State::Active, State::Initialize, Reason::LinkMissing)]);
    assert_eq!(outs.sockets(), Some(&[][..]));
}
