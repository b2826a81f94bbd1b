//! Tables of opinions: what a resource thinks of each node.

use cib::score::Score;

use crate::world::NodeId;

/// Whether to look for a resource on a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Discovery {
    #[default]
    Always,
    Never,
    Exclusive,
}

/// What a resource thinks of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Allowed {
    pub score: Score,
    pub discovery: Discovery,
    /// How many instances of a clone it has been given in this plan.
    pub count: i64,
    /// A mixing of scores would have made it unfit.
    pub spared: bool,
}

/// A table of opinions on nodes; nodes without entry are not to be used.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Table(Vec<Option<Allowed>>);

impl Table {
    pub(crate) fn get(&self, node: NodeId) -> Option<&Allowed> {
        self.0.get(node.index())?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, node: NodeId) -> Option<&mut Allowed> {
        self.0.get_mut(node.index())?.as_mut()
    }

    pub(crate) fn score(&self, node: NodeId) -> Option<Score> {
        self.get(node).map(|entry| entry.score)
    }

    pub(crate) fn insert(&mut self, node: NodeId, entry: Allowed) {
        if self.0.len() <= node.index() {
            self.0.resize(node.index() + 1, None);
        }
        self.0[node.index()] = Some(entry);
    }

    pub(crate) fn remove(&mut self, node: NodeId) {
        if let Some(entry) = self.0.get_mut(node.index()) {
            *entry = None;
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (NodeId, &Allowed)> {
        self.0
            .iter()
            .enumerate()
            .filter_map(|(index, entry)| Some((NodeId::new(index), entry.as_ref()?)))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (NodeId, &mut Allowed)> {
        self.0
            .iter_mut()
            .enumerate()
            .filter_map(|(index, entry)| Some((NodeId::new(index), entry.as_mut()?)))
    }

    pub(crate) fn add(&mut self, node: NodeId, score: Score) {
        if let Some(entry) = self.get_mut(node) {
            entry.score = entry.score + score;
        }
    }
}
