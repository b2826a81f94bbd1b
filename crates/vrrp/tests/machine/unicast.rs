//! Instances that speak to listed peers, one datagram each (keepalived.conf(5), `unicast_peer`).

use base::{Family, KernelFact, Reason, State};
use vrrp::wire::{Counter, PeerTerms};
use vrrp::{Input, InstanceConfig, Reach};

use crate::bench::{
    Bench, HIGHER, LOWER, OWN, Saying, address, config, config_v6, index, ip, link, nanos, saying,
    vip,
};

fn to(peers: &[&str], config: InstanceConfig) -> InstanceConfig {
    let terms = |peer: &&str| PeerTerms { address: ip(peer), min_ttl: 255, max_ttl: 255 };
    let peers = peers.iter().map(terms).collect();
    InstanceConfig { reach: Reach::Unicast { peers, ttl: 255, check_source: true }, ..config }
}

fn from(source: &str, destination: &str, priority: u8) -> Saying {
    Saying { destination: ip(destination), ..saying(source, priority) }
}

#[test]
fn vrrp_003_vrrp_023_every_peer_gets_its_own_datagram() {
    let mut bench = Bench::new(to(&[HIGHER, LOWER], config(100)));
    let outs = bench.sleep();
    let sent: Vec<_> = outs.adverts().iter().map(|s| (s.source, s.destination, s.ttl)).collect();
    assert_eq!(sent, [(ip(OWN), ip(HIGHER), 255), (ip(OWN), ip(LOWER), 255)]);
    assert_eq!(bench.only().traffic.sent, 1, "one advert, however many peers");
    assert_eq!(outs.kinds(), ["advert", "will", "batch", "event"]);
}

#[test]
fn vrrp_003_the_ttl_can_be_chosen() {
    let Reach::Unicast { peers, check_source, .. } = to(&[HIGHER], config(100)).reach else {
        panic!()
    };
    let reach = Reach::Unicast { peers, check_source, ttl: 64 };
    let mut bench = Bench::new(InstanceConfig { reach, ..config(100) });
    assert_eq!(bench.sleep().advert().ttl, 64);
}

#[test]
fn vrrp_023_only_listed_peers_speaking_to_us_are_heard() {
    let mut bench = Bench::active(to(&[HIGHER], config(100)));
    for stranger in [
        from(LOWER, OWN, 200),
        from(HIGHER, "224.0.0.18", 200),
        from(HIGHER, "192.0.2.6", 200),
        Saying { ttl: 254, ..from(HIGHER, OWN, 200) },
    ] {
        let outs = bench.hear(stranger);
        assert!(outs.is_quiet() && outs.changes().is_empty(), "{outs:?}");
    }
    let one = bench.only();
    assert_eq!(one.traffic.received, 0);
    let counted: u64 = Counter::ALL.iter().map(|counter| one.discards.get(*counter)).sum();
    assert_eq!(counted, 4);
    bench.hear(from(HIGHER, OWN, 200));
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn a_unicast_instance_joins_no_group() {
    let (mut bench, _) = Bench::silent(vec![to(&[HIGHER], config(100))]);
    let outs = bench.snapshot(vec![link(2, "eth0")]);
    let groups: Vec<_> = outs.sockets().unwrap().iter().map(|s| s.groups.clone()).collect();
    assert_eq!(groups, [Vec::<core::net::IpAddr>::new()]);
}

#[test]
fn instances_that_share_a_vrid_are_told_apart_by_the_address_they_speak_from() {
    let one =
        InstanceConfig { name: "one".into(), source: Some(ip(OWN)), ..to(&[HIGHER], config(100)) };
    let two = InstanceConfig {
        name: "two".into(),
        source: Some(ip("192.0.2.6")),
        vips: vec![vip("192.0.2.101")],
        ..to(&[HIGHER], config(100))
    };
    let (mut bench, _) = Bench::silent(vec![one, two]);
    bench.addresses.push(address(2, "192.0.2.6"));
    bench.snapshot(vec![link(2, "eth0")]);
    bench.sleep();
    bench.hear(from(HIGHER, "192.0.2.6", 200));
    assert_eq!(bench.one("one").state, State::Active);
    assert_eq!(bench.one("two").state, State::Backup);
    bench.hear(from(HIGHER, OWN, 200));
    assert_eq!(bench.one("one").state, State::Backup);
}

#[test]
fn a_multicast_and_a_unicast_instance_share_a_vrid() {
    let one = InstanceConfig { name: "many".into(), ..config(100) };
    let two = InstanceConfig {
        name: "few".into(),
        vips: vec![vip("192.0.2.101")],
        ..to(&[HIGHER], config(100))
    };
    let mut bench = Bench::of(vec![one, two]);
    bench.sleep();
    bench.hear(saying(HIGHER, 200));
    assert_eq!(bench.one("many").state, State::Backup);
    assert_eq!(bench.one("few").state, State::Active);
    bench.hear(from(HIGHER, OWN, 200));
    assert_eq!(bench.one("few").state, State::Backup);
    assert_eq!(bench.status().discards.get(Counter::Destination), 0);
}

#[test]
fn renaming_all_of_several_that_share_a_vrid_mixes_nobody_up() {
    let named = |name: &str, source: &str, address: &str| InstanceConfig {
        name: name.into(),
        source: Some(ip(source)),
        vips: vec![vip(address)],
        ..to(&[HIGHER], config(100))
    };
    let (mut bench, _) =
        Bench::silent(vec![named("a", OWN, "192.0.2.100"), named("b", "192.0.2.6", "192.0.2.101")]);
    bench.addresses.push(address(2, "192.0.2.6"));
    bench.snapshot(vec![link(2, "eth0")]);
    bench.sleep();
    bench.kernel();
    bench.hear(from(HIGHER, OWN, 200));
    bench.kernel();
    let outs = bench.feed(Input::Configure(vec![
        named("second", "192.0.2.6", "192.0.2.101"),
        named("first", OWN, "192.0.2.100"),
    ]));
    assert!(outs.is_quiet() && outs.changes().is_empty(), "{outs:?}");
    assert_eq!(bench.one("first").state, State::Backup);
    assert_eq!(bench.one("second").state, State::Active);
}

#[test]
fn an_instance_without_an_interface_lives_where_its_source_is() {
    let config = InstanceConfig {
        interface: None,
        source: Some(ip("192.0.2.6")),
        ..to(&[HIGHER], config(100))
    };
    let mut bench = Bench::new(config);
    assert_eq!(bench.only().fault, Some(Reason::NoSourceAddress));
    bench.link_is(link(3, "eth1"));
    bench.fact(KernelFact::Address(address(3, "192.0.2.6")));
    assert_eq!((bench.state(), bench.left()), (State::Backup, Some(nanos(3_609_375_000))));
    let outs = bench.sleep();
    assert_eq!((outs.advert().index, outs.advert().source), (index(3), ip("192.0.2.6")));
    // The address moves to another interface, and the instance with it.
    let outs = bench.fact(KernelFact::AddressGone(address(3, "192.0.2.6")));
    assert_eq!(outs.spoken(), [0]);
    bench.fact(KernelFact::Address(address(2, "192.0.2.6")));
    assert_eq!(bench.sleep().advert().index, index(2));
}

#[test]
fn a_configured_source_must_be_there() {
    let configured = InstanceConfig { source: Some(ip("192.0.2.6")), ..config(100) };
    let mut bench = Bench::new(configured);
    assert_eq!(bench.only().fault, Some(Reason::NoSourceAddress));
    bench.fact(KernelFact::Address(address(2, "192.0.2.6")));
    assert_eq!(bench.sleep().advert().source, ip("192.0.2.6"));
}

#[test]
fn vrrp_005_beyond_the_link_ipv6_speaks_from_a_global_address() {
    let (mut bench, _) = Bench::silent(vec![to(&["2001:db8::9"], config_v6(100))]);
    bench.addresses = vec![address(2, "fe80::5"), address(2, "2001:db8::5")];
    bench.snapshot(vec![link(2, "eth0")]);
    let outs = bench.sleep();
    let sent = outs.advert();
    assert_eq!((sent.source, sent.destination), (ip("2001:db8::5"), ip("2001:db8::9")));

    let (mut bench, _) = Bench::silent(vec![to(&["fe80::9"], config_v6(100))]);
    bench.addresses = vec![address(2, "2001:db8::5"), address(2, "fe80::5")];
    bench.snapshot(vec![link(2, "eth0")]);
    assert_eq!(bench.sleep().advert().source, ip("fe80::5"));
    assert_eq!(Family::of(&bench.only().source.unwrap()), Family::V6);
}
