//! The documents these clusters begin with, and how administrators change them.

use core::fmt::Write;

use cib::xml::Element;
use cluster::operation::{CibChange, Operation};

/// How many resources there are; the last is not covered by leases where there is fencing.
pub(super) const RESOURCES: usize = 3;

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
    match cib::xml::parse(&text) {
        Ok(document) => document.root,
        Err(error) => unreachable!("the document is well-formed: {error}"),
    }
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
