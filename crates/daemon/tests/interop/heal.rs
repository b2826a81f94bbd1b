//! What becomes of the VIP when somebody tampers with a running holder (issue 4, "Show"): its
//! address, its table, its interface, its time; and when a stranger claims the VIP by ARP or NA.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::thread::sleep;
use std::time::Duration;

use base::{Instant, Mac, Rival, Sight, State, What};
use lab::{Asker, CommandLine, Sighting, wait_for};
use linux::clock::monotonic;
use linux::{FrameSender, Links};

use crate::bench::{Bench, PATIENCE, say};
use crate::mainstay::Mainstay;
use crate::mode::{Mode, V3_IPV4, V3_IPV6};
use crate::pairs::plain_pair;
use crate::speaker::Speaker;

const SECOND: Duration = Duration::from_secs(1);

/// What a noisy machine adds to any bound here.
const NOISE: Duration = Duration::from_millis(200);

/// A machine that is none of the lab's.
const STRANGER: Mac = Mac([2, 0, 0, 0, 9, 9]);

struct Scene {
    bench: Bench,
    us: Mainstay,
    peer: Mainstay,
}

fn scene(mode: Mode) -> Option<Scene> {
    plain_pair(mode).map(|(bench, us, peer)| Scene { bench, us, peer })
}

impl Scene {
    fn asker(&self) -> Asker {
        self.bench.lab.asker(self.bench.mode.vip(), Duration::from_millis(3)).unwrap()
    }

    fn mac(&self, node: &str) -> Mac {
        self.bench.lab.node(node).mac().unwrap()
    }

    /// Where the client's own neighbour table has the VIP.
    fn client_believes(&self) -> Option<Mac> {
        let vip = self.bench.mode.vip();
        let known = self.bench.lab.client().neighbours();
        known.into_iter().find(|one| one.address == vip).and_then(|one| one.mac)
    }

    /// Runs a program on our node.
    fn on_ours(&self, line: &str) {
        let node = self.bench.lab.node("ours");
        let done = node.output(&CommandLine::parse(line), PATIENCE).unwrap();
        assert!(done.is_some(), "`{line}` failed\n{}", self.bench.story());
    }

    fn set_link(&self, up: bool) {
        let done = self.bench.lab.node("ours").run(move || {
            Links::open().map_err(|e| e.to_string())?.set_up("eth0", up).map_err(|e| e.to_string())
        });
        done.unwrap();
    }

    /// For how long each absence of the VIP from our kernel lasted, from `since` on.
    fn absences(&self, since: Instant) -> Vec<Duration> {
        let vip = self.bench.mode.vip();
        let mut gone = None;
        let mut absences = Vec::new();
        for change in self.bench.lab.holdings() {
            if change.node.as_str() != "ours" || change.address != vip || change.at < since {
                continue;
            }
            match (change.present, gone) {
                (false, None) => gone = Some(change.at),
                (true, Some(at)) => {
                    absences.push(change.at.since(at));
                    gone = None;
                }
                _ => {}
            }
        }
        assert_eq!(gone, None, "still gone\n{}", self.bench.story());
        absences
    }

    /// The peer's node sends frames by which a stranger claims the VIP.
    fn forge(&self, count: usize) {
        let frame = forged(self.bench.mode.vip());
        let send = move || {
            let index = Links::open()?.index("eth0")?;
            let sender = FrameSender::open()?;
            (0..count).try_for_each(|_| sender.send(index, &frame))
        };
        self.bench.lab.node("peer").run(send).unwrap();
    }

    fn alarms(&self) -> Vec<Rival> {
        alarms(&self.us, &self.bench)
    }
}

/// Until what the two said to each other when they began is forgotten.
fn settle() {
    sleep(Duration::from_millis(1_300));
}

/// The second holders it has told of.
pub(crate) fn alarms(us: &Mainstay, bench: &Bench) -> Vec<Rival> {
    let rival = |what: What| match what {
        What::TwoHolders { rival, .. } => Some(rival),
        _ => None,
    };
    us.events(bench).into_iter().filter_map(|record| rival(record.event.what)).collect()
}

#[test]
fn a_deleted_address_is_back_in_a_tenth_of_a_second_without_an_election() {
    for mode in [V3_IPV4, V3_IPV6] {
        let Some(scene) = scene(mode) else { return };
        let before = monotonic();
        let vip = match mode.vip() {
            vip @ IpAddr::V4(_) => format!("{vip}/16"),
            vip @ IpAddr::V6(_) => format!("{vip}/64"),
        };
        for _ in 0..5 {
            scene.on_ours(&format!("/usr/sbin/ip address del {vip} dev eth0"));
            sleep(Duration::from_millis(150));
        }
        let back = wait_for(PATIENCE, || scene.bench.has_vip("ours"));
        assert!(back.is_some(), "{}", scene.bench.story());
        let absences = scene.absences(before);
        say(&format!("{:?}: deleted five times, each time gone for {absences:.1?}", mode.family));
        assert!(!absences.is_empty());
        let longest = absences.iter().max().copied().unwrap_or_default();
        assert!(longest <= Duration::from_millis(100) + NOISE, "{absences:?}");
        assert_eq!(scene.bench.adverts("peer", before), 0, "{}", scene.bench.story());
        assert_eq!(scene.us.states(&scene.bench), [State::Backup, State::Active]);
        scene.bench.served_by("ours");
        assert!(scene.alarms().is_empty());
    }
}

#[test]
fn an_interface_that_goes_down_and_comes_back_costs_one_election_and_heals_in_a_second() {
    let Some(scene) = scene(V3_IPV4) else { return };
    let asker = scene.asker();
    let down = monotonic();
    scene.set_link(false);
    let theirs = scene.mac("peer");
    let taken = wait_for(PATIENCE, || asker.first(theirs, down).is_some());
    assert!(taken.is_some(), "{}", scene.bench.story());
    scene.bench.served_by("peer");
    let up = monotonic();
    scene.set_link(true);
    scene.bench.sole_holder(&scene.us, &[&scene.peer]);
    scene.bench.served_by("ours");
    let back = asker.first(scene.mac("ours"), up).unwrap();
    let bound = V3_IPV4.active_down(150) + SECOND;
    say(&format!(
        "link down and up: the peer answers, and ours again {:.1?} after",
        back.since(up)
    ));
    assert!(back.since(up) <= bound, "{}", scene.bench.story());
    let two = asker.longest_overlap(down);
    assert!(two <= Duration::from_millis(80), "two answered for {two:?}");
    let states = scene.peer.states(&scene.bench);
    assert_eq!(states, [State::Backup, State::Active, State::Backup], "exactly one election");
}

#[test]
fn a_link_that_is_back_before_the_peer_lost_patience_costs_no_election() {
    let Some(scene) = scene(V3_IPV4.every(SECOND)) else { return };
    let asker = scene.asker();
    // It has held for as long as its peer waits.
    sleep(SECOND * 3 + NOISE);
    let down = monotonic();
    scene.set_link(false);
    sleep(Duration::from_millis(200));
    let up = monotonic();
    scene.set_link(true);
    let ours = scene.mac("ours");
    let back = wait_for(PATIENCE, || asker.first(ours, up).is_some());
    assert!(back.is_some(), "{}", scene.bench.story());
    let back = asker.first(ours, up).unwrap().since(up);
    say(&format!("link away for 0.2 s: ours answers again {back:.1?} after"));
    scene.bench.served_by("ours");
    assert_eq!(scene.bench.adverts("peer", down), 0, "{}", scene.bench.story());
    assert_eq!(scene.peer.states(&scene.bench), [State::Backup], "no election");
    assert!(back <= SECOND, "{back:?}\n{}", scene.bench.story());
    assert!(scene.alarms().is_empty());
}

#[test]
fn an_interface_deleted_and_made_again_is_found_and_used() {
    let Some(mut scene) = scene(V3_IPV4) else { return };
    let before = monotonic();
    scene.on_ours("/usr/sbin/ip link delete eth0");
    scene.bench.served_by_within("peer", PATIENCE);
    scene.bench.lab.plug_in_again("ours").unwrap();
    let again = monotonic();
    scene.bench.sole_holder(&scene.us, &[&scene.peer]);
    scene.bench.served_by("ours");
    let first = scene.bench.advert("ours", again).at;
    say(&format!("an interface made again: our first advert {:.1?} after", first.since(again)));
    // The lease covers the new one as well: nobody renews from here on, and it falls silent.
    let asker = scene.asker();
    let stop = monotonic();
    scene.us.freeze(&scene.bench);
    let theirs = scene.mac("peer");
    let taken = wait_for(PATIENCE, || asker.first(theirs, stop).is_some());
    assert!(taken.is_some(), "{}", scene.bench.story());
    let two = asker.longest_overlap(before);
    assert!(two <= Duration::from_millis(80), "two answered for {two:?}");
    scene.us.thaw(&scene.bench);
}

/// For how long a node sleeps: on each side of its peer's timer; and with `MAINSTAY_NAP=60` in the
/// environment for so many seconds as well, which takes too long to be done each time.
fn naps() -> Vec<Duration> {
    let asked = std::env::var("MAINSTAY_NAP").ok().and_then(|text| text.parse().ok());
    let always = [500, 2_000, 4_500].map(Duration::from_millis);
    always.into_iter().chain(asked.map(Duration::from_secs)).collect()
}

#[test]
fn a_node_that_wakes_leaves_the_client_right_within_an_interval() {
    let mode = V3_IPV4.every(SECOND);
    let Some(scene) = scene(mode) else { return };
    let asker = scene.asker();
    let (ours, theirs) = (scene.mac("ours"), scene.mac("peer"));
    let begin = monotonic();
    assert!(wait_for(PATIENCE, || asker.first(ours, begin).is_some()).is_some());
    for nap in naps() {
        let stop = monotonic();
        scene.us.freeze(&scene.bench);
        sleep(nap);
        let wake = monotonic();
        scene.us.thaw(&scene.bench);
        // Until one holds alone again, the client's table and the one that answers may differ for an
        // interval and no longer.
        let mut wrong = Duration::ZERO;
        let mut since = None;
        while monotonic().since(wake) < mode.active_down(150) + SECOND * 2 {
            let now = monotonic();
            let last = |mac| asker.last(mac, now - Duration::from_millis(50), now);
            let answers = [ours, theirs].into_iter().filter(|mac| last(*mac).is_some());
            let answers: Vec<Mac> = answers.collect();
            let right = answers.is_empty()
                || scene.client_believes().is_some_and(|mac| answers.contains(&mac));
            match (right, since) {
                (false, None) => since = Some(now),
                (true, Some(at)) => {
                    wrong = wrong.max(now.since(at));
                    since = None;
                }
                _ => {}
            }
            sleep(Duration::from_millis(10));
        }
        wrong = wrong.max(since.map(|at| monotonic().since(at)).unwrap_or_default());
        scene.bench.sole_holder(&scene.us, &[&scene.peer]);
        scene.bench.served_by("ours");
        assert_eq!(scene.client_believes(), Some(ours));
        let two = asker.longest_overlap(stop);
        say(&format!("asleep for {nap:?}: client wrong for {wrong:.1?}, two answer for {two:.1?}"));
        assert!(wrong <= mode.interval, "wrong for {wrong:?}\n{}", scene.bench.story());
        assert!(two <= Duration::from_millis(80), "two answered for {two:?}");
        let moves = |node: &Mainstay| node.states(&scene.bench).len();
        say(&format!("  {} and {} changes of state so far", moves(&scene.us), moves(&scene.peer)));
    }
    let takeovers = |node: &Mainstay| {
        node.states(&scene.bench).into_iter().filter(|to| *to == State::Active).count()
    };
    // One for each nap that is longer than its patience, and ours back after it.
    let long = naps().into_iter().filter(|nap| *nap > mode.interval * 2).count();
    let (ours, theirs) = (takeovers(&scene.us), takeovers(&scene.peer));
    assert!(theirs <= long && ours <= long + 1, "a storm\n{}", scene.bench.story());
}

/// An ARP request of a stranger that claims the VIP.
fn forged_arp(vip: Ipv4Addr) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(STRANGER.0);
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(STRANGER.0);
    frame.extend(vip.octets());
    frame.extend([0xff; 6]);
    frame.extend(vip.octets());
    frame
}

/// An unsolicited neighbour advertisement of a stranger with an address of its own.
fn forged_na(vip: Ipv6Addr) -> Vec<u8> {
    let source: Ipv6Addr = "fe80::909".parse().unwrap();
    let group: Ipv6Addr = "ff02::1".parse().unwrap();
    let mut message = vec![136, 0, 0, 0, 0x20, 0, 0, 0];
    message.extend(vip.octets());
    message.extend([2, 1]);
    message.extend(STRANGER.0);
    let pseudo = [&source.octets()[..], &group.octets(), &[0, 0, 0, 32, 0, 0, 0, 58], &message];
    let octets = pseudo.concat();
    let words = octets.as_chunks::<2>().0.iter().map(|word| u32::from(u16::from_be_bytes(*word)));
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let [_, _, high, low] = (!((sum & 0xffff) + (sum >> 16))).to_be_bytes();
    message[2..4].copy_from_slice(&[high, low]);
    let mut frame = vec![0x33, 0x33, 0, 0, 0, 1];
    frame.extend(STRANGER.0);
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255]);
    frame.extend(source.octets());
    frame.extend(group.octets());
    frame.extend(message);
    frame
}

fn forged(vip: IpAddr) -> Vec<u8> {
    match vip {
        IpAddr::V4(vip) => forged_arp(vip),
        IpAddr::V6(vip) => forged_na(vip),
    }
}

#[test]
fn arp_004_nd_004_a_stranger_that_claims_the_vip_is_told_of_and_answered() {
    for mode in [V3_IPV4, V3_IPV6] {
        let Some(scene) = scene(mode) else { return };
        let ours = scene.mac("ours");
        settle();
        let claim = monotonic();
        scene.forge(1);
        let told = || scene.alarms().into_iter().next();
        assert!(wait_for(PATIENCE, || told().is_some()).is_some(), "{}", scene.bench.story());
        let rival = told().unwrap();
        let (sight, source) = match mode.vip() {
            IpAddr::V4(_) => (Sight::Arp, None),
            IpAddr::V6(_) => (Sight::NeighbourAdvertisement, "fe80::909".parse().ok()),
        };
        assert_eq!((rival.mac, rival.source), (Some(STRANGER), source));
        assert_eq!((rival.address, rival.seen), (Some(mode.vip()), vec![sight]));
        let answer = |s: &Sighting| {
            s.from == "ours" && s.seen == lab::Seen::Announcement { vip: mode.vip(), mac: ours }
        };
        let answered = scene.bench.witness().first(claim, answer).unwrap().at;
        say(&format!(
            "{:?}: a stranger is answered {:.1?} after",
            mode.family,
            answered.since(claim)
        ));
        assert!(answered.since(claim) <= mode.interval + NOISE, "{}", scene.bench.story());
        // In the status and in `why` while it goes on, and over when it is.
        scene.forge(1);
        let status = scene.us.instance(&scene.bench).rival;
        assert_eq!(status.and_then(|known| known.rival.mac), Some(STRANGER));
        let why =
            CommandLine::parse(&format!("{} why --control {{control}}", crate::mainstay::BINARY));
        let page = scene.bench.lab.node("ours").output(&why, PATIENCE).unwrap().unwrap_or_default();
        assert!(page.contains("TWO HOLDERS") && page.contains("02:00:00:00:09:09"), "{page}");
        let ended = |what: &What| matches!(what, What::TwoHoldersOver { .. });
        assert!(wait_for(PATIENCE, || scene.us.told(&scene.bench, ended)).is_some());
        assert_eq!(scene.us.instance(&scene.bench).rival, None);
        assert_eq!(scene.us.states(&scene.bench), [State::Backup, State::Active]);
        assert!(alarms(&scene.peer, &scene.bench).is_empty(), "a Backup holds nothing");
    }
}

#[test]
fn arp_006_a_flood_of_forged_arp_delays_no_advert_and_is_not_answered_by_one() {
    let mode = V3_IPV4;
    let Some(scene) = scene(mode) else { return };
    let ours = scene.mac("ours");
    settle();
    let begin = monotonic();
    let mut sent = 0_usize;
    while monotonic().since(begin) < SECOND * 3 {
        scene.forge(50);
        sent += 50;
        sleep(Duration::from_millis(5));
    }
    let end = monotonic();
    let all = scene.bench.witness().sightings();
    let mine = |s: &&Sighting| s.at >= begin && s.at <= end && s.from == "ours";
    let is = |s: &&Sighting| s.seen == lab::Seen::Announcement { vip: mode.vip(), mac: ours };
    let announcements = all.iter().filter(mine).filter(is).count();
    let gap = scene.bench.advert_gaps("ours", begin).max().unwrap_or_default();
    say(&format!("{sent} forged ARPs: {announcements} announcements, advert gap {gap:.1?}"));
    assert!(announcements <= 4 * 5 + 5, "{announcements}");
    assert!(gap <= mode.interval * 2, "{gap:?}");
    assert_eq!(scene.us.states(&scene.bench), [State::Backup, State::Active]);
    // When it is over the client is right again within an interval, or the second that paces it.
    let right = wait_for(SECOND + NOISE, || scene.client_believes() == Some(ours));
    assert!(right.is_some(), "{:?}\n{}", scene.client_believes(), scene.bench.story());
    assert_eq!(scene.bench.adverts("peer", begin), 0);
}
