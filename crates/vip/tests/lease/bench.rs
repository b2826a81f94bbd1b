//! A lease machine, and a table that does what the kernel's does: elements end by the clock, a
//! renewal of what has ended fails, a list is what was put into it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base::{
    AddressFact, Errno, IfIndex, Instant, KernelFact, LeaseAnswer, LeaseClass, LeaseDone, LeaseKey,
    LeaseOp, LeaseTrouble, LinkFact, Mac, Name,
};
use vip::HolderId;
use vip::lease::{Input, Leases, Output, Subject, Terms};

pub(crate) const A: HolderId = HolderId(1);
pub(crate) const B: HolderId = HolderId(2);

pub(crate) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(crate) fn index(n: u32) -> IfIndex {
    IfIndex::new(n).unwrap()
}

pub(crate) fn key(text: &str) -> LeaseKey {
    LeaseKey::Address(text.parse().unwrap())
}

pub(crate) const VIRTUAL: LeaseKey = LeaseKey::Mac(Mac([0, 0, 0x5e, 0, 1, 7]));

/// Under a lease of 666 ms.
pub(crate) fn subject(keys: &[LeaseKey]) -> Subject {
    subject_at(1000, keys)
}

pub(crate) fn subject_at(interval: u64, keys: &[LeaseKey]) -> Subject {
    Subject {
        waits: false,
        leased: true,
        terms: Terms { interval: ms(interval), missed: 3, sooner: None },
        keys: keys.to_vec(),
        interfaces: vec![Name::from("eth0")],
    }
}

/// The kernel's side.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) exists: bool,
    pub(crate) alive: BTreeMap<LeaseClass, Instant>,
    pub(crate) listed: BTreeMap<LeaseKey, LeaseClass>,
    pub(crate) covered: BTreeSet<Name>,
    /// What comes next is refused with this, so often.
    pub(crate) refuse: Option<(LeaseTrouble, u32)>,
    /// What was asked, in words.
    pub(crate) log: Vec<String>,
}

impl Table {
    fn execute(&mut self, now: Instant, op: &LeaseOp) -> Result<LeaseAnswer, LeaseTrouble> {
        self.log.push(words(op));
        if let Some((trouble, times)) = &mut self.refuse {
            if *times > 0 {
                *times -= 1;
                return Err(trouble.clone());
            }
            self.refuse = None;
        }
        let lost = || Err(LeaseTrouble::Refused { step: "table".to_owned(), errno: Errno::NOENT });
        match op {
            LeaseOp::Build => {
                let existed = std::mem::replace(&mut self.exists, true);
                let listed = self.listed.iter().map(|(k, c)| (*k, *c)).collect();
                return Ok(LeaseAnswer::Built { existed, listed });
            }
            LeaseOp::Destroy => self.vanish(),
            LeaseOp::Renew { class } => {
                if !self.lives(*class, now) {
                    return Err(LeaseTrouble::Lapsed);
                }
                self.alive.insert(*class, now + class.length());
            }
            _ if !self.exists => return lost(),
            LeaseOp::Cover { interface } => drop(self.covered.insert(interface.clone())),
            LeaseOp::List { class, keys } => {
                assert!(keys.len() <= 512, "adverts would wait");
                self.listed.extend(keys.iter().map(|key| (*key, *class)));
            }
            LeaseOp::Unlist { keys } => {
                for key in keys {
                    self.listed.remove(key);
                }
            }
            LeaseOp::Arm { class } => drop(self.alive.insert(*class, now + class.length())),
            LeaseOp::Drop { class } => drop(self.alive.remove(class)),
        }
        Ok(LeaseAnswer::Done)
    }

    /// Somebody removes all of it.
    pub(crate) fn vanish(&mut self) {
        self.exists = false;
        self.alive.clear();
        self.listed.clear();
        self.covered.clear();
    }

    pub(crate) fn lives(&self, class: LeaseClass, now: Instant) -> bool {
        self.exists && self.alive.get(&class).is_some_and(|end| now < *end)
    }

    /// Whether the key is heard of by others.
    pub(crate) fn passes(&self, key: LeaseKey, now: Instant) -> bool {
        self.listed.get(&key).is_none_or(|class| self.lives(*class, now))
    }
}

fn words(op: &LeaseOp) -> String {
    match op {
        LeaseOp::Build => "build".into(),
        LeaseOp::Cover { interface } => format!("cover {interface}"),
        LeaseOp::List { class, keys } => format!("list {} under {class}", keys.len()),
        LeaseOp::Unlist { keys } => format!("unlist {}", keys.len()),
        LeaseOp::Arm { class } => format!("arm {class}"),
        LeaseOp::Renew { class } => format!("renew {class}"),
        LeaseOp::Drop { class } => format!("drop {class}"),
        LeaseOp::Destroy => "destroy".into(),
    }
}

/// Machine, table and clock.
pub(crate) struct Bench {
    pub(crate) now: Instant,
    pub(crate) leases: Leases,
    pub(crate) table: Table,
}

impl Bench {
    /// With `eth0`, which carries no VIP.
    pub(crate) fn new() -> Self {
        let mut bench = Self::unsettled();
        bench.fact(&KernelFact::Snapshot { links: vec![link(2)], addresses: vec![] });
        bench
    }

    /// Before the kernel has said anything.
    pub(crate) fn unsettled() -> Self {
        let now = Instant::ZERO + Duration::from_secs(100);
        Self { now, leases: Leases::new(), table: Table::default() }
    }

    /// One input, and everything that follows; answers with what was told.
    pub(crate) fn input(&mut self, input: Input<'_>) -> Vec<Output> {
        self.leases.handle(self.now, input);
        self.drain()
    }

    pub(crate) fn drain(&mut self) -> Vec<Output> {
        let mut told = Vec::new();
        for _ in 0..1000 {
            match self.leases.poll_output() {
                Some(Output::Op(ask)) => {
                    let outcome = self.table.execute(self.now, &ask.op);
                    let done = LeaseDone { ticket: ask.ticket, outcome };
                    self.leases.handle(self.now, Input::Done(done));
                }
                Some(other) => told.push(other),
                None => return told,
            }
        }
        panic!(
            "it never comes to rest: {:?}",
            self.table.log.iter().rev().take(9).collect::<Vec<_>>()
        );
    }

    pub(crate) fn manage(&mut self, holder: HolderId, subject: Subject) {
        self.leases.handle(self.now, Input::Manage { holder, subject: Some(subject) });
    }

    pub(crate) fn hold(&mut self, holder: HolderId) -> Vec<Output> {
        self.input(Input::Hold { holder, adopt: false })
    }

    pub(crate) fn fact(&mut self, fact: &KernelFact) -> Vec<Output> {
        self.input(Input::Fact(fact))
    }

    /// Lets time pass, waking the machine when it wants to be.
    pub(crate) fn run(&mut self, span: Duration) -> Vec<Output> {
        let end = self.now + span;
        let mut told = Vec::new();
        while let Some(at) = self.leases.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            told.extend(self.input(Input::Wake));
        }
        self.now = end;
        told
    }

    /// Lets time pass with nobody awake, then wakes the machine.
    pub(crate) fn freeze(&mut self, span: Duration) -> Vec<Output> {
        self.now = self.now + span;
        self.input(Input::Wake)
    }

    /// What was asked of the table since the last time.
    pub(crate) fn asked(&mut self) -> Vec<String> {
        std::mem::take(&mut self.table.log)
    }

    pub(crate) fn speaks(&self, holder: HolderId) -> bool {
        self.leases.may_speak(holder, self.now)
    }
}

pub(crate) fn link(n: u32) -> LinkFact {
    LinkFact {
        index: index(n),
        name: Name::from("eth0"),
        running: true,
        mac: None,
        mtu: 1500,
        multicast: true,
        macvlan: None,
    }
}

pub(crate) fn address(text: &str) -> AddressFact {
    AddressFact { index: index(2), address: text.parse().unwrap(), prefix: 24, tentative: false }
}
