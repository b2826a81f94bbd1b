//! After any sight of a rival the one that remains holder announces again, so that whoever was misled
//! is right within an interval; and whoever forges such sights gains nothing by it.

use base::{Mac, Reason, Sight, State, What};
use core::time::Duration;
use sim::{Lan, Node, config};
use vrrp::InstanceConfig;

use crate::{INTERVAL, VIP, assert_served_by, down, millis, secs, takeovers, told};

const STRANGER: Mac = Mac([2, 0, 0, 0, 9, 9]);

fn lan() -> Lan {
    let mut lan = Lan::new(1).router("a", 200).router("b", 100);
    lan.run_for(secs(20));
    assert_served_by(&lan, "a");
    lan
}

/// Frames it has put on the wire, as its events count them.
fn bursts(node: &Node, reason: Reason) -> usize {
    let is = |event: &&base::Event| {
        event.reason == reason && matches!(event.what, What::Announced { .. })
    };
    node.events().iter().filter(is).count()
}

#[test]
fn a_healed_partition_leaves_no_client_wrong_for_longer_than_an_interval() {
    for apart in [4_000, 5_500, 10_000, 10_700, 61_300] {
        let mut lan = lan();
        lan.unplug("a");
        lan.run_for(millis(apart) + down(100));
        assert_eq!(lan.holders(VIP), ["a", "b"]);
        assert_eq!(lan.client_reaches(VIP), Some("b"));
        lan.plug("a");
        let healed = lan.run_until(INTERVAL + millis(2), |lan| {
            lan.actives() == ["a"] && lan.client_reaches(VIP) == Some("a")
        });
        assert!(healed.is_some(), "apart for {apart} ms");
        lan.run_for(secs(20));
        assert_served_by(&lan, "a");
        assert_eq!((takeovers(lan.see("a")), takeovers(lan.see("b"))), (1, 1));
    }
}

#[test]
fn a_machine_that_slept_and_wakes_leaves_no_client_wrong() {
    for nap in [500, 900, 2_000, 3_700, 4_200, 30_000, 60_000] {
        let mut lan = lan();
        lan.pause("a", millis(nap));
        lan.run_for(millis(nap));
        let mut wrong = Duration::ZERO;
        let mut wrong_since = None;
        lan.run_until(secs(20), |lan| {
            let holders = lan.answering(VIP);
            let right = lan.client_reaches(VIP).is_some_and(|one| holders.contains(&one));
            match (right, wrong_since) {
                (false, None) => wrong_since = Some(lan.now()),
                (true, Some(since)) => {
                    wrong = wrong.max(lan.now().since(since));
                    wrong_since = None;
                }
                _ => {}
            }
            false
        });
        assert_served_by(&lan, "a");
        assert!(wrong_since.is_none() && wrong <= INTERVAL, "a nap of {nap} ms: {wrong:?}");
    }
}

#[test]
fn arp_004_a_client_that_believed_a_forged_arp_is_told_again_at_once() {
    let mut lan = lan();
    let before = takeovers(lan.see("a")) + takeovers(lan.see("b"));
    lan.forge_arp(VIP.parse().unwrap(), STRANGER);
    let right = lan.run_until(INTERVAL, |lan| {
        told(lan.see("a"), |what| matches!(what, What::RivalSeen { .. }))
            && lan.client_reaches(VIP) == Some("a")
    });
    assert!(right.is_some_and(|took| took <= millis(5)), "{right:?}");
    let alarm = |what: &What| match what {
        What::TwoHolders { rival, .. } => rival.mac == Some(STRANGER) && rival.seen == [Sight::Arp],
        _ => false,
    };
    assert!(told(lan.see("a"), alarm));
    lan.run_for(secs(5));
    assert!(told(lan.see("a"), |what| matches!(what, What::TwoHoldersOver { .. })));
    assert_eq!(takeovers(lan.see("a")) + takeovers(lan.see("b")), before);
    assert!(
        !told(lan.see("b"), |what| matches!(what, What::TwoHolders { .. })),
        "it holds nothing"
    );
}

#[test]
fn arp_006_a_flood_of_forged_arp_makes_no_flood_and_the_client_is_right_when_it_ends() {
    let mut lan = lan();
    let (sent, heard) = (lan.see("a").adverts_sent(), lan.client().heard());
    for _ in 0..10_000 {
        lan.forge_arp(VIP.parse().unwrap(), STRANGER);
        lan.run_for(millis(1));
    }
    let sent = lan.see("a").adverts_sent() - sent;
    assert!(sent <= 10 * 5 + 2, "{sent} adverts in ten seconds");
    let heard = lan.client().heard() - heard - 10_000;
    assert!(heard <= 11 * 10, "{heard} announcements in ten seconds");
    let right = lan.run_until(INTERVAL + millis(2), |lan| lan.client_reaches(VIP) == Some("a"));
    assert!(right.is_some());
    lan.run_for(secs(10));
    assert_served_by(&lan, "a");
    assert_eq!(
        lan.see("b").events().iter().filter(|e| e.reason == Reason::HolderSilent).count(),
        0
    );
}

#[test]
fn a_hand_over_in_good_order_raises_no_alarm() {
    let mut lan = lan();
    for _ in 0..5 {
        lan.stop("a");
        lan.run_for(secs(10));
        assert_served_by(&lan, "b");
        lan.restart("a");
        lan.run_for(secs(10));
        assert_served_by(&lan, "a");
    }
    for name in ["a", "b"] {
        assert!(!told(lan.see(name), |what| matches!(what, What::TwoHolders { .. })), "{name}");
    }
}

#[test]
fn two_that_refuse_each_other_s_adverts_find_out_by_arp() {
    let password = |priority, password: &[u8; 8]| InstanceConfig {
        interval: base::Interval::V2(1.try_into().unwrap()),
        auth: vrrp::wire::Auth::Pass(*password),
        ..config(priority)
    };
    let mut lan = Lan::new(1)
        .node("a", vec![password(200, b"11111111")])
        .node("b", vec![password(100, b"22222222")]);
    lan.run_for(secs(30));
    assert_eq!(lan.actives(), ["a", "b"]);
    for name in ["a", "b"] {
        let node = lan.see(name);
        let alarm =
            |what: &What| matches!(what, What::TwoHolders { rival, .. } if rival.mac.is_some());
        assert!(told(node, alarm), "{name}");
        assert!(node.router().status().instances[0].state == State::Active);
        // Each answers the other, and neither makes a storm of it.
        let answers = bursts(node, Reason::RivalSeen);
        assert!(answers <= 30, "{name}: {answers} bursts in thirty seconds");
    }
}
