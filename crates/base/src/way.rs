//! Routes and rules that are held like VIPs: a *way* is what decides where packets go, and it may have
//! to be where the VIPs are.
//!
//! Everything is a number here; names of tables, protocols and scopes were looked up by whoever read
//! the configuration. Only interfaces are meant by name, for their numbers change, and are bound to
//! numbers when a [`WayOp`] is made.

use core::fmt;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Family, IfIndex, Name, Ticket};

/// An address and how many bits of it count.
pub type Net = (IpAddr, u8);

/// A route or a rule.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Way {
    /// Where packets for some destination go, in one table.
    Route(Box<Route>),
    /// Which packets look into which table.
    Rule(Box<Rule>),
}

impl Way {
    /// Its family.
    #[must_use]
    pub fn family(&self) -> Family {
        match self {
            Way::Route(route) => route.family,
            Way::Rule(rule) => rule.family,
        }
    }

    /// The interfaces it cannot be installed without. A rule's may be absent: it matches by name.
    pub fn interfaces(&self) -> impl Iterator<Item = &Name> {
        let hops = match self {
            Way::Route(route) => route.hops.as_slice(),
            Way::Rule(_) => &[],
        };
        hops.iter().filter_map(|hop| hop.interface.as_ref())
    }

    /// What news of a deletion say of it.
    #[must_use]
    pub fn trace(&self) -> WayTrace {
        match self {
            Way::Route(route) => WayTrace::Route { table: route.table, to: route.to },
            Way::Rule(rule) => WayTrace::Rule { family: rule.family },
        }
    }
}

/// A route.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Route {
    /// `RTN_UNICAST` and its like, of `linux/rtnetlink.h`.
    pub kind: u8,
    /// The family of its destination.
    pub family: Family,
    /// Where to.
    pub to: Net,
    /// The ways there.
    pub hops: Vec<Hop>,
    /// The source address to prefer.
    pub source: Option<IpAddr>,
    /// The table.
    pub table: u32,
    /// Its preference; lower wins.
    pub metric: Option<u32>,
    /// `RT_SCOPE_UNIVERSE` and its like.
    pub scope: u8,
    /// The type of service it is for.
    pub tos: u8,
    /// Who made it (`RTPROT_KEEPALIVED` and its like).
    pub protocol: u8,
    /// Goes behind others with the same destination, not before them.
    pub append: bool,
    /// Values of the transport: `RTAX_` number, value, and whether it is locked.
    pub metrics: Vec<(u16, u32, bool)>,
    /// TCP's congestion control.
    pub congestion: Option<String>,
    /// Its realms, of the source in the upper half.
    pub realms: Option<u32>,
    /// Router preference (`ICMPV6_ROUTER_PREF_`), IPv6.
    pub preference: Option<u8>,
    /// Seconds until it goes, IPv6.
    pub expires: Option<u32>,
    /// Whether the TTL goes into and out of a tunnel of labels.
    pub ttl_propagate: Option<bool>,
}

/// One way to a destination.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Hop {
    /// The router.
    pub via: Option<IpAddr>,
    /// The interface.
    pub interface: Option<Name>,
    /// How much of the traffic, from 1.
    pub weight: u8,
    /// The router is on the link whatever the addresses say.
    pub onlink: bool,
    /// In what packets are wrapped.
    pub encap: Option<Encap>,
}

/// In what the packets of a route are wrapped.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Encap {
    /// MPLS labels, the outermost first, and their TTL.
    Mpls {
        /// The labels.
        labels: Vec<u32>,
        /// The TTL to send with.
        ttl: Option<u8>,
    },
    /// What a tunnel interface is to send with, IPv4 or IPv6 by its addresses.
    Ip {
        /// Which of the two.
        family: Family,
        /// The tunnel's id.
        id: Option<u64>,
        /// The far end.
        to: Option<IpAddr>,
        /// The near end.
        from: Option<IpAddr>,
        /// TTL or hop limit.
        ttl: Option<u8>,
        /// Type of service or traffic class.
        tos: Option<u8>,
    },
}

/// A rule.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Rule {
    /// Its family.
    pub family: Family,
    /// Matches what does not match.
    pub inverted: bool,
    /// From where.
    pub from: Option<Net>,
    /// To where.
    pub to: Option<Net>,
    /// In by which interface.
    pub input: Option<Name>,
    /// Out by which interface.
    pub output: Option<Name>,
    /// The mark, and which bits of it.
    pub mark: Option<(u32, u32)>,
    /// Its place among the rules; `None`: before all others but that of the local table.
    pub preference: Option<u32>,
    /// What it does.
    pub action: RuleDoes,
    /// The type of service.
    pub tos: u8,
    /// Who made it.
    pub protocol: u8,
    /// Realms, of the source in the upper half.
    pub realms: Option<u32>,
    /// Not by routes with a prefix of this length or shorter.
    pub suppress_prefix: Option<u32>,
    /// Not by routes out of interfaces of this group.
    pub suppress_group: Option<u32>,
    /// The owner of the socket, from and to.
    pub users: Option<(u32, u32)>,
    /// The protocol above IP.
    pub ip_protocol: Option<u8>,
    /// The port it comes from, from and to.
    pub source_ports: Option<(u16, u16)>,
    /// The port it goes to, from and to.
    pub target_ports: Option<(u16, u16)>,
    /// The id of the tunnel it came through.
    pub tunnel: Option<u64>,
    /// Looks into the table of the VRF the packet belongs to.
    pub l3mdev: bool,
}

/// What a rule does with what it matches.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum RuleDoes {
    /// Looks into this table.
    Table(u32),
    /// Goes on at the rule of this preference.
    Goto(u32),
    /// Nothing.
    Nothing,
    /// Drops in silence.
    Blackhole,
    /// Refuses: unreachable.
    Unreachable,
    /// Refuses: prohibited.
    Prohibit,
}

/// What is left to be known of a way that went: enough to look after those it may have been.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum WayTrace {
    /// A route of this table to this destination.
    Route {
        /// The table.
        table: u32,
        /// The destination.
        to: Net,
    },
    /// Some rule.
    Rule {
        /// Of this family.
        family: Family,
    },
}

/// One change of ways asked of the kernel, with the numbers of the interfaces it names.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WayOp {
    /// Whether to add it; else it is removed.
    pub add: bool,
    /// Which.
    pub way: Way,
    /// Interfaces by name.
    pub links: Vec<(Name, IfIndex)>,
}

/// All changes of ways that one decision asks for, in order.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WayBatch {
    /// To be returned with the outcome (`BatchDone`).
    pub ticket: Ticket,
    /// What to do. Later operations are tried even if earlier ones fail.
    pub ops: Vec<WayOp>,
}

/// As `ip route` and `ip rule` show it, shortened.
impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Way::Route(route) => {
                write!(f, "route {}", net(route.to))?;
                for hop in &route.hops {
                    if let Some(via) = hop.via {
                        write!(f, " via {via}")?;
                    }
                    if let Some(interface) = &hop.interface {
                        write!(f, " dev {interface}")?;
                    }
                }
                if route.table != 254 {
                    write!(f, " table {}", route.table)?;
                }
                match route.metric {
                    Some(metric) => write!(f, " metric {metric}"),
                    None => Ok(()),
                }
            }
            Way::Rule(rule) => {
                f.write_str("rule")?;
                if let Some(preference) = rule.preference {
                    write!(f, " {preference}:")?;
                }
                if let Some(from) = rule.from {
                    write!(f, " from {}", net(from))?;
                }
                if let Some(to) = rule.to {
                    write!(f, " to {}", net(to))?;
                }
                match rule.action {
                    RuleDoes::Table(table) => write!(f, " table {table}"),
                    RuleDoes::Goto(place) => write!(f, " goto {place}"),
                    RuleDoes::Nothing => f.write_str(" nop"),
                    RuleDoes::Blackhole => f.write_str(" blackhole"),
                    RuleDoes::Unreachable => f.write_str(" unreachable"),
                    RuleDoes::Prohibit => f.write_str(" prohibit"),
                }
            }
        }
    }
}

fn net((address, length): Net) -> String {
    if length == 0 { "default".to_owned() } else { format!("{address}/{length}") }
}

/// Which VIPs take no traffic, all of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Filter {
    /// The nftables table.
    pub table: Name,
    /// The priority of its chains.
    pub priority: i32,
    /// Count what is dropped.
    pub counters: bool,
    /// The addresses, each with its interface.
    pub vips: Vec<(IpAddr, IfIndex)>,
}
