//! What the tasks of the engine share, and what is done about a peer's calls.
//!
//! Proposals of this node and those that others pass on go one way: a queue out of which as many as
//! wait are committed together, so that one write to each disk serves them all. Two such batches may
//! be under way at a time: one is being written here while the other is on its way to a quorum.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::Name;
use cluster::Entry;
use cluster::node::Message;
use cluster::seam::{Failure, Tell, Ticket};
use openraft::raft::AppendEntriesResponse;
use openraft::{RaftMetrics, ServerState};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout};

use crate::Disk;
use crate::canvass::{Hears, is_plain, may_stand};
use crate::frame::{Answer, Call};
use crate::join::Invitations;
use crate::members;
use crate::mesh::Mesh;
use crate::outlet::Outlet;
use crate::types::{Batch, NodeId, Peer, Types};

/// After this, whether something was committed is said to be unknown.
const ANSWER: Duration = Duration::from_secs(5);
/// How many batches may be under way.
const LANES: usize = 2;
/// A batch that is as long as this takes no more.
const BATCH: usize = 1 << 20;
/// How many entries may be in one.
const ENTRIES: usize = 256;

pub(crate) type Raft = openraft::Raft<Types>;
pub(crate) type Metrics = RaftMetrics<NodeId, Peer>;

/// Something proposed.
pub(crate) struct Item {
    pub(crate) entries: Vec<Entry>,
    pub(crate) bytes: usize,
    pub(crate) from: Origin,
}

/// By whom.
pub(crate) enum Origin {
    Own(Ticket),
    Peer(oneshot::Sender<Result<u64, Failure>>),
}

pub(crate) struct Core {
    pub(crate) id: NodeId,
    /// What this node is called, also when it is no member any more.
    pub(crate) own: Name,
    pub(crate) raft: Raft,
    pub(crate) mesh: Arc<Mesh>,
    pub(crate) outlet: Outlet,
    pub(crate) proposals: mpsc::Sender<Item>,
    /// While somebody leads, it is heard at least that often.
    pub(crate) lease: Duration,
    /// When a leader was heard last, or this node as one by a quorum.
    pub(crate) led: Mutex<Option<Instant>>,
    pub(crate) disk: Arc<Disk>,
    /// Nodes that are no members yet, and how to reach them.
    pub(crate) known: Mutex<BTreeMap<NodeId, Peer>>,
    /// Whom this node was told of when it joined: they count until it knows the members, and no longer,
    /// since somebody may have been removed meanwhile.
    pub(crate) hearsay: Mutex<BTreeMap<NodeId, Peer>>,
    /// Whether openraft may stand for election.
    pub(crate) may_stand: AtomicBool,
    /// The term in which this node was said to lead; none: it was not.
    pub(crate) leads: AtomicU64,
    /// One change of members at a time.
    pub(crate) changing: tokio::sync::Mutex<()>,
    pub(crate) invitations: Mutex<Invitations>,
    /// What those are given that join, beside the members.
    pub(crate) dowry: Vec<u8>,
}

type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

impl Core {
    pub(crate) fn metrics(&self) -> Metrics {
        self.raft.metrics().borrow().clone()
    }

    /// Takes a peer's call up, in order; the answer may come later.
    pub(crate) fn take(self: &Arc<Self>, call: Call) -> Answering {
        let core = Arc::clone(self);
        match call {
            Call::Ping => {
                let hears = core.hears();
                Box::pin(async move { Answer::Pong(hears) })
            }
            Call::Append(rpc) => Box::pin(async move {
                let answer = core.raft.append_entries(rpc).await;
                if matches!(
                    answer,
                    Ok(AppendEntriesResponse::Success
                        | AppendEntriesResponse::PartialSuccess(_)
                        | AppendEntriesResponse::Conflict)
                ) {
                    *lock(&core.led) = Some(Instant::now());
                }
                Answer::Append(answer)
            }),
            Call::Vote(rpc) => Box::pin(async move { Answer::Vote(core.raft.vote(rpc).await) }),
            Call::Install(rpc) => Box::pin(async move {
                let answer = core.raft.install_snapshot(rpc).await;
                if answer.is_ok() {
                    *lock(&core.led) = Some(Instant::now());
                }
                Answer::Install(answer)
            }),
            Call::Propose(entries, bytes) => {
                let (from, answer) = oneshot::channel();
                let item = Item { entries, bytes, from: Origin::Peer(from) };
                let full = core.proposals.try_send(item).is_err();
                Box::pin(async move {
                    if full {
                        return Answer::Done(Err(busy()));
                    }
                    Answer::Done(answer.await.unwrap_or(Err(Failure::Unknown)))
                })
            }
            Call::Members(peers) => {
                Box::pin(async move { Answer::Done(members::change(&core, peers).await) })
            }
            Call::Expel(name) => {
                Box::pin(async move { Answer::Done(members::expel(&core, name).await) })
            }
            Call::Enter(peer) => {
                Box::pin(async move { Answer::Done(members::enter(&core, peer).await) })
            }
        }
    }

    /// What a peer says to this node itself.
    pub(crate) fn heard(&self, from: NodeId, message: Message) {
        self.outlet.message(self.name(from), message);
    }

    /// What a node is called; by its number if nobody knows.
    pub(crate) fn name(&self, id: NodeId) -> Name {
        if id == self.id {
            return self.own.clone();
        }
        let metrics = self.raft.metrics();
        let named = metrics.borrow().membership_config.membership().get_node(&id).cloned();
        named
            .or_else(|| lock(&self.known).get(&id).cloned())
            .or_else(|| lock(&self.hearsay).get(&id).cloned())
            .map_or_else(|| Name::from(format!("{id:016x}")), |peer| peer.name)
    }

    /// What this node says of itself.
    pub(crate) fn hears(&self) -> Hears {
        let led = lock(&self.led).is_some_and(|at| at.elapsed() < self.lease);
        Hears { leader: led, last: self.disk.extent().unwrap_or_default() }
    }

    /// Lets openraft stand for election, or not.
    pub(crate) fn canvass(&self) {
        let metrics = self.metrics();
        let voters: &Vec<BTreeSet<NodeId>> =
            metrics.membership_config.membership().get_joint_config();
        let may = is_plain() || may_stand(self.id, self.hears(), voters, &self.mesh.heard());
        self.may_stand.store(may, Ordering::Relaxed);
        self.raft.runtime_config().elect(may);
    }

    pub(crate) fn may_stand(&self) -> bool {
        self.may_stand.load(Ordering::Relaxed)
    }

    /// This node was said to lead in this term, or to lead no more.
    pub(crate) fn leads(&self, term: Option<u64>) {
        self.leads.store(term.unwrap_or_default(), Ordering::Relaxed);
    }

    /// A quorum has answered the round that began then; told only while this node is said to lead.
    pub(crate) fn confirmed(&self, began: base::Instant) {
        let term = self.leads.load(Ordering::Relaxed);
        let metrics = self.metrics();
        if term != 0 && term == metrics.current_term && self.is_leader(&metrics) {
            self.outlet.tell(Tell::Confirmed(began));
        }
    }

    /// Calls and lets in whoever is a member, or about to become one.
    pub(crate) fn meet(&self) {
        let metrics = self.metrics();
        let members = metrics.membership_config.membership();
        let mut known = lock(&self.known);
        // From now on the membership alone says whether it belongs.
        known.retain(|id, _| members.get_node(id).is_none());
        let mut hearsay = lock(&self.hearsay);
        if members.nodes().next().is_some() {
            hearsay.clear();
        }
        let mut peers = hearsay.clone();
        peers.extend(known.iter().map(|(id, peer)| (*id, peer.clone())));
        drop((known, hearsay));
        peers.extend(members.nodes().map(|(id, peer)| (*id, peer.clone())));
        self.mesh.set(&peers);
    }

    /// Carries what is proposed, until nobody proposes any more.
    pub(crate) async fn carry(self: Arc<Self>, mut queue: mpsc::Receiver<Item>) {
        let lanes = Arc::new(Semaphore::new(LANES));
        while let Some(first) = queue.recv().await {
            // What comes while both lanes are taken goes together with it.
            let Ok(lane) = Arc::clone(&lanes).acquire_owned().await else { return };
            let (mut bytes, mut count) = (first.bytes, first.entries.len());
            let mut items = vec![first];
            while bytes < BATCH && count < ENTRIES {
                let Ok(item) = queue.try_recv() else { break };
                bytes += item.bytes;
                count += item.entries.len();
                items.push(item);
            }
            self.dispatch(items, lane).await;
        }
    }

    async fn dispatch(self: &Arc<Self>, items: Vec<Item>, lane: OwnedSemaphorePermit) {
        let core = Arc::clone(self);
        match self.metrics().current_leader {
            Some(leader) if leader == self.id => {
                let entries = items.iter().flat_map(|it| it.entries.iter().cloned()).collect();
                let sent = self.raft.client_write_ff(Batch(entries)).await;
                tokio::spawn(async move {
                    let answer = match sent {
                        Ok(sent) => match timeout(ANSWER, sent).await {
                            Ok(Ok(Ok(done))) => Ok(done.data.0),
                            // It may be in the log of another: who leads next decides.
                            _ => Err(Failure::Unknown),
                        },
                        Err(fatal) => Err(Failure::Refused(fatal.to_string())),
                    };
                    drop(lane);
                    core.answer(items, answer).await;
                });
            }
            leader => {
                // Passed on once, not twice: a peer is told, and asks whom it follows by then.
                let (own, others): (Vec<_>, Vec<_>) =
                    items.into_iter().partition(|it| matches!(it.from, Origin::Own(_)));
                self.answer(others, Err(Failure::Refused(nobody()))).await;
                let bytes = own.iter().map(|it| it.bytes).sum();
                let entries = own.iter().flat_map(|it| it.entries.iter().cloned()).collect();
                let link = leader.and_then(|leader| self.mesh.link(leader));
                let sent = link.map(|link| link.call(Call::Propose(entries, bytes)));
                tokio::spawn(async move {
                    let answer = match sent {
                        Some(Ok(sent)) => match sent.wait(ANSWER).await {
                            Ok(Answer::Done(answer)) => answer,
                            _ => Err(Failure::Unknown),
                        },
                        Some(Err(error)) => {
                            Err(Failure::Refused(format!("the leader is {error}: try again")))
                        }
                        None => Err(Failure::Refused(nobody())),
                    };
                    drop(lane);
                    core.answer(own, answer).await;
                });
            }
        }
    }

    /// Answers each item, given what came of the last entry of all.
    async fn answer(&self, items: Vec<Item>, answer: Result<u64, Failure>) {
        let mut left: u64 = items.iter().map(Item::count).sum();
        for item in items {
            left -= item.count();
            let answer = answer.clone().map(|last| last - left);
            match item.from {
                Origin::Own(ticket) => self.answered(ticket, answer).await,
                Origin::Peer(from) => {
                    // Its connection may have ended.
                    let _ = from.send(answer);
                }
            }
        }
    }

    /// Says what came of a ticket, and never before what was committed under it.
    pub(crate) async fn answered(&self, ticket: Ticket, answer: Result<u64, Failure>) {
        if let Ok(index) = answer {
            self.outlet.reaches(index).await;
        }
        self.outlet.tell(Tell::Answered(ticket, answer));
    }

    /// Whether this node leads, as far as it knows.
    pub(crate) fn is_leader(&self, metrics: &Metrics) -> bool {
        metrics.state == ServerState::Leader && metrics.current_leader == Some(self.id)
    }
}

impl Item {
    fn count(&self) -> u64 {
        u64::try_from(self.entries.len()).unwrap_or(u64::MAX)
    }
}

pub(crate) fn busy() -> Failure {
    Failure::Refused("too much is proposed at once: wait for answers, then try again".into())
}

pub(crate) fn nobody() -> String {
    "nobody leads, as far as this node knows: try again".into()
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
