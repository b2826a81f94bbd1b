//! The hot paths by name, so that their instructions can be counted: `hotpaths NAME ROUNDS` does the
//! named thing a thousand times a round; without a name, the names. See `cargo xtask bench`.

#[path = "../tests/work/node.rs"]
mod node;

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU8;
use std::time::Duration;

use base::{
    AddressFact, Batch, BatchDone, Family, IfIndex, Instant, KernelFact, LinkFact, Version, Vip,
};
use node::Node;
use vip::HolderId;
use vip::keeper::{Input, Keeper, Output};
use vrrp::wire::{self, Arrival, Auth, ChecksumRule, Reach, Subnet, Terms};

/// So often in one round.
const TIMES: usize = 1000;

type Path = (&'static str, fn(u64));

const PATHS: [Path; 7] = [
    ("read one advert: every check and its content", decode),
    ("handle one advert heard, of 1,000 instances", hear),
    ("send one advert, of 1,000 instances", send),
    ("keeper: one VIP of 1,000 that somebody deleted is put back", put_back),
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

fn decode(rounds: u64) {
    let node = Node::new(1, 1, 100);
    let octets = node.peer_advert(0, 1, 200);
    let group = wire::group(Family::V4);
    let (own, peer) = (IpAddr::from([172, 16, 0, 2]), IpAddr::from([172, 16, 0, 1]));
    let terms = Terms {
        version: Version::V3,
        family: Family::V4,
        reach: Reach::Multicast { group },
        checksum: ChecksumRule::Either,
        auth: &Auth::None,
        hmac: None,
        allowed: &[],
        own_interval_v2: NonZeroU8::MIN,
        own_addresses: &[own],
        subnets: &[Subnet { address: own, prefix: 24 }],
        bare: false,
        strict: false,
    };
    let arrival = Arrival { source: peer, destination: group, ttl: 255, payload: &octets };
    let mut room = Vec::new();
    for _ in 0..rounds {
        for _ in 0..TIMES {
            let heard = wire::decode_into(black_box(&arrival), &terms, &mut room);
            room = heard.expect("a good advert").advert.into_addresses();
        }
    }
}

/// What a keeper sees and asks for, with nothing around it.
fn put_back(rounds: u64) {
    let index = IfIndex::new(2).expect("not zero");
    let vip = |n: usize| {
        let number = 0x0a64_0000 + u32::try_from(n).expect("fits");
        Vip::new(Ipv4Addr::from(number).into(), 32, "v0".into())
    };
    let of = |vip: &Vip| AddressFact {
        index,
        address: vip.address,
        prefix: vip.prefix,
        tentative: false,
    };
    let link = LinkFact {
        index,
        name: "v0".into(),
        running: true,
        mac: None,
        mtu: 1500,
        multicast: true,
        macvlan: None,
    };
    let vips: Vec<Vip> = (0..TIMES).map(vip).collect();
    let snapshot =
        KernelFact::Snapshot { links: vec![link], addresses: vips.iter().map(of).collect() };
    let (mut keeper, mut now) = (Keeper::new(), Instant::ZERO);
    keeper.handle(now, Input::Fact(&snapshot));
    for (n, vip) in vips.iter().enumerate() {
        let holder = HolderId(u32::try_from(n).expect("fits"));
        keeper.handle(now, Input::Manage { holder, vips: vec![vip.clone()] });
        keeper.handle(now, Input::Hold { holder });
    }
    while keeper.poll_output().is_some() {}
    let mut put = 0;
    for _ in 0..rounds {
        for vip in &vips {
            keeper.handle(now, Input::Fact(&KernelFact::AddressGone(of(vip))));
            while let Some(output) = keeper.poll_output() {
                let Output::Batch(Batch { ticket, ops }) = output else { continue };
                put += ops.len();
                let done = BatchDone { ticket, outcomes: vec![Ok(()); ops.len()] };
                keeper.handle(now, Input::Done(done));
                keeper.handle(now, Input::Fact(&KernelFact::Address(of(vip))));
            }
        }
        // Far enough apart to be no fight.
        now = now + Duration::from_secs(60);
    }
    assert_eq!(u64::try_from(put).ok(), Some(rounds * 1000));
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
