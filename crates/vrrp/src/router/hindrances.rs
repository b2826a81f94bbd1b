//! A holder to which the kernel refuses a VIP stands back (decision 0025).
//!
//! It is *hindered*, and with it its sync group, from the fifth refusal on until the kernel takes all
//! of its VIPs. Whoever is hindered has the lowest priority there is, and resigns as soon as it knows
//! of somebody better who is ready. Nothing else is different: where nobody else is, it holds what it
//! can have, for the rest of the VIPs is better than none.
//!
//! While it does not hold, the keeper tries what was refused without leaving it there; so the
//! hindrance ends by itself, and not by an election that may be in vain. Who is hindered again soon
//! after stays so for longer each time.

use core::net::IpAddr;
use core::time::Duration;

use base::{Errno, EventId, Instant, Reason, What};
use vip::HolderId;
use vip::keeper::{self, GIVEN_UP};

use super::{Router, Slot};
use crate::instance::Turn;
use crate::status::MissingVip;

/// A hindrance lasts so long at least; twice as long each time that it comes back.
const SHORTEST: Duration = Duration::from_secs(10);
/// But no longer than this; and whoever was free for so long is as if it had never been hindered.
const LONGEST: Duration = Duration::from_secs(600);

/// What an instance remembers of its hindrances, from the first one on.
#[derive(Debug, Default)]
pub(super) struct Hindrance {
    now: Option<Present>,
    in_a_row: u32,
    ended: Instant,
}

/// A hindrance that is not over.
#[derive(Debug)]
struct Present {
    vip: IpAddr,
    errno: Errno,
    event: EventId,
    until: Instant,
}

impl Hindrance {
    pub(super) fn status(&self) -> Option<MissingVip> {
        let Present { vip, errno, event, .. } = *self.now.as_ref()?;
        Some(MissingVip { vip, errno, because: event })
    }
}

impl Router {
    /// The kernel has refused something again.
    pub(super) fn note_refusal(&mut self, now: Instant, holder: HolderId) {
        let Some((vip, errno)) = self.keeper.refused(holder, GIVEN_UP) else { return };
        let slot = Slot::of(holder);
        let Some(seat) = self.seats.get_mut(&slot) else { return };
        let known = seat.hindrance.as_ref().is_some_and(|it| it.now.is_some());
        if known || !seat.holds() || self.stopping.is_some() {
            return;
        }
        let what = What::VipMissing { vip, errno };
        let Some(event) = self.tell(now, holder, what, Reason::Kernel, None) else { return };
        let Some(seat) = self.seats.get_mut(&slot) else { return };
        let memory = seat.hindrance.get_or_insert_default();
        let again = memory.in_a_row > 0 && now.since(memory.ended) < LONGEST;
        memory.in_a_row = if again { memory.in_a_row.saturating_add(1) } else { 1 };
        let lasts = SHORTEST * 2_u32.saturating_pow(memory.in_a_row.min(16) - 1);
        let until = now + lasts.min(LONGEST);
        memory.now = Some(Present { vip, errno, event, until });
        self.hindered.insert(slot);
        self.keeper.handle(now, keeper::Input::Try { holder, trying: true });
        self.surround_company(now, slot, event);
    }

    /// Whether this instance, or one it moves with, cannot have all of its VIPs.
    pub(super) fn is_hindered(&self, slot: Slot) -> bool {
        !self.hindered.is_empty() && self.moves_with(slot).any(|one| self.hindered.contains(&one))
    }

    /// Ends what is over, and has those resign for whom somebody better is ready; whether anything
    /// came of it.
    pub(super) fn review_hindrances(&mut self, now: Instant) -> bool {
        let mut changed = false;
        for slot in self.hindered.clone() {
            let over = self.is_over(slot).is_some_and(|until| until <= now);
            changed |= if over { self.end_hindrance(now, slot) } else { self.give_way(now, slot) };
        }
        changed
    }

    /// When hindrances end of which nothing is left but their time.
    pub(super) fn hindered_until(&self) -> Option<Instant> {
        self.hindered.iter().filter_map(|slot| self.is_over(*slot)).min()
    }

    /// The configuration of this instance has changed: what is not refused now is not waited for.
    pub(super) fn reconsider(&mut self, now: Instant, slot: Slot) {
        let seat = self.seats.get_mut(&slot).and_then(|seat| seat.hindrance.as_mut());
        if let Some(present) = seat.and_then(|it| it.now.as_mut()) {
            present.until = now;
        }
    }

    /// Nothing is tried any more: the daemon stops.
    pub(super) fn forget_hindrances(&mut self, now: Instant) {
        for slot in core::mem::take(&mut self.hindered) {
            let holder = slot.holder();
            self.keeper.handle(now, keeper::Input::Try { holder, trying: false });
        }
    }

    /// If the kernel refuses nothing any more: until when it lasts all the same.
    fn is_over(&self, slot: Slot) -> Option<Instant> {
        let present = self.seats.get(&slot)?.hindrance.as_ref()?.now.as_ref()?;
        self.keeper.refused(slot.holder(), 1).is_none().then_some(present.until)
    }

    fn end_hindrance(&mut self, now: Instant, slot: Slot) -> bool {
        self.hindered.remove(&slot);
        let holder = slot.holder();
        self.keeper.handle(now, keeper::Input::Try { holder, trying: false });
        let memory = self.seats.get_mut(&slot).and_then(|seat| seat.hindrance.as_mut());
        let Some(memory) = memory else { return false };
        memory.ended = now;
        let Some(Present { vip, event, .. }) = memory.now.take() else { return false };
        let what = What::VipNotMissing { vip };
        if let Some(event) = self.tell(now, holder, what, Reason::Kernel, Some(event)) {
            self.surround_company(now, slot, event);
        }
        true
    }

    /// Resigns, with those it moves with, if each of them knows who will follow.
    fn give_way(&mut self, now: Instant, slot: Slot) -> bool {
        let seat = self.seats.get(&slot);
        let cause = seat.and_then(|seat| Some(seat.hindrance.as_ref()?.now.as_ref()?.event));
        let company: Vec<Slot> = self.moves_with(slot).collect();
        let followed = |slot: &Slot| {
            self.seats.get(slot).is_some_and(|s| s.holds() && s.instance.has_better(now))
        };
        let (Some(cause), true) = (cause, company.iter().all(followed)) else { return false };
        for slot in company {
            let Some(seat) = self.seats.get_mut(&slot) else { continue };
            let mut turn = Turn { now, wall: self.wall.at(now), out: &mut self.out };
            seat.instance.give_way(&mut turn, cause);
            self.touched.insert(slot);
        }
        true
    }

    fn surround_company(&mut self, now: Instant, slot: Slot, event: EventId) {
        for one in self.moves_with(slot).collect::<Vec<_>>() {
            self.surround_because(now, one, event);
        }
    }
}
