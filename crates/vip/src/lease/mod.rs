//! The lease: who may answer for a VIP, and until when, decided so that the kernel agrees even when
//! nobody is there to tell it.
//!
//! A holder's VIPs are listed in the kernel's table under a class, and pass only while the class has
//! a living element, which this machine renews three times in its length. A frozen machine renews
//! nothing, and its VIPs fall silent before a peer takes over ([`Terms`]). When it wakes, the renewal
//! *fails*; the holders are told ([`Output::Lapsed`]) and decide with open ears.
//!
//! One operation is under way at a time, and which one follows from the difference between what is
//! wanted and what was confirmed. The order of `next_op` is that of harm: what must not be heard is
//! silenced before anything is revived.
//!
//! By our own clock a lease is counted from the moment at which it was *asked* for, so the kernel's
//! never ends before ours; a holder speaks only while ours lives ([`Leases::may_speak`]).

mod cover;
mod holders;
mod io;
mod listing;
mod outcome;
mod terms;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use base::{Instant, KernelFact, LeaseAsk, LeaseClass, LeaseKey, LeaseOp, LeaseTrouble, Ticket};

pub use io::{ClassStatus, Input, LapseCause, Output, Status, Subject, TableStatus};
pub use terms::{FLOOR, Terms};

use crate::HolderId;
use cover::Cover;
use holders::{Holder, Holders, Phase};
use listing::{Listing, News, Want, Work};

/// A lease is renewed this many times in its length.
const RENEWALS: u32 = 3;

/// Takes, renews and ends the leases of all holders.
#[derive(Debug, Default)]
pub struct Leases {
    holders: Holders,
    classes: BTreeMap<LeaseClass, Life>,
    table: Table,
    cover: Cover,
    listing: Listing,
    work: Work,
    /// For which keys `work` must be found anew.
    stale: Stale,
    /// What is wanted once everybody has left a node that stops was taken into account.
    swept: bool,
    flight: Option<Flight>,
    /// Classes whose renewal failed, until it is known what became of the table.
    doubts: Vec<(LeaseClass, LapseCause, Instant)>,
    now: Instant,
    tickets: u64,
    told: VecDeque<Output>,
    rebuilt: u64,
    /// Operations refused in a row.
    failures: u32,
    stopping: bool,
    /// Nothing is left to do before `alarm`, unless something happens: there may be thousands of
    /// holders, and packets come more often than renewals.
    calm: bool,
    alarm: Option<Instant>,
}

/// Keys whose listing may not be what is wanted.
#[derive(Debug, Default)]
struct Stale {
    all: bool,
    keys: BTreeSet<LeaseKey>,
}

impl Stale {
    fn any(&self) -> bool {
        self.all || !self.keys.is_empty()
    }
}

/// One class of leases, and what was counted of it.
#[derive(Debug, Default)]
struct Life {
    pulse: Pulse,
    renewals: u64,
    lapses: u64,
    smallest_margin: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Pulse {
    #[default]
    Dead,
    /// Last asked for at this moment, and got.
    Alive { asked: Instant },
    /// To be ended before its time.
    Doomed,
}

#[derive(Debug, Default)]
enum Table {
    /// Not looked at yet; a predecessor may have left one.
    #[default]
    Unknown,
    /// There is none, and nobody wants one.
    Unused,
    /// To be made, or mended.
    Broken,
    Ready,
    Unavailable {
        trouble: LeaseTrouble,
        retry_at: Instant,
    },
}

/// The operation under way.
#[derive(Debug)]
struct Flight {
    ticket: u64,
    op: LeaseOp,
    asked: Instant,
}

impl Leases {
    /// A machine without holders, which has not looked at the table yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one input. Drain [`Leases::poll_output`] before the next, or soon.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.now = now;
        self.calm &= matches!(input, Input::Wake | Input::Fact(_));
        match input {
            Input::Manage { holder, subject } => self.manage(holder, subject),
            Input::Hold { holder, adopt } => self.hold(holder, adopt),
            Input::Again { holder } => {
                let again = Phase::Asking { adopt: false, again: true };
                self.step(holder, again, |phase| phase == Phase::Lapsed);
            }
            Input::Release { holder } => {
                self.step(holder, Phase::Leaving, |phase| phase != Phase::Idle);
            }
            Input::Clear { holder } => {
                self.step(holder, Phase::Idle, |phase| phase == Phase::Leaving);
            }
            Input::Fact(fact) => self.learn(fact),
            Input::Done(done) => self.done(done),
            Input::Slept => self.slept(),
            Input::Stop => self.stopping = true,
            Input::Wake => {}
        }
        self.expire();
    }

    /// What is asked for or told next.
    pub fn poll_output(&mut self) -> Option<Output> {
        let rests = self.calm && self.alarm.is_none_or(|at| self.now < at);
        if self.told.is_empty() && self.flight.is_none() && !rests {
            if let Some(op) = self.next_op() {
                let ticket = self.tickets;
                self.tickets += 1;
                self.flight = Some(Flight { ticket, op: op.clone(), asked: self.now });
                return Some(Output::Op(LeaseAsk { ticket: Ticket::new(ticket), op }));
            }
            self.grant();
            if self.told.is_empty() {
                self.alarm = self.next_alarm();
                self.calm = true;
            }
        }
        self.told.pop_front()
    }

    /// When to be woken at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.flight {
            Some(_) => None,
            None if self.calm => self.alarm,
            None => self.next_alarm(),
        }
    }

    fn next_alarm(&self) -> Option<Instant> {
        let living = || {
            self.classes.iter().filter_map(|(class, life)| match life.pulse {
                Pulse::Alive { asked } if self.holders.is_needed(*class) => Some((*class, asked)),
                _ => None,
            })
        };
        match self.table {
            Table::Unknown | Table::Unused | Table::Broken => None,
            Table::Ready => living().map(|(class, asked)| renew_at(class, asked)).min(),
            Table::Unavailable { retry_at, .. } => {
                let ends = living().map(|(class, asked)| asked + class.length());
                ends.chain(self.is_wanted().then_some(retry_at)).min()
            }
        }
    }

    /// Needs no more room than necessary from here on: for when it has come to rest.
    pub fn pack(&mut self) {
        self.holders.pack();
        self.listing.pack();
        self.told.shrink_to_fit();
    }

    /// Whether what the holder says can be true by now: false while it is, or may be, silenced.
    #[must_use]
    pub fn may_speak(&self, holder: HolderId, now: Instant) -> bool {
        let Some(holder) = self.holders.get(holder) else { return true };
        let Some(class) = holder.class() else { return true };
        match holder.phase {
            Phase::Idle | Phase::Leaving => true,
            Phase::Asking { adopt, again } => !adopt && !again,
            Phase::Lapsed => false,
            Phase::Granted => match self.classes.get(&class).map(|life| life.pulse) {
                Some(Pulse::Alive { asked }) => now < asked + class.length(),
                Some(Pulse::Doomed) => false,
                // Without a table there is no silence; with one it is armed in this turn.
                Some(Pulse::Dead) | None => true,
            },
        }
    }

    /// Whether it is just being found out if the holder's lease lives.
    #[must_use]
    pub fn is_renewing(&self, holder: HolderId) -> bool {
        let class = || self.holders.get(holder).and_then(Holder::class);
        self.flight.as_ref().is_some_and(|flight| match flight.op {
            LeaseOp::Renew { class: of } => Some(of) == class(),
            _ => !self.doubts.is_empty(),
        })
    }

    /// Whether nothing is under way; after [`Input::Stop`], that the table is gone.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let done = match self.table {
            Table::Unused | Table::Unknown | Table::Unavailable { .. } => true,
            Table::Ready => !self.stopping && self.work.is_empty() && !self.stale.any(),
            Table::Broken => false,
        };
        self.flight.is_none() && done
    }

    /// Whether all that this holder lists is silent for sure: it holds nothing, and the table is as it
    /// should be.
    #[must_use]
    pub fn keeps_silent(&self, holder: HolderId) -> bool {
        let rests = |holder: &Holder| {
            holder.phase == Phase::Idle && holder.leased().is_some_and(|subject| subject.waits)
        };
        self.holders.get(holder).is_some_and(rests)
            && matches!(self.table, Table::Ready)
            && self.flight.is_none()
            && self.work.is_empty()
            && !self.stale.any()
            && self.cover.next().is_none()
    }

    /// The lease this holder has now or would have, if it has one.
    #[must_use]
    pub fn terms_of(&self, holder: HolderId) -> Option<Terms> {
        self.holders.get(holder)?.leased().map(|subject| subject.terms)
    }

    /// Everything there is to tell, as a value.
    #[must_use]
    pub fn status(&self) -> Status {
        let class = |(class, life): (&LeaseClass, &Life)| ClassStatus {
            class: *class,
            alive_until: match life.pulse {
                Pulse::Alive { asked } => Some(asked + class.length()),
                Pulse::Dead | Pulse::Doomed => None,
            },
            holders: self.holders.all().filter(|(_, holder)| holder.needs(*class)).count(),
            renewals: life.renewals,
            lapses: life.lapses,
            smallest_margin: life.smallest_margin,
        };
        Status {
            table: match &self.table {
                Table::Unknown | Table::Unused => TableStatus::Unused,
                Table::Broken => TableStatus::Building,
                Table::Ready => TableStatus::Ready,
                Table::Unavailable { trouble, .. } => TableStatus::Unavailable(trouble.clone()),
            },
            classes: self.classes.iter().map(class).collect(),
            listed: self.listing.len(),
            covered: self.cover.names(),
            rebuilt: self.rebuilt,
        }
    }

    // ---- what holders want ----------------------------------------------------------------------

    fn manage(&mut self, id: HolderId, subject: Option<Subject>) {
        let touched = match subject {
            Some(subject) => {
                let lapsed = self.holders.get(id).is_some_and(|h| h.phase == Phase::Lapsed);
                if !subject.leased && lapsed {
                    self.holders.step(id, Phase::Asking { adopt: false, again: true });
                }
                self.holders.manage(id, subject)
            }
            // What it left installed is stale, and silent until it is gone.
            None => self.holders.remove(id),
        };
        self.stale.keys.extend(touched);
        self.cover.want(self.holders.interfaces());
    }

    fn hold(&mut self, id: HolderId, adopt: bool) {
        if self.holders.get(id).is_none() {
            self.go(id, Phase::Asking { adopt, again: false });
        } else {
            let rests = |phase| matches!(phase, Phase::Idle | Phase::Leaving);
            self.step(id, Phase::Asking { adopt, again: false }, rests);
        }
    }

    fn step(&mut self, id: HolderId, to: Phase, from: impl Fn(Phase) -> bool) {
        if self.holders.get(id).is_some_and(|holder| from(holder.phase)) {
            self.go(id, to);
        }
    }

    fn go(&mut self, id: HolderId, to: Phase) {
        self.holders.step(id, to);
        let subject = self.holders.get(id).and_then(|holder| holder.subject.as_ref());
        self.stale.keys.extend(subject.into_iter().flat_map(|subject| subject.keys.iter()));
    }

    fn learn(&mut self, fact: &KernelFact) {
        let covers = self.cover.learn(fact);
        match self.listing.learn(fact) {
            News::None => {}
            News::Key(key) => drop(self.stale.keys.insert(key)),
            News::All => self.stale.all = true,
        }
        self.calm &= !self.stale.any() && (!covers || self.cover.next().is_none());
    }

    fn slept(&mut self) {
        let living: Vec<LeaseClass> = self
            .classes
            .iter()
            .filter(|(_, life)| matches!(life.pulse, Pulse::Alive { .. }))
            .map(|(class, _)| *class)
            .collect();
        for class in living {
            self.lapse(class, LapseCause::Slept, self.now);
            if let Some(life) = self.classes.get_mut(&class) {
                life.pulse = Pulse::Doomed;
            }
        }
    }

    // ---- what follows from it -------------------------------------------------------------------

    /// Whether anybody wants the table at all.
    fn is_wanted(&self) -> bool {
        self.holders.any_leased(self.stopping)
    }

    /// The one thing to ask of the table now.
    fn next_op(&mut self) -> Option<LeaseOp> {
        match self.table {
            Table::Ready => {}
            Table::Unknown | Table::Broken | Table::Unused if self.is_wanted() => {
                return Some(LeaseOp::Build);
            }
            // A predecessor's must not silence what nobody leases any more.
            Table::Unknown if !self.holders.is_empty() => return Some(LeaseOp::Destroy),
            Table::Broken => return Some(LeaseOp::Destroy),
            Table::Unknown | Table::Unused => return None,
            Table::Unavailable { retry_at, .. } => {
                return (self.is_wanted() && retry_at <= self.now).then_some(LeaseOp::Build);
            }
        }
        if let Some(class) = self.class_that(|life, _| life.pulse == Pulse::Doomed) {
            return Some(LeaseOp::Drop { class });
        }
        if let Some(class) = self.class_that(|life, class| match life.pulse {
            Pulse::Alive { asked } => {
                renew_at(class, asked) <= self.now && self.holders.is_needed(class)
            }
            Pulse::Dead | Pulse::Doomed => false,
        }) {
            if base::planted!(LeaseRevived) {
                return Some(LeaseOp::Arm { class });
            }
            return Some(LeaseOp::Renew { class });
        }
        let over = self.stopping && !self.is_wanted();
        self.stale.all |= over && !self.swept;
        self.swept = over;
        if self.stale.any() {
            self.find_work(over);
        }
        if let Some(op) = self.work.silence.pop_front() {
            return Some(op);
        }
        if let Some(interface) = self.cover.next() {
            return Some(LeaseOp::Cover { interface });
        }
        if let Some(op) = self.revive() {
            return Some(op);
        }
        if let Some(op) = self.work.list.pop_front() {
            return Some(op);
        }
        if let Some(class) = self.class_that(|life, class| {
            matches!(life.pulse, Pulse::Alive { .. }) && !self.holders.is_needed(class)
        }) {
            return Some(LeaseOp::Drop { class });
        }
        (!self.is_wanted() && self.listing.len() == 0).then_some(LeaseOp::Destroy)
    }

    /// A class that somebody needs and that does not live. It stays dead while anybody under it has
    /// yet to decide: the lease is shared.
    fn revive(&mut self) -> Option<LeaseOp> {
        for (class, adopts) in self.holders.decided() {
            if self.classes.entry(class).or_default().pulse == Pulse::Dead {
                return Some(match adopts && !base::planted!(HeirBeginsALease) {
                    true => LeaseOp::Renew { class },
                    false => LeaseOp::Arm { class },
                });
            }
        }
        None
    }

    fn class_that(&self, is: impl Fn(&Life, LeaseClass) -> bool) -> Option<LeaseClass> {
        self.classes.iter().find(|(class, life)| is(life, **class)).map(|(class, _)| *class)
    }

    /// What the table lacks, for the keys that may be wrong and those that were about to be put
    /// right; `over`: nobody wants anything any more.
    fn find_work(&mut self, over: bool) {
        let mut keys = core::mem::take(&mut self.stale.keys);
        if core::mem::take(&mut self.stale.all) {
            keys.extend(self.holders.keys());
            keys.extend(self.listing.keys());
        } else {
            keys.extend(self.work.keys());
        }
        let want = |key: LeaseKey| if over { Want::Nothing } else { self.holders.want(key) };
        self.work = self.listing.work(keys.into_iter().map(|key| (key, want(key))));
    }

    /// Tells those who may hold by now. Only to be called when nothing is left to ask for.
    fn grant(&mut self) {
        let unavailable = self.is_hopeless();
        let ready = matches!(self.table, Table::Ready) && self.work.is_empty() && !self.stale.any();
        if ready {
            self.failures = 0;
        }
        let may = |id: &HolderId| match self.holders.get(*id).and_then(Holder::class) {
            None => true,
            Some(_) if unavailable => true,
            Some(class) => {
                let life = self.classes.get(&class).map(|life| life.pulse);
                ready && matches!(life, Some(Pulse::Alive { .. }))
            }
        };
        let granted: Vec<HolderId> = self.holders.asking().filter(may).collect();
        for holder in granted {
            self.holders.step(holder, Phase::Granted);
            self.told.push_back(Output::Granted { holder });
        }
    }
}

fn renew_at(class: LeaseClass, asked: Instant) -> Instant {
    asked + class.length() / RENEWALS
}
