//! Sync groups and track groups: their members exist, and no instance is in two sync groups.

use core::time::Duration;
use std::collections::HashMap;

use base::{Name, TrackEffect};

use super::trackers::{Known, check_unique, default_user};
use crate::blocks::{RawConfig, RawGlobals};
use crate::diagnostic::{Code, Diagnostic, Report};
use crate::given::Named;
use crate::keywords::nearest;
use crate::reader::{At, shown};
use crate::{InstanceConfig, Notify, Place, SyncGroup, TrackGroup, TrackedInterface};

/// What a member needs to know of its sync group.
#[derive(Clone, Debug)]
pub(super) struct Membership {
    pub(super) name: At<String>,
    pub(super) keeps_weights: bool,
}

/// All sync groups, and which instance is in which.
pub(super) struct Grouped {
    groups: Vec<SyncGroup>,
    members: HashMap<String, Membership>,
}

impl Grouped {
    pub(super) fn get(&self, instance: &str) -> Option<&Membership> {
        self.members.get(instance)
    }

    pub(super) fn take(&mut self) -> Vec<SyncGroup> {
        core::mem::take(&mut self.groups)
    }
}

/// Resolves the sync groups.
pub(super) fn groups(
    raw: &mut RawConfig,
    globals: &RawGlobals,
    known: &Known,
    report: &mut Report,
) -> Grouped {
    check_unique("vrrp_sync_group", &mut raw.groups, report);
    let raw = &*raw;
    let names: Vec<&str> = raw.instances.iter().map(|i| i.name.value.as_str()).collect();
    let mut grouped = Grouped { groups: Vec::new(), members: HashMap::new() };
    for block in &raw.groups {
        let keeps_weights = block.given.flag("sync_group_tracking_weight");
        let (mut members, mut places) = members(block, &names, report);
        let mut elsewhere = Vec::new();
        for (name, place) in members.iter().zip(&places) {
            let membership = Membership { name: block.name.clone(), keeps_weights };
            if let Some(before) = grouped.members.get(name.as_str()) {
                elsewhere.push(name.clone());
                report.tolerate(
                    Diagnostic::error(
                        Code::TwoGroups,
                        place.0,
                        format!("{} is in two sync groups", shown(name)),
                    )
                    .label("again here")
                    .related(before.name.span, "in this one already")
                    .help("an instance can follow one group only: make one group of both, or remove it here"),
                );
            } else {
                grouped.members.insert(name.as_str().to_owned(), membership);
            }
        }
        if report.lenient && !elsewhere.is_empty() {
            let stays: Vec<bool> = members.iter().map(|name| !elsewhere.contains(name)).collect();
            let mut at = stays.iter();
            members.retain(|_| at.next().is_none_or(|stays| *stays));
            let mut at = stays.iter();
            places.retain(|_| at.next().is_none_or(|stays| *stays));
        }
        let none = members.is_empty() && report.lenient;
        let missing = !block.given.seen.contains_key("group") || block.given.has_rows("group");
        if members.len() < 2 && missing && block.given.listed("group").count() == members.len() {
            let few = if members.is_empty() { "has no members" } else { "has only one member" };
            let mut diagnostic = Diagnostic::warning(
                Code::GroupEmpty,
                block.name.span,
                format!("the sync group {} {few}", shown(&block.name.value)),
            )
            .label("nothing to keep together")
            .help("list the instances in `group { ... }`, or remove the group");
            if members.is_empty() {
                diagnostic.severity = crate::Severity::Error;
            }
            report.tolerate(diagnostic);
        }
        if none {
            continue;
        }
        let given = &block.given;
        let mut notify = Notify {
            active: given.command("notify_master"),
            backup: given.command("notify_backup"),
            fault: given.command("notify_fault"),
            stop: given.command("notify_stop"),
            any: given.command("notify"),
            priority_changes: given.flag("notify_priority_changes"),
            before_release: given.command("notify_before_release"),
            before_release_timeout: given
                .integer("notify_before_release_timeout")
                .map(Duration::from_secs),
            ..Notify::default()
        };
        default_user(notify.commands_mut(), globals);
        let interfaces = given.interfaces.iter().map(|line| TrackedInterface {
            interface: line.interface.value.clone(),
            effect: line.effect,
            place: Place(line.interface.span),
        });
        grouped.groups.push(SyncGroup {
            name: Name::from(block.name.value.as_str()),
            members,
            interfaces: interfaces.collect(),
            trackers: known.trackers(given, report),
            notify,
            smtp_alert: given
                .switch("smtp_alert")
                .or(globals.smtp_alert_vrrp)
                .or(globals.smtp_alert)
                .unwrap_or(false),
            priority_changes: given.flag("notify_priority_changes"),
            tracking_weight: keeps_weights,
            place: Place(block.name.span),
            member_places: places,
        });
    }
    // A group's weights count for all members alike; an owner has none to change.
    for group in &grouped.groups {
        let weighted = group.trackers.all().any(|tracked| tracked.weight.value != 0)
            || group.interfaces.iter().any(|tracked| {
                !matches!(tracked.effect, TrackEffect::FaultWhileBad | TrackEffect::FaultWhileGood)
            });
        let owner = raw.instances.iter().find(|instance| {
            instance.priority.as_ref().is_some_and(|priority| priority.value == 255)
                && group.members.iter().any(|member| **member == *instance.name.value)
        });
        if let Some(owner) = owner.filter(|_| weighted) {
            report.push(
                Diagnostic::warning(
                    Code::OwnerNotTracked,
                    owner.name.span,
                    "a weight changes nothing for the owner, priority 255",
                )
                .label("this member keeps its priority")
                .related(group.place.0, "while this group changes those of others")
                .help("choose priorities below 255 in a group that tracks with weights"),
            );
        }
    }
    grouped
}

/// The members of a group, each an instance and listed once.
fn members(block: &Named, names: &[&str], report: &mut Report) -> (Vec<Name>, Vec<Place>) {
    let mut members: Vec<Name> = Vec::new();
    let mut places = Vec::new();
    for At { value, span } in block.given.listed("group") {
        if !names.contains(&value.as_str()) {
            let label = match nearest(value, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "keepalived would ignore it".to_owned(),
            };
            report.tolerate(
                Diagnostic::error(
                    Code::UnknownMember,
                    *span,
                    format!("no `vrrp_instance` is called {}", shown(value)),
                )
                .label(label)
                .help("list the names of instances of this configuration"),
            );
        } else if members.iter().any(|member| **member == **value) {
            report.push(
                Diagnostic::warning(
                    Code::SetTwice,
                    *span,
                    format!("{} is listed twice", shown(value)),
                )
                .label("again here")
                .help("remove one of them"),
            );
        } else {
            members.push(Name::from(value.as_str()));
            places.push(Place(*span));
        }
    }
    (members, places)
}

/// Resolves the track groups of static addresses, routes and rules.
pub(super) fn track_groups(
    raw: &mut RawConfig,
    instances: &[InstanceConfig],
    report: &mut Report,
) -> Vec<TrackGroup> {
    check_unique("track_group", &mut raw.track_groups, report);
    let raw = &*raw;
    let names: Vec<&str> = instances.iter().map(|instance| instance.name.as_str()).collect();
    raw.track_groups
        .iter()
        .map(|block| {
            if block.given.rows("group").is_empty() {
                report.push(
                    Diagnostic::warning(
                        Code::GroupEmpty,
                        block.name.span,
                        format!("the track group {} has no members", shown(&block.name.value)),
                    )
                    .label("nothing comes of it")
                    .help("list instances in its `group { ... }`, or remove it"),
                );
            }
            TrackGroup {
                name: Name::from(block.name.value.as_str()),
                members: members(block, &names, report).0,
                place: Place(block.name.span),
            }
        })
        .collect()
}
