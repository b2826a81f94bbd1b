//! Routes and rules as they are written down between versions; see the head of the room above.

use core::net::IpAddr;

use base::{Encap, Family, Hop, IfIndex, Name, Route, Rule, RuleDoes, Way, WayOp};
use serde::{Deserialize, Serialize};

use super::{Written, chosen, written};

/// An address and the length of its prefix.
type NetV1 = (IpAddr, u8);

written! {
    /// What is to be done with a route or rule.
    WayOpV1 is WayOp {
        add: bool,
        way: WayV1,
        links: Vec<(Name, IfIndex)>,
    }
}

written! {
    /// A route.
    RouteV1 is Route {
        kind: u8,
        family: Family,
        to: NetV1,
        hops: Vec<HopV1>,
        source: Option<IpAddr>,
        table: u32,
        metric: Option<u32>,
        scope: u8,
        tos: u8,
        protocol: u8,
        append: bool,
        metrics: Vec<(u16, u32, bool)>,
        congestion: Option<String>,
        realms: Option<u32>,
        preference: Option<u8>,
        expires: Option<u32>,
        ttl_propagate: Option<bool>,
    }
}

written! {
    /// Where a route leads.
    HopV1 is Hop {
        via: Option<IpAddr>,
        interface: Option<Name>,
        weight: u8,
        onlink: bool,
        encap: Option<EncapV1>,
    }
}

written! {
    /// A rule.
    RuleV1 is Rule {
        family: Family,
        inverted: bool,
        from: Option<NetV1>,
        to: Option<NetV1>,
        input: Option<Name>,
        output: Option<Name>,
        mark: Option<(u32, u32)>,
        preference: Option<u32>,
        action: RuleDoesV1,
        tos: u8,
        protocol: u8,
        realms: Option<u32>,
        suppress_prefix: Option<u32>,
        suppress_group: Option<u32>,
        users: Option<(u32, u32)>,
        ip_protocol: Option<u8>,
        source_ports: Option<(u16, u16)>,
        target_ports: Option<(u16, u16)>,
        tunnel: Option<u64>,
        l3mdev: bool,
    }
}

chosen! {
    /// A route or a rule.
    WayV1 is Way {
        Route(route: Box<RouteV1>),
        Rule(rule: Box<RuleV1>),
    }
}

chosen! {
    /// What a packet is wrapped in.
    EncapV1 is Encap {
        Mpls {
            labels: Vec<u32>,
            ttl: Option<u8>,
        },
        Ip {
            family: Family,
            id: Option<u64>,
            to: Option<IpAddr>,
            from: Option<IpAddr>,
            ttl: Option<u8>,
            tos: Option<u8>,
        },
    }
}

chosen! {
    /// What a rule does.
    RuleDoesV1 is RuleDoes {
        Table(table: u32),
        Goto(place: u32),
        Nothing,
        Blackhole,
        Unreachable,
        Prohibit,
    }
}
