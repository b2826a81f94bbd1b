//! What the seam promises, with nodes that crash, are cut off, and come back.

use std::time::{Duration, Instant};

use cluster::Role;
use cluster::node::Message;
use cluster::seam::Failure;
use raft::Timing;

use crate::world::{World, now, patient, steady};

#[test]
fn three_nodes_have_one_order_and_every_proposal_one_answer() {
    let mut world = World::voters(3, patient());
    let mut tickets = Vec::new();
    for _ in 0..60 {
        for at in 0..3 {
            tickets.push((at, world.propose(at)));
        }
    }
    world.until("all are answered", |world| {
        tickets.iter().all(|(at, ticket)| world.nodes[*at].said.answers.contains_key(ticket))
    });
    let mut indices: Vec<_> = tickets
        .iter()
        .map(|(at, ticket)| world.nodes[*at].said.answers[ticket].clone().expect("committed"))
        .collect();
    world.equal();
    // Each its own index, and what one node asked for first comes first.
    for at in 0..3 {
        let own: Vec<_> =
            tickets.iter().zip(&indices).filter(|((by, _), _)| *by == at).map(|it| it.1).collect();
        assert!(own.windows(2).all(|pair| pair[0] < pair[1]), "{own:?}");
    }
    indices.sort_unstable();
    indices.dedup();
    assert_eq!(indices.len(), 180);
    // Words from node to node.
    let (to, from) = (world.nodes[2].name.clone(), world.nodes[1].name.clone());
    world.nodes[1].engine().send(to, Message::Leave);
    world.until("it is heard", |world| !world.nodes[2].said.messages.is_empty());
    assert_eq!(world.nodes[2].said.messages, [(from, Message::Leave)]);
}

#[test]
fn a_leader_that_crashes_is_followed_by_another_and_catches_up_from_its_disk() {
    let mut world = World::voters(3, patient());
    for at in [0, 1, 2] {
        world.commit(at);
    }
    let leader = world.settled();
    world.crash(leader);
    let others: Vec<_> = (0..3).filter(|at| *at != leader).collect();
    let before = world.commit(others[0]);
    world.commit(others[1]);
    world.start(leader);
    world.until("it knows", |world| world.nodes[leader].said.last > before);
    world.equal();
    world.commit(leader);
    world.equal();
    // All at once: nothing that was answered for is lost.
    let last = world.commit(leader);
    for at in 0..3 {
        world.crash(at);
    }
    for at in 0..3 {
        world.start(at);
    }
    world.until("it is known again", |world| world.nodes.iter().all(|it| it.said.last >= last));
    world.equal();
}

#[test]
fn who_lacks_what_the_log_holds_no_more_is_given_a_snapshot() {
    let timing = Timing { snapshot_after: 12, ..patient() };
    let mut world = World::voters(3, timing);
    let leader = world.settled();
    let behind = (leader + 1) % 3;
    world.commit(leader);
    world.equal();
    world.crash(behind);
    // One by one, since what waits is committed together, as one entry of the engine's log.
    for _ in 0..60 {
        world.commit(leader);
    }
    world.start(behind);
    let last = world.nodes[leader].said.last;
    world.until("it is there", |world| world.nodes[behind].said.last >= last);
    let installed = &world.nodes[behind].said.installed;
    assert!(installed.iter().any(|index| *index > 12), "{installed:?} of {last}");
    world.equal();
    world.commit(behind);
    world.equal();
}

/// The term and the leader all nodes agree on.
fn leadership(world: &mut World) -> (usize, u64) {
    let leader = world.settled();
    (leader, world.nodes[leader].said.leadership().term)
}

/// Cuts off a node that follows, for longer than the longest wait before an election.
fn cut_off(cut: impl Fn(&World, usize, usize)) {
    let mut world = World::voters(3, steady());
    let (leader, term) = leadership(&mut world);
    let (near, far) = ((leader + 1) % 3, (leader + 2) % 3);
    cut(&world, leader, far);
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        world.commit(leader);
        world.pass(Duration::from_millis(100));
    }
    world.heal();
    world.until("it follows", |world| world.nodes[far].said.last >= world.nodes[near].said.last);
    for _ in 0..5 {
        world.commit(leader);
        world.pass(Duration::from_millis(100));
    }
    assert_eq!(leadership(&mut world), (leader, term));
    for node in &world.nodes {
        let terms: Vec<_> = node.said.leads.iter().map(|it| it.term).collect();
        assert!(terms.iter().all(|it| *it <= term), "{} {terms:?}", node.name);
    }
    world.equal();
}

/// The three below can fail. Alone in its process, since the bug is in all nodes of it:
/// `cargo test -p raft --features plant --test nodes order::with_plain_elections`.
#[cfg(feature = "plant")]
#[test]
fn with_plain_elections_a_heal_costs_a_leader() {
    use std::panic::catch_unwind;
    use std::sync::atomic::Ordering;

    raft::canvass::PLAIN.store(true, Ordering::Relaxed);
    let all = catch_unwind(|| cut_off(|world, _, far| world.isolate(far)));
    let leader = catch_unwind(|| {
        cut_off(|world, leader, far| {
            world.cut(leader, far);
            world.cut(far, leader);
        });
    });
    let one_way = catch_unwind(|| cut_off(|world, leader, far| world.cut(leader, far)));
    raft::canvass::PLAIN.store(false, Ordering::Relaxed);
    let costs = [all.is_err(), leader.is_err(), one_way.is_err()];
    assert_eq!(costs, [true; 3], "cut off from all, from the leader, one way");
}

#[test]
fn who_was_cut_off_from_all_comes_back_without_costing_a_leader() {
    cut_off(|world, _, far| world.isolate(far));
}

#[test]
fn who_was_cut_off_from_the_leader_alone_costs_none_either() {
    cut_off(|world, leader, far| {
        world.cut(leader, far);
        world.cut(far, leader);
    });
}

#[test]
fn who_hears_nothing_of_the_leader_but_is_heard_costs_none_either() {
    cut_off(|world, leader, far| world.cut(leader, far));
}

#[test]
fn a_leader_that_was_cut_off_confirms_nothing_and_follows_when_it_comes_back() {
    let mut world = World::voters(3, patient());
    let (leader, term) = leadership(&mut world);
    world.until("a round is confirmed", |world| !world.nodes[leader].said.confirmed.is_empty());
    let cut = now();
    world.isolate(leader);
    let lost = world.propose(leader);
    let others: Vec<_> = (0..3).filter(|at| *at != leader).collect();
    world.until("another leads", |world| {
        let led = world.nodes[others[0]].said.leadership();
        led.term > term && led.leader.is_some() && led == world.nodes[others[1]].said.leadership()
    });
    world.commit(others[0]);
    let elected = world.nodes[others[0]].said.leadership();
    // It may not know of the other yet; but no round of its that began after the cut is confirmed.
    let confirmed = world.nodes[leader].said.confirmed.last().copied().expect("before");
    assert!(confirmed <= cut, "confirmed {confirmed}, cut {cut}");
    let answer = world.answer(leader, lost);
    assert_eq!(answer, Err(Failure::Unknown));
    world.heal();
    world.until("it follows", |world| world.nodes[leader].said.leadership() == elected);
    world.commit(leader);
    world.equal();
    // Its coming back has cost nobody's leadership.
    for at in others {
        assert_eq!(world.nodes[at].said.leadership(), elected);
    }
    // What it proposed in vain was not committed, or by all alike: `equal` has seen to that.
}

#[test]
fn members_come_learn_vote_and_go() {
    let mut world = World::new(4, patient());
    world.nodes[0].engine().init().expect("a cluster of one");
    let again = world.nodes[0].engine().init().expect_err("it is one already");
    assert!(again.contains("not allowed"), "{again}");
    world.commit(0);
    let name = |world: &World, at: usize| world.nodes[at].name.clone();
    let roles = |world: &World, of: &[(usize, Role)]| {
        of.iter().map(|(at, role)| (name(world, *at), *role)).collect()
    };
    let steps: [&[(usize, Role)]; 4] = [
        &[(0, Role::Voter), (1, Role::Learner)],
        &[(0, Role::Voter), (1, Role::Voter), (2, Role::Witness)],
        &[(0, Role::Voter), (1, Role::Voter), (2, Role::Witness), (3, Role::Learner)],
        &[(1, Role::Voter), (2, Role::Voter), (3, Role::Voter)],
    ];
    for step in steps {
        let wanted: std::collections::BTreeMap<_, _> = roles(&world, step);
        let ticket = world.members(0, wanted.clone());
        let answer = world.answer(0, ticket);
        assert!(answer.is_ok(), "{step:?}: {answer:?}");
        world.until("they know", |world| {
            step.iter().all(|(at, _)| world.nodes[*at].said.members == wanted)
        });
        world.commit(step[0].0);
    }
    // The first has gone, and the rest go on without it.
    world.crash(0);
    for at in [1, 2, 3] {
        world.commit(at);
    }
    world.equal();
    let last = world.nodes[1].said.last;
    for bad in [&[(1, Role::Learner)][..], &[]] {
        let wanted = roles(&world, bad);
        let ticket = world.members(1, wanted);
        let answer = world.answer(1, ticket).expect_err("no voter");
        assert!(answer.to_string().contains("needs a voter"), "{answer}");
    }
    let ticket = world.members(1, [("nobody".into(), Role::Voter)].into());
    let answer = world.answer(1, ticket).expect_err("a stranger");
    assert!(answer.to_string().contains("let it join first"), "{answer}");
    assert_eq!(world.nodes[1].said.last, last);
}

#[test]
fn who_is_invited_follows_votes_when_it_has_caught_up_and_whoever_is_not_stays_out() {
    use raft::join::{JoinError, knock};
    use raft::{Key, Token};

    let mut world = World::new(3, patient());
    world.nodes[0].engine().init().expect("a cluster of one");
    world.commit(0);
    let token = |world: &mut World, role| Token {
        address: world.nodes[0].engine().listens(),
        key: world.nodes[0].key.print(),
        secret: world.nodes[0].engine().invite(role, Duration::from_secs(60)).expect("a secret"),
    };
    let peers = world.peers();
    let join = |token: Token, key: Key, peer: raft::Peer| {
        std::thread::spawn(move || knock(&token, &key, &peer))
    };
    let wait = |world: &mut World, joining: std::thread::JoinHandle<_>| {
        while !joining.is_finished() {
            world.pass(Duration::from_millis(5));
        }
        joining.join().expect("no panic")
    };
    // n2 is down when it joins: it costs the cluster of one nothing, and votes once it is there.
    world.crash(1);
    let (key, good) = (world.nodes[1].key.clone(), token(&mut world, Role::Voter));
    let joining = join(good.clone(), key.clone(), peers[1].clone());
    let welcome = wait(&mut world, joining).expect("let in");
    assert_eq!((welcome.role, welcome.peers.len()), (Role::Voter, 2));
    assert_eq!(welcome.dowry, b"a dowry");
    world.commit(0);
    let voters = |world: &World| world.nodes[0].engine.as_ref().expect("runs").status().voters;
    world.pass(Duration::from_millis(300));
    assert_eq!(voters(&world), ["n1".into()].into());
    world.start(1);
    world.until("it votes", |world| voters(world).len() == 2);
    world.commit(1);
    // The same invitation again: for the same key an answer that was lost, for another a refusal.
    let joining = join(good.clone(), key, peers[1].clone());
    assert_eq!(wait(&mut world, joining).expect("again").peers.len(), 2);
    let other = world.nodes[2].key.clone();
    let joining = join(good.clone(), other.clone(), peers[2].clone());
    let why = wait(&mut world, joining).expect_err("used").to_string();
    assert!(why.contains("another node in already"), "{why}");
    // A name that is taken, and then still good for who has another.
    let fresh = token(&mut world, Role::Learner);
    let taken = raft::Peer { name: "n1".into(), ..peers[2].clone() };
    let joining = join(fresh.clone(), other.clone(), taken);
    let why = wait(&mut world, joining).expect_err("taken").to_string();
    assert!(why.contains("n1 is a member already, with another key"), "{why}");
    // Another node at the address that was named.
    let forged = Token { key: other.print(), ..fresh.clone() };
    let joining = join(forged, other.clone(), peers[2].clone());
    let lost = wait(&mut world, joining).expect_err("another key");
    assert!(
        matches!(&lost, JoinError::Unreached(_, why) if why.contains("was expected")),
        "{lost}"
    );
    let joining = join(fresh, other, peers[2].clone());
    let welcome = wait(&mut world, joining).expect("let in");
    assert_eq!((welcome.role, welcome.peers.len()), (Role::Learner, 3));
    world.until("it follows", |world| world.nodes[2].said.members.len() == 3);
    world.commit(2);
    assert_eq!(voters(&world).len(), 2, "a learner follows");
    world.equal();
}
