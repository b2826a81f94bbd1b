//! Everything a plan is made of: nodes, resources, actions, constraints, in arenas with small ids.
//!
//! The phases of planning read and write this one value. Nothing in it points at anything else
//! but by index, so it has neither cycles nor lifetimes of its own (but for the document it
//! was made from).

use std::collections::{BTreeMap, HashMap};
use std::ops::{Deref, Index, IndexMut};
use std::sync::Arc;

use cib::dates::WallTime;
use cib::model::{Cib, Resource, Text};
use cib::rules::Facts;
use cib::score::Score;

use crate::action::{Action, Link};
use crate::constraint::{Coloc, Loc, OrderSpec};
use crate::options::Options;
use crate::reason::Reasons;
use crate::task::Key;

pub(crate) use crate::table::{Allowed, Discovery, Table};

macro_rules! id {
    ($(#[$doc:meta])* $visible:vis $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        $visible struct $name(u32);

        impl $name {
            pub(crate) fn new(index: usize) -> Self {
                Self(u32::try_from(index).unwrap_or(u32::MAX))
            }

            /// Its place in the arena.
            #[must_use]
            $visible fn index(self) -> usize {
                usize::try_from(self.0).unwrap_or(usize::MAX)
            }
        }
    };
}

id!(
    /// A resource (or an instance, or a member).
    pub RscId
);
id!(
    /// A node.
    pub NodeId
);
id!(
    /// An action.
    pub(crate) ActionId
);
id!(
    /// A colocation.
    pub(crate) ColocId
);
id!(
    /// A location.
    pub(crate) LocId
);

/// What a resource is doing or shall do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub enum Role {
    /// Nothing is known or wanted.
    #[default]
    Unknown,
    /// It does not run.
    Stopped,
    /// It runs.
    Started,
    /// It runs, unpromoted.
    Unpromoted,
    /// It is promoted.
    Promoted,
}

impl Role {
    /// Reads the old and the new words.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let is = |known: &str| word.eq_ignore_ascii_case(known);
        if is("Stopped") {
            Some(Self::Stopped)
        } else if is("Started") {
            Some(Self::Started)
        } else if is("Slave") || is("Unpromoted") {
            Some(Self::Unpromoted)
        } else if is("Master") || is("Promoted") {
            Some(Self::Promoted)
        } else {
            None
        }
    }

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Stopped => "Stopped",
            Self::Started => "Started",
            Self::Unpromoted => "Unpromoted",
            Self::Promoted => "Promoted",
        }
    }
}

/// What kind of machine a node is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeKind {
    /// A full member.
    Member,
    /// Driven through a connection resource.
    Remote,
    /// Inside a resource that runs on another node.
    Guest,
}

/// A node.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)]
pub(crate) struct Node {
    pub id: Text,
    pub name: Text,
    pub kind: NodeKind,
    pub score: Score,
    pub online: bool,
    pub unclean: bool,
    pub unseen: bool,
    pub pending: bool,
    pub standby: bool,
    pub standby_onfail: bool,
    pub maintenance: bool,
    pub shutdown: bool,
    pub expected_up: bool,
    pub is_dc: bool,
    pub fixed: bool,
    pub discovery: bool,
    /// Whether resources look for themselves there if nobody says so.
    pub discovery_mode: Discovery,
    pub remote_was_fenced: bool,
    pub remote_maintenance: bool,
    pub remote_requires_reset: bool,
    pub unpacked: bool,
    pub attrs: HashMap<Text, Text>,
    pub capacity: BTreeMap<Text, i64>,
    pub remote: Option<RscId>,
    pub running: Vec<RscId>,
    pub assigned: Vec<RscId>,
    pub count: usize,
    pub priority: i64,
    pub state: Option<usize>,
}

/// What a resource is made as.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Variant {
    Primitive,
    Group,
    Clone,
    Bundle,
}

/// What a resource is configured by: a part of the document, or made up here.
#[derive(Clone, Debug)]
pub(crate) enum Conf<'c> {
    Document(&'c Resource),
    MadeUp(Arc<Resource>),
}

impl Deref for Conf<'_> {
    type Target = Resource;

    fn deref(&self) -> &Resource {
        match self {
            Self::Document(resource) => resource,
            Self::MadeUp(resource) => resource,
        }
    }
}

/// What to do about a resource that is active more than once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MultipleActive {
    StopStart,
    StopOnly,
    Block,
    StopUnexpected,
}

/// What a clone or bundle says of its instances.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Instances {
    pub max: i64,
    pub node_max: i64,
    pub promoted_max: i64,
    pub promoted_node_max: i64,
    pub ordered: bool,
    pub min: i64,
    /// Whether there are more usable nodes than instances.
    pub roomy: bool,
    pub allocated: i64,
    pub promoted_allocated: i64,
}

/// A resource.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)]
pub(crate) struct Rsc<'c> {
    pub id: Text,
    /// The id in the configuration.
    pub base: Text,
    /// The id in histories, where it differs from `id`.
    pub history_id: Option<Text>,
    pub variant: Variant,
    pub conf: Conf<'c>,
    pub class: Text,
    pub provider: Text,
    pub agent: Text,
    pub parent: Option<RscId>,
    pub children: Vec<RscId>,
    pub meta: HashMap<Text, Text>,
    pub priority: i64,
    pub stickiness: Score,
    pub threshold: i64,
    pub failure_timeout: i64,
    pub reconnect: i64,
    pub multiple_active: MultipleActive,
    pub managed: bool,
    pub maintenance: bool,
    pub blocked: bool,
    pub failed: bool,
    pub failure_ignored: bool,
    pub orphan: bool,
    pub orphan_container_filler: bool,
    pub notify: bool,
    pub unique: bool,
    pub promotable: bool,
    pub allow_migrate: bool,
    pub critical: bool,
    pub provisional: bool,
    pub allocating: bool,
    pub merging: bool,
    pub needs_quorum: bool,
    pub needs_fencing: bool,
    pub needs_unfencing: bool,
    pub fence_device: bool,
    pub exclusive_discover: bool,
    pub start_pending: bool,
    pub stop_requested: bool,
    pub stop_unexpected: bool,
    pub reload: bool,
    pub is_remote_connection: bool,
    pub ignore_health: bool,
    pub instances: Instances,
    pub allowed: Table,
    /// Nodes it does not choose this time.
    pub closed: Vec<NodeId>,
    pub running_on: Vec<NodeId>,
    pub known_on: Vec<NodeId>,
    pub assigned: Option<NodeId>,
    pub role: Role,
    pub next_role: Role,
    pub with: Vec<ColocId>,
    pub with_this: Vec<ColocId>,
    pub locations: Vec<LocId>,
    pub actions: Vec<ActionId>,
    pub fillers: Vec<RscId>,
    pub container: Option<RscId>,
    pub partial_source: Option<NodeId>,
    pub partial_target: Option<NodeId>,
    pub dangling: Vec<NodeId>,
    pub pending_task: Option<Text>,
    pub pending_node: Option<NodeId>,
    pub lock_node: Option<NodeId>,
    pub lock_time: i64,
    pub utilization: HashMap<Text, i64>,
    pub promotion: Promotion,
    pub tickets: Vec<Text>,
    /// The place in a bundle, where it is part of one.
    pub replica: Option<(RscId, usize)>,
    pub bundle: Option<Box<crate::bundle::BundleState>>,
}

/// How an instance stands in the contest for promotion.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Promotion {
    pub sort: Score,
}

/// See the module.
pub(crate) struct World<'c> {
    pub cib: &'c Cib,
    pub now: WallTime,
    pub options: Options,
    pub nodes: Vec<Node>,
    /// Nodes in the order of their names.
    pub node_order: Vec<NodeId>,
    pub rscs: Vec<Rsc<'c>>,
    /// Top-level resources, most important first.
    pub top: Vec<RscId>,
    pub by_id: HashMap<Text, RscId>,
    pub actions: Vec<Action>,
    pub named: HashMap<Text, ActionId>,
    pub links: Vec<Link>,
    pub orders: Vec<OrderSpec>,
    pub colocs: Vec<Coloc>,
    pub locs: Vec<Loc>,
    pub group_of_tag: HashMap<Text, Vec<Text>>,
    pub tickets: HashMap<Text, usize>,
    pub ticket_states: Vec<TicketState>,
    pub stop_needed: Vec<RscId>,
    pub failed_ops: Vec<FailedOp>,
    pub param_checks: Vec<ParamCheck>,
    pub reasons: Reasons,
    pub scores: Vec<String>,
    pub show_scores: bool,
    pub want_considered: bool,
    pub op_cache: HashMap<(RscId, Key), Arc<crate::operation::OpMeta>>,
    pub epoch: u32,
    /// Actions whose flags changed while somebody else was looked at.
    pub dirty: Vec<ActionId>,
    /// Stops of what a migration left behind.
    pub dangling_stops: std::collections::HashSet<ActionId>,
    /// Notifications of clones.
    pub notifications: HashMap<RscId, crate::create::Notifications>,
    /// Actions whose definition changed, so that they are done anew.
    pub wanted_anew: std::collections::HashSet<ActionId>,
    /// Monitors whose failures have expired: to be asked anew.
    pub expired_monitors: Vec<(RscId, NodeId, usize, usize, usize)>,
    pub warnings: Vec<String>,
    pub before: crate::transition::Observed,
    pub have_stonith_resource: bool,
    pub have_remote_nodes: bool,
    pub dc: Option<NodeId>,
}

/// A ticket as the cluster has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct TicketState {
    pub granted: bool,
    pub standby: bool,
}

/// An operation that failed, for people to see.
#[derive(Clone, Debug)]
pub(crate) struct FailedOp {
    pub resource: RscId,
    pub node: NodeId,
    pub state: usize,
    pub history: usize,
    pub op: usize,
}

/// A comparison of parameters that has to wait until everything has its node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParamCheck {
    pub resource: RscId,
    pub node: NodeId,
    pub state: usize,
    pub history: usize,
    pub op: usize,
    pub active: bool,
}

impl<'c> Index<RscId> for World<'c> {
    type Output = Rsc<'c>;
    fn index(&self, id: RscId) -> &Rsc<'c> {
        &self.rscs[id.index()]
    }
}

impl IndexMut<RscId> for World<'_> {
    fn index_mut(&mut self, id: RscId) -> &mut Self::Output {
        &mut self.rscs[id.index()]
    }
}

impl Index<NodeId> for World<'_> {
    type Output = Node;
    fn index(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }
}

impl IndexMut<NodeId> for World<'_> {
    fn index_mut(&mut self, id: NodeId) -> &mut Self::Output {
        &mut self.nodes[id.index()]
    }
}

impl Index<ActionId> for World<'_> {
    type Output = Action;
    fn index(&self, id: ActionId) -> &Action {
        &self.actions[id.index()]
    }
}

impl IndexMut<ActionId> for World<'_> {
    fn index_mut(&mut self, id: ActionId) -> &mut Self::Output {
        &mut self.actions[id.index()]
    }
}

impl<'c> World<'c> {
    pub(crate) fn rsc_ids(&self) -> impl Iterator<Item = RscId> + use<> {
        (0..self.rscs.len()).map(RscId::new)
    }

    /// The outermost resource it is part of; a bundle counts only if asked for.
    pub(crate) fn top_of(&self, rsc: RscId, through_bundles: bool) -> RscId {
        let mut top = rsc;
        while let Some(parent) = self[top].parent {
            if self[parent].variant == Variant::Bundle && !through_bundles {
                break;
            }
            top = parent;
        }
        top
    }

    pub(crate) fn in_bundle(&self, rsc: RscId) -> bool {
        let top = self.top_of(rsc, true);
        top != rsc && self[top].variant == Variant::Bundle
    }

    /// It and everything below.
    pub(crate) fn family(&self, rsc: RscId) -> Vec<RscId> {
        let mut all = vec![rsc];
        let mut at = 0;
        while at < all.len() {
            all.extend(self[all[at]].children.iter().copied());
            at += 1;
        }
        all
    }

    /// Whether `above` contains `rsc`.
    pub(crate) fn contains(&self, above: RscId, rsc: RscId) -> bool {
        let mut at = self[rsc].parent;
        while let Some(parent) = at {
            if parent == above {
                return true;
            }
            at = self[parent].parent;
        }
        false
    }

    /// The primitives of a resource.
    pub(crate) fn leaves(&self, rsc: RscId) -> Vec<RscId> {
        let all = self.family(rsc);
        all.into_iter().filter(|id| self[*id].variant == Variant::Primitive).collect()
    }

    pub(crate) fn node_named(&self, name: &str) -> Option<NodeId> {
        self.node_order.iter().copied().find(|node| self[*node].name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn node_any(&self, id_or_name: &str) -> Option<NodeId> {
        let by_id = self.node_order.iter().copied().find(|node| &*self[*node].id == id_or_name);
        by_id.or_else(|| self.node_named(id_or_name))
    }

    pub(crate) fn facts(&self) -> Facts<'static> {
        Facts { now: self.now, ..Facts::default() }
    }

    pub(crate) fn is_remote(&self, node: NodeId) -> bool {
        self[node].kind == NodeKind::Remote
    }

    pub(crate) fn is_guest(&self, node: NodeId) -> bool {
        self[node].kind == NodeKind::Guest
    }

    pub(crate) fn is_guest_or_remote(&self, node: NodeId) -> bool {
        self[node].kind != NodeKind::Member
    }

    /// Whether something may be put on a node at all.
    pub(crate) fn node_available(
        &self,
        node: NodeId,
        score: Option<Score>,
        guest_too: bool,
    ) -> bool {
        let it = &self[node];
        if !it.online || it.shutdown || it.unclean || it.standby || it.maintenance {
            return false;
        }
        if score.is_some_and(Score::is_never) {
            return false;
        }
        if guest_too && it.kind == NodeKind::Guest {
            let host = it.remote.and_then(|remote| self[remote].container);
            if let Some(assigned) = host.and_then(|host| self[host].assigned) {
                return self.node_available(assigned, None, false);
            }
        }
        true
    }

    /// A meta attribute.
    pub(crate) fn meta(&self, rsc: RscId, name: &str) -> Option<&str> {
        self[rsc].meta.get(name).map(|value| &**value)
    }

    pub(crate) fn meta_true(&self, rsc: RscId, name: &str) -> bool {
        cib::value::is_true(self.meta(rsc, name))
    }

    /// The attribute of a node as rules and constraints see it.
    pub(crate) fn node_attribute(&self, node: NodeId, name: &str) -> Option<Text> {
        self[node].attrs.get(name).cloned()
    }

    /// Where a resource is (or will be): all nodes of its leaves, without repetition.
    pub(crate) fn nodes_of(&self, rsc: RscId, current: bool) -> Vec<NodeId> {
        let it = &self[rsc];
        if it.children.is_empty() {
            return if current { it.running_on.clone() } else { it.assigned.into_iter().collect() };
        }
        let mut all = Vec::new();
        for child in &it.children {
            for node in self.nodes_of(*child, current) {
                if !all.contains(&node) {
                    all.push(node);
                }
            }
        }
        all
    }

    /// The only node a resource is (or will be) on.
    pub(crate) fn location(&self, rsc: RscId, current: bool) -> Option<NodeId> {
        match *self.nodes_of(rsc, current).as_slice() {
            [node] => Some(node),
            _ => None,
        }
    }

    /// The highest (current or next) role among a resource's leaves.
    pub(crate) fn state(&self, rsc: RscId, current: bool) -> Role {
        let it = &self[rsc];
        let own = if current { it.role } else { it.next_role };
        if it.variant == Variant::Primitive {
            return own;
        }
        let below = it.children.iter().map(|child| self.state(*child, current));
        below.max().unwrap_or_default()
    }

    /// Whether any (or all) of it runs on a node that counts.
    pub(crate) fn active(&self, rsc: RscId, all: bool) -> bool {
        let it = &self[rsc];
        match it.variant {
            Variant::Primitive => it.running_on.iter().any(|node| {
                let node = &self[*node];
                node.unclean || node.online || !it.managed
            }),
            _ if all => {
                !it.children.is_empty() && it.children.iter().all(|child| self.active(*child, all))
            }
            _ => it.children.iter().any(|child| self.active(*child, all)),
        }
    }
}
