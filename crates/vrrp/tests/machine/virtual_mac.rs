//! Interfaces with the virtual router's MAC: VRRP-006, VRRP-100 to 104, VRRP-107, and what a kernel
//! with such an interface is asked, in which order.
//!
//! The device `vrrp.51` lies on `eth0` (2) and gets the number 60 when it is made.

use base::{
    Device, DeviceDone, DeviceOp, Errno, Family, IfIndex, KernelFact, LeaseKey, LeaseOp, LinkFact,
    Mac, Macvlan, Neighbour, Sight, State, Vip, What,
};
use vrrp::{Beside, Input, InstanceConfig};

use crate::bench::{Bench, VIP, config, config_v6, index, ip, link, millis, saying, secs};
use crate::seen::{Outs, Seen};

const NAME: &str = "vrrp.51";
const DEVICE: u32 = 60;

fn mac(family: Family) -> Mac {
    Mac::virtual_router(family, base::Vrid::new(51).unwrap())
}

fn with_device(config: InstanceConfig) -> InstanceConfig {
    let mac = mac(config.family);
    let device = Device {
        name: NAME.into(),
        parent: "eth0".into(),
        mac,
        group: None,
        ipv6: config.family == Family::V6,
        local_igmp: true,
    };
    let moved = |mut vips: Vec<Vip>| -> Vec<Vip> {
        vips.iter_mut().for_each(|vip| vip.interface = NAME.into());
        vips
    };
    InstanceConfig {
        devices: vec![device],
        speaks_as: Some(mac),
        vips: moved(config.vips),
        excluded: moved(config.excluded),
        lease: true,
        ..config
    }
}

/// With more VIPs than anybody installs in no time.
fn crowded(priority: u8) -> InstanceConfig {
    let excluded = (0..80).map(|n| crate::bench::vip(&format!("192.0.2.{}", n + 120))).collect();
    with_device(InstanceConfig { excluded, ..config(priority) })
}

fn device(up: bool, mac: Mac) -> LinkFact {
    let below = index(2);
    LinkFact { running: up, mac: Some(mac), macvlan: Some(Macvlan { below, up }), ..link(51, NAME) }
}

fn device_fact(up: bool, mac: Mac) -> LinkFact {
    LinkFact { index: index(DEVICE), ..device(up, mac) }
}

impl Bench {
    /// Lets the kernel do what it was asked about devices: outcomes first, then facts, as the keeper
    /// thread tells.
    fn carry_out(&mut self, mac: Mac) -> Outs {
        let mut outs = Outs::default();
        while let Some(ask) = self.devices.pop_front() {
            let fact = match &ask.op {
                DeviceOp::Make { .. } | DeviceOp::Lower { .. } => {
                    KernelFact::Link(device_fact(false, mac))
                }
                DeviceOp::Raise { .. } => KernelFact::Link(device_fact(true, mac)),
                DeviceOp::Remove { index } => KernelFact::LinkGone(*index),
            };
            let done = DeviceDone { ticket: ask.ticket, outcome: Ok(()) };
            outs.0.extend(self.feed(Input::DeviceDone(done)).0);
            outs.0.extend(self.fact(fact).0);
        }
        outs
    }

    fn tuned(&mut self) -> Outs {
        self.feed(Input::Tuned { index: index(DEVICE) })
    }

    /// Backup, with its device made and tuned.
    fn ready(config: InstanceConfig) -> Bench {
        let mac = config.devices[0].mac;
        let mut bench = Bench::new(config);
        bench.carry_out(mac);
        bench.tuned();
        bench.kernel();
        assert_eq!(bench.state(), State::Backup);
        bench
    }

    /// Active, everything done.
    fn holding(config: InstanceConfig) -> Bench {
        let mac = config.devices[0].mac;
        let mut bench = Bench::ready(config);
        takes_over(&mut bench);
        bench.kernel();
        bench.carry_out(mac);
        bench.wake();
        bench
    }
}

fn takes_over(bench: &mut Bench) -> Outs {
    let mut outs = Outs::default();
    while bench.state() != State::Active {
        outs = bench.sleep();
    }
    outs
}

fn listed(outs: &Outs) -> Vec<(LeaseKey, String)> {
    let pick = |seen: &Seen| match seen {
        Seen::Lease(LeaseOp::List { class, keys }) => {
            keys.iter().map(|key| (*key, class.to_string())).collect()
        }
        _ => Vec::new(),
    };
    outs.0.iter().flat_map(pick).collect()
}

#[test]
fn the_device_is_made_at_once_and_stays_down() {
    let mut bench = Bench::new(with_device(config(100)));
    assert_eq!(bench.devices.len(), 1, "asked for");
    let outs = bench.carry_out(mac(Family::V4));
    assert!(outs.has(&What::DeviceThere { mac: mac(Family::V4) }));
    let tune = outs.0.iter().find_map(|seen| match seen {
        Seen::Tune(tuning) => Some((tuning.index, tuning.ipv6)),
        _ => None,
    });
    assert_eq!(tune, Some((index(DEVICE), false)));
    assert!(bench.tuned().devices().is_empty());
    let status = bench.only().devices;
    assert_eq!((status[0].up, status[0].staged), (Some(false), false));
}

#[test]
fn vrrp_006_vrrp_100_adverts_come_from_the_virtual_mac_and_the_first_before_all_else() {
    for config in [config(100), config_v6(100)] {
        let (family, count) = (config.family, config.vips.len());
        let mut bench = Bench::ready(with_device(config));
        let outs = takes_over(&mut bench);
        let advert = outs.advert();
        assert_eq!(advert.mac, Some(mac(family)));
        assert_eq!(advert.index, index(2), "by the parent: the device is down still");
        assert_eq!(outs.ops().len(), count);
        assert_eq!(outs.devices(), [format!("up {DEVICE}")]);
        let kinds: Vec<_> = outs.kinds().into_iter().filter(|kind| *kind != "event").collect();
        assert_eq!(kinds, ["advert", "lease", "will", "batch", "device"]);
    }
}

#[test]
fn adverts_leave_by_the_interface_itself_where_that_is_asked_for() {
    let mut bench = Bench::ready(InstanceConfig { speaks_as: None, ..with_device(config(100)) });
    assert_eq!(takes_over(&mut bench).advert().mac, None);
}

#[test]
fn vrrp_101_a_backup_has_its_device_down_and_its_mac_silent() {
    let mut bench = Bench::silent(vec![with_device(config(100))]);
    let silent = listed(&bench.1);
    assert!(silent.contains(&(LeaseKey::Mac(mac(Family::V4)), "silent".into())), "{silent:?}");
    bench.0.snapshot(vec![link(2, "eth0"), device_fact(true, mac(Family::V4))]);
    let ops: Vec<_> = bench.0.devices.iter().map(|ask| ask.op.clone()).collect();
    assert_eq!(ops, [DeviceOp::Lower { index: index(DEVICE) }], "as a dead engine left it");
}

#[test]
fn vrrp_102_the_vips_live_at_no_other_mac_whatever_the_state() {
    let (bench, outs) = Bench::silent(vec![with_device(config(100))]);
    let pin = LeaseKey::Pin("192.0.2.100".parse().unwrap());
    let pinned = listed(&outs).into_iter().find(|(key, _)| *key == pin);
    assert_eq!(pinned, Some((pin, "666 ms".into())), "in {:?}", bench.table.listed);
    // And what carries the virtual MAC is under the lease, on both interfaces.
    let mut bench = Bench::holding(with_device(config(100)));
    let class = bench.table.listed[&LeaseKey::Mac(mac(Family::V4))];
    assert_eq!(class.length(), millis(666));
    let covered = bench.status().leases.covered;
    assert_eq!(covered, ["eth0", NAME]);
    let outs = bench.hear(saying("192.0.2.9", 200));
    assert!(listed(&outs).contains(&(LeaseKey::Mac(mac(Family::V4)), "silent".into())));
}

#[test]
fn vrrp_103_vrrp_107_announcements_tell_the_virtual_mac_and_wait_for_the_device() {
    let v4 = mac(Family::V4);
    let mut bench = Bench::ready(with_device(config(100)));
    assert!(takes_over(&mut bench).announced().is_empty());
    assert!(bench.kernel().announced().is_empty(), "nobody could answer yet");
    let mut outs = bench.carry_out(v4);
    outs.0.extend(bench.wake().0);
    assert_eq!(outs.announced(), [ip(VIP)]);
    let frame = outs.0.iter().find_map(|seen| match seen {
        Seen::Frame { index, bytes } => Some((*index, bytes.clone())),
        _ => None,
    });
    let (at, bytes) = frame.unwrap();
    assert_eq!((at, &bytes[6..12], &bytes[22..28]), (index(DEVICE), &v4.0[..], &v4.0[..]));
    assert!(outs.has(&What::Announced { vips: 1, mac: v4 }));
}

#[test]
fn vrrp_104_advertisements_tell_the_virtual_mac() {
    let v6 = mac(Family::V6);
    let mut config = with_device(config_v6(100));
    config.burst.router_flag = true;
    let mut bench = Bench::ready(config);
    takes_over(&mut bench);
    bench.kernel();
    let mut outs = bench.carry_out(v6);
    outs.0.extend(bench.wake().0);
    assert_eq!(outs.announced(), [ip("fe80::100"), ip("2001:db8::100")]);
    for seen in &outs.0 {
        if let Seen::Frame { bytes, .. } = seen {
            // R and O, and the target's link-layer address option.
            assert_eq!((&bytes[6..12], bytes[58]), (&v6.0[..], 0xa0));
            assert_eq!(&bytes[80..86], &v6.0);
        }
    }
}

#[test]
fn letting_go_is_one_step_and_then_the_addresses() {
    let mut bench = Bench::holding(with_device(config(100)));
    assert!(bench.has(VIP));
    let outs = bench.hear(saying("192.0.2.9", 200));
    assert_eq!(outs.devices(), [format!("down {DEVICE}")]);
    assert_eq!(outs.ops(), [format!("-{VIP}")]);
    let work: Vec<_> =
        outs.kinds().into_iter().filter(|kind| matches!(*kind, "device" | "batch")).collect();
    assert_eq!(work, ["device", "batch"]);
}

#[test]
fn many_vips_wait_silently_and_one_step_takes_them_over_and_lets_them_go() {
    let v4 = mac(Family::V4);
    let mut bench = Bench::ready(crowded(100));
    assert!(bench.has(VIP) && bench.has("192.0.2.199"), "they wait");
    assert!(!bench.table.passes(VIP, bench.now), "and nobody hears of them");
    assert!(bench.only().devices[0].staged);
    assert!(bench.only().present.is_empty() || bench.state() == State::Backup);
    let outs = takes_over(&mut bench);
    assert!(outs.ops().is_empty(), "{:?}", outs.ops());
    assert_eq!(outs.devices(), [format!("up {DEVICE}")]);
    let mut outs = bench.carry_out(v4);
    assert!(
        outs.happened()
            .iter()
            .any(|what| matches!(what, What::VipsPresent { vips } if vips.len() == 81))
    );
    while outs.announced().len() < 81 {
        outs.0.extend(bench.sleep().0);
    }
    assert!(bench.table.passes(VIP, bench.now));
    let outs = bench.hear(saying("192.0.2.9", 200));
    assert_eq!((outs.devices(), outs.ops().len()), (vec![format!("down {DEVICE}")], 0));
    assert!(!bench.table.passes(VIP, bench.now));
    let outs = bench.carry_out(v4);
    assert!(
        outs.happened()
            .iter()
            .any(|what| matches!(what, What::VipsGone { vips } if vips.len() == 81))
    );
    assert!(outs.wills().iter().any(|edit| matches!(edit, vip::last_will::Edit::Release { .. })));
    assert!(bench.has(VIP));
}

#[test]
fn who_is_to_follow_is_named_though_the_vips_wait_on() {
    let v4 = mac(Family::V4);
    let notice = vrrp::moves::Notice {
        kind: vrrp::moves::Kind::Ready,
        vrid: base::Vrid::new(51).unwrap(),
        family: Family::V4,
        priority: base::Priority::new(50),
        nonce: 7,
    };
    let (source, destination) = (ip("192.0.2.3"), ip(crate::bench::OWN));
    let payload = notice.encode(None, source, destination);
    let packet = vrrp::Packet { index: index(2), source, destination, ttl: 255, payload };
    let mut bench = Bench::holding(crowded(100));
    bench.feed(Input::Notice(packet));
    let name = config(100).name;
    bench.router.switchover(bench.now, &name, None).unwrap();
    bench.feed(Input::Wake { drained: true });
    bench.carry_out(v4);
    assert!(bench.has(VIP) && !bench.table.passes(VIP, bench.now), "they wait");
    let told = &bench.notices[..];
    assert!(matches!(told, [one] if one.destination == source), "{told:?}");
}

#[test]
fn vips_do_not_wait_where_nothing_would_keep_them_silent() {
    let mut config = crowded(100);
    config.lease = false;
    let bench = Bench::ready(config);
    assert!(!bench.has(VIP));
    let (mut bench, _) = Bench::silent(vec![crowded(100)]);
    bench.table.missing = true;
    bench.feed(Input::Configure(vec![crowded(101)]));
    bench.pass(secs(10));
    bench.wake();
    bench.snapshot(vec![link(2, "eth0"), device_fact(false, mac(Family::V4))]);
    bench.kernel();
    bench.wake();
    let waits = bench.has(VIP);
    let available = bench.status().leases.table == vip::lease::TableStatus::Ready;
    assert_eq!(waits, available, "they wait only in silence");
}

#[test]
fn what_waits_is_found_again_by_the_next_engine_and_stays() {
    let (mut bench, _) = Bench::silent(vec![crowded(100)]);
    for vip in crowded(100).all_vips() {
        let fact = base::AddressFact {
            index: index(DEVICE),
            address: vip.address,
            prefix: vip.prefix,
            tentative: false,
        };
        bench.addresses.push(fact);
    }
    let outs = bench.snapshot(vec![link(2, "eth0"), device_fact(false, mac(Family::V4))]);
    assert!(outs.ops().is_empty(), "{:?}", outs.ops());
    assert!(!outs.happened().iter().any(|what| matches!(what, What::VipLeftOver { .. })));
}

#[test]
fn a_stop_removes_the_device_before_its_addresses() {
    for config in [with_device(config(100)), crowded(100)] {
        let mut bench = Bench::holding(config);
        let outs = bench.feed(Input::Stop);
        assert_eq!(outs.spoken(), [0]);
        assert_eq!(outs.devices(), [format!("remove {DEVICE}")]);
        assert!(!bench.router.is_settled());
        // The kernel takes the addresses along.
        let ask = bench.devices.pop_front().unwrap();
        for fact in bench.addresses.clone() {
            if fact.index == index(DEVICE) {
                bench.fact(KernelFact::AddressGone(fact));
            }
        }
        bench.fact(KernelFact::LinkGone(index(DEVICE)));
        bench.feed(Input::DeviceDone(DeviceDone { ticket: ask.ticket, outcome: Ok(()) }));
        bench.kernel_gone();
        bench.pass(secs(2));
        bench.wake();
        assert!(bench.router.is_settled(), "{:?}", bench.status());
    }
}

#[test]
fn a_device_that_somebody_deletes_or_sets_down_is_put_right_without_an_election() {
    let v4 = mac(Family::V4);
    let mut bench = Bench::holding(with_device(config(100)));
    let outs = bench.fact(KernelFact::Link(device_fact(false, v4)));
    assert_eq!(outs.devices(), [format!("up {DEVICE}")]);
    bench.carry_out(v4);
    bench.addresses.retain(|known| known.index != index(DEVICE));
    let outs = bench.fact(KernelFact::LinkGone(index(DEVICE)));
    assert_eq!(outs.devices(), [format!("make {NAME}")]);
    assert!(outs.changes().is_empty());
    let outs = bench.carry_out(v4);
    assert_eq!(outs.ops(), [format!("+{VIP}")]);
    assert_eq!(bench.tuned().devices(), [format!("up {DEVICE}")]);
    bench.kernel();
    bench.carry_out(v4);
    assert_eq!(bench.state(), State::Active);
    assert_eq!(bench.only().present, [ip(VIP)]);
}

#[test]
fn whether_the_kernel_or_the_outcome_is_heard_first_makes_no_difference() {
    let v4 = mac(Family::V4);
    let done = |bench: &mut Bench, fact| {
        let ask = bench.devices.pop_front().expect("something was asked for");
        let mut outs = bench.fact(fact);
        outs.0.extend(
            bench.feed(Input::DeviceDone(DeviceDone { ticket: ask.ticket, outcome: Ok(()) })).0,
        );
        outs
    };
    let mut bench = Bench::new(with_device(config(100)));
    let outs = done(&mut bench, KernelFact::Link(device_fact(false, v4)));
    assert!(outs.has(&What::DeviceThere { mac: v4 }), "{:?}", outs.happened());
    bench.tuned();
    bench.kernel();
    takes_over(&mut bench);
    bench.kernel();
    done(&mut bench, KernelFact::Link(device_fact(true, v4)));
    let outs = bench.hear(saying("192.0.2.9", 200));
    assert_eq!(outs.devices(), [format!("down {DEVICE}")], "at once, not a second later");
    done(&mut bench, KernelFact::Link(device_fact(false, v4)));
    let outs = bench.feed(Input::Stop);
    assert_eq!(outs.devices(), [format!("remove {DEVICE}")]);
}

#[test]
fn the_parent_decides_whether_the_instance_can_run() {
    let v4 = mac(Family::V4);
    let mut bench = Bench::holding(with_device(config(100)));
    let outs = bench.link_down();
    assert_eq!(bench.state(), State::Initialize);
    assert!(outs.adverts().is_empty(), "nothing leaves by the way that is lost");
    bench.kernel();
    bench.carry_out(v4);
    bench.link_up();
    assert_eq!(bench.state(), State::Backup);
    // It goes, and the device with it; the kernel refuses to make another on what is not there.
    bench.fact(KernelFact::LinkGone(index(DEVICE)));
    let ask = bench.devices.pop_front().unwrap();
    let outcome = Err(Errno::NODEV);
    bench.feed(Input::DeviceDone(DeviceDone { ticket: ask.ticket, outcome }));
    let outs = bench.fact(KernelFact::LinkGone(index(2)));
    assert!(outs.devices().is_empty());
    assert_eq!(bench.state(), State::Initialize);
    // It comes back as another interface: the device is made on that.
    let outs = bench.link_is(LinkFact { index: index(12), ..link(2, "eth0") });
    assert_eq!(outs.devices(), [format!("make {NAME}")]);
    let on = match &bench.devices[0].op {
        DeviceOp::Make { on, .. } => *on,
        other => panic!("{other:?}"),
    };
    assert_eq!(on, index(12));
}

#[test]
fn a_stranger_with_the_name_is_left_alone_and_told_of() {
    let (mut bench, _) = Bench::silent(vec![with_device(config(100))]);
    let stranger = LinkFact { index: index(DEVICE), ..link(51, NAME) };
    let outs = bench.snapshot(vec![link(2, "eth0"), stranger]);
    assert!(bench.devices.is_empty());
    assert!(outs.has(&What::DeviceRefused { errno: Errno::EXIST }));
    assert_eq!(bench.state(), State::Initialize);
    let outs = bench.fact(KernelFact::LinkGone(index(DEVICE)));
    bench.pass(secs(1));
    let mut asked = outs.devices();
    asked.extend(bench.wake().devices());
    assert_eq!(asked, [format!("make {NAME}")]);
    bench.carry_out(mac(Family::V4));
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn an_old_device_of_ours_that_does_not_fit_is_made_anew() {
    let (mut bench, _) = Bench::silent(vec![with_device(config(100))]);
    let old = device_fact(false, Mac([0, 0, 0x5e, 0, 1, 50]));
    bench.snapshot(vec![link(2, "eth0"), old]);
    let ops: Vec<_> = bench.devices.iter().map(|ask| ask.op.clone()).collect();
    assert_eq!(ops, [DeviceOp::Remove { index: index(DEVICE) }]);
    bench.carry_out(mac(Family::V4));
    assert!(bench.only().devices[0].up.is_some());
}

#[test]
fn what_comes_from_the_virtual_mac_is_heard_beside_the_parent() {
    let mut bench = Bench::new(with_device(config(100)));
    let outs = bench.carry_out(mac(Family::V4));
    let sockets = outs.sockets().unwrap().to_vec();
    let (own, beside): (Vec<_>, Vec<_>) = sockets.iter().partition(|spec| spec.beside.is_none());
    assert_eq!(own[0].interface, "eth0");
    let wanted = Some(Beside { parent: index(2), mac: mac(Family::V4) });
    assert_eq!((beside[0].index, beside[0].beside), (index(DEVICE), wanted));
    assert_eq!(beside[0].groups, own[0].groups);
}

#[test]
fn a_rival_with_the_same_virtual_mac_is_a_rival() {
    let v4 = mac(Family::V4);
    let mut bench = Bench::holding(with_device(config(100)));
    bench.pass(secs(1));
    bench.wake();
    let claim = |mac| Neighbour {
        index: IfIndex::new(DEVICE).unwrap(),
        address: ip(VIP),
        mac,
        source: None,
        sight: Sight::Arp,
    };
    let outs = bench.feed(Input::Neighbour(claim(v4)));
    let rival = What::RivalSeen { vip: ip(VIP), mac: v4, sight: Sight::Arp };
    assert!(outs.has(&rival), "{:?}", outs.happened());
    let own = link(2, "eth0").mac.unwrap();
    assert!(bench.feed(Input::Neighbour(claim(own))).happened().is_empty());
}

#[test]
fn the_guardian_says_farewell_by_the_device() {
    let bequest = |outs: &Outs| {
        outs.wills().into_iter().find_map(|edit| match edit {
            vip::last_will::Edit::Hold(bequest) => Some(bequest),
            _ => None,
        })
    };
    let mut bench = Bench::ready(with_device(config(100)));
    let farewell = bequest(&takes_over(&mut bench)).unwrap().farewells.remove(0);
    assert_eq!(farewell.index, index(DEVICE));
}
