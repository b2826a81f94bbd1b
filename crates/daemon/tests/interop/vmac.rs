//! Virtual MACs on real kernels: I04–I06 with keepalived's `use_vmac`, what a client's kernel and the
//! switch learn, what the node's kernel is made to have, and what is left on the wire when all of us
//! die or freeze.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::thread::sleep;
use std::time::Duration;

use base::{Family, Instant, Mac, State, Vrid, What};
use lab::{CommandLine, Need, Seen, Sighting, wait_for};
use linux::clock::monotonic;

use crate::bench::{Bench, OURS, PATIENCE, PEER, keepalived_here, say};
use crate::exchange::hold_then_follow;
use crate::keepalived::Keepalived;
use crate::mainstay::Mainstay;
use crate::mode::{Mode, Part, V2, V3_IPV4, V3_IPV6, VRID};
use crate::pairs::pair;
use crate::speaker::Speaker;

const SECOND: Duration = Duration::from_secs(1);

fn virtual_mac(mode: Mode) -> Mac {
    Mac::virtual_router(mode.family, Vrid::new(VRID).unwrap())
}

fn source_of(frame: &[u8]) -> Mac {
    Mac(*frame[6..].first_chunk().unwrap())
}

/// Runs a command on a node and gives what it printed.
fn on(bench: &Bench, node: &str, line: &str) -> String {
    let done = bench.lab.node(node).output(&CommandLine::parse(line), PATIENCE).unwrap();
    done.unwrap_or_else(|| panic!("{line} on {node}\n{}", bench.story()))
}

/// Every MAC that anybody ever said the VIP lives at.
fn claimed(bench: &Bench, vip: IpAddr, since: Instant) -> Vec<(String, Mac)> {
    let mut all: Vec<(String, Mac)> = bench
        .sightings()
        .iter()
        .filter(|sighting| sighting.at >= since)
        .filter_map(|sighting| Some((sighting.from.to_string(), claim(sighting, vip)?)))
        .collect();
    all.sort();
    all.dedup();
    all
}

/// Where a frame says that `vip` lives: ARP of either kind, and neighbour advertisements of either.
fn claim(sighting: &Sighting, vip: IpAddr) -> Option<Mac> {
    let frame = &sighting.frame;
    match vip {
        IpAddr::V4(vip) => {
            let arp = frame.get(12..14)? == [8, 6] && frame.get(28..32)? == vip.octets();
            arp.then(|| Mac(*frame[22..].first_chunk().unwrap()))
        }
        IpAddr::V6(vip) => {
            let advert = frame.get(12..14)? == [0x86, 0xdd]
                && frame.get(20)? == &58
                && frame.get(54)? == &136
                && frame.get(62..78)? == vip.octets();
            let option = frame.get(78..80).filter(|option| *option == [2, 1]);
            (advert && option.is_some()).then(|| Mac(*frame[80..].first_chunk().unwrap()))
        }
    }
}

/// The client's own neighbour entry for the VIP.
fn known_to_client(bench: &Bench) -> Option<Mac> {
    let vip = bench.mode.vip();
    let entries = bench.lab.client().neighbours();
    entries.into_iter().find(|entry| entry.address == vip).and_then(|entry| entry.mac)
}

fn both_with(mode: Mode, ours: &str, theirs: &str) {
    if !keepalived_here() {
        return;
    }
    let mut bench = Bench::new(mode, &[OURS, PEER]);
    let begin = monotonic();
    let with = |lines: &str| {
        let part = Part::new(mode, 100);
        lines.split('\n').filter(|line| !line.is_empty()).fold(part, |part, line| part.with(line))
    };
    hold_then_follow(&mut bench, &mut Keepalived::on("peer"), &with(ours), &with(theirs));
    if ours == theirs {
        let wanted = virtual_mac(mode);
        let claims = claimed(&bench, mode.vip(), begin);
        let ours: Vec<_> = claims.iter().filter(|(from, _)| from == "ours").collect();
        assert!(!ours.is_empty() && ours.iter().all(|(_, mac)| *mac == wanted), "{claims:?}");
        assert_eq!(known_to_client(&bench), Some(wanted));
        let sent = bench.sightings();
        let adverts = sent.iter().filter(|s| matches!(s.seen, Seen::Advert { .. }));
        let virtual_too = !theirs.contains("vmac_xmit_base");
        let wrong = adverts.filter(|s| (source_of(&s.frame) == wanted) != virtual_too).count();
        assert_eq!(wrong, 0, "adverts of both come from the same kind of MAC");
    }
}

#[test]
fn i04_keepalived_v2_with_virtual_macs() {
    both_with(V2, "use_vmac", "use_vmac");
}

#[test]
fn i05_keepalived_v3_ipv4_with_virtual_macs() {
    both_with(V3_IPV4, "use_vmac", "use_vmac");
}

#[test]
fn i06_keepalived_v3_ipv6_with_virtual_macs() {
    both_with(V3_IPV6, "use_vmac", "use_vmac");
}

#[test]
fn i05_only_one_of_the_two_has_a_virtual_mac() {
    both_with(V3_IPV4, "use_vmac", "");
    both_with(V3_IPV4, "", "use_vmac");
}

#[test]
fn i05_adverts_by_the_real_interface() {
    both_with(V3_IPV4, "use_vmac\nvmac_xmit_base", "use_vmac\nvmac_xmit_base");
}

/// The MACs on a node's links, by name.
fn link_mac(bench: &Bench, node: &str, name: &str) -> Option<(u32, Mac, bool)> {
    let links = bench.lab.node(node).links();
    let link = links.into_iter().find(|link| link.name == name)?;
    Some((link.index.get(), link.mac?, link.flags.contains(&"UP")))
}

/// Every switch of IPv4 and IPv6 for all interfaces but the device.
fn switches(bench: &Bench) -> Vec<String> {
    let all = on(bench, "ours", "/sbin/sysctl -a --pattern net.ipv[46].conf.*");
    all.lines().filter(|line| !line.contains(".vrrp/51.")).map(str::to_owned).collect()
}

#[test]
fn the_kernel_gets_one_private_macvlan_with_switches_of_its_own_and_loses_it_again() {
    if !lab::requires(&[Need::Root, Need::program("/sbin/sysctl")]) {
        return;
    }
    let mode = V3_IPV4;
    let mut bench = Bench::new(mode, &[OURS, PEER]);
    let before = switches(&bench);
    let mut us = Mainstay::on("ours");
    let part = Part::new(mode, 150).with("use_vmac");
    us.start(&mut bench, &part);
    bench.sole_holder(&us, &[]);
    bench.served_by("ours");
    let (index, mac, up) = link_mac(&bench, "ours", "vrrp.51").unwrap();
    assert_eq!((mac, up), (virtual_mac(mode), true));
    let shown = on(&bench, "ours", "ip -d link show dev vrrp.51");
    assert!(shown.contains("macvlan mode private"), "{shown}");
    assert_eq!(switches(&bench), before, "of other interfaces");
    let own = on(&bench, "ours", "/sbin/sysctl -a --pattern net.ipv[46].conf.vrrp/51");
    for wanted in ["arp_ignore = 1", "arp_announce = 2", "rp_filter = 2", "disable_ipv6 = 1"] {
        assert!(own.contains(wanted), "{wanted} in {own}");
    }
    let vmac = us.instance(&bench).vmacs.remove(0);
    assert_eq!((&*vmac.interface, &*vmac.state), ("vrrp.51", "up"));

    // Dead at once, and the next one goes on with what is there.
    us.freeze(&bench);
    us.kill(&bench);
    us.start(&mut bench, &part);
    bench.sole_holder(&us, &[]);
    bench.served_by("ours");
    assert_eq!(link_mac(&bench, "ours", "vrrp.51").unwrap().0, index, "adopted\n{}", bench.story());

    us.resign(&bench);
    let gone = wait_for(PATIENCE, || link_mac(&bench, "ours", "vrrp.51").is_none());
    assert!(gone.is_some(), "{}", bench.story());
    assert!(!bench.has_vip("ours"));
    assert_eq!(switches(&bench), before);
}

#[test]
fn a_strict_reverse_path_filter_for_all_takes_nothing_from_the_vips() {
    if !lab::requires(&[Need::Root, Need::program("/sbin/sysctl")]) {
        return;
    }
    let mode = V3_IPV4;
    let mut bench = Bench::new(mode, &[OURS, PEER]);
    on(&bench, "ours", "/sbin/sysctl -w net.ipv4.conf.all.rp_filter=1");
    let mut us = Mainstay::on("ours");
    us.start(&mut bench, &Part::new(mode, 150).with("use_vmac"));
    bench.sole_holder(&us, &[]);
    bench.served_by("ours");
    let all = on(&bench, "ours", "/sbin/sysctl -n net.ipv4.conf.all.rp_filter");
    assert_eq!(all.trim(), "1");
}

#[test]
fn a_device_that_is_deleted_set_down_or_loses_its_vip_is_mended_without_an_election() {
    if !lab::requires(&[Need::Root]) {
        return;
    }
    for mode in [V3_IPV4, V3_IPV6] {
        let mut bench = Bench::new(mode, &[OURS, PEER]);
        let (mut us, mut peer) = (Mainstay::on("ours"), Mainstay::on("peer"));
        us.start(&mut bench, &Part::new(mode, 150).with("use_vmac"));
        peer.start(&mut bench, &Part::new(mode, 100).with("use_vmac"));
        bench.sole_holder(&us, &[&peer]);
        bench.served_by("ours");
        let begin = monotonic();
        let (vip, prefix) = match mode.family {
            Family::V4 => ("193.168.0.6", 16),
            Family::V6 => ("2001:db8::6", 64),
        };
        let device = "vrrp.51";
        let harms = [
            format!("ip addr del {vip}/{prefix} dev {device}"),
            format!("ip link set {device} down"),
            format!("ip link del {device}"),
        ];
        for harm in harms {
            let at = monotonic();
            on(&bench, "ours", &harm);
            let back = || {
                let up = link_mac(&bench, "ours", device).is_some_and(|(.., up)| up);
                up && bench.has_vip("ours")
            };
            let waited = wait_for(PATIENCE, back);
            assert!(waited.is_some(), "{harm}\n{}", bench.story());
            bench.served_by("ours");
            say(&format!("{harm}: served again after {:.1?}", monotonic().since(at)));
        }
        assert_eq!(bench.adverts("peer", begin), 0, "{}", bench.story());
        assert_eq!(us.states(&bench), [State::Backup, State::Active]);
    }
}

#[test]
fn a_parent_that_goes_down_or_is_made_anew_takes_the_device_along_and_brings_it_back() {
    if !lab::requires(&[Need::Root]) {
        return;
    }
    let mode = V3_IPV4;
    let mut bench = Bench::new(mode, &[OURS, PEER]);
    let (mut us, mut peer) = (Mainstay::on("ours"), Mainstay::on("peer"));
    us.start(&mut bench, &Part::new(mode, 150).with("use_vmac"));
    peer.start(&mut bench, &Part::new(mode, 100).with("use_vmac"));
    bench.sole_holder(&us, &[&peer]);
    on(&bench, "ours", "ip link set eth0 down");
    bench.sole_holder(&peer, &[&us]);
    bench.served_by("peer");
    on(&bench, "ours", "ip link set eth0 up");
    bench.sole_holder(&us, &[&peer]);
    bench.served_by("ours");
    let (before, ..) = link_mac(&bench, "ours", "vrrp.51").unwrap();
    on(&bench, "ours", "ip link del eth0");
    bench.lab.plug_in_again("ours").unwrap();
    let anew = || link_mac(&bench, "ours", "vrrp.51").is_some_and(|(index, ..)| index != before);
    assert!(wait_for(PATIENCE, anew).is_some(), "{}", bench.story());
    bench.sole_holder(&us, &[&peer]);
    bench.served_by("ours");
}

/// Two nodes of ours with virtual MACs; the first holds.
fn virtual_pair(mode: Mode, line: &str) -> Option<(Bench, Mainstay, Mainstay)> {
    pair(mode, |priority| Part::new(mode, priority).with("use_vmac").with(line))
}

/// Asks everybody on the link for the groups they are in: IGMPv2 or MLD, as a switch does.
fn membership_query(mode: Mode, from: Mac) -> Vec<u8> {
    let sum = |octets: &[u8]| {
        let words = octets.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
        let sum: u32 = words.sum();
        (!u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap()).to_be_bytes()
    };
    match mode.family {
        Family::V4 => {
            let mut frame = vec![0x01, 0x00, 0x5e, 0, 0, 1];
            frame.extend(from.0);
            let mut header = vec![0x46, 0xc0, 0, 32, 0, 0, 0, 0, 1, 2, 0, 0, 193, 168, 0, 100];
            header.extend([224, 0, 0, 1, 0x94, 4, 0, 0]);
            let check = sum(&header);
            header[10..12].copy_from_slice(&check);
            let mut query = vec![0x11, 1, 0, 0, 0, 0, 0, 0];
            let check = sum(&query);
            query[2..4].copy_from_slice(&check);
            frame.extend([8, 0]);
            frame.extend(header);
            frame.extend(query);
            frame
        }
        Family::V6 => {
            let mut frame = vec![0x33, 0x33, 0, 0, 0, 1];
            frame.extend(from.0);
            let source = "fe80::100".parse::<std::net::Ipv6Addr>().unwrap().octets();
            let to = "ff02::1".parse::<std::net::Ipv6Addr>().unwrap().octets();
            let mut query = vec![130, 0, 0, 0, 0, 50, 0, 0];
            query.extend([0; 16]);
            let pseudo = [&source[..], &to, &[0, 0, 0, 24, 0, 0, 0, 58], &query].concat();
            let check = sum(&pseudo);
            query[2..4].copy_from_slice(&check);
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 0, 1]);
            frame.extend(source);
            frame.extend(to);
            // Hop-by-hop, with the router alert that MLD asks for.
            frame.extend([58, 0, 5, 2, 0, 0, 1, 0]);
            frame.extend(query);
            frame
        }
    }
}

/// What left `ours` with the virtual MAC from then on, adverts apart.
fn left_with(seen: &[Sighting], mac: Mac, since: Instant) -> Vec<String> {
    let of = |s: &&Sighting| s.at >= since && s.from == "ours" && source_of(&s.frame) == mac;
    seen.iter().filter(of).map(|s| format!("{:?} {:02x?}", s.at.since(since), s.frame)).collect()
}

/// Stops all of us in some way and looks at what still leaves with the virtual MAC once the lease is
/// over, while a client asks for the VIP and a switch for group members.
fn after_the_end(mode: Mode, line: &str, end: impl Fn(&Mainstay, &Bench)) -> Option<Vec<String>> {
    let (bench, us, peer) = virtual_pair(mode, line)?;
    let everything = bench.lab.witness(lab::Hear::Everything).unwrap();
    let asker = bench.lab.asker(mode.vip(), Duration::from_millis(5)).unwrap();
    let client = bench.lab.client().mac().unwrap();
    let mac = virtual_mac(mode);
    bench.lab.inject(&membership_query(mode, client)).unwrap();
    sleep(Duration::from_millis(300));
    let seen = everything.sightings();
    assert!(!left_with(&seen, mac, Instant::ZERO).is_empty(), "it speaks while it lives");
    let stop = monotonic();
    end(&us, &bench);
    let lease = (mode.interval * 2 / 3).max(Duration::from_millis(60));
    let over = stop + lease + Duration::from_millis(20 + 60);
    let taken = wait_for(PATIENCE, || peer.holds(&bench) && bench.adverts("peer", stop) > 0);
    assert!(taken.is_some(), "{}", bench.story());
    for _ in 0..3 {
        bench.lab.inject(&membership_query(mode, client)).unwrap();
        sleep(Duration::from_millis(400));
    }
    let left = left_with(&everything.sightings(), mac, over);
    assert!(asker.claims().iter().any(|claim| claim.at > over && claim.mac == mac), "the peer's");
    bench.served_by("peer");
    us.thaw(&bench);
    Some(left)
}

#[test]
fn nothing_leaves_with_the_virtual_mac_when_the_lease_of_a_dead_or_frozen_node_is_over() {
    for mode in [V3_IPV4.every(SECOND), V3_IPV4, V3_IPV6] {
        for (what, end) in [
            // All at one moment: an engine would else hear of its guardian's death, and resign.
            ("killed", (|us, bench| (us.freeze(bench), us.kill(bench)).1) as fn(&Mainstay, &Bench)),
            ("frozen", |us, bench| us.freeze(bench)),
        ] {
            let Some(left) = after_the_end(mode, "", end) else { return };
            assert!(
                left.is_empty(),
                "{what}, {:?} every {:?}: {left:#?}",
                mode.family,
                mode.interval
            );
        }
    }
}

/// They are alone on their macvlan, where the first of them is primary for the others.
#[test]
fn all_vips_on_a_virtual_mac_are_gone_soon_after_all_is_dead() {
    let mode = V3_IPV4;
    let vips = ["193.168.0.6/16", "193.168.0.7/16", "193.168.0.8/16"];
    let part = |priority| Part::new(mode, priority).with("use_vmac").holding(&vips);
    let Some((bench, us, _peer)) = pair(mode, part) else { return };
    let left = || bench.lab.node("ours").foreign_addresses();
    assert!(wait_for(PATIENCE, || left().len() == vips.len()).is_some(), "{:?}", left());
    // Twice renewed at least, each with all the others there.
    sleep(SECOND * 3 / 2);
    us.freeze(&bench);
    us.kill(&bench);
    let gone = wait_for(PATIENCE, || left().is_empty());
    say(&format!("three VIPs on a virtual MAC: gone {gone:.1?} after the death"));
    assert!(gone.is_some_and(|took| took < SECOND * 5), "{:?}", left());
}

#[test]
fn an_engine_that_dies_is_replaced_and_nobody_notices() {
    for mode in [V3_IPV4.every(SECOND), V3_IPV6.every(SECOND)] {
        let Some((bench, us, _peer)) = virtual_pair(mode, "") else { return };
        let (index, ..) = link_mac(&bench, "ours", "vrrp.51").unwrap();
        let death = monotonic();
        us.signal_role(&bench, "engine", lab::ProcessSignal::KILL);
        sleep(mode.interval * 4);
        assert_eq!(bench.adverts("peer", death), 0, "{}", bench.story());
        bench.served_by("ours");
        assert_eq!(link_mac(&bench, "ours", "vrrp.51"), Some((index, virtual_mac(mode), true)));
    }
}

#[test]
fn a_new_version_goes_on_with_the_device() {
    let Some((bench, us, _peer)) = virtual_pair(V3_IPV4.every(SECOND), "") else { return };
    let (index, ..) = link_mac(&bench, "ours", "vrrp.51").unwrap();
    let begin = monotonic();
    let binary = crate::mainstay::BINARY;
    on(&bench, "ours", &format!("{binary} upgrade --control {{control}} --binary {binary}"));
    sleep(SECOND * 3);
    assert_eq!(bench.adverts("peer", begin), 0, "{}", bench.story());
    assert_eq!(link_mac(&bench, "ours", "vrrp.51").map(|(index, ..)| index), Some(index));
    bench.served_by("ours");
    assert_eq!(us.instance(&bench).vmacs[0].state, "up");
}

#[test]
fn a_reload_moves_a_held_vip_to_a_virtual_mac_and_back() {
    if !lab::requires(&[Need::Root]) {
        return;
    }
    let mode = V3_IPV4;
    let mut bench = Bench::new(mode, &[OURS, PEER]);
    let mut us = Mainstay::on("ours");
    let plain = Part::new(mode, 150);
    let moved = plain.clone().with("use_vmac");
    us.start(&mut bench, &plain);
    bench.sole_holder(&us, &[]);
    for (part, device) in [(&moved, true), (&plain, false)] {
        bench.lab.node_mut("ours").write(lab::CONF, part.conf(), 0o644).unwrap();
        bench.lab.node("ours").signal(lab::ProcessSignal::HUP);
        let there = || {
            let up = link_mac(&bench, "ours", "vrrp.51").is_some_and(|(.., up)| up);
            up == device && bench.has_vip("ours")
        };
        assert!(wait_for(PATIENCE, there).is_some(), "{}", bench.story());
        bench.served_by("ours");
    }
    assert_eq!(us.states(&bench), [State::Backup, State::Active]);
}

#[test]
fn without_a_lease_the_virtual_mac_of_a_frozen_node_is_heard_on() {
    let Some(left) = after_the_end(V3_IPV4, "lease off", |us, bench| us.freeze(bench)) else {
        return;
    };
    assert!(!left.is_empty(), "or the other test proves nothing");
}

/// Two thousand addresses, the first of them the one the client asks for.
fn crowd(mode: Mode) -> (Vec<String>, IpAddr) {
    let address = |n: u32| match mode.family {
        Family::V4 => IpAddr::from([
            193,
            168,
            u8::try_from(16 + n / 250).unwrap(),
            u8::try_from(1 + n % 250).unwrap(),
        ]),
        Family::V6 => format!("2001:db8::1:{n:x}").parse().unwrap(),
    };
    let length = if mode.family == Family::V4 { 16 } else { 64 };
    let all = (0..2000 - 1).map(|n| format!("{}/{length}", address(n))).collect();
    (all, address(2000 - 2))
}

#[test]
fn two_thousand_vips_wait_on_a_virtual_mac_and_come_with_one_step() {
    for mode in [V3_IPV4.every(SECOND), V3_IPV6.every(SECOND)] {
        if !lab::requires(&[Need::Root, Need::program("/usr/sbin/nft")]) {
            return;
        }
        let (all, last) = crowd(mode);
        let mut bench = Bench::new(mode, &[OURS, PEER]);
        let (mut us, mut peer) = (Mainstay::on("ours"), Mainstay::on("peer"));
        let part = |priority| {
            let excluded = format!("virtual_ipaddress_excluded {{\n{}\n}}", all.join("\n"));
            Part::new(mode, priority).with("use_vmac").with(excluded)
        };
        us.start(&mut bench, &part(150));
        bench.sole_holder(&us, &[]);
        peer.start(&mut bench, &part(100));
        let device = "vrrp.51";
        let staged = || peer.instance(&bench).vmacs.iter().any(|vmac| vmac.staged);
        assert!(wait_for(PATIENCE, staged).is_some(), "{}", bench.story());
        let waiting = |bench: &Bench| {
            let addresses = bench.lab.node("peer").addresses();
            let there: BTreeSet<IpAddr> = addresses.iter().map(|entry| entry.address).collect();
            let bare = |vip: &String| vip.split('/').next().unwrap().parse::<IpAddr>().unwrap();
            all.iter().filter(|vip| there.contains(&bare(vip))).count()
        };
        assert!(
            wait_for(PATIENCE, || waiting(&bench) >= all.len()).is_some(),
            "{}",
            waiting(&bench)
        );
        assert!(link_mac(&bench, "peer", device).is_some_and(|(.., up)| !up));
        let asker = bench.lab.asker(last, Duration::from_millis(1)).unwrap();
        sleep(Duration::from_millis(200));
        let mac = virtual_mac(mode);
        let begin = monotonic();
        // One holder answers with the virtual MAC, and so does the next: told apart by the silence.
        us.resign(&bench);
        let decided = bench.advert("peer", begin).at;
        let answered = wait_for(PATIENCE, || asker.first(mac, decided).is_some());
        assert!(answered.is_some(), "{}", bench.story());
        let answered = asker.first(mac, decided).unwrap();
        let took = answered.since(decided);
        say(&format!("{:?}: 2,000 VIPs answer {took:.1?} after the first advert", mode.family));
        let is_there = |what: &What| matches!(what, What::VipsPresent { .. });
        let told = wait_for(PATIENCE, || peer.told(&bench, is_there));
        assert!(told.is_some(), "{}", bench.story());
        let peers = peer.events(&bench);
        let at = |wanted: &dyn Fn(&What) -> bool| {
            peers.iter().find(|record| wanted(&record.event.what)).map(|record| record.event.at)
        };
        let active = at(&|what| matches!(what, What::StateChanged { to: State::Active, .. }));
        let present = at(&|what| matches!(what, What::VipsPresent { .. }));
        let (active, present) = (active.unwrap(), present.unwrap());
        say(&format!("{:?}: decision to all up {:.1?}", mode.family, present.since(active)));
        assert!(took < Duration::from_millis(500), "{took:?}");
        bench.served_by("peer");
        // And letting go is one step, too.
        let begin = monotonic();
        us.start(&mut bench, &part(150));
        let back = || us.instance(&bench).state == State::Active;
        assert!(wait_for(PATIENCE, back).is_some(), "{}", bench.story());
        say(&format!("{:?}: back within {:.1?}", mode.family, monotonic().since(begin)));
        assert!(link_mac(&bench, "peer", device).is_some_and(|(.., up)| !up));
        assert!(waiting(&bench) >= all.len(), "they stay");
    }
}
