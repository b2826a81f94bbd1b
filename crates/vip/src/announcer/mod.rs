//! The announcer: when which neighbour announcement leaves.
//!
//! A holder announces in *bursts*: every VIP once, then every VIP again, as often as its policy says;
//! a second burst follows later, since the first may fall into the very trouble that caused the
//! takeover; a refresh, if asked for, repeats it for as long as it holds. The keeper's word that a VIP
//! is present comes first, always, and its word that it went ends everything for that VIP.
//!
//! Frames are handed out a few at a time: some per turn, then a short pause in which the loop sends
//! its adverts. Holders take turns frame by frame, so that the first announcement of one VIP never
//! waits for two thousand of somebody else. An interface may have a slower pace of its own.

mod burst;
mod io;
mod places;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use core::net::IpAddr;
use core::ops::Bound;
use core::time::Duration;

use base::{EventId, Family, Instant, KernelFact, LinkFact, Mac, Name, Reason, Vip};

use crate::HolderId;
use crate::links::Links;
use crate::{arp, ndisc, pack};
use burst::{Burst, Spot};
pub use io::{BurstPolicy, Input, Output, Status};
pub use places::{KeepFresh, Pace};
use places::{Track, track};

/// Frames handed out before the loop gets a chance to do something else.
const FRAMES_PER_TURN: u32 = 64;
/// The chance.
const TURN: Duration = Duration::from_millis(1);
/// Bursts because of a rival start no closer than this, however fast it claims: what somebody else
/// can trigger must not become a storm (ARP-006).
const RIVAL_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
struct Holder {
    /// As a rule that of all others, too.
    policy: Arc<BurstPolicy>,
    /// Present, as far as we were told; sorted.
    present: Vec<Spot>,
    bursts: Vec<Burst>,
    refresh_at: Option<Instant>,
    /// As a rule none: boxed.
    fresh: Option<Box<KeepFresh>>,
    fresh_at: Option<Instant>,
    rival_at: Option<Instant>,
    /// Its entry among the alarms.
    alarm: Option<Instant>,
    /// The event its last announcement followed from: the cause of the refreshes.
    cause: Option<EventId>,
}

impl Holder {
    /// Plans a burst and, unless `delay` is zero, its second.
    fn begin(
        &mut self,
        spots: Vec<Spot>,
        (rounds, delay): (u32, Duration),
        due: Instant,
        reason: Reason,
        cause: EventId,
    ) {
        // What is told anew need not be told because of something older. Bursts are only about what
        // is present, so a VIP that was not is in none.
        let anew: BTreeSet<Spot> =
            spots.iter().filter(|spot| self.present.binary_search(spot).is_ok()).cloned().collect();
        if !anew.is_empty() {
            for burst in &mut self.bursts {
                burst.forget(&anew);
            }
            self.bursts.retain(|burst| !burst.is_out());
        }
        let new = spots.iter().filter(|spot| !anew.contains(spot));
        self.present.reserve_exact(spots.len() - anew.len().min(spots.len()));
        self.present.extend(new.cloned());
        self.present.sort();
        self.present.dedup();
        let mut plan = |due, reason| {
            if !self.bursts.iter_mut().any(|burst| burst.join(&spots, rounds, reason, cause)) {
                self.bursts.push(Burst::new(spots.clone(), rounds, due, reason, cause));
            }
        };
        plan(due, reason);
        if !delay.is_zero() {
            plan(due + delay, Reason::SecondBurst);
        }
    }

    fn begin_refresh(&mut self, now: Instant) {
        self.refresh_at = refresh_after(now, &self.policy);
        let telling = self.bursts.iter().any(|b| b.reason == Reason::Refresh);
        if let (Some(cause), false) = (self.cause, telling) {
            let spots = self.present.clone();
            let rounds = self.policy.refresh_repeat;
            self.bursts.push(Burst::new(spots, rounds, now, Reason::Refresh, cause));
        }
    }
}

impl Holder {
    /// Sets the time for keeping switches informed, where it is not set.
    fn keep_fresh(&mut self, now: Instant) {
        if let (Some(fresh), None) = (&self.fresh, self.fresh_at) {
            self.fresh_at = Some(now + fresh.every);
        }
    }

    /// Tells of one VIP of each interface that switches are to be kept informed of.
    fn freshen(&mut self, now: Instant) {
        self.fresh_at = None;
        self.keep_fresh(now);
        let (Some(fresh), Some(cause)) = (&self.fresh, self.cause) else { return };
        let first = |name: &Name| self.present.iter().find(|spot| spot.interface == *name).cloned();
        let spots: Vec<Spot> = fresh.interfaces.iter().filter_map(first).collect();
        if !spots.is_empty() {
            self.bursts.push(Burst::new(spots, 1, now, Reason::Refresh, cause));
        }
    }
}

/// The machine. Feed it, drain it, wake it.
#[derive(Debug)]
pub struct Announcer {
    now: Instant,
    links: Links,
    /// Boxed: a tree keeps room for twice what it holds.
    holders: BTreeMap<HolderId, Box<Holder>>,
    /// The one given last.
    policy: Arc<BurstPolicy>,
    /// Holders with something to send now or waiting for an interface's pace.
    busy: BTreeSet<HolderId>,
    /// When each other holder has something to do next.
    alarms: BTreeSet<(Instant, HolderId)>,
    /// Who was served last.
    last_served: HolderId,
    turn_ends: Instant,
    left_in_turn: u32,
    /// When the next frame of a family may leave an interface that has a pace.
    paces: BTreeMap<(Track, Family), Instant>,
    shared_paces: Vec<Pace>,
    /// When to look again at busy holders that nothing but the pace of interfaces held back.
    paced_until: Option<Instant>,
    outputs: VecDeque<Output>,
    frames: u64,
    skipped: u64,
}

impl Default for Announcer {
    fn default() -> Self {
        Self::new()
    }
}

impl Announcer {
    /// An announcer that knows of no interface and no holder yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            now: Instant::ZERO,
            links: Links::default(),
            holders: BTreeMap::new(),
            policy: Arc::default(),
            busy: BTreeSet::new(),
            alarms: BTreeSet::new(),
            last_served: HolderId(u32::MAX),
            turn_ends: Instant::ZERO,
            left_in_turn: FRAMES_PER_TURN,
            paces: BTreeMap::new(),
            shared_paces: Vec::new(),
            paced_until: None,
            outputs: VecDeque::new(),
            frames: 0,
            skipped: 0,
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.now = self.now.max(now);
        self.paced_until = None;
        match input {
            Input::Policy { holder, policy } => {
                if *self.policy != policy {
                    self.policy = Arc::new(policy);
                }
                let entry = self.holders.entry(holder).or_default();
                let refresh_changed = entry.policy.refresh != policy.refresh;
                entry.policy = Arc::clone(&self.policy);
                if refresh_changed && !entry.present.is_empty() {
                    entry.refresh_at = refresh_after(self.now, &policy);
                }
                self.reschedule(holder);
            }
            Input::Paces(paces) => {
                if self.shared_paces != paces {
                    self.paces.retain(|(on, _), _| matches!(on, Track::Link(_)));
                    self.shared_paces = paces;
                }
            }
            Input::KeepFresh { holder, fresh } => {
                let entry = self.holders.entry(holder).or_default();
                let fresh = (!fresh.is_empty()).then(|| Box::new(fresh));
                if entry.fresh != fresh {
                    entry.fresh = fresh;
                    entry.fresh_at = None;
                    if !entry.present.is_empty() {
                        entry.keep_fresh(self.now);
                    }
                    self.reschedule(holder);
                }
            }
            Input::Announce { holder, vips, reason, cause } => {
                self.announce(holder, &vips, reason, cause);
            }
            // News are read before adverts are: what is due waits until those were heard.
            Input::Gone { holder, vips } => return self.gone(holder, &vips),
            Input::Withdraw { .. } if base::planted!(AnnouncesOn) => {}
            Input::Withdraw { holder } => {
                if let Some(entry) = self.holders.get_mut(&holder) {
                    let (policy, alarm) = (Arc::clone(&entry.policy), entry.alarm);
                    let fresh = entry.fresh.take();
                    **entry = Holder { policy, alarm, fresh, ..Holder::default() };
                    self.reschedule(holder);
                }
            }
            Input::Forget { holder } => {
                self.busy.remove(&holder);
                if let Some(at) = self.holders.remove(&holder).and_then(|entry| entry.alarm) {
                    self.alarms.remove(&(at, holder));
                }
            }
            Input::Fact(fact) => return self.learn(fact),
            Input::Wake => {}
        }
        self.wake();
    }

    /// What to send or tell next; `None` when there is nothing, or nothing more in this turn.
    pub fn poll_output(&mut self) -> Option<Output> {
        while self.outputs.is_empty() && self.left_in_turn > 0 && self.serve() {}
        self.outputs.pop_front()
    }

    /// Needs no more room than necessary from here on: for when it has come to rest.
    pub fn pack(&mut self) {
        pack::map(&mut self.holders);
        pack::set(&mut self.alarms);
        self.outputs.shrink_to_fit();
    }

    /// When to be woken, if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let alarm = self.alarms.first().map(|(at, _)| *at);
        let turn = match self.paced_until {
            _ if self.busy.is_empty() => None,
            Some(at) => Some(at),
            None => Some(self.turn_ends),
        };
        alarm.into_iter().chain(turn).min()
    }

    /// The announcer as a value.
    #[must_use]
    pub fn status(&self) -> Status {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let holders = || self.holders.values();
        Status {
            holders: count(holders().filter(|h| !h.present.is_empty()).count()),
            vips: count(holders().map(|h| h.present.len()).sum()),
            bursts: count(holders().map(|h| h.bursts.len()).sum()),
            frames: self.frames,
            skipped: self.skipped,
        }
    }

    fn announce(&mut self, holder: HolderId, vips: &[Vip], reason: Reason, cause: EventId) {
        let now = self.now;
        let entry = self.holders.entry(holder).or_default();
        let policy = Arc::clone(&entry.policy);
        let spots: Vec<Spot> = vips.iter().map(Spot::of).collect();
        if spots.is_empty() {
            return;
        }
        if entry.present.is_empty() {
            entry.refresh_at = refresh_after(now, &policy);
            entry.keep_fresh(now);
        }
        entry.cause = Some(cause);

        let rival = reason == Reason::RivalSeen;
        let mut due = now;
        if rival {
            if entry.bursts.iter().any(|b| b.reason == reason && b.covers(&spots)) {
                // It is being told already.
                return;
            }
            due = entry.rival_at.map_or(now, |at| now.max(at + RIVAL_PAUSE));
            entry.rival_at = Some(due);
        }
        let (rounds, delay) = if rival {
            (policy.lower_prio_repeat, policy.lower_prio_delay)
        } else {
            (policy.repeat, policy.delay)
        };
        entry.begin(spots, (rounds, delay), due, reason, cause);
        self.reschedule(holder);
    }

    fn gone(&mut self, holder: HolderId, vips: &[Vip]) {
        if base::planted!(AnnouncesOn) {
            return;
        }
        let Some(entry) = self.holders.get_mut(&holder) else { return };
        let gone: BTreeSet<Spot> = vips.iter().map(Spot::of).collect();
        entry.present.retain(|spot| !gone.contains(spot));
        for burst in &mut entry.bursts {
            burst.forget(&gone);
        }
        if entry.present.is_empty() {
            (entry.refresh_at, entry.fresh_at) = (None, None);
        }
        self.reschedule(holder);
    }

    /// Besides keeping the table: a link that runs again, or with another MAC, leaves neighbours and
    /// bridges in doubt about every VIP on it (ARP-007).
    fn learn(&mut self, fact: &KernelFact) {
        let doubtful = match fact {
            KernelFact::Link(link) => self.came_back(link).then(|| vec![link.name.clone()]),
            KernelFact::Snapshot { links, .. } => Some(
                links.iter().filter(|l| self.came_back(l)).map(|link| link.name.clone()).collect(),
            ),
            KernelFact::LinkGone(_) | KernelFact::Address(_) | KernelFact::AddressGone(_) => None,
        };
        self.links.learn(fact);
        if let KernelFact::LinkGone(index) = fact {
            self.paces.retain(|(on, _), _| *on != Track::Link(*index));
        }
        let doubtful: Vec<Name> = doubtful.unwrap_or_default();
        if doubtful.is_empty() {
            return;
        }
        let mut again = Vec::new();
        for (id, holder) in &mut self.holders {
            let spots: Vec<Spot> = holder
                .present
                .iter()
                .filter(|s| doubtful.contains(&s.interface))
                .cloned()
                .collect();
            if let (false, Some(cause)) = (spots.is_empty(), holder.cause) {
                let (repeat, delay) = (holder.policy.repeat, holder.policy.delay);
                holder.begin(spots, (repeat, delay), self.now, Reason::Kernel, cause);
                again.push(*id);
            }
        }
        for id in again {
            self.reschedule(id);
        }
    }

    fn came_back(&self, link: &LinkFact) -> bool {
        let before = self.links.named(&link.name);
        usable(link).is_some() && before.and_then(usable) != usable(link)
    }

    /// Begins what has become due, and a new turn when the last is over.
    fn wake(&mut self) {
        if self.now >= self.turn_ends {
            self.left_in_turn = FRAMES_PER_TURN;
        }
        while let Some((at, holder)) = self.alarms.first().copied()
            && at <= self.now
        {
            self.alarms.pop_first();
            if let Some(entry) = self.holders.get_mut(&holder) {
                if entry.refresh_at.is_some_and(|at| at <= self.now) {
                    entry.begin_refresh(self.now);
                }
                if entry.fresh_at.is_some_and(|at| at <= self.now) {
                    entry.freshen(self.now);
                }
            }
            self.reschedule(holder);
        }
    }

    /// Puts `holder` where it belongs: busy, waiting for an alarm, or at rest.
    fn reschedule(&mut self, holder: HolderId) {
        self.busy.remove(&holder);
        let Some(entry) = self.holders.get_mut(&holder) else { return };
        if let Some(at) = entry.alarm.take() {
            self.alarms.remove(&(at, holder));
        }
        entry.bursts.retain(|burst| !burst.is_out());
        if entry.bursts.is_empty() {
            entry.bursts = Vec::new();
        }
        let next = entry.bursts.iter().map(|burst| burst.due).min();
        if next.is_some_and(|due| due <= self.now) {
            self.busy.insert(holder);
        }
        let later = entry.bursts.iter().map(|b| b.due).filter(|due| *due > self.now).min();
        if let Some(at) = later.into_iter().chain(entry.refresh_at).chain(entry.fresh_at).min() {
            entry.alarm = Some(at);
            self.alarms.insert((at, holder));
        }
    }

    /// Lets the next holder hand out one frame; false when none can.
    fn serve(&mut self) -> bool {
        let mut blocked: Option<Instant> = None;
        let mut after = self.last_served;
        for _ in 0..self.busy.len() {
            let mut later = self.busy.range((Bound::Excluded(after), Bound::Unbounded));
            let Some(holder) = later.next().or_else(|| self.busy.first()).copied() else { break };
            match self.serve_one(holder) {
                Served::Something => {
                    self.last_served = holder;
                    return true;
                }
                Served::NotBefore(at) => {
                    blocked = Some(blocked.map_or(at, |b| b.min(at)));
                }
            }
            after = holder;
        }
        self.paced_until = blocked;
        false
    }

    fn serve_one(&mut self, holder: HolderId) -> Served {
        let now = self.now;
        let entry = self.holders.get_mut(&holder);
        let burst = entry.and_then(|entry| {
            let policy = *entry.policy;
            let due = entry.bursts.iter_mut().find(|b| b.due <= now && !b.is_out())?;
            Some((policy, due))
        });
        let Some((policy, burst)) = burst else {
            self.reschedule(holder);
            return Served::Something;
        };
        let Some(spot) = burst.current() else { return Served::Something };
        let place = self.links.named(&spot.interface).and_then(|l| Some((l.index, usable(l)?)));
        let Some((index, own_mac)) = place else {
            self.skipped += 1;
            burst.advance(None);
            self.finish(holder);
            return Served::Something;
        };
        let family = Family::of(&spot.address);
        let interval = match family {
            Family::V4 => policy.arp_interval,
            Family::V6 => policy.na_interval,
        };
        let (on, interval) = track(&self.shared_paces, (&spot.interface, index), family, interval);
        if let Some(at) = self.paces.get(&(on, family))
            && *at > now
        {
            return Served::NotBefore(*at);
        }
        if interval.is_zero() {
            self.paces.remove(&(on, family));
        } else {
            self.paces.insert((on, family), now + interval);
        }
        let mac = policy.virtual_mac.unwrap_or(own_mac);
        let bytes = match spot.address {
            IpAddr::V4(vip) => arp::gratuitous(vip, mac, policy.target_mac),
            IpAddr::V6(vip) => ndisc::unsolicited(vip, mac, policy.router_flag),
        };
        self.outputs.push_back(Output::Frame { index, bytes });
        burst.advance(Some(mac));
        self.frames += 1;
        if self.left_in_turn == FRAMES_PER_TURN {
            self.turn_ends = now + TURN;
        }
        self.left_in_turn -= 1;
        self.finish(holder);
        Served::Something
    }

    /// Tells of bursts of `holder` that are out, and forgets them.
    fn finish(&mut self, holder: HolderId) {
        let Some(entry) = self.holders.get_mut(&holder) else { return };
        let mut any = false;
        for burst in entry.bursts.iter().filter(|burst| burst.is_out()) {
            any = true;
            for (mac, vips) in burst.told() {
                let (reason, cause) = (burst.reason, burst.cause);
                self.outputs.push_back(Output::Announced { holder, vips, mac, reason, cause });
            }
        }
        if any {
            self.reschedule(holder);
        }
    }
}

enum Served {
    /// A frame, or a step forward.
    Something,
    /// Its interface has a pace.
    NotBefore(Instant),
}

/// The MAC of a link that can carry an announcement now.
fn usable(link: &LinkFact) -> Option<Mac> {
    if link.running { link.mac } else { None }
}

fn refresh_after(now: Instant, policy: &BurstPolicy) -> Option<Instant> {
    (!policy.refresh.is_zero()).then(|| now + policy.refresh)
}
