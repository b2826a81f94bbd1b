//! How much work the router makes of thousands of VIPs: counted where it can be, and where it is
//! hidden in loops, timed on the thread's own clock against a smaller number, generously. What grows
//! with the square of the number misses these bounds by a factor of four and more.

#[path = "node.rs"]
mod node;

use std::time::Duration;

use linux::clock::thread_time;
use node::{Asked, Node};
use vrrp::Input;

/// From here to there, the cost of one must not grow by more than [`GROWTH`].
const FEW: usize = 250;
const MANY: usize = 4000;
const GROWTH: u32 = 4;

/// Instances, and VIPs in each.
type Shape = fn(usize) -> (usize, usize);
const SHAPES: [Shape; 2] = [|n| (n, 1), |n| (1, n)];

/// The least time that `work` takes on a node of this shape, out of some tries, for one VIP.
fn cost(shape: Shape, n: usize, before: fn(&mut Node), work: fn(&mut Node)) -> Duration {
    let once = |_| {
        let (instances, vips) = shape(n);
        let mut node = Node::new(instances, vips, 100);
        before(&mut node);
        let begun = thread_time();
        work(&mut node);
        thread_time() - begun
    };
    let least = (0..3).map(once).min().expect("three");
    least / u32::try_from(n).expect("fits")
}

fn stays_flat(what: &str, before: fn(&mut Node), work: fn(&mut Node)) {
    for shape in SHAPES {
        let (few, many) = (cost(shape, FEW, before, work), cost(shape, MANY, before, work));
        println!("{what}, {:?}: {few:?} and {many:?} for each VIP", shape(MANY));
        let bound = few * GROWTH + Duration::from_micros(2);
        assert!(many <= bound, "{what}, {:?}: {few:?} grew to {many:?}", shape(MANY));
    }
}

#[test]
fn the_start_costs_the_same_for_each() {
    for shape in SHAPES {
        let least = |n: usize| {
            let once = |_| {
                let (instances, vips) = shape(n);
                let begun = thread_time();
                let node = Node::new(instances, vips, 100);
                let took = thread_time() - begun;
                drop(node);
                took
            };
            (0..3).map(once).min().expect("three") / u32::try_from(n).expect("fits")
        };
        let (few, many) = (least(FEW), least(MANY));
        println!("start, {:?}: {few:?} and {many:?} for each VIP", shape(MANY));
        assert!(many <= few * GROWTH + Duration::from_micros(2), "{few:?} grew to {many:?}");
    }
}

#[test]
fn a_takeover_costs_the_same_for_each() {
    stays_flat("takeover", |_| {}, Node::take_over);
}

#[test]
fn a_release_costs_the_same_for_each() {
    stays_flat("release", Node::take_over, |node| {
        node.input(Input::Stop);
        assert!(node.router.is_settled());
    });
}

#[test]
fn a_reload_costs_the_same_for_each() {
    let shape: Shape = |n| (n, 1);
    let reload = |node: &mut Node| node.reload_one(1, 100, true);
    let few = cost(shape, FEW, Node::take_over, reload);
    let many = cost(shape, MANY, Node::take_over, reload);
    println!("reload: {few:?} and {many:?} for each instance");
    assert!(many <= few * GROWTH + Duration::from_micros(2), "{few:?} grew to {many:?}");
}

#[test]
fn adverts_heard_and_sent_cost_the_same_among_many() {
    let hear = |instances: usize| {
        let mut node = Node::new(instances, 1, 100);
        let adverts: Vec<_> = (0..FEW).map(|n| node.peer_advert(n, 1, 200)).collect();
        let once = |_| {
            let begun = thread_time();
            adverts.iter().enumerate().for_each(|(n, advert)| node.hear(n, advert));
            thread_time() - begun
        };
        (0..5).map(once).min().expect("five") / u32::try_from(FEW).expect("fits")
    };
    let (few, many) = (hear(FEW), hear(MANY));
    println!("an advert heard: {few:?} and {many:?}");
    assert!(many <= few * GROWTH + Duration::from_micros(2), "{few:?} grew to {many:?}");
}

#[test]
fn a_reload_that_changes_one_touches_one() {
    let mut node = Node::new(1000, 1, 100);
    node.take_over();
    let before = node.asked;
    node.reload_one(1, 100, true);
    // That a configuration is in force, and the new priority.
    assert!(node.asked.events - before.events <= 2);
    assert_eq!(
        Asked { events: 0, ..node.asked },
        Asked { events: 0, ..before },
        "nothing was asked of the kernel, the table or the network"
    );
}

#[test]
fn a_takeover_asks_for_each_vip_once_and_in_portions() {
    for (instances, vips) in [(FEW, 1), (MANY, 1), (1, FEW), (1, MANY)] {
        let mut node = Node::new(instances, vips, 100);
        node.run(Duration::from_millis(3610));
        let all = u64::try_from(instances * vips).expect("fits");
        assert_eq!(node.holders(), instances);
        // Each once, and those under a lifetime once more for that.
        let limited = all.min(256);
        assert_eq!(node.asked.operations, all + limited, "{instances} × {vips}");
        assert_eq!(node.asked.keys, all, "listed once each");
        assert!(node.asked.largest <= 256, "{} in one batch", node.asked.largest);
        assert!(node.asked.batches <= 2 * all.div_ceil(256) + 2, "{} batches", node.asked.batches);
        assert_eq!(node.asked.adverts, u64::try_from(instances).expect("fits"));
    }
}
