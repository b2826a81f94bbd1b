//! The imagined macvlan against the real one: what becomes of it, and of its addresses, by each
//! operation on it and on what it lies on.

use std::time::{Duration, Instant as Clock};

use base::{
    AddressOp, Batch, Device, DeviceAsk, DeviceOp, Errno, IfIndex, Instant, KernelFact, LinkFact,
    Mac, Name, Ticket, Vip,
};
use linux::{Addresses, Devices, Heard, Monitor, Sysctl};
use sim::Kernel;

use crate::pair::{in_namespace, ip, say};

const NAME: &str = "vrrp.51";
const MAC: Mac = Mac([0, 0, 0x5e, 0, 1, 51]);

/// What it is called, and what is done to both.
type Step = (&'static str, fn(&mut Both));

/// Both, each with an `eth0` that runs.
struct Both {
    devices: Devices,
    addresses: Addresses,
    monitor: Monitor,
    sim: Kernel,
    begun: Clock,
}

fn vip(address: &str, prefix: u8) -> Vip {
    Vip::new(address.parse().unwrap(), prefix, Name::from(NAME))
}

fn named(name: &str, mac: Mac) -> Device {
    let (name, parent) = (Name::from(name), Name::from("eth0"));
    Device { name, parent, mac, group: None, ipv6: true, local_igmp: true }
}

/// Everything about the macvlans and what they lie on, in words that name no number.
fn all(fact: KernelFact) -> Vec<String> {
    let KernelFact::Snapshot { links, addresses } = fact else { panic!("a snapshot is one") };
    let name = |index| links.iter().find(|link| link.index == index).map(|link| link.name.clone());
    let concerns = |link: &&LinkFact| link.macvlan.is_some() || link.name == "eth0";
    let mut words: Vec<String> = links
        .iter()
        .filter(concerns)
        .map(|link| {
            let below = link.macvlan.and_then(|macvlan| name(macvlan.below));
            let mac = link.mac.filter(|_| link.macvlan.is_some());
            let up = link.macvlan.map(|macvlan| macvlan.up);
            format!("{} runs {} up {up:?} on {below:?} with {mac:?}", link.name, link.running)
        })
        .collect();
    words.sort();
    // IPv4 in the kernel's order, IPv6 in any.
    let concerned = addresses.iter().filter(|a| {
        let link = links.iter().find(|link| link.index == a.index);
        link.is_some_and(|link| link.macvlan.is_some())
    });
    let (v4, v6): (Vec<_>, Vec<_>) = concerned.partition(|a| a.address.is_ipv4());
    let word = |a: &base::AddressFact| {
        format!("{:?} {}/{} tentative {}", name(a.index), a.address, a.prefix, a.tentative)
    };
    words.extend(v4.into_iter().map(word));
    let mut v6: Vec<String> = v6.into_iter().map(word).collect();
    v6.sort();
    words.extend(v6);
    words
}

impl Both {
    fn new() -> Self {
        ip("link add name eth0 type veth peer name far0");
        ip("link set eth0 addrgenmode none");
        ip("link set far0 addrgenmode none");
        ip("link set far0 up");
        ip("link set eth0 up");
        let mut sim = Kernel::bare(1);
        sim.make_link(0, "eth0");
        sim.raise(0);
        sim.take_news();
        let mut both = Self {
            devices: Devices::open().unwrap(),
            addresses: Addresses::open().unwrap(),
            monitor: Monitor::open(Monitor::QUEUE).unwrap(),
            sim,
            begun: Clock::now(),
        };
        both.agree("two links that run");
        both
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.begun.elapsed().as_nanos()).unwrap())
    }

    fn look(&self) -> KernelFact {
        Monitor::open(Monitor::QUEUE).unwrap().snapshot().unwrap()
    }

    /// The numbers of an interface, in the real one and the other.
    fn numbers(&self, name: &str) -> (IfIndex, IfIndex) {
        let KernelFact::Snapshot { links, .. } = self.look() else { panic!("a snapshot is one") };
        let real = links.iter().find(|link| link.name == name).unwrap().index;
        (real, self.sim.named(name).unwrap().index)
    }

    /// Waits until both are the same: some of it the kernel does a moment later.
    fn agree(&mut self, after: &str) {
        let begun = Clock::now();
        loop {
            let (real, imagined) = (all(self.look()), all(self.sim.snapshot()));
            if real == imagined {
                return;
            }
            let patient = begun.elapsed() < Duration::from_secs(5);
            assert!(patient, "after {after}:\nreal {real:#?}\nimagined {imagined:#?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn operate(&mut self, op: impl Fn(IfIndex) -> DeviceOp, on: &str) -> Result<(), Errno> {
        let (real, imagined) = self.numbers(on);
        self.operate_at(op, real, imagined)
    }

    fn operate_at(
        &mut self,
        op: impl Fn(IfIndex) -> DeviceOp,
        real: IfIndex,
        imagined: IfIndex,
    ) -> Result<(), Errno> {
        let ask = DeviceAsk { ticket: Ticket::new(1), op: op(real) };
        let done = self.devices.execute(ask);
        let outcome = self.sim.execute_device(&op(imagined));
        assert_eq!(done.outcome, outcome, "{:?}", op(real));
        self.agree(&format!("{:?}", op(real)));
        outcome
    }

    fn make(&mut self) -> Result<(), Errno> {
        self.operate(|on| DeviceOp::Make { device: named(NAME, MAC), on }, "eth0")
    }

    fn raise(&mut self) -> Result<(), Errno> {
        self.operate(|index| DeviceOp::Raise { index }, NAME)
    }

    fn lower(&mut self) -> Result<(), Errno> {
        self.operate(|index| DeviceOp::Lower { index }, NAME)
    }

    fn change(&mut self, vip: &Vip, add: bool) -> Result<(), Errno> {
        let (real, imagined) = self.numbers(NAME);
        let op = |index| match add {
            true => AddressOp::Add { index, vip: vip.clone() },
            false => AddressOp::Remove { index, vip: vip.clone() },
        };
        let batch = |index| Batch { ticket: Ticket::new(1), ops: vec![op(index)] };
        let done = self.addresses.execute(batch(real));
        let now = self.now();
        let outcome = self.sim.execute(now, batch(imagined));
        assert_eq!(done.outcomes, outcome.outcomes, "{:?}", op(real));
        self.agree(&format!("{:?}", op(real)));
        outcome.outcomes[0]
    }

    fn add(&mut self, address: &str, prefix: u8) {
        self.change(&vip(address, prefix), true).unwrap();
    }

    fn remove(&mut self, address: &str, prefix: u8) {
        self.change(&vip(address, prefix), false).unwrap();
    }

    /// As the guardian does.
    fn tune(&mut self) {
        Sysctl::PromoteSecondaries(NAME.into(), true).write().unwrap();
        Sysctl::KeepAddressesOnDown(NAME.into(), true).write().unwrap();
        let (_, imagined) = self.numbers(NAME);
        assert!(self.sim.tune(imagined));
        self.agree("tuning");
    }

    /// What was told since, each once: the kernel says some things twice.
    fn news(&mut self, expected: usize) -> (Vec<String>, Vec<String>) {
        let imagined: Vec<String> = self.sim.take_news().iter().map(say).collect();
        let begun = Clock::now();
        let mut real: Vec<String> = Vec::new();
        while real.len() < expected && begun.elapsed() < Duration::from_secs(3) {
            let Heard::Facts(facts) = self.monitor.read().unwrap() else { panic!("overrun") };
            for fact in facts {
                let word = say(&fact);
                let about_far = matches!(&fact, KernelFact::Link(link) if link.name == "far0");
                if !about_far && real.last() != Some(&word) {
                    real.push(word);
                }
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        (real, imagined)
    }

    /// Forgets what was told so far.
    fn forget(&mut self) {
        std::thread::sleep(Duration::from_millis(50));
        self.monitor.snapshot().unwrap();
        while let Heard::Facts(facts) = self.monitor.read().unwrap()
            && !facts.is_empty()
        {}
        self.sim.take_news();
    }
}

#[test]
fn a_macvlan_is_made_down_set_up_and_down_and_removed() {
    in_namespace(|| {
        let mut both = Both::new();
        assert_eq!(both.make(), Ok(()));
        assert_eq!(both.make(), Err(Errno::EXIST));
        assert_eq!(both.raise(), Ok(()));
        assert_eq!(both.raise(), Ok(()), "which it is already");
        assert_eq!(both.lower(), Ok(()));
        assert_eq!(both.lower(), Ok(()));
        let (real, imagined) = both.numbers(NAME);
        assert_eq!(both.operate(|index| DeviceOp::Remove { index }, NAME), Ok(()));
        let gone: [fn(IfIndex) -> DeviceOp; 3] = [
            |index| DeviceOp::Remove { index },
            |index| DeviceOp::Raise { index },
            |index| DeviceOp::Lower { index },
        ];
        for op in gone {
            assert_eq!(both.operate_at(op, real, imagined), Err(Errno::NODEV));
        }
        let make = |on| DeviceOp::Make { device: named(NAME, MAC), on };
        assert_eq!(both.operate_at(make, real, imagined), Err(Errno::NODEV), "on what is gone");
        assert_eq!(both.make(), Ok(()));
        assert_ne!(both.numbers(NAME).0, real, "a number is not used again");
    });
}

#[test]
fn it_runs_while_what_it_lies_on_does_and_goes_with_it() {
    in_namespace(|| {
        let mut both = Both::new();
        both.make().unwrap();
        both.raise().unwrap();
        both.add("172.20.0.1", 24);
        ip("link set far0 down");
        both.sim.set_carrier(0, false);
        both.agree("a lost carrier");
        assert_eq!(both.lower(), Ok(()));
        assert_eq!(both.raise(), Ok(()), "without a carrier");
        ip("link set far0 up");
        both.sim.set_carrier(0, true);
        both.agree("a carrier found");
        ip("link set eth0 down");
        both.sim.lower(0);
        both.agree("the parent down");
        ip("link set eth0 up");
        both.sim.raise(0);
        both.agree("and up");
        ip("link del eth0");
        both.sim.delete_link(0);
        both.agree("the parent deleted");
    });
}

#[test]
fn two_with_one_mac_are_not_both_up() {
    in_namespace(|| {
        let mut both = Both::new();
        both.make().unwrap();
        both.raise().unwrap();
        let other = |on| DeviceOp::Make { device: named("other", MAC), on };
        both.operate(other, "eth0").unwrap();
        let raise = |index| DeviceOp::Raise { index };
        assert_eq!(both.operate(raise, "other"), Err(Errno(98)), "EADDRINUSE");
        both.lower().unwrap();
        assert_eq!(both.operate(raise, "other"), Ok(()));
    });
}

#[test]
fn untuned_it_loses_ipv6_when_it_goes_down_and_secondaries_with_their_primary() {
    in_namespace(|| {
        let mut both = Both::new();
        both.make().unwrap();
        for address in ["172.20.0.1", "172.20.0.2", "172.20.0.3"] {
            both.add(address, 24);
        }
        both.add("2001:db8::1", 64);
        both.raise().unwrap();
        both.add("fe80::7", 64);
        both.lower().unwrap();
        both.remove("172.20.0.1", 24);
    });
}

#[test]
fn tuned_it_keeps_what_is_not_link_local_and_the_next_address_becomes_primary() {
    in_namespace(|| {
        let mut both = Both::new();
        both.make().unwrap();
        both.tune();
        for address in ["172.20.0.1", "172.20.0.2", "172.20.0.3"] {
            both.add(address, 24);
        }
        both.add("172.21.0.1", 24);
        both.add("172.21.0.2", 24);
        both.add("2001:db8::1", 64);
        both.raise().unwrap();
        both.add("fe80::7", 64);
        let mut limited = vip("2001:db8::2", 64);
        limited.flags.lifetime = Some(Duration::from_secs(60));
        both.change(&limited, true).unwrap();
        both.lower().unwrap();
        both.raise().unwrap();
        both.remove("172.20.0.1", 24);
        both.remove("172.21.0.1", 24);
        both.remove("172.20.0.2", 24);
        both.remove("172.20.0.3", 24);
    });
}

#[test]
fn what_is_told_of_it_is_told_in_the_same_order() {
    in_namespace(|| {
        let mut both = Both::new();
        let steps: [Step; 6] = [
            ("make", |both| both.make().unwrap()),
            ("add", |both| both.add("172.20.0.1", 24)),
            ("raise", |both| both.raise().unwrap()),
            ("lower", |both| both.lower().unwrap()),
            ("again", |both| both.raise().unwrap()),
            ("remove", |both| {
                both.operate(|index| DeviceOp::Remove { index }, NAME).unwrap();
            }),
        ];
        for (what, step) in steps {
            both.forget();
            step(&mut both);
            let expected = both.sim.take_news();
            let words: Vec<String> = expected.iter().map(say).collect();
            let (real, _) = both.news(words.len());
            // The last of each is what counts: how it stands.
            assert_eq!(real.last(), words.last(), "{what}: {real:?}, imagined {words:?}");
            let mut at = real.iter();
            let in_order = words.iter().all(|word| at.any(|other| other == word));
            assert!(in_order, "{what}: {real:?}, imagined {words:?}");
        }
    });
}
