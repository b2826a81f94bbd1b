//! The ways to all peers, and openraft's calls over them.
//!
//! Which peers there are follows from the membership as the engine sees it last, committed or not,
//! since a change is carried to new members before it is committed; and from what an administrator
//! has told of nodes that are to become members.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openraft::error::{
    InstallSnapshotError, NetworkError, PayloadTooLarge, RPCError, RaftError, RemoteError,
    Unreachable,
};
use openraft::network::{Backoff, RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};

use crate::canvass::Hears;
use crate::frame::{Answer, Call, FrameError};
use crate::key::{self, Key, Trust};
use crate::link::{CallError, Link, Signs};
use crate::outlet::Outlet;
use crate::types::{NodeId, Peer, Types};

/// After a peer was not reached, it is called again after this.
const AGAIN: Duration = Duration::from_millis(50);

/// The ways to all peers.
#[derive(Debug)]
pub(crate) struct Mesh {
    pub(crate) me: NodeId,
    pub(crate) trust: Trust,
    key: Key,
    from: IpAddr,
    signs: Signs,
    outlet: Outlet,
    links: Mutex<BTreeMap<NodeId, Arc<Link>>>,
}

impl Mesh {
    pub(crate) fn new(key: Key, from: IpAddr, trust: Trust, signs: Signs, outlet: Outlet) -> Self {
        let me = key.print().id();
        Self { me, trust, key, from, signs, outlet, links: Mutex::default() }
    }

    fn links(&self) -> MutexGuard<'_, BTreeMap<NodeId, Arc<Link>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These are the peers now, and this node; others are neither called nor let in.
    pub(crate) fn set(&self, peers: &BTreeMap<NodeId, Peer>) {
        self.trust.set(peers.iter().map(|(id, peer)| (peer.key, *id)).collect());
        let mut links = self.links();
        links.retain(|id, link| {
            peers
                .get(id)
                .is_some_and(|it| (it.address, it.key) == (link.peer.address, link.peer.key))
        });
        for (id, peer) in peers.iter().filter(|(id, _)| **id != self.me) {
            links.entry(*id).or_insert_with(|| {
                let outlet = self.outlet.clone();
                let config = key::caller(&self.key, &self.trust, peer.key);
                Arc::new(Link::new(peer.clone(), self.from, config, self.signs, outlet))
            });
        }
    }

    pub(crate) fn link(&self, id: NodeId) -> Option<Arc<Link>> {
        self.links().get(&id).cloned()
    }

    /// What each peer in reach said of itself.
    pub(crate) fn heard(&self) -> BTreeMap<NodeId, Hears> {
        let heard = |link: &Link| link.heard(self.signs.patience);
        self.links().iter().filter_map(|(id, link)| Some((*id, heard(link)?))).collect()
    }
}

/// Calls one peer, as openraft wants it.
#[derive(Debug)]
pub(crate) struct Caller {
    target: NodeId,
    mesh: Arc<Mesh>,
}

/// Makes callers.
#[derive(Debug)]
pub(crate) struct Callers(pub(crate) Arc<Mesh>);

impl RaftNetworkFactory<Types> for Callers {
    type Network = Caller;

    async fn new_client(&mut self, target: NodeId, _: &Peer) -> Caller {
        Caller { target, mesh: Arc::clone(&self.0) }
    }
}

type Fault<E> = RPCError<NodeId, Peer, RaftError<NodeId, E>>;

impl Caller {
    async fn call<E: std::error::Error>(
        &self,
        call: Call,
        option: &RPCOption,
    ) -> Result<Answer, Fault<E>> {
        let link = self.mesh.link(self.target);
        let sent = link.ok_or(CallError::NotSent).and_then(|link| link.call(call));
        match sent {
            Ok(sent) => sent
                .wait(option.hard_ttl())
                .await
                .map_err(|error| RPCError::Network(NetworkError::new(&error))),
            Err(error) => Err(RPCError::Unreachable(Unreachable::new(&error))),
        }
    }

    // openraft's own type, as its trait wants it.
    #[allow(clippy::result_large_err)]
    fn remote<T, E: std::error::Error>(
        &self,
        answer: Result<T, RaftError<NodeId, E>>,
    ) -> Result<T, Fault<E>> {
        answer.map_err(|error| RPCError::RemoteError(RemoteError::new(self.target, error)))
    }
}

fn odd<E: std::error::Error>() -> Fault<E> {
    let odd = io::Error::other("the answer is to another question");
    RPCError::Network(NetworkError::new(&odd))
}

impl RaftNetwork<Types> for Caller {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<NodeId>, Fault<openraft::error::Infallible>> {
        let entries = u64::try_from(rpc.entries.len()).unwrap_or(u64::MAX);
        let link = self.mesh.link(self.target).ok_or(CallError::NotSent);
        let sent = match link.and_then(|link| link.call(Call::Append(rpc))) {
            Ok(sent) => sent,
            Err(CallError::Frame(FrameError::TooLong { .. })) if entries > 1 => {
                return Err(PayloadTooLarge::new_entries_hint(entries / 2).into());
            }
            Err(error) => return Err(RPCError::Unreachable(Unreachable::new(&error))),
        };
        match sent.wait(option.hard_ttl()).await {
            Ok(Answer::Append(answer)) => self.remote(answer),
            Ok(_) => Err(odd()),
            Err(error) => Err(RPCError::Network(NetworkError::new(&error))),
        }
    }

    async fn install_snapshot(
        &mut self,
        rpc: InstallSnapshotRequest<Types>,
        option: RPCOption,
    ) -> Result<InstallSnapshotResponse<NodeId>, Fault<InstallSnapshotError>> {
        match self.call(Call::Install(rpc), &option).await? {
            Answer::Install(answer) => self.remote(answer),
            _ => Err(odd()),
        }
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<NodeId>,
        option: RPCOption,
    ) -> Result<VoteResponse<NodeId>, Fault<openraft::error::Infallible>> {
        match self.call(Call::Vote(rpc), &option).await? {
            Answer::Vote(answer) => self.remote(answer),
            _ => Err(odd()),
        }
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(std::iter::repeat(AGAIN))
    }
}
