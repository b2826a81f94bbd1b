//! Which interfaces the table looks at, against which it should.
//!
//! An interface is known by its name and covered by its number: one that is deleted and made again
//! is another, and is covered anew.

use std::collections::{BTreeMap, BTreeSet};

use base::{IfIndex, KernelFact, Name};

use crate::links::Links;

#[derive(Debug, Default)]
pub(super) struct Cover {
    links: Links,
    wanted: BTreeSet<Name>,
    covered: BTreeMap<Name, IfIndex>,
}

impl Cover {
    /// These, and no others, are to be looked at. What was covered before stays so.
    pub(super) fn want<'a>(&mut self, names: impl Iterator<Item = &'a Name> + Clone) {
        if !self.wanted.iter().eq(names.clone()) {
            self.wanted = names.cloned().collect();
        }
    }

    /// Takes in what the fact says of interfaces; whether it says anything of them.
    pub(super) fn learn(&mut self, fact: &KernelFact) -> bool {
        if matches!(fact, KernelFact::Address(_) | KernelFact::AddressGone(_)) {
            return false;
        }
        self.links.learn(fact);
        let links = &self.links;
        self.covered.retain(|name, index| links.named(name).is_some_and(|l| l.index == *index));
        true
    }

    /// One that exists and is not covered.
    pub(super) fn next(&self) -> Option<Name> {
        let lacks =
            |name: &&Name| self.links.named(name).is_some() && !self.covered.contains_key(*name);
        self.wanted.iter().find(lacks).cloned()
    }

    /// It is covered, or cannot be: not to be tried again until it is another.
    pub(super) fn done(&mut self, name: &Name) {
        if let Some(link) = self.links.named(name) {
            self.covered.insert(name.clone(), link.index);
        }
    }

    /// The table was made anew.
    pub(super) fn forget(&mut self) {
        self.covered.clear();
    }

    pub(super) fn names(&self) -> Vec<Name> {
        self.covered.keys().cloned().collect()
    }
}
