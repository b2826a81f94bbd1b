//! VIPs on an interface with the virtual MAC: who has it up, where the client's frames go, and what
//! becomes of it when somebody else lays hands on it.

use base::{DeviceOp, Family, IfIndex, Mac, State, Vrid, What};
use sim::{Lan, Node, config, config_v6, on_device};
use vrrp::InstanceConfig;

use crate::{INTERVAL, VIP, assert_served_by, changes, down, millis, secs, takeovers, told};

const VIP6: &str = "2001:db8::6";

fn with(priority: u8) -> Vec<InstanceConfig> {
    vec![on_device(config(priority), false)]
}

fn pair() -> Lan {
    let mut lan = Lan::new(1).node("a", with(200)).node("b", with(100));
    lan.run_for(secs(10));
    assert_served_by(&lan, "a");
    assert_eq!((is_up(lan.see("a")), is_up(lan.see("b"))), (Some(true), Some(false)));
    lan
}

/// Whether the node's only macvlan is up, if there is one.
fn is_up(node: &Node) -> Option<bool> {
    let mut devices = node.kernel().devices();
    let device = devices.next()?;
    assert_eq!(device.mac, Some(Mac::virtual_router(Family::V4, Vrid::new(51).unwrap())));
    assert!(devices.next().is_none());
    device.macvlan.map(|macvlan| macvlan.up)
}

fn number(node: &Node) -> IfIndex {
    node.kernel().devices().next().unwrap().index
}

#[test]
fn vrrp_100_the_client_knows_one_mac_and_reaches_whoever_holds() {
    let mut lan = pair();
    let mac = lan.client().believes(VIP.parse().unwrap());
    assert_eq!(mac, Some(Mac::virtual_router(Family::V4, Vrid::new(51).unwrap())));
    lan.crash("a");
    lan.run_for(down(100) + millis(3));
    assert_served_by(&lan, "b");
    assert_eq!(is_up(lan.see("b")), Some(true));
    lan.boot("a");
    lan.run_for(down(200) + INTERVAL);
    assert_served_by(&lan, "a");
    assert_eq!((is_up(lan.see("a")), is_up(lan.see("b"))), (Some(true), Some(false)));
    assert_eq!(lan.client().believes(VIP.parse().unwrap()), mac, "and it never changed");
}

#[test]
fn vrrp_101_whoever_yields_has_its_device_down_before_the_other_speaks_again() {
    let mut lan = pair();
    lan.unplug("a");
    lan.run_for(secs(5));
    assert_eq!(lan.actives(), ["a", "b"], "a partition makes two");
    lan.plug("a");
    lan.run_until(INTERVAL * 2, |lan| lan.actives() == ["a"]).unwrap();
    lan.run_for(millis(3));
    assert_eq!((is_up(lan.see("a")), is_up(lan.see("b"))), (Some(true), Some(false)));
    lan.run_for(INTERVAL);
    assert_served_by(&lan, "a");
}

#[test]
fn an_ipv6_pair_moves_its_vip_with_the_mac() {
    let with = |priority| vec![on_device(config_v6(priority), false)];
    let mut lan = Lan::new(1).node("a", with(200)).node("b", with(100));
    lan.run_for(secs(10));
    assert_eq!((lan.holders(VIP6), lan.client_reaches(VIP6)), (vec!["a"], Some("a")));
    lan.stop("a");
    lan.run_for(secs(5));
    assert_eq!((lan.holders(VIP6), lan.client_reaches(VIP6)), (vec!["b"], Some("b")));
    assert!(lan.see("a").kernel().devices().next().is_none(), "a stop leaves none behind");
}

#[test]
fn a_device_that_somebody_deletes_or_sets_down_is_back_without_an_election() {
    let mut lan = pair();
    for way in ["delete", "down"] {
        let at = number(lan.see("a"));
        lan.meddle(0, |kernel| {
            let op = match way {
                "delete" => DeviceOp::Remove { index: at },
                _ => DeviceOp::Lower { index: at },
            };
            kernel.execute_device(&op).unwrap();
        });
        assert!(lan.answering(VIP).is_empty(), "{way}");
        let back = lan.run_until(millis(100), |lan| lan.answering(VIP) == ["a"]);
        assert!(back.is_some(), "{way}");
        lan.run_for(INTERVAL * 2);
        assert_served_by(&lan, "a");
        assert_eq!(number(lan.see("a")) != at, way == "delete", "made anew");
    }
    assert_eq!((takeovers(lan.see("a")), takeovers(lan.see("b"))), (1, 0));
    // One that is set up where it should be down is put down.
    let at = number(lan.see("b"));
    lan.meddle(1, |kernel| kernel.execute_device(&DeviceOp::Raise { index: at }).unwrap());
    lan.run_for(millis(3));
    assert_eq!(is_up(lan.see("b")), Some(false));
    assert_served_by(&lan, "a");
}

#[test]
fn a_parent_that_is_made_again_gets_another_device() {
    let mut lan = pair();
    lan.meddle(0, |kernel| kernel.delete_link(0));
    assert!(is_up(lan.see("a")).is_none(), "it went with what it lay on");
    lan.run_for(down(100) + millis(10));
    assert_served_by(&lan, "b");
    let now = lan.now();
    lan.meddle(0, |kernel| {
        kernel.make_link(0, sim::ETH0);
        kernel.raise(0);
        kernel.configure_own(now, 0);
    });
    lan.run_for(down(200) + INTERVAL * 2);
    assert_served_by(&lan, "a");
    assert_eq!((is_up(lan.see("a")), is_up(lan.see("b"))), (Some(true), Some(false)));
}

#[test]
fn a_killed_engine_finds_the_device_again_and_nobody_notices() {
    let mut lan = pair();
    let at = number(lan.see("a"));
    lan.kill_engine("a");
    lan.run_for(secs(5));
    assert_served_by(&lan, "a");
    assert_eq!(number(lan.see("a")), at);
    assert!(told(lan.see("a"), |what| matches!(what, What::DeviceThere { .. })));
    assert_eq!(takeovers(lan.see("b")), 0);
}

#[test]
fn no_nap_makes_two_answer_with_one_mac() {
    for nap in [500, 700, 2_900, 3_700, 30_000] {
        let mut lan = pair();
        lan.pause("a", millis(nap));
        let two = lan.run_until(millis(nap) + secs(10), |lan| lan.answering(VIP).len() > 1);
        assert_eq!(two, None, "{nap} ms");
        assert_served_by(&lan, "a");
        assert_eq!((is_up(lan.see("a")), is_up(lan.see("b"))), (Some(true), Some(false)));
    }
}

#[test]
fn a_reload_moves_the_vip_to_the_virtual_mac_and_back_without_an_election() {
    let mut lan = Lan::new(1).router("a", 200).router("b", 100);
    lan.run_for(secs(10));
    for round in 0..2 {
        lan.reload("a", with(200));
        lan.reload("b", with(100));
        lan.run_for(INTERVAL * 2);
        assert_served_by(&lan, "a");
        assert_eq!(
            (is_up(lan.see("a")), is_up(lan.see("b"))),
            (Some(true), Some(false)),
            "{round}"
        );
        lan.reload("a", vec![config(200)]);
        lan.reload("b", vec![config(100)]);
        lan.run_for(INTERVAL * 2);
        assert_served_by(&lan, "a");
        assert_eq!((is_up(lan.see("a")), is_up(lan.see("b"))), (None, None), "{round}");
    }
    assert_eq!(changes(lan.see("b")), [State::Backup]);
}
