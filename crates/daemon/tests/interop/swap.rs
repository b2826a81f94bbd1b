//! The package is swapped on one node and then on the other, while a client asks all the time: a
//! pair of keepalived becomes a mixed one and then one of ours, and goes back the same way.

use base::Instant;
use linux::clock::monotonic;

use crate::bench::{Bench, LATE, OURS, PATIENCE, PEER, keepalived_here, say};
use crate::keepalived::Keepalived;
use crate::mainstay::Mainstay;
use crate::mode::{Mode, Part, V2, V3_IPV4, V3_IPV6};
use crate::speaker::Speaker;

/// A speaker of either kind on this node.
fn speaker(kind: &str, node: &'static str) -> Box<dyn Speaker> {
    match kind {
        "keepalived" => Box::new(Keepalived::on(node)),
        _ => Box::new(Mainstay::on(node)),
    }
}

/// Stops what runs on a node, and waits for its end.
fn stop(bench: &Bench, speaker: &mut dyn Speaker) -> Instant {
    let begun = monotonic();
    speaker.resign(bench);
    let ended = bench.lab.node(speaker.node()).daemon().map(|daemon| daemon.wait(PATIENCE));
    assert!(ended.flatten().is_some(), "{}", bench.story());
    begun
}

fn swapped_and_back(mode: Mode) {
    if !keepalived_here() {
        return;
    }
    let mut bench = Bench::new(mode, &[OURS, PEER]);
    let (strong, weak) = (Part::new(mode, 150), Part::new(mode, 100));
    let (mut first, mut second) = (speaker("keepalived", "ours"), speaker("keepalived", "peer"));
    first.start(&mut bench, &strong);
    second.start(&mut bench, &weak);
    bench.sole_holder(&*first, &[&*second]);
    bench.served_by("ours");
    for kind in ["mainstay", "keepalived"] {
        // The Backup first: nobody notices.
        let begun = stop(&bench, &mut *second);
        second = speaker(kind, "peer");
        second.start(&mut bench, &weak);
        bench.sole_holder(&*first, &[&*second]);
        assert_eq!(bench.adverts("peer", begun), 0, "{}", bench.story());
        // Then the holder: the other takes over, and gives back.
        let begun = stop(&bench, &mut *first);
        let resigned = bench.resignation("ours", begun).at;
        let taken = bench.advert("peer", resigned).at;
        bench.took_over(&format!("a {kind} takes over"), resigned, taken, mode.skew(100));
        bench.served_by("peer");
        first = speaker(kind, "ours");
        first.start(&mut bench, &strong);
        bench.sole_holder(&*first, &[&*second]);
        bench.served_by("ours");
        for speaker in [&first, &second] {
            assert_eq!(speaker.complaints(&bench), [""; 0]);
        }
    }
    let (outcome, _lab) = bench.outcome();
    let gap = outcome.closed_outage().unwrap();
    say(&format!("the longest outage of two swaps there and back: {gap:.1?}"));
    // keepalived takes its VIPs away before it says that it goes, and is slow about it.
    assert!(gap <= mode.skew(100) + LATE * 2, "{gap:?}");
    assert_eq!(outcome.answered_twice, 0);
}

#[test]
fn a_pair_is_swapped_and_back_v2() {
    swapped_and_back(V2);
}

#[test]
fn a_pair_is_swapped_and_back_v3_ipv4() {
    swapped_and_back(V3_IPV4);
}

#[test]
fn a_pair_is_swapped_and_back_v3_ipv6() {
    swapped_and_back(V3_IPV6);
}
