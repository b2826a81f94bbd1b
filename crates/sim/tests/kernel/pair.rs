//! Two kernels that get the same operations.

use std::net::IpAddr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant as Clock};

use base::{AddressOp, Batch, Errno, IfIndex, Instant, KernelFact, LinkFact, Name, Ticket, Vip};
use linux::{Addresses, Container, Heard, Monitor};
use sim::Kernel;

/// Runs `test` in a fresh network namespace, gone with the container. Skips, saying so, without the
/// right to make one.
pub(crate) fn in_namespace(test: impl FnOnce() + Send + 'static) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    match Container::create(&format!("sim-{}-{number}", std::process::id())) {
        Ok(container) => container.run(test),
        Err(error) => println!("skipped: no namespace: {error}"),
    }
}

pub(crate) fn vip(address: &str, prefix: u8) -> Vip {
    Vip::new(address.parse().unwrap(), prefix, Name::from("eth0"))
}

pub(crate) fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {output:?}");
}

/// The real kernel and the imagined one, each with an `eth0` that runs.
pub(crate) struct Pair {
    hand: Addresses,
    monitor: Monitor,
    real: IfIndex,
    sim: Kernel,
    sim_index: IfIndex,
    old: Option<(IfIndex, IfIndex)>,
    begun: Clock,
}

impl Pair {
    pub(crate) fn new() -> Self {
        // No link-local addresses of the kernel's own making: what the nodes have of their own is
        // the network manager's business in both.
        ip("link add name eth0 type veth peer name far0");
        ip("link set eth0 addrgenmode none");
        ip("link set far0 addrgenmode none");
        ip("link set far0 up");
        ip("link set eth0 up");
        let mut sim = Kernel::bare(1);
        sim.make_link(0, "eth0");
        sim.raise(0);
        sim.take_news();
        let sim_index = sim.on_segment(0).unwrap().index;
        let mut monitor = Monitor::open(Monitor::QUEUE).unwrap();
        let real = loop {
            let KernelFact::Snapshot { links, .. } = monitor.snapshot().unwrap() else { continue };
            if let Some(link) = links.iter().find(|l| l.name.as_str() == "eth0" && l.running) {
                break link.index;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let hand = Addresses::open().unwrap();
        Self { hand, monitor, real, sim, sim_index, old: None, begun: Clock::now() }
    }

    fn now(&self) -> Instant {
        let nanos = u64::try_from(self.begun.elapsed().as_nanos()).unwrap();
        Instant::from_nanos(nanos)
    }

    fn batch(op: AddressOp) -> Batch {
        Batch { ticket: Ticket::new(1), ops: vec![op] }
    }

    pub(crate) fn add(&mut self, vip: &Vip) -> Result<(), Errno> {
        let (real, sim) = (self.real, self.sim_index);
        self.both(|index| AddressOp::Add { index, vip: vip.clone() }, real, sim)
    }

    pub(crate) fn remove(&mut self, vip: &Vip) -> Result<(), Errno> {
        let (real, sim) = (self.real, self.sim_index);
        self.both(|index| AddressOp::Remove { index, vip: vip.clone() }, real, sim)
    }

    /// Adds to the interface there was before it was made again.
    pub(crate) fn add_to_old(&mut self, vip: &Vip) -> Result<(), Errno> {
        let (real, sim) = self.old.unwrap();
        self.both(|index| AddressOp::Add { index, vip: vip.clone() }, real, sim)
    }

    fn both(
        &mut self,
        op: impl Fn(IfIndex) -> AddressOp,
        real: IfIndex,
        sim: IfIndex,
    ) -> Result<(), Errno> {
        let now = self.now();
        let done = self.hand.execute(Self::batch(op(real)));
        let imagined = self.sim.execute(now, Self::batch(op(sim)));
        assert_eq!(done.outcomes, imagined.outcomes, "outcome of {:?}", op(real));
        self.compare(&format!("{:?}", op(real)));
        done.outcomes[0]
    }

    pub(crate) fn lower(&mut self) {
        ip("link set eth0 down");
        self.sim.lower(0);
        self.compare("link down");
    }

    pub(crate) fn raise(&mut self) {
        ip("link set eth0 up");
        self.sim.raise(0);
        self.compare("link up");
    }

    pub(crate) fn carrier(&mut self, on: bool) {
        ip(if on { "link set far0 up" } else { "link set far0 down" });
        self.sim.set_carrier(0, on);
        self.compare("carrier");
    }

    pub(crate) fn rename(&mut self, to: &str) {
        ip("link set eth0 down");
        ip(&format!("link set eth0 name {to}"));
        ip(&format!("link set {to} up"));
        self.sim.lower(0);
        self.sim.rename(0, to);
        self.sim.raise(0);
        self.compare("rename");
    }

    pub(crate) fn recreate(&mut self) {
        ip("link del eth0");
        self.sim.delete_link(0);
        self.compare("link deleted");
        self.old = Some((self.real, self.sim_index));
        ip("link add name eth0 type veth peer name far0");
        ip("link set eth0 addrgenmode none");
        ip("link set far0 addrgenmode none");
        ip("link set far0 up");
        ip("link set eth0 up");
        self.sim.make_link(0, "eth0");
        self.sim.raise(0);
        self.sim_index = self.sim.on_segment(0).unwrap().index;
        let begun = Clock::now();
        self.real = loop {
            assert!(begun.elapsed() < Duration::from_secs(5), "eth0 does not run");
            let KernelFact::Snapshot { links, .. } = self.monitor.snapshot().unwrap() else {
                continue;
            };
            if let Some(link) = links.iter().find(|l| l.name.as_str() == "eth0" && l.running) {
                break link.index;
            }
        };
        self.sim.take_news();
        assert_ne!(self.real, self.old.unwrap().0);
        assert_ne!(self.sim_index, self.old.unwrap().1);
    }

    pub(crate) fn sleep(&mut self, span: Duration) {
        std::thread::sleep(span);
        let now = self.now();
        self.sim.advance(now);
    }

    /// Waits until what has `lifetime` left is gone from both: not before it is over, and with what
    /// the kernel's clockwork adds.
    pub(crate) fn lapse(&mut self, lifetime: Duration) {
        let before = self.addresses().len();
        let begun = Clock::now();
        while self.addresses().len() == before {
            assert!(begun.elapsed() < lifetime + Duration::from_secs(2), "nothing lapses");
            std::thread::sleep(Duration::from_millis(5));
        }
        let early = lifetime.saturating_sub(Duration::from_millis(50));
        assert!(begun.elapsed() >= early, "after {:?} already", begun.elapsed());
        std::thread::sleep(Duration::from_millis(400));
        let now = self.now();
        self.sim.advance(now);
        // Which of two subnets lapses first within a second is the kernel's clockwork.
        self.compare_news("lapse", false);
    }

    pub(crate) fn has(&mut self, address: &str) -> bool {
        let address: IpAddr = address.parse().unwrap();
        let real = self.addresses().iter().any(|(known, _)| *known == address);
        assert_eq!(real, self.sim.has(address), "{address}");
        real
    }

    /// More changes than a small socket holds: the reader is told, and asks for everything.
    pub(crate) fn overrun(&mut self) {
        let mut small = Monitor::open(4096).unwrap();
        small.snapshot().unwrap();
        for last in 1..=200 {
            self.add(&vip(&format!("172.20.0.{last}"), 24)).unwrap();
        }
        assert_eq!(small.read().unwrap(), Heard::Overrun);
        let KernelFact::Snapshot { addresses, .. } = small.snapshot().unwrap() else { panic!() };
        let imagined = self.sim.addresses().count();
        assert_eq!(addresses.iter().filter(|a| a.index == self.real).count(), imagined);
    }

    /// The real one's addresses on `eth0`, in its order.
    fn addresses(&mut self) -> Vec<(IpAddr, u8)> {
        let KernelFact::Snapshot { addresses, .. } =
            Monitor::open(Monitor::QUEUE).unwrap().snapshot().unwrap()
        else {
            panic!("a snapshot is one");
        };
        let here = addresses.iter().filter(|fact| fact.index == self.real);
        here.map(|fact| (fact.address, fact.prefix)).collect()
    }

    /// Addresses and news must agree. The kernel tells of IPv6 addresses a little later, and says
    /// some things twice; the news are compared as what they say, in their order, each once.
    fn compare(&mut self, what: &str) {
        self.compare_news(what, true);
    }

    fn compare_news(&mut self, what: &str, in_order: bool) {
        let begun = Clock::now();
        let mut told = Vec::new();
        let news = self.sim.take_news();
        let imagined: Vec<String> = news.iter().map(say).collect();
        // IPv6 news are told by a worker: wait for as many as are expected.
        while begun.elapsed() < Duration::from_secs(3) {
            let Heard::Facts(facts) = self.monitor.read().unwrap() else { panic!("overrun") };
            told.extend(facts.iter().filter(|fact| is_about(fact, self.real)).cloned());
            let real: Vec<String> = told.iter().map(say).collect();
            if sorted(&real) == sorted(&imagined) {
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let real: Vec<String> = told.iter().map(say).collect();
        assert_eq!(sorted(&real), sorted(&imagined), "news of {what}");
        // Within a family, in the kernel's order.
        for v6 in [false, true].into_iter().filter(|_| in_order) {
            let only = |news: &[String]| -> Vec<String> {
                let of_family = |line: &&String| line.contains(':') == v6;
                unique(&news.iter().filter(of_family).cloned().collect::<Vec<_>>())
            };
            assert_eq!(only(&real), only(&imagined), "order of the news of {what}");
        }
        let imagined: Vec<(IpAddr, u8)> =
            self.sim.addresses().map(|fact| (fact.address, fact.prefix)).collect();
        let real = self.addresses();
        let family = |list: &[(IpAddr, u8)], v4: bool| -> Vec<(IpAddr, u8)> {
            list.iter().filter(|(address, _)| address.is_ipv4() == v4).copied().collect()
        };
        assert_eq!(family(&real, true), family(&imagined, true), "IPv4 addresses after {what}");
        // The kernel lists IPv6 addresses youngest scope first; nobody looks at their order.
        let as_set = |mut list: Vec<(IpAddr, u8)>| {
            list.sort();
            list
        };
        assert_eq!(
            as_set(family(&real, false)),
            as_set(family(&imagined, false)),
            "IPv6 addresses after {what}"
        );
    }
}

fn is_about(fact: &KernelFact, index: IfIndex) -> bool {
    match fact {
        KernelFact::Snapshot { .. } => false,
        KernelFact::Link(link) => link.index == index,
        KernelFact::LinkGone(gone) => *gone == index,
        KernelFact::Address(address) | KernelFact::AddressGone(address) => address.index == index,
    }
}

/// What a piece of news says, without the number of the interface.
pub(crate) fn say(fact: &KernelFact) -> String {
    match fact {
        KernelFact::Snapshot { .. } => "everything".into(),
        KernelFact::Link(LinkFact { macvlan: Some(macvlan), name, running, .. }) => {
            format!("link {name} running {running} up {}", macvlan.up)
        }
        KernelFact::Link(link) => format!("link {} running {}", link.name, link.running),
        KernelFact::LinkGone(_) => "link gone".into(),
        KernelFact::Address(a) => format!("{}/{} there", a.address, a.prefix),
        KernelFact::AddressGone(a) => format!("{}/{} gone", a.address, a.prefix),
    }
}

/// Each once: the kernel repeats itself about links.
fn unique(news: &[String]) -> Vec<String> {
    let mut seen = Vec::new();
    for line in news {
        if seen.last() != Some(line) {
            seen.push(line.clone());
        }
    }
    seen
}

fn sorted(news: &[String]) -> Vec<String> {
    let mut all = unique(news);
    all.sort();
    all.dedup();
    all
}
