//! Which version of keepalived first knew a keyword, as far as its change log says.

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
}
