//! In steady state the machines ask for next to no memory: a thousand instances that send or hear
//! adverts and renew leases are driven under an allocator that counts.
//!
//! What is not asked for cannot be refused, cannot be late, and cannot grow. Hearing an advert asks for
//! none; the readiness that a backup tells its holder every other time still does. Holding is not there
//! yet: the bound keeps it from growing.

#[path = "../work/node.rs"]
#[allow(dead_code, reason = "shared with what asks for more")]
mod node;

use std::time::Duration;

use linux::memory::CountedAllocator;
use node::Node;

#[global_allocator]
static COUNTED: CountedAllocator = CountedAllocator;

const INSTANCES: usize = 1000;

/// Runs it and says how often memory was asked for.
fn asked(what: impl FnOnce()) -> u64 {
    let before = CountedAllocator::asked();
    what();
    CountedAllocator::asked() - before
}

#[test]
fn who_hears_asks_for_memory_only_to_tell_that_it_is_ready() {
    let mut node = Node::new(INSTANCES, 1, 100);
    let adverts: Vec<Vec<u8>> = (0..INSTANCES).map(|n| node.peer_advert(n, 1, 200)).collect();
    let second = |node: &mut Node| {
        for (n, advert) in adverts.iter().enumerate() {
            node.hear(n, advert);
        }
        node.run(Duration::from_secs(1));
    };
    for _ in 0..5 {
        second(&mut node);
    }
    let count = asked(|| (0..50).for_each(|_| second(&mut node)));
    assert!(count <= 25_000, "{count} times for 50,000 adverts heard");
    assert_eq!(node.holders(), 0);
}

#[test]
fn who_holds_asks_for_little_memory() {
    let mut node = Node::without_lifetimes(INSTANCES, 1, 100);
    // Until the announcements are over.
    node.run(Duration::from_secs(30));
    assert_eq!(node.holders(), INSTANCES);
    let before = node.asked.adverts;
    let count = asked(|| node.run(Duration::from_secs(20)));
    assert_eq!(node.asked.adverts - before, 20_000);
    assert!(count <= 30_000, "{count} times for 20,000 adverts");
}
