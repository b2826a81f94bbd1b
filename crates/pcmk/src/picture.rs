//! Pictures for people: a transition in lanes, and a placement on nodes.
//!
//! One lane for each top-level resource (or for many that do the same), so that a plan of hundreds
//! of actions stays a page one can read from left to right; lines are drawn inside a lane only, and what a lane waits for
//! elsewhere is written down.

mod cards;
mod placement;
mod transition;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sched::Transition;

pub use placement::placement;
pub use transition::transition;

/// Height of a line of text.
const LINE: usize = 16;
/// Room for the names of lanes.
const NAMES: usize = 170;

/// A drawing that grows.
struct Sheet {
    body: String,
    width: usize,
    height: usize,
}

impl Sheet {
    fn new() -> Self {
        Self { body: String::new(), width: 0, height: 0 }
    }

    fn reaches(&mut self, x: usize, y: usize) {
        self.width = self.width.max(x);
        self.height = self.height.max(y);
    }

    fn area(&mut self, at: (usize, usize), size: (usize, usize), fill: &str, line: &str) {
        self.reaches(at.0 + size.0, at.1 + size.1);
        // Writing to a `String` cannot fail, here and below.
        let _ = writeln!(
            self.body,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"4\" fill=\"{fill}\" stroke=\"{line}\"/>",
            at.0, at.1, size.0, size.1
        );
    }

    fn text(&mut self, at: (usize, usize), text: &str, style: &str) {
        // Letters are not this wide: what is short enough by count fits.
        self.reaches(at.0 + text.chars().count() * 7, at.1 + LINE / 2);
        let _ = write!(self.body, "<text x=\"{}\" y=\"{}\" {style}>", at.0, at.1);
        cib::xml::escape_value(text, &mut self.body);
        self.body.push_str("</text>\n");
    }

    fn arrow(&mut self, from: (usize, usize), to: (usize, usize)) {
        let bend = (from.0 + to.0) / 2;
        let _ = writeln!(
            self.body,
            "<path d=\"M{} {} C{bend} {} {bend} {} {} {}\" fill=\"none\" stroke=\"#8a8f98\" marker-end=\"url(#a)\"/>",
            from.0, from.1, from.1, to.1, to.0, to.1
        );
    }

    fn finish(self) -> String {
        let (width, height) = (self.width + 10, self.height + 10);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             font-family=\"sans-serif\" font-size=\"11\">\n<defs><marker id=\"a\" \
             viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
             orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#8a8f98\"/></marker></defs>\n<rect \
             width=\"100%\" height=\"100%\" fill=\"white\"/>\n{}</svg>\n",
            self.body
        )
    }
}

/// A text that fits into so many letters. What is left out is in the middle: names that begin alike
/// differ at their ends.
fn short(text: &str, letters: usize) -> String {
    let count = text.chars().count();
    if count <= letters {
        return text.to_owned();
    }
    let kept = letters.saturating_sub(1);
    let end = kept / 2;
    let mut fitting: String = text.chars().take(kept - end).collect();
    fitting.push('…');
    fitting.extend(text.chars().skip(count - end));
    fitting
}

/// The top-level resource each resource belongs to, by id.
fn lanes(transition: &Transition) -> BTreeMap<String, usize> {
    let mut lanes = BTreeMap::new();
    for top in &transition.top {
        let mut pending = vec![*top];
        while let Some(at) = pending.pop() {
            let view = &transition.resources[at];
            lanes.insert(view.id.to_string(), *top);
            pending.extend(&view.children);
            for replica in view.bundle.iter().flat_map(|bundle| &bundle.replicas) {
                pending.push(replica.container);
                pending.extend(replica.ip.iter().chain(&replica.remote).chain(&replica.child));
            }
            // A cycle is impossible, but a mistake here must not hang.
            if lanes.len() > transition.resources.len() * 4 {
                break;
            }
        }
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn long_names_keep_what_tells_them_apart() {
        assert_eq!(short("web", 3), "web");
        assert_eq!(short("rabbitmq-bundle-docker-0", 14), "rabbitm…cker-0");
        assert_eq!(short("äöüß", 3), "ä…ß");
        assert_eq!(short("long", 0), "…");
    }
}
