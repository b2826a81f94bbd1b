//! Single values in keepalived's words.

use core::fmt::Write as _;
use core::time::Duration;

use base::{Family, Reason, State};
use conf::{Prefix, Route, RouteKind, Rule, RuleAction, Table};
use vrrp::InstanceStatus;

/// What a state is called outside.
pub(crate) fn state(one: &InstanceStatus) -> &'static str {
    match (one.state, one.fault) {
        (State::Active, _) => "MASTER",
        (State::Backup, _) => "BACKUP",
        (State::Initialize, Some(Reason::Startup)) => "INIT",
        (State::Initialize, _) => "FAULT",
    }
}

/// The same as a number.
pub(crate) fn state_number(one: &InstanceStatus) -> u8 {
    match state(one) {
        "INIT" => 0,
        "BACKUP" => 1,
        "MASTER" => 2,
        _ => 3,
    }
}

/// A group's state.
pub(crate) fn group_state(state: State) -> &'static str {
    match state {
        State::Active => "MASTER",
        State::Backup => "BACKUP",
        State::Initialize => "FAULT",
    }
}

/// Yes or no in the words of a line.
pub(crate) fn choose<'a>(which: bool, yes: &'a str, no: &'a str) -> &'a str {
    if which { yes } else { no }
}

/// `1795645169.352106 (Wed Nov 25 22:19:29.352106 2026)`, by Universal Time.
pub(crate) fn moment(since_1970: Duration) -> String {
    let (seconds, micros) = (since_1970.as_secs(), since_1970.subsec_micros());
    let stamp = i64::try_from(seconds).ok().and_then(|s| jiff::Timestamp::from_second(s).ok());
    let date = stamp.map_or_else(String::new, |stamp| {
        let date = stamp.to_zoned(jiff::tz::TimeZone::UTC);
        format!(" ({}.{micros:06} {})", date.strftime("%a %b %d %H:%M:%S"), date.strftime("%Y"))
    });
    format!("{seconds}.{micros:06}{date}")
}

/// Whole seconds.
pub(crate) fn seconds(span: Duration) -> u64 {
    span.as_secs()
}

fn prefix(prefix: &Prefix) -> String {
    match (prefix.length, prefix.address.is_ipv4()) {
        (0, _) => "default".into(),
        (32, true) | (128, false) => prefix.address.to_string(),
        (length, _) => format!("{}/{length}", prefix.address),
    }
}

fn family(is_ipv4: bool) -> &'static str {
    if is_ipv4 { "inet" } else { "inet6" }
}

fn table(table: &Table) -> String {
    match table {
        Table::Number(number) => number.to_string(),
        Table::Name(name) => name.to_string(),
    }
}

/// A route as dumps write it.
pub(crate) fn route(route: &Route) -> String {
    let mut text = String::from(if route.append { "append " } else { "prepend " });
    let kind = match route.kind {
        RouteKind::Unicast => "",
        RouteKind::Local => "local ",
        RouteKind::Broadcast => "broadcast ",
        RouteKind::Anycast => "anycast ",
        RouteKind::Multicast => "multicast ",
        RouteKind::Blackhole => "blackhole ",
        RouteKind::Unreachable => "unreachable ",
        RouteKind::Prohibit => "prohibit ",
        RouteKind::Throw => "throw ",
    };
    text += kind;
    text += &prefix(&route.to);
    let several = route.hops.len() > 1;
    for hop in &route.hops {
        if several {
            text += " nexthop";
        }
        if let Some(via) = hop.via {
            let _ = write!(text, " via {} {via}", family(via.is_ipv4()));
        }
        if let Some(interface) = &hop.interface {
            let _ = write!(text, " dev {interface}");
        }
        if let Some(weight) = hop.weight {
            let _ = write!(text, " weight {weight}");
        }
        if hop.onlink {
            text += " onlink";
        }
    }
    if let Some(source) = route.source {
        let _ = write!(text, " src {source}");
    }
    if let Some(name) = &route.table {
        let _ = write!(text, " table {}", table(name));
    }
    if let Some(metric) = route.metric {
        let _ = write!(text, " metric {metric}");
    }
    if let Some(scope) = route.scope {
        let _ = write!(text, " scope {scope}");
    }
    attributes(&mut text, &route.attributes);
    if route.untracked {
        text += " no_track";
    }
    text
}

/// A rule as dumps write it.
pub(crate) fn rule(rule: &Rule) -> String {
    let mut text = String::new();
    if rule.inverted {
        text += "not ";
    }
    text += "from ";
    text += &rule.from.as_ref().map_or_else(|| "all".into(), prefix);
    if let Some(to) = &rule.to {
        let _ = write!(text, " to {}", prefix(to));
    }
    if let Some(preference) = rule.preference {
        let _ = write!(text, " priority {preference}");
    }
    if let Some((mark, mask)) = rule.mark {
        let _ = write!(text, " fwmark {mark:#x}/{mask:#x}");
    }
    for (word, interface) in [("iif", &rule.input), ("oif", &rule.output)] {
        if let Some(interface) = interface {
            let _ = write!(text, " {word} {interface}");
        }
    }
    if rule.family == Family::V6 && rule.from.is_none() && rule.to.is_none() {
        text += " inet6";
    }
    attributes(&mut text, &rule.attributes);
    match &rule.action {
        RuleAction::Table(name) => {
            let _ = write!(text, " lookup {}", table(name));
        }
        RuleAction::Goto(preference) => {
            let _ = write!(text, " goto {preference}");
        }
        RuleAction::Blackhole => text += " blackhole",
        RuleAction::Unreachable => text += " unreachable",
        RuleAction::Prohibit => text += " prohibit",
        RuleAction::Nothing => text += " nop",
    }
    if rule.untracked {
        text += " no_track";
    }
    text
}

fn attributes(text: &mut String, attributes: &[(String, String)]) {
    for (name, value) in attributes {
        let _ = write!(text, " {name}");
        if !value.is_empty() {
            let _ = write!(text, " {value}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_seconds_with_microseconds_and_the_date() {
        let moment = moment(Duration::new(1_795_645_169, 352_106_000));
        assert_eq!(moment, "1795645169.352106 (Wed Nov 25 22:19:29.352106 2026)");
    }
}
