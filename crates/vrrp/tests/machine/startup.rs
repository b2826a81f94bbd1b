//! Startup (RFC 9568 §6.4.1) and what it needs: an address to speak from, a list that fits, and the
//! time it is told to wait.

use base::{AddressFact, Family, KernelFact, LinkFact, Reason, State, What};
use vrrp::{InstanceConfig, SocketSpec};

use crate::bench::{
    Bench, HIGHER, OWN, VIP, address, config, config_v6, index, ip, link, millis, nanos, saying,
    secs, v2, vip,
};

#[test]
fn vrrp_050_an_owner_starts_as_active_and_speaks_before_it_touches_an_address() {
    let (mut bench, _) = Bench::silent(vec![config(255)]);
    let outs = bench.snapshot(vec![link(2, "eth0")]);
    assert_eq!(outs.kinds(), ["sockets", "advert", "will", "batch", "event"]);
    assert_eq!(outs.spoken(), [255]);
    assert_eq!(outs.ops(), ["+192.0.2.100"]);
    assert_eq!(outs.changes(), [(State::Initialize, State::Active, Reason::Owner)]);
    assert_eq!(bench.left(), Some(secs(1)));

    let outs = bench.kernel();
    assert_eq!(outs.announced(), [ip(VIP)]);
    assert!(outs.has(&What::VipsPresent { vips: vec![ip(VIP)] }));
    assert_eq!(bench.only().present, [ip(VIP)]);
}

#[test]
fn vrrp_051_anybody_else_starts_as_backup_for_one_down_interval_by_its_own_interval() {
    for (configured, down) in [
        (config(100), nanos(3_609_375_000)),
        (config(254), nanos(3_007_812_500)),
        (config(1), nanos(3_996_093_750)),
        (InstanceConfig { interval: v2(5), ..config(100) }, nanos(15_609_375_000)),
        (InstanceConfig { missed_adverts: 5, ..config(100) }, nanos(5_609_375_000)),
    ] {
        let (mut bench, outs) = Bench::silent(vec![configured]);
        assert!(outs.is_quiet());
        assert_eq!(bench.left(), None, "nothing is waited for before the kernel has spoken");
        let outs = bench.snapshot(vec![link(2, "eth0")]);
        assert_eq!(outs.kinds(), ["sockets", "event"]);
        assert_eq!(outs.changes(), [(State::Initialize, State::Backup, Reason::Startup)]);
        assert_eq!(bench.left(), Some(down));
        let one = bench.only();
        assert_eq!((one.active_interval, one.active_down_interval), (one.interval, down));
    }
}

#[test]
fn vrrp_070_the_start_up_delay_delays_startup_and_nothing_else() {
    let delayed = InstanceConfig { startup_delay: secs(10), ..config(100) };
    let (mut bench, _) = Bench::silent(vec![delayed]);
    bench.pass(secs(2));
    let outs = bench.snapshot(vec![link(2, "eth0")]);
    assert_eq!(outs.kinds(), ["sockets", "event"], "it may listen, but takes no part");
    assert_eq!(bench.state(), State::Initialize);
    assert_eq!(bench.left(), Some(secs(8)));

    bench.pass(secs(8) - nanos(1));
    assert!(bench.wake().is_empty());
    bench.pass(nanos(1));
    let outs = bench.wake();
    assert_eq!(outs.changes(), [(State::Initialize, State::Backup, Reason::Startup)]);
    assert_eq!(bench.left(), Some(nanos(3_609_375_000)));

    // A fault later on is over when it is over.
    bench.link_down();
    bench.pass(secs(1));
    bench.link_up();
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn vrrp_070_an_owner_waits_out_the_delay_too() {
    let delayed = InstanceConfig { startup_delay: secs(3), ..config(255) };
    let mut bench = Bench::new(delayed);
    assert_eq!((bench.state(), bench.left()), (State::Initialize, Some(secs(3))));
    let outs = bench.sleep();
    assert_eq!(outs.spoken(), [255]);
    assert_eq!(bench.state(), State::Active);
}

#[test]
fn vrrp_004_ipv4_adverts_leave_from_the_first_address_that_is_no_vip() {
    let (mut bench, _) = Bench::silent(vec![config(100)]);
    bench.addresses =
        vec![address(2, VIP), address(2, "192.0.2.77"), address(2, OWN), address(2, "fe80::5")];
    bench.snapshot(vec![link(2, "eth0")]);
    assert_eq!(bench.only().source, Some(ip("192.0.2.77")));
    let outs = bench.sleep();
    let sent = outs.advert();
    assert_eq!((sent.source, sent.destination), (ip("192.0.2.77"), ip("224.0.0.18")));
    assert_eq!((sent.index, sent.ttl), (index(2), 255));
    assert_eq!((sent.vrid, sent.addresses.as_slice()), (51, &[ip(VIP)][..]));
}

#[test]
fn vrrp_004_the_choice_is_stable_and_survives_taking_over() {
    let mut bench = Bench::active(config(100));
    assert_eq!(bench.only().source, Some(ip(OWN)));
    // A further address, though smaller, changes nothing; nor does the VIP itself.
    assert!(bench.fact(KernelFact::Address(address(2, "192.0.2.1"))).is_empty());
    assert_eq!(bench.sleep().advert().source, ip(OWN));
}

#[test]
fn vrrp_004_an_owner_may_speak_from_the_vip_it_owns() {
    let (mut bench, _) =
        Bench::silent(vec![InstanceConfig { vips: vec![vip(OWN)], ..config(255) }]);
    let outs = bench.snapshot(vec![link(2, "eth0")]);
    assert_eq!(outs.advert().source, ip(OWN));
    assert!(outs.ops().is_empty(), "it is there already");
}

#[test]
fn vrrp_005_ipv6_adverts_leave_from_the_link_local_address() {
    let (mut bench, _) = Bench::silent(vec![config_v6(100)]);
    bench.addresses = vec![
        address(2, "2001:db8::5"),
        AddressFact { tentative: true, ..address(2, "fe80::4") },
        address(2, "fe80::5"),
    ];
    bench.snapshot(vec![link(2, "eth0")]);
    let outs = bench.sleep();
    let sent = outs.advert();
    assert_eq!((sent.source, sent.destination), (ip("fe80::5"), ip("ff02::12")));
    assert_eq!(sent.addresses, [ip("fe80::100"), ip("2001:db8::100")]);
}

#[test]
fn vrrp_005_without_a_usable_link_local_address_there_is_nobody_to_speak_as() {
    let (mut bench, _) = Bench::silent(vec![config_v6(100)]);
    let tentative = AddressFact { tentative: true, ..address(2, "fe80::5") };
    bench.addresses = vec![address(2, "2001:db8::5"), tentative];
    bench.snapshot(vec![link(2, "eth0")]);
    assert_eq!(bench.only().fault, Some(Reason::NoSourceAddress));
    assert_eq!(bench.left(), None);
    let outs = bench.fact(KernelFact::Address(address(2, "fe80::5")));
    assert!(outs.has(&What::SourceFound { source: ip("fe80::5") }));
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn vrrp_014_an_instance_whose_advert_would_not_fit_does_not_start() {
    let many = |n: u8| InstanceConfig {
        vips: (0..n).map(|i| vip(&format!("192.0.2.{}", 100 + i))).collect(),
        ..config(100)
    };
    // IPv4 header 20, VRRP header 8, 4 for each address.
    let small = |mtu| LinkFact { mtu, ..link(2, "eth0") };
    let (mut bench, _) = Bench::silent(vec![many(11)]);
    bench.snapshot(vec![small(68)]);
    assert_eq!(
        (bench.state(), bench.only().fault),
        (State::Initialize, Some(Reason::AdvertTooLong))
    );
    assert_eq!(bench.left(), None);
    bench.link_is(small(72));
    assert_eq!(bench.state(), State::Backup);
    assert_eq!(bench.sleep().advert().addresses.len(), 11);

    // What is not advertised does not count.
    let excluded = InstanceConfig { excluded: many(11).vips, ..config(100) };
    let (mut bench, _) = Bench::silent(vec![excluded]);
    bench.snapshot(vec![small(68)]);
    assert_eq!(bench.state(), State::Backup);
    let outs = bench.sleep();
    assert_eq!(outs.advert().addresses, [ip(VIP)]);
    assert_eq!(outs.ops().len(), 11, "the VIP is one of the eleven");
}

#[test]
fn one_instance_that_cannot_run_never_stops_the_others() {
    let named = |name: &str, vrid, configured: InstanceConfig| InstanceConfig {
        name: name.into(),
        vrid: base::Vrid::new(vrid).unwrap(),
        ..configured
    };
    let nowhere = InstanceConfig { interface: Some("eth7".into()), ..config(100) };
    let too_long = InstanceConfig {
        vips: (0..200).map(|i| vip(&format!("192.0.2.{}", 20 + i))).collect(),
        ..config(100)
    };
    let (mut bench, _) = Bench::silent(vec![
        named("nowhere", 1, nowhere),
        named("too long", 2, too_long),
        named("good", 3, config(100)),
    ]);
    bench.snapshot(vec![LinkFact { mtu: 500, ..link(2, "eth0") }]);
    bench.sleep();
    bench.kernel();
    let stands = |bench: &Bench, name| (bench.one(name).state, bench.one(name).fault);
    assert_eq!(stands(&bench, "nowhere"), (State::Initialize, Some(Reason::LinkMissing)));
    assert_eq!(stands(&bench, "too long"), (State::Initialize, Some(Reason::AdvertTooLong)));
    assert_eq!(stands(&bench, "good"), (State::Active, None));
    assert!(bench.has(VIP));
}

#[test]
fn an_instance_listens_as_soon_as_its_interface_exists() {
    let (mut bench, outs) = Bench::silent(vec![config(100), config_v6(100)]);
    assert!(outs.sockets().is_none());
    let outs = bench.snapshot(vec![LinkFact { running: false, ..link(2, "eth0") }]);
    let spec = |family, group: &str, running| SocketSpec {
        beside: None,
        index: index(2),
        interface: "eth0".into(),
        family,
        groups: vec![ip(group)],
        running,
    };
    let both = |up| vec![spec(Family::V4, "224.0.0.18", up), spec(Family::V6, "ff02::12", up)];
    assert_eq!(outs.sockets(), Some(&both(false)[..]));
    let outs = bench.link_up();
    assert_eq!(outs.sockets(), Some(&both(true)[..]));
    assert!(bench.link_up().is_empty(), "the same again is no news");
}

#[test]
fn an_empty_vip_list_makes_bare_adverts() {
    let mut bench = Bench::new(InstanceConfig { vips: Vec::new(), ..config(100) });
    let outs = bench.sleep();
    assert_eq!(outs.kinds(), ["advert", "will", "event"]);
    assert!(outs.advert().addresses.is_empty());
    assert_eq!(bench.state(), State::Active);
    // Two such nodes understand each other.
    let mut bare = saying(HIGHER, 200);
    bare.addresses.clear();
    bench.pass(millis(10));
    let outs = bench.hear(bare);
    assert_eq!(outs.changes(), [(State::Active, State::Backup, Reason::StrongerPeer)]);
    assert!(!outs.happened().iter().any(|what| matches!(what, What::VipListDiffers { .. })));
}
