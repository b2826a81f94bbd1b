//! Text to tree.
//!
//! The tokens come from quick-xml; what is added here is the tree, shared names, a bound on the
//! depth (a document of a million open tags must not end the process), and errors with a place.

use quick_xml::Reader;
use quick_xml::escape;
use quick_xml::events::{BytesStart, Event};

use super::tag::Tag;
use super::{Attr, Document, Element, Node, Span};
use crate::names::Names;

/// Deeper documents are refused; a CIB needs a dozen levels.
const DEEPEST: usize = 256;

/// Why a text is no XML document, and where.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not well-formed XML at byte {at}: {what}")]
pub struct Error {
    /// The byte where it was noticed.
    pub at: u64,
    /// What is wrong there.
    pub what: String,
}

/// What may take parts out of a document while it is read, so that they never become a tree.
pub(crate) trait Taker {
    /// A start tag inside `above`. True: only its name is kept until it ends.
    fn start(&mut self, above: &[Element], tag: &Tag<'_>) -> Result<bool, String>;
    /// An element that is complete; what goes on to be a part of the tree.
    fn end(&mut self, above: &[Element], element: Element) -> Option<Element>;
    /// Whether text and comments are wanted.
    fn wants_text(&self) -> bool;
}

/// Takes nothing: the tree is the document.
struct Nobody;

impl Taker for Nobody {
    fn start(&mut self, _: &[Element], _: &Tag<'_>) -> Result<bool, String> {
        Ok(false)
    }

    fn end(&mut self, _: &[Element], element: Element) -> Option<Element> {
        Some(element)
    }

    fn wants_text(&self) -> bool {
        true
    }
}

/// Reads a document.
///
/// # Errors
/// When the text is not one well-formed document.
pub fn parse(text: &str) -> Result<Document, Error> {
    parse_with(text, &mut Nobody)
}

/// Reads a document of which some parts are taken out on the way.
pub(crate) fn parse_with(text: &str, taker: &mut impl Taker) -> Result<Document, Error> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let mut builder = Builder::new(taker);
    let mut from = 0;
    loop {
        let event = reader
            .read_event()
            .map_err(|error| Error { at: reader.error_position(), what: error.to_string() })?;
        let to = reader.buffer_position();
        let fail = |what: String| Error { at: from, what };
        match event {
            Event::Start(tag) => {
                if builder.open.len() >= DEEPEST {
                    return Err(fail(format!("more than {DEEPEST} levels")));
                }
                let element = builder.element(&tag, from, to).map_err(fail)?;
                builder.open.push(element);
            }
            Event::Empty(tag) => {
                let element = builder.element(&tag, from, to).map_err(fail)?;
                builder.close(element).map_err(fail)?;
            }
            Event::End(_) => {
                let element = builder.open.pop().ok_or_else(|| fail("nothing is open".into()))?;
                builder.close(element).map_err(fail)?;
            }
            Event::Text(bytes) => builder.text(&bytes).map_err(fail)?,
            Event::GeneralRef(bytes) => {
                let raw = &*bytes;
                let value = escape::unescape(&format!("&{raw};"))
                    .map_err(|error| fail(error.to_string()))?
                    .into_owned();
                builder.text(&value).map_err(fail)?;
            }
            Event::Comment(bytes) => builder.add(|| Node::Comment((&*bytes).into())),
            Event::CData(bytes) => {
                if builder.open.is_empty() {
                    return Err(fail("text outside the root element".into()));
                }
                builder.add(|| Node::CData((&*bytes).into()));
            }
            Event::Decl(bytes) => builder.add(|| Node::Instruction((&*bytes).into())),
            Event::PI(bytes) => builder.add(|| Node::Instruction((&*bytes).into())),
            Event::DocType(bytes) => builder.add(|| Node::DocType((&*bytes).into())),
            Event::Eof => break,
        }
        from = to;
    }
    if let Some(open) = builder.open.last() {
        let what = format!("the text ends inside <{}>", open.name());
        return Err(Error { at: from, what });
    }
    match builder.root {
        Some(root) => Ok(Document { before: builder.before, root, after: builder.after }),
        None => Err(Error { at: from, what: "there is no element".into() }),
    }
}

struct Builder<'t, T> {
    taker: &'t mut T,
    names: Names,
    open: Vec<Element>,
    before: Vec<Node>,
    root: Option<Element>,
    after: Vec<Node>,
}

impl<'t, T: Taker> Builder<'t, T> {
    fn new(taker: &'t mut T) -> Self {
        let (open, before, after) = (Vec::new(), Vec::new(), Vec::new());
        Self { taker, names: Names::default(), open, before, root: None, after }
    }

    fn element(&mut self, start: &BytesStart<'_>, from: u64, to: u64) -> Result<Element, String> {
        let tag = Tag::read(start)?;
        let taken = self.taker.start(&self.open, &tag)?;
        let mut attrs = Vec::new();
        if !taken {
            attrs.reserve_exact(tag.raw.len());
            for raw in &tag.raw {
                let name = self.names.get(raw.name);
                attrs.push(Attr { name, value: raw.value()?.into() });
            }
        }
        let span = Span { start: narrow(from), end: narrow(to) };
        Ok(Element { name: self.names.get(tag.name), attrs, children: Vec::new(), span })
    }

    fn close(&mut self, element: Element) -> Result<(), String> {
        let Some(mut element) = self.taker.end(&self.open, element) else { return Ok(()) };
        element.children.shrink_to_fit();
        match self.open.last_mut() {
            Some(parent) => parent.children.push(Node::Element(element)),
            None if self.root.is_some() => return Err("a second root element".into()),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        if self.open.is_empty() && !text.trim().is_empty() {
            return Err("text outside the root element".into());
        }
        if !self.taker.wants_text() {
            return Ok(());
        }
        let siblings = self.siblings();
        if let Some(Node::Text(last)) = siblings.last_mut() {
            *last = format!("{last}{text}").into();
        } else if !text.is_empty() {
            siblings.push(Node::Text(text.into()));
        }
        Ok(())
    }

    fn add(&mut self, node: impl FnOnce() -> Node) {
        if self.taker.wants_text() {
            self.siblings().push(node());
        }
    }

    fn siblings(&mut self) -> &mut Vec<Node> {
        match self.open.last_mut() {
            Some(parent) => &mut parent.children,
            None if self.root.is_none() => &mut self.before,
            None => &mut self.after,
        }
    }
}

/// Positions beyond 4 GiB are not told apart.
fn narrow(at: u64) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
