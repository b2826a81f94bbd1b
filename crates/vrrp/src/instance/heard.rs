//! What an advert means in each state: RFC 9568 §6.4.2 and §6.4.3 as one `match`.

use core::net::IpAddr;
use core::num::NonZeroU8;
use core::time::Duration;

use base::{Instant, Interval, Preempt, Priority, Reason, Wall, What};

use super::mute::Mute;
use super::{Instance, Phase, Turn, Waiting};
use crate::wire::hmac::Demand;
use crate::wire::{Advert, Discard, Heard, Subnet, Terms};

/// An advert, weighed against ourselves (RFC 9568 §6.4.2, §6.4.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Claim {
    Resigned,
    Stronger,
    /// Same priority, higher address.
    EqualHigher,
    /// Same priority, lower address.
    EqualLower,
    Weaker,
}

impl Instance {
    /// What an arriving advert must look like to be heard.
    pub(crate) fn terms<'a>(
        &'a self,
        own_addresses: &'a [IpAddr],
        subnets: &'a [Subnet],
        wall: Wall,
    ) -> Terms<'a> {
        let demand = |policy| Demand { policy, marks: &self.marks, wall };
        Terms {
            version: self.config.version(),
            family: self.config.family,
            reach: self.config.reach.terms(),
            checksum: self.config.checksum.accept,
            auth: &self.config.auth,
            hmac: self.config.hmac.as_ref().map(demand),
            allowed: &self.config.allowed_sources,
            own_interval_v2: match self.config.interval {
                Interval::V2(seconds) => seconds,
                // A v3 packet is never asked for it.
                Interval::V3(_) => NonZeroU8::MIN,
            },
            own_addresses,
            subnets,
            bare: self.config.vips.is_empty(),
            strict: self.config.strict_sources,
        }
    }

    /// Counts a packet that was not an advert for us. Changes no timer and no state (VRRP-020).
    pub(crate) fn refused(&mut self, turn: &mut Turn<'_>, source: IpAddr, why: &Discard) {
        if let Some(what) = self.troubles.note().refusals.count(turn.now, source, why) {
            turn.out.event(turn.now, self.subject(), what, Reason::Packet, []);
        }
    }

    /// Whether it is Backup and nothing else is to be done for it.
    pub(crate) fn only_waits(&self) -> bool {
        matches!(self.phase, Phase::Backup { .. })
            && self.inherits.is_none()
            && self.spoke.is_none()
            && !self.silenced
            && self.reassert_at().is_none()
    }

    /// RFC 9568 §6.4: what an advert means in each state. `stand`: the sync group's leading member
    /// is holding its ground, and this one stays with it.
    pub(crate) fn heard(
        &mut self,
        turn: &mut Turn<'_>,
        source: IpAddr,
        heard: &Heard,
        stand: bool,
    ) {
        let advert = &heard.advert;
        self.traffic.received += 1;
        self.note_signature(turn, source, heard);
        if advert.priority() == Priority::RESIGN {
            self.traffic.resignations_received += 1;
        }
        match (self.phase, self.weigh(source, advert)) {
            // Somebody else speaks, or has heard of us.
            (Phase::Initialize, _) => self.mute = Mute::No,

            // §6.4.2 Backup
            (Phase::Backup { .. }, Claim::Resigned) => self.holder_resigned(turn, source),
            (Phase::Backup { .. }, Claim::Stronger | Claim::EqualHigher | Claim::EqualLower) => {
                self.note_peer(turn, source, heard);
                self.note_rival(turn, source);
                self.wait_for_silence(turn.now, None);
            }
            (Phase::Backup { preempt_at, .. }, Claim::Weaker) => {
                self.note_weaker(turn, source, heard, preempt_at);
            }

            // §6.4.3 Active
            (Phase::Active { .. }, Claim::Resigned) => {
                self.send(turn, self.priority());
                let advert_at = turn.now + self.config.interval.as_duration();
                self.phase = Phase::Active { advert_at };
            }
            (Phase::Active { .. }, Claim::Stronger | Claim::EqualHigher) if stand => {
                self.contest(turn, source, advert.priority());
            }
            (Phase::Active { .. }, Claim::EqualHigher) if self.ignores_owners() => {
                self.contest(turn, source, advert.priority());
            }
            (Phase::Active { .. }, Claim::Stronger) => {
                self.yield_to(turn, source, heard, Reason::StrongerPeer);
            }
            (Phase::Active { .. }, Claim::EqualHigher) => {
                self.yield_to(turn, source, heard, Reason::EqualPeerHigherAddress);
            }
            (Phase::Active { .. }, Claim::EqualLower | Claim::Weaker) => {
                self.contest(turn, source, advert.priority());
            }
        }
    }

    fn ignores_owners(&self) -> bool {
        self.config.owner_ignores_owners && self.is_owner()
    }

    fn weigh(&self, source: IpAddr, advert: &Advert) -> Claim {
        let ours = self.priority();
        let theirs = advert.priority();
        if theirs == Priority::RESIGN {
            Claim::Resigned
        } else if theirs > ours {
            Claim::Stronger
        } else if theirs < ours {
            Claim::Weaker
        } else if !base::planted!(TieNeverYields)
            && self.around.attachment.is_none_or(|at| source > at.source)
        {
            // Addresses of one family compare as unsigned numbers in network order (VRRP-063).
            Claim::EqualHigher
        } else {
            Claim::EqualLower
        }
    }

    /// §6.4.2: "If the Priority in the ADVERTISEMENT is zero": Skew_Time, but never longer than what
    /// was left anyway (VRRP-055).
    fn holder_resigned(&mut self, turn: &mut Turn<'_>, source: IpAddr) {
        if let Some(ready) = &mut self.ready {
            ready.resigned(turn.now, source);
        }
        let sooner = self.deadline().is_some_and(|at| at <= turn.now + self.skew_time());
        if sooner && !base::planted!(ResignRearms) {
            return;
        }
        let cause = self.peer.map(|peer| peer.event);
        let what = What::PeerResigned { source };
        let event = turn.out.event(turn.now, self.subject(), what, Reason::Packet, cause);
        self.phase = Phase::Backup {
            armed_at: turn.now,
            waiting: Waiting::Resigned(event),
            preempt_at: None,
        };
    }

    /// §6.4.2, Preempt_Mode: a weaker node's advert is let go by, or respected like any other.
    fn note_weaker(
        &mut self,
        turn: &mut Turn<'_>,
        source: IpAddr,
        heard: &Heard,
        preempt_at: Option<Instant>,
    ) {
        let delay = match self.config.preempt {
            // It was sent away, and stays away as long as somebody serves.
            _ if self.stays_back(turn.now) => {
                self.note_peer(turn, source, heard);
                return self.wait_for_silence(turn.now, None);
            }
            // An owner always preempts (VRRP-068).
            _ if self.is_owner() => Duration::ZERO,
            Preempt::After(_) if base::planted!(PreemptsAtOnce) => Duration::ZERO,
            Preempt::After(delay) => delay,
            Preempt::Never if base::planted!(PreemptsAnyway) => Duration::ZERO,
            Preempt::Never => {
                self.note_peer(turn, source, heard);
                return self.wait_for_silence(turn.now, None);
            }
        };
        let at = preempt_at.unwrap_or(turn.now + delay);
        if turn.now < at {
            self.note_peer(turn, source, heard);
            return self.wait_for_silence(turn.now, Some(at));
        }
        self.remember(turn, source, heard);
        if let Phase::Backup { armed_at, waiting, .. } = self.phase {
            let waiting = match waiting {
                Waiting::Silence | Waiting::Preempting => Waiting::Preempting,
                // It speaks, so it is there.
                Waiting::Unreachable(..) => {
                    let (armed_at, waiting) = (turn.now, Waiting::Preempting);
                    self.phase = Phase::Backup { armed_at, waiting, preempt_at: Some(at) };
                    return;
                }
                other @ (Waiting::Resigned(_) | Waiting::Nominated(_) | Waiting::Owner) => other,
            };
            self.phase = Phase::Backup { armed_at, waiting, preempt_at: Some(at) };
        }
    }
}
