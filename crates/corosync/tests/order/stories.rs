//! Stories: how a cluster begins, grows, loses a member for good, and heals.

use cluster::Role;
use cluster::seam::Ticket;
use corosync::Input;

use crate::world::World;

fn begun(roles: &[Role]) -> World {
    let mut world = World::new(11, roles);
    for at in 0..roles.len() {
        world.start(at);
    }
    world.until("a cluster begins", World::calm);
    world
}

fn leader(world: &World) -> usize {
    let name = world.nodes[0].leads.1.clone().expect("a leader");
    world.nodes.iter().position(|it| it.name == name).expect("one of them")
}

#[test]
fn a_cluster_begins_when_all_are_there_that_corosync_expects_and_not_before() {
    let mut world = World::new(5, &[Role::Voter; 3]);
    world.start(0);
    world.start(1);
    for _ in 0..20_000 {
        world.step();
    }
    assert!(world.nodes.iter().all(|it| it.leads.1.is_none() && it.disk.cluster == 0));
    world.start(2);
    world.until("it begins", World::calm);
    assert_eq!(leader(&world), 0, "of equals the lowest");
    assert_eq!(world.nodes[2].members.len(), 3);
    world.judge();
}

#[test]
fn a_heal_costs_no_leader_and_a_minority_s_changes_are_cut_off() {
    let mut world = begun(&[Role::Voter; 5]);
    // n1 leads; it is cut off with n2 while changes are under way.
    assert_eq!(leader(&world), 0);
    for _ in 0..5 {
        world.propose(1);
        world.propose(0);
    }
    for _ in 0..30 {
        world.step();
    }
    world.split(&[0, 0, 1, 1, 1]);
    world.until("the others have another", |it| {
        it.nodes[2].leads.1.as_deref() == Some("n3") && it.nodes[0].leads.1.is_none()
    });
    let (term, _) = world.nodes[2].leads.clone();
    world.propose(3);
    world.until("it is acknowledged", |it| !it.acknowledged.is_empty());
    world.split(&[0; 5]);
    world.until("all follow", World::calm);
    assert_eq!(world.nodes[0].leads, (term, Some("n3".into())), "a heal elects nobody");
    world.judge();
}

#[test]
fn who_comes_later_is_given_the_state_and_votes_from_then_on() {
    let mut world = begun(&[Role::Voter; 3]);
    for _ in 0..200 {
        world.propose(1);
        world.until("done", World::calm);
    }
    world.expected = 4;
    let at = world.add(Role::Voter);
    world.start(at);
    world.split(&[0; 4]);
    world.until("it belongs", |it| {
        it.calm() && it.nodes.iter().all(|it| it.members.get(&"n4".into()) == Some(&Role::Voter))
    });
    assert!(world.nodes[at].disk.snapshot.is_some(), "by a snapshot, for the log was too short");
    // Three of four are a quorum with it, and two are none.
    world.split(&[1, 0, 0, 0]);
    world.until("they go on", |it| it.nodes[3].leads.1.as_deref() == Some("n2"));
    world.split(&[1, 1, 0, 0]);
    world.until("they do not", |it| it.nodes.iter().all(|it| it.leads.1.is_none()));
    world.judge();
}

#[test]
fn who_lost_its_disk_is_another_and_votes_when_the_former_is_gone() {
    let mut world = begun(&[Role::Voter; 3]);
    world.propose(0);
    world.until("done", World::calm);
    world.lose_disk(2);
    world.start(2);
    world.until("it follows", World::calm);
    for _ in 0..20_000 {
        world.step();
    }
    // It is no voter: with n1 alone it is no quorum, though two of three are there.
    world.split(&[0, 1, 0]);
    world.until("nobody leads", |it| it.nodes[0].leads.1.is_none());
    for _ in 0..20_000 {
        world.step();
    }
    assert!(world.nodes[0].leads.1.is_none() && world.nodes[2].leads.1.is_none());
    world.split(&[0; 3]);
    world.until("all is well", World::calm);
    world.tell(1, Input::Expel(Ticket(1 << 40), "n3".into()));
    world.until("the former is gone, and it belongs", |it| {
        it.nodes[2].machine.as_ref().is_some_and(|machine| {
            let status = machine.status();
            let seat = status.seats.get(&"n3".into()).copied();
            status.voters.contains(&"n3".into()) && seat.is_some_and(|(seat, _)| seat.is_some())
        })
    });
    world.split(&[0, 1, 0]);
    world.until("now they are one", |it| it.nodes[2].leads.1.is_some());
    world.judge();
}

#[test]
fn a_leader_leaves_for_good_and_another_leads() {
    let mut world = begun(&[Role::Voter; 3]);
    let at = leader(&world);
    let name = world.nodes[at].name.clone();
    world.tell(at, Input::Expel(Ticket(1 << 40), name.clone()));
    world.until("another leads", |it| {
        it.nodes.iter().all(|node| {
            node.leads.1.as_ref().is_some_and(|leader| *leader != name)
                && !node.members.contains_key(&name)
        })
    });
    world.judge();
}

#[test]
fn one_home_for_two_processes_is_refused() {
    let mut world = begun(&[Role::Voter; 3]);
    let at = world.add(Role::Voter);
    (world.nodes[at].id, world.nodes[at].disk) = (world.nodes[1].id, world.nodes[1].disk.clone());
    world.start(at);
    world.split(&[0; 4]);
    world.until("one of them ends", |it| {
        it.nodes[1].ended.is_some() || it.nodes[at].ended.is_some()
    });
}
