//! Making a patch.
//!
//! Siblings are matched by name and id; what cannot be told by a path (two of the same name and
//! id, ids with apostrophes, comments, text) is never changed in place but taken away and made
//! anew. For the order, the applying side is acted out: it takes up what moves and goes through the
//! final positions from the first on, so whatever is not the next of those left when its turn comes
//! gets a move, and after its turn the beginning of the list is final. That makes patches that lead to the new document
//! however much was shuffled.

use std::collections::HashMap;

use super::path::Step;
use super::{Change, Patch, Path};
use crate::blank;
use crate::version::Version;
use crate::xml::{Element, Node};

/// Two documents so unlike that no patch leads from one to the other.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unlike {
    /// The roots are different elements.
    #[error("<{old}> cannot become <{new}> by a patch: replace the document instead")]
    Root {
        /// The old root's name.
        old: String,
        /// The new root's name.
        new: String,
    },
    /// A version cannot be read.
    #[error(transparent)]
    Version(#[from] crate::version::Error),
}

/// The patch that makes `new` out of `old`. With `versions`, it is bound to their versions.
///
/// # Errors
/// When the roots are unlike, or a version is no number.
pub fn diff(old: &Element, new: &Element, versions: bool) -> Result<Patch, Unlike> {
    let step = Step::to(old);
    if step != Step::to(new) || (step.id.is_some() && !step.can_be_told()) {
        return Err(Unlike::Root { old: old.name().to_owned(), new: new.name().to_owned() });
    }
    let mut made = Made::default();
    made.element(&Path::default().with(step), old, new);
    let mut changes = made.deletes;
    changes.append(&mut made.rest);
    let versions = versions.then(|| Ok::<_, Unlike>((Version::of(old)?, Version::of(new)?)));
    Ok(Patch { versions: versions.transpose()?, digest: None, changes })
}

#[derive(Default)]
struct Made {
    deletes: Vec<Change>,
    rest: Vec<Change>,
}

/// What makes a child one and the same in both documents.
#[derive(PartialEq, Eq, Hash, Clone, Copy)]
enum Key<'a> {
    /// An element that a path can name.
    Named(&'a str, Option<&'a str>),
    /// Anything else is the same when its text is.
    Pinned,
}

impl Made {
    fn element(&mut self, path: &Path, old: &Element, new: &Element) {
        self.attributes(path, old, new);
        self.children(path, old, new);
    }

    fn attributes(&mut self, path: &Path, old: &Element, new: &Element) {
        // The order counts, too: digests see it.
        if old.attrs() == new.attrs() {
            return;
        }
        let set = new
            .attrs()
            .iter()
            .filter(|attr| old.get(&attr.name) != Some(&attr.value))
            .map(|attr| (attr.name.clone(), attr.value.clone()))
            .collect();
        let unset = old
            .attrs()
            .iter()
            .filter(|attr| new.get(&attr.name).is_none())
            .map(|attr| attr.name.clone())
            .collect();
        let mut result = Element::new(new.name());
        for attr in new.attrs() {
            result.set(&attr.name, &attr.value);
        }
        self.rest.push(Change::Modify { path: path.clone(), set, unset, result });
    }

    fn children(&mut self, path: &Path, old: &Element, new: &Element) {
        let before: Vec<&Node> = old.children.iter().filter(|node| !blank::is(node)).collect();
        let after: Vec<&Node> = new.children.iter().filter(|node| !blank::is(node)).collect();
        if before == after {
            return;
        }
        let keys_before = keys(&before);
        let keys_after = keys(&after);
        let names: HashMap<Key<'_>, usize> = keys_before
            .iter()
            .enumerate()
            .filter(|(_, key)| **key != Key::Pinned)
            .map(|(at, key)| (*key, at))
            .collect();
        // For each new child the old one it continues.
        let named = |at: usize| match keys_after[at] {
            Key::Pinned => None,
            key => names.get(&key).copied(),
        };
        let mut from: Vec<Option<usize>> = (0..after.len()).map(named).collect();
        let with_pinned = pinned(&before, &after, &keys_before, &keys_after, &from);
        if !needs_a_move(&with_pinned, &keys_after, before.len()) {
            from = with_pinned;
        }
        self.gone(path, &before, &from);
        self.order(path, &before, &after, &from);
    }

    /// Old children that no new one continues. Those without an id go first and from the last to
    /// the first, so that their positions hold.
    fn gone(&mut self, path: &Path, before: &[&Node], from: &[Option<usize>]) {
        let kept: std::collections::HashSet<usize> = from.iter().flatten().copied().collect();
        let gone = (0..before.len()).filter(|at| !kept.contains(at));
        let (comments, elements): (Vec<usize>, Vec<usize>) =
            gone.partition(|at| before[*at].element().is_none());
        for at in comments.into_iter().rev() {
            let step = Step { name: "comment".to_owned(), id: None };
            self.deletes.push(Change::Delete { path: path.with(step), position: Some(at) });
        }
        let mut steps: Vec<Step> = elements
            .into_iter()
            .filter_map(|at| before[at].element())
            .map(Step::to)
            .map(|step| if step.can_be_told() { step } else { Step { id: None, ..step } })
            .collect();
        // A step without an id takes any of its name, so it must come when only those are left.
        steps.sort_by_key(|step| step.id.is_none());
        for step in steps {
            self.deletes.push(Change::Delete { path: path.with(step), position: None });
        }
    }

    fn order(&mut self, path: &Path, before: &[&Node], after: &[&Node], from: &[Option<usize>]) {
        let mut stay = moves(from, before.len()).into_iter();
        for (position, (node, origin)) in after.iter().zip(from).enumerate() {
            let moved = stay.next().unwrap_or(true);
            match origin.and_then(|at| before[at].element()).zip(node.element()) {
                Some((old, new)) => {
                    let path = path.with(Step::to(old));
                    if old != new {
                        self.element(&path, old, new);
                    }
                    if moved {
                        self.rest.push(Change::Move { path, position });
                    }
                }
                None if origin.is_some() => {}
                None => {
                    let node = (*node).clone();
                    self.rest.push(Change::Create { path: path.clone(), position, node });
                }
            }
        }
    }
}

/// The key of each child: pinned where a path would mean another one, or several.
fn keys<'a>(nodes: &[&'a Node]) -> Vec<Key<'a>> {
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    let mut by_key: HashMap<(&str, Option<&str>), usize> = HashMap::new();
    let mut nameless: std::collections::HashSet<&str> = std::collections::HashSet::new();
    for element in nodes.iter().filter_map(|node| node.element()) {
        *by_name.entry(element.name()).or_default() += 1;
        *by_key.entry((element.name(), element.id())).or_default() += 1;
        if element.id().is_none() || !Step::to(element).can_be_told() {
            nameless.insert(element.name());
        }
    }
    let key = |node: &&'a Node| {
        let Some(element) = node.element() else { return Key::Pinned };
        let (name, id) = (element.name(), element.id());
        let alone = if nameless.contains(name) {
            by_name.get(name) == Some(&1)
        } else {
            by_key.get(&(name, id)) == Some(&1)
        };
        if alone && Step::to(element).can_be_told() {
            Key::Named(element.name(), element.id())
        } else {
            Key::Pinned
        }
    };
    nodes.iter().map(key).collect()
}

/// Completes `from` with pinned children that are the same in both documents, pairwise in order.
fn pinned(
    before: &[&Node],
    after: &[&Node],
    keys_before: &[Key<'_>],
    keys_after: &[Key<'_>],
    from: &[Option<usize>],
) -> Vec<Option<usize>> {
    let mut from = from.to_vec();
    let of = |keys: &[Key<'_>]| -> Vec<usize> {
        keys.iter().enumerate().filter(|(_, key)| **key == Key::Pinned).map(|(at, _)| at).collect()
    };
    let (old, new) = (of(keys_before), of(keys_after));
    // A path to one of several means the first, so either all of them stay or none does.
    let all_stay =
        old.len() == new.len() && old.iter().zip(&new).all(|(a, b)| before[*a] == after[*b]);
    if all_stay {
        for (a, b) in old.into_iter().zip(new) {
            from[b] = Some(a);
        }
        return from;
    }
    // Comments have a place of their own: those that are the same, in order, may stay.
    let comment = |node: &Node| matches!(node, Node::Comment(_));
    let mut next = 0;
    for b in new.into_iter().filter(|at| comment(after[*at])) {
        let found = old.iter().skip(next).position(|a| before[*a] == after[b]);
        if let Some(skip) = found {
            from[b] = Some(old[next + skip]);
            next += skip + 1;
        }
    }
    from
}

/// Acts out the applying side; for each new child, whether it is out of place at its turn.
fn moves(from: &[Option<usize>], before: usize) -> Vec<bool> {
    let kept: std::collections::HashSet<usize> = from.iter().flatten().copied().collect();
    // What is still to come, in its present order: the beginning is final at any time.
    let mut waiting: std::collections::BTreeSet<usize> =
        (0..before).filter(|at| kept.contains(at)).collect();
    from.iter()
        .map(|origin| match origin {
            None => false,
            Some(at) => {
                let in_place = waiting.first() == Some(at);
                waiting.remove(at);
                !in_place
            }
        })
        .collect()
}

fn needs_a_move(from: &[Option<usize>], keys: &[Key<'_>], before: usize) -> bool {
    moves(from, before).iter().zip(keys).any(|(moved, key)| *moved && *key == Key::Pinned)
}
