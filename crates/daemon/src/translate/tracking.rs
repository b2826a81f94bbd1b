//! Trackers and sync groups: what a group tracks is tracked by each of its members.

use std::collections::BTreeMap;
use std::num::NonZeroU8;

use base::{Effect, Family, Name, TrackEffect, Tracker, TrackerKind};
use conf::{ArgumentMatch, Config, Weight};
use vrrp::{Debounce, Sentinel, TrackInterface, Tracked};

use crate::sensors::{Matching, Sensors, WatchedFile, WatchedProcess};

/// The interfaces an instance tracks: its own, then its group's.
pub(super) fn interfaces(config: &Config, instance: &conf::InstanceConfig) -> Vec<TrackInterface> {
    let group = config.group_of(&instance.name);
    let of_group = group.iter().flat_map(|group| &group.interfaces);
    let tracked = instance.tracked_interfaces.iter().chain(of_group);
    let mut all: Vec<TrackInterface> = tracked
        .map(|tracked| TrackInterface {
            interface: tracked.interface.clone(),
            effect: tracked.effect,
        })
        .collect();
    // As keepalived: a guarded route needs the interface it names.
    let guarded = instance.ways.iter().filter(|held| held.guarded);
    for interface in guarded.flat_map(|held| held.way.interfaces()) {
        let known = all.iter().any(|tracked| tracked.interface == *interface);
        if !known && instance.interface.as_ref() != Some(interface) {
            let effect = TrackEffect::FaultWhileBad;
            all.push(TrackInterface { interface: interface.clone(), effect });
        }
    }
    all
}

/// The same for all other trackers.
pub(super) fn trackers(config: &Config, instance: &conf::InstanceConfig) -> Vec<Tracked> {
    let group = config.group_of(&instance.name);
    let of_group = group.map(|group| &group.trackers);
    let lists = std::iter::once(&instance.trackers).chain(of_group);
    let groups = config.track_groups.iter().filter(|group| group.members.contains(&instance.name));
    let stays = groups.map(|group| Tracked {
        tracker: Tracker { kind: TrackerKind::Static, name: group.name.clone() },
        effect: Effect::Of(TrackEffect::FaultWhileBad),
        assume_bad: false,
    });
    lists.flat_map(|list| these(config, list)).chain(stays).collect()
}

fn these(config: &Config, trackers: &conf::Trackers) -> Vec<Tracked> {
    let tracked = |kind, one: &conf::Tracked, effect| Tracked {
        tracker: Tracker { kind, name: one.name.clone() },
        effect,
        assume_bad: kind == TrackerKind::Script
            && config.scripts.iter().any(|s| s.name == one.name && s.bad_at_first),
    };
    let two_valued =
        |kind, one: &conf::Tracked| tracked(kind, one, Effect::Of(one.weight.effect()));
    let scripts = trackers.scripts.iter().map(|one| two_valued(TrackerKind::Script, one));
    let processes = trackers.processes.iter().map(|one| two_valued(TrackerKind::Process, one));
    let sessions = trackers.bfd.iter().map(|one| two_valued(TrackerKind::Bfd, one));
    let files =
        trackers.files.iter().map(|one| tracked(TrackerKind::File, one, number(one.weight)));
    scripts.chain(files).chain(processes).chain(sessions).collect()
}

/// What a file's number does.
fn number(weight: Weight) -> Effect {
    match (weight.value, weight.reverse) {
        (0, false) => Effect::Of(TrackEffect::FaultWhileBad),
        (0, true) => Effect::Of(TrackEffect::FaultWhileGood),
        (value, false) => Effect::Times(value),
        (value, true) => Effect::Times(value.saturating_neg()),
    }
}

/// Everything that is to be watched, but for scripts, whose accounts are still to be looked up.
pub(crate) fn sensors(config: &Config) -> Sensors {
    let file = |file: &conf::TrackFile| WatchedFile {
        name: file.name.clone(),
        path: file.path.clone().into(),
        initial: file.initial.map(|initial| (initial.value, initial.overwrite)),
    };
    let process = |process: &conf::TrackProcess| WatchedProcess {
        name: process.name.clone(),
        command: process.command.clone(),
        arguments: process.arguments.clone(),
        matching: match process.matching {
            ArgumentMatch::Exact => Matching::Exact,
            ArgumentMatch::First => Matching::First,
            ArgumentMatch::Initial => Matching::Initial,
        },
        full_command: process.full_command,
        least: process.least,
        most: process.most,
        up_delay: process.up_delay,
        down_delay: process.down_delay,
    };
    Sensors {
        checks: Vec::new(),
        files: config.files.iter().map(file).collect(),
        processes: config.processes.iter().map(process).collect(),
        process_news: config.node.buffers.processes.map(|size| size.octets),
    }
}

/// How long news of interfaces must last.
pub(crate) fn debounce(config: &Config) -> BTreeMap<Name, Debounce> {
    let delays = config.node.links.delays.iter();
    delays
        .map(|delay| (delay.interface.clone(), Debounce { down: delay.down, up: delay.up }))
        .collect()
}

/// The sessions that end this instance's wait for a holder at their other end.
pub(super) fn sentinels(config: &Config, instance: &conf::InstanceConfig) -> Vec<Sentinel> {
    let fits = |session: &&conf::BfdSession| {
        session.fast_takeover && Family::of(&session.neighbor) == instance.family
    };
    let sentinel = |session: &conf::BfdSession| Sentinel {
        session: session.name.clone(),
        neighbor: session.neighbor,
        interval: session.min_rx.max(session.min_tx),
        missed: session.multiplier,
    };
    config.bfd.iter().filter(fits).map(sentinel).collect()
}

/// The BFD sessions.
pub(crate) fn sessions(config: &Config) -> Vec<bfd::Settings> {
    let one = |session: &conf::BfdSession| {
        // How many routers it may have passed is counted from the highest TTL there is, or from
        // what we send ourselves if the other end is meant to do the same with less.
        let least_ttl = session.hops.saturating_sub(session.max_hops).max(1);
        Some(bfd::Settings {
            name: session.name.clone(),
            neighbor: session.neighbor,
            source: session.source,
            min_rx: session.min_rx,
            min_tx: session.min_tx,
            idle_tx: session.idle_tx,
            // The keyword takes no zero.
            multiplier: NonZeroU8::new(session.multiplier)?,
            passive: session.passive,
            ttl: session.hops,
            least_ttl,
            multihop: session.multihop,
            fails_until_up: session.fails_until_up,
        })
    };
    config.bfd.iter().filter_map(one).collect()
}
