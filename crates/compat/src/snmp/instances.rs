//! KEEPALIVED-MIB's tables of sync groups, instances and their addresses.

use core::net::IpAddr;

use base::{Broadcast, Preempt, Scope, State, Version, Vip};
use vrrp::Reach;
use vrrp::wire::Auth;

use super::view::{Scene, View};
use super::{Cell, Value, row};
use crate::NotifyFace;
use crate::snapshot::One;
use crate::words::state_number;

/// Sync groups, and who is in them.
pub(super) fn groups(view: &mut View, scene: &Scene<'_>) {
    let snapshot = scene.snapshot;
    for (at, face) in snapshot.face.groups.iter().enumerate() {
        let group = row(at);
        let stands = snapshot.status.groups.iter().find(|one| one.name == face.name);
        let state = match stands.map(|one| one.state) {
            Some(State::Active) => 2,
            Some(State::Backup) => 1,
            Some(State::Initialize) => 3,
            None => 0,
        };
        let weights = scene.facts.group_weights.contains(&face.name);
        let mut cells = vec![
            (2, Value::text(&*face.name)),
            (3, Value::Integer(state)),
            (4, Value::truth(face.smtp_alert)),
            (5, Value::truth(runs_something(&face.notify))),
            (10, Value::truth(weights)),
        ];
        let NotifyFace { master, backup, fault, any, stop, .. } = &face.notify;
        scripts(&mut cells, [(6, master), (7, backup), (8, fault), (9, any), (11, stop)]);
        view.vrrp_row(1, &[group], cells);
        for (at, member) in face.members.iter().enumerate() {
            view.vrrp_row(2, &[group, row(at)], [(2, Value::text(&**member))]);
        }
    }
}

fn runs_something(notify: &NotifyFace) -> bool {
    let NotifyFace { master, backup, fault, stop, deleted, any, weaker, .. } = notify;
    [master, backup, fault, stop, deleted, any, weaker].into_iter().any(Option::is_some)
}

fn scripts<'a>(cells: &mut Vec<Cell>, given: impl IntoIterator<Item = (u32, &'a Option<String>)>) {
    let cell = |(column, script): (u32, &Option<String>)| {
        script.as_ref().map(|script| (column, Value::text(script)))
    };
    cells.extend(given.into_iter().filter_map(cell));
}

/// Instances, and the addresses of each.
pub(super) fn instances(view: &mut View, scene: &Scene<'_>) {
    for (at, one) in scene.snapshot.instances().enumerate() {
        let instance = row(at);
        view.vrrp_row(3, &[instance], cells(scene, &one));
        let config = one.config;
        for (at, vip) in config.all_vips().enumerate() {
            let advertised = at < config.vips.len();
            let set = one.status.present.contains(&vip.address);
            view.vrrp_row(6, &[instance, row(at)], address(scene, vip, set, advertised));
        }
    }
}

fn cells(scene: &Scene<'_>, one: &One<'_>) -> Vec<Cell> {
    let One { config, face, status, .. } = one;
    let state = Value::small(state_number(status));
    let starts_active = scene.facts.starts_active.contains(&config.name);
    let all_set = !status.present.is_empty()
        && config.all_vips().all(|vip| status.present.contains(&vip.address));
    let interval = match config.version() {
        Version::V2 => status.interval.as_secs().into(),
        Version::V3 => status.interval.as_millis() / 10,
    };
    let delay = match config.preempt {
        Preempt::After(delay) => delay.as_secs(),
        Preempt::Never => 0,
    };
    let notify = &face.notify;
    let mut cells = vec![
        (2, Value::text(&*config.name)),
        (3, Value::gauge(config.vrid.get())),
        (4, state.clone()),
        (5, Value::Integer(if starts_active { 2 } else { 1 })),
        (6, state),
        (7, Value::small(config.priority.get())),
        (8, Value::small(status.priority.get())),
        (9, Value::truth(all_set)),
        (10, Value::text(config.interface.as_deref().unwrap_or_default())),
        (11, Value::truth(config.track_own_interface)),
        (12, Value::gauge(interval)),
        (13, Value::truth(config.preempt != Preempt::Never)),
        (14, Value::gauge(delay)),
        (15, Value::Integer(i32::from(matches!(config.auth, Auth::Pass(_))))),
        (16, Value::truth(false)),
        (19, Value::gauge(config.burst.delay.as_secs())),
        (20, Value::truth(face.smtp_alert)),
        (21, Value::truth(runs_something(notify))),
        (27, Value::truth(face.accept)),
        (28, Value::truth(face.promote)),
        (29, Value::truth(false)),
        (30, Value::Integer(if config.version() == Version::V2 { 2 } else { 3 })),
        (33, Value::truth(notify.says_deleted)),
    ];
    if let Some(group) = &config.group {
        cells.push((18, Value::text(&**group)));
    }
    scripts(
        &mut cells,
        [
            (22, &notify.master),
            (23, &notify.backup),
            (24, &notify.fault),
            (25, &notify.stop),
            (26, &notify.any),
            (31, &notify.weaker),
            (32, &notify.deleted),
        ],
    );
    if let Reach::Multicast { group } = &config.reach {
        cells.push((34, Value::family(group.is_ipv6())));
        cells.push((35, Value::address(*group)));
    }
    cells
}

fn address(scene: &Scene<'_>, vip: &Vip, set: bool, advertised: bool) -> Vec<Cell> {
    let mut cells = vec![
        (2, Value::family(vip.address.is_ipv6())),
        (3, Value::address(vip.address)),
        (5, Value::gauge(vip.prefix)),
        (6, Value::Integer(scope(vip.scope))),
        (8, Value::text(&*vip.interface)),
        (10, Value::truth(set)),
        (11, Value::truth(advertised)),
    ];
    if let IpAddr::V4(address) = vip.address {
        let mask = u32::MAX.checked_shl(32 - u32::from(vip.prefix.min(32))).unwrap_or_default();
        let bits = u32::from(address);
        let broadcast = match vip.broadcast {
            Broadcast::None => 0,
            Broadcast::HostBitsSet => bits | !mask,
            Broadcast::HostBitsClear => bits & mask,
            Broadcast::Address(address) => address.into(),
        };
        cells.push((4, Value::Octets(broadcast.to_be_bytes().to_vec())));
    }
    if let Some(link) = scene.link(&vip.interface) {
        cells.push((7, Value::integer(link.index)));
    }
    if let Some(label) = &vip.label {
        cells.push((9, Value::text(&**label)));
    }
    if let Some(peer) = vip.peer() {
        cells.push((12, Value::address(peer)));
    }
    cells
}

/// The kernel's scopes in those of INET-ADDRESS-MIB.
pub(super) fn scope(scope: Scope) -> i32 {
    match scope {
        Scope::HOST => 1,
        Scope::LINK => 2,
        Scope::SITE => 5,
        _ => 14,
    }
}
