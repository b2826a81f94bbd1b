//! Containers and the links between them, tried for real. Needs root; says so and passes where it
//! is not to be had.

use std::fs;
use std::process::Command;
use std::time::Duration;

use base::Mac;
use linux::{Container, FarEnd, Inventory, Links, ProcessSignal, Sysctl};

fn skip() -> bool {
    let skip = !rustix::process::geteuid().is_root();
    if skip {
        eprintln!("SKIPPED: needs root");
    }
    skip
}

fn sh(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    command
}

#[test]
fn a_container_has_a_name_a_network_and_files_of_its_own() {
    if skip() {
        return;
    }
    let container = Container::create("n1").unwrap();
    let names = container.run(|| {
        fs::write("/run/only-here", "x").unwrap();
        let links = Inventory::open().unwrap().links().unwrap();
        links.into_iter().map(|link| link.name.to_string()).collect::<Vec<_>>()
    });
    assert_eq!(names, ["lo"]);
    assert!(fs::metadata("/run/only-here").is_err());
    let process = container.spawn(sh("hostname; cat /run/only-here; echo $$")).unwrap();
    assert!(process.wait(Duration::from_secs(5)).unwrap().success());
    assert_eq!(process.log(), "n1\nx2\n", "and process ids begin anew: the shell is the second");
    assert!(container.separations().proc);
    container.run(|| fs::write("/etc/only-here", "x")).unwrap();
    assert!(fs::metadata("/etc/only-here").is_err());
}

#[test]
fn killing_a_container_ends_even_what_ran_away() {
    if skip() {
        return;
    }
    let container = Container::create("n1").unwrap();
    let script = "(setsid sleep 1000 >/dev/null 2>&1 &) ; (setsid sleep 1000 &) ; exec sleep 1000";
    let process = container.spawn(sh(script)).unwrap();
    while container.pids().len() < 3 {
        std::thread::sleep(Duration::from_millis(2));
    }
    let pids = container.pids();
    container.kill();
    assert!(process.ended().is_some());
    for pid in pids {
        assert!(fs::metadata(format!("/proc/{pid}")).is_err(), "{pid} lives on");
    }
    assert!(container.spawn(sh("true")).is_err(), "a dead machine starts nothing");
    assert_eq!(container.run(|| 7), 7, "but can be looked at");
}

#[test]
fn a_stopped_process_goes_on_when_told() {
    if skip() {
        return;
    }
    let container = Container::create("n1").unwrap();
    let process = container.spawn(sh("while :; do echo .; sleep 0.01; done")).unwrap();
    let grows = || {
        let before = process.log().len();
        std::thread::sleep(Duration::from_millis(100));
        process.log().len() > before
    };
    assert!(grows());
    container.signal_all(ProcessSignal::STOP);
    assert!(!grows());
    container.signal_all(ProcessSignal::CONT);
    assert!(grows());
}

#[test]
fn a_cable_joins_two_containers_and_a_bridge_carries_it() {
    if skip() {
        return;
    }
    let switch = Container::create("switch").unwrap();
    let node = Container::create("n1").unwrap();
    let far = node.net().try_clone_to_owned().unwrap();
    let mac = Mac([2, 0, 0, 0, 0, 2]);
    switch.run(move || {
        use std::os::fd::AsFd;
        let mut links = Links::open().unwrap();
        links.add_bridge("br0").unwrap();
        links.add_cable("p1", FarEnd { net: far.as_fd(), name: "eth0", mac }).unwrap();
        links.attach("p1", "br0").unwrap();
        links.set_up("br0", true).unwrap();
        links.set_up("p1", true).unwrap();
        assert!(links.add_bridge("br0").unwrap_err().to_string().contains("EEXIST"));
        assert!(links.set_up("none", true).unwrap_err().to_string().contains("ENODEV"));
    });
    let vmac = Mac([0, 0, 0x5e, 0, 1, 51]);
    let (links, addresses) = node.run(move || {
        Sysctl::AcceptDad("eth0".into(), false).write().unwrap();
        let mut links = Links::open().unwrap();
        links.set_up("eth0", true).unwrap();
        links.add_address("eth0", "193.168.0.2".parse().unwrap(), 16).unwrap();
        links.add_address("eth0", "193.168.0.6".parse().unwrap(), 16).unwrap();
        links.add_address("eth0", "2001:db8::2".parse().unwrap(), 64).unwrap();
        links.add_macvlan("vrrp.51", "eth0", vmac).unwrap();
        links.add_macvlan("short", "eth0", Mac([2, 0, 0, 0, 9, 9])).unwrap();
        links.rename("vrrp.51", "v51").unwrap();
        links.delete("short").unwrap();
        let mut inventory = Inventory::open().unwrap();
        (inventory.links().unwrap(), inventory.addresses().unwrap())
    });
    let eth0 = links.iter().find(|link| link.name == "eth0").unwrap();
    assert_eq!(eth0.mac, Some(mac));
    assert_eq!(eth0.flags, ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"]);
    assert_eq!(links.iter().find(|link| link.name == "v51").unwrap().mac, Some(vmac));
    assert!(!links.iter().any(|link| link.name == "short"));
    let on = |text: &str| addresses.iter().find(|a| a.address.to_string() == text).unwrap();
    assert_eq!(on("193.168.0.2").flags, [""; 0]);
    assert_eq!(on("193.168.0.6").flags, ["secondary"]);
    assert_eq!(on("193.168.0.6").broadcast, base::Broadcast::Address([193, 168, 255, 255].into()));
    assert_eq!(on("2001:db8::2").prefix, 64);

    // Pulling the plug at the switch takes the node's carrier away.
    switch.run(|| Links::open().unwrap().set_up("p1", false)).unwrap();
    let links = node.run(|| Inventory::open().unwrap().links().unwrap());
    let eth0 = links.iter().find(|link| link.name == "eth0").unwrap();
    assert!(eth0.flags.contains(&"NO-CARRIER"), "{:?}", eth0.flags);
}

#[test]
fn a_tap_hears_elections_and_an_answerer_answers_from_where_it_was_asked() {
    use std::net::{IpAddr, UdpSocket};
    if skip() {
        return;
    }
    let container = Container::create("n1").unwrap();
    let (heard, answers) = container.run(|| {
        let patience = Duration::from_millis(300);
        let mut links = Links::open().unwrap();
        links.set_up("lo", true).unwrap();
        for vip in ["193.168.0.6", "193.168.0.7"] {
            links.add_address("lo", vip.parse().unwrap(), 32).unwrap();
        }
        links.add_address("lo", "2001:db8::6".parse().unwrap(), 128).unwrap();
        let tap = linux::Tap::open(linux::Hear::Election, patience).unwrap();
        let lo = links.index("lo").unwrap();
        // An ARP frame is heard, the UDP packets below are not.
        let mut arp = [0; 42];
        arp[12..14].copy_from_slice(&[8, 6]);
        linux::FrameSender::open().unwrap().send(lo, &arp).unwrap();
        let answerer = linux::UdpAnswerer::open(7007, patience).unwrap();
        let asker = UdpSocket::bind("[::]:0").unwrap();
        asker.set_read_timeout(Some(patience)).unwrap();
        let mut answers = Vec::new();
        for vip in ["::ffff:193.168.0.6", "2001:db8::6", "::ffff:193.168.0.7"] {
            let vip: IpAddr = vip.parse().unwrap();
            asker.send_to(b"who?", (vip, 7007)).unwrap();
            let mut buffer = [0; 64];
            let asked = answerer.recv(&mut buffer).unwrap();
            assert_eq!(
                (&buffer[..asked.length], asked.address()),
                (&b"who?"[..], vip.to_canonical())
            );
            answerer.answer(&asked, b"me").unwrap();
            let (length, from) = asker.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"me");
            answers.push(from.ip() == vip && from.port() == 7007);
        }
        let mut buffer = [0; 128];
        let mut heard = Vec::new();
        while let Ok(Some(frame)) = tap.recv(&mut buffer) {
            assert_eq!(frame.index, lo);
            heard.push((frame.length, buffer[12..14].to_vec(), frame.outgoing));
        }
        (heard, answers)
    });
    assert_eq!(answers, [true; 3]);
    assert_eq!(heard, [(42, vec![8, 6], true), (42, vec![8, 6], false)], "lo brings it back");
}
