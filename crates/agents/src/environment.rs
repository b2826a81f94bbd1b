//! What an OCF agent finds in its environment (OCF 1.1; and what Pacemaker adds to it, which agents
//! count on). Everything it finds: nothing of ours is inherited.
//!
//! - `OCF_RESKEY_name` for each parameter, `OCF_RESKEY_CRM_meta_name` for each meta attribute;
//! - who it is: root of the agents, resource, type, provider, version of the standard;
//! - the version of what the tools say, by which agents choose how to ask them;
//! - the action's own: `OCF_CHECK_LEVEL`, interval, time-out, name, node;
//! - names that changed once (`master` is `promoted` today) are there in both spellings, whichever was
//!   given: agents of every age run;
//! - `HA_…` and `PCMK_…`, by which agents and their library find tools and decide how to log.

use cluster::controller::Order;

use crate::places::Settings;

/// Meta attributes by their name of today and of old.
const BOTH: [(&str, &str); 6] = [
    ("CRM_meta_promoted_max", "CRM_meta_master_max"),
    ("CRM_meta_promoted_node_max", "CRM_meta_master_node_max"),
    ("CRM_meta_notify_promoted_resource", "CRM_meta_notify_master_resource"),
    ("CRM_meta_notify_promoted_uname", "CRM_meta_notify_master_uname"),
    ("CRM_meta_notify_unpromoted_resource", "CRM_meta_notify_slave_resource"),
    ("CRM_meta_notify_unpromoted_uname", "CRM_meta_notify_slave_uname"),
];

/// What marks the lines on standard error that tell why something failed.
pub const REASON: &str = "ocf-exit-reason:";

/// Where programs are looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What every program of ours finds.
#[must_use]
pub fn plain(settings: &Settings) -> Vec<(String, String)> {
    let path = match &settings.tools {
        Some(tools) => format!("{}:{PATH}", tools.display()),
        None => PATH.to_owned(),
    };
    vec![("PATH".into(), path), ("LC_ALL".into(), "C".into())]
}

/// What the agent of an order finds.
#[must_use]
pub fn ocf(order: &Order, settings: &Settings) -> Vec<(String, String)> {
    let mut all = plain(settings);
    let mut put = |name: &str, value: &str| match all.iter_mut().find(|(known, _)| known == name) {
        Some(known) => value.clone_into(&mut known.1),
        None => all.push((name.to_owned(), value.to_owned())),
    };
    let root = settings.ocf_root.display().to_string();
    for (name, value) in [
        ("OCF_ROOT", &*root),
        ("OCF_RA_VERSION_MAJOR", "1"),
        ("OCF_RA_VERSION_MINOR", "1"),
        ("OCF_RESOURCE_INSTANCE", &order.resource),
        ("OCF_RESOURCE_TYPE", &order.agent),
        ("OCF_RESOURCE_PROVIDER", &order.provider),
        ("OCF_EXIT_REASON_PREFIX", REASON),
        ("HA_cluster_type", "corosync"),
        ("HA_quorum_type", "corosync"),
        ("HA_mcp", "true"),
        ("HA_use_logd", "off"),
        ("HA_debug", "0"),
        ("HA_logfacility", "none"),
        ("HA_LOGFACILITY", "none"),
        ("PCMK_logfacility", "none"),
        ("PCMK_service", "pacemaker-execd"),
        ("PCMK_cluster_type", "corosync"),
        ("PCMK_mcp", "true"),
        ("OCF_RESKEY_crm_feature_set", cluster::state::FEATURES),
    ] {
        put(name, value);
    }
    put("HA_RSCTMP", &settings.run.display().to_string());
    if let Some(tools) = &settings.tools {
        put("HA_SBIN_DIR", &tools.display().to_string());
    }
    for (name, value) in &settings.environment {
        put(name, value);
    }
    let interval = order.interval.to_string();
    let timeout = order.timeout.as_millis().to_string();
    for (name, value) in [
        ("CRM_meta_interval", &*interval),
        ("CRM_meta_timeout", &timeout),
        ("CRM_meta_name", &order.operation),
        ("CRM_meta_on_node", &order.node),
    ] {
        put(&format!("OCF_RESKEY_{name}"), value);
    }
    let given = |name: &str| order.parameters.iter().find(|(known, _)| known == name);
    for (name, value) in &order.parameters {
        put(&format!("OCF_RESKEY_{name}"), value);
    }
    for (today, of_old) in BOTH {
        match (given(today), given(of_old)) {
            (Some((_, value)), None) => put(&format!("OCF_RESKEY_{of_old}"), value),
            (None, Some((_, value))) => put(&format!("OCF_RESKEY_{today}"), value),
            _ => {}
        }
    }
    // Asked for as an attribute of the operation, or among its parameters.
    let level = given("OCF_CHECK_LEVEL").or(given("CRM_meta_OCF_CHECK_LEVEL"));
    put("OCF_CHECK_LEVEL", level.map_or("0", |(_, level)| level));
    all
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::collections::BTreeMap;

    use cluster::operation::OpKey;

    use super::*;

    fn order(parameters: &[(&str, &str)]) -> Order {
        Order {
            key: OpKey { transition: 1, step: 2, expected: 0, walker: "n1".into() },
            node: "n1".into(),
            via: "n1".into(),
            resource: "db:1".into(),
            class: "ocf".into(),
            provider: "heartbeat".into(),
            agent: "pgsql".into(),
            operation: "notify".into(),
            interval: 0,
            timeout: Duration::from_secs(60),
            parameters: parameters
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }

    fn environment(parameters: &[(&str, &str)]) -> BTreeMap<String, String> {
        let all = ocf(&order(parameters), &Settings::default());
        let count = all.len();
        let map: BTreeMap<_, _> = all.into_iter().collect();
        assert_eq!(map.len(), count, "no name twice");
        map
    }

    #[test]
    fn both_spellings_are_there_whichever_was_given() {
        for (today, of_old) in BOTH {
            for given in [today, of_old] {
                let found = environment(&[(given, "n1 n2")]);
                for name in [today, of_old] {
                    assert_eq!(found[&format!("OCF_RESKEY_{name}")], "n1 n2", "{given} to {name}");
                }
            }
            let found = environment(&[(today, "new"), (of_old, "old")]);
            assert_eq!(found[&format!("OCF_RESKEY_{of_old}")], "old");
        }
    }

    #[test]
    fn an_action_finds_what_it_is_about() {
        let found = environment(&[("pgdata", "/var/lib/pg data"), ("CRM_meta_timeout", "42000")]);
        for (name, value) in [
            ("OCF_RESKEY_pgdata", "/var/lib/pg data"),
            ("OCF_RESKEY_CRM_meta_timeout", "42000"),
            ("OCF_RESKEY_CRM_meta_interval", "0"),
            ("OCF_RESKEY_CRM_meta_name", "notify"),
            ("OCF_RESKEY_CRM_meta_on_node", "n1"),
            ("OCF_RESOURCE_INSTANCE", "db:1"),
            ("OCF_RESOURCE_TYPE", "pgsql"),
            ("OCF_RESOURCE_PROVIDER", "heartbeat"),
            ("OCF_ROOT", "/usr/lib/ocf"),
            ("OCF_CHECK_LEVEL", "0"),
            ("OCF_RESKEY_crm_feature_set", "3.19.0"),
            ("OCF_EXIT_REASON_PREFIX", "ocf-exit-reason:"),
        ] {
            assert_eq!(found.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert!(!found.contains_key("HOME") && !found.contains_key("USER"));
    }

    #[test]
    fn the_depth_of_a_check_is_no_parameter() {
        for name in ["OCF_CHECK_LEVEL", "CRM_meta_OCF_CHECK_LEVEL"] {
            assert_eq!(environment(&[(name, "20")])["OCF_CHECK_LEVEL"], "20");
        }
    }

    #[test]
    fn tools_of_ours_come_first() {
        let settings = Settings {
            tools: Some("/usr/lib/mainstay/tools".into()),
            environment: vec![("HA_LOGFACILITY".into(), "daemon".into())],
            ..Settings::default()
        };
        let found: BTreeMap<_, _> = ocf(&order(&[]), &settings).into_iter().collect();
        assert!(found["PATH"].starts_with("/usr/lib/mainstay/tools:/usr/local/sbin:"));
        assert_eq!(found["HA_SBIN_DIR"], "/usr/lib/mainstay/tools");
        assert_eq!(found["HA_LOGFACILITY"], "daemon");
    }
}
