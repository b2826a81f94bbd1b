//! Sync groups (VRRP-071): instances that are always in one state, and move in one turn.

use base::{
    Effect, Family, LinkFact, Name, Preempt, Priority, Reason, State, Subject, TrackEffect,
    Tracker, TrackerKind, Verdict, Vrid, What,
};
use vrrp::{Input, InstanceConfig, Tracked};

use crate::bench::{
    Bench, HIGHER, LOWER, OWN, VIP, address, centis, config, config_v6, ip, link, millis, saying,
    secs, vip,
};
use crate::seen::Outs;

use State::{Active, Backup, Initialize};

/// Three members: two families, two interfaces, two intervals.
fn four(priority: u8) -> InstanceConfig {
    InstanceConfig { name: "four".into(), group: Some("G".into()), ..config(priority) }
}

fn six(priority: u8) -> InstanceConfig {
    let group = Some("G".into());
    InstanceConfig { name: "six".into(), group, interval: centis(20), ..config_v6(priority) }
}

fn inside(priority: u8) -> InstanceConfig {
    InstanceConfig {
        name: "inside".into(),
        group: Some("G".into()),
        interface: Some("eth1".into()),
        vrid: Vrid::new(7).unwrap(),
        vips: vec![vip("10.0.0.100")],
        ..config(priority)
    }
}

fn all(priority: u8) -> Vec<InstanceConfig> {
    // Not in the order that decides, which is by VRID and family.
    vec![six(priority), four(priority), inside(priority)]
}

fn two_links(configs: Vec<InstanceConfig>) -> Bench {
    let (mut bench, _) = Bench::silent(configs);
    bench.addresses.push(address(3, "10.0.0.5"));
    bench.snapshot(vec![link(2, "eth0"), link(3, "eth1")]);
    bench
}

/// The same, holding.
fn holding(configs: Vec<InstanceConfig>) -> Bench {
    let mut bench = two_links(configs);
    while !states(&bench).iter().all(|state| *state == Active) {
        bench.sleep();
    }
    bench.kernel();
    bench
}

/// Lets so many milliseconds pass, waking the machine whenever it wants to be woken.
fn run(bench: &mut Bench, span: u64) {
    let end = bench.now + millis(span);
    while bench.router.poll_timeout().is_some_and(|at| at <= end) {
        bench.sleep();
    }
    bench.now = end;
    bench.wake();
}

fn states(bench: &Bench) -> Vec<State> {
    bench.status().instances.iter().map(|one| one.state).collect()
}

fn group(bench: &Bench) -> (State, Vec<Name>) {
    let group = bench.status().groups.into_iter().find(|group| group.name == *"G");
    let group = group.expect("a group called G");
    (group.state, group.members)
}

/// What the group itself was said to become.
fn group_changes(outs: &Outs) -> Vec<(State, State, Reason)> {
    let ours = |subject: &Subject| *subject == Subject::Group("G".into());
    let change = |event: &&base::Event| match event.what {
        What::StateChanged { from, to, .. } if ours(&event.subject) => {
            Some((from, to, event.reason))
        }
        _ => None,
    };
    outs.events().iter().filter_map(change).collect()
}

fn down(number: u32, name: &str) -> LinkFact {
    LinkFact { running: false, ..link(number, name) }
}

#[test]
fn vrrp_071_all_take_over_in_one_turn_when_the_last_of_them_would() {
    let mut bench = two_links(all(100));
    assert_eq!(states(&bench), [Backup; 3]);
    assert_eq!(group(&bench), (Backup, ["inside", "four", "six"].map(Name::from).into()));
    // `six` speaks five times as fast and would be first; it waits without being woken.
    let fast = bench.one("six").active_down_interval;
    let slow = bench.one("four").active_down_interval;
    assert!(fast < slow);
    let outs = bench.sleep();
    assert_eq!(bench.now.since(base::Instant::ZERO + secs(100)), fast);
    assert!(outs.is_empty(), "{outs:?}");
    let outs = bench.sleep();
    assert_eq!(bench.now.since(base::Instant::ZERO + secs(100)), slow);
    assert_eq!(states(&bench), [Active; 3]);
    // All adverts leave before anything else is done, the deciding member's first.
    let spoken: Vec<(u8, u8)> = outs.adverts().iter().map(|a| (a.vrid, a.priority)).collect();
    assert_eq!(spoken, [(7, 100), (51, 100), (51, 100)]);
    assert_eq!(outs.kinds(), ["advert", "will", "batch", "event"]);
    assert_eq!(group_changes(&outs), [(Backup, Active, Reason::SyncGroup)]);
}

#[test]
fn vrrp_071_one_member_that_hears_a_holder_holds_all_of_them_back() {
    let mut bench = two_links(all(100));
    for _ in 0..40 {
        run(&mut bench, 500);
        bench.hear(saying(HIGHER, 150));
        assert_eq!(states(&bench), [Backup; 3]);
        // It does not turn in circles meanwhile.
        assert!(bench.left().unwrap() > millis(1), "{:?}", bench.left());
    }
    // That one's holder falls silent: now all of them.
    bench.sleep();
    assert_eq!(states(&bench), [Active; 3]);
}

#[test]
fn vrrp_071_one_member_that_yields_takes_all_back_and_the_others_resign() {
    let mut bench = holding(all(100));
    let outs = bench.hear(saying(HIGHER, 150));
    assert_eq!(states(&bench), [Backup; 3]);
    // `four` says once more what it is; the others resign, so that nobody need miss them first.
    let spoken: Vec<(u8, u8)> = outs.adverts().iter().map(|a| (a.vrid, a.priority)).collect();
    assert_eq!(spoken, [(51, 100), (7, 0), (51, 0)]);
    assert_eq!(group_changes(&outs), [(Active, Backup, Reason::SyncGroup)]);
    let cause = bench.one("four").because;
    let because = bench.one("six").because.unwrap();
    let event = outs.events().into_iter().find(|event| event.id == because).unwrap();
    assert_eq!((event.reason, event.causes.first().copied()), (Reason::SyncGroup, cause));
    bench.kernel();
    assert!(!bench.has(VIP) && !bench.has("10.0.0.100"));
}

#[test]
fn vrrp_071_one_member_that_cannot_run_stops_all_and_all_come_back_together() {
    let mut bench = holding(all(100));
    let outs = bench.link_is(down(3, "eth1"));
    assert_eq!(states(&bench), [Initialize; 3]);
    assert_eq!(outs.spoken(), [0, 0], "those who can be heard");
    let mut changes = outs.changes();
    assert_eq!(changes.remove(0), (Active, Initialize, Reason::LinkDown));
    assert_eq!(changes, [(Active, Initialize, Reason::SyncGroup); 3]);
    assert_eq!(bench.one("six").fault, Some(Reason::SyncGroup));
    assert_eq!(group(&bench).0, Initialize);
    assert_eq!(bench.left(), None);
    bench.kernel();

    let outs = bench.link_is(link(3, "eth1"));
    assert_eq!(states(&bench), [Backup; 3]);
    assert_eq!(group_changes(&outs), [(Initialize, Backup, Reason::SyncGroup)]);
}

#[test]
fn vrrp_071_a_stop_ends_all_of_them_and_the_group() {
    let mut bench = holding(all(100));
    let outs = bench.feed(Input::Stop);
    assert_eq!(outs.spoken(), [0, 0, 0]);
    assert_eq!(group_changes(&outs), [(Active, Initialize, Reason::Shutdown)]);
}

#[test]
fn a_group_that_cannot_run_at_start_says_so_once() {
    let (mut bench, _) = Bench::silent(all(100));
    bench.addresses.push(address(3, "10.0.0.5"));
    let outs = bench.snapshot(vec![link(2, "eth0"), down(3, "eth1")]);
    assert_eq!(states(&bench), [Initialize; 3]);
    assert_eq!(group_changes(&outs), [(Initialize, Initialize, Reason::SyncGroup)]);
    assert!(group_changes(&bench.snapshot(vec![link(2, "eth0"), down(3, "eth1")])).is_empty());
}

#[test]
fn preemption_waits_until_every_member_may() {
    // Alone `four` would push its weaker holder aside; `inside` has a stronger one.
    let mut bench = two_links(all(100));
    let inside = |priority| {
        let mut saying = saying("10.0.0.9", priority);
        saying.vrid = 7;
        saying.index = crate::bench::index(3);
        saying.addresses = vec![ip("10.0.0.100")];
        saying
    };
    for _ in 0..10 {
        run(&mut bench, 900);
        bench.hear(saying(HIGHER, 50));
        bench.hear(inside(150));
        assert_eq!(states(&bench), [Backup; 3]);
    }
    // Now the holder of both is weaker than all members here.
    for _ in 0..10 {
        run(&mut bench, 900);
        bench.hear(saying(HIGHER, 50));
        bench.hear(inside(50));
    }
    assert_eq!(states(&bench), [Active; 3]);
}

#[test]
fn one_member_that_never_preempts_keeps_all_from_it() {
    let never = InstanceConfig { preempt: Preempt::Never, ..four(100) };
    let mut bench = two_links(vec![six(100), never, inside(100)]);
    for _ in 0..20 {
        run(&mut bench, 900);
        bench.hear(saying(HIGHER, 50));
        assert_eq!(states(&bench), [Backup; 3]);
    }
}

#[test]
fn an_owner_among_others_waits_for_them_and_owners_alone_start_at_once() {
    let bench = two_links(vec![six(100), four(255), inside(100)]);
    assert_eq!(states(&bench), [Backup; 3]);
    let mut bench = two_links(all(255));
    bench.wake();
    assert_eq!(states(&bench), [Active; 3]);
}

#[test]
fn members_stronger_each_elsewhere_come_to_rest_with_the_leading_one() {
    // Ours leads in VRID 7, theirs is stronger in VRID 51.
    let mut bench = holding(vec![four(100), inside(200)]);
    let mut theirs = saying("10.0.0.9", 150);
    theirs.vrid = 7;
    theirs.index = crate::bench::index(3);
    theirs.addresses = vec![ip("10.0.0.100")];
    bench.hear(theirs);
    let outs = bench.hear(saying(HIGHER, 150));
    assert_eq!(states(&bench), [Active; 2], "the leading member is the stronger one");
    assert_eq!(outs.spoken(), [100], "and the other asserts itself too");
    // The other side has given in at its leading member: nothing more is heard there. Whoever goes
    // on claiming the second VRID is somebody else, and all yield to it.
    bench.pass(secs(4));
    bench.wake();
    bench.hear(saying(HIGHER, 150));
    assert_eq!(states(&bench), [Backup; 2]);
}

#[test]
fn a_member_added_by_a_reload_never_demotes() {
    let mut bench = holding(vec![six(100), four(100)]);
    let before = bench.one("four").since;
    bench.pass(millis(70));
    let outs = bench.feed(Input::Configure(all(100)));
    assert_eq!(states(&bench), [Active; 3], "it holds with the others at once");
    let spoken: Vec<(u8, u8)> = outs.adverts().iter().map(|a| (a.vrid, a.priority)).collect();
    assert_eq!(spoken, [(7, 100)]);
    assert!(group_changes(&outs).is_empty());
    assert_eq!(bench.one("four").since, before);

    // And one that leaves goes its own way: as holder.
    let alone = InstanceConfig { group: None, ..inside(100) };
    let outs = bench.feed(Input::Configure(vec![six(100), four(100), alone]));
    assert!(outs.is_quiet(), "{outs:?}");
    assert_eq!(states(&bench), [Active; 3]);
    assert_eq!(group(&bench).1.len(), 2);
}

#[test]
fn a_member_added_without_its_link_does_not_count_until_it_can_run() {
    let mut bench = holding(vec![six(100), four(100)]);
    bench.link_is(down(3, "eth1"));
    assert_eq!(states(&bench), [Active; 2]);
    bench.feed(Input::Configure(all(100)));
    assert_eq!(states(&bench), [Active, Active, Initialize]);
    assert_eq!(group(&bench), (Active, ["four", "six"].map(Name::from).into()));
    bench.link_is(link(3, "eth1"));
    assert_eq!(states(&bench), [Active; 3]);
    // From now on it counts like any other.
    bench.link_is(down(3, "eth1"));
    assert_eq!(states(&bench), [Initialize; 3]);
}

#[test]
fn instances_that_run_apart_are_joined_without_a_demotion() {
    let apart = |config: InstanceConfig| InstanceConfig { group: None, ..config };
    let mut bench = two_links(vec![apart(four(100)), apart(inside(100))]);
    for _ in 0..5 {
        run(&mut bench, 900);
        bench.hear(saying(HIGHER, 50 + 100));
    }
    assert_eq!(states(&bench), [Backup, Active]);
    bench.feed(Input::Configure(vec![four(100), inside(100)]));
    assert_eq!(states(&bench), [Active; 2]);
}

#[test]
fn a_member_that_goes_lets_those_act_that_waited_for_it() {
    let mut bench = two_links(vec![four(100), inside(100)]);
    for _ in 0..8 {
        run(&mut bench, 900);
        bench.hear(saying(HIGHER, 150));
    }
    bench.feed(Input::Configure(vec![inside(100)]));
    bench.wake();
    assert_eq!(states(&bench), [Active]);
}

#[test]
fn a_reload_that_changes_nothing_touches_no_group() {
    let mut bench = holding(all(100));
    bench.pass(millis(40));
    let (before, left) = (bench.status(), bench.left());
    let outs = bench.feed(Input::Configure(all(100)));
    assert!(outs.is_quiet());
    assert_eq!((bench.status(), bench.left()), (before, left));
}

#[test]
fn heirs_hold_on_together() {
    let (mut bench, _) = Bench::silent(vec![]);
    let names = vec!["six".into(), "four".into(), "inside".into()];
    bench.feed(Input::Adopt { image: None, held: names, events: 10 });
    bench.feed(Input::Configure(all(100)));
    bench.addresses.push(address(3, "10.0.0.5"));
    bench.snapshot(vec![link(2, "eth0"), link(3, "eth1")]);
    assert_eq!(states(&bench), [Active; 3]);
}

#[test]
fn a_tracker_of_the_group_is_a_tracker_of_each_member() {
    let tracker = Tracker { kind: TrackerKind::Script, name: "chk".into() };
    let effect = Effect::Of(TrackEffect::DeltaWhileBad(-60));
    let tracked = Tracked { tracker: tracker.clone(), effect, assume_bad: false };
    let with =
        |config: InstanceConfig| InstanceConfig { trackers: vec![tracked.clone()], ..config };
    let mut bench = holding(all(100).into_iter().map(with).collect());
    bench.feed(Input::Verdict { tracker, verdict: Verdict::Bad });
    let priorities: Vec<u8> =
        bench.status().instances.iter().map(|one| one.priority.get()).collect();
    assert_eq!(priorities, [40; 3]);
    assert_eq!(states(&bench), [Active; 3]);
    // Now a peer that was weaker is stronger.
    bench.hear(saying(LOWER, 90));
    assert_eq!(states(&bench), [Backup; 3]);
}

#[test]
fn a_group_of_one_is_an_instance() {
    let mut bench = two_links(vec![four(100)]);
    bench.sleep();
    assert_eq!(states(&bench), [Active]);
    assert_eq!(bench.one("four").source, Some(ip(OWN)));
    assert_eq!(bench.one("four").base_priority, Priority::new(100));
    assert_eq!(bench.one("four").family, Family::V4);
}

/// keepalived tells of a group before its members when they begin, and after them from then on.
#[test]
fn a_group_that_begins_is_told_of_first_and_afterwards_last() {
    let subjects = |outs: &Outs| -> Vec<String> {
        let word = |subject: &Subject| match subject {
            Subject::Group(_) => "group".to_owned(),
            Subject::Instance(name) => name.to_string(),
            other => format!("{other:?}"),
        };
        outs.events()
            .iter()
            .filter(|event| matches!(event.what, What::StateChanged { .. }))
            .map(|event| word(&event.subject))
            .collect()
    };
    let (mut bench, _) = Bench::silent(all(100));
    bench.addresses.push(address(3, "10.0.0.5"));
    let outs = bench.snapshot(vec![link(2, "eth0"), link(3, "eth1")]);
    let told = subjects(&outs);
    assert_eq!(told.first().map(String::as_str), Some("group"), "{told:?}");
    assert_eq!(told.len(), 4);
    loop {
        let outs = bench.sleep();
        let told = subjects(&outs);
        if !told.is_empty() {
            assert_eq!(told.last().map(String::as_str), Some("group"), "{told:?}");
            assert_eq!(told.len(), 4);
            break;
        }
    }
}

#[test]
fn a_group_whose_start_is_put_off_has_no_fault_to_tell() {
    let late = |config: InstanceConfig| InstanceConfig { startup_delay: secs(5), ..config };
    let (mut bench, _) = Bench::silent(all(100).into_iter().map(late).collect());
    bench.addresses.push(address(3, "10.0.0.5"));
    let outs = bench.snapshot(vec![link(2, "eth0"), link(3, "eth1")]);
    assert!(outs.changes().is_empty(), "{outs:?}");
    let mut changes = Vec::new();
    while !states(&bench).iter().all(|state| *state == Active) {
        changes.extend(bench.sleep().changes());
    }
    assert!(changes.iter().all(|change| change.1 != Initialize), "{changes:?}");
}
