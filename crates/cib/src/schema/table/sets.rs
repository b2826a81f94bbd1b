//! Sets of name-value pairs: what properties, parameters and meta attributes are made of.

use super::{Content, Form, Kind, Names, Rule, any, child, form, may, maybe, must};
use crate::schema::Schema;

macro_rules! set {
    ($names:expr) => {{
        const FORMS: &[Form] = &[
            form(
                &[&[must("id", Kind::Id), may("score", Kind::Score)]],
                Content::Mixed(&[
                    maybe(&[child("rule", Rule::Conditions)]),
                    any(&[child("nvpair", Rule::Pair($names))]),
                ]),
            ),
            form(&[&[must("id-ref", Kind::IdRef)]], Content::Nothing),
        ];
        FORMS
    }};
}

macro_rules! pair {
    ($($form:expr),* $(,)?) => {{
        const FORMS: &[Form] = &[
            $($form,)*
            form(&[&[must("id-ref", Kind::IdRef), may("name", Kind::Text)]], Content::Nothing)
                .since(Schema::V1_3),
        ];
        FORMS
    }};
}

macro_rules! named {
    ($kind:expr) => {
        form(
            &[&[must("id", Kind::Id), must("name", $kind), may("value", Kind::Text)]],
            Content::Nothing,
        )
    };
}

/// Stacks that are no more.
const STACKS: Kind = Kind::But(&[
    "heartbeat",
    "openais",
    "classic openais",
    "classic openais (with plugin)",
    "cman",
]);

/// Cluster properties that moved, were renamed or went with schema 3.0.
const OLD_PROPERTIES: Kind = Kind::But(&[
    "cluster-infrastructure",
    "cluster_recheck_interval",
    "dc_deadtime",
    "default-action-timeout",
    "default_action_timeout",
    "default-migration-threshold",
    "default_migration_threshold",
    "default-resource-failure-stickiness",
    "default_resource_failure_stickiness",
    "default-resource-stickiness",
    "default_resource_stickiness",
    "election_timeout",
    "expected-quorum-votes",
    "is-managed-default",
    "is_managed_default",
    "no_quorum_policy",
    "notification-agent",
    "notification-recipient",
    "remove_after_stop",
    "shutdown_escalation",
    "startup_fencing",
    "stonith_action",
    "stonith_enabled",
    "stop_orphan_actions",
    "stop_orphan_resources",
    "symmetric_cluster",
    "transition_idle_timeout",
]);

const ISOLATION: Kind =
    Kind::But(&["isolation", "isolation-host", "isolation-instance", "isolation-wrapper"]);

const OLD_FENCING: Kind = Kind::But(&[
    "pcmk_arg_map",
    "pcmk_list_cmd",
    "pcmk_monitor_cmd",
    "pcmk_off_cmd",
    "pcmk_on_cmd",
    "pcmk_reboot_cmd",
    "pcmk_status_cmd",
]);

const OP_META_IN_PARAMETERS: Kind = Kind::But(&[
    "enabled",
    "interval-origin",
    "on-fail",
    "record-pending",
    "requires",
    "role",
    "start-delay",
    "timeout",
]);

pub(super) fn set(names: Names) -> &'static [Form] {
    match names {
        Names::Any => set!(Names::Any),
        Names::Cluster => set!(Names::Cluster),
        Names::ResourceMeta => set!(Names::ResourceMeta),
        Names::ResourceInstance => set!(Names::ResourceInstance),
        Names::OpMeta => set!(Names::OpMeta),
        Names::OpInstance => set!(Names::OpInstance),
    }
}

pub(super) fn pair(names: Names) -> &'static [Form] {
    const BEFORE: Schema = Schema::V2_10;
    const SINCE: Schema = Schema::V3_0;
    match names {
        Names::Any => pair![named!(Kind::Text)],
        Names::Cluster => pair![
            named!(Kind::Text).until(BEFORE),
            named!(OLD_PROPERTIES).since(SINCE),
            form(
                &[&[
                    must("id", Kind::Id),
                    must("name", Kind::Words(&[super::word("cluster-infrastructure")])),
                    must("value", STACKS),
                ]],
                Content::Nothing,
            )
            .since(SINCE),
        ],
        Names::ResourceMeta => {
            pair![named!(Kind::Text).until(BEFORE), named!(ISOLATION).since(SINCE)]
        }
        // These two were forbidden by one schema only.
        Names::ResourceInstance => pair![
            named!(Kind::Text).until(BEFORE),
            named!(OLD_FENCING).since(SINCE).until(SINCE),
            named!(Kind::Text).since(Schema::V3_1),
        ],
        Names::OpMeta => {
            pair![named!(Kind::Text).until(BEFORE), named!(Kind::But(&["requires"])).since(SINCE),]
        }
        Names::OpInstance => pair![
            named!(Kind::Text).until(BEFORE),
            named!(OP_META_IN_PARAMETERS).since(SINCE).until(SINCE),
            named!(Kind::Text).since(Schema::V3_1),
        ],
    }
}
