//! Colocation constraints, from documents to pairs.

use cib::Score;
use cib::model::{Colocation, ResourceSet, Text};

use crate::action::Rel;
use crate::constraint::Coloc;
use crate::task::{Key, Task};
use crate::world::{ColocId, Role, RscId, Variant, World};

/// What a pair gets from its constraint.
struct Common<'a> {
    id: &'a Text,
    score: Score,
    attribute: Option<&'a Text>,
    influence: Option<bool>,
}

fn role_of(word: Option<&str>) -> Role {
    match word.and_then(Role::parse) {
        Some(Role::Started) | None => Role::Unknown,
        Some(role) => role,
    }
}

impl World<'_> {
    pub(crate) fn read_colocation(&mut self, constraint: &Colocation) {
        let score = constraint.score.as_deref().and_then(Score::parse).unwrap_or_default();
        let common = Common {
            id: &constraint.id,
            score,
            attribute: constraint.node_attribute.as_ref(),
            influence: constraint.influence,
        };
        let (mut dependents, mut primaries) = (None, None);
        if constraint.sets.is_empty() {
            let (Some(dependent), Some(primary)) = (&constraint.dependent, &constraint.primary)
            else {
                return;
            };
            let roles = (
                role_of(constraint.dependent_role.as_deref()),
                role_of(constraint.primary_role.as_deref()),
            );
            let of = |world: &Self, name: &Text, instance: &Option<Text>| match instance {
                Some(number) => {
                    let part = world.find_resource(&format!("{name}:{number}"));
                    part.or_else(|| {
                        let clone = world.find_resource(name)?;
                        let at: usize = number.parse().ok()?;
                        world[clone].children.get(at).copied()
                    })
                    .into_iter()
                    .collect()
                }
                None => world.resources_named(name),
            };
            let left = of(self, dependent, &constraint.dependent_instance);
            let right = of(self, primary, &constraint.primary_instance);
            // A tag on one side is a set without an order of its own; on both sides it makes no
            // sense.
            let tag = |world: &Self, name: &Text| world.group_of_tag.contains_key(name);
            if tag(self, dependent) && tag(self, primary) {
                return;
            }
            for dependent in &left {
                for primary in &right {
                    self.colocate(&common, *dependent, *primary, roles);
                }
            }
            return;
        }
        for set in &constraint.sets {
            self.colocate_inside(&common, set);
            if let Some(last) = dependents {
                primaries = Some(set);
                self.colocate_sets(&common, last, set);
            }
            dependents = Some(set);
        }
        let _ = primaries;
    }

    /// The resources of a set, in order; tags are taken apart.
    pub(crate) fn set_members(&self, set: &ResourceSet) -> Vec<RscId> {
        set.members.iter().flat_map(|member| self.resources_named(member)).collect()
    }

    fn colocate_inside(&mut self, common: &Common<'_>, set: &ResourceSet) {
        let members = self.set_members(set);
        let score = set.score.as_deref().and_then(Score::parse).unwrap_or(common.score);
        let own = Common { score, id: &set.id, attribute: None, influence: common.influence };
        let role = role_of(set.role.as_deref());
        if !set.sequential.unwrap_or(true) {
            return;
        }
        if score > Score::ZERO {
            let listed = set.ordering.as_deref().is_some_and(|word| word == "listed");
            for pair in members.windows(2) {
                if let [first, second] = *pair {
                    let (dependent, primary) =
                        if listed { (first, second) } else { (second, first) };
                    self.colocate(&own, dependent, primary, (role, role));
                }
            }
        } else {
            for (at, dependent) in members.iter().enumerate() {
                for primary in &members[..at] {
                    self.colocate(&own, *dependent, *primary, (role, role));
                }
            }
        }
    }

    fn colocate_sets(&mut self, common: &Common<'_>, left: &ResourceSet, right: &ResourceSet) {
        let (lefts, rights) = (self.set_members(left), self.set_members(right));
        let roles = (role_of(left.role.as_deref()), role_of(right.role.as_deref()));
        let lefts = if left.sequential.unwrap_or(true) {
            lefts[..lefts.len().min(1)].to_vec()
        } else {
            lefts
        };
        let rights = match rights.last() {
            Some(last) if right.sequential.unwrap_or(true) => vec![*last],
            _ => rights,
        };
        for dependent in &lefts {
            for primary in &rights {
                self.colocate(common, *dependent, *primary, roles);
            }
        }
    }

    fn colocate(
        &mut self,
        common: &Common<'_>,
        dependent: RscId,
        primary: RscId,
        roles: (Role, Role),
    ) {
        let critical = self[dependent].critical;
        let influence = common.influence.unwrap_or(critical);
        self.add_colocation(Coloc {
            id: common.id.clone(),
            dependent,
            primary,
            dependent_role: roles.0,
            primary_role: roles.1,
            score: common.score,
            attribute: common.attribute.cloned().filter(|name| &**name != "#uname"),
            influence,
        });
    }

    /// Adds a colocation, to both sides' lists in their order.
    pub(crate) fn add_colocation(&mut self, coloc: Coloc) {
        if coloc.score == Score::ZERO || coloc.dependent == coloc.primary {
            return;
        }
        let id = ColocId::new(self.colocs.len());
        let (dependent, primary) = (coloc.dependent, coloc.primary);
        let anti = coloc.score.is_never();
        let roles = (coloc.dependent_role, coloc.primary_role);
        self.colocs.push(coloc);
        self.list_with(dependent, id);
        self.list_with_this(primary, id);
        if anti {
            self.leave_before_coming((dependent, roles.0), (primary, roles.1));
            self.leave_before_coming((primary, roles.1), (dependent, roles.0));
        }
    }

    /// Adds to those a resource wants to be with: the most important first, and of equals the one
    /// that came last.
    pub(crate) fn list_with(&mut self, rsc: RscId, id: ColocId) {
        let primary = self.coloc(id).primary;
        let at = self[rsc]
            .with
            .iter()
            .position(|other| !self.more_important(self.coloc(*other).primary, primary));
        let at = at.unwrap_or(self[rsc].with.len());
        self[rsc].with.insert(at, id);
    }

    /// The same for those that want to be with it.
    pub(crate) fn list_with_this(&mut self, rsc: RscId, id: ColocId) {
        let dependent = self.coloc(id).dependent;
        let at = self[rsc]
            .with_this
            .iter()
            .position(|other| !self.more_important(self.coloc(*other).dependent, dependent));
        let at = at.unwrap_or(self[rsc].with_this.len());
        self[rsc].with_this.insert(at, id);
    }

    /// Whether `a` is to be considered before `b`.
    fn more_important(&self, a: RscId, b: RscId) -> bool {
        let (x, y) = (&self[a], &self[b]);
        if x.priority != y.priority {
            return x.priority > y.priority;
        }
        if x.variant != y.variant {
            return x.variant > y.variant;
        }
        if x.variant == Variant::Clone && x.promotable != y.promotable {
            return x.promotable;
        }
        x.id < y.id
    }

    fn leave_before_coming(&mut self, first: (RscId, Role), then: (RscId, Role)) {
        let leaving: &[Task] = match first.1 {
            Role::Promoted => &[Task::Demote],
            Role::Unpromoted => &[Task::Stop, Task::Promote],
            _ => &[Task::Stop],
        };
        let coming: &[Task] = match then.1 {
            Role::Promoted => &[Task::Promote],
            Role::Unpromoted => &[Task::Start, Task::Demote],
            _ => &[Task::Start],
        };
        for leave in leaving {
            for come in coming {
                self.order(first.0, Key::op(*leave), then.0, Key::op(*come), Rel::AVOID);
            }
        }
    }
}
