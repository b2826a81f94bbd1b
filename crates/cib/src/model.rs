//! The CIB as typed values: what planning needs to know, with old spellings translated.
//!
//! Reading never fails on a well-formed document: what is not understood is left out, what is
//! misspelt takes its default. (Whether a document is *valid* is another question, which schema
//! validation answers.) References inside the document are followed here: `id-ref`s point
//! nowhere any more, and primitives hold what their templates give them.

mod constraints;
mod resources;
mod sets;
mod status;
mod stream;

use std::collections::HashMap;
use std::sync::Arc;

use crate::dates::WallTime;
use crate::value::is_true;
use crate::xml::{self, Element};

pub use constraints::{Colocation, Location, Order, ResourceSet, TicketUse};
pub use resources::{Bundle, Kind, Operation, Resource};
pub use sets::{AttrSet, AttrSets, Pair};
pub use status::{History, NodeState, OpRecord, Ticket, TransitionKey};

/// A shared string.
pub type Text = Arc<str>;

/// The document.
#[derive(Clone, Debug, Default)]
pub struct Cib {
    /// Name of the root element: `cib`, or this is something else.
    pub root: Text,
    /// admin_epoch, epoch, num_updates.
    pub version: (u64, u64, u64),
    /// Name of the schema, as in `pacemaker-3.9`.
    pub schema: Text,
    /// Feature set of the writer.
    pub feature_set: Text,
    /// Whether the partition had quorum; none if the document does not say.
    pub have_quorum: Option<bool>,
    /// Id of the DC.
    pub dc: Option<Text>,
    /// When the document was made for planning.
    pub execution_date: Option<WallTime>,
    /// `no-quorum-panic` of the `<cib>` element.
    pub quorum_panic: bool,
    /// Cluster options.
    pub options: AttrSets,
    /// Default meta attributes of resources.
    pub resource_defaults: AttrSets,
    /// Default meta attributes of operations.
    pub operation_defaults: AttrSets,
    /// Configured nodes.
    pub nodes: Vec<NodeConfig>,
    /// Top-level resources.
    pub resources: Vec<Resource>,
    /// Templates: their ids with the primitives made from each.
    pub templates: Vec<(Text, Vec<Text>)>,
    /// Tags: their ids with what each refers to.
    pub tags: Vec<(Text, Vec<Text>)>,
    /// Locations.
    pub locations: Vec<Location>,
    /// Colocations.
    pub colocations: Vec<Colocation>,
    /// Orders.
    pub orders: Vec<Order>,
    /// Dependence on tickets.
    pub ticket_uses: Vec<TicketUse>,
    /// Constraints' kinds in document order, with the index into the vector of each.
    pub constraint_order: Vec<ConstraintRef>,
    /// Fencing levels.
    pub levels: Vec<FencingLevel>,
    /// State of the nodes.
    pub node_states: Vec<NodeState>,
    /// State of the tickets.
    pub tickets: Vec<Ticket>,
}

/// One constraint, by kind and place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConstraintRef {
    /// Index into [`Cib::locations`].
    Location(usize),
    /// Index into [`Cib::colocations`].
    Colocation(usize),
    /// Index into [`Cib::orders`].
    Order(usize),
    /// Index into [`Cib::ticket_uses`].
    Ticket(usize),
}

/// A `<node>`.
#[derive(Clone, Debug, Default)]
pub struct NodeConfig {
    /// Its id.
    pub id: Text,
    /// Its name.
    pub name: Text,
    /// `member`, `ping`, `remote`; empty if not said.
    pub kind: Text,
    /// What it gives to every resource.
    pub score: Option<Text>,
    /// Permanent attributes.
    pub attributes: AttrSets,
    /// Capacities.
    pub utilization: AttrSets,
}

/// A `<fencing-level>`.
#[derive(Clone, Debug, Default)]
pub struct FencingLevel {
    /// Name of the node it fences, if given by name.
    pub target: Option<Text>,
    /// Pattern of names.
    pub target_pattern: Option<Text>,
    /// Attribute and value that select nodes.
    pub target_attribute: Option<(Text, Text)>,
    /// Devices to be used together.
    pub devices: Vec<Text>,
}

/// Follows `id-ref`s inside a configuration.
pub(crate) struct Refs<'a> {
    by_id: HashMap<&'a str, &'a Element>,
}

impl<'a> Refs<'a> {
    fn new(configuration: Option<&'a Element>) -> Self {
        let mut by_id = HashMap::new();
        for element in configuration.into_iter().flat_map(Element::descend) {
            if let Some(id) = element.id() {
                by_id.entry(id).or_insert(element);
            }
        }
        Self { by_id }
    }

    /// The element itself, or the one it refers to if that is of the same kind.
    pub(crate) fn follow(&self, element: &'a Element) -> &'a Element {
        let Some(id) = element.get("id-ref") else { return element };
        match self.by_id.get(id) {
            Some(target) if target.name() == element.name() => target,
            _ => element,
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&'a Element> {
        self.by_id.get(id).copied()
    }
}

impl Cib {
    /// Reads a document's text.
    ///
    /// # Errors
    /// When it is not well-formed XML.
    pub fn parse(text: &str) -> Result<Self, xml::Error> {
        Ok(Self::parse_with_tree(text)?.0)
    }

    /// Reads a document's text; with what of its tree is left without the histories, which are
    /// nearly all of it in a large cluster.
    ///
    /// # Errors
    /// When it is not well-formed XML.
    pub fn parse_with_tree(text: &str) -> Result<(Self, Element), xml::Error> {
        let (root, histories) = stream::parse(text)?;
        Ok((Self::read_with(&root, histories), root))
    }

    /// The same for a text that comes in pieces, of which no more is kept at a time than has to be.
    /// `more` fills what it is given and says how far; nothing is the end. None where something is
    /// wrong with it: what and where, [`Cib::parse_with_tree`] says.
    pub fn parse_pieces(more: impl FnMut(&mut [u8]) -> Option<usize>) -> Option<(Self, Element)> {
        let (root, histories) = stream::parse_pieces(more)?;
        Some((Self::read_with(&root, histories), root))
    }

    /// Reads a `<cib>` element.
    #[must_use]
    pub fn read(root: &Element) -> Self {
        Self::read_with(root, Vec::new())
    }

    fn read_with(root: &Element, histories: Vec<Vec<History>>) -> Self {
        let number = |name: &str| root.get(name).and_then(|text| text.parse().ok()).unwrap_or(0);
        let configuration = root.child("configuration");
        let section = |name: &str| configuration.and_then(|section| section.child(name));
        let refs = Refs::new(configuration);
        let mut cib = Self {
            root: root.name().into(),
            version: (number("admin_epoch"), number("epoch"), number("num_updates")),
            schema: root.get("validate-with").unwrap_or_default().into(),
            feature_set: root.get("crm_feature_set").unwrap_or_default().into(),
            have_quorum: root.get("have-quorum").map(|text| is_true(Some(text))),
            dc: root.get("dc-uuid").filter(|id| !id.is_empty()).map(Into::into),
            execution_date: root
                .get("execution-date")
                .and_then(|text| text.parse().ok())
                .filter(|seconds| *seconds != 0)
                .map(WallTime),
            quorum_panic: is_true(root.get("no-quorum-panic")),
            ..Self::default()
        };
        let sets = |parent: Option<&Element>, name| match parent {
            Some(parent) => AttrSets::read(parent, name, &refs),
            None => AttrSets::default(),
        };
        cib.options = sets(section("crm_config"), "cluster_property_set");
        cib.resource_defaults = sets(section("rsc_defaults"), "meta_attributes");
        cib.operation_defaults = sets(section("op_defaults"), "meta_attributes");
        for node in section("nodes").into_iter().flat_map(|nodes| nodes.named("node")) {
            cib.nodes.push(NodeConfig {
                id: node.id().unwrap_or_default().into(),
                name: node.get("uname").or(node.id()).unwrap_or_default().into(),
                kind: node.get("type").unwrap_or_default().into(),
                score: node.get("score").map(Into::into),
                attributes: AttrSets::read(node, "instance_attributes", &refs),
                utilization: AttrSets::read(node, "utilization", &refs),
            });
        }
        if let Some(section) = section("resources") {
            resources::read(section, &refs, &mut cib);
        }
        for tag in section("tags").into_iter().flat_map(|tags| tags.named("tag")) {
            let members = tag.named("obj_ref").filter_map(|member| member.id().map(Into::into));
            cib.tags.push((tag.id().unwrap_or_default().into(), members.collect()));
        }
        if let Some(section) = section("constraints") {
            constraints::read(section, &refs, &mut cib);
        }
        let topology = section("fencing-topology");
        for level in topology.into_iter().flat_map(|levels| levels.named("fencing-level")) {
            let text = |name: &str| level.get(name).map(Text::from);
            cib.levels.push(FencingLevel {
                target: text("target"),
                target_pattern: text("target-pattern"),
                target_attribute: text("target-attribute").zip(text("target-value")),
                devices: level
                    .get("devices")
                    .unwrap_or_default()
                    .split(',')
                    .map(|device| device.trim().into())
                    .collect(),
            });
        }
        if let Some(section) = root.child("status") {
            status::read(section, &refs, histories, &mut cib);
        }
        cib
    }
}
