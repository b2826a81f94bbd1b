//! The devices: interfaces with a virtual MAC, made and removed, set up and down.
//!
//! As with VIPs, nothing is toggled: what a device lacks follows from who wants it and from what the
//! kernel last said, and that is asked for, one operation on one device at a time. A device lies on
//! its parent: while that is missing it waits, and when that comes back it is made again.
//!
//! A device is up exactly while one of its holders holds. Down, it hears and says nothing, whatever
//! addresses wait on it; so taking over is one step, and so is letting go ([`crate::keeper`]). Whoever drains
//! lets what goes down leave first ([`Devices::poll_lowering`]), and what goes up last.
//!
//! What an earlier run left is used again if it is as it should be, and made anew if it is a macvlan
//! with a virtual router's MAC. Anything else that has the name is a stranger's, and left alone.

mod io;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use base::{
    Device, DeviceAsk, DeviceDone, DeviceOp, Errno, IfIndex, Instant, KernelFact, LinkFact,
    Macvlan, Name, Ticket, Tuning,
};

pub use io::{DeviceStatus, Input, Output};

use crate::HolderId;
use crate::links::Links;

/// How long what was done may take to be told.
const ECHO_LIMIT: Duration = Duration::from_secs(1);
/// A device that is wanted up does not wait longer for its switches to be set.
const TUNE_LIMIT: Duration = Duration::from_millis(200);
/// The pause after the first refusal; doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_millis(50);
/// The longest pause between attempts.
const LAST_RETRY: Duration = Duration::from_secs(5);

/// How far the setting of a device's switches has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Tuned {
    #[default]
    No,
    /// Asked for; no longer waited for after this.
    Asked(Instant),
    Yes,
}

#[derive(Clone, Copy, Debug)]
struct Refusal {
    errno: Errno,
    attempts: u32,
    retry_at: Instant,
}

#[derive(Debug)]
struct Entry {
    device: Device,
    /// Who wants it, and whether up.
    holders: BTreeMap<HolderId, bool>,
    /// The operation under way.
    flight: Option<(u64, DeviceOp)>,
    /// Something was done, and the kernel's word about it is awaited until then.
    echo_until: Option<Instant>,
    /// The interface we made or found to be ours.
    ours: Option<IfIndex>,
    /// It was made, and has not been seen yet.
    made: bool,
    tuned: Tuned,
    refusal: Option<Refusal>,
}

impl Entry {
    fn new(device: Device) -> Self {
        Self {
            device,
            holders: BTreeMap::new(),
            flight: None,
            echo_until: None,
            ours: None,
            made: false,
            tuned: Tuned::No,
            refusal: None,
        }
    }

    fn wanted_up(&self) -> bool {
        self.holders.values().any(|holding| *holding)
    }

    /// Nothing is to be decided before something happens.
    fn waits(&self, now: Instant) -> bool {
        self.flight.is_some()
            || self.echo_until.is_some_and(|until| now < until)
            || self.refusal.is_some_and(|refusal| now < refusal.retry_at)
    }

    /// When it is to be looked at next, but for what was looked at until `woken`.
    fn alarm(&self, woken: Instant) -> Option<Instant> {
        if self.flight.is_some() {
            return None;
        }
        let tuning = match self.tuned {
            Tuned::Asked(until) if self.wanted_up() => Some(until),
            Tuned::No | Tuned::Asked(_) | Tuned::Yes => None,
        };
        let refusal = self.refusal.map(|refusal| refusal.retry_at);
        [self.echo_until, refusal, tuning].into_iter().flatten().filter(|at| *at > woken).min()
    }

    /// The interface that has the name is the device, as it should be.
    fn fits(&self, link: &LinkFact, parent: Option<IfIndex>) -> bool {
        link.mac == Some(self.device.mac) && link.macvlan.is_some_and(|m| Some(m.below) == parent)
    }
}

/// The machine. Feed it, drain it, wake it.
#[derive(Debug, Default)]
pub struct Devices {
    now: Instant,
    /// When the clock was last looked at: what was due then has been dealt with.
    woken: Instant,
    links: Links,
    known: bool,
    entries: BTreeMap<Name, Entry>,
    /// Which entries are to be looked at.
    stale: BTreeSet<Name>,
    tickets: u64,
    stopping: bool,
    outputs: VecDeque<Output>,
}

impl Devices {
    /// A machine that knows of no interface and no device yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.now = self.now.max(now);
        match input {
            Input::Manage { holder, devices } => self.manage(holder, devices),
            Input::Hold { holder } => self.hold(holder, true),
            Input::Release { holder } => self.hold(holder, false),
            Input::Fact(fact) => self.learn(fact),
            Input::Done(done) => self.done(&done),
            Input::Tuned { index } => {
                for (name, entry) in &mut self.entries {
                    if entry.ours == Some(index) {
                        entry.tuned = Tuned::Yes;
                        self.stale.insert(name.clone());
                    }
                }
            }
            Input::Stop => {
                self.stopping = true;
                self.stale.extend(self.entries.keys().cloned());
            }
            Input::Wake => {
                let since = core::mem::replace(&mut self.woken, self.now);
                let due = |entry: &Entry| entry.alarm(since).is_some_and(|at| at <= self.now);
                let due = self.entries.iter().filter(|(_, entry)| due(entry));
                self.stale.extend(due.map(|(name, _)| name.clone()));
            }
        }
    }

    /// What is to leave before anything that is asked of addresses: what goes down, or away.
    pub fn poll_lowering(&mut self) -> Option<Output> {
        let down = |name: &&Name| {
            let entry = self.entries.get(*name);
            entry.is_some_and(|entry| !entry.wanted_up() && self.is_up(&entry.device.name))
        };
        let names: Vec<Name> = self.stale.iter().filter(down).cloned().collect();
        for name in names {
            self.stale.remove(&name);
            self.decide(&name);
        }
        let lowers = |output: &Output| {
            let Output::Op(ask) = output else { return false };
            matches!(ask.op, DeviceOp::Lower { .. } | DeviceOp::Remove { .. })
        };
        let at = self.outputs.iter().position(lowers)?;
        self.outputs.remove(at)
    }

    /// What is to be done or told next; to be asked when addresses have had their say.
    pub fn poll_output(&mut self) -> Option<Output> {
        while let Some(name) = self.stale.pop_first() {
            self.decide(&name);
        }
        self.outputs.pop_front()
    }

    /// When to be woken at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.entries.values().filter_map(|entry| entry.alarm(self.woken)).min()
    }

    /// Whether the kernel refuses to have this device.
    #[must_use]
    pub fn is_refused(&self, name: &Name) -> bool {
        self.entries.get(name).is_some_and(|entry| entry.refusal.is_some())
    }

    /// Whether nothing is under way; after [`Input::Stop`], that none is left.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let gone = |entry: &Entry| {
            let link = self.links.named(&entry.device.name);
            let echo = entry.echo_until.is_some_and(|until| self.now < until);
            link.is_none_or(|link| entry.ours != Some(link.index)) && !echo
        };
        self.entries.values().all(|entry| entry.flight.is_none() && (!self.stopping || gone(entry)))
    }

    /// All devices, by name.
    pub fn status(&self) -> impl Iterator<Item = DeviceStatus> {
        self.entries.values().filter(|entry| !entry.holders.is_empty()).map(|entry| {
            let link = self.links.named(&entry.device.name);
            let link = link.filter(|link| entry.ours == Some(link.index));
            DeviceStatus {
                device: entry.device.clone(),
                index: link.map(|link| link.index),
                up: link.and_then(|link| link.macvlan).is_some_and(|macvlan| macvlan.up),
                wanted: entry.wanted_up(),
                refused: entry.refusal.map(|refusal| refusal.errno),
            }
        })
    }

    fn is_up(&self, name: &Name) -> bool {
        let link = self.links.named(name);
        link.and_then(|link| link.macvlan).is_some_and(|Macvlan { up, .. }| up)
    }

    fn manage(&mut self, holder: HolderId, devices: Vec<Device>) {
        let mut holding = false;
        for (name, entry) in &mut self.entries {
            if let Some(held) = entry.holders.remove(&holder) {
                holding |= held;
                self.stale.insert(name.clone());
            }
        }
        for device in devices {
            let name = device.name.clone();
            let entry =
                self.entries.entry(name.clone()).or_insert_with(|| Entry::new(device.clone()));
            if entry.device != device {
                entry.device = device;
                entry.tuned = Tuned::No;
                entry.refusal = None;
            }
            entry.holders.insert(holder, holding);
            self.stale.insert(name);
        }
    }

    fn hold(&mut self, holder: HolderId, holds: bool) {
        for (name, entry) in &mut self.entries {
            if let Some(held) = entry.holders.get_mut(&holder)
                && core::mem::replace(held, holds) != holds
            {
                self.stale.insert(name.clone());
            }
        }
    }

    fn learn(&mut self, fact: &KernelFact) {
        match fact {
            KernelFact::Address(_) | KernelFact::AddressGone(_) => return,
            KernelFact::Snapshot { .. } => {
                self.links.learn(fact);
                self.known = true;
                for entry in self.entries.values_mut() {
                    entry.echo_until = None;
                }
                self.stale.extend(self.entries.keys().cloned());
                return;
            }
            KernelFact::Link(_) | KernelFact::LinkGone(_) => {}
        }
        let mut names = self.names_of(fact);
        let number = |links: &Links, name: &Name| links.named(name).map(|link| link.index);
        let before: Vec<_> =
            self.entries.values().map(|entry| number(&self.links, &entry.device.parent)).collect();
        self.links.learn(fact);
        names.extend(self.names_of(fact));
        for ((name, entry), before) in self.entries.iter_mut().zip(before) {
            let moved = number(&self.links, &entry.device.parent) != before;
            if names.contains(name) || moved {
                entry.echo_until = None;
            }
            if names.contains(name) || names.contains(&entry.device.parent) {
                // What was refused may work now.
                if let Some(refusal) = &mut entry.refusal {
                    refusal.retry_at = refusal.retry_at.min(self.now + FIRST_RETRY);
                }
                self.stale.insert(name.clone());
            }
        }
    }

    fn names_of(&self, fact: &KernelFact) -> BTreeSet<Name> {
        let (index, name) = match fact {
            KernelFact::Link(link) => (link.index, Some(&link.name)),
            KernelFact::LinkGone(index) => (*index, None),
            _ => return BTreeSet::new(),
        };
        let known = self.links.get(index).map(|link| &link.name);
        name.into_iter().chain(known).cloned().collect()
    }

    fn done(&mut self, done: &DeviceDone) {
        let number = done.ticket.number();
        let this = |entry: &&mut Entry| entry.flight.as_ref().is_some_and(|(n, _)| *n == number);
        let Some(entry) = self.entries.values_mut().find(this) else { return };
        let Some((_, op)) = entry.flight.take() else { return };
        let name = entry.device.name.clone();
        // The kernel's word about it may have come first.
        let echo_until = Some(self.now + ECHO_LIMIT)
            .filter(|_| base::planted!(EchoAwaited) || !is_told(&self.links, &op));
        match done.outcome {
            // What is to go is gone, or its parent is: the kernel is about to say so.
            Err(Errno::NODEV) => entry.echo_until = echo_until,
            Ok(()) => {
                entry.made |= matches!(op, DeviceOp::Make { .. });
                entry.refusal = None;
                entry.echo_until = echo_until;
            }
            Err(errno) => {
                let before = entry.refusal;
                let attempts = before.map_or(0, |refusal| refusal.attempts).saturating_add(1);
                let pause = FIRST_RETRY * 2_u32.saturating_pow(attempts.min(16) - 1);
                let retry_at = self.now + pause.min(LAST_RETRY);
                entry.refusal = Some(Refusal { errno, attempts, retry_at });
                if before.is_none_or(|before| before.errno != errno) {
                    self.outputs.push_back(Output::Refused { name: name.clone(), errno });
                }
            }
        }
        self.stale.insert(name);
    }

    /// Compares what is wanted of a device with what there is, and asks for the difference.
    fn decide(&mut self, name: &Name) {
        if !self.known {
            self.stale.clear();
            return;
        }
        let Some(entry) = self.entries.get_mut(name) else { return };
        if entry.waits(self.now) {
            return;
        }
        let link = self.links.named(name);
        let parent = self.links.named(&entry.device.parent).map(|link| link.index);
        let unwanted = entry.holders.is_empty() || self.stopping;
        if let Some(link) = link
            && entry.made
            && entry.fits(link, parent)
        {
            entry.made = false;
            entry.ours = Some(link.index);
            entry.tuned = Tuned::No;
            let there = Output::There { name: name.clone(), mac: entry.device.mac };
            self.outputs.push_back(there);
        }
        let op = match (link, parent) {
            (None, _) if unwanted => {
                if entry.holders.is_empty() {
                    self.entries.remove(name);
                } else {
                    entry.ours = None;
                }
                return;
            }
            (None, Some(on)) => {
                entry.ours = None;
                Some(DeviceOp::Make { device: entry.device.clone(), on })
            }
            (None, None) => {
                entry.ours = None;
                None
            }
            (Some(link), _) if unwanted && (entry.ours == Some(link.index)) => {
                Some(DeviceOp::Remove { index: link.index })
            }
            (Some(_), _) if unwanted => {
                if entry.holders.is_empty() {
                    self.entries.remove(name);
                }
                return;
            }
            (Some(link), parent) if entry.fits(link, parent) => {
                let (index, up) = (link.index, link.macvlan.is_some_and(|macvlan| macvlan.up));
                if entry.ours != Some(index) {
                    entry.ours = Some(index);
                    entry.tuned = Tuned::No;
                    let there = Output::There { name: name.clone(), mac: entry.device.mac };
                    self.outputs.push_back(there);
                }
                entry.attend(self.now, index, up, &mut self.outputs)
            }
            (Some(link), _) => {
                let old = link.macvlan.is_some() && link.mac.is_some_and(|m| m.is_virtual_router());
                if old || entry.ours == Some(link.index) {
                    Some(DeviceOp::Remove { index: link.index })
                } else {
                    entry.in_the_way(self.now, &mut self.outputs);
                    None
                }
            }
        };
        if let Some(op) = op {
            self.tickets += 1;
            let ask = DeviceAsk { ticket: Ticket::new(self.tickets), op: op.clone() };
            entry.flight = Some((self.tickets, op));
            self.outputs.push_back(Output::Op(ask));
        }
    }
}

/// Whether the links are as an operation that is through has made them, or what it was about is gone.
fn is_told(links: &Links, op: &DeviceOp) -> bool {
    let up = |index| links.get(index)?.macvlan.map(|macvlan| macvlan.up);
    match op {
        DeviceOp::Make { device, on } => {
            let link = links.named(&device.name);
            let there = link.is_some_and(|link| {
                link.mac == Some(device.mac) && link.macvlan.is_some_and(|m| m.below == *on)
            });
            there || links.get(*on).is_none()
        }
        DeviceOp::Remove { index } => links.get(*index).is_none(),
        DeviceOp::Raise { index } => up(*index) != Some(false),
        DeviceOp::Lower { index } => up(*index) != Some(true),
    }
}

impl Entry {
    /// What a device that is there still lacks.
    fn attend(
        &mut self,
        now: Instant,
        index: IfIndex,
        up: bool,
        outputs: &mut VecDeque<Output>,
    ) -> Option<DeviceOp> {
        if matches!(self.refusal, Some(Refusal { errno: Errno::EXIST, .. })) {
            self.refusal = None;
        }
        if self.tuned == Tuned::No {
            self.tuned = Tuned::Asked(now + TUNE_LIMIT);
            let Device { name, ipv6, local_igmp, .. } = self.device.clone();
            outputs.push_back(Output::Tune(Tuning { index, name, ipv6, local_igmp }));
        }
        match (self.wanted_up(), up) {
            (true, false) => {
                let ready = match self.tuned {
                    Tuned::Yes => true,
                    Tuned::Asked(until) => now >= until,
                    Tuned::No => false,
                };
                ready.then_some(DeviceOp::Raise { index })
            }
            (false, true) if base::planted!(DeviceLeftUp) => None,
            (false, true) => Some(DeviceOp::Lower { index }),
            (true, true) | (false, false) => {
                self.refusal = None;
                None
            }
        }
    }

    /// A stranger has the name.
    fn in_the_way(&mut self, now: Instant, outputs: &mut VecDeque<Output>) {
        let errno = Errno::EXIST;
        let told = self.refusal.is_some_and(|refusal| refusal.errno == errno);
        self.refusal = Some(Refusal { errno, attempts: 1, retry_at: now + LAST_RETRY });
        if !told {
            outputs.push_back(Output::Refused { name: self.device.name.clone(), errno });
        }
    }
}
