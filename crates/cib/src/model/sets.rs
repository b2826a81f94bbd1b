//! Sets of named values: parameters, meta attributes, utilization, options.

use std::collections::HashMap;

use super::{Refs, Text};
use crate::rules::{Facts, Rule};
use crate::score::Score;
use crate::xml::Element;

/// One named value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Its name.
    pub name: Text,
    /// Its value.
    pub value: Text,
}

/// Values that hold together, possibly only under a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttrSet {
    /// Its id.
    pub id: Text,
    /// Precedence among its likes.
    pub score: Score,
    /// When it holds; always if there is none.
    pub rule: Option<Rule>,
    /// What it says.
    pub pairs: Vec<Pair>,
}

/// All sets of one kind in one place, the one with the last word first.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AttrSets(pub Vec<AttrSet>);

impl AttrSets {
    pub(crate) fn read(parent: &Element, name: &str, refs: &Refs<'_>) -> Self {
        let mut sets = Vec::new();
        Self::collect(parent, name, refs, &mut sets);
        Self::sorted(sets)
    }

    pub(crate) fn collect(parent: &Element, name: &str, refs: &Refs<'_>, sets: &mut Vec<AttrSet>) {
        for child in parent.named(name) {
            let set = match child.get("id-ref").and_then(|id| refs.get(id)) {
                Some(target) if target.name() == name => target,
                _ => child,
            };
            let rule = set.child("rule").map(|rule| {
                Rule::read(rule, &|element| {
                    let target = element.get("id-ref").and_then(|id| refs.get(id));
                    target.filter(|target| target.name() == element.name()).unwrap_or(element)
                })
            });
            let pairs = set.child("attributes").unwrap_or(set).named("nvpair").filter_map(|pair| {
                let target = pair.get("id-ref").and_then(|id| refs.get(id)).unwrap_or(pair);
                let name = pair.get("name").or(target.get("name"))?;
                Some(Pair { name: name.into(), value: target.get("value")?.into() })
            });
            sets.push(AttrSet {
                id: set.id().unwrap_or_default().into(),
                score: set.get("score").and_then(Score::parse).unwrap_or_default(),
                rule,
                pairs: pairs.collect(),
            });
        }
    }

    /// Puts sets (in document order) into order of precedence: by score, then the later one.
    pub(crate) fn sorted(mut sets: Vec<AttrSet>) -> Self {
        sets.reverse();
        sets.sort_by_key(|set| std::cmp::Reverse(set.score));
        Self(sets)
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what holds under `facts` to `values`; what is there already stays.
    pub fn unpack(&self, facts: &Facts<'_>, values: &mut HashMap<Text, Text>) {
        for set in
            self.0.iter().filter(|set| set.rule.as_ref().is_none_or(|rule| rule.holds(facts)))
        {
            for pair in &set.pairs {
                // `#default` asks for what would hold had nothing been said.
                if &*pair.value != "#default" {
                    values.entry(pair.name.clone()).or_insert_with(|| pair.value.clone());
                }
            }
        }
    }

    /// Adds what holds, the set of this id before all others.
    pub fn unpack_first(&self, id: &str, facts: &Facts<'_>, values: &mut HashMap<Text, Text>) {
        let (first, rest): (Vec<_>, Vec<_>) =
            self.0.iter().cloned().partition(|set| &*set.id == id);
        Self(first).unpack(facts, values);
        Self(rest).unpack(facts, values);
    }
}
