//! Failure detection: when a peer counts as lost, and when it must not.

use core::time::Duration;

use base::Instant;
use cluster::Life;
use cluster::liveness::{Config, Heartbeat, Input, Liveness, Output, Peer};
use cluster::operation::Verdict;
use proptest::prelude::*;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const START: Instant = Instant::from_nanos(10_000_000_000);

struct Watch {
    it: Liveness,
    now: Instant,
    sequence: u64,
    verdicts: Vec<(u64, Life, Verdict)>,
    sent: usize,
}

impl Watch {
    fn new(links: u8) -> Self {
        let mut it = Self {
            it: Liveness::new("a".into(), Life(1), Config::default()),
            now: START,
            sequence: 0,
            verdicts: Vec::new(),
            sent: 0,
        };
        it.tell(Input::Peers(vec![Peer {
            node: "b".into(),
            links,
            alive: true,
            life: Life(7),
            since: 0,
        }]));
        it.tell(Input::Leading(true));
        it
    }

    fn tell(&mut self, input: Input) {
        self.it.handle(self.now, input);
        while let Some(output) = self.it.poll_output() {
            match output {
                Output::Send { .. } => self.sent += 1,
                Output::Propose { life, verdict, .. } => {
                    let at = self.now.since(START).as_millis();
                    self.verdicts.push((u64::try_from(at).expect("short"), life, verdict));
                }
            }
        }
    }

    /// Lets time pass as a driver does: it wakes when asked to.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.it.poll_timeout().filter(|at| *at <= end) {
            assert!(at > self.now, "it asks to be woken without end");
            self.now = at;
            self.tell(Input::Tick);
        }
        self.now = end;
        self.tell(Input::Tick);
    }

    fn hear(&mut self, link: u8, life: u64) {
        self.sequence += 1;
        let (life, sequence) = (Life(life), self.sequence);
        self.tell(Input::Heard(link, Heartbeat { from: "b".into(), life, sequence, knows: 0 }));
    }
}

#[test]
fn a_crash_is_proposed_once_within_the_bound_and_again_if_nothing_comes_of_it() {
    let mut it = Watch::new(1);
    for _ in 0..100 {
        it.pass(ms(50));
        it.hear(0, 7);
    }
    let bound = it.it.status(it.now).peers[0].links[0].bound;
    assert_eq!(bound, ms(300), "a steady peer is judged by the floor");
    it.pass(ms(299));
    assert_eq!(it.verdicts, []);
    it.pass(ms(500));
    assert_eq!(it.verdicts, [(5300, Life(7), Verdict::Lost)]);
    it.pass(ms(800));
    assert_eq!(it.verdicts.len(), 2, "{:?}", it.verdicts);
}

#[test]
fn one_link_of_two_is_enough_to_be_heard() {
    let mut it = Watch::new(2);
    for _ in 0..60 {
        it.pass(ms(50));
        it.hear(1, 7);
    }
    assert_eq!(it.verdicts, []);
    let status = it.it.status(it.now);
    assert_eq!(status.peers[0].links[0].silence, None);
    assert_eq!(status.peers[0].links[1].heard, 60);
    it.pass(ms(400));
    assert_eq!(it.verdicts.len(), 1);
}

#[test]
fn a_peer_that_is_often_late_is_given_more_time_and_its_margin_is_shown() {
    let mut it = Watch::new(1);
    for round in 0..80 {
        it.pass(ms(if round % 4 == 0 { 280 } else { 20 }));
        it.hear(0, 7);
    }
    let status = it.it.status(it.now);
    let link = status.peers[0].links[0];
    assert!(link.bound > ms(300) && link.bound <= ms(800), "{link:?}");
    assert_eq!(link.longest, ms(280));
    assert_eq!(it.verdicts, []);
}

#[test]
fn who_stood_still_does_not_judge_others_by_it() {
    let mut it = Watch::new(1);
    for _ in 0..10 {
        it.pass(ms(50));
        it.hear(0, 7);
    }
    it.now = it.now + Duration::from_secs(30);
    it.tell(Input::Tick);
    assert_eq!(it.verdicts, []);
    assert_eq!(it.it.status(it.now).stalls, 1);
    it.pass(ms(310));
    assert_eq!(it.verdicts.len(), 1, "but silence after it counts");
}

#[test]
fn only_the_leader_proposes_and_a_new_one_begins_anew() {
    let mut it = Watch::new(1);
    it.tell(Input::Leading(false));
    it.pass(ms(5000));
    assert_eq!(it.verdicts, []);
    it.tell(Input::Leading(true));
    it.pass(ms(290));
    assert_eq!(it.verdicts, []);
    it.pass(ms(20));
    assert_eq!(it.verdicts.len(), 1);
}

#[test]
fn another_life_is_alive_and_an_old_heartbeat_says_nothing() {
    let mut it = Watch::new(1);
    it.hear(0, 7);
    it.sequence = 0;
    it.hear(0, 7);
    assert_eq!(it.it.status(it.now).discards.old, 1);
    it.hear(0, 8);
    assert_eq!(it.verdicts, [(0, Life(8), Verdict::Alive)]);
    let stranger = Heartbeat { from: "x".into(), life: Life(1), sequence: 1, knows: 0 };
    it.tell(Input::Heard(0, stranger));
    it.hear(9, 8);
    let discards = it.it.status(it.now).discards;
    assert_eq!((discards.stranger, discards.no_link), (1, 1));
}

#[test]
fn a_lost_peer_that_is_heard_again_is_proposed_alive() {
    let mut it = Watch::new(1);
    let peer = |alive| Peer { node: "b".into(), links: 1, alive, life: Life(7), since: 0 };
    it.pass(ms(400));
    it.tell(Input::Peers(vec![peer(false)]));
    it.hear(0, 7);
    assert_eq!(it.verdicts.last().map(|it| it.2), Some(Verdict::Alive));
    it.tell(Input::Peers(vec![peer(true)]));
    let before = it.verdicts.len();
    it.pass(ms(100));
    assert_eq!(it.verdicts.len(), before);
    assert!(it.sent > 5);
}

#[test]
fn a_leader_says_itself_that_it_takes_part() {
    let own =
        |alive, life, since| Peer { node: "a".into(), links: 1, alive, life: Life(life), since };
    let mut it = Watch::new(1);
    it.tell(Input::Leading(false));
    it.tell(Input::Peers(vec![own(false, 0, 0)]));
    it.pass(ms(2000));
    assert_eq!(it.verdicts, [], "whoever does not lead leaves it to the leader");
    it.tell(Input::Leading(true));
    let told = |it: &Watch| it.verdicts.iter().map(|it| (it.1, it.2)).collect::<Vec<_>>();
    assert_eq!(told(&it), [(Life(1), Verdict::Alive)]);
    it.tell(Input::Peers(vec![own(true, 1, 3)]));
    it.pass(ms(2000));
    assert_eq!(it.verdicts.len(), 1, "it is known");
    // Found lost in this life: it is back when it obeys that, and not before.
    it.tell(Input::Peers(vec![own(false, 1, 9)]));
    it.pass(ms(2000));
    assert_eq!(it.verdicts.len(), 1);
    it.tell(Input::Knows(9));
    assert_eq!(it.verdicts.len(), 2);
    // A life before this one is over in any case.
    it.tell(Input::Peers(vec![own(true, 5, 20)]));
    assert_eq!(it.verdicts.len(), 3);
}

proptest! {
    /// Whoever is heard at least every 250 ms is never proposed lost, and whoever falls silent is
    /// proposed within the ceiling, whatever came before.
    #[test]
    fn sound_and_complete(gaps in prop::collection::vec(1..250_u64, 1..60)) {
        let mut it = Watch::new(1);
        for gap in gaps {
            it.pass(ms(gap));
            it.hear(0, 7);
        }
        prop_assert_eq!(&it.verdicts, &[]);
        let silent_from = u64::try_from(it.now.since(START).as_millis()).expect("short");
        it.pass(ms(800));
        let (at, life, verdict) = it.verdicts[0];
        prop_assert_eq!((life, verdict), (Life(7), Verdict::Lost));
        prop_assert!(at >= silent_from + 300 && at <= silent_from + 800, "{at} after {silent_from}");
    }
}
