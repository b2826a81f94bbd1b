//! What came out of the machine, in the order it came, with the bytes read back.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::num::NonZeroU8;

use base::{
    AddressOp, DeviceOp, Event, Family, IfIndex, Interval, LeaseOp, Mac, Reason, State, Transmit,
    Tuning, Version, Wall, WayOp, What,
};
use vip::last_will::Edit;
use vrrp::SocketSpec;
use vrrp::wire::hmac::{Demand, Freshness, Marks, Mode, Policy, Sequence};
use vrrp::wire::{
    Arrival, Auth, Body, ChecksumForm, ChecksumRule, PeerTerms, Reach, Terms, decode,
};

use crate::signed::{KEYS, key};

/// An advert, read back from its bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sent {
    pub(crate) index: IfIndex,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) ttl: u8,
    pub(crate) vrid: u8,
    pub(crate) priority: u8,
    pub(crate) interval: Interval,
    pub(crate) auth: Auth,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) form: ChecksumForm,
    /// The key and number it was signed with.
    pub(crate) signed: Option<(u8, Sequence)>,
    /// The MAC it is to come from, if not the interface's own.
    pub(crate) mac: Option<Mac>,
}

/// One output.
#[derive(Debug)]
pub(crate) enum Seen {
    Sockets(Vec<SocketSpec>),
    Advert(Sent),
    Lease(LeaseOp),
    Will(Edit),
    Batch(Vec<AddressOp>),
    Device(DeviceOp),
    Tune(Tuning),
    Ways(Vec<WayOp>),
    Filter(base::Filter),
    Promote(Vec<base::Name>),
    Frame { index: IfIndex, bytes: Vec<u8> },
    Event(Event),
}

impl Seen {
    /// Reads an advert back with our own decoder, which the wire tests hold against other daemons'.
    pub(crate) fn advert(mac: Option<Mac>, transmit: &Transmit) -> Seen {
        let Transmit { index, source, destination, ttl, payload } = transmit;
        let version = if payload[0] >> 4 == 2 { Version::V2 } else { Version::V3 };
        let octets = if source.is_ipv4() { 4 } else { 16 };
        let addresses = 8 + usize::from(payload[3]) * octets;
        let auth = match (version, payload[4]) {
            (Version::V2, 1) => {
                Auth::Pass(payload[addresses..addresses + 8].try_into().expect("eight octets"))
            }
            (Version::V2 | Version::V3, _) => Auth::None,
        };
        let length = addresses + if version == Version::V2 { 8 } else { 0 };
        let key_id = payload.get(length + 1).copied();
        // Signed by any key of the tests, at whatever time.
        let keys = KEYS.iter().map(|id| key(*id)).collect();
        let policy = Policy::new(keys, KEYS[0], Freshness::Monotonic, Mode::Permissive)
            .expect("the tests' keys are keys");
        let marks = Marks::default();
        let peers = [PeerTerms { address: *source, min_ttl: 0, max_ttl: 255 }];
        let theirs = [*destination];
        let terms = Terms {
            version,
            family: Family::of(source),
            reach: if destination.is_multicast() {
                Reach::Multicast { group: *destination }
            } else {
                Reach::Unicast { peers: &peers, check_source: true }
            },
            checksum: ChecksumRule::Either,
            auth: &auth,
            hmac: Some(Demand { policy: &policy, marks: &marks, wall: Wall::default() }),
            allowed: &[],
            own_interval_v2: NonZeroU8::new(payload[5]).unwrap_or(NonZeroU8::MIN),
            own_addresses: if destination.is_multicast() { &[] } else { &theirs },
            subnets: &[],
            bare: true,
            strict: false,
        };
        let (source, destination, ttl) = (*source, *destination, *ttl);
        let heard = decode(&Arrival { source, destination, ttl, payload }, &terms)
            .unwrap_or_else(|why| panic!("an advert nobody would accept: {why}"));
        let (interval, auth) = match *heard.advert.body() {
            Body::V2 { interval, auth } => (Interval::V2(interval), auth),
            Body::V3 { interval } => (Interval::V3(interval), Auth::None),
        };
        Seen::Advert(Sent {
            index: *index,
            source,
            destination,
            ttl,
            vrid: heard.advert.vrid().get(),
            priority: heard.advert.priority().get(),
            interval,
            auth,
            addresses: heard.advert.addresses().to_vec(),
            form: heard.checksum,
            signed: key_id.zip(heard.signed),
            mac,
        })
    }
}

/// Everything that came out at once.
#[derive(Debug, Default)]
pub(crate) struct Outs(pub(crate) Vec<Seen>);

impl Outs {
    fn each<T>(&self, pick: impl Fn(&Seen) -> Option<&T>) -> Vec<&T> {
        self.0.iter().filter_map(pick).collect()
    }

    pub(crate) fn adverts(&self) -> Vec<&Sent> {
        self.each(|seen| match seen {
            Seen::Advert(sent) => Some(sent),
            _ => None,
        })
    }

    /// What the guardian was told.
    pub(crate) fn wills(&self) -> Vec<Edit> {
        let pick = |seen: &Seen| match seen {
            Seen::Will(edit) => Some(edit.clone()),
            _ => None,
        };
        self.0.iter().filter_map(pick).collect()
    }

    /// The only advert.
    pub(crate) fn advert(&self) -> &Sent {
        let adverts = self.adverts();
        assert_eq!(adverts.len(), 1, "one advert in {self:?}");
        adverts[0]
    }

    /// The priorities of the adverts.
    pub(crate) fn spoken(&self) -> Vec<u8> {
        self.adverts().iter().map(|sent| sent.priority).collect()
    }

    /// What the kernel is asked: `+192.0.2.100` to add, `-192.0.2.100` to remove.
    pub(crate) fn ops(&self) -> Vec<String> {
        let batches = self.each(|seen| match seen {
            Seen::Batch(ops) => Some(ops),
            _ => None,
        });
        let text = |op: &AddressOp| match op {
            AddressOp::Add { vip, .. } => format!("+{}", vip.address),
            AddressOp::Remove { vip, .. } => format!("-{}", vip.address),
            AddressOp::Probe { vip, .. } => format!("?{}", vip.address),
        };
        batches.into_iter().flatten().map(text).collect()
    }

    /// What is asked about devices: `make vrrp.51`, `up 9`, `down 9`, `remove 9`.
    pub(crate) fn devices(&self) -> Vec<String> {
        let text = |op: &DeviceOp| match op {
            DeviceOp::Make { device, .. } => format!("make {}", device.name),
            DeviceOp::Remove { index } => format!("remove {index}"),
            DeviceOp::Raise { index } => format!("up {index}"),
            DeviceOp::Lower { index } => format!("down {index}"),
        };
        let ops = self.each(|seen| match seen {
            Seen::Device(op) => Some(op),
            _ => None,
        });
        ops.into_iter().map(text).collect()
    }

    /// What the filter of `no_accept` was told to cover, the last word.
    pub(crate) fn filtered(&self) -> Option<Vec<IpAddr>> {
        let filters = self.each(|seen| match seen {
            Seen::Filter(filter) => Some(filter),
            _ => None,
        });
        filters.last().map(|filter| filter.vips.iter().map(|(address, _)| *address).collect())
    }

    /// The addresses announced: senders of gratuitous ARPs, targets of neighbour advertisements.
    pub(crate) fn announced(&self) -> Vec<IpAddr> {
        let address = |seen: &Seen| match seen {
            Seen::Frame { bytes, .. } => Some(match bytes[12..14] {
                [0x08, 0x06] => {
                    let octets: [u8; 4] = bytes[28..32].try_into().expect("four octets");
                    IpAddr::from(Ipv4Addr::from(octets))
                }
                _ => {
                    let octets: [u8; 16] = bytes[62..78].try_into().expect("sixteen octets");
                    IpAddr::from(Ipv6Addr::from(octets))
                }
            }),
            _ => None,
        };
        self.0.iter().filter_map(address).collect()
    }

    pub(crate) fn sockets(&self) -> Option<&[SocketSpec]> {
        self.0.iter().find_map(|seen| match seen {
            Seen::Sockets(sockets) => Some(sockets.as_slice()),
            _ => None,
        })
    }

    pub(crate) fn events(&self) -> Vec<&Event> {
        self.each(|seen| match seen {
            Seen::Event(event) => Some(event),
            _ => None,
        })
    }

    /// What happened, in order.
    pub(crate) fn happened(&self) -> Vec<&What> {
        self.events().into_iter().map(|event| &event.what).collect()
    }

    pub(crate) fn has(&self, what: &What) -> bool {
        self.happened().contains(&what)
    }

    /// Changes of state, and why.
    pub(crate) fn changes(&self) -> Vec<(State, State, Reason)> {
        let change = |event: &&Event| match event.what {
            What::StateChanged { from, to, .. } => Some((from, to, event.reason)),
            _ => None,
        };
        self.events().iter().filter_map(change).collect()
    }

    /// The kinds of output, in order, runs of one kind as one.
    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        let mut kinds: Vec<&str> = self
            .0
            .iter()
            .map(|seen| match seen {
                Seen::Sockets(_) => "sockets",
                Seen::Lease(_) => "lease",
                Seen::Will(_) => "will",
                Seen::Advert(_) => "advert",
                Seen::Batch(_) => "batch",
                Seen::Device(_) => "device",
                Seen::Tune(_) => "tune",
                Seen::Ways(_) => "ways",
                Seen::Filter(_) => "filter",
                Seen::Promote(_) => "promote",
                Seen::Frame { .. } => "frame",
                Seen::Event(_) => "event",
            })
            .collect();
        kinds.dedup();
        kinds
    }

    /// Nothing at all came out.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing came out that anybody but an observer would notice.
    pub(crate) fn is_quiet(&self) -> bool {
        self.0.iter().all(|seen| match seen {
            Seen::Event(_) | Seen::Will(_) | Seen::Lease(_) => true,
            Seen::Filter(filter) => filter.vips.is_empty(),
            _ => false,
        })
    }
}
