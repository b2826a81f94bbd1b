//! What an instance needs in order to run, and what follows from its configuration alone: by the
//! watcher's own reckoning, from the simulated kernel.

use core::net::IpAddr;
use core::time::Duration;

use base::{Family, TrackEffect};
use vrrp::InstanceConfig;

use crate::node::Node;

/// How long nobody takes over from a holder that has spoken (VRRP-072): where more adverts than
/// three may be missed, peers may still have the RFC's three.
pub(super) fn unrivalled(config: &InstanceConfig) -> Duration {
    const FLOOR: Duration = Duration::from_millis(60);
    (config.interval.as_duration() * u32::from(config.missed_adverts.min(3))).max(FLOOR)
}

/// Whether an instance has all it needs: its links, an address to send from, its trackers.
pub(super) fn is_fit(node: &Node, config: &InstanceConfig) -> bool {
    let kernel = node.kernel();
    let runs = |name: &base::Name| kernel.named(name.as_str()).is_some_and(|link| link.running);
    let Some(name) = &config.interface else { return false };
    let Some(link) = kernel.named(name.as_str()) else { return false };
    let is_vip = |address: IpAddr| {
        let mut others = node.configs().iter().filter(|config| !config.priority.is_owner());
        others.any(|config| config.all_vips().any(|vip| vip.address == address))
    };
    let usable = |address: &base::AddressFact| {
        if let Some(source) = config.source {
            return address.address == source && !address.tentative;
        }
        address.index == link.index
            && Family::of(&address.address) == config.family
            && !address.tentative
            && !is_vip(address.address)
            && match address.address {
                IpAddr::V4(_) => true,
                IpAddr::V6(v6) => v6.segments()[0] & 0xffc0 == 0xfe80,
            }
    };
    let tracked = config.track.iter().all(|track| match track.effect {
        TrackEffect::FaultWhileBad => runs(&track.interface),
        TrackEffect::FaultWhileGood => !runs(&track.interface),
        TrackEffect::DeltaWhileBad(_) | TrackEffect::DeltaWhileGood(_) => true,
    });
    link.running
        && kernel.addresses().any(usable)
        && config.all_vips().all(|vip| runs(config.below(&vip.interface)))
        && tracked
}

/// What its trackers are to add to an instance's priority now.
pub(super) fn tracked_delta(node: &Node, config: &InstanceConfig) -> i32 {
    let runs =
        |name: &base::Name| node.kernel().named(name.as_str()).is_some_and(|link| link.running);
    let delta = |track: &vrrp::TrackInterface| match (track.effect, runs(&track.interface)) {
        (TrackEffect::DeltaWhileBad(delta), false) | (TrackEffect::DeltaWhileGood(delta), true) => {
            i32::from(delta)
        }
        _ => 0,
    };
    config.track.iter().map(delta).sum()
}

/// Whether what an instance says leaves its node.
pub(super) fn carries(node: &Node, config: &InstanceConfig) -> bool {
    let name = config.interface.as_ref();
    name.and_then(|name| node.kernel().named(name.as_str())).is_some_and(|link| link.running)
}
