//! Mistakes in constraints.

use cib::value::truth;
use cib::xml::Element;

use super::finding::Findings;

/// Looks at every constraint there is.
pub(super) fn check(configuration: Option<&Element>, fencing: bool, found: &mut Findings) {
    let constraints = configuration.and_then(|it| it.child("constraints"));
    for constraint in constraints.into_iter().flat_map(Element::elements) {
        let id = constraint.id().unwrap_or_default();
        match constraint.name() {
            "rsc_order" => order(configuration, constraint, id, found),
            "rsc_colocation" => colocation(configuration, constraint, id, found),
            "rsc_location" => {
                let pattern = constraint.get("rsc-pattern");
                let pattern = pattern.map(|it| it.strip_prefix('!').unwrap_or(it));
                if pattern.is_some_and(|it| regex_lite::Regex::new(it).is_err()) {
                    let pattern = constraint.get("rsc-pattern").unwrap_or_default();
                    found.error(format!(
                        "constraint {id} is ignored: its rsc-pattern `{pattern}` is no regular \
                         expression"
                    ));
                }
            }
            "rsc_ticket" if constraint.get("loss-policy") == Some("fence") && !fencing => {
                let ticket = constraint.get("ticket").unwrap_or_default();
                found.error(format!(
                    "constraint {id}: loss-policy `fence` of ticket {ticket} wants fencing, and \
                     there is none: `stop` is taken"
                ));
            }
            _ => {}
        }
    }
}

fn order(configuration: Option<&Element>, order: &Element, id: &str, found: &mut Findings) {
    let kind = order.get("kind").map(str::to_lowercase);
    match kind.as_deref() {
        None if order.get("score").is_some() => {
            found.deprecated(&format!("constraint {id}: the score of an order"), "write its kind");
        }
        None | Some("mandatory" | "optional" | "serialize") => {}
        Some(_) => found.error(format!(
            "constraint {id}: kind `{}` is not understood and Mandatory is taken; write Mandatory, \
             Optional or Serialize",
            order.get("kind").unwrap_or_default()
        )),
    }
    if kind.as_deref() == Some("serialize")
        && order.get("symmetrical").and_then(truth) == Some(true)
    {
        let sets = order.named("resource_set").filter_map(Element::id);
        for id in std::iter::once(id).chain(sets) {
            found
                .warning(format!("constraint {id}: turns have no reverse; symmetrical is ignored"));
        }
    }
    let first = order.get("first");
    let all = configuration.and_then(|it| it.child("resources"));
    let mut clones = all.into_iter().flat_map(Element::elements);
    let clone = clones.any(|it| it.id() == first && ["clone", "master"].contains(&it.name()));
    if first.is_some() && clone && order.get("require-all").and_then(truth) == Some(false) {
        let what = format!("constraint {id}: require-all of an order");
        found.deprecated(&what, "give the clone a clone-min");
    }
}

fn colocation(configuration: Option<&Element>, it: &Element, id: &str, found: &mut Findings) {
    let stands_for_many = |name: &str| {
        let wanted = it.get(name);
        let tags = configuration.and_then(|it| it.child("tags"));
        let mut tags = tags.into_iter().flat_map(|it| it.named("tag"));
        let resources = configuration.and_then(|it| it.child("resources"));
        let mut templates = resources.into_iter().flat_map(|it| it.named("template"));
        wanted.is_some()
            && (tags.any(|it| it.id() == wanted) || templates.any(|it| it.id() == wanted))
    };
    if stands_for_many("rsc") && stands_for_many("with-rsc") {
        found.error(format!(
            "constraint {id} is ignored: one side of a colocation may be a tag or template, not both"
        ));
    }
}
