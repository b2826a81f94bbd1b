//! What an instance remembers of those it hears, and what it tells about them once.
//!
//! Nothing here decides who holds. It learns the holder's interval and checksum form (RFC 9568
//! §6.4.2), and turns what is unusual into events that do not repeat with every advert.

use core::net::IpAddr;
use core::time::Duration;

use base::{Reason, What};

use super::{Instance, Peer, Turn};
use crate::wire::{Advert, Heard};

impl Instance {
    /// Takes note of who holds, and learns from it (RFC 9568 §6.4.2: interval; DESIGN: checksum).
    pub(super) fn note_peer(&mut self, turn: &mut Turn<'_>, source: IpAddr, heard: &Heard) {
        self.learned_interval = Some(heard.advert.interval());
        self.learned_form = Some(heard.checksum);
        self.remember(turn, source, heard);
    }

    /// Remembers who holds and tells what is unusual about it, once.
    pub(super) fn remember(&mut self, turn: &mut Turn<'_>, source: IpAddr, heard: &Heard) {
        let priority = heard.advert.priority();
        let interval = heard.advert.interval();
        let event = match self.peer {
            Some(peer) if peer.source == source && peer.priority == priority => peer.event,
            _ => {
                let what = What::PeerHeard { source, priority, interval };
                turn.out.event(turn.now, self.subject(), what, Reason::Packet, [])
            }
        };
        self.peer = Some(Peer { source, priority, interval, at: turn.now, event });
        self.tell_interval(turn, source, interval);
        self.tell_list(turn, source, &heard.advert);
    }

    /// VRRP-034: another interval is learned, and told once.
    fn tell_interval(&mut self, turn: &mut Turn<'_>, source: IpAddr, theirs: Duration) {
        let ours = self.config.interval.as_duration();
        if theirs != ours && self.told_interval != Some((source, theirs)) {
            self.told_interval = Some((source, theirs));
            let what = What::IntervalDiffers { source, theirs, ours };
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
            .told_list
            .as_ref()
            .is_some_and(|(who, list)| *who == source && list.as_slice() == theirs);
        if !same && !told && !ours.is_empty() {
            self.told_list = Some((source, theirs.to_vec()));
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
