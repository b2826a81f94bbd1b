//! One VRID in both families: two virtual routers that have nothing to do with each other
//! (RFC 9568 §1).

use base::{KernelFact, State};
use vrrp::Input;

use crate::bench::{
    Bench, HIGHER, OWN, VIP, address, config, config_v6, index, ip, nanos, saying, secs,
};

fn both() -> Bench {
    Bench::of(vec![config(100), config_v6(100)])
}

#[test]
fn vrrp_028_an_advert_reaches_the_instance_of_its_family_only() {
    let mut bench = both();
    bench.pass(secs(1));
    bench.hear(saying(HIGHER, 200));
    let left = |bench: &Bench, name| bench.one(name).deadline.unwrap().since(bench.now);
    assert_eq!(left(&bench, "VI"), nanos(3_609_375_000));
    assert_eq!(left(&bench, "VI6"), nanos(2_609_375_000));
    bench.hear(saying("fe80::9", 200));
    assert_eq!(left(&bench, "VI6"), nanos(3_609_375_000));
    assert_eq!(bench.one("VI").traffic.received, 1);
    assert_eq!(bench.one("VI6").traffic.received, 1);
}

#[test]
fn both_may_be_active_or_only_one() {
    let mut bench = both();
    let outs = bench.sleep();
    let sources: Vec<_> = outs.adverts().iter().map(|sent| sent.source).collect();
    assert_eq!(sources, [ip(OWN), ip("fe80::5")]);
    let outs = bench.kernel();
    assert_eq!(outs.announced(), [ip(VIP), ip("fe80::100"), ip("2001:db8::100")]);
    bench.hear(saying("fe80::9", 200));
    assert_eq!(bench.one("VI").state, State::Active);
    assert_eq!(bench.one("VI6").state, State::Backup);
    let outs = bench.kernel();
    assert!(outs.announced().is_empty());
    assert!(bench.has(VIP) && !bench.has("2001:db8::100"));
}

#[test]
fn vrrp_062_losing_the_address_of_one_family_is_the_end_of_that_one_only() {
    let mut bench = both();
    bench.sleep();
    bench.kernel();
    let outs = bench.fact(KernelFact::AddressGone(address(2, "fe80::5")));
    assert_eq!(outs.spoken(), [0]);
    assert_eq!(outs.advert().destination, ip("ff02::12"));
    assert_eq!(bench.one("VI").state, State::Active);
    assert_eq!(bench.one("VI6").state, State::Initialize);
}

#[test]
fn vrrp_052_stopping_resigns_from_both() {
    let mut bench = both();
    bench.sleep();
    bench.kernel();
    let outs = bench.feed(Input::Stop);
    assert_eq!(outs.spoken(), [0, 0]);
    assert_eq!(outs.kinds(), ["advert", "will", "batch", "event"]);
    assert_eq!(outs.ops(), ["-2001:db8::100", "-fe80::100", "-192.0.2.100"]);
    bench.kernel();
    assert!(bench.router.is_settled());
}

#[test]
fn vrrp_014_an_ipv6_list_that_does_not_fit_stops_its_own_instance_only() {
    let mut bench = both();
    // IPv6 header 40, VRRP header 8, 16 for each of two addresses: 80.
    bench.link_is(base::LinkFact { mtu: 79, ..crate::bench::link(2, "eth0") });
    assert_eq!(bench.one("VI").state, State::Backup);
    assert_eq!(bench.one("VI6").state, State::Initialize);
    assert_eq!(bench.one("VI").source, Some(ip(OWN)));
    assert_eq!(bench.one("VI6").interface, Some("eth0".into()));
    bench.link_is(base::LinkFact { mtu: 80, index: index(2), ..crate::bench::link(2, "eth0") });
    assert_eq!(bench.one("VI6").state, State::Backup);
}
