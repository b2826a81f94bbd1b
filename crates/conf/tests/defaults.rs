//! What holds without a keyword, and what a keyword may be set to: held against the keepalived reference
//! (§1.2 to 1.6), in a table of our own.
//!
//! A default is real when writing it down changes nothing: the configuration is then the same as without
//! the keyword. The same table is held against what `explain` and the manual page say. Where mainstay's
//! default is another than keepalived's, on purpose, `OWN` has it with the reason.

use conf::keywords::{Within, find};
use conf::{Config, Loaded, Options, Source, load};

use Within::{
    AuthHmac, Bfd, GlobalDefs, Instance, Script, SyncGroup, Top, TrackFile, TrackProcess,
};

/// Keyword by keyword what holds without it.
const DEFAULTS: &[(Within, &[(&str, &str)])] = &[
    (Top, &[("child_wait_time", "5")]),
    (
        GlobalDefs,
        &[
            ("bfd_priority", "0"),
            ("bfd_rlimit_rttime", "10000"),
            ("data_use_instance", "off"),
            ("dbus_no_interface_name", "none"),
            ("dbus_service_name", "org.keepalived.Vrrp1"),
            ("default_interface", "eth0"),
            ("enable_script_security", "off"),
            ("json_version", "1"),
            ("log_unknown_vrids", "off"),
            ("max_auto_priority", "0"),
            ("min_auto_priority_delay", "1000000"),
            ("nftables", "keepalived"),
            ("nftables_priority", "-1"),
            ("shutdown_script_timeout", "10"),
            ("smtp_alert", "off"),
            ("smtp_alert_vrrp", "off"),
            ("smtp_connect_timeout", "30"),
            ("startup_script_timeout", "10"),
            ("umask", "0177"),
            ("v3_checksum_as_v2", "off"),
            ("vmac_addr_prefix", "vrrp"),
            ("vmac_prefix", "vrrp"),
            ("vrrp_delay_after_boot", "0"),
            ("vrrp_down_timer_adverts", "3"),
            ("vrrp_garp_extra_if", "0"),
            ("vrrp_garp_interval", "0"),
            ("vrrp_garp_lower_prio_delay", "5"),
            ("vrrp_garp_lower_prio_repeat", "5"),
            ("vrrp_garp_master_delay", "5"),
            ("vrrp_garp_master_refresh", "0"),
            ("vrrp_garp_master_refresh_repeat", "1"),
            ("vrrp_garp_master_repeat", "5"),
            ("vrrp_gna_interval", "0"),
            ("vrrp_higher_prio_send_advert", "off"),
            ("vrrp_lower_prio_no_advert", "off"),
            ("vrrp_mcast_group4", "224.0.0.18"),
            ("vrrp_mcast_group6", "ff02::12"),
            ("vrrp_min_garp", "off"),
            ("vrrp_notify_priority_changes", "off"),
            ("vrrp_owner_ignore_adverts", "off"),
            ("vrrp_priority", "0"),
            ("vrrp_rlimit_rttime", "10000"),
            ("vrrp_rx_bufs_multiplier", "3"),
            ("vrrp_skip_check_adv_addr", "off"),
            ("vrrp_startup_delay", "0"),
            ("vrrp_strict", "off"),
            ("vrrp_version", "2"),
        ],
    ),
    (
        Instance,
        &[
            ("accept", ""),
            ("advert_int", "1"),
            ("down_timer_adverts", "3"),
            ("garp_extra_if", "0"),
            ("garp_lower_prio_delay", "5"),
            ("garp_lower_prio_repeat", "5"),
            ("garp_master_delay", "5"),
            ("garp_master_refresh", "0"),
            ("garp_master_refresh_repeat", "1"),
            ("garp_master_repeat", "5"),
            ("higher_prio_send_advert", "off"),
            ("lower_prio_no_advert", "off"),
            ("mcast_dst_ip", "224.0.0.18"),
            ("notify_priority_changes", "off"),
            ("owner_ignore_adverts", "off"),
            ("preempt", ""),
            ("preempt_delay", "0"),
            ("priority", "100"),
            ("skip_check_adv_addr", "off"),
            ("smtp_alert", "off"),
            ("state", "BACKUP"),
            ("strict_mode", "off"),
            ("v3_checksum_as_v2", "off"),
            ("version", "2"),
        ],
    ),
    (AuthHmac, &[("anti_replay", "time"), ("mode", "enforce"), ("time_window", "5")]),
    (SyncGroup, &[("notify_priority_changes", "off"), ("smtp_alert", "off")]),
    (Script, &[("fall", "1"), ("interval", "1"), ("rise", "1"), ("timeout", "1"), ("weight", "0")]),
    (TrackFile, &[("weight", "1")]),
    (
        TrackProcess,
        &[("delay", "0"), ("fork_delay", "0"), ("quorum", "1"), ("terminate_delay", "0")],
    ),
    (
        Bfd,
        &[
            ("idle_tx", "1000"),
            ("max_hops", "0"),
            ("min_rx", "10"),
            ("min_tx", "10"),
            ("multiplier", "5"),
            ("ttl", "255"),
            ("weight", "0"),
        ],
    ),
];

/// Where the table says more than a value, or refers to another keyword that says it.
const IN_WORDS: &[(Within, &str, &str)] = &[
    (GlobalDefs, "smtp_alert_vrrp", "smtp_alert"),
    (GlobalDefs, "vmac_addr_prefix", "vmac_prefix"),
    (GlobalDefs, "vrrp_garp_lower_prio_delay", "vrrp_garp_master_delay"),
    (GlobalDefs, "vrrp_garp_lower_prio_repeat", "vrrp_garp_master_repeat"),
    (GlobalDefs, "vrrp_version", "2; IPv6: 3"),
    (Instance, "accept", "on"),
    (Instance, "down_timer_adverts", "vrrp_down_timer_adverts"),
    (Instance, "garp_extra_if", "global"),
    (Instance, "garp_lower_prio_delay", "vrrp_garp_lower_prio_delay"),
    (Instance, "garp_lower_prio_repeat", "vrrp_garp_lower_prio_repeat"),
    (Instance, "garp_master_delay", "vrrp_garp_master_delay"),
    (Instance, "garp_master_refresh", "vrrp_garp_master_refresh"),
    (Instance, "garp_master_refresh_repeat", "vrrp_garp_master_refresh_repeat"),
    (Instance, "garp_master_repeat", "vrrp_garp_master_repeat"),
    (Instance, "higher_prio_send_advert", "global"),
    (Instance, "lower_prio_no_advert", "global"),
    (Instance, "mcast_dst_ip", "the global group"),
    (Instance, "owner_ignore_adverts", "global"),
    (Instance, "preempt", "on"),
    (Instance, "priority", "100, or 255 with `state MASTER`"),
    (Instance, "skip_check_adv_addr", "vrrp_skip_check_adv_addr"),
    (Instance, "smtp_alert", "global"),
    (Instance, "state", "MASTER for priority 255, else BACKUP"),
    (Instance, "strict_mode", "vrrp_strict"),
    (Instance, "v3_checksum_as_v2", "global"),
    (Instance, "version", "vrrp_version; IPv6: 3"),
    (AuthHmac, "time_window", "three intervals, at least 5"),
    (SyncGroup, "smtp_alert", "global"),
    (Script, "timeout", "interval"),
    (Bfd, "ttl", "255; multihop 64"),
];

/// Where mainstay's default is not keepalived's: what the reference has, what is so here, and why.
const OWN: &[(Within, &str, &str, &str, &str)] = &[
    (GlobalDefs, "dynamic_interfaces", "off", "on", "interfaces may always come and go"),
    (GlobalDefs, "vrrp_check_unicast_src", "off", "on", "strangers are not listened to"),
    (Instance, "check_unicast_src", "off", "on", "strangers are not listened to"),
    (Instance, "unicast_ttl", "the kernel's for IPv6", "255", "a peer may ask for it"),
];

/// Least and greatest legal value; the next ones are refused.
const RANGES: &[(Within, &str, i64, i64)] = &[
    (GlobalDefs, "bfd_priority", -20, 19),
    (GlobalDefs, "bfd_rt_priority", 1, 99),
    (GlobalDefs, "max_auto_priority", -1, 99),
    (GlobalDefs, "shutdown_script_timeout", 1, 1_000),
    (GlobalDefs, "startup_script_timeout", 1, 1_000),
    (GlobalDefs, "vrrp_down_timer_adverts", 1, 100),
    (GlobalDefs, "vrrp_priority", -20, 19),
    (GlobalDefs, "vrrp_rt_priority", 1, 99),
    (GlobalDefs, "vrrp_version", 2, 3),
    (Instance, "down_timer_adverts", 1, 100),
    (Instance, "preempt_delay", 0, 1_000),
    (Instance, "priority", 1, 255),
    (Instance, "version", 2, 3),
    (Instance, "virtual_router_id", 1, 255),
    (AuthHmac, "time_window", 1, 300),
    (Script, "weight", -253, 253),
    (TrackProcess, "quorum", 1, 65_535),
    (TrackProcess, "weight", -254, 254),
    (Bfd, "ttl", 1, 255),
    (Bfd, "max_hops", 0, 255),
];

/// A configuration with this line in this block, and everything else that it needs.
fn text(within: Within, line: &str) -> String {
    let inside = |block: Within| if block == within { line } else { "" };
    let vrid = if line.starts_with("virtual_router_id") { "" } else { "virtual_router_id 51" };
    let signed = if within == AuthHmac {
        format!(
            "version 3\n auth_hmac {{\n key 1 hex:{}\n active_key 1\n{line}\n }}",
            "a5".repeat(32)
        )
    } else {
        String::new()
    };
    format!(
        "{}\nglobal_defs {{\n{}\n}}\nvrrp_script s {{\n script /bin/true\n{}\n}}\ntrack_file f {{\n file \
         /f\n{}\n}}\nvrrp_track_process p {{\n process p\n{}\n}}\nbfd_instance b {{\n neighbor_ip \
         192.0.2.2\n{}\n}}\nvrrp_instance V {{\n interface eth0\n {vrid}\n{}\n{signed}\n \
         virtual_ipaddress {{ 192.0.2.9/24 }}\n}}\nvrrp_instance W {{\n interface eth1\n \
         virtual_router_id 52\n virtual_ipaddress {{ 192.0.3.9/24 }}\n}}\nvrrp_sync_group G {{\n group \
         {{\n V\n W\n }}\n{}\n}}\n",
        inside(Top),
        inside(GlobalDefs),
        inside(Script),
        inside(TrackFile),
        inside(TrackProcess),
        inside(Bfd),
        inside(Instance),
        inside(SyncGroup),
    )
}

fn loaded(text: &str) -> Loaded {
    load(Source { name: "t", text: text.as_bytes() }, Options::default())
}

fn effective(text: &str) -> serde_json::Value {
    let loaded = loaded(text);
    let config: Option<&Config> = loaded.config.as_ref();
    let config = config.unwrap_or_else(|| panic!("{text}\n{:#?}", loaded.diagnostics));
    serde_json::to_value(config).expect("JSON")
}

/// Where two values differ.
fn difference(one: &serde_json::Value, other: &serde_json::Value, at: &str) -> Vec<String> {
    use serde_json::Value;
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => one
            .iter()
            .flat_map(|(key, value)| {
                difference(value, other.get(key).unwrap_or(&Value::Null), &format!("{at}/{key}"))
            })
            .collect(),
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => one
            .iter()
            .zip(other)
            .enumerate()
            .flat_map(|(n, (one, other))| difference(one, other, &format!("{at}/{n}")))
            .collect(),
        _ if one == other => Vec::new(),
        _ => vec![format!("{at}: {one} and {other}")],
    }
}

#[test]
fn a_default_written_down_changes_nothing() {
    let mut wrong = Vec::new();
    for (within, defaults) in DEFAULTS {
        let without = effective(&text(*within, ""));
        for (name, default) in *defaults {
            let with = effective(&text(*within, &format!("{name} {default}")));
            for difference in difference(&without, &with, "") {
                wrong.push(format!("{within:?} {name} {default}: {difference}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_of_keywords_says_the_reference_s_defaults() {
    let said = |within: Within, name: &str| {
        let keyword = find(within, name).unwrap_or_else(|| panic!("{within:?} {name}"));
        keyword.default
    };
    for (within, defaults) in DEFAULTS {
        for (name, default) in *defaults {
            let words = IN_WORDS.iter().find(|(block, known, _)| block == within && known == name);
            let want = words.map_or(*default, |(_, _, words)| words);
            assert_eq!(said(*within, name), want, "{within:?} {name}");
        }
    }
    for (within, name, theirs, ours, why) in OWN {
        assert_eq!(said(*within, name), *ours, "{within:?} {name}");
        assert!(theirs != ours && !why.is_empty());
    }
}

#[test]
fn ranges_are_the_reference_s() {
    for (within, name, least, greatest) in RANGES {
        for (value, legal) in
            [(least - 1, false), (*least, true), (*greatest, true), (greatest + 1, false)]
        {
            let text = text(*within, &format!("{name} {value}"));
            let loaded = loaded(&text);
            assert_eq!(
                loaded.config.is_some(),
                legal,
                "{within:?} {name} {value}\n{:#?}",
                loaded.diagnostics
            );
        }
    }
    // Seconds, in version 3 in hundredths of them, and not beyond what twelve bits carry.
    for (version, value, legal) in [
        (3, "0.01", true),
        (3, "40.95", true),
        (3, "40.96", false),
        (3, "0.001", false),
        (2, "1", true),
        (2, "255", true),
        (2, "256", false),
    ] {
        let text = text(Instance, &format!("version {version}\n advert_int {value}"));
        assert_eq!(loaded(&text).config.is_some(), legal, "{version} {value}");
    }
}
