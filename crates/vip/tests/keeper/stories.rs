//! Stories with one thread of events each; the property test has the rest.

use std::time::Duration;

use base::{AddressOp, Batch, BatchDone, Errno, IfIndex, KernelFact, Name, OpDone, Ticket, Vip};
use vip::HolderId;
use vip::keeper::Output;

use crate::kernel::fact;
use crate::world::{World, vip};

const HOLDER: HolderId = HolderId(1);

fn two() -> Vec<Vip> {
    vec![vip("192.0.2.20", 24, "eth0"), vip("192.0.2.10", 24, "eth0")]
}

/// A world where holder 1 holds `vips` and all is quiet.
fn holding(vips: &[Vip]) -> World {
    let mut world = World::with_links(&["eth0"]);
    world.manage(1, vips);
    world.hold(1);
    world.settle();
    assert!(world.keeper.held(HOLDER));
    world.said();
    world.asked();
    world
}

fn present(vips: &[Vip]) -> Output {
    Output::Present { holder: HOLDER, vips: vips.to_vec() }
}

fn gone(vips: &[Vip]) -> Output {
    Output::Gone { holder: HOLDER, vips: vips.to_vec() }
}

fn index(world: &World, name: &str) -> IfIndex {
    world.kernel.index_of(&Name::from(name)).unwrap()
}

/// Hands the keeper the outcome `answer` for everything it has asked, which the kernel never sees.
fn answer_all(world: &mut World, answer: OpDone) {
    let ops = world.asked().len();
    let ticket = Ticket::new(u64::from(world.batches));
    world.give(BatchDone { ticket, outcomes: vec![answer; ops] });
}

#[test]
fn one_decision_is_one_batch_in_the_order_of_the_configuration() {
    let mut world = World::with_links(&["eth0"]);
    world.manage(1, &two());
    assert_eq!(world.batches, 0, "managed is not held");
    world.hold(1);
    let on = index(&world, "eth0");
    let adds: Vec<AddressOp> =
        two().into_iter().map(|vip| AddressOp::Add { index: on, vip }).collect();
    assert_eq!((world.batches, world.asked()), (1, adds));
    assert_eq!(world.said(), [], "nothing is present before the kernel says so");
    world.settle();
    assert_eq!(world.said(), [present(&two())]);
}

#[test]
fn several_holders_decided_together_share_a_batch() {
    let mut keeper = vip::keeper::Keeper::new();
    let mut world = World::with_links(&["eth0"]);
    let now = world.now;
    keeper.handle(now, vip::keeper::Input::Fact(&world.kernel.snapshot()));
    for (holder, vip) in (1..).map(HolderId).zip(two()) {
        keeper.handle(now, vip::keeper::Input::Manage { holder, vips: vec![vip] });
        keeper.handle(now, vip::keeper::Input::Hold { holder });
    }
    let Some(Output::Batch(Batch { ops, .. })) = keeper.poll_output() else {
        panic!("no batch");
    };
    assert_eq!(ops.len(), 2);
    assert_eq!(keeper.poll_output(), None);
    world.settle();
}

#[test]
fn release_removes_secondaries_before_their_primary() {
    let mut world = holding(&two());
    world.release(1);
    let on = index(&world, "eth0");
    let removals: Vec<AddressOp> =
        two().into_iter().rev().map(|vip| AddressOp::Remove { index: on, vip }).collect();
    assert_eq!(world.asked(), removals);
    world.settle();
    assert_eq!(world.said(), [gone(&two())]);
    assert!(world.kernel.addresses.is_empty());
}

#[test]
fn the_late_echo_of_a_removal_is_not_a_theft() {
    let mut world = holding(&two());
    world.release(1);
    while world.step() | world.read_outcome() {}
    world.hold(1);
    while world.step() | world.read_outcome() {}
    assert_eq!(world.said(), [gone(&two()), present(&two())]);
    world.asked();
    // Only now does anybody read: gone, gone, here, here.
    assert_eq!(world.kernel.facts.len(), 4);
    world.settle();
    assert_eq!((world.said(), world.asked()), (vec![], vec![]));
}

#[test]
fn vrrp_067_a_vip_taken_by_somebody_is_put_back_at_once() {
    let mut world = holding(&two());
    let taken = two().remove(1);
    world.kernel.lose(|a| a.1 == taken.address);
    world.read_fact();
    let on = index(&world, "eth0");
    assert_eq!(world.said(), [Output::Taken { holder: HOLDER, vip: taken.clone() }]);
    assert_eq!(world.asked(), [AddressOp::Add { index: on, vip: taken.clone() }]);
    assert!(!world.keeper.held(HOLDER));
    world.run();
    assert_eq!(world.said(), [present(&[taken])], "to be announced again");
    assert!(world.keeper.held(HOLDER));
}

#[test]
fn vrrp_067_a_vip_present_though_not_held_is_removed() {
    let mut world = World::with_links(&["eth0"]);
    let on = index(&world, "eth0");
    let rest = two().remove(0);
    world.kernel.install((on, rest.address, rest.prefix)).unwrap();
    world.run();
    world.manage(1, &two());
    assert_eq!(world.said(), [Output::LeftOver { holder: HOLDER, vip: rest.clone() }]);
    assert_eq!(world.asked(), [AddressOp::Remove { index: on, vip: rest.clone() }]);
    world.settle();
    assert!(world.kernel.addresses.is_empty());

    // And when it turns up later.
    world.kernel.install((on, rest.address, rest.prefix)).unwrap();
    world.settle();
    assert_eq!(world.said(), [Output::LeftOver { holder: HOLDER, vip: rest }]);
    assert!(world.kernel.addresses.is_empty());
}

#[test]
fn what_is_on_its_way_off_is_not_present_to_who_takes_over_meanwhile() {
    let mut world = World::with_links(&["eth0"]);
    let on = index(&world, "eth0");
    let rest = two().remove(0);
    world.kernel.install((on, rest.address, rest.prefix)).unwrap();
    world.run();
    world.manage(1, &[rest.clone()]);
    assert_eq!(world.asked(), [AddressOp::Remove { index: on, vip: rest.clone() }]);
    world.said();
    // The outcome is not known when the holder wants it after all: nothing to announce yet.
    world.hold(1);
    assert_eq!(world.said(), []);
    world.settle();
    assert_eq!(world.said(), [present(&[rest])]);
}

#[test]
fn vrrp_067_somebody_who_takes_it_again_and_again_is_met_at_a_pace() {
    let mut world = holding(&two());
    let taken = two().remove(0);
    for _ in 0..1_000 {
        world.kernel.lose(|a| a.1 == taken.address);
        world.run();
    }
    let puts = world.asked().len();
    assert!(puts <= 6, "{puts} operations without time passing");
    world.settle();
    assert!(world.keeper.held(HOLDER));
}

#[test]
fn a_vip_already_there_when_it_is_to_be_held_is_left_alone() {
    let mut world = World::with_links(&["eth0"]);
    let on = index(&world, "eth0");
    let found = two().remove(0);
    world.kernel.install((on, found.address, found.prefix)).unwrap();
    world.run();
    world.hold(1);
    world.manage(1, std::slice::from_ref(&found));
    assert_eq!((world.said(), world.asked()), (vec![present(&[found])], vec![]));
}

#[test]
fn vrrp_066_a_reload_touches_only_what_changed() {
    let mut world = holding(&two());
    let [kept, dropped] = [two().remove(0), two().remove(1)];
    let new = vip("192.0.2.30", 24, "eth0");
    world.manage(1, &[kept, new.clone()]);
    let on = index(&world, "eth0");
    assert_eq!(
        world.asked(),
        [
            AddressOp::Remove { index: on, vip: dropped.clone() },
            AddressOp::Add { index: on, vip: new.clone() }
        ]
    );
    world.settle();
    let said = world.said();
    assert!(said.contains(&gone(&[dropped])) && said.contains(&present(&[new])), "{said:?}");
    assert_eq!(said.len(), 2, "the kept one is not mentioned: {said:?}");
    assert!(world.keeper.held(HOLDER));
}

#[test]
fn vrrp_066_another_label_takes_removing_and_adding() {
    let mut world = holding(&two());
    let mut relabelled = two();
    relabelled[0].label = Some("eth0:1".into());
    world.manage(1, &relabelled);
    world.settle();
    let on = index(&world, "eth0");
    assert_eq!(
        world.asked(),
        [
            AddressOp::Remove { index: on, vip: two().remove(0) },
            AddressOp::Add { index: on, vip: relabelled[0].clone() }
        ]
    );
}

#[test]
fn vrrp_066_an_ipv6_decoration_is_changed_by_adding_again() {
    let plain = vip("2001:db8::10", 64, "eth0");
    let mut world = holding(std::slice::from_ref(&plain));
    let mut deprecated = plain;
    deprecated.flags.deprecated = true;
    world.manage(1, std::slice::from_ref(&deprecated));
    world.settle();
    let on = index(&world, "eth0");
    assert_eq!(world.asked(), [AddressOp::Add { index: on, vip: deprecated }]);
    assert_eq!(world.said(), [], "it never went");
}

#[test]
fn an_ipv6_prefix_is_changed_only_after_the_former_is_gone() {
    let narrow = vip("2001:db8::10", 128, "eth0");
    let wide = vip("2001:db8::10", 64, "eth0");
    let mut world = holding(std::slice::from_ref(&wide));
    world.manage(1, std::slice::from_ref(&narrow));
    let on = index(&world, "eth0");
    assert_eq!(world.asked(), [AddressOp::Remove { index: on, vip: wide }]);
    world.settle();
    assert_eq!(world.asked(), [AddressOp::Add { index: on, vip: narrow }]);
    assert!(world.keeper.held(HOLDER));
}

#[test]
fn an_empty_list_forgets_the_holder_and_removes_what_it_held() {
    let mut world = holding(&two());
    world.manage(1, &[]);
    world.settle();
    assert_eq!(world.said(), [gone(&two())]);
    assert!(world.kernel.addresses.is_empty());
    assert!(!world.keeper.held(HOLDER));
    assert_eq!(world.keeper.status().vips, []);
}

#[test]
fn a_vip_wanted_by_two_stays_until_neither_holds() {
    let shared = two().remove(0);
    let mut world = holding(std::slice::from_ref(&shared));
    world.manage(2, std::slice::from_ref(&shared));
    world.hold(2);
    world.release(1);
    world.settle();
    assert!(world.is_there(&shared));
    assert!(world.is_told(2, &shared) && !world.is_told(1, &shared));
    world.release(2);
    world.settle();
    assert!(!world.is_there(&shared));
}

#[test]
fn a_vip_waits_for_its_interface_and_follows_its_name() {
    let mut world = World::with_links(&[]);
    world.manage(1, &two());
    world.hold(1);
    world.settle();
    assert_eq!(world.batches, 0);
    world.kernel.create(&"eth0".into());
    world.settle();
    assert_eq!(world.said(), [present(&two())]);

    world.kernel.delete(&"eth0".into());
    world.settle();
    let said = world.said();
    assert!(said.iter().all(|o| matches!(o, Output::Gone { .. })), "no theft: {said:?}");
    assert!(two().iter().all(|vip| !world.is_told(1, vip)));
    world.kernel.create(&"eth0".into());
    world.settle();
    assert_eq!(world.said(), [present(&two())]);

    world.kernel.rename(&"eth0".into(), &"lan0".into());
    world.settle();
    assert_eq!(world.said(), [gone(&two())]);
    assert!(world.kernel.addresses.is_empty(), "nothing is left on the renamed interface");
}

#[test]
fn ipv6_flushed_by_a_link_going_down_comes_back_with_it() {
    let vips = [vip("192.0.2.10", 24, "eth0"), vip("2001:db8::10", 64, "eth0")];
    let mut world = holding(&vips);
    world.kernel.set_running(&"eth0".into(), false);
    world.settle();
    assert_eq!(world.said(), [gone(&vips[1..])]);
    assert_eq!(world.asked(), [], "it would only be flushed again");
    world.kernel.set_running(&"eth0".into(), true);
    world.settle();
    assert_eq!(world.said(), [present(&vips[1..])]);
}

#[test]
fn an_address_under_duplicate_detection_is_present_only_after_it() {
    let mut checked = vip("2001:db8::10", 64, "eth0");
    checked.flags.no_dad = false;
    let mut world = World::with_links(&["eth0"]);
    world.manage(1, std::slice::from_ref(&checked));
    world.hold(1);
    answer_all(&mut world, Ok(()));
    let on = index(&world, "eth0");
    let mut said = fact((on, checked.address, checked.prefix));
    said.tentative = true;
    world.handle(vip::keeper::Input::Fact(&KernelFact::Address(said)));
    assert_eq!((world.said(), world.keeper.held(HOLDER)), (vec![], false));
    assert_eq!(world.asked(), [], "patience, not repetition");
    world.kernel.addresses.insert((on, checked.address, checked.prefix));
    said.tentative = false;
    world.handle(vip::keeper::Input::Fact(&KernelFact::Address(said)));
    assert_eq!(world.said(), [present(&[checked])]);
}

#[test]
fn refusals_are_retried_with_growing_pauses_and_told_at_the_first_and_fifth() {
    let one = two().remove(0);
    let mut world = World::with_links(&["eth0"]);
    world.kernel.refuse = Some(Errno::PERM);
    world.manage(1, std::slice::from_ref(&one));
    world.hold(1);
    world.run();
    let mut pauses = Vec::new();
    for _ in 0..10 {
        let at = world.keeper.poll_timeout().unwrap();
        pauses.push(at.since(world.now));
        world.sleep(at.since(world.now));
        world.run();
    }
    let ms = [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000];
    assert_eq!(pauses, ms.map(Duration::from_millis));
    let refused =
        |errno, attempts| Output::Refused { holder: HOLDER, vip: one.clone(), errno, attempts };
    assert_eq!(world.said(), [refused(Errno::PERM, 1), refused(Errno::PERM, 5)]);
    assert_eq!(world.keeper.status().vips[0].refused, Some((Errno::PERM, 11)));

    world.kernel.refuse = Some(Errno(105));
    world.sleep(Duration::from_secs(5));
    world.run();
    assert_eq!(world.said(), [refused(Errno(105), 12)], "another answer");

    world.kernel.refuse = None;
    world.sleep(Duration::from_secs(5));
    world.run();
    assert_eq!(world.said(), [present(std::slice::from_ref(&one))]);
    assert_eq!(world.keeper.status().vips[0].refused, None);
    assert_eq!(world.keeper.poll_timeout(), None);
}

#[test]
fn what_is_tried_goes_on_being_asked_about_and_is_never_left_there() {
    let vips = [vip("192.0.2.10", 24, "eth0"), vip("2001:db8::10", 64, "eth0")];
    let mut world = World::with_links(&["eth0"]);
    let on = index(&world, "eth0");
    world.kernel.refuse = Some(Errno(13));
    world.manage(1, &vips);
    world.hold(1);
    world.run();
    assert_eq!(world.keeper.refused(HOLDER, 1), Some((vips[0].address, Errno(13))));
    assert_eq!(world.keeper.refused(HOLDER, 2), None);
    world.handle(vip::keeper::Input::Try { holder: HOLDER, trying: true });
    world.release(1);
    world.asked();
    let probes = vips.clone().map(|vip| AddressOp::Probe { index: on, vip });
    for _ in 0..10 {
        let at = world.keeper.poll_timeout().unwrap();
        world.sleep(at.since(world.now));
        world.run();
        assert_eq!(world.asked(), probes);
    }
    assert!(world.keeper.refused(HOLDER, 11).is_some());
    world.kernel.refuse = None;
    world.settle();
    assert_eq!(world.asked(), probes);
    assert_eq!(world.keeper.refused(HOLDER, 1), None);
    assert!(world.kernel.addresses.is_empty());
    let told = world.said();
    assert!(told.iter().all(|one| matches!(one, Output::Refused { .. })), "{told:?}");
    // And its echo is not taken for anything when it is held at once.
    world.hold(1);
    world.settle();
    assert_eq!(world.said(), [present(&vips)]);
    assert!(world.keeper.held(HOLDER));
}

#[test]
fn what_somebody_puts_there_while_it_is_tried_is_removed_as_ever() {
    let one = two().remove(0);
    let mut world = World::with_links(&["eth0"]);
    let on = index(&world, "eth0");
    world.kernel.refuse = Some(Errno(13));
    world.manage(1, std::slice::from_ref(&one));
    world.hold(1);
    world.run();
    world.handle(vip::keeper::Input::Try { holder: HOLDER, trying: true });
    world.release(1);
    world.kernel.refuse = None;
    world.kernel.install((on, one.address, one.prefix)).unwrap();
    world.settle();
    assert!(world.kernel.addresses.is_empty());
    assert_eq!(world.keeper.refused(HOLDER, 1), None);
}

#[test]
fn a_release_ends_the_retries() {
    let mut world = World::with_links(&["eth0"]);
    world.kernel.refuse = Some(Errno::PERM);
    world.manage(1, &two());
    world.hold(1);
    world.run();
    assert!(world.keeper.poll_timeout().is_some());
    world.release(1);
    assert_eq!(world.keeper.poll_timeout(), None);
}

#[test]
fn unfitting_outcomes_are_counted_and_what_has_none_is_done_again() {
    let mut world = World::with_links(&["eth0"]);
    world.give(BatchDone { ticket: Ticket::new(99), outcomes: vec![] });
    assert_eq!(world.keeper.status().discards.unknown_ticket, 1);
    world.manage(1, &two());
    world.hold(1);
    let first = world.asked();
    world.give(BatchDone { ticket: Ticket::new(1), outcomes: vec![] });
    assert_eq!(world.keeper.status().discards.outcome_count, 1);
    assert_eq!(world.asked(), first);
}

#[test]
fn a_snapshot_older_than_our_additions_takes_nothing_back() {
    let mut world = World::with_links(&["eth0"]);
    let before = world.kernel.snapshot();
    world.manage(1, &two());
    world.hold(1);
    while world.step() | world.read_outcome() {}
    assert_eq!(world.said(), [present(&two())]);
    world.handle(vip::keeper::Input::Fact(&before));
    world.settle();
    assert_eq!(world.said(), [], "made sure of, quietly");
    assert!(world.keeper.held(HOLDER));
}

#[test]
fn a_snapshot_without_a_held_vip_reveals_a_theft_nobody_reported() {
    let mut world = holding(&two());
    let taken = two().remove(0);
    world.kernel.lose(|a| a.1 == taken.address);
    world.kernel.overrun();
    world.settle();
    assert_eq!(
        world.said(),
        [Output::Taken { holder: HOLDER, vip: taken.clone() }, present(&[taken])]
    );
}

#[test]
fn what_an_earlier_run_left_and_we_hold_goes_with_its_interfaces_name() {
    // Found by simulation: held without ever having been added by us, it was nobody's to remove
    // once its interface had another name.
    let vips = [vip("2001:db8::6", 64, "eth0")];
    let mut world = World::with_links(&["eth0"]);
    let on = index(&world, "eth0");
    world.kernel.install((on, vips[0].address, vips[0].prefix)).unwrap();
    world.kernel.overrun();
    world.read_fact();
    world.manage(1, &vips);
    world.hold(1);
    world.settle();
    assert!(world.keeper.held(HOLDER));
    world.kernel.rename(&"eth0".into(), &"lan0".into());
    world.settle();
    let address = (on, vips[0].address, vips[0].prefix);
    assert!(!world.kernel.addresses.contains(&address), "not under the other name");
}
