//! A plan as a graph for dot, in Pacemaker's colours.
//!
//! Green and bold is what will be done; red and dashed what would have to be done but cannot be.
//! What need not be done (blue) or belongs to nobody's hands (purple) is drawn on request only.

use std::collections::{BTreeSet, HashMap};

use sched::{Considered, Transition};

struct Style {
    line: &'static str,
    color: &'static str,
    font: &'static str,
}

fn style(action: &Considered, all: bool) -> Option<Style> {
    let font = if action.pseudo { "orange" } else { "black" };
    let dashed = |color, font| Style { line: "dashed", color, font };
    if action.in_graph {
        Some(Style { line: "bold", color: "green", font })
    } else if action.unmanaged {
        all.then(|| dashed("red", "purple"))
    } else if action.optional {
        all.then(|| dashed("blue", font))
    } else {
        Some(dashed("red", font))
    }
}

/// The text for dot; `all` draws also what need not be done.
#[must_use]
pub fn render(transition: &Transition, all: bool) -> String {
    let drawn: HashMap<u32, (&Considered, bool)> = transition
        .considered
        .iter()
        .map(|action| (action.id, (action, style(action, all).is_some())))
        .collect();
    let mut lines = BTreeSet::new();
    for action in &transition.considered {
        let style = style(action, all);
        let shown = style.is_some();
        if let Some(Style { line, color, font }) = style {
            lines.insert(format!(
                "\"{}\" [ style={line} color=\"{color}\" fontcolor=\"{font}\"]",
                action.name
            ));
        }
        for before in &action.before {
            let Some((first, first_shown)) = drawn.get(&before.id) else { continue };
            let matters = before.waits || (shown && *first_shown && !before.load_only);
            if matters || (all && !before.load_only) {
                let line = if before.waits { "bold" } else { "dashed" };
                lines
                    .insert(format!("\"{}\" -> \"{}\" [ style = {line}]", first.name, action.name));
            }
        }
    }
    let mut text = String::from(" digraph \"g\" {\n");
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    text.push_str("}\n");
    text
}
