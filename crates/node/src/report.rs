//! What a node tells of itself and its cluster.

use base::Instant;
use cluster::{Cleared, Role, Standing};
use ui::cluster::{Fencing, Member, Status};

use crate::run::Loop;

fn word(role: Role) -> &'static str {
    match role {
        Role::Voter => "voter",
        Role::Learner => "learner",
        Role::Witness => "witness",
    }
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Absent => "absent",
        Standing::Alive => "alive",
        Standing::Lost(Cleared::No) => "lost",
        Standing::Lost(Cleared::LeaseOver) => "lost (lease over)",
        Standing::Lost(Cleared::Fenced) => "lost (fenced)",
    }
}

fn fencing(it: &cluster::state::Fencing) -> Fencing {
    let fenced = &it.fenced;
    Fencing {
        at: it.at.seconds(),
        node: fenced.node.to_string(),
        action: fenced.action.word().into(),
        origin: fenced.origin.to_string(),
        devices: fenced.devices.iter().map(ToString::to_string).collect(),
        error: fenced.error.clone(),
        stale: it.stale,
    }
}

pub(crate) fn status(it: &Loop, now: Instant) -> Status {
    let (node, engine) = (it.node.status(now), it.engine.status());
    let (own, state) = (&it.home.identity.name, it.node.state());
    let reached = |name| name == own || engine.peers.get(name).is_some_and(|reached| *reached);
    let all = engine.voters.len();
    let heard = engine.voters.iter().filter(|name| reached(name)).count();
    let needed = all / 2 + 1;
    let quorum = all > 0 && heard >= needed && node.leader.is_some();
    let members = engine.addresses.iter().map(|(name, (address, key))| {
        let known = state.members().get(name);
        let role = it.members.get(name).copied().or_else(|| known.map(|it| it.role));
        Member {
            node: name.clone(),
            id: known.map(|it| it.id.clone()),
            role: word(role.unwrap_or(Role::Learner)).into(),
            votes: engine.voters.contains(name),
            address: address.clone(),
            key: key.clone(),
            reached: reached(name),
            standing: known.map_or("new", |it| standing(it.standing)).into(),
        }
    });
    let millis = |ends: Instant| u64::try_from(ends.since(now).as_millis()).unwrap_or(u64::MAX);
    Status {
        version: env!("CARGO_PKG_VERSION").into(),
        pid: std::process::id(),
        node: own.clone(),
        quorum,
        votes: (all, heard, needed),
        dc: node.leader.filter(|leader| quorum && state.leader() == Some(leader)),
        term: node.term,
        applied: state.applied(),
        cib: it.version(),
        settled: node.directing.then_some(node.controller.settled),
        lease_ms: it.lease.filter(|ends| *ends > now).map(millis),
        in_doubt: node.controller.in_doubt,
        members: members.collect(),
        hands: it.ended.clone().or_else(|| it.hands.trouble()),
        news: it.news.iter().cloned().collect(),
        fencings: state.fencings().map(fencing).collect(),
    }
}
