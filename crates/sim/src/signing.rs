//! What becomes of a signed advert, by the rules and not by the product: the numbers in trailers are
//! read here by hand, compared with clocks and with what came before.
//!
//! Every receiver keeps the highest number of each sender, as VRRP-114 and 115 want it; an advert that
//! is late by the clock, or no newer than one before it, is refused and must change nothing. Whether
//! the signature itself is right is not asked: who forges one here says so ([`Mail::spoiled`]).
//!
//! [`Mail::spoiled`]: crate::Mail::spoiled

use core::net::IpAddr;
use std::collections::BTreeMap;

use base::{Transmit, Wall};
use vip::last_will::Seal;
use vrrp::InstanceConfig;
use vrrp::wire::hmac::{self, Freshness, Key, Mode, Sequence, Sequencer};

use crate::lan::Lan;
use crate::sight::Vr;

/// The octets of a trailer, and where its number begins in it.
const TRAILER: usize = 28;
const NUMBER: usize = 4;

/// The highest number each node has heard of each sender, as long as it can remember.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard(BTreeMap<(usize, Vr, IpAddr), u64>);

impl Heard {
    /// A node's engine knows nothing any more, of these virtual routers or of all.
    pub(crate) fn forget(&mut self, node: usize, kept: impl Fn(Vr) -> bool) {
        self.0.retain(|(of, vr, _), _| *of != node || kept(*vr));
    }

    /// What a node's engine knows now.
    pub(crate) fn of(&self, node: usize) -> Heard {
        let of_node = self.0.iter().filter(|((of, _, _), _)| *of == node);
        Self(of_node.map(|(key, number)| (*key, *number)).collect())
    }

    /// A node's engine knows what it knew then, whatever another has heard since.
    pub(crate) fn restore(&mut self, node: usize, then: Heard) {
        self.forget(node, |_| false);
        self.0.extend(then.0);
    }

    /// Whether a receiver with this configuration, whose clock says `wall`, refuses an advert for
    /// what its trailer says, or for having none. What it does not refuse is used up.
    pub(crate) fn refuses(
        &mut self,
        (node, vr, source): (usize, Vr, IpAddr),
        config: &InstanceConfig,
        wall: Wall,
        payload: &[u8],
    ) -> bool {
        let (Some(policy), number) = (&config.hmac, number(vr, payload)) else {
            return number(vr, payload).is_some();
        };
        let Some((key, number)) = number else { return policy.mode() == Mode::Enforce };
        if policy.ids().all(|known| known != key) {
            return true;
        }
        if let Freshness::Time { window } = policy.freshness() {
            let units = |wall: Wall| {
                let fraction = (u128::from(wall.subsec_nanos()) << 32) / 1_000_000_000;
                (u128::from(wall.seconds() & 0xffff_ffff) << 32) | fraction
            };
            let off = units(wall).abs_diff(u128::from(number));
            // The clock is known to 1/65536 of a second.
            let nanos = ((off >> 16) * 1_000_000_000) >> 16;
            if nanos > window.as_nanos() {
                return true;
            }
        }
        let highest = self.0.entry((node, vr, source)).or_default();
        let stale = number <= *highest;
        *highest = number.max(*highest);
        stale
    }
}

/// The number of the key and that of the advert, if there is room for a trailer behind the message.
fn number(vr: Vr, payload: &[u8]) -> Option<(u8, u64)> {
    let addresses = usize::from(*payload.get(3)?) * if vr.v6 { 16 } else { 4 };
    let trailer = payload.get(8 + addresses..)?;
    if payload.first()? >> 4 != 3 || trailer.len() != TRAILER {
        return None;
    }
    let number: [u8; 8] = trailer.get(NUMBER..NUMBER + 8)?.try_into().ok()?;
    Some((*trailer.get(1)?, u64::from_be_bytes(number)))
}

impl Lan {
    /// What a node's wall clock says.
    pub(crate) fn wall(&self, at: usize) -> Wall {
        let millis = i128::from(self.nodes[at].wall_offset);
        let nanos = i128::from(self.now.as_nanos()) + millis * 1_000_000;
        let nanos = u64::try_from(nanos.max(0)).unwrap_or(u64::MAX);
        let part = u32::try_from(nanos % 1_000_000_000).unwrap_or(0);
        Wall::new(nanos / 1_000_000_000, part)
    }

    /// Signs a farewell as a guardian does.
    pub(crate) fn sign(&self, at: usize, transmit: &mut Transmit, seal: &Seal) {
        let Ok(key) = Key::new(seal.key_id, seal.key.clone()) else { return };
        let freshness = match seal.window {
            Some(window) => Freshness::Time { window },
            None => Freshness::Monotonic,
        };
        let sequencer = &mut Sequencer::after(Sequence::from_bits(seal.last));
        let number = sequencer.next(self.wall(at), freshness);
        let (source, destination) = (transmit.source, transmit.destination);
        hmac::seal(&mut transmit.payload, &key, number, source, destination);
    }

    /// Somebody sets a node's wall clock so many milliseconds ahead of the world's.
    pub(crate) fn step_clock(&mut self, at: usize, ahead: i64) {
        self.nodes[at].wall_offset = ahead;
        let wall = self.wall(at);
        if self.nodes[at].is_awake(self.now) {
            self.handle(at, vrrp::Input::Wall(wall));
        }
    }
}
