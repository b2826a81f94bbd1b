//! Actions and the links between them.

use bitflags::bitflags;
use cib::model::Text;

use crate::task::{Key, Task};
use crate::world::{ActionId, NodeId, Role, RscId, World};

bitflags! {
    /// What holds of an action.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub(crate) struct Flags: u32 {
        /// A milestone: nobody executes it.
        const PSEUDO = 1;
        /// It could be done.
        const RUNNABLE = 2;
        /// It need not be done.
        const OPTIONAL = 4;
        /// It is shown even if it need not be done.
        const PRINT = 8;
        /// A live migration could stand in for it.
        const MIGRATABLE = 16;
        /// Its links have been merged.
        const MERGED = 32;
        /// A walk is in it.
        const WALKED = 64;
        /// The DC does it, wherever its node is.
        const ON_DC = 128;
    }
}

bitflags! {
    /// What a link between a first and a second action means.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
    pub(crate) struct Rel: u32 {
        /// If both happen, then in this order.
        const ORDERED = 1;
        /// The first being required makes the second required.
        const MAKES_THEN = 1 << 1;
        /// The second being required makes the first required.
        const MAKES_FIRST = 1 << 2;
        /// So, if the second is of a promoted instance.
        const MAKES_FIRST_PROMOTED = 1 << 3;
        /// The first being impossible makes the second impossible.
        const BLOCKS = 1 << 4;
        /// Stop and start of one resource, or of two that hang together.
        const RESTART = 1 << 5;
        /// Enough of the firsts suffice.
        const MIN = 1 << 6;
        /// An order in one direction only.
        const ASYMMETRIC = 1 << 7;
        /// `MAKES_THEN` once, on the first's node.
        const MAKES_THEN_ON_NODE = 1 << 8;
        /// The first being required shows the second.
        const SHOWS_THEN = 1 << 9;
        /// The second being required shows the first.
        const SHOWS_FIRST = 1 << 10;
        /// Only if both are on one node.
        const SAME_NODE = 1 << 11;
        /// The second stands in if the first cannot be done.
        const ELSE = 1 << 12;
        /// The second not being migratable blocks the first.
        const MIGRATABLE_FIRST = 1 << 13;
        /// Capacity is to be freed before it is used.
        const LOAD = 1 << 14;
        /// Those that avoid each other: leave before coming.
        const AVOID = 1 << 15;
        /// Only if the first is not migrated.
        const UNMIGRATED_FIRST = 1 << 16;
        /// The second makes the first superfluous.
        const CANCELS_FIRST = 1 << 17;
        /// A probe on something that may not be there.
        const NESTED_PROBE = 1 << 18;
        /// Keep although it looks like a loop.
        const PRESERVE = 1 << 19;
        /// One at a time.
        const SERIALIZE = 1 << 20;
    }
}

/// A directed link of the action graph.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub first: ActionId,
    pub then: ActionId,
    pub rel: Rel,
}

/// Index into the links.
pub(crate) type LinkId = usize;

/// What becomes of a resource if an action on it fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum OnFail {
    #[default]
    Ignore,
    Demote,
    Recover,
    ResetRemote,
    RestartContainer,
    Block,
    Stop,
    Standby,
    Fence,
}

impl OnFail {
    /// The more drastic of the two.
    pub(crate) fn worse(self, other: OnFail) -> OnFail {
        if self.severity() >= other.severity() { self } else { other }
    }

    fn severity(self) -> u8 {
        match self {
            Self::Ignore => 0,
            Self::Demote => 1,
            Self::Recover => 2,
            Self::ResetRemote => 3,
            Self::RestartContainer => 4,
            Self::Block => 5,
            Self::Stop => 6,
            Self::Standby => 7,
            Self::Fence => 8,
        }
    }
}

/// What an action needs of the cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Needs {
    #[default]
    Nothing,
    Quorum,
    Fencing,
}

/// An action.
#[derive(Clone, Debug)]
pub(crate) struct Action {
    pub rsc: Option<RscId>,
    pub node: Option<NodeId>,
    pub task: Task,
    pub key: Key,
    pub flags: Flags,
    pub needs: Needs,
    pub before: Vec<LinkId>,
    pub after: Vec<LinkId>,
    pub required_runnable: i64,
    pub runnable_before: i64,
    pub priority: i64,
    pub reason: Option<Text>,
    pub in_graph: bool,
    pub mark: u32,
    pub extra: Option<Box<Extra>>,
}

/// What only few actions have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extra {
    /// Expected exit code of a probe or monitor.
    pub target_rc: Option<i64>,
    /// `reboot`, `off`, `on`.
    pub fence_op: Option<Text>,
    /// Source and target of a migration.
    pub migration: Option<(NodeId, NodeId)>,
    /// What a cancellation cancels: task and interval.
    pub cancels: Option<(Task, i64)>,
    /// The task a notification is about.
    pub about: Option<Task>,
    /// Attributes with their values.
    pub meta: Vec<(Text, Text)>,
}

impl Action {
    pub(crate) fn has(&self, flags: Flags) -> bool {
        self.flags.contains(flags)
    }

    pub(crate) fn optional(&self) -> bool {
        self.flags.contains(Flags::OPTIONAL)
    }

    pub(crate) fn runnable(&self) -> bool {
        self.flags.contains(Flags::RUNNABLE)
    }

    pub(crate) fn pseudo(&self) -> bool {
        self.flags.contains(Flags::PSEUDO)
    }

    pub(crate) fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    pub(crate) fn interval(&self) -> i64 {
        match self.key {
            Key::Op(_, interval) => interval,
            // What is cancelled has an interval.
            _ => self
                .extra
                .as_ref()
                .and_then(|extra| extra.cancels)
                .map_or(0, |(_, interval)| interval),
        }
    }
}

impl World<'_> {
    /// The actions of a resource with a key, on a node if one is given.
    pub(crate) fn find(&self, rsc: RscId, key: &Key, node: Option<NodeId>) -> Option<ActionId> {
        let actions = self[rsc].actions.iter().rev();
        let mut fits = actions.filter(|id| self[**id].key == *key);
        match node {
            None => fits.next().copied(),
            Some(_) => fits.find(|id| self[**id].node == node).copied(),
        }
    }

    /// So, but an action without a node fits every node (the node is then its own).
    pub(crate) fn find_all(&self, rsc: RscId, key: &Key) -> Vec<ActionId> {
        self[rsc].actions.iter().rev().filter(|id| self[**id].key == *key).copied().collect()
    }

    /// The actions of a resource that do a task, whatever their interval, on a node if given.
    pub(crate) fn tasks_of(&self, rsc: RscId, task: Task, node: Option<NodeId>) -> Vec<ActionId> {
        let actions = self[rsc].actions.iter().rev();
        actions
            .filter(|id| self[**id].task == task && (node.is_none() || self[**id].node == node))
            .copied()
            .collect()
    }

    /// The first action that does a task, on a node if given.
    pub(crate) fn first_task(
        &self,
        rsc: RscId,
        task: Task,
        node: Option<NodeId>,
    ) -> Option<ActionId> {
        let actions = self[rsc].actions.iter().rev();
        actions
            .filter(|id| self[**id].task == task && (node.is_none() || self[**id].node == node))
            .copied()
            .next()
    }

    fn blank(
        &mut self,
        rsc: Option<RscId>,
        key: Key,
        task: Task,
        node: Option<NodeId>,
    ) -> ActionId {
        let id = ActionId::new(self.actions.len());
        self.actions.push(Action {
            rsc,
            node,
            task,
            key,
            flags: Flags::RUNNABLE | Flags::OPTIONAL,
            needs: Needs::Nothing,
            before: Vec::new(),
            after: Vec::new(),
            required_runnable: 0,
            runnable_before: 0,
            priority: 0,
            reason: None,
            in_graph: false,
            mark: 0,
            extra: None,
        });
        id
    }

    /// The action of a resource with a key on a node: the one there is, or a new one. `optional`
    /// false makes it required.
    pub(crate) fn act(
        &mut self,
        rsc: RscId,
        key: Key,
        node: Option<NodeId>,
        optional: bool,
    ) -> ActionId {
        let mut found = self.find(rsc, &key, node);
        if found.is_none() {
            // One that was wanted before its node was known.
            found = self[rsc]
                .actions
                .iter()
                .rev()
                .copied()
                .find(|id| self[*id].key == key && self[*id].node.is_none());
            if let Some(id) = found {
                self[id].node = node;
            }
        }
        let id = found.unwrap_or_else(|| {
            let task = match &key {
                Key::Op(task, _) => *task,
                Key::Notify(..) => Task::Notify,
                Key::Named(_) => Task::Milestone,
            };
            let id = self.blank(Some(rsc), key, task, node);
            self[rsc].actions.push(id);
            if matches!(task, Task::Start | Task::Promote) {
                let it = &self[rsc];
                self[id].needs = if it.needs_fencing {
                    Needs::Fencing
                } else if it.needs_quorum {
                    Needs::Quorum
                } else {
                    Needs::Nothing
                };
            }
            id
        });
        if !optional {
            self[id].flags.remove(Flags::OPTIONAL);
        }
        self.settle(id, true);
        id
    }

    /// What holds of an action because of its resource and node.
    fn settle(&mut self, id: ActionId, for_graph: bool) {
        let Some(rsc) = self[id].rsc else { return };
        let (task, node) = (self[id].task, self[id].node);
        if !self[rsc].managed
            && node.is_some()
            && self[id].interval() == 0
            && self.is_probe_or_op(id)
        {
            self[id].flags.insert(Flags::OPTIONAL);
        }
        if self[id].pseudo() {
            return;
        }
        let Some(node) = node else {
            self[id].flags.remove(Flags::RUNNABLE);
            return;
        };
        let on_dc = self[id].has(Flags::ON_DC);
        let at = &self[node];
        let away = !at.online && (at.kind != NodeKind::Guest || at.remote_requires_reset);
        if !on_dc && away {
            let unclean = at.unclean;
            self[id].flags.remove(Flags::RUNNABLE);
            if for_graph && self[rsc].managed && task == Task::Stop && !unclean {
                self.want_fencing(node, "stop is unrunnable", false);
            }
        } else if !on_dc && at.pending {
            self[id].flags.remove(Flags::RUNNABLE);
        } else if self[id].needs == Needs::Nothing {
            self[id].flags.insert(Flags::RUNNABLE);
            self[id].reason = None;
        } else {
            match self.quorum_policy_for(rsc) {
                NoQuorum::Stop => {
                    self[id].flags.remove(Flags::RUNNABLE);
                    self[id].reason = Some("no quorum".into());
                }
                NoQuorum::Freeze => {
                    let it = &self[rsc];
                    if !self.active(rsc, true) || it.next_role > it.role {
                        self[id].flags.remove(Flags::RUNNABLE);
                        self[id].reason = Some("quorum freeze".into());
                    }
                }
                _ => self[id].flags.insert(Flags::RUNNABLE),
            }
        }
    }

    fn is_probe_or_op(&self, id: ActionId) -> bool {
        // A monitor that repeats is wanted also for what is not managed; a probe is made required
        // by its maker afterwards.
        !matches!(self[id].key, Key::Notify(..))
    }

    /// What a lack of quorum means for a resource.
    pub(crate) fn quorum_policy_for(&mut self, rsc: RscId) -> NoQuorum {
        if self.options.quorate {
            return NoQuorum::Ignore;
        }
        if self.options.no_quorum != NoQuorum::Demote {
            return self.options.no_quorum;
        }
        match self[rsc].role {
            Role::Promoted | Role::Unpromoted => {
                if self[rsc].next_role > Role::Unpromoted {
                    self[rsc].next_role = Role::Unpromoted;
                }
                NoQuorum::Ignore
            }
            _ => NoQuorum::Stop,
        }
    }

    /// A milestone of a resource.
    pub(crate) fn milestone(
        &mut self,
        rsc: RscId,
        task: Task,
        optional: bool,
        runnable: bool,
    ) -> ActionId {
        let id = self.act(rsc, Key::op(task), None, optional);
        self[id].flags.insert(Flags::PSEUDO);
        self[id].flags.set(Flags::RUNNABLE, runnable);
        id
    }

    /// A milestone of the cluster, by name.
    pub(crate) fn cluster_milestone(&mut self, name: &str) -> ActionId {
        if let Some(id) = self.named.get(name) {
            return *id;
        }
        let id = self.blank(None, Key::Named(name.into()), Task::Milestone, None);
        self[id].flags.insert(Flags::PSEUDO | Flags::RUNNABLE);
        self.named.insert(name.into(), id);
        id
    }

    /// An action of the cluster on a node, by name.
    pub(crate) fn cluster_action(
        &mut self,
        name: &str,
        task: Task,
        node: NodeId,
        optional: bool,
    ) -> ActionId {
        let id = match self.named.get(name) {
            Some(id) => *id,
            None => {
                let id = self.blank(None, Key::Named(name.into()), task, Some(node));
                self.named.insert(name.into(), id);
                id
            }
        };
        if !optional {
            self[id].flags.remove(Flags::OPTIONAL);
        }
        id
    }

    /// Links two actions; whether that is news.
    pub(crate) fn link(&mut self, first: ActionId, then: ActionId, rel: Rel) -> bool {
        if rel.is_empty() || first == then {
            return false;
        }
        // The shorter list is searched.
        let known = if self[first].after.len() < self[then].before.len() {
            let after = self[first].after.iter();
            after.copied().find(|link| {
                self.links[*link].then == then && self.links[*link].rel.intersects(rel)
            })
        } else {
            let before = self[then].before.iter();
            before.copied().find(|link| {
                self.links[*link].first == first && self.links[*link].rel.intersects(rel)
            })
        };
        if known.is_some() {
            return false;
        }
        let id = self.links.len();
        self.links.push(Link { first, then, rel });
        self[first].after.push(id);
        self[then].before.push(id);
        true
    }
}

use crate::options::NoQuorum;
use crate::world::NodeKind;
