//! An instance's part in planned moves (`moves`): saying that it is ready, naming who follows,
//! following, and staying back after a switch-over.

use core::net::IpAddr;

use base::{EventId, Instant, Priority, Reason, State, What};

use super::{Attachment, Instance, Phase, Turn, Waiting};
use crate::moves::{Candidate, Kind, Notice, Ready};
use crate::status::{ReadyPeer, StayBack};

impl Instance {
    /// The holder `source` was heard, and is respected: it is told now and then that we are ready.
    pub(super) fn tell_ready(&mut self, turn: &mut Turn<'_>, source: IpAddr) {
        let interval = self.active_interval();
        let out = &mut *turn.out;
        let (ready, tell) =
            Ready::heard(self.ready, turn.now, source, interval, || out.nonce(turn.now));
        self.ready = Some(ready);
        if tell {
            self.notice(turn, source, Kind::Ready, ready.nonce());
        }
    }

    /// A message of another node about this virtual router. Its signature is already judged.
    pub(crate) fn noticed(&mut self, turn: &mut Turn<'_>, source: IpAddr, notice: &Notice) {
        match (notice.kind, self.phase) {
            (Kind::Ready, Phase::Active { .. }) => {
                self.candidates.note(turn.now, source, notice.priority, notice.nonce);
            }
            (Kind::Nominated, Phase::Backup { waiting, .. }) => {
                let waits = matches!(waiting, Waiting::Silence | Waiting::Resigned(_));
                let interval = self.active_interval();
                let good = self
                    .ready
                    .is_some_and(|ready| ready.accepts(turn.now, source, notice.nonce, interval));
                if !(waits && good) {
                    return;
                }
                self.ready = None;
                let cause = self.peer.map(|peer| peer.event);
                let what = What::Nominated { by: source };
                let event = turn.out.event(turn.now, self.subject(), what, Reason::Packet, cause);
                let (armed_at, waiting) = (turn.now, Waiting::Nominated(event));
                self.phase = Phase::Backup { armed_at, waiting, preempt_at: None };
            }
            _ => {}
        }
    }

    /// It resigns: whoever would follow is named when it answers for its VIPs no more.
    pub(super) fn choose_nominee(&mut self, now: Instant) {
        self.nominee = self.candidates.best(now);
        self.candidates.clear();
    }

    /// It answers for its VIPs no more: names who follows, if it still does not hold. Once.
    pub(crate) fn nominate(&mut self, turn: &mut Turn<'_>) {
        let Some(Candidate { source, nonce, .. }) = self.nominee.take() else { return };
        if self.state() == State::Active {
            return;
        }
        self.notice(turn, source, Kind::Nominated, nonce);
        let what = What::Nominates { node: source };
        turn.out.event(turn.now, self.subject(), what, Reason::StateReleasesVips, self.changed_by);
    }

    /// Active to Backup, because somebody asked for it; stays back until then, or until it is told
    /// otherwise.
    pub(crate) fn leave(&mut self, turn: &mut Turn<'_>, until: Option<Instant>) {
        if self.state() != State::Active {
            return;
        }
        self.choose_nominee(turn.now);
        self.send(turn, Priority::RESIGN);
        self.traffic.resignations_sent += 1;
        turn.out.event(turn.now, self.subject(), What::Resigned, Reason::Switchover, None);
        self.wait_for_silence(turn.now, None);
        self.changed(turn, State::Active, Reason::Switchover, None);
        self.stay_back(Some(StayBack { until }));
    }

    /// Active to Backup, because it is hindered and somebody better is ready.
    pub(crate) fn give_way(&mut self, turn: &mut Turn<'_>, cause: EventId) {
        if self.state() != State::Active {
            return;
        }
        self.choose_nominee(turn.now);
        self.send(turn, Priority::RESIGN);
        self.traffic.resignations_sent += 1;
        let reason = Reason::VipRefused;
        turn.out.event(turn.now, self.subject(), What::Resigned, reason, Some(cause));
        self.wait_for_silence(turn.now, None);
        self.changed(turn, State::Active, reason, Some(cause));
    }

    /// Whether somebody is ready who is stronger than it is now.
    pub(crate) fn has_better(&self, now: Instant) -> bool {
        self.candidates.best(now).is_some_and(|one| one.priority > self.priority())
    }

    /// Stays back, or (`None`) does not any more.
    pub(crate) fn stay_back(&mut self, stay: Option<StayBack>) {
        self.stays_back = stay;
    }

    /// Whether it was switched over and is to stay back still.
    pub(super) fn stays_back(&self, now: Instant) -> bool {
        self.stays_back.is_some_and(|stay| stay.until.is_none_or(|until| now < until))
    }

    /// Who would follow.
    pub(crate) fn successor(&self, now: Instant) -> Option<IpAddr> {
        self.candidates.best(now).map(|one| one.source)
    }

    pub(super) fn ready_peers(&self) -> Vec<ReadyPeer> {
        let peer = |one: Candidate| ReadyPeer {
            source: one.source,
            priority: one.priority,
            told_at: one.told_at,
        };
        self.candidates.all().map(peer).collect()
    }

    fn notice(&self, turn: &mut Turn<'_>, to: IpAddr, kind: Kind, nonce: u64) {
        let Some(Attachment { index, source }) = self.around.attachment else { return };
        let notice = Notice {
            kind,
            vrid: self.config.vrid,
            family: self.config.family,
            priority: self.priority(),
            nonce,
        };
        let key = self.config.hmac.as_ref().and_then(|policy| policy.signing_key());
        let mut payload = turn.out.rooms.payload();
        notice.encode_into(key, source, to, &mut payload);
        turn.out.notice(base::Transmit { index, source, destination: to, ttl: 255, payload });
    }
}
