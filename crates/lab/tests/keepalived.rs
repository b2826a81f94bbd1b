//! The lab tried with a daemon whose behaviour is known: the system's keepalived. Needs root and
//! keepalived; says so and passes where they are not to be had.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use lab::{CommandLine, Hear, Lab, ProcessSignal, Seen, wait_for};

const VIP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(193, 168, 0, 6));

fn skip() -> bool {
    let root =
        std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0);
    let skip = !root || !Path::new("/usr/sbin/keepalived").exists();
    if skip {
        eprintln!("SKIPPED: needs root and keepalived");
    }
    skip
}

fn program() -> CommandLine {
    CommandLine::parse("/usr/sbin/keepalived -n -l -D -P -p {dir}/pid -r {dir}/vrrp.pid -f {conf}")
}

fn conf(priority: u8, advert: &str) -> String {
    format!(
        "global_defs {{ vrrp_version 3 }}\nvrrp_instance VI_1 {{\n state BACKUP\n interface eth0\n \
         virtual_router_id 51\n priority {priority}\n advert_int {advert}\n \
         virtual_ipaddress {{\n 193.168.0.6/16 dev eth0\n }}\n}}\n"
    )
}

fn cluster(advert: &str) -> Lab {
    let mut lab = Lab::article(3).expect("a lab");
    for (name, priority) in [("n1", 150), ("n2", 100), ("n3", 50)] {
        lab.node_mut(name).start(&program(), &conf(priority, advert)).expect("keepalived starts");
    }
    let up = lab.wait_holders(VIP, &["n1"], Duration::from_secs(15));
    assert!(up.is_some(), "{:?}\n{}", lab.holders(VIP), lab.node("n1").log());
    lab
}

#[test]
fn a_crash_costs_the_down_interval() {
    if skip() {
        return;
    }
    let mut lab = cluster("1");
    let witness = lab.witness(Hear::Election).unwrap();
    let probe = lab.probe(VIP, Duration::from_millis(2)).unwrap();
    assert!(wait_for(Duration::from_secs(5), || probe.answers().len() > 50).is_some());
    let fault = linux::clock::monotonic();
    lab.crash("n1").unwrap();
    let answered = || probe.last_answer().is_some_and(|answer| answer.node == "n2");
    assert!(wait_for(Duration::from_secs(10), answered).is_some());
    std::thread::sleep(Duration::from_millis(200));
    let outcome = probe.finish();
    let outage = outcome.closed_outage().unwrap();
    // RFC 9568 §6.1: 3 * 1 s + (256 - 100) / 256 s after the last advert, which is up to 1 s old.
    let range = Duration::from_millis(2500)..Duration::from_millis(4000);
    assert!(range.contains(&outage), "{outage:?}");
    assert_eq!(outcome.before().map(|n| n.as_str()), Some("n1"));
    assert_eq!(outcome.after().map(|n| n.as_str()), Some("n2"));
    assert_eq!((outcome.answered_twice, outcome.switches), (0, 1));
    let announced = witness.first(fault, |s| {
        matches!(s.seen, Seen::Announcement { vip, .. } if vip == VIP) && s.from == "n2"
    });
    let mac = lab.node("n2").mac().unwrap();
    assert!(matches!(announced.unwrap().seen, Seen::Announcement { mac: m, .. } if m == mac));
    let neighbours = lab.client().neighbours();
    let entry = neighbours.iter().find(|entry| entry.address == VIP).unwrap();
    assert_eq!(entry.mac, Some(mac));
    let from_the_dead = witness.first(fault + Duration::from_millis(20), |s| s.from == "n1");
    assert_eq!(from_the_dead, None);

    let overlap = lab::longest_overlap(&lab.holdings(), VIP, linux::clock::monotonic());
    assert_eq!(overlap, Duration::ZERO, "the dead hold nothing");

    // It comes back with nothing but its files, and preempts.
    lab.power_on("n1").unwrap();
    assert!(!lab.node("n1").holds(VIP));
    let text = lab.node("n1").run(|| std::fs::read_to_string(lab::CONF)).unwrap();
    lab.node_mut("n1").start(&program(), &text).unwrap();
    assert!(lab.wait_holders(VIP, &["n1"], Duration::from_secs(15)).is_some());
}

#[test]
fn a_cut_cable_isolates_and_a_mended_one_heals() {
    if skip() {
        return;
    }
    let lab = cluster("0.1");
    lab.cut("n1").unwrap();
    assert!(wait_for(Duration::from_secs(5), || lab.node("n2").holds(VIP)).is_some());
    lab.mend("n1").unwrap();
    assert!(lab.wait_holders(VIP, &["n1"], Duration::from_secs(10)).is_some());
}

#[test]
fn a_stopped_daemon_resigns_and_a_killed_one_leaves_its_address_behind() {
    if skip() {
        return;
    }
    let lab = cluster("0.1");
    let witness = lab.witness(Hear::Election).unwrap();
    let start = linux::clock::monotonic();
    lab.node("n1").signal(ProcessSignal::TERM);
    assert!(lab.wait_holders(VIP, &["n2"], Duration::from_secs(5)).is_some());
    let resigned = witness.first(start, |s| {
        matches!(&s.seen, Seen::Advert { priority, .. } if priority.get() == 0) && s.from == "n1"
    });
    assert!(resigned.is_some());
    lab.node("n2").signal_all(ProcessSignal::KILL);
    let two = lab.wait_holders(VIP, &["n2", "n3"], Duration::from_secs(5));
    assert!(two.is_some(), "the kernel of n2 lives on and keeps the address");
}

#[test]
fn a_frame_from_the_client_reaches_the_nodes() {
    if skip() {
        return;
    }
    let lab = Lab::article(2).unwrap();
    let witness = lab.witness(Hear::Everything).unwrap();
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0xc1, 0xa8, 0, 100, 0x88, 0xb5]);
    frame.extend([7; 50]);
    lab.inject(&frame).unwrap();
    let seen = || witness.sightings().into_iter().find(|s| s.frame == frame);
    assert!(wait_for(Duration::from_secs(2), || seen().is_some()).is_some());
    assert_eq!(seen().unwrap().from, lab::CLIENT);
}
