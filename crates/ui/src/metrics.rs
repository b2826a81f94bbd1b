//! Metrics: the status as a page of Prometheus or OpenMetrics text.
//!
//! There is no other source than [`Status`], so a metric can say nothing that `mainstay status` does
//! not, and the daemon pays for a page only when somebody asks for one. Every family is declared once,
//! in [`FAMILIES`]; `docs/metrics.md` is held against that list by a test. Names are a promise like
//! the fields of the status: they may be added to, not renamed.

use core::fmt::{Display, Write as _};
use std::collections::BTreeMap;

use base::State;

use crate::protocol::{InstanceReport, LeasesReport, Status};

/// How the page is written. The two differ in where a counter's `_total` is said, and in the end mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Prometheus' text format 0.0.4: what node_exporter's textfile collector reads.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

/// What a family's numbers are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// They come and go.
    Gauge,
    /// They only grow, and begin at zero with the role that counts them.
    Counter,
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
        }
    }
}

/// One family of samples.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Its name; samples of a counter add `_total`.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The labels of its samples, in their order.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

impl Family {
    /// The name its samples have.
    #[must_use]
    pub fn sample_name(&self) -> String {
        match self.kind {
            Kind::Gauge => self.name.into(),
            Kind::Counter => format!("{}_total", self.name),
        }
    }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: Kind::Gauge, labels, help }
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family { name, kind: Kind::Counter, labels, help }
}

/// Not `instance`: that is the name Prometheus gives to where a sample comes from.
const INSTANCE: &[&str] = &["vrrp_instance"];

/// All there are, in the order of the page.
pub const FAMILIES: &[Family] = &[
    gauge(
        "mainstay_build_info",
        &["version", "node"],
        "Always 1; what runs, and how the node calls itself.",
    ),
    gauge(
        "mainstay_uptime_seconds",
        &[],
        "Since the daemon started; an upgrade does not begin it anew.",
    ),
    gauge(
        "mainstay_config_refused",
        &[],
        "1 while the last reload was refused and an older configuration is in force.",
    ),
    counter(
        "mainstay_packets_received",
        &[],
        "VRRP packets that arrived, whatever became of them.",
    ),
    counter(
        "mainstay_packets_refused",
        &["cause"],
        "VRRP packets refused that no instance was there for.",
    ),
    counter(
        "mainstay_flood_alarms",
        &[],
        "Sources found to send more than a whole group has reason to.",
    ),
    counter(
        "mainstay_socket_drops",
        &["socket"],
        "Packets the kernel dropped since a socket of ours was full.",
    ),
    counter("mainstay_socket_errors", &["socket"], "System calls on a kind of socket that failed."),
    counter(
        "mainstay_netlink_overruns",
        &[],
        "Times the kernel told more than there was room for, and everything was asked anew.",
    ),
    counter(
        "mainstay_events_dropped",
        &[],
        "Events that control was too slow to take from the engine.",
    ),
    counter(
        "mainstay_neighbour_claims",
        &[],
        "Frames seen in which somebody claims an address that is held here.",
    ),
    counter("mainstay_timer_wakes", &[], "Deadlines the engine woke for."),
    counter(
        "mainstay_timer_late",
        &["beyond"],
        "Of them, those it noticed so many seconds late or more.",
    ),
    gauge("mainstay_timer_latest_seconds", &[], "The latest it ever was."),
    counter(
        "mainstay_real_time_limit_hits",
        &[],
        "Turns of the engine that took longer than a real-time thread may.",
    ),
    counter(
        "mainstay_notices_refused",
        &[],
        "Words about planned moves that were for nobody here, or were not believed.",
    ),
    counter(
        "mainstay_bfd_packets_refused",
        &["cause"],
        "BFD packets refused; no sample where none was.",
    ),
    gauge(
        "mainstay_lease_table_state",
        &["state"],
        "1 for the state the kernel's table of leases is in, 0 for the others.",
    ),
    gauge("mainstay_lease_listed", &[], "VIPs and virtual MACs in that table."),
    gauge("mainstay_lease_covered_interfaces", &[], "Interfaces that table looks at."),
    counter(
        "mainstay_lease_table_rebuilt",
        &[],
        "Times it was found removed, and put back in time.",
    ),
    gauge(
        "mainstay_lease_holders",
        &["length"],
        "Instances under the lease of this length (seconds).",
    ),
    gauge("mainstay_lease_left_seconds", &["length"], "What is left of it; 0 when it has ended."),
    counter("mainstay_lease_renewals", &["length"], "Successful renewals."),
    counter("mainstay_lease_lapses", &["length"], "Times it ended while somebody held."),
    gauge(
        "mainstay_lease_smallest_margin_seconds",
        &["length"],
        "What was left at the renewal that came closest to being too late.",
    ),
    gauge(
        "mainstay_instance_info",
        &["vrrp_instance", "interface", "vrid", "family", "version"],
        "Always 1; what an instance is.",
    ),
    gauge(
        "mainstay_instance_state",
        &["vrrp_instance", "state"],
        "1 for the state an instance is in, 0 for the others.",
    ),
    gauge("mainstay_instance_in_state_seconds", INSTANCE, "Since it came into that state."),
    counter(
        "mainstay_instance_transitions",
        &["vrrp_instance", "to"],
        "Changes of state, by the state they led to.",
    ),
    gauge("mainstay_instance_fault", INSTANCE, "1 while it cannot take part."),
    gauge(
        "mainstay_instance_vip_missing",
        INSTANCE,
        "1 while the kernel refuses one of its VIPs and it stands back.",
    ),
    gauge("mainstay_instance_priority", INSTANCE, "Priority after trackers."),
    gauge("mainstay_instance_base_priority", INSTANCE, "Configured priority."),
    gauge("mainstay_instance_interval_seconds", INSTANCE, "Its own advertisement interval."),
    gauge("mainstay_instance_active_interval_seconds", INSTANCE, "The holder's."),
    gauge("mainstay_instance_active_down_seconds", INSTANCE, "How long the holder may be silent."),
    counter("mainstay_instance_adverts_sent", INSTANCE, "Adverts sent, one for all peers."),
    counter("mainstay_instance_adverts_received", INSTANCE, "Valid adverts received."),
    counter("mainstay_instance_resignations_sent", INSTANCE, "Adverts of priority 0 sent."),
    counter("mainstay_instance_resignations_received", INSTANCE, "Adverts of priority 0 received."),
    counter(
        "mainstay_instance_unsigned_received",
        INSTANCE,
        "Unsigned adverts believed although signatures are configured.",
    ),
    counter("mainstay_instance_packets_refused", &["vrrp_instance", "cause"], "Packets refused."),
    gauge("mainstay_instance_two_holders", INSTANCE, "1 while a second holder is seen."),
    gauge("mainstay_instance_vips", INSTANCE, "VIPs configured."),
    gauge("mainstay_instance_vips_present", INSTANCE, "VIPs held that the kernel has."),
    gauge(
        "mainstay_instance_silenced",
        INSTANCE,
        "1 while its lease has ended, so that nothing of it is heard.",
    ),
    gauge(
        "mainstay_instance_lease_length_seconds",
        INSTANCE,
        "Its lease; no sample where it wants none.",
    ),
    gauge(
        "mainstay_instance_lease_excess_seconds",
        INSTANCE,
        "For how long a frozen node may be heard after a peer has taken over; 0 is the promise.",
    ),
    gauge(
        "mainstay_instance_peer_priority",
        INSTANCE,
        "Priority of the node last heard; no sample if none was.",
    ),
    gauge("mainstay_instance_peer_heard_seconds", INSTANCE, "Since it was heard."),
    gauge(
        "mainstay_instance_scripts_waiting",
        INSTANCE,
        "Scripts waiting for their turn, the running one included.",
    ),
];

/// What the engine counts, by its name in the status: the family it goes to, and its label's value.
const COUNTS: &[(&str, &str, Option<&str>)] = &[
    ("packets-received", "mainstay_packets_received", None),
    ("flood-alarms", "mainstay_flood_alarms", None),
    ("adverts-dropped", "mainstay_socket_drops", Some("adverts")),
    ("neighbour-claims-dropped", "mainstay_socket_drops", Some("neighbours")),
    ("advert-send-errors", "mainstay_socket_errors", Some("advert-send")),
    ("advert-receive-errors", "mainstay_socket_errors", Some("advert-receive")),
    ("announcement-send-errors", "mainstay_socket_errors", Some("announcement-send")),
    ("socket-open-errors", "mainstay_socket_errors", Some("open")),
    ("neighbour-watch-errors", "mainstay_socket_errors", Some("neighbours")),
    ("bfd-open-errors", "mainstay_socket_errors", Some("bfd-open")),
    ("bfd-send-errors", "mainstay_socket_errors", Some("bfd-send")),
    ("bfd-receive-errors", "mainstay_socket_errors", Some("bfd-receive")),
    ("notice-open-errors", "mainstay_socket_errors", Some("notice-open")),
    ("notice-errors", "mainstay_socket_errors", Some("notice")),
    ("notices-refused", "mainstay_notices_refused", None),
    ("real-time-limit-hit", "mainstay_real_time_limit_hits", None),
    ("netlink-overruns", "mainstay_netlink_overruns", None),
    ("events-dropped", "mainstay_events_dropped", None),
    ("neighbour-claims-heard", "mainstay_neighbour_claims", None),
    ("timer-wakes", "mainstay_timer_wakes", None),
    ("timer-later-than-1-ms", "mainstay_timer_late", Some("0.001")),
    ("timer-later-than-10-ms", "mainstay_timer_late", Some("0.01")),
];

/// The engine's count that is a time, in microseconds.
const LATEST: &str = "timer-latest-us";

/// What counts of BFD packets that were refused begin with; the cause follows.
const BFD_REFUSED: &str = "bfd-refused-";

/// Whether a count of [`Status::engine`] has its metric.
#[must_use]
pub fn knows(count: &str) -> bool {
    count == LATEST
        || count.starts_with(BFD_REFUSED)
        || COUNTS.iter().any(|(name, ..)| *name == count)
}

/// The page.
#[must_use]
pub fn page(status: &Status, format: Format) -> String {
    let mut samples = Samples::default();
    node(&mut samples, status);
    leases(&mut samples, &status.leases);
    for one in &status.instances {
        instance(&mut samples, one);
    }
    samples.page(format)
}

/// The samples of each family, ready to print.
#[derive(Default)]
struct Samples(BTreeMap<&'static str, Vec<(String, String)>>);

impl Samples {
    /// One sample: the values of its labels in their order, and its own.
    fn put(&mut self, name: &'static str, values: &[&str], value: impl Display) {
        let family = FAMILIES.iter().find(|family| family.name == name);
        let labels = family.map(|family| family.labels).unwrap_or_default();
        let pairs: Vec<String> =
            labels.iter().zip(values).map(|(l, v)| format!("{l}=\"{}\"", escaped(v))).collect();
        let labels =
            if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) };
        self.0.entry(name).or_default().push((labels, value.to_string()));
    }

    fn page(&self, format: Format) -> String {
        let mut page = String::new();
        for family in FAMILIES {
            let sample = family.sample_name();
            let name = match format {
                Format::Prometheus => &*sample,
                Format::OpenMetrics => family.name,
            };
            let _ = writeln!(page, "# HELP {name} {}", family.help);
            let _ = writeln!(page, "# TYPE {name} {}", family.kind.word());
            if format == Format::OpenMetrics && family.name.ends_with("_seconds") {
                let _ = writeln!(page, "# UNIT {name} seconds");
            }
            for (labels, value) in self.0.get(family.name).into_iter().flatten() {
                let _ = writeln!(page, "{sample}{labels} {value}");
            }
        }
        if format == Format::OpenMetrics {
            page.push_str("# EOF\n");
        }
        page
    }
}

fn node(samples: &mut Samples, status: &Status) {
    samples.put("mainstay_build_info", &[&status.version, &status.node], 1);
    samples.put("mainstay_uptime_seconds", &[], status.uptime_s);
    samples.put("mainstay_config_refused", &[], u8::from(status.config_refused.is_some()));
    for (cause, count) in &status.discards {
        samples.put("mainstay_packets_refused", &[cause], count);
    }
    for (count, family, label) in COUNTS {
        if let Some(number) = status.engine.get(*count) {
            samples.put(family, label.as_slice(), number);
        }
    }
    for (count, number) in &status.engine {
        if let Some(cause) = count.strip_prefix(BFD_REFUSED) {
            samples.put("mainstay_bfd_packets_refused", &[cause], number);
        }
    }
    if let Some(micros) = status.engine.get(LATEST) {
        samples.put("mainstay_timer_latest_seconds", &[], seconds(*micros, 6));
    }
}

fn leases(samples: &mut Samples, report: &LeasesReport) {
    for state in ["unused", "building", "ready", "unavailable"] {
        samples.put("mainstay_lease_table_state", &[state], u8::from(report.state == state));
    }
    samples.put("mainstay_lease_listed", &[], report.listed);
    samples.put("mainstay_lease_covered_interfaces", &[], report.covered.len());
    samples.put("mainstay_lease_table_rebuilt", &[], report.rebuilt);
    for class in &report.classes {
        let length = seconds(class.length_ms, 3);
        let labels = [&*length];
        samples.put("mainstay_lease_holders", &labels, class.holders);
        let left = seconds(class.left_ms.unwrap_or(0), 3);
        samples.put("mainstay_lease_left_seconds", &labels, left);
        samples.put("mainstay_lease_renewals", &labels, class.renewals);
        samples.put("mainstay_lease_lapses", &labels, class.lapses);
        if let Some(margin) = class.smallest_margin_ms {
            samples.put("mainstay_lease_smallest_margin_seconds", &labels, seconds(margin, 3));
        }
    }
}

fn instance(samples: &mut Samples, report: &InstanceReport) {
    let name = &*report.name;
    let here = [name];
    let interface = report.interface.as_deref().unwrap_or_default();
    let about = [
        name,
        interface,
        &report.vrid.to_string(),
        &report.family.to_string(),
        &report.version.to_string(),
    ];
    samples.put("mainstay_instance_info", &about, 1);
    for state in [State::Initialize, State::Backup, State::Active] {
        let word = state.to_string();
        let is = u8::from(report.state == state);
        samples.put("mainstay_instance_state", &[name, &word], is);
        let became = format!("became-{}", word.to_lowercase());
        if let Some(count) = report.traffic.get(&became) {
            samples.put("mainstay_instance_transitions", &[name, &word], count);
        }
    }
    samples.put("mainstay_instance_in_state_seconds", &here, report.since_s);
    samples.put("mainstay_instance_fault", &here, u8::from(report.fault.is_some()));
    samples.put("mainstay_instance_vip_missing", &here, u8::from(report.missing.is_some()));
    samples.put("mainstay_instance_priority", &here, report.priority);
    samples.put("mainstay_instance_base_priority", &here, report.base_priority);
    let millis = [
        ("mainstay_instance_interval_seconds", report.interval_ms),
        ("mainstay_instance_active_interval_seconds", report.active_interval_ms),
    ];
    for (family, millis) in millis {
        samples.put(family, &here, seconds(millis, 3));
    }
    #[allow(clippy::float_arithmetic, reason = "what is shown is a float already")]
    let down = report.active_down_ms / 1000.0;
    samples.put("mainstay_instance_active_down_seconds", &here, down);
    let traffic = [
        ("adverts-sent", "mainstay_instance_adverts_sent"),
        ("adverts-received", "mainstay_instance_adverts_received"),
        ("priority-zero-sent", "mainstay_instance_resignations_sent"),
        ("priority-zero-received", "mainstay_instance_resignations_received"),
        ("unsigned-received", "mainstay_instance_unsigned_received"),
    ];
    for (count, family) in traffic {
        if let Some(number) = report.traffic.get(count) {
            samples.put(family, &here, number);
        }
    }
    for (cause, count) in &report.discards {
        samples.put("mainstay_instance_packets_refused", &[name, cause], count);
    }
    samples.put("mainstay_instance_two_holders", &here, u8::from(report.rival.is_some()));
    samples.put("mainstay_instance_vips", &here, report.vips.len());
    let present = report.vips.iter().filter(|vip| vip.present).count();
    samples.put("mainstay_instance_vips_present", &here, present);
    let silenced = report.lease.as_ref().is_some_and(|lease| lease.silenced);
    samples.put("mainstay_instance_silenced", &here, u8::from(silenced));
    if let Some(lease) = &report.lease {
        let (length, excess) = (seconds(lease.length_ms, 3), seconds(lease.excess_ms, 3));
        samples.put("mainstay_instance_lease_length_seconds", &here, length);
        samples.put("mainstay_instance_lease_excess_seconds", &here, excess);
    }
    if let Some(peer) = &report.peer {
        samples.put("mainstay_instance_peer_priority", &here, peer.priority);
        samples.put("mainstay_instance_peer_heard_seconds", &here, peer.heard_s);
    }
    samples.put("mainstay_instance_scripts_waiting", &here, report.scripts_waiting);
}

/// A whole number of thousandths (or millionths) of a second, in seconds, without a float.
fn seconds(number: u64, digits: usize) -> String {
    let text = format!("{number:0width$}", width = digits + 1);
    let (whole, part) = text.split_at(text.len() - digits);
    match part.trim_end_matches('0') {
        "" => whole.into(),
        part => format!("{whole}.{part}"),
    }
}

/// A label's value as both formats want it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
