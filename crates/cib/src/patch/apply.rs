//! Applying a patch.
//!
//! Two passes. The first finds every place in the document as it was, takes away and changes
//! attributes; the second takes up all that moves, then puts what is new or moved to its final
//! position, from the lowest position on. The document is opened only along the paths of the patch (a [`Arena`] of opened elements),
//! so a small patch costs little on a large CIB. Either all of a patch is applied or nothing.

use super::path::{Path, Step};
use super::{Change, Patch};
use crate::blank;
use crate::digest;
use crate::version::{self, Version};
use crate::xml::{Element, Node};

/// What to compare before and after.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Check {
    /// The version the patch was made from, and the digest of the result if it carries one.
    Strict,
    /// Nothing: the patch is made to fit.
    Loose,
}

/// Why a patch was not applied.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// The document has moved on.
    #[error(
        "the patch leads from {from} to {to}, but the document is already at {found}: make it anew from there"
    )]
    Stale {
        /// The version it was made from.
        from: Version,
        /// The version it leads to.
        to: Version,
        /// The document's version.
        found: Version,
    },
    /// The document lags behind.
    #[error(
        "the patch leads from {from} to {to}, but the document is only at {found}: get the whole document instead"
    )]
    TooNew {
        /// The version it was made from.
        from: Version,
        /// The version it leads to.
        to: Version,
        /// The document's version.
        found: Version,
    },
    /// The document's version cannot be read.
    #[error(transparent)]
    Version(#[from] version::Error),
    /// A place is not in the document.
    #[error("change {number}: there is no {path} to {what}: the documents have drifted apart")]
    NotFound {
        /// Which change, from 1 on.
        number: usize,
        /// What was to happen.
        what: &'static str,
        /// Where.
        path: String,
    },
    /// The root cannot be taken away or moved.
    #[error("change {number}: the root cannot be {what}")]
    Root {
        /// Which change, from 1 on.
        number: usize,
        /// What was to happen.
        what: &'static str,
    },
    /// The result is not what the patch promised.
    #[error(
        "the result has digest {found}, the patch promised {promised}: get the whole document instead"
    )]
    Digest {
        /// What the patch says.
        promised: String,
        /// What came out.
        found: String,
    },
}

impl Patch {
    /// The document after the patch.
    ///
    /// # Errors
    /// When it does not fit the document; then nothing of it was applied.
    pub fn apply(&self, document: &Element, check: Check) -> Result<Element, Error> {
        if check == Check::Strict {
            self.check_version(document)?;
        }
        let mut arena = Arena::new(document.clone());
        let placements = arena.first_pass(&self.changes)?;
        arena.second_pass(placements);
        let result = arena.close();
        if check == Check::Strict
            && let Some(promised) = &self.digest
        {
            let found = digest::of_cib(&result);
            if found != *promised {
                return Err(Error::Digest { promised: promised.clone(), found });
            }
        }
        Ok(result)
    }

    fn check_version(&self, document: &Element) -> Result<(), Error> {
        let Some((from, to)) = self.versions else { return Ok(()) };
        let found = Version::of(document)?;
        match found.cmp(&from) {
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(Error::Stale { from, to, found }),
            std::cmp::Ordering::Less => Err(Error::TooNew { from, to, found }),
        }
    }
}

type Id = usize;

/// An element whose children, once opened, are slots of the arena.
struct Slot {
    node: Node,
    parent: Option<Id>,
    children: Option<Vec<Id>>,
}

struct Arena {
    slots: Vec<Slot>,
}

/// Something to put somewhere in the second pass.
struct Placement {
    parent: Id,
    node: Id,
    position: usize,
    moved: bool,
}

impl Arena {
    fn new(root: Element) -> Self {
        Self { slots: vec![Slot { node: Node::Element(root), parent: None, children: None }] }
    }

    fn add(&mut self, node: Node, parent: Option<Id>) -> Id {
        self.slots.push(Slot { node, parent, children: None });
        self.slots.len() - 1
    }

    /// The children of an element as slots.
    fn open(&mut self, id: Id) -> &mut Vec<Id> {
        if self.slots[id].children.is_none() {
            let nodes = match &mut self.slots[id].node {
                Node::Element(element) => std::mem::take(&mut element.children),
                _ => Vec::new(),
            };
            let ids = nodes.into_iter().map(|node| self.add(node, Some(id))).collect();
            self.slots[id].children = Some(ids);
        }
        self.slots[id].children.get_or_insert_with(Vec::new)
    }

    fn matches(&self, id: Id, step: &Step) -> bool {
        self.slots[id].node.element().is_some_and(|element| step.matches(element))
    }

    fn find(&mut self, path: &Path, position: Option<usize>) -> Option<Id> {
        let (first, steps) = path.steps().split_first()?;
        if !self.matches(0, first) {
            return None;
        }
        let mut at = 0;
        for (depth, step) in steps.iter().enumerate() {
            let children = self.open(at).clone();
            let element = || children.iter().copied().find(|child| self.matches(*child, step));
            // An element may be called `comment`, too; but only a comment is told by position.
            let comment = || self.comment(&children, position).filter(|_| step.name == "comment");
            let last = depth.saturating_add(1) == steps.len();
            at = match position.filter(|_| last) {
                Some(_) => comment().or_else(element)?,
                None => element().or_else(comment)?,
            };
        }
        Some(at)
    }

    /// What is at a position and is no element: a comment, or text.
    fn comment(&self, children: &[Id], position: Option<usize>) -> Option<Id> {
        let mut counted =
            children.iter().copied().filter(|child| !blank::is(&self.slots[*child].node));
        let is = |child: &Id| self.slots[*child].node.element().is_none();
        match position {
            Some(position) => counted.nth(position).filter(is),
            None => counted.find(is),
        }
    }

    fn first_pass(&mut self, changes: &[Change]) -> Result<Vec<Placement>, Error> {
        let mut placements = Vec::new();
        for (at, change) in changes.iter().enumerate() {
            let number = at.saturating_add(1);
            let missing =
                |what, path: &Path| Error::NotFound { number, what, path: path.to_string() };
            match change {
                Change::Delete { path, position } => {
                    // What is gone already was to go anyway.
                    let Some(id) = self.find(path, *position) else { continue };
                    let parent = self.slots[id].parent;
                    let parent = parent.ok_or(Error::Root { number, what: "deleted" })?;
                    self.open(parent).retain(|child| *child != id);
                }
                Change::Modify { path, result, .. } => {
                    let id = self.find(path, None).ok_or_else(|| missing("change", path))?;
                    if let Node::Element(element) = &mut self.slots[id].node {
                        let mut changed = result.clone();
                        changed.rename(element.name());
                        changed.children = std::mem::take(&mut element.children);
                        changed.span = element.span;
                        *element = changed;
                    }
                }
                Change::Create { path, position, node } => {
                    let parent = self.find(path, None).ok_or_else(|| missing("add to", path))?;
                    let node = self.add(node.clone(), Some(parent));
                    placements.push(Placement { parent, node, position: *position, moved: false });
                }
                Change::Move { path, position } => {
                    let node = self.find(path, None).ok_or_else(|| missing("move", path))?;
                    let parent = self.slots[node].parent;
                    let parent = parent.ok_or(Error::Root { number, what: "moved" })?;
                    placements.push(Placement { parent, node, position: *position, moved: true });
                }
            }
        }
        placements.sort_by_key(|placement| placement.position);
        Ok(placements)
    }

    fn second_pass(&mut self, placements: Vec<Placement>) {
        for Placement { parent, node, .. } in placements.iter().filter(|it| it.moved) {
            self.open(*parent).retain(|child| child != node);
        }
        for Placement { parent, node, position, .. } in placements {
            let mut children = std::mem::take(self.open(parent));
            // If it is moved twice, the higher position counts.
            children.retain(|child| *child != node);
            let mut counted = children
                .iter()
                .enumerate()
                .filter(|(_, child)| !blank::is(&self.slots[**child].node))
                .map(|(at, _)| at);
            let at = match counted.nth(position) {
                Some(at) => at,
                // Behind the last that counts, before the white space at the end.
                None => children
                    .iter()
                    .rposition(|child| !blank::is(&self.slots[*child].node))
                    .map_or(0, |at| at.saturating_add(1)),
            };
            children.insert(at, node);
            *self.open(parent) = children;
        }
    }

    fn close(mut self) -> Element {
        match self.closed(0) {
            Node::Element(root) => root,
            _ => unreachable!("the first slot is the root element"),
        }
    }

    fn closed(&mut self, id: Id) -> Node {
        let empty = Node::Text("".into());
        let mut node = std::mem::replace(&mut self.slots[id].node, empty);
        if let (Node::Element(element), Some(children)) =
            (&mut node, self.slots[id].children.take())
        {
            element.children = children.into_iter().map(|child| self.closed(child)).collect();
        }
        node
    }
}
