//! Planned moves (decision 0019): a client's outage when its holder stops in good order or is
//! switched over, at one advert a second, and what a keepalived beside them sees.

use std::thread::sleep;
use std::time::Duration;

use base::{State, What};
use lab::{CommandLine, wait_for};
use linux::clock::monotonic;
use ui::protocol::InstanceReport;

use crate::bench::{Bench, OURS, PATIENCE, PEER, keepalived_here};
use crate::keepalived::Keepalived;
use crate::mainstay::{BINARY, Mainstay};
use crate::mode::{Mode, Part, V3_IPV4, V3_IPV6};
use crate::pairs::plain_pair;
use crate::speaker::Speaker;

/// What a planned move may cost: 10 ms is the promise, the rest is for a machine that runs other
/// tests at the same time. Skew_Time would be 600 ms.
const OUTAGE: Duration = Duration::from_millis(10 + 150);

const SLOW: Duration = Duration::from_secs(1);

fn pair(mode: Mode) -> Option<(Bench, Mainstay, Mainstay)> {
    let mode = Mode { interval: SLOW, ..mode };
    let (bench, us, peer) = plain_pair(mode)?;
    us.wait(&bench, |instance| !instance.ready.is_empty());
    bench.served_by("ours");
    Some((bench, us, peer))
}

/// Waits until `node` advertises, and says how long that took.
fn follows(bench: &Bench, node: &str, since: base::Instant) -> Duration {
    let taken = bench.advert(node, since).at.since(since);
    println!("{node} follows after {taken:?}");
    assert!(taken < OUTAGE, "{taken:?}\n{}", bench.story());
    bench.served_by(node);
    taken
}

fn order(bench: &Bench, line: &str) -> Option<String> {
    let line = format!("{BINARY} {line} --control {{control}}");
    bench.lab.node("ours").output(&CommandLine::parse(&line), PATIENCE).unwrap()
}

#[test]
fn a_holder_that_stops_is_followed_without_skew_time() {
    for mode in [V3_IPV4, V3_IPV6] {
        let Some((bench, mut us, peer)) = pair(mode) else { return };
        let stopped = monotonic();
        us.resign(&bench);
        follows(&bench, "peer", stopped);
        assert!(peer.told(&bench, |what| matches!(what, What::Nominated { .. })));
        let (outcome, lab) = bench.outcome();
        let gap = outcome.closed_outage().unwrap();
        println!("the client was without an answer for {gap:?}");
        assert!(gap < OUTAGE, "{gap:?}");
        drop((lab, us, peer));
    }
}

#[test]
fn a_switch_over_sticks_until_it_is_ended() {
    let Some((bench, us, peer)) = pair(V3_IPV4) else { return };
    assert_eq!(order(&bench, "switchover VI_9"), None, "there is no such instance");
    let begun = monotonic();
    let said = order(&bench, "switchover VI_1").expect("it is begun");
    assert!(said.contains("193.168.0.3"), "{said}");
    follows(&bench, "peer", begun);
    assert_eq!(order(&bench, "switchover VI_1"), None, "it does not hold any more");
    let back = |instance: &InstanceReport| {
        instance.state == State::Backup && instance.stays_back.is_some()
    };
    us.wait(&bench, back);
    sleep(SLOW * 5);
    assert!(peer.holds(&bench) && !us.holds(&bench), "{}", bench.story());
    order(&bench, "switchover VI_1 --end").expect("it is ended");
    let again = wait_for(PATIENCE, || us.holds(&bench) && !peer.holds(&bench));
    assert!(again.is_some(), "{}", bench.story());
}

#[test]
fn keepalived_sees_an_ordinary_resignation() {
    if !keepalived_here() {
        return;
    }
    let mode = Mode { interval: SLOW, ..V3_IPV4 };
    let mut bench = Bench::new(mode, &[OURS, PEER]);
    let (mut us, mut peer) = (Mainstay::on("ours"), Keepalived::on("peer"));
    us.start(&mut bench, &Part::new(mode, 150));
    peer.start(&mut bench, &Part::new(mode, 100));
    bench.sole_holder(&us, &[&peer]);
    // Nobody of ours is there to be named; it says nothing about what it does not know.
    assert_eq!(order(&bench, "switchover VI_1"), None);
    assert!(us.holds(&bench));
    let stopped = monotonic();
    us.resign(&bench);
    let resigned = bench.resignation("ours", stopped);
    let taken = bench.advert("peer", stopped).at;
    bench.took_over("a stop beside keepalived", resigned.at, taken, mode.skew(100));
    assert_eq!(peer.complaints(&bench), [""; 0]);
}
