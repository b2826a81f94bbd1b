//! Text to tree.
//!
//! The tokens come from quick-xml; what is added here is the tree, shared names, a bound on the
//! depth (a document of a million open tags must not end the process), and errors with a place.

use std::collections::HashMap;

use quick_xml::Reader;
use quick_xml::escape;
use quick_xml::events::{BytesStart, Event};

use super::{Atom, Attr, Document, Element, Node, Span};

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

/// Reads a document.
///
/// # Errors
/// When the text is not one well-formed document.
pub fn parse(text: &str) -> Result<Document, Error> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let mut builder = Builder::default();
    let mut from = 0;
    loop {
        let event = reader
            .read_event()
            .map_err(|error| Error { at: reader.error_position(), what: error.to_string() })?;
        let to = reader.buffer_position();
        let fail = |what: String| Error { at: from, what };
        match event {
            Event::Start(tag) => {
                let element = builder.element(&tag, from, to).map_err(fail)?;
                if builder.open.len() >= DEEPEST {
                    return Err(fail(format!("more than {DEEPEST} levels")));
                }
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
            Event::Text(bytes) => {
                let raw = &*bytes;
                builder.text(raw).map_err(fail)?;
            }
            Event::GeneralRef(bytes) => {
                let raw = &*bytes;
                let value = escape::unescape(&format!("&{raw};"))
                    .map_err(|error| fail(error.to_string()))?
                    .into_owned();
                builder.text(&value).map_err(fail)?;
            }
            Event::Comment(bytes) => builder.add(Node::Comment((&*bytes).into())),
            Event::CData(bytes) => {
                if builder.open.is_empty() {
                    return Err(fail("text outside the root element".into()));
                }
                builder.add(Node::CData((&*bytes).into()));
            }
            Event::Decl(bytes) => {
                builder.add(Node::Instruction((&*bytes).into()));
            }
            Event::PI(bytes) => builder.add(Node::Instruction((&*bytes).into())),
            Event::DocType(bytes) => builder.add(Node::DocType((&*bytes).into())),
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

#[derive(Default)]
struct Builder {
    names: HashMap<Box<str>, Atom>,
    open: Vec<Element>,
    before: Vec<Node>,
    root: Option<Element>,
    after: Vec<Node>,
}

impl Builder {
    fn atom(&mut self, name: &str) -> Atom {
        if let Some(atom) = self.names.get(name) {
            return atom.clone();
        }
        let atom: Atom = name.into();
        self.names.insert(name.into(), atom.clone());
        atom
    }

    fn element(&mut self, tag: &BytesStart<'_>, from: u64, to: u64) -> Result<Element, String> {
        let mut element = Element {
            name: self.atom(tag.name().as_ref()),
            attrs: Vec::new(),
            children: Vec::new(),
            span: Span { start: narrow(from), end: narrow(to) },
        };
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let name = self.atom(attribute.key.as_ref());
            let raw = &*attribute.value;
            let value: Box<str> = if raw.contains(['&', '\n', '\t', '\r']) {
                let flat = raw.replace(['\n', '\t', '\r'], " ");
                escape::unescape(&flat).map_err(|error| error.to_string())?.into()
            } else {
                raw.into()
            };
            element.attrs.push(Attr { name, value });
        }
        element.attrs.shrink_to_fit();
        Ok(element)
    }

    fn close(&mut self, mut element: Element) -> Result<(), String> {
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
        let siblings = self.siblings();
        if let Some(Node::Text(last)) = siblings.last_mut() {
            *last = format!("{last}{text}").into();
        } else if !text.is_empty() {
            siblings.push(Node::Text(text.into()));
        }
        Ok(())
    }

    fn add(&mut self, node: Node) {
        self.siblings().push(node);
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
