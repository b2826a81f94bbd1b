//! A router in a small world that bytes decide about: two interfaces, a kernel that does or refuses
//! what it is asked, a lease table that may lose everything, and peers that say anything.
//!
//! What must hold: outputs end, a VIP is asked for only while its instance is Active (or an heir), and
//! time never runs out of things to wait for.

use core::net::IpAddr;
use core::time::Duration;

use base::{
    AddressFact, Batch, BatchDone, Centis, Errno, Family, IfIndex, Instant, Interval, KernelFact,
    LeaseAnswer, LeaseDone, LeaseOp, LeaseTrouble, LinkFact, Mac, Name, Preempt, Priority, State,
    Vip, Vrid,
};
use vip::announcer::BurstPolicy;
use vrrp::wire::{self, Auth, ChecksumRule};
use vrrp::{Checksum, Input, InstanceConfig, Output, Packet, Reach, Router};

use crate::bytes::Bytes;

pub(crate) struct World<'a> {
    bytes: Bytes<'a>,
    router: Router,
    now: Instant,
    asked: Vec<Batch>,
}

impl<'a> World<'a> {
    pub(crate) fn new(bytes: Bytes<'a>) -> Self {
        let now = Instant::ZERO + Duration::from_secs(1);
        Self { bytes, router: Router::new(), now, asked: Vec::new() }
    }

    /// Lets this many things happen, or as many as there are bytes for.
    pub(crate) fn run(&mut self, things: usize) {
        for _ in 0..things {
            let Some(kind) = self.bytes.next() else { break };
            let input = match kind % 10 {
                0 => self.configuration(),
                1 | 2 => self.packet(),
                3 => Input::Fact(self.link()),
                4 => Input::Fact(self.address()),
                5 => Input::Fact(KernelFact::Snapshot {
                    links: vec![link(2, true), link(3, self.bytes.flag())],
                    addresses: vec![own(2, "192.0.2.5"), own(2, "fe80::5"), own(3, "192.0.2.7")],
                }),
                6 => {
                    let Some(batch) = self.asked.pop() else { continue };
                    let refused = self.bytes.flag();
                    let outcome = |_| if refused { Err(Errno::PERM) } else { Ok(()) };
                    let outcomes = batch.ops.iter().map(outcome).collect();
                    Input::Done(BatchDone { ticket: batch.ticket, outcomes })
                }
                7 if self.bytes.small(64) == 0 => Input::Stop,
                7 if self.bytes.flag() => self.notice(),
                7 => Input::Slept { span: Duration::from_millis(self.bytes.small(5_000)) },
                _ => {
                    self.now = self.now + Duration::from_millis(self.bytes.small(1_500));
                    self.feed(Input::Wake { drained: false });
                    Input::Wake { drained: true }
                }
            };
            self.feed(input);
        }
    }

    pub(crate) fn feed(&mut self, input: Input) {
        self.router.handle(self.now, input);
        let mut outputs = 0;
        while let Some(output) = self.router.poll_output() {
            outputs += 1;
            assert!(outputs < 100_000, "it never ends");
            match output {
                Output::Batch(batch) => self.asked.push(batch),
                Output::Filter(_) => self.router.handle(self.now, Input::Filtered(None)),
                Output::Ways(batch) => {
                    let outcomes = batch.ops.iter().map(|_| Ok(())).collect();
                    let done = BatchDone { ticket: batch.ticket, outcomes };
                    self.router.handle(self.now, Input::WaysDone(done));
                }
                Output::Lease(ask) => {
                    let outcome = match ask.op {
                        _ if self.bytes.small(32) == 1 => Err(LeaseTrouble::Lapsed),
                        LeaseOp::Build => {
                            Ok(LeaseAnswer::Built { existed: false, listed: Vec::new() })
                        }
                        _ => Ok(LeaseAnswer::Done),
                    };
                    let done = LeaseDone { ticket: ask.ticket, outcome };
                    self.router.handle(self.now, Input::LeaseDone(done));
                }
                _ => {}
            }
        }
        let status = self.router.status();
        for one in status.instances {
            let waits = one.deadline.is_some() || one.state == State::Initialize;
            assert!(waits, "{} is {} and waits for nothing", one.name, one.state);
        }
    }

    fn configuration(&mut self) -> Input {
        let mut configs: Vec<InstanceConfig> = Vec::new();
        for name in ["a", "b", "c"] {
            if self.bytes.flag() {
                configs.push(self.instance(name));
            }
        }
        Input::Configure(configs)
    }

    fn instance(&mut self, name: &str) -> InstanceConfig {
        let family = if self.bytes.flag() { Family::V6 } else { Family::V4 };
        let address: IpAddr = match family {
            Family::V4 => IpAddr::from([192, 0, 2, 100]),
            Family::V6 => IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 0x100]),
        };
        let prefix = if family == Family::V4 { 24 } else { 64 };
        let interval = u16::try_from(1 + self.bytes.small(4095)).unwrap_or(100);
        let centis = Centis::new(interval).expect("it is 1..=4095");
        let priority = self.bytes.next().unwrap_or(100).max(1);
        let preempt = match self.bytes.small(3) {
            0 => Preempt::Never,
            1 => Preempt::After(Duration::ZERO),
            _ => Preempt::After(Duration::from_millis(self.bytes.small(9_000))),
        };
        InstanceConfig {
            name: name.into(),
            interface: Some("eth0".into()),
            vrid: Vrid::new(50 + self.bytes.next().unwrap_or(0) % 3).expect("it is not zero"),
            family,
            interval: Interval::V3(centis),
            priority: Priority::new(priority),
            preempt,
            reach: Reach::Multicast { group: wire::group(family) },
            source: None,
            auth: Auth::None,
            hmac: None,
            group: None,
            trackers: Vec::new(),
            sentinels: Vec::new(),
            allowed_sources: Vec::new(),
            checksum: Checksum { send: None, accept: ChecksumRule::Either },
            vips: vec![Vip::new(address, prefix, Name::from("eth0"))],
            excluded: Vec::new(),
            burst: BurstPolicy::default(),
            devices: Vec::new(),
            speaks_as: None,
            track: Vec::new(),
            track_own_interface: self.bytes.flag(),
            missed_adverts: 3,
            answer_rivals: self.bytes.flag(),
            owner_ignores_owners: false,
            parting_advert: true,
            learned_interval_cap: 10,
            startup_delay: Duration::ZERO,
            accept: true,
            fresh: None,
            promote_secondaries: false,
            ways: Vec::new(),
            lifetimes: self.bytes.flag(),
            lease: self.bytes.flag(),
            strict_sources: false,
        }
    }

    fn packet(&mut self) -> Input {
        let v6 = self.bytes.flag();
        let last = self.bytes.next().unwrap_or(9);
        let source: IpAddr = if v6 {
            IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, u16::from(last)])
        } else {
            IpAddr::from([192, 0, 2, last])
        };
        let destination = wire::group(Family::of(&source));
        let payload = if self.bytes.flag() {
            let length = usize::from(self.bytes.next().unwrap_or(0) % 64);
            self.bytes.take(length).to_vec()
        } else {
            self.advert(source, destination)
        };
        let index = index(2);
        Input::Packet(Packet { index, source, destination, ttl: 255, payload })
    }

    /// A word about a planned move, from somebody to somebody.
    fn notice(&mut self) -> Input {
        let last = self.bytes.next().unwrap_or(9);
        let (source, destination) = (IpAddr::from([192, 0, 2, last]), IpAddr::from([192, 0, 2, 5]));
        let length = usize::from(self.bytes.next().unwrap_or(0) % 40);
        let mut payload = b"MSN1".to_vec();
        payload.extend(self.bytes.take(length));
        let index = index(2);
        Input::Notice(Packet { index, source, destination, ttl: 255, payload })
    }

    /// One that is in order, whatever it says.
    fn advert(&mut self, source: IpAddr, destination: IpAddr) -> Vec<u8> {
        let family = Family::of(&source);
        let vrid = Vrid::new(50 + self.bytes.next().unwrap_or(0) % 3).expect("it is not zero");
        let priority = Priority::new(self.bytes.next().unwrap_or(0));
        let interval = u16::try_from(1 + self.bytes.small(4095)).unwrap_or(100);
        let interval = Centis::new(interval).expect("it is 1..=4095");
        let address: IpAddr = match family {
            Family::V4 => IpAddr::from([192, 0, 2, 100]),
            Family::V6 => IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 0x100]),
        };
        let body = wire::Body::V3 { interval };
        match wire::Advert::new(vrid, priority, vec![address], body) {
            Ok(advert) => advert.encode(wire::ChecksumForm::Rfc5798, source, destination),
            Err(_) => Vec::new(),
        }
    }

    fn link(&mut self) -> KernelFact {
        let number = 2 + u32::from(self.bytes.next().unwrap_or(0) % 2);
        if self.bytes.small(4) == 0 {
            KernelFact::LinkGone(index(number))
        } else {
            KernelFact::Link(link(number, self.bytes.flag()))
        }
    }

    fn address(&mut self) -> KernelFact {
        let address = match self.bytes.small(3) {
            0 => "192.0.2.5",
            1 => "192.0.2.100",
            _ => "fe80::100",
        };
        let fact = own(2, address);
        if self.bytes.flag() { KernelFact::Address(fact) } else { KernelFact::AddressGone(fact) }
    }
}

fn index(number: u32) -> IfIndex {
    IfIndex::new(number).expect("not zero")
}

fn link(number: u32, running: bool) -> LinkFact {
    LinkFact {
        index: index(number),
        name: if number == 2 { "eth0".into() } else { "eth1".into() },
        running,
        mac: Some(Mac([2, 0, 0, 0, 0, 1])),
        mtu: 1500,
        multicast: true,
        macvlan: None,
    }
}

fn own(number: u32, address: &str) -> AddressFact {
    let address: IpAddr = address.parse().expect("an address");
    let prefix = if address.is_ipv4() { 24 } else { 64 };
    AddressFact { index: index(number), address, prefix, tentative: false }
}
