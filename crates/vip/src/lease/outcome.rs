//! What the table answered, and what follows from it.

use core::time::Duration;

use base::{Errno, Instant, LeaseAnswer, LeaseClass, LeaseDone, LeaseKey, LeaseOp, LeaseTrouble};

use super::holders::{Holder, Phase};
use super::{Flight, LapseCause, Leases, Output, Pulse, Table};
use crate::HolderId;

/// Refusals in a row after which leases are called unavailable.
const PATIENCE: u32 = 3;
/// Refusals in a row after which holders go on without a lease: a third of a second later.
const LAST_PATIENCE: u32 = PATIENCE + 4;
/// How soon to try again then: what was refused may soon work, what is missing will not.
const RETRY_REFUSED: Duration = Duration::from_millis(20);
const RETRY_MISSING: Duration = Duration::from_secs(10);

impl Leases {
    pub(super) fn done(&mut self, done: LeaseDone) {
        let Some(flight) = self.flight.take_if(|flight| flight.ticket == done.ticket.number())
        else {
            return;
        };
        match (done.outcome, &flight.op) {
            (Ok(answer), _) => self.succeeded(flight, answer),
            (Err(LeaseTrouble::Lapsed), LeaseOp::Renew { class }) => self.doubt(*class),
            (Err(trouble @ LeaseTrouble::Missing { .. }), _) => {
                self.unavailable(trouble, RETRY_MISSING);
            }
            // It has just gone, or is of a kind that has no hooks; it is looked at when it comes back.
            (
                Err(LeaseTrouble::Refused { errno: Errno::NODEV | Errno::NOENT, .. }),
                LeaseOp::Cover { interface },
            ) => self.cover.done(interface),
            (Err(trouble), _) => self.refused(trouble),
        }
    }

    fn succeeded(&mut self, flight: Flight, answer: LeaseAnswer) {
        self.listing.done(&flight.op);
        match flight.op {
            LeaseOp::Build => {
                let (existed, listed) = match answer {
                    LeaseAnswer::Built { existed, listed } => (existed, listed),
                    LeaseAnswer::Done => (true, Vec::new()),
                };
                self.built(existed, listed);
            }
            LeaseOp::Cover { interface } => self.cover.done(&interface),
            LeaseOp::List { class, keys } => {
                self.failures = 0;
                if class == LeaseClass::SILENT {
                    self.tell_silent(&keys);
                }
            }
            LeaseOp::Unlist { .. } => self.failures = 0,
            LeaseOp::Arm { class } => {
                self.failures = 0;
                self.classes.entry(class).or_default().pulse = Pulse::Alive { asked: flight.asked };
            }
            LeaseOp::Renew { class } => {
                self.failures = 0;
                let life = self.classes.entry(class).or_default();
                if let Pulse::Alive { asked } = life.pulse {
                    let margin = (asked + class.length()).since(self.now);
                    life.smallest_margin =
                        Some(life.smallest_margin.map_or(margin, |m| m.min(margin)));
                }
                life.renewals += 1;
                // Doomed meanwhile, it stays so.
                if life.pulse != Pulse::Doomed {
                    life.pulse = Pulse::Alive { asked: flight.asked };
                }
            }
            LeaseOp::Drop { class } => {
                self.classes.entry(class).or_default().pulse = Pulse::Dead;
            }
            LeaseOp::Destroy => {
                self.table = Table::Unused;
                self.cover.forget();
            }
        }
    }

    /// Tells which of those that have released are silent altogether, now that these keys are.
    fn tell_silent(&mut self, keys: &[LeaseKey]) {
        if !matches!(self.table, Table::Ready) || self.cover.next().is_some() {
            return;
        }
        let silent = |holder: &Holder| {
            let heard = |key: &&LeaseKey| !matches!(key, LeaseKey::Pin(_));
            holder.phase == Phase::Leaving
                && holder.leased().is_some_and(|subject| {
                    subject.keys.iter().filter(heard).all(|key| self.listing.is_silent(key))
                })
        };
        let mut known: Option<HolderId> = None;
        for id in keys.iter().flat_map(|key| self.holders.at(*key)) {
            // The keys of one holder follow each other.
            if known.replace(id) != Some(id) && self.holders.get(id).is_some_and(silent) {
                self.told.push_back(Output::Silent { holder: id });
            }
        }
    }

    fn built(&mut self, existed: bool, listed: Vec<(LeaseKey, LeaseClass)>) {
        let was = core::mem::replace(&mut self.table, Table::Ready);
        self.listing.found(listed);
        self.stale.all = true;
        self.cover.forget();
        if matches!(was, Table::Unavailable { .. }) {
            self.told.push_back(Output::Available);
        }
        let doubts = core::mem::take(&mut self.doubts);
        if !existed && matches!(was, Table::Broken) {
            // No element of ours can live in a table that was not there.
            let living = self.classes.iter_mut().filter(|(_, life)| life.pulse != Pulse::Dead);
            living.for_each(|(_, life)| life.pulse = Pulse::Dead);
            self.rebuilt += 1;
            self.told.push_back(Output::Rebuilt);
        }
        for (class, cause, since) in doubts {
            if existed || cause == LapseCause::Late {
                self.lapse(class, cause, since);
            }
        }
    }

    /// Whether holders are to go on without a lease.
    pub(super) fn is_hopeless(&self) -> bool {
        match &self.table {
            Table::Unavailable { trouble: LeaseTrouble::Missing { .. }, .. } => true,
            Table::Unavailable { .. } => self.failures >= LAST_PATIENCE,
            Table::Unknown | Table::Unused | Table::Broken | Table::Ready => false,
        }
    }

    /// A renewal found no element. Whether the table went with it decides what that means.
    fn doubt(&mut self, class: LeaseClass) {
        let (cause, since) = match self.classes.get(&class).map(|life| life.pulse) {
            Some(Pulse::Alive { asked }) if self.now < asked + class.length() => {
                (LapseCause::Ended, asked)
            }
            Some(Pulse::Alive { asked }) => (LapseCause::Late, asked + class.length()),
            // A predecessor's.
            Some(Pulse::Dead | Pulse::Doomed) | None => (LapseCause::Late, self.now),
        };
        self.failures = 0;
        self.doubts.push((class, cause, since));
        self.table = Table::Broken;
    }

    /// Everybody under the class is silent, and is told.
    pub(super) fn lapse(&mut self, class: LeaseClass, cause: LapseCause, since: Instant) {
        self.calm = false;
        let life = self.classes.entry(class).or_default();
        life.pulse = Pulse::Dead;
        life.lapses += 1;
        let ends = |(_, holder): &(HolderId, &Holder)| {
            let adopts = matches!(holder.phase, Phase::Asking { adopt: true, .. });
            holder.class() == Some(class) && (holder.phase == Phase::Granted || adopts)
        };
        let holders: Vec<HolderId> = self.holders.all().filter(ends).map(|(id, _)| id).collect();
        for id in &holders {
            self.holders.step(*id, Phase::Lapsed);
        }
        if !holders.is_empty() {
            self.told.push_back(Output::Lapsed { holders, cause, since });
        }
    }

    /// Tried again at once, from the ground up; after some times it is called what it is.
    fn refused(&mut self, trouble: LeaseTrouble) {
        self.failures = self.failures.saturating_add(1);
        if self.failures < PATIENCE {
            self.table = Table::Broken;
        } else {
            let doubling = self.failures.saturating_sub(PATIENCE).min(7);
            self.unavailable(trouble, RETRY_REFUSED * 2_u32.saturating_pow(doubling));
        }
    }

    fn unavailable(&mut self, trouble: LeaseTrouble, retry: Duration) {
        let news = match &self.table {
            Table::Unavailable { trouble: known, .. } => *known != trouble,
            _ => true,
        };
        if news {
            self.told.push_back(Output::Unavailable(trouble.clone()));
        }
        let retry_at = self.now + retry;
        self.table = Table::Unavailable { trouble, retry_at };
    }

    /// What can no longer be renewed ends, whether or not we could see it.
    pub(super) fn expire(&mut self) {
        if !matches!(self.table, Table::Unavailable { .. }) {
            return;
        }
        while let Some((class, since)) =
            self.classes.iter().find_map(|(class, life)| match life.pulse {
                Pulse::Alive { asked } if asked + class.length() <= self.now => {
                    Some((*class, asked + class.length()))
                }
                _ => None,
            })
        {
            self.lapse(class, LapseCause::Refused, since);
        }
    }
}
