//! Named values in the document: where sets of them are, and how one is put there or taken away.
//!
//! Ids are made as Pacemaker makes them, so that what one tool wrote another finds: `nodes-1` for
//! attributes of node 1, `vip-meta_attributes` for those of vip, and the name behind a dash.

use cib::edit::Operation;
use cib::xml::Element;

use super::file::scope;

/// Where sets of named values are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// The section.
    pub(crate) scope: &'static str,
    /// From it down to what has the sets; each is found by name and id, and made if it is missing.
    holders: Vec<Element>,
    /// What the sets are called.
    sets: &'static str,
    /// The id of one that is made.
    set_id: String,
}

/// One that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Found {
    pub(crate) set: String,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) value: String,
}

impl Place {
    /// Transient attributes of a node.
    pub(crate) fn transient(id: &str, uname: &str) -> Self {
        let state = Element::new("node_state").with("id", id).with("uname", uname);
        let holders = vec![state, Element::new("transient_attributes").with("id", id)];
        let set_id = format!("status-{id}");
        Self { scope: "status", holders, sets: "instance_attributes", set_id }
    }

    /// Permanent attributes of a node, or what it has room for.
    pub(crate) fn node(id: &str, utilization: bool) -> Self {
        let holders = vec![Element::new("node").with("id", id)];
        let (sets, set_id) = match utilization {
            true => ("utilization", format!("nodes-{id}-utilization")),
            false => ("instance_attributes", format!("nodes-{id}")),
        };
        Self { scope: "nodes", holders, sets, set_id }
    }

    /// Options of the cluster, or defaults.
    pub(crate) fn options(scope: &'static str) -> Self {
        let (sets, set_id) = match scope {
            "crm_config" => ("cluster_property_set", "cib-bootstrap-options".to_owned()),
            _ => ("meta_attributes", format!("{scope}-options")),
        };
        Self { scope, holders: Vec::new(), sets, set_id }
    }

    /// Parameters (or what else `sets` says) of a resource: its element's name, and its id.
    pub(crate) fn resource(element: &str, id: &str, sets: &'static str) -> Self {
        let holders = vec![Element::new(element).with("id", id)];
        Self { scope: "resources", holders, sets, set_id: format!("{id}-{sets}") }
    }

    fn holder<'a>(&self, cib: &'a Element) -> Option<&'a Element> {
        self.holders.iter().try_fold(scope(self.scope).find(cib)?, |at, wanted| {
            let is = |it: &&Element| it.name() == wanted.name() && it.id() == wanted.id();
            at.descend().find(is)
        })
    }

    /// All that is there.
    pub(crate) fn all(&self, cib: &Element) -> Vec<Found> {
        let mut all = Vec::new();
        for set in self.holder(cib).into_iter().flat_map(|it| it.named(self.sets)) {
            for pair in set.named("nvpair") {
                let text = |name: &str| pair.get(name).unwrap_or_default().to_owned();
                let set = set.id().unwrap_or_default().to_owned();
                all.push(Found { set, id: text("id"), name: text("name"), value: text("value") });
            }
        }
        all
    }

    /// What is there of a name, perhaps in one set only.
    pub(crate) fn find(&self, cib: &Element, name: &str, set: Option<&str>) -> Vec<Found> {
        let all = self.all(cib).into_iter();
        all.filter(|it| it.name == name && set.is_none_or(|set| it.set == set)).collect()
    }

    /// Where a value of this name is or would be put: set and id.
    pub(crate) fn aim(
        &self,
        cib: &Element,
        name: &str,
        set: Option<&str>,
        id: Option<&str>,
    ) -> (String, String) {
        let known = self.find(cib, name, set).into_iter();
        let mut known = known.filter(|it| id.is_none_or(|id| it.id == id));
        if let Some(found) = known.next() {
            return (found.set, found.id);
        }
        let set = set.map_or_else(|| self.set_id.clone(), str::to_owned);
        let id = id.map_or_else(|| spelled(&format!("{set}-{name}")), str::to_owned);
        (set, id)
    }

    /// The change by which a value is there.
    pub(crate) fn put(
        &self,
        cib: &Element,
        name: &str,
        value: &str,
        set: Option<&str>,
        id: Option<&str>,
    ) -> Operation {
        let (set, id) = self.aim(cib, name, set, id);
        let pair = Element::new("nvpair").with("id", &id).with("name", name).with("value", value);
        let mut object = Element::new(self.sets).with("id", &set);
        object.push(pair);
        let own = Element::new(self.scope);
        let around =
            if self.holders.is_empty() { std::slice::from_ref(&own) } else { &self.holders };
        for holder in around.iter().rev() {
            let mut outer = holder.clone();
            outer.push(object);
            object = outer;
        }
        Operation::Modify { scope: scope(self.scope), object, allow_create: true }
    }

    /// The change by which a value is not there any more.
    pub(crate) fn take(&self, id: &str) -> Operation {
        Operation::Delete(scope(self.scope), Element::new("nvpair").with("id", id))
    }
}

/// What an XML id can be.
fn spelled(text: &str) -> String {
    let fits = |it: char| it.is_alphanumeric() || matches!(it, '-' | '_' | '.');
    text.chars().map(|it| if fits(it) { it } else { '.' }).collect()
}
