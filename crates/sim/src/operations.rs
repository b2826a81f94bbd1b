//! What is done to kernels, by the nodes' own hands and by others', and how nodes hear of it.

use core::net::IpAddr;
use core::time::Duration;

use base::{AddressOp, Batch, DeviceAsk, DeviceDone, IfIndex};
use vrrp::Input;

use crate::kernel::Kernel;
use crate::lan::{Coming, Lan};
use crate::sight::Sight;

impl Lan {
    pub(crate) fn advance_kernel(&mut self, at: usize) {
        let now = self.now;
        let mut lapsed = Vec::new();
        let gone = self.losing(at, |kernel| lapsed = kernel.advance(now));
        if !gone.is_empty() {
            let lapsed = lapsed.iter().map(|fact| fact.address).collect();
            self.see_that(Sight::Lapsed { node: at, lapsed, gone });
        }
    }

    /// Lets something be done to a node's kernel, publishes its news, and answers with the addresses
    /// that are gone.
    pub(crate) fn losing(&mut self, at: usize, act: impl FnOnce(&mut Kernel)) -> Vec<IpAddr> {
        let kernel = &mut self.nodes[at].kernel;
        let before: Vec<IpAddr> = kernel.addresses().map(|fact| fact.address).collect();
        act(kernel);
        let gone = before.into_iter().filter(|address| !kernel.has(*address)).collect();
        self.publish(at);
        gone
    }

    /// The same for what somebody else does: it is seen.
    pub fn meddle(&mut self, at: usize, act: impl FnOnce(&mut Kernel)) {
        self.touch();
        let addresses = self.losing(at, act);
        if !addresses.is_empty() {
            self.see_that(Sight::Deleted { node: at, addresses });
        }
    }

    /// Until when a node's processes are held up, counted from now, if they are.
    pub(crate) fn postponed(&self, at: usize) -> Option<Duration> {
        let until = self.nodes[at].paused_until.filter(|until| *until > self.now)?;
        Some(until.since(self.now))
    }

    pub(crate) fn execute(&mut self, at: usize, life: u32, batch: Batch) {
        if self.nodes[at].life != life || !self.nodes[at].alive || !self.nodes[at].running {
            return;
        }
        if let Some(until) = self.postponed(at) {
            // The keeper's thread is as asleep as the rest of the process.
            return self.put(until, Coming::Batch(at, life, batch));
        }
        let now = self.now;
        self.tape.mark(now, at, 3);
        self.tape.number(batch.ticket.number());
        let removed: Vec<IpAddr> = batch
            .ops
            .iter()
            .filter(|op| matches!(op, AddressOp::Remove { .. }))
            .map(|op| op.vip().address)
            .collect();
        let mut done = None;
        let mut gone = self.losing(at, |kernel| done = Some(kernel.execute(now, batch)));
        gone.retain(|address| !removed.contains(address));
        if !gone.is_empty() {
            // Secondaries that went with a primary of ours.
            self.see_that(Sight::Deleted { node: at, addresses: gone });
        }
        let Some(done) = done else { return };
        if self.news_delay.is_zero() {
            self.read(at);
            self.handle(at, Input::Done(done));
        } else {
            let delay = self.draw_news_delay();
            self.put(delay, Coming::Done(at, life, done));
        }
    }

    pub(crate) fn execute_device(&mut self, at: usize, life: u32, ask: DeviceAsk) {
        if self.nodes[at].life != life || !self.nodes[at].alive || !self.nodes[at].running {
            return;
        }
        if let Some(until) = self.postponed(at) {
            return self.put(until, Coming::Device(at, life, ask));
        }
        self.tape.mark(self.now, at, 10);
        self.tape.number(ask.ticket.number());
        let mut outcome = Ok(());
        // What goes with a device of ours is nobody else's doing.
        self.losing(at, |kernel| outcome = kernel.execute_device(&ask.op));
        let done = DeviceDone { ticket: ask.ticket, outcome };
        let delay = self.draw_news_delay();
        self.put(delay, Coming::DeviceDone(at, life, done));
    }

    /// The guardian sets a device's switches, and the engine hears of it.
    pub(crate) fn tune(&mut self, at: usize, life: u32, index: IfIndex) {
        let node = &mut self.nodes[at];
        if node.life != life || !node.alive || !node.running || node.guard.is_none() {
            return;
        }
        let held_up = [node.guard_paused_until, node.paused_until.unwrap_or_default()];
        if let Some(until) = held_up.into_iter().max().filter(|until| *until > self.now) {
            let wait = until.since(self.now);
            return self.put(wait, Coming::Tune(at, life, index));
        }
        node.kernel.tune(index);
        self.handle(at, Input::Tuned { index });
    }

    fn draw_news_delay(&mut self) -> Duration {
        let most = u64::try_from(self.news_delay.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.random.below(most))
    }

    /// Hands the news of a node's kernel to its socket.
    pub(crate) fn publish(&mut self, at: usize) {
        for fact in self.nodes[at].kernel.take_news() {
            if !self.nodes[at].running {
                continue;
            }
            let delay = self.draw_news_delay();
            let ready = self.now + delay;
            self.nodes[at].netlink.push(ready, fact);
            self.look_soon(at, delay);
        }
    }

    /// Has a node look at its sockets.
    pub(crate) fn look_soon(&mut self, at: usize, delay: Duration) {
        let life = self.nodes[at].life;
        self.put(delay, Coming::Look(at, life));
    }
}
