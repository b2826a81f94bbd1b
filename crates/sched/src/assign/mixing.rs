//! Mixing of scores among resources that want to be together.
//!
//! Damping factors are products of scores divided by infinity; they are kept as integers of
//! 10⁻¹⁸, so that planning is the same everywhere.

use cib::Score;

use crate::reason::Cause;
use crate::world::{Allowed, ColocId, Discovery, NodeId, Role, RscId, Table, Variant, World};

/// 10⁻¹⁸ each.
type Factor = i128;

const ONE: Factor = 1_000_000_000_000_000_000;

/// How scores are mixed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mix {
    /// Follow what the source wants to be with (instead of what wants to be with it).
    this_with: bool,
    /// Never let a node that was fit become unfit.
    non_negative: bool,
    /// Give up if nothing is left.
    active: bool,
}

fn damp(factor: Factor, score: Score) -> Factor {
    factor * i128::from(score.get()) / 1_000_000
}

fn scaled(factor: Factor, score: Score) -> Score {
    if factor == ONE || score == Score::ZERO {
        return score;
    }
    let exact = factor * i128::from(score.get());
    let half = if exact < 0 { -ONE / 2 } else { ONE / 2 };
    let mut delta = (exact + half) / ONE;
    if delta == 0 && score != Score::ZERO && factor != 0 {
        delta = if factor > 0 { 1 } else { -1 };
    }
    Score::new(i64::try_from(delta).unwrap_or(if delta < 0 { i64::MIN } else { i64::MAX }))
}

impl World<'_> {
    /// Whom a resource wants to be with.
    pub(crate) fn this_with(&self, rsc: RscId) -> Vec<ColocId> {
        self[rsc].with.clone()
    }

    /// Who wants to be with a resource.
    pub(crate) fn with_this(&self, rsc: RscId) -> Vec<ColocId> {
        self[rsc].with_this.clone()
    }

    /// Whether a dependent may draw its primary (`rsc`, if it is a part of it).
    pub(crate) fn has_influence(&self, coloc: ColocId, rsc: Option<RscId>) -> bool {
        let coloc = self.coloc(coloc);
        let rsc = rsc.unwrap_or(coloc.primary);
        let container = self[coloc.dependent].container == Some(coloc.primary);
        if container
            && self.in_bundle(coloc.dependent)
            && !self[coloc.primary].failed
            && self[rsc].running_on.len() == 1
        {
            // Moving a connection is cheap, moving a container is not.
            return false;
        }
        coloc.influence || self[rsc].running_on.is_empty()
    }

    /// Puts a resource where the one it wants to be with goes.
    pub(crate) fn follow(&mut self, rsc: RscId, coloc: ColocId) {
        let (primary, score, role) = {
            let coloc = self.coloc(coloc);
            (coloc.primary, coloc.score, coloc.dependent_role)
        };
        let mild = score < Score::ZERO && !score.is_never();
        let archive = (role >= Role::Promoted || mild).then(|| self[rsc].allowed.clone());
        if self[primary].provisional {
            self.assign(primary, None);
        }
        let before = self.reasons_before(rsc);
        self.apply_coloc(rsc, primary, coloc, true);
        self.note_difference(rsc, &before, coloc, primary);
        if let Some(archive) = archive
            && (!self.any_available(&self[rsc].allowed)
                || mild
                    && self.group_fits(rsc, &archive)
                    && !self.group_fits(rsc, &self[rsc].allowed))
        {
            self[rsc].allowed = archive;
        }
    }

    /// Whether a node is left on which all other members of a resource's group can be, too.
    fn group_fits(&self, rsc: RscId, table: &Table) -> bool {
        let group = self[rsc].parent.filter(|parent| self[*parent].variant == Variant::Group);
        let members = group.map(|group| self[group].children.as_slice()).unwrap_or_default();
        table.iter().any(|(node, entry)| {
            let banned =
                |member: &RscId| self[*member].allowed.score(node).is_none_or(Score::is_never);
            entry.score >= Score::ZERO
                && self.node_available(node, None, false)
                && !members.iter().any(banned)
        })
    }

    fn reasons_before(&self, rsc: RscId) -> Option<Table> {
        self.reasons.wanted().then(|| self[rsc].allowed.clone())
    }

    fn note_difference(
        &mut self,
        rsc: RscId,
        before: &Option<Table>,
        coloc: ColocId,
        other: RscId,
    ) {
        let Some(before) = before else { return };
        let after = self[rsc].allowed.clone();
        let cause = Cause::Colocation(self.coloc(coloc).id.clone(), self[other].id.clone());
        for (node, entry) in after.iter() {
            let old = before.score(node).unwrap_or_default();
            if old != entry.score {
                let delta = Score::new(i64::from(entry.score.get()) - i64::from(old.get()));
                self.reasons.note(rsc, node, delta, || cause.clone());
            }
        }
    }

    pub(crate) fn any_available(&self, table: &Table) -> bool {
        table.iter().any(|(node, entry)| {
            entry.score >= Score::ZERO && !entry.spared && self.node_available(node, None, false)
        })
    }

    /// Mixes the wishes of a dependent into its primary's scores.
    pub(crate) fn mix_dependent(&mut self, coloc: ColocId, primary: RscId) {
        if !self.has_influence(coloc, None) {
            return;
        }
        let (dependent, score) = (self.coloc(coloc).dependent, self.coloc(coloc).score);
        let flags = Mix {
            active: true,
            non_negative: self[primary].variant == Variant::Clone,
            this_with: false,
        };
        let before = self.reasons_before(primary);
        self.mix_into_own(primary, dependent, coloc, score, flags);
        self.note_difference(primary, &before, coloc, dependent);
    }

    pub(super) fn mix_promoted_dependent(&mut self, coloc: ColocId, clone: RscId) {
        let (dependent, score) = (self.coloc(coloc).dependent, self.coloc(coloc).score);
        let flags = Mix { active: true, non_negative: true, this_with: false };
        self.mix_into_own(clone, dependent, coloc, score, flags);
    }

    pub(super) fn mix_promoted_primary(&mut self, coloc: ColocId, clone: RscId) {
        let (primary, score) = (self.coloc(coloc).primary, self.coloc(coloc).score);
        let flags = Mix { active: !score.is_always(), ..Mix::default() };
        self.mix_into_own(clone, primary, coloc, score, flags);
    }

    fn mix_into_own(
        &mut self,
        target: RscId,
        source: RscId,
        coloc: ColocId,
        score: Score,
        flags: Mix,
    ) {
        let mut table = self[target].allowed.clone();
        self.mix(source, target, &mut table, coloc, damp(ONE, score), flags);
        self[target].allowed = table;
    }

    /// What the parents of two instances say of the nodes these are on.
    pub(super) fn mix_parent_colocations(&mut self, rsc: RscId, table: &mut Table) {
        let parent = self[rsc].parent.unwrap_or(rsc);
        for coloc in self[parent].with.clone() {
            let (other, score) = (self.coloc(coloc).primary, self.coloc(coloc).score);
            self.mix(other, rsc, table, coloc, damp(ONE, score), Mix::default());
        }
        for coloc in self[parent].with_this.clone() {
            if self.has_influence(coloc, Some(rsc)) {
                let (other, score) = (self.coloc(coloc).dependent, self.coloc(coloc).score);
                let flags = Mix { non_negative: true, ..Mix::default() };
                self.mix(other, rsc, table, coloc, damp(ONE, score), flags);
            }
        }
    }

    /// The scores of a resource with those of all that hang on it.
    pub(super) fn mixed_scores(&mut self, rsc: RscId) -> Table {
        let flags = Mix { active: false, non_negative: false, this_with: true };
        let last = self[rsc].children.last().copied();
        let member = last.filter(|_| self[rsc].variant == Variant::Group);
        let source = member.unwrap_or(rsc);
        let mut table = self[source].allowed.clone();
        self[source].merging = true;
        self.mix_on(source, source, &mut table, ONE, flags);
        if member.is_some() {
            // What the group wants, its first member will want once it is the group's turn.
            self.mix_on(rsc, source, &mut table, ONE, flags);
        }
        self[source].merging = false;
        table
    }

    fn mix(
        &mut self,
        source: RscId,
        target: RscId,
        table: &mut Table,
        coloc: ColocId,
        factor: Factor,
        flags: Mix,
    ) {
        if self[source].merging {
            return;
        }
        self[source].merging = true;
        let mut work = table.clone();
        if self[source].variant == Variant::Group {
            // The first member brings in the others, each in full; what hangs on the last member
            // hangs on the group, too.
            if let Some(first) = self[source].children.first().copied() {
                self.mix(first, target, &mut work, coloc, factor, flags);
            }
        } else {
            self.add_matching(&mut work, source, target, coloc, factor, flags.non_negative);
        }
        let mut done = true;
        if self.any_available(&work) {
            self.mix_on(source, target, &mut work, factor, flags);
        } else if flags.active {
            done = false;
        }
        if done {
            if flags.non_negative {
                for (_, entry) in work.iter_mut().filter(|(_, entry)| entry.spared) {
                    entry.score = Score::new(1);
                    entry.spared = false;
                }
            }
            *table = work;
        }
        self[source].merging = false;
    }

    fn mix_on(
        &mut self,
        source: RscId,
        target: RscId,
        work: &mut Table,
        factor: Factor,
        flags: Mix,
    ) {
        // Nothing here makes or ends colocations.
        let list = |world: &Self| {
            if flags.this_with { &world[source].with } else { &world[source].with_this }.len()
        };
        for place in 0..list(self) {
            let it = &self[source];
            let coloc = if flags.this_with { it.with[place] } else { it.with_this[place] };
            let (dependent, primary, score) = {
                let coloc = self.coloc(coloc);
                (coloc.dependent, coloc.primary, coloc.score)
            };
            let other = if flags.this_with {
                primary
            } else if !self.has_influence(coloc, None) {
                continue;
            } else {
                dependent
            };
            let flags = Mix { active: true, ..flags };
            let sign = if factor < 0 { -ONE } else { ONE };
            self.mix(other, target, work, coloc, damp(sign, score), flags);
        }
    }

    fn add_matching(
        &mut self,
        work: &mut Table,
        source: RscId,
        target: RscId,
        coloc: ColocId,
        factor: Factor,
        non_negative: bool,
    ) {
        let attribute = self.coloc(coloc).attribute.clone();
        for (node, entry) in work.iter_mut() {
            let score = match &attribute {
                None => match self[source].allowed.score(node) {
                    Some(score) if self.node_available(node, None, false) => score,
                    _ => Score::MINUS_INFINITY,
                },
                Some(name) => {
                    let value = self.attribute_for(node, name, target);
                    let fits = self[source].allowed.iter().filter(|(other, _)| {
                        self.node_available(*other, None, false)
                            && same(&self.attribute_for(*other, name, source), &value)
                    });
                    fits.map(|(_, entry)| entry.score).max().unwrap_or(Score::MINUS_INFINITY)
                }
            };
            if factor < 0 && score < Score::ZERO {
                // Whom somebody avoids must not be drawn to where that one cannot be.
                continue;
            }
            let delta = scaled(factor, score);
            if entry.spared {
                continue;
            }
            let sum = delta + entry.score;
            if non_negative && sum < Score::ZERO {
                if entry.score > Score::ZERO {
                    entry.spared = true;
                    continue;
                }
                if entry.score == Score::ZERO {
                    continue;
                }
            }
            entry.score = sum;
        }
    }

    /// A table with one node in it.
    pub(super) fn one_node(&self, rsc: RscId, node: NodeId) -> Table {
        let mut table = Table::default();
        let entry = self[rsc].allowed.get(node).copied();
        let fallback =
            Allowed { score: Score::ZERO, discovery: Discovery::Always, count: 0, spared: false };
        let entry = Allowed { score: Score::ZERO, ..entry.unwrap_or(fallback) };
        table.insert(node, entry);
        table
    }
}

/// Whether two values are equal but for case.
pub(crate) fn same(a: &Option<cib::model::Text>, b: &Option<cib::model::Text>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        (None, None) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damping_rounds_away_from_zero_and_never_to_nothing() {
        let tenth = damp(ONE, Score::new(100_000));
        assert_eq!(scaled(tenth, Score::new(15)), Score::new(2));
        assert_eq!(scaled(tenth, Score::new(-15)), Score::new(-2));
        assert_eq!(scaled(tenth, Score::new(1)), Score::new(1));
        assert_eq!(scaled(-tenth, Score::new(1)), Score::new(-1));
        assert_eq!(scaled(tenth, Score::ZERO), Score::ZERO);
        assert_eq!(scaled(ONE, Score::MINUS_INFINITY), Score::MINUS_INFINITY);
    }
}
