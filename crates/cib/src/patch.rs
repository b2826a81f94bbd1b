//! Patchsets: the difference between two CIBs as a document of its own, and how to apply one.
//!
//! The format is the one clusters speak, `<diff format="2">`: the versions it leads from and to,
//! then single changes that name their place by a path of names and ids. A patch is applied to
//! exactly the version it was made from; an optional digest of the result finds what the version
//! does not. [`diff`] makes one, [`Patch::apply`] uses one, [`Patch::to_xml`] and
//! [`Patch::from_xml`] are the two ways in between.

mod apply;
mod diff;
mod format;
mod path;

use crate::version::Version;
use crate::xml::{Atom, Element, Node};

pub use apply::{Check, Error};
pub use diff::{Unlike, diff};
pub use format::Malformed;
pub use path::Path;

/// A difference between two documents.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Patch {
    /// The version it leads from and the one it leads to, if it says so.
    pub versions: Option<(Version, Version)>,
    /// The digest of the result, if it carries one.
    pub digest: Option<String>,
    /// The single changes, in order.
    pub changes: Vec<Change>,
}

/// One change of a patch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// Something goes away. A comment has no id, so its position says which.
    Delete {
        /// What goes.
        path: Path,
        /// Of comments: at which place among its siblings it stands.
        position: Option<usize>,
    },
    /// An element gets other attributes.
    Modify {
        /// Which element.
        path: Path,
        /// The attributes that are new or have a new value.
        set: Vec<(Atom, Box<str>)>,
        /// The attributes that go.
        unset: Vec<Atom>,
        /// The element as it is afterwards, without content.
        result: Element,
    },
    /// Something new appears inside an element.
    Create {
        /// In which element.
        path: Path,
        /// At which place it stands in the end.
        position: usize,
        /// What.
        node: Node,
    },
    /// An element changes its place among its siblings.
    Move {
        /// Which element.
        path: Path,
        /// At which place it stands in the end.
        position: usize,
    },
}

impl Patch {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether it changes anything but version and status; what a cluster re-plans everything for.
    #[must_use]
    pub fn touches(&self, section: &str) -> bool {
        self.changes.iter().any(|change| {
            let path = match change {
                Change::Delete { path, .. }
                | Change::Modify { path, .. }
                | Change::Create { path, .. }
                | Change::Move { path, .. } => path,
            };
            path.names().any(|name| name == section)
        })
    }
}
