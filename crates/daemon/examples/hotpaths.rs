//! The hot paths by name, so that their instructions can be counted: `hotpaths NAME ROUNDS` does the
//! named thing a thousand times a round; without a name, the names. See `cargo xtask bench`.

#[path = "../tests/work/node.rs"]
mod node;

use std::hint::black_box;
use std::time::Duration;

use node::Node;

/// So often in one round.
const TIMES: usize = 1000;

type Path = (&'static str, fn(u64));

const PATHS: [Path; 5] = [
    ("handle one advert heard, of 1,000 instances", hear),
    ("send one advert, of 1,000 instances", send),
    ("one VIP of 1,000 instances: start, takeover, announcements", many),
    ("one instance of 1,000 in a reload that changes one of them", reload),
    ("one VIP of one instance of 1,000: start, takeover, announcements", one),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [name, rounds] => {
            let path = PATHS.iter().find(|(known, _)| known == name).expect("one of the names");
            path.1(rounds.parse().expect("a number of rounds"));
        }
        _ => PATHS.iter().for_each(|(name, _)| println!("{name}")),
    }
}

fn hear(rounds: u64) {
    let mut node = Node::new(TIMES, 1, 100);
    let adverts: Vec<Vec<u8>> = (0..TIMES).map(|n| node.peer_advert(n, 1, 200)).collect();
    for _ in 0..rounds {
        for (n, advert) in adverts.iter().enumerate() {
            node.hear(n, advert);
        }
        node.now = node.now + Duration::from_millis(100);
    }
    black_box(node.asked);
}

fn send(rounds: u64) {
    let mut node = Node::new(TIMES, 1, 100);
    // Until the announcements are over.
    node.run(Duration::from_secs(20));
    let before = node.asked.adverts;
    node.run(Duration::from_secs(rounds));
    assert_eq!(node.asked.adverts - before, rounds * 1000);
}

fn reload(rounds: u64) {
    let mut node = Node::new(TIMES, 1, 100);
    for round in 0..rounds {
        node.reload_one(1, 100, round % 2 == 0);
    }
}

fn many(rounds: u64) {
    for _ in 0..rounds {
        let mut node = Node::new(TIMES, 1, 100);
        node.take_over();
    }
}

fn one(rounds: u64) {
    for _ in 0..rounds {
        let mut node = Node::new(1, TIMES, 100);
        node.take_over();
    }
}
