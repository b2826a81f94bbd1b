//! What a client sees: a request every few milliseconds to the VIP, and who answered it, when.
//!
//! The outage is the longest time between the arrivals of two consecutive answers. A perfectly
//! healthy run therefore shows about one interval, never zero. Two nodes that answer one and the
//! same request are two holders that the client could reach.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use base::{Instant, Name};
use linux::clock::monotonic;
use linux::{Container, UdpAnswerer};

use crate::{LabError, wait_for};

/// The UDP port that every node answers on.
pub const ECHO_PORT: u16 = 7007;
const PATIENCE: Duration = Duration::from_millis(50);
const MAGIC: &[u8; 4] = b"vip?";
/// A later answer sat in a queue, most likely behind an unresolved neighbour.
const LATE: Duration = Duration::from_millis(100);

/// A thread that ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Worker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(crate) fn start(
        name: &str,
        mut turn: impl FnMut() + Send + 'static,
    ) -> Result<Self, LabError> {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // Without the right to it, measured as punctually as may be.
                let _ = linux::real_time(1);
                while !asked.load(Ordering::Relaxed) {
                    turn();
                }
            })
            .map_err(|cause| LabError::new(format!("starting thread {name}"), cause))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Answers each request with the node's name, from the address it was asked on.
#[derive(Debug)]
pub(crate) struct Echo {
    _worker: Worker,
}

impl Echo {
    pub(crate) fn start(container: &Container, name: &Name) -> Result<Self, LabError> {
        let socket = container
            .run(open_echo)
            .map_err(|cause| LabError::new(format!("opening the echo of {name}"), cause))?;
        let own = name.clone();
        let mut buffer = [0; 64];
        let worker = Worker::start(&format!("echo-{name}"), move || {
            let Ok(asked) = socket.recv(&mut buffer) else { return };
            let answer = [&buffer[..asked.length], own.as_bytes()].concat();
            // The address may have left us between question and answer: then nobody answers.
            let _ = socket.answer(&asked, &answer);
        })?;
        Ok(Self { _worker: worker })
    }
}

/// The echo's port. An earlier echo's socket lives on for a moment in a child that another thread has
/// just forked and that has not yet become its program.
fn open_echo() -> io::Result<UdpAnswerer> {
    let mut opened = UdpAnswerer::open(ECHO_PORT, PATIENCE);
    wait_for(Duration::from_secs(5), || {
        let in_use = |error: &io::Error| error.kind() == io::ErrorKind::AddrInUse;
        let wait = opened.as_ref().is_err_and(in_use);
        if wait {
            opened = UdpAnswerer::open(ECHO_PORT, PATIENCE);
        }
        !wait
    });
    opened
}

/// One answer to one request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Which request, counted from 0.
    pub number: u64,
    /// When the answer arrived.
    pub at: Instant,
    /// Who answered.
    pub node: Name,
}

#[derive(Debug, Default)]
struct Notes {
    sent: Vec<Instant>,
    answers: Vec<Answer>,
}

/// A running probe.
#[derive(Debug)]
pub struct Probe {
    notes: Arc<Mutex<Notes>>,
    sender: Option<Worker>,
    receiver: Option<Worker>,
}

impl Probe {
    /// Asks `vip` every `interval` from inside `container`, until [`finish`](Self::finish).
    ///
    /// # Errors
    /// If no socket or thread can be had.
    pub fn start(container: &Container, vip: IpAddr, interval: Duration) -> Result<Self, LabError> {
        let failed = |cause| LabError::new("opening the client's probe", cause);
        let socket = container
            .run(|| {
                let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?;
                socket.set_read_timeout(Some(PATIENCE))?;
                Ok(socket)
            })
            .map_err(failed)?;
        let sending = socket.try_clone().map_err(failed)?;
        let to = match vip {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        let to = SocketAddr::from((to, ECHO_PORT));
        let notes = Arc::<Mutex<Notes>>::default();
        let (sent, received) = (Arc::clone(&notes), Arc::clone(&notes));
        let mut due = monotonic();
        let sender = Worker::start("probe-send", move || {
            std::thread::sleep(due.since(monotonic()));
            // Held up: do not send a burst of what should have gone before.
            let now = monotonic();
            due = (due + interval).max(now);
            let number = {
                let mut notes = lock(&sent);
                notes.sent.push(now);
                u64::try_from(notes.sent.len() - 1).unwrap_or(u64::MAX)
            };
            let request = [&MAGIC[..], &number.to_be_bytes()].concat();
            // No way to the VIP is an unanswered request, as any other.
            let _ = sending.send_to(&request, to);
        })?;
        let mut buffer = [0; 128];
        let receiver = Worker::start("probe-receive", move || {
            let Ok(length) = socket.recv(&mut buffer) else { return };
            let at = monotonic();
            if let Some((number, node)) = parse(&buffer[..length]) {
                lock(&received).answers.push(Answer { number, at, node });
            }
        })?;
        Ok(Self { notes, sender: Some(sender), receiver: Some(receiver) })
    }

    /// The answers so far.
    #[must_use]
    pub fn answers(&self) -> Vec<Answer> {
        lock(&self.notes).answers.clone()
    }

    /// The last answer so far.
    #[must_use]
    pub fn last_answer(&self) -> Option<Answer> {
        lock(&self.notes).answers.last().cloned()
    }

    /// Stops asking, waits for answers still under way and sums up.
    #[must_use]
    pub fn finish(mut self) -> Outcome {
        drop(self.sender.take());
        std::thread::sleep(LATE);
        drop(self.receiver.take());
        let notes = std::mem::take(&mut *lock(&self.notes));
        Outcome::of(notes)
    }
}

fn parse(answer: &[u8]) -> Option<(u64, Name)> {
    let (number, node) = answer.strip_prefix(MAGIC)?.split_first_chunk()?;
    Some((u64::from_be_bytes(*number), std::str::from_utf8(node).ok()?.into()))
}

/// The longest time without an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gap {
    /// The last answer before it.
    pub last: Answer,
    /// The first answer after it; `None` if there was none any more.
    pub first: Option<Answer>,
    /// How long it was; if it never ended, a lower bound.
    pub length: Duration,
}

/// What a [`Probe`] saw.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Requests sent.
    pub sent: usize,
    /// Requests that nobody ever answered.
    pub lost: usize,
    /// Requests answered, but more than 100 ms after they were sent.
    pub late: usize,
    /// The outage; `None` if nothing was ever answered.
    pub outage: Option<Gap>,
    /// Requests that were answered by two different nodes.
    pub answered_twice: usize,
    /// How often the answering node changed.
    pub switches: usize,
    /// The longest time between two requests: if this is not about the interval, the machine was
    /// busy and the outage is no better known than this.
    pub longest_send_gap: Duration,
    /// When each request was sent.
    pub requests: Vec<Instant>,
    /// Every answer, in order of arrival.
    pub answers: Vec<Answer>,
}

impl Outcome {
    fn of(Notes { sent, answers }: Notes) -> Self {
        let mut by_request: BTreeMap<u64, BTreeSet<&Name>> = BTreeMap::new();
        let mut first_at = BTreeMap::new();
        for answer in &answers {
            by_request.entry(answer.number).or_default().insert(&answer.node);
            first_at.entry(answer.number).or_insert(answer.at);
        }
        let late = first_at.iter().filter(|(number, at)| {
            let number = usize::try_from(**number).unwrap_or(usize::MAX);
            sent.get(number).is_some_and(|sent| at.since(*sent) > LATE)
        });
        let late = late.count();
        let gaps = answers.windows(2).filter_map(|pair| match pair {
            [last, first] => Some((last, Some(first), first.at.since(last.at))),
            _ => None,
        });
        // Still without an answer when the last request went out?
        let open =
            answers.last().zip(sent.last()).map(|(last, sent)| (last, None, sent.since(last.at)));
        let outage = gaps.chain(open).max_by_key(|(_, _, length)| *length);
        let outage = outage.map(|(last, first, length)| Gap {
            last: last.clone(),
            first: first.cloned(),
            length,
        });
        let change =
            |pair: &&[Answer]| pair.first().map(|a| &a.node) != pair.last().map(|a| &a.node);
        let between = sent.windows(2).filter_map(|pair| Some(pair.last()?.since(*pair.first()?)));
        Self {
            sent: sent.len(),
            lost: sent.len().saturating_sub(by_request.len()),
            late,
            outage,
            answered_twice: by_request.values().filter(|nodes| nodes.len() > 1).count(),
            switches: answers.windows(2).filter(change).count(),
            longest_send_gap: between.max().unwrap_or_default(),
            requests: sent,
            answers,
        }
    }

    /// Requests sent from `since` on that nobody answered, but for those that may still have been.
    #[must_use]
    pub fn lost_since(&self, since: Instant) -> usize {
        let answered: BTreeSet<u64> = self.answers.iter().map(|answer| answer.number).collect();
        let last = self.requests.last().copied().unwrap_or(since);
        let counts = |(number, sent): &(u64, &Instant)| {
            **sent >= since && last.since(**sent) > LATE && !answered.contains(number)
        };
        (0..).zip(&self.requests).filter(counts).count()
    }

    /// How often the answering node changed, of requests sent from `since` on: what happened before a test
    /// began to look is nobody's fault.
    #[must_use]
    pub fn switches_since(&self, since: Instant) -> usize {
        let sent = |number| self.requests.get(usize::try_from(number).ok()?);
        let later = |answer: &&Answer| sent(answer.number).is_some_and(|at| *at >= since);
        let answers: Vec<&Answer> = self.answers.iter().filter(later).collect();
        answers.windows(2).filter(|pair| pair[0].node != pair[1].node).count()
    }

    /// Who answered last before the outage.
    #[must_use]
    pub fn before(&self) -> Option<&Name> {
        Some(&self.outage.as_ref()?.last.node)
    }

    /// Who answered first after the outage.
    #[must_use]
    pub fn after(&self) -> Option<&Name> {
        Some(&self.outage.as_ref()?.first.as_ref()?.node)
    }

    /// The outage's length, if it ended.
    #[must_use]
    pub fn closed_outage(&self) -> Option<Duration> {
        let gap = self.outage.as_ref()?;
        gap.first.as_ref().map(|_| gap.length)
    }
}

fn lock(notes: &Mutex<Notes>) -> MutexGuard<'_, Notes> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(count: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(count)
    }

    fn answer(number: u64, at: u64, node: &str) -> Answer {
        Answer { number, at: ms(at), node: node.into() }
    }

    #[test]
    fn the_outage_is_the_longest_gap_between_answers() {
        let sent = (0..10).map(|n| ms(n * 10)).collect();
        let answers = vec![
            answer(0, 1, "n1"),
            answer(1, 11, "n1"),
            answer(7, 71, "n2"),
            answer(8, 81, "n2"),
            answer(9, 91, "n2"),
        ];
        let outcome = Outcome::of(Notes { sent, answers });
        assert_eq!(outcome.closed_outage(), Some(Duration::from_millis(60)));
        assert_eq!(outcome.before().map(Name::as_str), Some("n1"));
        assert_eq!(outcome.after().map(Name::as_str), Some("n2"));
        assert_eq!((outcome.sent, outcome.lost, outcome.switches), (10, 5, 1));
        let after = outcome.answers.last().map(|last| last.at).unwrap();
        assert_eq!((outcome.switches_since(Instant::ZERO), outcome.switches_since(after)), (1, 0));
        assert_eq!(outcome.longest_send_gap, Duration::from_millis(10));
    }

    #[test]
    fn an_outage_that_never_ended_is_open() {
        let sent = (0..10).map(|n| ms(n * 10)).collect();
        let outcome = Outcome::of(Notes { sent, answers: vec![answer(0, 1, "n1")] });
        assert_eq!(outcome.closed_outage(), None);
        assert_eq!(outcome.outage.unwrap().length, Duration::from_millis(89));
    }

    #[test]
    fn two_nodes_answering_one_request_are_counted_one_node_answering_twice_is_not() {
        let sent = vec![ms(0), ms(10), ms(200)];
        let answers = vec![
            answer(0, 1, "n1"),
            answer(0, 2, "n2"),
            answer(1, 150, "n1"),
            answer(1, 151, "n1"),
        ];
        let outcome = Outcome::of(Notes { sent, answers });
        assert_eq!((outcome.answered_twice, outcome.late, outcome.lost), (1, 1, 1));
    }

    #[test]
    fn an_answer_is_the_request_and_a_name() {
        let request = [&MAGIC[..], &7_u64.to_be_bytes(), b"n3"].concat();
        assert_eq!(parse(&request), Some((7, "n3".into())));
        assert_eq!(parse(b"vip?\0\0"), None);
        assert_eq!(parse(b"other text"), None);
    }
}
