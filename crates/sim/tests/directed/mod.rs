//! Stories told to reveal one planted bug that worlds drawn from a seed reveal by luck only. They are
//! told among the others, where they must end well, and with the bug, where they must not.

use core::time::Duration;
use std::net::{IpAddr, Ipv4Addr};

use base::{Centis, Interval, Reason, State, Vip, Vrid, What};
use sim::{ETH0, Lan, config};
use vrrp::InstanceConfig;

/// A node that holds at one advert a second comes to hold at ten a second as well, at a moment in which
/// it owes its guardian nothing for longer than the new lease lasts. How many of some such nodes have
/// their sound engine killed for it.
pub(crate) fn killed_for_a_shorter_lease() -> usize {
    let fast = |priority| InstanceConfig {
        name: "VI_2".into(),
        vrid: Vrid::new(52).expect("a VRID"),
        interval: Interval::V3(Centis::new(10).expect("an interval")),
        vips: vec![Vip::new(IpAddr::V4(Ipv4Addr::new(193, 168, 0, 7)), 16, ETH0.into())],
        ..config(priority)
    };
    let killed = |seed: &u64| {
        let mut lan = Lan::new(*seed)
            .node("a", vec![config(200), fast(100)])
            .node("b", vec![config(100), fast(200)]);
        // The moment moves along the rhythm of the longer lease.
        lan.run_for(Duration::from_millis(20_000 + 17 * *seed));
        lan.crash("b");
        lan.run_for(Duration::from_secs(3));
        let node = lan.see("a");
        assert!(node.events().iter().any(|event| event.reason == Reason::HolderSilent));
        node.events().iter().any(|event| event.reason == Reason::RoleStalled)
    };
    (0..13).filter(killed).count()
}

/// A holder yields, and its engine dies before the addresses are off the node. How many of some such
/// nodes hold again because of it.
pub(crate) fn held_on_to_after_yielding() -> usize {
    let again = |seed: &u64| {
        let mut lan = Lan::new(*seed).router("a", 100);
        lan.run_for(Duration::from_secs(10));
        assert!(lan.see("a").is_active());
        lan.start("b", vec![config(200)]);
        let yielded = lan.run_until(Duration::from_secs(10), |lan| !lan.see("a").is_active());
        assert!(yielded.is_some() && lan.holders("193.168.0.6").contains(&"a"));
        lan.kill_engine("a");
        lan.run_for(Duration::from_millis(300));
        let events = lan.see("a").events();
        events.iter().any(|event| {
            event.reason == Reason::Adopted
                && matches!(event.what, What::StateChanged { to: State::Active, .. })
        })
    };
    (0..5).filter(again).count()
}
