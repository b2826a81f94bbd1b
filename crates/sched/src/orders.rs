//! Ordering constraints, from documents to pairs of actions.

use cib::Score;
use cib::model::{Order, ResourceSet, Text};

use crate::action::Rel;
use crate::constraint::{End, OrderSpec};
use crate::task::{Key, Task};
use crate::world::{RscId, Variant, World};

/// How strict an order is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Strictness {
    Optional,
    Mandatory,
    Serialize,
}

/// Which side of an order is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    OneWay,
    Forward,
    Backward,
}

fn strictness(kind: Option<&str>, score: Option<&str>) -> Strictness {
    match kind.map(str::to_ascii_lowercase).as_deref() {
        Some("optional") => Strictness::Optional,
        Some("serialize") => Strictness::Serialize,
        Some(_) => Strictness::Mandatory,
        None => match score.and_then(Score::parse) {
            Some(Score::ZERO) => Strictness::Optional,
            _ => Strictness::Mandatory,
        },
    }
}

fn relation(strictness: Strictness, then: Task, side: Side) -> Rel {
    match strictness {
        Strictness::Optional => Rel::ORDERED,
        Strictness::Serialize => Rel::SERIALIZE,
        Strictness::Mandatory => match side {
            Side::OneWay => Rel::ORDERED | Rel::ASYMMETRIC,
            Side::Forward if matches!(then, Task::Start | Task::Promote) => {
                Rel::ORDERED | Rel::MAKES_THEN | Rel::BLOCKS
            }
            Side::Forward => Rel::ORDERED | Rel::MAKES_THEN,
            Side::Backward => Rel::ORDERED | Rel::MAKES_FIRST,
        },
    }
}

fn inverse(task: Task) -> Option<Task> {
    Some(match task {
        Task::Start => Task::Stop,
        Task::Stop => Task::Start,
        Task::Promote => Task::Demote,
        Task::Demote => Task::Promote,
        Task::Promoted => Task::Demoted,
        Task::Demoted => Task::Promoted,
        Task::Running => Task::Stopped,
        Task::Stopped => Task::Running,
        _ => return None,
    })
}

fn task_of(word: Option<&str>) -> Task {
    word.and_then(Task::parse).unwrap_or(Task::Start)
}

impl World<'_> {
    pub(crate) fn read_order(&mut self, order: &Order) {
        let kind = strictness(order.kind.as_deref(), order.score.as_deref());
        let symmetrical = kind != Strictness::Serialize && order.symmetrical.unwrap_or(true);
        if order.sets.is_empty() {
            let (Some(first), Some(then)) = (&order.first, &order.then) else { return };
            let firsts = self.resources_named(first);
            let thens = self.resources_named(then);
            for first in &firsts {
                for then in &thens {
                    self.order_two(order, *first, *then, kind, symmetrical);
                }
            }
            return;
        }
        let mut last: Option<&ResourceSet> = None;
        for set in &order.sets {
            self.order_inside(set, kind, symmetrical);
            if let Some(last) = last {
                if symmetrical {
                    self.order_sets(set, last, kind, Side::Backward);
                }
                let side = if symmetrical { Side::Forward } else { Side::OneWay };
                self.order_sets(last, set, kind, side);
            }
            last = Some(set);
        }
    }

    fn order_two(
        &mut self,
        order: &Order,
        first: RscId,
        then: RscId,
        kind: Strictness,
        symmetrical: bool,
    ) {
        let first_task = task_of(order.first_action.as_deref());
        let then_task = order.then_action.as_deref().and_then(Task::parse).unwrap_or(first_task);
        let side = if symmetrical { Side::Forward } else { Side::OneWay };
        let mut rel = relation(kind, then_task, side);
        if kind == Strictness::Optional && self.meta(then, "restart-type") == Some("restart") {
            rel |= Rel::MAKES_THEN;
        }
        let collective = matches!(self[first].variant, Variant::Clone | Variant::Bundle);
        let mut enough = 0;
        if self[first].variant == Variant::Clone {
            enough = self[first].instances.min;
        }
        if collective && enough == 0 && order.require_all == Some(false) {
            enough = 1;
        }
        if enough > 0 && matches!(first_task, Task::Start | Task::Promote) {
            self.order_enough(&order.id, (first, first_task), (then, then_task), rel, enough);
        } else {
            self.order(first, Key::op(first_task), then, Key::op(then_task), rel);
        }
        if !symmetrical {
            return;
        }
        let (Some(first_inverse), Some(then_inverse)) = (inverse(first_task), inverse(then_task))
        else {
            return;
        };
        let rel = relation(kind, first_inverse, Side::Backward);
        self.order(then, Key::op(then_inverse), first, Key::op(first_inverse), rel);
    }

    fn order_enough(
        &mut self,
        id: &Text,
        first: (RscId, Task),
        then: (RscId, Task),
        rel: Rel,
        enough: i64,
    ) {
        let gate = self.cluster_milestone(&format!("clone-one-or-more:{id}"));
        self[gate].required_runnable = enough;
        for child in self[first.0].children.clone() {
            self.order_action_after(child, Key::op(first.1), gate, Rel::MIN | Rel::SHOWS_THEN);
        }
        self.order_action_before(gate, then.0, Key::op(then.1), rel | Rel::BLOCKS);
    }

    fn order_inside(&mut self, set: &ResourceSet, kind: Strictness, symmetrical: bool) {
        let members = self.set_members(set);
        let task = task_of(set.action.as_deref());
        let kind = match &set.kind {
            Some(word) => strictness(Some(word), None),
            None => kind,
        };
        let side = if symmetrical { Side::Forward } else { Side::OneWay };
        let rel = relation(kind, task, side);
        if kind == Strictness::Serialize {
            for (at, first) in members.iter().enumerate() {
                for then in &members[at + 1..] {
                    self.order(*first, Key::op(task), *then, Key::op(task), rel);
                }
            }
            return;
        }
        if !set.sequential.unwrap_or(true) {
            return;
        }
        for pair in members.windows(2) {
            if let [first, then] = *pair {
                self.order(first, Key::op(task), then, Key::op(task), rel);
            }
        }
        if !symmetrical {
            return;
        }
        let Some(task) = inverse(task) else { return };
        let rel = relation(kind, task, Side::Backward);
        for pair in members.windows(2) {
            if let [first, then] = *pair {
                self.order(then, Key::op(task), first, Key::op(task), rel);
            }
        }
    }

    fn order_sets(
        &mut self,
        left: &ResourceSet,
        right: &ResourceSet,
        kind: Strictness,
        side: Side,
    ) {
        let (mut left_task, mut right_task) =
            (task_of(left.action.as_deref()), task_of(right.action.as_deref()));
        if side == Side::Backward {
            let (Some(l), Some(r)) = (inverse(left_task), inverse(right_task)) else { return };
            (left_task, right_task) = (l, r);
        }
        // On the way down everything has to go first, whatever suffices on the way up.
        let all =
            left.require_all.unwrap_or(true) || matches!(left_task, Task::Stop | Task::Demote);
        let rel = relation(kind, right_task, side);
        let (lefts, rights) = (self.set_members(left), self.set_members(right));
        if !all {
            let gate = self.cluster_milestone(&format!("one-or-more:{}", left.id));
            self[gate].required_runnable = 1;
            for first in lefts {
                self.order_action_after(
                    first,
                    Key::op(left_task),
                    gate,
                    Rel::MIN | Rel::SHOWS_THEN,
                );
            }
            for then in rights {
                self.order_action_before(gate, then, Key::op(right_task), rel | Rel::BLOCKS);
            }
            return;
        }
        let end = |members: &[RscId], sequential: bool, last: bool| -> Vec<RscId> {
            if !sequential {
                return members.to_vec();
            }
            let one = if last { members.last() } else { members.first() };
            one.copied().into_iter().collect()
        };
        let backward = side == Side::Backward;
        let firsts = end(&lefts, left.sequential.unwrap_or(true), !backward);
        let thens = end(&rights, right.sequential.unwrap_or(true), backward);
        for first in &firsts {
            for then in &thens {
                self.order(*first, Key::op(left_task), *then, Key::op(right_task), rel);
            }
        }
    }

    /// Everything the document orders, colocates, locates and makes depend on tickets.
    pub(crate) fn read_constraints(&mut self) {
        use cib::model::ConstraintRef;
        let cib = self.cib;
        for (id, members) in cib.templates.iter().chain(&cib.tags) {
            self.group_of_tag.insert(id.clone(), members.clone());
        }
        let facts = self.facts();
        for constraint in &cib.constraint_order {
            let lives = |rule: &Option<cib::rules::Rule>| {
                rule.as_ref().is_none_or(|rule| rule.holds(&facts))
            };
            match *constraint {
                ConstraintRef::Location(at) if lives(&cib.locations[at].lifetime) => {
                    self.read_location(&cib.locations[at]);
                }
                ConstraintRef::Colocation(at) if lives(&cib.colocations[at].lifetime) => {
                    self.read_colocation(&cib.colocations[at]);
                }
                ConstraintRef::Order(at) if lives(&cib.orders[at].lifetime) => {
                    self.read_order(&cib.orders[at]);
                }
                ConstraintRef::Ticket(at) if lives(&cib.ticket_uses[at].lifetime) => {
                    self.read_ticket(&cib.ticket_uses[at]);
                }
                _ => {}
            }
        }
    }

    /// The resource on the first side of an order, if it has one.
    pub(crate) fn first_of(&self, order: &OrderSpec) -> Option<RscId> {
        match &order.first {
            End::Keyed(rsc, _) => Some(*rsc),
            End::Action(_) => order.first_rsc,
        }
    }
}
