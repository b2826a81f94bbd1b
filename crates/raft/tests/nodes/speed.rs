//! How fast, and how soon after a crash. The figures are printed; what is asserted leaves a noisy
//! machine and a build without optimisation their room.

use std::time::{Duration, Instant};

use raft::Timing;

use crate::world::{World, patient};

/// One client of one node, and so many changes under way at once; acknowledged changes a second.
fn rate(world: &mut World, at: usize, depth: usize, span: Duration) -> u32 {
    let began = Instant::now();
    let mut waiting = std::collections::VecDeque::new();
    let mut done = 0;
    let before = world.nodes[at].said.last;
    while began.elapsed() < span {
        while waiting.len() < depth {
            waiting.push_back(world.propose(at));
        }
        world.pump();
        while let Some(answer) =
            waiting.front().and_then(|ticket| world.nodes[at].said.answers.get(ticket))
        {
            assert!(answer.is_ok(), "{answer:?}");
            waiting.pop_front();
            done += 1;
        }
        std::thread::yield_now();
    }
    let took = began.elapsed();
    world.until("the rest is answered", |world| {
        waiting.iter().all(|ticket| world.nodes[at].said.answers.contains_key(ticket))
    });
    assert!(world.nodes[at].said.last - before >= u64::from(done), "each is one change");
    done * 1_000 / u32::try_from(took.as_millis()).expect("seconds")
}

#[test]
fn changes_that_wait_are_committed_together() {
    let mut world = World::voters(3, patient());
    let leader = world.settled();
    let other = (leader + 1) % 3;
    let span = Duration::from_millis(1_000);
    let one = rate(&mut world, leader, 1, span);
    let many = rate(&mut world, leader, 64, span);
    let passed_on = rate(&mut world, other, 64, span);
    eprintln!(
        "acknowledged, durable at a quorum, a second: {one} one after the other, {many} with 64 \
         under way, {passed_on} by way of another node"
    );
    assert!(many > one, "64 at once are no faster: {many} and {one}");
    world.equal();
}

#[test]
fn another_leads_soon_after_a_crash() {
    let mut world = World::voters(3, Timing::default());
    world.commit(0);
    let leader = world.settled();
    let other = (leader + 1) % 3;
    let term = world.nodes[leader].said.leadership().term;
    world.crash(leader);
    let began = Instant::now();
    world.until("another leads", |world| {
        (0..3).any(|at| {
            let node = &world.nodes[at];
            let led = node.said.leadership();
            at != leader && led.term > term && led.leader.as_ref() == Some(&node.name)
        })
    });
    let led = began.elapsed();
    world.commit(other);
    eprintln!("another led {led:?} after the crash, and committed {:?} after it", began.elapsed());
}
