//! The last will: what the guardian does for an engine that cannot (DESIGN §4).
//!
//! While it lives, the engine leaves one [`Bequest`] for each instance that holds: which farewells
//! to send, which addresses to remove, how long its lease is. When the engine dies, another is
//! started at once, and whatever it holds again within half the shortest lease was never gone: no
//! peer, no client notices. What it does not hold by then is given up in the one order that keeps
//! two nodes from answering: silence first (the lease), then the farewells, then the addresses. An
//! engine that only stands still is killed once its lease is over, since nothing else would ever
//! tell its peers.
//!
//! A will without a farewell is that of an instance which has let go, and whose addresses are still on
//! the node: with that nobody is to go on, so an engine that dies over it has them removed at once.
//!
//! The machine starts nothing itself; it says when. It survives its own pauses: having slept past a
//! deadline proves nothing about the engine, which gets its whole time again.

mod io;
mod kept;
mod signs;
#[cfg(test)]
mod tests;
mod wire;

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use base::{AddressOp, Instant, Name, WayOp};

pub use io::{Bequest, Death, Edit, Input, Legacy, Output, Seal, Undo};
use kept::Kept;
pub use signs::Signs;

use crate::pack;

/// How many adverts an engine may have signed since its last sign of life. Only counts where the
/// wall clock was set back: otherwise the clock is ahead of all of them.
const UNTOLD: u64 = 1 << 12;

/// An engine that lived so long did not die of what it was born with; it is replaced without delay.
const STEADY: Duration = Duration::from_secs(10);

/// The delay before the second start in a row; each further one doubles it.
const FIRST_DELAY: Duration = Duration::from_millis(100);

/// The longest delay between two starts.
const LONGEST_DELAY: Duration = Duration::from_secs(5);

/// Whoever wakes so late for a deadline may not have run at all.
const SLEEPY: Duration = Duration::from_millis(10);

/// For so long an engine whose signs of life have stopped is looked at once more, a sixth of its lease at
/// most: whoever wakes just when a deadline has come may have slept until then, as the engine may.
const BREATH: Duration = Duration::from_millis(20);

/// How the engine stands, as far as the guardian knows.
#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// There is none; one is to be started then. `None`: never again.
    Absent { start_at: Option<Instant> },
    /// Asked for, or running.
    Present {
        born_at: Instant,
        /// When it last gave a sign of life.
        alive_at: Instant,
        /// When what it has not taken over is given up.
        adopt_by: Option<Instant>,
        /// It is being looked at once more.
        doubted: bool,
    },
    /// Told to die; its end is awaited.
    Condemned { born_at: Instant },
}

/// The guardian's decisions about the engine.
#[derive(Debug)]
pub struct LastWill {
    phase: Phase,
    /// What the present engine holds.
    bequests: BTreeMap<Name, Kept>,
    /// What the one before held and the present one does not hold yet.
    orphans: BTreeMap<Name, Kept>,
    /// The last number that adverts of each instance were signed with, as far as is known.
    spoken: BTreeMap<Name, u64>,
    /// Routes and rules of those that have any.
    ways: BTreeMap<Name, Vec<WayOp>>,
    /// How many of all these have a lease of which length.
    patiences: BTreeMap<Duration, usize>,
    /// Ends in a row without a steady life between them.
    early_ends: u32,
    stopping: bool,
    outputs: VecDeque<Output>,
}

impl LastWill {
    /// A guardian whose first engine is to be started at once.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Absent { start_at: Some(now) },
            bequests: BTreeMap::new(),
            orphans: BTreeMap::new(),
            spoken: BTreeMap::new(),
            ways: BTreeMap::new(),
            patiences: BTreeMap::new(),
            early_ends: 0,
            stopping: false,
            outputs: VecDeque::new(),
        }
    }

    /// A guardian whose engine runs already: it was started before this process became this program.
    #[must_use]
    pub fn resume(now: Instant, legacy: Legacy, ways: Vec<(Name, Vec<WayOp>)>) -> Self {
        let born_at = legacy.born_at;
        let patiences: Vec<Duration> = legacy.bequests.iter().map(|b| b.patience).collect();
        let named = |bequest: &Bequest| (bequest.name.clone(), Kept::of(bequest));
        let last = |bequest: &Bequest| Some((bequest.name.clone(), bequest.seal.as_ref()?.last));
        let mut will = Self {
            phase: Phase::Present { born_at, alive_at: now, adopt_by: None, doubted: false },
            bequests: legacy.bequests.iter().map(named).collect(),
            spoken: legacy.bequests.iter().filter_map(last).collect(),
            ways: ways.into_iter().collect(),
            ..Self::new(now)
        };
        patiences.into_iter().for_each(|patience| will.weigh(patience));
        will
    }

    /// What [`LastWill::resume`] needs; `None` unless all is well with the engine.
    #[must_use]
    pub fn legacy(&self) -> Option<Legacy> {
        match self.phase {
            Phase::Present { born_at, adopt_by: None, .. } if !self.stopping => {
                let last = |name| self.spoken.get(name).copied();
                let bequests = self.bequests.iter().map(|(name, kept)| kept.bequest(last(name)));
                Some(Legacy { born_at, bequests: bequests.collect() })
            }
            _ => None,
        }
    }

    /// The routes and rules that go with what is held, for [`LastWill::resume`]: by instance, how they
    /// are undone.
    pub fn ways(&self) -> impl Iterator<Item = (&Name, &Vec<WayOp>)> {
        self.ways.iter()
    }

    /// The shortest lease of what the engine holds.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        self.patiences.keys().next().copied()
    }

    /// Needs no more room than necessary from here on: for when it has come to rest.
    pub fn pack(&mut self) {
        pack::map(&mut self.bequests);
    }

    /// Takes one input; drain [`LastWill::poll_output`] after it.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Edit(edit) => self.edit(now, edit),
            Input::Alive => self.alive(now),
            Input::Ended => self.ended(now),
            Input::Replaced => {
                self.phase =
                    Phase::Present { born_at: now, alive_at: now, adopt_by: None, doubted: false };
                self.early_ends = 0;
            }
            Input::Stop => {
                self.stopping = true;
                if let Phase::Absent { start_at } = &mut self.phase {
                    *start_at = None;
                }
            }
            Input::Wake => {}
        }
        self.look_at_the_clock(now);
    }

    /// What is to be done next, in this order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to be woken at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Absent { start_at } => start_at,
            Phase::Present { alive_at, adopt_by, .. } => {
                let stall = self.patience().filter(|_| adopt_by.is_none()).map(|p| alive_at + p);
                [adopt_by, stall].into_iter().flatten().min()
            }
            Phase::Condemned { .. } => None,
        }
    }

    /// The instances whose VIPs this node holds, as far as the guardian knows.
    pub fn holders(&self) -> impl Iterator<Item = &Name> {
        self.bequests.keys().chain(self.orphans.keys())
    }

    /// Behind which numbers a new engine's signed adverts must go on, by instance.
    pub fn spoken(&self) -> impl Iterator<Item = (&Name, u64)> {
        self.spoken.iter().map(|(name, last)| (name, last.wrapping_add(UNTOLD)))
    }

    fn edit(&mut self, now: Instant, edit: Edit) {
        if matches!(self.phase, Phase::Condemned { .. } | Phase::Absent { .. }) {
            // The last words of an engine whose will has been carried out already.
            return;
        }
        self.alive(now);
        match edit {
            Edit::Hold(bequest) => {
                if let Some(seal) = &bequest.seal {
                    self.spoken.insert(bequest.name.clone(), seal.last);
                }
                let ways = self.ways.remove(&bequest.name).filter(|_| bequest.lets_go());
                self.take(&bequest.name);
                self.weigh(bequest.patience);
                if let Some(ways) = ways {
                    self.ways.insert(bequest.name.clone(), ways);
                }
                self.bequests.insert(bequest.name.clone(), Kept::of(&bequest));
            }
            Edit::Spoke { name, last } => {
                self.spoken.insert(name, last);
                return;
            }
            Edit::Release { name } => drop(self.take(&name)),
            Edit::Ways { name, ops } => {
                if self.bequests.contains_key(&name) {
                    self.ways.insert(name, ops);
                }
                return;
            }
        }
        if let Phase::Present { adopt_by, .. } = &mut self.phase
            && adopt_by.is_some()
            && self.orphans.is_empty()
        {
            *adopt_by = None;
            self.outputs.push_back(Output::Adopted);
        }
    }

    fn alive(&mut self, now: Instant) {
        if let Phase::Present { alive_at, doubted, .. } = &mut self.phase {
            (*alive_at, *doubted) = (now, false);
        }
    }

    fn ended(&mut self, now: Instant) {
        let (born_at, adopting) = match self.phase {
            Phase::Absent { .. } => return,
            Phase::Present { born_at, adopt_by, .. } => (born_at, adopt_by.is_some()),
            Phase::Condemned { born_at } => (born_at, true),
        };
        let steady = now.since(born_at) >= STEADY;
        self.early_ends = if steady { 0 } else { self.early_ends.saturating_add(1) };
        let held = !self.bequests.is_empty() || !self.orphans.is_empty();
        // One heir gets its chance; if it dies over it as well, the VIPs must not wait for a third.
        if held && (adopting || self.stopping) {
            self.carry_out(Death::Ended);
        }
        if self.stopping {
            self.phase = Phase::Absent { start_at: None };
            return;
        }
        let delay = match self.early_ends {
            0 | 1 => Duration::ZERO,
            n => (FIRST_DELAY * 2_u32.saturating_pow(n - 2).min(64)).min(LONGEST_DELAY),
        };
        self.phase = Phase::Absent { start_at: Some(now + delay) };
        self.clear_away();
        self.orphans.append(&mut self.bequests);
        if self.early_ends > 1 && !self.orphans.is_empty() {
            self.carry_out(Death::Ended);
        }
    }

    fn look_at_the_clock(&mut self, now: Instant) {
        match self.phase {
            Phase::Absent { start_at: Some(at) } if now >= at => self.start(now),
            Phase::Present { born_at, alive_at, adopt_by, doubted } => {
                let deadline = match (adopt_by, self.patience()) {
                    (Some(by), _) => by,
                    (None, Some(patience)) => alive_at + patience,
                    (None, None) => return,
                };
                let patience = self.patience().unwrap_or_default();
                if now < deadline {
                } else if now > deadline + patience / 2 {
                    // We slept ourselves: its signs of life may be waiting to be read.
                    let adopt_by = adopt_by.map(|_| now + patience / 2);
                    let doubted = false;
                    self.phase = Phase::Present { born_at, alive_at: now, adopt_by, doubted };
                } else if adopt_by.is_none() && now > deadline + SLEEPY {
                    // Perhaps we slept, perhaps not: time for one sign of life. With it a stall is
                    // still over before a peer takes over, for a lease is two thirds of that.
                    let alive_at = now - (patience - patience / 3);
                    self.phase = Phase::Present { born_at, alive_at, adopt_by, doubted: true };
                } else if adopt_by.is_none() && !doubted {
                    let alive_at = now - (patience - BREATH.min(patience / 6));
                    self.phase = Phase::Present { born_at, alive_at, adopt_by, doubted: true };
                } else {
                    self.phase = Phase::Condemned { born_at };
                    self.outputs.push_back(Output::Kill);
                    let death = if adopt_by.is_some() { Death::Ended } else { Death::Stalled };
                    self.carry_out(death);
                }
            }
            Phase::Absent { .. } | Phase::Condemned { .. } => {}
        }
    }

    fn start(&mut self, now: Instant) {
        let adopt: Vec<Name> = self.orphans.keys().cloned().collect();
        let adopt_by = self.patience().filter(|_| !adopt.is_empty()).map(|p| now + p / 2);
        self.phase = Phase::Present { born_at: now, alive_at: now, adopt_by, doubted: false };
        self.outputs.push_back(Output::Start { adopt });
    }

    /// Removes what the engine had let go of when it ended, but for what it held on to all the same.
    fn clear_away(&mut self) {
        let gone = self.bequests.iter().filter(|(_, kept)| kept.lets_go);
        let gone: Vec<Name> = gone.map(|(name, _)| name.clone()).collect();
        let mut ways = Vec::new();
        let mut vips = Vec::new();
        for name in gone {
            ways.extend(self.ways.remove(&name).into_iter().flatten());
            vips.extend(self.take(&name).into_iter().flat_map(|kept| kept.bequest(None).vips));
        }
        if !vips.is_empty() {
            let held = self.bequests.values().flat_map(|kept| kept.bequest(None).vips);
            let held: Vec<_> = held.map(|(index, vip)| (index, vip.address)).collect();
            vips.retain(|(index, vip)| !held.contains(&(*index, vip.address)));
        }
        if !ways.is_empty() {
            self.outputs.push_back(Output::RemoveWays(ways));
        }
        if !vips.is_empty() {
            let removal = |(index, vip)| AddressOp::Remove { index, vip };
            self.outputs.push_back(Output::Remove(vips.into_iter().map(removal).collect()));
        }
    }

    /// Silence, then farewells, then addresses: the order of DESIGN §4.
    fn carry_out(&mut self, death: Death) {
        let mut held = core::mem::take(&mut self.orphans);
        held.append(&mut self.bequests);
        self.patiences.clear();
        if !base::planted!(FarewellFirst) {
            self.outputs.push_back(Output::Silence);
        }
        let names = held.keys().cloned().collect();
        let ways = core::mem::take(&mut self.ways);
        let mut ops = Vec::new();
        for kept in held.into_values() {
            let bequest = kept.bequest(None);
            let seal = bequest.seal.map(|seal| {
                let spoken = self.spoken.entry(bequest.name).or_insert(seal.last);
                *spoken = spoken.wrapping_add(UNTOLD);
                Seal { last: *spoken, ..seal }
            });
            let farewells = bequest.farewells.into_iter();
            self.outputs.extend(
                farewells.map(|transmit| Output::Farewell { transmit, seal: seal.clone() }),
            );
            let removal = |(index, vip)| AddressOp::Remove { index, vip };
            ops.extend(bequest.vips.into_iter().map(removal));
        }
        if base::planted!(FarewellFirst) {
            self.outputs.push_back(Output::Silence);
        }
        if !ways.is_empty() {
            self.outputs.push_back(Output::RemoveWays(ways.into_values().flatten().collect()));
        }
        self.outputs.push_back(Output::Remove(ops));
        self.outputs.push_back(Output::CarriedOut { names, death });
    }

    fn weigh(&mut self, patience: Duration) {
        *self.patiences.entry(patience).or_default() += 1;
    }

    /// Forgets what is held under this name; what the engine itself held.
    fn take(&mut self, name: &Name) -> Option<Kept> {
        self.ways.remove(name);
        let (orphan, bequest) = (self.orphans.remove(name), self.bequests.remove(name));
        for bequest in orphan.iter().chain(&bequest) {
            if let Some(count) = self.patiences.get_mut(&bequest.patience) {
                *count -= 1;
                if *count == 0 {
                    self.patiences.remove(&bequest.patience);
                }
            }
        }
        bequest
    }
}
