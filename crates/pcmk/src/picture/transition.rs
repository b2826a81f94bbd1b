//! What is done, from left to right: a lane for each top-level resource, one for the cluster.
//!
//! Lanes in which the same is done at the same time after the same share one, where there would be
//! too many otherwise.

use std::collections::{BTreeMap, BTreeSet};

use sched::Transition;

use super::cards::{Card, Shown, cards};
use super::{LINE, NAMES, Sheet, short};

const BOX: usize = 190;
const GAP: usize = 34;
const TALL: usize = 36;
/// More lanes than this are put together.
const MANY: usize = 20;

/// Lanes that are drawn as one, by the first of them.
struct Lane {
    /// Of each: its name.
    names: Vec<String>,
    /// The cards of each.
    cards: Vec<Vec<usize>>,
}

/// The picture of a transition.
#[must_use]
pub fn transition(transition: &Transition) -> String {
    let cards = cards(transition);
    let mut sheet = Sheet::new();
    let mut y = 10;
    let title = |lane: Option<usize>| match lane {
        Some(top) => transition.resources[top].id.to_string(),
        None => "cluster".to_owned(),
    };
    let waits = |card: &Card| waits(card, &cards, &title);
    let mut order: Vec<Option<usize>> = vec![None];
    order.extend(transition.top.iter().copied().map(Some));
    let mut lanes: Vec<Lane> = Vec::new();
    for lane in order {
        let own: Vec<usize> = (0..cards.len()).filter(|at| cards[*at].lane == lane).collect();
        if !own.is_empty() {
            lanes.push(Lane { names: vec![title(lane)], cards: vec![own] });
        }
    }
    if lanes.len() > MANY {
        lanes = together(lanes, |own| {
            own.iter().map(|at| look(&cards, own, *at, &waits)).collect::<Vec<_>>()
        });
    }
    for lane in &lanes {
        y = draw(&mut sheet, &cards, lane, y, &waits);
    }
    if cards.is_empty() {
        sheet.text((20, 24), "nothing is to be done", "");
        sheet.reaches(180, 40);
    }
    sheet.finish()
}

/// What a card waits for in other lanes.
fn waits(card: &Card, cards: &[Card], title: &impl Fn(Option<usize>) -> String) -> Vec<String> {
    let elsewhere = card.after.iter().map(|first| &cards[*first]);
    let named = elsewhere.filter(|first| first.lane != card.lane).map(|first| match first.lane {
        Some(lane) => title(Some(lane)),
        None => first.what(false),
    });
    named.collect::<BTreeSet<String>>().into_iter().collect()
}

/// Puts lanes together that look alike.
fn together<T: Ord>(lanes: Vec<Lane>, look: impl Fn(&[usize]) -> T) -> Vec<Lane> {
    let mut known: BTreeMap<T, usize> = BTreeMap::new();
    let mut kept: Vec<Lane> = Vec::new();
    for lane in lanes {
        let at = *known.entry(look(&lane.cards[0])).or_insert(kept.len());
        match kept.get_mut(at) {
            Some(first) => {
                first.names.extend(lane.names);
                first.cards.extend(lane.cards);
            }
            None => kept.push(lane),
        }
    }
    kept
}

/// What of a card has to be the same in lanes that are put together: all but names and places.
fn look(
    cards: &[Card],
    own: &[usize],
    at: usize,
    waits: &impl Fn(&Card) -> Vec<String>,
) -> (usize, String, Vec<usize>, Vec<String>) {
    let card = &cards[at];
    let after = own.iter().enumerate().filter(|(_, other)| card.after.contains(other));
    (card.level, card.what(true), after.map(|(place, _)| place).collect(), waits(card))
}

fn draw(
    sheet: &mut Sheet,
    cards: &[Card],
    lane: &Lane,
    top: usize,
    waits: &impl Fn(&Card) -> Vec<String>,
) -> usize {
    let own = &lane.cards[0];
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
    for (number, at) in own.iter().enumerate() {
        let (card, place) = (&cards[*at], places[at]);
        let alike: Vec<&Card> = lane.cards.iter().map(|own| &cards[own[number]]).collect();
        let Shown { what, times, place: whereabouts } = Shown::of(&alike);
        sheet.area(place, (BOX, TALL), card.colour, "#777777");
        let text = format!("{}{times}", short(&what, 24 - times.chars().count()));
        sheet.text((place.0 + 6, place.1 + 14), &text, "font-weight=\"bold\"");
        sheet.text((place.0 + 6, place.1 + 29), &short(&whereabouts, 24), "fill=\"#333333\"");
        let elsewhere = waits(card);
        if !elsewhere.is_empty() {
            let text = short(&format!("after {}", elsewhere.join(", ")), 32);
            let style = "fill=\"#7a5c00\" font-size=\"10\"";
            sheet.text((place.0 + 6, place.1 + TALL + 12), &text, style);
        }
    }
    let mut names: Vec<String> = lane.names.iter().take(2).cloned().collect();
    if lane.names.len() > names.len() {
        names.push(format!("and {} alike", lane.names.len() - names.len()));
    }
    for (line, name) in names.iter().enumerate() {
        let style = if line == 2 { "" } else { "font-weight=\"bold\"" };
        let first = if names.len() > 1 { top + 20 } else { top + 30 };
        sheet.text((6, first + line * LINE), &short(name, 22), style);
    }
    sheet.area((4, bottom + 2), (NAMES + levels.len() * (BOX + GAP), 1), "#dddddd", "none");
    bottom + 6
}
