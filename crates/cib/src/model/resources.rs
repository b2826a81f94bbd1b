//! Resources: primitives, groups, clones, bundles; templates are worked in.

use super::{AttrSets, Cib, Refs, Text};
use crate::value::{is_true, leading_integer, milliseconds};
use crate::xml::Element;

/// A resource.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its id.
    pub id: Text,
    /// What it is.
    pub kind: Kind,
    /// Meta attributes.
    pub meta: AttrSets,
    /// Parameters.
    pub parameters: AttrSets,
    /// What it uses up.
    pub utilization: AttrSets,
    /// Operations.
    pub operations: Vec<Operation>,
}

/// What a resource is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// One instance of an agent.
    Primitive {
        /// `ocf`, `systemd`, `lsb`, `stonith`, …
        class: Text,
        /// `heartbeat`, …; empty if none.
        provider: Text,
        /// `IPaddr2`, …
        agent: Text,
    },
    /// Members that go together, one after the other.
    Group(Vec<Resource>),
    /// Copies of one resource.
    Clone {
        /// What is copied.
        child: Box<Resource>,
        /// Whether spelt `<master>`.
        master: bool,
    },
    /// Containers.
    Bundle(Box<Bundle>),
}

/// What a bundle says of its containers.
#[derive(Clone, Debug, Default)]
pub struct Bundle {
    /// `docker`, `podman`, `rkt`
    pub runtime: Text,
    /// Attributes of the runtime's element.
    pub image: Text,
    /// How many.
    pub replicas: Option<i64>,
    /// How many on one node.
    pub replicas_per_host: Option<i64>,
    /// How many may be promoted.
    pub promoted_max: Option<i64>,
    /// `run-command`
    pub run_command: Option<Text>,
    /// `options`
    pub options: Option<Text>,
    /// Network of the runtime.
    pub network: Option<Text>,
    /// First address of the containers.
    pub ip_range_start: Option<Text>,
    /// `host-netmask`
    pub host_netmask: Option<Text>,
    /// `host-interface`
    pub host_interface: Option<Text>,
    /// `control-port`
    pub control_port: Option<Text>,
    /// `add-host`
    pub add_host: bool,
    /// Whether there is a `<network>` at all.
    pub has_network: bool,
    /// Port mappings: (port, internal port, range).
    pub ports: Vec<(Option<Text>, Option<Text>, Option<Text>)>,
    /// Storage mappings: (source, is root, target, options).
    pub storage: Vec<(Text, bool, Text, Option<Text>)>,
    /// What runs inside.
    pub child: Option<Resource>,
}

/// An operation as configured.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its id.
    pub id: Text,
    /// `monitor`, `start`, …
    pub name: Text,
    /// Milliseconds between repetitions; none if the text is no time span.
    pub interval: Option<i64>,
    /// The attributes as written.
    pub attributes: Vec<(Text, Text)>,
    /// Meta attributes.
    pub meta: AttrSets,
    /// Parameters of this operation only.
    pub parameters: AttrSets,
}

impl Operation {
    /// An attribute as written.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Text> {
        self.attributes.iter().find(|(key, _)| &**key == name).map(|(_, value)| value)
    }
}

pub(super) fn read(section: &Element, refs: &Refs<'_>, cib: &mut Cib) {
    for template in section.named("template") {
        let id = template.id().unwrap_or_default();
        let users = section.descend().filter(|rsc| rsc.get("template") == Some(id));
        let users = users.filter_map(|rsc| rsc.id().map(Into::into)).collect();
        cib.templates.push((id.into(), users));
    }
    for child in section.elements() {
        cib.resources.extend(resource(child, refs));
    }
}

fn resource(element: &Element, refs: &Refs<'_>) -> Option<Resource> {
    let template = element.get("template").and_then(|id| refs.get(id));
    let template = template.filter(|template| template.name() == "template");
    let word = |name: &str| -> Text {
        element
            .get(name)
            .or_else(|| template.and_then(|it| it.get(name)))
            .unwrap_or_default()
            .into()
    };
    let kind = match element.name() {
        "primitive" => Kind::Primitive {
            class: word("class"),
            provider: word("provider"),
            agent: word("type"),
        },
        "group" => {
            Kind::Group(element.named("primitive").filter_map(|it| resource(it, refs)).collect())
        }
        "clone" | "master" => Kind::Clone {
            child: Box::new(element.elements().find_map(|child| {
                matches!(child.name(), "primitive" | "group").then(|| resource(child, refs))?
            })?),
            master: element.name() == "master",
        },
        "bundle" => Kind::Bundle(Box::new(bundle(element, refs))),
        _ => return None,
    };
    let sets = |name: &str| {
        let mut sets = Vec::new();
        if let Some(template) = template {
            AttrSets::collect(template, name, refs, &mut sets);
        }
        AttrSets::collect(element, name, refs, &mut sets);
        AttrSets::sorted(sets)
    };
    let mut operations = template.map(|it| operations(it, refs)).unwrap_or_default();
    let own = self::operations(element, refs);
    operations.retain(|inherited| {
        !own.iter().any(|op| op.name == inherited.name && role_of(op) == role_of(inherited))
    });
    let operations = own.into_iter().chain(operations).collect();
    Some(Resource {
        id: element.id().unwrap_or_default().into(),
        kind,
        meta: sets("meta_attributes"),
        parameters: sets("instance_attributes"),
        utilization: sets("utilization"),
        operations,
    })
}

/// The role an operation is for; what is started and what is unpromoted are one.
fn role_of(op: &Operation) -> &str {
    match op.get("role").map(|role| &**role) {
        Some("Master") => "Promoted",
        Some(role) if !matches!(role, "Started" | "Slave" | "Unpromoted") => role,
        _ => "",
    }
}

fn operations(element: &Element, refs: &Refs<'_>) -> Vec<Operation> {
    let mut all = Vec::new();
    for list in element.named("operations") {
        let list = match list.get("id-ref").and_then(|id| refs.get(id)) {
            Some(target) if target.name() == "operations" => target,
            _ => list,
        };
        for op in list.named("op") {
            let op = match op.get("id-ref").and_then(|id| refs.get(id)) {
                Some(target) if target.name() == "op" => target,
                _ => op,
            };
            let attributes = op.attrs().iter();
            all.push(Operation {
                id: op.id().unwrap_or_default().into(),
                name: op.get("name").unwrap_or_default().into(),
                interval: match op.get("interval") {
                    Some(text) => milliseconds(text),
                    None => Some(0),
                },
                attributes: attributes
                    .map(|attr| (attr.name.clone(), Text::from(&*attr.value)))
                    .collect(),
                meta: AttrSets::read(op, "meta_attributes", refs),
                parameters: AttrSets::read(op, "instance_attributes", refs),
            });
        }
    }
    all
}

fn bundle(element: &Element, refs: &Refs<'_>) -> Bundle {
    let runtimes = ["docker", "podman", "rkt"];
    let runtime = element.elements().find(|child| runtimes.contains(&child.name()));
    let text = |name: &str| runtime.and_then(|it| it.get(name)).map(Text::from);
    let number = |name: &str| runtime.and_then(|it| it.get(name)).and_then(leading_integer);
    let network = element.child("network");
    let of_network = |name: &str| network.and_then(|it| it.get(name)).map(Text::from);
    let ports = network.into_iter().flat_map(|it| it.named("port-mapping"));
    let storage = element.child("storage");
    let mappings = storage.into_iter().flat_map(|it| it.named("storage-mapping"));
    Bundle {
        runtime: runtime.map(Element::name).unwrap_or_default().into(),
        image: text("image").unwrap_or_default(),
        replicas: number("replicas"),
        replicas_per_host: number("replicas-per-host"),
        promoted_max: number("promoted-max").or(number("masters")),
        run_command: text("run-command"),
        options: text("options"),
        network: text("network"),
        ip_range_start: of_network("ip-range-start"),
        host_netmask: of_network("host-netmask"),
        host_interface: of_network("host-interface"),
        control_port: of_network("control-port"),
        add_host: network.is_none_or(|it| it.get("add-host").is_none_or(|on| is_true(Some(on)))),
        has_network: network.is_some(),
        ports: ports
            .map(|port| {
                let text = |name: &str| port.get(name).map(Text::from);
                (text("port"), text("internal-port"), text("range"))
            })
            .collect(),
        storage: mappings
            .filter_map(|it| {
                let root = it.get("source-dir").is_none();
                let source = it.get("source-dir").or(it.get("source-dir-root"))?;
                let options = it.get("options").map(Text::from);
                Some((source.into(), root, it.get("target-dir")?.into(), options))
            })
            .collect(),
        child: element.child("primitive").and_then(|child| resource(child, refs)),
    }
}
