//! Bundles: containers with a connection into each, an address, and what runs inside.

use cib::Score;

use crate::action::Flags;
use crate::constraint::Loc;
use crate::transition::BundleView;
use crate::world::{ActionId, ColocId, NodeId, RscId, World};

/// One replica of a bundle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replica {
    pub container: RscId,
    pub ip: Option<RscId>,
    pub remote: Option<RscId>,
    pub child: Option<RscId>,
    pub node: Option<NodeId>,
}

/// What a bundle consists of.
#[derive(Clone, Debug, Default)]
pub(crate) struct BundleState {
    pub replicas: Vec<Replica>,
    /// The clone of what runs inside.
    pub child: Option<RscId>,
}

impl World<'_> {
    pub(crate) fn add_bundle(&mut self, _rsc: RscId) -> Option<()> {
        Some(())
    }

    pub(crate) fn bundle_child_on(&self, bundle: RscId, node: NodeId) -> Option<RscId> {
        let state = self[bundle].bundle.as_ref()?;
        state.replicas.iter().find(|replica| replica.node == Some(node))?.child
    }

    pub(crate) fn apply_to_bundle(&mut self, rsc: RscId, loc: &Loc, full: bool) {
        self.apply_to_one(rsc, loc, full);
    }

    pub(crate) fn assign_bundle(&mut self, rsc: RscId) {
        self[rsc].provisional = false;
    }

    pub(crate) fn apply_with_bundle(&mut self, _dependent: RscId, _primary: RscId, _coloc: ColocId) -> Score {
        Score::ZERO
    }

    /// Whether a part of a replica is bound by what its bundle is bound by.
    pub(crate) fn replica_follows(&self, _bundle: RscId, _part: RscId) -> bool {
        false
    }

    pub(crate) fn containers(&self, rsc: RscId) -> Vec<RscId> {
        let state = self[rsc].bundle.as_ref();
        state.map(|state| state.replicas.iter().map(|replica| replica.container).collect()).unwrap_or_default()
    }

    /// What runs inside a container.
    pub(crate) fn contained_in(&self, container: RscId) -> Option<RscId> {
        let (bundle, at) = self[container].replica?;
        let state = self[bundle].bundle.as_ref()?;
        state.replicas.get(at).filter(|replica| replica.container == container)?.child
    }

    /// Whose role counts for a resource.
    pub(crate) fn role_holder(&self, rsc: RscId) -> RscId {
        self.contained_in(rsc).unwrap_or(rsc)
    }

    pub(crate) fn constrain_bundle(&mut self, _rsc: RscId) {}

    pub(crate) fn create_bundle(&mut self, _rsc: RscId) {}

    pub(crate) fn probe_bundle(&mut self, _rsc: RscId, _node: NodeId) -> bool {
        false
    }

    pub(crate) fn bundle_flags(&mut self, id: ActionId, _rsc: RscId, _node: Option<NodeId>) -> Flags {
        self[id].flags
    }

    pub(crate) fn bundle_view(&self, _rsc: RscId) -> Option<BundleView> {
        None
    }
}
