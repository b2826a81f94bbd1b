//! Lines of routes and rules: the words of `ip route` and `ip rule`, as far as keepalived takes them.
//!
//! What a route needs to be found again is typed; the many tuning values the kernel merely stores
//! (`mtu`, `rto_min`, `encap` ...) are kept as the words they are, checked only for having a value.

use core::net::IpAddr;

use base::{Family, Name};

use crate::diagnostic::{Code, Diagnostic};
use crate::keywords::nearest;
use crate::reader::{Reader, shown};
use crate::tree::Block;
use crate::{NextHop, Place, Prefix, Route, RouteKind, Rule, RuleAction, Span, Table};

const KINDS: &[(&str, RouteKind)] = &[
    ("unicast", RouteKind::Unicast),
    ("local", RouteKind::Local),
    ("broadcast", RouteKind::Broadcast),
    ("anycast", RouteKind::Anycast),
    ("multicast", RouteKind::Multicast),
    ("blackhole", RouteKind::Blackhole),
    ("unreachable", RouteKind::Unreachable),
    ("prohibit", RouteKind::Prohibit),
    ("throw", RouteKind::Throw),
];

/// Attributes of a route with one value that is only stored; those marked may have `lock` before it.
const ROUTE_VALUES: &[(&str, bool)] = &[
    ("mtu", true),
    ("hoplimit", true),
    ("advmss", true),
    ("rtt", true),
    ("rttvar", true),
    ("reordering", true),
    ("window", true),
    ("cwnd", true),
    ("ssthresh", true),
    ("rto_min", true),
    ("initcwnd", true),
    ("initrwnd", true),
    ("quickack", true),
    ("realms", false),
    ("realm", false),
    ("congctl", true),
    ("pref", false),
    ("expires", false),
    ("features", false),
    ("fastopen_no_cookie", false),
    ("ttl-propagate", false),
    ("vrf", false),
];

const ROUTE_WORDS: &[&str] = &[
    "via",
    "gw",
    "or",
    "src",
    "dev",
    "table",
    "metric",
    "preference",
    "priority",
    "scope",
    "tos",
    "dsfield",
    "protocol",
    "proto",
    "onlink",
    "nexthop",
    "append",
    "no_track",
    "track_group",
    "weight",
    "encap",
    "to",
    "inet6",
];

const RULE_VALUES: &[&str] = &[
    "tos",
    "dsfield",
    "realms",
    "suppress_prefixlength",
    "suppress_ifgroup",
    "uidrange",
    "protocol",
    "ip_proto",
    "ipproto",
    "sport",
    "dport",
    "tun_id",
];

const RULE_WORDS: &[&str] = &[
    "from",
    "to",
    "table",
    "lookup",
    "goto",
    "iif",
    "dev",
    "oif",
    "fwmark",
    "preference",
    "priority",
    "order",
    "not",
    "l3mdev",
    "blackhole",
    "unreachable",
    "prohibit",
    "nop",
    "no_track",
    "track_group",
    "inet",
    "inet6",
];

/// The words of a line, taken one by one.
struct Words<'a> {
    words: &'a [Span],
    at: usize,
}

impl Words<'_> {
    fn next(&mut self) -> Option<Span> {
        let word = self.words.get(self.at).copied();
        self.at += 1;
        word
    }

    fn peek(&self) -> Option<Span> {
        self.words.get(self.at).copied()
    }
}

impl Reader<'_> {
    /// The routes of a block; illegal lines are reported and left out.
    pub(crate) fn routes(&mut self, block: &Block) -> Vec<Route> {
        let lines = block.statements.iter();
        lines.filter_map(|line| self.no_block_in(line).then(|| self.route(&line.words))?).collect()
    }

    /// The rules of a block; illegal lines are reported and left out.
    pub(crate) fn rules(&mut self, block: &Block) -> Vec<Rule> {
        let lines = block.statements.iter();
        lines.filter_map(|line| self.no_block_in(line).then(|| self.rule(&line.words))?).collect()
    }

    fn route(&mut self, words: &[Span]) -> Option<Route> {
        let mut words = Words { words, at: 0 };
        let place = words.peek()?;
        let mut route = Route {
            kind: RouteKind::Unicast,
            family: Family::V4,
            to: Prefix { address: IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED), length: 0 },
            hops: Vec::new(),
            alternative: None,
            source: None,
            table: None,
            metric: None,
            scope: None,
            tos: None,
            protocol: None,
            append: false,
            attributes: Vec::new(),
            untracked: false,
            track_group: None,
            place: Place(place),
        };
        let mut to: Option<(Prefix, bool)> = None;
        let mut hop = NextHop::default();
        let mut v6 = false;
        // Routers whose family is not said to be another one than the route's.
        let mut routers: Vec<(IpAddr, Span)> = Vec::new();
        while let Some(span) = words.next() {
            let word = self.word(span)?.into_owned();
            match &*word {
                "via" | "gw" => {
                    if word == "gw" {
                        self.old_word(span, "gw", "via");
                    }
                    let (mut value, mut at) = self.option_value(&word, span, words.next())?;
                    let said = matches!(&*value, "inet" | "inet6");
                    if said {
                        (value, at) = self.option_value(&word, at, words.next())?;
                    }
                    let router = self.address(&value, at)?;
                    hop.via = Some(router);
                    if !said {
                        routers.push((router, at));
                    }
                }
                "or" => {
                    self.old_word(span, "or", "nexthop via");
                    let (value, at) = self.option_value(&word, span, words.next())?;
                    route.alternative = Some(self.address(&value, at)?);
                }
                "src" => {
                    let (value, at) = self.option_value(&word, span, words.next())?;
                    let bare = value.split('/').next().unwrap_or_default().to_owned();
                    route.source = Some(self.address(&bare, at)?);
                }
                "dev" | "oif" => {
                    let (value, at) = self.option_value(&word, span, words.next())?;
                    hop.interface = Some(self.interface(&value, at)?);
                }
                "weight" => {
                    let (value, at) = self.option_value(&word, span, words.next())?;
                    let number = self.integer(&word, &value, at, 1, 256, "")?;
                    hop.weight = u8::try_from(number.min(255)).ok();
                }
                "onlink" => hop.onlink = true,
                "nexthop" => {
                    if hop != NextHop::default() {
                        route.hops.push(core::mem::take(&mut hop));
                    }
                }
                "table" => {
                    let (value, at) = self.option_value(&word, span, words.next())?;
                    route.table = Some(self.table(&value, at)?);
                }
                "metric" | "preference" | "priority" => {
                    let (value, at) = self.option_value(&word, span, words.next())?;
                    let number = self.integer(&word, &value, at, 0, 4_294_967_295, "")?;
                    route.metric = u32::try_from(number).ok();
                }
                "scope" => {
                    let (value, at) = self.option_value(&word, span, words.next())?;
                    route.scope = Some(self.scope(&value, at)?);
                }
                "tos" | "dsfield" => {
                    let (value, at) = self.option_value(&word, span, words.next())?;
                    let number = self.any_base(&word, &value, at, 255)?;
                    route.tos = u8::try_from(number).ok();
                }
                "protocol" | "proto" => {
                    let (value, _) = self.option_value(&word, span, words.next())?;
                    route.protocol = Some(value);
                }
                "append" => route.append = true,
                "no_track" => route.untracked = true,
                "inet6" => v6 = true,
                "track_group" => {
                    let (value, _) = self.option_value(&word, span, words.next())?;
                    route.track_group = Some(Name::from(value));
                }
                "to" => {
                    let (value, at) = self.option_value(&word, span, words.next())?;
                    to = Some(self.destination(&value, at)?);
                }
                "encap" => {
                    let mut value = Vec::new();
                    while let Some(next) = words.peek() {
                        let text = self.word(next)?.into_owned();
                        if ROUTE_WORDS.contains(&&*text) && !matches!(&*text, "src" | "to" | "tos")
                        {
                            break;
                        }
                        value.push(text);
                        words.next();
                    }
                    route.attributes.push((word, value.join(" ")));
                }
                other => {
                    if let Some((_, kind)) = KINDS.iter().find(|(name, _)| *name == other)
                        && to.is_none()
                    {
                        route.kind = *kind;
                    } else if let Some((_, locks)) =
                        ROUTE_VALUES.iter().find(|(name, _)| *name == other)
                    {
                        let (mut value, at) = self.option_value(other, span, words.next())?;
                        if *locks && value == "lock" {
                            value =
                                format!("lock {}", self.option_value(other, at, words.next())?.0);
                        }
                        route.attributes.push((word, value));
                    } else if to.is_none() {
                        to = Some(self.destination(other, span)?);
                    } else {
                        self.bad_word_of("a route", other, span, ROUTE_WORDS);
                        return None;
                    }
                }
            }
        }
        let Some((prefix, any)) = to else {
            self.report.tolerate(
                Diagnostic::error(Code::ValueMissing, place, "this route leads nowhere")
                    .label("no destination")
                    .help(
                        "write `DESTINATION [via ROUTER] [dev INTERFACE]`, or `default via ROUTER`",
                    ),
            );
            return None;
        };
        if hop != NextHop::default() {
            route.hops.push(hop);
        }
        let near = route.hops.iter().find_map(|hop| hop.via).or(route.source);
        route.family = match near {
            Some(address) if any => Family::of(&address),
            _ if any && v6 => Family::V6,
            _ => Family::of(&prefix.address),
        };
        route.to = prefix;
        if any && route.family == Family::V6 {
            route.to.address = IpAddr::V6(core::net::Ipv6Addr::UNSPECIFIED);
        }
        if let Some((router, at)) = routers.iter().find(|(a, _)| Family::of(a) != route.family) {
            let (own, family) = (route.family, Family::of(router));
            let word = if family == Family::V6 { "inet6" } else { "inet" };
            self.report.tolerate(
                Diagnostic::error(
                    Code::MixedFamilies,
                    *at,
                    format!("the router is {family}, the route {own}"),
                )
                .label(format!("expected {own}"))
                .help(format!("write `via {word} {router}` if that is what you mean")),
            );
            return None;
        }
        let refuses = !matches!(
            route.kind,
            RouteKind::Unicast
                | RouteKind::Local
                | RouteKind::Broadcast
                | RouteKind::Anycast
                | RouteKind::Multicast
        );
        if refuses && route.hops.iter().any(|hop| hop.via.is_some()) {
            self.report.push(
                Diagnostic::error(Code::BadOption, place, "a route that drops has no router")
                    .label("of this kind")
                    .help("remove `via`, or the kind of the route"),
            );
            return None;
        }
        Some(route)
    }

    /// A destination, and whether it is everywhere and so of no family yet.
    fn destination(&mut self, word: &str, span: Span) -> Option<(Prefix, bool)> {
        if matches!(word, "default" | "all" | "any") {
            let address = IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED);
            return Some((Prefix { address, length: 0 }, true));
        }
        Some((self.prefix(word, span)?, false))
    }

    fn prefix(&mut self, word: &str, span: Span) -> Option<Prefix> {
        let (address, length) = match word.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (word, None),
        };
        let address = self.address(address, span)?;
        let most = Family::of(&address).host_prefix();
        let length = match length {
            None => most,
            Some(text) => {
                u8::try_from(self.integer("/LENGTH", text, span, 0, i64::from(most), "")?).ok()?
            }
        };
        Some(Prefix { address, length })
    }

    fn table(&mut self, word: &str, span: Span) -> Option<Table> {
        let known = match word {
            "main" => Some(254),
            "local" => Some(255),
            "default" => Some(253),
            _ => None,
        };
        if let Some(number) = known {
            return Some(Table::Number(number));
        }
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            let number = self.any_base("table", word, span, 4_294_967_295)?;
            return Some(Table::Number(number));
        }
        Some(Table::Name(Name::from(word)))
    }

    /// A number, decimal or with `0x` in front.
    fn any_base(&mut self, what: &str, word: &str, span: Span, max: i64) -> Option<u32> {
        if let Some(digits) = word.strip_prefix("0x")
            && let Ok(number) = u32::from_str_radix(digits, 16)
            && i64::from(number) <= max
        {
            return Some(number);
        }
        u32::try_from(self.integer(what, word, span, 0, max, "")?).ok()
    }

    fn rule(&mut self, words: &[Span]) -> Option<Rule> {
        let mut words = Words { words, at: 0 };
        let place = words.peek()?;
        let mut rule = Rule {
            family: Family::V4,
            inverted: false,
            from: None,
            to: None,
            input: None,
            output: None,
            mark: None,
            preference: None,
            action: RuleAction::Nothing,
            attributes: Vec::new(),
            untracked: false,
            track_group: None,
            place: Place(place),
        };
        let mut family = None;
        let mut action = None;
        while let Some(span) = words.next() {
            let word = self.word(span)?.into_owned();
            match &*word {
                "not" => rule.inverted = true,
                "inet" => family = Some(Family::V4),
                "inet6" => family = Some(Family::V6),
                "no_track" => rule.untracked = true,
                "l3mdev" => {
                    action = action.or(Some(RuleAction::Nothing));
                    rule.attributes.push((word, String::new()));
                }
                "blackhole" => action = Some(RuleAction::Blackhole),
                "unreachable" => action = Some(RuleAction::Unreachable),
                "prohibit" => action = Some(RuleAction::Prohibit),
                "nop" => action = Some(RuleAction::Nothing),
                "from" | "to" => {
                    let (value, at) = self.option_value(&word, span, words.next())?;
                    let (prefix, any) = self.destination(&value, at)?;
                    if !any {
                        family = Some(Family::of(&prefix.address));
                        *(if word == "from" { &mut rule.from } else { &mut rule.to }) =
                            Some(prefix);
                    }
                }
                "table" | "lookup" => {
                    let (value, at) = self.option_value(&word, span, words.next())?;
                    action = Some(RuleAction::Table(self.table(&value, at)?));
                }
                "goto" => {
                    let (value, at) = self.option_value(&word, span, words.next())?;
                    let number = self.any_base(&word, &value, at, 4_294_967_295)?;
                    action = Some(RuleAction::Goto(number));
                }
                "iif" | "dev" => {
                    let (value, at) = self.option_value(&word, span, words.next())?;
                    rule.input = Some(self.interface(&value, at)?);
                }
                "oif" => {
                    let (value, at) = self.option_value(&word, span, words.next())?;
                    rule.output = Some(self.interface(&value, at)?);
                }
                "fwmark" => {
                    let (value, at) = self.option_value(&word, span, words.next())?;
                    let (mark, mask) = match value.split_once('/') {
                        Some((mark, mask)) => {
                            (mark, self.any_base(&word, mask, at, 4_294_967_295)?)
                        }
                        None => (&*value, u32::MAX),
                    };
                    rule.mark = Some((self.any_base(&word, mark, at, 4_294_967_295)?, mask));
                }
                "preference" | "priority" | "order" | "pref" => {
                    let (value, at) = self.option_value(&word, span, words.next())?;
                    rule.preference = Some(self.any_base(&word, &value, at, 4_294_967_295)?);
                }
                "track_group" => {
                    let (value, _) = self.option_value(&word, span, words.next())?;
                    rule.track_group = Some(Name::from(value));
                }
                other if RULE_VALUES.contains(&other) => {
                    let (value, _) = self.option_value(other, span, words.next())?;
                    rule.attributes.push((word, value));
                }
                other => {
                    self.bad_word_of("a rule", other, span, RULE_WORDS);
                    return None;
                }
            }
        }
        let Some(action) = action else {
            self.report.tolerate(
                Diagnostic::error(Code::ValueMissing, place, "this rule does nothing")
                    .label("no table, goto, blackhole, unreachable or prohibit")
                    .help("add `table NUMBER`: the table to look into"),
            );
            return None;
        };
        rule.action = action;
        if rule.preference.is_none() {
            self.report.push(
                Diagnostic::warning(Code::RulePreference, place, "this rule has no preference")
                    .label("where it stands among the others is decided by chance")
                    .help("add `preference NUMBER`, below 32766 to come before the main table"),
            );
        }
        rule.family = family.unwrap_or(Family::V4);
        let mixed = rule
            .from
            .zip(rule.to)
            .is_some_and(|(from, to)| Family::of(&from.address) != Family::of(&to.address));
        if mixed {
            self.report.tolerate(
                Diagnostic::error(Code::MixedFamilies, place, "this rule mixes IPv4 and IPv6")
                    .label("from and to differ")
                    .help("make one rule for each family"),
            );
            return None;
        }
        Some(rule)
    }

    fn old_word(&mut self, span: Span, old: &str, today: &str) {
        self.report.push(
            Diagnostic::warning(
                Code::OldSpelling,
                span,
                format!("`{old}` is an old word for routes"),
            )
            .label(format!("understood as `{today}`"))
            .help(format!("write `{today}`")),
        );
    }

    fn bad_word_of(&mut self, what: &str, word: &str, span: Span, known: &[&str]) {
        let label = match nearest(word, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("no word of {what}"),
        };
        self.report.tolerate(
            Diagnostic::error(
                Code::BadOption,
                span,
                format!("unknown option {} of {what}", shown(word)),
            )
            .label(label)
            .help("the words are those of ip-route(8) and ip-rule(8), written out in full"),
        );
    }
}
