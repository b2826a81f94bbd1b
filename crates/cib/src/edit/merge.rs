//! Finding an element by what identifies it, and merging one into another.

use super::{Error, Scope};
use crate::blank;
use crate::xml::{Element, Node};

/// An element as people call it: `primitive r1`.
pub(super) fn called(element: &Element) -> String {
    match element.id() {
        Some(id) => format!("{} {id}", element.name()),
        None => element.name().to_owned(),
    }
}

/// Whether an element is the one an object speaks of: same name and, if the object has one, id.
fn is(element: &Element, object: &Element) -> bool {
    element.name() == object.name() && object.id().is_none_or(|id| element.id() == Some(id))
}

/// The element at the end of a way down.
pub(super) fn at_mut<'a>(root: &'a mut Element, way: &[usize]) -> Option<&'a mut Element> {
    way.iter().try_fold(root, |element, at| match element.children.get_mut(*at) {
        Some(Node::Element(child)) => Some(child),
        _ => None,
    })
}

/// The first element, in document order, that an object speaks of.
pub(super) fn find_mut<'a>(root: &'a mut Element, object: &Element) -> Option<&'a mut Element> {
    if is(root, object) {
        return Some(root);
    }
    root.elements_mut().find_map(|child| find_mut(child, object))
}

pub(super) fn create(cib: &mut Element, scope: Scope, object: &Element) -> Result<(), Error> {
    if scope == Scope::CIB {
        return Err(Error::NoSection(called(object)));
    }
    let section = scope.find_or_new(cib);
    // A whole section stands for what is in it.
    let objects: Vec<&Element> =
        if object.name() == scope.name() { object.elements().collect() } else { vec![object] };
    for object in objects {
        if section.elements().any(|child| is(child, object)) {
            return Err(Error::Exists(called(object)));
        }
        push(section, object);
    }
    Ok(())
}

pub(super) fn modify(
    cib: &mut Element,
    scope: Scope,
    object: &Element,
    allow_create: bool,
) -> Result<(), Error> {
    if let Some(target) = scope.find_mut(cib).and_then(|scope| find_mut(scope, object)) {
        merge(target, object);
        return Ok(());
    }
    if object.name() == scope.name() {
        merge(scope.find_or_new(cib), object);
    } else if !allow_create {
        return Err(Error::NotFound(called(object)));
    } else if scope == Scope::CIB {
        return Err(Error::NoSection(called(object)));
    } else {
        push(scope.find_or_new(cib), object);
    }
    Ok(())
}

/// Sets the object's attributes and merges its children; what it does not mention stays.
fn merge(target: &mut Element, object: &Element) {
    for attr in object.attrs() {
        target.set(&attr.name, &attr.value);
    }
    for child in object.elements() {
        let known = target.elements_mut().find(|it| is(it, child)).map(|it| merge(it, child));
        if known.is_none() {
            push(target, child);
        }
    }
}

/// Adds a copy behind all that counts, in front of white space at the end.
fn push(parent: &mut Element, child: &Element) {
    let at = blank::index(&parent.children, usize::MAX);
    parent.children.insert(at, Node::Element(child.clone()));
}

/// Takes the first element away that has the object's name and all its attributes.
pub(super) fn delete(root: &mut Element, object: &Element) -> bool {
    let same = |element: &Element| {
        is(element, object)
            && object.attrs().iter().all(|attr| element.get(&attr.name) == Some(&attr.value))
    };
    for at in 0..root.children.len() {
        let Node::Element(child) = &mut root.children[at] else { continue };
        if same(child) {
            root.children.remove(at);
            return true;
        }
        if delete(child, object) {
            return true;
        }
    }
    false
}
