//! One address on one interface number: what we believe the kernel has, and what to do about it.
//!
//! Two witnesses speak of it, on two sockets: the *facts*, in the kernel's order, and the outcomes of
//! our own operations, in ours. How the two interleave is unknown, so an echo of our own removal may
//! arrive after our next addition has succeeded and must not be taken for somebody else's doing.
//! The rules:
//!
//! - An outcome proves what it says at the moment of the operation.
//! - A removal of ours that succeeded before its echo was seen *owes* one `AddressGone`. The next one
//!   is that echo, and every `Address` before it is older than the removal.
//! - `AddressGone` before the echoes of our additions may be older or younger than the last of them
//!   (the kernel tells of IPv6 addresses after the outcome). Nobody can tell, so we *doubt*: the operation is done again, quietly. Adding what is there and removing what is
//!   not are harmless, and their outcomes are proof.
//! - Only a removal that fits none of these is somebody else's.
//!
//! Doubt is raised only by a message we did not cause, so it cannot feed on itself. A wrong guess
//! costs one operation or one false report, never the right end.

use core::time::Duration;

use base::{AddressOp, Errno, Family, IfIndex, Instant, OpDone, Vip};

use super::unrest::{Act, Flight, Refusal, Seldom};

/// How long an echo may take before we stop waiting for it. Facts are milliseconds behind; if one got
/// lost without a snapshot, this is how long we are blind to a real removal.
const ECHO_LIMIT: Duration = Duration::from_secs(1);
/// The pause after the first refusal; doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_millis(50);
/// After so many attempts (three quarters of a second) a VIP counts as one that cannot be had.
pub const GIVEN_UP: u32 = 5;
/// The longest pause between attempts.
const LAST_RETRY: Duration = Duration::from_secs(5);
/// So often a VIP is put back at once. Somebody who removes it more often than that in a row is a
/// program that fights us, and is met at its pace, not at the speed of the processor.
const PUT_BACK_AT_ONCE: u32 = 5;
/// The pause before putting it back after that.
const PUT_BACK_PAUSE: Duration = Duration::from_secs(1);
/// Removals further apart than this are not "in a row".
const FIGHT_MEMORY: Duration = Duration::from_secs(10);

/// What we believe the kernel has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Have {
    Absent,
    /// There, but duplicate address detection is not through, or has failed.
    Tentative,
    Present,
}

/// What a fact meant, where that is more than a change of belief.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meaning {
    Nothing,
    /// Somebody else removed it.
    Taken,
}

#[derive(Debug)]
pub(super) struct Slot {
    /// As last asked for.
    pub(super) vip: Vip,
    pub(super) have: Have,
    /// We have acted on it and it may be there: ours to remove, whoever claims it now.
    pub(super) ours: bool,
    /// How it was installed, if by us: facts do not tell decorations.
    installed: Option<Vip>,
    /// What there is only while something is under way, or went wrong.
    unrest: Seldom,
}

impl Slot {
    pub(super) fn new(vip: Vip, have: Have) -> Self {
        Self { vip, have, ours: false, installed: None, unrest: Seldom::default() }
    }

    pub(super) fn in_flight(&self) -> bool {
        self.unrest.flight.is_some()
    }

    /// Whether it is present beyond doubt, and not on its way off: good enough to be told to somebody
    /// for the first time.
    pub(super) fn is_sure(&self) -> bool {
        let leaves = |flight: &Flight| flight.act == Act::Remove;
        let in_doubt = self.unrest.doubt
            || self.unrest.flight.as_ref().is_some_and(|f| f.doubted || f.gone_seen || leaves(f));
        self.have == Have::Present && !in_doubt
    }

    /// Whether the operation under way only makes sure.
    pub(super) fn makes_sure(&self) -> bool {
        self.unrest.flight.as_ref().is_some_and(|f| f.doubted)
    }

    /// The last refusal and the attempts so far, while not overcome.
    pub(super) fn refused(&self) -> Option<(Errno, u32)> {
        self.unrest.refusal.map(|r| (r.errno, r.attempts))
    }

    /// When to look again, though nothing happens.
    pub(super) fn not_before(&self) -> Option<Instant> {
        self.unrest.not_before
    }

    /// Needs no more room than necessary from here on.
    pub(super) fn pack(&mut self, now: Instant) {
        let unrest = &*self.unrest;
        let fought = unrest.taken_in_a_row > 0 && now.since(unrest.taken_at) < FIGHT_MEMORY;
        let expects = now <= unrest.owed_until.max(unrest.unseen_until)
            || unrest.echoes_until.is_some_and(|until| now <= until);
        if !unrest.is_pending() && !fought && !expects {
            self.unrest = Seldom::default();
        }
    }

    /// Whether nothing is lost by forgetting it.
    pub(super) fn is_idle(&self) -> bool {
        self.unrest.flight.is_none()
            && !self.ours
            && !self.unrest.doubt
            && self.unrest.owed_gone == 0
    }

    /// Until when the facts may still show an addition of ours that they seem to have taken back.
    pub(super) fn echoes_until(&self, now: Instant) -> Option<Instant> {
        self.unrest.echoes_until.filter(|until| now < *until)
    }

    /// Whether it, or another of its address, must be waited for before that is added.
    pub(super) fn occupies(&self) -> bool {
        self.unrest.flight.is_some() || self.have != Have::Absent
    }

    /// The pause is over.
    pub(super) fn wake(&mut self, now: Instant) {
        if self.unrest.not_before.is_some_and(|at| at <= now) {
            self.unrest.not_before = None;
        }
    }

    /// `Address`: the facts say it is there.
    pub(super) fn fact_here(&mut self, now: Instant, tentative: bool) {
        if self.owes_gone(now) {
            return;
        }
        let seen = if tentative { Have::Tentative } else { Have::Present };
        self.ours |= self.echoes_until(now).is_some();
        match self.unrest.flight_mut() {
            // Ours is on its way to remove it; whether this is older is known when it is done.
            Some((Act::Remove, flight)) => flight.here_seen = true,
            Some((Act::Add, flight)) => {
                flight.gone_seen = false;
                flight.here_seen = true;
                self.have = seen;
            }
            // Its own echo, or somebody else's doing: known when it is done.
            Some((Act::Probe, flight)) => {
                flight.here_seen = true;
                flight.gone_seen = false;
                return;
            }
            None => self.have = seen,
        }
        if !tentative && self.unrest.adds_unseen > 0 {
            self.unrest.adds_unseen -= 1;
        }
        if self.unrest.doubt {
            self.unrest.doubt = false;
        }
    }

    /// `AddressGone`: the facts say it went.
    pub(super) fn fact_gone(&mut self, now: Instant, link_runs: bool) -> Meaning {
        if self.owes_gone(now) {
            self.unrest.owed_gone -= 1;
            return Meaning::Nothing;
        }
        let unseen = self.has_unseen(now);
        match self.unrest.flight_mut() {
            Some((Act::Remove, flight)) => {
                flight.gone_seen = true;
                flight.here_seen = false;
                self.went();
                Meaning::Nothing
            }
            Some((Act::Add, flight)) => {
                flight.gone_seen = true;
                flight.here_seen = false;
                if unseen { Meaning::Nothing } else { self.lost(now, link_runs) }
            }
            Some((Act::Probe, flight)) => {
                flight.gone_seen = true;
                flight.here_seen = false;
                Meaning::Nothing
            }
            None if self.have == Have::Absent => Meaning::Nothing,
            None if unseen => {
                self.unrest.doubt = true;
                Meaning::Nothing
            }
            None => self.lost(now, link_runs),
        }
    }

    /// A snapshot: what the facts say all told. It may be older than our last operations.
    pub(super) fn snapshot(
        &mut self,
        now: Instant,
        seen: Option<Have>,
        link_runs: bool,
    ) -> Meaning {
        let unsettled = self.owes_gone(now);
        let unseen = self.has_unseen(now);
        if unsettled {
            self.unrest.owed_gone = 0;
        }
        if let Some((_, flight)) = self.unrest.flight_mut() {
            flight.overtaken = true;
        }
        match seen {
            Some(_) if unsettled => {
                self.unrest.doubt = true;
                Meaning::Nothing
            }
            Some(have) => {
                self.have = have;
                if self.unrest.adds_unseen > 0 {
                    self.unrest.adds_unseen = 0;
                }
                Meaning::Nothing
            }
            None if self.have == Have::Absent => Meaning::Nothing,
            None if unseen => {
                self.unrest.doubt = true;
                Meaning::Nothing
            }
            None if self.unrest.flight.as_ref().is_some_and(|f| f.act == Act::Remove) => {
                self.went();
                Meaning::Nothing
            }
            None => self.lost(now, link_runs),
        }
    }

    /// The interface is no more, and the address with it.
    pub(super) fn link_gone(&mut self) {
        if let Some(flight) = &mut self.unrest.flight {
            flight.overtaken = true;
        }
        self.unrest.doubt = false;
        self.went();
        self.unrest.owed_gone = 0;
        self.unrest.adds_unseen = 0;
        self.unrest.echoes_until = None;
        self.unrest.flushed = false;
        self.unrest.refusal = None;
        self.unrest.not_before = None;
    }

    /// Something about the interface changed: what was refused may work now.
    pub(super) fn link_changed(&mut self) {
        if self.unrest.refusal.is_some() {
            self.unrest.not_before = None;
        }
    }

    /// Our operation is through; `None` when its outcome was withheld from us. A refusal worth
    /// telling comes back with the number of attempts.
    pub(super) fn done(&mut self, now: Instant, outcome: Option<OpDone>) -> Option<(Errno, u32)> {
        let flight = self.unrest.flight.take();
        assert!(flight.is_some(), "an outcome belongs to an operation under way: {}", self.vip);
        let flight = flight?;
        match (flight.act, outcome) {
            (Act::Probe, Some(outcome)) => self.probed(now, &flight, outcome),
            (_, None) => {
                self.unrest.doubt = true;
                None
            }
            (Act::Add, Some(Ok(()) | Err(Errno::EXIST))) => {
                self.added(now, flight);
                None
            }
            (Act::Remove, Some(Ok(()) | Err(Errno::ADDRNOTAVAIL | Errno::NODEV))) => {
                self.removed(now, &flight, outcome == Some(Ok(())));
                None
            }
            (act, Some(Err(errno))) => {
                if act == Act::Add {
                    self.unrest.adds_unseen = self.unrest.adds_unseen.saturating_sub(1);
                }
                // A doubt that could not be dispelled stays, and meanwhile we claim nothing.
                self.unrest.doubt |= (flight.doubted || flight.gone_seen) && !flight.here_seen;
                if act == Act::Add && self.unrest.doubt {
                    self.have = Have::Absent;
                }
                self.ours = self.have != Have::Absent || self.unrest.doubt;
                self.refused_with(now, act, errno)
            }
        }
    }

    fn added(&mut self, now: Instant, flight: Flight) {
        self.unrest.refusal = None;
        self.unrest.unseen_until = now + ECHO_LIMIT;
        if flight.gone_seen || flight.overtaken {
            self.unrest.doubt = true;
        } else if self.have != Have::Present {
            let detects = flight.vip.family() == Family::V6 && !flight.vip.flags.no_dad;
            self.have = if detects { Have::Tentative } else { Have::Present };
        }
        self.installed = Some(flight.vip);
    }

    fn removed(&mut self, now: Instant, flight: &Flight, by_us: bool) {
        self.unrest.refusal = None;
        let believed = self.have != Have::Absent && !flight.doubted;
        if flight.overtaken {
            self.unrest.doubt = true;
        } else if flight.gone_seen {
            self.unrest.doubt = flight.here_seen;
        } else if by_us || (believed && !flight.here_seen) {
            // What was there is not: by whomever, the facts will say so once.
            self.unrest.owed_gone += 1;
            self.unrest.owed_until = now + ECHO_LIMIT;
        } else {
            self.unrest.doubt = flight.here_seen;
        }
        self.unrest.adds_unseen = 0;
        self.unrest.echoes_until = None;
        self.went();
    }

    /// What a probe put there it has removed as well.
    fn probed(&mut self, now: Instant, flight: &Flight, outcome: OpDone) -> Option<(Errno, u32)> {
        self.ours = false;
        self.unrest.doubt = flight.overtaken;
        match outcome {
            Ok(()) => {
                self.unrest.refusal = None;
                if !flight.gone_seen && !flight.overtaken {
                    self.unrest.owed_gone += 1;
                    self.unrest.owed_until = now + ECHO_LIMIT;
                }
                None
            }
            // Somebody has put it there.
            Err(Errno::EXIST) => {
                self.unrest.refusal = None;
                self.unrest.doubt |= flight.here_seen;
                None
            }
            Err(errno) => {
                self.unrest.doubt |= flight.here_seen;
                self.refused_with(now, Act::Add, errno)
            }
        }
    }

    fn refused_with(&mut self, now: Instant, act: Act, errno: Errno) -> Option<(Errno, u32)> {
        let before = self.unrest.refusal.filter(|r| r.act == act);
        let attempts = before.map_or(0, |r| r.attempts).saturating_add(1);
        self.unrest.refusal = Some(Refusal { act, errno, attempts });
        // An interface that is not there comes with a fact; asking often would not bring it.
        let pause = if errno == Errno::NODEV {
            LAST_RETRY
        } else {
            LAST_RETRY.min(FIRST_RETRY * 2_u32.saturating_pow(attempts.min(16) - 1))
        };
        self.unrest.not_before = Some(now + pause);
        let worth =
            attempts == 1 || attempts == GIVEN_UP || before.is_some_and(|r| r.errno != errno);
        worth.then_some((errno, attempts))
    }

    /// What to do now, and marks it under way. `want` is the VIP if it is to be present;
    /// `clear` whether nothing else stands in the way of adding it.
    pub(super) fn decide(
        &mut self,
        index: IfIndex,
        want: Option<&Vip>,
        removable: bool,
        link_runs: bool,
        clear: bool,
        tried: bool,
    ) -> Option<AddressOp> {
        if self.unrest.flight.is_some() {
            return None;
        }
        if link_runs && self.unrest.flushed {
            self.unrest.flushed = false;
        }
        // What is held is ours, even if an earlier run put it there: it must go with the claim.
        if !base::planted!(AdoptedIsNotOurs) {
            self.ours |= want.is_some() && self.have != Have::Absent;
        }
        if want.is_none() && self.unrest.abandoned {
            self.unrest.abandoned = false;
        }
        let probes = tried && self.unrest.refusal.is_some_and(|r| r.act == Act::Add);
        let act = self.lacking(want, removable).or(probes.then_some(Act::Probe));
        if self.unrest.refusal.is_some_and(|r| act.is_none_or(|act| !act.is_like(r.act))) {
            self.unrest.refusal = None;
            self.unrest.not_before = None;
        }
        let pauses = self.unrest.not_before.is_some();
        if pauses && act != Some(Act::Add) && self.unrest.refusal.is_none() {
            // A pause in putting back is no pause in removing.
            self.unrest.not_before = None;
        }
        let act = act?;
        if base::planted!(NotPutBack) && act == Act::Add && self.unrest.taken_in_a_row > 0 {
            return None;
        }
        if self.unrest.not_before.is_some() {
            return None;
        }
        let vip = match (act, want) {
            (Act::Add, Some(vip)) if clear && !self.unrest.flushed => {
                if self.vip == *vip {
                    self.vip.clone()
                } else {
                    vip.clone()
                }
            }
            (Act::Probe, _) if clear && link_runs => self.vip.clone(),
            (Act::Add | Act::Probe, _) => return None,
            (Act::Remove, _) => self.installed.clone().unwrap_or_else(|| self.vip.clone()),
        };
        self.vip = vip.clone();
        let op_vip = vip.clone();
        self.ours |= act != Act::Probe;
        if act == Act::Add {
            self.unrest.adds_unseen += 1;
        }
        let doubted = core::mem::take(&mut self.unrest.doubt);
        self.unrest.flight = Some(Flight {
            act,
            vip,
            doubted,
            gone_seen: false,
            here_seen: false,
            overtaken: false,
        });
        Some(match act {
            Act::Add => AddressOp::Add { index, vip: op_vip },
            Act::Remove => AddressOp::Remove { index, vip: op_vip },
            Act::Probe => AddressOp::Probe { index, vip: op_vip },
        })
    }

    /// The difference between what is wanted and what is there.
    fn lacking(&self, want: Option<&Vip>, removable: bool) -> Option<Act> {
        let there = self.have != Have::Absent;
        match want {
            Some(_) if self.unrest.abandoned && !there => None,
            Some(vip) if there && self.installed.as_ref().is_some_and(|old| remake(old, vip)) => {
                Some(Act::Remove)
            }
            Some(vip) => {
                let other = self.installed.as_ref().is_some_and(|old| old != vip);
                (!there || self.unrest.doubt || other).then_some(Act::Add)
            }
            None if base::planted!(LeftOverKept) && !self.ours => None,
            None => {
                ((there || self.unrest.doubt) && (removable || self.ours)).then_some(Act::Remove)
            }
        }
    }

    fn owes_gone(&mut self, now: Instant) -> bool {
        if self.unrest.owed_gone > 0 && now > self.unrest.owed_until {
            self.unrest.owed_gone = 0;
        }
        self.unrest.owed_gone > 0
    }

    fn has_unseen(&mut self, now: Instant) -> bool {
        let over = now > self.unrest.unseen_until && self.unrest.flight.is_none();
        if self.unrest.adds_unseen > 0 && over {
            self.unrest.adds_unseen = 0;
        }
        self.unrest.adds_unseen > 0
    }

    /// It is not there (any more), for a reason we know.
    fn went(&mut self) {
        self.have = Have::Absent;
        self.installed = None;
        self.ours = self.unrest.flight.is_some() || self.unrest.doubt;
    }

    /// It is not there any more, and not by us.
    fn lost(&mut self, now: Instant, link_runs: bool) -> Meaning {
        self.went();
        // The kernel tells of IPv6 addresses late: which of our additions went is not known.
        let late = self.vip.family() == Family::V6 && now < self.unrest.unseen_until;
        self.unrest.echoes_until = late.then_some(self.unrest.unseen_until);
        if !link_runs {
            self.unrest.flushed = true;
            return Meaning::Nothing;
        }
        if self.vip.flags.unguarded {
            self.unrest.abandoned = true;
            return Meaning::Nothing;
        }
        let in_a_row =
            now.since(self.unrest.taken_at) < FIGHT_MEMORY && self.unrest.taken_in_a_row > 0;
        self.unrest.taken_in_a_row =
            if in_a_row { self.unrest.taken_in_a_row.saturating_add(1) } else { 1 };
        self.unrest.taken_at = now;
        if self.unrest.taken_in_a_row > PUT_BACK_AT_ONCE {
            let pauses = if base::planted!(FightNeverEnds) { 3600 } else { 1 };
            self.unrest.not_before = Some(now + PUT_BACK_PAUSE * pauses);
        }
        Meaning::Taken
    }
}

/// Whether the kernel takes the change from `old` to `new` only by removing the address first. An
/// IPv4 address keeps its label, broadcast address and scope when it is added again; what IPv6
/// addresses have, adding again does change (tried on Linux 6.18).
fn remake(old: &Vip, new: &Vip) -> bool {
    let decorated = old.family() == Family::V4
        && (&old.label, old.broadcast, old.scope) != (&new.label, new.broadcast, new.scope);
    decorated || old.peer() != new.peer()
}
