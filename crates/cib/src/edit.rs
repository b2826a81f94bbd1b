//! Changing a CIB as administrators do: create, modify, replace, delete, erase, bump, patch.
//!
//! The meaning of each operation is that of `cibadmin` on a file. Every change ends the same way:
//! the version is raised as the change deserves, the result is held against its schema, and
//! nothing that fails is kept ([`perform`]). Where `cibadmin` moves what it replaces to the end of
//! its section, or forgets to raise the epoch for what `--modify --allow-create` adds, we do not.

mod merge;

use crate::patch::{self, Check, Patch};
use crate::schema::{self, Report};
use crate::version::{self, Touched, Version, touched};
use crate::xml::{Element, Node};
use crate::xpath::{self, XPath};

/// The sections of a CIB that can be named as a scope, and where they are.
pub const SCOPES: [(&str, &[&str]); 13] = [
    ("cib", &[]),
    ("status", &["status"]),
    ("configuration", &["configuration"]),
    ("crm_config", &["configuration", "crm_config"]),
    ("nodes", &["configuration", "nodes"]),
    ("resources", &["configuration", "resources"]),
    ("constraints", &["configuration", "constraints"]),
    ("rsc_defaults", &["configuration", "rsc_defaults"]),
    ("op_defaults", &["configuration", "op_defaults"]),
    ("fencing-topology", &["configuration", "fencing-topology"]),
    ("acls", &["configuration", "acls"]),
    ("tags", &["configuration", "tags"]),
    ("alerts", &["configuration", "alerts"]),
];

/// A part of a CIB that an operation is confined to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scope {
    name: &'static str,
    steps: &'static [&'static str],
}

/// What to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Add an element to a section; it must not exist.
    Create(Scope, Element),
    /// Merge an element into the one of its name and id. With `allow_create` it may be new.
    Modify {
        /// Where to look.
        scope: Scope,
        /// Attributes to set and children to merge or add.
        object: Element,
        /// Add it to the section when it does not exist.
        allow_create: bool,
    },
    /// Put an element in the place of the one of its name and id, or of the whole document.
    Replace(Scope, Element),
    /// Put an element in the place of the first that a path finds.
    ReplaceAt(XPath, Element),
    /// Take the element of this name, id and attributes away; if there is none, fine.
    Delete(Scope, Element),
    /// Take the first, or all, that a path finds away.
    DeleteAt {
        /// The path.
        path: XPath,
        /// All of them.
        all: bool,
    },
    /// Empty the document.
    Erase,
    /// Raise the epoch.
    Bump,
    /// Apply a patch.
    Patch(Patch),
}

/// Why nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// The element to change is not there.
    #[error("there is no {0} here: create it, or look for it in another scope")]
    NotFound(String),
    /// The element to create is there already.
    #[error("{0} exists already: modify or replace it")]
    Exists(String),
    /// Something is to be created nowhere in particular.
    #[error("{0} needs a section to be created in: name a scope, such as resources")]
    NoSection(String),
    /// The new document is older than the present one.
    #[error(
        "the new document has version {new}, which is older than {old}: take the present one, change that, and try again"
    )]
    Older {
        /// The present version.
        old: Version,
        /// The version of what was to replace it.
        new: Version,
    },
    /// A version cannot be read.
    #[error(transparent)]
    Version(#[from] version::Error),
    /// The patch does not fit.
    #[error(transparent)]
    Patch(#[from] patch::Error),
    /// The result would break its schema.
    #[error("the result would not be valid: {}", first(.0))]
    Invalid(Report),
    /// The path finds the root, or no element.
    #[error("the path finds <cib> itself: replace or erase the whole document instead")]
    Root,
}

fn first(report: &Report) -> String {
    let more = report.findings.len().saturating_add(report.dropped).saturating_sub(1);
    let first = report.findings.first().map(|it| format!("{} ({})", it.message, it.help));
    let first = first.unwrap_or_default();
    if more == 0 { first } else { format!("{first}, and {more} more") }
}

impl Scope {
    /// The whole document.
    pub const CIB: Scope = Scope { name: "cib", steps: &[] };

    /// The scope of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        SCOPES.iter().find(|(it, _)| *it == name).map(|(name, steps)| Self { name, steps })
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.name
    }

    /// The element of a CIB that it is.
    #[must_use]
    pub fn find(self, cib: &Element) -> Option<&Element> {
        self.steps.iter().try_fold(cib, |at, step| at.child(step))
    }

    fn find_mut(self, cib: &mut Element) -> Option<&mut Element> {
        self.steps.iter().try_fold(cib, |at, step| at.child_mut(step))
    }

    fn find_or_new(self, cib: &mut Element) -> &mut Element {
        self.steps.iter().fold(cib, |at, step| at.child_or_new(step))
    }
}

/// The document after an operation, with its version raised.
///
/// # Errors
/// When it cannot be done, or the result would not be valid.
pub fn perform(cib: &Element, operation: &Operation) -> Result<Element, Error> {
    let old = Version::of(cib)?;
    let mut new = cib.clone();
    let extra = change(&mut new, operation, old)?;
    // Whatever came in, the version never falls.
    let base = Version::of(&new)?.max(old);
    let version = match extra {
        Some(version) => version,
        None => base.bumped(touched(cib, &new)),
    };
    version.write(&mut new);
    let report = schema::validate(&new);
    if report.is_valid() { Ok(new) } else { Err(Error::Invalid(report)) }
}

/// Does it; the version, where it does not follow from what was touched.
fn change(
    cib: &mut Element,
    operation: &Operation,
    old: Version,
) -> Result<Option<Version>, Error> {
    match operation {
        Operation::Create(scope, object) => merge::create(cib, *scope, object)?,
        Operation::Modify { scope, object, allow_create } => {
            merge::modify(cib, *scope, object, *allow_create)?;
        }
        Operation::Replace(scope, object) => replace(cib, *scope, object, old)?,
        Operation::ReplaceAt(path, object) => {
            let place = found(cib, path)?.into_iter().next();
            let (parent, at) = place.ok_or_else(|| Error::NotFound(path.text().to_owned()))?;
            if let Some(parent) = merge::at_mut(cib, &parent) {
                parent.children[at] = Node::Element(object.clone());
            }
        }
        Operation::Delete(scope, object) => {
            if let Some(scope) = scope.find_mut(cib) {
                merge::delete(scope, object);
            }
        }
        Operation::DeleteAt { path, all } => {
            let mut places = found(cib, path)?;
            places.truncate(if *all { usize::MAX } else { 1 });
            // From the last on, so that the places before stay right.
            for (parent, at) in places.into_iter().rev() {
                if let Some(parent) = merge::at_mut(cib, &parent) {
                    parent.children.remove(at);
                }
            }
        }
        Operation::Erase => {
            cib.children.clear();
            let configuration = cib.child_or_new("configuration");
            for section in ["crm_config", "nodes", "resources", "constraints"] {
                configuration.push(Element::new(section));
            }
            cib.push(Element::new("status"));
            let next = Version { admin_epoch: old.admin_epoch.saturating_add(1), ..old };
            return Ok(Some(next.bumped(Touched::Configuration)));
        }
        Operation::Bump => {
            let next = Version { epoch: old.epoch.saturating_add(1), ..old };
            return Ok(Some(next.bumped(Touched::Status)));
        }
        Operation::Patch(patch) => *cib = patch.apply(cib, Check::Strict)?,
    }
    Ok(None)
}

fn replace(cib: &mut Element, scope: Scope, object: &Element, old: Version) -> Result<(), Error> {
    if object.name() == "cib" {
        let new = Version::of(object)?;
        if new < old {
            return Err(Error::Older { old, new });
        }
        *cib = object.clone();
        return Ok(());
    }
    let target = if object.name() == scope.name {
        Some(scope.find_or_new(cib))
    } else {
        scope.find_mut(cib).and_then(|scope| merge::find_mut(scope, object))
    };
    match target {
        Some(target) => {
            *target = object.clone();
            Ok(())
        }
        None => Err(Error::NotFound(merge::called(object))),
    }
}

/// The elements a path finds: the way to the parent, and the place in it.
fn found(cib: &Element, path: &XPath) -> Result<Vec<(Vec<usize>, usize)>, Error> {
    let mut places: Vec<Vec<usize>> = path.select(cib).into_iter().map(|it| it.way).collect();
    places.dedup();
    places
        .into_iter()
        .map(|mut way| {
            let at = way.pop().ok_or(Error::Root)?;
            Ok((way, at))
        })
        .collect()
}

/// What a scope holds, or what a path finds in it; for queries.
///
/// # Errors
/// When there is nothing of the kind.
pub fn query<'a>(
    cib: &'a Element,
    scope: Scope,
    path: Option<&XPath>,
) -> Result<Vec<xpath::Found<'a>>, Error> {
    match path {
        None => {
            let element = scope.find(cib).ok_or_else(|| Error::NotFound(scope.name.to_owned()))?;
            Ok(vec![xpath::Found { element, way: Vec::new(), part: xpath::Part::Whole }])
        }
        Some(path) => {
            let found = path.select(cib);
            if found.is_empty() {
                return Err(Error::NotFound(path.text().to_owned()));
            }
            Ok(found)
        }
    }
}
