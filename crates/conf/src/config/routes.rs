//! Routes and rules, as far as `ip route` and `ip rule` know them, and static addresses.

use core::net::IpAddr;

use base::{Family, Name, Scope, Vip};
use serde::Serialize;

use super::VipOptions;
use crate::Place;

/// What is held as long as the daemon runs, whatever the instances do.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Statics {
    /// Addresses.
    pub addresses: Vec<StaticAddress>,
    /// Routes.
    pub routes: Vec<Route>,
    /// Rules.
    pub rules: Vec<Rule>,
    /// Routes, then rules, as they are to be held.
    #[serde(skip)]
    pub ways: Vec<HeldWay>,
}

/// A route or rule by its numbers.
#[derive(Clone, PartialEq, Debug)]
pub struct HeldWay {
    /// Which.
    pub way: base::Way,
    /// Put back when somebody removes it.
    pub guarded: bool,
    /// Instances that fault when it cannot be kept.
    pub track_group: Option<Name>,
    /// Where it stands.
    pub place: Place,
}

/// An address held as long as the daemon runs.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct StaticAddress {
    /// The address.
    pub vip: Vip,
    /// How it is installed.
    pub options: VipOptions,
    /// Where it stands.
    #[serde(skip)]
    pub place: Place,
}

/// An address and how much of it counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Prefix {
    /// The address.
    pub address: IpAddr,
    /// How many bits.
    pub length: u8,
}

/// A routing table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub enum Table {
    /// By number; 254 is `main`, 255 `local`, 253 `default`.
    Number(u32),
    /// By a name of `/etc/iproute2/rt_tables`, still to be looked up.
    Name(Name),
}

/// What a route does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub enum RouteKind {
    /// Leads somewhere.
    #[default]
    Unicast,
    /// Delivers here.
    Local,
    /// Delivers here as a broadcast.
    Broadcast,
    /// Delivers here as an anycast.
    Anycast,
    /// A group of listeners.
    Multicast,
    /// Drops in silence.
    Blackhole,
    /// Refuses: unreachable.
    Unreachable,
    /// Refuses: prohibited.
    Prohibit,
    /// Ends the lookup in this table.
    Throw,
}

/// One way to a destination.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct NextHop {
    /// The router.
    pub via: Option<IpAddr>,
    /// The interface.
    pub interface: Option<Name>,
    /// How much of the traffic, from 1.
    pub weight: Option<u8>,
    /// The router is on the link whatever the addresses say.
    pub onlink: bool,
}

/// A route (`virtual_routes`, `static_routes`).
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Route {
    /// What it does.
    pub kind: RouteKind,
    /// The family of its destination.
    pub family: Family,
    /// Where to; length 0: everywhere.
    pub to: Prefix,
    /// The ways there; one unless `nexthop` was used.
    pub hops: Vec<NextHop>,
    /// Another router, for when the first is given as `via A or B`.
    pub alternative: Option<IpAddr>,
    /// The source address to prefer.
    pub source: Option<IpAddr>,
    /// The table; `None`: main.
    pub table: Option<Table>,
    /// Its preference; lower wins.
    pub metric: Option<u32>,
    /// Its scope.
    pub scope: Option<Scope>,
    /// The type of service it is for.
    pub tos: Option<u8>,
    /// Who is said to have made it, as a number or a name.
    pub protocol: Option<String>,
    /// Goes behind others with the same destination.
    pub append: bool,
    /// The rest, as `ip route` has it: `mtu`, `advmss`, `encap` and their like with their values, in
    /// the order given.
    pub attributes: Vec<(String, String)>,
    /// Left missing when somebody removes it.
    pub untracked: bool,
    /// Instances that fault when it cannot be kept.
    pub track_group: Option<Name>,
    /// Where it stands.
    #[serde(skip)]
    pub place: Place,
}

/// What a rule does with what it matches.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub enum RuleAction {
    /// Looks into this table.
    Table(Table),
    /// Goes on at the rule of this preference.
    Goto(u32),
    /// Drops in silence.
    Blackhole,
    /// Refuses: unreachable.
    Unreachable,
    /// Refuses: prohibited.
    Prohibit,
    /// Does nothing.
    Nothing,
}

/// A rule (`virtual_rules`, `static_rules`).
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Rule {
    /// Its family: that of its addresses, else as `inet` or `inet6` says, else IPv4.
    pub family: Family,
    /// Matches what does not match.
    pub inverted: bool,
    /// From where.
    pub from: Option<Prefix>,
    /// To where.
    pub to: Option<Prefix>,
    /// In by which interface.
    pub input: Option<Name>,
    /// Out by which interface.
    pub output: Option<Name>,
    /// The mark, and which bits of it.
    pub mark: Option<(u32, u32)>,
    /// Its place among the rules; lower comes first.
    pub preference: Option<u32>,
    /// What it does.
    pub action: RuleAction,
    /// The rest, as `ip rule` has it, in the order given.
    pub attributes: Vec<(String, String)>,
    /// Left missing when somebody removes it.
    pub untracked: bool,
    /// Instances that fault when it cannot be kept.
    pub track_group: Option<Name>,
    /// Where it stands.
    #[serde(skip)]
    pub place: Place,
}
