//! What is known and not yet done: the one list that decides.
//!
//! Everything in the keyword table is read, typed and checked alike. A keyword that stands here as
//! well is then refused, because skipping it silently would change what a file means. Whoever lands a
//! behaviour takes its keywords out of this list, and nothing else has to change for the language.

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
        why: "refreshing other interfaces is not done yet",
        keywords: &[
            (Within::GlobalDefs, &["vrrp_garp_extra_if"]),
            (Within::Instance, &["garp_extra_if"]),
        ],
    },
    Pending {
        why: "there is no BFD process of its own",
        keywords: &[(
            Within::GlobalDefs,
            &[
                "bfd_priority",
                "bfd_rt_priority",
                "bfd_rlimit_rttime",
                "bfd_no_swap",
                "bfd_cpu_affinity",
                "bfd_process_name",
            ],
        )],
    },
    Pending {
        why: "ipvlan interfaces are not done; use_vmac is",
        keywords: &[(Within::Instance, &["use_ipvlan"])],
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
        why: "names of routing tables are looked up where iproute2 keeps them; other places are not done",
        keywords: &[(Within::GlobalDefs, &["iproute_usr_dir", "iproute_etc_dir"])],
    },
    Pending {
        why: "nothing is kept of a reload but its events yet",
        keywords: &[(Within::GlobalDefs, &["config_save_dir"])],
    },
    Pending {
        why: "interface settings are not touched yet",
        keywords: &[(Within::Instance, &["promote_secondaries"])],
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
        why: "it is for the checkers of IPVS, which mainstay does not run",
        keywords: &[(Within::Bfd, &["checker"])],
    },
];

/// Options of a VIP's line that wait, and for what.
const VIP_OPTIONS: &[(&str, &str)] = &[
    // Tried on Linux 6.18: EINVAL for any address that is no group's.
    (
        "autojoin",
        "the kernel joins groups of listeners only, and refuses any other address with it",
    ),
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
