//! A firewall that eats protocol 112: two nodes that do not hear each other both become Active.
//!
//! For every instance the adverts that come in and those that go out are led through the rules this
//! machine has. `nft` shows those of iptables-nft as well; rules of the old iptables are not shown by
//! anything, so only their presence is told.

use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::process::{Command, Stdio};

use base::Family;
use conf::{Code, Config, Diagnostic, InstanceConfig, Reach};

use super::packet::Packet;
use super::ruleset::{Fate, Ruleset};

/// Where `nft` is when `PATH` is a user's.
const PLACES: &[&str] = &["nft", "/usr/sbin/nft", "/sbin/nft"];

/// What the firewall of this machine means for the adverts of all instances.
pub(super) fn findings(config: &Config, out: &mut Vec<Diagnostic>) {
    let Some(first) = config.instances.first() else { return };
    let span = first.places.name.0;
    match shown() {
        Ok(text) => match Ruleset::parse(&text) {
            Some(rules) => judge(config, &rules, out),
            None => out.push(unseen(span, "`nft -j list ruleset` shows something else than rules")),
        },
        Err(why) => out.push(unseen(span, &why)),
    }
    for (file, program) in [
        ("/proc/net/ip_tables_names", "iptables-legacy"),
        ("/proc/net/ip6_tables_names", "ip6tables-legacy"),
    ] {
        if fs::read_to_string(file).is_ok_and(|names| names.lines().any(|name| name == "filter")) {
            out.push(unseen(span, &format!("there are rules of {program}, which only it shows")));
        }
    }
}

fn unseen(span: conf::Span, why: &str) -> Diagnostic {
    Diagnostic::note(
        Code::HostFirewall,
        span,
        format!("not the whole firewall of this machine was looked at: {why}"),
    )
    .label("adverts are protocol 112")
}

/// The rules as JSON, or why there are none.
fn shown() -> Result<String, String> {
    for place in PLACES {
        let ran = Command::new(place)
            .args(["-j", "list", "ruleset"])
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .output();
        match ran {
            Ok(done) if done.status.success() => {
                return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
            }
            Ok(done) => {
                let said = String::from_utf8_lossy(&done.stderr);
                let said = said.lines().next().unwrap_or("it says nothing");
                return Err(format!("`nft -j list ruleset`: {said}"));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(format!("`{place}` cannot be run: {error}")),
        }
    }
    Err("`nft` is not installed".into())
}

fn judge(config: &Config, rules: &Ruleset, out: &mut Vec<Diagnostic>) {
    for instance in &config.instances {
        for packet in packets(instance) {
            let fate = rules.fate(&packet);
            let (Fate::Dropped(by) | Fate::May(by)) = &fate else { continue };
            let whose = match (packet.incoming, packet.source, packet.destination) {
                (true, Some(peer), _) => format!("adverts of the peer {peer}"),
                (true, None, _) => "adverts of other nodes".into(),
                (false, _, Some(to)) => format!("own adverts to {to}"),
                (false, _, None) => "own adverts".into(),
            };
            let (way, name) = (if packet.incoming { "in" } else { "out" }, &packet.interface);
            let at = if name.is_empty() { String::new() } else { format!(" on `{name}`") };
            let span = instance.places.interface.0;
            let finding = match &fate {
                Fate::Dropped(_) => {
                    let message =
                        format!("the firewall drops {whose} on their way {way}{at} ({by})");
                    let label = if packet.incoming {
                        format!("`{}` becomes Active beside another node", instance.name)
                    } else {
                        "other nodes become Active beside this one".into()
                    };
                    Diagnostic::warning(Code::HostFirewall, span, message).label(label)
                }
                _ => {
                    let message =
                        format!("the firewall may drop {whose} on their way {way}{at} ({by})");
                    Diagnostic::note(Code::HostFirewall, span, message)
                        .label("it depends on what is not known here")
                }
            };
            out.push(finding.help(remedy(&packet)));
        }
    }
}

/// What to add to which chain.
fn remedy(packet: &Packet) -> String {
    let family = if packet.v4 { "ip" } else { "ip6" };
    let mut rule = String::new();
    if !packet.interface.is_empty() {
        let key = if packet.incoming { "iifname" } else { "oifname" };
        rule.push_str(&format!("{key} {} ", packet.interface));
    }
    for (field, address) in [("saddr", packet.source), ("daddr", packet.destination)] {
        if let Some(address) = address {
            rule.push_str(&format!("{family} {field} {address} "));
        }
    }
    format!("before that, put the rule `{rule}meta l4proto 112 accept`")
}

/// The adverts an instance hears and those it sends.
fn packets(instance: &InstanceConfig) -> Vec<Packet> {
    let base = instance.interface.as_ref().map(ToString::to_string).unwrap_or_default();
    // With a virtual MAC, adverts leave by its interface; the name of one that is not named is
    // known, if at all, only once it is there.
    let sender = match &instance.vmac {
        Some(vmac) if vmac.own && !vmac.transmit_on_base => {
            let made = || format!("vrrp.{}", instance.vrid);
            vmac.name.as_ref().map_or_else(made, ToString::to_string)
        }
        _ => base.clone(),
    };
    let v4 = instance.family == Family::V4;
    let one = |incoming, source, destination, multicast, ttl| Packet {
        incoming,
        interface: if incoming { base.clone() } else { sender.clone() },
        source,
        destination,
        multicast,
        v4,
        ttl,
    };
    match &instance.reach {
        Reach::Multicast { group } => vec![
            one(true, None, Some(*group), true, Some(255)),
            one(false, instance.source, Some(*group), true, Some(255)),
        ],
        Reach::Unicast { peers, ttl, .. } => peers
            .iter()
            .flat_map(|peer| {
                let to: Option<IpAddr> = Some(peer.address);
                [
                    one(true, to, instance.source, false, None),
                    one(false, instance.source, to, false, Some(*ttl)),
                ]
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(more: &str) -> Config {
        let text = format!(
            "vrrp_instance A {{\n interface eth0\n virtual_router_id 5\n {more}\n virtual_ipaddress {{\n 192.0.2.5\n }}\n}}\n"
        );
        conf::load(conf::Source { name: "t", text: text.as_bytes() }, conf::Options::default())
            .config
            .unwrap()
    }

    /// A chain at the hook `input` of `inet t`, what stands in it, and what is found for an
    /// instance with `more`.
    fn found(more: &str, policy: &str, rules: &[&str]) -> Vec<(conf::Severity, String)> {
        let rules: String = rules
            .iter()
            .enumerate()
            .map(|(handle, expr)| {
                format!(
                    r#",{{"rule":{{"family":"inet","table":"t","chain":"in","handle":{handle},"expr":[{expr}]}}}}"#
                )
            })
            .collect();
        let text = format!(
            r#"{{"nftables":[{{"chain":{{"family":"inet","table":"t","name":"in","hook":"input","prio":0,"policy":"{policy}"}}}},{{"chain":{{"family":"inet","table":"t","name":"sub"}}}},{{"set":{{"family":"inet","table":"t","name":"s","elem":[{{"prefix":{{"addr":"192.0.2.0","len":24}}}}]}}}}{rules}]}}"#
        );
        let mut out = Vec::new();
        judge(&config(more), &Ruleset::parse(&text).unwrap(), &mut out);
        out.into_iter().map(|d| (d.severity, d.message)).collect()
    }

    const VRRP: &str = r#"{"match":{"op":"==","left":{"meta":{"key":"l4proto"}},"right":{"set":["icmp","vrrp"]}}}"#;
    const KNOWN: &str =
        r#"{"match":{"op":"in","left":{"ct":{"key":"state"}},"right":["established","related"]}}"#;
    const SSH: &str =
        r#"{"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":22}}"#;
    const ELSEWHERE: &str =
        r#"{"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":"eth1"}}"#;
    const FROM_SET: &str = r#"{"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"saddr"}},"right":"@s"}}"#;
    const STATES: &str = r#"{"vmap":{"key":{"ct":{"key":"state"}},"data":{"set":[["established",{"accept":null}],["invalid",{"drop":null}]]}}}"#;

    fn accept(conditions: &[&str]) -> String {
        let mut all = conditions.to_vec();
        all.push(r#"{"counter":{"packets":0,"bytes":0}},{"accept":null}"#);
        all.join(",")
    }

    #[test]
    fn a_policy_drops_what_no_rule_accepts() {
        use conf::Severity::{Note, Warning};
        let kinds = |more: &str, policy: &str, rules: &[&str]| -> Vec<_> {
            found(more, policy, rules).into_iter().map(|(severity, _)| severity).collect()
        };
        assert_eq!(kinds("", "accept", &[]), []);
        assert_eq!(kinds("", "drop", &[]), [Warning]);
        let said = &found("", "drop", &[])[0].1;
        assert_eq!(
            said,
            "the firewall drops adverts of other nodes on their way in on `eth0` (table inet t, chain in: policy drop)"
        );
        // Nothing of this lets an advert in: answers to what was sent, TCP, another interface.
        let others = [accept(&[KNOWN]), accept(&[SSH]), accept(&[ELSEWHERE])];
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        assert_eq!(kinds("", "drop", &others), [Warning]);
        assert_eq!(kinds("", "drop", &[STATES]), [Warning]);
        // And each of this does.
        assert_eq!(kinds("", "drop", &[&accept(&[VRRP])]), []);
        assert_eq!(kinds("", "drop", &[STATES, &accept(&[VRRP])]), []);
        // An accept before a drop, and after it.
        let drop = r#"{"drop":null}"#;
        assert_eq!(kinds("", "accept", &[&accept(&[VRRP]), drop]), []);
        assert_eq!(kinds("", "accept", &[drop, &accept(&[VRRP])]), [Warning]);
        // Who sends it is not known before, but of peers it is.
        assert_eq!(kinds("", "drop", &[&accept(&[FROM_SET])]), [Note]);
        let peer = |address| format!("unicast_peer {{\n {address}\n }}");
        assert_eq!(kinds(&peer("192.0.2.9"), "drop", &[&accept(&[FROM_SET])]), []);
        assert_eq!(kinds(&peer("198.51.100.9"), "drop", &[&accept(&[FROM_SET])]), [Warning]);
        // Two nodes that both sent once look like question and answer.
        assert_eq!(kinds(&peer("192.0.2.9"), "drop", &[&accept(&[KNOWN])]), [Note]);
        assert_eq!(kinds(&peer("192.0.2.9"), "accept", &[STATES]), []);
    }

    #[test]
    fn chains_that_are_called_come_back_where_they_were_called() {
        let jump = r#"{"jump":{"target":"sub"}}"#;
        let goto = r#"{"goto":{"target":"sub"}}"#;
        // The called chain is empty: after a jump the rules go on, after a goto the policy comes.
        assert_eq!(found("", "drop", &[jump, &accept(&[VRRP])]), []);
        assert_eq!(found("", "drop", &[goto, &accept(&[VRRP])]).len(), 1);
        assert_eq!(found("", "accept", &[r#"{"return":null}"#, r#"{"drop":null}"#]), []);
    }
}
