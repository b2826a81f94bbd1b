//! Why a placement is what it is: every contribution to its scores, and how the node was chosen;
//! kept only if somebody asked.

use std::collections::HashMap;

use cib::Score;
use cib::model::Text;

use crate::world::{NodeId, RscId, World};

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
    /// The node has no room for what the resource needs.
    Capacity,
    /// The node has as many instances as it may have.
    Instances,
    /// Something else, in a few words.
    Other(Text),
    /// What none of the above accounts for.
    Remainder,
}

/// One contribution to one score.
#[derive(Clone, Debug)]
pub struct Contribution {
    /// What it speaks of: an index into the plan's resources.
    pub resource: usize,
    /// Where: an index into the plan's nodes.
    pub node: usize,
    /// How much.
    pub score: Score,
    /// Why.
    pub cause: Cause,
}

/// Why a node could not be chosen, whatever its score.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unfit {
    /// It is not part of the cluster.
    Offline,
    /// It is lost, and not fenced yet.
    Unclean,
    /// It is in standby.
    Standby,
    /// It is left alone.
    Maintenance,
    /// It is leaving.
    Leaving,
    /// In a cluster where nothing is allowed unless said so, nobody said so.
    NotAllowed,
}

/// A node when a resource was given its place.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// An index into the plan's nodes.
    pub node: usize,
    /// What its score had come to; none where the resource does not know it.
    pub score: Option<Score>,
    /// What spoke against it, whatever its score.
    pub unfit: Option<Unfit>,
    /// How many resources had been given to it before.
    pub load: usize,
}

/// By what a node was chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    /// Its score was the highest; among equals the least loaded, then the first by name.
    Best,
    /// It is where the resource is, and no other was better.
    Stays,
    /// Something it belongs to asked for it, and no other was better.
    Asked,
    /// The resource is not managed: it stays, fit or not.
    Unmanaged,
    /// All resources shall stop.
    StopAll,
}

/// How one resource got its node.
#[derive(Clone, Debug)]
pub struct Decision {
    /// An index into the plan's resources.
    pub resource: usize,
    /// All nodes, in the plan's order.
    pub candidates: Vec<Candidate>,
    /// The one that was chosen, if any.
    pub chosen: Option<usize>,
    /// By what.
    pub choice: Choice,
}

/// What was noted while planning.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// In the order in which they were made.
    pub contributions: Vec<Contribution>,
    /// One for each resource that was placed; the last counts where one was placed again.
    pub decisions: Vec<Decision>,
}

struct Note {
    resource: RscId,
    node: NodeId,
    score: Score,
    cause: Cause,
}

/// The notes, kept only if asked for.
#[derive(Default)]
pub(crate) struct Reasons {
    wanted: bool,
    all: Vec<Note>,
    decisions: Vec<Decision>,
}

impl Reasons {
    pub(crate) fn new(wanted: bool) -> Self {
        Self { wanted, ..Self::default() }
    }

    pub(crate) fn note(
        &mut self,
        resource: RscId,
        node: NodeId,
        score: Score,
        cause: impl FnOnce() -> Cause,
    ) {
        if self.wanted && score != Score::ZERO {
            self.all.push(Note { resource, node, score, cause: cause() });
        }
    }

    pub(crate) fn wanted(&self) -> bool {
        self.wanted
    }
}

impl World<'_> {
    /// Notes how all nodes stand for a resource, before one is chosen.
    pub(crate) fn note_candidates(&mut self, rsc: RscId) {
        if !self.reasons.wanted() {
            return;
        }
        let candidates = self.node_order.iter().enumerate().map(|(at, node)| Candidate {
            node: at,
            score: self[rsc].allowed.score(*node),
            unfit: self.unfit(rsc, *node),
            load: self[*node].count,
        });
        let candidates = candidates.collect();
        let resource = rsc.index();
        let decision = Decision { resource, candidates, chosen: None, choice: Choice::Best };
        self.reasons.decisions.retain(|other| other.resource != resource);
        self.reasons.decisions.push(decision);
    }

    /// Notes what was chosen after all.
    pub(crate) fn note_choice(&mut self, rsc: RscId, choice: Choice) {
        if !self.reasons.wanted() {
            return;
        }
        let chosen = self[rsc].assigned;
        let chosen = self.node_order.iter().position(|node| Some(*node) == chosen);
        let mut own = self.reasons.decisions.iter_mut().rev();
        if let Some(decision) = own.find(|decision| decision.resource == rsc.index()) {
            decision.chosen = chosen;
            decision.choice = choice;
        }
    }

    fn unfit(&self, rsc: RscId, node: NodeId) -> Option<Unfit> {
        let it = &self[node];
        if it.unclean {
            Some(Unfit::Unclean)
        } else if !it.online {
            Some(Unfit::Offline)
        } else if it.shutdown {
            Some(Unfit::Leaving)
        } else if it.standby {
            Some(Unfit::Standby)
        } else if it.maintenance {
            Some(Unfit::Maintenance)
        } else if self[rsc].allowed.get(node).is_none() {
            Some(Unfit::NotAllowed)
        } else {
            None
        }
    }

    /// Everything that was noted, by the plan's own numbers. What the notes do not account for is
    /// added, so that they always come to what was decided upon.
    pub(crate) fn told(&mut self) -> Trace {
        let notes = std::mem::take(&mut self.reasons.all);
        let decisions = std::mem::take(&mut self.reasons.decisions);
        let place = |node: NodeId| self.node_order.iter().position(|other| *other == node);
        let mut contributions: Vec<Contribution> = notes
            .into_iter()
            .filter_map(|note| {
                let (resource, node) = (note.resource.index(), place(note.node)?);
                Some(Contribution { resource, node, score: note.score, cause: note.cause })
            })
            .collect();
        let mut sums: HashMap<(usize, usize), Score> = HashMap::new();
        for note in &contributions {
            let sum = sums.entry((note.resource, note.node)).or_default();
            *sum = *sum + note.score;
        }
        for decision in &decisions {
            for candidate in &decision.candidates {
                let Some(score) = candidate.score else { continue };
                let sum = sums.get(&(decision.resource, candidate.node));
                let sum = sum.copied().unwrap_or_default();
                if sum != score {
                    let rest = Score::new(i64::from(score.get()) - i64::from(sum.get()));
                    contributions.push(Contribution {
                        resource: decision.resource,
                        node: candidate.node,
                        score: rest,
                        cause: Cause::Remainder,
                    });
                }
            }
        }
        Trace { contributions, decisions }
    }
}
