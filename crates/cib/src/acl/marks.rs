//! The marks that permissions leave on a document.

use std::collections::HashMap;

use super::Permission;
use crate::xml::Element;

/// What a permission says. The greatest on an element wins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Mark {
    Read,
    Write,
    Deny,
}

/// Marks by the way to the element.
pub(super) struct Marks(HashMap<Vec<usize>, Mark>);

impl Marks {
    pub(super) fn new(root: &Element, permissions: &[Permission]) -> Self {
        let mut marks: HashMap<Vec<usize>, Mark> = HashMap::new();
        for permission in permissions {
            let ways: Vec<Vec<usize>> = match &permission.place {
                Some(place) => place.select(root).into_iter().map(|found| found.way).collect(),
                // Better too much is forbidden than too little.
                None if permission.kind == Mark::Deny => vec![Vec::new()],
                None => Vec::new(),
            };
            for way in ways {
                let mark = marks.entry(way).or_insert(permission.kind);
                *mark = (*mark).max(permission.kind);
            }
        }
        Self(marks)
    }

    /// The mark on the element itself.
    pub(super) fn own(&self, way: &[usize]) -> Option<Mark> {
        self.0.get(way).copied()
    }

    /// Whether an element may be written: a read mark takes nothing away from what an ancestor
    /// grants.
    pub(super) fn may_write(&self, way: &[usize]) -> bool {
        let mut up = (0..=way.len()).rev().filter_map(|len| self.own(&way[..len]));
        up.find(|mark| *mark != Mark::Read) == Some(Mark::Write)
    }

    /// Whether something at or below an element is denied.
    pub(super) fn denies_below(&self, way: &[usize]) -> bool {
        self.0.iter().any(|(it, mark)| *mark == Mark::Deny && it.starts_with(way))
    }
}
