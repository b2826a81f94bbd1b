//! A cluster at a glance, for `mainstay status`: what `crm_mon` shows, and why what does not run does
//! not, and what was asked for by hand and still holds.

use std::fmt::Write as _;

use cib::Cib;
use cib::dates::WallTime;
use cib::xml::Element;
use sched::{Observed, Role, Shape};
use serde_json::{Value, json};

use crate::live::monitor::failure;
use crate::live::resource::moves::left;
use crate::{text, why};

/// For people.
#[must_use]
pub fn page(root: &Element, now: WallTime) -> String {
    let cib = Cib::read(root);
    let seen = sched::observe(&cib, now);
    let mut page = text::held_back(&seen);
    page.push_str(&text::status("What the cluster knows of its resources:", &seen, true));
    let mut section = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            let _ = writeln!(page, "\n  * {title}:");
        }
        for line in lines {
            let _ = writeln!(page, "    * {line}");
        }
    };
    section("Failed Resource Actions", seen.failed.iter().map(failure).collect());
    let idle = why::idle(&cib, now).into_iter();
    section("Not running, because", idle.map(|(id, why)| format!("{id}: {why}")).collect());
    section("Asked for by hand, until cleared", left(root, None).map(asked).collect());
    page
}

/// A constraint that a tool has left, in words.
fn asked(constraint: &Element) -> String {
    let said = |name: &str| constraint.get(name).unwrap_or_default();
    let rule = constraint.child("rule");
    let of_rule = |child: &str, name: &str| rule.and_then(|it| it.child(child)?.get(name));
    let node = constraint.get("node").or(of_rule("expression", "value")).unwrap_or_default();
    let score = constraint.get("score").or(rule.and_then(|it| it.get("score"))).unwrap_or_default();
    let verb = if score.starts_with('-') { "not on" } else { "on" };
    let role = if said("role") == "Promoted" { " (promoted)" } else { "" };
    let until = of_rule("date_expression", "end");
    let until = until.map_or_else(String::new, |it| format!(", until {it}"));
    format!("{}{role} {verb} {node}{until} ({})", said("rsc"), said("id"))
}

/// For programs.
#[must_use]
pub fn json(root: &Element, now: WallTime) -> Value {
    let cib = Cib::read(root);
    let seen = sched::observe(&cib, now);
    let idle = why::idle(&cib, now);
    let names = |places: &[usize]| -> Vec<&str> {
        places.iter().map(|at| &*seen.nodes[*at].name).collect()
    };
    let resources = seen.resources.iter().filter(|it| it.shape == Shape::Primitive && !it.internal);
    let resources = resources.map(|it| {
        let why = idle.iter().find(|(id, _)| **id == *it.id).map(|(_, why)| why);
        json!({
            "id": &*it.id,
            "agent": agent(it),
            "role": it.role.word(),
            "nodes": names(&it.running_on),
            "managed": it.managed,
            "failed": it.failed,
            "blocked": it.blocked,
            "disabled": it.target_role == Some(Role::Stopped),
            "why_not_running": why,
        })
    });
    json!({
        "nodes": nodes(&seen),
        "resources": resources.collect::<Vec<_>>(),
        "failures": seen.failed.iter().map(failure).collect::<Vec<_>>(),
        "asked_by_hand": left(root, None).map(asked).collect::<Vec<_>>(),
    })
}

fn agent(it: &sched::ResourceView) -> String {
    let parts = [&it.class, &it.provider, &it.agent];
    let parts: Vec<&str> = parts.into_iter().map(|it| &**it).filter(|it| !it.is_empty()).collect();
    parts.join(":")
}

fn nodes(seen: &Observed) -> Vec<Value> {
    let node = |it: &sched::NodeView| {
        json!({
            "name": &*it.name,
            "online": it.online,
            "unclean": it.unclean,
            "standby": it.standby,
            "maintenance": it.maintenance,
            "dc": it.is_dc,
        })
    };
    seen.nodes.iter().map(node).collect()
}
