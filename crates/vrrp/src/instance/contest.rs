//! Somebody else claims what we hold: how a holder asserts itself, and tells of it.
//!
//! Every sight of a rival is answered, by the advert that ends its claim if it is one of ours that
//! strayed, and by announcing again, since neighbours and bridges believe whoever spoke last
//! (ARP-004, ARP-007). Answers are paced, for whoever can be answered can be made to shout; but the
//! last sight is always answered.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeSet;

use base::{EventId, Instant, Neighbour, Priority, Reason, State, What};

use super::{Instance, Turn, elapsed};
use crate::refusals::REPORT_EVERY;
use crate::rivals::News;

/// Other MACs than the one last told of are told of no faster.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Announce again: the neighbours may have been misled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Reassert {
    pub(crate) cause: EventId,
    /// About these; `None`: about all.
    pub(crate) about: Option<BTreeSet<IpAddr>>,
}

impl Instance {
    /// §6.4.3: while we hold, a weaker node claims to hold too. Assert ourselves at once, for it and
    /// for the bridges it has misled, and tell the neighbours again.
    pub(super) fn contest(&mut self, turn: &mut Turn<'_>, source: IpAddr, priority: Priority) {
        if let Some(cause) = self.is_parting(turn.now) {
            self.troubles.note().contested_at = Some(turn.now);
            return self.assert_again(turn, cause, None);
        }
        let event = match self.troubles.get().and_then(|troubles| troubles.told_rival) {
            Some((told, at, event)) if told == source && turn.now < at + REPORT_EVERY => event,
            _ => {
                let what = What::RivalHeard { source, priority };
                let event = turn.out.event(turn.now, self.subject(), what, Reason::Packet, []);
                self.troubles.note().told_rival = Some((source, turn.now, event));
                event
            }
        };
        self.troubles.note().contested_at = Some(turn.now);
        let news = self.rivals.advert(turn.now, source, self.active_interval());
        self.tell_rivals(turn, news, Reason::Packet, Some(event));
        self.assert_again(turn, event, None);
    }

    /// Whether a weaker advert is one of the last of the holder that has just given way to us (decision
    /// 0005). That is no rival, and nobody is told of one; but the neighbours are told again where the
    /// VIPs are. One that does not give way still speaks an interval later.
    fn is_parting(&self, now: Instant) -> Option<EventId> {
        let just_now = now < self.changed_at + self.config.interval.as_duration();
        // Our taking over is the cause.
        self.changed_by.filter(|_| self.parting && just_now)
    }

    /// A frame of another machine says that a VIP of ours lives there. Nobody yields to that, since
    /// anybody can send it; but whoever believed it is told again where the VIP is.
    pub(crate) fn contradicted(&mut self, turn: &mut Turn<'_>, seen: &Neighbour) {
        if self.state() != State::Active || self.config.burst.virtual_mac == Some(seen.mac) {
            return;
        }
        let pause = |told| if told == seen.mac { REPORT_EVERY } else { TELL_EVERY };
        let event = match self.troubles.get().and_then(|troubles| troubles.told_mac) {
            Some((told, at, event)) if turn.now < at + pause(told) => event,
            _ => {
                let Neighbour { address: vip, mac, sight, .. } = *seen;
                let what = What::RivalSeen { vip, mac, sight };
                let event = turn.out.event(turn.now, self.subject(), what, Reason::Packet, []);
                self.troubles.note().told_mac = Some((seen.mac, turn.now, event));
                event
            }
        };
        let interval = self.config.interval.as_duration();
        // What the holder before us still had to send arrives in the first moments.
        let sure = !self.silenced && turn.now >= self.changed_at + interval;
        let news = self.rivals.frame(turn.now, seen, interval, sure);
        self.tell_rivals(turn, news, Reason::Packet, Some(event));
        self.assert_again(turn, event, Some(seen.address));
    }

    fn assert_again(&mut self, turn: &mut Turn<'_>, cause: EventId, about: Option<IpAddr>) {
        let interval = self.config.interval.as_duration();
        // A flood of claims must not make us flood as well.
        let answered_at = self.troubles.get().and_then(|troubles| troubles.answered_at);
        // One that stalled is itself the rival, perhaps.
        let answers = self.config.answer_rivals && !self.is_stalled(turn.now);
        if answers && elapsed(answered_at, turn.now, interval / 4) {
            self.troubles.note().answered_at = Some(turn.now);
            self.send(turn, self.priority());
        }
        let before = self.troubles.note().reassert.take().map(|reassert| reassert.about);
        let about = match (before, about) {
            (None, about) => about.map(|address| BTreeSet::from([address])),
            (Some(Some(mut some)), Some(address)) => {
                some.insert(address);
                Some(some)
            }
            (Some(_), _) => None,
        };
        self.troubles.note().reassert = Some(Reassert { cause, about });
    }

    /// A rival that is not seen any more is told of, and so is a second one that is.
    pub(super) fn tell_rivals(
        &mut self,
        turn: &mut Turn<'_>,
        news: Option<News>,
        reason: Reason,
        cause: Option<EventId>,
    ) {
        match news {
            None => {}
            Some(News::Two { rival, both }) => {
                let what = What::TwoHolders { rival, both };
                let event = turn.out.event(turn.now, self.subject(), what, reason, cause);
                self.rivals.told(event);
            }
            Some(News::Over { rival, both, since }) => {
                let what = What::TwoHoldersOver { rival, both };
                let reason = if reason == Reason::Packet { Reason::RivalGone } else { reason };
                turn.out.event(turn.now, self.subject(), what, reason, since);
            }
        }
    }

    // ---- announcing again -----------------------------------------------------------------------

    /// Whether it is to announce its VIPs again; asked once per turn. At most once a second (or
    /// interval, if that is longer), however often rivals speak; but what was due earlier is only
    /// put off, since the last to be seen may have misled the neighbours as well.
    pub(crate) fn take_reassert(&mut self, now: Instant) -> Option<Reassert> {
        let planted = base::planted!(NoReassert);
        if planted || self.is_stalled(now) || self.reassert_at().is_none_or(|at| now < at) {
            return None;
        }
        let troubles = self.troubles.known()?;
        troubles.reasserted_at = Some(now);
        troubles.reassert.take()
    }

    /// When it is to announce again, if it is. What is silenced has nothing to announce.
    pub(crate) fn reassert_at(&self) -> Option<Instant> {
        let troubles = self.troubles.get()?;
        let pause = self.config.interval.as_duration().max(Duration::from_secs(1));
        let at = troubles.reasserted_at.map_or(Instant::ZERO, |at| at + pause);
        let due = troubles.reassert.is_some() && !self.silenced && !base::planted!(NoReassert);
        due.then_some(at)
    }

    /// There is nothing that could be announced again; once there is, it is announced anyway.
    pub(crate) fn forget_reassert(&mut self) {
        if let Some(troubles) = self.troubles.known() {
            troubles.reassert = None;
        }
    }
}
