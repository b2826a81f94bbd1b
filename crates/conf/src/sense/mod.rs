//! What a configuration will lead to, though it is legal: the questions a colleague would ask.
//!
//! [`findings`] looks at one node's configuration, [`compare`] at those of several nodes. Nothing
//! here makes a configuration unusable; a running daemon does not say it, `mainstay check` does.

mod compare;
mod fitness;
mod signing;

use core::net::IpAddr;
use std::collections::HashMap;

use base::{Preempt, TrackEffect};

pub use compare::{Difference, compare};
pub use fitness::unfit;

use crate::diagnostic::{Code, Diagnostic};
use crate::value::decimal;
use crate::{Command, Config, InstanceConfig, Reach, Span, SyncGroup};

/// Everything worth a word about one configuration, in the order of its instances.
#[must_use]
pub fn findings(config: &Config) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for instance in &config.instances {
        weights(config, instance, &mut out);
    }
    passwords(config, &mut out);
    own_addresses(config, &mut out);
    fitness::vips(config, &mut out);
    for group in &config.groups {
        group_agrees(config, group, &mut out);
    }
    shared_vrids(config, &mut out);
    one_path(config, &mut out);
    shared_fates(config, &mut out);
    mail(config, &mut out);
    out
}

/// A weighted tracker of an instance, whoever names it.
struct Weighed {
    what: String,
    effect: TrackEffect,
    span: Span,
}

/// The weighted trackers that change an instance's priority: its own, and those of its group.
fn weighed(config: &Config, instance: &InstanceConfig) -> Vec<Weighed> {
    let group = config.group_of(&instance.name);
    let interfaces = instance
        .tracked_interfaces
        .iter()
        .chain(group.iter().flat_map(|group| &group.interfaces))
        .map(|tracked| Weighed {
            what: format!("interface {}", tracked.interface),
            effect: tracked.effect,
            span: tracked.place.0,
        });
    let others = instance
        .trackers
        .two_valued()
        .chain(group.iter().flat_map(|group| group.trackers.two_valued()))
        .map(|tracked| Weighed {
            what: format!("`{}`", tracked.name),
            effect: tracked.weight.effect(),
            span: tracked.place.0,
        });
    interfaces
        .chain(others)
        .filter(|weighed| {
            matches!(weighed.effect, TrackEffect::DeltaWhileBad(_) | TrackEffect::DeltaWhileGood(_))
        })
        .collect()
}

/// What all of them add up to when each is as `good` says.
fn total(weighed: &[Weighed], good: impl Fn(usize) -> bool) -> i32 {
    weighed
        .iter()
        .enumerate()
        .map(|(at, weighed)| i32::from(weighed.effect.verdict(good(at)).unwrap_or(0)))
        .sum()
}

fn weights(config: &Config, instance: &InstanceConfig, out: &mut Vec<Diagnostic>) {
    if instance.priority.is_owner() {
        return;
    }
    let all = weighed(config, instance);
    for (at, weighed) in all.iter().enumerate() {
        let good = instance.priority.adjusted(total(&all, |_| true));
        let bad = instance.priority.adjusted(total(&all, |other| other != at));
        if good == bad {
            out.push(
                Diagnostic::warning(
                    Code::WeightWithoutEffect,
                    weighed.span,
                    format!(
                        "{} good or bad, the priority of `{}` is {}",
                        weighed.what,
                        instance.name,
                        good.get()
                    ),
                )
                .label("this weight changes nothing")
                .related(instance.places.priority.0, "priorities stay within 1 to 254")
                .help("choose a priority that leaves room for the weight"),
            );
        }
    }
    let file = instance.trackers.files.iter().find(|file| file.weight.value != 0);
    let first = all.first().map(|w| w.span).or(file.map(|file| file.place.0));
    if instance.preempt == Preempt::Never
        && let Some(span) = first
    {
        out.push(
            Diagnostic::warning(
                Code::WeightKeepsPlace,
                span,
                format!(
                    "a failed check does not make `{}` give way while its peers are set up alike",
                    instance.name
                ),
            )
            .label("only lowers the priority")
            .related(instance.places.name.0, "`nopreempt` in this instance")
            .help("let the check fault (weight 0), or allow preemption with a `preempt_delay`"),
        );
    }
}

/// Adverts that come from a VIP, or go to one: it is not there until this node, or the peer, holds it.
fn own_addresses(config: &Config, out: &mut Vec<Diagnostic>) {
    for instance in config.instances.iter().filter(|instance| !instance.priority.is_owner()) {
        let places = instance.places.vips.iter().chain(&instance.places.excluded);
        let all = instance.vips.iter().chain(&instance.excluded);
        for (vip, place) in all.zip(places) {
            let name = &instance.name;
            let found = if instance.source == Some(vip.address) {
                Diagnostic::warning(
                    Code::VipAsNode,
                    place.0,
                    format!(
                        "`{name}` sends its adverts from {}, which it may not hold",
                        vip.address
                    ),
                )
                .label("also this node's source address")
                .help("send from an address that stays on this node, and that the peers list")
            } else if let Reach::Unicast { peers, .. } = &instance.reach
                && let Some(peer) = peers.iter().find(|peer| peer.address == vip.address)
            {
                Diagnostic::note(
                    Code::VipAsNode,
                    place.0,
                    format!("{} is a VIP of `{name}` and also one of its peers", vip.address),
                )
                .label("a peer and a VIP")
                .related(peer.place.0, "only right if that node owns the address, priority 255")
                .help("list the address that the peer sends from")
            } else {
                continue;
            };
            out.push(found);
        }
    }
}

fn passwords(config: &Config, out: &mut Vec<Diagnostic>) {
    let mut with = config.instances.iter().filter(|instance| instance.password.is_some());
    let Some(first) = with.next() else { return };
    let others = match with.count() {
        0 => String::new(),
        n => format!(", as {n} more do"),
    };
    out.push(
        Diagnostic::note(
            Code::PlainPassword,
            first.places.password.0,
            format!("`{}` sends its password in clear in every advert{others}", first.name),
        )
        .label("keeps mistakes out, not attackers")
        .help("it does no harm; rely on the network, not on it"),
    );
}

fn group_agrees(config: &Config, group: &SyncGroup, out: &mut Vec<Diagnostic>) {
    let members: Vec<_> =
        group.members.iter().filter_map(|member| config.instance(member)).collect();
    let Some((first, others)) = members.split_first() else { return };
    let help = "give all members of a group the same settings on one node";
    let mut differ = |other: &InstanceConfig, span: Span, before: Span, message: String| {
        out.push(
            Diagnostic::warning(Code::GroupDisagrees, span, message)
                .label(format!("`{}`", other.name))
                .related(before, format!("`{}`", first.name))
                .help(help),
        );
    };
    for other in others {
        let (a, b) = (&first.places, &other.places);
        if other.priority != first.priority {
            let message = format!(
                "members of the sync group `{}` have priorities {} and {}, and may want different nodes",
                group.name,
                first.priority.get(),
                other.priority.get()
            );
            differ(other, b.priority.0, a.priority.0, message);
        }
        if other.interval.as_duration() != first.interval.as_duration() {
            let message = format!(
                "members of the sync group `{}` have intervals of {} and {} seconds, and miss a silent peer at different times",
                group.name,
                decimal(first.interval.as_duration()),
                decimal(other.interval.as_duration())
            );
            differ(other, b.interval.0, a.interval.0, message);
        }
        if other.preempt != first.preempt {
            let message = format!(
                "members of the sync group `{}` differ in whether they take over from a weaker node",
                group.name
            );
            differ(other, b.name.0, a.name.0, message);
        }
    }
}

fn shared_vrids(config: &Config, out: &mut Vec<Diagnostic>) {
    let mut known: HashMap<_, &InstanceConfig> = HashMap::new();
    for instance in &config.instances {
        let before = *known.entry((instance.family, instance.vrid)).or_insert(instance);
        if before.interface != instance.interface && before.vmac.is_some() | instance.vmac.is_some()
        {
            out.push(
                Diagnostic::note(
                    Code::SharedVrid,
                    instance.places.vrid.0,
                    format!("VRID {} makes one virtual MAC on two interfaces", instance.vrid),
                )
                .label("here")
                .related(before.places.vrid.0, "and here")
                .help("some switches mix them up: choose another VRID for one of them"),
            );
        }
    }
}

fn one_path(config: &Config, out: &mut Vec<Diagnostic>) {
    let bundled = |name: &str| ["bond", "team", "lag"].iter().any(|kind| name.starts_with(kind));
    let single = config
        .instances
        .iter()
        .find(|instance| instance.interface.as_ref().is_some_and(|name| !bundled(name)));
    if let Some(instance) = single {
        let name = instance.interface.as_ref().map_or("", |name| name.as_str());
        out.push(
            Diagnostic::note(
                Code::OnePath,
                instance.places.interface.0,
                format!("the adverts of `{}` have no other way than {name}", instance.name),
            )
            .label("a break in this path makes two holders")
            .help("make it a bond of two links, or accept the risk"),
        );
    }
}

/// Unweighted checks of something that is not this node: when it fails, it fails for all.
fn shared_fates(config: &Config, out: &mut Vec<Diagnostic>) {
    for script in &config.scripts {
        let used = config
            .instances
            .iter()
            .map(|i| &i.trackers)
            .chain(config.groups.iter().map(|g| &g.trackers));
        let faults = used
            .flat_map(|trackers| &trackers.scripts)
            .any(|tracked| tracked.name == script.name && tracked.weight.value == 0);
        let Some(target) = faults.then(|| elsewhere(config, &script.command)).flatten() else {
            continue;
        };
        out.push(
            Diagnostic::note(
                Code::FaultEverywhere,
                script.command.place.0,
                format!("when {target} does not answer, every node with this check is out at once"),
            )
            .label("a fault while it fails")
            .help("give the script a weight, so that the best node stays although all are worse"),
        );
    }
}

/// An address among the arguments that is neither this node nor one of its VIPs.
fn elsewhere(config: &Config, command: &Command) -> Option<IpAddr> {
    let words =
        command.argv.iter().flat_map(|argument| argument.split(['/', '=', ',', '[', ']', '@']));
    let vips: Vec<_> =
        config.instances.iter().flat_map(|i| i.all_vips().map(|vip| vip.address)).collect();
    let sources: Vec<_> = config.instances.iter().filter_map(|i| i.source).collect();
    words.filter_map(|word| word.parse::<IpAddr>().ok()).find(|a| {
        !a.is_loopback() && !a.is_unspecified() && !vips.contains(a) && !sources.contains(a)
    })
}

fn mail(config: &Config, out: &mut Vec<Diagnostic>) {
    let mail = &config.node.mail;
    let wanted = config.instances.iter().find(|instance| instance.smtp_alert);
    let Some(instance) = wanted else { return };
    let missing = if mail.to.is_empty() {
        "nobody is named in notification_email"
    } else if mail.server.is_none() {
        "no smtp_server takes it"
    } else {
        return;
    };
    out.push(
        Diagnostic::warning(
            Code::NoMailTo,
            instance.places.name.0,
            format!("`{}` is to send mail and {missing}", instance.name),
        )
        .label("smtp_alert is on here")
        .help("add notification_email and smtp_server to global_defs, or switch smtp_alert off"),
    );
}
