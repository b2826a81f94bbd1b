//! Whether a change is allowed, by what it changes.
//!
//! The change is taken apart as a patch. To take something away or change its attributes, one
//! needs to be allowed to write it as it was; to change or add something, also as it will be, so
//! that nobody can make what they may write out of what they may not. Elements that say nothing
//! (no attribute, or only an id) may be added by anybody on the way to something allowed.

use super::Permission;
use super::marks::{Mark, Marks};
use crate::patch::{Change, Path, diff};
use crate::version;
use crate::xml::{Element, Node};

/// A change that is not allowed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "not allowed to {what} {path}: an administrator can grant it with an acl_permission of kind write"
)]
pub struct Denied {
    /// What was to be done.
    pub what: &'static str,
    /// Where.
    pub path: String,
}

/// Attributes of `<cib>` that change with every write.
const NOTES: [&str; 4] = ["cib-last-written", "update-origin", "update-client", "update-user"];

pub(super) fn check(
    permissions: &[Permission],
    old: &Element,
    new: &Element,
) -> Result<(), Denied> {
    let denied = |what, path: &Path| Denied { what, path: path.to_string() };
    let Ok(patch) = diff(old, new, false) else {
        return Err(Denied { what: "replace", path: format!("/{}", old.name()) });
    };
    let before = Marks::new(old, permissions);
    let after = Marks::new(new, permissions);
    let may_write = |marks: &Marks, ways: &[Vec<usize>]| {
        !ways.is_empty() && ways.iter().all(|way| marks.may_write(way))
    };
    for change in &patch.changes {
        match change {
            Change::Delete { path, position } => {
                // A path may fit several; then all must be allowed.
                let ways = match position {
                    None => path.ways(old),
                    Some(_) => path.parent().ways(old),
                };
                let below = position.is_none() && ways.iter().any(|way| before.denies_below(way));
                if !may_write(&before, &ways) || below {
                    return Err(denied("delete", path));
                }
            }
            Change::Modify { path, set, unset, .. } => {
                let told = |name: &str| {
                    path.steps().len() > 1
                        || !(version::ATTRIBUTES.contains(&name) || NOTES.contains(&name))
                };
                let names = set.iter().map(|(name, _)| name).chain(unset);
                let matters = names.clone().next().is_none() || names.clone().any(|it| told(it));
                let allowed =
                    may_write(&before, &path.ways(old)) && may_write(&after, &path.ways(new));
                if matters && !allowed {
                    return Err(denied("change", path));
                }
            }
            Change::Move { path, .. } => {
                let allowed = may_write(&before, &path.ways(old))
                    || may_write(&before, &path.parent().ways(old));
                if !allowed {
                    return Err(denied("move", path));
                }
            }
            Change::Create { path, node, .. } => {
                let parents = path.ways(new);
                let created = parents.iter().flat_map(|way| places(new, way, node));
                let mut any = false;
                for way in created {
                    any = true;
                    let element = element_at(new, &way);
                    if !element.is_some_and(|it| may_create(it, &after, &mut way.clone())) {
                        return Err(denied("create something in", path));
                    }
                }
                // Comments and text belong to the element around them.
                if !any && !may_write(&after, &parents) {
                    return Err(denied("write into", path));
                }
            }
        }
    }
    Ok(())
}

/// Where under a parent an equal node stands.
fn places(root: &Element, parent: &[usize], node: &Node) -> Vec<Vec<usize>> {
    let Some(element) = element_at(root, parent).filter(|_| node.element().is_some()) else {
        return Vec::new();
    };
    let equal = element.children.iter().enumerate().filter(|(_, it)| *it == node);
    equal.map(|(at, _)| [parent, &[at]].concat()).collect()
}

fn element_at<'a>(root: &'a Element, way: &[usize]) -> Option<&'a Element> {
    way.iter().try_fold(root, |element, at| element.children.get(*at)?.element())
}

fn may_create(element: &Element, marks: &Marks, way: &mut Vec<usize>) -> bool {
    let allowed = marks.may_write(way);
    let bare = element.attrs().iter().all(|attr| &*attr.name == "id");
    let forbidden = marks.own(way) == Some(Mark::Deny);
    if forbidden || !(allowed || bare) {
        return false;
    }
    element.children.iter().enumerate().all(|(at, child)| match child {
        Node::Element(child) => {
            way.push(at);
            let may = may_create(child, marks, way);
            way.pop();
            may
        }
        Node::Text(text) => allowed || text.trim().is_empty(),
        _ => allowed,
    })
}
