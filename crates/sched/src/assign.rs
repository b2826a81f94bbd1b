//! Placement: which node each resource gets.
//!
//! Resources are taken in order of importance. To place one, those it wants to be with are placed
//! first; then the wishes of those that want to be with it are mixed into its own scores, damped
//! by how much they want it; then the best node that is available takes it.

mod capacity;
mod collective;
mod held;
mod inherit;
mod instances;
mod mixing;
mod promotion;
mod staying;

use std::cmp::Ordering;
use std::collections::HashMap;

use cib::Score;

use crate::action::Flags;
use crate::options::{NoQuorum, Strategy};
use crate::reason::Choice;
use crate::sorting::merge_sorted;
use crate::task::Task;
use crate::world::{NodeId, NodeKind, Role, RscId, Variant, World};

impl World<'_> {
    /// Places everything.
    pub(crate) fn assign_all(&mut self) {
        if self.options.strategy != Strategy::Default {
            self.sort_by_need();
        }
        let order = self.top.clone();
        // Connections first: what runs on the nodes they make depends on them.
        if self.have_remote_nodes {
            for rsc in &order {
                if self[*rsc].is_remote_connection {
                    let prefer = self[*rsc].partial_target;
                    self.assign(*rsc, prefer);
                }
            }
        }
        for rsc in order {
            if !self[rsc].is_remote_connection {
                self.assign(rsc, None);
            }
        }
    }

    /// With capacities at stake, what is most important and most settled chooses first.
    fn sort_by_need(&mut self) {
        let mut order = self.top.clone();
        // Nodes in their own order; each resource's scores where it is, then on each of these.
        let nodes = {
            let mut table = crate::world::Table::default();
            for node in &self.node_order {
                let entry = crate::world::Allowed {
                    score: self[*node].score,
                    discovery: crate::world::Discovery::Always,
                    count: 0,
                    spared: false,
                };
                table.insert(*node, entry);
            }
            merge_sorted(self.node_order.clone(), &|a, b| self.compare_nodes(&table, *a, *b, None))
        };
        let mut scores: HashMap<RscId, Vec<Score>> = HashMap::new();
        for rsc in &order {
            let table = self.mixed_scores(*rsc);
            let here =
                if self.nodes_of(*rsc, true).is_empty() { None } else { self.current_node(*rsc) };
            let places = std::iter::once(here).chain(nodes.iter().copied().map(Some));
            let score = |node: Option<NodeId>| {
                node.and_then(|node| table.score(node)).unwrap_or(Score::MINUS_INFINITY)
            };
            scores.insert(*rsc, places.map(score).collect());
        }
        order.sort_by(|a, b| {
            self[*b].priority.cmp(&self[*a].priority).then_with(|| scores[b].cmp(&scores[a]))
        });
        self.top = order;
    }

    /// The node a resource is on, or the best of several.
    pub(crate) fn current_node(&self, rsc: RscId) -> Option<NodeId> {
        let nodes = self.nodes_of(rsc, true);
        let it = &self[rsc];
        if let Some(source) = it.partial_source
            && nodes.contains(&source)
        {
            return Some(source);
        }
        if !it.needs_fencing {
            let well = nodes.iter().find(|node| self[**node].online && !self[**node].unclean);
            if let Some(node) = well {
                return Some(*node);
            }
        }
        nodes.first().copied()
    }

    /// Places a resource (if it is not placed yet); where it goes.
    pub(crate) fn assign(&mut self, rsc: RscId, prefer: Option<NodeId>) -> Option<NodeId> {
        match self[rsc].variant {
            Variant::Primitive => self.assign_primitive(rsc, prefer),
            Variant::Group => self.assign_group(rsc, prefer),
            Variant::Clone => {
                self.assign_clone(rsc);
                None
            }
            Variant::Bundle => {
                self.assign_bundle(rsc);
                None
            }
        }
    }

    fn assign_primitive(&mut self, rsc: RscId, prefer: Option<NodeId>) -> Option<NodeId> {
        if let Some(parent) = self[rsc].parent
            && !self[parent].allocating
        {
            self.assign(parent, prefer);
        }
        if !self[rsc].provisional {
            return self[rsc].assigned;
        }
        if self[rsc].allocating {
            return None;
        }
        self[rsc].allocating = true;
        let with = self.this_with(rsc);
        let with_this = self.with_this(rsc);
        for coloc in with {
            self.follow(rsc, coloc);
        }
        for coloc in with_this {
            self.mix_dependent(coloc, rsc);
        }
        if self[rsc].next_role == Role::Stopped {
            self.ban(rsc, None, "target-role");
        } else if self[rsc].next_role > self[rsc].role
            && !self.options.quorate
            && self.options.no_quorum == NoQuorum::Freeze
        {
            self[rsc].next_role = self[rsc].role;
        }
        self.show("primitive_assign", rsc);
        if self.options.fencing && !self.have_stonith_resource {
            self[rsc].managed = false;
        }
        if !self[rsc].managed {
            self.note_candidates(rsc);
            self[rsc].next_role = self[rsc].role;
            let here = self.current_node(rsc);
            self.settle_on(rsc, here, true);
            self.note_choice(rsc, Choice::Unmanaged);
        } else if self.options.stop_all {
            self.note_candidates(rsc);
            self.settle_on(rsc, None, true);
            self.note_choice(rsc, Choice::StopAll);
        } else if self[rsc].provisional {
            self.take_best(rsc, prefer);
        }
        self[rsc].allocating = false;
        if self[rsc].is_remote_connection {
            self.connection_assigned(rsc);
        }
        self[rsc].assigned
    }

    fn connection_assigned(&mut self, rsc: RscId) {
        let name = self[rsc].id.clone();
        let Some(node) = self.node_named(&name) else { return };
        if self[rsc].assigned.is_some() && self[rsc].next_role != Role::Stopped {
            self[node].online = true;
            if self[node].unseen {
                // Whatever ran there can be taken over from where the connection goes.
                self[node].unclean = false;
            }
        } else {
            self[node].shutdown = true;
        }
    }

    fn available(&self, rsc: RscId, node: NodeId) -> bool {
        let score = self[rsc].allowed.score(node);
        score.is_some_and(|score| score >= Score::ZERO) && self.node_available(node, None, false)
    }

    fn take_best(&mut self, rsc: RscId, prefer: Option<NodeId>) {
        let most_free = self.ban_insufficient(rsc);
        self.note_candidates(rsc);
        let closed = std::mem::take(&mut self[rsc].closed);
        let prefer = prefer.or(most_free).filter(|node| !closed.contains(node));
        let mut nodes = self.sorted_nodes(rsc);
        nodes.retain(|node| !closed.contains(node));
        let Some(best) = nodes.first().copied() else {
            self.settle_on(rsc, None, false);
            return;
        };
        let score = |world: &Self, node: NodeId| world[rsc].allowed.score(node).unwrap_or_default();
        let best_score = score(self, best);
        let mut chosen = prefer.filter(|node| {
            let known = self[rsc].allowed.get(*node).is_some();
            known && score(self, *node) >= best_score && self.available(rsc, *node)
        });
        let mut by = Choice::Asked;
        if chosen.is_none() {
            by = Choice::Best;
            let mut choice = best;
            let unique_instance = self[rsc].parent.is_some_and(|parent| {
                self[parent].variant == Variant::Clone && self[parent].unique
            });
            if !unique_instance
                && best_score > Score::ZERO
                && self.node_available(best, None, false)
                && let Some(here) = self.current_node(rsc)
                && self.node_available(here, None, false)
                && nodes.contains(&here)
                && score(self, here) == best_score
            {
                choice = here;
                by = Choice::Stays;
            }
            chosen = Some(choice);
        }
        self.settle_on(rsc, chosen, false);
        self.note_choice(rsc, by);
    }

    /// The nodes a resource knows, best first.
    pub(crate) fn sorted_nodes(&self, rsc: RscId) -> Vec<NodeId> {
        let current = self.current_node(rsc);
        let nodes: Vec<NodeId> = self[rsc].allowed.iter().map(|(node, _)| node).collect();
        merge_sorted(nodes, &|a, b| self.compare_nodes(&self[rsc].allowed, *a, *b, current))
    }

    pub(crate) fn compare_nodes(
        &self,
        table: &crate::world::Table,
        a: NodeId,
        b: NodeId,
        current: Option<NodeId>,
    ) -> Ordering {
        let score = |node: NodeId| {
            if self.node_available(node, None, false) {
                table.score(node).unwrap_or(Score::MINUS_INFINITY)
            } else {
                Score::MINUS_INFINITY
            }
        };
        let by_score = score(b).cmp(&score(a));
        if by_score.is_ne() {
            return by_score;
        }
        if self.options.strategy != Strategy::Minimal {
            if self.options.strategy == Strategy::Balanced {
                let by_room = self.compare_room(a, b);
                if by_room.is_ne() {
                    return by_room;
                }
            }
            let by_count = self[a].count.cmp(&self[b].count);
            if by_count.is_ne() {
                return by_count;
            }
            match current {
                Some(here) if here == a && a != b => return Ordering::Less,
                Some(here) if here == b && a != b => return Ordering::Greater,
                _ => {}
            }
        }
        self[a].name.cmp(&self[b].name)
    }

    /// Gives a resource a node (or none); `force` even if the node is not fit.
    pub(crate) fn settle_on(&mut self, rsc: RscId, node: Option<NodeId>, force: bool) -> bool {
        if self[rsc].variant != Variant::Primitive {
            let mut changed = false;
            for child in self[rsc].children.clone() {
                changed |= self.settle_on(child, node, force);
            }
            return changed;
        }
        let before = self[rsc].assigned;
        self[rsc].provisional = false;
        let mut node = node;
        // A guest that is not there yet (or not any more) has a graph that brings it about.
        let fit = |node: NodeId| {
            let score = self[rsc].allowed.score(node);
            let comes = self[node].kind == NodeKind::Guest;
            score.is_some_and(|score| score >= Score::ZERO)
                && (comes || self.node_available(node, None, false))
        };
        if node.is_some_and(|node| !force && !fit(node)) {
            self[rsc].next_role = Role::Stopped;
            node = None;
        }
        self.unassign(rsc);
        self[rsc].provisional = false;
        let Some(node) = node else {
            self[rsc].next_role = Role::Stopped;
            for id in self[rsc].actions.clone() {
                match self[id].task {
                    Task::Stop => self[id].flags.remove(Flags::OPTIONAL),
                    Task::Start => self[id].flags.remove(Flags::RUNNABLE),
                    _ => {
                        let stopped =
                            self[id].extra.as_ref().is_some_and(|extra| extra.target_rc == Some(7));
                        if self[id].interval() > 0 && !stopped {
                            self[id].flags.remove(Flags::RUNNABLE);
                        }
                    }
                }
            }
            return before.is_some();
        };
        self[rsc].assigned = Some(node);
        self[node].assigned.push(rsc);
        self[node].count += 1;
        self.consume(node, rsc);
        before != Some(node)
    }

    /// Takes a resource's node away.
    pub(crate) fn unassign(&mut self, rsc: RscId) {
        for id in self.family(rsc) {
            let Some(node) = self[id].assigned else { continue };
            self[id].assigned = None;
            self[id].provisional = true;
            self[node].assigned.retain(|other| *other != id);
            self[node].count = self[node].count.saturating_sub(1);
            self.release(node, id);
        }
    }

    /// Shows the scores of a resource, as `crm_simulate -s` does.
    pub(crate) fn show(&mut self, place: &str, rsc: RscId) {
        if !self.show_scores || self[rsc].orphan {
            return;
        }
        let mut lines = Vec::new();
        for node in &self.node_order {
            if let Some(entry) = self[rsc].allowed.get(*node) {
                let name = &self[*node].name;
                lines.push(format!(
                    "pcmk__{place}: {} allocation score on {name}: {}",
                    self[rsc].id, entry.score
                ));
            }
        }
        self.scores.extend(lines);
        for child in self[rsc].children.clone() {
            self.show(place, child);
        }
    }
}
