//! A bystander at the switch who writes down every advert and every announcement, who sent it, and
//! when.
//!
//! It reads the frames with eyes of its own: a second, smaller decoder that shares nothing with the
//! one under test. Each frame is noted once, where it enters the switch, so it is known by the port
//! who sent it, whatever it claims inside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use base::{IfIndex, Instant, Mac, Name, Priority};
use linux::clock::monotonic;
use linux::{Container, Hear, Inventory, Tap};

use crate::LabError;

/// What kind of frame it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Seen {
    /// A VRRP advert (RFC 9568 §5).
    Advert {
        /// The IP source address.
        source: IpAddr,
        /// 2 or 3, as the packet says.
        version: u8,
        /// The virtual router.
        vrid: u8,
        /// Its priority.
        priority: Priority,
        /// The VIPs it carries.
        addresses: Vec<IpAddr>,
    },
    /// A gratuitous ARP (RFC 5227 §3) or an unsolicited neighbour advertisement (RFC 4861 §7.2.6):
    /// `vip` is at `mac`.
    Announcement {
        /// The VIP.
        vip: IpAddr,
        /// The MAC it is at.
        mac: Mac,
    },
    /// Any other.
    Other,
}

/// A frame as it entered the switch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sighting {
    /// When.
    pub at: Instant,
    /// From whom: a node's name, or [`CLIENT`](crate::CLIENT).
    pub from: Name,
    /// What it was.
    pub seen: Seen,
    /// The whole frame, from the Ethernet header on.
    pub frame: Vec<u8>,
}

/// A running witness.
#[derive(Debug)]
pub struct Witness {
    sightings: Arc<Mutex<Vec<Sighting>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Witness {
    /// Listens at every port of the switch until dropped.
    pub(crate) fn start(switch: &Container, hear: Hear) -> Result<Self, LabError> {
        let failed = |cause| LabError::new("opening a tap at the switch", cause);
        let (tap, ports) = switch
            .run(move || Ok((Tap::open(hear, Duration::from_millis(50))?, Inventory::open()?)))
            .map_err(failed)?;
        let sightings = Arc::<Mutex<Vec<Sighting>>>::default();
        let stop = Arc::new(AtomicBool::new(false));
        let (notes, asked) = (Arc::clone(&sightings), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("witness".into())
            .spawn(move || {
                listen(&tap, Ports { inventory: ports, known: Vec::new() }, &notes, &asked)
            })
            .map_err(failed)?;
        Ok(Self { sightings, stop, thread: Some(thread) })
    }

    /// Everything noted so far, in order.
    #[must_use]
    pub fn sightings(&self) -> Vec<Sighting> {
        lock(&self.sightings).clone()
    }

    /// The first sighting at or after `since` that `wanted` accepts.
    #[must_use]
    pub fn first(&self, since: Instant, wanted: impl Fn(&Sighting) -> bool) -> Option<Sighting> {
        lock(&self.sightings).iter().find(|s| s.at >= since && wanted(s)).cloned()
    }

    /// The last sighting before `until` that `wanted` accepts.
    #[must_use]
    pub fn last(&self, until: Instant, wanted: impl Fn(&Sighting) -> bool) -> Option<Sighting> {
        lock(&self.sightings).iter().rev().find(|s| s.at < until && wanted(s)).cloned()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The switch's ports by number. A node that comes back gets new ones.
struct Ports {
    inventory: Inventory,
    known: Vec<(IfIndex, Name)>,
}

impl Ports {
    /// The owner of port `index`; `None` for the bridge itself and for what is gone already.
    fn owner(&mut self, index: IfIndex) -> Option<Name> {
        if !self.known.iter().any(|(known, _)| *known == index) {
            let links = self.inventory.links().unwrap_or_default();
            self.known = links.into_iter().map(|link| (link.index, link.name)).collect();
        }
        let (_, port) = self.known.iter().find(|(known, _)| *known == index)?;
        let owner = port.split('.').next().unwrap_or_default();
        (owner != "br0").then(|| owner.into())
    }
}

fn listen(tap: &Tap, mut ports: Ports, notes: &Mutex<Vec<Sighting>>, stop: &AtomicBool) {
    // Without the right to it, noted as punctually as may be.
    let _ = linux::real_time(2);
    let mut buffer = vec![0; 64 * 1024];
    while !stop.load(Ordering::Relaxed) {
        let Ok(Some(heard)) = tap.recv(&mut buffer) else { continue };
        let at = monotonic();
        if heard.outgoing {
            continue;
        }
        let Some(from) = ports.owner(heard.index) else { continue };
        let frame = buffer[..heard.length].to_vec();
        let seen = read(&frame).unwrap_or(Seen::Other);
        lock(notes).push(Sighting { at, from, seen, frame });
    }
}

fn lock(notes: &Mutex<Vec<Sighting>>) -> MutexGuard<'_, Vec<Sighting>> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(frame: &[u8]) -> Option<Seen> {
    let ethertype: [u8; 2] = *frame.get(12..)?.first_chunk()?;
    let body = frame.get(14..)?;
    match ethertype {
        [0x08, 0x06] => arp(body),
        [0x08, 0x00] => {
            let header = usize::from(*body.first()? & 15) * 4;
            let source: [u8; 4] = *body.get(12..)?.first_chunk()?;
            // Ethernet pads short frames; the datagram's own length counts.
            let total: [u8; 2] = *body.get(2..)?.first_chunk()?;
            let payload = body.get(header..usize::from(u16::from_be_bytes(total)))?;
            (*body.get(9)? == 112).then(|| advert(Ipv4Addr::from(source).into(), payload))?
        }
        [0x86, 0xdd] => {
            let source: [u8; 16] = *body.get(8..)?.first_chunk()?;
            let payload = body.get(40..)?;
            match *body.get(6)? {
                112 => advert(Ipv6Addr::from(source).into(), payload),
                58 => neighbour_advertisement(payload),
                _ => None,
            }
        }
        _ => None,
    }
}

/// RFC 9568 §5.2; VRRPv2's fixed part is laid out the same as far as we read it.
fn advert(source: IpAddr, packet: &[u8]) -> Option<Seen> {
    let [first, vrid, priority, count, ..] = *packet else { return None };
    let list = packet.get(8..)?;
    let addresses = match source {
        IpAddr::V4(_) => {
            list.as_chunks::<4>().0.iter().map(|octets| Ipv4Addr::from(*octets).into()).collect()
        }
        IpAddr::V6(_) => {
            list.as_chunks::<16>().0.iter().map(|octets| Ipv6Addr::from(*octets).into()).collect()
        }
    };
    let mut addresses: Vec<IpAddr> = addresses;
    addresses.truncate(count.into());
    (first & 15 == 1).then(|| Seen::Advert {
        source,
        version: first >> 4,
        vrid,
        priority: Priority::new(priority),
        addresses,
    })
}

/// RFC 826; gratuitous when sender and target are the same, be it a request or a reply.
fn arp(packet: &[u8]) -> Option<Seen> {
    let sender: [u8; 6] = *packet.get(8..)?.first_chunk()?;
    let claimed: [u8; 4] = *packet.get(14..)?.first_chunk()?;
    let target: [u8; 4] = *packet.get(24..)?.first_chunk()?;
    (claimed == target)
        .then(|| Seen::Announcement { vip: Ipv4Addr::from(claimed).into(), mac: Mac(sender) })
}

/// RFC 4861 §4.4: type 136, the Solicited flag clear, with a target link-layer address (option 2).
fn neighbour_advertisement(packet: &[u8]) -> Option<Seen> {
    let [136, _, _, _, flags, ..] = *packet else { return None };
    let target: [u8; 16] = *packet.get(8..)?.first_chunk()?;
    let [2, 1, mac @ ..] = packet.get(24..)? else { return None };
    let mac = Mac(*mac.first_chunk()?);
    (flags & 0x40 == 0).then(|| Seen::Announcement { vip: Ipv6Addr::from(target).into(), mac })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ethernet(ethertype: u16, body: &[u8]) -> Vec<u8> {
        [&[0xff; 6][..], &[2, 0, 0, 0, 0, 2], &ethertype.to_be_bytes(), body].concat()
    }

    #[test]
    fn an_advert_is_read_whatever_the_padding() {
        let mut body = vec![0x45, 0xc0, 0, 32, 0, 0, 0, 0, 255, 112, 0, 0];
        body.extend([193, 168, 0, 2, 224, 0, 0, 18]);
        body.extend([0x31, 51, 150, 1, 0, 100, 0, 0, 193, 168, 0, 6]);
        body.extend([0; 14]);
        let source = IpAddr::from([193, 168, 0, 2]);
        let addresses = vec![IpAddr::from([193, 168, 0, 6])];
        let priority = Priority::new(150);
        let advert = Seen::Advert { source, version: 3, vrid: 51, priority, addresses };
        assert_eq!(read(&ethernet(0x0800, &body)), Some(advert));
        body[9] = 17;
        assert_eq!(read(&ethernet(0x0800, &body)), None, "another protocol");
    }

    #[test]
    fn a_gratuitous_arp_is_an_announcement_and_a_question_is_not() {
        let mut body = vec![0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 193, 168, 0, 6];
        body.extend([0, 0, 0, 0, 0, 0, 193, 168, 0, 6]);
        let vip = IpAddr::from([193, 168, 0, 6]);
        let announcement = Seen::Announcement { vip, mac: Mac([2, 0, 0, 0, 0, 2]) };
        assert_eq!(read(&ethernet(0x0806, &body)), Some(announcement));
        body[27] = 7;
        assert_eq!(read(&ethernet(0x0806, &body)), None);
    }

    #[test]
    fn an_unsolicited_neighbour_advertisement_is_an_announcement() {
        let vip: Ipv6Addr = "2001:db8::6".parse().unwrap();
        let mut packet = vec![136, 0, 0, 0, 0xa0, 0, 0, 0];
        packet.extend(vip.octets());
        packet.extend([2, 1, 2, 0, 0, 0, 0, 2]);
        let mut body = vec![0x60, 0, 0, 0, 0, 32, 58, 255];
        body.extend([0; 32]);
        body.extend(&packet);
        let announcement = Seen::Announcement { vip: vip.into(), mac: Mac([2, 0, 0, 0, 0, 2]) };
        assert_eq!(read(&ethernet(0x86dd, &body)), Some(announcement));
        body[44] = 0x60;
        assert_eq!(read(&ethernet(0x86dd, &body)), None, "an answer to a solicitation");
    }

    #[test]
    fn no_cut_off_frame_is_misread() {
        let mut body = vec![0x45, 0xc0, 0, 32, 0, 0, 0, 0, 255, 112, 0, 0];
        body.extend([193, 168, 0, 2, 224, 0, 0, 18]);
        body.extend([0x31, 51, 150, 1, 0, 100, 0, 0, 193, 168, 0, 6]);
        let frame = ethernet(0x0800, &body);
        for length in 0..frame.len() {
            assert_eq!(read(&frame[..length]), None, "{length}");
        }
    }
}
