//! Cluster options, read once.

use std::collections::HashMap;

use cib::Score;
use cib::model::{Cib, Text};
use cib::rules::Facts;
use cib::value::{is_true, leading_integer, milliseconds, truth};

/// What to do without quorum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoQuorum {
    Stop,
    Freeze,
    Ignore,
    Demote,
    Suicide,
}

/// What decides among nodes of equal score.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Strategy {
    Default,
    Utilization,
    Minimal,
    Balanced,
}

/// See the module.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)]
pub(crate) struct Options {
    pub values: HashMap<Text, Text>,
    pub quorate: bool,
    pub no_quorum: NoQuorum,
    pub fencing: bool,
    pub fence_action: Text,
    pub startup_fencing: bool,
    pub concurrent_fencing: bool,
    pub priority_fencing_delay: i64,
    pub symmetric: bool,
    pub maintenance: bool,
    pub stop_all: bool,
    pub stop_orphans: bool,
    pub stop_orphan_actions: bool,
    pub remove_after_stop: bool,
    pub start_failure_fatal: bool,
    pub probes: bool,
    pub shutdown_lock: bool,
    pub shutdown_lock_limit: i64,
    pub strategy: Strategy,
    pub default_managed: Option<bool>,
    pub default_stickiness: Option<Score>,
    pub have_watchdog: bool,
    pub unfencing: bool,
}

impl Options {
    pub(crate) fn read(cib: &Cib, facts: &Facts<'_>) -> Self {
        let mut values = HashMap::new();
        cib.options.unpack_first("cib-bootstrap-options", facts, &mut values);
        let get = |names: &[&str]| names.iter().find_map(|name| values.get(*name)).map(|v| &**v);
        let flag = |names: &[&str], default: bool| get(names).and_then(truth).unwrap_or(default);
        let seconds = |name: &str| {
            get(&[name]).and_then(milliseconds).map_or(0, |ms| if ms > 0 { ms / 1000 } else { 0 })
        };
        let fencing = flag(&["stonith-enabled", "stonith_enabled", "fencing-enabled"], true);
        let quorate = cib.have_quorum.unwrap_or(false);
        let policy = get(&["no-quorum-policy", "no_quorum_policy"]).unwrap_or("stop");
        let no_quorum = match policy.to_ascii_lowercase().as_str() {
            "ignore" => NoQuorum::Ignore,
            "freeze" => NoQuorum::Freeze,
            "demote" => NoQuorum::Demote,
            "suicide" | "fence" if fencing && (cib.quorum_panic || quorate) => NoQuorum::Suicide,
            _ => NoQuorum::Stop,
        };
        let action = match get(&["stonith-action", "stonith_action", "fencing-action"]) {
            Some("poweroff" | "off") => "off",
            _ => "reboot",
        };
        let strategy = match get(&["placement-strategy"]).unwrap_or_default() {
            "utilization" => Strategy::Utilization,
            "minimal" => Strategy::Minimal,
            "balanced" => Strategy::Balanced,
            _ => Strategy::Default,
        };
        Self {
            quorate,
            no_quorum,
            fencing,
            fence_action: action.into(),
            startup_fencing: flag(&["startup-fencing", "startup_fencing"], true),
            concurrent_fencing: flag(&["concurrent-fencing"], true),
            priority_fencing_delay: seconds("priority-fencing-delay"),
            symmetric: flag(&["symmetric-cluster", "symmetric_cluster"], true),
            maintenance: flag(&["maintenance-mode"], false),
            stop_all: flag(&["stop-all-resources"], false),
            stop_orphans: flag(&["stop-orphan-resources", "stop_orphan_resources"], true),
            stop_orphan_actions: flag(&["stop-orphan-actions", "stop_orphan_actions"], true),
            remove_after_stop: flag(&["remove-after-stop", "remove_after_stop"], false),
            start_failure_fatal: flag(&["start-failure-is-fatal"], true),
            probes: flag(&["enable-startup-probes"], true),
            shutdown_lock: flag(&["shutdown-lock"], false),
            shutdown_lock_limit: seconds("shutdown-lock-limit"),
            strategy,
            default_managed: get(&["is-managed-default", "is_managed_default"]).and_then(truth),
            default_stickiness: get(&[
                "default-resource-stickiness",
                "default_resource_stickiness",
            ])
            .and_then(Score::parse),
            have_watchdog: is_true(get(&["have-watchdog"])),
            unfencing: false,
            values,
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| &**value)
    }

    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(leading_integer)
    }
}
