//! Which version of keepalived first knew a keyword, as far as its change log says; and which are newer
//! than the 2.2.7 of Debian 12, which calls them unknown, goes on, and does something else.

use super::Within;

/// See [`super::Keyword::since`].
pub(super) fn since(name: &str) -> Option<&'static str> {
    let at = SINCE.binary_search_by_key(&name, |(name, _)| name).ok()?;
    SINCE.get(at).map(|(_, version)| *version)
}

/// In the order of names.
const SINCE: &[(&str, &str)] = &[
    ("auth_hmac", "2.4.0"),
    ("bfd_cpu_affinity", "2.0.17"),
    ("bfd_instance", "2.0.7"),
    ("default_interface", "1.2.24"),
    ("dynamic_interfaces", "2.0.8"),
    ("enable_script_security", "1.3.0"),
    ("garp_lower_prio_repeat", "1.2.20"),
    ("garp_master_refresh", "1.2.10"),
    ("garp_master_refresh_repeat", "1.2.14"),
    ("garp_master_repeat", "1.2.14"),
    ("higher_prio_send_advert", "1.3.5"),
    ("init_fail", "1.3.2"),
    ("linkbeat_interfaces", "2.0.13"),
    ("log_unknown_vrids", "2.0.16"),
    ("lvs_flush", "1.2.23"),
    ("lvs_flush_on_stop", "2.0.15"),
    ("namespace_with_ipsets", "1.3.0"),
    ("native_ipv6", "1.2.0"),
    ("net_namespace", "1.2.24"),
    ("no_accept", "1.3.0"),
    ("notify_stop", "1.1.13"),
    ("old_unicast_checksum", "1.3.7"),
    ("promote_secondaries", "1.2.20"),
    ("quorum_max", "2.0.16"),
    ("smtp_helo_name", "2.0.11"),
    ("static_rules", "1.2.20"),
    ("track_bfd", "2.0.8"),
    ("track_file", "2.0.8"),
    ("track_group", "2.0.3"),
    ("track_process", "2.0.11"),
    ("unicast_peer", "1.2.8"),
    ("unicast_src_ip", "1.2.8"),
    ("use_ipvlan", "2.0.17"),
    ("use_pid_dir", "1.2.24"),
    ("use_vmac", "1.2.6"),
    ("virtual_rules", "1.2.20"),
    ("vmac_xmit_base", "1.2.7"),
    ("vrrp_cpu_affinity", "2.0.17"),
    ("vrrp_higher_prio_send_advert", "1.3.6"),
    ("vrrp_ipsets", "1.3.0"),
    ("vrrp_iptables", "1.2.20"),
    ("vrrp_mcast_group4", "1.2.10"),
    ("vrrp_mcast_group6", "1.2.10"),
    ("vrrp_min_garp", "2.0.12"),
    ("vrrp_rx_bufs_policy", "2.0.5"),
    ("vrrp_script", "1.1.13"),
    ("vrrp_startup_delay", "2.0.14"),
    ("vrrp_strict", "1.2.20"),
    ("vrrp_track_file", "2.0.0"),
];

/// Whether 2.2.7 does not know it: each was given to it.
pub(super) fn is_newer(within: Within, name: &str) -> bool {
    let at = |(block, names): &(Within, &[&str])| *block == within && names.contains(&name);
    NEWER.iter().any(at)
}

/// Whether no keepalived knows it: a word of mainstay.
pub(super) fn is_own(within: Within, name: &str) -> bool {
    let at = |(block, names): &(Within, &[&str])| *block == within && names.contains(&name);
    OWN.iter().any(at)
}

const NEWER: &[(Within, &[&str])] = &[
    (
        Within::GlobalDefs,
        &[
            "dbus_no_interface_name",
            "iproute_etc_dir",
            "iproute_usr_dir",
            "json_dump_file",
            "json_version",
            "set_supplementary_groups",
            "state_dump_file",
            "stats_dump_file",
            "use_symlink_paths",
            "v3_checksum_as_v2",
            "vrrp_delay_after_boot",
            "vrrp_owner_ignore_adverts",
        ],
    ),
    (
        Within::Instance,
        &[
            "auth_hmac",
            "no_virtual_ipaddress",
            "owner_ignore_adverts",
            "thread_timer_expired",
            "timer_expired_backup",
            "v3_checksum_as_v2",
        ],
    ),
    (Within::AuthHmac, &["active_key", "anti_replay", "key", "mode", "time_window"]),
    (Within::Bfd, &["multihop"]),
];

const OWN: &[(Within, &[&str])] = &[
    (
        Within::Instance,
        &["allowed_sources", "lease", "notify_before_release", "notify_before_release_timeout"],
    ),
    (Within::SyncGroup, &["notify_before_release", "notify_before_release_timeout"]),
    (Within::Bfd, &["fails_until_up", "fast_takeover"]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keywords::all;

    #[test]
    fn the_list_is_in_order_and_about_keywords() {
        assert!(SINCE.is_sorted());
        for (name, version) in SINCE {
            assert!(all().any(|keyword| keyword.name == *name), "{name}");
            assert_eq!(since(name), Some(*version));
        }
    }

    #[test]
    fn words_that_keepalived_does_not_know_are_keywords_of_their_blocks() {
        for (within, names) in NEWER.iter().chain(OWN) {
            for name in *names {
                let known = all().any(|it| it.within == *within && it.name == *name);
                assert!(known, "{within:?} {name}");
                assert_ne!(is_newer(*within, name), is_own(*within, name), "{name}");
            }
        }
        assert!(!is_newer(Within::Instance, "priority") && !is_own(Within::Instance, "priority"));
    }
}
