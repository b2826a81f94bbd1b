//! What instances ask of the node beside their VIPs: interfaces that promote secondary addresses, and
//! switches that are kept informed.

use base::{Device, LinkFact, Mac};
use vrrp::{Fresh, Input, InstanceConfig};

use crate::bench::{Bench, config, link, secs, vip};
use crate::seen::{Outs, Seen};

fn promoted(outs: &Outs) -> Option<Vec<String>> {
    let mut lists = outs.0.iter().filter_map(|seen| match seen {
        Seen::Promote(names) => Some(names.iter().map(ToString::to_string).collect()),
        _ => None,
    });
    lists.next_back()
}

#[test]
fn an_interface_promotes_secondaries_when_there_is_one_and_as_long_as_it_is_asked_for() {
    let asking = InstanceConfig { promote_secondaries: true, ..config(100) };
    let (mut bench, outs) = Bench::silent(vec![asking.clone()]);
    assert_eq!(promoted(&outs), None, "there is no interface yet");
    let outs = bench.snapshot(vec![link(2, "eth0"), link(3, "eth1")]);
    assert_eq!(promoted(&outs), Some(vec!["eth0".to_owned()]));
    let outs = bench.link_is(LinkFact { running: false, ..link(2, "eth0") });
    assert_eq!(promoted(&outs), None, "it is the same interface");
    // Made anew, it has forgotten.
    let outs = bench.fact(base::KernelFact::LinkGone(crate::bench::index(2)));
    assert_eq!(promoted(&outs), Some(Vec::new()));
    let outs = bench.link_is(link(7, "eth0"));
    assert_eq!(promoted(&outs), Some(vec!["eth0".to_owned()]));
    let outs = bench.feed(Input::Configure(vec![config(100)]));
    assert_eq!(promoted(&outs), Some(Vec::new()));
    let (_, outs) = Bench::silent(vec![config(100)]);
    assert_eq!(promoted(&outs), None);
}

#[test]
fn switches_are_kept_informed_where_adverts_do_not_tell_them() {
    let device = |name: &str, parent: &str| Device {
        name: name.into(),
        parent: parent.into(),
        mac: Mac([0, 0, 0x5e, 0, 1, 51]),
        group: None,
        ipv6: false,
        local_igmp: true,
    };
    let mut elsewhere = vip("192.0.2.120");
    elsewhere.interface = "eth1".into();
    let mut virtual_own = vip("192.0.2.121");
    virtual_own.interface = "vrrp.51".into();
    let mut virtual_other = vip("192.0.2.122");
    virtual_other.interface = "vrrp1.51".into();
    let with = |all| InstanceConfig {
        vips: vec![
            vip("192.0.2.100"),
            elsewhere.clone(),
            virtual_own.clone(),
            virtual_other.clone(),
        ],
        devices: vec![device("vrrp.51", "eth0"), device("vrrp1.51", "eth1")],
        speaks_as: Some(Mac([0, 0, 0x5e, 0, 1, 51])),
        fresh: Some(Fresh { all, every: secs(60) }),
        ..config(100)
    };
    let names = |all| {
        let fresh = with(all).keep_fresh();
        assert_eq!(fresh.every, secs(60));
        fresh.interfaces.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(names(false), ["vrrp1.51"]);
    assert_eq!(names(true), ["eth1", "vrrp1.51"]);
    assert!(config(100).keep_fresh().interfaces.is_empty());
}

#[test]
fn who_asks_has_the_vips_announced_again_by_whoever_holds_them() {
    let mut bench = Bench::active(config(100));
    let ask = |bench: &mut Bench, name: &str| {
        bench.feed(Input::AnnounceAgain(name.into())).announced().len()
    };
    assert_eq!(ask(&mut bench, "VI"), 1);
    assert_eq!(ask(&mut bench, "another"), 0);
    bench.hear(crate::bench::saying(crate::bench::HIGHER, 200));
    bench.kernel();
    assert_eq!(ask(&mut bench, "VI"), 0);
}
