//! The status as it is told to clients: the engine's values in the words of the protocol.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Control;
use base::{Instant, Version};
use ui::protocol::{
    BfdReport, HmacReport, InstanceLease, InstanceReport, LeaseReport, LeasesReport, MissingReport,
    PeerReport, ReadyReport, RivalReport, Status, StayBackReport, VipReport, VmacReport,
};
use vip::lease::{ClassStatus, TableStatus};
use vrrp::wire::hmac::Freshness;
use vrrp::{DeviceStatus, InstanceStatus, ReadyPeer, RouterStatus};

fn ready(at: Instant, peer: &ReadyPeer) -> ReadyReport {
    ReadyReport {
        source: peer.source,
        priority: peer.priority.get(),
        told_s: seconds(at.since(peer.told_at)),
    }
}

/// The BFD sessions.
pub(super) fn sessions(sessions: &[bfd::SessionStatus]) -> Vec<BfdReport> {
    let one = |session: &bfd::SessionStatus| BfdReport {
        name: session.name.clone(),
        state: session.state.to_string(),
        failed: session.health == bfd::Health::Failed,
        neighbor: session.neighbor,
        remote_state: session.remote_state.to_string(),
        diagnostic: session.diagnostic.to_string(),
        transmit_interval_ms: seconds(session.transmit_interval * 1000),
        detection_time_ms: seconds(session.detection_time * 1000),
    };
    sessions.iter().map(one).collect()
}

impl Control {
    /// The engine's answer, with what control knows beside it.
    pub(super) fn report(
        &self,
        at: Instant,
        status: RouterStatus,
        mut engine: BTreeMap<String, u64>,
    ) -> Status {
        engine.insert("packets-received".into(), status.packets);
        engine.insert("flood-alarms".into(), status.floods);
        engine.insert("notices-refused".into(), status.refused_notices);
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: self.settings.pid,
            node: self.node.clone(),
            config_file: self.settings.file.display().to_string(),
            config_refused: self.refused.clone(),
            uptime_s: seconds(at.since(self.settings.started)),
            instances: status.instances.iter().map(|one| self.instance(at, one)).collect(),
            discards: by_name(status.discards.iter()),
            engine,
            leases: leases(at, &status.leases),
            bfd: Vec::new(),
            mail: self.outbox.report(),
            groups: self.watched.groups(at, self.settings.started, &status.groups),
            trackers: self.watched.trackers(
                at,
                self.settings.started,
                &self.trackers,
                &status.interfaces,
            ),
        }
    }

    fn instance(&self, at: Instant, one: &InstanceStatus) -> InstanceReport {
        let (scripts, waiting) = self.scripts.report(&one.name);
        let why = one.because.and_then(|id| self.events.find(id));
        InstanceReport {
            ready: one.ready.iter().map(|peer| ready(at, peer)).collect(),
            stays_back: one
                .stays_back
                .filter(|stay| stay.until.is_none_or(|until| at < until))
                .map(|stay| StayBackReport {
                    left_s: stay.until.map(|until| seconds(until.since(at))),
                }),
            missing: one.missing.map(|it| MissingReport {
                vip: it.vip,
                why: it.errno.to_string(),
                because: it.because,
            }),
            name: one.name.clone(),
            interface: one.interface.clone(),
            vrid: one.vrid.get(),
            family: one.family,
            version: match one.version {
                Version::V2 => 2,
                Version::V3 => 3,
            },
            state: one.state,
            fault: one.fault.map(|reason| reason.to_string()),
            since_s: seconds(at.since(one.since)),
            because: one.because,
            why: why.map(|event| event.reason.to_string()),
            base_priority: one.base_priority.get(),
            priority: one.priority.get(),
            source: one.source,
            interval_ms: millis(one.interval),
            active_interval_ms: millis(one.active_interval),
            active_down_ms: seconds(one.active_down_interval * 1000),
            peer: one.peer.map(|peer| PeerReport {
                source: peer.source,
                priority: peer.priority.get(),
                interval_ms: millis(peer.interval),
                heard_s: seconds(at.since(peer.last_heard)),
            }),
            vips: one
                .vips
                .iter()
                .map(|vip| VipReport {
                    address: vip.address,
                    prefix: vip.prefix,
                    interface: vip.interface.clone(),
                    present: one.present.contains(&vip.address),
                })
                .collect(),
            rival: one.rival.as_ref().map(|known| RivalReport {
                rival: known.rival.clone(),
                first_s: seconds(at.since(known.first)),
                last_s: seconds(at.since(known.last)),
                because: known.because,
            }),
            auth_hmac: one.hmac.as_ref().map(|hmac| HmacReport {
                mode: hmac.mode.to_string(),
                active_key: hmac.active_key,
                keys: hmac.keys.clone(),
                window_ms: match hmac.freshness {
                    Freshness::Time { window } => Some(millis(window)),
                    Freshness::Monotonic => None,
                },
            }),
            lease: one.lease.map(|lease| InstanceLease {
                length_ms: millis(lease.length),
                excess_ms: millis(lease.excess),
                silenced: lease.silenced,
            }),
            vmacs: one.devices.iter().map(vmac).collect(),
            traffic: BTreeMap::from([
                ("adverts-sent".to_string(), one.traffic.sent),
                ("adverts-received".to_string(), one.traffic.received),
                ("priority-zero-sent".to_string(), one.traffic.resignations_sent),
                ("priority-zero-received".to_string(), one.traffic.resignations_received),
                ("unsigned-received".to_string(), one.traffic.unsigned_received),
                ("became-active".to_string(), one.traffic.became_active),
                ("became-backup".to_string(), one.traffic.became_backup),
                ("became-initialize".to_string(), one.traffic.became_initialize),
            ]),
            discards: by_name(one.discards.iter()),
            scripts,
            scripts_waiting: u64::try_from(waiting).unwrap_or(u64::MAX),
        }
    }
}

fn vmac(device: &DeviceStatus) -> VmacReport {
    let state = match device.up {
        Some(true) => "up",
        Some(false) => "down",
        None => "missing",
    };
    VmacReport {
        interface: device.name.clone(),
        parent: device.parent.clone(),
        mac: device.mac.to_string(),
        state: state.into(),
        staged: device.staged,
        refused: device.refused.map(|errno| errno.to_string()),
    }
}

fn leases(at: Instant, status: &vip::lease::Status) -> LeasesReport {
    let (state, why) = match &status.table {
        TableStatus::Unused => ("unused", None),
        TableStatus::Building => ("building", None),
        TableStatus::Ready => ("ready", None),
        TableStatus::Unavailable(trouble) => ("unavailable", Some(trouble.to_string())),
    };
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let class = |class: &ClassStatus| LeaseReport {
        length_ms: millis(class.class.length()),
        left_ms: class.alive_until.map(|until| millis(until.since(at))),
        holders: number(class.holders),
        renewals: class.renewals,
        lapses: class.lapses,
        smallest_margin_ms: class.smallest_margin.map(millis),
    };
    LeasesReport {
        state: state.into(),
        why,
        classes: status.classes.iter().map(class).collect(),
        listed: number(status.listed),
        covered: status.covered.clone(),
        rebuilt: status.rebuilt,
    }
}

fn by_name(counters: impl Iterator<Item = (vrrp::wire::Counter, u64)>) -> BTreeMap<String, u64> {
    counters.map(|(counter, count)| (counter.name().to_string(), count)).collect()
}

pub(super) fn seconds(span: Duration) -> f64 {
    span.as_secs_f64()
}

pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
