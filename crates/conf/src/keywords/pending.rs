//! What is known and not yet done: the one list that decides.
//!
//! Everything in the keyword table is read, typed and checked alike. A keyword that stands here as
//! well is then refused, because skipping it silently would change what a file means. Whoever lands a
//! behaviour takes its keywords out of this list, and nothing else has to change for the language: the
//! warning about `smtp_alert`, for one, follows `smtp_server`.

use super::Within;

/// Keywords that wait for the same thing.
struct Pending {
    /// What is missing, for people.
    why: &'static str,
    /// Which, by block.
    keywords: &'static [(Within, &'static [&'static str])],
}

/// All of them.
const PENDING: &[Pending] = &[
    Pending {
        why: "pacing is set once for all interfaces yet, with vrrp_garp_interval and vrrp_gna_interval",
        keywords: &[
            (Within::Top, &["garp_group"]),
            (Within::GarpGroup, &["garp_interval", "gna_interval", "interface", "interfaces"]),
        ],
    },
    Pending {
        why: "carrier changes are heard from the kernel at once; polling is not done yet",
        keywords: &[(Within::Top, &["linkbeat_interfaces", "linkbeat_use_polling"])],
    },
    Pending {
        why: "start mainstay within the namespace instead, as with `ip netns exec`",
        keywords: &[(Within::Top, &["net_namespace"])],
    },
    Pending { why: "ipsets are not used", keywords: &[(Within::Top, &["namespace_with_ipsets"])] },
    Pending {
        why: "several daemons on one node are not done yet",
        keywords: &[(Within::Top, &["instance", "use_pid_dir", "child_wait_time"])],
    },
    Pending {
        why: "mail is not sent yet; use notify scripts meanwhile",
        keywords: &[
            (Within::SyncGroup, &["smtp_alert"]),
            (
                Within::GlobalDefs,
                &[
                    "notification_email",
                    "notification_email_from",
                    "smtp_server",
                    "smtp_connect_timeout",
                    "smtp_helo_name",
                    "no_email_faults",
                ],
            ),
        ],
    },
    Pending {
        why: "scripts are always run by the path as written",
        keywords: &[(Within::GlobalDefs, &["use_symlink_paths"])],
    },
    Pending {
        why: "scripts run with one group",
        keywords: &[(Within::GlobalDefs, &["set_supplementary_groups"])],
    },
    Pending {
        why: "refreshing other interfaces is not done yet",
        keywords: &[
            (Within::GlobalDefs, &["vrrp_garp_extra_if"]),
            (Within::Instance, &["garp_extra_if"]),
        ],
    },
    Pending {
        why: "an owner that hears another always decides by address",
        keywords: &[
            (Within::GlobalDefs, &["vrrp_owner_ignore_adverts"]),
            (Within::Instance, &["owner_ignore_adverts"]),
        ],
    },
    Pending {
        why: "they are always counted, never logged one by one",
        keywords: &[(Within::GlobalDefs, &["log_unknown_vrids"])],
    },
    Pending {
        why: "only vrrp_startup_delay is done yet",
        keywords: &[(Within::GlobalDefs, &["vrrp_delay_after_boot"])],
    },
    Pending {
        why: "scripts around the whole daemon are not done yet; the service manager has them",
        keywords: &[(
            Within::GlobalDefs,
            &[
                "startup_script",
                "startup_script_timeout",
                "shutdown_script",
                "shutdown_script_timeout",
            ],
        )],
    },
    Pending {
        why: "how the processes are scheduled and named cannot be set yet",
        keywords: &[(
            Within::GlobalDefs,
            &[
                "vrrp_priority",
                "vrrp_rt_priority",
                "vrrp_rlimit_rttime",
                "vrrp_no_swap",
                "vrrp_cpu_affinity",
                "bfd_priority",
                "bfd_rt_priority",
                "bfd_rlimit_rttime",
                "bfd_no_swap",
                "bfd_cpu_affinity",
                "process_names",
                "process_name",
                "vrrp_process_name",
                "bfd_process_name",
            ],
        )],
    },
    Pending {
        why: "no_accept is done by nftables, whatever iptables would do: write `nftables` or nothing",
        keywords: &[(Within::GlobalDefs, &["vrrp_iptables", "vrrp_ipsets"])],
    },
    Pending {
        why: "virtual MAC addresses are not done yet",
        keywords: &[
            (Within::GlobalDefs, &["disable_local_igmp", "vmac_prefix", "vmac_addr_prefix"]),
            (Within::Instance, &["use_vmac", "vmac_xmit_base", "use_vmac_addr", "use_ipvlan"]),
        ],
    },
    Pending {
        why: "SNMP is not done yet",
        keywords: &[(
            Within::GlobalDefs,
            &[
                "enable_snmp_vrrp",
                "enable_snmp_rfc",
                "enable_snmp_rfcv2",
                "enable_snmp_rfcv3",
                "enable_traps",
                "snmp_socket",
            ],
        )],
    },
    Pending {
        why: "D-Bus is not done yet",
        keywords: &[(
            Within::GlobalDefs,
            &["enable_dbus", "dbus_service_name", "dbus_no_interface_name"],
        )],
    },
    Pending {
        why: "socket buffers cannot be set yet",
        keywords: &[
            (
                Within::GlobalDefs,
                &[
                    "vrrp_netlink_cmd_rcv_bufs",
                    "vrrp_netlink_cmd_rcv_bufs_force",
                    "vrrp_netlink_monitor_rcv_bufs",
                    "vrrp_netlink_monitor_rcv_bufs_force",
                    "process_monitor_rcv_bufs",
                    "process_monitor_rcv_bufs_force",
                    "vrrp_rx_bufs_policy",
                    "vrrp_rx_bufs_multiplier",
                ],
            ),
            (Within::Instance, &["kernel_rx_buf_size"]),
        ],
    },
    Pending {
        why: "a bad configuration never replaces a good one here; the rest is not done yet",
        keywords: &[(Within::GlobalDefs, &["reload_time_file", "reload_repeat", "reload_file"])],
    },
    Pending {
        why: "mainstay answers on its control socket and writes no such files yet",
        keywords: &[(
            Within::GlobalDefs,
            &[
                "config_save_dir",
                "tmp_config_directory",
                "umask",
                "iproute_usr_dir",
                "iproute_etc_dir",
                "data_use_instance",
                "state_dump_file",
                "stats_dump_file",
                "json_dump_file",
                "json_version",
            ],
        )],
    },
    Pending {
        why: "interface settings are not touched yet",
        keywords: &[(Within::Instance, &["promote_secondaries"])],
    },
    Pending {
        why: "unicast settings without peers are refused at once, so it has nothing to decide",
        keywords: &[(Within::Instance, &["unicast_fault_no_peer"])],
    },
    Pending {
        why: "source addresses are not tracked yet",
        keywords: &[(Within::Instance, &["track_src_ip"])],
    },
    Pending {
        why: "that dialect is not spoken",
        keywords: &[(Within::Instance, &["old_unicast_checksum"])],
    },
    Pending { why: "VRFs are not done yet", keywords: &[(Within::Instance, &["vrf"])] },
    Pending {
        why: "carrier changes are always heard from the kernel",
        keywords: &[(Within::Instance, &["linkbeat_use_polling"])],
    },
    Pending {
        why: "BFD is not done yet",
        keywords: &[
            (Within::Top, &["bfd_instance"]),
            (Within::Instance, &["track_bfd"]),
            (Within::SyncGroup, &["track_bfd"]),
            (
                Within::Bfd,
                &[
                    "neighbor_ip",
                    "source_ip",
                    "min_rx",
                    "min_tx",
                    "idle_tx",
                    "multiplier",
                    "passive",
                    "ttl",
                    "hoplimit",
                    "max_hops",
                    "multihop",
                    "weight",
                    "vrrp",
                    "checker",
                ],
            ),
        ],
    },
];

/// Options of a VIP's line that wait, and for what.
const VIP_OPTIONS: &[(&str, &str)] = &[
    // Tried on Linux 6.18: EINVAL for any address that is no group's.
    (
        "autojoin",
        "the kernel joins groups of listeners only, and refuses any other address with it",
    ),
    ("use_vmac", "virtual MAC addresses are not done yet"),
];

/// Why a keyword is refused still; `None` when it is in force.
pub(super) fn why(within: Within, name: &str) -> Option<&'static str> {
    PENDING.iter().find_map(|pending| {
        let here = |(block, names): &(Within, &[&str])| *block == within && names.contains(&name);
        pending.keywords.iter().any(here).then_some(pending.why)
    })
}

/// The same for an option of a VIP's line.
pub(crate) fn vip_option(name: &str) -> Option<&'static str> {
    VIP_OPTIONS.iter().find(|(option, _)| *option == name).map(|(_, why)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keywords::{Status, find};

    #[test]
    fn everything_on_the_list_is_a_keyword_in_force_otherwise() {
        for pending in PENDING {
            assert!(!pending.why.is_empty() && !pending.why.ends_with('.'));
            for (within, names) in pending.keywords {
                for name in *names {
                    let keyword = find(*within, name).unwrap_or_else(|| panic!("{name}"));
                    assert_eq!(keyword.within, *within, "{name}");
                    assert!(matches!(keyword.status(), Status::NotInForce(_)), "{name}");
                }
            }
        }
    }
}
