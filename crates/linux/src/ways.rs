//! Carries out a [`WayBatch`]: routes and rules, as `ip route` and `ip rule` would.
//!
//! A route is added before others of its destination, or behind them if it says so; the kernel calls
//! one that is there already [`Errno::EXIST`], and only the machine knows whether that is good news.
//! A removal names all that tells the route apart, its maker included: what somebody else made is not
//! ours to remove.

use std::io;
use std::net::IpAddr;

use base::{
    BatchDone, Encap, Errno, Family, Hop, IfIndex, Name, Net, OpDone, Route, Rule, RuleDoes, Way,
    WayBatch, WayOp,
};
use netlink_packet_core::{DefaultNla, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteMetric, RouteNextHop,
    RouteNextHopFlags, RouteVia,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::netlink::{Request, RouteSocket};

// Attributes of which the codec has no form that can be written (`linux/rtnetlink.h`,
// `linux/fib_rules.h`, `linux/lwtunnel.h`, `linux/mpls_iptunnel.h`).
const RTA_FLOW: u16 = 11;
const RTA_PREF: u16 = 20;
const RTA_ENCAP_TYPE: u16 = 21;
const RTA_ENCAP: u16 = 22;
const RTA_TTL_PROPAGATE: u16 = 26;
const RTAX_LOCK: u16 = 1;
const FRA_FLOW: u16 = 11;
const FRA_PROTOCOL: u16 = 21;
const FRA_IP_PROTO: u16 = 22;
const FRA_UID_RANGE: u16 = 20;
const FRA_SPORT_RANGE: u16 = 23;
const FRA_DPORT_RANGE: u16 = 24;
const FRA_TUN_ID: u16 = 12;
const NESTED: u16 = 1 << 15;
const ENCAP_MPLS: u16 = 1;
const ENCAP_IP: u16 = 2;
const ENCAP_IP6: u16 = 4;

/// The hand that installs and removes routes and rules.
#[derive(Debug)]
pub struct Ways {
    route: RouteSocket,
}

impl Ways {
    /// Opens a routing socket in the calling thread's network namespace.
    ///
    /// # Errors
    /// See [`RouteSocket::open`].
    pub fn open() -> io::Result<Self> {
        Ok(Self { route: RouteSocket::open()? })
    }

    /// Carries out the batch in order and reports one outcome for each operation.
    pub fn execute(&mut self, batch: WayBatch) -> BatchDone {
        let requests: Vec<Request> = batch.ops.iter().map(request).collect();
        let outcomes: Vec<OpDone> = match self.route.request_all(&requests) {
            Ok(answers) => answers.into_iter().map(|it| it.map_err(|no| no.errno)).collect(),
            Err(error) => {
                let errno = Errno(error.raw_os_error().unwrap_or(libc::EIO));
                vec![Err(errno); batch.ops.len()]
            }
        };
        BatchDone { ticket: batch.ticket, outcomes }
    }
}

fn request(op: &WayOp) -> Request {
    let message = match (&op.way, op.add) {
        (Way::Route(route), true) => {
            RouteNetlinkMessage::NewRoute(self::route(route, &op.links, true))
        }
        (Way::Route(route), false) => {
            RouteNetlinkMessage::DelRoute(self::route(route, &op.links, false))
        }
        (Way::Rule(rule), true) => RouteNetlinkMessage::NewRule(self::rule(rule)),
        (Way::Rule(rule), false) => RouteNetlinkMessage::DelRule(self::rule(rule)),
    };
    let flags = match (&op.way, op.add) {
        (_, false) => 0,
        (Way::Rule(_), true) => NLM_F_CREATE | NLM_F_EXCL,
        (Way::Route(route), true) if route.append => NLM_F_CREATE | NLM_F_APPEND,
        (Way::Route(_), true) => NLM_F_CREATE,
    };
    Request { message, flags }
}

fn family(family: Family) -> AddressFamily {
    match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn address(address: IpAddr) -> RouteAddress {
    match address {
        IpAddr::V4(address) => RouteAddress::Inet(address),
        IpAddr::V6(address) => RouteAddress::Inet6(address),
    }
}

fn raw(kind: u16, value: Vec<u8>) -> DefaultNla {
    DefaultNla::new(kind, value)
}

/// One attribute as bytes, for within another.
fn nested(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
    let mut out = length.to_ne_bytes().to_vec();
    out.extend(kind.to_ne_bytes());
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

/// The table's number where it fits into an octet; else its attribute tells (`RT_TABLE_UNSPEC`).
fn short(table: u32) -> u8 {
    u8::try_from(table).unwrap_or(0)
}

fn route(route: &Route, links: &[(Name, IfIndex)], adds: bool) -> RouteMessage {
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = family(route.family);
    header.destination_prefix_length = route.to.1;
    header.table = short(route.table);
    header.protocol = route.protocol.into();
    header.scope = route.scope.into();
    header.kind = route.kind.into();
    header.tos = route.tos;
    let attributes = &mut message.attributes;
    if route.to.1 > 0 {
        attributes.push(RouteAttribute::Destination(address(route.to.0)));
    }
    attributes.push(RouteAttribute::Table(route.table));
    attributes.extend(route.metric.map(RouteAttribute::Priority));
    attributes.extend(route.source.map(|source| RouteAttribute::PrefSource(address(source))));
    let index = |hop: &Hop| {
        let name = hop.interface.as_ref()?;
        links.iter().find(|(known, _)| known == name).map(|(_, index)| index.get())
    };
    match route.hops.as_slice() {
        [] => {}
        [hop] => {
            if hop.onlink {
                message.header.flags = RouteFlags::Onlink;
            }
            attributes.extend(index(hop).map(RouteAttribute::Oif));
            attributes.extend(ways_of(hop, route.family));
        }
        hops => {
            let hops = hops.iter().map(|hop| {
                let mut next = RouteNextHop::default();
                next.hops = hop.weight.saturating_sub(1);
                next.interface_index = index(hop).unwrap_or(0);
                if hop.onlink {
                    next.flags = RouteNextHopFlags::Onlink;
                }
                next.attributes = ways_of(hop, route.family);
                next
            });
            attributes.push(RouteAttribute::MultiPath(hops.collect()));
        }
    }
    attributes.extend(
        route.realms.map(|it| RouteAttribute::Other(raw(RTA_FLOW, it.to_ne_bytes().to_vec()))),
    );
    attributes.extend(route.preference.map(|it| RouteAttribute::Other(raw(RTA_PREF, vec![it]))));
    if adds {
        attributes.extend(route.expires.map(RouteAttribute::Expires));
    }
    attributes.extend(
        route
            .ttl_propagate
            .map(|it| RouteAttribute::Other(raw(RTA_TTL_PROPAGATE, vec![u8::from(it)]))),
    );
    let metrics = metrics(route);
    if !metrics.is_empty() {
        attributes.push(RouteAttribute::Metrics(metrics));
    }
    message
}

/// Where a hop leads, and in what.
fn ways_of(hop: &Hop, family: Family) -> Vec<RouteAttribute> {
    let mut attributes = Vec::new();
    if let Some(via) = hop.via {
        attributes.push(if Family::of(&via) == family {
            RouteAttribute::Gateway(address(via))
        } else {
            RouteAttribute::Via(RouteVia::from(via))
        });
    }
    if let Some(encap) = &hop.encap {
        let (kind, value) = self::encap(encap);
        attributes.push(RouteAttribute::Other(raw(RTA_ENCAP_TYPE, kind.to_ne_bytes().to_vec())));
        attributes.push(RouteAttribute::Other(raw(RTA_ENCAP | NESTED, value)));
    }
    attributes
}

fn encap(encap: &Encap) -> (u16, Vec<u8>) {
    let mut out = Vec::new();
    match encap {
        Encap::Mpls { labels, ttl } => {
            let mut stack = Vec::new();
            for (at, label) in labels.iter().enumerate() {
                let bottom = u32::from(at + 1 == labels.len());
                stack.extend(((label << 12) | (bottom << 8)).to_be_bytes());
            }
            out.extend(nested(1, &stack));
            out.extend(ttl.iter().flat_map(|ttl| nested(2, &[*ttl])));
            (ENCAP_MPLS, out)
        }
        Encap::Ip { family, id, to, from, ttl, tos } => {
            out.extend(id.iter().flat_map(|id| nested(1, &id.to_be_bytes())));
            out.extend(to.iter().flat_map(|to| nested(2, &octets(*to))));
            out.extend(from.iter().flat_map(|from| nested(3, &octets(*from))));
            out.extend(ttl.iter().flat_map(|ttl| nested(4, &[*ttl])));
            out.extend(tos.iter().flat_map(|tos| nested(5, &[*tos])));
            let kind = if *family == Family::V4 { ENCAP_IP } else { ENCAP_IP6 };
            (kind, out)
        }
    }
}

fn metrics(route: &Route) -> Vec<RouteMetric> {
    let mut all = Vec::new();
    let locks =
        route.metrics.iter().filter(|it| it.2).fold(0_u32, |bits, it| bits | (1 << (it.0 & 31)));
    if locks != 0 {
        all.push(RouteMetric::Other(raw(RTAX_LOCK, locks.to_ne_bytes().to_vec())));
    }
    let number = |it: &(u16, u32, bool)| RouteMetric::Other(raw(it.0, it.1.to_ne_bytes().to_vec()));
    all.extend(route.metrics.iter().map(number));
    all.extend(route.congestion.clone().map(RouteMetric::CcAlgo));
    all
}

fn rule(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    let header = &mut message.header;
    header.family = family(rule.family);
    header.tos = rule.tos;
    let length = |net: Option<Net>| net.map_or(0, |net| net.1);
    header.src_len = length(rule.from);
    header.dst_len = length(rule.to);
    if rule.inverted {
        header.flags = RuleFlags::Invert;
    }
    let attributes = &mut message.attributes;
    header.action = match rule.action {
        RuleDoes::Table(table) => {
            header.table = short(table);
            attributes.push(RuleAttribute::Table(table));
            RuleAction::ToTable
        }
        RuleDoes::Goto(place) => {
            attributes.push(RuleAttribute::Goto(place));
            RuleAction::Goto
        }
        RuleDoes::Nothing => RuleAction::Nop,
        RuleDoes::Blackhole => RuleAction::Blackhole,
        RuleDoes::Unreachable => RuleAction::Unreachable,
        RuleDoes::Prohibit => RuleAction::Prohibit,
    };
    let named = |net: &Net| net.1 > 0;
    attributes.extend(rule.from.filter(named).map(|net| RuleAttribute::Source(net.0)));
    attributes.extend(rule.to.filter(named).map(|net| RuleAttribute::Destination(net.0)));
    attributes.extend(rule.input.as_ref().map(|it| RuleAttribute::Iifname(it.to_string())));
    attributes.extend(rule.output.as_ref().map(|it| RuleAttribute::Oifname(it.to_string())));
    if let Some((mark, mask)) = rule.mark {
        attributes.push(RuleAttribute::FwMark(mark));
        if mask != u32::MAX {
            attributes.push(RuleAttribute::FwMask(mask));
        }
    }
    attributes.extend(rule.preference.map(RuleAttribute::Priority));
    attributes.extend(rule.suppress_prefix.map(RuleAttribute::SuppressPrefixLen));
    attributes.extend(rule.suppress_group.map(RuleAttribute::SuppressIfGroup));
    if rule.l3mdev {
        attributes.push(RuleAttribute::L3MDev(true));
    }
    let mut other = |kind: u16, value: Vec<u8>| {
        attributes.push(RuleAttribute::Other(raw(kind, value)));
    };
    other(FRA_PROTOCOL, vec![rule.protocol]);
    if let Some(realms) = rule.realms {
        other(FRA_FLOW, realms.to_ne_bytes().to_vec());
    }
    if let Some((first, last)) = rule.users {
        other(FRA_UID_RANGE, [first.to_ne_bytes(), last.to_ne_bytes()].concat());
    }
    if let Some(protocol) = rule.ip_protocol {
        other(FRA_IP_PROTO, vec![protocol]);
    }
    if let Some((first, last)) = rule.source_ports {
        other(FRA_SPORT_RANGE, [first.to_ne_bytes(), last.to_ne_bytes()].concat());
    }
    if let Some((first, last)) = rule.target_ports {
        other(FRA_DPORT_RANGE, [first.to_ne_bytes(), last.to_ne_bytes()].concat());
    }
    if let Some(tunnel) = rule.tunnel {
        other(FRA_TUN_ID, tunnel.to_be_bytes().to_vec());
    }
    message
}

#[cfg(test)]
#[path = "ways_tests.rs"]
mod tests;
