//! VIPs without a program: `ocf:mainstay:IPaddr2`, which takes what `ocf:heartbeat:IPaddr2` takes.
//!
//! One thread with the keeper and the announcer of the room `vip`, and the kernel's ends of both. What is
//! asked for together leaves in one batch; what is there is told to the neighbours at once. Before an
//! address is put on an interface it is put under the quorum lease ([`Silence`]): from its end on it is
//! not heard, and there is no hurry to remove it.
//!
//! A probe finds what was started in this life. What an earlier one left is silent, and removed when it
//! is probed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use agents::exit::{ERROR, NOT_RUNNING, OK, UNIMPLEMENTED};
use agents::native::{Network, Wanted};
use base::{Broadcast, EventId, IfIndex, KernelFact, Name, Origin, Reason, Vip};
use cluster::controller::Order;
use cluster::executor::{Call, CallDone};
use cluster::operation::OpStatus;
use linux::{Addresses, FrameSender, Heard, Interest, Inventory, Monitor, Poll};
use vip::announcer::{Announcer, BurstPolicy};
use vip::keeper::Keeper;
use vip::{HolderId, announcer, keeper};

use super::silence::Silence;
use super::{Back, Lease, Told};
use crate::run::now;

/// Octets of news of the kernel that may wait.
const NEWS: usize = 1 << 20;
const BELL: u64 = 0;
const MONITOR: u64 = 1;

#[derive(Debug)]
enum Ask {
    Call(Call),
    Kill(u64),
    Reborn,
    Lease(Lease),
}

/// The thread.
#[derive(Debug)]
pub(super) struct Vips {
    to: Option<Sender<Ask>>,
    bell: UnixStream,
    trouble: Arc<Mutex<Option<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Vips {
    pub(super) fn start(back: Back, lease: Duration) -> io::Result<Self> {
        let (bell, rope) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        rope.set_nonblocking(true)?;
        let (to, from) = channel();
        let trouble = Arc::new(Mutex::new(None));
        let mut monitor = Monitor::open(NEWS)?;
        let snapshot = monitor.snapshot().map_err(io::Error::other)?;
        let poll = Poll::new()?;
        poll.add(&rope, BELL, Interest::Read)?;
        poll.add(&monitor, MONITOR, Interest::Read)?;
        let mut seat = Seat {
            back,
            keeper: Keeper::new(),
            announcer: Announcer::default(),
            addresses: Addresses::open()?,
            frames: FrameSender::open()?,
            monitor,
            silence: Silence::begin(lease),
            present: BTreeSet::new(),
            resources: BTreeMap::new(),
            holders: 0,
            bursts: 0,
            trouble: Arc::clone(&trouble),
            here: None,
        };
        seat.learn(&snapshot);
        let live = move || {
            // Without the kernel's news there is nothing to keep; calls then end by their time.
            if let Err(error) = seat.live(poll, &rope, &from) {
                seat.note(format!("the keeper of VIPs ended: {error}"));
            }
        };
        let thread = std::thread::Builder::new().name("ms:vips".into()).spawn(live)?;
        Ok(Self { to: Some(to), bell, trouble, thread: Some(thread) })
    }

    /// Whether an order is for this.
    pub(super) fn is_for(order: &Order) -> bool {
        (&*order.class, &*order.provider, &*order.agent) == ("ocf", "mainstay", "IPaddr2")
    }

    pub(super) fn call(&self, call: Call) {
        self.ask(Ask::Call(call));
    }

    pub(super) fn kill(&self, number: u64) {
        self.ask(Ask::Kill(number));
    }

    pub(super) fn reborn(&self) {
        self.ask(Ask::Reborn);
    }

    pub(super) fn lease(&self, lease: Lease) {
        self.ask(Ask::Lease(lease));
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn ask(&self, ask: Ask) {
        if let Some(to) = &self.to {
            // The thread ends only after us.
            let _ = to.send(ask);
            let _ = (&self.bell).write(&[1]);
        }
    }
}

impl Drop for Vips {
    fn drop(&mut self) {
        self.to = None;
        let _ = (&self.bell).write(&[1]);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One resource.
#[derive(Debug)]
struct Resource {
    holder: HolderId,
    wanted: Wanted,
    vip: Vip,
    holds: bool,
    /// A call that waits for the kernel.
    asked: Option<u64>,
}

struct Seat {
    back: Back,
    keeper: Keeper,
    announcer: Announcer,
    addresses: Addresses,
    frames: FrameSender,
    monitor: Monitor,
    silence: Silence,
    present: BTreeSet<(IpAddr, IfIndex, u8)>,
    resources: BTreeMap<Name, Resource>,
    holders: u32,
    bursts: u64,
    trouble: Arc<Mutex<Option<String>>>,
    /// As the machine was when the first of what is asked for together was looked at.
    here: Option<Here>,
}

impl Seat {
    fn live(
        &mut self,
        mut poll: Poll,
        mut rope: &UnixStream,
        from: &Receiver<Ask>,
    ) -> io::Result<()> {
        let mut rings = [0; 256];
        loop {
            self.settle();
            let next = [self.keeper.poll_timeout(), self.announcer.poll_timeout()];
            let wait = next.into_iter().flatten().min().map(|at| at.since(now()));
            poll.wait(wait)?.for_each(drop);
            while matches!(rope.read(&mut rings), Ok(n) if n > 0) {}
            loop {
                match from.try_recv() {
                    Ok(ask) => self.asked(ask),
                    Err(TryRecvError::Empty) => {
                        self.here = None;
                        break;
                    }
                    Err(TryRecvError::Disconnected) => {
                        self.release_all();
                        self.settle();
                        return Ok(());
                    }
                }
            }
            self.hear()?;
            let now = now();
            self.keeper.handle(now, keeper::Input::Wake);
            self.announcer.handle(now, announcer::Input::Wake);
        }
    }

    fn hear(&mut self) -> io::Result<()> {
        match self.monitor.read()? {
            Heard::Facts(facts) => facts.iter().for_each(|fact| self.learn(fact)),
            Heard::Overrun => {
                let snapshot = self.monitor.snapshot().map_err(io::Error::other)?;
                self.learn(&snapshot);
            }
        }
        Ok(())
    }

    fn learn(&mut self, fact: &KernelFact) {
        match fact {
            KernelFact::Snapshot { addresses, .. } => {
                self.present =
                    addresses.iter().map(|it| (it.address, it.index, it.prefix)).collect();
            }
            KernelFact::Address(it) => {
                self.present.insert((it.address, it.index, it.prefix));
            }
            KernelFact::AddressGone(it) => {
                self.present.remove(&(it.address, it.index, it.prefix));
            }
            KernelFact::LinkGone(index) => self.present.retain(|it| it.1 != *index),
            KernelFact::Link(_) => {}
        }
        let now = now();
        self.keeper.handle(now, keeper::Input::Fact(fact));
        self.announcer.handle(now, announcer::Input::Fact(fact));
    }

    fn asked(&mut self, ask: Ask) {
        match ask {
            Ask::Lease(lease) => self.silence.set(lease),
            Ask::Call(call) => {
                if let Err((rc, status, reason)) = self.call(&call) {
                    self.done(call.number, rc, status, reason);
                }
            }
            Ask::Kill(number) => {
                let mut all = self.resources.values_mut();
                if let Some(it) = all.find(|it| it.asked == Some(number)) {
                    it.asked = None;
                    let why = match it.holds {
                        true => "the kernel has not shown the address in time",
                        false => "the kernel has not removed the address in time",
                    };
                    let holder = it.holder;
                    it.holds = false;
                    self.keeper.handle(now(), keeper::Input::Release { holder });
                    self.done(number, ERROR, OpStatus::TimedOut, why.into());
                }
            }
            Ask::Reborn => {
                self.resources.values_mut().for_each(|it| it.asked = None);
                self.release_all();
            }
        }
    }

    fn release_all(&mut self) {
        let now = now();
        for it in self.resources.values_mut() {
            it.holds = false;
            self.keeper.handle(now, keeper::Input::Release { holder: it.holder });
        }
    }

    /// Does what is asked for, or refuses it with exit code, status and reason.
    fn call(&mut self, call: &Call) -> Result<(), (i32, OpStatus, String)> {
        let order = &call.order;
        let verb = &*order.operation;
        let failed = |rc, why: String| Err((rc, OpStatus::Done, why));
        match verb {
            "start" => {
                let holder = self.take_on(order)?;
                let Some(it) = self.resources.get_mut(&order.resource) else {
                    return failed(ERROR, String::new());
                };
                it.holds = true;
                it.asked = Some(call.number);
                self.silence.cover(&it.vip.interface, it.vip.address);
                self.keeper.handle(now(), keeper::Input::Hold { holder });
            }
            "stop" => {
                if !self.resources.contains_key(&order.resource) {
                    // It was never started in this life; if it is here, it goes now.
                    self.take_on(order)?;
                }
                let Some(it) = self.resources.get_mut(&order.resource) else {
                    return failed(OK, String::new());
                };
                it.holds = false;
                it.asked = Some(call.number);
                let holder = it.holder;
                self.keeper.handle(now(), keeper::Input::Release { holder });
                self.announcer.handle(now(), announcer::Input::Withdraw { holder });
            }
            "monitor" => {
                let known = self.resources.get(&order.resource).filter(|it| it.holds);
                let Some(it) = known else {
                    // A probe: what is left here of an earlier life goes.
                    self.take_on(order)?;
                    return failed(NOT_RUNNING, String::new());
                };
                if !self.keeper.held(it.holder) {
                    return failed(NOT_RUNNING, format!("{} is not there", it.vip.address));
                }
                if it.wanted.announcing.refresh > 0 && order.interval > 0 {
                    let (holder, vips) = (it.holder, vec![it.vip.clone()]);
                    self.announce(holder, vips, Reason::Startup);
                }
                return failed(OK, String::new());
            }
            other => {
                let why = format!("a VIP knows no `{other}`");
                return Err((UNIMPLEMENTED, OpStatus::NotSupported, why));
            }
        }
        Ok(())
    }

    /// Makes a resource known as an order has it.
    fn take_on(&mut self, order: &Order) -> Result<HolderId, (i32, OpStatus, String)> {
        let probe = order.interval == 0;
        let refused = |why: &agents::native::Refusal| {
            (why.rc(&order.operation, probe), OpStatus::Done, why.to_string())
        };
        let wanted = Wanted::read(&order.parameters).map_err(|why| refused(&why))?;
        let here = match self.here.take() {
            Some(here) => here,
            None => Here::look().map_err(|why| (ERROR, OpStatus::Done, why.to_string()))?,
        };
        let here = self.here.insert(here);
        let vip = wanted.on(&here.networks).map_err(|why| refused(&why))?;
        if &*order.operation == "start" && !here.running.contains(&vip.interface) {
            let why = match here.all.contains(&vip.interface) {
                true => format!("the interface {} is down or has no carrier", vip.interface),
                false => format!("there is no interface {}", vip.interface),
            };
            return Err((ERROR, OpStatus::Done, why));
        }
        let holder = match self.resources.get(&order.resource) {
            Some(known) => known.holder,
            None => {
                self.holders += 1;
                HolderId(self.holders)
            }
        };
        let announcing = wanted.announcing;
        // As many times as is asked for, over the same span: half of them at once.
        let (first, rest) = (announcing.count.div_ceil(2), announcing.count.saturating_sub(1));
        let policy = BurstPolicy {
            repeat: first,
            delay: if rest > 0 { announcing.interval * rest } else { Duration::ZERO },
            ..BurstPolicy::default()
        };
        let now = now();
        self.announcer.handle(now, announcer::Input::Policy { holder, policy });
        self.keeper.handle(now, keeper::Input::Manage { holder, vips: vec![vip.clone()] });
        let it = Resource { holder, wanted, vip, holds: false, asked: None };
        if let Some(before) = self.resources.insert(order.resource.clone(), it) {
            self.uncover(before.vip.address);
        }
        Ok(holder)
    }

    /// Nobody of ours holds the address any more.
    fn uncover(&mut self, address: IpAddr) {
        if !self.resources.values().any(|it| it.holds && it.vip.address == address) {
            self.silence.uncover(address);
        }
    }

    fn announce(&mut self, holder: HolderId, vips: Vec<Vip>, reason: Reason) {
        self.bursts += 1;
        let cause = EventId { origin: Origin::Engine, number: self.bursts };
        let input = announcer::Input::Announce { holder, vips, reason, cause };
        self.announcer.handle(now(), input);
    }

    /// Carries what the machines want until they want nothing more.
    fn settle(&mut self) {
        loop {
            self.silence.flush();
            while let Some(output) = self.keeper.poll_output() {
                self.keep(output);
            }
            while let Some(output) = self.announcer.poll_output() {
                if let announcer::Output::Frame { index, bytes } = output {
                    // A frame that does not leave is one of several.
                    let _ = self.frames.send(index, &bytes);
                }
            }
            if self.answer() {
                continue;
            }
            break;
        }
        let present = &self.present;
        self.silence.sweep(|address| present.iter().any(|it| it.0 == address));
        let trouble = self.silence.trouble().map(str::to_owned);
        let mut told = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != trouble {
            *told = trouble;
        }
    }

    fn keep(&mut self, output: keeper::Output) {
        match output {
            keeper::Output::Batch(batch) => {
                let done = self.addresses.execute(batch);
                self.keeper.handle(now(), keeper::Input::Done(done));
            }
            keeper::Output::Present { holder, vips } => {
                self.announce(holder, vips, Reason::Startup);
            }
            keeper::Output::Gone { holder, vips } => {
                self.announcer.handle(now(), announcer::Input::Gone { holder, vips });
            }
            keeper::Output::Taken { vip, .. } => {
                self.note(format!("{vip} was removed by somebody else, and is put back"));
            }
            keeper::Output::LeftOver { vip, .. } => {
                self.note(format!("{vip} was left here, and is removed"));
            }
            keeper::Output::Refused { holder, vip, errno, .. } => {
                let mut all = self.resources.values_mut();
                let Some(it) = all.find(|it| it.holder == holder) else { return };
                let Some(number) = it.asked.take() else { return };
                let what = if it.holds { "put there" } else { "removed" };
                it.holds = false;
                self.keeper.handle(now(), keeper::Input::Release { holder });
                let why = format!("{vip} cannot be {what}: {errno}");
                self.done(number, ERROR, OpStatus::Done, why);
            }
        }
    }

    /// Answers what has come about, and forgets what is over; whether there was anything.
    fn answer(&mut self) -> bool {
        let mut done = Vec::new();
        let mut over = Vec::new();
        for (name, it) in &mut self.resources {
            let there = match it.holds {
                true => self.keeper.held(it.holder),
                false => !self.keeper.leaves_traces(it.holder),
            };
            if let Some(number) = it.asked.take_if(|_| there) {
                done.push(number);
            }
            if !it.holds && there {
                over.push(name.clone());
            }
        }
        for name in &over {
            let Some(it) = self.resources.remove(name) else { continue };
            let holder = it.holder;
            self.keeper.handle(now(), keeper::Input::Manage { holder, vips: Vec::new() });
            self.announcer.handle(now(), announcer::Input::Forget { holder });
            self.uncover(it.vip.address);
        }
        for number in &done {
            self.done(*number, OK, OpStatus::Done, String::new());
        }
        !over.is_empty()
    }

    fn done(&self, number: u64, rc: i32, status: OpStatus, reason: String) {
        self.back.tell(Told::Done(CallDone { number, rc, status, reason }));
    }

    fn note(&self, what: String) {
        self.back.tell(Told::Note(what));
    }
}

/// The networks this machine is in, and its interfaces.
struct Here {
    networks: Vec<Network>,
    all: BTreeSet<Name>,
    running: BTreeSet<Name>,
}

impl Here {
    fn look() -> Result<Self, linux::NetlinkError> {
        let mut inventory = Inventory::open().map_err(linux::NetlinkError::Io)?;
        let links = inventory.links()?;
        let names: BTreeMap<IfIndex, Name> =
            links.iter().map(|it| (it.index, it.name.clone())).collect();
        let network = |it: linux::AddressEntry| {
            let broadcast = match it.broadcast {
                Broadcast::Address(address) => Some(address),
                _ => None,
            };
            let interface = names.get(&it.index)?.clone();
            Some(Network { interface, address: it.address, prefix: it.prefix, broadcast })
        };
        let networks = inventory.addresses()?.into_iter().filter_map(network).collect();
        let runs = |it: &&linux::LinkEntry| it.flags.contains(&"LOWER_UP");
        let running = links.iter().filter(runs).map(|it| it.name.clone()).collect();
        Ok(Self { networks, all: links.into_iter().map(|it| it.name).collect(), running })
    }
}
