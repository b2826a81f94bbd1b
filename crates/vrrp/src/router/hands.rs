//! The router's hands: what keeper and announcer say, turned into outputs and events.

use core::net::IpAddr;
use std::collections::BTreeSet;

use base::{EventId, Instant, Name, Reason, State, Vip, What};
use vip::last_will::Edit;
use vip::{HolderId, announcer, keeper, lease, lifetime};

use super::{Router, Seat, Slot};

impl Router {
    /// Lets keeper and announcer have their say.
    pub(super) fn use_hands(&mut self, now: Instant) {
        while let Some(output) = self.devices.poll_lowering() {
            self.devices_say(now, output);
        }
        self.filter(now);
        self.remove_ways();
        while let Some(output) = self.keeper.poll_output() {
            self.keeper_says(now, output);
        }
        while let Some(output) = self.devices.poll_output() {
            self.devices_say(now, output);
        }
        while let Some(output) = self.announcer.poll_output() {
            self.announcer_says(now, output);
        }
        while let Some(batch) = self.lifetimes.poll_output() {
            self.out.batch(batch);
        }
        self.add_ways(now);
        self.partings.append(&mut self.keeper.take_stirred());
        if self.leaving.is_empty() && self.clearing.is_empty() {
            self.partings.clear();
            return;
        }
        // The guardian forgets a holder when the last of its addresses is off the node, not before;
        // so does the table of leases.
        while let Some(holder) = self.partings.pop_first() {
            if self.keeper.leaves_traces(holder) {
                continue;
            }
            if let Some(name) = self.leaving.remove(&holder) {
                self.out.will(Edit::Release { name });
                // What another instance of this node holds on to is answered for: nobody is to follow.
                if !self.keeper.is_shared(holder) {
                    self.nominate(now, holder);
                }
            }
            if self.clearing.remove(&holder) {
                self.leases.handle(now, lease::Input::Clear { holder });
            }
        }
    }

    /// Puts VIPs that are held under a lifetime, where the configuration wants that.
    fn limit(&mut self, now: Instant, holder: HolderId, vips: &[Vip]) {
        let wants = self.seat_of(holder).is_some_and(|seat| {
            let config = seat.instance.config();
            config.lifetimes && !config.stages() && seat.instance.state() == State::Active
        });
        // A preferred lifetime would begin anew with each renewal.
        if wants && vips.iter().any(|vip| vip.preferred().is_some()) {
            let kept = vips.iter().filter(|vip| vip.preferred().is_none());
            let vips: Vec<Vip> = kept.cloned().collect();
            self.lifetimes.handle(
                now,
                self.links.addresses(),
                lifetime::Input::Present { holder, vips: &vips },
            );
        } else if wants {
            self.lifetimes.handle(
                now,
                self.links.addresses(),
                lifetime::Input::Present { holder, vips },
            );
        }
    }

    fn keeper_says(&mut self, now: Instant, output: keeper::Output) {
        match output {
            keeper::Output::Batch(batch) => self.out.batch(batch),
            keeper::Output::Present { holder, vips } => {
                let repaired = self.seat_of(holder).is_some_and(|seat| seat.repairing.is_some());
                if !(base::planted!(RepairedForGood) && repaired) {
                    self.limit(now, holder, &vips);
                }
                let repairing = self.seat_of(holder).and_then(|seat| {
                    forget(&mut seat.present, &vips);
                    seat.present.reserve_exact(vips.len());
                    seat.present.extend_from_slice(&vips);
                    seat.repairing.take()
                });
                let reason = match repairing {
                    Some(_) => Reason::ForeignChange,
                    None => Reason::StateWantsVips,
                };
                let what = What::VipsPresent { vips: addresses(&vips) };
                let event = self.tell(now, holder, what, reason, repairing);
                let reason = match repairing {
                    Some(_) => Reason::ForeignChange,
                    None => Reason::TookOver,
                };
                if let Some(event) = event {
                    self.announce(now, holder, vips, reason, event);
                }
            }
            keeper::Output::Gone { holder, vips } => {
                let what = What::VipsGone { vips: addresses(&vips) };
                self.tell(now, holder, what, Reason::StateReleasesVips, None);
                if let Some(seat) = self.seat_of(holder) {
                    forget(&mut seat.present, &vips);
                }
                self.lifetimes.handle(
                    now,
                    self.links.addresses(),
                    lifetime::Input::Gone { holder, vips: &vips },
                );
                self.announcer.handle(now, announcer::Input::Gone { holder, vips });
            }
            keeper::Output::Taken { holder, vip } => {
                let what = What::VipTaken { vip: vip.address };
                let event = self.tell(now, holder, what, Reason::ForeignChange, None);
                let silenced = self.seat_of(holder).is_some_and(|seat| {
                    seat.repairing = event;
                    seat.present.retain(|present| *present != vip);
                    seat.instance.is_silenced()
                });
                if base::planted!(LapsedRepaired) && silenced {
                    self.doubts.remove(&Slot::of(holder));
                    self.leases.handle(now, lease::Input::Again { holder });
                    self.go_on(now, Slot::of(holder));
                }
                let vips = vec![vip];
                self.lifetimes.handle(
                    now,
                    self.links.addresses(),
                    lifetime::Input::Gone { holder, vips: &vips },
                );
                self.announcer.handle(now, announcer::Input::Gone { holder, vips });
            }
            keeper::Output::LeftOver { holder, vip } => {
                let what = What::VipLeftOver { vip: vip.address };
                self.tell(now, holder, what, Reason::Kernel, None);
            }
            keeper::Output::Refused { holder, vip, errno, attempts: _ } => {
                let what = What::VipRefused { vip: vip.address, errno };
                self.tell(now, holder, what, Reason::Kernel, None);
                self.note_refusal(now, holder);
            }
        }
    }

    fn announcer_says(&mut self, now: Instant, output: announcer::Output) {
        match output {
            announcer::Output::Frame { index, bytes } => self.out.frame(index, bytes),
            announcer::Output::Announced { holder, vips, mac, reason, cause } => {
                let what = What::Announced { vips, mac };
                self.tell(now, holder, what, reason, Some(cause));
            }
        }
    }

    /// Has VIPs announced, if their instance (still) holds them. One that is silent may have been
    /// succeeded already: it announces when it is certain.
    pub(super) fn announce(
        &mut self,
        now: Instant,
        holder: HolderId,
        vips: Vec<Vip>,
        reason: Reason,
        cause: EventId,
    ) {
        let Some(seat) = self.seat_of(holder) else { return };
        if seat.instance.state() != State::Active {
            return;
        }
        if seat.instance.is_silenced() {
            seat.unannounced = Some((reason, cause));
            return;
        }
        let input = announcer::Input::Announce { holder, vips, reason, cause };
        self.announcer.handle(now, input);
    }

    /// Announces what an instance holds once more, because somebody asks for it.
    pub(super) fn announce_again(&mut self, now: Instant, name: &Name) {
        let named = |(_, seat): &(Slot, &Seat)| seat.instance.config().name == *name;
        let Some((slot, seat)) = self.seats.iter().find(named) else { return };
        if let Some(cause) = seat.instance.changed_by()
            && !seat.present.is_empty()
        {
            let vips = seat.present.clone();
            self.announce(now, slot.holder(), vips, Reason::Refresh, cause);
        }
    }

    /// Announces what an instance holds that could not be announced while it was silent.
    pub(super) fn announce_late(&mut self, now: Instant, holder: HolderId) {
        let Some(seat) = self.seat_of(holder) else { return };
        let vips = seat.present.clone();
        if let Some((reason, cause)) = seat.unannounced.take().filter(|_| !vips.is_empty()) {
            self.announce(now, holder, vips, reason, cause);
        }
    }

    /// Records what happened to an instance's VIPs, because of `cause` or else of its last change
    /// of state.
    pub(super) fn tell(
        &mut self,
        now: Instant,
        holder: HolderId,
        what: What,
        reason: Reason,
        cause: Option<EventId>,
    ) -> Option<EventId> {
        let seat = self.seats.get(&Slot::of(holder))?;
        let cause = cause.or(seat.instance.changed_by());
        Some(self.out.event(now, seat.instance.subject(), what, reason, cause))
    }

    fn seat_of(&mut self, holder: HolderId) -> Option<&mut Seat> {
        self.seats.get_mut(&Slot::of(holder))
    }
}

impl Slot {
    pub(super) fn of(holder: HolderId) -> Slot {
        // A slot is made into a holder's number by `Slot::holder`, so it fits.
        Slot(usize::try_from(holder.0).unwrap_or(usize::MAX))
    }

    /// The number by which keeper and announcer know the instance in this slot.
    pub(super) fn holder(self) -> HolderId {
        HolderId(u32::try_from(self.0).expect("fewer than 2^32 instances were ever configured"))
    }
}

/// Takes `vips` out of `present`.
fn forget(present: &mut Vec<Vip>, vips: &[Vip]) {
    if present.is_empty() {
        return;
    }
    let gone: BTreeSet<_> = vips.iter().map(Vip::place).collect();
    present.retain(|vip| !gone.contains(&vip.place()));
}

fn addresses(vips: &[Vip]) -> Vec<IpAddr> {
    vips.iter().map(|vip| vip.address).collect()
}
