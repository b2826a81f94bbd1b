//! From the words of a route or rule to its numbers: what `ip route` and `ip rule` would make of it.
//!
//! Names of tables are those of iproute2's files, looked up where the configuration stands. What
//! nobody here can do is refused with what to write instead, never passed over.

use core::cell::OnceCell;
use core::net::IpAddr;
use std::collections::BTreeMap;

use base::{Encap, Family, Hop, Name, RuleDoes, Way};

use crate::diagnostic::{Code, Diagnostic, Report};
use crate::{Files, HeldWay, Place, Prefix, Route, RouteKind, Rule, RuleAction, Table};

/// Where iproute2 keeps the names of tables, unless the configuration says otherwise; what is named
/// first counts.
const DIRECTORIES: [&str; 2] = ["/etc/iproute2", "/usr/share/iproute2"];
const TABLE_FILE: &str = "rt_tables";
/// More of them, in files of their own, in the first of the two.
const TABLE_FOLDER: &str = "rt_tables.d";

const LOCAL_TABLE: u32 = 255;
const MAIN_TABLE: u32 = 254;

/// `RTPROT_KEEPALIVED`: what routing daemons and people take our routes for.
const PROTOCOL: u8 = 18;

const PROTOCOLS: &[(&str, u8)] = &[
    ("unspec", 0),
    ("redirect", 1),
    ("kernel", 2),
    ("boot", 3),
    ("static", 4),
    ("gated", 8),
    ("ra", 9),
    ("mrt", 10),
    ("zebra", 11),
    ("bird", 12),
    ("dnrouted", 13),
    ("xorp", 14),
    ("ntk", 15),
    ("dhcp", 16),
    ("mrouted", 17),
    ("keepalived", 18),
    ("babel", 42),
    ("openr", 99),
    ("bgp", 186),
    ("isis", 187),
    ("ospf", 188),
    ("rip", 189),
    ("eigrp", 192),
];

const IP_PROTOCOLS: &[(&str, u8)] = &[
    ("icmp", 1),
    ("igmp", 2),
    ("tcp", 6),
    ("udp", 17),
    ("dccp", 33),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ipv6-icmp", 58),
    ("icmpv6", 58),
    ("ospf", 89),
    ("vrrp", 112),
    ("sctp", 132),
    ("udplite", 136),
];

/// Values of the transport by `ip route`'s names and the kernel's numbers.
const METRICS: &[(&str, u16)] = &[
    ("mtu", 2),
    ("window", 3),
    ("rtt", 4),
    ("rttvar", 5),
    ("ssthresh", 6),
    ("cwnd", 7),
    ("advmss", 8),
    ("reordering", 9),
    ("hoplimit", 10),
    ("initcwnd", 11),
    ("features", 12),
    ("rto_min", 13),
    ("initrwnd", 14),
    ("quickack", 15),
    ("fastopen_no_cookie", 17),
];

/// The names of tables, read when one is asked for.
pub(crate) struct Tables<'a> {
    files: &'a dyn Files,
    /// [`DIRECTORIES`], or others.
    directories: [String; 2],
    names: OnceCell<BTreeMap<String, u32>>,
}

impl<'a> Tables<'a> {
    pub(crate) fn new(files: &'a dyn Files) -> Self {
        let directories = DIRECTORIES.map(str::to_owned);
        Self { files, directories, names: OnceCell::new() }
    }

    /// Names are looked up in these places from now on (`iproute_etc_dir`, `iproute_usr_dir`).
    pub(crate) fn look_in(&mut self, places: [Option<String>; 2]) {
        for (directory, place) in self.directories.iter_mut().zip(places) {
            if let Some(place) = place {
                *directory = place;
            }
        }
    }

    fn number(&self, table: &Table) -> Result<u32, String> {
        let name = match table {
            Table::Number(number) => return Ok(*number),
            Table::Name(name) => name,
        };
        let names = self.names.get_or_init(|| self.read());
        names.get(name.as_str()).copied().ok_or_else(|| {
            format!(
                "no table is called `{name}`: write its number, or name it in {}/{TABLE_FILE}",
                self.directories[0]
            )
        })
    }

    fn read(&self) -> BTreeMap<String, u32> {
        let folder = format!("{}/{TABLE_FOLDER}", self.directories[0]);
        let mut more: Vec<String> = self.files.names(&folder);
        more.retain(|name| name.ends_with(".conf"));
        more.sort_unstable();
        let more = more.into_iter().map(|name| format!("{folder}/{name}"));
        let mut names = BTreeMap::new();
        let usual = self.directories.iter().map(|place| format!("{place}/{TABLE_FILE}"));
        for path in usual.chain(more) {
            let Ok(text) = self.files.read(&path) else { continue };
            for line in String::from_utf8_lossy(&text).lines() {
                let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
                if let (Some(number), Some(name)) = (words.next(), words.next())
                    && let Ok(number) = whole(number, u32::MAX)
                {
                    names.entry(name.to_owned()).or_insert(number);
                }
            }
        }
        names
    }
}

/// All routes and rules of one holder, in the order of installation. Those that cannot be made are
/// reported and left out.
pub(crate) fn ways(
    routes: &[Route],
    rules: &[Rule],
    interface: Option<&Name>,
    tables: &Tables<'_>,
    report: &mut Report,
) -> Vec<HeldWay> {
    let mut all = Vec::with_capacity(routes.len() + rules.len());
    let mut take =
        |made: Result<Way, String>, untracked: bool, group: &Option<Name>, place: Place| match made
        {
            Ok(way) => {
                all.push(HeldWay { way, guarded: !untracked, track_group: group.clone(), place });
            }
            Err(why) => report.tolerate(
                Diagnostic::error(Code::BadOption, place.0, why)
                    .label("in this line")
                    .help("correct it, or remove the line if you can do without"),
            ),
        };
    for it in routes {
        take(route(it, interface, tables), it.untracked, &it.track_group, it.place);
    }
    for it in rules {
        take(rule(it, tables), it.untracked, &it.track_group, it.place);
    }
    all
}

fn route(route: &Route, interface: Option<&Name>, tables: &Tables<'_>) -> Result<Way, String> {
    let mut made = base::Route {
        kind: kind(route.kind),
        family: route.family,
        to: net(&route.to)?,
        hops: Vec::new(),
        source: route.source,
        table: match &route.table {
            Some(table) => tables.number(table)?,
            None => default_table(route.kind),
        },
        metric: route.metric,
        scope: 0,
        tos: route.tos.unwrap_or(0),
        protocol: route.protocol.as_deref().map_or(Ok(PROTOCOL), |it| named(it, PROTOCOLS))?,
        append: route.append,
        metrics: Vec::new(),
        congestion: None,
        realms: None,
        preference: None,
        expires: None,
        ttl_propagate: None,
    };
    if route.source.is_some_and(|source| Family::of(&source) != route.family) {
        return Err("the source address is of another family than the destination".to_owned());
    }
    let mut encap = None;
    for (name, value) in &route.attributes {
        attribute(&mut made, &mut encap, name, value)?;
    }
    made.hops = hops(route, encap, interface)?;
    made.scope = scope(route);
    Ok(Way::Route(Box::new(made)))
}

fn hops(route: &Route, encap: Option<Encap>, interface: Option<&Name>) -> Result<Vec<Hop>, String> {
    let hop = |hop: &crate::NextHop| Hop {
        via: hop.via,
        interface: hop.interface.clone(),
        weight: hop.weight.unwrap_or(1),
        onlink: hop.onlink,
        encap: None,
    };
    let mut hops: Vec<Hop> = route.hops.iter().map(hop).collect();
    if let Some(via) = route.alternative {
        let like = hops.first().cloned().unwrap_or_default();
        hops.push(Hop { via: Some(via), weight: 1, ..like });
    }
    let leads = matches!(
        route.kind,
        RouteKind::Unicast
            | RouteKind::Local
            | RouteKind::Broadcast
            | RouteKind::Anycast
            | RouteKind::Multicast
    );
    if leads && hops.is_empty() {
        hops.push(Hop { weight: 1, ..Hop::default() });
    }
    for hop in &mut hops {
        // A router is found by the kernel; where there is none, or it is link-local, only an
        // interface says where.
        let needs =
            hop.via.is_none_or(|via| matches!(via, IpAddr::V6(it) if it.is_unicast_link_local()));
        if leads && needs && hop.interface.is_none() {
            hop.interface = interface.cloned();
        }
        if hop.via.is_some_and(|via| Family::of(&via) == Family::V4 && route.family == Family::V6) {
            return Err("an IPv6 route has no IPv4 router".to_owned());
        }
    }
    if encap.is_some() {
        match hops.as_mut_slice() {
            [only] => only.encap = encap,
            _ => {
                return Err(
                    "`encap` goes with a route of one way: make one route for each".to_owned()
                );
            }
        }
    }
    Ok(hops)
}

/// As keepalived: global unless said otherwise, also for routes without a router (where `ip route`
/// would say link). A local or broadcast route of global scope the kernel refuses.
fn scope(route: &Route) -> u8 {
    match (route.scope, route.kind) {
        (Some(scope), _) => scope.0,
        _ if route.family == Family::V6 => 0,
        (None, RouteKind::Local) => 254,
        (None, RouteKind::Broadcast | RouteKind::Anycast) => 253,
        _ => 0,
    }
}

fn attribute(
    made: &mut base::Route,
    encap: &mut Option<Encap>,
    name: &str,
    value: &str,
) -> Result<(), String> {
    if let Some((_, number)) = METRICS.iter().find(|(known, _)| *known == name) {
        let (locked, value) = match value.strip_prefix("lock ") {
            Some(value) => (true, value),
            None => (false, value),
        };
        let value = match name {
            "features" => match value {
                "ecn" => 1,
                other => return Err(format!("`features {other}`: only `ecn` is known")),
            },
            "rtt" | "rttvar" => {
                let (time, unit) = time(value)?;
                let parts = if name == "rtt" { 8 } else { 4 };
                if unit { time.saturating_mul(parts) } else { time }
            }
            "rto_min" => time(value)?.0,
            _ => whole(value, u32::MAX)?,
        };
        made.metrics.push((*number, value, locked));
        return Ok(());
    }
    match name {
        "congctl" => {
            let value = value.strip_prefix("lock ").unwrap_or(value);
            made.congestion = Some(value.to_owned());
        }
        "realms" | "realm" => {
            v4_only(made.family, name)?;
            made.realms = Some(realms(value)?);
        }
        "pref" => {
            made.preference = Some(match value {
                "low" => 3,
                "medium" => 0,
                "high" => 1,
                other => return Err(format!("`pref {other}`: it is low, medium or high")),
            });
        }
        "expires" => {
            if made.family == Family::V4 {
                return Err("`expires` is for IPv6 routes".to_owned());
            }
            made.expires = Some(whole(value, u32::MAX)?);
        }
        "ttl-propagate" => {
            made.ttl_propagate = Some(match value {
                "enabled" => true,
                "disabled" => false,
                other => return Err(format!("`ttl-propagate {other}`: it is enabled or disabled")),
            });
        }
        "vrf" => {
            return Err(format!(
                "`vrf {value}` cannot be looked up: write `table NUMBER`, the table of the VRF"
            ));
        }
        "encap" => *encap = Some(self::encap(value)?),
        other => return Err(format!("`{other}` cannot be set on a route here")),
    }
    Ok(())
}

/// `encap mpls 100/200 [ttl N]`, `encap ip|ip6 [id N] [dst A] [src A] [tos N|tc N] [ttl N|hoplimit N]`.
fn encap(words: &str) -> Result<Encap, String> {
    let mut words = words.split_whitespace();
    let kind = words.next().unwrap_or_default();
    let mut value =
        |name: &str| words.next().ok_or_else(|| format!("`encap`: `{name}` needs a value"));
    match kind {
        "mpls" => {
            let labels = value("mpls")?.split('/').map(|it| whole(it, (1 << 20) - 1));
            let labels = labels.collect::<Result<Vec<u32>, String>>()?;
            let mut ttl = None;
            while let Ok(word) = value("") {
                match word {
                    "ttl" => ttl = Some(octet(value("ttl")?)?),
                    other => return Err(format!("`encap mpls`: unknown word `{other}`")),
                }
            }
            Ok(Encap::Mpls { labels, ttl })
        }
        "ip" | "ip6" => {
            let family = if kind == "ip" { Family::V4 } else { Family::V6 };
            let (mut id, mut to, mut from, mut ttl, mut tos) = (None, None, None, None, None);
            while let Ok(word) = value("") {
                let given = value(word)?;
                let address = || {
                    let address: IpAddr = given
                        .parse()
                        .map_err(|_| format!("`encap {kind}`: `{given}` is no address"))?;
                    if Family::of(&address) == family {
                        Ok(address)
                    } else {
                        Err(format!("`encap {kind}`: `{given}` is of the other family"))
                    }
                };
                match word {
                    "id" => {
                        let number = given.parse::<u64>();
                        id = Some(
                            number
                                .map_err(|_| format!("`encap {kind}`: `{given}` is no number"))?,
                        );
                    }
                    "dst" => to = Some(address()?),
                    "src" => from = Some(address()?),
                    "ttl" | "hoplimit" => ttl = Some(octet(given)?),
                    "tos" | "tc" => tos = Some(octet(given)?),
                    other => return Err(format!("`encap {kind}`: `{other}` cannot be set here")),
                }
            }
            Ok(Encap::Ip { family, id, to, from, ttl, tos })
        }
        other => Err(format!("`encap {other}` cannot be made here: mpls, ip and ip6 can")),
    }
}

fn rule(rule: &Rule, tables: &Tables<'_>) -> Result<Way, String> {
    let mut made = base::Rule {
        family: rule.family,
        inverted: rule.inverted,
        from: rule.from.as_ref().map(net).transpose()?,
        to: rule.to.as_ref().map(net).transpose()?,
        input: rule.input.clone(),
        output: rule.output.clone(),
        mark: rule.mark,
        preference: rule.preference,
        action: match &rule.action {
            RuleAction::Table(table) => RuleDoes::Table(tables.number(table)?),
            RuleAction::Goto(place) => RuleDoes::Goto(*place),
            RuleAction::Blackhole => RuleDoes::Blackhole,
            RuleAction::Unreachable => RuleDoes::Unreachable,
            RuleAction::Prohibit => RuleDoes::Prohibit,
            RuleAction::Nothing => RuleDoes::Nothing,
        },
        tos: 0,
        protocol: PROTOCOL,
        realms: None,
        suppress_prefix: None,
        suppress_group: None,
        users: None,
        ip_protocol: None,
        source_ports: None,
        target_ports: None,
        tunnel: None,
        l3mdev: false,
    };
    if let RuleDoes::Goto(place) = made.action
        && made.preference.is_some_and(|own| place <= own)
    {
        return Err(format!(
            "`goto {place}` leads backwards: the kernel only goes on further down"
        ));
    }
    for (name, value) in &rule.attributes {
        match name.as_str() {
            "tos" | "dsfield" => made.tos = octet(value)?,
            "realms" => {
                v4_only(made.family, name)?;
                made.realms = Some(realms(value)?);
            }
            "suppress_prefixlength" => made.suppress_prefix = Some(whole(value, 128)?),
            "suppress_ifgroup" => {
                made.suppress_group =
                    Some(if value == "default" { 0 } else { whole(value, u32::MAX)? });
            }
            "uidrange" => made.users = Some(range(value, u32::MAX)?),
            "protocol" => made.protocol = named(value, PROTOCOLS)?,
            "ip_proto" | "ipproto" => made.ip_protocol = Some(named(value, IP_PROTOCOLS)?),
            "sport" => made.source_ports = Some(ports(value)?),
            "dport" => made.target_ports = Some(ports(value)?),
            "tun_id" => {
                made.tunnel =
                    Some(value.parse().map_err(|_| format!("`tun_id {value}` is no number"))?);
            }
            "l3mdev" => {
                made.l3mdev = true;
                if made.action == RuleDoes::Nothing {
                    made.action = RuleDoes::Table(0);
                }
            }
            other => return Err(format!("`{other}` cannot be set on a rule here")),
        }
    }
    Ok(Way::Rule(Box::new(made)))
}

fn net(prefix: &Prefix) -> Result<base::Net, String> {
    let host = match prefix.address {
        IpAddr::V4(it) => it.to_bits().checked_shl(prefix.length.into()).unwrap_or(0) != 0,
        IpAddr::V6(it) => it.to_bits().checked_shl(prefix.length.into()).unwrap_or(0) != 0,
    };
    if host {
        return Err(format!(
            "`{}/{}` has bits beyond its length: the kernel would refuse it",
            prefix.address, prefix.length
        ));
    }
    Ok((prefix.address, prefix.length))
}

fn kind(kind: RouteKind) -> u8 {
    match kind {
        RouteKind::Unicast => 1,
        RouteKind::Local => 2,
        RouteKind::Broadcast => 3,
        RouteKind::Anycast => 4,
        RouteKind::Multicast => 5,
        RouteKind::Blackhole => 6,
        RouteKind::Unreachable => 7,
        RouteKind::Prohibit => 8,
        RouteKind::Throw => 9,
    }
}

fn default_table(kind: RouteKind) -> u32 {
    match kind {
        RouteKind::Local | RouteKind::Broadcast | RouteKind::Anycast => LOCAL_TABLE,
        _ => MAIN_TABLE,
    }
}

fn v4_only(family: Family, name: &str) -> Result<(), String> {
    match family {
        Family::V4 => Ok(()),
        Family::V6 => Err(format!("`{name}` is for IPv4 only")),
    }
}

/// A number, decimal or with `0x` in front.
fn whole(text: &str, most: u32) -> Result<u32, String> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    let number = number.map_err(|_| format!("`{text}` is no number"))?;
    if number > most { Err(format!("`{text}` is more than {most}")) } else { Ok(number) }
}

fn octet(text: &str) -> Result<u8, String> {
    let number = whole(text, 255)?;
    u8::try_from(number).map_err(|_| format!("`{text}` is more than 255"))
}

/// Milliseconds, and whether the text said so; a bare number is the kernel's own unit.
fn time(text: &str) -> Result<(u32, bool), String> {
    if let Some(digits) = text.strip_suffix("ms") {
        return Ok((whole(digits, u32::MAX)?, true));
    }
    if let Some(digits) = text.strip_suffix('s') {
        return Ok((whole(digits, u32::MAX / 1000)? * 1000, true));
    }
    Ok((whole(text, u32::MAX)?, false))
}

fn realms(text: &str) -> Result<u32, String> {
    let (from, to) = text.split_once('/').unwrap_or(("0", text));
    Ok((whole(from, 0xffff)? << 16) | whole(to, 0xffff)?)
}

fn range(text: &str, most: u32) -> Result<(u32, u32), String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (whole(first, most)?, whole(last, most)?);
    if first > last { Err(format!("`{text}` ends before it begins")) } else { Ok((first, last)) }
}

fn ports(text: &str) -> Result<(u16, u16), String> {
    let (first, last) = range(text, 0xffff)?;
    let port = |number| u16::try_from(number).map_err(|_| format!("`{text}` is no port"));
    Ok((port(first)?, port(last)?))
}

fn named(text: &str, names: &[(&str, u8)]) -> Result<u8, String> {
    match names.iter().find(|(name, _)| *name == text) {
        Some((_, number)) => Ok(*number),
        None => octet(text)
            .map_err(|_| format!("`{text}` is neither a number up to 255 nor a known name")),
    }
}
