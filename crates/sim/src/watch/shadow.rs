//! A second opinion on every instance's timers: the tables of RFC 9568 §6.4, written again from the
//! requirements (`reference/vrrp-conformance.md` §1.4, §1.5), fed with the same adverts.
//!
//! It does not decide anything; it knows when a Backup may take over at the earliest and must at the
//! latest, when the next advert is due, and who has to yield. All times are the node's own.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use base::{Instant, Preempt, Priority, Reason, State, Subject, Version, What};
use vrrp::{InstanceConfig, Reach};

use super::fit::{carries, is_fit, tracked_delta, unrivalled};
use super::rule::{Rule, Violation};
use super::since::Since;
use crate::lan::Lan;
use crate::node::vr_of;
use crate::sight::{Glimpse, Sight, Vr};

/// How late a takeover may be (L1), and how late an advert.
const LATE: Duration = Duration::from_millis(50);
const ADVERT_LATE: Duration = Duration::from_millis(2);
/// What it may take until an instance acts on what its kernel has told.
const REACTION: Duration = Duration::from_millis(100);

#[derive(Clone, Debug)]
struct Shadow {
    state: State,
    priority: Priority,
    source: Option<IpAddr>,
    /// When the last advert came that a Backup must respect, or it became one.
    heard_at: Instant,
    /// Who was last heard to hold, and whether the one learned from was heard twice in a row.
    remembered: Option<IpAddr>,
    heard_again: bool,
    learned: Option<Duration>,
    resigned_at: Option<Instant>,
    preempt_at: Option<Instant>,
    last: Option<Glimpse>,
    /// Whether its wait began again cannot be told from here.
    unsure: bool,
    /// Heard a better claim while Active.
    must_yield: bool,
    advert_due: Instant,
    spoke_at: Option<Instant>,
    /// By the world's clock: until when nobody can have taken over from it, since when it is Active
    /// by its own right, and when it last said that its lease had ended.
    unrivalled_until: Option<Instant>,
    /// The same, of what was heard: it left by a link that ran, and was no farewell.
    carried_until: Option<Instant>,
    active_at: Instant,
    lapse_told_at: Instant,
    /// When its configuration last changed: what is due by that is due now.
    told_at: Instant,
    starts_at: Instant,
    lacking: Since,
    ready: Since,
    untracked: Since,
}

impl Shadow {
    fn new(now: Instant, config: &InstanceConfig) -> Self {
        Self {
            state: State::Initialize,
            priority: config.priority,
            source: None,
            heard_at: now,
            learned: None,
            remembered: None,
            heard_again: false,
            resigned_at: None,
            preempt_at: None,
            last: None,
            unsure: false,
            must_yield: false,
            advert_due: now,
            spoke_at: None,
            unrivalled_until: None,
            carried_until: None,
            active_at: Instant::ZERO,
            lapse_told_at: Instant::ZERO,
            told_at: now,
            starts_at: now + config.startup_delay,
            lacking: Since::default(),
            ready: Since::default(),
            untracked: Since::default(),
        }
    }

    /// Active_Adver_Interval (VRRP-073, 075).
    fn interval(&self, config: &InstanceConfig) -> Duration {
        let own = config.interval.as_duration();
        match (config.version(), self.learned) {
            (Version::V3, Some(learned)) => {
                // Who was heard but once is believed less (decision 0006).
                let most = u32::from(config.learned_interval_cap);
                learned.min(own * if self.heard_again { most } else { most.min(3) })
            }
            _ => own,
        }
    }

    /// VRRP-072: Skew_Time.
    fn skew(&self, config: &InstanceConfig) -> Duration {
        let of = match config.version() {
            Version::V2 => Duration::from_secs(1),
            Version::V3 => self.interval(config),
        };
        let parts = 256 - u64::from(self.priority.get());
        let nanos = u64::try_from(of.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(nanos / 256 * parts + nanos % 256 * parts / 256)
    }

    /// When a Backup takes over (VRRP-053, 055).
    fn takes_over_at(&self, config: &InstanceConfig) -> Instant {
        let silence = self.heard_at + self.down(config);
        self.resigned_at.map_or(silence, |at| silence.min(at + self.skew(config)))
    }

    /// When it has taken over at the latest. One that was away listens anew (DESIGN §4, stall guard).
    fn latest(&self, config: &InstanceConfig, awake: Instant) -> Instant {
        let anew = if awake > self.heard_at { awake + self.down(config) } else { awake };
        let again = match config.preempt {
            Preempt::After(delay) if self.unsure => delay + self.down(config),
            _ => Duration::ZERO,
        };
        self.takes_over_at(config).max(anew).max(self.told_at) + again + LATE
    }

    fn down(&self, config: &InstanceConfig) -> Duration {
        self.interval(config) * config.missed_adverts.into() + self.skew(config)
    }

    /// It has heard what another has.
    fn hears_as(&mut self, former: &Self) {
        self.heard_at = former.heard_at;
        self.remembered = former.remembered;
        self.heard_again = former.heard_again;
        self.learned = former.learned;
        self.resigned_at = former.resigned_at;
        self.preempt_at = former.preempt_at;
        self.last = former.last;
        self.must_yield = former.must_yield;
    }

    fn respect(&mut self, now: Instant, advert: &Glimpse, again: bool) {
        self.heard_at = now;
        self.heard_again = again;
        self.learned = Some(advert.interval);
        self.resigned_at = None;
        self.unsure = false;
    }

    /// VRRP-055..060.
    fn hear(&mut self, now: Instant, awake: Instant, config: &InstanceConfig, advert: &Glimpse) {
        if let Reach::Unicast { peers, check_source: true, .. } = &config.reach
            && !peers.iter().any(|peer| peer.address == advert.source)
        {
            return;
        }
        let ours = self.priority.get();
        self.last = Some(*advert);
        let again = self.remembered == Some(advert.source);
        if self.state == State::Backup && advert.priority > 0 {
            self.remembered = Some(advert.source);
        }
        match self.state {
            State::Initialize => {}
            State::Active => {
                let tie = advert.priority == ours
                    && self.source.is_some_and(|source| advert.source > source);
                self.must_yield |= advert.priority > ours || tie;
            }
            State::Backup if advert.priority == 0 => {
                let at = now + self.skew(config);
                if at < self.takes_over_at(config) {
                    self.resigned_at = Some(now);
                    self.preempt_at = None;
                } else if awake > self.heard_at && at < awake + self.down(config) {
                    // One that was away listens anew, if it was away for long enough: its wait may
                    // have begun again by this.
                    self.unsure = true;
                }
            }
            State::Backup if advert.priority >= ours => {
                self.preempt_at = None;
                self.respect(now, advert, again);
            }
            State::Backup => match config.preempt {
                _ if config.priority.is_owner() => {}
                Preempt::Never => {
                    self.preempt_at = None;
                    self.respect(now, advert, again);
                }
                Preempt::After(delay) => {
                    let at = *self.preempt_at.get_or_insert(now + delay);
                    if now < at {
                        self.respect(now, advert, again);
                    } else if at == awake + delay {
                        // Heard as it woke: it listens anew from then on, perhaps to this one, too.
                        self.unsure = true;
                    }
                }
            },
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Shadows {
    all: BTreeMap<(usize, Vr), Shadow>,
    /// Who heard a better claim since this was last looked at.
    claims: Vec<(usize, Vr)>,
    /// What an engine that has ended held, until it was given up.
    left: BTreeSet<(usize, Vr)>,
    /// What a new version is just being told of: it goes on to the instant.
    handed: BTreeSet<(usize, Vr)>,
    /// What the version before it knew, to which a node goes back that the new one fails.
    former: BTreeMap<(usize, Vr), Shadow>,
}

impl Shadows {
    /// What a node is for a virtual router, as far as the sights have been looked at.
    pub(crate) fn state(&self, node: usize, vr: Vr) -> State {
        self.all.get(&(node, vr)).map_or(State::Initialize, |shadow| shadow.state)
    }

    pub(crate) fn see(&mut self, lan: &Lan, sight: &Sight) -> Result<(), Violation> {
        match sight {
            Sight::EngineEnded { node } => {
                let held = |((of, _), shadow): &(&(usize, Vr), &Shadow)| {
                    of == node && shadow.state == State::Active
                };
                self.left.extend(self.all.iter().filter(held).map(|(key, _)| *key));
                // What its guardian says from here on is no advert of an instance.
                self.all.retain(|(of, _), _| of != node);
            }
            Sight::GaveUp { node } => self.left.retain(|(of, _)| of != node),
            Sight::Began { node, .. } => {
                self.all.retain(|(of, _), _| of != node);
                self.match_configs(lan, *node);
            }
            Sight::HandedOver { node } => {
                let of_node = || self.all.iter().filter(|((of, _), _)| of == node);
                self.handed.extend(of_node().map(|(key, _)| *key));
                self.former.retain(|(of, _), _| of != node);
                self.former.extend(of_node().map(|(key, shadow)| (*key, shadow.clone())));
            }
            Sight::TookOver { node, idle } => {
                self.handed.clear();
                for vr in idle {
                    if let Some(shadow) = self.all.get_mut(&(*node, *vr)) {
                        shadow.state = State::Initialize;
                    }
                }
            }
            Sight::WentBack { node, states } => {
                for (key, shadow) in self.all.iter_mut().filter(|((of, _), _)| of == node) {
                    shadow.state = states.get(&key.1).copied().unwrap_or(State::Initialize);
                    // What came meanwhile it hears now, and says nothing of what the other one said.
                    if let Some(former) = self.former.remove(key) {
                        shadow.hears_as(&former);
                    }
                }
            }
            Sight::Reloaded { node } => self.match_configs(lan, *node),
            Sight::Touched { node, difference } => {
                return Err(violation(lan, Rule::ReloadTouches, *node, difference.clone()));
            }
            Sight::Swayed { node, difference } => {
                return Err(violation(lan, Rule::Swayed, *node, difference.clone()));
            }
            Sight::Handed { node, advert, valid: true } => {
                let this = &lan.nodes()[*node];
                let clock = this.clock(lan.now());
                if let Some(config) = this.config_of(advert.vr)
                    && let Some(shadow) = self.all.get_mut(&(*node, advert.vr))
                {
                    shadow.hear(clock, this.awake_clock(), config, advert);
                    if shadow.must_yield {
                        self.claims.push((*node, advert.vr));
                    }
                }
            }
            Sight::Sent { node, advert } => {
                if let Some(config) = lan.nodes()[*node].config_of(advert.vr)
                    && let Some(shadow) = self.all.get_mut(&(*node, advert.vr))
                {
                    let this = &lan.nodes()[*node];
                    let clock = this.clock(lan.now());
                    let silent = |vip: &base::Vip| !this.kernel().passes(vip.address, lan.now());
                    let claims = advert.priority > 0 && this.state(advert.vr) == State::Active;
                    if claims && shadow.state == State::Active && config.all_vips().any(silent) {
                        let evidence = format!("{:?} spoke while it was silent", advert.vr);
                        return Err(violation(lan, Rule::SpokeSilenced, *node, evidence));
                    }
                    let own = shadow.state == State::Active && claims;
                    if let Some(until) = shadow.unrivalled_until.filter(|at| own && *at < lan.now())
                    {
                        let evidence = format!("{:?} spoke, unrivalled until {until}", advert.vr);
                        return Err(violation(lan, Rule::ClaimsUnheard, *node, evidence));
                    }
                    if own {
                        shadow.unrivalled_until = Some(lan.now() + unrivalled(config));
                    }
                    if carries(this, config) {
                        let until = lan.now() + unrivalled(config);
                        shadow.carried_until = Some(until).filter(|_| advert.priority > 0);
                    }
                    let latest = shadow.advert_due.max(this.awake_clock()) + ADVERT_LATE;
                    if shadow.state == State::Active && clock > latest {
                        let evidence = format!("{:?} spoke at {clock}, due by {latest}", advert.vr);
                        return Err(violation(lan, Rule::AdvertLate, *node, evidence));
                    }
                    shadow.source = Some(advert.source);
                    shadow.spoke_at = Some(clock);
                    shadow.advert_due = clock + config.interval.as_duration();
                }
            }
            Sight::Revived { node, ended, addresses } => {
                let this = &lan.nodes()[*node];
                for config in this.configs().iter().filter(|config| config.lease) {
                    let vr = vr_of(config);
                    let mut vips = config.all_vips();
                    if !vips.any(|vip| addresses.contains(&vip.address)) {
                        continue;
                    }
                    let Some(shadow) = self.all.get(&(*node, vr)) else { continue };
                    let since = shadow.active_at.max(shadow.lapse_told_at);
                    if this.state(vr) == State::Active && since < *ended {
                        let evidence = format!("{vr:?}, silent since {ended}");
                        return Err(violation(lan, Rule::Revived, *node, evidence));
                    }
                }
            }
            Sight::Event { node, event, unread } => {
                let Subject::Instance(name) = &event.subject else { return Ok(()) };
                let Some(vr) = lan.nodes()[*node].vr_named(name) else { return Ok(()) };
                match event.what {
                    What::StateChanged { to, .. } => {
                        return self.changed(lan, *node, vr, to, event.reason, *unread);
                    }
                    What::LeaseLapsed { .. } => {
                        if let Some(shadow) = self.all.get_mut(&(*node, vr)) {
                            shadow.lapse_told_at = lan.now();
                        }
                    }
                    What::LeaseResumed if *unread => {
                        let evidence = format!("{vr:?} took a lease anew before it had read");
                        return Err(violation(lan, Rule::Unread, *node, evidence));
                    }
                    What::PriorityChanged { to, .. } => {
                        if let Some(shadow) = self.all.get_mut(&(*node, vr)) {
                            shadow.priority = to;
                            shadow.told_at = lan.nodes()[*node].clock(lan.now());
                        }
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether every instance is what it should be.
    pub(crate) fn is_calm(&self) -> bool {
        let odd = |shadow: &Shadow| {
            shadow.lacking.is_so() || shadow.ready.is_so() || shadow.untracked.is_so()
        };
        !self.all.values().any(odd)
    }

    fn match_configs(&mut self, lan: &Lan, node: usize) {
        let this = &lan.nodes()[node];
        let now = this.clock(lan.now());
        for config in this.configs() {
            let shadow = self.all.entry((node, vr_of(config)));
            let shadow = shadow.or_insert_with(|| Shadow::new(now, config));
            // A shorter interval brings the next advert forward (VRRP-066).
            shadow.advert_due = shadow.advert_due.min(now + config.interval.as_duration());
            shadow.told_at = now;
        }
        self.all.retain(|(of, vr), _| *of != node || this.config_of(*vr).is_some());
    }

    fn changed(
        &mut self,
        lan: &Lan,
        node: usize,
        vr: Vr,
        to: State,
        reason: Reason,
        unread: bool,
    ) -> Result<(), Violation> {
        let now = lan.nodes()[node].clock(lan.now());
        let Some(config) = lan.nodes()[node].config_of(vr) else { return Ok(()) };
        let Some(shadow) = self.all.get_mut(&(node, vr)) else { return Ok(()) };
        if self.handed.remove(&(node, vr)) && reason == Reason::Adopted && shadow.state == to {
            // All its times go on.
            return Ok(());
        }
        let heir = reason == Reason::Adopted && self.left.remove(&(node, vr));
        let from = core::mem::replace(&mut shadow.state, to);
        shadow.must_yield = false;
        shadow.unrivalled_until = (to == State::Active).then(|| lan.now() + unrivalled(config));
        if to == State::Active && !heir {
            shadow.active_at = lan.now();
        }
        match (from, to) {
            (State::Backup, State::Active) => {
                let earliest = shadow.takes_over_at(config);
                if unread {
                    let evidence = format!("{vr:?} became Active ({reason:?}) before it had read");
                    return Err(violation(lan, Rule::Unread, node, evidence));
                }
                // A nominee waits for nothing (decision 0019); that nobody else holds beside it is
                // the business of the rule about holders.
                if now < earliest && reason != Reason::Nominated {
                    let evidence =
                        format!("{vr:?} took over at {now} ({reason:?}), due {earliest}");
                    return Err(violation(lan, Rule::TooEarly, node, evidence));
                }
                let awake = lan.nodes()[node].awake_clock();
                let latest = shadow.latest(config, awake);
                if now > latest {
                    let evidence = format!("{vr:?} took over at {now} ({reason:?}), by {latest}");
                    return Err(violation(lan, Rule::TooLate, node, evidence));
                }
                shadow.learned = None;
                (shadow.remembered, shadow.heard_again) = (None, false);
            }
            (State::Initialize, State::Active) if heir => {}
            // Its link was away, and is back before anybody can have taken over.
            (State::Initialize, State::Active)
                if reason == Reason::NobodyElse
                    && shadow.carried_until.is_some_and(|until| lan.now() < until) => {}
            (State::Initialize, State::Active) if !config.priority.is_owner() => {
                let evidence = format!("{vr:?} began as Active and is no owner ({reason:?})");
                return Err(violation(lan, Rule::TooEarly, node, evidence));
            }
            (State::Initialize, State::Backup) => {
                shadow.heard_at = now;
                shadow.learned = None;
            }
            (State::Active, State::Backup) => {
                // One that does not know whether somebody else holds by now must not say a word.
                let woke = lan.nodes()[node].awake_since() == lan.now();
                let heard = reason != Reason::MayBeOvertaken && !woke;
                if heard && config.parting_advert && shadow.spoke_at != Some(now) {
                    let evidence = format!("{vr:?} yielded ({reason:?}) without a word");
                    return Err(violation(lan, Rule::NoLastWord, node, evidence));
                }
                shadow.heard_at = now;
                // One that stands back without having heard anybody has nothing to go by.
                let last = shadow.last.filter(|_| reason != Reason::MayBeOvertaken);
                shadow.learned = last.map(|advert| advert.interval);
                shadow.remembered = last.map(|advert| advert.source);
                shadow.heard_again = false;
            }
            (_, State::Initialize) => (shadow.remembered, shadow.heard_again) = (None, false),
            _ => {}
        }
        shadow.unsure = false;
        shadow.resigned_at = None;
        shadow.preempt_at = None;
        Ok(())
    }

    /// Who heard a better claim has yielded by now.
    pub(crate) fn check_yields(&mut self, lan: &Lan) -> Result<(), Violation> {
        for (at, vr) in self.claims.drain(..) {
            if let Some(shadow) = self.all.get(&(at, vr)).filter(|shadow| shadow.must_yield) {
                let evidence = format!("{vr:?} is still Active after {:?}", shadow.last);
                return Err(violation(lan, Rule::NoYield, at, evidence));
            }
        }
        Ok(())
    }

    pub(crate) fn check(&mut self, lan: &Lan, vr: Vr) -> Result<(), Violation> {
        for (at, node) in lan.nodes().iter().enumerate() {
            let Some(shadow) = self.all.get_mut(&(at, vr)) else { continue };
            let Some(config) = node.config_of(vr) else { continue };
            if !node.is_awake(lan.now()) {
                shadow.lacking.reset();
                shadow.ready.reset();
                shadow.untracked.reset();
                continue;
            }
            let now = node.clock(lan.now());
            let awake = node.awake_clock();
            let fit = is_fit(node, config);
            let informed = node.is_informed();
            let lacking = !fit && informed && shadow.state != State::Initialize;
            if shadow.lacking.note(now, lacking) > REACTION {
                let evidence = format!("{vr:?} is {:?} and lacks what it needs", shadow.state);
                return Err(violation(lan, Rule::NotStopped, at, evidence));
            }
            let priority = config.priority.adjusted(tracked_delta(node, config));
            let untracked = informed && !node.stopping && priority != shadow.priority;
            if shadow.untracked.note(now, untracked) > REACTION {
                let evidence = format!("{vr:?} has {}, not {priority}", shadow.priority);
                return Err(violation(lan, Rule::WrongPriority, at, evidence));
            }
            let due = now >= shadow.starts_at && !node.stopping;
            let idle = fit && informed && due && shadow.state == State::Initialize;
            if shadow.ready.note(now, idle) > REACTION {
                let evidence = format!("{vr:?} is Initialize and lacks nothing");
                return Err(violation(lan, Rule::NotStarted, at, evidence));
            }
            let silent = config.all_vips().any(|vip| !node.kernel().passes(vip.address, lan.now()));
            // An heir that has lost the kernel's news reads it all before it goes on.
            let reads = !informed && node.state(vr) == State::Initialize;
            if !fit || silent || reads {
                // Where there is no way out, or no right to speak, nothing is owed.
                let next = now + config.interval.as_duration();
                shadow.advert_due = shadow.advert_due.max(next);
            }
            match shadow.state {
                State::Backup => {
                    let latest = shadow.latest(config, awake);
                    if now > latest {
                        let evidence = format!(
                            "{vr:?} is Backup at {now}, due by {latest}: heard at {}, interval {:?}, \
                             resigned {:?}, preempts {:?}, awake since {awake}, told at {}",
                            shadow.heard_at,
                            shadow.interval(config),
                            shadow.resigned_at,
                            shadow.preempt_at,
                            shadow.told_at,
                        );
                        return Err(violation(lan, Rule::TooLate, at, evidence));
                    }
                }
                State::Active => {
                    let latest = shadow.advert_due.max(awake) + ADVERT_LATE;
                    if now > latest {
                        let evidence = format!("{vr:?} owes an advert at {now}, due by {latest}");
                        return Err(violation(lan, Rule::AdvertLate, at, evidence));
                    }
                }
                State::Initialize => {}
            }
        }
        Ok(())
    }
}

fn violation(lan: &Lan, rule: Rule, node: usize, evidence: String) -> Violation {
    let name = lan.nodes()[node].name();
    Violation::new(rule, lan.now(), format!("{name}: {evidence}"))
}
