//! The page of metrics, read by a parser of its own; and `docs/metrics.md`, held against the list.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base::{Family, Rival, State};
use ui::metrics::{FAMILIES, Format, Kind, page};
use ui::protocol::{
    InstanceLease, InstanceReport, LeaseReport, LeasesReport, PeerReport, RivalReport, Status,
    VipReport,
};

/// A sample: its name, its labels, its value.
#[derive(Clone, PartialEq, Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// What a page says.
#[derive(Debug, Default)]
struct Parsed {
    types: BTreeMap<String, String>,
    helps: BTreeMap<String, String>,
    samples: Vec<Sample>,
    ended: bool,
}

/// Reads a page as strictly as OpenMetrics 1.0 §"ABNF" and Prometheus 0.0.4 have it in common.
fn parse(text: &str) -> Result<Parsed, String> {
    let mut parsed = Parsed::default();
    assert!(text.ends_with('\n') && !text.contains('\r'));
    for line in text.lines() {
        if parsed.ended {
            return Err(format!("after the end: {line}"));
        }
        if line == "# EOF" {
            parsed.ended = true;
        } else if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (word, name, text) = (words.next(), words.next(), words.next());
            let (Some(word), Some(name), Some(text)) = (word, name, text) else {
                return Err(format!("not metadata: {line}"));
            };
            check_name(name)?;
            let into = match word {
                "TYPE" => &mut parsed.types,
                "HELP" => &mut parsed.helps,
                "UNIT" if name.ends_with(&format!("_{text}")) => continue,
                _ => return Err(format!("not metadata: {line}")),
            };
            if into.insert(name.into(), text.into()).is_some() {
                return Err(format!("twice: {line}"));
            }
        } else {
            parsed.samples.push(sample(line)?);
        }
    }
    Ok(parsed)
}

fn check_name(name: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if first && name.chars().all(good) { Ok(()) } else { Err(format!("not a name: {name}")) }
}

fn sample(line: &str) -> Result<Sample, String> {
    let end = line.find(['{', ' ']).ok_or(format!("no value: {line}"))?;
    let name = &line[..end];
    check_name(name)?;
    let mut rest = &line[end..];
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, after) = rest.split_once("=\"").ok_or(format!("no label: {line}"))?;
            check_name(label)?;
            let (value, after) = quoted(after).ok_or(format!("open quote: {line}"))?;
            if labels.insert(label.to_string(), value).is_some() {
                return Err(format!("a label twice: {line}"));
            }
            match after.chars().next() {
                Some(',') => rest = &after[1..],
                Some('}') => {
                    rest = &after[1..];
                    break;
                }
                _ => return Err(format!("labels do not end: {line}")),
            }
        }
    }
    let value = rest.strip_prefix(' ').ok_or(format!("no value: {line}"))?;
    let value = value.parse().map_err(|_| format!("not a number: {line}"))?;
    Ok(Sample { name: name.into(), labels, value })
}

/// What is quoted, and what comes behind the quote.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                c @ ('\\' | '"') => c,
                _ => return None,
            }),
            c => value.push(c),
        }
    }
    None
}

/// A status in which everything is there that can be.
fn status() -> Status {
    let counts = |names: &[&str]| (1..).zip(names).map(|(n, name)| (name.to_string(), n)).collect();
    let vip = |last: u8, present| VipReport {
        address: [192, 0, 2, last].into(),
        prefix: 24,
        interface: "eth0".into(),
        present,
    };
    let instance = InstanceReport {
        ready: Vec::new(),
        stays_back: None,
        missing: None,
        vmacs: Vec::new(),
        name: "VI \"1\"\\\n".into(),
        interface: Some("eth0".into()),
        vrid: 51,
        family: Family::V4,
        version: 3,
        state: State::Active,
        fault: None,
        since_s: 12.5,
        because: None,
        why: None,
        base_priority: 100,
        priority: 90,
        source: None,
        interval_ms: 200,
        active_interval_ms: 1000,
        active_down_ms: 3609.375,
        peer: Some(PeerReport {
            source: [192, 0, 2, 2].into(),
            priority: 50,
            interval_ms: 1000,
            heard_s: 0.25,
        }),
        vips: vec![vip(10, true), vip(11, false)],
        auth_hmac: None,
        rival: Some(RivalReport {
            rival: Rival::default(),
            first_s: 1.0,
            last_s: 0.5,
            because: None,
        }),
        lease: Some(InstanceLease { length_ms: 666, excess_ms: 0, silenced: false }),
        traffic: counts(&[
            "adverts-sent",
            "adverts-received",
            "priority-zero-sent",
            "priority-zero-received",
            "unsigned-received",
            "became-active",
            "became-backup",
            "became-initialize",
        ]),
        discards: counts(&["checksum-errors", "ip-ttl-errors"]),
        scripts: Vec::new(),
        scripts_waiting: 3,
    };
    let second = InstanceReport {
        name: "VI_2".into(),
        state: State::Initialize,
        fault: Some("no carrier".into()),
        lease: None,
        peer: None,
        rival: None,
        ..instance.clone()
    };
    Status {
        bfd: Vec::new(),
        groups: Vec::new(),
        trackers: Vec::new(),
        mail: None,
        version: "0.1.0".into(),
        pid: 1,
        node: "a".into(),
        config_file: "/etc/mainstay.conf".into(),
        config_refused: Some("line 3".into()),
        uptime_s: 17.25,
        instances: vec![instance, second],
        discards: counts(&["vrid-errors"]),
        engine: counts(&[
            "packets-received",
            "flood-alarms",
            "events-dropped",
            "netlink-overruns",
            "timer-wakes",
            "timer-later-than-1-ms",
            "timer-later-than-10-ms",
            "timer-latest-us",
            "advert-send-errors",
            "advert-receive-errors",
            "announcement-send-errors",
            "socket-open-errors",
            "adverts-dropped",
            "neighbour-claims-heard",
            "neighbour-claims-dropped",
            "neighbour-watch-errors",
            "bfd-open-errors",
            "bfd-send-errors",
            "bfd-receive-errors",
            "bfd-refused-ttl",
            "notice-open-errors",
            "notice-errors",
            "notices-refused",
            "real-time-limit-hit",
        ]),
        leases: LeasesReport {
            state: "ready".into(),
            why: None,
            classes: vec![LeaseReport {
                length_ms: 666,
                left_ms: Some(500),
                holders: 1,
                renewals: 99,
                lapses: 1,
                smallest_margin_ms: Some(3),
            }],
            listed: 2,
            covered: vec!["eth0".into()],
            rebuilt: 1,
        },
    }
}

fn find<'a>(parsed: &'a Parsed, name: &str, labels: &[(&str, &str)]) -> Vec<&'a Sample> {
    let fits = |sample: &&Sample| {
        let label = |(l, v): &(&str, &str)| sample.labels.get(*l).is_some_and(|is| is == v);
        sample.name == name && labels.iter().all(label)
    };
    parsed.samples.iter().filter(fits).collect()
}

#[test]
fn both_formats_are_understood_and_say_the_same() {
    let [plain, open] = [Format::Prometheus, Format::OpenMetrics]
        .map(|format| parse(&page(&status(), format)).unwrap_or_else(|error| panic!("{error}")));
    assert!(!plain.ended && open.ended);
    assert_eq!(plain.samples, open.samples);
    for family in FAMILIES {
        let sample = family.sample_name();
        assert_eq!(plain.types.get(&sample).map(String::as_str), Some(family.kind.word()));
        assert_eq!(open.types.get(family.name).map(String::as_str), Some(family.kind.word()));
        assert_eq!(plain.helps.get(&sample), open.helps.get(family.name));
        // No counter's name may be another's with the suffix: readers would confuse them.
        assert!(!family.name.ends_with("_total"), "{}", family.name);
    }
    assert_eq!(plain.types.len(), FAMILIES.len());
}

#[test]
fn every_family_has_samples_with_its_labels_and_no_sample_is_of_another() {
    let parsed = parse(&page(&status(), Format::OpenMetrics)).unwrap_or_else(|e| panic!("{e}"));
    let mut seen = BTreeSet::new();
    for sample in &parsed.samples {
        let family = FAMILIES.iter().find(|family| family.sample_name() == sample.name);
        let family = family.unwrap_or_else(|| panic!("{sample:?} is of no family"));
        let labels: BTreeSet<&str> = sample.labels.keys().map(String::as_str).collect();
        assert_eq!(labels, family.labels.iter().copied().collect(), "{}", sample.name);
        let key = (sample.name.clone(), sample.labels.clone());
        assert!(seen.insert(key), "{sample:?} is there twice");
        if family.kind == Kind::Counter {
            assert!(sample.value >= 0.0 && sample.value.fract() == 0.0, "{sample:?}");
        }
    }
    for family in FAMILIES {
        assert_ne!(
            find(&parsed, &family.sample_name(), &[]),
            Vec::<&Sample>::new(),
            "{}",
            family.name
        );
    }
}

#[test]
fn the_numbers_are_the_status_s() {
    let parsed = parse(&page(&status(), Format::Prometheus)).unwrap_or_else(|e| panic!("{e}"));
    let odd = ("vrrp_instance", "VI \"1\"\\\n");
    let two = ("vrrp_instance", "VI_2");
    let class = ("length", "0.666");
    for (name, labels, value) in [
        ("mainstay_uptime_seconds", &[][..], 17.25),
        ("mainstay_config_refused", &[], 1.0),
        ("mainstay_timer_latest_seconds", &[], 0.000_008),
        ("mainstay_timer_late_total", &[("beyond", "0.01")], 7.0),
        ("mainstay_socket_drops_total", &[("socket", "adverts")], 13.0),
        ("mainstay_lease_table_state", &[("state", "ready")], 1.0),
        ("mainstay_lease_table_state", &[("state", "unavailable")], 0.0),
        ("mainstay_lease_left_seconds", &[class], 0.5),
        ("mainstay_lease_smallest_margin_seconds", &[class], 0.003),
        ("mainstay_instance_state", &[odd, ("state", "Active")], 1.0),
        ("mainstay_instance_state", &[odd, ("state", "Backup")], 0.0),
        ("mainstay_instance_state", &[two, ("state", "Initialize")], 1.0),
        ("mainstay_instance_transitions_total", &[odd, ("to", "Backup")], 7.0),
        ("mainstay_instance_fault", &[two], 1.0),
        ("mainstay_instance_two_holders", &[odd], 1.0),
        ("mainstay_instance_two_holders", &[two], 0.0),
        ("mainstay_instance_active_down_seconds", &[odd], 3.609_375),
        ("mainstay_instance_interval_seconds", &[odd], 0.2),
        ("mainstay_instance_packets_refused_total", &[odd, ("cause", "ip-ttl-errors")], 2.0),
        ("mainstay_instance_vips", &[odd], 2.0),
        ("mainstay_instance_vips_present", &[odd], 1.0),
        ("mainstay_instance_lease_length_seconds", &[odd], 0.666),
        ("mainstay_instance_peer_heard_seconds", &[odd], 0.25),
    ] {
        let found = find(&parsed, name, labels);
        let [sample] = found[..] else { panic!("{name} {labels:?}: {found:?}") };
        assert!((sample.value - value).abs() < 1e-12, "{sample:?}, not {value}");
    }
    // What is not there has no sample, rather than a wrong one.
    for name in ["mainstay_instance_lease_length_seconds", "mainstay_instance_peer_priority"] {
        assert_eq!(find(&parsed, name, &[two]), Vec::<&Sample>::new());
    }
}

#[test]
fn the_parser_refuses_what_is_not_a_page() {
    for bad in [
        "a\n",
        "1a 3\n",
        "a{b=\"c} 1\n",
        "a{b=\"c\"}1\n",
        "a x\n",
        "# WORD a b\n",
        "a{b=\"c\",b=\"d\"} 1\n",
        "# EOF\na 1\n",
        "# TYPE a gauge\n# TYPE a gauge\n",
    ] {
        assert!(parse(bad).is_err(), "{bad:?}");
    }
}

/// The rows of the tables of `docs/metrics.md` that begin with a metric's name.
fn documented() -> BTreeMap<String, Vec<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let text = std::fs::read_to_string(&page).unwrap_or_else(|e| panic!("{}: {e}", page.display()));
    let row = |line: &str| {
        let cells: Vec<String> =
            line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
        // Conditions to be warned about stand in tables of their own.
        let is_name = |name: &&String| {
            name.starts_with("mainstay_")
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let name = cells.first().filter(is_name)?.clone();
        Some((name, cells))
    };
    let rows: Vec<_> = text.lines().filter_map(row).collect();
    let count = rows.len();
    let map: BTreeMap<_, _> = rows.into_iter().collect();
    assert_eq!(map.len(), count, "a metric is documented twice");
    map
}

#[test]
fn every_metric_is_documented_as_it_is_and_none_that_is_not() {
    let documented = documented();
    for family in FAMILIES {
        let name = family.sample_name();
        let row =
            [name.clone(), family.kind.word().into(), family.labels.join(", "), family.help.into()];
        let there = documented.get(&name).map(Vec::as_slice);
        assert_eq!(
            there,
            Some(&row[..]),
            "\n| `{}` | {} | {} | {} |",
            row[0],
            row[1],
            row[2],
            row[3]
        );
    }
    let known: BTreeSet<String> = FAMILIES.iter().map(|family| family.sample_name()).collect();
    let unknown: Vec<&String> = documented.keys().filter(|name| !known.contains(*name)).collect();
    assert_eq!(unknown, Vec::<&String>::new(), "documented, and not there");
}
