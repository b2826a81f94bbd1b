//! When each node's kernel got an address and when it lost it, told by the kernel as it happens.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use base::{Instant, KernelFact, Name};
use linux::clock::monotonic;
use linux::{Container, Heard, Interest, Monitor, Poll};

use crate::LabError;

/// An address came to a node, or left it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holding {
    /// When.
    pub at: Instant,
    /// The node.
    pub node: Name,
    /// The address, be it the node's own or a VIP.
    pub address: IpAddr,
    /// Whether it is there now.
    pub present: bool,
}

/// The book in which all nodes of a lab are entered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Arc<Mutex<Vec<Holding>>>);

impl Ledger {
    pub(crate) fn read(&self) -> Vec<Holding> {
        self.lock().clone()
    }

    /// Enters a change; what is already so is not entered again.
    fn enter(&self, node: &Name, address: IpAddr, present: bool) {
        let mut book = self.lock();
        let last = book.iter().rev().find(|h| h.node == *node && h.address == address);
        if last.is_some_and(|last| last.present) != present {
            book.push(Holding { at: monotonic(), node: node.clone(), address, present });
        }
    }

    /// The node's power failed: it has nothing any more.
    pub(crate) fn lose_all(&self, node: &Name) {
        let addresses: Vec<IpAddr> =
            self.lock().iter().filter(|h| h.node == *node).map(|h| h.address).collect();
        for address in addresses {
            self.enter(node, address, false);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Holding>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Enters one node's changes until dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(crate) fn start(
        container: &Container,
        node: &Name,
        ledger: &Ledger,
    ) -> Result<Self, LabError> {
        let failed = |cause| LabError::new(format!("watching the addresses of {node}"), cause);
        let monitor = container.run(|| Monitor::open(Monitor::QUEUE)).map_err(failed)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (asked, node, ledger) = (Arc::clone(&stop), node.clone(), ledger.clone());
        let (begun, beginning) = channel();
        let thread = std::thread::Builder::new()
            .name(format!("watch-{node}"))
            .spawn(move || {
                // Whoever wanted to know has the answer in `beginning`, and nobody else asks.
                if let Err(error) = watch(monitor, &node, &ledger, &asked, &begun) {
                    let _ = begun.send(Err(error));
                }
            })
            .map_err(failed)?;
        let gone = || io::Error::other("the watching thread ended at once");
        beginning.recv().unwrap_or_else(|_| Err(gone())).map_err(failed)?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Tells `begun` once what there is at the beginning has been entered.
fn watch(
    mut monitor: Monitor,
    node: &Name,
    ledger: &Ledger,
    stop: &AtomicBool,
    begun: &Sender<io::Result<()>>,
) -> io::Result<()> {
    // Before the witness: the kernel tells of an address before anybody announces it. Without the
    // right to it, entered as punctually as may be.
    let _ = linux::real_time(3);
    let mut poll = Poll::new()?;
    poll.add(&monitor, 0, Interest::Read)?;
    enter(ledger, node, &monitor.snapshot().map_err(io::Error::other)?);
    let _ = begun.send(Ok(()));
    while !stop.load(Ordering::Relaxed) {
        poll.wait(Some(Duration::from_millis(50)))?.for_each(drop);
        let facts = match monitor.read()? {
            Heard::Facts(facts) => facts,
            Heard::Overrun => vec![monitor.snapshot().map_err(io::Error::other)?],
        };
        facts.iter().for_each(|fact| enter(ledger, node, fact));
    }
    Ok(())
}

fn enter(ledger: &Ledger, node: &Name, fact: &KernelFact) {
    match fact {
        KernelFact::Snapshot { addresses, .. } => {
            let now: Vec<IpAddr> = addresses.iter().map(|fact| fact.address).collect();
            let known: Vec<IpAddr> =
                ledger.read().iter().filter(|h| h.node == *node).map(|h| h.address).collect();
            for address in known.iter().chain(&now) {
                ledger.enter(node, *address, now.contains(address));
            }
        }
        KernelFact::Address(fact) => ledger.enter(node, fact.address, true),
        KernelFact::AddressGone(fact) => ledger.enter(node, fact.address, false),
        KernelFact::Link(_) | KernelFact::LinkGone(_) => {}
    }
}

/// For how long at most two or more nodes had `vip` at the same time, up to `until`.
#[must_use]
pub fn longest_overlap(holdings: &[Holding], vip: IpAddr, until: Instant) -> Duration {
    let mut holders: Vec<&Name> = Vec::new();
    let mut since = None;
    let mut longest = Duration::ZERO;
    for change in holdings.iter().filter(|change| change.address == vip && change.at <= until) {
        holders.retain(|holder| **holder != change.node);
        if change.present {
            holders.push(&change.node);
        }
        match (since, holders.len() > 1) {
            (None, true) => since = Some(change.at),
            (Some(start), false) => {
                longest = longest.max(change.at.since(start));
                since = None;
            }
            (None, false) | (Some(_), true) => {}
        }
    }
    longest.max(since.map(|start| until.since(start)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(193, 168, 0, 6));

    fn change(at: u64, node: &str, present: bool) -> Holding {
        let at = Instant::ZERO + Duration::from_millis(at);
        Holding { at, node: node.into(), address: VIP, present }
    }

    #[test]
    fn an_overlap_is_two_holders_at_one_time() {
        let at = |ms| Instant::ZERO + Duration::from_millis(ms);
        let book = [
            change(0, "n1", true),
            change(10, "n2", true),
            change(13, "n1", false),
            change(20, "n2", false),
            change(20, "n1", true),
            change(90, "n3", true),
        ];
        assert_eq!(longest_overlap(&book, VIP, at(50)), Duration::from_millis(3));
        assert_eq!(longest_overlap(&book, VIP, at(95)), Duration::from_millis(5), "still going on");
        let other = IpAddr::from([193, 168, 0, 7]);
        assert_eq!(longest_overlap(&book, other, at(95)), Duration::ZERO);
    }

    #[test]
    fn the_ledger_enters_changes_only() {
        let ledger = Ledger::default();
        let n1 = Name::from("n1");
        for present in [false, true, true, false, false] {
            ledger.enter(&n1, VIP, present);
        }
        ledger.enter(&n1, VIP, true);
        ledger.lose_all(&n1);
        let seen: Vec<bool> = ledger.read().iter().map(|h| h.present).collect();
        assert_eq!(seen, [true, false, true, false]);
    }
}
