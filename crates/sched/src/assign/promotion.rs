//! Promotable clones: which instances get promoted.

use cib::Score;
use cib::model::Text;

use crate::history::strip_instance;
use crate::options::NoQuorum;
use crate::world::{NodeId, Role, RscId, World};

impl World<'_> {
    /// Lets agents' promotion scores count where instances go.
    pub(super) fn add_promotion_scores(&mut self, clone: RscId) {
        for child in self[clone].children.clone() {
            let nodes: Vec<NodeId> = self[child].allowed.iter().map(|(node, _)| node).collect();
            for node in nodes {
                if !self.node_available(node, None, false) {
                    continue;
                }
                let score = self.promotion_score(child, node).unwrap_or_default();
                if score > Score::ZERO {
                    self[child].allowed.add(node, score);
                }
                if i64::from(score.get()) > self[child].priority {
                    self[child].priority = i64::from(score.get());
                }
            }
        }
    }

    fn score_applies(&self, rsc: RscId, node: NodeId) -> bool {
        let it = &self[rsc];
        let allowed = it.allowed.score(node).is_some_and(|score| score >= Score::ZERO);
        if !it.unique {
            let top = self.top_of(rsc, false);
            let parts: Vec<RscId> =
                self.leaves(top).into_iter().filter(|part| self[*part].base == it.base).collect();
            let active = parts.iter().find(|part| self[**part].running_on.contains(&node));
            match active {
                Some(part) if *part == rsc => return allowed,
                None if parts.iter().any(|part| self[*part].known_on.contains(&node)) => {
                    return allowed;
                }
                _ => {}
            }
        }
        if it.running_on.is_empty() && it.known_on.is_empty() {
            return allowed;
        }
        (it.known_on.contains(&node) || it.running_on.contains(&node)) && allowed
    }

    /// The promotion score of an instance on a node; none if nobody set one.
    fn promotion_score(&self, rsc: RscId, node: NodeId) -> Option<Score> {
        if !self[rsc].children.is_empty() {
            let scores: Vec<Score> = self[rsc]
                .children
                .iter()
                .filter_map(|child| self.promotion_score(*child, node))
                .collect();
            let total = scores.iter().map(|score| i64::from(score.get())).sum();
            return (!scores.is_empty()).then(|| Score::new(total));
        }
        if !self.score_applies(rsc, node) {
            return None;
        }
        let it = &self[rsc];
        let name = it.history_id.as_deref().unwrap_or(&it.id);
        let value = self.promotion_attribute(rsc, node, name).or_else(|| {
            if it.unique {
                None
            } else {
                self.promotion_attribute(rsc, node, strip_instance(&it.id))
            }
        })?;
        Some(Score::parse(&value).unwrap_or_default())
    }

    fn promotion_attribute(&self, rsc: RscId, node: NodeId, name: &str) -> Option<Text> {
        let container = self.container_of(node).filter(|it| !self[*it].provisional);
        if let Some(container) = container
            && self[container].assigned.is_none()
            && self.meta(rsc, "container-attribute-target") == Some("host")
        {
            // A container that goes nowhere has no host that could tell.
            return None;
        }
        self.attribute_for(node, &format!("master-{name}"), rsc)
    }

    pub(super) fn choose_promoted(&mut self, clone: RscId) {
        for (_, entry) in self[clone].allowed.iter_mut() {
            entry.count = 0;
        }
        for child in self[clone].children.clone() {
            self.rate_instance(clone, child);
        }
        self.sort_for_promotion(clone);
        let mut promoted = 0;
        for child in self[clone].children.clone() {
            self.decide_role(clone, child, &mut promoted);
        }
        self[clone].instances.promoted_allocated = promoted;
    }

    fn rate_instance(&mut self, clone: RscId, child: RscId) {
        if self.state(child, true) == Role::Started {
            for id in self.family(child) {
                if self[id].role == Role::Started {
                    self[id].role = Role::Unpromoted;
                }
            }
        }
        let Some(node) = self.location(child, false) else { return };
        let next = self.state(child, false);
        match next {
            Role::Started | Role::Unknown => {
                let score = self.promotion_score(child, node);
                self[child].priority = score.map_or(-1, |score| i64::from(score.get()));
            }
            Role::Unpromoted | Role::Stopped => self[child].priority = -1_000_000,
            Role::Promoted => {}
        }
        let mut locations = self[child].locations.clone();
        locations.extend(self[clone].locations.iter().copied());
        for loc in locations {
            let loc = &self.locs[loc.index()];
            if loc.role == Role::Promoted
                && let Some((_, score)) = loc.nodes.iter().find(|(there, _)| *there == node)
            {
                let score = *score;
                self.raise_priority(child, score);
            }
        }
        for coloc in self.this_with(child) {
            let primary = self.coloc(coloc).primary;
            self.apply_coloc(child, primary, coloc, true);
        }
        if let Some(bundle) = self[clone].parent {
            for coloc in self[bundle].with.clone() {
                self.rate_by_host(child, node, coloc);
            }
        }
        let rated = if next == Role::Promoted { 1_000_000 } else { self[child].priority };
        self[child].promotion.sort = Score::new(rated);
    }

    fn sort_for_promotion(&mut self, clone: RscId) {
        self[clone].merging = true;
        for child in self[clone].children.clone() {
            let score = self[child].promotion.sort;
            if score < Score::ZERO {
                continue;
            }
            if let Some(node) = self.location(child, false) {
                self[clone].allowed.add(node, score);
            }
        }
        for coloc in self[clone].with.clone() {
            if self.coloc(coloc).dependent_role == Role::Promoted {
                self.mix_promoted_primary(coloc, clone);
            }
        }
        for coloc in self.with_this(clone) {
            if self.coloc(coloc).primary_role == Role::Promoted && self.has_influence(coloc, None) {
                self.mix_promoted_dependent(coloc, clone);
            }
        }
        if self.promotion_forbidden(clone) {
            self.ban(clone, None, "__stateful_without_ticket__");
        }
        for child in self[clone].children.clone() {
            let node = self.location(child, false);
            let it = &self[child];
            let sort = if !it.managed && it.next_role == Role::Promoted {
                Score::INFINITY
            } else {
                match node {
                    None => Score::MINUS_INFINITY,
                    Some(_) if it.promotion.sort < Score::ZERO => it.promotion.sort,
                    Some(node) => self[clone].allowed.score(node).unwrap_or_default(),
                }
            };
            self[child].promotion.sort = sort;
        }
        let mut instances = self[clone].children.clone();
        self.sort_rscs(&mut instances, |world, a, b| {
            let (x, y) = (world[a].promotion.sort, world[b].promotion.sort);
            let by_score = y.cmp(&x);
            if by_score.is_ne() {
                return by_score;
            }
            let by_role = world.state(b, true).cmp(&world.state(a, true));
            if by_role.is_ne() {
                return by_role;
            }
            world.compare_instances(a, b)
        });
        self[clone].children = instances;
        self[clone].merging = false;
    }

    fn promotion_place(&self, clone: RscId, rsc: RscId) -> Option<NodeId> {
        for child in &self[rsc].children {
            self.promotion_place(clone, *child)?;
        }
        let node = self.location(rsc, false)?;
        let it = &self[rsc];
        if !it.managed {
            if self.state(rsc, true) != Role::Promoted {
                return None;
            }
        } else if it.priority < 0 || !self.node_available(node, None, true) {
            return None;
        }
        let entry = self[clone].allowed.get(node)?;
        if entry.count >= self[clone].instances.promoted_node_max && it.managed {
            return None;
        }
        Some(node)
    }

    fn decide_role(&mut self, clone: RscId, child: RscId, promoted: &mut i64) {
        if self.show_scores {
            // Nowhere, there is nothing to rate.
            let (place, score) = match self.location(child, false) {
                Some(node) => (self[node].name.clone(), self[child].promotion.sort),
                None => ("none".into(), Score::ZERO),
            };
            let line = format!("{} promotion score on {place}: {score}", self[child].id);
            self.scores.push(line);
        }
        let mut node = None;
        if self[child].promotion.sort >= Score::ZERO
            && (*promoted < self[clone].instances.promoted_max || !self[clone].managed)
        {
            node = self.promotion_place(clone, child);
        }
        let frozen = self.state(child, true) < Role::Promoted
            && !self.options.quorate
            && self.options.no_quorum == NoQuorum::Freeze;
        let Some(node) = node.filter(|_| !frozen) else {
            for id in self.family(child) {
                let placed = !self.nodes_of(id, false).is_empty();
                self[id].next_role = if placed { Role::Unpromoted } else { Role::Stopped };
            }
            return;
        };
        if let Some(entry) = self[clone].allowed.get_mut(node) {
            entry.count += 1;
        }
        for id in self.family(child) {
            if self[id].next_role == Role::Unknown {
                self[id].next_role = Role::Promoted;
            }
        }
        *promoted += 1;
    }
}
