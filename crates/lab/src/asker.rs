//! Somebody on the link who keeps asking where a VIP lives, and writes down everybody who answers.
//!
//! Every few milliseconds it sends the question a neighbour would (an ARP request, RFC 826; a
//! neighbour solicitation, RFC 4861 §7.2.2), without believing or remembering any answer, so each
//! question finds out anew who answers *now*. It builds and reads frames by itself; the client's own
//! kernel has no part in it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base::{Instant, Mac, Name};
use linux::clock::monotonic;
use linux::{FrameSender, Hear, Inventory, Tap};

use crate::LabError;
use crate::node::Node;
use crate::probe::Worker;

/// One answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claim {
    /// When it arrived.
    pub at: Instant,
    /// Where it says the VIP lives.
    pub mac: Mac,
}

/// Answers further apart than this belong to different spells of answering.
const SPELL: Duration = Duration::from_millis(60);

/// A running asker.
#[derive(Debug)]
pub struct Asker {
    claims: Arc<Mutex<Vec<Claim>>>,
    _asks: Worker,
    _hears: Worker,
}

impl Asker {
    /// Asks for `vip` from the client's card every `every`, until dropped.
    pub(crate) fn start(client: &Node, vip: IpAddr, every: Duration) -> Result<Self, LabError> {
        let failed = |cause: std::io::Error| LabError::new("asking for the VIP", cause);
        let card = client.cards().first().cloned();
        let card = card.ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
        let own = card.addresses.iter().map(|(address, _)| *address);
        let question = own
            .filter_map(|own| question(own, card.mac, vip))
            .next()
            .ok_or_else(|| failed(std::io::ErrorKind::AddrNotAvailable.into()))?;
        let interface: Name = card.interface;
        let (sender, tap, index) = client
            .run(move || {
                let links = Inventory::open()?.links().map_err(std::io::Error::other)?;
                let link = links.into_iter().find(|link| link.name == interface);
                let index = link.ok_or(std::io::ErrorKind::NotFound)?.index;
                let tap = Tap::open(Hear::Election, Duration::from_millis(20))?;
                Ok((FrameSender::open()?, tap, index))
            })
            .map_err(failed)?;
        let claims = Arc::<Mutex<Vec<Claim>>>::default();
        let notes = Arc::clone(&claims);
        let mut buffer = vec![0; 2048];
        let hears = Worker::start("asker-hears", move || {
            let Ok(Some(frame)) = tap.recv(&mut buffer) else { return };
            let at = monotonic();
            if let Some(mac) = answer(&buffer[..frame.length], vip).filter(|_| !frame.outgoing) {
                notes.lock().unwrap_or_else(PoisonError::into_inner).push(Claim { at, mac });
            }
        })?;
        let asks = Worker::start("asker-asks", move || {
            // A full queue costs one question of many.
            let _ = sender.send(index, &question);
            std::thread::sleep(every);
        })?;
        Ok(Self { claims, _asks: asks, _hears: hears })
    }

    /// Every answer so far, in order.
    #[must_use]
    pub fn claims(&self) -> Vec<Claim> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last answer of `mac` in a time.
    #[must_use]
    pub fn last(&self, mac: Mac, from: Instant, until: Instant) -> Option<Instant> {
        let mine = |claim: &&Claim| claim.mac == mac && claim.at >= from && claim.at <= until;
        self.claims().iter().rev().find(mine).map(|claim| claim.at)
    }

    /// The first answer of `mac` from then on.
    #[must_use]
    pub fn first(&self, mac: Mac, from: Instant) -> Option<Instant> {
        let mine = |claim: &&Claim| claim.mac == mac && claim.at >= from;
        self.claims().iter().find(mine).map(|claim| claim.at)
    }

    /// For how long, at most, two have answered at one time since then.
    #[must_use]
    pub fn longest_overlap(&self, since: Instant) -> Duration {
        longest_overlap(self.claims().iter().filter(|claim| claim.at >= since))
    }
}

fn longest_overlap<'a>(claims: impl Iterator<Item = &'a Claim>) -> Duration {
    let mut spells: Vec<(Mac, Instant, Instant)> = Vec::new();
    for claim in claims {
        let current = spells.iter_mut().rev().find(|(mac, ..)| *mac == claim.mac);
        match current {
            Some((_, _, end)) if claim.at.since(*end) <= SPELL => *end = claim.at,
            _ => spells.push((claim.mac, claim.at, claim.at)),
        }
    }
    let mut longest = Duration::ZERO;
    for (n, (mac, begin, end)) in spells.iter().enumerate() {
        for (other, from, to) in &spells[n + 1..] {
            if other != mac {
                longest = longest.max((*end.min(to)).since(*begin.max(from)));
            }
        }
    }
    longest
}

/// The question as a whole frame; `None` if `own` is of another family.
fn question(own: IpAddr, mac: Mac, vip: IpAddr) -> Option<Vec<u8>> {
    match (own, vip) {
        (IpAddr::V4(own), IpAddr::V4(vip)) => {
            let mut frame = vec![0xff; 6];
            frame.extend(mac.0);
            frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
            frame.extend(mac.0);
            frame.extend(own.octets());
            frame.extend([0; 6]);
            frame.extend(vip.octets());
            Some(frame)
        }
        (IpAddr::V6(own), IpAddr::V6(vip)) => Some(solicitation(own, mac, vip)),
        _ => None,
    }
}

fn solicitation(own: Ipv6Addr, mac: Mac, vip: Ipv6Addr) -> Vec<u8> {
    let [.., a, b, c] = vip.octets();
    let group =
        Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]));
    let mut message = vec![135, 0, 0, 0, 0, 0, 0, 0];
    message.extend(vip.octets());
    message.extend([1, 1]);
    message.extend(mac.0);
    let pseudo = [&own.octets()[..], &group.octets(), &[0, 0, 0, 32, 0, 0, 0, 58], &message];
    let sum = checksum(&pseudo.concat());
    message[2..4].copy_from_slice(&sum);
    let mut frame = vec![0x33, 0x33, 0xff, a, b, c];
    frame.extend(mac.0);
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255]);
    frame.extend(own.octets());
    frame.extend(group.octets());
    frame.extend(message);
    frame
}

/// RFC 1071.
fn checksum(octets: &[u8]) -> [u8; 2] {
    let words = octets.as_chunks::<2>().0.iter().map(|word| u32::from(u16::from_be_bytes(*word)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let [_, _, high, low] = (!sum).to_be_bytes();
    [high, low]
}

/// Where this frame, if it answers our question, says that `vip` is.
fn answer(frame: &[u8], vip: IpAddr) -> Option<Mac> {
    let body = frame.get(14..)?;
    match (frame.get(12..14)?, vip) {
        // An ARP reply (operation 2) whose sender claims the VIP and means somebody else by it.
        ([8, 6], IpAddr::V4(vip)) => {
            let sender = Ipv4Addr::from(*body.get(14..)?.first_chunk::<4>()?);
            let target = Ipv4Addr::from(*body.get(24..)?.first_chunk::<4>()?);
            let answers = body.get(6..8)? == [0, 2] && sender == vip && target != vip;
            answers.then(|| body.get(8..)?.first_chunk().copied().map(Mac)).flatten()
        }
        // A solicited neighbour advertisement about the VIP.
        ([0x86, 0xdd], IpAddr::V6(vip)) if *body.get(6)? == 58 => {
            let message = body.get(40..)?;
            let about = Ipv6Addr::from(*message.get(8..)?.first_chunk::<16>()?);
            let answers = *message.first()? == 136 && *message.get(4)? & 0x40 != 0 && about == vip;
            answers.then(|| frame.get(6..)?.first_chunk().copied().map(Mac)).flatten()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Mac = Mac([2, 0, 0, 0, 0, 0xa]);
    const B: Mac = Mac([2, 0, 0, 0, 0, 0xb]);

    fn overlap(claims: &[(Mac, u64)]) -> u128 {
        let claim = |(mac, ms): &(Mac, u64)| Claim {
            mac: *mac,
            at: Instant::ZERO + Duration::from_millis(*ms),
        };
        let claims: Vec<Claim> = claims.iter().map(claim).collect();
        longest_overlap(claims.iter()).as_millis()
    }

    #[test]
    fn two_that_answer_in_turn_answer_at_one_time() {
        assert_eq!(overlap(&[(A, 0), (A, 5), (B, 10), (B, 15)]), 0);
        assert_eq!(overlap(&[(A, 0), (B, 5), (A, 10), (B, 15), (A, 20)]), 10);
        // Each had its time, and there was a pause between.
        assert_eq!(overlap(&[(A, 0), (B, 500), (B, 505), (A, 1000)]), 0);
    }

    #[test]
    fn a_question_is_no_answer_and_an_answer_is() {
        let (own, vip) = ("10.0.0.9".parse().unwrap(), "10.0.0.6".parse().unwrap());
        let mut frame = question(own, A, vip).unwrap();
        assert_eq!(answer(&frame, vip), None);
        // The same turned round.
        frame[21] = 2;
        frame[22..28].copy_from_slice(&B.0);
        frame[28..32].copy_from_slice(&[10, 0, 0, 6]);
        frame[38..42].copy_from_slice(&[10, 0, 0, 9]);
        assert_eq!(answer(&frame, vip), Some(B));
        frame[38..42].copy_from_slice(&[10, 0, 0, 6]);
        assert_eq!(answer(&frame, vip), None, "an announcement answers nobody");
        for length in 0..frame.len() {
            assert_eq!(answer(&frame[..length], vip), None, "{length}");
        }
    }
}
