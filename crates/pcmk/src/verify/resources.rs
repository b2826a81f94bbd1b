//! Mistakes in the definitions of resources.
//!
//! What a resource says of itself is asked for from the inside out: its own meta attributes, those
//! of its template, those of what it is part of, the defaults for all.

use std::collections::HashMap;

use cib::value::{milliseconds, truth};
use cib::xml::Element;

use super::finding::Findings;

const SHAPES: [&str; 5] = ["primitive", "group", "clone", "master", "bundle"];

/// What matters beyond one resource.
pub(super) struct Surroundings<'a> {
    pub configuration: Option<&'a Element>,
    pub fencing: bool,
    /// Keys of the actions that were planned, needed or not.
    pub actions: &'a [String],
}

impl<'a> Surroundings<'a> {
    fn template(&self, resource: &Element) -> Option<&'a Element> {
        let wanted = resource.get("template")?;
        let mut all = self.configuration?.child("resources")?.named("template");
        all.find(|template| template.id() == Some(wanted))
    }

    /// A meta attribute of the last of a chain of resources, each part of the one before.
    fn meta(&self, chain: &[&'a Element], name: &str) -> Option<&'a str> {
        let own = chain.iter().rev().flat_map(|it| std::iter::once(*it).chain(self.template(it)));
        let defaults = self.configuration.and_then(|it| it.child("rsc_defaults"));
        own.chain(defaults).find_map(|it| attribute(it, name))
    }

    fn class<'b>(&self, resource: &'b Element) -> &'b str
    where
        'a: 'b,
    {
        let own = resource.get("class");
        own.or_else(|| self.template(resource)?.get("class")).unwrap_or_default()
    }

    /// The names under which a resource has an operation in the plan, needed or not.
    fn planned(&self, resource: &str, operation: &str, interval: i64) -> Vec<&'a str> {
        let end = format!("_{operation}_{interval}");
        let named = |key: &'a String| {
            let id = key.split(' ').next().and_then(|key| key.strip_suffix(&end))?;
            let rest = id.strip_prefix(resource)?;
            (rest.is_empty() || rest.starts_with(':')).then_some(id)
        };
        self.actions.iter().filter_map(named).collect()
    }
}

fn attribute<'a>(of: &'a Element, name: &str) -> Option<&'a str> {
    // Of old, there was another element in between.
    let mut pairs = of.named("meta_attributes").flat_map(Element::descend);
    pairs.find(|pair| pair.get("name") == Some(name))?.get("value")
}

/// Looks at every resource there is.
pub(super) fn check(around: &Surroundings<'_>, found: &mut Findings) {
    let resources = around.configuration.and_then(|it| it.child("resources"));
    for top in resources.into_iter().flat_map(Element::elements) {
        visit(around, &mut vec![top], found);
    }
}

fn visit<'a>(around: &Surroundings<'a>, chain: &mut Vec<&'a Element>, found: &mut Findings) {
    let Some(resource) = chain.last().copied() else { return };
    if !SHAPES.contains(&resource.name()) {
        return;
    }
    let id = resource.id().unwrap_or_default();
    if resource.get("template").is_some_and(|template| template == id) {
        found.error(format!("{id} is ignored: it is its own template"));
        return;
    }
    meta(around, chain, id, found);
    match resource.name() {
        "group" => ordered(resource, found),
        "clone" | "master" => unique(around, resource, id, found),
        "bundle" => reachable(resource, id, found),
        "primitive" => operations(around, chain, id, found),
        _ => {}
    }
    for part in resource.elements() {
        chain.push(part);
        visit(around, chain, found);
        chain.pop();
    }
}

fn meta(around: &Surroundings<'_>, chain: &[&Element], id: &str, found: &mut Findings) {
    if let Some(role) = around.meta(chain, "target-role") {
        let is = |words: &[&str]| words.iter().any(|word| role.eq_ignore_ascii_case(word));
        if is(&["promoted", "master", "unpromoted", "slave"]) {
            let promotable = chain.first().is_some_and(|top| {
                top.name() == "master"
                    || top.name() == "bundle"
                    || around.meta(&[top], "promotable").and_then(truth) == Some(true)
            });
            if !promotable {
                found.error(format!(
                    "{id}: target-role `{role}` is for promotable clones and is ignored"
                ));
            }
        } else if !is(&["started", "stopped", "default", "#default"]) {
            found.error(format!(
                "{id}: target-role `{role}` is not understood and is ignored; write Started, \
                 Stopped, Promoted or Unpromoted"
            ));
        }
    }
    let disabled = !around.fencing;
    match around.meta(chain, "requires").map(str::to_lowercase).as_deref() {
        Some("fencing") if disabled => {
            found.warning(format!("{id} requires fencing, and there is none"));
        }
        Some("unfencing") if disabled => found
            .warning(format!("{id} requires unfencing, and there is no fencing: quorum is taken")),
        None | Some("nothing" | "quorum" | "fencing" | "unfencing") => {}
        Some(other) => {
            let default = if disabled { "quorum" } else { "fencing" };
            found.error(format!(
                "{id}: requires `{other}` is not understood and {default} is taken; write nothing, \
                 quorum, fencing or unfencing"
            ));
        }
    }
    if let Some(value) = around.meta(chain, "multiple-active") {
        let known = ["stop_only", "block", "stop_start", "stop_unexpected"];
        if !known.contains(&value) {
            found.warning(format!(
                "{id}: multiple-active `{value}` is not understood and stop_start is taken; write \
                 one of {}",
                known.join(", ")
            ));
        }
    }
    if let Some(container) = around.meta(chain, "container") {
        let mut all = around.configuration.into_iter().flat_map(Element::descend);
        if !all.any(|it| SHAPES.contains(&it.name()) && it.id() == Some(container)) {
            found.error(format!("{id}: its container `{container}` is not configured"));
        }
    }
    if around.meta(chain, "restart-type").is_some() {
        found.deprecated(&format!("{id}: restart-type"), "");
    }
}

fn ordered(group: &Element, found: &mut Findings) {
    for name in ["ordered", "collocated"] {
        if attribute(group, name).and_then(truth) == Some(false) {
            let id = group.id().unwrap_or_default();
            found.deprecated(&format!("{id}: {name}=false"), "write a resource set");
        }
    }
}

fn unique(around: &Surroundings<'_>, clone: &Element, id: &str, found: &mut Findings) {
    let wanted = attribute(clone, "globally-unique").and_then(truth) == Some(true);
    for part in clone.descend().filter(|it| wanted && it.name() == "primitive") {
        let class = around.class(part);
        if !["ocf", "stonith"].contains(&class) {
            found.warning(format!(
                "{id}: globally-unique is ignored, for {} is of class {class}, whose instances \
                 cannot be told apart",
                part.id().unwrap_or_default()
            ));
        }
    }
}

fn reachable(bundle: &Element, id: &str, found: &mut Findings) {
    let Some(inside) = bundle.child("primitive").and_then(Element::id) else { return };
    let network = bundle.child("network");
    let given = |name: &str| network.is_some_and(|it| it.get(name).is_some());
    if !given("ip-range-start") && !given("control-port") {
        found.error(format!(
            "{id} is ignored: nobody can speak with {inside} in it; give its <network> an \
             ip-range-start or a control-port"
        ));
    }
}

fn operations(around: &Surroundings<'_>, chain: &[&Element], id: &str, found: &mut Findings) {
    let Some(resource) = chain.last() else { return };
    let own = resource.child("operations").map(|list| list.named("op").collect::<Vec<_>>());
    let inherited = around.template(resource).and_then(|it| it.child("operations"));
    let mut known: HashMap<(String, i64), String> = HashMap::new();
    for op in own.into_iter().flatten() {
        operation(around, op, id, found);
        duplicate(op, &mut known, found);
    }
    known.clear();
    for op in inherited.into_iter().flat_map(|list| list.named("op")) {
        operation(around, op, id, found);
        duplicate(op, &mut known, found);
    }
}

fn interval(op: &Element) -> i64 {
    op.get("interval").and_then(milliseconds).unwrap_or(0)
}

fn duplicate(op: &Element, known: &mut HashMap<(String, i64), String>, found: &mut Findings) {
    let name = op.get("name").unwrap_or_default();
    if interval(op) <= 0 || ["start", "stop", "promote", "demote"].contains(&name) {
        return;
    }
    let id = op.id().unwrap_or_default();
    if let Some(first) = known.get(&(name.to_owned(), interval(op))) {
        found.error(format!(
            "operation {id} says again what {first} says: {name} at the same interval"
        ));
    } else {
        known.insert((name.to_owned(), interval(op)), id.to_owned());
    }
}

fn operation(around: &Surroundings<'_>, op: &Element, resource: &str, found: &mut Findings) {
    let name = op.get("name").unwrap_or_default();
    let every = interval(op);
    if every > 0 && ["start", "stop", "promote", "demote"].contains(&name) {
        let id = op.id().unwrap_or_default();
        found.error(format!("operation {id} is ignored: {name} cannot recur"));
        return;
    }
    let promoted = op.get("role").is_some_and(|role| ["Promoted", "Master"].contains(&role));
    let on_fail = op.get("on-fail").or_else(|| attribute(op, "on-fail")).unwrap_or_default();
    if on_fail.is_empty() {
        return;
    }
    // Who fails in a way that never matters is not told.
    for resource in around.planned(resource, name, every) {
        failure(around, (resource, name, every), on_fail, promoted, found);
    }
}

fn failure(
    around: &Surroundings<'_>,
    (resource, name, every): (&str, &str, i64),
    on_fail: &str,
    promoted: bool,
    found: &mut Findings,
) {
    if name == "stop" && ["stop", "demote"].contains(&on_fail) {
        found.error(format!(
            "{resource}: a stop that fails cannot have on-fail `{on_fail}`; the default is taken"
        ));
    } else if on_fail == "demote"
        && !(name == "promote" || (name == "monitor" && every > 0 && promoted))
    {
        found.error(format!(
            "{resource}: on-fail `demote` is for promote and for monitors of the promoted role, not \
             for {name}; the default is taken"
        ));
    } else if on_fail == "fence" && !around.fencing {
        found.error(format!(
            "{resource}: on-fail `fence` of {name} wants fencing, and there is none: `stop` is taken"
        ));
    }
}
