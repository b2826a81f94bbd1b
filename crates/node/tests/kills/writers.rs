//! Clients that make numbered changes, whoever is killed meanwhile: one of each node.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ui::cluster::{Change as Wanted, Client, Request, Response};

use crate::ledger::Change;

/// The set in which the changes stand.
pub(crate) const SET: &str = "kills";
/// How many changes of one client are under way.
const DEPTH: usize = 4;
/// A client takes a breath after each answer: documents that grow by thousands are another test's.
const BREATH: Duration = Duration::from_millis(3);

#[derive(Default)]
struct Shared {
    changes: Mutex<Vec<Change>>,
    paused: AtomicBool,
    over: AtomicBool,
    under_way: AtomicUsize,
    idle: AtomicUsize,
}

impl Shared {
    fn changes(&self) -> MutexGuard<'_, Vec<Change>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Writers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// A change that adds something of this name behind all that is there.
pub(crate) fn addition(id: &str) -> Request {
    let xml = format!(
        "<crm_config><cluster_property_set id='{SET}'><nvpair id='{id}' name='{id}' value='1'/>\
         </cluster_property_set></crm_config>"
    );
    let change = Wanted::Modify { scope: "crm_config".into(), xml, allow_create: true };
    Request::Change { expect: None, change }
}

impl Writers {
    pub(crate) fn start(sockets: &[PathBuf]) -> Self {
        let shared = Arc::<Shared>::default();
        shared.paused.store(true, Ordering::SeqCst);
        let start = |(at, socket): (usize, &PathBuf)| {
            let (shared, socket) = (Arc::clone(&shared), socket.clone());
            std::thread::spawn(move || write(&shared, at, &socket))
        };
        let threads = sockets.iter().enumerate().map(start).collect();
        Self { shared, threads }
    }

    pub(crate) fn go_on(&self) {
        self.shared.paused.store(false, Ordering::SeqCst);
    }

    /// No more is sent; whether all that was is answered.
    pub(crate) fn pause(&self) -> bool {
        self.shared.paused.store(true, Ordering::SeqCst);
        self.shared.idle.load(Ordering::SeqCst) == self.threads.len()
    }

    /// How many are asked for and not answered.
    pub(crate) fn under_way(&self) -> usize {
        self.shared.under_way.load(Ordering::SeqCst)
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.shared.changes().iter().filter(|it| it.acknowledged.is_some()).count()
    }

    /// All so far; the next begin anew.
    pub(crate) fn take(&self) -> Vec<Change> {
        std::mem::take(&mut self.shared.changes())
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn write(shared: &Shared, at: usize, socket: &Path) {
    let mut client: Option<Client> = None;
    let mut waiting: VecDeque<String> = VecDeque::new();
    let (mut number, mut idle) = (0_u64, false);
    let mut rest = |is: bool| {
        if is != std::mem::replace(&mut idle, is) {
            match is {
                true => shared.idle.fetch_add(1, Ordering::SeqCst),
                false => shared.idle.fetch_sub(1, Ordering::SeqCst),
            };
        }
    };
    while !shared.over.load(Ordering::SeqCst) {
        let paused = shared.paused.load(Ordering::SeqCst);
        if paused && waiting.is_empty() {
            rest(true);
            std::thread::sleep(Duration::from_millis(2));
            continue;
        }
        rest(false);
        let Some(open) = &mut client else {
            client = Client::connect(socket).ok();
            if client.is_none() {
                std::thread::sleep(Duration::from_millis(2));
            }
            continue;
        };
        let mut well = true;
        while well && !paused && waiting.len() < DEPTH {
            number += 1;
            let id = format!("w{at}-{number}");
            let change = Change { id: id.clone(), sent: Instant::now(), acknowledged: None };
            shared.changes().push(change);
            well = open.send(&addition(&id)).is_ok();
            waiting.push_back(id);
            shared.under_way.fetch_add(1, Ordering::SeqCst);
        }
        match open.receive() {
            Ok(Response::Done(_) | Response::Unchanged) if well => {
                let now = Instant::now();
                let Some(id) = waiting.pop_front() else { continue };
                shared.under_way.fetch_sub(1, Ordering::SeqCst);
                let mut changes = shared.changes();
                if let Some(change) = changes.iter_mut().rev().find(|it| it.id == id) {
                    change.acknowledged = Some(now);
                }
            }
            // What becomes of what was asked for is not known.
            _ => {
                shared.under_way.fetch_sub(waiting.len(), Ordering::SeqCst);
                waiting.clear();
                client = None;
            }
        }
        std::thread::sleep(BREATH);
    }
}
