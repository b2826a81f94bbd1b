//! Do the configurations of several nodes belong together?
//!
//! Virtual routers are found again by name, else by family and VRID: files of one cluster are mostly
//! copies of each other. Each difference says in which node's file it stands.

use std::collections::{BTreeSet, HashMap};

use base::{Name, Preempt};

use super::{signing, total, weighed};
use crate::diagnostic::{Code, Severity};
use crate::value::decimal;
use crate::{Config, InstanceConfig, Place, Reach, Span};

/// Something that does not fit between nodes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// What kind of thing.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What, in one sentence without a full stop.
    pub message: String,
    /// Where: the node's number, the place in its configuration, what to say there.
    pub places: Vec<(usize, Span, String)>,
    /// What to do about it.
    pub help: &'static str,
}

/// One virtual router, with the instance of each node that takes part.
struct Router<'a> {
    parts: Vec<(usize, &'a InstanceConfig)>,
}

/// What does not fit between the configurations of these nodes.
#[must_use]
pub fn compare(nodes: &[&Config]) -> Vec<Difference> {
    let mut out = Vec::new();
    for router in routers(nodes) {
        if router.parts.len() < nodes.len() {
            missing(&router, nodes.len(), &mut out);
        }
        for (at, first) in router.parts.iter().enumerate() {
            for second in router.parts.iter().skip(at + 1) {
                pair(*first, *second, &mut out);
            }
        }
        never_moves(nodes, &router, &mut out);
    }
    groups(nodes, &mut out);
    out
}

fn routers<'a>(nodes: &[&'a Config]) -> Vec<Router<'a>> {
    let mut routers: Vec<Router<'a>> = Vec::new();
    let mut by_name: HashMap<&Name, usize> = HashMap::new();
    let mut by_id = HashMap::new();
    for (node, config) in nodes.iter().enumerate() {
        let mut rest = Vec::new();
        for instance in &config.instances {
            match by_name.get(&instance.name) {
                Some(at) => routers[*at].parts.push((node, instance)),
                None => rest.push(instance),
            }
        }
        for instance in rest {
            let id = (instance.family, instance.vrid);
            let known = by_id.get(&id).copied();
            let free = |at: &usize| routers[*at].parts.iter().all(|(other, _)| *other != node);
            let at = known.filter(free).unwrap_or_else(|| {
                routers.push(Router { parts: Vec::new() });
                routers.len() - 1
            });
            routers[at].parts.push((node, instance));
            by_name.insert(&instance.name, at);
            by_id.entry(id).or_insert(at);
        }
    }
    routers
}

fn missing(router: &Router<'_>, nodes: usize, out: &mut Vec<Difference>) {
    let Some((node, instance)) = router.parts.first() else { return };
    let here = router.parts.len();
    out.push(Difference {
        code: Code::NodesMissing,
        severity: Severity::Warning,
        message: format!("`{}` is on {here} of {nodes} nodes only", instance.name),
        places: vec![(*node, instance.places.name.0, "here".to_owned())],
        help: "add it to the others, or leave those out of the comparison",
    });
}

type Part<'a> = (usize, &'a InstanceConfig);

fn pair((a, first): Part<'_>, (b, second): Part<'_>, out: &mut Vec<Difference>) {
    let mut differ =
        |code: Code, severity, message: String, x: (Place, String), y: (Place, String), help| {
            let places = vec![(a, x.0.0, x.1), (b, y.0.0, y.1)];
            out.push(Difference { code, severity, message, places, help });
        };
    let (p, q) = (&first.places, &second.places);
    let name = &first.name;
    let error = Severity::Error;
    if first.vrid != second.vrid {
        differ(
            Code::NodesVrid,
            error,
            format!("`{name}` has VRID {} on one node and {} on another", first.vrid, second.vrid),
            (p.vrid, first.vrid.to_string()),
            (q.vrid, second.vrid.to_string()),
            "write the same VRID on all nodes of a virtual router",
        );
    }
    if first.family != second.family {
        differ(
            Code::NodesFamily,
            error,
            format!("`{name}` is {} on one node and {} on another", first.family, second.family),
            (p.name, first.family.to_string()),
            (q.name, second.family.to_string()),
            "the family follows from the first VIP: list the same VIPs on all nodes",
        );
        return;
    }
    if first.version() != second.version() {
        differ(
            Code::NodesVersion,
            error,
            format!("`{name}` speaks different versions of VRRP"),
            (p.interval, format!("{:?}", first.version())),
            (q.interval, format!("{:?}", second.version())),
            "write the same `vrrp_version` or `version` on all nodes: both would hold the VIPs",
        );
    } else if first.interval != second.interval {
        let v2 = matches!(first.interval, base::Interval::V2(_));
        differ(
            Code::NodesInterval,
            if v2 { error } else { Severity::Warning },
            format!("`{name}` has different advert intervals"),
            (p.interval, format!("{} s", decimal(first.interval.as_duration()))),
            (q.interval, format!("{} s", decimal(second.interval.as_duration()))),
            "write the same `advert_int` on all nodes",
        );
    }
    if first.password != second.password {
        let word = |i: &InstanceConfig| if i.password.is_some() { "a password" } else { "none" };
        differ(
            Code::NodesPassword,
            error,
            format!("`{name}` is authenticated differently"),
            (p.password, word(first).to_owned()),
            (q.password, word(second).to_owned()),
            "write the same `authentication` block on all nodes: both would hold the VIPs",
        );
    }
    signatures((a, first), (b, second), out);
    vips((a, first), (b, second), out);
    peers((a, first), (b, second), out);
    let mut differ =
        |code: Code, severity, message: String, x: Place, y: Place, labels: [String; 2], help| {
            let [one, two] = labels;
            out.push(Difference {
                code,
                severity,
                message,
                places: vec![(a, x.0, one), (b, y.0, two)],
                help,
            });
        };
    if first.priority == second.priority {
        let (code, severity, message) = if first.priority.is_owner() {
            (Code::NodesOwners, error, format!("two nodes claim to own the addresses of `{name}`"))
        } else {
            let message = format!("`{name}` has priority {} on two nodes", first.priority.get());
            (Code::NodesPriority, Severity::Warning, message)
        };
        differ(
            code,
            severity,
            message,
            p.priority,
            q.priority,
            [first.priority.get().to_string(), second.priority.get().to_string()],
            "give each node a priority of its own",
        );
    }
    if first.down_adverts != second.down_adverts {
        differ(
            Code::NodesTimers,
            Severity::Warning,
            format!("`{name}` waits for a different number of adverts"),
            p.name,
            q.name,
            [first.down_adverts.to_string(), second.down_adverts.to_string()],
            "write the same `down_timer_adverts` on all nodes",
        );
    }
}

/// Whether each hears what the other signs, or does not sign.
fn signatures((a, first): Part<'_>, (b, second): Part<'_>, out: &mut Vec<Difference>) {
    let (one, two) = (first.hmac.as_ref(), second.hmac.as_ref());
    let (first_deaf, second_deaf) = (signing::deaf(one, two), signing::deaf(two, one));
    if first_deaf.is_none() && second_deaf.is_none() {
        return;
    }
    let place = |i: &InstanceConfig| i.hmac.as_ref().map_or(i.places.name, |hmac| hmac.place).0;
    let label = |deaf: Option<&str>| deaf.unwrap_or("hears the other").to_owned();
    out.push(Difference {
        code: Code::NodesPassword,
        severity: Severity::Error,
        message: format!("nodes of `{}` do not hear each other's signatures", first.name),
        places: vec![(a, place(first), label(first_deaf)), (b, place(second), label(second_deaf))],
        help: "give all nodes the same keys with `mode receive-only` first, then let them sign",
    });
}

fn vips((a, first): Part<'_>, (b, second): Part<'_>, out: &mut Vec<Difference>) {
    let set = |i: &InstanceConfig, advertised: bool| -> BTreeSet<_> {
        let list = if advertised { &i.vips } else { &i.excluded };
        list.iter().map(|vip| (vip.address, vip.prefix)).collect()
    };
    for advertised in [true, false] {
        let (one, two) = (set(first, advertised), set(second, advertised));
        let show = |set: Vec<&(core::net::IpAddr, u8)>| {
            set.iter().map(|(a, n)| format!("{a}/{n}")).collect::<Vec<_>>().join(", ")
        };
        let (only_one, only_two) =
            (show(one.difference(&two).collect()), show(two.difference(&one).collect()));
        if only_one.is_empty() && only_two.is_empty() {
            continue;
        }
        let place = |i: &InstanceConfig, set: &BTreeSet<_>, other: &BTreeSet<_>| {
            let (list, places) = if advertised {
                (&i.vips, &i.places.vips)
            } else {
                (&i.excluded, &i.places.excluded)
            };
            let odd = set.difference(other).next().copied();
            let at = list.iter().position(|vip| Some((vip.address, vip.prefix)) == odd);
            at.and_then(|at| places.get(at)).unwrap_or(&i.places.name).0
        };
        let label = |only: String| {
            if only.is_empty() { "not here".to_owned() } else { format!("only here: {only}") }
        };
        out.push(Difference {
            code: Code::NodesVips,
            severity: Severity::Error,
            message: format!("`{}` does not list the same VIPs on two nodes", first.name),
            places: vec![
                (a, place(first, &one, &two), label(only_one)),
                (b, place(second, &two, &one), label(only_two)),
            ],
            help: "list the same addresses with the same lengths on all nodes",
        });
    }
}

fn peers((a, first): Part<'_>, (b, second): Part<'_>, out: &mut Vec<Difference>) {
    let mut differ = |message: String, x: (Place, String), y: (Place, String), help| {
        out.push(Difference {
            code: Code::NodesPeers,
            severity: Severity::Error,
            message,
            places: vec![(a, x.0.0, x.1), (b, y.0.0, y.1)],
            help,
        });
    };
    let name = &first.name;
    if let (Some(one), Some(two)) = (first.source, second.source)
        && one == two
        && first.family == second.family
    {
        differ(
            format!("`{name}` sends from {one} on two nodes"),
            (first.places.name, one.to_string()),
            (second.places.name, "the same here".to_owned()),
            "write each node's own address as its source: one of the two cannot have this one",
        );
        return;
    }
    match (&first.reach, &second.reach) {
        (Reach::Multicast { group }, Reach::Multicast { group: other }) if group != other => {
            differ(
                format!("`{name}` uses different multicast groups"),
                (first.places.name, group.to_string()),
                (second.places.name, other.to_string()),
                "write the same group on all nodes, or none",
            )
        }
        (Reach::Multicast { .. }, Reach::Multicast { .. }) => {}
        (Reach::Unicast { peers, .. }, Reach::Unicast { peers: others, .. }) => {
            let lists = |peers: &[crate::Peer], who: &InstanceConfig| {
                who.source.is_none_or(|source| peers.iter().any(|peer| peer.address == source))
            };
            let place = |peers: &[crate::Peer], i: &InstanceConfig| {
                peers.first().map_or(i.places.name, |peer| peer.place)
            };
            if !lists(peers, second) || !lists(others, first) {
                let says = |listed: bool| {
                    if listed { "lists the other" } else { "does not list the other's source" }
                        .to_owned()
                };
                differ(
                    format!("`{name}` does not send to every node's source address"),
                    (place(peers, first), says(lists(peers, second))),
                    (place(others, second), says(lists(others, first))),
                    "list in `unicast_peer` what the other node has as `unicast_src_ip`",
                );
            }
        }
        (one, _) => {
            let unicast = |yes: bool| if yes { "unicast" } else { "multicast" }.to_owned();
            let is = matches!(one, Reach::Unicast { .. });
            differ(
                format!("`{name}` is unicast on one node and multicast on another"),
                (first.places.name, unicast(is)),
                (second.places.name, unicast(!is)),
                "use `unicast_peer` on all nodes or on none: they do not hear each other",
            );
        }
    }
}

/// The node that holds in peace, and whether its weighted checks can ever make another one better.
fn never_moves(nodes: &[&Config], router: &Router<'_>, out: &mut Vec<Difference>) {
    let best = |(node, instance): &Part<'_>| {
        let all = weighed(nodes[*node], instance);
        instance.priority.adjusted(total(&all, |_| true))
    };
    let Some((node, holder)) = router.parts.iter().max_by_key(|part| best(part)) else { return };
    let others = router.parts.iter().filter(|(other, _)| other != node);
    let Some(next) = others.max_by_key(|part| best(part)) else { return };
    let all = weighed(nodes[*node], holder);
    let worst = holder.priority.adjusted(total(&all, |_| false));
    if all.is_empty() || holder.priority.is_owner() || worst < best(next) {
        return;
    }
    // An unweighted check beside them moves the VIPs anyway, but not for these reasons.
    if next.1.preempt == Preempt::Never {
        return;
    }
    out.push(Difference {
        code: Code::NodesNeverMove,
        severity: Severity::Warning,
        message: format!(
            "with every weighted check of `{}` failed, priority {} is still not below the other node's {}",
            holder.name,
            worst.get(),
            best(next).get()
        ),
        places: vec![
            (*node, all[0].span, "these weights never move the VIPs".to_owned()),
            (next.0, next.1.places.priority.0, format!("{} at best", best(next).get())),
        ],
        help: "make the weights larger than the distance of the priorities",
    });
}

/// Does each sync group rank the nodes in one way?
fn groups(nodes: &[&Config], out: &mut Vec<Difference>) {
    for (a, first) in nodes.iter().enumerate() {
        for (b, second) in nodes.iter().enumerate().skip(a + 1) {
            for group in &first.groups {
                let ranks: Vec<_> = group
                    .members
                    .iter()
                    .filter_map(|m| Some((m, first.instance(m)?, second.instance(m)?)))
                    .map(|(member, x, y)| (member, x.priority.cmp(&y.priority), x, y))
                    .collect();
                let Some((_, rank, ..)) = ranks.first() else { continue };
                let Some((member, _, x, y)) = ranks.iter().find(|(_, other, ..)| other != rank)
                else {
                    continue;
                };
                out.push(Difference {
                    code: Code::NodesGroups,
                    severity: Severity::Error,
                    message: format!(
                        "the members of the sync group `{}` do not all prefer the same node",
                        group.name
                    ),
                    places: vec![
                        (a, x.places.priority.0, format!("`{member}`: {}", x.priority.get())),
                        (b, y.places.priority.0, format!("`{member}`: {}", y.priority.get())),
                    ],
                    help: "give one node the higher priority for all members of the group",
                });
            }
        }
    }
}
