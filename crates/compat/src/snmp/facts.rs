//! What the configuration says that only SNMP tells. Serialisable, like the face of dumps.

use std::collections::{BTreeMap, BTreeSet};

use base::{Name, TrackEffect};
use conf::{ArgumentMatch, Config, SyncGroup, Tracked, TrackedInterface, Trackers, Weight};
use serde::{Deserialize, Serialize};

use super::{Cell, KEEPALIVED, Oid, Value, Weighed, below, row, ways};

/// What is answered, and whether something is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the configuration's")]
pub struct Answers {
    /// KEEPALIVED-MIB.
    pub vrrp: bool,
    /// VRRP-MIB.
    pub rfc_v2: bool,
    /// VRRPV3-MIB.
    pub rfc_v3: bool,
    /// Notifications of those.
    pub traps: bool,
}

impl Answers {
    /// Whether anything is to be said at all.
    #[must_use]
    pub fn any(self) -> bool {
        self.vrrp || self.rfc_v2 || self.rfc_v3
    }
}

/// See the head of this file.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Facts {
    /// What is answered.
    pub answers: Answers,
    /// Objects of the node, ready.
    pub(super) globals: Vec<(Oid, Value)>,
    /// Instances that are configured as `state MASTER`.
    pub starts_active: BTreeSet<Name>,
    /// What each instance tracks, by itself.
    pub(super) instances: BTreeMap<Name, Own>,
    /// What the members of each group track through it.
    pub(super) groups: Vec<(Name, Own)>,
    /// Groups whose members keep their weights.
    pub(super) group_weights: BTreeSet<Name>,
    /// Weights of trackers themselves: scripts, files, processes, sessions.
    pub(super) weights: [Vec<Weighed>; 4],
    /// Processes that are matched with their arguments.
    pub(super) whole_lines: BTreeSet<Name>,
    /// Routes and rules of each instance, ready but for what changes.
    pub(super) ways: BTreeMap<Name, ways::Held>,
}

/// What an instance or a group tracks: interfaces, scripts, files, processes, sessions.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Own(pub(super) [Vec<Weighed>; 5]);

/// Where a node works, as the configuration or the command line has it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Where<'a> {
    /// The network namespace.
    pub namespace: Option<&'a str>,
    /// What this node is called.
    pub router_id: &'a str,
    /// Whose version is told.
    pub version: &'a str,
}

impl Facts {
    /// What `config` says; `answers` may be more than it asks for.
    #[must_use]
    pub fn of(config: &Config, answers: Answers, place: Where<'_>) -> Self {
        let owned =
            |interfaces: &[TrackedInterface], trackers: &Trackers| own(interfaces, trackers);
        let instances = config.instances.iter();
        let weighed = |name: &Name, weight: Weight| (name.clone(), weight.value, weight.reverse);
        Self {
            answers,
            globals: globals(config, answers, place),
            starts_active: instances
                .clone()
                .filter(|one| one.says_master)
                .map(|one| one.name.clone())
                .collect(),
            instances: instances
                .clone()
                .map(|one| (one.name.clone(), owned(&one.tracked_interfaces, &one.trackers)))
                .collect(),
            groups: config
                .groups
                .iter()
                .map(|one: &SyncGroup| (one.name.clone(), owned(&one.interfaces, &one.trackers)))
                .collect(),
            group_weights: config
                .groups
                .iter()
                .filter(|group| group.tracking_weight)
                .map(|group| group.name.clone())
                .collect(),
            weights: [
                config.scripts.iter().map(|one| weighed(&one.name, one.weight)).collect(),
                config.files.iter().map(|one| weighed(&one.name, one.weight)).collect(),
                config.processes.iter().map(|one| weighed(&one.name, one.weight)).collect(),
                config.bfd.iter().map(|one| weighed(&one.name, one.weight)).collect(),
            ],
            // As keepalived has it: arguments can only be compared where all of a line is looked at.
            whole_lines: config
                .processes
                .iter()
                .filter(|one| {
                    one.full_command
                        || !one.arguments.is_empty()
                        || one.matching != ArgumentMatch::Exact
                })
                .map(|one| one.name.clone())
                .collect(),
            ways: instances
                .filter(|one| !one.routes.is_empty() || !one.rules.is_empty())
                .map(|one| (one.name.clone(), ways::held(one)))
                .collect(),
        }
    }
}

fn own(interfaces: &[TrackedInterface], trackers: &Trackers) -> Own {
    let list = |tracked: &[Tracked]| {
        let one = |one: &Tracked| (one.name.clone(), one.weight.value, one.weight.reverse);
        tracked.iter().map(one).collect()
    };
    let interface = |one: &TrackedInterface| {
        let (weight, reverse) = match one.effect {
            TrackEffect::FaultWhileBad => (0, false),
            TrackEffect::FaultWhileGood => (0, true),
            // A positive number counts while good, a negative one while bad; otherwise it is reversed.
            TrackEffect::DeltaWhileGood(delta) => (i32::from(delta).abs(), delta < 0),
            TrackEffect::DeltaWhileBad(delta) => (-i32::from(delta).abs(), delta > 0),
        };
        (one.interface.clone(), weight, reverse)
    };
    Own([
        interfaces.iter().map(interface).collect(),
        list(&trackers.scripts),
        list(&trackers.files),
        list(&trackers.processes),
        list(&trackers.bfd),
    ])
}

/// What is told of the node.
fn globals(config: &Config, answers: Answers, place: Where<'_>) -> Vec<(Oid, Value)> {
    let mut all = Vec::new();
    let mut put = |more: &[u32], value| {
        all.push((below(KEEPALIVED, &[&[1], more].concat()), value));
    };
    let enabled = Value::truth;
    put(&[1, 0], Value::text(place.version));
    put(&[2, 0], Value::text(place.router_id));
    let mail = &config.node.mail;
    if let Some(server) = &mail.server
        && let Ok(address) = server.host.parse::<core::net::IpAddr>()
    {
        put(&[3, 1, 0], Value::family(address.is_ipv6()));
        put(&[3, 2, 0], Value::address(address));
    }
    put(&[3, 3, 0], Value::gauge(mail.timeout.as_secs()));
    if let Some(from) = &mail.from {
        put(&[3, 4, 0], Value::text(from));
    }
    for (at, to) in mail.to.iter().enumerate() {
        put(&[3, 5, 1, 2, row(at)], Value::text(to));
    }
    if let Some(server) = &mail.server {
        put(&[3, 6, 0], Value::gauge(server.port));
    }
    put(&[3, 7, 0], enabled(!mail.no_faults));
    for (number, alert) in (8..).zip(mail.alerts) {
        put(&[3, number, 0], Value::Integer(alert.map_or(3, |on| if on { 1 } else { 2 })));
    }
    put(&[4, 0], enabled(answers.traps));
    // News of links come from the kernel; IPVS is not touched, and its counters not read.
    put(&[5, 0], Value::Integer(1));
    put(&[6, 0], enabled(false));
    put(&[8, 0], Value::text(place.namespace.unwrap_or_default()));
    put(&[9, 0], enabled(config.node.dbus.enabled));
    // Interfaces may always come later.
    put(&[10, 0], enabled(true));
    put(&[11, 0], enabled(false));
    all
}

/// Cells with a weight in them: what it is, and whether it is reversed.
pub(super) fn weight_cells(column: u32, weight: i32, reverse: bool) -> [Cell; 2] {
    [(column, Value::Integer(weight)), (column + 1, Value::truth(reverse))]
}
