//! A bench for one router: a clock that is turned by hand, a kernel that works when it is told to,
//! and peers that say what they are made to say.
//!
//! The node under test has `eth0` (number 2) with 192.0.2.5/24 and fe80::5/64; its only instance is,
//! unless a test says otherwise, VRID 51 in VRRPv3 every second with the VIP 192.0.2.100/24.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::VecDeque;

use base::{
    AddressFact, AddressOp, Batch, BatchDone, Centis, DeviceAsk, Errno, Family, IfIndex, Instant,
    Interval, KernelFact, LeaseDone, LinkFact, Mac, Name, Preempt, Priority, State, Vip, Vrid,
};
use vip::announcer::BurstPolicy;
use vrrp::wire::{self, Advert, Auth, Body, ChecksumForm, ChecksumRule};
use vrrp::{
    Checksum, Input, InstanceConfig, InstanceStatus, Output, Packet, Reach, Router, RouterStatus,
};

use crate::seen::{Outs, Seen};
use crate::table::Table;

/// The node's own address.
pub(crate) const OWN: &str = "192.0.2.5";
/// A peer with a lower address than ours, and one with a higher.
pub(crate) const LOWER: &str = "192.0.2.2";
pub(crate) const HIGHER: &str = "192.0.2.9";
pub(crate) const VIP: &str = "192.0.2.100";

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(crate) fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(crate) fn nanos(n: u64) -> Duration {
    Duration::from_nanos(n)
}

pub(crate) fn index(n: u32) -> IfIndex {
    IfIndex::new(n).unwrap()
}

pub(crate) fn centis(n: u16) -> Interval {
    Interval::V3(Centis::new(n).unwrap())
}

pub(crate) fn v2(seconds: u8) -> Interval {
    Interval::V2(seconds.try_into().unwrap())
}

pub(crate) fn vip(address: &str) -> Vip {
    let address = ip(address);
    let prefix = if address.is_ipv4() { 24 } else { 64 };
    Vip::new(address, prefix, "eth0".into())
}

/// The bench's usual instance. It announces once and never repeats, so that the only deadlines are
/// the instance's own.
pub(crate) fn config(priority: u8) -> InstanceConfig {
    let once = BurstPolicy {
        repeat: 1,
        delay: Duration::ZERO,
        lower_prio_repeat: 1,
        lower_prio_delay: Duration::ZERO,
        ..BurstPolicy::default()
    };
    InstanceConfig {
        name: "VI".into(),
        interface: Some("eth0".into()),
        vrid: Vrid::new(51).unwrap(),
        family: Family::V4,
        interval: centis(100),
        priority: Priority::new(priority),
        preempt: Preempt::After(Duration::ZERO),
        reach: Reach::Multicast { group: wire::group(Family::V4) },
        source: None,
        auth: Auth::None,
        hmac: None,
        allowed_sources: Vec::new(),
        checksum: Checksum { send: None, accept: ChecksumRule::Either },
        vips: vec![vip(VIP)],
        excluded: Vec::new(),
        burst: once,
        devices: Vec::new(),
        speaks_as: None,
        track: Vec::new(),
        trackers: Vec::new(),
        sentinels: Vec::new(),
        group: None,
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
        lifetimes: false,
        lease: false,
        strict_sources: false,
    }
}

/// The same over IPv6.
pub(crate) fn config_v6(priority: u8) -> InstanceConfig {
    InstanceConfig {
        name: "VI6".into(),
        family: Family::V6,
        reach: Reach::Multicast { group: wire::group(Family::V6) },
        vips: vec![vip("fe80::100"), vip("2001:db8::100")],
        ..config(priority)
    }
}

pub(crate) fn link(number: u32, name: &str) -> LinkFact {
    let last = u8::try_from(number).unwrap() + 3;
    LinkFact {
        index: index(number),
        name: name.into(),
        running: true,
        mac: Some(Mac([2, 0, 0, 0, 0, last])),
        mtu: 1500,
        multicast: true,
        macvlan: None,
    }
}

pub(crate) fn address(number: u32, text: &str) -> AddressFact {
    let address = ip(text);
    let prefix = if address.is_ipv4() { 24 } else { 64 };
    AddressFact { index: index(number), address, prefix, tentative: false }
}

/// What a peer says.
#[derive(Clone)]
pub(crate) struct Saying {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) vrid: u8,
    pub(crate) priority: u8,
    pub(crate) interval: Interval,
    pub(crate) auth: Auth,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) form: ChecksumForm,
    pub(crate) ttl: u8,
    pub(crate) index: IfIndex,
}

/// An advert as the usual instance's peer at `source` sends it.
pub(crate) fn saying(source: &str, priority: u8) -> Saying {
    let source = ip(source);
    let family = Family::of(&source);
    Saying {
        source,
        destination: wire::group(family),
        vrid: 51,
        priority,
        interval: centis(100),
        auth: Auth::None,
        addresses: match family {
            Family::V4 => vec![ip(VIP)],
            Family::V6 => vec![ip("fe80::100"), ip("2001:db8::100")],
        },
        form: ChecksumForm::Rfc5798,
        ttl: 255,
        index: index(2),
    }
}

impl Saying {
    pub(crate) fn packet(self) -> Packet {
        let body = match self.interval {
            Interval::V2(interval) => Body::V2 { interval, auth: self.auth },
            Interval::V3(interval) => Body::V3 { interval },
        };
        let (vrid, priority) = (Vrid::new(self.vrid).unwrap(), Priority::new(self.priority));
        let family = Family::of(&self.source);
        let advert = if self.addresses.is_empty() {
            Advert::bare(vrid, priority, family, body).unwrap()
        } else {
            Advert::new(vrid, priority, self.addresses, body).unwrap()
        };
        Packet {
            index: self.index,
            source: self.source,
            destination: self.destination,
            ttl: self.ttl,
            payload: advert.encode(self.form, self.source, self.destination),
        }
    }
}

pub(crate) struct Bench {
    pub(crate) router: Router,
    pub(crate) now: Instant,
    /// What the kernel was asked and has not done yet.
    asked: VecDeque<Batch>,
    /// Words about planned moves that it has sent.
    pub(crate) notices: Vec<base::Transmit>,
    pub(crate) devices: VecDeque<DeviceAsk>,
    /// What the kernel has.
    pub(crate) addresses: Vec<AddressFact>,
    pub(crate) table: Table,
    pub(crate) watched: Vec<vrrp::WatchSpec>,
}

impl Bench {
    /// A router with these instances, which knows nothing of the kernel yet.
    pub(crate) fn silent(configs: Vec<InstanceConfig>) -> (Bench, Outs) {
        let mut bench = Bench {
            router: Router::new(),
            now: Instant::ZERO + secs(100),
            asked: VecDeque::new(),
            notices: Vec::new(),
            devices: VecDeque::new(),
            addresses: vec![address(2, OWN), address(2, "fe80::5")],
            table: Table::default(),
            watched: Vec::new(),
        };
        let outs = bench.feed(Input::Configure(configs));
        (bench, outs)
    }

    /// A router with this instance, which has just heard that `eth0` is up.
    pub(crate) fn new(config: InstanceConfig) -> Bench {
        Bench::of(vec![config])
    }

    pub(crate) fn of(configs: Vec<InstanceConfig>) -> Bench {
        let (mut bench, _) = Bench::silent(configs);
        bench.snapshot(vec![link(2, "eth0")]);
        bench
    }

    /// The same, Active by silence, VIPs installed and announced, its next advert a whole interval
    /// away.
    pub(crate) fn active(config: InstanceConfig) -> Bench {
        let mut bench = Bench::new(config);
        if bench.state() == State::Backup {
            bench.sleep();
        }
        bench.kernel();
        assert_eq!(bench.state(), State::Active);
        bench
    }

    // ---- what happens ---------------------------------------------------------------------------

    pub(crate) fn feed(&mut self, input: Input) -> Outs {
        self.router.handle(self.now, input);
        let mut outs = Outs::default();
        while let Some(output) = self.router.poll_output() {
            outs.0.push(match output {
                Output::Watch(wanted) => {
                    self.watched = wanted;
                    continue;
                }
                Output::Sockets(sockets) => Seen::Sockets(sockets),
                Output::Advert(transmit) => Seen::advert(None, &transmit),
                Output::VirtualAdvert { mac, transmit } => Seen::advert(Some(mac), &transmit),
                Output::Device(ask) => {
                    let op = ask.op.clone();
                    self.devices.push_back(ask);
                    Seen::Device(op)
                }
                Output::Tune(tuning) => Seen::Tune(tuning),
                Output::Lease(ask) => {
                    let outcome = self.table.execute(self.now, &ask.op);
                    let done = LeaseDone { ticket: ask.ticket, outcome };
                    self.router.handle(self.now, Input::LeaseDone(done));
                    Seen::Lease(ask.op)
                }
                Output::Notice(transmit) => {
                    self.notices.push(transmit);
                    continue;
                }
                Output::Will(edit) => Seen::Will(edit),
                Output::Batch(batch) => {
                    let ops = batch.ops.clone();
                    self.asked.push_back(batch);
                    Seen::Batch(ops)
                }
                Output::Promote(names) => Seen::Promote(names),
                Output::Filter(filter) => {
                    self.router.handle(self.now, Input::Filtered(None));
                    Seen::Filter(filter)
                }
                Output::Ways(batch) => {
                    let ops = batch.ops.clone();
                    let outcomes = vec![Ok(()); ops.len()];
                    let done = BatchDone { ticket: batch.ticket, outcomes };
                    self.router.handle(self.now, Input::WaysDone(done));
                    Seen::Ways(ops)
                }
                Output::Frame { index, bytes } => Seen::Frame { index, bytes },
                Output::Event(event) => Seen::Event(event),
            });
        }
        outs
    }

    pub(crate) fn snapshot(&mut self, links: Vec<LinkFact>) -> Outs {
        let addresses = self.addresses.clone();
        self.fact(KernelFact::Snapshot { links, addresses })
    }

    pub(crate) fn fact(&mut self, fact: KernelFact) -> Outs {
        self.feed(Input::Fact(fact))
    }

    pub(crate) fn link_is(&mut self, link: LinkFact) -> Outs {
        self.fact(KernelFact::Link(link))
    }

    pub(crate) fn link_down(&mut self) -> Outs {
        self.link_is(LinkFact { running: false, ..link(2, "eth0") })
    }

    pub(crate) fn link_up(&mut self) -> Outs {
        self.link_is(link(2, "eth0"))
    }

    pub(crate) fn hear(&mut self, saying: Saying) -> Outs {
        self.feed(Input::Packet(saying.packet()))
    }

    pub(crate) fn wake(&mut self) -> Outs {
        let mut outs = self.feed(Input::Wake { drained: false });
        outs.0.extend(self.feed(Input::Wake { drained: true }).0);
        outs
    }

    /// Turns the clock without waking anybody.
    pub(crate) fn pass(&mut self, span: Duration) {
        self.now = self.now + span;
    }

    /// Sleeps until the machine wants to be woken, and wakes it.
    pub(crate) fn sleep(&mut self) -> Outs {
        let at = self.router.poll_timeout().expect("a machine that waits for something");
        assert!(at >= self.now, "a deadline that is over already");
        self.now = at;
        self.wake()
    }

    /// Lets the kernel do what it was asked, and tell of it: facts first, as netlink does.
    pub(crate) fn kernel(&mut self) -> Outs {
        self.kernel_but(&[], Errno::PERM)
    }

    /// The same, but it refuses all additions of these addresses.
    pub(crate) fn kernel_but(&mut self, refused: &[&str], errno: Errno) -> Outs {
        let refused: Vec<IpAddr> = refused.iter().map(|text| ip(text)).collect();
        let refuses = |op: &AddressOp| {
            !matches!(op, AddressOp::Remove { .. }) && refused.contains(&op.vip().address)
        };
        let mut outs = Outs::default();
        while let Some(batch) = self.asked.pop_front() {
            let mut facts = Vec::new();
            for op in batch.ops.iter().filter(|op| !refuses(op)) {
                facts.push(match op {
                    AddressOp::Add { index, vip } => {
                        let fact = AddressFact {
                            index: *index,
                            address: vip.address,
                            prefix: vip.prefix,
                            tentative: false,
                        };
                        self.addresses.push(fact);
                        KernelFact::Address(fact)
                    }
                    AddressOp::Probe { .. } => continue,
                    AddressOp::Remove { index, vip } => {
                        let place = |a: &AddressFact| (a.index, a.address) == (*index, vip.address);
                        let at = self.addresses.iter().position(place);
                        let at = at.expect("only what is there is removed");
                        KernelFact::AddressGone(self.addresses.remove(at))
                    }
                });
            }
            for fact in facts {
                outs.0.extend(self.fact(fact).0);
            }
            let outcome = |op| if refuses(op) { Err(errno) } else { Ok(()) };
            let outcomes = batch.ops.iter().map(outcome).collect();
            let done = BatchDone { ticket: batch.ticket, outcomes };
            outs.0.extend(self.feed(Input::Done(done)).0);
        }
        outs
    }

    /// Lets the kernel do what it was asked, whether or not addresses went with their interface.
    pub(crate) fn kernel_lenient(&mut self) {
        while let Some(batch) = self.asked.pop_front() {
            let mut facts = Vec::new();
            for op in &batch.ops {
                let (index, vip) = match op {
                    AddressOp::Add { index, vip }
                    | AddressOp::Remove { index, vip }
                    | AddressOp::Probe { index, vip } => (index, vip),
                };
                let fact = AddressFact {
                    index: *index,
                    address: vip.address,
                    prefix: vip.prefix,
                    tentative: false,
                };
                facts.push(match op {
                    AddressOp::Add { .. } => KernelFact::Address(fact),
                    AddressOp::Remove { .. } | AddressOp::Probe { .. } => {
                        KernelFact::AddressGone(fact)
                    }
                });
            }
            for fact in facts {
                self.fact(fact);
            }
            let outcomes = batch.ops.iter().map(|_| Ok(())).collect();
            self.feed(Input::Done(BatchDone { ticket: batch.ticket, outcomes }));
        }
    }

    /// Lets the kernel answer that the interface it was asked about is gone.
    pub(crate) fn kernel_gone(&mut self) {
        self.kernel_refuses(Errno::NODEV);
    }

    /// Lets the kernel refuse what it was asked.
    pub(crate) fn kernel_refuses(&mut self, errno: Errno) -> Outs {
        let mut outs = Outs::default();
        while let Some(batch) = self.asked.pop_front() {
            let outcomes = batch.ops.iter().map(|_| Err(errno)).collect();
            let done = BatchDone { ticket: batch.ticket, outcomes };
            outs.0.extend(self.feed(Input::Done(done)).0);
        }
        outs
    }

    /// Somebody else removes an address.
    pub(crate) fn taken(&mut self, text: &str) -> Outs {
        let at = self.addresses.iter().position(|known| known.address == ip(text)).unwrap();
        let fact = self.addresses.remove(at);
        self.fact(KernelFact::AddressGone(fact))
    }

    // ---- what it is ----------------------------------------------------------------------------

    pub(crate) fn status(&self) -> RouterStatus {
        self.router.status()
    }

    /// The only instance.
    pub(crate) fn only(&self) -> InstanceStatus {
        let mut instances = self.status().instances;
        assert_eq!(instances.len(), 1, "a bench with one instance");
        instances.remove(0)
    }

    pub(crate) fn one(&self, name: &str) -> InstanceStatus {
        let name = Name::from(name);
        self.status().instances.into_iter().find(|one| one.name == name).unwrap()
    }

    pub(crate) fn state(&self) -> State {
        self.only().state
    }

    /// How long until the machine next acts by itself.
    pub(crate) fn left(&self) -> Option<Duration> {
        let at = self.router.poll_timeout()?;
        assert!(at >= self.now, "a deadline that is over already");
        Some(at.since(self.now))
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        self.addresses.iter().any(|known| known.address == ip(text))
    }
}
