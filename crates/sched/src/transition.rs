//! What planning comes to: actions with what they wait for, and what a person wants to know.

use cib::model::Text;

use crate::reason::Trace;
use crate::task::Task;
use crate::world::{NodeKind, Role};

/// A plan.
#[derive(Clone, Debug, Default)]
pub struct Transition {
    /// The actions, each with what it waits for.
    pub steps: Vec<Step>,
    /// Options a graph states.
    pub options: GraphOptions,
    /// Placement scores in the order they were decided, if asked for.
    pub scores: Vec<String>,
    /// The nodes as planning saw them.
    pub nodes: Vec<NodeView>,
    /// All resources as planning saw them; parents before their parts.
    pub resources: Vec<ResourceView>,
    /// Top-level resources (indices into `resources`).
    pub top: Vec<usize>,
    /// Operations that failed: (resource, node, operation key, exit code, reason).
    pub failed: Vec<FailedView>,
    /// What contributed to placement scores, and how nodes were chosen, if asked for.
    pub trace: Trace,
    /// What planning could not do properly.
    pub warnings: Vec<String>,
    /// What happens to each resource, in a person's words.
    pub events: Vec<Event>,
    /// Whether something speaks against calling this cluster well.
    pub quorate: bool,
    /// All actions considered, also those that are not done, for pictures.
    pub considered: Vec<Considered>,
    /// The cluster before anything was decided, if asked for.
    pub before: Observed,
}

/// A cluster as planning found it.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The nodes, by name.
    pub nodes: Vec<NodeView>,
    /// All resources; parents before their parts.
    pub resources: Vec<ResourceView>,
    /// Top-level resources (indices into `resources`).
    pub top: Vec<usize>,
    /// Operations that failed.
    pub failed: Vec<FailedView>,
    /// Whether all of it is left alone.
    pub maintenance_mode: bool,
    /// Whether there is quorum.
    pub quorate: bool,
}

/// What a node's health attributes come to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Health {
    /// All is well.
    #[default]
    Green,
    /// Not quite.
    Yellow,
    /// Not at all.
    Red,
}

/// Options a graph states.
#[derive(Clone, Debug, Default)]
pub struct GraphOptions {
    /// How long messages may take.
    pub cluster_delay: Text,
    /// How long fencing may take.
    pub fencing_timeout: Text,
    /// Whether a failed start counts as infinitely many failures.
    pub start_failure_fatal: bool,
    /// How many actions at once; empty if not limited.
    pub batch_limit: Text,
    /// How many migrations at once; empty if not limited.
    pub migration_limit: Text,
}

/// What executes a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StepKind {
    /// An agent.
    Resource,
    /// Nobody.
    Pseudo,
    /// The cluster itself.
    Cluster,
}

/// One action of a plan.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its number in the graph.
    pub id: u32,
    /// What executes it.
    pub kind: StepKind,
    /// What it does.
    pub task: Task,
    /// The word for what it does.
    pub operation: Text,
    /// The key under which its result is recorded.
    pub key: String,
    /// The key inside planning, where it differs.
    pub internal_key: Option<String>,
    /// Where: name and id.
    pub node: Option<(Text, Text)>,
    /// Through which cluster node, if on a remote one.
    pub router: Option<Text>,
    /// Whether only the CIB is changed.
    pub cib_only: bool,
    /// The resource, for those that agents execute.
    pub resource: Option<StepResource>,
    /// Id of the resource inside planning.
    pub resource_id: Option<Text>,
    /// Milliseconds between repetitions.
    pub interval: i64,
    /// Attributes, sorted by name.
    pub attributes: Vec<(Text, Text)>,
    /// Ids of the nodes that are down afterwards.
    pub downed: Vec<Text>,
    /// Remote nodes whose maintenance mode changes: id and new value.
    pub maintenance: Vec<(Text, bool)>,
    /// How much it matters.
    pub priority: i64,
    /// The steps it waits for (indices).
    pub inputs: Vec<usize>,
    /// Why it is there.
    pub reason: Option<Text>,
}

/// How a graph names a resource.
#[derive(Clone, Debug)]
pub struct StepResource {
    /// Id.
    pub id: Text,
    /// Id of the instance, where `id` is that of all.
    pub long_id: Option<Text>,
    /// `ocf`, …
    pub class: Text,
    /// `heartbeat`, …; empty if none.
    pub provider: Text,
    /// `IPaddr2`, …
    pub agent: Text,
}

/// An action that was considered.
#[derive(Clone, Debug)]
pub struct Considered {
    /// Its number.
    pub id: u32,
    /// Its key with its node.
    pub name: String,
    /// Whether nobody executes it.
    pub pseudo: bool,
    /// Whether it is part of the graph.
    pub in_graph: bool,
    /// Whether it could be done.
    pub runnable: bool,
    /// Whether it need not be done.
    pub optional: bool,
    /// Whether its resource is unmanaged.
    pub unmanaged: bool,
    /// The resource and the task, for those who filter.
    pub print_always: bool,
    /// Its predecessors.
    pub before: Vec<Before>,
}

/// What an action that was considered comes after.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    /// The predecessor's number.
    pub id: u32,
    /// Whether the graph waits for it.
    pub waits: bool,
    /// Whether only room is made by it.
    pub load_only: bool,
}

/// A node as planning saw it.
#[derive(Clone, Debug)]
#[allow(missing_docs, clippy::struct_excessive_bools)]
pub struct NodeView {
    pub id: Text,
    pub name: Text,
    pub kind: NodeKind,
    pub online: bool,
    pub unclean: bool,
    pub pending: bool,
    pub standby: bool,
    pub standby_onfail: bool,
    pub maintenance: bool,
    pub shutdown: bool,
    pub is_dc: bool,
    pub remote_requires_reset: bool,
    /// For a guest: the container's id, and the host's name.
    pub container: Option<Text>,
    pub host: Option<Text>,
    pub running: usize,
    pub health: Health,
    /// What each still has room for, sorted by name.
    pub capacity: Vec<(Text, i64)>,
}

/// What a resource is made as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Shape {
    Primitive,
    Group,
    Clone,
    Bundle,
}

/// A resource as planning saw it.
#[derive(Clone, Debug)]
#[allow(missing_docs, clippy::struct_excessive_bools)]
pub struct ResourceView {
    pub id: Text,
    pub base: Text,
    pub history_id: Option<Text>,
    pub shape: Shape,
    pub class: Text,
    pub provider: Text,
    pub agent: Text,
    pub parent: Option<usize>,
    pub children: Vec<usize>,
    /// Of a clone: how many instances there shall be.
    pub copies: i64,
    /// Of a clone: how many of them may be on one node.
    pub copies_on_node: i64,
    /// Made up by the cluster: not for people.
    pub internal: bool,
    /// Where it is, if it is (also) somewhere else: the place that counts.
    pub current: Option<usize>,
    pub role: Role,
    pub next_role: Role,
    pub target_role: Option<Role>,
    /// Where it is: indices into the nodes.
    pub running_on: Vec<usize>,
    pub assigned: Option<usize>,
    pub known_on: Vec<usize>,
    pub managed: bool,
    /// Whether it may start only when what it was on is fenced.
    pub needs_fencing: bool,
    pub maintenance: bool,
    pub blocked: bool,
    pub failed: bool,
    pub failure_ignored: bool,
    pub orphan: bool,
    pub promotable: bool,
    pub unique: bool,
    pub pending: Option<Text>,
    pub pending_node: Option<usize>,
    pub lock_node: Option<usize>,
    /// Of a bundle: the image; of a container in it: its address.
    pub bundle: Option<BundleView>,
    pub score_on: Vec<(usize, i32)>,
}

/// What a person is told of a bundle.
#[derive(Clone, Debug, Default)]
pub struct BundleView {
    /// The image of its containers.
    pub image: Text,
    /// Replicas: indices of the container, the address, the connection, what runs inside.
    pub replicas: Vec<ReplicaView>,
}

/// One replica of a bundle.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct ReplicaView {
    pub container: usize,
    pub ip: Option<usize>,
    pub remote: Option<usize>,
    pub child: Option<usize>,
    pub address: Option<Text>,
}

/// A failed operation.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct FailedView {
    pub resource: Text,
    pub node: Text,
    pub task: Text,
    pub interval: i64,
    pub rc: i64,
    pub status: i64,
    pub call_id: i64,
    pub reason: Option<Text>,
    pub last_rc_change: Option<i64>,
    pub exec_time: Option<Text>,
    pub queue_time: Option<Text>,
}

/// What happens to a resource or node, for people.
#[derive(Clone, Debug)]
pub struct Event {
    /// `Start`, `Move`, `Fence (reboot)`, …
    pub verb: Text,
    /// Resource or node.
    pub subject: Text,
    /// From where to where, in brackets.
    pub detail: String,
    /// What it is due to.
    pub reason: Option<Text>,
    /// Whether it cannot be done.
    pub blocked: bool,
}
