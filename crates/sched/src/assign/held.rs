//! Instances that cannot leave the node they are on.
//!
//! What is unmanaged (or was left alone after its stop failed) stays where it is, whatever placement
//! thinks. Of a group, an instance stays with all of it then: earlier members cannot stop before
//! it, so asking them to go elsewhere would come to nothing but notifications, plan after plan, and
//! a place elsewhere that nobody takes. The place it has is not free for another instance.

use cib::Score;

use crate::world::{NodeId, RscId, Variant, World};

/// Instances, each with a node it cannot leave.
#[derive(Debug, Default)]
pub(super) struct Held(Vec<(RscId, NodeId)>);

impl World<'_> {
    /// Finds them, and keeps the rest of each where its immovable part is.
    pub(super) fn hold_instances(&mut self, instances: &[RscId]) -> Held {
        let mut held = Held::default();
        for instance in instances {
            let leaves = self.leaves(*instance);
            let (managed, fixed): (Vec<RscId>, Vec<RscId>) =
                leaves.into_iter().partition(|leaf| self[*leaf].managed);
            let mut places: Vec<NodeId> =
                fixed.iter().flat_map(|leaf| self[*leaf].running_on.iter().copied()).collect();
            places.sort();
            places.dedup();
            if self[*instance].variant == Variant::Group
                && !managed.is_empty()
                && !places.is_empty()
            {
                self.keep_with(&managed, &fixed, &places);
            }
            held.0.extend(places.into_iter().map(|node| (*instance, node)));
        }
        held
    }

    fn keep_with(&mut self, managed: &[RscId], fixed: &[RscId], places: &[NodeId]) {
        for leaf in managed {
            let all: Vec<NodeId> = self[*leaf].allowed.iter().map(|(node, _)| node).collect();
            for node in all.into_iter().filter(|node| !places.contains(node)) {
                if let Some(entry) = self[*leaf].allowed.get_mut(node) {
                    entry.score = Score::MINUS_INFINITY;
                    let cause = || crate::reason::Cause::Instances;
                    self.reasons.note(*leaf, node, Score::MINUS_INFINITY, cause);
                }
            }
        }
        // What does not move has no say in where the others ought to go.
        for leaf in fixed {
            for node in places {
                if let Some(entry) = self[*leaf].allowed.get_mut(*node) {
                    entry.score = entry.score.max(Score::ZERO);
                }
            }
        }
    }

    /// How many other instances hold a place on a node without being counted there. To what cannot
    /// leave its own place that is nothing.
    pub(super) fn held_by_others(&self, held: &Held, instance: RscId, node: NodeId) -> i64 {
        if held.0.iter().any(|(other, _)| *other == instance) {
            return 0;
        }
        let others = held.0.iter().filter(|(other, place)| {
            let counted = !self[*other].provisional && self.nodes_of(*other, false).contains(&node);
            *other != instance && *place == node && !counted
        });
        i64::try_from(others.count()).unwrap_or(i64::MAX)
    }
}
