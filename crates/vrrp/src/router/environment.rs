//! What the kernel's news mean for each instance (VRRP-062, 064, 065).
//!
//! Nothing is remembered but what the kernel last said: whether an instance can run, from which
//! address, and at which priority is worked out anew whenever something it looks at has changed.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};

use base::{
    EventId, Instant, KernelFact, Name, Reason, State, Subject, Tracker, Verdict, Weighed, What,
};

use super::addressees::Addressees;
use super::debounce::Debounce;
use super::{Router, Seat, Slot, Will};
use crate::config::{Config, Reach};
use crate::instance::{Attachment, Surroundings, Turn};
use crate::links::{Links, is_link_local};
use crate::sockets::SocketSpec;
use crate::status::InterfaceStatus;
use crate::wire;
use crate::wire::hmac::TRAILER;

/// An interface as instances care about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum LinkState {
    Missing,
    Down,
    Up,
}

impl Router {
    /// Takes in what the kernel said.
    pub(super) fn learn(&mut self, now: Instant, fact: &KernelFact) {
        self.keeper.handle(now, vip::keeper::Input::Fact(fact));
        self.devices.handle(now, vip::devices::Input::Fact(fact));
        self.announcer.handle(now, vip::announcer::Input::Fact(fact));
        self.lifetimes.handle(now, self.links.addresses(), vip::lifetime::Input::Fact(fact));
        self.leases.handle(now, vip::lease::Input::Fact(fact));
        self.ways.handle(now, vip::ways::Input::Fact(fact));
        self.hear_links(now, fact);
        match self.debouncer.filter(now, fact) {
            Some(believed) => self.take_in(now, &believed),
            None => self.take_in(now, fact),
        }
    }

    /// How long news must last, from now on.
    pub(super) fn debounce(&mut self, now: Instant, rules: BTreeMap<Name, Debounce>) {
        let known = rules.keys().filter_map(|name| self.links.named(name)).cloned().collect();
        for fact in self.debouncer.rule(rules, known) {
            self.take_in(now, &fact);
        }
    }

    /// What a tracker says, and what that means for the instances that use it.
    pub(super) fn hear_verdict(&mut self, now: Instant, tracker: Tracker, verdict: Verdict) {
        let before = self.verdicts.insert(tracker.clone(), verdict).unwrap_or_default();
        if before == verdict {
            return;
        }
        let used = |seat: &Seat| {
            let config = seat.instance.config();
            config.trackers.iter().any(|t| t.tracker == tracker)
                || config.sentinel(&tracker).is_some()
        };
        let slots: Vec<Slot> =
            self.seats.iter().filter(|(_, seat)| used(seat)).map(|(slot, _)| slot).collect();
        if slots.is_empty() {
            return;
        }
        let subject = Subject::Tracker(tracker.clone());
        let what = What::VerdictChanged { verdict };
        let event = self.out.event(now, subject, what, Reason::Tracker, []);
        for slot in slots {
            if (before, verdict) == (Verdict::Good, Verdict::Bad)
                && let Some(seat) = self.seats.get_mut(&slot)
            {
                seat.instance.unreachable(now, &tracker, event);
                self.touched.insert(slot);
            }
            self.surround(now, slot, &BTreeMap::new(), Some(event));
        }
    }

    /// Takes in what is to be believed of the links and addresses.
    pub(super) fn take_in(&mut self, now: Instant, fact: &KernelFact) {
        let mut interfaces = self.links.learn(fact);
        // A VIP of ours coming or going is the keeper's business and nobody else's: without this,
        // taking over n VIPs would make n instances look at n addresses.
        if let KernelFact::Address(address) | KernelFact::AddressGone(address) = fact
            && self.vips.contains(&address.address)
        {
            return;
        }
        if matches!(fact, KernelFact::Snapshot { .. }) {
            interfaces.extend(self.link_states.keys().cloned());
        }
        let causes = self.tell_links(now, &interfaces);
        let affected: Vec<Slot> = self
            .seats
            .iter()
            .filter(|(_, seat)| looks_at(seat.instance.config(), &interfaces))
            .map(|(slot, _)| slot)
            .collect();
        for slot in affected {
            self.surround(now, slot, &causes, None);
        }
        self.listen();
    }

    /// Works out anew what the node means for every instance.
    pub(super) fn surround_all(&mut self, now: Instant, cause: Option<EventId>) {
        let slots: Vec<Slot> = self.seats.keys().collect();
        for slot in slots {
            self.surround(now, slot, &BTreeMap::new(), cause);
        }
        self.listen();
    }

    /// Works out anew what the node means for this instance, since `event` happened.
    pub(super) fn surround_because(&mut self, now: Instant, slot: Slot, event: EventId) {
        self.surround(now, slot, &BTreeMap::new(), Some(event));
    }

    fn surround(
        &mut self,
        now: Instant,
        slot: Slot,
        links: &BTreeMap<Name, EventId>,
        cause: Option<EventId>,
    ) {
        let Some(seat) = self.seats.get_mut(&slot) else { return };
        let config = seat.instance.config();
        let cause =
            cause.or_else(|| links.iter().find(|(name, _)| uses(config, name)).map(|(_, e)| *e));
        if self.stopping.is_some() {
            // The attachment stays: it carries the farewell.
            let fault = Some(Reason::Shutdown);
            let around = Surroundings { fault, ..seat.instance.around() };
            return self.put(now, slot, around, cause);
        }
        let runs = seat.instance.state() != State::Initialize || seat.instance.goes_on();
        let before = seat.own;
        let unheard = seat.own == Some(Reason::Startup);
        let mut around = survey(&self.links, &self.vips, config);
        if config.devices.iter().any(|device| self.devices.is_refused(&device.name)) {
            around.fault = around.fault.or(Some(Reason::LinkMissing));
        }
        if around.fault != Some(Reason::Startup) {
            let (fault, delta) = weigh(&self.verdicts, config, runs, unheard);
            around.delta += delta;
            around.fault = around.fault.or(fault);
        }
        seat.own = around.fault;
        around.hindered = self.is_hindered(slot);
        let others = self.regard(now, slot, before);
        self.put(now, slot, around, cause);
        let because = self.seats.get(&slot).and_then(|seat| seat.instance.changed_by()).or(cause);
        for other in others {
            let around = self
                .seats
                .get(&other)
                .map(|seat| Surroundings { fault: seat.own, ..seat.instance.around() });
            if let Some(around) = around {
                self.put(now, other, around, because);
            }
        }
    }

    /// Puts an instance into its surroundings, and what its group makes of them.
    fn put(&mut self, now: Instant, slot: Slot, around: Surroundings, cause: Option<EventId>) {
        let around = match around.fault {
            Some(_) => around,
            None => Surroundings { fault: self.group_fault(slot), ..around },
        };
        let begins = self.seats.get(&slot).map(|seat| seat.instance.around().fault);
        if begins == Some(Some(Reason::Startup)) {
            self.tell_new_group(now, slot, around.fault);
        }
        let Some(seat) = self.seats.get_mut(&slot) else { return };
        let before = seat.instance.around().attachment;
        let cause = source_change(before, around.attachment).map_or(cause, |what| {
            let reason = Reason::Kernel;
            Some(self.out.event(now, seat.instance.subject(), what, reason, cause))
        });
        seat.instance.surround(
            &mut Turn { now, wall: self.wall.at(now), out: &mut self.out },
            around,
            cause,
        );
        if matches!(seat.will, Will::Told(told) if told != seat.whereabouts(&self.links)) {
            seat.will = Will::Stale;
        }
        rekey(&mut self.addressees, slot, seat);
        self.touched.insert(slot);
    }

    /// Tells of interfaces that changed in a way instances care about; answers with the events.
    fn tell_links(&mut self, now: Instant, interfaces: &BTreeSet<Name>) -> BTreeMap<Name, EventId> {
        let mut events = BTreeMap::new();
        for name in interfaces {
            let Some(was) = self.link_states.get_mut(name) else { continue };
            let is = link_state(&self.links, name);
            if core::mem::replace(was, is) == is {
                continue;
            }
            let what = match is {
                LinkState::Missing => What::LinkGone,
                LinkState::Down => What::LinkDown,
                LinkState::Up => What::LinkUp,
            };
            let subject = Subject::Interface(name.clone());
            events.insert(name.clone(), self.out.event(now, subject, what, Reason::Kernel, []));
        }
        events
    }

    /// The interfaces that the configuration looks at, as they are believed to be.
    pub(super) fn interface_status(&self) -> Vec<InterfaceStatus> {
        let status = |(name, state): (&Name, &LinkState)| InterfaceStatus {
            name: name.clone(),
            up: match state {
                LinkState::Missing => None,
                LinkState::Down => Some(false),
                LinkState::Up => Some(true),
            },
        };
        self.link_states.iter().map(status).collect()
    }

    /// Notes which interfaces the configuration looks at, and which addresses are VIPs.
    pub(super) fn watch(&mut self) {
        self.lookout.survey(&self.seats, &self.links, true);
        self.survey_promotion();
        let configs = || self.seats.values().map(|seat| seat.instance.config());
        // An owner's VIPs are the node's own addresses too (RFC 9568 §6.1): good sources.
        let movable = configs().filter(|config| !config.priority.is_owner());
        self.vips = movable.flat_map(|c| c.all_vips()).map(|vip| vip.address).collect();
        let names: BTreeSet<Name> = configs().flat_map(interfaces_of).cloned().collect();
        self.link_states.retain(|name, _| names.contains(name));
        for name in names {
            let state = link_state(&self.links, &name);
            self.link_states.entry(name).or_insert(state);
        }
    }

    /// Asks for the sockets the instances need, if those have changed.
    pub(super) fn listen(&mut self) {
        self.lookout.survey(&self.seats, &self.links, false);
        self.promote();
        let mut wanted: BTreeMap<_, SocketSpec> = BTreeMap::new();
        for seat in self.seats.values() {
            let config = seat.instance.config();
            let Some(link) = home(&self.links, config) else { continue };
            let spec = wanted.entry((link.index, config.family)).or_insert_with(|| SocketSpec {
                index: link.index,
                interface: link.name.clone(),
                family: config.family,
                groups: Vec::new(),
                running: link.running,
                beside: None,
            });
            if let Reach::Multicast { group } = config.reach
                && !spec.groups.contains(&group)
            {
                spec.groups.push(group);
            }
        }
        self.listen_beside(&mut wanted);
        let wanted: Vec<SocketSpec> = wanted.into_values().collect();
        if wanted != self.sockets {
            self.sockets.clone_from(&wanted);
            self.out.sockets(wanted);
        }
    }
}

/// What the node means for an instance of this configuration, now.
fn survey(links: &Links, vips: &BTreeSet<IpAddr>, config: &Config) -> Surroundings {
    if !links.known() {
        return Surroundings { fault: Some(Reason::Startup), ..Surroundings::default() };
    }
    let running = |name: &Name| links.named(name).is_some_and(|link| link.running);
    let verdicts = || config.track.iter().map(|t| t.effect.verdict(running(&t.interface)));
    let delta = verdicts().flatten().map(i32::from).sum();
    let Some(link) = home(links, config) else {
        let fault = match config.interface {
            Some(_) => Reason::LinkMissing,
            None => Reason::NoSourceAddress,
        };
        return Surroundings { fault: Some(fault), delta, ..Surroundings::default() };
    };
    let source = match config.source {
        Some(source) => Some(source).filter(|source| links.has(*source)),
        None => links.source(link.index, config.family, speaks_beyond_link(config), vips),
    };
    let attachment = source.map(|source| Attachment { index: link.index, source });
    let vip_link = |ready: fn(LinkState) -> bool| {
        config.all_vips().filter(|vip| !vip.flags.unguarded).all(|vip| {
            let interface = config.below(&vip.interface);
            config.interface.as_ref() == Some(interface) || ready(link_state(links, interface))
        })
    };
    let fault = if config.track_own_interface && !link.running {
        Some(Reason::LinkDown)
    } else if !vip_link(|state| state != LinkState::Missing) {
        Some(Reason::LinkMissing)
    } else if !vip_link(|state| state == LinkState::Up) {
        Some(Reason::LinkDown)
    } else if verdicts().any(|verdict| verdict.is_none()) {
        Some(Reason::Tracker)
    } else if attachment.is_none() {
        Some(Reason::NoSourceAddress)
    } else if !fits(config, link.mtu) {
        Some(Reason::AdvertTooLong)
    } else {
        None
    };
    Surroundings { attachment, fault, delta, hindered: false }
}

/// What the verdicts mean for an instance: why it cannot run, and what is added to its priority.
/// One that runs goes on while a tracker that is new to it has not spoken.
fn weigh(
    verdicts: &BTreeMap<Tracker, Verdict>,
    config: &Config,
    runs: bool,
    unheard: bool,
) -> (Option<Reason>, i32) {
    let (mut fault, mut sum) = (None, 0_i32);
    for tracked in &config.trackers {
        let verdict = verdicts.get(&tracked.tracker).copied().unwrap_or_default();
        match tracked.effect.weigh(verdict, tracked.assume_bad) {
            Weighed::Fault => fault = Some(Reason::Tracker),
            Weighed::Open if !runs => {
                let silent = if unheard { Reason::Startup } else { Reason::Tracker };
                fault = fault.or(Some(silent));
            }
            Weighed::Open => {}
            Weighed::Delta(delta) => sum = sum.saturating_add(delta),
        }
    }
    (fault, sum)
}

/// The interface an instance's adverts travel on.
fn home<'a>(links: &'a Links, config: &Config) -> Option<&'a base::LinkFact> {
    match (&config.interface, config.source) {
        (Some(name), _) => links.named(name),
        (None, Some(source)) => links.carrying(source),
        (None, None) => None,
    }
}

fn speaks_beyond_link(config: &Config) -> bool {
    match &config.reach {
        Reach::Multicast { .. } => false,
        Reach::Unicast { peers, .. } => peers.iter().any(|peer| match peer.address {
            IpAddr::V4(_) => false,
            IpAddr::V6(address) => !is_link_local(&address),
        }),
    }
}

/// VRRP-014: an advert that would have to be fragmented is never built, since no receiver would put
/// it together.
fn fits(config: &Config, mtu: u32) -> bool {
    let signed = config.hmac.as_ref().is_some_and(|policy| policy.signing_key().is_some());
    let trailer = if signed { TRAILER } else { 0 };
    let mtu = mtu.saturating_sub(u32::try_from(trailer).unwrap_or(u32::MAX));
    config.vips.len() <= wire::most_addresses(config.version(), config.family, mtu)
}

fn source_change(before: Option<Attachment>, after: Option<Attachment>) -> Option<What> {
    match (before.map(|at| at.source), after.map(|at| at.source)) {
        (before, after) if before == after => None,
        (_, Some(source)) => Some(What::SourceFound { source }),
        (_, None) => Some(What::SourceLost),
    }
}

fn link_state(links: &Links, name: &Name) -> LinkState {
    match links.named(name) {
        None => LinkState::Missing,
        Some(link) if link.running => LinkState::Up,
        Some(_) => LinkState::Down,
    }
}

/// Every interface whose state can matter to the instance.
fn interfaces_of(config: &Config) -> impl Iterator<Item = &Name> {
    let vips = config.all_vips().map(|vip| &vip.interface);
    let tracked = config.track.iter().map(|track| &track.interface);
    let parents = config.devices.iter().map(|device| &device.parent);
    config.interface.iter().chain(vips).chain(parents).chain(tracked)
}

fn uses(config: &Config, name: &Name) -> bool {
    interfaces_of(config).any(|used| used == name)
}

/// Whether news of these interfaces can matter to the instance: it names one, or its source may be
/// on any.
fn looks_at(config: &Config, interfaces: &BTreeSet<Name>) -> bool {
    config.source.is_some() || interfaces_of(config).any(|name| interfaces.contains(name))
}

/// Lists the instance for the packets that are for it.
fn rekey(addressees: &mut Addressees, slot: Slot, seat: &mut Seat) {
    let config = seat.instance.config();
    let key = seat.instance.around().attachment.map(|at| (at.index, config.family, config.vrid));
    if key == seat.key {
        return;
    }
    if let Some(old) = seat.key {
        addressees.unlist(old, slot);
    }
    if let Some(key) = key {
        addressees.list(key, slot);
    }
    seat.key = key;
}
