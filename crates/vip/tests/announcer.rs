//! The announcer: which frame leaves when, and which never does.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use base::{EventId, IfIndex, Instant, KernelFact, LinkFact, Mac, Origin, Reason, Vip};
use vip::announcer::{Announcer, BurstPolicy, Input, KeepFresh, Output, Pace};
use vip::{HolderId, arp, ndisc};

const MAC: Mac = Mac([2, 0, 0, 0, 0, 0x0a]);
const CAUSE: EventId = EventId { origin: Origin::Engine, number: 7 };

fn at(ms: u64) -> Instant {
    Instant::from_nanos(ms * 1_000_000)
}

fn vip(address: &str, interface: &str) -> Vip {
    let address: IpAddr = address.parse().unwrap();
    Vip::new(address, base::Family::of(&address).host_prefix(), interface.into())
}

/// `count` IPv4 VIPs on eth0.
fn many(count: u16) -> Vec<Vip> {
    let [high, low] = [|i: u16| i.to_be_bytes()[0], |i: u16| i.to_be_bytes()[1]];
    (0..count).map(|i| vip(&format!("193.168.{}.{}", high(i), low(i)), "eth0")).collect()
}

fn link(index: u32, name: &str, running: bool, mac: Option<Mac>) -> KernelFact {
    KernelFact::Link(LinkFact {
        index: IfIndex::new(index).unwrap(),
        name: name.into(),
        running,
        mac,
        mtu: 1500,
        multicast: true,
        macvlan: None,
    })
}

/// An announcer with eth0 (index 2) up, and what it handed out.
struct Desk {
    announcer: Announcer,
    now: Instant,
    /// When, which VIP, the frame.
    frames: Vec<(Instant, IpAddr, Vec<u8>)>,
    announced: Vec<Output>,
}

impl Desk {
    fn new() -> Self {
        let mut desk = Desk {
            announcer: Announcer::new(),
            now: at(0),
            frames: Vec::new(),
            announced: Vec::new(),
        };
        desk.give(Input::Fact(&link(2, "eth0", true, Some(MAC))));
        desk
    }

    fn with(policy: BurstPolicy) -> Self {
        let mut desk = Desk::new();
        desk.give(Input::Policy { holder: HolderId(1), policy });
        desk
    }

    fn give(&mut self, input: Input<'_>) {
        self.announcer.handle(self.now, input);
        while let Some(output) = self.announcer.poll_output() {
            match output {
                Output::Frame { bytes, .. } => self.frames.push((self.now, told(&bytes), bytes)),
                announced @ Output::Announced { .. } => self.announced.push(announced),
            }
        }
    }

    fn announce(&mut self, holder: u32, vips: &[Vip], reason: Reason) {
        let holder = HolderId(holder);
        self.give(Input::Announce { holder, vips: vips.to_vec(), reason, cause: CAUSE });
    }

    /// Sleeps as the machine asks until `end`.
    fn run_until(&mut self, end: Instant) {
        while let Some(at) = self.announcer.poll_timeout()
            && at <= end
        {
            assert!(at > self.now, "asks to be woken at {at}, and it is {}", self.now);
            self.now = at;
            self.give(Input::Wake);
        }
        self.now = end;
    }

    fn times(&self) -> Vec<Instant> {
        self.frames.iter().map(|(at, ..)| *at).collect()
    }
}

/// The VIP a frame tells of.
fn told(frame: &[u8]) -> IpAddr {
    if frame[12..14] == [0x08, 0x06] {
        let octets: [u8; 4] = frame[38..42].try_into().unwrap();
        octets.into()
    } else {
        let octets: [u8; 16] = frame[62..78].try_into().unwrap();
        octets.into()
    }
}

#[test]
fn vrrp_103_vrrp_104_each_family_is_told_in_its_own_way() {
    let policy = BurstPolicy { repeat: 1, router_flag: true, ..BurstPolicy::default() };
    let mut desk = Desk::with(policy);
    desk.announce(1, &[vip("192.0.2.10", "eth0"), vip("2001:db8::10", "eth0")], Reason::TookOver);
    let frames: Vec<Vec<u8>> = desk.frames.iter().map(|(.., bytes)| bytes.clone()).collect();
    let v4 = "192.0.2.10".parse().unwrap();
    let v6 = "2001:db8::10".parse().unwrap();
    assert_eq!(
        frames,
        [arp::gratuitous(v4, MAC, arp::TargetMac::Broadcast), ndisc::unsolicited(v6, MAC, true)]
    );
    assert_eq!(
        desk.announced,
        [Output::Announced {
            holder: HolderId(1),
            vips: 2,
            mac: MAC,
            reason: Reason::TookOver,
            cause: CAUSE
        }]
    );
}

#[test]
fn vrrp_103_a_virtual_mac_is_told_instead_of_the_interface_s() {
    let virtual_mac = Mac::virtual_router(base::Family::V4, base::Vrid::new(90).unwrap());
    let policy = BurstPolicy { virtual_mac: Some(virtual_mac), ..BurstPolicy::default() };
    let mut desk = Desk::with(policy);
    desk.announce(1, &[vip("192.0.2.10", "eth0")], Reason::TookOver);
    assert!(desk.frames.iter().all(|(.., frame)| frame[6..12] == virtual_mac.0));
    assert!(desk.frames.iter().all(|(.., frame)| frame[22..28] == virtual_mac.0));
}

#[test]
fn arp_005_five_at_once_and_five_again_after_five_seconds() {
    let mut desk = Desk::new();
    desk.announce(1, &[vip("192.0.2.10", "eth0")], Reason::TookOver);
    assert_eq!(desk.times(), [at(0); 5]);
    desk.run_until(at(60_000));
    assert_eq!(desk.times(), [[at(0); 5], [at(5_000); 5]].concat());
    let reasons: Vec<Reason> = desk
        .announced
        .iter()
        .map(|o| match o {
            Output::Announced { reason, .. } => *reason,
            Output::Frame { .. } => unreachable!("frames are kept apart"),
        })
        .collect();
    assert_eq!(reasons, [Reason::TookOver, Reason::SecondBurst]);
    assert_eq!(desk.announcer.poll_timeout(), None);
}

#[test]
fn arp_005_a_round_covers_every_vip_before_the_next_begins() {
    let mut desk = Desk::with(BurstPolicy { repeat: 3, ..BurstPolicy::default() });
    let vips = many(4);
    desk.announce(1, &vips, Reason::TookOver);
    let order: Vec<IpAddr> = desk.frames.iter().map(|(_, vip, _)| *vip).collect();
    let round: Vec<IpAddr> = vips.iter().map(|vip| vip.address).collect();
    assert_eq!(order, [round.clone(), round.clone(), round].concat());
}

#[test]
fn arp_005_no_delay_means_no_second_burst() {
    let mut desk = Desk::with(BurstPolicy { delay: Duration::ZERO, ..BurstPolicy::default() });
    desk.announce(1, &[vip("192.0.2.10", "eth0")], Reason::TookOver);
    desk.run_until(at(60_000));
    assert_eq!(desk.times(), [at(0); 5]);
}

#[test]
fn arp_005_refresh_repeats_until_withdrawn() {
    let policy = BurstPolicy {
        repeat: 1,
        delay: Duration::ZERO,
        refresh: Duration::from_secs(10),
        refresh_repeat: 2,
        ..BurstPolicy::default()
    };
    let mut desk = Desk::with(policy);
    desk.announce(1, &[vip("192.0.2.10", "eth0")], Reason::TookOver);
    desk.run_until(at(25_000));
    assert_eq!(desk.times(), [at(0), at(10_000), at(10_000), at(20_000), at(20_000)]);
    desk.give(Input::Withdraw { holder: HolderId(1) });
    assert_eq!(desk.announcer.poll_timeout(), None);
}

#[test]
fn arp_006_frames_are_paced_and_the_loop_gets_its_turns() {
    let mut desk = Desk::with(BurstPolicy { delay: Duration::ZERO, ..BurstPolicy::default() });
    desk.announce(1, &many(500), Reason::TookOver);
    assert_eq!(desk.frames.len(), 64, "and no more before the loop comes round");
    desk.give(Input::Wake);
    assert_eq!(desk.frames.len(), 64, "a spurious wake-up buys nothing");
    desk.run_until(at(1_000));
    assert_eq!(desk.frames.len(), 2_500);
    let mut per_turn: BTreeMap<Instant, usize> = BTreeMap::new();
    for at in desk.times() {
        *per_turn.entry(at).or_default() += 1;
    }
    assert!(per_turn.values().all(|n| *n <= 64));
    assert!(desk.times().last() <= Some(&at(40)), "{:?}", desk.times().last());
    assert_eq!(desk.announced.len(), 1);
}

#[test]
fn arp_006_two_thousand_vips_do_not_delay_another_holder() {
    let mut desk = Desk::new();
    desk.announce(1, &many(2_000), Reason::TookOver);
    desk.now = at(3);
    desk.announce(2, &[vip("192.0.2.10", "eth0")], Reason::TookOver);
    desk.run_until(at(5));
    let first = desk.frames.iter().find(|(_, vip, _)| *vip == IpAddr::from([192, 0, 2, 10]));
    assert_eq!(first.map(|(at, ..)| *at), Some(at(3)));
}

#[test]
fn arp_006_a_slow_interface_slows_only_itself() {
    let policy = BurstPolicy {
        repeat: 2,
        delay: Duration::ZERO,
        arp_interval: Duration::from_millis(100),
        ..BurstPolicy::default()
    };
    let mut desk = Desk::with(policy);
    desk.give(Input::Fact(&link(3, "eth1", true, Some(MAC))));
    desk.announce(1, &[vip("192.0.2.10", "eth0"), vip("2001:db8::10", "eth0")], Reason::TookOver);
    desk.announce(2, &[vip("192.0.2.20", "eth1")], Reason::TookOver);
    assert_eq!(
        desk.frames.iter().filter(|(_, vip, _)| *vip == IpAddr::from([192, 0, 2, 20])).count(),
        5
    );
    desk.run_until(at(1_000));
    let arps: Vec<Instant> = desk
        .frames
        .iter()
        .filter(|(_, vip, _)| *vip == IpAddr::from([192, 0, 2, 10]))
        .map(|(at, ..)| *at)
        .collect();
    assert_eq!(arps, [at(0), at(100)]);
}

#[test]
fn arp_006_a_rival_cannot_make_a_storm_of_us() {
    let policy = BurstPolicy {
        repeat: 1,
        delay: Duration::ZERO,
        lower_prio_repeat: 3,
        lower_prio_delay: Duration::from_secs(2),
        ..BurstPolicy::default()
    };
    let mut desk = Desk::with(policy);
    let vips = [vip("192.0.2.10", "eth0")];
    desk.announce(1, &vips, Reason::TookOver);
    // A thousand claims within a second.
    for ms in 1..=1_000 {
        desk.run_until(at(ms));
        desk.announce(1, &vips, Reason::RivalSeen);
    }
    assert!((20..=40).contains(&desk.frames.len()), "{}", desk.frames.len());
    desk.frames.clear();
    desk.run_until(at(10_000));
    let after = desk.times();
    assert_eq!(
        after[after.len() - 3..].iter().map(|t| t.as_nanos() / 1_000_000_000).min(),
        Some(3)
    );
    assert_eq!(desk.announcer.poll_timeout(), None);
}

#[test]
fn vrrp_066_only_new_vips_are_announced() {
    let mut desk = Desk::new();
    desk.announce(1, &[vip("192.0.2.10", "eth0")], Reason::TookOver);
    desk.run_until(at(60_000));
    desk.frames.clear();
    desk.announce(1, &[vip("192.0.2.11", "eth0")], Reason::Reload);
    desk.run_until(at(120_000));
    assert_eq!(desk.frames.len(), 10);
    assert!(desk.frames.iter().all(|(_, vip, _)| *vip == IpAddr::from([192, 0, 2, 11])));
}

#[test]
fn vips_that_become_present_one_by_one_are_told_of_as_one_burst() {
    let mut desk = Desk::new();
    for vip in many(100) {
        desk.announce(1, &[vip], Reason::TookOver);
    }
    desk.run_until(at(60_000));
    let counts: Vec<(Reason, u32)> = desk
        .announced
        .iter()
        .filter_map(|o| match o {
            Output::Announced { reason, vips, .. } => Some((*reason, *vips)),
            Output::Frame { .. } => None,
        })
        .collect();
    assert_eq!(counts.iter().map(|(_, vips)| vips).sum::<u32>(), 200);
    assert!(counts.len() < 50, "{counts:?}");
    assert_eq!(desk.frames.len(), 1_000);
}

#[test]
fn vrrp_107_nothing_is_announced_on_an_interface_that_is_missing_down_or_has_no_mac() {
    let mut desk = Desk::new();
    desk.give(Input::Fact(&link(3, "eth1", false, Some(MAC))));
    desk.give(Input::Fact(&link(4, "tun0", true, None)));
    let vips = [vip("192.0.2.1", "eth1"), vip("192.0.2.2", "tun0"), vip("192.0.2.3", "eth9")];
    desk.announce(1, &vips, Reason::TookOver);
    desk.run_until(at(60_000));
    assert_eq!(desk.frames.len(), 0);
    assert_eq!(desk.announced, []);
    assert!(desk.announcer.status().skipped > 0);
}

#[test]
fn arp_007_a_link_that_runs_again_is_announced_on_again() {
    let mut desk =
        Desk::with(BurstPolicy { repeat: 1, delay: Duration::ZERO, ..BurstPolicy::default() });
    desk.give(Input::Fact(&link(3, "eth1", true, Some(MAC))));
    desk.announce(1, &[vip("192.0.2.1", "eth0"), vip("192.0.2.2", "eth1")], Reason::TookOver);
    desk.frames.clear();
    desk.give(Input::Fact(&link(2, "eth0", false, Some(MAC))));
    assert_eq!(desk.frames.len(), 0);
    desk.give(Input::Fact(&link(2, "eth0", true, Some(MAC))));
    let vips: Vec<IpAddr> = desk.frames.iter().map(|(_, vip, _)| *vip).collect();
    assert_eq!(vips, [IpAddr::from([192, 0, 2, 1])]);
    desk.give(Input::Fact(&link(2, "eth0", true, Some(MAC))));
    assert_eq!(desk.frames.len(), 1, "nothing changed");
    desk.give(Input::Fact(&link(2, "eth0", true, Some(Mac([2, 0, 0, 0, 0, 0xb])))));
    assert_eq!(desk.frames.len(), 2, "another MAC");
}

#[test]
fn arp_002_nothing_leaves_for_a_vip_that_was_withdrawn_or_went() {
    let mut desk = Desk::new();
    desk.announce(1, &many(500), Reason::TookOver);
    desk.give(Input::Withdraw { holder: HolderId(1) });
    let before = desk.frames.len();
    desk.run_until(at(60_000));
    assert_eq!(desk.frames.len(), before);

    desk.frames.clear();
    let vips = many(500);
    desk.announce(2, &vips, Reason::TookOver);
    desk.give(Input::Gone { holder: HolderId(2), vips: vips[100..].to_vec() });
    let sent = desk.frames.len();
    desk.run_until(at(120_000));
    let late: Vec<IpAddr> = desk.frames[sent..].iter().map(|(_, vip, _)| *vip).collect();
    assert!(late.iter().all(|vip| vips[..100].iter().any(|v| v.address == *vip)));
    for vip in &vips[..100] {
        let count = desk.frames.iter().filter(|(_, told, _)| *told == vip.address).count();
        assert_eq!(count, 10, "{vip}: five and five, whatever went beside it");
    }
}

#[test]
fn a_forgotten_holder_leaves_no_wake_up_behind() {
    let policy = BurstPolicy { refresh: Duration::from_secs(10), ..BurstPolicy::default() };
    let mut desk = Desk::with(policy);
    desk.announce(1, &many(3), Reason::TookOver);
    assert!(desk.announcer.poll_timeout().is_some());
    desk.give(Input::Forget { holder: HolderId(1) });
    assert_eq!(desk.announcer.poll_timeout(), None);
    assert_eq!(desk.announcer.status().bursts, 0);
}

#[test]
fn interfaces_with_a_pace_together_take_turns() {
    let policy = BurstPolicy { repeat: 1, delay: Duration::ZERO, ..BurstPolicy::default() };
    let mut desk = Desk::with(policy);
    desk.give(Input::Fact(&link(3, "eth1", true, Some(MAC))));
    desk.give(Input::Fact(&link(4, "eth2", true, Some(MAC))));
    let together = Pace {
        interfaces: vec!["eth0".into(), "eth1".into()],
        arp: Some(Duration::from_millis(100)),
        na: None,
    };
    desk.give(Input::Paces(vec![together]));
    let vips = [
        vip("192.0.2.1", "eth0"),
        vip("192.0.2.2", "eth1"),
        vip("192.0.2.3", "eth2"),
        vip("2001:db8::1", "eth0"),
        vip("2001:db8::2", "eth1"),
    ];
    for (number, vip) in (1..).zip(&vips) {
        desk.give(Input::Policy { holder: HolderId(number), policy });
        desk.announce(number, std::slice::from_ref(vip), Reason::TookOver);
    }
    desk.run_until(at(1_000));
    let when = |address: &str| -> Vec<Instant> {
        let address: IpAddr = address.parse().unwrap();
        desk.frames.iter().filter(|(_, told, _)| *told == address).map(|(at, ..)| *at).collect()
    };
    let once = |ms: u64| -> Vec<Instant> { vec![at(ms)] };
    assert_eq!([when("192.0.2.1"), when("192.0.2.2")], [once(0), once(100)]);
    assert_eq!(
        [when("192.0.2.3"), when("2001:db8::1"), when("2001:db8::2")],
        [once(0), once(0), once(0)]
    );
    // Without it they do not wait for each other any more.
    desk.give(Input::Paces(Vec::new()));
    desk.frames.clear();
    desk.announce(1, &vips[..1], Reason::Refresh);
    desk.announce(2, &vips[1..2], Reason::Refresh);
    assert_eq!(desk.times(), [at(1_000), at(1_000)]);
}

#[test]
fn switches_are_kept_informed_of_one_vip_of_each_interface_while_it_is_held() {
    let policy = BurstPolicy { repeat: 1, delay: Duration::ZERO, ..BurstPolicy::default() };
    let mut desk = Desk::with(policy);
    desk.give(Input::Fact(&link(3, "eth1", true, Some(MAC))));
    let fresh = KeepFresh {
        every: Duration::from_secs(10),
        interfaces: vec!["eth1".into(), "none".into()],
    };
    desk.give(Input::KeepFresh { holder: HolderId(1), fresh: fresh.clone() });
    desk.run_until(at(30_000));
    assert!(desk.frames.is_empty(), "nothing is held");
    let vips = [vip("192.0.2.1", "eth0"), vip("192.0.2.2", "eth1"), vip("192.0.2.3", "eth1")];
    desk.announce(1, &vips, Reason::TookOver);
    assert_eq!(desk.frames.len(), 3);
    desk.frames.clear();
    desk.run_until(at(55_000));
    let told: Vec<_> = desk.frames.iter().map(|(at, told, _)| (*at, told.to_string())).collect();
    let one = |ms: u64| (at(ms), "192.0.2.2".to_owned());
    assert_eq!(told, [one(40_000), one(50_000)]);
    desk.give(Input::Withdraw { holder: HolderId(1) });
    desk.run_until(at(100_000));
    assert_eq!(desk.frames.len(), 2);
    // It is as it was when the holder holds again, and over when nobody asks for it any more.
    desk.announce(1, &vips[1..], Reason::TookOver);
    desk.frames.clear();
    desk.run_until(at(111_000));
    assert_eq!(desk.times(), [at(110_000)]);
    desk.give(Input::KeepFresh { holder: HolderId(1), fresh: KeepFresh::default() });
    desk.run_until(at(200_000));
    assert_eq!(desk.times(), [at(110_000)]);
}
