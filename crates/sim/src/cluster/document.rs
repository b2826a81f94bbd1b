//! The documents these clusters begin with, and how administrators change them.

use core::fmt::Write;

use cib::xml::Element;
use cluster::operation::{CibChange, Operation};

use crate::scenario::Scene;

/// How many resources there are; the last is not covered by leases where there is fencing.
pub(super) const RESOURCES: usize = 3;

/// The fence device.
pub(super) const FENCE: &str = "f";

/// The document of a new cluster.
pub(super) fn blank(fencing: bool) -> Element {
    let mut text = format!(
        "<cib validate-with='pacemaker-3.9' crm_feature_set='3.19.0' admin_epoch='0' epoch='1' \
         num_updates='0'><configuration><crm_config><cluster_property_set id='o'><nvpair id='o-s' \
         name='stonith-enabled' value='{fencing}'/><nvpair id='o-f' name='start-failure-is-fatal' \
         value='false'/></cluster_property_set></crm_config><nodes/><resources>"
    );
    if fencing {
        text += "<primitive id='f' class='stonith' type='fence_lab'/>";
    }
    for at in 0..RESOURCES {
        let _ =
            write!(text, "<primitive id='r{at}' class='ocf' provider='heartbeat' type='Dummy'/>");
    }
    text += "</resources><constraints/></configuration><status/></cib>";
    parse(&text)
}

/// The document of a scenario.
pub(super) fn of_scene(scene: &Scene) -> Element {
    parse(&format!(
        "<cib validate-with='pacemaker-3.9' crm_feature_set='3.19.0' admin_epoch='0' epoch='1' \
         num_updates='0'><configuration>{}<nodes/>{}{}</configuration><status/></cib>",
        Scene::options(),
        scene.resources(),
        Scene::constraints(None)
    ))
}

fn parse(text: &str) -> Element {
    match cib::xml::parse(text) {
        Ok(document) => document.root,
        Err(error) => unreachable!("the document is well-formed: {error}"),
    }
}

/// An option of the cluster.
pub(super) fn option(name: &str, value: &str) -> Operation {
    let pair = format!("<nvpair id='o-{name}' name='{name}' value='{value}'/>");
    let set = format!("<cluster_property_set id='o'>{pair}</cluster_property_set>");
    modify("crm_config", set)
}

/// The wanderer is wanted there, or nowhere in particular.
pub(super) fn preferred(node: Option<&str>) -> Operation {
    match node {
        Some(node) => modify("constraints", Scene::preference(node)),
        None => {
            let path = "//rsc_location[@id='s-at']".to_owned();
            let change = CibChange::DeleteAt { path, all: true };
            Operation::Cib { expect: None, change }
        }
    }
}

/// A node is to run nothing, or everything again.
pub(super) fn standby(cib: &Element, node: &str, on: bool) -> Operation {
    let nodes = cib.child("configuration").and_then(|it| it.child("nodes"));
    let known = nodes.into_iter().flat_map(|it| it.named("node"));
    let id = known.filter(|it| it.get("uname") == Some(node)).find_map(Element::id);
    let id = id.unwrap_or(node);
    let value = if on { "on" } else { "off" };
    let xml = format!(
        "<node id='{id}' uname='{node}'><instance_attributes id='{id}-a'><nvpair id='{id}-s' \
         name='standby' value='{value}'/></instance_attributes></node>"
    );
    modify("nodes", xml)
}

/// A change that leaves a mark by which it is found again.
pub(super) fn marked(number: u64) -> Operation {
    let xml = format!(
        "<cluster_property_set id='o'><nvpair id='{}' name='mark-{number}' value='1'/>\
         </cluster_property_set>",
        mark(number)
    );
    modify("crm_config", xml)
}

/// Whether a change of that number is in the document.
pub(super) fn has_mark(cib: &Element, number: u64) -> bool {
    let set = cib
        .child("configuration")
        .and_then(|it| it.child("crm_config"))
        .and_then(|it| it.child("cluster_property_set"));
    let id = mark(number);
    set.is_some_and(|it| it.named("nvpair").any(|pair| pair.get("id") == Some(&*id)))
}

/// A resource is wanted on that node, and nowhere else while it can.
pub(super) fn moved(resource: u64, node: &str) -> Operation {
    let xml = format!(
        "<rsc_location id='move-r{resource}' rsc='r{resource}' node='{node}' score='1000'/>"
    );
    modify("constraints", xml)
}

fn mark(number: u64) -> String {
    format!("o-mark-{number}")
}

fn modify(scope: &str, xml: String) -> Operation {
    let change = CibChange::Modify { scope: scope.to_owned(), xml, allow_create: true };
    Operation::Cib { expect: None, change }
}
