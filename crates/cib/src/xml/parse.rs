//! Text to tree.
//!
//! Elements are read here, because a large document is nothing else; comments, instructions and
//! references are tokens of quick-xml. What is added is the tree, shared names, a bound on the
//! depth (a document of a million open tags must not end the process), and errors with a place.

use quick_xml::Reader;
use quick_xml::escape;
use quick_xml::events::Event;

use super::tag::{Raw, Tag, Tags};
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
    let mut parser = Parser::new(taker);
    parser.feed(text, true)?;
    parser.finish()
}

/// Reads a document that comes in pieces.
pub(crate) struct Parser<'t, T> {
    builder: Builder<'t, T>,
    /// How much was read before the present piece.
    before: u64,
}

impl<'t, T: Taker> Parser<'t, T> {
    pub(crate) fn new(taker: &'t mut T) -> Self {
        Self { builder: Builder::new(taker), before: 0 }
    }

    /// Reads what is complete; how much of the text that was. Only the last piece can be wrong: of
    /// any other, what cannot be read is not complete.
    pub(crate) fn feed(&mut self, text: &str, last: bool) -> Result<usize, Error> {
        let mut tags = Tags::default();
        let mut at = 0;
        if self.before == 0 && text.starts_with('\u{feff}') {
            at = '\u{feff}'.len_utf8();
        }
        while at < text.len() {
            let from = self.before + wide(at);
            match self.builder.piece(&text[at..], from, last, &mut tags) {
                Ok(0) => break,
                Ok(length) => at += length,
                Err(_) if !last => break,
                Err(what) => return Err(Error { at: from, what }),
            }
        }
        self.before += wide(at);
        Ok(at)
    }

    /// The document.
    pub(crate) fn finish(self) -> Result<Document, Error> {
        let Self { builder, before: at } = self;
        if let Some(open) = builder.open.last() {
            let what = format!("the text ends inside <{}>", open.name());
            return Err(Error { at, what });
        }
        match builder.root {
            Some(root) => Ok(Document { before: builder.before, root, after: builder.after }),
            None => Err(Error { at, what: "there is no element".into() }),
        }
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

    /// Takes what a text begins with; how much of it that was, or nothing if it may go on beyond
    /// the text's end.
    fn piece<'a>(
        &mut self,
        text: &'a str,
        from: u64,
        last: bool,
        tags: &mut Tags<'a>,
    ) -> Result<usize, String> {
        match text.as_bytes() {
            [b'<', b'/', ..] => {
                let end = text.find('>').ok_or("the text ends inside a tag")?;
                let name = text[2..end].trim_ascii_end();
                let open = self.open.last().ok_or("nothing is open")?.name();
                if open != name {
                    return Err(format!("</{name}> where <{open}> should end"));
                }
                if let Some(open) = self.open.pop() {
                    self.close(open)?;
                }
                Ok(end + 1)
            }
            [b'<', b'!' | b'?', ..] => self.other(text),
            [b'<', ..] => {
                let (tag, end) = tags.read(text)?;
                let to = from + wide(end.length);
                if end.empty {
                    let element = self.element(&tag, from, to)?;
                    self.close(element)?;
                } else if self.open.len() >= DEEPEST {
                    return Err(format!("more than {DEEPEST} levels"));
                } else {
                    let element = self.element(&tag, from, to)?;
                    self.open.push(element);
                }
                Ok(end.length)
            }
            _ => {
                let end = match text.find('<') {
                    Some(end) => end,
                    None if last => text.len(),
                    None => return Ok(0),
                };
                let text = &text[..end];
                if text.contains('&') {
                    self.with_references(text)?
                } else {
                    self.text(text)?
                }
                Ok(end)
            }
        }
    }

    /// Character data with references.
    fn with_references(&mut self, text: &str) -> Result<(), String> {
        let mut reader = Reader::from_str(text);
        loop {
            match reader.read_event().map_err(|error| error.to_string())? {
                Event::Text(bytes) => self.text(&bytes)?,
                Event::GeneralRef(bytes) => {
                    let raw = &*bytes;
                    let value = escape::unescape(&format!("&{raw};"))
                        .map_err(|error| error.to_string())?
                        .into_owned();
                    self.text(&value)?;
                }
                _ => return Ok(()),
            }
        }
    }

    /// What is neither an element nor text.
    fn other(&mut self, text: &str) -> Result<usize, String> {
        let mut reader = Reader::from_str(text);
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Comment(bytes) => self.add(|| Node::Comment((&*bytes).into())),
            Event::CData(bytes) => {
                if self.open.is_empty() {
                    return Err("text outside the root element".into());
                }
                self.add(|| Node::CData((&*bytes).into()));
            }
            Event::Decl(bytes) => self.add(|| Node::Instruction((&*bytes).into())),
            Event::PI(bytes) => self.add(|| Node::Instruction((&*bytes).into())),
            Event::DocType(bytes) => self.add(|| Node::DocType((&*bytes).into())),
            _ => return Err("this is no markup".into()),
        }
        Ok(usize::try_from(reader.buffer_position()).unwrap_or(text.len()))
    }

    fn element(&mut self, tag: &Tag<'_>, from: u64, to: u64) -> Result<Element, String> {
        let taken = self.taker.start(&self.open, tag)?;
        let mut attrs = Vec::new();
        if taken {
            // A document is well-formed or not, whoever reads which part of it.
            tag.raw.iter().try_for_each(Raw::check)?;
        } else {
            attrs.reserve_exact(tag.raw.len());
            for raw in tag.raw {
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

fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
