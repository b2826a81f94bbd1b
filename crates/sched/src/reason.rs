//! Why a placement has its score: every contribution, if anybody asked for them.

use cib::Score;
use cib::model::Text;

use crate::world::{NodeId, RscId};

/// Where a contribution comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cause {
    /// A location constraint, by its id.
    Location(Text),
    /// It is there already.
    Stickiness,
    /// A colocation, by its id, with a resource, by its id.
    Colocation(Text, Text),
    /// The score of the node itself, or its health.
    Node,
    /// Failures have reached the threshold.
    Failures,
    /// Something else, in a few words.
    Other(Text),
}

/// One contribution to one score.
#[derive(Clone, Debug)]
pub struct Contribution {
    /// What it speaks of.
    pub resource: RscId,
    /// Where.
    pub node: NodeId,
    /// How much.
    pub score: Score,
    /// Why.
    pub cause: Cause,
}

/// The contributions, kept only if asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reasons {
    wanted: bool,
    all: Vec<Contribution>,
}

impl Reasons {
    pub(crate) fn new(wanted: bool) -> Self {
        Self { wanted, all: Vec::new() }
    }

    pub(crate) fn note(
        &mut self,
        resource: RscId,
        node: NodeId,
        score: Score,
        cause: impl FnOnce() -> Cause,
    ) {
        if self.wanted && score != Score::ZERO {
            self.all.push(Contribution { resource, node, score, cause: cause() });
        }
    }

    pub(crate) fn wanted(&self) -> bool {
        self.wanted
    }

    pub(crate) fn take(&mut self) -> Vec<Contribution> {
        std::mem::take(&mut self.all)
    }
}
