//! Sync groups: instances that are always in one state (VRRP-071).
//!
//! A group is one machine made of its members. Its rules are few:
//! - one member that cannot run keeps all of them in Initialize;
//! - all take over in one turn, when the last of them would take over by itself;
//! - one that yields takes all of them back to Backup, in the same turn.
//!
//! So their adverts leave together, and nothing is to be kept in step afterwards: the group's state
//! is derived at the end of every turn from what its members have become.
//!
//! Whoever joins a group that runs never costs it anything. A new member that can run takes on the
//! group's state at once; one that cannot run yet does not count until it first can.
//!
//! Two nodes whose members are stronger each in another virtual router would push each other aside
//! for ever. The first member, by VRID and family, decides for all: while it holds its ground against
//! a weaker router, the others do not yield. Adverts of a group leave in that order, so both nodes
//! hear of it in time.

use std::collections::BTreeMap;

use base::{
    EventId, Instant, Name, Priority, Reason, State, Subject, TrackerKind, Verdict, Weighed, What,
};

use super::{Router, Seat, Slot};
use crate::instance::Turn;
use crate::status::GroupStatus;

/// How an instance belongs to its group.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Membership {
    /// It counts. False only for one that joined a running group and has not been able to run since.
    bound: bool,
    /// It has been in the group's state at the end of a turn.
    in_step: bool,
    /// Its lease ended before it could go on as holder: the others cannot either.
    renounced: bool,
    /// When its wait was last seen to be over, while the group's was not.
    judged: Option<Instant>,
    /// It is to be seen again: those it waits for are others now.
    again: bool,
}

impl Membership {
    /// See [`Self::renounced`].
    pub(super) fn renounce(&mut self) {
        self.renounced = true;
    }
}

/// A group, its members in the order that decides.
#[derive(Debug)]
struct Group {
    members: Vec<Slot>,
    /// What its members are; none while nothing is known of the node.
    state: Option<State>,
}

/// All groups.
#[derive(Debug, Default)]
pub(super) struct Groups {
    by_name: BTreeMap<Name, Group>,
}

impl Groups {
    /// The members of the group of that name, whether they count or not.
    fn members(&self, name: Option<&Name>) -> &[Slot] {
        name.and_then(|name| self.by_name.get(name)).map_or(&[], |group| &group.members)
    }

    fn state(&self, name: Option<&Name>) -> Option<State> {
        self.by_name.get(name?)?.state
    }
}

impl Router {
    /// Brings the groups in line with a new configuration.
    pub(super) fn regroup(&mut self, now: Instant) {
        let mut groups: BTreeMap<Name, Group> = BTreeMap::new();
        for slot in &self.order {
            let Some(seat) = self.seats.get(slot) else { continue };
            if let Some(name) = &seat.instance.config().group {
                let state = self.groups.state(Some(name));
                let group = groups.entry(name.clone());
                group.or_insert(Group { members: Vec::new(), state }).members.push(*slot);
            }
        }
        for (name, group) in &mut groups {
            let before = self.groups.members(Some(name));
            group.members.sort_by_key(|slot| {
                let config = self.seats.get(slot).map(|seat| seat.instance.config());
                (config.map(|config| (config.vrid, config.family)), *slot)
            });
            let runs = |slot: &Slot| self.seats.get(slot).is_some_and(|seat| seat.runs());
            let running = group.members.iter().any(runs);
            let same = group.members == before;
            if !group.members.iter().any(|slot| before.contains(slot)) {
                group.state = None;
            }
            for slot in &group.members {
                let Some(seat) = self.seats.get_mut(slot) else { continue };
                let joins = !before.contains(slot);
                if joins {
                    let bound = !running || seat.runs();
                    seat.membership = Membership { bound, ..Membership::default() };
                    if running && !seat.runs() {
                        seat.instance.start_with_others(now);
                    }
                }
                if !same {
                    // Whom it waited for may be gone.
                    seat.membership.again = true;
                    self.touched.insert(*slot);
                }
            }
        }
        self.groups.by_name = groups;
    }

    /// What the other members mean for one that could run by itself.
    pub(super) fn group_fault(&self, slot: Slot) -> Option<Reason> {
        let seat = self.seats.get(&slot)?;
        let others = self.groups.members(seat.instance.config().group.as_ref()).iter();
        let others = others.filter(|other| **other != slot).filter_map(|o| self.seats.get(o));
        let faults = others.filter(|other| other.membership.bound).filter_map(|other| other.own);
        // Where nothing is known yet there is nothing to tell.
        let silent = seat.instance.around().fault == Some(Reason::Startup);
        faults.fold(None, |sum, fault| match (sum, fault) {
            (None | Some(Reason::Startup), Reason::Startup) if silent => Some(Reason::Startup),
            _ => Some(Reason::SyncGroup),
        })
    }

    /// An instance was found able to run, or not: whether it counts in its group from now on, and who
    /// else is to be looked at.
    pub(super) fn regard(&mut self, now: Instant, slot: Slot, before: Option<Reason>) -> Vec<Slot> {
        let Some(seat) = self.seats.get_mut(&slot) else { return Vec::new() };
        let Some(name) = seat.instance.config().group.clone() else { return Vec::new() };
        let can = seat.own.is_none();
        if can && !seat.membership.bound {
            seat.membership = Membership { bound: true, ..Membership::default() };
            if self.groups.state(Some(&name)) == Some(State::Active) {
                seat.instance.enter_active(now);
            }
        }
        let others = self.groups.members(Some(&name)).iter().copied();
        // To the others it is all the same why it cannot run, but for what is not known yet.
        let kind = |own: Option<Reason>| own.map(|reason| reason == Reason::Startup);
        if kind(before) == kind(seat.own) {
            return Vec::new();
        }
        others.filter(|other| *other != slot).collect()
    }

    /// Whether the leading members of its group hold their ground, and `slot` with them.
    pub(super) fn stands(&self, now: Instant, slot: Slot) -> bool {
        let Some(seat) = self.seats.get(&slot) else { return false };
        let members = self.groups.members(seat.instance.config().group.as_ref());
        let before = members.iter().take_while(|member| **member != slot);
        before.filter_map(|member| self.seats.get(member)).any(|m| m.instance.is_contested(now))
    }

    /// An instance's wait is over: alone it acts, in a group it waits for the others. All that had
    /// arrived has been heard.
    pub(super) fn judge(&mut self, now: Instant, ran: Instant, slots: &[Slot]) {
        let mut groups: Vec<Name> = Vec::new();
        for slot in slots {
            let fault = self.seats.get(slot).and_then(|seat| seat.instance.around().fault);
            self.tell_new_group(now, *slot, fault);
            let Some(seat) = self.seats.get_mut(slot) else { continue };
            match &seat.instance.config().group {
                Some(name) if seat.instance.is_ripe(now) => {
                    seat.membership.again = false;
                    if seat.is_new_to_this() && seat.instance.judges_late(ran) {
                        // It did not run when its time came.
                        let wall = self.wall.at(now);
                        seat.instance.judge(&mut Turn { now, wall, out: &mut self.out }, ran);
                        continue;
                    }
                    seat.membership.judged = Some(now);
                    if !groups.contains(name) {
                        groups.push(name.clone());
                    }
                }
                _ => {
                    let wall = self.wall.at(now);
                    seat.instance.judge(&mut Turn { now, wall, out: &mut self.out }, ran);
                }
            }
        }
        for name in groups {
            let members = self.bound_members(&name);
            let ripe =
                |slot: &Slot| self.seats.get(slot).is_some_and(|seat| seat.instance.is_ripe(now));
            if !members.iter().all(ripe) {
                continue;
            }
            for slot in members {
                if let Some(seat) = self.seats.get_mut(&slot) {
                    seat.instance.take_over(&mut Turn {
                        now,
                        wall: self.wall.at(now),
                        out: &mut self.out,
                    });
                    self.touched.insert(slot);
                }
            }
        }
    }

    /// Puts the groups of these instances in step.
    pub(super) fn align(&mut self, now: Instant) {
        if self.groups.by_name.is_empty() {
            return;
        }
        let mut names: Vec<Name> = Vec::new();
        for slot in self.touched.iter() {
            let group = self.seats.get(&slot).and_then(|s| s.instance.config().group.as_ref());
            if let Some(name) = group
                && !names.contains(name)
            {
                names.push(name.clone());
            }
        }
        for name in names {
            self.align_one(now, &name);
        }
    }

    fn align_one(&mut self, now: Instant, name: &Name) {
        let members = self.bound_members(name);
        let was = self.groups.state(Some(name));
        let (mut active, mut yielded, mut backup) = (None, None, false);
        for seat in members.iter().filter_map(|slot| self.seats.get(slot)) {
            match seat.instance.state() {
                State::Active => active = active.or(Some(seat.instance.changed_by())),
                State::Backup => {
                    backup = true;
                    let stepped = seat.membership.in_step && was == Some(State::Active);
                    if stepped || seat.membership.renounced {
                        yielded = yielded.or(Some(seat.instance.changed_by()));
                    }
                }
                State::Initialize => {}
            }
        }
        for slot in &members {
            let Some(seat) = self.seats.get_mut(slot) else { continue };
            let mut turn = Turn { now, wall: self.wall.at(now), out: &mut self.out };
            let before = seat.instance.state();
            match (active, yielded) {
                (Some(_), Some(cause)) => seat.instance.step_back(&mut turn, cause),
                (Some(cause), None) if backup => seat.instance.step_up(&mut turn, cause),
                _ => {}
            }
            seat.membership.in_step = true;
            seat.membership.renounced &= before == State::Initialize;
            if seat.instance.state() != before {
                self.touched.insert(*slot);
            }
        }
        self.tell_group(now, name, &members);
    }

    /// A member is about to begin as Backup, the first of its group: the group is told of before its
    /// members, as keepalived has it unless it waited for a script. Later changes are told of when all
    /// have made them.
    pub(super) fn tell_new_group(&mut self, now: Instant, slot: Slot, fault: Option<Reason>) {
        let Some(seat) = self.seats.get(&slot) else { return };
        let Some(name) = seat.instance.config().group.clone() else { return };
        let new = self.groups.by_name.get(&name).is_some_and(|group| group.state.is_none());
        if !new || fault.is_some() || !seat.instance.begins_as_backup(now) {
            return;
        }
        let waits = |seat: &Seat| {
            let trackers = &seat.instance.config().trackers;
            trackers.iter().any(|one| {
                let unknown = one.effect.weigh(Verdict::default(), one.assume_bad);
                one.tracker.kind == TrackerKind::Script && unknown == Weighed::Open
            })
        };
        let members = self.groups.members(Some(&name));
        if members.iter().filter_map(|slot| self.seats.get(slot)).any(waits) {
            return;
        }
        if let Some(group) = self.groups.by_name.get_mut(&name) {
            group.state = Some(State::Backup);
        }
        let (from, to) = (State::Initialize, State::Backup);
        let what = What::StateChanged { from, to, priority: Priority::new(0) };
        self.out.event(now, Subject::Group(name), what, Reason::SyncGroup, []);
    }

    /// Records what the group has become, if that is new.
    fn tell_group(&mut self, now: Instant, name: &Name, members: &[Slot]) {
        let seats: Vec<&Seat> = members.iter().filter_map(|slot| self.seats.get(slot)).collect();
        // Those that have not begun, be it that nothing is known yet or that their start is put off.
        let idle = |seat: &&Seat| match seat.instance.around().fault {
            fault @ (None | Some(Reason::Startup)) => fault.is_some() || !seat.runs(),
            Some(_) => false,
        };
        if seats.is_empty() || seats.iter().any(idle) {
            return;
        }
        let to = seats.iter().map(|seat| seat.instance.state()).min().unwrap_or(State::Initialize);
        let Some(group) = self.groups.by_name.get_mut(name) else { return };
        let was = group.state.replace(to);
        if was == Some(to) {
            return;
        }
        let from = was.unwrap_or(State::Initialize);
        let causes: Vec<EventId> = seats
            .iter()
            .filter(|seat| seat.instance.state() == to)
            .filter_map(|seat| seat.instance.changed_by())
            .collect();
        // An engine before this one was there already.
        let adopted = was.is_none() && to == State::Active;
        let reason = match (self.stopping, adopted) {
            (Some(_), _) => Reason::Shutdown,
            (None, true) => Reason::Adopted,
            (None, false) => Reason::SyncGroup,
        };
        let what = What::StateChanged { from, to, priority: Priority::new(0) };
        self.out.event(now, Subject::Group(name.clone()), what, reason, causes);
    }

    /// The instances that do what this one does, itself among them.
    pub(super) fn moves_with(&self, slot: Slot) -> impl Iterator<Item = Slot> {
        let group = self.seats.get(&slot).and_then(|s| s.instance.config().group.as_ref());
        let bound = |slot: &Slot| self.seats.get(slot).is_some_and(|seat| seat.membership.bound);
        let members = self.groups.members(group).iter().copied();
        let others = members.filter(move |other| *other != slot && bound(other));
        core::iter::once(slot).chain(others)
    }

    fn bound_members(&self, name: &Name) -> Vec<Slot> {
        let bound = |slot: &&Slot| self.seats.get(slot).is_some_and(|seat| seat.membership.bound);
        self.groups.members(Some(name)).iter().filter(bound).copied().collect()
    }

    pub(super) fn group_status(&self) -> Vec<GroupStatus> {
        let status = |name: &Name| {
            let members = self.bound_members(name);
            let seats = || members.iter().filter_map(|slot| self.seats.get(slot));
            let states = seats().map(|seat| seat.instance.state());
            GroupStatus {
                name: name.clone(),
                state: states.min().unwrap_or(State::Initialize),
                members: seats().map(|seat| seat.instance.config().name.clone()).collect(),
            }
        };
        self.groups.by_name.keys().map(status).collect()
    }
}

impl Seat {
    fn runs(&self) -> bool {
        self.instance.state() != State::Initialize
    }

    /// When its instance is to be looked at; not while its wait is over and its group's is not.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let deadline = self.instance.deadline()?;
        let waits = self.instance.config().group.is_some()
            && self.instance.state() == State::Backup
            && !self.membership.again
            && !self.is_new_to_this();
        (!waits).then_some(deadline)
    }

    /// Whether its wait was not seen to be over before.
    fn is_new_to_this(&self) -> bool {
        let judged = self.membership.judged;
        self.instance.deadline().is_none_or(|at| judged.is_none_or(|judged| judged < at))
    }
}
