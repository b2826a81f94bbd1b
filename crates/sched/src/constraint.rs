//! Constraints as planning uses them, between resources that exist.

use cib::Score;
use cib::model::Text;

use crate::action::Rel;
use crate::task::Key;
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

impl World<'_> {
    /// Orders the actions of two resources, when they exist, by their keys.
    pub(crate) fn order(&mut self, first: RscId, first_key: Key, then: RscId, then_key: Key, rel: Rel) {
        self.orders.push(OrderSpec {
            first: End::Keyed(first, first_key),
            first_rsc: Some(first),
            then: End::Keyed(then, then_key),
            then_rsc: Some(then),
            rel,
        });
    }

    /// Orders an action before those of a resource.
    pub(crate) fn order_action_before(&mut self, first: ActionId, then: RscId, then_key: Key, rel: Rel) {
        self.orders.push(OrderSpec {
            first: End::Action(first),
            first_rsc: self[first].rsc,
            then: End::Keyed(then, then_key),
            then_rsc: Some(then),
            rel,
        });
    }

    /// Orders an action after those of a resource.
    pub(crate) fn order_action_after(&mut self, first: RscId, first_key: Key, then: ActionId, rel: Rel) {
        self.orders.push(OrderSpec {
            first: End::Keyed(first, first_key),
            first_rsc: Some(first),
            then: End::Action(then),
            then_rsc: self[then].rsc,
            rel,
        });
    }

    /// Orders two actions there are.
    pub(crate) fn order_actions(&mut self, first: ActionId, then: ActionId, rel: Rel) {
        self.link(first, then, rel);
    }

    pub(crate) fn coloc(&self, id: crate::world::ColocId) -> &Coloc {
        &self.colocs[id.index()]
    }
}
