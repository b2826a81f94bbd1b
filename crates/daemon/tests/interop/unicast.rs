//! I11: adverts from node to node instead of to a group. The list of peers says who may speak, and
//! from how far away.

use std::thread::sleep;

use base::State;
use linux::clock::monotonic;

use crate::bench::{Bench, OURS, PEER, keepalived_here};
use crate::exchange::hold_then_follow;
use crate::keepalived::Keepalived;
use crate::mainstay::Mainstay;
use crate::mode::{Mode, Part, V2, V3_IPV4, V3_IPV6};
use crate::speaker::Speaker;

/// The part of the node with last octet `own`, whose one peer has the last octet `other` and may
/// have adverts come in with these TTLs.
fn part(mode: Mode, own: u8, other: u8, ttl: &str) -> Part {
    Part::new(mode, 100)
        .with(format!("unicast_src_ip {}", mode.unicast(own)))
        .with("unicast_peer {")
        .with(format!("{} {ttl}", mode.unicast(other)))
        .with("}")
}

/// `ttl` is what arrives from keepalived: over IPv6 it knows only the kernel's default.
fn with_keepalived(mode: Mode, ttl: &str) {
    if !keepalived_here() {
        return;
    }
    let mut bench = Bench::new(mode, &[OURS, PEER]);
    let ours = part(mode, OURS.1, PEER.1, ttl);
    let theirs = part(mode, PEER.1, OURS.1, "min_ttl 255 max_ttl 255");
    hold_then_follow(&mut bench, &mut Keepalived::on("peer"), &ours, &theirs);
}

#[test]
fn i11_unicast_v2_we_hold_then_follow() {
    with_keepalived(V2, "min_ttl 255 max_ttl 255");
}

#[test]
fn i11_unicast_v3_ipv4_we_hold_then_follow() {
    with_keepalived(V3_IPV4, "min_ttl 255 max_ttl 255");
}

#[test]
fn i11_unicast_v3_ipv6_we_hold_then_follow() {
    with_keepalived(V3_IPV6, "min_ttl 64 max_ttl 64");
}

#[test]
fn i11_a_foreign_source_is_ignored_and_counted() {
    if !keepalived_here() {
        return;
    }
    let mode = V3_IPV4;
    let mut bench = Bench::new(mode, &[OURS, PEER, ("other", 4)]);
    // A stronger node that has us on its list, and is not on ours. Another VIP, so that the client
    // tells the truth about ours.
    let foreign = part(mode, 4, OURS.1, "").priority(200).holding(&["193.168.0.7/16"]);
    let mut other = Keepalived::on("other");
    other.start(&mut bench, &foreign);
    let begun = bench.advert("other", monotonic()).at;

    // It keeps us from nothing, as Backup and as Active.
    let (mut us, mut peer) = (Mainstay::on("ours"), Keepalived::on("peer"));
    us.start(&mut bench, &part(mode, OURS.1, PEER.1, "").priority(150));
    peer.start(&mut bench, &part(mode, PEER.1, OURS.1, "").priority(100));
    bench.sole_holder(&us, &[&peer]);
    bench.served_by("ours");
    sleep(mode.interval * 5);
    let refused = us.refused(&bench);
    let sent = u64::try_from(bench.adverts("other", begun)).unwrap();
    let counted = refused.get("source-errors").copied().unwrap_or_default();
    assert!(counted >= 10 && counted <= sent, "{refused:?} of {sent}");
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(us.states(&bench), [State::Backup, State::Active], "{}", bench.story());
}

#[test]
fn i11_adverts_from_too_far_away_are_refused_and_counted() {
    if !keepalived_here() {
        return;
    }
    let mode = V3_IPV4;
    let mut bench = Bench::new(mode, &[OURS, PEER]);
    let (mut us, mut peer) = (Mainstay::on("ours"), Keepalived::on("peer"));
    let far = part(mode, PEER.1, OURS.1, "").priority(200).with("unicast_ttl 64");
    peer.start(&mut bench, &far);
    bench.sole_holder(&peer, &[&us]);

    // As if two routers further than we allow: we do not hear it and take over.
    us.start(&mut bench, &part(mode, OURS.1, PEER.1, "min_ttl 65").priority(100));
    bench.advert("ours", monotonic());
    sleep(mode.interval * 5);
    let refused = us.refused(&bench);
    assert!(refused.get("ip-ttl-errors").is_some_and(|count| *count >= 5), "{refused:?}");
    assert_eq!(refused.len(), 1, "{refused:?}");
    us.resign(&bench);

    // Within what we allow, it is obeyed.
    us.start(&mut bench, &part(mode, OURS.1, PEER.1, "min_ttl 64 max_ttl 64").priority(100));
    us.wait(&bench, |instance| instance.peer.is_some());
    bench.sole_holder(&peer, &[&us]);
    assert_eq!(us.states(&bench), [State::Backup], "{}", bench.story());
    assert!(us.refused(&bench).is_empty(), "{:?}", us.refused(&bench));
}
