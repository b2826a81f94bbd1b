//! What is learned from the holder, and told about it: its interval, its list, its checksum.

use base::What;
use vrrp::wire::{ChecksumForm, ChecksumRule};
use vrrp::{Checksum, Input, InstanceConfig};

use crate::bench::{
    Bench, HIGHER, LOWER, VIP, centis, config, ip, millis, nanos, saying, secs, vip,
};

const DOWN: u64 = 3_609_375_000;

#[test]
fn vrrp_034_another_interval_is_learned_and_told_once() {
    let mut bench = Bench::new(config(100));
    let mut slow = saying(HIGHER, 200);
    slow.interval = centis(250);
    let told = What::IntervalDiffers { source: ip(HIGHER), theirs: millis(2500), ours: secs(1) };
    assert!(bench.hear(slow.clone()).has(&told));
    assert_eq!(bench.only().active_interval, millis(2500));
    for _ in 0..10 {
        assert!(bench.hear(slow.clone()).is_empty());
    }
    // Another one is told again; the same as ours is not worth a word.
    slow.interval = centis(50);
    assert!(!bench.hear(slow.clone()).is_empty());
    slow.interval = centis(100);
    assert!(bench.hear(slow).is_empty());
    assert_eq!(bench.left(), Some(nanos(DOWN)));
}

#[test]
fn vrrp_035_another_list_is_processed_and_told_once() {
    let mut bench = Bench::new(config(100));
    bench.pass(secs(3));
    let mut other = saying(HIGHER, 200);
    other.addresses = vec![ip("192.0.2.200"), ip(VIP)];
    assert!(bench.hear(other.clone()).has(&What::VipListDiffers { source: ip(HIGHER) }));
    assert_eq!(bench.left(), Some(nanos(DOWN)), "it counts like any other");
    assert!(bench.hear(other.clone()).is_empty());
    other.addresses = vec![ip("192.0.2.200")];
    assert!(bench.hear(other).has(&What::VipListDiffers { source: ip(HIGHER) }));
}

#[test]
fn vrrp_035_the_order_of_a_list_means_nothing() {
    let two = InstanceConfig { vips: vec![vip(VIP), vip("192.0.2.101")], ..config(100) };
    let mut bench = Bench::new(two);
    let mut turned = saying(HIGHER, 200);
    turned.addresses = vec![ip("192.0.2.101"), ip(VIP)];
    let outs = bench.hear(turned);
    assert!(!outs.has(&What::VipListDiffers { source: ip(HIGHER) }), "{outs:?}");
    let mut twice = saying(HIGHER, 200);
    twice.addresses = vec![ip(VIP), ip(VIP)];
    assert!(bench.hear(twice).has(&What::VipListDiffers { source: ip(HIGHER) }));
}

#[test]
fn vrrp_035_vrrp_086_an_active_node_yields_to_another_list_too() {
    let mut bench = Bench::active(config(100));
    let mut other = saying(HIGHER, 200);
    other.addresses = vec![ip("192.0.2.200")];
    let outs = bench.hear(other);
    assert_eq!(outs.changes().len(), 1, "or a spelling mistake would make two holders");
    assert!(outs.has(&What::VipListDiffers { source: ip(HIGHER) }));
}

#[test]
fn vrrp_029_the_holder_s_form_of_checksum_is_learned_and_spoken() {
    for form in [ChecksumForm::Rfc5798, ChecksumForm::Rfc9568] {
        let mut bench = Bench::new(config(100));
        let mut holder = saying(HIGHER, 200);
        holder.form = form;
        bench.hear(holder);
        assert_eq!(bench.sleep().advert().form, form);
    }
    // Nobody heard: what keepalived and FRR understand.
    assert_eq!(Bench::new(config(100)).sleep().advert().form, ChecksumForm::Rfc5798);
    // Said so: as said.
    let said = Checksum { send: Some(ChecksumForm::Rfc9568), accept: ChecksumRule::Either };
    let mut bench = Bench::new(InstanceConfig { checksum: said, ..config(100) });
    bench.hear(saying(HIGHER, 200));
    assert_eq!(bench.sleep().advert().form, ChecksumForm::Rfc9568);
}

#[test]
fn vrrp_073_own_interval_counts_at_startup_and_while_active_only() {
    let mut bench = Bench::new(InstanceConfig { interval: centis(50), ..config(100) });
    assert_eq!(bench.only().active_interval, millis(500));
    bench.hear(saying(HIGHER, 200));
    assert_eq!(bench.only().active_interval, secs(1));
    bench.sleep();
    assert_eq!(bench.only().active_interval, millis(500), "now it is the one that speaks");
    bench.kernel();
    bench.hear(saying(HIGHER, 200));
    assert_eq!(bench.only().active_interval, secs(1));
    // A new start knows nothing of the old holder.
    bench.link_down();
    bench.kernel();
    bench.link_up();
    assert_eq!(bench.only().active_interval, millis(500));
}

#[test]
fn vrrp_073_vrrp_066_a_reload_does_not_make_the_holder_speak_faster() {
    // The holder speaks every second. Our own interval becomes 0.1 s: if the down interval became
    // 0.36 s with it, we would take over from a living holder.
    let mut bench = Bench::new(config(100));
    bench.hear(saying(HIGHER, 200));
    bench.hear(saying(HIGHER, 200));
    bench.pass(millis(900));
    let faster = InstanceConfig { interval: centis(10), ..config(100) };
    let outs = bench.feed(Input::Configure(vec![faster]));
    assert!(outs.is_quiet());
    assert_eq!(bench.only().active_interval, secs(1));
    assert_eq!(bench.left(), Some(nanos(DOWN) - millis(900)));
}

#[test]
fn vrrp_073_vrrp_066_while_nobody_was_heard_a_new_own_interval_counts() {
    let mut bench = Bench::new(config(100));
    let slower = InstanceConfig { interval: centis(200), ..config(100) };
    bench.feed(Input::Configure(vec![slower]));
    assert_eq!(bench.left(), Some(nanos(2 * DOWN)));
}

#[test]
fn vrrp_074_nothing_is_learned_from_an_advert_that_is_let_go_by() {
    let mut bench = Bench::new(config(100));
    let mut weaker = saying(HIGHER, 50);
    weaker.interval = centis(400);
    weaker.form = ChecksumForm::Rfc9568;
    bench.hear(weaker);
    assert_eq!((bench.only().active_interval, bench.left()), (secs(1), Some(nanos(DOWN))));
    assert_eq!(bench.sleep().advert().form, ChecksumForm::Rfc5798);
}

#[test]
fn vrrp_074_an_active_node_learns_from_nobody_it_contests() {
    let mut bench = Bench::active(config(100));
    let mut weaker = saying(LOWER, 100);
    weaker.interval = centis(5);
    bench.hear(weaker);
    assert_eq!(bench.only().active_interval, secs(1));
    assert_eq!(bench.only().peer, None);
}

#[test]
fn vrrp_075_the_learned_interval_is_capped() {
    let mut bench = Bench::new(config(100));
    let mut forged = saying(HIGHER, 254);
    forged.interval = centis(4095);
    let outs = bench.hear(forged.clone());
    let told = What::IntervalDiffers { source: ip(HIGHER), theirs: millis(40_950), ours: secs(1) };
    assert!(outs.has(&told));
    // Heard once it is only a claim.
    let capped = |cap| What::IntervalCapped { source: ip(HIGHER), theirs: millis(40_950), cap };
    assert!(outs.has(&capped(secs(3))));
    assert_eq!(bench.only().active_interval, secs(3));
    assert_eq!(bench.left(), Some(nanos(3 * DOWN)), "10.8 s and not 148 s");
    // Heard again it is at least there.
    let outs = bench.hear(forged.clone());
    assert!(outs.has(&capped(secs(10))));
    assert_eq!(bench.only().active_interval, secs(10));
    assert_eq!(bench.left(), Some(nanos(10 * DOWN)), "36 s and not 148 s");
    assert!(bench.hear(forged.clone()).is_empty(), "told once");

    let trusting = InstanceConfig { learned_interval_cap: 50, ..config(100) };
    let mut bench = Bench::new(trusting);
    bench.hear(forged.clone());
    bench.hear(forged);
    assert_eq!(bench.only().active_interval, millis(40_950));
}

#[test]
fn vrrp_075_one_forged_advert_leaves_nobody_holding_for_at_most_10_8_s() {
    let mut forged = saying(HIGHER, 254);
    forged.interval = centis(4095);
    let mut bench = Bench::active(config(100));
    // As often as it is tried, if we have held in between.
    for _ in 0..3 {
        let outs = bench.hear(forged.clone());
        assert_eq!(outs.changes().len(), 1);
        assert_eq!(bench.left(), Some(nanos(3 * DOWN)));
        bench.kernel();
        assert_eq!(bench.sleep().changes().len(), 1, "we hold again");
        bench.kernel();
    }
    // While the true holder speaks, a forger changes nothing for long.
    let mut bench = Bench::new(config(100));
    bench.hear(saying(LOWER, 200));
    bench.hear(saying(LOWER, 200));
    bench.hear(forged);
    bench.hear(saying(LOWER, 200));
    assert_eq!(bench.left(), Some(nanos(DOWN)));
}

#[test]
fn vrrp_075_the_cap_follows_our_own_interval() {
    let mut bench = Bench::new(config(100));
    let mut slow = saying(HIGHER, 200);
    slow.interval = centis(800);
    bench.hear(slow.clone());
    assert!(bench.left() > Some(secs(8)), "its next advert is awaited");
    bench.hear(slow);
    assert_eq!(bench.only().active_interval, secs(8));
    let faster = InstanceConfig { interval: centis(10), ..config(100) };
    bench.feed(Input::Configure(vec![faster]));
    assert_eq!(bench.only().active_interval, secs(1));
}

#[test]
fn vrrp_075_a_weaker_peer_does_not_vouch_for_a_strangers_interval() {
    let mut bench = Bench::new(config(100));
    // A forged advert, once; then somebody weaker, who is really there, again and again.
    bench.hear(crate::bench::Saying { interval: centis(4095), ..saying(HIGHER, 254) });
    let left = bench.left().unwrap();
    for _ in 0..3 {
        bench.pass(millis(10));
        bench.hear(saying(LOWER, 50));
    }
    assert_eq!(bench.left().unwrap() + millis(30), left, "believed as little as before");
}
