//! Colocation with (and of) groups and clones, and groups themselves.

use cib::Score;

use super::mixing::same;
use crate::sorting::merge_sorted;
use crate::world::{ColocId, NodeId, Role, RscId, Variant, World};

/// What a colocation bears upon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bears {
    Nothing,
    Location,
    Role,
}

impl World<'_> {
    pub(super) fn assign_group(&mut self, rsc: RscId, prefer: Option<NodeId>) -> Option<NodeId> {
        if !self[rsc].provisional {
            return self[rsc].assigned;
        }
        if self[rsc].allocating {
            return None;
        }
        let Some(first) = self[rsc].children.first().copied() else {
            self[rsc].provisional = false;
            return None;
        };
        self[rsc].allocating = true;
        self[rsc].role = self[first].role;
        self.pass_to_members(rsc);
        self.show("group_assign", rsc);
        let mut node = None;
        for member in self[rsc].children.clone() {
            let there = self.assign(member, prefer);
            node = node.or(there);
        }
        self[rsc].next_role = self[first].next_role;
        self[rsc].allocating = false;
        self[rsc].provisional = false;
        node.filter(|_| self.group_is(rsc, "collocated"))
    }

    /// Applies a colocation to its dependent's scores (or priority); what was added to the
    /// priority.
    pub(crate) fn apply_coloc(
        &mut self,
        dependent: RscId,
        primary: RscId,
        coloc: ColocId,
        for_dependent: bool,
    ) -> Score {
        if for_dependent {
            return match self[dependent].variant {
                Variant::Group => {
                    let Some(first) = self[dependent].children.first().copied() else {
                        return Score::ZERO;
                    };
                    if !self.group_is(dependent, "collocated") {
                        return self.apply_to_loose(dependent, primary, coloc);
                    }
                    let delta = self.apply_coloc(first, primary, coloc, true);
                    if delta != Score::ZERO {
                        self.raise_priority(dependent, delta);
                    }
                    delta
                }
                _ => self.apply_coloc(dependent, primary, coloc, false),
            };
        }
        match self[primary].variant {
            Variant::Primitive => self.apply_to_pair(dependent, primary, coloc),
            Variant::Group => {
                if self[primary].provisional {
                    return Score::ZERO;
                }
                if !self.group_is(primary, "collocated") {
                    return self.apply_with_loose(dependent, primary, coloc);
                }
                let members = &self[primary].children;
                let must = self.coloc(coloc).score.is_always();
                let member = if must { members.last() } else { members.first() };
                match member.copied() {
                    Some(member) => self.apply_coloc(dependent, member, coloc, false),
                    None => Score::ZERO,
                }
            }
            Variant::Clone => self.apply_with_clone(dependent, primary, coloc),
            Variant::Bundle => self.apply_with_bundle(dependent, primary, coloc),
        }
    }

    /// A group whose members need not be together can only prefer.
    fn apply_to_loose(&mut self, dependent: RscId, primary: RscId, coloc: ColocId) -> Score {
        let mut delta = Score::ZERO;
        if !self.coloc(coloc).score.is_always() {
            for member in self[dependent].children.clone() {
                delta = delta + self.apply_coloc(member, primary, coloc, false);
            }
        }
        delta
    }

    fn apply_with_loose(&mut self, dependent: RscId, primary: RscId, coloc: ColocId) -> Score {
        let mut delta = Score::ZERO;
        if !self.coloc(coloc).score.is_always() {
            for member in self[primary].children.clone() {
                delta = delta + self.apply_coloc(dependent, member, coloc, false);
            }
        }
        delta
    }

    pub(crate) fn raise_priority(&mut self, rsc: RscId, delta: Score) {
        let sum = Score::new(self[rsc].priority) + delta;
        self[rsc].priority = i64::from(sum.get());
    }

    fn bears(&self, dependent: RscId, primary: RscId, coloc: ColocId) -> Bears {
        let coloc = self.coloc(coloc);
        if self[primary].provisional {
            return Bears::Nothing;
        }
        let by_role = self.role_holder(dependent);
        let promotable = self[by_role].parent.is_some_and(|parent| self[parent].promotable);
        if coloc.dependent_role >= Role::Unpromoted && promotable && !self[by_role].provisional {
            return Bears::Role;
        }
        if !self[dependent].provisional {
            return Bears::Nothing;
        }
        if coloc.dependent_role != Role::Unknown && coloc.dependent_role != self[by_role].next_role
        {
            return Bears::Nothing;
        }
        let of_primary = self.role_holder(primary);
        if coloc.primary_role != Role::Unknown && coloc.primary_role != self[of_primary].next_role {
            return Bears::Nothing;
        }
        Bears::Location
    }

    fn apply_to_pair(&mut self, dependent: RscId, primary: RscId, coloc: ColocId) -> Score {
        match self.bears(dependent, primary, coloc) {
            Bears::Nothing => Score::ZERO,
            Bears::Role => self.apply_to_priority(dependent, primary, coloc),
            Bears::Location => {
                self.apply_to_scores(dependent, primary, coloc);
                Score::ZERO
            }
        }
    }

    fn apply_to_scores(&mut self, dependent: RscId, primary: RscId, coloc: ColocId) {
        let (score, attribute) = {
            let coloc = self.coloc(coloc);
            (coloc.score, coloc.attribute.clone())
        };
        let place = self[primary].assigned;
        if place.is_none() && score < Score::ZERO {
            return;
        }
        let value = match (&attribute, place) {
            (Some(name), Some(node)) => self.attribute_for(node, name, primary),
            _ => None,
        };
        let mut work = self[dependent].allowed.clone();
        let nodes: Vec<NodeId> = work.iter().map(|(node, _)| node).collect();
        for node in nodes {
            let together = match (&attribute, place) {
                (Some(name), Some(_)) => same(&self.attribute_for(node, name, dependent), &value),
                (None, Some(place)) => node == place,
                _ => false,
            };
            let Some(entry) = work.get_mut(node) else { continue };
            if place.is_none() {
                entry.score = -score + entry.score;
            } else if together {
                if !score.is_always() {
                    entry.score = score + entry.score;
                }
            } else if score.is_always() {
                entry.score = Score::MINUS_INFINITY;
            }
        }
        if score.is_never() || score.is_always() || self.any_available(&work) {
            self[dependent].allowed = work;
        }
    }

    fn apply_to_priority(&mut self, dependent: RscId, primary: RscId, coloc: ColocId) -> Score {
        let coloc = self.coloc(coloc).clone();
        let Some(here) = self[dependent].assigned else { return Score::ZERO };
        let there = self[primary].assigned;
        if there.is_some() && coloc.primary_role != Role::Unknown {
            let holder = self.role_holder(primary);
            if coloc.primary_role != self[holder].next_role {
                return Score::ZERO;
            }
        }
        let together = match &coloc.attribute {
            None => there == Some(here),
            Some(name) => {
                let mine = self.attribute_for(here, name, dependent);
                let theirs = there.and_then(|node| self.attribute_for(node, name, primary));
                same(&mine, &theirs)
            }
        };
        let delta = if !together {
            if coloc.score == Score::INFINITY && coloc.dependent_role == Role::Promoted {
                -coloc.score
            } else {
                return Score::ZERO;
            }
        } else if coloc.dependent_role == Role::Unpromoted {
            -coloc.score
        } else {
            coloc.score
        };
        self.raise_priority(dependent, delta);
        delta
    }

    fn apply_with_clone(&mut self, dependent: RscId, primary: RscId, coloc_id: ColocId) -> Score {
        let coloc = self.coloc(coloc_id).clone();
        if self[primary].provisional {
            return Score::ZERO;
        }
        if self[primary].promotable && coloc.primary_role != Role::Unknown {
            if self[dependent].provisional {
                self.follow_role(dependent, primary, coloc_id);
                return Score::ZERO;
            }
            if coloc.dependent_role == Role::Promoted {
                return self.follow_promoted(dependent, primary, coloc_id);
            }
        }
        if self.can_interleave(coloc_id) {
            let mate = if coloc.score < Score::ZERO {
                self.mate_to_avoid(dependent, primary)
            } else {
                self.compatible_instance(dependent, primary, Role::Unknown, false, None)
            };
            if let Some(mate) = mate {
                return self.apply_coloc(dependent, mate, coloc_id, true);
            }
            if coloc.score.is_always() {
                self.settle_on(dependent, None, true);
            }
            return Score::ZERO;
        }
        if coloc.score.is_always() {
            let mut places = Vec::new();
            for instance in &self[primary].children {
                if let Some(node) = self.location(*instance, false)
                    && !self.blocked_any(*instance)
                {
                    places.push((node, Score::ZERO));
                }
            }
            self.only_on(dependent, &places, false);
            return Score::ZERO;
        }
        let mut delta = Score::ZERO;
        for instance in self.nearest_last(dependent, primary, coloc.score) {
            delta = delta + self.apply_coloc(dependent, instance, coloc_id, false);
        }
        delta
    }

    /// The instances of a clone; where an instance of another is averse to them, the one beside it
    /// comes last. When no node is left without any of them, the aversion to the last one is forgotten:
    /// that one, then, so that the instance need not go from one of them to the next in every plan.
    /// (What has a name of its own ends such a journey by itself.)
    fn nearest_last(&self, dependent: RscId, primary: RscId, score: Score) -> Vec<RscId> {
        let mut instances = self[primary].children.clone();
        let top = self.top_of(dependent, false);
        if score < Score::ZERO
            && self[top].variant == Variant::Clone
            && !self[top].unique
            && let Some(here) = self.runs_on(dependent)
        {
            instances.sort_by_key(|instance| self.location(*instance, false) == Some(here));
        }
        instances
    }

    fn runs_on(&self, rsc: RscId) -> Option<NodeId> {
        self.current_node(rsc).filter(|_| !self.nodes_of(rsc, true).is_empty())
    }

    /// The instance that a dependent avoids, where each has one to avoid: not the one beside it, so
    /// that it need not go from one to the next in every plan.
    fn mate_to_avoid(&self, dependent: RscId, primary: RscId) -> Option<RscId> {
        let placed = self.location(dependent, false).is_some();
        let Some(here) = self.runs_on(dependent).filter(|_| !placed) else {
            return self.compatible_instance(dependent, primary, Role::Unknown, false, None);
        };
        let mut nodes = self.nodes_for_mates(dependent);
        nodes.sort_by_key(|node| *node == here);
        nodes
            .into_iter()
            .find_map(|node| self.instance_on(primary, node, Role::Unknown, false, None))
    }

    fn nodes_for_mates(&self, rsc: RscId) -> Vec<NodeId> {
        let nodes: Vec<NodeId> = self[rsc].allowed.iter().map(|(node, _)| node).collect();
        merge_sorted(nodes, &|a, b| self.compare_nodes(&self[rsc].allowed, *a, *b, None))
    }

    /// Whether anything of a resource is blocked.
    pub(crate) fn blocked_any(&self, rsc: RscId) -> bool {
        self.family(rsc).into_iter().any(|id| self[id].blocked)
    }

    /// Leaves a resource only some nodes.
    pub(crate) fn only_on(&mut self, rsc: RscId, places: &[(NodeId, Score)], add: bool) {
        for (node, entry) in self[rsc].allowed.iter_mut() {
            match places.iter().find(|(place, _)| *place == node) {
                None => entry.score = Score::MINUS_INFINITY,
                Some((_, score)) if add => entry.score = entry.score + *score,
                Some(_) => {}
            }
        }
    }

    fn can_interleave(&self, coloc: ColocId) -> bool {
        let coloc = self.coloc(coloc);
        let dependent = &self[coloc.dependent];
        dependent.variant >= Variant::Clone
            && self.meta_true(coloc.dependent, "interleave")
            && self.max_per_node(coloc.dependent) == self.max_per_node(coloc.primary)
    }

    fn max_per_node(&self, rsc: RscId) -> i64 {
        match self[rsc].variant {
            Variant::Clone | Variant::Bundle => self[rsc].instances.node_max,
            _ => 1,
        }
    }

    /// The instance of `collective` that is where `rsc` is, or could be.
    pub(crate) fn compatible_instance(
        &self,
        rsc: RscId,
        collective: RscId,
        role: Role,
        current: bool,
        attribute: Option<&str>,
    ) -> Option<RscId> {
        if let Some(node) = self.location(rsc, current) {
            return self.instance_on(collective, node, role, current, attribute);
        }
        self.nodes_for_mates(rsc)
            .into_iter()
            .find_map(|node| self.instance_on(collective, node, role, current, attribute))
    }

    pub(crate) fn instance_on(
        &self,
        collective: RscId,
        node: NodeId,
        role: Role,
        current: bool,
        attribute: Option<&str>,
    ) -> Option<RscId> {
        self.instance_list(collective).into_iter().find(|instance| {
            if role != Role::Unknown && role != self.state(*instance, current) {
                return false;
            }
            if self.blocked_any(*instance) {
                return false;
            }
            let Some(there) = self.location(*instance, current) else { return false };
            match attribute {
                None => there == node,
                Some(name) => same(
                    &self.attribute_for(there, name, *instance),
                    &self.attribute_for(node, name, *instance),
                ),
            }
        })
    }

    fn follow_role(&mut self, dependent: RscId, primary: RscId, coloc: ColocId) {
        let coloc = self.coloc(coloc).clone();
        let mut places = Vec::new();
        for instance in self[primary].children.clone() {
            let Some(node) = self.location(instance, false) else { continue };
            if self.state(instance, false) != coloc.primary_role {
                continue;
            }
            if !coloc.score.is_always() {
                let value = coloc
                    .attribute
                    .as_ref()
                    .and_then(|name| self.attribute_for(node, name, primary));
                let nodes: Vec<NodeId> =
                    self[dependent].allowed.iter().map(|(node, _)| node).collect();
                for other in nodes {
                    let together = match &coloc.attribute {
                        None => other == node,
                        Some(name) => same(&self.attribute_for(other, name, dependent), &value),
                    };
                    if together {
                        self[dependent].allowed.add(other, coloc.score);
                    }
                }
            }
            let score = self[instance].allowed.score(node).unwrap_or_default();
            places.push((node, score));
        }
        let both = coloc.dependent_role == Role::Promoted && coloc.primary_role == Role::Promoted;
        if coloc.score.is_always() && !both {
            self.only_on(dependent, &places, true);
        }
    }

    fn follow_promoted(&mut self, dependent: RscId, primary: RscId, coloc: ColocId) -> Score {
        let coloc = self.coloc(coloc).clone();
        let attribute = coloc.attribute.as_deref();
        let mate =
            self.compatible_instance(dependent, primary, coloc.primary_role, false, attribute);
        if mate.is_some() {
            self.raise_priority(dependent, coloc.score);
            return coloc.score;
        }
        if coloc.score.is_always() {
            self[dependent].priority = -1_000_000;
            return Score::MINUS_INFINITY;
        }
        Score::ZERO
    }
}
