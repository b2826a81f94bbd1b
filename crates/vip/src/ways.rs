//! Routes and rules that move with the VIPs: wanted against present, like the keeper's addresses.
//!
//! The kernel does not tell of every route it drops (with an interface that goes down, with an
//! address that was its source), and what it tells names a route only roughly. So news are hints:
//! they raise a doubt about each way they may concern, and a doubt is settled by adding the way again.
//! The kernel answers that to what is there already with "already there", which is proof as well; only
//! a way that could be added once more had really gone.
//!
//! Within one decision removals leave first, rules before routes, and before any address goes
//! ([`Ways::poll_removal`]); additions in the order of the list, after the addresses.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use base::{
    BatchDone, Errno, IfIndex, Instant, KernelFact, Name, OpDone, Ticket, Way, WayBatch, WayOp,
    WayTrace,
};

use serde::{Deserialize, Serialize};

use crate::HolderId;
use crate::links::Links;

/// Operations in one batch at most.
const OPS_PER_BATCH: usize = 128;
/// How long after news that may concern a way it is looked after: news come in swarms.
const LOOK_AFTER: Duration = Duration::from_millis(50);
/// The pause after the first refusal; doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_millis(50);
/// The longest pause between attempts.
const LAST_RETRY: Duration = Duration::from_secs(5);
/// The attempt at which it is told that what a way leads by is not there: after 750 ms.
const PATIENT: u32 = 5;
/// So often a way is put back at once; who removes it more often in a row fights us.
const PUT_BACK_AT_ONCE: u32 = 5;
/// The pause before putting it back after that.
const PUT_BACK_PAUSE: Duration = Duration::from_secs(1);
/// Removals further apart than this are not in a row.
const FIGHT_MEMORY: Duration = Duration::from_secs(10);

/// A way that somebody may want.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Managed {
    /// Which.
    pub way: Way,
    /// Whether it is put back when somebody removes it (`no_track` clears it).
    pub guarded: bool,
}

/// What the machine can be told.
#[derive(Debug)]
pub enum Input<'a> {
    /// These and no others may be held by this holder.
    Manage {
        /// Who.
        holder: HolderId,
        /// In the order of installation.
        ways: Vec<Managed>,
    },
    /// This holder wants all of them from now on, or none.
    Hold {
        /// Who.
        holder: HolderId,
        /// Whether it wants them.
        holds: bool,
    },
    /// The kernel said something of links or addresses.
    Fact(&'a KernelFact),
    /// The kernel said that a way of this kind went.
    Gone(WayTrace),
    /// A batch is through.
    Done(BatchDone),
    /// Look at the clock again.
    Wake,
}

/// What it tells, beside batches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// A wanted way was gone and is back.
    PutBack {
        /// Whose.
        holder: HolderId,
        /// Which.
        way: Way,
    },
    /// The kernel refuses it: told at the first attempt, the third, and whenever the answer changes;
    /// that its router or its source is not there (yet), at the fifth.
    Refused {
        /// Whose.
        holder: HolderId,
        /// Which.
        way: Way,
        /// Why.
        errno: Errno,
    },
}

/// What we believe the kernel has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Have {
    Absent,
    /// A life before this one may have left it.
    Unknown,
    Present,
}

#[derive(Debug)]
struct Entry {
    /// Who may hold it: whether it does, and where in its list.
    holders: BTreeMap<HolderId, (bool, usize)>,
    guarded: bool,
    have: Have,
    flight: Option<bool>,
    /// The numbers of its interfaces when it was added.
    links: Vec<(Name, IfIndex)>,
    refused: Option<(Errno, u32)>,
    /// That was of an addition.
    add_refused: bool,
    not_before: Option<Instant>,
    /// When to make sure that it is there.
    look_at: Option<Instant>,
    lost_at: Instant,
    lost_in_a_row: u32,
}

impl Entry {
    fn wanted(&self) -> Option<(HolderId, usize)> {
        let wants = |(id, (holds, at)): (&HolderId, &(bool, usize))| holds.then_some((*id, *at));
        self.holders.iter().find_map(wants)
    }

    fn next_look(&self) -> Option<Instant> {
        [self.not_before, self.look_at].into_iter().flatten().min()
    }
}

/// The machine.
#[derive(Debug, Default)]
pub struct Ways {
    now: Instant,
    links: Links,
    entries: BTreeMap<Way, Entry>,
    holders: BTreeMap<HolderId, (bool, Vec<Way>)>,
    by_trace: BTreeMap<WayTrace, BTreeSet<Way>>,
    clock: BTreeSet<(Instant, Way)>,
    in_flight: BTreeMap<u64, Vec<Way>>,
    last_ticket: u64,
    stale: BTreeSet<Way>,
    removals: VecDeque<WayBatch>,
    additions: VecDeque<WayBatch>,
    outputs: VecDeque<Output>,
}

impl Ways {
    /// Takes one input.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.now = self.now.max(now);
        match input {
            Input::Manage { holder, ways } => self.manage(holder, ways),
            Input::Hold { holder, holds } => {
                let Some((holding, ways)) = self.holders.get_mut(&holder) else { return };
                *holding = holds;
                for way in ways.iter() {
                    if let Some(claim) =
                        self.entries.get_mut(way).and_then(|e| e.holders.get_mut(&holder))
                    {
                        claim.0 = holds;
                    }
                    self.stale.insert(way.clone());
                }
            }
            Input::Fact(fact) => self.learn(fact),
            Input::Gone(trace) => {
                let ways: Vec<Way> =
                    self.by_trace.get(&trace).into_iter().flatten().cloned().collect();
                ways.into_iter().for_each(|way| self.doubt(way, Duration::ZERO));
            }
            Input::Done(done) => self.done(&done),
            Input::Wake => {
                while let Some((at, way)) = self.clock.first().cloned()
                    && at <= self.now
                {
                    self.clock.pop_first();
                    self.stale.insert(way);
                }
            }
        }
    }

    /// When to be woken.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.clock.first().map(|(at, _)| *at)
    }

    /// What is to be removed before any address is; `None` when there is nothing more.
    pub fn poll_removal(&mut self) -> Option<WayBatch> {
        self.settle();
        self.removals.pop_front()
    }

    /// What is to be added, after addresses were.
    pub fn poll_addition(&mut self) -> Option<WayBatch> {
        self.additions.pop_front()
    }

    /// What there is to tell.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether nothing is under way and nothing is left that nobody wants, but for what the kernel
    /// refuses to remove.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let lingers =
            |e: &Entry| e.wanted().is_none() && e.have != Have::Absent && e.refused.is_none();
        self.in_flight.is_empty() && !self.entries.values().any(lingers)
    }

    /// Whether the kernel has this one, as far as is known.
    #[must_use]
    pub fn is_present(&self, way: &Way) -> bool {
        self.entries.get(way).is_some_and(|entry| entry.have == Have::Present)
    }

    /// Whether it is not there and nothing under way will change that.
    #[must_use]
    pub fn is_missing(&self, way: &Way) -> bool {
        let missing = |e: &Entry| {
            let refused = e.refused.is_some() || e.not_before.is_some();
            e.have != Have::Present && (refused || self.bound(way).is_none())
        };
        self.entries.get(way).is_none_or(missing)
    }

    /// What is to be undone for this holder, should nobody of this process be there to do it.
    #[must_use]
    pub fn undoing(&self, holder: HolderId) -> Vec<WayOp> {
        let ways = self.holders.get(&holder).map_or(&[][..], |(_, ways)| ways);
        let undo = |way: &Way| {
            let links = self.bound(way)?;
            Some(WayOp { add: false, way: way.clone(), links })
        };
        ways.iter().rev().filter_map(undo).collect()
    }

    fn manage(&mut self, holder: HolderId, ways: Vec<Managed>) {
        let (holding, before) = self.holders.remove(&holder).unwrap_or_default();
        for way in &before {
            if let Some(entry) = self.entries.get_mut(way) {
                entry.holders.remove(&holder);
            }
            self.stale.insert(way.clone());
        }
        let mut list = Vec::with_capacity(ways.len());
        for Managed { way, guarded } in ways {
            let entry = self.entries.entry(way.clone()).or_insert_with(|| Entry {
                holders: BTreeMap::new(),
                guarded,
                have: Have::Unknown,
                flight: None,
                links: Vec::new(),
                refused: None,
                add_refused: false,
                not_before: None,
                look_at: None,
                lost_at: Instant::ZERO,
                lost_in_a_row: 0,
            });
            entry.guarded = guarded;
            entry.holders.entry(holder).or_insert((holding, list.len()));
            self.by_trace.entry(way.trace()).or_default().insert(way.clone());
            self.stale.insert(way.clone());
            list.push(way);
        }
        if !list.is_empty() {
            self.holders.insert(holder, (holding, list));
        }
    }

    fn learn(&mut self, fact: &KernelFact) {
        self.links.learn(fact);
        if self.entries.is_empty() {
            return;
        }
        let index = match fact {
            KernelFact::Snapshot { .. } => None,
            KernelFact::Link(link) => Some(link.index),
            KernelFact::LinkGone(index) => Some(*index),
            KernelFact::Address(address) | KernelFact::AddressGone(address) => Some(address.index),
        };
        let name = index.and_then(|index| self.links.name_of(index)).cloned();
        let concerns = |way: &Way, entry: &Entry| {
            let (Way::Route(route), Some(index)) = (way, index) else { return true };
            let by_number = entry.links.iter().any(|(_, number)| *number == index);
            let floating = route.hops.iter().any(|hop| hop.interface.is_none());
            let by_name = way.interfaces().any(|interface| Some(interface) == name.as_ref());
            by_number || floating || by_name
        };
        let of_rule = |way: &Way| matches!(way, Way::Rule(_)) && index.is_some();
        let concerned: Vec<Way> = self
            .entries
            .iter()
            .filter(|(way, entry)| !of_rule(way) && concerns(way, entry))
            .map(|(way, _)| way.clone())
            .collect();
        for way in concerned {
            let bound = self.bound(&way);
            if let Some(entry) = self.entries.get_mut(&way) {
                let moved = bound.as_ref() != Some(&entry.links);
                if entry.have == Have::Present && moved {
                    // It went with its interface, or will be in the way of nobody.
                    entry.have = Have::Absent;
                }
                if entry.refused.is_some() {
                    entry.not_before = None;
                    entry.look_at = Some(self.now + LOOK_AFTER);
                }
            }
            self.doubt(way, LOOK_AFTER);
        }
    }

    /// Has a way that may have gone looked after.
    fn doubt(&mut self, way: Way, within: Duration) {
        let now = self.now;
        let Some(entry) = self.entries.get_mut(&way) else { return };
        if entry.have == Have::Present && entry.guarded && entry.look_at.is_none() {
            let mut at = now + within;
            if entry.lost_in_a_row > PUT_BACK_AT_ONCE && now.since(entry.lost_at) < FIGHT_MEMORY {
                at = now + PUT_BACK_PAUSE;
            }
            entry.look_at = Some(at);
        }
        self.stale.insert(way);
    }

    /// The numbers of its interfaces; `None` while one of them does not exist.
    fn bound(&self, way: &Way) -> Option<Vec<(Name, IfIndex)>> {
        let number = |name: &Name| Some((name.clone(), self.links.named(name)?.index));
        way.interfaces().map(number).collect()
    }

    fn runs(&self, way: &Way) -> bool {
        way.interfaces().all(|name| self.links.named(name).is_some_and(|link| link.running))
    }

    fn done(&mut self, done: &BatchDone) {
        let Some(ways) = self.in_flight.remove(&done.ticket.number()) else { return };
        let mut outcomes = done.outcomes.iter().copied();
        for way in ways {
            // Without an outcome it may be there or not.
            let outcome = outcomes.next().unwrap_or(Err(Errno(105)));
            self.through(way, outcome);
        }
    }

    fn through(&mut self, way: Way, outcome: OpDone) {
        let now = self.now;
        let Some(entry) = self.entries.get_mut(&way) else { return };
        let Some(add) = entry.flight.take() else { return };
        let outcome = match (add, outcome) {
            (true, Err(Errno::EXIST)) => {
                entry.have = Have::Present;
                Ok(())
            }
            (true, Ok(())) => {
                if entry.have == Have::Present {
                    let in_a_row = now.since(entry.lost_at) < FIGHT_MEMORY;
                    entry.lost_in_a_row = if in_a_row { entry.lost_in_a_row + 1 } else { 1 };
                    entry.lost_at = now;
                    if let Some((holder, _)) = entry.wanted() {
                        self.outputs.push_back(Output::PutBack { holder, way: way.clone() });
                    }
                }
                entry.have = Have::Present;
                Ok(())
            }
            // No such process is what the kernel calls a route that is not there.
            (false, Ok(()) | Err(Errno::NOENT | Errno::NODEV | Errno(3))) => {
                entry.have = Have::Absent;
                Ok(())
            }
            (_, Err(errno)) => Err(errno),
        };
        match outcome {
            Ok(()) => {
                entry.refused = None;
                entry.not_before = None;
            }
            Err(errno) => {
                if add {
                    // The kernel looks for the router first: even what is there may be refused.
                    entry.have = Have::Unknown;
                    entry.add_refused = true;
                }
                let before = entry.refused;
                let attempts = before.map_or(1, |(_, attempts)| attempts.saturating_add(1));
                entry.refused = Some((errno, attempts));
                let pause = FIRST_RETRY * 2_u32.saturating_pow(attempts.min(10) - 1);
                entry.not_before = Some(now + pause.min(LAST_RETRY));
                let news = match errno {
                    // What it leads by may have come this moment: the kernel makes the route to an
                    // IPv6 address's network some hundred milliseconds after the address.
                    Errno(22 | 101 | 113) => attempts == PATIENT,
                    _ => attempts == 1 || attempts == 3 || before.is_some_and(|b| b.0 != errno),
                };
                if news && let Some(holder) = entry.holders.keys().next().copied() {
                    self.outputs.push_back(Output::Refused { holder, way: way.clone(), errno });
                }
            }
        }
        self.stale.insert(way);
    }

    fn settle(&mut self) {
        if self.stale.is_empty() {
            return;
        }
        let mut removals = Vec::new();
        let mut additions = Vec::new();
        for way in core::mem::take(&mut self.stale) {
            let (links, runs, now) = (self.bound(&way), self.runs(&way), self.now);
            let Some(entry) = self.entries.get_mut(&way) else { continue };
            if let Some(at) = entry.not_before.filter(|at| *at <= now) {
                self.clock.remove(&(at, way.clone()));
                entry.not_before = None;
            }
            if entry.wanted().is_none() && core::mem::take(&mut entry.add_refused) {
                // A pause in adding is no pause in removing.
                entry.refused = None;
                if let Some(at) = entry.not_before.take() {
                    self.clock.remove(&(at, way.clone()));
                }
            }
            let looks = entry.look_at.is_some_and(|at| at <= now);
            if entry.flight.is_none() && entry.not_before.is_none() {
                match (entry.wanted(), links) {
                    (Some(order), Some(links))
                        if runs && (entry.have != Have::Present || looks) =>
                    {
                        entry.flight = Some(true);
                        entry.look_at = None;
                        entry.links.clone_from(&links);
                        additions.push((order, WayOp { add: true, way: way.clone(), links }));
                    }
                    (Some(_), _) if looks => entry.look_at = None,
                    (Some(_), _) => {}
                    (None, Some(links)) if entry.have != Have::Absent => {
                        entry.flight = Some(false);
                        let at = entry.holders.first_key_value().map(|(id, (_, at))| (*id, *at));
                        let order = at.unwrap_or((HolderId(u32::MAX), usize::MAX));
                        removals.push((order, WayOp { add: false, way: way.clone(), links }));
                    }
                    // What goes by an interface that is gone is gone as well.
                    (None, _) => entry.have = Have::Absent,
                }
            }
            if entry.wanted().is_none() {
                entry.look_at = None;
                if entry.flight.is_none() && entry.have == Have::Absent {
                    entry.refused = None;
                    entry.not_before = None;
                }
            }
            let over = entry.holders.is_empty()
                && entry.flight.is_none()
                && (entry.have == Have::Absent || entry.refused.is_some());
            if over {
                self.entries.remove(&way);
                if let Some(ways) = self.by_trace.get_mut(&way.trace()) {
                    ways.remove(&way);
                    if ways.is_empty() {
                        self.by_trace.remove(&way.trace());
                    }
                }
            } else if let Some(at) = entry.next_look() {
                self.clock.insert((at, way));
            }
        }
        // Rules leave before the tables they lead to.
        removals.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| rank(&b.1).cmp(&rank(&a.1))));
        additions.sort_by_key(|addition| addition.0);
        self.send(removals.into_iter().map(|(_, op)| op).collect());
        self.send(additions.into_iter().map(|(_, op)| op).collect());
    }

    fn send(&mut self, ops: Vec<WayOp>) {
        let mut ops = ops.into_iter().peekable();
        while let Some(first) = ops.peek() {
            let adds = first.add;
            let some: Vec<WayOp> = ops.by_ref().take(OPS_PER_BATCH).collect();
            self.last_ticket += 1;
            let ways = some.iter().map(|op| op.way.clone()).collect();
            self.in_flight.insert(self.last_ticket, ways);
            let batch = WayBatch { ticket: Ticket::new(self.last_ticket), ops: some };
            let queue = if adds { &mut self.additions } else { &mut self.removals };
            queue.push_back(batch);
        }
    }
}

fn rank(op: &WayOp) -> u8 {
    u8::from(matches!(op.way, Way::Rule(_)))
}

#[cfg(test)]
#[path = "ways_tests.rs"]
mod tests;
