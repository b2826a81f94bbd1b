//! A document laid flat: every node with its number in document order, its parent and its end.
//!
//! Order, ancestors and "everything below" become comparisons of numbers. Node 0 is the document
//! itself, the parent of the root element. An element's attributes come right behind it.

use super::{Axis, Found, Part, Test};
use crate::xml::{Attr, Element, Node};

/// A node's number.
pub(super) type Id = usize;

#[derive(Clone, Copy)]
pub(super) enum Kind<'a> {
    Document,
    Element(&'a Element),
    Attribute(&'a Attr),
    Text(&'a str),
    Comment(&'a str),
    Instruction(&'a str),
}

struct Entry<'a> {
    kind: Kind<'a>,
    parent: Id,
    /// One past the last node below.
    end: Id,
    /// At which place among its parent's children.
    place: usize,
}

pub(super) struct Index<'a> {
    entries: Vec<Entry<'a>>,
}

impl<'a> Index<'a> {
    pub(super) fn new(root: &'a Element) -> Self {
        let mut index = Self { entries: Vec::new() };
        index.add(Kind::Document, 0, 0);
        index.element(root, 0, 0);
        index.entries[0].end = index.entries.len();
        index
    }

    fn add(&mut self, kind: Kind<'a>, parent: Id, place: usize) -> Id {
        let id = self.entries.len();
        self.entries.push(Entry { kind, parent, end: id.saturating_add(1), place });
        id
    }

    fn element(&mut self, element: &'a Element, parent: Id, place: usize) {
        let id = self.add(Kind::Element(element), parent, place);
        for attr in element.attrs() {
            self.add(Kind::Attribute(attr), id, 0);
        }
        for (place, child) in element.children.iter().enumerate() {
            match child {
                Node::Element(child) => self.element(child, id, place),
                Node::Text(text) | Node::CData(text) => {
                    self.add(Kind::Text(text), id, place);
                }
                Node::Comment(text) => {
                    self.add(Kind::Comment(text), id, place);
                }
                Node::Instruction(text) => {
                    self.add(Kind::Instruction(text), id, place);
                }
                Node::DocType(_) => {}
            }
        }
        self.entries[id].end = self.entries.len();
    }

    pub(super) fn kind(&self, id: Id) -> Kind<'a> {
        self.entries[id].kind
    }

    fn is_attribute(&self, id: Id) -> bool {
        matches!(self.entries[id].kind, Kind::Attribute(_))
    }

    fn parent(&self, id: Id) -> Option<Id> {
        (id != 0).then(|| self.entries[id].parent)
    }

    /// All below, without attributes, in document order.
    fn below(&self, id: Id) -> impl DoubleEndedIterator<Item = Id> + '_ {
        (id.saturating_add(1)..self.entries[id].end).filter(|it| !self.is_attribute(*it))
    }

    fn children(&self, id: Id) -> Vec<Id> {
        let mut children = Vec::new();
        let mut at = id.saturating_add(1);
        while at < self.entries[id].end {
            if !self.is_attribute(at) {
                children.push(at);
            }
            at = self.entries[at].end;
        }
        children
    }

    fn ancestors(&self, id: Id) -> Vec<Id> {
        let mut ancestors = Vec::new();
        let mut at = id;
        while let Some(parent) = self.parent(at) {
            ancestors.push(parent);
            at = parent;
        }
        ancestors
    }

    /// The nodes on an axis that pass the test, nearest first.
    pub(super) fn walk(&self, from: Id, axis: Axis, test: &Test) -> Vec<Id> {
        let siblings = || match self.parent(from) {
            Some(parent) if !self.is_attribute(from) => self.children(parent),
            _ => Vec::new(),
        };
        let mut nodes: Vec<Id> = match axis {
            Axis::Child => self.children(from),
            Axis::Descendant => self.below(from).collect(),
            Axis::DescendantOrSelf => std::iter::once(from).chain(self.below(from)).collect(),
            Axis::SelfNode => vec![from],
            Axis::Parent => self.parent(from).into_iter().collect(),
            Axis::Ancestor => self.ancestors(from),
            Axis::AncestorOrSelf => std::iter::once(from).chain(self.ancestors(from)).collect(),
            Axis::FollowingSibling => siblings().into_iter().filter(|id| *id > from).collect(),
            Axis::PrecedingSibling => {
                siblings().into_iter().rev().filter(|id| *id < from).collect()
            }
            Axis::Following => {
                let after = if self.is_attribute(from) {
                    from.saturating_add(1)
                } else {
                    self.entries[from].end
                };
                (after..self.entries.len()).filter(|id| !self.is_attribute(*id)).collect()
            }
            Axis::Preceding => {
                let ancestors = self.ancestors(from);
                (1..from)
                    .rev()
                    .filter(|id| !self.is_attribute(*id) && !ancestors.contains(id))
                    .collect()
            }
            Axis::Attribute => (from.saturating_add(1)..self.entries[from].end)
                .take_while(|id| self.is_attribute(*id))
                .filter(|id| self.entries[*id].parent == from)
                .collect(),
        };
        nodes.retain(|id| self.passes(*id, axis, test));
        nodes
    }

    fn passes(&self, id: Id, axis: Axis, test: &Test) -> bool {
        let kind = self.kind(id);
        let principal = match axis {
            Axis::Attribute => matches!(kind, Kind::Attribute(_)),
            _ => matches!(kind, Kind::Element(_)),
        };
        match test {
            Test::Node => true,
            Test::Any => principal,
            Test::Named(name) => principal && self.name(id) == &**name,
            Test::Text => matches!(kind, Kind::Text(_)),
            Test::Comment => matches!(kind, Kind::Comment(_)),
            Test::Instruction => matches!(kind, Kind::Instruction(_)),
        }
    }

    /// The name of a node; of what has none, nothing.
    pub(super) fn name(&self, id: Id) -> &'a str {
        match self.kind(id) {
            Kind::Element(element) => element.name(),
            Kind::Attribute(attr) => &attr.name,
            Kind::Instruction(text) => text.split_whitespace().next().unwrap_or_default(),
            Kind::Document | Kind::Text(_) | Kind::Comment(_) => "",
        }
    }

    /// The string-value of a node.
    pub(super) fn string(&self, id: Id) -> String {
        match self.kind(id) {
            Kind::Attribute(attr) => attr.value.to_string(),
            Kind::Text(text) | Kind::Comment(text) => text.to_owned(),
            Kind::Instruction(text) => {
                let rest = text.find(char::is_whitespace).map_or("", |at| &text[at..]);
                rest.trim_start().to_owned()
            }
            Kind::Document | Kind::Element(_) => {
                let text = |id| match self.kind(id) {
                    Kind::Text(text) => Some(text),
                    _ => None,
                };
                self.below(id).filter_map(text).collect()
            }
        }
    }

    /// A node as an answer; the document itself is none.
    pub(super) fn found(&self, id: Id) -> Option<Found<'a>> {
        let (owner, part) = match self.kind(id) {
            Kind::Document | Kind::Instruction(_) => return None,
            Kind::Element(_) => (id, Part::Whole),
            Kind::Attribute(attr) => {
                (self.entries[id].parent, Part::Attribute(&attr.name, &attr.value))
            }
            Kind::Text(text) => (self.entries[id].parent, Part::Text(text)),
            Kind::Comment(text) => (self.entries[id].parent, Part::Comment(text)),
        };
        let Kind::Element(element) = self.kind(owner) else { return None };
        let mut way = Vec::new();
        let mut at = owner;
        while self.entries[at].parent != 0 {
            way.push(self.entries[at].place);
            at = self.entries[at].parent;
        }
        way.reverse();
        Some(Found { element, way, part })
    }
}
