//! What is done, from left to right: a lane for each top-level resource, one for the cluster.

use std::collections::{BTreeMap, BTreeSet};

use sched::{Step, StepKind, Task, Transition};

use super::{LINE, NAMES, Sheet, lanes, short};

const BOX: usize = 150;
const GAP: usize = 34;
const TALL: usize = 36;

/// What is drawn as one box: an action, or all actions of a kind that belong together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    /// The lane: the place of a top-level resource, or none for the cluster.
    lane: Option<usize>,
    what: String,
    place: String,
    colour: &'static str,
}

struct Card {
    kind: Kind,
    count: usize,
    /// Cards it waits for.
    after: BTreeSet<usize>,
    level: usize,
}

/// The picture of a transition.
#[must_use]
pub fn transition(transition: &Transition) -> String {
    let mut cards = cards(transition);
    level(&mut cards);
    let mut sheet = Sheet::new();
    let mut y = 10;
    let mut order: Vec<Option<usize>> = vec![None];
    order.extend(transition.top.iter().copied().map(Some));
    let title = |lane: Option<usize>| match lane {
        Some(top) => transition.resources[top].id.to_string(),
        None => "cluster".to_owned(),
    };
    for lane in order {
        let own: Vec<usize> = (0..cards.len()).filter(|at| cards[*at].kind.lane == lane).collect();
        if own.is_empty() {
            continue;
        }
        y = draw(&mut sheet, &cards, &own, y, &title(lane), &title);
    }
    if cards.is_empty() {
        sheet.text((20, 24), "nothing is to be done", "");
        sheet.reaches(180, 40);
    }
    sheet.finish()
}

fn draw(
    sheet: &mut Sheet,
    cards: &[Card],
    own: &[usize],
    top: usize,
    name: &str,
    title: &impl Fn(Option<usize>) -> String,
) -> usize {
    let mut stacked: BTreeMap<usize, usize> = BTreeMap::new();
    let mut places: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    // Levels at which this lane does nothing take no room in it.
    let levels: BTreeSet<usize> = own.iter().map(|at| cards[*at].level).collect();
    for at in own {
        let column = levels.iter().position(|level| *level == cards[*at].level).unwrap_or(0);
        let row = stacked.entry(column).or_insert(0);
        let place = (NAMES + column * (BOX + GAP), top + 8 + *row * (TALL + LINE + 6));
        *row += 1;
        places.insert(*at, place);
    }
    let rows = stacked.values().copied().max().unwrap_or(1);
    let bottom = top + 8 + rows * (TALL + LINE + 6);
    for (at, place) in &places {
        for first in cards[*at].after.iter().filter_map(|first| places.get(first)) {
            sheet.arrow((first.0 + BOX, first.1 + TALL / 2), (place.0, place.1 + TALL / 2));
        }
    }
    for (at, place) in &places {
        let card = &cards[*at];
        sheet.area(*place, (BOX, TALL), card.kind.colour, "#777777");
        let times = if card.count > 1 { format!(" ×{}", card.count) } else { String::new() };
        let room = 24 - times.chars().count();
        let text = format!("{}{times}", short(&card.kind.what, room));
        sheet.text((place.0 + 6, place.1 + 14), &text, "font-weight=\"bold\"");
        sheet.text((place.0 + 6, place.1 + 29), &short(&card.kind.place, 24), "fill=\"#333333\"");
        let elsewhere: BTreeSet<String> = card
            .after
            .iter()
            .filter(|first| !places.contains_key(first))
            .map(|first| match cards[*first].kind.lane {
                Some(lane) => title(Some(lane)),
                None => cards[*first].kind.what.clone(),
            })
            .collect();
        if !elsewhere.is_empty() {
            let all: Vec<String> = elsewhere.into_iter().collect();
            let text = short(&format!("after {}", all.join(", ")), 26);
            sheet.text(
                (place.0 + 6, place.1 + TALL + 12),
                &text,
                "fill=\"#7a5c00\" font-size=\"10\"",
            );
        }
    }
    sheet.text((6, top + 30), &short(name, 22), "font-weight=\"bold\"");
    sheet.area((4, bottom + 2), (NAMES + levels.len() * (BOX + GAP), 1), "#dddddd", "none");
    bottom + 6
}

/// The cards of a plan; milestones are seen through.
fn cards(transition: &Transition) -> Vec<Card> {
    let lanes = lanes(transition);
    let mut cards: Vec<Card> = Vec::new();
    let mut known: BTreeMap<Kind, usize> = BTreeMap::new();
    let mut card_of: Vec<Option<usize>> = Vec::new();
    for step in &transition.steps {
        card_of.push(kind(transition, &lanes, step).map(|kind| {
            let fresh = cards.len();
            let at = *known.entry(kind.clone()).or_insert(fresh);
            if at == fresh {
                cards.push(Card { kind, count: 0, after: BTreeSet::new(), level: 0 });
            }
            cards[at].count += 1;
            at
        }));
    }
    // What each step waits for, seen through steps without a card; in an order in which that of
    // all before it is known.
    let mut seen: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); transition.steps.len()];
    for at in crate::execute::order(transition) {
        let mut firsts = BTreeSet::new();
        for input in &transition.steps[at].inputs {
            match card_of[*input] {
                Some(card) => {
                    firsts.insert(card);
                }
                None => firsts.extend(seen[*input].iter().copied()),
            }
        }
        if let Some(card) = card_of[at] {
            cards[card].after.extend(firsts.iter().copied().filter(|first| *first != card));
        }
        seen[at] = firsts;
    }
    cards
}

fn kind(transition: &Transition, lanes: &BTreeMap<String, usize>, step: &Step) -> Option<Kind> {
    let node = step.node.as_ref().map(|(name, _)| name.to_string()).unwrap_or_default();
    if step.kind == StepKind::Pseudo && step.task != Task::Fence {
        return None;
    }
    let id = step.resource_id.as_deref().unwrap_or_default();
    let lane = lanes.get(id).copied();
    let base = transition.resources.iter().find(|view| *view.id == *id).map(|view| &*view.base);
    let base = base.unwrap_or(id);
    let one = |what: String, colour| Some(Kind { lane, what, place: node.clone(), colour });
    match step.task {
        Task::Monitor if step.interval == 0 => {
            let what = "look what is there".to_owned();
            Some(Kind { lane, what, place: "wherever unknown".into(), colour: "#eeeeee" })
        }
        Task::Monitor => {
            let place = format!("{} on {node}", step.task);
            Some(Kind { lane, what: format!("watch {base}"), place, colour: "#f4f4f4" })
        }
        Task::Fence => {
            Some(Kind { lane: None, what: format!("fence {node}"), place: node, colour: "#f2a39b" })
        }
        Task::Start | Task::Promote | Task::MigrateFrom => {
            one(format!("{} {base}", step.task.word().replace('_', " ")), "#bfe6bf")
        }
        Task::Stop | Task::Demote | Task::MigrateTo => {
            one(format!("{} {base}", step.task.word().replace('_', " ")), "#f7d2b5")
        }
        task => one(format!("{} {base}", task.word().replace('_', " ")), "#dfe7f5"),
    }
}

/// Puts every card to the right of those it waits for; what was put together may go in circles,
/// so there is a bound.
fn level(cards: &mut [Card]) {
    for _ in 0..cards.len().min(200) {
        let mut moved = false;
        for at in 0..cards.len() {
            let firsts = cards[at].after.iter().map(|first| cards[*first].level + 1);
            let level = firsts.max().unwrap_or(0).min(cards.len());
            if level > cards[at].level {
                cards[at].level = level;
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
}
