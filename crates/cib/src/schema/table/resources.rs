//! Resources: primitives, templates, groups, clones, bundles, and their operations.

use super::{
    Attribute, Child, Content, Form, Kind, Names, ROLES, Rule, Slot, any, child, form, may, maybe,
    must, one, some, word,
};
use crate::schema::Schema;

const EXTRA: Slot = any(&[
    child("meta_attributes", Rule::Set(Names::Any)),
    child("instance_attributes", Rule::Set(Names::Any)),
]);

const PRIMITIVE: &[Child] = &[child("primitive", Rule::Primitive)];

const NAMED: &[Attribute] = &[must("id", Kind::Id), may("description", Kind::Text)];

const OCF: &[Attribute] = &[
    must("class", Kind::Words(&[word("ocf")])),
    must("provider", Kind::Text),
    must("type", Kind::Text),
];

const AGENT: Content = Content::Mixed(&[
    any(&[
        child("meta_attributes", Rule::Set(Names::ResourceMeta)),
        child("instance_attributes", Rule::Set(Names::ResourceInstance)),
    ]),
    maybe(&[child("operations", Rule::Operations)]),
    any(&[child("utilization", Rule::Set(Names::Any)).since(Schema::V1_2)]),
]);

static RESOURCES: [Form; 1] = [form(
    &[],
    Content::Mixed(&[any(&[
        child("primitive", Rule::Primitive),
        child("template", Rule::Template).since(Schema::V1_2),
        child("group", Rule::Group),
        child("clone", Rule::Clone),
        child("master", Rule::Clone),
        child("bundle", Rule::Bundle).since(Schema::V2_8),
    ])]),
)];

static PRIMITIVE_FORMS: [Form; 3] = [
    form(&[NAMED, OCF], AGENT),
    form(
        &[
            NAMED,
            &[
                must(
                    "class",
                    Kind::Words(&[
                        word("lsb"),
                        word("heartbeat"),
                        word("stonith"),
                        word("upstart"),
                        word("service").since(Schema::V1_2),
                        word("systemd").since(Schema::V1_2),
                        word("nagios").since(Schema::V1_2),
                    ]),
                ),
                must("type", Kind::Text),
            ],
        ],
        AGENT,
    ),
    form(&[NAMED, &[must("template", Kind::IdRef)]], AGENT).since(Schema::V1_2),
];

static TEMPLATE: [Form; 2] = [
    form(&[NAMED, OCF], AGENT),
    form(
        &[
            NAMED,
            &[
                must(
                    "class",
                    Kind::Words(&[
                        word("lsb"),
                        word("heartbeat"),
                        word("stonith"),
                        word("upstart"),
                        word("service").since(Schema::V2_7),
                        word("systemd").since(Schema::V2_7),
                        word("nagios").since(Schema::V2_7),
                    ]),
                ),
                must("type", Kind::Text),
            ],
        ],
        AGENT,
    ),
];

static GROUP: [Form; 1] = [form(&[NAMED], Content::Mixed(&[EXTRA, some(PRIMITIVE)]))];

static CLONE: [Form; 1] = [form(
    &[NAMED],
    Content::Mixed(&[
        EXTRA,
        one(&[child("primitive", Rule::Primitive), child("group", Rule::Group)]),
    ]),
)];

static BUNDLE: [Form; 1] = [form(
    &[NAMED],
    Content::Mixed(&[
        EXTRA,
        one(&[
            child("docker", Rule::Container),
            child("rkt", Rule::Container).since(Schema::V2_10),
            child("podman", Rule::Container).since(Schema::V3_2),
        ]),
        maybe(&[child("network", Rule::Network)]),
        maybe(&[child("storage", Rule::Storage)]),
        maybe(PRIMITIVE),
    ]),
)];

static CONTAINER: [Form; 1] = [form(
    &[&[
        must("image", Kind::Text),
        may("replicas", Kind::Integer),
        may("replicas-per-host", Kind::Integer),
        may("masters", Kind::Integer),
        may("promoted-max", Kind::Integer).since(Schema::V3_0),
        may("run-command", Kind::Text),
        may("network", Kind::Text),
        may("options", Kind::Text),
    ]],
    Content::Nothing,
)
.at_most_one_of(&[&["masters", "promoted-max"]])];

static NETWORK: [Form; 1] = [form(
    &[&[
        may("ip-range-start", Kind::Text),
        may("control-port", Kind::Integer),
        may("host-interface", Kind::Text),
        may("host-netmask", Kind::Integer),
        may("add-host", Kind::Bool).since(Schema::V3_0),
    ]],
    Content::Mixed(&[any(&[child("port-mapping", Rule::PortMapping)])]),
)];

static PORT_MAPPING: [Form; 2] = [
    form(
        &[&[
            must("id", Kind::Id),
            must("port", Kind::Integer),
            may("internal-port", Kind::Integer),
        ]],
        Content::Nothing,
    ),
    form(&[&[must("id", Kind::Id), must("range", Kind::Ports)]], Content::Nothing),
];

static STORAGE: [Form; 1] =
    [form(&[], Content::Mixed(&[any(&[child("storage-mapping", Rule::StorageMapping)])]))];

static STORAGE_MAPPING: [Form; 1] = [form(
    &[&[
        must("id", Kind::Id),
        may("source-dir", Kind::Text),
        may("source-dir-root", Kind::Text),
        must("target-dir", Kind::Text),
        may("options", Kind::Text),
    ]],
    Content::Nothing,
)
.one_of(&[&["source-dir", "source-dir-root"]])];

static OPERATIONS: [Form; 1] = [form(
    &[&[may("id", Kind::Id), may("id-ref", Kind::IdRef)]],
    Content::Mixed(&[any(&[child("op", Rule::Op)])]),
)];

static OP: [Form; 1] = [form(
    &[&[
        must("id", Kind::Id),
        must("name", Kind::Text),
        must("interval", Kind::Text),
        may("description", Kind::Text),
        may("start-delay", Kind::Text),
        may("interval-origin", Kind::Text),
        may("timeout", Kind::Text),
        may("enabled", Kind::Bool),
        may("record-pending", Kind::Bool),
        may("role", ROLES),
        may(
            "requires",
            Kind::Words(&[
                word("nothing"),
                word("quorum"),
                word("fencing"),
                word("unfencing").since(Schema::V1_3),
            ]),
        )
        .until(Schema::V2_10),
        may(
            "on-fail",
            Kind::Words(&[
                word("ignore"),
                word("block"),
                word("stop"),
                word("restart"),
                word("standby"),
                word("fence"),
                word("restart-container").since(Schema::V1_2),
                word("demote").since(Schema::V3_4),
            ]),
        ),
    ]],
    Content::Mixed(&[any(&[
        child("meta_attributes", Rule::Set(Names::OpMeta)),
        child("instance_attributes", Rule::Set(Names::OpInstance)),
    ])]),
)
.at_most_one_of(&[&["start-delay", "interval-origin"]])];

pub(super) fn forms(rule: Rule) -> &'static [Form] {
    match rule {
        Rule::Resources => &RESOURCES,
        Rule::Primitive => &PRIMITIVE_FORMS,
        Rule::Template => &TEMPLATE,
        Rule::Group => &GROUP,
        Rule::Clone => &CLONE,
        Rule::Bundle => &BUNDLE,
        Rule::Container => &CONTAINER,
        Rule::Network => &NETWORK,
        Rule::PortMapping => &PORT_MAPPING,
        Rule::Storage => &STORAGE,
        Rule::StorageMapping => &STORAGE_MAPPING,
        Rule::Operations => &OPERATIONS,
        _ => &OP,
    }
}
