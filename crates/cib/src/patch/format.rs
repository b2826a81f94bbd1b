//! A patch as a document, and back.

use super::{Change, Patch, Path};
use crate::blank;
use crate::version::{self, Version};
use crate::xml::Element;

/// Why a document is no patch.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Malformed {
    /// It is something else.
    #[error("<{0}> is no patch: its root must be <diff>")]
    NoDiff(String),
    /// It is a patch of another format.
    #[error("patch format {0:?} is not supported: make the patch with format 2")]
    Format(Option<String>),
    /// A change whose kind is unknown.
    #[error("change {number}: operation {operation:?} is none of create, delete, modify, move")]
    Operation {
        /// Which change, from 1 on.
        number: usize,
        /// What it wants.
        operation: Option<String>,
    },
    /// A change with a place that cannot be read.
    #[error("change {number}: path {path:?} cannot be read: {why}")]
    Path {
        /// Which change, from 1 on.
        number: usize,
        /// The place.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A change that lacks what it needs.
    #[error("change {number} at {path}: it has no {what}")]
    Lacks {
        /// Which change, from 1 on.
        number: usize,
        /// Where.
        path: String,
        /// What is missing.
        what: &'static str,
    },
    /// A version that cannot be read.
    #[error("in <version>: {0}")]
    Version(#[from] version::Error),
}

impl Patch {
    /// As a document.
    #[must_use]
    pub fn to_xml(&self) -> Element {
        let mut diff = Element::new("diff").with("format", "2");
        if let Some(digest) = &self.digest {
            diff.set("digest", digest);
        }
        if let Some((source, target)) = self.versions {
            let mut version = Element::new("version");
            for (name, value) in [("source", source), ("target", target)] {
                let mut element = Element::new(name);
                value.write(&mut element);
                version.push(element);
            }
            diff.push(version);
        }
        for change in &self.changes {
            diff.push(change.to_xml());
        }
        diff
    }

    /// From a document.
    ///
    /// # Errors
    /// When it is no patch of format 2.
    pub fn from_xml(diff: &Element) -> Result<Self, Malformed> {
        if diff.name() != "diff" {
            return Err(Malformed::NoDiff(diff.name().to_owned()));
        }
        if diff.get("format") != Some("2") {
            return Err(Malformed::Format(diff.get("format").map(str::to_owned)));
        }
        let mut patch = Self { digest: diff.get("digest").map(str::to_owned), ..Self::default() };
        if let Some(version) = diff.child("version")
            && let (Some(source), Some(target)) = (version.child("source"), version.child("target"))
        {
            patch.versions = Some((Version::of(source)?, Version::of(target)?));
        }
        for (at, change) in diff.named("change").enumerate() {
            patch.changes.push(Change::from_xml(change, at.saturating_add(1))?);
        }
        Ok(patch)
    }
}

impl Change {
    fn to_xml(&self) -> Element {
        let change = |operation: &str, path: &Path| {
            Element::new("change").with("operation", operation).with("path", &path.to_string())
        };
        match self {
            Change::Delete { path, position } => match position {
                Some(at) => change("delete", path).with("position", &at.to_string()),
                None => change("delete", path),
            },
            Change::Create { path, position, node } => {
                let mut it = change("create", path).with("position", &position.to_string());
                it.children.push(node.clone());
                it
            }
            Change::Move { path, position } => {
                change("move", path).with("position", &position.to_string())
            }
            Change::Modify { path, set, unset, result } => {
                let mut list = Element::new("change-list");
                let attr = |name: &str, operation: &str| {
                    Element::new("change-attr").with("name", name).with("operation", operation)
                };
                for (name, value) in set {
                    list.push(attr(name, "set").with("value", value));
                }
                for name in unset {
                    list.push(attr(name, "unset"));
                }
                let mut after = Element::new("change-result");
                after.push(result.clone());
                let mut it = change("modify", path);
                it.push(list);
                it.push(after);
                it
            }
        }
    }

    fn from_xml(change: &Element, number: usize) -> Result<Self, Malformed> {
        let text = change.get("path").unwrap_or_default();
        let path = Path::parse(text).map_err(|why| Malformed::Path {
            number,
            path: text.to_owned(),
            why,
        })?;
        let lacks = |what| Malformed::Lacks { number, path: text.to_owned(), what };
        let position = change.get("position").and_then(|at| at.parse().ok());
        match change.get("operation") {
            Some("delete") => Ok(Change::Delete { path, position }),
            Some("move") => {
                Ok(Change::Move { path, position: position.ok_or_else(|| lacks("position"))? })
            }
            Some("create") => {
                let mut nodes = change.children.iter().filter(|node| !blank::is(node));
                let node = nodes.next().cloned().ok_or_else(|| lacks("content"))?;
                if nodes.next().is_some() {
                    return Err(lacks("a content of its own for each <change>"));
                }
                let position = position.ok_or_else(|| lacks("position"))?;
                Ok(Change::Create { path, position, node })
            }
            Some("modify") => {
                let result = change.child("change-result").and_then(|it| it.elements().next());
                let mut result = result.cloned().ok_or_else(|| lacks("<change-result>"))?;
                result.children.clear();
                let (mut set, mut unset) = (Vec::new(), Vec::new());
                for attr in
                    change.child("change-list").iter().flat_map(|it| it.named("change-attr"))
                {
                    let name = attr.get("name").ok_or_else(|| lacks("name in <change-attr>"))?;
                    match attr.get("value") {
                        Some(value) if attr.get("operation") != Some("unset") => {
                            set.push((name.into(), value.into()));
                        }
                        _ => unset.push(name.into()),
                    }
                }
                Ok(Change::Modify { path, set, unset, result })
            }
            other => Err(Malformed::Operation { number, operation: other.map(str::to_owned) }),
        }
    }
}
