//! Another configuration while it runs (VRRP-066): what is the same is not touched, what changes
//! changes in place, what is gone says good-bye.

use base::{Name, Priority, Reason, State, What};
use vrrp::{Input, InstanceConfig};

use crate::bench::{
    Bench, HIGHER, LOWER, VIP, centis, config, config_v6, ip, millis, nanos, saying, secs, v2, vip,
};

fn applied(instances: u32, added: u32, changed: u32, removed: u32) -> What {
    What::ConfigApplied { instances, added, changed, removed }
}

fn second() -> InstanceConfig {
    InstanceConfig {
        name: "second".into(),
        vrid: base::Vrid::new(52).unwrap(),
        vips: vec![vip("192.0.2.101")],
        ..config(100)
    }
}

#[test]
fn vrrp_066_what_is_the_same_is_not_touched() {
    for active in [false, true] {
        let mut bench = if active { Bench::active(config(100)) } else { Bench::new(config(100)) };
        bench.pass(millis(400));
        let (before, left) = (bench.only(), bench.left());
        let outs = bench.feed(Input::Configure(vec![config(100)]));
        assert_eq!(outs.happened(), [&applied(1, 0, 0, 0)]);
        assert!(outs.is_quiet());
        assert_eq!((bench.only(), bench.left()), (before, left));
    }
}

#[test]
fn vrrp_066_an_instance_beside_it_may_come_and_go() {
    let mut bench = Bench::active(config(100));
    bench.pass(millis(400));
    let before = bench.one("VI");
    let outs = bench.feed(Input::Configure(vec![second(), config(100)]));
    assert!(outs.has(&applied(2, 1, 0, 0)));
    assert!(outs.is_quiet());
    assert_eq!(bench.one("VI"), before);
    let names: Vec<Name> = bench.status().instances.into_iter().map(|one| one.name).collect();
    assert_eq!(names, [Name::from("second"), Name::from("VI")], "in the order of the file");
    assert_eq!(bench.one("second").state, State::Backup);

    let outs = bench.feed(Input::Configure(vec![config(100)]));
    assert!(outs.has(&applied(1, 0, 0, 1)));
    assert!(outs.is_quiet(), "a Backup leaves without a word");
    assert_eq!(bench.one("VI"), before);
}

#[test]
fn vrrp_066_a_removed_holder_resigns_and_frees_its_vips() {
    let mut bench = Bench::active(config(100));
    let outs = bench.feed(Input::Configure(vec![]));
    assert_eq!(outs.kinds(), ["sockets", "advert", "batch", "event"]);
    assert_eq!(outs.spoken(), [0]);
    assert_eq!(outs.ops(), ["-192.0.2.100"]);
    assert_eq!(outs.sockets(), Some(&[][..]));
    bench.kernel();
    assert!(!bench.has(VIP));
    assert_eq!(bench.left(), None);
    assert!(bench.router.is_settled());
    // Its packets are nobody's now.
    assert!(bench.hear(saying(HIGHER, 200)).is_quiet());
    assert!(bench.status().instances.is_empty());
}

#[test]
fn vrrp_066_a_renamed_holder_keeps_its_vips() {
    let mut bench = Bench::active(config(100));
    bench.pass(millis(400));
    let renamed = InstanceConfig { name: "better".into(), ..config(100) };
    let outs = bench.feed(Input::Configure(vec![renamed]));
    assert_eq!(outs.happened(), [&applied(1, 0, 1, 0)]);
    assert!(outs.is_quiet());
    assert_eq!((bench.state(), bench.left()), (State::Active, Some(millis(600))));
    assert_eq!(bench.only().name, Name::from("better"));
    assert_eq!(bench.only().present, [ip(VIP)]);
}

#[test]
fn vrrp_066_two_instances_may_change_names_with_each_other() {
    // Known by their names first: each becomes the other virtual router, and says so.
    let mut bench = Bench::of(vec![config(100), second()]);
    bench.sleep();
    bench.kernel();
    let swapped = vec![
        InstanceConfig { name: "second".into(), ..config(100) },
        InstanceConfig { name: "VI".into(), ..second() },
    ];
    bench.feed(Input::Configure(swapped));
    bench.kernel();
    for one in bench.status().instances {
        assert_ne!(one.state, State::Initialize, "{one:?}");
    }
    bench.sleep();
    bench.kernel();
    assert!(bench.has(VIP) && bench.has("192.0.2.101"));
}

#[test]
fn vrrp_066_another_vrid_is_another_virtual_router() {
    let mut bench = Bench::active(config(100));
    let moved = InstanceConfig { vrid: base::Vrid::new(52).unwrap(), ..config(100) };
    let outs = bench.feed(Input::Configure(vec![moved]));
    let sent = outs.advert();
    assert_eq!((sent.vrid, sent.priority), (51, 0), "good-bye to the old one");
    assert_eq!(bench.state(), State::Backup);
    assert_eq!(bench.left(), Some(nanos(3_609_375_000)));
    bench.kernel();
    assert!(!bench.has(VIP));
    let mut old = saying(HIGHER, 200);
    bench.pass(secs(1));
    bench.hear(old.clone());
    assert_eq!(bench.only().traffic.received, 0);
    old.vrid = 52;
    bench.hear(old);
    assert_eq!(bench.only().traffic.received, 1);
}

#[test]
fn vrrp_066_a_new_priority_counts_at_once_and_the_waited_part_is_kept() {
    let mut bench = Bench::new(config(100));
    bench.pass(secs(1));
    let outs = bench.feed(Input::Configure(vec![config(200)]));
    let (from, to) = (Priority::new(100), Priority::new(200));
    assert!(outs.has(&What::PriorityChanged { from, to }) && outs.is_quiet());
    assert_eq!(bench.left(), Some(nanos(2_000_000_000 + 56 * 3_906_250)));

    let mut bench = Bench::active(config(100));
    bench.pass(millis(400));
    bench.feed(Input::Configure(vec![config(50)]));
    assert_eq!(bench.left(), Some(millis(600)));
    assert_eq!(bench.sleep().spoken(), [50]);
    bench.hear(saying(LOWER, 60));
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn vrrp_066_a_new_interval_counts_at_once() {
    let with = |cs| InstanceConfig { interval: centis(cs), ..config(100) };
    let mut bench = Bench::active(config(100));
    bench.pass(millis(400));
    bench.feed(Input::Configure(vec![with(20)]));
    assert_eq!(bench.left(), Some(millis(200)), "peers are to hear of it soon");
    assert_eq!(bench.sleep().advert().interval, centis(20));
    assert_eq!(bench.left(), Some(millis(200)));
    bench.pass(millis(150));
    bench.feed(Input::Configure(vec![with(300)]));
    // The beat that was promised is kept: peers still wait by it.
    assert_eq!(bench.left(), Some(millis(50)));
    assert_eq!(bench.sleep().advert().interval, centis(300));
    assert_eq!(bench.left(), Some(secs(3)));
}

#[test]
fn vrrp_066_vips_come_and_go_without_leaving_active() {
    let with = |vips: &[&str]| InstanceConfig {
        vips: vips.iter().map(|address| vip(address)).collect(),
        ..config(100)
    };
    let mut bench = Bench::active(with(&["192.0.2.100", "192.0.2.101"]));
    bench.pass(millis(400));
    let outs = bench.feed(Input::Configure(vec![with(&["192.0.2.100", "192.0.2.102"])]));
    assert!(outs.changes().is_empty() && outs.adverts().is_empty());
    assert_eq!(outs.ops(), ["-192.0.2.101", "+192.0.2.102"]);
    let outs = bench.kernel();
    assert_eq!(outs.announced(), [ip("192.0.2.102")], "only what is new");
    assert_eq!((bench.state(), bench.left()), (State::Active, Some(millis(600))));
    assert_eq!(bench.sleep().advert().addresses, [ip("192.0.2.100"), ip("192.0.2.102")]);

    // None at all, and back.
    let outs = bench.feed(Input::Configure(vec![with(&[])]));
    assert_eq!(outs.ops().len(), 2);
    bench.kernel();
    assert!(bench.sleep().advert().addresses.is_empty());
    bench.feed(Input::Configure(vec![with(&[VIP])]));
    assert_eq!(bench.kernel().announced(), [ip(VIP)]);
    assert_eq!(bench.only().traffic.became_active, 1);
}

#[test]
fn vrrp_066_a_vip_may_move_from_one_instance_to_another_in_one_reload() {
    let first = |vips: Vec<base::Vip>| InstanceConfig { vips, ..config(100) };
    let other = |vips: Vec<base::Vip>| InstanceConfig { vips, ..second() };
    let mut bench =
        Bench::of(vec![first(vec![vip(VIP), vip("192.0.2.101")]), other(vec![vip("192.0.2.102")])]);
    bench.sleep();
    bench.kernel();
    let outs = bench.feed(Input::Configure(vec![
        first(vec![vip(VIP)]),
        other(vec![vip("192.0.2.102"), vip("192.0.2.101")]),
    ]));
    assert!(outs.changes().is_empty() && outs.ops().is_empty(), "it never leaves: {outs:?}");
    bench.kernel();
    assert!(bench.has("192.0.2.101"));
    assert_eq!(bench.one("second").present, [ip("192.0.2.102"), ip("192.0.2.101")]);
    assert_eq!(bench.one("VI").present, [ip(VIP)]);
}

#[test]
fn vrrp_066_another_version_is_another_virtual_router_but_keeps_no_vip_by_accident() {
    let mut bench = Bench::active(config(100));
    let old = InstanceConfig { interval: v2(1), ..config(100) };
    let outs = bench.feed(Input::Configure(vec![old]));
    let sent = outs.advert();
    assert_eq!((sent.priority, sent.interval), (0, centis(100)), "good-bye in the old version");
    assert_eq!(outs.ops(), ["-192.0.2.100"]);
    bench.kernel();
    let outs = bench.sleep();
    assert_eq!(outs.advert().interval, v2(1));
}

#[test]
fn vrrp_066_a_thousand_reloads_do_not_move_a_beat() {
    let mut bench = Bench::active(config(100));
    let begin = bench.now;
    let mut beats = 0;
    for n in 1..=1000_u32 {
        bench.pass(millis(10));
        beats += bench.wake().adverts().len();
        bench.kernel();
        let mut configs = vec![config(100)];
        if n % 2 == 0 {
            configs.push(second());
        }
        if n % 3 == 0 {
            configs.insert(0, config_v6(100));
        }
        let outs = bench.feed(Input::Configure(configs));
        assert!(outs.changes().iter().all(|(from, ..)| *from != State::Active), "{outs:?}");
    }
    assert_eq!(beats, 10);
    assert_eq!(bench.now.since(begin), secs(10));
    assert_eq!(bench.one("VI").since, begin, "never left");
}

#[test]
fn vrrp_066_removed_and_added_again_it_is_new() {
    let mut bench = Bench::active(config(100));
    bench.feed(Input::Configure(vec![]));
    bench.kernel();
    let outs = bench.feed(Input::Configure(vec![config(100)]));
    assert_eq!(outs.changes(), [(State::Initialize, State::Backup, Reason::Startup)]);
    assert_eq!(bench.only().traffic.sent, 0);
}

/// Found by the simulator (seed 18966): what was over by the new interval was taken for a stall, and
/// waited for anew.
#[test]
fn vrrp_066_what_is_over_by_a_shorter_interval_is_over_now() {
    let mut bench = Bench::new(InstanceConfig { interval: centis(800), ..config(100) });
    bench.pass(secs(20));
    assert_eq!(bench.state(), State::Backup);
    let outs = bench.feed(Input::Configure(vec![config(100)]));
    assert!(outs.changes().is_empty());
    let outs = bench.wake();
    assert_eq!(outs.changes(), [(State::Backup, State::Active, Reason::HolderSilent)]);
}
