//! Orders and colocations that follow from what resources are.

use cib::Score;

use crate::action::Rel;
use crate::constraint::Coloc;
use crate::task::{Key, Task};
use crate::world::{NodeId, Role, RscId, Variant, World};

impl World<'_> {
    pub(crate) fn add_internal_constraints(&mut self) {
        for rsc in self.top.clone() {
            self.constrain(rsc);
        }
    }

    pub(crate) fn constrain(&mut self, rsc: RscId) {
        match self[rsc].variant {
            Variant::Primitive => self.constrain_primitive(rsc),
            Variant::Group => self.constrain_group(rsc),
            Variant::Clone => self.constrain_clone(rsc),
            Variant::Bundle => self.constrain_bundle(rsc),
        }
    }

    fn tasks(&mut self, first: RscId, first_task: Task, then: RscId, then_task: Task, rel: Rel) {
        self.order(first, Key::op(first_task), then, Key::op(then_task), rel);
    }

    fn allowed_nodes(&self, rsc: RscId) -> Vec<NodeId> {
        self[rsc].allowed.iter().map(|(node, _)| node).collect()
    }

    fn constrain_primitive(&mut self, rsc: RscId) {
        if !self[rsc].managed {
            return;
        }
        self.tasks(
            rsc,
            Task::Stop,
            rsc,
            Task::Start,
            Rel::ORDERED | Rel::MAKES_THEN | Rel::RESTART,
        );
        let top = self.top_of(rsc, false);
        if self[top].promotable || self[rsc].role > Role::Unpromoted {
            self.tasks(rsc, Task::Demote, rsc, Task::Stop, Rel::MAKES_FIRST_PROMOTED);
            self.tasks(rsc, Task::Start, rsc, Task::Promote, Rel::BLOCKS);
        }
        // A probe on the same node makes the removal of a history superfluous.
        self.tasks(rsc, Task::LrmDelete, rsc, Task::Monitor, Rel::SAME_NODE | Rel::CANCELS_FIRST);
        if !self[rsc].fence_device && self.options.unfencing && self[rsc].needs_unfencing {
            for node in self.allowed_nodes(rsc) {
                let unfence = self.fence_op(node, Some("on"), true, "", false);
                self.order_action_after(rsc, Key::STOP, unfence, Rel::ORDERED | Rel::SAME_NODE);
                self.order_action_before(
                    unfence,
                    rsc,
                    Key::START,
                    Rel::MAKES_THEN_ON_NODE | Rel::SAME_NODE,
                );
            }
        }
        if !self[rsc].utilization.is_empty()
            && self.options.strategy != crate::options::Strategy::Default
        {
            let allowed = self.allowed_nodes(rsc);
            self.order_by_load(rsc, &allowed);
        }
        if let Some(container) = self[rsc].container {
            self.constrain_filler(rsc, container);
        }
        if self[rsc].is_remote_connection || self[rsc].fence_device {
            self.avoid_remote_nodes(rsc);
        }
    }

    fn constrain_filler(&mut self, rsc: RscId, container: RscId) {
        let bundled = self.in_bundle(rsc);
        let mut connection = None;
        if self[rsc].is_remote_connection {
            // Guests do not nest; but bundles may run on remote nodes.
            if !bundled {
                self.avoid_remote_nodes(container);
            }
            self.tasks(container, Task::Monitor, rsc, Task::Stop, Rel::ORDERED);
        } else if self[container].is_remote_connection {
            connection = Some(container);
        } else {
            connection = self[container]
                .fillers
                .iter()
                .copied()
                .find(|filler| self[*filler].is_remote_connection);
        }
        if let Some(connection) = connection {
            for node in self.node_order.clone() {
                if self[node].remote != Some(connection) {
                    if let Some(entry) = self[rsc].allowed.get_mut(node) {
                        entry.score = Score::MINUS_INFINITY;
                    }
                }
            }
            return;
        }
        self.tasks(container, Task::Start, rsc, Task::Start, Rel::MAKES_THEN | Rel::BLOCKS);
        self.tasks(rsc, Task::Stop, container, Task::Stop, Rel::MAKES_FIRST);
        let score = if bundled { Score::new(10_000) } else { Score::INFINITY };
        self.add_colocation(Coloc {
            id: "#resource-with-container".into(),
            dependent: rsc,
            primary: container,
            dependent_role: Role::Unknown,
            primary_role: Role::Unknown,
            score,
            attribute: None,
            influence: true,
            explicit: false,
        });
    }

    fn avoid_remote_nodes(&mut self, rsc: RscId) {
        for node in self.node_order.clone() {
            if self[node].remote.is_some() {
                if let Some(entry) = self[rsc].allowed.get_mut(node) {
                    entry.score = Score::MINUS_INFINITY;
                }
            }
        }
    }

    fn constrain_group(&mut self, group: RscId) {
        self.tasks(group, Task::Stop, group, Task::Stopped, Rel::BLOCKS);
        self.tasks(group, Task::Stopped, group, Task::Start, Rel::ORDERED);
        self.tasks(group, Task::Start, group, Task::Running, Rel::BLOCKS);
        let top = self.top_of(group, false);
        let promotable = self[top].promotable;
        let (ordered, colocated) =
            (self.group_is(group, "ordered"), self.group_is(group, "collocated"));
        let (mut previous, mut last_active): (Option<RscId>, Option<RscId>) = (None, None);
        for member in self[group].children.clone() {
            self.constrain(member);
            let (mut down, mut after_down) = (Rel::SHOWS_FIRST, Rel::SHOWS_THEN);
            match previous {
                None if ordered => {
                    down |= Rel::ORDERED;
                    after_down = Rel::MAKES_THEN;
                }
                Some(previous) if colocated => {
                    let influence = self[member].critical;
                    self.add_colocation(Coloc {
                        id: "#group-members".into(),
                        dependent: member,
                        primary: previous,
                        dependent_role: Role::Unknown,
                        primary_role: Role::Unknown,
                        score: Score::INFINITY,
                        attribute: None,
                        influence,
                        explicit: false,
                    });
                }
                _ => {}
            }
            let up = Rel::BLOCKS | Rel::MAKES_THEN | Rel::SHOWS_THEN;
            if promotable {
                self.tasks(group, Task::Demote, member, Task::Demote, down);
                self.tasks(member, Task::Demote, group, Task::Demoted, after_down);
                self.tasks(member, Task::Promote, group, Task::Promoted, up);
                self.tasks(group, Task::Promote, member, Task::Promote, Rel::SHOWS_FIRST);
            }
            self.tasks(group, Task::Stop, member, Task::Stop, down);
            self.tasks(member, Task::Stop, group, Task::Stopped, after_down);
            self.tasks(group, Task::Start, member, Task::Start, Rel::SHOWS_FIRST);
            self.tasks(member, Task::Start, group, Task::Running, up);
            if !ordered {
                let hold = Rel::MAKES_THEN | Rel::BLOCKS | Rel::SHOWS_FIRST;
                self.tasks(group, Task::Start, member, Task::Start, hold);
                if promotable {
                    self.tasks(group, Task::Promote, member, Task::Promote, hold);
                }
            } else if let Some(previous) = previous {
                self.tasks(
                    previous,
                    Task::Start,
                    member,
                    Task::Start,
                    Rel::MAKES_THEN | Rel::BLOCKS,
                );
                self.tasks(member, Task::Stop, previous, Task::Stop, Rel::ORDERED | Rel::RESTART);
                if !self[member].running_on.is_empty() && self[previous].running_on.is_empty() {
                    // A member put in before one that runs already.
                    self.tasks(
                        member,
                        Task::Stop,
                        previous,
                        Task::Start,
                        Rel::MAKES_FIRST | Rel::BLOCKS,
                    );
                }
                if promotable {
                    self.tasks(
                        previous,
                        Task::Promote,
                        member,
                        Task::Promote,
                        Rel::MAKES_THEN | Rel::BLOCKS,
                    );
                    self.tasks(member, Task::Demote, previous, Task::Demote, Rel::ORDERED);
                }
            }
            if !self[member].running_on.is_empty() {
                if let (true, Some(previous), Some(last)) = (ordered, previous, last_active) {
                    if self[previous].running_on.is_empty() {
                        self.tasks(member, Task::Stop, last, Task::Stop, Rel::ORDERED);
                    }
                }
                last_active = Some(member);
            }
            previous = Some(member);
        }
    }

    /// Whether a group is ordered, or colocated; it is unless it says no.
    pub(crate) fn group_is(&self, group: RscId, what: &str) -> bool {
        self[group].variant != Variant::Group
            || self.meta(group, what).and_then(cib::value::truth).unwrap_or(true)
    }

    fn constrain_clone(&mut self, clone: RscId) {
        self.tasks(clone, Task::Stopped, clone, Task::Start, Rel::ORDERED);
        self.tasks(clone, Task::Start, clone, Task::Running, Rel::BLOCKS);
        self.tasks(clone, Task::Stop, clone, Task::Stopped, Rel::BLOCKS);
        let promotable = self[clone].promotable;
        if promotable {
            self.tasks(clone, Task::Demoted, clone, Task::Stop, Rel::ORDERED);
            self.tasks(clone, Task::Running, clone, Task::Promote, Rel::BLOCKS);
        }
        let ordered = self[clone].instances.ordered;
        let mut children = self[clone].children.clone();
        if ordered {
            children.sort_by_key(|child| crate::assign_number(&self[*child].id));
            self[clone].children = children.clone();
        }
        for (at, child) in children.iter().enumerate() {
            self.constrain(*child);
            self.tasks(clone, Task::Start, *child, Task::Start, Rel::BLOCKS | Rel::SHOWS_FIRST);
            self.tasks(*child, Task::Start, clone, Task::Running, Rel::SHOWS_THEN);
            self.tasks(clone, Task::Stop, *child, Task::Stop, Rel::SHOWS_FIRST);
            self.tasks(*child, Task::Stop, clone, Task::Stopped, Rel::SHOWS_THEN);
            if ordered {
                for later in &children[at + 1..] {
                    self.tasks(*child, Task::Start, *later, Task::Start, Rel::ORDERED);
                    self.tasks(*later, Task::Stop, *child, Task::Stop, Rel::ORDERED);
                }
            }
        }
        if promotable {
            self.order_promotion(clone, &children, ordered);
        }
    }

    pub(crate) fn order_promotion_milestones(&mut self, rsc: RscId) {
        for (first, then) in [
            (Task::Stopped, Task::Start),
            (Task::Stopped, Task::Promote),
            (Task::Demoted, Task::Stop),
            (Task::Demoted, Task::Start),
            (Task::Demoted, Task::Promote),
            (Task::Running, Task::Promote),
            (Task::Demote, Task::Demoted),
        ] {
            self.tasks(rsc, first, rsc, then, Rel::ORDERED);
        }
    }

    fn order_promotion(&mut self, clone: RscId, children: &[RscId], ordered: bool) {
        self.order_promotion_milestones(clone);
        let mut previous: Option<RscId> = None;
        for child in children {
            self.tasks(*child, Task::Demote, *child, Task::Promote, Rel::ORDERED);
            self.tasks(clone, Task::Promote, *child, Task::Promote, Rel::ORDERED);
            self.tasks(*child, Task::Promote, clone, Task::Promoted, Rel::ORDERED);
            self.tasks(clone, Task::Demote, *child, Task::Demote, Rel::SHOWS_FIRST);
            self.tasks(*child, Task::Demote, clone, Task::Demoted, Rel::SHOWS_THEN);
            if let Some(previous) = previous.filter(|_| ordered) {
                self.tasks(previous, Task::Promote, *child, Task::Promote, Rel::ORDERED);
                self.tasks(*child, Task::Demote, previous, Task::Demote, Rel::ORDERED);
            }
            previous = Some(*child);
        }
    }
}
