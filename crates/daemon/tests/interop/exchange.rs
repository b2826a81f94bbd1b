//! The story that every peer goes through with us, in both roles: we hold and resign; we follow; the
//! peer resigns, returns, hangs, wakes up and dies.

use base::State;
use linux::clock::monotonic;

use crate::bench::{Bench, say};
use crate::mainstay::Mainstay;
use crate::mode::Part;
use crate::speaker::Speaker;

/// Our priorities when we are to hold and when we are to follow, and the peer's.
const STRONG: u8 = 150;
const WEAK: u8 = 50;
const PEERS: u8 = 100;

/// Plays the whole story between `ours` and `theirs`, whatever their priorities say, on nodes
/// `ours` and `peer`.
pub(crate) fn hold_then_follow(
    bench: &mut Bench,
    peer: &mut dyn Speaker,
    ours: &Part,
    theirs: &Part,
) {
    let mode = bench.mode;
    let (strong, weak) = (ours.priority(STRONG), ours.priority(WEAK));
    let theirs = theirs.priority(PEERS);

    // We hold, the peer follows.
    let mut us = Mainstay::on("ours");
    peer.start(bench, &theirs);
    us.start(bench, &strong);
    bench.sole_holder(&us, &[peer]);
    bench.served_by("ours");
    us.agrees(bench, &strong, State::Active);
    peer.agrees(bench, &theirs, State::Backup);
    assert!(us.refused(bench).is_empty(), "{:?}", us.refused(bench));

    // We resign and the peer understands.
    let stop = monotonic();
    us.resign(bench);
    let resigned = bench.resignation("ours", stop).at;
    let taken = bench.advert("peer", resigned).at;
    bench.took_over("peer takes over when we resign", resigned, taken, mode.skew(PEERS));
    bench.sole_holder(peer, &[&us]);
    bench.served_by("peer");

    // We come back weaker and follow.
    us.start(bench, &weak);
    us.wait(bench, |instance| instance.peer.is_some());
    bench.sole_holder(peer, &[&us]);
    us.agrees(bench, &weak, State::Backup);
    peer.agrees(bench, &theirs, State::Active);
    let heard = us.instance(bench).peer.unwrap();
    assert_eq!(heard.priority, PEERS);
    assert_eq!(heard.source, source_of_advert(bench));

    // The peer resigns.
    let stop = monotonic();
    peer.resign(bench);
    let resigned = bench.resignation("peer", stop).at;
    let taken = bench.advert("ours", resigned).at;
    bench.took_over("we take over when the peer resigns", resigned, taken, mode.skew(WEAK));
    bench.sole_holder(&us, &[peer]);
    bench.served_by("ours");

    // It returns and is obeyed.
    peer.start(bench, &theirs);
    bench.sole_holder(peer, &[&us]);
    bench.served_by("peer");

    // It hangs: its kernel keeps the VIP, so the client is the judge.
    let hang = monotonic();
    peer.freeze(bench);
    let taken = bench.advert("ours", hang).at;
    let last = bench.last_advert("peer", taken).at;
    bench.took_over("we take over when the peer hangs", last, taken, mode.active_down(WEAK));
    bench.served_by("ours");

    // It wakes up, and there is one holder again.
    let wake = monotonic();
    peer.thaw(bench);
    bench.sole_holder(peer, &[&us]);
    let back = bench.advert("peer", wake).at.since(wake);
    say(&format!("the peer wakes up and speaks {back:.1?} later"));

    // It dies.
    let death = monotonic();
    peer.kill(bench);
    let taken = bench.advert("ours", death).at;
    let last = bench.last_advert("peer", taken).at;
    bench.took_over("we take over when the peer dies", last, taken, mode.active_down(WEAK));
    bench.served_by("ours");

    let (backup, active) = (State::Backup, State::Active);
    assert_eq!(us.states(bench), [backup, active, backup, active, backup, active]);
    assert!(us.refused(bench).is_empty(), "{:?}", us.refused(bench));
    assert_eq!(peer.complaints(bench), Vec::<String>::new());
    assert_eq!(us.complaints(bench), Vec::<String>::new());
}

fn source_of_advert(bench: &Bench) -> std::net::IpAddr {
    match bench.last_advert("peer", monotonic()).seen {
        lab::Seen::Advert { source, .. } => source,
        other => panic!("not an advert: {other:?}"),
    }
}
