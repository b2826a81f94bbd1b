//! KEEPALIVED-MIB's tables of routes, their next hops, and rules.

use base::{Family, Name};
use conf::{Prefix, Route, RouteKind, Rule, RuleAction, Table};
use serde::{Deserialize, Serialize};

use super::instances::scope;
use super::view::{Scene, View};
use super::{Cell, Value, row};

/// Those of an instance.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Held {
    routes: Vec<Kept>,
    rules: Vec<Kept>,
}

/// One, as far as it does not change.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Kept {
    cells: Vec<Cell>,
    /// The interface whose number is asked for.
    interface: Option<Name>,
    /// The next hops, where there are several: cells and interfaces.
    hops: Vec<(Vec<Cell>, Option<Name>)>,
}

/// All that `one` holds.
pub(super) fn held(one: &conf::InstanceConfig) -> Held {
    Held {
        routes: one.routes.iter().map(route).collect(),
        rules: one.rules.iter().map(rule).collect(),
    }
}

/// Routes and rules of all instances.
pub(super) fn tables(view: &mut View, scene: &Scene<'_>) {
    for (at, one) in scene.snapshot.instances().enumerate() {
        let Some(held) = scene.facts.ways.get(&one.config.name) else { continue };
        // They come and go with the VIPs.
        let set = Value::truth(one.status.state == base::State::Active);
        let number = |name: &Option<Name>| {
            let link = name.as_ref().and_then(|name| scene.link(name));
            link.map(|link| Value::integer(link.index))
        };
        for (which, route) in held.routes.iter().enumerate() {
            let index = [row(at), row(which)];
            let mut cells = route.cells.clone();
            cells.push((14, set.clone()));
            cells.extend(number(&route.interface).map(|number| (11, number)));
            view.vrrp_row(7, &index, cells);
            for (hop, (cells, interface)) in route.hops.iter().enumerate() {
                let mut cells = cells.clone();
                cells.extend(number(interface).map(|number| (4, number)));
                view.vrrp_row(11, &[index[0], index[1], row(hop)], cells);
            }
        }
        for (which, rule) in held.rules.iter().enumerate() {
            let mut cells = rule.cells.clone();
            cells.push((7, set.clone()));
            view.vrrp_row(8, &[row(at), row(which)], cells);
        }
    }
}

/// `None`: a name that only a file of the system's knows.
fn table(table: Option<&Table>) -> Option<u32> {
    match table {
        None => Some(254),
        Some(Table::Number(number)) => Some(*number),
        Some(Table::Name(name)) => match &**name {
            "default" => Some(253),
            "main" => Some(254),
            "local" => Some(255),
            _ => None,
        },
    }
}

fn attribute<'a>(all: &'a [(String, String)], name: &str) -> Option<&'a str> {
    all.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn number(all: &[(String, String)], name: &str) -> Option<u32> {
    let value = attribute(all, name)?.trim_start_matches("lock ").trim_end_matches("ms");
    value.parse().ok()
}

fn route(route: &Route) -> Kept {
    let kind = match route.kind {
        RouteKind::Unicast if route.hops.len() > 1 => 2,
        RouteKind::Unicast | RouteKind::Local => 1,
        RouteKind::Blackhole => 3,
        RouteKind::Anycast => 4,
        RouteKind::Multicast => 5,
        RouteKind::Broadcast => 6,
        RouteKind::Unreachable => 7,
        RouteKind::Prohibit => 8,
        RouteKind::Throw => 9,
    };
    let mut cells = vec![
        (2, Value::family(route.family == Family::V6)),
        (3, Value::address(route.to.address)),
        (4, Value::gauge(route.to.length)),
        (8, Value::gauge(route.metric.unwrap_or_default())),
        (9, Value::Integer(scope(route.scope.unwrap_or(base::Scope::GLOBAL)))),
        (10, Value::Integer(kind)),
    ];
    let single = match &route.hops[..] {
        [one] => Some(one),
        _ => None,
    };
    if let Some(via) = single.and_then(|hop| hop.via) {
        cells.push((5, Value::address(via)));
    }
    if let Some(other) = route.alternative {
        cells.push((6, Value::address(other)));
    }
    if let Some(source) = route.source {
        cells.push((7, Value::address(source)));
    }
    let interface = single.and_then(|hop| hop.interface.clone());
    if let Some(name) = &interface {
        cells.push((12, Value::text(&**name)));
    }
    if let Some(number) = table(route.table.as_ref()) {
        cells.push((13, Value::Gauge(number)));
    }
    if let Some(tos) = route.tos {
        cells.push((17, Value::gauge(tos)));
    }
    for (column, name) in [
        (22, "mtu"),
        (24, "hoplimit"),
        (25, "advmss"),
        (27, "rtt"),
        (29, "rttvar"),
        (31, "reordering"),
        (33, "window"),
        (34, "cwnd"),
        (36, "ssthresh"),
        (38, "rto_min"),
        (40, "initcwnd"),
        (41, "initrwnd"),
    ] {
        let value = number(&route.attributes, name);
        cells.extend(value.map(|value| (column, Value::Gauge(value))));
    }
    if let Some(name) = attribute(&route.attributes, "congctl") {
        cells.push((42, Value::text(name)));
    }
    let flag = |name| Value::truth(attribute(&route.attributes, name).is_some());
    cells.extend([(19, flag("features")), (20, flag("quickack"))]);
    let several = if single.is_some() { &[] } else { &route.hops[..] };
    let hop = |hop: &conf::NextHop| {
        let v6 = hop.via.map_or(route.family == Family::V6, |via| via.is_ipv6());
        let mut cells = vec![
            (2, Value::family(v6)),
            (6, Value::gauge(hop.weight.unwrap_or(1))),
            (7, Value::truth(hop.onlink)),
        ];
        cells.extend(hop.via.map(|via| (3, Value::address(via))));
        cells.extend(hop.interface.as_ref().map(|name| (5, Value::text(&**name))));
        (cells, hop.interface.clone())
    };
    Kept { cells, interface, hops: several.iter().map(hop).collect() }
}

fn rule(rule: &Rule) -> Kept {
    let v6 = Value::family(rule.family == Family::V6);
    let mut cells = vec![(8, Value::truth(rule.inverted))];
    let prefix = |at: u32, prefix: &Prefix| {
        [
            (at, v6.clone()),
            (at + 1, Value::address(prefix.address)),
            (at + 2, Value::gauge(prefix.length)),
        ]
    };
    if let Some(from) = &rule.from {
        cells.extend(prefix(12, from));
    }
    if let Some(to) = &rule.to {
        cells.extend(prefix(9, to));
    }
    // What the MIB no longer wants is still asked for: one address, and which it is.
    if let Some((word, one)) =
        rule.from.as_ref().map(|from| ("from", from)).or(rule.to.as_ref().map(|to| ("to", to)))
    {
        cells.push((2, Value::text(word)));
        cells.extend(prefix(3, one));
    }
    cells.push((15, Value::gauge(number(&rule.attributes, "tos").unwrap_or_default())));
    if let Some((mark, mask)) = rule.mark {
        cells.extend([(16, Value::Gauge(mark)), (17, Value::Gauge(mask))]);
    }
    for (column, name) in [(20, &rule.input), (21, &rule.output)] {
        cells.extend(name.as_ref().map(|name| (column, Value::text(&**name))));
    }
    let action = match &rule.action {
        RuleAction::Table(name) => {
            if let Some(number) = table(Some(name)) {
                cells.extend([(6, Value::Gauge(number)), (24, Value::Gauge(number))]);
            }
            1
        }
        RuleAction::Goto(target) => {
            cells.push((22, Value::Gauge(*target)));
            2
        }
        RuleAction::Nothing => 3,
        RuleAction::Blackhole => 6,
        RuleAction::Unreachable => 7,
        RuleAction::Prohibit => 8,
    };
    cells.push((23, Value::Integer(action)));
    if let Some(preference) = rule.preference {
        cells.push((25, Value::Gauge(preference)));
    }
    for (column, name) in [(26, "suppress_prefixlength"), (34, "ipproto")] {
        let value = number(&rule.attributes, name);
        cells.extend(value.map(|value| (column, Value::Gauge(value))));
    }
    if attribute(&rule.attributes, "l3mdev").is_some() {
        cells.push((32, Value::truth(true)));
    }
    Kept { cells, ..Kept::default() }
}
