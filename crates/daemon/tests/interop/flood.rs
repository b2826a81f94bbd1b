//! Ten thousand packets of garbage a second: nobody takes anything over, no advert of ours comes late,
//! and the sender is named. And one advert that is no garbage: what it costs has a bound.

use std::net::Ipv4Addr;
use std::time::Duration;

use base::{Centis, IfIndex, Instant, Mac, Priority, Vrid, What};
use lab::{Need, Seen, wait_for};
use linux::clock::monotonic;
use linux::{FrameSender, Links};
use vrrp::wire::frame::{Ipv4Header, ethernet_frame, ipv4_datagram, multicast_mac};
use vrrp::wire::{Advert, Body, ChecksumForm, GROUP_V4};

use crate::bench::{Bench, LATE, OURS, PATIENCE, PEER, say};
use crate::mainstay::Mainstay;
use crate::mode::{Part, V3_IPV4, VRID};
use crate::speaker::Speaker;

const FLOOD: Duration = Duration::from_secs(4);
const A_SECOND: u32 = 10_000;
/// What garbage may cost, in hundredths of a core. All that a test's build does not optimise away is in
/// it.
const MOST_OF_A_CORE: f64 = 30.0;
/// The kernel's clock ticks, in which /proc counts processor time.
const TICK: Duration = Duration::from_millis(10);

/// An advert of priority 254 that says it will be back in 40.95 s, changed like this.
fn forged(change: &dyn Fn(&mut Vec<u8>, &mut Ipv4Header)) -> Vec<u8> {
    let source = Ipv4Addr::new(193, 168, 0, 4);
    let body = Body::V3 { interval: Centis::MAX };
    let vip = vec!["193.168.0.6".parse().unwrap()];
    let advert = Advert::new(Vrid::new(VRID).unwrap(), Priority::new(254), vip, body).unwrap();
    let mut payload = advert.encode(ChecksumForm::Rfc9568, source.into(), GROUP_V4.into());
    let mut header = Ipv4Header::of_advert(source, GROUP_V4);
    change(&mut payload, &mut header);
    let (mut datagram, mut frame) = (Vec::new(), Vec::new());
    ipv4_datagram(&header, &payload, &mut datagram);
    let to = multicast_mac(GROUP_V4.into()).unwrap();
    ethernet_frame(Mac([2, 0, 0, 0, 0, 4]), to, &datagram, &mut frame);
    frame
}

/// Adverts that would win, spoiled in one way each: what a receiver must look at to see it grows from
/// kind to kind.
fn garbage() -> Vec<Vec<u8>> {
    let spoiled = forged;
    vec![
        spoiled(&|_, header| header.ttl = 254),
        spoiled(&|payload, _| payload[0] = 0x41),
        spoiled(&|payload, _| payload.truncate(5)),
        spoiled(&|payload, _| payload[3] = 200),
        spoiled(&|payload, _| payload.extend([0xa5; 28])),
        spoiled(&|payload, _| payload[6] ^= 1),
        spoiled(&|payload, _| payload[1] = 77),
        // Interval 0, with a sum that is right: the field held 0x0fff.
        spoiled(&|payload, _| {
            let sum = u32::from(u16::from_be_bytes([payload[6], payload[7]])) + 0x0fff;
            let sum = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
            payload[6..8].copy_from_slice(&sum.to_be_bytes());
            payload[4..6].fill(0);
        }),
    ]
}

/// Sends garbage from a node and says how many packets there were.
fn flood(bench: &Bench, node: &str) -> u32 {
    bench.lab.node(node).run(|| {
        let frames = garbage();
        let index: IfIndex = Links::open().unwrap().index("eth0").unwrap();
        let sender = FrameSender::open().unwrap();
        let begin = monotonic();
        let mut sent = 0_u32;
        while monotonic().since(begin) < FLOOD {
            // As many as are due by now: a late sender makes up for it.
            let due = monotonic().since(begin).as_micros() * u128::from(A_SECOND) / 1_000_000;
            while u128::from(sent) < due {
                let frame = &frames[usize::try_from(sent).unwrap() % frames.len()];
                // A full queue is as good as a lost packet.
                let _ = sender.send(index, frame);
                sent += 1;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        sent
    })
}

/// Processor time that the engine of a node has used.
fn processor_time(bench: &Bench, node: &str) -> Duration {
    let ticks: u32 = bench.lab.node(node).run(|| {
        let stats = std::fs::read_dir("/proc").unwrap().flatten();
        stats
            .filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok())
            .filter(|stat| stat.contains("(ms:engine)"))
            .map(|stat| {
                let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split(' ').collect();
                // utime and stime, the 14th and 15th field of proc(5).
                fields[12].parse::<u32>().unwrap() + fields[13].parse::<u32>().unwrap()
            })
            .sum()
    });
    TICK * ticks
}

/// The longest time between two adverts of `node`.
fn longest_gap(bench: &Bench, node: &str, since: Instant) -> Duration {
    let of = |seen: &Seen| matches!(seen, Seen::Advert { vrid: VRID, .. });
    let times: Vec<Instant> = bench
        .sightings()
        .iter()
        .filter(|s| s.at >= since && s.from == node && of(&s.seen))
        .map(|s| s.at)
        .collect();
    times.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap_or(FLOOD)
}

#[test]
fn ten_thousand_packets_of_garbage_a_second_change_nothing() {
    if !lab::requires(&[Need::Root]) {
        return;
    }
    let mode = V3_IPV4;
    let mut bench = Bench::new(mode, &[OURS, PEER, ("other", 4)]);
    let (mut us, mut peer) = (Mainstay::on("ours"), Mainstay::on("peer"));
    us.start(&mut bench, &Part::new(mode, 150));
    peer.start(&mut bench, &Part::new(mode, 100));
    bench.sole_holder(&us, &[&peer]);
    bench.served_by("ours");

    let before = monotonic();
    // What a processor that others keep busy does between two of our instructions is counted as ours,
    // so once more if it was too much.
    let mut sent = 0;
    let mut share = 100.0;
    for _ in 0..2 {
        let (begin, used) = (monotonic(), processor_time(&bench, "ours"));
        let now = flood(&bench, "other");
        let took = monotonic().since(begin);
        let used = processor_time(&bench, "ours").saturating_sub(used);
        share = used.as_secs_f64() / took.as_secs_f64() * 100.0;
        let gap = longest_gap(&bench, "ours", begin);
        say(&format!(
            "{:.0} packets/s for {took:.1?}: longest gap between adverts {gap:.1?} of {:?}, engine {share:.1} % of a core",
            f64::from(now) / took.as_secs_f64(),
            mode.interval,
        ));
        assert!(gap <= mode.interval * 2, "late by more than an interval: {gap:?}");
        sent += now;
        if share < MOST_OF_A_CORE {
            break;
        }
    }
    assert!(share < MOST_OF_A_CORE, "{share:.1} % of a core");

    assert_eq!(bench.adverts("peer", before), 0, "{}", bench.story());
    bench.sole_holder(&us, &[&peer]);
    let flood = |what: &What| matches!(what, What::Flood { source, .. } if *source == Ipv4Addr::new(193, 168, 0, 4));
    assert!(wait_for(PATIENCE, || us.told(&bench, flood)).is_some(), "{}", bench.story());
    let refused: u64 = us.refused(&bench).values().sum();
    assert!(refused > u64::from(sent) / 2, "{refused} of {sent} were seen and refused");
    let engine = us.status(&bench).engine;
    assert!(engine["packets-received"] >= refused && engine["flood-alarms"] >= 3, "{engine:?}");
    // Reports are for people: a handful for all of it.
    let reports =
        us.events(&bench).into_iter().filter(|r| matches!(r.event.what, What::Discarded { .. }));
    assert!(reports.count() <= 16);
    let (outcome, _lab) = bench.outcome();
    // Which of the two was first, before the flood, is another matter.
    assert_eq!((outcome.switches_since(before), outcome.lost_since(before)), (0, 0));
}

#[test]
fn one_forged_advert_leaves_nobody_holding_for_at_most_10_8_s() {
    if !lab::requires(&[Need::Root]) {
        return;
    }
    let mode = V3_IPV4.every(Duration::from_secs(1));
    // One node alone: nobody else's advert heals it sooner.
    let mut bench = Bench::new(mode, &[OURS]);
    let mut us = Mainstay::on("ours");
    us.start(&mut bench, &Part::new(mode, 100));
    bench.sole_holder(&us, &[]);
    for again in 0..2 {
        let before = monotonic();
        bench.lab.inject(&forged(&|_, _| ())).unwrap();
        assert!(wait_for(PATIENCE, || !us.holds(&bench)).is_some(), "{}", bench.story());
        let back = wait_for(PATIENCE, || us.holds(&bench));
        let dark = monotonic().since(before);
        say(&format!("forged advert no. {}: nobody held for {dark:.1?}", again + 1));
        let most = mode.interval * 9 + mode.skew(100) * 3 + LATE;
        assert!(back.is_some() && dark <= most, "{dark:?}, not {most:?}\n{}", bench.story());
    }
    let capped = |what: &What| matches!(what, What::IntervalCapped { .. });
    assert!(us.told(&bench, capped), "{}", bench.story());
}
