//! Units of systemd, over its bus (`org.freedesktop.systemd1`): started, stopped, looked at.
//!
//! A start is a job of systemd's; it is done when the job is, and how the job ended says how. While a
//! unit is under the cluster's care systemd must not start it by itself, so a start puts
//! `Restart=no` beside the unit (below `/run`, until it is stopped or the node boots).
//!
//! A thread speaks with the bus, because the library that does is asynchronous; nothing is shared
//! with it but two queues. Whoever gives up on something has not undone it: the job goes on.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{AbortHandle, JoinSet};

use crate::exit::{self, Ended};
use cluster::operation::OpStatus;

mod unit;

/// What is to be done with which unit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Work {
    pub(crate) unit: String,
    /// `start`, `stop`, `restart`, `monitor` or `status`.
    pub(crate) verb: base::Name,
}

enum Order {
    Do(u64, Work),
    GiveUp(u64),
}

/// The thread, seen from outside.
#[derive(Debug)]
pub(crate) struct Units {
    orders: Option<UnboundedSender<Order>>,
    results: Receiver<(u64, Ended)>,
    bell: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Units {
    pub(crate) fn start(bus: Option<String>, overrides: Option<PathBuf>) -> io::Result<Self> {
        let (bell, rope) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        rope.set_nonblocking(true)?;
        let (tell, results) = channel();
        let (orders, received) = unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("ms:units".into()).spawn(move || {
            let manager = Arc::new(unit::Manager::new(bus, overrides));
            runtime.block_on(live(&manager, received, &tell, &Arc::new(rope)));
        })?;
        Ok(Self { orders: Some(orders), results, bell, thread: Some(thread) })
    }

    pub(crate) fn ask(&self, number: u64, work: Work) {
        self.send(Order::Do(number, work));
    }

    /// Its end is not of interest any more.
    pub(crate) fn give_up(&self, number: u64) {
        self.send(Order::GiveUp(number));
    }

    fn send(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // The thread ends only after us.
            let _ = orders.send(order);
        }
    }

    /// What has ended since the last time.
    pub(crate) fn hear(&mut self) -> Vec<(u64, Ended)> {
        let mut rings = [0; 64];
        while matches!((&self.bell).read(&mut rings), Ok(n) if n > 0) {}
        self.results.try_iter().collect()
    }
}

impl AsFd for Units {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

impl Drop for Units {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What an action comes to if systemd cannot be asked.
pub(crate) fn unreachable(why: &str) -> Ended {
    Ended::failed(OpStatus::Error, exit::ERROR, format!("systemd cannot be asked: {why}"))
}

async fn live(
    manager: &Arc<unit::Manager>,
    mut orders: UnboundedReceiver<Order>,
    tell: &Sender<(u64, Ended)>,
    rope: &Arc<UnixStream>,
) {
    let mut tasks = JoinSet::new();
    let mut handles: BTreeMap<u64, AbortHandle> = BTreeMap::new();
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                None => return,
                Some(Order::Do(number, work)) => {
                    let (manager, tell, rope) =
                        (Arc::clone(manager), tell.clone(), Arc::clone(rope));
                    let handle = tasks.spawn(async move {
                        let ended = manager.act(&work).await;
                        let _ = tell.send((number, ended));
                        let _ = (&*rope).write(&[1]);
                        number
                    });
                    handles.insert(number, handle);
                }
                Some(Order::GiveUp(number)) => {
                    if let Some(handle) = handles.remove(&number) {
                        handle.abort();
                    }
                }
            },
            Some(ended) = tasks.join_next() => {
                if let Ok(number) = ended {
                    handles.remove(&number);
                }
            }
        }
    }
}
