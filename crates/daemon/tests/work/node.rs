//! A node of many instances with everything around its router played: a kernel that does what a
//! batch says and tells of it fact by fact, a table that grants every lease, peers that are mute.
//!
//! Nothing here costs more per VIP when there are more of them, so what grows is the router's.

use std::collections::VecDeque;
use std::time::Duration;

use base::{
    AddressFact, AddressOp, BatchDone, Centis, Family, IfIndex, Instant, Interval, KernelFact,
    LeaseAnswer, LeaseDone, LeaseOp, LinkFact, Mac, Name, Preempt, Priority, State, Vip, Vrid,
};
use vip::announcer::BurstPolicy;
use vrrp::wire::{self, Arrival, Auth, ChecksumForm, ChecksumRule};
use vrrp::{Checksum, Input, InstanceConfig, Output, Reach, Router};

/// Virtual routers on one link at most.
const PER_LINK: usize = 255;

/// What the router was seen to ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Asked {
    /// Adverts.
    pub(crate) adverts: u64,
    /// Notices to other nodes.
    pub(crate) notices: u64,
    /// Batches.
    pub(crate) batches: u64,
    /// Operations in them.
    pub(crate) operations: u64,
    /// Keys in lease operations.
    pub(crate) keys: u64,
    /// Renewals.
    pub(crate) renewals: u64,
    /// Frames.
    pub(crate) frames: u64,
    /// Events.
    pub(crate) events: u64,
    /// The most operations in one batch.
    pub(crate) largest: usize,
}

/// The node.
pub(crate) struct Node {
    /// Its router.
    pub(crate) router: Router,
    /// Its clock.
    pub(crate) now: Instant,
    /// What was asked for so far.
    pub(crate) asked: Asked,
    instances: usize,
    news: VecDeque<Input>,
}

fn index(link: usize) -> IfIndex {
    IfIndex::new(u32::try_from(link).expect("few links") + 2).expect("not zero")
}

fn own(link: usize) -> std::net::IpAddr {
    [172, 16, u8::try_from(link).expect("few links"), 2].into()
}

/// The source of whoever else speaks on a link.
fn peer(link: usize) -> std::net::IpAddr {
    [172, 16, u8::try_from(link).expect("few links"), 1].into()
}

fn config(n: usize, vips: usize, priority: u8) -> InstanceConfig {
    let (link, vrid) = (n / PER_LINK, n % PER_LINK);
    let interface = Name::from(format!("v{link}"));
    let vip = |k: usize| {
        let number = 0x0a64_0000 + u32::try_from(n * vips + k).expect("fits");
        Vip::new(std::net::Ipv4Addr::from(number).into(), 32, interface.clone())
    };
    let all: Vec<Vip> = (0..vips).map(vip).collect();
    let (listed, excluded) = all.split_at(vips.min(20));
    InstanceConfig {
        name: format!("I{n}").into(),
        interface: Some(interface.clone()),
        vrid: Vrid::new(u8::try_from(vrid + 1).expect("at most 255")).expect("not zero"),
        family: Family::V4,
        interval: Interval::V3(Centis::new(100).expect("legal")),
        priority: Priority::new(priority),
        preempt: Preempt::After(Duration::ZERO),
        reach: Reach::Multicast { group: wire::group(Family::V4) },
        source: None,
        auth: Auth::None,
        hmac: None,
        allowed_sources: Vec::new(),
        group: None,
        trackers: Vec::new(),
        sentinels: Vec::new(),
        checksum: Checksum { send: Some(ChecksumForm::Rfc5798), accept: ChecksumRule::Either },
        vips: listed.to_vec(),
        excluded: excluded.to_vec(),
        burst: BurstPolicy::default(),
        devices: Vec::new(),
        speaks_as: None,
        track: Vec::new(),
        track_own_interface: true,
        missed_adverts: 3,
        answer_rivals: true,
        owner_ignores_owners: false,
        parting_advert: true,
        learned_interval_cap: 10,
        startup_delay: Duration::ZERO,
        accept: true,
        fresh: None,
        promote_secondaries: false,
        ways: Vec::new(),
        lifetimes: true,
        lease: true,
        strict_sources: false,
    }
}

impl Node {
    /// So many instances with so many VIPs each, all Backup.
    pub(crate) fn new(instances: usize, vips: usize, priority: u8) -> Self {
        Self::with((0..instances).map(|n| config(n, vips, priority)).collect())
    }

    /// The same, their VIPs without a lifetime in the kernel.
    #[allow(dead_code, reason = "not every binary that shares this file asks for it")]
    pub(crate) fn without_lifetimes(instances: usize, vips: usize, priority: u8) -> Self {
        let of = |n| InstanceConfig { lifetimes: false, ..config(n, vips, priority) };
        Self::with((0..instances).map(of).collect())
    }

    fn with(configs: Vec<InstanceConfig>) -> Self {
        let instances = configs.len();
        let mut node = Node {
            router: Router::new(),
            now: Instant::ZERO + Duration::from_secs(100),
            asked: Asked::default(),
            instances,
            news: VecDeque::new(),
        };
        let links = instances.div_ceil(PER_LINK);
        let link = |link: usize| LinkFact {
            index: index(link),
            name: format!("v{link}").into(),
            running: true,
            mac: Some(Mac([2, 0, 0, 0, 0, 1])),
            mtu: 1500,
            multicast: true,
            macvlan: None,
        };
        let address = |link: usize| AddressFact {
            index: index(link),
            address: own(link),
            prefix: 24,
            tentative: false,
        };
        let snapshot = KernelFact::Snapshot {
            links: (0..links).map(link).collect(),
            addresses: (0..links).map(address).collect(),
        };
        node.input(Input::Fact(snapshot));
        node.configure(configs);
        node
    }

    /// Reloads.
    pub(crate) fn configure(&mut self, configs: Vec<InstanceConfig>) {
        self.input(Input::Configure(configs));
    }

    /// The same configuration but for the priority of the first instance, if `other`.
    pub(crate) fn reload_one(&mut self, vips: usize, priority: u8, other: bool) {
        let mut configs: Vec<_> = (0..self.instances).map(|n| config(n, vips, priority)).collect();
        configs[0].priority = Priority::new(priority - u8::from(other));
        self.configure(configs);
    }

    /// One input, and everything that follows from it.
    pub(crate) fn input(&mut self, input: Input) {
        self.router.handle(self.now, input);
        self.drain();
        while let Some(news) = self.news.pop_front() {
            self.router.handle(self.now, news);
            self.drain();
        }
    }

    /// A peer that says to instance `n` what a holder of `priority` says; `octets` from
    /// [`Node::peer_advert`].
    pub(crate) fn hear(&mut self, n: usize, octets: &[u8]) {
        let link = n / PER_LINK;
        let arrival = Arrival {
            source: peer(link),
            destination: wire::group(Family::V4),
            ttl: 255,
            payload: octets,
        };
        self.router.handle_packet(self.now, index(link), &arrival);
        self.drain();
    }

    /// A peer that tells instance `n` something; `octets` from [`Node::peer_notice`].
    #[allow(dead_code, reason = "not every binary that shares this file asks for it")]
    pub(crate) fn hear_notice(&mut self, n: usize, octets: &[u8]) {
        let link = n / PER_LINK;
        let (source, destination) = (peer(link), own(link));
        let arrival = Arrival { source, destination, ttl: 255, payload: octets };
        self.router.handle_notice(self.now, index(link), &arrival);
        self.drain();
    }

    /// What a peer of instance `n` tells it that is ready to follow.
    #[allow(dead_code, reason = "not every binary that shares this file asks for it")]
    pub(crate) fn peer_notice(&self, n: usize) -> Vec<u8> {
        let config = config(n, 1, 90);
        let notice = vrrp::moves::Notice {
            kind: vrrp::moves::Kind::Ready,
            vrid: config.vrid,
            family: config.family,
            priority: config.priority,
            nonce: as_u64(n),
        };
        let link = n / PER_LINK;
        notice.encode(None, peer(link), own(link))
    }

    /// What a peer of instance `n` says.
    pub(crate) fn peer_advert(&self, n: usize, vips: usize, priority: u8) -> Vec<u8> {
        let config = config(n, vips, priority);
        let addresses = config.vips.iter().map(|vip| vip.address).collect();
        let Interval::V3(interval) = config.interval else { unreachable!("version 3") };
        let body = wire::Body::V3 { interval };
        let advert = wire::Advert::new(config.vrid, config.priority, addresses, body);
        let (source, group) = (peer(n / PER_LINK), wire::group(Family::V4));
        advert.expect("legal").encode(ChecksumForm::Rfc5798, source, group)
    }

    /// Wakes the router whenever it wants to be woken, for so long.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.router.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.input(Input::Wake { drained: false });
            self.input(Input::Wake { drained: true });
        }
        self.now = end;
    }

    /// Lets everybody take over.
    pub(crate) fn take_over(&mut self) {
        self.run(Duration::from_secs(5));
        assert_eq!(self.holders(), self.instances);
    }

    /// Gives back the room of what the kernel has told.
    #[allow(dead_code, reason = "not every binary that shares this file asks for it")]
    pub(crate) fn forget_news(&mut self) {
        self.news = VecDeque::new();
    }

    /// How many hold.
    pub(crate) fn holders(&self) -> usize {
        let status = self.router.status();
        status.instances.iter().filter(|one| one.state == State::Active).count()
    }

    fn drain(&mut self) {
        while let Some(output) = self.router.poll_output() {
            match output {
                Output::Advert(transmit) => {
                    self.asked.adverts += 1;
                    self.router.reuse(transmit);
                }
                Output::Batch(batch) => {
                    self.asked.batches += 1;
                    self.asked.operations += as_u64(batch.ops.len());
                    self.asked.largest = self.asked.largest.max(batch.ops.len());
                    let outcomes = vec![Ok(()); batch.ops.len()];
                    let done = BatchDone { ticket: batch.ticket, outcomes };
                    self.news.push_back(Input::Done(done));
                    self.news.extend(batch.ops.iter().map(fact).map(Input::Fact));
                }
                Output::Filter(_) => self.news.push_back(Input::Filtered(None)),
                Output::Ways(batch) => {
                    let outcomes = vec![Ok(()); batch.ops.len()];
                    let done = BatchDone { ticket: batch.ticket, outcomes };
                    self.news.push_back(Input::WaysDone(done));
                }
                Output::Lease(ask) => {
                    let answer = match &ask.op {
                        LeaseOp::Build => LeaseAnswer::Built { existed: false, listed: Vec::new() },
                        LeaseOp::List { keys, .. } | LeaseOp::Unlist { keys } => {
                            self.asked.keys += as_u64(keys.len());
                            LeaseAnswer::Done
                        }
                        LeaseOp::Renew { .. } => {
                            self.asked.renewals += 1;
                            LeaseAnswer::Done
                        }
                        _ => LeaseAnswer::Done,
                    };
                    let done = LeaseDone { ticket: ask.ticket, outcome: Ok(answer) };
                    self.router.handle(self.now, Input::LeaseDone(done));
                }
                Output::Frame { .. } => self.asked.frames += 1,
                Output::Event(_) => self.asked.events += 1,
                // No instance here has a virtual MAC.
                Output::VirtualAdvert { .. }
                | Output::Device(_)
                | Output::Tune(_)
                | Output::Promote(_) => {
                    unreachable!()
                }
                Output::Notice(transmit) => {
                    self.asked.notices += 1;
                    self.router.reuse(transmit);
                }
                Output::Sockets(_) | Output::Watch(_) | Output::Will(_) => {}
            }
        }
    }
}

fn as_u64(n: usize) -> u64 {
    u64::try_from(n).expect("fits")
}

/// What the kernel says when it has done this.
fn fact(op: &AddressOp) -> KernelFact {
    let of = |index: IfIndex, vip: &Vip| AddressFact {
        index,
        address: vip.address,
        prefix: vip.prefix,
        tentative: false,
    };
    match op {
        AddressOp::Add { index, vip } => KernelFact::Address(of(*index, vip)),
        AddressOp::Remove { index, vip } | AddressOp::Probe { index, vip } => {
            KernelFact::AddressGone(of(*index, vip))
        }
    }
}
