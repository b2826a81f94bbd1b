//! Where a change happens: `/cib/configuration/nodes/node[@id='1']`.
//!
//! This is the fraction of XPath that patches use: from the root down, each step a name and, where
//! the element has one, its id. Ids are not quoted on the wire, so an id with an apostrophe or a
//! slash cannot be told in a path that others read; [`Step::can_be_told`] says so beforehand.

use std::fmt;

use crate::xml::{Element, Node};

/// One step down.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// The element's name, or `comment`.
    pub name: String,
    /// Its id, if it has one.
    pub id: Option<String>,
}

/// The steps from the root to a place.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Path {
    steps: Vec<Step>,
}

impl Step {
    /// The step to an element.
    #[must_use]
    pub fn to(element: &Element) -> Self {
        Self { name: element.name().to_owned(), id: element.id().map(str::to_owned) }
    }

    /// Whether an element is the one meant. A step without an id takes any of its name.
    #[must_use]
    pub fn matches(&self, element: &Element) -> bool {
        element.name() == self.name && self.id.as_deref().is_none_or(|id| element.id() == Some(id))
    }

    /// Whether every reader understands it.
    #[must_use]
    pub fn can_be_told(&self) -> bool {
        let plain = |text: &str| {
            !text.is_empty()
                && !text.contains(['\'', '"', '/', '[', ']', '&', '<', '>'])
                && !text.contains(|c: char| c.is_control() || c.is_whitespace())
        };
        self.name != "comment" && plain(&self.name) && self.id.as_deref().is_none_or(plain)
    }
}

impl Path {
    /// The path one step further down.
    #[must_use]
    pub fn with(&self, step: Step) -> Self {
        let mut steps = self.steps.clone();
        steps.push(step);
        Self { steps }
    }

    /// The steps, from the root on.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The names along it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().map(|step| step.name.as_str())
    }

    /// The path without its last step.
    #[must_use]
    pub fn parent(&self) -> Self {
        let end = self.steps.len().saturating_sub(1);
        Self { steps: self.steps[..end].to_vec() }
    }

    /// All the ways down that it fits in a document, as positions among the children. More than
    /// one where siblings share a name and id.
    #[must_use]
    pub fn ways(&self, root: &Element) -> Vec<Vec<usize>> {
        let Some((first, steps)) = self.steps.split_first() else { return Vec::new() };
        if !first.matches(root) {
            return Vec::new();
        }
        let mut ways: Vec<(Vec<usize>, &Element)> = vec![(Vec::new(), root)];
        for step in steps {
            let down = |(way, element): &(Vec<usize>, &'_ Element)| {
                let way = way.clone();
                let fits = |(at, node): (usize, &Node)| {
                    node.element().is_some_and(|it| step.matches(it)).then_some(at)
                };
                let found: Vec<usize> =
                    element.children.iter().enumerate().filter_map(fits).collect();
                found.into_iter().map(move |at| [&way[..], &[at]].concat()).collect::<Vec<_>>()
            };
            let next: Vec<Vec<usize>> = ways.iter().flat_map(down).collect();
            ways = next
                .into_iter()
                .filter_map(|way| {
                    let element = way
                        .iter()
                        .try_fold(root, |element, at| element.children.get(*at)?.element())?;
                    Some((way, element))
                })
                .collect();
        }
        ways.into_iter().map(|(way, _)| way).collect()
    }

    /// Reads a path.
    ///
    /// # Errors
    /// When it is none; the error says why.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            rest = rest.strip_prefix('/').ok_or("a step begins with `/`")?;
            let end = rest.find(['/', '[']).unwrap_or(rest.len());
            let (name, behind) = rest.split_at(end);
            if name.is_empty() {
                return Err("a step needs a name".to_owned());
            }
            rest = behind;
            let mut id = None;
            if let Some(quoted) = rest.strip_prefix("[@id='") {
                // The id itself is not escaped: it ends where the step does.
                let end = quoted
                    .match_indices("']")
                    .map(|(at, _)| at)
                    .find(|at| matches!(quoted.as_bytes().get(at + 2), None | Some(b'/')))
                    .ok_or("`[@id='` is never closed by `']`")?;
                id = Some(quoted[..end].to_owned());
                rest = &quoted[end + 2..];
            } else if rest.starts_with('[') {
                return Err("only `[@id='…']` can follow a name".to_owned());
            }
            steps.push(Step { name: name.to_owned(), id });
        }
        if steps.is_empty() {
            return Err("it is empty".to_owned());
        }
        Ok(Self { steps })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            write!(f, "/{}", step.name)?;
            if let Some(id) = &step.id {
                write!(f, "[@id='{id}']")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for text in ["/cib", "/cib/nodes/node[@id='1']", "/a[@id='x/y']/b", "/a[@id='it's']/b"] {
            assert_eq!(Path::parse(text).map(|path| path.to_string()), Ok(text.to_owned()));
        }
        for bad in ["", "cib", "/", "//a", "/a[1]", "/a[@id='x", "/a[@id='x']b", "/a/"] {
            assert!(Path::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_that_cannot_be_told() {
        let step = |id: &str| Step::to(&Element::new("a").with("id", id));
        assert!(step("r-1.x_y").can_be_told());
        for id in ["", "it's", "a/b", "a b", "a]b"] {
            assert!(!step(id).can_be_told(), "{id}");
        }
    }
}
