//! The lease table against a real kernel: what `nft` says of it, and what a neighbour hears.

use std::process::{Command, Output};
use std::thread::sleep;
use std::time::Duration;

use base::{IfIndex, Instant};
use serde_json::Value;

use super::*;
use crate::clock;
use crate::frames::{FrameSender, FrameTap};
use crate::testing::{in_namespace, index, ip, settled};

const NAME: &str = "mainstay";
const CLASS: LeaseClass = LeaseClass::from_number(300);
const LONG: LeaseClass = LeaseClass::from_number(60_000);

const OTHER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x0b];
const VIRTUAL_MAC: [u8; 6] = [0, 0, 0x5e, 0, 1, 0x0a];
const VIP4: [u8; 4] = [10, 9, 0, 6];
const OWN4: [u8; 4] = [10, 9, 0, 1];
const OTHER4: [u8; 4] = [10, 9, 0, 9];

fn vip4() -> LeaseKey {
    LeaseKey::Address(VIP4.into())
}

fn vip6() -> LeaseKey {
    LeaseKey::Address("2001:db8::6".parse().unwrap())
}

fn nft(arguments: &str) -> Output {
    Command::new("nft").args(arguments.split_whitespace()).output().unwrap()
}

/// What nft lists of our table, by kind.
fn shown(kind: &str) -> Vec<Value> {
    let output = nft(&format!("-j list table netdev {NAME}"));
    assert!(output.status.success(), "{output:?}");
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    let of_kind = all["nftables"].as_array().unwrap().iter().filter_map(|one| one.get(kind));
    of_kind.cloned().collect()
}

fn done(table: &mut LeaseTable, op: LeaseOp) {
    assert_eq!(table.execute(&op), Ok(LeaseAnswer::Done), "{op:?}");
}

fn built() -> LeaseTable {
    let mut table = LeaseTable::open(NAME).unwrap();
    let answer = LeaseAnswer::Built { existed: false, listed: vec![] };
    assert_eq!(table.execute(&LeaseOp::Build), Ok(answer));
    table
}

/// What building says of a table whose owner has just been closed. A test beside this one may have
/// forked in that moment, and its child has every socket until it becomes another program.
fn adopted(table: &mut LeaseTable) -> Result<LeaseAnswer, LeaseTrouble> {
    let patience = std::time::Instant::now() + Duration::from_secs(10);
    loop {
        match table.execute(&LeaseOp::Build) {
            Err(LeaseTrouble::Refused { errno: Errno(libc::EPERM), .. })
                if std::time::Instant::now() < patience =>
            {
                sleep(Duration::from_millis(5));
            }
            answer => return answer,
        }
    }
}

/// A node with the VIPs on `va`; its neighbour is the other end of the wire.
struct Wire {
    va: IfIndex,
    vb: IfIndex,
    sender: FrameSender,
    mac: [u8; 6],
}

impl Wire {
    fn new() -> Self {
        ip(
            "link add va address 02:00:00:00:00:0a type veth peer name vb address 02:00:00:00:00:0b",
        );
        for sysctl in ["net/ipv6/conf/vb/disable_ipv6", "net/ipv4/conf/vb/arp_ignore"] {
            let value = if sysctl.ends_with("ignore") { "8" } else { "1" };
            std::fs::write(format!("/proc/sys/{sysctl}"), value).unwrap();
        }
        ip("addr add 10.9.0.1/24 dev va");
        ip("addr add 10.9.0.6/24 dev va");
        ip("addr add 2001:db8::6/64 dev va nodad");
        ip("neigh add 10.9.0.9 lladdr 02:00:00:00:00:0b dev va");
        ip("neigh add 2001:db8::9 lladdr 02:00:00:00:00:0b dev va");
        ip("link set lo up");
        ip("link set va up");
        ip("link set vb up");
        settled(&["va", "vb"]);
        let sender = FrameSender::open().unwrap();
        Self { va: index("va"), vb: index("vb"), sender, mac: [2, 0, 0, 0, 0, 0x0a] }
    }

    /// Whether a frame sent by the neighbour is answered by one in which `answer` is found at the
    /// offset.
    fn answered(&self, question: &[u8], offset: usize, answer: &[u8]) -> bool {
        self.carried(self.vb, question, offset, answer)
    }

    /// Whether a frame sent by the node reaches its neighbour.
    fn leaves(&self, frame: &[u8]) -> bool {
        self.carried(self.va, frame, 0, frame)
    }

    fn carried(&self, by: IfIndex, frame: &[u8], offset: usize, expected: &[u8]) -> bool {
        let tap = FrameTap::open(Some(self.vb)).unwrap();
        match self.sender.send(by, frame) {
            // What is dropped on its way out is told to the sender.
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => return false,
            sent => sent.unwrap(),
        }
        let begun = clock::monotonic();
        let mut buffer = [0; 2048];
        // Everything on a veth happens within the send, or in the softirq right after it.
        while clock::monotonic().since(begun) < Duration::from_millis(8) {
            while let Some(seen) = tap.recv(&mut buffer).unwrap() {
                if !seen.outgoing && buffer[offset..seen.length].starts_with(expected) {
                    return true;
                }
            }
            sleep(Duration::from_micros(300));
        }
        false
    }

    fn answers_arp(&self) -> bool {
        let mut frame = ethernet([0xff; 6], OTHER_MAC, 0x0806);
        frame.extend([0, 1, 8, 0, 6, 4, 0, 1]);
        frame.extend([&OTHER_MAC[..], &OTHER4, &[0; 6], &VIP4].concat());
        self.answered(&frame, 28, &VIP4)
    }

    fn answers_ping(&self, target: [u8; 4]) -> bool {
        let mut echo = vec![8, 0, 0, 0, 0, 1, 0, 1];
        let sum = checksum(&echo);
        echo[2..4].copy_from_slice(&sum);
        self.answered(&self.ip4(false, OTHER4, target, 1, &echo), 26, &target)
    }

    fn answers_solicitation(&self) -> bool {
        let (source, target) = (ip6("2001:db8::9"), ip6("2001:db8::6"));
        let group = ip6("ff02::1:ff00:6");
        let mut message = vec![135, 0, 0, 0, 0, 0, 0, 0];
        message.extend(target);
        message.extend([1, 1]);
        message.extend(OTHER_MAC);
        let frame = icmp6([0x33, 0x33, 0xff, 0, 0, 6], source, group, &mut message);
        // An advertisement whose target is the VIP.
        self.answered(&frame, 62, &target)
    }

    /// The node's advert from this address and MAC.
    fn advert_leaves(&self, source: [u8; 4], mac: [u8; 6]) -> bool {
        let mut frame =
            self.ip4(true, source, [224, 0, 0, 18], 112, &[0x31, 1, 0, 1, 0, 100, 0, 0]);
        frame[6..12].copy_from_slice(&mac);
        self.leaves(&frame)
    }

    fn igmp_leaves(&self, mac: [u8; 6]) -> bool {
        let mut frame = self.ip4(true, OWN4, [224, 0, 0, 22], 2, &[0x22, 0, 0, 0, 0, 0, 0, 0]);
        frame[6..12].copy_from_slice(&mac);
        self.leaves(&frame)
    }

    fn datagram_leaves(&self, source: [u8; 4]) -> bool {
        self.leaves(&self.ip4(true, source, OTHER4, 17, &[0, 9, 0, 9, 0, 8, 0, 0]))
    }

    fn ip4(
        &self,
        outgoing: bool,
        source: [u8; 4],
        to: [u8; 4],
        protocol: u8,
        body: &[u8],
    ) -> Vec<u8> {
        let (from_mac, to_mac) =
            if outgoing { (self.mac, OTHER_MAC) } else { (OTHER_MAC, self.mac) };
        let mut frame = ethernet(to_mac, from_mac, 0x0800);
        let length = u8::try_from(20 + body.len()).unwrap();
        let mut header = vec![0x45, 0, 0, length, 0, 0, 0, 0, 255, protocol, 0, 0];
        header.extend(source);
        header.extend(to);
        let sum = checksum(&header);
        header[10..12].copy_from_slice(&sum);
        frame.extend(header);
        frame.extend(body);
        frame
    }
}

fn ip6(text: &str) -> [u8; 16] {
    text.parse::<std::net::Ipv6Addr>().unwrap().octets()
}

fn ethernet(to: [u8; 6], from: [u8; 6], ethertype: u16) -> Vec<u8> {
    [&to[..], &from, &ethertype.to_be_bytes()].concat()
}

fn icmp6(mac: [u8; 6], source: [u8; 16], to: [u8; 16], message: &mut [u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
    let pseudo = [&source[..], &to, &[0, 0], &length, &[0, 0, 0, 58], message].concat();
    let sum = checksum(&pseudo);
    message[2..4].copy_from_slice(&sum);
    let mut frame = ethernet(mac, OTHER_MAC, 0x86dd);
    frame.extend([0x60, 0, 0, 0, length[0], length[1], 58, 255]);
    frame.extend([&source[..], &to, message].concat());
    frame
}

fn checksum(octets: &[u8]) -> [u8; 2] {
    let mut sum: u32 = octets
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!u16::try_from(sum).unwrap()).to_be_bytes()
}

#[test]
fn nft_sees_the_table_its_owner_its_sets_and_two_chains_for_each_interface() {
    in_namespace(|| {
        let _wire = Wire::new();
        let mut table = built();
        done(&mut table, LeaseOp::Cover { interface: "va".into() });
        done(&mut table, LeaseOp::Cover { interface: "va".into() });
        done(&mut table, LeaseOp::List { class: CLASS, keys: vec![vip4(), vip6()] });
        done(&mut table, LeaseOp::Arm { class: LONG });
        let flags = shown("table")[0]["flags"].clone();
        assert!(flags.to_string().contains("owner"), "{flags}");
        let chains = shown("chain");
        let hooked: Vec<_> = chains
            .iter()
            .filter(|chain| chain["hook"].is_string())
            .map(|chain| (chain["name"].clone(), chain["hook"].clone()))
            .collect();
        let row = |a: &str, b: &str| (a.into(), b.into());
        assert_eq!(hooked, [row("in-va", "ingress"), row("out-va", "egress")]);
        let rules = |chain: &str| shown("rule").iter().filter(|r| r["chain"] == chain).count();
        let counts = ["arp", "ip", "ip6", "in-va", "out-va"].map(rules);
        // Two classes: this one and the silent one.
        assert_eq!(counts, [4, 5, 7, 3, 5], "covering twice changes nothing");
        let sets = shown("set");
        let find = |name: &str| sets.iter().find(|set| set["name"] == name).unwrap().clone();
        assert_eq!(find("v4-300")["elem"].to_string(), r#"["10.9.0.6"]"#);
        assert_eq!(find("v6-300")["elem"].to_string(), r#"["2001:db8::6"]"#);
        let alive = find("alive");
        assert_eq!(alive["elem"][0]["elem"]["val"], 60_000);
        assert_eq!(alive["elem"][0]["elem"]["timeout"], 60);
        done(&mut table, LeaseOp::Destroy);
        done(&mut table, LeaseOp::Destroy);
        assert!(!nft(&format!("list table netdev {NAME}")).status.success());
    });
}

#[test]
fn without_a_lease_nothing_from_to_or_about_the_vip_passes_and_everything_else_does() {
    in_namespace(|| {
        let wire = Wire::new();
        let mut table = built();
        done(&mut table, LeaseOp::Cover { interface: "va".into() });
        let passes = |silent: bool, why: &str| {
            assert_eq!(wire.answers_arp(), !silent, "ARP, {why}");
            assert_eq!(wire.answers_ping(VIP4), !silent, "IPv4 in, {why}");
            assert_eq!(wire.answers_solicitation(), !silent, "ND, {why}");
            assert_eq!(wire.datagram_leaves(VIP4), !silent, "IPv4 out, {why}");
            assert_eq!(wire.igmp_leaves(VIRTUAL_MAC), !silent, "virtual MAC, {why}");
            assert!(wire.answers_ping(OWN4), "its own address, {why}");
            assert!(wire.datagram_leaves(OWN4), "from its own address, {why}");
            assert!(wire.igmp_leaves(wire.mac), "its own MAC, {why}");
            assert!(wire.advert_leaves(OWN4, wire.mac), "an advert, {why}");
            assert!(wire.advert_leaves(VIP4, VIRTUAL_MAC), "an owner's advert, {why}");
        };
        passes(false, "nothing is listed");
        let keys = vec![vip4(), vip6(), LeaseKey::Mac(Mac(VIRTUAL_MAC))];
        done(&mut table, LeaseOp::List { class: LONG, keys: keys.clone() });
        passes(true, "listed and never armed");
        done(&mut table, LeaseOp::Arm { class: LONG });
        passes(false, "armed");
        done(&mut table, LeaseOp::List { class: LeaseClass::SILENT, keys: keys.clone() });
        passes(true, "moved to the silent class");
        done(&mut table, LeaseOp::List { class: LONG, keys: keys.clone() });
        passes(false, "moved back");
        done(&mut table, LeaseOp::Drop { class: LONG });
        passes(true, "dropped");
        done(&mut table, LeaseOp::Unlist { keys: keys.clone() });
        done(&mut table, LeaseOp::Unlist { keys });
        passes(false, "unlisted");
    });
}

#[test]
fn a_lease_ends_by_itself_on_time_and_cannot_be_renewed_after_that() {
    in_namespace(|| {
        let wire = Wire::new();
        let mut table = built();
        done(&mut table, LeaseOp::Cover { interface: "va".into() });
        done(&mut table, LeaseOp::List { class: CLASS, keys: vec![vip4()] });
        assert_eq!(table.execute(&LeaseOp::Renew { class: CLASS }), Err(LeaseTrouble::Lapsed));
        done(&mut table, LeaseOp::Arm { class: CLASS });
        let begun = clock::monotonic();
        let mut renewed = begun;
        while clock::monotonic().since(begun) < Duration::from_millis(700) {
            renewed = clock::monotonic();
            done(&mut table, LeaseOp::Renew { class: CLASS });
            assert!(wire.answers_arp(), "it goes on");
            sleep(Duration::from_millis(50));
        }
        let mut last = Instant::ZERO;
        while clock::monotonic().since(renewed) < Duration::from_millis(500) {
            let asked = clock::monotonic();
            if wire.answers_arp() {
                last = asked;
            }
        }
        let silent_after = last.since(renewed);
        println!("last answer {silent_after:?} after the last renewal of a 300 ms lease");
        assert!(silent_after <= Duration::from_millis(320), "{silent_after:?}");
        assert!(silent_after >= Duration::from_millis(200), "{silent_after:?}");
        assert_eq!(table.execute(&LeaseOp::Renew { class: CLASS }), Err(LeaseTrouble::Lapsed));
        assert!(!wire.answers_arp(), "a failed renewal revives nothing");
        done(&mut table, LeaseOp::Arm { class: CLASS });
        assert!(wire.answers_arp());
    });
}

#[test]
fn nobody_else_flushes_it_and_the_next_process_adopts_it_with_its_leases() {
    in_namespace(|| {
        let wire = Wire::new();
        let mut table = built();
        done(&mut table, LeaseOp::Cover { interface: "va".into() });
        let keys = vec![vip4(), vip6(), LeaseKey::Mac(Mac(VIRTUAL_MAC))];
        done(&mut table, LeaseOp::List { class: LONG, keys: keys.clone() });
        done(&mut table, LeaseOp::Arm { class: LONG });
        assert!(nft("flush ruleset").status.success());
        assert!(!nft(&format!("delete table netdev {NAME}")).status.success());
        done(&mut table, LeaseOp::Renew { class: LONG });
        let refused = LeaseTable::open(NAME).unwrap().execute(&LeaseOp::Build).unwrap_err();
        assert!(matches!(refused, LeaseTrouble::Refused { .. }), "{refused}: it has an owner");
        let second = LeaseTable::open("mainstay-second").unwrap().execute(&LeaseOp::Build);
        assert!(second.is_ok(), "another daemon has its own: {second:?}");
        drop(table);

        // Its owner is dead: what it left behind goes on working.
        let mut heir = LeaseTable::open(NAME).unwrap();
        let listed = keys.iter().map(|key| (*key, LONG)).collect();
        let answer = LeaseAnswer::Built { existed: true, listed };
        assert_eq!(adopted(&mut heir), Ok(answer));
        done(&mut heir, LeaseOp::Renew { class: LONG });
        assert!(wire.answers_arp());
        done(&mut heir, LeaseOp::Drop { class: LONG });
        assert!(!wire.answers_arp());
        done(&mut heir, LeaseOp::Destroy);
        assert!(wire.answers_arp());
    });
}

#[test]
fn whoever_shares_the_socket_can_silence_what_a_stalled_owner_holds() {
    in_namespace(|| {
        let wire = Wire::new();
        let guardian = LeaseSocket::open().unwrap();
        let mut table = LeaseTable::over(guardian.try_clone().unwrap(), NAME);
        table.execute(&LeaseOp::Build).unwrap();
        done(&mut table, LeaseOp::Cover { interface: "va".into() });
        done(&mut table, LeaseOp::List { class: LONG, keys: vec![vip4()] });
        done(&mut table, LeaseOp::Arm { class: LONG });
        guardian.silence(NAME).unwrap();
        assert!(!wire.answers_arp());
        guardian.silence(NAME).unwrap();
        assert_eq!(table.execute(&LeaseOp::Renew { class: LONG }), Err(LeaseTrouble::Lapsed));
        // The engine is dead; its successor is handed the same socket.
        drop(table);
        let mut heir = LeaseTable::over(guardian.try_clone().unwrap(), NAME);
        let answer = LeaseAnswer::Built { existed: true, listed: vec![(vip4(), LONG)] };
        assert_eq!(heir.execute(&LeaseOp::Build), Ok(answer));
        guardian.destroy(NAME).unwrap();
        assert!(wire.answers_arp());
    });
}

#[test]
fn an_interface_that_comes_back_is_covered_when_asked_again() {
    in_namespace(|| {
        let wire = Wire::new();
        let mut table = built();
        done(&mut table, LeaseOp::Cover { interface: "va".into() });
        done(&mut table, LeaseOp::List { class: LONG, keys: vec![vip4()] });
        assert!(!wire.answers_arp());
        ip("link del va");
        let again = Wire::new();
        done(&mut table, LeaseOp::Cover { interface: "va".into() });
        assert!(!again.answers_arp());
        done(&mut table, LeaseOp::Arm { class: LONG });
        assert!(again.answers_arp());
    });
}

#[test]
fn a_virtual_mac_is_silenced_on_its_macvlan_and_on_the_link_below() {
    in_namespace(|| {
        let wire = Wire::new();
        ip("link add vmac link va address 00:00:5e:00:01:0a type macvlan mode private");
        ip("link set vmac addrgenmode none up");
        let vmac = index("vmac");
        let mut table = built();
        let key = LeaseKey::Mac(Mac(VIRTUAL_MAC));
        let mut frame = wire.ip4(true, OWN4, [224, 0, 0, 22], 2, &[0x22, 0, 0, 0, 0, 0, 0, 0]);
        frame[6..12].copy_from_slice(&VIRTUAL_MAC);
        done(&mut table, LeaseOp::List { class: LONG, keys: vec![key] });
        assert!(wire.carried(vmac, &frame, 0, &frame), "not covered yet");
        for interface in ["vmac", "va"] {
            done(&mut table, LeaseOp::Cover { interface: interface.into() });
            done(&mut table, LeaseOp::Drop { class: LONG });
            assert!(!wire.carried(vmac, &frame, 0, &frame), "by {interface}");
            done(&mut table, LeaseOp::Arm { class: LONG });
            assert!(wire.carried(vmac, &frame, 0, &frame), "by {interface}");
        }
    });
}

/// The senders, MAC and IP, of ARP packets of an operation that a neighbour hears after `cause`.
fn arp_heard(wire: &Wire, operation: u8, cause: impl FnOnce()) -> Vec<([u8; 6], [u8; 4])> {
    let tap = FrameTap::open(Some(wire.vb)).unwrap();
    cause();
    sleep(Duration::from_millis(20));
    let (mut buffer, mut heard) = ([0; 2048], Vec::new());
    while let Some(seen) = tap.recv(&mut buffer).unwrap() {
        if !seen.outgoing && buffer[12..14] == [8, 6] && buffer[20..22] == [0, operation] {
            let sender =
                (*buffer[22..].first_chunk().unwrap(), *buffer[28..].first_chunk().unwrap());
            heard.push(sender);
        }
    }
    heard.sort_unstable();
    heard.dedup();
    heard
}

#[test]
fn vrrp_102_of_a_macvlan_and_its_parent_only_the_macvlan_answers_and_says_where_the_vip_lives() {
    in_namespace(|| {
        let wire = Wire::new();
        let vip = [10, 9, 0, 66];
        ip("link add vmac link va address 00:00:5e:00:01:0a type macvlan mode private");
        ip("link set vmac addrgenmode none up");
        ip("addr add 10.9.0.66/24 dev vmac");
        settled(&["vmac"]);
        let ask = || {
            let mut frame = ethernet([0xff; 6], OTHER_MAC, 0x0806);
            frame.extend([0, 1, 8, 0, 6, 4, 0, 1]);
            frame.extend([&OTHER_MAC[..], &OTHER4, &[0; 6], &vip].concat());
            wire.sender.send(wire.vb, &frame).unwrap();
        };
        // An answer to somebody whose MAC is not known; the kernel asks by the first route.
        let speak = || {
            let socket = std::net::UdpSocket::bind("10.9.0.66:0").unwrap();
            let _ = socket.send_to(b"x", "10.9.0.77:9");
        };
        let both = arp_heard(&wire, 2, ask);
        assert_eq!(both, [(VIRTUAL_MAC, vip), (wire.mac, vip)], "or nothing is proven");

        let mut table = built();
        let keys = vec![LeaseKey::Mac(Mac(VIRTUAL_MAC)), LeaseKey::Pin(vip.into())];
        done(&mut table, LeaseOp::List { class: LONG, keys });
        for interface in ["vmac", "va"] {
            done(&mut table, LeaseOp::Cover { interface: interface.into() });
        }
        done(&mut table, LeaseOp::Arm { class: LONG });
        assert_eq!(arp_heard(&wire, 2, ask), [(VIRTUAL_MAC, vip)]);
        assert_eq!(arp_heard(&wire, 1, speak), [(wire.mac, [0; 4])], "a probe tells nothing");
        // And nothing of it once the lease has ended.
        done(&mut table, LeaseOp::Drop { class: LONG });
        assert_eq!(arp_heard(&wire, 2, ask), []);
        // A predecessor's list is read back for what it is.
        drop(table);
        let mut next = LeaseTable::open(NAME).unwrap();
        // A process that another test has just forked may still have the socket.
        let listed = std::iter::repeat_with(|| {
            sleep(Duration::from_millis(5));
            next.execute(&LeaseOp::Build)
        });
        let listed = listed.take(200).find_map(|answer| match answer {
            Ok(LeaseAnswer::Built { listed, .. }) => Some(listed),
            _ => None,
        });
        let listed = listed.unwrap();
        assert!(listed.contains(&(LeaseKey::Pin(vip.into()), LONG)), "{listed:?}");
        assert_eq!(nft("list ruleset").status.code(), Some(0));
    });
}

#[test]
fn without_the_right_the_trouble_says_so() {
    in_namespace(|| {
        let mut table = LeaseTable::open(NAME).unwrap();
        let none = rustix::thread::CapabilitySets {
            effective: rustix::thread::CapabilitySet::empty(),
            permitted: rustix::thread::CapabilitySet::empty(),
            inheritable: rustix::thread::CapabilitySet::empty(),
        };
        rustix::thread::set_capabilities(None, none).unwrap();
        let trouble = table.execute(&LeaseOp::Build).unwrap_err();
        assert!(matches!(trouble, LeaseTrouble::Missing { .. }), "{trouble:?}");
        assert!(trouble.to_string().contains("CAP_NET_ADMIN"), "{trouble}");
    });
}

/// Figures for the record: `cargo test -p linux --release -- --ignored cost --nocapture`.
#[test]
#[ignore = "measures"]
fn cost_of_each_operation() {
    in_namespace(|| {
        let _wire = Wire::new();
        let mut table = LeaseTable::open(NAME).unwrap();
        let time = |what: &str, times: u32, table: &mut LeaseTable, op: &LeaseOp| {
            let mut took: Vec<Duration> = (0..times)
                .map(|_| {
                    let begun = clock::monotonic();
                    table.execute(op).unwrap();
                    clock::monotonic().since(begun)
                })
                .collect();
            took.sort();
            let (middle, most) = (took[took.len() / 2], took[took.len() - 1]);
            println!("{what:32} median {middle:?}, most {most:?} of {times}");
        };
        time("build", 1, &mut table, &LeaseOp::Build);
        time("build again", 50, &mut table, &LeaseOp::Build);
        time("cover", 1, &mut table, &LeaseOp::Cover { interface: "va".into() });
        time("cover another", 1, &mut table, &LeaseOp::Cover { interface: "vb".into() });
        time("cover again", 50, &mut table, &LeaseOp::Cover { interface: "va".into() });
        for count in [1_u32, 100, 1000, 4000] {
            let v4 = (0..count).map(|n| IpAddr::V4((0x0a01_0000 + n).into()).into());
            let v6 = (0..count)
                .map(|n| IpAddr::V6((0x2001_0db8_u128 << 96 | u128::from(n)).into()).into());
            for (family, keys) in [("IPv4", v4.collect::<Vec<_>>()), ("IPv6", v6.collect())] {
                let op = LeaseOp::List { class: CLASS, keys: keys.clone() };
                time(&format!("list {count} {family}"), 1, &mut table, &op);
                let op = LeaseOp::List { class: LeaseClass::SILENT, keys: keys.clone() };
                time(&format!("move {count} {family}"), 1, &mut table, &op);
            }
            done(&mut table, LeaseOp::Arm { class: LONG });
            time("renew", 2000, &mut table, &LeaseOp::Renew { class: LONG });
            let usage = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
            let before = usage();
            for _ in 0..2000 {
                table.execute(&LeaseOp::Renew { class: LONG }).unwrap();
            }
            let after = usage();
            let nanos =
                (after.tv_sec - before.tv_sec) * 1_000_000_000 + after.tv_nsec - before.tv_nsec;
            println!("renew, processor time: {} us each", nanos / 2000 / 1000);
        }
    });
}
