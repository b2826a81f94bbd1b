//! The dump as JSON, in both of keepalived's forms: a list of instances; an object of that list and
//! of the processes that are tracked.

use core::time::Duration;

use base::{Name, Preempt, State, TrackerKind, Verdict, Version};
use serde::Serialize;
use serde_json::{Number, Value};
use vrrp::wire::Auth;

use crate::snapshot::{One, Snapshot};
use crate::stats::Stats;
use crate::words::{seconds, state_number};
use crate::{Face, ProcessFace};

/// The dump, in the form the configuration asks for.
#[must_use]
pub fn json(snapshot: &Snapshot<'_>) -> String {
    let vrrp: Vec<Element> = snapshot
        .instances()
        .map(|one| Element { data: data(snapshot, &one), stats: one.stats })
        .collect();
    let text = if snapshot.face.json_version == 2 {
        let processes = snapshot.face.processes.iter();
        let track_process = processes.map(|one| process(snapshot, one)).collect();
        serde_json::to_string(&Version2 { vrrp, track_process })
    } else {
        serde_json::to_string(&vrrp)
    };
    // Numbers, words and lists of them always have a form.
    text.unwrap_or_default()
}

#[derive(Serialize)]
struct Version2 {
    vrrp: Vec<Element>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    track_process: Vec<Process>,
}

#[derive(Serialize)]
struct Element {
    data: Data,
    stats: Stats,
}

/// In keepalived's order, which some read it by.
#[derive(Serialize)]
struct Data {
    iname: Name,
    dont_track_primary: u8,
    skip_check_adv_addr: u8,
    strict_mode: u8,
    vmac_ifname: String,
    ifp_ifname: String,
    master_priority: u8,
    last_transition: Value,
    garp_delay: u64,
    garp_refresh: u64,
    garp_rep: u32,
    garp_refresh_rep: u32,
    garp_lower_prio_delay: u64,
    garp_lower_prio_rep: u32,
    lower_prio_no_advert: u8,
    higher_prio_send_advert: u8,
    vrid: u8,
    base_priority: u8,
    effective_priority: u8,
    vipset: bool,
    promote_secondaries: bool,
    adver_int: Value,
    master_adver_int: Value,
    accept: u8,
    nopreempt: bool,
    preempt_delay: u64,
    state: u8,
    wantstate: u8,
    version: u8,
    smtp_alert: bool,
    notify_deleted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    script_backup: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script_master: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script_fault: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script_stop: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script_deleted: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script_master_rx_lower_pri: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vips: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    evips: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vroutes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vrules: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    track_ifp: Vec<Name>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    track_script: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    track_process: Vec<Name>,
    auth_type: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_data: Option<&'static str>,
}

fn data(snapshot: &Snapshot<'_>, one: &One<'_>) -> Data {
    let One { config, face, status, .. } = one;
    let (burst, notify) = (&config.burst, &face.notify);
    let flag = u8::from;
    let listed = |vips: &[base::Vip], words: &[String]| -> Vec<String> {
        let word = |(vip, words): (&base::Vip, &String)| {
            let set = status.present.contains(&vip.address);
            format!("{words}{}", if set { " set" } else { "" })
        };
        vips.iter().zip(words).map(word).collect()
    };
    let pass = matches!(config.auth, Auth::Pass(_));
    Data {
        iname: config.name.clone(),
        dont_track_primary: flag(!config.track_own_interface),
        skip_check_adv_addr: flag(face.skip_check),
        strict_mode: flag(face.strict),
        vmac_ifname: String::new(),
        ifp_ifname: config.interface.as_deref().unwrap_or_default().to_owned(),
        master_priority: match (status.state, &status.peer) {
            (State::Backup, Some(peer)) => peer.priority.get(),
            _ => 0,
        },
        last_transition: number(micros(snapshot.wall_of(status.since))),
        garp_delay: seconds(burst.delay),
        garp_refresh: seconds(burst.refresh),
        garp_rep: burst.repeat,
        garp_refresh_rep: burst.refresh_repeat,
        garp_lower_prio_delay: seconds(burst.lower_prio_delay),
        garp_lower_prio_rep: burst.lower_prio_repeat,
        lower_prio_no_advert: flag(!config.answer_rivals),
        higher_prio_send_advert: flag(face.answer_stronger),
        vrid: config.vrid.get(),
        base_priority: config.priority.get(),
        effective_priority: status.priority.get(),
        vipset: !status.present.is_empty(),
        promote_secondaries: face.promote,
        adver_int: number(status.interval),
        master_adver_int: number(status.active_interval),
        accept: flag(face.accept),
        nopreempt: config.preempt == Preempt::Never,
        preempt_delay: match config.preempt {
            Preempt::After(delay) => seconds(delay),
            Preempt::Never => 0,
        },
        state: state_number(status),
        wantstate: state_number(status),
        version: match status.version {
            Version::V2 => 2,
            Version::V3 => 3,
        },
        smtp_alert: face.smtp_alert,
        notify_deleted: notify.says_deleted,
        script_backup: notify.backup.clone(),
        script_master: notify.master.clone(),
        script_fault: notify.fault.clone(),
        script_stop: notify.stop.clone(),
        script_deleted: notify.deleted.clone(),
        script: notify.any.clone(),
        script_master_rx_lower_pri: notify.weaker.clone(),
        vips: listed(&config.vips, &face.vips),
        evips: listed(&config.excluded, &face.excluded),
        vroutes: face.routes.clone(),
        vrules: face.rules.clone(),
        track_ifp: face.tracked.interfaces.iter().map(|(name, _)| name.clone()).collect(),
        track_script: scripts(snapshot.face, &face.tracked.scripts),
        track_process: face.tracked.processes.iter().map(|(name, _)| name.clone()).collect(),
        auth_type: flag(pass),
        auth_data: pass.then_some("********"),
    }
}

/// Scripts are told by their command lines.
fn scripts(face: &Face, tracked: &[(Name, i32)]) -> Vec<String> {
    let command = |(name, _): &(Name, i32)| {
        face.scripts.iter().find(|script| script.name == *name).map(|script| script.command.clone())
    };
    tracked.iter().filter_map(command).collect()
}

#[derive(Serialize)]
struct Process {
    process: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    parameters: String,
    param_match: String,
    min_processes: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_processes: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_processes: Option<u32>,
    have_quorum: bool,
    weight: i32,
    terminate_delay: Value,
    fork_delay: Value,
    full_command: bool,
}

fn process(snapshot: &Snapshot<'_>, one: &ProcessFace) -> Process {
    Process {
        process: one.name.to_string(),
        parameters: one.arguments.join(" "),
        param_match: one.matching.clone(),
        min_processes: one.least,
        max_processes: one.most,
        current_processes: snapshot.standing.processes.get(&one.name).copied(),
        have_quorum: snapshot.verdict(TrackerKind::Process, &one.name) == Verdict::Good,
        weight: one.weight,
        terminate_delay: number(one.terminate_delay),
        fork_delay: number(one.fork_delay),
        full_command: one.full_command,
    }
}

fn micros(span: Duration) -> Duration {
    Duration::new(span.as_secs(), span.subsec_micros() * 1000)
}

/// Seconds: whole ones without a point, which some readers insist on.
fn number(span: Duration) -> Value {
    if span.subsec_nanos() == 0 {
        return Value::Number(span.as_secs().into());
    }
    Number::from_f64(span.as_secs_f64()).map_or(Value::Null, Value::Number)
}
