//! Rivals seen below IP (ARP-004, ND-004): whoever answers for a VIP of ours is told of with its MAC,
//! answered by an advert and an announcement, and never yielded to.

use base::{
    Family, KernelFact, LinkFact, Mac, Neighbour, Priority, Reason, Rival, Sight, State, Vrid, What,
};
use vrrp::{Input, InstanceConfig, WatchSpec};

use crate::bench::{
    Bench, HIGHER, LOWER, Saying, VIP, config, config_v6, index, ip, link, millis, saying, secs,
    vip,
};
use crate::seen::Outs;

const THEIRS: Mac = Mac([2, 0, 0, 0, 9, 9]);

fn arp(address: &str, mac: Mac) -> Input {
    let (index, address) = (index(2), ip(address));
    Input::Neighbour(Neighbour { index, address, mac, source: None, sight: Sight::Arp })
}

fn na(address: &str, source: Option<&str>) -> Input {
    let sight = Sight::NeighbourAdvertisement;
    let (index, address, source) = (index(2), ip(address), source.map(ip));
    Input::Neighbour(Neighbour { index, address, mac: THEIRS, source, sight })
}

/// Has held for longer than stragglers need.
fn holder(config: InstanceConfig) -> Bench {
    let mut bench = Bench::active(config);
    bench.sleep();
    bench.pass(millis(100));
    bench
}

fn two(outs: &Outs) -> Vec<Rival> {
    let rival = |what: &&What| match what {
        What::TwoHolders { rival, .. } => Some(rival.clone()),
        _ => None,
    };
    outs.happened().iter().filter_map(rival).collect()
}

fn over(outs: &Outs) -> usize {
    outs.happened().iter().filter(|what| matches!(what, What::TwoHoldersOver { .. })).count()
}

#[test]
fn arp_004_an_arp_from_another_mac_is_told_answered_and_not_yielded_to() {
    let mut bench = holder(config(100));
    let outs = bench.feed(arp(VIP, THEIRS));
    assert_eq!(outs.kinds(), ["advert", "frame", "event"], "never ahead of an advert");
    assert_eq!(outs.spoken(), [100]);
    assert_eq!(outs.announced(), [ip(VIP)]);
    let seen = What::RivalSeen { vip: ip(VIP), mac: THEIRS, sight: Sight::Arp };
    assert!(outs.has(&seen));
    let rival =
        Rival { mac: Some(THEIRS), source: None, address: Some(ip(VIP)), seen: vec![Sight::Arp] };
    assert_eq!(two(&outs).first(), Some(&rival));
    let [seen, two, told] = outs.events()[..] else { panic!("{outs:?}") };
    assert_eq!(two.causes, [seen.id]);
    assert_eq!((told.reason, told.causes.as_slice()), (Reason::RivalSeen, &[seen.id][..]));
    assert_eq!(bench.state(), State::Active);
    let status = bench.only().rival.unwrap();
    assert_eq!((status.rival, status.because), (rival, Some(two.id)));
}

#[test]
fn nd_004_an_advertisement_of_another_machine_is_told_with_its_source() {
    let mut bench = holder(config_v6(100));
    let outs = bench.feed(na("2001:db8::100", Some("fe80::9")));
    assert_eq!(outs.kinds(), ["advert", "frame", "event"]);
    assert_eq!(outs.announced(), [ip("2001:db8::100")], "only what was claimed");
    let rival = Rival {
        mac: Some(THEIRS),
        source: Some(ip("fe80::9")),
        address: Some(ip("2001:db8::100")),
        seen: vec![Sight::NeighbourAdvertisement],
    };
    assert_eq!(two(&outs), [rival]);
    assert_eq!(bench.state(), State::Active);
}

#[test]
fn arp_004_our_own_macs_and_our_virtual_mac_are_no_rivals() {
    let mut usual = config(100);
    let virtual_mac = Mac::virtual_router(Family::V4, usual.vrid);
    usual.burst.virtual_mac = Some(virtual_mac);
    let mut bench = holder(usual);
    let own = link(2, "eth0").mac.unwrap();
    assert!(bench.feed(arp(VIP, own)).is_empty());
    assert!(bench.feed(arp(VIP, virtual_mac)).is_empty());
    // Of any of its interfaces: a bridge may bring a frame back by another.
    let other = LinkFact { mac: Some(THEIRS), ..link(7, "eth7") };
    bench.fact(KernelFact::Link(other));
    assert!(bench.feed(arp(VIP, THEIRS)).is_empty());
    // A virtual MAC that we do not use is somebody else's.
    let mut bench = holder(config(100));
    assert_eq!(two(&bench.feed(arp(VIP, virtual_mac))).len(), 1);
}

#[test]
fn arp_004_what_we_do_not_hold_is_not_ours_to_defend() {
    let mut bench = holder(config(100));
    assert!(bench.feed(arp("192.0.2.77", THEIRS)).is_empty());
    let elsewhere = Neighbour {
        index: index(3),
        address: ip(VIP),
        mac: THEIRS,
        source: None,
        sight: Sight::Arp,
    };
    assert!(bench.feed(Input::Neighbour(elsewhere)).is_empty());
    let mut bench = Bench::new(config(100));
    assert_eq!(bench.state(), State::Backup);
    assert!(bench.feed(arp(VIP, THEIRS)).is_empty());
}

#[test]
fn arp_004_two_holders_are_told_once_and_once_when_it_is_over() {
    let mut bench = holder(config(100));
    let (mut begins, mut ends) = (0, 0);
    let mut look = |outs: &Outs| {
        begins += two(outs).len();
        ends += over(outs);
        (begins, ends)
    };
    for _ in 0..5 {
        look(&bench.feed(arp(VIP, THEIRS)));
        look(&bench.sleep());
        bench.pass(millis(300));
    }
    assert_eq!(look(&Outs::default()), (1, 0));
    let last = bench.now;
    while look(&bench.sleep()) == (1, 0) {
        assert!(bench.now.since(last) < secs(5));
    }
    assert_eq!(look(&Outs::default()), (1, 1));
    assert!(bench.now.since(last) > secs(2), "three intervals after the last sight");
    assert_eq!(bench.only().rival, None);
    // Another episode is news again.
    assert_eq!(two(&bench.feed(arp(VIP, THEIRS))).len(), 1);
}

#[test]
fn arp_004_an_episode_ends_with_our_own_time_as_holder() {
    let mut bench = holder(config(100));
    bench.feed(arp(VIP, THEIRS));
    let outs = bench.hear(saying(HIGHER, 200));
    assert_eq!((over(&outs), bench.state()), (1, State::Backup));
    assert_eq!(bench.only().rival, None);
}

#[test]
fn arp_004_adverts_and_arp_of_one_rival_are_one_evidence() {
    let mut bench = holder(config(100));
    let outs = bench.hear(saying(LOWER, 50));
    assert_eq!(two(&outs), [], "one advert proves little");
    bench.pass(millis(10));
    let outs = bench.feed(arp(VIP, THEIRS));
    let rival = Rival {
        mac: Some(THEIRS),
        source: Some(ip(LOWER)),
        address: Some(ip(VIP)),
        seen: vec![Sight::Advert, Sight::Arp],
    };
    assert_eq!(two(&outs), [rival]);
    assert!(outs.announced().is_empty(), "announced ten milliseconds ago");
    let heard = What::RivalHeard { source: ip(LOWER), priority: Priority::new(50) };
    assert!(!outs.has(&heard));
}

#[test]
fn arp_004_stragglers_of_the_holder_before_us_are_answered_but_are_no_alarm() {
    let mut bench = Bench::active(config(100));
    bench.pass(millis(1));
    let outs = bench.feed(arp(VIP, THEIRS));
    assert_eq!((two(&outs).len(), outs.announced().len()), (0, 1));
}

#[test]
fn arp_007_the_last_sight_is_always_answered_within_a_second() {
    for gap in [1, 10, 250, 500, 900, 990] {
        let mut bench = holder(config(100));
        assert_eq!(bench.feed(arp(VIP, THEIRS)).announced().len(), 1);
        bench.pass(millis(gap));
        bench.wake();
        assert!(bench.feed(arp(VIP, THEIRS)).announced().is_empty(), "{gap} ms");
        let last = bench.now;
        while bench.sleep().announced().is_empty() {}
        assert_eq!(bench.now.since(last), millis(1000 - gap));
    }
}

#[test]
fn arp_006_a_flood_of_forged_arp_makes_no_flood_of_ours() {
    let vips = (100..200).map(|last| vip(&format!("192.0.2.{last}"))).collect();
    let mut bench = holder(InstanceConfig { vips, ..config(100) });
    let (mut adverts, mut frames, mut events) = (0, 0, 0);
    for n in 0..10_000_u16 {
        let [high, low] = n.to_be_bytes();
        let mac = Mac([2, 0, 0, 1, high, low]);
        let outs = bench.feed(arp(VIP, mac));
        adverts += outs.adverts().len();
        frames += outs.announced().len();
        events += outs.events().len();
        bench.pass(millis(1));
        let outs = bench.wake();
        adverts += outs.adverts().len();
        frames += outs.announced().len();
        events += outs.events().len();
    }
    assert!(adverts <= 51, "four in an interval beside its own: {adverts}");
    assert!(frames <= 11, "one burst in a second, of one VIP of a hundred: {frames}");
    assert!(events <= 25, "{events}");
    assert_eq!(bench.state(), State::Active);
}

#[test]
fn arp_004_only_a_holder_looks_out_and_for_all_that_could_be_its_own() {
    let spec = |number: u32, addresses: &[&str]| WatchSpec {
        index: index(number),
        family: Family::V4,
        addresses: addresses.iter().map(|text| ip(text)).collect(),
    };
    let mut bench =
        Bench::new(InstanceConfig { vips: vec![vip("192.0.2.101"), vip(VIP)], ..config(100) });
    assert_eq!(bench.watched, []);
    bench.sleep();
    assert_eq!(bench.watched, [spec(2, &[VIP, "192.0.2.101"])]);
    bench.hear(saying(HIGHER, 200));
    assert_eq!(bench.watched, []);
    // The interface comes back under another number.
    let mut bench = Bench::active(config(100));
    bench.fact(KernelFact::LinkGone(index(2)));
    assert_eq!(bench.watched, []);
    bench.link_is(link(9, "eth0"));
    bench.fact(KernelFact::Address(crate::bench::address(9, crate::bench::OWN)));
    bench.sleep();
    assert_eq!(bench.state(), State::Active);
    assert_eq!(bench.watched, [spec(9, &[VIP])]);
}

#[test]
fn arp_004_what_is_watched_changes_with_the_first_and_the_last_that_holds() {
    let one = |name: &str, vrid, address: &str| InstanceConfig {
        name: name.into(),
        vrid: Vrid::new(vrid).unwrap(),
        vips: vec![vip(address)],
        ..config(100)
    };
    let mut bench = Bench::of(vec![one("A", 1, "192.0.2.101"), one("B", 2, "192.0.2.102")]);
    let from = |vrid| Saying { vrid, addresses: vec![], ..saying(HIGHER, 200) };
    assert_eq!(bench.watched, []);
    bench.sleep();
    let both = bench.watched.clone();
    assert_eq!(both[0].addresses, [ip("192.0.2.101"), ip("192.0.2.102")]);
    let mut strong = from(1);
    strong.addresses = vec![ip("192.0.2.101")];
    bench.hear(strong);
    assert_eq!(bench.one("A").state, State::Backup);
    assert_eq!(bench.watched, both, "the other one still holds");
    assert!(bench.feed(arp("192.0.2.101", THEIRS)).is_empty(), "and its own alone is defended");
    let mut strong = from(2);
    strong.addresses = vec![ip("192.0.2.102")];
    bench.hear(strong);
    assert_eq!(bench.watched, []);
}

#[test]
fn arp_007_a_silenced_holder_answers_nobody_until_it_knows_that_it_still_holds() {
    let mut bench = Bench::active(InstanceConfig { lease: true, ..config(100) });
    bench.sleep();
    bench.pass(secs(1));
    // Frozen for longer than its lease, and for too short a time for a peer.
    let mut outs = bench.feed(Input::Wake { drained: false });
    outs.0.extend(bench.feed(arp(VIP, THEIRS)).0);
    assert!(outs.adverts().is_empty() && outs.announced().is_empty(), "{outs:?}");
    assert_eq!(two(&outs), [], "it may be the one that is wrong");
    let outs = bench.feed(Input::Wake { drained: true });
    assert_eq!((outs.spoken(), bench.state()), (vec![100], State::Active));
    assert!(!outs.announced().is_empty());
}

/// Found by the simulator (seed 9574): the first thing it read when it ran again was the ARP of whoever
/// had taken over from it.
#[test]
fn arp_007_one_that_stalled_contradicts_nobody_before_it_has_heard_everything() {
    let mut bench = holder(config(100));
    bench.pass(secs(9));
    let mut outs = bench.feed(arp(VIP, THEIRS));
    outs.0.extend(bench.hear(saying(LOWER, 50)).0);
    assert!(outs.adverts().is_empty());
    assert!(outs.announced().is_empty());
    outs.0.extend(bench.wake().0);
    assert!(outs.adverts().is_empty());
    assert_eq!(bench.state(), State::Backup);
}
