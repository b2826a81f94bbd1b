//! The document itself, and the sections that are small: properties and defaults, nodes, fencing
//! levels, access lists, tags, alerts.

use super::{
    Attribute, Content, Form, Kind, Names, Rule, Slot, any, child, form, may, maybe, must, one,
    some, word,
};
use crate::schema::Schema;

const ID: &[Attribute] = &[must("id", Kind::Id)];

static CIB: [Form; 1] = [form(
    &[&[
        may("validate-with", Kind::Text),
        must("admin_epoch", Kind::Natural),
        must("epoch", Kind::Natural),
        must("num_updates", Kind::Natural),
        may("crm_feature_set", Kind::Text),
        may("remote-tls-port", Kind::Natural),
        may("remote-clear-port", Kind::Natural),
        may("have-quorum", Kind::Bool),
        may("dc-uuid", Kind::Text),
        may("cib-last-written", Kind::Text),
        may("no-quorum-panic", Kind::Bool),
        may("update-origin", Kind::Text).since(Schema::V1_2),
        may("update-client", Kind::Text).since(Schema::V1_2),
        may("update-user", Kind::Text).since(Schema::V1_2),
        may("execution-date", Kind::Text).since(Schema::V1_2),
    ]],
    Content::Listed(&[
        one(&[child("configuration", Rule::Configuration)]),
        maybe(&[child("status", Rule::Status)]),
    ]),
)];

static CONFIGURATION: [Form; 1] = [form(
    &[],
    Content::Mixed(&[
        one(&[child("crm_config", Rule::CrmConfig)]),
        maybe(&[child("rsc_defaults", Rule::Defaults)]),
        maybe(&[child("op_defaults", Rule::Defaults)]),
        one(&[child("nodes", Rule::Nodes)]),
        one(&[child("resources", Rule::Resources)]),
        one(&[child("constraints", Rule::Constraints)]),
        maybe(&[child("fencing-topology", Rule::FencingTopology).since(Schema::V1_2)]),
        maybe(&[child("acls", Rule::Acls).since(Schema::V1_2)]),
        maybe(&[child("tags", Rule::Tags).since(Schema::V1_3)]),
        maybe(&[child("alerts", Rule::Alerts).since(Schema::V2_5)]),
    ]),
)];

static ANYTHING: [Form; 1] = [form(&[], Content::Anything)];
static EMPTY: [Form; 1] = [form(&[], Content::Nothing)];

static CRM_CONFIG: [Form; 1] = [form(
    &[],
    Content::Mixed(&[any(&[child("cluster_property_set", Rule::Set(Names::Cluster))])]),
)];

static DEFAULTS: [Form; 1] =
    [form(&[], Content::Mixed(&[any(&[child("meta_attributes", Rule::Set(Names::Any))])]))];

static NODES: [Form; 1] = [form(&[], Content::Mixed(&[any(&[child("node", Rule::Node)])]))];

const NODE: &[Attribute] =
    &[must("id", Kind::Text), must("uname", Kind::Text), may("description", Kind::Text)];

static NODE_FORMS: [Form; 2] = [
    form(
        &[NODE, &[must("type", Kind::Words(&[word("normal"), word("member"), word("ping")]))]],
        Content::Mixed(&[any(&[child("instance_attributes", Rule::Set(Names::Any))])]),
    )
    .until(Schema::V1_0),
    form(
        &[
            NODE,
            &[
                may(
                    "type",
                    Kind::Words(&[
                        word("normal").until(Schema::V2_10),
                        word("member"),
                        word("ping"),
                        word("remote").since(Schema::V1_3),
                    ]),
                ),
                may("score", Kind::Score),
            ],
        ],
        Content::Mixed(&[any(&[
            child("instance_attributes", Rule::Set(Names::Any)),
            child("utilization", Rule::Set(Names::Any)),
        ])]),
    )
    .since(Schema::V1_2),
];

static FENCING_TOPOLOGY: [Form; 1] =
    [form(&[], Content::Mixed(&[any(&[child("fencing-level", Rule::FencingLevel)])]))];

const LEVEL: &[Attribute] =
    &[must("id", Kind::Id), must("index", Kind::Positive), must("devices", Kind::Devices)];

static FENCING_LEVEL: [Form; 3] = [
    form(&[LEVEL, &[must("target", Kind::Text)]], Content::Nothing),
    form(&[LEVEL, &[must("target-pattern", Kind::Text)]], Content::Nothing),
    form(
        &[LEVEL, &[must("target-attribute", Kind::Text), must("target-value", Kind::Text)]],
        Content::Nothing,
    )
    .since(Schema::V2_4),
];

const BEFORE_ROLES: Schema = Schema::V1_3;
const ROLES: Schema = Schema::V2_0;

static ACLS: [Form; 1] = [form(
    &[],
    Content::Mixed(&[any(&[
        child("acl_user", Rule::AclUser).until(BEFORE_ROLES),
        child("acl_role", Rule::OldAclRole).until(BEFORE_ROLES),
        child("acl_target", Rule::AclTarget).since(ROLES),
        child("acl_group", Rule::AclGroup).since(ROLES),
        child("acl_role", Rule::AclRole).since(ROLES),
    ])]),
)];

const OLD_ACL: Slot =
    any(&[child("read", Rule::OldAcl), child("write", Rule::OldAcl), child("deny", Rule::OldAcl)]);

static ACL_USER: [Form; 2] = [
    form(&[ID], Content::Mixed(&[any(&[child("role_ref", Rule::IdRef)])])),
    form(&[ID], Content::Mixed(&[OLD_ACL])),
];

static OLD_ACL_ROLE: [Form; 1] = [form(&[ID], Content::Mixed(&[OLD_ACL]))];

const PART: &[Attribute] = &[may("attribute", Kind::Text)];

static OLD_ACL_FORMS: [Form; 3] = [
    form(&[ID, PART, &[must("tag", Kind::Text), may("ref", Kind::IdRef)]], Content::Nothing),
    form(&[ID, PART, &[must("ref", Kind::IdRef)]], Content::Nothing),
    form(&[ID, PART, &[must("xpath", Kind::Text)]], Content::Nothing),
];

const NAME: &[Attribute] = &[may("name", Kind::Text).since(Schema::V3_8)];
const ROLE: Content = Content::Mixed(&[any(&[child("role", Rule::IdRef)])]);

static ACL_TARGET: [Form; 1] = [form(&[&[must("id", Kind::Text)], NAME], ROLE)];
static ACL_GROUP: [Form; 1] = [form(&[ID, NAME], ROLE)];

static ACL_ROLE: [Form; 1] = [form(
    &[ID, &[may("description", Kind::Text)]],
    Content::Mixed(&[any(&[child("acl_permission", Rule::AclPermission)])]),
)];

const PERMISSION: &[Attribute] = &[
    must("id", Kind::Id),
    must("kind", Kind::Words(&[word("read"), word("write"), word("deny")])),
    may("description", Kind::Text),
];

static ACL_PERMISSION: [Form; 3] = [
    form(&[PERMISSION, &[must("xpath", Kind::Text)]], Content::Nothing),
    form(&[PERMISSION, &[must("reference", Kind::IdRef)]], Content::Nothing),
    form(
        &[PERMISSION, &[must("object-type", Kind::Text), may("attribute", Kind::Text)]],
        Content::Nothing,
    ),
];

static ID_REF: [Form; 1] = [form(&[&[must("id", Kind::IdRef)]], Content::Nothing)];

static TAGS: [Form; 1] = [form(&[], Content::Mixed(&[any(&[child("tag", Rule::Tag)])]))];
static TAG: [Form; 1] = [form(&[ID], Content::Mixed(&[some(&[child("obj_ref", Rule::ObjRef)])]))];
static OBJ_REF: [Form; 2] = [
    form(&[&[must("id", Kind::IdRef)]], Content::Nothing).until(Schema::V3_2),
    form(&[&[must("id", Kind::Text)]], Content::Nothing).since(Schema::V3_3),
];

const EXTRA: Slot = any(&[
    child("meta_attributes", Rule::Set(Names::Any)),
    child("instance_attributes", Rule::Set(Names::Any)),
]);
const RECIPIENTS: Slot = any(&[child("recipient", Rule::Recipient)]);
const ALERT: &[Attribute] =
    &[must("id", Kind::Id), may("description", Kind::Text), must("path", Kind::Text)];

static ALERTS: [Form; 1] = [form(&[], Content::Mixed(&[any(&[child("alert", Rule::Alert)])]))];
static ALERT_FORMS: [Form; 2] = [
    form(&[ALERT], Content::Listed(&[EXTRA, RECIPIENTS])).until(Schema::V2_9),
    form(&[ALERT], Content::Mixed(&[EXTRA, maybe(&[child("select", Rule::Select)]), RECIPIENTS]))
        .since(Schema::V2_10),
];

static RECIPIENT: [Form; 1] = [form(
    &[&[must("id", Kind::Id), may("description", Kind::Text), must("value", Kind::Text)]],
    Content::Mixed(&[EXTRA]),
)];

static SELECT: [Form; 1] = [form(
    &[],
    Content::Mixed(&[
        maybe(&[child("select_attributes", Rule::SelectAttributes)]),
        maybe(&[child("select_fencing", Rule::Empty)]),
        maybe(&[child("select_nodes", Rule::Empty)]),
        maybe(&[child("select_resources", Rule::Empty)]),
    ]),
)];

static SELECT_ATTRIBUTES: [Form; 1] =
    [form(&[], Content::Mixed(&[any(&[child("attribute", Rule::SelectAttribute)])]))];

static SELECT_ATTRIBUTE: [Form; 1] =
    [form(&[&[must("id", Kind::Id), must("name", Kind::Text)]], Content::Nothing)];

pub(super) fn forms(rule: Rule) -> &'static [Form] {
    match rule {
        Rule::Cib => &CIB,
        Rule::Configuration => &CONFIGURATION,
        Rule::Status => &ANYTHING,
        Rule::CrmConfig => &CRM_CONFIG,
        Rule::Defaults => &DEFAULTS,
        Rule::Nodes => &NODES,
        Rule::Node => &NODE_FORMS,
        Rule::FencingTopology => &FENCING_TOPOLOGY,
        Rule::FencingLevel => &FENCING_LEVEL,
        Rule::Acls => &ACLS,
        Rule::AclUser => &ACL_USER,
        Rule::OldAclRole => &OLD_ACL_ROLE,
        Rule::OldAcl => &OLD_ACL_FORMS,
        Rule::AclTarget => &ACL_TARGET,
        Rule::AclGroup => &ACL_GROUP,
        Rule::AclRole => &ACL_ROLE,
        Rule::AclPermission => &ACL_PERMISSION,
        Rule::IdRef => &ID_REF,
        Rule::Tags => &TAGS,
        Rule::Tag => &TAG,
        Rule::ObjRef => &OBJ_REF,
        Rule::Alerts => &ALERTS,
        Rule::Alert => &ALERT_FORMS,
        Rule::Recipient => &RECIPIENT,
        Rule::Select => &SELECT,
        Rule::SelectAttributes => &SELECT_ATTRIBUTES,
        Rule::SelectAttribute => &SELECT_ATTRIBUTE,
        _ => &EMPTY,
    }
}
