//! Inheritance: what a collective is colocated with becomes its parts' business.
//!
//! A clone's or bundle's colocations bind each instance when its turn comes to get a node, a
//! group's bind its first member (where the group goes) and its last (whoever is with the group is
//! with all of it). An instance that is considered twice, because at first it was to stay where
//! it is and somewhere else was better, inherits twice, as it does in Pacemaker 2.1.5: its second
//! choice weighs them double.

use cib::Score;

use crate::world::{ColocId, RscId, World};

/// The colocations of a resource and all it consists of, to be put back later.
#[derive(Clone)]
pub(super) struct Inherited(Vec<(RscId, Vec<ColocId>, Vec<ColocId>)>);

impl World<'_> {
    /// Gives an instance what its clone or bundle is colocated with.
    pub(super) fn inherit_from_collective(&mut self, instance: RscId) {
        let Some(parent) = self[instance].parent else { return };
        // What all instances want decides where one goes only if it must, or if there is a choice
        // of nodes.
        let roomy = self[parent].instances.roomy;
        for id in self[parent].with.clone() {
            let score = self.coloc(id).score;
            if roomy || score < Score::ZERO || score.is_always() {
                self[instance].with.insert(0, id);
            }
        }
        for id in self[parent].with_this.clone() {
            let counts = roomy || self.coloc(id).score < Score::ZERO;
            if counts && self.has_influence(id, Some(instance)) {
                self[instance].with_this.insert(0, id);
            }
        }
    }

    /// Gives the first and the last member of a group what the group is colocated with.
    pub(super) fn pass_to_members(&mut self, group: RscId) {
        let members = &self[group].children;
        let (Some(first), Some(last)) = (members.first().copied(), members.last().copied()) else {
            return;
        };
        for id in self[group].with.clone() {
            self.list_with(first, id);
        }
        for id in self[group].with_this.clone() {
            self.list_with_this(last, id);
        }
    }

    /// What a resource and its parts are colocated with now.
    pub(super) fn colocations_of(&self, rsc: RscId) -> Inherited {
        let lists = |id: RscId| (id, self[id].with.clone(), self[id].with_this.clone());
        Inherited(self.family(rsc).into_iter().map(lists).collect())
    }

    /// Puts it back.
    pub(super) fn restore_colocations(&mut self, inherited: Inherited) {
        for (id, with, with_this) in inherited.0 {
            self[id].with = with;
            self[id].with_this = with_this;
        }
    }
}
