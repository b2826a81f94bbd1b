//! A node as a process, whose hands hold on paper: what the kernel would hear for it, and until when, is
//! written down, a line each, before it is so.
//!
//! As in the kernel ([`node::hands`]): what is held is heard until the end of the quorum lease, whoever
//! is still there; a process that begins has nothing, and what one before it held lasts until that end.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;

use base::Name;
use cluster::executor::CallDone;
use cluster::operation::OpStatus;
use node::hands::{Act, Back, Hands, Lease, Told};
use node::home;
use node::run::{self, Options};

pub(crate) const HOME: &str = "MAINSTAY_KILLS_HOME";
pub(crate) const CONTROL: &str = "MAINSTAY_KILLS_CONTROL";
/// After so many writes to its log the engine takes a snapshot, and drops what came before.
pub(crate) const COMPACT: u32 = 60;

struct Paper {
    back: Back,
    lease: Lease,
    held: BTreeSet<Name>,
}

fn write(line: &str) {
    let mut out = std::io::stdout().lock();
    // One write, so that a line is whole or not there.
    if out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}

impl Paper {
    fn hold(&self, resource: &Name) {
        let until = match self.lease {
            Lease::Until(ends) => ends.as_nanos(),
            Lease::None => return,
            Lease::Needless => u64::MAX,
        };
        write(&format!("held {resource} {} {until}", run::now().as_nanos()));
    }

    fn release(&self, resource: &Name) {
        write(&format!("gone {resource} {}", run::now().as_nanos()));
    }
}

impl Hands for Paper {
    fn act(&mut self, act: Act) {
        match act {
            Act::Call(call) => {
                let resource = call.order.resource.clone();
                let rc = match &*call.order.operation {
                    "start" => {
                        self.held.insert(resource.clone());
                        self.hold(&resource);
                        0
                    }
                    "stop" => {
                        if self.held.remove(&resource) {
                            self.release(&resource);
                        }
                        0
                    }
                    "monitor" if !self.held.contains(&resource) => 7,
                    _ => 0,
                };
                let (number, status) = (call.number, OpStatus::Done);
                let done = CallDone { number, rc, status, reason: String::new() };
                self.back.tell(Told::Done(done));
            }
            Act::Lease(lease) => {
                let before = std::mem::replace(&mut self.lease, lease);
                for resource in &self.held {
                    if lease == Lease::None && before != Lease::None {
                        self.release(resource);
                    }
                    self.hold(resource);
                }
            }
            Act::Reborn => {
                for resource in std::mem::take(&mut self.held) {
                    self.release(&resource);
                }
            }
            Act::Kill(_) | Act::Fence(_) | Act::FenceKill(_) | Act::Safe | Act::Rest => {}
        }
    }

    fn trouble(&self) -> Option<String> {
        None
    }
}

/// A node, until it is killed or whoever started it has gone.
#[test]
fn node() {
    let Ok(dir) = std::env::var(HOME) else { return };
    let control = PathBuf::from(std::env::var(CONTROL).unwrap());
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let home = home::open(&PathBuf::from(dir)).unwrap();
    let options = Options { home, control, log: Arc::new(|line: &str| eprintln!("{line}")) };
    let hands = |back: Back| {
        let paper = Paper { back, lease: Lease::None, held: BTreeSet::new() };
        Ok(Box::new(paper) as Box<dyn Hands>)
    };
    if let Err(error) = run::run_with(options, COMPACT.into(), channel(), hands) {
        write(&format!("ended {error}"));
        std::process::exit(1);
    }
}
