//! A lossless XML tree: elements with their attributes in order, text, comments and positions.
//!
//! The CIB is a document people edit, diff and sign, so nothing that a reader could see may get
//! lost between reading and writing. What is normalised is only what no XML reader can see: the
//! kind of quotes, white space inside a tag, and `<a></a>` against `<a/>`.
//!
//! Names are shared ([`Atom`]), because a large status section repeats a few dozen of them half a
//! million times; values are owned by their attribute.

mod parse;
mod tag;
mod write;

use std::fmt;
use std::sync::Arc;

pub use parse::{Error, parse};
pub(crate) use parse::{Parser, Taker, parse_with};
pub(crate) use tag::Tag;

/// A shared name: of an element or an attribute.
pub type Atom = Arc<str>;

/// Where something stands in the text it was read from, in bytes. Zero for what was made here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// One attribute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attr {
    /// Its name, prefix included.
    pub name: Atom,
    /// Its value, entities resolved.
    pub value: Box<str>,
}

/// What an element contains.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Node {
    /// `<name …>…</name>`
    Element(Element),
    /// Character data, entities resolved; white space between elements is kept, too.
    Text(Box<str>),
    /// `<!--…-->`, without the dashes.
    Comment(Box<str>),
    /// `<![CDATA[…]]>`
    CData(Box<str>),
    /// `<?…?>`
    Instruction(Box<str>),
    /// `<!DOCTYPE …>`; only before the root.
    DocType(Box<str>),
}

/// An element with all it contains.
#[derive(Clone, Debug)]
pub struct Element {
    name: Atom,
    attrs: Vec<Attr>,
    /// What stands between its tags.
    pub children: Vec<Node>,
    /// Its start tag in the text it was read from.
    pub span: Span,
}

/// Equality is of content; the place in a text does not count.
impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.attrs == other.attrs && self.children == other.children
    }
}

impl Eq for Element {}

/// A whole document: the root and what stands around it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Document {
    /// Declaration, comments and instructions before the root.
    pub before: Vec<Node>,
    /// The root element.
    pub root: Element,
    /// Comments and instructions after the root.
    pub after: Vec<Node>,
}

impl Element {
    /// An element with neither attributes nor content.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), attrs: Vec::new(), children: Vec::new(), span: Span::default() }
    }

    /// The same with one attribute more (or changed); for building.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives it another name.
    pub fn rename(&mut self, name: &str) {
        self.name = name.into();
    }

    /// The value of an attribute.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attrs.iter().find(|attr| &*attr.name == name).map(|attr| &*attr.value)
    }

    /// The value of the attribute `id`.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.get("id")
    }

    /// All attributes, in order.
    #[must_use]
    pub fn attrs(&self) -> &[Attr] {
        &self.attrs
    }

    /// Sets an attribute: in place where there is one of that name, else at the end.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.attrs.iter_mut().find(|attr| &*attr.name == name) {
            Some(attr) => attr.value = value.into(),
            None => self.attrs.push(Attr { name: name.into(), value: value.into() }),
        }
    }

    /// Takes an attribute away; what it was.
    pub fn unset(&mut self, name: &str) -> Option<Box<str>> {
        let at = self.attrs.iter().position(|attr| &*attr.name == name)?;
        Some(self.attrs.remove(at).value)
    }

    /// Its child elements, in order.
    pub fn elements(&self) -> impl DoubleEndedIterator<Item = &Element> {
        self.children.iter().filter_map(Node::element)
    }

    /// Its child elements, to be changed.
    pub fn elements_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Element> {
        self.children.iter_mut().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            _ => None,
        })
    }

    /// Its child elements of one name.
    pub fn named<'a>(&'a self, name: &'a str) -> impl DoubleEndedIterator<Item = &'a Element> {
        self.elements().filter(move |child| child.name() == name)
    }

    /// Its first child element of a name.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.elements().find(|child| child.name() == name)
    }

    /// Its first child element of a name, to be changed.
    pub fn child_mut(&mut self, name: &str) -> Option<&mut Element> {
        self.elements_mut().find(|child| child.name() == name)
    }

    /// Its first child element of a name, made at the end where there is none.
    pub fn child_or_new(&mut self, name: &str) -> &mut Element {
        let at = self
            .children
            .iter()
            .position(|node| node.element().is_some_and(|child| child.name() == name));
        let at = at.unwrap_or_else(|| {
            self.children.push(Node::Element(Element::new(name)));
            self.children.len() - 1
        });
        match &mut self.children[at] {
            Node::Element(element) => element,
            _ => unreachable!("the position was that of an element"),
        }
    }

    /// Adds a child element at the end.
    pub fn push(&mut self, child: Element) {
        self.children.push(Node::Element(child));
    }

    /// Drops the child elements that `keep` refuses; other content stays.
    pub fn retain(&mut self, mut keep: impl FnMut(&Element) -> bool) {
        self.children.retain(|node| node.element().is_none_or(&mut keep));
    }

    /// The text directly in it, put together.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for node in &self.children {
            if let Node::Text(part) | Node::CData(part) = node {
                text.push_str(part);
            }
        }
        text
    }

    /// It and everything below, in document order.
    #[must_use]
    pub fn descend(&self) -> Descend<'_> {
        Descend { pending: vec![self] }
    }

    /// As text on lines of their own, indented; white space between elements gives way.
    #[must_use]
    pub fn pretty(&self) -> String {
        write::pretty(self)
    }
}

/// See [`Element::descend`].
pub struct Descend<'a> {
    pending: Vec<&'a Element>,
}

impl<'a> Iterator for Descend<'a> {
    type Item = &'a Element;

    fn next(&mut self) -> Option<&'a Element> {
        let next = self.pending.pop()?;
        self.pending.extend(next.elements().rev());
        Some(next)
    }
}

impl Node {
    /// The element it is, if it is one.
    #[must_use]
    pub fn element(&self) -> Option<&Element> {
        match self {
            Node::Element(element) => Some(element),
            _ => None,
        }
    }
}

/// As text, exactly as it is.
impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write::element(self, f)
    }
}

/// As text, exactly as it is.
impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write::document(self, f)
    }
}

/// Adds a value to a text, as it has to be written between quotes.
pub fn escape_value(value: &str, text: &mut String) {
    // Writing to a `String` cannot fail.
    let _ = write::escaped(value, true, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_can_see_survives_a_round_trip() {
        let text = "<?xml version=\"1.0\"?>\n<!-- who -->\n<cib b=\"2\" a=\"&lt;&amp;&quot;1\">\n  <x/>text &amp; more<!-- in --><![CDATA[<raw>]]>\n</cib>\n<!-- end -->";
        let document = parse(text).expect("well-formed");
        assert_eq!(document.to_string(), text);
        assert_eq!(document.root.get("a"), Some("<&\"1"));
        assert_eq!(document.root.attrs()[0].name.as_ref(), "b");
        let x = document.root.child("x").expect("x");
        let (from, to) = (usize::try_from(x.span.start), usize::try_from(x.span.end));
        assert_eq!(&text[from.expect("fits")..to.expect("fits")], "<x/>");
    }

    #[test]
    fn control_characters_in_values_are_written_so_that_they_are_read_back() {
        let element = Element::new("a").with("v", "one\ntwo\tthree");
        let again = parse(&element.to_string()).expect("well-formed").root;
        assert_eq!(again, element);
    }

    #[test]
    fn what_is_not_xml_is_refused_with_its_place() {
        for bad in ["", "<a>", "<a></b>", "<a b=1/>", "text", "<a/><b/>", "<a x=\"1\" x=\"2\"/>"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(parse("<a>\n <b>\n</a>").expect_err("mismatch").at, 9);
    }

    #[test]
    fn nesting_without_end_is_refused() {
        let deep = "<a>".repeat(100_000);
        assert!(parse(&deep).is_err());
    }

    #[test]
    fn building_and_changing() {
        let mut root = Element::new("r");
        root.child_or_new("k").set("x", "1");
        root.child_or_new("k").set("x", "2");
        assert_eq!(root.to_string(), "<r><k x=\"2\"/></r>");
        assert_eq!(root.pretty(), "<r>\n  <k x=\"2\"/>\n</r>\n");
        root.retain(|child| child.name() != "k");
        assert_eq!(root.to_string(), "<r/>");
    }
}
