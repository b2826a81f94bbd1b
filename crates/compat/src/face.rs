//! What a configuration says that the machines need not know, kept for those who ask in keepalived's
//! words. Serialisable, so that a control that ends can leave it to the next.

use std::collections::BTreeMap;
use std::time::Duration;

use base::{Broadcast, Name, Vip};
use conf::{ArgumentMatch, Config, InstanceConfig, Tracked, Trackers, VipOptions};
use serde::{Deserialize, Serialize};

use crate::globals::globals;
use crate::words;

/// The whole configuration's.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Face {
    /// The section about the node, ready.
    pub globals: String,
    /// The form of JSON dumps, 1 or 2.
    pub json_version: u8,
    /// By name.
    pub instances: BTreeMap<Name, InstanceFace>,
    /// In the order of the file.
    pub groups: Vec<GroupFace>,
    /// In the order of the file.
    pub scripts: Vec<ScriptFace>,
    /// In the order of the file: name, path, weight.
    pub files: Vec<(Name, String, i32)>,
    /// In the order of the file.
    pub processes: Vec<ProcessFace>,
}

/// One instance's.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct InstanceFace {
    /// `skip_check_adv_addr`.
    pub skip_check: bool,
    /// `strict_mode`.
    pub strict: bool,
    /// `higher_prio_send_advert`.
    pub answer_stronger: bool,
    /// `promote_secondaries`.
    pub promote: bool,
    /// `accept`.
    pub accept: bool,
    /// Mail at transitions.
    pub smtp_alert: bool,
    /// How each VIP is written, one for each, without whether it is there.
    pub vips: Vec<String>,
    /// The same for excluded ones.
    pub excluded: Vec<String>,
    /// Routes, as `ip route` writes them.
    pub routes: Vec<String>,
    /// Rules, as `ip rule` writes them.
    pub rules: Vec<String>,
    /// Who is told.
    pub notify: NotifyFace,
    /// Own trackers.
    pub tracked: TrackedFace,
}

/// What an instance or a group tracks by itself, with weights.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TrackedFace {
    /// Interfaces; the weight as it is written.
    pub interfaces: Vec<(Name, i32)>,
    /// Scripts.
    pub scripts: Vec<(Name, i32)>,
    /// Files.
    pub files: Vec<(Name, i32)>,
    /// Processes.
    pub processes: Vec<(Name, i32)>,
}

/// One group's.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GroupFace {
    /// Its name.
    pub name: Name,
    /// Its members.
    pub members: Vec<Name>,
    /// Mail at transitions.
    pub smtp_alert: bool,
    /// What its members track through it.
    pub tracked: TrackedFace,
    /// Who is told.
    pub notify: NotifyFace,
}

/// Scripts as keepalived writes them: every word in quotes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct NotifyFace {
    /// `notify_master`.
    pub master: Option<String>,
    /// `notify_backup`.
    pub backup: Option<String>,
    /// `notify_fault`.
    pub fault: Option<String>,
    /// `notify_stop`.
    pub stop: Option<String>,
    /// `notify_deleted`.
    pub deleted: Option<String>,
    /// `notify`.
    pub any: Option<String>,
    /// `notify_master_rx_lower_pri`.
    pub weaker: Option<String>,
    /// Says DELETED rather than FAULT.
    pub says_deleted: bool,
    /// Tells FIFOs of priorities.
    pub priority_changes: bool,
}

/// A script that is run again and again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ScriptFace {
    /// Its name.
    pub name: Name,
    /// Its command line.
    pub command: String,
    /// From one start to the next.
    pub interval: Duration,
    /// How long a run may take.
    pub timeout: Duration,
    /// As it is written.
    pub weight: i32,
    /// Successes in a row that make it good.
    pub rise: u32,
    /// Failures in a row that make it bad.
    pub fall: u32,
    /// Bad until it has run.
    pub bad_at_first: bool,
}

/// Processes that must run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProcessFace {
    /// The tracker's name.
    pub name: Name,
    /// The command.
    pub command: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// `none`, `exact`, `partial` or `initial`.
    pub matching: String,
    /// How many must run.
    pub least: u32,
    /// How many may.
    pub most: Option<u32>,
    /// As it is written.
    pub weight: i32,
    /// How long fewer must run to count.
    pub terminate_delay: Duration,
    /// How long more must run to count.
    pub fork_delay: Duration,
    /// The whole command line is compared.
    pub full_command: bool,
}

impl Face {
    /// What `config` says.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            globals: globals(config),
            json_version: config.node.files.json_version,
            instances: config
                .instances
                .iter()
                .map(|one| (one.name.clone(), instance(one)))
                .collect(),
            groups: config.groups.iter().map(group).collect(),
            scripts: config.scripts.iter().map(script).collect(),
            files: config
                .files
                .iter()
                .map(|file| (file.name.clone(), file.path.clone(), signed(file.weight)))
                .collect(),
            processes: config.processes.iter().map(process).collect(),
        }
    }

    /// The instances that use a tracker, themselves or through their group, with the weight it has
    /// there. `of` picks the kind.
    pub(crate) fn users<'a>(
        &'a self,
        name: &'a Name,
        of: impl Fn(&TrackedFace) -> &Vec<(Name, i32)> + 'a,
    ) -> impl Iterator<Item = (&'a Name, i32)> {
        self.instances.iter().filter_map(move |(instance, face)| {
            let group = self.groups.iter().find(|group| group.members.contains(instance));
            let lists = [Some(&face.tracked), group.map(|group| &group.tracked)];
            let mut all = lists.into_iter().flatten().flat_map(&of);
            all.find(|(tracked, _)| tracked == name).map(|(_, weight)| (instance, *weight))
        })
    }
}

fn instance(one: &InstanceConfig) -> InstanceFace {
    InstanceFace {
        skip_check: one.skip_vip_list_check,
        strict: one.strict,
        answer_stronger: one.answer_stronger,
        promote: one.promote_secondaries,
        accept: one.accept,
        smtp_alert: one.smtp_alert,
        vips: written(&one.vips, &one.vip_options),
        excluded: written(&one.excluded, &one.excluded_options),
        routes: one.routes.iter().map(words::route).collect(),
        rules: one.rules.iter().map(words::rule).collect(),
        notify: notify(&one.notify),
        tracked: tracked(&one.tracked_interfaces, &one.trackers),
    }
}

fn group(group: &conf::SyncGroup) -> GroupFace {
    GroupFace {
        name: group.name.clone(),
        members: group.members.clone(),
        smtp_alert: group.smtp_alert,
        tracked: tracked(&group.interfaces, &group.trackers),
        notify: NotifyFace { priority_changes: group.priority_changes, ..notify(&group.notify) },
    }
}

fn tracked(interfaces: &[conf::TrackedInterface], trackers: &Trackers) -> TrackedFace {
    let list = |tracked: &[Tracked]| {
        tracked.iter().map(|one| (one.name.clone(), signed(one.weight))).collect()
    };
    let interface = |one: &conf::TrackedInterface| {
        let weight = match one.effect {
            base::TrackEffect::FaultWhileBad | base::TrackEffect::FaultWhileGood => 0,
            base::TrackEffect::DeltaWhileGood(delta) | base::TrackEffect::DeltaWhileBad(delta) => {
                i32::from(delta)
            }
        };
        (one.interface.clone(), weight)
    };
    TrackedFace {
        interfaces: interfaces.iter().map(interface).collect(),
        scripts: list(&trackers.scripts),
        files: list(&trackers.files),
        processes: list(&trackers.processes),
    }
}

/// A weight as keepalived keeps it: reversed ones are negated.
fn signed(weight: conf::Weight) -> i32 {
    if weight.reverse { weight.value.saturating_neg() } else { weight.value }
}

fn script(script: &conf::TrackScript) -> ScriptFace {
    ScriptFace {
        name: script.name.clone(),
        command: quoted(&script.command),
        interval: script.interval,
        timeout: script.timeout,
        weight: signed(script.weight),
        rise: script.rise,
        fall: script.fall,
        bad_at_first: script.bad_at_first,
    }
}

fn process(process: &conf::TrackProcess) -> ProcessFace {
    let matching = match (process.matching, process.arguments.is_empty()) {
        (ArgumentMatch::Exact, true) => "none",
        (ArgumentMatch::Exact, false) => "exact",
        (ArgumentMatch::First, _) => "partial",
        (ArgumentMatch::Initial, _) => "initial",
    };
    ProcessFace {
        name: process.name.clone(),
        command: process.command.clone(),
        arguments: process.arguments.clone(),
        matching: matching.into(),
        least: process.least,
        most: process.most,
        weight: signed(process.weight),
        terminate_delay: process.down_delay,
        fork_delay: process.up_delay,
        full_command: process.full_command,
    }
}

fn notify(notify: &conf::Notify) -> NotifyFace {
    let one = |command: &Option<conf::Command>| command.as_ref().map(quoted);
    NotifyFace {
        master: one(&notify.active),
        backup: one(&notify.backup),
        fault: one(&notify.fault),
        stop: one(&notify.stop),
        deleted: one(&notify.deleted),
        any: one(&notify.any),
        weaker: one(&notify.weaker_heard),
        says_deleted: notify.says_deleted || notify.deleted.is_some(),
        priority_changes: notify.priority_changes,
    }
}

/// A command line with every word in quotes; a file to be opened, `</path`, has none.
fn quoted(command: &conf::Command) -> String {
    if command.program().starts_with('<') {
        return command.program().to_owned();
    }
    let words: Vec<String> = command.argv.iter().map(|word| format!("'{word}'")).collect();
    words.join(" ")
}

fn written(vips: &[Vip], options: &[VipOptions]) -> Vec<String> {
    let none = VipOptions::default();
    let options = options.iter().chain(std::iter::repeat(&none));
    vips.iter().zip(options).map(|(vip, options)| vip_words(vip, options)).collect()
}

/// A VIP as dumps write it: the address first, then `dev` and the interface, which is all that
/// exporters look at.
fn vip_words(vip: &Vip, options: &VipOptions) -> String {
    let host = if vip.address.is_ipv4() { 32 } else { 128 };
    let mut text = vip.address.to_string();
    if vip.prefix != host {
        text += &format!("/{}", vip.prefix);
    }
    text += &format!(" dev {} scope {}", vip.interface, vip.scope);
    match vip.broadcast {
        Broadcast::None => {}
        Broadcast::HostBitsSet => text += " brd +",
        Broadcast::HostBitsClear => text += " brd -",
        Broadcast::Address(address) => text += &format!(" brd {address}"),
    }
    if let Some(label) = &vip.label {
        text += &format!(" label {label}");
    }
    if let Some(peer) = options.peer {
        text += &format!(" peer {peer}");
    }
    for (set, word) in [
        (options.home, " home"),
        (!vip.address.is_ipv4() && !vip.flags.no_dad, " -nodad"),
        (options.manage_temporary, " mngtmpaddr"),
        (options.no_prefix_route, " noprefixroute"),
        (options.auto_join, " autojoin"),
        (options.untracked, " no_track"),
    ] {
        if set {
            text += word;
        }
    }
    if !vip.address.is_ipv4() {
        match (vip.flags.deprecated, options.preferred) {
            (true, _) => text += " preferred_lft 0",
            (false, Some(time)) => text += &format!(" preferred_lft {}", time.as_secs()),
            (false, None) => text += " preferred_lft forever",
        }
    }
    text
}
