//! Plans on a thread of its own: a large plan must not hold up leases and heartbeats.

use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use cib::dates::WallTime;
use cib::xml::Element;

use crate::run::Event;

/// The thread. Dropped, it has ended: what it plans is nobody's news in another life.
pub(crate) struct Planner {
    to: Option<Sender<(u64, Element)>>,
    thread: Option<JoinHandle<()>>,
}

impl Planner {
    pub(crate) fn start(events: Sender<Event>) -> std::io::Result<Self> {
        let (send, receive) = channel::<(u64, Element)>();
        let plan = move || {
            while let Ok((number, root)) = receive.recv() {
                let time = WallTime(linux::clock::wall().0);
                let plan = Box::new(sched::plan(&cib::Cib::read(&root), time));
                if events.send(Event::Planned(number, plan)).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("planner".into()).spawn(plan)?;
        Ok(Self { to: Some(send), thread: Some(thread) })
    }

    /// Whether it took it.
    pub(crate) fn plan(&self, number: u64, root: Element) -> bool {
        self.to.as_ref().is_some_and(|to| to.send((number, root)).is_ok())
    }
}

impl Drop for Planner {
    fn drop(&mut self) {
        self.to = None;
        if let Some(thread) = self.thread.take() {
            // A panic of its own it has told.
            let _ = thread.join();
        }
    }
}
