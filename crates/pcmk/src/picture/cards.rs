//! The cards of a picture: an action each, or actions that belong together.

use std::collections::{BTreeMap, BTreeSet};

use sched::{Shape, Step, StepKind, Task, Transition};

use super::lanes;

/// Actions of one kind that are equally far from the beginning, so that no two of them wait for
/// each other.
#[derive(Clone, Debug)]
pub(super) struct Card {
    /// The lane: the place of a top-level resource, or none for the cluster.
    pub lane: Option<usize>,
    verb: String,
    /// Name of what it is done with, and the how manieth part of its lane that is.
    object: (String, usize),
    pub colour: &'static str,
    places: BTreeSet<String>,
    count: usize,
    /// Cards it waits for; those left out that others wait for in its stead.
    pub after: BTreeSet<usize>,
    /// How many cards at most come before it, one after the other.
    pub level: usize,
}

impl Card {
    /// What is done; `anonymous`: with parts as they are counted, not as they are called.
    pub(super) fn what(&self, anonymous: bool) -> String {
        match (&self.object, anonymous) {
            ((name, _), _) if name.is_empty() => self.verb.clone(),
            ((_, 0), true) => format!("{} each", self.verb),
            ((_, part), true) => format!("{} part {part}", self.verb),
            ((name, _), false) => format!("{} {name}", self.verb),
        }
    }
}

/// The texts of a card, or of several that are drawn as one.
pub(super) struct Shown {
    pub what: String,
    pub times: String,
    pub place: String,
}

impl Shown {
    pub(super) fn of(cards: &[&Card]) -> Self {
        let count: usize = cards.iter().map(|card| card.count).sum();
        let places: BTreeSet<&str> =
            cards.iter().flat_map(|card| card.places.iter().map(String::as_str)).collect();
        let place = if places.len() > 3 {
            format!("{} nodes", places.len())
        } else {
            places.into_iter().collect::<Vec<_>>().join(", ")
        };
        let times = if count > 1 { format!(" ×{count}") } else { String::new() };
        let what = cards.first().map(|card| card.what(cards.len() > 1)).unwrap_or_default();
        Self { what, times, place }
    }
}

/// The cards of a plan; milestones are seen through.
pub(super) fn cards(transition: &Transition) -> Vec<Card> {
    let lanes = lanes(transition);
    let mut cards: Vec<Card> = Vec::new();
    let mut known: BTreeMap<(usize, Option<usize>, String, String), usize> = BTreeMap::new();
    // The card each step is on, or the cards it waits for where it has none; in an order in which
    // those of all before it are known.
    let mut seen: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); transition.steps.len()];
    for at in crate::execute::order(transition) {
        let step = &transition.steps[at];
        let firsts: BTreeSet<usize> =
            step.inputs.iter().flat_map(|input| seen[*input].iter().copied()).collect();
        let Some((mut fresh, place)) = card(transition, &lanes, step) else {
            seen[at] = firsts;
            continue;
        };
        fresh.level = firsts.iter().map(|first| cards[*first].level + 1).max().unwrap_or(0);
        // What a clone does is done on many nodes.
        let wide = fresh.lane.is_some_and(|top| {
            matches!(transition.resources[top].shape, Shape::Clone | Shape::Bundle)
        });
        let apart = if wide { String::new() } else { place.clone() };
        let key = (fresh.level, fresh.lane, fresh.what(false), apart);
        let at_card = *known.entry(key).or_insert(cards.len());
        if at_card == cards.len() {
            cards.push(fresh);
        }
        cards[at_card].count += 1;
        cards[at_card].places.insert(place);
        cards[at_card].after.extend(firsts);
        seen[at] = BTreeSet::from([at_card]);
    }
    leave_out(&mut cards);
    cards
}

/// Leaves out what a card waits for anyway, because another one it waits for does.
fn leave_out(cards: &mut [Card]) {
    let mut order: Vec<usize> = (0..cards.len()).collect();
    order.sort_by_key(|at| cards[*at].level);
    let words = cards.len().div_ceil(64);
    let mut before: Vec<Vec<u64>> = vec![Vec::new(); cards.len()];
    for at in order {
        let mut further = vec![0; words];
        for first in &cards[at].after {
            for (sum, word) in further.iter_mut().zip(&before[*first]) {
                *sum |= word;
            }
        }
        let holds = |set: &[u64], card: usize| set[card / 64] >> (card % 64) & 1 == 1;
        cards[at].after.retain(|first| !holds(&further, *first));
        for first in &cards[at].after {
            further[first / 64] |= 1 << (first % 64);
        }
        before[at] = further;
    }
}

/// The card of one step, with nothing before it yet, and the place it is at.
fn card(
    transition: &Transition,
    lanes: &BTreeMap<String, usize>,
    step: &Step,
) -> Option<(Card, String)> {
    let node = step.node.as_ref().map(|(name, _)| name.to_string()).unwrap_or_default();
    if step.kind == StepKind::Pseudo && step.task != Task::Fence {
        return None;
    }
    let id = step.resource_id.as_deref().unwrap_or_default();
    let lane = lanes.get(id).copied();
    let view = transition.resources.iter().find(|view| *view.id == *id);
    let name = view.map(|view| &*view.base).unwrap_or(id).to_owned();
    let group = view.and_then(|view| view.parent).map(|parent| &transition.resources[parent]);
    let parts = group.filter(|group| group.shape == Shape::Group).map(|group| &group.children);
    let part = parts.and_then(|parts| {
        parts.iter().position(|part| *transition.resources[*part].id == *id).map(|at| at + 1)
    });
    let one = |lane: Option<usize>, verb: &str, object: String, colour: &'static str, place| {
        let object = (object, part.unwrap_or(0));
        let (verb, places, after) = (verb.to_owned(), BTreeSet::new(), BTreeSet::new());
        Some((Card { lane, verb, object, colour, places, count: 0, after, level: 0 }, place))
    };
    let verb = step.task.word().replace('_', " ");
    match step.task {
        Task::Monitor if step.interval == 0 => {
            let place = "wherever unknown".to_owned();
            one(lane, "look what is there", String::new(), "#eeeeee", place)
        }
        Task::Monitor => one(lane, "watch", name, "#f4f4f4", node),
        Task::Fence => one(None, "fence", node.clone(), "#f2a39b", node),
        Task::Start | Task::Promote | Task::MigrateFrom => one(lane, &verb, name, "#bfe6bf", node),
        Task::Stop | Task::Demote | Task::MigrateTo => one(lane, &verb, name, "#f7d2b5", node),
        _ => one(lane, &verb, name, "#dfe7f5", node),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A promoted instance that tells the others of all it does, on a node that is to be left.
    const CIB: &str = "<cib have-quorum='1' dc-uuid='1'><configuration><crm_config>\
        <cluster_property_set id='o'><nvpair id='o1' name='stonith-enabled' value='false'/>\
        </cluster_property_set></crm_config><nodes><node id='1' uname='n'><instance_attributes \
        id='i'><nvpair id='i1' name='standby' value='true'/></instance_attributes></node></nodes>\
        <resources><clone id='c'><meta_attributes id='m'><nvpair id='m1' name='promotable' \
        value='true'/><nvpair id='m2' name='notify' value='true'/></meta_attributes><primitive \
        id='p' class='ocf' provider='x' type='t'/></clone></resources><constraints/>\
        </configuration><status><node_state id='1' uname='n' in_ccm='true' crmd='online' \
        join='member' expected='member'><lrm id='1'><lrm_resources><lrm_resource id='p' class='ocf' \
        provider='x' type='t'><lrm_rsc_op id='p_last_0' operation='promote' interval='0' \
        call-id='1' rc-code='0' op-status='0' transition-key='1:1:0:u'/></lrm_resource>\
        </lrm_resources></lrm></node_state></status></cib>";

    #[test]
    fn nothing_is_drawn_before_what_it_waits_for() {
        let plan = sched::plan(&cib::Cib::parse(CIB).expect("a CIB"), cib::dates::WallTime(0));
        let cards = cards(&plan);
        let notifies = cards.iter().filter(|card| card.what(false) == "notify p").count();
        assert!(notifies > 1, "those before and after are two");
        for card in &cards {
            for first in &card.after {
                assert!(cards[*first].level < card.level, "{card:?}");
            }
        }
        let at = |what: &str| cards.iter().find(|card| card.what(false) == what).map(|it| it.level);
        assert!(at("demote p") < at("stop p") && at("stop p").is_some());
    }

    #[test]
    fn what_is_waited_for_anyway_is_left_out() {
        let plan = sched::plan(&cib::Cib::parse(CIB).expect("a CIB"), cib::dates::WallTime(0));
        let cards = cards(&plan);
        let reaches = |from: usize, to: usize| {
            let mut pending = vec![from];
            while let Some(at) = pending.pop() {
                if at == to {
                    return true;
                }
                pending.extend(&cards[at].after);
            }
            false
        };
        let mut arrows = 0;
        for card in &cards {
            for first in &card.after {
                arrows += 1;
                assert!(!card.after.iter().any(|other| other != first && reaches(*other, *first)));
            }
        }
        let end = cards.len() - 1;
        assert!(arrows >= end && (0..end).any(|at| reaches(end, at)));
    }
}
