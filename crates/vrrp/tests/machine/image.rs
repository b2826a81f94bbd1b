//! A hand-over in good order: the next engine goes on to the instant, and understands images of
//! former versions.

use base::{
    Effect, EventId, Instant, Name, Origin, Priority, Reason, State, TrackEffect, Tracker,
    TrackerKind, Verdict,
};
use vrrp::{
    Image, Input, InstanceConfig, InstanceV1, InstanceV2, MarkV2, PeerV1, PhaseV1, Tracked,
};

use crate::bench::{
    Bench, HIGHER, Saying, VIP, address, centis, config, link, millis, saying, secs,
};

/// Another engine on the same node, which goes on from this one.
fn next(before: &Bench, config: InstanceConfig) -> (Bench, crate::seen::Outs) {
    let image = before.router.image();
    let (mut bench, _) = Bench::silent(Vec::new());
    bench.now = before.now;
    bench.addresses = before.addresses.clone();
    bench.snapshot(vec![link(2, "eth0")]);
    bench.feed(Input::Adopt { image: Some(image), held: Vec::new(), events: 500 });
    let outs = bench.feed(Input::Configure(vec![config]));
    (bench, outs)
}

#[test]
fn a_holder_goes_on_holding_and_speaks_when_its_next_advert_is_due() {
    let mut before = Bench::active(config(100));
    before.pass(millis(300));
    let (mut after, outs) = next(&before, config(100));
    assert_eq!(outs.changes(), [(State::Initialize, State::Active, Reason::Adopted)]);
    assert!(outs.adverts().is_empty(), "nothing is due");
    assert_eq!(outs.ops(), [""; 0], "neither added nor removed");
    assert_eq!(outs.wills().len(), 1);
    assert_eq!(after.left(), before.left(), "to the instant");
    let outs = after.sleep();
    assert_eq!(outs.spoken(), [100]);
    assert_eq!(after.only().since, before.only().since);
}

#[test]
fn a_backup_goes_on_waiting_for_the_holder_it_heard() {
    let mut before = Bench::new(config(100));
    before.hear(saying(HIGHER, 200));
    before.pass(secs(3));
    let (mut after, outs) = next(&before, config(100));
    assert_eq!(outs.changes(), [(State::Initialize, State::Backup, Reason::Adopted)]);
    assert_eq!(after.left(), before.left());
    assert_eq!(after.only().peer.unwrap().source, before.only().peer.unwrap().source);
    let outs = after.sleep();
    assert_eq!(outs.changes(), [(State::Backup, State::Active, Reason::HolderSilent)]);
    assert_eq!(outs.ops(), ["+192.0.2.100"]);
}

#[test]
fn vrrp_075_whom_a_holder_heard_long_ago_is_a_stranger_to_the_next_engine_too() {
    let mut before = Bench::new(config(100));
    before.hear(saying(HIGHER, 200));
    before.sleep();
    let (mut after, _) = next(&before, config(100));
    // Its address in one forged advert is believed no more than any other's.
    let outs = after.hear(Saying { interval: centis(4095), ..saying(HIGHER, 254) });
    assert_eq!(outs.changes().len(), 1);
    assert_eq!(after.only().active_interval, secs(3));
}

#[test]
fn a_resignation_heard_by_the_engine_before_still_counts() {
    let mut before = Bench::new(config(100));
    before.hear(saying(HIGHER, 200));
    before.hear(saying(HIGHER, 0));
    let (mut after, _) = next(&before, config(100));
    assert_eq!(after.left(), before.left());
    let outs = after.sleep();
    assert_eq!(outs.changes(), [(State::Backup, State::Active, Reason::HolderResigned)]);
}

#[test]
fn an_instance_that_is_new_starts_as_anybody() {
    let before = Bench::active(config(100));
    let other = InstanceConfig { name: "new".into(), ..config(100) };
    let (after, outs) = next(&before, other);
    assert_eq!(outs.changes(), [(State::Initialize, State::Backup, Reason::Startup)]);
    assert_eq!(after.state(), State::Backup);
}

#[test]
fn what_was_held_and_is_not_configured_any_more_is_nobodys() {
    let before = Bench::active(config(100));
    let (bench, _) = next(&before, InstanceConfig { name: "new".into(), ..config(90) });
    let there = bench.addresses.contains(&address(2, VIP));
    assert!(there, "asked to be removed, and the kernel has not done it yet");
}

/// Found in the lab: an upgrade of whoever tracks a script was always given up, because the new engine
/// had heard nothing of the script yet, and held nothing in time.
#[test]
fn a_tracker_that_the_next_engine_has_not_heard_of_keeps_nobody_from_going_on() {
    let script = Tracker { kind: TrackerKind::Script, name: "chk".into() };
    let says = |verdict| Input::Verdict { tracker: script.clone(), verdict };
    let effect = Effect::Of(TrackEffect::FaultWhileBad);
    let tracked = Tracked { tracker: script.clone(), effect, assume_bad: false };
    let tracking = InstanceConfig { trackers: vec![tracked], ..config(100) };
    let mut before = Bench::new(tracking.clone());
    before.feed(says(Verdict::Good));
    let (waiting, _) = next(&before, tracking.clone());
    assert_eq!(waiting.state(), State::Backup, "as it was");
    before.sleep();
    before.kernel();
    let (mut after, outs) = next(&before, tracking.clone());
    assert_eq!(outs.changes(), [(State::Initialize, State::Active, Reason::Adopted)]);
    assert!(after.feed(says(Verdict::Good)).changes().is_empty());
    let outs = after.feed(says(Verdict::Bad));
    assert_eq!(outs.changes(), [(State::Active, State::Initialize, Reason::Tracker)]);
    // One that could not run waits to hear that it can.
    let (mut next, outs) = next(&after, tracking);
    assert!(outs.changes().is_empty());
    let outs = next.feed(says(Verdict::Good));
    assert_eq!(outs.changes().first().map(|change| change.1), Some(State::Backup));
}

/// Images as they were made by mainstay 0.1.0: never to be changed.
const V1: &str = "0009020256490280b5f6baf502000080d0dbc3f402010005056f74686572018092b3f3f4020001000700010\
                  2000100c0000209c8020080e5d0eef402000380fdbdc8f40200";

#[test]
fn images_of_former_versions_are_understood() {
    let at = |ms: u64| Instant::ZERO + secs(100) + millis(ms);
    let event = |number| EventId { origin: Origin::Engine, number };
    let instances = vec![
        InstanceV1 {
            name: Name::from("VI"),
            phase: PhaseV1::Active { advert_at: at(250) },
            learned_interval: None,
            peer: None,
            changed_at: at(0),
            changed_by: Some(event(5)),
        },
        InstanceV1 {
            name: Name::from("other"),
            phase: PhaseV1::Backup {
                armed_at: at(100),
                preempting: false,
                resigned: Some(event(7)),
                preempt_at: None,
            },
            learned_interval: Some(secs(2)),
            peer: Some(PeerV1 {
                source: HIGHER.parse().unwrap(),
                priority: Priority::new(200),
                interval: secs(2),
                at: at(90),
                event: event(3),
            }),
            changed_at: at(10),
            changed_by: None,
        },
    ];
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let made = postcard::to_stdvec(&Image::V1 { events: 9, instances: instances.clone() }).unwrap();
    assert_eq!(hex(made), V1, "version 1 is made as it always was");
    let bytes: Vec<u8> = (0..V1.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&V1[at..at + 2], 16).unwrap())
        .collect();
    let read: Image = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(read, Image::V1 { events: 9, instances });
}

/// An image of version 2 as it was first made: never to be changed.
const V2: &str = "0109010256490280d0dbc3f402000080d0dbc3f40200010180808080700100c00002098080808060\
                  80d0dbc3f402";

#[test]
fn images_with_signed_adverts_are_made_and_read_as_ever() {
    let at = Instant::ZERO + secs(100);
    let base = InstanceV1 {
        name: Name::from("VI"),
        phase: PhaseV1::Active { advert_at: at },
        learned_interval: None,
        peer: None,
        changed_at: at,
        changed_by: None,
    };
    let marks = vec![MarkV2 { source: HIGHER.parse().unwrap(), highest: 6 << 32, heard: at }];
    let image = Image::V2 {
        events: 9,
        instances: vec![InstanceV2 { base, proven: true, number: Some(7 << 32), marks }],
    };
    let made = postcard::to_stdvec(&image).unwrap();
    let hex: String = made.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, V2, "version 2 is made as it always was");
    assert_eq!(postcard::from_bytes::<Image>(&made).unwrap(), image);
}

/// Found by the fuzzer: counting on from the last number there is broke the engine that took over.
#[test]
fn an_image_whose_events_cannot_be_counted_on_is_refused() {
    let image = |events| Image::V2 { events, instances: Vec::new() };
    let read =
        |events| postcard::from_bytes::<Image>(&postcard::to_stdvec(&image(events)).unwrap());
    assert!(read(1 << 40).is_ok());
    assert!(read(u64::MAX).is_err());
    let damaged = serde_json::to_value(image(u64::MAX)).unwrap();
    let error = serde_json::from_value::<Image>(damaged).unwrap_err();
    assert!(error.to_string().contains(&u64::MAX.to_string()), "{error}");
}
