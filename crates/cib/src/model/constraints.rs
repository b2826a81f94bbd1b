//! Constraints: locations, colocations, orders, tickets, and the sets inside them.

use super::{Cib, ConstraintRef, Refs, Text};
use crate::rules::Rule;
use crate::value::truth;
use crate::xml::Element;

/// A `<rsc_location>`.
#[derive(Clone, Debug, Default)]
pub struct Location {
    /// Its id.
    pub id: Text,
    /// The resource, template or tag.
    pub resource: Option<Text>,
    /// The pattern resources must match.
    pub pattern: Option<Text>,
    /// The role it is about.
    pub role: Option<Text>,
    /// The node, by name or id.
    pub node: Option<Text>,
    /// What it is worth.
    pub score: Option<Text>,
    /// Rules, instead of node and score.
    pub rules: Vec<Rule>,
    /// `always`, `never`, `exclusive`.
    pub discovery: Option<Text>,
    /// Sets, instead of a resource.
    pub sets: Vec<ResourceSet>,
    /// When it counts.
    pub lifetime: Option<Rule>,
}

/// A `<rsc_colocation>`.
#[derive(Clone, Debug, Default)]
pub struct Colocation {
    /// Its id.
    pub id: Text,
    /// The one that follows.
    pub dependent: Option<Text>,
    /// The one that decides.
    pub primary: Option<Text>,
    /// What it is worth.
    pub score: Option<Text>,
    /// The node attribute that must be equal.
    pub node_attribute: Option<Text>,
    /// Role of the dependent.
    pub dependent_role: Option<Text>,
    /// Role of the primary.
    pub primary_role: Option<Text>,
    /// Instance of the dependent.
    pub dependent_instance: Option<Text>,
    /// Instance of the primary.
    pub primary_instance: Option<Text>,
    /// Whether the dependent influences the primary.
    pub influence: Option<bool>,
    /// Sets, instead of two resources.
    pub sets: Vec<ResourceSet>,
    /// When it counts.
    pub lifetime: Option<Rule>,
}

/// A `<rsc_order>`.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Its id.
    pub id: Text,
    /// The first.
    pub first: Option<Text>,
    /// The second.
    pub then: Option<Text>,
    /// Action of the first.
    pub first_action: Option<Text>,
    /// Action of the second.
    pub then_action: Option<Text>,
    /// Instance of the first.
    pub first_instance: Option<Text>,
    /// Instance of the second.
    pub then_instance: Option<Text>,
    /// `Mandatory`, `Optional`, `Serialize`.
    pub kind: Option<Text>,
    /// The older spelling of `kind`.
    pub score: Option<Text>,
    /// Whether stopping goes the other way round.
    pub symmetrical: Option<bool>,
    /// Whether all instances must have started.
    pub require_all: Option<bool>,
    /// Sets, instead of two resources.
    pub sets: Vec<ResourceSet>,
    /// When it counts.
    pub lifetime: Option<Rule>,
}

/// A `<rsc_ticket>`.
#[derive(Clone, Debug, Default)]
pub struct TicketUse {
    /// Its id.
    pub id: Text,
    /// The ticket.
    pub ticket: Text,
    /// The resource.
    pub resource: Option<Text>,
    /// Role that needs the ticket.
    pub role: Option<Text>,
    /// `stop`, `demote`, `fence`, `freeze`.
    pub loss_policy: Option<Text>,
    /// Sets, instead of a resource.
    pub sets: Vec<ResourceSet>,
    /// When it counts.
    pub lifetime: Option<Rule>,
}

/// A `<resource_set>`.
#[derive(Clone, Debug, Default)]
pub struct ResourceSet {
    /// Its id.
    pub id: Text,
    /// What it names.
    pub members: Vec<Text>,
    /// Whether its members go one after the other.
    pub sequential: Option<bool>,
    /// Whether all must be there.
    pub require_all: Option<bool>,
    /// Action of its members.
    pub action: Option<Text>,
    /// Role of its members.
    pub role: Option<Text>,
    /// Score of its own.
    pub score: Option<Text>,
    /// Kind of its own.
    pub kind: Option<Text>,
    /// `listed` or `group`.
    pub ordering: Option<Text>,
}

pub(super) fn read(section: &Element, refs: &Refs<'_>, cib: &mut Cib) {
    for element in section.elements() {
        let text = |name: &str| element.get(name).map(Text::from);
        let flag = |name: &str| element.get(name).and_then(truth);
        let id: Text = element.id().unwrap_or_default().into();
        let lifetime = element.child("lifetime").and_then(|it| it.child("rule"));
        let lifetime = lifetime.map(|it| rule(it, refs));
        let sets = element.named("resource_set").map(|it| set(it, refs)).collect();
        match element.name() {
            "rsc_location" => {
                cib.constraint_order.push(ConstraintRef::Location(cib.locations.len()));
                cib.locations.push(Location {
                    id,
                    resource: text("rsc"),
                    pattern: text("rsc-pattern"),
                    role: text("role"),
                    node: text("node"),
                    score: text("score"),
                    rules: element.named("rule").map(|it| rule(it, refs)).collect(),
                    discovery: text("resource-discovery"),
                    sets,
                    lifetime,
                });
            }
            "rsc_colocation" => {
                cib.constraint_order.push(ConstraintRef::Colocation(cib.colocations.len()));
                cib.colocations.push(Colocation {
                    id,
                    dependent: text("rsc"),
                    primary: text("with-rsc"),
                    score: text("score"),
                    node_attribute: text("node-attribute"),
                    dependent_role: text("rsc-role"),
                    primary_role: text("with-rsc-role"),
                    dependent_instance: text("rsc-instance"),
                    primary_instance: text("with-rsc-instance"),
                    influence: flag("influence"),
                    sets,
                    lifetime,
                });
            }
            "rsc_order" => {
                cib.constraint_order.push(ConstraintRef::Order(cib.orders.len()));
                cib.orders.push(Order {
                    id,
                    first: text("first"),
                    then: text("then"),
                    first_action: text("first-action"),
                    then_action: text("then-action"),
                    first_instance: text("first-instance"),
                    then_instance: text("then-instance"),
                    kind: text("kind"),
                    score: text("score"),
                    symmetrical: flag("symmetrical"),
                    require_all: flag("require-all"),
                    sets,
                    lifetime,
                });
            }
            "rsc_ticket" => {
                cib.constraint_order.push(ConstraintRef::Ticket(cib.ticket_uses.len()));
                cib.ticket_uses.push(TicketUse {
                    id,
                    ticket: element.get("ticket").unwrap_or_default().into(),
                    resource: text("rsc"),
                    role: text("rsc-role"),
                    loss_policy: text("loss-policy"),
                    sets,
                    lifetime,
                });
            }
            _ => {}
        }
    }
}

fn rule<'a>(element: &'a Element, refs: &Refs<'a>) -> Rule {
    Rule::read(element, &|element| refs.follow(element))
}

fn set<'a>(element: &'a Element, refs: &Refs<'a>) -> ResourceSet {
    let element = refs.follow(element);
    let text = |name: &str| element.get(name).map(Text::from);
    ResourceSet {
        id: element.id().unwrap_or_default().into(),
        members: element
            .named("resource_ref")
            .filter_map(|member| member.id().map(Into::into))
            .collect(),
        sequential: element.get("sequential").and_then(truth),
        require_all: element.get("require-all").and_then(truth),
        action: text("action"),
        role: text("role"),
        score: text("score"),
        kind: text("kind"),
        ordering: text("ordering"),
    }
}
