//! A keeper with its kernel, and a ledger of what the keeper said.
//!
//! The ledger is the checker: every output passes through it, and whatever the test does, it insists
//! on the keeper's promises.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base::{AddressOp, Batch, BatchDone, IfIndex, Instant, KernelFact, Name, Vip};
use vip::HolderId;
use vip::keeper::{Input, Keeper, Output};

use crate::kernel::Kernel;

pub(crate) fn vip(address: &str, prefix: u8, interface: &str) -> Vip {
    Vip::new(address.parse().unwrap(), prefix, interface.into())
}

type Addressed = (IfIndex, std::net::IpAddr, u8);

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) keeper: Keeper,
    pub(crate) kernel: Kernel,
    /// Everything the keeper said since the test last looked, batches left out.
    pub(crate) said: Vec<Output>,
    /// The operations it asked for since the test last looked.
    pub(crate) asked: Vec<AddressOp>,
    pub(crate) batches: u32,
    told: BTreeSet<(HolderId, String)>,
    under_way: BTreeMap<u64, Vec<AddressOp>>,
}

impl World {
    pub(crate) fn with_links(names: &[&str]) -> Self {
        let mut world = World::default();
        for name in names {
            world.kernel.create(&Name::from(*name));
        }
        world.kernel.overrun();
        world.read_fact();
        world
    }

    pub(crate) fn handle(&mut self, input: Input<'_>) {
        self.keeper.handle(self.now, input);
        self.drain();
    }

    pub(crate) fn manage(&mut self, holder: u32, vips: &[Vip]) {
        self.handle(Input::Manage { holder: HolderId(holder), vips: vips.to_vec() });
    }

    pub(crate) fn hold(&mut self, holder: u32) {
        self.handle(Input::Hold { holder: HolderId(holder) });
    }

    pub(crate) fn release(&mut self, holder: u32) {
        self.handle(Input::Release { holder: HolderId(holder) });
    }

    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.keeper.poll_output() {
            self.check(&output);
            match output {
                Output::Batch(batch) => {
                    self.asked.extend(batch.ops.iter().cloned());
                    self.batches += 1;
                    self.kernel.submit(batch);
                }
                other => self.said.push(other),
            }
        }
    }

    fn check(&mut self, output: &Output) {
        match output {
            Output::Batch(Batch { ticket, ops }) => {
                let keys: Vec<Addressed> = ops.iter().map(addressed).collect();
                let busy: BTreeSet<Addressed> =
                    self.under_way.values().flatten().map(addressed).collect();
                let distinct: BTreeSet<Addressed> = keys.iter().copied().collect();
                assert_eq!(distinct.len(), keys.len(), "an address twice in one batch: {ops:?}");
                assert!(busy.is_disjoint(&distinct), "two operations under way: {ops:?}");
                assert!(!ops.is_empty(), "an empty batch");
                self.under_way.insert(ticket.number(), ops.clone());
            }
            Output::Present { holder, vips } => {
                assert!(!vips.is_empty());
                for vip in vips {
                    assert!(self.is_there(vip) || self.removal_unread(vip), "not there: {vip}");
                    assert!(!self.is_leaving(vip), "we are removing it: {vip}");
                    assert!(self.told.insert((*holder, vip.to_string())), "told twice: {vip}");
                }
            }
            Output::Gone { holder, vips } => {
                assert!(!vips.is_empty());
                for vip in vips {
                    assert!(self.told.remove(&(*holder, vip.to_string())), "never there: {vip}");
                }
            }
            Output::Taken { holder, vip } => {
                assert!(self.told.remove(&(*holder, vip.to_string())), "never there: {vip}");
            }
            Output::LeftOver { .. } | Output::Refused { .. } => {}
        }
    }

    /// Whether the kernel really has it now.
    pub(crate) fn is_there(&self, vip: &Vip) -> bool {
        self.kernel
            .index_of(&vip.interface)
            .is_some_and(|i| self.kernel.addresses.contains(&(i, vip.address, vip.prefix)))
    }

    /// Whether the keeper has asked for its removal and does not know the outcome.
    fn is_leaving(&self, vip: &Vip) -> bool {
        let at = self.kernel.index_of(&vip.interface).map(|i| (i, vip.address, vip.prefix));
        let removals = self.under_way.values().flatten();
        let mut removals = removals.filter(|op| matches!(op, AddressOp::Remove { .. }));
        removals.any(|op| Some(addressed(op)) == at)
    }

    /// Whether the keeper cannot yet know that it is not there.
    fn removal_unread(&self, vip: &Vip) -> bool {
        self.kernel.facts.iter().any(|fact| match fact {
            KernelFact::AddressGone(a) => a.address == vip.address && a.prefix == vip.prefix,
            KernelFact::Link(_) | KernelFact::LinkGone(_) | KernelFact::Snapshot { .. } => true,
            KernelFact::Address(_) => false,
        })
    }

    pub(crate) fn is_told(&self, holder: u32, vip: &Vip) -> bool {
        self.told.contains(&(HolderId(holder), vip.to_string()))
    }

    pub(crate) fn step(&mut self) -> bool {
        self.kernel.step()
    }

    pub(crate) fn read_outcome(&mut self) -> bool {
        let Some(done) = self.kernel.outcome() else { return false };
        self.give(done);
        true
    }

    pub(crate) fn give(&mut self, done: BatchDone) {
        self.under_way.remove(&done.ticket.number());
        self.handle(Input::Done(done));
    }

    pub(crate) fn read_fact(&mut self) -> bool {
        let Some(fact) = self.kernel.facts.pop_front() else { return false };
        self.handle(Input::Fact(&fact));
        true
    }

    pub(crate) fn sleep(&mut self, pause: Duration) {
        self.now = self.now + pause;
        self.handle(Input::Wake);
    }

    /// Lets everything happen that is under way, without letting time pass: operations first, facts
    /// last.
    pub(crate) fn run(&mut self) {
        for _ in 0..100_000 {
            while self.step() {}
            if !(self.read_outcome() || self.kernel.tell_late() || self.read_fact()) {
                return;
            }
        }
        panic!("never at rest");
    }

    /// Lets everything happen, and every pause end.
    pub(crate) fn settle(&mut self) {
        for _ in 0..200 {
            self.run();
            let Some(at) = self.keeper.poll_timeout() else { return };
            assert!(at > self.now, "a wake-up in the past: {at} at {}", self.now);
            self.sleep(at.since(self.now));
        }
        panic!("pauses without end");
    }

    pub(crate) fn said(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.said)
    }

    pub(crate) fn asked(&mut self) -> Vec<AddressOp> {
        std::mem::take(&mut self.asked)
    }
}

fn addressed(op: &AddressOp) -> Addressed {
    let (AddressOp::Add { index, vip }
    | AddressOp::Remove { index, vip }
    | AddressOp::Probe { index, vip }) = op;
    (*index, vip.address, vip.prefix)
}
