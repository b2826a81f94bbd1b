//! Constraints as planning uses them, between resources that exist.

use cib::Score;
use cib::model::Text;

use crate::action::Rel;
use crate::task::{Key, Task};
use crate::world::{ActionId, Discovery, NodeId, Role, RscId, World};

/// A preference of a resource for nodes.
#[derive(Clone, Debug)]
pub(crate) struct Loc {
    pub id: Text,
    pub role: Role,
    pub discovery: Option<Discovery>,
    pub nodes: Vec<(NodeId, Score)>,
}

/// A wish to be near (or far from) another resource.
#[derive(Clone, Debug)]
pub(crate) struct Coloc {
    pub id: Text,
    pub dependent: RscId,
    pub primary: RscId,
    pub dependent_role: Role,
    pub primary_role: Role,
    pub score: Score,
    pub attribute: Option<Text>,
    pub influence: bool,
    /// Whether it stands in the configuration.
    pub explicit: bool,
}

/// One side of an order: an action there is, or those with a key there will be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Action(ActionId),
    Keyed(RscId, Key),
}

/// An order between actions that may not exist yet.
#[derive(Clone, Debug)]
pub(crate) struct OrderSpec {
    pub first: End,
    pub first_rsc: Option<RscId>,
    pub then: End,
    pub then_rsc: Option<RscId>,
    pub rel: Rel,
}

impl Coloc {
    /// Whether it is between promoted instances only.
    pub(crate) fn mandatory(&self) -> bool {
        self.score.is_always()
    }
}

fn task_of(key: &Key) -> Option<Task> {
    match key {
        Key::Op(task, 0) => Some(*task),
        _ => None,
    }
}

impl World<'_> {
    /// Orders the actions of two resources, when they exist, by their keys.
    pub(crate) fn order(
        &mut self,
        first: RscId,
        first_key: Key,
        then: RscId,
        then_key: Key,
        rel: Rel,
    ) {
        let (first_task, then_task) = (task_of(&first_key), task_of(&then_key));
        self.orders.push(OrderSpec {
            first: End::Keyed(first, first_key),
            first_rsc: Some(first),
            then: End::Keyed(then, then_key),
            then_rsc: Some(then),
            rel,
        });
        self.order_migrations(first, first_task, then, then_task);
    }

    /// Orders an action before those of a resource.
    pub(crate) fn order_action_before(
        &mut self,
        first: ActionId,
        then: RscId,
        then_key: Key,
        rel: Rel,
    ) {
        let (first_rsc, first_task, then_task) =
            (self[first].rsc, self[first].task, task_of(&then_key));
        self.orders.push(OrderSpec {
            first: End::Action(first),
            first_rsc,
            then: End::Keyed(then, then_key),
            then_rsc: Some(then),
            rel,
        });
        if let Some(first) = first_rsc {
            self.order_migrations(first, Some(first_task), then, then_task);
        }
    }

    /// Orders an action after those of a resource.
    pub(crate) fn order_action_after(
        &mut self,
        first: RscId,
        first_key: Key,
        then: ActionId,
        rel: Rel,
    ) {
        let (then_rsc, then_task, first_task) =
            (self[then].rsc, self[then].task, task_of(&first_key));
        self.orders.push(OrderSpec {
            first: End::Keyed(first, first_key),
            first_rsc: Some(first),
            then: End::Action(then),
            then_rsc,
            rel,
        });
        if let Some(then) = then_rsc {
            self.order_migrations(first, first_task, then, Some(then_task));
        }
    }

    /// What is ordered by starts and stops is ordered by migrations, too.
    fn order_migrations(
        &mut self,
        first: RscId,
        first_task: Option<Task>,
        then: RscId,
        then_task: Option<Task>,
    ) {
        if first == then || self.contains(first, then) || self.contains(then, first) {
            return;
        }
        let (first_migrates, then_migrates) = (self[first].allow_migrate, self[then].allow_migrate);
        if !then_migrates {
            return;
        }
        let to = Key::op(Task::MigrateTo);
        let mut rel = Rel::ORDERED;
        match (first_task, then_task) {
            (Some(Task::Start), Some(Task::Start)) => {
                if first_migrates {
                    self.add_order(first, Key::op(Task::MigrateFrom), then, to.clone(), rel);
                    rel |= Rel::UNMIGRATED_FIRST;
                }
                self.add_order(first, Key::START, then, to, rel);
            }
            (Some(Task::Stop), Some(Task::Stop)) => {
                if first_migrates {
                    rel |= Rel::UNMIGRATED_FIRST;
                }
                self.add_order(first, Key::STOP, then, to, rel);
                if self[then].partial_target.is_some() {
                    self.add_order(first, Key::STOP, then, Key::op(Task::MigrateFrom), rel);
                }
            }
            (Some(Task::Promote), Some(Task::Start)) => {
                self.add_order(first, Key::PROMOTE, then, to, rel)
            }
            (Some(Task::Demote), Some(Task::Stop)) => {
                self.add_order(first, Key::DEMOTE, then, to, rel)
            }
            _ => {}
        }
    }

    fn add_order(&mut self, first: RscId, first_key: Key, then: RscId, then_key: Key, rel: Rel) {
        self.orders.push(OrderSpec {
            first: End::Keyed(first, first_key),
            first_rsc: Some(first),
            then: End::Keyed(then, then_key),
            then_rsc: Some(then),
            rel,
        });
    }

    /// Orders two actions there are.
    pub(crate) fn order_actions(&mut self, first: ActionId, then: ActionId, rel: Rel) {
        self.link(first, then, rel);
    }

    /// Orders two actions there are when orders are applied (not at once).
    pub(crate) fn order_pair(&mut self, first: ActionId, then: ActionId, rel: Rel) {
        self.orders.push(OrderSpec {
            first: End::Action(first),
            first_rsc: self[first].rsc,
            then: End::Action(then),
            then_rsc: self[then].rsc,
            rel,
        });
    }

    pub(crate) fn coloc(&self, id: crate::world::ColocId) -> &Coloc {
        &self.colocs[id.index()]
    }
}
