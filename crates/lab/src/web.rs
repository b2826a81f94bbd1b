//! What a browser sees: a page asked for again and again at the VIP, and which node's server answered.
//!
//! Each request is a connection of its own, from inside the client. One that is not answered soon is given
//! up and made again, so an outage is known to within that time.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base::{Instant, Name};
use linux::clock::monotonic;

use crate::node::Node;
use crate::probe::Worker;
use crate::{Answer, LabError};

/// A request that is not answered within this is made again.
const PATIENCE: Duration = Duration::from_millis(40);

/// A running browser.
#[derive(Debug)]
pub struct Web {
    answers: Arc<Mutex<Vec<Answer>>>,
    _worker: Worker,
}

impl Web {
    /// Asks for the page at port 80 of `vip`, which says the name of its node, with `interval` between two
    /// requests.
    pub(crate) fn start(client: &Node, vip: IpAddr, interval: Duration) -> Result<Self, LabError> {
        let answers = Arc::<Mutex<Vec<Answer>>>::default();
        let notes = Arc::clone(&answers);
        let failed = |cause| LabError::new("opening the client's browser", cause);
        let mut network = Some(client.container().net().try_clone_to_owned().map_err(failed)?);
        let mut number = 0;
        let worker = Worker::start("web", move || {
            // Whoever cannot be in there sees no page.
            if let Some(network) = network.take()
                && linux::join_network(network).is_err()
            {
                number = u64::MAX;
            }
            if number < u64::MAX {
                number += 1;
                if let Some(node) = page(vip) {
                    let answer = Answer { number, at: monotonic(), node };
                    notes.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
                }
            }
            std::thread::sleep(interval);
        })?;
        Ok(Self { answers, _worker: worker })
    }

    /// The answers so far.
    #[must_use]
    pub fn answers(&self) -> Vec<Answer> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The longest time without an answer around or after `since`, if it ended.
    #[must_use]
    pub fn outage(&self, since: Instant) -> Option<Duration> {
        let answers = self.answers();
        let gaps = answers.windows(2).filter_map(|pair| match pair {
            [last, first] if first.at > since => Some(first.at.since(last.at)),
            _ => None,
        });
        gaps.max()
    }
}

/// What the page says, if it comes.
fn page(vip: IpAddr) -> Option<Name> {
    let to = SocketAddr::from((vip, 80));
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| body.trim().into())
}
