//! Planned moves (`moves`): whose message it is, when a nomination may leave, and switch-overs.

use core::fmt;
use core::net::IpAddr;

use base::{Family, IfIndex, Instant, Name, State};
use vip::HolderId;

use super::{Router, Slot};
use crate::instance::Turn;
use crate::moves::{Notice, NoticeError};
use crate::wire::Arrival;

/// Only from one hop.
const TTL: u8 = 255;

/// Why a switch-over was not begun; nothing has changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SwitchoverError {
    /// There is no such instance.
    Unknown(Name),
    /// It does not hold.
    NotActive {
        /// Which.
        instance: Name,
        /// What it is instead.
        state: State,
    },
    /// Nobody has said to be ready to follow.
    NobodyReady(Name),
}

impl fmt::Display for SwitchoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SwitchoverError::Unknown(name) => write!(f, "there is no instance `{name}`"),
            SwitchoverError::NotActive { instance, state } => {
                write!(f, "{instance} is {state} on this node: switch over where it is Active")
            }
            SwitchoverError::NobodyReady(name) => write!(
                f,
                "no other node has said that it is ready to take {name}: it would be served by nobody"
            ),
        }
    }
}

impl core::error::Error for SwitchoverError {}

impl Router {
    /// A datagram to [`moves::PORT`](crate::moves::PORT). What is not for us is let go by: it decides
    /// nothing that adverts do not.
    pub(super) fn notice(&mut self, now: Instant, index: IfIndex, arrival: &Arrival<'_>) {
        self.refused_notices += u64::from(self.try_notice(now, index, arrival).is_err());
    }

    fn try_notice(
        &mut self,
        now: Instant,
        index: IfIndex,
        arrival: &Arrival<'_>,
    ) -> Result<(), NoticeError> {
        let notice = Notice::decode(arrival.payload)?;
        let key = (index, notice.family, notice.vrid);
        let (source, destination) = (arrival.source, arrival.destination);
        let ours = |slot: &Slot| {
            let at = self.seats.get(slot).and_then(|seat| seat.instance.around().attachment);
            at.is_some_and(|at| at.source == destination)
        };
        let slot = self.addressees.of(key).find(ours);
        let Some((slot, seat)) = slot.and_then(|slot| Some((slot, self.seats.get_mut(&slot)?)))
        else {
            return Err(NoticeError::Foreign);
        };
        let right_family = Family::of(&source) == notice.family;
        if arrival.ttl != TTL || source == destination || !right_family {
            return Err(NoticeError::Foreign);
        }
        let policy = seat.instance.config().hmac.as_ref();
        Notice::verify(arrival.payload, policy, source, destination)?;
        let mut turn = Turn { now, wall: self.wall.at(now), out: &mut self.out };
        seat.instance.noticed(&mut turn, source, &notice);
        self.touched.insert(slot);
        Ok(())
    }

    /// This holder answers for none of its VIPs any more: the table of leases keeps them silent, or
    /// the last of them is off the node. Whichever is first.
    pub(super) fn nominate(&mut self, now: Instant, holder: HolderId) {
        if let Some(seat) = self.seats.get_mut(&Slot::of(holder)) {
            let mut turn = Turn { now, wall: self.wall.at(now), out: &mut self.out };
            seat.instance.nominate(&mut turn);
        }
    }

    /// Hands an instance over to the Backup that is readiest, with its sync group if it is in one,
    /// and keeps it back until then (`None`: until [`Router::end_switchover`]). Answers with who was
    /// chosen for each. Drain the outputs afterwards.
    ///
    /// # Errors
    /// See [`SwitchoverError`]; then nothing has changed.
    pub fn switchover(
        &mut self,
        now: Instant,
        name: &Name,
        until: Option<Instant>,
    ) -> Result<Vec<(Name, IpAddr)>, SwitchoverError> {
        let chosen = self.successors(now, name)?;
        for slot in self.company(name)? {
            let Some(seat) = self.seats.get_mut(&slot) else { continue };
            let mut turn = Turn { now, wall: self.wall.at(now), out: &mut self.out };
            seat.instance.leave(&mut turn, until);
            self.touched.insert(slot);
        }
        self.settle(now);
        Ok(chosen)
    }

    /// Who would follow, were this instance switched over now.
    ///
    /// # Errors
    /// Why it would not be.
    pub fn successors(
        &self,
        now: Instant,
        name: &Name,
    ) -> Result<Vec<(Name, IpAddr)>, SwitchoverError> {
        let mut chosen = Vec::new();
        for slot in &self.company(name)? {
            let Some(seat) = self.seats.get(slot) else { continue };
            let (instance, state) = (seat.instance.config().name.clone(), seat.instance.state());
            if state != State::Active {
                return Err(SwitchoverError::NotActive { instance, state });
            }
            match seat.instance.successor(now) {
                Some(node) => chosen.push((instance, node)),
                None => return Err(SwitchoverError::NobodyReady(instance)),
            }
        }
        Ok(chosen)
    }

    /// Lets an instance, and its sync group, preempt again as configured.
    ///
    /// # Errors
    /// [`SwitchoverError::Unknown`].
    pub fn end_switchover(&mut self, now: Instant, name: &Name) -> Result<(), SwitchoverError> {
        for slot in self.company(name)? {
            if let Some(seat) = self.seats.get_mut(&slot) {
                seat.instance.stay_back(None);
                self.touched.insert(slot);
            }
        }
        self.settle(now);
        Ok(())
    }

    /// The instance of this name and those it moves with.
    fn company(&self, name: &Name) -> Result<Vec<Slot>, SwitchoverError> {
        let of = |slot: &Slot| self.seats.get(slot).map(|seat| seat.instance.config());
        let named = |slot: &&Slot| of(slot).is_some_and(|config| config.name == *name);
        let slot =
            self.order.iter().find(named).ok_or_else(|| SwitchoverError::Unknown(name.clone()))?;
        let group = of(slot).and_then(|config| config.group.clone());
        let Some(group) = group else { return Ok(vec![*slot]) };
        let with =
            |slot: &&Slot| of(slot).is_some_and(|config| config.group.as_ref() == Some(&group));
        Ok(self.order.iter().filter(with).copied().collect())
    }
}
