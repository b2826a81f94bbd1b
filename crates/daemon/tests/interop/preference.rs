//! I12: who wins when priorities do not decide, and when they decide but may not or not yet. Against
//! keepalived, in both roles; the loser gives way once and nobody flaps.

use std::thread::sleep;
use std::time::Duration;

use base::{State, What};
use linux::clock::monotonic;

use crate::bench::{Bench, EARLY, LATE, OURS, PATIENCE, PEER, keepalived_here, say};
use crate::keepalived::Keepalived;
use crate::mainstay::Mainstay;
use crate::mode::{Part, V3_IPV4};
use crate::speaker::Speaker;

const BACKUP: State = State::Backup;
const ACTIVE: State = State::Active;

fn bench(octet: u8) -> Option<(Bench, Mainstay, Keepalived)> {
    let bench = keepalived_here().then(|| Bench::new(V3_IPV4, &[("ours", octet), PEER]))?;
    Some((bench, Mainstay::on("ours"), Keepalived::on("peer")))
}

fn part(priority: u8) -> Part {
    Part::new(V3_IPV4, priority)
}

/// The peer holds with our priority, hangs and wakes up: for a moment both are Active.
fn both_active(bench: &mut Bench, us: &mut Mainstay, peer: &mut Keepalived) {
    peer.start(bench, &part(100));
    bench.sole_holder(peer, &[us]);
    us.start(bench, &part(100));
    us.wait(bench, |instance| instance.peer.is_some());
    // An equal that holds is left alone by a Backup, whatever the addresses (RFC 9568 §6.4.2).
    sleep(V3_IPV4.active_down(100));
    bench.sole_holder(peer, &[us]);
    peer.freeze(bench);
    bench.advert("ours", monotonic());
    bench.served_by("ours");
    peer.thaw(bench);
}

#[test]
fn i12_equal_priority_and_the_higher_address_is_ours() {
    let Some((mut bench, mut us, mut peer)) = bench(9) else { return };
    both_active(&mut bench, &mut us, &mut peer);
    bench.sole_holder(&us, &[&peer]);
    bench.served_by("ours");
    assert_eq!(us.states(&bench), [BACKUP, ACTIVE], "{}", bench.story());
}

#[test]
fn i12_equal_priority_and_the_higher_address_is_the_peers() {
    let Some((mut bench, mut us, mut peer)) = bench(2) else { return };
    both_active(&mut bench, &mut us, &mut peer);
    bench.sole_holder(&peer, &[&us]);
    assert_eq!(us.states(&bench), [BACKUP, ACTIVE, BACKUP], "{}", bench.story());
}

#[test]
fn i12_equal_priority_and_both_start_at_once() {
    let Some((mut bench, mut us, mut peer)) = bench(9) else { return };
    let begin = monotonic();
    us.start(&mut bench, &part(100));
    peer.start(&mut bench, &part(100));
    let spoke = || bench.adverts("ours", begin) + bench.adverts("peer", begin) > 0;
    assert!(lab::wait_for(PATIENCE, spoke).is_some(), "{}", bench.story());
    sleep(V3_IPV4.interval * 3);
    // Ours is the higher address, so unless the peer was faster we hold and it follows.
    if us.holds(&bench) {
        bench.sole_holder(&us, &[&peer]);
    } else {
        bench.sole_holder(&peer, &[&us]);
    }
}

#[test]
fn i12_nopreempt_leaves_a_weaker_holder_alone_until_it_goes() {
    let Some((mut bench, mut us, mut peer)) = bench(OURS.1) else { return };
    peer.start(&mut bench, &part(100));
    bench.sole_holder(&peer, &[&us]);
    us.start(&mut bench, &part(150).with("nopreempt"));
    us.wait(&bench, |instance| instance.peer.is_some());
    sleep(V3_IPV4.active_down(150) * 2);
    bench.sole_holder(&peer, &[&us]);
    let stop = monotonic();
    peer.resign(&bench);
    let resigned = bench.resignation("peer", stop).at;
    let taken = bench.advert("ours", resigned).at;
    bench.took_over("we take over when it resigns", resigned, taken, V3_IPV4.skew(150));

    // The other way round: the peer comes back stronger, and leaves us alone.
    peer.start(&mut bench, &part(200).with("nopreempt"));
    sleep(V3_IPV4.active_down(200) * 3);
    bench.sole_holder(&us, &[&peer]);
    assert_eq!(us.states(&bench), [BACKUP, ACTIVE], "{}", bench.story());
}

#[test]
fn i12_preempt_delay_gives_a_weaker_holder_that_time() {
    let Some((mut bench, mut us, mut peer)) = bench(OURS.1) else { return };
    peer.start(&mut bench, &part(100));
    bench.sole_holder(&peer, &[&us]);
    us.start(&mut bench, &part(150).with("preempt_delay 2"));
    us.wait(&bench, |instance| instance.peer.is_some());
    let taken = bench.advert("ours", monotonic()).at;
    let heard = us.events(&bench).into_iter().map(|record| record.event);
    let heard = heard.into_iter().find(|event| matches!(event.what, What::PeerHeard { .. }));
    let took = taken.since(heard.unwrap().at);
    // The delay, then Active_Down_Interval since the last advert that was still respected.
    let latest = Duration::from_secs(2) + V3_IPV4.active_down(150);
    say(&format!("we preempt {took:.1?} after first hearing it, at most {latest:.1?}"));
    assert!(took + EARLY >= latest - V3_IPV4.interval && took <= latest + LATE, "{took:?}");
    bench.sole_holder(&us, &[&peer]);
    bench.served_by("ours");
    assert_eq!(us.states(&bench), [BACKUP, ACTIVE], "{}", bench.story());
}

#[test]
fn i12_an_owner_holds_at_once_and_is_obeyed() {
    let Some((mut bench, mut us, mut peer)) = bench(OURS.1) else { return };
    peer.start(&mut bench, &part(254));
    bench.sole_holder(&peer, &[&us]);
    us.start(&mut bench, &part(100).owner());
    bench.sole_holder(&us, &[&peer]);
    bench.served_by("ours");
    assert_eq!(us.states(&bench), [ACTIVE], "{}", bench.story());
    assert!(us.refused(&bench).is_empty(), "{:?}", us.refused(&bench));
}

#[test]
fn i12_we_obey_an_owner() {
    let Some((mut bench, mut us, mut peer)) = bench(OURS.1) else { return };
    us.start(&mut bench, &part(254));
    bench.sole_holder(&us, &[&peer]);
    peer.start(&mut bench, &part(100).owner());
    bench.sole_holder(&peer, &[&us]);
    bench.served_by("peer");
    assert_eq!(us.states(&bench), [BACKUP, ACTIVE, BACKUP], "{}", bench.story());
    let stop = monotonic();
    peer.resign(&bench);
    let resigned = bench.resignation("peer", stop).at;
    let taken = bench.advert("ours", resigned).at;
    bench.took_over("we take over when it resigns", resigned, taken, V3_IPV4.skew(254));
    bench.sole_holder(&us, &[&peer]);
}
