//! `no_accept`: VIPs that take no traffic are filtered from before they are on the node until they are
//! off it, and no others ever are.

use base::{Errno, Priority, What};
use vrrp::{Input, InstanceConfig};

use crate::bench::{Bench, HIGHER, VIP, config, ip, saying, secs, vip};

fn closed() -> InstanceConfig {
    InstanceConfig { accept: false, excluded: vec![vip("2001:db8::1")], ..config(100) }
}

#[test]
fn a_fresh_router_clears_what_another_left_and_filters_nothing_of_who_accepts() {
    let (mut bench, outs) = Bench::silent(vec![config(100)]);
    assert_eq!(outs.filtered(), Some(Vec::new()));
    bench.snapshot(vec![crate::bench::link(2, "eth0")]);
    assert_eq!(bench.sleep().filtered(), None);
    assert_eq!(bench.kernel().filtered(), None);
}

#[test]
fn the_filter_comes_behind_the_advert_and_before_the_vips_and_goes_behind_them() {
    let mut bench = Bench::new(closed());
    let outs = bench.sleep();
    assert_eq!(outs.filtered(), Some(vec![ip(VIP), ip("2001:db8::1")]));
    let kinds: Vec<_> =
        outs.kinds().into_iter().filter(|k| ["advert", "filter", "batch"].contains(k)).collect();
    assert_eq!(kinds, ["advert", "filter", "batch"]);
    assert_eq!(bench.kernel().filtered(), None, "once is enough");
    let outs = bench.hear(saying(HIGHER, 200));
    assert_eq!((outs.ops().len(), outs.filtered()), (2, None), "they are still on the node");
    assert_eq!(bench.kernel().filtered(), Some(Vec::new()));
}

#[test]
fn a_stop_waits_for_the_filter_to_go() {
    let mut bench = Bench::active(closed());
    bench.feed(Input::Stop);
    assert!(!bench.router.is_settled());
    assert_eq!(bench.kernel().filtered(), Some(Vec::new()));
    assert!(bench.router.is_settled());
}

#[test]
fn a_reload_opens_and_closes_without_touching_a_vip() {
    let mut bench = Bench::active(closed());
    let outs = bench.feed(Input::Configure(vec![InstanceConfig { accept: true, ..closed() }]));
    assert_eq!((outs.filtered(), outs.ops().len()), (Some(Vec::new()), 0));
    let outs = bench.feed(Input::Configure(vec![closed()]));
    assert_eq!(outs.filtered(), Some(vec![ip(VIP), ip("2001:db8::1")]));
    let more = InstanceConfig { vips: vec![vip(VIP), vip("192.0.2.101")], ..closed() };
    let outs = bench.feed(Input::Configure(vec![more]));
    let all = vec![ip(VIP), ip("192.0.2.101"), ip("2001:db8::1")];
    assert_eq!(outs.filtered(), Some(all));
}

#[test]
fn a_vip_that_a_reload_takes_out_is_filtered_until_it_is_off_the_node() {
    let two = InstanceConfig { vips: vec![vip(VIP), vip("192.0.2.101")], ..closed() };
    let mut bench = Bench::active(two);
    let outs = bench.feed(Input::Configure(vec![closed()]));
    assert_eq!((outs.ops().len(), outs.filtered()), (1, None), "it is still on the node");
    let rest = vec![ip(VIP), ip("2001:db8::1")];
    assert_eq!(bench.kernel().filtered(), Some(rest));
    // Moved to an instance that accepts, an address is not on its way out: it is open at once.
    let other = InstanceConfig {
        name: "OTHER".into(),
        vrid: base::Vrid::new(52).unwrap(),
        vips: vec![vip("2001:db8::1")],
        ..crate::bench::config_v6(255)
    };
    let mut bench = Bench::of(vec![closed(), other.clone()]);
    for _ in 0..6 {
        bench.sleep();
        bench.kernel();
    }
    let without = InstanceConfig { excluded: Vec::new(), ..closed() };
    let outs = bench.feed(Input::Configure(vec![without, other]));
    assert_eq!((outs.ops().len(), outs.filtered()), (0, Some(vec![ip(VIP)])));
}

#[test]
fn a_refusal_is_told_and_asked_again() {
    let mut bench = Bench::active(closed());
    let outs = bench.feed(Input::Filtered(Some(Errno::PERM)));
    assert!(outs.has(&What::FilterRefused { errno: Errno::PERM }));
    let mut asked = false;
    for _ in 0..10 {
        asked |= bench.sleep().filtered().is_some();
        bench.kernel();
    }
    assert!(asked);
    bench.pass(secs(0));
    assert_eq!(bench.only().priority, Priority::new(100));
}
