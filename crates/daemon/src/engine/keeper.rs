//! The keeper thread: the engine's only way into the kernel's routing lock.
//!
//! Netlink work is done inside `send()`, and whoever wants the lock waits for whoever has it. So the
//! protocol thread never asks the kernel anything: this one installs, removes, listens, and tells.

use std::collections::BTreeSet;
use std::io;
use std::sync::mpsc;

use base::{BatchDone, WayBatch, WayTrace};
use linux::{AcceptFilter, Addresses, Devices, Heard, Interest, Monitor, Poll, Ways, clock};

use crate::channel::Channel;
use crate::messages::{FromKeeper, ToKeeper};

const PROTOCOL: u64 = 0;
const MONITOR: u64 = 1;

/// Starts the thread, and waits until it runs: what the C library does to begin one is more than an
/// engine may do later. It ends when the other end is dropped. `news`: octets for the kernel's.
pub(super) fn start(news: usize) -> io::Result<Channel<ToKeeper, FromKeeper>> {
    let (near, far) = Channel::pair()?;
    let mut monitor = Monitor::open(news)?;
    // Where it is refused, we are told what we know.
    let _ = monitor.pass_over_renewals(vip::lifetime::LIFETIME);
    let keeper = Keeper {
        protocol: far,
        addresses: Addresses::open()?,
        devices: Devices::open()?,
        ways: Ways::open()?,
        traces: BTreeSet::new(),
        filter: AcceptFilter::new(),
        monitor,
        poll: Poll::new()?,
    };
    let (begun, has_begun) = mpsc::channel();
    let run = move || {
        // The first look at a clock opens a file, in some C libraries and in rustix.
        let _ = begun.send(clock::monotonic());
        keeper.run();
    };
    std::thread::Builder::new().name("keeper".into()).spawn(run)?;
    has_begun.recv().map_err(io::Error::other)?;
    Ok(near)
}

struct Keeper {
    protocol: Channel<FromKeeper, ToKeeper>,
    addresses: Addresses,
    devices: Devices,
    ways: Ways,
    /// What was added: news of other routes are nobody's business here.
    traces: BTreeSet<WayTrace>,
    filter: AcceptFilter,
    monitor: Monitor,
    poll: Poll,
}

impl Keeper {
    /// Ends with the first error: the protocol thread sees the line close, and stops.
    fn run(mut self) {
        let _ = self.listen();
    }

    fn listen(&mut self) -> io::Result<()> {
        self.poll.add(&self.protocol, PROTOCOL, Interest::Read)?;
        self.poll.add(&self.monitor, MONITOR, Interest::Read)?;
        self.tell_everything()?;
        loop {
            self.protocol.watch(&self.poll, PROTOCOL)?;
            self.poll.wait(None)?.for_each(drop);
            self.protocol.flush()?;
            // A batch is short, and what is through can be announced while the next is done.
            while let Some(message) = self.protocol.recv()? {
                match message {
                    ToKeeper::Batch(batch) => {
                        let done = self.addresses.execute(batch);
                        self.protocol.send(&FromKeeper::Done(done))?;
                    }
                    ToKeeper::Ways(batch) => {
                        let done = self.ways(batch)?;
                        self.protocol.send(&FromKeeper::WaysDone(done))?;
                    }
                    ToKeeper::Filter(filter) => {
                        let refused = self.filter.apply(&filter).err();
                        self.protocol.send(&FromKeeper::Filtered(refused))?;
                    }
                    ToKeeper::Device(ask) => {
                        let done = self.devices.execute(ask);
                        self.protocol.send(&FromKeeper::DeviceDone(done))?;
                    }
                    ToKeeper::Schedule(scheduling) => {
                        // Whoever sends adverts goes first.
                        let troubles = scheduling.take(1);
                        if !troubles.is_empty() {
                            self.protocol.send(&FromKeeper::Unscheduled(troubles))?;
                        }
                    }
                }
            }
            match self.monitor.read()? {
                Heard::Facts(facts) => {
                    for fact in facts {
                        self.protocol.queue(&FromKeeper::Fact(fact))?;
                    }
                    for trace in self.monitor.take_gone() {
                        if self.traces.contains(&trace) {
                            self.protocol.queue(&FromKeeper::WayGone(trace))?;
                        }
                    }
                    self.protocol.flush()?;
                }
                Heard::Overrun => {
                    self.protocol.queue(&FromKeeper::Overrun)?;
                    self.tell_everything()?;
                }
            }
        }
    }

    fn ways(&mut self, batch: WayBatch) -> io::Result<BatchDone> {
        self.monitor.hear_ways()?;
        for op in &batch.ops {
            if op.add {
                self.traces.insert(op.way.trace());
            }
        }
        Ok(self.ways.execute(batch))
    }

    fn tell_everything(&mut self) -> io::Result<()> {
        let snapshot = self.monitor.snapshot().map_err(io::Error::other)?;
        self.protocol.send(&FromKeeper::Fact(snapshot))
    }
}
