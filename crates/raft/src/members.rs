//! Who takes part: a change of the members, step by step, on the node that leads.
//!
//! New nodes follow first, and are caught up before they vote; a voter that leaves is let go by the
//! others before it is forgotten. Each step is an entry of the log by itself, and the engine does
//! what follows from it at once. If a new node does not catch up, it is let go again and the change
//! refused: a voter that is far behind would cost the quorum that it is to strengthen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cluster::Role;
use cluster::seam::Failure;
use openraft::ChangeMembers;
use openraft::error::{ChangeMembershipError, ClientWriteError, RaftError};
use openraft::raft::ClientWriteResponse;
use tokio::time::{Instant, sleep};

use crate::core::{Core, lock, nobody};
use crate::frame::{Answer, Call};
use crate::types::{NodeId, Peer, Types};

type Written = ClientWriteResponse<Types>;

/// A new node has this long to catch up.
const CATCH_UP: Duration = Duration::from_secs(30);
/// It has when it lacks no more entries than this.
const NEAR: u64 = 16;
/// One step is to take no longer.
const STEP: Duration = Duration::from_secs(10);
/// What is waited for is looked at so often.
const PAUSE: Duration = Duration::from_millis(50);

/// Has the members changed, here or by who leads.
pub(crate) async fn ask(
    core: &Arc<Core>,
    roles: BTreeMap<base::Name, Role>,
) -> Result<u64, Failure> {
    let metrics = core.metrics();
    let mut by_name: BTreeMap<_, _> =
        lock(&core.known).values().map(|peer| (peer.name.clone(), peer.clone())).collect();
    let nodes = metrics.membership_config.membership().nodes();
    by_name.extend(nodes.map(|(_, peer)| (peer.name.clone(), peer.clone())));
    let mut peers = Vec::new();
    for (name, role) in roles {
        let Some(peer) = by_name.get(&name) else {
            let why = format!("{name} is not known here: let it join first");
            return Err(Failure::Refused(why));
        };
        peers.push(Peer { role, ..peer.clone() });
    }
    match metrics.current_leader {
        Some(leader) if leader == core.id => change(core, peers).await,
        Some(leader) => {
            let link = core.mesh.link(leader).ok_or_else(|| Failure::Refused(nobody()))?;
            let sent = link
                .call(Call::Members(peers))
                .map_err(|error| Failure::Refused(format!("the leader is {error}: try again")))?;
            match sent.wait(CATCH_UP + STEP * 3).await {
                Ok(Answer::Done(answer)) => answer,
                _ => Err(Failure::Unknown),
            }
        }
        None => Err(Failure::Refused(nobody())),
    }
}

/// Lets a node in that was invited, here or by who leads: it follows at once, and votes, if it is to,
/// when it has caught up ([`promote`]).
pub(crate) async fn ask_in(core: &Arc<Core>, peer: Peer) -> Result<u64, Failure> {
    let limit = Instant::now() + STEP;
    // An election is nothing whoever joins should have to know of.
    while core.metrics().current_leader.is_none() && Instant::now() < limit {
        sleep(PAUSE).await;
    }
    match core.metrics().current_leader {
        Some(leader) if leader == core.id => enter(core, peer).await,
        Some(leader) => {
            let link = core.mesh.link(leader).ok_or_else(|| Failure::Refused(nobody()))?;
            let sent = link
                .call(Call::Enter(peer))
                .map_err(|error| Failure::Refused(format!("the leader is {error}: try again")))?;
            match sent.wait(STEP * 2).await {
                Ok(Answer::Done(answer)) => answer,
                _ => Err(Failure::Unknown),
            }
        }
        None => Err(Failure::Refused(nobody())),
    }
}

/// The same, on the node that leads.
pub(crate) async fn enter(core: &Arc<Core>, peer: Peer) -> Result<u64, Failure> {
    let _one_at_a_time = core.changing.lock().await;
    let metrics = core.metrics();
    if !core.is_leader(&metrics) {
        return Err(Failure::Refused(nobody()));
    }
    let id = peer.key.id();
    for (known, member) in metrics.membership_config.membership().nodes() {
        if *known == id && member.name == peer.name && member.address == peer.address {
            return Ok(core.outlet.told());
        }
        let other = *known != id;
        if other && member.name == peer.name {
            return Err(Failure::Refused(format!(
                "{} is a member already, with another key: have it removed first, or give the new \
                 node another name",
                peer.name
            )));
        }
        if other && member.address == peer.address {
            return Err(Failure::Refused(format!(
                "{} is at {} already: have it removed first, or give the new node another address",
                member.name, peer.address
            )));
        }
    }
    let one = BTreeMap::from([(id, peer)]);
    let known = metrics.membership_config.membership().get_node(&id).is_some();
    let change = if known { ChangeMembers::SetNodes(one) } else { ChangeMembers::AddNodes(one) };
    step(core, change).await?;
    Ok(core.outlet.told())
}

/// Lets a node go, here or by who leads. Who else is a member stays one, also those this node does not
/// know of yet.
pub(crate) async fn ask_out(core: &Arc<Core>, name: base::Name) -> Result<u64, Failure> {
    match core.metrics().current_leader {
        Some(leader) if leader == core.id => expel(core, name).await,
        Some(leader) => {
            let link = core.mesh.link(leader).ok_or_else(|| Failure::Refused(nobody()))?;
            let sent = link
                .call(Call::Expel(name))
                .map_err(|error| Failure::Refused(format!("the leader is {error}: try again")))?;
            match sent.wait(STEP * 2).await {
                Ok(Answer::Done(answer)) => answer,
                _ => Err(Failure::Unknown),
            }
        }
        None => Err(Failure::Refused(nobody())),
    }
}

/// The same, on the node that leads; that may be the one to go.
pub(crate) async fn expel(core: &Arc<Core>, name: base::Name) -> Result<u64, Failure> {
    let _one_at_a_time = core.changing.lock().await;
    let metrics = core.metrics();
    if !core.is_leader(&metrics) {
        return Err(Failure::Refused(nobody()));
    }
    let membership = metrics.membership_config.membership();
    let Some(id) = membership.nodes().find(|(_, peer)| peer.name == name).map(|(id, _)| *id) else {
        return Ok(core.outlet.told());
    };
    let one = BTreeSet::from([id]);
    if membership.voter_ids().all(|voter| voter == id) {
        return Err(Failure::Refused("a cluster needs a voter: keep one".into()));
    }
    if membership.voter_ids().any(|voter| voter == id) {
        carried(core.raft.change_membership(ChangeMembers::RemoveVoters(one), false)).await?;
    } else {
        step(core, ChangeMembers::RemoveNodes(one)).await?;
    }
    Ok(core.outlet.told())
}

/// Has a node vote that is to, once it is heard and has caught up: one at a time, on who leads.
pub(crate) fn promote(core: &Arc<Core>) {
    let metrics = core.metrics();
    if !core.is_leader(&metrics) {
        return;
    }
    let membership = metrics.membership_config.membership();
    let voters: BTreeSet<NodeId> = membership.voter_ids().collect();
    let heard = core.mesh.heard();
    let last = metrics.last_log_index.unwrap_or_default();
    let has = |id: &NodeId| metrics.replication.as_ref()?.get(id).copied().flatten();
    let ready = membership.nodes().find(|(id, peer)| {
        peer.role != Role::Learner
            && !voters.contains(id)
            && heard.contains_key(id)
            && has(id).is_some_and(|has| has.index + NEAR >= last)
    });
    let Some((id, _)) = ready else { return };
    let (id, core) = (*id, Arc::clone(core));
    tokio::spawn(async move {
        let Ok(_one_at_a_time) = core.changing.try_lock() else { return };
        // If it is in vain, it is tried again.
        let _ = step(&core, ChangeMembers::AddVoterIds(BTreeSet::from([id]))).await;
    });
}

/// Makes these the members, and no others.
pub(crate) async fn change(core: &Arc<Core>, peers: Vec<Peer>) -> Result<u64, Failure> {
    let _one_at_a_time = core.changing.lock().await;
    if !core.is_leader(&core.metrics()) {
        return Err(Failure::Refused(nobody()));
    }
    let wanted: BTreeMap<NodeId, Peer> =
        peers.into_iter().map(|peer| (peer.key.id(), peer)).collect();
    let voters: BTreeSet<NodeId> =
        wanted.iter().filter(|(_, peer)| peer.role != Role::Learner).map(|(id, _)| *id).collect();
    if voters.is_empty() {
        return Err(Failure::Refused("a cluster needs a voter: keep one".into()));
    }
    let names: BTreeSet<_> = wanted.values().map(|peer| &peer.name).collect();
    if names.len() < wanted.len() {
        return Err(Failure::Refused("two nodes of one name: rename one".into()));
    }
    let before: BTreeMap<NodeId, Peer> = core
        .metrics()
        .membership_config
        .membership()
        .nodes()
        .map(|(id, peer)| (*id, peer.clone()))
        .collect();
    let new: BTreeMap<_, _> =
        wanted.iter().filter(|(id, _)| !before.contains_key(id)).map(own).collect();
    let changed: BTreeMap<_, _> = wanted
        .iter()
        .filter(|(id, peer)| before.get(id).is_some_and(|before| before != *peer))
        .map(own)
        .collect();
    if !new.is_empty() {
        step(core, ChangeMembers::AddNodes(new.clone())).await?;
        if let Err(failure) = caught_up(core, &new).await {
            step(core, ChangeMembers::RemoveNodes(new.keys().copied().collect())).await?;
            return Err(failure);
        }
    }
    if !changed.is_empty() {
        step(core, ChangeMembers::SetNodes(changed)).await?;
    }
    let now: BTreeSet<NodeId> = core.metrics().membership_config.membership().voter_ids().collect();
    let gone: BTreeSet<_> =
        before.keys().filter(|id| !wanted.contains_key(id) && !now.contains(id)).copied().collect();
    if !gone.is_empty() {
        step(core, ChangeMembers::RemoveNodes(gone)).await?;
    }
    if now != voters {
        // Last, since this node itself may be among those that go.
        replace(core, voters, &wanted).await?;
    }
    Ok(core.outlet.told())
}

fn own((id, peer): (&NodeId, &Peer)) -> (NodeId, Peer) {
    (*id, peer.clone())
}

async fn step(core: &Core, change: ChangeMembers<NodeId, Peer>) -> Result<(), Failure> {
    let limit = Instant::now() + STEP;
    loop {
        let changing = core.raft.change_membership(change.clone(), true);
        match tokio::time::timeout(STEP, changing).await {
            // One before it, perhaps an earlier leader's, is not committed yet.
            Ok(Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(
                ChangeMembershipError::InProgress(_),
            )))) if Instant::now() < limit => sleep(PAUSE).await,
            done => return judged(done),
        }
    }
}

/// Other voters: who does not vote any more goes, or goes on as a learner.
async fn replace(
    core: &Core,
    voters: BTreeSet<NodeId>,
    wanted: &BTreeMap<NodeId, Peer>,
) -> Result<(), Failure> {
    let learns = core
        .metrics()
        .membership_config
        .membership()
        .voter_ids()
        .any(|id| !voters.contains(&id) && wanted.contains_key(&id));
    let goes: BTreeSet<NodeId> = core
        .metrics()
        .membership_config
        .membership()
        .voter_ids()
        .filter(|id| !wanted.contains_key(id))
        .collect();
    let change = ChangeMembers::ReplaceAllVoters(voters);
    carried(core.raft.change_membership(change, learns)).await?;
    if learns && !goes.is_empty() {
        step(core, ChangeMembers::RemoveNodes(goes)).await?;
    }
    Ok(())
}

type Changed = Result<Written, RaftError<NodeId, ClientWriteError<NodeId, Peer>>>;

async fn carried(changing: impl Future<Output = Changed>) -> Result<(), Failure> {
    judged(tokio::time::timeout(STEP, changing).await)
}

fn judged(done: Result<Changed, tokio::time::error::Elapsed>) -> Result<(), Failure> {
    match done {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(error)))) => {
            Err(Failure::Refused(error.to_string()))
        }
        Ok(Err(RaftError::Fatal(fatal))) => Err(Failure::Refused(fatal.to_string())),
        // The leadership was lost, or there is no quorum: another may still carry it through.
        Ok(Err(_)) | Err(_) => Err(Failure::Unknown),
    }
}

async fn caught_up(core: &Core, new: &BTreeMap<NodeId, Peer>) -> Result<(), Failure> {
    let limit = Instant::now() + CATCH_UP;
    for (id, peer) in new {
        loop {
            let metrics = core.metrics();
            let last = metrics.last_log_index.unwrap_or_default();
            let has = metrics.replication.as_ref().and_then(|it| it.get(id).copied().flatten());
            if has.is_some_and(|has| has.index + NEAR >= last) {
                break;
            }
            if Instant::now() > limit {
                return Err(Failure::Refused(format!(
                    "{} did not catch up within {CATCH_UP:?}: see whether {} is reached",
                    peer.name, peer.address
                )));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}
