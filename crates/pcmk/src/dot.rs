//! A plan as a graph for dot, in Pacemaker's colours.

use std::collections::HashMap;

use sched::{Considered, Transition};

fn style(action: &Considered) -> Option<(&'static str, &'static str, &'static str)> {
    let font = if action.pseudo { "orange" } else { "black" };
    if action.in_graph {
        return Some(("bold", "green", font));
    }
    if action.unmanaged {
        return Some(("dashed", "red", "purple"));
    }
    if action.optional {
        return None;
    }
    let _ = font;
    Some(("dashed", if action.runnable { "blue" } else { "red" }, font))
}

/// The text for dot.
#[must_use]
pub fn render(transition: &Transition) -> String {
    let mut lines = Vec::new();
    let by_id: HashMap<u32, &Considered> =
        transition.considered.iter().map(|action| (action.id, action)).collect();
    let shown =
        |action: &Considered| style(action).is_some() && (action.in_graph || !action.optional);
    for action in &transition.considered {
        if let (true, Some((style, color, font))) = (shown(action), style(action)) {
            lines.push(format!(
                "\"{}\" [ style={style} color=\"{color}\" fontcolor=\"{font}\"]",
                action.name
            ));
        }
        for (first, waits) in &action.before {
            let Some(first) = by_id.get(first) else { continue };
            if *waits && action.in_graph {
                lines.push(format!("\"{}\" -> \"{}\" [ style = bold]", first.name, action.name));
            } else if shown(action) && shown(first) && !first.optional {
                lines.push(format!("\"{}\" -> \"{}\" [ style = dashed]", first.name, action.name));
            }
        }
    }
    lines.sort();
    lines.dedup();
    let mut text = String::from(" digraph \"g\" {\n");
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    text.push_str("}\n");
    text
}
