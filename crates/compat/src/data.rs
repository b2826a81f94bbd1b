//! The dump of state: what instances, groups and trackers are, one `name = value` a line.
//!
//! The order of the lines matters to some who read it: the first line of an instance without `=` is
//! where one exporter stops.

use core::fmt::{Display, Write as _};

use base::{Interval, Preempt, State};
use vrrp::wire::Auth;
use vrrp::{InstanceConfig, Reach};

use crate::NotifyFace;
use crate::sections;
use crate::snapshot::{One, Snapshot};
use crate::words::{choose, moment, seconds, state};

/// The dump.
#[must_use]
pub fn data(snapshot: &Snapshot<'_>) -> String {
    let mut page = snapshot.face.globals.clone();
    page.push_str("------< VRRP Topology >------\n");
    for one in snapshot.instances() {
        instance(&mut Page(&mut page), snapshot, &one);
    }
    sections::write(&mut page, snapshot);
    page
}

fn instance(page: &mut Page<'_>, snapshot: &Snapshot<'_>, one: &One<'_>) {
    let One { config, face, status, .. } = one;
    let _ = writeln!(page.0, " VRRP Instance = {}", config.name);
    page.line("VRRP Version", choose(matches!(config.interval, Interval::V2(_)), "2", "3"));
    if config.family == base::Family::V6 {
        page.text("Using Native IPv6");
    }
    if let Some(group) = &config.group {
        page.line("Sync group", group);
    }
    page.line("State", state(status));
    flags(page, one);
    page.line("Wantstate", state(status));
    if status.state == State::Backup
        && let Some(peer) = &status.peer
    {
        page.line("Master router", peer.source);
        page.line("Master priority", peer.priority);
    }
    page.line("Last transition", moment(snapshot.wall_of(status.since)));
    if let Some(deadline) = status.deadline {
        page.line("Read timeout", moment(snapshot.wall_of(deadline)));
    }
    page.line("Master down timer", format!("{} usecs", status.active_down_interval.as_micros()));
    if let Some(interface) = &config.interface {
        page.line("Interface", interface);
    }
    if !config.track_own_interface {
        page.text("VRRP interface tracking disabled");
    }
    if let Some(source) = status.source {
        let given = choose(config.source.is_some(), " (from configuration)", "");
        page.line("Using src_ip", format!("{source}{given}"));
    }
    if let Reach::Multicast { group } = &config.reach {
        page.text(&format!("Multicast address {group}"));
    }
    announcing(page, one);
    page.line("Virtual Router ID", config.vrid);
    page.line("Priority", config.priority);
    page.line("Effective priority", status.priority);
    page.line("Total priority", status.priority);
    page.line("Advert interval", interval(config.interval));
    if status.state == State::Backup && status.active_interval != status.interval {
        let active = status.active_interval.as_millis();
        page.line("Master advert interval", format!("{active} milli-sec"));
    }
    page.line("Accept", choose(face.accept, "enabled", "disabled"));
    page.line("Preempt", choose(config.preempt == Preempt::Never, "disabled", "enabled"));
    if let Preempt::After(delay) = config.preempt
        && !delay.is_zero()
    {
        page.line("Preempt delay", format!("{} secs", seconds(delay)));
    }
    page.line("Promote_secondaries", choose(face.promote, "enabled", "disabled"));
    if let Auth::Pass(_) = config.auth {
        page.line("Authentication type", "SIMPLE_PASSWORD");
        page.line("Password", "********");
    }
    addresses(page, one);
    reach(page, config);
    page.tracked(&face.tracked);
    page.line("Using smtp notification", choose(face.smtp_alert, "yes", "no"));
    page.line("Notify deleted", choose(face.notify.says_deleted, "Deleted", "Fault"));
    page.notify(&face.notify);
    page.line("Notify priority changes", face.notify.priority_changes);
}

fn flags(page: &mut Page<'_>, one: &One<'_>) {
    let unicast = matches!(one.config.reach, Reach::Unicast { .. });
    let flags = [
        (one.face.strict, "Strict mode"),
        (unicast, "Using unicast"),
        (one.face.skip_check, "Skip check advert addresses"),
        (one.config.preempt == Preempt::Never, "No preempt"),
    ];
    let set: Vec<&str> = flags.into_iter().filter_map(|(set, word)| set.then_some(word)).collect();
    if set.is_empty() {
        return page.text("Flags: none");
    }
    page.text("Flags:");
    for word in set {
        page.item(word);
    }
}

fn announcing(page: &mut Page<'_>, one: &One<'_>) {
    let burst = &one.config.burst;
    page.line("Gratuitous ARP delay", seconds(burst.delay));
    page.line("Gratuitous ARP repeat", burst.repeat);
    page.line("Gratuitous ARP refresh", seconds(burst.refresh));
    page.line("Gratuitous ARP refresh repeat", burst.refresh_repeat);
    page.line("Gratuitous ARP lower priority delay", seconds(burst.lower_prio_delay));
    page.line("Gratuitous ARP lower priority repeat", burst.lower_prio_repeat);
    page.line("Down timer adverts", one.config.missed_adverts);
    let answers = one.config.answer_rivals;
    page.line("Send advert after receive lower priority advert", answers);
    page.line("Send advert after receive higher priority advert", one.face.answer_stronger);
}

fn addresses(page: &mut Page<'_>, one: &One<'_>) {
    let list = |page: &mut Page<'_>, vips: &[base::Vip], words: &[String]| {
        for (vip, words) in vips.iter().zip(words) {
            let set = one.status.present.contains(&vip.address);
            page.item(&format!("{words}{}", choose(set, " set", "")));
        }
    };
    if !one.config.vips.is_empty() {
        page.text(&format!("Virtual IP ({}):", one.config.vips.len()));
        list(page, &one.config.vips, &one.face.vips);
    }
    if !one.config.excluded.is_empty() {
        page.text("Virtual IP Excluded :");
        list(page, &one.config.excluded, &one.face.excluded);
    }
    page.list("Virtual Routes", &one.face.routes);
    page.list("Virtual Rules", &one.face.rules);
}

fn reach(page: &mut Page<'_>, config: &InstanceConfig) {
    let Reach::Unicast { peers, ttl, check_source } = &config.reach else { return };
    page.line("Unicast TTL", ttl);
    page.text(&format!("Check unicast src : {}", choose(*check_source, "yes", "no")));
    page.text("Unicast Peer :");
    for peer in peers {
        let (least, most) = (peer.min_ttl, peer.max_ttl);
        page.item(&format!("{} min_ttl {least} max_ttl {most}", peer.address));
    }
}

fn interval(interval: Interval) -> String {
    match interval {
        Interval::V2(seconds) => format!("{seconds} sec"),
        Interval::V3(centis) => format!("{} milli-sec", centis.as_duration().as_millis()),
    }
}

/// A page that lines are added to.
pub(crate) struct Page<'a>(pub(crate) &'a mut String);

impl Page<'_> {
    pub(crate) fn line(&mut self, name: &str, value: impl Display) {
        let _ = writeln!(self.0, "   {name} = {value}");
    }

    pub(crate) fn text(&mut self, text: &str) {
        let _ = writeln!(self.0, "   {text}");
    }

    pub(crate) fn item(&mut self, text: &str) {
        let _ = writeln!(self.0, "     {text}");
    }

    pub(crate) fn list(&mut self, name: &str, items: &[String]) {
        if !items.is_empty() {
            self.text(&format!("{name} :"));
            for item in items {
                self.item(item);
            }
        }
    }

    /// What something tracks.
    pub(crate) fn tracked(&mut self, tracked: &crate::TrackedFace) {
        let with = |list: &[(base::Name, i32)], between: &str| -> Vec<String> {
            list.iter().map(|(name, weight)| format!("{name}{between}weight {weight}")).collect()
        };
        self.list("Tracked interfaces", &with(&tracked.interfaces, " "));
        self.list("Tracked scripts", &with(&tracked.scripts, " "));
        self.list("Tracked files", &with(&tracked.files, ", "));
        self.list("Tracked processes", &with(&tracked.processes, ", "));
    }

    /// Who is told.
    pub(crate) fn notify(&mut self, notify: &NotifyFace) {
        for (what, script) in [
            ("Backup state transition", &notify.backup),
            ("Master state transition", &notify.master),
            ("Fault state transition", &notify.fault),
            ("Stop state transition", &notify.stop),
            ("Deleted", &notify.deleted),
            ("Generic state transition", &notify.any),
            ("Master rx lower priority", &notify.weaker),
        ] {
            if let Some(script) = script {
                self.line(&format!("{what} script"), script);
            }
        }
    }
}
