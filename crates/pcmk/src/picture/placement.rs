//! Who is where, before and after: nodes as columns, top-level resources as rows.

use std::collections::BTreeSet;

use sched::{Role, Shape, Transition};

use super::{LINE, NAMES, Sheet, short};

const COLUMN: usize = 170;
const CHIP: usize = 20;

/// What becomes of a resource at a place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Stays,
    Comes,
    Goes,
}

/// The picture of a placement.
#[must_use]
pub fn placement(transition: &Transition) -> String {
    let mut sheet = Sheet::new();
    let nodes = &transition.nodes;
    for (at, node) in nodes.iter().enumerate() {
        let (fill, word) = if node.unclean {
            ("#f7c5c0", "to be fenced")
        } else if !node.online {
            ("#dddddd", "offline")
        } else if node.standby || node.standby_onfail {
            ("#fbe9b0", "standby")
        } else if node.maintenance {
            ("#fbe9b0", "maintenance")
        } else if node.shutdown {
            ("#fbe9b0", "leaving")
        } else {
            ("#cfe8cf", "online")
        };
        let x = NAMES + at * COLUMN;
        sheet.area((x + 4, 8), (COLUMN - 8, LINE * 2 + 4), fill, "#777777");
        sheet.text((x + 12, 23), &short(&node.name, 20), "font-weight=\"bold\"");
        sheet.text((x + 12, 38), word, "fill=\"#444444\"");
    }
    let nowhere = NAMES + nodes.len() * COLUMN;
    sheet.text((nowhere + 12, 23), "nowhere", "font-weight=\"bold\" fill=\"#a33\"");
    let mut y = 52;
    for top in &transition.top {
        let rows = lane(&mut sheet, transition, *top, y);
        if rows == 0 {
            continue;
        }
        let height = rows * (CHIP + 4) + 8;
        sheet.text((6, y + 20), &short(&transition.resources[*top].id, 22), "font-weight=\"bold\"");
        sheet.area((4, y + height), (nowhere + COLUMN, 1), "#dddddd", "none");
        y += height + 3;
    }
    legend(&mut sheet, y + 6);
    sheet.finish()
}

/// Draws one row; how many chips its fullest cell has.
fn lane(sheet: &mut Sheet, transition: &Transition, top: usize, y: usize) -> usize {
    let mut filled = vec![0; transition.nodes.len() + 1];
    let mut nowhere = BTreeSet::new();
    let mut pending = vec![top];
    while let Some(at) = pending.pop() {
        let view = &transition.resources[at];
        pending.extend(view.children.iter().rev());
        if view.shape != Shape::Primitive {
            continue;
        }
        let mut places: Vec<(usize, Fate)> = Vec::new();
        let next = view.assigned.filter(|_| view.next_role > Role::Stopped);
        for node in &view.running_on {
            places.push((*node, if next == Some(*node) { Fate::Stays } else { Fate::Goes }));
        }
        match next {
            Some(node) if !view.running_on.contains(&node) => places.push((node, Fate::Comes)),
            // An instance too many is nothing to miss.
            None if view.parent.is_none() || !view.running_on.is_empty() => {
                places.push((transition.nodes.len(), Fate::Goes));
            }
            _ => {}
        }
        for (place, fate) in places {
            if place == transition.nodes.len() && !nowhere.insert(&view.base) {
                continue;
            }
            let at = (NAMES + place * COLUMN + 8, y + 6 + filled[place] * (CHIP + 4));
            filled[place] += 1;
            chip(sheet, at, &view.base, fate, view.next_role == Role::Promoted);
        }
    }
    filled.into_iter().max().unwrap_or(0)
}

fn chip(sheet: &mut Sheet, at: (usize, usize), name: &str, fate: Fate, promoted: bool) {
    let (fill, line, style) = match fate {
        Fate::Stays => ("#dfe7f5", "#6c85b5", ""),
        Fate::Comes => ("#bfe6bf", "#2f8f2f", ""),
        Fate::Goes => ("#f4f4f4", "#bb5555", "fill=\"#994444\" text-decoration=\"line-through\""),
    };
    sheet.area(at, (COLUMN - 16, CHIP), fill, line);
    let star = if promoted && fate != Fate::Goes { "★ " } else { "" };
    sheet.text((at.0 + 6, at.1 + 14), &short(&format!("{star}{name}"), 22), style);
}

fn legend(sheet: &mut Sheet, y: usize) {
    let words = [("stays", Fate::Stays), ("comes", Fate::Comes), ("goes", Fate::Goes)];
    for (at, (word, fate)) in words.into_iter().enumerate() {
        chip(sheet, (NAMES + at * COLUMN + 8, y), word, fate, false);
    }
    sheet.text((NAMES + 3 * COLUMN + 14, y + 14), "★ promoted", "");
}
