//! What an instance remembers of those it hears, and what it tells about them once.
//!
//! Nothing here decides who holds. It learns the holder's interval and checksum form (RFC 9568
//! §6.4.2), and turns what is unusual into events that do not repeat with every advert.

use core::net::IpAddr;
use core::time::Duration;

use base::{Reason, State, Version, What};

use super::{Instance, Peer, Standing, Turn};
use crate::wire::hmac::{Freshness, Sequence};
use crate::wire::{Advert, Counter, Heard};

impl Instance {
    /// Takes note of who holds, and learns from it (RFC 9568 §6.4.2: interval; DESIGN: checksum).
    pub(super) fn note_peer(&mut self, turn: &mut Turn<'_>, source: IpAddr, heard: &Heard) {
        self.learned_interval = Some(heard.advert.interval());
        // Whose interval it is decides, not who is heard beside it.
        self.proven = self.standing_of(source) == Standing::Again;
        self.learned_form = Some(heard.checksum);
        self.remember(turn, source, heard);
        if self.state() == State::Backup {
            self.tell_ready(turn, source);
        }
    }

    /// Remembers who holds and tells what is unusual about it, once.
    pub(super) fn remember(&mut self, turn: &mut Turn<'_>, source: IpAddr, heard: &Heard) {
        let priority = heard.advert.priority();
        let interval = heard.advert.interval();
        let known = self.peer.filter(|peer| peer.source == source);
        let standing = self.standing_of(source);
        let event = match known {
            Some(peer) if peer.priority == priority => peer.event,
            _ => {
                let what = What::PeerHeard { source, priority, interval };
                turn.out.event(turn.now, self.subject(), what, Reason::Packet, [])
            }
        };
        self.peer = Some(Peer { source, priority, interval, at: turn.now, event, standing });
        self.tell_interval(turn, source, interval);
        self.tell_cap(turn, source, interval);
        self.tell_list(turn, source, &heard.advert);
    }

    /// What the word of this source is worth, now that it is heard.
    fn standing_of(&self, source: IpAddr) -> Standing {
        let known = self.peer.filter(|peer| peer.source == source);
        match known.map(|peer| peer.standing) {
            Some(Standing::Once | Standing::Again) => Standing::Again,
            Some(Standing::Past) | None => Standing::Once,
        }
    }

    /// VRRP-034: another interval is learned, and told once.
    fn tell_interval(&mut self, turn: &mut Turn<'_>, source: IpAddr, theirs: Duration) {
        let ours = self.config.interval.as_duration();
        let told = self.troubles.get().and_then(|troubles| troubles.told_interval);
        if theirs != ours && told != Some((source, theirs)) {
            self.troubles.note().told_interval = Some((source, theirs));
            let what = What::IntervalDiffers { source, theirs, ours };
            turn.out.event(turn.now, self.subject(), what, Reason::Packet, []);
        }
    }

    /// VRRP-075: an interval that is too long to be believed is told, once for each bound.
    fn tell_cap(&mut self, turn: &mut Turn<'_>, source: IpAddr, theirs: Duration) {
        let cap = self.interval_cap();
        let bites = self.config.version() == Version::V3 && theirs > cap;
        let told = self.troubles.get().and_then(|troubles| troubles.told_cap);
        if bites && told != Some((source, cap)) {
            self.troubles.note().told_cap = Some((source, cap));
            let what = What::IntervalCapped { source, theirs, cap };
            turn.out.event(turn.now, self.subject(), what, Reason::Packet, []);
        }
    }

    /// What a signature, or its absence, has to say. The number is used up, whatever the advert will
    /// mean.
    pub(super) fn note_signature(&mut self, turn: &mut Turn<'_>, source: IpAddr, heard: &Heard) {
        let Some(policy) = &self.config.hmac else { return };
        let Some(number) = heard.signed else {
            self.traffic.unsigned_received += 1;
            self.troubles.note().refusals.count_only(Counter::HmacMissing);
            if self.troubles.note().told_unsigned.due(turn.now, source) {
                let what = What::UnsignedHeard { source };
                turn.out.event(turn.now, self.subject(), what, Reason::Packet, []);
            }
            return;
        };
        self.marks.note(turn.now, source, number);
        let Freshness::Time { window } = policy.freshness() else { return };
        let off = number.distance(Sequence::of(turn.wall));
        // Half the way to where its adverts will be refused.
        if off > window / 2 && self.troubles.note().told_skew.due(turn.now, source) {
            let what = What::ClockSkew { source, off, window };
            turn.out.event(turn.now, self.subject(), what, Reason::Packet, []);
        }
    }

    /// VRRP-035: another VIP list is accepted, and told once.
    fn tell_list(&mut self, turn: &mut Turn<'_>, source: IpAddr, advert: &Advert) {
        let theirs = advert.addresses();
        let ours = &self.config.vips;
        let same =
            theirs.len() == ours.len() && ours.iter().all(|vip| theirs.contains(&vip.address));
        let told = self
            .troubles
            .get()
            .and_then(|troubles| troubles.told_list.as_ref())
            .is_some_and(|(who, list)| *who == source && list.as_slice() == theirs);
        if !same && !told && !ours.is_empty() {
            self.troubles.note().told_list = Some((source, theirs.to_vec()));
            let what = What::VipListDiffers { source };
            turn.out.event(turn.now, self.subject(), what, Reason::Packet, []);
        }
    }

    /// A Backup expects one holder.
    pub(super) fn note_rival(&mut self, turn: &mut Turn<'_>, source: IpAddr) {
        let news = self.rivals.heard(turn.now, source, self.active_interval());
        self.tell_rivals(turn, news, Reason::Packet, None);
    }
}
