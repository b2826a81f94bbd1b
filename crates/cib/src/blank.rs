//! White space between elements: kept for people, never counted.
//!
//! Positions in patches, digests and comparisons go by what a document says. Text that is only
//! white space says nothing in a CIB; everything else (elements, comments, real text) is counted.

use crate::xml::{Element, Node};

/// Whether a node is only white space.
pub(crate) fn is(node: &Node) -> bool {
    matches!(node, Node::Text(text) if text.trim().is_empty())
}

/// Takes the white space between elements away, everywhere below.
pub fn strip(element: &mut Element) {
    element.children.retain(|node| !is(node));
    for child in element.elements_mut() {
        strip(child);
    }
}

/// Where in a list of children the `position`th that counts stands. Behind the last that counts:
/// right behind it, before white space at the end.
pub(crate) fn index(children: &[Node], position: usize) -> usize {
    let mut counted = children.iter().enumerate().filter(|(_, node)| !is(node)).map(|(at, _)| at);
    match counted.nth(position) {
        Some(at) => at,
        None => children.iter().rposition(|node| !is(node)).map_or(0, |at| at.saturating_add(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse;

    #[test]
    fn only_white_space_goes() {
        let text = "<a> <b> x </b>\n<!-- c -->\n</a>";
        let mut root = parse(text).expect("xml").root;
        assert_eq!(index(&root.children, 1), 3);
        assert_eq!(index(&root.children, 9), 4);
        strip(&mut root);
        assert_eq!(root.to_string(), "<a><b> x </b><!-- c --></a>");
    }
}
