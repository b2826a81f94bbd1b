//! Rows of the interop matrix that need more than a pair: three kinds of speakers (I13), long lists
//! (I16), and a stranger who uses the protocol's number for something else (I20).

use std::thread::sleep;
use std::time::Duration;

use base::State;
use lab::Need;
use linux::clock::monotonic;

use crate::bench::{Bench, OURS, PATIENCE, PEER, keepalived_here};
use crate::frr::Frr;
use crate::keepalived::Keepalived;
use crate::mainstay::Mainstay;
use crate::mode::{Mode, Part, V2, V3_IPV4, V3_IPV6};
use crate::speaker::Speaker;

/// Three nodes of three kinds. The strongest holds; they are killed in the order of their
/// priorities, and the next one holds each time, alone.
fn killed_in_order(mode: Mode, priorities: [u8; 3]) {
    let frr = ["/usr/lib/frr/zebra", "/usr/lib/frr/vrrpd", "vtysh", "ip"];
    if !keepalived_here() || !lab::requires(&frr.map(Need::program)) {
        return;
    }
    let mut bench = Bench::new(mode, &[OURS, PEER, ("third", 4)]);
    let mut us = Mainstay::on("ours");
    let mut keepalived = Keepalived::on("peer");
    let mut frr = Frr::on("third");
    let mut speakers: Vec<(u8, &mut dyn Speaker)> =
        vec![(priorities[0], &mut us), (priorities[1], &mut keepalived), (priorities[2], &mut frr)];
    speakers.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
    for (at, (priority, speaker)) in speakers.iter_mut().enumerate() {
        speaker.start(&mut bench, &Part::new(mode, *priority));
        if at == 0 {
            // keepalived and FRR do not announce again after two have claimed a VIP at once.
            bench.sole_holder(&**speaker, &[]);
        }
    }
    let alone = |bench: &Bench, speakers: &[(u8, &mut dyn Speaker)], at: usize| {
        let others: Vec<&dyn Speaker> =
            speakers[at + 1..].iter().map(|(_, speaker)| &**speaker).collect();
        bench.sole_holder(&*speakers[at].1, &others);
        bench.served_by(speakers[at].1.node());
    };
    alone(&bench, &speakers, 0);
    for at in 0..2 {
        let killed = monotonic();
        // Of several processes one would hear of another's death, and resign.
        speakers[at].1.freeze(&bench);
        speakers[at].1.kill(&bench);
        let (priority, next) = (speakers[at + 1].0, speakers[at + 1].1.node());
        let taken = bench.advert(next, killed).at;
        let last = bench.last_advert(speakers[at].1.node(), taken).at;
        let what = format!("{next} follows {}", speakers[at].1.node());
        bench.took_over(&what, last, taken, mode.active_down(priority));
        alone(&bench, &speakers, at + 1);
    }
    let complaints: Vec<String> =
        speakers.iter().flat_map(|(_, speaker)| speaker.complaints(&bench)).collect();
    assert_eq!(complaints, [""; 0]);
}

#[test]
fn i13_three_kinds_we_are_the_strongest() {
    killed_in_order(V3_IPV4, [200, 150, 100]);
}

#[test]
fn i13_three_kinds_we_are_in_the_middle() {
    killed_in_order(V3_IPV4, [150, 200, 100]);
}

#[test]
fn i13_three_kinds_we_are_the_last() {
    killed_in_order(V3_IPV4, [100, 150, 200]);
}

#[test]
fn i13_three_kinds_over_ipv6_we_are_the_strongest() {
    killed_in_order(V3_IPV6, [200, 150, 100]);
}

#[test]
fn i13_three_kinds_over_ipv6_we_are_in_the_middle() {
    killed_in_order(V3_IPV6, [150, 100, 200]);
}

#[test]
fn i13_three_kinds_over_ipv6_we_are_the_last() {
    killed_in_order(V3_IPV6, [100, 150, 200]);
}

/// More VIPs than an old list of 20, and more that are not in the adverts.
fn many(part: Part) -> Part {
    let mut vips = vec!["193.168.0.6/16".to_owned()];
    vips.extend((1..=24).map(|n| format!("193.168.1.{n}/16")));
    let vips: Vec<&str> = vips.iter().map(String::as_str).collect();
    let excluded = (1..=40).map(|n| format!("  193.168.2.{n}/16"));
    let part = part.holding(&vips).with("virtual_ipaddress_excluded {");
    excluded.fold(part, Part::with).with("}")
}

#[test]
fn i16_long_lists_are_followed_and_taken_over() {
    if !keepalived_here() {
        return;
    }
    // keepalived sends no advert while it announces so many.
    let mode = V3_IPV4.every(Duration::from_secs(1));
    let mut bench = Bench::new(mode, &[OURS, PEER]);
    let (mut us, mut peer) = (Mainstay::on("ours"), Keepalived::on("peer"));
    peer.start(&mut bench, &many(Part::new(mode, 100)));
    let held = |node: &str| bench.lab.node(node).foreign_addresses().len();
    assert!(lab::wait_for(PATIENCE, || held("peer") == 65).is_some(), "{}", bench.story());
    bench.sole_holder(&peer, &[&us]);
    us.start(&mut bench, &many(Part::new(mode, 50)));
    us.wait(&bench, |instance| instance.peer.is_some());
    sleep(mode.active_down(50));
    bench.sole_holder(&peer, &[&us]);
    assert_eq!(us.states(&bench), [State::Backup], "{}", bench.story());
    assert!(us.refused(&bench).is_empty(), "{:?}", us.refused(&bench));
    let stop = monotonic();
    peer.resign(&bench);
    let resigned = bench.resignation("peer", stop).at;
    let taken = bench.advert("ours", resigned).at;
    bench.took_over("we take a long list over", resigned, taken, mode.skew(50));
    let held = || bench.lab.node("ours").foreign_addresses().len();
    assert!(lab::wait_for(PATIENCE, || held() == 65).is_some(), "{}", bench.story());
}

/// An advert of ucarp (CARP, which took the number 112 as well) for the VRID of the tests, as
/// captured: the reference's G20.
const UCARP: &str = "01005e00001200005e00003308004510003820c34000ff70b86ec0000201e000001221330007\
                     0001c14718d4b94dbfc44f48c64f2fbab6a84a1897105d12e3dbb46a944f24ca";

fn ucarp() -> Vec<u8> {
    let octet = |at| u8::from_str_radix(&UCARP[at..at + 2], 16).unwrap();
    (0..UCARP.len()).step_by(2).map(octet).collect()
}

#[test]
fn i20_ucarp_on_the_same_vrid_is_ignored_and_counted() {
    if !lab::requires(&[Need::Root]) {
        return;
    }
    for mode in [V2, V3_IPV4] {
        let mut bench = Bench::new(mode, &[OURS]);
        let mut us = Mainstay::on("ours");
        us.start(&mut bench, &Part::new(mode, 100));
        bench.sole_holder(&us, &[]);
        let begun = monotonic();
        let interval = mode.interval / 4;
        for _ in 0..12 {
            bench.lab.inject(&ucarp()).unwrap();
            sleep(interval);
        }
        bench.sole_holder(&us, &[]);
        bench.served_by("ours");
        let gap = bench.advert_gaps("ours", begun).max().unwrap();
        assert!(gap < mode.interval * 2, "{gap:?}\n{}", bench.story());
        let refused = us.refused(&bench);
        assert_eq!(refused.values().sum::<u64>(), 12, "{refused:?}");
        assert_eq!(us.states(&bench), [State::Backup, State::Active], "{}", bench.story());
    }
}
