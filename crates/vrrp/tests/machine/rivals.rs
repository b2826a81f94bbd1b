//! Two holders at once: the alarm, the answer, and telling the neighbours again, none of which a
//! flood may turn into a flood of our own.

use base::{Preempt, Reason, Rival, Sight, State, What};
use vrrp::InstanceConfig;

use crate::bench::{Bench, HIGHER, LOWER, VIP, config, ip, millis, nanos, saying, secs, vip};
use crate::seen::Outs;

fn alarms(outs: &Outs) -> usize {
    outs.happened().iter().filter(|what| matches!(what, What::TwoHolders { .. })).count()
}

#[test]
fn vrrp_042_a_backup_that_hears_two_holders_for_more_than_three_intervals_tells_once() {
    let mut bench = Bench::new(config(100));
    let mut told = Vec::new();
    for beat in 0..10 {
        for source in [HIGHER, LOWER] {
            let outs = bench.hear(saying(source, 150));
            if alarms(&outs) > 0 {
                told.push(beat);
                let rival = Rival {
                    source: Some(ip(LOWER)),
                    seen: vec![Sight::Advert],
                    ..Rival::default()
                };
                assert!(outs.has(&What::TwoHolders { rival, both: secs(4) }));
            }
        }
        bench.pass(secs(1));
    }
    assert_eq!(told, [4], "more than three intervals, and only once");
}

#[test]
fn vrrp_042_a_holder_that_cannot_be_rid_of_a_rival_tells_once() {
    let mut bench = Bench::active(config(100));
    let mut told = Vec::new();
    for beat in 0..10 {
        bench.wake();
        if alarms(&bench.hear(saying(HIGHER, 50))) > 0 {
            told.push(beat);
        }
        bench.pass(secs(1));
    }
    assert_eq!(told, [4]);
    assert_eq!(bench.state(), State::Active);
}

#[test]
fn vrrp_042_a_hand_over_is_no_alarm() {
    let mut bench = Bench::new(config(100));
    for beat in 0..20 {
        let source = if beat < 7 { HIGHER } else { LOWER };
        assert_eq!(alarms(&bench.hear(saying(source, 200))), 0);
        bench.pass(secs(1));
    }
}

#[test]
fn vrrp_042_a_weaker_node_that_is_let_go_by_is_no_second_holder() {
    let mut bench = Bench::new(InstanceConfig { preempt: Preempt::After(secs(60)), ..config(100) });
    for _ in 0..10 {
        assert_eq!(alarms(&bench.hear(saying(LOWER, 50))), 0);
        bench.pass(secs(1));
    }
}

#[test]
fn vrrp_059_a_flood_of_weaker_adverts_is_not_answered_by_a_flood() {
    let mut bench = Bench::active(config(100));
    let (mut answers, mut announcements, mut events) = (0, 0, 0);
    for _ in 0..1000 {
        let outs = bench.hear(saying(LOWER, 1));
        answers += outs.adverts().len();
        announcements += outs.announced().len();
        events += outs.events().len();
        bench.pass(millis(1));
    }
    assert_eq!(answers, 4, "at most four in an interval");
    assert_eq!(announcements, 1, "at most one burst in a second");
    // The rival, the burst, and the flood.
    assert_eq!(events, 3);
}

#[test]
fn arp_007_the_winner_announces_again_when_a_rival_was_heard() {
    let mut bench =
        Bench::active(InstanceConfig { vips: vec![vip(VIP), vip("192.0.2.101")], ..config(100) });
    bench.pass(millis(1));
    let outs = bench.hear(saying(LOWER, 50));
    assert_eq!(outs.kinds(), ["advert", "frame", "event"]);
    assert_eq!(outs.announced(), [ip(VIP), ip("192.0.2.101")]);
    let rival = outs.events()[0].id;
    let announced = outs.events()[1];
    assert!(matches!(announced.what, What::Announced { vips: 2, .. }));
    assert_eq!((announced.reason, announced.causes.as_slice()), (Reason::RivalSeen, &[rival][..]));
}

#[test]
fn arp_007_a_second_rival_within_the_second_is_put_off_but_not_forgotten() {
    let mut bench = Bench::active(config(100));
    bench.pass(millis(100));
    assert_eq!(bench.hear(saying(LOWER, 50)).announced().len(), 1);
    bench.pass(millis(500));
    assert!(bench.hear(saying(HIGHER, 60)).announced().is_empty());
    // Due again a second after the last burst, behind the advert that is due before.
    assert_eq!(bench.sleep().kinds(), ["advert"]);
    assert_eq!(bench.left(), Some(millis(100)));
    let outs = bench.sleep();
    assert_eq!(outs.kinds(), ["frame", "event"]);
    assert_eq!(outs.announced(), [ip(VIP)]);
    assert_eq!(bench.sleep().kinds(), ["advert"], "and that is enough");
}

#[test]
fn arp_007_what_the_kernel_has_not_confirmed_is_not_announced() {
    let mut bench = Bench::new(config(100));
    bench.sleep();
    bench.pass(millis(1));
    let outs = bench.hear(saying(LOWER, 50));
    assert_eq!(outs.kinds(), ["advert", "event"], "the VIP is not there yet");
    let outs = bench.kernel();
    assert_eq!(outs.announced(), [ip(VIP)], "once, as after any take-over");
    assert_eq!(bench.sleep().kinds(), ["advert"]);

    // Refused for as long as you like.
    let mut bench = Bench::new(config(100));
    bench.sleep();
    bench.kernel_refuses(base::Errno::PERM);
    bench.pass(secs(2));
    assert!(bench.hear(saying(LOWER, 50)).announced().is_empty());
    assert!(bench.wake().announced().is_empty());
}

#[test]
fn arp_007_a_node_that_yields_forgets_what_it_owed_the_neighbours() {
    let mut bench = Bench::active(config(100));
    bench.hear(saying(LOWER, 50));
    bench.pass(millis(500));
    bench.hear(saying(LOWER, 50));
    bench.hear(saying(HIGHER, 200));
    bench.kernel();
    bench.pass(secs(1));
    assert!(bench.wake().announced().is_empty());
    assert_eq!(bench.left(), Some(nanos(2_609_375_000)));
}
