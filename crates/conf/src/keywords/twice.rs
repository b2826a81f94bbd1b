//! Which keywords keep what was said first when they are set twice in one block.
//!
//! For most the last one counts. For these keepalived keeps the first and says so; each was given to
//! 2.2.7 twice.

use super::Within;

/// Keywords for which the first one counts, by block.
const FIRST: &[(Within, &[&str])] = &[
    (Within::Top, &["instance", "net_namespace"]),
    (
        Within::GlobalDefs,
        &[
            "nftables",
            "notify_fifo",
            "notify_fifo_script",
            "shutdown_script",
            "snmp_socket",
            "startup_script",
            "tmp_config_directory",
            "vmac_addr_prefix",
            "vmac_prefix",
            "vrrp_notify_fifo",
            "vrrp_notify_fifo_script",
        ],
    ),
    (Within::Instance, NOTIFY),
    (Within::Instance, &["use_vmac", "version"]),
    (Within::SyncGroup, NOTIFY),
    (Within::SyncGroup, &["group"]),
    (Within::TrackFile, &["file", "weight"]),
    (Within::TrackProcess, &["process", "weight"]),
];

/// Scripts of an instance or a group.
const NOTIFY: &[&str] = &[
    "notify",
    "notify_backup",
    "notify_before_release",
    "notify_deleted",
    "notify_fault",
    "notify_master",
    "notify_master_rx_lower_pri",
    "notify_stop",
];

/// Whether the first of two counts.
pub(crate) fn keeps_first(within: Within, name: &str) -> bool {
    FIRST.iter().any(|(block, names)| *block == within && names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keywords::find;

    #[test]
    fn the_list_is_about_keywords() {
        for (within, names) in FIRST {
            for name in *names {
                let group = *within == Within::SyncGroup && find(*within, name).is_none();
                assert!(
                    group || find(*within, name).is_some_and(|it| it.within == *within),
                    "{name}"
                );
                assert!(keeps_first(*within, name));
            }
        }
        assert!(!keeps_first(Within::Instance, "priority"));
    }
}
