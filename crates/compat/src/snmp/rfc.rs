//! The MIBs of the RFCs: 2787 for VRRPv2, 6527 for both versions.

use core::net::IpAddr;
use core::time::Duration;

use base::{Family, Preempt, State, Version};
use vrrp::wire::{Auth, Counter};

use super::traps::{master_reason, v3_index};
use super::view::{Link, Scene, View};
use super::{Cell, RFC_V2, RFC_V3, Value, below};
use crate::snapshot::One;

/// An active row.
const ACTIVE: Value = Value::Integer(1);

fn state(state: State) -> Value {
    Value::Integer(match state {
        State::Initialize => 1,
        State::Backup => 2,
        State::Active => 3,
    })
}

/// Those whose interface is there, which is what both number instances by.
fn rows<'a>(scene: &'a Scene<'_>) -> impl Iterator<Item = (One<'a>, Link)> {
    scene.snapshot.instances().filter_map(|one| {
        let device = one.config.devices.first().map(|device| &device.name);
        let link = scene.link(device.or(one.config.interface.as_ref())?)?;
        Some((one, link))
    })
}

/// Who holds, as far as this node knows.
fn holder(one: &One<'_>) -> Option<IpAddr> {
    match one.status.state {
        State::Active => one.status.source,
        State::Backup => one.status.peer.map(|peer| peer.source),
        State::Initialize => None,
    }
}

fn nowhere(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED),
        Family::V6 => IpAddr::V6(core::net::Ipv6Addr::UNSPECIFIED),
    }
}

fn ip(address: Option<IpAddr>) -> Value {
    Value::Ip(match address {
        Some(IpAddr::V4(address)) => address.octets(),
        Some(IpAddr::V6(_)) | None => [0; 4],
    })
}

/// How long it has taken part.
fn up(scene: &Scene<'_>, one: &One<'_>) -> Duration {
    if one.status.state == State::Initialize {
        return Duration::ZERO;
    }
    let since = scene.mark(&one.config.name).since.unwrap_or(one.status.since);
    scene.snapshot.at.since(since)
}

fn octets(address: IpAddr) -> Vec<u32> {
    match address {
        IpAddr::V4(address) => address.octets().map(u32::from).to_vec(),
        IpAddr::V6(address) => address.octets().map(u32::from).to_vec(),
    }
}

/// VRRP-MIB.
pub(super) fn version_2(view: &mut View, scene: &Scene<'_>) {
    let status = scene.snapshot.status;
    let mut scalar = |name: &[u32], value| view.put(below(RFC_V2, name), value);
    scalar(&[1, 1, 0], Value::Integer(2));
    scalar(&[1, 2, 0], Value::truth(scene.facts.answers.traps));
    for (number, counter) in [(1, Counter::Checksum), (2, Counter::Version), (3, Counter::Vrid)] {
        scalar(&[2, number, 0], Value::counter(status.discards.get(counter)));
    }
    for (one, link) in rows(scene) {
        if one.config.version() != Version::V2 || one.config.family != Family::V4 {
            continue;
        }
        let index = [link.index, u32::from(one.config.vrid.get())];
        view.row(&below(RFC_V2, &[1, 3, 1]), &index, operations_2(scene, &one, link));
        for vip in &one.config.vips {
            let index = [&index[..], &octets(vip.address)].concat();
            view.row(&below(RFC_V2, &[1, 4, 1]), &index, [(2, ACTIVE)]);
        }
        let stats = &one.stats;
        let counters = [
            stats.become_master,
            stats.advert_rcvd,
            stats.advert_interval_err,
            stats.auth_failure,
            stats.ip_ttl_err,
            stats.pri_zero_rcvd,
            stats.pri_zero_sent,
            stats.invalid_type_rcvd,
            stats.addr_list_err,
            stats.invalid_authtype,
            stats.authtype_mismatch,
            stats.packet_len_err,
        ];
        let cells = (1..).zip(counters.map(Value::counter));
        view.row(&below(RFC_V2, &[2, 4, 1]), &index, cells);
    }
}

fn operations_2(scene: &Scene<'_>, one: &One<'_>, link: Link) -> Vec<Cell> {
    let One { config, status, .. } = one;
    let authentication = if matches!(config.auth, Auth::Pass(_)) { 2 } else { 1 };
    let mut cells = vec![
        (3, state(status.state)),
        (4, Value::Integer(1)),
        (5, Value::small(config.priority.get())),
        (6, Value::integer(config.vips.len())),
        (7, ip(holder(one))),
        (8, ip(status.source)),
        (9, Value::Integer(authentication)),
        (11, Value::integer(status.interval.as_secs())),
        (12, Value::truth(config.preempt != Preempt::Never)),
        // The master agent's clock at that moment.
        (13, Value::ticks(scene.uptime.saturating_sub(up(scene, one)))),
        (14, Value::Integer(1)),
        (15, ACTIVE),
    ];
    cells.extend(mac(one, link).map(|mac| (2, mac)));
    cells
}

/// The MAC that VIPs are answered with.
fn mac(one: &One<'_>, link: Link) -> Option<Value> {
    one.config.devices.first().map(|device| device.mac).or(link.mac).map(Value::mac)
}

/// VRRPV3-MIB.
pub(super) fn version_3(view: &mut View, scene: &Scene<'_>) {
    let status = scene.snapshot.status;
    for (number, counter) in [(1, Counter::Checksum), (2, Counter::Version), (3, Counter::Vrid)] {
        let value = Value::Counter64(status.discards.get(counter));
        view.put(below(RFC_V3, &[1, 2, number, 0]), value);
    }
    view.put(below(RFC_V3, &[1, 2, 4, 0]), Value::Ticks(0));
    for (one, link) in rows(scene) {
        let index = v3_index(one.config, link);
        view.row(&below(RFC_V3, &[1, 1, 1, 1]), &index, operations_3(scene, &one, link));
        for vip in &one.config.vips {
            let index = [&index[..], &octets(vip.address)].concat();
            view.row(&below(RFC_V3, &[1, 1, 2, 1]), &index, [(2, ACTIVE)]);
        }
        view.row(&below(RFC_V3, &[1, 2, 5, 1]), &index, statistics_3(scene, &one));
    }
}

fn operations_3(scene: &Scene<'_>, one: &One<'_>, link: Link) -> Vec<Cell> {
    let One { config, face, status, .. } = one;
    let none = nowhere(config.family);
    let mut cells = vec![
        (3, Value::address(holder(one).unwrap_or(none))),
        (4, Value::address(status.source.unwrap_or(none))),
        (6, state(status.state)),
        (7, Value::gauge(config.priority.get())),
        (8, Value::integer(config.vips.len())),
        (9, Value::integer(status.interval.as_millis() / 10)),
        (10, Value::truth(config.preempt != Preempt::Never)),
        (11, Value::truth(face.accept)),
        (12, Value::ticks(up(scene, one))),
        (13, ACTIVE),
    ];
    cells.extend(mac(one, link).map(|mac| (5, mac)));
    cells
}

fn statistics_3(scene: &Scene<'_>, one: &One<'_>) -> Vec<Cell> {
    let stats = &one.stats;
    let mark = scene.mark(&one.config.name);
    // Why it last did; who became it under a control before this one did so for want of a holder.
    let reason = match mark.because {
        Some(reason) => master_reason(reason),
        None if stats.become_master > 0 => 3,
        None => 0,
    };
    let long = Value::Counter64;
    vec![
        (1, Value::counter(stats.become_master)),
        (2, Value::Integer(reason)),
        (3, long(stats.advert_rcvd)),
        (4, long(stats.advert_interval_err)),
        (5, long(stats.ip_ttl_err)),
        (6, Value::small(mark.error)),
        (7, long(stats.pri_zero_rcvd)),
        (8, long(stats.pri_zero_sent)),
        (9, long(stats.invalid_type_rcvd)),
        (10, long(stats.addr_list_err)),
        (11, long(stats.packet_len_err)),
        (12, Value::Ticks(0)),
        (13, Value::gauge(one.status.interval.as_millis())),
    ]
}
