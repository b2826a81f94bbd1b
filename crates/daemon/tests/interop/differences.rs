//! I10, I14, I15: two nodes that were not told the same. Passwords keep them apart, and that is
//! said aloud; intervals are learned; lists of VIPs are not worth two holders.

use std::thread::sleep;
use std::time::Duration;

use base::{Sight, State, What};
use lab::wait_for;
use linux::clock::monotonic;

use crate::bench::{Bench, OURS, PATIENCE, PEER, keepalived_here};
use crate::heal::alarms;
use crate::keepalived::Keepalived;
use crate::mainstay::Mainstay;
use crate::mode::{Mode, Part, V2, V3_IPV4};
use crate::speaker::Speaker;

fn bench(mode: Mode) -> Option<(Bench, Mainstay, Keepalived)> {
    let bench = keepalived_here().then(|| Bench::new(mode, &[OURS, PEER]))?;
    Some((bench, Mainstay::on("ours"), Keepalived::on("peer")))
}

fn with_password(priority: u8, password: &str) -> Part {
    Part::new(V2, priority)
        .with("authentication {")
        .with("auth_type PASS")
        .with(format!("auth_pass {password}"))
        .with("}")
}

/// Long enough that no frame of another can be a straggler of the take-over.
fn holds_for_a_while(bench: &Bench) {
    bench.advert("ours", monotonic());
    sleep(bench.mode.interval * 2);
}

/// Waits for the alarm, and asserts that it names the peer's MAC and each of these sights.
fn two_holders_are_told(bench: &Bench, us: &Mainstay, sights: &[Sight]) {
    let raised = wait_for(PATIENCE, || !alarms(us, bench).is_empty());
    assert!(raised.is_some(), "{}", bench.story());
    let rival = alarms(us, bench).remove(0);
    assert_eq!(rival.mac, bench.lab.node("peer").mac(), "{}", bench.story());
    assert_eq!(rival.seen, sights, "{}", bench.story());
}

#[test]
fn i10_the_same_password_makes_one_holder() {
    let Some((mut bench, mut us, mut peer)) = bench(V2) else { return };
    us.start(&mut bench, &with_password(150, "1111"));
    peer.start(&mut bench, &with_password(100, "1111"));
    bench.sole_holder(&us, &[&peer]);
    bench.served_by("ours");
    let stop = monotonic();
    us.resign(&bench);
    let resigned = bench.resignation("ours", stop).at;
    let taken = bench.advert("peer", resigned).at;
    bench.took_over("peer takes over when we resign", resigned, taken, V2.skew(100));
    us.start(&mut bench, &with_password(50, "1111"));
    us.wait(&bench, |instance| instance.peer.is_some());
    bench.sole_holder(&peer, &[&us]);
    assert!(us.refused(&bench).is_empty(), "{:?}", us.refused(&bench));
    assert_eq!(peer.complaints(&bench), Vec::<String>::new());
}

#[test]
fn i10_another_password_makes_two_holders_and_is_told() {
    let Some((mut bench, mut us, mut peer)) = bench(V2) else { return };
    us.start(&mut bench, &with_password(150, "1111"));
    holds_for_a_while(&bench);
    peer.start(&mut bench, &with_password(100, "2222"));
    bench.advert("ours", monotonic());
    bench.advert("peer", monotonic());
    // keepalived 2.2.7 puts its own advert off with every packet it refuses: beside a holder of the
    // same interval it claims the VIP once and is mute from then on. One refusal is all there is by
    // VRRP; its gratuitous ARPs show that it holds.
    let alarm = || us.told(&bench, |what| matches!(what, What::Discarded { .. }));
    let raised = wait_for(V2.interval * 6, alarm);
    assert!(raised.is_some(), "{}", bench.story());
    let refused = us.refused(&bench);
    assert!(refused.contains_key("auth-failures"), "{refused:?}");
    assert_eq!(refused.len(), 1, "{refused:?}");
    two_holders_are_told(&bench, &us, &[Sight::Arp]);
    assert_eq!(us.states(&bench), [State::Backup, State::Active], "{}", bench.story());
}

#[test]
fn i14_a_slower_holders_interval_is_learned() {
    let slow = V3_IPV4.every(Duration::from_secs(1));
    let Some((mut bench, mut us, mut peer)) = bench(slow) else { return };
    us.start(&mut bench, &Part::new(V3_IPV4, 50));
    peer.start(&mut bench, &Part::new(slow, 100));
    bench.sole_holder(&peer, &[&us]);
    let instance = us.instance(&bench);
    assert_eq!((instance.interval_ms, instance.active_interval_ms), (200, 1000));
    us.agrees(&bench, &Part::new(slow, 50), State::Backup);
    let theirs = slow.interval;
    assert!(us.told(
        &bench,
        |what| matches!(what, What::IntervalDiffers { theirs: told, .. } if *told == theirs)
    ));
    let death = monotonic();
    peer.kill(&bench);
    let taken = bench.advert("ours", death).at;
    let last = bench.last_advert("peer", taken).at;
    bench.took_over("we take over at the peer's rate", last, taken, slow.active_down(50));
    bench.served_by("ours");
    assert!(us.refused(&bench).is_empty(), "{:?}", us.refused(&bench));
}

#[test]
fn i15_a_holder_of_another_vip_list_is_followed() {
    let Some((mut bench, mut us, mut peer)) = bench(V3_IPV4) else { return };
    peer.start(&mut bench, &Part::new(V3_IPV4, 100).holding(&["193.168.0.6/16", "193.168.0.7/16"]));
    bench.sole_holder(&peer, &[&us]);
    us.start(&mut bench, &Part::new(V3_IPV4, 50));
    us.wait(&bench, |instance| instance.peer.is_some());
    sleep(V3_IPV4.active_down(50) * 2);
    bench.sole_holder(&peer, &[&us]);
    assert!(us.told(&bench, |what| matches!(what, What::VipListDiffers { .. })));
    assert_eq!(us.states(&bench), [State::Backup], "{}", bench.story());
    assert!(us.refused(&bench).is_empty(), "{:?}", us.refused(&bench));
}

#[test]
fn i15_a_peer_that_refuses_our_list_does_not_shake_us() {
    let Some((mut bench, mut us, mut peer)) = bench(V3_IPV4) else { return };
    us.start(&mut bench, &Part::new(V3_IPV4, 150));
    holds_for_a_while(&bench);
    // keepalived before 2.3.3 refuses an advert whose list is not its own, and so claims to hold.
    peer.start(&mut bench, &Part::new(V3_IPV4, 100).holding(&["193.168.0.6/16", "193.168.0.7/16"]));
    bench.advert("ours", monotonic());
    bench.advert("peer", monotonic());
    // One advert, and never another: see above.
    let alarm = || us.told(&bench, |what| matches!(what, What::RivalHeard { .. }));
    let raised = wait_for(V3_IPV4.interval * 10, alarm);
    assert!(raised.is_some(), "{}", bench.story());
    two_holders_are_told(&bench, &us, &[Sight::Advert, Sight::Arp]);
    assert_eq!(us.states(&bench), [State::Backup, State::Active], "{}", bench.story());
    assert!(us.refused(&bench).is_empty(), "{:?}", us.refused(&bench));
}
